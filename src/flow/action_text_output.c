// SPDX-License-Identifier: Apache-2.0
/* Text of actions that send packets somewhere: to ports, controllers, groups, other tables. */
#include <ctype.h>
#include <errno.h>
#include <strings.h>

#include "flow/action_private.h"

#define TRUNCATE_MIN 14 /* an Ethernet header */

static void *append(struct action_parse *p, enum action_kind kind, size_t len)
{
	void *action = actions_append(p->list, kind, len);

	if (!action)
		error_set(p->err, -ENOMEM, "too many actions");
	return action;
}

/* ---- output */

static int append_output(struct action_parse *p, uint32_t port, uint32_t max_len)
{
	struct action_output *output = append(p, ACTION_OUTPUT, sizeof(*output));

	if (!output)
		return -ENOMEM;
	output->port = port;
	output->max_len = max_len;
	return 0;
}

/* Of those that are not ports, just some can cut packets. */
bool action_can_truncate(uint32_t port)
{
	return port < OFPORT_MAX || port == OFPORT_LOCAL || port == OFPORT_IN_PORT;
}

/* "port=1,max_len=100" */
static int parse_truncated(struct action_parse *p, char *arg)
{
	uint32_t port = OFPORT_NONE, max_len = 0;
	char *name, *value, *tail;
	int rc;

	while ((rc = action_text_next(&arg, &name, &value, &tail, p->err)) > 0) {
		if (!strcasecmp(name, "port"))
			rc = action_parse_port(value, &port, p->err);
		else if (!strcasecmp(name, "max_len"))
			rc = action_parse_u32(value, UINT32_MAX, "max_len", &max_len, p->err);
		else
			rc = error_set(p->err, -EINVAL, "%.40s: port and max_len are known", name);
		if (rc)
			return rc;
	}
	if (rc)
		return rc;
	if (!action_can_truncate(port))
		return error_set(p->err, -EINVAL, "packets to this port cannot be cut");
	if (max_len < TRUNCATE_MIN)
		return error_set(p->err, -EINVAL, "max_len is less than %d", TRUNCATE_MIN);
	return append_output(p, port, max_len);
}

static int parse_output_reg(struct action_parse *p, const char *arg)
{
	struct action_output_reg *output;
	struct subfield from = { 0 };

	if (action_parse_subfield(arg, &from, p->err))
		return -EINVAL;
	output = append(p, ACTION_OUTPUT_REG, sizeof(*output));
	if (!output)
		return -ENOMEM;
	subfield_copy(&output->from, &from);
	output->max_len = CONTROLLER_WHOLE;
	return 0;
}

int action_parse_output(struct action_parse *p, const struct action_row *row, char *arg)
{
	uint32_t port;

	(void)row;
	if (strchr(arg, '='))
		return parse_truncated(p, arg);
	if (strchr(arg, '['))
		return parse_output_reg(p, arg);
	if (action_parse_port(arg, &port, p->err))
		return -EINVAL;
	return append_output(p, port, port == OFPORT_CONTROLLER ? CONTROLLER_WHOLE : 0);
}

void action_print_output(struct action_text *out, const struct action *action)
{
	const struct action_output *a = (const void *)action;

	if (a->port == OFPORT_CONTROLLER) {
		action_text_add(out, "CONTROLLER:%u", a->max_len);
	} else if (a->max_len) {
		action_text_add(out, "output(port=");
		action_text_port(out, a->port);
		action_text_add(out, ",max_len=%u)", a->max_len);
	} else {
		if (a->port < OFPORT_MAX)
			action_text_add(out, "output:");
		action_text_port(out, a->port);
	}
}

void action_print_output_reg(struct action_text *out, const struct action *action)
{
	action_text_add(out, "output:");
	action_text_subfield(out, &((const struct action_output_reg *)action)->from);
}

/* ---- controller */

static const char *const reasons[] = { "no_match",   "action", "invalid_ttl",
				       "action_set", "group",  "packet_out" };

#define REASON_ACTION 1

bool action_reason_valid(unsigned reason)
{
	return reason < ARRAY_SIZE(reasons);
}

static int parse_reason(const char *text, uint8_t *reason, struct error *err)
{
	for (unsigned i = 0; i < ARRAY_SIZE(reasons); i++) {
		if (!strcasecmp(reasons[i], text)) {
			*reason = (uint8_t)i;
			return 0;
		}
	}
	return error_set(err, -EINVAL, "'%.40s' is no reason", text);
}

int action_parse_hex(const char *text, uint8_t *bytes, size_t max, size_t *n, struct error *err)
{
	static const char digits[] = "0123456789abcdef";

	for (*n = 0; *text; text += 2) {
		if (*text == '.' && *n)
			text++;
		if (!isxdigit((unsigned char)text[0]) || !isxdigit((unsigned char)text[1]))
			return error_set(err, -EINVAL, "'%.20s' is no pair of hex digits", text);
		if (*n == max)
			return error_set(err, -EINVAL, "more than %zu bytes", max);
		bytes[(*n)++] =
			(uint8_t)((strchr(digits, tolower((unsigned char)text[0])) - digits) << 4 |
				  (strchr(digits, tolower((unsigned char)text[1])) - digits));
	}
	return 0;
}

