#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
Rules on the command line, and what becomes of them when the switch process dies.

    namespace a --- ta, number 1 --.
    namespace b --- tb, number 2 ---+--- vireod
    namespace c --- tc, number 3 --'
"""
import json
import pathlib
import signal
import subprocess
import sys
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "bench"))
from kills import kill
from lab import BUILD, Netns, RawSocket, Switch, expect, main, say, scaled, wait_for
from rules import text as cloud_rules

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
    expect("bridge br0" in switch.fails("flow", "add", "br0", "tcp,actions=drop"), "a bridge's name alone")
    for words in (("flow", "del"), ("flow", "show"), ("trace",), ("trace", "--hex"), ("trace", "--live")):
        expect("is not UTF-8" in switch.fails(*words, "tcp\udcff"), f"{words}: no text")  # the byte 255
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
    for linktype, name in ((101, "RAW"), (113, "LINUX_SLL")):
        pcap.write_bytes(pcap.read_bytes()[:20] + linktype.to_bytes(4, "little") + pcap.read_bytes()[24:])
        expect(f"link type {name}" in switch.fails("trace", "--pcap", pcap), "a file of no Ethernet frames")
    expect("hexadecimal" in switch.fails("trace", "--hex", "xyz"), "no bytes")
    expect(packets(switch) == 0, "what is on paper was counted")
    switch.stop()


class Live:
    """A live trace, from when the switch knows of it."""

    def __init__(self, lab, switch, *words, json=True):
        def traces():
            return switch.json("stats", "show")["limits"]["live_traces"]["now"]
        before = traces()
        self.process = lab.spawn("live", [switch.build / "vireo", "--run-dir", switch.run_dir,
                                          *(["-j"] if json else []), "trace", "--live", *words])
        wait_for(lambda: traces() > before, 10, "a live trace to begin")

    def said(self):
        return self.process.log.read_text()

    def lines(self):
        return [json.loads(line) for line in self.said().split("\n")[:-1]]

    def await_packets(self, n):
        wait_for(lambda: len(self.lines()) >= n, 10, f"{n} packets to be told of")

    def end(self, status=0):
        """What is told last, without a signal."""
        expect(self.process.wait(10) == status, f"status {self.process.returncode}: {self.said()}")
        return self.lines()[-1]

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)
        return self.end()


def lives(lab):
    """Packets that pass are told of as they would be on paper, and go their way."""
    switch = Switch(lab)
    a, b = (tap(lab, switch, name) for name in ("ta", "tb"))
    kind = f"dl_type={LOCAL_TYPE:#x}"  # other packets are the kernel's own

    # by NORMAL alone
    live = Live(lab, switch, "ta", kind)
    a.send(BROADCAST, b"one")
    expect(b.receive(b"one"), "what is watched does not pass")
    live.await_packets(1)
    last = live.interrupt()
    told = live.lines()[0]
    expect(told["trace"]["steps"][0]["step"] == "normal", f"{told}")
    expect((told["number"], told["trace"]["in"]["name"]) == (1, "ta"), f"{told}")
    expect(last == {"end": None, "told": 1, "left_out": 0}, f"{last}")

    # by rules; the filter is for a field of the packet, and packets of others are none of ours
    switch("flow", "add", f"priority=5,{kind},actions=learn(table=9,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]),"
           "resubmit(,3)")
    switch("flow", "add", "table=3,in_port=ta,actions=tb")
    live = Live(lab, switch, "ta", "-c", "2", kind, "dl_dst=01:00:5e:00:00:01", json=False)
    for i in range(2):
        a.send(BROADCAST, b"not asked for %d" % i)
        b.send(b"\x01\x00\x5e\x00\x00\x01", b"from elsewhere %d" % i)
        a.send(b"\x01\x00\x5e\x00\x00\x01", b"asked for %d" % i)
        expect(b.receive(b"asked for %d" % i), "what is watched does not pass")
    expect(live.process.wait(10) == 0, live.said())
    said = live.said()
    expect(said.count("Table 3: the rule for in_port=1") == 2, said)
    expect(said.count("send it out of port 2 (tb)") == 2 and "2 packets told.\n" in said, said)
    expect(packets(switch, "table=3,in_port=ta") == 4, "what is told is counted")
    expect(len(rules(switch, "table=9")) == 2, "what is told is learned")

    # many more than what is told of
    live = Live(lab, switch, "ta", "-c", "0", kind)
    for i in range(500):
        a.send(BROADCAST, b"many")
    live.await_packets(1)
    wait_for(lambda: packets(switch, "table=3,in_port=ta") == 504, 10, "all to pass")
    last = live.interrupt()
    expect(last["told"] == len(live.lines()) - 1, "not all are told")
    expect(last["told"] + last["left_out"] == 500 and last["left_out"] > 0, f"{last}")

    # a client that is killed, a port that goes, a switch that dies
    live = Live(lab, switch, "ta")
    lab.stop(live.process, signal.SIGKILL)
    wait_for(lambda: switch.json("stats", "show")["limits"]["live_traces"]["now"] == 0, 10,
             "the trace of a client that is gone to end")
    live = Live(lab, switch, "ta", kind, json=False)
    switch("port", "del", "ta")
    expect(live.process.wait(10) == 1 and "the port is gone" in live.said(), live.said())
    live = Live(lab, switch, "tb", kind, json=False)
    kill(switch)
    expect(live.process.wait(10) == 1 and "without a word" in live.said(), live.said())
    for words, text in ((("ta",), 'no port "ta"'), (("tb", "tp_dst=80"), "tp_dst"),
                        (("tb", "color=red"), "color"), (("tb", "actions=drop"), "fields alone"),
                        ((), "--live PORT")):
        said = switch.fails("trace", "--live", *words)
        expect(text in said, f"{words}: {said}")
    switch.stop(1)


def cloud(lab):
    """The story of a way through fifty tables is a line for each that has nothing to tell."""
    switch = Switch(lab)
    for name in ("vm1", "vm2"):
        switch("port", "add", name, "type", "dummy")
    (lab.dir / "cloud").write_text(cloud_rules("50 tables"))
    switch("flow", "replace", lab.dir / "cloud")
    udp = "dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,nw_src=198.18.0.1,udp,tp_dst=9"
    told = switch("trace", f"in_port=vm1,{udp}")
    lines = told.splitlines()
    tables = [line for line in lines if line.startswith("Table ")]
    expect([line.split()[1] for line in tables] == [f"{i}:" for i in range(50)], told)
    expect("Table 3: the rule for all packets: on to table 4." in lines, told)
    expect("    load:0x1->NXM_NX_REG14[]  (reg14: 0 -> 0x1)" in lines, told)
    expect("    (looked at: dl_src no multicast)" in lines, told)
    expect("  send it out of port 2 (vm2)" in lines[-3:], told)
    expect(len(lines) < 100 and max(map(len, lines)) < 250, f"{len(lines)} lines: {told}")
    told = switch("trace", "in_port=vm1,nw_src=198.18.0.1,tcp,tp_dst=22")
    expect("tp_dst=22, priority 1001: drop.\n" in told and "in table 5)" in told, told)
    told = switch("trace", "in_port=vm2,dl_src=01:00:5e:00:00:01")
    expect("priority 100: drop.\n" in told and "in table 1)" in told, told)
    told = switch("trace", f"in_port=77,{udp}")
    expect("by port 77, which the bridge does not have." in told, told)
    expect("Table 0: no rule is for it." in told, told)
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


def conjunctions(lab):
    """A packet that meets more clauses than have room in a few bytes: workers allocate nothing."""
    switch, n = Switch(lab), 1000
    a, b = (tap(lab, switch, name) for name in ("ta", "tb"))
    switch("flow", "del")
    for clause, match in ((1, "in_port=ta"), (2, f"dl_type={LOCAL_TYPE:#x}")):
        actions = ",".join(f"conjunction({i},{clause}/2)" for i in range(1, n + 1))
        (lab.dir / "flows").write_text(f"priority=5,{match},actions={actions}\n")
        switch("flow", "add", "file", lab.dir / "flows")
    switch("flow", "add", f"priority=5,conj_id={n},actions=output:tb")
    for i in range(10):
        a.send(BROADCAST, b"all clauses %d" % i)
        expect(b.receive(b"all clauses %d" % i), "a conjunction is not met")
    switch.stop()


main(changes, replaces, groups_and_meters, traces, cloud, lives, outlive, expires, conjunctions, title=__doc__)
