// SPDX-License-Identifier: Apache-2.0
/* Translation: the learn action. What it makes its rule from is examined, so the rule is the same
 * for all packets of the plan, and is written out in the step.
 */
#include <string.h>

#include "flow/translate_private.h"

#define LEARN_WORK 64 /* as many actions: the rule is looked at field by field */
#define ACTION_LEN(what) ((sizeof(what) + 7) & ~(size_t)7)

/* Bytes that the actions of the rule take. */
static size_t actions_len(const struct action_learn *learn)
{
	size_t len = 0;

	if (learn->fin_idle_timeout || learn->fin_hard_timeout)
		len += ACTION_LEN(struct action_fin_timeout);
	for (uint32_t i = 0; i < learn->n_specs; i++) {
		if (learn->specs[i].kind == LEARN_LOAD_FIELD ||
		    learn->specs[i].kind == LEARN_LOAD_VALUE)
			len += ACTION_LEN(struct action_set_field);
		else if (learn->specs[i].kind == LEARN_OUTPUT)
			len += ACTION_LEN(struct action_output);
	}
	return len;
}

static void *begin(struct plan_learn *step, enum action_kind kind, size_t len)
{
	struct action *action = (void *)((uint8_t *)(step + 1) + step->actions_len);

	action->kind = (uint16_t)kind;
	action->len = (uint32_t)len;
	step->actions_len += (uint32_t)len;
	return action;
}

static void learn_load(struct plan_learn *step, const struct subfield *to, u128 value)
{
	struct action_set_field *action = begin(step, ACTION_SET_FIELD, ACTION_LEN(*action));
	u128 ones = to->n_bits >= 128 ? ~(u128)0 : ((u128)1 << to->n_bits) - 1;

	action->field = to->field;
	action->mask = ones << to->first;
	action->value = (value & ones) << to->first;
	action->style = SET_STYLE_LOAD;
}

static void learn_match(struct plan_learn *step, const struct subfield *to, u128 value)
{
	u128 ones = to->n_bits >= 128 ? ~(u128)0 : ((u128)1 << to->n_bits) - 1;

	if (to->field->id == FIELD_in_port && ones == UINT16_MAX) { /* a port of 32 bits */
		ones = UINT32_MAX;
		value &= UINT16_MAX;
		if (value >> 8 == 0xff)
			value |= 0xffff0000u;
	}
	match_set(&step->match, to->field, (value & ones) << to->first, ones << to->first);
}

/* Other ports say nothing. */
static void learn_output(struct plan_learn *step, u128 value)
{
	uint32_t port = (uint32_t)value;

	if (value <= UINT16_MAX && port >= (OFPORT_MAX & UINT16_MAX))
		port |= 0xffff0000u;
	else if (value > UINT32_MAX)
		return;
	if (port < OFPORT_MAX || port == OFPORT_IN_PORT || port == OFPORT_FLOOD ||
	    port == OFPORT_LOCAL || port == OFPORT_ALL) {
		struct action_output *action = begin(step, ACTION_OUTPUT, ACTION_LEN(*action));

		action->port = port;
	}
}

static void learn_spec(struct translation *t, struct plan_learn *step,
		       const struct learn_spec *spec)
{
	switch (spec->kind) {
	case LEARN_MATCH_FIELD:
		learn_match(step, &spec->to, translate_read(t, &spec->from));
		break;
	case LEARN_MATCH_VALUE:
		learn_match(step, &spec->to, spec->value);
		break;
	case LEARN_LOAD_FIELD:
		learn_load(step, &spec->to, translate_read(t, &spec->from));
		break;
	case LEARN_LOAD_VALUE:
		learn_load(step, &spec->to, spec->value);
		break;
	case LEARN_OUTPUT:
		learn_output(step, translate_read(t, &spec->from));
		break;
	default:
		break;
	}
}

#define SEEN_BY_WORK 4 /* rules: so all that a bridge may have can be looked at once */

struct counting {
	uint64_t cookie;
	uint32_t n, limit;
	size_t n_seen;
};

static bool count_rule(void *arg, struct rule *rule)
{
	struct counting *c = arg;

	c->n_seen++;
	c->n += rule->cookie == c->cookie;
	return c->n < c->limit;
}

/* Whether there is room for the rule, or it is there already, in this version of the pipeline. One
 * of another cookie is not it: in its place there would be one more. */
static bool has_room(struct translation *t, const struct action_learn *learn,
		     const struct match *match)
{
	struct counting c = { .cookie = learn->cookie, .limit = learn->limit };
	const struct rule *old;

	if (!learn->limit)
		return true;
	old = pipeline_find_rule(t->p, learn->table, learn->priority, match);
	if (old && old->cookie == learn->cookie)
		return true;
	pipeline_each_rule(t->p, learn->table, NULL, count_rule, &c);
	return translate_work(t, c.n_seen / SEEN_BY_WORK) && c.n < c.limit;
}

/* A value of the packet's may take the place of one that another field needs, as a protocol: then
 * there is no rule to be made. */
static bool makes_sense(struct translation *t, const struct match *match)
{
	struct error err = { "" };

	if (!match_check(match, &err))
		return true;
	translate_note(t, "nothing is learned: %s", err.text);
	return false;
}

NEVER_INLINE void translate_learn(struct translation *t, const struct action_learn *learn)
{
	uint32_t begin_at = t->out->steps_len;
	struct plan_learn *step;
	bool sense;

	if (!translate_work(t, LEARN_WORK))
		return;
	step = translate_step(t, PLAN_LEARN, sizeof(*step) + actions_len(learn), sizeof(*step));
	if (!step)
		return;
	step->learn = learn;
	step->teacher = t->rule;
	step->asked = step->asked_ms = 0;
	match_init(&step->match);
	if (learn->fin_idle_timeout || learn->fin_hard_timeout) {
		struct action_fin_timeout *fin = begin(step, ACTION_FIN_TIMEOUT, ACTION_LEN(*fin));

		fin->idle = learn->fin_idle_timeout;
		fin->hard = learn->fin_hard_timeout;
	}
	for (uint32_t i = 0; i < learn->n_specs; i++)
		learn_spec(t, step, &learn->specs[i]);
	sense = makes_sense(t, &step->match);
	if (learn->has_result)
		translate_write_sub(t, &learn->result, sense && has_room(t, learn, &step->match));
	if (!sense) {
		t->out->steps_len = begin_at;
		t->last = NO_STEP;
	}
}
