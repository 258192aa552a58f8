// SPDX-License-Identifier: Apache-2.0
/* Frames of the load generator: how they are made, and how they are checked. */
#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>

#include "base/hash.h"
#include "cli/bench_frame.h"

#define NET_FROM 0xc6120000u /* 198.18.0.0/15 is for benchmarks (RFC 2544, C.2.2; RFC 6890) */
#define NET_TO 0xc6130001u
#define HOSTS 65535u		     /* source addresses that are used */
#define FRESH_MACS 0x02fe00000000ull /* the first source address of many */
#define PORT_FIRST 1024u
#define PORTS 60000u
#define PORT_DISCARD 9
#define TTL 64
#define IP_AT ETH_HLEN
#define TRANSPORT_AT (IP_AT + sizeof(struct iphdr))

/* RFC 7323, appendix A */
static const uint8_t timestamps[] = { 1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 1 };

_Static_assert(sizeof(struct bench_stamp) == BENCH_STAMP_LEN, "the stamp has no holes");
_Static_assert(TRANSPORT_AT + sizeof(struct udphdr) == BENCH_UDP_HEADERS, "no options");
_Static_assert(TRANSPORT_AT == BENCH_TCP_AT, "no options");
_Static_assert(TRANSPORT_AT + sizeof(struct tcphdr) + sizeof(timestamps) == BENCH_TCP_HEADERS,
	       "no options but the timestamps");

/* RFC 1071, of an even number of bytes; not complemented. */
static uint16_t internet_sum(const void *bytes, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i += 2) {
		uint16_t word;

		memcpy(&word, (const uint8_t *)bytes + i, sizeof(word));
		sum += word;
	}
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)(sum + (sum >> 16));
}

static void write_udp(uint8_t *at, uint16_t len, uint16_t port)
{
	/* a checksum of 0 says that there is none (RFC 768) */
	struct udphdr udp = {
		.source = htons(port),
		.dest = htons(PORT_DISCARD),
		.len = htons(len),
	};

	memcpy(at, &udp, sizeof(udp));
}

static void write_tcp(uint8_t *at, uint16_t len, uint16_t port, const struct iphdr *ip)
{
	const struct {
		uint32_t from, to;
		uint8_t zero, protocol;
		uint16_t len;
	} pseudo = { ip->saddr, ip->daddr, 0, ip->protocol, htons(len) };
	struct tcphdr tcp = {
		.source = htons(port),
		.dest = htons(PORT_DISCARD),
		.doff = (sizeof(tcp) + sizeof(timestamps)) / 4,
		.ack = 1,
		.window = UINT16_MAX,
		.check = internet_sum(&pseudo, sizeof(pseudo)),
	};

	memcpy(at, &tcp, sizeof(tcp));
	memcpy(at + sizeof(tcp), timestamps, sizeof(timestamps));
}

void bench_frame_headers(uint8_t *frame, uint32_t len, bool tcp, mac_t from, mac_t to,
			 uint32_t flow)
{
	uint16_t port = (uint16_t)(PORT_FIRST + flow % PORTS);
	uint16_t transport_len = (uint16_t)(len - TRANSPORT_AT);
	struct iphdr ip = {
		.version = 4,
		.ihl = sizeof(ip) / 4,
		.tot_len = htons((uint16_t)(len - ETH_HLEN)),
		.frag_off = htons(IP_DF),
		.ttl = TTL,
		.protocol = tcp ? IPPROTO_TCP : IPPROTO_UDP,
		.saddr = htonl(NET_FROM + 1 + flow % HOSTS),
		.daddr = htonl(NET_TO),
	};

	ip.check = (uint16_t)~internet_sum(&ip, sizeof(ip));
	mac_store(frame, to);
	mac_store(frame + ETH_ALEN, from);
	frame[12] = ETH_P_IP >> 8;
	frame[13] = ETH_P_IP & 0xff;
	memcpy(frame + IP_AT, &ip, sizeof(ip));
	if (tcp)
		write_tcp(frame + TRANSPORT_AT, transport_len, port, &ip);
	else
		write_udp(frame + TRANSPORT_AT, transport_len, port);
}

