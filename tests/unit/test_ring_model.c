// SPDX-License-Identifier: Apache-2.0
/* Both sides of a ring, of each layout, against a model: a queue of chains, each with the buffers
 * it was made of. Any operation that is legal may come at any time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>

#include "base/compiler.h"
#include "ring_pair.h"
#include "scale.h"

#define MODEL_SIZE 128 /* chains in the ring, at most */
#define MODEL_BUFS 8   /* buffers of a chain, at most */

static_assert(MODEL_SIZE <= RING_TAKE_MAX, "all can be taken at once");

struct model_chain {
	struct iovec iov[MODEL_BUFS];
	unsigned n_out, n_in;
	uint32_t in_len; /* of the writable buffers */
	uint32_t len;	 /* told to the driver */
};

struct model {
	struct ring_pair p;
	struct ring_state state; /* the device's */
	uint64_t seed;
	struct model_chain chains[MODEL_SIZE];
	/* Counters of chains: got <= completed <= taken <= published <= added. */
	uint64_t added, published, taken, completed, got;
	uint64_t before;	     /* completed by devices that are gone */
	bool call_armed, kick_armed; /* the other side sleeps and must be told */
};

/* What runs now; empty when all is well. */
static char running[128];

static unsigned pick(struct model *m, unsigned n)
{
	m->seed = m->seed * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)((m->seed >> 33) % n);
}

static struct model_chain *chain_at(struct model *m, uint64_t i)
{
	return &m->chains[i % MODEL_SIZE];
}

/* A chain whose last buffer is outside of the memory, now and then: it leaves no trace. */
static void spoil(struct model *m, struct model_chain *c, int *rc)
{
	if (*rc || pick(m, 8))
		return;
	c->iov[c->n_out + c->n_in - 1] = (struct iovec){ m->p.buf + PAIR_BUF_LEN - 1, 2 };
	*rc = -EFAULT;
}

static void model_add(struct model *m)
{
	const struct driver_config *config = &m->p.driver.config;
	struct model_chain *c = chain_at(m, m->added);
	unsigned n = 1 + pick(m, MODEL_BUFS), need;
	int rc = 0;

	if (pick(m, 2))
		n = 1;
	if (m->added - m->got == config->size)
		return;
	m->p.driver.config.indirect_min = (uint16_t)(1 + pick(m, 10));
	c->n_out = pick(m, n + 1);
	c->n_in = n - c->n_out;
	c->in_len = 0;
	for (unsigned i = 0; i < n; i++) {
		c->iov[i] = (struct iovec){ m->p.buf + pick(m, 1000), 1 + pick(m, 2000) };
		if (i >= c->n_out)
			c->in_len += (uint32_t)c->iov[i].iov_len;
	}
	need = config->indirect && n >= config->indirect_min ? 1 : n;
	if (need > config->size)
		rc = -EINVAL;
	else if (need > driver_ring_free(&m->p.driver))
		rc = -ENOSPC;
	spoil(m, c, &rc);
	assert_int_equal(
		driver_ring_add(&m->p.driver, c->iov, c->n_out, c->iov + c->n_out, c->n_in, c), rc);
	m->added += rc == 0;
}

static void model_publish(struct model *m)
{
	bool news = m->added > m->published;

	driver_ring_publish(&m->p.driver);
	m->published = m->added;
	if (news) {
		bool kick;

		if (!pick(m, 3))
			model_add(m); /* what is not published does not count */
		kick = driver_ring_wants_kick(&m->p.driver);
		assert_true(kick || !m->kick_armed);
		m->kick_armed = false;
	}
}

static void model_take(struct model *m)
{
	static struct iovec arena[RING_ARENA_LEN];
	struct ring_chain chains[32];
	unsigned max = pick(m, 33), n;
	uint64_t left = min(m->published - m->taken, (uint64_t)max);

	n = ring_take(&m->p.device, m->p.mem, chains, max, arena, ARRAY_SIZE(arena));
	assert_int_equal(n, left);
	for (unsigned i = 0; i < n; i++, m->taken++) {
		struct model_chain *c = chain_at(m, m->taken);

		assert_int_equal(chains[i].n_out, c->n_out);
		assert_int_equal(chains[i].n_in, c->n_in);
		assert_int_equal(chains[i].in_len, c->in_len);
		assert_memory_equal(chains[i].iov, c->iov,
				    (c->n_out + c->n_in) * sizeof(c->iov[0]));
	}
	m->kick_armed = false; /* it is awake */
}

static void model_untake(struct model *m)
{
	unsigned n = pick(m, (unsigned)(m->taken - m->completed) + 1);

	ring_untake(&m->p.device, n);
	m->taken -= n;
}

static void model_complete(struct model *m)
{
	bool in_order = m->p.driver.config.features & IN_ORDER, blank = pick(m, 2);
	unsigned n = pick(m, (unsigned)(m->taken - m->completed) + 1);
	uint32_t lens[MODEL_SIZE];
	bool notify;

	for (unsigned i = 0; i < n; i++, m->completed++) {
		struct model_chain *c = chain_at(m, m->completed);

		lens[i] = pick(m, 100000);
		if (blank) /* one used element for the batch: for those before it all is written */
			c->len = in_order && i + 1 < n ? c->in_len : 0;
		else
			c->len = lens[i];
	}
	ring_complete(&m->p.device, blank ? NULL : lens, n);
	notify = ring_wants_notify(&m->p.device);
	assert_true(notify || !m->call_armed || !n);
	if (n)
		m->call_armed = false;
}

