/* SPDX-License-Identifier: Apache-2.0 */
/* What queues do while a guest is being migrated: each write to its memory is noted in the dirty
 * log (virtio/dirty.h says when and why). Called only when @state has a log. Worker threads, except
 * for the first one.
 */
#pragma once

#include "vhost/state.h"

/* A queue begins: all of its ring may have been written since somebody has last noted it. Only
 * while no worker has the queue. */
void vhost_dirty_start(struct vhost_vring *vring, const struct vhost_device_state *state);

/* As ring_complete(). @chains: those that were written, as @lens says; NULL when none was. */
void vhost_dirty_complete(struct vhost_vring *vring, const struct vhost_device_state *state,
			  const struct ring_chain *chains, const uint32_t *lens, unsigned n);

/* Behind ring_enable_kick() and ring_disable_kick(). */
void vhost_dirty_events(struct vhost_vring *vring, const struct vhost_device_state *state);
