// SPDX-License-Identifier: Apache-2.0
// The control socket as a test uses it: a line out, a line in.

#include "guest/control.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define TIMEOUT_SECONDS 30

void control_open(struct control *control, const struct daemon *daemon)
{
	static const struct timeval timeout = { .tv_sec = TIMEOUT_SECONDS };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	control->n_asked = 0;
	control->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_not_equal(control->fd, -1);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/vireod.sock", daemon->dir);
	setsockopt(control->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	assert_int_equal(connect(control->fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
}

void control_close(struct control *control)
{
	close(control->fd);
}

/* Reads up to the end of a line. */
static void read_line(struct control *control)
{
	size_t len = 0;

	do {
		ssize_t n = read(control->fd, control->text + len, sizeof(control->text) - 1 - len);

		if (n <= 0)
			fail_msg("vireod does not answer on its control socket");
		len += (size_t)n;
	} while (control->text[len - 1] != '\n' && len < sizeof(control->text) - 1);
	control->text[len] = '\0';
}

json_t *control_ask(struct control *control, const char *method, json_t *params)
{
	json_t *request = json_pack("{s:s, s:i, s:s, s:o*}", "jsonrpc", "2.0", "id",
				    (int)++control->n_asked, "method", method, "params", params);
	char *text = json_dumps(request, JSON_COMPACT);
	json_t *answer, *result;

	assert_non_null(text);
	assert_int_equal(dprintf(control->fd, "%s\n", text), strlen(text) + 1);
	free(text);
	json_decref(request);
	read_line(control);
	answer = json_loads(control->text, 0, NULL);
	result = json_incref(json_object_get(answer, "result"));
	json_decref(answer);
	if (result == NULL)
		fail_msg("%s: %s", method, control->text);
	return result;
}

json_t *control_port(struct control *control, const char *name)
{
	json_t *all = control_ask(control, "port.show", json_pack("{s:s}", "name", name));
	json_t *port = json_incref(json_array_get(all, 0));

	json_decref(all);
	assert_non_null(port);
	return port;
}
