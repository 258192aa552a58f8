// SPDX-License-Identifier: Apache-2.0
/* Users and groups, as the system's databases know them. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>

#include "base/broker.h"
#include "base/ids.h"

static int64_t ask(enum broker_request what, const char *name)
{
	struct broker_name args;
	struct broker_call call = { .what = what, .args = &args, .size = sizeof(args) };

	if (broker_text(args.name, sizeof(args.name), name, NULL) || broker_ask(&call, NULL))
		return -1;
	return call.value;
}

static int64_t look_up(bool group, const char *name)
{
	const struct passwd *p;
	const struct group *g;

	if (group) {
		g = getgrnam(name);
		return g ? (int64_t)g->gr_gid : -1;
	}
	p = getpwnam(name);
	return p ? (int64_t)p->pw_uid : -1;
}

static int64_t find(bool group, const char *text, struct error *err)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);
	int64_t id = (int64_t)n;

	if (*text < '0' || *text > '9' || *end)
		id = broker_present() ? ask(group ? BROKER_GROUP : BROKER_USER, text)
				      : look_up(group, text);
	if (id >= 0 && id < UINT32_MAX)
		return id;
	return error_set(err, -EINVAL, "there is no %s \"%.64s\"", group ? "group" : "user", text);
}

int64_t ids_find_user(const char *text, struct error *err)
{
	return find(false, text, err);
}

int64_t ids_find_group(const char *text, struct error *err)
{
	return find(true, text, err);
}
