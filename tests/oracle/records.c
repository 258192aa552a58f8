// SPDX-License-Identifier: Apache-2.0
/* What happens to packets (see records.h). */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "flow/action.h"
#include "records.h"

void record_put(struct record *record, unsigned kind, uint32_t what, u128 value, u128 mask)
{
	struct frame *out = &record->frame;
	uint8_t *at = out->bytes + out->len;

	assert(out->len + 37 <= FRAME_MAX);
	at[0] = (uint8_t)kind;
	memcpy(at + 1, &what, 4);
	memcpy(at + 5, &value, 16);
	memcpy(at + 21, &mask, 16);
	out->len += 37;
}

void record_describe(struct record *record, const uint8_t *actions, size_t len)
{
	record->frame.len = 0;
	ACTIONS_FOR_EACH(a, actions, len)
	{
		const struct action_set_field *set = (const void *)a;

		if (a->kind == ACTION_OUTPUT)
			record_put(record, 1, OFPORT_NONE, ((const struct action_output *)a)->port,
				   0);
		else
			record_put(record, 0, set->field->id, set->value, set->mask);
	}
}

const char *records_differ(const struct records *a, const struct records *b)
{
	if (a->n != b->n)
		return "how much happens";
	for (unsigned i = 0; i < a->n; i++) {
		const struct record *x = &a->list[i], *y = &b->list[i];

		if (x->kind != y->kind)
			return "what happens";
		if (memcmp(x, y, offsetof(struct record, frame)))
			return x->kind == RECORD_OUTPUT ? "port or queue" : "what it is told";
		/* what stands before it shows later what the packet is like */
		if (x->kind == RECORD_METER || x->kind == RECORD_FIN)
			continue;
		if (x->frame.len != y->frame.len)
			return "length";
		if (memcmp(x->frame.bytes, y->frame.bytes, x->frame.len))
			return "bytes";
	}
	return NULL;
}

void records_say(const char *whose, const struct records *r)
{
	printf("%s:\n", whose);
	for (unsigned i = 0; i < r->n; i++) {
		printf("  kind %u port %u queue %u len %u:", r->list[i].kind, r->list[i].port,
		       r->list[i].queue, r->list[i].frame.len);
		for (unsigned b = 0; b < r->list[i].frame.len; b++)
			printf("%s%02x", b % 4 ? "" : " ", r->list[i].frame.bytes[b]);
		printf("\n");
	}
}

void records_say_difference(const struct records *is, const struct records *should)
{
	for (unsigned r = 0; r < is->n && r < should->n; r++) {
		const uint8_t *a = (const uint8_t *)&is->list[r];
		const uint8_t *b = (const uint8_t *)&should->list[r];

		for (size_t i = 0; i < offsetof(struct record, frame); i++)
			if (a[i] != b[i])
				printf("  byte %zu of a record (%zd of its key): %02x, not %02x\n",
				       i, i - offsetof(struct record, match.key), a[i], b[i]);
	}
}
