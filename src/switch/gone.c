// SPDX-License-Identifier: Apache-2.0
/* Counters of deleted ports. */
#include "switch/gone.h"

#define KEY "gone"
#define VERSION 2u

struct gone {
	struct port_counters sums[2];
	uint64_t now; /* lowest bit: which sum counts; the others: a port's id, 0: none */
	uint32_t layout;
};

/* Of the counters: another version counts other things. */
static uint32_t layout(void)
{
	return VERSION << 24 | DROP_N_REASONS;
}

struct gone *gone_open(struct keep *keep)
{
	size_t len = 0;
	int file;
	struct gone *gone = keep_old_memory(keep, KEY, &len);

	if (gone && len == sizeof(*gone) && gone->layout == layout())
		return gone;
	keep_unmap(gone, len);
	gone = keep_memory(keep, sizeof(*gone), &file);
	if (!gone)
		return NULL;
	shared_store(&gone->layout, layout());
	keep_hold_memory(keep, KEY, file);
	return gone;
}

void gone_close(struct gone *gone)
{
	keep_unmap(gone, sizeof(*gone));
}

static void clear(struct view_port_state *state, unsigned n_workers)
{
	static const struct port_counters zero;

	for (unsigned w = 0; w < n_workers; w++)
		port_counters_store(&state->counters[w], &zero);
	port_counters_store(&state->before, &zero);
}

void gone_add(struct gone *gone, struct view_port_state *state, unsigned n_workers)
{
	uint64_t other = gone ? !(gone->now & 1) : 0;
	struct port_counters sum;

	if (!gone)
		return;
	sum = *gone_sum(gone);
	port_counters_add(&sum, &state->before);
	for (unsigned w = 0; w < n_workers; w++) {
		port_lose_held(&state->counters[w]);
		port_counters_add(&sum, &state->counters[w]);
	}
	port_counters_store(&gone->sums[other], &sum);
	store_order();
	shared_store(&gone->now, other | (uint64_t)state->id << 1);
	store_order();
	clear(state, n_workers);
	gone_settled(gone);
}

void gone_settle(const struct gone *gone, struct view_port_state *state, unsigned n_workers)
{
	if (gone && state->id && gone->now >> 1 == state->id)
		clear(state, n_workers);
}

void gone_settled(struct gone *gone)
{
	store_order();
	if (gone)
		shared_store(&gone->now, gone->now & 1);
}

const struct port_counters *gone_sum(const struct gone *gone)
{
	static const struct port_counters none;

	return gone ? &gone->sums[gone->now & 1] : &none;
}
