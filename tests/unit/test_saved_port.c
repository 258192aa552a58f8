// SPDX-License-Identifier: Apache-2.0
/* A port's state as bytes: comes back as it was, at every length that is cut off, and from versions
 * that have more to say; and all that is wrong is refused with its reason.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "switch/saved_port.h"

#define MAC(n) (0x020000000000ull + (n))

static struct saved_port example(void)
{
	struct saved_port port = {
		.counters = { .rx_packets = 11, .rx_bytes = 12, .tx_packets = 13, .tx_bytes = 14 },
		.has_vlans = true,
		.vlans = { .has_trunks = true, .native_tagged = true, .tag = 5 },
		.n_macs = 3,
		.macs = calloc(3, sizeof(*port.macs)),
	};

	assert_non_null(port.macs);
	port.counters.copied_bytes = 15;
	for (unsigned i = 0; i < DROP_N_REASONS; i++)
		port.counters.drops[i] = 100 + i;
	for (unsigned i = 0; i < 3; i++)
		port.macs[i] = (struct saved_mac){ MAC(i + 1), (uint16_t)(i * 2047), i * 100 };
	port.vlans.trunks[0] = 1 | 1ull << 10 | 1ull << 63;
	port.vlans.trunks[63] = 1ull << 62;
	return port;
}

/* The bytes of @port, which it frees. */
static uint8_t *encode(struct saved_port *port, size_t *n)
{
	uint8_t *bytes;

	assert_int_equal(saved_port_encode(port, &bytes, n), 0);
	saved_port_free(port);
	return bytes;
}

static void refused(const uint8_t *bytes, size_t n, int code, const char *why)
{
	uint8_t *exact = malloc(n ?: 1); /* so that a sanitizer sees a byte too many */
	struct saved_port port;
	struct error err = { "" };

	memcpy(exact, bytes, n);
	assert_int_equal(saved_port_decode(&port, exact, n, &err), code);
	if (!strstr(err.text, why))
		fail_msg("\"%s\" is not \"%s\"", err.text, why);
	assert_null(port.macs);
	free(exact);
}

/* A state made by hand: a header, whose length is right, and @content. */
static size_t make(uint8_t *out, uint16_t major, uint16_t minor, const void *content, size_t n)
{
	memcpy(out, "VIREOPRT", 8);
	be16_store(out + 8, major);
	be16_store(out + 10, minor);
	be32_store(out + 12, (uint32_t)(16 + n));
	memcpy(out + 16, content, n);
	return 16 + n;
}

static size_t section(uint8_t *out, uint16_t kind, uint16_t flags, const void *content, size_t n)
{
	be16_store(out, kind);
	be16_store(out + 2, flags);
	be32_store(out + 4, (uint32_t)n);
	memcpy(out + 8, content, n);
	return 8 + n;
}

static void test_comes_back(void **state)
{
	struct saved_port port = example(), want = example(), got;
	struct error err = { "" };
	uint8_t *bytes;
	size_t n;

	bytes = encode(&port, &n);
	assert_int_equal(saved_port_decode(&got, bytes, n, &err), 0);
	assert_memory_equal(&got.counters, &want.counters, sizeof(want.counters));
	assert_true(got.has_vlans && got.vlans.has_trunks && got.vlans.native_tagged);
	assert_false(got.vlans.access || got.vlans.is_protected);
	assert_int_equal(got.vlans.tag, 5);
	assert_memory_equal(got.vlans.trunks, want.vlans.trunks, sizeof(want.vlans.trunks));
	assert_int_equal(got.n_macs, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(got.macs[i].mac, want.macs[i].mac);
		assert_int_equal(got.macs[i].vid, want.macs[i].vid);
		assert_int_equal(got.macs[i].age, want.macs[i].age);
	}
	saved_port_free(&got);
	saved_port_free(&want);
	free(bytes);
}

static void test_cut_off(void **state)
{
	struct saved_port port = example(), got;
	unsigned n_whole = 0;
	uint8_t *bytes;
	size_t n;

	bytes = encode(&port, &n);
	refused(bytes, 0, -EINVAL, "empty");
	for (size_t i = 1; i < n; i++) {
		refused(bytes, i, -EINVAL, "state");
		if (i < 16)
			continue;
		/* and one that says that it is so short: only its sections tell then */
		be32_store(bytes + 12, (uint32_t)i);
		if (saved_port_decode(&got, bytes, i, NULL) == 0) {
			n_whole++; /* it ends between two of them */
			saved_port_free(&got);
		}
		be32_store(bytes + 12, (uint32_t)n);
	}
	assert_int_equal(n_whole, 3); /* none, one, two of three */
	free(bytes);
}

static void test_garbage(void **state)
{
	static uint8_t random[2000], parts[3000], bytes[4000];
	uint64_t seed = 1;

	for (unsigned round = 0; round < 3000; round++) {
		struct error err = { "" };
		struct saved_port got;
		size_t n = sizeof(random);

		for (size_t i = 0; i < n; i++) {
			seed = seed * 6364136223846793005ull + 1442695040888963407ull;
			random[i] = (uint8_t)(seed >> 56);
		}
		memcpy(parts, random, n);
		if (round % 2) /* a section that begins well */
			n = section(parts, (uint16_t)(1 + round % 3), 0, random, n);
		n = make(bytes, 1, 0, parts, n);
		if (round % 4 == 0)
			memcpy(bytes, random, 16);
		if (saved_port_decode(&got, bytes, n, &err) == 0)
			saved_port_free(&got);
		else
			assert_true(err.text[0]);
	}
}

