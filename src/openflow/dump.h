/* SPDX-License-Identifier: Apache-2.0 */
/* Answers in parts (OpenFlow 1.5.1, 7.3.5): entries are written one behind the other, and a part is
 * sent when no more fit. What many entries are made of is listed first, and written as the peer
 * reads. Control thread.
 */
#pragma once

#include "openflow/session.h"

/* An answer that is being written. */
struct of_reply {
	struct of_session *s;
	struct of_out out; /* the part: its header, whole entries, and the one that is written */
	size_t whole;	   /* bytes of it without that one */
	size_t header;	   /* bytes of it, of the header */
};

/* Begins an answer to @request, which is a multipart. */
void of_reply_begin(struct of_reply *reply, struct of_session *s, const struct of_request *request);
/* An entry has been written to reply->out. */
void of_reply_entry(struct of_reply *reply);
/* Sends the last part; with @more, another answer follows that belongs to it. */
void of_reply_end(struct of_reply *reply);
/* Forgets what was begun. */
void of_reply_cancel(struct of_reply *reply);

/* What becomes of objects that are listed. */
struct of_dump_ops {
	/* Writes an entry, or nothing; the dump calls of_reply_entry(). @arg: the dump's number. */
	void (*write)(struct of_reply *reply, const void *object, uint32_t arg);
	void (*release)(void *object); /* NULL: nothing to be done */
};

/* A list that becomes an answer. */
struct of_dump;

/* NULL when memory is short. To be filled, and started or freed, in the same call of the loop. */
struct of_dump *of_dump_create(const struct of_session *s, const struct of_dump_ops *ops,
			       uint32_t arg);
/* Adds an object, which release() is called for when it is written, or never will be. False, and it
 * stays the caller's, when there are too many of all peers, or of those of the same process or of
 * users, or memory is short.
 */
bool of_dump_add(struct of_dump *dump, void *object);
void of_dump_free(struct of_dump *dump);

/* Answers @request by @dump, which is the session's then. */
void of_dump_start(struct of_dump *dump, struct of_session *s, const struct of_request *request);
