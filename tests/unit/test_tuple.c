// SPDX-License-Identifier: Apache-2.0
/* One tuple: what it counts, rules of one match that differ in priority, and that nothing is
 * changed by halves when memory is short.
 */
#include "flow/tuple.h"
#include "made_rules.h"
#include "scale.h"
#include "short_memory.h"

/* A rule over all stages, of few values and priorities. */
static struct rule *make(void)
{
	struct action_list none = { 0 };
	struct match match = { 0 };
	struct rule *rule;

	match.mask.metadata = match.mask.eth_dst = 0xff;
	match.mask.nw_src = 0xff000000;
	match.mask.tp_dst = 0xff00;
	match.key.metadata = draw_below(2);
	match.key.eth_dst = draw_below(2);
	match.key.nw_src = draw_below(3) << 24;
	match.key.tp_dst = draw_below(3) << 8;
	rule = rule_create(0, draw_below(4), &match, &none);
	assert_non_null(rule);
	return rule;
}

struct sum {
	uint64_t n, entries;
};

static bool add_up(void *arg, uint64_t key, uint64_t value)
{
	struct sum *sum = arg;

	sum->n += value;
	sum->entries++;
	return true;
}

static bool count(void *arg, struct rule *rule)
{
	++*(unsigned *)arg;
	return true;
}

/* How many different values the first @words of these rules' four have. */
static unsigned naive_values(const struct made_rules *list, unsigned words)
{
	unsigned n = 0;

	for (unsigned i = 0; i < list->n; i++) {
		unsigned j = 0;

		while (memcmp(list->at[i]->place->values, list->at[j]->place->values, 8 * words))
			j++;
		n += i == j;
	}
	return n;
}

static unsigned naive_priorities(const struct made_rules *list)
{
	unsigned met = 0;

	for (unsigned i = 0; i < list->n; i++)
		met |= 1u << list->at[i]->priority;
	return (unsigned)__builtin_popcount(met);
}

static uint16_t naive_highest(const struct made_rules *list)
{
	uint16_t highest = 0;

	for (unsigned i = 0; i < list->n; i++)
		highest = max(highest, list->at[i]->priority);
	return highest;
}

/* The next rule of the same match below @rule; NULL: none. */
static struct rule *naive_below(const struct made_rules *list, const struct rule *rule)
{
	struct rule *best = NULL;

	for (unsigned i = 0; i < list->n; i++)
		if (list->at[i]->priority < rule->priority && same_match(list->at[i], rule) &&
		    (!best || best->priority < list->at[i]->priority))
			best = list->at[i];
	return best;
}

static void check_sum(const struct pmap *map, unsigned n, unsigned entries)
{
	struct sum sum = { 0 };

	pmap_each(map, add_up, &sum);
	assert_int_equal(sum.n, n);
	assert_int_equal(sum.entries, entries);
}

/* Of nw_src there are 3 values, of tp_dst, too. */
static void check_prefixes(const struct tuple *t, const struct made_rules *list)
{
	unsigned nw_src = 0, tp_dst = 0;

	for (unsigned i = 0; i < list->n; i++) {
		struct match match;

		rule_match(list->at[i], &match);
		nw_src |= 1u << (match.key.nw_src >> 24);
		tp_dst |= 1u << (match.key.tp_dst >> 8);
	}
	check_sum(&t->prefixes[0], list->n, (unsigned)__builtin_popcount(nw_src));
	check_sum(&t->prefixes[SHAPE_PREFIXES - 1], list->n, (unsigned)__builtin_popcount(tp_dst));
	assert_null(t->prefixes[1].root);
}

static void check(const struct tuple *t, const struct made_rules *list)
{
	unsigned n = 0;

	assert_int_equal(t->n_rules, list->n);
	tuple_each(t, count, &n);
	assert_int_equal(n, list->n);
	check_sum(&t->priorities, list->n, naive_priorities(list));
	for (unsigned i = 0; i < SHAPE_STAGES - 1; i++)
		check_sum(&t->stages[i], list->n, naive_values(list, i + 1));
	check_prefixes(t, list);
	if (list->n)
		assert_int_equal(tuple_priority(t), naive_highest(list));
	for (unsigned i = 0; i < list->n; i++) {
		const struct rule *rule = list->at[i];

		assert_ptr_equal(tuple_find(t, rule->priority, rule->place), rule);
		assert_ptr_equal(tuple_below(t, rule), naive_below(list, rule));
	}
}

static void add(struct tuple *t, struct made_rules *list, int allowance)
{
	struct rule *rule = make();
	int ret;

	memory_left = allowance;
	ret = tuple_add(t, rule);
	memory_left = -1;
	if (!ret)
		made_add(list, rule);
	else
		assert_int_equal(ret, -ENOMEM);
	rule_unref(rule);
}

static void drop(struct tuple *t, struct made_rules *list, int allowance)
{
	unsigned i = draw_below(list->n);
	int ret;

	memory_left = allowance;
	ret = tuple_remove(t, list->at[i]);
	memory_left = -1;
	if (!ret)
		made_drop(list, i);
	else
		assert_int_equal(ret, -ENOMEM);
}

static void check_changes(bool short_memory)
{
	struct rule *first = make();
	struct tuple *t = tuple_create(first->place->shape), *old;
	static struct made_rules list, old_list;

	for (unsigned round = 0, most = scaled(2000); round < most; round++) {
		old = t;
		tuple_ref(old);
		made_copy(&old_list, &list);
		if (draw_below(2)) {
			assert_true(tuple_own(&t));
			assert_ptr_not_equal(t, old);
		} else {
			tuple_unref(old);
			old = NULL;
		}
		for (unsigned n = draw_below(4); n; n--) {
			int allowance = short_memory ? (int)draw_below(20) : -1;

			if (draw_below(2) || !list.n)
				add(t, &list, allowance);
			else
				drop(t, &list, allowance);
			check(t, &list);
		}
		if (old)
			check(old, &old_list);
		tuple_unref(old);
		made_clear(&old_list);
	}
	tuple_unref(t);
	made_clear(&list);
	rule_unref(first);
}

static void test_changes(void **state)
{
	check_changes(false);
}

static void test_memory_is_short(void **state)
{
#ifdef MEMORY_IS_NEVER_SHORT
	skip();
#endif
	check_changes(true);
}

/* All priorities there are, of one match. */
static void test_long_chain(void **state)
{
	struct match match = { 0 };
	struct flow_key key = { 0 };
	struct action_list none = { 0 };
	struct rule *rule = rule_create(0, 0, &match, &none);
	struct tuple *t = tuple_create(rule->place->shape);

	rule_unref(rule);
	for (unsigned i = 0; i <= UINT16_MAX; i++) {
		rule = rule_create(0, (uint16_t)(i * 7919), &match, &none);
		assert_int_equal(tuple_add(t, rule), 0);
		rule_unref(rule);
	}
	assert_int_equal(t->n_rules, UINT16_MAX + 1);
	rule = tuple_lookup(t, &key, NULL);
	for (unsigned i = UINT16_MAX; rule; i--, rule = tuple_below(t, rule))
		assert_int_equal(rule->priority, i);
	while (t->n_rules > 10)
		assert_int_equal(tuple_remove(t, tuple_lookup(t, &key, NULL)), 0);
	assert_int_equal(tuple_lookup(t, &key, NULL)->priority, 9);
	tuple_unref(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_memory_is_short),
		cmocka_unit_test(test_long_chain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
