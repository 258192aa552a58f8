/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of forwarding without threads: three forwarders that the test turns by hand, on a view
 * made by hand.
 */
#pragma once

#include "base/clock.h"
#include "datapath/forward.h"
#include "packet/parse.h"
#include "view_maker.h"

#define FRAME_MAX 2048
#define UNTAGGED -1

struct stage {
	struct maker m;
	struct inboxes inboxes;
	struct forwarder *fw[3];
	struct unsettled unsettled[3];
	struct upcalls upcalls[3];
	struct view *view;
	uint64_t generation, now; /* ns */
	struct batch *batch;
};

UNUSED_OK static int setup(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->now = NSEC_PER_SEC;
	maker_init(&s->m, 3);
	assert_int_equal(inboxes_init(&s->inboxes, 3), 0);
	for (unsigned i = 0; i < 3; i++) {
		s->unsettled[i].worker = i;
		assert_int_equal(upcalls_init(&s->upcalls[i], -1), 0);
		s->fw[i] = forwarder_create(i, &s->inboxes, &s->upcalls[i], &s->unsettled[i]);
		assert_non_null(s->fw[i]);
	}
	s->batch = batch_create();
	assert_non_null(s->batch);
	*state = s;
	return 0;
}

UNUSED_OK static int teardown(void **state)
{
	struct stage *s = *state;

	for (unsigned i = 0; i < 3; i++)
		forwarder_destroy(s->fw[i]);
	for (unsigned i = 0; i < 3; i++)
		upcalls_destroy(&s->upcalls[i]);
	forwarder_destroy(NULL);
	inboxes_destroy(&s->inboxes);
	maker_free_view(s->view);
	batch_destroy(s->batch);
	maker_destroy(&s->m);
	free(s);
	return 0;
}

/* Lets the forwarders follow what the maker says now. */
UNUSED_OK static void follow(struct stage *s)
{
	maker_free_view(s->view);
	s->view = maker_view(&s->m);
	s->view->generation = ++s->generation;
}

/* Worker @w takes what was injected into queue @pair of port @in. */
UNUSED_OK static void take(struct stage *s, unsigned w, unsigned in, unsigned pair)
{
	struct rxq *q = s->m.ports[in].port->rxqs[pair];
	const struct view_rxq rxq = { q, in, s->m.has_homes ? s->m.home[in][pair] : w };
	struct port_counters *c = &s->m.ports[in].state->counters[w];

	for (;;) {
		batch_clear(s->batch);
		q->port->ops->rx(q, s->batch, c);
		if (!s->batch->n)
			return;
		forward_batch(s->fw[w], s->view, &rxq, s->batch, s->now, c);
		q->port->ops->rx_done(q, s->batch);
	}
}

/* A turn of worker @w: its inboxes, then what was injected into port @in, if that is not 0. */
UNUSED_OK static void turn(struct stage *s, unsigned w, unsigned in)
{
	forward_inboxes(s->fw[w], s->view, 1);
	if (in)
		take(s, w, in, 0);
}

UNUSED_OK static void inject(struct stage *s, unsigned port, const void *frame, uint32_t len)
{
	assert_int_equal(dummy_inject(s->m.ports[port].port, 0, frame, len, NULL), 0);
}

/* @tci UNTAGGED: without a tag. Returns the length. */
UNUSED_OK static uint32_t make_frame(uint8_t *frame, mac_t dst, mac_t src, int tci,
				     uint32_t payload_len)
{
	uint32_t at = 12;

	mac_store(frame, dst);
	mac_store(frame + 6, src);
	if (tci != UNTAGGED) {
		frame[at++] = 0x81;
		frame[at++] = 0x00;
		frame[at++] = (uint8_t)(tci >> 8);
		frame[at++] = (uint8_t)tci;
	}
	frame[at++] = 0x88;
	frame[at++] = 0xb5;
	for (uint32_t i = 0; i < payload_len; i++)
		frame[at++] = (uint8_t)(i * 7 + 1);
	return at;
}

UNUSED_OK static void expect_frame(struct stage *s, unsigned port, const uint8_t *want,
				   uint32_t len)
{
	const struct dummy_frame *f = dummy_sent_peek(s->m.ports[port].port, 0);

	if (!f)
		fail_msg("nothing came to port %u", port);
	assert_int_equal(f->len, len);
	assert_memory_equal(f->bytes, want, len);
	dummy_sent_pop(s->m.ports[port].port, 0);
}

UNUSED_OK static void expect_nothing(struct stage *s, unsigned port)
{
	assert_null(dummy_sent_peek(s->m.ports[port].port, 0));
}

UNUSED_OK static void set_mode(struct stage *s, unsigned port, bool access, uint16_t tag,
			       bool native_tagged)
{
	s->m.ports[port].access = access;
	s->m.ports[port].tag = tag;
	s->m.ports[port].native_tagged = native_tagged;
}
