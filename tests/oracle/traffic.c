// SPDX-License-Identifier: Apache-2.0
/* The oracle for traffic: frames come in by ports of a bridge, alone or several together, and what
 * goes out, byte for byte and port by port, what controllers are told, and what is counted, is
 * compared with the reference; while rules, groups, ports, their VLANs and addresses come, move and
 * go, and packets teach rules. The switch is a worker's forwarder (rig.h); the reference carries
 * out rules (reference.h), and what leaves by NORMAL or by meters is decided by arrays of its own
 * (bridge.h, buckets.h).
 *
 * And a test of this test: what the switch forgets must be noticed.
 *
 * ORACLE_SEED: another beginning. TEST_SCALE: so many times 500,000 packets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "flow/translate.h"
#include "traffic.h"

#define PACKETS 500000ull /* at scale 1 */
#define WORLD_PACKETS 4000
#define SETTLE_EACH 50
#define MANY 200000	   /* packets, of which there are some of each kind */
#define WAITS_MAX 4	   /* of a packet for what it teaches */
#define BATCH_PACKETS 8	   /* that come together, at most */
#define TRIES_MAX 300	   /* choices that are looked at */
#define MANY_ADDRESSES 300 /* are forgotten */

static struct traffic t;

void __real_translate(const struct translate_input *in, struct plan_draft *out,
		      struct translate_limit *limit);
void __wrap_translate(const struct translate_input *in, struct plan_draft *out,
		      struct translate_limit *limit);
void __real_plans_count(struct plans *plans, struct plan *plan, uint32_t bytes);
void __wrap_plans_count(struct plans *plans, struct plan *plan, uint32_t bytes);
uint64_t __real_pipeline_version(const struct pipeline *p);
uint64_t __wrap_pipeline_version(const struct pipeline *p);

/* Stands between the switch and its translation. */
void __wrap_translate(const struct translate_input *in, struct plan_draft *out,
		      struct translate_limit *limit)
{
	enum field_id id = t.mutation.field;

	__real_translate(in, out, limit);
	if (id != FIELD_N)
		field_set(&fields[id], &out->examined, 0, field_ones(&fields[id]));
	t.credits = out->credits;
	t.n_credits = out->n_credits;
}

/* Stands there, too: what is counted tells which of several ways a packet has gone. */
void __wrap_plans_count(struct plans *plans, struct plan *plan, uint32_t bytes)
{
	t.credits = plan_credits(plan);
	t.n_credits = plan->n_credits;
	__real_plans_count(plans, plan, bytes);
}

/* The first one that is asked for is taken for all that follow. */
uint64_t __wrap_pipeline_version(const struct pipeline *p)
{
	if (!t.mutation.version || !t.version)
		t.version = __real_pipeline_version(p);
	return t.version;
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);
	double v = text ? atof(text) : 0;

	return v > 0 ? (uint64_t)(v * (double)otherwise) : otherwise;
}

static uint32_t below(uint32_t n)
{
	return random_below(&t.world, n);
}

static bool one_in(uint32_t n)
{
	return !below(n);
}

/* ---- what has happened */

static struct record *append(struct records *list, enum record_kind kind)
{
	struct record *r = &list->list[list->n++];

	assert_true(list->n <= RECORDS_MAX);
	memset(r, 0, offsetof(struct record, frame));
	r->kind = kind;
	return r;
}

static void note_controller(const struct upcall *u)
{
	struct record *r = append(&t.is, RECORD_CONTROLLER);
	unsigned n = 0;

	r->port = u->controller;
	r->queue = u->total_len;
	r->rule = u->rule;
	r->cookie = u->cookie;
	r->max_len = u->max_len;
	r->reason = u->reason;
	r->table = u->table;
	r->userdata_len = (uint8_t)u->userdata_len;
	for (uint64_t map = u->map; map; map &= map - 1)
		r->match.key.words[FLOW_KEY_PACKET_WORDS + __builtin_ctzll(map)] = u->words[n++];
	r->frame.len = u->frame_len;
	memcpy(r->frame.bytes, u->frame, u->frame_len);
}

static void note_upcall(const struct upcall *u)
{
	switch (u->kind) {
	case UPCALL_PACKET:
		note_controller(u);
		break;
	case UPCALL_FIN:
		append(&t.is, RECORD_FIN)->rule = u->rule;
		break;
	case UPCALL_LEARN:
		assert_true(t.n_lessons < LESSONS_MAX);
		t.lessons[t.n_lessons++] = u->learn;
		break;
	default:
		t.waits = true;
		rig_keep(t.rig, u);
		break;
	}
}

