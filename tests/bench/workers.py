#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What it costs that a guest's packets are another worker's: two workers, guests of one queue pair.

    pair   a (worker 0) <--> b (worker 1)            vireo bench, loads loop and open
    three  a (worker 0) <--> c <--> b (worker 1)     testpmd, 128 packets of each go round

Several builds are measured in turn, so that what else the machine does meets them all. With two
cores somebody has to share: "apart" has the workers on different cores, and the load generator on
that of worker 0, so that packets really cross; "together" has both workers on one core and the
generator on the other. busy is the time of both workers in turns that had work, a delivered packet;
it counts what a worker waits for its core in such a turn, which nothing but many windows helps
against. cpu is the run time of both, polling included. Of all windows the quietest are taken; others is how much of the two cores other programs had in the worst
of these. Instructions are counted by callgrind.

usage: tests/bench/workers.py [--builds build-before,build] ...
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
from lab import Failure, Lab, Switch, Testpmd, TOP, run, say  # noqa: E402
from loads import MACS, Load, bench  # noqa: E402

CPUS = {"apart": "0-1", "together": "1"}
GENERATOR_CPU = 0
MAC_C = "02:00:00:00:00:0c"
PAIR = [Load(kind, size, ring) for kind in ("loop", "open") for size in (64, 1518)
        for ring in ("split", "packed")]
THREE = [Load("three", size, ring) for size in (64, 1518) for ring in ("split", "packed")]
FUNCTIONS = ("vhost_queue_rx", "forward_batch", "vhost_queue_rx_done", "forward_inboxes")


def busy_s():
    """Time that all cores together were not idle."""
    user, nice, system, _, _, irq, softirq = map(int, open("/proc/stat").readline().split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def own_s(*pids):
    """Run time of ours: this program's, ended children's, and that of @pids."""
    fields = [pathlib.Path(f"/proc/{p}/stat").read_text().rsplit(")", 1)[1].split() for p in pids]
    return sum(os.times()[:4]) + sum(int(f[11]) + int(f[12]) for f in fields) / os.sysconf(
        "SC_CLK_TCK")


class Crossing:
    """A switch of two workers; port @names[i] is worker i's, the last one has no wish."""

    def __init__(self, lab, build, names, args=(), wrap=()):
        self.switch = Switch(lab, workers=2, build=build, args=args, wrap=wrap)
        self.switch("worker", "set", "rebalance", "off")
        self.pids = [self.switch.pid]
        self.sockets = [self.switch.vhost(n, "queues", 1) for n in names]
        for i, name in enumerate(names[:2]):
            self.switch("worker", "set", "port", name, "queue", 0, "worker", i)

    def counters(self):
        workers, ports = self.switch.json("worker", "show"), self.switch.ports().values()
        tasks = [t for t in pathlib.Path(f"/proc/{self.switch.pid}/task").iterdir()
                 if "worker" in (t / "comm").read_text()]
        return {"busy": sum(w["busy_ns"] for w in workers),
                "cpu": sum(int((t / "schedstat").read_text().split()[0]) for t in tasks),
                "tx": sum(p["tx_packets"] for p in ports),
                "at": time.monotonic()}

    def window(self, load_for):
        """Counters' growth while @load_for() runs, and "others": cores that others had."""
        before = self.counters()
        own, busy, at = own_s(*self.pids), busy_s(), time.monotonic()
        load_for()
        others = busy_s() - busy - (own_s(*self.pids) - own)
        took = time.monotonic() - at
        grown = {k: v - before[k] for k, v in self.counters().items()}
        return dict(grown, others=others / took)


def pair_window(build, load, layout, seconds):
    with Lab() as lab:
        c = Crossing(lab, build, "ab", ("--worker-cpus", CPUS[layout]))
        got = c.window(lambda: bench(c.sockets, GENERATOR_CPU, "load", load.kind, "size", load.size,
                                     "ring", load.ring, "hugepages", "off", "seconds", seconds,
                                     "warmup", 0.02))
        c.switch.stop()
    return got


def three_window(build, load, layout, seconds):
    """What a and b send to c comes back: so all workers send to c."""
    with Lab() as lab:
        c = Crossing(lab, build, "abc", ("--worker-cpus", CPUS[layout]))
        macs = (*MACS, MAC_C)
        vdevs = [f"net_virtio_user{i},path={path},mac={macs[i]},queues=1,queue_size=256,"
                 f"packed_vq={int(load.ring == 'packed')}" for i, path in enumerate(c.sockets)]
        pmd = Testpmd(lab, vdevs, [
            "--burst=32", "--txd=256", "--rxd=256", f"--txpkts={load.size - 4}",
            "--mbuf-size=2176", "--port-topology=loop", f"--eth-peer=0,{MAC_C}",
            f"--eth-peer=1,{MAC_C}", f"--eth-peer=2,{MACS[0]}", "--forward-mode=macswap"], memory=96, cpu=GENERATOR_CPU)
        c.pids.append(pmd.process.pid)
        pmd("start tx_first 4")
        time.sleep(0.3)
        got = c.window(lambda: time.sleep(seconds))
        pmd("stop")
        pmd.quit()
        c.switch.stop()
    return got


def instructions(build, ring, size, seconds=3):
    """Of a delivered packet, from ring to ring, in the functions that touch packets."""
    with Lab() as lab:
        out = lab.dir / "callgrind.out"
        c = Crossing(lab, build, "ab", args=("--no-keeper",), wrap=(
            "valgrind", "--tool=callgrind", "--fair-sched=yes", f"--callgrind-out-file={out}",
            *(f"--toggle-collect={f}" for f in FUNCTIONS)))
        run(build / "vireo", "-j", "bench", *c.sockets, "check", "off", "ring", ring, "size", size,
            "load", "loop", "seconds", seconds, timeout=120)
        n = c.counters()["tx"]
        c.switch.stop()
        total = int(re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.M).group(1))
    return round(total / n)


