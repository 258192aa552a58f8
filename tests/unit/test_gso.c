// SPDX-License-Identifier: Apache-2.0
/* Segmentation: random packets, cut into random fragments, are segmented; the segments are put
 * together again and every field and checksum of them is looked at by a naive reader, which knows
 * how the packet was made.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>

#include "packet/checksum.h"
#include "packet/gso.h"
#include "packet/parse.h"

#define PIECES_MAX 64

/* How a packet is made. */
struct shape {
	bool ipv6, udp, ecn;
	unsigned n_tags, n_labels;
	unsigned options;    /* words of options in the IPv4 header, extension headers of IPv6 */
	unsigned tcp_option; /* words */
	uint8_t tcp_flags;
	uint32_t payload;
	uint16_t size;
};

struct fixture {
	struct batch *in, *out;
	uint8_t frame[FRAME_LEN_MAX];
	uint8_t again[FRAME_LEN_MAX]; /* the payload of the segments */
	struct iovec iov[PIECES_MAX];
	unsigned network, transport, header_len; /* of the frame */
	uint8_t destination[16];		 /* in the pseudo header */
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->in = batch_create();
	f->out = batch_create();
	assert_true(f->in && f->out);
	srandom(11);
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

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static unsigned get16(const uint8_t *p)
{
	return p[0] * 256u + p[1];
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static uint64_t sum_words(const uint8_t *p, size_t len)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? p[i] : (uint64_t)p[i] << 8;
	return sum;
}

static unsigned fold(uint64_t sum)
{
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (unsigned)sum;
}

/* Extension headers: hop-by-hop options, then destination options, then a segment routing header
 * with one segment left. Returns the bytes. */
static unsigned put_extensions(struct fixture *f, uint8_t *p, unsigned n, uint8_t protocol)
{
	static const uint8_t types[] = { IPPROTO_HOPOPTS, IPPROTO_DSTOPTS, IPPROTO_ROUTING };
	unsigned len = 0;

	f->frame[f->network + 6] = n ? types[0] : protocol;
	for (unsigned i = 0; i < n; i++) {
		bool routing = types[i] == IPPROTO_ROUTING;
		unsigned size = routing ? 24 : 8;

		p[len] = i + 1 < n ? types[i + 1] : protocol;
		p[len + 1] = (uint8_t)(size / 8 - 1);
		if (routing) {
			p[len + 2] = 4;
			p[len + 3] = 1;
			memcpy(f->destination, p + len + 8, 16);
		}
		len += size;
	}
	return len;
}

static void put_network(struct fixture *f, const struct shape *s)
{
	uint8_t *ip = f->frame + f->network, protocol = s->udp ? IPPROTO_UDP : IPPROTO_TCP;

	if (s->ipv6) {
		ip[0] = 0x60;
		memcpy(f->destination, ip + 24, 16);
		f->transport = f->network + 40 + put_extensions(f, ip + 40, s->options, protocol);
		return;
	}
	ip[0] = (uint8_t)(0x45 + s->options);
	put16(ip + 6, 0x4000);
	ip[9] = protocol;
	memcpy(f->destination, ip + 16, 4);
	f->transport = f->network + 20 + 4 * s->options;
}

static void put_transport(struct fixture *f, const struct shape *s)
{
	uint8_t *transport = f->frame + f->transport;

	f->header_len = f->transport + (s->udp ? 8 : 20 + 4 * s->tcp_option);
	if (s->udp)
		return;
	transport[12] = (uint8_t)((5 + s->tcp_option) << 4);
	transport[13] = s->tcp_flags;
}

static void set_offload(const struct fixture *f, const struct shape *s, struct pkt *pkt)
{
	pkt->offload = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = s->udp    ? VIRTIO_NET_HDR_GSO_UDP_L4
			    : s->ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6
				      : VIRTIO_NET_HDR_GSO_TCPV4,
		.gso_size = s->size,
		.hdr_len = (uint16_t)below(65536), /* nobody must believe it */
		.csum_start = (uint16_t)f->transport,
		.csum_offset = s->udp ? 6 : 16,
	};
	if (s->ecn)
		pkt->offload.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
}

/* Random bytes with the headers of @s, cut into random pieces. */
static struct pkt *make_packet(struct fixture *f, const struct shape *s)
{
	struct pkt *pkt = &f->in->pkts[0];
	uint32_t at = 0, len;
	unsigned n = 0;

