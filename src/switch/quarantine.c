// SPDX-License-Identifier: Apache-2.0
/* Who has made the switch crash. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/blame.h"
#include "base/compiler.h"
#include "base/log.h"
#include "base/store.h"
#include "switch/quarantine.h"

#define KEY "quarantine"
#define VERSION 1
#define CRASHES_MAX 3	 /* in a row */
#define PRISONERS_MAX 64 /* more are let go of, oldest first */

LOG_MODULE("switch");

struct quarantine {
	uint32_t version;
	uint32_t in_a_row;	      /* crashes, by @last */
	char crashed[BLAME_NAME_MAX]; /* written by the process that crashes */
	char last[BLAME_NAME_MAX];    /* who was blamed before */
	uint32_t next;		      /* place in names[] for the next prisoner */
	char names[PRISONERS_MAX][BLAME_NAME_MAX];
};

static void lock_up(struct quarantine *q, const char *name)
{
	q->next %= PRISONERS_MAX; /* whatever the process before has left there */
	snprintf(q->names[q->next], BLAME_NAME_MAX, "%s", name);
	q->next = (q->next + 1) % PRISONERS_MAX;
	log_error(
		"port %s is in quarantine: the switch crashed %u times in a row while it worked for "
		"it; delete it and add it to try again",
		name, CRASHES_MAX);
}

/* The process before this one has crashed on somebody's behalf. */
static void judge(struct quarantine *q)
{
	char name[BLAME_NAME_MAX];

	memcpy(name, q->crashed, sizeof(name));
	name[sizeof(name) - 1] = 0;
	memset(q->crashed, 0, sizeof(q->crashed));
	q->in_a_row = strcmp(name, q->last) ? 1 : q->in_a_row + 1;
	memcpy(q->last, name, sizeof(q->last));
	log_warning("the switch crashed while it worked for port %s, %u in a row", name,
		    q->in_a_row);
	if (q->in_a_row < CRASHES_MAX)
		return;
	q->in_a_row = 0;
	lock_up(q, name);
}

struct quarantine *quarantine_open(struct keep *keep)
{
	struct quarantine *old, *q;
	size_t len;
	int file;

	old = keep_old_memory(keep, KEY, &len);
	q = keep_memory(keep, sizeof(*q), &file);
	if (q) {
		q->version = VERSION;
		if (old && len == sizeof(*old) && old->version == VERSION) {
			memcpy(q, old, sizeof(*q));
			if (*q->crashed)
				judge(q);
		}
		keep_hold_memory(keep, KEY, file);
		blame_install(q->crashed);
	}
	keep_unmap(old, len);
	return q;
}

bool quarantine_holds(const struct quarantine *q, const char *name)
{
	for (unsigned i = 0; q && i < PRISONERS_MAX; i++)
		if (!strncmp(q->names[i], name, BLAME_NAME_MAX))
			return *name;
	return false;
}

void quarantine_pardon(struct quarantine *q, const char *name)
{
	for (unsigned i = 0; q && i < PRISONERS_MAX; i++)
		if (!strncmp(q->names[i], name, BLAME_NAME_MAX))
			shared_store(&q->names[i][0], 0); /* that is no name */
}