/* What the lessons point at is there until rig_release(). */
static void look(void)
{
	const struct upcall *u;
	struct frame frame;

	t.is.n = t.n_lessons = 0;
	t.waits = false;
	for (uint32_t port = 1; port <= PORTS; port++)
		while (rig_sent(t.rig, port, &frame)) {
			struct record *r = append(&t.is, RECORD_OUTPUT);

			r->port = port;
			r->frame = frame;
		}
	while ((u = rig_upcall(t.rig)))
		note_upcall(u);
}

/* ---- what should have */

static enum meter_verdict ask_meter(uint32_t id, uint32_t len, uint8_t *levels)
{
	return buckets_take(&t.then.buckets, t.world.meters[id], len, t.now, levels);
}

static void send_to(void *arg, uint32_t port, const struct frame *frame)
{
	struct record *r = append(&t.sent, RECORD_OUTPUT);

	r->port = port;
	r->frame = *frame;
}

static void output(uint32_t port, const struct frame *frame)
{
	const struct bridge_port *p = &t.then.bridge.ports[port];

	if (p->there && p->link && bridge_fits(p, frame))
		send_to(NULL, port, frame);
}

static void tell(const struct record *record)
{
	struct record *r = append(&t.told, record->kind);

	*r = *record;
	if (r->kind == RECORD_FIN)
		return;
	r->queue = r->frame.len;
	if (r->max_len < CONTROLLER_WHOLE && r->max_len < r->frame.len)
		r->frame.len = r->max_len;
}

/* With what the reference has chosen for one more packet. */
static void expect(uint32_t in_port)
{
	const struct records *list = &t.result.records;

	for (unsigned i = 0; i < list->n; i++)
		if (list->list[i].kind == RECORD_OUTPUT)
			output(list->list[i].port, &list->list[i].frame);
		else if (list->list[i].kind == RECORD_NORMAL)
			bridge_normal(&t.then.bridge, in_port, &list->list[i].frame,
				      traffic_seconds(&t), send_to, NULL);
		else if (list->list[i].kind == RECORD_CONTROLLER ||
			 list->list[i].kind == RECORD_FIN)
			tell(&list->list[i]);
}

/* In what it differs from what was expected; NULL: in nothing. Frames are in the order of ports, as
 * in look(). */
static const char *is_other(void)
{
	t.should.n = 0;
	for (uint32_t port = 1; port <= PORTS; port++)
		for (unsigned i = 0; i < t.sent.n; i++)
			if (t.sent.list[i].port == port)
				t.should.list[t.should.n++] = t.sent.list[i];
	for (unsigned i = 0; i < t.told.n; i++)
		t.should.list[t.should.n++] = t.told.list[i];
	return records_differ(&t.is, &t.should);
}

/* Whether there is a rule that is just like the one that is taught. */
static bool is_known(const struct record *lesson)
{
	for (unsigned i = 0; i < t.world.n_rules; i++) {
		const struct world_rule *r = &t.world.rules[i];
		struct record does;

		if (r->gone || !r->is_learned || r->rule->table != lesson->table ||
		    r->rule->priority != lesson->port || r->rule->cookie != lesson->cookie ||
		    !match_equal(&r->match, &lesson->match))
			continue;
		record_describe(&does, r->rule->actions.bytes, r->rule->actions.len);
		return does.frame.len == lesson->frame.len &&
		       !memcmp(does.frame.bytes, lesson->frame.bytes, does.frame.len);
	}
	return false;
}

static bool is_lesson(const struct plan_learn *is, const struct record *should)
{
	struct record does;

	record_describe(&does, (const uint8_t *)is + is->step.arg, is->actions_len);
	return is->teacher == should->rule && is->learn->table == should->table &&
	       is->learn->priority == should->port && is->learn->cookie == should->cookie &&
	       match_equal(&is->match, &should->match) && does.frame.len == should->frame.len &&
	       !memcmp(does.frame.bytes, should->frame.bytes, does.frame.len);
}

/* Remembers that there was no room. */
static void refuse(const struct plan_learn *l)
{
	struct refused *r = &t.refused[t.last_refused++ % REFUSED_MAX];

	assert_true(l->step.len <= sizeof(r->step));
	r->version = __real_pipeline_version(t.world.pipeline);
	r->ms = t.now / NSEC_PER_MSEC;
	memcpy(r->step, l, l->step.len);
	memcpy(r->learn, l->learn, sizeof(*l->learn));
	((struct plan_learn *)r->step)->learn = (const struct action_learn *)r->learn;
	t.n_refused++;
}

