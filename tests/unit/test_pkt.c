// SPDX-License-Identifier: Apache-2.0
/* Packets: every length and split of a frame arrives whole, and tags come and go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "packet/parse.h"
#include "packet/pkt.h"

#define FRAGS_MAX 64

struct fixture {
	struct pkt pkt;
	uint8_t *frame; /* FRAME_LEN_MAX bytes of a pattern */
};

static int setup(void **state)
{
	struct fixture *f = aligned_alloc(CACHE_LINE, sizeof(*f));

	assert_non_null(f);
	f->frame = malloc(FRAME_LEN_MAX);
	assert_non_null(f->frame);
	for (unsigned i = 0; i < FRAME_LEN_MAX; i++)
		f->frame[i] = (uint8_t)(i * 7 + i / 251);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	free(f->frame);
	free(f);
	return 0;
}

/* Copies [at, at + len) of the frame to a block of exactly that size, so that a sanitizer sees any
 * byte read beyond it. */
static struct iovec piece(const struct fixture *f, uint32_t at, uint32_t len)
{
	struct iovec iov = { malloc(len ? len : 1), len };

	assert_non_null(iov.iov_base);
	memcpy(iov.iov_base, f->frame + at, len);
	return iov;
}

/* The packet is the frame's first @len bytes, as @head_len bytes of head and the rest in frags. */
static void assert_is_frame(const struct fixture *f, uint32_t len)
{
	const struct pkt *pkt = &f->pkt;
	uint8_t *copy = malloc(len ? len : 1);
	uint32_t sum = 0;

	assert_non_null(copy);
	assert_int_equal(pkt->len, len);
	assert_int_equal(pkt->head_len, min(len, (uint32_t)PKT_HEAD_MAX));
	for (unsigned i = 0; i < pkt->n_frags; i++)
		sum += (uint32_t)pkt->frags[i].iov_len;
	assert_int_equal(sum, len - pkt->head_len);
	pkt_copy(pkt, copy);
	assert_memory_equal(copy, f->frame, len);
	free(copy);
}

static void linear_of_every_length(void **state)
{
	struct fixture *f = *state;

	for (uint32_t len = 0; len <= 1600; len++) {
		struct iovec frame = piece(f, 0, len), frag;

		pkt_init_linear(&f->pkt, frame.iov_base, len, &frag);
		assert_int_equal(f->pkt.n_frags, len > PKT_HEAD_MAX);
		assert_is_frame(f, len);
		free(frame.iov_base);
	}
}

static void longest_frame(void **state)
{
	struct fixture *f = *state;
	struct iovec frag;

	pkt_init_linear(&f->pkt, f->frame, FRAME_LEN_MAX, &frag);
	assert_is_frame(f, FRAME_LEN_MAX);
}

/* Any two cuts in the frame, the second fragment possibly empty. */
static void three_fragments_cut_everywhere(void **state)
{
	struct fixture *f = *state;
	const uint32_t len = 200;

	for (uint32_t a = 0; a <= len; a++) {
		for (uint32_t b = a; b <= len; b++) {
			struct iovec iov[3] = { piece(f, 0, a), piece(f, a, b - a),
						piece(f, b, len - b) };
			void *bases[3] = { iov[0].iov_base, iov[1].iov_base, iov[2].iov_base };

			pkt_init(&f->pkt, iov, 3, len);
			assert_is_frame(f, len);
			for (unsigned i = 0; i < 3; i++)
				free(bases[i]);
		}
	}
}

/* Fragments of @size bytes each. */
static void many_fragments(void **state)
{
	struct fixture *f = *state;

	for (uint32_t size = 1; size <= 40; size++) {
		for (unsigned n = 1; n <= FRAGS_MAX; n++) {
			struct iovec iov[FRAGS_MAX];

			for (unsigned i = 0; i < n; i++)
				iov[i] = (struct iovec){ f->frame + i * size, size };
			pkt_init(&f->pkt, iov, n, n * size);
			assert_is_frame(f, n * size);
		}
	}
}

