# SPDX-License-Identifier: Apache-2.0
"""The switches that are compared: each serves two vhost-user sockets, a and b, on one core."""
import os
import pathlib
import re
import shutil
import time

import lab as lab_module
from lab import Failure, Lab, Switch, Testpmd, run, wait_for

OVS_DAEMON = pathlib.Path("/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk")
OVS_SCHEMA = pathlib.Path("/usr/share/openvswitch/vswitch.ovsschema")
EAL_HUGE = ["--in-memory", "--single-file-segments"]
EAL_SMALL = ["--no-huge"]


def cpu_list(cpus):
    return ",".join(map(str, cpus))


class Bench:
    """A running switch with a worker on each of @cpus, the last of which is for all else that it has
    to do. Sets pid, sockets (of ports) and ready_ms."""
    ports = "ab"
    guest_mode = "connect"  # or listen: what guests do with the sockets

    def __init__(self, lab, cpus, huge=True, tso=False):
        self.lab, self.cpus, self.cpu, self.huge, self.tso = lab, cpus, cpus[-1], huge, tso
        begin = time.monotonic()
        self.sockets = self.start()
        for path in self.sockets:
            if self.guest_mode == "connect":
                wait_for(path.exists, 30, str(path), 0.002)
        self.ready_ms = (time.monotonic() - begin) * 1000

    def eal(self):
        return EAL_HUGE if self.huge else EAL_SMALL

    def cpu_ns(self):
        """Run time of all threads."""
        return sum(int((t / "schedstat").read_text().split()[0])
                   for t in pathlib.Path(f"/proc/{self.pid}/task").iterdir())

    def counters(self):
        """For own_ns(), of the worker on the last core; None: the switch does not tell."""
        return None

    def memory_mib(self):
        """Resident, huge pages included; before any guest is connected, so it is its own."""
        return sum(int(n) for pid in self.pids() for n in re.findall(
            r"^(?:Rss|\w+_Hugetlb):\s+(\d+)", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(),
            re.M)) / 1024

    def pids(self):
        """Of all processes that it is made of."""
        return {self.pid}

    def set_rules(self, text):
        """Replaces all rules by those of @text, which is as ovs-ofctl has it."""
        path = self.lab.dir / self.lab.unique("rules")
        path.write_text(text)
        run("ovs-ofctl", "del-flows", self.bridge())
        run("ovs-ofctl", "add-flows", self.bridge(), path)

    def bridge(self):
        """Where ovs-ofctl finds it."""
        raise Failure(f"{self.name} has no rules")


class TestpmdIo(Bench):
    """DPDK's own back-end, moving packets between two ports without looking at them."""
    name = "testpmd io"
    ports = "ab"

    def start(self):
        sockets = [self.lab.dir / self.lab.unique(n) for n in self.ports]
        # legacy flags are those that a packet is sent with: else it would lose what it asks for
        more = ",tso=1,linear-buffer=0,legacy-ol-flags=1" if self.tso else ""
        vdevs = [f"net_vhost{i},iface={path},queues=1{more}" for i, path in enumerate(sockets)]
        self.pmd = Testpmd(self.lab, vdevs, ["--forward-mode=io", "--burst=32"], self.eal(), 128,
                           self.cpu)
        self.pid = self.pmd.process.pid
        self.pmd("start")
        return sockets

    def stop(self):
        self.pmd.quit()


