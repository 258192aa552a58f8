// SPDX-License-Identifier: Apache-2.0
/* Regions of what is in flight: bytes as the specification has them, what other back-ends leave in
 * them, and what none would.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>

#include "base/compiler.h"
#include "ring_pair.h"
#include "virtio/inflight.h"
#include "virtio/packed.h"

#define SIZE 8	    /* entries of the ring, and of the region */
#define CHAINS 1000 /* that come and go */

static const struct filemap no_map;

/* A driver, the region, and our end of the ring. */
struct world {
	struct ring_pair p;
	_Alignas(8) uint8_t region[1024];
	struct inflight_split *split; /* the region */
	struct inflight_packed *packed;
	struct inflight *inflight;
	unsigned n_added, n_got;
	unsigned seed;
	bool here[CHAINS]; /* the driver has it back */
};

static void world_init(struct world *w, uint64_t features)
{
	memset(w, 0, sizeof(*w));
	w->split = (struct inflight_split *)w->region;
	w->packed = (struct inflight_packed *)w->region;
	pair_init(&w->p, features, SIZE, 0, 0);
}

static void world_free(struct world *w)
{
	inflight_destroy(w->inflight);
	pair_destroy(&w->p);
}

/* Our ring begins, as that of a process that knows nothing but the region. */
static int start(struct world *w, struct error *err)
{
	struct ring_config config = pair_device_config(&w->p);

	inflight_destroy(w->inflight);
	assert_int_equal(inflight_create(&w->inflight, w->region, SIZE, &no_map), 0);
	config.inflight = w->inflight;
	config.base = 0x12345; /* nobody knows */
	if (!w->split->version)
		config.base = driver_ring_base(&w->p.driver);
	return ring_start(&w->p.device, &config, err);
}

static void start_well(struct world *w)
{
	struct error err = { "" };

	if (start(w, &err))
		fail_msg("%s", err.text);
	assert_false(ring_broken(&w->p.device));
}

/* The driver adds a chain of @n buffers, whose address says its number. False: no room. */
static bool add(struct world *w, unsigned n)
{
	struct iovec iov[4];

	if (w->n_added == CHAINS || n > driver_ring_free(&w->p.driver))
		return false;
	for (unsigned i = 0; i < n; i++)
		iov[i] = (struct iovec){ w->p.buf + w->n_added, 1 + i };
	assert_int_equal(driver_ring_add(&w->p.driver, iov, n, NULL, 0, &w->here[w->n_added]), 0);
	driver_ring_publish(&w->p.driver);
	w->n_added++;
	return true;
}

static void get_all(struct world *w)
{
	uint32_t len;
	bool *here;

	while ((here = driver_ring_get(&w->p.driver, &len))) {
		assert_false(*here);
		*here = true;
		w->n_got++;
	}
	assert_false(w->p.driver.broken);
}

/* Takes all that is there. Returns how many, with their numbers in @numbers. */
static unsigned take_all(struct world *w, unsigned *numbers)
{
	static struct iovec arena[64 * SIZE];
	struct ring_chain chains[SIZE];
	unsigned n = 0, got;

	do {
		got = ring_take(&w->p.device, w->p.mem, chains + n, SIZE - n, arena + 8 * n,
				8 * SIZE);
		n += got;
	} while (got);
	for (unsigned i = 0; i < n; i++)
		numbers[i] = (unsigned)((uint8_t *)chains[i].iov->iov_base - w->p.buf);
	return n;
}

#define assert_bytes(w, ...)                                                                    \
	do {                                                                                    \
		static const uint8_t want_[] = { __VA_ARGS__ };                                 \
		for (size_t i_ = 0; i_ < sizeof(want_); i_++)                                   \
			if ((w)->region[i_] != want_[i_])                                       \
				fail_msg("byte %zu is 0x%02x, not 0x%02x", i_, (w)->region[i_], \
					 want_[i_]);                                            \
	} while (0)

/* clang-format off */
static void test_split_bytes(void **state)
{
	unsigned numbers[SIZE];
	struct world w;

	world_init(&w, 0);
	start_well(&w);
	assert_bytes(&w, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, SIZE, 0, 0, 0, 0, 0);
	for (unsigned i = 0; i < 3; i++)
		add(&w, 1);
	assert_int_equal(take_all(&w, numbers), 3);
	assert_bytes(&w, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, SIZE, 0, 0, 0, 0, 0,
		     1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		     1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
		     1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0,
		     0);
	ring_complete(&w.p.device, NULL, 2);
	assert_bytes(&w, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, SIZE, 0, 1, 0, 2, 0,
		     0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		     0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
		     1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0,
		     0);
	ring_untake(&w.p.device, 1);
	assert_bytes(&w, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, SIZE, 0, 1, 0, 2, 0,
		     0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		     0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
		     0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0,
		     0);
	world_free(&w);
}

