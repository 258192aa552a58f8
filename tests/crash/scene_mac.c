// SPDX-License-Identifier: Apache-2.0
/* Steps through a bridge's MAC table in memory that outlives the process. Wherever it dies, the
 * next one knows the addresses that were known before the operation or behind it, where they were
 * or where they are; also when it dies itself while it takes them over.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/compiler.h"
#include "fake_keep.h"
#include "scenes.h"
#include "state/mac.h"
#include "step.h"

#define ADDRESSES 12
#define PORTS 3
#define TABLE_SIZE 32  /* never full */
#define TABLE_LEN 4096 /* bytes, at least what the table has */
#define KEY "mac"

enum what { LEARN, AGE, FLUSH, REMOVE };

struct world {
	struct step step;
	struct fake_keep keep; /* holds the table of the stepped process */
	struct mac_table *table;
	/* Where each address is, 0: it is not known; before the operation, and behind it. */
	uint32_t before[ADDRESSES], after[ADDRESSES];
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

/* What the next process makes of what is held. */
static bool crash(void *world)
{
	struct world *w = world;
	struct fake_keep keep = w->keep; /* who takes over holds its own */
	struct mac_table *next;
	unsigned n = 0;

	keep.held[0].fd = fcntl(keep.held[0].fd, F_DUPFD_CLOEXEC, 0);
	next = mac_table_create_kept(TABLE_SIZE, &keep.keep, KEY);
	assert_non_null(next);
	for (unsigned i = 0; i < ADDRESSES; i++) {
		uint32_t port = mac_table_lookup(next, address(i), 1);

		port = port == MAC_NO_PORT ? 0 : port;
		n += port != 0;
		/* an entry that moves may be free for a moment */
		if (w->before[i] == w->after[i])
			assert_int_equal(port, w->after[i]);
		else if (port)
			assert_true(port == w->before[i] || port == w->after[i]);
	}
	assert_int_equal(mac_table_count(next, MAC_NO_PORT), n);
	mac_table_learn(next, address(0), 1, PORTS, 0, 0); /* nobody has its lock */
	assert_int_equal(mac_table_lookup(next, address(0), 1), PORTS);
	mac_table_destroy(next);
	fake_keep_clear(&keep);
	return false;
}

/* Chooses an operation, and says what comes of it. */
static void choose(struct world *w, uint32_t now)
{
	struct step_op *op = w->step.op;

	*op = (struct step_op){
		.what = pick(w, 8), .n = pick(w, ADDRESSES), .how = 1 + pick(w, PORTS), .base = now
	};
	memcpy(w->before, w->after, sizeof(w->before));
	switch (op->what) {
	case AGE:
		for (unsigned i = 0; i < ADDRESSES; i++)
			if (w->seen[i] + 10 <= now)
				w->after[i] = 0;
		break;
	case FLUSH:
		for (unsigned i = 0; i < ADDRESSES; i++)
			if (w->after[i] == op->how)
				w->after[i] = 0;
		break;
	case REMOVE:
		w->after[op->n] = 0;
		break;
	default:
		op->what = LEARN;
		w->after[op->n] = op->how;
		w->seen[op->n] = now;
		break;
	}
}

void scene_mac(unsigned seed, unsigned n)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->seed = seed;
	w->step = (struct step){ .world = w, .perform = perform, .crash = crash };
	fake_keep_init(&w->keep);
	w->table = mac_table_create_kept(TABLE_SIZE, &w->keep.keep, KEY);
	assert_non_null(w->table);
	step_init(&w->step, TABLE_LEN, 0); /* any instruction may change it */
	assert_ptr_not_equal(mmap(w->step.memory, TABLE_LEN, PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_FIXED, *fake_keep_find(&w->keep.keep, KEY), 0),
			     MAP_FAILED);
	step_spawn(&w->step);
	for (unsigned i = 0; i < n; i++) {
		choose(w, i);
		step_run(&w->step);
		memcpy(w->before, w->after, sizeof(w->before));
		crash(w);
	}
	step_destroy(&w->step);
	mac_table_destroy(w->table);
	fake_keep_clear(&w->keep);
	free(w);
}
