// SPDX-License-Identifier: Apache-2.0
/* Tags and labels come and go, packets are cut and restored, requests for checksums are what they
 * may be; and all of that with packets of any bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flow/rewrite.h"
#include "made_frame.h"
#include "packet/checksum.h"
#include "packet/parse.h"

#define FRAME_MAX 2000
#define FRAGS_MAX 4

struct fixture {
	struct pkt pkt;
	struct rewrite_saved saved, other;
	struct iovec frags[FRAGS_MAX], lent[FRAGS_MAX];
	unsigned n_lent;
	struct made made;
	uint8_t frame[FRAME_MAX]; /* as it was received, */
	uint32_t len;
	uint8_t copy[FRAME_MAX + 200]; /* and is now */
};

static unsigned any(void *arg, unsigned n)
{
	return (unsigned)random() % n;
}

static const struct made_choices random_choices = { .choose = any };

static int setup(void **state)
{
	*state = aligned_alloc(CACHE_LINE, (sizeof(struct fixture) + 63) / 64 * 64);
	assert_non_null(*state);
	memset(*state, 0, sizeof(struct fixture));
	srandom(6);
	return 0;
}

static void give_back(struct fixture *f)
{
	for (unsigned i = 0; i < f->n_lent; i++)
		free(f->lent[i].iov_base);
	f->n_lent = 0;
}

static int teardown(void **state)
{
	give_back(*state);
	free(*state);
	return 0;
}

/* Receives f->frame, in some fragments, each a block of exactly its size. */
static void receive(struct fixture *f)
{
	uint32_t at = 0;
	unsigned n = 1 + any(NULL, FRAGS_MAX);

	give_back(f);
	for (unsigned i = 0; i < n; i++) {
		uint32_t len = i + 1 < n ? any(NULL, f->len - at + 1) : f->len - at;

		f->lent[i] = (struct iovec){ malloc(len ? len : 1), len };
		assert_non_null(f->lent[i].iov_base);
		memcpy(f->lent[i].iov_base, f->frame + at, len);
		at += len;
	}
	f->n_lent = n;
	memcpy(f->frags, f->lent, sizeof(f->frags));
	pkt_init(&f->pkt, f->frags, n, f->len);
	pkt_parse(&f->pkt);
}

static void receive_made(struct fixture *f)
{
	made_frame(&f->made, &random_choices);
	memcpy(f->frame, f->made.bytes, f->made.len);
	f->len = f->made.len;
	receive(f);
	f->pkt.offload = f->made.offload;
}

/* The packet is one, and what pkt_parse() says of it is so. */
static void assert_is_packet(struct fixture *f)
{
	struct pkt again = f->pkt;
	size_t sum = f->pkt.head_len;

	for (unsigned i = 0; i < f->pkt.n_frags; i++)
		sum += f->pkt.frags[i].iov_len;
	assert_int_equal(sum, f->pkt.len);
	assert_in_range(f->pkt.len, ETH_HLEN, FRAME_TAGGED_MAX);
	assert_true(f->pkt.head >= f->pkt.buf &&
		    f->pkt.head + f->pkt.head_len <= f->pkt.buf + sizeof(f->pkt.buf));
	again.head = again.buf + (f->pkt.head - f->pkt.buf);
	pkt_parse(&again);
	assert_int_equal(again.tagged, f->pkt.tagged);
	assert_int_equal(again.tci, f->pkt.tci);
	assert_int_equal(again.ethertype, f->pkt.ethertype);
	pkt_copy(&f->pkt, f->copy);
}

/* It is what was received, from byte @from on with @more in front. */
static void assert_is_received(struct fixture *f)
{
	assert_is_packet(f);
	assert_int_equal(f->pkt.len, f->len);
	assert_memory_equal(f->copy, f->frame, f->len);
}

