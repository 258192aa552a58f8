#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
The switch process is killed under Linux guests, and the keeper.

    QEMU guest a  10.7.0.1, split rings  --- a.sock ---.
                                                        keeper === switch process, killed
    QEMU guest b  10.7.0.2, packed rings --- b.sock ---'
"""
import json
import time

from kills import blackouts, kill, report, report_kills
from lab import Guest, Switch, expect, iperf_server, main, say, scaled
from manager import Service


def guests_survive(lab, switch, die):
    """Linux guests: their carrier never drops, and a TCP connection survives."""
    paths = [switch.vhost(n) for n in "ab"]
    guests = [Guest(lab, n, path, ip=f"10.7.0.{i}/24", mac=f"52:54:00:00:00:0{i}", device=d)
              for i, (n, path, d) in enumerate(zip("ab", paths, ("", ",packed=on")), 1)]
    for g in guests:
        g.wait_ready()
    switch.wait_link("a", "b")
    a, b = guests
    changes = [g("cat /sys/class/net/eth0/carrier_changes") for g in guests]
    n = scaled(5)
    iperf_server(b)
    a.begin(f"iperf3 -c 10.7.0.2 -t {n + 1} -J")
    for _ in range(n):
        time.sleep(1)
        die()
    status, text = a.finish(n + 60)
    expect(status == 0, f"iperf3: {text[-1500:]}")
    bits = json.loads(text)["end"]["sum_received"]["bits_per_second"]
    expect(bits > 1e6, f"TCP came to a stop: {bits} bit/s")
    a(f"ping -q -c 5 10.7.0.2")
    after = [g("cat /sys/class/net/eth0/carrier_changes") for g in guests]
    expect(changes == after, f"carriers dropped: {changes} changes before, {after} after")
    say(f"  {n} kills: TCP went on, {bits / 1e6:.0f} Mbit/s with the pauses; carriers stayed up")
    return n


def kills_with_qemu(lab):
    switch, pauses = Switch(lab), []
    n = guests_survive(lab, switch, lambda: pauses.append(kill(switch)))
    report_kills("killed with QEMU", pauses, blackouts(switch))
    switch.stop(n)


def kills_of_the_keeper(lab):
    switch, times = Service(lab), []
    guests_survive(lab, switch, lambda: times.append(switch.kill_keeper()))
    report("the keeper killed with QEMU", times)
    switch.stop()


main(kills_with_qemu, kills_of_the_keeper, title=__doc__)
