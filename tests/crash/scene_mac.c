// SPDX-License-Identifier: Apache-2.0
/* Steps through a bridge's MAC table in memory that outlives the process. Wherever it dies, the
 * next one knows the addresses that were known before the operation or behind it, each once, where
 * it was or where it is; but of a full table one that makes room. So it is also when a process dies
 * while it takes them over.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "holder.h"
#include "scenes.h"
#include "state/mac.h"
#include "step.h"

#define ADDRESSES 12
#define PORTS 3
#define SIZE 32	       /* addresses that a table has room for: never full */
#define SIZE_SMALL 4   /* ... or soon */
#define TABLE_LEN 4096 /* bytes, at least what the table has */
#define KEY "mac"

enum what { OPEN, AGE, FLUSH, REMOVE, LEARN };

/* Where each address is; 0: it is not known. */
struct picture {
	uint32_t port[ADDRESSES];
};

struct world {
	struct step step;
	struct holder holder;
	unsigned size;
	struct mac_table *table; /* of the stepped process */
	struct picture before, after;
	uint32_t seen[ADDRESSES];
	unsigned seed;
};

static mac_t address(unsigned i)
{
	return 0x020000000000 + i * 0x010101;
}

static unsigned pick(struct world *w, unsigned n)
{
	return (unsigned)rand_r(&w->seed) % n;
}

/* In the stepped process. Time is what the operation's number says. */
static void perform(void *world)
{
	struct world *w = world;
	struct step_op *op = w->step.op;

	switch ((enum what)op->what) {
	case OPEN:
		w->holder.tells = true;
		w->table = mac_table_create_kept(w->size, &w->holder.keep, KEY);
		break;
	case LEARN:
		mac_table_learn(w->table, address(op->n), 1, op->how, op->base, 0);
		break;
	case AGE:
		mac_table_age(w->table, op->base, 10);
		break;
	case FLUSH:
		mac_table_flush(w->table, op->how, false);
		break;
	case REMOVE:
		mac_table_remove(w->table, address(op->n), 1);
		break;
	}
}

static bool called(void *world, long number)
{
	struct world *w = world;

	return holder_listen(&w->holder) && holder_map(&w->holder, KEY, w->step.memory, TABLE_LEN);
}

static void count(const struct mac_entry *entry, void *arg)
{
	++*(unsigned *)arg;
}

/* What the next process makes of what is held. */
static void look(struct world *w, struct picture *p)
{
	unsigned n = 0, n_entries = 0;
	struct mac_table *next;
	struct holder holder;

	holder_copy(&holder, &w->holder);
	next = mac_table_create_kept(w->size, &holder.keep, KEY);
	assert_non_null(next);
	for (unsigned i = 0; i < ADDRESSES; i++) {
		uint32_t port = mac_table_lookup(next, address(i), 1);

		p->port[i] = port == MAC_NO_PORT ? 0 : port;
		n += p->port[i] != 0;
	}
	mac_table_each(next, 0, count, &n_entries);
	assert_int_equal(n_entries, n);
	assert_int_equal(mac_table_count(next, MAC_NO_PORT), n);
	if (w->size == SIZE) { /* nobody has its lock */
		mac_table_learn(next, address(0), 1, PORTS, 0, 0);
		assert_int_equal(mac_table_lookup(next, address(0), 1), PORTS);
	}
	mac_table_destroy(next);
	holder_destroy(&holder);
}

static bool crash(void *world)
{
	struct world *w = world;
	const struct step_op *op = w->step.op;
	unsigned n_gone = 0;
	struct picture now;

	look(w, &now);
	for (unsigned i = 0; i < ADDRESSES; i++) {
		uint32_t was = w->before.port[i], is = w->after.port[i];

		if (now.port[i] == was || now.port[i] == is)
			continue;
		assert_int_equal(now.port[i], 0);
		n_gone++;
	}
	/* it is another's place that is taken, one for each that comes */
	assert_true(n_gone <=
		    (w->size == SIZE_SMALL && op->what == LEARN && !w->before.port[op->n]));
	return !pick(w, 100);
}

/* Chooses an operation, and says what comes of it. */
static void choose(struct world *w, uint32_t now)
{
	struct step_op *op = w->step.op;
	struct picture *after = &w->after;

	*op = (struct step_op){ .what = AGE + pick(w, 8),
				.n = pick(w, ADDRESSES),
				.how = 1 + pick(w, PORTS),
				.base = now };
	switch (op->what) {
	case AGE:
		for (unsigned i = 0; i < ADDRESSES; i++)
			if (w->seen[i] + 10 <= now)
				after->port[i] = 0;
		break;
	case FLUSH:
		for (unsigned i = 0; i < ADDRESSES; i++)
			if (after->port[i] == op->how)
				after->port[i] = 0;
		break;
	case REMOVE:
		after->port[op->n] = 0;
		break;
	default:
		op->what = LEARN;
		after->port[op->n] = op->how;
		w->seen[op->n] = now;
		break;
	}
}

/* Does the operation; if the process dies of it, the next one takes over, and learns with the next
 * frame. */
static void run(struct world *w)
{
	struct step_op op = *w->step.op;
	bool learns_in_full = w->size == SIZE_SMALL && op.what == LEARN;

	if (step_run(&w->step)) {
		if (!learns_in_full)
			w->before = w->after;
		crash(w);
		look(w, &w->after);
		w->before = w->after;
		return;
	}
	do {
		look(w, &w->after);
		w->before = w->after;
		step_spawn(&w->step);
		*w->step.op = (struct step_op){ .what = OPEN };
	} while (!step_run(&w->step));
	if (op.what != LEARN)
		return;
	w->after.port[op.n] = op.how;
	*w->step.op = op;
	run(w);
}

static void play(unsigned seed, unsigned n, unsigned size)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->seed = seed;
	w->size = size;
	holder_init(&w->holder);
	w->step = (struct step){ .world = w, .perform = perform, .crash = crash, .called = called };
	step_init(&w->step, TABLE_LEN, TABLE_LEN);
	step_spawn(&w->step);
	*w->step.op = (struct step_op){ .what = OPEN };
	run(w);
	for (unsigned i = 0; i < n; i++) {
		choose(w, i);
		run(w);
	}
	step_destroy(&w->step);
	holder_destroy(&w->holder);
	free(w);
}

void scene_mac(unsigned seed, unsigned n)
{
	play(seed, n, SIZE);
	play(seed, n, SIZE_SMALL);
}
