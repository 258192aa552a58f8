# SPDX-License-Identifier: Apache-2.0
"""Killing the switch process, what guests do meanwhile, and how long nothing was forwarded."""
import json
import os
import re
import signal
import statistics
import subprocess

from lab import BUILD, Failure, expect, say, wait_for

RINGS = ("split", "packed")


def bench_load(lab, ring, kind, seconds, names=("a", "b")):
    """A pair of guests that checks every frame; returns a function that waits for its result."""
    process = subprocess.Popen([str(w) for w in (
        BUILD / "vireo", "-j", "bench", *(lab.dir / f"run.1/{name}.sock" for name in names), "ring",
        ring, "load", kind, "check", "on", "seconds", seconds, "hugepages", "off")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lab.stack.callback(process.kill)

    def result():
        # frames that came twice are a failure to it; they are looked at here
        out, err = process.communicate(timeout=seconds + 60)
        expect(out, f"vireo bench: {err}")
        return json.loads(out)["total"]
    result.process = process
    return result


def serves_after(switch, old):
    """Whether a process answers, another one than @old."""
    try:
        switch.find()
    except (Failure, ValueError, KeyError):  # not yet
        return False
    return switch.pid != old


def kill(switch):
    """Kills the switch process; waits until the next one answers."""
    old = switch.pid
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: serves_after(switch, old), 20, "a new switch process")


def blackouts(switch):
    """Milliseconds from the end of each process, or from when it was told to leave, until all
    devices were there again and packets went on."""
    log = switch.process.log.read_text(errors="replace")
    return [float(ms) for ms in re.findall(r"packets go on, ([\d.]+) ms after", log)]


def again(switch):
    """How many frames each new process has said that it may receive again."""
    log = switch.process.log.read_text(errors="replace")
    return [int(n) for n in re.findall(r"goes on; up to (\d+) frames are received again", log)]


def report(what, times):
    times = sorted(times)
    p99 = times[min(len(times) - 1, len(times) * 99 // 100)]
    say(f"  {len(times)} kills {what}: blackout {statistics.median(times):.1f} ms (median), "
        f"{p99:.1f} ms (99 %), {times[-1]:.1f} ms at most")
    return p99
