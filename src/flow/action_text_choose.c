// SPDX-License-Identifier: Apache-2.0
/* Text of actions that choose by a hash, and of those that are notes to the switch. */
#include <errno.h>
#include <strings.h>

#include "flow/action_private.h"

#define ARGS_MAX 6

static const char *const hash_names[] = {
	[HASH_ETH_SRC] = "eth_src",
	[HASH_SYMMETRIC_L4] = "symmetric_l4",
	[HASH_SYMMETRIC_L3L4] = "symmetric_l3l4",
	[HASH_SYMMETRIC_L3L4_UDP] = "symmetric_l3l4+udp",
	[HASH_NW_SRC] = "nw_src",
	[HASH_NW_DST] = "nw_dst",
	[HASH_SYMMETRIC_L3] = "symmetric_l3",
};

static const char *const multipath_names[] = {
	[MULTIPATH_MODULO_N] = "modulo_n",
	[MULTIPATH_HASH_THRESHOLD] = "hash_threshold",
	[MULTIPATH_HRW] = "hrw",
	[MULTIPATH_ITER_HASH] = "iter_hash",
};

static const char *const bundle_names[] = {
	[BUNDLE_ACTIVE_BACKUP] = "active_backup",
	[BUNDLE_HRW] = "hrw",
};

bool action_hash_valid(unsigned hash)
{
	return hash < ARRAY_SIZE(hash_names);
}

bool action_multipath_valid(unsigned algorithm)
{
	return algorithm < ARRAY_SIZE(multipath_names);
}

bool action_bundle_valid(unsigned algorithm)
{
	return algorithm < ARRAY_SIZE(bundle_names);
}

static int parse_name(const char *text, const char *const names[], unsigned n, const char *what,
		      uint8_t *out, struct error *err)
{
	for (unsigned i = 0; i < n; i++) {
		if (!strcmp(names[i], text)) {
			*out = (uint8_t)i;
			return 0;
		}
	}
	return error_set(err, -EINVAL, "'%.40s' is no %s", text, what);
}

/* Splits at commas and blanks into @n pieces; returns what is behind them, NULL: they are fewer. */
static char *split(char *text, char *pieces[], unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		text += strspn(text, ", ");
		if (!*text)
			return NULL;
		pieces[i] = text;
		text += strcspn(text, ", ");
		if (*text)
			*text++ = '\0';
	}
	return text;
}

bool action_links_fit(const struct subfield *to, unsigned max_link)
{
	return to->n_bits >= 16 || max_link <= (1u << to->n_bits) - 1;
}

/* ---- multipath */

int action_parse_multipath(struct action_parse *p, const struct action_row *row, char *arg)
{
	uint32_t basis, links, extra;
	struct subfield to = { 0 };
	struct action_multipath *a;
	uint8_t hash = 0, algorithm = 0;
	char *piece[ARGS_MAX], *end;

	(void)row;
	end = split(arg, piece, ARGS_MAX);
	if (!end || *end)
		return error_set(p->err, -EINVAL, "six arguments were expected");
	if (parse_name(piece[0], hash_names, ARRAY_SIZE(hash_names), "hash", &hash, p->err) ||
	    action_parse_u32(piece[1], UINT16_MAX, "basis", &basis, p->err) ||
	    parse_name(piece[2], multipath_names, ARRAY_SIZE(multipath_names), "algorithm",
		       &algorithm, p->err) ||
	    action_parse_u32(piece[3], UINT16_MAX + 1, "links", &links, p->err) ||
	    action_parse_u32(piece[4], UINT16_MAX, "arg", &extra, p->err) ||
	    action_parse_subfield(piece[5], &to, p->err))
		return -EINVAL;
	if (!links)
		return error_set(p->err, -EINVAL, "there must be a link");
	if (!to.field->writable)
		return error_set(p->err, -EINVAL, "%s is read-only", to.field->name);
	if (!action_links_fit(&to, links - 1))
		return error_set(p->err, -EINVAL, "%u links do not fit into %u bits", links,
				 to.n_bits);
	a = actions_append(p->list, ACTION_MULTIPATH, sizeof(*a));
	if (!a)
		return error_set(p->err, -ENOMEM, "too many actions");
	a->fields = hash;
	a->algorithm = algorithm;
	a->basis = (uint16_t)basis;
	a->max_link = (uint16_t)(links - 1);
	a->arg = (uint16_t)extra;
	subfield_copy(&a->to, &to);
	return 0;
}