void action_text_hex(struct action_text *out, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		action_text_add(out, i ? ".%02x" : "%02x", bytes[i]);
}

struct userdata {
	uint8_t bytes[CONTROLLER_USERDATA_MAX];
	size_t n;
};

static int parse_controller_arg(struct action_controller *c, struct userdata *u, const char *name,
				const char *value, struct error *err)
{
	uint32_t number;
	int rc;

	if (!strcmp(name, "reason"))
		return parse_reason(value, &c->reason, err);
	if (!strcmp(name, "userdata"))
		return action_parse_hex(value, u->bytes, sizeof(u->bytes), &u->n, err);
	if (!strcmp(name, "pause")) {
		c->pause = true;
		return 0;
	}
	if (!strcmp(name, "meter_id")) {
		c->has_meter = true;
		return action_parse_u32(value, UINT32_MAX, name, &c->meter, err);
	}
	rc = action_parse_u32(value, UINT16_MAX, name, &number, err);
	if (rc)
		return rc;
	if (!strcmp(name, "max_len"))
		c->max_len = (uint16_t)number;
	else if (!strcmp(name, "id"))
		c->id = (uint16_t)number;
	else
		return error_set(err, -EINVAL, "unknown argument %.40s", name);
	return 0;
}

bool action_controller_plain(const struct action_controller *c)
{
	return c->reason == REASON_ACTION && !c->id && !c->userdata_len && !c->pause &&
	       !c->has_meter;
}

int action_append_controller(struct action_list *list, const struct action_controller *head,
			     const uint8_t *userdata)
{
	struct action_controller *c;
	struct action action;

	c = actions_append(list, ACTION_CONTROLLER, sizeof(*c) + head->userdata_len);
	if (!c)
		return -ENOMEM;
	action = c->action;
	c->max_len = head->max_len;
	c->id = head->id;
	c->reason = head->reason;
	c->pause = head->pause;
	c->has_meter = head->has_meter;
	c->meter = head->meter;
	c->userdata_len = head->userdata_len;
	c->action = action;
	memcpy(c->userdata, userdata, head->userdata_len);
	return 0;
}

int action_parse_controller(struct action_parse *p, const struct action_row *row, char *arg)
{
	struct action_controller c = { .max_len = CONTROLLER_WHOLE, .reason = REASON_ACTION };
	struct userdata u = { .n = 0 };
	char *name, *value, *tail;
	int rc;

	(void)row;
	if (isdigit((unsigned char)*arg)) {
		uint32_t max_len;

		if (action_parse_u32(arg, UINT16_MAX, "max_len", &max_len, p->err))
			return -EINVAL;
		return append_output(p, OFPORT_CONTROLLER, max_len);
	}
	while ((rc = action_text_next(&arg, &name, &value, &tail, p->err)) > 0)
		if ((rc = parse_controller_arg(&c, &u, name, value, p->err)))
			return rc;
	if (rc)
		return rc;
	c.userdata_len = (uint16_t)u.n;
	if (action_controller_plain(&c))
		return append_output(p, OFPORT_CONTROLLER, c.max_len);
	if (action_append_controller(p->list, &c, u.bytes))
		return error_set(p->err, -ENOMEM, "too many actions");
	return 0;
}

void action_print_controller(struct action_text *out, const struct action *action)
{
	const struct action_controller *a = (const void *)action;
	const char *comma = "";

	action_text_add(out, "controller(");
	if (a->reason != REASON_ACTION) {
		action_text_add(out, "reason=%s", reasons[a->reason]);
		comma = ",";
	}
	if (a->max_len != CONTROLLER_WHOLE) {
		action_text_add(out, "%smax_len=%u", comma, a->max_len);
		comma = ",";
	}
	if (a->id) {
		action_text_add(out, "%sid=%u", comma, a->id);
		comma = ",";
	}
	if (a->userdata_len) {
		action_text_add(out, "%suserdata=", comma);
		action_text_hex(out, a->userdata, a->userdata_len);
		comma = ",";
	}
	if (a->pause) {
		action_text_add(out, "%spause", comma);
		comma = ",";
	}
	if (a->has_meter)
		action_text_add(out, "%smeter_id=%u", comma, a->meter);
	action_text_add(out, ")");
}

/* ---- queues and groups */

