// SPDX-License-Identifier: Apache-2.0
/* Text of the learn action: settings, and what the learned rule matches and does. */
#include <errno.h>
#include <strings.h>

#include "flow/action_private.h"

#define DEFAULT_PRIORITY 32768
#define DEFAULT_TABLE 1

/* ---- reading */

struct learning {
	struct action_parse *p;
	uint32_t at; /* of the action in the list: it moves as it grows */
};

static struct action_learn *learn_of(struct learning *l)
{
	return (void *)(l->p->list->bytes + l->at);
}

struct learn_spec *action_learn_add(struct action_list *list, uint32_t at)
{
	struct action_learn *learn;
	struct learn_spec *spec = actions_append(list, ACTION_LEARN, sizeof(*spec));

	_Static_assert(sizeof(*spec) % 8 == 0, "it follows the others");
	if (!spec)
		return NULL;
	memset(spec, 0, sizeof(*spec)); /* no action of its own */
	learn = (void *)(list->bytes + at);
	learn->n_specs++;
	learn->action.len = list->len - at;
	return spec;
}

static int add(struct learning *l, const struct learn_spec *from)
{
	struct learn_spec *spec = action_learn_add(l->p->list, l->at);

	if (!spec)
		return error_set(l->p->err, -ENOMEM, "too many actions");
	spec->kind = from->kind;
	subfield_copy(&spec->from, &from->from);
	subfield_copy(&spec->to, &from->to);
	spec->value = from->value;
	return 0;
}

/* The number of a setting, or -ENOENT: it is none. */
static int parse_number_setting(struct learning *l, const char *name, const char *value)
{
	static const struct {
		const char *name;
		size_t offset;
	} settings[] = {
		{ "idle_timeout", offsetof(struct action_learn, idle_timeout) },
		{ "hard_timeout", offsetof(struct action_learn, hard_timeout) },
		{ "priority", offsetof(struct action_learn, priority) },
		{ "fin_idle_timeout", offsetof(struct action_learn, fin_idle_timeout) },
		{ "fin_hard_timeout", offsetof(struct action_learn, fin_hard_timeout) },
	};
	uint32_t number;

	for (unsigned i = 0; i < ARRAY_SIZE(settings); i++) {
		if (strcmp(settings[i].name, name))
			continue;
		if (action_parse_u32(value, UINT16_MAX, name, &number, l->p->err))
			return -EINVAL;
		*(uint16_t *)((uint8_t *)learn_of(l) + settings[i].offset) = (uint16_t)number;
		return 0;
	}
	return -ENOENT;
}

static int parse_table(struct learning *l, const char *value)
{
	uint32_t table;

	if (action_parse_u32(value, UINT8_MAX - 1, "a table", &table, l->p->err))
		return -EINVAL;
	learn_of(l)->table = (uint8_t)table;
	return 0;
}

static int parse_cookie(struct learning *l, const char *value)
{
	u128 cookie;

	if (action_parse_number(value, UINT64_MAX, "cookie", &cookie, l->p->err))
		return -EINVAL;
	learn_of(l)->cookie = (uint64_t)cookie;
	return 0;
}

static int parse_result(struct learning *l, const char *value)
{
	struct subfield result = { 0 };

	if (action_parse_subfield(value, &result, l->p->err))
		return -EINVAL;
	if (result.n_bits != 1 || !result.field->writable)
		return error_set(l->p->err, -EINVAL, "result_dst must be one writable bit");
	subfield_copy(&learn_of(l)->result, &result);
	learn_of(l)->has_result = true;
	return 0;
}

static int parse_setting(struct learning *l, const char *name, const char *value)
{
	int rc = parse_number_setting(l, name, value);

	if (rc != -ENOENT)
		return rc;
	if (!strcmp(name, "table"))
		return parse_table(l, value);
	if (!strcmp(name, "cookie"))
		return parse_cookie(l, value);
	if (!strcmp(name, "limit"))
		return action_parse_u32(value, UINT32_MAX, name, &learn_of(l)->limit, l->p->err);
	if (!strcmp(name, "result_dst"))
		return parse_result(l, value);
	if (!strcmp(name, "send_flow_rem"))
		learn_of(l)->flags |= LEARN_SEND_FLOW_REM;
	else if (!strcmp(name, "delete_learned"))
		learn_of(l)->flags |= LEARN_DELETE_LEARNED;
	else
		return -ENOENT;
	return 0;
}

