// SPDX-License-Identifier: Apache-2.0
/* Text of actions, ovs-ofctl's: words with arguments, the order in which they may stand, and what
 * several of them have in common. */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "flow/action_private.h"

/* ---- printing */

void action_text_add(struct action_text *out, const char *fmt, ...)
{
	size_t left = out->len < out->size ? out->size - out->len : 0;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(left ? out->text + out->len : NULL, left, fmt, args);
	va_end(args);
	if (n > 0)
		out->len += (size_t)n;
}

void action_text_subfield(struct action_text *out, const struct subfield *sub)
{
	char text[96];

	subfield_print(sub, text, sizeof(text));
	action_text_add(out, "%s", text);
}

void action_text_field(struct action_text *out, const struct field *field, u128 value, u128 mask)
{
	char text[160];

	/* matches have these with leading zeros, and parts of ports are none */
	if ((field->format == FORMAT_PORT && mask != field_ones(field)) ||
	    field->id == FIELD_eth_type || field->id == FIELD_vlan_tci ||
	    field->id == FIELD_ipv6_label) {
		action_text_number(out, value);
		if (mask == field_ones(field))
			return;
		action_text_add(out, "/");
		action_text_number(out, mask);
		return;
	}
	field_print(field, value, mask, text, sizeof(text));
	action_text_add(out, "%s", text);
}

void action_text_number(struct action_text *out, u128 value)
{
	unsigned long long high = (unsigned long long)(value >> 64);

	if (high)
		action_text_add(out, "0x%llx%016llx", high, (unsigned long long)value);
	else
		action_text_add(out, "%#llx", (unsigned long long)value); /* 0 is "0" */
}

static const struct {
	const char *name;
	uint32_t port;
} port_names[] = {
	{ "IN_PORT", OFPORT_IN_PORT }, { "TABLE", OFPORT_TABLE },
	{ "NORMAL", OFPORT_NORMAL },   { "FLOOD", OFPORT_FLOOD },
	{ "ALL", OFPORT_ALL },	       { "CONTROLLER", OFPORT_CONTROLLER },
	{ "LOCAL", OFPORT_LOCAL },     { "ANY", OFPORT_NONE },
	{ "NONE", OFPORT_NONE },
};

void action_text_port(struct action_text *out, uint32_t port)
{
	for (unsigned i = 0; i < ARRAY_SIZE(port_names); i++) {
		if (port_names[i].port == port) {
			action_text_add(out, "%s", port_names[i].name);
			return;
		}
	}
	action_text_add(out, "%u", port);
}

static void print_action(struct action_text *out, const struct action *action)
{
	const struct action_row *row = action_row(action->kind);

	if (row->print)
		row->print(out, action);
	else
		action_text_add(out, "%s", row->name);
}

void action_text_list(struct action_text *out, const uint8_t *bytes, size_t len)
{
	if (!len)
		action_text_add(out, "drop");
	ACTIONS_FOR_EACH(action, bytes, len)
	{
		if ((const uint8_t *)action != bytes)
			action_text_add(out, ",");
		print_action(out, action);
	}
}

int actions_print_bytes(const uint8_t *bytes, size_t len, char *text, size_t size)
{
	struct action_text out = { .text = text, .size = size };

	if (size)
		text[0] = '\0';
	action_text_list(&out, bytes, len);
	return (int)min(out.len, (size_t)INT32_MAX);
}

int actions_print(const struct action_list *list, char *text, size_t size)
{
	return actions_print_bytes(list->bytes, list->len, text, size);
}

/* ---- words */

#define NAME_END ":=(, \t\r\n"
#define BLANKS ", \t\r\n"

/* The end of an argument: at one of @ends that is in no parenthesis. NULL: one is not closed. */
static char *argument_end(char *at, const char *ends)
{
	unsigned open = 0;

	for (; *at; at++) {
		if (!open && strchr(ends, *at))
			return at;
		if (*at == '(')
			open++;
		else if (*at == ')' && open)
			open--;
	}
	return open ? NULL : at;
}

