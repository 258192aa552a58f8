// SPDX-License-Identifier: Apache-2.0
/* A vhost-user front-end whose every message comes from the input, with fds of many kinds, against
 * a device whose live rings are served as a worker would. After each input the front-end goes, and
 * the process must have as many open fds as before.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../unit/fds.h"
#include "base/clock.h"
#include "base/log.h"
#include "vhost/device.h"
#include "vhost/proto.h"
#include "vhost/socket_endpoint.h"

#define MEM_SIZE (1u << 20)
#define MEM_GUEST 0x100000ull
#define MEM_USER 0x7f0000000000ull
#define N_VRINGS 4
#define ARENA_LEN (RING_SIZE_MAX + GUESTMEM_REGIONS_MAX)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct event_base *base;
static struct vhost_socket_maker sockets;
static struct vhost_device *device;
static char dir[] = "/tmp/vireo-fuzz-XXXXXX", path[64];
static int peer = -1;
static bool asked, hold;
/* what the front-end can send along */
enum { GUEST, EVENT, PIPE_IN, PIPE_OUT, ZERO, SOCKET, PAGE, DIRECTORY, N_KINDS };
static int kinds[N_KINDS];
static uint8_t *mem;

struct input {
	const uint8_t *data;
	size_t size;
};

static uint8_t next(struct input *in)
{
	if (!in->size)
		return 0;
	in->size--;
	return *in->data++;
}

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "fuzz_vhost: %s\n", what);
	abort();
}

static void on_quiesce(void *owner)
{
	need(!asked, "asked to quiesce twice");
	asked = true;
}

static void on_changed(void *owner)
{
	need(!asked, "changed without an answer to quiesce");
}

static void on_announce(void *owner, uint64_t mac)
{
}

static int on_save(void *owner, uint8_t **bytes, size_t *n, struct error *err)
{
	*n = 100000; /* more than a pipe holds */
	*bytes = calloc(1, *n);
	return *bytes ? 0 : error_set(err, -ENOMEM, "out of memory");
}

static int on_load(void *owner, const uint8_t *bytes, size_t n, struct error *err)
{
	return n && bytes[n - 1] & 1 ? 0 : error_set(err, -EINVAL, "no state");
}

static const struct vhost_device_ops ops = { .quiesce = on_quiesce,
					     .changed = on_changed,
					     .announce = on_announce,
					     .save = on_save,
					     .load = on_load };

static void answer_quiesce(void)
{
	if (!asked)
		return;
	asked = false;
	vhost_device_quiesced(device);
}

/* A worker's turn on each live ring; it may not have one while it was asked to let go. */
static void work(void)
{
	const struct vhost_device_state *st = vhost_device_state(device);
	static struct iovec arena[ARENA_LEN];
	struct ring_chain chains[8];

	for (unsigned i = 0; i < N_VRINGS && !asked; i++) {
		struct vhost_vring *v = vhost_device_vring(device, i);
		struct dirty dirty;
		uint16_t from;
		unsigned n;

		if (!v->live)
			continue;
		need(v->ring.ops, "a live ring that is not started");
		need(st->log || !(st->features >> VHOST_USER_F_LOG_ALL & 1),
		     "a live ring that is to be logged, and no log");
		n = ring_take(&v->ring, vhost_device_state(device)->mem, chains, 8, arena,
			      ARENA_LEN);
		for (unsigned c = 0; c < n; c++)
			for (unsigned f = 0; f < (unsigned)chains[c].n_out + chains[c].n_in; f++)
				*(volatile uint8_t *)chains[c].iov[f].iov_base;
		from = v->ring.next_used;
		ring_complete(&v->ring, NULL, n);
		if (n && st->log) {
			dirty_begin(&dirty, st->log, st->mem);
			dirty_mark_used(&dirty, &v->ring, from);
			for (unsigned c = 0; c < n; c++)
				dirty_mark_chain(&dirty, &chains[c], UINT32_MAX);
			need(dirty_end(&dirty) || bus_guard_any_hit(), "memory without a mark");
		}
		if (ring_broken(&v->ring))
			vhost_device_ring_broken(device, i);
		else
			ring_wants_notify(&v->ring);
	}
}

static void run(void)
{
	char bin[4096];

	for (int i = 0; i < 4; i++) {
		event_base_loop(base, EVLOOP_NONBLOCK);
		if (!hold)
			answer_quiesce();
		work();
	}
	while (recv(peer, bin, sizeof(bin), MSG_DONTWAIT) > 0)
		;
}

static void connect_peer(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	strcpy(addr.sun_path, path);
	peer = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	need(connect(peer, (struct sockaddr *)&addr, sizeof(addr)) == 0, "cannot connect");
	run();
}

