// SPDX-License-Identifier: Apache-2.0
/* Translation: steps. What actions change in the key becomes a step right before the packet leaves;
 * headers are put aside only for copies that change them; what serves no output is cut off.
 */
#include <string.h>

#include "flow/translate_private.h"

static void *append(struct translation *t, enum plan_kind kind, size_t len, uint32_t arg)
{
	struct plan_draft *out = t->out;
	struct plan_step *step = (void *)(out->steps + out->steps_len);

	len = (len + 7) & ~(size_t)7;
	if (t->stopped)
		return NULL;
	if (len > UINT16_MAX || len > PLAN_STEPS_MAX - out->steps_len) {
		translate_stop(t, "more than 64 kB of steps");
		return NULL;
	}
	memset(step, 0, len);
	step->kind = (uint16_t)kind;
	step->len = (uint16_t)len;
	step->arg = arg;
	t->last = out->steps_len;
	out->steps_len += (uint32_t)len;
	return step;
}

/* The packet is about to change: the innermost copy needs its headers back when it ends. (Those
 * around it will put aside theirs when they change something themselves.) */
static void save(struct translation *t)
{
	struct translate_copy *copy = t->copy;

	if (!copy || copy->save_at != NO_STEP)
		return;
	if (t->n_saved == PLAN_SAVES_MAX) {
		translate_stop(t, "more than 8 clones and buckets that change the packet within "
				  "each other");
		return;
	}
	copy->save_at = t->out->steps_len;
	append(t, PLAN_SAVE, sizeof(struct plan_step), 0);
	t->n_saved++;
}

void *translate_step(struct translation *t, enum plan_kind kind, size_t len, uint32_t arg)
{
	switch (kind) {
	case PLAN_REWRITE:
	case PLAN_PUSH_VLAN:
	case PLAN_POP_VLAN:
	case PLAN_PUSH_MPLS:
	case PLAN_POP_MPLS:
	case PLAN_METER: /* may remark; and what it drops is only the copy */
		save(t);
		break;
	default:
		break;
	}
	return append(t, kind, len, arg);
}

/* The step before, when it is a push, takes what was written to its header since. */
static void amend_push(struct translation *t)
{
	struct translate_state *s = &t->s;
	struct plan_step *last;

	if (t->last == NO_STEP)
		return;
	last = (void *)(t->out->steps + t->last);
	if (last->kind == PLAN_PUSH_VLAN) {
		last->arg = (uint32_t)s->key.vlan[0].tpid << 16 |
			    (s->key.vlan[0].tci & ~FLOW_VLAN_PRESENT & 0xffff);
		s->dirty.vlan[0].tci = 0;
	} else if (last->kind == PLAN_PUSH_MPLS) {
		last->arg = s->key.mpls_lse[0];
		s->dirty.mpls_lse[0] = 0;
	}
}

static NEVER_INLINE void rewrite(struct translation *t, uint64_t map)
{
	unsigned n = (unsigned)__builtin_popcountll(map), i = 0;
	struct plan_rewrite *step;

	step = translate_step(t, PLAN_REWRITE, sizeof(*step) + n * sizeof(step->words[0]), 0);
	if (!step)
		return;
	step->map = map;
	for (; map; map &= map - 1, i++) {
		unsigned w = (unsigned)__builtin_ctzll(map);

		step->words[i].mask = t->s.dirty.words[w];
		step->words[i].value = t->s.key.words[w] & t->s.dirty.words[w];
		t->s.dirty.words[w] = 0;
	}
}

void translate_commit(struct translation *t)
{
	uint64_t map = 0;

	amend_push(t);
	for (unsigned w = 0; w < FLOW_KEY_PACKET_WORDS; w++)
		if (t->s.dirty.words[w])
			map |= 1ull << w;
	if (map)
		rewrite(t, map);
}

