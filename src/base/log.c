// SPDX-License-Identifier: Apache-2.0
/* Log lines: one write(2) each, so that lines of several threads do not mix. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limit.h"
#include "base/log.h"
#include "base/option.h"

#define LINE_MAX_LEN 1024
#define LINES_A_SECOND 100
#define LINES_AT_ONCE 1000
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

/* Of all threads and modules together. What others can provoke is limited where it is written, too
 * (log_limited()), so one of them alone does not get as far as this. */
LIMIT_EACH(line_limit, "log_lines", LINES_A_SECOND, "lines of the log a second; 1000 at once");
static uint64_t line_due;   /* when the next line would conform, clock_ns(); atomic */
static unsigned n_left_out; /* lines in a row; atomic */

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

static void write_line(const struct log_module *module, enum log_level level, const char *text)
{
	char line[LINE_MAX_LEN];
	int n = write_prefix(line, sizeof(line), module, level);
	int m = min((int)strlen(text), (int)sizeof(line) - n - 1);

	memcpy(line + n, text, (size_t)m);
	make_printable(line + n, (size_t)m);
	line[n + m] = '\n';
	if (write(STDERR_FILENO, line, (size_t)n + (size_t)m + 1) < 0) {
		/* nobody reads the log: nothing can be done about it here */
	}
}

/* What was not written since the last line. */
static void tell_left_out(const struct log_module *module)
{
	unsigned n = __atomic_exchange_n(&n_left_out, 0, __ATOMIC_RELAXED);
	char text[64];

	if (!n)
		return;
	snprintf(text, sizeof(text), "%u lines of all modules were left out here", n);
	write_line(module, LOG_WARNING, text);
}

/* Whether a line may be written now (generic cell rate algorithm, since any thread may ask). Who
 * wants debug lines wants all of them. */
static bool line_passes(enum log_level level)
{
	const uint64_t interval = NSEC_PER_SEC / LINES_A_SECOND;
	uint64_t due = __atomic_load_n(&line_due, __ATOMIC_RELAXED), now = clock_ns(), start;

	if (level == LOG_DEBUG)
		return true;
	do {
		start = max(due, now);
		if (start - now > interval * (LINES_AT_ONCE - 1)) {
			__atomic_add_fetch(&n_left_out, 1, __ATOMIC_RELAXED);
			limit_refuse(&line_limit);
			return false;
		}
	} while (!__atomic_compare_exchange_n(&line_due, &due, start + interval, true,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return true;
}

void log_write(const struct log_module *module, enum log_level level, const char *fmt, ...)
{
	char text[LINE_MAX_LEN];
	int saved = errno;
	va_list ap;

	if (level > __atomic_load_n(&module->level, __ATOMIC_RELAXED))
		return;
	if (line_passes(level)) {
		va_start(ap, fmt);
		vsnprintf(text, sizeof(text), fmt, ap);
		va_end(ap);
		tell_left_out(module);
		write_line(module, level, text);
	}
	errno = saved;
}

bool log_limit_pass(struct log_limit *limit, const struct log_module *module)
{
	if (!limit->bucket.per_sec)
		limit->bucket = bucket_make(1, 10);
	if (!bucket_take(&limit->bucket, 1, clock_ns())) {
		limit->n_suppressed++;
		limit_refuse(&line_limit);
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
