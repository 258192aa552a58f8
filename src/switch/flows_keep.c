// SPDX-License-Identifier: Apache-2.0
/* How rules outlive the process: writing.
 *
 * Theory of operation. Before a version is published, what it adds is put behind the end of the
 * ledger, and one record that tells which ones it makes useless; then the end is moved. So a later
 * process has all of a change, or nothing of it. When half of the ledger is useless, or it is full,
 * what the new version shows goes to a new one, which then takes the place of the old one in one
 * step. So what only takes away finds room in any ledger: what is left is less than what was there.
 * Counts are in slots of their own (switch/bank.h), where workers change them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limit.h"
#include "base/log.h"
#include "switch/flows_keep.h"
#include "switch/kept.h"

LOG_MODULE("flows");

/* Of @room: in the rest rules are taken away, and changed, without a new ledger each time. */
#define MAY_FILL(room) ((room) / 8 * 7)

LIMIT_EACH(kept_limit, "flows_kept_bytes", MAY_FILL(LEDGER_ROOM_MAX),
	   "of each bridge's rules, groups and meters, as they outlive the process");

#define ROOM_FIRST 61440u
#define DEAD_MAX (1u << 20) /* less than this much that is of no use is not worth the work */

/* Settings: how a table treats packets without a rule, 32 tables to a word; then fragments. */
#define TABLES_A_WORD 32
#define SETTING_FRAGS 8

void flows_keep_key(const struct flows *flows, const char *kind, char key[KEEP_KEY_MAX])
{
	snprintf(key, KEEP_KEY_MAX, "%s/%s", kind, flows->name);
}

int flows_keep_table(struct flows *flows, unsigned i, uint32_t *slot)
{
	/* an earlier process has had them, too */
	if (i < flows->tallies.n_slots && bank_claim(&flows->tallies, i)) {
		*slot = i;
		return 0;
	}
	return bank_take(&flows->tallies, slot);
}

/* What of a version is of use. */

static uint32_t group_slot(const struct group *group)
{
	return ((const struct flows_group *)group->owner)->slot;
}

static int put_group(struct kept_bytes *to, const struct group *group)
{
	return kept_put_group(to, group, group_slot(group),
			      ((const struct flows_group *)group->owner)->buckets);
}

static int put_meter(struct kept_bytes *to, const struct meter *meter)
{
	return kept_put_meter(to, meter, ((const struct flows_meter *)meter->owner)->slot);
}

/* A ledger in the making, of all that a version shows. */
struct writing {
	struct ledger ledger;
	struct keep *keep;
	const struct ledger *old; /* where records are that need only be copied; NULL: none */
	struct kept_bytes bytes;  /* of one record */
	uint64_t size;		  /* of all, in the first round */
	bool write;		  /* the second one */
	int r;
};

/* A record whose place goes to *@place. */
static bool write_record(struct writing *w, uint64_t *place)
{
	const struct ledger_record *record;

	keep_busy(w->keep);
	if (w->old && *place)
		record = ledger_at(w->old, *place);
	else
		record = (const void *)w->bytes.bytes;
	if (!w->write)
		w->size += record->len;
	else
		*place = ledger_add(&w->ledger, record);
	return true;
}

/* Whether a record has to be made: it is not in the old ledger. */
static bool must_make(struct writing *w, uint64_t place)
{
	w->bytes.n = 0;
	return !w->old || !place;
}

static bool write_rule(void *arg, struct rule *rule)
{
	struct writing *w = arg;
	struct flows_rule *owner = rule->owner;

	if (must_make(w, owner->record))
		w->r = kept_put_rule(&w->bytes, rule, owner->slot);
	return w->r == 0 && write_record(w, &owner->record);
}

static bool write_group(void *arg, const struct group *group)
{
	struct writing *w = arg;
	struct flows_group *owner = group->owner;

	if (must_make(w, owner->record))
		w->r = put_group(&w->bytes, group);
	return w->r == 0 && write_record(w, &owner->record);
}

static bool write_meter(void *arg, struct meter *meter)
{
	struct writing *w = arg;
	struct flows_meter *owner = meter->owner;

	if (must_make(w, owner->record))
		w->r = put_meter(&w->bytes, meter);
	return w->r == 0 && write_record(w, &owner->record);
}

