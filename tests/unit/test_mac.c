// SPDX-License-Identifier: Apache-2.0
/* The MAC table: learning, limits, a full table, ageing, static entries; and all of it at once from
 * several threads.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_keep.h"
#include "scale.h"
#include "state/mac.h"

#define A 0x020000000001ull
#define B 0x020000000002ull
#define NOW 1000u

static void learn(struct mac_table *t, mac_t mac, uint32_t port)
{
	mac_table_learn(t, mac, 0, port, NOW, 0);
}

static int setup(void **state)
{
	*state = mac_table_create(1024);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	mac_table_destroy(*state);
	mac_table_destroy(NULL);
	return 0;
}

static void test_learns_by_vlan(void **state)
{
	struct mac_table *t = *state;

	assert_int_equal(mac_table_lookup(t, A, 0), MAC_NO_PORT);
	learn(t, A, 3);
	mac_table_learn(t, A, 10, 4, NOW, 0);
	mac_table_learn(t, A, 4094, MAC_PORTS_MAX - 1, NOW, 0);
	assert_int_equal(mac_table_lookup(t, A, 0), 3);
	assert_int_equal(mac_table_lookup(t, A, 10), 4);
	assert_int_equal(mac_table_lookup(t, A, 4094), MAC_PORTS_MAX - 1);
	assert_int_equal(mac_table_lookup(t, A, 11), MAC_NO_PORT);
	assert_int_equal(mac_table_lookup(t, B, 0), MAC_NO_PORT);
	assert_int_equal(mac_table_count(t, MAC_NO_PORT), 3);
	assert_int_equal(mac_table_count(t, 3), 1);
	assert_int_equal(mac_table_moves(t), 0);
	assert_int_equal(mac_table_refused(t), 0);
}

static void test_groups_and_zero_are_no_stations(void **state)
{
	struct mac_table *t = *state;

	learn(t, 0xffffffffffffull, 1);
	learn(t, 0x01005e000001ull, 1);
	learn(t, 0x333300000001ull, 1);
	learn(t, 0, 1);
	assert_int_equal(mac_table_count(t, MAC_NO_PORT), 0);
	assert_int_equal(mac_table_refused(t), 0);
}

static void test_moves(void **state)
{
	struct mac_table *t = *state;

	learn(t, A, 1);
	learn(t, A, 1);
	assert_int_equal(mac_table_moves(t), 0);
	learn(t, A, 2);
	assert_int_equal(mac_table_lookup(t, A, 0), 2);
	assert_int_equal(mac_table_moves(t), 1);
	assert_int_equal(mac_table_count(t, 1), 0);
	assert_int_equal(mac_table_count(t, 2), 1);
	assert_int_equal(mac_table_count(t, MAC_NO_PORT), 1);
}

static void test_limit_of_a_port(void **state)
{
	struct mac_table *t = *state;

	for (uint64_t i = 0; i < 10; i++)
		mac_table_learn(t, A + i, 0, 1, NOW, 4);
	assert_int_equal(mac_table_count(t, 1), 4);
	assert_int_equal(mac_table_refused(t), 6);
	/* those that are known stay known */
	mac_table_learn(t, A, 0, 1, NOW + 5, 4);
	assert_int_equal(mac_table_refused(t), 6);
	assert_int_equal(mac_table_lookup(t, A, 0), 1);
	assert_int_equal(mac_table_lookup(t, A + 4, 0), MAC_NO_PORT);
	/* another port is not concerned */
	mac_table_learn(t, A + 4, 0, 2, NOW, 0);
	assert_int_equal(mac_table_lookup(t, A + 4, 0), 2);
	/* stealing addresses is no way around the limit */
	mac_table_learn(t, A + 4, 0, 1, NOW, 4);
	assert_int_equal(mac_table_lookup(t, A + 4, 0), 2);
	assert_int_equal(mac_table_count(t, 1), 4);
	assert_int_equal(mac_table_refused(t), 7);
	assert_int_equal(mac_table_moves(t), 0);
	/* room again */
	assert_true(mac_table_remove(t, A, 0));
	mac_table_learn(t, A + 4, 0, 1, NOW, 4);
	assert_int_equal(mac_table_lookup(t, A + 4, 0), 1);
	assert_int_equal(mac_table_moves(t), 1);
}

