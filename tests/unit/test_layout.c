// SPDX-License-Identifier: Apache-2.0
/* Where headers are: of made frames, what their maker knows; and which checksum a request may be
 * for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flow/layout.h"
#include "made_frame.h"

static unsigned any(void *arg, unsigned n)
{
	return (unsigned)random() % n;
}

static const struct made_choices random_choices = { .choose = any };

static void receive(struct pkt *pkt, struct iovec *frag, const struct made *m)
{
	pkt_init_linear(pkt, m->bytes, m->len, frag);
	pkt->offload = m->offload;
}

static enum layout_network kind_of(const struct made *m)
{
	static const enum layout_network kinds[] = { LAYOUT_IPV4, LAYOUT_IPV6, LAYOUT_ARP,
						     LAYOUT_MPLS, LAYOUT_NOTHING };

	return kinds[m->kind];
}

static void test_made_frames(void **state)
{
	static struct made m;

	srandom(7);
	for (unsigned i = 0; i < 20000; i++) {
		struct layout_nd nd;
		struct iovec frag;
		struct layout l;
		struct pkt pkt;

		made_frame(&m, &random_choices);
		receive(&pkt, &frag, &m);
		layout_read(&l, &pkt);
		assert_int_equal(l.kind, kind_of(&m));
		assert_int_equal(l.network, m.network);
		assert_int_equal(l.n_tags, m.n_tags);
		assert_int_equal(l.n_labels, m.n_labels);
		assert_int_equal(l.routed, m.routed);
		assert_int_equal(l.transport, m.later ? 0 : m.transport);
		assert_in_range(l.looked, l.network, pkt.head_len);
		if (m.transport)
			assert_int_equal(l.end, m.end);
		assert_int_equal(layout_request_is_own(&l, &pkt), m.offload.flags != 0);
		if (!l.l4 || l.proto != IPPROTO_ICMPV6)
			continue;
		layout_read_nd(&nd, &l, &pkt);
		assert_int_equal(nd.is, m.nd);
		assert_int_equal(nd.target, m.nd ? m.transport + 8 : 0);
		assert_int_equal(nd.sll, m.sll + 6 <= PKT_HEAD_MAX ? m.sll : 0);
		assert_int_equal(nd.tll, m.tll + 6 <= PKT_HEAD_MAX ? m.tll : 0);
	}
}

static void test_checksums(void **state)
{
	static struct made m;

	srandom(8);
	for (unsigned i = 0; i < 5000; i++) {
		uint16_t offset;
		struct iovec frag;
		bool addresses;
		struct layout l;
		struct pkt pkt;
		uint32_t field;

		made_frame(&m, &random_choices);
		field = made_field(&m);
		receive(&pkt, &frag, &m);
		layout_read(&l, &pkt);
		assert_int_equal(layout_checksum(&l, &offset, &addresses), field != 0);
		if (!field)
			continue;
		assert_int_equal(m.transport + offset, field);
		assert_int_equal(addresses, m.proto != IPPROTO_ICMP);
		/* only exactly there */
		pkt.offload = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
						       .csum_start = l.transport,
						       .csum_offset = offset };
		assert_true(layout_request_is_own(&l, &pkt));
		pkt.offload.csum_start -= 2;
		pkt.offload.csum_offset += 2;
		assert_false(layout_request_is_own(&l, &pkt));
		pkt.offload.csum_start += 2;
		assert_false(layout_request_is_own(&l, &pkt));
		/* the copy ends in front of it */
		pkt.head_len = (uint16_t)(field + 1);
		layout_read(&l, &pkt);
		assert_false(layout_checksum(&l, &offset, &addresses));
	}
}

/* All that can be looked at is told to end where it does. */
static void test_looked(void **state)
{
	static struct made m;

	srandom(9);
	for (unsigned i = 0; i < 5000; i++) {
		struct flow_key before, after;
		struct iovec frag;
		struct layout l;
		struct pkt pkt;

		made_frame(&m, &random_choices);
		receive(&pkt, &frag, &m);
		layout_read(&l, &pkt);
		flow_key_extract(&before, &pkt, 1);
		for (uint32_t b = l.looked; b < pkt.head_len; b++)
			pkt.head[b] ^= 0xff;
		flow_key_extract(&after, &pkt, 1);
		assert_memory_equal(&before, &after, 8 * FLOW_KEY_PACKET_WORDS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_made_frames),
		cmocka_unit_test(test_checksums),
		cmocka_unit_test(test_looked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
