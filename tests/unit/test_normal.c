// SPDX-License-Identifier: Apache-2.0
/* The learning VLAN bridge: what each kind of port admits, where frames go, what they carry there,
 * and the rate limits.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "flow/normal.h"

#define A 0x020000000001ull
#define B 0x020000000002ull
#define PRIO(pcp, dei) ((uint16_t)((pcp) << VLAN_PCP_SHIFT | (dei) << 12))
#define UNTAGGED -1

enum { IN = 1, OUT, OTHER, FOREIGN, N_PORTS };

struct bench {
	struct view view;
	struct view_bridge bridges[2];
	struct view_port ports[N_PORTS];
	struct view_port_state states[N_PORTS];
	const struct view_port *by_id[N_PORTS];
	uint64_t trunks[4096 / 64];
};

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	for (int i = 0; i < 2; i++) {
		b->bridges[i].macs = mac_table_create(64);
		assert_non_null(b->bridges[i].macs);
	}
	for (uint32_t i = 1; i < N_PORTS; i++) {
		b->ports[i] = (struct view_port){ .id = i,
						  .state = &b->states[i],
						  .bridge = &b->bridges[i == FOREIGN] };
		b->by_id[i] = &b->ports[i];
	}
	b->view = (struct view){ .n_ports = N_PORTS, .ports = b->by_id };
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	mac_table_destroy(b->bridges[0].macs);
	mac_table_destroy(b->bridges[1].macs);
	free(b);
	return 0;
}

/* Receives a frame on port IN; @tci UNTAGGED: without a tag. Returns the reason it was dropped for,
 * or -1.
 */
static int receive(struct bench *b, mac_t dst, mac_t src, int tci, struct normal_frame *frame)
{
	uint8_t ethernet[ETH_HLEN] = { 0 };
	enum drop_reason why = DROP_N_REASONS;

	mac_store(ethernet, dst);
	mac_store(ethernet + ETH_ALEN, src);
	memset(frame, 0xee, sizeof(*frame));
	/* the control information of a frame without a tag is whatever was there before */
	if (normal_receive(&b->ports[IN], ethernet, tci != UNTAGGED,
			   tci == UNTAGGED ? 0xffff : (uint16_t)tci, 100, frame, &why))
		return -1;
	assert_true(why < DROP_N_REASONS);
	return (int)why;
}

struct mode {
	const char *name;
	bool access, native_tagged;
	uint16_t tag;
	bool some_trunks; /* 20, 30 alone; else all */
};

static const struct mode modes[] = {
	{ "trunk", .tag = 0 },
	{ "access 10", .access = true, .tag = 10 },
	{ "native-untagged 10", .tag = 10 },
	{ "native-tagged 10", .native_tagged = true, .tag = 10 },
	{ "trunk 20,30", .some_trunks = true },
	{ "native-untagged 10, 20,30", .tag = 10, .some_trunks = true },
	{ "native-tagged 10, 20,30", .native_tagged = true, .tag = 10, .some_trunks = true },
};

static void set_mode(struct bench *b, int port, const struct mode *m)
{
	struct view_port *p = &b->ports[port];

	b->trunks[0] = 1ull << 20 | 1ull << 30;
	p->access = m->access;
	p->native_tagged = m->native_tagged;
	p->tag = m->tag;
	p->trunks = m->some_trunks ? b->trunks : NULL;
}

#define NO -1 /* dropped, because of its VLAN */

