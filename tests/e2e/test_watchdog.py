#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
The switch process hangs, in a loop or stopped, and is killed and replaced.

    guest a --- a.sock ---.
                          keeper === switch process, one of whose threads hangs
    guest b --- b.sock ---'
"""
import os
import pathlib
import signal
import subprocess
import time

from kills import serves_after
from lab import BUILD, Switch, expect, main, run, say, wait_for
from tracing import attach, detach, hang

SECONDS = 2  # of the watchdog
SLACK = 20   # for a machine that is busy


def worker(pid):
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return int(next(t.name for t in tasks if "worker" in (t / "comm").read_text()))


def log_of(switch):
    return switch.process.log.read_text(errors="replace")


def is_replaced(switch, old, what):
    """Within the bound, by way of SIGABRT; a moment is for the next one to start."""
    begin = time.monotonic()
    wait_for(lambda: not os.path.exists(f"/proc/{old}"), SECONDS + SLACK, f"the end: {what}")
    took = time.monotonic() - begin
    wait_for(lambda: serves_after(switch, old), SLACK, f"a new switch process: {what}")
    expect("killed by signal 6" in log_of(switch), f"{what}: no SIGABRT: {log_of(switch)}")
    say(f"  {what}: noticed after {took:.1f} s, of {SECONDS}")


def start(lab, seconds=SECONDS):
    switch = Switch(lab, args=("--watchdog", seconds))
    for name in "ab":
        switch.vhost(name)
    return switch


def load(lab, switch):
    process = subprocess.Popen([str(w) for w in (
        BUILD / "vireo", "bench", switch.run_dir / "a.sock", switch.run_dir / "b.sock", "load",
        "loop", "seconds", 60, "hugepages", "off")], stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL)
    lab.stack.callback(process.kill)
    switch.wait_link("a", "b")
    return process


def stopped(lab):
    """Also when there was nothing to do, so that nobody was asking."""
    switch = start(lab)
    time.sleep(2 * SECONDS)
    old = switch.pid
    os.kill(old, signal.SIGSTOP)
    is_replaced(switch, old, "stopped")
    switch.stop(1)


def control_thread_hangs(lab):
    """Packets go on, and wake the keeper when they begin."""
    switch = start(lab)
    guests = load(lab, switch)
    old = switch.pid
    hang(old, old)
    is_replaced(switch, old, "the control thread, under load")
    guests.kill()
    guests.wait()
    switch.stop(1)


def worker_hangs(lab):
    """It is noticed, and the port that it worked for is blamed."""
    switch = start(lab)
    switch("worker", "set", "poll", "always")
    guests = load(lab, switch)
    old, tid = switch.pid, worker(switch.pid)
    hang(old, tid)
    is_replaced(switch, old, "a worker, under load")
    expect(f"thread {tid} of the switch process {old} has been stuck" in log_of(switch),
           log_of(switch))
    switch.wait_link("a", "b")
    before = switch.port("a")["rx_packets"]
    wait_for(lambda: switch.port("a")["rx_packets"] > before + 1000, SLACK, "packets")
    guests.kill()
    guests.wait()
    switch.stop(1)


def a_debugger_may_stop_it(lab):
    switch = start(lab)
    old = switch.pid
    attach(old)
    time.sleep(3 * SECONDS)
    detach(old)
    switch("port", "show")
    switch.find()
    expect(switch.pid == old, "the process that was being traced is another one now")
    switch.stop()


def it_can_be_switched_off(lab):
    switch = start(lab, 0)
    old = switch.pid
    os.kill(old, signal.SIGSTOP)
    time.sleep(2 * SECONDS)
    os.kill(old, signal.SIGCONT)
    switch.find()
    expect(switch.pid == old, "a process that may hang is another one now")
    switch.stop()
    status, text = run(BUILD / "vireod", "--watchdog", "soon", check=False)
    expect(status == 2 and "0 to 3600" in text, text)


main(stopped, control_thread_hangs, worker_hangs, a_debugger_may_stop_it, it_can_be_switched_off,
     title=__doc__)
