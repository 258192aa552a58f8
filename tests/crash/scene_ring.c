// SPDX-License-Identifier: Apache-2.0
/* Steps through a ring's operations. Wherever the process that runs the ring dies, the next one
 * must return every chain to the driver once and with what was written to it. It goes on as the
 * ring's state says; or, when the ring notes in a region what is in flight, maybe as that says
 * alone, as a back-end that the front-end has connected to anew.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "guest.h"
#include "scenes.h"
#include "virtio/inflight.h"

#define SLOTS 32    /* chains that have a place in memory, each of */
#define SLOT_LEN 64 /* bytes */
#define BUFS_MAX 3  /* buffers of a chain */
#define BUF_LEN 16

enum what {
	START,
	RESTART,
	RESUME,
	ANEW,
	TAKE,
	UNTAKE,
	COMPLETE,
	ENABLE,
	DISABLE,
	NOTIFY,
	BREAK,
	STOP
};

/* How lengths are given to ring_complete(). */
enum how { IN_PLACE, COPIED, BLANK, N_HOWS };

struct chain {
	struct iovec iov[BUFS_MAX];
	unsigned n_out, n_in;
	uint32_t in_len;
	uint32_t len; /* that the driver must be told, if the process that is stepped does it */
	bool blank;   /* nothing is written to it */
};

/* A device's end of the ring. */
struct device {
	struct ring ring;
	struct inflight *inflight;
	struct ring_chain held[DESCS_MAX];
	unsigned n_held;
	struct iovec arena[4096]; /* begins anew when nothing is held */
	unsigned arena_used;
};

struct world {
	struct step step;
	struct shared shared;
	struct guest_ring guest;
	unsigned seed, bufs_max; /* of a chain */
	void *region;		 /* where what is in flight is noted; NULL: nowhere */
	unsigned n_desc;	 /* of it */
	struct chain chains[SLOTS], saved_chains[SLOTS];
	/* Counters of chains: got <= completed <= taken <= added. */
	uint64_t added, taken, completed, got;
	uint64_t done; /* completed, as whoever recovered last found it */
	bool armed;    /* the driver sleeps and must be told */
	struct device stepped, next;
};

static unsigned pick(struct world *w, unsigned n)
{
	return (unsigned)rand_r(&w->seed) % n;
}

static struct chain *chain_at(struct world *w, uint64_t number)
{
	return &w->chains[number % SLOTS];
}

static uint8_t byte_of(uint64_t number)
{
	return (uint8_t)(number * 7 + 1);
}

/* Bytes written to a chain by whoever does it. */
static uint32_t len_of(uint64_t number, uint32_t in_len)
{
	return (uint32_t)(number % (in_len + 1));
}

static unsigned take_some(struct world *w, struct device *d, unsigned n)
{
	n = ring_take(&d->ring, w->shared.mem, d->held + d->n_held, min(n, DESCS_MAX - d->n_held),
		      d->arena + d->arena_used, ARRAY_SIZE(d->arena) - d->arena_used);
	for (unsigned i = 0; i < n; i++, d->n_held++)
		d->arena_used += d->held[d->n_held].n_out + d->held[d->n_held].n_in;
	return n;
}

/* Until there are @n, or no more: chains that were in flight come by themselves. */
static void device_take(struct world *w, struct device *d, unsigned n)
{
	unsigned got = 1;

	if (!d->n_held)
		d->arena_used = 0;
	for (; n && got; n -= got)
		got = take_some(w, d, n);
}

static void fill(const struct ring_chain *chain, uint8_t byte, uint32_t len)
{
	const struct iovec *iov = chain->iov + chain->n_out;

	for (; len; iov++) {
		uint32_t part = min(len, (uint32_t)iov->iov_len);

		memset(iov->iov_base, byte, part);
		len -= part;
	}
}

/* Completes the oldest @n chains, which begin with number @first. */
static void device_complete(struct device *d, uint64_t first, unsigned n, enum how how)
{
	uint32_t own[DESCS_MAX], *lens = how == IN_PLACE ? ring_lens(&d->ring) : own;

	for (unsigned i = 0; i < n && how != BLANK; i++) {
		uint32_t len = len_of(first + i, d->held[i].in_len);

		fill(&d->held[i], byte_of(first + i), len);
		if (how == IN_PLACE)
			shared_store(&lens[i], len);
		else
			lens[i] = len;
	}
	ring_complete(&d->ring, how == BLANK ? NULL : lens, n);
	d->n_held -= n;
	memmove(d->held, d->held + n, d->n_held * sizeof(d->held[0]));
}