/* "load:SOURCE->FIELD", @text being behind the colon. */
static int parse_load(struct learning *l, char *text)
{
	struct learn_spec spec = { .kind = LEARN_LOAD_FIELD };
	struct error *err = l->p->err;
	char *to;

	if (action_parse_arrow(text, &to, err) || action_parse_subfield(to, &spec.to, err))
		return -EINVAL;
	if (!spec.to.field->writable)
		return error_set(err, -EINVAL, "%s is read-only", spec.to.field->name);
	if (!strchr(text, '[')) {
		spec.kind = LEARN_LOAD_VALUE;
		if (action_parse_number(text, bits_ones(spec.to.n_bits), to, &spec.value, err))
			return -EINVAL;
	} else {
		if (action_parse_subfield(text, &spec.from, err))
			return -EINVAL;
		if (spec.from.n_bits != spec.to.n_bits)
			return error_set(err, -EINVAL, "load: %u bits do not go into %u",
					 spec.from.n_bits, spec.to.n_bits);
	}
	return add(l, &spec);
}

static int parse_output(struct learning *l, const char *text)
{
	struct learn_spec spec = { .kind = LEARN_OUTPUT };

	if (action_parse_subfield(text, &spec.from, l->p->err))
		return -EINVAL;
	return add(l, &spec);
}

/* "FIELD=VALUE" of a whole field, as in a match. */
static int parse_match_field(struct learning *l, const struct field *field, const char *value)
{
	struct learn_spec spec = { .kind = LEARN_MATCH_VALUE };
	u128 mask;

	if (field_parse(field, value, &spec.value, &mask, l->p->err))
		return -EINVAL;
	if (mask != field_ones(field) && mask != action_field_full(field))
		return error_set(l->p->err, -EINVAL, "%s: a mask cannot be given", field->name);
	spec.to.field = field;
	spec.to.n_bits = (uint8_t)subfield_bits(field);
	spec.value &= bits_ones(spec.to.n_bits);
	return add(l, &spec);
}

/* "FIELD[]=VALUE", "FIELD[]=FIELD[]", "FIELD[]". */
static int parse_match(struct learning *l, const char *name, const char *value)
{
	struct learn_spec spec = { .kind = LEARN_MATCH_FIELD };
	struct error *err = l->p->err;

	if (action_parse_subfield(name, &spec.to, err))
		return -EINVAL;
	if (!*value) {
		spec.from = spec.to;
	} else if (strchr(value, '[')) {
		if (action_parse_subfield(value, &spec.from, err))
			return -EINVAL;
		if (spec.from.n_bits != spec.to.n_bits)
			return error_set(err, -EINVAL, "%s: %u bits are not compared with %u", name,
					 spec.from.n_bits, spec.to.n_bits);
	} else {
		spec.kind = LEARN_MATCH_VALUE;
		if (action_parse_number(value, bits_ones(spec.to.n_bits), name, &spec.value, err))
			return -EINVAL;
	}
	return add(l, &spec);
}

static int parse_part(struct learning *l, const char *name, char *value)
{
	const struct field *field;
	int rc = parse_setting(l, name, value);

	if (rc != -ENOENT)
		return rc;
	if (!strcmp(name, "load"))
		return parse_load(l, value);
	if (!strcmp(name, "output"))
		return parse_output(l, value);
	field = field_find(name, strlen(name));
	if (field && *value)
		return parse_match_field(l, field, value);
	if (!strchr(name, '['))
		return error_set(l->p->err, -EINVAL, "%.40s is neither a setting nor a field",
				 name);
	return parse_match(l, name, value);
}

