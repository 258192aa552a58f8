// SPDX-License-Identifier: Apache-2.0
/* Rules: their memory. */
#include <stdlib.h>
#include <string.h>

#include "flow/place.h"
#include "flow/refs.h"
#include "flow/rule.h"

void (*rule_on_free)(struct rule *rule);

struct rule *rule_create(uint8_t table, uint16_t priority, const struct match *match,
			 struct action_list *actions)
{
	struct rule *rule = calloc(1, sizeof(*rule) + actions->len);

	if (rule)
		rule->place = place_create(match, actions);
	if (!rule || !rule->place) {
		free(rule);
		actions_free(actions);
		return NULL;
	}
	rule->refs = 1;
	rule->table = table;
	rule->priority = priority;
	rule->actions = (struct action_list){ rule->bytes, actions->len, actions->len };
	if (actions->len)
		memcpy(rule->bytes, actions->bytes, actions->len);
	actions_free(actions);
	return rule;
}

void rule_ref(struct rule *rule)
{
	refs_take(&rule->refs);
}

void rule_unref(struct rule *rule)
{
	if (!rule || !refs_drop(&rule->refs))
		return;
	if (rule_on_free)
		rule_on_free(rule);
	place_destroy(rule->place);
	free(rule);
}

void rule_match(const struct rule *rule, struct match *out)
{
	place_match(rule->place, out);
}
