// SPDX-License-Identifier: Apache-2.0
/* The oracle for lives of rules: rules that teach others come, change and go; packets teach, and
 * meet what was taught; time passes. Which rules there are, when they end and why, is compared with
 * an array of what must be: limits, refreshing, timeouts, and rules that go with their teachers
 * (ovs-actions(7), "learn"; OpenFlow 1.5.1, 6.4 and 6.5).
 *
 * The switch's side is the control thread's rules of a bridge (switch/flows.h), without a datapath:
 * packets are translated here, and the clock is ours. And a test of this test: what the array
 * forgets must be noticed.
 *
 * ORACLE_SEED: another beginning. TEST_SCALE: so many times 500,000 steps.
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
#include "switch/flows_private.h"
#include "switch/flows_text.h"

#define STEPS 500000ull /* at scale 1 */
#define RULES_MAX 64
#define INPUTS 4 /* ports that packets come from */
#define MACS 6
#define PRIORITY 5
#define BOOTED_MS 777000 /* CLOCK_BOOTTIME is ahead by so much */
#define N_REASONS (REMOVED_EVICTION + 1)

/* What the array does not know, in tests of the test. */
enum forgotten { NOTHING, LIMITS, REFRESHING, USE, CHILDREN, HARD_TIMEOUTS, N_FORGOTTEN };

/* What a rule of table 0 teaches. */
struct lesson {
	uint64_t cookie; /* 0: nothing */
	unsigned idle, hard, limit;
	bool delete_learned, send_removed;
};

/* Rules of table 0 are for a port, those of table 1 for an address, and output to a port. */
struct life {
	uint8_t table;
	unsigned what; /* port, or address */
	unsigned output;
	uint64_t cookie;
	unsigned idle, hard;
	bool send_removed;
	struct lesson lesson;
	uint64_t created, modified, used; /* ms */
};

static struct {
	uint64_t seed, now, n; /* ms */
	enum forgotten forgotten;
	struct swtch sw;
	struct sw_bridge bridge;
	struct flows *flows;
	struct flows_listener listener;
	datapath_upcall_fn *upcall;
	void *upcall_arg;
	void (*settled)(void *arg); /* waits for that; or NULL */
	void *settled_arg;
	unsigned is_removed[N_REASONS], should_remove[N_REASONS];
	uint64_t n_learned, n_refused, n_refreshed, n_removed[N_REASONS], n_children;
	unsigned n_rules;
	struct life rules[RULES_MAX];
	struct plan_draft draft;
} o;

/* ---- in place of the datapath and the clock */

int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
void __wrap_datapath_settle(struct datapath *dp, struct waiter *w, void (*fn)(void *arg),
			    void *arg);
void __wrap_datapath_set_upcall(struct datapath *dp, datapath_upcall_fn *fn, void *arg);
int __wrap_datapath_again(struct datapath *dp, const struct upcall *u);

int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	uint64_t ms = o.now + (id == CLOCK_BOOTTIME ? BOOTED_MS : 0);

	*ts = (struct timespec){ .tv_sec = (time_t)(ms / 1000),
				 .tv_nsec = (long)(ms % 1000 * 1000000) };
	return 0;
}

void __wrap_datapath_settle(struct datapath *dp, struct waiter *w, void (*fn)(void *arg), void *arg)
{
	assert_null(o.settled);
	o.settled = fn;
	o.settled_arg = arg;
}

void __wrap_datapath_set_upcall(struct datapath *dp, datapath_upcall_fn *fn, void *arg)
{
	o.upcall = fn;
	o.upcall_arg = arg;
}

int __wrap_datapath_again(struct datapath *dp, const struct upcall *u)
{
	return 0;
}

static void settle(void)
{
	while (o.settled) {
		void (*fn)(void *arg) = o.settled;

		o.settled = NULL;
		fn(o.settled_arg);
	}
}

static void on_removed(void *arg, const struct rule *rule, enum removed_reason why)
{
	o.is_removed[why]++;
}

/* splitmix64 */
static unsigned below(unsigned n)
{
	uint64_t v = o.seed += 0x9e3779b97f4a7c15ull;

	v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9ull;
	v = (v ^ v >> 27) * 0x94d049bb133111ebull;
	return (unsigned)((v ^ v >> 31) % n);
}

/* ---- the array */

static struct life *find(uint8_t table, unsigned what)
{
	for (unsigned i = 0; i < o.n_rules; i++)
		if (o.rules[i].table == table && o.rules[i].what == what)
			return &o.rules[i];
	return NULL;
}

