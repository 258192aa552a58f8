#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
A guest moves from one QEMU to another while it sends and receives; not a page of it gets lost.

    QEMU guest g  10.7.0.1 --- from.sock ---.
        | migrates                          +--- vireod --- tap host --- namespace h  10.7.0.3
    QEMU guest g  10.7.0.1 --- to.sock -----'

The new QEMU starts with -S: before it lets the guest go on, the memory of both is compared. It then
becomes the old one of the next migration. --long: twenty migrations instead of a few.
"""
import json
import mmap
import os
import pathlib
import socket
import sys
import time

from lab import (SCALE, Failure, Guest, Netns, Switch, connect, expect, main, ping_result, say, scaled,
                 wait_for)

IP = {"g": "10.7.0.1", "h": "10.7.0.3"}
MAC = "52:54:00:00:00:0a"
KIB, MIB, PAGE = 1 << 10, 1 << 20, 4096
# Not a multiple of 256 KiB: then QEMU before 9.0 does not take the path on which, when it emulates the
# processor, it loses what that writes during a migration (mended by its commit 03bfc2188f06).
MEMORY = 192 * MIB + 8 * KIB
LONG = "--long" in sys.argv or SCALE > 2  # ./dev test --long asks for ten times as much
ROUNDS = 5 if LONG else 1  # of each of four kinds
# All that goes, both ways; large packets, checksums and segments left undone. And just so much, to the
# guest: its processor hardly writes to the pages that the switch writes to, which it otherwise does,
# so that QEMU copies them anyway.
FLOOD, TRICKLE = "--bidir", "-R -u -b 20M -l 1400"


class Qmp:
    """The control socket of a QEMU."""

    def __init__(self, path, process):
        self.sock = connect(path, 20, process)
        self.sock.settimeout(60)
        self.file = self.sock.makefile("rw")
        json.loads(self.file.readline())
        self("qmp_capabilities")

    def __call__(self, command, **arguments):
        self.file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.file.flush()
        while True:
            answer = json.loads(self.file.readline())
            expect("error" not in answer, f"QMP {command}: {answer}")
            if "return" in answer:
                return answer["return"]


class Movable(Guest):
    """A guest in a QEMU that can be migrated, and whose memory can be read. Its kernel does not clear
    pages that it takes for buffers: it would mark for us what the switch then writes.
    """

    def __init__(self, lab, name, net, device, queues, incoming=None):
        qmp = lab.dir / f"{name}.qmp"
        more = ["-qmp", f"unix:{qmp},server=on,wait=off"]
        if incoming:
            more += ["-S", "-incoming", f"unix:{incoming}"]
        super().__init__(lab, name, net, ip=None, mac=MAC, device=device, queues=queues,
                         cpus=queues, memory=f"{MEMORY // KIB}K", append="init_on_alloc=0",
                         more=more)
        self.qmp = Qmp(qmp, self.process)
        if incoming:
            wait_for(incoming.exists, 20, "QEMU to wait for a migration")

    def memory(self):
        """All of it, as it is now: the file that QEMU shares with the switch."""
        for fd in pathlib.Path(f"/proc/{self.process.pid}/fd").iterdir():
            if "memfd:memory-backend-memfd" in os.readlink(fd):
                with open(fd, "rb") as file:
                    return mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        raise Failure(f"{self.name}: QEMU has no memory")

    def status_is(self, *wanted):
        return self.qmp("query-status")["status"] in wanted

    def migration(self):
        return self.qmp("query-migrate")


def mismatches(one, other):
    """Pages in which two guests' memory differs, by number."""
    first, second, wrong = one.memory(), other.memory(), []
    expect(len(first) == len(second) == MEMORY, "memory has another size")
    for at in range(0, len(first), MIB):
        if first[at:at + MIB] != second[at:at + MIB]:
            wrong += [p // PAGE for p in range(at, at + MIB, PAGE)
                      if first[p:p + PAGE] != second[p:p + PAGE]]
    return wrong