	for (unsigned i = 0; i < 400; i++)
		f->frame[i] = (uint8_t)random();
	for (unsigned i = 400; i < sizeof(f->frame); i++)
		f->frame[i] = (uint8_t)(i * 7 + i / 251);
	f->network = ETH_HLEN + (s->n_tags + s->n_labels) * 4;
	for (unsigned i = 0; i < s->n_tags; i++)
		put16(f->frame + 12 + 4 * i, i ? ETH_P_8021Q : ETH_P_8021AD);
	put16(f->frame + 12 + 4 * s->n_tags, s->n_labels ? ETH_P_MPLS_UC
					     : s->ipv6	 ? ETH_P_IPV6
							 : ETH_P_IP);
	for (unsigned i = 0; i < s->n_labels; i++) {
		uint8_t *label = f->frame + f->network - 4 * (i + 1);

		label[2] = (uint8_t)((label[2] & 0xfe) | !i);
	}
	put_network(f, s);
	put_transport(f, s);
	len = f->header_len + s->payload;
	while (n < PIECES_MAX - 1 && at < len) {
		uint32_t part = min(below(3) ? below(3000) : below(20), len - at);

		f->iov[n++] = (struct iovec){ f->frame + at, part };
		at += part;
	}
	f->iov[n++] = (struct iovec){ f->frame + at, len - at };
	pkt_init(pkt, f->iov, n, len);
	pkt_parse(pkt);
	set_offload(f, s, pkt);
	return pkt;
}

/* The network header of a segment, whose flat bytes are @p: what is the packet's, and what is not.
 */
static void check_network(const struct fixture *f, const struct shape *s, const uint8_t *p,
			  uint32_t len, unsigned index)
{
	const uint8_t *ip = p + f->network, *was = f->frame + f->network;

	assert_memory_equal(p, f->frame, f->network);
	if (s->ipv6) {
		assert_memory_equal(ip, was, 4);
		assert_int_equal(get16(ip + 4), len - f->network - 40);
		assert_memory_equal(ip + 6, was + 6, f->transport - f->network - 6);
		return;
	}
	assert_memory_equal(ip, was, 2);
	assert_int_equal(get16(ip + 2), len - f->network);
	assert_int_equal(get16(ip + 4), (get16(was + 4) + index) & 0xffff);
	assert_memory_equal(ip + 6, was + 6, 4);
	assert_memory_equal(ip + 12, was + 12, f->transport - f->network - 12);
	assert_int_equal(fold(sum_words(ip, f->transport - f->network)), 0xffff);
}

static void check_transport(const struct fixture *f, const struct shape *s, const uint8_t *p,
			    uint32_t len, unsigned index, bool last)
{
	const uint8_t *got = p + f->transport, *was = f->frame + f->transport;
	uint8_t flags = s->tcp_flags;

	if (s->udp) {
		assert_memory_equal(got, was, 4);
		assert_int_equal(get16(got + 4), len - f->transport);
		assert_int_not_equal(get16(got + 6), 0);
		return;
	}
	if (index)
		flags &= 0x7f; /* CWR */
	if (!last)
		flags &= 0xf6; /* PSH, FIN */
	assert_memory_equal(got, was, 4);
	assert_int_equal(get32(got + 4), (uint32_t)(get32(was + 4) + index * s->size));
	assert_memory_equal(got + 8, was + 8, 5);
	assert_int_equal(got[13], flags);
	assert_memory_equal(got + 14, was + 14, 2);
	assert_memory_equal(got + 18, was + 18, 2 + 4 * s->tcp_option);
}

static uint64_t pseudo_header(const struct fixture *f, const struct shape *s, const uint8_t *p,
			      uint32_t len)
{
	unsigned address_len = s->ipv6 ? 16 : 4;

	return sum_words(p + f->network + (s->ipv6 ? 8 : 12), address_len) +
	       sum_words(f->destination, address_len) + (s->udp ? 17 : 6) + len - f->transport;
}

