#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
The switch process is killed, again and again, and guests do not notice.

    guest a --- a.sock ---.
                          keeper === switch process, killed
    guest b --- b.sock ---'
"""
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import time

import testpmd_pair
from kills import RINGS, again, bench_load, blackouts, kill, report, report_kills, serves_after
from lab import BUILD, Netns, Switch, expect, libc, main, run, say, scaled, wait_for
from tracing import bury, seize

SYS_TGKILL = 234  # x86-64
BODIES_MAX = 2  # of keeper/death.h
GET_FEATURES, SET_VRING_CALL = 1, 13


def kills_under_load(lab):
    """A closed loop: a descriptor that is lost or comes back twice would end it."""
    switch = Switch(lab)
    crashes = 0
    for name in "ab":
        switch.vhost(name)
    for ring in RINGS:
        n, before, told_before = scaled(5), len(blackouts(switch)), len(again(switch))
        pauses = []
        result = bench_load(switch, ring, "loop")
        switch.wait_link("a", "b")
        for _ in range(n):
            time.sleep(random.uniform(0.3, 0.4))
            pauses.append(kill(switch))
        total = result()
        crashes += n
        expect(total["lost"] == 0 and total["corrupted"] == 0 and total["other"] == 0,
               f"{ring}: {total}")
        told = again(switch)[told_before:]
        say(f"  {ring}: {total['received']} frames, none lost, {total['reordered']} came twice, "
            f"of {sum(told)} that might have")
        expect(len(told) == 2 * n and max(told) <= 32, f"{ring}: frames taken again: {told}")
        expect(total["reordered"] <= sum(told), f"{ring}: {total}, of {told} that it told of")
        report_kills(f"killed with {ring} rings", pauses, blackouts(switch)[before:])
    expect(switch.port("a")["connects"] <= 1, "the front-end had to connect anew")
    switch.stop(crashes)


def kills_at_start_up(lab):
    """While front-ends are in the middle of their first messages."""
    switch = Switch(lab)
    for name in "ab":
        switch.vhost(name)
    n, pauses = scaled(5), []
    for i in range(n):
        result = bench_load(switch, RINGS[i % 2], "loop", 0.3)
        time.sleep(random.uniform(0.0, 0.03))
        pauses.append(kill(switch))
        total = result()
        expect(total["lost"] == 0 and total["received"] > 0, f"kill {i}: {total}")
    report_kills("killed while front-ends start", pauses, blackouts(switch))
    switch.stop(n)


def kills_with_testpmd(lab):
    """DPDK's driver: 128 frames of each guest go round, and as many come as were sent."""
    for ring, driver in zip(RINGS, ("", ",packed_vq=1")):
        switch = Switch(lab)
        pmd = testpmd_pair.start(lab, switch, driver="mrg_rxbuf=1,in_order=0" + driver)
        pmd("set fwd io")
        pmd("start tx_first 4")
        n, pauses = scaled(4), []
        for i in range(n):
            before = pmd.stats()[0]["RX-packets"]
            time.sleep(0.3)
            pauses.append(kill(switch))
            wait_for(lambda: pmd.stats()[0]["RX-packets"] > before + 1000, 10,
                     f"traffic after kill {i}")
        expect("Link status: up" in pmd("show port info 0"), "the link went down")
        guests, _ = testpmd_pair.settle(pmd, switch)
        for here, there in (guests, guests[::-1]):
            twice = there["RX-packets"] - here["TX-packets"]
            expect(0 <= twice <= sum(again(switch)), f"{ring}: {twice} frames too many; {guests}")
        report_kills(f"killed with testpmd, {ring} rings", pauses, blackouts(switch))
        pmd.quit()
        switch.stop(n)


