// SPDX-License-Identifier: Apache-2.0
/* Keys of frames that are written down, of random frames read naively, and of any bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flow/key.h"
#include "made_frame.h"

static unsigned any(void *arg, unsigned n)
{
	return (unsigned)random() % n;
}

static const struct made_choices random_choices = { .choose = any };

/* The key of @len bytes that lie in a block of exactly that size. All words but those of the packet
 * must stay. */
static void extract(struct flow_key *key, const uint8_t *frame, uint32_t len)
{
	uint8_t *copy = malloc(len);
	struct iovec frag;
	struct pkt pkt;

	assert_non_null(copy);
	memcpy(copy, frame, len);
	memset(pkt.buf, 0xa5, sizeof(pkt.buf)); /* what lies behind the end is not 0 */
	memset(key, 0x5a, sizeof(*key));
	pkt_init_linear(&pkt, copy, len, &frag);
	flow_key_extract(key, &pkt, 7);
	free(copy);
	assert_int_equal(key->in_port, 7);
	for (unsigned i = FLOW_KEY_PACKET_WORDS; i < FLOW_KEY_WORDS; i++)
		assert_int_equal(key->words[i], 0x5a5a5a5a5a5a5a5a);
}

static void assert_same(const struct flow_key *a, const struct flow_key *b)
{
	for (unsigned i = 0; i < FLOW_KEY_PACKET_WORDS; i++)
		assert_int_equal(a->words[i], b->words[i]);
}

#define MACS "\x02\0\0\0\0\x01\x02\0\0\0\0\x02"
#define IPV4(len, frag, proto) \
	"\x45\xb9\0" len "\0\1" frag "\x40" proto "\0\0\x0a\0\0\x01\x0a\0\0\x02"
#define IPV6(len, next)                      \
	"\x6b\x91\x23\x45\0" len next "\x40" \
	"\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\x02"
#define TCP "\x04\xd2\0\x50\0\0\0\1\0\0\0\2\x5a\x12\0\0\0\0\0\0"

#define EXTRACT(key, bytes) extract(key, (const uint8_t *)(bytes), sizeof(bytes) - 1)

static void test_ethernet(void **state)
{
	struct flow_key k,
		want = { .in_port = 7, .eth_dst = 0x020000000001, .eth_src = 0x020000000002 };

	want.eth_type = 0x88cc;
	EXTRACT(&k, MACS "\x88\xcc");
	assert_same(&k, &want);
	want.eth_type = 0x05ff;
	EXTRACT(&k, MACS "\0\x40\x42\x42\3");
	assert_same(&k, &want);
	EXTRACT(&k, MACS "\0\x40\xaa\xaa\3\0\0\1\x88\xcc"); /* an organization's */
	assert_same(&k, &want);
	EXTRACT(&k, MACS "\0\x40\xaa\xaa\3\0\0\0\1\0"); /* no type */
	assert_same(&k, &want);
	want.eth_type = 0x88cc;
	EXTRACT(&k, MACS "\0\x40\xaa\xaa\3\0\0\0\x88\xcc");
	assert_same(&k, &want);
}

static void test_tags(void **state)
{
	struct flow_key k,
		want = { .in_port = 7, .eth_dst = 0x020000000001, .eth_src = 0x020000000002 };

	want.eth_type = 0x88cc;
	want.vlan[0] = (struct flow_vlan){ 0x8100, 0xb005 };
	EXTRACT(&k, MACS "\x81\0\xa0\5\x88\xcc");
	assert_same(&k, &want);
	want.vlan[1] = (struct flow_vlan){ 0x8100, 0x1006 };
	want.vlan[0].tpid = 0x88a8;
	EXTRACT(&k, MACS "\x88\xa8\xb0\5\x81\0\0\6\x88\xcc");
	assert_same(&k, &want);
	want.eth_type = 0x8100; /* a third one is not known */
	EXTRACT(&k, MACS "\x88\xa8\xb0\5\x81\0\0\6\x81\0\0\7\x88\xcc");
	assert_same(&k, &want);
	EXTRACT(&k, MACS "\x88\xa8\xb0\5\x81\0\0\6\x81\0");
	assert_same(&k, &want);
	want.vlan[1] = (struct flow_vlan){ 0, 0 }; /* cut off */
	EXTRACT(&k, MACS "\x88\xa8\xb0\5\x81\0\0\6");
	assert_same(&k, &want);
}

