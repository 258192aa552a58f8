/* SPDX-License-Identifier: Apache-2.0 */
/* The front-end side of vhost-user, for drivers in user space: reaches a back-end over its socket,
 * agrees on features, shares memory, and hands rings over (vhost-user specification,
 * "Communication", "Ring states"). It is a transport of virtio/netdrv.h.
 *
 * Everything happens in the event loop and nothing blocks. The life of a connection: the front-end
 * connects (retries after 50 ms, doubling to 1 s) or is connected to; features and memory are
 * agreed on; negotiated() is called, and the owner starts rings from inside it or later; ready() is
 * called when the back-end has taken all rings started so far. When the connection ends, for
 * whatever reason, down() is called and all begins again; rings must be started again then, the
 * eventfds stay the same. Used by the loop's thread, except for the transport's kick().
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "vhost/proto.h"
#include "virtio/driver.h"
#include "virtio/netdrv.h"

#define FRONTEND_VRINGS_MAX (2 * NETDRV_PAIRS_MAX) /* rings of one front-end */

/* Protocol features that the front-end can use, as bit masks: MQ, LOG_SHMFD, REPLY_ACK,
 * CONFIGURE_MEM_SLOTS, STATUS, DEVICE_STATE (vhost/frontend_state.h). */
#define FRONTEND_PROTOCOL_FEATURES \
	(1ull << 0 | 1ull << 1 | 1ull << 3 | 1ull << 15 | 1ull << 16 | 1ull << 19)

struct frontend;

/* What the owner is told, in the loop's thread. None may call frontend_destroy(). Each may be NULL.
 */
struct frontend_ops {
	/* Features and memory are agreed on: start rings. @n_pairs: queue pairs of the back-end. */
	void (*negotiated)(void *owner, uint64_t features, unsigned n_pairs);
	/* The back-end has taken (and, with REPLY_ACK, accepted) every ring started so far. */
	void (*ready)(void *owner);
	/* The back-end has let go of ring @index; @base is the first chain it has not completed. */
	void (*stopped)(void *owner, unsigned index, uint32_t base);
	/* The connection has ended, or could not go on: @why, for people. */
	void (*down)(void *owner, const char *why);
	/* What frontend_ask() has asked. @fd came with the answer (-1: none); who takes it puts -1
	 * in its place. */
	void (*answered)(void *owner, uint32_t request, uint64_t value, int *fd);
};

struct frontend_config {
	const char *path; /* of the socket; copied */
	bool listen;	  /* be the socket's server; a stale socket file is replaced */
	/* Virtio features that the driver can do, as bit masks; the transport's own (bit 30) is
	 * used when it is among them. What is in @required and not offered ends the connection. */
	uint64_t features, required;
	uint64_t protocol_features; /* of FRONTEND_PROTOCOL_FEATURES, others are left out */
	/* Entries of the largest ring, to have the back-end note what is in flight, when it can
	 * (INFLIGHT_SHMFD): it goes on with that after a connection has ended, whichever back-end
	 * it is then. 0: it is not asked to. */
	uint16_t inflight_size;
	/* Shared with the back-end at every connection: as regions of their own with
	 * CONFIGURE_MEM_SLOTS, else as a table (then at most 8). Must outlive the front-end. */
	const struct driver_memory *memory;
};

/* Makes the socket and begins. @ops and @owner must outlive the front-end. Returns 0, or -errno and
 * a text: a path that is too long (107 bytes) or cannot be listened on.
 */
int frontend_create(struct frontend **out, const struct frontend_config *config,
		    const struct frontend_ops *ops, void *owner, struct event_base *base,
		    struct error *err);

/* Closes the connection and everything else; the back-end resets itself. NULL is fine. */
void frontend_destroy(struct frontend *frontend);

/* For netdrv_start(). start_queue() returns -ENOTCONN before negotiated() and after down(), -EBUSY
 * while the ring is running. */
struct netdrv_transport *frontend_transport(struct frontend *frontend);

/* Asks the back-end to let go of a running ring; stopped() tells when it has. Returns 0, or
 * -ENOTCONN when there is no such ring (then nobody uses it).
 */
int frontend_stop_ring(struct frontend *frontend, unsigned index);

/* Enables or disables a running ring (SET_VRING_ENABLE). Rings are enabled when started. Returns 0,
 * -ENOTCONN, or -EOPNOTSUPP without protocol features.
 */
int frontend_enable_ring(struct frontend *frontend, unsigned index, bool enable);

/* Has the back-end note all that it writes to memory in a bitmap: @size bytes from @offset on of
 * @fd, which is borrowed; see virtio/dirty.h. Again with another one: it is taken in its place.
 * ready() tells when the back-end has taken it. _stop_log(): no more. Both return 0, -ENOTCONN
 * before negotiated() and after down(), -EOPNOTSUPP when the back-end cannot do it, or -errno. The
 * end of the connection ends it.
 */
int frontend_start_log(struct frontend *frontend, int fd, uint64_t offset, uint64_t size);
int frontend_stop_log(struct frontend *frontend);

/* The rings that are started next are new ones: what is noted to be in flight is not of them. While
 * not connected. */
void frontend_forget_inflight(struct frontend *frontend);

/* Where it is noted, as the back-end has said it, and in @fd the file, which is borrowed: -1 when
 * it is noted nowhere. For tests. */
struct vhost_user_inflight frontend_inflight(const struct frontend *frontend, int *fd);

/* Sends SET_DEVICE_STATE_FD or CHECK_DEVICE_STATE; answered() follows. @fd is borrowed, -1: none.
 * Returns 0, -ENOTCONN before negotiated() and after down(), or -errno.
 */
int frontend_ask(struct frontend *frontend, uint32_t request, const void *payload, size_t size,
		 int fd);

/* Agreed on at this connection; 0 before negotiated() and after down(). */
uint64_t frontend_features(const struct frontend *frontend);
uint64_t frontend_protocol_features(const struct frontend *frontend);

/* Whether ready() was called for this connection and nothing has been started since. */
bool frontend_ready(const struct frontend *frontend);

/* Readable (an eventfd) when the back-end has given ring @index up; -1 when it was never started.
 */
int frontend_err_fd(const struct frontend *frontend, unsigned index);

/* The connected socket or -1; for tests that send what no front-end should. */
int frontend_fd(const struct frontend *frontend);
