// SPDX-License-Identifier: Apache-2.0
/* Rules, groups, meters and their counts outlive the process, whatever it was doing. */
#include <sys/stat.h>

#include "switch/flows_private.h"

#include "captured.h"
#include "count_walks.h"
#include "fake_keep.h"
#include "flows_rig.h"
#include "switch/kept.h"

struct world {
	struct flows_rig r; /* first */
	struct fake_keep keep;
};

/* A new process. */
static void begin(struct world *w)
{
	memset(&w->r, 0, sizeof(w->r));
	rig_open(&w->r.rig, 2);
	switch_use_keeper(w->r.rig.sw, w->r.rig.sw->env.endpoints, &w->keep.keep, true);
	rig_add_bridge(&w->r.rig, "br0");
	w->r.flows = switch_flows(w->r.rig.sw, "br0");
	assert_non_null(w->r.flows);
	w->r.listener = (struct flows_listener){ .arg = &w->r, .removed = rig_on_removed };
	flows_listen(w->r.flows, &w->r.listener);
	w->r.ports[0] = rig_add(&w->r.rig, "vm1", NULL);
	w->r.ports[1] = rig_add(&w->r.rig, "vm2", NULL);
	w->r.ports[2] = rig_add(&w->r.rig, "vm3", NULL);
	switch_restored(w->r.rig.sw);
	rig_settle(&w->r.rig);
}

static void end(struct world *w)
{
	switch_destroy(w->r.rig.sw);
	event_base_free(w->r.rig.base);
	rcu_drain();
}

/* As if the process had been killed: what is held stays as it is. */
static void restart(struct world *w)
{
	end(w);
	begin(w);
}

static int setup(void **state)
{
	static struct world w;

	log_set_level("all", "error", NULL);
	fake_keep_init(&w.keep);
	begin(&w);
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	end(w);
	fake_keep_clear(&w->keep);
	return 0;
}

static void test_rules(void **state)
{
	struct world *w = *state;
	struct flows_rig *r = &w->r;
	struct rule *rule;
	uint64_t created;

	change_rules(r, FLOW_DELETE, "");
	change_rules(r, FLOW_ADD,
		     "table=0,priority=5,cookie=7,in_port=1,udp,tp_dst=53,importance=3,"
		     "send_flow_rem,idle_timeout=600,hard_timeout=700,actions=output:2\n"
		     "table=9,priority=6,ip,nw_dst=10.0.0.0/8,actions=drop\n"
		     "table=1,priority=1,actions=NORMAL");
	change_rules(r, FLOW_MODIFY, "table=9,actions=output:3");
	change_rules(r, FLOW_DELETE, "table=1");
	created = find_rule(r, "table=0,priority=5,in_port=1,udp,tp_dst=53")->created_ms;
	send_packets(r, 0, 12, 53);
	await_packets(r, "vm1", 12);
	restart(w);
	expect_rules(r, "0 5 udp,in_port=1,tp_dst=53 -> output:2\n"
			"9 6 ip,nw_dst=10.0.0.0/8 -> output:3\n");
	rule = find_rule(r, "table=0,priority=5,in_port=1,udp,tp_dst=53");
	assert_int_equal(rule->cookie, 7);
	assert_int_equal(rule->importance, 3);
	assert_int_equal(rule->idle_timeout, 600);
	assert_int_equal(rule->hard_timeout, 700);
	assert_int_equal(rule->flags, RULE_SEND_FLOW_REM);
	assert_int_equal(rule->created_ms, created);
	assert_int_equal(tally_read(rule->tally).packets, 12);
	assert_int_equal(tally_read(rule->tally).bytes, 720);
	send_packets(r, 0, 3, 53);
	await_packets(r, "vm1", 15);
	assert_int_equal(tally_read(rule->tally).packets, 15);
	assert_int_equal(tally_read(pipeline_table(flows_pipeline(r->flows), 0)->lookups).packets,
			 15);
	change_rules(r, FLOW_DELETE, "table=0");
	restart(w);
	expect_rules(r, "9 6 ip,nw_dst=10.0.0.0/8 -> output:3\n");
	change_rules(r, FLOW_DELETE, "");
	restart(w);
	expect_rules(r, ""); /* and no default rule */
}

