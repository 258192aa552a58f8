// SPDX-License-Identifier: Apache-2.0
/* The persistent map, beside a plain array that shows the same; versions that live on while later
 * ones change; references; and threads that read and free old versions meanwhile.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/hash.h"
#include "flow/pmap.h"
#include "scale.h"

#define KEYS 512

static uint64_t seed;

static uint64_t draw(void)
{
	seed += 0x9e3779b97f4a7c15ull;
	return hash_mix(seed, 1);
}

/* References to each value, over all maps; value @v is at refs[v]. */
static int refs[1 << 16];

static void ref(uint64_t value)
{
	__atomic_add_fetch(&refs[value], 1, __ATOMIC_RELAXED);
}

static void unref(uint64_t value)
{
	assert_true(__atomic_sub_fetch(&refs[value], 1, __ATOMIC_RELAXED) >= 0);
}

static const struct pmap_type counted = { ref, unref };

/* What a map must show: keys[] is in order. */
struct model {
	struct pmap map;
	uint64_t values[KEYS]; /* 0: not there */
};

static uint64_t keys[KEYS];

static int compare_keys(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Keys of all kinds: close to one another, far, in groups that differ in one nibble. */
static void draw_keys(void)
{
	for (unsigned i = 0; i < KEYS; i++) {
		switch (i % 4) {
		case 0:
			keys[i] = i;
			break;
		case 1:
			keys[i] = draw();
			break;
		case 2:
			keys[i] = (draw() & 0xf) << 60 | (draw() & 3) << 20 | i << 4;
			break;
		default:
			keys[i] = keys[i - 2] ^ 1ull << (draw() & 63);
		}
	}
	qsort(keys, KEYS, sizeof(keys[0]), compare_keys);
	for (unsigned i = 1; i < KEYS; i++)
		assert_true(keys[i - 1] < keys[i]);
}

struct walk {
	const struct model *m;
	unsigned next;
	unsigned stop_after;
};

static bool check_entry(void *arg, uint64_t key, uint64_t value)
{
	struct walk *w = arg;

	while (w->next < KEYS && !w->m->values[w->next])
		w->next++;
	assert_true(w->next < KEYS);
	assert_true(keys[w->next] == key);
	assert_true(w->m->values[w->next] == value);
	w->next++;
	return --w->stop_after;
}

static unsigned first_from(const struct model *m, uint64_t from)
{
	unsigned i = 0;

	while (i < KEYS && (keys[i] < from || !m->values[i]))
		i++;
	return i;
}

static unsigned naive_common_bits(const struct model *m, uint64_t key)
{
	unsigned most = 0;

	for (unsigned i = 0; i < KEYS; i++)
		for (unsigned n = 64; m->values[i] && n > most; n--)
			if (!((keys[i] ^ key) >> (64 - n)))
				most = n;
	return most;
}

static void check(const struct model *m)
{
	struct walk w = { m, 0, UINT32_MAX };
	uint64_t key, value;

	assert_true(pmap_each(&m->map, check_entry, &w));
	assert_int_equal(first_from(m, w.next < KEYS ? keys[w.next] : UINT64_MAX), KEYS);
	for (unsigned i = 0; i < KEYS; i++) {
		uint64_t from = keys[i] + draw() % 3 - 1;
		unsigned at = first_from(m, from);

		if (m->values[i]) {
			assert_true(pmap_get(&m->map, keys[i], &value));
			assert_true(value == m->values[i]);
		} else {
			assert_false(pmap_get(&m->map, keys[i], &value));
		}
		assert_int_equal(pmap_at_least(&m->map, from, &key, &value), at < KEYS);
		if (at < KEYS)
			assert_true(key == keys[at] && value == m->values[at]);
		assert_int_equal(pmap_common_bits(&m->map, from), naive_common_bits(m, from));
	}
}

/* Changes something at random. */
static void change(struct model *m)
{
	unsigned i = draw() % KEYS;
	uint64_t value = 1 + draw() % (ARRAY_SIZE(refs) - 1), *at;

	switch (draw() % 5) {
	case 0:
	case 1:
		ref(value);
		assert_int_equal(pmap_put(&m->map, keys[i], value), 0);
		m->values[i] = value;
		break;
	case 2:
	case 3:
		assert_int_equal(pmap_remove(&m->map, keys[i]), m->values[i] ? 0 : -ENOENT);
		m->values[i] = 0;
		break;
	default:
		at = pmap_edit(&m->map, keys[i]);
		assert_int_equal(at != NULL, m->values[i] != 0);
		if (!at)
			break;
		assert_true(*at == m->values[i]);
		ref(value);
		unref(*at);
		*at = value;
		m->values[i] = value;
	}
}

static void check_no_refs(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(refs); i++)
		assert_int_equal(refs[i], 0);
}

static void test_empty(void **state)
{
	struct pmap map;
	uint64_t key, value;

	pmap_init(&map, NULL);
	assert_false(pmap_get(&map, 0, &value));
	assert_false(pmap_at_least(&map, 0, &key, &value));
	assert_int_equal(pmap_remove(&map, 0), -ENOENT);
	assert_null(pmap_edit(&map, 0));
	assert_true(pmap_each(&map, NULL, NULL));
	assert_int_equal(pmap_put(&map, UINT64_MAX, 7), 0);
	assert_int_equal(pmap_put(&map, 0, 8), 0);
	assert_true(pmap_at_least(&map, 1, &key, &value) && key == UINT64_MAX && value == 7);
	assert_int_equal(pmap_remove(&map, UINT64_MAX), 0);
	assert_false(pmap_at_least(&map, 1, &key, &value));
	assert_true(pmap_at_least(&map, 0, &key, &value) && key == 0 && value == 8);
	assert_int_equal(pmap_remove(&map, 0), 0);
	assert_null(map.root);
	pmap_clear(&map);
}

