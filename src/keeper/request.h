/* SPDX-License-Identifier: Apache-2.0 */
/* What the switch process may not do, and has the keeper do for it. The keeper's thread.
 *
 * The switch process may be in a guest's hands, so nothing that it asks is believed: each field is
 * checked here, and each request can do one thing, which the configuration could have asked for as
 * well. Files of packets are opened with the rights of the switch's own user; the control socket,
 * those of bridges beside it, and the configuration file are those of the keeper's command line;
 * the MTU is that of a tap of which the switch has a queue.
 */
#pragma once

#include "base/sandbox.h"
#include "keeper/link.h"

/* What the keeper was started with. */
struct keeper_rights {
	const char *config;	  /* path; NULL: none */
	const char *run_dir;	  /* where the control socket is */
	const char *group;	  /* that may use it; NULL: none */
	struct sandbox_user user; /* whom the switch process runs as */
};

/* Answers a packet of KEEPER_REQUEST over @link, whatever is in it. The packet keeps its fds. */
void keeper_request_serve(const struct keeper_rights *rights, struct keeper_link *link,
			  const struct keeper_packet *p);

/* Removes the control socket, which nobody serves any more. */
void keeper_request_remove_control(const struct keeper_rights *rights);

/* The same of the sockets of a bridge; nothing for what is no name of one. */
void keeper_request_remove_sockets(const struct keeper_rights *rights, const char *bridge);
