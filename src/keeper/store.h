/* SPDX-License-Identifier: Apache-2.0 */
/* Open files, each once, under numbers: also those that the service manager holds for us. The
 * keeper's thread.
 *
 * Two file descriptors may be of one open file (a guest's memory comes with many messages), and the
 * manager takes each open file once, so files are compared (kcmp(2)) and references counted. Names
 * for the manager are the numbers, written short: it has to fit all of them into one variable of
 * the environment of the next process, which limits how many there can be (to about 30,000).
 * Numbers are below keeper_limits.files, too.
 */
#pragma once

#include <stdbool.h>

struct keeper_store;

/* NULL when memory is short. */
struct keeper_store *keeper_store_create(void);

/* Closes all. What the manager holds it goes on to hold. NULL is fine. */
void keeper_store_destroy(struct keeper_store *store);

/* One more reference to the open file behind @fd, which stays the caller's. Returns its number,
 * from 1, or 0 when there is no room. */
unsigned keeper_store_add(struct keeper_store *store, int fd);

/* One more reference; false: there is no such file. */
bool keeper_store_refer(struct keeper_store *store, unsigned number);

/* One reference less. Behind the last one the file is closed, and the manager lets go of it. */
void keeper_store_drop(struct keeper_store *store, unsigned number);

/* The file's descriptor, which stays the store's; -1: there is none. */
int keeper_store_fd(const struct keeper_store *store, unsigned number);

/* Takes over @fd, which the manager has held under @name, without a reference. False: that is no
 * name of ours. */
bool keeper_store_adopt(struct keeper_store *store, const char *name, int fd);

/* Takes over @fd under @number, without a reference. Returns 0 or -errno. */
int keeper_store_adopt_number(struct keeper_store *store, unsigned number, int fd);

/* Lets go of all files to which nobody refers; of all files. */
void keeper_store_sweep(struct keeper_store *store);
void keeper_store_clear(struct keeper_store *store);

/* Calls @each for all files, with their numbers. */
void keeper_store_each(const struct keeper_store *store,
		       void (*each)(void *ctx, unsigned number, int fd), void *ctx);
