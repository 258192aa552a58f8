/* SPDX-License-Identifier: Apache-2.0 */
/* What the switch process gives up, so that who takes it over from a guest has little.
 *
 * Before there are threads: the view of the file system, of System V IPC and of the host's name,
 * its user, all capabilities, and new privileges by execve(2). Each thread then gives up system
 * calls (base/filter.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/* Whom a process runs as. */
struct sandbox_user {
	uid_t uid;
	gid_t gid;
};

/* User @name, by name or number; NULL: "vireo", or "nobody" where there is no such user. Not for
 * root it is always the one that this process has, and another @name is an error. Returns 0, or
 * -errno and a text. Before sandbox_begin().
 */
int sandbox_find_user(struct sandbox_user *user, const char *name, struct error *err);

/* Becomes @user and gives up the rest. There must be no other thread. What the kernel or a
 * container does not let be given up is logged. Returns 0, or -errno and a text: the process is
 * still as it was, or half-way.
 */
int sandbox_begin(const struct sandbox_user *user, struct error *err);