static void test_timeouts_go_on(void **state)
{
	struct world *w = *state;

	change_rules(&w->r, FLOW_ADD, "send_flow_rem,hard_timeout=1,in_port=1,actions=output:2");
	restart(w);
	UNTIL(&w->r.rig, w->r.n_removed == 1);
	assert_int_equal(w->r.why, REMOVED_HARD);
	restart(w);
	expect_rules(&w->r, "0 0  -> NORMAL\n");
}

static void test_groups_and_meters(void **state)
{
	struct world *w = *state;
	struct flows_rig *r = &w->r;
	const struct group *g;
	const struct meter *m;
	struct group *group;
	struct meter *meter;
	struct error err;
	uint32_t bucket;
	uint64_t len;

	assert_int_equal(group_parse(&group, &bucket,
				     "group_id=4,type=all,bucket=actions=output:2,"
				     "bucket=actions=output:3",
				     &err),
			 0);
	group->fields.mask.nw_dst = 0xffffff00;
	group->fields.mask.eth_src = 0xffffffffffff;
	assert_int_equal(flows_group_mod(r->flows, GROUP_ADD, 4, group, 0, &err), 0);
	assert_int_equal(meter_parse(&meter,
				     "meter=5,pktps,burst,bands=type=drop,rate=100,burst_size=10",
				     &err),
			 0);
	assert_int_equal(flows_meter_mod(r->flows, METER_ADD, 5, meter, &err), 0);
	change_rules(r, FLOW_ADD, "in_port=1,actions=meter:5,group:4");
	send_packets(r, 0, 5, 53);
	await_packets(r, "vm1", 5);
	flows_set_table_miss(r->flows, 40, MISS_CONTINUE, &err);
	flows_set_frags(r->flows, 1);
	len = r->flows->actions_len;
	restart(w);
	assert_int_equal(r->flows->actions_len, len);
	g = pipeline_group(flows_pipeline(r->flows), 4);
	assert_non_null(g);
	assert_int_equal(g->n_buckets, 2);
	assert_int_equal(g->fields.mask.nw_dst, 0xffffff00);
	assert_int_equal(g->fields.mask.eth_src, 0xffffffffffff);
	assert_int_equal(tally_read(g->tally).packets, 5);
	assert_int_equal(tally_read(g->buckets[1].tally).packets, 5);
	m = pipeline_meter(flows_pipeline(r->flows), 5);
	assert_non_null(m);
	assert_int_equal(m->state->packets, 5);
	assert_int_equal(m->bands[0].rate, 100);
	assert_int_equal(pipeline_table(flows_pipeline(r->flows), 40)->miss, MISS_CONTINUE);
	assert_int_equal(pipeline_table(flows_pipeline(r->flows), 41)->miss, MISS_CONTROLLER);
	assert_int_equal(pipeline_frags(flows_pipeline(r->flows)), 1);
	expect_rules(r, "0 0  -> NORMAL\n0 32768 in_port=1 -> meter:5,group:4\n");
	assert_int_equal(flows_group_mod(r->flows, GROUP_DELETE, 4, NULL, 0, &err), 0);
	assert_int_equal(flows_meter_mod(r->flows, METER_DELETE, 5, NULL, &err), 0);
	restart(w);
	assert_null(pipeline_group(flows_pipeline(r->flows), 4));
	assert_null(pipeline_meter(flows_pipeline(r->flows), 5));
	expect_rules(r, "0 0  -> NORMAL\n");
}

