# SPDX-License-Identifier: Apache-2.0
"""Two ports with a testpmd behind them, and the books that have to balance.

    testpmd, virtio_user 0 --- a.sock --- vireod --- b.sock --- testpmd, virtio_user 1
"""
import time

from lab import Testpmd, expect

MACS = ("02:00:00:00:00:0a", "02:00:00:00:00:0b")
PORTS = ("a", "b")


def start(lab, switch, mode="listen", driver="mrg_rxbuf=1,in_order=0", port=(), eal=()):
    """Two ports and a testpmd behind them; @mode is the switch's, as are the words of @port;
    @driver and @eal (options) are DPDK's."""
    vdevs = []
    for i, name in enumerate(PORTS):
        path = switch.vhost(name, "mode", mode, *port)
        vdevs.append(f"net_virtio_user{i},path={path},mac={MACS[i]},queues=1,queue_size=256,{driver}"
                     + (",server=1" if mode == "connect" else ""))
    pmd = Testpmd(lab, vdevs, eal=eal, options=["--burst=32", "--txd=256", "--rxd=256",
                                       f"--eth-peer=0,{MACS[1]}", f"--eth-peer=1,{MACS[0]}"])
    switch.wait_link(*PORTS)
    return pmd


def settle(pmd, switch):
    """Receives what still lies in the guests' rings; returns their and the switch's counters."""
    pmd("stop")
    pmd("set fwd rxonly")
    pmd("start")
    last, n_same = None, 0
    for _ in range(100):
        time.sleep(0.1)
        now = [(p["rx_packets"], p["tx_packets"]) for p in map(switch.port, PORTS)]
        n_same, last = (n_same + 1 if now == last else 0), now
        if n_same == 5:
            break
    pmd("stop")
    return pmd.stats(), [switch.port(name) for name in PORTS]


def check_books(guests, ports):
    """Each packet that a guest sent was delivered to the other, or is a named drop."""
    for i, name in enumerate(PORTS):
        other = 1 - i
        expect(guests[i]["TX-packets"] == ports[i]["rx_packets"],
               f"guest {name} sent {guests[i]['TX-packets']}, its port took {ports[i]['rx_packets']}")
        expect(guests[i]["RX-packets"] == ports[i]["tx_packets"],
               f"guest {name} got {guests[i]['RX-packets']}, its port sent {ports[i]['tx_packets']}")
        drops = {k: n for k, n in ports[other]["drops"].items() if k.startswith("tx_")}
        drops |= {k: n for k, n in ports[i]["drops"].items() if not k.startswith("tx_")}
        expect(ports[i]["rx_packets"] == ports[other]["tx_packets"] + sum(drops.values()),
               f"{name}: took {ports[i]['rx_packets']}, delivered {ports[other]['tx_packets']}, "
               f"dropped {drops}")
