/* SPDX-License-Identifier: Apache-2.0 */
/* What the keeper has beside vhost-user devices, as it is written down in its table. The keeper's
 * thread.
 */
#pragma once

#include "keeper/held.h"
#include "keeper/table.h"

/* Each of these is one change of the table, made when they return. */

/* Writes down what a packet of KEEPER_HOLD brings; the packet keeps its fds. */
void belongings_hold(struct keeper_table *table, const struct keeper_packet *p);

/* Nothing is held under @key any more. */
void belongings_release(struct keeper_table *table, const char *key);

/* There is one of @kind, and this is its fd, -1: none. */
void belongings_set(struct keeper_table *table, enum table_kind kind, int fd);

/* The switch process that may touch rings from now on: what it shares with others must not be
 * touched by another one before this one is dead. */
void belongings_set_process(struct keeper_table *table, pid_t pid);

/* A duplicate of the fd of @kind, the caller's; -1: there is none. */
int belongings_fd(const struct keeper_table *table, enum table_kind kind);

/* That process, with a duplicate of its pidfd; 0: there is none. */
pid_t belongings_process(const struct keeper_table *table, int *pidfd);

/* All that is held. */
void belongings_held(const struct keeper_table *table, struct held **list);
