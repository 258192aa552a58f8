// SPDX-License-Identifier: Apache-2.0
// A guest for tests: memory, a vhost-user front-end and a virtio-net driver, put together.

#include "guest/guest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "packet/ethernet.h"
#include "vhost/proto.h"

#define FIRST_ADDR 0x40000000ull

static void fail(struct guest *guest, const char *why)
{
	guest->failed = true;
	snprintf(guest->why, sizeof(guest->why), "%s", why);
}

int guest_start(struct guest *guest)
{
	struct netdrv_config net = guest->config.net;
	struct error err;

	guest->started = true;
	net.features = frontend_features(guest->frontend);
	if (net.n_pairs == 0)
		net.n_pairs = 1;
	if ((guest->drv == NULL && netdrv_create(&guest->drv, &net, &guest->mem, &err) != 0) ||
	    netdrv_start(guest->drv, frontend_transport(guest->frontend), &err) != 0)
		fail(guest, err.text);
	return guest->failed ? -EIO : 0;
}

static void negotiated(void *owner, uint64_t features, unsigned n_pairs)
{
	struct guest *guest = owner;

	if (!guest->config.waits)
		guest_start(guest);
}

static void answered(void *owner, uint32_t request, uint64_t value, int *fd)
{
	struct guest *guest = owner;

	if (guest->state != NULL)
		frontend_state_answered(guest->state, request, value, fd);
}

static void down(void *owner, const char *why)
{
	struct guest *guest = owner;

	guest->n_downs++;
	snprintf(guest->why, sizeof(guest->why), "%s", why);
	if (guest->state != NULL)
		frontend_state_down(guest->state, why);
}

static void stopped(void *owner, unsigned index, uint32_t base)
{
	struct guest *guest = owner;

	guest->n_stopped++;
}

static const struct frontend_ops frontend_ops = {
	.negotiated = negotiated,
	.stopped = stopped,
	.down = down,
	.answered = answered,
};

uint64_t guest_region_addr(const struct guest_config *config, unsigned i)
{
	uint64_t size = config->mem_size ?: 8 << 20;

	return FIRST_ADDR + i * size + (i > 1 ? (i - 1) * size : 0);
}

int guest_open(struct guest *guest, const struct guest_config *config, struct error *err)
{
	struct frontend_config fc = {
		.path = config->path,
		.listen = config->listen,
		.features = config->features,
		.required = config->required,
		.protocol_features = config->protocol_features ?: FRONTEND_PROTOCOL_FEATURES,
		.inflight_size = config->inflight_size,
		.memory = &guest->mem.memory,
	};
	int rc = 0;

	memset(guest, 0, sizeof(*guest));
	guest->config = *config;
	if (!config->no_protocol)
		fc.features |= 1ull << VHOST_USER_F_PROTOCOL_FEATURES;
	guest->base = event_base_new();
	if (guest->base == NULL)
		return error_set(err, -ENOMEM, "out of memory");
	for (unsigned i = 0; rc == 0 && i < (config->n_regions ?: 1); i++)
		rc = sharedmem_add(&guest->mem, "guest", config->mem_size ?: 8 << 20,
				   guest_region_addr(config, i), err);
	if (rc == 0)
		rc = frontend_create(&guest->frontend, &fc, &frontend_ops, guest, guest->base, err);
	if (rc != 0)
		guest_close(guest);
	return rc;
}

void guest_close(struct guest *guest)
{
	frontend_state_destroy(guest->state);
	frontend_destroy(guest->frontend);
	netdrv_destroy(guest->drv);
	sharedmem_destroy(&guest->mem);
	if (guest->base != NULL)
		event_base_free(guest->base);
	memset(guest, 0, sizeof(*guest));
}

void guest_turn(struct guest *guest)
{
	event_base_loop(guest->base, EVLOOP_NONBLOCK);
}

