// SPDX-License-Identifier: Apache-2.0
/* Plans on real packets (see carry.h). */
#include <assert.h>
#include <string.h>

#include "carry.h"
#include "flow/rewrite.h"
#include "packet/parse.h"
#include "reference_private.h"

struct course {
	struct pkt pkt;
	struct iovec rest;
	const struct frame *frame; /* as it came in */
	struct records *out;
	uint32_t queue;
	unsigned n_meters, n_saved;
	struct rewrite_saved saved[PLAN_SAVES_MAX];
};

static struct record *record(struct course *c, enum record_kind kind)
{
	struct record *r = &c->out->list[c->out->n++];

	assert(c->out->n <= RECORDS_MAX);
	memset(r, 0, offsetof(struct record, frame));
	r->kind = kind;
	assert(c->pkt.len <= FRAME_MAX);
	pkt_copy(&c->pkt, r->frame.bytes);
	r->frame.len = c->pkt.len;
	return r;
}

static void output(struct course *c, const struct plan_output *s)
{
	struct rewrite_saved whole;
	struct record *r;

	rewrite_save(&c->pkt, &whole);
	if (s->max_len)
		assert(rewrite_truncate(&c->pkt, s->max_len));
	r = record(c, RECORD_OUTPUT);
	r->port = s->step.arg;
	r->queue = c->queue;
	rewrite_restore(&c->pkt, &whole);
}

static void to_controller(struct course *c, const struct plan_controller *s)
{
	struct record *r = record(c, RECORD_CONTROLLER);
	unsigned n = 0;

	r->port = s->step.arg;
	r->rule = s->rule;
	r->cookie = s->cookie;
	r->max_len = s->max_len;
	r->reason = s->reason;
	r->table = s->table;
	r->userdata_len = (uint8_t)s->userdata_len;
	for (uint64_t map = s->map; map; map &= map - 1)
		r->match.key.words[FLOW_KEY_PACKET_WORDS + __builtin_ctzll(map)] = s->words[n++];
	for (unsigned i = 0; i < s->userdata_len; i++)
		assert(((const uint8_t *)&s->words[n])[i] == 7);
}

static void learn(struct course *c, const struct plan_learn *s)
{
	struct record *r = record(c, RECORD_LEARN);

	r->rule = s->teacher;
	r->cookie = s->learn->cookie;
	r->table = s->learn->table;
	r->match = s->match;
	r->port = s->learn->priority;
	record_describe(r, (const uint8_t *)s + s->step.arg, s->actions_len);
}

/* Bytes to go on. */
static uint32_t meter(struct course *c, const struct plan_meter *s)
{
	uint8_t levels;

	record(c, RECORD_METER)->port = s->meter->id;
	switch (meter_says(meter_remarks(s->meter), c->frame, c->n_meters++, &levels)) {
	case METER_PASS:
		break;
	case METER_REMARK:
		rewrite_remark(&c->pkt, levels);
		break;
	case METER_DROP:
		return s->step.arg ? s->step.arg : UINT32_MAX;
	}
	return s->step.len;
}

static void rewrite(struct course *c, const struct plan_step *s)
{
	switch (s->kind) {
	case PLAN_REWRITE:
		rewrite_fields(&c->pkt, (const struct plan_rewrite *)s);
		break;
	case PLAN_PUSH_VLAN:
		assert(rewrite_push_vlan(&c->pkt, (uint16_t)(s->arg >> 16), (uint16_t)s->arg));
		break;
	case PLAN_POP_VLAN:
		rewrite_pop_vlan(&c->pkt);
		break;
	case PLAN_PUSH_MPLS:
		assert(rewrite_push_mpls(
			&c->pkt, (uint16_t)((const struct plan_push_mpls *)s)->ethertype, s->arg));
		break;
	case PLAN_POP_MPLS:
		rewrite_pop_mpls(&c->pkt, (uint16_t)s->arg);
		break;
	case PLAN_SAVE:
		assert(c->n_saved < PLAN_SAVES_MAX);
		rewrite_save(&c->pkt, &c->saved[c->n_saved++]);
		break;
	case PLAN_RESTORE:
		assert(c->n_saved);
		rewrite_restore(&c->pkt, &c->saved[--c->n_saved]);
		break;
	case PLAN_QUEUE:
		c->queue = s->arg;
		break;
	default:
		assert(s->kind == PLAN_DROP);
		break;
	}
}

void carry_out_plan(const uint8_t *steps, uint32_t steps_len, const struct frame *frame,
		    struct records *out)
{
	static struct course c; /* large */
	uint32_t next;

	c.frame = frame;
	c.out = out;
	c.queue = UINT32_MAX;
	c.n_meters = c.n_saved = out->n = 0;
	pkt_init_single(&c.pkt, &c.rest, frame->bytes, frame->len);
	pkt_parse(&c.pkt);
	for (uint32_t at = 0; at < steps_len; at += min(next, steps_len - at)) {
		const struct plan_step *s = (const void *)(steps + at);

		next = s->len;
		if (s->kind == PLAN_OUTPUT)
			output(&c, (const void *)s);
		else if (s->kind == PLAN_NORMAL)
			record(&c, RECORD_NORMAL);
		else if (s->kind == PLAN_CONTROLLER)
			to_controller(&c, (const void *)s);
		else if (s->kind == PLAN_LEARN)
			learn(&c, (const void *)s);
		else if (s->kind == PLAN_FIN_TIMEOUT)
			record(&c, RECORD_FIN)->rule = ((const struct plan_fin_timeout *)s)->rule;
		else if (s->kind == PLAN_METER)
			next = meter(&c, (const void *)s);
		else
			rewrite(&c, s);
	}
}
