// SPDX-License-Identifier: Apache-2.0
/* What the device side of a virtqueue does the same in every layout. */
#include <errno.h>
#include <linux/virtio_config.h>
#include <string.h>

#include "virtio/ring.h"

static const char *const fault_texts[RING_N_FAULTS] = {
	[RING_OK] = "ok",
	[RING_FAULT_AVAIL_INDEX] = "more chains available than the ring has entries",
	[RING_FAULT_DESC_INDEX] = "descriptor index beyond the table",
	[RING_FAULT_LOOP] = "descriptor chain longer than the ring",
	[RING_FAULT_ADDRESS] = "buffer outside of guest memory",
	[RING_FAULT_CHAIN_LENGTH] = "descriptor chain too large",
	[RING_FAULT_DIRECTION] = "readable buffer behind a writable one",
	[RING_FAULT_INDIRECT_FEATURE] = "indirect descriptors were not negotiated",
	[RING_FAULT_INDIRECT_NESTED] = "indirect table in an indirect table",
	[RING_FAULT_INDIRECT_NEXT] = "indirect descriptor with a next one",
	[RING_FAULT_INDIRECT_SIZE] = "indirect table of a wrong size",
	[RING_FAULT_NO_WRITABLE] = "receive buffer cannot be written",
	[RING_FAULT_POSITION] = "packed ring does not stand where the front-end says",
	[RING_FAULT_UNMAPPED] = "memory of the ring was taken away",
	[RING_FAULT_LOG] = "dirty log was taken away",
};

const char *ring_fault_text(enum ring_fault fault)
{
	const char *text = (unsigned)fault < RING_N_FAULTS ? fault_texts[fault] : NULL;

	return text ? text : "unknown fault";
}

int ring_start(struct ring *ring, const struct ring_config *config, struct error *err)
{
	const struct ring_ops *ops = config->features & 1ull << VIRTIO_F_RING_PACKED
					     ? &ring_packed_ops
					     : &ring_split_ops;
	int rc;

	memset(ring, 0, sizeof(*ring));
	if (config->size < 1 || config->size > RING_SIZE_MAX)
		return error_set(err, -EINVAL, "ring of %u entries: must have 1 to %d",
				 config->size, RING_SIZE_MAX);
	if (!config->desc || !config->driver || !config->device)
		return error_set(err, -EINVAL, "ring without memory");
	ring->config = *config;
	rc = ops->start(ring, err);
	if (rc < 0)
		return rc;
	ring->ops = ops;
	return 0;
}

void ring_break(struct ring *ring, enum ring_fault fault)
{
	if (!ring_broken(ring))
		__atomic_store_n(&ring->fault, fault, __ATOMIC_RELAXED);
}
