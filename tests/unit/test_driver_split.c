// SPDX-License-Identifier: Apache-2.0
/* Split ring, driver side: what it writes, what it refuses, and both sides against a model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <stdio.h>

#include "base/compiler.h"
#include "ring_pair.h"

#define NEXT VRING_DESC_F_NEXT
#define WRITE VRING_DESC_F_WRITE

static void test_layout(void **state)
{
	struct driver_layout l;

	assert_int_equal(driver_layout(0, 0, &l), -EINVAL);
	assert_int_equal(driver_layout(0, 3, &l), -EINVAL);
	assert_int_equal(driver_layout(0, 65536, &l), -EINVAL);
	assert_int_equal(driver_layout(BIT(VIRTIO_F_RING_PACKED), 256, &l), -EINVAL);
	for (uint32_t size = 1; size <= 32768; size *= 2) {
		assert_int_equal(driver_layout(0, size, &l), 0);
		assert_true(l.driver >= l.desc + 16 * size);
		assert_true(l.device >= l.driver + 6 + 2 * size);
		assert_true(l.size >= l.device + 6 + 8 * size);
		assert_int_equal(l.desc % 16 + l.driver % 2 + l.device % 4, 0);
		assert_int_equal(l.align % 16, 0);
	}
}

static void test_memory(void **state)
{
	uint8_t memory[64] = { 0 }, *bytes = memory + 16;
	struct driver_region regions[] = {
		{ bytes, 16, 0x1000, 0x70000, -1, 0 },
		{ bytes + 16, 16, 0x9000, 0x80000, -1, 0 },
	};
	struct driver_memory mem = { 2, regions };

	assert_ptr_equal(driver_memory_find(&mem, bytes, 16), &regions[0]);
	assert_ptr_equal(driver_memory_find(&mem, bytes + 15, 1), &regions[0]);
	assert_ptr_equal(driver_memory_find(&mem, bytes + 16, 16), &regions[1]);
	assert_null(driver_memory_find(&mem, bytes, 17)); /* not one piece for the device */
	assert_null(driver_memory_find(&mem, bytes + 32, 1));
	assert_null(driver_memory_find(&mem, bytes - 1, 1));
	assert_null(driver_memory_find(&mem, bytes, UINT64_MAX));
	assert_int_equal(driver_memory_guest_addr(&mem, bytes + 5), 0x1005);
	assert_int_equal(driver_memory_guest_addr(&mem, bytes + 20), 0x9004);
	assert_int_equal(driver_memory_user_addr(&mem, bytes + 20), 0x80004);
}

static void test_init_refused(void **state)
{
	struct driver_ring ring;
	struct driver_config c;
	struct ring_pair p;
	struct error err;

	pair_init(&p, 0, 8, 0, 0);
	c = p.driver.config;
	c.size = 7;
	assert_int_equal(driver_ring_init(&ring, &c, &err), -EINVAL);
	c = p.driver.config;
	c.ring = (uint8_t *)c.ring + 8;
	assert_int_equal(driver_ring_init(&ring, &c, &err), -EINVAL);
	c = p.driver.config;
	c.ring = p.next + PAIR_NEXT_LEN - 16;
	assert_int_equal(driver_ring_init(&ring, &c, &err), -EINVAL);
	c = p.driver.config;
	c.indirect = (struct vring_desc *)p.next;
	c.indirect_len = 1000;
	assert_int_equal(driver_ring_init(&ring, &c, &err), -EINVAL);
	driver_ring_destroy(&ring); /* a failed one is fine too */
	pair_destroy(&p);
}

