/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of the vhost-user back-end: a device in a loop of its own, and a front-end that sends
 * what the test says, right or wrong. Everything runs in one thread.
 */
#pragma once

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "fds.h"
#include "vhost/channel.h"
#include "vhost/device.h"
#include "vhost/socket_endpoint.h"

/* A feature bit as a mask. */
#define BIT(n) (1ull << (n))
/* Not every test uses every function. */
#define UNUSED_OK __attribute__((unused))

/* Guest memory: one region, in which each ring has a place of its own. */
#define MEM_SIZE (2u << 20)
#define MEM_GUEST 0x40000000ull	   /* guest-physical */
#define MEM_USER 0x7f1200000000ull /* in the front-end */
#define RING_SIZE 256u		   /* entries */
#define RING_STRIDE 0x8000u	   /* ring i lies at i * this in memory */

/* Every protocol feature that the device knows. */
#define ALL_PROTOCOL                                                                             \
	(BIT(VHOST_USER_PROTOCOL_F_MQ) | BIT(VHOST_USER_PROTOCOL_F_RARP) |                       \
	 BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK) | BIT(VHOST_USER_PROTOCOL_F_NET_MTU) |             \
	 BIT(VHOST_USER_PROTOCOL_F_BACKEND_REQ) | BIT(VHOST_USER_PROTOCOL_F_CONFIG) |            \
	 BIT(VHOST_USER_PROTOCOL_F_RESET_DEVICE) | BIT(VHOST_USER_PROTOCOL_F_STATUS) |           \
	 BIT(VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS) | BIT(VHOST_USER_PROTOCOL_F_LOG_SHMFD) | \
	 BIT(VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD) | BIT(VHOST_USER_PROTOCOL_F_DEVICE_STATE))

/* Virtio features that most tests negotiate. */
#define F_EXTENDED BIT(VHOST_USER_F_PROTOCOL_FEATURES)
#define F_V1 BIT(VIRTIO_F_VERSION_1) /* the modern device */
#define F_PACKED BIT(VIRTIO_F_RING_PACKED)
#define F_LOG BIT(VHOST_USER_F_LOG_ALL)

/* A device, its owner and its front-end. */
struct rig {
	struct event_base *base;
	struct vhost_socket_maker sockets;
	struct vhost_device *device;
	struct vhost_device_config config;
	char dir[64], path[96];
	int peer;   /* the front-end's socket; -1: none */
	int mem_fd; /* guest memory */
	uint64_t *mem;
	bool hold; /* do not answer quiesce() by itself */
	bool asked;
	unsigned n_quiesce, n_changed, n_announce;
	uint64_t announced;
	const uint8_t *saved; /* what the owner saves; NULL: it cannot */
	size_t n_saved, n_loaded;
	unsigned n_loads;
	uint8_t last_loaded; /* byte */
	unsigned n_fds;	     /* open before all this */
};

/* The owner's side: counts, and checks that it is asked one thing at a time. */
static void rig_quiesce(void *owner)
{
	struct rig *rig = owner;

	assert_false(rig->asked); /* asked once, until answered */
	rig->asked = true;
	rig->n_quiesce++;
}

/* Counts. */
static void rig_changed(void *owner)
{
	((struct rig *)owner)->n_changed++;
}

/* Counts, and remembers who. */
static void rig_announce(void *owner, uint64_t mac)
{
	((struct rig *)owner)->n_announce++;
	((struct rig *)owner)->announced = mac;
}

/* The state of the device is rig->saved. */
static int rig_save(void *owner, uint8_t **bytes, size_t *n, struct error *err)
{
	struct rig *rig = owner;

	if (!rig->saved)
		return error_set(err, -ENOMEM, "out of memory");
	*n = rig->n_saved;
	*bytes = malloc(*n + 1);
	memcpy(*bytes, rig->saved, *n);
	return 0;
}

