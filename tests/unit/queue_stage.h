/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of a guest's queues without a front-end: one queue, and the guest at its other end. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_env.h"
#include "port/vhost_queue.h"
#include "ring_pair.h"

/* One queue of a guest, and the guest. */
struct stage {
	struct ring_pair pair;
	struct fake_env env;
	struct port port;
	struct vhost_vring vring;
	struct vhost_device_state state;
	struct vhost_queue q;
	struct port_counters c;
	struct batch *batch;
	uint32_t at; /* free bytes of the guest's buffers start here */
};

static inline struct stage *start(uint64_t features, uint32_t size, uint16_t indirect_len,
				  bool guest_sends)
{
	struct stage *s = aligned_alloc(_Alignof(struct stage), sizeof(*s));
	struct ring_config config;
	struct error err;

	assert_non_null(s);
	memset(s, 0, sizeof(*s));
	pair_init(&s->pair, features, size, 0, indirect_len);
	s->env = fake_env_make(NULL);
	port_init(&s->port, NULL, "vm", &s->env.env, NULL);
	config = pair_device_config(&s->pair);
	assert_int_equal(ring_start(&s->vring.ring, &config, &err), 0);
	s->vring.live = s->vring.started = s->vring.enabled = true;
	s->vring.kick_fd = s->vring.err_fd = -1;
	s->vring.call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	s->state.mem = s->pair.mem;
	s->state.features = features;
	assert_int_equal(vhost_queue_init(&s->q, &s->port, 3, &s->vring, &s->state, guest_sends),
			 0);
	s->batch = batch_create();
	assert_non_null(s->batch);
	return s;
}

static inline void stop(struct stage *s)
{
	vhost_queue_free(&s->q);
	close(s->vring.call_fd);
	batch_destroy(s->batch);
	pair_destroy(&s->pair);
	free(s);
}

static inline uint64_t all_drops(const struct stage *s)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < DROP_N_REASONS; i++)
		n += s->c.drops[i];
	return n;
}

static inline bool was_called(struct stage *s)
{
	uint64_t n;

	return read(s->vring.call_fd, &n, sizeof(n)) == sizeof(n);
}

static inline uint8_t byte_of(uint32_t number, uint32_t i)
{
	return (uint8_t)(number * 31 + i * 7);
}
