// SPDX-License-Identifier: Apache-2.0
/* The oracle: random packets meet random rules, which change all the time; what the translation,
 * the cache of plans and rewriting make of each packet is compared with what the reference says,
 * and with what "vireo trace" tells. And a test of this test: when one field is not noted as
 * examined, or the story does not tell something, that must be found out.
 *
 * ORACLE_SEED: another beginning. TEST_SCALE: so many times 500,000 packets.
 */
#include <linux/if_ether.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "carry.h"
#include "flow/plans.h"
#include "flow/story.h"
#include "flow/translate.h"
#include "told.h"

#define PACKETS 500000ull	     /* at scale 1 */
#define MANY 100000		     /* then there should have been some of everything */
#define PACKETS_MUTANT (4 * PACKETS) /* some fields few packets have */
#define WORLD_PACKETS 4000
#define TRIES_MAX 300 /* choices that are looked at */
#define HALF (512u << 10)
#define STORY_EACH 16 /* packets */

/* What is wrong, in tests of the test. */
struct mutation {
	enum field_id forget; /* this field is not noted; FIELD_N: none */
	const char *unsaid;   /* stories leave out these steps; NULL: none */
};

struct oracle {
	struct world world;
	struct plans *plans;
	struct mutation mutation;
	uint64_t n, n_unsure, n_made, n_learned, n_changes, n_conjunctions, now_ms;
	uint64_t n_told;
	uint64_t n_records[RECORD_METER + 1];
	struct plan_draft draft, story_draft;
	struct records is, told;
	struct reference_result should;
};

static struct oracle o;

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);
	double v = text ? atof(text) : 0;

	return v > 0 ? (uint64_t)(v * (double)otherwise) : otherwise;
}

static uint32_t hash_of(const struct flow_key *key)
{
	uint64_t h = 0;

	for (unsigned i = 0; i < FLOW_KEY_PACKET_WORDS; i++)
		h = hash_mix(h ^ key->words[i], i);
	return (uint32_t)h;
}

/* The switch: what is in o.is happens. *@plan: what was kept; the draft, if NULL. */
static struct plan *forward(const struct frame *frame, const struct flow_key *key)
{
	uint64_t version = pipeline_version(o.world.pipeline);
	struct translate_limit limit;
	struct iovec rest;
	struct pkt pkt;
	struct plan *plan = plans_find(o.plans, key, version, hash_of(key));
	struct translate_input in = {
		.pipeline = o.world.pipeline,
		.key = key,
		.len = frame->len,
		.pkt = &pkt,
	};

	if (!plan) {
		pkt_init_single(&pkt, &rest, frame->bytes, frame->len);
		translate(&in, &o.draft, &limit);
		if (limit.what)
			o.n_unsure++;
		if (o.mutation.forget != FIELD_N)
			field_set(&fields[o.mutation.forget], &o.draft.examined, 0,
				  field_ones(&fields[o.mutation.forget]));
		plan = plans_add(o.plans, key, version, hash_of(key), &o.draft);
		o.n_made++;
	}
	if (plan)
		carry_out_plan(plan->steps, plan->steps_len, frame, &o.is);
	else
		carry_out_plan(o.draft.steps, o.draft.steps_len, frame, &o.is);
	return plan;
}

static void count(struct plan *plan, const struct frame *frame)
{
	if (plan)
		plans_count(o.plans, plan, frame->len);
	for (uint32_t i = 0; !plan && i < o.draft.n_credits; i++)
		tally_add(o.draft.credits[i], 1, frame->len, o.now_ms);
}

/* What is to be credited, as a plan says it. */
static bool same_credits(const struct plan *plan)
{
	uint32_t n = plan ? plan->n_credits : o.draft.n_credits;
	struct tally *const *credits = plan ? plan_credits(plan) : o.draft.credits;

	if (n != o.should.n_credits)
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (credits[i] != &o.should.credits[i]->tally)
			return false;
	return true;
}

/* Whether the reference agrees, with some choices where hashes decide. NULL: it does. */
static const char *differs(const struct frame *frame, uint32_t in_port, const struct plan *plan)
{
	struct choices choices = { 0 };
	const char *why, *first = NULL;

	for (unsigned i = 0; i < TRIES_MAX; i++) {
		reference_run(&o.world, frame, in_port, &choices, &o.should);
		if (o.should.unsure)
			return NULL;
		why = records_differ(&o.is, &o.should.records);
		if (!why && !same_credits(plan))
			why = "what is counted";
		if (!why)
			return NULL;
		if (!first)
			first = why;
		if (!choices_next(&choices))
			return first;
	}
	o.should.unsure = true;
	return NULL;
}

/* What was counted is what the reference has counted. */
static const char *settle(void)
{
	plans_settle(o.plans, o.now_ms);
	return world_miscounts(&o.world);
}

