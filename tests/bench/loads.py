# SPDX-License-Identifier: Apache-2.0
"""What the two guests of a comparison do, and who plays them: "vireo bench", which costs least and
so leaves the switch to be the limit, or DPDK's testpmd, for those who trust nothing of ours."""
import json
import pathlib
import re
import time

import lab as lab_module
from lab import Failure, Testpmd, run
from switches import EAL_HUGE, EAL_SMALL

MACS = ("02:00:00:00:00:0a", "02:00:00:00:00:0b")
TSO_SIZE = 65230  # 45 segments of 1448 bytes, as Linux sends them
FCS = 4  # bytes of a frame on the wire that no guest sees


class Load:
    """What the guests do: kind (open, loop, ping), bytes on the wire, ring, flows, huge pages, large
    packets (tso: off, on, send, as "vireo bench" has them); the switch's rules, a set of rules.py, and
    whether each frame is a flow of its own (fresh); and the switch's workers, each with a
    queue pair of each guest: with two, one of them shares the guests' core."""

    def __init__(self, kind, size, ring="split", flows=1, huge=True, tso="off", workers=1,
                 rules=None, fresh="off"):
        self.rules, self.fresh = rules, fresh
        self.kind, self.size, self.ring, self.huge, self.tso = kind, size, ring, huge, tso
        self.workers, self.flows = workers, max(flows, workers)
        self.unit = "us" if kind == "ping" else "Mpps" if tso == "off" else "Gbit/s"
        self.name = f"{kind} {size} B {ring}"
        if tso != "off":
            self.name = f"TSO between two guests, 64 KiB {ring}"
        if tso == "send":
            self.name += ", segmented by the switch"
        if flows > 1:
            self.name += f", {flows:,} flows"
        if not huge:
            self.name += ", no huge pages"
        if rules:
            self.name += f", rules: {rules}"
        if workers > 1:
            self.name += f", {workers} workers, cores shared with the guests"

    def suits(self, switch):
        """Whether this switch can be loaded so: Open vSwitch needs huge pages and does not segment
        for a guest; testpmd io neither segments nor has a queue of a port on each core."""
        return {"ovs": self.huge and self.tso != "send",
                "testpmd": self.workers == 1 and self.tso != "send" and not self.rules}.get(switch, True)


LOADS = [
    *(Load("loop", size, ring) for size in (64, 1518) for ring in ("split", "packed")),
    *(Load("open", 64, ring, flows) for ring in ("split", "packed") for flows in (1, 1024, 16384)),
    *(Load("open", 1518, ring) for ring in ("split", "packed")),
    *(Load("ping", 64, ring) for ring in ("split", "packed")),
    *(Load("loop", size, huge=False) for size in (64, 1518)),
    *(Load("loop", TSO_SIZE, tso=tso) for tso in ("on", "send")),
    # not in a loop, which stands still while the guests wait for a queue whose worker waits
    *(Load("open", size, workers=2) for size in (64, 1518)),
    *(Load("open", 64, flows=flows, rules=rules, fresh=fresh) for rules, flows, fresh in (
        ("three tables, 1,000 rules each", 1024, "off"), ("50 tables", 1024, "off"),
        ("one plan", 1, "flows"), ("all miss", 1, "flows"))),
]


def bench(sockets, cpu, *words):
    """Runs "vireo bench" on these sockets; returns what it measured, latencies in ns."""
    return json.loads(run(lab_module.BUILD / "vireo", "-j", "bench", *sockets, "cpu", cpu, "check",
                          "off", *words)[1])


class OwnGuests:
    """vireo bench: connects anew for each window."""

    def __init__(self, lab, switch, load, cpu):
        self.switch, self.load, self.cpu = switch, load, cpu

    def window(self, seconds):
        """(packets a second received, one-way ns or None, share of time without the core)."""
        result = bench(self.switch.sockets, self.cpu, "load", self.load.kind, "size",
                       self.load.size, "ring", self.load.ring, "flows", self.load.flows,
                       "hugepages", "on" if self.load.huge else "off", "tso", self.load.tso,
                       "fresh", self.load.fresh,
                       "queues", self.load.workers, "mode", self.switch.guest_mode, "seconds",
                       seconds, "warmup", 0.1)
        return (result["total"]["received_mpps"] * 1e6, result.get("latency", {}).get("median_ns"),
                1 - result["generator"]["cpu_percent"] / 100)

    def stop(self):
        pass


class Threads:
    """How long the busiest thread of a process waited for its core since this was made, as a share of
    the time. What the process's other threads had of that core meanwhile is not waiting: it is what
    the process costs, as where a switch's upkeep takes turns with its packets."""

    def __init__(self, pid):
        self.pid, self.began, self.before = pid, time.monotonic(), self.now(pid)

    @staticmethod
    def now(pid):
        """{thread: (ns that it ran, ns that it could have and waited, its core)}"""
        tasks = {}
        for t in pathlib.Path(f"/proc/{pid}/task").iterdir():
            ran, waited = map(int, (t / "schedstat").read_text().split()[:2])
            tasks[t.name] = ran, waited, int((t / "stat").read_text().rsplit(")", 1)[1].split()[36])
        return tasks

    def waited(self):
        spent = sorted((ran - self.before.get(name, (0, 0))[0], waited - self.before.get(name, (0, 0))[1], core)
                       for name, (ran, waited, core) in self.now(self.pid).items())
        _, waited, core = spent.pop()
        others = sum(ran for ran, _, where in spent if where == core)
        return max(waited - others, 0) / 1e9 / (time.monotonic() - self.began)


class TestpmdGuests:
    """One testpmd with two virtio_user ports, for all windows."""

    def __init__(self, lab, switch, load, cpu):
        if load.tso != "off" or load.workers > 1:
            raise Failure("not with testpmd as the guests")
        burst = 1 if load.kind == "ping" else 32
        self.load = load
        vdevs = [f"net_virtio_user{i},path={path},mac={MACS[i]},queues=1,queue_size=256,"
                 f"mrg_rxbuf=1,in_order=0,packed_vq={int(load.ring == 'packed')}"
                 for i, path in enumerate(switch.sockets)]
        self.pmd = Testpmd(lab, vdevs, [
            f"--burst={burst}", "--txd=256", "--rxd=256", f"--txpkts={load.size - FCS}",
            "--mbuf-size=2176", f"--eth-peer=0,{MACS[1]}", f"--eth-peer=1,{MACS[0]}",
            f"--flowgen-flows={load.flows}",
            f"--forward-mode={'flowgen' if load.kind == 'open' else 'io'}"],
            EAL_HUGE if load.huge else EAL_SMALL, 192, cpu)
        self.pmd("start" if load.kind == "open"
                 else f"start tx_first {1 if load.kind == 'ping' else 4}")
        time.sleep(1)

    def window(self, seconds):
        threads = Threads(self.pmd.process.pid)
        self.pmd("show port stats all")
        time.sleep(seconds)
        text = self.pmd("show port stats all")
        share = threads.waited()
        pps = sum(int(n) for n in re.findall(r"Rx-pps:\s+(\d+)", text))
        ping = 2e9 / pps if self.load.kind == "ping" and pps else None  # two under way
        return pps, ping, share

    def stop(self):
        self.pmd("stop")
        self.pmd.quit()


GENERATORS = {"vireo": OwnGuests, "testpmd": TestpmdGuests}
__all__ = ["LOADS", "GENERATORS", "Threads", "bench", "Failure"]
