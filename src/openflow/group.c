// SPDX-License-Identifier: Apache-2.0
/* Groups (OpenFlow 1.5.1, 7.3.4.3, 7.3.5.9 to 7.3.5.11). */
#include "openflow/group.h"
#include "openflow/bucket.h"
#include "openflow/dump.h"

/* Commands on the wire; the last is Open vSwitch's. */
#define WIRE_ADD 0
#define WIRE_MODIFY 1
#define WIRE_DELETE 2
#define WIRE_INSERT_BUCKET 3
#define WIRE_REMOVE_BUCKET 5
#define WIRE_ADD_OR_MOD 0x8000

#define HEADER_13 8
#define HEADER_15 16

#define TYPES 0xfu	    /* all four */
#define CAPABILITIES 0x7u   /* weights, liveness, chains */
#define ACTIONS 0x03ff8001u /* output, TTLs, tags, queues, groups, set-field */

/* Whether buckets are told as 1.5 does. */
static bool has_new_layout(const struct of_request *r)
{
	return r->version == OF10 || r->version >= OF15;
}

/* ---- changes */

static enum of_error read_command(const struct of_request *r, enum group_command *command)
{
	switch (be16_load(r->body)) {
	case WIRE_ADD:
		*command = GROUP_ADD;
		return OFERR_NONE;
	case WIRE_MODIFY:
		*command = GROUP_MODIFY;
		return OFERR_NONE;
	case WIRE_DELETE:
		*command = GROUP_DELETE;
		return OFERR_NONE;
	case WIRE_ADD_OR_MOD:
		*command = GROUP_ADD_OR_MOD;
		return OFERR_NONE;
	case WIRE_INSERT_BUCKET:
		*command = GROUP_INSERT_BUCKET;
		return has_new_layout(r) ? OFERR_NONE : OFERR_GROUP_BAD_COMMAND;
	case WIRE_REMOVE_BUCKET:
		*command = GROUP_REMOVE_BUCKET;
		return has_new_layout(r) ? OFERR_NONE : OFERR_GROUP_BAD_COMMAND;
	default:
		return OFERR_GROUP_BAD_COMMAND;
	}
}

/* Whether @bucket says what @command needs to know: a place, what to remove, or nothing. */
static bool is_bucket_for(enum group_command command, uint32_t bucket)
{
	if (command != GROUP_INSERT_BUCKET && command != GROUP_REMOVE_BUCKET)
		return bucket == BUCKET_ALL;
	return bucket <= BUCKET_MAX || bucket == BUCKET_FIRST || bucket == BUCKET_LAST ||
	       (bucket == BUCKET_ALL && command == GROUP_REMOVE_BUCKET);
}

static enum of_error read_group(const struct of_request *r, struct group **out, uint32_t *bucket,
				struct error *err)
{
	bool new_layout = has_new_layout(r);
	size_t header = new_layout ? HEADER_15 : HEADER_13, buckets;
	enum of_error error;

	if (r->body_len < header)
		return OFERR_BAD_LEN;
	buckets = new_layout ? be16_load(r->body + 8) : r->body_len - header;
	if (buckets > r->body_len - header)
		return OFERR_GROUP_BAD_BUCKET;
	if (new_layout)
		*bucket = be32_load(r->body + 12);
	error = of_read_buckets(out, r->body[2], r->version, new_layout, r->body + header, buckets,
				err);
	if (error)
		return error;
	if (r->body[2] > GROUP_TYPE_FF)
		error = OFERR_GROUP_BAD_TYPE;
	(*out)->id = be32_load(r->body + 4);
	if (!error && new_layout)
		error = of_read_group_props(*out, r->body + header + buckets,
					    r->body_len - header - buckets, err);
	if (error) {
		group_unref(*out);
		*out = NULL;
	}
	return error;
}

enum of_error of_handle_group_mod(struct of_session *s, const struct of_request *r,
				  struct error *err)
{
	uint32_t bucket = BUCKET_ALL, id = be32_load(r->body + 4);
	enum group_command command;
	enum of_error error = read_command(r, &command);
	struct group *group = NULL;

	if (!error)
		error = read_group(r, &group, &bucket, err);
	if (error)
		return error;
	if (!is_bucket_for(command, bucket)) {
		group_unref(group);
		return OFERR_GROUP_BAD_BUCKET;
	}
	if (command == GROUP_DELETE || command == GROUP_REMOVE_BUCKET) {
		group_unref(group);
		group = NULL;
	} else if (id > GROUP_MAX) {
		group_unref(group);
		return OFERR_GROUP_INVALID;
	}
	return flows_group_mod(s->bridge->flows, command, id, group, bucket, err);
}

