/* SPDX-License-Identifier: Apache-2.0 */
/* The running daemon: loop, switch, control socket, signals. Control thread. */
#pragma once

#include "base/error.h"
#include "daemon/options.h"

/* Runs until SIGTERM or SIGINT. Returns 0, or -errno and a text when it could not start. */
int daemon_run(const struct daemon_options *options, struct error *err);
