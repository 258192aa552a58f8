// SPDX-License-Identifier: Apache-2.0
// The load generator against a back-end that loses, changes, swaps and breaks off: what it counts.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "bench_backend.h"
#include "cli/bench_load.h"
#include "cli/bench_report.h"

struct world {
	struct backend backend;
	struct bench_config config;
	struct bench_load load;
	volatile sig_atomic_t interrupted;
	struct error err;
	unsigned shape; /* for test_shapes() */
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->backend.n_ports = 2;
	w->backend.n_pairs = 1;
	w->backend.features = BACKEND_FEATURES;
	w->backend.limit = 300;
	w->backend.done = &w->interrupted;
	w->config = (struct bench_config){
		.frame_len = 60,
		.flows = 1,
		.window = 16,
		.measure_ns = 60 * NSEC_PER_SEC,
		.silence_ns = 500 * NSEC_PER_MSEC,
		.check = true,
		.mergeable = true,
		.ring_size = 64,
		.n_queues = 1,
	};
	w->load.config = &w->config;
	w->load.base = event_base_new();
	w->load.interrupted = &w->interrupted;
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; i < w->load.n_ports; i++)
		bench_port_close(&w->load.ports[i]);
	if (w->backend.n_ports)
		backend_stop(&w->backend);
	event_base_free(w->load.base);
	rcu_drain();
	free(w);
	return 0;
}

static void connect_all(struct world *w)
{
	unsigned n = w->backend.n_ports;

	backend_start(&w->backend, w->load.base);
	for (unsigned i = 0; i < n; i++) {
		if (bench_port_open(&w->load.ports[i], &w->config, w->backend.ports[i].path,
				    0xa + i, 0xa + (i + 1) % n, w->load.base, &w->err) != 0)
			fail_msg("%s", w->err.text);
		w->load.n_ports++;
	}
}

static void run(struct world *w)
{
	connect_all(w);
	if (bench_load_connect(&w->load, &w->err) != 0 || bench_load_run(&w->load, &w->err) != 0)
		fail_msg("%s", w->err.text);
}

static const struct bench_counters *counters(const struct world *w, unsigned port)
{
	return &w->load.ports[port].counters;
}

/* What went out of each port came to the other one, all of it and as it was. */
static void all_is_well(const struct world *w)
{
	struct error err;

	for (unsigned i = 0; i < w->load.n_ports; i++) {
		unsigned next = (i + 1) % w->load.n_ports;

		assert_true(counters(w, i)->sent > 0);
		assert_int_equal(counters(w, i)->sent, counters(w, next)->received);
		assert_int_equal(counters(w, i)->corrupted + counters(w, i)->reordered, 0);
		assert_true(counters(w, i)->other <= 1); /* a late announcement */
	}
	assert_false(bench_report_fails(&w->load, &err));
	assert_true(w->load.measured_ns > 0);
}

static void test_loop(void **state)
{
	struct world *w = *state;

	w->config.kind = BENCH_LOOP;
	w->config.flows = 7;
	run(w);
	all_is_well(w);
	assert_int_equal(w->load.latency.count,
			 w->load.measured[0].received + w->load.measured[1].received);
	assert_int_equal(counters(w, 0)->refused, 0);
}

/* Each port sends to the next one, the last to the first. */
static void test_circle(void **state)
{
	struct world *w = *state;

	w->backend.n_ports = 3;
	w->config.kind = BENCH_LOOP;
	run(w);
	all_is_well(w);
	assert_int_equal(bench_load_receiver(3, 0, 2), 0);
}

/* In every shape that the rings and the frames can have; a signal ends the load. */
static void test_shapes(void **state)
{
	struct world *w = *state;
	unsigned shape = w->shape;

	w->config.kind = BENCH_LOOP;
	w->backend.n_pairs = w->config.n_queues = 2;
	w->config.flows = 100; /* more than a ring has entries */
	w->config.indirect = shape & 1;
	w->config.mergeable = !(shape & 2);
	w->config.frame_len = shape & 4 ? 1514 : 61;
	w->config.check = !(shape & 8);
	w->config.packed = shape & 16;
	w->config.in_order = shape & 32;
	run(w);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(counters(w, i)->sent, counters(w, 1 - i)->received);
}

