// SPDX-License-Identifier: Apache-2.0
/* What a guest may ask for in the virtio-net header: every field at its bounds, of a packet that is
 * what it claims to be, and of some that are not; with the features, with some of them, without.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <string.h>

#include "base/bytes.h"
#include "hostile/stage.h"
#include "virtio/net_header.h"

#define BIT(n) (1ull << (n))
#define LEN 354u    /* bytes of the frame */
#define HEADERS 54u /* of these: Ethernet, IPv4, TCP */
#define AT 0x20000000u

static const struct features {
	const char *name;
	uint64_t bits;
} feature_sets[] = {
	{ "none", 0 },
	{ "csum", BIT(VIRTIO_NET_F_CSUM) },
	{ "all", BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4) |
			 BIT(VIRTIO_NET_F_HOST_TSO6) | BIT(VIRTIO_NET_F_HOST_ECN) |
			 BIT(VIRTIO_NET_F_HOST_USO) },
};

/* What is asked for usually, and of what each scenario changes one thing. */
enum request { CSUM, TSO, N_REQUESTS };

static const struct virtio_net_hdr requests[N_REQUESTS] = {
	[CSUM] = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 16 },
	[TSO] = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		  .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		  .hdr_len = HEADERS,
		  .gso_size = 100,
		  .csum_start = 34,
		  .csum_offset = 16 },
};

enum field { FLAGS, TYPE, HDR_LEN, SIZE, START, OFFSET, N_FIELDS };

static const struct {
	const char *name;
	uint16_t values[16];
	unsigned n;
} fields[N_FIELDS] = {
	[FLAGS] = { "flags", { 0, 1, 2, 3, 4, 5, 0x80, 0xfe, 0xff }, 9 },
	[TYPE] = { "gso_type", { 0, 1, 2, 3, 4, 5, 6, 7, 0x80, 0x81, 0x83, 0x84, 0x85, 0xff }, 14 },
	[HDR_LEN] = { "hdr_len",
		      { 0, 1, 13, 14, HEADERS - 1, HEADERS, HEADERS + 1, LEN - 1, LEN, LEN + 1,
			0x8000, 0xffff },
		      12 },
	[SIZE] = { "gso_size", { 0, 30, 100, 299, 300, 301, 1460, 0x7fff, 0x8000, 0xffff }, 10 },
	[START] = { "csum_start",
		    { 0, 1, 12, 13, 14, 33, 34, 35, LEN - 18, LEN - 17, LEN - 1, LEN, LEN + 1,
		      0x7fff, 0xfffb, 0xffff },
		    16 },
	[OFFSET] = { "csum_offset",
		     { 0, 1, 6, 15, 16, 17, 94, 95, LEN - 34 - 2, LEN - 34 - 1, LEN - 34, 0x7fff,
		       0x8000, 0xffff },
		     14 },
};

static void change(struct virtio_net_hdr *h, enum field field, uint16_t value)
{
	switch (field) {
	case FLAGS:
		h->flags = (uint8_t)value;
		break;
	case TYPE:
		h->gso_type = (uint8_t)value;
		break;
	case HDR_LEN:
		h->hdr_len = value;
		break;
	case SIZE:
		h->gso_size = value;
		break;
	case START:
		h->csum_start = value;
		break;
	default:
		h->csum_offset = value;
		break;
	}
}

/* Headers that make a packet not the TCP packet that it claims to be: a byte of it, and what that
 * is. */
static const struct lie {
	const char *name;
	unsigned at;
	uint8_t byte;
} lies[] = {
	{ "ethertype", 12, 0x09 },
	{ "version", 14, 0x65 },
	{ "short-ip-header", 14, 0x44 },
	{ "long-ip-header", 14, 0x4f },
	{ "fragment", 20, 0x20 },
	{ "fragment-offset", 21, 1 },
	{ "udp", 23, 17 },
	{ "short-tcp-header", 46, 0x40 },
	{ "syn", 47, 0x12 },
};

/* ---- what must come of it */

enum outcome { PLAIN, CHECKSUM, SEGMENTS, DROP_HEADER, DROP_OFFLOAD };

static bool has(uint64_t features, unsigned bit)
{
	return features >> bit & 1;
}

/* Whether @header_len bytes from csum_start and the field are in the frame, behind its addresses.
 */
static bool inside(const struct virtio_net_hdr *h, uint32_t header_len)
{
	return h->csum_start >= 14 && h->csum_start + header_len <= LEN && h->csum_start < LEN &&
	       (uint32_t)h->csum_start + h->csum_offset + 2 <= LEN;
}

/* 5.1.6.2.2 and 5.1.6.2: what a device that offered @features does with this. */
static enum outcome expect(const struct virtio_net_hdr *h, uint64_t features, bool is_tcp4)
{
	bool ecn = h->gso_type & VIRTIO_NET_HDR_GSO_ECN, right;

