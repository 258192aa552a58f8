// SPDX-License-Identifier: Apache-2.0
/* The virtio-net driver against the device side of the ring, in one process: what one side sends
 * the other must see, in every layout; a device that lies breaks its queue only; a device that is
 * replaced goes on where the old one stopped.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "virtio/guestmem.h"
#include "virtio/net_header.h"
#include "virtio/netdrv.h"
#include "virtio/ring.h"

#define BIT(n) (1ull << (n))
#define MODERN BIT(VIRTIO_F_VERSION_1)
#define PACKED (MODERN | BIT(VIRTIO_F_RING_PACKED))
#define MRG BIT(VIRTIO_NET_F_MRG_RXBUF)
#define INDIRECT BIT(VIRTIO_RING_F_INDIRECT_DESC)
#define EVENT BIT(VIRTIO_RING_F_EVENT_IDX)
#define GUEST_ADDR 0x100000
#define ARENA (RING_SIZE_MAX + GUESTMEM_REGIONS_MAX)

/* A device with one queue pair, reached by function calls. */
struct device {
	struct netdrv_transport transport;
	struct sharedmem mem;
	struct guestmem *guestmem;
	uint64_t features;
	struct ring rings[2];
	unsigned n_kicks[2];
	struct netdrv *drv;
	struct iovec arena[ARENA];
};

static int start_queue(struct netdrv_transport *transport, unsigned index,
		       const struct netdrv_ring_info *info, struct error *err)
{
	struct device *dev = container_of(transport, struct device, transport);
	struct ring_config config = {
		.features = dev->features,
		.size = info->size,
		.desc = info->desc,
		.driver = info->driver,
		.device = info->device,
		.base = info->base,
	};

	memset(&dev->rings[index], 0, sizeof(dev->rings[index]));
	return ring_start(&dev->rings[index], &config, err);
}

static void kick(struct netdrv_transport *transport, unsigned index)
{
	container_of(transport, struct device, transport)->n_kicks[index]++;
}

static int call_fd(const struct netdrv_transport *transport, unsigned index)
{
	return -1;
}

static const struct netdrv_transport_ops ops = { start_queue, kick, call_fd };

static struct device *device_create(const struct netdrv_config *config)
{
	struct device *dev = calloc(1, sizeof(*dev));
	struct guestmem_region_config region = { .guest_addr = GUEST_ADDR };
	struct guestmem *empty = guestmem_create();
	struct error err = { "" };

	assert_non_null(dev);
	assert_non_null(empty);
	dev->transport.ops = &ops;
	dev->features = config->features;
	assert_int_equal(sharedmem_add(&dev->mem, "test", 8 << 20, GUEST_ADDR, &err), 0);
	region.user_addr = dev->mem.regions[0].user_addr;
	region.size = dev->mem.regions[0].size;
	if (guestmem_add(empty, &region, dev->mem.regions[0].fd, &dev->guestmem, &err) != 0)
		fail_msg("%s", err.text);
	guestmem_destroy(empty);
	if (netdrv_create(&dev->drv, config, &dev->mem, &err) != 0 ||
	    netdrv_start(dev->drv, &dev->transport, &err) != 0)
		fail_msg("%s", err.text);
	return dev;
}

static void device_destroy(struct device *dev)
{
	netdrv_destroy(dev->drv);
	guestmem_destroy(dev->guestmem);
	sharedmem_destroy(&dev->mem);
	free(dev);
}

static void copy_in(const struct ring_chain *chain, const uint8_t *from, uint32_t len)
{
	for (unsigned i = chain->n_out; len > 0; i++) {
		uint32_t part = min(len, (uint32_t)chain->iov[i].iov_len);

		memcpy(chain->iov[i].iov_base, from, part);
		from += part;
		len -= part;
	}
}

