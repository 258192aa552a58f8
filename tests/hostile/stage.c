// SPDX-License-Identifier: Apache-2.0
// What each scenario of the hostile suite has in common.

#include "hostile/stage.h"

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

#define WAIT_NS (10 * NSEC_PER_SEC)
#define AGAIN_NS (20 * NSEC_PER_MSEC)
#define HEADER_MAX 12

void stage_destroy(struct stage *s)
{
	rogue_destroy(&s->rogue);
	control_close(&s->control);
}

void stage_fail(struct stage *s, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	daemon_check_alive(&s->world->daemon);
	fail_msg("HOSTILE_SCENARIO=%s: %s", s->name, text);
	abort();
}

/* Whether this one is in the part of all that is to be run. */
static bool chosen(struct stage *s)
{
	if (s->only != NULL)
		return strstr(s->name, s->only) != NULL;
	s->credit += s->scale < 1 ? s->scale : 1;
	if (s->credit < 1)
		return false;
	s->credit -= 1;
	return true;
}

bool stage_begin(struct stage *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	stage_name(s, fmt, ap);
	va_end(ap);
	s->n_seen++;
	if (!chosen(s))
		return false;
	s->n_run++;
	printf("%s\n", s->name);
	fflush(stdout);
	return true;
}

void stage_peer_turn(struct stage *s, unsigned n)
{
	world_peer_turn(s->world, n);
}

void stage_end(struct stage *s)
{
	uint64_t stray = rogue_stray(&s->rogue, true);

	if (stray != 0)
		stage_fail(s, "outside of guest memory was written, at 0x%llx",
			   (unsigned long long)stray);
	rogue_close(&s->rogue);
	json_decref(s->before);
	s->before = NULL;
	world_check(s->world);
}

/* ---- waiting */

/* One turn of a wait that ends with a failure when @end is over. */
static void wait_turn(struct stage *s, uint64_t end, const char *what)
{
	guest_turn(&s->world->peer);
	if (clock_ns() > end)
		stage_fail(s, "%s within 10 s", what);
	usleep(20);
}

void stage_await_used(struct stage *s, unsigned queue, uint32_t *id, uint32_t *len)
{
	uint64_t end = clock_ns() + WAIT_NS;

	while (!rogue_used(&s->rogue, queue, id, len))
		wait_turn(s, end,
			  queue == ROGUE_TX ? "what was sent was not used"
					    : "receive buffer was not used");
}

uint32_t stage_await_frame(struct stage *s, uint8_t got[GUEST_FRAME_MAX])
{
	uint64_t end = clock_ns() + WAIT_NS;
	uint32_t len;

	while ((len = guest_receive(&s->world->peer, got)) == 0)
		wait_turn(s, end, "the peer got no frame");
	return len;
}

void stage_expect_frame(struct stage *s, const uint8_t *want, uint32_t len)
{
	uint8_t got[GUEST_FRAME_MAX];
	uint32_t n = stage_await_frame(s, got), at = 0;

	if (n != len)
		stage_fail(s, "the peer got %u bytes, not %u", n, len);
	while (at < len && got[at] == want[at])
		at++;
	if (at < len)
		stage_fail(s, "byte %u of the peer's frame is %02x, not %02x", at, got[at],
			   want[at]);
}

/* Waits until the switch has done with what the peer has sent. */
static void await_sent(struct stage *s)
{
	struct netdrv *drv = s->world->peer.drv;
	uint64_t end = clock_ns() + WAIT_NS;

	while (netdrv_reap(drv, 0), netdrv_in_flight(drv, 0) > 0)
		wait_turn(s, end, "what the peer sent was not used");
}

void stage_init(struct stage *s, struct world *world, bool packed)
{
	const char *scale = getenv("TEST_SCALE");

	memset(s, 0, sizeof(*s));
	s->world = world;
	s->packed = packed;
	s->only = getenv("HOSTILE_SCENARIO");
	s->scale = scale != NULL ? atof(scale) : 1;
#ifdef CHECK_STORES
	s->credit = 0.5; /* of a part, builds with AddressSanitizer run another one */
#endif
	control_open(&s->control, &world->daemon);
	assert_true(rogue_init(&s->rogue));
	world_peer_turn(world, 1); /* its address is known */
	await_sent(s);		   /* and its frame is none of a scenario's */
}

