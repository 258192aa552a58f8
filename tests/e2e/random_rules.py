# SPDX-License-Identifier: Apache-2.0
"""Random rules and groups as ovs-ofctl reads them, and random frames that they are about."""
import random
import struct

PORTS = 4
TABLES = 6
GROUPS = 9


def mac(r):
    return f"02:00:00:00:00:{r.randrange(4):02x}"


def ip(r):
    return f"10.0.{r.randrange(2)}.{r.randrange(4)}"


def ip6(r):
    return f"fd00::{r.randrange(3):x}:{r.randrange(4)}"


def masked(r, value, bits):
    """A number, half of the time with a mask."""
    if r.random() < 0.6:
        return f"{value:#x}"
    mask = r.choice((r.getrandbits(bits), (1 << bits) - 1 & ~((1 << r.randrange(bits)) - 1)))
    return f"{value & mask:#x}/{mask:#x}"


def ip_masked(r):
    return ip(r) + r.choice(("", "", "/24", "/31", "/255.0.255.3", "/0", "/255.255.0.255"))


def ip6_masked(r):
    return ip6(r) + r.choice(("", "", "/64", "/112", "/ffff::ff", "/0"))


def mac_masked(r):
    return mac(r) + r.choice(("", "", "/ff:ff:ff:ff:ff:fe", "/01:00:00:00:00:00"))


def number(low, high):
    return lambda r: str(r.randint(low, high))


def bits(count, top=None):
    return lambda r: masked(r, r.randrange(top or 1 << count), count)


