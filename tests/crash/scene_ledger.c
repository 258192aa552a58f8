// SPDX-License-Identifier: Apache-2.0
/* Steps through a process that writes records to a ledger, each with a slot of a bank that counts.
 * Wherever it dies, the next one finds each record and each count as it was before the operation or
 * as it is behind it, and a slot that is given away again counts from 0.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/store.h"
#include "holder.h"
#include "scenes.h"
#include "step.h"
#include "switch/bank.h"
#include "switch/ledger.h"

#define LEDGER_BYTES 8192 /* of its file, whole pages */
#define SLOT_SIZE 16
#define BANK_BYTES (BANK_CHUNK_FIRST * SLOT_SIZE)
#define ROOM 4096
#define THINGS 4 /* that records are about */
#define SETTING 3

enum what { OPEN, ADD, REMOVE, COUNT, SET, RENEW };
enum kind { KIND_THING = 1, KIND_GONE };

struct thing_record {
	struct ledger_record record;
	uint64_t thing, slot;
};

struct thing {
	uint64_t place; /* of its record; 0: it is not there */
	uint32_t slot;
};

/* A process. */
struct process_state {
	struct ledger ledger;
	struct bank bank;
	struct thing things[THINGS];
};

/* All that the next process can see. */
struct picture {
	uint64_t has[THINGS], counts[THINGS], setting;
};

struct world {
	struct step step;
	struct holder holder;
	struct process_state stepped;
	struct picture before, after; /* the operation */
	unsigned seed;
};

static uint64_t *count_of(const struct process_state *p, unsigned i)
{
	return bank_at(&p->bank, p->things[i].slot);
}

static void write_down(struct process_state *p, struct ledger *to, unsigned i, enum kind kind)
{
	struct thing_record r = { .record = { .len = sizeof(r), .kind = kind },
				  .thing = i,
				  .slot = p->things[i].slot };

	p->things[i].place = ledger_add(to, &r.record);
}

static void read_ledger(struct process_state *p)
{
	uint64_t place = 0;

	while ((place = ledger_next(&p->ledger, place))) {
		const struct thing_record *r = (const void *)ledger_at(&p->ledger, place);

		p->things[r->thing] = (struct thing){
			.place = r->record.kind == KIND_THING ? place : 0,
			.slot = (uint32_t)r->slot,
		};
	}
}

static void begin(struct process_state *p, struct holder *h)
{
	*p = (struct process_state){ .ledger = { .file = -1 } };
	bank_init(&p->bank, &h->keep, "bank", SLOT_SIZE);
	bank_recover(&p->bank);
	if (ledger_open(&p->ledger, &h->keep, "ledger") == 0) {
		read_ledger(p);
	} else {
		if (ledger_create(&p->ledger, &h->keep, "ledger", ROOM))
			abort();
		ledger_hold(&p->ledger);
	}
	for (unsigned i = 0; i < THINGS; i++)
		if (p->things[i].place && !bank_claim(&p->bank, p->things[i].slot))
			abort();
	bank_recovered(&p->bank);
}

static void end(struct process_state *p)
{
	bank_close(&p->bank);
	ledger_close(&p->ledger);
}

/* Another ledger, with what is there alone. */
static void renew(struct process_state *p, struct holder *h)
{
	struct ledger next, old = p->ledger;

	if (ledger_create(&next, &h->keep, "ledger", ROOM))
		abort();
	for (unsigned i = 0; i < THINGS; i++)
		if (p->things[i].place)
			write_down(p, &next, i, KIND_THING);
	ledger_set(&next, SETTING, ledger_get(&old, SETTING));
	ledger_commit(&next);
	ledger_hold(&next);
	p->ledger = next;
	ledger_close(&old);
}

/* In the stepped process. */
static void perform(void *world)
{
	struct world *w = world;
	struct step_op *op = w->step.op;
	struct process_state *p = &w->stepped;

	switch ((enum what)op->what) {
	case OPEN:
		w->holder.tells = true;
		begin(p, &w->holder);
		break;
	case ADD:
		if (bank_take(&p->bank, &p->things[op->n].slot))
			abort();
		write_down(p, &p->ledger, op->n, KIND_THING);
		ledger_commit(&p->ledger);
		break;
	case REMOVE:
		write_down(p, &p->ledger, op->n, KIND_GONE);
		ledger_commit(&p->ledger);
		p->things[op->n].place = 0;
		bank_unref(&p->bank, p->things[op->n].slot);
		break;
	case COUNT:
		shared_store(count_of(p, op->n), op->first);
		break;
	case SET:
		ledger_set(&p->ledger, SETTING, op->first);
		break;
	case RENEW:
		renew(p, &w->holder);
		break;
	}
}

static bool called(void *world, long number)
{
	struct world *w = world;

	if (!holder_listen(&w->holder))
		return false;
	holder_map(&w->holder, "ledger", w->step.memory, LEDGER_BYTES);
	holder_map(&w->holder, "bank/0", w->step.memory + LEDGER_BYTES, BANK_BYTES);
	return true;
}

/* The next process goes on. */
static bool crash(void *world)
{
	struct world *w = world;
	struct picture now = { .setting = 0 };
	struct process_state next;
	struct holder holder;

	holder_copy(&holder, &w->holder);
	begin(&next, &holder);
	for (unsigned i = 0; i < THINGS; i++) {
		now.has[i] = next.things[i].place != 0;
		now.counts[i] = now.has[i] ? *count_of(&next, i) : 0;
	}
	now.setting = ledger_get(&next.ledger, SETTING);
	end(&next);
	holder_destroy(&holder);
	if (memcmp(&now, &w->before, sizeof(now)) != 0)
		assert_memory_equal(&now, &w->after, sizeof(now));
	return false;
}

static void run(struct world *w, enum what what, unsigned n, uint64_t first)
{
	*w->step.op = (struct step_op){ .what = what, .n = n, .first = first };
	assert_true(step_run(&w->step));
	w->before = w->after;
	crash(w);
}

static void turn(struct world *w, unsigned choice, unsigned i)
{
	uint64_t value = (uint64_t)rand_r(&w->seed) + 1;

	if (choice == 0) {
		run(w, RENEW, 0, 0);
	} else if (choice == 1) {
		w->after.setting = value;
		run(w, SET, 0, value);
	} else if (!w->after.has[i]) {
		w->after.has[i] = 1;
		run(w, ADD, i, 0);
	} else if (choice == 2) {
		w->after.has[i] = w->after.counts[i] = 0;
		run(w, REMOVE, i, 0);
	} else {
		w->after.counts[i] = value;
		run(w, COUNT, i, value);
	}
}

void scene_ledger(unsigned seed, unsigned n)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->seed = seed;
	holder_init(&w->holder);
	w->step = (struct step){ .world = w, .perform = perform, .crash = crash, .called = called };
	step_init(&w->step, LEDGER_BYTES + BANK_BYTES, LEDGER_BYTES + BANK_BYTES);
	for (unsigned life = 0; life < 2; life++) {
		step_spawn(&w->step);
		run(w, OPEN, 0, 0);
		turn(w, 3, 0); /* is there, */
		turn(w, 3, 0); /* counts, */
		turn(w, 2, 0); /* goes, */
		turn(w, 3, 0); /* and comes again, with the slot that was its own */
		for (unsigned i = 0; i < n; i++)
			turn(w, (unsigned)rand_r(&w->seed) % 6,
			     (unsigned)rand_r(&w->seed) % THINGS);
		step_kill(&w->step);
	}
	step_destroy(&w->step);
	holder_destroy(&w->holder);
	free(w);
}
