// SPDX-License-Identifier: Apache-2.0
/* Versions of a pipeline: what each shows, whatever becomes of others, also when memory is short;
 * and threads that look up rules while versions come and go.
 */
#include "base/rcu.h"
#include "flow/classifier.h"
#include "flow/pipeline.h"
#include "made_rules.h"
#include "scale.h"
#include "short_memory.h"

#define TABLES 3 /* that rules are made for */
#define OBJECTS 8

static int n_rules_alive, n_groups_alive, n_meters_alive;

static void on_rule_free(struct rule *rule)
{
	__atomic_sub_fetch(&n_rules_alive, 1, __ATOMIC_RELAXED);
}

static void on_group_free(struct group *group)
{
	__atomic_sub_fetch(&n_groups_alive, 1, __ATOMIC_RELAXED);
}

static void on_meter_free(struct meter *meter)
{
	__atomic_sub_fetch(&n_meters_alive, 1, __ATOMIC_RELAXED);
}

/* A version and what it must show. */
struct world {
	struct pipeline *p;
	struct made_rules rules[TABLES];
	struct group *groups[OBJECTS]; /* by id, with a reference */
	struct meter *meters[OBJECTS];
};

static void clear(struct world *w)
{
	pipeline_free(w->p);
	w->p = NULL;
	for (unsigned i = 0; i < TABLES; i++)
		made_clear(&w->rules[i]);
	for (unsigned i = 0; i < OBJECTS; i++) {
		group_unref(w->groups[i]);
		meter_unref(w->meters[i]);
		w->groups[i] = NULL;
		w->meters[i] = NULL;
	}
}

static void copy(struct world *to, const struct world *from)
{
	*to = *from;
	to->p = pipeline_next(from->p);
	assert_non_null(to->p);
	assert_true(pipeline_version(to->p) > pipeline_version(from->p));
	for (unsigned i = 0; i < TABLES; i++)
		made_copy(&to->rules[i], &from->rules[i]);
	for (unsigned i = 0; i < OBJECTS; i++) {
		if (to->groups[i])
			group_ref(to->groups[i]);
		if (to->meters[i])
			meter_ref(to->meters[i]);
	}
}

static bool count_rule(void *arg, struct rule *rule)
{
	++*(unsigned *)arg;
	return true;
}

static bool check_group(void *arg, const struct group *group)
{
	unsigned *next = arg;

	assert_true(group->id >= *next);
	*next = group->id + 1;
	return true;
}

static bool check_meter(void *arg, struct meter *meter)
{
	unsigned *next = arg;

	assert_true(meter->id >= *next);
	*next = meter->id + 1;
	return true;
}

static void check_rules(const struct world *w)
{
	unsigned all = 0, next = pipeline_next_table(w->p, 0);

	for (unsigned t = 0; t < TABLES; t++) {
		unsigned n = 0;

		assert_int_equal(pipeline_next_table(w->p, t), next);
		if (w->rules[t].n) {
			assert_int_equal(next, t);
			next = pipeline_next_table(w->p, t + 1);
		}
		assert_true(next > t);

		for (unsigned i = 0; i < w->rules[t].n; i++) {
			struct rule *rule = w->rules[t].at[i];
			struct match match;

			rule_match(rule, &match);
			assert_ptr_equal(pipeline_find_rule(w->p, t, rule->priority, &match), rule);
		}
		pipeline_each_rule(w->p, t, NULL, count_rule, &n);
		assert_int_equal(n, w->rules[t].n);
		assert_int_equal(pipeline_n_rules(w->p, t), n);
		all += n;
	}
	assert_int_equal(pipeline_n_rules(w->p, 255), all);
	pipeline_each_rule(w->p, 255, NULL, count_rule, &all);
	assert_int_equal(all, 2 * pipeline_n_rules(w->p, 255));
	assert_int_equal(next, PIPELINE_TABLES);
}

static void check(const struct world *w)
{
	unsigned next = 0, n_groups = 0, n_meters = 0;

	check_rules(w);
	for (unsigned i = 0; i < OBJECTS; i++) {
		assert_ptr_equal(pipeline_group(w->p, i), w->groups[i]);
		assert_ptr_equal(pipeline_meter(w->p, i), w->meters[i]);
		n_groups += w->groups[i] != NULL;
		n_meters += w->meters[i] != NULL;
	}
	assert_int_equal(pipeline_n_groups(w->p), n_groups);
	assert_int_equal(pipeline_n_meters(w->p), n_meters);
	pipeline_each_group(w->p, check_group, &next);
	next = 0;
	pipeline_each_meter(w->p, check_meter, &next);
}

