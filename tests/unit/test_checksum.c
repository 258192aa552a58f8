// SPDX-License-Identifier: Apache-2.0
/* The internet checksum against a naive one, for every cut of a frame into fragments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "packet/checksum.h"

#define LEN_MAX 2048
#define PIECES_MAX 24

struct fixture {
	struct batch *in, *out;
	uint8_t frame[LEN_MAX];
	struct iovec iov[PIECES_MAX];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->in = batch_create();
	f->out = batch_create();
	assert_true(f->in && f->out);
	srandom(7);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	batch_destroy(f->in);
	batch_destroy(f->out);
	free(f);
	return 0;
}

static unsigned below(unsigned n)
{
	return (unsigned)random() % n;
}

/* The sum as RFC 1071 tells it: big-endian words, carries added at the end. */
static uint16_t naive(const uint8_t *p, size_t len)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? p[i] : (uint64_t)p[i] << 8;
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* A folded sum as a number. */
static uint16_t number(uint16_t folded)
{
	uint8_t bytes[2];

	memcpy(bytes, &folded, 2);
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

/* Random bytes, cut into random pieces, some of them empty. */
static struct pkt *make_packet(struct fixture *f, uint32_t len)
{
	struct pkt *pkt = &f->in->pkts[0];
	uint32_t at = 0;
	unsigned n = 0;

	for (uint32_t i = 0; i < len; i++)
		f->frame[i] = (uint8_t)random();
	while (n < PIECES_MAX - 1 && at < len) {
		uint32_t part = min(below(3) ? below(400) : below(4), len - at);

		f->iov[n++] = (struct iovec){ f->frame + at, part };
		at += part;
	}
	f->iov[n++] = (struct iovec){ f->frame + at, len - at };
	pkt_init(pkt, f->iov, n, len);
	return pkt;
}

static void rfc_1071_example(void **state)
{
	static const uint8_t bytes[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };

	assert_int_equal(number(checksum_fold(checksum_add(0, bytes, 8))), 0xddf2);
	assert_int_equal(checksum_fold(0), 0);
	assert_int_equal(checksum_fold(UINT64_MAX), 0xffff);
	assert_int_equal(checksum_fold(0xffffffff00000001ull), 1);
}

static void every_length_and_alignment(void **state)
{
	struct fixture *f = *state;

	make_packet(f, 200);
	for (unsigned at = 0; at < 9; at++)
		for (unsigned len = 0; len < 190; len++)
			assert_int_equal(number(checksum_fold(checksum_add(0, f->frame + at, len))),
					 naive(f->frame + at, len));
	memset(f->frame, 0xff, LEN_MAX);
	assert_int_equal(checksum_fold(checksum_add(0, f->frame, LEN_MAX)), 0xffff);
}

static void every_start_and_cut(void **state)
{
	struct fixture *f = *state;

	for (unsigned round = 0; round < 200; round++) {
		uint32_t len = below(LEN_MAX) + 1;
		struct pkt *pkt = make_packet(f, len);

		for (uint32_t from = 0; from <= len; from += 1 + below(30))
			assert_int_equal(number(checksum_fold(checksum_pkt(pkt, from))),
					 naive(f->frame + from, len - from));
	}
}

/* What the frame must become. */
static void expect_complete(const struct pkt *pkt, const uint8_t *frame, uint32_t len,
			    uint16_t start, uint16_t offset)
{
	uint8_t expected[LEN_MAX], got[LEN_MAX];
	uint16_t sum = (uint16_t)~naive(frame + start, len - start);

	if (!sum && offset == UDP_CSUM_OFFSET)
		sum = 0xffff;
	memcpy(expected, frame, len);
	expected[start + offset] = (uint8_t)(sum >> 8);
	expected[start + offset + 1] = (uint8_t)sum;
	assert_int_equal(pkt->len, len);
	pkt_copy(pkt, got);
	assert_memory_equal(got, expected, len);
	assert_int_equal(pkt->offload.flags, 0);
	assert_int_equal(pkt->offload.csum_start, 0);
	assert_int_equal(pkt->offload.csum_offset, 0);
}

/* In the private copy, or beyond it, in whatever fragments the field lies. */
static void a_request_is_done(void **state)
{
	struct fixture *f = *state;
	unsigned n_copies = 0;

	for (unsigned round = 0; round < 3000; round++) {
		uint32_t len = ETH_HLEN + 2 + below(round % 2 ? 300 : 1500);
		struct pkt *pkt = make_packet(f, len), before;
		uint16_t start = (uint16_t)(ETH_HLEN + below(len - ETH_HLEN - 1));
		uint16_t offset = (uint16_t)below(min(len - start - 1, 100u));
		uint8_t frame[LEN_MAX];

		pkt->offload.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		pkt->offload.csum_start = start;
		pkt->offload.csum_offset = offset;
		before = *pkt;
		memcpy(frame, f->frame, len);
		if (start + offset + 2u <= pkt->head_len) {
			assert_int_equal(checksum_complete(pkt), 0);
			expect_complete(pkt, frame, len, start, offset);
			continue;
		}
		assert_int_equal(checksum_complete(pkt), -EINVAL);
		batch_clear(f->out);
		assert_int_equal(checksum_complete_copy(pkt, f->out), 0);
		assert_int_equal(f->out->n, 1);
		assert_int_equal(f->out->n_frags, f->out->pkts[0].n_frags);
		expect_complete(&f->out->pkts[0], frame, len, start, offset);
		/* neither the packet nor what it refers to */
		assert_memory_equal(f->frame, frame, len);
		assert_memory_equal(pkt, &before, sizeof(before));
		n_copies++;
	}
	assert_true(n_copies > 100);
}

static void zero_is_not_sent_by_udp(void **state)
{
	struct fixture *f = *state;
	const uint16_t offsets[] = { UDP_CSUM_OFFSET, TCP_CSUM_OFFSET };

	for (unsigned i = 0; i < 2; i++) {
		struct pkt *pkt = make_packet(f, 60);
		uint16_t field;

		/* a sum of 0xffff: all zero but the field */
		memset(pkt->head + 34, 0, 26);
		memset(pkt->head + 34 + offsets[i], 0xff, 2);
		pkt->offload.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		pkt->offload.csum_start = 34;
		pkt->offload.csum_offset = offsets[i];
		assert_int_equal(checksum_complete(pkt), 0);
		memcpy(&field, pkt->head + 34 + offsets[i], 2);
		assert_int_equal(field, i ? 0 : 0xffff);
	}
}

static void arena_without_room(void **state)
{
	struct fixture *f = *state;
	struct pkt *pkt = make_packet(f, 1000);

	pkt->offload.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	pkt->offload.csum_start = 500;
	batch_clear(f->out);
	f->out->n_frags = BATCH_FRAGS_MAX - pkt->n_frags - 1;
	assert_int_equal(checksum_complete_copy(pkt, f->out), -ENOBUFS);
	assert_int_equal(f->out->n, 0);
	f->out->n_frags--;
	assert_int_equal(checksum_complete_copy(pkt, f->out), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc_1071_example),
		cmocka_unit_test_setup_teardown(every_length_and_alignment, setup, teardown),
		cmocka_unit_test_setup_teardown(every_start_and_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(a_request_is_done, setup, teardown),
		cmocka_unit_test_setup_teardown(zero_is_not_sent_by_udp, setup, teardown),
		cmocka_unit_test_setup_teardown(arena_without_room, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
