/* SPDX-License-Identifier: Apache-2.0 */
/* Random actions for rules and buckets. */
#pragma once

#include "rules.h"

/* For a rule in @table. */
void random_actions(struct world *w, uint8_t table, struct action_list *list);
/* For a bucket of group @id: other groups in it have lower numbers. */
void random_bucket(struct world *w, uint32_t id, struct action_list *list);
/* Clauses of conjunctions; returns a number that those of the same conjunctions have in common. */
unsigned random_clauses(struct world *w, struct action_list *list);
