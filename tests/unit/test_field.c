// SPDX-License-Identifier: Apache-2.0
/* Fields: the table, finding them, their bits in a key, and what must be there first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <linux/if_ether.h>
#include <netinet/in.h>

#include "flow/field.h"

static const uint8_t versions[] = { 1, 4, 5, 6 };

static void test_rows_are_in_order_and_whole(void **state)
{
	for (unsigned i = 0; i < FIELD_N; i++) {
		const struct field *f = &fields[i];

		assert_int_equal(f->id, i);
		assert_non_null(f->name);
		assert_non_null(f->help);
		assert_true(f->size == 1 || f->size == 2 || f->size == 4 || f->size == 8 ||
			    f->size == 16);
		assert_int_equal(f->offset % f->size % 8, 0);
		assert_in_range(f->offset + f->size, 1, sizeof(struct flow_key));
		assert_in_range(f->n_bits, 1, 8 * f->size - f->shift);
		assert_true(!f->oxm || f->oxm_since);
		assert_non_null(field_prereq_words(f->prereq));
	}
}

/* Room on the wire for all of its bits; the header of each version leads back to it. */
static void test_headers_lead_back(void **state)
{
	for (unsigned i = 0; i < FIELD_N; i++) {
		const struct field *f = &fields[i];

		for (unsigned v = 0; v < ARRAY_SIZE(versions); v++) {
			uint32_t header = field_header(f, versions[v]), len = header & 0xff;

			if (!header)
				continue;
			assert_true(8 * len >= f->n_bits || f->id == FIELD_in_port);
			assert_ptr_equal(field_by_header(header), f);
			assert_ptr_equal(field_by_header(header + 0x100 + len), f);
			assert_null(field_by_header(header + 0x100));
			assert_null(field_by_header(header + 1));
			assert_null(field_by_header(header + 0x100 + len + 1));
		}
	}
	assert_null(field_by_header(0));
	assert_null(field_by_header(UINT32_MAX));
	assert_null(field_by_header(0x100));
}

static void test_versions_have_their_headers(void **state)
{
	assert_int_equal(field_header(&fields[FIELD_eth_type], 1), 0x00000602);
	assert_int_equal(field_header(&fields[FIELD_eth_type], 4), 0x80000a02);
	assert_int_equal(field_header(&fields[FIELD_tcp_flags], 5), 0x00014402);
	assert_int_equal(field_header(&fields[FIELD_tcp_flags], 6), 0x80005402);
	assert_int_equal(field_header(&fields[FIELD_metadata], 1), 0x80000408);
	assert_int_equal(field_header(&fields[FIELD_reg0 + 1], 6), 0x00010204);
}

static void expect_name(const char *name, enum field_id id)
{
	assert_ptr_equal(field_find(name, strlen(name)), &fields[id]);
}

static void test_is_found_by_each_name(void **state)
{
	for (unsigned i = 0; i < FIELD_N; i++) {
		const char *wire = field_wire_name(&fields[i]);

		expect_name(fields[i].name, i);
		if (fields[i].other_name)
			expect_name(fields[i].other_name, i);
		expect_name(wire, i);
	}
	expect_name("NXM_OF_IN_PORT", FIELD_in_port);
	expect_name("oxm_of_eth_dst", FIELD_eth_dst);
	expect_name("Nxm_Nx_Reg15", FIELD_reg15);
	assert_null(field_find("IN_PORT", 7));
	assert_null(field_find("in_por", 6));
	assert_null(field_find("", 0));
	assert_ptr_equal(field_find("reg1=5", 4), &fields[FIELD_reg0 + 1]);
}

