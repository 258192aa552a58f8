// SPDX-License-Identifier: Apache-2.0
/* A short list of file descriptors by name. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"
#include "keeper/held.h"

/* Takes the element of @key out of the list; NULL: there is none. */
static struct held *unlink_key(struct held **list, const char *key)
{
	struct held **at = list, *h;

	while (*at && strcmp((*at)->key, key))
		at = &(*at)->next;
	h = *at;
	if (h)
		*at = h->next;
	return h;
}

static void destroy(struct held *h)
{
	if (!h)
		return;
	for (unsigned i = 0; i < h->n_fds; i++)
		close(h->fds[i]);
	free(h);
}

bool held_put(struct held **list, struct keeper_packet *p)
{
	struct held *h = calloc(1, sizeof(*h));

	if (!h)
		return false;
	p->key[sizeof(p->key) - 1] = 0;
	destroy(unlink_key(list, p->key));
	memcpy(h->key, p->key, sizeof(h->key));
	memcpy(h->fds, p->fds, sizeof(h->fds));
	h->n_fds = p->n_fds;
	p->n_fds = 0;
	h->next = *list;
	*list = h;
	return true;
}

unsigned held_take(struct held **list, const char *key, int *fds, unsigned max)
{
	struct held *h = unlink_key(list, key);
	unsigned n;

	if (!h)
		return 0;
	n = min(h->n_fds, max);
	memcpy(fds, h->fds, n * sizeof(fds[0]));
	h->n_fds -= n;
	memmove(h->fds, h->fds + n, h->n_fds * sizeof(fds[0]));
	destroy(h);
	return n;
}

void held_drop(struct held **list, const char *key)
{
	destroy(unlink_key(list, key));
}

void held_clear(struct held **list)
{
	while (*list) {
		struct held *h = *list;

		*list = h->next;
		destroy(h);
	}
}

bool held_has(const struct held *list, const char *key)
{
	while (list && strcmp(list->key, key))
		list = list->next;
	return list;
}