void stage_peer_sends(struct stage *s, uint8_t frame[STAGE_FRAME_LEN])
{
	struct guest *peer = &s->world->peer;
	uint64_t end = clock_ns() + WAIT_NS;

	guest_ethernet(frame, EVIL_MAC, PEER_MAC);
	s->number++;
	for (unsigned i = 14; i < STAGE_FRAME_LEN; i++)
		frame[i] = (uint8_t)(0x50 + i + s->number);
	while (!guest_send(peer, frame, STAGE_FRAME_LEN))
		wait_turn(s, end, "the peer cannot send");
	await_sent(s);
}

/* ---- good traffic */

void stage_pass_tx(struct stage *s)
{
	struct rogue *r = &s->rogue;
	unsigned slot = min(r->config.size - 1, (unsigned)STAGE_GOOD_SLOT);
	struct vring_desc desc = { STAGE_GOOD, r->header_len + 80, 0, 0 };
	struct rogue_buffer at = { desc.addr, desc.len, false };
	uint8_t head[64], frame[128];
	uint32_t id, len;

	stage_expect_memory(s);
	rogue_write(r, &at, 1, 0, head, stage_head(s, head));
	rogue_put(r, ROGUE_TX, slot, &desc, 1);
	rogue_show(r, ROGUE_TX);
	rogue_model_read(r, &at, 1, r->header_len, frame, sizeof(frame));
	stage_expect_frame(s, frame, 80);
	stage_await_used(s, ROGUE_TX, &id, &len);
}

/* What the device must have written to a list of buffers, to the model. */
static void model_received(struct stage *s, const struct rogue_buffer *list, unsigned n,
			   const uint8_t *frame, unsigned n_chains)
{
	struct rogue *r = &s->rogue;
	uint8_t header[HEADER_MAX] = { [10] = (uint8_t)n_chains };

	rogue_model_write(r, list, n, 0, header, r->header_len);
	rogue_model_write(r, list, n, r->header_len, frame, STAGE_FRAME_LEN);
}

/* Of a list, what the device may write; returns how many. */
static unsigned writable(const struct rogue_buffer *list, unsigned n, struct rogue_buffer *out)
{
	unsigned n_out = 0;

	for (unsigned i = 0; i < n; i++)
		if (list[i].write)
			out[n_out++] = list[i];
	return n_out;
}

static uint32_t total_len(const struct rogue_buffer *list, unsigned n)
{
	uint64_t len = 0;

	for (unsigned i = 0; i < n; i++)
		len += list[i].len;
	return (uint32_t)min(len, (uint64_t)UINT32_MAX);
}

void stage_pass_rx(struct stage *s, const struct rogue_buffer *pending, unsigned n)
{
	struct rogue *r = &s->rogue;
	unsigned slot = min(r->config.size - 1, (unsigned)STAGE_GOOD_SLOT);
	struct vring_desc desc = { STAGE_GOOD_RX, STAGE_GOOD_LEN, VRING_DESC_F_WRITE, 0 };
	struct rogue_buffer list[STAGE_CHAIN_MAX + 1];
	unsigned n_list = writable(pending, n, list), n_chains = n > 0 ? 2 : 1;
	uint32_t left = r->header_len + STAGE_FRAME_LEN, id, len;
	uint32_t first = total_len(list, n_list);
	uint8_t frame[STAGE_FRAME_LEN];

	stage_expect_memory(s);
	list[n_list++] = (struct rogue_buffer){ desc.addr, desc.len, true };
	rogue_put(r, ROGUE_RX, slot, &desc, 1);
	rogue_show(r, ROGUE_RX);
	stage_peer_sends(s, frame);
	for (unsigned i = 0; i < n_chains; i++) {
		uint32_t want = i + 1 < n_chains ? min(left, first) : left;

		stage_await_used(s, ROGUE_RX, &id, &len);
		if (len != want)
			stage_fail(s, "%u bytes were received, not %u", len, want);
		left -= want;
	}
	model_received(s, list, n_list, frame, n_chains);
	stage_expect_memory(s);
}