PORT = bits(16, 6)
TTLS = (1, 2, 64, 255)
CLASSES = (0, 32, 184)  # of traffic
PROTOCOLS = (1, 6, 6, 17, 17, 47)
# What a packet must be, and what can be asked of it then.
ANY = {
    "in_port": number(1, PORTS + 1), "dl_src": mac_masked, "dl_dst": mac_masked,
    "metadata": bits(64, 9), "reg0": bits(32, 4), "reg1": bits(32, 4), "reg7": bits(32, 9),
    "reg15": bits(32), "xreg1": bits(64, 9), "xxreg1": bits(64, 9), "pkt_mark": bits(32, 4),
    "tun_id": bits(64, 4), "tun_src": ip_masked, "dl_vlan": number(10, 12),
    "dl_vlan_pcp": number(0, 7), "vlan_tci": bits(16), "vlan_vid": bits(12, 12),
    "dl_type": lambda r: r.choice(("0x88b5", "0x0800", "0x86dd", "0x8847", "0x05ff", "0x1234")),
    "conj_id": number(1, 9),
}
V4 = {"nw_src": ip_masked, "nw_dst": ip_masked}
V6 = {"ipv6_src": ip6_masked, "ipv6_dst": ip6_masked, "ipv6_label": bits(20, 3)}
PROTO = {"nw_proto": lambda r: str(r.choice(PROTOCOLS))}
IP = {"nw_tos": lambda r: str(r.choice(CLASSES)), "nw_ecn": number(0, 3),
      "nw_ttl": lambda r: str(r.choice(TTLS)), "ip_dscp": lambda r: str(r.choice(CLASSES) // 4),
      "nw_frag": lambda r: r.choice(("no", "first", "not_later"))}
LATER = {"nw_frag": lambda r: r.choice(("no", "yes", "first", "later", "not_later"))}
L4 = {"tp_src": PORT, "tp_dst": PORT}
ARP = {"arp_spa": ip_masked, "arp_tpa": ip_masked, "arp_sha": mac_masked, "arp_tha": mac_masked,
       "arp_op": number(0, 5)}
KINDS = {
    "": {}, "arp": ARP, "rarp": ARP,
    "ip": {**V4, **IP, **LATER, **PROTO}, "ipv6": {**V6, **IP, **LATER, **PROTO},
    "tcp": {**V4, **IP, **L4,
            "tcp_flags": lambda r: r.choice(("+syn-ack", "0x2/0x12", "+fin", "0"))},
    "udp": {**V4, **IP, **L4}, "sctp": {**V4, **IP, **L4},
    "icmp": {**V4, **IP, "icmp_type": number(0, 8), "icmp_code": number(0, 2)},
    "tcp6": {**V6, **IP, **L4}, "udp6": {**V6, **IP, **L4}, "sctp6": {**V6, **IP, **L4},
    "icmp6": {**V6, **IP, "icmp_type": number(128, 130), "icmp_code": number(0, 1)},
    "icmp6,icmp_type=135": {**V6, "nd_target": ip6_masked, "nd_sll": mac_masked},
    "icmp6,icmp_type=136": {**V6, "nd_target": ip6_masked, "nd_tll": mac_masked},
    "mpls": {"mpls_label": number(16, 20), "mpls_tc": number(0, 7), "mpls_bos": number(0, 1),
},
    "mplsm": {"mpls_label": number(16, 20)},
}


def match(r, version, wide):
    """(parts, kind). @wide: for many packets."""
    kind = r.choice(list(KINDS))
    known = {**ANY, **KINDS[kind]}
    if version == 1:
        del known["xreg1"], known["xxreg1"]
    if kind:
        del known["dl_type"]
    own = r.sample(list(KINDS[kind]), min(len(KINDS[kind]), r.randrange(2 if wide else 3)))
    names = own + r.sample([n for n in known if n not in own], r.choice((0, 0, 1, 1, 2 - wide)))
    if len([n for n in names if "vlan" in n]) > 1:
        names = [n for n in names if "vlan" not in n]
    return ([kind] if kind else []) + [f"{n}={known[n](r)}" for n in dict.fromkeys(names)], kind


def part(r, fields, width):
    """A range of @width bits of one of @fields, (name, bits)."""
    name, count = r.choice([f for f in fields if f[1] >= width])
    first = r.randrange(count - width + 1)
    return f"{name}[]" if width == count else f"{name}[{first}..{first + width - 1}]"


REGISTERS = [(f"NXM_NX_REG{n}", 32) for n in (0, 1, 2, 7)] + [("OXM_OF_METADATA", 64)]
FIELDS = {
    "": [("NXM_OF_ETH_SRC", 48), ("NXM_OF_ETH_DST", 48), ("NXM_NX_TUN_ID", 64),
         ("NXM_NX_PKT_MARK", 32)],
    "4": [("NXM_OF_IP_SRC", 32), ("NXM_OF_IP_DST", 32)],
    "6": [("NXM_NX_IPV6_SRC", 128), ("NXM_NX_IPV6_DST", 128)],
    "tcp": [("NXM_OF_TCP_SRC", 16), ("NXM_OF_TCP_DST", 16)],
    "udp": [("NXM_OF_UDP_SRC", 16), ("NXM_OF_UDP_DST", 16)],
    "arp": [("NXM_OF_ARP_SPA", 32), ("NXM_NX_ARP_SHA", 48)],
}


def fields_of(kind):
    found = REGISTERS * 2 + FIELDS[""]
    if kind in ("ip", "tcp", "udp", "sctp", "icmp"):
        found = found + FIELDS["4"]
    if kind in ("ipv6", "tcp6", "udp6", "sctp6") or kind.startswith("icmp6"):
        found = found + FIELDS["6"]
    for name in ("tcp", "udp", "arp"):
        if kind in (name, name + "6"):
            found = found + FIELDS[name]
    return found


def set_field(r, kind):
    choices = [("eth_src", mac), ("eth_dst", mac), ("reg1", number(0, 3)),
               ("metadata", number(0, 9)), ("reg7", lambda r: masked(r, r.randrange(9), 32)),
               ("pkt_mark", number(0, 3)),
               ("tun_id", number(0, 3)), ("xreg1", number(0, 99))]
    if kind in ("ip", "tcp", "udp", "sctp", "icmp"):
        choices += [("ip_src", ip), ("ip_dst", ip), ("nw_ttl", number(1, 255)),
                    ("ip_dscp", number(0, 63)), ("nw_ecn", number(0, 3))]
    if kind in ("ipv6", "tcp6", "udp6", "sctp6"):
        choices += [("ipv6_src", ip6), ("ipv6_dst", ip6), ("ipv6_label", number(0, 99)),
                    ("nw_ttl", number(1, 255)), ("ip_dscp", number(0, 63))]
    for name in ("tcp", "udp", "sctp"):
        if kind in (name, name + "6"):
            choices += [(f"{name}_src", number(1, 99)), (f"{name}_dst", number(1, 99))]
    if kind == "arp":
        choices += [("arp_spa", ip), ("arp_tpa", ip), ("arp_sha", mac), ("arp_op", number(1, 3))]
    if kind == "mpls":
        choices += [("mpls_label", number(16, 99)), ("mpls_tc", number(0, 7))]
    name, value = r.choice(choices)
    return f"set_field:{value(r)}->{name}"


def move(r, kind):
    width = r.choice((1, 4, 8, 16, 32))
    return f"move:{part(r, fields_of(kind), width)}->{part(r, fields_of(kind), width)}"


def load(r, kind):
    width = r.choice((1, 4, 8, 16, 32))
    return f"load:{r.getrandbits(width):#x}->{part(r, fields_of(kind), width)}"


def stack(r, kind):
    fields = fields_of(kind)
    width = r.choice((8, 16, 32))
    return f"push:{part(r, fields, width)},pop:{part(r, fields, width)}"


def output(r):
    """Where an action set may end, too."""
    return r.choice((f"output:{r.randint(1, PORTS)}",) * 6 +
                    ("in_port", "all", "flood", f"output:{PORTS + 5}"))


def output_register(r):
    return r.choice(("output:NXM_NX_REG0[]", "output:NXM_NX_REG1[0..15]"))


def controller(r):
    return r.choice(("controller", "controller:20",
                     f"controller(reason=no_match,max_len=32,id={r.randrange(2)})",
                     f"controller(userdata=01.0{r.randrange(9)},max_len=60)"))


def learn(r, table):
    parts = [f"table={r.randrange(table + 1, TABLES + 1)}", f"priority={r.randrange(100, 200)}"]
    parts += r.sample((f"idle_timeout={r.randrange(300, 999)}", "hard_timeout=999",
                       "fin_idle_timeout=9", "cookie=0x77", "send_flow_rem", "delete_learned"),
                      r.randrange(3))
    parts += r.sample(("NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]", "NXM_OF_VLAN_TCI[0..11]",
                       "NXM_OF_IN_PORT[]", "reg1=5", "NXM_NX_REG2[0..7]=NXM_NX_REG0[4..11]",
                       "load:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]", "load:7->NXM_NX_REG1[]",
                       "output:NXM_OF_IN_PORT[]", "load:NXM_NX_REG0[]->NXM_NX_REG1[]"),
                      r.randrange(1, 4))
    return f"learn({','.join(parts)})"


def resubmit(r, table):
    port = r.choice(("", "", str(r.randint(1, PORTS))))
    return f"resubmit({port},{r.randrange(table + 1, TABLES + 1)})"


VLAN = ("push_vlan:0x8100", "strip_vlan", "mod_vlan_vid:{vid}", "mod_vlan_pcp:{pcp}",
        "push_vlan:0x8100,set_field:{tag}->vlan_vid", "pop_vlan", "push_vlan:0x88a8")
RARE = ("note:00.11.22.33.44.55", "set_tunnel:0x5", "set_queue:1,output:2,pop_queue", "exit",
        "fin_timeout(idle_timeout=5,hard_timeout=9)",
        "multipath(eth_src,50,modulo_n,1,0,NXM_NX_REG0[])", "local",
        "bundle(eth_src,0,hrw,ofport,members:3)",
        "bundle_load(eth_src,0,active_backup,ofport,NXM_NX_REG0[],members:2,3)",
        "enqueue:2:1", "set_tunnel64:0x123456789", "output:4")


def action(r, kind, table, depth=0):
    choice = r.randrange(30)
    if choice < 8:
        return output(r) if r.random() < 0.8 else output_register(r)
    if choice < 12:
        return set_field(r, kind)
    if choice < 14:
        return load(r, kind)
    if choice < 16:
        return move(r, kind)
    if choice == 16:
        return stack(r, kind)
    if choice < 19:
        return r.choice(VLAN).format(vid=r.randint(10, 12), pcp=r.randrange(8),
                                     tag=0x1000 | r.randint(10, 12))
    if choice == 19:
        return controller(r)
    if choice == 20 and depth < 2:
        inner = [action(r, kind, table, depth + 1) for _ in range(r.randint(1, 3))]
        return f"clone({','.join(inner)})"
    if choice < 24 and table < TABLES:
        return resubmit(r, table)
    if choice == 24 and table < TABLES:
        return learn(r, table)
    if choice == 25 and table < TABLES:
        return f"group:{r.randint(1, GROUPS)}"
    if choice == 26 and kind in ("ip", "tcp", "udp", "ipv6", "tcp6"):
        return r.choice(("dec_ttl", "dec_ttl(1,2)", "mod_nw_tos:32", "mod_nw_ecn:2",
                         "mod_nw_ttl:9"))
    if choice == 27 and kind == "mpls":
        return r.choice(("dec_mpls_ttl", "pop_mpls:0x0800", "pop_mpls:0x8847", "set_mpls_ttl:9",
                         "set_mpls_label:77"))
    if choice == 28:
        return r.choice(("push_mpls:0x8847", "push_mpls:0x8847,set_field:55->mpls_label",
                         "push_mpls:0x8848"))
    return r.choice(RARE)


def actions(r, kind, table, version):
    listed = [action(r, kind, table) for _ in range(r.randint(1, 4))]
    if version > 1:
        if r.random() < 0.15:
            listed.append("clear_actions")
        if r.random() < 0.2:
            inner = [x for x in (set_field(r, kind), output(r), "pop_vlan", "push_vlan:0x8100")
                     if r.random() < 0.4]
            if table < TABLES and r.random() < 0.4:
                inner.append(f"group:{r.randint(1, GROUPS)}")
            listed.append(f"write_actions({','.join(inner) or output(r)})")
        if r.random() < 0.2:
            listed.append(f"write_metadata:{masked(r, r.randrange(9), 64)}")
        if r.random() < 0.1:
            listed.insert(0, f"meter:{r.randint(1, 3)}")
        if table < TABLES and r.random() < 0.3:
            listed.append(f"goto_table:{r.randrange(table + 1, TABLES + 1)}")
    return ",".join(listed)


# Of a rule's line, what does not say which one it is.
TIMES_AND_FLAGS = ("cookie", "idle_timeout", "hard_timeout", "importance", "send_flow_rem",
                   "check_overlap", "no_packet_counts", "reset_counts")


def rule(r, version, plain=False):
    """A line for add-flows. @plain: without what makes it refused or depend on time."""
    table = r.choice((0, 0, 0, *range(1, TABLES + 1)))
    parts, kind = match(r, version, plain)
    head = [f"table={table}", f"priority={r.randrange(1, 60000)}"]
    if not plain:
        some = [(f"cookie={r.randrange(99):#x}", .5), ("idle_timeout=600", .2),
                ("send_flow_rem", .1), (f"hard_timeout={r.randrange(600, 999)}", .2),
                ("check_overlap", .1)]
        if version > 1:
            some += [("no_packet_counts", .05), ("reset_counts", .05)]
        if version > 4:
            some += [(f"importance={r.randrange(9)}", .1)]
        head += [x for x, p in some if r.random() < p]
    return ",".join(head + parts) + ",actions=" + actions(r, kind, table, version)


def pipeline(r, version, tags):
    """Rules that packets do not get lost in. @tags: whether some add tags."""
    lines = [rule(r, version, plain=True) for _ in range(100)]
    if not tags:
        lines = [line for line in lines if "vlan:" not in line and "mod_vlan" not in line]
    return lines + [f"table={n},priority=0,actions=output:{1 + n % PORTS},resubmit(,{n + 1})"
                    for n in range(TABLES)]


def change(r, version, rules):
    """A line for add-flows that changes or deletes some of @rules, lines of rule()."""
    parts, kind = match(r, version, wide=True)
    table = r.randrange(TABLES)
    where = ",".join(([f"table={table}"] if r.random() < 0.5 else []) + parts)
    if r.random() < 0.3:
        one = r.choice(rules).split(",actions=")[0].split(",")
        where = ",".join(x for x in one if not x.startswith(TIMES_AND_FLAGS))
        table, kind = TABLES - 1, ""
        if r.random() < 0.5:
            return f"modify_strict {where},actions={output(r)},{controller(r)}"
        return f"delete_strict {where}"
    if r.random() < 0.4:
        return f"modify {where},actions={actions(r, kind, TABLES - 1, version)}"
    return f"delete {where}" + r.choice(("", f",out_port={r.choice((1, 2, 3))}", ",cookie=0x1/0x1"))


def bucket(r, kind, version, number, n):
    """The @n-th, from 0, of group @number. It may lead to the last table, whose rules lead to no
    group, and watch later groups: there are no circles."""
    inner = [output(r)]
    if r.random() < 0.4:
        inner.insert(0, set_field(r, ""))
    if r.random() < 0.3:
        inner.insert(0, r.choice(("push_vlan:0x8100", "mod_dl_src:02:00:00:00:00:09",
                                  "controller")))
    if r.random() < 0.1:
        inner[-1] = f"resubmit(,{TABLES})"
    head = []
    if kind == "select" and r.random() < 0.5:
        head.append(f"weight:{r.randrange(5)}")
    if kind in ("ff", "fast_failover"):
        head.append(r.choice((f"watch_port:{r.randint(1, PORTS)}",
                              f"watch_group:{r.randint(number + 1, GROUPS + 1)}")))
    if version == 6 and r.random() < 0.3:
        head.append(f"bucket_id:{10 + n}")
    return "bucket=" + ",".join(head + ["actions=" + ",".join(inner)])


def group(r, version, plain=False):
    """A line for add-groups. @plain: without a choice that each switch makes in its own way."""
    kind = r.choice(("all", "select", "indirect", "ff", "all", "fast_failover"))
    n = 1 if kind == "indirect" or plain and kind == "select" else r.randrange(4)
    number = r.randint(1, GROUPS)
    head = [f"group_id={number}", f"type={kind}"]
    if kind == "select" and version == 6 and r.random() < 0.5:
        head.append(r.choice(("selection_method=dp_hash", "selection_method=hash",
                              "selection_method=hash,fields(ip_src,tcp_dst)",
                              "selection_method=hash,selection_method_param=7,fields=eth_src")))
    return ",".join(head + [bucket(r, kind, version, number, i) for i in range(n)])


def meter(r):
    """For add-meter."""
    unit = r.choice(("kbps", "pktps"))
    flags = " ".join([unit, *(f for f in ("burst", "stats") if r.random() < 0.4)])
    bands = " ".join(f"type=drop rate={r.randrange(1, 9999)}" +
                     (f" burst_size={r.randrange(1, 9999)}" if "burst" in flags else "")
                     for _ in range(r.randint(1, 2)))
    return f"meter={r.randint(1, 5)} {flags} bands={bands}"


# ---- frames


def checksum(data, start=0):
    if len(data) % 2:
        data += b"\0"
    total = start + sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def address4(text):
    return bytes(map(int, text.split(".")))


def address6(r):
    return bytes([0xFD, 0]) + bytes(10) + struct.pack("!HH", r.randrange(3), r.randrange(4))


def hardware(text):
    return bytes.fromhex(text.replace(":", ""))


def layer4(r, proto, pseudo, payload):
    """With its checksum; @pseudo: the addresses."""
    low, high = r.randrange(6), r.randrange(6)
    if proto == 6:
        flags = 1 << r.randrange(5)
        text = struct.pack("!HHIIBBHHH", low, high, 1, 2, 0x50, flags, 99, 0, 0) + payload
        at = 16
    elif proto == 17:
        text = struct.pack("!HHHH", low, high, 8 + len(payload), 0) + payload
        at = 6
    elif proto == 1:
        text = struct.pack("!BBHHH", r.choice((0, 8)), r.randrange(2), 0, 5, 6) + payload
        at, pseudo = 2, b""
    elif proto == 58:
        kind = r.choice((128, 129, 135, 136))
        text = struct.pack("!BBHI", kind, 0, 0, 0)
        if kind >= 135:
            text += address6(r) + bytes([kind - 134, 1]) + hardware(mac(r))
        text += payload if kind < 135 else b""
        at = 2
    else:
        return payload
    if pseudo:
        pseudo += struct.pack("!II", len(text), proto)
    value = checksum(pseudo + text) or 0xFFFF
    return text[:at] + struct.pack("!H", value) + text[at + 2:]


def traffic_class(r):
    return r.choice(CLASSES) | r.randrange(4)


def frame(r, most_tags):
    payload = bytes(r.randrange(1, 90))
    proto = r.choice(PROTOCOLS)
    kind = r.choice(("4", "4", "4", "6", "6", "arp", "mpls", "other"))
    if kind == "6" and proto == 1:
        proto = 58
    if kind == "arp":
        ethertype = 0x0806
        body = struct.pack("!HHBBH", 1, 0x800, 6, 4, r.randint(1, 3)) + hardware(mac(r)) \
            + address4(ip(r)) + hardware(mac(r)) + address4(ip(r))
    elif kind == "6":
        ethertype, pseudo = 0x86DD, address6(r) + address6(r)
        text = layer4(r, proto, pseudo, payload)
        first = 6 << 28 | traffic_class(r) << 20 | r.randrange(3)
        body = struct.pack("!IHBB", first, len(text), proto, r.choice(TTLS)) + pseudo + text
    elif kind in ("4", "mpls"):
        ethertype, pseudo = 0x0800, address4(ip(r)) + address4(ip(r))
        text = layer4(r, proto, pseudo, payload)
        head = struct.pack("!BBHHHBBH", 0x45, traffic_class(r), 20 + len(text), 7, 0,
                           r.choice(TTLS), proto, 0) + pseudo
        body = head[:10] + struct.pack("!H", checksum(head)) + head[12:] + text
        if kind == "mpls":
            ethertype = 0x8847
            labels = [r.randint(16, 20) for _ in range(r.randint(1, 2))]
            body = b"".join(struct.pack("!I", label << 12 | r.randrange(8) << 9 |
                                        (i + 1 == len(labels)) << 8 | r.choice((1, 64)))
                            for i, label in enumerate(labels)) + body
    else:
        ethertype, body = 0x88B5, payload
    tags = b"".join(struct.pack("!HH", 0x8100, r.randrange(8) << 13 | r.randint(10, 12))
                    for _ in range(r.choice((0, 0, *range(1, most_tags + 1)))))
    head = hardware(mac(r)) + hardware(mac(r)) + tags + struct.pack("!H", ethertype)
    return (head + body).ljust(60, b"\0")