/* Whether it was asked for in the last @ms milliseconds, in vain, under these rules. */
static bool was_refused(const struct record *lesson, uint64_t ms)
{
	uint64_t version = __real_pipeline_version(t.world.pipeline);

	for (unsigned i = 0; i < REFUSED_MAX; i++) {
		const struct refused *r = &t.refused[i];

		if (r->version == version && t.now / NSEC_PER_MSEC - r->ms < ms &&
		    is_lesson((const struct plan_learn *)r->step, lesson))
			return true;
	}
	return false;
}

/* Whether the packet must wait; and whether it waits for what it should. */
static bool must_wait(const char **why)
{
	unsigned n = 0;

	*why = NULL;
	for (unsigned i = 0; i < t.result.n_lessons; i++) {
		const struct record *lesson = &t.result.lessons[i];

		if (is_known(lesson))
			continue;
		if (n >= t.n_lessons || !is_lesson(t.lessons[n], lesson)) {
			if (was_refused(lesson, REFUSED_MS))
				continue; /* nobody has to wait */
			*why = "what it teaches";
		}
		n++;
	}
	if (n && (!t.waits || t.is.n))
		*why = "it did not wait for what it teaches";
	if (n && !*why && n != t.n_lessons)
		*why = "how much it teaches";
	return n;
}

static bool same_credits(void)
{
	if (!t.credits)
		return true; /* a look at the counts will tell */
	if (t.n_credits != t.result.n_credits)
		return false;
	for (uint32_t i = 0; i < t.n_credits; i++)
		if (t.credits[i] != &t.result.credits[i]->tally)
			return false;
	return true;
}

/* What becomes of a packet, as the reference says. */
static void foresee(const struct frame *frame, uint32_t in_port, struct choices *choices)
{
	t.then = t.memory;
	if (!bridge_fits(&t.memory.bridge.ports[in_port], frame)) {
		memset(&t.result, 0, offsetof(struct reference_result, records.list));
		t.result.n_credits = t.result.n_lessons = 0;
		t.result.unsure = false;
		choices->n = 0;
	} else {
		reference_run(&t.world, frame, in_port, choices, &t.result);
	}
}

/* One try. */
static const char *differs_now(const struct frame *frame, uint32_t in_port, bool taught,
			       struct choices *choices)
{
	const char *why;

	foresee(frame, in_port, choices);
	if (t.result.unsure)
		return NULL;
	if (!taught && must_wait(&why))
		return why;
	if (t.waits)
		return "it waits";
	t.sent.n = t.told.n = 0;
	expect(in_port);
	why = is_other();
	return why || same_credits() ? why : "what is counted";
}

/* Whether the reference agrees, with some choices where hashes decide. NULL: it does. */
static const char *differs(const struct frame *frame, uint32_t in_port, bool taught)
{
	struct choices choices = { 0 };
	const char *why, *first = NULL;

	for (unsigned i = 0; i < TRIES_MAX; i++) {
		why = differs_now(frame, in_port, taught, &choices);
		if (!why)
			return NULL;
		if (!first)
			first = why;
		if (!choices_next(&choices))
			return first;
	}
	t.result.unsure = true;
	return NULL;
}

/* ---- both sides go on */

static void take_over(const struct mac_entry *e, void *arg)
{
	bridge_put(&t.memory.bridge,
		   &(struct bridge_address){ e->mac, e->vid, e->port, traffic_seconds(&t) - e->age,
					     e->is_static });
}

/* Nobody has said what becomes of the packet: what it has left behind is believed. */
static void believe(void)
{
	t.n_unsure++;
	rig_settle(t.rig);
	world_believe_counts(&t.world);
	t.memory.bridge.n = 0;
	mac_table_each(rig_macs(t.rig), traffic_seconds(&t), take_over, NULL);
	memset(&t.memory.buckets, 0, sizeof(t.memory.buckets));
	for (unsigned i = 1; i <= METERS; i++)
		memset(t.world.meters[i]->state, 0, sizeof(*t.world.meters[i]->state));
}

/* What one packet leaves behind. */
static void leave(const struct frame *frame)
{
	t.memory = t.then;
	for (unsigned i = 0; i < t.result.n_credits; i++) {
		t.result.credits[i]->packets++;
		t.result.credits[i]->bytes += frame->len;
	}
	for (unsigned i = 0; i < t.result.records.n; i++) {
		t.n_normal += t.result.records.list[i].kind == RECORD_NORMAL;
		t.n_metered += t.result.records.list[i].kind == RECORD_METER;
	}
}

