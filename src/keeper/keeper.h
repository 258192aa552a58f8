/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper: the parent process, which starts the switch process, holds what must outlive it, and
 * starts it again when it dies. It maps no guest memory and handles no packet.
 *
 * Theory of operation. The switch process is this program, executed again with --keeper-fd, the
 * number of its end of a socket pair (keeper/proto.h). The keeper holds the sockets of vhost-user
 * devices and the journal of what came by them (keeper/relay.h), and whatever else the switch lets
 * it hold. When the process is dead, and no thread of it is left (keeper/death.h; or waitpid() says
 * so, some time later), all that it has written to shared memory is there, and nothing will change:
 * the next one is started and given everything. One that dies again and again is started more and
 * more slowly; one that ends by itself takes the keeper with it.
 *
 * All that the keeper knows is in a table that outlives it (keeper/table.h). When it is killed, the
 * switch process dies with it, and the keeper that the service manager starts goes on as after a
 * death of the switch process, once it knows that the old one is dead, by its pidfd. Another
 * program takes its place (KEEPER_REPLACE) without that: it is tried first, and then executed in
 * the same process, with all descriptors, the link to the switch process among them.
 */
#pragma once

#include "base/error.h"
#include "keeper/request.h"

/* What it is started with. */
struct keeper_config {
	char **argv;	   /* command line of this process, ended by NULL, for the switch process */
	int table_fd;	   /* the table of the program that has executed this one to take its place,
			    * and then the first option of @argv says so; or -1 */
	unsigned watchdog; /* seconds that the switch process may hang; 0: any */
	struct keeper_rights rights;
};

/* Runs until the switch ends. Returns the exit status for the process, or -errno and a text when
 * there was no start.
 */
int keeper_run(const struct keeper_config *config, struct error *err);

/* Tells the keeper over @link_fd that this program could go on with its table. Returns 0, or -errno
 * and a text. */
int keeper_check(int link_fd, int table_fd, struct error *err);