/* The bytes in the ring are those of virtio 1.2, 2.7. */
static void test_format(void **state)
{
	struct ring_pair p;
	struct iovec out[2], in;
	struct vring_desc *d, *table;

	pair_init(&p, INDIRECT, 4, 7, 3);
	assert_int_equal(pair_avail(&p)->idx, 7);
	assert_int_equal(pair_used(&p)->idx, 7);
	out[0] = (struct iovec){ p.buf + 1, 10 };
	out[1] = (struct iovec){ p.next + 2, 20 };
	in = (struct iovec){ p.buf + 3, 30 };

	/* Direct: under indirect_min. */
	assert_int_equal(driver_ring_add(&p.driver, NULL, 0, &in, 1, p.buf), 0);
	d = &pair_desc(&p)[pair_avail(&p)->ring[7 % 4]];
	assert_int_equal(d->addr, PAIR_BUF_ADDR + 3);
	assert_int_equal(d->len, 30);
	assert_int_equal(d->flags, WRITE);

	/* A table of three. */
	assert_int_equal(driver_ring_add(&p.driver, out, 2, &in, 1, p.buf), 0);
	d = &pair_desc(&p)[pair_avail(&p)->ring[8 % 4]];
	assert_int_equal(d->flags, VRING_DESC_F_INDIRECT);
	assert_int_equal(d->len, 48);
	table = guestmem_guest(p.mem, d->addr, d->len);
	assert_non_null(table);
	assert_int_equal(table[0].addr, PAIR_BUF_ADDR + 1);
	assert_int_equal(table[0].flags, NEXT);
	assert_int_equal(table[0].next, 1);
	assert_int_equal(table[1].addr, PAIR_NEXT_ADDR + 2);
	assert_int_equal(table[1].next, 2);
	assert_int_equal(table[2].flags, WRITE);
	assert_int_equal(driver_ring_free(&p.driver), 2);

	/* Nothing is visible before it is published. */
	assert_int_equal(pair_avail(&p)->idx, 7);
	driver_ring_publish(&p.driver);
	assert_int_equal(pair_avail(&p)->idx, 9);
	pair_destroy(&p);
}

static void test_add_refused(void **state)
{
	struct iovec v[5], bad, long_one;
	struct ring_pair p;

	pair_init(&p, 0, 4, 0, 0);
	for (unsigned i = 0; i < 5; i++)
		v[i] = (struct iovec){ p.buf, 1 };
	bad = (struct iovec){ p.buf + PAIR_BUF_LEN - 1, 2 };
	long_one = (struct iovec){ p.buf, 1ull << 32 };
	assert_int_equal(driver_ring_add(&p.driver, NULL, 0, NULL, 0, &p), -EINVAL);
	assert_int_equal(driver_ring_add(&p.driver, v, 5, NULL, 0, &p), -EINVAL);
	assert_int_equal(driver_ring_add(&p.driver, &long_one, 1, NULL, 0, &p), -EINVAL);
	assert_int_equal(driver_ring_add(&p.driver, v, 2, &bad, 1, &p), -EFAULT);
	assert_int_equal(driver_ring_free(&p.driver), 4);
	assert_int_equal(driver_ring_add(&p.driver, v, 1, v, 2, &p), 0);
	assert_int_equal(driver_ring_add(&p.driver, v, 2, NULL, 0, &p), -ENOSPC);
	assert_int_equal(driver_ring_add(&p.driver, v, 1, NULL, 0, &p), 0);
	assert_int_equal(driver_ring_free(&p.driver), 0);
	assert_int_equal(driver_ring_add(&p.driver, v, 1, NULL, 0, &p), -ENOSPC);
	driver_ring_publish(&p.driver);
	assert_int_equal(pair_avail(&p)->idx, 2);
	pair_destroy(&p);
}

/* A device that returns what it was not given. */
static void test_hostile_device(void **state)
{
	for (unsigned attack = 0; attack < 6; attack++) {
		struct ring_pair p;
		struct vring_used *used;
		struct iovec v;
		uint32_t len;

		pair_init(&p, 0, 4, 0, 0);
		used = pair_used(&p);
		v = (struct iovec){ p.buf, 1 };
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(driver_ring_add(&p.driver, &v, 1, NULL, 0, p.buf + i), 0);
		driver_ring_publish(&p.driver);
		used->ring[0].id = 0;
		used->ring[1].id = 1;
		used->ring[2].id = 2;
		used->idx = 2;
		switch (attack) {
		case 0:
			used->ring[1].id = 4;
			break;
		case 1:
			used->ring[1].id = UINT32_MAX;
			break;
		case 2:
			used->ring[1].id = 0; /* twice */
			break;
		case 3:
			used->ring[1].id = 3; /* free */
			break;
		case 4:
			used->ring[1].id = 0x10001; /* only its low bits are right */
			break;
		case 5:
			used->idx = 4; /* more than were given */
			break;
		}
		if (attack < 5) {
			/* What comes before it is right. */
			assert_ptr_equal(driver_ring_get(&p.driver, &len), p.buf);
			assert_false(p.driver.broken);
		}
		assert_null(driver_ring_get(&p.driver, &len));
		assert_true(p.driver.broken);
		assert_int_equal(driver_ring_add(&p.driver, &v, 1, NULL, 0, &p), -EIO);
		assert_false(driver_ring_wants_kick(&p.driver));
		assert_false(driver_ring_enable_call(&p.driver));
		pair_destroy(&p);
	}
}

