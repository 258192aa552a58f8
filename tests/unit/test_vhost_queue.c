// SPDX-License-Identifier: Apache-2.0
/* Packets out of and into a guest's rings: every layout of buffers, everything that is dropped, and
 * rings that break.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "port/offload.h"
#include "queue_stage.h"
#include "virtio/net_header.h"

#define MODERN BIT(VIRTIO_F_VERSION_1)
#define MRG BIT(VIRTIO_NET_F_MRG_RXBUF)
#define CSUM BIT(VIRTIO_NET_F_CSUM)
#define RING 256u
#define LARGE 64000u /* bytes of a large packet */

/* ---- what the guest sends */

/* Memory of the guest's for @len bytes; the end of it is two regions that touch. */
static uint8_t *guest_bytes(struct stage *s, uint32_t len)
{
	uint8_t *p = s->pair.buf + s->at;

	if (s->at + len > PAIR_BUF_LEN) {
		s->at = 0;
		p = s->pair.buf;
	}
	s->at += len;
	return p;
}

/* The guest sends bytes (header and frame) in pieces of @piece bytes. */
static void guest_sends(struct stage *s, const void *bytes, uint32_t len, uint32_t piece)
{
	struct iovec iov[256];
	uint8_t *copy = guest_bytes(s, len);
	unsigned n = 0;

	memcpy(copy, bytes, len);
	for (uint32_t at = 0; at < len; at += piece)
		iov[n++] = (struct iovec){ copy + at, min(piece, len - at) };
	assert_int_equal(driver_ring_add(&s->pair.driver, iov, n, NULL, 0, copy), 0);
	driver_ring_publish(&s->pair.driver);
}

/* The guest takes back what was handled; returns how many, and nothing was written to any. */
static unsigned guest_reaps(struct stage *s)
{
	uint32_t len = 1;
	unsigned n = 0;

	while (driver_ring_get(&s->pair.driver, &len)) {
		assert_int_equal(len, 0);
		n++;
	}
	assert_false(s->pair.driver.broken);
	return n;
}

static unsigned rx(struct stage *s)
{
	batch_clear(s->batch);
	vhost_queue_rx(&s->q.rxq, s->batch, &s->c);
	return s->batch->n;
}

static void check_packet(const struct pkt *pkt, uint32_t number, uint32_t len)
{
	static uint8_t bytes[FRAME_LEN_MAX];

	assert_int_equal(pkt->len, len);
	assert_int_equal(pkt->head_len, min(len, (uint32_t)PKT_HEAD_MAX));
	pkt_copy(pkt, bytes);
	for (uint32_t i = 0; i < len; i++)
		assert_int_equal(bytes[i], byte_of(number, i));
}

static void make_bytes(uint8_t *bytes, unsigned header_len, uint32_t number, uint32_t len)
{
	memset(bytes, 0, header_len);
	for (uint32_t i = 0; i < len; i++)
		bytes[header_len + i] = byte_of(number, i);
}

/* Frames of all lengths, the header and they split everywhere. */
static void test_receives_every_layout(void **state)
{
	static const struct {
		uint64_t features;
		uint16_t header_len, indirect;
	} kinds[] = { { MODERN, 12, 0 },
		      { MRG, 12, 0 },
		      { 0, 10, 0 },
		      { MODERN | INDIRECT | EVENT_IDX, 12, 64 },
		      { MODERN | PACKED | INDIRECT | IN_ORDER, 12, 64 } };
	static const uint32_t pieces[] = { 1, 5, 9, 10, 11, 12, 13, 64, 139, 140, 141, 4096 };
	uint8_t bytes[2048];

	for (unsigned k = 0; k < ARRAY_SIZE(kinds); k++) {
		unsigned header_len = kinds[k].header_len;
		struct stage *s = start(kinds[k].features, RING, kinds[k].indirect, true);
		uint64_t packets = 0, sum = 0;

		assert_int_equal(s->q.header_len, header_len);
		for (unsigned p = 0; p < ARRAY_SIZE(pieces); p++)
			for (uint32_t len = 0; len < 1520; len += len < 20 ? 1 : 61) {
				if ((len + header_len) / pieces[p] > 60)
					continue;
				make_bytes(bytes, header_len, p, len);
				guest_sends(s, bytes, len + header_len, pieces[p]);
				assert_int_equal(rx(s), 1);
				check_packet(&s->batch->pkts[0], p, len);
				vhost_queue_rx_done(&s->q.rxq, s->batch);
				assert_int_equal(guest_reaps(s), 1);
				packets++;
				sum += len;
			}
		assert_int_equal(s->c.rx_packets, packets);
		assert_int_equal(s->c.rx_bytes, sum);
		assert_int_equal(all_drops(s), 0);
		stop(s);
	}
}

