// SPDX-License-Identifier: Apache-2.0
/* How rules outlive the process: reading what an earlier one has left.
 *
 * What makes no sense lets no packet through that a rule might have stopped. A rule whose actions
 * make no sense drops, so one that uses a group or meter that makes none. When it cannot be known
 * which rules there were, there are none.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "switch/flows_keep.h"
#include "switch/kept.h"

LOG_MODULE("flows");

#define TABLES_A_WORD 32
#define SETTING_FRAGS 8

struct restoring {
	struct flows *flows;
	struct pipeline *p;
	uint64_t *places; /* of all records, in order */
	uint64_t place;	  /* of the one at work */
	bool *gone;
	size_t n, n_bad, n_rules;
	bool unknown; /* which rules there were */
	bool no_memory;
};

int flows_keep_open(struct flows *flows)
{
	struct keep *keep = flows->sw->env.keep;
	char key[KEEP_KEY_MAX];
	int r;

	flows_keep_key(flows, "tallies", key);
	bank_init(&flows->tallies, keep, key, sizeof(struct tally));
	flows_keep_key(flows, "meters", key);
	bank_init(&flows->meters, keep, key, sizeof(struct meter_state));
	flows_keep_key(flows, "flows", key);
	r = keep ? ledger_open(&flows->ledger, keep, key) : -ENOENT;
	if (r == -ENOENT)
		return 0;
	bank_recover(&flows->tallies);
	bank_recover(&flows->meters);
	flows->restored = true; /* even if it cannot be read */
	return 0;
}

static bool find_records(struct restoring *r)
{
	const struct ledger *ledger = &r->flows->ledger;
	uint64_t place = 0;

	while ((place = ledger_next(ledger, place))) {
		keep_busy(ledger->keep);
		r->n++;
	}
	r->places = calloc(r->n + 1, sizeof(r->places[0]));
	r->gone = calloc(r->n + 1, sizeof(r->gone[0]));
	if (!r->places || !r->gone)
		return false;
	for (size_t i = 0; i < r->n; i++) {
		place = ledger_next(ledger, place);
		r->places[i] = place;
	}
	/* what stands between the last record and the end is none */
	r->unknown |= ledger->end >
		      (r->n ? r->places[r->n - 1] + ledger_at(ledger, r->places[r->n - 1])->len
			    : sizeof(struct ledger_header));
	return true;
}

static void set_gone(struct restoring *r, uint64_t place)
{
	size_t low = 0, high = r->n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (r->places[mid] == place) {
			r->gone[mid] = true;
			return;
		}
		if (r->places[mid] < place)
			low = mid + 1;
		else
			high = mid;
	}
	r->unknown = true;
}

static void find_gone(struct restoring *r)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct ledger_record *record = ledger_at(&r->flows->ledger, r->places[i]);
		const struct kept_gone *gone = kept_get_gone(record);

		if (record->kind != KEPT_GONE)
			continue;
		r->gone[i] = true;
		r->unknown |= !gone;
		for (uint64_t j = 0; gone && j < gone->n; j++) {
			keep_busy(r->flows->ledger.keep);
			set_gone(r, gone->places[j]);
		}
	}
	for (size_t i = 0; i < r->n; i++)
		if (r->gone[i])
			ledger_dead(&r->flows->ledger, r->places[i]);
}

static void find_other_kinds(struct restoring *r)
{
	for (size_t i = 0; i < r->n; i++) {
		uint32_t kind = ledger_at(&r->flows->ledger, r->places[i])->kind;

		r->unknown |= !r->gone[i] && (kind < KEPT_RULE || kind > KEPT_GONE);
	}
}

/* Takes the slot of that number, or another one when there is none: then 1. -errno. */
static int claim(struct restoring *r, struct bank *bank, uint32_t *slot)
{
	int e;

	if (bank_claim(bank, *slot))
		return 0;
	r->n_bad++;
	e = bank_take(bank, slot);
	return e < 0 ? e : 1;
}

/* Meters first, then groups, then rules, which use them. */