/* So many changes that the ledger is made anew, several times. */
static void test_long_life(void **state)
{
	struct world *w = *state;
	struct flows_rig *r = &w->r;
	char text[128];

	for (unsigned i = 0; i < 20000; i++) {
		snprintf(text, sizeof(text),
			 "priority=%u,in_port=1,udp,tp_dst=%u,actions=output:%u", 1 + i % 40, i % 3,
			 1 + i % 3);
		change_rules(r, i % 7 == 3 ? FLOW_DELETE_STRICT : FLOW_ADD,
			     i % 7 == 3 ? "priority=5,in_port=1,udp,tp_dst=1" : text);
		if (i % 500 == 0)
			rig_run(&r->rig);
	}
	assert_true(r->flows->ledger.header->size < 8 << 20);
	snprintf(text, sizeof(text), "%u", pipeline_n_rules(flows_pipeline(r->flows), 255));
	restart(w);
	assert_int_equal(pipeline_n_rules(flows_pipeline(r->flows), 255), atoi(text));
}

static ino_t ledger_file(struct world *w)
{
	struct stat st;
	int *fd = fake_keep_find(&w->keep.keep, "flows/br0");

	assert_non_null(fd);
	assert_int_equal(fstat(*fd, &st), 0);
	return st.st_ino;
}

/* The next process goes on with the ledger, unless there is something wrong with it. */
static void test_ledger_goes_on(void **state)
{
	struct world *w = *state;
	struct flows_rig *r = &w->r;
	const struct flows_rule *owner;
	ino_t file = ledger_file(w);
	struct kept_rule *k;
	uint64_t dead;

	change_rules(r, FLOW_ADD, "in_port=1,actions=output:2");
	change_rules(r, FLOW_MODIFY, "in_port=1,actions=output:3");
	dead = r->flows->ledger.dead;
	assert_true(dead > 0);
	for (unsigned i = 0; i < 3; i++) {
		restart(w);
		assert_int_equal(ledger_file(w), file);
		assert_int_equal(r->flows->ledger.dead, dead);
		expect_rules(r, "0 0  -> NORMAL\n0 32768 in_port=1 -> output:3\n");
	}
	change_rules(r, FLOW_DELETE, "in_port=1");
	assert_true(r->flows->ledger.dead > dead);
	restart(w);
	expect_rules(r, "0 0  -> NORMAL\n");
	change_rules(r, FLOW_ADD, "in_port=2,actions=output:3");
	owner = find_rule(r, "in_port=2")->owner;
	k = (struct kept_rule *)ledger_at(&r->flows->ledger, owner->record);
	shared_store(&k->table, 255);
	restart(w);
	assert_int_not_equal(ledger_file(w), file);
	expect_rules(r, "");
	assert_int_equal(r->flows->ledger.dead, 0);
}

/* Adds rules to table 2 until one is refused, or there are 20,000; how many there are now. */
static unsigned fill(struct flows_rig *r)
{
	char text[64];

	for (unsigned i = 0; i < 20000; i++) {
		snprintf(text, sizeof(text), "table=2,priority=%u,in_port=1,actions=output:2", i);
		if (mod_rules(r, FLOW_ADD, 4, text, 0) == OFERR_FLOW_TABLE_FULL)
			break;
	}
	return pipeline_n_rules(flows_pipeline(r->flows), 255);
}

/* Who may have no more takes away all the same, one by one, all at once, and by timeouts; and then
 * there is room again. No change of rules, however many, asks for more than there may be. */
