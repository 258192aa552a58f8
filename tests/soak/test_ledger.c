// SPDX-License-Identifier: Apache-2.0
/* What is found in the memory of a guest that was killed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"
#include "soak/ledger.h"

#define MEMORY 8192
#define FRAME_AT (4096 + 12) /* behind a header, in a buffer */

struct world {
	char dir[64], sender_path[80], receiver_path[80];
	struct ledger *sender;
	struct ledger_reader reader; /* whose memory it is */
	uint8_t memory[MEMORY];	     /* holds one frame */
	uint32_t len;
};

static int set_up(void **state)
{
	static struct world world;
	struct world *w = &world;

	memset(w, 0, sizeof(*w));
	strcpy(w->dir, "/tmp/vireo-test-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	assert_int_equal(snprintf(w->sender_path, sizeof(w->sender_path), "%s/3.7", w->dir),
			 strlen(w->dir) + 4);
	assert_int_equal(snprintf(w->receiver_path, sizeof(w->receiver_path), "%s/4.1", w->dir),
			 strlen(w->dir) + 4);
	w->sender = ledger_open(w->dir, 3, 7, true);
	w->reader = (struct ledger_reader){ .dir = w->dir, .own = ledger_open(w->dir, 4, 1, true) };
	assert_non_null(w->sender);
	assert_non_null(w->reader.own);
	w->len = ledger_make_frame(w->sender, 4, 1, 5, w->memory + FRAME_AT);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	ledger_close(w->sender);
	ledger_close(w->reader.own);
	for (unsigned i = 0; i < ARRAY_SIZE(w->reader.last); i++)
		ledger_close(w->reader.last[i]);
	unlink(w->sender_path);
	unlink(w->receiver_path);
	return rmdir(w->dir);
}

static void test_unseen(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; i < 2; i++) { /* the second time it is known */
		ledger_post_mortem(&w->reader, w->memory, MEMORY);
		assert_int_equal(w->sender->queues[1].received, 1);
		assert_int_equal(w->sender->queues[1].repeated, 0);
	}
	assert_int_equal(w->reader.own->bad, 0);
}

static void test_damaged(void **state)
{
	struct world *w = *state;

	w->memory[FRAME_AT + w->len - 1] ^= 1;
	ledger_post_mortem(&w->reader, w->memory, MEMORY);
	assert_int_equal(w->reader.own->bad, 1);
	assert_int_equal(w->sender->queues[1].received, 0);
}

/* An old frame may lie there for as long as the guest lives; that it comes now is wrong. */
static void test_settled(void **state)
{
	struct world *w = *state;

	unlink(w->sender_path);
	ledger_post_mortem(&w->reader, w->memory, MEMORY);
	assert_int_equal(w->reader.own->bad, 0);
	ledger_note(&w->reader, w->memory + FRAME_AT, w->len, true);
	assert_int_equal(w->reader.own->bad, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_unseen, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_damaged, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_settled, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
