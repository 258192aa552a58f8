// SPDX-License-Identifier: Apache-2.0
/* Buckets and properties of groups on the wire. */
#include "openflow/bucket.h"
#include "openflow/error.h"
#include "openflow/matches.h"
#include "openflow/proto.h"

#define HEADER_13 16
#define HEADER_15 8

#define PROP_WEIGHT 0
#define PROP_WATCH_PORT 1
#define PROP_WATCH_GROUP 2
#define NTR_SELECTION_METHOD 1
#define METHOD_LEN 16 /* bytes of its name */
#define HAS_MASK 0x100u
#define METHOD_HEADER 12 /* bytes of the property to its type */
#define METHOD_PROP 40	 /* bytes of the property before the fields */

/* Where the property at @b ends: its padded length, 0 when that is wrong. */
static size_t prop_len(const uint8_t *b, size_t len)
{
	size_t prop = len >= 4 ? (be16_load(b + 2) + 7u) & ~7u : 0;

	return prop >= 8 && prop <= len ? prop : 0;
}

/* ---- reading */

static enum of_error read_bucket_props(struct group_bucket *bucket, const uint8_t *b, size_t len)
{
	while (len) {
		size_t prop = prop_len(b, len);

		if (!prop)
			return OFERR_PROP_BAD_LEN;
		switch (be16_load(b)) {
		case PROP_WEIGHT:
			bucket->weight = be16_load(b + 4);
			break;
		case PROP_WATCH_PORT:
			bucket->watch_port = be32_load(b + 4);
			break;
		case PROP_WATCH_GROUP:
			bucket->watch_group = be32_load(b + 4);
			break;
		default:
			return of_unknown_prop(b);
		}
		b += prop;
		len -= prop;
	}
	return OFERR_NONE;
}

static enum of_error read13(struct group_bucket *bucket, uint8_t version, const uint8_t *b,
			    size_t len, struct error *err)
{
	bucket->weight = be16_load(b + 2);
	bucket->watch_port = be32_load(b + 4);
	bucket->watch_group = be32_load(b + 8);
	return actions_decode(&bucket->actions, version, false, b + HEADER_13, len - HEADER_13,
			      err);
}

static enum of_error read15(struct group_bucket *bucket, uint8_t version, const uint8_t *b,
			    size_t len, struct error *err)
{
	size_t actions = be16_load(b + 2);
	enum of_error error;

	if (actions > len - HEADER_15)
		return OFERR_GROUP_BAD_BUCKET;
	bucket->id = be32_load(b + 4);
	if (bucket->id > BUCKET_MAX)
		return OFERR_GROUP_BAD_BUCKET;
	b += HEADER_15;
	error = actions_decode(&bucket->actions, version, false, b, actions, err);
	if (error)
		return error;
	return read_bucket_props(bucket, b + actions, len - HEADER_15 - actions);
}

/* The length of the bucket at @b; 0: it is wrong. */
static size_t bucket_len(const uint8_t *b, size_t len, bool new_layout)
{
	size_t bucket = len >= 2 ? be16_load(b) : 0;

	return bucket >= (new_layout ? HEADER_15 : HEADER_13) && bucket <= len && !(bucket & 7)
		       ? bucket
		       : 0;
}

static enum of_error count_buckets(const uint8_t *b, size_t len, bool new_layout, unsigned *n)
{
	for (*n = 0; len; ++*n) {
		size_t bucket = bucket_len(b, len, new_layout);

		if (!bucket)
			return OFERR_GROUP_BAD_BUCKET;
		if (*n == GROUP_BUCKETS_MAX)
			return OFERR_GROUP_OUT_OF_BUCKETS;
		b += bucket;
		len -= bucket;
	}
	return OFERR_NONE;
}

enum of_error of_read_buckets(struct group **out, uint8_t type, uint8_t version, bool new_layout,
			      const uint8_t *bytes, size_t len, struct error *err)
{
	unsigned n;
	enum of_error error = count_buckets(bytes, len, new_layout, &n);
	struct group *group;

	if (error)
		return error;
	group = group_create(0, type, n);
	if (!group)
		return OFERR_GROUP_OUT_OF_GROUPS;
	for (unsigned i = 0; i < n && !error; i++) {
		size_t bucket = bucket_len(bytes, len, new_layout);

		/* unless it says something else */
		group->buckets[i].weight = type == GROUP_TYPE_SELECT;
		error = new_layout ? read15(&group->buckets[i], version, bytes, bucket, err)
				   : read13(&group->buckets[i], version, bytes, bucket, err);
		bytes += bucket;
		len -= bucket;
	}
	if (error)
		group_unref(group);
	else
		*out = group;
	return error;
}