static void write_all(struct writing *w, const struct pipeline *p)
{
	pipeline_each_meter(p, write_meter, w);
	if (w->r == 0)
		pipeline_each_group(p, write_group, w);
	if (w->r == 0)
		pipeline_each_rule(p, 255, NULL, write_rule, w);
}

static void write_settings(struct ledger *ledger, const struct pipeline *p)
{
	for (unsigned first = 0; first < PIPELINE_TABLES; first += TABLES_A_WORD) {
		uint64_t word = 0;

		for (unsigned t = first; t < min(first + TABLES_A_WORD, 255u); t++)
			word |= (uint64_t)pipeline_table(p, (uint8_t)t)->miss << 2 * (t - first);
		ledger_set(ledger, first / TABLES_A_WORD, word);
	}
	ledger_set(ledger, SETTING_FRAGS, pipeline_frags(p));
}

/* Replaces the ledger by one of what @p shows. 0 or -ENOMEM. */
static int rewrite(struct flows *flows, const struct pipeline *p)
{
	struct writing w = { .keep = flows->sw->env.keep,
			     .old = flows->ledger.header ? &flows->ledger : NULL };
	char key[KEEP_KEY_MAX];
	uint64_t room;

	write_all(&w, p);
	flows_keep_key(flows, "flows", key);
	room = max(2 * w.size, (uint64_t)ROOM_FIRST);
	room = min(room, flows->ledger_room);
	if (w.r == 0)
		w.r = w.size <= room ? ledger_create(&w.ledger, w.keep, key, room) : -ENOMEM;
	if (w.r == 0) {
		/* nothing fails from here on but making records, which has been done before */
		w.write = true;
		write_all(&w, p);
	}
	free(w.bytes.bytes);
	if (w.r < 0)
		return w.r;
	write_settings(&w.ledger, p);
	ledger_commit(&w.ledger);
	ledger_hold(&w.ledger);
	ledger_close(&flows->ledger);
	flows->ledger = w.ledger;
	return 0;
}

int flows_keep_started(struct flows *flows)
{
	struct ledger old = flows->ledger;
	int r;

	if (!flows->sw->env.keep)
		return 0;
	/* the ledger of an earlier process goes on: packets wait, and making it anew takes half of
	 * the time; unless there was something wrong with it */
	if (flows->restored && !flows->doubtful)
		return 0;
	flows->ledger.header = NULL;
	r = rewrite(flows, flows->current);
	ledger_close(&old);
	return r;
}

/* What a change adds, in the order in which it gets a place; and what it makes useless. */
struct additions {
	struct kept_bytes bytes;
	uint64_t *gone;
	size_t n_gone;
	uint64_t gone_bytes; /* of these records */
};

static void add_gone(struct additions *a, const struct ledger *ledger, uint64_t place)
{
	if (!place)
		return;
	a->gone[a->n_gone++] = place;
	a->gone_bytes += ledger_at(ledger, place)->len;
}

/* Rules that come and go within the change are not for the ledger. */
static void find_fresh(const struct change *c)
{
	for (size_t i = 0; i < c->n; i++)
		((struct flows_rule *)c->effects[i].rule->owner)->fresh = c->effects[i].added;
}

static int collect_rules(struct additions *a, const struct change *c)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->n; i++) {
		const struct rule *rule = c->effects[i].rule;
		const struct flows_rule *owner = rule->owner;

		keep_busy(c->flows->ledger.keep);
		if (!c->effects[i].added)
			add_gone(a, &c->flows->ledger, owner->record);
		else if (owner->fresh)
			r = kept_put_rule(&a->bytes, rule, owner->slot);
	}
	return r;
}

static int collect_objects(struct additions *a, const struct change *c)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->n_objects; i++) {
		const struct change_object *o = &c->objects[i];

		keep_busy(c->flows->ledger.keep);
		add_gone(a, &c->flows->ledger, o->record);
		if (o->object)
			r = o->kind == CHANGE_GROUP ? put_group(&a->bytes, o->object)
						    : put_meter(&a->bytes, o->object);
	}
	return r;
}

/* Adds the next record in @a. */
static uint64_t add_next(struct ledger *ledger, const struct additions *a, size_t *at)
{
	const struct ledger_record *record = (const void *)(a->bytes.bytes + *at);

	*at += record->len;
	return ledger_add(ledger, record);
}

