// SPDX-License-Identifier: Apache-2.0
/* The table of messages (numbers: OpenFlow 1.0.0, 5.1; 1.3.5, 1.4.1, 1.5.1, 7.1.1 and 7.3.5; those
 * of Nicira's extensions as Open vSwitch has them).
 */
#include <assert.h>

#include "base/compiler.h"
#include "base/log.h"
#include "openflow/async.h"
#include "openflow/flow_mod.h"
#include "openflow/flow_stats.h"
#include "openflow/group.h"
#include "openflow/handshake.h"
#include "openflow/message.h"
#include "openflow/meter.h"
#include "openflow/packet.h"
#include "openflow/port.h"
#include "openflow/table.h"

LOG_MODULE("openflow");

#define NO (-1)

#define EXACT 1u    /* the body has no more bytes than the row says */
#define CHANGES 2u  /* not for slaves */
#define COUNTED 4u  /* answered when all that packets have done is counted */
#define GATHERED 8u /* in force when something else is asked for, at the latest */
#define BEHIND 16u  /* answered when what was sent before has left */

struct row {
	const char *name;
	int16_t number[4]; /* in 1.0, 1.3, 1.4, 1.5; NO: is not there */
	uint16_t least;	   /* bytes of the body */
	uint8_t flags;
	of_handler handle;
};

/* clang-format off */
static const struct row messages[] = {
	{ "hello", { 0, 0, 0, 0 }, 0, 0, of_handle_nothing },
	{ "error", { 1, 1, 1, 1 }, 0, 0, of_handle_nothing },
	{ "echo request", { 2, 2, 2, 2 }, 0, 0, of_handle_echo },
	{ "echo reply", { 3, 3, 3, 3 }, 0, 0, of_handle_nothing },
	{ "features request", { 5, 5, 5, 5 }, 0, EXACT, of_handle_features },
	{ "get config request", { 7, 7, 7, 7 }, 0, EXACT, of_handle_get_config },
	{ "set config", { 9, 9, 9, 9 }, 4, EXACT, of_handle_set_config },
	{ "packet out", { 13, 13, 13, 13 }, 8, CHANGES, of_handle_packet_out },
	{ "flow mod", { 14, 14, 14, 14 }, 48, CHANGES | GATHERED, of_handle_flow_mod },
	{ "group mod", { NO, 15, 15, 15 }, 8, CHANGES, of_handle_group_mod },
	{ "port mod", { 15, 16, 16, 16 }, 24, CHANGES, of_handle_port_mod },
	{ "table mod", { NO, 17, 17, 17 }, 8, CHANGES, of_handle_table_mod },
	{ "barrier request", { 18, 20, 20, 20 }, 0, EXACT | BEHIND, of_handle_barrier },
	{ "queue get config request", { 20, 22, NO, NO }, 4, 0, of_handle_queue_config },
	{ "role request", { NO, 24, 24, 24 }, 16, EXACT, of_handle_role },
	{ "get async request", { NO, 26, 26, 26 }, 0, EXACT, of_handle_get_async },
	{ "set async", { NO, 28, 28, 28 }, 0, 0, of_handle_set_async },
	{ "meter mod", { NO, 29, 29, 29 }, 8, CHANGES, of_handle_meter_mod },
};

static const struct row nicira[] = {
	{ "role request", { 10, 10, 10, 10 }, 4, EXACT, of_handle_nx_role },
	{ "set flow format", { 12, NO, NO, NO }, 4, EXACT, of_handle_flow_format },
	{ "flow mod", { 13, 13, 13, 13 }, 32, CHANGES | GATHERED, of_handle_nx_flow_mod },
	{ "flow mod table id", { 15, 15, 15, 15 }, 8, EXACT, of_handle_table_id },
	{ "set packet in format", { 16, 16, 16, 16 }, 4, EXACT, of_handle_packet_format },
	{ "flow age", { 18, 18, 18, 18 }, 0, EXACT, of_handle_nothing },
	{ "set async config", { 19, 19, 19, 19 }, 24, EXACT, of_handle_nx_set_async },
	{ "set controller id", { 20, 20, 20, 20 }, 8, EXACT, of_handle_controller_id },
	{ "set async config 2", { 27, 27, NO, NO }, 0, 0, of_handle_nx_set_async2 },
	{ "group mod", { 31, NO, NO, NO }, 16, CHANGES, of_handle_group_mod },
};

