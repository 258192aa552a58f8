// SPDX-License-Identifier: Apache-2.0
// Frames of the load generator: legal, each different, and every change of a byte is seen.
#include <arpa/inet.h>
#include <netinet/ip.h>
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

			bench_frame_build(frame, *len, FROM, TO, 77);
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
			assert_int_equal(bench_frame_read(frame).flow, 77);
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

		bench_frame_build(frame, sizeof(frame), FROM, TO, flow);
		/* the low 16 bits of the address and the low 8 of the port tell them apart */
		key = (uint32_t)frame[28] << 16 | (uint32_t)frame[29] << 8 | frame[35];
		assert_int_equal(frame[26] << 8 | frame[27], 0xc612);
		assert_int_equal(seen[key], 0);
		seen[key] = 1;
	}
	free(seen);
}

static void test_intact(void **state)
{
	for
		EACH_LEN(len)
		{
			uint8_t frame[BENCH_FRAME_MAX], headers[BENCH_HEADERS_LEN];
			const struct bench_stamp stamp = { 5, 123456, 99 };

			bench_frame_build(frame, *len, FROM, TO, 5);
			memcpy(headers, frame, sizeof(headers));
			assert_true(bench_frame_intact(frame, *len, headers));
			bench_frame_stamp(frame, *len, &stamp, true);
			assert_true(bench_frame_intact(frame, *len, headers));
			assert_int_equal(bench_frame_read(frame).number, 123456);
			assert_int_equal(bench_frame_read(frame).sent_at, 99);
			for (uint32_t i = 0; i < *len; i++) {
				bool is_time =
					i >= BENCH_HEADERS_LEN + 8 && i < BENCH_HEADERS_LEN + 16;

				frame[i] ^= 0x10;
				assert_int_equal(bench_frame_intact(frame, *len, headers), is_time);
				frame[i] ^= 0x10;
			}
		}
}

/* What an earlier frame of the flow left behind the stamp is noticed. */
static void test_stale(void **state)
{
	for
		EACH_LEN(len)
		{
			uint8_t frame[BENCH_FRAME_MAX], headers[BENCH_HEADERS_LEN];

			bench_frame_build(frame, *len, FROM, TO, 0);
			memcpy(headers, frame, sizeof(headers));
			for (uint32_t number = 1; number < 300; number++) {
				const struct bench_stamp stamp = { 0, number, 0 };

				bench_frame_stamp(frame, *len, &stamp, false);
				assert_false(bench_frame_intact(frame, *len, headers));
			}
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_legal),
		cmocka_unit_test(test_flows),
		cmocka_unit_test(test_intact),
		cmocka_unit_test(test_stale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
