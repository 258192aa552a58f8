/* SPDX-License-Identifier: Apache-2.0 */
/* Groups (OpenFlow 1.5.1, 5.10). Constant but for what tallies point at. */
#pragma once

#include "flow/action.h"
#include "flow/tally.h"

#define GROUP_MAX 0xffffff00u /* highest number */
#define GROUP_ANY 0xffffffffu
#define GROUP_ALL 0xfffffffcu
#define GROUP_BUCKETS_MAX 1024
#define BUCKET_MAX 0xffffff00u /* highest bucket number */

/* Which buckets get a packet: all, a chosen one, the only one, the first whose watches are up. A
 * select group's method says what its choice is a hash of. */
enum group_type { GROUP_TYPE_ALL, GROUP_TYPE_SELECT, GROUP_TYPE_INDIRECT, GROUP_TYPE_FF };
enum group_method { GROUP_METHOD_DEFAULT, GROUP_METHOD_HASH, GROUP_METHOD_DP_HASH };

struct group_bucket {
	uint32_t id;
	uint16_t weight;
	uint32_t watch_port, watch_group; /* OFPORT_NONE, GROUP_ANY: none */
	struct action_list actions;
	struct tally *tally; /* the owner's */
};

struct group {
	uint32_t refs;
	uint32_t id;
	enum group_type type;
	enum group_method method;
	uint64_t method_param;
	struct match fields; /* GROUP_METHOD_HASH: mask says over which bits */
	struct tally *tally; /* the owner's */
	uint64_t created_ms; /* CLOCK_BOOTTIME */
	void *owner;
	unsigned n_buckets;
	struct group_bucket *buckets;
};

/* @n zeroed buckets, ids 0.. , no watches; refs 1. NULL when memory is short. */
struct group *group_create(uint32_t id, enum group_type type, unsigned n_buckets);
void group_ref(struct group *group);
void group_unref(struct group *group);
extern void (*group_on_free)(struct group *group); /* as rule_on_free */

/* "group_id=1,type=select,bucket=weight:5,actions=output:1,...": as ovs-ofctl has it. @command:
 * insert-buckets may have command_bucket_id. 0 or -EINVAL, -ENOMEM with a text. */
int group_parse(struct group **out, uint32_t *command_bucket, const char *text, struct error *err);
int group_print(const struct group *group, char *text, size_t size);
/* What must hold of any group: weights, watches, numbers of buckets. */
enum of_error group_check(const struct group *group, struct error *err);
