// SPDX-License-Identifier: Apache-2.0
/* Ports of kind vhost-user: guests, whose front-end (QEMU, DPDK, ...) shares memory and rings over
 * a unix socket. This is the control half; vhost_queue.c moves the packets.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>

#include "base/ids.h"
#include "port/kinds.h"
#include "port/offload.h"
#include "port/vhost_queue.h"
#include "vhost/device.h"
#include "vhost/proto.h"

#define QUEUES_DEFAULT 8

struct vhost_port {
	struct port port;
	struct vhost_device *device;
	unsigned n_pairs;
	struct vhost_queue *rx, *tx; /* of each pair; what the guest sends, and what it receives */
	char *path;
	bool listens;
};

/* As socket rights have it: -1 when there is none. */
static int find_user(const char *text, struct error *err)
{
	int64_t id = ids_find_user(text, err);

	return id >= 0 && id <= INT32_MAX ? (int)id : -1;
}

static int find_group(const char *text, struct error *err)
{
	int64_t id = ids_find_group(text, err);

	return id >= 0 && id <= INT32_MAX ? (int)id : -1;
}

static json_t *check_owner(const char *text, struct error *err)
{
	error_set(err, -EINVAL, "there is no user \"%s\"", text);
	return find_user(text, err) < 0 ? NULL : json_string(text);
}

static json_t *check_group(const char *text, struct error *err)
{
	error_set(err, -EINVAL, "there is no group \"%s\"", text);
	return find_group(text, err) < 0 ? NULL : json_string(text);
}

static const char *const modes[] = { "listen", "connect", NULL };

static const struct option vhost_user_options[] = {
	{ .name = "path",
	  .type = OPTION_STRING,
	  .flags = OPTION_REQUIRED | OPTION_FIXED,
	  .help = "unix socket that the front-end (QEMU) uses" },
	{ .name = "mode",
	  .type = OPTION_CHOICE,
	  .flags = OPTION_FIXED,
	  .choices = modes,
	  .help = "listen (make the socket and wait), or connect to the front-end's (listen)" },
	{ .name = "queues",
	  .type = OPTION_UINT,
	  .flags = OPTION_FIXED,
	  .min = 1,
	  .max = PORT_QUEUES_MAX,
	  .help = "most queue pairs that the guest may use (8)" },
	{ .name = "owner",
	  .type = OPTION_CUSTOM,
	  .flags = OPTION_FIXED,
	  .check = check_owner,
	  .help = "user that the socket belongs to" },
	{ .name = "group",
	  .type = OPTION_CUSTOM,
	  .flags = OPTION_FIXED,
	  .check = check_group,
	  .help = "group that the socket belongs to" },
	{ .name = "socket-mode",
	  .type = OPTION_OCTAL,
	  .flags = OPTION_FIXED,
	  .help = "permissions of the socket (0600)" },
	{ .name = "packed",
	  .type = OPTION_BOOL,
	  .flags = OPTION_FIXED,
	  .help = "offer packed rings (on)" },
	{ .name = "config",
	  .type = OPTION_BOOL,
	  .flags = OPTION_FIXED,
	  .help = "offer the configuration space; not for QEMU, which keeps its own (off)" },
	OFFLOAD_OPTIONS(OPTION_LATER),
	{ .name = "offload-mrg-rxbuf",
	  .type = OPTION_BOOL,
	  .flags = OPTION_LATER,
	  .help = "let a packet take several receive buffers of the guest (on)" },
	{ 0 },
};

static struct vhost_port *to_vhost(const struct port *port)
{
	return container_of(port, struct vhost_port, port);
}

/* Lists a queue, if its ring is live. One that workers may have is left as it is: what a worker
 * uses changes only after a quiesce, which unlists all.
 */
static bool list_queue(struct vhost_port *vp, struct vhost_queue *q, unsigned pair, bool sends)
{
	struct vhost_vring *vring = vhost_device_vring(vp->device, 2 * pair + sends);

	if (!vring->live || (!sends && !vring->enabled))
		return false;
	if (!q->listed &&
	    vhost_queue_init(q, &vp->port, pair, vring, vhost_device_state(vp->device), sends) < 0)
		return false;
	q->listed = true;
	return true;
}