int action_parse_enqueue(struct action_parse *p, const struct action_row *row, char *arg)
{
	char *queue = arg + strcspn(arg, ":,");
	struct action_queue *a;
	uint32_t port, number;

	(void)row;
	if (!*queue)
		return error_set(p->err, -EINVAL, "PORT:QUEUE was expected");
	*queue++ = '\0';
	if (action_parse_port(arg, &port, p->err) ||
	    action_parse_u32(queue, UINT32_MAX, "a queue", &number, p->err))
		return -EINVAL;
	a = append(p, ACTION_ENQUEUE, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->port = port;
	a->queue = number;
	return 0;
}

void action_print_enqueue(struct action_text *out, const struct action *action)
{
	const struct action_queue *a = (const void *)action;

	action_text_add(out, "enqueue:");
	action_text_port(out, a->port);
	action_text_add(out, ":%u", a->queue);
}

int action_parse_set_queue(struct action_parse *p, const struct action_row *row, char *arg)
{
	struct action_queue *a;
	uint32_t number;

	if (action_parse_u32(arg, UINT32_MAX, "a queue", &number, p->err))
		return -EINVAL;
	a = append(p, row->kind, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->queue = number;
	return 0;
}

void action_print_set_queue(struct action_text *out, const struct action *action)
{
	action_text_add(out, "set_queue:%u", ((const struct action_queue *)action)->queue);
}

int action_parse_group(struct action_parse *p, const struct action_row *row, char *arg)
{
	struct action_group *a; /* struct action_meter is the same */
	uint32_t number;

	_Static_assert(offsetof(struct action_group, group) == offsetof(struct action_meter, meter),
		       "the same layout");
	if (action_parse_u32(arg, UINT32_MAX, row->name, &number, p->err))
		return -EINVAL;
	a = append(p, row->kind, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->group = number;
	return 0;
}

void action_print_group(struct action_text *out, const struct action *action)
{
	action_text_add(out, "%s:%u", action->kind == ACTION_GROUP ? "group" : "meter",
			((const struct action_group *)action)->group);
}

/* ---- tables */

int action_parse_resubmit(struct action_parse *p, const struct action_row *row, char *arg)
{
	char *table = arg + strcspn(arg, ","), *more;
	uint32_t port = OFPORT_IN_PORT, number = UINT8_MAX;
	struct action_resubmit *a;

	(void)row;
	if (!*arg)
		return error_set(p->err, -EINVAL, "a port or a table must be given");
	if (*table)
		*table++ = '\0';
	more = table + strcspn(table, ",");
	if (*more)
		return error_set(p->err, -EINVAL, "'%.20s': connections are not supported yet",
				 more);
	if (*arg && action_parse_port(arg, &port, p->err))
		return -EINVAL;
	if (*table && action_parse_u32(table, UINT8_MAX, "a table", &number, p->err))
		return -EINVAL;
	a = append(p, ACTION_RESUBMIT, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->port = port;
	a->table = (uint8_t)number;
	a->old = number == UINT8_MAX && port != OFPORT_IN_PORT;
	return 0;
}

void action_print_resubmit(struct action_text *out, const struct action *action)
{
	const struct action_resubmit *a = (const void *)action;
	bool port = a->port != OFPORT_IN_PORT, table = a->table != UINT8_MAX;

	action_text_add(out, port && !table ? "resubmit:" : "resubmit(");
	if (port)
		action_text_port(out, a->port);
	if (table)
		action_text_add(out, ",%u)", a->table);
	else if (!port)
		action_text_add(out, ",)");
}

int action_parse_goto(struct action_parse *p, const struct action_row *row, char *arg)
{
	struct action_goto *a;
	uint32_t table;

	(void)row;
	if (action_parse_u32(arg, UINT8_MAX - 1, "a table", &table, p->err))
		return -EINVAL;
	a = append(p, ACTION_GOTO_TABLE, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->table = (uint8_t)table;
	return 0;
}

void action_print_goto(struct action_text *out, const struct action *action)
{
	action_text_add(out, "goto_table:%u", ((const struct action_goto *)action)->table);
}

/* ---- those without arguments, and those with actions in them */

int action_parse_bare(struct action_parse *p, const struct action_row *row, char *arg)
{
	if (*arg)
		return error_set(p->err, -EINVAL, "there is no argument to it");
	return append(p, row->kind, sizeof(struct action)) ? 0 : -ENOMEM;
}

int action_parse_nest(struct action_parse *p, const struct action_row *row, char *arg)
{
	struct action_parse inner = {
		.list = p->list,
		.err = p->err,
		.place = row->kind == ACTION_WRITE_ACTIONS ? PLACE_SET : PLACE_ACTIONS,
		.depth = p->depth + 1,
	};
	uint32_t at = actions_open(p->list, row->kind);
	int rc;

	if (at == ACTIONS_NONE)
		return error_set(p->err, -ENOMEM, "too many actions");
	rc = action_parse_list(&inner, arg);
	if (!rc)
		actions_close(p->list, at);
	return rc;
}

void action_print_nest(struct action_text *out, const struct action *action)
{
	action_text_add(out, "%s(", action_row(action->kind)->name);
	action_text_list(out, ((const struct action_nested *)action)->actions,
			 action_nested_len(action));
	action_text_add(out, ")");
}
