/* SPDX-License-Identifier: Apache-2.0 */
/* The running rules of a bridge, shared by switch/flows*.c and nobody else. Control thread.
 *
 * Life of a version: made by change_begin(), changed, published by change_commit(). The one before
 * is put into a queue, and behind it the rules that are gone, and whoever wants exact counts; when
 * all workers have credited what they had counted (datapath_settle()), the queue is worked off up
 * to where it was when they were asked, in turns of the loop; they are not asked again before that
 * is done. So a listener hears of a rule that is gone when its counts are final, and nothing is
 * freed that a worker may have.
 */
#pragma once

#include "switch/bank.h"
#include "switch/flows.h"
#include "switch/ledger.h"
#include "switch/private.h"
#include "switch/uses.h"

#define FLOWS_BUCKETS_MAX 1000000 /* of all groups of a bridge */
#define FLOWS_TURN 1024		  /* of what has settled, before others have their turn */

/* Something that is done when all has settled; embedded in what it is about. */
struct after {
	struct after *next;
	void (*fn)(struct after *after); /* may free what it is in */
};

/* What the control thread knows of a rule beside the rule itself: rule->owner. */
struct flows_rule {
	struct after after; /* of a rule that is gone */
	struct flows *flows;
	struct rule *rule;
	uint32_t slot;	    /* of its tally */
	uint32_t at;	    /* place in flows->due, from 1; 0: none */
	uint64_t due_ms;    /* when to look at it, CLOCK_BOOTTIME */
	uint64_t record;    /* of the ledger; 0: none */
	struct user *users; /* of groups and meters; switch/uses.h */
	uint32_t wanted;    /* flows->round, when the text that replaces all rules has it */
	uint8_t why;	    /* enum removed_reason */
	bool shown;	    /* in the published version */
	bool fresh;	    /* has come with the change that is being written down, and stays */
};

/* The same of a group; of a meter. */
struct flows_group {
	struct flows *flows;
	uint32_t slot;
	uint64_t record;
	uint64_t met;	      /* by which search for loops; flows_loop.c */
	uint64_t actions_len; /* of all buckets, that room_take_group() has taken */
	unsigned n_buckets;
	uint32_t buckets[]; /* slots */
};

/* The same of a meter. */
struct flows_meter {
	struct flows *flows;
	uint32_t slot;
	uint64_t record;
};

/* A new version in the making, and what follows when it is published. */
struct change_effect {
	struct rule *rule; /* a reference */
	bool added;
	uint8_t why; /* of one that is gone: enum removed_reason */
	bool silent; /* another one has come in its place */
};

/* A group or meter that has come, changed or gone. */
struct change_object {
	enum { CHANGE_GROUP, CHANGE_METER } kind;
	uint32_t id;
	const void *object; /* of the new version; NULL: gone */
	const void *old;    /* group of the published version; NULL: none */
	uint64_t record;    /* of the ledger, of what was there before; 0: none */
};

/* Rules that will be gone when a change is over which replaces all of them. */
struct going {
	unsigned n, n_of_table[PIPELINE_TABLES];
	uint64_t actions_len;
};

struct change {
	struct flows *flows;
	struct pipeline *next;
	struct change_effect *effects;
	size_t n, size;
	struct change_object *objects;
	size_t n_objects, objects_size;
	unsigned n_rules, n_buckets; /* there will be */
	uint64_t actions_len;	     /* of these */
	struct going *going;	     /* of these, what takes no room from others; NULL: none */
	bool settings;		     /* those of tables, or of fragments, have changed */
	bool other;		     /* something beside rules has changed */
};

/* Changes that wait for each other; see flows_gather(). */
struct gathering {
	bool on;
	bool begun; /* there is a change */
	bool lost;  /* it could not be made: what has been accepted is refused */
	unsigned n; /* accepted, and not published */
	struct change change;
};