/* An element: mark, next, last, num, counter, id, flags, length; the address follows. */
#define ELEMENT(mark, next, last, num, counter, id, flags, len)                                   \
	mark, 0, next, 0, last, 0, num, 0, counter, 0, 0, 0, 0, 0, 0, 0, id, 0, flags, 0, len, 0, \
	0, 0
#define ADDR(n) n, 0, 0, 0x80, 0, 0, 0, 0

static void test_packed_bytes(void **state)
{
	unsigned numbers[SIZE];
	struct world w;

	world_init(&w, PACKED);
	start_well(&w);
	assert_bytes(&w, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, SIZE, 0, 0, 0, 0, 0,
		     0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		     ELEMENT(0, 1, 0, 0, 0, 0, 0, 0));
	add(&w, 2);
	add(&w, 1);
	assert_int_equal(take_all(&w, numbers), 2);
	assert_bytes(&w, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, SIZE, 0, 3, 0, 3, 0,
		     0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		     ELEMENT(1, 1, 1, 2, 0, 0, 0x81, 1), ADDR(0),
		     ELEMENT(0, 2, 0, 0, 0, 0, 0x80, 2), ADDR(0),
		     ELEMENT(1, 3, 2, 1, 1, 1, 0x80, 1), ADDR(1),
		     ELEMENT(0, 4, 0, 0, 0, 0, 0, 0), 0);
	world_free(&w);
}
/* clang-format on */

/* ---- another back-end, which completes in any order; from the words of the specification */

struct other {
	uint16_t next_avail;
	bool avail_wrap;
	uint64_t counter;
	uint16_t held[SIZE]; /* heads, or elements */
	unsigned n_held;
};

static void other_init(struct world *w, struct other *o)
{
	*o = (struct other){ .avail_wrap = true };
	if (w->p.driver.config.features & PACKED) {
		struct inflight_packed *r = w->packed;

		for (unsigned i = 0; i < SIZE; i++)
			r->desc[i].next = (uint16_t)(i + 1);
		r->used_wrap_counter = r->old_used_wrap_counter = 1;
		r->desc_num = SIZE;
		r->version = 1;
	} else {
		w->split->desc_num = SIZE;
		w->split->version = 1;
	}
}

static void split_take(struct world *w, struct other *o)
{
	const struct vring_avail *avail = w->p.driver.driver;
	struct inflight_split *r = w->split;

	while (o->next_avail != avail->idx) {
		uint16_t i = avail->ring[o->next_avail++ % SIZE];

		r->desc[i].counter = o->counter++;
		r->desc[i].inflight = 1;
		o->held[o->n_held++] = i;
	}
}

static void split_complete(struct world *w, uint16_t i)
{
	struct vring_used *used = w->p.driver.device;
	struct inflight_split *r = w->split;

	r->desc[i].next = r->last_batch_head;
	r->last_batch_head = i;
	used->ring[used->idx % SIZE] = (struct vring_used_elem){ i, 0 };
	used->idx++;
	if (w->seed % 3 == 0) /* dies here, the last time; else it is as if it went on */
		return;
	r->desc[i].inflight = 0;
	r->used_idx = used->idx;
}

static void packed_take(struct world *w, struct other *o)
{
	const struct vring_packed_desc *descs = w->p.driver.desc;
	struct inflight_packed *r = w->packed;

	while (packed_is_avail(descs[o->next_avail].flags, o->avail_wrap)) {
		struct inflight_desc_packed *head = &r->desc[r->old_free_head];
		bool last;

		o->held[o->n_held++] = r->old_free_head;
		head->num = 0;
		head->counter = o->counter++;
		head->inflight = 1;
		do {
			const struct vring_packed_desc *d = &descs[o->next_avail];
			struct inflight_desc_packed *e = &r->desc[r->free_head];

			last = !(d->flags & VRING_DESC_F_NEXT);
			if (last)
				head->last = r->free_head;
			head->num++;
			e->addr = d->addr;
			e->len = d->len;
			e->flags = d->flags;
			e->id = d->id;
			r->free_head = e->next;
			packed_advance(&o->next_avail, &o->avail_wrap, 1, SIZE);
		} while (!last);
		r->old_free_head = r->free_head;
	}
}

