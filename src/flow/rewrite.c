// SPDX-License-Identifier: Apache-2.0
/* Headers that come and go: tags, labels, the end of a packet; and what is put aside. The fields in
 * them are flow/rewrite_fields.c's.
 */
#include "flow/rewrite.h"
#include <netinet/in.h>

#include "base/bytes.h"
#include "flow/layout.h"
#include "packet/checksum.h"
#include "packet/gso.h"
#include "packet/parse.h"

#define IPV4_FRAGMENT 0x3fff /* "more fragments" and the offset */
#define LENGTH_MAX 1500	     /* of 802.3; what is greater is a type */

static bool has_request(const struct pkt *pkt)
{
	return pkt->offload.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;
}

static void clear_request(struct pkt *pkt)
{
	pkt->offload.flags &= (uint8_t)~VIRTIO_NET_HDR_F_NEEDS_CSUM;
	pkt->offload.csum_start = 0;
	pkt->offload.csum_offset = 0;
}

/* Most are for TCP or UDP over IPv4 without options or tags. Whatever else its header says, the
 * request is for nothing in front of the checksum. */
static inline bool request_is_plain(const struct pkt *pkt)
{
	const struct virtio_net_hdr *o = &pkt->offload;
	const uint8_t *ip = pkt->head + ETH_HLEN;

	return o->csum_start == ETH_HLEN + IPV4_HEADER_MIN && pkt->head_len >= o->csum_start &&
	       be16_load(ip - 2) == ETH_P_IP && (ip[0] & 0xf) == 5 &&
	       !(be16_load(ip + 6) & IPV4_FRAGMENT) &&
	       o->csum_offset == (ip[9] == IPPROTO_TCP	 ? TCP_CSUM_OFFSET
				  : ip[9] == IPPROTO_UDP ? UDP_CSUM_OFFSET
							 : UINT16_MAX);
}

bool rewrite_check_request(struct pkt *pkt)
{
	struct layout l;
	struct gso gso;
	bool large;

	if (likely(request_is_plain(pkt)))
		return true;
	layout_read(&l, pkt);
	large = pkt->offload.gso_type != VIRTIO_NET_HDR_GSO_NONE;
	/* rules may pop labels and look behind them */
	if (l.kind == LAYOUT_MPLS && large)
		return !gso_start(&gso, pkt);
	if (l.kind != LAYOUT_MPLS &&
	    (layout_request_is_own(&l, pkt) || pkt->offload.csum_start >= l.looked))
		return true;
	/* of a large packet, there is no checksum yet */
	if (large || checksum_complete(pkt) < 0)
		return false;
	pkt_parse(pkt); /* the field may have been a tag */
	return true;
}

/* Whether @len bytes more find room at @at. Meets a request that is for something in front of it.
 */
static bool make_room(struct pkt *pkt, uint32_t at, uint32_t len)
{
	/* NORMAL may still put a tag on: pkt_set_tag() */
	if (pkt->head - pkt->buf < (int)len + VLAN_TAG_LEN || pkt->len > FRAME_LEN_MAX - len)
		return false;
	if (has_request(pkt)) {
		if (pkt->offload.csum_start < at && checksum_complete(pkt) < 0)
			return false;
		if (pkt->offload.csum_start > UINT16_MAX - VLAN_TAG_LEN - len)
			return false;
	}
	pkt_insert(pkt, at, len);
	return true;
}

static void take_out(struct pkt *pkt, uint32_t at, uint32_t len)
{
	/* rewrite_check_request() lets no such request in */
	if (has_request(pkt) && pkt->offload.csum_start < at + len && checksum_complete(pkt) < 0)
		clear_request(pkt);
	pkt_remove(pkt, at, len);
}

bool rewrite_push_vlan(struct pkt *pkt, uint16_t tpid, uint16_t tci)
{
	if (!make_room(pkt, 2 * ETH_ALEN, VLAN_TAG_LEN))
		return false;
	be16_store(pkt->head + 2 * ETH_ALEN, tpid);
	be16_store(pkt->head + 2 * ETH_ALEN + 2, tci);
	pkt_parse(pkt);
	return true;
}

void rewrite_pop_vlan(struct pkt *pkt)
{
	if (!ethertype_is_tag(be16_load(pkt->head + 2 * ETH_ALEN)) ||
	    pkt->head_len < ETH_HLEN + VLAN_TAG_LEN)
		return;
	take_out(pkt, 2 * ETH_ALEN, VLAN_TAG_LEN);
	pkt_parse(pkt);
}

/* The frame of 802.3 has grown by @n bytes. */
static void adjust_length(const struct layout *l, struct pkt *pkt, int n)
{
	uint8_t *at = pkt->head + 2 * ETH_ALEN + l->n_tags * VLAN_TAG_LEN;
	int len = be16_load(at) + n;

	/* its type is that of SNAP, not the field itself */
	if (l->network > at + 2 - pkt->head && len >= 0 && len <= LENGTH_MAX)
		be16_store(at, (uint16_t)len);
}

bool rewrite_push_mpls(struct pkt *pkt, uint16_t ethertype, uint32_t lse)
{
	struct layout l;

	layout_read(&l, pkt);
	if (!make_room(pkt, l.network, MPLS_LSE_LEN))
		return false;
	be16_store(pkt->head + l.network - 2, ethertype);
	be32_store(pkt->head + l.network, lse);
	adjust_length(&l, pkt, MPLS_LSE_LEN);
	pkt_parse(pkt);
	return true;
}

void rewrite_pop_mpls(struct pkt *pkt, uint16_t ethertype)
{
	struct layout l;

	layout_read(&l, pkt);
	if (l.kind != LAYOUT_MPLS || !l.n_labels)
		return;
	take_out(pkt, l.network, MPLS_LSE_LEN);
	be16_store(pkt->head + l.network - 2, ethertype);
	adjust_length(&l, pkt, -MPLS_LSE_LEN);
	pkt_parse(pkt);
}

bool rewrite_truncate(struct pkt *pkt, uint32_t len)
{
	uint32_t field = (uint32_t)pkt->offload.csum_start + pkt->offload.csum_offset;

	len = max(len, (uint32_t)ETH_HLEN);
	if (len >= pkt->len)
		return true;
	if (has_request(pkt) && field < len && checksum_complete(pkt) < 0)
		return false;
	pkt->offload = (struct virtio_net_hdr){ 0 };
	pkt_cut(pkt, len);
	pkt_parse(pkt);
	return true;
}

void rewrite_save(const struct pkt *pkt, struct rewrite_saved *to)
{
	to->len = pkt->len;
	to->head_len = pkt->head_len;
	to->n_frags = pkt->n_frags;
	to->cut = pkt->cut;
	to->head = (int16_t)(pkt->head - pkt->buf);
	to->ethertype = pkt->ethertype;
	to->tci = pkt->tci;
	to->tagged = pkt->tagged;
	to->offload = pkt->offload;
	memcpy(to->buf, pkt->head, pkt->head_len);
}

void rewrite_restore(struct pkt *pkt, const struct rewrite_saved *from)
{
	pkt_uncut(pkt, from->n_frags, from->cut);
	pkt->len = from->len;
	pkt->head_len = from->head_len;
	pkt->head = pkt->buf + from->head;
	pkt->ethertype = from->ethertype;
	pkt->tci = from->tci;
	pkt->tagged = from->tagged;
	pkt->offload = from->offload;
	memcpy(pkt->head, from->buf, from->head_len);
}
