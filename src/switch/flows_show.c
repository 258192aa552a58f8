// SPDX-License-Identifier: Apache-2.0
/* Rules, groups and meters for people; and what becomes of a packet. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow/story.h"
#include "switch/flows_private.h"
#include "switch/flows_text.h"

/* Texts. */

/* What @print writes into a buffer of the size that it says it needs; a new reference. */
#define PRINT(print, ...)                                             \
	({                                                            \
		int n_ = print(__VA_ARGS__, NULL, 0);                 \
		char *text_ = n_ < 0 ? NULL : malloc((size_t)n_ + 1); \
		json_t *json_ = NULL;                                 \
		if (text_) {                                          \
			print(__VA_ARGS__, text_, (size_t)n_ + 1);    \
			json_ = json_string(text_);                   \
		}                                                     \
		free(text_);                                          \
		json_;                                                \
	})

static void set_number(json_t *o, const char *name, uint64_t n)
{
	json_object_set_new(o, name, json_integer((json_int_t)n));
}

/* Seconds since a time of CLOCK_BOOTTIME. */
static double age(uint64_t then_ms)
{
	uint64_t now = flows_now_ms();

	return then_ms && now > then_ms ? (double)(now - then_ms) / 1000 : 0;
}

/* Seconds since the last packet; -1: there was none. */
static double idle(const struct tally *tally)
{
	uint64_t now = clock_ns() / NSEC_PER_MSEC;

	if (!tally->used_ms)
		return -1;
	return now > tally->used_ms ? (double)(now - tally->used_ms) / 1000 : 0;
}

static void show_counts(json_t *o, const struct tally *tally)
{
	const struct tally t = tally ? tally_read(tally) : (struct tally){ 0 };

	set_number(o, "packets", t.packets);
	set_number(o, "bytes", t.bytes);
}

static json_t *show_flags(uint16_t flags)
{
	json_t *list = json_array();

	if (flags & RULE_SEND_FLOW_REM)
		json_array_append_new(list, json_string("send_flow_rem"));
	if (flags & RULE_NO_PKT_COUNTS)
		json_array_append_new(list, json_string("no_packet_counts"));
	if (flags & RULE_NO_BYT_COUNTS)
		json_array_append_new(list, json_string("no_byte_counts"));
	return list;
}

json_t *flows_show_rule(const struct rule *rule)
{
	const struct tally t = tally_read(rule->tally);
	json_t *o = json_object();
	struct match match;
	char cookie[20];

	rule_match(rule, &match);
	set_number(o, "table", rule->table);
	set_number(o, "priority", rule->priority);
	json_object_set_new(o, "match", PRINT(match_print, &match));
	json_object_set_new(o, "actions", PRINT(actions_print, &rule->actions));
	snprintf(cookie, sizeof(cookie), "%#" PRIx64, rule->cookie);
	json_object_set_new(o, "cookie", json_string(rule->cookie ? cookie : "0x0"));
	show_counts(o, rule->tally);
	json_object_set_new(o, "age", json_real(age(rule->created_ms)));
	if (t.used_ms)
		json_object_set_new(o, "idle", json_real(idle(&t)));
	if (rule->idle_timeout)
		set_number(o, "idle_timeout", rule->idle_timeout);
	if (rule->hard_timeout)
		set_number(o, "hard_timeout", rule->hard_timeout);
	if (rule->importance)
		set_number(o, "importance", rule->importance);
	if (rule->flags)
		json_object_set_new(o, "flags", show_flags(rule->flags));
	return o;
}

static json_t *show_bucket(const struct group_bucket *b)
{
	json_t *o = json_object();

	set_number(o, "bucket", b->id);
	if (b->weight != 1)
		set_number(o, "weight", b->weight);
	if (b->watch_port != OFPORT_NONE)
		set_number(o, "watch_port", b->watch_port);
	if (b->watch_group != GROUP_ANY)
		set_number(o, "watch_group", b->watch_group);
	json_object_set_new(o, "actions", PRINT(actions_print, &b->actions));
	show_counts(o, b->tally);
	return o;
}

json_t *flows_show_group(const struct group *group)
{
	static const char *const types[] = { "all", "select", "indirect", "fast_failover" };
	json_t *o = json_object(), *buckets = json_array();

	for (unsigned i = 0; i < group->n_buckets; i++)
		json_array_append_new(buckets, show_bucket(&group->buckets[i]));
	set_number(o, "group", group->id);
	json_object_set_new(o, "type", json_string(types[group->type]));
	show_counts(o, group->tally);
	json_object_set_new(o, "age", json_real(age(group->created_ms)));
	json_object_set_new(o, "text", PRINT(group_print, group));
	json_object_set_new(o, "buckets", buckets);
	return o;
}

static json_t *show_band(const struct meter_band *band, const struct meter_band_state *state)
{
	json_t *o = json_object();

	json_object_set_new(o, "band",
			    json_string(band->type == BAND_DROP ? "drop" : "dscp_remark"));
	set_number(o, "rate", band->rate);
	if (band->burst)
		set_number(o, "burst", band->burst);
	if (band->type == BAND_DSCP_REMARK)
		set_number(o, "prec_level", band->prec_level);
	set_number(o, "packets", __atomic_load_n(&state->packets, __ATOMIC_RELAXED));
	set_number(o, "bytes", __atomic_load_n(&state->bytes, __ATOMIC_RELAXED));
	return o;
}

json_t *flows_show_meter(const struct meter *meter)
{
	json_t *o = json_object(), *bands = json_array();

	for (unsigned i = 0; i < meter->n_bands; i++)
		json_array_append_new(bands, show_band(&meter->bands[i], &meter->state->bands[i]));
	set_number(o, "meter", meter->id);
	json_object_set_new(o, "unit",
			    json_string(meter->flags & METER_PKTPS ? "packets/s" : "kbit/s"));
	set_number(o, "packets", __atomic_load_n(&meter->state->packets, __ATOMIC_RELAXED));
	set_number(o, "bytes", __atomic_load_n(&meter->state->bytes, __ATOMIC_RELAXED));
	json_object_set_new(o, "age", json_real(age(meter->created_ms)));
	json_object_set_new(o, "text", PRINT(meter_print, meter));
	json_object_set_new(o, "bands", bands);
	return o;
}

static void counted(void *arg)
{
	struct swtch *sw = arg;

	sw->n_counting--;
}

void switch_count(struct swtch *sw, struct flows *flows)
{
	sw->n_counting++;
	flows_settle(flows, counted, sw);
}

json_t *switch_cache_show(struct swtch *sw)
{
	json_t *list = json_array();

	for (unsigned w = 0; w < datapath_n_workers(sw->dp); w++) {
		struct plans_stats s;
		json_t *o = json_object();

		datapath_plans_stats(sw->dp, w, &s);
		set_number(o, "worker", w);
		set_number(o, "hint_hits", s.hint_hits);
		set_number(o, "mask_hits", s.mask_hits);
		set_number(o, "misses", s.misses);
		set_number(o, "plans", s.n_plans);
		set_number(o, "masks", s.n_masks);
		set_number(o, "masks_max", PLANS_MASKS_MAX);
		set_number(o, "made", s.made);
		set_number(o, "moved", s.moved);
		set_number(o, "evicted", s.evicted);
		set_number(o, "flipped", s.flipped);
		set_number(o, "no_mask_left", s.masks_full);
		set_number(o, "bytes", s.used);
		set_number(o, "bytes_max", s.size);
		json_array_append_new(list, o);
	}
	return list;
}
