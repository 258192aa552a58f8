// SPDX-License-Identifier: Apache-2.0
/* libFuzzer target: any bytes as a frame. Its parse does not depend on how it is cut into fragments
 * or on what lies behind its end, and it survives tags being pushed and popped. The first two bytes
 * say where it is cut, the next two are a tag.
 */
#include <stdlib.h>

#include "input.h"
#include "packet/parse.h"
#include "packet/pkt.h"

#define PARAMETERS_LEN 4

static void same(const struct pkt *a, const struct pkt *b)
{
	require(pkt_hash(a) == pkt_hash(b) && a->ethertype == b->ethertype &&
		a->tagged == b->tagged && a->tci == b->tci && a->len == b->len &&
		a->head_len == b->head_len);
	require(!memcmp(a->head, b->head, a->head_len));
}

static void is_frame(const struct pkt *pkt, const uint8_t *frame, size_t len)
{
	uint8_t *copy = malloc(len);

	require(pkt->len == len);
	pkt_copy(pkt, copy);
	require(!memcmp(copy, frame, len));
	free(copy);
}

/* A tag comes, changes and goes; the frame is what it was. */
static void retag(struct pkt *pkt, const uint8_t *frame, uint32_t len, uint16_t tci)
{
	struct pkt again = { .tagged = false };
	bool was_tagged = pkt->tagged;
	uint16_t old_tci = pkt->tci;
	uint32_t grown = len + (was_tagged ? 0 : VLAN_TAG_LEN);
	uint8_t *copy = malloc(grown);
	struct iovec frag;

	pkt_set_tag(pkt, true, tci);
	require(pkt->len == grown);
	pkt_copy(pkt, copy);
	pkt_init_linear(&again, copy, grown, &frag);
	pkt_parse(&again);
	require(again.tagged && again.tci == tci && again.ethertype == pkt->ethertype);
	pkt_set_tag(pkt, false, 0);
	require(pkt->len == grown - VLAN_TAG_LEN);
	pkt_set_tag(pkt, was_tagged, old_tci);
	is_frame(pkt, frame, len);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pkt whole = { .tagged = false }, cut = { .tagged = false };
	struct iovec frag, iov[3];
	const uint8_t *frame;
	size_t a, b;
	uint32_t len;

	if (size < PARAMETERS_LEN + ETH_HLEN || size > PARAMETERS_LEN + 4096)
		return 0;
	frame = data + PARAMETERS_LEN;
	len = (uint32_t)(size - PARAMETERS_LEN);
	memset(whole.buf, 0x00, sizeof(whole.buf));
	pkt_init_linear(&whole, frame, len, &frag);
	pkt_parse(&whole);

	a = data[0] % (len + 1);
	b = a + data[1] % (len - a + 1);
	iov[0] = (struct iovec){ (uint8_t *)(uintptr_t)frame, a };
	iov[1] = (struct iovec){ (uint8_t *)(uintptr_t)frame + a, b - a };
	iov[2] = (struct iovec){ (uint8_t *)(uintptr_t)frame + b, len - b };
	memset(cut.buf, 0xff, sizeof(cut.buf));
	pkt_init(&cut, iov, 3, len);
	pkt_parse(&cut);
	same(&whole, &cut);
	is_frame(&whole, frame, len);
	is_frame(&cut, frame, len);
	retag(&cut, frame, len, (uint16_t)(data[2] << 8 | data[3]));
	return 0;
}
