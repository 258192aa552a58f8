// SPDX-License-Identifier: Apache-2.0
/* Steps through a worker that decides, sends, lets packets wait for a port whose queues change, and
 * sends them later. Wherever it dies, each packet that it had taken is in a counter: of the port
 * that got it, or of a reason why none did, or among those that wait; but for those of the batch in
 * work, which come again, and those among the waiting that were just sent, which may be in both. No
 * counter falls, and what is known of addresses and limits is old or new.
 */
#include "forward_stage.h"
#include "holder.h"
#include "scenes.h"
#include "step.h"

#define PAGE 4096
#define STATE_LEN 1024		 /* bytes for what a port's worker writes */
#define MEMORY (PAGE + 2 * PAGE) /* that of all ports, and the MAC table */
#define ADDRESSES 256		 /* of that table */
#define KEY "mac"
#define FRAMES_MAX 6 /* of a batch */

enum { SENDER = 1, HELD, OTHER, PATCH, PORTS };
#define NO_PORT 9 /* is in no view */
enum what { BATCH, GONE, WAITED };
enum kind { TO_HELD, TO_OTHER, TO_ALL, TO_UNKNOWN, TO_ITSELF, SHORT, LONG, TAGGED, N_KINDS };

/* Who gets a frame of each kind, or does not: so many are counted. */
static const unsigned outcomes[N_KINDS] = { 1, 1, 3, 3, 1, 1, 1, 1 };

struct world {
	struct step step;
	struct holder holder; /* of the MAC table */
	struct stage *stage;
	struct view *views[2]; /* in the second one the port is held */
	struct view_port_state *states[PORTS], *own_states[PORTS];
	uint64_t accounted; /* before the operation */
	unsigned more;	    /* that it accounts for at most, and in the end if it is a batch */
	unsigned waiting;
	uint8_t *before; /* the memory then */
	unsigned seed;
};

static unsigned pick(struct world *w, unsigned n)
{
	return (unsigned)rand_r(&w->seed) % n;
}

static uint32_t make(uint8_t *frame, enum kind kind, unsigned number)
{
	mac_t from = MAC(10 + number / 2 % 3);

	switch (kind) {
	case TO_HELD:
		return make_frame(frame, MAC(HELD), from, UNTAGGED, 46);
	case TO_OTHER:
		return make_frame(frame, MAC(OTHER), from, UNTAGGED, 60);
	case TO_ALL:
		return make_frame(frame, BROADCAST, from, UNTAGGED, 50);
	case TO_ITSELF:
		return make_frame(frame, from, from, UNTAGGED, 46);
	case SHORT:
		return 13;
	case LONG:
		return make_frame(frame, MAC(OTHER), from, UNTAGGED, 1501);
	case TAGGED:
		return make_frame(frame, MAC(OTHER), from, 7, 46);
	default:
		return make_frame(frame, MAC(99), from, UNTAGGED, 46);
	}
}

static enum kind kind_of(const struct step_op *op, unsigned i)
{
	return i + 1 == op->n ? TO_OTHER : (enum kind)((op->base + i) % N_KINDS);
}

/* In the stepped process: frames of kinds that follow from the operation's number, which is the
 * time in seconds; the last one is always to the same port. GONE: their port has gone meanwhile. */
static void perform(void *world)
{
	struct world *w = world;
	struct step_op *op = w->step.op;
	struct stage *s = w->stage;
	struct port_counters *c = &w->states[SENDER]->counters[0];
	const struct view_rxq rxq = { s->m.ports[SENDER].port->rxqs[0],
				      op->what == GONE ? NO_PORT : SENDER, 0 };
	uint8_t frame[FRAME_MAX] = { 0 };

	switch ((enum what)op->what) {
	case BATCH:
	case GONE:
		for (unsigned i = 0; i < op->n; i++) {
			uint32_t len = make(frame, kind_of(op, i), op->base);

			dummy_inject(rxq.q->port, 0, frame, len, NULL);
		}
		batch_clear(s->batch);
		rxq.q->port->ops->rx(rxq.q, s->batch, c);
		forward_batch(s->fw[0], w->views[op->how], &rxq, s->batch, op->base * NSEC_PER_SEC,
			      c);
		rxq.q->port->ops->rx_done(rxq.q, s->batch);
		break;
	case WAITED:
		forward_inboxes(s->fw[0], w->views[op->how], op->base * NSEC_PER_SEC);
		break;
	}
}

static uint64_t count(const struct world *w)
{
	uint64_t n = 0;

	for (unsigned i = SENDER; i < PORTS; i++) {
		const struct port_counters *c = &w->states[i]->counters[0];

		/* the other end of the patch gets nothing further */
		n += i == PATCH ? c->drops[DROP_tx_link_down] : c->tx_packets + c->tx_held;
		for (unsigned r = 0; r < DROP_N_REASONS; r++)
			n += i == PATCH ? 0 : c->drops[r];
	}
	return n;
}

