# SPDX-License-Identifier: Apache-2.0
"""What end-to-end tests, the demo and the benchmark stand on: a switch, guests, namespaces, testpmd.

Everything is started through a Lab, which ends it all, by pid, however the script ends. The
programs under test come from the build directory VIREO_BUILD (default: build).
"""
import contextlib
import ctypes
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("VIREO_BUILD", TOP / "build")).resolve()
SCALE = float(os.environ.get("TEST_SCALE", "1"))
PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None)


class Failure(Exception):
    """A test that failed, with the reason."""


def expect(condition, text):
    if not condition:
        raise Failure(text)


def say(text):
    print(text, flush=True)


def scaled(count):
    return max(1, int(count * SCALE))


def wait_for(condition, seconds, text, step=0.02):
    """Until @condition, tried every @step seconds, returns something true, which is returned."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f"waited {seconds} s for {text}")
        time.sleep(step)


def run(*argv, check=True, timeout=60):
    """Returns (status, output with errors)."""
    done = subprocess.run([str(a) for a in argv], text=True, errors="replace", stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout)
    if check and done.returncode != 0:
        raise Failure(f"{' '.join(map(str, argv))}: status {done.returncode}: {done.stdout}")
    return done.returncode, done.stdout


def connect(path, seconds, process):
    """A stream to the socket that @process is about to listen on."""
    def attempt():
        if process.poll() is not None:
            raise Failure(f"{process.args[0]} ended: {process.log.read_text(errors='replace')}")
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(str(path))
            return sock
        except OSError:
            sock.close()
            return None
    return wait_for(attempt, seconds, f"somebody to listen on {path}", 0.002)


class Lab:
    """A directory for sockets and logs, and everything that was started."""

    def __init__(self, stay=False):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="vireo-lab-"))
        self.stack = contextlib.ExitStack()
        self.n_names = 0
        self.stay = stay

    def __enter__(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: sys.exit(130))
        return self

    def __exit__(self, kind, error, trace):
        if kind and kind not in (SystemExit, KeyboardInterrupt):
            self.print_logs()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        self.stack.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def print_logs(self):
        for log in sorted(self.dir.glob("*.log")):
            text = log.read_text(errors="replace").splitlines()[-40:]
            if text:
                say(f"--- {log.name}\n" + "\n".join("    " + line for line in text))

    def unique(self, name):
        self.n_names += 1
        return f"{name}.{self.n_names}"

    def spawn(self, name, argv, stdin=subprocess.DEVNULL, netns=None, **options):
        """Starts a program that dies with this one; its output goes to a log file of this name."""
        log = self.dir / (self.unique(name) + ".log")
        if netns:
            argv = ["ip", "netns", "exec", netns.name, *argv]
        with open(log, "wb") as out:
            process = subprocess.Popen(
                [str(a) for a in argv], stdin=stdin, stdout=out, stderr=subprocess.STDOUT,
                preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL), **options)
        process.log = log
        self.stack.callback(self.stop, process)
        return process

    @staticmethod
    def stop(process, how=signal.SIGTERM, seconds=10):
        """Ends a process; returns its status (None: it had to be killed)."""
        if process.poll() is None:
            process.send_signal(how)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                return None
        return process.returncode


class Switch:
    """A vireod in a run directory of its own."""

    def __init__(self, lab, workers=1, args=(), build=None, wrap=()):
        self.lab, self.build = lab, pathlib.Path(build or BUILD)
        self.run_dir = lab.dir / lab.unique("run")
        self.run_dir.mkdir()
        self.fast = b"__sanitizer" not in (self.build / "vireod").read_bytes()
        self.argv = [*wrap, self.build / "vireod", "--run-dir", self.run_dir,
                     "--workers", workers, *args]
        self.start()

    def start(self):
        begin = time.monotonic()
        self.process = self.lab.spawn("vireod", self.argv)
        connect(self.run_dir / "vireod.sock", 30, self.process).close()
        self.find()  # it listens before it has read its configuration
        self.ready_ms = (time.monotonic() - begin) * 1000

    def find(self):
        """The switch process: the one that moves packets. The keeper has started it."""
        self.pid = self.json("version")["vireod"]["pid"]

    @property
    def pids(self):
        return {self.process.pid, self.pid}

    def stop(self, crashes=0):
        """Ends it as a service manager would; a sanitizer's report is a failure, and so are more or
        less crashes than this."""
        status = self.lab.stop(self.process)
        log = self.process.log.read_text(errors="replace")
        died = log.count("the switch process died")
        expect(died == crashes, f"the switch process died {died} times:\n{log[-6000:]}")
        for mark in ("Sanitizer", "runtime error:"):
            expect(mark not in log, f"vireod's log holds a report:\n{log[-6000:]}")
        expect(status == 0, f"vireod ended with status {status}: {log[-2000:]}")

    def __call__(self, *words):
        """Runs vireo; fails when it fails."""
        return run(self.build / "vireo", "--run-dir", self.run_dir, *words)[1]

    def fails(self, *words):
        """Runs vireo, which must fail; returns its message."""
        status, text = run(self.build / "vireo", "--run-dir", self.run_dir, *words, check=False)
        expect(status != 0, f"vireo {' '.join(map(str, words))} should fail, says: {text}")
        return text

    def json(self, *words):
        return json.loads(self("-j", *words))

    def port(self, name):
        return self.json("port", "show", name)[0]

    def ports(self):
        return {port["name"]: port for port in self.json("port", "show")}

    def vhost(self, name, *options):
        """Adds a vhost-user port; returns its socket."""
        path = self.run_dir / f"{name}.sock"
        self("port", "add", name, "type", "vhost-user", "path", path, *options)
        return path

    def wait_link(self, *names, up=True, seconds=60):
        def state():
            ports = self.ports()
            return all(bool(link_up(ports[n])) == up for n in names)
        wait_for(state, seconds, f"link {'up' if up else 'down'} on {', '.join(names)}")

    def drops(self):
        return sum(sum(p["drops"].values()) for p in self.ports().values())

    def rss_kib(self):
        """Resident memory, programs and libraries included, without the guests' (shared) memory."""
        return sum(int(kib) for pid in self.pids for kib in re.findall(
            r"Rss(?:Anon|File):\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()))

    def fds(self):
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in self.pids)

    def tasks(self):
        """Directories of all threads."""
        return [task for pid in self.pids for task in pathlib.Path(f"/proc/{pid}/task").iterdir()]

    def cpu_ns(self):
        """Run time of all threads."""
        return sum(int((task / "schedstat").read_text().split()[0]) for task in self.tasks())

    def wakeups(self):
        """How often threads have gone to sleep and were woken."""
        return sum(int(re.search(r"\nvoluntary_ctxt_switches:\s+(\d+)",
                                 (task / "status").read_text()).group(1))
                   for task in self.tasks())


def link_up(port):
    return port["link"] in (True, "up")


class Netns:
    """A network namespace, without IPv6 chatter."""

    def __init__(self, lab, name):
        self.name = f"vireo-{os.getpid()}-{name}"
        run("ip", "netns", "add", self.name)
        lab.stack.callback(run, "ip", "netns", "del", self.name, check=False)
        self("sh", "-c", "for f in all default; do "
             "echo 1 >/proc/sys/net/ipv6/conf/$f/disable_ipv6; done")
        self("ip", "link", "set", "lo", "up")

    def __call__(self, *argv, check=True, timeout=60):
        return run("ip", "netns", "exec", self.name, *argv, check=check, timeout=timeout)[1]

    def status(self, *argv, timeout=60):
        return run("ip", "netns", "exec", self.name, *argv, check=False, timeout=timeout)[0]


CLONE_NEWNET = 0x40000000
SOL_PACKET, PACKET_AUXDATA, TP_STATUS_VLAN_VALID = 263, 8, 0x10


class RawSocket:
    """Sends and receives whole frames on an interface in a namespace, VLAN tags included."""

    def __init__(self, lab, netns, interface):
        own = os.open("/proc/self/ns/net", os.O_RDONLY)
        other = os.open(f"/run/netns/{netns.name}", os.O_RDONLY)
        try:
            expect(libc.setns(other, CLONE_NEWNET) == 0, "setns failed")
            try:
                self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
                self.sock.bind((interface, 3))
                self.sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
                self.mac = self.sock.getsockname()[4]
            finally:
                expect(libc.setns(own, CLONE_NEWNET) == 0, "setns back failed")
        finally:
            os.close(own)
            os.close(other)
        lab.stack.callback(self.sock.close)

    def send(self, dst, payload, ethertype=0x88B5, vlan=None):
        """Local experimental EtherType, unless told; padded to 60 bytes."""
        tag = struct.pack("!HH", 0x8100, vlan) if vlan is not None else b""
        frame = dst + self.mac + tag + struct.pack("!H", ethertype) + payload
        self.sock.send(frame.ljust(60, b"\0"))

    def receive(self, payload, seconds=20):
        """Waits for a frame that holds @payload; returns (VLAN or None, frame), or None."""
        end = time.monotonic() + seconds
        while True:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.sock], [], [], left)[0]:
                return None
            frame, ancillary, _, address = self.sock.recvmsg(65536, 256)
            if address[2] == socket.PACKET_OUTGOING or payload not in frame:
                continue
            vlan = None
            for _, _, data in ancillary:
                status, _, _, _, _, tci, _ = struct.unpack("=IIIHHHH", data[:20])
                if status & TP_STATUS_VLAN_VALID:  # the kernel has taken the tag off
                    vlan = tci & 0xFFF
            return vlan, frame


