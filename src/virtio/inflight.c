// SPDX-License-Identifier: Apache-2.0
/* What rings of both layouts do the same to note what is in flight. */
#include <errno.h>
#include <stdlib.h>

#include "virtio/inflight.h"

uint64_t inflight_queue_len(bool packed, unsigned size)
{
	uint64_t len =
		packed ? sizeof(struct inflight_packed) + size * sizeof(struct inflight_desc_packed)
		       : sizeof(struct inflight_split) + size * sizeof(struct inflight_desc_split);

	return (len + INFLIGHT_ALIGN - 1) & ~(uint64_t)(INFLIGHT_ALIGN - 1);
}

int inflight_create(struct inflight **out, void *region, unsigned n_desc, const struct filemap *map)
{
	struct inflight *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->next = calloc(n_desc, sizeof(t->next[0]));
	if (!t->next) {
		free(t);
		return -ENOMEM;
	}
	t->region = region;
	t->n_desc = n_desc;
	t->map = map;
	*out = t;
	return 0;
}

void inflight_destroy(struct inflight *inflight)
{
	if (!inflight)
		return;
	free(inflight->chains);
	free(inflight->image);
	free(inflight->next);
	free(inflight);
}

int inflight_damaged(struct error *err, const char *what)
{
	return error_set(err, -EINVAL, "inflight region is damaged: %s", what);
}

int inflight_check(const struct inflight *inflight, const struct ring *ring, unsigned version,
		   unsigned desc_num, bool *used, struct error *err)
{
	if (ring->config.size > inflight->n_desc)
		return error_set(err, -EINVAL, "inflight region is for %u entries, the ring has %u",
				 inflight->n_desc, ring->config.size);
	if (version > INFLIGHT_VERSION)
		return error_set(err, -EINVAL, "inflight region has version %u, known is %u",
				 version, INFLIGHT_VERSION);
	*used = version;
	if (*used && desc_num != inflight->n_desc)
		return error_set(err, -EINVAL,
				 "inflight region says it has %u entries, the front-end says %u",
				 desc_num, inflight->n_desc);
	return 0;
}

int inflight_begin(struct inflight *inflight)
{
	free(inflight->image);
	inflight->image = NULL;
	inflight->n_chains = inflight->n_left = inflight->n_again = 0;
	inflight->counter = 0;
	if (!inflight->chains)
		inflight->chains = calloc(inflight->n_desc, sizeof(inflight->chains[0]));
	return inflight->chains ? 0 : -ENOMEM;
}

void inflight_add(struct inflight *inflight, uint64_t counter, uint16_t first, uint16_t last)
{
	inflight->chains[inflight->n_chains++] =
		(struct inflight_chain){ .counter = counter, .first = first, .last = last };
}

static int by_counter(const void *a, const void *b)
{
	const struct inflight_chain *x = a, *y = b;

	if (x->counter != y->counter)
		return x->counter < y->counter ? -1 : 1;
	return x->first - y->first;
}

void inflight_order(struct inflight *inflight)
{
	unsigned n = inflight->n_chains;

	if (n)
		qsort(inflight->chains, n, sizeof(inflight->chains[0]), by_counter);
	inflight->n_left = n;
	inflight->counter = n ? inflight->chains[n - 1].counter + 1 : 0;
}

unsigned inflight_untaken(struct inflight *inflight, const struct ring *ring, unsigned n)
{
	unsigned of_ring = ring->n_taken - inflight->n_again, again = n > of_ring ? n - of_ring : 0;

	inflight->n_again -= again;
	inflight->n_left += again;
	return again;
}
