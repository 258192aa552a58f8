/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of the whole switch: real workers, a real loop that the test turns by hand, and dummy
 * ports. The test is the control thread.
 */
#pragma once

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/rcu.h"
#include "fds.h"
#include "port/dummy.h"
#include "switch/private.h"
#include "switch/switch.h"

#define UNUSED_OK __attribute__((unused))
#define BROADCAST 0xffffffffffffull
#define MAC(n) (0x020000000000ull + (n))
#define WAIT_NS (20 * NSEC_PER_SEC) /* for what always happens, on a busy machine, too */

struct rig {
	struct event_base *base;
	struct swtch *sw;
	unsigned n_fds; /* open before all this */
};

UNUSED_OK static void rig_open(struct rig *rig, unsigned n_workers)
{
	struct error err = { "" };

	memset(rig, 0, sizeof(*rig));
	rig->n_fds = count_fds();
	rig->base = event_base_new();
	assert_non_null(rig->base);
	if (switch_create(&rig->sw, rig->base, n_workers, NULL, &err) != 0)
		fail_msg("%s", err.text);
}

/* Takes everything down and finds that nothing is left. */
UNUSED_OK static void rig_close(struct rig *rig)
{
	switch_destroy(rig->sw);
	event_base_free(rig->base);
	rcu_drain();
	assert_int_equal(count_fds(), rig->n_fds);
}

UNUSED_OK static void rig_run(struct rig *rig)
{
	event_base_loop(rig->base, EVLOOP_NONBLOCK);
}