/* What somebody tells of is learned with the time at which he has seen it. */
static void test_put(void **state)
{
	struct mac_table *t = *state;

	assert_true(mac_table_put(t, A, 5, 1, NOW - 100, 2));
	assert_int_equal(mac_table_lookup(t, A, 5), 1);
	assert_int_equal(mac_table_age(t, NOW, 100), 1);
	assert_true(mac_table_put(t, A, 0, 1, NOW - 100, 2));
	/* older news change nothing, newer ones do */
	assert_true(mac_table_put(t, A, 0, 1, NOW - 200, 2));
	assert_int_equal(mac_table_age(t, NOW, 101), 0);
	assert_true(mac_table_put(t, A, 0, 1, NOW, 2));
	assert_int_equal(mac_table_age(t, NOW, 1), 0);
	/* it moves here, however old, unless that is too many */
	learn(t, B, 2);
	assert_true(mac_table_put(t, B, 0, 1, NOW - 100, 2));
	assert_int_equal(mac_table_lookup(t, B, 0), 1);
	assert_false(mac_table_put(t, B + 1, 0, 1, NOW, 2));
	assert_int_equal(mac_table_lookup(t, B + 1, 0), MAC_NO_PORT);
	assert_int_equal(mac_table_add_static(t, B + 2, 0, 3), 0);
	assert_false(mac_table_put(t, B + 2, 0, 1, NOW, 0));
	assert_int_equal(mac_table_lookup(t, B + 2, 0), 3);
	assert_false(mac_table_put(t, 0, 0, 1, NOW, 0));
	assert_false(mac_table_put(t, 0x010000000001ull, 0, 1, NOW, 0));
}

static void test_static_entries(void **state)
{
	struct mac_table *t = *state;

	assert_int_equal(mac_table_add_static(t, A, 0, 1), 0);
	learn(t, A, 2);
	assert_int_equal(mac_table_lookup(t, A, 0), 1);
	assert_int_equal(mac_table_moves(t), 0);
	assert_int_equal(mac_table_age(t, NOW + 100000, 10), 0);
	assert_int_equal(mac_table_flush(t, MAC_NO_PORT, false), 0);
	assert_int_equal(mac_table_flush(t, 1, false), 0);
	assert_int_equal(mac_table_lookup(t, A, 0), 1);
	/* replaces what was learned, and another static one */
	learn(t, B, 5);
	assert_int_equal(mac_table_add_static(t, B, 0, 6), 0);
	assert_int_equal(mac_table_lookup(t, B, 0), 6);
	assert_int_equal(mac_table_add_static(t, B, 0, 7), 0);
	assert_int_equal(mac_table_lookup(t, B, 0), 7);
	assert_int_equal(mac_table_count(t, 5), 0);
	assert_int_equal(mac_table_count(t, 6), 0);
	assert_int_equal(mac_table_count(t, MAC_NO_PORT), 2);
	assert_int_equal(mac_table_flush(t, 1, true), 1);
	assert_int_equal(mac_table_lookup(t, A, 0), MAC_NO_PORT);
	assert_true(mac_table_remove(t, B, 0));
	assert_false(mac_table_remove(t, B, 0));
	assert_int_equal(mac_table_count(t, MAC_NO_PORT), 0);
}

static void test_static_ones_fill_their_place(void **state)
{
	struct mac_table *t = mac_table_create(1); /* one set */

	assert_non_null(t);
	for (uint64_t i = 0; i < 4; i++)
		assert_int_equal(mac_table_add_static(t, A + i, 0, 1), 0);
	assert_int_equal(mac_table_add_static(t, A + 4, 0, 1), -ENOSPC);
	learn(t, A + 5, 1);
	assert_int_equal(mac_table_lookup(t, A + 5, 0), MAC_NO_PORT);
	assert_int_equal(mac_table_refused(t), 1);
	assert_int_equal(mac_table_count(t, MAC_NO_PORT), 4);
	mac_table_destroy(t);
}

