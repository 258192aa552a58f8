// SPDX-License-Identifier: Apache-2.0
/* A switch without a keeper is killed under load, at random moments, and started again; its guests
 * have it note what is in flight and connect anew. With a keeper, they stay connected.
 *
 *	guest a ---- vireod ---- guest b
 *
 * No descriptor may be lost, and none come back twice. Frames may be: what is on its way when there
 * is one port only goes nowhere.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "guest/daemon.h"
#include "guest/guest.h"

#define BIT(n) (1ull << (n))
#define RING 64 /* entries; small, so that they go around often */
#define WAIT_NS (20 * NSEC_PER_SEC)
#define FRAME_LEN 100
#define WINDOW 32 /* frames on their way, when all must come */

struct world {
	struct daemon daemon;
	struct guest guests[2];
	uint64_t sent[2], received[2];
	unsigned seed;
};

static const char *const names[2] = { "a", "b" };

/* Numbers that time has no part in; only where the switch is when it is killed differs. */
static unsigned pick(struct world *w, unsigned n)
{
	return (unsigned)rand_r(&w->seed) % n;
}

static void add_ports(const struct world *w)
{
	for (unsigned i = 0; i < 2; i++)
		daemon_vireo(&w->daemon, "port add %s type vhost-user path %s/%s.sock", names[i],
			     w->daemon.dir, names[i]);
}

static void plug(struct world *w, unsigned i, uint64_t features)
{
	static char path[128];
	struct guest_config config = {
		.path = path,
		.features = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_NET_F_MRG_RXBUF) |
			    BIT(VIRTIO_RING_F_EVENT_IDX) | features,
		.required = features,
		.inflight_size = RING,
		.net = { .rx_ring_size = RING, .tx_ring_size = RING, .rx_buffer_len = 256 },
	};
	struct error err = { "" };

	snprintf(path, sizeof(path), "%s/%s.sock", w->daemon.dir, names[i]);
	if (guest_open(&w->guests[i], &config, &err))
		fail_msg("%s", err.text);
}

static void await_guests(struct world *w)
{
	int fd;

	for (unsigned i = 0; i < 2; i++) {
		if (guest_wait(&w->guests[i], 10000))
			fail_msg("guest %s: %s", names[i], w->guests[i].why);
		frontend_inflight(w->guests[i].frontend, &fd);
		assert_true(fd >= 0);
	}
}

static void check(struct world *w)
{
	for (unsigned i = 0; i < 2; i++) {
		if (netdrv_broken(w->guests[i].drv, 0))
			fail_msg("guest %s: a descriptor came back twice", names[i]);
		assert_false(w->guests[i].failed);
	}
}

static bool send_one(struct world *w, unsigned i)
{
	uint8_t frame[FRAME_LEN] = { 0 };

	guest_ethernet(frame, (uint8_t)(11 - i), (uint8_t)(10 + i));
	memcpy(frame + 14, &w->sent[i], sizeof(w->sent[i]));
	if (!guest_send(&w->guests[i], frame, sizeof(frame)))
		return false;
	w->sent[i]++;
	return true;
}

/* Takes what has come to guest @i. Returns how many frames. */
static unsigned receive(struct world *w, unsigned i)
{
	uint8_t frame[GUEST_FRAME_MAX];
	uint64_t number;
	unsigned n = 0;
	uint32_t len;

	while ((len = guest_receive(&w->guests[i], frame))) {
		assert_int_equal(len, FRAME_LEN);
		memcpy(&number, frame + 14, sizeof(number));
		assert_true(number < w->sent[1 - i]);
		n++;
	}
	w->received[i] += n;
	return n;
}

static void load(struct world *w, uint64_t ns)
{
	uint64_t end = clock_ns() + ns;

	while (clock_ns() < end)
		for (unsigned i = 0; i < 2; i++) {
			guest_turn(&w->guests[i]);
			for (unsigned k = 0; k < 16 && send_one(w, i); k++)
				;
			receive(w, i);
		}
}

static void kill_under_load(struct world *w)
{
	unsigned n_downs[2] = { w->guests[0].n_downs, w->guests[1].n_downs };
	uint64_t end;

	load(w, pick(w, 5000) * 1000);
	check(w);
	daemon_kill(&w->daemon);
	end = clock_ns() + WAIT_NS;
	for (unsigned i = 0; i < 2; i++)
		while (w->guests[i].n_downs == n_downs[i]) {
			assert_true(clock_ns() < end);
			guest_turn(&w->guests[i]);
			usleep(1000);
		}
	if (pick(w, 2)) /* the guest does not know, and goes on */
		for (unsigned i = 0; i < 2; i++) {
			receive(w, i);
			while (send_one(w, i))
				;
		}
	daemon_start_alone(&w->daemon, 1, true);
	add_ports(w);
	await_guests(w);
	check(w);
}

