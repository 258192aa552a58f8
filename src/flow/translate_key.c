// SPDX-License-Identifier: Apache-2.0
/* Translation: the key that actions change, and which of the packet's own bits were examined. */
#include <string.h>

#include "flow/translate_private.h"

#define TCI_BITS (0xffffu & ~FLOW_VLAN_PRESENT)

uint64_t translate_upper_bits(unsigned word)
{
	switch (word) {
	case 0: /* behind in_port */
		return ~0ull << 32;
	case 3: /* behind eth_type */
		return ~0ull << 16;
	case 10: /* ipv6_label */
		return UINT32_MAX;
	case 5 ... 9:
	case 12 ... 16:
		return ~0ull;
	default:
		return 0;
	}
}

/* What actions may write to a packet, of a word of the key. */
static uint64_t packet_bits(unsigned word)
{
	struct flow_key tags = { .vlan = { { 0, TCI_BITS }, { 0, TCI_BITS } } };

	if (word >= FLOW_KEY_PACKET_WORDS)
		return 0;
	if (word == 0) /* not in_port */
		return ~0ull << 32;
	return word == 4 ? tags.words[4] : ~0ull;
}

/* Moves the bits of tags and labels from where they are now to where the packet has them. */
static void move_back(const struct translate_state *s, struct flow_key *bits)
{
	struct flow_vlan tags[FLOW_VLANS] = { 0 };
	uint32_t labels[FLOW_LABELS] = { 0 };

	for (unsigned i = 0; i < FLOW_VLANS; i++) {
		if (s->tag_from[i] == NOT_OWN)
			continue;
		tags[s->tag_from[i]].tpid |= bits->vlan[i].tpid;
		tags[s->tag_from[i]].tci |= bits->vlan[i].tci;
	}
	for (unsigned i = 0; i < FLOW_LABELS; i++)
		if (s->label_from[i] != NOT_OWN)
			labels[s->label_from[i]] |= bits->mpls_lse[i];
	memcpy(bits->vlan, tags, sizeof(tags));
	memcpy(bits->mpls_lse, labels, sizeof(labels));
}

/* Bits of word @w of the key that are those of the packet, and have been examined. */
static uint64_t examined_bits(const struct translation *t, unsigned w)
{
	const struct translate_state *s = &t->s;
	struct flow_key here;

	if (!s->moved || !(w == 4 || w == 10 || w == 11))
		return t->out->examined.words[w] & ~s->foreign.words[w];
	here.words[w] = w == 10 ? t->out->examined.words[w] & ~s->foreign.words[w] : 0;
	if (w == 4) {
		for (unsigned i = 0; i < FLOW_VLANS; i++)
			if (s->tag_from[i] != NOT_OWN)
				here.vlan[i] = t->out->examined.vlan[s->tag_from[i]];
		return here.words[w];
	}
	for (unsigned i = w == 10 ? 0 : 1; i < (w == 10 ? 1 : FLOW_LABELS); i++)
		here.mpls_lse[i] = s->label_from[i] == NOT_OWN
					   ? 0
					   : t->out->examined.mpls_lse[s->label_from[i]];
	return here.words[w];
}

static NEVER_INLINE void examine_moved(struct translation *t, const struct key_bits *sparse)
{
	struct flow_key bits, own;
	uint64_t foreign = 0;

	key_bits_expand(sparse, &bits);
	for (unsigned w = 0; w < FLOW_KEY_PACKET_WORDS; w++) {
		uint64_t unknown = bits.words[w] & ~t->s.known.words[w];

		foreign |= unknown & t->s.foreign.words[w];
		own.words[w] = unknown & ~t->s.foreign.words[w];
	}
	if (foreign && t->out->cacheable) {
		t->out->cacheable = false;
		t->out->why_not = "reads what was behind an MPLS label";
	}
	move_back(&t->s, &own);
	for (unsigned w = 0; w < FLOW_KEY_PACKET_WORDS; w++)
		t->out->examined.words[w] |= own.words[w];
}

