// SPDX-License-Identifier: Apache-2.0
/* Reads rules as ovs-ofctl(8) has them. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limit.h"
#include "base/option.h"
#include "switch/flows_private.h"
#include "switch/flows_text.h"

#define TERM_MAX 512 /* bytes of one term of a match */

/* What a text says beside the match. */
struct terms {
	const struct flows *flows;
	struct flow_mod *mod;
	bool has_priority;
	const char *actions;	    /* NULL: none */
	char match[MATCH_TEXT_MAX]; /* those that are of the match */
	size_t match_len;
};

/* Ports. */

/* The number of a port with the name of @len bytes; 0: none. A number is no name. */
static uint32_t number_of(const struct flows *flows, const char *name, size_t len)
{
	size_t digits = 0;

	while (digits < len && isdigit((unsigned char)name[digits]))
		digits++;
	if (!len || digits == len)
		return 0;
	for (const struct sw_port *p = flows->sw->ports; p; p = p->next)
		if (p->bridge->flows == flows && p->port && !p->removing &&
		    strlen(p->name) == len && !memcmp(p->name, name, len))
			return p->ofport;
	return 0;
}

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '_' || c == '.';
}

/* Whether a port may stand at @at: as an action of its own, or as the value of one of these. */
static bool port_may_stand(const char *text, const char *at)
{
	static const char *const before[] = { "output:",   "enqueue:", "port=",
					      "resubmit(", "actions=", "bucket=" };

	if (at == text || at[-1] == ',' || at[-1] == ' ')
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(before); i++) {
		size_t len = strlen(before[i]);

		if ((size_t)(at - text) >= len && !memcmp(at - len, before[i], len))
			return true;
	}
	return at[-1] == '('; /* clone(vm1) */
}

char *flows_number_ports(const struct flows *flows, const char *text)
{
	/* a name of one letter may become ten digits */
	char *out = malloc(strlen(text) * 10 + 1), *to = out;
	const char *at = text;

	while (out && *at) {
		size_t len = 0;
		uint32_t number = 0;

		while (is_name(at[len]))
			len++;
		if (len && !strchr("=:(", at[len] ?: ' ') && port_may_stand(text, at))
			number = number_of(flows, at, len);
		if (number) {
			to += sprintf(to, "%u", number);
		} else {
			len = len ?: 1;
			memcpy(to, at, len);
			to += len;
		}
		at += len;
	}
	if (out)
		*to = 0;
	return out;
}

/* Numbers. */

static int bad(const char *name, const char *value, uint64_t most, struct error *err)
{
	return error_set(err, -EINVAL, "%s: \"%.64s\" is no number from 0 to %llu", name, value,
			 (unsigned long long)most);
}

/* The whole of @text; decimal, 0x, and with a sign. */
static bool read_u64(const char *text, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 0);
	return end != text && !*end && !errno;
}

static int read_number(const char *name, const char *value, uint64_t most, uint64_t *out,
		       struct error *err)
{
	if (!read_u64(value, out) || *out > most || *value == '-')
		return bad(name, value, most, err);
	return 0;
}

static int read_u16(const char *name, const char *value, uint16_t *out, struct error *err)
{
	uint64_t n;
	int r = read_number(name, value, UINT16_MAX, &n, err);

	*out = (uint16_t)n;
	return r;
}

/* "5", "5/0xff", "0x1/-1". */
static int read_cookie(struct terms *t, char *value, struct error *err)
{
	char *mask = strchr(value, '/');
	uint64_t cookie, bits = UINT64_MAX;

	if (mask)
		*mask++ = 0;
	if (!read_u64(value, &cookie) || (mask && !read_u64(mask, &bits)))
		return error_set(err, -EINVAL,
				 "cookie: write it like 0x1, or 0x1/0xff to filter by some bits");
	if (mask || t->mod->command == FLOW_DELETE || t->mod->command == FLOW_DELETE_STRICT) {
		t->mod->cookie_value = cookie & bits;
		t->mod->cookie_mask = bits;
	} else {
		t->mod->cookie = cookie;
		t->mod->new_cookie = true;
	}
	return 0;
}

static int read_port(const struct terms *t, const char *name, const char *value, uint32_t *out,
		     struct error *err)
{
	uint32_t number = number_of(t->flows, value, strlen(value));
	u128 v, mask;
	int r;

