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
	[RING_FAULT_INFLIGHT] = "inflight region was taken away",
};

const char *ring_fault_text(enum ring_fault fault)
{
	const char *text = (unsigned)fault < RING_N_FAULTS ? fault_texts[fault] : NULL;

	return text ? text : "unknown fault";
}

/* Whether a ring can go on from @state, and with what. */
static int check_state(const struct ring_state *state, uint64_t wanted, struct error *err)
{
	uint64_t mark = shared_load(&state->running);
	unsigned version = mark & UINT16_MAX;

	if (!mark)
		return error_set(err, -EINVAL, "no ring ran with this state");
	if (version != RING_STATE_VERSION)
		return error_set(err, -EINVAL, "state of the ring has layout %u, known is %u",
				 version, RING_STATE_VERSION);
	if (mark != wanted)
		return error_set(err, -EINVAL,
				 "state is of a %s ring of %u entries, not a %s one of %u",
				 mark >> 16 & 1 ? "packed" : "split", (unsigned)(mark >> 32),
				 wanted >> 16 & 1 ? "packed" : "split", (unsigned)(wanted >> 32));
	if (shared_load(&state->fault) >= RING_N_FAULTS)
		return error_set(err, -EINVAL, "state of the ring is damaged: fault %u",
				 shared_load(&state->fault));
	return 0;
}

/* Goes on with what the state says, of any layout. */
static int resume(struct ring *ring, uint64_t mark, struct error *err)
{
	struct ring_state *state = ring->state;
	int rc = check_state(state, mark, err);

	if (rc)
		return rc;
	ring->fault = (enum ring_fault)shared_load(&state->fault);
	ring->n_chains = shared_load(&state->n_chains);
	ring->n_notified = shared_load(&state->n_notified);
	return ring->ops->start(ring, err);
}

/* Starts a state anew. One that ran the same ring does so at every moment: only its position
 * changes, in one store. */
static int begin(struct ring *ring, uint64_t mark, struct error *err)
{
	struct ring_state *state = ring->state;
	int rc;

	if (shared_load(&state->running) != mark)
		shared_store(&state->running, 0);
	ring_state_order();
	shared_store(&state->fault, RING_OK);
	ring_count_from(ring, 0, 0);
	rc = ring->ops->start(ring, err);
	ring_state_order();
	shared_store(&state->running, rc ? 0 : mark);
	return rc;
}

static const struct ring_ops *choose_ops(const struct ring_config *config, bool packed)
{
	if (config->inflight)
		return packed ? &ring_packed_inflight_ops : &ring_split_inflight_ops;
	return packed ? &ring_packed_ops : &ring_split_ops;
}

int ring_start(struct ring *ring, const struct ring_config *config, struct error *err)
{
	bool packed = config->features & 1ull << VIRTIO_F_RING_PACKED;
	uint64_t mark = ring_state_mark(packed, config->size);
	int rc;

	memset(ring, 0, sizeof(*ring));
	if (config->size < 1 || config->size > RING_SIZE_MAX)
		return error_set(err, -EINVAL, "ring of %u entries: must have 1 to %d",
				 config->size, RING_SIZE_MAX);
	if (!config->desc || !config->driver || !config->device)
		return error_set(err, -EINVAL, "ring without memory");
	ring->config = *config;
	ring->state = config->state ? config->state : &ring->own;
	ring->ops = choose_ops(config, packed);
	rc = config->resume ? resume(ring, mark, err) : begin(ring, mark, err);
	if (rc)
		ring->ops = NULL;
	else
		ring_set_taken(ring, 0);
	return rc;
}

void ring_stop(struct ring *ring)
{
	ring->ops = NULL;
	if (ring->state)
		ring_state_stop(ring->state);
}

void ring_count_from(struct ring *ring, uint64_t n_chains, uint64_t n_notified)
{
	ring->n_chains = n_chains;
	ring->n_notified = n_notified;
	shared_store(&ring->state->n_chains, n_chains);
	shared_store(&ring->state->n_notified, n_notified);
}

void ring_break(struct ring *ring, enum ring_fault fault)
{
	if (ring_broken(ring))
		return;
	__atomic_store_n(&ring->fault, fault, __ATOMIC_RELAXED);
	shared_store(&ring->state->fault, fault);
}
