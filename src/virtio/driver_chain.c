// SPDX-License-Identifier: Apache-2.0
/* Chains of buffers on their way into a ring of either layout: checks and indirect tables. */
#include "virtio/driver_chain.h"
#include "virtio/packed.h"
#include "virtio/shared.h"

static bool lengths_fit(const struct iovec *bufs, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (bufs[i].iov_len > UINT32_MAX)
			return false;
	return true;
}

int driver_plan(const struct driver_ring *ring, const struct iovec *out, unsigned n_out,
		const struct iovec *in, unsigned n_in, struct driver_plan *plan)
{
	const struct driver_config *c = &ring->config;
	unsigned n = n_out + n_in;

	if (unlikely(ring->broken))
		return -EIO;
	plan->n = n;
	plan->indirect = c->indirect && (c->features & 1ull << VIRTIO_RING_F_INDIRECT_DESC) &&
			 n >= c->indirect_min && n <= c->indirect_len;
	plan->n_desc = plan->indirect ? 1 : n;
	plan->in_len = 0;
	if (!n || n_out > UINT16_MAX || n_in > UINT16_MAX || plan->n_desc > c->size ||
	    !lengths_fit(out, n_out) || !lengths_fit(in, n_in))
		return -EINVAL;
	if (plan->n_desc > ring->n_free)
		return -ENOSPC;
	for (unsigned i = 0; i < n_in; i++)
		plan->in_len += (uint32_t)in[i].iov_len;
	return 0;
}

/* The second word of descriptor @i of a table, which may be the last one. */
static uint64_t table_word(bool packed, uint32_t len, bool in, unsigned i, bool last)
{
	unsigned flags = in ? VRING_DESC_F_WRITE : 0;

	if (packed)
		return packed_pack(len, 0, flags);
	return last ? shared_pack_desc(len, flags, 0)
		    : shared_pack_desc(len, flags | VRING_DESC_F_NEXT, i + 1);
}

int driver_fill_table(struct driver_ring *ring, unsigned index, const struct iovec *out,
		      unsigned n_out, const struct iovec *in, unsigned n_in, uint64_t *addr)
{
	struct vring_desc *table =
		ring->config.indirect + (size_t)index * ring->config.indirect_len;
	bool packed = ring->config.features & 1ull << VIRTIO_F_RING_PACKED;
	uint64_t *words = (uint64_t *)table;

	for (unsigned i = 0; i < n_out + n_in; i++, words += 2) {
		const struct iovec *buf = i < n_out ? &out[i] : &in[i - n_out];
		uint64_t at;
		int rc = driver_translate(ring, buf, &at);

		if (rc < 0)
			return rc;
		shared_store(&words[0], at);
		shared_store(&words[1], table_word(packed, (uint32_t)buf->iov_len, i >= n_out, i,
						   i + 1 == n_out + n_in));
	}
	*addr = driver_memory_guest_addr(ring->config.memory, table);
	return 0;
}