static struct rule *make_rule(void)
{
	struct rule *rule = draw_rule(4, true);

	rule->table = draw_below(TABLES);
	__atomic_add_fetch(&n_rules_alive, 1, __ATOMIC_RELAXED);
	return rule;
}

/* Allocations that a change may make; negative: any. */
static int allowance = -1;

#define FRUGAL(call)                     \
	({                               \
		int _ret;                \
                                         \
		memory_left = allowance; \
		_ret = (call);           \
		memory_left = -1;        \
		_ret;                    \
	})

static bool change_rule(struct world *w)
{
	unsigned t = draw_below(TABLES), i;
	struct rule *rule;
	int ret;

	if (w->rules[t].n && draw_below(w->rules[t].n > 60 ? 4 : 2)) {
		i = draw_below(w->rules[t].n);
		ret = FRUGAL(pipeline_remove_rule(w->p, w->rules[t].at[i]));
		if (!ret)
			made_drop(&w->rules[t], i);
		return !ret;
	}
	rule = make_rule();
	ret = FRUGAL(pipeline_add_rule(w->p, rule));
	assert_true(!ret || ret == -ENOMEM);
	if (!ret)
		made_add(&w->rules[rule->table], rule);
	rule_unref(rule);
	return !ret;
}

static bool change_group(struct world *w)
{
	unsigned id = draw_below(OBJECTS);
	struct group *group;
	int ret;

	if (draw_below(2)) {
		ret = FRUGAL(pipeline_remove_group(w->p, id));
		if (ret == -ENOMEM)
			return false;
		assert_int_equal(ret, w->groups[id] ? 0 : -ENOENT);
		group_unref(w->groups[id]);
		w->groups[id] = NULL;
		return true;
	}
	group = group_create(id, GROUP_TYPE_SELECT, draw_below(3));
	assert_non_null(group);
	__atomic_add_fetch(&n_groups_alive, 1, __ATOMIC_RELAXED);
	if (FRUGAL(pipeline_add_group(w->p, group))) {
		group_unref(group);
		return false;
	}
	group_ref(group);
	group_unref(w->groups[id]);
	w->groups[id] = group;
	return true;
}

static bool change_meter(struct world *w)
{
	unsigned id = draw_below(OBJECTS);
	struct meter *meter;
	int ret;

	if (draw_below(2)) {
		ret = FRUGAL(pipeline_remove_meter(w->p, id));
		if (ret == -ENOMEM)
			return false;
		assert_int_equal(ret, w->meters[id] ? 0 : -ENOENT);
		meter_unref(w->meters[id]);
		w->meters[id] = NULL;
		return true;
	}
	meter = meter_create(id);
	assert_non_null(meter);
	__atomic_add_fetch(&n_meters_alive, 1, __ATOMIC_RELAXED);
	if (FRUGAL(pipeline_add_meter(w->p, meter))) {
		meter_unref(meter);
		return false;
	}
	meter_ref(meter);
	meter_unref(w->meters[id]);
	w->meters[id] = meter;
	return true;
}

/* Whether it was not for memory. */
static bool change(struct world *w)
{
	switch (draw_below(6)) {
	case 0:
		return change_group(w);
	case 1:
		return change_meter(w);
	default:
		return change_rule(w);
	}
}

static void check_all_gone(void)
{
	assert_int_equal(__atomic_load_n(&n_rules_alive, __ATOMIC_RELAXED), 0);
	assert_int_equal(n_groups_alive, 0);
	assert_int_equal(n_meters_alive, 0);
}

static void test_versions(void **state)
{
	enum { VERSIONS = 4 };
	static struct world worlds[VERSIONS];

	for (unsigned i = 0; i < VERSIONS; i++)
		worlds[i].p = pipeline_create();
	for (unsigned round = 0, most = scaled(500); round < most; round++) {
		struct world *from = &worlds[draw_below(VERSIONS)];
		struct world *to = &worlds[draw_below(VERSIONS)];

		if (from != to) {
			clear(to);
			copy(to, from);
		}
		for (unsigned n = draw_below(20); n; n--)
			change(to);
		check(from);
		check(to);
	}
	for (unsigned i = 0; i < VERSIONS; i++)
		clear(&worlds[i]);
	check_all_gone();
}