/* A frame that lies across two regions of memory that touch. */
static void test_receives_across_regions(void **state)
{
	struct stage *s = start(MODERN, RING, 0, true);
	uint8_t bytes[1000];
	struct vring_desc *desc = pair_desc(&s->pair);

	make_bytes(bytes, 12, 9, sizeof(bytes) - 12);
	memcpy(s->pair.buf + PAIR_BUF_LEN - 300, bytes, 300);
	memcpy(s->pair.next, bytes + 300, sizeof(bytes) - 300);
	desc[0] = (struct vring_desc){ .addr = PAIR_NEXT_ADDR - 300, .len = sizeof(bytes) };
	pair_offer(&s->pair, 0);
	assert_int_equal(rx(s), 1);
	check_packet(&s->batch->pkts[0], 9, sizeof(bytes) - 12);
	vhost_queue_rx_done(&s->q.rxq, s->batch);
	stop(s);
}

/* Batches; the guest gets everything back when the batch is done, not before, and is called once.
 */
static void test_receives_batches(void **state)
{
	struct stage *s = start(MODERN, RING, 0, true);
	uint8_t bytes[100];

	for (unsigned i = 0; i < 70; i++) {
		make_bytes(bytes, 12, i, 60);
		guest_sends(s, bytes, 72, 72);
	}
	for (unsigned n = 0; n < 70;) {
		unsigned got = rx(s);

		assert_in_range(got, 1, BATCH_MAX);
		for (unsigned i = 0; i < got; i++)
			check_packet(&s->batch->pkts[i], n + i, 60);
		assert_int_equal(guest_reaps(s), 0);
		assert_false(was_called(s));
		vhost_queue_rx_done(&s->q.rxq, s->batch);
		assert_int_equal(guest_reaps(s), got);
		assert_true(was_called(s));
		n += got;
	}
	assert_int_equal(rx(s), 0);
	/* a guest that does not want to be called, and one that cannot be */
	pair_avail(&s->pair)->flags = VRING_AVAIL_F_NO_INTERRUPT;
	guest_sends(s, bytes, 72, 72);
	assert_int_equal(rx(s), 1);
	vhost_queue_rx_done(&s->q.rxq, s->batch);
	assert_false(was_called(s));
	pair_avail(&s->pair)->flags = 0;
	close(s->vring.call_fd);
	s->vring.call_fd = -1;
	guest_sends(s, bytes, 72, 72);
	assert_int_equal(rx(s), 1);
	vhost_queue_rx_done(&s->q.rxq, s->batch);
	stop(s);
}

/* What cannot be a packet is dropped, counted once, and given back; the rest of the batch goes on.
 */
