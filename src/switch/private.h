/* SPDX-License-Identifier: Apache-2.0 */
/* The running objects of the switch, shared by the files of this directory and nobody else. Control
 * thread.
 *
 * Life of a port: created (its kind's create() acquired what it needs), shown in views, and, when
 * it is deleted, taken out of the view and destroyed when no worker can use it. Its queues are
 * *held* while they change hands: views then list no receive queue of it, and what is sent to it
 * waits. A port is held while its kind changes its queues (from env->quiesce() to env->changed()).
 * While a queue moves from one worker to another, nothing is received anywhere.
 */
#pragma once

#include "base/clock.h"
#include "datapath/datapath.h"
#include "switch/port_state.h"
#include "switch/quarantine.h"
#include "switch/switch.h"
#include "vhost/socket_endpoint.h"

struct sw_bridge {
	struct sw_bridge *next;
	char name[PORT_NAME_MAX + 1];
	json_t *options; /* canonical */
	struct mac_table *macs;
	uint32_t aging; /* seconds */
	struct flows *flows;
	const struct pipeline *const *rules; /* see struct view_bridge */
	const void *const *listened;	     /* the same */
	struct view_port_state *nowhere;     /* counts of packets that came by no port */
	struct waiter waiter;		     /* until it can be freed */
};

/* Options that all ports have, as the datapath wants them. */
struct port_settings {
	unsigned mtu;
	bool access, native_tagged, has_trunks, is_protected;
	uint16_t tag;
	uint64_t trunks[4096 / 64];
	unsigned mac_limit; /* 0: see switch_mac_limit() */
	unsigned n_macs;
	mac_t *macs; /* owned */
	struct view_limit broadcast_limit, unknown_limit;
};

/* Why a queue pair is with its worker, when it is not pinned. */
enum pair_why {
	PAIR_COUNT,  /* that one had the fewest queues */
	PAIR_MEMORY, /* it is near the guest's memory, others are not */
	PAIR_LOAD,   /* another one had too much to do */
};

/* What a queue pair costs its worker. */
struct pair_load {
	uint64_t busy_ticks; /* at the last measurement */
	double percent;	     /* of the worker's time, between the last two */
	enum pair_why why;
	uint64_t moved_ns; /* for its load; 0: never */
};

struct sw_port {
	struct sw_port *next;
	struct swtch *sw;
	char name[PORT_NAME_MAX + 1];
	json_t *options; /* canonical, with "type" and "bridge" */
	uint32_t id, serial;
	uint32_t ofport;     /* number in OpenFlow */
	uint64_t created_ms; /* CLOCK_BOOTTIME */
	struct sw_bridge *bridge;
	struct port *port; /* NULL while create() runs */
	struct port_settings settings;
	struct port_state kept;
	struct view_port_state *state; /* that of kept */
	struct steer *steer;	       /* NULL: there was no use for it yet */
	bool changing;	     /* the kind asked for a quiesce and has not said changed() yet */
	bool asked;	     /* it did, and was not answered yet */
	uint64_t held_since; /* ns; held, maybe with breaks that no worker saw; 0: never held */
	bool removing;
	bool attention; /* set by workers */
	struct pair_load loads[PORT_QUEUES_MAX];
	uint64_t n_packets; /* at the last measurement */
	struct live *lives; /* who watches what comes in (live.c) */
	unsigned n_lives;
	bool pinned[PORT_QUEUES_MAX];
	bool assigned[PORT_QUEUES_MAX];
	uint8_t worker[PORT_QUEUES_MAX]; /* of each queue pair, when assigned */
	uint8_t home[PORT_QUEUES_MAX];	 /* see flow/view.h */
	uint8_t target[PORT_QUEUES_MAX]; /* the worker it shall have; differs while moving */
	bool settles;			 /* its pairs become at home where they are */
	uint64_t shared;     /* homes, as bits, whose transmit queues are shared in the last view */
	uint64_t must_share; /* of these, needed since sw->unsharing began */
};

/* How busy a worker was between the last two measurements (balance.c). */
struct worker_load {
	uint64_t at_ns, busy_ns, busy_ticks; /* at the last one */
	double percent;
};

/* How busy a worker was between two looks. */
struct busy_sample {
	uint64_t at_ns, busy_ns;
	double percent;
};