/* All descriptors come back. */
static void drain(struct world *w)
{
	uint64_t end = clock_ns() + WAIT_NS;

	for (unsigned i = 0; i < 2; i++)
		while (netdrv_in_flight(w->guests[i].drv, 0)) {
			if (clock_ns() > end)
				fail_msg("guest %s: %u descriptors are lost", names[i],
					 netdrv_in_flight(w->guests[i].drv, 0));
			netdrv_reap(w->guests[i].drv, 0);
			receive(w, 1 - i);
			usleep(100);
		}
	usleep(20000);
	receive(w, 0);
	receive(w, 1);
}

/* Each buffer of the ring is used again, and again: as many frames come as are sent. */
static void all_must_come(struct world *w, unsigned i)
{
	uint64_t end = clock_ns() + WAIT_NS, first = w->sent[i], got = 0;

	while (got < 4 * RING) {
		if (w->sent[i] - first < 4 * RING && w->sent[i] - first - got < WINDOW)
			send_one(w, i);
		got += receive(w, 1 - i);
		if (clock_ns() > end)
			fail_msg("guest %s: %u of %u frames came: receive buffers are lost",
				 names[1 - i], (unsigned)got, 4 * RING);
	}
}

static void check_queues(const struct world *w)
{
	char text[128];

	for (unsigned i = 0; i < 2; i++) {
		daemon_queue_state(&w->daemon, names[i], "rx", text);
		assert_string_equal(text, "ok");
		daemon_queue_state(&w->daemon, names[i], "tx", text);
		assert_string_equal(text, "ok");
	}
}

/* With a keeper guests stay connected, and the next process goes on with their regions. */
static void kill_switch_under_load(struct world *w)
{
	load(w, pick(w, 5000) * 1000);
	daemon_kill_switch(&w->daemon);
	load(w, NSEC_PER_MSEC);
	check(w);
	assert_int_equal(w->guests[0].n_downs + w->guests[1].n_downs, 0);
}

static void kills(struct world *w, uint64_t features, bool keeper)
{
	memset(w, 0, sizeof(*w));
	w->seed = (unsigned)features ^ (unsigned)(features >> 32);
	if (keeper)
		daemon_start(&w->daemon, 1);
	else
		daemon_start_alone(&w->daemon, 1, false);
	add_ports(w);
	for (unsigned i = 0; i < 2; i++)
		plug(w, i, features);
	await_guests(w);
	for (unsigned i = 0; i < scaled(4); i++)
		(keeper ? kill_switch_under_load : kill_under_load)(w);
	drain(w);
	all_must_come(w, 0);
	all_must_come(w, 1);
	drain(w);
	check(w);
	check_queues(w);
	print_message("%u kills, %llu and %llu frames sent, %llu and %llu received\n", scaled(4),
		      (unsigned long long)w->sent[0], (unsigned long long)w->sent[1],
		      (unsigned long long)w->received[1], (unsigned long long)w->received[0]);
	for (unsigned i = 0; i < 2; i++)
		guest_close(&w->guests[i]);
	daemon_stop(&w->daemon);
}

static struct world world;

static int teardown(void **state)
{
	for (unsigned i = 0; i < 2; i++)
		guest_close(&world.guests[i]);
	daemon_discard(&world.daemon);
	return 0;
}

static void test_split(void **state)
{
	kills(&world, 0, false);
}

static void test_packed(void **state)
{
	kills(&world, BIT(VIRTIO_F_RING_PACKED), false);
}

static void test_packed_in_order(void **state)
{
	kills(&world, BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_IN_ORDER), false);
}

static void test_keeper_split(void **state)
{
	kills(&world, 0, true);
}

static void test_keeper_packed(void **state)
{
	kills(&world, BIT(VIRTIO_F_RING_PACKED), true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_split, teardown),
		cmocka_unit_test_teardown(test_packed, teardown),
		cmocka_unit_test_teardown(test_packed_in_order, teardown),
		cmocka_unit_test_teardown(test_keeper_split, teardown),
		cmocka_unit_test_teardown(test_keeper_packed, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
