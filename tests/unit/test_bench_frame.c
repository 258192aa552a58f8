// SPDX-License-Identifier: Apache-2.0
// Frames of the load generator: legal, each different, and every change of a byte is seen.
#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cli/bench_frame.h"

#define FROM 0x02000000000aull
#define TO 0x02000000000bull

static const uint32_t lens[] = { 60, 61, 67, 68, 1514, BENCH_FRAME_MAX };

#define EACH_LEN(l) (const uint32_t *l = lens; l < lens + sizeof(lens) / sizeof(*lens); l++)

static void test_legal(void **state)
{
	for
		EACH_LEN(len)
		{
			uint8_t frame[BENCH_FRAME_MAX];
			uint32_t sum = 0;
			struct iphdr ip;
			struct udphdr udp;

			bench_frame_build(frame, *len, false, FROM, TO, 77);
			memcpy(&ip, frame + 14, sizeof(ip));
			memcpy(&udp, frame + 34, sizeof(udp));
			assert_int_equal(mac_load(frame), TO);
			assert_int_equal(mac_load(frame + 6), FROM);
			assert_int_equal(frame[12] << 8 | frame[13], 0x0800);
			for (unsigned i = 0; i < 20; i += 2)
				sum += (uint32_t)frame[14 + i] << 8 | frame[15 + i];
			assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff);
			assert_int_equal(ntohs(ip.tot_len), *len - 14);
			assert_int_equal(ip.protocol, IPPROTO_UDP);
			assert_int_equal(ntohs(udp.len), *len - 34);
			assert_int_equal(udp.check, 0);
			assert_int_equal(bench_frame_read(frame, false).flow, 77);
		}
}

/* No two flows have the same addresses and ports. */
static void test_flows(void **state)
{
	uint8_t *seen = calloc(1, 1u << 24);

	assert_non_null(seen);
	for (uint32_t flow = 0; flow < 65536; flow++) {
		uint8_t frame[60];
		uint32_t key;

		bench_frame_build(frame, sizeof(frame), false, FROM, TO, flow);
		/* the low 16 bits of the address and the low 8 of the port tell them apart */
		key = (uint32_t)frame[28] << 16 | (uint32_t)frame[29] << 8 | frame[35];
		assert_int_equal(frame[26] << 8 | frame[27], 0xc612);
		assert_int_equal(seen[key], 0);
		seen[key] = 1;
	}
	free(seen);
}

static void check_intact(uint32_t len, bool tcp)
{
	static uint8_t frame[BENCH_LARGE_MAX];
	uint8_t headers[BENCH_HEADERS_MAX];
	const struct bench_stamp stamp = { 5, 123456, 99 };
	uint32_t time_at = bench_headers_len(tcp) + 8;

	bench_frame_build(frame, len, tcp, FROM, TO, 5);
	bench_frame_headers(headers, len, tcp, FROM, TO, 5);
	assert_true(bench_frame_intact(frame, len, tcp, headers));
	bench_frame_stamp(frame, len, tcp, &stamp, true);
	assert_true(bench_frame_intact(frame, len, tcp, headers));
	assert_int_equal(bench_frame_read(frame, tcp).number, 123456);
	assert_int_equal(bench_frame_read(frame, tcp).sent_at, 99);
	for (uint32_t i = 0; i < len; i++) {
		frame[i] ^= 0x10;
		assert_int_equal(bench_frame_intact(frame, len, tcp, headers),
				 i >= time_at && i < time_at + 8);
		frame[i] ^= 0x10;
	}
}

static void test_intact(void **state)
{
	for
		EACH_LEN(len)
		{
			check_intact(*len, false);
		}
	check_intact(1515, true);
	check_intact(5003, true);
}

/* What the kernel and the specification want of a packet that is to be segmented. */
static void test_tcp(void **state)
{
	static uint8_t frame[BENCH_LARGE_MAX];
	const uint32_t len = BENCH_LARGE_MAX;
	uint32_t sum = IPPROTO_TCP + len - BENCH_TCP_AT;
	struct tcphdr tcp;
	struct iphdr ip;

	bench_frame_build(frame, len, true, FROM, TO, 77);
	memcpy(&ip, frame + 14, sizeof(ip));
	memcpy(&tcp, frame + BENCH_TCP_AT, sizeof(tcp));
	assert_int_equal(ntohs(ip.tot_len), 65535);
	assert_int_equal(ip.protocol, IPPROTO_TCP);
	assert_int_equal(BENCH_TCP_AT + 4 * tcp.doff, BENCH_TCP_HEADERS);
	assert_int_equal(tcp.seq, 0);
	assert_true(tcp.ack && !tcp.syn && !tcp.fin && !tcp.rst);
	for (unsigned i = 0; i < 8; i += 2)
		sum += (uint32_t)frame[26 + i] << 8 | frame[27 + i];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	assert_int_equal(ntohs(tcp.check), sum); /* the pseudo header's */
}

/* What an earlier frame of the flow left behind the stamp is noticed. */
static void test_stale(void **state)
{
	for
		EACH_LEN(len)
		{
			uint8_t frame[BENCH_FRAME_MAX], headers[BENCH_UDP_HEADERS];

			bench_frame_build(frame, *len, false, FROM, TO, 0);
			memcpy(headers, frame, sizeof(headers));
			for (uint32_t number = 1; number < 300; number++) {
				const struct bench_stamp stamp = { 0, number, 0 };

				bench_frame_stamp(frame, *len, false, &stamp, false);
				assert_false(bench_frame_intact(frame, *len, false, headers));
			}
		}
}

/* A frame that is made new is that of another flow, or comes from another address. */
static void test_renew(void **state)
{
	uint8_t frame[BENCH_FRAME_MIN], want[BENCH_FRAME_MIN];

	bench_frame_build(frame, sizeof(frame), false, FROM, TO, 0);
	for (uint32_t number = 1; number < 70000; number += 997) {
		bench_frame_renew(frame, sizeof(frame), BENCH_FRESH_FLOWS, number);
		bench_frame_headers(want, sizeof(want), false, FROM, TO, number);
		assert_memory_equal(frame, want, BENCH_UDP_HEADERS);
		bench_frame_renew(want, sizeof(want), BENCH_FRESH_MACS, number);
		assert_int_equal(mac_load(want), TO);
		assert_int_equal(mac_load(want + 6) & 0xffffffff, number);
		assert_memory_equal(frame + 12, want + 12, BENCH_UDP_HEADERS - 12);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_legal),  cmocka_unit_test(test_flows),
		cmocka_unit_test(test_intact), cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_stale),  cmocka_unit_test(test_renew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
