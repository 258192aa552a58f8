// SPDX-License-Identifier: Apache-2.0
/* While a guest is being migrated: random traffic in every layout, and each page of its memory that
 * is not as it was must be marked. And hardly any other.
 */
#include <linux/virtio_config.h>

#include "log_file.h"
#include "port/vhost_dirty.h"
#include "queue_stage.h"
#include "scale.h"
#include "virtio/net_header.h"

#define MODERN BIT(VIRTIO_F_VERSION_1)
#define MRG BIT(VIRTIO_NET_F_MRG_RXBUF)
#define TSO (BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_CSUM))
#define PAGE 4096u
#define STEPS 1500
#define LARGE 40000u /* bytes of the largest packets */

/* A guest's queue, its dirty log, and what its memory looked like. */
struct world {
	struct stage *s;
	struct log_file file;
	struct dirty_log *log;
	uint8_t *before[PAIR_REGIONS];
	unsigned seed;
	uint64_t n_changed, n_marked; /* pages, in all */
	uint64_t n_packets;
	struct pkt *pkts[BATCH_MAX];
	uint8_t bytes[BATCH_MAX][LARGE];
};

static unsigned roll(struct world *w, unsigned n)
{
	return (unsigned)rand_r(&w->seed) % n;
}

static unsigned steps(void)
{
	return 1 + scaled(STEPS);
}

/* The guest has written: what follows is to be ours. */
static void remember(struct world *w)
{
	for (unsigned i = 0; i < PAIR_REGIONS; i++)
		memcpy(w->before[i], w->s->pair.regions[i].host, w->s->pair.regions[i].size);
}

/* Compares and clears. */
static void check(struct world *w)
{
	for (unsigned i = 0; i < PAIR_REGIONS; i++) {
		const struct driver_region *r = &w->s->pair.regions[i];

		for (uint64_t at = 0; at < r->size; at += PAGE) {
			bool marked = log_file_take(&w->file, r->guest_addr + at);
			bool changed = memcmp(w->before[i] + at, r->host + at,
					      min((uint64_t)PAGE, r->size - at)) != 0;

			if (changed && !marked)
				fail_msg("seed of step %u: page %d of region %u is not marked",
					 w->seed, (int)(at / PAGE), i);
			w->n_changed += changed;
			w->n_marked += marked;
		}
	}
	assert_false(ring_broken(&w->s->vring.ring));
}

static struct world *open_world(uint64_t features, uint32_t size, uint16_t indirect,
				bool guest_sends)
{
	struct world *w = calloc(1, sizeof(*w));
	struct error err;

	w->s = start(features, size, indirect, guest_sends);
	w->file = log_file_make((PAIR_NEXT_ADDR + PAIR_NEXT_LEN) / PAGE / 8 + 1);
	assert_int_equal(dirty_log_create(&w->log, w->file.fd, 0, w->file.size, &err), 0);
	assert_int_equal(dirty_log_check(w->log, w->s->pair.mem, &err), 0);
	for (unsigned i = 0; i < PAIR_REGIONS; i++)
		w->before[i] = pair_alloc(w->s->pair.regions[i].size);
	w->s->state.log_fd = -1;
	w->s->state.log = w->log;
	remember(w);
	assert_int_equal(
		vhost_queue_init(&w->s->q, &w->s->port, 3, &w->s->vring, &w->s->state, guest_sends),
		0);
	check(w);
	w->n_changed = w->n_marked = 0;
	w->seed = size;
	return w;
}

static void close_world(struct world *w)
{
	for (unsigned i = 0; i < PAIR_REGIONS; i++)
		free(w->before[i]);
	dirty_log_destroy(w->log);
	log_file_end(&w->file);
	stop(w->s);
	free(w);
}

/* Up to 40 pieces of the guest's memory, in both regions, @len bytes in all. Returns how many. */
static unsigned pieces(struct world *w, struct iovec *iov, uint32_t len)
{
	struct stage *s = w->s;
	uint32_t piece = 1 + len / (1 + roll(w, 30));
	unsigned n = 0;

	if (len <= 1000 && !roll(w, 4)) { /* another region, somewhere */
		iov[0] = (struct iovec){ s->pair.next + roll(w, PAIR_NEXT_LEN - len), len };
		return 1;
	}
	if (s->at + len > PAIR_BUF_LEN)
		s->at = 0;
	while (len) {
		uint32_t part = min(piece, len);

		iov[n++] = (struct iovec){ s->pair.buf + s->at, part };
		s->at += part;
		len -= part;
	}
	return n;
}

static uint32_t some_len(struct world *w)
{
	return roll(w, 8) ? 14 + roll(w, 1500) : 14 + roll(w, LARGE - 14);
}

/* ---- what the guest sends */

