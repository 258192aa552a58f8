// SPDX-License-Identifier: Apache-2.0
/* libFuzzer target: packets of all kinds, made from the input, and the same with a few bytes
 * changed or cut off; steps of any kind are done with them. Of one that is right, after each change
 * of fields the key is what was asked for and all checksums are right, by a second, simple reading.
 * Of any, what has been put aside comes back.
 */
#include "packet.h"

#define STEPS_MAX 12

static struct fuzz_packet f;
static bool plain; /* the headers are where they were made */

/* Sets any bits that a made packet has; of another, any bits at all. */
static void change_fields(struct input *in)
{
	union {
		struct plan_rewrite r;
		uint8_t space[sizeof(struct plan_rewrite) + 16 * FLOW_KEY_PACKET_WORDS];
	} u = { .r.step.kind = PLAN_REWRITE };
	uint32_t map = (uint32_t)take_number(in, 3);
	struct flow_key before, after, mask;
	uint8_t frame[FRAME_MAX];
	unsigned n = 0;

	flow_key_extract(&before, &f.pkt, 1);
	if (plain)
		made_writable(&f.made, &mask);
	else
		memset(&mask, 0xff, sizeof(mask));
	for (unsigned i = 0; i < FLOW_KEY_PACKET_WORDS; i++) {
		if (!(map >> i & 1)) {
			mask.words[i] = 0;
			continue;
		}
		if (take_choice(in, 2))
			mask.words[i] &= take_number(in, 8);
		u.r.map |= 1ull << i;
		u.r.words[n].mask = mask.words[i];
		u.r.words[n].value = take_number(in, 8) & mask.words[i];
		before.words[i] = (before.words[i] & ~mask.words[i]) | u.r.words[n++].value;
	}
	rewrite_fields(&f.pkt, &u.r);
	if (!plain)
		return;
	flow_key_extract(&after, &f.pkt, 1);
	require(!memcmp(&before, &after, 8 * FLOW_KEY_PACKET_WORDS));
	require(f.pkt.len == f.len);
	pkt_copy(&f.pkt, frame);
	require(made_is_right(&f.made, frame));
}

/* A tag or a label more; what is behind it stays. */
static void push(struct input *in, bool tag)
{
	struct flow_key before, after;
	uint32_t len = f.pkt.len;
	bool done;

	flow_key_extract(&before, &f.pkt, 1);
	done = tag ? rewrite_push_vlan(&f.pkt, 0x88a8, 0x2005)
		   : rewrite_push_mpls(&f.pkt, ETH_P_MPLS_UC, 0x12340140);
	plain = false;
	if (!done) {
		require(f.pkt.len == len);
		return;
	}
	flow_key_extract(&after, &f.pkt, 1);
	require(f.pkt.len == len + 4);
	if (tag)
		require(after.vlan[0].tci == 0x3005 && after.vlan[1].tci == before.vlan[0].tci);
	else
		require(after.mpls_lse[0] == 0x12340140 && after.vlan[0].tci == before.vlan[0].tci);
}

/* Raises the drop precedence; nothing but DSCP changes. */
static void remark(struct input *in)
{
	struct flow_key before, after;

	flow_key_extract(&before, &f.pkt, 1);
	rewrite_remark(&f.pkt, (uint8_t)take_number(in, 1));
	flow_key_extract(&after, &f.pkt, 1);
	require(after.nw_tos >= before.nw_tos && !((after.nw_tos ^ before.nw_tos) & 0xe7));
	before.nw_tos = after.nw_tos;
	require(!memcmp(&before, &after, 8 * FLOW_KEY_PACKET_WORDS));
}

static void step(struct input *in)
{
	uint32_t len;

	switch (take_choice(in, 9)) {
	case 0:
		push(in, true);
		break;
	case 1:
		push(in, false);
		break;
	case 2:
		rewrite_pop_vlan(&f.pkt);
		plain = false;
		break;
	case 3:
		rewrite_pop_mpls(&f.pkt, take_choice(in, 2) ? ETH_P_IP : ETH_P_IPV6);
		plain = false;
		break;
	case 4:
		remark(in);
		break;
	case 5:
		len = (uint32_t)take_number(in, 2) % FRAME_MAX;
		if (rewrite_truncate(&f.pkt, len))
			require(f.pkt.len <= max(len, (uint32_t)ETH_HLEN));
		plain = false;
		break;
	default:
		change_fields(in);
		break;
	}
	packet_check(&f.pkt);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rewrite_saved saved;
	struct input in = { data, size };
	uint8_t before[FRAME_MAX], after[FRAME_MAX];
	unsigned n;

	packet_make(&f, &in);
	plain = !f.damaged;
	if (!packet_admit(&f)) {
		require(f.damaged);
		packet_free(&f);
		return 0;
	}
	packet_check(&f.pkt);
	pkt_copy(&f.pkt, before);
	rewrite_save(&f.pkt, &saved);
	for (n = take_choice(&in, STEPS_MAX); n; n--)
		step(&in);
	rewrite_restore(&f.pkt, &saved);
	packet_check(&f.pkt);
	pkt_copy(&f.pkt, after);
	require(f.pkt.len == f.len && !memcmp(before, after, f.len));
	packet_free(&f);
	return 0;
}
