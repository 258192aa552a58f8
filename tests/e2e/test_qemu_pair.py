#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
Real Linux guests, with the kernel's own virtio driver.

    QEMU guest a  10.7.0.1 --- a.sock ---.
    QEMU guest b  10.7.0.2 --- b.sock ---+--- vireod
    namespace h   10.7.0.3 --- tap host -'
"""
from lab import Guest, Netns, Switch, expect, iperf, main, ping_result, say, scaled, wait_for

IP = {"a": "10.7.0.1", "b": "10.7.0.2", "h": "10.7.0.3"}
MAC = {"a": "52:54:00:00:00:0a", "b": "52:54:00:00:00:0b"}


def guest(lab, name, net, device="", **more):
    return Guest(lab, name, net, ip=IP[name] + "/24", mac=MAC[name], device=device, **more)


def pings(ping, count, to):
    sent, received, ms = ping_result(ping(f"ping -A -q -c {count} {to}"))
    expect(sent == received == count, f"{received} of {sent} pings to {to} came back")
    return ms


def measure(client, server, to):
    """TCP from the client to @to and back; Mbit/s each."""
    return [iperf(client, server, to, 2, more) for more in ("", "-R")]


def pair_and_host(lab):
    switch = Switch(lab)
    a = guest(lab, "a", switch.vhost("a"))
    b = guest(lab, "b", switch.vhost("b"))
    host = Netns(lab, "h")
    switch("port", "add", "host", "type", "tap", "netns", host.name)
    host("ip", "link", "set", "dev", "host", "up")
    host("ip", "addr", "add", IP["h"] + "/24", "dev", "host")
    a.wait_ready()
    b.wait_ready()
    switch.wait_link("a", "b", "host")

    say(f"  {scaled(500)} pings, no loss: {pings(a, scaled(500), IP['b'])} ms between guests, "
        f"{pings(a, 100, IP['h'])} ms guest and host")
    there, back = measure(a, b, IP["b"])
    say(f"  TCP between guests {there:.0f} and {back:.0f} Mbit/s")
    there, back = measure(a, lambda command: host("sh", "-c", command), IP["h"])
    say(f"  TCP guest and host {there:.0f} and {back:.0f} Mbit/s")
    expect(a("ping -q -c 3 -s 1472 " + IP["b"]), "full-sized frames do not pass")

    ports = switch.ports()
    expect(ports["a"]["rx_packets"] > 1000 and ports["b"]["tx_packets"] > 1000, "nothing counted")
    text = switch("port", "show", "a")
    for word in ("VERSION_1", "MRG_RXBUF", "split"):
        expect(word.lower() in text.lower(), f"port show does not tell {word}:\n{text}")
    switch.stop()


def vlans(lab):
    """a on an access port of VLAN 10, b on a trunk with the tag set by its own kernel."""
    switch = Switch(lab)
    paths = {"a": switch.vhost("a", "tag", 10), "b": switch.vhost("b", "trunks", "10,20")}
    a, b = guest(lab, "a", paths["a"]).wait_ready(), guest(lab, "b", paths["b"]).wait_ready()
    switch.wait_link("a", "b")
    expect(b.status(f"ping -q -c 2 -W 1 {IP['a']}")[0] != 0, "untagged frames reach VLAN 10")
    b("ip addr flush dev eth0")
    for vlan, address in ((10, IP["b"] + "/24"), (20, "10.8.0.2/24")):
        b(f"ip link add link eth0 name v{vlan} type vlan id {vlan} && ip addr add {address} dev v{vlan}"
          f" && ip link set v{vlan} up")
    say(f"  access to trunk: {pings(a, 100, IP['b'])} ms")
    a("ip addr add 10.8.0.1/24 dev eth0")
    expect(a.status("ping -q -c 2 -W 1 10.8.0.2")[0] != 0, "VLAN 20 reaches VLAN 10")
    switch("port", "set", "a", "tag", 20)
    expect(a.status("ping -q -c 5 10.8.0.2")[0] == 0, "a does not reach VLAN 20 after the change")
    switch.stop()


def packed(lab):
    """A guest with packed rings, one with split ones; the packed one's driver starts again."""
    switch = Switch(lab)
    paths = {name: switch.vhost(name) for name in "ab"}
    a, b = guest(lab, "a", paths["a"], ",packed=on"), guest(lab, "b", paths["b"])
    a.wait_ready()
    b.wait_ready()
    switch.wait_link("a", "b")
    expect([switch.port(n)["queues"][0]["ring"] for n in "ab"] == ["packed", "split"],
           "rings are not packed and split")
    pings(a, scaled(500), IP["b"])
    there, back = measure(a, b, IP["b"])
    say(f"  TCP between packed and split {there:.0f} and {back:.0f} Mbit/s")
    for what in ("unbind", "bind"):
        a(f"cd /sys/bus/virtio/drivers/virtio_net && echo virtio0 >{what}")
    a(f"ip addr add {IP['a']}/24 dev eth0 && ip link set eth0 up")
    wait_for(lambda: a.status(f"ping -q -c 1 -W 1 {IP['b']}")[0] == 0, 20, "the packed guest again")
    pings(a, 50, IP["b"])
    queues = switch.port("a")["queues"]
    expect(all(q["state"] == "ok" and q["ring"] == "packed" for q in queues), f"rings: {queues}")
    switch.stop()


