// SPDX-License-Identifier: Apache-2.0
/* What guests have done to other back-ends, where a queue without a switch shows it better: a test
 * for each known vulnerability. doc/threat-model.md lists them all, with the rule that each one
 * tests.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "queue_stage.h"
#include "virtio/net_header.h"
#include "virtio/packed.h"

#define MODERN BIT(VIRTIO_F_VERSION_1)
#define MRG BIT(VIRTIO_NET_F_MRG_RXBUF)
#define RING 256u
#define UNTOUCHED 0xcc /* what receive buffers hold before the device writes there */

/* ---- a packet, and buffers to receive it in */

/* Makes @n packets of @len bytes in the stage's batch, and a list of them. */
static void make_packets(struct stage *s, struct pkt **list, unsigned n, uint32_t len)
{
	static uint8_t bytes[4096];

	for (uint32_t i = 0; i < len; i++)
		bytes[i] = byte_of(1, i);
	batch_clear(s->batch);
	for (unsigned i = 0; i < n; i++) {
		list[i] = &s->batch->pkts[i];
		pkt_init_linear(list[i], bytes, len, &s->batch->frags[i]);
	}
}

static void tx(struct stage *s, unsigned n, uint32_t len)
{
	struct pkt *list[BATCH_MAX];

	make_packets(s, list, n, len);
	vhost_queue_tx(&s->q.txq, list, n, &s->c);
}

/* Buffers of @len bytes each, @n of them, one behind the other, the first at @at. */
static uint8_t *offer(struct stage *s, uint32_t at, uint32_t len, unsigned n)
{
	uint8_t *first = s->pair.buf + at;

	memset(first, UNTOUCHED, (size_t)n * len);
	for (unsigned i = 0; i < n; i++) {
		struct iovec iov = { first + (size_t)i * len, len };

		assert_int_equal(driver_ring_add(&s->pair.driver, NULL, 0, &iov, 1, iov.iov_base),
				 0);
	}
	driver_ring_publish(&s->pair.driver);
	return first;
}

static void expect_untouched(const uint8_t *at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (at[i] != UNTOUCHED)
			fail_msg("byte %zu was written", i);
}

/* The guest takes back what was used, adds what was written, and puts the bytes together. Returns
 * the number of buffers. */
static unsigned reap(struct stage *s, uint8_t *bytes, uint32_t *total)
{
	unsigned n = 0;
	uint32_t len;
	uint8_t *p;

	*total = 0;
	while ((p = driver_ring_get(&s->pair.driver, &len))) {
		memcpy(bytes + *total, p, len);
		*total += len;
		n++;
	}
	assert_false(s->pair.driver.broken);
	return n;
}

/* Sends packets to a guest that has a bad buffer among @n good ones; @at_once: in one batch, else
 * one by one. */
static void send_to_bad_buffer(unsigned n, unsigned at, uint64_t addr, uint32_t len, bool at_once)
{
	struct stage *s = start(MODERN | PACKED, RING, 0, false);
	uint8_t *first = offer(s, 0, 100, n), bytes[4096];
	struct vring_packed_desc *bad = &pair_packed(&s->pair)[at];
	uint32_t total;
	unsigned got;

	bad->addr = addr;
	bad->len = len;
	for (unsigned i = 0; i < n; i++)
		tx(s, at_once ? n : 1, 60);
	/* those in front of it are good; the ring may be found broken when they are just in hand */
	got = reap(s, bytes, &total);
	assert_in_range(got, 0, at);
	assert_true(got > 0 || at == 0 || at_once);
	assert_int_equal(total, got * 72);
	assert_int_equal(s->c.tx_packets, got);
	assert_int_equal(s->c.tx_packets + all_drops(s), at_once ? n * n : n);
	assert_int_equal(ring_fault(&s->vring.ring),
			 len ? RING_FAULT_ADDRESS : RING_FAULT_NO_WRITABLE);
	for (unsigned i = 0; i < at; i++)
		expect_untouched(first + (size_t)i * 100 + 72, 28);
	expect_untouched(first + (size_t)at * 100, (size_t)(n - at) * 100);
	stop(s);
}

/* Of several buffers that a packed ring has, and that are looked at together, one is nowhere: its
 * address was used as it came. */
static void test_cve_2020_10725(void **state)
{
	static const uint64_t addresses[] = { 0, 1, PAIR_BUF_ADDR - 1,
					      PAIR_NEXT_ADDR + PAIR_NEXT_LEN, UINT64_MAX };
	static const uint32_t lens[] = { 0, 100, UINT32_MAX };
	enum { N = 8 };

	for (unsigned i = 0; i < ARRAY_SIZE(addresses); i++)
		for (unsigned j = 0; j < ARRAY_SIZE(lens); j++)
			for (unsigned at = 0; at < N; at++) {
				send_to_bad_buffer(N, at, addresses[i], lens[j], false);
				send_to_bad_buffer(N, at, addresses[i], lens[j], true);
			}
}

/* How many buffers a packet takes was written into its header when the header's buffer had been
 * given back. Here that is known before the first byte is written, wherever the field lies; and
 * buffers in hand are not written to when the memory that they lie in has gone. */
