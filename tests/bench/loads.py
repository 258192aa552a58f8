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
FCS = 4  # bytes of a frame on the wire that no guest sees


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
                       "hugepages", "on" if self.load.huge else "off", "seconds", seconds,
                       "warmup", 0.1)
        return (result["total"]["received_mpps"] * 1e6, result.get("latency", {}).get("median_ns"),
                1 - result["generator"]["cpu_percent"] / 100)

    def stop(self):
        pass


class Threads:
    """The busiest thread of a process, and how long it waited for its core."""

    def __init__(self, pid):
        tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
        self.path = max(tasks, key=lambda t: int((t / "schedstat").read_text().split()[0]))

    def waited(self):
        return int((self.path / "schedstat").read_text().split()[1]) / 1e9


class TestpmdGuests:
    """One testpmd with two virtio_user ports, for all windows."""

    def __init__(self, lab, switch, load, cpu):
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
        self.thread = Threads(self.pmd.process.pid)

    def window(self, seconds):
        before, begin = self.thread.waited(), time.monotonic()
        self.pmd("show port stats all")
        time.sleep(seconds)
        text = self.pmd("show port stats all")
        share = (self.thread.waited() - before) / (time.monotonic() - begin)
        pps = sum(int(n) for n in re.findall(r"Rx-pps:\s+(\d+)", text))
        ping = 2e9 / pps if self.load.kind == "ping" and pps else None  # two under way
        return pps, ping, share

    def stop(self):
        self.pmd("stop")
        self.pmd.quit()


GENERATORS = {"vireo": OwnGuests, "testpmd": TestpmdGuests}
__all__ = ["LOADS", "GENERATORS", "Threads", "bench", "Failure"]