static void packed_complete(struct world *w, uint16_t i)
{
	struct inflight_packed *r = w->packed;
	struct inflight_desc_packed *e = &r->desc[i];
	struct vring_packed_desc *descs = w->p.driver.desc, *d = &descs[r->used_idx];
	uint16_t id = r->desc[e->last].id;
	bool wrap = r->used_wrap_counter;

	r->desc[e->last].next = r->free_head;
	r->free_head = i;
	packed_advance(&r->used_idx, &wrap, e->num, SIZE);
	d->id = id;
	d->len = 0;
	d->flags = (uint16_t)packed_used_bits(r->used_wrap_counter);
	r->used_wrap_counter = wrap;
	if (w->seed % 3 == 0) /* as above */
		return;
	e->inflight = 0;
	r->old_free_head = r->free_head;
	r->old_used_idx = r->used_idx;
	r->old_used_wrap_counter = r->used_wrap_counter;
}

static void other_take(struct world *w, struct other *o)
{
	if (w->p.driver.config.features & PACKED)
		packed_take(w, o);
	else
		split_take(w, o);
}

static void other_complete(struct world *w, struct other *o, unsigned k)
{
	uint16_t i = o->held[k];

	o->n_held--;
	memmove(&o->held[k], &o->held[k + 1], (o->n_held - k) * sizeof(o->held[0]));
	if (w->p.driver.config.features & PACKED)
		packed_complete(w, i);
	else
		split_complete(w, i);
}

/* The number of the chain that it took as held[k]. */
static unsigned other_number(const struct world *w, const struct other *o, unsigned k)
{
	const struct vring_desc *descs = w->p.driver.desc;
	uint64_t addr = w->p.driver.config.features & PACKED ? w->packed->desc[o->held[k]].addr
							     : descs[o->held[k]].addr;

	return (unsigned)(addr - PAIR_BUF_ADDR);
}

/* It works for a while, and dies, sometimes in the middle of completing a chain. */
static void other_works(struct world *w, struct other *o)
{
	unsigned seed = w->seed;

	w->seed = 1; /* completes all of each */
	for (unsigned n = rand_r(&seed) % 30; n; n--) {
		while (add(w, 1 + (unsigned)rand_r(&seed) % 3))
			;
		other_take(w, o);
		if (o->n_held)
			other_complete(w, o, (unsigned)rand_r(&seed) % o->n_held);
		get_all(w);
	}
	while (rand_r(&seed) % 2 && add(w, 1))
		;
	if (rand_r(&seed) % 2)
		other_take(w, o);
	w->seed = seed;
	if (o->n_held)
		other_complete(w, o, (unsigned)rand_r(&seed) % o->n_held);
	if (rand_r(&seed) % 2)
		get_all(w);
}

/* We go on: first what it had in hand, in the order in which it was taken, then the rest. */
static void we_go_on(struct world *w, const struct other *o)
{
	unsigned numbers[SIZE], n;
	bool more;

	start_well(w);
	more = ring_enable_kick(&w->p.device);
	n = take_all(w, numbers);
	assert_int_equal(more, n > 0);
	assert_true(n >= o->n_held);
	for (unsigned i = 0; i < o->n_held; i++)
		assert_int_equal(numbers[i], other_number(w, o, i));
	for (unsigned i = o->n_held + 1; i < n; i++)
		assert_int_equal(numbers[i], numbers[i - 1] + 1);
	/* all of it goes back, and comes again */
	ring_untake(&w->p.device, n);
	assert_int_equal(take_all(w, numbers), n);
	while (n) {
		unsigned k = 1 + (unsigned)rand_r(&w->seed) % n;

		ring_complete(&w->p.device, NULL, k);
		n -= k;
		get_all(w);
	}
	get_all(w);
	assert_int_equal(w->n_got, w->n_added);
	assert_true(driver_ring_idle(&w->p.driver));
}

/* And on, and on, as one process after the other. */
static void we_serve(struct world *w)
{
	unsigned numbers[SIZE], n = 0;

	for (unsigned i = 0; i < 30; i++) {
		while (add(w, 1 + (unsigned)rand_r(&w->seed) % 3))
			;
		if (rand_r(&w->seed) % 2) {
			start_well(w);
			n = 0;
		}
		n += take_all(w, numbers);
		if (n) {
			unsigned k = 1 + (unsigned)rand_r(&w->seed) % n;

			ring_complete(&w->p.device, NULL, k);
			n -= k;
		}
		get_all(w);
	}
	ring_complete(&w->p.device, NULL, n);
	get_all(w);
	assert_int_equal(w->n_got, w->n_added);
}

