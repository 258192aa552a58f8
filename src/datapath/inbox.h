/* SPDX-License-Identifier: Apache-2.0 */
/* Inboxes: bounded queues of records, one for each worker, written and read by itself, where
 * packets wait for ports that are held (datapath/forward.h); and behind them one in which the
 * control thread has packets for worker 0.
 */
#pragma once

#include "base/spsc.h"
#include "flow/view.h"
#include "packet/pkt.h"

#define INBOX_SIZE (1u << 20) /* bytes; untouched ones cost nothing */
#define INBOX_RECORD_MIN 64   /* bytes that a record takes there, at least */
/* Of the control thread's inbox: the rest is for others than packets that have taught rules. */
#define INBOX_TAUGHT_MAX (INBOX_SIZE / 2)

enum record_kind {
	RECORD_TRANSMIT,   /* waits for a port */
	RECORD_RECEIVE,	   /* as if the port had received it */
	RECORD_TAUGHT,	   /* the same, by a rule that learn actions have made */
	RECORD_PACKET_OUT, /* on which actions are to be carried out: see datapath_packet_out() */
};

/* A packet in an inbox; actions_len bytes of actions (flow/action.h), then the frame follow. */
struct record {
	uint32_t port, serial; /* port 0: from nowhere, on the bridge whose rules are at @rules */
	uint32_t len;
	uint16_t tci, ethertype;
	bool tagged;
	uint8_t kind;
	uint8_t home;
	uint8_t hops;	      /* of RECORD_TAUGHT: patch ports that it had crossed, */
	uint8_t n_waits;      /* how often it has waited for what it teaches */
	uint16_t n_crossings; /* with its copies */
	struct virtio_net_hdr offload;
	uint32_t actions_len;
	uint32_t in_port; /* OFPORT, of RECORD_PACKET_OUT */
	const void *rules;
	uint64_t version; /* of RECORD_TAUGHT: of the rules that it had met */
} __attribute__((aligned(8)));

struct inboxes {
	unsigned n_workers;
	struct spsc *queues; /* n_workers + 1 */
};

/* Returns 0 or -ENOMEM. */
int inboxes_init(struct inboxes *in, unsigned n_workers);
void inboxes_destroy(struct inboxes *in);

/* What waits at @worker. */
static inline struct spsc *inboxes_of_worker(const struct inboxes *in, unsigned worker)
{
	return &in->queues[worker];
}

/* What the control thread has injected. */
static inline struct spsc *inboxes_of_control(const struct inboxes *in)
{
	return &in->queues[in->n_workers];
}

/* Bytes that wait anywhere, and how many may. Any thread. */
void inboxes_waiting(const struct inboxes *in, uint64_t *now, uint64_t *most);

/* Whether nothing waits anywhere. Any thread; means something while nobody receives. */
bool inboxes_empty(const struct inboxes *in);

/* Lets worker 0 handle a frame as if it had been received on @port. Control thread. 0 or -ENOBUFS.
 */
int inboxes_inject(struct inboxes *in, const struct view_port *port, const void *frame,
		   uint32_t len);

/* Lets worker 0 handle @r->len bytes at @frame, @actions before them, as the record says. Control
 * thread. 0 or -ENOBUFS. */
int inboxes_put(struct inboxes *in, const struct record *r, const void *actions, const void *frame);
