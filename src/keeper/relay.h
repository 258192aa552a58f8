/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper's half of vhost-user devices: their sockets, and what their front-ends have set up.
 * The keeper's thread.
 *
 * Theory of operation. A message that has come whole stays here until the switch process says that
 * it has acted, in one packet with the answer, which only then is sent, and with what is to be kept
 * (vhost/journal.h). If the process dies before it says so, the next one gets the same message
 * behind all that was kept; if it dies after that, the message is done. So each message acts once
 * as far as the front-end and the journal can tell, and its answer is sent exactly once. One that
 * makes each process crash is not handed out for ever: its connection ends. While no process lives
 * front-ends just wait: their sockets stay open, and what they send stays in the kernel's buffers.
 */
#pragma once

#include <event2/event.h>

#include "keeper/link.h"
#include "keeper/table.h"

/* Sockets of vhost-user ports, more than a switch has ports. */
#define KEEPER_DEVICES_MAX 4096u

struct keeper_relay;

/* All that it knows is written down in @table, which must outlive it. NULL when memory is short. */
struct keeper_relay *keeper_relay_create(struct event_base *base, struct keeper_table *table);

/* Makes the devices that are in the table, of a keeper before this one. @same: the switch process
 * is the same one, and goes on with keeper_relay_go_on(); else one must be attached. */
void keeper_relay_restore(struct keeper_relay *relay, bool same);
void keeper_relay_go_on(struct keeper_relay *relay, struct keeper_link *link);

/* Whether a process that was ready has been told all that is kept of its devices, so that packets
 * go on. */
bool keeper_relay_all_told(const struct keeper_relay *relay);

/* Before another program takes the place of this one: whether the process has been told all that it
 * must be told; then writes down the rest of what must be known. */
bool keeper_relay_quiet(const struct keeper_relay *relay);
void keeper_relay_save(struct keeper_relay *relay);

/* Hangs up, removes the sockets, closes all. NULL is fine. */
void keeper_relay_destroy(struct keeper_relay *relay);

/* A new process is there, or, with NULL, none is. It opens its devices anew. */
void keeper_relay_attach(struct keeper_relay *relay, struct keeper_link *link);

/* The process has crashed. A message that it was told and that has not acted may be why: after some
 * crashes with the same one its connection is closed, and the next process is told that. Before
 * attach(). */
void keeper_relay_crashed(struct keeper_relay *relay);

/* A packet whose kind is KEEPER_DEVICE_*; its fds are ours. */
void keeper_relay_packet(struct keeper_relay *relay, struct keeper_packet *p);

/* Tells the process nothing more: another is about to take over. Until the next attach(), or with
 * @frozen false. */
void keeper_relay_freeze(struct keeper_relay *relay, bool frozen);

/* Goes on telling what the link did not take. */
void keeper_relay_pump(struct keeper_relay *relay);

/* The process has opened all its devices: the others go. */
void keeper_relay_ready(struct keeper_relay *relay);

/* Devices that the last process had and this one has not opened yet. */
unsigned keeper_relay_n_orphans(const struct keeper_relay *relay);
