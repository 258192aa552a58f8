/* SPDX-License-Identifier: Apache-2.0 */
/* RCU where nobody reads but the thread that frees: in the place of base/rcu.c, for fuzzers of one
 * thread. What is freed is gone at once, so that its use is found, and after each input nothing is
 * left. Included by one file of a program.
 */
#pragma once

#include "base/rcu.h"

void rcu_reader_register(void)
{
}

void rcu_reader_unregister(void)
{
}

void rcu_reader_quiescent(void)
{
}

void rcu_reader_offline(void)
{
}

void rcu_reader_online(void)
{
}

void rcu_free_later(struct rcu_free *item, void (*fn)(struct rcu_free *))
{
	fn(item);
}

void rcu_drain(void)
{
}