static void test_drops_what_is_no_packet(void **state)
{
	struct stage *s = start(MODERN, RING, 0, true);
	static uint8_t bytes[PAIR_BUF_LEN];
	struct virtio_net_hdr_v1 header = { 0 };
	struct vring_desc *desc = pair_desc(&s->pair);

	/* shorter than the header */
	for (uint32_t len = 1; len < 12; len++) {
		guest_sends(s, bytes, len, 7);
		assert_int_equal(rx(s), 0); /* and nothing is left to be done */
		assert_int_equal(guest_reaps(s), 1);
		assert_int_equal(s->c.drops[DROP_net_header], len);
	}
	/* nothing readable at all: no bytes, or a buffer to write to */
	desc[0] = (struct vring_desc){ .addr = PAIR_BUF_ADDR,
				       .len = 64,
				       .flags = VRING_DESC_F_WRITE };
	pair_offer(&s->pair, 0);
	assert_int_equal(rx(s), 0);
	desc[0] = (struct vring_desc){ .addr = PAIR_BUF_ADDR, .len = 0 };
	pair_offer(&s->pair, 0);
	assert_int_equal(rx(s), 0);
	assert_int_equal(s->c.drops[DROP_net_header], 13);
	stop(s);

	s = start(MODERN, RING, 0, true);
	/* without offloads a header means nothing, whatever is in it */
	make_bytes(bytes, 12, 1, 60);
	memset(bytes, 0xff, 12);
	guest_sends(s, bytes, 72, 72);
	assert_int_equal(rx(s), 1);
	check_packet(&s->batch->pkts[0], 1, 60);
	assert_true(offload_none(&s->batch->pkts[0]));
	vhost_queue_rx_done(&s->q.rxq, s->batch);
	stop(s);

	s = start(MODERN | CSUM, RING, 0, true);
	/* a checksum beyond the frame, and what was not negotiated, between two good packets */
	make_bytes(bytes, 12, 1, 60);
	memset(bytes, 0, 12);
	guest_sends(s, bytes, 72, 72);
	header.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	header.csum_start = 34;
	header.csum_offset = 25;
	memcpy(bytes, &header, 12);
	guest_sends(s, bytes, 72, 72);
	header = (struct virtio_net_hdr_v1){ .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 1 };
	memcpy(bytes, &header, 12);
	guest_sends(s, bytes, 72, 72);
	make_bytes(bytes, 12, 2, 60);
	memset(bytes, 0, 12);
	guest_sends(s, bytes, 72, 72);
	assert_int_equal(rx(s), 2);
	check_packet(&s->batch->pkts[0], 1, 60);
	check_packet(&s->batch->pkts[1], 2, 60);
	vhost_queue_rx_done(&s->q.rxq, s->batch);
	assert_int_equal(guest_reaps(s), 4);
	assert_int_equal(s->c.drops[DROP_net_header], 2);
	assert_int_equal(s->c.rx_packets, 4);
	stop(s);
}

static void test_longest_frame(void **state)
{
	struct stage *s = start(MODERN | INDIRECT, RING, 0, true);
	struct vring_desc *desc = pair_desc(&s->pair);

	/* the same bytes several times make it long enough */
	for (unsigned extra = 0; extra < 2; extra++) {
		uint32_t left = FRAME_LEN_MAX + 12 + extra;
		unsigned n = 0;

		memset(s->pair.buf, 0, 12);
		for (; left; n++) {
			uint32_t part = min(left, 16384u);

			desc[n] = (struct vring_desc){ .addr = PAIR_BUF_ADDR,
						       .len = part,
						       .flags = VRING_DESC_F_NEXT,
						       .next = (uint16_t)(n + 1) };
			left -= part;
		}
		desc[n - 1].flags = 0;
		pair_offer(&s->pair, 0);
		assert_int_equal(rx(s), 1 - extra);
		if (!extra) {
			assert_int_equal(s->batch->pkts[0].len, FRAME_LEN_MAX);
			vhost_queue_rx_done(&s->q.rxq, s->batch);
		}
	}
	assert_int_equal(s->c.drops[DROP_too_long], 1);
	stop(s);
}

/* Offloads that were negotiated come along, cleaned of what means nothing. */
static void test_passes_offloads(void **state)
{
	struct stage *s = start(MODERN | CSUM, RING, 0, true);
	struct virtio_net_hdr_v1 header = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM | 0x40,
					    .hdr_len = 999,
					    .gso_size = 7,
					    .csum_start = 34,
					    .csum_offset = 16,
					    .num_buffers = 77 };
	uint8_t bytes[100] = { 0 };

	memcpy(bytes, &header, 12);
	guest_sends(s, bytes, 100, 100);
	assert_int_equal(rx(s), 1);
	assert_int_equal(s->batch->pkts[0].offload.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(s->batch->pkts[0].offload.csum_start, 34);
	assert_int_equal(s->batch->pkts[0].offload.csum_offset, 16);
	assert_int_equal(s->batch->pkts[0].offload.hdr_len, 0);
	assert_int_equal(s->batch->pkts[0].offload.gso_size, 0);
	vhost_queue_rx_done(&s->q.rxq, s->batch);
	stop(s);
}

