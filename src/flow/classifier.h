/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of one table, found by packets: tuple-space search. Rules of one shape are a tuple;
 * tuples are tried in the order of the highest priority in them, until none can have a better rule
 * than the one that was found. A tuple in which nothing is found adds few bits to those that were
 * examined: it is looked at in stages (flow/shape.h), and of addresses and ports as much as it
 * takes to know that no rule begins so. Persistent; threads as in flow/pmap.h.
 */
#pragma once

#include "flow/pmap.h"
#include "flow/rule.h"

/* What a lookup may cost; what it did, and has found besides the rule. */
struct lookup {
	size_t work_max;  /* masks, and clauses of conjunctions, that may be looked at */
	size_t work;	  /* that were; more than may be: there is no answer */
	uint32_t conj_id; /* of the conjunction that was met, else 0 */
};

struct classifier {
	unsigned n_rules;
	uint64_t next;	    /* number of the next tuple */
	struct pmap tuples; /* rank of its highest priority, and number -> tuple */
	struct pmap shapes; /* hash of a shape -> key in tuples */
};

/* An empty one. */
void classifier_init(struct classifier *c);
/* Makes @to, which holds nothing, the same as @from. */
void classifier_share(struct classifier *to, const struct classifier *from);
void classifier_clear(struct classifier *c);

/* Adds a rule (and a reference to it), in place of one of the same priority and match: 0 or
 * -ENOMEM: nothing has changed. Removes one that is there: also -ENOENT. */
int classifier_add(struct classifier *c, struct rule *rule);
int classifier_remove(struct classifier *c, const struct rule *rule);

/* See pipeline.h for what these do. */
const struct rule *classifier_lookup(const struct classifier *c, const struct flow_key *key,
				     struct key_bits *examined, struct lookup *lookup);
struct rule *classifier_find(const struct classifier *c, uint16_t priority,
			     const struct match *match);
struct rule *classifier_find_overlap(const struct classifier *c, uint16_t priority,
				     const struct match *match);
/* Whether @fn never returned false. */
bool classifier_each(const struct classifier *c, const struct match *filter,
		     bool (*fn)(void *arg, struct rule *rule), void *arg);
