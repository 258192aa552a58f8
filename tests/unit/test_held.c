// SPDX-License-Identifier: Apache-2.0
/* File descriptors under keys: who has them, and that none is lost. */
#include "keeper/held.h"
#include "keeper_peer.h"

/* A packet with @n fds under @key. */
static struct keeper_packet packet(const char *key, unsigned n)
{
	struct keeper_packet p;

	keeper_packet_init(&p, KEEPER_HOLD, 0, 0);
	memset(p.key, 0, sizeof(p.key));
	strncpy(p.key, key, sizeof(p.key));
	for (; p.n_fds < n; p.n_fds++)
		p.fds[p.n_fds] = eventfd(p.n_fds, EFD_CLOEXEC);
	return p;
}

static void put_key(struct held **list, const char *key, unsigned n)
{
	struct keeper_packet p = packet(key, n);

	assert_true(held_put(list, &p));
	assert_int_equal(p.n_fds, 0);
}

static void test_put_and_take(void **state)
{
	unsigned before = count_fds(), n;
	struct held *list = NULL;
	int fds[KEEPER_FDS_MAX];

	assert_int_equal(held_take(&list, "a", fds, KEEPER_FDS_MAX), 0);
	put_key(&list, "a", 1);
	put_key(&list, "b", KEEPER_FDS_MAX);
	put_key(&list, "none", 0);
	assert_int_equal(count_fds(), before + 1 + KEEPER_FDS_MAX);
	/* in place of what was there */
	put_key(&list, "a", 2);
	assert_int_equal(count_fds(), before + 2 + KEEPER_FDS_MAX);
	/* those that are not wanted are closed */
	n = held_take(&list, "b", fds, 3);
	assert_int_equal(n, 3);
	assert_int_equal(count_fds(), before + 2 + 3);
	for (unsigned i = 0; i < n; i++) {
		uint64_t value = 0;

		/* in their order; that of 0 is not readable */
		if (i)
			assert_int_equal(read(fds[i], &value, sizeof(value)), sizeof(value));
		assert_int_equal(value, i);
		close(fds[i]);
	}
	assert_int_equal(held_take(&list, "b", fds, 3), 0);
	assert_int_equal(held_take(&list, "none", fds, 3), 0);
	held_drop(&list, "b");
	held_drop(&list, "a");
	assert_null(list);
	assert_int_equal(count_fds(), before);
}

/* A key that does not end is cut off, the same in each packet. */
static void test_long_key(void **state)
{
	char key[KEEPER_KEY_MAX + 1];
	unsigned before = count_fds();
	struct held *list = NULL;

	memset(key, 'k', KEEPER_KEY_MAX);
	key[KEEPER_KEY_MAX] = 0;
	put_key(&list, key, 1);
	put_key(&list, key, 1);
	assert_int_equal(count_fds(), before + 1);
	assert_int_equal(strlen(list->key), KEEPER_KEY_MAX - 1);
	assert_null(list->next);
	held_clear(&list);
	held_clear(&list);
	assert_int_equal(count_fds(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put_and_take),
		cmocka_unit_test(test_long_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