static int setup_shape(void **state)
{
	static const unsigned shapes[] = { 0, 1, 2 | 4, 8, 1 | 2 | 4 | 8, 16, 32, 1 | 16 | 32 };
	static unsigned next;
	int rc = setup(state);

	((struct world *)*state)->shape = shapes[next++];
	return rc;
}

/* Large frames, each in several buffers. */
static void test_large(void **state)
{
	struct world *w = *state;

	w->backend.features |= BACKEND_TSO_FEATURES;
	w->config.kind = BENCH_LOOP;
	w->config.window = 2;
	w->config.tso = BENCH_TSO_ON;
	w->config.frame_len = 65000;
	w->config.flows = 3;
	run(w);
	all_is_well(w);
	assert_true(w->load.latency.count > 0);
}

static uint32_t change_some(struct backend *b, uint8_t *frame, uint32_t len);

static void test_large_corrupted(void **state)
{
	struct world *w = *state;

	w->backend.features |= BACKEND_TSO_FEATURES;
	w->backend.change = change_some;
	w->config.kind = BENCH_LOOP;
	w->config.window = 2;
	w->config.tso = BENCH_TSO_ON;
	w->config.frame_len = 30001;
	run(w);
	assert_true(counters(w, 0)->corrupted + counters(w, 1)->corrupted > 0);
}

/* A single port, and its frames come back. */
static void test_reflected(void **state)
{
	struct world *w = *state;

	w->backend.n_ports = 1;
	w->backend.limit = 50;
	w->config.kind = BENCH_PING;
	w->config.window = 1;
	run(w);
	all_is_well(w);
	assert_true(w->load.latency.min > 0);
}

/* No more than were asked for. */
static void test_rate(void **state)
{
	struct world *w = *state;
	uint64_t most;

	w->config.rate = 1000;
	w->config.check = false;
	w->backend.limit = 250;
	run(w);
	all_is_well(w);
	most = (clock_ns() - w->load.began) * w->config.rate / NSEC_PER_SEC + BENCH_BURST;
	for (unsigned i = 0; i < 2; i++) {
		assert_in_range(counters(w, i)->sent, 100, most);
		assert_true(counters(w, i)->sent + counters(w, i)->refused <= most);
	}
	assert_int_equal(w->load.latency.count,
			 w->load.measured[0].received + w->load.measured[1].received);
}

/* Nothing that was counted is in no turn, and the third port sends in two of three. */
static void check_turns(const struct bench_load *load)
{
	uint64_t ns = 0;

	for (unsigned i = 0; i < BENCH_TURNS; i++) {
		assert_in_range(load->turns[i].ns, load->config->turn_ns, load->measured_ns);
		ns += load->turns[i].ns;
	}
	assert_true(ns <= load->measured_ns);
	for (unsigned i = 0; i < 4; i++) {
		struct bench_counters sum = { 0 };

		for (unsigned k = 0; k < BENCH_TURNS; k++)
			bench_counters_add(&sum, &load->turns[k].counters[i]);
		assert_int_equal(sum.sent, load->measured[i].sent);
		assert_int_equal(sum.received, load->measured[i].received);
	}
	assert_int_equal(load->turns[BENCH_TURN_ALONE].counters[2].sent, 0);
	assert_true(load->turns[BENCH_TURN_KNOWN].counters[2].sent > 0);
	assert_true(load->turns[BENCH_TURN_FRESH].counters[2].sent > 0);
}