def bodies_are_left_behind(lab):
    """The next process serves while the kernel still has the one before; but not any number of
    them."""
    if tuple(int(n) for n in os.uname().release.split(".")[:2]) < (5, 16):
        return  # its keepers wait for the end
    switch = Switch(lab)
    for name in "ab":
        switch.vhost(name)
    result = bench_load(switch, "packed", "loop")
    switch.wait_link("a", "b")
    bodies = []
    for _ in range(BODIES_MAX):
        time.sleep(0.3)  # deaths at once would be slowed down
        bodies.append(switch.pid)
        seize(switch.pid)
        kill(switch)
    time.sleep(0.3)
    last, n = switch.pid, len(blackouts(switch))
    seize(last)
    os.kill(last, signal.SIGKILL)
    time.sleep(0.3)
    expect(len(blackouts(switch)) == n, f"a process beside {len(bodies)} bodies and {last}")
    for pid in (*bodies, last):
        bury(pid)
    wait_for(lambda: serves_after(switch, last), 20, "a new switch process")
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in (*bodies, last)), 20,
             "the keeper to take note of their ends")
    total = result()
    expect(total["lost"] == 0 and total["received"] > 0, f"{total}")
    switch.stop(BODIES_MAX + 1)


def front_end_leaves_meanwhile(lab):
    """A front-end that goes while no switch process lives is forgotten."""
    switch = Switch(lab)
    for name in "ab":
        switch.vhost(name)
    fds = switch.fds()
    guests = bench_load(switch, "split", "loop").process
    switch.wait_link("a", "b")
    os.kill(switch.pid, signal.SIGSTOP)  # it sees nothing of what follows
    guests.kill()
    guests.wait()
    time.sleep(0.1)
    kill(switch)
    wait_for(lambda: not any(p["connected"] for p in switch.ports().values()), 5, "the end")
    wait_for(lambda: switch.fds() <= fds, 5, "descriptors to be closed")
    switch.stop(1)


def what_was_configured_stays(lab):
    """What was changed since the start is there after a crash; what was deleted is not."""
    switch = Switch(lab)
    switch.vhost("vm", "tag", 5)
    switch("port", "add", "one", "type", "dummy")
    switch("port", "add", "two", "type", "dummy")
    switch("port", "del", "two")
    switch("mac", "add", "02:00:00:00:00:77", "port", "one")
    kill(switch)
    expect(set(switch.ports()) == {"vm", "one"}, f"ports: {list(switch.ports())}")
    expect("tag 5" in switch("config", "show"), f"{switch('config', 'show')}")
    expect("02:00:00:00:00:77" in switch("mac", "show"), "the static MAC address is gone")
    switch("port", "del", "vm")
    kill(switch)
    expect(set(switch.ports()) == {"one"}, f"ports: {list(switch.ports())}")
    switch.stop(2)


def what_was_learned_stays(lab):
    """Counters and MAC addresses are those of before; what was learned on a port that is gone is not
    there."""
    switch = Switch(lab)
    for name in "ab":
        switch.vhost(name)
    bench_load(switch, "split", "loop", 0.3)()
    before = {n: (p["rx_packets"], p["tx_packets"]) for n, p in switch.ports().items()}
    macs = sorted((m["mac"], m["port"]) for m in switch.json("mac", "show"))
    expect(len(macs) == 2 and before["a"][0] > 0, f"{macs} {before}")
    kill(switch)
    after = {n: (p["rx_packets"], p["tx_packets"]) for n, p in switch.ports().items()}
    expect(before == after, f"counters: {before}, and {after} after the crash")
    now = sorted((m["mac"], m["port"]) for m in switch.json("mac", "show"))
    expect(macs == now, f"addresses: {macs}, and {now} after the crash")
    switch("port", "del", "a")
    kill(switch)
    now = [(m["mac"], m["port"]) for m in switch.json("mac", "show")]
    expect(now == [m for m in macs if m[1] == "b"], f"addresses without port a: {now}")
    switch.vhost("a")
    expect(switch.port("a")["rx_packets"] == 0, "a new port has the counters of an old one")
    switch.stop(2)


