/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of vhost-user ports in a running switch: guests that are drivers in user space, over
 * real sockets. All in the test's thread, with the loop of its rig.
 */
#pragma once

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include "switch_rig.h"
#include "vhost/frontend.h"
#include "vhost/proto.h"

#define BIT(n) (1ull << (n))
#define MODERN (BIT(VIRTIO_F_VERSION_1) | BIT(VHOST_USER_F_PROTOCOL_FEATURES))
#define FRAME_MAX 2000

/* Memory, a front-end and a driver. */
struct guest {
	struct sharedmem mem;
	struct frontend *frontend;
	struct netdrv *drv;
	unsigned n_pairs, n_downs, n_ready;
	uint64_t sent;
};

static char dir[64];

UNUSED_OK static int setup(void **state)
{
	static struct rig rig;

	snprintf(dir, sizeof(dir), "/tmp/vireo-test-XXXXXX");
	assert_non_null(mkdtemp(dir));
	rig_open(&rig, 2);
	rig_add_bridge(&rig, "br0");
	*state = &rig;
	return 0;
}

UNUSED_OK static int teardown(void **state)
{
	rig_close(*state);
	assert_int_equal(rmdir(dir), 0); /* no socket is left */
	return 0;
}

static const char *path_of(const char *name)
{
	static char path[96];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

UNUSED_OK static json_t *vhost_port(const char *name)
{
	return J("{s:s, s:s, s:s}", "name", name, "type", "vhost-user", "path", path_of(name));
}

UNUSED_OK static struct port *add(struct rig *rig, const char *name)
{
	rig_do(rig, switch_port_add, vhost_port(name));
	return rig_find(rig, name)->port;
}

/* ---- guests */

UNUSED_OK static void negotiated(void *owner, uint64_t features, unsigned n_pairs)
{
	struct guest *g = owner;
	bool many = g->n_pairs > 4; /* then small rings, or memory would not do */
	struct netdrv_config net = { .features = features,
				     .n_pairs = g->n_pairs,
				     .rx_ring_size = many ? 16 : 0,
				     .tx_ring_size = many ? 16 : 0,
				     .rx_buffer_len = many ? 256 : 0,
				     .tx_buffer_len = many ? 256 : 0 };
	struct error err;

	assert_true(n_pairs >= g->n_pairs);
	if ((!g->drv && netdrv_create(&g->drv, &net, &g->mem, &err) != 0) ||
	    netdrv_start(g->drv, frontend_transport(g->frontend), &err) != 0)
		fail_msg("%s", err.text);
}

UNUSED_OK static void ready(void *owner)
{
	((struct guest *)owner)->n_ready++;
}

UNUSED_OK static void down(void *owner, const char *why)
{
	((struct guest *)owner)->n_downs++;
}

static const struct frontend_ops frontend_ops = { .negotiated = negotiated,
						  .ready = ready,
						  .down = down };

UNUSED_OK static void plug(struct rig *rig, struct guest *g, const char *name, uint64_t features,
			   unsigned n_pairs, bool listen)
{
	struct frontend_config config = { .path = path_of(name),
					  .listen = listen,
					  .features = MODERN | features,
					  .protocol_features = FRONTEND_PROTOCOL_FEATURES,
					  .memory = &g->mem.memory };
	struct error err = { "" };

	memset(g, 0, sizeof(*g));
	g->n_pairs = n_pairs;
	assert_int_equal(sharedmem_add(&g->mem, "guest", 8 << 20, 1ull << 32, &err), 0);
	if (frontend_create(&g->frontend, &config, &frontend_ops, g, rig->base, &err) != 0)
		fail_msg("%s", err.text);
	UNTIL(rig, frontend_ready(g->frontend));
}

UNUSED_OK static void unplug(struct guest *g)
{
	frontend_destroy(g->frontend);
	netdrv_destroy(g->drv);
	sharedmem_destroy(&g->mem);
}

UNUSED_OK static void guest_sends(struct rig *rig, struct guest *g, unsigned pair, mac_t dst,
				  mac_t src, uint64_t number)
{
	uint8_t bytes[64];
	struct iovec iov = { bytes, sizeof(bytes) };
	struct netdrv_frame f = { .iov = &iov, .n_iov = 1, .len = sizeof(bytes) };

	rig_frame(bytes, sizeof(bytes), dst, src, number);
	UNTIL(rig, netdrv_send(g->drv, pair, &f, 1) == 1);
	g->sent++;
}

/* The number of the next frame of this test's; false: none is there. */
UNUSED_OK static bool guest_receives(struct guest *g, unsigned pair, uint64_t *number)
{
	uint8_t bytes[FRAME_MAX], want[64];
	struct netdrv_frame f;
	size_t at = 0;

	if (!netdrv_receive(g->drv, pair, &f, 1))
		return false;
	assert_true(f.len <= sizeof(bytes));
	for (unsigned i = 0; i < f.n_iov; i++) {
		memcpy(bytes + at, f.iov[i].iov_base, f.iov[i].iov_len);
		at += f.iov[i].iov_len;
	}
	netdrv_release(g->drv, pair);
	assert_int_equal(f.len, 64);
	memcpy(number, bytes + ETH_HLEN, sizeof(*number));
	rig_frame(want, sizeof(want), mac_load(bytes), mac_load(bytes + ETH_ALEN), *number);
	assert_memory_equal(bytes, want, sizeof(want));
	return true;
}

UNUSED_OK static uint64_t guest_expects(struct rig *rig, struct guest *g, unsigned pair)
{
	uint64_t number = 0;

	UNTIL(rig, guest_receives(g, pair, &number));
	return number;
}