/* Two ports have a rate, one floods a fourth; each pair keeps to itself. */
static void test_flood(void **state)
{
	struct world *w = *state;
	struct bench_config flood, silent;
	uint64_t most;

	w->config.rate = 100;
	w->config.n_flood = w->backend.n_apart = 2;
	w->config.turn_ns = NSEC_PER_MSEC;
	w->backend.n_ports = 4;
	w->backend.limit = 20000;
	flood = w->config;
	flood.rate = 0;
	flood.check = false;
	flood.fresh = BENCH_FRESH_MACS;
	silent = flood;
	silent.kind = BENCH_NONE;
	backend_start(&w->backend, w->load.base);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(bench_load_receiver(4, 2, i), i ^ 1);
		assert_int_equal(bench_port_open(&w->load.ports[i],
						 i < 2	  ? &w->config
						 : i == 2 ? &flood
							  : &silent,
						 w->backend.ports[i].path, 0xa + i, 0xa + (i ^ 1),
						 w->load.base, &w->err),
				 0);
		w->load.n_ports++;
	}
	assert_int_equal(bench_load_connect(&w->load, &w->err), 0);
	assert_int_equal(bench_load_run(&w->load, &w->err), 0);
	most = (w->load.measured_ns + w->config.warmup_ns) * w->config.rate / NSEC_PER_SEC +
	       BENCH_BURST;
	for (unsigned i = 0; i < 2; i++) {
		assert_in_range(counters(w, i)->sent, 1, most);
		assert_int_equal(counters(w, i)->received, counters(w, i ^ 1)->sent);
		assert_int_equal(counters(w, i)->corrupted + counters(w, i)->reordered, 0);
	}
	assert_true(counters(w, 2)->sent > counters(w, 0)->sent);
	assert_int_equal(counters(w, 3)->received, counters(w, 2)->sent);
	assert_int_equal(counters(w, 3)->sent + counters(w, 2)->received, 0);
	check_turns(&w->load);
	/* latency is the others' */
	assert_int_equal(w->load.latency.count,
			 w->load.measured[0].received + w->load.measured[1].received);
	for (unsigned i = 0; i < 4; i++)
		bench_port_close(&w->load.ports[i]);
	w->load.n_ports = 0;
}

static uint32_t lose_some(struct backend *b, uint8_t *frame, uint32_t len)
{
	return b->n_frames % 10 == 9 ? 0 : len;
}

static void test_lost(void **state)
{
	struct world *w = *state;
	uint64_t sent, received;
	json_t *report;

	w->backend.change = lose_some;
	run(w);
	sent = counters(w, 0)->sent + counters(w, 1)->sent;
	received = counters(w, 0)->received + counters(w, 1)->received;
	assert_true(received < sent);
	assert_int_equal(counters(w, 0)->corrupted + counters(w, 0)->reordered, 0);
	assert_false(bench_report_fails(&w->load, &w->err)); /* a full load may lose */
	assert_true(counters(w, 0)->refused > 0);
	report = bench_report(&w->load);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(report, "total"), "lost")),
		sent - received);
	json_decref(report);
}

static uint32_t change_some(struct backend *b, uint8_t *frame, uint32_t len)
{
	if (b->n_frames > 10 && b->n_frames % 100 == 0)
		frame[len - 1 - b->n_frames / 100 % (len - 12)] ^= 1;
	return len;
}

static void test_corrupted(void **state)
{
	struct world *w = *state;

	w->backend.change = change_some;
	w->config.flows = 3;
	run(w);
	assert_true(counters(w, 0)->corrupted > 0);
	assert_true(bench_report_fails(&w->load, &w->err));
	assert_non_null(strstr(w->err.text, "corrupted"));
}

/* Frames that are not the load's: another length, another address. */
static uint32_t replace_some(struct backend *b, uint8_t *frame, uint32_t len)
{
	if (b->n_frames > 10 && b->n_frames % 10 == 0)
		return len - 1;
	if (b->n_frames > 10 && b->n_frames % 10 == 1)
		frame[0] ^= 2;
	return len;
}

static void test_other(void **state)
{
	struct world *w = *state;

	w->backend.change = replace_some;
	run(w);
	assert_true(counters(w, 0)->other > 0);
	assert_int_equal(counters(w, 0)->corrupted, 0);
	assert_true(counters(w, 0)->received + counters(w, 0)->other <= counters(w, 1)->sent);
}

