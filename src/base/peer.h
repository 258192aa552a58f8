/* SPDX-License-Identifier: Apache-2.0 */
/* Who is at the other end of a unix socket, and may he control the switch? Any thread. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

/* Who may, beside root. */
struct peer_policy {
	uid_t owner; /* who has started the daemon */
	bool has_group;
	gid_t group; /* as a primary or supplementary group of the peer */
};

/* Makes the policy for group @name (a name or a number), or for none when NULL; the owner is this
 * process's user. -EINVAL and a text when there is no such group. May read /etc/group: at start
 * only.
 */
int peer_policy_init(struct peer_policy *policy, const char *name, struct error *err);

/* Whether the peer of the connected socket @fd, as the kernel saw it when it connected, may control
 * the switch: 0, or -EACCES and a text that says who may.
 */
int peer_check(const struct peer_policy *policy, int fd, struct error *err);

/* Whether it is root. */
bool peer_is_root(int fd);

/* The process that connected; 0: not known. */
int peer_pid(int fd);