static void test_ipv4(void **state)
{
	struct flow_key k, want = { .in_port = 7,
				    .eth_dst = 0x020000000001,
				    .eth_src = 0x020000000002,
				    .eth_type = 0x0800 };

	EXTRACT(&k, MACS "\x08\0\x45");
	assert_same(&k, &want);
	want.nw_src = 0x0a000001;
	want.nw_dst = 0x0a000002;
	want.nw_tos = 0xb9;
	want.nw_ttl = 0x40;
	want.nw_proto = 6;
	EXTRACT(&k, MACS "\x08\0" IPV4("\x14", "\0\0", "\6"));
	assert_same(&k, &want);
	/* padding is no TCP */
	EXTRACT(&k, MACS "\x08\0" IPV4("\x14", "\0\0", "\6") TCP);
	assert_same(&k, &want);
	want.tp_src = 1234;
	want.tp_dst = 80;
	want.tcp_flags = 0xa12;
	EXTRACT(&k, MACS "\x08\0" IPV4("\x28", "\x40\0", "\6") TCP);
	assert_same(&k, &want);
	want.nw_frag = FLOW_FRAG_ANY;
	EXTRACT(&k, MACS "\x08\0" IPV4("\x28", "\x20\0", "\6") TCP);
	assert_same(&k, &want);
	want.nw_frag |= FLOW_FRAG_LATER;
	want.tp_src = want.tp_dst = want.tcp_flags = 0;
	EXTRACT(&k, MACS "\x08\0" IPV4("\x28", "\0\1", "\6") TCP);
	assert_same(&k, &want);
	/* longer than the frame */
	memset(&want.words[3], 0, 8 * (FLOW_KEY_PACKET_WORDS - 3));
	want.words[0] = 7;
	want.eth_type = 0x0800;
	EXTRACT(&k, MACS "\x08\0" IPV4("\x29", "\0\0", "\6") TCP);
	assert_same(&k, &want);
}

static void test_ipv4_transport(void **state)
{
	struct flow_key k;

	EXTRACT(&k, MACS "\x08\0" IPV4("\x1c", "\0\0", "\x11") "\4\xd2\0\x50\0\x08\0\0");
	assert_true(k.tp_src == 1234 && k.tp_dst == 80 && !k.tcp_flags);
	EXTRACT(&k, MACS "\x08\0" IPV4("\x1b", "\0\0", "\x11") "\4\xd2\0\x50\0\x08\0\0");
	assert_true(!k.tp_src && !k.tp_dst);
	EXTRACT(&k, MACS "\x08\0" IPV4("\x20", "\0\0", "\x84") "\4\xd2\0\x50\0\0\0\0\0\0\0\0");
	assert_true(k.tp_src == 1234 && k.tp_dst == 80);
	EXTRACT(&k, MACS "\x08\0" IPV4("\x1c", "\0\0", "\1") "\3\4\0\0\0\0\0\0");
	assert_true(k.tp_src == 3 && k.tp_dst == 4);
	EXTRACT(&k, MACS "\x08\0" IPV4("\x1c", "\0\0", "\2") "\x22\1\0\0\0\0\0\0"); /* IGMP */
	assert_true(k.tp_src == 0x22 && k.tp_dst == 1);
	EXTRACT(&k, MACS "\x08\0" IPV4("\x1c", "\0\0", "\x88") "\4\xd2\0\x50\0\x08\0\0");
	assert_true(!k.tp_src && k.nw_proto == 136); /* UDP-Lite */
	/* TCP whose header is longer than the packet, or shorter than it can be */
	EXTRACT(&k, MACS "\x08\0" IPV4("\x28", "\0\0", "\6") "\4\xd2\0\x50\0\0\0\1\0\0\0\2\x60\x12"
							     "\0\0\0\0\0\0");
	assert_true(!k.tp_src && !k.tcp_flags && k.nw_proto == 6);
	EXTRACT(&k, MACS "\x08\0" IPV4("\x28", "\0\0", "\6") "\4\xd2\0\x50\0\0\0\1\0\0\0\2\x40\x12"
							     "\0\0\0\0\0\0");
	assert_true(!k.tp_src && !k.tcp_flags && k.nw_proto == 6);
}