void translate_send(struct translation *t, uint32_t port, uint32_t max_len)
{
	const struct pipeline_port *to = pipeline_port(t->p, port);
	struct plan_output *step;

	if (!to) {
		translate_note(t, "there is no port %u", port);
		translate_reason(t, DROP_no_such_port);
		return;
	}
	if (to->no_forward) {
		translate_note(t, "port %u forwards nothing (no-forward)", port);
		translate_reason(t, DROP_flow_port);
		return;
	}
	translate_commit(t);
	if (t->s.queue != t->queue_sent) {
		translate_step(t, PLAN_QUEUE, sizeof(struct plan_step), t->s.queue);
		t->queue_sent = t->s.queue;
	}
	step = translate_step(t, PLAN_OUTPUT, sizeof(*step), port);
	if (step)
		step->max_len = max_len;
}

NEVER_INLINE void translate_copy_begin(struct translation *t, struct translate_copy *copy)
{
	translate_commit(t); /* once, and not in the copy and behind it again */
	copy->outer = t->copy;
	copy->save_at = NO_STEP;
	copy->state = t->s;
	t->copy = copy;
	t->last = NO_STEP; /* it is not the copy's */
	if (++t->n_copies > TRANSLATE_COPIES_MAX)
		translate_stop(t, "more than 64 clones and buckets within each other");
}

NEVER_INLINE void translate_copy_end(struct translation *t, struct translate_copy *copy)
{
	uint32_t at = copy->save_at, end = t->out->steps_len;
	bool metered = false;

	t->s = copy->state;
	t->copy = copy->outer;
	t->n_copies--;
	if (at == NO_STEP)
		return;
	t->n_saved--;
	if (!append(t, PLAN_RESTORE, sizeof(struct plan_step), 0))
		return;
	while (at < end) {
		struct plan_step *step = (void *)(t->out->steps + at);

		if (step->kind == PLAN_METER && !step->arg)
			step->arg = end - at;
		/* what a meter has dropped does not come to this */
		if (step->kind == PLAN_QUEUE && metered)
			t->queue_sent = QUEUE_OPEN;
		metered |= step->kind == PLAN_METER;
		at += step->len;
	}
}

/* Whether something happens at a step that can be noticed elsewhere. */
static bool has_effect(enum plan_kind kind)
{
	switch (kind) {
	case PLAN_OUTPUT:
	case PLAN_NORMAL:
	case PLAN_CONTROLLER:
	case PLAN_METER:
	case PLAN_LEARN:
	case PLAN_DROP:
	case PLAN_FIN_TIMEOUT:
		return true;
	default:
		return false;
	}
}

static void take_away(struct plan_draft *out, uint32_t at, uint32_t len)
{
	memmove(out->steps + at, out->steps + at + len, out->steps_len - at - len);
	out->steps_len -= len;
}

/* Meters that go on at what has been cut off go on nowhere. */
static void shorten_meters(struct plan_draft *out)
{
	for (uint32_t at = 0; at < out->steps_len;) {
		struct plan_step *step = (void *)(out->steps + at);

		if (step->kind == PLAN_METER && step->arg >= out->steps_len - at)
			step->arg = 0;
		at += step->len;
	}
}

void translate_trim(struct plan_draft *out)
{
	uint32_t saves[PLAN_SAVES_MAX] = { 0 }, n = 0, end = 0;

	PLAN_FOR_EACH(step, out->steps, out->steps_len)
	if (has_effect(step->kind))
		end = (uint32_t)((const uint8_t *)step - out->steps) + step->len;
	out->steps_len = end;
	out->n_saves = 0;
	PLAN_FOR_EACH(step, out->steps, end)
	{
		if (step->kind == PLAN_SAVE)
			saves[n++] = (uint32_t)((const uint8_t *)step - out->steps);
		else if (step->kind == PLAN_RESTORE)
			n--;
		if (n > out->n_saves)
			out->n_saves = n;
	}
	/* what is left was put aside for nothing */
	while (n)
		take_away(out, saves[--n], sizeof(struct plan_step));
	n = out->n_saves = 0;
	PLAN_FOR_EACH(step, out->steps, out->steps_len)
	{
		n += step->kind == PLAN_SAVE;
		n -= step->kind == PLAN_RESTORE;
		if (n > out->n_saves)
			out->n_saves = n;
	}
	shorten_meters(out);
}