static void guest_sends(struct world *w, unsigned n)
{
	struct driver_ring *driver = &w->s->pair.driver;

	while (n--) {
		struct iovec iov[64];
		uint32_t len = w->s->q.header_len + some_len(w);
		unsigned k = pieces(w, iov, len);

		memset(iov[0].iov_base, 0, min(iov[0].iov_len, (size_t)12));
		if (driver_ring_add(driver, iov, k, NULL, 0, driver))
			break;
	}
	driver_ring_publish(driver);
}

static void guest_reaps(struct world *w)
{
	uint32_t len;

	while (driver_ring_get(&w->s->pair.driver, &len))
		;
	assert_false(w->s->pair.driver.broken);
}

static void receive_step(struct world *w)
{
	struct stage *s = w->s;

	guest_reaps(w);
	guest_sends(w, roll(w, 30));
	remember(w);
	switch (roll(w, 4)) {
	case 0:
		vhost_queue_arm(&s->q.rxq);
		break;
	case 1:
		vhost_queue_disarm(&s->q.rxq);
		break;
	default:
		s->q.enabled = roll(w, 10) > 0;
		batch_clear(s->batch);
		vhost_queue_rx(&s->q.rxq, s->batch, &s->c);
		w->n_packets += s->batch->n;
		if (s->batch->n)
			vhost_queue_rx_done(&s->q.rxq, s->batch);
	}
	check(w);
}

/* ---- what it receives */

static void guest_offers(struct world *w, unsigned n)
{
	struct driver_ring *driver = &w->s->pair.driver;

	while (n--) {
		struct iovec iov[64];
		uint32_t len = w->s->q.mergeable ? 13 + roll(w, 2000) : w->s->q.header_len + 1514;
		unsigned k = pieces(w, iov, !w->s->q.mergeable && !roll(w, 9) ? LARGE + 12 : len);

		if (driver_ring_add(driver, NULL, 0, iov, k, driver))
			break;
	}
	driver_ring_publish(driver);
}

/* Packets with heads and fragments, whose bytes are no others' before. */
static unsigned make_packets(struct world *w, unsigned n)
{
	struct stage *s = w->s;

	batch_clear(s->batch);
	for (unsigned i = 0; i < n; i++) {
		uint32_t len = some_len(w);

		for (uint32_t k = 0; k < len; k += 256)
			memset(w->bytes[i] + k, (uint8_t)(w->n_packets + i + k / 256 + 1),
			       min(256u, len - k));
		w->pkts[i] = &s->batch->pkts[i];
		pkt_init_linear(w->pkts[i], w->bytes[i], len, &s->batch->frags[i]);
		if (len > 1514)
			w->pkts[i]->offload = (struct virtio_net_hdr){
				.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
				.gso_size = 1460,
			};
	}
	return n;
}

static void send_step(struct world *w)
{
	struct stage *s = w->s;
	unsigned n;

	guest_reaps(w);
	guest_offers(w, roll(w, 60));
	remember(w);
	n = make_packets(w, 1 + roll(w, BATCH_MAX));
	vhost_queue_tx(&s->q.txq, w->pkts, n, &s->c);
	w->n_packets += n;
	check(w);
}

/* ---- both */

static void run(uint64_t features, uint32_t size, uint16_t indirect, bool sends)
{
	struct world *w = open_world(features, size, indirect, sends);

	for (unsigned i = steps(); i--;)
		(sends ? receive_step : send_step)(w);
	print_message("%s, features %#llx, %u entries: %llu packets; %llu pages changed, %llu "
		      "marked\n",
		      sends ? "sent" : "received", (unsigned long long)features, size,
		      (unsigned long long)w->n_packets, (unsigned long long)w->n_changed,
		      (unsigned long long)w->n_marked);
	assert_int_equal(log_file_count(&w->file), 0); /* nothing where there is no memory */
	assert_true(w->n_packets > steps() / 4);
	assert_true(sends || w->s->c.tx_packets > steps() / 4);
	assert_true(w->n_changed > 0);
	/* Written with what was there before, and kick requests that change nothing. */
	assert_true(w->n_marked <= w->n_changed * 3 / 2 + 20);
	close_world(w);
}

static void test_every_layout(void **state)
{
	static const uint64_t kinds[] = {
		0,
		MODERN,
		MODERN | MRG | TSO,
		MODERN | MRG | EVENT_IDX,
		MODERN | TSO | INDIRECT | EVENT_IDX,
		MODERN | MRG | IN_ORDER,
		MODERN | PACKED,
		MODERN | PACKED | MRG | TSO | EVENT_IDX,
		MODERN | PACKED | MRG | INDIRECT,
		MODERN | PACKED | IN_ORDER | EVENT_IDX,
	};
	static const uint32_t sizes[] = { 64, 256, 1024 };

	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++)
		for (unsigned sends = 0; sends <= 1; sends++)
			run(kinds[i], sizes[i % ARRAY_SIZE(sizes)], kinds[i] & INDIRECT ? 64 : 0,
			    sends);
}

