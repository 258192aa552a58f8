# SPDX-License-Identifier: Apache-2.0
"""Threads of another process that are led astray, by ptrace(2)."""
import ctypes
import os
import pathlib
import struct

from lab import expect, libc

PTRACE_GETREGS, PTRACE_SETREGS, PTRACE_ATTACH, PTRACE_DETACH = 12, 13, 16, 17
PTRACE_SEIZE = 0x4206
N_REGS, RAX, ORIG_RAX, RIP = 27, 10, 15, 16  # struct user_regs_struct
WALL = 0x40000000
LOOP = b"\xeb\xfe"  # jumps to itself
SYSCALL = b"\x0f\x05"
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def attach(tid):
    expect(libc.ptrace(PTRACE_ATTACH, tid, None, None) == 0, f"cannot trace thread {tid}")
    os.waitpid(tid, WALL)


def detach(tid):
    expect(libc.ptrace(PTRACE_DETACH, tid, None, None) == 0, f"cannot let go of thread {tid}")


def seize(pid):
    """Its parent is not told of its end before bury()."""
    expect(libc.ptrace(PTRACE_SEIZE, pid, None, None) == 0, f"cannot trace process {pid}")


def bury(pid):
    os.waitpid(pid, WALL)


def beginning(pid):
    """Address of the code that the program began with, which nobody needs any more."""
    with open(f"/proc/{pid}/exe", "rb") as program:
        entry = struct.unpack("<Q", program.read(32)[24:])[0]
    maps = pathlib.Path(f"/proc/{pid}/maps").read_text()
    return int(maps.split("-")[0], 16) + entry  # of a program that can lie anywhere


def jump(pid, tid, code, rax=0):
    """Lets a thread execute @code, wherever it is."""
    at = beginning(pid)
    with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
        memory.seek(at)
        memory.write(code)
    attach(tid)
    regs = (ctypes.c_ulonglong * N_REGS)()
    expect(libc.ptrace(PTRACE_GETREGS, tid, None, regs) == 0, "no registers")
    # no system call is resumed
    regs[RIP], regs[RAX], regs[ORIG_RAX] = at, rax, ctypes.c_ulonglong(-1).value
    expect(libc.ptrace(PTRACE_SETREGS, tid, None, regs) == 0, "no registers")
    detach(tid)


def hang(pid, tid):
    """Lets a thread go round for ever."""
    jump(pid, tid, LOOP)


def call(pid, tid, number):
    """Lets a thread make a system call, and then go round for ever."""
    jump(pid, tid, SYSCALL + LOOP, number)


def threads(pid):
    """Their ids, by name; of several of a name the last."""
    return {(t / "comm").read_text().strip(): int(t.name)
            for t in pathlib.Path(f"/proc/{pid}/task").iterdir()}
