/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper: the parent process, which starts the switch process, holds what must outlive it, and
 * starts it again when it dies. It maps no guest memory and handles no packet.
 *
 * Theory of operation. The switch process is this program, executed again with --keeper-fd, the
 * number of its end of a socket pair (keeper/proto.h). The keeper holds the sockets of vhost-user
 * devices and the journal of what came by them (keeper/relay.h), and whatever else the switch lets
 * it hold. When the process has ended, wholly (waitpid() says so when no thread of it is left), all
 * that it has written to shared memory is there, and nothing will change: the next one is started
 * and given everything. One that dies again and again is started more and more slowly; one that
 * ends by itself takes the keeper with it.
 */
#pragma once

#include "base/error.h"

/* Runs until the switch ends. @argv: the command line of this process, ended by NULL, for the
 * switch process. @watchdog: seconds that it may hang, 0: any. Returns the exit status for the
 * process, or -errno and a text when there was no start.
 */
int keeper_run(char **argv, unsigned watchdog, struct error *err);