/* One segment; returns its payload's length, which is appended to again[]. */
static uint32_t check_segment(struct fixture *f, const struct shape *s, struct pkt *seg,
			      unsigned index, uint32_t done, bool left)
{
	uint32_t n = min((uint32_t)s->size, s->payload - done);
	uint8_t *p = malloc(seg->len);

	assert_non_null(p);
	assert_int_equal(seg->len, f->header_len + n);
	if (left) {
		pkt_copy(seg, p);
		assert_int_equal(seg->offload.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
		assert_int_equal(seg->offload.csum_start, f->transport);
		assert_int_equal(seg->offload.csum_offset, s->udp ? 6 : 16);
		assert_int_equal(get16(p + f->transport + (s->udp ? 6 : 16)),
				 fold(pseudo_header(f, s, p, seg->len)));
		assert_int_equal(checksum_complete(seg), 0);
	}
	assert_int_equal(seg->offload.flags, 0);
	assert_int_equal(seg->offload.gso_type, VIRTIO_NET_HDR_GSO_NONE);
	assert_int_equal(seg->offload.gso_size, 0);
	pkt_copy(seg, p);
	check_network(f, s, p, seg->len, index);
	check_transport(f, s, p, seg->len, index, done + n == s->payload);
	assert_int_equal(fold(pseudo_header(f, s, p, seg->len) +
			      sum_words(p + f->transport, seg->len - f->transport)),
			 0xffff);
	memcpy(f->again + done, p + f->header_len, n);
	free(p);
	return n;
}

/* Segments @pkt, a batch at a time, and compares. */
static void check_all(struct fixture *f, const struct shape *s, struct pkt *pkt, bool leave)
{
	unsigned index = 0, n_expected = s->payload ? (s->payload - 1) / s->size + 1 : 1;
	struct gso g;
	uint32_t done = 0;
	bool more = true;

	assert_int_equal(gso_check(pkt), 0);
	assert_int_equal(pkt->offload.hdr_len, f->header_len);
	assert_int_equal(gso_start(&g, pkt), 0);
	assert_int_equal(g.n_segments, n_expected);
	while (more) {
		batch_clear(f->out);
		while (f->out->n < BATCH_MAX && (more = gso_next(&g, leave, f->out)))
			;
		for (unsigned i = 0; i < f->out->n; i++)
			done += check_segment(f, s, &f->out->pkts[i], index++, done, leave);
	}
	assert_int_equal(index, n_expected);
	assert_int_equal(done, s->payload);
	assert_memory_equal(f->again, f->frame + f->header_len, s->payload);
}

static struct shape random_shape(void)
{
	struct shape s = {
		.ipv6 = random() & 1,
		.udp = !below(3),
		.n_tags = below(3),
		.n_labels = below(4) ? 0 : below(3),
		.payload = below(4) ? below(60000) : below(300),
		.size = (uint16_t)(below(4) ? 500 + below(2000) : 48 + below(200)),
		.tcp_flags = (uint8_t)(0x10 | (below(256) & ~2u)),
		.tcp_option = below(6),
	};

	s.options = s.ipv6 ? below(3) : below(6);
	s.ecn = !s.udp && random() & 1;
	if (s.ipv6 && s.n_labels)
		s.options = min(s.options, 1u); /* so that all fits into the head */
	if (s.ipv6 && s.options == 2 && !s.n_tags && s.tcp_option < 2)
		s.options = 3; /* all three still fit into the head */
	return s;
}

static void random_packets(void **state)
{
	struct fixture *f = *state;

	for (unsigned round = 0; round < 400; round++) {
		struct shape s = random_shape();
		struct pkt *pkt = make_packet(f, &s);

		if (s.payload / s.size >= GSO_SEGMENTS_MAX)
			continue;
		if (f->header_len > PKT_HEAD_MAX - VLAN_TAG_LEN)
			continue;
		check_all(f, &s, pkt, round & 1);
	}
}

/* Each feature alone, so that none depends on luck. */
static void chosen_packets(void **state)
{
	struct fixture *f = *state;
	const struct shape shapes[] = {
		{ .payload = 65535 - 40, .size = 1460, .tcp_flags = 0x99 },
		{ .payload = 65535 - 60, .size = 1440, .ipv6 = true, .tcp_flags = 0x99 },
		{ .payload = 2000, .size = 1000, .n_tags = 2, .tcp_flags = 0x10 },
		{ .payload = 2001, .size = 1000, .ipv6 = true, .options = 3, .tcp_flags = 0x10 },
		{ .payload = 1999, .size = 1000, .udp = true, .options = 10 },
		{ .payload = 1000, .size = 9000, .udp = true, .ipv6 = true, .n_tags = 2 },
		{ .payload = 0, .size = 1460, .tcp_flags = 0x11 },
		{ .payload = 1, .size = 1, .tcp_flags = 0xff & ~2 },
		{ .payload = GSO_SEGMENTS_MAX, .size = 1, .tcp_flags = 0x10 },
		{ .payload = 64000, .size = 64000, .tcp_flags = 0x10, .tcp_option = 10 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
		check_all(f, &shapes[i], make_packet(f, &shapes[i]), true);
		check_all(f, &shapes[i], make_packet(f, &shapes[i]), false);
	}
}

/* The switch's own tag, on a packet that has two. */
static void behind_a_pushed_tag(void **state)
{
	struct fixture *f = *state;
	struct shape s = { .payload = 5000, .size = 1400, .n_tags = 2, .tcp_flags = 0x18 };
	struct pkt *pkt = make_packet(f, &s);
	struct gso g;

	assert_int_equal(gso_check(pkt), 0);
	pkt_set_tag(pkt, true, 100);
	assert_int_equal(pkt->offload.hdr_len, f->header_len + VLAN_TAG_LEN);
	assert_int_equal(gso_start(&g, pkt), 0);
	assert_int_equal(g.header_len, f->header_len + VLAN_TAG_LEN);
	batch_clear(f->out);
	assert_true(gso_next(&g, false, f->out));
	assert_int_equal(f->out->pkts[0].len, f->header_len + VLAN_TAG_LEN + 1400);
	assert_memory_equal(f->out->pkts[0].head + 12, "\x81\x00\x00\x64", 4);
	assert_true(f->out->pkts[0].tagged);
}

/* A UDP checksum that comes out as 0 is sent as 0xffff. */
static void udp_never_sends_zero(void **state)
{
	struct fixture *f = *state;
	struct shape s = { .payload = 100, .size = 100, .udp = true };
	struct pkt *pkt = make_packet(f, &s);
	uint8_t *last = f->frame + f->header_len + 98;
	unsigned sum;
	struct gso g;

	put16(last, 0);
	put16(f->frame + f->transport + 4, 108);
	put16(f->frame + f->transport + 6, 0);
	sum = fold(pseudo_header(f, &s, f->frame, f->header_len + 100) +
		   sum_words(f->frame + f->transport, 108));
	put16(last, 0xffff - sum);
	pkt_init_linear(pkt, f->frame, f->header_len + 100, f->iov);
	set_offload(f, &s, pkt);
	assert_int_equal(gso_start(&g, pkt), 0);
	batch_clear(f->out);
	assert_true(gso_next(&g, false, f->out));
	assert_int_equal(get16(f->out->pkts[0].head + f->transport + 6), 0xffff);
}

struct lie {
	const char *what;
	struct shape shape;
	unsigned at; /* byte of the packet from its network header on */
	uint8_t value;
};

#define TCP4                                                     \
	{                                                        \
		.payload = 4000, .size = 1000, .tcp_flags = 0x10 \
	}
#define TCP6                                                                                 \
	{                                                                                    \
		.payload = 4000, .size = 1000, .tcp_flags = 0x10, .ipv6 = true, .options = 3 \
	}
#define UDP4                                               \
	{                                                  \
		.payload = 4000, .size = 1000, .udp = true \
	}

static void headers_that_lie_are_refused(void **state)
{
	struct fixture *f = *state;
	static const struct lie lies[] = {
		{ "IP version", TCP4, 0, 0x65 },
		{ "IPv4 header length", TCP4, 0, 0x44 },
		{ "transport not where it was said", TCP4, 0, 0x46 },
		{ "more fragments", TCP4, 6, 0x20 },
		{ "fragment offset", TCP4, 7, 1 },
		{ "protocol", TCP4, 9, IPPROTO_UDP },
		{ "protocol", UDP4, 9, IPPROTO_TCP },
		{ "TCP header length", TCP4, 20 + 12, 0x40 },
		{ "TCP SYN", TCP4, 20 + 13, 0x12 },
		{ "IP version", TCP6, 0, 0x45 },
		{ "next header", TCP6, 6, IPPROTO_FRAGMENT },
		{ "next header", TCP6, 6, IPPROTO_AH },
		{ "extension's next header", TCP6, 40, IPPROTO_NONE },
		{ "extension's length", TCP6, 40 + 8 + 8 + 1, 3 },
		{ "extension beyond the frame", TCP6, 40 + 1, 255 },
		{ "unknown routing", TCP6, 40 + 8 + 8 + 2, 0 },
		{ "routing without address", TCP6, 40 + 8 + 8 + 1, 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		struct pkt *pkt = make_packet(f, &lies[i].shape);

		assert_int_equal(gso_check(pkt), 0);
		pkt->head[f->network + lies[i].at] = lies[i].value;
		if (!gso_check(pkt))
			fail_msg("%zu: %s was believed", i, lies[i].what);
	}
}

static void offload_fields_are_checked(void **state)
{
	struct fixture *f = *state;
	const struct shape s = TCP4;
	const uint8_t types[] = { VIRTIO_NET_HDR_GSO_TCPV6, VIRTIO_NET_HDR_GSO_UDP_L4,
				  VIRTIO_NET_HDR_GSO_UDP, 2, 0x7f };
	struct pkt *pkt = make_packet(f, &s);
	struct virtio_net_hdr right = pkt->offload;

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		pkt->offload.gso_type = types[i];
		assert_int_equal(gso_check(pkt), -EINVAL);
	}
	pkt->offload = right;
	pkt->offload.csum_start++;
	assert_int_equal(gso_check(pkt), -EINVAL);
	pkt->offload = right;
	pkt->offload.csum_offset = 6;
	assert_int_equal(gso_check(pkt), -EINVAL);
	pkt->offload = right;
	pkt->offload.flags = 0;
	assert_int_equal(gso_check(pkt), -EINVAL);
	pkt->offload = right;
	pkt->offload.gso_size = 0;
	assert_int_equal(gso_check(pkt), -EINVAL);
	pkt->offload.gso_size = 2; /* 2000 segments */
	assert_int_equal(gso_check(pkt), -EINVAL);
	pkt->offload.gso_size = 3; /* 1334 */
	assert_int_equal(gso_check(pkt), 0);
	pkt->offload.gso_size = UINT16_MAX;
	assert_int_equal(gso_check(pkt), 0);
}

/* Each header cut off at each byte; and more of them than the private copy holds. */
static void short_frames_are_refused(void **state)
{
	struct fixture *f = *state;
	const struct shape shapes[] = { TCP4, TCP6, UDP4 };
	struct shape large = TCP6;
	struct pkt *pkt;

	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
		pkt = make_packet(f, &shapes[i]);
		for (uint32_t len = 0; len < f->header_len; len++) {
			pkt_init_linear(pkt, f->frame, len, f->iov);
			set_offload(f, &shapes[i], pkt);
			assert_int_equal(gso_check(pkt), -EINVAL);
		}
	}
	large.tcp_option = 2;
	pkt = make_packet(f, &large);
	assert_int_equal(f->header_len, 122);
	assert_int_equal(gso_check(pkt), 0);
	large.tcp_option = 3;
	pkt = make_packet(f, &large);
	assert_int_equal(gso_check(pkt), -EINVAL);
	large.tcp_option = 5;
	pkt = make_packet(f, &large);
	assert_int_equal(gso_check(pkt), -EINVAL);
}

/* A frame that is longer than any IP packet, in one segment. */
static void no_segment_is_longer_than_ip_allows(void **state)
{
	struct fixture *f = *state;
	struct shape s = { .payload = 65535 - 40, .size = 65535, .tcp_flags = 0x10 };
	struct pkt *pkt = make_packet(f, &s);

	assert_int_equal(gso_check(pkt), 0);
	s.payload++;
	pkt = make_packet(f, &s);
	assert_int_equal(gso_check(pkt), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(random_packets, setup, teardown),
		cmocka_unit_test_setup_teardown(chosen_packets, setup, teardown),
		cmocka_unit_test_setup_teardown(behind_a_pushed_tag, setup, teardown),
		cmocka_unit_test_setup_teardown(udp_never_sends_zero, setup, teardown),
		cmocka_unit_test_setup_teardown(headers_that_lie_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(offload_fields_are_checked, setup, teardown),
		cmocka_unit_test_setup_teardown(short_frames_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(no_segment_is_longer_than_ip_allows, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
