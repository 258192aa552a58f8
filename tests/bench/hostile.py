# SPDX-License-Identifier: Apache-2.0
"""What two guests notice of a third one that plays the hostile suite against their switch; or a race,
in which it rewrites what it has just shown.

    core 0: two neighbours ("vireo bench", in a loop) --- a, b       |
            the attacker (tests/hostile/attack.c)     --- evil       | the switch: what moves
            its peer, which sends to it all the time  --- peer       | packets on core 1

What else the switch has to do shares core 0 with the guests, and the attacker comes last there. It
pauses between two scenarios for windows without attack, so that windows with and without it take
turns. What is compared is the neighbours' packets in the time that both they and the switch had their
cores, so that what the attacker and other programs take of these is not the switch's fault; the
packets in all the time are told, too.

A back-end that has ended, or no longer serves the neighbours, is started anew, and the suite goes on
behind the scenario that was being played.
"""
import collections
import itertools
import math
import re
import signal
import statistics
import subprocess
import sys
import time

import lab as lab_module
from lab import Failure, Lab, Switch
from loads import Load, Threads, bench
from switches import TestpmdIo, Vireo

ATTACK = lab_module.BUILD / "tests/hostile/attack"
ATTACKS = [(layout, part) for part in ("suite", "race") for layout in ("split", "packed")]
LOADS = (Load("loop", 64), Load("loop", 1518))
PORTS = ("a", "b", "evil", "peer")
SETTLE = 0.05  # until the scenario that is being played has ended
ATTACKED = 2  # windows under attack for each one without
NICE = 10  # more than the neighbours
MAX_DEATHS = 100  # then it is not tried any further
RACES = 6  # times half a minute: as many windows as the suite has
QUIET = 0.5  # of the windows are compared: those in which the switch waited least for its core


class TestpmdPairs(TestpmdIo):
    """DPDK's net_vhost, a with b and evil with peer."""
    name = "DPDK net_vhost"
    ports = PORTS


class VireoPairs(Vireo):
    """The same as two bridges. Its worker is on the last core, all else on the first."""

    def start(self):
        self.switch = Switch(self.lab, args=("--worker-cpus", self.cpu),
                             wrap=("taskset", "-c", self.cpus[0]))
        self.pid = self.switch.pid
        self.switch("worker", "set", "poll", "always")  # as the other does
        self.switch("bridge", "add", "br1")
        return [self.switch.vhost(n, "bridge", "br0" if n in "ab" else "br1") for n in PORTS]


KINDS = {"testpmd": TestpmdPairs, "vireo": VireoPairs}


class Attack:
    """One of ATTACKS, from scenario @first on, against a switch's evil port."""

    def __init__(self, lab, switch, words, first, step, cpu):
        self.process = lab.spawn("attack", [
            "taskset", "-c", cpu, "nice", "-n", NICE, ATTACK, *words, *switch.sockets[2:],
            switch.pid, first, step])
        while self.runs() and not self.begun():
            time.sleep(0.01)

    def runs(self):
        return self.process.poll() is None

    def begun(self):
        """[(number, name)] of all scenarios up to the one that is played."""
        return re.findall(r"^(\d+) ((?:split|packed)\S+)$",
                          self.process.log.read_text(errors="replace"), re.M)

    def n_begun(self):
        return len(self.begun())

    def at(self):
        """(number, name) of the scenario that is played, or the last one."""
        number, name = (self.begun() or [("0", "none")])[-1]
        return int(number), name

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)
        time.sleep(SETTLE)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)


class Window:
    """What the neighbours did in a short time: packets a second (pps), and a second in which they and
    the switch had their cores (own_pps), of which the switch waited some (waited, a share); frames
    lost; scenarios a second meanwhile, 0: without attack."""

    def __init__(self, switch, attack, load, cpu, seconds, distance):
        before, self.load, n_begun = distance(), load, attack.n_begun()
        threads, begin = Threads(switch.pid), time.monotonic()
        result = bench(switch.sockets[:2], cpu, "load", load.kind, "size", load.size, "ring",
                       load.ring, "seconds", seconds, "warmup", 0.1)
        self.scenarios = (attack.n_begun() - n_begun) / (time.monotonic() - begin)
        self.waited = threads.waited()
        self.lost, self.pps = result["total"]["lost"], result["total"]["received_mpps"] * 1e6
        self.own_pps = (self.pps / (result["generator"]["cpu_percent"] / 100)
                        / max(1 - self.waited, 0.01))
        self.distance = before if before == distance() else None