static void test_tags(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 5000; i++) {
		struct flow_key before, after;
		uint16_t start;

		receive_made(f);
		start = f->pkt.offload.csum_start;
		flow_key_extract(&before, &f->pkt, 1);
		assert_true(rewrite_push_vlan(&f->pkt, 0x88a8, 0x2123));
		assert_is_packet(f);
		assert_memory_equal(f->copy, f->frame, 12);
		assert_memory_equal(f->copy + 12, "\x88\xa8\x21\x23", 4);
		assert_memory_equal(f->copy + 16, f->frame + 12, f->len - 12);
		flow_key_extract(&after, &f->pkt, 1);
		assert_int_equal(after.vlan[0].tpid, 0x88a8);
		assert_int_equal(after.vlan[0].tci, 0x3123);
		assert_true(after.vlan[1].tci == before.vlan[0].tci);
		if (f->pkt.offload.flags)
			assert_int_equal(f->pkt.offload.csum_start, start + 4);
		rewrite_pop_vlan(&f->pkt);
		assert_is_received(f);
		assert_memory_equal(&f->pkt.offload, &f->made.offload, sizeof(f->made.offload));
		for (unsigned n = 0; n < f->made.n_tags; n++)
			rewrite_pop_vlan(&f->pkt);
		assert_is_packet(f);
		assert_int_equal(f->pkt.len, f->len - 4 * f->made.n_tags);
		assert_memory_equal(f->copy + 12, f->frame + 12 + 4 * f->made.n_tags,
				    f->pkt.len - 12);
		rewrite_pop_vlan(&f->pkt); /* no more */
		assert_int_equal(f->pkt.len, f->len - 4 * f->made.n_tags);
	}
}

static void test_labels(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 5000; i++) {
		struct flow_key before, after;
		uint32_t at;

		receive_made(f);
		at = f->made.network;
		flow_key_extract(&before, &f->pkt, 1);
		assert_true(rewrite_push_mpls(&f->pkt, ETH_P_MPLS_UC, 0x12345678));
		assert_is_packet(f);
		assert_memory_equal(f->copy + at - 2, "\x88\x47\x12\x34\x56\x78", 6);
		assert_memory_equal(f->copy + at + 4, f->frame + at, f->len - at);
		flow_key_extract(&after, &f->pkt, 1);
		assert_int_equal(after.mpls_lse[0], 0x12345678);
		assert_int_equal(after.mpls_lse[1], f->made.kind == MADE_MPLS
							    ? before.mpls_lse[0]
							    : be32_load(f->frame + at));
		if (f->pkt.offload.flags)
			assert_int_equal(f->pkt.offload.csum_start, f->made.transport + 4);
		if (be16_load(f->frame + 12 + 4 * f->made.n_tags) == 100)
			assert_int_equal(be16_load(f->copy + 12 + 4 * f->made.n_tags), 104);
		rewrite_pop_mpls(&f->pkt, before.eth_type);
		assert_is_received(f);
		assert_memory_equal(&f->pkt.offload, &f->made.offload, sizeof(f->made.offload));
		rewrite_pop_mpls(&f->pkt, ETH_P_IP);
		assert_int_equal(f->pkt.len, f->len - (f->made.kind == MADE_MPLS ? 4 : 0));
	}
}

/* Until the private copy is full; then nothing changes, and NORMAL's tag still has room. */
static void test_no_room(void **state)
{
	struct fixture *f = *state;
	unsigned n = 0;

	receive_made(f);
	while (rewrite_push_vlan(&f->pkt, 0x8100, 5))
		assert_in_range(++n, 1, PKT_HEADROOM / VLAN_TAG_LEN);
	assert_int_equal(n, PKT_HEADROOM / VLAN_TAG_LEN - 1);
	assert_false(rewrite_push_mpls(&f->pkt, ETH_P_MPLS_UC, 1));
	assert_is_packet(f);
	assert_int_equal(f->pkt.len, f->len + 4 * n);
	rewrite_pop_vlan(&f->pkt);
	assert_true(rewrite_push_mpls(&f->pkt, ETH_P_MPLS_UC, 1));
	/* a frame that would be too long; with NORMAL's tag, it is as long as frames can be */
	receive_made(f);
	f->pkt.len = FRAME_LEN_MAX - 3;
	assert_false(rewrite_push_vlan(&f->pkt, 0x8100, 5));
	f->pkt.len = FRAME_LEN_MAX - 4;
	assert_true(rewrite_push_vlan(&f->pkt, 0x8100, 5));
}