static void on_changed(void *owner)
{
	struct vhost_port *vp = owner;
	struct port *port = &vp->port;
	const struct vhost_device_state *state = vhost_device_state(vp->device);

	port->n_rxqs = port->n_txqs = 0;
	for (unsigned i = 0; i < vp->n_pairs; i++) {
		if (list_queue(vp, &vp->rx[i], i, true))
			port->rxqs[port->n_rxqs++] = &vp->rx[i].rxq;
		if (list_queue(vp, &vp->tx[i], i, false))
			port->txqs[port->n_txqs++] = &vp->tx[i].txq;
	}
	port->link = state->connected && (port->n_rxqs || port->n_txqs);
	port->numa_node = guestmem_numa_node(state->mem);
	port->env->changed(port);
}

static void on_quiesce(void *owner)
{
	struct vhost_port *vp = owner;

	vp->port.env->quiesce(&vp->port);
}

static void on_announce(void *owner, uint64_t mac)
{
	struct vhost_port *vp = owner;

	vp->port.env->announce(&vp->port, mac);
}

static int on_save(void *owner, uint8_t **bytes, size_t *n, struct error *err)
{
	struct vhost_port *vp = owner;

	return vp->port.env->save(&vp->port, bytes, n, err);
}

static int on_load(void *owner, const uint8_t *bytes, size_t n, struct error *err)
{
	struct vhost_port *vp = owner;

	return vp->port.env->load(&vp->port, bytes, n, err);
}

/* FNV-1a: not for tables, but the same in every process. */
static uint64_t hash_name(const char *name)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 0x100000001b3ull;
	return h;
}

static const struct vhost_device_ops device_ops = {
	.quiesce = on_quiesce,
	.changed = on_changed,
	.announce = on_announce,
	.save = on_save,
	.load = on_load,
};

static void vhost_user_quiesced(struct port *port)
{
	struct vhost_port *vp = to_vhost(port);

	for (unsigned i = 0; i < vp->n_pairs; i++)
		vp->rx[i].listed = vp->tx[i].listed = false;
	vhost_device_quiesced(vp->device);
}

/* What works; more comes with what implements it. MQ without a control queue makes drivers that
 * read the specification closely refuse the device, so a port of one queue does not offer it.
 * STATUS is a field of the configuration space: who keeps that, offers it.
 */
static uint64_t offered_features(unsigned n_pairs, const json_t *options)
{
	bool mergeable = option_bool(options, "offload-mrg-rxbuf", true);
	bool config = option_bool(options, "config", false);

	return 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_F_ANY_LAYOUT |
	       1ull << VIRTIO_RING_F_INDIRECT_DESC | 1ull << VIRTIO_RING_F_EVENT_IDX |
	       1ull << VIRTIO_F_IN_ORDER |
	       (uint64_t)option_bool(options, "packed", true) << VIRTIO_F_RING_PACKED |
	       1ull << VHOST_USER_F_PROTOCOL_FEATURES | 1ull << VHOST_USER_F_LOG_ALL |
	       1ull << VIRTIO_NET_F_MTU | offload_features(offload_wanted(options)) |
	       (uint64_t)mergeable << VIRTIO_NET_F_MRG_RXBUF |
	       (uint64_t)config << VIRTIO_NET_F_STATUS | (uint64_t)(n_pairs > 1) << VIRTIO_NET_F_MQ;
}

static uint64_t offered_protocol_features(bool config)
{
	return 1ull << VHOST_USER_PROTOCOL_F_MQ | 1ull << VHOST_USER_PROTOCOL_F_LOG_SHMFD |
	       1ull << VHOST_USER_PROTOCOL_F_RARP | 1ull << VHOST_USER_PROTOCOL_F_REPLY_ACK |
	       1ull << VHOST_USER_PROTOCOL_F_NET_MTU | 1ull << VHOST_USER_PROTOCOL_F_BACKEND_REQ |
	       1ull << VHOST_USER_PROTOCOL_F_RESET_DEVICE |
	       1ull << VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD |
	       1ull << VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS |
	       1ull << VHOST_USER_PROTOCOL_F_STATUS | 1ull << VHOST_USER_PROTOCOL_F_DEVICE_STATE |
	       (uint64_t)config << VHOST_USER_PROTOCOL_F_CONFIG;
}

