/* SPDX-License-Identifier: Apache-2.0 */
/* One line that tells a user what was wrong, where, and what would be right. Any thread. */
#pragma once

#include "base/compiler.h"

#define ERROR_TEXT_MAX 256 /* bytes, with the end */

/* Owned by the caller, usually on its stack. */
struct error {
	char text[ERROR_TEXT_MAX];
};

/* Writes the text; @err may be NULL. Returns @code, so that "return error_set(err, -EINVAL, ...)"
 * reports and fails in one statement. Too long a text is cut.
 */
int error_set(struct error *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Puts "prefix: " before the text that @err holds. */
void error_prefix(struct error *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
