#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
The switch process hangs, in a loop or stopped, and is killed and replaced.

    guest a --- a.sock ---.
                          keeper === switch process, one of whose threads hangs
    guest b --- b.sock ---'
"""
import ctypes
import os
import pathlib
import signal
import struct
import subprocess
import time

from kills import serves_after
from lab import BUILD, Switch, expect, libc, main, run, say, wait_for

SECONDS = 2  # of the watchdog
SLACK = 20   # for a machine that is busy
PTRACE_GETREGS, PTRACE_SETREGS, PTRACE_ATTACH, PTRACE_DETACH = 12, 13, 16, 17
N_REGS, ORIG_RAX, RIP = 27, 15, 16  # struct user_regs_struct
WALL = 0x40000000
LOOP = b"\xeb\xfe"  # jumps to itself
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def attach(tid):
    expect(libc.ptrace(PTRACE_ATTACH, tid, None, None) == 0, f"cannot trace thread {tid}")
    os.waitpid(tid, WALL)


def detach(tid):
    expect(libc.ptrace(PTRACE_DETACH, tid, None, None) == 0, f"cannot let go of thread {tid}")


def beginning(pid):
    """Address of the code that the program began with, which nobody needs any more."""
    with open(f"/proc/{pid}/exe", "rb") as program:
        entry = struct.unpack("<Q", program.read(32)[24:])[0]
    maps = pathlib.Path(f"/proc/{pid}/maps").read_text()
    return int(maps.split("-")[0], 16) + entry  # of a program that can lie anywhere


def hang(pid, tid):
    """Lets a thread go round for ever, wherever it is."""
    at = beginning(pid)
    with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
        memory.seek(at)
        memory.write(LOOP)
    attach(tid)
    regs = (ctypes.c_ulonglong * N_REGS)()
    expect(libc.ptrace(PTRACE_GETREGS, tid, None, regs) == 0, "no registers")
    regs[RIP], regs[ORIG_RAX] = at, ctypes.c_ulonglong(-1).value  # no system call is resumed
    expect(libc.ptrace(PTRACE_SETREGS, tid, None, regs) == 0, "no registers")
    detach(tid)


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
