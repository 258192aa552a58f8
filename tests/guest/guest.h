/* SPDX-License-Identifier: Apache-2.0 */
/* A guest for tests: memory, a vhost-user front-end and a virtio-net driver, put together. Its
 * event loop runs inside guest_wait() and guest_turn(), so that a test reads like a script. One
 * thread a guest; functions report errors, so that threads other than cmocka's can use them.
 */
#pragma once

#include <event2/event.h>

#include "base/error.h"
#include "vhost/frontend.h"
#include "vhost/frontend_state.h"
#include "virtio/netdrv.h"

#define GUEST_FRAME_MAX 1600 /* bytes, of frames that guest_receive() gives */

struct guest_config {
	const char *path; /* of the vhost-user socket */
	bool listen;
	uint64_t features;	    /* wanted; bit 30 is added unless no_protocol */
	uint64_t required;	    /* of them */
	uint64_t protocol_features; /* wanted; 0: all that the front-end can do */
	uint16_t inflight_size;	    /* of frontend_config */
	bool no_protocol;	    /* do without protocol features */
	bool waits;		    /* rings are started by guest_start() */
	uint64_t mem_size;	    /* bytes of each region; 0: 8 MiB */
	unsigned n_regions;	    /* 0: 1; the first two are adjacent, gaps between others */
	struct netdrv_config net;   /* features and n_pairs (0: 1) are filled in */
};

struct guest {
	struct event_base *base;
	struct sharedmem mem;
	struct frontend *frontend;
	struct netdrv *drv; /* NULL before the first connection */
	struct guest_config config;
	bool failed;
	unsigned n_downs; /* connections that ended */
	unsigned n_stopped;
	bool started;
	struct frontend_state *state; /* of the back-end, on its way or saved; NULL: none */
	bool state_over;
	int state_result;
	const uint8_t *saved; /* what guest_save() has got, until the next one */
	size_t n_saved;
	char why[ERROR_TEXT_MAX]; /* the last one ended, or failed */
};

/* Where region @i is for the device. */
uint64_t guest_region_addr(const struct guest_config *config, unsigned i);

/* Begins to connect. @guest must not move until guest_close(). 0, or -errno and a text. */
int guest_open(struct guest *guest, const struct guest_config *config, struct error *err);

/* Ends the connection and frees everything. A zeroed guest is fine. */
void guest_close(struct guest *guest);

/* Runs the loop until the device has taken all rings; of a guest that waits, until it can be
 * started. 0, -ETIMEDOUT after @ms, or -EIO; see why. */
int guest_wait(struct guest *guest, unsigned ms);

/* Starts the rings of a guest that waits, with which guest_wait() came back. 0 or -errno; see why.
 */
int guest_start(struct guest *guest);

/* Lets the device let go of the first queue pair's rings, and waits until it has. 0 or -ETIMEDOUT.
 */
int guest_stop(struct guest *guest, unsigned ms);

/* Begin to save the back-end's state, and to load one into it; rings are stopped. guest_state()
 * waits for the end: 0, -ETIMEDOUT after @ms, or what went wrong; see why. All return 0 or -errno.
 */
int guest_save(struct guest *guest);
int guest_load(struct guest *guest, const uint8_t *bytes, size_t n);
int guest_state(struct guest *guest, unsigned ms);

/* Handles what has happened, without waiting. */
void guest_turn(struct guest *guest);

/* Sends one frame. False when the ring is full. */
bool guest_send(struct guest *guest, const void *frame, uint32_t len);

/* Receives one frame, copies its first GUEST_FRAME_MAX bytes to @frame. Returns its length, 0:
 * none.
 */
uint32_t guest_receive(struct guest *guest, void *frame);

/* Writes an Ethernet header: @to and @from become 02:00:00:00:00:XX (0xff: broadcast), type 0x88b5
 * (for local experiments). Returns 14. */
unsigned guest_ethernet(uint8_t *frame, uint8_t to, uint8_t from);
