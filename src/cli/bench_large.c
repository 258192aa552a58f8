// SPDX-License-Identifier: Apache-2.0
/* Large frames as they come in. */
#include "cli/bench_large.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/virtio_net.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/compiler.h"

#define HEADER_LEN sizeof(struct virtio_net_hdr_v1)
#define TIME_LEN 4

static uint32_t wanted(const struct bench_large *large)
{
	return large->whole ? large->len : BENCH_TCP_HEADERS + BENCH_STAMP_LEN;
}

int bench_large_init(struct bench_large *large)
{
	large->frame = calloc(1, wanted(large));
	return large->frame ? 0 : -ENOMEM;
}

void bench_large_destroy(struct bench_large *large)
{
	free(large->frame);
	large->frame = NULL;
}

static void append(struct bench_large *large, const uint8_t *bytes, uint32_t len)
{
	uint32_t most = wanted(large);

	if (large->at < most)
		memcpy(large->frame + large->at, bytes, min(len, most - large->at));
	large->at += len;
}

static enum bench_piece take_merged(struct bench_large *large, const uint8_t *bytes, uint32_t len)
{
	if (!large->n_left) {
		struct virtio_net_hdr_v1 header;

		if (len < HEADER_LEN)
			return BENCH_PIECE_OTHER;
		memcpy(&header, bytes, sizeof(header));
		large->n_left = large->mergeable && header.num_buffers ? header.num_buffers : 1;
		large->at = 0;
		large->marked = header.gso_type == VIRTIO_NET_HDR_GSO_TCPV4 && header.gso_size &&
				header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;
		bytes += HEADER_LEN;
		len -= (uint32_t)HEADER_LEN;
	}
	append(large, bytes, len);
	if (--large->n_left)
		return BENCH_PIECE;
	return large->marked && large->at == large->len ? BENCH_PIECE_LAST : BENCH_PIECE_OTHER;
}

/* Segments of a frame come one after the other, since they are of one flow; those that follow a
 * lost one are of no use. */
static enum bench_piece take_segment(struct bench_large *large, const uint8_t *bytes, uint32_t len)
{
	const uint8_t *frame = bytes + HEADER_LEN;
	uint32_t offset;

	if (len < HEADER_LEN + BENCH_TCP_HEADERS)
		return BENCH_PIECE_OTHER;
	memcpy(&offset, frame + BENCH_TCP_AT + offsetof(struct tcphdr, seq), sizeof(offset));
	offset = ntohl(offset);
	if (!offset) {
		large->at = 0;
		append(large, frame, BENCH_TCP_HEADERS);
	} else if (large->at != BENCH_TCP_HEADERS + offset ||
		   memcmp(large->frame + BENCH_TCP_TIME_AT, frame + BENCH_TCP_TIME_AT, TIME_LEN)) {
		return BENCH_PIECE;
	}
	append(large, frame + BENCH_TCP_HEADERS, len - (uint32_t)HEADER_LEN - BENCH_TCP_HEADERS);
	if (large->at < large->len)
		return BENCH_PIECE;
	return large->at == large->len ? BENCH_PIECE_LAST : BENCH_PIECE_OTHER;
}

enum bench_piece bench_large_take(struct bench_large *large, const uint8_t *bytes, uint32_t len)
{
	return large->segments ? take_segment(large, bytes, len) : take_merged(large, bytes, len);
}

void bench_large_mend(struct bench_large *large, const uint8_t *headers)
{
	static const struct {
		size_t at, len;
	} fields[] = {
		{ BENCH_TCP_AT + offsetof(struct tcphdr, check), sizeof(uint16_t) },
		{ ETH_HLEN + offsetof(struct iphdr, tot_len), sizeof(uint16_t) },
		{ ETH_HLEN + offsetof(struct iphdr, check), sizeof(uint16_t) },
	};

	for (unsigned i = 0; i < (large->segments ? ARRAY_SIZE(fields) : 1); i++)
		memcpy(large->frame + fields[i].at, headers + fields[i].at, fields[i].len);
}
