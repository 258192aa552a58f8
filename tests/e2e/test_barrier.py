#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
A change that was acknowledged is in force: change a rule, wait for the reply to a barrier, send a
packet at once. It must never go where the rule before sent it.

    namespace a --- ta (1) --.
    namespace b --- tb (2) ---+--- vireod --- OpenFlow 1.0 (br0.mgmt)
    namespace c --- tc (3) --'
"""
import select
import socket
import struct

from lab import Netns, RawSocket, Switch, connect, expect, main, say, scaled

HELLO, FLOW_MOD, BARRIER_REQUEST, BARRIER_REPLY, ERROR = 0, 14, 18, 19, 1
ALL = 0x3fffff  # wildcards of OpenFlow 1.0
NONE = 0xffff


class OpenFlow:
    """A connection that speaks OpenFlow 1.0."""

    def __init__(self, path, process):
        self.sock = connect(path, 10, process)
        self.xid = 0
        self.send(HELLO, b"")
        self.receive(HELLO)

    def send(self, kind, body):
        self.xid += 1
        self.sock.sendall(struct.pack("!BBHI", 1, kind, 8 + len(body), self.xid) + body)

    def exactly(self, n):
        data = b""
        while len(data) < n:
            more = self.sock.recv(n - len(data))
            expect(more, "the switch has closed the connection")
            data += more
        return data

    def receive(self, kind):
        """The next message of this kind; an error is a failure."""
        while True:
            _, got, length, _ = struct.unpack("!BBHI", self.exactly(8))
            body = self.exactly(length - 8)
            expect(got != ERROR, f"the switch answers with an error: {body[:4].hex()}")
            if got == kind:
                return body

    def set_rule(self, in_port, out_port):
        """Makes or changes the rule of packets from @in_port, and waits until it is in force."""
        match = struct.pack("!IH6s6sHBxHBB2xIIHH", ALL & ~1, in_port, b"", b"", 0, 0, 0, 0, 0, 0, 0,
                            0, 0)
        body = struct.pack("!QHHHHIHH", 0, 0, 0, 0, 100, 0xffffffff, NONE, 0)
        self.send(FLOW_MOD, match + body + struct.pack("!HHHH", 0, 8, out_port, 0))
        self.send(BARRIER_REQUEST, b"")
        self.receive(BARRIER_REPLY)


def tap(lab, switch, name):
    netns = Netns(lab, name)
    switch("port", "add", name, "type", "tap", "netns", netns.name)
    netns("ip", "link", "set", name, "up")
    switch.wait_link(name)
    return RawSocket(lab, netns, name)


def next_numbered(sockets, number):
    """Which of the sockets gets the frame with this number."""
    while True:
        ready = select.select(sockets, [], [], 5)[0]
        expect(ready, f"packet {number} came nowhere")
        for sock in ready:
            frame, _, _, address = sock.recvmsg(2048, 256)
            if address[2] != socket.PACKET_OUTGOING and frame[14:22] == struct.pack("!Q", number):
                return sockets.index(sock)


def barrier(lab):
    """Rules that change all the time."""
    switch = Switch(lab, workers=2)
    a, b, c = (tap(lab, switch, name) for name in ("ta", "tb", "tc"))
    peer = OpenFlow(switch.run_dir / "br0.mgmt", switch.process)
    old = 0
    for number in range(scaled(1000)):
        to = number % 2
        peer.set_rule(1, 2 + to)
        a.send(b.mac, struct.pack("!Q", number))
        old += next_numbered([b.sock, c.sock], number) != to
    say(f"  {scaled(1000)} changes, {old} packets by the rule before")
    expect(old == 0, f"{old} packets went by a rule that was not there any more")
    switch.stop()


main(barrier, title=__doc__)