static bool restore_meter(struct restoring *r, const struct ledger_record *record)
{
	const struct kept_meter *k = (const void *)record;
	struct meter *meter = kept_get_meter(record);
	struct flows_meter *owner;
	uint32_t slot = k->slot;

	if (!meter)
		return false;
	owner = calloc(1, sizeof(*owner));
	if (!owner || pipeline_meter(r->p, meter->id) || claim(r, &r->flows->meters, &slot) < 0) {
		free(owner);
		meter_unref(meter);
		return false;
	}
	owner->flows = r->flows;
	owner->slot = slot;
	owner->record = r->place;
	meter->owner = owner;
	meter->state = bank_at(&r->flows->meters, slot);
	if (pipeline_add_meter(r->p, meter) == 0)
		return true;
	meter_unref(meter);
	return false;
}

/* Gives @group its slots; what it has got goes with it. */
static bool claim_group(struct restoring *r, struct group *group, uint32_t slot, uint32_t *slots)
{
	struct flows *flows = r->flows;
	struct flows_group *owner =
		calloc(1, sizeof(*owner) + group->n_buckets * sizeof(owner->buckets[0]));

	if (!owner || claim(r, &flows->tallies, &slot) < 0) {
		free(owner);
		return false;
	}
	owner->flows = flows;
	owner->slot = slot;
	owner->record = r->place;
	group->owner = owner;
	group->tally = bank_at(&flows->tallies, slot);
	if (!room_take_group(group))
		return false;
	for (unsigned i = 0; i < group->n_buckets; i++) {
		if (claim(r, &flows->tallies, &slots[i]) < 0)
			return false;
		owner->buckets[owner->n_buckets++] = slots[i];
		group->buckets[i].tally = bank_at(&flows->tallies, slots[i]);
	}
	return true;
}

static bool restore_group(struct restoring *r, const struct ledger_record *record)
{
	uint32_t *slots = NULL;
	struct group *group = kept_get_group(record, &slots);
	bool good;

	if (!group)
		return false;
	good = !pipeline_group(r->p, group->id) &&
	       r->flows->n_buckets + group->n_buckets <= FLOWS_BUCKETS_MAX &&
	       claim_group(r, group, ((const struct kept_group *)record)->slot, slots) &&
	       flows_group_allowed(group) && pipeline_add_group(r->p, group) == 0;
	free(slots);
	if (!good) {
		group_unref(group);
		return false;
	}
	r->flows->n_buckets += group->n_buckets;
	r->flows->actions_len += ((const struct flows_group *)group->owner)->actions_len;
	uses_note_group(r->flows, group, true);
	return true;
}

static void remove_loops(struct restoring *r)
{
	size_t n;

	r->no_memory |= loops_remove(r->flows, r->p, &n) < 0;
	r->n_bad += n;
}

/* A rule whose actions nobody could have brought in is none. */
static bool is_allowed(const struct restoring *r, uint8_t table,
		       const struct kept_rule_content *content)
{
	const struct action_limits limits = {
		.table = table,
		.has_table = true,
		.inconsistent = true, /* some versions let them through */
		.group_exists = flows_has_group,
		.meter_exists = flows_has_meter,
		.arg = r->p,
	};
	struct error err;

	return !actions_check(&content->actions, &content->match, &limits, &err);
}

static bool restore_rule(struct restoring *r, const struct ledger_record *record)
{
	const struct kept_rule *k = (const void *)record;
	struct kept_rule_content content = { 0 };
	uint32_t slot = k->slot;
	struct rule *rule, *old;
	int claimed, e;

	if (r->n_rules >= FLOWS_MAX || !kept_get_rule(record, &content))
		return false;
	if (content.bad_actions || !is_allowed(r, k->table, &content)) {
		actions_free(&content.actions);
		r->n_bad++;
	}
	claimed = claim(r, &r->flows->tallies, &slot);
	if (claimed < 0) {
		actions_free(&content.actions);
		r->no_memory = true;
		return false;
	}
	rule = flows_make_rule_at(r->flows, k->table, k->priority, &content.match, &content.actions,
				  slot);
	if (!rule) {
		r->no_memory = true;
		return false;
	}
	if (claimed > 0) /* idle from now on */
		tally_add(rule->tally, 0, 0, clock_ns() / NSEC_PER_MSEC);
	((struct flows_rule *)rule->owner)->record = r->place;
	rule->cookie = k->cookie;
	rule->created_ms = k->created_ms;
	rule->modified_ms = k->modified_ms;
	rule->importance = k->importance;
	rule->idle_timeout = k->idle_timeout;
	rule->hard_timeout = k->hard_timeout;
	rule->flags = k->flags & (RULE_SEND_FLOW_REM | RULE_NO_PKT_COUNTS | RULE_NO_BYT_COUNTS);
	old = pipeline_find_rule(r->p, k->table, k->priority, &content.match);
	e = expire_reserve(r->flows, 1);
	if (e == 0)
		e = old ? -EEXIST : pipeline_add_rule(r->p, rule);
	if (e == 0) {
		flows_show_first(r->flows, rule);
		r->n_rules++;
	}
	r->no_memory |= e == -ENOMEM;
	rule_unref(rule);
	return e == 0;
}

