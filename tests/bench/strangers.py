# SPDX-License-Identifier: Apache-2.0
"""What a pair of guests, whose frames the switch knows, gets beside a third one that floods it.

    core 0: a pair in a loop ("vireo bench")     --- a, b  |
            a third one sends all that goes      --- c     | the switch, on core 1
            to a fourth, which only listens      --- d     |

The flood comes from one source address, so that all of it is known after the first frame (known), or
each frame of it comes from an address that nobody has seen before (fresh), or there is none (alone);
these take turns of some milliseconds, since from one second to the next a pair may get a fifth more or
less, when others share the machine. What strangers leave behind is there in all turns; what a pair gets
before there were any is told apart (before).
"""
import math
import statistics
import sys
import time

import rules
from fairness import OvsFour, VireoFour
from lab import Failure, Lab
from loads import bench

KINDS = {"ovs": OvsFour, "vireo": VireoFour}
RULES = (None, "stations")
TURN_MS = 20
TURNS = ("alone", "known", "fresh")


def load(switch, cpu, ring, seconds, *words):
    """Seconds of a pair in a loop, and what else the words say."""
    return bench(switch.sockets[:4 if words else 2], cpu, "load", "loop", "ring", ring, "seconds",
                 seconds, "warmup", 0.3, *words)


def trial(kind, text, ring, cpus, seconds):
    """{turn: (Mpps of the pair, of the flood)} of a new switch, and Mpps of the pair before."""
    with Lab() as lab:
        switch = kind(lab, [cpus[1]])
        if text:
            switch.set_rules(text)
        time.sleep(0.5)
        before = load(switch, cpus[0], ring, seconds)["total"]["received_mpps"]
        turns = load(switch, cpus[0], ring, seconds * len(TURNS), "flood", 2, "silent", 1, "fresh",
                     "macs", "turns", TURN_MS)["turns"]
        switch.stop()
    return before, {name: (sum(turns[name]["received_mpps"][:2]), sum(turns[name]["sent_mpps"][2:]))
                    for name in TURNS}


def mean(values):
    """The mean, and how far from it another such mean would be (standard error)."""
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.inf
    return f"{statistics.mean(values):.3f} ± {error:.3f}"


def cells(trials):
    """Of one switch: medians of the trials, and means of the ratios in each."""
    if not trials:
        return ["-"] * 9 + ["0"]
    turns = [found for _, found in trials]
    return [f"{statistics.median(before for before, _ in trials):.2f} Mpps",
            *(f"{statistics.median(found[name][who] for found in turns):.2f} Mpps"
              for name, who in (("alone", 0), ("known", 0), ("known", 1), ("fresh", 0), ("fresh", 1))),
            *(mean([found["fresh"][0] / found[name][0] for found in turns]) for name in ("known", "alone")),
            mean([found["alone"][0] / before for before, found in trials]), str(len(trials))]


def lines(cpus, args):
    """Cells of a table."""
    yield ["rules: switch, ring", "before", "alone", "beside known", "(they)", "beside fresh", "(they)",
           "fresh / known", "fresh / alone", "alone / before", "trials"]
    for name in RULES:
        for ring in ("split", "packed"):
            for kind in (KINDS[n] for n in args.switches.split(",") if n in KINDS):
                trials = []
                for _ in range(args.windows * args.rounds):
                    try:
                        trials.append(trial(kind, name and rules.text(name), ring, cpus, args.seconds))
                    except Failure as error:
                        print(f"  {kind.name}, {ring}: {error}", file=sys.stderr)
                line = [f"{name or 'NORMAL'}: {kind.name}, {ring}", *cells(trials)]
                print("  " + " | ".join(line), file=sys.stderr)
                yield line