def taps_stay(lab):
    """The kernel keeps the device, its address and its carrier."""
    switch = Switch(lab)
    hosts = [Netns(lab, name) for name in ("h0", "h1")]
    for i, host in enumerate(hosts):
        switch("port", "add", f"tap{i}", "type", "tap", "netns", host.name, "queues", 1 + 10 * i)
        host("ip", "addr", "add", f"10.9.0.{i + 1}/24", "dev", f"tap{i}")
    hosts[0]("ping", "-q", "-c", "2", "-W", "2", "10.9.0.2")
    links = [host("ip", "-o", "link", "show", "dev", f"tap{i}") for i, host in enumerate(hosts)]
    n = scaled(5)
    for _ in range(n):
        time.sleep(0.3)  # deaths at once would be slowed down
        kill(switch)
        hosts[0]("ping", "-q", "-c", "1", "-W", "2", "10.9.0.2")
    after = [host("ip", "-o", "link", "show", "dev", f"tap{i}") for i, host in enumerate(hosts)]
    expect(links == after, f"devices: {links}, and {after} after {n} crashes")
    for i, host in enumerate(hosts):
        changes = int(host("cat", f"/sys/class/net/tap{i}/carrier_changes"))
        expect(changes <= 2, f"tap{i}: {changes} changes of the carrier")
    switch("port", "del", "tap1")
    wait_for(lambda: hosts[1].status("ip", "link", "show", "dev", "tap1") != 0, 5, "tap1 to go")
    switch.stop(n)


def upgrades_under_load(lab):
    """Another program takes over at the end of a batch: nothing is lost, nothing comes twice."""
    switch = Switch(lab)
    program = lab.dir / "vireod"
    shutil.copy(switch.build / "vireod", program)
    for name in "ab":
        switch.vhost(name)
    for ring in RINGS:
        n, before = scaled(5), len(blackouts(switch))
        result = bench_load(switch, ring, "loop")
        switch.wait_link("a", "b")
        for _ in range(n):
            time.sleep(random.uniform(0.2, 0.3))
            text = switch("upgrade", program)
            old = switch.pid
            switch.find()
            expect(switch.pid != old and str(switch.pid) in text, f"{old} {switch.pid}: {text}")
        total = result()
        expect(total["lost"] == total["reordered"] == total["corrupted"] == 0, f"{ring}: {total}")
        expect(not any(again(switch)), f"{ring}: frames were left in the middle: {again(switch)}")
        report(f"upgraded with {ring} rings", blackouts(switch)[before:], "it was to leave")
    switch.stop()


def upgrades_that_fail(lab):
    """The old program goes on, and somebody hears why."""
    switch = Switch(lab)
    for name in "ab":
        switch.vhost(name)
    result = bench_load(switch, "packed", "loop")
    switch.wait_link("a", "b")
    (lab.dir / "text").write_text("not a program")
    shutil.copy("/bin/false", lab.dir / "false")
    shutil.copy("/bin/true", lab.dir / "theirs")
    shutil.copy("/bin/true", lab.dir / "open")
    shutil.copy("/bin/sleep", lab.dir / "hangs")
    os.chown(lab.dir / "theirs", 65534, 65534)
    os.chmod(lab.dir / "open", 0o777)
    os.mkfifo(lab.dir / "pipe", 0o700)
    for name, hint in (("nowhere", "nowhere"), ("text", "no program"), ("pipe", "no program"), ("false", "exit status 1"),
                       ("theirs", "root"), ("open", "root")):
        text = switch.fails("upgrade", lab.dir / name)
        expect(hint in text, f"{name}: {text!r} lacks {hint!r}")
    old = switch.pid
    switch.find()
    expect(switch.pid == old, "another process serves")
    total = result()
    expect(total["lost"] == total["reordered"] == total["corrupted"] == 0, f"{total}")
    switch.stop()


