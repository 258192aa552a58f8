/* SPDX-License-Identifier: Apache-2.0 */
/* The reference: what must become of a packet, by carrying out rules one after the other, as
 * OpenFlow 1.5.1 and ovs-actions(7) say. It looks through an array of rules, changes the bytes of
 * the frame at once, and knows nothing of examined bits, plans or caches.
 */
#pragma once

#include "rules.h"

#define RECORDS_MAX 512
#define CREDITS_MAX 2048
#define CHOICES_MAX 12

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
	uint32_t port;	  /* or controller, meter */
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

/* Where a hash decides, any of the choices is right, but it is always the same one. */
struct choices {
	unsigned n;
	uint8_t options[CHOICES_MAX], picked[CHOICES_MAX];
};

struct reference_result {
	struct records records;
	unsigned n_credits;
	unsigned n_conjunctions; /* that were met */
	struct expect *credits[CREDITS_MAX];
	bool unsure; /* something happened that the reference does not say anything about */
};

/* What the @n-th meter that a packet comes by does with it; @frame: as it came in. *@levels: of
 * METER_REMARK. */
enum meter_verdict meter_says(const struct frame *frame, unsigned n, uint8_t *levels);
/* Raises the drop precedence of an assured-forwarding DSCP (RFC 2597). */
uint8_t reference_remark(uint8_t tos, unsigned levels);

/* Says which rules are met. */
extern bool reference_tell;

/* @choices: picked says what to choose; n and options are set. */
void reference_run(const struct world *w, const struct frame *frame, uint32_t in_port,
		   struct choices *choices, struct reference_result *out);
