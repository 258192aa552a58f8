// SPDX-License-Identifier: Apache-2.0
/* Records from workers to the control thread. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "datapath/upcall.h"

LOG_MODULE("datapath");

#define UPCALLS_SIZE (1u << 21) /* bytes for each worker; untouched ones cost nothing */

int upcalls_init(struct upcalls *up, int fd)
{
	up->fd = fd;
	up->pending = false;
	return spsc_init(&up->queue, UPCALLS_SIZE);
}

void upcalls_destroy(struct upcalls *up)
{
	spsc_destroy(&up->queue);
}

static size_t padded(size_t len)
{
	return (len + 7) & ~(size_t)7;
}

static unsigned n_words(uint64_t map)
{
	return (unsigned)__builtin_popcountll(map);
}

/* Copies @len bytes to *@at and moves it on. Where they are now. */
static void *place(uint8_t **at, const void *bytes, size_t len)
{
	void *to = *at;

	if (len)
		memcpy(to, bytes, len);
	*at += padded(len);
	return to;
}

/* The first @len bytes of @pkt. */
static void copy_frame(uint8_t *to, const struct pkt *pkt, uint32_t len)
{
	uint32_t part = min(len, (uint32_t)pkt->head_len);

	memcpy(to, pkt->head, part);
	for (unsigned i = 0; i < pkt->n_frags && part < len; i++) {
		uint32_t more = (uint32_t)min(pkt->frags[i].iov_len, (size_t)(len - part));

		memcpy(to + part, pkt->frags[i].iov_base, more);
		part += more;
	}
}

/* Tells the control thread, unless it knows. */
static void tell(struct upcalls *up)
{
	uint64_t one = 1;

	/* pairs with the exchange in upcalls_next(): either it sees the record, or we see that it
	 * has looked */
	if (!__atomic_exchange_n(&up->pending, true, __ATOMIC_SEQ_CST) &&
	    write(up->fd, &one, sizeof(one)) < 0)
		log_limited(LOG_WARNING, "calling the control thread: %s", strerror(errno));
}

bool upcalls_put(struct upcalls *up, const struct upcall *u, const struct pkt *pkt)
{
	size_t learn_len = u->learn ? u->learn->step.len : 0;
	size_t action_len = u->learn ? sizeof(*u->learn->learn) : 0;
	size_t len = sizeof(*u) + 8u * n_words(u->map) + learn_len + padded(action_len) +
		     padded(u->userdata_len) + padded(u->actions_len) + padded(u->frame_len);
	struct upcall *r = spsc_reserve(&up->queue, len);
	uint8_t *at;

	if (!r)
		return false;
	at = (uint8_t *)(r + 1);
	*r = *u;
	r->words = place(&at, u->words, 8u * n_words(u->map));
	if (u->learn) {
		struct plan_learn *l = place(&at, u->learn, learn_len);

		l->learn = place(&at, u->learn->learn, action_len);
		r->learn = l;
	}
	r->userdata = place(&at, u->userdata, u->userdata_len);
	r->actions = place(&at, u->actions, u->actions_len);
	r->frame = at;
	if (u->frame_len)
		copy_frame(at, pkt, u->frame_len);
	spsc_commit(&up->queue, len);
	tell(up);
	return true;
}

bool upcalls_room(struct upcalls *up, size_t len, unsigned n)
{
	size_t used = (size_t)(spsc_published(&up->queue) - spsc_consumed(&up->queue));

	/* where records end and the array does, room is lost: at most once the longest of them */
	return used + 2 * (len + n * (sizeof(struct upcall) + 16)) <= up->queue.size;
}

struct upcall *upcalls_next(struct upcalls *up)
{
	size_t len;
	struct upcall *u = spsc_peek(&up->queue, &len);

	if (!u) {
		(void)__atomic_exchange_n(&up->pending, false, __ATOMIC_SEQ_CST);
		u = spsc_peek(&up->queue, &len);
		if (!u)
			return NULL;
	}
	spsc_pop(&up->queue);
	return u;
}

void upcalls_release(struct upcalls *up)
{
	spsc_release(&up->queue);
}
