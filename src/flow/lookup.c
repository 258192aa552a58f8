// SPDX-License-Identifier: Apache-2.0
/* Which rule of a table a packet meets: the best of all tuples, and conjunctions (ovs-fields(7),
 * conj_id).
 *
 * Theory of operation. A rule with conjunction actions is a *soft* match: it counts only if at its
 * priority each clause of one of its conjunctions is met. So the search keeps the soft matches that
 * are above the best *hard* one. Each has its clauses in the order of conjunctions, so they are met
 * in that order when the soft matches of a priority are merged: these are a heap (the first one is
 * the least), by the clause that each is at. If clauses come together, the table is searched once
 * more, with conj_id, for hard matches only; if nothing is found, the soft matches of this priority
 * give way to rules of the same match below them.
 *
 * Workers may hardly make system calls: so nothing is allocated, and qsort() is not for them, which
 * asks how much memory there is.
 */
#include "base/compiler.h"
#include "flow/classifier.h"
#include "flow/place.h"
#include "flow/tuple.h"

#define SOFT_MAX 512   /* masks of rules that are clauses, all of which a packet meets */
#define RANK_SHIFT 48  /* in keys of tuples */
#define CLAUSES_MAX 64 /* of a conjunction */

struct soft {
	const struct tuple *tuple;
	const struct rule *rule; /* NULL: given up */
	unsigned at;		 /* of its clauses */
};

struct search {
	const struct classifier *classifier;
	const struct flow_key *key;
	struct key_bits *examined;
	const struct rule *hard; /* the best */
	int hard_priority;	 /* -1: none */
	struct lookup *lookup;
	unsigned n_soft;
	struct soft *soft; /* room for SOFT_MAX; NULL: soft matches do not count */
};

/* So many things more are looked at. False: beyond what may be. */
static bool work(struct search *s, size_t n)
{
	s->lookup->work += n;
	return likely(s->lookup->work <= s->lookup->work_max);
}

static void take_hard(struct search *s, const struct rule *rule)
{
	s->hard = rule;
	s->hard_priority = rule->priority;
}

/* When there is no room, it is as if too much had been looked at. */
static bool take_soft(struct search *s, const struct tuple *tuple, const struct rule *rule)
{
	if (s->n_soft == SOFT_MAX)
		return work(s, s->lookup->work_max + 1);
	s->soft[s->n_soft++] = (struct soft){ tuple, rule, 0 };
	return true;
}

static bool search_tuple(void *arg, uint64_t key, uint64_t value)
{
	const struct tuple *tuple = (const struct tuple *)value;
	struct search *s = arg;
	const struct rule *rule;

	if ((int)tuple_rank((uint16_t)(key >> RANK_SHIFT)) <= s->hard_priority)
		return false;
	if (!work(s, 1))
		return false;
	rule = tuple_lookup(tuple, s->key, s->examined);
	if (!rule || rule->priority <= s->hard_priority)
		return true;
	if (likely(!rule->place->clauses))
		take_hard(s, rule);
	else if (s->soft)
		return take_soft(s, tuple, rule);
	return true;
}

static void search(struct search *s, const struct classifier *c, const struct flow_key *key,
		   struct key_bits *examined, struct lookup *lookup, struct soft *soft)
{
	s->classifier = c;
	s->key = key;
	s->examined = examined;
	s->hard = NULL;
	s->hard_priority = -1;
	s->lookup = lookup;
	s->n_soft = 0;
	s->soft = soft;
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

/* Brings those of @priority to the front, each at its first clause; returns how many they are. */
static unsigned gather(struct search *s, int priority)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->n_soft; i++) {
		struct soft soft = s->soft[i];

		if (soft.rule->priority != priority)
			continue;
		soft.at = 0;
		s->soft[i] = s->soft[n];
		s->soft[n++] = soft;
	}
	return n;
}

static const struct place_clause *clause_of(const struct soft *soft)
{
	return &soft->rule->place->clauses->at[soft->at];
}

static bool is_before(const struct soft *a, const struct soft *b)
{
	return place_compare_clauses(clause_of(a), clause_of(b)) < 0;
}

/* Lets the @i-th of a heap stand where it belongs, when only those below it are in order. */
static void sift_down(struct soft *heap, unsigned n, unsigned i)
{
	struct soft soft = heap[i];
	unsigned below;

	while ((below = 2 * i + 1) < n) {
		below += below + 1 < n && is_before(&heap[below + 1], &heap[below]);
		if (!is_before(&heap[below], &soft))
			break;
		heap[i] = heap[below];
		i = below;
	}
	heap[i] = soft;
}

/* On with the next clause; what has no more is put behind the heap. Returns its new length. */
static unsigned advance(struct soft *heap, unsigned n)
{
	struct soft first = heap[0];

	if (++first.at < first.rule->place->clauses->n) {
		heap[0] = first;
	} else {
		heap[0] = heap[--n];
		heap[n] = first;
	}
	if (n)
		sift_down(heap, n, 0);
	return n;
}

/* Takes all clauses of the first conjunction from the heap of @n; in *@met whether these are all
 * that it has. Returns the new length. */
static unsigned take_conjunction(struct search *s, unsigned n, bool *met)
{
	struct soft *heap = s->soft;
	const struct place_clause *first = clause_of(heap), *clause = first;
	uint64_t missing = first->n_clauses < CLAUSES_MAX ? (1ull << first->n_clauses) - 1 : ~0ull;

	do {
		if (clause->clause < CLAUSES_MAX)
			missing &= ~(1ull << clause->clause);
		n = advance(heap, n);
		clause = clause_of(heap);
	} while (n && work(s, 1) && !place_compare_clauses(first, clause));
	*met = !missing;
	return n;
}

static const struct rule *find_conjunctive(const struct search *s, uint32_t id)
{
	struct flow_key key = *s->key;
	struct search second;

	key.conj_id = id;
	search(&second, s->classifier, &key, s->examined, s->lookup, NULL);
	return second.hard;
}

/* The rule for a conjunction that is met at @priority; NULL: none. */
static const struct rule *resolve_at(struct search *s, int priority)
{
	unsigned n = gather(s, priority);
	const struct rule *found = NULL;
	bool met;

	for (unsigned i = n / 2; i--;)
		sift_down(s->soft, n, i);
	while (n && !found && work(s, 1)) {
		s->lookup->conj_id = clause_of(s->soft)->id;
		n = take_conjunction(s, n, &met);
		if (met)
			found = find_conjunctive(s, s->lookup->conj_id);
	}
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

static NEVER_INLINE const struct rule *resolve(struct search *s)
{
	const struct rule *found;
	int top;

	while ((top = prune(s)) >= 0 && work(s, s->n_soft)) {
		found = resolve_at(s, top);
		if (found)
			return found;
		give_way(s, top);
	}
	s->lookup->conj_id = 0;
	return s->hard;
}

const struct rule *classifier_lookup(const struct classifier *c, const struct flow_key *key,
				     struct key_bits *examined, struct lookup *lookup)
{
	struct soft soft[SOFT_MAX];
	const struct rule *rule;
	struct search s;

	lookup->work = 0;
	lookup->conj_id = 0;
	search(&s, c, key, examined, lookup, soft);
	rule = likely(!s.n_soft) ? s.hard : resolve(&s);
	return likely(lookup->work <= lookup->work_max) ? rule : NULL;
}