def spread(values):
    """Median, and the quartiles."""
    if not values:
        return "-"
    if len(values) < 2:
        return f"{values[0]:.0f}"
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{middle:.0f} ({low:.0f}-{high:.0f})"


def cells(windows):
    if not windows:
        return ["-"] * 4
    return [spread([w["busy"] / w["tx"] for w in windows]),
            spread([w["cpu"] / w["tx"] for w in windows]),
            f"{statistics.median(w['tx'] / w['at'] for w in windows) / 1e6:.2f}",
            f"{max(w['others'] for w in windows) / os.cpu_count():.0%}"]


def table(lines):
    rule = ["---"] + ["--:"] * (len(lines[0]) - 1)
    return "\n".join("| " + " | ".join(line) + " |" for line in [lines[0], rule, *lines[1:]])


def measure(load, layout, builds, args):
    """{build: [windows]}"""
    window = three_window if load.kind == "three" else pair_window
    windows = {b: [] for b in builds}
    for i in range(args.windows):
        for b in builds if i % 2 == 0 else reversed(builds):
            try:
                w = window(b, load, layout, args.seconds)
            except Failure as error:
                print(f"  {load.name}, {b.name}: {str(error).splitlines()[-1]}", file=sys.stderr)
                continue
            if w["tx"]:
                windows[b].append(w)
    return {b: sorted(ws, key=lambda w: w["others"])[:args.quiet] for b, ws in windows.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--builds", default="build", help="directories, the older one first")
    parser.add_argument("--windows", type=int, default=15, help="measured of each build and load")
    parser.add_argument("--quiet", type=int, default=5, help="of these, taken")
    parser.add_argument("--seconds", type=float, default=0.3, help="length of a window")
    parser.add_argument("--loads", default="", help="parts of load names, like 'loop,three 64'")
    parser.add_argument("--layouts", default="apart,together")
    parser.add_argument("--instructions", action="store_true", help="count them, too")
    args = parser.parse_args()
    builds = [(TOP / b).resolve() for b in args.builds.split(",")]
    lab_module.BUILD = builds[-1]  # of the load generator
    words = args.loads.split(",")
    say(f"Measured on {time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores of "
        + re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text()).group(1)
        + f", by `tests/bench/workers.py{''.join(' ' + a for a in sys.argv[1:])}`.\n")
    lines = [["load, workers", *(f"{b.name}: {what}" for b in builds
                                 for what in ("busy ns", "cpu ns", "Mpps", "others"))]]
    for load in PAIR + THREE:
        if not any(word in load.name for word in words):
            continue
        for layout in args.layouts.split(","):
            windows = measure(load, layout, builds, args)
            lines.append([f"{load.name}, {layout}",
                          *(cell for b in builds for cell in cells(windows[b]))])
            print("  " + " | ".join(lines[-1]), file=sys.stderr)
    say(table(lines))
    if args.instructions:  # the same whatever else the machine does
        lines = [["instructions a packet", *(b.name for b in builds)]]
        for size in (64, 1518):
            for ring in ("split", "packed"):
                lines.append([f"{size} B {ring}",
                              *(str(instructions(b, ring, size)) for b in builds)])
        say("\n" + table(lines))


main()
