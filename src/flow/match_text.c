// SPDX-License-Identifier: Apache-2.0
/* Matches as text, the way ovs-ofctl has them. */
#include <ctype.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/option.h"
#include "flow/match.h"

#define NAME_MAX_LEN 40
#define NO_VLAN 0xffffu /* dl_vlan */

/* Words for an EtherType and a protocol; proto 0: none. */
static const struct {
	const char *name;
	uint16_t type;
	uint8_t proto;
} words[] = {
	{ "tcp", ETH_P_IP, IPPROTO_TCP },
	{ "udp", ETH_P_IP, IPPROTO_UDP },
	{ "sctp", ETH_P_IP, IPPROTO_SCTP },
	{ "icmp", ETH_P_IP, IPPROTO_ICMP },
	{ "ip", ETH_P_IP, 0 },
	{ "tcp6", ETH_P_IPV6, IPPROTO_TCP },
	{ "udp6", ETH_P_IPV6, IPPROTO_UDP },
	{ "sctp6", ETH_P_IPV6, IPPROTO_SCTP },
	{ "icmp6", ETH_P_IPV6, IPPROTO_ICMPV6 },
	{ "ipv6", ETH_P_IPV6, 0 },
	{ "arp", ETH_P_ARP, 0 },
	{ "rarp", ETH_P_RARP, 0 },
	{ "mpls", ETH_P_MPLS_UC, 0 },
	{ "mplsm", ETH_P_MPLS_MC, 0 },
	{ "icmpv4", ETH_P_IP, IPPROTO_ICMP },
	{ "ip4", ETH_P_IP, 0 },
	{ "ipv4", ETH_P_IP, 0 },
	{ "ip6", ETH_P_IPV6, 0 },
	{ "icmpv6", ETH_P_IPV6, IPPROTO_ICMPV6 },
};

static bool set_word(struct match *match, const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(name, words[i].name))
			continue;
		match_set(match, &fields[FIELD_eth_type], words[i].type, UINT16_MAX);
		if (words[i].proto)
			match_set(match, &fields[FIELD_nw_proto], words[i].proto, UINT8_MAX);
		return true;
	}
	return !strcmp(name, "eth");
}

/* The field that a name means which depends on the protocol. */
static const struct field *by_protocol(const struct match *match, const char *name)
{
	bool src = !strcmp(name, "tp_src");

	if (!strcmp(name, "nw_src") || !strcmp(name, "nw_dst")) {
		bool arp = field_ensured(PREREQ_ARP, &match->key, &match->mask);

		src = name[3] == 's';
		return &fields[arp ? (src ? FIELD_arp_spa : FIELD_arp_tpa)
				   : (src ? FIELD_ip_src : FIELD_ip_dst)];
	}
	if (!strcmp(name, "nw_proto") && field_ensured(PREREQ_ARP, &match->key, &match->mask))
		return &fields[FIELD_arp_op];
	if (!src && strcmp(name, "tp_dst"))
		return NULL;
	switch (match->key.nw_proto) {
	case IPPROTO_UDP:
		return &fields[src ? FIELD_udp_src : FIELD_udp_dst];
	case IPPROTO_SCTP:
		return &fields[src ? FIELD_sctp_src : FIELD_sctp_dst];
	case IPPROTO_ICMP:
		return &fields[src ? FIELD_icmp_type : FIELD_icmp_code];
	case IPPROTO_ICMPV6:
		return &fields[src ? FIELD_icmpv6_type : FIELD_icmpv6_code];
	default:
		return &fields[src ? FIELD_tcp_src : FIELD_tcp_dst];
	}
}

/* The tag control information by its parts: what others say of it stays. */
static void set_tci(struct match *match, u128 value, u128 mask)
{
	const struct field *tci = &fields[FIELD_vlan_tci];
	u128 keep = field_get(tci, &match->mask) & ~(mask | FLOW_VLAN_PRESENT);

	match_set(match, tci, (field_get(tci, &match->key) & keep) | value, keep | mask);
}

