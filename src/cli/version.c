// SPDX-License-Identifier: Apache-2.0
/* vireo version */
#include <stdio.h>

#include "cli/client.h"
#include "cli/output.h"

static enum status version(const struct cli *cli, int argc, char **argv)
{
	enum status status = check_words(argc, argv, 0, 0, "version");
	json_t *daemon = NULL;
	struct error err;

	if (status)
		return status;
	status = client_try(cli, "version", NULL, NO_FILE, &daemon, &err);
	if (cli->json) {
		json_t *both = json_pack("{s:s, s:O?}", "vireo", VIREO_VERSION, "vireod", daemon);

		print_json(both);
		json_decref(both);
	} else {
		printf("vireo   %s\n", VIREO_VERSION);
		if (daemon) {
			printf("vireod  %s, process %d\n",
			       json_string_value(json_object_get(daemon, "version")) ?: "?",
			       (int)json_integer_value(json_object_get(daemon, "pid")));
		}
	}
	json_decref(daemon);
	return status ? fail(status, "%s", err.text) : STATUS_OK;
}

static const struct verb verbs[] = {
	{ .name = "version",
	  .args = "",
	  .help = "print the versions of vireo and of the running vireod",
	  .run = version },
	{ .name = NULL },
};

const struct object version_object = { "version", "the versions of vireo and vireod", verbs };
