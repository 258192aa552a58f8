# SPDX-License-Identifier: Apache-2.0
"""What a change costs: this build and that of an earlier commit, in turn, under the same load."""
import statistics
import subprocess
import sys

import lab as lab_module
from lab import TOP, Failure
from loads import LOADS
from switches import Vireo, instructions

MORE_ROUNDS = 3  # times as many as wanted, at most, until there are as many pairs


def build(commit):
    """Builds @commit, which is left as it is, in build/before; returns where."""
    source = lab_module.BUILD / "before"
    subprocess.run(f"rm -rf {source} && mkdir {source} && git archive '{commit}' | tar x -C {source} && "
                   f"cd {source} && meson setup build && ninja -C build vireod vireo", cwd=TOP,
                   shell=True, check=True, executable="/bin/bash", stdout=subprocess.DEVNULL)
    return source / "build"


def pair(trial, kinds, load, args):
    """Figures of both, before and now, measured at one distance of the cores; None: there is none."""
    windows = {}
    for kind in kinds:
        try:
            windows[kind] = trial(kind, load, args)[1]
        except Failure as error:
            print(f"  {load.name}, {kind.name}: {error}", file=sys.stderr)
            return None
    common = set.intersection(*({w.distance for w in ws} for ws in windows.values()))
    if not common:
        return None
    distance = max(common, key=lambda d: min(sum(w.distance == d for w in ws)
                                             for ws in windows.values()))
    return [statistics.median(w.pps / 1e6 for w in windows[kind] if w.distance == distance)
            for kind in sorted(windows, key=lambda kind: kind is not kinds.before)]


class Kinds(list):
    """Both builds; measured the other way round each time."""

    def __init__(self, commit):
        self.before = type("Before", (Vireo,), {"name": commit, "build": build(commit)})
        super().__init__([self.before, Vireo])


def lines(trial, args):
    """The table's."""
    kinds, everything = Kinds(args.before), []
    yield ["load", args.before, "now", "now / before", "range", "pairs"]
    for load in LOADS:
        if not (load.suits("ovs") and load.suits("testpmd")) or load.tso != "off" or load.kind == "ping":
            continue
        if args.loads and not any(word in load.name for word in args.loads.split(",")):
            continue
        pairs = []
        for _ in range(MORE_ROUNDS * args.rounds):
            pairs += [p for p in [pair(trial, kinds, load, args)] if p]
            kinds.reverse()
            if len(pairs) == args.rounds:
                break
        ratios = sorted(now / before for before, now in pairs)
        everything += ratios
        print(f"  {load.name}: " + " ".join(f"{r:.3f}" for r in ratios), file=sys.stderr)
        if pairs:
            yield [load.name, *(f"{statistics.median(p[i] for p in pairs):.2f} Mpps" for i in (0, 1)),
                   f"{statistics.median(ratios):.3f}", f"{ratios[0]:.2f} to {ratios[-1]:.2f}", len(pairs)]
    if everything:
        yield ["all", "", "", f"{statistics.median(everything):.3f}",
               f"{min(everything):.2f} to {max(everything):.2f}", len(everything)]
    for ring in ("split", "packed"):
        counts = [instructions(ring, build=kind.build) for kind in (kinds.before, Vireo)]
        yield [f"instructions a packet, {ring}", *counts, f"{counts[1] / counts[0]:.3f}", "", ""]
