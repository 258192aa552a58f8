// SPDX-License-Identifier: Apache-2.0
// Ports of kind dummy: frames from and to a test.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/spsc.h"
#include "port/dummy.h"
#include "port/kinds.h"
#include "port/offload.h"

#define STORE_SIZE (1u << 20) /* bytes of frames that wait in a queue */

struct dummy_rxq {
	struct rxq q;
	struct spsc store; /* test to worker */
};

struct dummy_txq {
	struct txq q;
	struct spsc store; /* worker to test */
};

/* Queues are made when first wanted and live as long as the port. */
struct dummy {
	struct port port;
	bool keep;
	unsigned n_made, n_wanted;
	unsigned offloads; /* that the test takes */
	void (*on_quiesced)(struct port *port);
	struct dummy_rxq rxqs[DUMMY_QUEUES_MAX];
	struct dummy_txq txqs[DUMMY_QUEUES_MAX];
};

static const struct option dummy_options[] = {
	{ .name = "queues",
	  .type = OPTION_UINT,
	  .help = "queue pairs (1)",
	  .min = 1,
	  .max = DUMMY_QUEUES_MAX },
	{ .name = "keep",
	  .type = OPTION_BOOL,
	  .flags = OPTION_FIXED,
	  .help = "keep what is sent until the test takes it, or discard it (on)" },
	OFFLOAD_OPTIONS(0),
	{ .name = NULL },
};

static struct dummy *to_dummy(const struct port *port)
{
	return container_of(port, struct dummy, port);
}

static void free_queue(struct dummy *d, unsigned i)
{
	if (d->rxqs[i].q.wake_fd >= 0)
		close(d->rxqs[i].q.wake_fd);
	spsc_destroy(&d->rxqs[i].store);
	spsc_destroy(&d->txqs[i].store);
}

static int make_queue(struct dummy *d, unsigned i)
{
	struct dummy_rxq *rxq = &d->rxqs[i];
	struct dummy_txq *txq = &d->txqs[i];
	int r;

	rxq->q = (struct rxq){ .port = &d->port, .index = i, .wake_fd = -1 };
	txq->q = (struct txq){ .port = &d->port, .index = i, .offloads = d->offloads };
	r = spsc_init(&rxq->store, STORE_SIZE);
	if (r < 0)
		return r;
	r = spsc_init(&txq->store, STORE_SIZE);
	if (r < 0)
		goto fail_txq;
	rxq->q.wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (rxq->q.wake_fd < 0) {
		r = -errno;
		goto fail_wake;
	}
	return 0;
fail_wake:
	spsc_destroy(&txq->store);
fail_txq:
	spsc_destroy(&rxq->store);
	return r;
}

static int make_queues(struct dummy *d, unsigned n, struct error *err)
{
	for (; d->n_made < n; d->n_made++) {
		int r = make_queue(d, d->n_made);

		if (r < 0)
			return error_set(err, r, "cannot make queue %u: %s", d->n_made,
					 strerror(-r));
	}
	return 0;
}

static void show_queues(struct dummy *d)
{
	d->port.n_rxqs = d->port.n_txqs = d->n_wanted;
	for (unsigned i = 0; i < d->n_wanted; i++) {
		d->port.rxqs[i] = &d->rxqs[i].q;
		d->port.txqs[i] = &d->txqs[i].q;
	}
}

static void dummy_destroy(struct port *port)
{
	struct dummy *d;

	if (!port)
		return;
	d = to_dummy(port);
	for (unsigned i = 0; i < d->n_made; i++)
		free_queue(d, i);
	free(d);
}

static int dummy_create(struct port **out, const char *name, const json_t *options,
			const struct port_env *env, void *owner, struct error *err)
{
	struct dummy *d = aligned_alloc(_Alignof(struct dummy), sizeof(*d));
	int r;

	if (!d)
		return error_set(err, -ENOMEM, "out of memory");
	memset(d, 0, sizeof(*d));
	port_init(&d->port, &dummy_port_ops, name, env, owner);
	d->keep = option_bool(options, "keep", true);
	d->n_wanted = (unsigned)option_uint(options, "queues", 1);
	d->offloads = offload_wanted(options);
	r = make_queues(d, d->n_wanted, err);
	if (r < 0) {
		dummy_destroy(&d->port);
		return r;
	}
	show_queues(d);
	d->port.link = true;
	*out = &d->port;
	return 0;
}

static int dummy_set(struct port *port, const json_t *options, const json_t *changes,
		     struct error *err)
{
	struct dummy *d = to_dummy(port);
	unsigned n = (unsigned)option_uint(options, "queues", 1);
	int r;

	d->offloads = offload_wanted(options);
	for (unsigned i = 0; i < d->n_made; i++)
		/* alone: read by workers whenever they send */
		__atomic_store_n(&d->txqs[i].q.offloads, d->offloads, __ATOMIC_RELAXED);
	r = make_queues(d, n, err);
	if (r < 0 || n == d->n_wanted)
		return r;
	d->n_wanted = n;
	port->env->quiesce(port);
	return 0;
}

