// SPDX-License-Identifier: Apache-2.0
/* Which words are near enough to be meant, which are not, and which of several wins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/option.h"

#define LONGEST 63

static bool is_near(const char *word, const char *known)
{
	return nearest_word(word, &known, 1) == known;
}

/* Each kind of mistake, once, in a word where one is allowed. */
static void test_one_mistake(void **state)
{
	assert_true(is_near("bridge", "bridge"));
	assert_true(is_near("xbridge", "bridge")); /* one too many: at the start, */
	assert_true(is_near("brixdge", "bridge")); /* within, */
	assert_true(is_near("bridgex", "bridge")); /* at the end */
	assert_true(is_near("ridge", "bridge"));
	assert_true(is_near("brdge", "bridge"));
	assert_true(is_near("bridg", "bridge"));
	assert_true(is_near("xridge", "bridge"));
	assert_true(is_near("brixge", "bridge"));
	assert_true(is_near("bridgx", "bridge"));
	assert_true(is_near("rbidge", "bridge")); /* swapped */
	assert_true(is_near("brideg", "bridge"));
	assert_false(is_near("BRIDGE", "bridge"));
}

/* One mistake in three letters of what was typed, and one in any word. */
static void test_how_many(void **state)
{
	assert_true(is_near("pxrt", "port"));
	assert_false(is_near("pxxt", "port"));
	assert_true(is_near("brxxge", "bridge"));
	assert_false(is_near("bxxxge", "bridge"));
	assert_true(is_near("abcxxxghi", "abcdefghi"));
	assert_false(is_near("abcxxxxhi", "abcdefghi"));
	/* two swaps are two mistakes, not four */
	assert_true(is_near("rbigde", "bridge"));
	/* nothing is left of the word */
	assert_false(is_near("x", "a"));
	assert_false(is_near("ab", "cd"));
	assert_true(is_near("ab", "ac"));
}

static void test_start_of_word(void **state)
{
	/* whatever is missing behind two letters */
	assert_true(is_near("ve", "version"));
	assert_false(is_near("v", "version"));
	assert_false(is_near("rsion", "verbose-version"));
	/* and not the other way round */
	assert_false(is_near("version", "ve"));
}

static void test_which_wins(void **state)
{
	static const char *const words[] = { NULL, "", "stats", "start", "state", NULL, "status" };
	size_t n = ARRAY_SIZE(words);

	assert_ptr_equal(nearest_word("status", words, n), words[6]);
	assert_ptr_equal(nearest_word("start", words, n), words[3]);
	assert_ptr_equal(nearest_word("state", words, n), words[4]);
	assert_ptr_equal(nearest_word("statu", words, n), words[2]); /* the first of several */
	assert_ptr_equal(nearest_word("satte", words, n), words[4]);
	assert_null(nearest_word("bridge", words, n));
	assert_null(nearest_word("", words, n));
	assert_null(nearest_word("status", words, 2)); /* NULL and "" only */
	assert_null(nearest_word("status", NULL, 0));
}

static void test_long_words(void **state)
{
	char word[LONGEST + 3], known[LONGEST + 3];

	/* as long as can be, all different but for two thirds */
	memset(word, 'a', sizeof(word));
	memset(known, 'a', sizeof(known));
	word[LONGEST] = known[LONGEST] = '\0';
	memset(word, 'x', LONGEST / 3);
	assert_true(is_near(word, known));
	word[LONGEST / 3] = 'x';
	assert_false(is_near(word, known));
	/* longer ones have no neighbours, on either side */
	memset(word, 'a', sizeof(word));
	word[LONGEST + 1] = '\0';
	assert_false(is_near(word, word));
	assert_false(is_near(word, known));
	assert_false(is_near(known, word));
	word[LONGEST] = '\0';
	assert_true(is_near(word, known));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_mistake),   cmocka_unit_test(test_how_many),
		cmocka_unit_test(test_start_of_word), cmocka_unit_test(test_which_wins),
		cmocka_unit_test(test_long_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
