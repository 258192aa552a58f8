// SPDX-License-Identifier: Apache-2.0
/* Bounds, and the list of them. */
#include "base/limit.h"

#include <stddef.h>
#include <string.h>

static struct limit *first;

void limit_register(struct limit *limit)
{
	struct limit **at = &first;

	while (*at && strcmp((*at)->name, limit->name) < 0)
		at = &(*at)->next;
	limit->next = *at;
	*at = limit;
}

bool limit_take(struct limit *limit, uint64_t n)
{
	uint64_t now = __atomic_load_n(&limit->now, __ATOMIC_RELAXED);

	do {
		if (n > limit->most || now > limit->most - n) {
			limit_refuse(limit);
			return false;
		}
	} while (!__atomic_compare_exchange_n(&limit->now, &now, now + n, true, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	return true;
}

void limit_give(struct limit *limit, uint64_t n)
{
	__atomic_sub_fetch(&limit->now, n, __ATOMIC_RELAXED);
}

void limit_refuse(struct limit *limit)
{
	__atomic_add_fetch(&limit->refused, 1, __ATOMIC_RELAXED);
}

uint64_t limit_now(const struct limit *limit)
{
	return limit->look ? limit->look() : __atomic_load_n(&limit->now, __ATOMIC_RELAXED);
}

uint64_t limit_refused(const struct limit *limit)
{
	return __atomic_load_n(&limit->refused, __ATOMIC_RELAXED);
}

const struct limit *limits(void)
{
	return first;
}
