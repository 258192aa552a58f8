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

#define DEPTH_MAX 256 /* of events; deeper ones stand at the margin of this one */
#define INDENT_MAX 20 /* steps of four blanks */

/* A story while it is told. */
struct teller {
	FILE *out;
	const json_t *events;
	size_t n;
	unsigned char
		*back; /* of each event: its depth is come back to, and how far: see way_back() */
	unsigned indent[DEPTH_MAX]; /* of the events of a depth at present */
	json_int_t table;	    /* the last one that was visited; -1: none */
};

static const json_t *event_at(const struct teller *t, size_t i)
{
	return i < t->n ? json_array_get(t->events, i) : NULL;
}

static unsigned depth_of(const json_t *event)
{
	json_int_t depth = int_of(event, "depth");

	return depth < 0 ? 0 : min((unsigned)depth, DEPTH_MAX - 1u);
}

static bool is_table(const json_t *event)
{
	return json_object_get(event, "rule") != NULL;
}

/* For each event: the depth of the first one behind it that is less deep. 0: at the end. */
static void way_back(struct teller *t)
{
	size_t next[DEPTH_MAX]; /* the next event of each depth */

	for (unsigned d = 0; d < DEPTH_MAX; d++)
		next[d] = t->n;
	for (size_t i = t->n; i-- > 0;) {
		unsigned depth = depth_of(event_at(t, i)), back = 0;
		size_t first = t->n;

		for (unsigned d = 0; d < depth; d++)
			if (next[d] < first) {
				first = next[d];
				back = d;
			}
		t->back[i] = (unsigned char)back;
		next[depth] = i;
	}
}

/* Whether a visit of a deeper table is followed by more of the rule that led there. */
static bool comes_back(const struct teller *t, size_t i)
{
	unsigned depth = depth_of(event_at(t, i));

	return depth > 1 && t->back[i] == depth - 1;
}

/* Where an event stands: what is deeper stands deeper, except that the last thing that a rule does,
 * which is to lead to another table, is as if that stood behind it. */
static void set_indent(struct teller *t, size_t i)
{
	const json_t *event = event_at(t, i);
	unsigned depth = depth_of(event), before = i ? depth_of(event_at(t, i - 1)) : 0;

	if (depth <= 1 || (is_table(event) && depth > before && !comes_back(t, i)))
		t->indent[depth] = depth ? t->indent[depth - 1] : 0;
	else if (depth > before)
		t->indent[depth] = t->indent[depth - 1] + 1;
}

static void put_indent(const struct teller *t, size_t i)
{
	const json_t *event = event_at(t, i);
	unsigned depth = depth_of(event);
	unsigned n = t->indent[depth] + (depth && !is_table(event)); /* a rule's stand below it */

	fprintf(t->out, "%*s", 4 * (int)min(n, (unsigned)INDENT_MAX), "");
}

/* The table that an action leads to, when it does nothing else, and it is the next event; or -1. */
static json_int_t leads_to(const struct teller *t, size_t i)
{
	const json_t *next = event_at(t, i + 1);
	const char *action = string_of(event_at(t, i), "action");

	if (!next || !is_table(next) ||
	    (strncmp(action, "resubmit(,", 10) && strncmp(action, "goto_table:", 11)))
		return -1;
	return int_of(next, "table");
}

static void put_rule(FILE *out, const json_t *rule)
{
	const char *match = string_of(rule, "match");
	json_int_t priority = int_of(rule, "priority");
	uint64_t cookie = (uint64_t)int_of(rule, "cookie");

	fprintf(out, "the rule for %s", *match ? match : "all packets");
	if (*match || priority)
		fprintf(out, ", priority %" JSON_INTEGER_FORMAT, priority);
	if (cookie)
		fprintf(out, ", cookie 0x%" PRIx64, cookie);
}

