#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares switches under the same load, in turn: DPDK's testpmd, OVS-DPDK and vireo.

    core 0: testpmd, two virtio_user "guests" --- a, b (vhost-user) --- the switch, on core 1

open   each guest sends as much as its ring takes and drops what it gets
loop   128 packets a guest go round; nothing can be lost
ping   one packet a guest: the time of one way

Sizes are those on the wire, with 4 bytes of checksum that no guest sees. A figure is the median of
quiet windows, in which neither side waited for its core. A virtual machine's cores move on the real
ones, near each other or far apart, and that changes everything: each window is filed under how far
they are at its begin and end, and a row compares windows of one distance only.
"""
import argparse
import math
import os
import pathlib
import re
import statistics
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import lab as lab_module  # noqa: E402
from lab import Failure, Lab, Testpmd, run, say  # noqa: E402
from switches import EAL_HUGE, EAL_SMALL, SWITCHES, missing  # noqa: E402

GENERATOR_CPU, SWITCH_CPU = 0, 1
MACS = ("02:00:00:00:00:0a", "02:00:00:00:00:0b")
HUGEPAGES = pathlib.Path("/proc/sys/vm/nr_hugepages")
PAGES_NEEDED = 512  # of 2 MiB: OVS 256, the generator 96, testpmd 64, and some
MAX_WAIT = 0.05  # of a window in which a side may wait for its core
CORE_DISTANCE = lab_module.BUILD / "tests/bench/core_distance"
FCS = 4


class Load:
    """What the guests do: kind (open, loop, ping), bytes on the wire, ring, flows, huge pages."""

    def __init__(self, kind, size, ring="split", flows=1, huge=True):
        self.kind, self.size, self.ring, self.flows, self.huge = kind, size, ring, flows, huge
        self.name = f"{kind} {size} B {ring}"
        if flows > 1:
            self.name += f", {flows:,} flows"
        if not huge:
            self.name += ", no huge pages"


LOADS = [
    *(Load("loop", size, ring) for size in (64, 1518) for ring in ("split", "packed")),
    *(Load("open", 64, ring, flows) for ring in ("split", "packed") for flows in (1, 1024, 16384)),
    *(Load("open", 1518, ring) for ring in ("split", "packed")),
    *(Load("ping", 64, ring) for ring in ("split", "packed")),
    *(Load("loop", size, huge=False) for size in (64, 1518)),
]


def generator(lab, switch, load):
    burst = 1 if load.kind == "ping" else 32
    vdevs = [f"net_virtio_user{i},path={path},mac={MACS[i]},queues=1,queue_size=256,mrg_rxbuf=1,"
             f"in_order=0,packed_vq={int(load.ring == 'packed')}"
             for i, path in enumerate(switch.sockets)]
    pmd = Testpmd(lab, vdevs, [
        f"--burst={burst}", "--txd=256", "--rxd=256", f"--txpkts={load.size - FCS}",
        "--mbuf-size=2176", f"--eth-peer=0,{MACS[1]}", f"--eth-peer=1,{MACS[0]}",
        f"--flowgen-flows={load.flows}",
        f"--forward-mode={'flowgen' if load.kind == 'open' else 'io'}"],
        EAL_HUGE if load.huge else EAL_SMALL, 192, GENERATOR_CPU)
    pmd("start" if load.kind == "open" else f"start tx_first {1 if load.kind == 'ping' else 4}")
    return pmd


def core_distance():
    """Which power of two holds the nanoseconds of a cache line's way between the cores and back."""
    text = run(CORE_DISTANCE, GENERATOR_CPU, SWITCH_CPU)[1]
    return int(math.log2(max(1, int(text))))


class Threads:
    """The busiest thread of a process, and how long it waited for its core."""

    def __init__(self, pid):
        tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
        self.path = max(tasks, key=lambda t: int((t / "schedstat").read_text().split()[0]))

    def waited(self):
        return int((self.path / "schedstat").read_text().split()[1]) / 1e9


class Window:
    """What was measured in a short time: packets a second received by the guests (pps), the largest
    share of it that a side waited for its core (waited), the cores' distance (None: it changed), and
    busy time a packet, if the switch tells (own_ns)."""

    def __init__(self, pmd, threads, switch, seconds):
        distance = core_distance()
        busy, begin = switch.busy(), time.monotonic()
        before = [t.waited() for t in threads]
        pmd("show port stats all")
        time.sleep(seconds)
        text = pmd("show port stats all")
        took = time.monotonic() - begin
        self.waited = max(t.waited() - b for t, b in zip(threads, before)) / took
        self.pps = sum(int(n) for n in re.findall(r"Rx-pps:\s+(\d+)", text))
        self.own_ns = None
        if busy:
            ns, packets = (b - a for a, b in zip(busy, switch.busy()))
            self.own_ns = ns / packets if packets else None
        self.distance = distance if distance == core_distance() else None


def trial(kind, load, args):
    """One switch under one load; returns its figures and the quiet windows."""
    with Lab() as lab:
        switch = kind(lab, SWITCH_CPU, load.huge)
        time.sleep(0.5)
        figures = {"ready ms": switch.ready_ms, "memory MiB": switch.memory_mib()}
        figures["idle CPU %"] = idle_cpu(switch.pid, 1.0)
        pmd = generator(lab, switch, load)
        time.sleep(1)
        threads = [Threads(pmd.process.pid), Threads(switch.pid)]
        windows = []
        for _ in range(4 * args.windows):
            w = Window(pmd, threads, switch, args.seconds)
            if w.waited <= MAX_WAIT and w.distance is not None:
                windows.append(w)
            if len(windows) == args.windows:
                break
        pmd("stop")
        pmd.quit()
        switch.stop()
    return figures, windows