/* What is written is read, and nothing else has changed. */
static void test_bits_are_its_own(void **state)
{
	for (unsigned i = 0; i < FIELD_N; i++) {
		const struct field *f = &fields[i];
		u128 pattern =
			((u128)0xa5c3963cf00f5aa5 << 64 | 0x123456789abcdef1) & field_ones(f);
		struct flow_key key;

		memset(&key, 0xff, sizeof(key));
		field_set(f, &key, 0, ~(u128)0);
		assert_true(field_get(f, &key) == 0);
		field_set(f, &key, ~(u128)0, pattern);
		assert_true(field_get(f, &key) == pattern);
		field_set(f, &key, ~(u128)0, ~(u128)0);
		for (unsigned w = 0; w < FLOW_KEY_WORDS; w++)
			assert_true(key.words[w] == UINT64_MAX);
	}
}

static void test_registers_overlap(void **state)
{
	struct flow_key key = { 0 };

	for (unsigned i = 0; i < FLOW_REGS; i++)
		field_set(&fields[FIELD_reg0 + i], &key, i + 1, ~(u128)0);
	assert_true(field_get(&fields[FIELD_xreg0], &key) == 0x0000000100000002);
	assert_true(field_get(&fields[FIELD_xreg7], &key) == 0x0000000f00000010);
	assert_true(field_get(&fields[FIELD_xxreg0 + 1], &key) ==
		    ((u128)0x0000000500000006 << 64 | 0x0000000700000008));
	assert_int_equal(key.regs[flow_key_reg(0)], 1);
}

static void test_ports(void **state)
{
	assert_true(field_is_port(0));
	assert_true(field_is_port(0xfeff));
	assert_false(field_is_port(0xff00));
	assert_false(field_is_port(0xfffffeff));
	assert_true(field_is_port(OFPORT_MAX));
	assert_true(field_is_port(OFPORT_NONE));
	assert_false(field_is_port((u128)1 << 32));
}

/* What prerequisites are about. */
struct traits {
	uint32_t ct_state;
	uint16_t eth_type, tci, tp_src, tp_dst;
	uint8_t nw_proto, nw_frag;
};

static struct flow_key key_of(const struct traits *t)
{
	struct flow_key key = { .ct_state = t->ct_state,
				.eth_type = t->eth_type,
				.tp_src = t->tp_src,
				.tp_dst = t->tp_dst,
				.nw_proto = t->nw_proto,
				.nw_frag = t->nw_frag };

	key.vlan[0].tci = t->tci;
	return key;
}

