// SPDX-License-Identifier: Apache-2.0
/* Changes of many rules at once, by a text of many lines: all of them or none, as one version. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "switch/flows_private.h"
#include "switch/flows_text.h"

/* -errno, with a text. */
static int refused(enum of_error e, struct error *err)
{
	if (!*err->text)
		error_set(err, -EINVAL, "refused: %s", of_error_name(e));
	return e == OFERR_FLOW_TABLE_FULL ? -ENOSPC : -EINVAL;
}

/* The next line that says something, its number counted; NULL: there is none. */
static char *next_line(char **text, unsigned *number)
{
	while (*text && **text) {
		char *line = strsep(text, "\n"), *comment = strchr(line, '#');

		++*number;
		if (comment)
			*comment = 0;
		line += strspn(line, " \t\r");
		if (*line)
			return line;
	}
	return NULL;
}

typedef int line_function(struct change *c, struct flow_mod *mod, struct error *err);

static int one_line(struct change *c, enum flow_command command, const char *line,
		    line_function *fn, struct error *err)
{
	struct flow_mod mod;
	int r = flows_parse_mod(c->flows, command, line, &mod, err);

	return r < 0 ? r : fn(c, &mod, err);
}

/* Carries out @fn on each line; what it is given is freed by it. */
static int each_line(struct change *c, enum flow_command command, char *text, line_function *fn,
		     struct error *err)
{
	bool one = !strchr(text, '\n');
	unsigned number = 0;
	char *line;
	int r = 0;

	while (r == 0 && (line = next_line(&text, &number))) {
		keep_busy(c->flows->sw->env.keep);
		r = one_line(c, command, line, fn, err);
		if (r < 0 && !one)
			error_prefix(err, "line %u", number);
	}
	return r;
}

static int carry_out(struct change *c, struct flow_mod *mod, struct error *err)
{
	enum of_error e = flows_mod_within(c, mod, err);

	return e ? refused(e, err) : 0;
}

static int finish(struct change *c, int r, struct error *err)
{
	if (r < 0) {
		change_abort(c);
		return r;
	}
	return change_commit(c) < 0 ? error_set(err, -ENOMEM, "out of memory") : 0;
}

int flows_change(struct flows *flows, enum flow_command command, char *text, struct error *err)
{
	struct change c;

	if (change_begin(&c, flows) < 0)
		return error_set(err, -ENOMEM, "out of memory");
	/* no text at all is one that is for all packets */
	if (!*text)
		return finish(&c, one_line(&c, command, text, carry_out, err), err);
	return finish(&c, each_line(&c, command, text, carry_out, err), err);
}

/* Replacing. */

static bool is_same(const struct rule *rule, const struct flow_mod *mod)
{
	return rule->cookie == mod->cookie && rule->idle_timeout == mod->idle_timeout &&
	       rule->hard_timeout == mod->hard_timeout && rule->importance == mod->importance &&
	       rule->flags == (mod->flags & ~(RULE_CHECK_OVERLAP | RULE_RESET_COUNTS)) &&
	       actions_equal(&rule->actions, &mod->actions);
}

static void mark(struct flows *flows, struct rule *rule)
{
	((struct flows_rule *)rule->owner)->wanted = flows->round;
}

static bool is_marked(const struct flows *flows, const struct rule *rule)
{
	return ((const struct flows_rule *)rule->owner)->wanted == flows->round;
}

/* All that are there go, until somebody wants them. */
static bool goes(void *arg, struct rule *rule)
{
	struct going *going = arg;

	if (rule->hidden)
		return true;
	going->n++;
	going->n_of_table[rule->table]++;
	going->actions_len += rule->actions.len;
	return true;
}

/* One of them is wanted, or another one comes in its place. */
static void stays(struct going *going, const struct rule *rule)
{
	going->n--;
	going->n_of_table[rule->table]--;
	going->actions_len -= rule->actions.len;
}

static int want(struct change *c, struct flow_mod *mod, struct error *err)
{
	struct rule *rule = pipeline_find_rule(c->next, mod->table, mod->priority, &mod->match);
	int r;

	if (rule && !rule->hidden && !is_marked(c->flows, rule))
		stays(c->going, rule);
	if (rule) /* as those of the rule were */
		actions_settle(&mod->actions, &mod->match);
	if (rule && is_same(rule, mod)) {
		actions_free(&mod->actions);
		mark(c->flows, rule);
		return 0;
	}
	r = carry_out(c, mod, err);
	if (r == 0) /* the new one is the last that has come */
		mark(c->flows, c->effects[c->n - 1].rule);
	return r;
}

static int remove_unwanted(struct change *c, struct error *err)
{
	const struct flow_filter all = { .table = FLOWS_TABLE_ALL,
					 .out_port = OFPORT_NONE,
					 .out_group = GROUP_ANY };
	struct rule_list list = { 0 };
	int r;

	flows_collect(c->next, &all, &list);
	r = list.no_memory ? -ENOMEM : 0;
	for (size_t i = 0; r == 0 && i < list.n; i++)
		if (!is_marked(c->flows, list.rules[i]))
			r = change_remove(c, list.rules[i], REMOVED_DELETE);
	free(list.rules);
	return r < 0 ? error_set(err, r, "out of memory") : 0;
}

int flows_replace(struct flows *flows, char *text, size_t *n_changed, struct error *err)
{
	struct going going = { 0 };
	struct change c;
	int r;

	*n_changed = 0;
	if (change_begin(&c, flows) < 0)
		return error_set(err, -ENOMEM, "out of memory");
	flows->round++;
	pipeline_each_rule(flows->current, FLOWS_TABLE_ALL, NULL, goes, &going);
	c.going = &going;
	r = each_line(&c, FLOW_ADD, text, want, err);
	if (r == 0)
		r = remove_unwanted(&c, err);
	for (size_t i = 0; r == 0 && i < c.n; i++)
		*n_changed += !c.effects[i].silent;
	return finish(&c, r, err);
}