static void test_stops(void **state)
{
	static struct model m;
	struct walk w = { &m, 0, 3 };

	memset(&m, 0, sizeof(m));
	pmap_init(&m.map, NULL);
	for (unsigned i = 0; i < KEYS; i += 2) {
		m.values[i] = i + 1;
		assert_int_equal(pmap_put(&m.map, keys[i], i + 1), 0);
	}
	assert_false(pmap_each(&m.map, check_entry, &w));
	assert_int_equal(w.next, 5);
	pmap_clear(&m.map);
}

/* Many versions at once; each goes on showing what it did, whichever is freed first. */
static void test_versions(void **state)
{
	enum { VERSIONS = 8 };
	static struct model models[VERSIONS];

	memset(models, 0, sizeof(models));
	for (unsigned i = 0; i < VERSIONS; i++)
		pmap_init(&models[i].map, &counted);
	for (unsigned round = 0, most = scaled(400); round < most; round++) {
		struct model *from = &models[draw() % VERSIONS], *to = &models[draw() % VERSIONS];
		unsigned n = draw() % 2 ? draw() % 4 : draw() % 500;

		if (from != to) {
			pmap_clear(&to->map);
			memcpy(to->values, from->values, sizeof(to->values));
			pmap_share(&to->map, &from->map);
		}
		for (unsigned i = 0; i < n; i++)
			change(round & 1 ? to : from);
		check(&models[draw() % VERSIONS]);
		check(to);
		check(from);
	}
	for (unsigned i = 0; i < VERSIONS; i++) {
		check(&models[i]);
		pmap_clear(&models[i].map);
	}
	check_no_refs();
}

/* Emptied in any order, and filled again. */
static void test_empties(void **state)
{
	static struct model m;

	memset(&m, 0, sizeof(m));
	pmap_init(&m.map, &counted);
	for (unsigned round = 0, most = scaled(20); round < most; round++) {
		unsigned offset = draw() % KEYS, step = 2 * (draw() % KEYS) + 1;

		for (unsigned i = 0; i < KEYS; i++) {
			unsigned k = (offset + i * step) % KEYS;

			ref(k + 1);
			assert_int_equal(pmap_put(&m.map, keys[k], k + 1), 0);
			m.values[k] = k + 1;
		}
		check(&m);
		step = 2 * (draw() % KEYS) + 1;
		for (unsigned i = 0; i < KEYS; i++) {
			unsigned k = (offset + i * step) % KEYS;

			assert_int_equal(pmap_remove(&m.map, keys[k]), 0);
			m.values[k] = 0;
			if (!(draw() & 63))
				check(&m);
		}
		assert_null(m.map.root);
		check_no_refs();
	}
}

/* A thread gets versions one after the other, reads each and gives it back. */
struct reader {
	pthread_t thread;
	struct model *box; /* NULL: empty */
	bool end;
};

static void *read_versions(void *arg)
{
	struct reader *r = arg;

	while (!__atomic_load_n(&r->end, __ATOMIC_ACQUIRE)) {
		struct model *m = __atomic_exchange_n(&r->box, NULL, __ATOMIC_ACQUIRE);
		uint64_t value;

		if (!m) {
			cpu_relax();
			continue;
		}
		for (unsigned i = 0; i < KEYS; i++) {
			bool found = pmap_get(&m->map, keys[i], &value);

			if (found != (m->values[i] != 0) || (found && value != m->values[i]))
				abort();
		}
		pmap_clear(&m->map);
		free(m);
	}
	return NULL;
}

static void hand_over(struct reader *r, const struct model *m)
{
	struct model *copy = malloc(sizeof(*copy)), *old;

	assert_non_null(copy);
	memcpy(copy->values, m->values, sizeof(copy->values));
	pmap_share(&copy->map, &m->map);
	old = __atomic_exchange_n(&r->box, copy, __ATOMIC_ACQ_REL);
	if (old)
		pmap_clear(&old->map);
	free(old);
}

static void test_threads(void **state)
{
	static struct model m;
	struct reader readers[2] = { 0 };

	memset(&m, 0, sizeof(m));
	pmap_init(&m.map, &counted);
	for (unsigned i = 0; i < ARRAY_SIZE(readers); i++)
		assert_int_equal(
			pthread_create(&readers[i].thread, NULL, read_versions, &readers[i]), 0);
	for (unsigned round = 0, most = scaled(5000); round < most; round++) {
		unsigned n = draw() % 8;

		for (unsigned i = 0; i < n; i++)
			change(&m);
		hand_over(&readers[round % ARRAY_SIZE(readers)], &m);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(readers); i++) {
		__atomic_store_n(&readers[i].end, true, __ATOMIC_RELEASE);
		pthread_join(readers[i].thread, NULL);
		if (readers[i].box)
			pmap_clear(&readers[i].box->map);
		free(readers[i].box);
	}
	check(&m);
	pmap_clear(&m.map);
	check_no_refs();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),	 cmocka_unit_test(test_stops),
		cmocka_unit_test(test_versions), cmocka_unit_test(test_empties),
		cmocka_unit_test(test_threads),
	};

	seed = 1;
	draw_keys();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