	if (!has(features, VIRTIO_NET_F_CSUM))
		return PLAIN;
	if (h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM && !inside(h, 0))
		return DROP_HEADER;
	if (h->gso_type == VIRTIO_NET_HDR_GSO_NONE)
		return h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM ? CHECKSUM : PLAIN;
	if (!(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || h->gso_size == 0 || h->hdr_len > LEN)
		return DROP_HEADER;
	switch (h->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		right = has(features, VIRTIO_NET_F_HOST_TSO4) && h->csum_offset == 16 &&
			inside(h, 20);
		break;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		right = has(features, VIRTIO_NET_F_HOST_TSO6) && h->csum_offset == 16 &&
			inside(h, 20);
		break;
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		right = has(features, VIRTIO_NET_F_HOST_USO) && h->csum_offset == 6 && !ecn &&
			inside(h, 8);
		break;
	default:
		right = false;
		break;
	}
	if (!right || (ecn && !has(features, VIRTIO_NET_F_HOST_ECN)))
		return DROP_HEADER;
	if (!is_tcp4 || (h->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) != VIRTIO_NET_HDR_GSO_TCPV4 ||
	    h->csum_start != 34)
		return DROP_OFFLOAD;
	return SEGMENTS;
}

/* RFC 1071, by the letter. */
static void complete_checksum(uint8_t *frame, const struct virtio_net_hdr *h)
{
	uint32_t sum = 0;

	for (uint32_t at = h->csum_start; at < LEN; at += 2)
		sum += (uint32_t)frame[at] << 8 | (at + 1 < LEN ? frame[at + 1] : 0);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum & 0xffff;
	if (sum == 0 && h->csum_offset == 6) /* RFC 768 */
		sum = 0xffff;
	be16_store(frame + h->csum_start + h->csum_offset, (uint16_t)sum);
}

static void expect_segments(struct stage *s, const uint8_t *frame, uint32_t size)
{
	uint8_t got[GUEST_FRAME_MAX];

	for (uint32_t at = HEADERS; at < LEN; at += size) {
		uint32_t part = min(size, LEN - at), len = stage_await_frame(s, got);

		if (len != HEADERS + part || memcmp(got, frame, 14) != 0 ||
		    be16_load(got + 16) != 40 + part ||
		    be32_load(got + 38) != be32_load(frame + 38) + at - HEADERS ||
		    memcmp(got + HEADERS, frame + at, part) != 0)
			stage_fail(s, "segment at %u of %u bytes: %u bytes, or others", at, part,
				   len);
	}
}

/* ---- the packet */

static void build(struct stage *s, uint8_t frame[LEN], const struct lie *lie)
{
	static const uint8_t headers[] = { 8, 0,  0x45, 0, 1, 84, 0, 7, 0, 0,	 64,   6, 0,
					   0, 10, 0,	0, 1, 10, 0, 0, 2, 0x12, 0x34, 0, 80 };
	uint8_t head[64];

	stage_head(s, head);
	memcpy(frame, head + s->rogue.header_len, 12);
	memcpy(frame + 12, headers, sizeof(headers));
	be32_store(frame + 38, (uint32_t)s->number * 1000);
	be32_store(frame + 42, 1);
	memcpy(frame + 46, (uint8_t[]){ 0x50, 0x10, 1, 0, 0x11, 0x22, 0, 0 }, 8);
	for (uint32_t i = HEADERS; i < LEN; i++)
		frame[i] = (uint8_t)(i * 3 + s->number);
	if (lie != NULL)
		frame[lie->at] = lie->byte;
}

static void one(struct stage *s, const struct features *set, const struct virtio_net_hdr *h,
		const struct lie *lie)
{
	struct rogue_buffer at = { AT, 12 + LEN, false };
	struct vring_desc desc = { AT, 12 + LEN, 0, 0 };
	uint8_t bytes[12 + LEN] = { 0 }, *frame = bytes + 12;
	enum outcome outcome = expect(h, set->bits, lie == NULL);
	uint32_t id, len;

	stage_open(s,
		   &(struct rogue_config){ .features = BIT(VIRTIO_F_VERSION_1) |
						       BIT(VIRTIO_NET_F_MRG_RXBUF) | set->bits });
	build(s, frame, lie);
	memcpy(bytes, h, sizeof(*h));
	rogue_write(&s->rogue, &at, 1, 0, bytes, sizeof(bytes));
	rogue_put(&s->rogue, ROGUE_TX, 0, &desc, 1);
	rogue_show(&s->rogue, ROGUE_TX);
	if (outcome == CHECKSUM)
		complete_checksum(frame, h);
	if (outcome == CHECKSUM || outcome == PLAIN)
		stage_expect_frame(s, frame, LEN);
	else if (outcome == SEGMENTS)
		expect_segments(s, frame, h->gso_size);
	stage_await_used(s, ROGUE_TX, &id, &len);
	stage_expect_drops(s,
			   outcome == DROP_HEADER    ? "net_header"
			   : outcome == DROP_OFFLOAD ? "offload"
						     : NULL,
			   1);
	stage_pass_tx(s);
	stage_end(s);
}

void scene_header(struct stage *s)
{
	static const char *const names[] = { "csum", "tso" };
	struct virtio_net_hdr h;

	for (size_t i = 0; i < ARRAY_SIZE(feature_sets); i++) {
		const struct features *set = &feature_sets[i];

		for (unsigned r = 0; r < N_REQUESTS; r++)
			for (unsigned f = 0; f < N_FIELDS; f++)
				for (unsigned v = 0; v < fields[f].n; v++) {
					h = requests[r];
					change(&h, f, fields[f].values[v]);
					if (stage_begin(s, "header.%s.%s.%s.%u", set->name,
							names[r], fields[f].name,
							fields[f].values[v]))
						one(s, set, &h, NULL);
				}
		for (size_t l = 0; l < ARRAY_SIZE(lies); l++)
			if (stage_begin(s, "header.%s.lie.%s", set->name, lies[l].name))
				one(s, set, &requests[TSO], &lies[l]);
	}
}
