/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines to stderr: for people ("12:00:01.123 warning vhost: ..."), or with journald's "<N>"
 * prefix when stderr is the journal. Any thread; never called for each packet. All threads together
 * write 100 lines a second, 1000 at once, besides debug lines; a line tells how many were left out.
 */
#pragma once

#include "base/bucket.h"
#include "base/compiler.h"
#include "base/error.h"

/* From what must be seen to what only a developer wants. */
enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* One for each source file that logs, made by LOG_MODULE. */
struct log_module {
	const char *name;
	enum log_level level; /* what is more detailed than this is not written */
	struct log_module *next;
};

/* Declares this file's module. Files may share a name; log_set_level() then sets them together. */
#define LOG_MODULE(NAME)                                                           \
	static struct log_module log_this = { .name = (NAME), .level = LOG_INFO }; \
	__attribute__((constructor)) static void log_register_this(void)           \
	{                                                                          \
		log_register(&log_this);                                           \
	}                                                                          \
	struct log_module

/* Write a line of this file's module, printf-like. */
#define log_error(...) log_write(&log_this, LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(&log_this, LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_write(&log_this, LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_write(&log_this, LOG_DEBUG, __VA_ARGS__)

/* For what a peer can provoke: at most ten lines at once and one a second from this place; the
 * next line that passes tells how many were left out. One thread a place.
 */
#define log_limited(LEVEL, ...)                                     \
	do {                                                        \
		static struct log_limit limit_here;                 \
		if (log_limit_pass(&limit_here, &log_this))         \
			log_write(&log_this, (LEVEL), __VA_ARGS__); \
	} while (0)

/* What one place has written and left out; zeroed at first. */
struct log_limit {
	struct bucket bucket;
	unsigned n_suppressed;
};

/* Adds a module to the list; called before main() by LOG_MODULE. */
void log_register(struct log_module *module);

/* Writes one line. */
void log_write(const struct log_module *module, enum log_level level, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

/* Whether a limited line may be written now. */
bool log_limit_pass(struct log_limit *limit, const struct log_module *module);

/* Sets the level of the modules called @name, or of all when @name is "all".
 * Returns 0, or -EINVAL and a text for an unknown module or level word.
 */
int log_set_level(const char *name, const char *level, struct error *err);

/* Whether log_set_level() would take these words: 0, or -EINVAL and a text. */
int log_check_level(const char *name, const char *level, struct error *err);

/* "error", "warning", "info" or "debug". */
const char *log_level_name(enum log_level level);

/* The first of all modules, linked by next; files that share a name each appear. */
const struct log_module *log_modules(void);

/* Tells whether stderr goes to journald (JOURNAL_STREAM) and fixes the line format; call once at
 * start. */
void log_init(void);
