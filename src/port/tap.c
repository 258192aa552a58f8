// SPDX-License-Identifier: Apache-2.0
// Ports of kind tap: a device of the kernel whose other side is the host's network stack, a
// container, or a bridge. One system call for each frame.
#include <assert.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"
#include "port/kinds.h"
#include "port/offload.h"
#include "port/port.h"
#include "port/slots.h"
#include "port/tap_device.h"
#include "virtio/net_header.h"

LOG_MODULE("tap");

#define IOV_USED_MAX                                                                \
	64 /* fragments written from where they are; longer chains are copied first \
	    */

_Static_assert(TAP_QUEUES_MAX <= PORT_QUEUES_MAX, "a port has room for all queues of a device");

struct tap_rxq {
	struct rxq q;
	int fd;
	unsigned header_len;
	uint8_t *slots; /* BATCH_MAX frames */
};

struct tap_txq {
	struct txq q;
	int fd;
	unsigned header_len;
	uint8_t *slot; /* one frame */
};

struct tap {
	struct port port;
	struct tap_device dev;
	enum tap_state state;
	struct event *changes; /* reads dev.monitor */
	bool existing, net_header;
	unsigned offloads; /* that are exchanged with the kernel */
	unsigned mtu;	   /* asked for; 0: whatever the device has */
	char interface[IFNAMSIZ];
	char *netns; /* NULL: ours */
	struct tap_rxq *rxqs;
	struct tap_txq *txqs;
};

static json_t *check_interface(const char *text, struct error *err)
{
	return tap_interface_check(text, err) < 0 ? NULL : json_string(text);
}

static const struct option tap_options[] = {
	{ .name = "interface",
	  .type = OPTION_CUSTOM,
	  .flags = OPTION_FIXED,
	  .help = "name of the kernel's device (the port's name)",
	  .check = check_interface },
	{ .name = "netns",
	  .type = OPTION_STRING,
	  .flags = OPTION_FIXED,
	  .help = "network namespace of the device, as \"ip netns\" names it (vireod's own)" },
	{ .name = "existing",
	  .type = OPTION_BOOL,
	  .flags = OPTION_FIXED,
	  .help = "use a persistent device that is there instead of making one (off)" },
	{ .name = "queues",
	  .type = OPTION_UINT,
	  .flags = OPTION_FIXED,
	  .help = "queue pairs of the device (1)",
	  .min = 1,
	  .max = TAP_QUEUES_MAX },
	{ .name = "vnet-header",
	  .type = OPTION_BOOL,
	  .flags = OPTION_FIXED,
	  .help = "exchange virtio-net headers (offloads) with the kernel (on)" },
	OFFLOAD_OPTIONS(0),
	{ .name = NULL },
};

static struct tap *to_tap(const struct port *port)
{
	return container_of(port, struct tap, port);
}

static void on_change(evutil_socket_t fd, short what, void *arg)
{
	struct tap *tap = arg;
	enum tap_state state = tap_device_state(&tap->dev);

	if (state == tap->state)
		return;
	log_limited(LOG_INFO, "port %s: device %s is %s", tap->port.name, tap->interface,
		    tap_state_name(state));
	tap->state = state;
	/* Nothing will ever happen to a device that is gone: close() is all that is left. */
	if (state == TAP_GONE)
		event_del(tap->changes);
	if (tap->port.link == (state == TAP_UP))
		return;
	tap->port.link = state == TAP_UP;
	tap->port.env->changed(&tap->port);
}

static int add_queues(struct tap *tap)
{
	unsigned n = tap->dev.n_queues;
	unsigned header_len = tap->net_header ? sizeof(struct virtio_net_hdr) : 0;

	assert(n);
	tap->rxqs = calloc(n, sizeof(*tap->rxqs));
	tap->txqs = calloc(n, sizeof(*tap->txqs));
	if (!tap->rxqs || !tap->txqs)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++) {
		int fd = tap->dev.queues[i];

		tap->rxqs[i] = (struct tap_rxq){
			.q = { .port = &tap->port, .index = i, .wake_fd = fd },
			.fd = fd,
			.header_len = header_len,
			.slots = slots_map(BATCH_MAX),
		};
		tap->txqs[i] = (struct tap_txq){
			.q = { .port = &tap->port, .index = i, .offloads = tap->offloads },
			.fd = fd,
			.header_len = header_len,
			.slot = slots_map(1),
		};
		tap->port.rxqs[tap->port.n_rxqs++] = &tap->rxqs[i].q;
		tap->port.txqs[tap->port.n_txqs++] = &tap->txqs[i].q;
		if (!tap->rxqs[i].slots || !tap->txqs[i].slot)
			return -ENOMEM;
	}
	return 0;
}

