// SPDX-License-Identifier: Apache-2.0
/* The dirty log and a guest's queues. */
#include "port/vhost_dirty.h"
#include "base/notify.h"
#include "virtio/dirty.h"

static void begin(struct dirty *dirty, const struct vhost_device_state *state)
{
	/* A queue's memory only grows while workers have it: where this batch has written is in the
	 * newest table too. */
	dirty_begin(dirty, state->log, rcu_read(&state->mem));
}

/* A log that cannot be trusted ends the migration badly and silently: better the ring, and loudly.
 */
static void end(struct dirty *dirty, struct vhost_vring *vring,
		const struct vhost_device_state *state)
{
	if (unlikely(!dirty_end(dirty)))
		ring_break(&vring->ring, RING_FAULT_LOG);
	if (dirty->news && state->log_fd >= 0)
		notify_fd(state->log_fd);
}

void vhost_dirty_start(struct vhost_vring *vring, const struct vhost_device_state *state)
{
	struct dirty dirty;

	begin(&dirty, state);
	dirty_mark_ring(&dirty, &vring->ring);
	end(&dirty, vring, state);
}

void vhost_dirty_complete(struct vhost_vring *vring, const struct vhost_device_state *state,
			  const struct ring_chain *chains, const uint32_t *lens, unsigned n)
{
	uint16_t from = vring->ring.next_used;
	struct dirty dirty;

	if (chains) {
		begin(&dirty, state);
		for (unsigned i = 0; i < n; i++)
			dirty_mark_chain(&dirty, &chains[i], lens[i]);
		end(&dirty, vring, state);
	}
	ring_complete(&vring->ring, lens, n);
	begin(&dirty, state);
	dirty_mark_used(&dirty, &vring->ring, from);
	end(&dirty, vring, state);
}

void vhost_dirty_events(struct vhost_vring *vring, const struct vhost_device_state *state)
{
	struct dirty dirty;

	begin(&dirty, state);
	dirty_mark_events(&dirty, &vring->ring);
	end(&dirty, vring, state);
}
