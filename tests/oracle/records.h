/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to a packet: lists that are compared. */
#pragma once

#include "flow/rule.h"
#include "frame.h"

#define RECORDS_MAX 512

enum record_kind {
	RECORD_OUTPUT,
	RECORD_NORMAL,
	RECORD_CONTROLLER,
	RECORD_LEARN,
	RECORD_FIN,
	RECORD_METER
};

/* Something that happens to a packet. */
struct record {
	enum record_kind kind;
	uint32_t port;	  /* or controller, meter, priority of a rule that is learned */
	uint32_t max_len; /* of a controller's copy */
	uint32_t queue;	  /* OUTPUT */
	uint8_t reason, table;
	const struct rule *rule;
	uint64_t cookie;
	/* CONTROLLER: of the key at this moment what is not of the packet. LEARN: of the rule that
	 * is made; its actions are the bytes. */
	struct match match;
	uint8_t userdata_len;
	struct frame frame;
};

struct records {
	unsigned n;
	struct record list[RECORDS_MAX];
};

/* Something that a rule which is learned does, as bytes that can be compared: sets bits of field
 * @what (@kind 0), or outputs to port @value (1). */
void record_put(struct record *record, unsigned kind, uint32_t what, u128 value, u128 mask);
/* All that such a rule does. */
void record_describe(struct record *record, const uint8_t *actions, size_t len);

/* In what they differ; NULL: they are the same. */
const char *records_differ(const struct records *a, const struct records *b);
/* For people. */
void records_say(const char *whose, const struct records *r);
void records_say_difference(const struct records *is, const struct records *should);
