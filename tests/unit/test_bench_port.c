// SPDX-License-Identifier: Apache-2.0
// A port of the load generator: what it asks of a back-end, what it says when that has it not.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "bench_backend.h"
#include "cli/bench_port.h"

#define WAIT_NS (20 * NSEC_PER_SEC)

struct world {
	struct backend backend;
	struct bench_config config;
	struct bench_port port;
	struct event_base *base;
	struct error err;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->base = event_base_new();
	w->backend.n_ports = 1;
	w->backend.n_pairs = 2;
	w->backend.features = BACKEND_FEATURES;
	w->config = (struct bench_config){ .frame_len = 60,
					   .flows = 5,
					   .check = true,
					   .mergeable = true,
					   .ring_size = 64,
					   .n_queues = 2 };
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	bench_port_close(&w->port);
	bench_port_close(&w->port); /* a closed one is fine */
	if (w->backend.n_ports)
		backend_stop(&w->backend);
	event_base_free(w->base);
	rcu_drain();
	free(w);
	return 0;
}

/* Opens the port, and waits until it is up or has failed. */
static void open_port(struct world *w)
{
	uint64_t end = clock_ns() + WAIT_NS;

	backend_start(&w->backend, w->base);
	if (bench_port_open(&w->port, &w->config, w->backend.ports[0].path, 0xa, 0xb, w->base,
			    &w->err) != 0)
		fail_msg("%s", w->err.text);
	while (!w->port.up && !w->port.failed && clock_ns() < end)
		event_base_loop(w->base, EVLOOP_ONCE);
}

static void fails(struct world *w, const char *why)
{
	open_port(w);
	assert_true(w->port.failed);
	assert_false(w->port.up);
	if (!strstr(w->port.why.text, why))
		fail_msg("\"%s\" is not in \"%s\"", why, w->port.why.text);
}

/* Rings are full of buffers, and flows are dealt to queues. */
static void test_up(void **state)
{
	struct world *w = *state;
	unsigned frames[5] = { 0 };

	open_port(w);
	assert_true(w->port.up);
	assert_false(bench_port_broken(&w->port));
	for (unsigned q = 0; q < 2; q++) {
		const struct bench_queue *queue = &w->port.queues[q];

		assert_int_equal(driver_ring_free(&queue->rx), 0);
		assert_true(driver_ring_idle(&queue->tx));
		assert_int_equal(queue->n_ready, 64);
		for (unsigned i = 0; i < queue->n_ready; i++) {
			const struct bench_buffer *send =
				container_of(queue->ready[i], struct bench_buffer, buffer);
			const uint8_t *frame = (uint8_t *)send->buffer.host + BENCH_HEADER_LEN;

			assert_int_equal(send->buffer.len, BENCH_HEADER_LEN + 60);
			assert_int_equal(send->flow % 2, q);
			assert_int_equal(mac_load(frame), 0xb);
			assert_true(
				bench_frame_intact(frame, 60, false, w->port.headers[send->flow]));
			frames[send->flow]++;
		}
	}
	for (unsigned i = 0; i < 5; i++)
		assert_true(frames[i] >= 64 / 3);
}

static void test_not_offered(void **state)
{
	struct world *w = *state;

	w->backend.features &= ~(1ull << VIRTIO_NET_F_MRG_RXBUF);
	fails(w, "mergeable buffers");
}

static void test_not_needed(void **state)
{
	struct world *w = *state;

	w->backend.features &= ~(1ull << VIRTIO_NET_F_MRG_RXBUF);
	w->config.mergeable = false;
	open_port(w);
	assert_true(w->port.up);
}

static void test_legacy(void **state)
{
	struct world *w = *state;

	w->backend.features &= ~(1ull << VIRTIO_F_VERSION_1);
	fails(w, "VIRTIO_F_VERSION_1");
}

static void test_no_indirect(void **state)
{
	struct world *w = *state;

	w->config.indirect = true;
	w->backend.features &= ~(1ull << VIRTIO_RING_F_INDIRECT_DESC);
	fails(w, "indirect");
}

