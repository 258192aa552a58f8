/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration as a file, and as the state of the whole daemon: what switch_config() knows,
 * and the log's levels. Control thread.
 */
#pragma once

#include <jansson.h>

#include "base/error.h"
#include "switch/switch.h"

/* Reads, parses and checks the file @path: *@config is a new reference, in the form of
 * switch/config.h, and could be applied. -errno or -EINVAL and a text that begins with the path.
 */
int config_file_load(const char *path, json_t **config, struct error *err);

/* Opens the file @path, or has it opened. Returns the fd, or -errno and a text. */
int config_file_open(const char *path, struct error *err);

/* Writes @config to @path, or has it written: either wholly, and safe on disk, or not at all. An
 * existing file's mode and owner are kept, a symbolic link is followed; comments are lost. -errno
 * and a text.
 */
int config_file_save(const char *path, const json_t *config, struct error *err);

/* Writes @text in the same way, with this process's rights: 0 or -errno and a text. */
int config_file_write(const char *path, const char *text, struct error *err);

/* What would make the state of this daemon, whose own log level is @level, again; a new reference,
 * NULL when memory is short.
 */
json_t *config_running(const struct swtch *sw, const char *level);

/* Whether @config could be applied: 0, or -EINVAL and a text. Changes nothing. */
int config_running_check(const json_t *config, struct error *err);

/* Loads the file @path, as config_file_load() does, logs a line, and makes the daemon's state what
 * it says, as switch_config_apply() does. Modules that it does not name log at @level, the daemon's
 * own.
 */
int config_file_apply(struct swtch *sw, const char *path, const char *level, struct error *err);
