// SPDX-License-Identifier: Apache-2.0
/* Lookups beside a linear search: the rule, the conjunction, and whether the bits that were
 * examined are all that counts.
 */
#include "flow/classifier.h"
#include "made_rules.h"
#include "scale.h"

static bool is_soft(const struct rule *rule)
{
	return rule->place->clauses;
}

/* A search for conj_id sees the first of those rules that have the same match, and passes over it
 * when it is a clause. */
static bool is_behind_clause(const struct made_rules *list, const struct rule *rule)
{
	for (unsigned i = 0; i < list->n; i++)
		if (list->at[i]->priority > rule->priority && is_soft(list->at[i]) &&
		    same_match(list->at[i], rule))
			return true;
	return false;
}

static int naive_hard(const struct made_rules *list, const struct flow_key *key)
{
	int best = -1;

	for (unsigned i = 0; i < list->n; i++) {
		const struct rule *rule = list->at[i];

		if (!is_soft(rule) && naive_covers(rule, key) && rule->priority > best &&
		    !is_behind_clause(list, rule))
			best = rule->priority;
	}
	return best;
}

/* Whether all clauses of @id that has @n_clauses are met at @priority. */
static bool naive_is_met(const struct made_rules *list, const struct flow_key *key, int priority,
			 uint32_t id, unsigned n_clauses)
{
	uint64_t met = 0;

	for (unsigned i = 0; i < list->n; i++) {
		const struct rule *rule = list->at[i];

		if (rule->priority != priority || !is_soft(rule) || !naive_covers(rule, key))
			continue;
		for (unsigned c = 0; c < rule->place->clauses->n; c++)
			if (rule->place->clauses->at[c].id == id &&
			    rule->place->clauses->at[c].n_clauses == n_clauses)
				met |= 1u << rule->place->clauses->at[c].clause;
	}
	return met == (1u << n_clauses) - 1;
}

/* Priority of the rule that is to be found, -1: none. */
static int naive_lookup(const struct made_rules *list, const struct flow_key *key,
			unsigned n_priorities, uint32_t *conj_id)
{
	*conj_id = 0;
	for (int priority = 100 + (int)n_priorities; priority >= 100; priority--) {
		for (unsigned i = 0; i < list->n; i++)
			if (list->at[i]->priority == priority && !is_soft(list->at[i]) &&
			    naive_covers(list->at[i], key))
				return priority;
		for (uint32_t id = 0; id < 4; id++)
			for (unsigned n = 2; n < 4; n++) {
				struct flow_key second = *key;
				int found;

				second.conj_id = id;
				if (!naive_is_met(list, key, priority, id, n))
					continue;
				found = naive_hard(list, &second);
				*conj_id = id;
				if (found >= 0)
					return found;
				*conj_id = 0;
			}
	}
	return -1;
}

#define ENOUGH 100000 /* to be looked at */

static const struct rule *lookup(const struct classifier *c, const struct flow_key *key,
				 struct key_bits *examined, uint32_t *conj_id)
{
	struct lookup l = { .work_max = ENOUGH };
	const struct rule *rule = classifier_lookup(c, key, examined, &l);

	assert_true(l.work <= l.work_max);
	*conj_id = l.conj_id;
	return rule;
}

/* Other keys that are the same in what was examined. */
static void check_examined(const struct classifier *c, const struct flow_key *key,
			   const struct flow_key *examined, const struct rule *rule,
			   uint32_t conj_id)
{
	for (unsigned n = 0; n < 8; n++) {
		struct flow_key other;
		uint32_t id;

		draw_key(&other);
		other.conj_id = draw_below(3);
		for (unsigned i = 0; i < FLOW_KEY_WORDS; i++) {
			if (n & 1)
				other.words[i] = draw();
			other.words[i] = (key->words[i] & examined->words[i]) |
					 (other.words[i] & ~examined->words[i]);
		}
		assert_ptr_equal(lookup(c, &other, NULL, &id), rule);
		assert_int_equal(id, conj_id);
	}
}

/* A lookup; in *@examined all that it looked at. */
static const struct rule *look_at(const struct classifier *c, const struct flow_key *key,
				  struct flow_key *examined, uint32_t *conj_id)
{
	struct key_bits bits = { .map = 0 };
	const struct rule *rule = lookup(c, key, &bits, conj_id);

	key_bits_expand(&bits, examined);
	return rule;
}

static void check_key(const struct classifier *c, const struct made_rules *list,
		      unsigned n_priorities)
{
	struct flow_key key, examined;
	const struct rule *rule;
	uint32_t conj_id, id;
	int expected;

	draw_key(&key);
	if (!draw_below(4))
		key.conj_id = draw_below(3);
	rule = look_at(c, &key, &examined, &conj_id);
	expected = naive_lookup(list, &key, n_priorities, &id);
	assert_int_equal(rule ? rule->priority : -1, expected);
	assert_int_equal(conj_id, id);
	check_examined(c, &key, &examined, rule, conj_id);
	assert_ptr_equal(lookup(c, &key, NULL, &id), rule);
	if (conj_id)
		key.conj_id = conj_id;
	if (rule)
		assert_true(naive_covers(rule, &key) && !is_soft(rule));
}