/* Terms of a match that are hard to read, by how they begin and end. */
static const struct {
	const char *name, *value, *words;
} plainer[] = {
	{ "dl_src", "00:00:00:00:00:00/01:00:00:00:00:00", "dl_src no multicast" },
	{ "dl_src", "01:00:00:00:00:00/01:00:00:00:00:00", "dl_src a multicast" },
	{ "dl_dst", "00:00:00:00:00:00/01:00:00:00:00:00", "dl_dst no multicast" },
	{ "dl_dst", "01:00:00:00:00:00/01:00:00:00:00:00", "dl_dst a multicast" },
	{ "nw_frag", "0/0x1", "no fragment" },
	{ "nw_frag", "0x1/0x1", "a fragment" },
};

/* "tp_dst=0x40/0xffc0", a range of ports: "tp_dst 64 to 127". False: it is no such term. */
static bool put_range(FILE *out, const char *term)
{
	unsigned value, mask, rest;
	char name[8];

	if (sscanf(term, "%7[a-z_]=%x/%x", name, &value, &mask) != 3 || strncmp(name, "tp_", 3))
		return false;
	rest = ~mask & 0xffff;
	if (rest & (rest + 1) || mask > 0xffff)
		return false;
	fprintf(out, "%s %u to %u", name, value, value | rest);
	return true;
}

static void put_term(FILE *out, const char *term)
{
	size_t len = strcspn(term, "=");

	for (size_t i = 0; i < ARRAY_SIZE(plainer); i++)
		if (term[len] && strlen(plainer[i].name) == len &&
		    !strncmp(term, plainer[i].name, len) &&
		    !strcmp(term + len + 1, plainer[i].value)) {
			fputs(plainer[i].words, out);
			return;
		}
	if (!put_range(out, term))
		fputs(term, out);
}

/* What a table has looked at that none before it had, in words. */
static void put_examined(FILE *out, const char *match)
{
	const char *between = "(looked at: ";

	while (*match) {
		size_t len = strcspn(match, ",");
		char term[256];

		snprintf(term, sizeof(term), "%.*s", (int)len, match);
		fputs(between, out);
		put_term(out, term);
		match += len + (match[len] == ',');
		between = ", ";
	}
	fputs(")\n", out);
}

/* A visit; with the action that leads on to another table, if that is all there is. Returns how
 * many events it has told. */
static size_t put_table(struct teller *t, size_t i)
{
	const json_t *event = event_at(t, i), *rule = json_object_get(event, "rule");
	const char *examined = string_of(event, "examined");
	json_int_t on = leads_to(t, i + 1);
	bool alone =
		on >= 0 && depth_of(event_at(t, i + 1)) == depth_of(event) && !comes_back(t, i + 2);

	t->table = int_of(event, "table");
	put_indent(t, i);
	fprintf(t->out, "Table %" JSON_INTEGER_FORMAT ": ", t->table);
	if (json_is_null(rule))
		fputs("no rule is for it.\n", t->out);
	else
		put_rule(t->out, rule);
	if (alone)
		fprintf(t->out, ": on to table %" JSON_INTEGER_FORMAT ".\n", on);
	else if (!strcmp(string_of(rule, "actions"), "drop"))
		fputs(": drop.\n", t->out);
	else if (!json_is_null(rule))
		fputs(":\n", t->out);
	if (*examined) {
		put_indent(t, i);
		fputs("    ", t->out);
		put_examined(t->out, examined);
	}
	return alone ? 2 : 1;
}

/* "  (reg0: 0 -> 0x7, reg1: ...)" */
static void put_changes(FILE *out, const json_t *event)
{
	static const char *const sets[] = { "load:", "move:", "set_field:" };
	const json_t *changes = json_object_get(event, "changes"), *change;
	const char *between = "  (";
	size_t i;

	json_array_foreach (changes, i, change) {
		const json_t *from = json_object_get(change, "from");
		const json_t *to = json_object_get(change, "to");

		fprintf(out, "%s%s: %s -> %s", between, string_of(change, "field"),
			json_is_null(from) ? "none" : json_string_value(from),
			json_is_null(to) ? "none" : json_string_value(to));
		between = ", ";
	}
	if (json_array_size(changes))
		fputc(')', out);
	for (i = 0; i < ARRAY_SIZE(sets) && !json_array_size(changes); i++)
		if (!strncmp(string_of(event, "action"), sets[i], strlen(sets[i])))
			fputs("  (as it was)", out);
}

