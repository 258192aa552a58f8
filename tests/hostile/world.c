// SPDX-License-Identifier: Apache-2.0
// The stage of the hostile tests: an attacker, its peer, and two guests that must not notice.

#include "hostile/world.h"

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/compiler.h"

#define MODERN (1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_NET_F_MRG_RXBUF)
#define WORKERS 2
#define GROWTH_KIB 1024
/* The inboxes of two workers, which they touch bit by bit as floods meet ports whose queues change:
 * that, from the start on, is no growth. */
#define INBOXES_KIB (2 * 1024)
#define WAIT_NS (10 * NSEC_PER_SEC)

static void add_port(struct world *w, const char *name, const char *bridge)
{
	daemon_vireo(&w->daemon, "port add %s type vhost-user path %s/%s.sock bridge %s", name,
		     w->daemon.dir, name, bridge);
}

static void start(struct world *w)
{
	struct guest_config config = { .features = MODERN };
	char a[128], b[128], peer[128];
	struct error err = { "" };

	memset(w, 0, sizeof(*w));
	daemon_start(&w->daemon, WORKERS);
	daemon_vireo(&w->daemon, "bridge add br1");
	add_port(w, "a", "br0");
	add_port(w, "b", "br0");
	add_port(w, "evil", "br1");
	add_port(w, "peer", "br1");
	snprintf(a, sizeof(a), "%s/a.sock", w->daemon.dir);
	snprintf(b, sizeof(b), "%s/b.sock", w->daemon.dir);
	snprintf(peer, sizeof(peer), "%s/peer.sock", w->daemon.dir);
	snprintf(w->path, sizeof(w->path), "%s/evil.sock", w->daemon.dir);
	config.path = peer;
	if (guest_open(&w->peer, &config, &err) != 0 || guest_wait(&w->peer, 10000) != 0)
		fail_msg("peer: %s %s", err.text, w->peer.why);
	w->traffic = traffic_start(a, b, &err);
	if (w->traffic == NULL)
		fail_msg("traffic: %s", err.text);
	w->fresh_memory = daemon_memory(&w->daemon);
}

static void stop_traffic(struct world *w)
{
	struct traffic *traffic = w->traffic;
	struct error err;
	long n;

	w->traffic = NULL;
	n = traffic_stop(traffic, &err);
	if (n > 0)
		return;
	daemon_discard(&w->daemon);
	fail_msg("the other guests: %s", n < 0 ? err.text : "no frame came");
}

void world_check(struct world *w)
{
	daemon_check_alive(&w->daemon);
	if (!traffic_ok(w->traffic))
		stop_traffic(w);
	assert_int_equal(w->peer.n_downs, 0);
}

void world_baseline(struct world *w)
{
	usleep(200000);
	w->fds = daemon_fds(&w->daemon);
	w->memory = daemon_memory(&w->daemon);
}

void world_check_growth(struct world *w)
{
	uint64_t end = clock_ns() + WAIT_NS;
	unsigned memory, most = max(w->memory, w->fresh_memory + INBOXES_KIB) + GROWTH_KIB;

	while (daemon_fds(&w->daemon) > w->fds && clock_ns() < end)
		usleep(10000);
	if (daemon_fds(&w->daemon) > w->fds)
		fail_msg("vireod had %u fds before, and %u after", w->fds, daemon_fds(&w->daemon));
	memory = daemon_memory(&w->daemon);
	printf("vireod: %u fds and %u KiB before, %u and %u after\n", w->fds, w->memory,
	       daemon_fds(&w->daemon), memory);
	if (!SANITIZED && memory > most) /* of such a build it says nothing */
		fail_msg("vireod had %u KiB before, and %u after: at most %u", w->memory, memory,
			 most);
}

static void stop(struct world *w)
{
	unsigned long before = traffic_count(w->traffic);
	uint64_t end = clock_ns() + WAIT_NS;

	while (traffic_count(w->traffic) < before + 1000 && traffic_ok(w->traffic) &&
	       clock_ns() < end)
		usleep(1000);
	assert_true(traffic_count(w->traffic) >= before + 1000 || !traffic_ok(w->traffic));
	world_check(w);
	stop_traffic(w);
	daemon_stop(&w->daemon);
}

int world_setup(void **state)
{
	static struct world world;

	*state = &world;
	start(&world);
	return 0;
}

int world_teardown(void **state)
{
	struct world *w = *state;

	if (w->daemon.pid > 0 && w->traffic != NULL)
		stop(w);
	else
		daemon_discard(&w->daemon); /* the test has found that it is gone */
	guest_close(&w->peer);
	return 0;
}

unsigned world_peer_turn(struct world *w, unsigned n)
{
	uint8_t frame[GUEST_FRAME_MAX] = { 0 };
	unsigned got = 0;

	guest_turn(&w->peer);
	guest_ethernet(frame, 0xff, PEER_MAC);
	while (n-- > 0)
		guest_send(&w->peer, frame, 60 + n % 64);
	while (guest_receive(&w->peer, frame) > 0)
		got++;
	return got;
}

void world_expect_state(struct world *w, const char *direction, const char *want, const char *what)
{
	uint64_t end = clock_ns() + WAIT_NS;
	char state[128];

	do {
		daemon_queue_state(&w->daemon, "evil", direction, state);
		if (strcmp(state, want) == 0)
			return;
		world_peer_turn(w, 1);
	} while (clock_ns() < end);
	fail_msg("%s: queue %s is \"%s\", not \"%s\"", what, direction, state, want);
}

void world_expect_service(struct world *w, const char *what)
{
	struct guest_config config = { .path = w->path, .features = MODERN };
	uint8_t frame[GUEST_FRAME_MAX] = { 0 };
	uint64_t end = clock_ns() + WAIT_NS;
	bool to_peer = false, to_evil = false;
	struct guest guest;
	struct error err = { "" };

	if (guest_open(&guest, &config, &err) != 0 || guest_wait(&guest, 10000) != 0)
		fail_msg("%s: no guest can connect any more: %s %s", what, err.text, guest.why);
	while ((!to_peer || !to_evil) && clock_ns() < end) {
		guest_ethernet(frame, PEER_MAC, EVIL_MAC);
		guest_send(&guest, frame, 100);
		guest_turn(&guest);
		to_peer |= world_peer_turn(w, 1) > 0;
		to_evil |= guest_receive(&guest, frame) > 0;
		sched_yield();
	}
	guest_close(&guest);
	if (!to_peer || !to_evil)
		fail_msg("%s: no frame from the port %d, to the port %d", what, to_peer, to_evil);
}