/* Remembers what came; what does not begin with 'v' is wrong. */
static int rig_load(void *owner, const uint8_t *bytes, size_t n, struct error *err)
{
	struct rig *rig = owner;

	rig->n_loads++;
	if (!n || bytes[0] != 'v')
		return error_set(err, -EINVAL, "no state");
	rig->n_loaded = n;
	rig->last_loaded = bytes[n - 1];
	return 0;
}

/* The owner. */
static const struct vhost_device_ops rig_ops = { .quiesce = rig_quiesce,
						 .changed = rig_changed,
						 .announce = rig_announce,
						 .save = rig_save,
						 .load = rig_load };

/* Workers have let go. */
UNUSED_OK static void rig_quiesced(struct rig *rig)
{
	rig->asked = false;
	vhost_device_quiesced(rig->device);
}

/* Lets the device do what there is to do. */
UNUSED_OK static void rig_run(struct rig *rig)
{
	for (int i = 0; i < 12; i++) {
		event_base_loop(rig->base, EVLOOP_NONBLOCK);
		if (rig->asked && !rig->hold)
			rig_quiesced(rig);
	}
}

/* A connected socket, or -1. */
UNUSED_OK static int connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* A front-end comes, and is served. */
UNUSED_OK static void rig_connect(struct rig *rig)
{
	rig->peer = connect_to(rig->path);
	assert_true(rig->peer >= 0);
	rig_run(rig);
	assert_true(vhost_device_state(rig->device)->connected);
}

/* It goes. */
UNUSED_OK static void rig_disconnect(struct rig *rig)
{
	close(rig->peer);
	rig->peer = -1;
	rig_run(rig);
}

/* Without a device: its place, its loop, guest memory. */
UNUSED_OK static void rig_prepare(struct rig *rig)
{
	memset(rig, 0, sizeof(*rig));
	rig->n_fds = count_fds();
	snprintf(rig->dir, sizeof(rig->dir), "/tmp/vireo-test-XXXXXX");
	assert_non_null(mkdtemp(rig->dir));
	snprintf(rig->path, sizeof(rig->path), "%s/vm.sock", rig->dir);
	rig->base = event_base_new();
	vhost_socket_maker_init(&rig->sockets, rig->base);
	rig->peer = -1;
	rig->mem_fd = memfd_create("guest", MFD_CLOEXEC);
	assert_int_equal(ftruncate(rig->mem_fd, MEM_SIZE), 0);
	rig->mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, rig->mem_fd, 0);
	assert_ptr_not_equal(rig->mem, MAP_FAILED);
	rig->config = (struct vhost_device_config){
		.name = "vm",
		.path = rig->path,
		.mode = VHOST_LISTEN,
		.rights = { -1, -1, -1 },
		.features = F_V1 | F_PACKED | F_LOG | BIT(VIRTIO_NET_F_MRG_RXBUF) |
			    BIT(VIRTIO_NET_F_MQ),
		.protocol_features = ALL_PROTOCOL,
		.n_queue_pairs = 4,
		.mtu = 1500,
		.mac = { 2, 0, 0, 0, 0, 7 },
		.base = rig->base,
	};
}

/* Makes the device that rig->config describes. */
UNUSED_OK static void rig_create(struct rig *rig)
{
	struct error err = { "" };
	int rc = vhost_device_create(&rig->device, &rig->config, &rig_ops, rig, &rig->sockets.maker,
				     &err);

	if (rc)
		fail_msg("%s", err.text);
}

/* How often guest memory is mapped. */
UNUSED_OK static unsigned count_mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];
	unsigned n = 0;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		n += strstr(line, "memfd:guest") != NULL;
	fclose(maps);
	return n;
}

/* Takes everything down and finds that nothing is left. */
UNUSED_OK static void rig_finish(struct rig *rig)
{
	if (rig->peer >= 0)
		close(rig->peer);
	vhost_device_destroy(rig->device);
	event_base_free(rig->base);
	munmap(rig->mem, MEM_SIZE);
	close(rig->mem_fd);
	assert_int_equal(rmdir(rig->dir), 0); /* the socket file is gone */
	rcu_drain();
	assert_int_equal(count_mappings(), 0);
	assert_int_equal(count_fds(), rig->n_fds);
}

