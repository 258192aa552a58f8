# SPDX-License-Identifier: Apache-2.0
"""OpenFlow 1.0 for tests that send more changes than ovs-ofctl can be started for."""
import itertools
import socket
import struct

from lab import connect, expect

HELLO, ERROR, FLOW_MOD, BARRIER_REQUEST, BARRIER_REPLY = 0, 1, 14, 18, 19
ADD, MODIFY, MODIFY_STRICT, DELETE, DELETE_STRICT = range(5)
ALL = 0x3fffff  # wildcards
NONE = 0xffff
IN_PORT, ETH_TYPE, PROTO, TP_SRC, TP_DST = 1 << 0, 1 << 4, 1 << 5, 1 << 6, 1 << 7
NW_SRC, NW_DST = 0x3f << 8, 0x3f << 14
IPV4, UDP = 0x800, 17


def match_port(port):
    """Packets from a port."""
    return struct.pack("!IH34x", ALL & ~IN_PORT, port)


def match_udp(source, destination, source_port, port):
    """A five-tuple; addresses are numbers."""
    wildcards = ALL & ~(ETH_TYPE | PROTO | TP_SRC | TP_DST | NW_SRC | NW_DST)
    return struct.pack("!I18xHBB2xIIHH", wildcards, IPV4, 0, UDP, source, destination, source_port,
                       port)


MATCH_ALL = struct.pack("!I36x", ALL)


def message(kind, body, xid):
    return struct.pack("!BBHI", 1, kind, 8 + len(body), xid) + body


def flow_mod(command, match, out_port=None, priority=100, xid=0):
    """A message that makes, changes or deletes rules; without a port they drop."""
    actions = b"" if out_port is None else struct.pack("!HHHH", 0, 8, out_port, 0)
    return message(FLOW_MOD, match + struct.pack("!QHHHHIHH", 0, command, 0, 0, priority, 0xffffffff,
                                                 NONE, 0) + actions, xid)


class OpenFlow:
    """A connection. polls: whoever waits looks all the time, and does not have to be woken up."""

    def __init__(self, path, process):
        self.sock, self.polls = connect(path, 10, process), False
        self.buffer, self.xids = b"", itertools.count(1)
        self.send(message(HELLO, b"", next(self.xids)))
        self.receive(HELLO)

    def send(self, messages):
        self.sock.sendall(messages)

    def some(self):
        while self.polls:
            try:
                return self.sock.recv(65536, socket.MSG_DONTWAIT)
            except BlockingIOError:
                pass
        return self.sock.recv(65536)

    def exactly(self, n):
        while len(self.buffer) < n:
            more = self.some()
            expect(more, "the switch has closed the connection")
            self.buffer += more
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def receive(self, kind):
        """The next message of this kind; an error is a failure."""
        while True:
            _, got, length, _ = struct.unpack("!BBHI", self.exactly(8))
            body = self.exactly(length - 8)
            expect(got != ERROR, f"the switch answers with an error: {body[:4].hex()}")
            if got == kind:
                return body

    def barrier(self, before=b""):
        """Sends messages, and waits until they are in force."""
        self.send(before + message(BARRIER_REQUEST, b"", next(self.xids)))
        self.receive(BARRIER_REPLY)

    def close(self):
        self.sock.close()
