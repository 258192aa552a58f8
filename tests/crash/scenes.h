/* SPDX-License-Identifier: Apache-2.0 */
/* What processes are stepped through, each with a run of it for every layout and feature. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* One ring, every operation of virtio/ring.h, in any order. */
void scene_ring(uint64_t features, uint32_t size, unsigned seed, unsigned n);

/* The same of a ring that notes what is in flight. */
void scene_inflight(uint64_t features, uint32_t size, unsigned seed, unsigned n);
/* A switch process that handles every vhost-user message, starts, tells the keeper what it has to,
 * and ends; @hangs_up: it is the one that ends the connection. */
void scene_message(uint64_t features, bool hangs_up);

/* Fails when there is a message, or a packet to the keeper, that no process was stepped with. */
void scene_message_report(void);

/* A MAC table, with and without room: @n operations on each. */
void scene_mac(unsigned seed, unsigned n);

/* Counters of ports that come and go, and are taken over: @n operations. */
void scene_kept(unsigned seed, unsigned n);

/* A worker that decides and sends: @n rounds. */
void scene_forward(unsigned seed, unsigned n);

/* Ports of files of packets, and packets that cannot be segmented. */
void scene_files(void);

/* A keeper's table, and the end of messages. */
void scene_table(void);

/* A tap that outlives processes, and a port that sends by it. Enters a network namespace. */
void scene_tap(void);

/* Processes that crash, each for somebody, and those that judge it. */
void scene_quarantine(void);

/* Records that outlive processes, and slots that count. */
void scene_ledger(unsigned seed, unsigned n);

/* Batches from one guest's ring to another's through the port code. */
void scene_port(uint64_t features, uint32_t size, unsigned seed, unsigned n);

/* The same while both guests are migrated. */
void scene_migration(uint64_t features, uint32_t size, unsigned seed, unsigned n);
