// SPDX-License-Identifier: Apache-2.0
// Counters of packets, and the names and texts of those of drops.
#include <stddef.h>
#include <string.h>

#include "base/compiler.h"
#include "port/drop.h"

static const char *const names[] = {
#define X(name, where, words) #name,
	DROP_REASONS(X)
#undef X
};

static const char *const texts[] = {
#define X(name, where, words) words,
	DROP_REASONS(X)
#undef X
};

_Static_assert(ARRAY_SIZE(names) == DROP_N_REASONS, "a name for each reason");

const char *drop_name(enum drop_reason reason)
{
	return names[reason];
}

const char *drop_text(enum drop_reason reason)
{
	return texts[reason];
}

bool drop_is_tx(enum drop_reason reason)
{
	static const char *const where[] = {
#define X(name, where, words) where,
		DROP_REASONS(X)
#undef X
	};

	return !strcmp(where[reason], "sent");
}

#define N_COUNTERS (offsetof(struct port_counters, drops) / 8 + DROP_N_REASONS)

/* In tx_held while its packets are being counted as lost: the other bits are what the count
 * becomes. */
#define HELD_LOSING (1ull << 63)

void port_counters_add(struct port_counters *sum, const struct port_counters *c)
{
	const uint64_t *from = (const uint64_t *)c;
	uint64_t *to = (uint64_t *)sum;

	for (size_t i = 0; i < N_COUNTERS; i++)
		to[i] += counter_read(&from[i]);
}

void port_counters_store(struct port_counters *to, const struct port_counters *from)
{
	shared_copy_words((uint64_t *)to, (const uint64_t *)from, N_COUNTERS);
}

void port_lose_held(struct port_counters *c)
{
	uint64_t *lost = &c->drops[DROP_tx_held_lost];

	if (!c->tx_held)
		return;
	if (!(c->tx_held & HELD_LOSING))
		counter_set(&c->tx_held, HELD_LOSING | (*lost + c->tx_held));
	store_order();
	counter_set(lost, c->tx_held & ~HELD_LOSING);
	store_order();
	counter_set(&c->tx_held, 0);
}