static void random_frame(struct fixture *f, uint32_t len)
{
	f->len = len;
	for (uint32_t i = 0; i < len; i++)
		f->frame[i] = (uint8_t)random();
	receive(f);
}

/* Cut anywhere, again and again, inside of other savings, each comes back. */
static void test_cut_and_restored(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 5000; i++) {
		uint32_t first, second;

		random_frame(f, 14 + any(NULL, i & 1 ? 200 : FRAME_MAX - 14));
		rewrite_save(&f->pkt, &f->saved);
		first = 14 + any(NULL, f->len);
		assert_true(rewrite_truncate(&f->pkt, first));
		first = min(first, f->len);
		assert_is_packet(f);
		assert_int_equal(f->pkt.len, first);
		assert_memory_equal(f->copy, f->frame, first);

		if (i & 2)
			rewrite_save(&f->pkt, &f->other);
		second = any(NULL, first);
		assert_true(rewrite_truncate(&f->pkt, second));
		assert_is_packet(f);
		assert_int_equal(f->pkt.len, max(second, 14u));
		assert_memory_equal(f->copy, f->frame, f->pkt.len);
		if (i & 2) {
			rewrite_push_vlan(&f->pkt, 0x8100, 1);
			rewrite_restore(&f->pkt, &f->other);
			assert_is_packet(f);
			assert_int_equal(f->pkt.len, first);
			assert_memory_equal(f->copy, f->frame, first);
		}
		rewrite_restore(&f->pkt, &f->saved);
		assert_is_received(f);
	}
}

static void test_headers_are_restored(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 3000; i++) {
		receive_made(f);
		rewrite_save(&f->pkt, &f->saved);
		for (unsigned n = any(NULL, 6); n; n--) {
			if (any(NULL, 2))
				rewrite_push_vlan(&f->pkt, 0x8100, 1);
			else if (any(NULL, 2))
				rewrite_push_mpls(&f->pkt, ETH_P_MPLS_MC, 1);
			else if (any(NULL, 2))
				rewrite_pop_vlan(&f->pkt);
			else
				rewrite_pop_mpls(&f->pkt, ETH_P_IP);
			memset(f->pkt.head, 0xee, 12);
		}
		rewrite_restore(&f->pkt, &f->saved);
		assert_is_received(f);
		assert_memory_equal(&f->pkt.offload, &f->made.offload, sizeof(f->made.offload));
	}
}

/* What others were to complete is complete when it is cut off. */
static void test_cut_completes(void **state)
{
	struct fixture *f = *state;
	unsigned n = 0;

	while (n < 500) {
		uint32_t field, sum;

		receive_made(f);
		field = made_field(&f->made);
		if (!f->made.offload.flags || f->made.end < f->made.len || field + 3 > f->len)
			continue;
		n++;
		assert_true(rewrite_truncate(&f->pkt, field + 2));
		assert_is_packet(f);
		assert_int_equal(f->pkt.offload.flags, 0);
		/* as if it were all there */
		memcpy(f->copy + field + 2, f->frame + field + 2, f->len - field - 2);
		sum = made_sum(made_pseudo(&f->made, f->copy), f->copy + f->made.transport,
			       f->len - f->made.transport);
		assert_int_equal(sum, 0xffff);
	}
	/* a field that is cut off, one that cannot be reached, and a large packet */
	random_frame(f, 1000);
	f->pkt.offload = (struct virtio_net_hdr){ .flags = 1,
						  .csum_start = 500,
						  .csum_offset = 6,
						  .gso_type = 1,
						  .gso_size = 100,
						  .hdr_len = 54 };
	assert_false(rewrite_truncate(&f->pkt, 600));
	assert_is_received(f);
	assert_true(rewrite_truncate(&f->pkt, 500));
	assert_is_packet(f);
	assert_memory_equal(f->copy, f->frame, 500);
	assert_int_equal(f->pkt.offload.flags | f->pkt.offload.gso_type | f->pkt.offload.hdr_len,
			 0);
}