static const struct row multiparts[] = {
	{ "desc", { 0, 0, 0, 0 }, 0, EXACT, of_handle_desc },
	{ "flow", { 1, 1, 1, 1 }, 40, COUNTED, of_handle_flow_stats },
	{ "aggregate", { 2, 2, 2, 2 }, 40, COUNTED, of_handle_aggregate },
	{ "table", { 3, 3, 3, 3 }, 0, EXACT | COUNTED, of_handle_table_stats },
	{ "port", { 4, 4, 4, 4 }, 8, EXACT | COUNTED, of_handle_port_stats },
	{ "queue", { 5, 5, 5, 5 }, 8, EXACT, of_handle_queue_stats },
	{ "group", { NO, 6, 6, 6 }, 8, EXACT | COUNTED, of_handle_group_stats },
	{ "group desc", { NO, 7, 7, 7 }, 0, 0, of_handle_group_desc },
	{ "group features", { NO, 8, 8, 8 }, 0, EXACT, of_handle_group_features },
	{ "meter", { NO, 9, 9, 9 }, 8, EXACT | COUNTED, of_handle_meter_stats },
	{ "meter config", { NO, 10, 10, 10 }, 8, EXACT, of_handle_meter_config },
	{ "meter features", { NO, 11, 11, 11 }, 0, EXACT, of_handle_meter_features },
	{ "table features", { NO, 12, 12, 12 }, 0, 0, of_handle_table_features },
	{ "port desc", { 13, 13, 13, 13 }, 0, 0, of_handle_port_desc },
	{ "table desc", { NO, NO, 14, 14 }, 0, EXACT, of_handle_table_desc },
	{ "queue desc", { NO, NO, 15, 15 }, 8, EXACT, of_handle_queue_desc },
};

static const struct row nicira_multiparts[] = {
	{ "flow", { 0, NO, NO, NO }, 8, COUNTED, of_handle_flow_stats },
	{ "aggregate", { 1, NO, NO, NO }, 8, COUNTED, of_handle_aggregate },
	{ "group", { 7, NO, NO, NO }, 8, EXACT | COUNTED, of_handle_group_stats },
	{ "group desc", { 8, NO, NO, NO }, 0, 0, of_handle_group_desc },
	{ "group features", { 9, NO, NO, NO }, 0, EXACT, of_handle_group_features },
};
/* clang-format on */

/* A kind of row: its table, and the error when there is none of a number. */
struct kind {
	const struct row *rows;
	size_t n;
	enum of_error unknown;
};

static const struct row *find_row(const struct kind *kind, uint8_t version, uint32_t number)
{
	unsigned column = version == OF10 ? 0 : version - OF13 + 1u;

	for (size_t i = 0; i < kind->n; i++)
		if (kind->rows[i].number[column] >= 0 &&
		    (uint32_t)kind->rows[i].number[column] == number)
			return &kind->rows[i];
	return NULL;
}

/* Moves the body behind a header of @n bytes. False: it is shorter. */
static bool skip(struct of_request *r, size_t n)
{
	if (r->body_len < n)
		return false;
	r->body += n;
	r->body_len -= n;
	return true;
}

static enum of_error read_vendor(struct of_request *r, struct kind *kind)
{
	r->vendor = be32_load(r->body - 8);
	r->subtype = be32_load(r->body - 4);
	if (r->vendor != VENDOR_NICIRA)
		return OFERR_BAD_EXPERIMENTER;
	kind->unknown = OFERR_BAD_EXP_TYPE;
	return OFERR_NONE;
}

static enum of_error read_multipart(struct of_request *r, struct kind *kind, uint32_t *number)
{
	enum of_error error;

	if (!skip(r, r->version == OF10 ? 4 : 8))
		return OFERR_BAD_LEN;
	*number = r->multipart = be16_load(r->message + OF_HEADER);
	r->flags = be16_load(r->message + OF_HEADER + 2);
	*kind = (struct kind){ multiparts, ARRAY_SIZE(multiparts), OFERR_BAD_MULTIPART };
	if (r->multipart != OF_MULTIPART_EXPERIMENTER)
		return OFERR_NONE;
	if (!skip(r, 8))
		return OFERR_BAD_LEN;
	*kind = (struct kind){ nicira_multiparts, ARRAY_SIZE(nicira_multiparts), 0 };
	error = read_vendor(r, kind);
	*number = r->subtype;
	if (!error && r->version == OF10 && !skip(r, 4))
		return OFERR_BAD_LEN;
	return error;
}