static void test_detach(void **state)
{
	struct ring_pair p;
	struct iovec v[2];
	unsigned n = 0, seen = 0;
	uint8_t *cookie;

	pair_init(&p, 0, 8, 0, 0);
	v[0] = v[1] = (struct iovec){ p.buf, 1 };
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(driver_ring_add(&p.driver, v, 1 + i % 2, NULL, 0, p.buf + i), 0);
	while ((cookie = driver_ring_detach(&p.driver))) {
		seen |= 1u << (cookie - p.buf);
		n++;
	}
	assert_int_equal(n, 4);
	assert_int_equal(seen, 15);
	assert_null(driver_ring_detach(&p.driver));
	pair_destroy(&p);
}

/* Both sides against a model: a queue of chains, each with the buffers it was made of. */

#define MODEL_SIZE 64 /* of the ring */
#define MODEL_BUFS 8  /* buffers of a chain, at most */

struct model_chain {
	struct iovec iov[MODEL_BUFS];
	unsigned n_out, n_in;
	uint32_t len; /* told by the device */
};

struct model {
	struct ring_pair p;
	uint64_t seed;
	struct model_chain chains[MODEL_SIZE];
	/* Counters of chains: got <= completed <= taken <= published <= added. */
	uint64_t added, published, taken, completed, got;
	bool call_armed, kick_armed; /* the other side sleeps and must be told */
};

static unsigned pick(struct model *m, unsigned n)
{
	m->seed = m->seed * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)((m->seed >> 33) % n);
}

static void model_add(struct model *m)
{
	struct model_chain *c = &m->chains[m->added % MODEL_SIZE];
	unsigned n = 1 + pick(m, MODEL_BUFS), indirect, need;
	int rc;

	if (m->added - m->got == MODEL_SIZE)
		return;
	m->p.driver.config.indirect_min = (uint16_t)(1 + pick(m, 10));
	c->n_out = pick(m, n + 1);
	c->n_in = n - c->n_out;
	for (unsigned i = 0; i < n; i++)
		c->iov[i] = (struct iovec){ m->p.buf + pick(m, 1000), 1 + pick(m, 2000) };
	indirect = m->p.driver.config.indirect && n >= m->p.driver.config.indirect_min;
	need = indirect ? 1 : n;
	rc = need <= driver_ring_free(&m->p.driver) ? 0 : -ENOSPC;
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
		bool kick = driver_ring_wants_kick(&m->p.driver);

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
		struct model_chain *c = &m->chains[m->taken % MODEL_SIZE];

		assert_int_equal(chains[i].n_out, c->n_out);
		assert_int_equal(chains[i].n_in, c->n_in);
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
	unsigned n = pick(m, (unsigned)(m->taken - m->completed) + 1);
	uint32_t lens[MODEL_SIZE];
	bool notify;

	for (unsigned i = 0; i < n; i++, m->completed++) {
		lens[i] = pick(m, 100000);
		m->chains[m->completed % MODEL_SIZE].len = lens[i];
	}
	ring_complete(&m->p.device, lens, n);
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
		assert_ptr_equal(cookies[i], &m->chains[m->got % MODEL_SIZE]);
		assert_int_equal(lens[i], m->chains[m->got % MODEL_SIZE].len);
	}
	m->call_armed = false;
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

