// SPDX-License-Identifier: Apache-2.0
/* libFuzzer target: large TCP and UDP packets that are right, made from the input: tags, options,
 * extension headers, sizes; and the same with a few bytes changed. One that is right must be let
 * in, and to a receiver that takes none come segments that are right in every field and carry the
 * same payload, by a second, simple reading of them. Its hash must be that of the packets that
 * answer it.
 */
#include <netinet/in.h>

#include "base/bytes.h"
#include "input.h"
#include "packet/checksum.h"
#include "packet/gso.h"
#include "packet/parse.h"
#include "port/offload.h"
#include "virtio/net_header.h"

#define HEADERS_MAX 300
#define PAYLOAD_MAX 9000
#define TCP_FIN 0x01
#define TCP_PSH 0x08
#define TCP_CWR 0x80

/* A packet, and where its parts are. */
static struct {
	uint8_t bytes[HEADERS_MAX + PAYLOAD_MAX];
	uint32_t network, transport, header_len, len;
	uint32_t destination; /* the address that the checksum covers */
	bool ipv6, tcp, damaged;
	struct virtio_net_hdr header;
} f;

/* What has come of it. */
static struct {
	unsigned n;
	uint32_t at; /* bytes of payload so far */
	bool left;   /* the receiver completes checksums */
} got;

/* ---- making */

static uint8_t *add(size_t len)
{
	uint8_t *at = f.bytes + f.len;

	require(f.len + len <= HEADERS_MAX);
	memset(at, 0, len);
	f.len += (uint32_t)len;
	return at;
}

static void add_u16(uint16_t value)
{
	be16_store(add(2), value);
}

static void make_ethernet(struct input *in)
{
	unsigned n_tags = take_choice(in, 3);

	memcpy(add(2 * ETH_ALEN), "\x02\0\0\0\0\1\x02\0\0\0\0\2", 2 * ETH_ALEN);
	for (unsigned i = 0; i < n_tags; i++) {
		add_u16(i + 1 < n_tags && take_choice(in, 2) ? 0x88a8 : 0x8100);
		add_u16((uint16_t)take_number(in, 2));
	}
	f.ipv6 = take_choice(in, 2);
	add_u16(f.ipv6 ? ETH_P_IPV6 : ETH_P_IP);
	f.network = f.len;
}

static void make_ipv4(struct input *in)
{
	unsigned options = take_choice(in, 4) ? 0 : 4 * take_choice(in, 11);
	uint8_t *ip = add(20 + options);

	ip[0] = (uint8_t)(0x45 + options / 4);
	be16_store(ip + 4, (uint16_t)take_number(in, 2));
	ip[8] = 64;
	ip[9] = f.tcp ? IPPROTO_TCP : IPPROTO_UDP;
	memcpy(ip + 12, "\x0a\0\0\1\x0a\0\0\2", 8);
	f.destination = f.network + 16;
}

/* A routing header on whose way there still is a stop, which alone the checksum covers. */
static void make_routing(struct input *in, uint8_t *extension)
{
	bool mobile = take_choice(in, 2);
	uint8_t *address = add(16);

	extension[1] = 2;
	extension[2] = mobile ? 2 : 4;
	extension[3] = 1;
	memset(address, 0x77, 16);
	f.destination = (uint32_t)(address - f.bytes);
}

static void make_ipv6(struct input *in)
{
	uint8_t *ip = add(40), *next = ip + 6;

	ip[0] = 0x60;
	ip[7] = 64;
	memset(ip + 8, 0x11, 16);
	memset(ip + 24, 0x22, 16);
	f.destination = f.network + 24;
	for (unsigned i = take_choice(in, 4) ? 0 : take_choice(in, 4); i; i--) {
		static const uint8_t kinds[] = { IPPROTO_HOPOPTS, IPPROTO_DSTOPTS,
						 IPPROTO_ROUTING };
		uint8_t kind = kinds[take_choice(in, ARRAY_SIZE(kinds))], *extension = add(8);

		*next = kind;
		next = extension;
		if (kind == IPPROTO_ROUTING && take_choice(in, 2))
			make_routing(in, extension);
	}
	*next = f.tcp ? IPPROTO_TCP : IPPROTO_UDP;
}

