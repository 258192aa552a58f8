// SPDX-License-Identifier: Apache-2.0
/* What the words of commands have in common. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/option.h"
#include "cli/cli.h"

enum status fail(enum status status, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("vireo: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return status;
}

enum status check_words(int argc, char **argv, int min, int max, const char *usage)
{
	if (argc < min)
		return fail(STATUS_USAGE, "too few words: vireo %s", usage);
	if (argc > max)
		return fail(STATUS_USAGE, "\"%s\" is one word too many: vireo %s", argv[max],
			    usage);
	return STATUS_OK;
}

bool add_pair(json_t *params, const char *name, const char *value)
{
	if (json_object_get(params, name))
		fail(STATUS_USAGE, "\"%s\" is there twice", name);
	else if (!value)
		fail(STATUS_USAGE, "\"%s\" needs a value", name);
	else if (json_object_set_new(params, name, json_string(value)))
		fail(STATUS_USAGE, "\"%s %s\" is not UTF-8", name, value);
	else
		return true;
	return false;
}

json_t *make_params(const char *first, int argc, char **argv)
{
	json_t *params = json_object();
	size_t n = (size_t)argc, i = 0, used;
	bool good = true;

	if (first)
		good = add_pair(params, first, argv[i++]);
	while (good && i < n) {
		char buffer[OPTION_NAME_MAX];
		const char *name = option_name(argv + i, n - i, buffer, &used);

		i += used;
		good = add_pair(params, name, i < n ? argv[i] : NULL);
		i++;
	}
	if (good)
		return params;
	json_decref(params);
	return NULL;
}

char *absolute_path(const char *path)
{
	char *here, *whole = NULL;

	if (*path == '/' || !*path)
		return strdup(path);
	here = getcwd(NULL, 0);
	if (here && asprintf(&whole, "%s/%s", here, path) < 0)
		whole = NULL;
	free(here);
	return whole;
}