/* Makes what has been learned a rule, and other changes. False: another world is due. */
static bool change(const struct plan *plan)
{
	const uint8_t *steps = plan ? plan->steps : o.draft.steps;
	uint32_t len = plan ? plan->steps_len : o.draft.steps_len;

	PLAN_FOR_EACH(s, steps, len)
	{
		const struct plan_learn *l = (const void *)s;

		if (s->kind != PLAN_LEARN || random_below(&o.world, 40))
			continue;
		o.n_learned++;
		return world_learn(&o.world, l->learn->table, l->learn->priority, l->learn->cookie,
				   &l->match, (const uint8_t *)l + s->arg, l->actions_len);
	}
	if (random_below(&o.world, 60))
		return true;
	o.n_changes++;
	return world_change(&o.world);
}

/* The story of a packet. */
static struct story *hear(const struct flow_key *key, const struct frame *frame,
			  struct translate_limit *limit)
{
	struct story *story = story_create(key);
	struct iovec rest;
	struct pkt pkt;
	struct translate_input in = {
		.pipeline = o.world.pipeline,
		.key = key,
		.len = frame->len,
		.pkt = &pkt,
		.story = story_hooks(story),
	};

	assert_non_null(story);
	pkt_init_single(&pkt, &rest, frame->bytes, frame->len);
	translate(&in, &o.story_draft, limit);
	return story;
}

/* How the switch comes to what it does. */
static void tell(const struct flow_key *key, const struct frame *frame)
{
	struct translate_limit limit;
	struct story *story = hear(key, frame, &limit);
	char *text = story_text(story, &o.story_draft, &limit);

	printf("%s", text); /* longer than what print_message() can say */
	free(text);
	story_destroy(story);
}

static void leave_out(json_t *story, const char *name)
{
	json_t *steps = json_object_get(story, "steps");

	for (size_t i = json_array_size(steps); i--;)
		if (!strcmp(json_string_value(json_object_get(json_array_get(steps, i), "step")),
			    name))
			json_array_remove(steps, i);
}

/* Whether what has happened is what is told. NULL: it is. */
static const char *belies(const struct flow_key *key, const struct frame *frame)
{
	struct translate_limit limit;
	struct story *story = hear(key, frame, &limit);
	json_t *json = story_json(story, &o.story_draft, &limit);

	assert_non_null(json);
	if (o.mutation.unsaid)
		leave_out(json, o.mutation.unsaid);
	told_carry_out(json, frame, &o.told);
	json_decref(json);
	story_destroy(story);
	o.n_told++;
	return told_differs(&o.told, &o.is);
}

static void say(const char *why, uint64_t seed, const struct flow_key *key,
		const struct flow_key *read, const struct frame *frame)
{
	print_message("world %llu, packet %llu: %s\n", (unsigned long long)seed,
		      (unsigned long long)o.n, why);
	for (unsigned i = 0; i < FLOW_KEY_WORDS; i++)
		if (key->words[i] != read->words[i])
			print_message("  word %u: %016llx is read as %016llx\n", i,
				      (unsigned long long)key->words[i],
				      (unsigned long long)read->words[i]);
	tell(key, frame);
	records_say("is", &o.is);
	records_say("should be", &o.should.records);
	records_say("is told", &o.told);
	records_say_difference(&o.is, &o.should.records);
	print_message("reference:\n");
	reference_tell = true;
	differs(frame, key->in_port, NULL);
	reference_tell = false;
}

static const char *one_packet(uint64_t seed, bool *go_on)
{
	struct flow_key key, read = { 0 };
	struct frame frame;
	struct plan *plan;
	const char *why;

	random_packet(&o.world, &key);
	frame_build(&frame, &key, random_below(&o.world, 4) * 30);
	frame_key(&frame, key.in_port, &read);
	plan = forward(&frame, &read);
	why = memcmp(&key, &read, sizeof(key)) ? "the key" : differs(&frame, key.in_port, plan);
	if (!why && !o.should.unsure && o.n % STORY_EACH == 0)
		why = belies(&read, &frame);
	if (why) {
		if (o.mutation.forget == FIELD_N && !o.mutation.unsaid)
			say(why, seed, &key, &read, &frame);
		return why;
	}
	if (o.should.unsure) {
		o.n_unsure++;
	} else {
		count(plan, &frame);
		o.n_conjunctions += o.should.n_conjunctions;
		for (unsigned i = 0; i < o.should.n_credits; i++) {
			o.should.credits[i]->packets++;
			o.should.credits[i]->bytes += frame.len;
		}
		for (unsigned i = 0; i < o.is.n; i++)
			o.n_records[o.is.list[i].kind]++;
	}
	*go_on = change(plan);
	return NULL;
}