/* A packet for each prerequisite, and what the answer depends on. */
static const struct {
	enum field_prereq prereq;
	struct traits packet, examined;
	bool answer;
} packets[] = {
	{ PREREQ_NONE, { 0 }, { 0 }, true },
	{ PREREQ_VLAN, { .tci = 0x1005 }, { .tci = FLOW_VLAN_PRESENT }, true },
	{ PREREQ_VLAN, { 0 }, { .tci = FLOW_VLAN_PRESENT }, false },
	{ PREREQ_IPV4, { .eth_type = ETH_P_IP }, { .eth_type = 0xffff }, true },
	{ PREREQ_IPV4, { .eth_type = ETH_P_IPV6 }, { .eth_type = 0xffff }, false },
	{ PREREQ_IPV6, { .eth_type = ETH_P_IPV6 }, { .eth_type = 0xffff }, true },
	{ PREREQ_IP, { .eth_type = ETH_P_IP }, { .eth_type = 0xffff }, true },
	{ PREREQ_IP, { .eth_type = ETH_P_ARP }, { .eth_type = 0xffff }, false },
	{ PREREQ_ARP, { .eth_type = ETH_P_RARP }, { .eth_type = 0xffff }, true },
	{ PREREQ_MPLS, { .eth_type = ETH_P_MPLS_MC }, { .eth_type = 0xffff }, true },
	{ PREREQ_TCP,
	  { .eth_type = ETH_P_IP, .nw_proto = IPPROTO_TCP, .nw_frag = FLOW_FRAG_ANY },
	  { .eth_type = 0xffff, .nw_proto = 0xff, .nw_frag = FLOW_FRAG_LATER },
	  true },
	{ PREREQ_TCP,
	  { .eth_type = ETH_P_IPV6, .nw_proto = IPPROTO_TCP, .nw_frag = FLOW_FRAG_LATER },
	  { .eth_type = 0xffff, .nw_proto = 0xff, .nw_frag = FLOW_FRAG_LATER },
	  false },
	{ PREREQ_TCP,
	  { .eth_type = ETH_P_IP, .nw_proto = IPPROTO_UDP },
	  { .eth_type = 0xffff, .nw_proto = 0xff },
	  false },
	{ PREREQ_TCP,
	  { .eth_type = ETH_P_ARP, .nw_proto = IPPROTO_TCP },
	  { .eth_type = 0xffff },
	  false },
	{ PREREQ_UDP,
	  { .eth_type = ETH_P_IPV6, .nw_proto = IPPROTO_UDP },
	  { .eth_type = 0xffff, .nw_proto = 0xff, .nw_frag = FLOW_FRAG_LATER },
	  true },
	{ PREREQ_SCTP,
	  { .eth_type = ETH_P_IP, .nw_proto = IPPROTO_SCTP },
	  { .eth_type = 0xffff, .nw_proto = 0xff, .nw_frag = FLOW_FRAG_LATER },
	  true },
	{ PREREQ_ICMPV4,
	  { .eth_type = ETH_P_IPV6, .nw_proto = IPPROTO_ICMP },
	  { .eth_type = 0xffff },
	  false },
	{ PREREQ_ICMPV6,
	  { .eth_type = ETH_P_IPV6, .nw_proto = IPPROTO_ICMPV6 },
	  { .eth_type = 0xffff, .nw_proto = 0xff, .nw_frag = FLOW_FRAG_LATER },
	  true },
	{ PREREQ_ND,
	  { .eth_type = ETH_P_IPV6, .nw_proto = IPPROTO_ICMPV6, .tp_src = 136 },
	  { .eth_type = 0xffff,
	    .nw_proto = 0xff,
	    .nw_frag = FLOW_FRAG_LATER,
	    .tp_src = 0xff,
	    .tp_dst = 0xff },
	  true },
	{ PREREQ_ND,
	  { .eth_type = ETH_P_IPV6, .nw_proto = IPPROTO_ICMPV6, .tp_src = 135, .tp_dst = 1 },
	  { .eth_type = 0xffff,
	    .nw_proto = 0xff,
	    .nw_frag = FLOW_FRAG_LATER,
	    .tp_src = 0xff,
	    .tp_dst = 0xff },
	  false },
	{ PREREQ_ND_SOLICIT,
	  { .eth_type = ETH_P_IPV6, .nw_proto = IPPROTO_ICMPV6, .tp_src = 136 },
	  { .eth_type = 0xffff, .nw_proto = 0xff, .nw_frag = FLOW_FRAG_LATER, .tp_src = 0xff },
	  false },
	{ PREREQ_ND_ADVERT,
	  { .eth_type = ETH_P_IPV6, .nw_proto = IPPROTO_ICMPV6, .tp_src = 136 },
	  { .eth_type = 0xffff,
	    .nw_proto = 0xff,
	    .nw_frag = FLOW_FRAG_LATER,
	    .tp_src = 0xff,
	    .tp_dst = 0xff },
	  true },
	{ PREREQ_CT, { .ct_state = 0x21 }, { .ct_state = 0x0b }, true },
	{ PREREQ_CT, { .ct_state = 0x30 }, { .ct_state = 0x0b }, false },
	{ PREREQ_CT_IPV4,
	  { .ct_state = 0x21, .eth_type = ETH_P_IP },
	  { .ct_state = 0x0b, .eth_type = 0xffff },
	  true },
	{ PREREQ_CT_IPV6,
	  { .ct_state = 0x21, .eth_type = ETH_P_IP },
	  { .ct_state = 0x0b, .eth_type = 0xffff },
	  false },
	{ PREREQ_CT_IPV6, { .eth_type = ETH_P_IPV6 }, { .ct_state = 0x0b }, false },
};

