// SPDX-License-Identifier: Apache-2.0
// The kinds of ports there are. Apart from port.c, so that a program that makes ports of one kind
// need not link all.
#include <string.h>

#include "port/kinds.h"

const struct port_ops *const port_kinds[] = {
	&vhost_user_port_ops, &tap_port_ops, &pcap_port_ops, &patch_port_ops, &dummy_port_ops, NULL,
};

const struct port_ops *port_kind_find(const char *kind)
{
	for (const struct port_ops *const *ops = port_kinds; *ops; ops++) {
		if (!strcmp((*ops)->kind, kind))
			return *ops;
	}
	return NULL;
}
