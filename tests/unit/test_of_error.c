// SPDX-License-Identifier: Apache-2.0
/* The numbers of errors in each version. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "openflow/error.h"
#include "openflow/proto.h"

static const uint8_t versions[] = { OF10, OF13, OF14, OF15 };

static void expect(enum of_error error, uint8_t version, const void *bytes, size_t n)
{
	struct of_out out = { 0 };

	of_error_write(&out, error, version, (const uint8_t *)"abc", 3);
	assert_int_equal(out.len, n + 3);
	assert_memory_equal(out.bytes, bytes, n);
	assert_memory_equal(out.bytes + n, "abc", 3);
	out_free(&out);
}

static void test_each_has_numbers_of_its_own(void **state)
{
	for (unsigned v = 0; v < sizeof(versions); v++) {
		for (unsigned e = OFERR_NONE + 1; e < OFERR_N; e++) {
			struct of_out out = { 0 };

			of_error_write(&out, e, versions[v], NULL, 0);
			assert_in_range(out.len, 4, 12);
			/* only one of them is 0, 0 */
			assert_true(be32_load(out.bytes) || e == OFERR_HELLO_INCOMPATIBLE);
			out_free(&out);
		}
	}
}

static void test_those_of_the_specifications(void **state)
{
	expect(OFERR_BAD_TYPE, OF10, "\0\1\0\1", 4);
	expect(OFERR_FLOW_OVERLAP, OF10, "\0\3\0\1", 4);
	expect(OFERR_FLOW_OVERLAP, OF13, "\0\5\0\3", 4);
	expect(OFERR_ACT_BAD_SET_MASK, OF15, "\0\2\0\x10", 4);
	expect(OFERR_GROUP_UNKNOWN_BUCKET, OF15, "\0\6\0\xf", 4);
	expect(OFERR_PROP_BAD_TYPE, OF14, "\0\xe\0\0", 4);
	expect(OFERR_PROP_BAD_TYPE, OF13, "\0\xd\0\2", 4);
}

static void test_those_of_vendors(void **state)
{
	expect(OFERR_MATCH_BAD_PREREQ, OF10, "\xb0\xc2\0\0\0\0\x23\x20\0\1\1\4", 12);
	expect(OFERR_GROUP_EXISTS, OF10, "\xb0\xc2\0\0\0\0\x23\x20\0\6\0\0", 12);
	expect(OFERR_TABLE_BAD_TABLE, OF10, "\xb0\xc2\0\0\0\0\x23\x20\0\1\2\x09", 12);
	expect(OFERR_PROP_BAD_TYPE, OF10, "\xb0\xc2\0\0\0\0\x23\x20\0\xd\0\2", 12);
	expect(OFERR_MUST_BE_ZERO, OF10, "\xb0\xc2\0\0\0\0\x23\x20\0\1\2\3", 12);
	expect(OFERR_MUST_BE_ZERO, OF15, "\xff\xff\0\4\0\0\x23\x20", 8);
	expect(OFERR_ASYNC_INVALID, OF13, "\xff\xff\x09\x42ONF\0", 8);
	expect(OFERR_INST_DUPLICATE, OF13, "\xff\xff\x0a\x28ONF\0", 8);
	expect(OFERR_GROUP_UNKNOWN_BUCKET, OF14, "\xff\xff\0\x0a\0\0\x23\x20", 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_has_numbers_of_its_own),
		cmocka_unit_test(test_those_of_the_specifications),
		cmocka_unit_test(test_those_of_vendors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
