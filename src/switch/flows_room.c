// SPDX-License-Identifier: Apache-2.0
/* Room for actions of rules and groups. */
#include <errno.h>

#include "base/limit.h"
#include "switch/flows_private.h"

LIMIT(all_limit, "action_bytes", 8ull * FLOWS_ACTIONS_MAX,
      "of actions of the rules and groups of all bridges");
LIMIT_EACH(bridge_limit, "action_bytes_of_bridge", FLOWS_ACTIONS_MAX,
	   "of actions of the rules and groups of each bridge");

int room_check(const struct change *c, uint64_t more, uint64_t less, struct error *err)
{
	uint64_t len = c->actions_len - (c->going ? c->going->actions_len : 0);

	if (more > less && len + more - less > FLOWS_ACTIONS_MAX) {
		limit_refuse(&bridge_limit);
		return error_set(err, -ENOSPC,
				 "no more than %u MiB of actions in the rules and groups of a "
				 "bridge",
				 FLOWS_ACTIONS_MAX >> 20);
	}
	if (more > all_limit.most - limit_now(&all_limit)) {
		limit_refuse(&all_limit);
		return error_set(err, -ENOSPC,
				 "no more than %u MiB of actions in the rules and groups of all "
				 "bridges",
				 (unsigned)(all_limit.most >> 20));
	}
	return 0;
}

bool room_take(uint64_t len)
{
	return limit_take(&all_limit, len);
}

void room_give(uint64_t len)
{
	limit_give(&all_limit, len);
}

uint64_t room_of_group(const struct group *group)
{
	uint64_t len = 0;

	for (unsigned i = 0; i < group->n_buckets; i++)
		len += group->buckets[i].actions.len;
	return len;
}

bool room_take_group(const struct group *group)
{
	struct flows_group *owner = group->owner;
	uint64_t len = room_of_group(group);

	if (!room_take(len))
		return false;
	owner->actions_len = len;
	return true;
}
