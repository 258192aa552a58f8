/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of the oracle: made from a flow key, and changed to be those of another one, with code
 * that shares nothing with the switch's. All checksums are right, and stay right.
 */
#pragma once

#include "flow/key.h"

#define FRAME_MAX 512

struct frame {
	uint32_t len;
	uint8_t bytes[FRAME_MAX];
};

/* A frame with @payload bytes behind its headers, of which flow_key_extract() makes @key. @key must
 * be of one of the kinds that rules.c makes: whatever is not in a packet of its kind is 0. */
void frame_build(struct frame *frame, const struct flow_key *key, unsigned payload);
/* Writes the fields of @key to a frame that has the same headers. Checksums are right afterwards if
 * they were before, and wrong by as much as before. */
void frame_patch(struct frame *frame, const struct flow_key *key);
/* Makes room for @n bytes at @at, or takes them out. */
void frame_insert(struct frame *frame, uint32_t at, uint32_t n);
void frame_remove(struct frame *frame, uint32_t at, uint32_t n);
/* Where the network header is: behind the type that follows (at most) two tags. */
uint32_t frame_network(const struct frame *frame);
unsigned frame_n_tags(const struct frame *frame); /* all of them */
uint16_t frame_load16(const struct frame *frame, uint32_t at);
void frame_store16(struct frame *frame, uint32_t at, uint16_t value);
void frame_store32(struct frame *frame, uint32_t at, uint32_t value);
/* Reads the key: the packet's words of it. */
void frame_key(const struct frame *frame, uint32_t in_port, struct flow_key *key);
