/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of the load generator: UDP over IPv4, or TCP if they are to be segmented on the way, and
 * behind that a stamp that says which frame it is and when it was sent, and bytes that follow from
 * the stamp. Lengths are without the check sequence (FCS). Any thread.
 */
#pragma once

#include <stdbool.h>

#include "packet/ethernet.h"

#define BENCH_UDP_HEADERS 42 /* bytes: Ethernet, IPv4, UDP */
#define BENCH_TCP_HEADERS 66 /* Ethernet, IPv4, TCP with the timestamps that Linux sends */
#define BENCH_HEADERS_MAX 66 /* of both */
#define BENCH_TCP_AT 34	     /* where TCP's begins */
#define BENCH_TCP_TIME_AT 58 /* its time stamp: the frame's number */
#define BENCH_STAMP_LEN 16
#define BENCH_FRAME_MIN 60    /* of UDP: headers and stamp, and of a legal size */
#define BENCH_FRAME_MAX 9014  /* of UDP: Ethernet's header and 9000 bytes */
#define BENCH_LARGE_MAX 65549 /* of TCP: Ethernet's header and the longest IPv4 packet */
#define BENCH_SEGMENT 1448    /* bytes of TCP's payload in a segment */

/* What a frame says of itself. */
struct bench_stamp {
	uint32_t flow;
	uint32_t number;  /* of the frame in its flow */
	uint64_t sent_at; /* by clock_ns() */
};

/* Bytes of all headers. */
static inline uint32_t bench_headers_len(bool tcp)
{
	return tcp ? BENCH_TCP_HEADERS : BENCH_UDP_HEADERS;
}

/* Writes the headers of a frame of @flow that has @len bytes, BENCH_FRAME_MIN to _MAX, with TCP to
 * BENCH_LARGE_MAX. A flow has a source address and a source port of its own. TCP's sequence number
 * is 0, its checksum the pseudo header's. */
void bench_frame_headers(uint8_t *frame, uint32_t len, bool tcp, mac_t from, mac_t to,
			 uint32_t flow);

/* The same, and the whole payload of frame 0. */
void bench_frame_build(uint8_t *frame, uint32_t len, bool tcp, mac_t from, mac_t to, uint32_t flow);

/* Makes a frame that was built into another one of the same flow; with @whole its whole payload
 * follows the stamp, else only the stamp is written. */
void bench_frame_stamp(uint8_t *frame, uint32_t len, bool tcp, const struct bench_stamp *stamp,
		       bool whole);

/* What of a frame is new each time, so that no two are of one flow. */
enum bench_fresh {
	BENCH_FRESH_NONE,
	BENCH_FRESH_FLOWS, /* source address and port */
	BENCH_FRESH_MACS,  /* source MAC address */
};

/* Makes a UDP frame that was built into the frame of flow @number, of which there are some 260
 * million (of MAC addresses: 4000 million). */
void bench_frame_renew(uint8_t *frame, uint32_t len, enum bench_fresh fresh, uint32_t number);

/* The stamp of a frame that is long enough for one, whoever wrote it. */
struct bench_stamp bench_frame_read(const uint8_t *frame, bool tcp);

/* Whether a frame of @len bytes is what bench_frame_build() and bench_frame_stamp() with @whole
 * make of its stamp, byte by byte, apart from the time. @headers: the flow's. */
bool bench_frame_intact(const uint8_t *frame, uint32_t len, bool tcp, const uint8_t *headers);