def accelerator():
    """KVM where it really runs a guest, else emulation; found out once after each boot."""
    cache = TOP / ".lab" / "accelerator"
    boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text()
    if cache.exists() and cache.read_text().startswith(boot):
        return cache.read_text().splitlines()[1]
    found = "tcg,thread=multi"
    if os.access("/dev/kvm", os.R_OK | os.W_OK):
        with Lab() as lab:
            try:
                Guest(lab, "probe", accel="kvm").wait_ready(5)
                found = "kvm"
            except (Failure, OSError):
                pass
    cache.write_text(f"{boot}{found}\n")
    return found


SAY_AGAIN_SECONDS = 5  # a guest's serial port may lose something


class Guest:
    """A QEMU guest with one NIC. @net: "SOCKET" (QEMU connects), ("server", SOCKET) or None.
    @memory: a size in QEMU's words; @append: words for the kernel; @more: further arguments."""

    def __init__(self, lab, name, net=None, ip=None, mac=None, device="", memory="192M", accel=None,
                 cpus=1, queues=1, append="", more=()):
        run(TOP / "tools" / "guest-image", timeout=300)
        accel = accel or accelerator()
        self.lab, self.name, self.ip, self.n_commands = lab, name, ip, 0
        console, channel = lab.dir / f"{name}.console.log", lab.dir / lab.unique(name + ".ctl")
        # An emulated processor copies by single bytes where it has erms: no real one is so slow at it.
        cpu = "host" if accel == "kvm" else "max,la57=off,erms=off,fsrm=off"
        argv = ["qemu-system-x86_64", "-M", "q35,memory-backend=mem,smm=off,vmport=off,sata=off,"
                "smbus=off,i8042=off,hpet=off", "-accel", accel, "-m", memory, "-smp", cpus,
                "-cpu", cpu,
                "-object", f"memory-backend-memfd,id=mem,size={memory},share=on",
                "-nodefaults", "-no-reboot", "-display", "none",
                "-kernel", TOP / ".lab/vmlinux", "-initrd", TOP / ".lab/initrd",
                "-append", "console=ttyS0 quiet tsc=reliable no_timer_check nokaslr mitigations=off "
                "random.trust_cpu=on cryptomgr.notests panic=-1 " + append,
                "-serial", f"file:{console}",
                "-chardev", f"socket,id=ctl,path={channel},server=on,wait=off",
                "-serial", "chardev:ctl", *more]
        if net:
            server = isinstance(net, tuple)
            how = "server=on,wait=off" if server else "reconnect=1"
            # QEMU 7.2 crashes with MSI-X on a vhost-user NIC when it emulates: no vectors.
            vectors = "" if accel == "kvm" else ",vectors=0"
            argv += ["-chardev", f"socket,id=c0,path={net[1] if server else net},{how}",
                     "-netdev", f"vhost-user,id=n0,chardev=c0,queues={queues}",
                     "-device", f"virtio-net-pci,netdev=n0,mac={mac or '52:54:00:00:00:01'},"
                     f"romfile={vectors}{device}"]
        self.process = lab.spawn(f"qemu-{name}", argv)
        self.channel, self.buffer, self.command = connect(channel, 20, self.process), b"", b""

    def wait_ready(self, seconds=60):
        self.answer("ready", seconds)
        if self.ip:
            self(f"ip addr add {self.ip} dev eth0 && ip link set eth0 up")
        return self

    def answer(self, key, seconds):
        """Reads until the line "@KEY STATUS"; returns (status, what came before)."""
        mark = re.compile(rb"(?:^|\n)@(%s|again) (\d+)\r?\n" % key.encode())
        end = time.monotonic() + seconds
        while True:
            found = mark.search(self.buffer)
            if found:
                text, self.buffer = self.buffer[:found.start()], self.buffer[found.end():]
                if found.group(1) != b"again":
                    return int(found.group(2)), text.decode(errors="replace").strip()
                self.channel.sendall(self.command)
                continue
            left = end - time.monotonic()
            expect(left > 0, f"guest {self.name} did not answer in {seconds} s: {self.buffer!r}")
            if select.select([self.channel], [], [], min(left, SAY_AGAIN_SECONDS))[0]:
                data = self.channel.recv(65536)
                expect(data, f"guest {self.name} has ended")
                self.buffer += data
            else:
                self.channel.sendall(self.command)

    def begin(self, command):
        """Starts a command; finish() takes its result."""
        self.n_commands += 1
        command = command.strip()
        length = len(str(self.n_commands)) + len(command)
        self.command = f"{self.n_commands} {length} {command}\n".encode()
        self.channel.sendall(self.command)

    def finish(self, timeout=60):
        return self.answer(str(self.n_commands), timeout)

    def status(self, command, timeout=60):
        self.begin(command)
        return self.finish(timeout)

    def __call__(self, command, timeout=60):
        status, text = self.status(command, timeout)
        expect(status == 0, f"guest {self.name}: {command}: status {status}: {text}")
        return text


