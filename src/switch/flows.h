/* SPDX-License-Identifier: Apache-2.0 */
/* The rules, groups and meters of a bridge, as OpenFlow and the command line change and show them.
 * Control thread. Each change is published to the workers before the function returns: packets that
 * are received later meet it.
 */
#pragma once

#include <jansson.h>

#include "flow/translate.h"

struct swtch;
struct flows; /* of one bridge */

/* Of the bridge of this name; NULL: there is none. */
struct flows *switch_flows(struct swtch *sw, const char *bridge);
const char *flows_bridge(const struct flows *flows);
/* The version that is published now: for reading in this call of the loop. */
const struct pipeline *flows_pipeline(const struct flows *flows);

#define FLOWS_MAX 1000000	       /* rules of a bridge */
#define FLOWS_ACTIONS_MAX (256u << 20) /* bytes of the actions of its rules and groups */
#define METERS_MAX 65536	       /* meters of a bridge */
#define FLOWS_TABLE_ALL 0xff

/* As on the wire (OFPFC). Strict: the one rule of this match and priority. */
enum flow_command { FLOW_ADD, FLOW_MODIFY, FLOW_MODIFY_STRICT, FLOW_DELETE, FLOW_DELETE_STRICT };

/* OpenFlow 1.5.1, 7.3.4.1. */
struct flow_mod {
	uint8_t command; /* enum flow_command */
	uint8_t table; /* FLOWS_TABLE_ALL: all, for deletions (and OpenFlow 1.0's: 0 for additions)
			*/
	uint16_t priority, idle_timeout, hard_timeout, importance;
	uint16_t flags;	 /* RULE */
	bool new_cookie; /* MODIFY: set cookie */
	bool learned;	 /* by a packet: its actions may be for what not all packets have */
	uint64_t cookie, cookie_value, cookie_mask; /* of the new rule; filter */
	uint32_t out_port, out_group;		    /* filters; OFPORT_NONE, GROUP_ANY: none */
	struct match match;
	struct action_list actions; /* owned; flows_mod() takes it and leaves it empty */
	uint8_t version; /* OpenFlow's, wire: semantics differ (0: command line, as 1.5) */
};

/* Does it wholly or not at all. */
enum of_error flows_mod(struct flows *flows, struct flow_mod *mod, struct error *err);
/* All of them, or none; *@failed: index of the one that was refused. One version. */
enum of_error flows_mods(struct flows *flows, struct flow_mod *mods, size_t n, size_t *failed,
			 struct error *err);

/* Lets what flows_mod() does from now on wait, to be published as one version: nobody needs those
 * between, and a version costs more than a rule. To be ended in the same call of the loop. */
void flows_gather(struct flows *flows);
/* Ends that, and publishes. Returns how many of the last flows_mod() that were accepted since are
 * refused after all, because memory is short (OFERR_FLOW_TABLE_FULL): as a rule none. */
unsigned flows_publish(struct flows *flows);

/* Filter of flow and aggregate statistics. */
struct flow_filter {
	uint8_t table; /* FLOWS_TABLE_ALL */
	uint32_t out_port, out_group;
	uint64_t cookie, cookie_mask;
	bool strict; /* exactly this match and priority */
	uint16_t priority;
	struct match match;
};

/* Rules that pass, hidden ones left out. Counts are as exact as flows_settle() has made them. */
void flows_each(struct flows *flows, const struct flow_filter *filter,
		bool (*fn)(void *arg, const struct rule *rule), void *arg);

/* Calls @fn(@arg), from the loop, when all that packets have done so far has been counted. */
void flows_settle(struct flows *flows, void (*fn)(void *arg), void *arg);

/* What is done to a group; ADD_OR_MOD is Open vSwitch's. */
enum group_command {
	GROUP_ADD,
	GROUP_MODIFY,
	GROUP_ADD_OR_MOD,
	GROUP_DELETE,
	GROUP_INSERT_BUCKET,
	GROUP_REMOVE_BUCKET
};

/* Places of a bucket, and those that are removed (OpenFlow 1.5.1, 7.3.4.3). */
#define BUCKET_FIRST 0xfffffffdu
#define BUCKET_LAST 0xfffffffeu
#define BUCKET_ALL 0xffffffffu