/* dl_vlan, vlan_vid, dl_vlan_pcp, vlan_pcp. */
static int set_vlan(struct match *match, const char *name, const char *value, struct error *err)
{
	bool pcp = strstr(name, "pcp"), vid = !strcmp(name, "vlan_vid");
	struct field field = fields[pcp ? FIELD_vlan_pcp : FIELD_vlan_tci];
	u128 v, mask;

	field.name = name;
	if (field_parse(&field, value, &v, &mask, err) < 0)
		return -EINVAL;
	if (!vid && mask != field_ones(&field))
		return error_set(err, -EINVAL, "%s cannot be matched with a mask", name);
	if (pcp)
		set_tci(match, v << 13 | FLOW_VLAN_PRESENT, 0xe000 | FLOW_VLAN_PRESENT);
	else if (vid && v > 0x1fff)
		return error_set(err, -EINVAL, "vlan_vid: 0 to 4095, plus 4096: there is a tag");
	else if (vid && mask == field_ones(&field) && v && !(v & FLOW_VLAN_PRESENT))
		return error_set(err, -EINVAL,
				 "vlan_vid: no packet has VLAN %u and no tag: "
				 "write dl_vlan=%u, or vlan_vid=0x%x",
				 (unsigned)v, (unsigned)v, (unsigned)v | FLOW_VLAN_PRESENT);
	else if (vid) /* thirteen bits, with that which says that there is a tag */
		set_tci(match, v, mask & 0x1fff);
	else if (v == NO_VLAN)
		match_set(match, &fields[FIELD_vlan_tci], 0, UINT16_MAX);
	else if (v > 0xfff)
		return error_set(err, -EINVAL, "dl_vlan: 0 to 4095, or 0xffff: no tag");
	else
		set_tci(match, v | FLOW_VLAN_PRESENT, 0x1fff);
	return 0;
}