void action_print_multipath(struct action_text *out, const struct action *action)
{
	const struct action_multipath *a = (const void *)action;

	action_text_add(out, "multipath(%s,%u,%s,%u,%u,", hash_names[a->fields], a->basis,
			multipath_names[a->algorithm], a->max_link + 1u, a->arg);
	action_text_subfield(out, &a->to);
	action_text_add(out, ")");
}

/* ---- bundle */

/* The end of "members:1,2" (and "slaves:", as it was called), at the ports. */
static char *members_of(char *text)
{
	text += strspn(text, ", ");
	if (!strncmp(text, "members:", 8))
		return text + 8;
	return !strncmp(text, "slaves:", 7) ? text + 7 : NULL;
}

static int parse_members(char *text, uint32_t *ports, unsigned *n, struct error *err)
{
	char *piece[1], *end;

	for (*n = 0; (end = split(text, piece, 1)); text = end) {
		if (*n == ACTION_MEMBERS_MAX)
			return error_set(err, -EINVAL, "more than %d members", ACTION_MEMBERS_MAX);
		if (action_parse_port(piece[0], &ports[*n], err))
			return -EINVAL;
		(*n)++;
	}
	return 0;
}

struct action_bundle *action_append_bundle(struct action_list *list, unsigned n_ports)
{
	struct action_bundle *a =
		actions_append(list, ACTION_BUNDLE, sizeof(*a) + n_ports * sizeof(a->ports[0]));

	if (a)
		a->n_ports = n_ports;
	return a;
}

/* Of bundle(): fields,basis,algorithm,ofport; of bundle_load() also the field. */
static int parse_bundle_head(struct action_parse *p, struct action_bundle *head, char *piece[],
			     bool load)
{
	uint32_t basis;

	if (parse_name(piece[0], hash_names, ARRAY_SIZE(hash_names), "hash", &head->fields,
		       p->err) ||
	    action_parse_u32(piece[1], UINT16_MAX, "basis", &basis, p->err) ||
	    parse_name(piece[2], bundle_names, ARRAY_SIZE(bundle_names), "algorithm",
		       &head->algorithm, p->err))
		return -EINVAL;
	if (strcasecmp(piece[3], "ofport"))
		return error_set(p->err, -EINVAL, "members can be of the kind ofport alone");
	head->basis = (uint16_t)basis;
	head->has_to = load;
	if (!load)
		return 0;
	if (action_parse_subfield(piece[4], &head->to, p->err))
		return -EINVAL;
	if (!head->to.field->writable)
		return error_set(p->err, -EINVAL, "%s is read-only", head->to.field->name);
	return 0;
}

int action_parse_bundle(struct action_parse *p, const struct action_row *row, char *arg)
{
	uint32_t ports[ACTION_MEMBERS_MAX];
	struct action_bundle head = { 0 }, *a;
	bool load = strchr(row->name, '_');
	char *piece[ARGS_MAX], *end;
	unsigned n;

	end = split(arg, piece, load ? 5 : 4);
	end = end ? members_of(end) : NULL;
	if (!end)
		return error_set(p->err, -EINVAL, "\"members:\" was expected");
	if (parse_bundle_head(p, &head, piece, load) || parse_members(end, ports, &n, p->err))
		return -EINVAL;
	a = action_append_bundle(p->list, n);
	if (!a)
		return error_set(p->err, -ENOMEM, "too many actions");
	a->fields = head.fields;
	a->algorithm = head.algorithm;
	a->basis = head.basis;
	a->has_to = head.has_to;
	if (load)
		subfield_copy(&a->to, &head.to);
	if (n)
		memcpy(a->ports, ports, n * sizeof(ports[0]));
	return 0;
}

void action_print_bundle(struct action_text *out, const struct action *action)
{
	const struct action_bundle *a = (const void *)action;

	action_text_add(out, "%s(%s,%u,%s,ofport,", a->has_to ? "bundle_load" : "bundle",
			hash_names[a->fields], a->basis, bundle_names[a->algorithm]);
	if (a->has_to) {
		action_text_subfield(out, &a->to);
		action_text_add(out, ",");
	}
	action_text_add(out, "members:");
	for (uint32_t i = 0; i < a->n_ports; i++) {
		action_text_add(out, "%s", i ? "," : "");
		action_text_port(out, a->ports[i]);
	}
	action_text_add(out, ")");
}

