// SPDX-License-Identifier: Apache-2.0
// The story of a packet as text, made from its JSON.
#include <inttypes.h>
#include <linux/if_ether.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow/story.h"

static const char *string_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

static json_int_t int_of(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

/* ---- the way */

static void put_indent(FILE *out, unsigned depth)
{
	for (unsigned i = 1; i < depth && i < 20; i++)
		fputs("    ", out);
}

static void put_table(FILE *out, const json_t *event, unsigned depth)
{
	const json_t *rule = json_object_get(event, "rule");
	const char *match = string_of(rule, "match"), *examined = string_of(event, "examined");
	uint64_t cookie = (uint64_t)int_of(rule, "cookie");

	fputc('\n', out);
	put_indent(out, depth);
	fprintf(out, "Table %" JSON_INTEGER_FORMAT ": ", int_of(event, "table"));
	if (json_is_null(rule)) {
		fputs("no rule is for it.\n", out);
	} else {
		fprintf(out, "the rule for %s, priority %" JSON_INTEGER_FORMAT,
			*match ? match : "all packets", int_of(rule, "priority"));
		if (cookie)
			fprintf(out, ", cookie 0x%" PRIx64, cookie);
		fputs(".\n", out);
	}
	if (*examined) {
		put_indent(out, depth);
		fprintf(out, "  Looked at to decide that: %s\n", examined);
	}
}

static void put_changes(FILE *out, const json_t *changes, unsigned depth)
{
	const json_t *change;
	size_t i;

	json_array_foreach (changes, i, change) {
		const json_t *from = json_object_get(change, "from");
		const json_t *to = json_object_get(change, "to");

		put_indent(out, depth);
		fprintf(out, "      %s: %s -> %s\n", string_of(change, "field"),
			json_is_null(from) ? "none" : json_string_value(from),
			json_is_null(to) ? "none" : json_string_value(to));
	}
}

static void put_event(FILE *out, const json_t *event)
{
	unsigned depth = (unsigned)int_of(event, "depth");
	const json_t *action = json_object_get(event, "action");

	if (json_object_get(event, "rule")) {
		put_table(out, event, depth);
	} else if (action) {
		put_indent(out, depth);
		fprintf(out, "  %s\n", json_string_value(action));
		put_changes(out, json_object_get(event, "changes"), depth);
	} else {
		put_indent(out, depth);
		fprintf(out, "  (%s)\n", string_of(event, "note"));
	}
}

/* ---- what becomes of it */

static void put_set(FILE *out, const json_t *step)
{
	const char *name, *between = "";
	json_t *value;

	fputs("  set ", out);
	json_object_foreach (json_object_get(step, "fields"), name, value) {
		fprintf(out, "%s%s=%s", between, name, json_string_value(value));
		between = ", ";
	}
}

static void put_output(FILE *out, const json_t *step)
{
	json_int_t port = int_of(step, "port"), max_len = int_of(step, "max_len");

	if (port == OFPORT_LOCAL)
		fputs("  send it out of port LOCAL", out);
	else
		fprintf(out, "  send it out of port %" JSON_INTEGER_FORMAT, port);
	if (max_len)
		fprintf(out, ", not more than %" JSON_INTEGER_FORMAT " bytes of it", max_len);
}

static void put_controller(FILE *out, const json_t *step)
{
	json_int_t max_len = int_of(step, "max_len");

	fprintf(out, "  send a copy to controller %" JSON_INTEGER_FORMAT " (%s)",
		int_of(step, "id"), string_of(step, "reason"));
	if (max_len < CONTROLLER_WHOLE)
		fprintf(out, ", %" JSON_INTEGER_FORMAT " bytes of it", max_len);
}

static void put_learn(FILE *out, const json_t *step)
{
	fprintf(out,
		"  make a rule in table %" JSON_INTEGER_FORMAT
		" for %s, priority %" JSON_INTEGER_FORMAT ", that says %s",
		int_of(step, "table"), string_of(step, "match"), int_of(step, "priority"),
		string_of(step, "actions"));
}

static void put_push(FILE *out, const json_t *step, bool vlan)
{
	if (vlan)
		fprintf(out,
			"  add a tag of VLAN %" JSON_INTEGER_FORMAT
			", priority %" JSON_INTEGER_FORMAT "%s",
			int_of(step, "vid"), int_of(step, "pcp"),
			int_of(step, "tpid") == ETH_P_8021AD ? " (802.1ad)" : "");
	else
		fprintf(out,
			"  put MPLS label %" JSON_INTEGER_FORMAT
			" in front, TTL %" JSON_INTEGER_FORMAT,
			int_of(step, "label"), int_of(step, "ttl"));
}

static void put_meter(FILE *out, const json_t *step)
{
	bool drops = json_is_true(json_object_get(step, "drops"));
	bool remarks = json_is_true(json_object_get(step, "remarks"));

	fprintf(out, "  %s if it is over the limit of meter %" JSON_INTEGER_FORMAT,
		!remarks ? "drop it"
		: drops	 ? "drop it, or raise the drop precedence of its DSCP,"
			 : "raise the drop precedence of its DSCP",
		int_of(step, "id"));
}

static const struct {
	const char *step, *words;
} plain[] = {
	{ "pop_vlan", "take away the outermost VLAN tag" },
	{ "pop_mpls", "take away the outermost MPLS label" },
	{ "normal", "let the learning bridge decide where it goes (NORMAL)" },
	{ "save", "keep the headers as they are now ..." },
	{ "restore", "... and go on with those that were kept" },
	{ "fin_timeout", "shorten the timeouts of the rule, for the connection ends" },
};

static void put_plain(FILE *out, const json_t *step, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
		if (!strcmp(plain[i].step, name))
			fprintf(out, "  %s", plain[i].words);
	if (!strcmp(name, "queue"))
		fprintf(out, "  from here on use queue %" JSON_INTEGER_FORMAT, int_of(step, "id"));
	if (!strcmp(name, "drop"))
		fprintf(out, "  drop it: %s (%s)", string_of(step, "text"),
			string_of(step, "reason"));
}

static void put_step(FILE *out, const json_t *step)
{
	const char *name = string_of(step, "step");

	if (!strcmp(name, "set"))
		put_set(out, step);
	else if (!strcmp(name, "output"))
		put_output(out, step);
	else if (!strcmp(name, "controller"))
		put_controller(out, step);
	else if (!strcmp(name, "learn"))
		put_learn(out, step);
	else if (!strcmp(name, "meter"))
		put_meter(out, step);
	else if (!strncmp(name, "push_", 5))
		put_push(out, step, !strcmp(name, "push_vlan"));
	else
		put_plain(out, step, name);
	fputc('\n', out);
}

static void put_story(FILE *out, const json_t *story)
{
	const json_t *element;
	size_t i;

	fprintf(out, "The packet: %s\n", string_of(story, "packet"));
	json_array_foreach (json_object_get(story, "events"), i, element)
		put_event(out, element);
	if (json_is_true(json_object_get(story, "cut")))
		fputs("\n... and so on: the story is too long to be told.\n", out);
	fputs("\nWhat becomes of it:\n", out);
	json_array_foreach (json_object_get(story, "steps"), i, element)
		put_step(out, element);
	if (*string_of(story, "limit"))
		fprintf(out, "  The limit that it met: %s.\n", string_of(story, "limit"));
	if (json_is_true(json_object_get(story, "cacheable")))
		fprintf(out, "The same for all packets with: %s\n", string_of(story, "examined"));
	else
		fprintf(out, "Decided anew for each packet: %s.\n", string_of(story, "why_not"));
}

char *story_text(const struct story *story, const struct plan_draft *draft,
		 const struct translate_limit *limit)
{
	json_t *json = story_json(story, draft, limit);
	char *text = NULL;
	size_t len;
	FILE *out;

	if (!json)
		return NULL;
	out = open_memstream(&text, &len);
	if (out) {
		put_story(out, json);
		if (fclose(out)) {
			free(text);
			text = NULL;
		}
	}
	json_decref(json);
	return text;
}
