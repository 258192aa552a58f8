// SPDX-License-Identifier: Apache-2.0
/* Frames of the load generator: how they are made, and how they are checked. */
#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/udp.h>

#include "base/hash.h"
#include "cli/bench_frame.h"

#define NET_FROM 0xc6120000u /* 198.18.0.0/15 is for benchmarks (RFC 2544, C.2.2; RFC 6890) */
#define NET_TO 0xc6130001u
#define HOSTS 65535u /* source addresses that are used */
#define PORT_FIRST 1024u
#define PORTS 60000u
#define PORT_DISCARD 9
#define TTL 64
#define STAMP_AT BENCH_HEADERS_LEN
#define FILL_AT (STAMP_AT + sizeof(struct bench_stamp))

_Static_assert(sizeof(struct bench_stamp) == 16, "the stamp has no holes");
_Static_assert(ETH_HLEN + sizeof(struct iphdr) + sizeof(struct udphdr) == BENCH_HEADERS_LEN,
	       "headers without options");

/* RFC 1071, of an even number of bytes. */
static uint16_t internet_checksum(const void *bytes, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i += 2) {
		uint16_t word;

		memcpy(&word, (const uint8_t *)bytes + i, sizeof(word));
		sum += word;
	}
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~(sum + (sum >> 16));
}

static void write_headers(uint8_t *frame, uint32_t len, mac_t from, mac_t to, uint32_t flow)
{
	struct iphdr ip = {
		.version = 4,
		.ihl = sizeof(ip) / 4,
		.tot_len = htons((uint16_t)(len - ETH_HLEN)),
		.frag_off = htons(IP_DF),
		.ttl = TTL,
		.protocol = IPPROTO_UDP,
		.saddr = htonl(NET_FROM + 1 + flow % HOSTS),
		.daddr = htonl(NET_TO),
	};
	/* a checksum of 0 says that there is none (RFC 768) */
	struct udphdr udp = {
		.source = htons((uint16_t)(PORT_FIRST + flow % PORTS)),
		.dest = htons(PORT_DISCARD),
		.len = htons((uint16_t)(len - ETH_HLEN - sizeof(ip))),
	};

	ip.check = internet_checksum(&ip, sizeof(ip));
	mac_store(frame, to);
	mac_store(frame + ETH_ALEN, from);
	frame[12] = ETH_P_IP >> 8;
	frame[13] = ETH_P_IP & 0xff;
	memcpy(frame + ETH_HLEN, &ip, sizeof(ip));
	memcpy(frame + ETH_HLEN + sizeof(ip), &udp, sizeof(udp));
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

static void fill(uint8_t *frame, uint32_t len, const struct bench_stamp *stamp)
{
	uint64_t seed = fill_seed(stamp);
	uint32_t at = FILL_AT;

	for (; len - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
		uint64_t word = fill_word(seed, at);

		memcpy(frame + at, &word, sizeof(word));
	}
	if (at < len) {
		uint64_t word = fill_word(seed, at);

		memcpy(frame + at, &word, len - at);
	}
}

void bench_frame_stamp(uint8_t *frame, uint32_t len, const struct bench_stamp *stamp, bool whole)
{
	memcpy(frame + STAMP_AT, stamp, sizeof(*stamp));
	if (whole)
		fill(frame, len, stamp);
}

void bench_frame_build(uint8_t *frame, uint32_t len, mac_t from, mac_t to, uint32_t flow)
{
	const struct bench_stamp stamp = { .flow = flow };

	write_headers(frame, len, from, to, flow);
	bench_frame_stamp(frame, len, &stamp, true);
}

struct bench_stamp bench_frame_read(const uint8_t *frame)
{
	struct bench_stamp stamp;

	memcpy(&stamp, frame + STAMP_AT, sizeof(stamp));
	return stamp;
}

bool bench_frame_intact(const uint8_t *frame, uint32_t len, const uint8_t *headers)
{
	struct bench_stamp stamp = bench_frame_read(frame);
	uint64_t seed = fill_seed(&stamp), word, is, differences = 0;
	uint32_t at = FILL_AT;

	if (memcmp(frame, headers, BENCH_HEADERS_LEN) != 0)
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
