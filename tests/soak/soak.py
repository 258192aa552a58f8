#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
Everything at once, at random: load, ports that change, guests that are killed, reset and migrated,
switches that are killed and exchanged. In the end all frames must be accounted for.

    guest 1 --.-- g1 \\ br1                      g1 \\ br1 --.-- guest 1, when it has migrated
    guest 2 --|-- g2 /        vireod   vireod   g2 /       |-- guest 2
    guest 3 --|-- g3 \\ br3      0        1      g3 \\ br3  |-- guest 3
    guest 4 --'-- g4 /                          g4 /       '-- guest 4

Guests 1 and 2 talk, and 3 and 4, on two queues each; a bridge has just two ports, so each frame has
one way to go. There are two workers. Load and trouble last for some seconds, then all is silent and
the books are compared (books.py); then it goes on.
"""
import argparse
import os
import pathlib
import random
import re
import shutil
import signal
import sys
import threading
import time

from books import BATCH, Sums, exact, wrong
from players import PATIENCE, Guest, Player

from kills import again, kill  # behind players, which knows where it is
from lab import SCALE, Failure, Lab, expect, say, wait_for

RINGS = ("split", "packed", "packed", "split")
ROUND_S = 4  # of load and trouble
WINDOWS = (16, 64, 64, 64, 1000)  # frames of a queue on their way; with the last rings run over
RSS_KEEPER_KIB, RSS_SWITCH_KIB = 1024, 8192  # that memory may grow after the warm-up


class Stage:
    def __init__(self, lab, seed):
        self.lab, self.done, self.errors = lab, {}, []
        self.dice = random.Random(f"{seed} stage")
        self.switches = [Player(lab, workers=2) for _ in range(2)]
        self.good = lab.dir / "vireod"
        shutil.copy(self.switches[0].build / "vireod", self.good)
        self.guests = [Guest(lab, i + 1, 1 + (i ^ 1), RINGS[i], self.switches[i // 2])
                       for i in range(4)]
        for switch in self.switches:
            for bridge in ("br1", "br3", "other"):
                switch.ask("bridge", "add", bridge)
            for guest in self.guests:
                switch.add_guest_port(guest.name, guest.bridge)
        for guest in self.guests:
            guest.begin()
        self.closed = Sums()  # of lives that are over
        self.memory = []

    def count(self, what):
        self.done[what] = self.done.get(what, 0) + 1

    # ---- trouble with ports and guests, one after the other

    def change_vlan(self, dice, guest):
        guest.switch.ask("port", "set", guest.name, "tag", dice.randrange(2, 10))
        time.sleep(dice.uniform(0, 0.2))
        guest.switch.ask("port", "set", guest.name, "tag", "default")

    def change_offload(self, dice, guest):
        what = dice.choice(("offload-csum", "offload-tso", "offload-mrg-rxbuf"))
        guest.switch.ask("port", "set", guest.name, what, dice.choice(("on", "off")))

    def move_queue(self, dice, guest):
        guest.switch.ask("worker", "set", "port", guest.name, "queue", dice.randrange(2), "worker",
                         dice.choice((0, 1, "auto")))

    def replace_port(self, dice, guest):
        guest.switch.ask("port", "del", guest.name, unless="no port")
        time.sleep(dice.uniform(0, 0.1))
        guest.switch.add_guest_port(guest.name, guest.bridge)

    def add_others(self, dice, guest):
        for i in range(3):
            guest.switch.ask("port", "add", f"d{i}", "type", "dummy", "bridge", "other",
                             unless="there is a port")
        guest.switch.add_guest_port("v", "other")
        for name in ("d0", "d1", "d2", "v"):
            guest.switch.ask("port", "del", name, unless="no port")

    def kill_guest(self, dice, guest):
        guest.kill()
        time.sleep(dice.uniform(0, 0.1))
        guest.begin()

    def reset_guest(self, dice, guest):
        guest.tell("reset")

    def migrate(self, dice, guest):
        """Both of a pair, in any order; until both are there, what they send is dropped."""
        pair = [guest, self.guests[guest.peer - 1]]
        to = self.switches[1 - self.switches.index(guest.switch)]
        for one in pair:
            one.migrate(to)
            time.sleep(dice.uniform(0, 0.1))

    # ---- trouble with switches

    def kill_switch(self, dice, switch):
        with switch.turn:
            if dice.random() < 0.5:
                switch.wait_for_work(0.05)  # most of the time it has none
            kill(switch)

    def kill_in_the_middle(self, dice, guest):
        """While queues change, and frames wait for them."""
        def die():
            time.sleep(dice.uniform(0, 0.004))
            self.kill_switch(dice, guest.switch)
        guest.tell("reset", die)

    def upgrade(self, dice, switch):
        with switch.turn:
            switch("upgrade", self.good)
            switch.find()

    def upgrade_badly(self, dice, switch):
        with switch.turn:
            switch.fails("upgrade", dice.choice(("/bin/false", "/nowhere", "/etc/passwd")))

    # ---- a round

    def trouble(self, dice, seconds, deeds, objects, pauses):
        """Does one deed after the other, for so long."""
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end and not self.errors:
                deed = dice.choice(deeds)
                deed(dice, dice.choice(objects))
                self.count(deed.__name__)
                time.sleep(dice.uniform(*pauses))
        except Exception as error:  # tell it in the main thread
            self.errors.append(f"{deed.__name__}: {type(error).__name__}: {error}")

    def round(self, number, seed):
        for guest in self.guests:
            guest.send(self.dice.choice(WINDOWS))
        of_ports = (self.change_vlan, self.change_offload, self.move_queue, self.replace_port,
                    self.add_others, self.kill_guest, self.reset_guest, self.migrate)
        of_switches = (self.kill_switch, self.kill_switch, self.upgrade, self.upgrade_badly)
        if number % 3:
            of_ports += (self.kill_in_the_middle, self.kill_in_the_middle)
        else:  # all books must be exact then
            of_switches = of_switches[2:]
        # guests die with the thread that has started them: that is this one
        beside = threading.Thread(target=self.trouble, args=(
            random.Random(f"{seed} {number} switches"), ROUND_S, of_switches, self.switches,
            (0.3, 1.0)))
        beside.start()
        self.trouble(random.Random(f"{seed} {number} ports"), ROUND_S, of_ports, self.guests,
                     (0.05, 0.3))
        beside.join()
        expect(not self.errors, "; ".join(self.errors))

    # ---- silence

    def picture(self):
        stats = [s.look("stats", "show") for s in self.switches]
        return [g.counts() for g in self.guests], [(s["totals"], s["drops"]) for s in stats]

    def settle(self):
        """Nobody sends, and what was sent has been taken and has come."""
        for guest in self.guests:
            guest.pause()
        wait_for(lambda: all(g.is_up() for g in self.guests), PATIENCE, "all guests to be connected")

        def silent():
            before = self.picture()
            time.sleep(0.15)
            return before == self.picture() and all(c[0] == c[1] for c in before[0])
        wait_for(silent, PATIENCE, "silence")

    def sums(self):
        """All since the start."""
        s = Sums(**vars(self.closed))
        for guest in self.guests:  # before any books are read: it writes to senders' ones
            for life, memory in guest.dead:
                guest.audit(life, memory)
        for guest in self.guests:
            self.close_lives(guest, s)
            self.add_life(s, guest.audit(guest.lives()[-1]))
        for switch in self.switches:
            stats = switch.look("stats", "show")
            s.rx += stats["totals"]["rx_packets"]
            s.tx += stats["totals"]["tx_packets"]
            held = stats["drops"].get("tx_held_lost", 0)
            s.dropped += sum(stats["drops"].values()) - held
            s.held_lost += held
            s.again += sum(again(switch))
            s.deaths += deaths(switch)
        return s

    def close_lives(self, guest, s):
        """Settles the accounts of lives that are over, in @s and for ever."""
        dead = dict(guest.dead)
        for life in guest.lives()[:-1]:
            found = guest.audit(life)
            for sums in (s, self.closed):
                self.add_life(sums, found)
                sums.torn += min(found["open"], 2 * BATCH) if life in dead else 0
            (guest.books / f"{guest.number}.{life}").unlink()
        for _, memory in guest.dead:
            os.close(memory)
        guest.dead = []

    @staticmethod
    def add_life(s, found):
        for name in ("taken", "lost", "repeated", "beyond", "bad"):
            setattr(s, name, getattr(s, name) + found[name])

    def drops(self):
        total = {}
        for switch in self.switches:
            for name, n in switch.look("stats", "show")["drops"].items():
                total[name] = total.get(name, 0) + n
        return total

    def resources(self):
        """(KiB of the keepers, of the switch processes, file descriptors)"""
        for switch in self.switches:
            switch.find()
        time.sleep(0.1)  # that client has not quite left yet
        return (sum(rss(s.process.pid) for s in self.switches),
                sum(rss(s.pid) for s in self.switches), sum(s.fds() for s in self.switches))

    def check_resources(self):
        """Against those after the warm-up, which is the first round."""
        keeper, switch, fds = self.memory[0]

        def fds_are_back():
            self.memory.append(self.resources())
            return self.memory[-1][2] <= fds
        wait_for(fds_are_back, 5, f"no more than {fds} descriptors")
        now = self.memory[-1]
        if not self.switches[0].fast:  # sanitizers keep what is freed
            return
        expect(now[0] <= keeper + RSS_KEEPER_KIB, f"keepers grow: {self.memory} KiB")
        expect(now[1] <= switch + RSS_SWITCH_KIB, f"switches grow: {self.memory} KiB")


def rss(pid):
    """KiB, without shared memory."""
    return sum(int(kib) for kib in re.findall(
        r"Rss(?:Anon|File):\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()))


def deaths(switch):
    return switch.process.log.read_text(errors="replace").count("the switch process died")


def end(stage):
    """No sanitizer has complained, no process died by itself."""
    for guest in stage.guests:
        stage.lab.stop(guest.process, signal.SIGKILL)
    crashes = sum(deaths(s) for s in stage.switches)
    for switch in stage.switches:
        switch.stop(deaths(switch))
    wanted = sum(stage.done.get(kind, 0) for kind in ("kill_switch", "kill_in_the_middle"))
    expect(crashes == wanted, f"{crashes} deaths, {wanted} of them wanted")
    for log in stage.lab.dir.glob("g*.log"):
        text = log.read_text(errors="replace")
        expect("pages differ" not in text, f"{log.name}: a migration has lost pages")
        expect("Sanitizer" not in text, f"{log.name}: {text[-3000:]}")


def print_sheet(stage, s, n_rounds, n_exact):
    say("")
    say(f"{n_rounds} rounds: " + ", ".join(f"{n} {what}" for what, n in sorted(stage.done.items())))
    say(f"{s.taken:>12} frames taken out of guests' rings")
    say(f"{s.taken - s.lost:>12} delivered, every byte compared")
    for name, n in sorted(stage.drops().items()):
        say(f"{n:>12} {name}" + (" (lost at kills and removals, at most)"
                                 if name == "tx_held_lost" else ""))
    say(f"{s.dropped + s.held_lost - s.lost:>12} of these were delivered, too, or counted twice: taken "
        f"again after a kill")
    say(f"{s.repeated + s.beyond:>12} came twice, of {s.again} that the switch said might, in {s.deaths} "
        f"kills")
    say(f"{n_exact:>12} of {n_rounds} rounds exact to the frame")
    (k0, s0, f0), (k1, s1, f1) = stage.memory[0], stage.memory[-1]
    say(f"memory: keepers {k0} -> {k1} KiB (at most {RSS_KEEPER_KIB} more), switches {s0} -> {s1} KiB "
        f"(at most {RSS_SWITCH_KIB} more); descriptors {f0} -> {f1}")


def soak(lab, seconds, seed):
    """Returns what is missing."""
    stage, before, missing, n, n_exact = Stage(lab, seed), Sums(), [], 0, 0
    stage.settle()
    before, finish = stage.sums(), time.monotonic() + seconds
    while time.monotonic() < finish and not missing:
        stage.round(n, seed)
        stage.settle()
        now = stage.sums()
        found = now.minus(before)
        missing += [f"round {n}: {text}" for text in wrong(found)]
        n_exact += exact(found)
        if missing:
            say(f"round {n}: {found}")
        if n == 0:
            stage.memory.append(stage.resources())
        stage.check_resources()
        before, n = now, n + 1
    print_sheet(stage, before, n, n_exact)
    if missing:
        lab.print_logs()
    end(stage)
    return missing


def main():
    parser = argparse.ArgumentParser(prog="./dev soak", description=__doc__.split("\n\n")[0])
    parser.add_argument("minutes", type=float, nargs="?", default=1)
    parser.add_argument("--seconds", type=float, help="instead of minutes; times TEST_SCALE")
    parser.add_argument("--seed", help="of an earlier run, to do the same again")
    args = parser.parse_args()
    seed = args.seed or str(random.SystemRandom().randrange(10**9))
    say(f"seed {seed}")
    try:
        with Lab() as lab:
            missing = soak(lab, args.seconds * SCALE if args.seconds else args.minutes * 60, seed)
    except (Failure, OSError, ValueError, KeyError) as error:
        missing = [f"{type(error).__name__}: {error}"]
    say("balanced" if not missing else "not balanced: " + "; ".join(missing))
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main()