static void test_full_ledger(void **state)
{
	struct world *w = *state;
	struct flows_rig *r = &w->r;
	unsigned n, n_removed;

	r->flows->ledger_room = 128 << 10;
	change_rules(r, FLOW_ADD, "table=3,hard_timeout=1,send_flow_rem,in_port=1,actions=drop");
	n = fill(r);
	assert_in_range(n, 500, 1500);
	assert_int_equal(fill(r), n);
	UNTIL(&r->rig, r->n_removed == 1);
	for (n_removed = 0; n_removed < 400; n_removed++) {
		char text[64];

		snprintf(text, sizeof(text), "table=2,priority=%u,in_port=1", n_removed);
		change_rules(r, FLOW_DELETE_STRICT, text);
	}
	assert_true(r->flows->ledger.header->size <=
		    LEDGER_SIZE_MAX - LEDGER_ROOM_MAX + (128 << 10));
	restart(w);
	r->flows->ledger_room = 128 << 10;
	assert_int_equal(pipeline_n_rules(flows_pipeline(r->flows), 255), n - 1 - n_removed);
	assert_in_range(fill(r), n - 2, n + 1);
	change_rules(r, FLOW_MODIFY, "table=2,actions=output:3"); /* of the same length */
	restart(w);
	expect_filtered(r, "table=2,out_port=vm2", "");
	r->flows->ledger_room = 128 << 10;
	change_rules(r, FLOW_DELETE, "");
	expect_rules(r, "");
	restart(w);
	expect_rules(r, "");
}

/* Rules whose time is over are removed as soon as there is memory; the log says once that there is
 * none. */
static void test_timeouts_wait_for_memory(void **state)
{
	struct world *w = *state;
	struct flows_rig *r = &w->r;
	static struct captured log;
	const char *said;
	unsigned n_busy;

	change_rules(r, FLOW_ADD, "hard_timeout=1,send_flow_rem,in_port=1,actions=drop");
	change_rules(r, FLOW_ADD, "table=1,actions=drop");
	r->flows->ledger_room = 0;
	while (mod_rules(r, FLOW_MODIFY, 4, "table=1,actions=drop", 0) == OFERR_NONE)
		;
	r->flows->ledger.tail = r->flows->ledger.header->size; /* the last bytes, too */
	log_set_level("flows", "warning", NULL);
	capture_begin(&log, stderr);
	UNTIL(&r->rig, r->flows->overdue);
	n_busy = w->keep.n_busy;
	UNTIL(&r->rig, w->keep.n_busy > n_busy + 9); /* two a try */
	r->flows->ledger_room = LEDGER_ROOM_MAX;
	UNTIL(&r->rig, r->n_removed == 1);
	said = strstr(capture_end(&log), "memory is short");
	log_set_level("flows", "error", NULL);
	assert_non_null(said);
	assert_null(strstr(said + 1, "memory is short"));
	assert_false(r->flows->overdue);
	restart(w);
	expect_rules(r, "0 0  -> NORMAL\n1 32768  -> drop\n");
}

/* As long as a wasteful ledger has room it goes on when there is no memory for a new one. */
static void test_no_new_ledger(void **state)
{
	struct world *w = *state;
	struct flows_rig *r = &w->r;
	ino_t file;

	fill(r);
	change_rules(r, FLOW_ADD, "in_port=1,actions=output:2");
	file = ledger_file(w);
	r->flows->ledger_room = 0;
	change_rules(r, FLOW_DELETE, "table=2");
	change_rules(r, FLOW_DELETE, "in_port=1");
	assert_true(r->flows->ledger.dead > r->flows->ledger.end / 2);
	assert_int_equal(ledger_file(w), file);
	restart(w);
	expect_rules(r, "0 0  -> NORMAL\n");
	change_rules(r, FLOW_DELETE, "");
	assert_int_not_equal(ledger_file(w), file);
}

/* The record of a rule. */
static struct kept_rule *record_of(struct flows_rig *r, const char *text)
{
	const struct flows_rule *owner = find_rule(r, text)->owner;

	return (struct kept_rule *)ledger_at(&r->flows->ledger, owner->record);
}

