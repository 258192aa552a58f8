// SPDX-License-Identifier: Apache-2.0
/* Groups as text, ovs-ofctl's, and what must hold of any group (OpenFlow 1.5.1, 5.10 and 7.3.4.3).
 */
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#include "flow/action_private.h"
#include "flow/group.h"

#define BUCKET_WORD "bucket="
#define BUCKET_UNNUMBERED UINT32_MAX
/* command_bucket_id */
#define COMMAND_FIRST 0xfffffffdu
#define COMMAND_LAST 0xfffffffeu
#define COMMAND_ALL 0xffffffffu

static const char *const type_names[] = {
	[GROUP_TYPE_ALL] = "all",
	[GROUP_TYPE_SELECT] = "select",
	[GROUP_TYPE_INDIRECT] = "indirect",
	[GROUP_TYPE_FF] = "ff",
};

static const char *const method_names[] = {
	[GROUP_METHOD_HASH] = "hash",
	[GROUP_METHOD_DP_HASH] = "dp_hash",
};

struct name {
	const char *name;
	uint32_t number;
};

static int parse_named(const char *text, const struct name *names, uint32_t most, const char *what,
		       uint32_t *out, struct error *err)
{
	for (; names->name; names++) {
		if (!strcasecmp(names->name, text)) {
			*out = names->number;
			return 0;
		}
	}
	return action_parse_u32(text, most, what, out, err);
}

/* ---- fields of a hash */

/* Whether a field is shown by others, which are parts of it. */
static bool is_view(const struct field *field)
{
	return field->id >= FIELD_xreg0 && field->id <= FIELD_xxreg3;
}

static void print_fields(struct action_text *out, const struct flow_key *mask)
{
	struct flow_key left = *mask;
	const char *before = ",fields(";

	for (unsigned i = 0; i < FIELD_N; i++) {
		const struct field *field = &fields[i];
		u128 bits = field_get(field, &left);

		if (!bits || is_view(field) || !field_header(field, OF15))
			continue;
		action_text_add(out, "%s%s", before, field->name);
		if (bits != field_ones(field)) {
			action_text_add(out, "=");
			action_text_field(out, field, bits, field_ones(field));
		}
		field_set(field, &left, 0, field_ones(field));
		before = ",";
	}
	if (*before == ',' && before[1] == '\0')
		action_text_add(out, ")");
}

static int parse_fields(struct group *group, char *text, struct error *err)
{
	char *name, *value, *tail;
	int rc;

	while ((rc = action_text_next(&text, &name, &value, &tail, err)) > 0) {
		const struct field *field = field_find(name, strlen(name));
		u128 bits, mask;

		if (!field)
			return error_set(err, -EINVAL, "there is no field %.40s", name);
		bits = field_ones(field);
		if (*value && field_parse(field, value, &bits, &mask, err))
			return -EINVAL;
		field_set(field, &group->fields.mask, bits, bits);
	}
	return rc;
}

/* ---- buckets */

static int parse_bucket_id(const char *value, struct group_bucket *bucket, struct error *err)
{
	return action_parse_u32(value, BUCKET_MAX, "a bucket", &bucket->id, err);
}

static int parse_weight(const char *value, struct group_bucket *bucket, struct error *err)
{
	uint32_t weight;

	if (action_parse_u32(value, UINT16_MAX, "weight", &weight, err))
		return -EINVAL;
	bucket->weight = (uint16_t)weight;
	return 0;
}

static int parse_watch_port(const char *value, struct group_bucket *bucket, struct error *err)
{
	return action_parse_port(value, &bucket->watch_port, err);
}

static int parse_watch_group(const char *value, struct group_bucket *bucket, struct error *err)
{
	return action_parse_u32(value, GROUP_ANY, "watch_group", &bucket->watch_group, err);
}

static const struct {
	const char *name;
	int (*parse)(const char *value, struct group_bucket *bucket, struct error *err);
} bucket_settings[] = {
	{ "bucket_id", parse_bucket_id },
	{ "weight", parse_weight },
	{ "watch_port", parse_watch_port },
	{ "watch_group", parse_watch_group },
};

