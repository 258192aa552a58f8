// SPDX-License-Identifier: Apache-2.0
/* The files by which OpenFlow peers reach a bridge. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/broker.h"
#include "openflow/sockets.h"

static const char *const suffixes[OF_SOCKETS] = { "mgmt", "snoop" };

static int ask(const char *bridge, bool remove, int fds[OF_SOCKETS], struct error *err)
{
	struct broker_sockets args = { .remove = remove };
	struct broker_call call = { .what = BROKER_SOCKETS,
				    .args = &args,
				    .size = sizeof(args),
				    .answer = fds,
				    .max = remove ? 0 : OF_SOCKETS };
	int r = broker_text(args.bridge, sizeof(args.bridge), bridge, err);

	if (!r)
		r = broker_ask(&call, err);
	if (r || remove || call.n_answer == OF_SOCKETS)
		return r;
	while (call.n_answer)
		close(fds[--call.n_answer]);
	return error_set(err, -EIO, "the keeper did not send the sockets");
}

int of_sockets_open(const char *run_dir, const char *bridge, const struct peer_policy *policy,
		    int fds[OF_SOCKETS], struct error *err)
{
	if (broker_present())
		return ask(bridge, false, fds, err);
	for (unsigned i = 0; i < OF_SOCKETS; i++) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s/%s.%s", run_dir, bridge, suffixes[i]);
		fds[i] = listener_bind(path, policy, err);
		if (fds[i] >= 0)
			continue;
		for (unsigned made = i; made-- > 0;) {
			close(fds[made]);
			snprintf(path, sizeof(path), "%s/%s.%s", run_dir, bridge, suffixes[made]);
			unlink(path);
		}
		return fds[i];
	}
	return 0;
}

void of_sockets_remove(const char *run_dir, const char *bridge)
{
	if (broker_present()) {
		ask(bridge, true, NULL, NULL);
		return;
	}
	for (unsigned i = 0; i < OF_SOCKETS; i++) {
		char path[PATH_MAX];
		struct stat st;

		snprintf(path, sizeof(path), "%s/%s.%s", run_dir, bridge, suffixes[i]);
		if (!lstat(path, &st) && S_ISSOCK(st.st_mode))
			unlink(path);
	}
}