/* Each device knows anew what is in the region. */
static void device_attach(struct world *w, struct device *d)
{
	static const struct filemap map;

	inflight_destroy(d->inflight);
	d->inflight = NULL;
	if (w->region && inflight_create(&d->inflight, w->region, w->n_desc, &map) < 0)
		abort();
}

static int device_start(struct world *w, struct device *d, bool resume, uint32_t base)
{
	struct ring_config config = w->guest.config;
	struct error err;

	device_attach(w, d);
	config.inflight = d->inflight;
	config.resume = resume;
	config.base = base;
	d->n_held = 0;
	return ring_start(&d->ring, &config, &err);
}

/* As a back-end that knows nothing but what is in the region; if that is not made yet, the base. */
static int device_start_anew(struct world *w, struct device *d)
{
	const struct inflight_split *region = w->region; /* both begin alike */

	return device_start(w, d, false, region->version ? 12345 : w->guest.config.base);
}

/* In the stepped process. */
static void perform(void *world)
{
	struct world *w = world;
	struct step_op *op = w->step.op;
	struct device *d = &w->stepped;

	switch ((enum what)op->what) {
	case ANEW:
		op->result = (unsigned)-device_start_anew(w, d);
		break;
	case START:
	case RESUME:
		op->result = (unsigned)-device_start(w, d, op->what == RESUME, op->base);
		break;
	case RESTART:
		op->result = (unsigned)-device_start(w, d, false, ring_base(&d->ring));
		break;
	case TAKE:
		device_take(w, d, op->n);
		op->result = d->n_held;
		break;
	case UNTAKE:
		ring_untake(&d->ring, op->n);
		d->n_held -= op->n;
		break;
	case COMPLETE:
		device_complete(d, op->first, op->n, (enum how)op->how);
		break;
	case ENABLE:
		op->result = ring_enable_kick(&d->ring);
		break;
	case DISABLE:
		ring_disable_kick(&d->ring);
		break;
	case NOTIFY:
		op->result = ring_wants_notify(&d->ring);
		break;
	case BREAK:
		ring_break(&d->ring, RING_FAULT_LOOP);
		break;
	case STOP:
		ring_stop(&d->ring);
		break;
	}
}

static void add(struct world *w)
{
	struct chain *c = chain_at(w, w->added);
	size_t at = w->step.packets + (size_t)(w->added % SLOTS) * SLOT_LEN;
	unsigned n = 1 + pick(w, w->bufs_max);

	if (n > driver_ring_free(&w->guest.driver))
		return;
	*c = (struct chain){ .n_out = pick(w, n + 1) };
	c->n_in = n - c->n_out;
	for (unsigned i = 0; i < n; i++) {
		c->iov[i] = (struct iovec){ w->step.memory + at + (size_t)i * BUF_LEN,
					    1 + pick(w, BUF_LEN) };
		if (i >= c->n_out)
			c->in_len += (uint32_t)c->iov[i].iov_len;
	}
	assert_int_equal(
		driver_ring_add(&w->guest.driver, c->iov, c->n_out, c->iov + c->n_out, c->n_in, c),
		0);
	w->added++;
}

/* The driver gets chain @number back; @done: the first that the stepped process had not completed.
 */
static void get(struct world *w, uint64_t number, uint64_t done)
{
	struct chain *c = chain_at(w, number);
	uint32_t len, want = number < done ? c->len : len_of(number, c->in_len);

	assert_ptr_equal(driver_ring_get(&w->guest.driver, &len), c);
	assert_int_equal(len, want);
	if (number < done && c->blank)
		return;
	for (const struct iovec *iov = c->iov + c->n_out; len; iov++) {
		uint32_t part = min(len, (uint32_t)iov->iov_len);

		for (uint32_t i = 0; i < part; i++)
			assert_int_equal(((uint8_t *)iov->iov_base)[i], byte_of(number));
		len -= part;
	}
}

/* The next process takes what is there, which must be the chains up to the last one that was added.
 * Returns how many. */
static unsigned take_all(struct world *w)
{
	struct device *d = &w->next;
	unsigned n = 0;

	do {
		n = d->n_held;
		device_take(w, d, 3);
	} while (d->n_held > n);
	assert_false(ring_broken(&d->ring));
	for (unsigned i = 0; i < n; i++) {
		const struct chain *c = chain_at(w, w->added - n + i);

		assert_int_equal(d->held[i].n_out, c->n_out);
		assert_int_equal(d->held[i].n_in, c->n_in);
		assert_memory_equal(d->held[i].iov, c->iov,
				    (c->n_out + c->n_in) * sizeof(c->iov[0]));
	}
	return n;
}