static void check_random(unsigned n_rules, unsigned n_priorities, bool conjunctions)
{
	static struct made_rules list;
	struct classifier c;

	classifier_init(&c);
	for (unsigned i = 0; i < n_rules; i++) {
		struct rule *rule = draw_rule(n_priorities, conjunctions);

		assert_int_equal(classifier_add(&c, rule), 0);
		made_add(&list, rule);
		rule_unref(rule);
		if (draw_below(3))
			continue;
		assert_int_equal(classifier_remove(&c, list.at[i % list.n]), 0);
		made_drop(&list, i % list.n);
	}
	for (unsigned i = 0; i < 100; i++)
		check_key(&c, &list, n_priorities);
	classifier_clear(&c);
	made_clear(&list);
}

static void test_random(void **state)
{
	for (unsigned i = 0, most = scaled(300); i < most; i++)
		check_random(1 + draw_below(60), 1 + draw_below(20), false);
}

static void test_conjunctions(void **state)
{
	for (unsigned i = 0, most = scaled(300); i < most; i++)
		check_random(1 + draw_below(100), 1 + draw_below(8), true);
}

static struct rule *add(struct classifier *c, uint16_t priority, const struct match *match,
			struct action_list *actions)
{
	struct action_list none = { 0 };
	struct rule *rule = rule_create(0, priority, match, actions ? actions : &none);

	assert_non_null(rule);
	assert_int_equal(classifier_add(c, rule), 0);
	rule_unref(rule);
	return rule;
}

/* What fails in layer 3 has not looked at ports, and what has been found stops the search. */
static void test_stages(void **state)
{
	struct match match = { 0 }, high = { 0 };
	struct flow_key key = { 0 }, examined;
	const struct rule *rule;
	struct classifier c;
	uint32_t id;

	classifier_init(&c);
	match.mask.eth_type = match.mask.tp_dst = 0xffff;
	match.mask.nw_dst = UINT32_MAX;
	match.mask.nw_proto = 0xff;
	match.key.nw_proto = 6;
	match.key.eth_type = 0x800;
	match.key.nw_dst = 0x0a000001;
	match.key.tp_dst = 80;
	rule = add(&c, 5, &match, NULL);
	key.eth_type = 0x86dd;
	assert_null(look_at(&c, &key, &examined, &id));
	assert_true(examined.eth_type == 0xffff && !examined.nw_dst && !examined.tp_dst);
	key.eth_type = 0x800;
	key.nw_dst = 0x0a000001;
	key.nw_proto = 17;
	assert_null(look_at(&c, &key, &examined, &id));
	assert_true(examined.nw_dst == UINT32_MAX && examined.nw_proto == 0xff);
	assert_true(!examined.tp_dst && !examined.nw_src);
	key.nw_proto = 6;
	key.tp_dst = 80;
	assert_ptr_equal(look_at(&c, &key, &examined, &id), rule);
	high.mask.in_port = UINT32_MAX;
	rule = add(&c, 6, &high, NULL);
	assert_ptr_equal(look_at(&c, &key, &examined, &id), rule);
	assert_memory_equal(&examined, &high.mask, sizeof(examined));
	classifier_clear(&c);
}

/* Of addresses and ports that no rule has, as many bits are examined as it takes to know. */
static void test_prefixes(void **state)
{
	static const struct {
		uint32_t nw_dst;
		uint16_t tp_dst;
		uint32_t nw_dst_examined;
		uint16_t tp_dst_examined;
	} cases[] = {
		{ 0x0a800001, 80, 0xff800000, 0 }, /* none of 10.128.0.0/9 */
		{ 0x80000000, 80, 0x80000000, 0 },
		{ 0x0a010203, 81, 0xffffff00, 0xffff }, /* 81 is near */
		{ 0x0a010203, 0x8000, 0xffffff00, 0x8000 },
		{ 0x0a010203, 80, 0xffffff00, 0xffff },
	};
	struct classifier c;

	classifier_init(&c);
	for (unsigned i = 0; i < 2; i++) {
		struct match match = { 0 };

		match.mask.eth_type = match.mask.tp_dst = UINT16_MAX;
		match.mask.nw_dst = 0xffffff00;
		match.key.nw_dst = i ? 0x0a010200 : 0x0a000000;
		match.key.tp_dst = i ? 80 : 22;
		match.key.eth_type = 0x800;
		add(&c, 1, &match, NULL);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct flow_key key = { 0 }, examined;
		uint32_t id;

		key.eth_type = 0x800;
		key.nw_dst = cases[i].nw_dst;
		key.tp_dst = cases[i].tp_dst;
		assert_int_equal(look_at(&c, &key, &examined, &id) != NULL,
				 i == ARRAY_SIZE(cases) - 1);
		assert_int_equal(examined.nw_dst, cases[i].nw_dst_examined);
		assert_int_equal(examined.tp_dst, cases[i].tp_dst_examined);
		assert_int_equal(examined.eth_type, UINT16_MAX);
	}
	classifier_clear(&c);
}