/* -ENOENT: the word is no setting. */
static int parse_bucket_setting(const char *word, struct group_bucket *bucket, struct error *err)
{
	for (unsigned i = 0; i < ARRAY_SIZE(bucket_settings); i++) {
		size_t len = strlen(bucket_settings[i].name);

		if (!strncmp(word, bucket_settings[i].name, len) &&
		    (word[len] == ':' || word[len] == '='))
			return bucket_settings[i].parse(word + len + 1, bucket, err);
	}
	return -ENOENT;
}

/* "actions=output:1" and "output:1" are the same. */
static const char *skip_actions(const char *word)
{
	static const char *const heads[] = { "actions", "action" };

	for (unsigned i = 0; i < ARRAY_SIZE(heads); i++) {
		size_t len = strlen(heads[i]);

		if (!strncmp(word, heads[i], len) && (word[len] == '=' || word[len] == ':'))
			return word + len + 1;
	}
	return word;
}

/* Words that are no settings are actions. */
static int parse_bucket(struct group_bucket *bucket, char *text, struct error *err)
{
	size_t size = strlen(text) + 2;
	char *actions = calloc(1, size), *word;
	struct action_text out = { actions, size, 0 };
	int rc = 0;

	if (!actions)
		return error_set(err, -ENOMEM, "out of memory");
	while (!rc && (word = action_text_word(&text))) {
		rc = parse_bucket_setting(word, bucket, err);
		if (rc != -ENOENT)
			continue;
		rc = 0;
		word = (char *)skip_actions(word);
		if (*word)
			action_text_add(&out, "%s%s", out.len ? "," : "", word);
	}
	if (!rc)
		rc = actions_parse(&bucket->actions, actions, false, err);
	free(actions);
	return rc;
}

static bool id_is_taken(const struct group *group, uint32_t id)
{
	for (unsigned i = 0; i < group->n_buckets; i++)
		if (group->buckets[i].id == id)
			return true;
	return false;
}

/* Buckets without a number get the lowest that are free. */
static void number_buckets(struct group *group)
{
	uint32_t id = 0;

	for (unsigned i = 0; i < group->n_buckets; i++) {
		if (group->buckets[i].id != BUCKET_UNNUMBERED)
			continue;
		while (id_is_taken(group, id))
			id++;
		group->buckets[i].id = id++;
	}
}

/* @text is at the first "bucket=". */
static int parse_buckets(struct group *group, char *text, struct error *err)
{
	for (unsigned i = 0; text && i < group->n_buckets; i++) {
		char *next = strstr(text + strlen(BUCKET_WORD), BUCKET_WORD);
		int rc;

		if (next)
			next[-1] = '\0';
		group->buckets[i].id = BUCKET_UNNUMBERED;
		group->buckets[i].weight = group->type == GROUP_TYPE_SELECT;
		rc = parse_bucket(&group->buckets[i], text + strlen(BUCKET_WORD), err);
		if (rc) {
			error_prefix(err, "bucket %u", i);
			return rc;
		}
		text = next;
	}
	number_buckets(group);
	return 0;
}

/* ---- groups */

struct head {
	uint32_t id, command_bucket;
	bool has_id, has_type, has_command;
	enum group_type type;
	enum group_method method;
	uint64_t param;
	char *fields; /* NULL: none */
};

static int parse_type(struct head *head, const char *value, struct error *err)
{
	for (unsigned i = 0; i < ARRAY_SIZE(type_names); i++)
		if (!strcmp(type_names[i], value))
			head->type = (enum group_type)i, head->has_type = true;
	if (!strcmp(value, "fast_failover"))
		head->type = GROUP_TYPE_FF, head->has_type = true;
	if (head->has_type)
		return 0;
	return error_set(err, -EINVAL, "type %.40s is not one of all, select, indirect, ff", value);
}

static int parse_method(struct head *head, const char *value, struct error *err)
{
	for (unsigned i = 1; i < ARRAY_SIZE(method_names); i++)
		if (!strcmp(method_names[i], value))
			head->method = (enum group_method)i;
	if (head->method)
		return 0;
	return error_set(err, -EINVAL, "selection_method %.40s is not one of hash, dp_hash", value);
}

