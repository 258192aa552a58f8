// SPDX-License-Identifier: Apache-2.0
/* Header parsing: what is read, which packets share a hash, and that no byte behind the head
 * counts.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "packet/parse.h"

/* A frame under construction. */
struct frame {
	uint8_t bytes[256];
	unsigned len;
};

static void put(struct frame *f, const void *bytes, unsigned n)
{
	assert_true(f->len + n <= sizeof(f->bytes));
	memcpy(f->bytes + f->len, bytes, n);
	f->len += n;
}

static void put16(struct frame *f, unsigned value)
{
	put(f, (uint8_t[]){ (uint8_t)(value >> 8), (uint8_t)value }, 2);
}

static void ethernet(struct frame *f, unsigned type)
{
	f->len = 0;
	put(f, "\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01", 12);
	put16(f, type);
}

static void tag(struct frame *f, unsigned tci, unsigned type)
{
	put16(f, tci);
	put16(f, type);
}

/* @words: header length in words of four bytes. */
static void ipv4(struct frame *f, unsigned words, unsigned protocol, unsigned fragment,
		 unsigned host)
{
	uint8_t h[60] = { (uint8_t)(0x40 | words),
			  0,
			  0,
			  100,
			  0,
			  0,
			  (uint8_t)(fragment >> 8),
			  (uint8_t)fragment,
			  64,
			  (uint8_t)protocol,
			  0,
			  0,
			  10,
			  0,
			  0,
			  (uint8_t)host,
			  10,
			  0,
			  0,
			  200 };

	put(f, h, words * 4);
}

static void ipv6(struct frame *f, unsigned next, unsigned host)
{
	uint8_t h[40] = { 0x60 };

	h[6] = (uint8_t)next;
	h[7] = 64;
	h[23] = (uint8_t)host;
	h[39] = 200;
	put(f, h, sizeof(h));
}

static void ports(struct frame *f, unsigned from, unsigned to)
{
	put16(f, from);
	put16(f, to);
	put(f, "\0\0\0\0", 4);
}

/* Parses the frame from a block of just its length: a sanitizer sees what is read behind it. */
static struct pkt *parse(const struct frame *f)
{
	static struct pkt pkt;
	static struct iovec frag;
	uint8_t *copy = malloc(f->len);

	assert_non_null(copy);
	memcpy(copy, f->bytes, f->len);
	memset(&pkt, 0xa5, sizeof(pkt));
	pkt_init_linear(&pkt, copy, f->len, &frag);
	pkt_parse(&pkt);
	free(copy);
	return &pkt;
}

static uint32_t hash(const struct frame *f)
{
	return pkt_hash(parse(f));
}

static void type_and_tag_are_read(void **state)
{
	struct frame f;
	struct pkt *pkt;

	ethernet(&f, ETH_P_ARP);
	pkt = parse(&f);
	assert_int_equal(pkt->ethertype, ETH_P_ARP);
	assert_false(pkt->tagged);

	ethernet(&f, ETH_P_8021Q);
	tag(&f, 0xe00a, ETH_P_IPV6);
	pkt = parse(&f);
	assert_int_equal(pkt->ethertype, ETH_P_IPV6);
	assert_true(pkt->tagged);
	assert_int_equal(pkt->tci, 0xe00a);
}

static void only_a_whole_outermost_8100_is_a_tag(void **state)
{
	struct frame f;
	struct pkt *pkt;

	ethernet(&f, ETH_P_8021AD);
	tag(&f, 5, ETH_P_IP);
	pkt = parse(&f);
	assert_false(pkt->tagged);
	assert_int_equal(pkt->ethertype, ETH_P_8021AD);

	ethernet(&f, ETH_P_8021Q);
	tag(&f, 5, ETH_P_8021Q);
	tag(&f, 6, ETH_P_IP);
	pkt = parse(&f);
	assert_true(pkt->tagged);
	assert_int_equal(pkt->tci, 5);
	assert_int_equal(pkt->ethertype, ETH_P_8021Q);

	ethernet(&f, ETH_P_8021Q);
	put(&f, "\0\5\x08", 3);
	pkt = parse(&f);
	assert_false(pkt->tagged);
	assert_int_equal(pkt->ethertype, ETH_P_8021Q);
}