def crash_a_worker(switch):
    """As a bug would, in the thread that moves packets."""
    tasks = pathlib.Path(f"/proc/{switch.pid}/task").iterdir()
    worker = next(t.name for t in tasks if "worker" in (t / "comm").read_text())
    old = switch.pid
    libc.syscall(SYS_TGKILL, switch.pid, int(worker), int(signal.SIGSEGV))
    wait_for(lambda: serves_after(switch, old), 20, "a new switch process")


def a_port_that_makes_it_crash(lab):
    """Three crashes in a row while the switch works for one port: then that one is left out."""
    for name in ("ASAN_OPTIONS", "TSAN_OPTIONS"):  # they need not tell of faults that are wanted
        lab.stack.callback(os.environ.__setitem__, name, os.environ.get(name, ""))
        os.environ[name] = os.environ.get(name, "") + ":handle_segv=0"
    switch = Switch(lab)
    for name in ("evil", "good", "other"):
        switch.vhost(name)
    switch("worker", "set", "poll", "always")
    process = subprocess.Popen([str(w) for w in (
        BUILD / "vireo", "bench", switch.run_dir / "evil.sock", "load", "open", "seconds", 60,
        "check", "off", "hugepages", "off")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    lab.stack.callback(process.kill)
    switch.wait_link("evil")
    crashes = 0
    while not switch.port("evil").get("quarantined") and crashes < 30:
        crash_a_worker(switch)  # now and then between two batches, when nobody is to blame
        crashes += 1
        time.sleep(0.3)
    port = switch.port("evil")
    expect(port.get("quarantined") and port["type"] == "vhost-user", f"after {crashes}: {port}")
    expect(not switch.port("good").get("quarantined"), "a port that did nothing is in quarantine")
    process.kill()
    process.wait()
    text = switch.fails("port", "set", "evil", "mtu", 1400)
    expect("quarantine" in text, f"it does not say why: {text}")
    result = bench_load(switch, "split", "loop", 0.3, ("good", "other"))
    expect(result()["lost"] == 0, "the others do not go on")
    switch("port", "del", "evil")
    switch.vhost("evil")
    expect(not switch.port("evil").get("quarantined"), "it is not let out")
    kill(switch)
    expect(not switch.port("evil").get("quarantined"), "it is back in quarantine")
    say(f"  in quarantine after {crashes} crashes")
    switch.stop(crashes + 1)


def front_end(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(30)
    sock.connect(str(path))
    return sock


def send_call_fd(sock):
    fd = os.eventfd(0)
    socket.send_fds(sock, [struct.pack("=IIIQ", SET_VRING_CALL, 1, 8, 0)], [fd])
    os.close(fd)


def is_answered(sock):
    sock.sendall(struct.pack("=III", GET_FEATURES, 1, 0))
    return len(sock.recv(100)) == 20


def is_closed(connection):
    """Whether nothing comes but the end; a reset when the other side had something left to read."""
    try:
        return connection.recv(100) == b""
    except ConnectionResetError:
        return True


def set_flag(path, value):
    """In the file as it is: somebody has mapped it."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    os.write(fd, value)
    os.close(fd)


def a_message_that_makes_it_crash(lab):
    """It is not handed out for ever: its connection is closed, and others go on."""
    flag = lab.dir / "crash"
    set_flag(flag, b"0")
    if b"__sanitizer" in (BUILD / "vireod").read_bytes():
        return  # they want to be the first library
    switch = Switch(lab, wrap=("env", f"LD_PRELOAD={BUILD}/tests/e2e/libcrasher.so", f"CRASH_IF={flag}"))
    evil, good = [front_end(switch.vhost(name)) for name in ("evil", "good")]
    expect(is_answered(evil) and is_answered(good), "front-ends are not served")
    set_flag(flag, b"1")
    send_call_fd(evil)
    expect(is_closed(evil), "the message was answered")
    expect(is_answered(good), "the other front-end is not served")
    switch.find()
    why = switch.port("evil").get("last_error", "")
    expect("crashed 2 times" in why and "SET_VRING_CALL" in why, f"the port says: {why!r}")
    set_flag(flag, b"0")
    evil = front_end(switch.run_dir / "evil.sock")
    send_call_fd(evil)
    expect(is_answered(evil), "the next front-end is not served")
    # a third time, and the port is to blame
    set_flag(flag, b"1")
    send_call_fd(evil)
    expect(is_closed(evil), "the message was answered")
    expect(is_answered(good), "the other front-end is not served")
    switch.find()
    expect(switch.port("evil").get("quarantined"), "it is not in quarantine")
    switch.stop(3)


def what_was_reloaded_stays(lab):
    """So is what came with SIGHUP, though nobody has asked for anything since."""
    config = lab.dir / "vireo.conf"
    config.write_text("port add one type dummy\n")
    switch = Switch(lab, args=("--config", config))
    path = switch.run_dir / "vm.sock"
    config.write_text(f"port add vm type vhost-user path {path}\n")
    os.kill(switch.process.pid, signal.SIGHUP)
    wait_for(lambda: set(switch.ports()) == {"vm"}, 20, "the new port")
    kill(switch)
    expect(set(switch.ports()) == {"vm"}, f"ports: {list(switch.ports())}")
    # one that comes while the next process starts waits for it
    config.write_text("port add two type dummy\n")
    os.kill(switch.pid, signal.SIGKILL)
    for _ in range(50):
        os.kill(switch.process.pid, signal.SIGHUP)
        time.sleep(0.0005)
    wait_for(lambda: not path.exists(), 10, "the port to go")
    wait_for(lambda: set(switch.ports()) == {"two"}, 10, "the new one")
    switch.stop(2)


def crash_loop_is_slowed_down(lab):
    """Processes that die before they serve."""
    switch, killed = Switch(lab), []
    children = pathlib.Path(f"/proc/{switch.process.pid}/task/{switch.process.pid}/children")
    for _ in range(5):
        new = wait_for(lambda: set(map(int, children.read_text().split())) - set(killed), 30, "a process")
        switch.pid = new.pop()
        os.kill(switch.pid, signal.SIGKILL)
        killed.append(switch.pid)
    wait_for(lambda: serves_after(switch, killed[-1]), 30, "the process that is left alone")
    log = switch.process.log.read_text(errors="replace")
    expect(re.search(r"died \d+ times in a row: the next start is in \d+ ms", log), log)
    switch.stop(5)


def keeper_dies(lab):
    """Without its keeper the switch process ends; a new daemon takes the place of both."""
    switch = Switch(lab)
    switch.vhost("vm")
    old = switch.pid
    switch.process.kill()
    switch.process.wait()
    wait_for(lambda: not os.path.exists(f"/proc/{old}"), 5, "the switch process to end")
    switch.start()
    switch.vhost("vm")
    switch.stop()


def first_start_fails(lab):
    """What is wrong is said once, and the status is 1."""
    (lab.dir / "bad.conf").write_text("port add x type dummy colour red\n")
    status, text = run(BUILD / "vireod", "--run-dir", lab.dir, "--config", lab.dir / "bad.conf",
                       check=False, timeout=20)
    expect(status == 1 and "colour" in text, f"status {status}: {text}")


main(what_was_configured_stays, what_was_reloaded_stays, what_was_learned_stays, taps_stay,
     kills_under_load, kills_at_start_up, kills_with_testpmd, bodies_are_left_behind,
     front_end_leaves_meanwhile, upgrades_under_load, upgrades_that_fail,
     a_port_that_makes_it_crash, a_message_that_makes_it_crash, crash_loop_is_slowed_down,
     keeper_dies, first_start_fails, title=__doc__)
