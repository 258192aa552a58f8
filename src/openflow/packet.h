/* SPDX-License-Identifier: Apache-2.0 */
/* Packets to and from controllers. Control thread. */
#pragma once

#include "openflow/session.h"

/* Sends a packet through actions. */
enum of_error of_handle_packet_out(struct of_session *s, const struct of_request *r,
				   struct error *err);
/* Nicira's: in which form packets are told. */
enum of_error of_handle_packet_format(struct of_session *s, const struct of_request *r,
				      struct error *err);
/* Sends @packet to @s, if it wants it. */
void of_tell_packet(struct of_session *s, const struct flows_packet *packet);
