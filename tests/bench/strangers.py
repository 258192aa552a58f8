# SPDX-License-Identifier: Apache-2.0
"""What a pair of guests, whose frames the switch knows, gets beside a third one that floods it.

    core 0: a pair in a loop ("vireo bench")     --- a, b  |
            a third one sends all that goes      --- c     | the switch, on core 1
            to a fourth, which only listens      --- d     |

The flood comes from one source address, so that all of it is known after the first frame (known), or
each frame of it comes from an address that nobody has seen before (strangers).
"""
import collections
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
MORE = 3  # times as many windows as wanted, at most, until there are as many quiet ones


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


def windows(n, *args):
    """As many good ones as there are to be had."""
    done = []
    for _ in range(MORE * n):
        window = Window(*args)
        done += [window] if window.good else []
        if len(done) == n:
            break
    return done


def trial(kind, text, ring, cpus, args, distance):
    """{flood: [Window]} of one switch; the strangers come last, since they leave something behind."""
    with Lab() as lab:
        switch = kind(lab, [cpus[1]])
        if text:
            switch.set_rules(text)
        time.sleep(0.5)
        found = {flood: windows(args.windows, switch, flood, cpus[0], ring, args.seconds, distance)
                 for flood in FLOODS}
        switch.stop()
    return found


def alike(found):
    """Those windows that are of the distance of which there are the most with each flood."""
    counts = collections.Counter()
    for distance in {w.distance for ws in found.values() for w in ws}:
        counts[distance] = min(sum(w.distance == distance for w in ws) for ws in found.values())
    distance, n = counts.most_common(1)[0] if counts else (None, 0)
    return {flood: [w for w in ws if n and w.distance == distance] for flood, ws in found.items()}


def cells(found):
    """Of one switch."""
    found = alike(found)
    if not all(found.values()):
        return ["-"] * 7 + ["0"]
    pair, flood = ({f: statistics.median(getattr(w, what) for w in ws) for f, ws in found.items()}
                   for what in ("pair", "flood"))
    return [f"{pair['none']:.2f} Mpps", *(f"{what[f]:.2f} Mpps" for f in ("known", "strangers")
                                          for what in (pair, flood)),
            *(f"{pair['strangers'] / pair[base]:.3f}" for base in ("known", "none")),
            str(min(len(ws) for ws in found.values()))]


def lines(generator_cpu, switch_cpu, args, distance):
    """Cells of a table."""
    yield ["rules: switch, ring", "alone", "beside known", "(they)", "beside strangers", "(they)",
           "strangers / known", "strangers / alone", "windows"]
    for name in RULES:
        for ring in ("split", "packed"):
            for kind in (KINDS[n] for n in args.switches.split(",") if n in KINDS):
                found = {flood: [] for flood in FLOODS}
                for _ in range(args.rounds):
                    try:
                        more = trial(kind, name and rules.text(name), ring, (generator_cpu, switch_cpu), args,
                                     distance)
                    except Failure as error:
                        print(f"  {kind.name}, {ring}: {error}", file=sys.stderr)
                        continue
                    found = {flood: ws + more[flood] for flood, ws in found.items()}
                line = [f"{name or 'NORMAL'}: {kind.name}, {ring}", *cells(found)]
                print("  " + " | ".join(line), file=sys.stderr)
                yield line
