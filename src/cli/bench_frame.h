/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of the load generator: UDP over IPv4, and behind that a stamp that says which frame it is
 * and when it was sent, and bytes that follow from the stamp. Lengths are without the check
 * sequence (FCS). Any thread.
 */
#pragma once

#include <stdbool.h>

#include "packet/ethernet.h"

#define BENCH_HEADERS_LEN 42 /* Ethernet, IPv4, UDP */
#define BENCH_FRAME_MIN \
	(BENCH_HEADERS_LEN + 16 + 2) /* 60: headers and stamp, and of a legal size */
#define BENCH_FRAME_MAX 9014	     /* Ethernet's header and 9000 bytes */

/* What a frame says of itself. */
struct bench_stamp {
	uint32_t flow;
	uint32_t number;  /* of the frame in its flow */
	uint64_t sent_at; /* by clock_ns() */
};

/* Writes the headers and the whole payload of frame 0 of @flow, @len bytes from BENCH_FRAME_MIN to
 * _MAX. A flow has a source address and a source port of its own. */
void bench_frame_build(uint8_t *frame, uint32_t len, mac_t from, mac_t to, uint32_t flow);

/* Makes a frame that was built into another one of the same flow; with @whole its whole payload
 * follows the stamp, else only the stamp is written. */
void bench_frame_stamp(uint8_t *frame, uint32_t len, const struct bench_stamp *stamp, bool whole);

/* The stamp of a frame of at least BENCH_FRAME_MIN bytes, whoever wrote it. */
struct bench_stamp bench_frame_read(const uint8_t *frame);

/* Whether a frame of @len bytes is what bench_frame_build() and bench_frame_stamp() with @whole
 * make of its stamp, byte by byte, apart from the time. @headers: the flow's BENCH_HEADERS_LEN
 * bytes. */
bool bench_frame_intact(const uint8_t *frame, uint32_t len, const uint8_t *headers);