/* More clauses than fit on the stack, of the largest conjunction there can be. */
static void test_many_clauses(void **state)
{
	struct match match = { 0 };
	struct flow_key key = { 0 };
	const struct rule *rule;
	struct classifier c;
	uint32_t id;

	classifier_init(&c);
	for (unsigned i = 0; i < 64; i++) {
		struct action_list actions = { 0 };

		memset(&match, 0, sizeof(match));
		match.mask.metadata = 1ull << i;
		for (uint32_t other = 1000; other < 1003; other++)
			add_conjunction(&actions, other, i & 31, 64);
		assert_null(lookup(&c, &key, NULL, &id));
		add_conjunction(&actions, 77, i, 64);
		add(&c, 9, &match, &actions);
	}
	assert_null(lookup(&c, &key, NULL, &id));
	memset(&match, 0, sizeof(match));
	match.mask.conj_id = UINT32_MAX;
	match.key.conj_id = 77;
	rule = add(&c, 1, &match, NULL);
	assert_ptr_equal(lookup(&c, &key, NULL, &id), rule);
	assert_int_equal(id, 77);
	key.metadata = 1ull << 63;
	assert_null(lookup(&c, &key, NULL, &id));
	assert_int_equal(id, 0);
	classifier_clear(&c);
}

/* Clauses of @n conjunctions, in @n_masks rules, none of which is met whole. */
static void add_clauses(struct classifier *c, unsigned n_masks, uint32_t n)
{
	for (unsigned i = 0; i < n_masks; i++) {
		struct action_list actions = { 0 };
		struct match match = { 0 };

		match.mask.metadata = i + 1;
		for (uint32_t id = 1; id <= n; id++)
			add_conjunction(&actions, id, 0, 2);
		add(c, 9, &match, &actions);
	}
}

/* What is looked at is told: masks, clauses, and masks once more for each conjunction that is met.
 * When it is more than it may be, there is no answer. */
static void test_work(void **state)
{
	struct action_list actions = { 0 };
	struct lookup l = { .work_max = ENOUGH };
	struct flow_key key = { 0 };
	struct match match = { 0 };
	const struct rule *rule;
	struct classifier c;

	classifier_init(&c);
	match.mask.conj_id = UINT32_MAX;
	match.key.conj_id = 50;
	rule = add(&c, 1, &match, NULL);
	add_clauses(&c, 100, 50);
	assert_null(classifier_lookup(&c, &key, NULL, &l));
	assert_in_range(l.work, 101 + 100 * 50, 101 + 100 * 50 + 300);
	memset(&match, 0, sizeof(match));
	match.mask.in_port = UINT32_MAX;
	for (uint32_t id = 1; id <= 50; id++)
		add_conjunction(&actions, id, 1, 2);
	add(&c, 9, &match, &actions);
	assert_ptr_equal(classifier_lookup(&c, &key, NULL, &l), rule);
	assert_true(l.work >= 102 + 101 * 50 + 50 * 102);
	l.work_max = l.work;
	assert_ptr_equal(classifier_lookup(&c, &key, NULL, &l), rule);
	l.work_max--;
	assert_null(classifier_lookup(&c, &key, NULL, &l));
	assert_true(l.work > l.work_max);
	l.work_max = 50;
	assert_null(classifier_lookup(&c, &key, NULL, &l));
	assert_in_range(l.work, 51, 101);
	classifier_clear(&c);
}

/* More rules with clauses are met than a lookup has room for. */
static void test_too_many_masks_of_clauses(void **state)
{
	struct lookup l = { .work_max = ENOUGH };
	struct flow_key key = { 0 };
	struct match match = { 0 };
	const struct rule *rule;
	struct classifier c;

	classifier_init(&c);
	rule = add(&c, 1, &match, NULL);
	add_clauses(&c, 512, 1);
	assert_ptr_equal(classifier_lookup(&c, &key, NULL, &l), rule);
	add_clauses(&c, 513, 1);
	assert_null(classifier_lookup(&c, &key, NULL, &l));
	assert_true(l.work > l.work_max);
	classifier_clear(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_conjunctions),
		cmocka_unit_test(test_stages),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_many_clauses),
		cmocka_unit_test(test_work),
		cmocka_unit_test(test_too_many_masks_of_clauses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
