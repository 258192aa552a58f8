/* SPDX-License-Identifier: Apache-2.0 */
/* Ports: their descriptions, statistics and changes; and queues, of which there are none. Control
 * thread. */
#pragma once

#include "openflow/session.h"

#define OF10_PORT_LEN 48 /* bytes of a description in 1.0 */

/* Writes the description of a port (OpenFlow 1.5.1, 7.2.1). */
void of_write_port(struct of_out *out, uint8_t version, const struct flows_port *port);

/* Changes how a port behaves. */
enum of_error of_handle_port_mod(struct of_session *s, const struct of_request *r,
				 struct error *err);
/* Describes one port, or all. */
enum of_error of_handle_port_desc(struct of_session *s, const struct of_request *r,
				  struct error *err);
/* What they have counted. */
enum of_error of_handle_port_stats(struct of_session *s, const struct of_request *r,
				   struct error *err);
/* An empty answer, or that there is no such queue. */
enum of_error of_handle_queue_stats(struct of_session *s, const struct of_request *r,
				    struct error *err);
/* The same, of messages before 1.4; */
enum of_error of_handle_queue_config(struct of_session *s, const struct of_request *r,
				     struct error *err);
/* and as of 1.4. */
enum of_error of_handle_queue_desc(struct of_session *s, const struct of_request *r,
				   struct error *err);

/* Tells @s what has become of a port, if it wants to know. @why: OFPPR. */
void of_tell_port(struct of_session *s, const struct flows_port *port, unsigned why);
