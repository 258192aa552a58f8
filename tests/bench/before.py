# SPDX-License-Identifier: Apache-2.0
"""What a change costs: an earlier vireo and this one in turn, under the same load."""
import shutil
import statistics
import subprocess
import sys

import lab as lab_module
from lab import TOP, Failure, run
from loads import LOADS
from switches import Vireo, instructions

MORE_ROUNDS = 3  # times as many as wanted, at most, until there are as many pairs
SOURCE = lab_module.BUILD / "before"


def build(commit):
    """Builds it in a directory of its own; returns which."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    SOURCE.mkdir()
    archive = subprocess.run(["git", "archive", commit], cwd=TOP, stdout=subprocess.PIPE)
    if archive.returncode != 0:
        sys.exit(f"bench: no commit {commit} here")
    subprocess.run(["tar", "x", "-C", SOURCE], input=archive.stdout, check=True)
    run("meson", "setup", SOURCE / "build", SOURCE, timeout=120)
    run("ninja", "-C", SOURCE / "build", "vireod", "vireo", timeout=600)
    return SOURCE / "build"


def pair(measure, kinds, turned):
    """Mpps of both, measured at one distance of the cores, in this or the other order; None: there is
    no such distance."""
    windows = [None, None]
    for i in (1, 0) if turned else (0, 1):
        windows[i] = measure(kinds[i])
    counts = {d: min(sum(w.distance == d for w in ws) for ws in windows)
              for d in {w.distance for ws in windows for w in ws}}
    distance = max(counts, key=counts.get, default=None)
    if not counts.get(distance):
        return None
    return [statistics.median(w.pps / 1e6 for w in ws if w.distance == distance) for ws in windows]


def pairs(measure, kinds, rounds):
    found = []
    for i in range(MORE_ROUNDS * rounds):
        try:
            found += [p for p in [pair(measure, kinds, i % 2)] if p]
        except Failure as error:
            print(f"  {error}", file=sys.stderr)
        if len(found) == rounds:
            break
    return found


def line(name, values, ratios):
    return [name, *values, f"{statistics.median(ratios):.3f}", f"{min(ratios):.2f} to {max(ratios):.2f}",
            f"{len(ratios)}"]


def lines(trial, args):
    """Of the table."""
    kinds = [type("Before", (Vireo,), {"build": build(args.before)}), Vireo]
    everything = []
    yield ["load", args.before, "now", "now / before", "range", "pairs"]
    for load in LOADS:
        if load.unit != "Mpps" or load.flows > 1 or load.workers > 1 or load.rules or not load.huge:
            continue
        if args.loads and not any(word in load.name for word in args.loads.split(",")):
            continue
        found = pairs(lambda kind: trial(kind, load, args)[1], kinds, args.rounds)
        if not found:
            continue
        ratios = [now / before for before, now in found]
        print(f"  {load.name}: " + " ".join(f"{r:.3f}" for r in ratios), file=sys.stderr)
        everything += ratios
        yield line(load.name, (f"{statistics.median(column):.2f} Mpps" for column in zip(*found)), ratios)
    if everything:
        yield line("all", ("", ""), everything)
    for ring in ("split", "packed"):
        counts = [instructions(ring, build=kind.build) for kind in kinds]
        yield [f"instructions a packet, {ring}", *map(str, counts), f"{counts[1] / counts[0]:.3f}", "", ""]