/* All of the ring is marked when a queue begins: who had it before may have died between a write
 * and its mark. */
static void test_start(void **state)
{
	for (unsigned packed = 0; packed <= 1; packed++) {
		struct world *w = open_world(MODERN | (packed ? PACKED : 0), 1024, 0, false);
		const struct ring_config *c = &w->s->vring.ring.config;
		uint64_t device = (uintptr_t)c->device - (uintptr_t)w->s->pair.regions[0].host;
		uint64_t desc = (uintptr_t)c->desc - (uintptr_t)w->s->pair.regions[0].host;

		vhost_dirty_start(&w->s->vring, &w->s->state);
		assert_true(log_file_take(&w->file, PAIR_RING_ADDR + device));
		if (packed)
			for (uint64_t at = 0; at < 16ull * 1024; at += PAGE)
				assert_true(log_file_take(&w->file, PAIR_RING_ADDR + desc + at));
		else
			for (uint64_t at = PAGE; at < 6 + 8ull * 1024; at += PAGE)
				assert_true(log_file_take(&w->file, PAIR_RING_ADDR + device + at));
		close_world(w);
	}
}

/* A ring that breaks in the midst of a batch: what was written before is marked all the same. */
static void test_broken(void **state)
{
	struct world *w = open_world(MODERN | MRG, 256, 0, false);
	struct stage *s = w->s;
	struct iovec iov = { s->pair.buf + 5 * PAGE, 2000 };

	assert_int_equal(driver_ring_add(&s->pair.driver, NULL, 0, &iov, 1, s), 0);
	driver_ring_publish(&s->pair.driver);
	pair_desc(&s->pair)[9] = (struct vring_desc){ .addr = PAIR_BUF_ADDR, .len = 64 };
	pair_offer(&s->pair, 9); /* cannot be written */
	remember(w);
	make_packets(w, 2);
	w->pkts[0]->len = w->pkts[0]->head_len = w->pkts[1]->len = w->pkts[1]->head_len = 100;
	w->pkts[0]->n_frags = w->pkts[1]->n_frags = 0;
	vhost_queue_tx(&s->q.txq, w->pkts, 2, &s->c);
	assert_int_equal(s->vring.ring.fault, RING_FAULT_NO_WRITABLE);
	assert_true(memcmp(w->before[1] + 5 * PAGE, iov.iov_base, PAGE) != 0);
	assert_true(log_file_take(&w->file, PAIR_BUF_ADDR + 5ull * PAGE));
	close_world(w);
}

/* A log that was cut off breaks the ring, and the process lives. */
static void test_log_cut_off(void **state)
{
	for (unsigned sends = 0; sends <= 1; sends++) {
		struct world *w = open_world(MODERN | MRG, 256, 0, sends);
		struct stage *s = w->s;

		bus_guard_install();
		guest_offers(w, 5 * !sends);
		guest_sends(w, sends);
		assert_int_equal(ftruncate(w->file.fd, 0), 0);
		if (sends) {
			batch_clear(s->batch);
			vhost_queue_rx(&s->q.rxq, s->batch, &s->c);
			vhost_queue_rx_done(&s->q.rxq, s->batch);
			batch_clear(s->batch);
			vhost_queue_rx(&s->q.rxq, s->batch, &s->c);
			assert_int_equal(s->batch->n, 0);
		} else {
			make_packets(w, 1);
			vhost_queue_tx(&s->q.txq, w->pkts, 1, &s->c);
		}
		assert_int_equal(s->vring.ring.fault, RING_FAULT_LOG);
		assert_int_equal(s->env.n_attention, 1);
		assert_int_equal(ftruncate(w->file.fd, (off_t)w->file.size), 0);
		close_world(w);
	}
}

/* Who wants to know that bits were set is told, once a batch, and not of what is set already. */
static void test_log_fd(void **state)
{
	struct world *w = open_world(MODERN, 256, 0, true);
	struct stage *s = w->s;
	uint64_t n = 0;
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	s->state.log_fd = fd;
	vhost_queue_arm(&s->q.rxq);
	assert_int_equal(read(fd, &n, sizeof(n)), sizeof(n));
	vhost_queue_arm(&s->q.rxq);
	assert_int_equal(read(fd, &n, sizeof(n)), -1);
	check(w);
	vhost_queue_disarm(&s->q.rxq);
	assert_int_equal(read(fd, &n, sizeof(n)), sizeof(n));
	close(fd);
	close_world(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_layout), cmocka_unit_test(test_start),
		cmocka_unit_test(test_broken),	     cmocka_unit_test(test_log_cut_off),
		cmocka_unit_test(test_log_fd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
