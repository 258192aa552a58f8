# SPDX-License-Identifier: Apache-2.0
"""What a pair of guests, whose frames the switch knows, gets beside a third one that floods it.

    core 0: a pair in a loop ("vireo bench")     --- a, b  |
            a third one sends all that goes      --- c     | the switch, on core 1
            to a fourth, which only listens      --- d     |

The flood comes from one source address, so that all of it is known after the first frame (known), or
each frame of it comes from an address that nobody has seen before (strangers).
"""
import math
import statistics
import sys
import time

import rules
from fairness import OvsFour, VireoFour
from lab import Failure, Lab
from loads import Threads, bench

KINDS = {"ovs": OvsFour, "vireo": VireoFour}
RULES = (None, "stations")
FLOODS = {"none": None, "known": "off", "strangers": "macs"}
MAX_WAIT = 0.05  # of a window in which the switch or the guests may wait for their core
MORE = 3  # times as many windows, and trials, as wanted, at most, until there are as many quiet ones


class Window:
    """Packets a second that the pair received (pair), and that the switch took from the flood (flood);
    the cores' distance (None: it changed). Good: nobody waited for a core."""

    def __init__(self, switch, flood, cpu, ring, seconds, distance):
        before, threads = distance(), Threads(switch.pid)
        words = ("flood", 2, "silent", 1, "fresh", FLOODS[flood]) if FLOODS[flood] else ()
        result = bench(switch.sockets[:4 if words else 2], cpu, "load", "loop", "ring", ring, "seconds",
                       seconds, "warmup", 0.2, *words)
        waited = threads.waited(), 1 - result["generator"]["cpu_percent"] / 100
        self.distance = before if before == distance() else None
        self.good = max(waited) <= MAX_WAIT and self.distance is not None
        self.pair = sum(p["received_mpps"] for p in result["ports"][:2])
        self.flood = sum(p["sent_mpps"] for p in result["ports"][2:])


def quiet(*args):
    """A window in which nobody waited, None: there is none to be had."""
    return next((w for w in (Window(*args) for _ in range(MORE)) if w.good), None)


def trial(kind, text, ring, cpus, args, distance):
    """{flood: Window} of a switch that has seen nothing yet, one right behind the other, so that the
    machine was as fast for all of them; None: not to be compared. The strangers come last, since they
    leave something behind."""
    with Lab() as lab:
        switch = kind(lab, [cpus[1]])
        if text:
            switch.set_rules(text)
        time.sleep(0.5)
        found = {flood: quiet(switch, flood, cpus[0], ring, args.seconds, distance) for flood in FLOODS}
        switch.stop()
    return found if all(found.values()) and len({w.distance for w in found.values()}) == 1 else None


def trials(n, kind, text, ring, *args):
    """As many as there are to be had, of the distance of which there are the most."""
    done = {}
    for _ in range(MORE * n):
        try:
            found = trial(kind, text, ring, *args)
        except Failure as error:
            print(f"  {kind.name}, {ring}: {error}", file=sys.stderr)
            continue
        if found:
            alike = done.setdefault(found["none"].distance, [])
            alike.append(found)
            if len(alike) == n:
                break
    return max(done.values(), key=len, default=[])


def cells(found):
    """Of the trials of one switch: medians; of the ratios within each trial the mean, and how far from it
    another such mean would be (standard error)."""
    if not found:
        return ["-"] * 7 + ["0"]

    def median(value):
        return statistics.median(map(value, found))

    def mean(ratios):
        error = statistics.stdev(ratios) / math.sqrt(len(ratios)) if len(ratios) > 1 else math.inf
        return f"{statistics.mean(ratios):.3f} ± {error:.3f}"
    return [f"{median(lambda t: t['none'].pair):.2f} Mpps",
            *(f"{median(lambda t: getattr(t[flood], what)):.2f} Mpps"
              for flood in ("known", "strangers") for what in ("pair", "flood")),
            *(mean([t["strangers"].pair / t[base].pair for t in found]) for base in ("known", "none")),
            str(len(found))]


def lines(generator_cpu, switch_cpu, args, distance):
    """Cells of a table."""
    yield ["rules: switch, ring", "alone", "beside known", "(they)", "beside strangers", "(they)",
           "strangers / known", "strangers / alone", "trials"]
    for name in RULES:
        for ring in ("split", "packed"):
            for kind in (KINDS[n] for n in args.switches.split(",") if n in KINDS):
                found = trials(args.windows * args.rounds, kind, name and rules.text(name), ring,
                               (generator_cpu, switch_cpu), args, distance)
                line = [f"{name or 'NORMAL'}: {kind.name}, {ring}", *cells(found)]
                print("  " + " | ".join(line), file=sys.stderr)
                yield line
