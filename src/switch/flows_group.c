// SPDX-License-Identifier: Apache-2.0
/* Changes of groups (OpenFlow 1.5.1, 5.10.3 and 7.3.4.3). */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/limit.h"
#include "switch/flows_private.h"

#define GROUPS_MAX 65536

LIMIT_EACH(group_limit, "groups", GROUPS_MAX, "of each bridge");
LIMIT_EACH(bucket_limit, "group_buckets", FLOWS_BUCKETS_MAX, "of all groups of each bridge");

static enum of_error no_memory(struct error *err)
{
	error_set(err, -ENOMEM, "out of memory");
	return OFERR_GROUP_OUT_OF_GROUPS;
}

static enum of_error no_group(uint32_t id, struct error *err)
{
	error_set(err, -ENOENT, "no group %u", id);
	return OFERR_GROUP_UNKNOWN;
}

/* What it goes on with. */

static const struct group_bucket *find_bucket(const struct group *group, uint32_t id)
{
	for (unsigned i = 0; group && i < group->n_buckets; i++)
		if (group->buckets[i].id == id)
			return &group->buckets[i];
	return NULL;
}

/* The bucket of @old that @bucket is, which goes on counting; NULL: it is a new one. */
static const struct group_bucket *same_bucket(const struct group *old,
					      const struct group_bucket *bucket)
{
	const struct group_bucket *b = find_bucket(old, bucket->id);

	return b && b->watch_port == bucket->watch_port && b->watch_group == bucket->watch_group &&
			       actions_equal(&b->actions, &bucket->actions)
		       ? b
		       : NULL;
}

static int take_slot(struct flows *flows, const uint32_t *heir, uint32_t *slot)
{
	if (!heir)
		return bank_take(&flows->tallies, slot);
	*slot = *heir;
	bank_ref(&flows->tallies, *slot);
	return 0;
}

int flows_own_group(struct flows *flows, struct group *group, const struct group *old)
{
	const struct flows_group *before = old ? old->owner : NULL;
	struct flows_group *owner =
		calloc(1, sizeof(*owner) + group->n_buckets * sizeof(owner->buckets[0]));
	int r = owner ? take_slot(flows, before ? &before->slot : NULL, &owner->slot) : -ENOMEM;

	if (r < 0) {
		free(owner);
		return r;
	}
	owner->flows = flows;
	group->owner = owner; /* frees what is taken from now on */
	group->tally = bank_at(&flows->tallies, owner->slot);
	group->created_ms = old ? old->created_ms : flows_now_ms();
	if (!room_take_group(group))
		return -ENOMEM;
	for (unsigned i = 0; i < group->n_buckets; i++) {
		const struct group_bucket *heir = old ? same_bucket(old, &group->buckets[i]) : NULL;

		r = take_slot(flows, heir ? &before->buckets[heir - old->buckets] : NULL,
			      &owner->buckets[i]);
		if (r < 0)
			return r;
		owner->n_buckets++;
		group->buckets[i].tally = bank_at(&flows->tallies, owner->buckets[i]);
	}
	return 0;
}

static enum of_error check_loops(const struct change *c, const struct group *group,
				 struct error *err)
{
	int r = loops_check(c->flows, c->next, group);

	if (r == 0)
		return OFERR_NONE;
	if (r == -ENOMEM)
		return no_memory(err);
	error_set(err, r, "group %u would send packets to itself", group->id);
	return OFERR_GROUP_LOOP;
}

static enum of_error check_actions(const struct group *group, struct error *err)
{
	const struct action_limits limits = { 0 };
	enum of_error e = OFERR_NONE;

	for (unsigned i = 0; !e && i < group->n_buckets; i++) {
		e = actions_check(&group->buckets[i].actions, NULL, &limits, err);
		if (e)
			error_prefix(err, "bucket %u", i);
	}
	return e;
}

bool flows_group_allowed(const struct group *group)
{
	struct error err;

	return !group_check(group, &err) && !check_actions(group, &err);
}

/* Bytes of the actions of a group that is shown; NULL: of none. */
static uint64_t actions_len(const struct group *group)
{
	return group ? ((const struct flows_group *)group->owner)->actions_len : 0;
}