static void commit(const struct frame *frame)
{
	if (t.result.unsure) {
		believe();
		return;
	}
	leave(frame);
	t.n_frames += t.sent.n;
	t.n_told += t.told.n;
}

static bool is_mutant(void)
{
	const struct mutation *m = &t.mutation;

	return m->field != FIELD_N || m->version || m->addresses || m->ports || m->time;
}

static const char *settle(uint64_t seed)
{
	const char *why;

	rig_settle(t.rig);
	why = world_miscounts(&t.world);
	if (why && !is_mutant())
		printf("world %llu, up to packet %llu: %s\n", (unsigned long long)seed,
		       (unsigned long long)t.n, why);
	return why;
}

/* What a packet teaches. False: there is no room for so many rules. */
static bool learn(const struct frame *frame, uint32_t in_port)
{
	uint64_t n_refused = t.n_refused;
	bool room = true;

	for (unsigned i = 0; i < t.n_lessons && room; i++) {
		const struct plan_learn *l = t.lessons[i];

		if (!world_has_room(&t.world, l->learn, &l->match)) {
			refuse(l);
			continue;
		}
		room = world_learn(&t.world, l->learn->table, l->learn->priority, l->learn->cookie,
				   &l->match, (const uint8_t *)l + l->step.arg, l->actions_len);
		t.n_learned++;
	}
	rig_publish(t.rig, t.world.pipeline);
	if (t.n_refused > n_refused)
		t.late = (struct late){ in_port, *frame, __real_pipeline_version(t.world.pipeline),
					t.now / NSEC_PER_MSEC };
	return room;
}

/* False: another world is due. */
static bool change(void)
{
	bool room = true;

	if (t.memory.bridge.n > MANY_ADDRESSES)
		traffic_flush(&t, 0, true);
	if (one_in(30))
		traffic_happen(&t);
	if (one_in(60)) {
		t.n_changes++;
		room = world_change(&t.world);
		rig_publish(t.rig, t.world.pipeline);
		traffic_sync_ports(&t, false);
	}
	return room;
}

/* ---- */

static void say(const char *why, uint64_t seed, const struct frame *frame, uint32_t in_port,
		bool taught)
{
	struct choices choices = { 0 };

	printf("world %llu, packet %llu, in by port %u: %s\n", (unsigned long long)seed,
	       (unsigned long long)t.n, in_port, why);
	differs_now(frame, in_port, taught, &choices); /* the first choice again */
	if (t.waits)
		printf("waits for %u lessons of %u\n", t.n_lessons, t.result.n_lessons);
	records_say("is", &t.is);
	records_say("should be", &t.should);
	records_say_difference(&t.is, &t.should);
	records_say("reference", &t.result.records);
	for (unsigned i = 1; i <= PORTS; i++) {
		const struct bridge_port *p = &t.memory.bridge.ports[i];

		printf("port %u: there %d link %d access %d tag %u native %d protected %d all %d "
		       "trunks %llx mtu %u limit %u sources %u\n",
		       i, p->there, p->link, p->access, p->tag, p->native_tagged, p->is_protected,
		       p->all_vlans, (unsigned long long)p->trunks[0], p->mtu, p->mac_limit,
		       p->n_sources);
	}
	reference_tell = true;
	differs_now(frame, in_port, taught, &choices);
	reference_tell = false;
}

/* One that comes in by *@in_port (0: any) that is there; false: there hardly is one. */
static bool random_received(struct frame *frame, uint32_t *in_port)
{
	struct flow_key key;

	for (unsigned tries = 0; tries < 100; tries++) {
		random_packet(&t.world, &key);
		if (*in_port)
			key.in_port = *in_port;
		if (!t.memory.bridge.ports[key.in_port].there)
			continue;
		frame_build(frame, &key, below(4) * 30);
		*in_port = key.in_port;
		return true;
	}
	return false;
}

/* The one that has been refused a rule comes again. */
static bool late_received(struct frame *frame, uint32_t *in_port)
{
	if (!t.late.in_port || one_in(3) || !t.memory.bridge.ports[t.late.in_port].there)
		return false;
	*frame = t.late.frame;
	*in_port = t.late.in_port;
	t.now += (REFUSED_MS - 1 + below(3)) * NSEC_PER_MSEC;
	return true;
}

/* Whether the one that has come again must wait again: it is a second later, and rules are the
 * same. */
