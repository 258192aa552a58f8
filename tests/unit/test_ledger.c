// SPDX-License-Identifier: Apache-2.0
/* Records that outlive the process. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/store.h"
#include "fake_keep.h"
#include "switch/ledger.h"

struct word_record {
	struct ledger_record record;
	uint64_t word;
};

static uint64_t add(struct ledger *ledger, uint64_t word)
{
	const struct word_record r = { .record = { .len = sizeof(r), .kind = 7 }, .word = word };

	return ledger_add(ledger, &r.record);
}

static void expect_words(const struct ledger *ledger, uint64_t n)
{
	uint64_t place = 0, i = 0;

	while ((place = ledger_next(ledger, place)))
		assert_int_equal(((const struct word_record *)ledger_at(ledger, place))->word, i++);
	assert_int_equal(i, n);
}

/* What was added counts from ledger_commit() on. */
static void test_commits(void **state)
{
	struct fake_keep keep;
	struct ledger ledger, again;
	uint64_t place;

	fake_keep_init(&keep);
	assert_int_equal(ledger_create(&ledger, &keep.keep, "test", 1000), 0);
	assert_int_equal(ledger_open(&again, &keep.keep, "test"), -ENOENT); /* not held yet */
	ledger_hold(&ledger);
	place = add(&ledger, 0);
	assert_true(place > 0);
	assert_int_equal(ledger_open(&again, &keep.keep, "test"), 0);
	expect_words(&again, 0);
	ledger_close(&again);
	add(&ledger, 1);
	ledger_commit(&ledger);
	add(&ledger, 2);
	assert_int_equal(ledger_open(&again, &keep.keep, "test"), 0);
	expect_words(&again, 2);
	ledger_close(&again);
	assert_int_equal(ledger.dead, 0);
	ledger_dead(&ledger, place);
	assert_int_equal(ledger.dead, sizeof(struct word_record));
	ledger_set(&ledger, 3, 99);
	assert_int_equal(ledger_open(&again, &keep.keep, "test"), 0);
	assert_int_equal(ledger_get(&again, 3), 99);
	ledger_close(&again);
	ledger_close(&ledger);
	fake_keep_clear(&keep);
}

/* Whatever is in it, nothing is read that is not there. */
static void test_hostile(void **state)
{
	static const uint32_t lengths[] = { 0, 4, 7, 12, 1u << 20, UINT32_MAX, UINT32_MAX - 7 };
	struct fake_keep keep;
	struct ledger ledger, again;
	uint64_t places[3];

	fake_keep_init(&keep);
	assert_int_equal(ledger_create(&ledger, &keep.keep, "test", 1000), 0);
	ledger_hold(&ledger);
	for (uint64_t i = 0; i < 3; i++)
		places[i] = add(&ledger, i);
	ledger_commit(&ledger);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		shared_store((uint32_t *)&ledger_at(&ledger, places[1])->len, lengths[i]);
		assert_int_equal(ledger_open(&again, &keep.keep, "test"), 0);
		expect_words(&again, 1);
		ledger_close(&again);
	}
	shared_store(&ledger.header->end, 1ull << 40);
	assert_int_equal(ledger_open(&again, &keep.keep, "test"), -EINVAL);
	shared_store(&ledger.header->end, 8);
	assert_int_equal(ledger_open(&again, &keep.keep, "test"), -EINVAL);
	shared_store(&ledger.header->end, ledger.end);
	shared_store(&ledger.header->version, LEDGER_VERSION + 1);
	assert_int_equal(ledger_open(&again, &keep.keep, "test"), -EINVAL);
	ledger_close(&ledger);
	fake_keep_clear(&keep);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commits),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