static void make_transport(struct input *in)
{
	unsigned options = f.tcp ? 4 * take_choice(in, 4) : 0;
	uint8_t *t;

	f.transport = f.len;
	t = add((f.tcp ? 20 : 8) + options);
	be16_store(t, 1000);
	be16_store(t + 2, 2000);
	f.header_len = f.len;
	if (!f.tcp)
		return;
	be32_store(t + 4, (uint32_t)take_number(in, 4));
	t[12] = (uint8_t)((5 + options / 4) << 4);
	t[13] = (uint8_t)take_number(in, 1) & (uint8_t)~0x02; /* no SYN */
}

static void make_payload(struct input *in)
{
	uint32_t len = (uint32_t)take_number(in, 2) % PAYLOAD_MAX;

	for (uint32_t i = 0; i < len; i++)
		f.bytes[f.len + i] = (uint8_t)(i ^ i >> 8);
	f.len += len;
	if (f.ipv6)
		be16_store(f.bytes + f.network + 4, (uint16_t)(f.len - f.network - 40));
	else
		be16_store(f.bytes + f.network + 2, (uint16_t)(f.len - f.network));
	if (!f.tcp)
		be16_store(f.bytes + f.transport + 4, (uint16_t)(f.len - f.transport));
}

static void make_request(struct input *in)
{
	bool cwr = f.tcp && f.bytes[f.transport + 13] & TCP_CWR;

	f.header = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = (uint8_t)(!f.tcp   ? VIRTIO_NET_HDR_GSO_UDP_L4
				      : f.ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6
					       : VIRTIO_NET_HDR_GSO_TCPV4),
		.gso_size = (uint16_t)(1 + take_number(in, 2) % 2000),
		.hdr_len = (uint16_t)f.header_len,
		.csum_start = (uint16_t)f.transport,
		.csum_offset = f.tcp ? 16 : 6,
	};
	if (cwr)
		f.header.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
}

static void make_packet(struct input *in)
{
	uint8_t before[HEADERS_MAX];
	struct virtio_net_hdr right;

	memset(&f, 0, offsetof(typeof(f), header));
	f.len = 0;
	f.tcp = take_choice(in, 2);
	make_ethernet(in);
	if (f.ipv6)
		make_ipv6(in);
	else
		make_ipv4(in);
	make_transport(in);
	make_payload(in);
	make_request(in);
	memcpy(before, f.bytes, f.header_len);
	right = f.header;
	take_damage(in, f.bytes, f.header_len, 3);
	take_damage(in, &f.header, sizeof(f.header), 2);
	f.damaged =
		memcmp(before, f.bytes, f.header_len) || memcmp(&right, &f.header, sizeof(right));
}

/* ---- the simple reading */

