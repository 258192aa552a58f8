#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
What vireo does beside asking: exit codes, files, help, completion, top, and the manual pages.

    root, or nobody ---- vireo ---- control socket ---- vireod
"""
import fcntl
import json
import os
import pty
import select
import shutil
import socket
import struct
import termios
import time

from lab import BUILD, TOP, Switch, expect, main, run, wait_for

NOBODY = 65534
PCAP_HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)


def status_of(switch, *words):
    return run(BUILD / "vireo", "--run-dir", switch.run_dir, *words, check=False)


def as_nobody(switch, group, *words):
    program = switch.lab.dir / "vireo"  # nobody may not reach the build directory
    if not program.exists():
        shutil.copy(BUILD / "vireo", program)
        os.chmod(program, 0o755)
        os.chmod(switch.lab.dir, 0o755)
    # ... nor the file that the sanitizer's options name
    return run("env", "-u", "TSAN_OPTIONS", "setpriv", f"--reuid={NOBODY}", f"--regid={group}",
               "--clear-groups", program, "--run-dir", switch.run_dir, *words, check=False)


def exit_codes(lab):
    switch = Switch(lab)
    for words, status, hint in (
            (("port", "show"), 0, "NAME"), (("port",), 0, "NAME"), (("help",), 0, "usage"),
            (("port", "show", "nobody"), 1, "nobody"), (("port", "del", "x"), 1, "x"),
            ((), 2, "object"), (("prot",), 2, "port"), (("port", "ad"), 2, "add"),
            (("port", "add", "x"), 2, "KIND"), (("port", "show", "-j"), 2, "options come first"),
            (("port", "show", "--run-dir", "x"), 2, "options come first"),
            (("port", "add", "x", "type", "tap", "mtu"), 2, "needs a value"),
            (("port", "add", "x", "type", "tap", "mtu", "1", "mtu", "2"), 2, "twice"),
            (("port", "add", "x", "type", "tap", "file", "f"), 2, "pcap"),
            (("bridge", "del", "br0"), 1, "always there"),
            (("bridge", "set", "br0", "mac-aging-time", "default"), 0, ""),
            (("--bad", "port"), 2, "--bad"), (("top",), 2, "terminal")):
        got, text = status_of(switch, *words)
        expect(got == status, f"vireo {' '.join(words)}: status {got}, not {status}: {text}")
        expect(hint in text, f"vireo {' '.join(words)} does not say {hint!r}: {text}")
    switch.stop()
    got, text = status_of(switch, "port")
    expect(got == 3 and str(switch.run_dir) in text, f"without a daemon: {got}: {text}")


def who_may(lab):
    """Root and the group, nobody else."""
    switch = Switch(lab)
    status, text = as_nobody(switch, NOBODY, "port")
    expect(status == 3 and "permission" in text, f"anybody may: {status}: {text}")
    switch.stop()
    switch = Switch(lab, args=("--group", "4242"))
    expect(as_nobody(switch, 4242, "port")[0] == 0, "the group may not")
    status, text = as_nobody(switch, NOBODY, "port")
    expect(status == 3 and "permission" in text, f"anybody may: {status}: {text}")
    switch.stop()


def call(switch, method, **params):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(switch.run_dir / "vireod.sock"))
        request = {"jsonrpc": "2.0", "method": method, "params": params, "id": 1}
        sock.sendall(json.dumps(request).encode() + b"\n")
        return json.loads(sock.makefile().readline())


def files_with_the_callers_rights(lab):
    """A member of the group can send no file of root's into the switch, nor overwrite one."""
    switch = Switch(lab, args=("--group", "4242"))
    secret = lab.dir / "secret.pcap"
    secret.write_bytes(PCAP_HEADER)
    secret.chmod(0o600)
    for direction in ("read", "write"):
        words = ("port", "add", "p", "type", "pcap", "file", secret, "direction", direction)
        status, text = as_nobody(switch, 4242, *words)
        expect(status == 1 and "Permission denied" in text, f"{direction}: {status}: {text}")
    answer = call(switch, "port.add", name="p", type="pcap", file=str(secret))
    expect("error" in answer, f"the daemon opened a file for a client: {answer}")
    link = lab.dir / "link.pcap"
    link.symlink_to(secret)
    switch("port", "add", "p", "type", "pcap", "file", link)
    expect(switch.port("p")["file"] == str(secret), "a link hides which file it is")
    wait_for(lambda: not switch.port("p")["link"], 10, "the end of the file")
    expect(secret.read_bytes() == PCAP_HEADER, "the file was changed")
    switch.stop()


def options_of(switch):
    """All options there are, by the daemon's own word."""
    described = call(switch, "describe")["result"]
    lists = [described["bridge"], described["port"]["common"]]
    lists += [kind["options"] for name, kind in described["port"]["kinds"].items()
              if name != "dummy"]
    return {option["name"] for options in lists for option in options}, described