/* What was written, the first @len bytes of a list, is noted as written. */
static void expect_logged(struct stage *s, const struct rogue_buffer *list, unsigned n,
			  uint32_t len)
{
	for (unsigned i = 0; i < n && len > 0; i++) {
		uint32_t part = min(len, list[i].len);

		for (uint32_t at = 0; at < part; at++)
			if (!rogue_logged(&s->rogue, list[i].addr + at))
				stage_fail(s, "what was written at 0x%llx is not in the log",
					   (unsigned long long)list[i].addr + at);
		len -= part;
	}
}

void stage_expect_received(struct stage *s, const struct rogue_buffer *list, unsigned n,
			   const uint8_t frame[STAGE_FRAME_LEN])
{
	uint32_t want = s->rogue.header_len + STAGE_FRAME_LEN, id, len;

	stage_await_used(s, ROGUE_RX, &id, &len);
	if (len != want)
		stage_fail(s, "%u bytes were received, not %u", len, want);
	model_received(s, list, n, frame, 1);
	stage_expect_memory(s);
	if (s->notes == ROGUE_LOG)
		expect_logged(s, list, n, want);
}

/* ---- what is looked at */

void stage_expect_memory(struct stage *s)
{
	uint64_t stray = rogue_stray(&s->rogue, false);

	if (stray != 0)
		stage_fail(s, "memory is not what it must be at 0x%llx", (unsigned long long)stray);
}

void stage_expect_state(struct stage *s, unsigned queue, enum ring_fault fault)
{
	json_t *port = control_port(&s->control, "evil");
	json_t *ring = json_array_get(json_object_get(port, "queues"), queue);
	const char *text = json_string_value(json_object_get(ring, "state"));

	if (text == NULL || strcmp(text, ring_fault_text(fault)) != 0)
		stage_fail(s, "ring %u is \"%s\", not \"%s\"", queue, text != NULL ? text : "",
			   ring_fault_text(fault));
	json_decref(port);
}

void stage_expect_broken(struct stage *s, unsigned queue, enum ring_fault fault)
{
	uint64_t end = clock_ns() + WAIT_NS, again = clock_ns();
	uint8_t frame[STAGE_FRAME_LEN];

	while (!rogue_broken(&s->rogue, queue)) {
		wait_turn(s, end, "the front-end was not told that its ring is broken");
		if (queue == ROGUE_RX && clock_ns() > again) {
			stage_peer_sends(s, frame);
			again = clock_ns() + AGAIN_NS;
		}
	}
	stage_expect_state(s, queue, fault);
	stage_expect_state(s, 1 - queue, RING_OK);
}

void stage_expect_drops(struct stage *s, const char *reason, unsigned n)
{
	json_t *port = control_port(&s->control, "evil"), *value;
	const json_t *before = json_object_get(s->before, "drops");
	const char *name;

	json_object_foreach (json_object_get(port, "drops"), name, value) {
		json_int_t more = json_integer_value(value) -
				  json_integer_value(json_object_get(before, name));
		json_int_t want = reason != NULL && strcmp(reason, name) == 0 ? n : 0;

		if (more != want)
			stage_fail(s, "%d drops were counted as %s, not %d", (int)more, name,
				   (int)want);
		if (want > 0)
			n = 0;
	}
	if (reason != NULL && n > 0)
		stage_fail(s, "no drop was counted as %s", reason);
	json_decref(port);
}

/* ---- the guest */

void stage_open(struct stage *s, const struct rogue_config *config)
{
	struct rogue_config c = *config;

	if (s->packed)
		c.features |= 1ull << VIRTIO_F_RING_PACKED;
	c.notes = s->notes;
	if (!rogue_open(&s->rogue, s->world->path, &c, (uint8_t)s->n_seen))
		stage_fail(s, "no front-end can connect");
	stage_pass_tx(s);
	s->before = control_port(&s->control, "evil");
}

void stage_expect_refused(struct stage *s, const struct rogue_config *config, const char *why)
{
	struct rogue_config c = *config;
	const char *text;
	json_t *port;

	if (s->packed)
		c.features |= 1ull << VIRTIO_F_RING_PACKED;
	c.notes = s->notes;
	if (rogue_open(&s->rogue, s->world->path, &c, (uint8_t)s->n_seen))
		stage_fail(s, "it is not refused");
	port = control_port(&s->control, "evil");
	text = json_string_value(json_object_get(port, "last_error"));
	if (text == NULL || strstr(text, why) == NULL)
		stage_fail(s, "it is refused because \"%s\", not \"%s\"", text != NULL ? text : "",
			   why);
	json_decref(port);
	stage_end(s);
}

