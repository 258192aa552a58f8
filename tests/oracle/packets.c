// SPDX-License-Identifier: Apache-2.0
/* Random packets (see rules.h), some of which come again and again. */
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#include "rules.h"

/* splitmix64 */
uint32_t random_below(struct world *w, uint32_t n)
{
	uint64_t v = w->seed += 0x9e3779b97f4a7c15ull;

	v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9ull;
	v = (v ^ v >> 27) * 0x94d049bb133111ebull;
	return (uint32_t)((v ^ v >> 31) % n);
}

static bool one_in(struct world *w, uint32_t n)
{
	return !random_below(w, n);
}

static uint64_t random_mac(struct world *w)
{
	return 0x020000000000ull + random_below(w, 4);
}

static uint32_t random_ip(struct world *w)
{
	return 0x0a000000u + random_below(w, 8) * 0x00010100u + random_below(w, 3);
}

static u128 random_ipv6(struct world *w)
{
	return (u128)0xfd00000000000000ull << 64 | (u128)random_below(w, 3) << 64 |
	       random_below(w, 4);
}

static uint16_t random_port(struct world *w)
{
	return one_in(w, 10) ? (uint16_t)random_below(w, 65536)
			     : (uint16_t)(80 + random_below(w, 4));
}

static uint16_t random_tci(struct world *w)
{
	return (uint16_t)(FLOW_VLAN_PRESENT | random_below(w, 3) << 13 | (10 + random_below(w, 3)));
}

static uint8_t random_ttl(struct world *w)
{
	static const uint8_t ttls[] = { 0, 1, 2, 64, 64, 64, 63, 255 };

	return ttls[random_below(w, sizeof(ttls))];
}

static void random_nd(struct world *w, struct flow_key *key)
{
	key->tp_src = (uint16_t)(135 + random_below(w, 2));
	key->tp_dst = 0;
	key->nd_target = random_ipv6(w);
	key->nd_reserved = random_below(w, 2);
	key->nd_options_type = (uint8_t)(1 + random_below(w, 2));
	if (key->nd_options_type == 1)
		key->arp_sha = random_mac(w);
	else
		key->arp_tha = random_mac(w);
}

static void random_l4(struct world *w, struct flow_key *key)
{
	static const uint8_t protos[] = { IPPROTO_TCP,	IPPROTO_TCP,  IPPROTO_UDP,  IPPROTO_UDP,
					  IPPROTO_SCTP, IPPROTO_ICMP, IPPROTO_ICMP, 47 };
	bool v6 = key->eth_type == ETH_P_IPV6;

	key->nw_proto = protos[random_below(w, sizeof(protos))];
	if (v6 && key->nw_proto == IPPROTO_ICMP)
		key->nw_proto = IPPROTO_ICMPV6;
	if (key->nw_proto != IPPROTO_SCTP && key->nw_proto != IPPROTO_ICMPV6 && one_in(w, 8))
		key->nw_frag =
			(uint8_t)(one_in(w, 2) ? FLOW_FRAG_ANY : FLOW_FRAG_ANY | FLOW_FRAG_LATER);
	if (key->nw_frag & FLOW_FRAG_LATER) {
		if (v6) /* as Open vSwitch has it */
			key->nw_proto = IPPROTO_FRAGMENT;
		return;
	}
	switch (key->nw_proto) {
	case IPPROTO_TCP:
		key->tcp_flags = (uint16_t)(1u << random_below(w, 5));
		/* fall through */
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		key->tp_src = random_port(w);
		key->tp_dst = random_port(w);
		break;
	case IPPROTO_ICMP:
		key->tp_src = (uint16_t)(random_below(w, 2) * 8);
		key->tp_dst = (uint16_t)random_below(w, 2);
		break;
	case IPPROTO_ICMPV6:
		key->tp_src = (uint16_t)(128 + random_below(w, 2));
		if (one_in(w, 2))
			random_nd(w, key);
		break;
	default:
		break;
	}
}

