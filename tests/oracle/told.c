// SPDX-License-Identifier: Apache-2.0
/* Stories on real packets (see told.h). */
#include <assert.h>
#include <linux/if_ether.h>
#include <string.h>

#include "flow/plan.h"
#include "reference_private.h"
#include "told.h"

struct reading {
	struct frame frame, start;
	struct records *out;
	uint32_t queue;
	unsigned n_meters, n_saved;
	struct frame saved[PLAN_SAVES_MAX];
};

static uint32_t number(const json_t *step, const char *name)
{
	const json_t *value = json_object_get(step, name);

	assert(json_is_integer(value));
	return (uint32_t)json_integer_value(value);
}

static const char *word(const json_t *step, const char *name)
{
	const char *text = json_string_value(json_object_get(step, name));

	assert(text);
	return text;
}

static bool is(const json_t *step, const char *name)
{
	return !strcmp(word(step, "step"), name);
}

static struct record *record(struct reading *r, enum record_kind kind)
{
	struct record *record = &r->out->list[r->out->n++];

	assert(r->out->n <= RECORDS_MAX);
	memset(record, 0, offsetof(struct record, frame));
	record->kind = kind;
	record->frame = r->frame;
	return record;
}

static void output(struct reading *r, const json_t *step)
{
	struct record *out = record(r, RECORD_OUTPUT);

	out->port = number(step, "port");
	out->queue = r->queue;
	if (json_object_get(step, "max_len")) {
		uint32_t most = max(number(step, "max_len"), (uint32_t)ETH_HLEN);

		out->frame.len = min(out->frame.len, most);
	}
}

static void to_controller(struct reading *r, const json_t *step)
{
	static const char *const reasons[] = { "no_match", "action", "invalid_ttl", "action_set",
					       "group" };
	struct record *out = record(r, RECORD_CONTROLLER);

	out->port = number(step, "id");
	out->max_len = number(step, "max_len");
	while (strcmp(word(step, "reason"), reasons[out->reason]) != 0)
		assert(++out->reason < ARRAY_SIZE(reasons));
}

static void learn(struct reading *r, const json_t *step)
{
	struct record *out = record(r, RECORD_LEARN);

	out->port = number(step, "priority");
	out->table = (uint8_t)number(step, "table");
}

/* Fields as text: "nw_ttl": "63". */
static void set(struct reading *r, const json_t *step)
{
	struct flow_key key = { 0 };
	struct error err = { "" };
	const char *name;
	json_t *text;

	frame_key(&r->frame, 0, &key);
	json_object_foreach (json_object_get(step, "fields"), name, text) {
		const struct field *field = field_find(name, strlen(name));
		u128 value, mask;

		assert(field && !field_parse(field, json_string_value(text), &value, &mask, &err));
		field_set(field, &key, value, mask);
	}
	frame_patch(&r->frame, &key);
}

static void remark(struct reading *r, unsigned levels)
{
	struct flow_key key = { 0 };

	frame_key(&r->frame, 0, &key);
	key.nw_tos = reference_remark(key.nw_tos, levels);
	frame_patch(&r->frame, &key);
}

/* False: the packet, or the copy, is dropped. */
static bool meter(struct reading *r, const json_t *step)
{
	uint8_t levels;

	record(r, RECORD_METER)->port = number(step, "id");
	switch (meter_says(json_is_true(json_object_get(step, "remarks")), &r->start, r->n_meters++,
			   &levels)) {
	case METER_REMARK:
		remark(r, levels);
		return true;
	case METER_PASS:
		return true;
	default:
		return false;
	}
}

static void push(struct reading *r, const json_t *step)
{
	bool vlan = is(step, "push_vlan");
	uint32_t at = vlan ? 12 : frame_network(&r->frame);

	frame_insert(&r->frame, at, 4);
	if (vlan) {
		frame_store16(&r->frame, at, (uint16_t)number(step, "tpid"));
		frame_store16(&r->frame, at + 2,
			      (uint16_t)(number(step, "pcp") << 13 | number(step, "vid")));
		return;
	}
	frame_store16(&r->frame, at - 2, (uint16_t)number(step, "ethertype"));
	frame_store32(&r->frame, at,
		      number(step, "label") << 12 | number(step, "tc") << 9 |
			      number(step, "bos") << 8 | number(step, "ttl"));
}

static void pop(struct reading *r, const json_t *step)
{
	uint32_t at = is(step, "pop_vlan") ? 12 : frame_network(&r->frame);

	frame_remove(&r->frame, at, 4);
	if (is(step, "pop_mpls"))
		frame_store16(&r->frame, at - 2, (uint16_t)number(step, "ethertype"));
}

static void copy(struct reading *r, bool begins)
{
	assert(begins ? r->n_saved < PLAN_SAVES_MAX : r->n_saved > 0);
	if (begins)
		r->saved[r->n_saved++] = r->frame;
	else
		r->frame = r->saved[--r->n_saved];
}

/* False: what follows, up to the end of the copy, is not for this packet. */
static bool take(struct reading *r, const json_t *step)
{
	if (is(step, "set"))
		set(r, step);
	else if (is(step, "output"))
		output(r, step);
	else if (is(step, "controller"))
		to_controller(r, step);
	else if (is(step, "normal"))
		record(r, RECORD_NORMAL);
	else if (is(step, "learn"))
		learn(r, step);
	else if (is(step, "fin_timeout"))
		record(r, RECORD_FIN);
	else if (is(step, "meter"))
		return meter(r, step);
	else if (is(step, "queue"))
		r->queue = number(step, "id");
	else if (is(step, "save") || is(step, "restore"))
		copy(r, is(step, "save"));
	else if (!strncmp(word(step, "step"), "push_", 5))
		push(r, step);
	else if (!strncmp(word(step, "step"), "pop_", 4))
		pop(r, step);
	else
		assert(is(step, "drop"));
	return true;
}

void told_carry_out(const json_t *story, const struct frame *frame, struct records *out)
{
	static struct reading r; /* large */
	unsigned depth = 0;	 /* of copies in what is left out */
	bool dead = false;
	json_t *step;
	size_t i;

	r.frame = r.start = *frame;
	r.out = out;
	r.queue = UINT32_MAX;
	r.n_meters = r.n_saved = out->n = 0;
	json_array_foreach (json_object_get(story, "steps"), i, step) {
		if (dead && is(step, "save"))
			depth++;
		if (dead && is(step, "restore")) {
			dead = depth > 0;
			depth -= dead;
		}
		if (!dead)
			dead = !take(&r, step);
	}
}

const char *told_differs(const struct records *told, const struct records *is)
{
	if (told->n != is->n)
		return "the story: how much happens";
	for (unsigned i = 0; i < is->n; i++) {
		const struct record *x = &told->list[i], *y = &is->list[i];

		if (x->kind != y->kind)
			return "the story: what happens";
		if (x->port != y->port || (x->kind == RECORD_LEARN && x->table != y->table))
			return "the story: where it goes";
		if (x->queue != y->queue || x->max_len != y->max_len || x->reason != y->reason)
			return "the story: how it goes";
		if (x->kind != RECORD_OUTPUT && x->kind != RECORD_NORMAL &&
		    x->kind != RECORD_CONTROLLER)
			continue;
		if (x->frame.len != y->frame.len ||
		    memcmp(x->frame.bytes, y->frame.bytes, x->frame.len) != 0)
			return "the story: bytes";
	}
	return NULL;
}