def manual_is_complete(lab):
    """Each option, kind, drop reason, limit and command stands in vireo(1), each of vireod's in vireod(8)."""
    switch = Switch(lab)
    manual = (TOP / "doc/man/vireo.1.scd").read_text()
    options, described = options_of(switch)
    words = options | set(described["drops"]) | set(described["port"]["kinds"])
    words |= set(switch.json("stats", "show")["limits"])
    missing = {word for word in words if f"*{word}*" not in manual.replace(" type ", " ")}
    missing -= {kind for kind in described["port"]["kinds"] if f"*type {kind}*" in manual}
    expect(not missing, f"vireo(1) lacks {missing}")
    for name in ("bridge", "port", "mac", "flow", "group", "meter", "cache", "worker", "stats", "log", "config", "top", "version"):
        text = switch(name, "help")
        for line in text.splitlines():
            command = line.strip().split()[:3]
            if command[:1] == ["vireo"]:
                expect("*" + " ".join(command) in manual, f"vireo(1) lacks {command}")
    daemon_manual = (TOP / "doc/man/vireod.8.scd").read_text()
    for line in run(BUILD / "vireod", "--help")[1].splitlines():
        if line.startswith("  --"):
            expect(f"*{line.split()[0]}*" in daemon_manual, f"vireod(8) lacks {line.split()[0]}")
    switch.stop()


def help_lists_options(lab):
    switch = Switch(lab)
    _, described = options_of(switch)
    for kind, about in described["port"]["kinds"].items():
        text = switch("port", "add", "x", "type", kind, "help")
        for option in about["options"] + described["port"]["common"]:
            expect(f"  {option['name']} " in text, f"help of {kind} lacks {option['name']}")
    expect("did you mean \"tap\"" in switch.fails("port", "add", "x", "type", "tip", "help"),
           "an unknown kind is not explained")
    switch.stop()


def complete(switch, line):
    """What bash offers after @line."""
    script = """
        source "$1"; PATH=$2:$PATH; line=$3
        read -ra COMP_WORDS <<<"$line"
        [[ $line == *" " ]] && COMP_WORDS+=("")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _vireo; printf '%s\\n' "${COMPREPLY[@]}" """
    return set(run("bash", "-c", script, "bash", TOP / "src/cli/vireo.bash", BUILD,
                   f"vireo --run-dir {switch.run_dir} {line}")[1].split())


def completion(lab):
    switch = Switch(lab)
    switch("port", "add", "vm1", "type", "dummy")
    switch("bridge", "add", "lan")
    for line, words in (("", {"port", "bridge", "help"}), ("po", {"port"}),
                        ("port sh", {"show"}), ("port show ", {"vm1"}), ("bridge del ", {"lan"}),
                        ("port add x type ", {"tap", "vhost-user"}),
                        ("port add x type vhost-user ", {"path", "mode", "bridge"}),
                        ("port add x type vhost-user mode ", {"listen", "connect"}),
                        ("port add x bridge ", {"br0", "lan"}),
                        ("port add x type tap existing ", {"on", "off"}),
                        ("log set ", {"all", "rpc"}), ("log set rpc d", {"debug"}),
                        ("mac flush port ", {"vm1"}), ("worker set poll ", {"always"}),
                        ("worker set port vm1 queue 0 worker ", {"auto"}), ("help po", {"port"})):
        got = complete(switch, line)
        expect(words <= got, f"after {line!r} bash offers {got}, without {words - got}")
    got = complete(switch, "port set vm1 ")
    expect("mtu" in got and "bridge" not in got, f"port set offers {got}")
    switch.stop()
    expect("port" in complete(switch, ""), "no completion without a daemon")


def read_for(fd, seconds, condition):
    """Output of the terminal until @condition of it, or the end."""
    text, end = b"", time.monotonic() + seconds
    while time.monotonic() < end and not condition(text):
        if select.select([fd], [], [], 0.1)[0]:
            try:
                text += os.read(fd, 65536)
            except OSError:
                break
    return text


def top_in_a_terminal(lab):
    switch = Switch(lab)
    switch("port", "add", "vm1", "type", "dummy")
    pid, fd = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm"
        os.execv(BUILD / "vireo", ["vireo", "--run-dir", str(switch.run_dir), "top"])
    try:
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        text = read_for(fd, 20, lambda got: b"vm1" in got and b"RX-PKT/S" in got)
        expect(b"vm1" in text and b"DROPS/S" in text, f"top shows {text!r}")
        switch.stop()
        text = read_for(fd, 20, lambda got: b"not running" in got)
        expect(b"not running" in text, f"without a daemon top shows {text!r}")
        os.write(fd, b"q")
        text = read_for(fd, 20, lambda got: b"\x1b[?1049l" in got)
        expect(b"\x1b[?1049l" in text, "the terminal is not restored")
        expect(os.waitpid(pid, 0)[1] == 0, "top does not end well")
        pid = 0
    finally:
        if pid:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
        os.close(fd)


os.umask(0o022)
main(exit_codes, who_may, files_with_the_callers_rights, manual_is_complete, help_lists_options,
     completion, top_in_a_terminal, title=__doc__)