/* Gives a frame with a 10 or 12 byte header to the driver, over as many buffers as it takes. */
static bool deliver(struct device *dev, const uint8_t *frame, uint32_t len)
{
	unsigned header_len = net_header_len(dev->features), n;
	uint32_t total = len + header_len, at = 0, lens[RING_TAKE_MAX];
	uint8_t *bytes = calloc(1, total);
	struct ring_chain chains[RING_TAKE_MAX];

	for (n = 0; at < total; n++) {
		if (n == RING_TAKE_MAX || ring_take(&dev->rings[0], dev->guestmem, &chains[n], 1,
						    dev->arena + n * 64, 64) == 0)
			break;
		lens[n] = min(total - at, chains[n].in_len);
		at += lens[n];
		assert_true(at == total || dev->features & MRG);
	}
	if (at < total) {
		ring_untake(&dev->rings[0], n);
		free(bytes);
		return false;
	}
	memcpy(bytes + header_len, frame, len);
	if (dev->features & MRG)
		((struct virtio_net_hdr_v1 *)bytes)->num_buffers = (uint16_t)n;
	at = 0;
	for (unsigned i = 0; i < n; i++) {
		copy_in(&chains[i], bytes + at, lens[i]);
		at += lens[i];
	}
	ring_complete(&dev->rings[0], lens, n);
	free(bytes);
	return true;
}

/* Takes one frame that the driver sent: @len bytes at @frame, header and all; 0: none. */
static uint32_t take_sent(struct device *dev, uint8_t *bytes, unsigned *n_descs)
{
	struct ring_chain chain;
	uint32_t at = 0;

	if (ring_take(&dev->rings[1], dev->guestmem, &chain, 1, dev->arena, ARENA) == 0)
		return 0;
	for (unsigned i = 0; i < chain.n_out; i++) {
		memcpy(bytes + at, chain.iov[i].iov_base, chain.iov[i].iov_len);
		at += (uint32_t)chain.iov[i].iov_len;
	}
	*n_descs = chain.n_out;
	assert_int_equal(at, chain.out_len);
	ring_complete(&dev->rings[1], NULL, 1);
	return at;
}

static void fill(uint8_t *bytes, uint32_t len, unsigned seed)
{
	uint32_t x = seed * 2654435761u + 1;

	for (uint32_t i = 0; i < len; i++) {
		x = x * 1664525 + 1013904223;
		bytes[i] = (uint8_t)(x >> 24);
	}
}

static void check_frame(const struct netdrv_frame *frame, const uint8_t *bytes, uint32_t len)
{
	uint32_t at = 0;

	assert_int_equal(frame->len, len);
	for (unsigned i = 0; i < frame->n_iov; i++) {
		assert_true(frame->iov[i].iov_len <= len - at);
		assert_memory_equal(frame->iov[i].iov_base, bytes + at, frame->iov[i].iov_len);
		at += (uint32_t)frame->iov[i].iov_len;
	}
	assert_int_equal(at, len);
}

static void send_bytes(struct netdrv *drv, const uint8_t *bytes, uint32_t len)
{
	struct iovec iov[2] = { { (void *)bytes, len / 3 },
				{ (void *)(bytes + len / 3), len - len / 3 } };
	struct netdrv_frame frame = { .iov = iov, .n_iov = 2, .len = len };

	frame.header.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	assert_int_equal(netdrv_send(drv, 0, &frame, 1), 1);
}

static void test_send(void **state)
{
	static const uint64_t features[] = { 0, MODERN, MRG, MODERN | MRG | EVENT, PACKED };
	uint8_t bytes[1600], sent[1600];

	for (unsigned f = 0; f < ARRAY_SIZE(features); f++) {
		struct netdrv_config config = { .features = features[f],
						.n_pairs = 1,
						.tx_ring_size = 4 };
		struct device *dev = device_create(&config);
		unsigned header_len = features[f] & (MODERN | MRG) ? 12 : 10, n_descs;

		assert_int_equal(netdrv_header_len(dev->drv), header_len);
		for (uint32_t len = 14; len <= 1514; len += 50) {
			fill(bytes, len, len);
			send_bytes(dev->drv, bytes, len);
			assert_int_equal(take_sent(dev, sent, &n_descs), len + header_len);
			assert_int_equal(n_descs, features[f] & MODERN ? 1 : 2);
			assert_memory_equal(sent + header_len, bytes, len);
			assert_int_equal(sent[0], VIRTIO_NET_HDR_F_NEEDS_CSUM);
		}
		assert_int_equal(take_sent(dev, sent, &n_descs), 0);
		assert_int_equal(netdrv_counters(dev->drv, 0)->tx_frames, 31);
		device_destroy(dev);
	}
}