def ping_result(text):
    """(sent, received, average ms or None) of what ping has printed."""
    counts = re.search(r"(\d+) packets transmitted, (\d+) (?:packets )?received", text)
    expect(counts, f"ping says: {text}")
    times = re.search(r"= [\d.]+/([\d.]+)/", text)
    return int(counts.group(1)), int(counts.group(2)), float(times.group(1)) if times else None


def iperf_mbits(text):
    """Received Mbit/s of iperf3's own JSON."""
    try:
        return json.loads(text)["end"]["sum_received"]["bits_per_second"] / 1e6
    except (ValueError, KeyError) as error:
        raise Failure(f"iperf3 says: {text[-2000:]}") from error


def iperf_server(server):
    """Starts iperf3 for one client by @server(COMMAND), and waits until somebody listens at its port."""
    server("iperf3 -s -1 -D >/dev/null 2>&1; n=0; until grep -q ':1451 .* 0A ' /proc/net/tcp "
           "/proc/net/tcp6; do [ $n -lt 200 ] || exit 1; n=$((n + 1)); sleep 0.1; done")


def iperf(client, server, to, seconds=1, more=""):
    """TCP from @client, a guest, to what @server(COMMAND) starts at address @to; received Mbit/s."""
    for _ in range(5):  # the one before may still be there
        iperf_server(server)
        status, text = client.status(f"iperf3 -c {to} -J -t {seconds} {more}")
        if status == 0:
            break
        client("sleep 0.2")
    return iperf_mbits(text)


