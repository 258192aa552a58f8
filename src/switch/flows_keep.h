/* SPDX-License-Identifier: Apache-2.0 */
/* The rules, groups and meters of a bridge, as they outlive the process. Control thread. */
#pragma once

#include "switch/flows_private.h"

/* Opens what an earlier process has left, or nothing. 0 or -ENOMEM. */
int flows_keep_open(struct flows *flows);
/* The slot of a table's tally. 0 or -errno. */
int flows_keep_table(struct flows *flows, unsigned i, uint32_t *slot);
/* Adds what an earlier process had to the first version, and says so in flows->restored. */
int flows_keep_restore(struct flows *flows, struct pipeline *p);
/* The first version is published: what it has is kept from now on. 0 or -ENOMEM. */
int flows_keep_started(struct flows *flows);
/* Writes down what a change will have changed, right before it is published. 0, or -ENOMEM, or
 * -ENOSPC when there would be too much of it: nothing is written. */
int flows_keep_change(struct flows *flows, const struct change *c);
/* Frees; what is held stays held. */
void flows_keep_close(struct flows *flows);
/* A rule's timeouts have changed, or it is as young as new. */
void flows_keep_times(const struct rule *rule);
/* What is held of a bridge under which keys. */
void flows_keep_key(const struct flows *flows, const char *kind, char key[KEEP_KEY_MAX]);
