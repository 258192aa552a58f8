// SPDX-License-Identifier: Apache-2.0
/* Matches: setting and comparing them, and what must be matched before a field can be. */
#include <errno.h>
#include <linux/if_ether.h>

#include "flow/match.h"

void match_init(struct match *match)
{
	memset(match, 0, sizeof(*match));
}

void match_set(struct match *match, const struct field *field, u128 value, u128 mask)
{
	struct flow_vlan *tag = match->mask.vlan;

	field_set(field, &match->mask, mask, ~(u128)0);
	field_set(field, &match->key, value & mask, ~(u128)0);
	/* "no tag" is said in one way */
	if ((tag->tci & 0x1fff) == 0x1fff && !match->key.vlan[0].tci)
		tag->tci = UINT16_MAX;
}

bool match_equal(const struct match *a, const struct match *b)
{
	return !memcmp(a, b, sizeof(*a));
}

bool match_is_within(const struct match *a, const struct match *b)
{
	for (unsigned i = 0; i < FLOW_KEY_WORDS; i++)
		if (b->mask.words[i] & ~a->mask.words[i] ||
		    (a->key.words[i] ^ b->key.words[i]) & b->mask.words[i])
			return false;
	return true;
}

bool match_overlaps(const struct match *a, const struct match *b)
{
	for (unsigned i = 0; i < FLOW_KEY_WORDS; i++)
		if ((a->key.words[i] ^ b->key.words[i]) & a->mask.words[i] & b->mask.words[i])
			return false;
	return true;
}

bool match_covers(const struct match *match, const struct flow_key *key)
{
	for (unsigned i = 0; i < FLOW_KEY_WORDS; i++)
		if ((match->key.words[i] ^ key->words[i]) & match->mask.words[i])
			return false;
	return true;
}

/* Fields that share a container: with which of them a match is shown and checked. */
static bool is_own(const struct field *field, const struct match *match)
{
	return field_ensured(field->prereq, &match->key, &match->mask);
}

/* Says what is missing; fields that share their bits are called by what they have in common. */
static void explain(const struct field *field, const struct match *match, struct error *err)
{
	bool six = match->key.eth_type == ETH_P_IPV6;
	const char *name, *needed;

	if (six && (field->id == FIELD_arp_sha || field->id == FIELD_arp_tha))
		field = &fields[field->id == FIELD_arp_sha ? FIELD_nd_sll : FIELD_nd_tll];
	name = field->name;
	needed = field_prereq_words(field->prereq);
	if (field->id == FIELD_tcp_src || field->id == FIELD_tcp_dst) {
		name = field->id == FIELD_tcp_src ? "tp_src" : "tp_dst";
		needed = "tcp, udp, sctp, icmp or icmp6";
	} else if (field->id == FIELD_ip_src || field->id == FIELD_ip_dst) {
		name = field->other_name;
		needed = "ip or arp";
	}
	error_set(err, -EINVAL, "%s can be matched only together with %s", name, needed);
}

enum of_error match_check(const struct match *match, struct error *err)
{
	struct flow_key left = match->mask;

	/* what no field explains is a field without its prerequisites */
	for (unsigned i = 0; i < FIELD_N; i++)
		if (field_is_in(&fields[i], &left) && is_own(&fields[i], match))
			field_set(&fields[i], &left, 0, ~(u128)0);
	for (unsigned i = 0; i < FIELD_N; i++)
		if (field_is_in(&fields[i], &left)) {
			explain(&fields[i], match, err);
			return OFERR_MATCH_BAD_PREREQ;
		}
	return OFERR_NONE;
}