/* Splits "(arg)tail" at @at. */
static char *split_parenthesis(char *at, char **arg, char **tail)
{
	char *end;

	*arg = at + 1;
	end = argument_end(at + 1, ")");
	if (!end || *end != ')')
		return NULL;
	*end++ = '\0';
	*tail = end;
	return argument_end(end, BLANKS);
}

int action_text_next(char **text, char **name, char **arg, char **tail, struct error *err)
{
	char *at = *text + strspn(*text, BLANKS), *end;
	char delimiter;

	*name = *arg = *tail = at;
	if (!*at)
		return 0;
	at += strcspn(at, NAME_END);
	if (at == *name)
		return error_set(err, -EINVAL, "a name was expected before '%.20s'", at);
	*arg = *tail = end = at;
	delimiter = *at;
	if (delimiter == '(')
		end = split_parenthesis(at, arg, tail);
	else if (delimiter == ':' || delimiter == '=')
		end = argument_end(*arg = at + 1, BLANKS);
	if (!end)
		return error_set(err, -EINVAL, "%.*s: a parenthesis is not closed",
				 (int)min(at - *name, 40L), *name);
	*text = *end ? end + 1 : end;
	*end = '\0';
	*at = '\0';
	if (delimiter != '(')
		*tail = end;
	return 1;
}

char *action_text_word(char **text)
{
	char *word = *text + strspn(*text, BLANKS), *end;

	if (!*word)
		return NULL;
	end = argument_end(word, BLANKS);
	if (!end)
		end = word + strlen(word);
	*text = *end ? end + 1 : end;
	*end = '\0';
	return word;
}

/* ---- what arguments have in common */

int action_parse_number(const char *text, u128 most, const char *what, u128 *out, struct error *err)
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	unsigned base = hex ? 16 : 10;
	const char *at = hex ? text + 2 : text;
	u128 value = 0;

	if (!*at)
		return error_set(err, -EINVAL, "'%.40s' is no number for %s", text, what);
	for (; *at; at++) {
		unsigned digit = (unsigned)(isdigit((unsigned char)*at)
						    ? *at - '0'
						    : tolower((unsigned char)*at) - 'a' + 10);

		if (!isxdigit((unsigned char)*at) || digit >= base)
			return error_set(err, -EINVAL, "'%.40s' is no number for %s", text, what);
		if (value > (most - min((u128)digit, most)) / base || digit > most)
			return error_set(err, -EINVAL, "%.40s is too much for %s", text, what);
		value = value * base + digit;
	}
	*out = value;
	return 0;
}

int action_parse_u32(const char *text, uint32_t most, const char *what, uint32_t *out,
		     struct error *err)
{
	u128 value = 0;
	int rc = action_parse_number(text, most, what, &value, err);

	if (!rc)
		*out = (uint32_t)value;
	return rc;
}

bool action_port_valid(uint32_t port)
{
	return port < (OFPORT_MAX & UINT16_MAX) || port >= OFPORT_MAX;
}

uint32_t action_port16(uint16_t port)
{
	return port < (OFPORT_MAX & UINT16_MAX) ? port : 0xffff0000u | port;
}

int action_parse_port(const char *text, uint32_t *port, struct error *err)
{
	uint32_t value;

	for (unsigned i = 0; i < ARRAY_SIZE(port_names); i++) {
		if (!strcasecmp(port_names[i].name, text)) {
			*port = port_names[i].port;
			return 0;
		}
	}
	if (!isdigit((unsigned char)*text))
		return error_set(err, -EINVAL, "'%.40s' is no port", text);
	if (action_parse_u32(text, UINT32_MAX, "a port", &value, err))
		return -EINVAL;
	if (value <= UINT16_MAX)
		value = action_port16((uint16_t)value);
	if (!action_port_valid(value))
		return error_set(err, -EINVAL, "port %u is none: 0 to 65279, or a reserved one",
				 value);
	*port = value;
	return 0;
}