static int make_device(struct vhost_port *vp, const json_t *options, struct error *err)
{
	const char *owner = option_string(options, "owner", NULL);
	const char *group = option_string(options, "group", NULL);
	const char *mode = option_string(options, "socket-mode", NULL);
	struct vhost_device_config config = {
		.name = vp->port.name,
		.path = vp->path,
		.mode = vp->listens ? VHOST_LISTEN : VHOST_CONNECT,
		.rights = { .uid = -1, .gid = -1, .mode = -1 },
		.features = offered_features(vp->n_pairs, options),
		.supported = offered_features(PORT_QUEUES_MAX, NULL) | 1ull << VIRTIO_NET_F_STATUS,
		.protocol_features =
			offered_protocol_features(option_bool(options, "config", false)),
		.n_queue_pairs = vp->n_pairs,
		.mtu = (uint16_t)option_uint(options, "mtu", 1500),
		.base = vp->port.env->base,
	};

	if (!vp->listens && (owner || group || mode))
		return error_set(
			err, -EINVAL,
			"owner, group and socket-mode are for mode listen: here the front-end makes the socket");
	if (owner)
		config.rights.uid = find_user(owner, NULL);
	if (group)
		config.rights.gid = find_group(group, NULL);
	if (mode)
		config.rights.mode = (int)strtol(mode, NULL, 8);
	/* a locally administered address, the same for every start of this port */
	mac_store(config.mac, 0x020000000000ull | (hash_name(vp->port.name) & 0xffffffffffull));
	return vhost_device_create(&vp->device, &config, &device_ops, vp, vp->port.env->endpoints,
				   err);
}

static void vhost_user_destroy(struct port *port)
{
	struct vhost_port *vp;

	if (!port)
		return;
	vp = to_vhost(port);
	vhost_device_destroy(vp->device);
	for (unsigned i = 0; vp->rx && vp->tx && i < vp->n_pairs; i++) {
		vhost_queue_free(&vp->rx[i]);
		vhost_queue_free(&vp->tx[i]);
	}
	free(vp->rx);
	free(vp->tx);
	free(vp->path);
	free(vp);
}

static int vhost_user_create(struct port **out, const char *name, const json_t *options,
			     const struct port_env *env, void *owner, struct error *err)
{
	struct vhost_port *vp = calloc(1, sizeof(*vp));
	int r;

	if (!vp)
		return error_set(err, -ENOMEM, "out of memory");
	port_init(&vp->port, &vhost_user_port_ops, name, env, owner);
	vp->n_pairs = (unsigned)option_uint(options, "queues", QUEUES_DEFAULT);
	vp->listens = !strcmp(option_string(options, "mode", "listen"), "listen");
	vp->rx = calloc(vp->n_pairs, sizeof(*vp->rx));
	vp->tx = calloc(vp->n_pairs, sizeof(*vp->tx));
	vp->path = strdup(option_string(options, "path", ""));
	r = vp->rx && vp->tx && vp->path ? make_device(vp, options, err)
					 : error_set(err, -ENOMEM, "out of memory");
	if (r < 0) {
		vhost_user_destroy(&vp->port);
		return r;
	}
	*out = &vp->port;
	return 0;
}

static int vhost_user_set(struct port *port, const json_t *options, const json_t *changes,
			  struct error *err)
{
	struct vhost_port *vp = to_vhost(port);

	vhost_device_set_offer(vp->device, offered_features(vp->n_pairs, options),
			       (uint16_t)option_uint(options, "mtu", 1500));
	return 0;
}

/* A ring that a worker found broken is told of once. */
static void attend_queue(struct vhost_port *vp, struct vhost_queue *q, unsigned index)
{
	if (!q->listed || q->told || !ring_broken(&q->vring->ring))
		return;
	q->told = true;
	vhost_device_ring_broken(vp->device, index);
}

