# SPDX-License-Identifier: Apache-2.0
"""Rule sets for comparisons, as ovs-ofctl reads them: the same text for every switch. Ports are 1 and
2, the guests of "vireo bench": UDP from 198.18.0.1 + flow, port 1024 + flow, to 198.19.0.1, port 9."""
import ipaddress

from lab import Failure

PORT_FIRST, DISCARD = 1024, 9


def source(flow):
    """What tells a flow from others, in a match."""
    return f"nw_src={ipaddress.ip_address('198.18.0.1') + flow},tp_src={PORT_FIRST + flow}"


def tables():
    """Three tables, each with 1,000 five-tuple rules, then to the other port."""
    for table in range(3):
        then = f"resubmit(,{table + 1})" if table < 2 else "resubmit(,3)"
        for flow in range(1000):
            yield f"table={table},priority=100,udp,{source(flow)},tp_dst={DISCARD},actions={then}"
        yield f"table={table},priority=1,actions={then}"
    yield "table=3,in_port=1,actions=2"
    yield "table=3,in_port=2,actions=1"


def cloud():
    """Fifty tables like a cloud's: the port's network goes into a register, port security, stages that
    look at registers, protocols and addresses, then the destination's port into another register."""
    for port in (1, 2):
        yield (f"table=0,priority=100,in_port={port},actions=load:{port}->NXM_NX_REG14[],"
               "load:7->OXM_OF_METADATA[],resubmit(,1)")
    yield "table=1,priority=100,dl_src=01:00:00:00:00:00/01:00:00:00:00:00,actions=drop"
    yield "table=1,priority=50,reg14=0x1,metadata=0x7,actions=resubmit(,2)"
    yield "table=1,priority=50,reg14=0x2,metadata=0x7,actions=resubmit(,2)"
    for table in range(2, 48):
        kind = table % 4
        then = f"resubmit(,{table + 1})"
        if kind == 0:
            yield f"table={table},priority=2000,udp,metadata=0x7,tp_dst=67,actions=drop"
            yield f"table={table},priority=100,ip,metadata=0x7,actions=load:0x1->NXM_NX_REG{table % 8}[{table % 32}],{then}"
        elif kind == 1:
            yield f"table={table},priority=1001,tcp,metadata=0x7,reg14=0x1,tp_dst=22,actions=drop"
            yield f"table={table},priority=1001,ip,metadata=0x7,reg14=0x1,nw_src=198.18.0.0/15,actions={then}"
            yield f"table={table},priority=1001,ip,metadata=0x7,reg14=0x2,nw_src=198.18.0.0/15,actions={then}"
        elif kind == 2:
            yield f"table={table},priority=110,metadata=0x7,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00,actions={then}"
        yield f"table={table},priority=0,actions={then}"
    yield "table=48,priority=100,reg14=0x1,metadata=0x7,actions=load:0x2->NXM_NX_REG15[],resubmit(,49)"
    yield "table=48,priority=100,reg14=0x2,metadata=0x7,actions=load:0x1->NXM_NX_REG15[],resubmit(,49)"
    yield "table=49,priority=100,reg15=0x1,actions=output:1"
    yield "table=49,priority=100,reg15=0x2,actions=output:2"


def shared():
    """Nothing that tells flows apart: all of them share a plan, however many there are."""
    yield "table=0,priority=10,ip,in_port=1,actions=2"
    yield "table=0,priority=10,ip,in_port=2,actions=1"


def told_apart():
    """Rules that tell each flow from all others by address and port: a new flow is decided anew."""
    for flow in range(200):
        yield f"table=0,priority=100,udp,nw_src=192.168.0.{flow},tp_src={flow},tp_dst={DISCARD},actions=drop"
    for bit in range(16):
        yield f"table=0,priority={200 + bit},udp,nw_src=192.168.{bit}.1,tp_src={1 << bit},actions=drop"
    yield "table=0,priority=50,udp,actions=move:NXM_OF_IP_SRC[]->NXM_NX_REG0[],move:NXM_OF_UDP_SRC[]->NXM_NX_REG1[0..15],resubmit(,1)"
    yield "table=1,in_port=1,actions=2"
    yield "table=1,in_port=2,actions=1"


def stations():
    """One of a thousand rules for each flow, one that looks at all of the source address, then NORMAL: a
    frame from another address is decided anew."""
    yield "table=0,priority=200,dl_src=02:00:00:00:00:ff,actions=drop"
    for flow in range(1000):
        yield f"table=0,priority=100,udp,{source(flow)},tp_dst={DISCARD},actions=resubmit(,1)"
    yield "table=0,priority=1,actions=resubmit(,1)"
    yield "table=1,actions=NORMAL"


RULES = {"three tables, 1,000 rules each": tables, "50 tables": cloud, "one plan": shared,
         "all miss": told_apart, "stations": stations}


def text(name):
    """The lines of a set."""
    if name not in RULES:
        raise Failure(f"no rules called {name}: {', '.join(RULES)}")
    return "\n".join(RULES[name]()) + "\n"
