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

/* What becomes of a packet: by its fields (@frame NULL), or as it came in by port @in_port. A new
 * reference: {"text", "trace"}; or NULL and a text. */
json_t *flows_trace(struct flows *flows, const struct flow_key *key, uint32_t in_port,
		    const uint8_t *frame, size_t len, struct error *err);