static void dummy_quiesced(struct port *port)
{
	struct dummy *d = to_dummy(port);

	show_queues(d);
	port->env->changed(port);
	if (d->on_quiesced)
		d->on_quiesced(port);
}

static void dummy_show(const struct port *port, json_t *out)
{
	const struct dummy *d = to_dummy(port);

	json_object_set_new(out, "queues", json_integer(d->n_wanted));
	json_object_set_new(out, "keep", json_boolean(d->keep));
}

static void dummy_rx(struct rxq *q, struct batch *batch, struct port_counters *c)
{
	struct dummy_rxq *rxq = container_of(q, struct dummy_rxq, q);
	struct dummy_frame *frame;
	uint64_t bytes = 0;
	size_t len;

	while (batch->n < batch->most && (frame = spsc_peek(&rxq->store, &len))) {
		struct pkt *pkt = &batch->pkts[batch->n++];

		pkt_init_linear(pkt, frame->bytes, frame->len, &batch->frags[batch->n_frags++]);
		pkt->offload = frame->offload;
		bytes += frame->len;
		spsc_pop(&rxq->store);
	}
	counter_add(&c->rx_packets, batch->n);
	counter_add(&c->rx_bytes, bytes);
}

static void dummy_rx_done(struct rxq *q, struct batch *batch)
{
	spsc_release(&container_of(q, struct dummy_rxq, q)->store);
}

static bool dummy_arm(struct rxq *q)
{
	uint64_t n;

	/* Takes back old wake-ups first: what is injected after the check below makes a new one. */
	if (read(q->wake_fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
		return true;
	return !spsc_empty(&container_of(q, struct dummy_rxq, q)->store);
}

static void dummy_disarm(struct rxq *q)
{
}

static void dummy_tx(struct txq *q, struct pkt *const *pkts, unsigned n, struct port_counters *c)
{
	struct dummy_txq *txq = container_of(q, struct dummy_txq, q);
	bool keep = to_dummy(q->port)->keep;

	for (unsigned i = 0; i < n; i++) {
		const struct pkt *pkt = pkts[i];

		if (keep) {
			size_t size = sizeof(struct dummy_frame) + pkt->len;
			struct dummy_frame *frame = spsc_reserve(&txq->store, size);

			if (!frame) {
				drop_count(c, DROP_tx_ring_full, 1);
				continue;
			}
			frame->offload = pkt->offload;
			frame->len = pkt->len;
			pkt_copy(pkt, frame->bytes);
			spsc_commit(&txq->store, size);
			counter_add(&c->copied_bytes, pkt->len);
		}
		counter_add(&c->tx_packets, 1);
		counter_add(&c->tx_bytes, pkt->len);
	}
}

int dummy_inject(struct port *port, unsigned queue, const void *frame, uint32_t len,
		 const struct virtio_net_hdr *offload)
{
	struct dummy_rxq *rxq = &to_dummy(port)->rxqs[queue];
	size_t size = sizeof(struct dummy_frame) + len;
	struct dummy_frame *record = spsc_reserve(&rxq->store, size);
	uint64_t one = 1;

	if (!record)
		return -ENOBUFS;
	record->offload = offload ? *offload : (struct virtio_net_hdr){ 0 };
	record->len = len;
	memcpy(record->bytes, frame, len);
	spsc_commit(&rxq->store, size);
	/* The counter cannot overflow in a program's life, and nothing else makes this fail. */
	return write(rxq->q.wake_fd, &one, sizeof(one)) < 0 ? -errno : 0;
}

const struct dummy_frame *dummy_sent_peek(struct port *port, unsigned queue)
{
	size_t len;

	return spsc_peek(&to_dummy(port)->txqs[queue].store, &len);
}

void dummy_sent_pop(struct port *port, unsigned queue)
{
	struct spsc *store = &to_dummy(port)->txqs[queue].store;

	spsc_pop(store);
	spsc_release(store);
}

void dummy_set_link(struct port *port, bool link)
{
	port->link = link;
	port->env->changed(port);
}

void dummy_on_quiesced(struct port *port, void (*fn)(struct port *port))
{
	to_dummy(port)->on_quiesced = fn;
}

const struct port_ops dummy_port_ops = {
	.kind = "dummy",
	.summary = "frames from and to a test program",
	.options = dummy_options,
	.create = dummy_create,
	.destroy = dummy_destroy,
	.set = dummy_set,
	.quiesced = dummy_quiesced,
	.show = dummy_show,
	.rx = dummy_rx,
	.rx_done = dummy_rx_done,
	.arm = dummy_arm,
	.disarm = dummy_disarm,
	.tx = dummy_tx,
};
