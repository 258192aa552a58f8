// SPDX-License-Identifier: Apache-2.0
/* Dummy ports: what a test puts in comes out, what is sent can be looked at, both bounded. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fake_env.h"
#include "port/dummy.h"
#include "port/kinds.h"

struct fixture {
	struct fake_env env;
	struct port *port;
	struct batch *batch;
	struct port_counters counters;
};

static int setup(void **state)
{
	static struct fixture f;
	struct error err;

	memset(&f, 0, sizeof(f));
	f.env = fake_env_make(NULL);
	f.batch = batch_create();
	assert_non_null(f.batch);
	assert_int_equal(fake_create(&dummy_port_ops, &f.port, "d0",
				     json_pack("{s:i}", "queues", 2), &f.env, &err),
			 0);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	f->port->ops->destroy(f->port);
	dummy_port_ops.destroy(NULL);
	batch_destroy(f->batch);
	return 0;
}

static unsigned rx(struct fixture *f, unsigned queue)
{
	batch_clear(f->batch);
	f->port->ops->rx(f->port->rxqs[queue], f->batch, &f->counters);
	return f->batch->n;
}

static void rx_done(struct fixture *f, unsigned queue)
{
	f->port->ops->rx_done(f->port->rxqs[queue], f->batch);
}

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void frames_come_out_in_order_in_batches(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[2000], out[2000];
	unsigned next = 0;

	assert_true(f->port->link);
	assert_int_equal(f->port->n_rxqs, 2);
	for (unsigned i = 0; i < 100; i++) {
		memset(frame, (int)i, sizeof(frame));
		assert_int_equal(dummy_inject(f->port, 1, frame, 60 + i * 10, NULL), 0);
	}
	assert_int_equal(rx(f, 0), 0);
	while (next < 100) {
		unsigned n = rx(f, 1);

		assert_int_equal(n, min(100 - next, (unsigned)BATCH_MAX));
		for (unsigned i = 0; i < n; i++, next++) {
			struct pkt *pkt = &f->batch->pkts[i];

			assert_int_equal(pkt->len, 60 + next * 10);
			pkt_copy(pkt, out);
			memset(frame, (int)next, sizeof(frame));
			assert_memory_equal(out, frame, pkt->len);
		}
		rx_done(f, 1);
	}
	assert_int_equal(rx(f, 1), 0);
	assert_int_equal(f->counters.rx_packets, 100);
	assert_int_equal(f->counters.rx_bytes, 100 * 60 + 10 * 99 * 100 / 2);
}

static void offload_state_travels(void **state)
{
	struct fixture *f = *state;
	struct virtio_net_hdr offload = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34 };
	const struct dummy_frame *sent;
	uint8_t frame[60] = { 0 };
	struct pkt *pkt;

	assert_int_equal(dummy_inject(f->port, 0, frame, sizeof(frame), &offload), 0);
	assert_int_equal(rx(f, 0), 1);
	pkt = &f->batch->pkts[0];
	assert_memory_equal(&pkt->offload, &offload, sizeof(offload));
	f->port->ops->tx(f->port->txqs[0], &pkt, 1, &f->counters);
	rx_done(f, 0);
	sent = dummy_sent_peek(f->port, 0);
	assert_non_null(sent);
	assert_memory_equal(&sent->offload, &offload, sizeof(offload));
}

static void wakes_who_sleeps(void **state)
{
	struct fixture *f = *state;
	const struct port_ops *ops = f->port->ops;
	struct rxq *q = f->port->rxqs[0];
	uint8_t frame[60] = { 0 };

	assert_false(ops->arm(q));
	assert_false(readable(q->wake_fd));
	assert_int_equal(dummy_inject(f->port, 0, frame, sizeof(frame), NULL), 0);
	assert_true(readable(q->wake_fd));
	ops->disarm(q);
	assert_true(ops->arm(q));
	assert_int_equal(rx(f, 0), 1);
	rx_done(f, 0);
	assert_false(ops->arm(q));
	assert_false(readable(q->wake_fd));
}

static void sent_frames_are_kept_until_full(void **state)
{
	struct fixture *f = *state;
	const struct dummy_frame *sent;
	uint8_t frame[1514], expected[1514];
	struct iovec frag;
	struct pkt pkt, *p = &pkt;
	unsigned n;

	for (n = 0; !f->counters.drops[DROP_tx_ring_full]; n++) {
		assert_true(n < 10000);
		memset(frame, (int)n, sizeof(frame));
		pkt_init_linear(&pkt, frame, sizeof(frame), &frag);
		f->port->ops->tx(f->port->txqs[1], &p, 1, &f->counters);
	}
	assert_true(n > 500);
	assert_int_equal(f->counters.tx_packets, n - 1);
	assert_int_equal(f->counters.tx_bytes, (n - 1) * sizeof(frame));
	assert_null(dummy_sent_peek(f->port, 0));
	for (unsigned i = 0; i < n - 1; i++) {
		sent = dummy_sent_peek(f->port, 1);
		assert_non_null(sent);
		assert_int_equal(sent->len, sizeof(frame));
		memset(expected, (int)i, sizeof(expected));
		assert_memory_equal(sent->bytes, expected, sizeof(expected));
		dummy_sent_pop(f->port, 1);
	}
	assert_null(dummy_sent_peek(f->port, 1));
}

static void injection_is_bounded(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[1514] = { 0 };
	unsigned n = 0;

	while (dummy_inject(f->port, 0, frame, sizeof(frame), NULL) == 0)
		assert_true(++n < 10000);
	assert_int_equal(dummy_inject(f->port, 0, frame, sizeof(frame), NULL), -ENOBUFS);
	assert_int_equal(rx(f, 0), BATCH_MAX);
	rx_done(f, 0);
	f->batch->most = 5;
	assert_int_equal(rx(f, 0), 5);
	rx_done(f, 0);
	assert_int_equal(dummy_inject(f->port, 0, frame, sizeof(frame), NULL), 0);
}

static void queues_change_when_quiet(void **state)
{
	struct fixture *f = *state;
	json_t *changes = json_pack("{s:i}", "queues", 5);
	uint8_t frame[60] = { 0 };
	struct error err;

	assert_int_equal(f->port->ops->set(f->port, changes, changes, &err), 0);
	assert_int_equal(f->env.n_quiesce, 1);
	assert_int_equal(f->env.n_changed, 0);
	assert_int_equal(f->port->n_rxqs, 2);
	f->port->ops->quiesced(f->port);
	assert_int_equal(f->env.n_changed, 1);
	assert_int_equal(f->port->n_rxqs, 5);
	assert_int_equal(f->port->n_txqs, 5);
	assert_int_equal(f->port->rxqs[4]->index, 4);
	assert_int_equal(dummy_inject(f->port, 4, frame, sizeof(frame), NULL), 0);
	assert_int_equal(rx(f, 4), 1);
	rx_done(f, 4);

	json_object_set_new(changes, "queues", json_integer(1));
	assert_int_equal(f->port->ops->set(f->port, changes, changes, &err), 0);
	f->port->ops->quiesced(f->port);
	assert_int_equal(f->port->n_txqs, 1);
	/* The same number again is no change. */
	assert_int_equal(f->port->ops->set(f->port, changes, changes, &err), 0);
	assert_int_equal(f->env.n_quiesce, 2);
	/* Not given any more: back to the default. */
	json_object_set_new(changes, "queues", json_integer(3));
	assert_int_equal(f->port->ops->set(f->port, changes, changes, &err), 0);
	f->port->ops->quiesced(f->port);
	assert_int_equal(f->port->n_txqs, 3);
	json_object_clear(changes);
	assert_int_equal(f->port->ops->set(f->port, changes, changes, &err), 0);
	f->port->ops->quiesced(f->port);
	assert_int_equal(f->port->n_txqs, 1);
	json_decref(changes);
}

