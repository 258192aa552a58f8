// SPDX-License-Identifier: Apache-2.0
// What all kinds of ports share.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "port/port.h"

#define PORT_MTU_DEFAULT 1500
#define NAME_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"

void port_init(struct port *port, const struct port_ops *ops, const char *name,
	       const struct port_env *env, void *owner)
{
	*port = (struct port){
		.ops = ops,
		.env = env,
		.owner = owner,
		.mtu = PORT_MTU_DEFAULT,
		.numa_node = -1,
	};
	snprintf(port->name, sizeof(port->name), "%s", name);
}

int port_name_check(const char *name, struct error *err)
{
	size_t len = strlen(name);

	if (!len)
		return error_set(err, -EINVAL, "the name is empty");
	if (len > PORT_NAME_MAX)
		return error_set(err, -EINVAL, "the name is %zu bytes long, at most %d are allowed",
				 len, PORT_NAME_MAX);
	if (strspn(name, NAME_LETTERS) != len)
		return error_set(err, -EINVAL,
				 "a name may have letters, digits, '.', '-' and '_' only");
	if (*name == '-' || *name == '.')
		return error_set(
			err, -EINVAL,
			"the name \"%s\" starts with '%c': start it with a letter or digit", name,
			*name);
	return 0;
}
