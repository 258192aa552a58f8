/* SPDX-License-Identifier: Apache-2.0 */
/* One end of the socket between keeper and switch. Never blocks, except for keeper_link_wait()
 * and keeper_link_flush(). One thread.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>

#include "base/error.h"
#include "keeper/proto.h"

struct keeper_link;

/* From the loop, never from inside a function of the link; the link must not be destroyed. */
struct keeper_link_ops {
	/* A packet; its fds are the owner's. */
	void (*packet)(void *owner, struct keeper_packet *p);
	/* What waited has been sent. */
	void (*writable)(void *owner);
	/* The other side is gone, or sent nonsense; nothing comes or goes any more. */
	void (*closed)(void *owner, const char *why);
	/* Something is sent. From inside keeper_link_send(). NULL: nobody wants to know. */
	void (*sends)(void *owner);
};

/* Takes over @fd. NULL when memory is short, and then @fd is closed, too. */
struct keeper_link *keeper_link_create(int fd, struct event_base *base,
				       const struct keeper_link_ops *ops, void *owner);

/* Its socket, -1 when it is closed, for a process that goes on with it when nothing waits. */
int keeper_link_fd(const struct keeper_link *link);

/* Lets somebody else be called. */
void keeper_link_set_owner(struct keeper_link *link, void *owner);

/* Closes. NULL is fine. */
void keeper_link_destroy(struct keeper_link *link);

/* Sends @p; its fds stay the caller's and may be closed at once. What the socket does not take now
 * waits in memory. Nothing is sent on a closed link. */
void keeper_link_send(struct keeper_link *link, const struct keeper_packet *p);

/* Waits up to @ms until the socket has taken all that was sent: then the other process gets it,
 * even if this one dies. Returns 0, also on a closed link, or -ETIMEDOUT. */
int keeper_link_flush(struct keeper_link *link, int ms);

/* Hands out, from inside this call, all that has come so far, up to the end if the other side has
 * ended. */
void keeper_link_drain(struct keeper_link *link);

/* Whether something waits: who can wait, too, should, until writable(). */
bool keeper_link_full(const struct keeper_link *link);

/* Waits up to @ms for a packet of @kind and @device (0: any); others are kept for the loop. Returns
 * 0 and the packet, -ETIMEDOUT or -ECONNRESET and a text. */
int keeper_link_wait(struct keeper_link *link, uint32_t kind, uint32_t device, int ms,
		     struct keeper_packet *p, struct error *err);

/* Fills in a packet without payload. */
void keeper_packet_init(struct keeper_packet *p, enum keeper_kind kind, uint32_t device,
			uint32_t connection);

/* Closes the fds that a packet still holds. */
void keeper_packet_close_fds(struct keeper_packet *p);
