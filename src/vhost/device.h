/* SPDX-License-Identifier: Apache-2.0 */
/* A vhost-user device, back-end side: what the front-end has set up (features, memory, rings), and
 * the messages that set it up. Control thread, except that a worker uses the ring of a vring it was
 * given.
 *
 * Rings and workers. A vring is *live* when it is started and its ring may be used by a worker. A
 * message that changes something a worker may be using (the message table says which) is held back:
 * the device stops reading its socket and calls quiesce(); when no worker uses any of the device's
 * rings its owner calls vhost_device_quiesced(), the message takes effect, is answered, and
 * changed() tells the owner to look at the rings again. The same happens before a disconnected
 * device is reset.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "vhost/endpoint.h"
#include "vhost/names.h"
#include "vhost/state.h"

struct vhost_device; /* opaque */

/* Makes a device and, by @maker, the endpoint at which it waits for a front-end. Returns 0 and the
 * device, or -errno and a text. @ops and @owner must live as long as the device.
 */
int vhost_device_create(struct vhost_device **out, const struct vhost_device_config *config,
			const struct vhost_device_ops *ops, void *owner,
			const struct vhost_endpoint_maker *maker, struct error *err);

/* Closes the connection and the endpoint, unmaps, frees. No worker may use a ring.
 * Not from inside an op. NULL is fine. */
void vhost_device_destroy(struct vhost_device *device);

/* Answer to ops->quiesce(): workers have let go of every ring. */
void vhost_device_quiesced(struct vhost_device *device);

/* What is known now; valid as long as the device. */
const struct vhost_device_state *vhost_device_state(const struct vhost_device *device);

/* Vring @index, 0..2 * queue pairs - 1; 2 * i is what the guest receives from, 2 * i + 1 what it
 * sends on. */
struct vhost_vring *vhost_device_vring(struct vhost_device *device, unsigned index);

/* Changes what will be offered at the next negotiation. */
void vhost_device_set_offer(struct vhost_device *device, uint64_t features, uint16_t mtu);

/* A worker found the ring broken: logs it, tells the front-end through its err fd. */
void vhost_device_ring_broken(struct vhost_device *device, unsigned index);
