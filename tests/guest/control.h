/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to a running vireod over one connection, for tests that ask too often to start vireo for
 * each. Functions fail the running cmocka test when something goes wrong, and belong to its main
 * thread.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "guest/daemon.h"

struct control {
	int fd;
	unsigned n_asked;
	char text[1 << 16]; /* of the last answer */
};

/* Connects to @daemon's control socket. */
void control_open(struct control *control, const struct daemon *daemon);
void control_close(struct control *control);

/* The result of @method with @params, whose reference is taken (NULL: none); a new reference. */
json_t *control_ask(struct control *control, const char *method, json_t *params);

/* What "port.show" says of a port; a new reference. */
json_t *control_port(struct control *control, const char *name);
