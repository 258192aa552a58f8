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

from lab import Netns, RawSocket, Switch, expect, main, say, scaled
from openflow import ADD, OpenFlow, flow_mod, match_port


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
        peer.barrier(flow_mod(ADD, match_port(1), 2 + to))
        a.send(b.mac, struct.pack("!Q", number))
        old += next_numbered([b.sock, c.sock], number) != to
    say(f"  {scaled(1000)} changes, {old} packets by the rule before")
    expect(old == 0, f"{old} packets went by a rule that was not there any more")
    switch.stop()


main(barrier, title=__doc__)
