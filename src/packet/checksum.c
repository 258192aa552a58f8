// SPDX-License-Identifier: Apache-2.0
// The internet checksum, and the request to complete one.
#include <assert.h>
#include <errno.h>

#include "packet/checksum.h"

uint64_t checksum_add(uint64_t sum, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	uint32_t word;

	/* four bytes at a time into 64 bits: no carries to look after, and compilers make vectors
	 * of it */
	for (; len >= sizeof(word); len -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		sum += word;
	}
	word = 0;
	if (len) {
		memcpy(&word, p, len);
		sum += word;
	}
	return sum;
}

uint16_t checksum_fold(uint64_t sum)
{
	sum = (sum >> 32) + (uint32_t)sum;
	sum = (sum >> 32) + (uint32_t)sum;
	sum = (sum >> 16) + (uint16_t)sum;
	sum = (sum >> 16) + (uint16_t)sum;
	return (uint16_t)((sum >> 16) + sum);
}

/* Adds a piece that starts at an odd offset (RFC 1071 2.B: swap its bytes) or an even one, and says
 * where the next one starts. */
static uint64_t add_piece(uint64_t sum, const void *bytes, size_t len, bool *odd)
{
	uint16_t piece = checksum_fold(checksum_add(0, bytes, len));

	if (*odd)
		piece = __builtin_bswap16(piece);
	*odd ^= len & 1;
	return sum + piece;
}

uint64_t checksum_pkt(const struct pkt *pkt, uint32_t from)
{
	uint64_t sum = 0;
	bool odd = false;

	if (from < pkt->head_len)
		sum = add_piece(sum, pkt->head + from, pkt->head_len - from, &odd);
	from -= min(from, (uint32_t)pkt->head_len);
	for (unsigned i = 0; i < pkt->n_frags; i++) {
		const struct iovec *frag = &pkt->frags[i];
		size_t skip = min((size_t)from, frag->iov_len);

		sum = add_piece(sum, (uint8_t *)frag->iov_base + skip, frag->iov_len - skip, &odd);
		from -= (uint32_t)skip;
	}
	return sum;
}

/* What the request asks for. */
static uint16_t result(const struct pkt *pkt)
{
	const struct virtio_net_hdr *offload = &pkt->offload;
	uint16_t checksum = (uint16_t)~checksum_fold(checksum_pkt(pkt, offload->csum_start));

	return !checksum && offload->csum_offset == UDP_CSUM_OFFSET ? 0xffff : checksum;
}

static void clear_request(struct pkt *pkt)
{
	pkt->offload.flags &= (uint8_t)~VIRTIO_NET_HDR_F_NEEDS_CSUM;
	pkt->offload.csum_start = 0;
	pkt->offload.csum_offset = 0;
}

int checksum_complete(struct pkt *pkt)
{
	uint32_t field = (uint32_t)pkt->offload.csum_start + pkt->offload.csum_offset;
	uint16_t checksum;

	if (field + sizeof(checksum) > pkt->head_len)
		return -EINVAL;
	checksum = result(pkt);
	memcpy(pkt->head + field, &checksum, sizeof(checksum));
	clear_request(pkt);
	return 0;
}

/* Appends to @copy what @pkt's fragments have of the frame's bytes @from..@to - 1. */
static void append(struct pkt *copy, const struct pkt *pkt, uint32_t from, uint32_t to)
{
	uint32_t at = pkt->head_len;

	for (unsigned i = 0; i < pkt->n_frags; i++) {
		uint32_t end = at + (uint32_t)pkt->frags[i].iov_len;
		uint32_t first = max(at, from), last = min(end, to);

		if (first < last)
			copy->frags[copy->n_frags++] =
				(struct iovec){ (uint8_t *)pkt->frags[i].iov_base + (first - at),
						last - first };
		at = end;
	}
}

int checksum_complete_copy(const struct pkt *pkt, struct batch *out)
{
	uint32_t field = (uint32_t)pkt->offload.csum_start + pkt->offload.csum_offset;
	uint16_t checksum;
	struct pkt *copy;

	/* one fragment may become two, and one is new */
	if (pkt->n_frags + 2u > BATCH_FRAGS_MAX - out->n_frags)
		return -ENOBUFS;
	checksum = result(pkt);
	copy = &out->pkts[out->n++];
	*copy = *pkt;
	copy->head = copy->buf + (pkt->head - pkt->buf);
	copy->head_len = (uint16_t)min(field, (uint32_t)pkt->head_len);
	copy->frags = &out->frags[out->n_frags];
	copy->n_frags = 0;
	copy->cut = 0;
	append(copy, pkt, pkt->head_len, field);
	/* the headroom is free: the frame goes on behind its head */
	assert(copy->head - copy->buf >= (int)sizeof(checksum));
	memcpy(copy->buf, &checksum, sizeof(checksum));
	copy->frags[copy->n_frags++] = (struct iovec){ copy->buf, sizeof(checksum) };
	append(copy, pkt, field + (uint32_t)sizeof(checksum), pkt->len);
	out->n_frags += copy->n_frags;
	clear_request(copy);
	return 0;
}
