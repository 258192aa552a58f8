// SPDX-License-Identifier: Apache-2.0
/* Rules, groups and meters as bytes, and back. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "switch/kept.h"

static size_t padded(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

/* Room for @n more bytes, zeroed; NULL: no memory. */
static uint8_t *grow(struct kept_bytes *to, size_t n)
{
	uint8_t *at;

	if (to->size - to->n < n) {
		size_t size = max(2 * to->size, to->n + n + 256);
		uint8_t *bytes = realloc(to->bytes, size);

		if (!bytes)
			return NULL;
		to->bytes = bytes;
		to->size = size;
	}
	at = to->bytes + to->n;
	memset(at, 0, n);
	to->n += n;
	return at;
}

static int pad(struct kept_bytes *to)
{
	return grow(to, padded(to->n) - to->n) ? 0 : -ENOMEM;
}

/* Appends a match; its length, or -ENOMEM. */
static int put_match(struct kept_bytes *to, const struct match *match)
{
	uint8_t wire[MATCH_WIRE_MAX];
	size_t n = match_encode(match, KEPT_VERSION, wire, sizeof(wire));
	uint8_t *at = n <= sizeof(wire) ? grow(to, n) : NULL;

	if (!at)
		return -ENOMEM;
	memcpy(at, wire, n);
	return (int)n;
}

/* Appends actions; their length, or -ENOMEM. */
static int put_actions(struct kept_bytes *to, const struct action_list *actions, bool instructions)
{
	size_t before = to->n;

	if (actions_encode(actions->bytes, actions->len, KEPT_VERSION, instructions, &to->bytes,
			   &to->n, &to->size) < 0) {
		to->n = before;
		return -ENOMEM;
	}
	return (int)(to->n - before);
}

/* Begins a record; its place. */
static int begin(struct kept_bytes *to, enum kept_kind kind, size_t size, size_t *place)
{
	struct ledger_record *record;

	*place = to->n;
	record = (struct ledger_record *)grow(to, size);
	if (!record)
		return -ENOMEM;
	record->kind = kind;
	return 0;
}

static int end(struct kept_bytes *to, size_t place, int r)
{
	if (r >= 0)
		r = pad(to);
	if (r < 0) {
		to->n = place;
		return r;
	}
	((struct ledger_record *)(to->bytes + place))->len = (uint32_t)(to->n - place);
	return 0;
}

int kept_put_rule(struct kept_bytes *to, const struct rule *rule, uint32_t slot)
{
	struct kept_rule *k;
	struct match match;
	int match_len = 0, actions_len = 0;
	size_t place;

	if (begin(to, KEPT_RULE, offsetof(struct kept_rule, bytes), &place) < 0)
		return -ENOMEM;
	rule_match(rule, &match);
	match_len = put_match(to, &match);
	if (match_len >= 0)
		actions_len = put_actions(to, &rule->actions, true);
	if (match_len < 0 || actions_len < 0)
		return end(to, place, -ENOMEM);
	k = (struct kept_rule *)(to->bytes + place);
	k->cookie = rule->cookie;
	k->created_ms = rule->created_ms;
	k->modified_ms = __atomic_load_n(&rule->modified_ms, __ATOMIC_RELAXED);
	k->slot = slot;
	k->match_len = (uint32_t)match_len;
	k->actions_len = (uint32_t)actions_len;
	k->priority = rule->priority;
	k->importance = rule->importance;
	k->idle_timeout = rule->idle_timeout;
	k->hard_timeout = rule->hard_timeout;
	k->flags = rule->flags;
	k->table = rule->table;
	return end(to, place, 0);
}

/* Which bits count of which fields; their number, or -ENOMEM. A bit may be in several fields. */
static int put_fields(struct kept_bytes *to, const struct match *match)
{
	int n = 0;

	for (unsigned i = 0; i < FIELD_N; i++) {
		u128 mask = field_get(&fields[i], &match->mask);
		struct kept_field *k;

		if (!mask || !field_header(&fields[i], KEPT_VERSION))
			continue;
		k = (struct kept_field *)grow(to, sizeof(*k));
		if (!k)
			return -ENOMEM;
		k->header = field_header(&fields[i], KEPT_VERSION);
		k->mask[0] = (uint64_t)mask;
		k->mask[1] = (uint64_t)(mask >> 64);
		n++;
	}
	return n;
}