static void test_send_full(void **state)
{
	struct netdrv_config config = { .features = MODERN, .n_pairs = 1, .tx_ring_size = 8 };
	struct device *dev = device_create(&config);
	uint8_t bytes[64] = { 0 }, sent[128];
	struct iovec iov = { bytes, sizeof(bytes) };
	struct netdrv_frame frames[12];
	unsigned n_descs;

	for (unsigned i = 0; i < 12; i++)
		frames[i] = (struct netdrv_frame){ .iov = &iov, .n_iov = 1, .len = 64 };
	assert_int_equal(netdrv_send(dev->drv, 0, frames, 12), 8);
	assert_int_equal(netdrv_send(dev->drv, 0, frames, 1), 0);
	assert_int_equal(netdrv_in_flight(dev->drv, 0), 8);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(take_sent(dev, sent, &n_descs), 76);
	assert_int_equal(netdrv_send(dev->drv, 0, frames, 12), 3);
	frames[0].len = 5000; /* larger than a buffer */
	while (take_sent(dev, sent, &n_descs) > 0)
		;
	assert_int_equal(netdrv_send(dev->drv, 0, frames, 2), 0);
	assert_int_equal(netdrv_in_flight(dev->drv, 0), 0);
	device_destroy(dev);
}

struct counted {
	struct netdrv_chain chain;
	unsigned n_done;
};

static void done(struct netdrv_chain *chain)
{
	container_of(chain, struct counted, chain)->n_done++;
}

static void test_send_chain(void **state)
{
	struct netdrv_config config = { .features = MODERN | INDIRECT,
					.n_pairs = 1,
					.tx_ring_size = 16,
					.indirect_len = 16,
					.indirect_min = 8 };
	struct device *dev = device_create(&config);
	uint8_t *buffer = sharedmem_alloc(&dev->mem, 256, 64), sent[256];
	struct counted counted = { .chain = { done } };
	struct iovec iov[17];
	unsigned n_descs;

	fill(buffer, 256, 1);
	for (unsigned n = 1; n <= 16; n++) {
		for (unsigned i = 0; i < n; i++)
			iov[i] = (struct iovec){ buffer + 16 * i, 16 };
		assert_int_equal(netdrv_send_chain(dev->drv, 0, iov, n, &counted.chain), 0);
		assert_int_equal(take_sent(dev, sent, &n_descs), 0); /* not pushed */
		netdrv_push(dev->drv, 0);
		assert_int_equal(take_sent(dev, sent, &n_descs), 16 * n);
		assert_int_equal(n_descs, n);
		assert_memory_equal(sent, buffer, 16 * n);
		assert_int_equal(netdrv_reap(dev->drv, 0), 1);
		assert_int_equal(counted.n_done, n);
	}
	device_destroy(dev);
}

/* Frames of many lengths through every layout of receive buffers. */
static void receive_with(const struct netdrv_config *config, uint32_t len_max)
{
	struct device *dev = device_create(config);
	struct netdrv_frame frames[NETDRV_BATCH_MAX];
	uint8_t *bytes = malloc(len_max);
	unsigned sent = 0, received = 0;

	srandom(1);
	while (received < 2000) {
		unsigned n;

		for (unsigned burst = (unsigned)random() % 40; burst > 0; burst--) {
			uint32_t len = 14 + sent * 37 % (len_max - 13);

			fill(bytes, len, sent);
			if (!deliver(dev, bytes, len))
				break;
			sent++;
		}
		n = netdrv_receive(dev->drv, 0, frames, (unsigned)random() % 35);
		for (unsigned i = 0; i < n; i++, received++) {
			uint32_t len = 14 + received * 37 % (len_max - 13);

			fill(bytes, len, received);
			check_frame(&frames[i], bytes, len);
		}
		if (random() % 2)
			netdrv_release(dev->drv, 0);
	}
	assert_false(netdrv_broken(dev->drv, 0));
	assert_int_equal(netdrv_counters(dev->drv, 0)->rx_frames, received);
	free(bytes);
	device_destroy(dev);
}