static uint32_t sum_of(uint32_t sum, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static void check_network(const uint8_t *seg, uint32_t len)
{
	const uint8_t *ip = seg + f.network, *was = f.bytes + f.network;

	if (f.ipv6) {
		require(be16_load(ip + 4) == len - f.network - 40);
		require(memcmp(ip, was, 4) == 0 && memcmp(ip + 6, was + 6, 34) == 0);
		return;
	}
	require(be16_load(ip + 2) == len - f.network);
	require(be16_load(ip + 4) == (uint16_t)(be16_load(was + 4) + got.n));
	require(fold(sum_of(0, ip, f.transport - f.network)) == 0xffff);
	require(memcmp(ip + 12, was + 12, f.transport - f.network - 12) == 0);
}

static void check_transport(const uint8_t *seg, uint32_t len, bool last)
{
	const uint8_t *t = seg + f.transport, *was = f.bytes + f.transport;
	uint8_t once = (uint8_t)((got.n ? TCP_CWR : 0) | (last ? 0 : TCP_FIN | TCP_PSH));
	uint32_t addr_len = f.ipv6 ? 16 : 4, sum = f.tcp ? IPPROTO_TCP : IPPROTO_UDP;

	require(memcmp(t, was, 4) == 0);
	if (f.tcp) {
		require(be32_load(t + 4) == be32_load(was + 4) + got.at);
		require(t[13] == (was[13] & (uint8_t)~once));
	} else {
		require(be16_load(t + 4) == len - f.transport);
	}
	sum += len - f.transport;
	sum = sum_of(sum, seg + f.network + (f.ipv6 ? 8 : 12), addr_len);
	sum = sum_of(sum, seg + f.destination, addr_len);
	if (got.left)
		require(fold(sum) == be16_load(t + f.header.csum_offset));
	else
		require(fold(sum_of(sum, t, len - f.transport)) == 0xffff);
}

static void check_segment(const struct pkt *pkt)
{
	static uint8_t seg[HEADERS_MAX + PAYLOAD_MAX];
	uint32_t n = pkt->len - f.header_len, total = f.len - f.header_len;
	bool last = got.at + n == total;

	require(pkt->len <= sizeof(seg) && pkt->len >= f.header_len && got.at + n <= total);
	require(last ? n <= f.header.gso_size : n == f.header.gso_size);
	pkt_copy(pkt, seg);
	require(memcmp(seg, f.bytes, f.network) == 0);
	require(memcmp(seg + f.header_len, f.bytes + f.header_len + got.at, n) == 0);
	check_network(seg, pkt->len);
	check_transport(seg, pkt->len, last);
	got.at += n;
	got.n++;
}

static void tx(struct txq *q, struct pkt *const *pkts, unsigned n, struct port_counters *c)
{
	for (unsigned i = 0; i < n; i++) {
		require(pkts[i]->offload.gso_type == VIRTIO_NET_HDR_GSO_NONE);
		require(q->offloads || offload_none(pkts[i]));
		if (!f.damaged)
			check_segment(pkts[i]);
	}
}

/* The other direction of a flow has the same hash. */
static void check_hash(const struct pkt *pkt)
{
	uint32_t addr = f.network + (f.ipv6 ? 8 : 12), len = f.ipv6 ? 16 : 4;
	uint8_t bytes[HEADERS_MAX], end[16];
	struct pkt back = { .tagged = false };
	struct iovec frag;

	memcpy(bytes, f.bytes, f.header_len);
	memcpy(end, bytes + addr, len);
	memcpy(bytes + addr, bytes + addr + len, len);
	memcpy(bytes + addr + len, end, len);
	memcpy(end, bytes + f.transport, 2);
	memcpy(bytes + f.transport, bytes + f.transport + 2, 2);
	memcpy(bytes + f.transport + 2, end, 2);
	pkt_init_linear(&back, bytes, f.header_len, &frag);
	pkt_parse(&back);
	require(pkt_hash(&back) == pkt_hash(pkt));
}

/* ---- */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct port_ops ops = { .tx = tx };
	static struct batch *in_batch, *scratch;
	struct input in = { data, size };
	struct port port = { .ops = &ops };
	struct txq q = { .port = &port };
	struct port_counters c = { 0 };
	struct pkt *pkt;
	uint8_t *frame;
	uint32_t cut;

	if (!in_batch) {
		in_batch = batch_create();
		scratch = batch_create();
		require(in_batch && scratch);
	}
	make_packet(&in);
	if (!net_header_valid(&f.header, offload_features(OFFLOAD_ALL), f.len)) {
		require(f.damaged);
		return 0;
	}
	net_header_clean(&f.header);
	frame = zeroed(f.len);
	memcpy(frame, f.bytes, f.len);
	cut = (uint32_t)take_number(&in, 1) % f.len;
	in_batch->frags[0] = (struct iovec){ frame, cut };
	in_batch->frags[1] = (struct iovec){ frame + cut, f.len - cut };
	pkt = &in_batch->pkts[0];
	pkt_init(pkt, in_batch->frags, 2, f.len);
	pkt->offload = f.header;
	pkt_parse(pkt);
	got.n = got.at = 0;
	got.left = take_choice(&in, 2);
	q.offloads = got.left ? OFFLOAD_CSUM : 0;
	if (offload_check(pkt)) {
		if (!f.damaged)
			check_hash(pkt);
		offload_transmit(scratch, &q, &pkt, 1, &c);
		require(f.damaged || got.at == f.len - f.header_len);
	} else {
		require(f.damaged || f.header_len > PKT_HEAD_MAX - VLAN_TAG_LEN ||
			(f.len - f.header_len) / f.header.gso_size >= GSO_SEGMENTS_MAX);
	}
	free(frame);
	return 0;
}
