/* SPDX-License-Identifier: Apache-2.0 */
/* One of several by a hash: buckets of select groups, ports of a bundle, links of a multipath. The
 * same hash makes the same choice in every process, so that flows stay where they are over an
 * upgrade. Any thread.
 */
#pragma once

#include "flow/action.h"

/* Spreads two words over 32 bits. */
uint32_t choose_hash(uint64_t a, uint64_t b);

/* What @id of @weight (> 0) has to say for a flow of @hash: the lowest of all wins (rendezvous
 * hashing: when one comes or goes, only its own flows move). In proportion to the weights. */
uint64_t choose_claim(uint32_t id, uint16_t weight, uint32_t hash);

/* The link, below @n (> 0), of a multipath action; @arg: see ovs-actions(7). */
unsigned choose_link(enum multipath_algorithm algorithm, uint32_t hash, unsigned n, unsigned arg);
