/* SPDX-License-Identifier: Apache-2.0 */
/* Large frames as they come in: each in several receive buffers (virtio 1.2, 5.1.6.4.2), or as the
 * segments that a switch has made of it. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cli/bench_frame.h"

/* What arrives on one queue. The caller fills in the first four; zeroed, it is destroyed. */
struct bench_large {
	uint32_t len;	 /* of a frame, without the virtio-net header */
	bool whole;	 /* all of it is wanted; else headers and stamp */
	bool mergeable;	 /* MRG_RXBUF was negotiated */
	bool segments;	 /* come, each in a buffer of its own */
	uint8_t *frame;	 /* bytes wanted of the one that is on its way, or was completed last */
	uint32_t at;	 /* bytes that have come of it */
	unsigned n_left; /* buffers to come */
	bool marked;	 /* as to be segmented, by its virtio-net header */
};

/* Returns 0 or -ENOMEM. */
int bench_large_init(struct bench_large *large);
void bench_large_destroy(struct bench_large *large);

enum bench_piece {
	BENCH_PIECE,	   /* of a frame: more is to come, or its beginning was lost */
	BENCH_PIECE_LAST,  /* the frame is complete */
	BENCH_PIECE_OTHER, /* of what is no large frame of this length, or not marked as one */
};

/* Takes the next buffer that was received, @len bytes with the virtio-net header. */
enum bench_piece bench_large_take(struct bench_large *large, const uint8_t *bytes, uint32_t len);

/* Gives a complete frame, from the flow's headers, the fields that it may come without: TCP's
 * checksum, which is the receiver's to compute (DPDK leaves the length out of the pseudo header's);
 * and what differs in segments. */
void bench_large_mend(struct bench_large *large, const uint8_t *headers);