static bool check(struct fixture *f, uint16_t start, uint16_t offset, uint8_t gso)
{
	receive(f);
	f->pkt.offload = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
						  .csum_start = start,
						  .csum_offset = offset,
						  .gso_type = gso,
						  .gso_size = 100 };
	return rewrite_check_offload(&f->pkt);
}

static void test_requests(void **state)
{
	struct fixture *f = *state;
	uint16_t start;

	do
		receive_made(f);
	while (f->made.kind != MADE_IPV4 || f->made.proto != IPPROTO_TCP || f->made.fragment ||
	       f->len < f->made.transport + 30);
	start = (uint16_t)f->made.transport;
	f->pkt.offload.flags = 0;
	assert_true(rewrite_check_offload(&f->pkt));
	assert_is_received(f);
	/* its own, and one behind all that was matched: left for later */
	assert_true(check(f, start, 16, 0));
	assert_is_received(f);
	assert_true(check(f, start, 16, VIRTIO_NET_HDR_GSO_TCPV4));
	assert_true(check(f, start + 20, 6, VIRTIO_NET_HDR_GSO_TCPV4));
	assert_true(check(f, start + 20, 6, 0));
	assert_is_received(f);
	assert_int_equal(f->pkt.offload.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	/* over what was matched: now, or never */
	assert_true(check(f, start, 2, 0));
	assert_int_equal(f->pkt.offload.flags, 0);
	pkt_copy(&f->pkt, f->copy);
	assert_memory_not_equal(f->copy + start + 2, f->frame + start + 2, 2);
	assert_true(check(f, 14, (uint16_t)(start - 14 + 16), 0));
	assert_int_equal(f->pkt.offload.flags, 0);
	assert_false(check(f, start, 2, VIRTIO_NET_HDR_GSO_TCPV4));
	assert_false(check(f, start - 2, 18, VIRTIO_NET_HDR_GSO_TCPV4));
	assert_false(check(f, start, 400, 0)); /* of the guest's own, far behind */
}

/* Rules may look behind labels, so nothing there is left for later, but for what is large. */
static void test_requests_behind_labels(void **state)
{
	struct fixture *f = *state;
	uint16_t start;

	do
		receive_made(f);
	while (f->made.kind != MADE_IPV4 || f->made.proto != IPPROTO_TCP || f->made.fragment ||
	       f->len < f->made.transport + 30 || f->made.network != 14 + 4 * f->made.n_tags);
	rewrite_push_mpls(&f->pkt, ETH_P_MPLS_UC, 0x140);
	f->len = f->pkt.len;
	pkt_copy(&f->pkt, f->frame);
	f->frame[f->made.transport + 4 + 13] = 0x10;
	start = (uint16_t)(f->made.transport + 4);
	assert_true(check(f, start, 16, 0));
	assert_int_equal(f->pkt.offload.flags, 0);
	assert_true(check(f, start, 16, VIRTIO_NET_HDR_GSO_TCPV4));
	assert_int_equal(f->pkt.offload.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_false(check(f, start, 18, VIRTIO_NET_HDR_GSO_TCPV4));
	assert_false(check(f, start - 4, 16, VIRTIO_NET_HDR_GSO_TCPV4));
}

/* No header that was matched changes when it is completed. */
static void test_requests_of_any_kind(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 20000; i++) {
		struct flow_key before, after;

		receive_made(f);
		f->pkt.offload = (struct virtio_net_hdr){
			.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
			.csum_start = (uint16_t)(14 + any(NULL, f->len - 16)),
		};
		f->pkt.offload.csum_offset =
			(uint16_t)any(NULL, f->len - f->pkt.offload.csum_start - 1);
		if (!rewrite_check_offload(&f->pkt))
			continue;
		flow_key_extract(&before, &f->pkt, 1);
		if (f->pkt.offload.flags)
			checksum_complete(&f->pkt);
		flow_key_extract(&after, &f->pkt, 1);
		assert_memory_equal(&after, &before, 8 * FLOW_KEY_PACKET_WORDS);
	}
}

/* Anything with anything. */
static void hostile_step(struct fixture *f)
{
	union {
		struct plan_rewrite r;
		uint8_t space[sizeof(struct plan_rewrite) + 16 * FLOW_KEY_PACKET_WORDS];
	} u = { .r.step.kind = PLAN_REWRITE };
	unsigned n = 0;

	switch (any(NULL, 9)) {
	case 0:
		rewrite_push_vlan(&f->pkt, any(NULL, 2) ? 0x8100 : 0x88a8, 5);
		break;
	case 1:
		rewrite_pop_vlan(&f->pkt);
		break;
	case 2:
		rewrite_push_mpls(&f->pkt, ETH_P_MPLS_UC, (uint32_t)random());
		break;
	case 3:
		rewrite_pop_mpls(&f->pkt, any(NULL, 2) ? ETH_P_IP : ETH_P_IPV6);
		break;
	case 4:
		rewrite_remark(&f->pkt, (uint8_t)any(NULL, 256));
		break;
	case 5:
		if (!any(NULL, 4))
			rewrite_truncate(&f->pkt, any(NULL, 300));
		break;
	default:
		for (unsigned i = 0; i < FLOW_KEY_PACKET_WORDS; i++) {
			if (any(NULL, 3))
				continue;
			u.r.map |= 1ull << i;
			u.r.words[n].value = (uint64_t)random() << 32 | (uint64_t)random();
			u.r.words[n++].mask = any(NULL, 2) ? ~0ull : (uint64_t)random() << 20;
		}
		rewrite_fields(&f->pkt, &u.r);
		break;
	}
	assert_is_packet(f);
}

static void test_any_bytes(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 20000; i++) {
		uint32_t len = 14 + any(NULL, 186);

		receive_made(f);
		for (uint32_t b = f->len; b < 200; b++)
			f->frame[b] = (uint8_t)any(NULL, 256);
		if (i & 1)
			f->len = len;
		for (unsigned n = any(NULL, 4); n; n--)
			f->frame[12 + any(NULL, 60)] = (uint8_t)any(NULL, 256);
		receive(f);
		if (any(NULL, 2) && f->len > 16) {
			uint16_t start = (uint16_t)(14 + any(NULL, f->len - 16));

			f->pkt.offload.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
			f->pkt.offload.csum_start = start;
			f->pkt.offload.csum_offset = (uint16_t)any(NULL, f->len - start - 1);
			if (any(NULL, 4) && !rewrite_check_offload(&f->pkt))
				continue;
		}
		rewrite_save(&f->pkt, &f->saved);
		for (unsigned n = any(NULL, 10); n; n--)
			hostile_step(f);
		rewrite_restore(&f->pkt, &f->saved);
		assert_is_packet(f);
		assert_int_equal(f->pkt.len, f->len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_tags, setup, teardown),
		cmocka_unit_test_setup_teardown(test_labels, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_room, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut_and_restored, setup, teardown),
		cmocka_unit_test_setup_teardown(test_headers_are_restored, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut_completes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_requests, setup, teardown),
		cmocka_unit_test_setup_teardown(test_requests_behind_labels, setup, teardown),
		cmocka_unit_test_setup_teardown(test_requests_of_any_kind, setup, teardown),
		cmocka_unit_test_setup_teardown(test_any_bytes, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
