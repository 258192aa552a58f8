// SPDX-License-Identifier: Apache-2.0
// What scenarios make, whoever looks at what becomes of it: lists, chains, frames; and their order.

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <string.h>

#include "hostile/stage.h"

const char *const stage_forms[] = { "direct", "table" };
const char *const stage_queues[] = { "rx", "tx" };

void stage_name(struct stage *s, const char *fmt, va_list ap)
{
	static const char *const notes[] = { "", "-log", "-inflight" };
	size_t at = (size_t)snprintf(s->name, sizeof(s->name), "%s%s.",
				     s->packed ? "packed" : "split", notes[s->notes]);

	vsnprintf(s->name + at, sizeof(s->name) - at, fmt, ap);
}

unsigned stage_head(struct stage *s, uint8_t bytes[64])
{
	unsigned header_len = s->rogue.header_len;

	memset(bytes, 0, 64);
	guest_ethernet(bytes + header_len, PEER_MAC, EVIL_MAC);
	s->number++;
	memcpy(bytes + header_len + 14, &s->number, sizeof(s->number));
	return header_len + STAGE_HEAD_LEN;
}

void stage_open_usual(struct stage *s)
{
	stage_open(s, &(struct rogue_config){ .features = 1ull << VIRTIO_F_VERSION_1 |
							  1ull << VIRTIO_NET_F_MRG_RXBUF |
							  1ull << VIRTIO_RING_F_INDIRECT_DESC });
}

void stage_put_attack(struct stage *s, unsigned queue, const struct vring_desc *descs, unsigned n,
		      const struct rogue_buffer *list, unsigned n_list, bool good)
{
	const struct vring_desc front = { STAGE_IN_FRONT, STAGE_GOOD_LEN, VRING_DESC_F_WRITE, 0 };
	uint8_t head[64];

	if (queue == ROGUE_TX && good)
		rogue_write(&s->rogue, list, n_list, 0, head, stage_head(s, head));
	if (queue == ROGUE_RX && s->ahead)
		rogue_put(&s->rogue, ROGUE_RX, STAGE_GOOD_SLOT, &front, 1);
	rogue_put(&s->rogue, queue, 0, descs, n);
}

unsigned stage_describe(struct stage *s, enum stage_form form, const struct rogue_buffer *list,
			unsigned n, struct vring_desc *descs)
{
	for (unsigned i = 0; i < n; i++) {
		struct vring_desc desc = { list[i].addr, list[i].len, 0, 0 };

		if (list[i].write)
			desc.flags |= VRING_DESC_F_WRITE;
		if (i + 1 < n) {
			desc.flags |= VRING_DESC_F_NEXT;
			desc.next = (uint16_t)(i + 1);
		}
		if (form == STAGE_TABLE)
			rogue_write_table(&s->rogue, ROGUE_TABLE, i, &desc);
		else
			descs[i] = desc;
	}
	if (form == STAGE_DIRECT)
		return n;
	descs[0] = (struct vring_desc){ ROGUE_TABLE, 16 * n, VRING_DESC_F_INDIRECT, 0 };
	return 1;
}

void stage_attack_list(struct stage *s, unsigned queue, enum stage_form form,
		       const struct rogue_buffer *list, unsigned n, enum ring_fault fault)
{
	struct vring_desc descs[STAGE_CHAIN_MAX];
	unsigned n_descs = stage_describe(s, form, list, n, descs);

	stage_attack(s, queue, descs, n_descs, list, n, fault);
}

void stage_good_list(struct rogue_buffer *list, unsigned n, uint32_t len, unsigned queue)
{
	for (unsigned i = 0; i < n; i++)
		list[i] = (struct rogue_buffer){ 0x30000100 + 16ull * i * ((len + 31) / 16), len,
						 queue == ROGUE_RX };
}

/* What concerns rings alone is done again where they note what they write, and what is in flight:
 * that is other code. */
void scene_all(struct stage *s)
{
	for (s->notes = 0; s->notes < ROGUE_N_NOTES; s->notes++) {
		scene_buffer(s);
		scene_chain(s);
		if (s->packed)
			scene_packed_index(s);
		else
			scene_split_index(s);
	}
	s->notes = ROGUE_NO_NOTES;
	scene_header(s);
	scene_feature(s);
	scene_order(s);
}
