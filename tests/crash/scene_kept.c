// SPDX-License-Identifier: Apache-2.0
/* Steps through a process that counts, deletes ports, takes over from one before it, and gets the
 * counters of a port that has come from another switch. Wherever it dies, each counter is what it
 * was before the operation or behind it; the sum of all ports, those that are no more too, stays
 * what it is when a port goes, or is made again; and what waited for a port counts once, as waiting
 * or lost.
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
#include "step.h"
#include "switch/port_state.h"

#define PAGE 4096
#define PORTS 2
#define WORKERS 2
#define MEMORY ((1 + PORTS) * PAGE) /* of deleted ports, and of each */
#define RX 7			    /* what is counted at once */
#define DROPS 3

enum what { OPEN, COUNT, WAIT, DELETE, ADD, LOAD };

static const char *const names[PORTS] = { "vm1", "vm2" };

/* All that can be seen. */
struct sums {
	uint64_t rx, vlan_drops;
	uint64_t held; /* that wait, or were lost */
};

/* A process. */
struct process_state {
	struct gone *gone;
	struct port_state ports[PORTS];
};

struct world {
	struct step step;
	struct holder holder;
	struct process_state stepped;
	bool has[PORTS];		 /* in the configuration */
	struct sums before, after, seen; /* the operation, and when it was last looked */
	uint64_t loaded[PORTS], waiting[PORTS][WORKERS];
	uint8_t *saved; /* the memory */
	unsigned seed;
};

static unsigned pick(struct world *w, unsigned n)
{
	return (unsigned)rand_r(&w->seed) % n;
}

static void add_port(struct process_state *p, struct holder *h, unsigned i)
{
	if (port_state_open(&p->ports[i], &h->keep, names[i], WORKERS, p->gone))
		abort();
	port_state_hold(&p->ports[i], &h->keep, names[i], p->ports[i].id ?: i + 1);
}

static void begin(struct process_state *p, struct holder *h, const bool *has)
{
	*p = (struct process_state){ .gone = NULL };
	p->gone = gone_open(&h->keep);
	if (!p->gone)
		abort();
	for (unsigned i = 0; i < PORTS; i++)
		if (has[i])
			add_port(p, h, i);
	gone_settled(p->gone);
}

static void end(struct process_state *p)
{
	for (unsigned i = 0; i < PORTS; i++)
		port_state_close(&p->ports[i]);
	gone_close(p->gone);
}

static void delete (struct process_state *p, struct holder *h, unsigned i)
{
	gone_add(p->gone, p->ports[i].state, WORKERS);
	port_state_release(&h->keep, names[i]);
	port_state_close(&p->ports[i]);
}

/* In the stepped process. */
static void perform(void *world)
{
	struct world *w = world;
	struct step_op *op = w->step.op;
	struct view_port_state *state = w->stepped.ports[op->n].state;
	struct port_counters other = { .rx_packets = op->base };

	switch ((enum what)op->what) {
	case OPEN:
		w->holder.tells = true;
		begin(&w->stepped, &w->holder, w->has);
		break;
	case COUNT:
		counter_add(&state->counters[op->how].rx_packets, RX);
		drop_count(&state->counters[op->how], DROP_vlan, DROPS);
		break;
	case WAIT:
		counter_set(&state->counters[op->how].tx_held, op->base);
		break;
	case DELETE:
		delete (&w->stepped, &w->holder, op->n);
		break;
	case ADD:
		add_port(&w->stepped, &w->holder, op->n);
		break;
	case LOAD:
		port_counters_store(&state->before, &other);
		break;
	}
}

static void watch(struct world *w)
{
	holder_map(&w->holder, "gone", w->step.memory, PAGE);
	holder_map(&w->holder, "port/vm1", w->step.memory + PAGE, PAGE);
	holder_map(&w->holder, "port/vm2", w->step.memory + (size_t)2 * PAGE, PAGE);
}

static bool called(void *world, long number)
{
	struct world *w = world;

	if (!holder_listen(&w->holder))
		return false;
	watch(w);
	return true;
}

static void add_sums(struct sums *s, const struct port_counters *c)
{
	s->rx += c->rx_packets;
	s->vlan_drops += c->drops[DROP_vlan];
	s->held += c->tx_held + c->drops[DROP_tx_held_lost];
}

static struct sums look(const struct process_state *p)
{
	struct sums s = { 0 };