struct flows {
	struct flows *next; /* of all bridges */
	struct swtch *sw;
	const char *name;		/* of the bridge */
	const struct pipeline *current; /* RCU; struct view_bridge's rules points here */
	bool secure;			/* fail mode: starts without rules */
	bool closed;			/* the bridge goes away */
	bool restored;			/* the rules are those of an earlier process */
	bool doubtful;			/* not all of its ledger made sense */

	struct after *after, **after_end; /* queue */
	struct after *settling;		  /* the last one that waits for the settle that goes on: */
	struct waiter waiter;
	struct event *more;  /* there is more of what has settled, for another turn */
	size_t n_late;	     /* have come into the queue since the last turn */
	uint64_t counted_ms; /* when workers were asked, last: all before is counted; BOOTTIME */

	struct flows_listener *listeners;
	struct bank tallies, meters;
	uint32_t round;	     /* how often all rules have been replaced */
	struct uses uses;    /* of groups, meters, and cookies of learned rules */
	uint64_t n_searches; /* for loops */
	unsigned n_rules, n_buckets;
	uint64_t actions_len; /* of these */

	struct flows_rule **due; /* a heap of rules with timeouts, by due_ms */
	uint32_t n_due, due_size;
	struct event *timer;
	bool expiring; /* counts were asked for, to see what is due */
	bool overdue;  /* what is due could not be removed, as the log says */

	struct flows_port *shown; /* ports as listeners know them, sorted by number */
	unsigned n_shown;
	struct ledger ledger; /* without a header: rules do not outlive the process */
	uint64_t ledger_room; /* bytes that it may have: LEDGER_ROOM_MAX, less in tests */
	struct gathering gathering;
};

uint64_t flows_now_ms(void); /* CLOCK_BOOTTIME */

/* flows_core.c */

/* Calls @after->fn(@after) when all has settled. */
void flows_after(struct flows *flows, struct after *after, void (*fn)(struct after *after));

/* -ENOMEM; then all is as before. */
int change_begin(struct change *c, struct flows *flows);
/* Publishes. 0, or -ENOMEM and nothing has changed. The change is over. */
int change_commit(struct change *c);
void change_abort(struct change *c);
/* Shows @rule (takes the reference, whatever happens) in place of @old (NULL: none). 0 or -ENOMEM:
 * abort. */
int change_add(struct change *c, struct rule *rule, struct rule *old);
int change_remove(struct change *c, struct rule *rule, enum removed_reason why);

/* Notes what has become of a group or meter, of each once in a change; what it shows stays the
 * version's. 0 or -ENOMEM: abort. */
int change_note(struct change *c, struct change_object object);

/* A rule with its owner and tally, or NULL. @actions is taken over. @heir: NULL, or a rule whose
 * counts it goes on with. */
struct rule *flows_make_rule(struct flows *flows, uint8_t table, uint16_t priority,
			     const struct match *match, struct action_list *actions,
			     const struct rule *heir);

/* The same with a slot that was claimed. */
struct rule *flows_make_rule_at(struct flows *flows, uint8_t table, uint16_t priority,
				const struct match *match, struct action_list *actions,
				uint32_t slot);
/* A rule is in what will be the first version. There is room by expire_reserve(). */
void flows_show_first(struct flows *flows, struct rule *rule);
/* Removes one again. 0 or -ENOMEM. */
int flows_hide_first(struct flows *flows, struct pipeline *p, struct rule *rule);

/* Rules that a filter lets through, those of @p; @max of them at most. */
struct rule_list {
	struct rule **rules;
	size_t n, size;
	bool no_memory;
};
bool rule_list_add(struct rule_list *list, struct rule *rule); /* false: no memory */
void flows_collect(const struct pipeline *p, const struct flow_filter *filter,
		   struct rule_list *out);

/* For actions_check(): whether @pipeline has it. */
bool flows_has_group(const void *pipeline, uint32_t group);
bool flows_has_meter(const void *pipeline, uint32_t meter);

/* flows_room.c: bytes of actions of rules and groups. */

/* Whether there may be @more when @less of what @c shows are gone; asked before they are copied. 0,
 * or -ENOSPC with a text. */