/* NULL: the same everywhere. */
static const char *run(uint64_t packets, uint64_t seed, struct mutation mutation)
{
	const char *why = NULL;
	bool go_on = false;

	memset(&o, 0, sizeof(o));
	o.mutation = mutation;
	o.plans = plans_create(HALF);
	assert_non_null(o.plans);
	world_create(&o.world, seed);
	for (o.n = 0; o.n < packets && !why; o.n++) {
		why = one_packet(seed, &go_on);
		if (o.n % 200 == 0 || !go_on || o.n % WORLD_PACKETS == WORLD_PACKETS - 1)
			plans_settle(o.plans, o.now_ms += 300);
		if (why || (go_on && o.n % WORLD_PACKETS != WORLD_PACKETS - 1))
			continue;
		why = settle();
		world_destroy(&o.world);
		world_create(&o.world, ++seed);
	}
	if (!why)
		why = settle();
	plans_settle(o.plans, o.now_ms);
	world_destroy(&o.world);
	return why;
}

static void test_against_the_reference(void **state)
{
	static const struct mutation unchanged = { .forget = FIELD_N };
	static const char *const names[] = { "outputs", "to NORMAL",   "to controllers",
					     "learn",	"fin_timeout", "meter" };
	uint64_t packets = from_environment("TEST_SCALE", PACKETS);
	const char *why = run(packets, from_environment("ORACLE_SEED", 1), unchanged);
	struct plans_stats s;

	if (why)
		fail_msg("%s", why);
	plans_stats(o.plans, &s);
	plans_destroy(o.plans);
	print_message(
		"%llu packets, %llu not told: %llu hits of hints, %llu of masks, %llu misses\n",
		(unsigned long long)o.n, (unsigned long long)o.n_unsure,
		(unsigned long long)s.hint_hits, (unsigned long long)s.mask_hits,
		(unsigned long long)s.misses);
	print_message(
		"%llu changes, %llu rules learned; plans: %llu made, %llu moved, %llu evicted\n",
		(unsigned long long)o.n_changes, (unsigned long long)o.n_learned,
		(unsigned long long)s.made, (unsigned long long)s.moved,
		(unsigned long long)s.evicted);
	for (unsigned i = 0; i <= RECORD_METER; i++)
		print_message("%s%llu %s", i ? ", " : "", (unsigned long long)o.n_records[i],
			      names[i]);
	print_message(", %llu conjunctions, %llu stories\n", (unsigned long long)o.n_conjunctions,
		      (unsigned long long)o.n_told);
	if (packets < MANY)
		return;
	for (unsigned i = 0; i <= RECORD_METER; i++)
		assert_true(o.n_records[i] > packets / 10000);
	assert_true(o.n_conjunctions > packets / 10000);
	assert_true(o.n_unsure < packets / 3);
	assert_true(s.hint_hits > packets / 20);
	assert_true(s.mask_hits > packets / 50);
	assert_true(s.misses > packets / 50);
	assert_true(s.moved > packets / 10000);
	assert_true(o.n_learned > packets / 5000);
}

/* Of what is forgotten all, or where less than all is wanted, and all takes long, every fourth. */
static unsigned stride(void)
{
	return from_environment("TEST_SCALE", 100) < 100 ? 4 : 1;
}

/* A field that is forgotten must be missed, in worlds where nothing is wrong otherwise. */
static void test_of_the_test(void **state)
{
	static const enum field_id ids[] = {
		FIELD_in_port,	 FIELD_eth_src,	 FIELD_eth_dst,	  FIELD_eth_type,
		FIELD_vlan_vid,	 FIELD_vlan_pcp, FIELD_vlan_tci,  FIELD_mpls_label,
		FIELD_mpls_tc,	 FIELD_mpls_ttl, FIELD_mpls_bos,  FIELD_ip_src,
		FIELD_ip_dst,	 FIELD_ipv6_src, FIELD_ipv6_dst,  FIELD_ipv6_label,
		FIELD_nw_proto,	 FIELD_nw_ttl,	 FIELD_ip_frag,	  FIELD_ip_dscp,
		FIELD_nw_ecn,	 FIELD_arp_op,	 FIELD_arp_sha,	  FIELD_arp_tha,
		FIELD_tcp_src,	 FIELD_tcp_dst,	 FIELD_tcp_flags, FIELD_icmp_type,
		FIELD_nd_target,
	};

	for (unsigned i = 0; i < ARRAY_SIZE(ids); i += stride()) {
		const char *why = run(PACKETS_MUTANT, 1, (struct mutation){ .forget = ids[i] });

		plans_destroy(o.plans);
		if (!why)
			fail_msg("nobody noticed that %s was forgotten", fields[ids[i]].name);
	}
}

/* The same of what a story must tell. */
static void test_of_stories(void **state)
{
	static const char *const steps[] = { "set",	 "push_vlan", "pop_vlan", "push_mpls",
					     "pop_mpls", "output",    "normal",	  "controller",
					     "learn",	 "meter",     "queue",	  "fin_timeout" };

	for (unsigned i = 0; i < ARRAY_SIZE(steps); i += stride()) {
		struct mutation m = { .forget = FIELD_N, .unsaid = steps[i] };
		const char *why = run(PACKETS_MUTANT, 1, m);

		plans_destroy(o.plans);
		if (!why)
			fail_msg("nobody noticed that stories left out %s", steps[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_the_reference),
		cmocka_unit_test(test_of_the_test),
		cmocka_unit_test(test_of_stories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
