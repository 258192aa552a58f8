// SPDX-License-Identifier: Apache-2.0
/* Translation: tags and labels come and go. Steps for these are made at once; what they move in the
 * key moves in all masks, too.
 */
#include <limits.h>
#include <string.h>

#include "flow/layout.h"
#include "flow/translate_private.h"

#define LSE_TC_SHIFT 9
#define LSE_LABEL_SHIFT 12
#define LSE_TTL_DEFAULT 64
#define IPV6_EXPLICIT_NULL 2 /* RFC 3032, 2.1; that of IPv4 is 0 */
#define TOS_TC_BITS 0x1cu    /* the part of DSCP that becomes the traffic class */

static const struct flow_vlan tag_ones = { UINT16_MAX, UINT16_MAX };

static void set_eth_type(struct translate_state *s, uint16_t type)
{
	s->key.eth_type = type;
	s->known.eth_type = UINT16_MAX;
}

NEVER_INLINE void translate_push_vlan(struct translation *t, uint16_t tpid, uint16_t tci)
{
	struct translate_state *s = &t->s;
	struct flow_key *masks[] = { &s->key, &s->known, &s->dirty, &s->foreign };

	translate_commit(t); /* a third tag would hide what is behind it from those who rewrite */
	for (unsigned i = 0; i < 4; i++)
		masks[i]->vlan[1] = masks[i]->vlan[0];
	s->tag_from[1] = s->tag_from[0];
	s->tag_from[0] = NOT_OWN;
	s->moved = true;
	s->key.vlan[0] = (struct flow_vlan){ tpid, tci | FLOW_VLAN_PRESENT };
	s->known.vlan[0] = tag_ones;
	memset(&s->dirty.vlan[0], 0, sizeof(s->dirty.vlan[0]));
	s->grown += 4;
	translate_step(t, PLAN_PUSH_VLAN, sizeof(struct plan_step),
		       (uint32_t)tpid << 16 | (tci & ~FLOW_VLAN_PRESENT & 0xffff));
}

NEVER_INLINE void translate_pop_vlan(struct translation *t)
{
	struct translate_state *s = &t->s;
	struct flow_key *masks[] = { &s->key, &s->known, &s->dirty, &s->foreign };

	translate_examine_field(t, FIELD_vlan_tci, FLOW_VLAN_PRESENT);
	if (!(s->key.vlan[0].tci & FLOW_VLAN_PRESENT))
		return;
	for (unsigned i = 0; i < 4; i++) {
		masks[i]->vlan[0] = masks[i]->vlan[1];
		memset(&masks[i]->vlan[1], 0, sizeof(masks[i]->vlan[1]));
	}
	s->known.vlan[1] = tag_ones;
	s->tag_from[0] = s->tag_from[1];
	s->tag_from[1] = NOT_OWN;
	s->moved = true;
	s->grown -= 4;
	translate_step(t, PLAN_POP_VLAN, sizeof(struct plan_step), 0);
}

/* Labels of the key, to the bottom, or as many as it can have. */
static unsigned count_labels(struct translation *t)
{
	struct key_bits bits = { .map = 0 };
	unsigned n = 0;

	KEY_BITS_ADD(&bits, eth_type, UINT16_MAX);
	if (layout_is_mpls(t->s.key.eth_type))
		do
			KEY_BITS_ADD(&bits, mpls_lse[n], MPLS_BOTTOM);
		while (!(t->s.key.mpls_lse[n] & MPLS_BOTTOM) && ++n < FLOW_LABELS);
	else
		n = UINT_MAX; /* none: becomes 0 */
	translate_examine(t, &bits);
	return n == FLOW_LABELS ? n : n + 1;
}

/* The first label of a packet (as Open vSwitch has it): for IP, with its DSCP and TTL. */
static uint32_t first_label(struct translation *t)
{
	const struct flow_key *key = &t->s.key;
	uint32_t label = key->eth_type == ETH_P_IPV6 ? IPV6_EXPLICIT_NULL : 0;
	uint32_t tc = 0, ttl = LSE_TTL_DEFAULT;

	if (key->eth_type == ETH_P_IP || key->eth_type == ETH_P_IPV6) {
		translate_examine_field(t, FIELD_nw_tos, TOS_TC_BITS);
		translate_examine_field(t, FIELD_nw_ttl, UINT8_MAX);
		tc = (key->nw_tos & TOS_TC_BITS) >> 2;
		if (key->nw_ttl)
			ttl = key->nw_ttl;
	}
	return label << LSE_LABEL_SHIFT | tc << LSE_TC_SHIFT | MPLS_BOTTOM | ttl;
}

/* Layers 3 and 4 are not to be seen any more. */
static void cover(struct translate_state *s)
{
	s->covered = true;
	s->covered_key = s->key;
	s->covered_known = s->known;
	s->covered_foreign = s->foreign;
	for (unsigned w = 0; w < FLOW_KEY_PACKET_WORDS; w++) {
		uint64_t bits = translate_upper_bits(w);

		s->key.words[w] &= ~bits;
		s->foreign.words[w] &= ~bits;
		s->known.words[w] |= bits;
	}
}

