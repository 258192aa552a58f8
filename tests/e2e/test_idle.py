#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
A switch with nothing to do: figures for the eye, and the limits that do not depend on the machine.

    testpmd, 10 virtio_user ports, connected and silent --- 10 sockets --- vireod, 2 workers
"""
import statistics
import time

from lab import Switch, Testpmd, expect, main, say

N_PORTS = 10
SECONDS = 10
QUIET_SECONDS = 17  # after this a switch without packets does not even look at the clock


def idle(lab):
    switch = Switch(lab, workers=2)
    names = [f"vm{i}" for i in range(N_PORTS)]
    vdevs = [f"net_virtio_user{i},path={switch.vhost(name)},queue_size=256,mac=02:00:00:00:01:{i:02x}"
             for i, name in enumerate(names)]
    pmd = Testpmd(lab, vdevs, memory=128)
    switch.wait_link(*names)
    time.sleep(QUIET_SECONDS)

    cpu, wakeups, begin = switch.cpu_ns(), switch.wakeups(), time.monotonic()
    time.sleep(SECONDS)
    seconds = time.monotonic() - begin
    percent = (switch.cpu_ns() - cpu) / seconds / 1e7
    wakeups = switch.wakeups() - wakeups
    rss = switch.rss_kib() / 1024
    say(f"  {N_PORTS} connected ports: {percent:.3f} % of a core, {wakeups} wakeups in {seconds:.0f} s, "
        f"{rss:.1f} MiB resident")
    expect(wakeups == 0, f"{wakeups} wakeups in {seconds:.0f} s: something polls")
    if switch.fast:  # a sanitizer's own memory counts otherwise
        expect(rss < 32, f"{rss:.1f} MiB resident")
    pmd.quit()
    switch.stop()


def start_up(lab):
    times = []
    for _ in range(10):
        switch = Switch(lab)
        times.append(switch.ready_ms)
        switch.stop()
    say(f"  ready after {statistics.median(times):.1f} ms (median of {len(times)}), at most "
        f"{max(times):.1f} ms")


main(idle, start_up, title=__doc__)
