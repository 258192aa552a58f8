/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker has in hand, and its outboxes: packets that go out by one port, gathered over a
 * batch and sent together. Shared by the files that forward (forward.c, bridging.c, execute.c).
 * Worker threads; a forwarder belongs to one worker.
 */
#pragma once

#include "base/clock.h"
#include "datapath/inbox.h"
#include "datapath/unsettled.h"
#include "flow/normal.h"
#include "flow/trip.h"

struct execution; /* execute.c */
struct upcalls;

/* What of one port waits in our inbox. Bytes are counted in two spans: all that was put in before
 * the current one began has left the inbox when its position @until has, so the sum is never less
 * than what is there.
 */
struct share {
	uint64_t until;
	uint64_t before, now; /* bytes in the span before, and in this one */
};

/* Packets that go out by one port, in order. */
struct outbox {
	const struct view_port *port;
	unsigned n_waiting; /* packets for this port id in our inbox */
	struct share share;
	unsigned n;
	bool mixed; /* else no packet has, gets or loses a tag, or asks for an offload */
	struct pkt *pkts[BATCH_MAX];
	struct normal_tag tags[BATCH_MAX];
};

struct forwarder {
	unsigned worker;
	struct inboxes *inboxes;
	const struct view *view; /* that decides: the newest when the batch was taken */
	uint64_t now;
	struct trip_cache *trips;
	struct unsettled *unsettled;
	struct execution *execution; /* of pipelines */
	struct upcalls *upcalls;     /* for the control thread */
	/* A packet with this tag enters by a port: what its bridge does with it. */
	void (*enter)(struct forwarder *fw, const struct view_port *in, struct pkt *pkt,
		      struct normal_tag tag, unsigned hops);
	const struct trip_key *key; /* of the frame at hand, and where its trip begins; NULL: */
	struct trip *slot;	    /* it cannot have one */
	uint32_t now_s;		    /* of now, seconds */
	unsigned n_crossings;	    /* of patch ports, by the packet at hand and its copies */
	bool waited;		    /* the packets at hand, in our inbox */
	uint32_t home;		    /* of the queue that they were received from */
	unsigned n_touched;
	uint32_t touched[VIEW_PORTS_MAX];	/* ids of outboxes that hold packets */
	struct outbox outboxes[VIEW_PORTS_MAX]; /* by port id */
	struct batch batch;			/* for what comes out of inboxes */
	struct batch segments;			/* of large packets, while they are sent */
};

/* Those of a port that this worker counts in. */
static inline struct port_counters *counters(const struct forwarder *fw,
					     const struct view_port *port)
{
	return &port->state->counters[fw->worker];
}

/* Whether packets for @out have to wait in our inbox. */
static inline bool must_wait(const struct forwarder *fw, const struct view_port *out)
{
	return out->held || (!fw->waited && fw->outboxes[out->id].n_waiting);
}

/* Notes what waits for @out where it outlives the process, whose inboxes do not. */
void note_held(const struct forwarder *fw, const struct view_port *out);

/* Sends what is in one outbox, or in all. */
void flush_outbox(struct forwarder *fw, struct outbox *box);
void flush_all(struct forwarder *fw);

/* Opens the outbox of @out, if that is to be done. */
static inline struct outbox *open_outbox(struct forwarder *fw, const struct view_port *out)
{
	struct outbox *box = &fw->outboxes[out->id];

	if (!box->port) {
		box->port = out;
		fw->touched[fw->n_touched++] = out->id;
	}
	return box;
}

/* @box has room: see put_in_outbox(), which makes it. */
static inline void put(struct outbox *box, struct pkt *pkt, struct normal_tag tag)
{
	box->pkts[box->n] = pkt;
	box->tags[box->n++] = tag;
}

/* A packet, which may be in other outboxes, too, is to leave by @out with this tag. */
void put_in_outbox(struct forwarder *fw, const struct view_port *out, struct pkt *pkt,
		   struct normal_tag tag);
