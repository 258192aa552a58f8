// SPDX-License-Identifier: Apache-2.0
/* Packets that somebody watches: which of them the control thread is told of, how many, and that
 * they go their way all the same.
 */
#include "datapath/watch.h"
#include "rules_stage.h"

static struct rules_stage rules;
static struct watch watches[2];
static struct watch *shown[] = { &watches[0], &watches[1] };

static int begin(void **state)
{
	struct stage *s;

	if (setup(state) < 0)
		return -1;
	s = *state;
	for (unsigned i = 1; i <= 3; i++)
		maker_add(&s->m, i, 1);
	rules_init(&rules);
	rules_ports(&rules, 3);
	rules_add(&rules, 0, 1, "", "output:2");
	s->m.rules[0] = (const struct pipeline *const *)&rules.current;
	memset(watches, 0, sizeof(watches));
	s->m.ports[1].noticed = true;
	s->m.ports[1].watches = shown;
	s->m.ports[1].n_watches = 1;
	follow(s);
	return 0;
}

static int end(void **state)
{
	int r = teardown(state);

	rules_free(&rules);
	return r;
}

static void filter(unsigned i, const char *text)
{
	struct error err;

	if (match_parse(&watches[i].filter, text, &err))
		fail_msg("%s: %s", text, err.text);
}

/* A frame of @len bytes to an address that ends with @dst comes in and leaves. */
static void pass(struct stage *s, unsigned dst, uint32_t len)
{
	uint8_t frame[FRAME_MAX];

	make_frame(frame, MAC(dst), MAC(9), UNTAGGED, len - ETH_HLEN);
	inject(s, 1, frame, len);
	turn(s, 0, 1);
	expect_frame(s, 2, frame, len);
}

/* What the control thread is told next: one of @dst, for watch @i. */
static void expect_told(struct stage *s, unsigned i, unsigned dst, uint32_t len)
{
	const struct upcall *u = upcalls_next(&s->upcalls[0]);

	assert_non_null(u);
	assert_int_equal(u->kind, UPCALL_WATCHED);
	assert_ptr_equal(u->watch, &watches[i]);
	assert_ptr_equal(u->rules, s->m.rules[0]);
	assert_int_equal(u->reason, DROP_N_REASONS);
	assert_int_equal(u->port, 1);
	assert_int_equal(u->in_port, 1);
	assert_int_equal(u->total_len, len);
	assert_int_equal(u->frame_len, min(len, (uint32_t)PKT_HEAD_MAX));
	assert_int_equal(mac_load(u->frame), MAC(dst));
	assert_int_equal(u->version, pipeline_version(rules.current));
	upcalls_release(&s->upcalls[0]);
}

static void expect_silence(struct stage *s)
{
	assert_null(upcalls_next(&s->upcalls[0]));
}

static void test_filter(void **state)
{
	struct stage *s = *state;

	filter(0, "dl_dst=02:00:00:00:00:05");
	pass(s, 4, 60);
	expect_silence(s);
	pass(s, 5, 60);
	pass(s, 5, 1000);
	expect_told(s, 0, 5, 60);
	expect_told(s, 0, 5, 1000);
	expect_silence(s);
	assert_int_equal(watches[0].n_seen, 2);
	filter(0, "in_port=2");
	pass(s, 5, 60);
	expect_silence(s);
	assert_int_equal(watches[0].n_seen, 2);
}

/* What is over the limit is counted; time has not passed. */
static void test_limit(void **state)
{
	struct stage *s = *state;

	watches[0].limit = (struct view_limit){ NSEC_PER_SEC / 10, NSEC_PER_SEC / 10 * 2 };
	for (unsigned i = 0; i < 50; i++)
		pass(s, i, 60);
	for (unsigned i = 0; i < 3; i++)
		expect_told(s, 0, i, 60);
	expect_silence(s);
	assert_int_equal(watches[0].n_seen, 50);
}

static void test_two_watches(void **state)
{
	struct stage *s = *state;

	s->m.ports[1].n_watches = 2;
	follow(s);
	filter(1, "dl_dst=02:00:00:00:00:05");
	pass(s, 4, 60);
	pass(s, 5, 60);
	expect_told(s, 0, 4, 60);
	expect_told(s, 0, 5, 60);
	expect_told(s, 1, 5, 60);
	expect_silence(s);
	/* nobody watches what leaves, and others are not watched */
	s->m.ports[1].n_watches = 0;
	follow(s);
	pass(s, 5, 60);
	expect_silence(s);
}

/* What does not come so far as to meet a rule is told of, with the reason; what is no frame is not.
 */
static void test_dropped(void **state)
{
	uint8_t frame[FRAME_MAX];
	struct stage *s = *state;
	const struct upcall *u;

	make_frame(frame, MAC(5), MAC(9), UNTAGGED, 1501);
	inject(s, 1, frame, 1501 + ETH_HLEN);
	inject(s, 1, frame, ETH_HLEN - 1);
	turn(s, 0, 1);
	u = upcalls_next(&s->upcalls[0]);
	assert_non_null(u);
	assert_int_equal(u->reason, DROP_too_long);
	upcalls_release(&s->upcalls[0]);
	expect_silence(s);
	expect_nothing(s, 2);
	assert_int_equal(watches[0].n_seen, 1);
	assert_int_equal(maker_drops(&s->m, 1, DROP_too_long), 1);
	assert_int_equal(maker_drops(&s->m, 1, DROP_too_short), 1);
}

/* Where there is no room, packets go their way, and are counted. */
static void test_full(void **state)
{
	struct stage *s = *state;

	for (unsigned i = 0; i < 20000; i++)
		pass(s, 5, 200);
	assert_int_equal(watches[0].n_seen, 20000);
	expect_told(s, 0, 5, 200);
}

/* Where NORMAL is all there is, too. */
static void test_normal(void **state)
{
	uint8_t frame[FRAME_MAX];
	uint32_t len = make_frame(frame, BROADCAST, MAC(9), UNTAGGED, 46);
	struct stage *s = *state;
	const struct upcall *u;

	rules_free(&rules);
	rules_init(&rules);
	rules_add(&rules, 0, 0, "", "normal");
	inject(s, 1, frame, len);
	turn(s, 0, 1);
	expect_frame(s, 2, frame, len);
	expect_frame(s, 3, frame, len);
	u = upcalls_next(&s->upcalls[0]);
	assert_non_null(u);
	assert_int_equal(u->version, pipeline_version(rules.current));
	upcalls_release(&s->upcalls[0]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_filter),  TEST(test_limit), TEST(test_two_watches),
		TEST(test_dropped), TEST(test_full),  TEST(test_normal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