/* The ring goes on for more than once around. */
static void go_around(struct world *w)
{
	struct driver_ring *driver = &w->guest.driver;
	uint32_t len;

	for (unsigned i = 0; i <= driver->config.size; i++) {
		struct iovec v = { w->step.memory + w->step.packets, 1 };

		assert_int_equal(driver_ring_add(driver, NULL, 0, &v, 1, w), 0);
		driver_ring_publish(driver);
		device_take(w, &w->next, 2);
		assert_int_equal(w->next.n_held, 1);
		device_complete(&w->next, 1, 1, COPIED);
		assert_ptr_equal(driver_ring_get(driver, &len), w);
		assert_int_equal(len, 1);
	}
}

/* Starts as the next process. False: there is nothing to go on with. */
static bool succeed(struct world *w, struct device *d)
{
	const struct step_op *op = w->step.op;

	if (w->region && pick(w, 2)) {
		assert_int_equal(device_start_anew(w, d), 0);
		assert_false(ring_broken(&d->ring));
		return true;
	}
	if (device_start(w, d, true, 0) < 0) {
		/* begins, or has ended */
		assert_true(op->what == START || op->what == STOP);
		assert_int_equal(w->guest.config.state->running, 0);
		return false;
	}
	if (ring_broken(&d->ring))
		assert_int_equal(op->what, BREAK);
	return !ring_broken(&d->ring);
}

/* Goes on as the next process, to the end of all chains. */
static void recover(struct world *w)
{
	const struct step_op *op = w->step.op;
	struct device *d = &w->next;
	bool kick;
	unsigned n;

	if (!succeed(w, d))
		return;
	kick = ring_enable_kick(&d->ring);
	n = take_all(w);
	assert_int_equal(kick, n > 0);
	w->done = w->added - n;
	assert_true(w->done == w->completed ||
		    (op->what == COMPLETE && w->done == w->completed + op->n));
	if (w->armed && w->done > w->got)
		assert_true(ring_wants_notify(&d->ring));
	for (uint64_t i = w->done; i < w->added; i += n) {
		n = 1 + pick(w, (unsigned)(w->added - i));
		device_complete(d, i, n, COPIED);
	}
	for (uint64_t i = w->got; i < w->added; i++)
		get(w, i, w->done);
	assert_true(driver_ring_idle(&w->guest.driver));
	go_around(w);
	assert_false(w->guest.driver.broken);
}

/* The guest does not know of the crash: it takes what it sees, and fills the ring anew. */
static void guest_goes_on(struct world *w)
{
	uint64_t added;

	while (driver_ring_enable_call(&w->guest.driver))
		get(w, w->got++, UINT64_MAX);
	w->armed = true;
	do {
		added = w->added;
		add(w);
	} while (w->added > added);
	driver_ring_publish(&w->guest.driver);
}

/* Whether a batch was begun by a packed ring's region: whoever goes on must find out whether it was
 * published. */
static bool in_doubt(const struct world *w)
{
	const struct inflight_packed *r = w->region;

	return r && w->guest.config.features & PACKED && r->used_idx != r->old_used_idx;
}

static bool crash(void *world)
{
	struct world *w = world;
	bool doubt = in_doubt(w);
	uint64_t added = w->added, got = w->got;
	int what = w->step.op->what;
	bool armed = w->armed;

	memcpy(w->saved_chains, w->chains, sizeof(w->chains));
	guest_ring_save(&w->guest);
	if (pick(w, 2))
		guest_goes_on(w);
	recover(w);
	guest_ring_restore(&w->guest);
	memcpy(w->chains, w->saved_chains, sizeof(w->chains));
	w->added = added;
	w->got = got;
	w->armed = armed;
	if (what == START || what == STOP || what == BREAK)
		return false;
	return !pick(w, doubt ? 3 : what == COMPLETE ? 40 : 200);
}

/* Does one operation; if the process dies of it another one goes on. */
static bool run(struct world *w, struct step_op op)
{
	*w->step.op = op;
	if (step_run(&w->step))
		return true;
	do {
		w->taken = w->completed = w->done;
		step_spawn(&w->step);
		*w->step.op = (struct step_op){ .what = w->region && pick(w, 2) ? ANEW : RESUME };
	} while (!step_run(&w->step));
	assert_int_equal(w->step.op->result, 0);
	return false;
}