/* Which VLAN a frame is in when it enters by a port: by mode, and by its tag. */
static void test_admits_by_vlan(void **state)
{
	static const int tags[] = { UNTAGGED, 0, 10, 20, 21, 4094, 4095 };
	static const int vids[ARRAY_SIZE(modes)][ARRAY_SIZE(tags)] = {
		{ 0, 0, 10, 20, 21, 4094, NO },	  { 10, 10, NO, NO, NO, NO, NO },
		{ 10, 10, 10, 20, 21, 4094, NO }, { 10, 10, 10, 20, 21, 4094, NO },
		{ NO, NO, NO, 20, NO, NO, NO },	  { 10, 10, 10, 20, NO, NO, NO },
		{ 10, 10, 10, 20, NO, NO, NO },
	};
	struct bench *b = *state;

	for (unsigned m = 0; m < ARRAY_SIZE(modes); m++)
		for (unsigned t = 0; t < ARRAY_SIZE(tags); t++) {
			uint16_t prio = tags[t] == UNTAGGED ? 0 : PRIO(5, 1);
			mac_t src = A + m * 100 + t;
			struct normal_frame f;
			int why;

			set_mode(b, IN, &modes[m]);
			why = receive(b, B, src, tags[t] == UNTAGGED ? UNTAGGED : tags[t] | prio,
				      &f);
			if (vids[m][t] == NO) {
				assert_int_equal(why, DROP_vlan);
				continue;
			}
			if (why >= 0)
				fail_msg("%s: tag %d was refused", modes[m].name, tags[t]);
			assert_int_equal(f.vid, vids[m][t]);
			assert_int_equal(f.prio, prio);
			assert_true(f.dst == B && f.src == src);
			/* learned there, and in no other VLAN */
			assert_int_equal(mac_table_lookup(b->bridges[0].macs, src, f.vid), IN);
			assert_int_equal(mac_table_lookup(b->bridges[0].macs, src, f.vid + 1),
					 MAC_NO_PORT);
			mac_table_flush(b->bridges[0].macs, MAC_NO_PORT, false);
		}
	assert_int_equal(mac_table_count(b->bridges[0].macs, MAC_NO_PORT), 0);
}

#define BARE -2 /* leaves without a tag */

/* How a frame of a VLAN leaves by a port; NO: it does not. */
static void test_sends_by_vlan(void **state)
{
	static const uint16_t vids[] = { 0, 10, 20, 21, 4094 };
	static const int tags[ARRAY_SIZE(modes)][ARRAY_SIZE(vids)] = {
		{ BARE, 10, 20, 21, 4094 }, { NO, BARE, NO, NO, NO }, { BARE, BARE, 20, 21, 4094 },
		{ BARE, 10, 20, 21, 4094 }, { NO, NO, 20, NO, NO },   { NO, BARE, 20, NO, NO },
		{ NO, 10, 20, NO, NO },
	};
	struct bench *b = *state;

	for (unsigned m = 0; m < ARRAY_SIZE(modes); m++)
		for (unsigned v = 0; v < ARRAY_SIZE(vids); v++) {
			struct normal_frame f = { .vid = vids[v], .prio = PRIO(6, 1) };
			struct normal_tag tag;

			set_mode(b, OUT, &modes[m]);
			if (normal_may_send(&b->ports[IN], &b->ports[OUT], f.vid) !=
			    (tags[m][v] != NO))
				fail_msg("%s: VLAN %u", modes[m].name, vids[v]);
			if (tags[m][v] == NO)
				continue;
			tag = normal_out_tag(&b->ports[OUT], &f);
			if (tag.tagged != (tags[m][v] != BARE))
				fail_msg("%s: VLAN %u, tag %d", modes[m].name, vids[v], tag.tagged);
			if (tag.tagged)
				assert_int_equal(tag.tci, PRIO(6, 1) | tags[m][v]);
		}
	assert_false(normal_may_send(&b->ports[IN], &b->ports[IN], 0));
}

static void test_refuses_sources(void **state)
{
	static const mac_t allowed[] = { B, A + 7 };
	struct bench *b = *state;
	struct normal_frame f;

	b->ports[IN].n_macs = 2;
	b->ports[IN].macs = allowed;
	assert_int_equal(receive(b, B, A, UNTAGGED, &f), DROP_source_mac);
	assert_int_equal(receive(b, B, 0xffffffffffffull, UNTAGGED, &f), DROP_source_mac);
	assert_int_equal(mac_table_count(b->bridges[0].macs, MAC_NO_PORT), 0);
	assert_int_equal(receive(b, A, B, UNTAGGED, &f), -1);
	assert_int_equal(receive(b, A, A + 7, UNTAGGED, &f), -1);
	assert_int_equal(mac_table_count(b->bridges[0].macs, IN), 2);
}