	if (number) {
		*out = number;
		return 0;
	}
	r = field_parse(&fields[FIELD_in_port], value, &v, &mask, err);
	if (r < 0)
		error_prefix(err, "%s", name);
	*out = (uint32_t)v;
	return r;
}

/* Terms. */

struct flag {
	const char *name;
	uint16_t bit;
};

static const struct flag flags[] = {
	{ "send_flow_rem", RULE_SEND_FLOW_REM },  { "check_overlap", RULE_CHECK_OVERLAP },
	{ "reset_counts", RULE_RESET_COUNTS },	  { "no_packet_counts", RULE_NO_PKT_COUNTS },
	{ "no_byte_counts", RULE_NO_BYT_COUNTS },
};

/* What a dump has, and nobody can set. */
static bool is_statistic(const char *name)
{
	static const char *const names[] = { "duration", "n_packets", "n_bytes",
					     "idle_age", "hard_age",  "n_buckets" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

static int read_flag(struct terms *t, const char *name, bool *known)
{
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (!strcmp(name, flags[i].name)) {
			t->mod->flags |= flags[i].bit;
			*known = true;
		}
	return 0;
}

/* A term that is no part of the match. */
static int read_setting(struct terms *t, const char *name, char *value, bool *known,
			struct error *err)
{
	struct flow_mod *mod = t->mod;
	uint64_t n = 0;
	int r = 0;

	*known = true;
	if (!strcmp(name, "table")) {
		r = read_number(name, value, PIPELINE_TABLES - 1, &n, err);
		mod->table = (uint8_t)n;
	} else if (!strcmp(name, "priority")) {
		r = read_u16(name, value, &mod->priority, err);
		t->has_priority = true;
	} else if (!strcmp(name, "cookie")) {
		r = read_cookie(t, value, err);
	} else if (!strcmp(name, "idle_timeout")) {
		r = read_u16(name, value, &mod->idle_timeout, err);
	} else if (!strcmp(name, "hard_timeout")) {
		r = read_u16(name, value, &mod->hard_timeout, err);
	} else if (!strcmp(name, "importance")) {
		r = read_u16(name, value, &mod->importance, err);
	} else if (!strcmp(name, "out_port")) {
		r = read_port(t, name, value, &mod->out_port, err);
	} else if (!strcmp(name, "out_group")) {
		r = read_number(name, value, GROUP_MAX, &n, err);
		mod->out_group = (uint32_t)n;
	} else if (!is_statistic(name)) {
		*known = false;
	}
	return r;
}

/* What is of the match is read when all of it is there: terms come in any order. */
static int add_term(struct terms *t, const char *name, const char *value, struct error *err)
{
	size_t left = sizeof(t->match) - t->match_len;
	int n = snprintf(t->match + t->match_len, left, "%s%s%s,", name, value ? "=" : "",
			 value ? value : "");

	if ((size_t)n >= left)
		return error_set(err, -EINVAL, "a match of more than %zu bytes", sizeof(t->match));
	t->match_len += (size_t)n;
	return 0;
}

static int read_term(struct terms *t, char *term, struct error *err)
{
	char *value = strchr(term, '=');
	char number[16];
	bool known = false;
	int r;

	if (value)
		*value++ = 0;
	r = value ? read_setting(t, term, value, &known, err) : read_flag(t, term, &known);
	if (known || r < 0)
		return r;
	if (value && !strcmp(term, "in_port")) {
		uint32_t port = number_of(t->flows, value, strlen(value));

		snprintf(number, sizeof(number), "%u", port);
		value = port ? number : value;
	}
	return add_term(t, term, value, err);
}

/* Behind "actions=", which ends the terms. */
static const char *find_actions(const char *at)
{
	static const char word[] = "actions=";

	return strncmp(at, word, sizeof(word) - 1) ? NULL : at + sizeof(word) - 1;
}

/* Settings, and the match, checked. */
static int read_terms(struct terms *t, const char *text, struct error *err)
{
	const char *at = text;
	size_t len;

	for (; (len = match_find_term(&at)); at += len) {
		char term[TERM_MAX];
		int r;

		t->actions = find_actions(at);
		if (t->actions)
			break;
		if (len >= sizeof(term))
			return error_set(err, -EINVAL, "\"%.40s...\" is too long", at);
		memcpy(term, at, len);
		term[len] = 0;
		r = read_term(t, term, err);
		if (r < 0)
			return r;
	}
	return match_parse(&t->mod->match, t->match, err);
}

static void init_mod(struct flow_mod *mod, enum flow_command command)
{
	*mod = (struct flow_mod){
		.command = (uint8_t)command,
		.table = command == FLOW_ADD ? 0 : FLOWS_TABLE_ALL,
		.priority = 32768,
		.out_port = OFPORT_NONE,
		.out_group = GROUP_ANY,
	};
	match_init(&mod->match);
}

static int read_actions(struct terms *t, struct error *err)
{
	char *text = flows_number_ports(t->flows, t->actions);
	int r = text ? actions_parse(&t->mod->actions, text, true, err)
		     : error_set(err, -ENOMEM, "out of memory");

	free(text);
	return r;
}

int flows_parse_mod(const struct flows *flows, enum flow_command command, const char *text,
		    struct flow_mod *out, struct error *err)
{
	bool strict = command == FLOW_MODIFY_STRICT || command == FLOW_DELETE_STRICT;
	bool deletes = command == FLOW_DELETE || command == FLOW_DELETE_STRICT;
	struct terms t = { .flows = flows, .mod = out };
	int r;

	init_mod(out, command);
	r = read_terms(&t, text, err);
	if (r < 0)
		return r;
	if (!deletes && !t.actions)
		return error_set(err, -EINVAL,
				 "what is to be done with the packets? add \"actions=...\"");
	if (deletes && t.actions)
		return error_set(err, -EINVAL, "actions do not tell which rules are to go");
	if (!deletes && (out->out_port != OFPORT_NONE || out->out_group != GROUP_ANY))
		return error_set(err, -EINVAL, "out_port and out_group are for deletions");
	if (!strict && command != FLOW_ADD && t.has_priority)
		return error_set(err, -EINVAL, "a priority needs \"strict\"");
	return deletes ? 0 : read_actions(&t, err);
}

int flows_parse_filter(const struct flows *flows, const char *text, struct flow_filter *out,
		       struct error *err)
{
	struct flow_mod mod;
	struct terms t = { .flows = flows, .mod = &mod };
	int r;

	init_mod(&mod, FLOW_DELETE);
	r = read_terms(&t, text, err);
	if (r == 0 && (t.actions || t.has_priority))
		r = error_set(err, -EINVAL, "rules cannot be filtered by %s",
			      t.actions ? "actions" : "priority");
	if (r < 0)
		return r;
	*out = (struct flow_filter){
		.table = mod.table,
		.out_port = mod.out_port,
		.out_group = mod.out_group,
		.cookie = mod.cookie_value,
		.cookie_mask = mod.cookie_mask,
		.match = mod.match,
	};
	return 0;
}

/* A text of fields and nothing else. */
static int read_fields(const struct flows *flows, const char *text, struct flow_mod *mod,
		       const char *refusal, struct error *err)
{
	struct terms t = { .flows = flows, .mod = mod };
	struct flow_mod pristine;
	int r;

	init_mod(mod, FLOW_ADD);
	pristine = *mod;
	r = read_terms(&t, text, err);
	if (r < 0)
		return r;
	if (t.actions || t.has_priority || mod->new_cookie || mod->cookie_mask || mod->flags ||
	    mod->table || mod->idle_timeout || mod->hard_timeout || mod->importance ||
	    mod->out_port != pristine.out_port || mod->out_group != pristine.out_group)
		return error_set(err, -EINVAL, "%s", refusal);
	return 0;
}

int flows_parse_packet(const struct flows *flows, const char *text, struct flow_key *out,
		       struct error *err)
{
	struct flow_mod mod;
	int r = read_fields(flows, text, &mod, "a packet has fields alone", err);

	if (r < 0)
		return r;
	*out = mod.match.key;
	if (!mod.match.mask.in_port)
		out->in_port = OFPORT_NONE;
	return 0;
}

int flows_parse_match(const struct flows *flows, const char *text, struct match *out,
		      struct error *err)
{
	struct flow_mod mod;
	int r = read_fields(flows, text, &mod, "packets can be chosen by fields alone", err);

	if (r < 0)
		return r;
	for (unsigned w = FLOW_KEY_PACKET_WORDS; w < FLOW_KEY_WORDS; w++)
		if (mod.match.mask.words[w])
			return error_set(err, -EINVAL,
					 "packets come in without registers, metadata, tunnel and "
					 "connection: these cannot choose them");
	*out = mod.match;
	return 0;
}