/* Of a test: a device with a front-end. */
UNUSED_OK static int rig_setup(void **state)
{
	static struct rig rig;

	rig_prepare(&rig);
	rig_create(&rig);
	rig_connect(&rig);
	*state = &rig;
	return 0;
}

/* The end of that test. */
UNUSED_OK static int rig_teardown(void **state)
{
	rig_finish(*state);
	return 0;
}

/* ---- what the front-end sends */

/* Bytes and fds as they are. */
UNUSED_OK static void send_bytes(int fd, const void *bytes, size_t len, const int *fds, unsigned n)
{
	assert_int_equal(send_fds(fd, bytes, len, fds, n, MSG_NOSIGNAL), (ssize_t)len);
}

/* A message with a header that fits. */
UNUSED_OK static void send_message(struct rig *rig, uint32_t request, uint32_t flags,
				   const void *payload, size_t size, const int *fds, unsigned n)
{
	struct {
		struct vhost_user_header header;
		uint8_t payload[2 * VHOST_USER_PAYLOAD_MAX];
	} m = { .header = { request, VHOST_USER_VERSION | flags, (uint32_t)size } };

	if (size)
		memcpy(m.payload, payload, size);
	send_bytes(rig->peer, &m, sizeof(m.header) + size, fds, n);
}

/* A message of one number. */
UNUSED_OK static void send_u64(struct rig *rig, uint32_t request, uint64_t value)
{
	send_message(rig, request, 0, &value, sizeof(value), NULL, 0);
}

/* A message of a ring's index and a number. */
UNUSED_OK static void send_state(struct rig *rig, uint32_t request, uint32_t index, uint32_t num)
{
	struct vhost_user_vring_state state = { index, num };

	send_message(rig, request, 0, &state, sizeof(state), NULL, 0);
}

/* Sends an eventfd for a ring and returns it. */
UNUSED_OK static int send_eventfd(struct rig *rig, uint32_t request, uint32_t index)
{
	uint64_t value = index;
	int fd = eventfd(0, EFD_CLOEXEC);

	send_message(rig, request, 0, &value, sizeof(value), &fd, 1);
	return fd;
}

/* All of guest memory. */
UNUSED_OK static struct vhost_user_region whole_region(void)
{
	return (struct vhost_user_region){ MEM_GUEST, MEM_SIZE, MEM_USER, 0 };
}

/* SET_MEM_TABLE of that. */
UNUSED_OK static void send_memory(struct rig *rig)
{
	struct vhost_user_memory memory = { .n_regions = 1, .regions = { whole_region() } };

	send_message(rig, VHOST_USER_SET_MEM_TABLE, 0, &memory, 8 + 32, &rig->mem_fd, 1);
}

/* SET_VRING_ADDR of the ring's place. */
UNUSED_OK static void send_addr(struct rig *rig, uint32_t index)
{
	uint64_t at = MEM_USER + (uint64_t)index * RING_STRIDE;
	struct vhost_user_vring_addr addr = {
		.index = index, .desc = at, .avail = at + 0x2000, .used = at + 0x4000
	};

	send_message(rig, VHOST_USER_SET_VRING_ADDR, 0, &addr, sizeof(addr), NULL, 0);
}

/* Everything a ring needs but memory. Polled: no kick fd. */
UNUSED_OK static void send_ring(struct rig *rig, uint32_t index)
{
	send_state(rig, VHOST_USER_SET_VRING_NUM, index, RING_SIZE);
	send_state(rig, VHOST_USER_SET_VRING_BASE, index, 0);
	send_addr(rig, index);
	send_u64(rig, VHOST_USER_SET_VRING_KICK, index | VHOST_USER_VRING_NOFD);
}