static int parse_head_word(struct head *head, const char *name, char *value, struct error *err)
{
	static const struct name groups[] = { { "all", GROUP_ALL },
					      { "any", GROUP_ANY },
					      { NULL, 0 } };
	static const struct name commands[] = { { "first", COMMAND_FIRST },
						{ "last", COMMAND_LAST },
						{ "all", COMMAND_ALL },
						{ NULL, 0 } };
	u128 number;

	if (!strcmp(name, "group_id")) {
		head->has_id = true;
		return parse_named(value, groups, GROUP_MAX, name, &head->id, err);
	}
	if (!strcmp(name, "command_bucket_id")) {
		head->has_command = true;
		return parse_named(value, commands, BUCKET_MAX, name, &head->command_bucket, err);
	}
	if (!strcmp(name, "type"))
		return parse_type(head, value, err);
	if (!strcmp(name, "selection_method"))
		return parse_method(head, value, err);
	if (!strcmp(name, "selection_method_param")) {
		if (action_parse_number(value, UINT64_MAX, name, &number, err))
			return -EINVAL;
		head->param = (uint64_t)number;
		return 0;
	}
	if (strcmp(name, "fields"))
		return error_set(err, -EINVAL, "a group has no %.40s", name);
	head->fields = value;
	return 0;
}

static int parse_head(struct head *head, char *text, bool command, struct error *err)
{
	char *name, *value, *tail;
	int rc;

	while ((rc = action_text_next(&text, &name, &value, &tail, err)) > 0)
		if ((rc = parse_head_word(head, name, value, err)))
			return rc;
	if (rc)
		return rc;
	if (!head->has_id)
		return error_set(err, -EINVAL, "group_id is missing");
	if (!head->has_type && !command)
		return error_set(err, -EINVAL, "type is missing: all, select, indirect or ff");
	if (head->has_command && !command)
		return error_set(err, -EINVAL, "command_bucket_id is to insert and remove buckets");
	if (head->fields && !head->method)
		return error_set(err, -EINVAL, "fields are for selection_method=hash");
	return 0;
}

static unsigned count_buckets(const char *text)
{
	unsigned n = 0;

	for (; text && (text = strstr(text, BUCKET_WORD)); text += strlen(BUCKET_WORD))
		n++;
	return n;
}

static int parse_group(struct group **out, uint32_t *command_bucket, char *text, struct error *err)
{
	struct head head = { .command_bucket = COMMAND_LAST };
	char *buckets = strstr(text, BUCKET_WORD);
	unsigned n = count_buckets(buckets);
	struct group *group;
	int rc;

	if (n > GROUP_BUCKETS_MAX)
		return error_set(err, -EINVAL, "more than %d buckets", GROUP_BUCKETS_MAX);
	if (buckets && buckets > text)
		buckets[-1] = '\0';
	rc = buckets == text ? error_set(err, -EINVAL, "group_id is missing")
			     : parse_head(&head, text, command_bucket, err);
	if (rc)
		return rc;
	group = group_create(head.id, head.type, n);
	if (!group)
		return error_set(err, -ENOMEM, "out of memory");
	group->method = head.method;
	group->method_param = head.param;
	rc = head.fields ? parse_fields(group, head.fields, err) : 0;
	if (!rc)
		rc = parse_buckets(group, buckets, err);
	if (rc) {
		group_unref(group);
		return rc;
	}
	if (command_bucket)
		*command_bucket = head.command_bucket;
	*out = group;
	return 0;
}

int group_parse(struct group **out, uint32_t *command_bucket, const char *text, struct error *err)
{
	char *copy = strdup(text);
	int rc;

	*out = NULL;
	if (!copy)
		return error_set(err, -ENOMEM, "out of memory");
	rc = parse_group(out, command_bucket, copy, err);
	free(copy);
	return rc;
}

static void print_bucket(struct action_text *out, const struct group *group,
			 const struct group_bucket *bucket)
{
	action_text_add(out, ",bucket=bucket_id:%u,", bucket->id);
	if (bucket->weight != (group->type == GROUP_TYPE_SELECT))
		action_text_add(out, "weight:%u,", bucket->weight);
	if (bucket->watch_port != OFPORT_NONE) {
		action_text_add(out, "watch_port:");
		action_text_port(out, bucket->watch_port);
		action_text_add(out, ",");
	}
	if (bucket->watch_group != GROUP_ANY)
		action_text_add(out, "watch_group:%u,", bucket->watch_group);
	action_text_add(out, "actions=");
	action_text_list(out, bucket->actions.bytes, bucket->actions.len);
}

