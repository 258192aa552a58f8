// SPDX-License-Identifier: Apache-2.0
/* Which rule of a table a packet meets: the best of all tuples, and conjunctions (ovs-fields(7),
 * conj_id).
 *
 * Theory of operation. A rule with conjunction actions is a *soft* match: it counts only if at its
 * priority each clause of one of its conjunctions is met. So the search keeps the soft matches that
 * are above the best *hard* one. If clauses come together, the table is searched once more, with
 * conj_id, for hard matches only; if nothing is found, the soft matches of this priority give way
 * to rules of the same match below them.
 */
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "flow/classifier.h"
#include "flow/place.h"
#include "flow/tuple.h"

#define SOFT_FEW 32    /* for more, memory is taken from the heap; also of clauses */
#define RANK_SHIFT 48  /* in keys of tuples */
#define CLAUSES_MAX 64 /* of a conjunction */

struct soft {
	const struct tuple *tuple;
	const struct rule *rule; /* NULL: given up */
};

struct search {
	const struct classifier *classifier;
	const struct flow_key *key;
	struct key_bits *examined;
	const struct rule *hard; /* the best */
	int hard_priority;	 /* -1: none */
	bool conjunctive;	 /* whether soft matches count */
	unsigned n_soft, soft_size;
	struct soft *soft; /* few, or malloc'd */
	struct soft few[SOFT_FEW];
};

static void take_hard(struct search *s, const struct rule *rule)
{
	s->hard = rule;
	s->hard_priority = rule->priority;
}

/* When memory is short, a conjunction is not met. */
static void take_soft(struct search *s, const struct tuple *tuple, const struct rule *rule)
{
	if (s->n_soft == s->soft_size) {
		unsigned size = 2 * s->soft_size;
		struct soft *more = malloc(size * sizeof(*more));

		if (!more)
			return;
		memcpy(more, s->soft, s->n_soft * sizeof(*more));
		if (s->soft != s->few)
			free(s->soft);
		s->soft = more;
		s->soft_size = size;
	}
	s->soft[s->n_soft++] = (struct soft){ tuple, rule };
}

static bool search_tuple(void *arg, uint64_t key, uint64_t value)
{
	const struct tuple *tuple = (const struct tuple *)value;
	struct search *s = arg;
	const struct rule *rule;

	if ((int)tuple_rank((uint16_t)(key >> RANK_SHIFT)) <= s->hard_priority)
		return false;
	rule = tuple_lookup(tuple, s->key, s->examined);
	if (!rule || rule->priority <= s->hard_priority)
		return true;
	if (likely(!rule->place->clauses))
		take_hard(s, rule);
	else if (s->conjunctive)
		take_soft(s, tuple, rule);
	return true;
}

static void search(struct search *s, const struct classifier *c, const struct flow_key *key,
		   struct key_bits *examined, bool conjunctive)
{
	s->classifier = c;
	s->key = key;
	s->examined = examined;
	s->hard = NULL;
	s->hard_priority = -1;
	s->conjunctive = conjunctive;
	s->n_soft = 0;
	s->soft_size = SOFT_FEW;
	s->soft = s->few;
	pmap_each(&c->tuples, search_tuple, s);
}

/* Removes soft matches that do not count any more; returns the highest priority of the others, -1
 * when there are none. */
static int prune(struct search *s)
{
	int top = -1;

	for (unsigned i = 0; i < s->n_soft;) {
		const struct rule *rule = s->soft[i].rule;

		if (!rule || rule->priority <= s->hard_priority) {
			s->soft[i] = s->soft[--s->n_soft];
			continue;
		}
		top = max(top, (int)rule->priority);
		i++;
	}
	return top;
}

static int compare_clauses(const void *a, const void *b)
{
	const struct place_clause *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->n_clauses - y->n_clauses;
}

static unsigned count_clauses(const struct search *s, int priority)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->n_soft; i++)
		if (s->soft[i].rule->priority == priority)
			n += s->soft[i].rule->place->clauses->n;
	return n;
}

/* All clauses that are met at @priority, those of one conjunction in a row. */
static void gather_clauses(const struct search *s, int priority, struct place_clause *out,
			   unsigned n)
{
	struct place_clause *to = out;

	for (unsigned i = 0; i < s->n_soft; i++) {
		const struct place_clauses *from = s->soft[i].rule->place->clauses;

		if (s->soft[i].rule->priority != priority)
			continue;
		memcpy(to, from->at, from->n * sizeof(*to));
		to += from->n;
	}
	qsort(out, n, sizeof(*out), compare_clauses);
}

/* How many of @clauses, which are sorted, are of the conjunction of the first one; in *@met whether
 * all that it has are among them. */
static unsigned check_conjunction(const struct place_clause *clauses, unsigned n, bool *met)
{
	unsigned n_clauses = clauses[0].n_clauses, i;
	uint64_t missing = n_clauses < CLAUSES_MAX ? (1ull << n_clauses) - 1 : ~0ull;

	for (i = 0; i < n && !compare_clauses(&clauses[0], &clauses[i]); i++)
		if (clauses[i].clause < CLAUSES_MAX)
			missing &= ~(1ull << clauses[i].clause);
	*met = !missing;
	return i;
}

static const struct rule *find_conjunctive(const struct search *s, uint32_t id)
{
	struct flow_key key = *s->key;
	struct search second;

	key.conj_id = id;
	search(&second, s->classifier, &key, s->examined, false);
	return second.hard;
}

/* The rule for a conjunction that is met at @priority; NULL: none. */
static const struct rule *resolve_at(const struct search *s, int priority, uint32_t *conj_id)
{
	unsigned n = count_clauses(s, priority), same;
	struct place_clause few[SOFT_FEW], *clauses = few;
	const struct rule *found = NULL;
	bool met;

	if (n > SOFT_FEW)
		clauses = malloc(n * sizeof(*clauses));
	if (!clauses)
		return NULL;
	gather_clauses(s, priority, clauses, n);
	for (unsigned i = 0; i < n && !found; i += same) {
		same = check_conjunction(&clauses[i], n - i, &met);
		if (!met)
			continue;
		found = find_conjunctive(s, clauses[i].id);
		*conj_id = clauses[i].id;
	}
	if (clauses != few)
		free(clauses);
	return found;
}

/* In place of the soft matches of @priority: the rules below them. */
static void give_way(struct search *s, int priority)
{
	for (unsigned i = 0; i < s->n_soft; i++) {
		struct soft *soft = &s->soft[i];

		if (soft->rule->priority != priority)
			continue;
		soft->rule = tuple_below(soft->tuple, soft->rule);
		if (!soft->rule || soft->rule->place->clauses)
			continue;
		if (soft->rule->priority > s->hard_priority)
			take_hard(s, soft->rule);
		soft->rule = NULL;
	}
}

static NEVER_INLINE const struct rule *resolve(struct search *s, uint32_t *conj_id)
{
	const struct rule *found = NULL;
	int top;

	while ((top = prune(s)) >= 0) {
		found = resolve_at(s, top, conj_id);
		if (found)
			break;
		give_way(s, top);
	}
	if (s->soft != s->few)
		free(s->soft);
	if (found)
		return found;
	*conj_id = 0;
	return s->hard;
}

const struct rule *classifier_lookup(const struct classifier *c, const struct flow_key *key,
				     struct key_bits *examined, uint32_t *conj_id)
{
	struct search s;

	search(&s, c, key, examined, true);
	*conj_id = 0;
	return likely(!s.n_soft) ? s.hard : resolve(&s, conj_id);
}