static void test_versions(void **state)
{
	uint8_t bytes[256], parts[256];
	struct error err = { "" };
	struct saved_port port;
	size_t n;

	n = make(bytes, 2, 7, "", 0);
	refused(bytes, n, -ENOTSUP, "version 2.7, this program reads version 1");
	n = make(bytes, 0, 0, "", 0);
	refused(bytes, n, -ENOTSUP, "version 0.0");

	/* a later minor version: an unknown part, an unknown counter, more behind the VLANs */
	n = section(parts, 200, 0, "connections", 11);
	n += section(parts + n, 1, 0, "\004else\0\0\0\0\0\0\0\1\012rx_packets\0\0\0\0\0\0\0\2",
		     5 + 8 + 11 + 8);
	n += section(parts + n, 3, 0, "\0\1\0\012more", 8);
	n = make(bytes, 1, 9, parts, n);
	assert_int_equal(saved_port_decode(&port, bytes, n, &err), 0);
	assert_int_equal(port.counters.rx_packets, 2);
	assert_true(port.has_vlans && port.vlans.access);
	assert_int_equal(port.vlans.tag, 10);
	saved_port_free(&port);

	n = section(parts, 200, 1, "must", 4);
	n = make(bytes, 1, 9, parts, n);
	refused(bytes, n, -ENOTSUP, "kind 200");
}

static void test_wrong(void **state)
{
	static const uint8_t multicast[12] = { 1, 0, 0, 0, 0, 1 }, zero[12] = { 0 };
	static const uint8_t vlan[12] = { 2, 0, 0, 0, 0, 1, 0x0f, 0xff };
	static const uint8_t most[] = "\012rx_packets\x40\0\0\0\0\0\0\0";
	static const struct {
		uint16_t kind;
		const void *content;
		size_t n;
		const char *why;
	} wrong[] = {
		{ 2, multicast, 12, "01:00:00:00:00:01" },
		{ 2, zero, 12, "00:00:00:00:00:00" },
		{ 2, vlan, 12, "VLAN 4095" },
		{ 2, vlan, 11, "cut off in its addresses" },
		{ 1, most, 19, "2^62" },
		{ 1, most, 18, "cut off in its counters" },
		{ 1, "\377a", 2, "cut off in its counters" },
		{ 3, "\0\4\0\1", 4, "cut off in its VLANs" },
		{ 3, "\0\4\0", 3, "cut off in its VLANs" },
		{ 3, "\0\0\x0f\xff", 4, "VLAN 4095" },
	};
	uint8_t bytes[256], parts[128];
	size_t n;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		n = section(parts, wrong[i].kind, 0, wrong[i].content, wrong[i].n);
		n = make(bytes, 1, 0, parts, n);
		refused(bytes, n, -EINVAL, wrong[i].why);
	}
	n = section(parts, 3, 0, "\0\0\0\0", 4);
	n += section(parts + n, 3, 0, "\0\0\0\0", 4);
	n = make(bytes, 1, 0, parts, n);
	refused(bytes, n, -EINVAL, "two parts of kind 3");
	be32_store(bytes + 20, 0xffffffff);
	refused(bytes, n, -EINVAL, "cut off in its sections");
	be32_store(bytes + 12, 1u << 30);
	refused(bytes, n, -EINVAL, "as it says");
	bytes[0] = 'v';
	refused(bytes, n, -EINVAL, "no state of a vireo port");
}

static void test_sizes(void **state)
{
	struct saved_port port = { .n_macs = SAVED_PORT_MACS_MAX + 1 }, got;
	struct error err = { "" };
	uint8_t *bytes;
	size_t n;

	port.macs = calloc(port.n_macs, sizeof(*port.macs));
	for (unsigned i = 0; i < port.n_macs; i++)
		port.macs[i].mac = MAC(i + 1);
	port.counters.rx_bytes = UINT64_MAX;
	bytes = encode(&port, &n);
	assert_in_range(n, 1, SAVED_PORT_MAX);
	assert_int_equal(saved_port_decode(&got, bytes, n, &err), 0);
	assert_int_equal(got.n_macs, SAVED_PORT_MACS_MAX);
	assert_int_equal(got.counters.rx_bytes, SAVED_COUNTER_MAX - 1);
	assert_false(got.has_vlans);
	saved_port_free(&got);
	bytes = realloc(bytes, SAVED_PORT_MAX + 1);
	memset(bytes + n, 0, SAVED_PORT_MAX + 1 - n);
	refused(bytes, SAVED_PORT_MAX + 1, -EINVAL, "more than");
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_comes_back), cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_garbage),	   cmocka_unit_test(test_versions),
		cmocka_unit_test(test_wrong),	   cmocka_unit_test(test_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