static void test_model(void **state)
{
	const char *scale = getenv("TEST_SCALE");
	unsigned n = (unsigned)(400000 * (scale ? atof(scale) : 1)) + 1000;

	for (unsigned variant = 0; variant < 4; variant++) {
		struct model *m = calloc(1, sizeof(*m));

		assert_non_null(m);
		m->seed = 42 + variant;
		pair_init(&m->p, (variant & 1 ? EVENT_IDX : 0) | INDIRECT, MODEL_SIZE,
			  (uint16_t)(65000 * variant), variant & 2 ? MODEL_BUFS : 0);
		for (unsigned i = 0; i < n; i++)
			model_step(m);
		assert_true(m->got > n / 20);
		assert_false(ring_broken(&m->p.device));
		assert_false(m->p.driver.broken);
		assert_int_equal(m->p.device.n_chains, m->completed);
		pair_destroy(&m->p);
		free(m);
	}
}

/* Buffers go round in batches, by the layout's own way or one by one. */
static void go_round(const struct driver_ring_ops *ops, bool writable)
{
	struct driver_buffer buffers[24], *list[24];
	struct iovec arena[RING_ARENA_LEN];
	struct ring_chain chains[32];
	uint32_t lens[32], n_got = 0;
	struct ring_pair p;
	void *cookies[32];

	pair_init(&p, 0, 16, 65530, 0);
	p.driver.ops = ops;
	for (unsigned i = 0; i < 24; i++) {
		assert_int_equal(
			driver_buffer_init(&buffers[i], &p.memory, p.buf + 100 * i, 50 + i), 0);
		list[i] = &buffers[i];
	}
	assert_int_equal(driver_ring_add_buffers(&p.driver, list, 24, writable), 16);
	assert_int_equal(driver_ring_add_buffers(&p.driver, list, 1, writable), 0);
	driver_ring_publish(&p.driver);
	for (unsigned turn = 0; turn < 20; turn++) {
		unsigned n = turn % 7, taken;

		taken = ring_take(&p.device, p.mem, chains, n, arena, RING_ARENA_LEN);
		assert_int_equal(taken, n);
		for (unsigned i = 0; i < n; i++) {
			const struct driver_buffer *b = list[(n_got + i) % 16];

			assert_int_equal(chains[i].n_out, !writable);
			assert_int_equal(chains[i].n_in, writable);
			assert_ptr_equal(chains[i].iov->iov_base, b->host);
			assert_int_equal(chains[i].iov->iov_len, b->len);
			lens[i] = 1000 + i;
		}
		ring_complete(&p.device, lens, n);
		assert_int_equal(driver_ring_get_batch(&p.driver, cookies, lens, 32), n);
		for (unsigned i = 0; i < n; i++, n_got++) {
			assert_ptr_equal(cookies[i], list[n_got % 16]);
			assert_int_equal(lens[i], 1000 + i);
		}
		assert_int_equal(driver_ring_free(&p.driver), n);
		assert_int_equal(driver_ring_add_buffers(
					 &p.driver, (struct driver_buffer **)cookies, n, writable),
				 n);
		driver_ring_publish(&p.driver);
	}
	p.driver.broken = true;
	assert_int_equal(driver_ring_add_buffers(&p.driver, list, 1, writable), 0);
	pair_destroy(&p);
}

static void test_buffers(void **state)
{
	struct driver_ring_ops plain = driver_split_ops;
	struct driver_buffer buffer;
	struct ring_pair p;

	assert_non_null(driver_split_ops.add_buffers);
	plain.add_buffers = NULL;
	for (unsigned writable = 0; writable < 2; writable++) {
		go_round(&driver_split_ops, writable);
		go_round(&plain, writable);
	}
	pair_init(&p, 0, 8, 0, 0);
	assert_int_equal(driver_buffer_init(&buffer, &p.memory, p.next, PAIR_NEXT_LEN), 0);
	assert_int_equal(buffer.addr, PAIR_NEXT_ADDR);
	assert_int_equal(driver_buffer_init(&buffer, &p.memory, p.next + 1, PAIR_NEXT_LEN),
			 -EFAULT);
	pair_destroy(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),	     cmocka_unit_test(test_memory),
		cmocka_unit_test(test_init_refused), cmocka_unit_test(test_format),
		cmocka_unit_test(test_add_refused),  cmocka_unit_test(test_hostile_device),
		cmocka_unit_test(test_detach),	     cmocka_unit_test(test_model),
		cmocka_unit_test(test_buffers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
