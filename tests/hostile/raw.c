// SPDX-License-Identifier: Apache-2.0
// A front-end that says whatever a test wants, right or wrong.

#include "hostile/raw.h"

#include <errno.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

#define WAIT_MS 10000

int raw_connect(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void hang_up(struct raw *raw)
{
	if (raw->fd >= 0)
		close(raw->fd);
	raw->fd = -1;
}

bool raw_write(struct raw *raw, const void *bytes, size_t len, const int *fds, unsigned n_fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * RAW_FDS_MAX)];
	} control = { 0 };
	struct iovec iov = { (void *)bytes, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n_fds > 0) {
		struct cmsghdr *c = &control.align;

		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	while (raw->fd >= 0 && iov.iov_len > 0) {
		struct pollfd pfd = { raw->fd, POLLOUT, 0 };
		ssize_t n;

		if (poll(&pfd, 1, WAIT_MS) != 1) {
			hang_up(raw);
			break;
		}
		n = sendmsg(raw->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			continue;
		if (n < 0) {
			hang_up(raw);
			break;
		}
		iov.iov_base = (char *)iov.iov_base + n;
		iov.iov_len -= (size_t)n;
		msg.msg_control = NULL;
		msg.msg_controllen = 0;
	}
	return raw->fd >= 0;
}

bool raw_send(struct raw *raw, uint32_t request, uint32_t flags, uint32_t size, const void *payload,
	      size_t len, const int *fds, unsigned n_fds)
{
	struct {
		struct vhost_user_header header;
		uint8_t payload[4096];
	} message = { .header = { request, flags, size } };

	if (len > sizeof(message.payload))
		len = sizeof(message.payload);
	if (len > 0)
		memcpy(message.payload, payload, len);
	return raw_write(raw, &message, sizeof(message.header) + len, fds, n_fds);
}

bool raw_u64(struct raw *raw, uint32_t request, uint64_t value)
{
	return raw_send(raw, request, VHOST_USER_VERSION, 8, &value, 8, NULL, 0);
}

bool raw_vring_state(struct raw *raw, uint32_t request, uint32_t index, uint32_t num)
{
	struct vhost_user_vring_state state = { index, num };

	return raw_send(raw, request, VHOST_USER_VERSION, 8, &state, 8, NULL, 0);
}

bool raw_region(struct raw *raw, uint32_t request, const struct vhost_user_region *region, int fd)
{
	struct vhost_user_single_region single = { .region = *region };

	return raw_send(raw, request, VHOST_USER_VERSION, sizeof(single), &single, sizeof(single),
			&fd, fd >= 0);
}

struct vhost_user_region raw_memory_region(void)
{
	return (struct vhost_user_region){ RAW_GUEST_ADDR, RAW_MEM_SIZE, RAW_USER_ADDR, 0 };
}

/* Reads exactly @len bytes. */
static bool read_all(struct raw *raw, void *to, size_t len)
{
	while (raw->fd >= 0 && len > 0) {
		struct pollfd pfd = { raw->fd, POLLIN, 0 };
		ssize_t n = -1;

		if (poll(&pfd, 1, WAIT_MS) == 1)
			n = read(raw->fd, to, len);
		if (n <= 0) {
			hang_up(raw);
			break;
		}
		to = (char *)to + n;
		len -= (size_t)n;
	}
	return raw->fd >= 0;
}

/* Takes answers until one to @request came, whose value goes to @value. */
static bool await(struct raw *raw, uint32_t request, uint64_t *value)
{
	uint8_t payload[VHOST_USER_PAYLOAD_MAX];
	struct vhost_user_header header;

	do {
		if (!read_all(raw, &header, sizeof(header)))
			return false;
		if (header.size > sizeof(payload)) {
			hang_up(raw);
			return false;
		}
		if (!read_all(raw, payload, header.size))
			return false;
	} while (header.request != request);
	memcpy(value, payload, sizeof(*value));
	return true;
}

bool raw_ask(struct raw *raw, uint32_t request, uint64_t *value)
{
	return raw_send(raw, request, VHOST_USER_VERSION, 0, NULL, 0, NULL, 0) &&
	       await(raw, request, value);
}

bool raw_sync(struct raw *raw)
{
	uint64_t features;

	return raw_ask(raw, VHOST_USER_GET_FEATURES, &features);
}

static bool negotiate(struct raw *raw)
{
	uint64_t features, protocol;

	return raw_send(raw, VHOST_USER_SET_OWNER, VHOST_USER_VERSION, 0, NULL, 0, NULL, 0) &&
	       raw_ask(raw, VHOST_USER_GET_FEATURES, &features) &&
	       raw_ask(raw, VHOST_USER_GET_PROTOCOL_FEATURES, &protocol) &&
	       raw_u64(raw, VHOST_USER_SET_PROTOCOL_FEATURES, protocol) &&
	       raw_u64(raw, VHOST_USER_SET_FEATURES,
		       features & ~(1ull << 34 | 1ull << VHOST_USER_F_LOG_ALL)) &&
	       raw_sync(raw);
}

bool raw_log(struct raw *raw, uint64_t size, uint64_t offset, int fd)
{
	struct vhost_user_log log = { size, offset };

	return raw_send(raw, VHOST_USER_SET_LOG_BASE, VHOST_USER_VERSION, sizeof(log), &log,
			sizeof(log), &fd, 1);
}

bool raw_start_log(struct raw *raw, int fd)
{
	uint64_t features;

	return raw_log(raw, RAW_LOG_SIZE, 0, fd) &&
	       raw_ask(raw, VHOST_USER_GET_FEATURES, &features) &&
	       raw_u64(raw, VHOST_USER_SET_FEATURES, features & ~(1ull << 34)) && raw_sync(raw);
}

static bool share_memory(struct raw *raw)
{
	struct vhost_user_region region = raw_memory_region();

	raw->mem_fd = memfd_create("raw", MFD_CLOEXEC);
	if (raw->mem_fd < 0 || ftruncate(raw->mem_fd, RAW_MEM_SIZE) != 0)
		return false;
	raw->mem = mmap(NULL, RAW_MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, raw->mem_fd, 0);
	return raw->mem != MAP_FAILED &&
	       raw_region(raw, VHOST_USER_ADD_MEM_REG, &region, raw->mem_fd) && raw_sync(raw);
}

bool raw_run_ring(struct raw *raw, unsigned index)
{
	struct vhost_user_vring_addr addr = {
		.index = index,
		.desc = RAW_USER_ADDR + RAW_DESC(index),
		.avail = RAW_USER_ADDR + RAW_DRIVER(index),
		.used = RAW_USER_ADDR + RAW_DEVICE(index),
	};
	uint64_t u64 = index;

	return raw_vring_state(raw, VHOST_USER_SET_VRING_NUM, index, RAW_RING) &&
	       raw_vring_state(raw, VHOST_USER_SET_VRING_BASE, index, 0) &&
	       raw_send(raw, VHOST_USER_SET_VRING_ADDR, VHOST_USER_VERSION, sizeof(addr), &addr,
			sizeof(addr), NULL, 0) &&
	       raw_send(raw, VHOST_USER_SET_VRING_CALL, VHOST_USER_VERSION, 8, &u64, 8,
			&raw->event_fds[0], 1) &&
	       raw_send(raw, VHOST_USER_SET_VRING_KICK, VHOST_USER_VERSION, 8, &u64, 8,
			&raw->event_fds[1], 1) &&
	       raw_vring_state(raw, VHOST_USER_SET_VRING_ENABLE, index, 1);
}

void raw_traffic(struct raw *raw, unsigned n)
{
	static const uint8_t addresses[12] = { 2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 14 };

	memcpy(raw->mem + RAW_FRAME + 12, addresses, sizeof(addresses));
	for (unsigned i = 0; i < 2; i++) {
		struct vring_desc *desc = (struct vring_desc *)(raw->mem + RAW_DESC(i));
		struct vring_avail *avail = (struct vring_avail *)(raw->mem + RAW_DRIVER(i));
		struct vring_used *used = (struct vring_used *)(raw->mem + RAW_DEVICE(i));
		uint16_t idx = avail->idx;

		for (unsigned j = 0; j < RAW_RING; j++) {
			desc[j] = (struct vring_desc){ RAW_GUEST_ADDR + RAW_FRAME, 200,
						       i == 0 ? VRING_DESC_F_WRITE : 0, 0 };
			avail->ring[j] = (uint16_t)j;
		}
		idx = i == 0 ? used->idx + RAW_RING : (uint16_t)(idx + n);
		if ((uint16_t)(idx - used->idx) > RAW_RING)
			idx = used->idx + RAW_RING;
		__atomic_store_n(&avail->idx, idx, __ATOMIC_RELEASE);
	}
	eventfd_write(raw->event_fds[1], 1);
}

bool raw_open(struct raw *raw, const char *path, enum raw_state state)
{
	uint64_t end = clock_ns() + WAIT_MS * NSEC_PER_MSEC;

	*raw = (struct raw){ .fd = -1, .mem_fd = -1, .mem = MAP_FAILED };
	raw->event_fds[0] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	raw->event_fds[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	/* A port that still lets go of the last front-end may close the first try. */
	while (raw->fd < 0 && clock_ns() < end) {
		raw->fd = raw_connect(path);
		if (raw->fd >= 0 && (state == RAW_FRESH ? !raw_sync(raw) : !negotiate(raw)))
			usleep(1000);
	}
	if (raw->fd < 0 || (state >= RAW_MEMORY && !share_memory(raw)))
		return false;
	if (state < RAW_RUNNING)
		return true;
	if (!raw_run_ring(raw, 0) || !raw_run_ring(raw, 1) || !raw_sync(raw))
		return false;
	raw_traffic(raw, 8);
	return true;
}

void raw_close(struct raw *raw)
{
	hang_up(raw);
	if (raw->mem != MAP_FAILED)
		munmap(raw->mem, RAW_MEM_SIZE);
	if (raw->mem_fd >= 0)
		close(raw->mem_fd);
	close(raw->event_fds[0]);
	close(raw->event_fds[1]);
}
