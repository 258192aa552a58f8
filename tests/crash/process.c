// SPDX-License-Identifier: Apache-2.0
/* The switch's end of the keeper, and what hangs on it (process.h). Whatever is wrong here ends the
 * process, which the test notices.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"
#include "process.h"
#include "script.h"

#define BIT(n) (1ull << (n))
#define FEATURES                                                                       \
	(BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_NET_F_MTU) | \
	 BIT(VHOST_USER_F_LOG_ALL) | BIT(VHOST_USER_F_PROTOCOL_FEATURES))
#define KEPT_LEN 4096

/* What workers do: all that is in a ring that they may use is taken, and given back. */
static void work(struct process *p)
{
	static struct iovec arena[RING_ARENA_LEN];

	for (unsigned i = 0; i < PROCESS_RINGS; i++) {
		struct vhost_vring *v = vhost_device_vring(p->device, i);
		struct ring_chain chains[4];
		unsigned n;

		while (v->live && v->enabled &&
		       (n = ring_take(&v->ring, rcu_read(&vhost_device_state(p->device)->mem),
				      chains, ARRAY_SIZE(chains), arena, RING_ARENA_LEN)))
			ring_complete(&v->ring, NULL, n);
		if (v->live && ring_broken(&v->ring))
			abort();
	}
}

static void on_quiesce(void *owner)
{
	((struct process *)owner)->asked = true;
}

static void on_changed(void *owner)
{
	struct process *p = owner;

	if (p->device)
		work(p);
}

static void on_announce(void *owner, uint64_t mac)
{
}

static const struct vhost_device_ops device_ops = { .quiesce = on_quiesce,
						    .changed = on_changed,
						    .announce = on_announce };

static void on_refused(void *owner, int rc, const char *why)
{
	abort();
}

static void on_lost(void *owner, const char *why)
{
	abort();
}

static void ignore(void *owner)
{
}

static const struct keeper_client_ops client_ops = {
	.lost = on_lost, .told = ignore, .leave = ignore, .refused = on_refused
};

static void look_at_ring(const struct vhost_vring *v, struct snapshot *s, unsigned i)
{
	s->rings[i].started = v->started;
	s->rings[i].enabled = v->enabled;
	s->rings[i].live = v->live;
	s->rings[i].size = v->size;
	s->rings[i].has_addr = v->has_addr;
	s->rings[i].kick = v->kick_fd >= 0;
	s->rings[i].call = v->call_fd >= 0;
	s->rings[i].err = v->err_fd >= 0;
	s->rings[i].base = v->live ? ring_base(&v->ring) : v->base;
	s->rings[i].reset_base = v->reset_base;
	s->rings[i].desc = v->desc_addr;
	s->rings[i].driver = v->driver_addr;
	s->rings[i].device = v->device_addr;
}

static void look(struct process *p)
{
	const struct vhost_device_state *state = vhost_device_state(p->device);
	struct snapshot now = { 0 }, *s = &now;

	s->features = state->features;
	s->protocol_features = state->protocol_features;
	s->mtu = state->mtu;
	s->status = state->status;
	s->connected = state->connected;
	s->logs = state->log != NULL;
	s->n_ranges = state->mem->n_ranges;
	for (unsigned i = 0; i < PROCESS_RANGES && i < s->n_ranges; i++) {
		s->ranges[i].guest = state->mem->ranges[i].guest_addr;
		s->ranges[i].user = state->mem->ranges[i].user_addr;
		s->ranges[i].size = state->mem->ranges[i].size;
	}
	for (unsigned i = 0; i < PROCESS_RINGS; i++)
		look_at_ring(vhost_device_vring(p->device, i), s, i);
	*p->snapshot = now;
}

/* Memory that is held, with a mark in it as long as it is. */
static void keep_mark(struct process *p, const char *key)
{
	struct keep *keep = keeper_client_keep(p->client);
	size_t old_len;
	char *old = keep_old_memory(keep, key, &old_len), *memory;
	int file;

	if (old && (old_len != KEPT_LEN || strcmp(old, "mark") != 0))
		abort();
	memory = keep_memory(keep, KEPT_LEN, &file);
	if (!memory)
		abort();
	memcpy(memory, "mark", sizeof("mark"));
	keep_hold_memory(keep, key, file);
	keep_unmap(old, old_len);
	keep_unmap(memory, KEPT_LEN);
}

void process_begin(struct process *p, int fd)
{
	struct vhost_device_config config = {
		.name = "vm",
		.path = p->path,
		.rights = { -1, -1, -1 },
		.features = FEATURES,
		.supported = FEATURES,
		.protocol_features = SCRIPT_PROTOCOL,
		.n_queue_pairs = PROCESS_RINGS / 2,
		.mtu = 1500,
	};
	struct error err;
	char *text;

	p->device = NULL;
	p->asked = false;
	p->base = event_base_new();
	if (keeper_client_create(&p->client, fd, p->base, &client_ops, p, &err))
		abort();
	text = keeper_client_config(p->client);
	if (!text)
		keeper_client_set_config(p->client, "one");
	else if (strcmp(text, "one") != 0 && strcmp(text, "two") != 0)
		abort();
	free(text);
	keep_mark(p, "always");
	if (vhost_device_create(&p->device, &config, &device_ops, p,
				keeper_client_endpoints(p->client), &err))
		abort();
	keeper_client_ready(p->client);
}

void process_turn(struct process *p, bool wait)
{
	if (wait)
		look(p);
	event_base_loop(p->base, wait ? EVLOOP_ONCE : EVLOOP_NONBLOCK);
	work(p);
	if (!p->asked)
		return;
	p->asked = false;
	vhost_device_quiesced(p->device);
}

void process_change(struct process *p)
{
	keeper_client_set_config(p->client, "two");
	keep_mark(p, "more");
	keep_release(keeper_client_keep(p->client), "more");
	keeper_client_upgrade(p->client, "/nowhere", false, STDIN_FILENO);
}

void process_close(struct process *p)
{
	vhost_device_destroy(p->device);
	p->device = NULL;
}

void process_leave(struct process *p)
{
	keeper_client_left(p->client);
}