static void ports_are_part_of_the_flow(void **state)
{
	static const int protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_UDPLITE,
					 IPPROTO_DCCP };

	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		struct frame a, b, c;

		ethernet(&a, ETH_P_IP);
		ipv4(&a, 5, (unsigned)protocols[i], 0, 1);
		b = c = a;
		ports(&a, 1000, 80);
		ports(&b, 1001, 80);
		ports(&c, 1000, 81);
		assert_int_equal(hash(&a), hash(&a));
		assert_int_not_equal(hash(&a), hash(&b));
		assert_int_not_equal(hash(&a), hash(&c));
	}
}

static void ipv6_ports_are_part_of_the_flow(void **state)
{
	struct frame a, b;

	ethernet(&a, ETH_P_IPV6);
	ipv6(&a, IPPROTO_TCP, 1);
	b = a;
	ports(&a, 1000, 80);
	ports(&b, 1001, 80);
	assert_int_not_equal(hash(&a), hash(&b));
}

static void addresses_and_protocol_are_part_of_the_flow(void **state)
{
	struct frame a, b, c;

	ethernet(&a, ETH_P_IP);
	b = c = a;
	ipv4(&a, 5, IPPROTO_ICMP, 0, 1);
	ipv4(&b, 5, IPPROTO_ICMP, 0, 2);
	ipv4(&c, 5, IPPROTO_GRE, 0, 1);
	assert_int_not_equal(hash(&a), hash(&b));
	assert_int_not_equal(hash(&a), hash(&c));

	ethernet(&a, ETH_P_IPV6);
	b = a;
	ipv6(&a, IPPROTO_ICMPV6, 1);
	ipv6(&b, IPPROTO_ICMPV6, 2);
	assert_int_not_equal(hash(&a), hash(&b));
}

static void swap(uint8_t *a, uint8_t *b, unsigned n)
{
	uint8_t kept[16];

	memcpy(kept, a, n);
	memcpy(a, b, n);
	memcpy(b, kept, n);
}

/* A reply: addresses and ports change places, and the router has another MAC address. */
static void both_directions_hash_alike(void **state)
{
	for (unsigned v6 = 0; v6 < 2; v6++)
		for (unsigned tagged = 0; tagged < 2; tagged++) {
			unsigned type = v6 ? ETH_P_IPV6 : ETH_P_IP, l3 = 14 + 4 * tagged;
			unsigned addresses = l3 + (v6 ? 8 : 12), len = v6 ? 16 : 4;
			struct frame a, b, c;

			ethernet(&a, tagged ? ETH_P_8021Q : type);
			if (tagged)
				tag(&a, 7, type);
			if (v6)
				ipv6(&a, IPPROTO_TCP, 1);
			else
				ipv4(&a, 5, IPPROTO_TCP, 0, 1);
			ports(&a, 1000, 80);
			b = a;
			swap(b.bytes, b.bytes + 6, 6);
			b.bytes[5] ^= 0x40;
			swap(b.bytes + addresses, b.bytes + addresses + len, len);
			swap(b.bytes + addresses + 2 * len, b.bytes + addresses + 2 * len + 2, 2);
			assert_int_equal(hash(&a), hash(&b));
			c = b;
			c.bytes[addresses] ^= 1;
			assert_int_not_equal(hash(&a), hash(&c));
			c = b;
			c.bytes[addresses + 2 * len - 1] ^= 1;
			assert_int_not_equal(hash(&a), hash(&c));
		}
}

static void both_directions_hash_alike_without_ip(void **state)
{
	struct frame a, b;

	ethernet(&a, ETH_P_ARP);
	b = a;
	swap(b.bytes, b.bytes + 6, 6);
	assert_int_equal(hash(&a), hash(&b));
}

static void vlan_is_part_of_the_flow_and_priority_is_not(void **state)
{
	struct frame a, b, c;

	ethernet(&a, ETH_P_8021Q);
	b = c = a;
	tag(&a, 0x0005, ETH_P_ARP);
	tag(&b, 0x0006, ETH_P_ARP);
	tag(&c, 0xe005, ETH_P_ARP);
	assert_int_not_equal(hash(&a), hash(&b));
	assert_int_equal(hash(&a), hash(&c));
}

