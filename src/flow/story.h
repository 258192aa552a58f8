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
/* For translate(): what to listen with. Lives as long as the story. */
const struct translate_story *story_hooks(const struct story *story);

/* What translate() was told, and what came of it (as it left it in @draft and @limit). Memory of
 * the caller's, to be freed; a new reference. NULL when memory is short. */
char *story_text(const struct story *story, const struct plan_draft *draft,
		 const struct translate_limit *limit);
json_t *story_json(const struct story *story, const struct plan_draft *draft,
		   const struct translate_limit *limit);