struct swtch {
	struct event_base *base;
	struct datapath *dp;
	struct sw_bridge *bridges; /* in the order they were added */
	struct sw_port *ports;
	uint64_t ports_seen;				   /* hash of what OpenFlow shows of them */
	void (*on_bridge)(void *arg, struct flows *flows); /* whoever watches bridges; or NULL */
	void *on_bridge_arg;
	unsigned n_counting; /* who waits for exact counts */
	uint64_t live_due;   /* ns: until then, time is spent for live traces (live.c) */
	uint32_t last_serial;
	unsigned n_removing;	       /* ports */
	bool moving;		       /* queues are about to change their workers */
	struct quarantine *quarantine; /* NULL: nothing outlives this process */
	struct gone *gone;	       /* what deleted ports have counted */
	bool restoring, leaving;       /* nobody receives yet, or any more */
	void (*left)(void *arg);       /* called then */
	void *left_arg;
	struct event *retry_timer;	    /* ports that failed are made again (restore.c) */
	unsigned retry_s;		    /* until then */
	bool unsharing;			    /* a view is due that shares fewer queues */
	unsigned n_moves, n_moves_measured; /* of ports' queues, done; at the last measurement */
	bool destroying;
	struct vhost_socket_maker sockets; /* of this process, unless told of other endpoints */
	struct port_env env;
	struct event *publish_event; /* a new view is wanted */
	struct event *timer;	     /* ages addresses and balances loads (quiet.c) */
	bool quiet;		     /* without packets, so that there is nothing to look at */
	unsigned n_quiet;	     /* periods without packets, in a row */
	uint64_t n_packets;	     /* at the last look */
	struct event *attention_event;
	int attention_fd; /* eventfd, written by workers */
	json_t *to_apply; /* configuration whose additions wait for removals */
	int apply_result; /* of the last configuration applied */
	struct error apply_error;
	struct busy_sample *busy;  /* of each worker at the last look */
	struct worker_load *loads; /* of each worker */
	int *nodes;		   /* NUMA node of each; -1: unknown */
	bool keep_queues;	   /* where they are, whatever the load */
};

/* options.c */

/* Tables for options_check(). */
const struct option *const *switch_bridge_tables(void);
const struct option *const *switch_port_tables(const struct port_ops *kind);

/* Reads the common options of a checked object. Returns 0, or -EINVAL and a text when they
 * contradict each other. */
int settings_read(struct port_settings *out, const json_t *options, struct error *err);
void settings_free(struct port_settings *settings);

/* bridge.c */
struct sw_bridge *switch_find_bridge(const struct swtch *sw, const char *name);
void bridge_free(struct sw_bridge *bridge);
/* Like switch_bridge_set(), but what is not in @params is set back to its default, and the size of
 * the MAC table can be changed while the bridge has no ports. */
int switch_bridge_apply(struct swtch *sw, const json_t *params, struct error *err);
/* Checks a static address; {"mac", "vlan", "port"} in canonical form, a new reference, or NULL and
 * a text. */
json_t *switch_mac_canonical(const json_t *params, struct error *err);
/* Most addresses that are learned behind the port: its mac-limit, or half of its bridge's table, so
 * that no port fills it alone. */
unsigned switch_mac_limit(const struct sw_port *p);
/* Forgets addresses that were not seen for long. */
void switch_age_macs(struct swtch *sw);

/* ports.c */
struct sw_port *switch_find_port(const struct swtch *sw, const char *name);
struct sw_port *switch_port_by_id(const struct swtch *sw, uint32_t id);
/* Checks what a port is to be, all that needs no system call: canonical options (a new reference),
 * kind and settings, which the caller frees. */
int port_canonical(const json_t *params, json_t **options, const struct port_ops **kind,
		   struct port_settings *settings, struct error *err);
/* Frees a port that no worker uses. */
void switch_port_free(struct sw_port *p);
/* Adds counters to the object @out, by name. */
void switch_show_counters(const struct port_counters *c, json_t *out);
/* What all workers have counted for the port, and what it came with. */
struct port_counters switch_port_counters(const struct sw_port *p);
/* Fills in the upcalls. */
void switch_env_init(struct port_env *env, struct event_base *base,
		     const struct vhost_endpoint_maker *endpoints);

/* carry.c: the upcalls of these names. */
int switch_port_save(struct port *port, uint8_t **bytes, size_t *n, struct error *err);
int switch_port_load(struct port *port, const uint8_t *bytes, size_t n, struct error *err);