static void restore_kind(struct restoring *r, uint32_t kind,
			 bool (*fn)(struct restoring *r, const struct ledger_record *record))
{
	for (size_t i = 0; i < r->n && !r->no_memory; i++) {
		const struct ledger_record *record = ledger_at(&r->flows->ledger, r->places[i]);

		r->place = r->places[i];
		keep_busy(r->flows->ledger.keep);
		if (r->gone[i] || record->kind != kind || fn(r, record))
			continue;
		r->n_bad++;
		r->unknown |= kind == KEPT_RULE;
	}
}

static void restore_settings(struct restoring *r)
{
	const struct ledger *ledger = &r->flows->ledger;

	for (unsigned t = 0; t < PIPELINE_TABLES; t++) {
		struct pipeline_table settings = *pipeline_table(r->p, (uint8_t)t);
		uint64_t miss =
			ledger_get(ledger, t / TABLES_A_WORD) >> 2 * (t % TABLES_A_WORD) & 3;

		settings.miss = miss <= MISS_DROP ? (enum table_miss)miss : MISS_CONTROLLER;
		r->no_memory |= pipeline_set_table(r->p, (uint8_t)t, &settings) < 0;
	}
	if (ledger_get(ledger, SETTING_FRAGS) <= 3 && ledger_get(ledger, SETTING_FRAGS) != 2)
		pipeline_set_frags(r->p, (uint8_t)ledger_get(ledger, SETTING_FRAGS));
}

static void remove_rules(struct restoring *r)
{
	struct flow_filter all = { .table = FLOWS_TABLE_ALL,
				   .out_port = OFPORT_NONE,
				   .out_group = GROUP_ANY };
	struct rule_list list = { 0 };

	flows_collect(r->p, &all, &list);
	r->no_memory |= list.no_memory;
	for (size_t i = 0; i < list.n; i++)
		r->no_memory |= flows_hide_first(r->flows, r->p, list.rules[i]) < 0;
	free(list.rules);
	r->n_rules = 0;
}

static void tell(const struct restoring *r)
{
	const char *name = r->flows->name;

	if (!r->unknown)
		log_info("bridge %s goes on with %zu rules", name, r->n_rules);
	if (r->unknown)
		log_limited(LOG_ERROR,
			    "bridge %s: what its rules were cannot be read: it starts without any, "
			    "and drops all packets until rules are added",
			    name);
	else if (r->n_bad)
		log_limited(LOG_ERROR,
			    "bridge %s: %zu records of its rules, groups and meters make no sense: "
			    "such rules drop packets",
			    name, r->n_bad);
}

static void read_ledger(struct restoring *r)
{
	r->no_memory = !find_records(r);
	if (r->no_memory)
		return;
	find_gone(r);
	find_other_kinds(r);
	restore_settings(r);
	restore_kind(r, KEPT_METER, restore_meter);
	restore_kind(r, KEPT_GROUP, restore_group);
	remove_loops(r);
	restore_kind(r, KEPT_RULE, restore_rule);
	if (r->unknown)
		remove_rules(r);
}

int flows_keep_restore(struct flows *flows, struct pipeline *p)
{
	struct restoring r = { .flows = flows, .p = p };

	if (!flows->restored)
		return 0;
	if (flows->ledger.header)
		read_ledger(&r);
	else
		r.unknown = true;
	bank_recovered(&flows->tallies);
	bank_recovered(&flows->meters);
	free(r.places);
	free(r.gone);
	flows->doubtful = r.unknown || r.n_bad > 0;
	tell(&r);
	return r.no_memory ? -ENOMEM : 0;
}