static void test_ipv6(void **state)
{
	struct flow_key k, want = { .in_port = 7,
				    .eth_dst = 0x020000000001,
				    .eth_src = 0x020000000002,
				    .eth_type = 0x86dd };

	want.ipv6_src = (u128)0xfe80000000000000 << 64 | 1;
	want.ipv6_dst = (u128)0xfe80000000000000 << 64 | 2;
	/* a header of extensions that is not whole: the addresses alone */
	EXTRACT(&k, MACS "\x86\xdd" IPV6("\x08", "\0") "\6\1\0\0\0\0\0\0");
	assert_same(&k, &want);
	want.nw_tos = 0xb9;
	want.nw_ttl = 0x40;
	want.ipv6_label = 0x12345;
	want.nw_proto = 59;
	EXTRACT(&k, MACS "\x86\xdd" IPV6("\0", "\x3b"));
	assert_same(&k, &want);
	want.nw_proto = 6;
	want.tp_src = 1234;
	want.tp_dst = 80;
	want.tcp_flags = 0xa12;
	EXTRACT(&k, MACS "\x86\xdd" IPV6("\x14", "\6") TCP);
	assert_same(&k, &want);
	EXTRACT(&k, MACS "\x86\xdd" IPV6("\x30", "\0") "\x2b\0\1\4\0\0\0\0"
						       "\x33\0\4\0\0\0\0\0"
						       "\6\1\0\0\0\0\0\0\0\0\0\0" TCP);
	assert_same(&k, &want);
	want.nw_frag = FLOW_FRAG_ANY;
	EXTRACT(&k, MACS "\x86\xdd" IPV6("\x1c", "\x2c") "\6\0\0\1\0\0\0\1" TCP);
	assert_same(&k, &want);
	want.nw_frag |= FLOW_FRAG_LATER;
	want.nw_proto = 44;
	want.tp_src = want.tp_dst = want.tcp_flags = 0;
	EXTRACT(&k, MACS "\x86\xdd" IPV6("\x1c", "\x2c") "\6\0\0\x08\0\0\0\1" TCP);
	assert_same(&k, &want);
}

static void test_neighbour_discovery(void **state)
{
	struct flow_key k;

#define SOLICIT(len) IPV6(len, "\x3a") "\x87\0\0\0\x20\0\0\1\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\3"
	EXTRACT(&k, MACS "\x86\xdd" SOLICIT("\x18"));
	assert_true(k.tp_src == 135 && k.nd_reserved == 0x20000001 && !k.nd_options_type);
	assert_true(k.nd_target == ((u128)0xfe80000000000000 << 64 | 3));
	EXTRACT(&k,
		MACS "\x86\xdd" SOLICIT("\x30") "\3\1\0\0\0\0\0\0\2\1\2\0\0\0\0\4\1\1\2\0\0\0\0\5");
	assert_true(k.arp_sha == 0x020000000005 && k.arp_tha == 0x020000000004);
	assert_int_equal(k.nd_options_type, 2);
	/* one twice: nothing of it is believed */
	EXTRACT(&k, MACS "\x86\xdd" SOLICIT("\x28") "\1\1\2\0\0\0\0\4\1\1\2\0\0\0\0\5");
	assert_true(!k.arp_sha && !k.arp_tha && !k.nd_target && k.tp_src == 135);
	/* an option that is longer than the packet ends it */
	EXTRACT(&k, MACS "\x86\xdd" SOLICIT("\x28") "\2\1\2\0\0\0\0\4\1\2\2\0\0\0\0\5");
	assert_true(!k.arp_sha && k.arp_tha == 0x020000000004);
	EXTRACT(&k, MACS "\x86\xdd" SOLICIT("\x28") "\2\0\2\0\0\0\0\4\1\1\2\0\0\0\0\5");
	assert_true(!k.arp_sha && !k.arp_tha && k.nd_target);
	/* other codes and types have none of it */
	EXTRACT(&k, MACS "\x86\xdd" IPV6("\x08", "\x3a") "\x87\1\0\0\x20\0\0\1");
	assert_true(k.tp_src == 135 && k.tp_dst == 1 && !k.nd_reserved);
}

