# SPDX-License-Identifier: Apache-2.0
"""What a switch costs, and how long packets take, while there is little to do."""
import statistics
import time

from lab import Failure, Lab
from loads import bench
from switches import OvsNormal, Vireo

RATES = (0, 1_000, 10_000, 100_000, 1_000_000)
SECONDS = 1.0


class OvsSleep(OvsNormal):
    """Open vSwitch, allowed to sleep up to 50 us at a time."""
    name = "OVS, pmd-maxsleep=50"
    options = ("other_config:pmd-maxsleep=50",)


def measure(kind, rate, generator_cpu, switch_cpu):
    """(CPU %, median us, 99 % us) at @rate packets a second of each guest."""
    with Lab() as lab:
        switch = kind(lab, [switch_cpu])
        time.sleep(0.5)
        if not rate:
            before = switch.cpu_ns()
            time.sleep(SECONDS)
            result = (switch.cpu_ns() - before) / SECONDS / 1e7, None, None
        else:
            words = ("load", "open", "rate", rate, "seconds", SECONDS, "warmup", 0.2)
            begin, before = time.monotonic(), switch.cpu_ns()
            latency = bench(switch.sockets, generator_cpu, *words).get("latency", {})
            percent = (switch.cpu_ns() - before) / (time.monotonic() - begin) / 1e7
            result = percent, latency.get("median_ns"), latency.get("p99_ns")
        switch.stop()
    return result


def lines(generator_cpu, switch_cpu, args):
    """Cells of a table."""
    kinds = (OvsSleep, Vireo)
    yield ["rate", *(f"{k.name}: {what}" for k in kinds for what in ("CPU", "median", "99 %"))]
    for rate in RATES:
        cells = [f"{rate:,}"]
        for kind in kinds:
            tries = []
            for _ in range(args.rounds):
                try:
                    tries.append(measure(kind, rate, generator_cpu, switch_cpu))
                except Failure as error:
                    print(f"  rate {rate}, {kind.name}: {error}")
            for i, unit in enumerate(("%", "us", "us")):
                good = [t[i] / (1 if unit == "%" else 1e3) for t in tries if t[i] is not None]
                cells.append(f"{statistics.median(good):.1f} {unit}" if good else "-")
        yield cells
