# SPDX-License-Identifier: Apache-2.0
"""Killing the switch process, and how long nothing was forwarded."""
import os
import re
import signal
import statistics

from lab import Failure, say, wait_for


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