static void model_get(struct model *m)
{
	unsigned max = pick(m, 40), n;
	void *cookies[40];
	uint32_t lens[40];

	n = driver_ring_get_batch(&m->p.driver, cookies, lens, max);
	assert_int_equal(n, min(m->completed - m->got, (uint64_t)max));
	for (unsigned i = 0; i < n; i++, m->got++) {
		assert_ptr_equal(cookies[i], chain_at(m, m->got));
		assert_int_equal(lens[i], chain_at(m, m->got)->len);
	}
	m->call_armed = false;
}

static struct ring_config device_config(struct model *m)
{
	struct ring_config config = pair_device_config(&m->p);

	config.state = &m->state;
	return config;
}

/* Another device goes on where the last one was; what that had in its hands it takes again. */
static void model_replace(struct model *m)
{
	struct ring_config config = device_config(m);
	struct error err;

	assert_int_equal(config.base, ring_base(&m->p.device));
	if (m->p.driver.config.features & PACKED && config.base >> 16 && pick(m, 2))
		config.base &= UINT16_MAX; /* a front-end that says half of it */
	m->before += m->p.device.n_chains;
	assert_int_equal(ring_start(&m->p.device, &config, &err), 0);
	m->taken = m->completed;
	m->kick_armed = false;
}

/* The device is gone, and all that is left of it is its state. Another one goes on as after
 * model_replace(). */
static void model_crash(struct model *m)
{
	struct ring_config config = device_config(m);
	struct error err;

	assert_int_equal(m->state.n_taken, m->taken - m->completed);
	memset(&m->p.device, 0xa5, sizeof(m->p.device));
	config.base = pick(m, 65536);
	config.resume = true;
	assert_int_equal(ring_start(&m->p.device, &config, &err), 0);
	m->taken = m->completed;
	m->kick_armed = false;
}

static void model_step(struct model *m)
{
	switch (pick(m, 9)) {
	case 0:
	case 1:
		model_add(m);
		break;
	case 2:
		model_publish(m);
		break;
	case 3:
		model_take(m);
		break;
	case 4:
		if (!pick(m, 4))
			model_untake(m);
		if (!pick(m, 64))
			model_replace(m);
		if (!pick(m, 32))
			model_crash(m);
		break;
	case 5:
		model_complete(m);
		break;
	case 6:
		model_get(m);
		break;
	case 7:
		m->call_armed = !driver_ring_enable_call(&m->p.driver);
		assert_int_equal(m->call_armed, m->got == m->completed);
		m->kick_armed = !ring_enable_kick(&m->p.device);
		assert_int_equal(m->kick_armed, m->taken == m->published);
		break;
	case 8:
		driver_ring_disable_call(&m->p.driver);
		ring_disable_kick(&m->p.device);
		m->call_armed = m->kick_armed = false;
		break;
	}
}

static void run_model(uint64_t features, uint32_t size, uint64_t seed, unsigned n)
{
	struct model *m = calloc(1, sizeof(*m));
	struct ring_config config;
	struct error err;
	bool indirect;

	assert_non_null(m);
	snprintf(running, sizeof(running), "features 0x%llx, %u entries, seed %llu",
		 (unsigned long long)features, size, (unsigned long long)seed);
	m->seed = seed;
	indirect = pick(m, 2);
	pair_init(&m->p, features | (indirect ? INDIRECT : 0), size, (uint16_t)pick(m, 65536),
		  indirect ? MODEL_BUFS : 0);
	config = device_config(m);
	assert_int_equal(ring_start(&m->p.device, &config, &err), 0);
	for (unsigned i = 0; i < n; i++)
		model_step(m);
	assert_true(m->got > n / 100);
	assert_false(ring_broken(&m->p.device));
	assert_false(m->p.driver.broken);
	assert_int_equal(m->before + m->p.device.n_chains, m->completed);
	pair_destroy(&m->p);
	free(m);
	running[0] = 0;
}

static int tell_seed(void **state)
{
	if (running[0])
		print_error("the model failed with %s\n", running);
	return 0;
}

static void run_sizes(uint64_t layout, const uint32_t *sizes, unsigned n_sizes)
{
	static const uint64_t features[] = { 0, EVENT_IDX, IN_ORDER, EVENT_IDX | IN_ORDER };
	unsigned n = scaled(60000) + 2000;

	for (unsigned f = 0; f < ARRAY_SIZE(features); f++)
		for (unsigned i = 0; i < n_sizes; i++)
			for (unsigned seed = 0; seed < 2; seed++)
				run_model(layout | features[f], sizes[i], 42 + seed, n);
}

static void test_split(void **state)
{
	static const uint32_t sizes[] = { 1, 2, 8, 64, 128 };

	run_sizes(0, sizes, ARRAY_SIZE(sizes));
}

static void test_packed(void **state)
{
	static const uint32_t sizes[] = { 1, 2, 3, 7, 8, 64, 100, 128 };

	run_sizes(PACKED, sizes, ARRAY_SIZE(sizes));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_split, tell_seed),
		cmocka_unit_test_teardown(test_packed, tell_seed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
