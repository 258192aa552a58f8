/* SPDX-License-Identifier: Apache-2.0 */
/* What workers have for the control thread: packets for controllers, rules that packets teach. Each
 * worker has a bounded queue; what finds no room is dropped, with a count at the port that the
 * packet came by. The control thread hands out what is there, some records a turn of its loop.
 */
#pragma once

#include "base/spsc.h"
#include "flow/plan.h"
#include "flow/view.h"

struct watch; /* datapath/watch.h */

enum upcall_kind {
	UPCALL_PACKET, /* to a controller */
	UPCALL_LEARN,  /* a rule is to be made; one UPCALL_AGAIN follows behind the last of a packet
			*/
	UPCALL_AGAIN,  /* a packet waited for rules, and is to be handled again: datapath_again() */
	UPCALL_FIN,    /* a connection ends: its rule is to live no longer than it says */
	UPCALL_WATCHED, /* a packet that somebody watches: datapath/watch.h */
};

/* A record. What it points at lies behind it; rules and their actions live until what is in the
 * queues has been handed out (datapath_settle()). */
struct upcall {
	uint8_t kind, table;
	uint8_t reason;	 /* UPCALL_WATCHED: why it is dropped before it meets rules, DROP_N_REASONS:
			  * it is not */
	uint8_t n_waits; /* UPCALL_AGAIN: how often it has waited, this time included */
	uint16_t controller, max_len, userdata_len;
	uint16_t idle, hard;   /* UPCALL_FIN */
	uint32_t port, serial; /* of the view: where the packet came in; port 0: from nowhere */
	uint32_t in_port;      /* OFPORT */
	uint32_t total_len;    /* of the packet, */
	uint32_t frame_len;    /* and what is here of it */
	uint32_t actions_len;  /* UPCALL_AGAIN of a packet-out */
	unsigned hops, n_crossings;    /* UPCALL_AGAIN: of patch ports */
	struct virtio_net_hdr offload; /* UPCALL_AGAIN */
	uint64_t cookie;
	const void *rules; /* the bridge: see struct view_bridge */
	const struct rule *rule;
	uint64_t map; /* UPCALL_PACKET: see struct plan_controller */
	const uint64_t *words;
	const struct plan_learn *learn; /* UPCALL_LEARN */
	struct watch *watch;		/* UPCALL_WATCHED */
	uint64_t version; /* UPCALL_WATCHED: of the rules, that it has met or older: the same;
			   * UPCALL_AGAIN: of those that it has met */
	const uint8_t *userdata, *actions, *frame;
};

/* One queue of a worker. */
struct upcalls {
	struct spsc queue;
	int fd;	      /* eventfd of the control thread, written when the queue was empty */
	bool pending; /* it has been told, and has not looked yet */
};

/* 0 or -ENOMEM. @fd stays the caller's. */
int upcalls_init(struct upcalls *up, int fd);
void upcalls_destroy(struct upcalls *up);

/* Worker. Puts a record with all that it points at, the frame out of @pkt (NULL: none), into the
 * queue. False when there is no room. */
bool upcalls_put(struct upcalls *up, const struct upcall *u, const struct pkt *pkt);
/* Whether @n records of @len bytes in all, with all they point at, have room. */
bool upcalls_room(struct upcalls *up, size_t len, unsigned n);

/* Control thread: the oldest record, as handed out; NULL: none. Valid until upcalls_release(). */
struct upcall *upcalls_next(struct upcalls *up);
void upcalls_release(struct upcalls *up);
