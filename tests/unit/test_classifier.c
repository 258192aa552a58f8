// SPDX-License-Identifier: Apache-2.0
/* Rules of a table by match: added, replaced, removed, found, filtered, in many versions at once,
 * beside plain lists.
 */
#include "flow/classifier.h"
#include "made_rules.h"
#include "scale.h"
#include "short_memory.h"

struct world {
	struct classifier c;
	struct made_rules list;
};

static unsigned n_freed;

static void count_free(struct rule *rule)
{
	n_freed++;
}

static bool collect(void *arg, struct rule *rule)
{
	struct made_rules *list = arg;

	assert_true(list->n < MADE_MAX);
	list->at[list->n++] = rule;
	return true;
}

static bool stop(void *arg, struct rule *rule)
{
	++*(unsigned *)arg;
	return false;
}

static bool naive_overlaps(const struct rule *rule, const struct match *match)
{
	struct match m;

	rule_match(rule, &m);
	for (unsigned i = 0; i < FLOW_KEY_WORDS; i++)
		if ((m.key.words[i] ^ match->key.words[i]) & m.mask.words[i] & match->mask.words[i])
			return false;
	return true;
}

static bool naive_within(const struct rule *rule, const struct match *match)
{
	struct match m;

	rule_match(rule, &m);
	for (unsigned i = 0; i < FLOW_KEY_WORDS; i++)
		if (match->mask.words[i] & ~m.mask.words[i])
			return false;
	return naive_overlaps(rule, match);
}

static bool has_rule(const struct made_rules *list, const struct rule *rule)
{
	for (unsigned i = 0; i < list->n; i++)
		if (list->at[i] == rule)
			return true;
	return false;
}

/* What is within @filter. */
static void check_filter(const struct world *w, const struct match *filter)
{
	static struct made_rules found;
	unsigned n = 0;

	found.n = 0;
	assert_true(classifier_each(&w->c, filter, collect, &found));
	for (unsigned i = 0; i < w->list.n; i++) {
		bool within = !filter || naive_within(w->list.at[i], filter);

		assert_int_equal(has_rule(&found, w->list.at[i]), within);
		n += within;
	}
	assert_int_equal(found.n, n);
	n = 0;
	assert_int_equal(classifier_each(&w->c, filter, stop, &n), !found.n);
	assert_int_equal(n, found.n ? 1 : 0);
}

static void check_overlap(const struct world *w, const struct match *match)
{
	uint16_t priority = 100 + draw_below(8);
	const struct rule *found = classifier_find_overlap(&w->c, priority, match);
	bool any = false;

	for (unsigned i = 0; i < w->list.n; i++)
		any |= w->list.at[i]->priority == priority && naive_overlaps(w->list.at[i], match);
	assert_int_equal(found != NULL, any);
	if (found)
		assert_true(has_rule(&w->list, found) && found->priority == priority &&
			    naive_overlaps(found, match));
}

static void check_find(const struct world *w, const struct match *match)
{
	const struct rule *found, *expected = NULL;
	uint16_t priority = 100 + draw_below(8);
	struct match m;

	for (unsigned i = 0; i < w->list.n; i++) {
		rule_match(w->list.at[i], &m);
		if (w->list.at[i]->priority == priority && !memcmp(&m, match, sizeof(m)))
			expected = w->list.at[i];
	}
	found = classifier_find(&w->c, priority, match);
	assert_ptr_equal(found, expected);
}

static void check(const struct world *w)
{
	struct match match;

	assert_int_equal(w->c.n_rules, w->list.n);
	check_filter(w, NULL);
	for (unsigned i = 0; i < 10; i++) {
		draw_match(&match);
		check_filter(w, &match);
		check_overlap(w, &match);
		check_find(w, &match);
	}
}

static void change(struct world *w)
{
	struct rule *rule;
	unsigned i;

	if (w->list.n && (draw_below(2) || w->list.n > MADE_MAX / 2)) {
		i = draw_below(w->list.n);
		assert_int_equal(classifier_remove(&w->c, w->list.at[i]), 0);
		made_drop(&w->list, i);
		return;
	}
	rule = draw_rule(8, true);
	assert_int_equal(classifier_remove(&w->c, rule), -ENOENT);
	assert_int_equal(classifier_add(&w->c, rule), 0);
	made_add(&w->list, rule);
	rule_unref(rule);
}

static void clear(struct world *w)
{
	classifier_clear(&w->c);
	made_clear(&w->list);
}

