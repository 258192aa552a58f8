#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares switches under the same load, in turn: DPDK's testpmd, OVS-DPDK and vireo.

    core 0: testpmd, two virtio_user "guests" --- a, b (vhost-user) --- the switch, on core 1

open   each guest sends as much as its ring takes and drops what it gets
loop   128 packets a guest go round; nothing can be lost
ping   one packet a guest: the time of one way

A figure is the median of quiet windows (neither side waited for its core), a row's the median of
rounds, a ratio the median of the rounds' ratios: what else the machine does hits all alike.
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
from lab import Failure, Lab, Testpmd, say  # noqa: E402
from switches import EAL_HUGE, EAL_SMALL, SWITCHES, missing  # noqa: E402

GENERATOR_CPU, SWITCH_CPU = 0, 1
MACS = ("02:00:00:00:00:0a", "02:00:00:00:00:0b")
HUGEPAGES = pathlib.Path("/proc/sys/vm/nr_hugepages")
PAGES_NEEDED = 512  # of 2 MiB: OVS 256, the generator 96, testpmd 64, and some
MAX_WAIT = 0.05  # of a window in which a side may wait for its core

# name, load, bytes of the frame without FCS, hugepages
LOADS = [
    ("open 64 B", "open", 60, True),
    ("open 1518 B", "open", 1514, True),
    ("loop 64 B", "loop", 60, True),
    ("loop 1518 B", "loop", 1514, True),
    ("ping 64 B", "ping", 60, True),
    ("open 64 B, no hugepages", "open", 60, False),
    ("open 1518 B, no hugepages", "open", 1514, False),
]


def generator(lab, switch, load, length, huge):
    burst = 1 if load == "ping" else 32
    vdevs = [f"net_virtio_user{i},path={path},mac={MACS[i]},queues=1,queue_size=256,"
             "mrg_rxbuf=1,in_order=0" for i, path in enumerate(switch.sockets)]
    pmd = Testpmd(lab, vdevs, [
        f"--burst={burst}", "--txd=256", "--rxd=256", f"--txpkts={length}", "--mbuf-size=2176",
        f"--eth-peer=0,{MACS[1]}", f"--eth-peer=1,{MACS[0]}", "--flowgen-flows=1",
        f"--forward-mode={'flowgen' if load == 'open' else 'io'}"],
        EAL_HUGE if huge else EAL_SMALL, 192, GENERATOR_CPU)
    pmd("start" if load == "open" else f"start tx_first {1 if load == 'ping' else 4}")
    return pmd


class Threads:
    """The busiest thread of a process, and how long it waited for its core."""

    def __init__(self, pid):
        tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
        self.path = max(tasks, key=lambda t: int((t / "schedstat").read_text().split()[0]))

    def waited(self):
        return int((self.path / "schedstat").read_text().split()[1]) / 1e9


def window(pmd, threads, seconds):
    """(packets a second received by the guests, largest share of time waited for a core)."""
    before, begin = [t.waited() for t in threads], time.monotonic()
    pmd("show port stats all")
    time.sleep(seconds)
    text = pmd("show port stats all")
    took = time.monotonic() - begin
    waited = max(t.waited() - b for t, b in zip(threads, before)) / took
    return sum(int(n) for n in re.findall(r"Rx-pps:\s+(\d+)", text)), waited