static void head_is_private(void **state)
{
	struct fixture *f = *state;
	struct iovec iov = piece(f, 0, 60);
	void *base = iov.iov_base;

	memset(&f->pkt.offload, 0xff, sizeof(f->pkt.offload));
	pkt_init(&f->pkt, &iov, 1, 60);
	memset(base, 0, 60);
	assert_is_frame(f, 60);
	assert_int_equal(f->pkt.offload.flags, 0);
	assert_int_equal(f->pkt.offload.gso_type, 0);
	free(base);
}

static void make_frame(struct fixture *f, uint32_t len, uint16_t type, struct iovec *frag)
{
	f->frame[12] = (uint8_t)(type >> 8);
	f->frame[13] = (uint8_t)type;
	pkt_init_linear(&f->pkt, f->frame, len, frag);
	pkt_parse(&f->pkt);
}

static void tag_is_pushed_changed_and_popped(void **state)
{
	struct fixture *f = *state;
	const uint32_t lengths[] = { 14, 60, 127, 128, 129, 1514 };

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		uint32_t len = lengths[i];
		uint8_t tagged[1600];
		struct iovec frag;

		make_frame(f, len, ETH_P_IP, &frag);
		assert_false(f->pkt.tagged);
		pkt_set_tag(&f->pkt, false, 0);
		assert_is_frame(f, len);

		pkt_set_tag(&f->pkt, true, 0x2123);
		assert_true(f->pkt.tagged);
		assert_int_equal(f->pkt.tci, 0x2123);
		assert_int_equal(f->pkt.len, len + VLAN_TAG_LEN);
		assert_int_equal(f->pkt.ethertype, ETH_P_IP);
		pkt_copy(&f->pkt, tagged);
		assert_memory_equal(tagged, f->frame, 12);
		assert_memory_equal(tagged + 12, "\x81\x00\x21\x23", 4);
		assert_memory_equal(tagged + 16, f->frame + 12, len - 12);

		pkt_set_tag(&f->pkt, true, 0x0fff);
		assert_int_equal(f->pkt.len, len + VLAN_TAG_LEN);
		pkt_copy(&f->pkt, tagged);
		assert_memory_equal(tagged + 12, "\x81\x00\x0f\xff", 4);

		pkt_set_tag(&f->pkt, false, 0);
		assert_false(f->pkt.tagged);
		assert_is_frame(f, len);
	}
}

static void received_tag_is_popped_and_pushed_again(void **state)
{
	struct fixture *f = *state;
	struct iovec frag;
	uint8_t out[200];

	memcpy(f->frame + 14, "\x00\x07\x08\x00", 4);
	make_frame(f, 150, ETH_P_8021Q, &frag);
	assert_true(f->pkt.tagged);
	assert_int_equal(f->pkt.tci, 7);
	for (unsigned round = 0; round < 100; round++) {
		pkt_set_tag(&f->pkt, false, 0);
		assert_int_equal(f->pkt.len, 146);
		pkt_copy(&f->pkt, out);
		assert_memory_equal(out, f->frame, 12);
		assert_memory_equal(out + 12, f->frame + 16, 134);
		pkt_set_tag(&f->pkt, true, 7);
		assert_is_frame(f, 150);
	}
}

static void offload_offsets_move_with_the_tag(void **state)
{
	struct fixture *f = *state;
	struct iovec frag;

	make_frame(f, 100, ETH_P_IP, &frag);
	f->pkt.offload = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = 54,
		.gso_size = 1448,
		.csum_start = 34,
		.csum_offset = 16,
	};
	pkt_set_tag(&f->pkt, true, 1);
	assert_int_equal(f->pkt.offload.csum_start, 38);
	assert_int_equal(f->pkt.offload.hdr_len, 58);
	assert_int_equal(f->pkt.offload.csum_offset, 16);
	assert_int_equal(f->pkt.offload.gso_size, 1448);
	pkt_set_tag(&f->pkt, true, 2);
	assert_int_equal(f->pkt.offload.csum_start, 38);
	pkt_set_tag(&f->pkt, false, 0);
	assert_int_equal(f->pkt.offload.csum_start, 34);
	assert_int_equal(f->pkt.offload.hdr_len, 54);

	f->pkt.offload = (struct virtio_net_hdr){ 0 };
	pkt_set_tag(&f->pkt, true, 1);
	assert_int_equal(f->pkt.offload.csum_start, 0);
	assert_int_equal(f->pkt.offload.hdr_len, 0);
}

