# SPDX-License-Identifier: Apache-2.0
"""Killing the switch process, what guests do meanwhile, and how long nothing was forwarded."""
import datetime
import json
import os
import re
import signal
import statistics
import subprocess

from lab import BUILD, Failure, expect, say, wait_for

RINGS = ("split", "packed")


def bench_load(switch, ring, kind, seconds=None, names=("a", "b")):
    """A pair of guests that checks every frame, for so many seconds, or until its result is asked for
    and frames still go round then; returns a function that waits for it."""
    process = subprocess.Popen([str(w) for w in (
        BUILD / "vireo", "-j", "bench", *(switch.run_dir / f"{name}.sock" for name in names), "ring",
        ring, "load", kind, "check", "on", "seconds", seconds or 600, "warmup", 1 if seconds else 0.1,
        "hugepages", "off")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    switch.lab.stack.callback(process.kill)

    def received():
        return switch.port(names[0])["rx_packets"]

    def result():
        # frames that came twice are a failure to it; they are looked at here
        if not seconds:
            before = received()
            wait_for(lambda: process.poll() is not None or received() > before + 1000, 20, "frames to go round")
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=(seconds or 0) + 60)
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


DAY_MS = 24 * 60 * 60 * 1000


def ms_of_day(text):
    hours, minutes, seconds = text.split(":")
    return (int(hours) * 60 + int(minutes)) * 60000 + float(seconds) * 1000


def goes_on(switch):
    """Of each new process: (ms of the day, by the log's clock, when all devices were there again and
    packets went on; ms since the keeper found the one before dead, or had told it to leave)."""
    log = switch.process.log.read_text(errors="replace")
    found = re.findall(r"^(\S+) .*packets go on, ([\d.]+) ms after", log, re.M)
    return [(ms_of_day(when), float(after)) for when, after in found]


def kill(switch):
    """Kills the switch process; waits until the next one answers and packets go on. Returns how many
    milliseconds, of the log's clock, were between."""
    old, n, begin = switch.pid, len(goes_on(switch)), datetime.datetime.now()
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: serves_after(switch, old), 20, "a new switch process")
    wait_for(lambda: len(goes_on(switch)) > n, 20, "packets to go on")
    return (goes_on(switch)[n][0] - ms_of_day(f"{begin:%H:%M:%S.%f}")) % DAY_MS


def blackouts(switch):
    """Milliseconds from when the keeper found each process dead, or told it to leave, until packets
    went on."""
    return [after for _, after in goes_on(switch)]


def again(switch):
    """How many frames each new process has said that it may receive again."""
    log = switch.process.log.read_text(errors="replace")
    return [int(n) for n in re.findall(r"goes on; up to (\d+) frames are received again", log)]


def percentile(times, percent):
    return sorted(times)[min(len(times) - 1, len(times) * percent // 100)]


def figures(times):
    return (f"{statistics.median(times):.1f} ms (median), {percentile(times, 99):.1f} ms (99 %), "
            f"{max(times):.1f} ms at most")


def report(what, times, since="the kill"):
    say(f"  {len(times)} times {what}: packets go on {figures(times)} after {since}")


def report_kills(what, pauses, found):
    """@pauses: from each kill; @found: from when the keeper had found the process dead."""
    report(what, pauses)
    say(f"    {figures(found)} after the keeper has found it dead")