/* Each tenth frame comes with the next one's number, and that with its. */
static uint32_t swap_some(struct backend *b, uint8_t *frame, uint32_t len)
{
	struct bench_stamp stamp = bench_frame_read(frame, false);

	if (b->n_frames <= 10 || (stamp.number % 10 != 4 && stamp.number % 10 != 5))
		return len;
	stamp.number = stamp.number % 10 == 4 ? stamp.number + 1 : stamp.number - 1;
	bench_frame_stamp(frame, len, false, &stamp, true);
	return len;
}

static void test_reordered(void **state)
{
	struct world *w = *state;

	w->backend.change = swap_some;
	run(w);
	assert_true(counters(w, 0)->reordered > 0);
	assert_int_equal(counters(w, 0)->corrupted, 0);
	assert_true(bench_report_fails(&w->load, &w->err));
	assert_non_null(strstr(w->err.text, "out of order"));
}

static uint32_t lose_all(struct backend *b, uint8_t *frame, uint32_t len)
{
	return 0;
}

static void test_dead_loop(void **state)
{
	struct world *w = *state;

	w->backend.change = lose_all;
	w->backend.limit = 0;
	w->config.kind = BENCH_LOOP;
	w->config.measure_ns = 6 * NSEC_PER_SEC;
	connect_all(w);
	assert_int_equal(bench_load_connect(&w->load, &w->err), 0);
	assert_int_equal(bench_load_run(&w->load, &w->err), -ETIMEDOUT);
	assert_non_null(strstr(w->err.text, "nothing comes back"));
	assert_true(bench_report_fails(&w->load, &w->err));
	assert_non_null(strstr(w->err.text, "none arrived"));
}

/* The back-end returns a chain that it was not given. */
static uint32_t break_ring(struct backend *b, uint8_t *frame, uint32_t len)
{
	struct ring *ring = &vhost_device_vring(b->ports[0].device, 1)->ring;

	if (b->n_frames >= 100) /* again and again: until the driver has looked in between */
		((struct vring_used *)ring->config.device)->idx += 1000;
	return len;
}

static void test_broken(void **state)
{
	struct world *w = *state;

	w->backend.change = break_ring;
	connect_all(w);
	assert_int_equal(bench_load_connect(&w->load, &w->err), 0);
	assert_int_equal(bench_load_run(&w->load, &w->err), -EPROTO);
	assert_non_null(strstr(w->err.text, "broke the rules"));
}

static void hang_up(evutil_socket_t fd, short what, void *arg)
{
	backend_stop(arg);
}

static void test_disconnected(void **state)
{
	const struct timeval later = { 0, 150000 };
	struct world *w = *state;
	struct event *event = evtimer_new(w->load.base, hang_up, &w->backend);

	w->backend.limit = 0;
	connect_all(w);
	assert_int_equal(bench_load_connect(&w->load, &w->err), 0);
	event_add(event, &later);
	assert_int_equal(bench_load_run(&w->load, &w->err), -ECONNRESET);
	event_free(event);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_loop, setup, teardown),
		cmocka_unit_test_setup_teardown(test_circle, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shapes, setup_shape, teardown),
		cmocka_unit_test_setup_teardown(test_shapes, setup_shape, teardown),
		cmocka_unit_test_setup_teardown(test_shapes, setup_shape, teardown),
		cmocka_unit_test_setup_teardown(test_shapes, setup_shape, teardown),
		cmocka_unit_test_setup_teardown(test_shapes, setup_shape, teardown),
		cmocka_unit_test_setup_teardown(test_shapes, setup_shape, teardown),
		cmocka_unit_test_setup_teardown(test_shapes, setup_shape, teardown),
		cmocka_unit_test_setup_teardown(test_shapes, setup_shape, teardown),
		cmocka_unit_test_setup_teardown(test_large, setup, teardown),
		cmocka_unit_test_setup_teardown(test_large_corrupted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reflected, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rate, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flood, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(test_corrupted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reordered, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dead_loop, setup, teardown),
		cmocka_unit_test_setup_teardown(test_broken, setup, teardown),
		cmocka_unit_test_setup_teardown(test_disconnected, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