void translate_examine(struct translation *t, const struct key_bits *bits)
{
	uint64_t map = bits->map & ((1ull << FLOW_KEY_PACKET_WORDS) - 1);

	if (unlikely(t->s.moved)) {
		examine_moved(t, bits);
		return;
	}
	/* nothing is foreign before something has moved */
	for (; map; map &= map - 1) {
		unsigned w = (unsigned)__builtin_ctzll(map);

		t->out->examined.words[w] |= bits->words[w] & ~t->s.known.words[w];
	}
}

void translate_examine_field(struct translation *t, enum field_id id, u128 mask)
{
	struct key_bits bits = { .map = 0 };

	field_examine(&fields[id], mask, &bits);
	translate_examine(t, &bits);
}

bool translate_present(struct translation *t, const struct field *field)
{
	struct key_bits bits;
	bool present;

	if (field->prereq == PREREQ_NONE)
		return true;
	bits.map = 0;
	present = field_present(field, &t->s.key, &bits);
	translate_examine(t, &bits);
	return present;
}

u128 translate_read(struct translation *t, const struct subfield *sub)
{
	struct key_bits bits = { .map = 0 };

	subfield_examine(sub, &bits);
	translate_examine(t, &bits);
	return subfield_get(sub, &t->s.key);
}

/* Bits of word @w that the packet may not have as the key has them. */
static NEVER_INLINE uint64_t remarked_bits(const struct translate_state *s, unsigned w)
{
	const struct flow_key bits = { .nw_tos = s->remarked };

	return bits.words[w];
}

/* A bit that is the same in all packets of the plan need not be written again. */
static void write_word(struct translation *t, unsigned w, uint64_t value, uint64_t mask)
{
	struct translate_state *s = &t->s;
	uint64_t same = ~(s->key.words[w] ^ value), bits = mask;

	if (unlikely(s->remarked))
		same &= ~remarked_bits(s, w);
	if (w < FLOW_KEY_PACKET_WORDS) {
		bits &= ~(same & (s->known.words[w] | examined_bits(t, w)));
		s->known.words[w] |= bits;
		s->dirty.words[w] |= bits & packet_bits(w);
	}
	s->key.words[w] = (s->key.words[w] & ~mask) | (value & mask);
}

/* With vlan_tci, whether there is a tag may be written too; bits of a tag that is not there may
 * not.
 */
static void write_tci(struct translation *t, const struct flow_key *to, struct flow_key *mask)
{
	bool was = t->s.key.vlan[0].tci & FLOW_VLAN_PRESENT;
	bool is = to->vlan[0].tci & FLOW_VLAN_PRESENT;

	translate_examine_field(t, FIELD_vlan_tci, FLOW_VLAN_PRESENT);
	if (was && !is) {
		translate_pop_vlan(t);
	} else if (!was && is) {
		translate_push_vlan(t, ETH_P_8021Q, to->vlan[0].tci);
	} else if (is) {
		mask->vlan[0].tci &= TCI_BITS;
		write_word(t, 4, to->words[4], mask->words[4]);
	}
}

NEVER_INLINE void translate_write(struct translation *t, const struct field *field, u128 value,
				  u128 mask)
{
	unsigned first = field->offset / 8, last = (field->offset + field->size - 1u) / 8;
	struct flow_key to, bits; /* of these, only the words that the field is in */

	for (unsigned w = first; w <= last; w++) {
		to.words[w] = t->s.key.words[w];
		bits.words[w] = 0;
	}
	field_set(field, &to, value, mask);
	field_set(field, &bits, mask, mask);
	if (first == 4 && bits.vlan[0].tci) {
		write_tci(t, &to, &bits);
		return;
	}
	if (first == 0 && bits.in_port) { /* a reserved one of 16 bits is one of 32 */
		bits.in_port = UINT32_MAX;
		if (to.in_port >> 8 == 0xff)
			to.in_port |= 0xffff0000u;
	}
	for (unsigned w = first; w <= last; w++)
		write_word(t, w, to.words[w], bits.words[w]);
}

void translate_write_sub(struct translation *t, const struct subfield *sub, u128 value)
{
	u128 ones = sub->n_bits >= 128 ? ~(u128)0 : ((u128)1 << sub->n_bits) - 1;

	translate_write(t, sub->field, (value & ones) << sub->first, ones << sub->first);
}