static void put_action(struct teller *t, size_t i)
{
	const json_t *event = event_at(t, i);
	json_int_t on = leads_to(t, i);

	put_indent(t, i);
	if (on < 0)
		fputs(string_of(event, "action"), t->out);
	else
		fprintf(t->out, "on to table %" JSON_INTEGER_FORMAT "%s", on,
			comes_back(t, i + 1) ? ", and back here:" : "");
	put_changes(t->out, event);
	fputc('\n', t->out);
}

/* Returns how many events it has told. */
static size_t put_event(struct teller *t, size_t i)
{
	const json_t *event = event_at(t, i);

	set_indent(t, i);
	if (is_table(event))
		return put_table(t, i);
	if (json_object_get(event, "action")) {
		put_action(t, i);
	} else {
		put_indent(t, i);
		fprintf(t->out, "(%s)\n", string_of(event, "note"));
	}
	return 1;
}

static void put_packet(FILE *out, const json_t *story)
{
	const json_t *in = json_object_get(story, "in");
	const char *name = string_of(in, "name");

	fprintf(out, "The packet: %s\n", string_of(story, "packet"));
	if (!json_object_get(in, "port"))
		fputs("It comes in by no port.\n", out);
	else
		fprintf(out, "It comes in by port %" JSON_INTEGER_FORMAT "%s%s%s%s.\n",
			int_of(in, "port"), *name ? " (" : "", name, *name ? ")" : "",
			json_object_get(in, "unknown") ? ", which the bridge does not have" : "");
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
	if (*string_of(step, "name"))
		fprintf(out, " (%s)", string_of(step, "name"));
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
	if (!strcmp(name, "normal") && *string_of(step, "where"))
		fprintf(out, ": %s", string_of(step, "where"));
}

static void put_drop(const struct teller *t, const json_t *step)
{
	fprintf(t->out, "  drop it: %s (%s", string_of(step, "text"), string_of(step, "reason"));
	if (t->table >= 0)
		fprintf(t->out, ", in table %" JSON_INTEGER_FORMAT, t->table);
	fputc(')', t->out);
}

static void put_step(const struct teller *t, const json_t *step)
{
	const char *name = string_of(step, "step");
	FILE *out = t->out;

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
	else if (!strcmp(name, "drop"))
		put_drop(t, step);
	else if (!strncmp(name, "push_", 5))
		put_push(out, step, !strcmp(name, "push_vlan"));
	else
		put_plain(out, step, name);
	fputc('\n', out);
}

static void put_story(struct teller *t, const json_t *story)
{
	FILE *out = t->out;
	const json_t *step;
	size_t i;

	put_packet(out, story);
	fputc('\n', out);
	for (i = 0; i < t->n;)
		i += put_event(t, i);
	if (json_is_true(json_object_get(story, "cut")))
		fputs("... and so on: the story is too long to be told.\n", out);
	fputs("\nWhat becomes of it:\n", out);
	json_array_foreach (json_object_get(story, "steps"), i, step)
		put_step(t, step);
	if (*string_of(story, "limit"))
		fprintf(out, "  The limit that it met: %s.\n", string_of(story, "limit"));
	if (json_is_true(json_object_get(story, "cacheable")))
		fprintf(out, "The same for all packets with: %s\n", string_of(story, "examined"));
	else
		fprintf(out, "Decided anew for each packet: %s.\n", string_of(story, "why_not"));
}

/* False: memory is short. */
static bool tell(FILE *out, const json_t *story)
{
	const json_t *events = json_object_get(story, "events");
	struct teller *t = calloc(1, sizeof(*t));
	size_t n = json_array_size(events);

	if (t)
		*t = (struct teller){
			.out = out, .events = events, .n = n, .back = calloc(n + 1, 1), .table = -1
		};
	if (!t || !t->back) {
		free(t);
		return false;
	}
	way_back(t);
	put_story(t, story);
	free(t->back);
	free(t);
	return true;
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
		bool told = tell(out, json);

		if (fclose(out) || !told) {
			free(text);
			text = NULL;
		}
	}
	json_decref(json);
	return text;
}
