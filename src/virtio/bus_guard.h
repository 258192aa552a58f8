/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the process alive when a front-end cuts off the file that its guest's memory is in.
 *
 * Theory of operation. An access behind the end of a mapped file raises SIGBUS in the thread that
 * made it, at any place of the code. Mappings of files that others can shorten are registered here.
 * The handler looks the address up, replaces the whole mapping by anonymous memory (zeros; what is
 * written there nobody sees) and marks it hit; the access is repeated and succeeds. Who uses the
 * mapping asks bus_guard_hit() from time to time and gives it up. A SIGBUS anywhere else has the
 * effect it had before. Registering takes a lock, the handler none: entries stay where they are,
 * and the mapping that a thread faults on is one that it holds, so its entry does not change.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct bus_guard;

/* Installs the handler for the process; bus_guard_add() does so the first time. Again after
 * somebody else has set an action for SIGBUS, which is then the one for faults elsewhere. One
 * thread.
 */
void bus_guard_install(void);

/* Registers @len bytes at @start, a mapping of its own. NULL when there are too many (65536). Any
 * thread.
 */
struct bus_guard *bus_guard_add(void *start, size_t len);

/* Forgets it; call before unmapping. NULL is fine. Any thread, none of which uses the mapping. */
void bus_guard_remove(struct bus_guard *guard);

/* Mappings hit and not removed; read it through bus_guard_any_hit(). */
extern unsigned bus_guard_n_hit;

/* Whether any mapping was hit: quick, for each batch. Any thread. */
static inline bool bus_guard_any_hit(void)
{
	return __atomic_load_n(&bus_guard_n_hit, __ATOMIC_RELAXED) != 0;
}

/* Whether this one was: its bytes are not the guest's any more. Any thread that holds it. */
bool bus_guard_hit(const struct bus_guard *guard);