/* A change is made wholly or not at all. */
static void test_memory_is_short(void **state)
{
#ifdef MEMORY_IS_NEVER_SHORT
	skip();
#else
	static struct world w, old;
	unsigned n_made = 0, n_refused = 0;

	w.p = pipeline_create();
	old.p = pipeline_create();
	for (unsigned round = 0, most = scaled(3000); round < most; round++) {
		if (!draw_below(3)) {
			clear(&old);
			old = w;
			copy(&w, &old);
		}
		allowance = (int)draw_below(25);
		if (change(&w))
			n_made++;
		else
			n_refused++;
		if (!draw_below(4))
			check(&w);
		if (!draw_below(20))
			check(&old);
	}
	allowance = -1;
	assert_true(n_made > scaled(1000) && n_refused > scaled(100));
	check(&w);
	clear(&w);
	clear(&old);
	check_all_gone();
#endif
}

/* The version that is walked over stays what it is, whatever becomes of later ones. */
struct removal {
	struct pipeline *p;
	unsigned n;
};

static bool remove_from_next(void *arg, struct rule *rule)
{
	struct removal *r = arg;
	struct pipeline *next;

	if (r->n & 1) {
		next = pipeline_next(r->p);
		pipeline_free(r->p);
		r->p = next;
	}
	assert_int_equal(pipeline_remove_rule(r->p, rule), 0);
	r->n++;
	return true;
}

static void test_changes_while_walking(void **state)
{
	static struct world w;
	struct removal r = { 0 };

	w.p = pipeline_create();
	for (unsigned i = 0; i < 200; i++)
		change_rule(&w);
	r.p = pipeline_next(w.p);
	pipeline_each_rule(w.p, 255, NULL, remove_from_next, &r);
	assert_int_equal(r.n, pipeline_n_rules(w.p, 255));
	assert_int_equal(pipeline_n_rules(r.p, 255), 0);
	check(&w);
	pipeline_free(r.p);
	clear(&w);
	check_all_gone();
}

/* Tables that have rules, as they come and go. */
static void test_next_table(void **state)
{
	static const uint8_t tables[] = { 0, 1, 63, 64, 127, 128, 254 };
	struct pipeline *p = pipeline_create(), *next;

	assert_int_equal(pipeline_next_table(p, 0), PIPELINE_TABLES);
	for (unsigned i = 0; i < ARRAY_SIZE(tables); i++) {
		struct rule *rule = draw_rule(1, false);

		n_rules_alive++;
		rule->table = tables[i];
		assert_int_equal(pipeline_add_rule(p, rule), 0);
		rule_unref(rule);
	}
	for (unsigned t = 0, i = 0; t <= PIPELINE_TABLES; t++) {
		i += i < ARRAY_SIZE(tables) && t > tables[i];
		assert_int_equal(pipeline_next_table(p, t),
				 i < ARRAY_SIZE(tables) ? tables[i] : PIPELINE_TABLES);
	}
	next = pipeline_next(p);
	for (unsigned t = 0; (t = pipeline_next_table(p, t)) < PIPELINE_TABLES; t++) {
		struct removal r = { .p = next };

		pipeline_each_rule(p, (uint8_t)t, NULL, remove_from_next, &r);
		assert_int_equal(r.n, 1);
	}
	assert_int_equal(pipeline_next_table(next, 0), PIPELINE_TABLES);
	assert_int_equal(pipeline_next_table(p, 1), 1);
	pipeline_free(p);
	pipeline_free(next);
	check_all_gone();
}

