#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
No lock in the packet path: two workers and two queue pairs a guest, so that each worker has a
transmit queue of its own on every port. Callgrind tells which instructions each has executed.

    vireo bench, 2 queue pairs --- a, b (vhost-user) --- vireod, 2 workers, under callgrind

The path is what runs below PATH. That is a worker's whole turn but for what comes once in many
batches, deliberately: the full barrier of unsettled_settle(), and sleep.
"""
import collections
import re
import time

from lab import BUILD, Switch, expect, main, run, say

PATH = ("vhost_queue_rx", "forward_batch", "vhost_queue_rx_done", "forward_inboxes")
# What each worker must have been in, for the path to have been tested.
WANTED = (*PATH, "offload_transmit", "vhost_queue_tx")
# What it must not have been in: no packet waits in an inbox.
UNWANTED = "pkt_copy"
# All that the path may call outside of vireod. No lock, no system call, nothing that waits.
OUTSIDE = re.compile(r"_*mem(cpy|move|set|cmp)(_\w+)?")
# Instructions that lock (an exchange with memory does so without a prefix), full barriers (a locked
# one on the stack, or mfence), and ways into the kernel.
LOCKED = re.compile(r"lock\b|xchg\b.*\(|mfence|syscall|sysenter|int +\$0x80")
# Times that a worker may execute LOCKED: the time stamps of two addresses once a second, and what is
# to be learned in the beginning. A lock for each batch shows when there are many times more batches.
RARELY_A_SECOND, RARELY, MANY = 2, 10, 20
ROUNDS = 30


def callgrind(out):
    """How often each instruction was executed: {(object, function): {address: times}}. The format:
    valgrind's manual, "Callgrind Format Specification", with addresses for positions."""
    counts, ob, key, inclusive = collections.defaultdict(collections.Counter), None, None, False
    for line in out.read_text().splitlines():
        name, _, value = line.partition("=")
        if name == "ob":
            ob = value
        elif name == "fn":
            key = ob, value
        elif name == "calls":
            inclusive = True  # the next line is what the callee cost
        elif line.startswith("0x"):
            address, times = line.split()
            if not inclusive:
                counts[key][int(address, 16)] += int(times)
            inclusive = False
    return counts


def locked_instructions():
    """{address: text} of vireod's."""
    found = {}
    for line in run("objdump", "-d", "--no-show-raw-insn", BUILD / "vireod")[1].splitlines():
        match = re.match(r"\s+([0-9a-f]+):\s+(.*)", line)
        if match and LOCKED.match(match.group(2)):
            found[int(match.group(1), 16)] = match.group(2)
    return found


def load(switch, sockets, words):
    """Until both workers have had many batches; returns for how long, in seconds."""
    begin = time.monotonic()
    for _ in range(ROUNDS):
        run(BUILD / "vireo", "bench", *sockets, "queues", 2, "flows", 16, "load", "loop",
            "seconds", 1, "warmup", 0, *words, timeout=120)
        seconds = time.monotonic() - begin
        batches = min(w["packets"] for w in switch.json("worker", "show")) / 32
        if batches > 2 * MANY * rarely(seconds):
            break
    return seconds


def rarely(seconds):
    return RARELY + RARELY_A_SECOND * (seconds + 1)


def check_worker(counts, seconds, locked):
    """One worker's path; returns its number of batches."""
    own = {function: times for (ob, function), times in counts.items() if ob == str(BUILD / "vireod")}
    for function in WANTED:
        expect(function in own, f"a worker has never been in {function}(): {sorted(own)}")
    expect(UNWANTED not in own, "packets wait in an inbox")
    outside = [function for ob, function in counts
               if ob != str(BUILD / "vireod") and not OUTSIDE.fullmatch(function)]
    expect(not outside, f"the packet path calls {outside}")
    batches = own["forward_batch"][min(own["forward_batch"])]  # entered so often
    expect(batches > MANY * rarely(seconds), f"only {batches} batches in {seconds:.0f} s")
    found = [(function, locked[at], n) for function, times in own.items()
             for at, n in times.items() if at in locked]
    expect(sum(n for _, _, n in found) <= rarely(seconds),
           f"in {batches} batches of {seconds:.0f} s the packet path executed {found}")
    return batches, found


def path(lab, *words):
    out, locked = lab.dir / "callgrind", locked_instructions()
    expect(locked, "objdump shows no locked instruction in all of vireod")
    # Symbols bound at once: the dynamic linker would be seen in the path. Not callgrind_annotate,
    # which counts functions: what makes the difference are single instructions, inlined somewhere.
    switch = Switch(lab, workers=2, args=("--no-keeper",), wrap=(
        "env", "LD_BIND_NOW=1", "valgrind", "--tool=callgrind", "--fair-sched=try",
        "--separate-threads=yes", "--dump-instr=yes", "--dump-line=no", "--compress-strings=no",
        "--compress-pos=no", f"--callgrind-out-file={out}", *(f"--toggle-collect={f}" for f in PATH)))
    seconds = load(switch, [switch.vhost(n) for n in "ab"], words)
    expect(switch.drops() == 0, f"dropped: {switch.ports()}")
    switch.stop()
    workers = [counts for counts in map(callgrind, lab.dir.glob("callgrind-*")) if counts]
    expect(len(workers) == 2, f"{len(workers)} threads have been in the packet path, not 2")
    for counts in workers:
        batches, found = check_worker(counts, seconds, locked)
        say(f"  {batches} batches, locked instructions: "
            + (", ".join(f"{n} x {text} in {f}()" for f, text, n in found) or "none"))


def split(lab):
    path(lab)


def packed(lab):
    path(lab, "ring", "packed", "size", 1518)


main(split, packed, title=__doc__)