static void test_no_packed(void **state)
{
	struct world *w = *state;

	w->config.packed = true;
	w->backend.features &= ~(1ull << VIRTIO_F_RING_PACKED);
	fails(w, "packed rings");
}

static void test_no_order(void **state)
{
	struct world *w = *state;

	w->config.in_order = true;
	w->backend.features &= ~(1ull << VIRTIO_F_IN_ORDER);
	fails(w, "in order");
}

static void large_frames(struct world *w, enum bench_tso tso)
{
	w->config.tso = tso;
	w->config.frame_len = 20000;
	w->backend.features |= BACKEND_TSO_FEATURES;
}

/* Requests are in front of the frames, and a ring's frames fit into another one. */
static void test_large(void **state)
{
	struct world *w = *state;
	const struct bench_queue *queue;
	struct virtio_net_hdr header;

	large_frames(w, BENCH_TSO_ON);
	open_port(w);
	assert_true(w->port.up);
	queue = &w->port.queues[0];
	assert_int_equal(bench_config_buffers(&w->config), 5);
	assert_int_equal(queue->n_ready, 64 / 5);
	assert_int_equal(queue->receives[0].len, 4096);
	memcpy(&header, queue->ready[0]->host, sizeof(header));
	assert_int_equal(header.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	assert_int_equal(header.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(header.gso_size, BENCH_SEGMENT);
	assert_int_equal(header.hdr_len, BENCH_TCP_HEADERS);
	w->config.mergeable = false;
	assert_int_equal(bench_config_buffers(&w->config), 1);
	w->config.tso = BENCH_TSO_SEND;
	assert_int_equal(bench_config_buffers(&w->config), 14);
	w->config.tso = BENCH_TSO_ON;
	w->config.mergeable = true;
}

static void test_large_not_taken(void **state)
{
	struct world *w = *state;

	large_frames(w, BENCH_TSO_SEND);
	w->backend.features &= ~(1ull << VIRTIO_NET_F_HOST_TSO4);
	fails(w, "VIRTIO_NET_F_HOST_TSO4");
}

static void test_large_not_given(void **state)
{
	struct world *w = *state;

	large_frames(w, BENCH_TSO_ON);
	w->backend.features &= ~(1ull << VIRTIO_NET_F_GUEST_TSO4);
	fails(w, "tso send");
}

static void test_few_queues(void **state)
{
	struct world *w = *state;

	w->config.n_queues = 3;
	fails(w, "has 2 queue pairs, not 3");
}

/* A connection that ends before the rings run is tried again, one that ends later is not. */
static void test_down(void **state)
{
	struct world *w = *state;

	open_port(w);
	assert_true(w->port.up);
	backend_stop(&w->backend);
	for (uint64_t end = clock_ns() + WAIT_NS; !w->port.failed && clock_ns() < end;)
		event_base_loop(w->base, EVLOOP_ONCE);
	assert_true(w->port.failed);
	assert_true(*w->port.why.text);
}

static void test_refused(void **state)
{
	struct world *w = *state;
	char path[200];

	w->backend.n_ports = 0; /* was never started */
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = 0;
	assert_true(bench_port_open(&w->port, &w->config, path, 0xa, 0xb, w->base, &w->err) < 0);
	assert_true(*w->err.text);
	w->config.ring_size = 65;
	assert_int_equal(bench_port_open(&w->port, &w->config, "/x", 0xa, 0xb, w->base, &w->err),
			 -EINVAL);
	assert_non_null(strstr(w->err.text, "65 entries"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_offered, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_needed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_legacy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_indirect, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_packed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_large, setup, teardown),
		cmocka_unit_test_setup_teardown(test_large_not_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(test_large_not_given, setup, teardown),
		cmocka_unit_test_setup_teardown(test_few_queues, setup, teardown),
		cmocka_unit_test_setup_teardown(test_down, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
