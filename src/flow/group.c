// SPDX-License-Identifier: Apache-2.0
/* Groups: their memory. */
#include <stdlib.h>

#include "flow/group.h"
#include "flow/refs.h"

void (*group_on_free)(struct group *group);

struct group *group_create(uint32_t id, enum group_type type, unsigned n_buckets)
{
	struct group *group = calloc(1, sizeof(*group));

	if (!group)
		return NULL;
	group->buckets = calloc(n_buckets ? n_buckets : 1, sizeof(*group->buckets));
	if (!group->buckets) {
		free(group);
		return NULL;
	}
	group->refs = 1;
	group->id = id;
	group->type = type;
	group->n_buckets = n_buckets;
	for (unsigned i = 0; i < n_buckets; i++) {
		group->buckets[i].id = i;
		group->buckets[i].watch_port = OFPORT_NONE;
		group->buckets[i].watch_group = GROUP_ANY;
	}
	return group;
}

void group_ref(struct group *group)
{
	refs_take(&group->refs);
}

void group_unref(struct group *group)
{
	if (!group || !refs_drop(&group->refs))
		return;
	if (group_on_free)
		group_on_free(group);
	for (unsigned i = 0; i < group->n_buckets; i++)
		actions_free(&group->buckets[i].actions);
	free(group->buckets);
	free(group);
}
