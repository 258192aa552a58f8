/* SPDX-License-Identifier: Apache-2.0 */
/* The dirty log of a guest that is being migrated (vhost-user, "Migration"): a bitmap, shared with
 * the front-end, of guest pages that we have written.
 *
 * Theory of operation. The front-end clears bits and then copies their pages, over and over; the
 * last time when all rings have been stopped. Nothing is lost when each write is followed by the
 * mark of its page, and when both are done before the worker lets go of the ring. Marked first, a
 * page could be copied between mark and write. So pages are marked in batches, behind the writes:
 *
 *     worker                              front-end
 *     writes                              clears the bit (a full barrier)
 *     full barrier: dirty_begin()         copies the page
 *     reads the bit, sets it if clear
 *
 * Of the barriers on both sides follows that a worker that finds a bit set, and so does nothing,
 * has found it before it was cleared, and then the copy holds what was written. Where a bit is set,
 * the atomic operation orders the writes before it against the front-end that finds it. So setting
 * bits costs an atomic operation only once between two rounds of the front-end.
 *
 * Addresses are found in the memory table, from where we have written: no address that the guest or
 * the front-end tells is trusted for that.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "virtio/filemap.h"
#include "virtio/guestmem.h"
#include "virtio/ring.h"

#define DIRTY_PAGE_SHIFT 12 /* VHOST_LOG_PAGE: a bit stands for 4 KiB, whatever pages there are */

struct dirty_log {
	struct filemap file;
	uint64_t size; /* bytes */
};

/* Maps the log: @size (> 0) bytes of @fd from @offset on, whose first bit is that of guest address
 * 0. The fd is borrowed. Returns 0, or -errno and a text. Control thread.
 */
int dirty_log_create(struct dirty_log **out, int fd, uint64_t offset, uint64_t size,
		     struct error *err);

/* Unmaps it. NULL is fine. Control thread, and no worker may use it. */
void dirty_log_destroy(struct dirty_log *log);

/* Whether @log is this part of this file, and still good. Control thread. */
bool dirty_log_is(const struct dirty_log *log, int fd, uint64_t offset, uint64_t size);

/* Pages from guest address 0 on that have a bit. */
static inline uint64_t dirty_log_pages(const struct dirty_log *log)
{
	return log->size * 8;
}

/* Checks that each page of @mem has a bit. Returns 0, or -EINVAL and a text. */
int dirty_log_check(const struct dirty_log *log, const struct guestmem *mem, struct error *err);

/* The marks of one batch. */
struct dirty {
	const struct dirty_log *log;
	const struct guestmem *mem;
	const struct guestmem_range *range; /* where the last bytes were; NULL: none yet */
	bool news;			    /* a bit was not set before */
	bool failed;			    /* bytes have no bit, or the log was cut off */
};

/* Begins to mark what the calling thread has written to memory of @mem before. Worker threads, as
 * all that follow; while this lasts the thread writes nothing. */
void dirty_begin(struct dirty *dirty, const struct dirty_log *log, const struct guestmem *mem);

/* Marks @len bytes, at @host in this process. They lie in one region. */
void dirty_mark(struct dirty *dirty, const void *host, uint64_t len);

/* Marks the first @len bytes of what can be written of @chain. */
void dirty_mark_chain(struct dirty *dirty, const struct ring_chain *chain, uint64_t len);

/* Marks the pages of guest memory that ring_complete() has written since the ring's next_used was
 * @from, for at least one chain. */
void dirty_mark_used(struct dirty *dirty, const struct ring *ring, uint16_t from);

/* Marks those that ring_enable_kick() and ring_disable_kick() write. */
void dirty_mark_events(struct dirty *dirty, const struct ring *ring);

/* Marks every page that the device side may ever have written of the ring itself. */
void dirty_mark_ring(struct dirty *dirty, const struct ring *ring);

/* The end of the batch: false when the log failed. */
bool dirty_end(struct dirty *dirty);