static void test_cve_2021_3748(void **state)
{
	struct guestmem *less = calloc(1, sizeof(*less) + sizeof(less->ranges[0]));
	struct virtio_net_hdr_v1 header;
	uint8_t bytes[4096], *first;
	struct stage *s;
	uint32_t total;

	/* the field lies in one buffer, in two, and in two that are not the first */
	for (uint32_t len = 1; len <= 12; len++) {
		const unsigned need = (12 + 40 + len - 1) / len;

		s = start(MODERN | MRG, RING, 0, false);
		offer(s, 0, len, need + 3);
		tx(s, 1, 40);
		assert_int_equal(reap(s, bytes, &total), need);
		assert_int_equal(total, 12 + 40);
		memcpy(&header, bytes, sizeof(header));
		assert_int_equal(header.num_buffers, need);
		for (uint32_t i = 0; i < 40; i++)
			assert_int_equal(bytes[12 + i], byte_of(1, i));
		stop(s);
	}
	/* buffers are taken ahead of packets; then the guest's memory is another */
	s = start(MODERN | MRG, RING, 0, false);
	first = offer(s, 0, 100, 8);
	tx(s, 1, 60);
	assert_int_equal(s->c.tx_packets, 1);
	assert_true(s->vring.ring.n_taken > 0);
	assert_non_null(less);
	less->serial = 1;
	less->n_ranges = 1;
	less->ranges[0] = s->pair.mem->ranges[0]; /* the ring, and nothing else */
	s->state.mem = less;
	tx(s, 3, 500);
	assert_int_equal(ring_fault(&s->vring.ring), RING_FAULT_ADDRESS);
	assert_int_equal(s->c.tx_packets, 1);
	expect_untouched(first + 100, 700);
	stop(s);
	free(less);
}

/* Buffers that were taken for a packet which then could not be written were never given back. */
static void test_cve_2022_26353(void **state)
{
	static const uint64_t layouts[] = { 0, PACKED };
	uint8_t bytes[4096];
	uint32_t total;

	for (unsigned i = 0; i < ARRAY_SIZE(layouts); i++) {
		struct stage *s = start(MODERN | MRG | layouts[i], RING, 0, false);

		offer(s, 0, 100, 3);
		for (unsigned n = 0; n < 10000; n++) {
			tx(s, 1, 388); /* needs four */
			assert_in_range(s->vring.ring.n_taken, 0, 3);
		}
		assert_int_equal(s->c.drops[DROP_tx_ring_full], 10000);
		assert_int_equal(reap(s, bytes, &total), 0);
		offer(s, 300, 100, 1);
		tx(s, 1, 388);
		assert_int_equal(s->c.tx_packets, 1);
		assert_int_equal(reap(s, bytes, &total), 4);
		assert_int_equal(total, 400);
		/* what is in hand when the queue changes hands goes back to the ring */
		offer(s, 0, 100, 3);
		tx(s, 1, 388);
		vhost_buffers_reset(&s->q);
		assert_int_equal(s->vring.ring.n_taken, 0);
		tx(s, 1, 288);
		assert_int_equal(reap(s, bytes, &total), 3);
		assert_int_equal(driver_ring_free(&s->pair.driver), RING);
		stop(s);
	}
}

/* Memory was taken for each request, however many a guest made without waiting for their end. Here
 * so many chains are in hand, at most, in memory that the queue has from the beginning; and a ring
 * that says it has more than it can is broken. */
static void test_cve_2016_5403(void **state)
{
	static struct iovec arena[RING_ARENA_LEN];
	static const uint64_t layouts[] = { 0, PACKED };
	struct ring_chain chains[RING_TAKE_MAX];

	for (unsigned i = 0; i < ARRAY_SIZE(layouts); i++) {
		struct stage *s = start(MODERN | layouts[i], RING, 0, true);
		struct ring *ring = &s->vring.ring;
		unsigned total = 0;

		offer(s, 0, 16, RING);
		for (unsigned n = 0; n < RING; n++)
			total += ring_take(ring, s->pair.mem, chains,
					   min(32u, RING_TAKE_MAX - (unsigned)ring->n_taken), arena,
					   RING_ARENA_LEN);
		assert_int_equal(total, RING_TAKE_MAX);
		assert_int_equal(ring->n_taken, RING_TAKE_MAX);
		assert_false(ring_broken(ring));
		stop(s);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(layouts); i++) {
		struct stage *s = start(MODERN | layouts[i], 16, 0, true);
		struct ring *ring = &s->vring.ring;

		offer(s, 0, 16, 16);
		assert_int_equal(ring_take(ring, s->pair.mem, chains, 32, arena, RING_ARENA_LEN),
				 16);
		if (layouts[i] & PACKED) /* the first one again, the next time around */
			pair_packed(&s->pair)[0].flags = packed_avail_bits(false);
		else
			pair_avail(&s->pair)->idx++;
		assert_int_equal(ring_take(ring, s->pair.mem, chains, 32, arena, RING_ARENA_LEN),
				 0);
		assert_int_equal(ring_fault(ring), RING_FAULT_AVAIL_INDEX);
		assert_int_equal(ring->n_taken, 16);
		stop(s);
	}
}