static unsigned count(uint64_t cookie)
{
	unsigned n = 0;

	for (unsigned i = 0; i < o.n_rules; i++)
		n += o.rules[i].table == 1 && o.rules[i].cookie == cookie;
	return n;
}

static void take_out(struct life *rule, enum removed_reason why);

/* Rules that nobody teaches any more go, if their teacher has said so. */
static void teacher_is_gone(const struct lesson *lesson)
{
	if (!lesson->cookie || !lesson->delete_learned || o.forgotten == CHILDREN)
		return;
	for (unsigned i = 0; i < o.n_rules; i++)
		if (o.rules[i].lesson.cookie == lesson->cookie && o.rules[i].lesson.delete_learned)
			return;
	for (unsigned i = o.n_rules; i--;)
		if (o.rules[i].table == 1 && o.rules[i].cookie == lesson->cookie) {
			o.n_children++;
			take_out(&o.rules[i], REMOVED_DELETE);
		}
}

static void take_out(struct life *rule, enum removed_reason why)
{
	struct lesson lesson = rule->lesson;

	o.n_removed[why]++;
	o.should_remove[why] += rule->send_removed;
	*rule = o.rules[--o.n_rules];
	teacher_is_gone(&lesson);
}

/* It goes on with the counts of one whose place it takes. */
static void put_in(struct life rule)
{
	struct life *old = find(rule.table, rule.what);
	struct lesson lesson = { 0 };

	rule.created = rule.modified = o.now;
	if (old) {
		rule.used = old->used;
		lesson = old->lesson;
		*old = rule;
	} else {
		assert_true(o.n_rules < RULES_MAX);
		o.rules[o.n_rules++] = rule;
	}
	teacher_is_gone(&lesson);
}

static void teach(const struct lesson *l, unsigned src, unsigned port)
{
	struct life *old = find(1, src);

	if (old && old->cookie == l->cookie && old->idle == l->idle && old->hard == l->hard &&
	    old->output == port) {
		o.n_refreshed++;
		if (o.forgotten != REFRESHING)
			old->modified = o.now;
		return;
	}
	if (o.forgotten != LIMITS && l->limit && !(old && old->cookie == l->cookie) &&
	    count(l->cookie) >= l->limit) {
		o.n_refused++;
		return;
	}
	o.n_learned++;
	put_in((struct life){ .table = 1,
			      .what = src,
			      .output = port,
			      .cookie = l->cookie,
			      .idle = l->idle,
			      .hard = l->hard,
			      .send_removed = l->send_removed });
}

/* Why the rule ends now; -1: it does not. */
static int expires(const struct life *r)
{
	uint64_t used = r->used > r->created ? r->used : r->created;
	uint64_t hard = r->hard ? r->modified + r->hard * 1000 : UINT64_MAX;
	uint64_t idle = r->idle ? used + r->idle * 1000 : UINT64_MAX;

	if (o.forgotten == HARD_TIMEOUTS)
		hard = UINT64_MAX;
	if (hard > o.now && idle > o.now)
		return -1;
	return hard <= idle ? REMOVED_HARD : REMOVED_IDLE;
}

/* What ends by itself does so before others go with it. */
static void expire(void)
{
	struct lesson lessons[RULES_MAX];
	unsigned n = 0;

	for (unsigned i = o.n_rules; i--;) {
		int why = expires(&o.rules[i]);

		if (why < 0)
			continue;
		lessons[n++] = o.rules[i].lesson;
		o.rules[i].lesson = (struct lesson){ 0 };
		take_out(&o.rules[i], (enum removed_reason)why);
	}
	while (n)
		teacher_is_gone(&lessons[--n]);
}

/* ---- steps, on both sides */

static int lesson_text(const struct lesson *l, char *text, size_t size)
{
	char limit[32] = "";

	if (!l->cookie)
		return snprintf(text, size, "resubmit(,1)");
	if (l->limit)
		snprintf(limit, sizeof(limit), "limit=%u,", l->limit);
	return snprintf(
		text, size,
		"learn(table=1,priority=%u,cookie=%llu,idle_timeout=%u,hard_timeout=%u,%s%s%s"
		"NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[]),resubmit(,1)",
		PRIORITY, (unsigned long long)l->cookie, l->idle, l->hard, limit,
		l->delete_learned ? "delete_learned," : "",
		l->send_removed ? "send_flow_rem," : "");
}

static void change(enum flow_command command, const char *text)
{
	struct error err = { "" };
	char *copy = strdup(text);

	if (flows_change(o.flows, command, copy, &err) != 0)
		fail_msg("%s: %s", text, err.text);
	free(copy);
}

