#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
Ports come and go while others forward: the others lose nothing.

    testpmd, virtio_user 0 --- a.sock ---.         .--- dummy, tap, pcap, patch, vhost-user:
    testpmd, virtio_user 1 --- b.sock --- vireod ---     added, set and removed again and again
"""
import time

from lab import Netns, Switch, expect, link_up, main, say, scaled
from testpmd_pair import PORTS, check_books, settle, start


def check_pair(pmd, switch):
    guests, ports = settle(pmd, switch)
    check_books(guests, ports)
    lost = [p["drops"] for p in ports if any(p["drops"].values())]
    expect(not lost, f"the pair lost packets: {lost}")
    expect(all(link_up(p) for p in ports), "the pair's link went down")
    return sum(p["tx_packets"] for p in ports)


def ports_come_and_go(lab):
    switch = Switch(lab, workers=2)
    pmd, host = start(lab, switch), Netns(lab, "h")
    for name in PORTS:  # the kernel talks on a new tap: not to the pair
        switch("port", "set", name, "tag", 10)
    pmd("set fwd io")
    pmd("start tx_first 2")
    rounds = scaled(40)
    begin = time.monotonic()
    for i in range(rounds):
        name = f"p{i}"
        switch.vhost(name)
        switch("port", "add", f"t{i}", "type", "tap", "netns", host.name, "tag", 20)
        switch("port", "add", f"d{i}", "type", "dummy", "tag", 30)
        switch("port", "add", f"c{i}", "type", "pcap", "file", lab.dir / f"{i}.pcap",
               "direction", "write", "protected", "on")
        switch("port", "set", f"d{i}", "tag", 20)
        switch("mac", "add", "02:00:00:00:01:00", "port", f"d{i}", "vlan", 20)
        if i % 4 == 3:  # several at a time
            for j in range(i - 3, i + 1):
                for kind in "ptdc":
                    switch("port", "del", f"{kind}{j}")
    seconds = time.monotonic() - begin
    total = check_pair(pmd, switch)
    say(f"  {rounds * 4} ports in {seconds:.1f} s, meanwhile {total} packets, none lost")
    pmd.quit()
    switch.stop()


def bridges_come_and_go(lab):
    switch = Switch(lab)
    pmd = start(lab, switch)
    pmd("set fwd io")
    pmd("start tx_first 2")
    for i in range(scaled(20)):
        switch("bridge", "add", f"br{i + 1}")
        switch("port", "add", f"left{i}", "type", "patch", "peer", f"right{i}", "bridge", "br0")
        switch("port", "add", f"right{i}", "type", "patch", "peer", f"left{i}",
               "bridge", f"br{i + 1}")
        switch("port", "del", f"left{i}")
        switch("port", "del", f"right{i}")
        switch("bridge", "del", f"br{i + 1}")
    check_pair(pmd, switch)
    pmd.quit()
    switch.stop()


def the_pair_itself_goes(lab):
    """A port is removed while its guest is sending: the switch lives, the guest comes back."""
    switch = Switch(lab)
    pmd = start(lab, switch)
    pmd("set fwd txonly")
    pmd("start")
    for i in range(scaled(10)):
        switch("port", "del", PORTS[i % 2])
        time.sleep(0.02)
        switch.vhost(PORTS[i % 2])
    expect(set(switch.ports()) == set(PORTS), "ports are missing")
    pmd.quit()
    switch.stop()


main(ports_come_and_go, bridges_come_and_go, the_pair_itself_goes, title=__doc__)
