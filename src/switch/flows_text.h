/* SPDX-License-Identifier: Apache-2.0 */
/* Rules, groups and meters as people write and read them: the text of ovs-ofctl(8), in which a port
 * of the bridge may be named in place of its number. For the command line. Control thread.
 */
#pragma once

#include "switch/flows.h"

#define FLOWS_TEXT_MAX (64u << 20) /* bytes of many rules */

/* "table=0,priority=10,tcp,actions=output:1". For FLOW_ADD and FLOW_MODIFY(_STRICT) there must be
 * actions; for deletions there are none. 0, or -EINVAL, -ENOMEM and a text; then @out has nothing
 * that needs to be freed. */
int flows_parse_mod(const struct flows *flows, enum flow_command command, const char *text,
		    struct flow_mod *out, struct error *err);
/* "table=0,cookie=1/-1,tcp,out_port=1", all of it optional. 0 or -EINVAL and a text. */
int flows_parse_filter(const struct flows *flows, const char *text, struct flow_filter *out,
		       struct error *err);
/* The fields of a packet: "in_port=vm1,tcp,nw_src=10.0.0.1". 0 or -EINVAL and a text. */
int flows_parse_packet(const struct flows *flows, const char *text, struct flow_key *out,
		       struct error *err);
/* Which packets that come in are meant: "tcp,tp_dst=80"; no registers, since they are 0 then. 0 or
 * -EINVAL and a text. */
int flows_parse_match(const struct flows *flows, const char *text, struct match *out,
		      struct error *err);
/* @text with names of ports in actions made numbers; malloc'd, NULL when memory is short. */
char *flows_number_ports(const struct flows *flows, const char *text);

/* Changes by a text of many lines, each a rule, all of them or none; comments begin with '#'. 0, or
 * -errno and a text that names the line. */
int flows_change(struct flows *flows, enum flow_command command, char *text, struct error *err);
/* Rules are those of the text and no others; what is the same stays as it is, with its counts.
 * *@n_changed: rules that came, went or changed. */
int flows_replace(struct flows *flows, char *text, size_t *n_changed, struct error *err);

/* New references; NULL when memory is short. Times are seconds. */
json_t *flows_show_rule(const struct rule *rule);
json_t *flows_show_group(const struct group *group);
json_t *flows_show_meter(const struct meter *meter);

/* A packet on paper: its fields, or, with @key NULL, what is here of a frame that came in by
 * @in_port: @len bytes (ETH_HLEN or more) of @total_len (0: all of them are here). */
struct traced {
	const struct flow_key *key;
	uint32_t in_port;
	const uint8_t *frame;
	size_t len, total_len;
};

/* What becomes of it, by the rules as they are. A new reference: {"text", "trace"}; or NULL and a
 * text. */
json_t *flows_trace(struct flows *flows, const struct traced *packet, struct error *err);

#define LIVE_MAX 8	    /* live traces at once, */
#define LIVE_OF_USERS 6	    /* of them, of others than root */
#define LIVE_RATE 10	    /* packets a second that one of them tells of */
#define LIVE_UNREAD_MAX 300 /* packets in a row that a client may leave unread: 30 seconds' */

/* What a live trace is of. */
struct live_request {
	const char *port, *filter; /* "tcp,tp_dst=80" */
	unsigned count;		   /* packets; 0: any number */
	bool root;		   /* is it who asks */
};

/* Begins to tell of packets that come in by the port and that the filter is for, as messages to
 * @fd, an AF_UNIX socket of the type SOCK_SEQPACKET. Each is a JSON object: {"number", "time",
 * "length", "text", "trace"}, with "dropped": a reason, when it is dropped before it meets rules,
 * and "rules_changed" when they have since; or with "too_long" in place of "text" and "trace". The
 * last one is {"end": null or why it has ended early, "told", "left_out"}. It ends also when @fd
 * becomes readable, which is how a client leaves. 0, and @fd is taken over; or -errno and a text.
 */
int switch_trace_live(struct swtch *sw, const struct live_request *request, int fd,
		      struct error *err);
