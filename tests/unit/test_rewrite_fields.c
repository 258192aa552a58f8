// SPDX-License-Identifier: Apache-2.0
/* Fields are rewritten: random ones of random packets of all kinds, whose key and checksums are
 * then read naively; and by name, what is special.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flow/rewrite.h"
#include "made_frame.h"
#include "packet/checksum.h"
#include "packet/parse.h"
#include "scale.h"

struct fixture {
	struct pkt pkt;
	struct iovec frag;
	uint8_t *tail; /* what frag points at: exactly as long */
	struct made made;
	uint8_t after[MADE_MAX]; /* the frame when it has been rewritten */
	union {
		struct plan_rewrite r;
		uint8_t space[sizeof(struct plan_rewrite) + 16 * FLOW_KEY_PACKET_WORDS];
	};
};

static unsigned any(void *arg, unsigned n)
{
	return (unsigned)random() % n;
}

static const struct made_choices random_choices = { .choose = any };

static int setup(void **state)
{
	*state = aligned_alloc(CACHE_LINE, (sizeof(struct fixture) + 63) / 64 * 64);
	assert_non_null(*state);
	memset(*state, 0, sizeof(struct fixture));
	srandom(5);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	free(f->tail);
	free(f);
	return 0;
}

/* Receives f->made. */
static void receive(struct fixture *f)
{
	const struct made *m = &f->made;

	free(f->tail);
	f->tail = malloc(m->len);
	assert_non_null(f->tail);
	memcpy(f->tail, m->bytes, m->len);
	pkt_init_linear(&f->pkt, f->tail, m->len, &f->frag);
	f->pkt.offload = m->offload;
	pkt_parse(&f->pkt);
}

static void rewrite(struct fixture *f, const struct flow_key *value, const struct flow_key *mask)
{
	unsigned n = 0;

	f->r = (struct plan_rewrite){ .step.kind = PLAN_REWRITE };
	for (unsigned i = 0; i < FLOW_KEY_PACKET_WORDS; i++) {
		if (!mask->words[i])
			continue;
		f->r.map |= 1ull << i;
		f->r.words[n].mask = mask->words[i];
		f->r.words[n++].value = value->words[i] & mask->words[i];
	}
	rewrite_fields(&f->pkt, &f->r);
	assert_true(f->pkt.len <= MADE_MAX);
	pkt_copy(&f->pkt, f->after);
}

static uint64_t random_word(void)
{
	return (uint64_t)random() << 42 ^ (uint64_t)random() << 21 ^ (uint64_t)random();
}

/* Some bits of what can be written. */
static void choose_change(const struct made *m, struct flow_key *value, struct flow_key *mask)
{
	unsigned often = 1 + any(NULL, 4);

	made_writable(m, mask);
	memset(value, 0, sizeof(*value));
	for (unsigned i = 0; i < FLOW_KEY_PACKET_WORDS; i++) {
		value->words[i] = random_word();
		if (any(NULL, often))
			mask->words[i] = 0;
		else if (any(NULL, 2))
			mask->words[i] &= random_word();
		if (!any(NULL, 8))
			value->words[i] = any(NULL, 2) ? 0 : ~0ull;
	}
}

static void assert_key_is(const struct flow_key *before, const struct flow_key *value,
			  const struct flow_key *mask, const struct flow_key *after)
{
	for (unsigned i = 0; i < FLOW_KEY_PACKET_WORDS; i++) {
		uint64_t m = mask->words[i];

		assert_int_equal(after->words[i], (before->words[i] & ~m) | (value->words[i] & m));
	}
}

/* The key is what was asked for, all checksums are right, and nothing else has changed. */
static void test_any_field_of_any_packet(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0, most = scaled(30000); i < most; i++) {
		struct flow_key before, after, value, mask;

		made_frame(&f->made, &random_choices);
		assert_true(made_is_right(&f->made, f->made.bytes));
		receive(f);
		flow_key_extract(&before, &f->pkt, 1);
		choose_change(&f->made, &value, &mask);
		rewrite(f, &value, &mask);
		flow_key_extract(&after, &f->pkt, 1);
		assert_key_is(&before, &value, &mask, &after);
		assert_true(made_is_right(&f->made, f->after));
		assert_int_equal(f->pkt.len, f->made.len);
		assert_memory_equal(&f->pkt.offload, &f->made.offload, sizeof(f->made.offload));
		/* and back: bit by bit what it was, but for the two zeros of a checksum */
		rewrite(f, &before, &mask);
		flow_key_extract(&after, &f->pkt, 1);
		assert_memory_equal(&after, &before, 8 * FLOW_KEY_PACKET_WORDS);
		assert_true(made_is_right(&f->made, f->after));
	}
}

/* What is wrong stays wrong, by as much. */
static void test_wrong_checksums(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0, most = scaled(5000); i < most; i++) {
		struct flow_key value, mask;
		uint32_t field;
		uint16_t wrong;

		do {
			made_frame(&f->made, &random_choices);
			field = made_field(&f->made);
		} while (!field || f->made.offload.flags || f->made.no_checksum);
		wrong = (uint16_t)(be16_load(f->made.bytes + field) + 1 + any(NULL, 254));
		be16_store(f->made.bytes + field, wrong);
		if (!wrong || made_is_right(&f->made, f->made.bytes))
			continue;
		receive(f);
		choose_change(&f->made, &value, &mask);
		rewrite(f, &value, &mask);
		assert_false(made_is_right(&f->made, f->after));
	}
}

