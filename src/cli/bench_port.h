/* SPDX-License-Identifier: Apache-2.0 */
/* A port of the load generator: a vhost-user front-end, rings, and buffers that hold frames from
 * the beginning, so that sending one is adding its buffer to a ring. One thread.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "cli/bench_frame.h"
#include "cli/bench_large.h"
#include "vhost/frontend.h"
#include "virtio/driver.h"
#include "virtio/sharedmem.h"

#define BENCH_BURST 32 /* frames that a ring is given, or gives, at once */
#define BENCH_PORTS_MAX 64
#define BENCH_HEADER_LEN 12 /* of virtio-net, in front of each frame (VERSION_1) */

/* How frames are sent. */
enum bench_kind {
	BENCH_OPEN, /* as many as go, or so many a second */
	BENCH_LOOP, /* one for each that came: so many are always on their way */
	BENCH_PING, /* the same with a single one */
	BENCH_NONE, /* a port of a flood that only receives */
};

/* Large frames: who divides them. */
enum bench_tso {
	BENCH_TSO_OFF,	/* there are none */
	BENCH_TSO_ON,	/* nobody: ports take them as they were sent */
	BENCH_TSO_SEND, /* the back-end: ports only send them, and take segments */
};

/* What a run is to be; passive, checked by who fills it in. */
struct bench_config {
	enum bench_kind kind;
	bool listen; /* be the sockets' server */
	enum bench_tso tso;
	uint32_t frame_len; /* bytes without FCS, BENCH_FRAME_MIN.._MAX; with tso more than a
			     * segment's, to BENCH_LARGE_MAX */
	uint32_t flows;	    /* of each port, at least n_queues */
	uint64_t rate;	    /* frames a second of each port; 0: all that go (BENCH_OPEN) */
	uint32_t n_flood; /* ports, the last ones, that have a configuration of their own: without a
			   * rate, and untouched; they send to each other */
	uint32_t window;  /* frames of each port on their way (BENCH_LOOP, BENCH_PING) */
	uint64_t measure_ns, warmup_ns; /* the latter before the former */
	uint64_t silence_ns; /* at the end, after so much of it, the rest counts as lost */
	enum bench_fresh fresh;
	uint64_t turn_ns; /* of a fresh flood, of each enum bench_turn_kind; 0: no turns */
	bool check;	  /* each frame's bytes, and the order in its flow */
	bool packed, in_order, indirect, mergeable;
	bool huge; /* pages, when the system has some to give */
	uint32_t ring_size;
	uint32_t n_queues; /* pairs */
};

/* A frame to send, virtio-net header included. */
struct bench_buffer {
	struct driver_buffer buffer;
	uint32_t flow;
};

struct bench_queue {
	struct driver_ring rx, tx;
	struct bench_buffer *sends;	/* n_sends */
	struct driver_buffer *receives; /* ring_size */
	struct driver_buffer **ready;	/* those of sends that the device does not have: circular */
	struct bench_large large;	/* with tso: what is on its way in */
	uint32_t n_sends;
	uint32_t ready_mask, first_ready, n_ready;
};

/* Since the load began. */
struct bench_counters {
	uint64_t sent;
	uint64_t refused;   /* not sent in time: the ring was full */
	uint64_t received;  /* frames for this port */
	uint64_t other;	    /* that are not the load's */
	uint64_t corrupted; /* of those received: not what was sent */
	uint64_t reordered; /* of those received: behind a later one of their flow */
};

/* Adds @more to @sum. */
static inline void bench_counters_add(struct bench_counters *sum, const struct bench_counters *more)
{
	sum->sent += more->sent;
	sum->refused += more->refused;
	sum->received += more->received;
	sum->other += more->other;
	sum->corrupted += more->corrupted;
	sum->reordered += more->reordered;
}

/* Owned by the caller; zeroed, it is closed. Must not move while it is open. */
struct bench_port {
	const struct bench_config *config;
	const char *path;
	mac_t mac, peer; /* own address, and where frames go to */
	struct sharedmem mem;
	struct frontend *frontend;
	struct bench_queue *queues; /* config->n_queues; NULL before the first connection */
	struct driver_buffer announcement;
	uint8_t (*headers)[BENCH_HEADERS_MAX]; /* of each flow that is sent from here */
	uint32_t *numbers;		       /* of each flow: next to be sent */
	uint32_t *expected;		       /* of each flow of the sender: next to come */
	bool up;			       /* the back-end has taken all rings */
	bool failed;			       /* for good */
	struct error why;		       /* the last connection ended, or it failed */
	struct bench_counters counters;
	uint64_t credit;  /* frames that may be sent (BENCH_LOOP, BENCH_PING), or that were sent or
			   * given up (BENCH_OPEN with a rate) */
	uint32_t renewed; /* frames that were made new */
	uint32_t turn;	  /* counts: whose queue is first */
};

/* How many of a port's receive buffers a frame may take. */
uint32_t bench_config_buffers(const struct bench_config *config);

/* Begins to connect @port to the socket @path. @config and @path must outlive it. Returns 0, or
 * -errno and a text. When the back-end has taken the rings, up is true; when it never will, or went
 * away after that, failed is, and why says why. */
int bench_port_open(struct bench_port *port, const struct bench_config *config, const char *path,
		    mac_t mac, mac_t peer, struct event_base *base, struct error *err);

/* Ends the connection and frees everything. */
void bench_port_close(struct bench_port *port);

/* Kicks the back-end's rings if it wants that. Each look costs a fence, so this is called once for
 * several bursts: a back-end that polls sees them anyway, one that is about to sleep waits a little
 * longer. Must be called before nothing more is sent for a while. */
void bench_port_kick(struct bench_port *port);

/* Whether the back-end broke the rules on some ring. */
bool bench_port_broken(const struct bench_port *port);