static void use_driver(struct world *w)
{
	for (unsigned i = pick(w, 4); i; i--)
		add(w);
	driver_ring_publish(&w->guest.driver);
	for (unsigned i = pick(w, 4); i && w->got < w->completed; i--)
		get(w, w->got++, UINT64_MAX);
	if (!pick(w, 3))
		w->armed = !driver_ring_enable_call(&w->guest.driver);
	else if (!pick(w, 3)) {
		driver_ring_disable_call(&w->guest.driver);
		w->armed = false;
	}
}

static void complete(struct world *w)
{
	unsigned n = pick(w, (unsigned)(w->taken - w->completed) + 1);
	enum how how = (enum how)pick(w, N_HOWS);
	bool in_order = w->guest.config.features & IN_ORDER;

	for (unsigned i = 0; i < n; i++) {
		struct chain *c = chain_at(w, w->completed + i);

		c->blank = how == BLANK;
		if (!c->blank)
			c->len = len_of(w->completed + i, c->in_len);
		else /* one used element for the batch: for those before it all is written */
			c->len = in_order && i + 1 < n ? c->in_len : 0;
	}
	if (run(w, (struct step_op){ .what = COMPLETE, .n = n, .how = how, .first = w->completed }))
		w->completed += n;
}

static void use_device(struct world *w)
{
	unsigned n = pick(w, 6);

	switch (pick(w, 9)) {
	case 0:
	case 1:
		if (run(w, (struct step_op){ .what = TAKE, .n = n })) {
			assert_int_equal(w->step.op->result,
					 min(w->taken + n, w->added) - w->completed);
			w->taken = w->completed + w->step.op->result;
		}
		break;
	case 2:
		n = pick(w, (unsigned)(w->taken - w->completed) + 1);
		if (run(w, (struct step_op){ .what = UNTAKE, .n = n }))
			w->taken -= n;
		break;
	case 3:
		if (run(w, (struct step_op){ .what = ENABLE }))
			assert_int_equal(w->step.op->result, w->added > w->taken);
		break;
	case 4:
		run(w, (struct step_op){ .what = DISABLE });
		break;
	case 5:
		if (run(w, (struct step_op){ .what = NOTIFY }) && w->step.op->result)
			w->armed = false;
		break;
	case 6:
		if (!pick(w, 4) && run(w, (struct step_op){ .what = RESTART }))
			w->taken = w->completed;
		break;
	default:
		complete(w);
		break;
	}
}

static void play(uint64_t features, uint32_t size, unsigned seed, unsigned n, bool inflight)
{
	struct world *w = calloc(1, sizeof(*w));
	size_t packets = SHARED_STATES + 2 * SHARED_RING;

	assert_non_null(w);
	w->seed = seed;
	w->bufs_max = seed % 2 ? 1 : min((uint32_t)BUFS_MAX, size);
	w->step = (struct step){ .world = w, .perform = perform, .crash = crash };
	step_init(&w->step, packets + (size_t)SLOTS * SLOT_LEN, packets);
	shared_init(&w->shared, &w->step);
	guest_ring_init(&w->guest, &w->shared, 0, features, size, (uint16_t)pick(w, 65536));
	if (inflight) {
		w->region = w->step.memory + SHARED_STATES + SHARED_RING;
		w->n_desc = size + seed % 3;
	}
	w->guest.config.state->running = ring_state_mark(true, 12345); /* somebody else's */
	step_spawn(&w->step);
	run(w, (struct step_op){ .what = START, .base = w->guest.config.base });
	assert_int_equal(w->step.op->result, 0);
	for (unsigned i = 0; i < n || w->got < n / 4; i++) {
		assert_true(i < 100 * n);
		use_driver(w);
		use_device(w);
	}
	run(w, (struct step_op){ .what = seed % 4 < 2 ? BREAK : STOP });
	step_destroy(&w->step);
	inflight_destroy(w->next.inflight);
	driver_ring_destroy(&w->guest.driver);
	free(w->shared.mem);
	free(w);
}

void scene_ring(uint64_t features, uint32_t size, unsigned seed, unsigned n)
{
	play(features, size, seed, n, false);
}

void scene_inflight(uint64_t features, uint32_t size, unsigned seed, unsigned n)
{
	play(features, size, seed, n, true);
}