int room_check(const struct change *c, uint64_t more, uint64_t less, struct error *err);
/* Counts those that there are, of all bridges, until they are freed; false: there are too many. */
bool room_take(uint64_t len);
void room_give(uint64_t len); /* any thread */
/* The same of a group that has its owner, whose actions_len is to be given back. */
bool room_take_group(const struct group *group);
uint64_t room_of_group(const struct group *group);

/* flows_mod.c */

/* Carries one out on a version in the making; takes @mod's actions. */
enum of_error flows_mod_within(struct change *c, struct flow_mod *mod, struct error *err);

/* flows_expire.c */
int expire_init(struct flows *flows);
void expire_close(struct flows *flows);
/* A rule is shown, or its times have changed; and it is shown no more. 0 or -ENOMEM. */
int expire_reserve(struct flows *flows, size_t n);
void expire_add(struct flows *flows, struct flows_rule *rule);
void expire_remove(struct flows *flows, struct flows_rule *rule);

/* flows_group.c, flows_meter.c: give an object, which is about to be shown, owner and tallies,
 * those of @old (NULL: none) where it goes on with it. 0 or -ENOMEM; whatever it has got goes with
 * it. */
int flows_own_group(struct flows *flows, struct group *group, const struct group *old);
/* Whether nobody would refuse it, but for loops. */
bool flows_group_allowed(const struct group *group);
int flows_own_meter(struct flows *flows, struct meter *meter, const struct meter *old);

/* flows_loop.c: a group leads to those that it sends packets to and that it watches. */

/* Whether @group, in place of the one of its number in @p, would lead to itself: 0: it would not,
 * -ELOOP, or -ENOMEM. When no other group leads to it, its actions are all that is looked at. */
int loops_check(struct flows *flows, const struct pipeline *p, const struct group *group);
/* Removes from @p, which will be the first version, groups that lead to themselves, until there is
 * none, in time that grows with what there is; how many to *@n_removed. 0 or -ENOMEM. */
int loops_remove(struct flows *flows, struct pipeline *p, size_t *n_removed);

/* flows_uses.c: what uses groups, meters and cookies. */
void uses_note_rule(struct flows *flows, struct rule *rule, bool added);
void uses_note_group(struct flows *flows, const struct group *group, bool added); /* NULL: none */
/* Whether they ask which ports are live. */
bool uses_live_ports(const struct action_list *actions);
/* Calls @fn for each number of a group that @group leads to. */
void uses_each_next(const struct group *group, void (*fn)(void *arg, uint32_t id), void *arg);
/* Rules of @p, the published version, that a learn action has made, as its limit counts them. The
 * first who asks for a table has it counted, by one walk. Not within a change. */
unsigned uses_learned(struct flows *flows, const struct pipeline *p, uint8_t table,
		      uint64_t cookie);
/* Removes rules that go with those that taught them and that the change removes; and so on. 0 or
 * -ENOMEM: abort. */
int uses_forget_learned(struct change *c);
/* Removes the rules that use a group or a meter (GROUP_ALL, METER_ALL: any of them), which are
 * found by their notes, or for any of them by one walk over all rules. 0 or -ENOMEM: abort. */
int uses_remove(struct change *c, enum use_kind kind, uint32_t id, enum removed_reason why);

/* flows_port.c */

/* What was noted of ports that have been shown. */
void flows_free_ports(struct flows *flows);
/* Whether @p shows them as they are, as far as it matters: which of them are live does for those
 * that some rule or group asks for; and lets it. 0 or -ENOMEM. */
bool flows_ports_differ(const struct flows *flows, const struct pipeline *p);
int flows_set_ports(const struct flows *flows, struct pipeline *p);
/* Lets the published version show which ports are live, all of them. 0 or -ENOMEM. */
int flows_show_live(struct flows *flows);
/* The port of this number; NULL: none. */
struct sw_port *flows_find_port(const struct flows *flows, uint32_t number);

/* flows_upcall.c */
/* The bridge whose newest rules are there; NULL: none. */
struct flows *flows_of_rules(struct swtch *sw, const void *rules);