/* Turns the loop until @condition holds, for a bounded time. */
#define UNTIL(rig, condition)                                                                     \
	do {                                                                                      \
		uint64_t end_ = clock_ns() + WAIT_NS;                                             \
		while (!(condition)) {                                                            \
			rig_run(rig);                                                             \
			if (clock_ns() > end_)                                                    \
				fail_msg("%s:%d: waited for %s", __FILE__, __LINE__, #condition); \
			usleep(50);                                                               \
		}                                                                                 \
	} while (0)

/* Parameters from the format of json_pack(), checked to have worked. */
#define J(...) rig_json(json_pack(__VA_ARGS__))

UNUSED_OK static json_t *rig_json(json_t *json)
{
	assert_non_null(json);
	return json;
}

typedef int rig_function(struct swtch *sw, const json_t *params, struct error *err);

/* Does what must succeed. Consumes @params. */
UNUSED_OK static void rig_do(struct rig *rig, rig_function *fn, json_t *params)
{
	struct error err = { "" };
	int r = fn(rig->sw, params, &err);

	if (r != 0)
		fail_msg("%d: %s", r, err.text);
	json_decref(params);
}

/* Does what must fail with @code and a text that holds @text. Consumes @params. */
#define rig_refuse(rig, fn, params, code, want) \
	rig_refuse_at(rig, fn, params, code, want, __FILE__, __LINE__)

UNUSED_OK static void rig_refuse_at(struct rig *rig, rig_function *fn, json_t *params, int code,
				    const char *want, const char *file, int line)
{
	struct error err = { "" };
	int r = fn(rig->sw, params, &err);

	json_decref(params);
	if (r != code || !strstr(err.text, want))
		fail_msg("%s:%d: %d, \"%s\"", file, line, r, err.text);
}

UNUSED_OK static struct sw_port *rig_find(struct rig *rig, const char *name)
{
	struct sw_port *p = switch_find_port(rig->sw, name);

	if (!p)
		fail_msg("no port %s", name);
	return p;
}

/* Adds a dummy port with @more options (consumed; NULL: none). */
UNUSED_OK static struct port *rig_add(struct rig *rig, const char *name, json_t *more)
{
	json_t *params = J("{s:s, s:s}", "name", name, "type", "dummy");

	if (more)
		json_object_update(params, more);
	json_decref(more);
	rig_do(rig, switch_port_add, params);
	return rig_find(rig, name)->port;
}

UNUSED_OK static void rig_add_bridge(struct rig *rig, const char *name)
{
	rig_do(rig, switch_bridge_add, J("{s:s}", "name", name));
}

UNUSED_OK static void rig_del(struct rig *rig, const char *name)
{
	struct error err = { "" };

	if (switch_port_del(rig->sw, name, &err) != 0)
		fail_msg("%s", err.text);
}

UNUSED_OK static void rig_settle(struct rig *rig)
{
	UNTIL(rig, switch_settled(rig->sw));
}

UNUSED_OK static void rig_set(struct rig *rig, const char *port, const char *option,
			      const char *value)
{
	rig_do(rig, switch_port_set, J("{s:s, s:s}", "name", port, option, value));
}

UNUSED_OK static void rig_move(struct rig *rig, const char *port, unsigned queue, unsigned worker)
{
	char word[16];

	snprintf(word, sizeof(word), "%u", worker);
	rig_do(rig, switch_worker_set,
	       J("{s:s, s:i, s:s}", "port", port, "queue", queue, "worker", word));
}

/* What "port show" says of a counter, and of a drop reason. */
UNUSED_OK static uint64_t rig_counter(struct rig *rig, const char *port, const char *name)
{
	json_t *list = switch_port_show(rig->sw, port, NULL);
	json_t *o = json_array_get(list, 0), *value = json_object_get(o, name);
	uint64_t n;

	assert_non_null(o);
	if (!value)
		value = json_object_get(json_object_get(o, "drops"), name);
	n = (uint64_t)json_integer_value(value);
	json_decref(list);
	return n;
}

/* Of all reasons and kinds. */
UNUSED_OK static uint64_t rig_drops(struct rig *rig, const char *port)
{
	json_t *list = switch_port_show(rig->sw, port, NULL), *value;
	uint64_t n = 0;
	const char *key;

	json_object_foreach (json_object_get(json_array_get(list, 0), "drops"), key, value)
		n += (uint64_t)json_integer_value(value);
	json_decref(list);
	return n;
}

/* ---- frames: addresses, a local experimental type, a number, and bytes that follow from it */

#define RIG_FRAME_MIN (ETH_HLEN + 8)

UNUSED_OK static void rig_frame(uint8_t *frame, uint32_t len, mac_t dst, mac_t src, uint64_t number)
{
	mac_store(frame, dst);
	mac_store(frame + ETH_ALEN, src);
	frame[12] = 0x88;
	frame[13] = 0xb5;
	memcpy(frame + ETH_HLEN, &number, sizeof(number));
	for (uint32_t i = RIG_FRAME_MIN; i < len; i++)
		frame[i] = (uint8_t)(number + i);
}

/* Injects one such frame of 64 bytes, waiting for room. */
UNUSED_OK static void rig_send(struct rig *rig, struct port *port, mac_t dst, mac_t src,
			       uint64_t number)
{
	uint8_t frame[64];

	rig_frame(frame, sizeof(frame), dst, src, number);
	UNTIL(rig, dummy_inject(port, 0, frame, sizeof(frame), NULL) == 0);
}

/* The number of the next frame that was sent to @port; false: none is there. */
UNUSED_OK static bool rig_receive(struct port *port, unsigned queue, uint64_t *number)
{
	const struct dummy_frame *f = dummy_sent_peek(port, queue);
	uint8_t want[64];

	if (!f)
		return false;
	assert_int_equal(f->len, 64);
	memcpy(number, f->bytes + ETH_HLEN, sizeof(*number));
	rig_frame(want, sizeof(want), mac_load(f->bytes), mac_load(f->bytes + ETH_ALEN), *number);
	assert_memory_equal(f->bytes, want, sizeof(want));
	dummy_sent_pop(port, queue);
	return true;
}

UNUSED_OK static uint64_t rig_expect(struct rig *rig, struct port *port)
{
	uint64_t number = 0;

	UNTIL(rig, rig_receive(port, 0, &number));
	return number;
}

/* Every worker has finished the turn that it is in: a frame is counted as received before anything
 * becomes of it, in the same turn.
 */
UNUSED_OK static void rig_turned(void)
{
	rcu_drain();
}

/* Makes the bridge know who is where, and lets the port send one broadcast, which the others drop.
 * The address is put into the table here: a worker that finds the table locked learns it only with
 * a later frame, and how many frames that takes would be a matter of luck.
 */
UNUSED_OK static void rig_announce(struct rig *rig, const char *name, mac_t mac)
{
	struct sw_port *p = rig_find(rig, name);
	uint64_t before = rig_counter(rig, name, "rx_packets"), end = clock_ns() + WAIT_NS;
	uint32_t now = (uint32_t)(clock_ns() / NSEC_PER_SEC);

	while (mac_table_lookup(p->bridge->macs, mac, p->settings.tag) != p->id) {
		mac_table_learn(p->bridge->macs, mac, p->settings.tag, p->id, now, 0);
		assert_true(clock_ns() < end);
	}
	rig_send(rig, p->port, 0x01005e000000ull, mac, UINT64_MAX);
	UNTIL(rig, rig_counter(rig, name, "rx_packets") > before);
	rig_turned();
}

/* Throws away what was sent to @port so far. */
UNUSED_OK static void rig_drain(struct port *port)
{
	for (unsigned q = 0; q < port->n_txqs; q++)
		while (dummy_sent_peek(port, q))
			dummy_sent_pop(port, q);
}