/* @group: taken over; NULL for GROUP_DELETE of @id (GROUP_ALL: all) and GROUP_REMOVE_BUCKET. */
enum of_error flows_group_mod(struct flows *flows, enum group_command command, uint32_t id,
			      struct group *group, uint32_t bucket, struct error *err);

/* As on the wire (OFPMC). */
enum meter_command { METER_ADD, METER_MODIFY, METER_DELETE };

/* @meter: taken over; NULL for METER_DELETE of @id (METER_ALL: all). */
enum of_error flows_meter_mod(struct flows *flows, enum meter_command command, uint32_t id,
			      struct meter *meter, struct error *err);

/* How many rules use a group, or a meter; each counts once, however often it does. */
unsigned flows_group_users(struct flows *flows, uint32_t id);
unsigned flows_meter_users(struct flows *flows, uint32_t id);

/* What becomes of packets that no rule of @table (FLOWS_TABLE_ALL: of any) has. */
enum of_error flows_set_table_miss(struct flows *flows, uint8_t table, enum table_miss miss,
				   struct error *err);
/* How fragments are handled (OFPC_FRAG), of all tables. */
void flows_set_frags(struct flows *flows, uint8_t mode);

/* A port of the bridge, as OpenFlow shows it. */
struct flows_port {
	uint32_t number; /* OFPORT */
	char name[64];
	uint64_t mac; /* mac_t; 0: none known */
	bool link;
	bool down, no_receive, no_forward, no_flood, no_packet_in; /* OFPPC */
	uint64_t rx_packets, tx_packets, rx_bytes, tx_bytes, rx_dropped, tx_dropped;
	uint64_t created_ms;
};

/* Sorted by number. */
void flows_each_port(struct flows *flows, bool (*fn)(void *arg, const struct flows_port *port),
		     void *arg);
/* OFPPC bits of @mask become those of @config (OpenFlow 1.5.1, 7.2.1). */
enum of_error flows_port_mod(struct flows *flows, uint32_t number, uint32_t config, uint32_t mask,
			     struct error *err);

/* Lets a packet be handled by @actions (not taken over), as if it had come in by @in_port
 * (OFPORT_CONTROLLER, OFPORT_NONE: from nowhere). */
enum of_error flows_packet_out(struct flows *flows, uint32_t in_port,
			       const struct action_list *actions, const uint8_t *frame, size_t len,
			       struct error *err);

/* Why a rule is gone (OFPRR). */
enum removed_reason {
	REMOVED_IDLE,
	REMOVED_HARD,
	REMOVED_DELETE,
	REMOVED_GROUP_DELETE,
	REMOVED_METER_DELETE,
	REMOVED_EVICTION
};

/* A packet that a worker sends to controllers. Valid during the call. */
struct flows_packet {
	const struct flow_key *metadata; /* what is not of the packet; in_port */
	uint64_t cookie;
	uint16_t controller, max_len;
	uint8_t reason, table;
	const uint8_t *userdata;
	uint16_t userdata_len;
	const uint8_t *frame;
	size_t len;	  /* of what is there of the frame, */
	size_t total_len; /* and of all of it */
};

/* Whoever listens to a bridge: each may be NULL. */
struct flows_listener {
	struct flows_listener *next; /* the list's */
	void *arg;
	void (*removed)(void *arg, const struct rule *rule, enum removed_reason why);
	void (*packet)(void *arg, const struct flows_packet *packet);
	/* @why: OFPPR 0 added, 1 deleted, 2 changed */
	void (*port)(void *arg, const struct flows_port *port, unsigned why);
	void (*gone)(void *arg); /* the bridge goes away */
};

/* From now on @listener is told; until flows_unlisten(), it must stay. */
void flows_listen(struct flows *flows, struct flows_listener *listener);
void flows_unlisten(struct flows *flows, struct flows_listener *listener);

/* Calls @fn for every bridge, and again for each that comes later; @fn NULL ends that. */
void switch_watch_bridges(struct swtch *sw, void (*fn)(void *arg, struct flows *flows), void *arg);

/* What is asked next is answered when all that packets did so far has been counted: until then
 * switch_settled() is false. */
void switch_count(struct swtch *sw, struct flows *flows);

/* For people: a new reference. "vireo cache show". */
json_t *switch_cache_show(struct swtch *sw);
