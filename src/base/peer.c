// SPDX-License-Identifier: Apache-2.0
/* Access to the control socket by the credentials that the kernel vouches for. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/ids.h"
#include "base/peer.h"

#define GROUPS_MAX 65536 /* the kernel's NGROUPS_MAX */

int peer_policy_init(struct peer_policy *policy, const char *name, struct error *err)
{
	int64_t group = name ? ids_find_group(name, err) : 0;

	*policy = (struct peer_policy){ .owner = geteuid() };
	if (group < 0)
		return (int)group;
	policy->has_group = name != NULL;
	policy->group = (gid_t)group;
	return 0;
}

static bool in_group(int fd, gid_t primary, gid_t group)
{
	socklen_t size = 0;
	bool found = primary == group;
	gid_t *groups;

	if (found)
		return true;
	/* the first call fails with ERANGE and tells the size */
	if (!getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) || errno != ERANGE ||
	    size > GROUPS_MAX * sizeof(gid_t))
		return false;
	groups = malloc(size);
	if (!groups)
		return false;
	if (!getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size))
		for (size_t i = 0; i < size / sizeof(gid_t) && !found; i++)
			found = groups[i] == group;
	free(groups);
	return found;
}

int peer_check(const struct peer_policy *policy, int fd, struct error *err)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return error_set(err, -EACCES, "the kernel does not say who is calling");
	if (cred.uid == 0 || cred.uid == policy->owner)
		return 0;
	if (!policy->has_group)
		return error_set(err, -EACCES,
				 "user %u may not control vireod: only root and user %u may "
				 "(vireod --group lets a group in)",
				 cred.uid, policy->owner);
	if (in_group(fd, cred.gid, policy->group))
		return 0;
	return error_set(err, -EACCES,
			 "user %u may not control vireod: only root, user %u and members of group "
			 "%u may",
			 cred.uid, policy->owner, policy->group);
}

bool peer_is_root(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 && cred.uid == 0;
}

int peer_pid(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 ? cred.pid : 0;
}