static int put_bucket(struct kept_bytes *to, const struct group_bucket *b, uint32_t slot)
{
	size_t place = to->n;
	struct kept_bucket *k;
	int n;

	if (!grow(to, offsetof(struct kept_bucket, bytes)))
		return -ENOMEM;
	n = put_actions(to, &b->actions, false);
	if (n < 0)
		return n;
	k = (struct kept_bucket *)(to->bytes + place);
	k->id = b->id;
	k->slot = slot;
	k->watch_port = b->watch_port;
	k->watch_group = b->watch_group;
	k->weight = b->weight;
	k->actions_len = (uint32_t)n;
	return pad(to);
}

int kept_put_group(struct kept_bytes *to, const struct group *group, uint32_t slot,
		   const uint32_t *bucket_slots)
{
	struct kept_group *k;
	size_t place;
	int n, r;

	if (begin(to, KEPT_GROUP, offsetof(struct kept_group, bytes), &place) < 0)
		return -ENOMEM;
	n = put_fields(to, &group->fields);
	if (n < 0)
		return end(to, place, -ENOMEM);
	k = (struct kept_group *)(to->bytes + place);
	k->created_ms = group->created_ms;
	k->method_param = group->method_param;
	k->id = group->id;
	k->slot = slot;
	k->n_fields = (uint32_t)n;
	k->n_buckets = group->n_buckets;
	k->type = (uint8_t)group->type;
	k->method = (uint8_t)group->method;
	r = 0;
	for (unsigned i = 0; r == 0 && i < group->n_buckets; i++)
		r = put_bucket(to, &group->buckets[i], bucket_slots[i]);
	return end(to, place, r);
}

int kept_put_meter(struct kept_bytes *to, const struct meter *meter, uint32_t slot)
{
	struct kept_meter *k;
	size_t place;

	if (begin(to, KEPT_METER, sizeof(*k), &place) < 0)
		return -ENOMEM;
	k = (struct kept_meter *)(to->bytes + place);
	k->created_ms = meter->created_ms;
	k->id = meter->id;
	k->slot = slot;
	k->flags = meter->flags;
	k->n_bands = meter->n_bands;
	for (unsigned i = 0; i < meter->n_bands; i++)
		k->bands[i] = (struct kept_band){
			.type = meter->bands[i].type,
			.prec_level = meter->bands[i].prec_level,
			.rate = meter->bands[i].rate,
			.burst = meter->bands[i].burst,
		};
	return end(to, place, 0);
}

int kept_put_gone(struct kept_bytes *to, const uint64_t *places, size_t n)
{
	struct kept_gone *k;
	size_t place;

	if (begin(to, KEPT_GONE, sizeof(*k) + n * sizeof(places[0]), &place) < 0)
		return -ENOMEM;
	k = (struct kept_gone *)(to->bytes + place);
	k->n = n;
	memcpy(k->places, places, n * sizeof(places[0]));
	return end(to, place, 0);
}

/* And back. */

bool kept_get_rule(const struct ledger_record *record, struct kept_rule_content *out)
{
	const struct kept_rule *k = (const void *)record;
	size_t fixed = offsetof(struct kept_rule, bytes);
	uint32_t len = record->len, match_len, actions_len;
	struct error err;

	if (record->kind != KEPT_RULE || len < fixed)
		return false;
	match_len = k->match_len;
	actions_len = k->actions_len;
	if (match_len > len - fixed || k->table >= PIPELINE_TABLES ||
	    match_decode(&out->match, k->bytes, match_len, false, &err))
		return false;
	out->bad_actions = actions_len > len - fixed - match_len ||
			   actions_decode(&out->actions, KEPT_VERSION, true, k->bytes + match_len,
					  actions_len, &err);
	return true;
}

