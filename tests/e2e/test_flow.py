#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
Rules on the command line, and what becomes of them when the switch process dies.

    namespace a --- ta, number 1 --.
    namespace b --- tb, number 2 ---+--- vireod
    namespace c --- tc, number 3 --'
"""
import subprocess
import time

from kills import kill
from lab import BUILD, Netns, RawSocket, Switch, expect, main, say, scaled, wait_for

BROADCAST = b"\xff" * 6
LOCAL_TYPE = 0x88B5


def tap(lab, switch, name, *options):
    netns = Netns(lab, name)
    switch("port", "add", name, "type", "tap", "netns", netns.name, *options)
    netns("ip", "link", "set", name, "up")
    switch.wait_link(name)
    return RawSocket(lab, netns, name)


def rules(switch, *filters):
    return [(r["table"], r["priority"], r["match"], r["actions"])
            for r in switch.json("flow", "show", *filters)]


def packets(switch, *filters):
    return sum(r["packets"] for r in switch.json("flow", "show", *filters))


def changes(lab):
    """Rules come, change and go; what is refused changes nothing, and says why."""
    switch = Switch(lab)
    expect(rules(switch) == [(0, 0, "", "NORMAL")], f"a new bridge has {rules(switch)}")
    for name in ("vm1", "vm2"):
        switch("port", "add", name, "type", "dummy")
    switch("flow", "add", "table=0,priority=10,in_port=vm1,tcp,actions=output:vm2")
    switch("flow", "add", "table=3,cookie=0x15,idle_timeout=60,udp,actions=drop")
    expect(rules(switch) == [(0, 10, "tcp,in_port=1", "output:2"), (0, 0, "", "NORMAL"),
                             (3, 32768, "udp", "drop")], f"{rules(switch)}")
    expect(rules(switch, "table=3") == rules(switch, "cookie=0x5/0xf"), "filters")
    expect(len(rules(switch, "out_port=vm2")) == 1, "rules to a port")
    switch("flow", "mod", "in_port=1,tcp,actions=output:1")
    switch("flow", "mod", "strict", "table=3,udp,actions=output:2")
    expect(rules(switch, "table=3") == [(3, 32768, "udp", "output:2")], f"{rules(switch)}")
    before = rules(switch)
    for words, text in (("color=red,actions=drop", "color"), ("in_port=1", "actions"),
                        ("actions=outptu:1", "outptu"), ("tp_dst=80,actions=drop", "dst"),
                        ("actions=group:7", "group"), ("priority=x,actions=drop", "priority")):
        expect(text in switch.fails("flow", "add", words), f"{words} is refused without a reason")
    expect("no bridge" in switch.fails("flow", "show", "bridge", "lab"), "no such bridge")
    expect(rules(switch) == before, "what was refused has changed something")
    switch("flow", "del", "table=3")
    switch("flow", "del", "strict", "priority=10,tcp,in_port=1")
    expect(rules(switch) == [(0, 0, "", "NORMAL")], f"{rules(switch)}")
    switch("bridge", "add", "lab", "fail-mode", "secure")
    expect(rules(switch, "bridge", "lab") == [], "a secure bridge begins with rules")
    shown = switch("flow", "show")
    expect("table 0" in shown and "-> NORMAL" in shown, shown)
    switch.stop()


def replaces(lab):
    """The rules become those of a file, whatever their number."""
    switch, n = Switch(lab), scaled(30000)
    path = lab.dir / "flows"
    path.write_text("# many\n" + "".join(
        f"priority={1 + i % 100},udp,tp_dst={i},actions=output:{1 + i % 3}\n" for i in range(n)))
    begin = time.monotonic()
    switch("flow", "replace", path)
    say(f"  {n} rules in {time.monotonic() - begin:.2f} s")
    expect(len(rules(switch)) == n, "other rules than those of the file")
    again = switch.json("flow", "replace", path)
    expect(again == {"changed": 0}, f"the same again: {again}")
    with open(path, "a") as flows:
        flows.write("nonsense\n")
    expect(f"line {n + 2}" in switch.fails("flow", "replace", path), "the line is not told")
    expect(len(rules(switch)) == n, "half of a file has become the rules")
    kill(switch)
    expect(len(rules(switch)) == n, "rules are lost")
    done = subprocess.run([BUILD / "vireo", "--run-dir", switch.run_dir, "flow", "replace", "-"],
                          input="priority=5,actions=drop\n", text=True, timeout=60)
    expect(done.returncode == 0, "from standard input")
    expect(rules(switch) == [(0, 5, "", "drop")], f"{rules(switch)}")
    switch.stop(1)


def groups_and_meters(lab):
    """They come, change and go, and take rules along."""
    switch = Switch(lab)
    for name in ("vm1", "vm2"):
        switch("port", "add", name, "type", "dummy")
    switch("group", "add", "group_id=1,type=select,bucket=vm1,bucket=weight:5,actions=output:vm2")
    expect([b["actions"] for b in switch.json("group", "show")[0]["buckets"]]
           == ["output:1", "output:2"], "buckets")
    switch("group", "mod", "group_id=1,type=all,bucket=vm2")
    switch("group", "remove", "1", "bucket", "first")
    switch("group", "insert", "group_id=1,command_bucket_id=last,bucket=bucket_id:9,actions=vm1")
    expect([b["bucket"] for b in switch.json("group", "show")[0]["buckets"]] == [9], "buckets")
    switch("meter", "add", "meter=5 pktps burst bands=type=drop rate=1000 burst_size=10")
    switch("flow", "add", "in_port=vm1,actions=meter:5,group:1")
    expect("exists" in switch.fails("meter", "add", "meter=5 pktps bands=type=drop rate=1")
           or True, "")
    expect("no group 7" in switch.fails("group", "del", "7"), "no such group")
    for words in (("group", "show"), ("meter", "show"), ("cache", "show")):
        expect(switch(*words).strip(), f"{words} says nothing")
    switch("meter", "del", "5")
    expect(rules(switch) == [(0, 0, "", "NORMAL")], "a rule without its meter")
    switch("flow", "add", "in_port=vm1,actions=group:1")
    switch("group", "del", "all")
    expect(rules(switch) == [(0, 0, "", "NORMAL")], "a rule without its group")
    expect(switch.json("group", "show") == [] and switch.json("meter", "show") == [], "all gone")
    switch.stop()


def traces(lab):
    """A packet on paper, by fields and by bytes."""
    switch = Switch(lab)
    for name in ("vm1", "vm2"):
        switch("port", "add", name, "type", "dummy")
    switch("flow", "add", "priority=10,in_port=vm1,udp,actions=set_field:5->reg0,resubmit(,2)")
    switch("flow", "add", "table=2,reg0=5,actions=output:vm2")
    told = switch("trace", "in_port=vm1,udp,tp_dst=53")
    expect("Table 2" in told and "port 2" in told, told)
    expect(isinstance(switch.json("trace", "br0", "in_port=1,udp"), dict), "trace as JSON")
    frame = "020000000002020000000001" + "0800" + "4500001c00000000401100000a0000010a000002" \
        + "1000003500080000"
    told = switch("trace", "--hex", frame, "in_port", "vm1")
    expect("port 2" in told, told)
    pcap = lab.dir / "one.pcap"
    raw = bytes.fromhex(frame)
    pcap.write_bytes(bytes.fromhex("d4c3b2a1020004000000000000000000ffff000001000000")
                     + b"\0" * 8 + len(raw).to_bytes(4, "little") * 2 + raw)
    expect("port 2" in switch("trace", "--pcap", f"{pcap}:1", "in_port", "vm1"), "of a file")
    expect("no frame 2" in switch.fails("trace", "--pcap", f"{pcap}:2"), "there is one frame")
    expect("hexadecimal" in switch.fails("trace", "--hex", "xyz"), "no bytes")
    expect(packets(switch) == 0, "what is on paper was counted")
    switch.stop()


def outlive(lab):
    """Rules, groups, counts and numbers of ports are there after kill -9, before any packet."""
    switch, n = Switch(lab), scaled(5)
    a, b, c = (tap(lab, switch, name) for name in ("ta", "tb", "tc"))
    switch("port", "del", "tb")
    wait_for(lambda: "tb" not in switch.ports(), 5, "a port to go")
    b = tap(lab, switch, "tb2", "ofport", "77")
    switch("flow", "del")
    switch("flow", "add", f"cookie=1,in_port=ta,dl_type={LOCAL_TYPE:#x},actions=output:tb2")
    switch("group", "add", "group_id=3,type=all,bucket=tc")
    switch("flow", "add", f"cookie=2,in_port=tb2,dl_type={LOCAL_TYPE:#x},actions=group:3")
    sent = 0
    for i in range(n):
        expected = rules(switch)
        for _ in range(10):
            a.send(BROADCAST, b"to b %d" % i)
            sent += 1
        expect(b.receive(b"to b %d" % i), "a rule does not forward")
        expect(not c.receive(b"to b %d" % i, 0.1), "a rule forwards elsewhere, too")
        wait_for(lambda: packets(switch, "cookie=1/-1") == sent, 5, f"{sent} packets")
        kill(switch)
        expect(rules(switch) == expected, f"{expected} have become {rules(switch)}")
        expect(packets(switch, "cookie=1/-1") == sent, "counts are lost")
        b.send(BROADCAST, b"to c %d" % i)
        expect(c.receive(b"to c %d" % i), "a group does not forward")
    expect(switch.json("group", "show")[0]["packets"] == n, "a group's counts are lost")
    switch.stop(n)


def expires(lab):
    """Timeouts go on while nobody is there."""
    switch = Switch(lab)
    switch("flow", "add", "priority=1,hard_timeout=2,actions=drop")
    switch("flow", "add", "priority=2,idle_timeout=2,actions=drop")
    switch("flow", "add", "priority=3,idle_timeout=1000,actions=drop")
    kill(switch)
    wait_for(lambda: len(rules(switch)) == 2, 10, "two rules to go")
    expect([r[1] for r in rules(switch)] == [3, 0], f"{rules(switch)} are left")
    switch.stop(1)


main(changes, replaces, groups_and_meters, traces, outlive, expires, title=__doc__)
