# SPDX-License-Identifier: Apache-2.0
"""Open vSwitch's own daemon without a datapath in the kernel, and an OpenFlow peer that says to any
switch what ovs-ofctl would, and tells what came back."""
import os
import pathlib
import re
import select
import socket
import struct
import subprocess

from lab import expect, run, wait_for

DAEMON = pathlib.Path("/usr/lib/openvswitch-switch/ovs-vswitchd")
SCHEMA = pathlib.Path("/usr/share/openvswitch/vswitch.ovsschema")
WIRE = {"OpenFlow10": 1, "OpenFlow13": 4, "OpenFlow14": 5, "OpenFlow15": 6}
HELLO, ERROR, ECHO_REQUEST, ECHO_REPLY, SET_CONFIG, PACKET_IN, PACKET_OUT = 0, 1, 2, 3, 9, 10, 13
TABLE, CONTROLLER, NONE = 0xFFF9, 0xFFFD, 0xFFFF  # ports of OpenFlow 1.0
EXPERIMENTER = (0xFFFF, 0xB0C2)  # errors that have a number of their maker's


class Vswitchd:
    """ovs-vswitchd and its database in a directory of their own, on dummies all the way down: it
    touches nothing of this host."""

    def __init__(self, lab, ports):
        """@ports: files that get what leaves by ports 1, 2, ..."""
        self.dir = lab.dir / lab.unique("ovs")
        self.dir.mkdir()
        self.env = dict(os.environ, **dict.fromkeys(
            ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR"), str(self.dir)))
        db = f"unix:{self.dir}/db.sock"
        run("ovsdb-tool", "create", self.dir / "conf.db", SCHEMA)
        lab.spawn("ovsdb", ["ovsdb-server", self.dir / "conf.db", f"--remote=p{db}",
                            f"--unixctl={self.dir}/db.ctl", "--no-chdir"], env=self.env)
        wait_for((self.dir / "db.sock").exists, 10, "ovsdb-server")
        run("ovs-vsctl", f"--db={db}", "--no-wait", "init", "--", "set", "Open_vSwitch", ".",
            "other_config:vlan-limit=2")
        lab.spawn("ovs-vswitchd", [DAEMON, db, "--enable-dummy", f"--unixctl={self.dir}/vs.ctl",
                                   "--no-chdir"], env=self.env)
        words = ["add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=dummy",
                 "fail_mode=secure", "protocols=" + ",".join(WIRE)]
        for n, path in enumerate(ports, 1):
            words += ["--", "add-port", "br0", f"p{n}", "--", "set", "interface", f"p{n}",
                      "type=dummy", f"ofport_request={n}", f"options:tx_pcap={path}"]
        run("ovs-vsctl", "--timeout=20", f"--db={db}", *words)
        self.mgmt = self.dir / "br0.mgmt"

    def appctl(self, *words):
        return run("ovs-appctl", "--timeout=20", "-t", self.dir / "vs.ctl", *words)[1]


def messages(buffer):
    """Splits what was received into whole messages and the rest."""
    found = []
    while len(buffer) >= 8:
        size = max(8, struct.unpack_from("!H", buffer, 2)[0])
        if len(buffer) < size:
            break
        found.append(buffer[:size])
        buffer = buffer[size:]
    return found, buffer


def barrier(version):
    """Type of such a request; its reply's is one more."""
    return 18 if version == 1 else 20


def record(lab, name, command, lines):
    """What "ovs-ofctl COMMAND SWITCH FILE" sends for lines, in the version of this name: (line,
    message) of each, and (None, message) of what it sends before. Lines that it does not take are
    left out."""
    path, where = lab.dir / "recorded", lab.dir / "record.sock"
    path.write_text("".join(line + "\n" for line in lines))
    where.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(where))
        listener.listen(8)
        process = subprocess.Popen(
            ["ovs-ofctl", "--timeout=20", "--no-names", "-O", name, command, f"unix:{where}",
             str(path)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)
        sent = serve(listener, process, WIRE[name])
        said, _ = process.communicate()
    if process.returncode == 0:
        head = len(sent) - len(lines)
        return [(None, m) for m in sent[:head]] + list(zip(lines, sent[head:]))
    at = re.search(re.escape(str(path)) + r":(\d+)", said)
    if at:
        bad = int(at.group(1)) - 1
        parts = [lines[:bad] + lines[bad + 1:]]
    else:  # it has not said which one
        parts = [lines[:len(lines) // 2], lines[len(lines) // 2:]] if len(lines) > 1 else []
    found = [record(lab, name, command, part) for part in parts]
    begin = next((pairs for pairs in found if pairs), [])
    return [pair for pair in begin if not pair[0]] + \
        [pair for pairs in found for pair in pairs if pair[0]]


def serve(listener, process, version):
    """Plays a switch that takes everything, until @process ends; returns what it is told."""
    sent, peers = [], {}
    while process.poll() is None:
        for sock in select.select([listener, *peers], [], [], 0.01)[0]:
            if sock is listener:
                peer, _ = listener.accept()
                peer.sendall(struct.pack("!BBHI", version, HELLO, 8, 1))
                peers[peer] = b""
                continue
            data = sock.recv(1 << 16)
            found, peers[sock] = messages(peers[sock] + data)
            if not data:
                del peers[sock]
                sock.close()
            for message in found:
                answer = reply(message)
                if answer:
                    sock.sendall(answer)
                elif message[1] != HELLO:
                    sent.append(message)
    return sent


def reply(message):
    """What a switch says to a request that is none of its business; None: nothing."""
    version, kind, _, xid = struct.unpack_from("!BBHI", message)
    if kind == ECHO_REQUEST:
        return message[:1] + bytes([ECHO_REPLY]) + message[2:]
    if kind == barrier(version):
        return struct.pack("!BBHI", version, kind + 1, 8, xid)
    return None


def outcome(message):
    """Of a message that came back: (type, code) of an error, with what tells experimenters' apart;
    else its type alone."""
    if message[1] != ERROR:
        return (message[1],)
    kind, code = struct.unpack_from("!HH", message, 8)
    return (kind, code, message[12:20].hex()) if kind in EXPERIMENTER else (kind, code)


def packet_out(in_port, frame, *ports):
    """In OpenFlow 1.0."""
    actions = b"".join(struct.pack("!HHHH", 0, 8, port, 0xFFFF) for port in ports)
    body = struct.pack("!IHH", 0xFFFFFFFF, in_port, len(actions)) + actions + frame
    return struct.pack("!BBHI", 1, PACKET_OUT, 8 + len(body), 0) + body


class Session:
    """A peer of the switch behind a socket."""

    def __init__(self, path, version):
        self.version, self.xid, self.buffer = version, 1, b""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(str(path))
        self.sock.sendall(struct.pack("!BBHI", version, HELLO, 8, 1))
        expect(self.read()[1] == HELLO, "the switch does not say hello")
        self.waiting = []

    def read(self):
        while True:
            found, _ = messages(self.buffer)
            if found:
                self.buffer = self.buffer[len(found[0]):]
                return found[0]
            data = self.sock.recv(1 << 16)
            expect(data, "the switch has closed the connection")
            self.buffer += data

    def hear_packets(self):
        """From now on packets for the controller come here, those of OpenFlow 1.0 whole."""
        self.sock.sendall(struct.pack("!BBHIHH", self.version, SET_CONFIG, 12, 0, 0, 0xFFFF))

    def probe(self, mark):
        """Waits until the switch has done what it had to do with packets so far: a packet that goes
        the same way comes back."""
        self.play([packet_out(NONE, mark, CONTROLLER)])
        while not any(m[1] == PACKET_IN and mark in m for m in self.news):
            self.news.append(self.read())

    def play(self, what):
        """Sends messages, some at a time; returns for each what came back with its number. What
        nobody has asked for is in self.news."""
        back, self.news = [], []
        for begin in range(0, len(what), 50):
            part = what[begin:begin + 50]
            first = self.xid + 1
            data = b"".join(m[:4] + struct.pack("!I", first + i) + m[8:]
                            for i, m in enumerate(part))
            self.xid = last = first + len(part)
            self.sock.sendall(data + struct.pack("!BBHI", self.version, barrier(self.version), 8,
                                                 last))
            answers = [[] for _ in part]
            while True:
                message = self.read()
                xid = struct.unpack_from("!I", message, 4)[0]
                if xid == last and message[1] == barrier(self.version) + 1:
                    break
                if message[1] == ECHO_REQUEST:
                    self.sock.sendall(reply(message))
                elif first <= xid < last:
                    answers[xid - first].append(message)
                else:
                    self.news.append(message)
            back += answers
        return back

    def close(self):
        self.sock.close()
