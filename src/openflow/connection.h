/* SPDX-License-Identifier: Apache-2.0 */
/* One peer at a stream socket: messages come in, whole ones are handled in order, answers go out;
 * or a peer that only listens. Control thread.
 *
 * Nothing that a peer does blocks or grows without bound: after OF_TURN messages, or OF_TURN_NS,
 * others have their turn; while an answer waits (openflow/session.h), or the peer does not read,
 * nothing more is read from it; one that does not say hello, or does not read, is closed. For one
 * that asks again as soon as it is answered the thread does not sleep for OF_PROMPT_NS. One message
 * may still take long, and peers may send many such at once: behind each the thread says that it
 * goes on (keep_busy()).
 */
#pragma once

#include <event2/event.h>

#include "base/keep.h"
#include "openflow/session.h"

#define OF_TURN 64		/* messages of one peer in a turn of the loop */
#define OF_PROMPT_NS 50000	/* within which one who waits for each answer asks again */
#define OF_PROMPT_MIN 16	/* times, before the thread stays awake for it */
#define OF_HELLO_SECONDS 10	/* until a peer must have said hello */
#define OF_STALL_SECONDS 30	/* that a peer may leave unread what was sent */
#define OF_SNOOP_MAX (1u << 20) /* waiting bytes, above which a listener loses messages */

struct of_connection;

/* What connections need; must outlive them. */
struct of_connection_env {
	struct event_base *base;
	/* The peer has gone or was cut off: the owner must destroy the connection. */
	void (*closed)(void *owner, struct of_connection *connection);
	void *owner;
	struct keep *keep; /* is told behind a long turn; or NULL */
};

/* Serves the stream socket @fd, and closes it in the end; not if this fails (-ENOMEM). @bridge
 * NULL: the peer listens to what of_connection_copy() sends, after a hello. */
int of_connection_create(struct of_connection **out, int fd, struct of_bridge *bridge,
			 const struct of_connection_env *env);
/* Closes; what the peer did not take is lost. NULL is fine. */
void of_connection_destroy(struct of_connection *connection);

/* A copy of a message for one that listens; it is lost, and counted, when too much waits. */
void of_connection_copy(struct of_connection *connection, const uint8_t *message, size_t len);
