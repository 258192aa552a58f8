// SPDX-License-Identifier: Apache-2.0
// Packets: the private copy of a frame's first bytes, its fragments, and the 802.1Q tag.
#include <assert.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "packet/pkt.h"

struct batch *batch_create(void)
{
	struct batch *batch = aligned_alloc(CACHE_LINE, sizeof(*batch));

	if (!batch)
		return NULL;
	batch_clear(batch);
	batch->most = BATCH_MAX;
	return batch;
}

void batch_destroy(struct batch *batch)
{
	free(batch);
}

static inline void start(struct pkt *pkt, uint32_t len)
{
	assert(len <= FRAME_TAGGED_MAX);
	pkt->head = pkt->buf + PKT_HEADROOM;
	pkt->len = len;
	pkt->head_len = (uint16_t)min(len, (uint32_t)PKT_HEAD_MAX);
	pkt->cut = 0;
	pkt->offload = (struct virtio_net_hdr){ 0 };
}

/* The head comes from more than one fragment. */
static void gather(struct pkt *pkt, struct iovec *iov, unsigned n)
{
	uint32_t copied = 0;

	while (copied < pkt->head_len) {
		uint32_t part;

		assert(n);
		part = (uint32_t)min(iov->iov_len, (size_t)(pkt->head_len - copied));
		pkt_copy_head(pkt->head + copied, iov->iov_base, part);
		copied += part;
		iov->iov_base = (uint8_t *)iov->iov_base + part;
		iov->iov_len -= part;
		if (iov->iov_len)
			break;
		iov++;
		n--;
	}
	pkt->frags = iov;
	pkt->n_frags = (uint16_t)n;
}

void pkt_init(struct pkt *pkt, struct iovec *iov, unsigned n, uint32_t len)
{
	uint32_t head_len;

	start(pkt, len);
	head_len = pkt->head_len;
	if (unlikely(!n || iov->iov_len < head_len)) {
		gather(pkt, iov, n);
		return;
	}
	pkt_copy_head(pkt->head, iov->iov_base, head_len);
	iov->iov_base = (uint8_t *)iov->iov_base + head_len;
	iov->iov_len -= head_len;
	if (!iov->iov_len) {
		iov++;
		n--;
	}
	pkt->frags = iov;
	pkt->n_frags = (uint16_t)n;
}

void pkt_init_linear(struct pkt *pkt, const void *frame, uint32_t len, struct iovec *frag)
{
	assert(len <= FRAME_TAGGED_MAX);
	pkt_init_single(pkt, frag, frame, len);
}

/* Says to the offload state that all offsets behind the addresses grew by @delta. */
static void shift_offload(struct pkt *pkt, int delta)
{
	if (pkt->offload.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		pkt->offload.csum_start = (uint16_t)(pkt->offload.csum_start + delta);
	if (pkt->offload.gso_type != VIRTIO_NET_HDR_GSO_NONE)
		pkt->offload.hdr_len = (uint16_t)(pkt->offload.hdr_len + delta);
}

/* Moves the addresses by @delta bytes (-VLAN_TAG_LEN: makes room; VLAN_TAG_LEN: closes the gap). */
static void move_addresses(struct pkt *pkt, int delta)
{
	uint8_t addresses[2 * ETH_ALEN];

	memcpy(addresses, pkt->head, sizeof(addresses));
	pkt->head += delta;
	memcpy(pkt->head, addresses, sizeof(addresses));
	pkt->head_len = (uint16_t)(pkt->head_len - delta);
	pkt->len = (uint32_t)((int)pkt->len - delta);
	shift_offload(pkt, -delta);
}

void pkt_set_tag(struct pkt *pkt, bool tagged, uint16_t tci)
{
	if (!tagged) {
		if (pkt->tagged)
			move_addresses(pkt, VLAN_TAG_LEN);
		pkt->tagged = false;
		pkt->tci = 0;
		return;
	}
	if (!pkt->tagged) {
		assert(pkt->head >= pkt->buf + VLAN_TAG_LEN);
		move_addresses(pkt, -VLAN_TAG_LEN);
		be16_store(pkt->head + 2 * ETH_ALEN, ETH_P_8021Q);
		pkt->tagged = true;
	}
	be16_store(pkt->head + 2 * ETH_ALEN + 2, tci);
	pkt->tci = tci;
}

void pkt_insert(struct pkt *pkt, uint32_t at, uint32_t len)
{
	assert(pkt->head - pkt->buf >= (int)len && at <= pkt->head_len);
	pkt->head -= len;
	memmove(pkt->head, pkt->head + len, at);
	pkt->head_len = (uint16_t)(pkt->head_len + len);
	pkt->len += len;
	shift_offload(pkt, (int)len);
}

void pkt_remove(struct pkt *pkt, uint32_t at, uint32_t len)
{
	assert(at <= pkt->head_len && len <= pkt->head_len - at);
	memmove(pkt->head + len, pkt->head, at);
	pkt->head += len;
	pkt->head_len = (uint16_t)(pkt->head_len - len);
	pkt->len -= len;
	shift_offload(pkt, -(int)len);
}

void pkt_cut(struct pkt *pkt, uint32_t len)
{
	unsigned i = 0;
	size_t left;

	assert(len <= pkt->len);
	if (len == pkt->len)
		return;
	pkt_uncut(pkt, pkt->n_frags, 0); /* one cut at a time: the last fragment may go */
	pkt->len = len;
	pkt->head_len = (uint16_t)min((uint32_t)pkt->head_len, len);
	for (left = len - pkt->head_len; left; i++) {
		size_t part = min(left, pkt->frags[i].iov_len);

		left -= part;
		pkt->cut = (uint32_t)(pkt->frags[i].iov_len - part);
		pkt->frags[i].iov_len = part;
	}
	pkt->n_frags = (uint16_t)i;
}

void pkt_uncut(struct pkt *pkt, uint16_t n_frags, uint32_t cut)
{
	if (pkt->cut)
		pkt->frags[pkt->n_frags - 1].iov_len += pkt->cut;
	if (cut)
		pkt->frags[n_frags - 1].iov_len -= cut;
	pkt->n_frags = n_frags;
	pkt->cut = cut;
}
