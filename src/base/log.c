// SPDX-License-Identifier: Apache-2.0
/* Log lines: one write(2) each, so that lines of several threads do not mix. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/option.h"

#define LINE_MAX_LEN 1024
#define MODULES_MAX 128 /* that "did you mean" looks at */

static const char *const level_names[] = {
	[LOG_ERROR] = "error",
	[LOG_WARNING] = "warning",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};
/* syslog(3) priorities, as journald reads them in "<N>" */
static const char level_priority[] = {
	[LOG_ERROR] = '3', [LOG_WARNING] = '4', [LOG_INFO] = '6', [LOG_DEBUG] = '7'
};

static struct log_module *modules;
static bool to_journal;

void log_register(struct log_module *module)
{
	module->next = modules;
	modules = module;
}

const struct log_module *log_modules(void)
{
	return modules;
}

const char *log_level_name(enum log_level level)
{
	return level_names[level];
}

void log_init(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	to_journal = stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
		     fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

static int write_prefix(char *line, size_t size, const struct log_module *module,
			enum log_level level)
{
	struct timespec ts;
	struct tm tm;

	if (to_journal)
		return snprintf(line, size, "<%c>%s: ", level_priority[level], module->name);
	clock_gettime(CLOCK_REALTIME, &ts);
	localtime_r(&ts.tv_sec, &tm);
	return snprintf(line, size, "%02d:%02d:%02d.%03ld %s %s: ", tm.tm_hour, tm.tm_min,
			tm.tm_sec, ts.tv_nsec / 1000000, level_names[level], module->name);
}

/* A peer's text may hold anything; a log line holds printable characters only. */
static void make_printable(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			text[i] = '?';
}

void log_write(const struct log_module *module, enum log_level level, const char *fmt, ...)
{
	char line[LINE_MAX_LEN];
	int saved = errno;
	va_list ap;
	int n, m;

	if (level > __atomic_load_n(&module->level, __ATOMIC_RELAXED))
		return;
	n = write_prefix(line, sizeof(line), module, level);
	va_start(ap, fmt);
	m = vsnprintf(line + n, sizeof(line) - n, fmt, ap);
	va_end(ap);
	m = m < 0 ? 0 : min(m, (int)sizeof(line) - n - 1);
	make_printable(line + n, m);
	line[n + m] = '\n';
	if (write(STDERR_FILENO, line, n + m + 1) < 0) {
		/* nobody reads the log: nothing can be done about it here */
	}
	errno = saved;
}

bool log_limit_pass(struct log_limit *limit, const struct log_module *module)
{
	if (!limit->bucket.per_sec)
		limit->bucket = bucket_make(1, 10);
	if (!bucket_take(&limit->bucket, 1, clock_ns())) {
		limit->n_suppressed++;
		return false;
	}
	if (limit->n_suppressed) {
		log_write(module, LOG_WARNING, "%u more lines like the next one were left out",
			  limit->n_suppressed);
		limit->n_suppressed = 0;
	}
	return true;
}

/* The level that @word means, or ARRAY_SIZE(level_names). */
static size_t find_level(const char *word)
{
	size_t l = 0;

	while (l < ARRAY_SIZE(level_names) && strcmp(word, level_names[l]))
		l++;
	return l;
}

int log_check_level(const char *name, const char *level, struct error *err)
{
	const char *names[MODULES_MAX], *near;
	size_t n = 0;

	if (find_level(level) == ARRAY_SIZE(level_names))
		return error_set(err, -EINVAL,
				 "\"%s\" is no log level: use error, warning, info or debug",
				 level);
	if (!strcmp(name, "all"))
		return 0;
	for (const struct log_module *m = modules; m; m = m->next) {
		if (!strcmp(name, m->name))
			return 0;
		if (n < MODULES_MAX)
			names[n++] = m->name;
	}
	near = nearest_word(name, names, n);
	if (near)
		return error_set(err, -EINVAL, "no module \"%s\": did you mean \"%s\"?", name,
				 near);
	return error_set(err, -EINVAL, "no module \"%s\" (\"vireo log show\" lists them)", name);
}

int log_set_level(const char *name, const char *level, struct error *err)
{
	int ret = log_check_level(name, level, err);

	if (ret)
		return ret;
	for (struct log_module *m = modules; m; m = m->next)
		if (!strcmp(name, "all") || !strcmp(name, m->name))
			__atomic_store_n(&m->level, (enum log_level)find_level(level),
					 __ATOMIC_RELAXED);
	return 0;
}
