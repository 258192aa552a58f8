#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who floods the switch with files or with clients locks nobody out.

    a, b (vireo bench) --- vireod, which may open 300 files --- evil0..2: front-ends that send files
                              |
                        control socket: vireo, and a process that connects again and again
"""
import os
import socket
import struct

from lab import BUILD, Switch, expect, main, run, say, wait_for

FILES = 300
GET_FEATURES, SET_OWNER, SET_VRING_KICK, SET_VRING_CALL, SET_BACKEND_REQ_FD = 1, 3, 12, 13, 21
FEATURES = 2, struct.pack("=Q", 1 << 32 | 1 << 30)  # VERSION_1, PROTOCOL_FEATURES
PROTOCOL_FEATURES = 16, struct.pack("=Q", 1 << 5)  # BACKEND_REQ
RINGS = 96


class Evil:
    """A front-end that gives each ring an eventfd, and waits."""

    def __init__(self, path, rings=RINGS):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(str(path))
        self.send(SET_OWNER)
        event = os.eventfd(0)
        for ring in range(rings):
            if not self.send(SET_VRING_CALL, struct.pack("=Q", ring), event):
                break
        os.close(event)

    def send(self, request, payload=b"", *files):
        """False: nobody listens any more."""
        try:
            socket.send_fds(self.socket, [struct.pack("=III", request, 1, len(payload)) + payload], files)
            return True
        except OSError:
            return False

    def close(self):
        self.socket.close()


def limit(switch, name):
    return switch.json("stats", "show")["limits"][name]


def pair_works(switch):
    text = run(BUILD / "vireo", "-j", "bench", switch.run_dir / "a.sock", switch.run_dir / "b.sock",
               "load", "loop", "seconds", 0.2, "warmup", 0.1, "hugepages", "off")[1]
    expect('"lost": 0' in text, f"frames were lost: {text}")


def files_of(lab, *args):
    """Front-ends take all files that they may have: the control socket goes on to serve, and when they
    have left, all is as before."""
    switch = Switch(lab, args=args, wrap=("prlimit", f"--nofile={FILES}:{FILES}"))
    for name in "ab":
        switch.vhost(name)
    evils = [switch.vhost(f"evil{i}", "queues", RINGS // 2) for i in range(3)]
    pid, before = switch.pid, limit(switch, "files")
    expect(before["most"] == FILES - FILES // 4, f"of {FILES} files: {before}")
    pair_works(switch)
    for _ in range(3):
        front_ends = [Evil(path) for path in evils]
        log = switch.process.log
        wait_for(lambda: "a file of a front-end or client was refused" in log.read_text()
                 or "cannot accept a front-end" in log.read_text(), 20, "a refusal")
        for _ in range(5):
            switch.json("port", "show")
        switch("port", "add", "more", "type", "dummy")
        switch("port", "del", "more")
        for front_end in front_ends:
            front_end.close()
        switch.wait_link(*(f"evil{i}" for i in range(3)), up=False)
    wait_for(lambda: limit(switch, "files")["now"] <= before["now"] + 2, 20, "files to be closed")
    pair_works(switch)
    if args:  # else it is the keeper that refuses
        expect(limit(switch, "files")["refused"] > 0, "nothing was counted")
    switch.find()
    expect(switch.pid == pid, "the switch process was started again")
    switch.stop()


def files(lab):
    files_of(lab)


def files_without_keeper(lab):
    files_of(lab, "--no-keeper")


def lingering():
    """A TCP socket whose last owner waits in close() until the other end has read what it never does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        mine = socket.create_connection(server.getsockname())
        theirs = server.accept()[0]
    try:
        while True:
            mine.send(bytes(65536), socket.MSG_DONTWAIT)
    except BlockingIOError:
        pass
    mine.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 100000))
    return mine, theirs


def ended(front_end):
    try:
        return front_end.recv(1) == b""
    except ConnectionResetError:
        return True


def strange_files_of(lab, *args):
    """Who sends a file that takes for ever to close holds up nobody, whether it is received or not."""
    switch = Switch(lab, args=args)
    for name in "ab":
        switch.vhost(name)
    evil = switch.vhost("evil")
    ends = []
    for n in (1, 8, 200):
        with socket.socket(socket.AF_UNIX) as front_end:
            front_end.connect(str(evil))
            front_end.settimeout(20)
            mine, theirs = lingering()
            ends.append(theirs)
            message = struct.pack("=IIIQ", SET_VRING_KICK, 1, 8, 0)
            socket.send_fds(front_end, [message[:4]], [mine.fileno()] * n)
            mine.close()  # not the last one: nobody takes a part of a message
            front_end.send(message[4:])
            expect(ended(front_end), f"{n} files: it was answered")
        pair_works(switch)
    switch.stop()
    for end in ends:
        end.close()


def strange_files(lab):
    strange_files_of(lab)


def back_end_channel(lab):
    """What such a file is put into is a socket that the switch keeps to the end of the connection."""
    switch = Switch(lab)
    for name in "ab":
        switch.vhost(name)
    evil = switch.vhost("evil")
    for _ in range(3):
        front_end = Evil(evil, rings=0)
        for features in FEATURES, PROTOCOL_FEATURES:
            front_end.send(*features)
        mine, theirs = socket.socketpair()
        front_end.send(SET_BACKEND_REQ_FD, b"", theirs.fileno())
        theirs.close()
        front_end.send(GET_FEATURES)
        expect(len(front_end.socket.recv(20)) == 20, "it was not served")
        tcp, reader = lingering()
        socket.send_fds(mine, [b"x"], [tcp.fileno()])
        tcp.close()
        mine.close()
        front_end.close()
        switch.wait_link("evil", up=False)
        pair_works(switch)
        reader.close()
    switch.stop()


def strange_files_without_keeper(lab):
    strange_files_of(lab, "--no-keeper")


def clients(lab):
    """A process that never closes its connections gets 16, and others theirs."""
    switch = Switch(lab)
    sockets, refused = [], 0
    for n in range(40):
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(switch.run_dir / "vireod.sock"))
        sockets.append(client)
        client.settimeout(0.05 if n < 16 else 20)
        try:
            refused += b"16 clients of this process" in client.recv(1000)
        except TimeoutError:
            pass
    expect(refused == 24, f"{refused} of 40 were refused")
    now = limit(switch, "rpc_clients")
    expect(now["now"] == 17 and now["most"] == 64, f"clients: {now}")  # with this one
    expect(limit(switch, "rpc_clients_of_process")["refused"] == 24, "refusals are not counted")
    for client in sockets:
        client.close()
    wait_for(lambda: limit(switch, "rpc_clients")["now"] == 1, 10, "clients to be forgotten")
    text = switch("stats", "show")
    expect("LIMIT" in text and "of the control socket" in text, f"no table for people: {text}")
    say("  " + next(line for line in text.splitlines() if "rpc_clients " in line).strip())
    switch.stop()


main(files, files_without_keeper, strange_files, strange_files_without_keeper, back_end_channel, clients,
     title=__doc__)