static bool must_ask_again(void)
{
	return t.late.version == __real_pipeline_version(t.world.pipeline) &&
	       t.now / NSEC_PER_MSEC - t.late.ms >= REFUSED_MS &&
	       bridge_fits(&t.memory.bridge.ports[t.late.in_port], &t.late.frame);
}

/* Some time passes. What it is for the switch. */
static uint64_t tick(void)
{
	t.now += one_in(3) ? 0 : below(2 * NSEC_PER_MSEC);
	return t.mutation.time ? t.now - t.now % (5 * NSEC_PER_MSEC) : t.now;
}

/* Whether nothing has to be found out about the packet: no hash decides, and it teaches nothing. */
static bool is_foreseen(const struct frame *frame, uint32_t in_port)
{
	struct choices choices = { 0 };

	foresee(frame, in_port, &choices);
	for (unsigned i = 0; i < t.result.n_lessons; i++)
		if (!is_known(&t.result.lessons[i]))
			return false;
	return !t.result.unsure && !choices.n;
}

/* Several packets that come together by a port: as many as are foreseen, one behind the other.
 * NULL: all is right. */
static const char *one_batch(uint64_t seed)
{
	unsigned n = 0, most = 2 + below(BATCH_PACKETS - 1);
	uint64_t clock = tick();
	uint32_t in_port = 0;
	struct frame frame;
	const char *why;

	t.sent.n = t.told.n = t.late.in_port = 0;
	while (n < most && t.sent.n + t.told.n < RECORDS_MAX / 4 &&
	       random_received(&frame, &in_port) && is_foreseen(&frame, in_port)) {
		expect(in_port);
		leave(&frame);
		rig_inject(t.rig, in_port, &frame);
		n++;
	}
	if (!n)
		return NULL;
	rig_receive(t.rig, in_port, clock);
	look();
	why = t.waits ? "it waits" : is_other();
	rig_release(t.rig);
	t.n_batches++;
	t.n_in_batches += n;
	if (why && !is_mutant()) {
		printf("world %llu, packet %llu, %u that came in together by port %u: %s\n",
		       (unsigned long long)seed, (unsigned long long)t.n, n, in_port, why);
		records_say_difference(&t.is, &t.should);
	}
	return why ? why : settle(seed); /* what is counted tells which ways they have gone */
}

/* NULL: all is right. *@go_on: false: another world is due. */
static const char *one_packet(uint64_t seed, bool *go_on)
{
	uint64_t clock;
	uint32_t in_port = 0;
	struct frame frame;
	bool taught = false, late;
	const char *why;

	*go_on = true;
	late = late_received(&frame, &in_port);
	if (!late && !random_received(&frame, &in_port))
		return NULL;
	clock = tick();
	t.credits = NULL;
	rig_inject(t.rig, in_port, &frame);
	rig_receive(t.rig, in_port, clock);
	look();
	why = differs(&frame, in_port, false);
	if (!why && late && must_ask_again()) {
		t.n_again++;
		why = t.waits ? NULL : "it asks no more";
	}
	t.late.in_port = 0;
	for (unsigned n = 1; !why && t.waits; n++) {
		uint64_t before = __real_pipeline_version(t.world.pipeline);

		*go_on = *go_on && learn(&frame, in_port);
		rig_release(t.rig);
		rig_again(t.rig, clock);
		look();
		/* by other rules it may teach other things, or go where nothing was refused */
		taught = n == WAITS_MAX || before == __real_pipeline_version(t.world.pipeline);
		if (before != __real_pipeline_version(t.world.pipeline))
			t.late.in_port = 0;
		why = *go_on ? differs(&frame, in_port, taught) : NULL;
	}
	rig_release(t.rig);
	if (why && !is_mutant())
		say(why, seed, &frame, in_port, taught);
	if (why)
		return why;
	if (!*go_on) { /* it may be anywhere */
		believe();
		return NULL;
	}
	commit(&frame);
	*go_on = change();
	return NULL;
}

static void start_world(uint64_t seed)
{
	t.version = t.late.in_port = 0;
	if (seed % 4 == 3)
		world_create_plain(&t.world, seed);
	else
		world_create(&t.world, seed);
	rig_publish(t.rig, t.world.pipeline);
	memset(&t.memory.buckets, 0, sizeof(t.memory.buckets));
	bridge_flush(&t.memory.bridge, 0, true);
	mac_table_flush(rig_macs(t.rig), MAC_NO_PORT, true);
	traffic_sync_ports(&t, false);
}

