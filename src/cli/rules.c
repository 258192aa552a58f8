// SPDX-License-Identifier: Apache-2.0
/* Words, files and times of commands about rules. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/rules.h"

json_t *rules_params(int *argc, char ***argv)
{
	json_t *params = json_object();

	if (!*argc || strcmp((*argv)[0], "bridge"))
		return params;
	if (!add_pair(params, "bridge", *argc > 1 ? (*argv)[1] : NULL)) {
		json_decref(params);
		return NULL;
	}
	*argc -= 2;
	*argv += 2;
	return params;
}

static bool copy(int from, int to)
{
	char buffer[65536];
	ssize_t n;

	while ((n = read(from, buffer, sizeof(buffer))) > 0)
		for (ssize_t done = 0, m; done < n; done += m) {
			m = write(to, buffer + done, (size_t)(n - done));
			if (m <= 0)
				return false;
		}
	return n == 0;
}

int rules_file(const char *path)
{
	int from = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY) : 0;
	int to = from < 0 ? -1 : memfd_create("flows", MFD_CLOEXEC);
	bool good = to >= 0 && copy(from, to);

	if (!good)
		fail(STATUS_REFUSED, "cannot read %s: %s", path, strerror(errno));
	if (!good && to >= 0)
		close(to);
	if (from > 0)
		close(from);
	return good ? to : -1;
}

static char *join(int argc, char **argv)
{
	size_t size = 1;
	char *text, *to;

	for (int i = 0; i < argc; i++)
		size += strlen(argv[i]) + 1;
	text = to = calloc(size, 1);
	if (!text)
		exit(fail(STATUS_REFUSED, "out of memory"));
	for (int i = 0; i < argc; i++)
		to += sprintf(to, "%s%s", i ? " " : "", argv[i]);
	return text;
}

bool rules_add(json_t *params, const char *name, int argc, char **argv)
{
	char *text = join(argc, argv);
	bool good = add_pair(params, name, text);

	free(text);
	return good;
}

enum status rules_change(const struct cli *cli, const char *method, const char *name, int argc,
			 char **argv)
{
	json_t *params = rules_params(&argc, &argv);

	if (!params)
		return STATUS_USAGE;
	if (!rules_add(params, name, argc, argv)) {
		json_decref(params);
		return STATUS_USAGE;
	}
	return client_call(cli, method, params, NULL);
}

enum status rules_list(const struct cli *cli, const char *method, const char *name,
		       const json_t *params, json_t **out)
{
	json_t *all = json_array(), *answer = NULL;
	enum status status;
	bool more;

	do {
		json_t *asked = json_deep_copy(params);
		const json_t *page;

		json_object_set_new(asked, "skip", json_integer((json_int_t)json_array_size(all)));
		status = client_call(cli, method, asked, &answer);
		if (status) {
			json_decref(all);
			return status;
		}
		page = json_object_get(answer, name);
		if (json_array_extend(all, (json_t *)page) != 0) {
			json_decref(answer);
			json_decref(all);
			return fail(STATUS_REFUSED, "vireod is of another version: it told no %s",
				    name);
		}
		more = json_is_true(json_object_get(answer, "more")) && json_array_size(page);
		json_decref(answer);
	} while (more);
	*out = all;
	return STATUS_OK;
}

char *rules_time(const json_t *seconds, char *text, size_t size)
{
	double s = json_number_value(seconds);

	if (!seconds)
		snprintf(text, size, "%s", "");
	else if (s < 60)
		snprintf(text, size, "%.1f s", s);
	else if (s < 3600)
		snprintf(text, size, "%.0f min", s / 60);
	else if (s < 2 * 86400)
		snprintf(text, size, "%.1f h", s / 3600);
	else
		snprintf(text, size, "%.0f d", s / 86400);
	return text;
}