static void tap_destroy(struct port *port)
{
	struct tap *tap;

	if (!port)
		return;
	tap = to_tap(port);
	if (tap->changes)
		event_free(tap->changes);
	for (unsigned i = 0; i < port->n_rxqs; i++)
		slots_unmap(tap->rxqs[i].slots, BATCH_MAX);
	for (unsigned i = 0; i < port->n_txqs; i++)
		slots_unmap(tap->txqs[i].slot, 1);
	free(tap->rxqs);
	free(tap->txqs);
	if (port->env->keep)
		tap_device_release(&tap->dev, port->env->keep, port->name);
	tap_device_close(&tap->dev);
	free(tap->netns);
	free(tap);
}

static int open_device(struct tap *tap, const json_t *options, struct error *err)
{
	struct tap_spec spec = {
		.interface = option_string(options, "interface", tap->port.name),
		.netns = option_string(options, "netns", NULL),
		.existing = option_bool(options, "existing", false),
		.net_header = option_bool(options, "vnet-header", true),
		.n_queues = (unsigned)option_uint(options, "queues", 1),
		.mtu = (unsigned)option_uint(options, "mtu", 0),
	};
	struct keep *keep = tap->port.env->keep;
	int r;

	if (strlen(spec.interface) >= sizeof(tap->interface))
		return error_set(err, -EINVAL,
				 "port name \"%s\" is too long for a kernel device: say interface "
				 "NAME (at most %d bytes)",
				 spec.interface, IFNAMSIZ - 1);
	r = keep && tap_device_take(&tap->dev, &spec, keep, tap->port.name)
		    ? 0
		    : tap_device_open(&tap->dev, &spec, err);
	if (r < 0)
		return r;
	if (keep)
		tap_device_hold(&tap->dev, keep, tap->port.name);
	snprintf(tap->interface, sizeof(tap->interface), "%s", spec.interface);
	tap->existing = spec.existing;
	tap->mtu = spec.mtu;
	tap->net_header = spec.net_header;
	if (spec.net_header)
		tap->offloads = tap_device_set_offloads(&tap->dev, offload_wanted(options));
	if (!spec.netns)
		return 0;
	tap->netns = strdup(spec.netns);
	return tap->netns ? 0 : error_set(err, -ENOMEM, "out of memory");
}

static int tap_create(struct port **out, const char *name, const json_t *options,
		      const struct port_env *env, void *owner, struct error *err)
{
	struct tap *tap = calloc(1, sizeof(*tap));
	int r;

	if (!tap)
		return error_set(err, -ENOMEM, "out of memory");
	port_init(&tap->port, &tap_port_ops, name, env, owner);
	tap->dev = (struct tap_device){ .control = -1, .monitor = -1 };
	r = open_device(tap, options, err);
	if (r < 0)
		goto fail;
	r = add_queues(tap);
	if (!r) {
		tap->changes = event_new(env->base, tap->dev.monitor, EV_READ | EV_PERSIST,
					 on_change, tap);
		if (!tap->changes || event_add(tap->changes, NULL) < 0)
			r = -ENOMEM;
	}
	if (r < 0) {
		error_set(err, r, "out of memory");
		goto fail;
	}
	tap->state = tap_device_state(&tap->dev);
	tap->port.link = tap->state == TAP_UP;
	*out = &tap->port;
	return 0;
fail:
	tap_destroy(&tap->port);
	return r;
}

/* At once: the kernel takes what we send with or without. */
static void set_offloads(struct tap *tap, unsigned wanted)
{
	tap->offloads = tap_device_set_offloads(&tap->dev, wanted);
	for (unsigned i = 0; i < tap->port.n_txqs; i++)
		/* alone: read by workers whenever they send */
		__atomic_store_n(&tap->txqs[i].q.offloads, tap->offloads, __ATOMIC_RELAXED);
}

static int tap_set(struct port *port, const json_t *options, const json_t *changes,
		   struct error *err)
{
	unsigned mtu = (unsigned)option_uint(options, "mtu", 0);
	struct tap *tap = to_tap(port);

	if (mtu != tap->mtu) {
		/* Back to the default: what the switch then lets pass. */
		int r = tap_device_set_mtu(&tap->dev, mtu ? mtu : ETH_DATA_LEN, err);

		if (r < 0)
			return r;
		tap->mtu = mtu;
	}
	if (tap->net_header)
		set_offloads(tap, offload_wanted(options));
	return 0;
}

static void tap_show(const struct port *port, json_t *out)
{
	const struct tap *tap = to_tap(port);

	json_object_set_new(out, "interface", json_string(tap->interface));
	if (tap->netns)
		json_object_set_new(out, "netns", json_string(tap->netns));
	json_object_set_new(out, "existing", json_boolean(tap->existing));
	json_object_set_new(out, "operstate", json_string(tap_state_name(tap->state)));
	json_object_set_new(out, "vnet-header", json_boolean(tap->net_header));
	json_object_set_new(out, "offloads", offload_names(tap->offloads));
	json_object_set_new(out, "queues", json_integer(tap->dev.n_queues));
}

