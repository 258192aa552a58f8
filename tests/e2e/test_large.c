// SPDX-License-Identifier: Apache-2.0
/* Large TCP and UDP packets through a real vireod, to receivers that take them, that take a part,
 *or nothing of it; compared byte for byte, and all checksums are computed again, naively.
 *
 *	guest a --- vhost-user "a" --- vireod --- vhost-user "b" --- guest b
 */
#include <linux/virtio_config.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "guest/daemon.h"
#include "guest/guest.h"
#include "virtio/net_header.h"

#define BIT(n) (1ull << (n))
#define MODERN BIT(VIRTIO_F_VERSION_1)
#define MRG BIT(VIRTIO_NET_F_MRG_RXBUF)
#define SENDS                                                            \
	(MODERN | BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4) | \
	 BIT(VIRTIO_NET_F_HOST_TSO6) | BIT(VIRTIO_NET_F_HOST_ECN) | BIT(VIRTIO_NET_F_HOST_USO))
#define TAKES_CSUM BIT(VIRTIO_NET_F_GUEST_CSUM)
#define TAKES_ALL                                                                   \
	(TAKES_CSUM | BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6) | \
	 BIT(VIRTIO_NET_F_GUEST_ECN) | BIT(VIRTIO_NET_F_GUEST_USO4) |               \
	 BIT(VIRTIO_NET_F_GUEST_USO6))
#define FRAME_MAX 65549 /* an Ethernet header and the longest IPv4 packet */
#define BUFFER 66000	/* that holds it */
#define WAIT_NS (20 * NSEC_PER_SEC)

struct receiver {
	const char *name;
	uint64_t features;
	uint32_t rx_buffer;
	bool whole, partial; /* what comes: large packets, incomplete checksums */
};

static const struct receiver receivers[] = {
	{ "takes all, merged", MODERN | TAKES_ALL | MRG, 2048, true, true },
	{ "takes all, large buffers", MODERN | TAKES_ALL, BUFFER, true, true },
	{ "takes checksums", MODERN | TAKES_CSUM, 2048, false, true },
	{ "takes checksums, merged", MODERN | TAKES_CSUM | MRG, 300, false, true },
	{ "takes nothing", MODERN, 2048, false, false },
	{ "takes nothing, legacy", 0, 2048, false, false },
};

struct world {
	struct daemon daemon;
	struct guest a, b;
	uint8_t frame[FRAME_MAX], again[FRAME_MAX], got[FRAME_MAX];
	struct virtio_net_hdr_v1 header;
	unsigned network, transport, header_len;
	bool ipv6, udp;
	uint32_t len;
	unsigned n_whole, n_segments;
};

static unsigned below(unsigned n)
{
	return (unsigned)random() % n;
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint64_t sum_words(const uint8_t *p, size_t len)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? p[i] : (uint64_t)p[i] << 8;
	return sum;
}

static unsigned fold(uint64_t sum)
{
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (unsigned)sum;
}

static uint64_t pseudo_header(const struct world *w, const uint8_t *frame, uint32_t len)
{
	unsigned addresses = w->ipv6 ? 32 : 8, at = w->network + (w->ipv6 ? 8 : 12);

	return sum_words(frame + at, addresses) + (w->udp ? 17 : 6) + len - w->transport;
}

