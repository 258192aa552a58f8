// SPDX-License-Identifier: Apache-2.0
/* What stands in the place of a port that is in quarantine (switch/quarantine.h): it does nothing.
 */
#include <errno.h>
#include <stdlib.h>

#include "port/kinds.h"

static int quarantine_create(struct port **out, const char *name, const json_t *options,
			     const struct port_env *env, void *owner, struct error *err)
{
	struct port *port = calloc(1, sizeof(*port));

	if (!port)
		return error_set(err, -ENOMEM, "out of memory");
	port_init(port, &quarantine_port_ops, name, env, owner);
	*out = port;
	return 0;
}

static void quarantine_destroy(struct port *port)
{
	free(port);
}

static int quarantine_set(struct port *port, const json_t *options, const json_t *changes,
			  struct error *err)
{
	return error_set(err, -EPERM,
			 "port \"%s\" is in quarantine, as it made the switch crash: delete it and "
			 "add it to try again",
			 port->name);
}

static void quarantine_quiesced(struct port *port)
{
}

static void quarantine_show(const struct port *port, json_t *out)
{
	json_object_set_new(out, "quarantined", json_true());
}

const struct port_ops quarantine_port_ops = {
	.kind = "quarantined",
	.summary = "a port that made the switch crash",
	.create = quarantine_create,
	.destroy = quarantine_destroy,
	.set = quarantine_set,
	.quiesced = quarantine_quiesced,
	.show = quarantine_show,
};
