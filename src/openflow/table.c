// SPDX-License-Identifier: Apache-2.0
/* Tables (OpenFlow 1.5.1, 7.3.3, 7.3.5.16 to 7.3.5.18; 1.0.0, 5.3.5). */
#include "openflow/table.h"
#include "openflow/dump.h"

#define WILDCARDS_10 0x3fffffu /* all of OpenFlow 1.0's */
#define TABLE_NAME 32

#define CONFIG_DEPRECATED 3u /* what 1.1 and 1.2 did with packets that no rule is for */

/* Instructions that there are: all but experimenters'. */
#define INSTRUCTIONS 6
#define INSTRUCTION_GOTO 1

/* Properties of table features; the next one is that of misses. */
#define PROP_INSTRUCTIONS 0
#define PROP_NEXT_TABLES 2
#define PROP_WRITE_ACTIONS 4
#define PROP_APPLY_ACTIONS 6
#define PROP_MATCH 8
#define PROP_WILDCARDS 10
#define PROP_WRITE_SET_FIELD 12
#define PROP_APPLY_SET_FIELD 14

/* ---- changes */

enum of_error of_handle_table_mod(struct of_session *s, const struct of_request *r,
				  struct error *err)
{
	uint32_t config = be32_load(r->body + 4);

	if (r->body[0] != FLOWS_TABLE_ALL && r->body[0] >= PIPELINE_TABLES)
		return OFERR_TABLE_BAD_TABLE;
	/* there is neither eviction nor notice of vacancy */
	if (config & ~CONFIG_DEPRECATED)
		return OFERR_TABLE_BAD_CONFIG;
	return OFERR_NONE;
}

/* ---- statistics */

static struct tally count_of(const struct tally *tally)
{
	return tally ? tally_read(tally) : (struct tally){ 0 };
}

static uint32_t room(const struct pipeline_table *table)
{
	return table->max_rules ? table->max_rules : FLOWS_MAX;
}

static void write_stats(struct of_out *out, uint8_t version, const struct pipeline *p, uint8_t id)
{
	const struct pipeline_table *table = pipeline_table(p, id);

	out_u8(out, id);
	out_zeros(out, 3);
	if (version == OF10) {
		out_zeros(out, TABLE_NAME);
		out_u32(out, WILDCARDS_10);
		out_u32(out, room(table));
	}
	out_u32(out, pipeline_n_rules(p, id));
	out_u64(out, count_of(table->lookups).packets);
	out_u64(out, count_of(table->matches).packets);
}

enum of_error of_handle_table_stats(struct of_session *s, const struct of_request *r,
				    struct error *err)
{
	const struct pipeline *p = flows_pipeline(s->bridge->flows);
	struct of_reply reply;

	of_reply_begin(&reply, s, r);
	for (unsigned id = 0; id < PIPELINE_TABLES; id++) {
		write_stats(&reply.out, r->version, p, (uint8_t)id);
		of_reply_entry(&reply);
	}
	of_reply_end(&reply);
	return OFERR_NONE;
}

enum of_error of_handle_table_desc(struct of_session *s, const struct of_request *r,
				   struct error *err)
{
	struct of_reply reply;

	of_reply_begin(&reply, s, r);
	for (unsigned id = 0; id < PIPELINE_TABLES; id++) {
		out_u16(&reply.out, 8);
		out_u8(&reply.out, (uint8_t)id);
		out_zeros(&reply.out, 5);
		of_reply_entry(&reply);
	}
	of_reply_end(&reply);
	return OFERR_NONE;
}

/* ---- features */

/* The actions of the specification that there are, by number. */
static const uint8_t actions[] = { 0, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25 };

/* Begins a property; returns where it is. */
static size_t begin_prop(struct of_out *out, uint16_t type)
{
	size_t at = out->len;

	out_u16(out, type);
	out_u16(out, 0);
	return at;
}

static void end_prop(struct of_out *out, size_t at)
{
	out_patch16(out, at + 2, out->len - at);
	out_pad(out, at);
}