/* Room for @group in place of @old. */
static enum of_error check_room(struct change *c, const struct group *group,
				const struct group *old, struct error *err)
{
	unsigned n = c->n_buckets + group->n_buckets - (old ? old->n_buckets : 0);

	if (!old && pipeline_n_groups(c->next) >= GROUPS_MAX) {
		limit_refuse(&group_limit);
		error_set(err, -ENOSPC, "no more than %u groups in a bridge", GROUPS_MAX);
		return OFERR_GROUP_OUT_OF_GROUPS;
	}
	if (n > FLOWS_BUCKETS_MAX && n > c->n_buckets) {
		limit_refuse(&bucket_limit);
		error_set(err, -ENOSPC, "no more than %u buckets in the groups of a bridge",
			  FLOWS_BUCKETS_MAX);
		return OFERR_GROUP_OUT_OF_BUCKETS;
	}
	return room_check(c, room_of_group(group), actions_len(old), err) < 0
		       ? OFERR_GROUP_OUT_OF_BUCKETS
		       : OFERR_NONE;
}

/* Shows @group, which is taken over, in place of @old (NULL: none). */
static enum of_error put(struct change *c, struct group *group, const struct group *old,
			 struct error *err)
{
	struct change_object note = {
		.kind = CHANGE_GROUP, .id = group->id, .object = group, .old = old
	};
	unsigned n_buckets = c->n_buckets + group->n_buckets - (old ? old->n_buckets : 0);
	uint64_t before = actions_len(old);
	enum of_error e = group_check(group, err);

	if (!e)
		e = check_actions(group, err);
	if (!e)
		e = check_room(c, group, old, err);
	if (!e)
		e = check_loops(c, group, err);
	if (!e && flows_own_group(c->flows, group, old) < 0)
		e = no_memory(err);
	if (old)
		note.record = ((const struct flows_group *)old->owner)->record;
	if (!e && pipeline_add_group(c->next, group) < 0)
		e = no_memory(err);
	if (e) {
		group_unref(group);
		return e;
	}
	c->n_buckets = n_buckets;
	c->actions_len += actions_len(group) - before;
	return change_note(c, note) < 0 ? no_memory(err) : OFERR_NONE;
}

/* Removes @group; rules that use it are gone. */
static enum of_error remove_one(struct change *c, const struct group *group, struct error *err)
{
	struct change_object note = {
		.kind = CHANGE_GROUP,
		.id = group->id,
		.old = group,
		.record = ((const struct flows_group *)group->owner)->record,
	};
	unsigned n_buckets = group->n_buckets;
	uint64_t len = actions_len(group);

	if (change_note(c, note) < 0 || pipeline_remove_group(c->next, note.id) < 0)
		return no_memory(err);
	c->n_buckets -= n_buckets;
	c->actions_len -= len;
	return OFERR_NONE;
}

struct remove_all {
	struct change *c;
	struct error *err;
	enum of_error e;
};

static bool remove_each(void *arg, const struct group *group)
{
	struct remove_all *all = arg;

	all->e = remove_one(all->c, group, all->err);
	return !all->e;
}

/* There need be none. */
static enum of_error remove_group(struct change *c, uint32_t id, struct error *err)
{
	struct remove_all all = { .c = c, .err = err };
	const struct group *group;

	if (uses_remove(c, USE_GROUP, id, REMOVED_GROUP_DELETE) < 0)
		return no_memory(err);
	if (id == GROUP_ALL) {
		pipeline_each_group(c->flows->current, remove_each, &all);
		return all.e;
	}
	group = pipeline_group(c->next, id);
	return group ? remove_one(c, group, err) : OFERR_NONE;
}

/* Buckets. */

static int copy_buckets(struct group *to, unsigned *n, const struct group *from, unsigned first,
			unsigned end)
{
	for (unsigned i = first; i < end; i++) {
		struct group_bucket *b = &to->buckets[*n];
		const struct group_bucket *other = &from->buckets[i];

		b->id = other->id;
		b->weight = other->weight;
		b->watch_port = other->watch_port;
		b->watch_group = other->watch_group;
		if (actions_copy(&b->actions, &other->actions) < 0)
			return -ENOMEM;
		++*n;
	}
	return 0;
}

static struct group *copy_group(const struct group *old, unsigned n_buckets)
{
	struct group *group = group_create(old->id, old->type, n_buckets);

	if (!group)
		return NULL;
	group->method = old->method;
	group->method_param = old->method_param;
	group->fields = old->fields;
	return group;
}

/* Where buckets are to be put in: behind that of number @bucket, or at an end. */
static bool find_place(const struct group *group, uint32_t bucket, unsigned *place)
{
	const struct group_bucket *b;

	if (bucket == BUCKET_FIRST || bucket == BUCKET_LAST) {
		*place = bucket == BUCKET_FIRST ? 0 : group->n_buckets;
		return true;
	}
	b = find_bucket(group, bucket);
	if (b)
		*place = (unsigned)(b - group->buckets) + 1;
	return b;
}

