/* SPDX-License-Identifier: Apache-2.0 */
/* Read-copy-update (liburcu, QSBR flavour) as vireo uses it: workers read snapshots, the control
 * thread replaces them and frees the old ones after a grace period. This header is the only place
 * that touches liburcu, because ThreadSanitizer does not see the ordering inside it: it is told
 * here.
 */
#pragma once

#include <urcu/urcu-qsbr.h>

#include "base/compiler.h"

/* First member (or any) of what rcu_free_later() frees. */
struct rcu_free {
	struct rcu_head head;
	void (*free)(struct rcu_free *);
};

/* Reads a published pointer. Worker threads, between rcu_reader_online() and _quiescent(). */
#define rcu_read(pp) __atomic_load_n((pp), __ATOMIC_CONSUME)

/* Publishes a pointer to a finished object. Control thread. Pairs with rcu_read(). */
#define rcu_publish(pp, p) __atomic_store_n((pp), (p), __ATOMIC_RELEASE)

/* A worker thread joins and leaves; it starts online. */
void rcu_reader_register(void);
void rcu_reader_unregister(void);

/* The calling worker holds no pointer that it read before. Cheap: once a turn. */
void rcu_reader_quiescent(void);

/* The calling worker will not read until online again; call before it sleeps. */
void rcu_reader_offline(void);
void rcu_reader_online(void);

/* Calls @fn(@item) after every reader was quiescent, on liburcu's own thread: it frees memory and
 * closes fds, nothing else. Control thread; does not wait.
 */
void rcu_free_later(struct rcu_free *item, void (*fn)(struct rcu_free *));

/* Waits until everything handed to rcu_free_later() was freed. Control thread, at the end of the
 * process and in tests only.
 */
void rcu_drain(void);