static void test_flush(void **state)
{
	struct mac_table *t = *state;

	for (uint64_t i = 0; i < 20; i++)
		learn(t, A + i, i % 2 + 1);
	assert_int_equal(mac_table_flush(t, 1, false), 10);
	assert_int_equal(mac_table_count(t, 1), 0);
	assert_int_equal(mac_table_count(t, 2), 10);
	assert_int_equal(mac_table_flush(t, MAC_NO_PORT, false), 10);
	assert_int_equal(mac_table_count(t, MAC_NO_PORT), 0);
	assert_int_equal(mac_table_lookup(t, A, 0), MAC_NO_PORT);
}

static void test_ages(void **state)
{
	struct mac_table *t = *state;

	mac_table_learn(t, A, 0, 1, 100, 0);
	mac_table_learn(t, B, 0, 1, 150, 0);
	assert_int_equal(mac_table_age(t, 399, 300), 0);
	mac_table_learn(t, A, 0, 1, 390, 0); /* seen again */
	assert_int_equal(mac_table_age(t, 449, 300), 0);
	assert_int_equal(mac_table_age(t, 450, 300), 1);
	assert_int_equal(mac_table_lookup(t, B, 0), MAC_NO_PORT);
	assert_int_equal(mac_table_lookup(t, A, 0), 1);
	assert_int_equal(mac_table_age(t, 690, 300), 1);
	/* soon after the machine's start, and with a stamp from a moment ahead */
	mac_table_learn(t, A, 0, 1, 5, 0);
	assert_int_equal(mac_table_age(t, 7, 300), 0);
	assert_int_equal(mac_table_age(t, 4, 1), 0);
	assert_int_equal(mac_table_lookup(t, A, 0), 1);
}

struct listing {
	unsigned n, n_static;
	struct mac_entry last;
};

static void list(const struct mac_entry *entry, void *arg)
{
	struct listing *l = arg;

	l->n++;
	l->n_static += entry->is_static;
	l->last = *entry;
}

static void test_lists(void **state)
{
	struct mac_table *t = *state;
	struct listing l = { 0 };

	mac_table_learn(t, A, 7, 9, NOW, 0);
	mac_table_each(t, NOW + 12, list, &l);
	assert_int_equal(l.n, 1);
	assert_true(l.last.mac == A && l.last.vid == 7 && l.last.port == 9 && l.last.age == 12);
	mac_table_each(t, NOW - 1, list, &l); /* not negative */
	assert_int_equal(l.last.age, 0);
	assert_int_equal(mac_table_add_static(t, A, 7, 8), 0);
	l.n = 0;
	mac_table_each(t, NOW + 12, list, &l);
	assert_int_equal(l.n, 1);
	assert_true(l.last.is_static && l.last.port == 8 && l.last.age == 0);
}

/* A port that floods addresses fills the table, and then pushes out nobody but itself. Where an
 * address may be is a matter of the hash function's secret, so single tables are luck; the sum of
 * many is not. */
