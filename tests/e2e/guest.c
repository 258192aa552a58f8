// SPDX-License-Identifier: Apache-2.0
// A guest that talks without end: guest SOCKET OWN_MAC PEER_MAC. Sends 64-byte frames to its peer
// and takes what comes, a burst every 100 us, until it is killed; says "ready" at every connection.

#include <arpa/inet.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "packet/ethernet.h"
#include "vhost/frontend.h"

#define BURST 32
#define FEATURES                                                                                   \
	(1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_NET_F_MRG_RXBUF | 1ull << 30 /* protocol */ | \
	 1ull << VIRTIO_RING_F_INDIRECT_DESC | 1ull << VIRTIO_RING_F_EVENT_IDX)

struct guest {
	struct sharedmem mem;
	struct frontend *frontend;
	struct netdrv *drv;
	bool ready;
};

static void fail(const char *what, const struct error *err)
{
	fprintf(stderr, "guest: %s: %s\n", what, err->text);
	exit(1);
}

/* A new connection may have other features: a new driver, in the same memory. */
static void negotiated(void *owner, uint64_t features, unsigned n_pairs)
{
	const struct netdrv_config config = { .features = features, .n_pairs = 1 };
	struct guest *guest = owner;
	struct error err = { "" };

	sharedmem_reset(&guest->mem);
	if (netdrv_create(&guest->drv, &config, &guest->mem, &err) < 0)
		fail("driver", &err);
	if (netdrv_start(guest->drv, frontend_transport(guest->frontend), &err) < 0)
		fail("start", &err);
}

static void ready(void *owner)
{
	struct guest *guest = owner;

	guest->ready = true;
	puts("ready");
	fflush(stdout);
}

static void down(void *owner, const char *why)
{
	struct guest *guest = owner;

	guest->ready = false;
	netdrv_destroy(guest->drv);
	guest->drv = NULL;
}

static const struct frontend_ops ops = { .negotiated = negotiated, .ready = ready, .down = down };

static void talk(struct guest *guest, const struct netdrv_frame *frames)
{
	struct netdrv_frame got[NETDRV_BATCH_MAX];

	netdrv_send(guest->drv, 0, frames, BURST);
	while (netdrv_receive(guest->drv, 0, got, NETDRV_BATCH_MAX))
		netdrv_release(guest->drv, 0);
}

int main(int argc, char **argv)
{
	struct netdrv_frame frames[BURST] = { 0 };
	struct guest guest = { 0 };
	struct error err = { "" };
	uint8_t frame[60] = { 0 };
	const struct iovec iov = { frame, sizeof(frame) };
	struct event_base *base = event_base_new();
	struct frontend_config config = { .features = FEATURES,
					  .protocol_features = FRONTEND_PROTOCOL_FEATURES,
					  .memory = &guest.mem.memory };
	mac_t own, peer;

	if (argc != 4 || !mac_parse(argv[2], &own) || !mac_parse(argv[3], &peer) || !base) {
		fprintf(stderr, "usage: guest SOCKET OWN_MAC PEER_MAC\n");
		return 2;
	}
	mac_store(frame, peer);
	mac_store(frame + 6, own);
	frame[12] = 0x88; /* local experimental EtherType */
	frame[13] = 0xb5;
	for (unsigned i = 0; i < BURST; i++)
		frames[i] = (struct netdrv_frame){ .iov = &iov, .n_iov = 1, .len = sizeof(frame) };

	config.path = argv[1];
	if (sharedmem_add(&guest.mem, "guest", 4 << 20, 0x100000, &err) < 0 ||
	    frontend_create(&guest.frontend, &config, &ops, &guest, base, &err) < 0)
		fail("setup", &err);
	for (;;) {
		event_base_loop(base, EVLOOP_NONBLOCK);
		if (guest.ready)
			talk(&guest, frames);
		usleep(100);
	}
}
