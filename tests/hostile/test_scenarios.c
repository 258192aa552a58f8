// SPDX-License-Identifier: Apache-2.0
/* The hostile suite: more than a thousand scenarios for each layout, made of all combinations of
 * what a guest and its front-end can do wrong, or nearly wrong. See stage.h for what each is held
 * to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "hostile/stage.h"

#define N_MIN 1000

/* What concerns rings alone is done again where they note what they write, and what is in flight:
 * that is other code. */
static void run(struct world *w, bool packed)
{
	struct stage stage;

	stage_init(&stage, w, packed);
	for (stage.notes = 0; stage.notes < ROGUE_N_NOTES; stage.notes++) {
		scene_buffer(&stage);
		scene_chain(&stage);
		if (packed)
			scene_packed_index(&stage);
		else
			scene_split_index(&stage);
	}
	stage.notes = ROGUE_NO_NOTES;
	scene_header(&stage);
	scene_feature(&stage);
	scene_order(&stage);
	world_expect_service(w, "all scenarios");
	printf("%u of %u scenarios of %s rings\n", stage.n_run, stage.n_seen,
	       packed ? "packed" : "split");
	assert_true(stage.n_seen >= N_MIN);
	stage_destroy(&stage);
}

static void test_split(void **state)
{
	run(*state, false);
}

static void test_packed(void **state)
{
	run(*state, true);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		WORLD_TEST(test_split),
		WORLD_TEST(test_packed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