static void vhost_user_attend(struct port *port)
{
	struct vhost_port *vp = to_vhost(port);

	for (unsigned i = 0; i < vp->n_pairs; i++) {
		attend_queue(vp, &vp->tx[i], 2 * i);
		attend_queue(vp, &vp->rx[i], 2 * i + 1);
	}
}

/* "ok", or why a ring does not run. */
static const char *ring_state(const struct vhost_vring *v)
{
	if (ring_broken(&v->ring))
		return ring_fault_text(ring_fault(&v->ring));
	if (v->live)
		return "ok";
	/* everything was told, but its memory is not there, or not any more */
	if (v->started && v->size && v->has_addr)
		return ring_fault_text(RING_FAULT_UNMAPPED);
	return "stopped";
}

static json_t *show_ring(struct vhost_port *vp, unsigned index)
{
	const struct vhost_vring *v = vhost_device_vring(vp->device, index);

	return json_pack("{s:s, s:i, s:s, s:s, s:i, s:b, s:I, s:I, s:s}", "direction",
			 index % 2 ? "rx" : "tx", "index", (int)(index / 2), "state", ring_state(v),
			 "ring", v->live ? v->ring.ops->name : "none", "size", (int)v->size,
			 "enabled", v->enabled, "chains",
			 (json_int_t)counter_read(&v->ring.n_chains), "notifications",
			 (json_int_t)counter_read(&v->ring.n_notified), "wakes_by",
			 v->kick_fd < 0 ? "polling" : "kick");
}

static void vhost_user_show(const struct port *port, json_t *out)
{
	struct vhost_port *vp = to_vhost(port);
	const struct vhost_device_state *s = vhost_device_state(vp->device);
	json_t *queues = json_array();

	json_object_set_new(out, "socket", json_string(vp->path));
	json_object_set_new(out, "mode", json_string(vp->listens ? "listen" : "connect"));
	json_object_set_new(out, "connected", json_boolean(s->connected));
	json_object_set_new(out, "connects", json_integer((json_int_t)s->n_connects));
	if (s->peer_pid)
		json_object_set_new(out, "peer_pid", json_integer(s->peer_pid));
	if (s->resumed)
		json_object_set_new(out, "received_again_at_most", json_integer(s->n_again));
	if (s->last_error[0])
		json_object_set_new(out, "last_error", json_string(s->last_error));
	if (s->connected) {
		json_object_set_new(out, "features", vhost_features_json(s->features));
		json_object_set_new(out, "protocol_features",
				    vhost_protocol_features_json(s->protocol_features));
		json_object_set_new(out, "device_status", vhost_status_json(s->status));
		json_object_set_new(out, "memory_regions", json_integer(s->mem->n_ranges));
		json_object_set_new(out, "memory_bytes",
				    json_integer((json_int_t)guestmem_size(s->mem)));
	}
	if (s->log)
		json_object_set_new(out, "dirty_log_pages",
				    json_integer((json_int_t)dirty_log_pages(s->log)));
	if (s->mtu)
		json_object_set_new(out, "guest_mtu", json_integer(s->mtu));
	for (unsigned i = 0; i < s->n_vrings_used; i++)
		json_array_append_new(queues, show_ring(vp, i));
	json_object_set_new(out, "queues", queues);
}

const struct port_ops vhost_user_port_ops = {
	.kind = "vhost-user",
	.summary = "a guest, or any other vhost-user front-end, over a unix socket",
	.options = vhost_user_options,
	.create = vhost_user_create,
	.destroy = vhost_user_destroy,
	.set = vhost_user_set,
	.quiesced = vhost_user_quiesced,
	.attend = vhost_user_attend,
	.show = vhost_user_show,
	.rx = vhost_queue_rx,
	.rx_done = vhost_queue_rx_done,
	.rx_settle = vhost_queue_rx_settle,
	.arm = vhost_queue_arm,
	.disarm = vhost_queue_disarm,
	.tx = vhost_queue_tx,
	.tx_settle = vhost_queue_tx_settle,
};
