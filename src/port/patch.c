// SPDX-License-Identifier: Apache-2.0
// Ports of kind patch: a name of another port, no more.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "port/kinds.h"
#include "port/patch.h"

struct patch {
	struct port port;
	char peer[PORT_NAME_MAX + 1];
};

static json_t *check_peer(const char *text, struct error *err)
{
	return port_name_check(text, err) < 0 ? NULL : json_string(text);
}

static const struct option patch_options[] = {
	{ .name = "peer",
	  .type = OPTION_CUSTOM,
	  .flags = OPTION_REQUIRED,
	  .help = "name of the patch port at the other end",
	  .check = check_peer },
	{ .name = NULL },
};

bool port_is_patch(const struct port *port)
{
	return port->ops == &patch_port_ops;
}

const char *patch_peer_name(const struct port *port)
{
	return container_of(port, struct patch, port)->peer;
}

static int set_peer(struct patch *patch, const char *peer, struct error *err)
{
	if (!strcmp(peer, patch->port.name))
		return error_set(err, -EINVAL,
				 "port %s cannot be its own peer: name a patch port of another "
				 "bridge",
				 peer);
	snprintf(patch->peer, sizeof(patch->peer), "%s", peer);
	return 0;
}

static int patch_create(struct port **out, const char *name, const json_t *options,
			const struct port_env *env, void *owner, struct error *err)
{
	struct patch *patch = calloc(1, sizeof(*patch));
	int r;

	if (!patch)
		return error_set(err, -ENOMEM, "out of memory");
	port_init(&patch->port, &patch_port_ops, name, env, owner);
	r = set_peer(patch, option_string(options, "peer", ""), err);
	if (r < 0) {
		free(patch);
		return r;
	}
	*out = &patch->port;
	return 0;
}

static void patch_destroy(struct port *port)
{
	if (port)
		free(container_of(port, struct patch, port));
}

static int patch_set(struct port *port, const json_t *options, const json_t *changes,
		     struct error *err)
{
	const char *peer = option_string(options, "peer", "");
	int r;

	if (!strcmp(peer, patch_peer_name(port)))
		return 0;
	r = set_peer(container_of(port, struct patch, port), peer, err);
	if (!r)
		port->env->changed(port);
	return r;
}

static void patch_show(const struct port *port, json_t *out)
{
	json_object_set_new(out, "peer", json_string(patch_peer_name(port)));
}

const struct port_ops patch_port_ops = {
	.kind = "patch",
	.summary = "one end of a pair that joins two bridges",
	.options = patch_options,
	.create = patch_create,
	.destroy = patch_destroy,
	.set = patch_set,
	.show = patch_show,
};
