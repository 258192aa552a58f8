#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
The load generator against real back-ends: what it sends comes through, whole and in order.

    vireo bench --- a, b (vhost-user) --- vireod
    vireo bench --- a, b (vhost-user) --- testpmd, net_vhost, io
"""
import json
import os
import signal
import time

from lab import BUILD, SCALE, Lab, Switch, Testpmd, expect, main, run, say, wait_for


def bench(*words):
    """(status, results, what else was said)."""
    status, text = run(BUILD / "vireo", "-j", "bench", *words, check=False, timeout=120)
    end = text.rfind("\n}")
    expect(end > 0, f"bench {' '.join(map(str, words))}: status {status}: {text}")
    begin = text.index("{\n")
    return status, json.loads(text[begin:end + 2]), text[:begin] + text[end + 2:]


def well(*words):
    """Results of a run that went well: nothing corrupted, nothing out of order."""
    status, results, said = bench(*words)
    expect(status == 0, f"bench {' '.join(map(str, words))}: status {status}: {said}")
    total = results["total"]
    expect(total["received"] > 0, f"nothing received: {results}")
    expect(total["corrupted"] == total["reordered"] == 0, f"not what was sent: {total}")
    expect(total["sent"] == total["received"] + total["lost"], f"do not add up: {total}")
    return results


def short(*words):
    return (*words, "seconds", max(0.2, 0.5 * min(SCALE, 1)), "warmup", 0)


def pair(lab, *options):
    switch = Switch(lab)
    return switch, [switch.vhost(name, *options) for name in "ab"]


def loop(lab):
    """A closed loop loses nothing, in any shape."""
    switch, sockets = pair(lab)
    for words in ((), ("size", 1518, "flows", 1000), ("mergeable", "off", "ring-size", 1024),
                  ("indirect", "on"), ("ring", "packed"), ("ring", "packed", "in-order", "on"),
                  ("ring", "packed", "indirect", "on", "ring-size", 300), ("queues", 4, "flows", 64), ("check", "off")):
        results = well(*sockets, "load", "loop", *short(*words))
        expect(results["total"]["lost"] == 0, f"{words}: lost {results['total']['lost']}")
        say(f"  {' '.join(map(str, words)) or 'as it is'}: "
            f"{results['total']['received_mpps']:.2f} Mpps")
    switch.wait_link("a", "b", up=False)
    expect(switch.drops() == 0, f"the switch says it dropped {switch.drops()}")
    switch.stop()


def large(lab):
    """64 KiB at once between ports that take them, and segments for ports that do not."""
    switch, sockets = pair(lab)
    for words in (("tso", "on"), ("tso", "on", "ring", "packed", "flows", 16), ("tso", "on", "mergeable", "off"),
                  ("tso", "on", "size", 65553, "indirect", "on"), ("tso", "on", "queues", 2, "check", "off"),
                  ("tso", "send"), ("tso", "send", "ring", "packed", "flows", 16, "ring-size", 1024)):
        results = well(*sockets, "load", "loop", *short(*words))
        expect(results["total"]["lost"] == 0, f"{words}: lost {results['total']['lost']}")
        say(f"  {' '.join(map(str, words))}: {results['total']['received_gbits']:.1f} Gbit/s")
    switch.wait_link("a", "b", up=False)
    expect(switch.drops() == 0, f"the switch says it dropped {switch.drops()}")
    well(*sockets, *short("tso", "send"))  # a part of a frame that is lost spoils no other
    switch.stop()
    switch, sockets = pair(lab, "offload", "tso", "off")
    status, text = run(BUILD / "vireo", "bench", *sockets, *short("tso", "on"), check=False)
    expect(status == 1 and "VIRTIO_NET_F_HOST_TSO4" in text, f"without tso: {status}: {text}")
    switch.stop()


def load(lab):
    """A full load: the generator's books are those of the switch."""
    switch, sockets = pair(lab)
    results = well(*sockets, *short("flows", 16))
    switch.wait_link("a", "b", up=False)
    for i, name in enumerate("ab"):
        mine, port = results["ports"][i], switch.port(name)
        # one frame more, the announcement, went in; the other's came out
        expect(port["rx_packets"] == mine["sent"] + 1,
               f"{name} sent {mine['sent']}, the switch took {port['rx_packets']}")
        expect(port["tx_packets"] == mine["received"] + 1,
               f"{name} got {mine['received']}, the switch gave {port['tx_packets']}")
    expect(switch.drops() == results["total"]["lost"],
           f"lost {results['total']['lost']}, the switch dropped {switch.drops()}")
    say(f"  {results['total']['received_mpps']:.2f} Mpps, lost {results['total']['lost']}")
    switch.stop()