class OvsNormal(Bench):
    """Open vSwitch with DPDK: one PMD thread, the NORMAL action (MAC learning)."""
    name = "OVS NORMAL"
    options = ()

    def start(self):
        self.dir = self.lab.dir / self.lab.unique("ovs")
        self.dir.mkdir()
        os.environ.update(dict.fromkeys(
            ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR"), str(self.dir)))
        self.db = f"unix:{self.dir}/db.sock"
        run("ovsdb-tool", "create", self.dir / "conf.db", OVS_SCHEMA)
        self.database = self.lab.spawn("ovsdb", [
            "ovsdb-server", self.dir / "conf.db", f"--remote=p{self.db}",
            f"--unixctl={self.dir}/db.ctl", "--no-chdir"])
        wait_for((self.dir / "db.sock").exists, 10, "ovsdb-server")
        self.vsctl("--no-wait", "init", "--", "set", "Open_vSwitch", ".",
                   "other_config:dpdk-init=true",
                   f"other_config:dpdk-lcore-mask={1 << self.cpu:#x}",
                   f"other_config:pmd-cpu-mask={sum(1 << cpu for cpu in self.cpus):#x}",
                   "other_config:dpdk-socket-mem=512",
                   f"other_config:userspace-tso-enable={str(self.tso).lower()}",
                   f'other_config:dpdk-extra="--no-pci {" ".join(EAL_HUGE)}"', *self.options)
        # A network namespace of its own: its taps have fixed names.
        self.process = self.lab.spawn("ovs-vswitchd", [
            "taskset", "-c", cpu_list(self.cpus), "unshare", "-n", OVS_DAEMON, self.db,
            f"--unixctl={self.dir}/vs.ctl", "--no-chdir"])
        self.pid = self.process.pid
        self.vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev",
                   *(word for n in self.ports for word in
                     ("--", "add-port", "br0", n, "--", "set", "Interface", n, *self.port(n))))
        return [self.dir / n for n in self.ports]

    def port(self, name):
        """Offloads are offered only where Open vSwitch is the socket's client."""
        if not self.tso:
            return ("type=dpdkvhostuser",)
        self.guest_mode = "listen"
        return ("type=dpdkvhostuserclient", f"options:vhost-server-path={self.dir / name}")

    def counters(self):
        text = run("ovs-appctl", "-t", f"{self.dir}/vs.ctl", "dpif-netdev/pmd-stats-show", "-pmd",
                   self.cpu)[1]
        return time.monotonic_ns(), *(int(re.search(what + r": (\d+)", text).group(1)) for what in (
            "idle cycles", "processing cycles", "packets received"))

    @staticmethod
    def own_ns(ns, idle, busy, packets):
        """Time a packet without idle polls, from differences of counters()."""
        return ns * busy / (idle + busy) / packets if packets else None

    def vsctl(self, *words):
        run("ovs-vsctl", "--timeout=30", f"--db={self.db}", *words)

    def bridge(self):
        return f"unix:{self.dir}/br0.mgmt"

    def stop(self):
        Lab.stop(self.process)
        Lab.stop(self.database)


class Vireo(Bench):
    """This switch, MAC learning."""
    name = "vireo"
    build = None  # directory; None: the usual one

    def start(self):
        self.switch = Switch(self.lab, workers=len(self.cpus), build=self.build,
                             args=("--worker-cpus", cpu_list(self.cpus)),
                             wrap=("taskset", "-c", cpu_list(self.cpus)))
        self.pid = self.switch.pid
        return [self.switch.vhost(n) for n in self.ports]

    def counters(self):
        worker = self.switch.json("worker", "show")[-1]
        return worker["busy_ns"], worker["packets"]

    def pids(self):
        return self.switch.pids

    def bridge(self):
        return f"unix:{self.switch.run_dir}/br0.mgmt"

    @staticmethod
    def own_ns(busy_ns, packets):
        return busy_ns / packets if packets else None

    def stop(self):
        self.switch.stop()


def instructions(ring, seconds=4, build=None):
    """How many instructions a 64-byte packet takes from one guest's ring into the other's, alone in
    the functions that touch packets: the same whatever else the machine does."""
    functions = ("vhost_queue_rx", "forward_batch", "vhost_queue_rx_done")
    known = run((build or lab_module.BUILD) / "vireod", "--help")[1]
    alone = [option for option in ("--no-keeper",) if option in known]  # an old one has no keeper
    with Lab() as lab:
        out = lab.dir / "callgrind.out"
        switch = Switch(lab, args=alone, build=build, wrap=(
            "valgrind", "--tool=callgrind", f"--callgrind-out-file={out}",
            *(f"--toggle-collect={f}" for f in functions)))
        sockets = [switch.vhost(n) for n in "ab"]
        run(lab_module.BUILD / "vireo", "-j", "bench", *sockets, "check", "off", "ring", ring, "load",
            "loop", "seconds", seconds, timeout=120)
        packets = sum(w["packets"] for w in switch.json("worker", "show"))
        switch.stop()
        total = int(re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.M).group(1))
    return round(total / packets)


def missing():
    """What a comparison needs and is not there, or None."""
    if not OVS_DAEMON.exists():
        return str(OVS_DAEMON)
    if not shutil.which("valgrind"):
        return "valgrind"
    if not (lab_module.BUILD / "vireod").exists():
        return "build/vireod"
    return None


SWITCHES = {"testpmd": TestpmdIo, "ovs": OvsNormal, "vireo": Vireo}
__all__ = ["SWITCHES", "EAL_HUGE", "EAL_SMALL", "Failure", "instructions", "missing"]