/* ---- the attack of most scenarios */

/* Why the switch drops a frame of @len bytes, header included; NULL: it does not. */
static const char *drop_of(const struct stage *s, uint32_t len)
{
	if (len < s->rogue.header_len)
		return "net_header";
	len -= s->rogue.header_len;
	return len < 14 ? "too_short" : len > STAGE_FRAME_MAX ? "too_long" : NULL;
}

/* What was sent is delivered, or dropped. */
static void expect_sent(struct stage *s, const struct rogue_buffer *list, unsigned n)
{
	struct rogue *r = &s->rogue;
	uint8_t frame[STAGE_FRAME_MAX];
	const char *drop;
	uint32_t id, len;
	unsigned n_out = 0;

	while (n_out < n && !list[n_out].write)
		n_out++;
	len = total_len(list, n_out);
	drop = drop_of(s, len);
	if (drop == NULL) {
		len = (uint32_t)rogue_model_read(r, list, n_out, r->header_len, frame,
						 sizeof(frame));
		stage_expect_frame(s, frame, len);
	}
	stage_await_used(s, ROGUE_TX, &id, &len);
	stage_expect_drops(s, drop, 1);
	stage_pass_tx(s);
	stage_pass_rx(s, NULL, 0);
}

static void attack_tx(struct stage *s, const struct rogue_buffer *list, unsigned n,
		      enum ring_fault fault)
{
	rogue_show(&s->rogue, ROGUE_TX);
	if (fault == RING_OK) {
		expect_sent(s, list, n);
		return;
	}
	stage_expect_broken(s, ROGUE_TX, fault);
	stage_expect_drops(s, NULL, 0);
	stage_pass_rx(s, NULL, 0);
}

/* A frame lies in the buffers, or they are too short for it and wait for more. */
static void expect_received(struct stage *s, const struct rogue_buffer *list, unsigned n)
{
	struct rogue_buffer in[STAGE_CHAIN_MAX];
	unsigned n_in = writable(list, n, in);
	uint8_t frame[STAGE_FRAME_LEN];

	stage_peer_sends(s, frame);
	if (total_len(in, n_in) < s->rogue.header_len + STAGE_FRAME_LEN) {
		stage_expect_drops(s, "tx_ring_full", 1);
		stage_pass_rx(s, in, n_in);
		return;
	}
	stage_expect_received(s, in, n_in, frame);
	stage_expect_drops(s, NULL, 0);
	stage_pass_rx(s, NULL, 0);
}

static const struct rogue_buffer in_front = { STAGE_IN_FRONT, STAGE_GOOD_LEN, true };

static void attack_rx(struct stage *s, const struct rogue_buffer *list, unsigned n,
		      enum ring_fault fault)
{
	uint8_t frame[STAGE_FRAME_LEN];

	rogue_show(&s->rogue, ROGUE_RX);
	if (s->ahead) {
		stage_peer_sends(s, frame);
		stage_expect_received(s, &in_front, 1, frame);
	}
	if (fault == RING_OK)
		expect_received(s, list, n);
	else
		stage_expect_broken(s, ROGUE_RX, fault);
	stage_pass_tx(s);
}

void stage_attack(struct stage *s, unsigned queue, const struct vring_desc *descs, unsigned n,
		  const struct rogue_buffer *list, unsigned n_list, enum ring_fault fault)
{
	struct rogue_buffer in[STAGE_CHAIN_MAX];

	if (queue == ROGUE_RX && fault == RING_OK && total_len(in, writable(list, n_list, in)) == 0)
		fault = RING_FAULT_NO_WRITABLE;
	stage_put_attack(s, queue, descs, n, list, n_list, fault == RING_OK);
	if (queue == ROGUE_TX)
		attack_tx(s, list, n_list, fault);
	else
		attack_rx(s, list, n_list, fault);
	stage_expect_memory(s);
	stage_end(s);
}
