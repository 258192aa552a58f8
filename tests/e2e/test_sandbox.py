#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
What the switch process may do: little; what it tries beyond is its end, and the keeper goes on.

    vireo, as several users ---- control socket --- keeper, root
                                                      |
    guest a --- a.sock ---.                           |
                          === switch process, vireo or nobody, in a sandbox
    guest b --- b.sock ---'
"""
import json
import os
import pathlib
import pwd
import re
import socket
import struct
import subprocess

from kills import bench_load, serves_after
from lab import BUILD, Netns, Switch, expect, main, run, wait_for
from tracing import call, threads

SYS_OPENAT, SYS_SOCKET = 257, 41  # x86-64
SOMEBODY, GROUP, STRANGER = 4242, 4343, 4444
SLACK = 20
SANITIZED = b"__sanitizer" in (BUILD / "vireod").read_bytes()


def status_of(pid, tid=None):
    path = pathlib.Path(f"/proc/{pid}/task/{tid or pid}/status")
    return dict(line.split(":\t", 1) for line in path.read_text().splitlines() if ":\t" in line)


def usual_user():
    for name in ("vireo", "nobody"):
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            pass
    return 65534


def little_is_left(switch, uid):
    """Of each thread: no capability, no new privileges, a filter, and nobody else's user."""
    for tid in threads(switch.pid).values():
        # the thread that frees memory gets its filter the first time that it does so
        wait_for(lambda: SANITIZED or status_of(switch.pid, tid)["Seccomp"] == "2", SLACK,
                 f"a filter of thread {tid}")
        status = status_of(switch.pid, tid)
        for key in ("CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd"):
            expect(int(status[key], 16) == 0, f"{status['Name']}: {key} {status[key]}")
        expect(status["NoNewPrivs"] == "1", f"{status['Name']}: new privileges")
        expect(status["Uid"].split() == [str(uid)] * 4, f"{status['Name']}: {status['Uid']}")
        expect(not status["Groups"].strip(), f"{status['Name']}: groups {status['Groups']}")
    for kind in ("mnt", "ipc", "uts"):
        expect(os.readlink(f"/proc/{switch.pid}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}"),
               f"the namespace {kind} is not its own")
    seen = sorted(os.listdir(f"/proc/{switch.pid}/root"))
    expect(seen == ["proc", "sys"], f"it sees {seen}")


def status(lab):
    """From the first process on, after a crash, and after an upgrade."""
    switch = Switch(lab, workers=2)
    little_is_left(switch, usual_user())
    old = switch.pid
    os.kill(old, 9)
    wait_for(lambda: serves_after(switch, old), SLACK, "another switch process")
    little_is_left(switch, usual_user())
    switch("upgrade", BUILD / "vireod")
    switch.find()
    little_is_left(switch, usual_user())
    switch.stop(1)


def inherited_files(lab):
    """What is open where the keeper is started does not get into the sandbox."""
    switch = Switch(lab, wrap=("sh", "-c", 'exec 9<"$0"; exec "$@"', __file__))
    expect(any(os.readlink(f"/proc/{switch.process.pid}/fd/{fd}") == os.path.realpath(__file__)
               for fd in os.listdir(f"/proc/{switch.process.pid}/fd")), "the keeper has no such file")
    for fd in os.listdir(f"/proc/{switch.pid}/fd"):
        name = os.readlink(f"/proc/{switch.pid}/fd/{fd}")
        expect(name != os.path.realpath(__file__), f"file {fd} of the switch is {name}")
    switch.stop()


def users(lab):
    switch = Switch(lab, args=("--user", SOMEBODY))
    little_is_left(switch, SOMEBODY)
    switch.stop()
    switch = Switch(lab, args=("--user", "root"))
    little_is_left(switch, 0)
    switch.stop()
    state, text = run(BUILD / "vireod", "--run-dir", lab.dir, "--user", "no-such-user", check=False)
    expect(state == 1 and "no-such-user" in text, f"{state} {text}")


def forbidden_calls(lab):
    """They are not made, they are told by name, and the next process goes on under load."""
    if SANITIZED:
        return
    switch = Switch(lab)
    for name in "ab":
        switch.vhost(name)
    result = bench_load(switch, "packed", "loop")
    switch.wait_link("a", "b")
    for thread, who, number, name in (("vireo-worker0", "worker", SYS_OPENAT, "openat"),
                                      ("vireod", "control thread", SYS_SOCKET, "socket")):
        old = switch.pid
        ids = threads(old)
        call(old, ids.get(thread, old), number)
        wait_for(lambda: serves_after(switch, old), SLACK, f"another process after {name}")
        log = switch.process.log.read_text()
        expect(f"a {who} of the switch process {old}" in log and f"forbidden system call: {name}" in log,
               f"{who}, {name}: {log}")
        expect("killed by signal 31" in log, f"{who}: not by SIGSYS: {log}")
    expect(result()["lost"] == 0, "frames were lost")
    switch.stop(2)