class Testpmd:
    """DPDK's testpmd, driven through its prompt."""

    def __init__(self, lab, vdevs, options=(), eal=(), memory=64, cpu=None):
        lcores = f"0@{cpu},1@{cpu}" if cpu is not None else "0@(0-%d),1@(0-%d)" % ((os.cpu_count() - 1,) * 2)
        name = lab.unique("testpmd")
        if not any(str(e).startswith(("--in-memory", "--no-huge")) for e in eal):
            eal = ["--no-huge", *eal]
        argv = ["stdbuf", "-oL", "dpdk-testpmd", "--no-pci", f"--lcores={lcores}",
                f"--file-prefix=vireo{os.getpid()}.{name}", "-m", memory, "--no-telemetry", *eal,
                *[f"--vdev={v}" for v in vdevs], "--", "-i", "--total-num-mbufs=8192", *options]
        self.process = lab.spawn("testpmd", argv, stdin=subprocess.PIPE)
        self.seen = 0
        self.wait_text("testpmd> ", 60)

    def wait_text(self, text, seconds):
        """Waits for text behind what was read before; returns all up to its end."""
        def found():
            log = self.process.log.read_text(errors="replace")
            at = log.find(text, self.seen)
            if at < 0:
                expect(self.process.poll() is None, f"testpmd ended: {log[-2000:]}")
                return None
            part, self.seen = log[self.seen:at + len(text)], at + len(text)
            return part
        return wait_for(found, seconds, f"testpmd to say {text!r}")

    def __call__(self, command, seconds=30):
        self.process.stdin.write((command + "\n").encode())
        self.process.stdin.flush()
        return self.wait_text("testpmd> ", seconds)

    def stats(self):
        """[{"RX-packets": n, ...} of each port]."""
        text, ports = self("show port stats all"), []
        for part in text.split("NIC statistics for port")[1:]:
            ports.append({k: int(v) for k, v in re.findall(r"([RT][Xx]-\w+):\s+(\d+)", part)})
        return ports

    def dropped(self):
        """Frames that it could not hand on, since it was started, to all ports."""
        text = self("show fwd stats all").split("Accumulated")[-1]
        return int(re.search(r"TX-dropped:\s+(\d+)", text).group(1))

    def quit(self):
        if self.process.poll() is None:
            self.process.stdin.write(b"quit\n")
            self.process.stdin.close()
        Lab.stop(self.process, seconds=5)


def main(*tests, title):
    """Runs tests, each a function of a Lab; prints what it is about and how it went."""
    say(title.strip())
    failed = 0
    for test in tests:
        begin = time.monotonic()
        try:
            with Lab() as lab:
                test(lab)
            result = "ok"
        except (Failure, subprocess.SubprocessError, OSError, KeyError, ValueError) as error:
            result, failed = f"FAILED: {type(error).__name__}: {error}", failed + 1
        say(f"{test.__name__}: {result} ({time.monotonic() - begin:.1f} s)")
    sys.exit(1 if failed else 0)
