#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
Random rules, groups, meters and packets, given to this switch and to Open vSwitch's ovs-vswitchd:
both take or refuse the same, show the same, and send the same frames out of the same ports.

                  .--> vireod -------> p1..p4: files of frames
    ovs-ofctl ----|
                  '--> ovs-vswitchd -> p1..p4: files of frames

usage: test_against_ovs.py [SEED]
"""
import collections
import random
import re
import struct
import sys

import random_rules as made
from lab import Switch, expect, main, run, say, scaled, wait_for
from vswitchd import CONTROLLER, NONE, TABLE, WIRE, Session, Vswitchd, outcome, packet_out, record

SEED = sys.argv[1] if len(sys.argv) > 1 else "1"
PORTS = range(1, made.PORTS + 1)
MARK = bytes.fromhex("02ffffffffff02fffffffffe88b6")  # of a frame that stands behind others
BREAK = bytes.fromhex("02ffffffffff02fffffffffe88b7").ljust(60, b"\0")  # forget what came before

# What differs for a reason, and is made alike before it is compared.
SHOWN = (
    (r"unix:\S+", "", "where each is"),
    (r"xid=0x\w+", "", "counted by ovs-ofctl"),
    (r"(duration|idle_age|hard_age)[=:][^ ,\n]+,? ?", "", "time goes on"),
    (r"(check_overlap|reset_counts) ", "", "said of a request: no state of a rule"),
    (r"n_packets=\d+(?=.* no_packet_counts)", "n_packets=?", "not counted means not known"),
    (r"dpid:\w+", "", "each has its own"),
    (r"addr:[0-9a-f:]+", "", "each has its own"),
    (r"n_tables:\d+", "", "Open vSwitch keeps table 254 for itself"),
    (r" BUNDLES", "", "to come"),
    (r"drop=\d+", "drop=?", "Open vSwitch's dummies do not count"),
    (r"\n +(port +)?LOCAL.*(\n {4,}.*)*", "", "a bridge has no port of its own here"),
    (r"\n *(CUSTOM Statistics|[rt]x_\w+=.*)", "", "its dummies' own"),
    (r"\d ports", "ports", "the same"),
)
# What ovs-vswitchd takes and vireod does not have: it has to say so.
LACKS = (
    ("ct_clear", "connections are to come"),
    ("ct(commit)", "connections are to come"),
    ("sample(probability=5,collector_set_id=1)", "no IPFIX"),
)
# Other things that random rules leave out, since each switch does them in its own way:
# - NORMAL: for a packet-out, ovs-vswitchd learns the source when it has decided where to send it.
# - output(port=N,max_len=N): it counts before tags and labels are added that the frame leaves with.
# - check_pkt_larger: it carries out the action set twice behind it.
# - output to a register or with max_len in a bucket: it passes over them.
# - a third tag: it forgets the innermost one.
# - TABLE in a rule: OpenFlow has it for packet-outs alone.
# - a group that watches itself: it takes it.
# - rules in circles: both drop the packet, it refuses a packet-out, too.
# - ICMP's fields in fragments that have none: it takes that.
# - statistics of a port that is not there: it has none, here it is an error.
# - descriptions of tables: its have evictions, and it has one table less.
# - meters that remark: its datapath without a kernel has none.
# - rules shown in another version than they came in: its answer is not always one.


class Both:
    """The two switches, and what is asked of both."""

    def __init__(self, lab):
        self.lab = lab
        self.files = [[lab.dir / f"{who}{n}.pcap" for n in PORTS] for who in ("ovs", "vireo")]
        self.ovs, self.vireo = Vswitchd(lab, self.files[0]), Switch(lab)
        for n, path in zip(PORTS, self.files[1]):
            self.vireo("port", "add", f"p{n}", "type", "pcap", "file", path, "direction", "write",
                       "ofport", n)
        self.paths = [self.ovs.mgmt, self.vireo.run_dir / "br0.mgmt"]
        self.n_marks = 0
        self.clear()

    def stop(self):
        self.vireo.stop()

    def ofctl(self, version, command, *words):
        """What ovs-ofctl prints about each, and with which status it ends."""
        return [run("ovs-ofctl", "--timeout=20", "--no-names", "-O", version, command,
                    f"unix:{path}", *words, check=False) for path in self.paths]

    def clear(self):
        for command in ("del-flows", "del-groups", "del-meters"):
            for status, text in self.ofctl("OpenFlow15", command):
                expect(status == 0, f"{command}: {text}")

    def same(self, version, command, *words):
        """Both print the same, in any order of lines."""
        texts = []
        for status, text in self.ofctl(version, command, *words):
            for pattern, replacement, _ in SHOWN:
                text = re.sub(pattern, replacement, text)
            lines = [line.strip() for line in text.splitlines()]
            texts.append([f"status {status}", *sorted(lines)])
        only = [sorted((collections.Counter(a) - collections.Counter(b)).elements())
                for a, b in (texts, texts[::-1])]
        expect(texts[0] == texts[1], f"{version} {command}: only ovs-vswitchd says\n" +
               "\n".join(only[0]) + "\nonly vireod says\n" + "\n".join(only[1]))

    def add(self, version, command, lines):
        """Gives lines to both, which answer alike; returns how many were taken."""
        told = record(self.lab, version, command, lines)
        answers = []
        for path in self.paths:
            session = Session(path, WIRE[version])
            answers.append([[outcome(m) for m in back]
                            for back in session.play([message for _, message in told])])
            session.close()
        for (line, _), ours, theirs in zip(told, answers[1], answers[0]):
            expect(ours == theirs, f"{version} {command}: {line}: ovs-vswitchd says {theirs}, "
                   f"vireod says {ours}")
        return sum(not back for back in answers[0])

    def frames(self, who):
        """{number of a mark: [(port, frame) that came before it, ...]}."""
        found = collections.defaultdict(list)
        for port, path in zip(PORTS, self.files[who]):
            before = []
            for frame in read_pcap(path):
                if frame.startswith(BREAK):
                    before = []
                elif frame.startswith(MARK):
                    found[struct.unpack_from("!I", frame, len(MARK))[0]] += before
                    before = []
                else:
                    before.append((port, frame))
        return found

    def written(self, mark):
        """Whether files hold all up to this frame."""
        return all(path.exists() and path.read_bytes().endswith(mark)
                   for files in self.files for path in files)

    def send(self, frames, times):
        """Lets frames, (port, bytes), go through the tables of both, each so many times before the
        next one; returns what each switch has made of them, the last time, in lists of (port,
        frame). Where packets teach rules, that is more than once: for ovs-vswitchd, a packet-out
        does not meet what it has taught."""
        first, self.n_marks = self.n_marks, self.n_marks + len(frames)
        marks = [MARK + struct.pack("!I", n).ljust(46, b"\0") for n in range(first, self.n_marks)]
        for path in self.paths:
            session = Session(path, 1)
            session.hear_packets()
            for (port, frame), mark in zip(frames, marks):
                for n in range(times):
                    if n:  # what it has taught is there, and what that has taught
                        for _ in range(4):
                            session.probe(mark)
                        session.play([packet_out(NONE, BREAK, *PORTS)])
                    back = session.play([packet_out(port, frame, TABLE)])[0]
                    expect(not back, f"{path}: packet-out: {back}")
                for _ in range(4 if times > 1 else 0):
                    session.probe(mark)
                session.play([packet_out(NONE, mark, *PORTS)])
            session.close()
        wait_for(lambda: self.written(marks[-1]), 30, "frames in files", 0.1)
        found = [self.frames(who) for who in range(2)]
        return [[sorted(f[n]) for n in range(first, self.n_marks)] for f in found]


def read_pcap(path):
    data, at = path.read_bytes() if path.exists() else b"", 24
    while at + 16 <= len(data):
        size = struct.unpack_from("<I", data, at + 8)[0]
        if at + 16 + size > len(data):
            return
        yield data[at + 16:at + 16 + size]
        at += 16 + size


def tags(frame):
    n = 0
    while frame[12 + 4 * n:14 + 4 * n] in (b"\x81\x00", b"\x88\xa8"):
        n += 1
    return n


def some_versions(turn=0):
    """Where the version matters little: the oldest, one in between, the newest."""
    names = ("OpenFlow10", ("OpenFlow14", "OpenFlow13")[turn % 2], "OpenFlow15")
    return [(name, WIRE[name]) for name in names]


def change_meters(both, version, r):
    for command, count in (("add-meter", 8), ("mod-meter", 2)):
        for _ in range(count):
            both.same(version, command, made.meter(r))


def texts(lab):
    """What is refused is refused alike; what is taken is shown alike, and is the same."""
    both = Both(lab)
    for version, wire in WIRE.items():
        r = random.Random(f"{SEED} {version}")
        both.clear()
        if wire > 1:
            change_meters(both, version, r)
        n_groups = both.add(version, "add-groups", [made.group(r, wire) for _ in range(20)])
        rules = [made.rule(r, wire) for _ in range(scaled(80))]
        n_rules = both.add(version, "add-flows", rules)
        for command in ("dump-flows", "dump-groups", "dump-group-stats", "dump-aggregate",
                        *(("dump-meters", "meter-stats") if wire > 1 else ())):
            both.same(version, command)
        both.add(version, "add-flows", [made.change(r, wire, rules) for _ in range(20)])
        both.same(version, "dump-flows")
        run("ovs-ofctl", "-O", version, "diff-flows", *(f"unix:{path}" for path in both.paths))
        say(f"  {version}: {n_groups} groups, {n_rules} rules are the same")
    both.stop()


def answers(lab):
    """What is asked about bridge and ports, and what can be set there."""
    both = Both(lab)
    for version, wire in some_versions():
        flag = "flood" if wire == 1 else "forward"
        ports = (("1", flag), ("2", "receive"), ("3", "packet-in"))
        for words in (
                ("add-flow", "priority=5,in_port=1,actions=output:2"),
                ("show",), ("dump-ports-desc",), ("dump-ports",), ("dump-ports", "2"),
                ("dump-aggregate",), ("get-frags",), ("set-frags", "nx-match"), ("get-frags",),
                *(("mod-port", port, f"no-{what}") for port, what in ports), ("dump-ports-desc",),
                *(("mod-port", port, what) for port, what in ports), ("mod-port", "99", "down"),
                ("set-frags", "normal"), ("dump-flows", "table=3"), ("dump-groups", "3"),
                ("packet-out", "in_port=99,packet=00,actions=1"),
                ("packet-out", f"in_port=1,packet={'00' * 20},actions=99"),
                ("mod-group", "group_id=3,type=all"), ("del-groups", "group_id=3")):
            both.same(version, *words)
        for words in (("dump-group-features",), ("dump-meter", "meter=9"), ("del-meter", "meter=9"),
                      ("mod-meter", "meter=9,kbps,bands=type=drop,rate=5")) if wire > 1 else ():
            both.same(version, *words)
        if wire > 4:
            both.same(version, "mod-table", "3", "noevict")
    both.stop()


def lacks(lab):
    """What is not there is refused by name."""
    switch = Switch(lab)
    path = f"unix:{switch.run_dir}/br0.mgmt"
    for version in WIRE:
        for words, why in LACKS:
            status, text = run("ovs-ofctl", "-O", version, "add-flow", path, f"ip,actions={words}",
                               check=False)
            expect(status != 0 and "OFPBAC_" in text, f"{version}: {words} ({why}): {text}")
    switch.stop()


def verdicts(lab):
    """The same frames leave by the same ports, whatever the rules make of them."""
    both = Both(lab)
    for turn in range(scaled(1)):
        for n, (version, wire) in enumerate(some_versions(turn)):
            r = random.Random(f"{SEED} {turn} {version}")
            both.clear()
            rules = made.pipeline(r, wire, tags=n % 2)
            both.add(version, "add-groups", [made.group(r, wire, plain=True) for _ in range(20)])
            both.add(version, "add-flows", rules)
            frames = [(r.choice(PORTS), made.frame(r, 1 if n % 2 else 2)) for _ in range(60)]
            learns = any("learn(" in line for line in rules)
            theirs, ours = both.send(frames, 3 if learns else 1)
            for (port, frame), their, our in zip(frames, theirs, ours):
                if any(tags(f) > 2 for _, f in their + our):
                    continue
                expect(their == our, f"{version}: {frame.hex()} from port {port}: ovs-vswitchd "
                       f"sends {told(their)}, vireod sends {told(our)}\n" +
                       both.ovs.appctl("ofproto/trace", "br0", f"in_port={port}", frame.hex()) +
                       both.vireo("trace", "--hex", frame.hex(), "in_port", port))
            if not learns:  # it counts a packet-out by what was there before
                both.same(version, "dump-flows")
            say(f"  {version}: what leaves of {len(frames)} packets is the same: "
                f"{sum(map(len, ours))}")
    both.stop()


def told(frames):
    return [(port, frame.hex()) for port, frame in frames]


main(lacks, texts, answers, verdicts, title=__doc__)