static void bytes_come_and_go_anywhere(void **state)
{
	struct fixture *f = *state;
	struct iovec frag;
	struct virtio_net_hdr offload = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
					  .csum_start = 150,
					  .gso_type = 1,
					  .hdr_len = 170 };
	uint8_t copy[512];

	for (uint32_t at = 0; at <= PKT_HEAD_MAX; at++) {
		pkt_init_linear(&f->pkt, f->frame, 300, &frag);
		f->pkt.offload = offload;
		pkt_insert(&f->pkt, at, 8);
		assert_int_equal(f->pkt.len, 308);
		assert_int_equal(f->pkt.offload.csum_start, 158);
		assert_int_equal(f->pkt.offload.hdr_len, 178);
		pkt_copy(&f->pkt, copy);
		assert_memory_equal(copy, f->frame, at);
		assert_memory_equal(copy + at + 8, f->frame + at, 300 - at);
		pkt_remove(&f->pkt, at, 8);
		assert_is_frame(f, 300);
		assert_memory_equal(&f->pkt.offload, &offload, sizeof(offload));
	}
}

/* Cut, cut shorter, and as it was; with empty fragments among the others. */
static void cuts_are_taken_back(void **state)
{
	struct fixture *f = *state;

	for (uint32_t first = 0; first <= 300; first++) {
		struct iovec iov[] = { { f->frame, 140 },
				       { f->frame + 140, 0 },
				       { f->frame + 140, 100 },
				       { f->frame + 240, 60 },
				       { f->frame, 0 } };
		uint32_t second = first * 7 % (first + 1);

		pkt_init(&f->pkt, iov, 5, 300);
		pkt_cut(&f->pkt, first);
		assert_int_equal(f->pkt.len, first);
		assert_int_equal(f->pkt.head_len, min(first, (uint32_t)PKT_HEAD_MAX));
		pkt_cut(&f->pkt, second);
		assert_int_equal(f->pkt.len, second);
		pkt_uncut(&f->pkt, 5, 0);
		f->pkt.len = 300;
		f->pkt.head_len = PKT_HEAD_MAX;
		assert_is_frame(f, 300);
	}
}

static void batch_is_made_empty(void **state)
{
	struct batch *batch = batch_create();

	assert_non_null(batch);
	assert_int_equal(batch->n, 0);
	assert_int_equal(batch->n_frags, 0);
	assert_int_equal((uintptr_t)batch->pkts % CACHE_LINE, 0);
	batch_destroy(batch);
	batch_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(linear_of_every_length, setup, teardown),
		cmocka_unit_test_setup_teardown(longest_frame, setup, teardown),
		cmocka_unit_test_setup_teardown(three_fragments_cut_everywhere, setup, teardown),
		cmocka_unit_test_setup_teardown(many_fragments, setup, teardown),
		cmocka_unit_test_setup_teardown(head_is_private, setup, teardown),
		cmocka_unit_test_setup_teardown(tag_is_pushed_changed_and_popped, setup, teardown),
		cmocka_unit_test_setup_teardown(received_tag_is_popped_and_pushed_again, setup,
						teardown),
		cmocka_unit_test_setup_teardown(offload_offsets_move_with_the_tag, setup, teardown),
		cmocka_unit_test_setup_teardown(bytes_come_and_go_anywhere, setup, teardown),
		cmocka_unit_test_setup_teardown(cuts_are_taken_back, setup, teardown),
		cmocka_unit_test(batch_is_made_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
