/* SPDX-License-Identifier: Apache-2.0 */
/* The reference: what must become of a packet, by carrying out rules one after the other, as
 * OpenFlow 1.5.1 and ovs-actions(7) say. It looks through an array of rules, changes the bytes of
 * the frame at once, and knows nothing of examined bits, plans or caches.
 */
#pragma once

#include "records.h"
#include "rules.h"

#define CREDITS_MAX 2048
#define CHOICES_MAX 12

/* Where a hash decides, any of the choices is right, but it is always the same one. */
struct choices {
	unsigned n;
	uint8_t options[CHOICES_MAX], picked[CHOICES_MAX];
};

/* The next combination of those that the last run came to; false: that was the last one. */
bool choices_next(struct choices *c);

#define LESSONS_MAX 64

struct reference_result {
	struct records records;
	unsigned n_credits;
	unsigned n_conjunctions; /* that were met */
	struct expect *credits[CREDITS_MAX];
	/* What is learned: what a meter drops teaches, too, for it is asked when the packet goes
	 * its way, and that is when it is known what it teaches. */
	unsigned n_lessons;
	struct record lessons[LESSONS_MAX];
	bool unsure; /* something happened that the reference does not say anything about */
};

/* What the @n-th meter that a packet comes by does with it; @frame: as it came in; @remarks: it has
 * bands that do that. *@levels: of METER_REMARK. */
enum meter_verdict meter_says(bool remarks, const struct frame *frame, unsigned n, uint8_t *levels);
/* Raises the drop precedence of an assured-forwarding DSCP (RFC 2597). */
uint8_t reference_remark(uint8_t tos, unsigned levels);

/* What asks the meters; NULL: meter_says(). */
extern enum meter_verdict (*reference_meter)(uint32_t id, uint32_t len, uint8_t *levels);

/* Says which rules are met. */
extern bool reference_tell;

/* @choices: picked says what to choose; n and options are set. */
void reference_run(const struct world *w, const struct frame *frame, uint32_t in_port,
		   struct choices *choices, struct reference_result *out);