/* A queue that is not enabled: what is sent on it is thrown away. */
static void test_disabled_queue(void **state)
{
	struct stage *s = start(MODERN, RING, 0, true);
	uint8_t bytes[100] = { 0 };

	s->vring.enabled = false;
	assert_int_equal(vhost_queue_init(&s->q, &s->port, 3, &s->vring, &s->state, true), 0);
	for (unsigned i = 0; i < 40; i++)
		guest_sends(s, bytes, i < 10 ? 5 : 72, 72);
	assert_int_equal(rx(s), 0);
	assert_int_equal(rx(s), 0);
	assert_int_equal(guest_reaps(s), 40);
	assert_int_equal(s->c.drops[DROP_queue_disabled], 40);
	assert_int_equal(all_drops(s), 40);
	assert_int_equal(s->c.rx_packets, 40);
	assert_int_equal(s->c.rx_bytes, 30 * 60);
	stop(s);
}

/* Before sleep: asks for kicks, and tells of what is there already. */
static void test_arms(void **state)
{
	struct stage *s = start(MODERN, RING, 0, true);
	uint8_t bytes[100] = { 0 };

	assert_false(vhost_queue_arm(&s->q.rxq));
	assert_true(driver_ring_free(&s->pair.driver) == RING);
	guest_sends(s, bytes, 72, 72);
	assert_true(driver_ring_wants_kick(&s->pair.driver));
	assert_true(vhost_queue_arm(&s->q.rxq));
	vhost_queue_disarm(&s->q.rxq);
	guest_sends(s, bytes, 72, 72);
	assert_false(driver_ring_wants_kick(&s->pair.driver));
	assert_int_equal(rx(s), 2);
	vhost_queue_rx_done(&s->q.rxq, s->batch);
	assert_false(vhost_queue_arm(&s->q.rxq));
	stop(s);
}

/* A broken ring gives nothing, is told of once, and lets the worker sleep. */
static void test_broken_rx(void **state)
{
	struct stage *s = start(MODERN, RING, 0, true);
	uint8_t bytes[100];

	make_bytes(bytes, 12, 1, 60);
	guest_sends(s, bytes, 72, 72);
	pair_desc(&s->pair)[9] = (struct vring_desc){ .addr = 0xdead0000, .len = 64 };
	pair_offer(&s->pair, 9);
	assert_int_equal(rx(s), 1); /* what was before it comes first */
	check_packet(&s->batch->pkts[0], 1, 60);
	vhost_queue_rx_done(&s->q.rxq, s->batch);
	assert_int_equal(s->env.n_attention, 0);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(rx(s), 0);
		assert_false(vhost_queue_arm(&s->q.rxq));
		vhost_queue_disarm(&s->q.rxq);
	}
	assert_int_equal(s->vring.ring.fault, RING_FAULT_ADDRESS);
	assert_int_equal(s->env.n_attention, 1);
	assert_int_equal(s->c.rx_packets, 1);
	stop(s);
}

/* ---- what the guest receives */

/* The guest offers a buffer of @len bytes in pieces. */
static uint8_t *guest_offers(struct stage *s, uint32_t len, uint32_t piece)
{
	struct iovec iov[1024];
	uint8_t *p = guest_bytes(s, len);
	unsigned n = 0;

	memset(p, 0xcc, len);
	for (uint32_t at = 0; at < len; at += piece)
		iov[n++] = (struct iovec){ p + at, min(piece, len - at) };
	assert_int_equal(driver_ring_add(&s->pair.driver, NULL, 0, iov, n, p), 0);
	driver_ring_publish(&s->pair.driver);
	return p;
}

