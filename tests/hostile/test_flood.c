// SPDX-License-Identifier: Apache-2.0
/* A guest that sends as fast as it can, to a guest that takes nothing: what it overruns is its own.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"
#include "hostile/world.h"

#define MODERN (1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_NET_F_MRG_RXBUF)
#define FLOOD_MS 2000

static void flood(struct world *w, uint8_t to)
{
	struct guest_config config = { .path = w->path, .features = MODERN };
	uint8_t frame[GUEST_FRAME_MAX] = { 0 };
	uint64_t end = clock_ns() + scaled(FLOOD_MS) * NSEC_PER_MSEC;
	struct guest guest;
	struct error err = { "" };

	if (guest_open(&guest, &config, &err) != 0 || guest_wait(&guest, 10000) != 0)
		fail_msg("cannot connect: %s %s", err.text, guest.why);
	guest_ethernet(frame, to, EVIL_MAC);
	while (clock_ns() < end || netdrv_counters(guest.drv, 0)->tx_frames <= 1000) {
		for (unsigned i = 0; i < 1000; i++)
			guest_send(&guest, frame, 60 + i);
		world_check(w);
		if (clock_ns() > end + 60 * NSEC_PER_SEC)
			fail_msg("no flood: only %llu frames were taken",
				 (unsigned long long)netdrv_counters(guest.drv, 0)->tx_frames);
	}
	guest_close(&guest);
}

static void test_unicast(void **state)
{
	world_peer_turn(*state, 4); /* its address is known */
	flood(*state, PEER_MAC);
	world_expect_service(*state, "flood");
}

static void test_broadcast(void **state)
{
	flood(*state, 0xff);
	world_expect_service(*state, "flood");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		WORLD_TEST(test_unicast),
		WORLD_TEST(test_broadcast),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