/* quiet.c: starts the timer, 0 or -1; and starts it again when something has changed. */
int switch_timer_init(struct swtch *sw);
void switch_wake_up(struct swtch *sw);
/* "no port "vm2": did you mean "vm1"?" */
int switch_no_such_port(const struct swtch *sw, const char *name, struct error *err);

/* restore.c: ports of an earlier process that cannot be made again. */

/* Fills in a port whose parameters are not understood, beside what it has: name, number. 0, or
 * -EINVAL when there cannot be such a port. */
int restore_prepare(struct sw_port *p, const json_t *params);
/* Makes what stands in its place, @why: the reason. 0 or -ENOMEM. */
int restore_failed(struct sw_port *p, struct port **out, const char *why);
/* The timer, 0 or -1; and starts it if there is such a port. */
int restore_init(struct swtch *sw);
void restore_retry(struct swtch *sw);

/* assign.c */

/* Checks parameters of switch_worker_set() as far as it can be done without a switch; canonical, a
 * new reference, or NULL and a text. */
json_t *switch_worker_canonical(const json_t *params, struct error *err);
/* Gives each queue pair of @p that has none a worker. */
void switch_assign(struct sw_port *p);
/* Whether the worker's CPU is known to be on another NUMA node than the guest's memory. */
bool switch_worker_is_far(const struct sw_port *p, unsigned worker);

/* Finds out near which memory the workers are: at the start, since the files that tell it may not
 * be read later. 0 or -ENOMEM. */
int switch_find_nodes(struct swtch *sw);
/* Lets @worker serve the queue pair soon; nothing is lost or overtaken. */
void switch_move_pair(struct sw_port *p, unsigned pair, unsigned worker);
/* Lets all pairs of @p be at home where they are, soon. */
void switch_settle_port(struct sw_port *p);

/* Received from the port and sent to it so far. */
uint64_t switch_port_packets(const struct sw_port *p);

/* balance.c */

#define BALANCE_PERIOD_S 5 /* between calls of switch_balance() */

/* Measures the load of workers and queues since the last call, then rebalances; queues of ports
 * without traffic become at home where they are.
 */
void switch_balance(struct swtch *sw);
/* Moves one queue pair, if a worker has too much to do and that helps. */
void switch_rebalance(struct swtch *sw);
/* For people. */
const char *switch_pair_why(const struct sw_port *p, unsigned pair);

/* publish.c */

/* Makes a view of what is and publishes it now. */
void switch_publish(struct swtch *sw);
/* The same soon, from the loop; several requests become one. */
void switch_publish_soon(struct swtch *sw);

/* limits.c: {name: {"now", "most", "refused", "text"}} of all bounds; "now" only where it is known.
 */
json_t *switch_show_limits(const struct swtch *sw);

/* live.c */

/* The watches of a port; its view has room for p->n_lives of them. */
void live_show(const struct sw_port *p, struct watch **out);
/* A packet that one of them is for. */
void live_packet(struct flows *flows, const struct upcall *u);
/* The port goes away: those who watch it are told. */
void live_port_gone(struct sw_port *p);
/* The same when there are no workers any more. */
void live_close(struct sw_port *p);

/* apply.c */

/* What was waiting for the last removal can go on. */
void switch_removal_done(struct swtch *sw);

/* flows*.c, of what the rest of the switch needs */

/* With what an earlier process has left; @options: the bridge's of the configuration. NULL and a
 * text. */
struct flows *flows_create(struct swtch *sw, const char *bridge, const json_t *options,
			   struct error *err);
/* Where the datapath finds the newest rules: see struct view_bridge. */
const struct pipeline *const *flows_rules(const struct flows *flows);
/* Where it says whether anybody listens. */
const void *const *flows_listened(const struct flows *flows);
/* The bridge goes away: nobody hears of it any more. */
void flows_close(struct flows *flows);
/* And nothing of it outlives the process. */
void flows_release(struct flows *flows);
/* No worker uses it, and what was asked for by datapath_settle() is done. NULL is fine. */
void flows_destroy(struct flows *flows);
/* Gives a port, which has its bridge and its state, a number. 0, or -errno and a text. */
int flows_number_port(struct sw_port *p, struct error *err);
/* Ports have come, gone or changed, maybe. */
void flows_ports_changed(struct swtch *sw);
/* What the view shows of flags that controllers have set. */
void flows_show_flags(const struct sw_port *p, struct view_port *v);
/* Lets the datapath tell what packets want. */
void flows_upcalls_init(struct swtch *sw);