/* A packet from a to b of @payload bytes in segments of @size. */
static void make_packet(struct world *w, uint32_t payload, uint16_t size)
{
	uint8_t *ip, *transport;

	w->network = guest_ethernet(w->frame, 0xb, 0xa);
	put16(w->frame + 12, w->ipv6 ? 0x86dd : 0x0800);
	w->transport = w->network + (w->ipv6 ? 40 : 20);
	w->header_len = w->transport + (w->udp ? 8 : 20);
	w->len = w->header_len + payload;
	for (uint32_t i = w->network; i < w->len; i++)
		w->frame[i] = (uint8_t)random();
	ip = w->frame + w->network;
	transport = w->frame + w->transport;
	ip[0] = w->ipv6 ? 0x60 : 0x45;
	ip[w->ipv6 ? 6 : 9] = w->udp ? 17 : 6;
	put16(ip + (w->ipv6 ? 4 : 2), w->len - w->network - (w->ipv6 ? 40 : 0));
	if (!w->ipv6)
		put16(ip + 6, 0x4000);
	if (w->udp) {
		put16(transport + 4, 8 + payload);
	} else {
		transport[12] = 0x50;
		transport[13] = 0x18;
	}
	put16(transport + (w->udp ? 6 : 16), fold(pseudo_header(w, w->frame, w->len)));
	w->header = (struct virtio_net_hdr_v1){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = w->udp    ? VIRTIO_NET_HDR_GSO_UDP_L4
			    : w->ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6
				      : VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = (uint16_t)w->header_len,
		.gso_size = size,
		.csum_start = (uint16_t)w->transport,
		.csum_offset = w->udp ? 6 : 16,
	};
}

static void connect_guest(struct world *w, struct guest *guest, const char *name, uint64_t features,
			  const struct netdrv_config *net)
{
	char path[128];
	struct guest_config config = {
		.path = path,
		.features = features,
		.required = features,
		.mem_size = 32 << 20,
		.net = *net,
	};
	struct error err;

	snprintf(path, sizeof(path), "%s/%s.sock", w->daemon.dir, name);
	if (guest_open(guest, &config, &err) != 0 || guest_wait(guest, 10000) != 0)
		fail_msg("%s: %s %s", name, err.text, guest->why);
}

/* Waits for the next frame and copies it to got[]. */
static struct netdrv_frame receive(struct world *w, const struct receiver *r)
{
	uint64_t end = clock_ns() + WAIT_NS;
	struct netdrv_frame f;
	uint32_t at = 0;

	while (!netdrv_receive(w->b.drv, 0, &f, 1)) {
		if (clock_ns() > end || netdrv_broken(w->b.drv, 0))
			fail_msg("%s: a packet of %u bytes does not come", r->name, w->len);
		sched_yield();
	}
	assert_true(f.len <= sizeof(w->got));
	for (unsigned i = 0; i < f.n_iov; i++) {
		memcpy(w->got + at, f.iov[i].iov_base, f.iov[i].iov_len);
		at += (uint32_t)f.iov[i].iov_len;
	}
	assert_int_equal(at, f.len);
	netdrv_release(w->b.drv, 0);
	return f;
}

static void check_whole(struct world *w, const struct receiver *r)
{
	struct netdrv_frame f = receive(w, r);

	assert_int_equal(f.len, w->len);
	assert_memory_equal(w->got, w->frame, w->len);
	assert_memory_equal(&f.header, &w->header, sizeof(struct virtio_net_hdr));
	w->n_whole++;
}

static void check_segments(struct world *w, const struct receiver *r)
{
	uint32_t done = 0, payload = w->len - w->header_len;

	while (done < payload) {
		struct netdrv_frame f = receive(w, r);
		uint32_t n = f.len - w->header_len;
		uint64_t sum = pseudo_header(w, w->got, f.len);

		assert_int_equal(n, min((uint32_t)w->header.gso_size, payload - done));
		assert_int_equal(f.header.gso_type, VIRTIO_NET_HDR_GSO_NONE);
		assert_int_equal(f.header.flags, r->partial ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0);
		assert_memory_equal(w->got, w->frame, w->network);
		if (r->partial) {
			const uint8_t *field = w->got + f.header.csum_start + f.header.csum_offset;

			assert_int_equal(f.header.csum_start, w->transport);
			assert_int_equal(field[0] << 8 | field[1], fold(sum));
		} else {
			sum += sum_words(w->got + w->transport, f.len - w->transport);
			assert_int_equal(fold(sum), 0xffff);
		}
		if (!w->ipv6)
			assert_int_equal(fold(sum_words(w->got + w->network, 20)), 0xffff);
		memcpy(w->again + done, w->got + w->header_len, n);
		done += n;
		w->n_segments++;
	}
	assert_memory_equal(w->again, w->frame + w->header_len, payload);
}