static void test_settings(void **state)
{
	struct pipeline *p = pipeline_create(), *next;
	struct pipeline_table settings = { .miss = MISS_DROP, .max_rules = 7 };

	assert_int_equal(pipeline_table(p, 254)->miss, MISS_CONTROLLER);
	assert_int_equal(pipeline_frags(p), 0);
	assert_int_equal(pipeline_set_table(p, 254, &settings), 0);
	pipeline_set_frags(p, 3);
	next = pipeline_next(p);
	settings.miss = MISS_CONTINUE;
	assert_int_equal(pipeline_set_table(next, 254, &settings), 0);
	pipeline_set_frags(next, 1);
	assert_true(pipeline_table(p, 254)->miss == MISS_DROP && pipeline_frags(p) == 3);
	assert_true(pipeline_table(p, 254)->max_rules == 7);
	assert_true(pipeline_table(next, 254)->miss == MISS_CONTINUE && pipeline_frags(next) == 1);
	assert_int_equal(pipeline_table(next, 0)->miss, MISS_CONTROLLER);
	pipeline_free(p);
	pipeline_free(next);
	pipeline_free(NULL);
}

static void test_ports(void **state)
{
	struct pipeline_port ports[] = {
		{ .number = 1, .live = true },
		{ .number = 7 },
		{ .number = OFPORT_LOCAL, .no_flood = true },
	};
	struct pipeline *p = pipeline_create(), *next;
	const struct pipeline_port *first;

	assert_true(!pipeline_n_ports(p) && !pipeline_port(p, 1));
	assert_int_equal(pipeline_set_ports(p, NULL, 0), 0);
	assert_int_equal(pipeline_set_ports(p, ports, 3), 0);
	next = pipeline_next(p);
	first = pipeline_ports(p);
	assert_true(first != ports && pipeline_n_ports(p) == 3);
	assert_int_equal(pipeline_set_ports(next, ports, 3), 0);
	assert_ptr_equal(pipeline_ports(next), first); /* the same: shared */
	ports[1].live = true;
	assert_int_equal(pipeline_set_ports(next, ports, 3), 0);
	assert_false(pipeline_port(p, 7)->live);
	assert_true(pipeline_port(next, 7)->live);
	assert_true(pipeline_port(next, OFPORT_LOCAL)->no_flood);
	assert_null(pipeline_port(next, 2));
	assert_null(pipeline_port(next, OFPORT_NONE));
	assert_int_equal(pipeline_set_ports(next, NULL, 0), 0);
	assert_int_equal(pipeline_n_ports(next), 0);
	pipeline_free(p);
	pipeline_free(next);
}

static struct rule *output_rule(uint8_t table, const struct match *match, uint32_t port)
{
	struct action_output output = {
		.action = { .kind = ACTION_OUTPUT, .len = sizeof(output) },
		.port = port,
	};
	struct action_list actions = { malloc(sizeof(output)), sizeof(output), sizeof(output) };
	struct rule *rule;

	assert_non_null(actions.bytes);
	memcpy(actions.bytes, &output, sizeof(output));
	rule = rule_create(table, 0, match, &actions);
	assert_non_null(rule);
	__atomic_add_fetch(&n_rules_alive, 1, __ATOMIC_RELAXED);
	return rule;
}

/* What is only in @p with this rule, and a port. */
static bool is_only_normal(struct rule *rule, const struct pipeline_port *port, uint8_t frags)
{
	struct pipeline *p = pipeline_create();
	bool is;

	assert_int_equal(pipeline_add_rule(p, rule), 0);
	assert_int_equal(pipeline_set_ports(p, port, 1), 0);
	pipeline_set_frags(p, frags);
	pipeline_finish(p);
	is = pipeline_only_normal(p);
	if (is)
		assert_ptr_equal(pipeline_only_normal(p), rule);
	pipeline_free(p);
	rule_unref(rule);
	return is;
}

static void test_only_normal(void **state)
{
	struct pipeline_port port = { .number = 1 }, silent = { .number = 1, .no_flood = true };
	struct match all = { 0 }, some = { .mask.in_port = 1 };
	struct pipeline *p, *next;
	struct rule *rule;

	assert_true(is_only_normal(output_rule(0, &all, OFPORT_NORMAL), &port, 0));
	assert_false(is_only_normal(output_rule(0, &all, OFPORT_NORMAL), &port, 1));
	assert_false(is_only_normal(output_rule(0, &all, OFPORT_NORMAL), &silent, 0));
	assert_false(is_only_normal(output_rule(0, &all, OFPORT_FLOOD), &port, 0));
	assert_false(is_only_normal(output_rule(1, &all, OFPORT_NORMAL), &port, 0));
	assert_false(is_only_normal(output_rule(0, &some, OFPORT_NORMAL), &port, 0));
	p = pipeline_create();
	pipeline_finish(p);
	assert_null(pipeline_only_normal(p));
	rule = output_rule(0, &all, OFPORT_NORMAL);
	assert_int_equal(pipeline_add_rule(p, rule), 0);
	rule_unref(rule);
	pipeline_finish(p);
	assert_ptr_equal(pipeline_only_normal(p), rule);
	next = pipeline_next(p);
	rule = output_rule(0, &some, 3);
	assert_int_equal(pipeline_add_rule(next, rule), 0);
	rule_unref(rule);
	pipeline_finish(next);
	assert_null(pipeline_only_normal(next));
	pipeline_free(p);
	pipeline_free(next);
	check_all_gone();
}

