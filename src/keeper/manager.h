/* SPDX-License-Identifier: Apache-2.0 */
/* The service manager (systemd), if there is one: sd_notify(3), its fd store, its watchdog. The
 * protocol is small, stable and documented, so there is no library for it here. One thread.
 */
#pragma once

#include <stdbool.h>

/* Tells it how the service goes, "READY=1"; does nothing where there is none. */
void manager_notify(const char *state);

/* Lets it hold @fd, which stays the caller's, under @name, until this is taken back, and give it to
 * the next process of the service (FDSTORE=1, FDPOLL=0). What it holds already, under whatever
 * name, it does not take once more. Returns 0, also where there is none, or -errno. */
int manager_store(const char *name, int fd);
void manager_unstore(const char *name);

/* What it has held for us: sd_listen_fds_with_names(3). The fds are the caller's, close-on-exec.
 * @names: free() the array alone. Once. Returns how many. */
unsigned manager_stored(int *first, char ***names);

/* How often it wants to hear manager_notify("WATCHDOG=1"), in milliseconds; 0: never. */
unsigned manager_watchdog_ms(void);

/* Removes what concerns this process from its environment, for a child. */
void manager_hide(void);