/* Runs the loop until @is holds. */
static int wait_until(struct guest *guest, bool (*is)(const struct guest *guest), unsigned ms)
{
	uint64_t end = clock_ns() + ms * NSEC_PER_MSEC;
	struct timeval tick = { 0, 10000 };

	while (!is(guest)) {
		if (guest->failed)
			return -EIO;
		if (clock_ns() > end)
			return -ETIMEDOUT;
		event_base_loopexit(guest->base, &tick);
		event_base_loop(guest->base, EVLOOP_ONCE);
	}
	return 0;
}

static bool is_ready(const struct guest *guest)
{
	if (guest->config.waits && !guest->started)
		return frontend_features(guest->frontend) != 0;
	return frontend_ready(guest->frontend);
}

int guest_wait(struct guest *guest, unsigned ms)
{
	return wait_until(guest, is_ready, ms);
}

static bool is_stopped(const struct guest *guest)
{
	return guest->n_stopped >= 2;
}

int guest_stop(struct guest *guest, unsigned ms)
{
	guest->n_stopped = 0;
	for (unsigned i = 0; i < 2; i++)
		if (frontend_stop_ring(guest->frontend, i) != 0)
			return -ENOTCONN;
	return wait_until(guest, is_stopped, ms);
}

static void on_state(void *owner, int rc, const uint8_t *bytes, size_t n, const char *why)
{
	struct guest *guest = owner;

	guest->state_over = true;
	guest->state_result = rc;
	guest->saved = bytes;
	guest->n_saved = n;
	if (rc != 0)
		snprintf(guest->why, sizeof(guest->why), "%s", why);
}

static void forget_state(struct guest *guest)
{
	frontend_state_destroy(guest->state);
	guest->state = NULL;
	guest->state_over = false;
	guest->saved = NULL;
}

int guest_save(struct guest *guest)
{
	struct error err;
	int rc;

	forget_state(guest);
	rc = frontend_state_save(&guest->state, guest->frontend, guest->base, on_state, guest,
				 &err);
	if (rc != 0)
		snprintf(guest->why, sizeof(guest->why), "%s", err.text);
	return rc;
}

int guest_load(struct guest *guest, const uint8_t *bytes, size_t n)
{
	struct error err;
	int rc;

	forget_state(guest);
	rc = frontend_state_load(&guest->state, guest->frontend, guest->base, bytes, n, on_state,
				 guest, &err);
	if (rc != 0)
		snprintf(guest->why, sizeof(guest->why), "%s", err.text);
	return rc;
}

static bool state_is_over(const struct guest *guest)
{
	return guest->state_over;
}

int guest_state(struct guest *guest, unsigned ms)
{
	return wait_until(guest, state_is_over, ms) ?: guest->state_result;
}

bool guest_send(struct guest *guest, const void *frame, uint32_t len)
{
	struct iovec iov = { (void *)frame, len };
	struct netdrv_frame f = { .iov = &iov, .n_iov = 1, .len = len };

	return netdrv_send(guest->drv, 0, &f, 1) == 1;
}

uint32_t guest_receive(struct guest *guest, void *frame)
{
	struct netdrv_frame f;
	size_t at = 0;

	if (netdrv_receive(guest->drv, 0, &f, 1) == 0)
		return 0;
	for (unsigned i = 0; i < f.n_iov; i++) {
		size_t part = min(f.iov[i].iov_len, (size_t)GUEST_FRAME_MAX - at);

		memcpy((uint8_t *)frame + at, f.iov[i].iov_base, part);
		at += part;
	}
	netdrv_release(guest->drv, 0);
	return f.len;
}

unsigned guest_ethernet(uint8_t *frame, uint8_t to, uint8_t from)
{
	mac_store(frame, to == 0xff ? 0xffffffffffffull : 0x020000000000ull | to);
	mac_store(frame + ETH_ALEN, 0x020000000000ull | from);
	frame[12] = 0x88;
	frame[13] = 0xb5;
	return ETH_HLEN;
}