static void send_and_check(struct world *w, const struct receiver *r)
{
	struct iovec iov = { w->frame, w->len };
	struct netdrv_frame f = { .header = w->header, .iov = &iov, .n_iov = 1, .len = w->len };
	uint64_t end = clock_ns() + WAIT_NS;

	while (!netdrv_send(w->a.drv, 0, &f, 1)) {
		if (clock_ns() > end)
			fail_msg("%s: the switch does not take packets", r->name);
		sched_yield();
	}
	if (r->whole)
		check_whole(w, r);
	else
		check_segments(w, r);
}

static void test_receivers(void **state)
{
	const struct netdrv_config tx = { .tx_buffer_len = BUFFER, .tx_buffers = 16 };
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(receivers); i++) {
		const struct receiver *r = &receivers[i];
		const struct netdrv_config rx = { .rx_buffer_len = r->rx_buffer };

		connect_guest(w, &w->a, "a", SENDS, &tx);
		connect_guest(w, &w->b, "b", r->features, &rx);
		for (unsigned k = 0; k < scaled(200); k++) {
			uint32_t most = k % 8 ? 5000 : 65535 - 40 - 20;

			w->ipv6 = k & 1;
			w->udp = k & 2;
			make_packet(w, 1500 + below(most - 1500 + 1),
				    (uint16_t)(1000 + below(440)));
			send_and_check(w, r);
		}
		guest_close(&w->a);
		guest_close(&w->b);
	}
	assert_int_equal(w->n_whole, 2 * scaled(200));
	assert_true(w->n_segments > 4 * scaled(200));
	assert_int_equal(daemon_drops(&w->daemon, "a", "offload"), 0);
	assert_int_equal(daemon_drops(&w->daemon, "b", "tx_offload"), 0);
}

/* What lies about its headers goes nowhere, and all else goes on. */
static void test_liars(void **state)
{
	const struct receiver *r = &receivers[0];
	const struct netdrv_config tx = { .tx_buffer_len = BUFFER, .tx_buffers = 16 };
	const struct netdrv_config rx = { .rx_buffer_len = r->rx_buffer };
	struct world *w = *state;
	unsigned n = 0;

	connect_guest(w, &w->a, "a", SENDS, &tx);
	connect_guest(w, &w->b, "b", r->features, &rx);
	for (unsigned k = 0; k < 6; k++) {
		struct iovec iov = { w->frame, 0 };
		struct netdrv_frame f = { .iov = &iov, .n_iov = 1 };

		w->ipv6 = w->udp = false;
		make_packet(w, 4000, k == 0 ? 1 : 1000);
		w->frame[w->network + 9] = k == 1 ? 17 : 6;
		w->frame[w->transport + 12] = k == 2 ? 0x40 : 0x50;
		w->frame[w->network] = k == 3 ? 0x4f : 0x45;
		if (k == 4)
			put16(w->frame + w->network + 6, 0x2000);
		w->header.csum_start += k == 5;
		iov.iov_len = f.len = w->len;
		f.header = w->header;
		n += netdrv_send(w->a.drv, 0, &f, 1);
	}
	make_packet(w, 4000, 1000);
	send_and_check(w, r);
	assert_int_equal(daemon_drops(&w->daemon, "a", "offload"), n);
	assert_int_equal(n, 6);
}

static int setup(void **state)
{
	static struct world world;
	struct world *w = &world;

	srandom(5);
	*state = w;
	daemon_start(&w->daemon, 1);
	for (unsigned i = 0; i < 2; i++)
		daemon_vireo(&w->daemon, "port add %c type vhost-user path %s/%c.sock", "ab"[i],
			     w -> daemon.dir, "ab"[i]);
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	daemon_stop(&w->daemon);
	return 0;
}

/* After a test, failed or not. */
static int clean(void **state)
{
	struct world *w = *state;

	guest_close(&w->a);
	guest_close(&w->b);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_receivers, NULL, clean),
		cmocka_unit_test_setup_teardown(test_liars, NULL, clean),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
