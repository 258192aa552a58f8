// SPDX-License-Identifier: Apache-2.0
/* Answers in parts. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limit.h"
#include "base/log.h"
#include "openflow/dump.h"

LOG_MODULE("openflow");
LIMIT(dump_limit, "openflow_dump_objects", OF_DUMP_MAX, "listed for answers to OpenFlow peers");
LIMIT_EACH(users_limit, "openflow_dump_objects_of_users", OF_OF_USERS(OF_DUMP_MAX),
	   "listed for others than root's peers");
LIMIT_EACH(process_limit, "openflow_dump_objects_of_process", OF_OF_PROCESS(OF_DUMP_MAX),
	   "listed for the peers of one process");

static_assert(OF_OF_PROCESS(OF_DUMP_MAX) >= FLOWS_MAX, "a full bridge can be listed");

#define FLAGS_AT (OF_HEADER + 2)

struct of_dump {
	struct of_dump *next_dump; /* of all */
	struct of_later later;
	const struct of_session *s;
	const struct of_dump_ops *ops;
	uint32_t arg;
	bool started;
	size_t n, size, next; /* objects[0..next) are written and let go of */
	size_t most;	      /* what is left of the share, when the list is begun */
	struct limit *share;
	void **objects;
	struct of_reply reply;
};

/* At most one of each session. */
static struct of_dump *dumps;

void of_reply_begin(struct of_reply *reply, struct of_session *s, const struct of_request *request)
{
	struct of_out *out = &reply->out;

	*reply = (struct of_reply){ .s = s };
	of_begin_reply(out, request);
	out_u16(out, request->multipart);
	out_u16(out, 0);
	if (request->version > OF10)
		out_u32(out, 0);
	if (request->vendor) {
		out_u32(out, request->vendor);
		out_u32(out, request->subtype);
		if (request->version == OF10)
			out_u32(out, 0);
	}
	reply->whole = reply->header = out->len;
}

/* Sends the whole entries; the one behind them begins another part. */
static void send_part(struct of_reply *reply)
{
	struct of_out part = { 0 };

	out_bytes(&part, reply->out.bytes, reply->whole);
	out_patch16(&part, FLAGS_AT, OF_REPLY_MORE);
	of_send(reply->s, &part);
	memmove(reply->out.bytes + reply->header, reply->out.bytes + reply->whole,
		reply->out.len - reply->whole);
	reply->out.len -= reply->whole - reply->header;
	reply->whole = reply->header;
}

void of_reply_entry(struct of_reply *reply)
{
	struct of_out *out = &reply->out;

	if (out->failed)
		return;
	if (out->len > OF_LEN_MAX && reply->whole > reply->header)
		send_part(reply);
	if (out->len > OF_LEN_MAX) {
		log_limited(LOG_WARNING, "%s: an answer leaves out what no message has room for",
			    flows_bridge(reply->s->bridge->flows));
		out->len = reply->whole;
	}
	reply->whole = out->len;
}

void of_reply_end(struct of_reply *reply)
{
	of_send(reply->s, &reply->out);
}

void of_reply_cancel(struct of_reply *reply)
{
	out_free(&reply->out);
}

/* The next object has been written, or is not to be. */
static void let_go(struct of_dump *dump)
{
	void *object = dump->objects[dump->next++];

	if (dump->ops->release)
		dump->ops->release(object);
}

static bool go_on(struct of_later *later, struct of_session *s)
{
	struct of_dump *dump = container_of(later, struct of_dump, later);
	uint64_t until = clock_ns() + OF_TURN_NS;

	for (unsigned n = 0; dump->next < dump->n; n++) {
		if (s->transport->waiting(s->transport) > OF_QUEUE_MAX || (n && clock_ns() > until))
			return false;
		dump->ops->write(&dump->reply, dump->objects[dump->next], dump->arg);
		of_reply_entry(&dump->reply);
		let_go(dump); /* it may be gone already: so its memory goes in turns, too */
	}
	of_reply_end(&dump->reply);
	return true;
}

/* What those before it leave @dump: no other list grows while it does. */
static void find_share(struct of_dump *dump)
{
	size_t of_process = 0, of_users = 0, users_room;

	for (const struct of_dump *other = dumps; other; other = other->next_dump) {
		of_process += other->s->pid == dump->s->pid ? other->n : 0;
		of_users += other->s->root ? 0 : other->n;
	}
	dump->most = OF_OF_PROCESS(OF_DUMP_MAX) - of_process;
	dump->share = &process_limit;
	users_room = OF_OF_USERS(OF_DUMP_MAX) - of_users;
	if (!dump->s->root && users_room < dump->most) {
		dump->most = users_room;
		dump->share = &users_limit;
	}
}

static void free_later(struct of_later *later)
{
	of_dump_free(container_of(later, struct of_dump, later));
}

struct of_dump *of_dump_create(const struct of_session *s, const struct of_dump_ops *ops,
			       uint32_t arg)
{
	struct of_dump *dump = calloc(1, sizeof(*dump));

	if (!dump)
		return NULL;
	dump->later = (struct of_later){ go_on, free_later };
	dump->s = s;
	dump->ops = ops;
	dump->arg = arg;
	find_share(dump);
	dump->next_dump = dumps;
	dumps = dump;
	return dump;
}

bool of_dump_add(struct of_dump *dump, void *object)
{
	if (dump->n == dump->most) {
		limit_refuse(dump->share);
		return false;
	}
	if (dump->n == dump->size) {
		size_t size = dump->size ? dump->size * 2 : 64;
		void **objects = reallocarray(dump->objects, size, sizeof(*objects));

		if (!objects)
			return false;
		dump->objects = objects;
		dump->size = size;
	}
	if (!limit_take(&dump_limit, 1))
		return false;
	dump->objects[dump->n++] = object;
	return true;
}

void of_dump_free(struct of_dump *dump)
{
	struct of_dump **at;

	if (!dump)
		return;
	for (at = &dumps; *at != dump; at = &(*at)->next_dump)
		;
	*at = dump->next_dump;
	while (dump->next < dump->n)
		let_go(dump);
	limit_give(&dump_limit, dump->n); /* not before: so long there is the list */
	if (dump->started)
		of_reply_cancel(&dump->reply);
	free(dump->objects);
	free(dump);
}

void of_dump_start(struct of_dump *dump, struct of_session *s, const struct of_request *request)
{
	of_reply_begin(&dump->reply, s, request);
	dump->started = true;
	of_session_answer_later(s, &dump->later);
}