static const char *run(uint64_t packets, uint64_t seed, struct mutation mutation)
{
	const char *why = NULL;
	bool go_on = false;

	memset(&t, 0, sizeof(t));
	t.mutation = mutation;
	t.rig = rig_create();
	t.now = 1000 * NSEC_PER_SEC;
	reference_meter = ask_meter;
	start_world(seed);
	for (t.n = 0; t.n < packets && !why; t.n++) {
		bool end = t.n % WORLD_PACKETS == WORLD_PACKETS - 1;

		why = one_in(8) ? one_batch(seed) : NULL;
		if (!why)
			why = one_packet(seed, &go_on);
		if (!why && (t.n % SETTLE_EACH == 0 || !go_on || end))
			why = settle(seed);
		if (why || (go_on && !end))
			continue;
		world_destroy(&t.world);
		start_world(++seed);
	}
	rig_settle(t.rig);
	return why;
}

static void end(void)
{
	rig_destroy(t.rig);
	world_destroy(&t.world);
}

static void test_against_the_reference(void **state)
{
	uint64_t packets = from_environment("TEST_SCALE", PACKETS);
	const char *why = run(packets, from_environment("ORACLE_SEED", 1),
			      (struct mutation){ .field = FIELD_N });
	struct plans_stats s;

	if (why)
		fail_msg("%s", why);
	rig_stats(t.rig, &s);
	end();
	print_message("%llu packets, %llu not told; %llu changes, %llu events, %llu rules learned, "
		      "%llu over limits, %llu of them asked for again\n",
		      (unsigned long long)t.n, (unsigned long long)t.n_unsure,
		      (unsigned long long)t.n_changes, (unsigned long long)t.n_events,
		      (unsigned long long)t.n_learned, (unsigned long long)t.n_refused,
		      (unsigned long long)t.n_again);
	print_message("%llu more in %llu batches\n", (unsigned long long)t.n_in_batches,
		      (unsigned long long)t.n_batches);
	print_message("%llu frames out, %llu times NORMAL, %llu meters, %llu for controllers\n",
		      (unsigned long long)t.n_frames, (unsigned long long)t.n_normal,
		      (unsigned long long)t.n_metered, (unsigned long long)t.n_told);
	print_message("%llu hits of hints, %llu of masks, %llu misses\n",
		      (unsigned long long)s.hint_hits, (unsigned long long)s.mask_hits,
		      (unsigned long long)s.misses);
	if (packets < MANY)
		return;
	assert_true(t.n_unsure < packets / 5);
	assert_true(t.n_frames > packets / 5);
	assert_true(t.n_normal > packets / 20);
	assert_true(t.n_metered > packets / 500);
	assert_true(t.n_told > packets / 50);
	assert_true(t.n_learned > packets / 1000);
	assert_true(t.n_refused > packets / 2000);
	assert_true(t.n_again > packets / 10000);
	assert_true(t.n_in_batches > packets / 20);
	assert_true(t.n_in_batches > 2 * t.n_batches);
	assert_true(t.n_events > packets / 100);
	assert_true(s.hint_hits > packets / 20);
	assert_true(s.mask_hits > packets / 50);
	assert_true(s.misses > packets / 50);
}

/* What the switch forgets must be noticed, in worlds where nothing is wrong otherwise. */
static void test_of_the_test(void **state)
{
	static const struct {
		const char *what;
		struct mutation mutation;
	} mutations[] = {
		{ "in_port", { .field = FIELD_in_port } },
		{ "eth_dst", { .field = FIELD_eth_dst } },
		{ "vlan_vid", { .field = FIELD_vlan_vid } },
		{ "nw_ttl", { .field = FIELD_nw_ttl } },
		{ "tcp_dst", { .field = FIELD_tcp_dst } },
		{ "versions", { .field = FIELD_N, .version = true } },
		{ "addresses", { .field = FIELD_N, .addresses = true } },
		{ "ports", { .field = FIELD_N, .ports = true } },
		{ "time", { .field = FIELD_N, .time = true } },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(mutations); i++) {
		const char *why = run(PACKETS, 1, mutations[i].mutation);

		end();
		if (!why)
			fail_msg("nobody noticed that %s were forgotten", mutations[i].what);
	}
}

static int quietly(void **state)
{
	struct error err;

	return log_set_level("all", "error", &err); /* packets meet bounds */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_the_reference),
		cmocka_unit_test(test_of_the_test),
	};

	return cmocka_run_group_tests(tests, quietly, NULL);
}
