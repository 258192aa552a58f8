#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares switches under the same load, in turn: DPDK's testpmd, OVS-DPDK and vireo.

    core 0: two guests ("vireo bench", or testpmd) --- a, b (vhost-user) --- the switch, on core 1

open   each guest sends as much as its ring takes and drops what it gets
loop   128 packets a guest go round; nothing can be lost
ping   one packet a guest: the time of one way
rates  so many packets a second: the switch's CPU time, and latency
TSO    large packets go round, which both guests take as they are, or which the switch must segment
workers  the switch has two, on both cores, and each guest a queue pair for each of them; the guests
       share core 0. So throughput says how three threads get along on two cores, and the busy time
       of the worker on core 1 what a packet costs.

Sizes are those on the wire, with 4 bytes of checksum that no guest sees. A figure is the median of
quiet windows, in which neither side waited for its core. A virtual machine's cores move on the real
ones, near each other or far apart, and that changes everything: each window is filed under how far
they are at its begin and end, and a row compares windows of one distance only.
"""
import argparse
import os
import pathlib
import re
import statistics
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import lab as lab_module  # noqa: E402
from lab import Failure, Lab, run, say  # noqa: E402
from loads import GENERATORS, LOADS, Threads  # noqa: E402
import before  # noqa: E402
import flows  # noqa: E402
import hostile  # noqa: E402
import fairness  # noqa: E402
import picture  # noqa: E402
import rates  # noqa: E402
import readme  # noqa: E402
import rules  # noqa: E402
import strangers  # noqa: E402
from switches import SWITCHES, instructions, missing  # noqa: E402

GENERATOR_CPU, SWITCH_CPU = 0, 1
HUGEPAGES = pathlib.Path("/proc/sys/vm/nr_hugepages")
AUTOGROUP = pathlib.Path("/proc/self/autogroup")
NICE = -10
PAGES_NEEDED = 512  # of 2 MiB: OVS 256, the generator 96, testpmd 64, and some
MORE_ROUNDS = 3  # times as many as wanted, at most, until there are as many of one distance
MAX_WAIT = 0.05  # of a window in which a side may wait for its core
CORE_DISTANCE = lab_module.BUILD / "tests/bench/core_distance"
TOP = pathlib.Path(__file__).resolve().parents[2]
DOC, README = TOP / "doc", TOP / "README.md"


def core_distance():
    """How far the cores are from each other, by a cache line's way there and back."""
    ns = int(run(CORE_DISTANCE, GENERATOR_CPU, SWITCH_CPU)[1])
    return "below 100 ns" if ns < 100 else "below 220 ns" if ns < 220 else "above"


class Window:
    """What was measured in a short time: packets a second received by the guests (pps), ns of one way
    (ping loads), the shares of it that the switch's busiest thread and the guests waited for their
    cores (waited), the cores' distance (None: it changed), and busy time a packet, if the switch
    tells (own_ns)."""

    def __init__(self, guests, switch, seconds):
        distance, counters = core_distance(), switch.counters()
        threads = Threads(switch.pid)
        self.pps, self.ping_ns, waited = guests.window(seconds)
        self.waited = threads.waited(), waited
        self.own_ns = None
        if counters:
            self.own_ns = switch.own_ns(*(b - a for a, b in zip(counters, switch.counters())))
        self.distance = distance if distance == core_distance() else None

    def good(self, load):
        """Guests that share their core with a worker must wait; the other worker need not."""
        waited = self.waited[0] if load.workers > 1 else max(self.waited)
        return waited <= MAX_WAIT and self.distance is not None and self.pps


def trial(kind, load, args, round_number=0):
    """One switch under one load; returns its figures and the quiet windows."""
    with Lab() as lab:
        cpus = [GENERATOR_CPU, SWITCH_CPU] if load.workers > 1 else [SWITCH_CPU]
        switch = kind(lab, cpus, load.huge, load.tso != "off")
        if load.rules:
            switch.set_rules(rules.text(load.rules))
        time.sleep(0.5)
        figures = {"ready ms": switch.ready_ms, "memory MiB": switch.memory_mib()}
        figures["idle CPU %"] = idle_cpu(switch.pid, 1.0)
        guests = GENERATORS[args.generator](lab, switch, load, GENERATOR_CPU)
        windows = []
        for _ in range(3 * args.windows):
            w = Window(guests, switch, args.seconds)
            w.round = round_number
            if w.good(load):
                windows.append(w)
            if len(windows) == args.windows:
                break
        guests.stop()
        switch.stop()
    return figures, windows


def idle_cpu(pid, seconds):
    def run_time():
        return sum(int((t / "schedstat").read_text().split()[0])
                   for t in pathlib.Path(f"/proc/{pid}/task").iterdir())
    before = run_time()
    time.sleep(seconds)
    return (run_time() - before) / seconds / 1e7