/* As QEMU begins. */
UNUSED_OK static void negotiate(struct rig *rig)
{
	send_u64(rig, VHOST_USER_SET_PROTOCOL_FEATURES, ALL_PROTOCOL);
	send_message(rig, VHOST_USER_SET_OWNER, 0, NULL, 0, NULL, 0);
	send_u64(rig, VHOST_USER_SET_FEATURES, F_V1 | F_EXTENDED);
	rig_run(rig);
}

/* ---- what comes back */

/* The next answer's payload in @payload (VHOST_USER_PAYLOAD_MAX bytes) and its length; -1 when
 * nothing comes, -2 when the device has closed.
 */
UNUSED_OK static int receive(struct rig *rig, uint32_t request, void *payload)
{
	struct vhost_user_header header;
	ssize_t n;

	rig_run(rig);
	n = recv(rig->peer, &header, sizeof(header), MSG_DONTWAIT);
	if (n <= 0)
		return n == 0 || errno == ECONNRESET ? -2 : -1;
	assert_int_equal(n, sizeof(header));
	assert_int_equal(header.request, request);
	assert_int_equal(header.flags, VHOST_USER_VERSION | VHOST_USER_FLAG_REPLY);
	if (header.size)
		assert_int_equal(recv(rig->peer, payload, header.size, MSG_DONTWAIT), header.size);
	return (int)header.size;
}

/* Sends a GET and returns the u64 that is answered. */
UNUSED_OK static uint64_t get_u64(struct rig *rig, uint32_t request)
{
	union vhost_user_payload payload;

	send_message(rig, request, 0, NULL, 0, NULL, 0);
	assert_int_equal(receive(rig, request, &payload), 8);
	return payload.u64;
}

/* Sends a message that asks for an acknowledgement and returns that; -1 and -2 as receive(). */
UNUSED_OK static int64_t ask(struct rig *rig, uint32_t request, const void *payload, size_t size,
			     const int *fds, unsigned n)
{
	union vhost_user_payload answer;
	int rc;

	send_message(rig, request, VHOST_USER_FLAG_NEED_REPLY, payload, size, fds, n);
	rc = receive(rig, request, &answer);
	if (rc < 0)
		return rc;
	assert_int_equal(rc, 8);
	return (int64_t)answer.u64;
}

/* The same for a ring's index and a number. */
UNUSED_OK static int64_t ask_state(struct rig *rig, uint32_t request, uint32_t index, uint32_t num)
{
	struct vhost_user_vring_state state = { index, num };

	return ask(rig, request, &state, sizeof(state), NULL, 0);
}

/* The same for a number. */
UNUSED_OK static int64_t ask_u64(struct rig *rig, uint32_t request, uint64_t value)
{
	return ask(rig, request, &value, sizeof(value), NULL, 0);
}

/* Whether the device is still there and serves us. */
UNUSED_OK static bool alive(struct rig *rig)
{
	union vhost_user_payload payload;

	send_message(rig, VHOST_USER_GET_FEATURES, 0, NULL, 0, NULL, 0);
	return receive(rig, VHOST_USER_GET_FEATURES, &payload) == 8;
}

/* Finds that the device has closed the connection and said why. */
#define assert_refused(rig, why)                                                 \
	do {                                                                     \
		char bin_[VHOST_USER_PAYLOAD_MAX];                               \
		rig_run(rig);                                                    \
		while (recv((rig)->peer, bin_, sizeof(bin_), MSG_DONTWAIT) > 0)  \
			;                                                        \
		assert_false(vhost_device_state((rig)->device)->connected);      \
		if (!strstr(vhost_device_state((rig)->device)->last_error, why)) \
			fail_msg("refused because: %s",                          \
				 vhost_device_state((rig)->device)->last_error); \
		close((rig)->peer);                                              \
		(rig)->peer = -1;                                                \
	} while (0)

/* The device's ring. */
UNUSED_OK static struct vhost_vring *vring(struct rig *rig, unsigned index)
{
	return vhost_device_vring(rig->device, index);
}

/* A test that starts with a connected front-end. */
#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
