// SPDX-License-Identifier: Apache-2.0
/* Lists of actions: their memory, and what can be asked of them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "flow/action_private.h"

#define FIRST_SIZE 256

void actions_free(struct action_list *list)
{
	free(list->bytes);
	*list = (struct action_list){ 0 };
}

int actions_copy(struct action_list *to, const struct action_list *from)
{
	*to = (struct action_list){ 0 };
	if (!from->len)
		return 0;
	to->bytes = malloc(from->len);
	if (!to->bytes)
		return -ENOMEM;
	memcpy(to->bytes, from->bytes, from->len);
	to->len = to->size = from->len;
	return 0;
}

/* All of an action that is not set is zero, padding too. */
bool actions_equal(const struct action_list *a, const struct action_list *b)
{
	return a->len == b->len && (!a->len || !memcmp(a->bytes, b->bytes, a->len));
}

/* Room for @len more bytes. */
static bool grow(struct action_list *list, size_t len)
{
	size_t size = list->size ? list->size : FIRST_SIZE;
	uint8_t *bytes;

	if (len > ACTIONS_LEN_MAX - list->len)
		return false;
	while (size < list->len + len)
		size *= 2;
	if (size == list->size)
		return true;
	bytes = realloc(list->bytes, size);
	if (!bytes)
		return false;
	list->bytes = bytes;
	list->size = (uint32_t)size;
	return true;
}

void *actions_append(struct action_list *list, enum action_kind kind, size_t len)
{
	struct action *action;

	if (len > ACTIONS_LEN_MAX)
		return NULL;
	len = ACTION_ROUND(len);
	if (!grow(list, len))
		return NULL;
	action = (void *)(list->bytes + list->len);
	memset(action, 0, len);
	action->kind = (uint16_t)kind;
	action->len = (uint32_t)len;
	list->len += (uint32_t)len;
	return action;
}

uint32_t actions_open(struct action_list *list, enum action_kind kind)
{
	uint32_t at = list->len;

	return actions_append(list, kind, sizeof(struct action_nested)) ? at : ACTIONS_NONE;
}

void actions_close(struct action_list *list, uint32_t at)
{
	struct action *action = (void *)(list->bytes + at);

	action->len = list->len - at;
}

bool action_is_nest(const struct action *action)
{
	return action->kind == ACTION_CLONE || action->kind == ACTION_WRITE_ACTIONS;
}

static bool any(const uint8_t *bytes, size_t len, bool (*fn)(const struct action *, uint32_t),
		uint32_t arg)
{
	ACTIONS_FOR_EACH(a, bytes, len)
	{
		if (fn(a, arg))
			return true;
		if (action_is_nest(a) &&
		    any(((const struct action_nested *)a)->actions, action_nested_len(a), fn, arg))
			return true;
	}
	return false;
}

static bool is_output_to(const struct action *action, uint32_t port)
{
	const void *a = action;

	switch (action->kind) {
	case ACTION_OUTPUT:
		return ((const struct action_output *)a)->port == port;
	case ACTION_ENQUEUE:
		return ((const struct action_queue *)a)->port == port;
	case ACTION_CONTROLLER:
		return port == OFPORT_CONTROLLER;
	default:
		return false;
	}
}

static bool is_group(const struct action *action, uint32_t group)
{
	return action->kind == ACTION_GROUP &&
	       ((const struct action_group *)action)->group == group;
}

bool actions_output_to(const struct action_list *list, uint32_t port)
{
	return any(list->bytes, list->len, is_output_to, port);
}

bool actions_use_group(const struct action_list *list, uint32_t group)
{
	return any(list->bytes, list->len, is_group, group);
}

/* Rank in the order in which all instructions are carried out; plain actions stand first. */
static unsigned rank(const struct action *action)
{
	return action_is_instruction(action->kind) ? action->kind : 0;
}

int action_check_order(const struct action_list *list, struct error *err)
{
	const struct action *last = NULL;

	ACTIONS_FOR_EACH(a, list->bytes, list->len)
	{
		if (last && rank(last) && rank(last) == rank(a))
			return error_set(err, -EINVAL, "there is more than one %s",
					 action_row(a->kind)->name);
		if (last && rank(last) > rank(a))
			return error_set(err, -EINVAL, "%s must stand before %s",
					 action_row(a->kind)->name, action_row(last->kind)->name);
		last = a;
	}
	return 0;
}