class Row:
    """A line of the table, from the windows of each switch: {name: [Window]}. They are of one distance:
    that at which most rounds and windows were measured of each switch (n_rounds, n)."""

    def __init__(self, load, windows):
        self.load = load
        counts = {d: (min(len({w.round for w in ws if w.distance == d}) for ws in windows.values()),
                      min(sum(w.distance == d for w in ws) for ws in windows.values()))
                  for ws in windows.values() for d in {w.distance for w in ws}}
        self.distance = max(counts, key=counts.get) if counts else None
        self.n_rounds, self.n = counts.get(self.distance, (0, 0))
        chosen = {n: [w for w in ws if w.distance == self.distance] if self.n else []
                  for n, ws in windows.items()}
        self.value = {n: statistics.median(self.measure(w) for w in ws)
                      for n, ws in chosen.items() if ws}
        self.own_ns = {n: statistics.median(w.own_ns for w in ws)
                       for n, ws in chosen.items() if ws and all(w.own_ns for w in ws)}

    def measure(self, window):
        """Mpps, Gbit/s, or us of one way."""
        return {"us": (window.ping_ns or 0) / 1e3, "Mpps": window.pps / 1e6,
                "Gbit/s": window.pps * self.load.size * 8 / 1e9}[self.load.unit]

    def ratio(self, base):
        """Of vireo's figure to another's, as Mpps to Mpps or us to us; None: not measured."""
        if "vireo" not in self.value or not self.value.get(base):
            return None
        return self.value["vireo"] / self.value[base]

    def cells(self, names):
        yield self.load.name
        for n in names:
            yield f"{self.value[n]:.2f} {self.load.unit}" if n in self.value else "-"
        for base in ("ovs", "testpmd"):
            yield f"{self.ratio(base):.2f}" if self.ratio(base) else "-"
        for n in ("ovs", "vireo"):
            yield f"{self.own_ns[n]:.0f} ns" if n in self.own_ns else "-"
        yield f"{self.n} of {self.n_rounds}, {self.distance}" if self.n else "none alike"


def measure(args, names):
    """All rows, and the figures of each switch without load: {name: [figures]}."""
    everything, rows = {}, []
    for load in LOADS:
        if args.loads and not any(word in load.name for word in args.loads.split(",")):
            continue
        windows = {n: [] for n in names if load.suits(n)}
        for done in range(MORE_ROUNDS * args.rounds):
            if done >= args.rounds and Row(load, windows).n_rounds >= args.rounds:
                break
            for n in windows:
                try:
                    figures, more = trial(SWITCHES[n], load, args, done)
                except Failure as error:
                    print(f"  {load.name}, {n}: {error}", file=sys.stderr)
                    continue
                windows[n] += more
                everything.setdefault(n, []).append(figures)
                print(f"  {load.name}, {n}: " + " ".join(
                    f"{w.pps / 1e6:.2f} ({w.distance})" for w in more), file=sys.stderr)
        rows.append(Row(load, windows))
    return rows, everything


