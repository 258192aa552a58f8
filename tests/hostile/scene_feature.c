// SPDX-License-Identifier: Apache-2.0
/* Every combination of features that changes what rings and headers look like, and rings of every
 * size. */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <string.h>

#include "hostile/stage.h"

static const struct {
	const char *name;
	unsigned bit;
} features[] = {
	{ "v1", VIRTIO_F_VERSION_1 },
	{ "mrg", VIRTIO_NET_F_MRG_RXBUF },
	{ "indirect", VIRTIO_RING_F_INDIRECT_DESC },
	{ "event", VIRTIO_RING_F_EVENT_IDX },
	{ "order", VIRTIO_F_IN_ORDER },
};

/* The features of a combination, and what it is called. */
static uint64_t combine(unsigned mask, char name[64])
{
	uint64_t bits = 0;

	strcpy(name, "legacy");
	for (size_t i = 0; i < ARRAY_SIZE(features); i++)
		if (mask >> i & 1) {
			bits |= 1ull << features[i].bit;
			strcat(name, "-");
			strcat(name, features[i].name);
		}
	return bits;
}

static void combination(struct stage *s, unsigned queue, unsigned mask, enum stage_form form)
{
	struct rogue_buffer list[2];
	enum ring_fault fault;
	uint64_t bits;
	char name[64];

	bits = combine(mask, name);
	if (!stage_begin(s, "%s.feature.%s.%s", stage_queues[queue], stage_forms[form], name))
		return;
	fault = form == STAGE_TABLE && !(bits >> VIRTIO_RING_F_INDIRECT_DESC & 1)
			? RING_FAULT_INDIRECT_FEATURE
			: RING_OK;
	stage_open(s, &(struct rogue_config){ .features = bits });
	stage_good_list(list, 2, 150, queue);
	stage_attack_list(s, queue, form, list, 2, fault);
}

static void ring_size(struct stage *s, unsigned queue, unsigned size)
{
	struct rogue_buffer list;

	if (!stage_begin(s, "%s.size.%u", stage_queues[queue], size))
		return;
	stage_open(s,
		   &(struct rogue_config){ .features = 1ull << VIRTIO_F_VERSION_1, .size = size });
	stage_good_list(&list, 1, 150, queue);
	stage_attack_list(s, queue, STAGE_DIRECT, &list, 1, RING_OK);
}

static void refused_size(struct stage *s, unsigned size, const char *why)
{
	if (!stage_begin(s, "refused-size.%u", size))
		return;
	stage_expect_refused(
		s, &(struct rogue_config){ .features = 1ull << VIRTIO_F_VERSION_1, .size = size },
		why);
}

static void sizes(struct stage *s)
{
	static const unsigned powers[] = { 1, 2, 4, 8, 16, 32, 128, 256 };
	static const unsigned others[] = { 3, 5, 7, 63, 65, 100, 255 };
	static const unsigned wrong[] = { 32769, 65535, 65536, 0x80000000, 0xffffffff };

	for (unsigned queue = 0; queue < 2; queue++) {
		for (size_t i = 0; i < ARRAY_SIZE(powers); i++)
			ring_size(s, queue, powers[i]);
		for (size_t i = 0; s->packed && i < ARRAY_SIZE(others); i++)
			ring_size(s, queue, others[i]);
	}
	for (size_t i = 0; !s->packed && i < ARRAY_SIZE(others); i++)
		refused_size(s, others[i], "must be a power of two");
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		refused_size(s, wrong[i], "is not in 1..32768");
}

void scene_feature(struct stage *s)
{
	for (unsigned queue = 0; queue < 2; queue++)
		for (unsigned mask = 0; mask < 1u << ARRAY_SIZE(features); mask++)
			for (unsigned form = 0; form < STAGE_N_FORMS; form++)
				combination(s, queue, mask, form);
	sizes(s);
}
