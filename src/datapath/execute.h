/* SPDX-License-Identifier: Apache-2.0 */
/* Bridges with rules: finds or makes a packet's plan, and carries it out. Worker threads.
 *
 * Theory of operation. A packet stands in outboxes as a pointer, so what is changed on it after an
 * output must not be seen there: before a step that changes headers, outboxes that hold the packet
 * are sent. NORMAL is a step like others: it decides for each packet, so no plan depends on the MAC
 * table. Ports are looked up by number in the view when a plan is carried out: guests that come and
 * go outdate no plan. A packet that crosses a patch port has a plan of its own on the next bridge.
 *
 * A bridge whose only rule is NORMAL for all needs no plans: its frames go the way of trips
 * (flow/trip.h), and are counted for the rule a batch at a time.
 */
#pragma once

#include "datapath/outbox.h"
#include "datapath/upcall.h"
#include "flow/plans.h"

/* What workers keep of pipelines. NULL when memory is short. @up must outlive it. */
struct execution *execution_create(struct upcalls *up);
void execution_destroy(struct execution *x);

/* The rules that packets of this bridge have to meet; NULL: there are none, or only NORMAL, of
 * which
 * *@normal is the rule then (NULL: none). */
const struct pipeline *execution_rules(const struct view_bridge *bridge,
				       const struct rule **normal);

/* Handles a parsed packet (pkt_parse()) that has been admitted. */
void execution_packet(struct forwarder *fw, const struct pipeline *rules,
		      const struct view_port *in, struct pkt *pkt, unsigned hops);

/* The same for a packet that enters by a patch port, on which it carries @tag. It may be in
 * outboxes, and is as before afterwards. */
void execution_enter(struct forwarder *fw, const struct pipeline *rules, const struct view_port *in,
		     struct pkt *pkt, struct normal_tag tag, unsigned hops);

/* How often a packet waits for what it teaches, at most, when rules change meanwhile. */
#define EXECUTION_WAITS_MAX 4

/* Handles a packet on which @actions are to be carried out, as if it had come in by @in_port
 * (OFPORT); @in: that port, or view_bridge.nowhere. */
struct execution_out {
	const struct view_port *in;
	uint32_t in_port;
	const struct action_list *actions; /* NULL: the pipeline, from its first table on */
	unsigned n_waits; /* how often it has waited for what it teaches, and the version of the */
	uint64_t version; /* rules by which it did so: by these, it will not be learned */
	unsigned hops;	  /* patch ports that it had crossed before that */
};

/* @pkt is the caller's, and has to stay until the outboxes that it was put into are flushed. */
void execution_packet_out(struct forwarder *fw, const struct execution_out *out, struct pkt *pkt);

/* @n packets of @bytes in all went by NORMAL alone. */
void execution_count_normal(struct execution *x, const struct view_bridge *bridge,
			    const struct rule *normal, unsigned n, uint64_t bytes);

/* It is @now (clock_ns()): for counts. */
void execution_set_time(struct execution *x, uint64_t now);

/* Credits all that was counted. */
void execution_settle(struct execution *x);
bool execution_settled(const struct execution *x);

/* Of this worker's plans and translations; any thread, word by word. */
void execution_stats(const struct execution *x, struct plans_stats *out);