def what_it_needs(lab):
    """Taps with another MTU, owners of sockets, files, the configuration: by way of the keeper."""
    config, capture = lab.dir / "vireo.conf", lab.dir / "capture.pcap"
    switch = Switch(lab, args=("--config", config))
    host = Netns(lab, "h")
    switch("port", "add", "t", "type", "tap", "netns", host.name, "queues", 9)
    switch("port", "set", "t", "mtu", 1400)
    expect("mtu 1400" in host("ip", "link", "show", "t"), host("ip", "link", "show", "t"))
    vm = switch.run_dir / "vm.sock"
    switch("port", "add", "vm", "type", "vhost-user", "path", vm, "owner", "nobody", "group", GROUP)
    expect((vm.stat().st_uid, vm.stat().st_gid) == (pwd.getpwnam("nobody").pw_uid, GROUP),
           f"{vm.stat()}")
    text = switch.fails("port", "add", "x", "type", "vhost-user", "path", lab.dir / "x", "owner",
                        "no-such-user")
    expect("no-such-user" in text, text)
    text = switch.fails("port", "add", "x", "type", "tap", "netns", "no-such-namespace")
    expect("no-such-namespace" in text, text)
    switch("port", "add", "file", "type", "pcap", "file", capture, "direction", "write")
    switch("config", "save")
    expect("port add vm" in config.read_text() and config.stat().st_uid == 0, config.read_text())
    switch("config", "reload")
    old = switch.pid
    os.kill(old, 9)
    wait_for(lambda: serves_after(switch, old), SLACK, "another switch process")
    expect(set(switch.ports()) == {"t", "vm", "file"}, f"{switch.ports()}")
    expect(switch.port("file")["state"] == "active", f"{switch.port('file')}")
    switch.stop(1)
    expect(not vm.exists() and not (switch.run_dir / "vireod.sock").exists(), "sockets are left")


def as_user(switch, uid, gid, *words):
    done = subprocess.run([str(w) for w in (BUILD / "vireo", "--run-dir", switch.run_dir, *words)],
                          user=uid, group=gid, extra_groups=[], text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    return done.returncode, done.stdout


def rights(lab):
    """Root may do everything, the group all but exchange programs, others nothing."""
    lab.dir.chmod(0o755)
    switch = Switch(lab, args=("--group", GROUP, "--user", SOMEBODY))
    state, text = as_user(switch, STRANGER, GROUP, "port", "add", "p", "type", "dummy")
    expect(state == 0, f"the group may not add a port: {text}")
    state, text = as_user(switch, STRANGER, GROUP, "upgrade", BUILD / "vireod")
    expect(state != 0 and "only root" in text, f"the group may exchange the program: {text}")
    for uid in (STRANGER, SOMEBODY):  # not even who the switch itself is
        state, text = as_user(switch, uid, STRANGER, "port", "show")
        expect(state != 0 and "no permission" in text, f"user {uid} may read: {text}")
    # who gets in by the file's mode is still asked who he is
    (switch.run_dir / "vireod.sock").chmod(0o666)
    for uid in (STRANGER, SOMEBODY):
        state, text = as_user(switch, uid, STRANGER, "port", "show")
        expect(state != 0 and f"members of group {GROUP} may" in text, f"user {uid}: {text}")
    switch.stop()


def ask(switch, method, params, *files):
    """Calls a method, and returns what went wrong. A process that leaves answers nobody."""
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    with socket.socket(socket.AF_UNIX) as control:
        control.settimeout(SLACK)
        control.connect(str(switch.run_dir / "vireod.sock"))
        socket.send_fds(control, [(json.dumps(request) + "\n").encode()], files)
        line = control.makefile().readline()
    return json.loads(line or "{}").get("error", {}).get("message", "")


def why_not(switch, program, order):
    """Why an upgrade with that file as the order is none."""
    params = {"path": str(program), "fd": 0}
    return ask(switch, "upgrade", params, order) or ask(switch, "upgrade.result", {})


def give_order(end, text):
    """Root says that, and that it is root."""
    who = struct.pack("iII", os.getpid(), os.geteuid(), os.getegid())
    end.sendmsg([text.encode()], [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, who)])


def orders(lab):
    """What the switch itself asks for is not enough: the keeper wants to see root's own order."""
    switch = Switch(lab)
    old, program = switch.pid, BUILD / "vireod"
    why = ask(switch, "upgrade", {"path": str(program)})
    expect("sent with the request" in why, f"without an order: {why}")
    with open("/dev/null", "rb") as null:
        why = why_not(switch, program, null.fileno())
        expect("root has not ordered it" in why, f"with any file: {why}")
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with mine, theirs:
        give_order(mine, "vireo upgrade /bin/false")
        why = why_not(switch, program, theirs.fileno())
        expect("root has ordered something else" in why, f"with another order: {why}")
        expect(switch.json("version")["vireod"]["pid"] == old, "another process serves")
        give_order(mine, f"vireo upgrade {program}")
        ask(switch, "upgrade", {"path": str(program), "fd": 0}, theirs.fileno())
        wait_for(lambda: serves_after(switch, old), SLACK, "the new switch process")
    switch.stop()


def not_by_root(lab):
    """It gives up what there is, and works as it may."""
    lab.dir.chmod(0o755)
    run_dir = lab.dir / "own"
    run_dir.mkdir()
    os.chown(run_dir, SOMEBODY, SOMEBODY)
    process = lab.spawn("vireod", [BUILD / "vireod", "--run-dir", run_dir], user=SOMEBODY,
                        group=SOMEBODY, extra_groups=[])
    wait_for(lambda: run(BUILD / "vireo", "--run-dir", run_dir, "version", check=False)[0] == 0, SLACK,
             "the switch")
    state, text = run(BUILD / "vireo", "--run-dir", run_dir, "port", "add", "p", "type",
                      "vhost-user", "path", run_dir / "p.sock")
    expect(state == 0, text)
    text = run(BUILD / "vireo", "--run-dir", run_dir, "-j", "version")[1]
    pid = int(re.search(r'"pid": (\d+)', text).group(1))
    found = status_of(pid)
    expect(found["NoNewPrivs"] == "1" and (SANITIZED or found["Seccomp"] == "2"), f"{found}")
    expect(lab.stop(process) == 0, process.log.read_text())
    expect(not (run_dir / "vireod.sock").exists(), "the control socket is left")


main(status, inherited_files, users, forbidden_calls, what_it_needs, rights, orders, not_by_root,
     title=__doc__)