static void write_instructions(struct of_out *out, uint8_t version, uint8_t id)
{
	size_t at = begin_prop(out, PROP_INSTRUCTIONS);

	for (uint16_t i = 1; i <= INSTRUCTIONS; i++) {
		if (i == INSTRUCTION_GOTO && id == PIPELINE_TABLES - 1)
			continue;
		if (i == INSTRUCTIONS && version >= OF15)
			continue; /* a meter is an action there */
		out_u16(out, i);
		out_u16(out, 4);
	}
	end_prop(out, at);
}

static void write_next_tables(struct of_out *out, uint8_t id)
{
	size_t at = begin_prop(out, PROP_NEXT_TABLES);

	for (unsigned next = id + 1u; next < PIPELINE_TABLES; next++)
		out_u8(out, (uint8_t)next);
	end_prop(out, at);
}

static void write_actions(struct of_out *out, uint16_t prop)
{
	size_t at = begin_prop(out, prop);

	for (size_t i = 0; i < sizeof(actions); i++) {
		out_u16(out, actions[i]);
		out_u16(out, 4);
	}
	end_prop(out, at);
}

/* Whether peers may see a field under its header of @version. */
static bool is_shown(const struct field *field, uint8_t version)
{
	return field_header(field, version) && field->id != FIELD_recirc_id &&
	       field->id != FIELD_dp_hash;
}

static bool is_any(const struct field *field)
{
	return true;
}

static bool is_writable(const struct field *field)
{
	return field->writable;
}

/* With @masks, those that can be masked have the bit that says so, and room for the mask. */
static void write_fields(struct of_out *out, uint8_t version, uint16_t prop, bool masks,
			 bool (*wanted)(const struct field *field))
{
	size_t at = begin_prop(out, prop);

	for (unsigned i = 0; i < FIELD_N; i++) {
		uint32_t header = field_header(&fields[i], version);

		if (!is_shown(&fields[i], version) || !wanted(&fields[i]))
			continue;
		if (masks && fields[i].maskable)
			header = (header & 0xffffff00u) | 0x100 | (header & 0xff) * 2;
		out_u32(out, header);
	}
	end_prop(out, at);
}

static void write_features(struct of_reply *reply, const void *object, uint32_t version)
{
	const struct pipeline *p = flows_pipeline(reply->s->bridge->flows);
	uint8_t id = (uint8_t)(uintptr_t)object;
	struct of_out *out = &reply->out;
	size_t start = out->len;

	out_u16(out, 0);
	out_u8(out, id);
	out_zeros(out, 5);
	out_zeros(out, TABLE_NAME);
	out_u64(out, UINT64_MAX); /* metadata: matched, written */
	out_u64(out, UINT64_MAX);
	out_u32(out, 0);
	out_u32(out, room(pipeline_table(p, id)));
	write_instructions(out, (uint8_t)version, id);
	write_next_tables(out, id);
	write_actions(out, PROP_WRITE_ACTIONS);
	write_actions(out, PROP_APPLY_ACTIONS);
	write_fields(out, (uint8_t)version, PROP_MATCH, true, is_any);
	write_fields(out, (uint8_t)version, PROP_WILDCARDS, false, is_any);
	write_fields(out, (uint8_t)version, PROP_WRITE_SET_FIELD, false, is_writable);
	write_fields(out, (uint8_t)version, PROP_APPLY_SET_FIELD, false, is_writable);
	out_patch16(out, start, out->len - start);
}

static const struct of_dump_ops features_ops = { write_features, NULL };

enum of_error of_handle_table_features(struct of_session *s, const struct of_request *r,
				       struct error *err)
{
	struct of_dump *dump;

	if (r->body_len)
		return OFERR_FEATURES_EPERM; /* tables are as they are */
	dump = of_dump_create(s, &features_ops, r->version);
	if (!dump)
		return OFERR_MULTIPART_OVERFLOW;
	for (uintptr_t id = 0; id < PIPELINE_TABLES; id++) {
		if (!of_dump_add(dump, (void *)id)) {
			of_dump_free(dump);
			return OFERR_MULTIPART_OVERFLOW;
		}
	}
	of_dump_start(dump, s, r);
	return OFERR_NONE;
}
