// SPDX-License-Identifier: Apache-2.0
/* A port that is not there, and the reason. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "port/failed.h"

struct failed_port {
	struct port port;
	char why[ERROR_TEXT_MAX];
};

static struct failed_port *to_failed(const struct port *port)
{
	return container_of((struct port *)port, struct failed_port, port);
}

int failed_port_create(struct port **out, const char *name, const char *why,
		       const struct port_env *env, void *owner)
{
	struct failed_port *fp = calloc(1, sizeof(*fp));

	if (!fp)
		return -ENOMEM;
	port_init(&fp->port, &failed_port_ops, name, env, owner);
	snprintf(fp->why, sizeof(fp->why), "%s", why);
	*out = &fp->port;
	return 0;
}

bool failed_port_explain(struct port *port, const char *why)
{
	struct failed_port *fp = to_failed(port);
	bool differs = strncmp(fp->why, why, sizeof(fp->why) - 1);

	snprintf(fp->why, sizeof(fp->why), "%s", why);
	return differs;
}

static void failed_destroy(struct port *port)
{
	if (port)
		free(to_failed(port));
}

static int failed_set(struct port *port, const json_t *options, const json_t *changes,
		      struct error *err)
{
	return error_set(err, -EPERM,
			 "port \"%s\" is not there (%s): delete it and add it with other options",
			 port->name, to_failed(port)->why);
}

static void failed_quiesced(struct port *port)
{
}

static void failed_show(const struct port *port, json_t *out)
{
	json_object_set_new(out, "failed", json_true());
	json_object_set_new(out, "last_error", json_string(to_failed(port)->why));
}

const struct port_ops failed_port_ops = {
	.kind = "failed",
	.summary = "a port that could not be made again",
	.destroy = failed_destroy,
	.set = failed_set,
	.quiesced = failed_quiesced,
	.show = failed_show,
};