NEVER_INLINE void translate_push_mpls(struct translation *t, uint16_t ethertype)
{
	struct translate_state *s = &t->s;
	unsigned n = count_labels(t);
	struct plan_push_mpls *step;
	uint32_t lse;

	if (n == FLOW_LABELS) {
		translate_stop(t, "more than 3 MPLS labels");
		return;
	}
	translate_commit(t);
	if (n) {
		struct key_bits bits = { .map = 0 };

		KEY_BITS_ADD(&bits, mpls_lse[0], UINT32_MAX);
		translate_examine(t, &bits);
		lse = s->key.mpls_lse[0] & ~MPLS_BOTTOM;
	} else {
		lse = first_label(t);
		cover(s);
	}
	for (unsigned i = FLOW_LABELS - 1; i; i--) {
		s->key.mpls_lse[i] = s->key.mpls_lse[i - 1];
		s->known.mpls_lse[i] = s->known.mpls_lse[i - 1];
		s->label_from[i] = s->label_from[i - 1];
	}
	s->key.mpls_lse[0] = lse;
	s->known.mpls_lse[0] = UINT32_MAX;
	s->label_from[0] = NOT_OWN;
	s->moved = true;
	s->grown += MPLS_LSE_LEN;
	set_eth_type(s, ethertype);
	step = translate_step(t, PLAN_PUSH_MPLS, sizeof(*step), lse);
	if (step)
		step->ethertype = ethertype;
}

/* The fields of what is behind @skip labels of the packet, taken as @type. */
static NEVER_INLINE void read_behind(const struct pkt *pkt, unsigned skip, uint16_t type,
				     struct flow_key *key)
{
	struct layout layout;
	struct pkt inner;
	uint32_t at, len;

	memset(key, 0, sizeof(*key));
	if (!pkt)
		return;
	layout_read(&layout, pkt);
	at = layout.network + skip * MPLS_LSE_LEN;
	if (layout.kind != LAYOUT_MPLS || at > pkt->head_len)
		return;
	len = pkt->head_len - at;
	inner = (struct pkt){ .head_len = (uint16_t)(ETH_HLEN + len),
			      .len = pkt->len - at + ETH_HLEN,
			      .offload = pkt->offload };
	inner.head = inner.buf + PKT_HEADROOM;
	memcpy(inner.head, pkt->head, ETH_HLEN);
	inner.head[2 * ETH_ALEN] = (uint8_t)(type >> 8);
	inner.head[2 * ETH_ALEN + 1] = (uint8_t)type;
	memcpy(inner.head + ETH_HLEN, pkt->head + at, len);
	flow_key_extract(key, &inner, 0);
	if (key->eth_type != type)
		memset(key, 0, sizeof(*key));
}

/* Layers 3 and 4 become those of @from; bits of @known and @foreign as there. */
static void uncover(struct translate_state *s, const struct flow_key *from,
		    const struct flow_key *known, const struct flow_key *foreign)
{
	for (unsigned w = 0; w < FLOW_KEY_PACKET_WORDS; w++) {
		uint64_t bits = translate_upper_bits(w);

		s->key.words[w] = (s->key.words[w] & ~bits) | (from->words[w] & bits);
		s->known.words[w] = (s->known.words[w] & ~bits) | (known->words[w] & bits);
		s->foreign.words[w] = (s->foreign.words[w] & ~bits) | (foreign->words[w] & bits);
		s->dirty.words[w] &= ~bits;
	}
	s->covered = false;
}

static void tell_revealed(const struct translation *t)
{
	const struct translate_story *story = t->in->story;

	if (story && story->revealed && !t->stopped) /* it is a step of the plan */
		story->revealed(story->arg, &t->s.key);
}

/* What is behind the labels shows again; @skip: so many labels of the packet are gone. */
static NEVER_INLINE void show_inner(struct translation *t, unsigned n_left, unsigned skip,
				    uint16_t type)
{
	struct translate_state *s = &t->s;
	struct flow_key inner, none = { 0 }, all;

	memset(&all, 0xff, sizeof(all));
	if (s->covered) {
		if (!n_left && type == s->covered_key.eth_type)
			uncover(s, &s->covered_key, &s->covered_known, &s->covered_foreign);
		else
			uncover(s, &none, &all, &none);
		return;
	}
	read_behind(t->in->pkt, skip, type, &inner);
	uncover(s, &inner, &none, &all);
	translate_note(t, t->in->pkt
				  ? "fields behind the label are read now"
				  : "fields behind the label are not known here, and taken as 0");
}

NEVER_INLINE void translate_pop_mpls(struct translation *t, uint16_t ethertype)
{
	struct translate_state *s = &t->s;
	unsigned n = count_labels(t), skip;

	if (!n)
		return;
	if (n == FLOW_LABELS && !(s->key.mpls_lse[n - 1] & MPLS_BOTTOM)) {
		translate_stop(t, "more than 3 MPLS labels");
		return;
	}
	skip = s->label_from[0] == NOT_OWN ? 0 : s->label_from[0] + 1u; /* up to the next one */
	for (unsigned i = 1; i < n; i++) {
		s->key.mpls_lse[i - 1] = s->key.mpls_lse[i];
		s->known.mpls_lse[i - 1] = s->known.mpls_lse[i];
		s->dirty.mpls_lse[i - 1] = s->dirty.mpls_lse[i];
		s->label_from[i - 1] = s->label_from[i];
	}
	s->key.mpls_lse[n - 1] = s->dirty.mpls_lse[n - 1] = 0;
	s->known.mpls_lse[n - 1] = UINT32_MAX;
	s->label_from[n - 1] = NOT_OWN;
	s->moved = true;
	s->grown -= MPLS_LSE_LEN;
	if (s->label_from[0] != NOT_OWN)
		skip = s->label_from[0];
	set_eth_type(s, ethertype);
	translate_step(t, PLAN_POP_MPLS, sizeof(struct plan_step), ethertype);
	if (layout_is_mpls(ethertype))
		return;
	show_inner(t, n - 1, skip, ethertype);
	tell_revealed(t);
}