/* When it cannot be known which rules there were there are none, and no default one. */
static void test_unknown_rules(void **state)
{
	enum { VERSION, SIZE, END, TAIL, KIND, TABLE, MATCH, GONE, N };
	struct world *w = *state;
	struct flows_rig *r = &w->r;

	for (unsigned i = 0; i < N; i++) {
		struct ledger_header *h;
		struct kept_rule *k;

		change_rules(r, FLOW_ADD, "in_port=2,actions=drop");
		change_rules(r, FLOW_DELETE, "");
		change_rules(r, FLOW_ADD,
			     "priority=9,in_port=1,idle_timeout=60,actions=drop\nactions=NORMAL");
		h = r->flows->ledger.header;
		k = record_of(r, "priority=9,in_port=1");
		if (i == VERSION)
			shared_store(&h->version, LEDGER_VERSION + 1);
		else if (i == SIZE)
			shared_store(&h->size, h->size + 8);
		else if (i == END)
			shared_store(&h->end, h->size + 8);
		else if (i == TAIL)
			shared_store(&h->end, h->end + 64);
		else if (i == KIND)
			shared_store(&k->record.kind, 99);
		else if (i == TABLE)
			shared_store(&k->table, 255);
		else if (i == MATCH)
			shared_store(&k->match_len, UINT32_MAX);
		else
			shared_store((uint32_t *)&ledger_at(&r->flows->ledger, sizeof(*h))->kind,
				     KEPT_GONE);
		restart(w);
		expect_rules(r, "");
		assert_int_equal(r->flows->n_rules, 0);
		assert_int_equal(r->flows->n_due, 0);
		change_rules(r, FLOW_ADD, "cookie=77777,in_port=3,actions=drop");
		restart(w);
		expect_rules(r, "0 32768 in_port=3 -> drop\n");
		change_rules(r, FLOW_DELETE, "");
	}
}

/* A rule whose actions make no sense drops; one whose counts are lost begins to count anew. */
static void test_bad_actions_drop(void **state)
{
	struct world *w = *state;
	struct flows_rig *r = &w->r;
	struct error err = { "" };
	struct ledger_record *g;
	struct group *group;
	uint32_t bucket;

	assert_int_equal(group_parse(&group, &bucket, "group_id=4,type=all", &err), 0);
	assert_int_equal(flows_group_mod(r->flows, GROUP_ADD, 4, group, 0, &err), 0);
	change_rules(r, FLOW_ADD,
		     "in_port=1,actions=output:2\nin_port=2,actions=output:3\n"
		     "in_port=3,actions=group:4");
	shared_store(&record_of(r, "in_port=1")->actions_len, UINT32_MAX);
	shared_store(&record_of(r, "in_port=2")->slot, 1000000);
	group = (struct group *)pipeline_group(flows_pipeline(r->flows), 4);
	g = (struct ledger_record *)ledger_at(&r->flows->ledger,
					      ((struct flows_group *)group->owner)->record);
	shared_store(&((struct kept_group *)g)->type, 77);
	for (unsigned i = 0; i < 2; i++) {
		restart(w);
		expect_rules(r, "0 0  -> NORMAL\n0 32768 in_port=1 -> drop\n"
				"0 32768 in_port=2 -> output:3\n0 32768 in_port=3 -> drop\n");
		assert_int_equal(pipeline_n_groups(flows_pipeline(r->flows)), 0);
	}
	send_packets(r, 1, 3, 53);
	await_packets(r, "vm2", 3);
	assert_int_equal(tally_read(find_rule(r, "in_port=2")->tally).packets, 3);
}

/* A group that watches another one, and so leads to it. */
static void add_watcher(struct flows_rig *r, uint32_t id, uint32_t watched)
{
	struct error err = { "" };
	struct group *group;
	uint32_t bucket;
	char text[128];

	snprintf(text, sizeof(text), "group_id=%u,type=ff,bucket=watch_group:%u,actions=output:2",
		 id, watched);
	assert_int_equal(group_parse(&group, &bucket, text, &err), 0);
	assert_int_equal(flows_group_mod(r->flows, GROUP_ADD, id, group, 0, &err), 0);
}

static struct kept_bucket *bucket_record_of(struct flows_rig *r, uint32_t id)
{
	const struct group *group = pipeline_group(flows_pipeline(r->flows), id);
	struct ledger_record *record = (struct ledger_record *)ledger_at(
		&r->flows->ledger, ((const struct flows_group *)group->owner)->record);

	return (struct kept_bucket *)((struct kept_group *)record)->bytes;
}

