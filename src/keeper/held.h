/* SPDX-License-Identifier: Apache-2.0 */
/* File descriptors under keys, as KEEPER_HOLD and KEEPER_HELD bring them. One thread. */
#pragma once

#include <stdbool.h>

#include "keeper/proto.h"

/* A list of these; NULL is the empty one. */
struct held {
	struct held *next;
	char key[KEEPER_KEY_MAX];
	int fds[KEEPER_FDS_MAX];
	unsigned n_fds;
};

/* Puts the fds of a packet under its key, in place of others. False when memory is short; then the
 * fds stay the packet's. */
bool held_put(struct held **list, struct keeper_packet *p);

/* Takes up to @max fds from under @key; the others are closed. Returns how many. */
unsigned held_take(struct held **list, const char *key, int *fds, unsigned max);

/* Whether there is something under @key. */
bool held_has(const struct held *list, const char *key);

/* Closes what is under @key; and everything. */
void held_drop(struct held **list, const char *key);
void held_clear(struct held **list);