def idle_cpu(pid, seconds):
    def run_time():
        return sum(int((t / "schedstat").read_text().split()[0])
                   for t in pathlib.Path(f"/proc/{pid}/task").iterdir())
    before = run_time()
    time.sleep(seconds)
    return (run_time() - before) / seconds / 1e7


def figure(load, pps):
    if load.kind == "ping":  # two packets under way
        return f"{2e6 / pps:.2f} us" if pps else "-"
    return f"{pps / 1e6:.2f} Mpps"


class Row:
    """A line of the table, from the windows of each switch: {name: [Window]}."""

    def __init__(self, load, windows):
        self.load = load
        counts = {d: min(sum(w.distance == d for w in ws) for ws in windows.values())
                  for ws in windows.values() for d in {w.distance for w in ws}}
        self.distance = max(counts, key=counts.get) if counts else None
        self.n = counts.get(self.distance, 0)
        chosen = {n: [w for w in ws if w.distance == self.distance] for n, ws in windows.items()}
        self.pps = {n: statistics.median(w.pps for w in ws) for n, ws in chosen.items()
                    if ws and self.n}
        own = [w.own_ns for w in chosen.get("vireo", []) if w.own_ns]
        self.own_ns = statistics.median(own) if own else None

    def ratio(self, base):
        """Of vireo to another; above 1: vireo is better."""
        if "vireo" not in self.pps or not self.pps.get(base):
            return None
        return self.pps["vireo"] / self.pps[base]

    def cells(self, names):
        yield self.load.name
        for n in names:
            yield figure(self.load, self.pps[n]) if n in self.pps else "-"
        for base in ("ovs", "testpmd"):
            yield f"{self.ratio(base):.2f}" if self.ratio(base) else "-"
        yield f"{self.own_ns:.0f} ns" if self.own_ns else "-"
        yield f"{self.n} at {2 ** self.distance} ns" if self.n else "none alike"


def compare(args):
    names, everything, rows = args.switches.split(","), {}, []
    for load in LOADS:
        if args.loads and not any(word in load.name for word in args.loads.split(",")):
            continue
        windows = {n: [] for n in names if load.huge or n != "ovs"}
        for _ in range(args.rounds):
            for n in windows:
                try:
                    figures, more = trial(SWITCHES[n], load, args)
                    windows[n] += more
                    everything.setdefault(n, []).append(figures)
                    print(f"  {load.name}, {n}: " + " ".join(
                        f"{figure(load, w.pps)}@{2 ** w.distance}" for w in more), file=sys.stderr)
                except Failure as error:
                    print(f"  {load.name}, {n}: {error}", file=sys.stderr)
        rows.append(Row(load, windows))
    header = ["load", *(SWITCHES[n].name for n in names), "vireo/OVS", "vireo/testpmd", "own", "windows"]
    table = [header, *(list(row.cells(names)) for row in rows)]
    widths = [max(len(line[i]) for line in table) for i in range(len(header))]
    say(f"\n{time.strftime('%Y-%m-%d')}, {cpu_model()}, {args.rounds} rounds")
    for line in table:
        say("  ".join(f"{cell:<{w}}" if i == 0 else f"{cell:>{w}}"
                      for i, (cell, w) in enumerate(zip(line, widths))).rstrip())
    say("Both directions together; ratios above 1: vireo is better. own: vireo's busy time a packet."
        "\nwindows: how many of each switch were compared, and the cores' distance in them.\n")
    say(f"{'switch':<26} {'ready':>12} {'idle CPU':>12} {'memory':>12}")
    for n, figures in everything.items():
        ready, idle, memory = (statistics.median(f[k] for f in figures)
                               for k in ("ready ms", "idle CPU %", "memory MiB"))
        say(f"{SWITCHES[n].name:<26} {ready:>9.0f} ms {idle:>10.1f} % {memory:>8.0f} MiB")


def cpu_model():
    return re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text()).group(1)


def main():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--windows", type=int, default=6, help="quiet ones wanted of each trial")
    parser.add_argument("--seconds", type=float, default=0.3, help="length of a window")
    parser.add_argument("--loads", help="parts of load names, like 'open 64,ping'")
    parser.add_argument("--switches", default="testpmd,ovs,vireo")
    args = parser.parse_args()
    if (os.cpu_count() or 1) < 2:
        sys.exit("bench: needs two cores")
    os.nice(-10)  # whoever else is busy comes later
    if missing():
        sys.exit(f"bench: {missing()} is missing")
    before = int(HUGEPAGES.read_text())
    if before < PAGES_NEEDED:
        HUGEPAGES.write_text(str(PAGES_NEEDED))
    try:
        if int(HUGEPAGES.read_text()) < PAGES_NEEDED:
            sys.exit(f"bench: cannot get {PAGES_NEEDED} huge pages of 2 MiB")
        compare(args)
    finally:
        HUGEPAGES.write_text(str(before))


main()
