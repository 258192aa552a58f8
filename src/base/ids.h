/* SPDX-License-Identifier: Apache-2.0 */
/* Users and groups. */
#pragma once

#include <stdint.h>

#include "base/error.h"

/* The number of user @text, a name or a number itself; or of a group. Returns 0..UINT32_MAX - 1, or
 * -EINVAL and a text: there is none of that name. Control thread; may read files, and asks the
 * broker where there is one (base/broker.h).
 */
int64_t ids_find_user(const char *text, struct error *err);
int64_t ids_find_group(const char *text, struct error *err);
