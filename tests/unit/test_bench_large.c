// SPDX-License-Identifier: Apache-2.0
// Large frames in several buffers and as segments: what is complete, what is lost, what is none.
#include <arpa/inet.h>
#include <linux/virtio_net.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "cli/bench_large.h"

#define FROM 0x02000000000aull
#define TO 0x02000000000bull
#define LEN (BENCH_TCP_HEADERS + 3 * BENCH_SEGMENT + 100)
#define HEADER_LEN 12
#define BUFFER 1000

static uint8_t sent[HEADER_LEN + LEN];
static struct bench_large large;

static void make(uint32_t number)
{
	const struct virtio_net_hdr_v1 header = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.gso_size = BENCH_SEGMENT,
		.num_buffers = (sizeof(sent) + BUFFER - 1) / BUFFER,
	};
	const struct bench_stamp stamp = { .flow = 5, .number = number };

	memcpy(sent, &header, sizeof(header));
	bench_frame_build(sent + HEADER_LEN, LEN, true, FROM, TO, 5);
	bench_frame_stamp(sent + HEADER_LEN, LEN, true, &stamp, true);
}

static void start(bool whole, bool segments)
{
	large = (struct bench_large){
		.len = LEN, .whole = whole, .mergeable = true, .segments = segments
	};
	assert_int_equal(bench_large_init(&large), 0);
}

static int stop(void **state)
{
	bench_large_destroy(&large);
	bench_large_destroy(&large); /* a destroyed one is fine */
	return 0;
}

static bool intact(void)
{
	uint8_t headers[BENCH_HEADERS_MAX];

	bench_frame_headers(headers, LEN, true, FROM, TO, 5);
	bench_large_mend(&large, headers);
	return bench_frame_intact(large.frame, LEN, true, headers);
}

/* The frame in buffers; what the last one said. */
static enum bench_piece merged(void)
{
	uint32_t at = 0;

	for (; sizeof(sent) - at > BUFFER; at += BUFFER)
		assert_int_equal(bench_large_take(&large, sent + at, BUFFER), BENCH_PIECE);
	return bench_large_take(&large, sent + at, (uint32_t)sizeof(sent) - at);
}

static void test_merged(void **state)
{
	start(true, false);
	for (uint32_t number = 0; number < 3; number++) {
		make(number);
		assert_int_equal(merged(), BENCH_PIECE_LAST);
		assert_true(intact());
		assert_int_equal(bench_frame_read(large.frame, true).number, number);
	}
	sent[HEADER_LEN + BENCH_TCP_AT + 16] ^= 1; /* the checksum that is the receiver's */
	assert_int_equal(merged(), BENCH_PIECE_LAST);
	assert_true(intact());
	sent[HEADER_LEN + 16] ^= 1; /* IPv4's length */
	assert_int_equal(merged(), BENCH_PIECE_LAST);
	assert_false(intact());
	make(3);
	sent[3000] ^= 1;
	assert_int_equal(merged(), BENCH_PIECE_LAST);
	assert_false(intact());
}

static void test_one_buffer(void **state)
{
	start(true, false);
	large.mergeable = false; /* then num_buffers means nothing */
	make(1);
	assert_int_equal(bench_large_take(&large, sent, sizeof(sent)), BENCH_PIECE_LAST);
	assert_true(intact());
}

/* What is no large frame, and what a guest could not take for one. */
static void test_other(void **state)
{
	static const uint8_t small[HEADER_LEN + 60];

	start(true, false);
	assert_int_equal(bench_large_take(&large, small, sizeof(small)), BENCH_PIECE_OTHER);
	assert_int_equal(bench_large_take(&large, small, 5), BENCH_PIECE_OTHER);
	make(1);
	sent[1] = VIRTIO_NET_HDR_GSO_NONE;
	assert_int_equal(merged(), BENCH_PIECE_OTHER);
	make(1);
	sent[0] = 0; /* its checksum would be wrong */
	assert_int_equal(merged(), BENCH_PIECE_OTHER);
	make(1);
	assert_int_equal(merged(), BENCH_PIECE_LAST);
}

/* More bytes and more buffers than there should be: nothing is written behind the frame. */
static void test_too_long(void **state)
{
	start(false, false);
	make(1);
	sent[10] = sent[11] = 0xff;
	for (unsigned i = 0; i < 0xffff - 1; i++)
		assert_int_equal(bench_large_take(&large, sent, sizeof(sent)), BENCH_PIECE);
	assert_int_equal(bench_large_take(&large, sent, sizeof(sent)), BENCH_PIECE_OTHER);
}

/* Segment @index of the frame, as a switch makes it. */
static enum bench_piece segment(unsigned index)
{
	uint8_t bytes[HEADER_LEN + BENCH_TCP_HEADERS + BENCH_SEGMENT] = { 0 };
	uint8_t *frame = bytes + HEADER_LEN;
	uint32_t offset = index * BENCH_SEGMENT, seq = htonl(offset);
	uint32_t n = min(LEN - BENCH_TCP_HEADERS - offset, (uint32_t)BENCH_SEGMENT);

	memcpy(frame, sent + HEADER_LEN, BENCH_TCP_HEADERS);
	frame[16] ^= 0x11; /* lengths and checksums differ */
	frame[24] ^= 0x22;
	frame[50] ^= 0x33;
	memcpy(frame + BENCH_TCP_AT + 4, &seq, sizeof(seq));
	memcpy(frame + BENCH_TCP_HEADERS, sent + HEADER_LEN + BENCH_TCP_HEADERS + offset, n);
	return bench_large_take(&large, bytes, HEADER_LEN + BENCH_TCP_HEADERS + n);
}

static void test_segments(void **state)
{
	start(true, true);
	for (uint32_t number = 0; number < 3; number++) {
		make(number);
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(segment(i), BENCH_PIECE);
		assert_int_equal(segment(3), BENCH_PIECE_LAST);
		assert_true(intact());
		assert_int_equal(bench_frame_read(large.frame, true).number, number);
	}
}

/* A frame is not put together from segments of two, or without one of them. */
static void test_lost_segments(void **state)
{
	start(true, true);
	make(1);
	assert_int_equal(segment(2), BENCH_PIECE);
	assert_int_equal(segment(3), BENCH_PIECE);
	assert_int_equal(segment(0), BENCH_PIECE);
	assert_int_equal(segment(1), BENCH_PIECE);
	make(2);
	assert_int_equal(segment(2), BENCH_PIECE);
	assert_int_equal(segment(3), BENCH_PIECE);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(segment(i), BENCH_PIECE);
	assert_int_equal(segment(3), BENCH_PIECE_LAST);
	assert_true(intact());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_merged, stop),
		cmocka_unit_test_teardown(test_one_buffer, stop),
		cmocka_unit_test_teardown(test_other, stop),
		cmocka_unit_test_teardown(test_too_long, stop),
		cmocka_unit_test_teardown(test_segments, stop),
		cmocka_unit_test_teardown(test_lost_segments, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
