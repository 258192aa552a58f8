/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of the daemon, over its control socket. */
#pragma once

#include "base/error.h"
#include "cli/cli.h"

/* A file that goes with a call. */
#define NO_FILE (-1)

/* Calls @method with @params (takes the reference; NULL: none) and the file @fd or NO_FILE (stays
 * the caller's). *@result is a new reference; @result may be NULL. STATUS_OK, or a status and a
 * text. Waits at most 30 seconds.
 */
enum status client_try(const struct cli *cli, const char *method, json_t *params, int fd,
		       json_t **result, struct error *err);

/* The same without a file, and the text is printed. */
enum status client_call(const struct cli *cli, const char *method, json_t *params, json_t **result);