class Siege:
    """All that came of one of ATTACKS against one switch."""

    def __init__(self, kind, words, cpus, args, distance):
        self.kind, self.words, self.args, self.distance = kind, words, args, distance
        self.cpus, self.cpu = cpus, cpus[0]
        self.calm, self.attacked, self.deaths = [], [], []
        is_suite = words[1] == "suite"
        self.step, self.n_played = args.step if is_suite else 1, 0
        for _ in range(1 if is_suite else max(1, RACES // args.step)):
            self.play()

    def play(self):
        first = 1
        while first and len(self.deaths) < MAX_DEATHS:
            first = self.go_on(first)

    def go_on(self, first):
        """Plays from scenario @first on. Returns the next one, None: that was all."""
        with Lab() as lab:
            switch = self.kind(lab, self.cpus)
            attack = Attack(lab, switch, self.words, first, self.step, self.cpu)
            for load in itertools.cycle(LOADS):
                try:
                    self.round(switch, attack, load)
                except (Failure, subprocess.TimeoutExpired) as error:
                    return self.died(switch, attack, first, str(error).splitlines()[-1])
                if not attack.runs():
                    break
            if attack.process.returncode:
                return self.died(switch, attack, first, "ended")
            self.n_played += attack.n_begun()
            switch.stop()
        return None

    def round(self, switch, attack, load):
        def window():
            words = switch, attack, load, self.cpu, self.args.seconds, self.distance
            try:
                return Window(*words)
            except Failure:
                # a loop never begins if its first frames are dropped, as by a switch that has only
                # one of the two neighbours yet
                return Window(*words)
        attack.pause()
        calm = window()
        attack.go_on()
        attacked = [window() for _ in range(ATTACKED)]
        if attack.runs():
            self.calm.append(calm)
            self.attacked += attacked

    def died(self, switch, attack, first, how):
        time.sleep(0.5)
        number, name = attack.at()
        if number < first:
            raise Failure(f"{switch.name}: {how}: the attack does not begin")
        self.n_played += attack.n_begun()
        self.deaths.append(name)
        print(f"  {switch.name}, {name}: {how}", file=sys.stderr)
        return number + self.step


def quiet(windows, load, distance):
    chosen = sorted((w for w in windows if w.load is load and w.distance == distance),
                    key=lambda w: w.waited)
    return chosen[:math.ceil(QUIET * len(chosen))]


def compared(siege, load):
    """The quiet windows (under attack, without) at the distance of the cores that was met most
    often; ([], []): there are none."""
    counts = collections.Counter(w.distance for w in siege.calm if w.load is load and w.distance)
    for distance, _ in counts.most_common():
        pair = quiet(siege.attacked, load, distance), quiet(siege.calm, load, distance)
        if all(pair):
            return pair
    return [], []


def ratio(windows, value):
    """Median under attack / without."""
    attacked, calm = (statistics.median(map(value, ws)) for ws in windows)
    return attacked / calm


def family(name):
    """split-log.tx.buffer.direct.alone.null -> split-log buffer"""
    words = [w for w in name.split(".") if w not in ("rx", "tx")]
    return " ".join(words[:2])


def cells(siege):
    yield f"{siege.words[1]}, {siege.words[0]}: {siege.kind.name}"
    yield f"{siege.n_played:,}"
    yield f"{len(siege.deaths)}"
    for load in LOADS:
        windows = compared(siege, load)
        yield (f"{ratio(windows, lambda w: w.own_pps):.1%}, {ratio(windows, lambda w: w.pps):.1%} "
               f"({len(windows[0])}, {len(windows[1])})" if all(windows) else "-")
    yield str(sum(w.lost for w in siege.attacked))
    rates = [w.scenarios for w in siege.attacked]
    yield f"{statistics.median(rates):.0f}" if rates else "-"


def report(names, cpus, args, distance, table):
    """Plays, and yields paragraphs. @cpus: of the guests, of the switch."""
    sieges = []
    attacks = [a for a in ATTACKS if not args.loads or
               any(word in "{1} {0}".format(*a) for word in args.loads.split(","))]
    if not attacks:
        sys.exit(f"bench: no attack is called {args.loads}: there are suite and race, split and packed")
    for words, n in itertools.product(attacks, (n for n in names if n in KINDS)):
        sieges.append(Siege(KINDS[n], words, cpus, args, distance))
        print("  " + " | ".join(cells(sieges[-1])), file=sys.stderr)
    yield table([["attack, its rings: switch", "scenarios", "ended by",
                  *(f"{load.size} B" for load in LOADS), "lost", "a second"],
                 *(list(cells(s)) for s in sieges)])
    yield ("64 B, 1518 B: the neighbours' packets under attack, compared with those without, in the "
           "time that they and the switch had their cores, and in all the time (windows under attack, "
           "without; the quieter half of them). lost: frames of the neighbours, in all windows under "
           "attack. a second: scenarios, while the neighbours were measured.")
    for siege in sieges:
        ends = collections.Counter(map(family, siege.deaths))
        if ends:
            yield f"{siege.kind.name} ended in " + ", ".join(
                f"{what} ({count})" for what, count in ends.items()) + "."
