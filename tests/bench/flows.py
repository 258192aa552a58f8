# SPDX-License-Identifier: Apache-2.0
"""Many rules: how fast they come, change and go, what they cost, and what becomes of packets while the
switch process is killed.

    core 0: a peer that speaks OpenFlow; guests --- br0.mgmt, ports --- the switch, on core 1

Each change is a flow-mod of its own. Streamed: all of them are sent, then a barrier; one at a time:
each waits for a barrier of its own, and its peer sleeps meanwhile; polled: it does not sleep, so that
the time to wake it up is not counted.
"""
import os
import pathlib
import re
import statistics
import sys
import time

from kills import figures
from lab import Lab, Switch
from openflow import ADD, DELETE, DELETE_STRICT, MATCH_ALL, MODIFY_STRICT, OpenFlow, flow_mod
from switches import OvsNormal, Vireo
from verdicts import Verdicts, lead_to_trap, messages

ONE_AT_A_TIME = 5000  # flows
COMMANDS = {"ADD": (ADD, lead_to_trap), "MODIFY_STRICT": (MODIFY_STRICT, lambda flow: 1 + flow % 3),
            "DELETE_STRICT": (DELETE_STRICT, None)}


class OvsAlone(OvsNormal):
    """Open vSwitch without ports: nothing polls for packets on its core."""
    name = "OVS"
    ports = ""


class VireoAlone(Vireo):
    """vireo without ports."""
    ports = ""

    def start(self):
        sockets = super().start()
        self.process = self.switch.process
        return sockets


def memory_mib(pids):
    """All that is these processes' own: anonymous memory, and files in memory, which the keeper holds
    beyond the death of the process that has them mapped."""
    files, kib = {}, 0
    for pid in pids:
        kib += int(re.search(r"RssAnon:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])
        for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
            if os.readlink(fd).startswith("/memfd:"):
                status = fd.stat()
                files[status.st_ino] = status.st_blocks / 2
    return (kib + sum(files.values())) / 1024


class Trial:
    """One switch: flow-mods a second by (command, how), us of processor time of each streamed one, and
    MiB that all flows cost."""

    def __init__(self, kind, cpus, n):
        self.rates, self.cpu = {}, {}
        with Lab() as lab:
            self.switch = switch = kind(lab, cpus[1:])
            self.peer = OpenFlow(switch.bridge().removeprefix("unix:"), switch.process)
            self.peer.barrier(flow_mod(DELETE, MATCH_ALL))
            time.sleep(0.5)
            before = memory_mib(switch.pids())
            for name, (command, to) in COMMANDS.items():
                self.stream(name, messages(command, range(n), to), n)
                if command == ADD:
                    time.sleep(0.5)
                    self.mib = memory_mib(switch.pids()) - before
            for how, polls in (("one at a time", False), ("one at a time, polled", True)):
                self.peer.polls = polls
                for name, (command, to) in COMMANDS.items():
                    self.one_at_a_time((name, how), [messages(command, [flow], to)
                                                     for flow in range(min(n, ONE_AT_A_TIME))])
            self.peer.close()
            switch.stop()

    def stream(self, name, changes, n):
        cpu, begin = self.switch.cpu_ns(), time.monotonic()
        self.peer.barrier(changes)
        self.rates[name, "streamed"] = n / (time.monotonic() - begin)
        self.cpu[name, "processor time"] = (self.switch.cpu_ns() - cpu) / n / 1000

    def one_at_a_time(self, key, changes):
        begin = time.monotonic()
        for change in changes:
            self.peer.barrier(change)
        self.rates[key] = len(changes) / (time.monotonic() - begin)


def rates(cpus, n, rounds):
    """Lines of a table."""
    trials = {kind: [] for kind in (OvsAlone, VireoAlone)}
    for _ in range(rounds):
        for kind, done in trials.items():
            done.append(Trial(kind, cpus, n))
            print(f"  {kind.name}: " + ", ".join(f"{' '.join(k)} {v:,.0f}" for k, v in
                                                done[-1].rates.items()), file=sys.stderr)
    ovs, vireo = trials.values()

    def line(name, figure, form):
        a, b = (statistics.median(map(figure, done)) for done in (ovs, vireo))
        return [name, form.format(a), form.format(b), f"{b / a:.2f}"]
    yield [f"{n:,} flows", OvsAlone.name, VireoAlone.name, "vireo / OVS"]
    for key in vireo[0].rates:
        yield line(", ".join(key), lambda trial: trial.rates[key], "{:,.0f} a second")
    for key in vireo[0].cpu:
        yield line(", ".join(key), lambda trial: trial.cpu[key], "{:.1f} us")
    yield line("memory", lambda trial: trial.mib, "{:.1f} MiB")


def kills(cpus, n, n_kills):
    """What becomes of packets; a paragraph."""
    with Lab() as lab:
        switch = Switch(lab, args=("--worker-cpus", cpus[1]), wrap=("taskset", "-c", cpus[1]))
        guests = Verdicts(lab, switch, n, wrap=("taskset", "-c", cpus[0]))
        pauses = []
        for _ in range(n_kills):
            pauses.append(guests.kill())
            print(f"  killed: {pauses[-1]:.0f} ms", file=sys.stderr)
        counts = guests.end()
        switch.stop(n_kills)
    return (f"{n_kills} times `kill -9` with {n:,} flows: {counts['received']:,} frames, "
            f"{counts['wrong']} by a wrong rule, {counts['corrupted']} corrupted, {counts['lost']} "
            f"lost, {counts['again']} twice. Nothing is forwarded for {figures(pauses)}.")


def report(cpus, args, table):
    """Yields paragraphs. @cpus: of peers and guests, of the switch."""
    yield table(list(rates(cpus, args.flow_count, args.rounds)))
    yield ("Flow-mods by OpenFlow 1.0, each a five-tuple with an output. Streamed: one message behind "
           "the other, then a barrier; one at a time: each waits for the reply to a barrier of its "
           "own, asleep or, polled, awake. processor time: of all threads of the switch, for each that "
           "is streamed; memory: of all processes, with what outlives them.")
    if args.kills:
        yield kills(cpus, args.flow_count, args.kills)