static void test_flooder_pushes_out_its_own(void **state)
{
	enum { TABLES = 64, OLD = 32, NEW = 64, SIZE = 256 };
	unsigned held = 0, full = 0, kept = 0, got = 0, stayed = 0, sum = 0;

	for (uint64_t k = 0; k < TABLES; k++) {
		struct mac_table *t = mac_table_create(SIZE);
		mac_t old = A + (k << 16), flood = 0x0a0000000000ull + (k << 32);
		mac_t new = 0x0c0000000000ull + (k << 16);

		assert_non_null(t);
		for (unsigned i = 0; i < OLD; i++)
			learn(t, old + i, 1);
		held += mac_table_count(t, 1);
		for (uint64_t i = 0; i < 4000; i++)
			mac_table_learn(t, flood + i * 7919, 0, 2, NOW + 1, 0);
		full += mac_table_count(t, MAC_NO_PORT);
		for (unsigned i = 0; i < OLD; i++)
			kept += mac_table_lookup(t, old + i, 0) == 1;
		/* newcomers of other ports find room */
		for (unsigned i = 0; i < NEW; i++) {
			learn(t, new + i, 3);
			got += mac_table_lookup(t, new + i, 0) == 3;
		}
		stayed += mac_table_count(t, 3);
		sum += mac_table_count(t, MAC_NO_PORT);
		mac_table_destroy(t);
	}
	assert_in_range(held, TABLES * OLD - 8, TABLES * OLD);
	assert_in_range(full, TABLES * (SIZE - 6), TABLES * SIZE);
	/* while the flooder held less than port 1, or next to nothing, it may have won a place */
	assert_in_range(kept, TABLES * OLD * 9 / 10, TABLES * OLD);
	assert_in_range(got, TABLES * NEW * 9 / 10, TABLES * NEW);
	assert_in_range(stayed, TABLES * NEW * 3 / 4, got); /* they may push out their own */
	assert_in_range(sum, TABLES * (SIZE - 6), TABLES * SIZE);
}

/* An earlier process may have left as much as it liked: that is not all looked at. */
static void test_kept_without_end(void **state)
{
	struct mac_slot slot = { MAC_KEY_PRESENT | A, 1ull << 32 };
	int fd = memfd_create("left", MFD_CLOEXEC);
	struct fake_keep keep;
	struct mac_table *t;

	assert_int_equal(write(fd, &slot, sizeof(slot)), sizeof(slot));
	assert_int_equal(ftruncate(fd, 1ll << 39), 0);
	fake_keep_init(&keep);
	keep.keep.hold(&keep.keep, "macs", &fd, 1);
	close(fd);
	t = mac_table_create_kept(64, &keep.keep, "macs");
	assert_non_null(t);
	assert_int_equal(mac_table_count(t, 1), 1);
	mac_table_destroy(t);
	fake_keep_clear(&keep);
}

/* Ports that hold little always find room in a full table, and take it from who has the most. */
static void test_small_ports_get_in(void **state)
{
	enum { TABLES = 64, OLD = 16, NEW = 16, SIZE = 256 };

	for (uint64_t k = 0; k < TABLES; k++) {
		struct mac_table *t = mac_table_create(SIZE);
		mac_t old = A + (k << 16), flood = 0x0a0000000000ull + (k << 32);
		mac_t new = 0x0c0000000000ull + (k << 16);
		bool was[OLD];

		assert_non_null(t);
		for (unsigned i = 0; i < OLD; i++)
			learn(t, old + i, 1);
		for (uint64_t i = 0; i < 4000; i++)
			mac_table_learn(t, flood + i * 7919, 0, 2, NOW + 1, 0);
		for (unsigned i = 0; i < OLD; i++)
			was[i] = mac_table_lookup(t, old + i, 0) == 1;
		for (unsigned i = 0; i < NEW; i++) {
			learn(t, new + i, 3);
			assert_int_equal(mac_table_lookup(t, new + i, 0), 3);
		}
		assert_int_equal(mac_table_count(t, 3), NEW);
		for (unsigned i = 0; i < OLD; i++)
			assert_true(!was[i] || mac_table_lookup(t, old + i, 0) == 1);
		assert_in_range(mac_table_count(t, MAC_NO_PORT), SIZE - 6, SIZE);
		mac_table_destroy(t);
	}
}

