// SPDX-License-Identifier: Apache-2.0
/* liburcu's QSBR flavour behind a few functions. */
#include <stdbool.h>

#include "base/rcu.h"

#if THREAD_SANITIZER
#include <sanitizer/tsan_interface.h>
static char grace; /* its address stands for "a grace period has passed" */
#define readers_done() __tsan_release(&grace)
#define grace_passed() __tsan_acquire(&grace)
#else
#define readers_done() ((void)0)
#define grace_passed() ((void)0)
#endif

void rcu_reader_register(void)
{
	urcu_qsbr_register_thread();
}

void rcu_reader_unregister(void)
{
	readers_done();
	urcu_qsbr_unregister_thread();
}

void rcu_reader_quiescent(void)
{
	readers_done();
	urcu_qsbr_quiescent_state();
}

void rcu_reader_offline(void)
{
	readers_done();
	urcu_qsbr_thread_offline();
}

void rcu_reader_online(void)
{
	urcu_qsbr_thread_online();
}

static void free_now(struct rcu_head *head)
{
	struct rcu_free *item = container_of(head, struct rcu_free, head);

	grace_passed();
	item->free(item);
}

void rcu_free_later(struct rcu_free *item, void (*fn)(struct rcu_free *))
{
	item->free = fn;
	readers_done(); /* the caller's own writes to the item come before its end */
	urcu_qsbr_call_rcu(&item->head, free_now);
}

void rcu_drain(void)
{
	urcu_qsbr_barrier();
}