/* Reads a bucket from the @left bytes at @at; its length, or 0. */
static size_t get_bucket(const uint8_t *at, size_t left, struct group_bucket *b, uint32_t *slot)
{
	const struct kept_bucket *k = (const void *)at;
	size_t fixed = offsetof(struct kept_bucket, bytes);
	struct error err;
	uint32_t n;

	if (left < fixed)
		return 0;
	n = k->actions_len;
	if (n > left - fixed || padded(fixed + n) > left || k->weight > UINT16_MAX)
		return 0;
	b->id = k->id;
	b->weight = (uint16_t)k->weight;
	b->watch_port = k->watch_port;
	b->watch_group = k->watch_group;
	*slot = k->slot;
	if (actions_decode(&b->actions, KEPT_VERSION, false, k->bytes, n, &err))
		return 0;
	return padded(fixed + n);
}

/* The buckets of @group, which has room for them. */
static bool get_buckets(const uint8_t *at, size_t left, struct group *group, uint32_t *slots)
{
	for (unsigned i = 0; i < group->n_buckets; i++) {
		size_t n = get_bucket(at, left, &group->buckets[i], &slots[i]);

		if (!n)
			return false;
		at += n;
		left -= n;
	}
	return true;
}

static bool get_fields(const struct kept_field *k, uint32_t n, struct match *match)
{
	match_init(match);
	for (uint32_t i = 0; i < n; i++) {
		const struct field *field = field_by_header((uint32_t)k[i].header);
		u128 mask = (u128)k[i].mask[1] << 64 | k[i].mask[0];

		if (!field)
			return false;
		field_set(field, &match->mask, mask, mask);
	}
	return true;
}

struct group *kept_get_group(const struct ledger_record *record, uint32_t **slots)
{
	const struct kept_group *k = (const void *)record;
	size_t fixed = offsetof(struct kept_group, bytes), left, fields_len;
	struct group *group;
	struct error err;
	uint32_t n;

	if (record->kind != KEPT_GROUP || record->len < fixed)
		return NULL;
	left = record->len - fixed;
	n = k->n_buckets;
	if (k->n_fields > left / sizeof(struct kept_field) || n > GROUP_BUCKETS_MAX ||
	    k->id > GROUP_MAX || k->type > GROUP_TYPE_FF || k->method > GROUP_METHOD_DP_HASH)
		return NULL;
	fields_len = k->n_fields * sizeof(struct kept_field);
	group = group_create(k->id, k->type, n);
	*slots = calloc(n + 1, sizeof(**slots));
	if (!group || !*slots)
		goto fail;
	group->method = k->method;
	group->method_param = k->method_param;
	group->created_ms = k->created_ms;
	if (!get_fields((const void *)k->bytes, k->n_fields, &group->fields) ||
	    !get_buckets(k->bytes + fields_len, left - fields_len, group, *slots) ||
	    group_check(group, &err))
		goto fail;
	return group;
fail:
	if (group)
		group_unref(group);
	free(*slots);
	*slots = NULL;
	return NULL;
}

struct meter *kept_get_meter(const struct ledger_record *record)
{
	const struct kept_meter *k = (const void *)record;
	struct meter *meter;
	struct error err;
	uint32_t n;

	if (record->kind != KEPT_METER || record->len < sizeof(*k))
		return NULL;
	n = k->n_bands;
	if (n > METER_BANDS_MAX || !k->id || k->id > METER_MAX)
		return NULL;
	meter = meter_create(k->id);
	if (!meter)
		return NULL;
	meter->flags = k->flags;
	meter->created_ms = k->created_ms;
	meter->n_bands = n;
	for (uint32_t i = 0; i < n; i++)
		meter->bands[i] = (struct meter_band){
			.type = (uint8_t)k->bands[i].type,
			.prec_level = (uint8_t)k->bands[i].prec_level,
			.rate = k->bands[i].rate,
			.burst = k->bands[i].burst,
		};
	if (!meter_check(meter, &err))
		return meter;
	meter_unref(meter);
	return NULL;
}

const struct kept_gone *kept_get_gone(const struct ledger_record *record)
{
	const struct kept_gone *k = (const void *)record;

	if (record->kind != KEPT_GONE || record->len < sizeof(*k) ||
	    k->n > (record->len - sizeof(*k)) / sizeof(k->places[0]))
		return NULL;
	return k;
}