static struct lesson random_lesson(void)
{
	return (struct lesson){ .cookie = below(5) ? 100 + below(3) : 0,
				.idle = below(2) ? 0 : 1 + below(5),
				.hard = below(2) ? 0 : 1 + below(8),
				.limit = below(2) ? 0 : 1 + below(4),
				.delete_learned = below(2),
				.send_removed = below(2) };
}

static void add_teacher(void)
{
	struct life r = { .what = 1 + below(INPUTS),
			  .cookie = 7,
			  .idle = below(3) ? 0 : 1 + below(9),
			  .hard = below(3) ? 0 : 5 + below(9),
			  .send_removed = below(2),
			  .lesson = random_lesson() };
	char text[1024], lesson[512];

	lesson_text(&r.lesson, lesson, sizeof(lesson));
	snprintf(text, sizeof(text),
		 "table=0,cookie=7,priority=%u,in_port=%u,idle_timeout=%u,hard_timeout=%u,%s"
		 "actions=%s",
		 PRIORITY, r.what, r.idle, r.hard, r.send_removed ? "send_flow_rem," : "", lesson);
	change(FLOW_ADD, text);
	put_in(r);
}

/* It teaches something else from now on. */
static void modify_teacher(void)
{
	struct life *r = find(0, 1 + below(INPUTS));
	struct lesson old, new = random_lesson();
	char text[1024], lesson[512];

	if (!r)
		return;
	lesson_text(&new, lesson, sizeof(lesson));
	snprintf(text, sizeof(text), "table=0,in_port=%u,actions=%s", r->what, lesson);
	change(FLOW_MODIFY, text);
	old = r->lesson;
	r->lesson = new;
	r->modified = o.now;
	teacher_is_gone(&old);
}

static void delete_one(void)
{
	uint8_t table = (uint8_t)below(2);
	struct life *r = find(table, table ? below(MACS) : 1 + below(INPUTS));
	char text[128];

	if (!r)
		return;
	if (table)
		snprintf(text, sizeof(text), "table=1,dl_dst=02:00:00:00:00:%02x", r->what);
	else
		snprintf(text, sizeof(text), "table=0,in_port=%u", r->what);
	change(FLOW_DELETE, text);
	take_out(r, REMOVED_DELETE);
}

/* One that nobody has taught, but may look so. */
static void add_other(void)
{
	struct life r = { .table = 1,
			  .what = below(MACS),
			  .output = 1 + below(INPUTS),
			  .cookie = 100 + below(4),
			  .hard = below(2) ? 0 : 1 + below(5) };
	char text[256];

	snprintf(text, sizeof(text),
		 "table=1,cookie=%llu,priority=%u,dl_dst=02:00:00:00:00:%02x,hard_timeout=%u,"
		 "actions=output:%u",
		 (unsigned long long)r.cookie, PRIORITY, r.what, r.hard, r.output);
	change(FLOW_ADD, text);
	put_in(r);
}

static void translate_packet(const struct flow_key *key)
{
	struct translate_limit limit;
	const struct translate_input in = { .pipeline = flows_pipeline(o.flows),
					    .key = key,
					    .len = 60 };

	translate(&in, &o.draft, &limit);
	assert_null(limit.what);
}

/* What it teaches is told to the switch; then it goes its way. */
static void packet(void)
{
	unsigned port = 1 + below(INPUTS), src = below(MACS), dst = below(MACS);
	struct flow_key key = { .in_port = port,
				.eth_src = 0x020000000000ull + src,
				.eth_dst = 0x020000000000ull + dst,
				.eth_type = 0x88b5 };
	struct life *teacher = find(0, port), *met;

	translate_packet(&key);
	PLAN_FOR_EACH(s, o.draft.steps, o.draft.steps_len)
	{
		const struct upcall u = { .kind = UPCALL_LEARN,
					  .in_port = port,
					  .rules = flows_rules(o.flows),
					  .learn = (const void *)s };

		if (s->kind == PLAN_LEARN)
			o.upcall(o.upcall_arg, &u);
	}
	translate_packet(&key);
	for (uint32_t i = 0; i < o.draft.n_credits; i++)
		tally_add(o.draft.credits[i], 1, 60, o.now);
	if (!teacher)
		return;
	if (teacher->lesson.cookie)
		teach(&teacher->lesson, src, port);
	if (o.forgotten == USE)
		return;
	find(0, port)->used = o.now;
	met = find(1, dst);
	if (met)
		met->used = o.now;
}

static void pass_time(void)
{
	o.now += below(10) ? below(400) : below(4000);
	event_active(o.flows->timer, EV_TIMEOUT, 0);
	event_base_loop(o.sw.base, EVLOOP_NONBLOCK);
	settle();
	expire();
}