/* A loop is broken up, wherever it is, and what it led to stays. */
static void test_loops_are_left_out(void **state)
{
	struct world *w = *state;
	struct flows_rig *r = &w->r;

	add_watcher(r, 1, 2);
	add_watcher(r, 2, 3);
	add_watcher(r, 3, 9);
	add_watcher(r, 9, 10);
	add_watcher(r, 5, 1);
	add_watcher(r, 6, 99);
	change_rules(r, FLOW_ADD,
		     "in_port=1,actions=group:1\nin_port=2,actions=group:2\n"
		     "in_port=3,actions=group:3");
	shared_store(&bucket_record_of(r, 3)->watch_group, 1);
	shared_store(&bucket_record_of(r, 6)->watch_group, 6);
	restart(w);
	assert_int_equal(pipeline_n_groups(flows_pipeline(r->flows)), 4);
	assert_int_equal(r->flows->n_buckets, 4);
	assert_null(pipeline_group(flows_pipeline(r->flows), 6));
	assert_non_null(pipeline_group(flows_pipeline(r->flows), 5));
	assert_non_null(pipeline_group(flows_pipeline(r->flows), 9));
	assert_int_equal(!pipeline_group(flows_pipeline(r->flows), 1) +
				 !pipeline_group(flows_pipeline(r->flows), 2) +
				 !pipeline_group(flows_pipeline(r->flows), 3),
			 1);
	assert_int_equal(flows_group_users(r->flows, 1) + flows_group_users(r->flows, 2) +
				 flows_group_users(r->flows, 3),
			 2); /* the rule of the one that is gone drops */
}

#define IDS 9

/* Groups whose way ends in themselves: whoever gets to @id again from there. */
static unsigned count_loops(const uint32_t to[IDS])
{
	unsigned n = 0;

	for (uint32_t id = 1; id < IDS; id++) {
		uint32_t at = to[id], least = id;

		for (unsigned i = 0; i < IDS && at && at != id; i++, at = to[at])
			least = min(least, at);
		n += at == id && least == id; /* of each loop once */
	}
	return n;
}

/* Each loop costs one group, and nothing else does. */
static void test_random_loops(void **state)
{
	struct world *w = *state;
	struct flows_rig *r = &w->r;
	struct error err;
	unsigned n_loops = 0;

	srandom(5);
	for (unsigned n = 0; n < 20; n++) {
		uint32_t to[IDS];

		for (uint32_t id = 1; id < IDS; id++)
			add_watcher(r, id, 0);
		for (uint32_t id = 1; id < IDS; id++) {
			to[id] = (uint32_t)random() % IDS; /* 0: there is none */
			shared_store(&bucket_record_of(r, id)->watch_group, to[id]);
		}
		restart(w);
		assert_int_equal(pipeline_n_groups(flows_pipeline(r->flows)),
				 IDS - 1 - count_loops(to));
		n_loops += count_loops(to);
		assert_int_equal(flows_group_mod(r->flows, GROUP_DELETE, GROUP_ALL, NULL, 0, &err),
				 0);
	}
	assert_in_range(n_loops, 5, 100);
}

/* However long chains are, each group is looked at a few times. */
static void test_chains_are_quick(void **state)
{
	enum { N = 3000 };
	struct world *w = *state;
	struct flows_rig *r = &w->r;
	unsigned before;

	for (uint32_t id = 1; id <= N; id++)
		add_watcher(r, id, id - 1);
	before = n_groups_asked;
	restart(w);
	assert_int_equal(pipeline_n_groups(flows_pipeline(r->flows)), N);
	assert_in_range(n_groups_asked - before, N, 5 * N);
	/* what leads where is known again */
	before = n_groups_asked;
	add_watcher(r, N + 1, N);
	assert_in_range(n_groups_asked - before, 1, 3);
}

