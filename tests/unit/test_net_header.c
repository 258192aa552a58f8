// SPDX-License-Identifier: Apache-2.0
/* The virtio-net header: split anywhere, and every field checked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <string.h>

#include "base/compiler.h"
#include "virtio/net_header.h"

#define BIT(n) (1ull << (n))
#define ALL                                                                                   \
	(BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6) | \
	 BIT(VIRTIO_NET_F_HOST_ECN) | BIT(VIRTIO_NET_F_HOST_UFO) | BIT(VIRTIO_NET_F_HOST_USO))

static void test_len(void **state)
{
	assert_int_equal(net_header_len(0), 10);
	assert_int_equal(net_header_len(BIT(VIRTIO_NET_F_MRG_RXBUF)), 12);
	assert_int_equal(net_header_len(BIT(VIRTIO_F_VERSION_1)), 12);
	assert_int_equal(net_header_len(ALL), 10);
}

/* 24 bytes cut into up to three pieces at every place, for both header lengths. */
static void test_pull_everywhere(void **state)
{
	uint8_t chain[24], header[12], rest[24];

	for (unsigned i = 0; i < sizeof(chain); i++)
		chain[i] = (uint8_t)(i + 1);
	for (unsigned len = 10; len <= 12; len += 2) {
		for (unsigned a = 0; a <= 24; a++) {
			for (unsigned b = a; b <= 24; b++) {
				struct iovec iov[3] = { { chain, a },
							{ chain + a, b - a },
							{ chain + b, 24 - b } };
				struct iovec *v = iov;
				size_t got = 0;
				int n;

				memset(header, 0xee, sizeof(header));
				n = net_header_pull(&v, 3, header, len);
				assert_in_range(n, 1, 3);
				assert_ptr_equal(v + n, iov + 3);
				assert_memory_equal(header, chain, len);
				if (len < sizeof(header))
					assert_int_equal(header[len], 0xee);
				for (int i = 0; i < n; i++) {
					memcpy(rest + got, v[i].iov_base, v[i].iov_len);
					got += v[i].iov_len;
				}
				assert_int_equal(got, 24 - len);
				assert_memory_equal(rest, chain + len, got);
			}
		}
	}
}

static void test_pull_short(void **state)
{
	uint8_t chain[12] = { 0 }, header[12];

	for (unsigned total = 0; total <= 12; total++) {
		struct iovec iov[2] = { { chain, total / 2 },
					{ chain + total / 2, total - total / 2 } };
		struct iovec *v = iov;

		assert_int_equal(net_header_pull(&v, 2, header, 12), total < 12 ? -EINVAL : 0);
	}
	assert_int_equal(net_header_pull(&(struct iovec *){ NULL }, 0, header, 10), -EINVAL);
}

struct check {
	struct virtio_net_hdr header;
	uint64_t features;
	uint32_t frame_len;
	bool valid;
};

#define CSUM VIRTIO_NET_HDR_F_NEEDS_CSUM
#define TCP4 VIRTIO_NET_HDR_GSO_TCPV4
#define TCP6 VIRTIO_NET_HDR_GSO_TCPV6
#define ECN VIRTIO_NET_HDR_GSO_ECN
#define UFO VIRTIO_NET_HDR_GSO_UDP
#define USO VIRTIO_NET_HDR_GSO_UDP_L4

