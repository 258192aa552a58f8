#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
How vireod begins and ends, and what vireo says.

    vireo ---- control socket ---- vireod ---- vm1.sock, a vhost-user port without front-end
"""
import contextlib
import errno
import os
import signal
import socket
import stat

from lab import BUILD, Lab, Switch, expect, main, run, wait_for


def starts_and_ends(lab):
    """SIGTERM ends it with status 0 and takes its sockets along."""
    switch = Switch(lab)
    sock = switch.vhost("vm1")
    expect(stat.S_ISSOCK(sock.stat().st_mode), "the port has no socket")
    port = switch.port("vm1")
    for key in ("name", "type", "link", "rx_packets", "tx_packets", "rx_bytes", "tx_bytes"):
        expect(key in port, f"port show lacks {key}: {port}")
    expect(isinstance(port["drops"], dict), "drops is no object")
    switch.stop()
    expect(not sock.exists(), "the port's socket outlived the daemon")
    expect(not (switch.run_dir / "vireod.sock").exists(), "the control socket outlived the daemon")


def interrupt_ends_it(lab):
    switch = Switch(lab)
    expect(Lab.stop(switch.process, signal.SIGINT) == 0, "SIGINT: status is not 0")


def second_daemon_is_refused(lab):
    switch = Switch(lab)
    status, text = run(BUILD / "vireod", "--run-dir", switch.run_dir, check=False, timeout=20)
    expect(status != 0, "a second vireod started in the same run directory")
    expect(str(switch.run_dir) in text, f"it does not say where: {text}")
    switch("port", "show")
    switch.stop()


def is_refused(path):
    """Whether nobody listens there any more."""
    with socket.socket(socket.AF_UNIX) as s:
        return s.connect_ex(str(path)) == errno.ECONNREFUSED


def stale_sockets_are_replaced(lab):
    """After a crash the files are still there; a new daemon takes their place."""
    switch = Switch(lab)
    path = switch.vhost("vm1")
    for pid in switch.pids:
        with contextlib.suppress(ProcessLookupError):  # without its keeper the other one ends
            os.kill(pid, signal.SIGKILL)
    switch.process.wait()
    control = switch.run_dir / "vireod.sock"
    expect(path.exists() and control.exists(), "no file is left to replace")
    wait_for(lambda: is_refused(control), 10, "the end of the switch process")
    switch.start()
    switch.vhost("vm1")
    switch.stop()


def live_socket_is_refused(lab):
    switch = Switch(lab)
    path = lab.dir / "taken.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        text = switch.fails("port", "add", "vm1", "type", "vhost-user", "path", path)
        expect(str(path) in text, f"it does not say which socket: {text}")
    expect("vm1" not in switch.ports(), "a port that failed is there")
    switch("port", "add", "vm1", "type", "vhost-user", "path", path)
    switch("port", "del", "vm1")
    expect(not path.exists(), "port del leaves the socket behind")
    switch.stop()


def mistakes_are_explained(lab):
    """One line each, with a status that is not 0."""
    switch = Switch(lab)
    for words, hint in ((("prot", "show"), "port"), (("port", "shwo"), "show"),
                        (("port", "show", "nobody"), "nobody"),
                        (("port", "add", "x", "type", "vhost-usr"), "vhost-user"),
                        (("port", "add", "x", "type", "vhost-user"), "path"),
                        (("port", "add", "-x", "type", "dummy"), "-x")):
        text = switch.fails(*words)
        expect(hint in text, f"vireo {' '.join(words)} says {text!r}, without {hint!r}")
        expect(len(text.strip().splitlines()) <= 2, f"more than a line: {text}")
    switch.stop()
    status, text = run(BUILD / "vireo", "--run-dir", switch.run_dir, "port", "show", check=False)
    expect(status != 0 and len(text.splitlines()) == 1, f"without a daemon vireo says: {text}")


def configuration_survives(lab):
    """What was added and saved is there after a restart; a reload applies the difference."""
    config = lab.dir / "vireo.conf"
    config.write_text("bridge add br0\nport add one type dummy\n")
    switch = Switch(lab, args=("--config", config))
    expect(set(switch.ports()) == {"one"}, "the file's port is missing")
    switch("port", "add", "two", "type", "dummy")
    switch("config", "save")
    switch.stop()
    switch.start()
    expect(set(switch.ports()) == {"one", "two"}, "the saved port is missing")
    config.write_text(config.read_text().replace("port add one", "port add three"))
    switch("config", "reload")
    expect(set(switch.ports()) == {"three", "two"}, "the reload did not apply the difference")
    config.write_text("port add one type nonsense\n")
    text = switch.fails("config", "reload")
    expect("one" in text and "vhost-user" in text, f"a bad file is not explained: {text}")
    expect(set(switch.ports()) == {"three", "two"}, "a bad file changed something")
    switch.stop()


def socket_owner_and_mode(lab):
    switch = Switch(lab)
    path = switch.vhost("vm1", "socket-mode", "0660", "group", "nogroup")
    expect(path.stat().st_mode & 0o777 == 0o660, f"mode is {path.stat().st_mode:o}")
    expect(path.stat().st_gid == 65534, "group is not nogroup")
    switch.stop()


def restart_keeps_no_descriptors(lab):
    """Ports that come and go leave no descriptor behind."""
    switch = Switch(lab)
    switch.vhost("vm")
    switch("port", "del", "vm")
    before = switch.fds()
    for _ in range(20):
        switch.vhost("vm")
        switch("port", "del", "vm")
    wait_for(lambda: switch.fds() <= before, 5, "descriptors to be closed")
    switch.stop()


os.umask(0o022)
main(starts_and_ends, interrupt_ends_it, second_daemon_is_refused, stale_sockets_are_replaced,
     live_socket_is_refused, mistakes_are_explained, configuration_survives, socket_owner_and_mode,
     restart_keeps_no_descriptors, title=__doc__)