/* There is room. */
static void add_all(struct flows *flows, const struct additions *a, const struct change *c)
{
	struct ledger *ledger = &flows->ledger;
	size_t at = 0;

	for (size_t i = 0; i < c->n; i++) {
		struct flows_rule *owner = c->effects[i].rule->owner;

		if (c->effects[i].added && owner->fresh)
			owner->record = add_next(ledger, a, &at);
	}
	for (size_t i = 0; i < c->n_objects; i++) {
		const struct change_object *o = &c->objects[i];

		if (o->object && o->kind == CHANGE_GROUP)
			((struct flows_group *)((const struct group *)o->object)->owner)->record =
				add_next(ledger, a, &at);
		else if (o->object)
			((struct flows_meter *)((const struct meter *)o->object)->owner)->record =
				add_next(ledger, a, &at);
	}
	for (size_t i = 0; i < a->n_gone; i++)
		ledger_dead(ledger, a->gone[i]);
	if (a->n_gone)
		ledger->dead += sizeof(struct kept_gone) + a->n_gone * sizeof(a->gone[0]);
	while (at < a->bytes.n)
		(void)add_next(ledger, a, &at); /* what is gone */
	if (c->settings)
		write_settings(ledger, c->next);
	ledger_commit(ledger);
}

static bool is_wasteful(const struct ledger *ledger)
{
	return ledger->dead > DEAD_MAX && ledger->dead > ledger->end / 2;
}

/* Whether what is of use may become so much more: it always may become less. */
static int check_room(const struct flows *flows, const struct additions *a)
{
	uint64_t used = flows->ledger.end - flows->ledger.dead, more = a->bytes.n;

	if (more <= a->gone_bytes || used + more - a->gone_bytes <= MAY_FILL(flows->ledger_room))
		return 0;
	limit_refuse(&kept_limit);
	log_limited(LOG_WARNING,
		    "bridge %s: what outlives the process of its rules has no room for more",
		    flows->name);
	return -ENOSPC;
}

static int collect(struct additions *a, const struct change *c)
{
	int r = collect_rules(a, c);

	if (r == 0)
		r = collect_objects(a, c);
	if (r == 0)
		r = check_room(c->flows, a);
	if (r == 0 && a->n_gone)
		r = kept_put_gone(&a->bytes, a->gone, a->n_gone);
	return r;
}

static int write_down(struct flows *flows, const struct additions *a, const struct change *c)
{
	bool fits = ledger_room(&flows->ledger) >= a->bytes.n;

	if ((!fits || is_wasteful(&flows->ledger)) && rewrite(flows, c->next) == 0)
		return 0;
	if (!fits)
		return -ENOMEM;
	add_all(flows, a, c);
	return 0;
}

int flows_keep_change(struct flows *flows, const struct change *c)
{
	struct additions a = { 0 };
	uint64_t *gone;
	int r;

	if (!flows->ledger.header)
		return 0;
	gone = calloc(c->n + c->n_objects + 1, sizeof(gone[0]));
	if (!gone)
		return -ENOMEM;
	a.gone = gone;
	find_fresh(c);
	r = collect(&a, c);
	if (r == 0)
		r = write_down(flows, &a, c);
	free(a.bytes.bytes);
	free(gone);
	return r;
}

void flows_keep_times(const struct rule *rule)
{
	const struct flows_rule *owner = rule->owner;
	struct kept_rule *k;

	if (!owner->record || !owner->flows->ledger.header)
		return;
	k = (struct kept_rule *)ledger_at(&owner->flows->ledger, owner->record);
	shared_store(&k->modified_ms, __atomic_load_n(&rule->modified_ms, __ATOMIC_RELAXED));
	shared_store(&k->idle_timeout, rule->idle_timeout);
	shared_store(&k->hard_timeout, rule->hard_timeout);
}

void flows_keep_close(struct flows *flows)
{
	ledger_close(&flows->ledger);
	bank_close(&flows->tallies);
	bank_close(&flows->meters);
}

void flows_release(struct flows *flows)
{
	char key[KEEP_KEY_MAX];

	flows_keep_key(flows, "flows", key);
	keep_release(flows->sw->env.keep, key);
	bank_release(&flows->tallies);
	bank_release(&flows->meters);
}