/* What the kernel asks for in the header of a frame. It may lag behind what it was told to ask for,
 * so all that we know is right. False: that is not so.
 */
static bool read_header(const uint8_t *from, struct pkt *pkt)
{
	struct virtio_net_hdr header;

	memcpy(&header, from, sizeof(header));
	if (!net_header_valid(&header, offload_features(OFFLOAD_ALL), pkt->len))
		return false;
	net_header_clean(&header);
	pkt->offload = header;
	return true;
}

static void tap_rx(struct rxq *q, struct batch *batch, struct port_counters *c)
{
	struct tap_rxq *rxq = container_of(q, struct tap_rxq, q);
	uint64_t packets = 0, bytes = 0;
	unsigned segments = 0;

	while (packets < batch->most && segments < OFFLOAD_TURN) {
		struct pkt *pkt = &batch->pkts[batch->n];
		uint8_t *frame = slot_frame(rxq->slots, batch->n);
		ssize_t got = read(rxq->fd, frame - rxq->header_len,
				   rxq->header_len + (size_t)FRAME_LEN_MAX);
		uint32_t len;

		/* EAGAIN: nothing left. Else the device is gone, which the monitor reports. */
		if (got < (ssize_t)rxq->header_len)
			break;
		len = (uint32_t)got - rxq->header_len;
		packets++;
		bytes += len;
		pkt_init_linear(pkt, frame, len, &batch->frags[batch->n]);
		if (rxq->header_len && !read_header(frame - rxq->header_len, pkt)) {
			drop_count(c, DROP_net_header, 1);
			continue;
		}
		segments += offload_segments(&pkt->offload, len);
		batch->n++;
	}
	batch->n_frags = batch->n;
	counter_add(&c->rx_packets, packets);
	counter_add(&c->rx_bytes, bytes);
}

static void tap_rx_done(struct rxq *q, struct batch *batch)
{
}

static bool tap_arm(struct rxq *q)
{
	struct pollfd p = { .fd = q->wake_fd, .events = POLLIN };

	static const struct timespec now;

	return ppoll(&p, 1, &now, NULL) == 1 && p.revents & POLLIN;
}

static void tap_disarm(struct rxq *q)
{
}

/* Writes one frame; 0 or -errno. */
static int send_frame(struct tap_txq *txq, const struct pkt *pkt)
{
	struct virtio_net_hdr header = pkt->offload;
	struct iovec iov[2 + IOV_USED_MAX];
	int n = 0;

	if (txq->header_len)
		iov[n++] = (struct iovec){ &header, sizeof(header) };
	if (likely(pkt->n_frags <= IOV_USED_MAX)) {
		iov[n++] = (struct iovec){ pkt->head, pkt->head_len };
		if (pkt->n_frags)
			memcpy(iov + n, pkt->frags, pkt->n_frags * sizeof(*iov));
		n += pkt->n_frags;
	} else {
		uint8_t *frame = slot_frame(txq->slot, 0);

		pkt_copy(pkt, frame);
		iov[n++] = (struct iovec){ frame, pkt->len };
	}
	return writev(txq->fd, iov, n) < 0 ? -errno : 0;
}

static enum drop_reason reason_of(int error)
{
	switch (error) {
	case -EAGAIN:
		return DROP_tx_would_block;
	case -EIO: /* the device is down */
		return DROP_tx_link_down;
	default:
		return DROP_tx_error;
	}
}

static void tap_tx(struct txq *q, struct pkt *const *pkts, unsigned n, struct port_counters *c)
{
	struct tap_txq *txq = container_of(q, struct tap_txq, q);
	uint64_t packets = 0, bytes = 0;

	for (unsigned i = 0; i < n; i++) {
		int r = send_frame(txq, pkts[i]);

		if (unlikely(r < 0)) {
			drop_count(c, reason_of(r), 1);
			continue;
		}
		packets++;
		bytes += pkts[i]->len;
	}
	counter_add(&c->tx_packets, packets);
	counter_add(&c->tx_bytes, bytes);
	counter_add(&c->copied_bytes, bytes);
}

const struct port_ops tap_port_ops = {
	.kind = "tap",
	.summary = "TAP device of the kernel, in this or another network namespace",
	.options = tap_options,
	.create = tap_create,
	.destroy = tap_destroy,
	.set = tap_set,
	.show = tap_show,
	.rx = tap_rx,
	.rx_done = tap_rx_done,
	.arm = tap_arm,
	.disarm = tap_disarm,
	.tx = tap_tx,
};