static void test_presence_examines_what_it_depends_on(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(packets); i++) {
		struct field f = { .prereq = packets[i].prereq };
		struct flow_key key = key_of(&packets[i].packet), examined;
		struct flow_key expected = key_of(&packets[i].examined);
		struct key_bits bits = { .map = 0 };

		assert_int_equal(field_present(&f, &key, &bits), packets[i].answer);
		key_bits_expand(&bits, &examined);
		assert_memory_equal(&examined, &expected, sizeof(examined));
		assert_int_equal(field_present(&f, &key, NULL), packets[i].answer);
		/* what is examined alone decides */
		for (unsigned w = 0; w < FLOW_KEY_WORDS; w++)
			examined.words[w] &= key.words[w];
		assert_int_equal(field_present(&f, &examined, NULL), packets[i].answer);
	}
}

static void test_a_match_must_say_all_of_it(void **state)
{
	struct flow_key key = { .eth_type = ETH_P_IP, .nw_proto = IPPROTO_TCP };
	struct flow_key mask = { .eth_type = 0xffff };

	assert_true(field_ensured(PREREQ_NONE, &key, &mask));
	assert_true(field_ensured(PREREQ_IPV4, &key, &mask));
	assert_false(field_ensured(PREREQ_TCP, &key, &mask));
	mask.nw_proto = 0x7f;
	assert_false(field_ensured(PREREQ_TCP, &key, &mask));
	mask.nw_proto = 0xff;
	assert_true(field_ensured(PREREQ_TCP, &key, &mask)); /* whatever it says of fragments */
	assert_false(field_ensured(PREREQ_UDP, &key, &mask));
	mask.eth_type = 0xfffe;
	assert_false(field_ensured(PREREQ_IPV4, &key, &mask));
}

static void test_neighbour_discovery_needs_no_code(void **state)
{
	struct flow_key key = { .eth_type = ETH_P_IPV6, .nw_proto = IPPROTO_ICMPV6, .tp_src = 135 };
	struct flow_key mask = { .eth_type = 0xffff, .nw_proto = 0xff, .tp_src = 0xff };

	assert_true(field_ensured(PREREQ_ND_SOLICIT, &key, &mask));
	assert_false(field_ensured(PREREQ_ND_ADVERT, &key, &mask));
	key.tp_dst = mask.tp_dst = 1;
	assert_false(field_ensured(PREREQ_ND_SOLICIT, &key, &mask));
	assert_false(field_ensured(PREREQ_ND, &key, &mask));
}

static void test_connections_are_asked_for(void **state)
{
	static const struct {
		uint32_t key, mask;
		bool answer;
	} states[] = {
		{ 0, 0, false },       { 0x20, 0x20, false }, { 0x20, 0x30, true },
		{ 0x30, 0x30, false }, { 0x21, 0x21, true },  { 0x02, 0x02, true },
		{ 0, 0x02, false },    { 0x08, 0x08, true },  { 0x80, 0x80, true },
		{ 0x00, 0x30, false }, { 0x04, 0x04, true },  { 0x40, 0x40, true },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(states); i++) {
		struct flow_key key = { .ct_state = states[i].key };
		struct flow_key mask = { .ct_state = states[i].mask };

		assert_int_equal(field_ensured(PREREQ_CT, &key, &mask), states[i].answer);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_are_in_order_and_whole),
		cmocka_unit_test(test_headers_lead_back),
		cmocka_unit_test(test_versions_have_their_headers),
		cmocka_unit_test(test_is_found_by_each_name),
		cmocka_unit_test(test_bits_are_its_own),
		cmocka_unit_test(test_registers_overlap),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_presence_examines_what_it_depends_on),
		cmocka_unit_test(test_a_match_must_say_all_of_it),
		cmocka_unit_test(test_neighbour_discovery_needs_no_code),
		cmocka_unit_test(test_connections_are_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