static enum of_error insert(struct change *c, const struct group *old, const struct group *more,
			    uint32_t bucket, struct error *err)
{
	struct group *group;
	unsigned place, n = 0;

	for (unsigned i = 0; i < more->n_buckets; i++)
		if (find_bucket(old, more->buckets[i].id)) {
			error_set(err, -EEXIST, "there is a bucket %u already",
				  more->buckets[i].id);
			return OFERR_GROUP_BUCKET_EXISTS;
		}
	if (!find_place(old, bucket, &place)) {
		error_set(err, -ENOENT, "group %u has no bucket %u", old->id, bucket);
		return OFERR_GROUP_UNKNOWN_BUCKET;
	}
	if (old->n_buckets + more->n_buckets > GROUP_BUCKETS_MAX) {
		error_set(err, -ENOSPC, "a group has no more than %u buckets", GROUP_BUCKETS_MAX);
		return OFERR_GROUP_OUT_OF_BUCKETS;
	}
	group = copy_group(old, old->n_buckets + more->n_buckets);
	if (!group)
		return no_memory(err);
	if (copy_buckets(group, &n, old, 0, place) < 0 ||
	    copy_buckets(group, &n, more, 0, more->n_buckets) < 0 ||
	    copy_buckets(group, &n, old, place, old->n_buckets) < 0) {
		group_unref(group);
		return no_memory(err);
	}
	return put(c, group, old, err);
}

static enum of_error take_out(struct change *c, const struct group *old, uint32_t bucket,
			      struct error *err)
{
	unsigned first = 0, end = old->n_buckets, n = 0;
	struct group *group;

	if (bucket <= BUCKET_MAX || (bucket != BUCKET_ALL && old->n_buckets)) {
		const struct group_bucket *b = bucket == BUCKET_FIRST  ? old->buckets
					       : bucket == BUCKET_LAST ? &old->buckets[end - 1]
								       : find_bucket(old, bucket);

		if (!b) {
			error_set(err, -ENOENT, "group %u has no bucket %u", old->id, bucket);
			return OFERR_GROUP_UNKNOWN_BUCKET;
		}
		first = (unsigned)(b - old->buckets);
		end = first + 1;
	}
	group = copy_group(old, old->n_buckets - (end - first));
	if (!group)
		return no_memory(err);
	if (copy_buckets(group, &n, old, 0, first) < 0 ||
	    copy_buckets(group, &n, old, end, old->n_buckets) < 0) {
		group_unref(group);
		return no_memory(err);
	}
	return put(c, group, old, err);
}

/* Takes @group over. */
static enum of_error carry_out(struct change *c, enum group_command command, uint32_t id,
			       struct group *group, uint32_t bucket, struct error *err)
{
	const struct group *old;
	enum of_error e;

	assert(group || command == GROUP_DELETE || command == GROUP_REMOVE_BUCKET);
	if (group)
		id = group->id;
	old = id <= GROUP_MAX ? pipeline_group(c->next, id) : NULL;
	if (id > GROUP_MAX && command != GROUP_DELETE) {
		error_set(err, -EINVAL, "numbers of groups are at most %u", GROUP_MAX);
		e = OFERR_GROUP_INVALID;
	} else if (command == GROUP_ADD && old) {
		error_set(err, -EEXIST, "there is a group %u already", id);
		e = OFERR_GROUP_EXISTS;
	} else if (command == GROUP_DELETE) {
		e = remove_group(c, id, err);
	} else if (command != GROUP_ADD && command != GROUP_ADD_OR_MOD && !old) {
		e = no_group(id, err);
	} else if (command == GROUP_INSERT_BUCKET) {
		e = insert(c, old, group, bucket, err);
	} else if (command == GROUP_REMOVE_BUCKET) {
		e = take_out(c, old, bucket, err);
	} else {
		return put(c, group, old, err);
	}
	if (group)
		group_unref(group);
	return e;
}

enum of_error flows_group_mod(struct flows *flows, enum group_command command, uint32_t id,
			      struct group *group, uint32_t bucket, struct error *err)
{
	struct change c;
	enum of_error e;

	if (change_begin(&c, flows) < 0) {
		if (group)
			group_unref(group);
		return no_memory(err);
	}
	e = carry_out(&c, command, id, group, bucket, err);
	if (e)
		change_abort(&c);
	else if (change_commit(&c) < 0)
		e = no_memory(err);
	return e;
}