/* Those of a worker; of what waits it may fall. */
static void check_no_fall(const struct world *w, unsigned port)
{
	const struct view_port_state *now = w->states[port];
	const struct view_port_state *was =
		(const void *)(w->before + ((const uint8_t *)now - w->step.memory));
	const uint64_t *is = (const uint64_t *)&now->counters[0],
		       *old = (const uint64_t *)&was->counters[0];

	for (size_t i = 0; i < sizeof(now->counters[0]) / 8; i++)
		if (&is[i] != &now->counters[0].tx_held)
			assert_true(is[i] >= old[i]);
	assert_true(now->broadcast_due >= was->broadcast_due);
	assert_true(now->unknown_due >= was->unknown_due);
}

static bool crash(void *world)
{
	struct world *w = world;
	const struct mac_table *macs = w->stage->m.macs[0];

	assert_in_range(count(w), w->accounted, w->accounted + w->more);
	for (unsigned i = SENDER; i < PORTS; i++)
		check_no_fall(w, i);
	assert_int_equal(mac_table_lookup(macs, MAC(HELD), 0), HELD);
	assert_int_equal(mac_table_lookup(macs, MAC(OTHER), 0), OTHER);
	for (unsigned i = 0; i < 3; i++) {
		uint32_t port = mac_table_lookup(macs, MAC(10 + i), 0);

		assert_true(port == SENDER || port == MAC_NO_PORT);
	}
	return false;
}

static void run(struct world *w, struct step_op op)
{
	memcpy(w->before, w->step.memory, MEMORY);
	w->accounted = count(w);
	*w->step.op = op;
	assert_true(step_run(&w->step));
	crash(w);
	if (op.what != WAITED)
		assert_int_equal(count(w), w->accounted + w->more);
	else
		assert_int_equal(count(w), w->accounted);
	w->waiting = (unsigned)w->states[HELD]->counters[0].tx_held;
}

static void send_batch(struct world *w, uint32_t number, bool held)
{
	struct step_op op = {
		.what = BATCH, .n = 1 + pick(w, FRAMES_MAX), .base = number, .how = held
	};

	w->more = 0;
	for (unsigned i = 0; i < op.n; i++)
		w->more += outcomes[kind_of(&op, i)];
	run(w, op);
}

/* What a worker writes to, in memory that is watched. */
static void place_states(struct world *w)
{
	struct maker *m = &w->stage->m;

	for (unsigned i = SENDER; i < PORTS; i++) {
		w->own_states[i] = m->ports[i].state;
		w->states[i] =
			(struct view_port_state *)(w->step.memory + (size_t)(i - 1) * STATE_LEN);
		m->ports[i].state = w->states[i];
	}
	mac_table_destroy(m->macs[0]);
	m->macs[0] = mac_table_create_kept(ADDRESSES, &w->holder.keep, KEY);
	assert_non_null(m->macs[0]);
	assert_true(holder_map(&w->holder, KEY, w->step.memory + PAGE, MEMORY - PAGE));
}

static void world_init(struct world *w, unsigned seed)
{
	struct maker *m;

	*w = (struct world){ .seed = seed };
	holder_init(&w->holder);
	w->step = (struct step){ .world = w, .perform = perform, .crash = crash };
	step_init(&w->step, MEMORY, MEMORY);
	w->before = calloc(1, MEMORY);
	assert_non_null(w->before);
	assert_int_equal(setup((void **)&w->stage), 0);
	m = &w->stage->m;
	for (unsigned i = SENDER; i < PORTS; i++)
		maker_add(m, i, 1);
	place_states(w);
	m->ports[PATCH].patch = true; /* to nowhere */
	m->ports[SENDER].access = true;
	/* never reached, but noted */
	m->ports[SENDER].broadcast_limit = m->ports[SENDER].unknown_limit =
		(struct view_limit){ 1000, UINT64_MAX / 2 };
	mac_table_learn(m->macs[0], MAC(HELD), 0, HELD, 1, 0);
	mac_table_learn(m->macs[0], MAC(OTHER), 0, OTHER, 1, 0);
	w->views[0] = maker_view(m);
	m->ports[HELD].held = true;
	w->views[1] = maker_view(m);
	w->views[0]->generation = 1;
	w->views[1]->generation = 2;
}

static void world_destroy(struct world *w)
{
	step_destroy(&w->step);
	for (unsigned i = SENDER; i < PORTS; i++)
		w->stage->m.ports[i].state = w->own_states[i];
	maker_free_view(w->views[0]);
	maker_free_view(w->views[1]);
	teardown((void **)&w->stage);
	holder_destroy(&w->holder);
	free(w->before);
	free(w);
}

void scene_forward(unsigned seed, unsigned n)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	world_init(w, seed);
	step_spawn(&w->step);
	for (unsigned i = 0; i < n; i++) {
		bool held = i % 4 < 2;

		send_batch(w, 2 * i, held);
		send_batch(w, 2 * i + 1, held);
		w->more = w->waiting;
		run(w, (struct step_op){ .what = WAITED, .base = 2 * i + 1, .how = held });
		assert_true(held || !w->waiting);
		w->more = 2;
		run(w, (struct step_op){ .what = GONE, .n = 2, .base = 2 * i + 1, .how = held });
	}
	world_destroy(w);
}