static void test_arp_and_mpls(void **state)
{
	struct flow_key k;

	EXTRACT(&k, MACS "\x08\6\0\1\x08\0\6\4\0\2\2\0\0\0\0\1\x0a\0\0\1\2\0\0\0\0\2\x0a\0\0\2");
	assert_true(k.arp_op == 2 && k.nw_src == 0x0a000001 && k.nw_dst == 0x0a000002);
	assert_true(k.arp_sha == 0x020000000001 && k.arp_tha == 0x020000000002 && !k.nw_proto);
	EXTRACT(&k, MACS "\x80\x35\0\1\x08\0\6\4\1\1\2\0\0\0\0\1\x0a\0\0\1\2\0\0\0\0\2\x0a\0\0\2");
	assert_true(k.arp_op == 0 && k.nw_src == 0x0a000001);
	EXTRACT(&k, MACS "\x08\6\0\6\x08\0\6\4\0\2\2\0\0\0\0\1\x0a\0\0\1\2\0\0\0\0\2\x0a\0\0\2");
	assert_true(!k.arp_op && !k.nw_src && !k.arp_sha && k.eth_type == 0x0806);
	EXTRACT(&k, MACS "\x88\x47\0\1\0\x40\0\2\0\x40\0\3\0\x40\0\4\1\x40");
	assert_true(k.mpls_lse[0] == 0x10040 && k.mpls_lse[1] == 0x20040 &&
		    k.mpls_lse[2] == 0x30040);
	EXTRACT(&k, MACS "\x88\x48\0\1\1\x40\0\2\0\x40");
	assert_true(k.mpls_lse[0] == 0x10140 && !k.mpls_lse[1] && k.eth_type == 0x8848);
	EXTRACT(&k, MACS "\x88\x47\0\1\1");
	assert_true(!k.mpls_lse[0] && k.eth_type == 0x8847);
}

static uint64_t bits(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | *p++;
	return v;
}

/* What a made frame's key must be, word 0 to 9. */
static void assert_is_key_of(const struct flow_key *k, const struct made *m)
{
	const uint8_t *net = m->bytes + m->network, *l4 = m->bytes + m->transport;
	bool ports =
		m->transport && !m->later && (m->proto == 6 || m->proto == 17 || m->proto == 132);

	assert_int_equal(k->eth_dst, bits(m->bytes, 6));
	assert_int_equal(k->eth_src, bits(m->bytes + 6, 6));
	assert_int_equal(k->eth_type, bits(net - 2, 2));
	for (unsigned i = 0; i < m->n_tags; i++)
		assert_int_equal(k->vlan[i].tci, bits(m->bytes + 14 + 4 * i, 2) | 0x1000);
	if (m->kind == MADE_IPV4) {
		assert_int_equal(k->nw_src, bits(net + 12, 4));
		assert_int_equal(k->nw_dst, bits(net + 16, 4));
		assert_int_equal(k->nw_tos, net[1]);
		assert_int_equal(k->nw_ttl, net[8]);
		assert_int_equal(k->nw_proto, m->proto);
	} else if (m->kind == MADE_IPV6) {
		assert_int_equal(k->ipv6_src >> 64, bits(net + 8, 8));
		assert_int_equal((uint64_t)k->ipv6_dst, bits(net + 32, 8));
		assert_int_equal(k->ipv6_label, bits(net, 4) & 0xfffff);
		assert_int_equal(k->nw_tos, bits(net, 2) >> 4 & 0xff);
		assert_int_equal(k->nw_proto, m->proto);
	}
	assert_int_equal(k->nw_frag, m->later ? 3 : m->fragment ? 1 : 0);
	if (ports)
		assert_true(k->tp_src == bits(l4, 2) && k->tp_dst == bits(l4 + 2, 2));
	assert_int_equal(k->tcp_flags, ports && m->proto == 6 ? bits(l4 + 12, 2) & 0xfff : 0);
}

