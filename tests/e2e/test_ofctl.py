#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
Each command of Debian's ovs-ofctl, with no version option and with OpenFlow 1.3, 1.4 and 1.5.

    namespace a --- ta (1) --.
                              === vireod === RUN_DIR/br0.mgmt, br0.snoop --- ovs-ofctl
    namespace b --- tb (2) --'
"""
import os
import re
import signal
import socket
import struct

from kills import serves_after
from lab import Netns, RawSocket, Switch, expect, main, run, say, scaled, wait_for

VERSIONS = ("", "OpenFlow13", "OpenFlow14", "OpenFlow15")
FRAME = "ffffffffffff02000000000988b5" + "766972656f" + "00" * 41  # "vireo"


class Ofctl:
    """ovs-ofctl, in one version."""

    def __init__(self, switch, version):
        self.switch, self.version = switch, version
        self.options = ["-O", version] if version else []
        self.env = ["env", f"OVS_RUNDIR={switch.run_dir}"]

    def argv(self, *words):
        command, *rest = words
        return [*self.env, "ovs-ofctl", "--timeout=20", *self.options, command,
                *("br0" if word is self else word for word in rest)]

    def __call__(self, *words):
        """What it prints; fails when it fails."""
        return run(*self.argv(*words))[1]

    def fails(self, *words):
        status, text = run(*self.argv(*words), check=False)
        expect(status != 0, f"ovs-ofctl {self.version} {words} should fail, says: {text}")
        return text

    def flows(self, *more):
        """Of dump-flows, without what changes by itself."""
        lines = self("dump-flows", self, *more).splitlines()
        return [re.sub(r" (duration|idle_age|hard_age)=[^ ,]+,", "", line).strip()
                for line in lines if "actions=" in line]

    def spawn(self, lab, *words):
        return lab.spawn("ofctl", self.argv(*words))


def tap(lab, switch, name):
    netns = Netns(lab, name)
    switch("port", "add", name, "type", "tap", "netns", netns.name)
    netns("ip", "link", "set", name, "up")
    switch.wait_link(name)
    return RawSocket(lab, netns, name)


def setup(lab):
    switch = Switch(lab)
    return switch, tap(lab, switch, "ta"), tap(lab, switch, "tb")


def each(lab, test):
    """Runs a part with a client of each version, on one switch."""
    switch, a, b = setup(lab)
    for version in VERSIONS:
        ofctl = Ofctl(switch, version)
        try:
            test(ofctl, a, b)
        except Exception:
            say(f"  with {version or 'no version option'}:")
            raise
    switch.stop()


def has(text, *wanted):
    for part in wanted:
        expect(part in text, f"{part!r} is not in: {text}")


def switch_and_ports(lab):
    def part(o, a, b):
        text = o("show", o)
        has(text, "1(ta)", "2(tb)", "n_tables:255", "FLOW_STATS TABLE_STATS PORT_STATS")
        has(o("dump-desc", o), "Manufacturer: vireo", "DP Description: br0")
        has(o("dump-ports-desc", o), "1(ta)", "2(tb)")
        has(o("dump-ports", o), "2 ports", "port  1:" if not o.version else "port", "rx pkts=")
        has(o("dump-ports", o, "ta"), "1 ports")
        has(o("queue-stats", o), "0 queues")
        has(o("queue-get-config", o), "QUEUE")
        has(o("get-frags", o), "normal")
        o("set-frags", o, "nx-match")
        has(o("get-frags", o), "nx-match")
        o("set-frags", o, "normal")
        o("probe", o)
        has(o("ping", o, "1000"), "1000 bytes from")
        flag = "no-forward" if o.version else "no-flood"
        o("mod-port", o, "ta", flag)
        has(o("dump-ports-desc", o, "ta"), flag.upper().replace("FORWARD", "FWD").replace("-", "_"))
        o("mod-port", o, "ta", flag.replace("no-", ""))
        has(o("dump-ports-desc", o, "ta"), "config:     0")
        has(o.fails("mod-port", o, "9", "down"), "9")
    each(lab, part)


def flows(lab):
    def part(o, a, b):
        o("del-flows", o)
        expect(o.flows() == [], f"flows are left: {o.flows()}")
        o("add-flow", o, "table=1,priority=7,cookie=0x12,tcp,nw_src=10.0.0.0/8,tp_dst=80,"
          "idle_timeout=60,hard_timeout=600,actions=mod_dl_dst:02:00:00:00:00:07,output:2")
        o("add-flow", o, "priority=5,in_port=1,actions=resubmit(,1)")
        o("add-flow", o, "ipv6,reg0=0x5/0xff,actions=load:0x1->NXM_NX_REG1[0..7]")
        found = "\n".join(o.flows())
        has(found, "cookie=0x12, table=1, n_packets=0, n_bytes=0, idle_timeout=60, "
            "hard_timeout=600", "priority=7,tcp,nw_src=10.0.0.0/8,tp_dst=80",
            "priority=5,in_port=1 actions=resubmit(,1)", "ipv6,reg0=0x5/0xff")
        expect(len(o.flows("table=1")) == 1, "a filter by table")
        expect(len(o.flows("cookie=0x12/-1")) == 1, "a filter by cookie")
        expect(len(o.flows("out_port=2")) == 1, "a filter by port")
        expect(len(o.flows("tcp,nw_src=10.1.0.0/16")) == 0, "a filter by match")
        has(o("dump-aggregate", o), "flow_count=3")
        has(o("dump-tables", o), "table 0", "active=2")
        o("mod-flows", o, "table=1,tcp,actions=output:1")
        has("\n".join(o.flows("table=1")), "actions=output:1")
        run(*o.env, "ovs-ofctl", *o.options, "--strict", "del-flows", "br0",
            "table=0,priority=5,in_port=1")
        expect(len(o.flows()) == 2, f"one flow should be gone: {o.flows()}")
        has(o.fails("add-flow", o, "check_overlap,table=1,priority=7,tcp,tp_dst=80,actions=drop"),
            "OFPFMFC_OVERLAP")
        has(o.fails("add-flow", o, "actions=group:99"), "OFPBAC_BAD_OUT_GROUP")
        o("del-flows", o)
    each(lab, part)


def files_of_flows(lab):
    path = lab.dir / "flows.txt"

    def part(o, a, b):
        o("del-flows", o)
        path.write_text("priority=10,ip,actions=output:1\npriority=11,arp,actions=NORMAL\n")
        o("add-flows", o, path)
        expect(o("diff-flows", o, path) == "", "flows differ from their file")
        path.write_text("priority=10,ip,actions=output:2\npriority=12,arp,actions=NORMAL\n")
        has(o.fails("diff-flows", o, path), "-priority=11,arp", "+priority=12,arp")
        o("replace-flows", o, path)
        expect(o("diff-flows", o, path) == "", "replaced flows differ from their file")
        n = scaled(5000)
        path.write_text("".join(f"priority={i % 100},ip,nw_src=10.{i >> 16}.{i >> 8 & 255}."
                                f"{i & 255},actions=output:1\n" for i in range(n)))
        o("del-flows", o)
        o("add-flows", o, path)
        expect(len(o.flows()) == n, f"{len(o.flows())} flows of {n}")
        o("del-flows", o)
    each(lab, part)


def groups(lab):
    def part(o, a, b):
        o("add-group", o, "group_id=5,type=select,bucket=weight:3,actions=output:1,"
          "bucket=weight:1,actions=output:2")
        has(o("dump-groups", o), "group_id=5,type=select,bucket=", "weight:3,actions=output:1")
        o("add-flow", o, "priority=9,udp,actions=group:5")
        o("mod-group", o, "group_id=5,type=all,bucket=output:2")
        has(o("dump-groups", o), "group_id=5,type=all,bucket=")
        has(o.fails("add-group", o, "group_id=5,type=all,bucket=output:2"),
            "OFPGMFC_GROUP_EXISTS")
        o("add-group", o, "group_id=6,type=ff,bucket=watch_port:1,output:1,bucket=watch_group:5,"
          "output:2" if o.version != "OpenFlow15" else
          "group_id=6,type=select,selection_method=hash,fields(ip_src,ip_dst),bucket=output:1")
        has(o("dump-group-stats", o), "group_id=5", "packet_count=0")
        has(o("dump-group-features", o), "Group table")
        if o.version == "OpenFlow15":
            has(o("dump-groups", o), "selection_method=hash", "ip_src")
            o("insert-buckets", o, "group_id=5,command_bucket_id=last,bucket=bucket_id:7,output:1")
            has(o("dump-groups", o, "5"), "bucket_id:7")
            o("remove-buckets", o, "group_id=5,command_bucket_id=7")
            expect("bucket_id:7" not in o("dump-groups", o, "5"), "a bucket that was removed")
        o("del-groups", o)
        expect("group_id" not in o("dump-groups", o), "groups that were deleted")
        expect("group:5" not in "\n".join(o.flows()), "a flow of a group that was deleted")
    each(lab, part)


def meters(lab):
    def part(o, a, b):
        if not o.version:
            return  # 1.0 knows none, with or without extensions
        o("add-meter", o, "meter=1 pktps burst stats bands=type=drop rate=1000 burst_size=10")
        has(o("dump-meters", o), "meter=1 pktps burst stats", "type=drop rate=1000 burst_size=10")
        o("mod-meter", o, "meter=1 kbps bands=type=dscp_remark rate=500 prec_level=1")
        has(o("dump-meters", o, "meter=1"), "kbps", "type=dscp_remark rate=500", "prec_level=1")
        has(o("meter-stats", o), "meter:1", "packet_in_count:0")
        has(o("meter-features", o), "drop dscp_remark", "kbps pktps burst stats")
        has(o.fails("add-meter", o, "meter=1 kbps bands=type=drop rate=5"), "METER_EXISTS")
        o("del-meter", o, "meter=1")
        expect("meter=1" not in o("dump-meters", o), "a meter that was deleted")
    each(lab, part)


def tables(lab):
    def part(o, a, b):
        has(o("dump-tables", o), "table 0", "254")
        if not o.version:
            return
        has(o("dump-table-features", o), "apply_actions", "reg0...reg15", "tables 1...253: ditto")
        if o.version != "OpenFlow13":
            has(o("dump-table-desc", o), "table 0")
            has(o.fails("mod-table", o, "1", "evict"), "OFPTMFC_BAD_CONFIG")
            o("mod-table", o, "1", "noevict")
    each(lab, part)


def packets(lab):
    def part(o, a, b):
        o("del-flows", o)
        o("packet-out", o, "controller", "output:2", FRAME)
        expect(b.receive(b"vireo", 5), "the packet-out did not arrive")
        o("add-flow", o, "in_port=1,dl_type=0x88b5,actions=output:2,controller")
        watch = o.spawn(lab, "monitor", o, "65535")
        wait_for(lambda: counted(o, a, watch), 20, "a packet-in")
        expect(b.receive(b"hello", 5), "the packet did not arrive")
        lab.stop(watch)
        wait_for(lambda: packets_of(o) == aggregate_of(o) > 0, 20, "all to be counted")

    def packets_of(o):
        return int(re.search(r"n_packets=(\d+)", "\n".join(o.flows())).group(1))

    def aggregate_of(o):
        return int(re.search(r"packet_count=(\d+)", o("dump-aggregate", o)).group(1))

    def counted(o, a, watch):
        expect(watch.poll() is None, f"monitor ended: {watch.log.read_text()}")
        a.send(b"\xff" * 6, b"hello")
        return "PACKET_IN" in watch.log.read_text()
    each(lab, part)


def news(lab):
    """Flows that are removed, ports that come."""
    switch, a, b = setup(lab)
    for n, version in enumerate(VERSIONS):
        o = Ofctl(switch, version)
        watch = o.spawn(lab, "monitor", o, "65535")

        def removed():
            expect(watch.poll() is None, f"monitor ended: {watch.log.read_text()}")
            o("add-flow", o, "send_flow_rem,udp,tp_src=53,actions=drop")
            o("del-flows", o, "udp")
            return "FLOW_REMOVED" in watch.log.read_text()
        wait_for(removed, 20, "news of a flow that was removed")
        has(watch.log.read_text(), "reason=delete")
        switch("port", "add", f"new{n}", "type", "dummy")
        wait_for(lambda: f"new{n}" in watch.log.read_text(), 20, "news of a port")
        lab.stop(watch)
    switch.stop()


def snoop(lab):
    switch, a, b = setup(lab)
    for version in VERSIONS:
        o = Ofctl(switch, version)
        spy = lab.spawn("snoop", [*o.env, "ovs-ofctl", "snoop", "br0"])

        def heard():
            expect(spy.poll() is None, f"snoop ended: {spy.log.read_text()}")
            o("add-flow", o, "udp,tp_src=53,actions=drop")
            return "FLOW_MOD" in spy.log.read_text()
        wait_for(heard, 20, "a flow-mod at the snoop socket")
        lab.stop(spy)
    switch.stop()


def bridges_and_processes(lab):
    """Sockets come and go with their bridge, and stay when the switch process dies."""
    switch, a, b = setup(lab)
    o = Ofctl(switch, "OpenFlow13")
    switch("bridge", "add", "br1")
    mgmt = switch.run_dir / "br1.mgmt"
    has(run(*o.env, "ovs-ofctl", "show", "br1")[1], "OFPT_FEATURES_REPLY")
    expect(mgmt.stat().st_mode & 0o777 == 0o600, "who may connect")
    switch("bridge", "del", "br1")
    expect(not mgmt.exists() and not (switch.run_dir / "br1.snoop").exists(), "sockets are left")
    old = switch.pid
    os.kill(old, signal.SIGKILL)
    has(o("show", o), "1(ta)")  # it waits at the socket until the next process serves it
    wait_for(lambda: serves_after(switch, old), 20, "the next process")
    switch.stop(crashes=1)
    expect(not (switch.run_dir / "br0.mgmt").exists(), "br0.mgmt is left")


def hostile(lab):
    """Nonsense at the socket: an error or the end, and others are served."""
    switch, a, b = setup(lab)
    o = Ofctl(switch, "")
    path = str(switch.run_dir / "br0.mgmt")
    for first in (b"\1\0\0\7\0\0\0\0", b"\xff" * 64, b"GET / HTTP/1.0\r\n\r\n",
                  struct.pack("!BBHI", 1, 0, 8, 1) + os.urandom(4096)):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(path)
            sock.sendall(first)
            o("probe", o)
    idle = [socket.socket(socket.AF_UNIX) for _ in range(80)]
    for sock in idle:
        sock.connect(path)
    for sock in idle:
        sock.close()
    wait_for(lambda: run(*o.argv("probe", o), check=False)[0] == 0, 10, "room for a peer")
    switch.stop()


main(switch_and_ports, flows, files_of_flows, groups, meters, tables, packets, news, snoop,
     bridges_and_processes, hostile, title=__doc__)