static void test_receive(void **state)
{
	struct netdrv_config config = { .n_pairs = 1 };

	receive_with(&config, 1518); /* legacy: header apart, 10 bytes */
	config.features = MODERN;
	receive_with(&config, 1518);
	config.rx_ring_size = 2;
	receive_with(&config, 1518);
	config.rx_ring_size = 64;
	config.rx_piece_len = 37;
	config.rx_first_len = 1;
	receive_with(&config, 1518);
	config.features = PACKED;
	receive_with(&config, 1518);
	config.features = MODERN | INDIRECT;
	config.indirect_len = 64;
	receive_with(&config, 1518);
	config.features = PACKED | INDIRECT;
	receive_with(&config, 1518);
}

static void test_receive_merged(void **state)
{
	struct netdrv_config config = {
		.n_pairs = 1,
		.features = MRG,
		.rx_ring_size = 128,
		.rx_buffer_len = 64,
	};

	receive_with(&config, 1518);
	config.features = MODERN | MRG | EVENT;
	receive_with(&config, 5000);
	config.features = PACKED | MRG | EVENT;
	receive_with(&config, 5000);
	config.rx_first_len = 5; /* the header is split, too */
	config.rx_piece_len = 19;
	receive_with(&config, 1000);
}

/* Every buffer is with the device again after release(). */
static void test_buffers_return(void **state)
{
	struct netdrv_config config = { .n_pairs = 1, .features = MODERN, .rx_ring_size = 16 };
	struct device *dev = device_create(&config);
	struct netdrv_frame frames[16];
	uint8_t bytes[100] = { 1 };

	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 16; i++)
			assert_true(deliver(dev, bytes, 100));
		assert_false(deliver(dev, bytes, 100));
		assert_int_equal(netdrv_receive(dev->drv, 0, frames, 16), 16);
		assert_false(deliver(dev, bytes, 100));
		netdrv_release(dev->drv, 0);
	}
	device_destroy(dev);
}

static void complete_with(struct device *dev, uint16_t num_buffers, uint32_t len)
{
	struct ring_chain chain;

	assert_int_equal(ring_take(&dev->rings[0], dev->guestmem, &chain, 1, dev->arena, ARENA), 1);
	memset(chain.iov[0].iov_base, 0, 12);
	memcpy((uint8_t *)chain.iov[0].iov_base + 10, &num_buffers, 2);
	ring_complete(&dev->rings[0], &len, 1);
}

static void test_lying_device(void **state)
{
	static const struct {
		uint16_t num_buffers;
		uint32_t len;
		bool breaks;
	} lies[] = {
		{ 1, 12, false },	 { 1, 100, false }, { 0, 100, true }, { 9, 100, true },
		{ 0xffff, 100, true },	 { 1, 0, true },    { 1, 11, true },  { 1, 2049, true },
		{ 1, 0xffffffff, true }, { 2, 100, false }, /* the rest may still come */
	};
	struct netdrv_config config = { .n_pairs = 1, .features = MODERN | MRG, .rx_ring_size = 8 };

	for (unsigned i = 0; i < ARRAY_SIZE(lies); i++) {
		struct device *dev = device_create(&config);
		struct netdrv_frame frames[4];
		unsigned good = !lies[i].breaks && lies[i].num_buffers == 1;
		uint8_t bytes[64] = { 0 };

		complete_with(dev, lies[i].num_buffers, lies[i].len);
		assert_int_equal(netdrv_receive(dev->drv, 0, frames, 4), good);
		assert_int_equal(netdrv_broken(dev->drv, 0), lies[i].breaks);
		if (good)
			assert_int_equal(frames[0].len, lies[i].len - 12);
		netdrv_release(dev->drv, 0);
		send_bytes(dev->drv, bytes, 64); /* the other queue goes on */
		device_destroy(dev);
	}
}

