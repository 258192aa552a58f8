// SPDX-License-Identifier: Apache-2.0
/* TAP devices that outlive a process, in a network namespace of our own, which ends with the test.
 * Needs root.
 */
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "fds.h"
#include "keeper/held.h"
#include "port/tap_device.h"

#define N_QUEUES 11 /* more than fit under one key */

/* Who holds: several fds under a key. */
struct holder {
	struct keep keep;
	struct held *list;
};

static struct holder *of(struct keep *keep)
{
	return container_of(keep, struct holder, keep);
}

static void hold(struct keep *keep, const char *key, const int *fds, unsigned n)
{
	struct keeper_packet p = { .n_fds = n };

	assert_in_range(n, 1, KEEPER_FDS_MAX);
	strncpy(p.key, key, sizeof(p.key) - 1);
	for (unsigned i = 0; i < n; i++)
		p.fds[i] = dup(fds[i]);
	assert_true(held_put(&of(keep)->list, &p));
}

static void release(struct keep *keep, const char *key)
{
	held_drop(&of(keep)->list, key);
}

static unsigned take(struct keep *keep, const char *key, int *fds, unsigned max)
{
	return held_take(&of(keep)->list, key, fds, max);
}

static struct tap_spec spec_of(unsigned n_queues)
{
	return (struct tap_spec){ .interface = "t0", .net_header = true, .n_queues = n_queues };
}

/* A device is made and held, and its process ends. */
static struct holder after(unsigned n_queues)
{
	struct holder h = { .keep = { .hold = hold, .release = release, .take = take } };
	struct tap_spec spec = spec_of(n_queues);
	struct tap_device dev;
	struct error err;

	if (tap_device_open(&dev, &spec, &err))
		fail_msg("%s", err.text);
	tap_device_hold(&dev, &h.keep, "web");
	tap_device_close(&dev);
	assert_true(if_nametoindex("t0"));
	return h;
}

static void test_goes_on(void **state)
{
	unsigned n_fds = count_fds();
	static const unsigned queues[] = { 1, 8, 9, N_QUEUES };

	for (size_t i = 0; i < ARRAY_SIZE(queues); i++) {
		struct holder h = after(queues[i]);
		struct tap_spec spec = spec_of(queues[i]);
		unsigned index = if_nametoindex("t0");
		struct tap_device dev;

		assert_true(tap_device_take(&dev, &spec, &h.keep, "web"));
		assert_int_equal(dev.ifindex, index);
		assert_int_equal(dev.n_queues, queues[i]);
		assert_null(h.list);
		/* held and taken again, by the one after that; then released */
		tap_device_hold(&dev, &h.keep, "web");
		tap_device_release(&dev, &h.keep, "web");
		assert_null(h.list);
		assert_true(if_nametoindex("t0"));
		tap_device_close(&dev);
		assert_false(if_nametoindex("t0"));
	}
	assert_int_equal(count_fds(), n_fds);
}

/* One that is not as it is wanted is closed, and so is what is no device. */
static void test_is_another(void **state)
{
	struct tap_spec wanted[] = { spec_of(2), spec_of(4), spec_of(3), spec_of(3) };
	unsigned n_fds = count_fds();

	wanted[2].net_header = false;
	for (unsigned i = 0; i < ARRAY_SIZE(wanted); i++) {
		struct holder h = after(3);
		struct tap_device dev;
		int garbage = open("/dev/null", O_RDWR | O_CLOEXEC);

		if (i == 3) /* what is held is no tap */
			for (unsigned part = 0; part < 2; part++) {
				int fds[] = { garbage, garbage, garbage };

				hold(&h.keep, part ? "tap/web/1" : "tap/web/0", fds, 2 + part);
			}
		assert_false(tap_device_take(&dev, &wanted[i], &h.keep, "web"));
		held_clear(&h.list);
		close(garbage);
		assert_int_equal(count_fds(), n_fds);
		assert_false(if_nametoindex("t0"));
	}
}

/* Nothing is held, or only a part. */
static void test_is_not_there(void **state)
{
	struct tap_spec spec = spec_of(N_QUEUES);
	struct holder h = { .keep = { .hold = hold, .release = release, .take = take } };
	unsigned n_fds = count_fds();
	struct tap_device dev;

	assert_false(tap_device_take(&dev, &spec, &h.keep, "web"));
	for (unsigned part = 0; part < 3; part++) {
		static const char *const keys[] = { "tap/web/0", "tap/web/1", "tap/web/2" };

		h = after(N_QUEUES);
		assert_false(tap_device_take(&dev, &spec, &h.keep, "other"));
		release(&h.keep, keys[part]);
		assert_false(tap_device_take(&dev, &spec, &h.keep, "web"));
		assert_null(h.list);
		assert_false(if_nametoindex("t0"));
	}
	assert_int_equal(count_fds(), n_fds);
}

static int enter_namespace(void **state)
{
	if (!unshare(CLONE_NEWNET))
		return 0;
	print_error("this test needs root\n");
	return -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_goes_on),
		cmocka_unit_test(test_is_another),
		cmocka_unit_test(test_is_not_there),
	};

	return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
