/* SPDX-License-Identifier: Apache-2.0 */
/* Counts of references that several threads give back. Any thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* For whoever has one already, or reads what has one. */
static inline void refs_take(uint32_t *refs)
{
	__atomic_fetch_add(refs, 1, __ATOMIC_RELAXED);
}

/* Whether it was the last one: then the caller frees. All that others did before they gave theirs
 * back has happened. */
static inline bool refs_drop(uint32_t *refs)
{
	/* release pairs with the acquire of whoever drops the last one, or finds itself alone */
	return __atomic_fetch_sub(refs, 1, __ATOMIC_ACQ_REL) == 1;
}

/* Whether nobody but the caller has one: then it stays so. */
static inline bool refs_alone(const uint32_t *refs)
{
	return __atomic_load_n(refs, __ATOMIC_ACQUIRE) == 1;
}
