# SPDX-License-Identifier: Apache-2.0
"""What becomes of a quiet pair of guests while another pair floods the same switch."""
import statistics
import sys
import time

from lab import Failure, Lab
from loads import Threads, bench
from switches import OvsNormal, Vireo

RATE = 10_000
SECONDS = 1.0
MAX_WAIT = 0.05  # of a trial in which the switch or the guests may wait for their core
MORE_ROUNDS = 3  # times as many as wanted, at most, until there are as many quiet ones


class OvsFour(OvsNormal):
    """Open vSwitch with two pairs of ports."""
    ports = "abcd"


class VireoFour(Vireo):
    """vireo with two pairs of ports."""
    ports = "abcd"


class Trial:
    """Of the quiet pair: frames sent and lost in the whole run, and ns of one way. Packets a second that
    the other pair received (flood; None: it sent nothing). Good: nobody waited for a core."""

    def __init__(self, kind, ring, flood, generator_cpu, switch_cpu):
        with Lab() as lab:
            switch = kind(lab, [switch_cpu])
            time.sleep(0.5)
            words = ("ring", ring, "rate", RATE, "seconds", SECONDS, "warmup", 0.2)
            words += ("flood", 2) if flood else ()
            threads = Threads(switch.pid)
            result = bench(switch.sockets[:4 if flood else 2], generator_cpu, *words)
            waited = threads.waited(), 1 - result["generator"]["cpu_percent"] / 100
            switch.stop()
        self.good = max(waited) <= MAX_WAIT
        self.sent = sum(p["sent"] for p in result["ports"][:2])
        self.lost = sum(p["lost"] for p in result["ports"][:2])
        self.flood = sum(p["received_mpps"] for p in result["ports"][2:]) if flood else None
        self.median, self.p99 = (result["latency"][k] for k in ("median_ns", "p99_ns"))


def trials(kind, ring, flood, generator_cpu, switch_cpu, rounds):
    """As many good ones as there are to be had."""
    done = []
    for _ in range(MORE_ROUNDS * rounds):
        try:
            trial = Trial(kind, ring, flood, generator_cpu, switch_cpu)
        except Failure as error:
            print(f"  {kind.name}, {ring}: {error}", file=sys.stderr)
            continue
        done += [trial] if trial.good else []
        if len(done) == rounds:
            break
    return done


def cells(done):
    """Of some trials: medians, and the sum of what was sent and lost."""
    if not done:
        return ["-"] * 5 + ["0"]
    floods = [t.flood for t in done if t.flood is not None]
    sent, lost = sum(t.sent for t in done), sum(t.lost for t in done)
    return [f"{statistics.median(floods):.2f} Mpps" if floods else "none",
            f"{lost:,} of {sent:,} ({100 * lost / sent:.3f} %)",
            *(f"{statistics.median(getattr(t, what) for t in done) / 1e3:.1f} us"
              for what in ("median", "p99")),
            f"{max(t.p99 for t in done) / 1e3:.1f} us", str(len(done))]


def lines(generator_cpu, switch_cpu, args):
    """Cells of a table."""
    yield ["switch", "flood received", "the other pair's loss", "median", "99 %", "worst 99 %",
           "trials"]
    for ring in ("split", "packed"):
        for flood in (False, True):
            for kind in (OvsFour, VireoFour):
                yield [f"{kind.name}, {ring}",
                       *cells(trials(kind, ring, flood, generator_cpu, switch_cpu, args.rounds))]