/* A worker takes so many chains of a queue in one turn, also when none of them is a packet (the
 * rest of CVE-2019-3900 is in test_known_frames.c). */
static void test_a_turn_ends(void **state)
{
	static const uint64_t layouts[] = { 0, PACKED };

	for (unsigned i = 0; i < ARRAY_SIZE(layouts); i++) {
		struct stage *s = start(MODERN | layouts[i], RING, 0, true);
		struct iovec iov = { s->pair.buf, 5 };

		for (unsigned n = 0; n < RING; n++)
			assert_int_equal(
				driver_ring_add(&s->pair.driver, &iov, 1, NULL, 0, iov.iov_base),
				0);
		driver_ring_publish(&s->pair.driver);
		for (unsigned turn = 1; turn <= RING / BATCH_MAX; turn++) {
			batch_clear(s->batch);
			vhost_queue_rx(&s->q.rxq, s->batch, &s->c);
			assert_int_equal(s->batch->n, 0);
			assert_int_equal(s->c.drops[DROP_net_header], turn * BATCH_MAX);
			assert_int_equal(s->vring.ring.n_taken, 0);
		}
		stop(s);
	}
}

/* No features make a header longer than there is room for it (CVE-2023-6693). */
static void test_header_length(void **state)
{
	for (unsigned i = 0; i < 64; i++)
		for (unsigned j = 0; j < 64; j++) {
			unsigned len = net_header_len(BIT(i) | BIT(j));

			assert_true(len == 10 || len == 12);
			assert_true(len <= NET_HEADER_LEN_MAX);
		}
	assert_int_equal(net_header_len(UINT64_MAX), 12);
	assert_int_equal(sizeof(struct virtio_net_hdr_mrg_rxbuf), NET_HEADER_LEN_MAX);
}

/* Writes two descriptors that make a frame of 72 bytes, in the layout of the ring, to @at. */
static void write_table(struct stage *s, uint64_t at, bool packed)
{
	struct vring_desc table[2] = { { PAIR_BUF_ADDR, 12, VRING_DESC_F_NEXT, 1 },
				       { PAIR_BUF_ADDR + 12, 60, 0, 0 } };
	const uint8_t *bytes = (const uint8_t *)table;

	if (packed)
		for (unsigned i = 0; i < 2; i++)
			table[i].flags = table[i].next = 0;
	for (size_t i = 0; i < sizeof(table); i++) {
		uint64_t len;
		uint8_t *p = guestmem_lookup(s->pair.mem, at + i, &len);

		if (p)
			*p = bytes[i];
	}
}

/* A table that lies in two regions, with a descriptor across their border or not, is read where the
 * guest has it; one that ends behind the last region breaks the ring. */
static void test_tables_across_regions(void **state)
{
	static const uint64_t layouts[] = { 0, PACKED };

	for (unsigned i = 0; i < ARRAY_SIZE(layouts); i++)
		for (unsigned first = 1; first < 32; first++) {
			bool packed = layouts[i] & PACKED;
			struct stage *s = start(MODERN | INDIRECT | layouts[i], RING, 0, true);
			struct iovec iov = { s->pair.buf, 32 };

			for (unsigned k = 0; k < 2; k++) {
				const uint64_t end =
					k ? PAIR_NEXT_ADDR + PAIR_NEXT_LEN : PAIR_NEXT_ADDR;

				memset(s->pair.buf, 0, 12);
				for (unsigned b = 0; b < 60; b++)
					s->pair.buf[12 + b] = byte_of(first, b);
				write_table(s, end - first, packed);
				assert_int_equal(driver_ring_add(&s->pair.driver, &iov, 1, NULL, 0,
								 iov.iov_base),
						 0);
				driver_ring_publish(&s->pair.driver);
				pair_desc(&s->pair)[k].addr = end - first;
				if (packed)
					pair_packed(&s->pair)[k].flags |= VRING_DESC_F_INDIRECT;
				else
					pair_desc(&s->pair)[k].flags = VRING_DESC_F_INDIRECT;
				batch_clear(s->batch);
				vhost_queue_rx(&s->q.rxq, s->batch, &s->c);
				assert_int_equal(s->batch->n, 1 - k);
				if (k)
					break;
				assert_int_equal(s->batch->pkts[0].len, 60);
				for (unsigned b = 0; b < 60; b++)
					assert_int_equal(s->batch->pkts[0].head[b],
							 byte_of(first, b));
				vhost_queue_rx_done(&s->q.rxq, s->batch);
			}
			assert_int_equal(ring_fault(&s->vring.ring), RING_FAULT_ADDRESS);
			stop(s);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cve_2020_10725),	      cmocka_unit_test(test_cve_2021_3748),
		cmocka_unit_test(test_cve_2022_26353),	      cmocka_unit_test(test_cve_2016_5403),
		cmocka_unit_test(test_a_turn_ends),	      cmocka_unit_test(test_header_length),
		cmocka_unit_test(test_tables_across_regions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