static void disconnect_peer(void)
{
	close(peer);
	peer = -1;
	hold = false;
	/* what it has sent is served first, a turn of the loop for each message that is held */
	for (uint64_t end = clock_ns() + 20 * NSEC_PER_SEC;
	     clock_ns() < end && (asked || vhost_device_state(device)->connected);) {
		event_base_loop(base, EVLOOP_NONBLOCK);
		answer_quiesce();
	}
	need(!vhost_device_state(device)->connected, "still connected");
	for (unsigned i = 0; i < N_VRINGS; i++)
		need(!vhost_device_vring(device, i)->live, "a ring lives without a front-end");
}

static void send_bytes(const void *bytes, size_t len, const int *fds, unsigned n)
{
	send_fds(peer, bytes, len, fds, n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void send_message(uint32_t request, uint32_t flags, const void *payload, size_t size,
			 const int *fds, unsigned n)
{
	struct {
		struct vhost_user_header header;
		uint8_t payload[2 * VHOST_USER_PAYLOAD_MAX];
	} m = { .header = { request, flags, (uint32_t)size } };

	memcpy(m.payload, payload, size);
	send_bytes(&m, sizeof(m.header) + size, fds, n);
}

static void send_u64(uint32_t request, uint64_t value)
{
	send_message(request, VHOST_USER_VERSION, &value, sizeof(value), NULL, 0);
}

static void send_state(uint32_t request, uint32_t index, uint32_t num)
{
	struct vhost_user_vring_state state = { index, num };

	send_message(request, VHOST_USER_VERSION, &state, sizeof(state), NULL, 0);
}

/* Any request with any payload and fds. */
static void any_message(struct input *in)
{
	uint8_t payload[2 * VHOST_USER_PAYLOAD_MAX] = { 0 };
	uint32_t request = next(in) % 64, flags = next(in);
	size_t size = next(in);
	unsigned n = next(in) % 16;
	int fds[16];

	if (!(flags & 0x80)) /* mostly the right version */
		flags = VHOST_USER_VERSION | (flags & VHOST_USER_FLAG_NEED_REPLY);
	if (size > 250)
		size = 1000 + 10 * (size - 250);
	for (unsigned i = 0; i < n; i++)
		fds[i] = kinds[next(in) % N_KINDS];
	for (size_t i = 0; i < size; i++)
		payload[i] = next(in);
	send_message(request, flags, payload, size, fds, n);
}

static void right_memory(struct input *in)
{
	struct vhost_user_single_region one = { .region = { MEM_GUEST, MEM_SIZE, MEM_USER, 0 } };
	struct vhost_user_memory table = { .n_regions = 1, .regions = { one.region } };

	switch (next(in) % 3) {
	case 0:
		send_message(VHOST_USER_SET_MEM_TABLE, VHOST_USER_VERSION, &table, 40,
			     &kinds[GUEST], 1);
		break;
	case 1:
		send_message(VHOST_USER_ADD_MEM_REG, VHOST_USER_VERSION, &one, sizeof(one),
			     &kinds[GUEST], 1);
		break;
	default:
		send_message(VHOST_USER_REM_MEM_REG, VHOST_USER_VERSION, &one, sizeof(one), NULL,
			     0);
	}
}

static void right_ring(struct input *in)
{
	uint32_t index = next(in) % N_VRINGS;
	uint64_t at = MEM_USER + index * 0x10000, u64 = index;
	struct vhost_user_vring_addr addr = {
		.index = index, .desc = at, .avail = at + 0x8000, .used = at + 0xa000
	};

	send_state(VHOST_USER_SET_VRING_NUM, index, 1u << next(in) % 8);
	send_message(VHOST_USER_SET_VRING_ADDR, VHOST_USER_VERSION, &addr, sizeof(addr), NULL, 0);
	send_message(VHOST_USER_SET_VRING_ERR, VHOST_USER_VERSION, &u64, 8, &kinds[EVENT], 1);
	send_message(VHOST_USER_SET_VRING_KICK, VHOST_USER_VERSION, &u64, 8, &kinds[EVENT], 1);
}

/* A log that may be good, and the wish that it is used. */
static void right_log(struct input *in)
{
	struct vhost_user_log log = { (MEM_GUEST + MEM_SIZE) / 4096 / 8 - (next(in) & 1),
				      next(in) };

	send_message(VHOST_USER_SET_LOG_BASE, VHOST_USER_VERSION, &log, sizeof(log),
		     &kinds[next(in) & 1 ? GUEST : PAGE], 1);
	send_u64(VHOST_USER_SET_FEATURES, 1ull << VIRTIO_F_VERSION_1 | 7ull << 28 |
						  (uint64_t)(next(in) & 1) << VHOST_USER_F_LOG_ALL);
}

/* A state that is loaded, or saved, through a pipe of its own. */
static void right_transfer(struct input *in)
{
	struct vhost_user_transfer transfer = { next(in) & 1, next(in) % 8 == 1 };
	bool loads = transfer.direction == VHOST_USER_TRANSFER_LOAD;
	uint8_t bytes[256];
	size_t n = next(in);
	int ends[2];

	need(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0, "no pipe");
	send_message(VHOST_USER_SET_DEVICE_STATE_FD, VHOST_USER_VERSION, &transfer,
		     sizeof(transfer), &ends[!loads], 1);
	run();
	for (size_t i = 0; i < n; i++)
		bytes[i] = next(in);
	if (loads && write(ends[1], bytes, n) < 0)
		need(errno == EPIPE, "the pipe is full");
	else if (!loads && n & 1 && read(ends[0], bytes, sizeof(bytes)) < 0)
		need(errno == EAGAIN, "the pipe cannot be read");
	close(ends[0]);
	close(ends[1]);
	if (n & 2)
		send_message(VHOST_USER_CHECK_DEVICE_STATE, VHOST_USER_VERSION, &n, 0, NULL, 0);
}

static void guest_writes(struct input *in)
{
	size_t at = (size_t)(next(in) % N_VRINGS) * 0x10000, n = next(in) % 64;
	static const uint16_t parts[] = { 0, 0x8000, 0xa000, 0x40 };

	at += parts[next(in) % 4];
	for (size_t i = 0; i < n; i++)
		mem[at + i] = next(in);
}

static void step(struct input *in)
{
	uint8_t bytes[256];
	size_t n;

	switch (next(in) % 11) {
	case 0:
	case 1:
		any_message(in);
		break;
	case 2:
		right_memory(in);
		break;
	case 3:
		right_ring(in);
		break;
	case 4:
		send_u64(VHOST_USER_SET_PROTOCOL_FEATURES, 0x9803f);
		send_u64(VHOST_USER_SET_FEATURES, 1ull << VIRTIO_F_VERSION_1 | 7ull << 28);
		break;
	case 5:
		disconnect_peer();
		connect_peer();
		break;
	case 6:
		hold = next(in) & 1;
		break;
	case 7:
		guest_writes(in);
		break;
	case 9:
		right_log(in);
		break;
	case 10:
		right_transfer(in);
		break;
	default: /* no message at all */
		n = next(in);
		for (size_t i = 0; i < n; i++)
			bytes[i] = next(in);
		send_bytes(bytes, n, &kinds[next(in) % N_KINDS], next(in) & 1);
	}
	run();
	if (!vhost_device_state(device)->connected && !hold) {
		disconnect_peer();
		connect_peer();
	}
}

static void prepare(void)
{
	struct vhost_device_config config = {
		.name = "fuzz",
		.path = path,
		.mode = VHOST_LISTEN,
		.rights = { -1, -1, -1 },
		.features = 1ull << VIRTIO_F_VERSION_1 | 1ull << 28 | 1ull << 29 |
			    1ull << VHOST_USER_F_LOG_ALL,
		.protocol_features = 0x9ffff,
		.n_queue_pairs = N_VRINGS / 2,
		.mtu = 1500,
	};
	struct error err;
	int pair[2];

	log_set_level("all", "error", NULL);
	signal(SIGPIPE, SIG_IGN);
	need(mkdtemp(dir), "cannot make a directory");
	snprintf(path, sizeof(path), "%s/s", dir);
	kinds[GUEST] = memfd_create("guest", MFD_CLOEXEC);
	kinds[PAGE] = memfd_create("page", MFD_CLOEXEC);
	need(ftruncate(kinds[GUEST], MEM_SIZE) == 0 && ftruncate(kinds[PAGE], 4096) == 0,
	     "no memory");
	mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, kinds[GUEST], 0);
	need(mem != MAP_FAILED, "no memory");
	kinds[EVENT] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	need(pipe2(pair, O_CLOEXEC | O_NONBLOCK) == 0, "no pipe");
	kinds[PIPE_IN] = pair[0];
	kinds[PIPE_OUT] = pair[1];
	kinds[ZERO] = open("/dev/zero", O_RDWR | O_CLOEXEC);
	need(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0,
	     "no socket");
	kinds[SOCKET] = pair[0];
	kinds[DIRECTORY] = open("/", O_RDONLY | O_CLOEXEC);
	base = config.base = event_base_new();
	vhost_socket_maker_init(&sockets, base);
	need(vhost_device_create(&device, &config, &ops, NULL, &sockets.maker, &err) == 0,
	     err.text);
}

static void clean_up(void)
{
	vhost_device_destroy(device);
	rmdir(dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	static unsigned n_inputs;
	unsigned n_fds;

	if (!device) {
		prepare();
		atexit(clean_up);
	}
	memset(mem, 0, MEM_SIZE / 4);
	n_fds = count_fds();
	connect_peer();
	while (in.size)
		step(&in);
	disconnect_peer();
	if (n_inputs++ % 64 == 0)
		rcu_drain(); /* what was mapped goes */
	need(count_fds() == n_fds, "file descriptors leak");
	return 0;
}
