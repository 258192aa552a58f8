// SPDX-License-Identifier: Apache-2.0
/* Who is asked for what this process may not do itself. */
#include <errno.h>
#include <string.h>

#include "base/broker.h"

static struct broker *current;

void broker_set(struct broker *broker)
{
	current = broker;
}

bool broker_present(void)
{
	return current;
}

int broker_ask(struct broker_call *call, struct error *err)
{
	call->n_answer = 0;
	return current->ask(current, call, err);
}

int broker_ask_file(const struct broker_call *call, struct error *err)
{
	struct broker_call own = *call;
	int fd = -1, rc;

	own.answer = &fd;
	own.max = 1;
	rc = broker_ask(&own, err);
	if (!rc && fd < 0)
		rc = error_set(err, -EPROTO, "the keeper has sent no file");
	return rc ? rc : fd;
}

int broker_text(char *to, size_t size, const char *text, struct error *err)
{
	size_t len = strlen(text);

	if (len >= size)
		return error_set(err, -ENAMETOOLONG, "\"%.32s...\" is too long", text);
	memset(to, 0, size);
	memcpy(to, text, len + 1);
	return 0;
}
