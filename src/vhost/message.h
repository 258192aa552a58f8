/* SPDX-License-Identifier: Apache-2.0 */
/* The table of vhost-user messages: what each looks like, when it may come, what it disturbs, who
 * handles it. Control thread.
 */
#pragma once

#include "vhost/channel.h"
#include "vhost/journal.h"
#include "vhost/session.h"

/* When a message may come. */
enum vhost_when {
	VHOST_ALWAYS,	  /* in every state */
	VHOST_EXTENDED,	  /* VHOST_USER_F_PROTOCOL_FEATURES was offered */
	VHOST_OFFERED,	  /* the rule's protocol feature was offered */
	VHOST_NEGOTIATED, /* it was acknowledged */
};

/* Whether the payload starts with a vring index, and how it is stored. */
enum vhost_index {
	VHOST_NO_INDEX,
	VHOST_INDEX_STATE, /* u32: vring state, vring address */
	VHOST_INDEX_FD,	   /* low bits of the u64 of SET_VRING_KICK, _CALL, _ERR */
};

/* Which rings workers must let go of before the message takes effect. */
enum vhost_quiesce {
	VHOST_DISTURBS_NONE,
	VHOST_DISTURBS_VRING, /* the one it names */
	VHOST_DISTURBS_ALL,
};

struct vhost_rule {
	uint32_t request;
	uint16_t size_min, size_max; /* bytes of payload */
	uint8_t fds_min, fds_max;
	enum vhost_when when;
	uint8_t feature; /* protocol feature for @when */
	enum vhost_index index;
	enum vhost_quiesce disturbs;
	bool reply;    /* has an answer of its own */
	bool reply_fd; /* and that has the fds which the handler has put into the message */
	/* Acts on a message that vhost_message_check() found right. Returns 0, or -errno and a
	 * text. With @reply, leaves the answer's payload in the message, and its length in
	 * header.size. Takes an fd by replacing it with -1.
	 */
	int (*handle)(struct vhost_session *session, struct vhost_message *m, struct error *err);
	/* See vhost_message_waits(). NULL: it never does. */
	bool (*waits)(struct vhost_session *session);
	/* True when the message disturbs nothing after all; NULL: it always does. */
	bool (*same)(const struct vhost_session *session, const struct vhost_message *m);
};

/* The rule for a request, or NULL when it is not supported. */
const struct vhost_rule *vhost_message_rule(uint32_t request);

/* Checks a message against its rule: size, fds, state, index. Returns 0, or -EPROTO and a text. */
int vhost_message_check(const struct vhost_session *session, const struct vhost_rule *rule,
			const struct vhost_message *m, struct error *err);

/* Whether the message cannot act yet: session->transferred() tells when. */
bool vhost_message_waits(struct vhost_session *session, const struct vhost_rule *rule);

/* Whether workers must let go of rings first; the message has been checked. */
bool vhost_message_disturbs(const struct vhost_session *session, const struct vhost_rule *rule,
			    const struct vhost_message *m);

/* What of a message that has acted must be kept, so that a new process can be told
 * (vhost/journal.h). Returns the number of edits. With an answer of its own, that is in the
 * message. */
unsigned vhost_message_edits(const struct vhost_session *session, const struct vhost_message *m,
			     struct vhost_edit edits[VHOST_EDITS_MAX]);

/* Lets the message act; it has been checked. Returns 0, or -errno and a text. */
int vhost_message_act(struct vhost_session *session, const struct vhost_rule *rule,
		      struct vhost_message *m, struct error *err);
