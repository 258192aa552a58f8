// SPDX-License-Identifier: Apache-2.0
/* libFuzzer target: the rules, groups and meters that a process has left, as the keeper holds them:
 * a ledger of which the input is the records, with a header that is damaged or not, and counts for
 * some of them. The next process reads what makes sense; packets meet that; it is changed; and the
 * process behind it finds all of it once more.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../unit/fake_keep.h"
#include "alone.h"
#include "flow/translate.h"

#define CHANGES_MAX 4

static struct fake_keep keep;

static void hold(const char *key, const void *head, size_t head_len, const void *bytes, size_t len,
		 size_t size)
{
	int fd = memfd_create("left", MFD_CLOEXEC);

	require(fd >= 0 && write(fd, head, head_len) == (ssize_t)head_len);
	require(write(fd, bytes, len) == (ssize_t)len && ftruncate(fd, (off_t)size) == 0);
	keep.keep.hold(&keep.keep, key, &fd, 1);
	close(fd);
}

/* Slots of counts: none, as many as there are at first, or something else. */
static void leave_counts(struct input *in, const char *key, size_t slot)
{
	static uint8_t ones[4096];
	unsigned choice = take_choice(in, 8);

	memset(ones, choice == 1 ? 0xff : 0, sizeof(ones));
	if (choice)
		hold(key, ones, sizeof(ones), ones, 0,
		     choice == 2 ? 4096 + take_number(in, 2) : BANK_CHUNK_FIRST * slot);
}

static void leave_ledger(struct input *in)
{
	struct ledger_header header = { .version = LEDGER_VERSION };
	size_t room = take_choice(in, 2) ? 4096 : 0;

	leave_counts(in, "tallies/br0/0", sizeof(struct tally));
	leave_counts(in, "meters/br0/0", sizeof(struct meter_state));
	for (unsigned n = take_choice(in, 4); n; n--)
		header.settings[take_choice(in, 10)] = take_number(in, 8);
	header.end = sizeof(header) + in->left;
	header.size = header.end + room;
	take_damage(in, &header, offsetof(struct ledger_header, settings), 3);
	hold("flows/br0", &header, sizeof(header), in->data, in->left,
	     sizeof(header) + in->left + room);
}

/* ---- the next process */

static bool check_rule(void *arg, struct rule *rule)
{
	struct match match;

	rule_match(rule, &match);
	require(rule->owner && rule->tally && rule->table < PIPELINE_TABLES);
	require(match_check(&match, NULL) == OFERR_NONE && match_covers(&match, &match.key));
	tally_read(rule->tally);
	++*(unsigned *)arg;
	return true;
}

static bool check_group(void *arg, const struct group *group)
{
	require(group->owner && group->tally && group->id <= GROUP_MAX);
	require(group_check(group, &(struct error){ "" }) == OFERR_NONE);
	for (unsigned i = 0; i < group->n_buckets; i++)
		require(group->buckets[i].tally);
	json_decref(flows_show_group(group));
	++*(unsigned *)arg;
	return true;
}

static bool check_meter(void *arg, struct meter *meter)
{
	require(meter->owner && meter->state);
	require(meter_check(meter, &(struct error){ "" }) == OFERR_NONE);
	json_decref(flows_show_meter(meter));
	++*(unsigned *)arg;
	return true;
}

/* Packets that are as rules want them go their way. */
static bool translate_rule(void *arg, struct rule *rule)
{
	static struct plan_draft draft;
	struct translate_limit limit;
	struct match match;
	struct flow_key key = { .in_port = 1 };
	struct translate_input in = { .pipeline = arg, .key = &key, .len = 60 };

	rule_match(rule, &match);
	for (unsigned w = 0; w < FLOW_KEY_PACKET_WORDS; w++)
		key.words[w] |= match.key.words[w];
	translate(&in, &draft, &limit);
	require(draft.steps_len);
	return true;
}

static void check(void)
{
	const struct pipeline *p = flows_pipeline(alone.flows);
	unsigned n_rules = 0, n_groups = 0, n_meters = 0;

	pipeline_each_rule(p, 255, NULL, check_rule, &n_rules);
	pipeline_each_group(p, check_group, &n_groups);
	pipeline_each_meter(p, check_meter, &n_meters);
	require(n_rules == alone.flows->n_rules && n_rules == pipeline_n_rules(p, 255));
	require(n_groups == pipeline_n_groups(p) && n_meters == pipeline_n_meters(p));
	pipeline_each_rule(p, 255, NULL, translate_rule, (void *)p);
	event_base_loop(alone.sw.base, EVLOOP_NONBLOCK);
}

static void change(struct input *in)
{
	static const char *const texts[] = {
		"actions=NORMAL",
		"table=1,priority=5,in_port=1,idle_timeout=5,actions=output:2",
		"in_port=1,actions=group:1",
		"table=1,actions=meter:1,output:3",
	};
	enum flow_command command = (enum flow_command)take_choice(in, 5);
	const char *text = texts[take_choice(in, ARRAY_SIZE(texts))];
	bool deletes = command == FLOW_DELETE || command == FLOW_DELETE_STRICT;
	struct error err = { "" };
	struct flow_mod mod;

	if (take_choice(in, 4) == 1)
		require(flows_group_mod(alone.flows, GROUP_DELETE, take_choice(in, 4), NULL, 0,
					&err) != OFERR_GROUP_EXISTS);
	if (take_choice(in, 4) == 1)
		flows_set_table_miss(alone.flows, (uint8_t)take_choice(in, 256), MISS_DROP, &err);
	if (flows_parse_mod(alone.flows, command, deletes ? "table=1" : text, &mod, &err) == 0)
		flows_mod(alone.flows, &mod, &err);
}

/* All that is there, in words. */
static char *say_all(void)
{
	const struct pipeline *p = flows_pipeline(alone.flows);
	struct alone_text t = { .bytes = alone_say_rules() };

	t.len = strlen(t.bytes);
	t.size = t.len + 1;
	pipeline_each_group(p, alone_say_group, &t);
	pipeline_each_meter(p, alone_say_meter, &t);
	for (unsigned i = 0; i < PIPELINE_TABLES; i++)
		alone_say_number(&t, "miss", pipeline_table(p, (uint8_t)i)->miss);
	alone_say_number(&t, "frags", pipeline_frags(p));
	return t.bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size }, changes;
	char *before, *after;
	unsigned n;

	fake_keep_init(&keep);
	n = take_choice(&in, CHANGES_MAX + 1);
	changes = in;
	take_bytes(&in, (uint8_t[32]){ 0 }, 4 * n);
	leave_ledger(&in);
	alone_open(&keep.keep);
	check();
	for (; n; n--)
		change(&changes);
	check();
	before = say_all();
	alone_close();
	alone_open(&keep.keep);
	check();
	after = say_all();
	require(!strcmp(before, after));
	alone_close();
	fake_keep_clear(&keep);
	free(before);
	free(after);
	return 0;
}