static void test_keeps_link_local_frames(void **state)
{
	struct bench *b = *state;
	struct normal_frame f;

	for (uint64_t i = 0; i < 16; i++)
		assert_int_equal(receive(b, 0x0180c2000000ull + i, A, UNTAGGED, &f),
				 DROP_reserved_mac);
	assert_int_equal(mac_table_count(b->bridges[0].macs, MAC_NO_PORT), 0);
	assert_int_equal(receive(b, 0x0180c2000010ull, A, UNTAGGED, &f), -1);
}

static void test_mac_limit_of_the_port(void **state)
{
	struct bench *b = *state;
	struct normal_frame f;

	b->ports[IN].mac_limit = 2;
	for (uint64_t i = 0; i < 5; i++)
		assert_int_equal(receive(b, B, A + 100 + i, UNTAGGED, &f),
				 -1); /* still forwarded */
	assert_int_equal(mac_table_count(b->bridges[0].macs, IN), 2);
}

static struct normal_result decide(struct bench *b, mac_t dst, uint16_t vid, uint64_t now)
{
	struct normal_frame f = { .dst = dst, .src = A, .vid = vid };

	return normal_decide(&b->view, &b->ports[IN], &f, now);
}

static void assert_drops(struct normal_result r, enum drop_reason why)
{
	assert_int_equal(r.verdict, NORMAL_DROP);
	assert_int_equal(r.drop, why);
}

static void test_decides(void **state)
{
	struct bench *b = *state;
	struct mac_table *macs = b->bridges[0].macs;
	struct normal_result r;

	assert_int_equal(decide(b, 0xffffffffffffull, 0, 1).verdict, NORMAL_FLOOD);
	assert_int_equal(decide(b, 0x01005e000001ull, 0, 1).verdict, NORMAL_FLOOD);
	assert_int_equal(decide(b, B, 0, 1).verdict, NORMAL_FLOOD);
	mac_table_learn(macs, B, 5, OUT, 1, 0);
	assert_int_equal(decide(b, B, 0, 1).verdict, NORMAL_FLOOD); /* known on another VLAN */
	r = decide(b, B, 5, 1);
	assert_int_equal(r.verdict, NORMAL_UNICAST);
	assert_ptr_equal(r.out, &b->ports[OUT]);
	mac_table_learn(macs, B, 5, IN, 1, 0);
	assert_drops(decide(b, B, 5, 1), DROP_same_port);
	/* learned where the VLAN is not carried any more */
	mac_table_learn(macs, B, 5, OUT, 1, 0);
	set_mode(b, OUT, &modes[1]);
	assert_drops(decide(b, B, 5, 1), DROP_no_output);
	/* the table knows a port that is gone, or beyond, or of another bridge */
	mac_table_learn(macs, B, 5, OTHER, 1, 0);
	b->by_id[OTHER] = NULL;
	assert_int_equal(decide(b, B, 5, 1).verdict, NORMAL_FLOOD);
	mac_table_learn(macs, B, 5, MAC_PORTS_MAX - 1, 1, 0);
	assert_int_equal(decide(b, B, 5, 1).verdict, NORMAL_FLOOD);
	mac_table_learn(macs, B, 5, FOREIGN, 1, 0);
	assert_int_equal(decide(b, B, 5, 1).verdict, NORMAL_FLOOD);
}

static void test_protected_ports(void **state)
{
	struct bench *b = *state;

	mac_table_learn(b->bridges[0].macs, B, 0, OUT, 1, 0);
	b->ports[IN].is_protected = true;
	assert_int_equal(decide(b, B, 0, 1).verdict, NORMAL_UNICAST);
	b->ports[OUT].is_protected = true;
	assert_drops(decide(b, B, 0, 1), DROP_no_output);
	assert_false(normal_may_send(&b->ports[IN], &b->ports[OUT], 0));
	assert_true(normal_may_send(&b->ports[IN], &b->ports[OTHER], 0));
	assert_true(normal_may_send(&b->ports[OTHER], &b->ports[IN], 0));
}