/* A packet that does not have a field stays as it is. */
static void test_absent_fields(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0, most = scaled(5000); i < most; i++) {
		struct flow_key value, mask;

		made_frame(&f->made, &random_choices);
		receive(f);
		made_writable(&f->made, &mask);
		for (unsigned w = 0; w < FLOW_KEY_PACKET_WORDS; w++) {
			value.words[w] = random_word();
			mask.words[w] = ~mask.words[w];
		}
		/* these are there, only not to be changed by the test above */
		memset(&mask.mpls_lse, 0, sizeof(mask.mpls_lse));
		mask.nd_options_type = 0;
		mask.tp_src = mask.tp_dst = 0;
		if (f->made.kind == MADE_ARP)
			mask.arp_op = 0;
		rewrite(f, &value, &mask);
		assert_memory_equal(f->after, f->made.bytes, f->made.len);
	}
}

static void make(struct fixture *f, enum made_kind kind, uint8_t proto)
{
	do
		made_frame(&f->made, &random_choices);
	while (f->made.kind != kind || (f->made.proto != proto && kind <= MADE_IPV6) ||
	       f->made.fragment);
}

/* A checksum of 0 would say that there is none. */
static void test_udp_checksum_is_never_zero(void **state)
{
	struct fixture *f = *state;
	struct flow_key key, mask = { 0 };
	unsigned n = 0;

	mask.tp_dst = 0xffff;
	while (n < 2) {
		uint32_t field;

		make(f, n ? MADE_IPV6 : MADE_IPV4, IPPROTO_UDP);
		if (f->made.offload.flags || f->made.no_checksum)
			continue;
		receive(f);
		flow_key_extract(&key, &f->pkt, 1);
		field = made_field(&f->made);
		/* the port grows by what the checksum is: sum 0xffff, checksum 0 */
		key.tp_dst =
			(uint16_t)made_sum(key.tp_dst + be16_load(f->made.bytes + field), NULL, 0);
		rewrite(f, &key, &mask);
		assert_int_equal(be16_load(f->after + field), 0xffff);
		assert_true(made_is_right(&f->made, f->after));
		n++;
	}
}

/* Of the packet that such an option is in, the first link-layer address. */
static void test_type_of_option(void **state)
{
	struct fixture *f = *state;
	struct flow_key before, after, value = { 0 }, mask = { 0 };

	do
		make(f, MADE_IPV6, IPPROTO_ICMPV6);
	while (!f->made.nd || !f->made.sll || f->made.tll || f->made.sll > 120);
	receive(f);
	flow_key_extract(&before, &f->pkt, 1);
	assert_int_equal(before.nd_options_type, 1);
	mask.nd_options_type = 0xff;
	value.nd_options_type = 2;
	rewrite(f, &value, &mask);
	flow_key_extract(&after, &f->pkt, 1);
	assert_int_equal(after.nd_options_type, 2);
	assert_true(after.arp_tha == before.arp_sha && !after.arp_sha);
	assert_true(made_is_right(&f->made, f->after));
}

/* RFC 2597: class 1 to 4, drop precedence 1 to 3. */
static void test_remark(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 64 * 20; i++) {
		unsigned dscp = i % 64, levels = i / 64 % 5, class = dscp >> 3, low = dscp >> 1 & 3;
		bool assured = class >= 1 && class <= 4 && low && !(dscp & 1);
		unsigned wanted = assured ? class << 3 | min(low + levels, 3u) << 1 : dscp;
		struct flow_key key, mask = { 0 };

		make(f, i & 1 ? MADE_IPV6 : MADE_IPV4, IPPROTO_TCP);
		receive(f);
		mask.nw_tos = 0xff;
		key.nw_tos = (uint8_t)(dscp << 2 | 1);
		rewrite(f, &key, &mask);
		rewrite_remark(&f->pkt, (uint8_t)levels);
		flow_key_extract(&key, &f->pkt, 1);
		assert_int_equal(key.nw_tos, wanted << 2 | 1);
		pkt_copy(&f->pkt, f->after);
		assert_true(made_is_right(&f->made, f->after));
	}
	make(f, MADE_ARP, 0);
	receive(f);
	rewrite_remark(&f->pkt, 1);
	pkt_copy(&f->pkt, f->after);
	assert_memory_equal(f->after, f->made.bytes, f->made.len);
}

/* A packet that is to be completed later is right then. */
static void test_request_is_met_later(void **state)
{
	struct fixture *f = *state;
	unsigned n = 0;

	while (n < 2000) {
		struct flow_key value, mask;
		struct made m;

		made_frame(&f->made, &random_choices);
		if (!f->made.offload.flags || f->made.len > f->made.end)
			continue; /* the request is for all of the frame, padding too */
		receive(f);
		choose_change(&f->made, &value, &mask);
		rewrite(f, &value, &mask);
		assert_int_equal(checksum_complete(&f->pkt), 0);
		pkt_copy(&f->pkt, f->after);
		m = f->made;
		m.offload.flags = 0;
		assert_true(made_is_right(&m, f->after));
		n++;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_any_field_of_any_packet, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_checksums, setup, teardown),
		cmocka_unit_test_setup_teardown(test_absent_fields, setup, teardown),
		cmocka_unit_test_setup_teardown(test_udp_checksum_is_never_zero, setup, teardown),
		cmocka_unit_test_setup_teardown(test_type_of_option, setup, teardown),
		cmocka_unit_test_setup_teardown(test_remark, setup, teardown),
		cmocka_unit_test_setup_teardown(test_request_is_met_later, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
