// SPDX-License-Identifier: Apache-2.0
/* libFuzzer target: packets of all kinds, made from the input, and the same with a few bytes
 * changed or cut off; steps of any kind are done with them. Of one that is right, after each change
 * of fields the key is what was asked for and all checksums are right, by a second, simple reading.
 * Of any, what has been put aside comes back.
 */
#include "../unit/made_frame.h"

#include "flow/rewrite.h"
#include "input.h"
#include "packet/checksum.h"
#include "packet/parse.h"

#define STEPS_MAX 12
#define FRAME_MAX (MADE_MAX + 64)

static struct {
	struct made made;
	struct pkt pkt;
	struct iovec frags[2];
	uint8_t *frame; /* as it was received: a heap block of its size */
	uint32_t len;
	bool damaged;
	bool plain; /* the headers are where they were made */
} f;

static unsigned choose(void *arg, unsigned n)
{
	return take_choice(arg, n);
}

/* The packet is one, wholly within its copy and its fragments. */
static void check_packet(void)
{
	size_t sum = f.pkt.head_len;
	struct pkt again;

	for (unsigned i = 0; i < f.pkt.n_frags; i++)
		sum += f.pkt.frags[i].iov_len;
	require(sum == f.pkt.len && f.pkt.len >= ETH_HLEN && f.pkt.len <= FRAME_MAX);
	require(f.pkt.head >= f.pkt.buf);
	require(f.pkt.head + f.pkt.head_len <= f.pkt.buf + sizeof(f.pkt.buf));
	again = f.pkt;
	again.head = again.buf + (f.pkt.head - f.pkt.buf);
	pkt_parse(&again);
	require(again.tagged == f.pkt.tagged && again.tci == f.pkt.tci &&
		again.ethertype == f.pkt.ethertype);
}

static void make_packet(struct input *in)
{
	struct made_choices choices = { .arg = in, .choose = choose };
	uint8_t before[MADE_MAX];
	struct virtio_net_hdr offload;
	uint32_t cut;

	made_frame(&f.made, &choices);
	f.len = f.made.len;
	memcpy(before, f.made.bytes, f.len);
	offload = f.made.offload;
	take_damage(in, f.made.bytes, f.len, 4);
	take_damage(in, &f.made.offload, sizeof(f.made.offload), 2);
	f.damaged = memcmp(before, f.made.bytes, f.len) ||
		    memcmp(&offload, &f.made.offload, sizeof(offload));
	if (!take_choice(in, 8)) {
		f.len = (uint32_t)(ETH_HLEN + take_number(in, 2) % (f.len - ETH_HLEN + 1));
		f.damaged = true;
	}
	f.plain = !f.damaged;
	f.frame = zeroed(f.len);
	memcpy(f.frame, f.made.bytes, f.len);
	cut = (uint32_t)take_number(in, 1) % (f.len + 1);
	f.frags[0] = (struct iovec){ f.frame, cut };
	f.frags[1] = (struct iovec){ f.frame + cut, f.len - cut };
	pkt_init(&f.pkt, f.frags, 2, f.len);
	pkt_parse(&f.pkt);
	f.pkt.offload = f.made.offload;
}

/* As virtio/net_header.h lets it in. */
static bool clean_request(void)
{
	struct virtio_net_hdr *o = &f.pkt.offload;

	o->flags &= VIRTIO_NET_HDR_F_NEEDS_CSUM;
	if (!o->flags)
		return true;
	return o->csum_start >= ETH_HLEN && o->csum_start < f.len &&
	       f.len - o->csum_start >= o->csum_offset + 2u;
}

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
	if (f.plain)
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
	if (!f.plain)
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
	f.plain = false;
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
		f.plain = false;
		break;
	case 3:
		rewrite_pop_mpls(&f.pkt, take_choice(in, 2) ? ETH_P_IP : ETH_P_IPV6);
		f.plain = false;
		break;
	case 4:
		remark(in);
		break;
	case 5:
		len = (uint32_t)take_number(in, 2) % FRAME_MAX;
		if (rewrite_truncate(&f.pkt, len))
			require(f.pkt.len <= max(len, (uint32_t)ETH_HLEN));
		f.plain = false;
		break;
	default:
		change_fields(in);
		break;
	}
	check_packet();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rewrite_saved saved;
	struct input in = { data, size };
	uint8_t before[FRAME_MAX], after[FRAME_MAX];
	unsigned n;

	make_packet(&in);
	if (!clean_request() || !rewrite_check_offload(&f.pkt)) {
		require(f.damaged);
		free(f.frame);
		return 0;
	}
	check_packet();
	pkt_copy(&f.pkt, before);
	rewrite_save(&f.pkt, &saved);
	for (n = take_choice(&in, STEPS_MAX); n; n--)
		step(&in);
	rewrite_restore(&f.pkt, &saved);
	check_packet();
	pkt_copy(&f.pkt, after);
	require(f.pkt.len == f.len && !memcmp(before, after, f.len));
	free(f.frame);
	return 0;
}
