#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
The keeper itself is killed, or exchanged for another program, and guests do not notice.

                   manager === keeper, killed ; the switch process dies with it
                   (keeps descriptors)
    guest a --- a.sock ---.
                          keeper, again === another switch process
    guest b --- b.sock ---'
"""
import os
import pathlib
import random
import shutil
import signal
import time

import testpmd_pair
from kills import RINGS, again, bench_load, kill, report
from lab import Netns, Switch, expect, main, say, scaled, wait_for
from manager import Service


def is_alive(pid):
    """Whether any thread of it may still run: one that has no memory only waits for its end."""
    try:
        tasks = list(pathlib.Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return False
    return any(has_memory(task) for task in tasks)


def has_memory(task):
    try:
        return bool(os.readlink(task / "exe"))
    except (FileNotFoundError, ProcessLookupError):
        return False


def nothing_lost(total, told):
    expect(total["lost"] == total["corrupted"] == total["other"] == 0, f"{total}")
    expect(total["received"] > 0 and total["reordered"] <= sum(told), f"{total}, of {told}")


def kills_under_load(lab):
    """A closed loop: a descriptor that is lost or comes back twice would end it."""
    switch = Service(lab)
    for name in "ab":
        switch.vhost(name)
    for ring in RINGS:
        n, before, times = scaled(5), len(again(switch)), []
        result = bench_load(switch, ring, "loop")
        switch.wait_link("a", "b")
        for _ in range(n):
            time.sleep(random.uniform(0.3, 0.4))
            old = switch.pid
            times.append(switch.kill_keeper())
            expect(not is_alive(old), f"process {old} lives beside {switch.pid}")
        total = result()
        nothing_lost(total, again(switch)[before:])
        say(f"  {ring}: {total['received']} frames, none lost, {total['reordered']} came twice")
        report(f"the keeper killed with {ring} rings", times)
    expect(switch.port("a")["connects"] <= 1, "the front-end had to connect anew")
    switch.stop()


def kills_at_start_up(lab):
    """While front-ends are in the middle of their first messages."""
    switch = Service(lab)
    for name in "ab":
        switch.vhost(name)
    n, times = scaled(4), []
    for i in range(n):
        result = bench_load(switch, RINGS[i % 2], "loop", 0.3)
        time.sleep(random.uniform(0.0, 0.03))
        times.append(switch.kill_keeper())
        total = result()
        expect(total["lost"] == 0 and total["received"] > 0, f"kill {i}: {total}")
    report("the keeper killed while front-ends start", times)
    switch.stop()


def kills_while_it_takes_over(lab):
    """One keeper after the other, at any moment of its start."""
    switch = Service(lab)
    for name in "ab":
        switch.vhost(name)
    n = scaled(4)
    result = bench_load(switch, "packed", "loop")
    switch.wait_link("a", "b")
    for _ in range(n):
        time.sleep(0.2)
        for _ in range(random.randrange(1, 5)):
            switch.kill_keeper(wait=False)
            time.sleep(random.uniform(0, 0.02))
        switch.kill_keeper()
    nothing_lost(result(), again(switch))
    expect(switch.port("a")["connects"] <= 1, "the front-end had to connect anew")
    switch.stop()


def kills_with_testpmd(lab):
    """DPDK's driver, which does not connect again: frames go round between two ports."""
    switch = Service(lab)
    pmd = testpmd_pair.start(lab, switch)
    pmd("set fwd io")
    pmd("start tx_first 4")
    n, times = scaled(4), []
    for i in range(n):
        before = pmd.stats()[0]["RX-packets"]
        time.sleep(0.3)
        times.append(switch.kill_keeper())
        wait_for(lambda: pmd.stats()[0]["RX-packets"] > before + 1000, 10, f"traffic after kill {i}")
    expect("Link status: up" in pmd("show port info 0"), "the link went down")
    report("the keeper killed with testpmd", times)
    pmd.quit()
    switch.stop()


def taps_and_settings_stay(lab):
    """Devices with their carriers, the configuration, addresses, counters."""
    switch = Service(lab)
    host = Netns(lab, "h0")
    switch("port", "add", "tap0", "type", "tap", "netns", host.name)
    switch("port", "add", "one", "type", "dummy", "tag", 5)
    switch("port", "add", "two", "type", "dummy")
    switch("port", "del", "two")
    switch("mac", "add", "02:00:00:00:00:77", "port", "one", "vlan", 5)
    host("ip", "addr", "add", "10.9.0.1/24", "dev", "tap0")
    link = host("ip", "-o", "addr", "show", "dev", "tap0")
    for _ in range(scaled(4)):
        switch.kill_keeper()
        expect(set(switch.ports()) == {"tap0", "one"}, f"ports: {list(switch.ports())}")
    expect("02:00:00:00:00:77" in switch("mac", "show"), "the static MAC address is gone")
    expect(host("ip", "-o", "addr", "show", "dev", "tap0") == link, "the tap is another one")
    changes = int(host("cat", "/sys/class/net/tap0/carrier_changes"))
    expect(changes <= 2, f"{changes} changes of the carrier")
    kill(switch)  # the switch process alone
    switch.kill_keeper()
    expect(set(switch.ports()) == {"tap0", "one"}, f"ports: {list(switch.ports())}")
    switch.stop(1)