class Stage:
    """The switch, the host, and a guest that moves between ports."""

    def __init__(self, lab, device, queues):
        self.lab, self.device, self.queues, self.n_moves = lab, device, queues, 0
        self.switch = Switch(lab, workers=queues)
        self.host = Netns(lab, "h")
        self.switch("port", "add", "host", "type", "tap", "netns", self.host.name)
        self.host("ip", "link", "set", "dev", "host", "up")
        self.host("ip", "addr", "add", IP["h"] + "/24", "dev", "host")
        self.server = lab.spawn("iperf3", ["iperf3", "-s"], netns=self.host)
        self.guest = self.new_guest()
        self.guest.wait_ready()
        self.guest(f"ip addr add {IP['g']}/24 dev eth0 && ip link set eth0 up")
        self.switch.wait_link("host", self.port)
        self.ping(5)

    def new_guest(self, incoming=None):
        self.port = f"p{self.n_moves}"
        return Movable(self.lab, f"g{self.n_moves}", self.switch.vhost(self.port), self.device,
                       self.queues, incoming)

    def ping(self, count):
        sent, received, _ = ping_result(self.guest(f"ping -A -q -c {count} {IP['h']}"))
        expect(received == sent == count, f"{received} of {sent} pings came back")

    def load(self, how=FLOOD):
        """Until stop_load()."""
        self.guest(f"iperf3 -c {IP['h']} -t 600 {how} >/tmp/iperf 2>&1 </dev/null & "
                   f"ping -i 0.01 -q {IP['h']} >/tmp/ping 2>&1 </dev/null & sleep 1.5")
        self.expect_traffic()

    def expect_traffic(self):
        before = self.counters(self.port)
        wait_for(lambda: all(b + 10 < a for b, a in zip(before, self.counters(self.port))), 20,
                 "traffic through the guest's port")

    def stop_load(self):
        """Returns (pings sent, received)."""
        status, text = self.guest.status("killall -INT ping iperf3; sleep 0.5; cat /tmp/ping")
        expect(status == 0, f"the load was gone: {text}")
        return ping_result(text)[:2]

    def counters(self, name):
        port = self.switch.port(name)
        return port["rx_packets"], port["tx_packets"]

    def logs(self, name):
        return "dirty_log_pages" in self.switch.port(name)

    def move(self):
        """Migrates; returns the old QEMU and what QMP says of it. The guest does not run yet."""
        old, old_port = self.guest, self.port
        self.n_moves += 1
        path = self.lab.dir / f"migrate{self.n_moves}"
        self.guest = self.new_guest(incoming=path)
        old.qmp("migrate-set-parameters", **{"max-bandwidth": MIB, "downtime-limit": 300})
        expect(not self.logs(old_port), "writes are logged before the migration")
        old.qmp("migrate", uri=f"unix:{path}")
        wait_for(lambda: self.logs(old_port), 30, "writes to be logged")
        old.qmp("migrate-set-parameters", **{"max-bandwidth": 400 * MIB})

        def over():
            state = old.migration()
            expect(state["status"] not in ("failed", "cancelled"), f"migration: {state}")
            return state["status"] == "completed" and state
        state = wait_for(over, 90, "the migration")
        wait_for(lambda: self.guest.status_is("paused"), 30, "the new QEMU")
        return old, state

    def check_memory(self, old):
        wrong = mismatches(old, self.guest)
        expect(not wrong, f"{len(wrong)} pages differ, first {wrong[:8]}")

    def mac_is_here(self):
        entries = self.switch.json("mac", "show")
        return any(e["mac"] == MAC and e["port"] == self.port for e in entries)

    def go_on(self):
        """Lets the guest run where it is now; its address must follow at once, whatever it sends."""
        self.guest.qmp("cont")
        wait_for(self.mac_is_here, 20, "the guest's address on its new port")

    def retire(self, old):
        old.qmp("quit")
        old.process.wait(20)

    def end(self):
        drops = {name: p["drops"]["tx_ring_broken"] for name, p in self.switch.ports().items()
                 if p["drops"].get("tx_ring_broken")}
        expect(not drops, f"rings broke: {drops}")
        self.switch.stop()


def migrate(lab, device, queues=1):
    stage = Stage(lab, device, queues)
    for n in range(ROUNDS):
        stage.load((TRICKLE, FLOOD)[n % 2])
        old, state = stage.move()
        begin = time.monotonic()
        stage.check_memory(old)
        seconds = time.monotonic() - begin
        stage.retire(old)
        stage.go_on()
        stage.expect_traffic()
        sent, received = stage.stop_load()
        stage.ping(scaled(100))
        say(f"  0 of {MEMORY // PAGE} pages differ; {state['ram']['dirty-sync-count']} rounds, "
            f"{state['ram']['transferred'] // MIB} MiB, downtime {state['downtime']} ms, and "
            f"{seconds:.1f} s to compare; {sent - received} of {sent} pings lost on the way")
    stage.end()


def split(lab):
    migrate(lab, "")


def packed(lab):
    migrate(lab, ",packed=on")


def split_without_announcing(lab):
    migrate(lab, ",guest_announce=off")


def packed_pairs_without_announcing(lab):
    """Two queue pairs: two vhost devices for QEMU, which share one log."""
    migrate(lab, ",packed=on,mq=on,guest_announce=off", queues=2)


def cancelled(lab):
    """A migration that is given up leaves no log, and the guest goes on; the next one succeeds."""
    stage = Stage(lab, "", 1)
    stage.load()
    path = lab.dir / "nobody"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(1)  # and never reads
    stage.guest.qmp("migrate", uri=f"unix:{path}")
    wait_for(lambda: stage.logs(stage.port), 20, "the log")
    stage.guest.qmp("migrate_cancel")
    listener.close()
    wait_for(lambda: stage.guest.migration()["status"] == "cancelled", 20, "the end of it")
    wait_for(lambda: not stage.logs(stage.port), 5, "the log to be forgotten")
    expect(stage.guest.status_is("running"), "the guest does not run")
    old, _ = stage.move()
    stage.check_memory(old)
    stage.retire(old)
    stage.go_on()
    stage.stop_load()
    stage.ping(50)
    stage.end()


def announced(lab):
    """A guest that is silent, and does not announce itself: the switch does, when QEMU asks for it."""
    stage = Stage(lab, ",guest_announce=off", 1)
    # nor is it asked whether it is still there
    stage.host("ip", "neigh", "replace", IP["g"], "lladdr", MAC, "dev", "host", "nud", "permanent")
    old, _ = stage.move()
    stage.check_memory(old)
    stage.retire(old)
    stage.go_on()
    expect(stage.counters(stage.port)[0] == 0, "the guest has sent something: this shows nothing")
    stage.ping(50)
    stage.end()


def stopped(lab):
    """QEMU stops a guest and lets it go on: packed rings stop and start, which have no index."""
    stage = Stage(lab, ",packed=on", 1)
    stage.load()
    for _ in range(scaled(5)):
        stage.guest.qmp("stop")
        time.sleep(0.1)
        stage.guest.qmp("cont")
        stage.expect_traffic()
    stage.stop_load()
    stage.ping(scaled(100))
    stage.end()


main(stopped, announced, split, packed, split_without_announcing, packed_pairs_without_announcing,
     cancelled, title=__doc__)
