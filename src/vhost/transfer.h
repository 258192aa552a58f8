/* SPDX-License-Identifier: Apache-2.0 */
/* Some bytes on their way through a pipe, one way, to its end: the state of a device, from
 * back-end to front-end or the other way (vhost-user, "Migrating back-end state"). For either side.
 * Never blocks, holds no more than it was told to, and ends by itself when the other side does
 * nothing. The loop's thread.
 */
#pragma once

#include <event2/event.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct vhost_transfer;

/* Who wants to know. */
struct vhost_transfer_owner {
	/* The transfer is over, from the loop, once. @rc is 0 when all has been written, or read up
	 * to the end; else -errno, and @why tells people. It may be destroyed from inside.
	 */
	void (*over)(void *owner, int rc, const char *why);
	void *owner;
};

/* Writes @n bytes to the pipe @fd and closes. Takes over @fd (non-blocking) and @bytes (malloc'd),
 * also when it fails. Returns 0, or -ENOMEM and a text.
 */
int vhost_transfer_write(struct vhost_transfer **out, int fd, uint8_t *bytes, size_t n,
			 struct event_base *base, const struct vhost_transfer_owner *owner,
			 struct error *err);

/* Reads from the pipe @fd (non-blocking; taken over, also when it fails) until the other side
 * closes; more than @max bytes are a failure. Returns 0, or -ENOMEM and a text.
 */
int vhost_transfer_read(struct vhost_transfer **out, int fd, size_t max, struct event_base *base,
			const struct vhost_transfer_owner *owner, struct error *err);

/* The other side says that it has done its part, so that what it has sent is there: from now on it
 * has 100 ms for its next byte, not 30 s. */
void vhost_transfer_hurry(struct vhost_transfer *transfer);

/* What was read so far, @n bytes; valid until the next turn of the loop. */
const uint8_t *vhost_transfer_bytes(const struct vhost_transfer *transfer, size_t *n);

/* Closes and frees, over or not; then over() is not called. NULL is fine. */
void vhost_transfer_destroy(struct vhost_transfer *transfer);
