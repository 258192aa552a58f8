/* SPDX-License-Identifier: Apache-2.0 */
/* Packets of all kinds, made from the input, and the same with a few bytes changed or cut off, as
 * they come in.
 */
#pragma once

#include "../unit/made_frame.h"
#include "flow/rewrite.h"
#include "input.h"
#include "packet/parse.h"

#define FRAME_MAX (MADE_MAX + 64) /* with what is pushed */

struct fuzz_packet {
	struct made made;
	struct pkt pkt;
	struct iovec frags[2];
	uint8_t *frame; /* as it was received: a heap block of its size */
	uint32_t len;
	bool damaged;
};

static inline unsigned packet_choose(void *arg, unsigned n)
{
	return take_choice(arg, n);
}

/* The first @len bytes that were made come in, in two pieces. */
static inline void packet_receive(struct fuzz_packet *f, struct input *in, uint32_t len)
{
	uint32_t cut;

	f->len = len;
	f->frame = zeroed(len);
	memcpy(f->frame, f->made.bytes, len);
	cut = (uint32_t)take_number(in, 1) % (len + 1);
	f->frags[0] = (struct iovec){ f->frame, cut };
	f->frags[1] = (struct iovec){ f->frame + cut, len - cut };
	pkt_init(&f->pkt, f->frags, 2, len);
	pkt_parse(&f->pkt);
	f->pkt.offload = f->made.offload;
}

/* packet_free() it. */
static inline void packet_make(struct fuzz_packet *f, struct input *in)
{
	struct made_choices choices = { .arg = in, .choose = packet_choose };
	uint8_t before[MADE_MAX];
	struct virtio_net_hdr offload;
	uint32_t len;

	made_frame(&f->made, &choices);
	len = f->made.len;
	memcpy(before, f->made.bytes, len);
	offload = f->made.offload;
	take_damage(in, f->made.bytes, len, 4);
	take_damage(in, &f->made.offload, sizeof(f->made.offload), 2);
	f->damaged = memcmp(before, f->made.bytes, len) ||
		     memcmp(&offload, &f->made.offload, sizeof(offload));
	if (!take_choice(in, 8)) {
		len = (uint32_t)(ETH_HLEN + take_number(in, 2) % (len - ETH_HLEN + 1));
		f->damaged = true;
	}
	packet_receive(f, in, len);
}

static inline void packet_free(struct fuzz_packet *f)
{
	free(f->frame);
	f->frame = NULL;
}

/* What is left to be done is as virtio/net_header.h lets it in, and fit for rules. */
static inline bool packet_admit(struct fuzz_packet *f)
{
	struct virtio_net_hdr *o = &f->pkt.offload;

	o->flags &= VIRTIO_NET_HDR_F_NEEDS_CSUM;
	if (o->flags && (o->csum_start < ETH_HLEN || o->csum_start >= f->len ||
			 f->len - o->csum_start < o->csum_offset + 2u))
		return false;
	return rewrite_check_offload(&f->pkt);
}

/* It is a packet, wholly within its copy and its fragments. */
static inline void packet_check(const struct pkt *pkt)
{
	size_t sum = pkt->head_len;
	struct pkt again;

	for (unsigned i = 0; i < pkt->n_frags; i++)
		sum += pkt->frags[i].iov_len;
	require(sum == pkt->len && pkt->len >= ETH_HLEN && pkt->len <= FRAME_MAX);
	require(pkt->head >= pkt->buf);
	require(pkt->head + pkt->head_len <= pkt->buf + sizeof(pkt->buf));
	again = *pkt;
	again.head = again.buf + (pkt->head - pkt->buf);
	pkt_parse(&again);
	require(again.tagged == pkt->tagged && again.tci == pkt->tci &&
		again.ethertype == pkt->ethertype);
}
