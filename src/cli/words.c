// SPDX-License-Identifier: Apache-2.0
/* What the words of commands have in common. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

enum status add_pairs(json_t *params, int argc, char **argv)
{
	for (int i = 0; i < argc; i += 2) {
		if (i + 1 == argc)
			return fail(STATUS_USAGE, "\"%s\" needs a value", argv[i]);
		if (json_object_get(params, argv[i]))
			return fail(STATUS_USAGE, "\"%s\" is there twice", argv[i]);
		if (json_object_set_new(params, argv[i], json_string(argv[i + 1])))
			return fail(STATUS_USAGE, "\"%s %s\" is not UTF-8", argv[i], argv[i + 1]);
	}
	return STATUS_OK;
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