/* Finds out what @r is and where its body begins. */
static enum of_error identify(struct of_request *r, const struct row **row)
{
	struct kind kind = { messages, ARRAY_SIZE(messages), OFERR_BAD_TYPE };
	uint8_t multipart =
		r->version == OF10 ? OFT_MULTIPART_REQUEST_10 : OFT_MULTIPART_REQUEST_13;
	enum of_error error = OFERR_NONE;
	uint32_t number = r->type;

	if (r->type == OFT_EXPERIMENTER) {
		if (!skip(r, 8))
			return OFERR_BAD_LEN;
		kind = (struct kind){ nicira, ARRAY_SIZE(nicira), 0 };
		error = read_vendor(r, &kind);
		number = r->subtype;
	} else if (r->type == multipart) {
		error = read_multipart(r, &kind, &number);
	}
	if (error)
		return error;
	*row = find_row(&kind, r->version, number);
	return *row ? OFERR_NONE : kind.unknown;
}

static enum of_error check(const struct of_session *s, const struct of_request *r,
			   const struct row *row)
{
	if (r->body_len < row->least || (row->flags & EXACT && r->body_len > row->least))
		return OFERR_BAD_LEN;
	if (row->flags & CHANGES && s->role == ROLE_SLAVE)
		return OFERR_IS_SLAVE;
	return OFERR_NONE;
}

static void handle(struct of_session *s, const uint8_t *message, size_t len, bool counted);

static void handle_counted(struct of_session *s, const uint8_t *message, size_t len)
{
	handle(s, message, len, true);
}

/* Whether a message waits until the switch has settled. */
static bool must_wait(struct of_session *s, const struct row *row)
{
	bool packets_out = s->packets_out;

	if (row->flags & BEHIND)
		s->packets_out = false;
	return row->flags & COUNTED || (row->flags & BEHIND && packets_out);
}

static enum of_error carry_out(struct of_session *s, struct of_request *r, bool counted,
			       const struct row **row, struct error *err)
{
	enum of_error error = identify(r, row);

	assert(error || *row); /* each kind has an error for what is unknown */
	if (!error)
		error = check(s, r, *row);
	if (error)
		return error;
	if (!((*row)->flags & GATHERED))
		of_publish(s);
	if (!counted && must_wait(s, *row))
		return of_wait(s, r->message, r->len, handle_counted);
	return (*row)->handle(s, r, err);
}

/* Of a version that was not agreed upon: hello, errors and echoes are the same in all. */
static void handle_other_version(struct of_session *s, const struct of_request *r)
{
	if (r->type == OFT_ECHO_REQUEST)
		of_handle_echo(s, r, NULL);
	else if (r->type > OFT_ECHO_REPLY)
		of_refuse(s, r->message, r->len, OFERR_BAD_VERSION);
}

/* @counted: all that packets have done so far has been. */
static void handle(struct of_session *s, const uint8_t *message, size_t len, bool counted)
{
	struct of_request r = { .version = message[0],
				.type = message[1],
				.xid = be32_load(message + 4),
				.message = message,
				.len = len,
				.body = message + OF_HEADER,
				.body_len = len - OF_HEADER };
	const struct row *row = NULL;
	struct error err = { "" };
	enum of_error error;

	if (r.version != s->version) {
		handle_other_version(s, &r);
		return;
	}
	error = carry_out(s, &r, counted, &row, &err);
	if (!error)
		return;
	log_debug("%s: %s refused: %s%s%s", flows_bridge(s->bridge->flows),
		  row ? row->name : "message", of_error_name(error), *err.text ? ": " : "",
		  err.text);
	of_refuse(s, message, len, error);
}

void message_handle(struct of_session *s, const uint8_t *message, size_t len)
{
	if (s->bridge->snoop)
		s->bridge->snoop(s->bridge, message, len);
	if (!s->version)
		of_handle_first(s, message, len);
	else
		handle(s, message, len, false);
}