/* Fields without prerequisites; their values are masks that say which bits count. */
static enum of_error read_fields(struct match *wanted, const uint8_t *b, size_t len)
{
	match_init(wanted);
	while (len) {
		const struct field *field;
		uint32_t header;
		u128 bits = 0;
		size_t n;

		if (len < 4)
			return OFERR_MATCH_BAD_LEN;
		header = be32_load(b);
		n = header & 0xff;
		field = field_by_header(header);
		if (!field || header & HAS_MASK || n > sizeof(bits))
			return OFERR_MATCH_BAD_FIELD;
		if (n > len - 4)
			return OFERR_MATCH_BAD_LEN;
		for (size_t i = 0; i < n; i++)
			bits = bits << 8 | b[4 + i];
		field_set(field, &wanted->mask, bits, bits);
		b += 4 + n;
		len -= 4 + n;
	}
	return OFERR_NONE;
}

static enum of_error read_method(struct group *group, const uint8_t *b, size_t len,
				 struct error *err)
{
	char name[METHOD_LEN + 1] = "";

	if (be32_load(b + 4) != VENDOR_NTR)
		return OFERR_PROP_BAD_EXPERIMENTER;
	if (len < METHOD_HEADER)
		return OFERR_PROP_BAD_LEN;
	if (be32_load(b + 8) != NTR_SELECTION_METHOD)
		return OFERR_PROP_BAD_EXP_TYPE;
	if (len < METHOD_PROP)
		return OFERR_PROP_BAD_LEN;
	memcpy(name, b + 16, METHOD_LEN);
	if (!strcmp(name, "hash"))
		group->method = GROUP_METHOD_HASH;
	else if (!strcmp(name, "dp_hash"))
		group->method = GROUP_METHOD_DP_HASH;
	else if (*name)
		return OFERR_PROP_BAD_VALUE;
	group->method_param = wire_load64(b + 32);
	return read_fields(&group->fields, b + METHOD_PROP, len - METHOD_PROP);
}

enum of_error of_read_group_props(struct group *group, const uint8_t *bytes, size_t len,
				  struct error *err)
{
	while (len) {
		size_t prop = prop_len(bytes, len);
		enum of_error error;

		if (!prop)
			return OFERR_PROP_BAD_LEN;
		if (be16_load(bytes) != OF_PROP_EXPERIMENTER)
			return of_unknown_prop(bytes);
		error = read_method(group, bytes, be16_load(bytes + 2), err);
		if (error)
			return error;
		bytes += prop;
		len -= prop;
	}
	return OFERR_NONE;
}

/* ---- writing */

static void write_prop32(struct of_out *out, uint16_t prop, uint32_t value)
{
	out_u16(out, prop);
	out_u16(out, 8);
	out_u32(out, value);
}

static void write_actions(struct of_out *out, uint8_t version, const struct group_bucket *bucket)
{
	of_write_actions(out, version, false, &bucket->actions);
}

void of_write_bucket(struct of_out *out, uint8_t version, bool new_layout,
		     const struct group *group, const struct group_bucket *bucket)
{
	size_t start = out->len;

	out_u16(out, 0);
	if (new_layout) {
		out_u16(out, 0);
		out_u32(out, bucket->id);
		write_actions(out, version, bucket);
		out_patch16(out, start + 2, out->len - start - HEADER_15);
		if (group->type == GROUP_TYPE_SELECT)
			write_prop32(out, PROP_WEIGHT, (uint32_t)bucket->weight << 16);
		if (bucket->watch_port != OFPORT_NONE)
			write_prop32(out, PROP_WATCH_PORT, bucket->watch_port);
		if (bucket->watch_group != GROUP_ANY)
			write_prop32(out, PROP_WATCH_GROUP, bucket->watch_group);
	} else {
		out_u16(out, bucket->weight);
		out_u32(out, bucket->watch_port);
		out_u32(out, bucket->watch_group);
		out_u32(out, 0);
		write_actions(out, version, bucket);
	}
	out_patch16(out, start, out->len - start);
}

/* Each bit is told once, by the first field that has it. */
static void write_fields(struct of_out *out, const struct match *wanted)
{
	struct flow_key left = wanted->mask;

	for (unsigned i = 0; i < FIELD_N; i++) {
		const struct field *field = &fields[i];
		uint32_t header = field_header(field, OF15);
		u128 bits = field_get(field, &left);
		uint8_t *at;

		if (!bits || !header)
			continue;
		field_set(field, &left, 0, field_ones(field));
		out_u32(out, header);
		at = out_zeros(out, header & 0xff);
		for (size_t n = header & 0xff; at && n--; bits >>= 8)
			at[n] = (uint8_t)bits;
	}
}

void of_write_group_props(struct of_out *out, const struct group *group)
{
	size_t start = out->len;

	if (group->method == GROUP_METHOD_DEFAULT)
		return;
	out_u16(out, OF_PROP_EXPERIMENTER);
	out_u16(out, 0);
	out_u32(out, VENDOR_NTR);
	out_u32(out, NTR_SELECTION_METHOD);
	out_u32(out, 0);
	out_text(out, group->method == GROUP_METHOD_HASH ? "hash" : "dp_hash", METHOD_LEN);
	out_u64(out, group->method_param);
	write_fields(out, &group->fields);
	out_patch16(out, start + 2, out->len - start);
	out_pad(out, start);
}