int action_parse_subfield(const char *text, struct subfield *sub, struct error *err)
{
	struct subfield found = { 0 };
	int rc = subfield_parse(&text, &found, err);

	if (rc)
		return rc;
	if (*text)
		return error_set(err, -EINVAL, "'%.40s' behind a field is too much", text);
	if (!field_header(found.field, OF15))
		return error_set(err, -EINVAL, "actions have no access to %s", found.field->name);
	subfield_copy(sub, &found);
	return 0;
}

int action_parse_arrow(char *text, char **to, struct error *err)
{
	char *arrow = strstr(text, "->");

	if (!arrow)
		return error_set(err, -EINVAL, "'%.60s' lacks \"->FIELD\"", text);
	*arrow = '\0';
	*to = arrow + 2;
	return 0;
}

/* ---- reading */

int action_parse_refused(struct action_parse *p, const struct action_row *row, char *arg)
{
	(void)arg;
	return error_set(p->err, -EINVAL,
			 row->space ? "not supported" : "is what actions do without it");
}

static const struct action_row *row_named(const char *name)
{
	for (unsigned i = 0; i < n_action_rows; i++)
		if (action_rows[i].parse && !strcasecmp(action_rows[i].name, name))
			return &action_rows[i];
	return NULL;
}

static int append_output(struct action_parse *p, uint32_t port)
{
	struct action_output *output = actions_append(p->list, ACTION_OUTPUT, sizeof(*output));

	if (!output)
		return error_set(p->err, -ENOMEM, "too many actions");
	output->port = port;
	output->max_len = port == OFPORT_CONTROLLER ? CONTROLLER_WHOLE : 0;
	return 0;
}

/* One word: an action, or a port. */
static int parse_word(struct action_parse *p, char *name, char *arg)
{
	const struct action_row *row = row_named(name);
	struct error ignored;
	uint32_t port;
	int rc;

	if (!row) {
		if (*arg || action_parse_port(name, &port, &ignored))
			return error_set(p->err, -EINVAL, "unknown action %.40s", name);
		return append_output(p, port);
	}
	if (action_is_instruction(row->kind) && p->place != PLACE_RULE)
		return error_set(p->err, -EINVAL, "%s is an instruction, which cannot stand here",
				 row->name);
	rc = row->parse(p, row, arg);
	if (rc)
		error_prefix(p->err, "%s", row->name);
	else if (*p->tail)
		rc = error_set(p->err, -EINVAL, "%s: '%.40s' behind it is too much", row->name,
			       p->tail);
	return rc;
}

int action_parse_list(struct action_parse *p, char *text)
{
	char *name, *arg, *tail;
	bool drop = false;
	unsigned n = 0;
	int rc;

	if (p->depth > ACTIONS_NESTED_MAX)
		return error_set(p->err, -EINVAL, "actions are nested more than %d deep",
				 ACTIONS_NESTED_MAX);
	while ((rc = action_text_next(&text, &name, &arg, &tail, p->err)) > 0) {
		n++;
		p->tail = tail;
		if (!strcasecmp(name, "drop"))
			drop = true;
		else if ((rc = parse_word(p, name, arg)))
			return rc;
		if (drop && n > 1)
			return error_set(p->err, -EINVAL, "drop cannot stand with another action");
	}
	return rc;
}

int actions_parse(struct action_list *list, const char *text, bool instructions, struct error *err)
{
	struct action_parse p = {
		.list = list,
		.err = err,
		.place = instructions ? PLACE_RULE : PLACE_ACTIONS,
	};
	char *copy = strdup(text);
	int rc;

	if (!copy)
		return error_set(err, -ENOMEM, "out of memory");
	rc = action_parse_list(&p, copy);
	if (!rc)
		rc = action_check_order(list, err);
	free(copy);
	if (rc)
		actions_free(list);
	return rc;
}