static const struct check checks[] = {
	/* flags, gso_type, hdr_len, gso_size, csum_start, csum_offset */
	{ { 0, 0, 0, 0, 0, 0 }, 0, 14, true },
	{ { 0, 0, 0, 0, 0, 0 }, 0, 0, true },
	/* ignored, as the specification says */
	{ { 0, 0, 9999, 9999, 9999, 9999 }, 0, 60, true },
	{ { VIRTIO_NET_HDR_F_DATA_VALID, 0, 0, 0, 0, 0 }, 0, 60, true },
	{ { 0xfe, 0, 0, 0, 0, 0 }, 0, 60, true },

	{ { CSUM, 0, 0, 0, 34, 16 }, ALL, 60, true },
	{ { CSUM, 0, 0, 0, 34, 16 }, ALL & ~BIT(VIRTIO_NET_F_CSUM), 60, false },
	{ { CSUM, 0, 0, 0, 34, 24 }, ALL, 60, true },
	{ { CSUM, 0, 0, 0, 34, 25 }, ALL, 60, false },
	{ { CSUM, 0, 0, 0, 58, 0 }, ALL, 60, true },
	{ { CSUM, 0, 0, 0, 59, 0 }, ALL, 60, false },
	{ { CSUM, 0, 0, 0, 60, 0 }, ALL, 60, false },
	{ { CSUM, 0, 0, 0, 65535, 65535 }, ALL, 60, false },
	{ { CSUM, 0, 0, 0, 65535, 2 }, ALL, 60, false },
	{ { CSUM, 0, 0, 0, 34, 65535 }, ALL, 60, false },
	{ { CSUM, 0, 0, 0, 34, 65534 }, ALL, 65600, true },
	{ { CSUM, 0, 0, 0, 14, 0 }, ALL, 60, true },
	{ { CSUM, 0, 0, 0, 13, 0 }, ALL, 60, false }, /* inside the addresses */
	{ { CSUM, 0, 0, 0, 0, 16 }, ALL, 60, false },
	{ { CSUM, 0, 0, 0, 34, 16 }, ALL, 0, false },

	{ { CSUM, TCP4, 54, 1448, 34, 16 }, ALL, 9000, true },
	{ { CSUM, TCP4, 54, 1448, 34, 16 }, ALL & ~BIT(VIRTIO_NET_F_HOST_TSO4), 9000, false },
	{ { CSUM, TCP4, 54, 0, 34, 16 }, ALL, 9000, false },
	{ { 0, TCP4, 54, 1448, 34, 16 }, ALL, 9000, false },
	{ { CSUM, TCP4, 9000, 1448, 34, 16 }, ALL, 9000, true },
	{ { CSUM, TCP4, 9001, 1448, 34, 16 }, ALL, 9000, false },
	{ { CSUM, TCP4, 54, 1448, 34, 6 }, ALL, 9000, false },
	{ { CSUM, TCP4, 54, 1448, 34, 16 }, ALL, 54, true },
	{ { CSUM, TCP4, 53, 1448, 34, 16 }, ALL, 53, false }, /* no room for a TCP header */
	{ { CSUM, TCP4 | ECN, 54, 1448, 34, 16 }, ALL, 9000, true },
	{ { CSUM, TCP4 | ECN, 54, 1448, 34, 16 }, ALL & ~BIT(VIRTIO_NET_F_HOST_ECN), 9000, false },
	{ { CSUM, TCP6, 74, 1428, 54, 16 }, ALL, 9000, true },
	{ { CSUM, TCP6, 74, 1428, 54, 16 }, ALL & ~BIT(VIRTIO_NET_F_HOST_TSO6), 9000, false },
	{ { CSUM, TCP6 | ECN, 74, 1428, 54, 16 }, ALL, 9000, true },
	{ { CSUM, UFO, 42, 1480, 34, 6 }, ALL, 9000, true },
	{ { CSUM, UFO, 42, 1480, 34, 6 }, ALL & ~BIT(VIRTIO_NET_F_HOST_UFO), 9000, false },
	{ { CSUM, UFO | ECN, 42, 1480, 34, 6 }, ALL, 9000, false },
	{ { CSUM, USO, 42, 1472, 34, 6 }, ALL, 9000, true },
	{ { CSUM, USO, 42, 1472, 34, 6 }, ALL & ~BIT(VIRTIO_NET_F_HOST_USO), 9000, false },
	{ { CSUM, USO, 42, 1472, 34, 16 }, ALL, 9000, false },
	{ { CSUM, USO, 42, 1472, 34, 6 }, ALL, 41, false },
	{ { CSUM, USO, 41, 1472, 34, 6 }, ALL, 42, true },
	{ { CSUM, USO | ECN, 42, 1472, 34, 6 }, ALL, 9000, false },
	{ { CSUM, ECN, 42, 1472, 34, 16 }, ALL, 9000, false },
	{ { CSUM, 2, 42, 1472, 34, 16 }, ALL, 9000, false },
	{ { CSUM, 6, 42, 1472, 34, 16 }, ALL, 9000, false },
	{ { CSUM, 0x7f, 42, 1472, 34, 16 }, ALL, 9000, false },
	{ { CSUM, 0x20 | TCP4, 54, 1448, 34, 16 }, ALL, 9000, false }, /* tunnel, not offered */
};

static void test_valid(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		const struct check *c = &checks[i];

		if (net_header_valid(&c->header, c->features, c->frame_len) != c->valid)
			fail_msg("check %zu: expected %d", i, c->valid);
	}
}

/* Cleaning keeps what a header means, and leaves nothing that means nothing. */
static void test_clean(void **state)
{
	struct virtio_net_hdr h = { 0xfe, 0, 9, 9, 9, 9 }, zero = { 0 }, tcp;

	net_header_clean(&h);
	assert_memory_equal(&h, &zero, sizeof(h));
	h = tcp = (struct virtio_net_hdr){ CSUM, TCP4 | ECN, 54, 1448, 34, 16 };
	h.flags |= VIRTIO_NET_HDR_F_DATA_VALID;
	net_header_clean(&h);
	assert_memory_equal(&h, &tcp, sizeof(h));
	h = (struct virtio_net_hdr){ CSUM, 0, 54, 1448, 34, 16 };
	tcp = (struct virtio_net_hdr){ CSUM, 0, 0, 0, 34, 16 };
	net_header_clean(&h);
	assert_memory_equal(&h, &tcp, sizeof(h));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_len),   cmocka_unit_test(test_pull_everywhere),
		cmocka_unit_test(test_valid), cmocka_unit_test(test_pull_short),
		cmocka_unit_test(test_clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
