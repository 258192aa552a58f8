// SPDX-License-Identifier: Apache-2.0
/* How much a guest gets done in one turn of its queue: no more than a batch, and less when its
 * packets ask for many segments.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include "port/offload.h"
#include "queue_stage.h"

#define MODERN BIT(VIRTIO_F_VERSION_1)
#define LARGE (BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4))
#define RING 256u
#define HEADER_LEN 12
#define LEN 1500u /* bytes of a packet that asks for segments, */
#define SMALL 60u /* and of one that does not */
#define PACKETS 20

/* Every seventh is small. */
static uint32_t len_of(unsigned number)
{
	return number % 7 == 6 ? SMALL : LEN;
}

static void guest_sends(struct stage *s, unsigned number)
{
	const struct virtio_net_hdr_v1 header = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
						  .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
						  .gso_size = 10,
						  .hdr_len = 54,
						  .csum_start = 34,
						  .csum_offset = 16 };
	uint8_t *bytes = s->pair.buf + number * (HEADER_LEN + LEN);
	struct iovec iov = { bytes, HEADER_LEN + len_of(number) };

	assert_true((number + 1) * (HEADER_LEN + LEN) < PAIR_BUF_LEN);
	memset(bytes, 0, HEADER_LEN);
	if (len_of(number) == LEN)
		memcpy(bytes, &header, sizeof(header));
	for (uint32_t i = 0; i < len_of(number); i++)
		bytes[HEADER_LEN + i] = byte_of(number, i);
	assert_int_equal(driver_ring_add(&s->pair.driver, &iov, 1, NULL, 0, bytes), 0);
	driver_ring_publish(&s->pair.driver);
}

static void check_packet(const struct pkt *pkt, unsigned number)
{
	uint8_t bytes[LEN];

	assert_int_equal(pkt->len, len_of(number));
	pkt_copy(pkt, bytes);
	for (uint32_t i = 0; i < pkt->len; i++)
		assert_int_equal(bytes[i], byte_of(number, i));
}

/* Takes a batch, whose first packet has that number. Returns how many packets it has; @n_large: of
 * these, how many ask for segments. */
static unsigned take_turn(struct stage *s, unsigned first, unsigned *n_large)
{
	uint32_t len;
	unsigned n;

	batch_clear(s->batch);
	vhost_queue_rx(&s->q.rxq, s->batch, &s->c);
	n = s->batch->n;
	assert_int_equal(s->vring.ring.n_taken, n);
	*n_large = 0;
	for (unsigned i = 0; i < n; i++) {
		check_packet(&s->batch->pkts[i], first + i);
		*n_large += len_of(first + i) == LEN;
	}
	vhost_queue_rx_done(&s->q.rxq, s->batch);
	/* those come back, and no others */
	for (unsigned i = 0; i < n; i++)
		assert_non_null(driver_ring_get(&s->pair.driver, &len));
	assert_null(driver_ring_get(&s->pair.driver, &len));
	assert_false(s->pair.driver.broken);
	return n;
}

/* What is behind the packets that fill a turn comes in the next, in order and once. */
static void test_many_segments(void **state)
{
	static const uint64_t features[] = { 0, PACKED, PACKED | IN_ORDER, EVENT_IDX };
	const unsigned a_turn = OFFLOAD_TURN / (LEN / 10 + 1) + 1;

	for (unsigned k = 0; k < ARRAY_SIZE(features); k++) {
		struct stage *s = start(MODERN | LARGE | features[k], RING, 0, true);
		unsigned seen = 0, n_large;

		for (unsigned i = 0; i < PACKETS; i++)
			guest_sends(s, i);
		while (seen < PACKETS) {
			seen += take_turn(s, seen, &n_large);
			assert_true(n_large == a_turn || seen == PACKETS);
			assert_int_equal(s->c.rx_packets, seen);
		}
		assert_int_equal(take_turn(s, seen, &n_large), 0);
		assert_int_equal(all_drops(s), 0);
		stop(s);
	}
}

/* The worker wants fewer than a batch may have. */
static void test_fewer_packets(void **state)
{
	static const uint64_t features[] = { 0, PACKED, PACKED | IN_ORDER, EVENT_IDX };

	for (unsigned k = 0; k < ARRAY_SIZE(features); k++) {
		struct stage *s = start(MODERN | LARGE | features[k], RING, 0, true);
		unsigned seen = 0, n_large;

		for (unsigned i = 0; i < PACKETS; i++)
			guest_sends(s, i);
		for (s->batch->most = 1; seen < PACKETS; s->batch->most = 3 - s->batch->most) {
			unsigned want = min(s->batch->most, PACKETS - seen);

			assert_int_equal(take_turn(s, seen, &n_large), want);
			seen += want;
		}
		assert_int_equal(all_drops(s), 0);
		stop(s);
	}
}

/* How many segments a packet counts for. */
static void test_segments_of_a_packet(void **state)
{
	struct virtio_net_hdr header = { .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 1 };

	assert_true(offload_segments(&header, LEN) > OFFLOAD_TURN);
	header.gso_size = 0;
	assert_true(offload_segments(&header, LEN) > OFFLOAD_TURN);
	header.gso_type = VIRTIO_NET_HDR_GSO_NONE;
	assert_int_equal(offload_segments(&header, LEN), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many_segments),
		cmocka_unit_test(test_fewer_packets),
		cmocka_unit_test(test_segments_of_a_packet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