def unlike(lab):
    """Two packed queue pairs, and a driver with next to no features; each with the other."""
    switch = Switch(lab, workers=2)
    paths = {name: switch.vhost(name) for name in "ab"}
    a = guest(lab, "a", paths["a"], ",packed=on,mq=on", queues=2, cpus=2)
    b = guest(lab, "b", paths["b"], ",mrg_rxbuf=off,csum=off,indirect_desc=off,event_idx=off")
    a.wait_ready()
    b.wait_ready()
    switch.wait_link("a", "b")
    wait_for(lambda: sum(q["state"] == "ok" and q["enabled"] for q in switch.port("a")["queues"]) >= 4,
             20, "two queue pairs of a")
    features = switch.port("b")["features"]
    for name in ("NET_F_MRG_RXBUF", "NET_F_CSUM", "RING_F_INDIRECT_DESC", "RING_F_EVENT_IDX"):
        expect(f"VIRTIO_{name}" not in features, f"b negotiated {name}: {features}")
    pings(a, scaled(200), IP["b"])
    # the kernel's driver spreads what its processors send over the pairs
    for cpu in (0, 1):
        a(f"taskset {cpu + 1} ping -q -c 20 -i 0.05 {IP['b']}")
    sent = [q["chains"] for q in switch.port("a")["queues"] if q["direction"] == "rx"]
    expect(len(sent) == 2 and all(sent), f"chains on the queues that a sends on: {sent}")
    there, back = measure(a, b, IP["b"])
    say(f"  TCP between two packed pairs and the plainest driver {there:.0f} and {back:.0f} Mbit/s")
    switch.stop()


def qemu_listens_and_switch_restarts(lab):
    """The switch connects to QEMU; when the switch is restarted, guests find each other again."""
    switch = Switch(lab)
    paths = {name: lab.dir / f"q{name}.sock" for name in "ab"}
    add = [("port", "add", n, "type", "vhost-user", "path", paths[n], "mode", "connect")
           for n in "ab"]
    guests = [guest(lab, n, ("server", paths[n])) for n in "ab"]
    for words in add:
        switch(*words)
    for g in guests:
        g.wait_ready()
    pings(guests[0], 50, IP["b"])
    switch.stop()
    switch.start()
    for words in add:
        switch(*words)
    switch.wait_link("a", "b")
    wait_for(lambda: guests[0].status(f"ping -q -c 1 -W 1 {IP['b']}")[0] == 0, 20,
             "guests to find each other again")
    pings(guests[0], 50, IP["b"])
    switch.stop()


main(pair_and_host, vlans, packed, unlike, qemu_listens_and_switch_restarts, title=__doc__)