/* Who watches is told that much is to be done, line by line, rule by rule and record by record. */
static void test_says_that_it_is_busy(void **state)
{
	struct world *w = *state;
	unsigned before = w->keep.n_busy;

	change_rules(&w->r, FLOW_ADD, "in_port=1,actions=drop\nin_port=2,actions=drop");
	assert_int_equal(w->keep.n_busy, before + 8); /* read, added, written, in force */
	change_rules(&w->r, FLOW_MODIFY, "actions=output:1");
	assert_int_equal(w->keep.n_busy, before + 8 + 1 + 7 * 3); /* looked at, too */
	count_rules(&w->r); /* and freed; a turn may be long */
	before = w->keep.n_busy;
	change_rules(&w->r, FLOW_DELETE, "");
	assert_int_equal(w->keep.n_busy, before + 9); /* three; these are not read */
	count_rules(&w->r);
	assert_in_range(w->keep.n_busy, before + 12, before + 22);
	before = w->keep.n_busy;
	restart(w);
	assert_in_range(w->keep.n_busy, before + 1, before + 50);
}

/* So does who reads what is of no use any more: which records there are, and which are gone. */
static void test_says_that_it_reads(void **state)
{
	enum { N = 100, RECORDS = 1 + 2 * N };
	struct world *w = *state;
	unsigned before;

	for (unsigned i = 0; i < N; i++) {
		change_rules(&w->r, FLOW_ADD, "in_port=1,actions=drop");
		change_rules(&w->r, FLOW_DELETE, "in_port=1");
	}
	count_rules(&w->r);
	before = w->keep.n_busy;
	restart(w);
	/* once to find it, and for each kind; and for each that is told to be gone */
	assert_in_range(w->keep.n_busy - before, 4 * RECORDS + N, 4 * RECORDS + N + 30);
}

/* A bridge that was deleted leaves nothing. */
static void test_released(void **state)
{
	struct world *w = *state;
	struct flows_rig *r = &w->r;
	struct error err;
	unsigned held = 0;

	rig_add_bridge(&r->rig, "lab");
	assert_int_equal(switch_bridge_del(r->rig.sw, "lab", &err), 0);
	for (unsigned i = 0; i < FAKE_KEEP_MAX; i++)
		held += strstr(w->keep.held[i].key, "lab") != NULL;
	assert_int_equal(held, 0);
	rig_add_bridge(&r->rig, "lab");
	assert_int_equal(pipeline_n_rules(flows_pipeline(switch_flows(r->rig.sw, "lab")), 255), 1);
}

/* Bytes of the ledger are turned over; the next process lives with it. */
static void test_hostile(void **state)
{
	struct world *w = *state;
	struct flows_rig *r = &w->r;
	unsigned seed = 1;

	for (unsigned round = 0; round < 60; round++) {
		uint64_t first = sizeof(struct ledger_header), len;
		char text[128];

		for (unsigned i = 0; i < 20; i++) {
			snprintf(text, sizeof(text), "priority=%u,in_port=1,actions=output:%u",
				 1 + i, 1 + i % 3);
			change_rules(r, FLOW_ADD, text);
		}
		len = r->flows->ledger.end - first;
		for (unsigned i = 0; i < 1 + round % 8; i++) {
			uint8_t *at = (uint8_t *)r->flows->ledger.header + first;

			shared_store(&at[(unsigned)rand_r(&seed) % len], (uint8_t)rand_r(&seed));
		}
		restart(w);
		assert_true(pipeline_n_rules(flows_pipeline(r->flows), 255) <= 200);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_rules),
		TEST(test_timeouts_go_on),
		TEST(test_groups_and_meters),
		TEST(test_ledger_goes_on),
		TEST(test_unknown_rules),
		TEST(test_bad_actions_drop),
		TEST(test_loops_are_left_out),
		TEST(test_random_loops),
		TEST(test_chains_are_quick),
		TEST(test_says_that_it_is_busy),
		TEST(test_says_that_it_reads),
		TEST(test_long_life),
		TEST(test_full_ledger),
		TEST(test_no_new_ledger),
		TEST(test_timeouts_wait_for_memory),
		TEST(test_released),
		TEST(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