/* Workers: in each version two packets meet rules with one cookie, at different ends of the table.
 */
struct race {
	struct pipeline *shown; /* RCU */
	struct flow_key keys[2];
	bool end;
	unsigned lookups;
};

static void *look_up(void *arg)
{
	struct race *race = arg;

	rcu_reader_register();
	while (!__atomic_load_n(&race->end, __ATOMIC_RELAXED)) {
		const struct pipeline *p = rcu_read(&race->shown);
		struct key_bits examined = { .map = 0 };
		struct lookup lookup = { .work_max = 10 };
		const struct rule *rules[2];

		for (unsigned i = 0; i < 2; i++)
			rules[i] = pipeline_lookup(p, 1, &race->keys[i], &examined, &lookup);
		if (!rules[0] || !rules[1] || rules[0]->cookie != rules[1]->cookie ||
		    !pipeline_n_rules(p, 255))
			abort();
		__atomic_add_fetch(&race->lookups, 1, __ATOMIC_RELAXED);
		rcu_reader_quiescent();
	}
	rcu_reader_unregister();
	return NULL;
}

/* Puts rules with @cookie into both places. */
static void change_both(struct pipeline *p, const struct race *race, uint64_t cookie)
{
	for (unsigned i = 0; i < 2; i++) {
		struct action_list none = { 0 };
		struct match match = { 0 };
		struct rule *rule;

		match.mask.eth_dst = UINT64_MAX >> 16;
		match.key.eth_dst = race->keys[i].eth_dst;
		if (i) {
			match.mask.tp_dst = UINT16_MAX;
			match.key.tp_dst = race->keys[i].tp_dst;
		}
		rule = rule_create(1, UINT16_MAX, &match, &none);
		assert_non_null(rule);
		__atomic_add_fetch(&n_rules_alive, 1, __ATOMIC_RELAXED);
		rule->cookie = cookie;
		assert_int_equal(pipeline_add_rule(p, rule), 0);
		rule_unref(rule);
	}
}

static void test_threads(void **state)
{
	static struct race race;
	static struct world w;
	pthread_t threads[2];
	struct pipeline *old;

	race.keys[0].eth_dst = 1000;
	race.keys[1].eth_dst = 2000;
	race.keys[1].tp_dst = 80;
	w.p = pipeline_create();
	change_both(w.p, &race, 0);
	race.shown = w.p;
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, look_up, &race), 0);
	for (unsigned round = 1, most = scaled(3000); round < most; round++) {
		old = w.p;
		w.p = pipeline_next(old);
		for (unsigned n = draw_below(5); n; n--)
			change(&w);
		change_both(w.p, &race, round);
		/* neither has the changes that were made for nothing any effect */
		if (!draw_below(4)) {
			struct pipeline *trial = pipeline_next(w.p);

			change_both(trial, &race, UINT64_MAX);
			pipeline_free(trial);
		}
		pipeline_finish(w.p);
		rcu_publish(&race.shown, w.p);
		pipeline_free_later(old);
	}
	while (!__atomic_load_n(&race.lookups, __ATOMIC_RELAXED))
		cpu_relax();
	__atomic_store_n(&race.end, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	rcu_drain();
	clear(&w);
	check_all_gone();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_memory_is_short),
		cmocka_unit_test(test_changes_while_walking),
		cmocka_unit_test(test_next_table),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_only_normal),
		cmocka_unit_test(test_threads),
	};

	rule_on_free = on_rule_free;
	group_on_free = on_group_free;
	meter_on_free = on_meter_free;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