static int unknown(const char *name, struct error *err)
{
	const char *names[FIELD_N + ARRAY_SIZE(words)], *near;

	for (unsigned i = 0; i < FIELD_N; i++)
		names[i] = fields[i].name;
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
		names[FIELD_N + i] = words[i].name;
	near = nearest_word(name, names, ARRAY_SIZE(names));
	return error_set(err, -ENOENT, "there is no field \"%.40s\"%s%s%s", name,
			 near ? ": did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

static bool is_word(const char *name)
{
	struct match unused;

	match_init(&unused);
	return set_word(&unused, name);
}

/* A term without a value. */
static int parse_word(struct match *match, const char *name, struct error *err)
{
	if (set_word(match, name))
		return 0;
	if (field_find(name, strlen(name)) || by_protocol(match, name) || !strcmp(name, "dl_vlan"))
		return error_set(err, -EINVAL, "%s needs a value", name);
	return unknown(name, err);
}

/* What only some fields demand. */
static int check_value(const struct field *field, u128 value, u128 mask, struct error *err)
{
	if (!field->nxm && !field->oxm)
		return error_set(err, -EINVAL, "%s can be written, but not matched", field->name);
	if (!field->maskable && mask != field_ones(field))
		return error_set(err, -EINVAL, "%s cannot be matched with a mask", field->name);
	if (field->id == FIELD_packet_type && value)
		return error_set(err, -EINVAL, "packet_type: all packets are Ethernet: (0,0)");
	if (field->id == FIELD_nw_tos && value & 3)
		return error_set(err, -EINVAL, "nw_tos: the lower two bits are nw_ecn");
	return 0;
}

int match_parse_term(struct match *match, const char *name, const char *value, struct error *err)
{
	const struct field *field;
	u128 v, mask;

	if (!value || !*value)
		return parse_word(match, name, err);
	if (!strcmp(name, "dl_vlan") || !strcmp(name, "vlan_vid") || !strcmp(name, "dl_vlan_pcp") ||
	    !strcmp(name, "vlan_pcp"))
		return set_vlan(match, name, value, err);
	field = by_protocol(match, name);
	if (!field)
		field = field_find(name, strlen(name));
	if (!field && is_word(name))
		return error_set(err, -EINVAL, "%s takes no value", name);
	if (!field)
		return unknown(name, err);
	if (field_parse(field, value, &v, &mask, err) < 0 || check_value(field, v, mask, err) < 0)
		return -EINVAL;
	match_set(match, field, v, field->id == FIELD_nw_tos ? 0xfc : mask);
	return 0;
}

/* When a term is read: what others depend on comes first, wherever it stands. */
static unsigned turn(const char *name, const char *value)
{
	if (!value || !strcmp(name, "dl_type") || !strcmp(name, "eth_type"))
		return 0;
	return !strcmp(name, "nw_proto") || !strcmp(name, "ip_proto") ? 1 : 2;
}

size_t match_find_term(const char **at)
{
	static const char ends[] = ", \t\r\n";
	const char *end = *at += strspn(*at, ends);
	bool open = false;

	for (; *end && (open || !strchr(ends, *end)); end++)
		open = *end == '(' || (open && *end != ')');
	return (size_t)(end - *at);
}

/* Cuts the next one off, NULL: there is none. */
static char *next_term(char **rest)
{
	const char *at = *rest;
	size_t len = match_find_term(&at);
	char *start = *rest + (at - *rest);

	if (!len)
		return NULL;
	*rest = start + len + !!start[len];
	start[len] = '\0';
	return start;
}

int match_parse(struct match *match, const char *text, struct error *err)
{
	size_t len = strlen(text);
	char line[MATCH_TEXT_MAX];

	match_init(match);
	if (len >= sizeof(line))
		return error_set(err, -EINVAL, "a match of more than %zu bytes", sizeof(line) - 1);
	for (unsigned pass = 0; pass < 3; pass++) {
		char *rest = memcpy(line, text, len + 1);

		for (char *term = next_term(&rest); term; term = next_term(&rest)) {
			char *value = strchr(term, '=');

			if (value)
				*value++ = '\0';
			if (turn(term, value) == pass &&
			    match_parse_term(match, term, value, err) < 0)
				return -EINVAL;
		}
	}
	return match_check(match, err) == OFERR_NONE ? 0 : -EINVAL;
}

/* Text that grows; counts what does not fit, too. */
struct line {
	char *text;
	size_t size, len;
	struct flow_key left; /* mask bits that have not been shown */
};

static void add(struct line *l, const char *name, const char *value)
{
	size_t left = l->len < l->size ? l->size - l->len : 0;

	l->len += (size_t)snprintf(left ? l->text + l->len : NULL, left, "%s%s%s%s",
				   l->len ? "," : "", name, value ? "=" : "", value ? value : "");
}

static void add_field(struct line *l, const struct match *match, enum field_id id, const char *name)
{
	const struct field *field = &fields[id];
	char value[160];

	if (!field_is_in(field, &l->left))
		return;
	field_print(field, field_get(field, &match->key), field_get(field, &l->left), value,
		    sizeof(value));
	add(l, name ? name : field->name, value);
	field_set(field, &l->left, 0, ~(u128)0);
}

static void add_vlan(struct line *l, const struct match *match)
{
	uint16_t mask = l->left.vlan[0].tci, tci = match->key.vlan[0].tci;
	char value[32];

	if (!mask)
		return;
	if ((mask & 0x1fff) == 0x1fff && tci & FLOW_VLAN_PRESENT &&
	    ((mask & 0xe000) == 0xe000 || !(mask & 0xe000))) {
		snprintf(value, sizeof(value), "%u", tci & 0xfffu);
		add(l, "dl_vlan", value);
		mask &= 0xe000;
	}
	if ((mask & 0xe000) == 0xe000 && tci & FLOW_VLAN_PRESENT && !(mask & 0xfff)) {
		snprintf(value, sizeof(value), "%u", (unsigned)tci >> 13);
		add(l, "dl_vlan_pcp", value);
		mask = 0;
	}
	l->left.vlan[0].tci = mask;
	add_field(l, match, FIELD_vlan_tci, NULL);
	l->left.vlan[0].tci = 0;
}

/* "tcp" and so on. Whether the protocol has been shown. */
static void add_word(struct line *l, const struct match *match)
{
	bool proto = match->mask.nw_proto == UINT8_MAX;

	if (match->mask.eth_type != UINT16_MAX)
		return;
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
		if (words[i].type != match->key.eth_type ||
		    (words[i].proto && (!proto || words[i].proto != match->key.nw_proto)))
			continue;
		add(l, words[i].name, NULL);
		l->left.eth_type = 0;
		if (words[i].proto)
			l->left.nw_proto = 0;
		return;
	}
}

static void add_transport(struct line *l, const struct match *match)
{
	uint8_t proto = match->mask.nw_proto ? match->key.nw_proto : 0;
	bool six = match->key.eth_type == ETH_P_IPV6;

	if (proto == IPPROTO_ICMP && !six) {
		add_field(l, match, FIELD_icmp_type, NULL);
		add_field(l, match, FIELD_icmp_code, NULL);
	} else if (proto == IPPROTO_ICMPV6 && six) {
		add_field(l, match, FIELD_icmpv6_type, "icmp_type");
		add_field(l, match, FIELD_icmpv6_code, "icmp_code");
		add_field(l, match, FIELD_nd_target, NULL);
		add_field(l, match, FIELD_nd_sll, NULL);
		add_field(l, match, FIELD_nd_tll, NULL);
		add_field(l, match, FIELD_nd_reserved, NULL);
		add_field(l, match, FIELD_nd_options_type, NULL);
	} else {
		add_field(l, match, FIELD_tcp_src, "tp_src");
		add_field(l, match, FIELD_tcp_dst, "tp_dst");
	}
	add_field(l, match, FIELD_tcp_flags, NULL);
}

static void add_network(struct line *l, const struct match *match)
{
	bool arp = field_ensured(PREREQ_ARP, &match->key, &match->mask);

	add_field(l, match, arp ? FIELD_arp_spa : FIELD_ip_src, arp ? NULL : "nw_src");
	add_field(l, match, arp ? FIELD_arp_tpa : FIELD_ip_dst, arp ? NULL : "nw_dst");
	add_field(l, match, FIELD_ipv6_src, NULL);
	add_field(l, match, FIELD_ipv6_dst, NULL);
	add_field(l, match, FIELD_ipv6_label, NULL);
	add_field(l, match, FIELD_nw_proto, NULL);
	add_field(l, match, FIELD_arp_op, NULL);
	if (arp) {
		add_field(l, match, FIELD_arp_sha, NULL);
		add_field(l, match, FIELD_arp_tha, NULL);
	}
	if ((l->left.nw_tos & 0xfc) == 0xfc) {
		char value[8];

		snprintf(value, sizeof(value), "%u", match->key.nw_tos & 0xfcu);
		add(l, "nw_tos", value);
		l->left.nw_tos &= 3;
	}
	if (l->left.nw_tos == 3)
		add_field(l, match, FIELD_nw_ecn, NULL);
	add_field(l, match, FIELD_nw_tos, NULL);
	add_field(l, match, FIELD_nw_ttl, NULL);
	add_field(l, match, FIELD_mpls_label, NULL);
	add_field(l, match, FIELD_mpls_tc, NULL);
	add_field(l, match, FIELD_mpls_ttl, NULL);
	add_field(l, match, FIELD_mpls_bos, NULL);
	add_field(l, match, FIELD_ip_frag, "nw_frag");
}

int match_print(const struct match *match, char *text, size_t size)
{
	static const uint8_t connection[] = {
		FIELD_ct_state,	   FIELD_ct_zone,     FIELD_ct_mark,   FIELD_ct_label,
		FIELD_ct_nw_src,   FIELD_ct_ipv6_src, FIELD_ct_nw_dst, FIELD_ct_ipv6_dst,
		FIELD_ct_nw_proto, FIELD_ct_tp_src,   FIELD_ct_tp_dst,
	};
	struct line l = { text, size, 0, match->mask };

	if (size)
		*text = '\0';
	add_field(&l, match, FIELD_pkt_mark, NULL);
	add_field(&l, match, FIELD_recirc_id, NULL);
	add_field(&l, match, FIELD_dp_hash, NULL);
	add_field(&l, match, FIELD_conj_id, NULL);
	add_field(&l, match, FIELD_actset_output, NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(connection); i++)
		add_field(&l, match, connection[i], NULL);
	add_word(&l, match);
	for (unsigned id = FIELD_reg0; id <= FIELD_reg15; id++)
		add_field(&l, match, id, NULL);
	for (unsigned id = FIELD_tun_id; id <= FIELD_tun_ttl; id++)
		add_field(&l, match, id, NULL);
	add_field(&l, match, FIELD_metadata, NULL);
	add_field(&l, match, FIELD_in_port, NULL);
	add_vlan(&l, match);
	add_field(&l, match, FIELD_eth_src, "dl_src");
	add_field(&l, match, FIELD_eth_dst, "dl_dst");
	add_field(&l, match, FIELD_eth_type, "dl_type");
	add_network(&l, match);
	add_transport(&l, match);
	for (unsigned id = 0; id < FIELD_N; id++) /* what has not been shown yet */
		add_field(&l, match, id, NULL);
	return (int)l.len;
}