/* What controllers have set of a port. */
static void test_port_flags(void **state)
{
	struct bench *b = *state;

	mac_table_learn(b->bridges[0].macs, B, 0, OUT, 1, 0);
	b->ports[OUT].no_flood = true; /* is for those that flood */
	assert_int_equal(decide(b, B, 0, 1).verdict, NORMAL_UNICAST);
	b->ports[OUT].no_forward = true;
	assert_drops(decide(b, B, 0, 1), DROP_no_output);
	assert_false(normal_may_send(&b->ports[IN], &b->ports[OUT], 0));
	assert_true(normal_may_send(&b->ports[OUT], &b->ports[IN], 0));
}

/* Sends @n at each of @secs seconds' milliseconds; returns how many got through. */
static unsigned storm(struct bench *b, mac_t dst, unsigned per_ms, unsigned ms, uint64_t from)
{
	unsigned n = 0;

	for (unsigned t = 0; t < ms; t++)
		for (unsigned i = 0; i < per_ms; i++)
			n += decide(b, dst, 0, from + t * NSEC_PER_MSEC).verdict == NORMAL_FLOOD;
	return n;
}

static void test_rate_limits(void **state)
{
	const uint64_t start = 5 * NSEC_PER_SEC, later = 100 * NSEC_PER_SEC;
	const struct view_limit thousand = { NSEC_PER_SEC / 1000, NSEC_PER_SEC / 20 };
	struct bench *b = *state;
	unsigned n;

	b->ports[IN].broadcast_limit = thousand;
	n = storm(b, 0xffffffffffffull, 10, 1000, start);
	assert_in_range(n, 1000, 1051); /* a second's worth and the burst */
	assert_drops(decide(b, 0xffffffffffffull, 0, start + 999 * NSEC_PER_MSEC),
		     DROP_broadcast_limit);
	/* nothing else is limited by it */
	assert_int_equal(storm(b, 0x01005e000001ull, 10, 10, start), 100);
	assert_int_equal(storm(b, B, 10, 10, start), 100);
	/* what comes below the limit passes, for ever */
	assert_int_equal(storm(b, 0xffffffffffffull, 1, 3000, later), 3000);
	/* time that passes without frames is not saved up beyond the burst */
	assert_in_range(storm(b, 0xffffffffffffull, 1000, 1, 2 * later), 51, 51);

	b->ports[IN].unknown_limit = (struct view_limit){ NSEC_PER_SEC, NSEC_PER_SEC / 20 };
	assert_int_equal(storm(b, B, 10, 1, start), 1);
	assert_drops(decide(b, B, 0, start), DROP_unknown_limit);
	assert_int_equal(storm(b, B, 1, 1, start + NSEC_PER_SEC), 1);
	/* known addresses are not limited */
	mac_table_learn(b->bridges[0].macs, B, 0, OUT, 1, 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(decide(b, B, 0, start).verdict, NORMAL_UNICAST);
}

struct taker {
	const struct view_limit *limit;
	uint64_t *due;
	unsigned n;
};

static void *take_many(void *arg)
{
	struct taker *t = arg;

	for (unsigned i = 0; i < 100000; i++)
		t->n += view_limit_take(t->limit, t->due, NSEC_PER_SEC);
	return NULL;
}

static void test_limit_is_shared_by_workers(void **state)
{
	const struct view_limit limit = { 1000, 1000 * 4999 };
	uint64_t due = 0;
	struct taker takers[2] = { { &limit, &due, 0 }, { &limit, &due, 0 } };
	pthread_t threads[2];

	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_many, &takers[i]), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(takers[0].n + takers[1].n, 5000); /* neither lost nor twice */
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_admits_by_vlan),	  TEST(test_sends_by_vlan),
		TEST(test_refuses_sources),	  TEST(test_keeps_link_local_frames),
		TEST(test_mac_limit_of_the_port), TEST(test_decides),
		TEST(test_protected_ports),	  TEST(test_port_flags),
		TEST(test_rate_limits),		  TEST(test_limit_is_shared_by_workers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