static void link_is_told(void **state)
{
	struct fixture *f = *state;

	dummy_set_link(f->port, false);
	assert_false(f->port->link);
	assert_int_equal(f->env.n_changed, 1);
}

static void without_keep_it_discards(void **state)
{
	struct fake_env env = fake_env_make(NULL);
	struct port_counters c = { 0 };
	uint8_t frame[60] = { 0 };
	struct iovec frag;
	struct pkt pkt, *p = &pkt;
	struct port *port;
	struct error err;

	assert_int_equal(fake_create(&dummy_port_ops, &port, "d1",
				     json_pack("{s:s}", "keep", "off"), &env, &err),
			 0);
	pkt_init_linear(&pkt, frame, sizeof(frame), &frag);
	port->ops->tx(port->txqs[0], &p, 1, &c);
	assert_int_equal(c.tx_packets, 1);
	assert_null(dummy_sent_peek(port, 0));
	port->ops->destroy(port);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(frames_come_out_in_order_in_batches, setup,
						teardown),
		cmocka_unit_test_setup_teardown(offload_state_travels, setup, teardown),
		cmocka_unit_test_setup_teardown(wakes_who_sleeps, setup, teardown),
		cmocka_unit_test_setup_teardown(sent_frames_are_kept_until_full, setup, teardown),
		cmocka_unit_test_setup_teardown(injection_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(queues_change_when_quiet, setup, teardown),
		cmocka_unit_test_setup_teardown(link_is_told, setup, teardown),
		cmocka_unit_test(without_keep_it_discards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
