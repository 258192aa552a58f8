#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
Checksum and segmentation offload with the kernel's own drivers: what passes unsplit, what the
switch segments, and that TCP gets through both ways.

    QEMU guest a  10.7.0.1 --- a.sock ---.
    QEMU guest b  10.7.0.2 --- b.sock ---+--- vireod        (c and d: a second pair,
    namespace h   10.7.0.3 --- tap host -'                   without offload)
"""
from statistics import median

from lab import Guest, Netns, Switch, expect, iperf, main, say, scaled

IP = {"a": "10.7.0.1", "b": "10.7.0.2", "h": "10.7.0.3", "c": "10.7.0.4", "d": "10.7.0.5"}
MAC = {name: f"52:54:00:00:00:0{name}" for name in "abcd"}
FRAME = 1514  # bytes of a full-sized frame


def guest(lab, name, net):
    return Guest(lab, name, net, ip=IP[name] + "/24", mac=MAC[name])


class Flow:
    """TCP for a second, and the mean size of what was counted meanwhile."""

    def __init__(self, switch, client, server, to, ports, more=""):
        before = switch.ports()
        self.mbits, after = iperf(client, server, to, more=more), switch.ports()

        def mean(port, way):
            n, size = (after[port][f"{way}_{what}"] - before[port][f"{way}_{what}"]
                       for what in ("packets", "bytes"))
            return size / max(n, 1)
        self.sent, self.received = mean(ports[0], "rx"), mean(ports[1], "tx")

    def __str__(self):
        return f"{self.mbits:.0f} Mbit/s, {self.sent:.0f} bytes a packet in, {self.received:.0f} out"


def pair(lab, *options_of_b, host=False):
    """A switch and two guests; options are those of b's port, and with @host not of a's."""
    switch = Switch(lab)
    paths = {"a": switch.vhost("a", *(() if host else options_of_b)), "b": switch.vhost("b", *options_of_b)}
    guests = [guest(lab, name, paths[name]) for name in "ab"]
    for g in guests:
        g.wait_ready()
    switch.wait_link("a", "b")
    return switch, *guests


def unsplit(lab):
    """Guests exchange packets of up to 64 KiB, and do so with the host's kernel."""
    switch, a, b = pair(lab)
    host = Netns(lab, "h")
    switch("port", "add", "host", "type", "tap", "netns", host.name)
    host("ip", "link", "set", "dev", "host", "up")
    host("ip", "addr", "add", IP["h"] + "/24", "dev", "host")
    text = switch("port", "show", "a").upper()
    for word in ("HOST_TSO4", "GUEST_TSO6", "GUEST_CSUM", "HOST_ECN"):
        expect(word in text, f"port show does not tell {word}:\n{text}")
    large = Flow(switch, a, b, IP["b"], "ab")
    say(f"  guest to guest: {large}")
    expect(large.sent > 2 * FRAME and large.received > 2 * FRAME, "packets are split")
    flow = Flow(switch, a, lambda command: host("sh", "-c", command), IP["h"], ("a", "host"))
    say(f"  guest to host: {flow}")
    expect(flow.received > 2 * FRAME, "packets to the host are split")
    flow = Flow(switch, a, lambda command: host("sh", "-c", command), IP["h"], ("host", "a"), " -R")
    say(f"  host to guest: {flow}")
    expect(flow.sent > 2 * FRAME and flow.received > 2 * FRAME, "packets of the host are split")
    switch("port", "set", "host", "offload", "tso", "off")
    flow = Flow(switch, a, lambda command: host("sh", "-c", command), IP["h"], ("a", "host"))
    say(f"  guest to host without tso: {flow}")
    expect(flow.sent > 2 * FRAME and flow.received <= FRAME, "packets to the host are not split")
    say(f"  {switch('port', 'set', 'b', 'offload', 'tso', 'off').strip()}")
    flow = Flow(switch, a, b, IP["b"], "ab")
    expect(flow.received > 2 * FRAME, "a change takes effect before the next negotiation")
    switch.stop()
    return large.mbits


def segmented(lab):
    """One guest takes what the other does not: the switch segments and checksums."""
    switch, a, b = pair(lab, "offload", "csum", "off", host=True)
    flow = Flow(switch, a, b, IP["b"], "ab")
    say(f"  to a guest without offload: {flow}")
    expect(flow.sent > 2 * FRAME, "the sender does not use what it has")
    expect(flow.received <= FRAME, "a guest gets what it has not negotiated")
    flow = Flow(switch, b, a, IP["a"], "ba")
    say(f"  from a guest without offload: {flow}")
    expect(flow.sent <= FRAME, "a guest sends what it has not negotiated")
    ports = switch.ports()
    expect(not any(ports[n]["drops"].get(d) for n in "ab" for d in ("offload", "tx_offload")),
           f"drops: {ports['a']['drops']} {ports['b']['drops']}")
    switch.stop()


def faster(lab):
    """The same with and without, one TCP connection and four, by turns; printed, not judged."""
    pairs, switch = {"with": "ab", "without": "cd"}, Switch(lab)
    guests = {}
    for what, names in pairs.items():
        options = () if what == "with" else ("offload", "csum", "off")
        for name in names:
            guests[name] = guest(lab, name, switch.vhost(name, *options))
    for g in guests.values():
        g.wait_ready()
    switch.wait_link(*guests)

    def mbits(names, more):
        client, server = names
        return Flow(switch, guests[client], guests[server], IP[server], names, more).mbits
    for text, more in (("one connection", ""), ("four", " -P 4")):
        for names in pairs.values():
            mbits(names, more)  # emulators translate, windows grow
        rounds = [[mbits(names, more) for names in pairs.values()] for _ in range(scaled(1))]
        by, without = ([r[i] for r in rounds] for i in range(2))
        ratios = sorted(r[0] / r[1] for r in rounds)
        say(f"  {text}: {median(by):.0f} Mbit/s with offload, {median(without):.0f} without: "
            f"{median(ratios):.2f} times ({ratios[0]:.2f} to {ratios[-1]:.2f})")
    switch.stop()


main(unsplit, segmented, faster, title=__doc__)