def rate(lab):
    switch, sockets = pair(lab)
    results = well(*sockets, *short("rate", 10000))
    for port in results["ports"]:
        expect(port["sent"] <= 10100 * results["seconds"], f"sent too many: {port}")
    switch.stop()


def flood(lab):
    """Two ports send all that goes; two others, at a rate or in a loop, lose nothing."""
    switch = Switch(lab)
    sockets = [switch.vhost(name) for name in "abcd"]
    results = well(*sockets, "rate", 1000, "flood", 2, "seconds", 2, "warmup", 0)
    quiet, noisy = results["ports"][:2], results["ports"][2:]
    switch.wait_link("a", "b", "c", "d", up=False)
    for name, port in zip("ab", quiet):
        expect(port["lost"] == 0, f"lost: {port}")
        expect(0 < port["sent"] <= 1010 * results["seconds"] + 100, f"not at its rate: {port}")
        drops = switch.port(name)["drops"]
        expect(not drops, f"{name}: dropped {drops}")
    for port in noisy:
        expect(port["sent"] > 10 * quiet[0]["sent"], f"that is no flood: {port}")
    results = well(*sockets, "load", "loop", "check", "off", "flood", 2, "silent", 1, "fresh", "macs",
                   "turns", 50, "seconds", 2, "warmup", 0)
    pair, (stranger, silent) = results["ports"][:2], results["ports"][2:]
    for port in pair:
        expect(port["lost"] == 0 < port["received"], f"the loop is broken: {port}")
    expect(stranger["sent"] > 0 == silent["sent"], f"who floods whom? {stranger}, {silent}")
    turns = results["turns"]
    expect(all(mpps > 0 for turn in turns.values() for mpps in turn["received_mpps"][:2]), f"who had none? {turns}")
    expect([turns[name]["sent_mpps"][2] > 0 for name in ("alone", "known", "fresh")] == [False, True, True],
           f"who flooded when? {turns}")
    switch.wait_link("a", "b", "c", "d", up=False)
    expect(switch.port("c")["macs"] > 1000, f"those are no strangers: {switch.port('c')}")
    switch.stop()


def ping(lab):
    """One frame at a time tells the latency; for people, too."""
    switch, sockets = pair(lab)
    results = well(*sockets, *short("load", "ping"))
    latency = results["latency"]
    expect(0 < latency["min_ns"] <= latency["median_ns"] <= latency["p99_ns"] <= latency["max_ns"],
           f"latencies: {latency}")
    expect(sum(row["frames"] for row in latency["histogram"]) == latency["frames"] > 0,
           f"the histogram does not add up: {latency}")
    status, text = run(BUILD / "vireo", "bench", *sockets, *short("load", "ping"), check=False)
    expect(status == 0 and "median" in text and "total" in text, f"status {status}: {text}")
    say(f"  median {latency['median_ns']} ns")
    switch.stop()


def listen(lab):
    """The generator makes the sockets, the switch connects."""
    switch = Switch(lab)
    sockets = [switch.vhost(name, "mode", "connect") for name in "ab"]
    results = well(*sockets, "mode", "listen", "load", "loop", *short())
    expect(results["total"]["lost"] == 0, f"lost: {results['total']}")
    expect(not any(os.path.exists(path) for path in sockets), "sockets were left behind")
    switch.stop()