static void test_versions(void **state)
{
	enum { VERSIONS = 5 };
	static struct world worlds[VERSIONS];

	for (unsigned i = 0; i < VERSIONS; i++)
		classifier_init(&worlds[i].c);
	for (unsigned round = 0, most = scaled(300); round < most; round++) {
		struct world *from = &worlds[draw_below(VERSIONS)];
		struct world *to = &worlds[draw_below(VERSIONS)];

		if (from != to) {
			clear(to);
			classifier_share(&to->c, &from->c);
			made_copy(&to->list, &from->list);
		}
		for (unsigned n = draw_below(2) ? draw_below(3) : draw_below(100); n; n--)
			change(draw_below(2) ? from : to);
		check(from);
		check(to);
	}
	for (unsigned i = 0; i < VERSIONS; i++) {
		check(&worlds[i]);
		clear(&worlds[i]);
	}
}

/* A rule that only a table has is freed when it leaves it, or with it. */
static void test_references(void **state)
{
	struct rule *rules[3];
	struct classifier c, later;

	n_freed = 0;
	classifier_init(&c);
	for (unsigned i = 0; i < 3; i++) {
		struct action_list none = { 0 };
		struct match match = { 0 };

		match.mask.tp_dst = 0xffff;
		rules[i] = rule_create(0, 7 + i, &match, &none);
		assert_int_equal(classifier_add(&c, rules[i]), 0);
		rule_unref(rules[i]);
	}
	classifier_share(&later, &c);
	assert_int_equal(classifier_remove(&later, rules[1]), 0);
	assert_int_equal(classifier_remove(&later, rules[1]), -ENOENT);
	assert_int_equal(n_freed, 0);
	classifier_clear(&c);
	assert_int_equal(n_freed, 1);
	assert_int_equal(classifier_remove(&later, rules[0]), 0);
	assert_int_equal(n_freed, 2);
	assert_int_equal(later.n_rules, 1);
	assert_int_equal(classifier_remove(&later, rules[2]), 0);
	assert_int_equal(n_freed, 3);
	assert_null(later.tuples.root);
	assert_null(later.shapes.root);
	classifier_clear(&later);
}

/* Rules of one shape have it only once. */
static void test_shapes_are_shared(void **state)
{
	struct rule *rules[3];
	struct classifier c;

	classifier_init(&c);
	for (unsigned i = 0; i < 3; i++) {
		struct action_list none = { 0 };
		struct match match = { 0 };

		match.mask.tp_dst = 0xffff;
		match.key.tp_dst = i;
		rules[i] = rule_create(0, 0, &match, &none);
		if (i < 2)
			assert_int_equal(classifier_add(&c, rules[i]), 0);
	}
	assert_ptr_equal(rules[0]->place->shape, rules[1]->place->shape);
	classifier_clear(&c);
	/* and keep it in other tables, since readers may know them */
	assert_int_equal(classifier_add(&c, rules[2]), 0);
	assert_int_equal(classifier_add(&c, rules[1]), 0);
	assert_ptr_equal(rules[0]->place->shape, rules[1]->place->shape);
	assert_ptr_not_equal(rules[0]->place->shape, rules[2]->place->shape);
	classifier_clear(&c);
	for (unsigned i = 0; i < 3; i++)
		rule_unref(rules[i]);
}

/* Tuples come and go wholly or not at all. */
static void test_memory_is_short(void **state)
{
#ifdef MEMORY_IS_NEVER_SHORT
	skip();
#else
	static struct world w, old;
	unsigned n_refused = 0;

	classifier_init(&w.c);
	for (unsigned round = 0, most = scaled(2000); round < most; round++) {
		unsigned i = w.list.n ? draw_below(w.list.n) : 0;
		struct rule *rule = NULL;
		int ret;

		clear(&old);
		classifier_share(&old.c, &w.c);
		made_copy(&old.list, &w.list);
		if (!w.list.n || draw_below(w.list.n + 10) < 10)
			rule = draw_rule(8, false);
		memory_left = (int)draw_below(20);
		ret = rule ? classifier_add(&w.c, rule) : classifier_remove(&w.c, w.list.at[i]);
		memory_left = -1;
		if (ret)
			n_refused++;
		else if (rule)
			made_add(&w.list, rule);
		else
			made_drop(&w.list, i);
		rule_unref(rule);
		check(&w);
		check(&old);
	}
	clear(&old);
	assert_true(n_refused > scaled(100));
	while (w.list.n) {
		assert_int_equal(classifier_remove(&w.c, w.list.at[0]), 0);
		made_drop(&w.list, 0);
	}
	assert_true(!w.c.tuples.root && !w.c.shapes.root);
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_shapes_are_shared),
		cmocka_unit_test(test_memory_is_short),
	};

	rule_on_free = count_free;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