	add_sums(&s, gone_sum(p->gone));
	for (unsigned i = 0; i < PORTS; i++) {
		const struct view_port_state *state = p->ports[i].state;

		if (!state)
			continue;
		add_sums(&s, &state->before);
		for (unsigned k = 0; k < WORKERS; k++) {
			add_sums(&s, &state->counters[k]);
			assert_int_equal(state->counters[k].tx_held, 0);
		}
	}
	return s;
}

/* The next process goes on; also with a port that is just being deleted, and then it is the one
 * that deletes it. */
static struct sums play(struct world *w)
{
	struct process_state next;
	struct holder holder;
	struct sums s, behind;

	memcpy(w->saved, w->step.memory, w->step.len);
	holder_copy(&holder, &w->holder);
	begin(&next, &holder, w->has);
	s = look(&next);
	if (w->has[0])
		delete (&next, &holder, 0);
	behind = look(&next);
	assert_memory_equal(&behind, &s, sizeof(s));
	end(&next);
	holder_destroy(&holder);
	memcpy(w->step.memory, w->saved, w->step.len);
	return s;
}

static void check_old_or_new(uint64_t is, uint64_t before, uint64_t after)
{
	if (is != before)
		assert_int_equal(is, after);
}

static bool crash(void *world)
{
	struct world *w = world;

	w->seen = play(w);
	check_old_or_new(w->seen.rx, w->before.rx, w->after.rx);
	check_old_or_new(w->seen.vlan_drops, w->before.vlan_drops, w->after.vlan_drops);
	check_old_or_new(w->seen.held, w->before.held, w->after.held);
	return !pick(w, 40);
}

/* Does one operation. If the process dies of it, the next one takes over, which may die of that:
 * false. */
static bool run(struct world *w, struct step_op op)
{
	*w->step.op = op;
	if (step_run(&w->step)) {
		w->before = w->after;
		crash(w);
		return true;
	}
	do {
		w->before = w->after = w->seen;
		memset(w->waiting, 0, sizeof(w->waiting)); /* lost now */
		step_spawn(&w->step);
		*w->step.op = (struct step_op){ .what = OPEN };
	} while (!step_run(&w->step));
	return false;
}

static void count(struct world *w, unsigned port, unsigned worker)
{
	w->after.rx += RX;
	w->after.vlan_drops += DROPS;
	run(w, (struct step_op){ .what = COUNT, .n = port, .how = worker });
}

static void let_wait(struct world *w, unsigned port, unsigned worker)
{
	uint32_t n = pick(w, 5);

	w->after.held += n - w->waiting[port][worker];
	if (run(w, (struct step_op){ .what = WAIT, .n = port, .how = worker, .base = n }))
		w->waiting[port][worker] = n;
}

static void load(struct world *w, unsigned port)
{
	uint32_t value = 1000 + pick(w, 1000);
	uint64_t old = w->before.rx;

	w->after.rx += value - w->loaded[port];
	run(w, (struct step_op){ .what = LOAD, .n = port, .base = value });
	if (w->before.rx != old)
		w->loaded[port] = value;
}

/* Deleted, and added anew. */
static void renew(struct world *w, unsigned port)
{
	while (!run(w, (struct step_op){ .what = DELETE, .n = port }))
		;
	w->has[port] = false;
	w->loaded[port] = 0;
	memset(w->waiting[port], 0, sizeof(w->waiting[port]));
	w->has[port] = true;
	run(w, (struct step_op){ .what = ADD, .n = port });
}

static void world_init(struct world *w, unsigned seed)
{
	*w = (struct world){ .seed = seed, .has = { true, true } };
	holder_init(&w->holder);
	w->step = (struct step){ .world = w, .perform = perform, .crash = crash, .called = called };
	step_init(&w->step, MEMORY, MEMORY);
	w->saved = malloc(MEMORY);
	assert_non_null(w->saved);
	step_spawn(&w->step);
	run(w, (struct step_op){ .what = OPEN });
}

void scene_kept(unsigned seed, unsigned n)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	world_init(w, seed);
	for (unsigned i = 0; i < n; i++) {
		unsigned port = pick(w, PORTS), worker = pick(w, WORKERS);

		switch (pick(w, 6)) {
		case 0:
			renew(w, port);
			break;
		case 1:
			load(w, port);
			break;
		case 2:
		case 3:
			let_wait(w, port, worker);
			break;
		default:
			count(w, port, worker);
			break;
		}
	}
	step_destroy(&w->step);
	holder_destroy(&w->holder);
	free(w->saved);
	free(w);
}