def table(lines):
    """Lines of cells as a table in Markdown, in columns for people."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    rule = ["-" * w if i == 0 else "-" * (w - 1) + ":" for i, w in enumerate(widths)]
    return "\n".join("| " + " | ".join(f"{c:<{w}}" if i == 0 else f"{c:>{w}}" for i, (c, w)
                                       in enumerate(zip(line, widths))) + " |"
                     for line in [lines[0], rule, *lines[1:]])


def report(args, names, rows, everything):
    yield (f"Measured {when_and_where()}. Guests: "
           f"{'vireo bench' if args.generator == 'vireo' else 'testpmd, virtio_user'}.")
    if rows:
        yield table([["load", *(SWITCHES[n].name for n in names), "vireo / OVS", "vireo / testpmd",
                      "OVS's own", "vireo's own", "windows of rounds"], *(list(row.cells(names)) for row in rows)])
        yield ("Both directions together. Ratios of packets: above 1, vireo is faster; of times "
               "(ping): below 1. own: busy time a packet. windows: how many of "
               "each switch were compared, of how many rounds, and how long a cache line's way "
               "between the cores and back was.")
        if any(row.load.workers > 1 for row in rows):
            yield ("2 workers: two of vireo, or two PMD threads, with a queue pair of each guest for "
                   "each of them, and the guests' thread, all on two cores. The throughput is that of "
                   "three threads which take turns; own is of the worker that has its core for "
                   "itself. testpmd is not measured so.")
        if any(row.load.tso != "off" for row in rows):
            yield ("TSO: packets of 65,226 bytes to receivers that take them whole; segmented by the "
                   "switch: to receivers that take none, which Open vSwitch and testpmd do not serve.")
    if everything:
        lines = [["switch", "ready", "idle CPU", "memory"]]
        for n, figures in everything.items():
            ready, idle, memory = (statistics.median(f[k] for f in figures)
                                   for k in ("ready ms", "idle CPU %", "memory MiB"))
            lines.append([SWITCHES[n].name, f"{ready:.0f} ms", f"{idle:.1f} %", f"{memory:.0f} MiB"])
        yield table(lines)


def besiege(args):
    """What two guests notice of a hostile one; see hostile.py."""
    say(f"Measured {when_and_where()}.\n")
    say("\n\n".join(hostile.report(args.switches.split(","), [GENERATOR_CPU, SWITCH_CPU], args,
                                   core_distance, table)))


def change_rules(args):
    """Many rules; see flows.py."""
    say("\n\n".join([f"Measured {when_and_where()}.", *flows.report([GENERATOR_CPU, SWITCH_CPU], args,
                                                                    table)]))


def when_and_where():
    return (f"on {time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores of {cpu_model()}, by "
            f"`./dev bench{''.join(' ' + a for a in sys.argv[1:] if a != '--write')}`")


def cpu_model():
    return re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text()).group(1)


def compare(args):
    if args.before:
        say("\n" + table(list(before.lines(trial, args))))
        return
    if args.fairness:
        say("\n" + table(list(fairness.lines(GENERATOR_CPU, SWITCH_CPU, args))))
        return
    if args.strangers:
        say("\n" + table(list(strangers.lines((GENERATOR_CPU, SWITCH_CPU), args))))
        return
    names = args.switches.split(",")
    rows, everything = measure(args, names)
    parts = list(report(args, names, rows, everything))
    if not args.loads or "rates" in args.loads:
        parts.append(table(list(rates.lines(GENERATOR_CPU, SWITCH_CPU, args))))
        parts.append("rates: packets a second of each guest; CPU: of the switch's core; latency: one "
                     "way, measured by the guests.")
    if not args.loads or "instructions" in args.loads:
        try:
            parts.append(f"Instructions a packet, from ring to ring, counted by callgrind: "
                         f"{instructions('split')} (split rings), {instructions('packed')} (packed).")
        except Failure as error:
            print(f"  instructions: {error}", file=sys.stderr)
    say("\n" + "\n\n".join(parts))
    if args.write:
        text = "# Benchmarks\n\n" + "\n\n".join(
            [parts[0], "![packets a second](benchmarks.svg)", *parts[1:]]) + "\n"
        (DOC / "benchmarks.md").write_text(text)
        (DOC / "benchmarks.svg").write_text(picture.draw(rows, SWITCHES, names))
        README.write_text(readme.update(README.read_text(), text))


def put_first():
    """Whoever else is busy comes later; where the kernel groups threads by session, other sessions, too."""
    os.nice(NICE)
    if AUTOGROUP.exists():
        AUTOGROUP.write_text(str(NICE))


def main():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    other = parser.add_mutually_exclusive_group()
    other.add_argument("--before", metavar="COMMIT",
                       help="compare with vireo as it was, and not with others")
    other.add_argument("--fairness", action="store_true",
                       help="a pair of guests sends 10,000 packets/s each, while another pair floods")
    other.add_argument("--strangers", action="store_true",
                       help="a pair of guests in a loop, while a third one floods from its own address, or from"
                       " ever new ones")
    other.add_argument("--hostile", action="store_true",
                       help="two guests beside one that plays the hostile suite")
    other.add_argument("--flows", action="store_true",
                       help="flow-mods a second, what rules cost, and kill -9 with many of them")
    parser.add_argument("--flow-count", type=int, default=100_000, metavar="N",
                        help="with --flows: so many (100000)")
    parser.add_argument("--kills", type=int, default=50, metavar="N",
                        help="with --flows: so many (50)")
    parser.add_argument("--rounds", type=int,
                        help="trials of each switch, more until there are as many alike (3; --before: 7)")
    parser.add_argument("--windows", type=int, help="quiet ones wanted of each trial (6; --before: 3)")
    parser.add_argument("--seconds", type=float, default=0.3, help="length of a window")
    parser.add_argument("--loads", help="parts of load names, like 'open 64,ping,rates';"
                        " with --hostile: of attacks, like 'race split'")
    parser.add_argument("--switches", default="testpmd,ovs,vireo")
    parser.add_argument("--generator", choices=GENERATORS, default="vireo")
    parser.add_argument("--step", type=int, default=1,
                        help="with --hostile: only each N-th scenario of the suite", metavar="N")
    parser.add_argument("--write", action="store_true",
                        help="write doc/benchmarks.md, doc/benchmarks.svg, and README.md's tables")
    args = parser.parse_args()
    args.rounds = args.rounds or (7 if args.before else 3)
    args.windows = args.windows or (3 if args.before else 6)
    if args.write and (args.loads or args.before or args.fairness or args.strangers or args.hostile
                       or args.flows):
        parser.error("--write is for all of it")
    if (os.cpu_count() or 1) < 2:
        sys.exit("bench: needs two cores")
    if missing():
        sys.exit(f"bench: {missing()} is missing")
    put_first()
    pages = int(HUGEPAGES.read_text())
    if pages < PAGES_NEEDED:
        HUGEPAGES.write_text(str(PAGES_NEEDED))
    try:
        if int(HUGEPAGES.read_text()) < PAGES_NEEDED:
            sys.exit(f"bench: cannot get {PAGES_NEEDED} huge pages of 2 MiB")
        (besiege if args.hostile else change_rules if args.flows else compare)(args)
    finally:
        HUGEPAGES.write_text(str(pages))
        if AUTOGROUP.exists():
            AUTOGROUP.write_text("0")


main()