int group_print(const struct group *group, char *text, size_t size)
{
	struct action_text out = { .text = text, .size = size };

	if (group->id <= GROUP_MAX)
		action_text_add(&out, "group_id=%u", group->id);
	else
		action_text_add(&out, "group_id=%s", group->id == GROUP_ALL ? "all" : "any");
	action_text_add(&out, ",type=%s", type_names[group->type]);
	if (group->method) {
		action_text_add(&out, ",selection_method=%s", method_names[group->method]);
		if (group->method_param)
			action_text_add(&out, ",selection_method_param=%llu",
					(unsigned long long)group->method_param);
		print_fields(&out, &group->fields.mask);
	}
	for (unsigned i = 0; i < group->n_buckets; i++)
		print_bucket(&out, group, &group->buckets[i]);
	return (int)min(out.len, (size_t)INT32_MAX);
}

/* ---- what must hold */

static bool watches(const struct group_bucket *bucket)
{
	return bucket->watch_port != OFPORT_NONE || bucket->watch_group != GROUP_ANY;
}

static enum of_error check_bucket(const struct group *group, const struct group_bucket *bucket,
				  struct error *err)
{
	if (bucket->id > BUCKET_MAX)
		return (enum of_error)error_set(err, OFERR_GROUP_BAD_BUCKET,
						"a bucket cannot have the number %u", bucket->id);
	if (bucket->weight && group->type != GROUP_TYPE_SELECT)
		return (enum of_error)error_set(err, OFERR_GROUP_INVALID,
						"buckets of select groups alone have a weight");
	if (watches(bucket) &&
	    (group->type == GROUP_TYPE_ALL || group->type == GROUP_TYPE_INDIRECT))
		return (enum of_error)error_set(err, OFERR_GROUP_WATCH_UNSUPPORTED,
						"buckets of type %s watch nothing",
						type_names[group->type]);
	if (!watches(bucket) && group->type == GROUP_TYPE_FF)
		return (enum of_error)error_set(err, OFERR_GROUP_INVALID,
						"each bucket of type ff must watch a port or a "
						"group");
	if (bucket->watch_group == group->id)
		return (enum of_error)error_set(err, OFERR_GROUP_LOOP, "group %u watches itself",
						group->id);
	return OFERR_NONE;
}

static int compare_ids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static bool ids_differ(const struct group *group)
{
	uint32_t ids[GROUP_BUCKETS_MAX];

	if (!group->n_buckets)
		return true;
	for (unsigned i = 0; i < group->n_buckets; i++)
		ids[i] = group->buckets[i].id;
	qsort(ids, group->n_buckets, sizeof(ids[0]), compare_ids);
	for (unsigned i = 1; i < group->n_buckets; i++)
		if (ids[i - 1] == ids[i])
			return false;
	return true;
}

enum of_error group_check(const struct group *group, struct error *err)
{
	enum of_error error;

	if (group->id > GROUP_MAX)
		return (enum of_error)error_set(err, OFERR_GROUP_INVALID,
						"a group cannot have the number %u", group->id);
	if (group->n_buckets > GROUP_BUCKETS_MAX)
		return (enum of_error)error_set(err, OFERR_GROUP_OUT_OF_BUCKETS,
						"more than %d buckets", GROUP_BUCKETS_MAX);
	if (group->type == GROUP_TYPE_INDIRECT && group->n_buckets != 1)
		return (enum of_error)error_set(err, OFERR_GROUP_INVALID,
						"a group of type indirect has one bucket, not %u",
						group->n_buckets);
	if (group->method && group->type != GROUP_TYPE_SELECT)
		return (enum of_error)error_set(err, OFERR_GROUP_INVALID,
						"select groups alone have a selection_method");
	for (unsigned i = 0; i < group->n_buckets; i++) {
		error = check_bucket(group, &group->buckets[i], err);
		if (error)
			return error;
	}
	if (!ids_differ(group))
		return (enum of_error)error_set(err, OFERR_GROUP_BUCKET_EXISTS,
						"two buckets have the same number");
	return OFERR_NONE;
}