/* A device dies with frames in hand; its successor gets them again, in order. */
static void replaced_with(uint64_t features, uint32_t size)
{
	struct netdrv_config config = { .n_pairs = 1, .features = features, .tx_ring_size = size };
	struct device *dev = device_create(&config);
	struct ring_chain chains[4];
	uint8_t bytes[64], sent[128];
	struct error err = { "" };
	unsigned n_descs;

	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < 6; i++) {
			fill(bytes, 64, 6 * round + i);
			send_bytes(dev->drv, bytes, 64);
		}
		assert_int_equal(take_sent(dev, sent, &n_descs), 76);
		assert_int_equal(
			ring_take(&dev->rings[1], dev->guestmem, chains, 4, dev->arena, ARENA), 4);
		assert_int_equal(netdrv_start(dev->drv, &dev->transport, &err), 0);
		for (unsigned i = 1; i < 6; i++) {
			fill(bytes, 64, 6 * round + i);
			assert_int_equal(take_sent(dev, sent, &n_descs), 76);
			assert_memory_equal(sent + 12, bytes, 64);
		}
		assert_int_equal(take_sent(dev, sent, &n_descs), 0);
		assert_true(deliver(dev, bytes, 64));
	}
	device_destroy(dev);
}

static void test_device_replaced(void **state)
{
	replaced_with(MODERN, 16);
	replaced_with(PACKED, 17);
}

static void kicks_with(uint64_t features)
{
	struct netdrv_config config = { .n_pairs = 1, .features = features };
	struct device *dev = device_create(&config);
	uint8_t bytes[64] = { 0 }, sent[128];
	unsigned n_descs, before;

	assert_int_equal(dev->n_kicks[0], 1); /* a start is announced */
	ring_disable_kick(&dev->rings[1]);
	send_bytes(dev->drv, bytes, 64); /* with EVENT_IDX one kick may still come */
	before = dev->n_kicks[1];
	for (unsigned i = 0; i < 10; i++)
		send_bytes(dev->drv, bytes, 64);
	assert_int_equal(dev->n_kicks[1], before);
	while (take_sent(dev, sent, &n_descs) > 0)
		;
	assert_false(ring_enable_kick(&dev->rings[1]));
	send_bytes(dev->drv, bytes, 64);
	assert_int_equal(dev->n_kicks[1], before + 1);
	assert_true(netdrv_counters(dev->drv, 0)->tx_kicks >= 1);

	assert_false(netdrv_rx_enable_call(dev->drv, 0));
	assert_true(deliver(dev, bytes, 64));
	assert_true(ring_wants_notify(&dev->rings[0]));
	assert_true(netdrv_rx_enable_call(dev->drv, 0)); /* there is one: do not sleep */
	device_destroy(dev);
}

static void test_kicks(void **state)
{
	kicks_with(MODERN);
	kicks_with(MODERN | EVENT);
	kicks_with(PACKED);
	kicks_with(PACKED | EVENT);
}

static void test_refused(void **state)
{
	static const struct {
		struct netdrv_config config;
		int rc;
	} bad[] = {
		{ { .n_pairs = 0 }, -EINVAL },
		{ { .n_pairs = 129 }, -EINVAL },
		{ { .n_pairs = 1, .rx_ring_size = 3 }, -EINVAL },
		{ { .n_pairs = 1, .tx_ring_size = 65536 }, -EINVAL },
		{ { .n_pairs = 1, .rx_buffer_len = 4 }, -EINVAL },
		{ { .n_pairs = 1, .tx_buffer_len = 2u << 20 }, -EINVAL },
		{ { .n_pairs = 1, .rx_ring_size = 4, .rx_piece_len = 16 }, -EINVAL },
		{ { .n_pairs = 1, .rx_ring_size = 4096 }, -ENOMEM },
	};
	struct sharedmem mem = { 0 };
	struct netdrv *drv = NULL;
	struct error err;

	assert_int_equal(sharedmem_add(&mem, "test", 1 << 20, GUEST_ADDR, &err), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		err.text[0] = '\0';
		assert_int_equal(netdrv_create(&drv, &bad[i].config, &mem, &err), bad[i].rc);
		assert_string_not_equal(err.text, "");
		assert_null(drv);
		sharedmem_reset(&mem);
	}
	netdrv_destroy(NULL);
	sharedmem_destroy(&mem);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_send),	       cmocka_unit_test(test_send_full),
		cmocka_unit_test(test_send_chain),     cmocka_unit_test(test_receive),
		cmocka_unit_test(test_receive_merged), cmocka_unit_test(test_buffers_return),
		cmocka_unit_test(test_lying_device),   cmocka_unit_test(test_device_replaced),
		cmocka_unit_test(test_kicks),	       cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