/* ---- statistics and descriptions */

static struct tally count_of(const struct tally *tally)
{
	return tally ? tally_read(tally) : (struct tally){ 0 };
}

static void write_stats(struct of_reply *reply, const void *object, uint32_t version)
{
	const struct group *group = object;
	struct of_out *out = &reply->out;
	struct tally tally = count_of(group->tally);
	size_t start = out->len;

	out_u16(out, 0);
	out_u16(out, 0);
	out_u32(out, group->id);
	out_u32(out, flows_group_users(reply->s->bridge->flows, group->id));
	out_u32(out, 0);
	out_u64(out, tally.packets);
	out_u64(out, tally.bytes);
	out_duration(out, group->created_ms);
	for (unsigned i = 0; i < group->n_buckets; i++) {
		tally = count_of(group->buckets[i].tally);
		out_u64(out, tally.packets);
		out_u64(out, tally.bytes);
	}
	out_patch16(out, start, out->len - start);
}

static void write_desc(struct of_reply *reply, const void *object, uint32_t version)
{
	const struct group *group = object;
	struct of_out *out = &reply->out;
	bool new_layout = version == OF10 || version >= OF15;
	size_t start = out->len, buckets;

	out_u16(out, 0);
	out_u8(out, (uint8_t)group->type);
	out_u8(out, 0);
	out_u32(out, group->id);
	if (new_layout)
		out_u64(out, 0);
	buckets = out->len;
	/* what is longer than any message is left out: the rest of it need not be written */
	for (unsigned i = 0; i < group->n_buckets && out->len - start <= OF_LEN_MAX; i++)
		of_write_bucket(out, (uint8_t)version, new_layout, group, &group->buckets[i]);
	if (new_layout) {
		out_patch16(out, start + 8, out->len - buckets);
		of_write_group_props(out, group);
	}
	out_patch16(out, start, out->len - start);
}

static void release_group(void *object)
{
	group_unref(object);
}

static const struct of_dump_ops stats_ops = { write_stats, release_group };
static const struct of_dump_ops desc_ops = { write_desc, release_group };

struct collection {
	struct of_dump *dump;
	bool full;
};

static bool collect(void *arg, const struct group *group)
{
	struct collection *c = arg;

	if (!of_dump_add(c->dump, (struct group *)group)) {
		c->full = true;
		return false;
	}
	group_ref((struct group *)group);
	return true;
}

/* Answers with the group @id, or all. */
static enum of_error dump_groups(struct of_session *s, const struct of_request *r, uint32_t id,
				 const struct of_dump_ops *ops)
{
	const struct pipeline *p = flows_pipeline(s->bridge->flows);
	struct collection c = { .dump = of_dump_create(s, ops, r->version) };
	const struct group *group;

	if (!c.dump)
		return OFERR_MULTIPART_OVERFLOW;
	if (id == GROUP_ALL)
		pipeline_each_group(p, collect, &c);
	else if ((group = pipeline_group(p, id)))
		collect(&c, group);
	if (c.full) {
		of_dump_free(c.dump);
		return OFERR_MULTIPART_OVERFLOW;
	}
	of_dump_start(c.dump, s, r);
	return OFERR_NONE;
}

enum of_error of_handle_group_stats(struct of_session *s, const struct of_request *r,
				    struct error *err)
{
	return dump_groups(s, r, be32_load(r->body), &stats_ops);
}

enum of_error of_handle_group_desc(struct of_session *s, const struct of_request *r,
				   struct error *err)
{
	uint32_t id = GROUP_ALL;

	if (r->body_len != (has_new_layout(r) ? 8 : 0))
		return OFERR_BAD_LEN;
	if (has_new_layout(r))
		id = be32_load(r->body);
	return dump_groups(s, r, id, &desc_ops);
}

enum of_error of_handle_group_features(struct of_session *s, const struct of_request *r,
				       struct error *err)
{
	struct of_reply reply;

	of_reply_begin(&reply, s, r);
	out_u32(&reply.out, TYPES);
	out_u32(&reply.out, CAPABILITIES);
	for (unsigned i = 0; i < 4; i++)
		out_u32(&reply.out, GROUP_MAX);
	for (unsigned i = 0; i < 4; i++)
		out_u32(&reply.out, ACTIONS);
	of_reply_end(&reply);
	return OFERR_NONE;
}