def trial(kind, load, length, huge, args):
    """One switch under one load; returns its figures."""
    with Lab() as lab:
        switch = kind(lab, SWITCH_CPU, huge)
        time.sleep(0.5)
        figures = {"ready ms": switch.ready_ms, "memory MiB": switch.memory_mib()}
        figures["idle CPU %"] = idle_cpu(switch.pid, 1.0)
        pmd = generator(lab, switch, load, length, huge)
        time.sleep(1)
        threads = [Threads(pmd.process.pid), Threads(switch.pid)]
        windows = []
        while len(windows) < 6 * args.windows:
            windows.append(window(pmd, threads, args.seconds))
            if sum(w[1] <= MAX_WAIT for w in windows) == args.windows:
                break
        quiet = sorted(windows, key=lambda w: w[1])[:args.windows]
        figures["pps"] = statistics.median(w[0] for w in quiet)
        figures["noisy"] = quiet[-1][1] > MAX_WAIT
        stopped = pmd("stop")
        total = re.findall(r"TX-packets: (\d+)\s+TX-dropped: (\d+)", stopped)[-1:]
        sent, refused = map(int, total[0]) if total else (0, 0)
        figures["refused"] = refused / (sent + refused) if sent else 0
        pmd.quit()
        switch.stop()
    return figures


def idle_cpu(pid, seconds):
    def run_time():
        return sum(int((t / "schedstat").read_text().split()[0])
                   for t in pathlib.Path(f"/proc/{pid}/task").iterdir())
    before = run_time()
    time.sleep(seconds)
    return (run_time() - before) / seconds / 1e7


def figure(load, pps):
    if load == "ping":  # two packets under way
        return f"{2e6 / pps:.2f} us" if pps else "-"
    return f"{pps / 1e6:.2f} Mpps"


def row(name, load, results):
    """A line of the table; @results: {switch: [figures of each round, or None]}."""
    cells = [f"{name:<26}"]
    for rounds in results.values():
        good = [r["pps"] for r in rounds if r]
        noisy = "*" if any(r["noisy"] for r in rounds if r) else " "
        cells.append(f"{figure(load, statistics.median(good)) + noisy if good else '- ':>14}")
    for base in ("ovs", "testpmd"):
        ratios = [v["pps"] / b["pps"] for v, b in zip(results.get("vireo", []), results.get(base, []))
                  if v and b and b["pps"]]
        cells.append(f"{statistics.median(ratios):>12.2f}" if ratios else f"{'-':>12}")
    refused = [r["refused"] for r in results.get("vireo", []) if r]
    cells.append(f"{100 * statistics.median(refused):>9.0f} %" if refused and load == "open" else "")
    return " ".join(cells)


def compare(args):
    names, everything = args.switches.split(","), {}
    header = " ".join([f"{'load':<26}"] + [f"{SWITCHES[n].name:>14}" for n in names]
                      + ["   vireo/OVS vireo/testpmd   refused"])
    lines = []
    for name, load, length, huge in LOADS:
        if args.loads and not any(word in name for word in args.loads.split(",")):
            continue
        results = {n: [] for n in names if huge or n != "ovs"}
        for _ in range(args.rounds):
            for n in results:
                try:
                    results[n].append(trial(SWITCHES[n], load, length, huge, args))
                    everything.setdefault(n, []).append(results[n][-1])
                    print(f"  {name}, {n}: {figure(load, results[n][-1]['pps'])}", file=sys.stderr)
                except Failure as error:
                    results[n].append(None)
                    print(f"  {name}, {n}: {error}", file=sys.stderr)
        lines.append(row(name, load, {n: results.get(n, []) for n in names}))
    say(f"\n{time.strftime('%Y-%m-%d')}, {cpu_model()}, {args.rounds} rounds\n{header}")
    say("\n".join(lines))
    say("Both directions together; ratios above 1: vireo is better. refused: what the guests could not send to vireo; near 0 the "
        "load, not the switch, is the limit.\n*: the machine was busy with other things.\n")
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
    parser.add_argument("--windows", type=int, default=4, help="quiet ones wanted of each trial")
    parser.add_argument("--seconds", type=float, default=0.5, help="length of a window")
    parser.add_argument("--loads", help="parts of load names, like 'open 64,ping'")
    parser.add_argument("--switches", default="testpmd,ovs,vireo")
    args = parser.parse_args()
    if (os.cpu_count() or 1) < 2:
        sys.exit("bench: needs two cores")
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