static void other_packets_differ_by_mac_and_type(void **state)
{
	struct frame a, b, c;

	ethernet(&a, ETH_P_ARP);
	b = a;
	b.bytes[5] ^= 1;
	ethernet(&c, ETH_P_PAE);
	assert_int_not_equal(hash(&a), hash(&b));
	assert_int_not_equal(hash(&a), hash(&c));
}

static void ports_are_found_behind_options(void **state)
{
	struct frame a, b, c;

	ethernet(&a, ETH_P_IP);
	ipv4(&a, 15, IPPROTO_TCP, 0, 1);
	b = a;
	ports(&a, 1000, 80);
	ports(&b, 1001, 80);
	assert_int_not_equal(hash(&a), hash(&b));

	/* The options themselves do not count. */
	c = a;
	c.bytes[14 + 20] ^= 0xff;
	assert_int_equal(hash(&a), hash(&c));
}

/* First fragment, middle one and last one: one hash, whatever lies where ports would be. */
static void fragments_share_a_hash(void **state)
{
	static const unsigned words[] = { 0x2000, 0x2010, 0x0020 };
	uint32_t first = 0;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		struct frame f;

		ethernet(&f, ETH_P_IP);
		ipv4(&f, 5, IPPROTO_UDP, words[i], 1);
		ports(&f, (unsigned)i, 7 * (unsigned)i);
		if (!i)
			first = hash(&f);
		assert_int_equal(hash(&f), first);
	}
}

static void dont_fragment_is_no_fragment(void **state)
{
	struct frame a, b;

	ethernet(&a, ETH_P_IP);
	ipv4(&a, 5, IPPROTO_UDP, 0x4000, 1);
	b = a;
	ports(&a, 1, 2);
	ports(&b, 1, 3);
	assert_int_not_equal(hash(&a), hash(&b));
}

static void ipv6_fragments_share_a_hash(void **state)
{
	struct frame a, b;

	ethernet(&a, ETH_P_IPV6);
	ipv6(&a, IPPROTO_FRAGMENT, 1);
	b = a;
	put(&a, "\x11\0\0\1\0\0\0\7", 8);
	put(&b, "\x11\0\0\x41\0\0\0\7", 8);
	ports(&a, 1, 2);
	ports(&b, 3, 4);
	assert_int_equal(hash(&a), hash(&b));
}

/* Puts extension headers before TCP's ports. */
static void chain(struct frame *f, unsigned n, unsigned from)
{
	static const uint8_t kinds[] = { IPPROTO_HOPOPTS, IPPROTO_DSTOPTS, IPPROTO_ROUTING };

	ethernet(f, ETH_P_IPV6);
	ipv6(f, n ? kinds[0] : IPPROTO_TCP, 1);
	for (unsigned i = 0; i < n; i++) {
		uint8_t header[8] = { i + 1 < n ? kinds[(i + 1) % 3] : IPPROTO_TCP };

		put(f, header, sizeof(header));
	}
	ports(f, from, 80);
}

static void ipv6_extension_headers_are_walked_to_a_limit(void **state)
{
	struct frame a, b;
	bool differ = true;

	for (unsigned n = 0; n < 12; n++) {
		chain(&a, n, 1000);
		chain(&b, n, 1001);
		/* Once given up, never again able: neither side of the limit flickers. */
		if (hash(&a) != hash(&b))
			assert_true(differ);
		else
			differ = false;
		if (n == 3)
			assert_true(differ);
	}
	/* Ports of long chains lie behind the private copy or the limit. */
	assert_false(differ);
}

static void authentication_header_counts_in_words(void **state)
{
	struct frame a, b;

	ethernet(&a, ETH_P_IPV6);
	ipv6(&a, IPPROTO_AH, 1);
	put(&a, "\x06\x04", 2); /* TCP follows after (4 + 2) * 4 bytes */
	put(&a, (uint8_t[22]){ 0 }, 22);
	b = a;
	ports(&a, 1, 2);
	ports(&b, 1, 3);
	assert_int_not_equal(hash(&a), hash(&b));
}

