// SPDX-License-Identifier: Apache-2.0
/* Ports' counters, from process to process. */
#include <errno.h>
#include <stdio.h>

#include "switch/port_state.h"

#define STATE_VERSION 2u /* of struct view_port_state */

/* Another version counts other things. */
static uint32_t layout_of(unsigned n_workers)
{
	return STATE_VERSION << 24 | (uint32_t)DROP_N_REASONS << 8 | n_workers;
}

static void key_of(const char *name, char key[KEEP_KEY_MAX])
{
	snprintf(key, KEEP_KEY_MAX, "port/%s", name);
}

/* False: there are none that fit. */
static bool inherit(struct port_state *s, struct keep *keep, const char *key, unsigned n_workers,
		    const struct gone *gone)
{
	size_t len = 0;
	struct view_port_state *old = keep_old_memory(keep, key, &len);

	if (!old || len != s->len || old->layout != layout_of(n_workers)) {
		keep_unmap(old, len);
		return false;
	}
	gone_settle(gone, old, n_workers);
	/* what was in the inboxes of that process */
	for (unsigned w = 0; w < n_workers; w++)
		port_lose_held(&old->counters[w]);
	s->state = old;
	s->id = old->id;
	return true;
}

int port_state_open(struct port_state *s, struct keep *keep, const char *name, unsigned n_workers,
		    const struct gone *gone)
{
	char key[KEEP_KEY_MAX];

	*s = (struct port_state){
		.len = sizeof(*s->state) + n_workers * sizeof(struct port_counters), .file = -1
	};
	key_of(name, key);
	if (inherit(s, keep, key, n_workers, gone))
		return 0;
	s->state = keep_memory(keep, s->len, &s->file);
	if (!s->state)
		return -ENOMEM;
	shared_store(&s->state->layout, layout_of(n_workers));
	return 0;
}

void port_state_hold(struct port_state *s, struct keep *keep, const char *name, uint32_t id)
{
	char key[KEEP_KEY_MAX];

	shared_store(&s->state->id, id);
	key_of(name, key);
	keep_hold_memory(keep, key, s->file);
	s->file = -1;
}

void port_state_release(struct keep *keep, const char *name)
{
	char key[KEEP_KEY_MAX];

	key_of(name, key);
	keep_release(keep, key);
}

void port_state_close(struct port_state *s)
{
	keep_unmap(s->state, s->len);
	s->state = NULL;
}
