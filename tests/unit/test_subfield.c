// SPDX-License-Identifier: Apache-2.0
/* Parts of fields: as text, and their bits. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "flow/field.h"

static void expect(const char *text, enum field_id id, unsigned first, unsigned n_bits,
		   const char *printed, const char *rest)
{
	struct subfield sub;
	struct error err;
	char line[64];

	assert_int_equal(subfield_parse(&text, &sub, &err), 0);
	assert_ptr_equal(sub.field, &fields[id]);
	assert_int_equal(sub.first, first);
	assert_int_equal(sub.n_bits, n_bits);
	assert_string_equal(text, rest);
	assert_int_equal(subfield_print(&sub, line, sizeof(line)), strlen(printed));
	assert_string_equal(line, printed);
}

static void test_text(void **state)
{
	expect("NXM_NX_REG0[0..15],x", FIELD_reg0, 0, 16, "NXM_NX_REG0[0..15]", ",x");
	expect("reg1[3]", FIELD_reg0 + 1, 3, 1, "NXM_NX_REG1[3]", "");
	expect("eth_dst[]->x", FIELD_eth_dst, 0, 48, "NXM_OF_ETH_DST[]", "->x");
	expect("dl_src", FIELD_eth_src, 0, 48, "NXM_OF_ETH_SRC[]", "");
	expect("OXM_OF_METADATA[32..63]", FIELD_metadata, 32, 32, "OXM_OF_METADATA[32..63]", "");
	expect("xxreg3[0..127]", FIELD_xxreg0 + 3, 0, 128, "NXM_NX_XXREG3[]", "");
	expect("mpls_bos[0]", FIELD_mpls_bos, 0, 1, "OXM_OF_MPLS_BOS[]", "");
	expect("ct_state", FIELD_ct_state, 0, 32, "NXM_NX_CT_STATE[]", "");
	expect("ct_state[0..7]", FIELD_ct_state, 0, 8, "NXM_NX_CT_STATE[0..7]", "");
	expect("ct_state[0..27]", FIELD_ct_state, 0, 28, "NXM_NX_CT_STATE[0..27]", "");
	expect("NXM_OF_IN_PORT[0..15]", FIELD_in_port, 0, 16, "NXM_OF_IN_PORT[]", "");
	expect("tun_ttl[1..2]", FIELD_tun_ttl, 1, 2, "tun_ttl[1..2]", "");
}

static void refuse(const char *text, const char *why)
{
	const char *at = text;
	struct subfield sub;
	struct error err;

	assert_int_equal(subfield_parse(&at, &sub, &err), -EINVAL);
	assert_string_equal(err.text, why);
	at = text;
	assert_int_equal(subfield_parse(&at, &sub, NULL), -EINVAL);
}

static void test_bad_text(void **state)
{
	refuse("", "\"\" is no field");
	refuse("[0]", "\"\" is no field");
	refuse("reg16[]", "\"reg16\" is no field");
	refuse("reg0[", "reg0[: write bits like [], [3] or [0..15]");
	refuse("reg0[5", "reg0[: write bits like [], [3] or [0..15]");
	refuse("reg0[5..]", "reg0[: write bits like [], [3] or [0..15]");
	refuse("reg0[-1]", "reg0[: write bits like [], [3] or [0..15]");
	refuse("reg0[5..4]", "reg0 has bits 0 to 31, not 5 to 4");
	refuse("reg0[32]", "reg0 has bits 0 to 31, not 32 to 32");
	refuse("ct_state[32]", "ct_state has bits 0 to 31, not 32 to 32");
	refuse("in_port[0..31]", "in_port has bits 0 to 15, not 0 to 31");
	refuse("reg0[0..4294967296]", "reg0 has bits 0 to 31, not 0 to 4294967296");
	refuse("reg0[99999999999999999999]",
	       "reg0 has bits 0 to 31, not 18446744073709551615 to 18446744073709551615");
}

static void test_short_buffer(void **state)
{
	struct subfield sub = { &fields[FIELD_reg0], 0, 32 };
	char line[5];

	assert_int_equal(subfield_print(&sub, line, sizeof(line)), strlen("NXM_NX_REG0[]"));
	assert_string_equal(line, "NXM_");
}

static void test_bits(void **state)
{
	struct subfield part = { &fields[FIELD_eth_dst], 8, 16 };
	struct subfield all = { &fields[FIELD_xxreg0 + 1], 0, 128 };
	struct flow_key key = { .eth_dst = 0x112233445566 }, mask;
	struct key_bits bits = { .map = 0 };

	assert_true(subfield_get(&part, &key) == 0x4455);
	subfield_set(&part, &key, 0xfabcd); /* what is too much is left out */
	assert_true(key.eth_dst == 0x112233abcd66);
	subfield_set(&all, &key, ~(u128)0);
	assert_true(subfield_get(&all, &key) == ~(u128)0);
	assert_int_equal(key.regs[flow_key_reg(3)], 0);
	assert_int_equal(key.regs[flow_key_reg(4)], UINT32_MAX);
	bits.words[1] = UINT64_MAX; /* is not in the map yet */
	subfield_examine(&part, &bits);
	key_bits_expand(&bits, &mask);
	assert_true(mask.eth_dst == 0xffff00 && !mask.eth_src);
	part.first = part.n_bits = 1;
	subfield_examine(&part, &bits); /* adds */
	subfield_examine(&all, &bits);
	key_bits_expand(&bits, &mask);
	assert_true(mask.eth_dst == 0xffff02);
	for (unsigned i = 0; i < FLOW_REGS; i++)
		assert_int_equal(mask.regs[flow_key_reg(i)], i / 4 == 1 ? UINT32_MAX : 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_bad_text),
		cmocka_unit_test(test_short_buffer),
		cmocka_unit_test(test_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