static void step(void)
{
	switch (below(24)) {
	case 0:
		add_teacher();
		break;
	case 1:
		modify_teacher();
		break;
	case 2:
		delete_one();
		break;
	case 3:
		add_other();
		break;
	case 4 ... 9:
		pass_time();
		break;
	default:
		packet();
		break;
	}
	settle();
}

/* ---- comparing */

/* Whether the array has it, just so. */
static bool is_right(void *arg, const struct rule *rule)
{
	const struct life *r;
	struct match match;
	unsigned *n = arg;

	rule_match(rule, &match);
	r = find(rule->table,
		 rule->table ? (unsigned)(match.key.eth_dst & 0xff) : match.key.in_port);
	if (!r || r->cookie != rule->cookie || r->idle != rule->idle_timeout ||
	    r->hard != rule->hard_timeout || rule->priority != PRIORITY ||
	    r->created + BOOTED_MS != rule->created_ms ||
	    r->modified + BOOTED_MS != rule->modified_ms) {
		*n = UINT32_MAX;
		return false;
	}
	++*n;
	return true;
}

/* NULL: nothing. */
static const char *differs(void)
{
	struct flow_filter all = { .table = FLOWS_TABLE_ALL,
				   .out_port = OFPORT_NONE,
				   .out_group = GROUP_ANY };
	unsigned n = 0;

	match_init(&all.match);
	flows_each(o.flows, &all, is_right, &n);
	if (n != o.n_rules)
		return n == UINT32_MAX ? "a rule" : "how many rules there are";
	if (memcmp(o.is_removed, o.should_remove, sizeof(o.is_removed)) != 0)
		return "why rules are gone";
	return NULL;
}

static const char *run(uint64_t steps, uint64_t seed, enum forgotten forgotten)
{
	json_t *options = json_pack("{s:s}", "fail-mode", "secure");
	struct error err = { "" };
	const char *why = NULL;

	memset(&o, 0, sizeof(o));
	o.seed = seed << 32;
	o.now = 1000000;
	o.forgotten = forgotten;
	o.sw.base = event_base_new();
	assert_non_null(o.sw.base);
	strcpy(o.bridge.name, "br0");
	o.flows = flows_create(&o.sw, o.bridge.name, options, &err);
	assert_non_null(o.flows);
	o.bridge.flows = o.flows;
	o.bridge.rules = flows_rules(o.flows);
	o.sw.bridges = &o.bridge;
	flows_upcalls_init(&o.sw);
	o.listener.removed = on_removed;
	flows_listen(o.flows, &o.listener);
	for (o.n = 0; o.n < steps && !why; o.n++) {
		step();
		why = differs();
	}
	settle();
	flows_destroy(o.flows);
	event_base_free(o.sw.base);
	json_decref(options);
	return why;
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);
	double v = text ? atof(text) : 0;

	return v > 0 ? (uint64_t)(v * (double)otherwise) : otherwise;
}

static void test_against_the_array(void **state)
{
	uint64_t steps = from_environment("TEST_SCALE", STEPS);
	const char *why = run(steps, from_environment("ORACLE_SEED", 1), NOTHING);

	if (why)
		fail_msg("step %llu: %s", (unsigned long long)o.n, why);
	print_message(
		"%llu steps: %llu rules learned, %llu refreshed, %llu over limits; gone: %llu "
		"idle, %llu hard, %llu deleted, %llu of them with their teachers\n",
		(unsigned long long)o.n, (unsigned long long)o.n_learned,
		(unsigned long long)o.n_refreshed, (unsigned long long)o.n_refused,
		(unsigned long long)o.n_removed[REMOVED_IDLE],
		(unsigned long long)o.n_removed[REMOVED_HARD],
		(unsigned long long)o.n_removed[REMOVED_DELETE], (unsigned long long)o.n_children);
	assert_true(o.n_learned > steps / 100);
	assert_true(o.n_refreshed > steps / 200);
	assert_true(o.n_refused > steps / 200);
	assert_true(o.n_removed[REMOVED_IDLE] > steps / 200);
	assert_true(o.n_removed[REMOVED_HARD] > steps / 200);
	assert_true(o.n_children > steps / 500);
}

static void test_of_the_test(void **state)
{
	for (enum forgotten f = NOTHING + 1; f < N_FORGOTTEN; f++)
		if (!run(STEPS, 1, f))
			fail_msg("nobody noticed that %u was forgotten", f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_the_array),
		cmocka_unit_test(test_of_the_test),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