static void test_other_back_end(void **state)
{
	for (unsigned seed = 0; seed < 400; seed++) {
		struct other other;
		struct world w;

		world_init(&w, seed % 2 ? PACKED : 0);
		w.seed = seed;
		other_init(&w, &other);
		other_works(&w, &other);
		we_go_on(&w, &other);
		we_serve(&w);
		world_free(&w);
	}
}

/* ---- regions that cannot be */

static void hostile(uint64_t layout, void (*spoil)(struct world *), const char *why)
{
	unsigned numbers[SIZE];
	struct error err = { "" };
	struct world w;

	world_init(&w, layout);
	start_well(&w);
	add(&w, 2);
	add(&w, 2);
	assert_int_equal(take_all(&w, numbers), 2);
	spoil(&w);
	assert_int_equal(start(&w, &err), -EINVAL);
	if (!strstr(err.text, why))
		fail_msg("\"%s\" does not say \"%s\"", err.text, why);
	world_free(&w);
}

#define SPOIL(name, what)                 \
	static void name(struct world *w) \
	{                                 \
		what;                     \
	}
SPOIL(version, w->split->version = 2)
SPOIL(desc_num, w->split->desc_num = SIZE + 1)
SPOIL(stale, w->split->used_idx = 100)
SPOIL(batch, (w->split->used_idx = 65535, w->split->last_batch_head = SIZE))
SPOIL(batch_next, (w->split->used_idx = 65534, w->split->desc[0].next = 65535))
SPOIL(not_given, w->split->desc[7].inflight = 1)
SPOIL(used_beyond, w->packed->used_idx = SIZE)
SPOIL(old_beyond, w->packed->old_used_idx = 65535)
SPOIL(wrap, w->packed->used_wrap_counter = 2)
SPOIL(free_loop, w->packed->desc[5].next = 4)
SPOIL(free_short, w->packed->old_free_head = 65535)
SPOIL(chain_loop, w->packed->desc[1].next = 0; w->packed->desc[0].num = 3)
SPOIL(chain_long, w->packed->desc[0].num = 65535)
SPOIL(chain_empty, w->packed->desc[0].num = 0)
SPOIL(chain_out, w->packed->desc[0].next = SIZE)
SPOIL(chain_shared, w->packed->desc[0].next = 3)
SPOIL(mark_lost, w->packed->desc[0].inflight = 0)

static void test_hostile(void **state)
{
	hostile(0, version, "version 2, known is 1");
	hostile(PACKED, version, "version 2, known is 1");
	hostile(0, desc_num, "says it has 9 entries");
	hostile(0, stale, "used_idx is not that of this ring");
	hostile(0, batch, "leaves the table");
	hostile(0, batch_next, "leaves the table");
	hostile(0, not_given, "more chains in flight than the driver has given");
	hostile(PACKED, used_beyond, "used_idx is beyond");
	hostile(PACKED, old_beyond, "used_idx is beyond");
	hostile(PACKED, wrap, "neither 0 nor 1");
	hostile(PACKED, free_loop, "neither free nor in flight");
	hostile(PACKED, free_short, "neither free nor in flight");
	hostile(PACKED, chain_loop, "has no end");
	hostile(PACKED, chain_long, "has no end");
	hostile(PACKED, chain_empty, "has no end");
	hostile(PACKED, chain_out, "has no end");
	hostile(PACKED, chain_shared, "has no end");
	hostile(PACKED, mark_lost, "neither free nor in flight");
}

static void test_larger_ring(void **state)
{
	struct error err = { "" };
	struct ring_config config;
	struct world w;

	world_init(&w, 0);
	config = pair_device_config(&w.p);
	assert_int_equal(inflight_create(&w.inflight, w.region, SIZE / 2, &no_map), 0);
	config.inflight = w.inflight;
	assert_int_equal(ring_start(&w.p.device, &config, &err), -EINVAL);
	assert_string_equal(err.text, "inflight region is for 4 entries, the ring has 8");
	world_free(&w);
}

static void test_len(void **state)
{
	assert_int_equal(inflight_queue_len(false, 1), 64);
	assert_int_equal(inflight_queue_len(false, 3), 64);
	assert_int_equal(inflight_queue_len(false, 4), 128);
	assert_int_equal(inflight_queue_len(false, 256), 4160);
	assert_int_equal(inflight_queue_len(true, 1), 64);
	assert_int_equal(inflight_queue_len(true, 256), 8256);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split_bytes),    cmocka_unit_test(test_packed_bytes),
		cmocka_unit_test(test_other_back_end), cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_larger_ring),    cmocka_unit_test(test_len),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