int action_parse_learn(struct action_parse *p, const struct action_row *row, char *arg)
{
	struct learning l = { p, p->list->len };
	char *name, *value, *tail;
	int rc;

	(void)row;
	if (!actions_append(p->list, ACTION_LEARN, sizeof(struct action_learn)))
		return error_set(p->err, -ENOMEM, "too many actions");
	learn_of(&l)->table = DEFAULT_TABLE;
	learn_of(&l)->priority = DEFAULT_PRIORITY;
	while ((rc = action_text_next(&arg, &name, &value, &tail, p->err)) > 0)
		if ((rc = parse_part(&l, name, value)))
			return rc;
	return rc;
}

/* ---- printing */

static void print_settings(struct action_text *out, const struct action_learn *a)
{
	const struct {
		const char *name;
		unsigned value, usual;
	} numbers[] = {
		{ "idle_timeout", a->idle_timeout, 0 },
		{ "hard_timeout", a->hard_timeout, 0 },
		{ "fin_idle_timeout", a->fin_idle_timeout, 0 },
		{ "fin_hard_timeout", a->fin_hard_timeout, 0 },
		{ "priority", a->priority, DEFAULT_PRIORITY },
	};

	action_text_add(out, "learn(table=%u", a->table);
	for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++)
		if (numbers[i].value != numbers[i].usual)
			action_text_add(out, ",%s=%u", numbers[i].name, numbers[i].value);
	if (a->flags & LEARN_SEND_FLOW_REM)
		action_text_add(out, ",send_flow_rem");
	if (a->flags & LEARN_DELETE_LEARNED)
		action_text_add(out, ",delete_learned");
	if (a->cookie)
		action_text_add(out, ",cookie=0x%llx", (unsigned long long)a->cookie);
	if (a->limit)
		action_text_add(out, ",limit=%u", a->limit);
	if (a->has_result) {
		action_text_add(out, ",result_dst=");
		action_text_subfield(out, &a->result);
	}
}

static bool same(const struct subfield *a, const struct subfield *b)
{
	return a->field == b->field && a->first == b->first && a->n_bits == b->n_bits;
}

static void print_match_value(struct action_text *out, const struct learn_spec *spec)
{
	const struct field *field = spec->to.field;
	bool whole = spec->to.n_bits == subfield_bits(field);

	if (whole && field->id == FIELD_in_port) {
		action_text_add(out, "%s=", field->name);
		action_text_port(out, action_port16((uint16_t)spec->value));
	} else if (whole && spec->to.n_bits == field->n_bits) {
		action_text_add(out, "%s=", field->name);
		action_text_field(out, field, spec->value, field_ones(field));
	} else {
		action_text_subfield(out, &spec->to);
		action_text_add(out, "=");
		action_text_number(out, spec->value);
	}
}

static void print_spec(struct action_text *out, const struct learn_spec *spec)
{
	switch (spec->kind) {
	case LEARN_MATCH_VALUE:
		print_match_value(out, spec);
		return;
	case LEARN_MATCH_FIELD:
		action_text_subfield(out, &spec->to);
		if (same(&spec->from, &spec->to))
			return;
		action_text_add(out, "=");
		action_text_subfield(out, &spec->from);
		return;
	case LEARN_LOAD_VALUE:
		action_text_add(out, "load:");
		action_text_number(out, spec->value);
		break;
	case LEARN_LOAD_FIELD:
		action_text_add(out, "load:");
		action_text_subfield(out, &spec->from);
		break;
	default:
		action_text_add(out, "output:");
		action_text_subfield(out, &spec->from);
		return;
	}
	action_text_add(out, "->");
	action_text_subfield(out, &spec->to);
}

void action_print_learn(struct action_text *out, const struct action *action)
{
	const struct action_learn *a = (const void *)action;

	print_settings(out, a);
	for (uint32_t i = 0; i < a->n_specs; i++) {
		action_text_add(out, ",");
		print_spec(out, &a->specs[i]);
	}
	action_text_add(out, ")");
}