static void test_random_frames(void **state)
{
	static struct made m;

	srandom(3);
	for (unsigned i = 0; i < 20000; i++) {
		struct flow_key k;

		made_frame(&m, &random_choices);
		extract(&k, m.bytes, m.len);
		assert_is_key_of(&k, &m);
	}
}

/* A tag in front of it changes nothing else: plain packets, which are read in a way of their own,
 * have the key that all others have. */
static void test_plain_packets_are_no_others(void **state)
{
	static struct made m;

	srandom(4);
	for (unsigned i = 0; i < 40000; i++) {
		struct flow_key k, tagged;
		uint8_t frame[MADE_MAX + 4];
		uint32_t len;

		do
			made_frame(&m, &random_choices);
		while (m.n_tags || m.kind == MADE_ARP || m.kind == MADE_MPLS);
		if (i & 1) /* nearly right */
			m.bytes[14 + any(NULL, 34)] = (uint8_t)any(NULL, 256);
		len = any(NULL, 3) ? m.len : 14 + any(NULL, m.len - 13);
		len = min(len, (uint32_t)PKT_HEAD_MAX - 4);
		extract(&k, m.bytes, len);
		memcpy(frame, m.bytes, 12);
		memcpy(frame + 12, "\x81\0\0\5", 4);
		memcpy(frame + 16, m.bytes + 12, len - 12);
		extract(&tagged, frame, len + 4);
		if (k.vlan[0].tpid)
			continue;
		assert_int_equal(tagged.vlan[0].tci, 0x1005);
		memset(&tagged.vlan, 0, sizeof(tagged.vlan));
		assert_same(&k, &tagged);
	}
}

/* Any bytes, of any length: nothing else is read, and all words are written. */
static void test_any_bytes(void **state)
{
	static const uint16_t types[] = { 0x0800, 0x86dd, 0x8100, 0x88a8, 0x0806, 0x8847, 60 };

	srandom(5);
	for (unsigned i = 0; i < 30000; i++) {
		uint8_t frame[300];
		struct flow_key k;

		for (unsigned b = 0; b < sizeof(frame); b++)
			frame[b] = (uint8_t)any(NULL, 256);
		for (unsigned at = 12; at < 24 && any(NULL, 3); at += 4)
			be16_store(frame + at, types[any(NULL, ARRAY_SIZE(types))]);
		if (any(NULL, 2)) {
			be16_store(frame + 12, i & 1 ? 0x0800 : 0x86dd);
			frame[14] = i & 1 ? 0x45 : 0x60;
			frame[i & 1 ? 16 : 18] = 0;
		}
		extract(&k, frame, 14 + any(NULL, sizeof(frame) - 14));
		assert_int_equal(k.pad0 | k.pad1 | k.packet_type, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ethernet),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_ipv4),
		cmocka_unit_test(test_ipv4_transport),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_neighbour_discovery),
		cmocka_unit_test(test_arp_and_mpls),
		cmocka_unit_test(test_random_frames),
		cmocka_unit_test(test_plain_packets_are_no_others),
		cmocka_unit_test(test_any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