static void random_l3(struct world *w, struct flow_key *key)
{
	static const uint8_t dscps[] = { 0, 4, 10, 14, 36 }; /* AF11, 13, 42 */
	static const uint16_t types[] = { ETH_P_IP,  ETH_P_IP,	 ETH_P_IP,	ETH_P_IP,
					  ETH_P_IP,  ETH_P_IPV6, ETH_P_IPV6,	ETH_P_IPV6,
					  ETH_P_ARP, ETH_P_RARP, ETH_P_MPLS_UC, ETH_P_MPLS_MC,
					  0x88b5 };

	key->eth_type = types[random_below(w, ARRAY_SIZE(types))];
	switch (key->eth_type) {
	case ETH_P_IP:
		key->nw_src = random_ip(w);
		key->nw_dst = random_ip(w);
		break;
	case ETH_P_IPV6:
		key->ipv6_src = random_ipv6(w);
		key->ipv6_dst = random_ipv6(w);
		key->ipv6_label = random_below(w, 3);
		break;
	case ETH_P_ARP:
	case ETH_P_RARP:
		key->arp_op = (uint16_t)(1 + random_below(w, 3));
		key->nw_src = random_ip(w);
		key->nw_dst = random_ip(w);
		key->arp_sha = random_mac(w);
		key->arp_tha = random_mac(w);
		return;
	case ETH_P_MPLS_UC:
	case ETH_P_MPLS_MC:
		for (unsigned i = 0, n = random_below(w, 2); i <= n; i++)
			key->mpls_lse[i] = random_below(w, 3) << 12 | random_below(w, 2) << 9 |
					   (i == n) << 8 | random_ttl(w);
		return;
	default:
		return;
	}
	key->nw_tos =
		(uint8_t)(dscps[random_below(w, ARRAY_SIZE(dscps))] << 2 | random_below(w, 4));
	key->nw_ttl = random_ttl(w);
	random_l4(w, key);
}

void random_key(struct world *w, struct flow_key *key)
{
	memset(key, 0, sizeof(*key));
	key->in_port = 1 + random_below(w, PORTS);
	key->eth_src = random_mac(w);
	key->eth_dst = random_mac(w);
	if (one_in(w, 2)) {
		key->vlan[0] = (struct flow_vlan){ ETH_P_8021Q, random_tci(w) };
		if (one_in(w, 4))
			key->vlan[1] = (struct flow_vlan){ ETH_P_8021Q, random_tci(w) };
		if (one_in(w, 5))
			key->vlan[0].tpid = ETH_P_8021AD;
	}
	random_l3(w, key);
}

/* Another value for something in @key. */
static void random_mutate(struct world *w, struct flow_key *key)
{
	struct flow_key other;

	/* parts of another packet of the same kind; what makes the kind stays */
	do
		random_key(w, &other);
	while (other.eth_type != key->eth_type || other.nw_proto != key->nw_proto ||
	       other.nw_frag != key->nw_frag || !other.nd_options_type != !key->nd_options_type ||
	       !other.vlan[0].tpid != !key->vlan[0].tpid ||
	       !other.vlan[1].tpid != !key->vlan[1].tpid);
	if (key->nd_options_type && one_in(w, 2)) {
		key->nd_target = other.nd_target;
		return;
	}
	if (key->eth_type == ETH_P_MPLS_UC || key->eth_type == ETH_P_MPLS_MC ||
	    key->nd_options_type || one_in(w, 4)) {
		*key = other;
		return;
	}
	for (unsigned n = 1 + random_below(w, 2); n--;) {
		unsigned i = random_below(w, FLOW_KEY_PACKET_WORDS);

		if (i >= 6 && i < 10) /* both halves of an address */
			key->words[i ^ 1] = other.words[i ^ 1];
		key->words[i] = other.words[i];
	}
}

void random_packet(struct world *w, struct flow_key *key)
{
	struct flow_key *old = &w->pool[random_below(w, POOL)];

	switch (random_below(w, 20)) {
	case 0:
		random_key(w, old);
		*key = *old;
		break;
	case 1 ... 12:
		*key = *old;
		break;
	default:
		*key = *old;
		random_mutate(w, key);
		break;
	}
}
