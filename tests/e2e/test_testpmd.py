#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
DPDK's own virtio driver as two guests: nothing of ours on their side of the sockets.

    testpmd, virtio_user 0 --- a.sock --- vireod --- b.sock --- testpmd, virtio_user 1
"""
import time

from lab import Switch, expect, link_up, main, say, scaled, wait_for
from testpmd_pair import PORTS, check_books, settle, start

def loop(lab, mode, driver="mrg_rxbuf=1,in_order=0", share=1, eal=()):
    """128 packets a guest go round and round: nothing may be lost. @share of the usual number."""
    switch = Switch(lab)
    pmd = start(lab, switch, mode, driver, eal=eal)
    layout = "packed" if "packed_vq=1" in driver else "split"
    for name in PORTS:
        queues = switch.port(name)["queues"]
        expect(all(q["ring"] == layout for q in queues), f"rings are not {layout}: {queues}")
    count = scaled((10_000_000 if switch.fast else 200_000) * share)
    begin = time.monotonic()
    pmd("set fwd io")
    pmd("start tx_first 4")
    wait_for(lambda: sum(switch.port(n)["tx_packets"] for n in PORTS) >= count, 120,
             f"{count} packets", 0.2)
    seconds = time.monotonic() - begin
    guests, ports = settle(pmd, switch)
    check_books(guests, ports)
    lost = sum(sum(p["drops"].values()) for p in ports)
    expect(lost == 0, f"{lost} packets of a closed loop were dropped: {[p['drops'] for p in ports]}")
    total = sum(p["tx_packets"] for p in ports)
    say(f"  {total} packets, none lost, about {total / seconds / 1e6:.1f} Mpps")
    pmd.quit()
    switch.wait_link(*PORTS, up=False)
    switch.stop()


def listening(lab):
    loop(lab, "listen")


def connecting(lab):
    """The front-end is the socket's server, vireod connects to it."""
    loop(lab, "connect")


def rings(lab):
    """Both layouts of the ring, each with and without IN_ORDER and mergeable buffers."""
    for packed in (0, 1):
        for in_order in (0, 1):
            for mergeable in (0, 1):
                driver = f"packed_vq={packed},in_order={in_order},mrg_rxbuf={mergeable}"
                say(f"  {driver}")
                loop(lab, "listen", driver, share=0.25)


def vectors(lab):
    """The paths that DPDK's driver takes with AVX, where the machine has them."""
    for packed in (0, 1):
        loop(lab, "listen", f"packed_vq={packed},in_order=1,mrg_rxbuf=0,vectorized=1", share=0.25,
             eal=["--force-max-simd-bitwidth=512"])


def without_packed(lab):
    """A port that does not offer packed rings, to a driver that would take them."""
    switch = Switch(lab)
    pmd = start(lab, switch, driver="packed_vq=1", port=("packed", "off"))
    for name in PORTS:
        port = switch.port(name)
        expect("VIRTIO_F_RING_PACKED" not in str(port["features"]), f"offered: {port['features']}")
        expect(all(q["ring"] == "split" for q in port["queues"]), f"not split: {port['queues']}")
    pmd.quit()
    switch.stop()


def overload(lab):
    """Both guests send and do not receive: what the rings cannot hold is counted."""
    switch = Switch(lab)
    pmd = start(lab, switch)
    pmd("set fwd txonly")
    pmd("start")
    time.sleep(1)
    guests, ports = settle(pmd, switch)
    check_books(guests, ports)
    dropped = sum(p["drops"].get("tx_ring_full", 0) for p in ports)
    expect(dropped > 0, f"nobody received and nothing was dropped: {ports}")
    say(f"  {sum(p['rx_packets'] for p in ports)} sent, {dropped} dropped since the rings were full")
    pmd.quit()
    switch.stop()


def two_workers(lab):
    """Each port's queue is another worker's, and moves while traffic flows."""
    switch = Switch(lab, workers=2)
    pmd = start(lab, switch)
    pmd("set fwd io")
    pmd("start tx_first 2")
    for i in range(scaled(20)):
        switch("worker", "set", "port", PORTS[i % 2], "queue", 0, "worker", (i // 2) % 2)
        time.sleep(0.02)
    before = switch.port("a")["tx_packets"]
    wait_for(lambda: switch.port("a")["tx_packets"] > before, 20, "traffic")
    guests, ports = settle(pmd, switch)
    check_books(guests, ports)
    expect(all(link_up(p) for p in ports), "a link went down")
    pmd.quit()
    switch.stop()


main(listening, connecting, rings, vectors, without_packed, overload, two_workers,
     title=__doc__)
