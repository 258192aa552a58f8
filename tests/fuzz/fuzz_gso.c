// SPDX-License-Identifier: Apache-2.0
/* libFuzzer target: any virtio-net header in front of any frame, on its way to a receiver that
 * takes any offloads. What is let in is delivered whole: the payload is the frame's, no packet asks
 * for what was not negotiated or is longer than a segment, and no byte beyond the frame is touched.
 *
 * The first 10 bytes are the header, the next say what the receiver takes, where the frame is cut,
 * whether a tag is put on, and how many bytes follow those of the input.
 */
#include <stdlib.h>

#include "input.h"
#include "packet/parse.h"
#include "port/offload.h"
#include "virtio/net_header.h"

#define PARAMETERS_LEN (sizeof(struct virtio_net_hdr) + 5)
#define INPUT_MAX 2048

/* What came out, put together again. */
static struct {
	const struct pkt *pkt; /* what went in */
	unsigned n, offloads;
	uint32_t hdr_len, most, len;
	uint8_t payload[FRAME_TAGGED_MAX];
} got;

static void receive(const struct pkt *pkt)
{
	uint8_t *copy = malloc(pkt->len);
	uint32_t sum = pkt->head_len;

	for (unsigned i = 0; i < pkt->n_frags; i++)
		sum += (uint32_t)pkt->frags[i].iov_len;
	require(copy && sum == pkt->len && pkt->len <= got.most && pkt->len >= got.hdr_len);
	require(pkt->offload.gso_type == VIRTIO_NET_HDR_GSO_NONE || pkt == got.pkt);
	if (!(got.offloads & OFFLOAD_CSUM))
		require(offload_none(pkt));
	pkt_copy(pkt, copy);
	require(got.len + pkt->len - got.hdr_len <= sizeof(got.payload));
	memcpy(got.payload + got.len, copy + got.hdr_len, pkt->len - got.hdr_len);
	got.len += pkt->len - got.hdr_len;
	got.n++;
	free(copy);
}

static void tx(struct txq *q, struct pkt *const *pkts, unsigned n, struct port_counters *c)
{
	require(n && n <= BATCH_MAX);
	for (unsigned i = 0; i < n; i++)
		receive(pkts[i]);
}

static const struct port_ops ops = { .tx = tx };

/* Sends @pkt, and compares what comes with what it was. */
static void transmit(struct batch *scratch, struct pkt *pkt, unsigned offloads)
{
	struct port port = { .ops = &ops };
	struct txq q = { .port = &port, .offloads = offloads };
	struct virtio_net_hdr asked = pkt->offload;
	struct port_counters c = { 0 };
	uint8_t *frame = malloc(pkt->len);
	uint32_t field = 0;

	require(frame);
	pkt_copy(pkt, frame);
	got.pkt = pkt;
	got.n = 0;
	got.len = 0;
	got.offloads = offloads;
	got.hdr_len = asked.gso_type ? asked.hdr_len : 0;
	got.most = pkt->len;
	if (asked.gso_type)
		field = asked.hdr_len; /* headers were edited; they are not compared */
	else if (asked.flags)
		field = (uint32_t)asked.csum_start + asked.csum_offset;
	offload_transmit(scratch, &q, &pkt, 1, &c);
	require(!c.drops[DROP_tx_offload] && got.n);
	require(got.len == pkt->len - got.hdr_len);
	if (asked.flags && !asked.gso_type)
		memcpy(frame + field, got.payload + field, 2); /* all else must be the same */
	require(!memcmp(got.payload, frame + got.hdr_len, got.len));
	if (got.n > 1)
		require(got.n == (got.len + asked.gso_size - 1) / asked.gso_size);
	free(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct batch *in, *scratch;
	struct virtio_net_hdr header;
	const uint8_t *parameters = data + sizeof(header);
	struct pkt *pkt;
	uint32_t len, first;
	uint8_t *frame;

	if (size < PARAMETERS_LEN + ETH_HLEN || size > INPUT_MAX)
		return 0;
	if (!in) {
		in = batch_create();
		scratch = batch_create();
	}
	memcpy(&header, data, sizeof(header));
	size -= PARAMETERS_LEN;
	len = min((uint32_t)size + parameters[3] * 256u, (uint32_t)FRAME_LEN_MAX);
	if (!net_header_valid(&header, offload_features(OFFLOAD_ALL), len))
		return 0;
	net_header_clean(&header);
	frame = calloc(1, len);
	require(frame && in && scratch);
	memcpy(frame, data + PARAMETERS_LEN, min(size, (size_t)len));
	first = min((uint32_t)parameters[1], len);
	in->frags[0] = (struct iovec){ frame, first };
	in->frags[1] = (struct iovec){ frame + first, len - first };
	pkt = &in->pkts[0];
	pkt_init(pkt, in->frags, 2, len);
	pkt->offload = header;
	pkt_parse(pkt);
	if (offload_check(pkt)) {
		if (parameters[2] & 1)
			pkt_set_tag(pkt, parameters[2] & 2, parameters[4]);
		transmit(scratch, pkt, parameters[0] & OFFLOAD_ALL);
	}
	free(frame);
	return 0;
}