static uint64_t fill_seed(const struct bench_stamp *stamp)
{
	return hash_mix((uint64_t)stamp->flow << 32 | stamp->number, 0);
}

/* The 8 bytes of payload at @at behind the stamp: different in every frame of every flow, so that
 * what an earlier frame left in a buffer is not taken for this one's. */
static uint64_t fill_word(uint64_t seed, uint32_t at)
{
	return seed + at * 0x9e3779b97f4a7c15ull;
}

/* The first byte of payload behind the stamp. */
static uint32_t fill_at(bool tcp)
{
	return bench_headers_len(tcp) + BENCH_STAMP_LEN;
}

static void fill(uint8_t *frame, uint32_t len, bool tcp, const struct bench_stamp *stamp)
{
	uint64_t seed = fill_seed(stamp);
	uint32_t at = fill_at(tcp);

	for (; len - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
		uint64_t word = fill_word(seed, at);

		memcpy(frame + at, &word, sizeof(word));
	}
	if (at < len) {
		uint64_t word = fill_word(seed, at);

		memcpy(frame + at, &word, len - at);
	}
}

void bench_frame_stamp(uint8_t *frame, uint32_t len, bool tcp, const struct bench_stamp *stamp,
		       bool whole)
{
	memcpy(frame + bench_headers_len(tcp), stamp, sizeof(*stamp));
	if (tcp)
		memcpy(frame + BENCH_TCP_TIME_AT, &stamp->number, sizeof(stamp->number));
	if (whole)
		fill(frame, len, tcp, stamp);
}

void bench_frame_build(uint8_t *frame, uint32_t len, bool tcp, mac_t from, mac_t to, uint32_t flow)
{
	const struct bench_stamp stamp = { .flow = flow };

	bench_frame_headers(frame, len, tcp, from, to, flow);
	bench_frame_stamp(frame, len, tcp, &stamp, true);
}

void bench_frame_renew(uint8_t *frame, uint32_t len, enum bench_fresh fresh, uint32_t number)
{
	if (fresh == BENCH_FRESH_MACS)
		mac_store(frame + ETH_ALEN, FRESH_MACS | number);
	else
		bench_frame_headers(frame, len, false, mac_load(frame + ETH_ALEN), mac_load(frame),
				    number);
}

struct bench_stamp bench_frame_read(const uint8_t *frame, bool tcp)
{
	struct bench_stamp stamp;

	memcpy(&stamp, frame + bench_headers_len(tcp), sizeof(stamp));
	return stamp;
}

static bool headers_intact(const uint8_t *frame, bool tcp, const uint8_t *headers, uint32_t number)
{
	size_t behind = BENCH_TCP_TIME_AT + sizeof(number);

	if (!tcp)
		return memcmp(frame, headers, BENCH_UDP_HEADERS) == 0;
	return memcmp(frame, headers, BENCH_TCP_TIME_AT) == 0 &&
	       memcmp(frame + BENCH_TCP_TIME_AT, &number, sizeof(number)) == 0 &&
	       memcmp(frame + behind, headers + behind, BENCH_TCP_HEADERS - behind) == 0;
}

bool bench_frame_intact(const uint8_t *frame, uint32_t len, bool tcp, const uint8_t *headers)
{
	struct bench_stamp stamp = bench_frame_read(frame, tcp);
	uint64_t seed = fill_seed(&stamp), word, is, differences = 0;
	uint32_t at = fill_at(tcp);

	if (!headers_intact(frame, tcp, headers, stamp.number))
		return false;
	for (; len - at >= sizeof(word); at += sizeof(word)) {
		memcpy(&is, frame + at, sizeof(is));
		differences |= is ^ fill_word(seed, at);
	}
	if (at < len) {
		word = fill_word(seed, at);
		differences |= (uint64_t)(memcmp(frame + at, &word, len - at) != 0);
	}
	return differences == 0;
}
