#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
Front-ends are killed at any moment and started again: a pair beside them loses nothing.

    testpmd, virtio_user 0 --- a.sock ---.         .--- c.sock --- guest c, killed again and again
    testpmd, virtio_user 1 --- b.sock --- vireod --+--- d.sock --- guest d, talks with c
"""
import random
import signal
import time

from lab import BUILD, Lab, Switch, Testpmd, expect, link_up, main, say, scaled, wait_for
from testpmd_pair import PORTS, check_books, settle, start

GUEST = BUILD / "tests/e2e/guest"
C, D = "02:00:00:00:00:0c", "02:00:00:00:00:0d"


def check_pair(pmd, switch):
    guests, ports = settle(pmd, switch)
    check_books(guests, ports)
    lost = [p["drops"] for p in ports if any(p["drops"].values())]
    expect(not lost, f"the pair lost packets: {lost}")
    return sum(p["tx_packets"] for p in ports)


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()


def hundred_kills(lab):
    """At a random moment of connecting, negotiating and sending."""
    switch = Switch(lab)
    pmd = start(lab, switch)
    # A unicast frame to nobody would be flooded to the pair, whose rings have room only for theirs.
    switch("port", "set", "a", "tag", 10)
    switch("port", "set", "b", "tag", 10)
    pmd("set fwd io")
    pmd("start tx_first 2")
    sockets = {name: switch.vhost(name) for name in ("c", "d")}
    lab.spawn("d", [GUEST, sockets["d"], D, C])
    wait_for(lambda: [q["state"] for q in switch.port("d")["queues"]].count("ok") == 2, 20, "both rings of d")
    fds, rounds, ups = switch.fds(), scaled(100), 0
    dice = random.Random(1)
    for n in range(rounds):
        victim = lab.spawn("c", [GUEST, sockets["c"], C, D])
        if n % 5 == 0:
            switch.wait_link("c")
        time.sleep(dice.uniform(0, 0.06))
        ups += link_up(switch.port("c"))
        kill(victim)
    switch.wait_link("c", up=False)
    wait_for(lambda: switch.fds() <= fds, 5, "descriptors to be closed")
    victim = lab.spawn("c", [GUEST, sockets["c"], C, D])
    switch.wait_link("c")
    before = switch.port("c")["tx_packets"]
    wait_for(lambda: switch.port("c")["tx_packets"] > before, 10, "d's frames to arrive at c again")
    total = check_pair(pmd, switch)
    say(f"  {rounds} kills, {ups} of them of a connected guest; meanwhile {total} packets of the "
        "pair, none lost")
    Lab.stop(victim)
    pmd.quit()
    switch.stop()


def testpmd_kills(lab):
    """The same with DPDK as the victim, both sides of a conversation at once."""
    switch = Switch(lab)
    pmd = start(lab, switch)
    for name in PORTS:
        switch("port", "set", name, "tag", 10)
    pmd("set fwd io")
    pmd("start tx_first 2")
    paths = [switch.vhost(name) for name in ("c", "d")]
    for _ in range(scaled(5)):
        victim = Testpmd(lab, [f"net_virtio_user{i},path={path},mac={mac},queue_size=256"
                               for i, (path, mac) in enumerate(zip(paths, (C, D)))])
        victim("set fwd txonly")
        victim("start")
        time.sleep(0.1)
        kill(victim.process)
        switch.wait_link("c", "d", up=False)
    check_pair(pmd, switch)
    pmd.quit()
    switch.stop()


main(hundred_kills, testpmd_kills, title=__doc__)
