/* SPDX-License-Identifier: Apache-2.0 */
/* A packet on its way through a worker, and the batch it came in.
 *
 * A packet is a private copy of its first bytes (everything that is parsed or edited) and a list of
 * fragments that point at the rest where the source holds it, usually guest memory that changes
 * under us. Verdicts are reached on the private copy and the private copy is what is sent. A packet
 * is valid until its batch is given back to the queue it came from. Only the worker that took the
 * batch touches it.
 */
#pragma once

#include <linux/virtio_net.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/compiler.h"
#include "packet/ethernet.h"

/* UDP segmentation (virtio 1.3), for kernel headers that do not have it yet. */
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

#define BATCH_MAX 32	 /* packets in a batch */
#define PKT_HEAD_MAX 128 /* bytes of the private copy */
#define PKT_HEADROOM 64	 /* room before them, for tags and tunnel headers */

/* Fragments of a whole batch. One chain may be as long as the largest ring (virtio 1.2, 2.7.5.3.1)
 * and each of its buffers may straddle memory regions.
 */
#define BATCH_FRAGS_MAX (32768 + 1024)

struct pkt {
	uint8_t *head;	     /* first byte of the frame, inside buf */
	uint32_t len;	     /* bytes of the whole frame, head and fragments */
	uint16_t head_len;   /* bytes at head: min(len, PKT_HEAD_MAX) when received */
	uint16_t n_frags;    /* <= 32768 */
	struct iovec *frags; /* in the batch's array; sum of lengths is len - head_len */
	uint16_t ethertype;  /* host order, behind the tag; set by parse */
	uint16_t tci;	     /* of the outermost 802.1Q tag when tagged, else 0 */
	bool tagged;	     /* the frame at head carries an 802.1Q tag */
	uint32_t cut;	     /* bytes that the last fragment had more: see pkt_cut() */
	struct virtio_net_hdr
		offload; /* checksum and segmentation state (virtio 1.2, 5.1.6); 0: plain */
	uint8_t buf[PKT_HEADROOM + PKT_HEAD_MAX] __attribute__((aligned(CACHE_LINE)));
};

/* @n packets and the arena their fragments are in. About 10 KiB and a large array that stays
 * untouched (no memory used) unless a guest makes such chains: allocate with batch_create().
 */
struct batch {
	unsigned n;
	unsigned most;	  /* that a port may put in: BATCH_MAX, or fewer */
	unsigned n_frags; /* used in frags */
	struct pkt pkts[BATCH_MAX];
	struct iovec frags[BATCH_FRAGS_MAX];
};

/* NULL when memory is short. Free with batch_destroy(); NULL is fine. */
struct batch *batch_create(void);
void batch_destroy(struct batch *batch);

/* Empties a batch whose packets nobody uses any more. */
static inline void batch_clear(struct batch *batch)
{
	batch->n = 0;
	batch->n_frags = 0;
}

/* Copies @len <= PKT_HEAD_MAX bytes. Two copies of a fixed size that overlap in the middle cost
 * less than a call of memcpy() with a length that the branch predictor has not seen.
 */
static inline void pkt_copy_head(uint8_t *to, const uint8_t *from, uint32_t len)
{
	if (likely(len >= 32 && len <= PKT_HEAD_MAX / 2)) {
		memcpy(to, from, 32);
		memcpy(to + len - 32, from + len - 32, 32);
	} else if (len == PKT_HEAD_MAX) {
		memcpy(to, from, PKT_HEAD_MAX);
	} else if (len > PKT_HEAD_MAX / 2) {
		memcpy(to, from, PKT_HEAD_MAX / 2);
		memcpy(to + len - PKT_HEAD_MAX / 2, from + len - PKT_HEAD_MAX / 2,
		       PKT_HEAD_MAX / 2);
	} else if (len) {
		memcpy(to, from, len);
	}
}

/* Makes @pkt from a frame in one piece, @len bytes (1..FRAME_LEN_MAX) at @frame; what is behind the
 * private head goes to *@rest. Offload state is cleared.
 */
static inline void pkt_init_single(struct pkt *pkt, struct iovec *rest, const uint8_t *frame,
				   uint32_t len)
{
	uint32_t head_len = min(len, (uint32_t)PKT_HEAD_MAX);

	pkt->head = pkt->buf + PKT_HEADROOM;
	pkt->len = len;
	pkt->head_len = (uint16_t)head_len;
	pkt->cut = 0;
	pkt->offload = (struct virtio_net_hdr){ 0 };
	pkt_copy_head(pkt->head, frame, head_len);
	/* The copy is real: what is checked later cannot be read again from the source. */
	__asm__ volatile("" : : "r"(pkt->head) : "memory");
	rest->iov_base = (uint8_t *)(uintptr_t)frame + head_len;
	rest->iov_len = len - head_len;
	pkt->frags = rest;
	pkt->n_frags = len > head_len;
}

/* Makes @pkt from a frame that lies in @iov (@n fragments, @len bytes in all, at most
 * FRAME_TAGGED_MAX): copies the first PKT_HEAD_MAX bytes and lets frags be the rest of @iov, which
 * is changed in place and must live as long as the packet. Offload state is cleared.
 */
void pkt_init(struct pkt *pkt, struct iovec *iov, unsigned n, uint32_t len);

/* The same for a frame in one piece. @frag is one free element in the batch's arena. */
void pkt_init_linear(struct pkt *pkt, const void *frame, uint32_t len, struct iovec *frag);

/* Makes the frame's outermost 802.1Q tag be @tci, or removes it (@tagged false). Moves only the
 * private copy's addresses; offsets in the offload state are moved along. Does nothing when it is
 * so already.
 */
void pkt_set_tag(struct pkt *pkt, bool tagged, uint16_t tci);

/* Makes room for @len bytes in front of byte @at of the frame, or takes @len bytes out that start
 * there: all of it within the private copy, in which there must be room. What is in the new bytes
 * is left open; offsets in the offload state, which must lie behind @at, are moved along.
 */
void pkt_insert(struct pkt *pkt, uint32_t at, uint32_t len);
void pkt_remove(struct pkt *pkt, uint32_t at, uint32_t len);

/* Cuts the frame to its first @len <= pkt->len bytes. The fragment in which that is gets shorter,
 * in place; pkt->cut says by how much. The offload state is the caller's to mind. */
void pkt_cut(struct pkt *pkt, uint32_t len);

/* Takes the cut back: the first @n_frags fragments, the last of them cut by @cut. Both were those
 * of this packet before it was cut, if not for the first time. Does not know pkt->len. */
void pkt_uncut(struct pkt *pkt, uint16_t n_frags, uint32_t cut);

/* Copies the whole frame to @to, which has room for pkt->len bytes. */
static inline void pkt_copy(const struct pkt *pkt, void *to)
{
	uint8_t *at = to;

	if (likely(pkt->head_len <= PKT_HEAD_MAX))
		pkt_copy_head(at, pkt->head, pkt->head_len);
	else
		memcpy(at, pkt->head, pkt->head_len);
	at += pkt->head_len;
	for (unsigned i = 0; i < pkt->n_frags; i++) {
		memcpy(at, pkt->frags[i].iov_base, pkt->frags[i].iov_len);
		at += pkt->frags[i].iov_len;
	}
}