/* What the table says after many random steps is what a plain array says. */
static void test_against_a_plain_array(void **state)
{
	enum { N = 64, PORTS = 5 };
	struct mac_table *t = *state; /* so roomy that nothing is refused */
	struct {
		uint32_t port;
		bool is_static;
	} model[N];
	unsigned seed = 1, n = 0;

	for (unsigned i = 0; i < N; i++)
		model[i].port = MAC_NO_PORT;
	for (unsigned step = 0, most = scaled(20000); step < most; step++) {
		unsigned i = (unsigned)rand_r(&seed) % N, port = (unsigned)rand_r(&seed) % PORTS;
		unsigned what = (unsigned)rand_r(&seed) % 16;
		bool had = model[i].port != MAC_NO_PORT;

		if (what == 0) {
			assert_int_equal(mac_table_remove(t, A + i, i % 3), had);
			model[i].port = MAC_NO_PORT;
		} else if (what == 1) {
			assert_int_equal(mac_table_add_static(t, A + i, i % 3, port), 0);
			model[i].port = port;
		} else {
			mac_table_learn(t, A + i, i % 3, port, NOW + step, 0);
			if (!had || !model[i].is_static)
				model[i].port = port;
		}
		if (what < 2 || !had)
			model[i].is_static = what == 1;
		assert_int_equal(mac_table_lookup(t, A + i, i % 3), model[i].port);
	}
	for (unsigned i = 0; i < N; i++)
		n += model[i].port != MAC_NO_PORT;
	assert_int_equal(mac_table_count(t, MAC_NO_PORT), n);
}

/* ---- several threads. Address i may be on port 2i or 2i+1 and nowhere else. */

struct crowd {
	struct mac_table *table;
	bool stop;
	unsigned n_wrong;
	unsigned id;
};

#define CROWD_MACS 64u

static void *crowd_learns(void *arg)
{
	struct crowd *c = arg;
	unsigned seed = c->id, now = NOW;

	while (!__atomic_load_n(&c->stop, __ATOMIC_RELAXED)) {
		unsigned i = (unsigned)rand_r(&seed) % CROWD_MACS;
		unsigned port = 2 * i + (unsigned)rand_r(&seed) % 2;
		uint32_t is;

		mac_table_learn(c->table, A + i, 0, port, now++ / 64, 0);
		is = mac_table_lookup(c->table, A + i, 0);
		if (is != MAC_NO_PORT && is / 2 != i)
			c->n_wrong++;
	}
	return NULL;
}

static void check_entry(const struct mac_entry *entry, void *arg)
{
	if (entry->port / 2 != entry->mac - A)
		++*(unsigned *)arg;
}

static void test_threads(void **state)
{
	struct mac_table *t = mac_table_create(48); /* smaller than what comes */
	struct crowd crowd[2] = { { .table = t, .id = 1 }, { .table = t, .id = 2 } };
	struct listing l = { 0 };
	pthread_t threads[2];
	unsigned wrong = 0, sum = 0;

	assert_non_null(t);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, crowd_learns, &crowd[i]), 0);
	for (unsigned i = 0, most = scaled(3000); i < most; i++) {
		unsigned m = i % CROWD_MACS;

		mac_table_add_static(t, A + m, 0, 2 * m);
		mac_table_each(t, NOW, check_entry, &wrong);
		mac_table_remove(t, A + m, 0);
		if (i % 7 == 0)
			mac_table_flush(t, 2 * m, true);
		if (i % 11 == 0)
			mac_table_age(t, NOW / 64 + i, 3);
	}
	for (int i = 0; i < 2; i++)
		__atomic_store_n(&crowd[i].stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(wrong + crowd[0].n_wrong + crowd[1].n_wrong, 0);
	mac_table_each(t, NOW, list, &l);
	assert_int_equal(l.n, mac_table_count(t, MAC_NO_PORT));
	for (unsigned p = 0; p < 2 * CROWD_MACS; p++)
		sum += mac_table_count(t, p);
	assert_int_equal(sum, l.n);
	mac_table_destroy(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_learns_by_vlan, setup, teardown),
		cmocka_unit_test_setup_teardown(test_groups_and_zero_are_no_stations, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_moves, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limit_of_a_port, setup, teardown),
		cmocka_unit_test_setup_teardown(test_put, setup, teardown),
		cmocka_unit_test_setup_teardown(test_static_entries, setup, teardown),
		cmocka_unit_test(test_static_ones_fill_their_place),
		cmocka_unit_test_setup_teardown(test_flush, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lists, setup, teardown),
		cmocka_unit_test(test_flooder_pushes_out_its_own),
		cmocka_unit_test(test_small_ports_get_in),
		cmocka_unit_test_setup_teardown(test_against_a_plain_array, setup, teardown),
		cmocka_unit_test(test_kept_without_end),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