static void impossible_headers_are_no_error(void **state)
{
	struct frame a, b;

	/* An IPv4 header of 4 bytes: addresses count, what follows does not. */
	ethernet(&a, ETH_P_IP);
	ipv4(&a, 5, IPPROTO_TCP, 0, 1);
	a.bytes[14] = 0x41;
	b = a;
	ports(&a, 1, 2);
	ports(&b, 3, 4);
	assert_int_equal(hash(&a), hash(&b));

	/* IPv6 in name, IPv4 in content. */
	ethernet(&a, ETH_P_IPV6);
	ipv4(&a, 15, IPPROTO_TCP, 0, 1);
	ethernet(&b, ETH_P_IPV6);
	ipv4(&b, 15, IPPROTO_TCP, 0, 2);
	assert_int_equal(hash(&a), hash(&b));
}

/* A frame cut anywhere: no read behind its end, and no difference from what lies there. */
static void frames_cut_everywhere(void **state)
{
	struct frame whole;

	for (unsigned kind = 0; kind < 2; kind++) {
		ethernet(&whole, ETH_P_8021Q);
		tag(&whole, 5, kind ? ETH_P_IPV6 : ETH_P_IP);
		if (kind) {
			ipv6(&whole, IPPROTO_DSTOPTS, 1);
			put(&whole, "\x06\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
		} else {
			ipv4(&whole, 7, IPPROTO_TCP, 0, 1);
		}
		ports(&whole, 1000, 80);
		for (unsigned len = ETH_HLEN; len <= whole.len; len++) {
			struct frame cut = { .len = len }, dirty = { .len = len };
			struct pkt *pkt;
			uint32_t expected;

			memcpy(cut.bytes, whole.bytes, len);
			dirty = cut;
			expected = hash(&cut);
			pkt = parse(&dirty);
			memset(pkt->head + len, 0xff, PKT_HEAD_MAX - len);
			pkt_parse(pkt);
			assert_int_equal(pkt_hash(pkt), expected);
		}
	}
}

/* 64Ki flows in 256 buckets: none has much more than its share of 256. */
static void hashes_spread(void **state)
{
	unsigned low[256] = { 0 }, high[256] = { 0 };
	struct frame f;

	ethernet(&f, ETH_P_IP);
	ipv4(&f, 5, IPPROTO_UDP, 0, 1);
	ports(&f, 0, 53);
	for (unsigned port = 0; port < 65536; port++) {
		uint32_t h;

		f.bytes[34] = (uint8_t)(port >> 8);
		f.bytes[35] = (uint8_t)port;
		h = hash(&f);
		low[h & 255]++;
		high[h >> 24]++;
	}
	for (unsigned i = 0; i < 256; i++) {
		assert_in_range(low[i], 256 / 2, 256 * 2);
		assert_in_range(high[i], 256 / 2, 256 * 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(type_and_tag_are_read),
		cmocka_unit_test(only_a_whole_outermost_8100_is_a_tag),
		cmocka_unit_test(ports_are_part_of_the_flow),
		cmocka_unit_test(ipv6_ports_are_part_of_the_flow),
		cmocka_unit_test(addresses_and_protocol_are_part_of_the_flow),
		cmocka_unit_test(both_directions_hash_alike),
		cmocka_unit_test(both_directions_hash_alike_without_ip),
		cmocka_unit_test(vlan_is_part_of_the_flow_and_priority_is_not),
		cmocka_unit_test(other_packets_differ_by_mac_and_type),
		cmocka_unit_test(ports_are_found_behind_options),
		cmocka_unit_test(fragments_share_a_hash),
		cmocka_unit_test(dont_fragment_is_no_fragment),
		cmocka_unit_test(ipv6_fragments_share_a_hash),
		cmocka_unit_test(ipv6_extension_headers_are_walked_to_a_limit),
		cmocka_unit_test(authentication_header_counts_in_words),
		cmocka_unit_test(impossible_headers_are_no_error),
		cmocka_unit_test(frames_cut_everywhere),
		cmocka_unit_test(hashes_spread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
