/* SPDX-License-Identifier: Apache-2.0 */
/* Ports of kind dummy: a test puts frames in and looks at what the switch sent, as if it were the
 * peer. Both ways are bounded queues without locks: for each queue of the port, one thread may
 * inject and one may look, while workers use the other ends.
 *
 * Options: "queues" 1..DUMMY_QUEUES_MAX (default 1), may be changed while traffic flows: the port
 * then goes through quiesce() and changed(). "keep" (default on): off discards what is sent, and
 * counts it as sent. "offload-csum" and so on, see port/offload.h: what the test takes undone.
 */
#pragma once

#include "port/port.h"

#define DUMMY_QUEUES_MAX 16 /* in each direction */

/* A frame that the switch sent. */
struct dummy_frame {
	struct virtio_net_hdr offload;
	uint32_t len;
	uint8_t bytes[];
};

/* Puts a frame of @len bytes (0..FRAME_LEN_MAX) into receive queue @queue, which may be one that
 * the switch does not use yet or any more. @offload may be NULL. Returns 0, or -ENOBUFS while the
 * queue is full (about 1 MiB).
 */
int dummy_inject(struct port *port, unsigned queue, const void *frame, uint32_t len,
		 const struct virtio_net_hdr *offload);

/* The oldest frame sent to transmit queue @queue, or NULL. Valid until dummy_sent_pop(). */
const struct dummy_frame *dummy_sent_peek(struct port *port, unsigned queue);

/* Removes the frame that dummy_sent_peek() returned. */
void dummy_sent_pop(struct port *port, unsigned queue);

/* Takes the peer away or brings it back. Control thread; calls env->changed(). */
void dummy_set_link(struct port *port, bool link);

/* Calls @fn (NULL: nothing) with the port whenever it has been quiesced, behind env->changed().
 * Control thread.
 */
void dummy_on_quiesced(struct port *port, void (*fn)(struct port *port));