/* ---- conjunction, note, fin_timeout */

int action_parse_conjunction(struct action_parse *p, const struct action_row *row, char *arg)
{
	struct action_conjunction *a;
	uint32_t id, clause, n;
	char *piece[2], *end, *of;

	(void)row;
	end = split(arg, piece, 2);
	of = end ? strchr(piece[1], '/') : NULL;
	if (!of || *end)
		return error_set(p->err, -EINVAL, "(ID,CLAUSE/CLAUSES) was expected");
	*of++ = '\0';
	if (action_parse_u32(piece[0], UINT32_MAX, "an id", &id, p->err) ||
	    action_parse_u32(piece[1], UINT8_MAX, "a clause", &clause, p->err) ||
	    action_parse_u32(of, UINT8_MAX, "clauses", &n, p->err))
		return -EINVAL;
	if (n < ACTION_CLAUSES_MIN || n > ACTION_CLAUSES_MAX)
		return error_set(p->err, -EINVAL, "there are %d to %d clauses", ACTION_CLAUSES_MIN,
				 ACTION_CLAUSES_MAX);
	if (!clause || clause > n)
		return error_set(p->err, -EINVAL, "clause %u is not one of 1 to %u", clause, n);
	a = actions_append(p->list, ACTION_CONJUNCTION, sizeof(*a));
	if (!a)
		return error_set(p->err, -ENOMEM, "too many actions");
	a->id = id;
	a->clause = (uint8_t)(clause - 1);
	a->n_clauses = (uint8_t)n;
	return 0;
}

void action_print_conjunction(struct action_text *out, const struct action *action)
{
	const struct action_conjunction *a = (const void *)action;

	action_text_add(out, "conjunction(%u,%u/%u)", a->id, a->clause + 1u, a->n_clauses);
}

int action_append_note(struct action_list *list, const uint8_t *bytes, size_t n)
{
	/* as many as there are on the wire */
	size_t padded = ACTION_ROUND(max(n, (size_t)1) + 2) - 2;
	struct action_note *a = actions_append(list, ACTION_NOTE, sizeof(*a) + padded);

	if (!a)
		return -ENOMEM;
	a->n = (uint32_t)padded;
	memcpy(a->bytes, bytes, n);
	return 0;
}

int action_parse_note(struct action_parse *p, const struct action_row *row, char *arg)
{
	uint8_t bytes[ACTION_NOTE_MAX];
	size_t n;

	(void)row;
	if (action_parse_hex(arg, bytes, sizeof(bytes), &n, p->err))
		return -EINVAL;
	if (action_append_note(p->list, bytes, n))
		return error_set(p->err, -ENOMEM, "too many actions");
	return 0;
}

void action_print_note(struct action_text *out, const struct action *action)
{
	const struct action_note *a = (const void *)action;

	action_text_add(out, "note:");
	action_text_hex(out, a->bytes, a->n);
}

int action_parse_fin_timeout(struct action_parse *p, const struct action_row *row, char *arg)
{
	char *name, *value, *tail;
	struct action_fin_timeout *a;
	uint32_t idle = 0, hard = 0;
	int rc;

	(void)row;
	while ((rc = action_text_next(&arg, &name, &value, &tail, p->err)) > 0) {
		if (!strcmp(name, "idle_timeout"))
			rc = action_parse_u32(value, UINT16_MAX, name, &idle, p->err);
		else if (!strcmp(name, "hard_timeout"))
			rc = action_parse_u32(value, UINT16_MAX, name, &hard, p->err);
		else
			rc = error_set(p->err, -EINVAL, "unknown argument %.40s", name);
		if (rc)
			return rc;
	}
	if (rc)
		return rc;
	a = actions_append(p->list, ACTION_FIN_TIMEOUT, sizeof(*a));
	if (!a)
		return error_set(p->err, -ENOMEM, "too many actions");
	a->idle = (uint16_t)idle;
	a->hard = (uint16_t)hard;
	return 0;
}

void action_print_fin_timeout(struct action_text *out, const struct action *action)
{
	const struct action_fin_timeout *a = (const void *)action;

	action_text_add(out, "fin_timeout(");
	if (a->idle)
		action_text_add(out, "idle_timeout=%u", a->idle);
	if (a->hard)
		action_text_add(out, "%shard_timeout=%u", a->idle ? "," : "", a->hard);
	action_text_add(out, ")");
}
