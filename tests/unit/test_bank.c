// SPDX-License-Identifier: Apache-2.0
/* Slots of counts: taken, shared, given back, and found again by another process. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/store.h"
#include "fake_keep.h"
#include "switch/bank.h"

static void test_takes_and_gives(void **state)
{
	struct bank bank;
	uint32_t first, second, again;
	uint64_t *words;

	bank_init(&bank, NULL, "test", 24);
	assert_int_equal(bank_take(&bank, &first), 0);
	assert_int_equal(bank_take(&bank, &second), 0);
	assert_int_equal(first, 0);
	assert_int_equal(second, 1);
	words = bank_at(&bank, first);
	words[2] = 7;
	bank_ref(&bank, first);
	bank_unref(&bank, first);
	assert_int_equal(words[2], 7);
	bank_unref(&bank, first);
	assert_int_equal(bank_take(&bank, &again), 0);
	assert_int_equal(again, first);
	assert_int_equal(words[2], 0); /* cleared */
	bank_close(&bank);
}

static void test_many_do_not_move(void **state)
{
	static void *places[10000];
	struct bank bank;
	uint32_t slot;

	bank_init(&bank, NULL, "test", 24);
	for (uint32_t i = 0; i < 10000; i++) {
		assert_int_equal(bank_take(&bank, &slot), 0);
		assert_int_equal(slot, i);
		places[i] = bank_at(&bank, slot);
		*(uint64_t *)places[i] = i;
	}
	for (uint32_t i = 0; i < 10000; i++) {
		assert_ptr_equal(bank_at(&bank, i), places[i]);
		assert_int_equal(*(uint64_t *)places[i], i);
	}
	bank_close(&bank);
}

static void test_the_next_process_goes_on(void **state)
{
	struct fake_keep keep;
	struct bank bank;
	uint32_t slot;

	fake_keep_init(&keep);
	bank_init(&bank, &keep.keep, "test", 24);
	for (uint32_t i = 0; i < 3000; i++) {
		uint64_t *words;

		assert_int_equal(bank_take(&bank, &slot), 0);
		words = bank_at(&bank, slot);
		shared_store(&words[0], i + 1);
	}
	bank_close(&bank);

	bank_init(&bank, &keep.keep, "test", 24);
	bank_recover(&bank);
	assert_true(bank_claim(&bank, 1));
	assert_true(bank_claim(&bank, 2999));
	assert_true(bank_claim(&bank, 2999)); /* of two that share it */
	assert_false(bank_claim(&bank, UINT32_MAX));
	assert_false(bank_claim(&bank, bank.n_slots));
	bank_recovered(&bank);
	assert_int_equal(*(uint64_t *)bank_at(&bank, 2999), 3000);
	assert_int_equal(bank_take(&bank, &slot), 0);
	assert_int_equal(slot, 0);
	assert_int_equal(bank_take(&bank, &slot), 0);
	assert_int_equal(slot, 2); /* 1 is in use */
	assert_int_equal(*(uint64_t *)bank_at(&bank, 2), 0);
	bank_release(&bank);
	bank_close(&bank);

	bank_init(&bank, &keep.keep, "test", 24);
	bank_recover(&bank);
	assert_int_equal(bank.n_slots, 0);
	bank_close(&bank);
	fake_keep_clear(&keep);
}

/* A slot of this process, whether the bank has grown or is new, is none that was left. */
static void test_only_what_was_left_is_claimed(void **state)
{
	struct fake_keep keep;
	struct bank bank;
	uint32_t slot, n_left;

	fake_keep_init(&keep);
	bank_init(&bank, &keep.keep, "test", 24);
	assert_int_equal(bank_take(&bank, &slot), 0);
	assert_false(bank_claim(&bank, slot));
	n_left = bank.n_slots;
	bank_close(&bank);

	bank_init(&bank, &keep.keep, "test", 24);
	bank_recover(&bank);
	assert_int_equal(bank.n_slots, n_left);
	for (uint32_t i = 0; i < n_left; i++)
		assert_true(bank_claim(&bank, i));
	bank_recovered(&bank);
	assert_int_equal(bank_take(&bank, &slot), 0);
	assert_int_equal(slot, n_left); /* it has grown */
	assert_true(bank.n_slots > n_left);
	assert_false(bank_claim(&bank, slot));
	assert_true(bank_claim(&bank, n_left - 1)); /* those that were left still are */
	bank_close(&bank);
	fake_keep_clear(&keep);
}

/* An array of another length is somebody else's. */
static void test_what_does_not_fit_is_left(void **state)
{
	struct fake_keep keep;
	struct bank bank;
	uint32_t slot;

	fake_keep_init(&keep);
	bank_init(&bank, &keep.keep, "test", 24);
	assert_int_equal(bank_take(&bank, &slot), 0);
	bank_close(&bank);
	bank_init(&bank, &keep.keep, "test", 32);
	bank_recover(&bank);
	assert_int_equal(bank.n_slots, 0);
	assert_int_equal(bank_take(&bank, &slot), 0);
	bank_close(&bank);
	fake_keep_clear(&keep);
}

static void test_there_is_an_end(void **state)
{
	struct bank bank;
	uint32_t slot;
	int r = 0;

	bank_init(&bank, NULL, "test", 8);
	for (uint32_t i = 0; i < BANK_SLOTS_MAX; i++)
		r |= bank_take(&bank, &slot);
	assert_int_equal(r, 0);
	assert_int_equal(slot, BANK_SLOTS_MAX - 1);
	assert_int_equal(bank_take(&bank, &slot), -ENOSPC);
	bank_close(&bank);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_takes_and_gives),
		cmocka_unit_test(test_many_do_not_move),
		cmocka_unit_test(test_the_next_process_goes_on),
		cmocka_unit_test(test_only_what_was_left_is_claimed),
		cmocka_unit_test(test_what_does_not_fit_is_left),
		cmocka_unit_test(test_there_is_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
