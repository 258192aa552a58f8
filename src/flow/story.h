/* SPDX-License-Identifier: Apache-2.0 */
/* The way of a packet through the pipeline, told to someone who has not written the rules: "vireo
 * trace". Control thread.
 */
#pragma once

#include <jansson.h>

#include "flow/translate.h"

struct story;

/* Of a packet with @key. NULL when memory is short. */
struct story *story_create(const struct flow_key *key);
void story_destroy(struct story *story);
/* What of the bridge a story tells beside its rules. Each may be NULL. */
struct story_bridge {
	void *arg;
	/* The name of a port; NULL: there is no port of this number. Lives as long as the story. */
	const char *(*port)(void *arg, uint32_t number);
	/* Writes where NORMAL would send a packet with these headers now, in words. */
	void (*normal)(void *arg, const struct flow_key *key, char *text, size_t size);
};

/* Before anything is told. What is not known is left out. */
void story_set_bridge(struct story *story, const struct story_bridge *bridge);
/* For translate(): what to listen with. Lives as long as the story. */
const struct translate_story *story_hooks(const struct story *story);

/* What translate() was told, and what came of it (as it left it in @draft and @limit). Memory of
 * the caller's, to be freed; a new reference. NULL when memory is short. */
char *story_text(const struct story *story, const struct plan_draft *draft,
		 const struct translate_limit *limit);
json_t *story_json(const struct story *story, const struct plan_draft *draft,
		   const struct translate_limit *limit);
