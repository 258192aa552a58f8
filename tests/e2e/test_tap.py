#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
Taps in network namespaces, and VLANs between them.

    namespace a  10.7.0.1 --- ta, access VLAN 10 --.
    namespace b  10.7.0.2 --- tb, access VLAN 10 ---+--- vireod
    namespace c  10.7.0.3 --- tc, access VLAN 20 ---|
    namespace t  raw frames - tt, trunk 10,20 ------'
"""
from lab import Netns, RawSocket, Switch, expect, iperf_mbits, main, ping_result, say, scaled, wait_for

BROADCAST = b"\xff" * 6


def tap(lab, switch, name, ip=None, *options):
    netns = Netns(lab, name)
    switch("port", "add", name, "type", "tap", "netns", netns.name, *options)
    netns("ip", "link", "set", name, "up")
    if ip:
        netns("ip", "addr", "add", f"{ip}/24", "dev", name)
    switch.wait_link(name)
    return netns


def plain(lab):
    """Two hosts on one bridge: ping, TCP both ways."""
    switch = Switch(lab)
    a, b = tap(lab, switch, "ta", "10.7.0.1"), tap(lab, switch, "tb", "10.7.0.2")
    count = scaled(1000)
    sent, received, ms = ping_result(a("ping", "-q", "-i", "0.001", "-c", count, "10.7.0.2"))
    expect(sent == count and received > 0, f"{received} of {sent} pings came back")
    # ping itself waits for the last reply no longer than twice as long as for those before
    wait_for(lambda: switch.port("ta")["tx_packets"] >= count, 20, "all replies")
    expect(not switch.drops(), f"lost: {switch.drops()}")
    lab.spawn("iperf3", ["iperf3", "-s"], netns=b)

    def tcp(*more):
        def once():  # the server may not be there yet, or not be done with the one before
            text = a("iperf3", "-c", "10.7.0.2", "-t", "1", "-J", *more, check=False)
            return "sum_received" in text and text
        return iperf_mbits(wait_for(once, 30, "iperf3's server"))
    there, back = tcp(), tcp("-R")
    say(f"  ping {ms} ms, TCP {there:.0f} and {back:.0f} Mbit/s")
    counted = switch.ports()
    expect(counted["ta"]["rx_packets"] >= count, "the port's counters do not count")
    macs = {m["mac"]: m["port"] for m in switch.json("mac", "show")}
    expect(sorted(macs.values()) == ["ta", "tb"], f"learned addresses: {macs}")
    switch.stop()


def access(lab):
    """An access port reaches its own VLAN and no other."""
    switch = Switch(lab)
    a = tap(lab, switch, "ta", "10.7.0.1", "tag", 10)
    tap(lab, switch, "tb", "10.7.0.2", "tag", 10)
    c = tap(lab, switch, "tc", "10.7.0.3", "tag", 20)
    expect(a.status("ping", "-q", "-c", "3", "-i", "0.1", "10.7.0.2") == 0, "VLAN 10 does not pass")
    expect(a.status("ping", "-q", "-c", "3", "-i", "0.1", "-W", "1", "10.7.0.3") != 0,
           "VLAN 10 reaches VLAN 20")
    expect(c.status("ping", "-q", "-c", "3", "-i", "0.1", "-W", "1", "10.7.0.1") != 0,
           "VLAN 20 reaches VLAN 10")
    switch("port", "set", "tc", "tag", 10)
    expect(c.status("ping", "-q", "-c", "3", "-i", "0.1", "10.7.0.1") == 0,
           "a changed tag has no effect")
    switch.stop()


def trunk(lab):
    """A trunk carries the tags of its VLANs; frames of others are counted drops."""
    switch = Switch(lab)
    sockets = {}
    for name, options in (("ta", ("tag", 10)), ("tc", ("tag", 20)), ("tt", ("trunks", "10,20"))):
        sockets[name] = RawSocket(lab, tap(lab, switch, name, None, *options), name)
    a, c, t = sockets["ta"], sockets["tc"], sockets["tt"]

    t.send(BROADCAST, b"to ten", vlan=10)
    got = a.receive(b"to ten")
    expect(got and got[0] is None, f"access port should get VLAN 10 untagged: {got}")
    expect(not c.receive(b"to ten", 0.3), "VLAN 10 came out of an access port of VLAN 20")
    a.send(BROADCAST, b"from ten")
    got = t.receive(b"from ten")
    expect(got and got[0] == 10, f"trunk should get tag 10: {got}")
    c.send(t.mac, b"from twenty")
    got = t.receive(b"from twenty")
    expect(got and got[0] == 20, f"trunk should get tag 20: {got}")

    before = switch.port("tt")["drops"].get("vlan", 0)
    t.send(BROADCAST, b"to thirty", vlan=30)
    expect(not a.receive(b"to thirty", 0.3), "VLAN 30 came out of VLAN 10")
    wait_for(lambda: switch.port("tt")["drops"].get("vlan", 0) == before + 1, 20,
             "the frame of VLAN 30 to be counted")
    t.send(BROADCAST, b"no tag")
    expect(not a.receive(b"no tag", 0.3), "an untagged frame of a trunk came out of VLAN 10")
    a.send(BROADCAST, b"tagged ten", vlan=20)
    expect(not c.receive(b"tagged ten", 0.3), "an access port could choose its VLAN")
    switch.stop()


def guarded(lab):
    """Protected ports, allowed source addresses, storm control."""
    switch = Switch(lab)
    raw = {name: RawSocket(lab, tap(lab, switch, name), name) for name in ("ta", "tb", "tc")}
    switch("port", "set", "ta", "protected", "on")
    switch("port", "set", "tb", "protected", "on")
    raw["ta"].send(BROADCAST, b"guarded")
    expect(raw["tc"].receive(b"guarded"), "a protected port reaches nobody")
    expect(not raw["tb"].receive(b"guarded", 0.3), "protected ports reach each other")

    switch("port", "set", "ta", "allowed-macs", "02:00:00:00:00:99")
    raw["ta"].send(BROADCAST, b"spoofed")
    expect(not raw["tc"].receive(b"spoofed", 0.3), "a source address that is not allowed passed")
    wait_for(lambda: switch.port("ta")["drops"].get("source_mac", 0) > 0, 20, "it to be counted")

    switch("port", "set", "tc", "broadcast-limit", "10")
    for _ in range(200):
        raw["tc"].send(BROADCAST, b"storm")
    wait_for(lambda: switch.port("tc")["drops"].get("broadcast_limit", 0) > 100, 20,
             "the storm to be counted")
    switch.stop()


main(plain, access, trunk, guarded, title=__doc__)
