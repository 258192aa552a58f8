// SPDX-License-Identifier: Apache-2.0
/* Inboxes: what waits at a worker, and what the control thread injects. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/inbox.h"

int inboxes_init(struct inboxes *in, unsigned n_workers)
{
	unsigned n = n_workers + 1;

	in->n_workers = n_workers;
	in->queues = aligned_alloc(CACHE_LINE, n * sizeof(*in->queues));
	if (!in->queues)
		return -ENOMEM;
	memset(in->queues, 0, n * sizeof(*in->queues));
	for (unsigned i = 0; i < n; i++)
		if (spsc_init(&in->queues[i], INBOX_SIZE) < 0) {
			inboxes_destroy(in);
			return -ENOMEM;
		}
	return 0;
}

void inboxes_destroy(struct inboxes *in)
{
	if (!in->queues)
		return;
	for (unsigned i = 0; i <= in->n_workers; i++)
		spsc_destroy(&in->queues[i]);
	free(in->queues);
	in->queues = NULL;
}

/* Seen from outside. */
static bool is_empty(const struct spsc *queue)
{
	/* pairs with spsc_release(), which comes when what was taken is sent, or waits again */
	uint64_t tail = __atomic_load_n(&queue->tail, __ATOMIC_ACQUIRE);

	return __atomic_load_n(&queue->head, __ATOMIC_ACQUIRE) == tail;
}

void inboxes_waiting(const struct inboxes *in, uint64_t *now, uint64_t *most)
{
	*now = 0;
	*most = (uint64_t)INBOX_SIZE * (in->n_workers + 1);
	for (unsigned i = 0; i <= in->n_workers; i++) {
		uint64_t gone = spsc_consumed(&in->queues[i]);

		*now += spsc_published(&in->queues[i]) - gone;
	}
}

bool inboxes_empty(const struct inboxes *in)
{
	/* that of the control thread first: what leaves it may enter another */
	for (unsigned i = in->n_workers + 1; i--;)
		if (!is_empty(&in->queues[i]))
			return false;
	return true;
}

int inboxes_inject(struct inboxes *in, const struct view_port *port, const void *frame,
		   uint32_t len)
{
	const struct record r = {
		.port = port->id, .serial = port->serial, .len = len, .kind = RECORD_RECEIVE
	};

	return inboxes_put(in, &r, NULL, frame);
}

/* Whether there is room that a record of this kind may take. */
static bool has_room(const struct spsc *queue, uint8_t kind, size_t len)
{
	return kind != RECORD_TAUGHT ||
	       spsc_published(queue) - spsc_consumed(queue) + len <= INBOX_TAUGHT_MAX;
}

int inboxes_put(struct inboxes *in, const struct record *r, const void *actions, const void *frame)
{
	struct spsc *queue = inboxes_of_control(in);
	size_t len = sizeof(*r) + r->actions_len + r->len;
	uint8_t *to = has_room(queue, r->kind, len) ? spsc_reserve(queue, len) : NULL;

	if (!to)
		return -ENOBUFS;
	memcpy(to, r, sizeof(*r));
	if (r->actions_len)
		memcpy(to + sizeof(*r), actions, r->actions_len);
	memcpy(to + sizeof(*r) + r->actions_len, frame, r->len);
	spsc_commit(queue, len);
	return 0;
}