/* Packets with heads and fragments, as a worker has them. */
struct load {
	struct batch *batch;
	struct pkt *pkts[BATCH_MAX];
	uint8_t bytes[BATCH_MAX][FRAME_LEN_MAX];
	unsigned n;
};

static struct load load;

static void load_start(struct stage *s)
{
	load.batch = s->batch;
	batch_clear(s->batch);
	load.n = 0;
}

static void load_add(uint32_t number, uint32_t len)
{
	struct pkt *pkt = &load.batch->pkts[load.n];
	unsigned i = load.n;

	for (uint32_t k = 0; k < len; k++)
		load.bytes[i][k] = byte_of(number, k);
	pkt_init_linear(pkt, load.bytes[i], len, &load.batch->frags[i]);
	pkt->offload = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
						.csum_start = (uint16_t)number };
	load.pkts[load.n++] = pkt;
}

static void tx(struct stage *s)
{
	vhost_queue_tx(&s->q.txq, load.pkts, load.n, &s->c);
}

/* The guest takes one packet out of as many buffers as its header says; fails when it is another
 * than expected. Returns the number of buffers.
 */
static unsigned guest_receives(struct stage *s, uint32_t number, uint32_t len, uint32_t buffer_len)
{
	uint32_t header_len = s->q.header_len, left = header_len + len, used, at = 0;
	static uint8_t bytes[FRAME_LEN_MAX + 12];
	struct virtio_net_hdr_v1 header = { .num_buffers = 1 };
	unsigned n = 0;

	do {
		uint8_t *p = driver_ring_get(&s->pair.driver, &used);

		assert_non_null(p);
		assert_int_equal(used, min(left, buffer_len)); /* each is full but the last */
		memcpy(bytes + at, p, used);
		at += used;
		left -= used;
		if (!n++)
			memcpy(&header, p, min(header_len, used));
	} while (left);
	memcpy(&header, bytes, header_len);
	if (header_len == 12)
		assert_int_equal(header.num_buffers, n);
	assert_int_equal(header.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(header.csum_start, number);
	for (uint32_t i = 0; i < len; i++)
		assert_int_equal(bytes[header_len + i], byte_of(number, i));
	return n;
}

static void guest_receives_nothing(struct stage *s)
{
	uint32_t len;

	assert_null(driver_ring_get(&s->pair.driver, &len));
	assert_false(s->pair.driver.broken);
}

/* All lengths, in one buffer in pieces of any length, with both headers. */
static void test_sends_every_layout(void **state)
{
	static const uint64_t kinds[] = { MODERN, MODERN | MRG, 0, MODERN | INDIRECT | EVENT_IDX };
	static const uint32_t pieces[] = { 1, 10, 11, 12, 13, 127, 140, 2048 };

	for (unsigned k = 0; k < ARRAY_SIZE(kinds); k++) {
		struct stage *s = start(kinds[k], RING, kinds[k] & INDIRECT ? 64 : 0, false);
		uint64_t n = 0;

		assert_int_equal(s->q.header_len, kinds[k] ? 12 : 10);
		for (unsigned p = 0; p < ARRAY_SIZE(pieces); p++)
			for (uint32_t len = 0; len < 2000; len += len < 20 ? 1 : 83) {
				uint32_t room = len + s->q.header_len;

				if (room / pieces[p] > 60)
					continue;
				guest_offers(s, room, pieces[p]);
				driver_ring_enable_call(&s->pair.driver);
				load_start(s);
				load_add(len, len);
				tx(s);
				assert_int_equal(guest_receives(s, len, len, room), 1);
				assert_true(was_called(s));
				n++;
			}
		assert_int_equal(s->c.tx_packets, n);
		assert_int_equal(all_drops(s), 0);
		stop(s);
	}
}

/* A packet over several buffers, in a batch. */
static void test_merges_buffers(void **state)
{
	static const uint32_t buffers[] = { 12, 13, 64, 100, 1000, 1526 };

	for (unsigned b = 0; b < ARRAY_SIZE(buffers); b++) {
		struct stage *s = start(MODERN | MRG, 4096, 0, false);
		uint32_t lens[] = { 60, 0, 1514, 300, 1, 128, 129 };
		uint64_t bytes = 0;
		unsigned n = 0, total = 0;

		load_start(s);
		for (unsigned i = 0; i < ARRAY_SIZE(lens); i++) {
			if (lens[i] > buffers[b] * 40)
				lens[i] = buffers[b] * 40;
			load_add(i, lens[i]);
			n += (lens[i] + 12 + buffers[b] - 1) / buffers[b];
			bytes += lens[i];
		}
		for (unsigned i = 0; i < n + 3; i++)
			guest_offers(s, buffers[b], b % 2 ? 7 : 4096);
		tx(s);
		for (unsigned i = 0; i < ARRAY_SIZE(lens); i++)
			total += guest_receives(s, i, lens[i], buffers[b]);
		assert_int_equal(total, n);
		guest_receives_nothing(s);
		assert_int_equal(s->c.tx_packets, ARRAY_SIZE(lens));
		assert_int_equal(s->c.tx_bytes, bytes);
		assert_int_equal(all_drops(s), 0);
		/* what was not needed is there for the next one */
		load_start(s);
		load_add(50, 3 * buffers[b] - 12);
		tx(s);
		assert_int_equal(guest_receives(s, 50, 3 * buffers[b] - 12, buffers[b]), 3);
		stop(s);
	}
}

/* Buffers that are too small, and too few. */
static void test_small_and_few_buffers(void **state)
{
	struct stage *s = start(MODERN, RING, 0, false);

	/* not mergeable: what is too long is dropped, the buffer stays for the next */
	guest_offers(s, 100, 4096);
	guest_offers(s, 300, 4096);
	load_start(s);
	load_add(1, 89);
	load_add(2, 88);
	load_add(3, 200);
	load_add(4, 20);
	tx(s);
	guest_receives(s, 2, 88, 100);
	guest_receives(s, 3, 200, 300);
	guest_receives_nothing(s);
	assert_int_equal(s->c.drops[DROP_tx_buffer_small], 1);
	assert_int_equal(s->c.drops[DROP_tx_ring_full], 1);
	assert_int_equal(s->c.tx_packets, 2);
	/* an empty ring, then a buffer: nothing is stuck */
	tx(s);
	assert_int_equal(s->c.drops[DROP_tx_ring_full], 5);
	assert_int_equal(all_drops(s), 6);
	was_called(s);
	load_start(s);
	load_add(5, 30);
	tx(s);
	assert_false(was_called(s)); /* for nothing */
	guest_offers(s, 100, 4096);
	tx(s);
	guest_receives(s, 5, 30, 100);
	assert_true(was_called(s));
	stop(s);

	s = start(MODERN | MRG, RING, 0, false);
	/* mergeable: what does not fit in all there is waits for nobody; a shorter one may fit */
	for (unsigned i = 0; i < 3; i++)
		guest_offers(s, 100, 4096);
	load_start(s);
	load_add(1, 289);
	load_add(2, 150);
	load_add(3, 89);
	load_add(4, 88);
	tx(s);
	guest_receives(s, 2, 150, 100);
	guest_receives(s, 4, 88, 100);
	guest_receives_nothing(s);
	assert_int_equal(s->c.drops[DROP_tx_ring_full], 2);
	assert_int_equal(all_drops(s), 2);
	stop(s);
}

/* A packet that would need more buffers than can be in hand at once; and many that need many. */
static void test_very_many_buffers(void **state)
{
	struct stage *s = start(MODERN | MRG, 1024, 0, false);

	for (unsigned i = 0; i < 700; i++)
		guest_offers(s, 64, 4096);
	load_start(s);
	load_add(1, RING_TAKE_MAX * 64 - 12 + 1); /* one byte too long */
	load_add(2, RING_TAKE_MAX * 64 - 12);
	load_add(3, 40 * 64 - 12);
	load_add(4, 60 * 64 - 12);
	load_add(5, 100 * 64 - 12); /* with those before it in hand too many */
	load_add(6, 20);
	tx(s);
	assert_int_equal(s->c.drops[DROP_tx_buffer_small], 1);
	assert_int_equal(all_drops(s), 1);
	assert_int_equal(guest_receives(s, 2, RING_TAKE_MAX * 64 - 12, 64), RING_TAKE_MAX);
	assert_int_equal(guest_receives(s, 3, 40 * 64 - 12, 64), 40);
	assert_int_equal(guest_receives(s, 4, 60 * 64 - 12, 64), 60);
	assert_int_equal(guest_receives(s, 5, 100 * 64 - 12, 64), 100);
	assert_int_equal(guest_receives(s, 6, 20, 64), 1);
	guest_receives_nothing(s);
	assert_int_equal(s->c.tx_packets, 5);
	stop(s);
}

/* Rings that break on the way: what the guest did not get is not counted as if it had. */
static void test_broken_tx(void **state)
{
	static const struct {
		struct vring_desc desc;
		enum ring_fault fault;
	} breaks[] = {
		{ { .addr = PAIR_BUF_ADDR, .len = 100 }, RING_FAULT_NO_WRITABLE },
		{ { .addr = PAIR_BUF_ADDR, .len = 0, .flags = VRING_DESC_F_WRITE },
		  RING_FAULT_NO_WRITABLE },
		{ { .addr = 0xdead0000, .len = 100, .flags = VRING_DESC_F_WRITE },
		  RING_FAULT_ADDRESS },
	};

	for (unsigned b = 0; b < ARRAY_SIZE(breaks); b++) {
		struct stage *s = start(MODERN | MRG, RING, 0, false);

		guest_offers(s, 100, 4096);
		guest_offers(s, 100, 4096);
		pair_desc(&s->pair)[9] = breaks[b].desc;
		pair_offer(&s->pair, 9);
		load_start(s);
		for (unsigned i = 0; i < 4; i++)
			load_add(i, 60);
		tx(s);
		/* it may have been found after the first two were given to the guest, or before */
		assert_int_equal(s->c.tx_packets + s->c.drops[DROP_tx_ring_broken] +
					 s->c.drops[DROP_tx_ring_full],
				 4);
		assert_int_equal(pair_used(&s->pair)->idx, s->c.tx_packets);
		tx(s);
		assert_int_equal(s->vring.ring.fault, breaks[b].fault);
		assert_int_equal(s->env.n_attention, 1);
		tx(s);
		assert_int_equal(s->env.n_attention, 1);
		assert_int_equal(s->c.tx_packets + all_drops(s), 12);
		assert_int_equal(pair_used(&s->pair)->idx, s->c.tx_packets);
		assert_true(s->c.drops[DROP_tx_ring_broken] >= 4);
		stop(s);
	}
}

/* Readable buffers in front of the writable ones are none of ours. */
static void test_skips_readable_buffers(void **state)
{
	struct stage *s = start(MODERN, RING, 0, false);
	uint8_t *out = guest_bytes(s, 50), *in = guest_bytes(s, 100);
	struct iovec vout = { out, 50 };

	memset(out, 0x11, 50);
	for (uint32_t first = 20; first <= 100; first += 80) { /* in two pieces, and in one */
		struct iovec vin[2] = { { in, first }, { in + first, 100 - first } };

		assert_int_equal(
			driver_ring_add(&s->pair.driver, &vout, 1, vin, 1 + (first < 100), in), 0);
		driver_ring_publish(&s->pair.driver);
		load_start(s);
		load_add(3, 60);
		tx(s);
		guest_receives(s, 3, 60, 100);
	}
	for (unsigned i = 0; i < 50; i++)
		assert_int_equal(out[i], 0x11);
	stop(s);
}

/* Both ends: what one guest sends another gets, straight from its memory. */
static void test_from_guest_to_guest(void **state)
{
	struct stage *from = start(MODERN, RING, 0, true),
		     *to = start(MODERN | MRG, RING, 0, false);
	struct pkt *pkts[BATCH_MAX];
	uint8_t bytes[4096];

	for (unsigned round = 0; round < 200; round++) {
		for (unsigned i = 0; i < 8; i++) {
			make_bytes(bytes, 12, i, 40 * i * i);
			guest_sends(from, bytes, 12 + 40 * i * i, 700);
		}
		for (unsigned i = 0; i < 14; i++)
			guest_offers(to, 800, 300);
		assert_int_equal(rx(from), 8);
		for (unsigned i = 0; i < 8; i++) {
			pkts[i] = &from->batch->pkts[i];
			pkts[i]->offload.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
			pkts[i]->offload.csum_start = (uint16_t)i;
		}
		vhost_queue_tx(&to->q.txq, pkts, 8, &to->c);
		vhost_queue_rx_done(&from->q.rxq, from->batch);
		assert_int_equal(guest_reaps(from), 8);
		for (unsigned i = 0; i < 8; i++)
			guest_receives(to, i, 40 * i * i, 800);
		while (driver_ring_free(&to->pair.driver) < RING - 100) {
			/* use up what is left, so that the ring does not fill */
			load_start(to);
			load_add(0, 700);
			tx(to);
			guest_receives(to, 0, 700, 800);
		}
	}
	assert_int_equal(all_drops(from) + all_drops(to), 0);
	stop(from);
	stop(to);
}

/* 64 KiB in one piece: out of one guest's chain into many mergeable buffers of another, or into one
 * large one, with the request for segmentation. */
static void test_large_packets(void **state)
{
	static const uint64_t kinds[] = { MRG, 0 };
	static uint8_t bytes[12 + LARGE];
	struct virtio_net_hdr_v1 header = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
					    .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
					    .gso_size = 1448,
					    .hdr_len = 54,
					    .csum_start = 34,
					    .csum_offset = 16 };

	memcpy(bytes, &header, 12);
	for (uint32_t i = 0; i < LARGE; i++)
		bytes[12 + i] = byte_of(34, i);
	for (unsigned k = 0; k < ARRAY_SIZE(kinds); k++) {
		uint64_t offers = BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4);
		struct stage *from = start(MODERN | CSUM | BIT(VIRTIO_NET_F_HOST_TSO4), RING, 0,
					   true),
			     *to = start(MODERN | offers | kinds[k], RING, 0, false);
		uint32_t room = kinds[k] ? 1536 : LARGE + 12;

		assert_int_equal(to->q.txq.offloads, OFFLOAD_CSUM | OFFLOAD_TSO4);
		guest_sends(from, bytes, sizeof(bytes), 4096);
		assert_int_equal(rx(from), 1);
		for (uint32_t at = 0; at < sizeof(bytes); at += room)
			guest_offers(to, room, 4096);
		load.pkts[0] = &from->batch->pkts[0];
		load.n = 1;
		assert_int_equal(load.pkts[0]->offload.gso_size, 1448);
		tx(to);
		assert_int_equal(guest_receives(to, 34, LARGE, room),
				 (sizeof(bytes) + room - 1) / room);
		assert_int_equal(all_drops(from) + all_drops(to), 0);
		vhost_queue_rx_done(&from->q.rxq, from->batch);
		stop(from);
		stop(to);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_receives_every_layout),
		cmocka_unit_test(test_receives_across_regions),
		cmocka_unit_test(test_receives_batches),
		cmocka_unit_test(test_drops_what_is_no_packet),
		cmocka_unit_test(test_longest_frame),
		cmocka_unit_test(test_passes_offloads),
		cmocka_unit_test(test_disabled_queue),
		cmocka_unit_test(test_arms),
		cmocka_unit_test(test_broken_rx),
		cmocka_unit_test(test_sends_every_layout),
		cmocka_unit_test(test_merges_buffers),
		cmocka_unit_test(test_small_and_few_buffers),
		cmocka_unit_test(test_very_many_buffers),
		cmocka_unit_test(test_broken_tx),
		cmocka_unit_test(test_skips_readable_buffers),
		cmocka_unit_test(test_from_guest_to_guest),
		cmocka_unit_test(test_large_packets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