def dpdk(lab):
    """DPDK's back-end moves frames between two ports, and back out of a single one. It drops what
    comes before the other port is there; what is lost is what it says that it has dropped."""
    sockets = [lab.dir / f"pmd-{n}" for n in "ab"]
    vdevs = [f"net_vhost{i},iface={path},queues=1" for i, path in enumerate(sockets)]
    pmd = Testpmd(lab, vdevs, ["--forward-mode=io", "--burst=32"], memory=128)
    pmd("start")
    for words in (("load", "loop"), ("load", "loop", "size", 1518, "mergeable", "off"),
                  ("load", "loop", "indirect", "on"), ("load", "loop", "ring", "packed"),
                  ("load", "ping")):
        before = pmd.dropped()
        lost = well(*sockets, *short(*words))["total"]["lost"]
        expect(lost == pmd.dropped() - before,
               f"{words}: lost {lost}, testpmd dropped {pmd.dropped() - before}")
    well(*sockets, *short())
    pmd.quit()
    Lab.stop(pmd.process)
    path = lab.dir / "pmd-single"
    pmd = Testpmd(lab, [f"net_vhost0,iface={path},queues=1"], ["--forward-mode=io"], memory=128)
    pmd("start")
    results = well(path, *short("load", "loop"))
    expect(results["total"]["lost"] == 0, f"reflected: {results['total']}")
    pmd.quit()


def ends(lab):
    """A signal ends the load, and what was measured is told; a switch that goes away is an error."""
    switch, sockets = pair(lab)
    process = lab.spawn("bench", [BUILD / "vireo", "-j", "bench", *sockets, "seconds", 60,
                                  "load", "loop", "warmup", 0])
    wait_for(lambda: switch.port("a")["rx_packets"] > 1000, 20, "the load")
    expect(Lab.stop(process, signal.SIGINT) == 0, process.log.read_text())
    results = json.loads(process.log.read_text())
    expect(0 < results["seconds"] < 60 and results["total"]["lost"] == 0, f"{results}")
    switch.wait_link("a", "b", up=False)
    process = lab.spawn("bench", [BUILD / "vireo", "bench", *sockets, "seconds", 60])
    before = switch.port("a")["rx_packets"]
    wait_for(lambda: switch.port("a")["rx_packets"] > before + 1000, 20, "the load")
    switch.stop()
    expect(process.wait(20) == 1, "a lost connection is not an error")
    text = process.log.read_text()
    expect(str(sockets[0]) in text or str(sockets[1]) in text, f"which connection? {text}")


def refused(lab):
    """One line that says what is wrong."""
    switch, sockets = pair(lab, "queues", 1)
    for words, status, hint in (
            ((), 2, "no socket"), (("a.sock",), 2, "./NAME"), ((*sockets, "sise", 64), 2, "size"),
            ((*sockets, "size", 63), 2, "64"), ((*sockets, "load", "flood"), 2, "open"),
            ((*sockets, "rate"), 2, "needs a value"), ((*sockets, "cpu", 1023), 1, "cpu 1023"),
            ((*sockets, "queues", 2), 1, "queue pair"),
            ((lab.dir / "nobody", "seconds", 1), 1, "no back-end"),
            ((lab.dir / ("x" * 120),), 1, "x"), ((lab.dir / "no/where", "mode", "listen"), 1, "no/")):
        got, text = run(BUILD / "vireo", "bench", *words, check=False)
        shown = " ".join(map(str, words))
        expect(got == status, f"bench {shown}: status {got}, not {status}: {text}")
        expect(hint in text and text.count("\n") == 1, f"bench {shown} says {text!r}, not {hint!r}")
    status, text = run(BUILD / "vireo", "bench", sockets[0], *short(), check=False)
    expect(status == 1 and "none arrived" in text, f"to nobody: {status}: {text}")
    switch.stop()


main(loop, large, load, rate, flood, ping, listen, dpdk, ends, refused, title=__doc__)
