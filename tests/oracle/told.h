/* SPDX-License-Identifier: Apache-2.0 */
/* Does with a frame what "vireo trace" tells: the oracle reads the steps of a story as its reader
 * would, and knows nothing else. */
#pragma once

#include <jansson.h>

#include "reference.h"

/* Of story_json(). What becomes of @frame: of records, what a story tells. */
void told_carry_out(const json_t *story, const struct frame *frame, struct records *out);

/* In what the story differs from what has happened; NULL: in nothing. */
const char *told_differs(const struct records *told, const struct records *is);