def ports_that_go_are_let_go(lab):
    """What the manager holds is what is there."""
    switch = Service(lab)
    empty = len(switch.manager.store)
    for i in range(3):
        for name in "ab":
            switch.vhost(name)
        bench_load(switch, RINGS[i % 2], "loop", 0.2)()
        switch.kill_keeper()
        for name in "ab":
            switch("port", "del", name)
        wait_for(lambda: len(switch.manager.store) <= empty, 5,
                 f"{len(switch.manager.store)} descriptors to become {empty}")
    switch.stop()


def old_switch_is_dead_first(lab):
    """Also one that does not get to hear of anything."""
    switch = Service(lab)
    switch.vhost("vm")
    old = switch.pid
    os.kill(old, signal.SIGSTOP)
    switch.kill_keeper()
    expect(not is_alive(old) and switch.pid != old, f"process {old} lives beside {switch.pid}")
    switch.stop()


def exchange_under_load(lab, make):
    switch = make(lab)
    program = lab.dir / "vireod"
    shutil.copy(switch.build / "vireod", program)
    for name in "ab":
        switch.vhost(name)
    old = switch.pid
    for ring in RINGS:
        n = scaled(3)
        result = bench_load(switch, ring, "loop")
        switch.wait_link("a", "b")
        for _ in range(n):
            time.sleep(random.uniform(0.1, 0.2))
            switch("upgrade", "--keeper", program)
        total = result()
        nothing_lost(total, [])
    switch.find()
    expect(switch.pid == old, "the switch process is another one")
    exe = os.readlink(f"/proc/{switch.process.pid}/exe")
    expect(exe == str(program), f"the keeper is {exe}")
    return switch


def exchange_under_a_manager(lab):
    """The switch process goes on as if nothing had happened; then the keeper can be killed."""
    switch = exchange_under_load(lab, Service)
    result = bench_load(switch, "packed", "loop")
    switch.wait_link("a", "b")
    switch.kill_keeper()
    switch("upgrade", "--keeper", lab.dir / "vireod")
    kill(switch)
    switch("upgrade", lab.dir / "vireod")
    switch.find()
    switch.kill_keeper()
    nothing_lost(result(), again(switch))
    exe = os.readlink(f"/proc/{switch.pid}/exe")
    expect(exe == str(lab.dir / "vireod"), f"the switch process is {exe}, not what it was")
    switch.stop(1)


def exchange_without_a_manager(lab):
    """Nothing is needed for it."""
    switch = exchange_under_load(lab, Switch)
    kill(switch)
    os.kill(switch.process.pid, signal.SIGHUP)
    switch.stop(1)


def exchanges_at_start_up(lab):
    """In the middle of messages: each acts once, and is answered once."""
    switch = Service(lab)
    for name in "ab":
        switch.vhost(name)
    for i in range(scaled(4)):
        result = bench_load(switch, RINGS[i % 2], "loop", 0.3)
        time.sleep(random.uniform(0.0, 0.03))
        switch("upgrade", "--keeper", switch.build / "vireod")
        total = result()
        expect(total["lost"] == 0 and total["received"] > 0, f"exchange {i}: {total}")
    switch.stop()


def exchanges_that_fail(lab):
    """The old keeper goes on, and somebody hears why."""
    switch = Service(lab)
    (lab.dir / "text").write_text("not a program")
    (lab.dir / "garbage").write_bytes(b"\x7fELF" + b"x" * 100)
    os.chmod(lab.dir / "garbage", 0o700)
    for name in ("false", "true"):
        shutil.copy(f"/bin/{name}", lab.dir / name)
    keeper = switch.process.pid
    for name, hint in (("nowhere", "nowhere"), ("text", "no program"), ("garbage", "exit status"),
                       ("false", "exit status 1"), ("true", "exit status 0")):
        text = switch.fails("upgrade", "--keeper", lab.dir / name)
        expect(hint in text, f"{name}: {text!r} lacks {hint!r}")
    expect(switch.process.pid == keeper and switch.manager.starts == 1, "another keeper is there")
    switch.kill_keeper()
    switch.stop()


def manager_hears(lab):
    """States in words, and signs of life."""
    switch = Service(lab, env={"WATCHDOG_USEC": "200000"})
    kill(switch)
    wait_for(lambda: len(switch.manager.ready) == 2, 10, "the second READY=1")
    status = [s["STATUS"] for s in switch.manager.states if "STATUS" in s]
    expect(any(str(switch.pid) in s for s in status) and any("died" in s for s in status), f"{status}")
    n = len(switch.manager.states)
    wait_for(lambda: sum(s.get("WATCHDOG") == "1" for s in switch.manager.states[n:]) >= 3, 10,
             "signs of life")
    switch.stop(1)
    expect(any(s.get("STOPPING") == "1" for s in switch.manager.states), "no STOPPING=1")


main(kills_under_load, kills_at_start_up, kills_while_it_takes_over, kills_with_testpmd,
     taps_and_settings_stay, ports_that_go_are_let_go, old_switch_is_dead_first,
     exchange_under_a_manager, exchange_without_a_manager, exchanges_at_start_up,
     exchanges_that_fail, manager_hears, title=__doc__)
