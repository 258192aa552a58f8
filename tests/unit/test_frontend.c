// SPDX-License-Identifier: Apache-2.0
/* The vhost-user front-end against the back-end, in one event loop: every way to agree, to
 * reconnect and to stop; and against back-ends that answer wrongly.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "log_file.h"

#include "base/clock.h"
#include "base/compiler.h"
#include "vhost/channel.h"
#include "vhost/device.h"
#include "vhost/frontend.h"
#include "vhost/socket.h"
#include "vhost/socket_endpoint.h"

#define BIT(n) (1ull << (n))
#define VIRTIO_FEATURES (BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_NET_F_MRG_RXBUF))
#define TRANSPORT BIT(VHOST_USER_F_PROTOCOL_FEATURES)
#define WAIT_MS 5000

/* A back-end and a front-end, and what each was told. */
struct world {
	struct event_base *base;
	struct vhost_socket_maker sockets;
	char path[64];
	struct vhost_device *device;
	struct event *quiesced;
	struct sharedmem mem;
	struct frontend *frontend;
	struct frontend_config config;
	struct netdrv *drv;
	unsigned n_pairs, offered_pairs;
	unsigned n_negotiated, n_ready, n_downs, n_stopped;
	uint16_t bases[4];
	char why[256];
};

static void on_quiesced(evutil_socket_t fd, short what, void *arg)
{
	vhost_device_quiesced(((struct world *)arg)->device);
}

static void quiesce(void *owner)
{
	event_active(((struct world *)owner)->quiesced, EV_TIMEOUT, 0);
}

static void changed(void *owner)
{
}

static const struct vhost_device_ops device_ops = { .quiesce = quiesce, .changed = changed };

static void negotiated(void *owner, uint64_t features, unsigned n_pairs)
{
	struct world *w = owner;
	struct netdrv_config net = { .features = features, .n_pairs = w->n_pairs };
	struct error err;

	w->n_negotiated++;
	w->offered_pairs = n_pairs;
	if ((w->drv == NULL && netdrv_create(&w->drv, &net, &w->mem, &err) != 0) ||
	    netdrv_start(w->drv, frontend_transport(w->frontend), &err) != 0)
		fail_msg("%s", err.text);
}

static void ready(void *owner)
{
	((struct world *)owner)->n_ready++;
}

static void stopped(void *owner, unsigned index, uint32_t base)
{
	struct world *w = owner;

	w->n_stopped++;
	w->bases[index] = base;
}

static void down(void *owner, const char *why)
{
	struct world *w = owner;

	w->n_downs++;
	snprintf(w->why, sizeof(w->why), "%s", why);
}

static const struct frontend_ops frontend_ops = {
	.negotiated = negotiated, .ready = ready, .stopped = stopped, .down = down
};

static void start_device(struct world *w, bool connects)
{
	struct vhost_device_config config = {
		.name = "test",
		.path = w->path,
		.mode = connects ? VHOST_CONNECT : VHOST_LISTEN,
		.rights = { -1, -1, -1 },
		.features = VIRTIO_FEATURES | TRANSPORT | BIT(VHOST_USER_F_LOG_ALL),
		.protocol_features = FRONTEND_PROTOCOL_FEATURES,
		.n_queue_pairs = 2,
		.mtu = 1500,
	};
	struct error err;

	vhost_socket_maker_init(&w->sockets, w->base);
	if (vhost_device_create(&w->device, &config, &device_ops, w, &w->sockets.maker, &err) != 0)
		fail_msg("%s", err.text);
}

static void start_frontend(struct world *w)
{
	struct error err;

	w->config.path = w->path;
	w->config.memory = &w->mem.memory;
	if (frontend_create(&w->frontend, &w->config, &frontend_ops, w, w->base, &err) != 0)
		fail_msg("%s", err.text);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct error err;

	w->base = event_base_new();
	w->quiesced = evtimer_new(w->base, on_quiesced, w);
	w->n_pairs = 1;
	snprintf(w->path, sizeof(w->path), "/tmp/vireo-frontend-%d", getpid());
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(sharedmem_add(&w->mem, "test", 8 << 20, i << 24, &err), 0);
	w->config.features = VIRTIO_FEATURES | TRANSPORT;
	w->config.protocol_features = FRONTEND_PROTOCOL_FEATURES;
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	frontend_destroy(w->frontend);
	netdrv_destroy(w->drv);
	vhost_device_destroy(w->device);
	sharedmem_destroy(&w->mem);
	event_free(w->quiesced);
	event_base_free(w->base);
	rcu_drain();
	free(w);
	return 0;
}

/* Runs the loop until *@counter is @value. */
static void wait_for(struct world *w, const unsigned *counter, unsigned value)
{
	uint64_t end = clock_ns() + WAIT_MS * NSEC_PER_MSEC;
	struct timeval tick = { 0, 10000 };

	while (*counter < value) {
		if (clock_ns() > end)
			fail_msg("waited too long; connection: %s", w->why);
		event_base_loopexit(w->base, &tick);
		event_base_loop(w->base, EVLOOP_ONCE);
	}
	assert_int_equal(*counter, value);
}

/* A frame from the driver arrives at the device, and one from the device at the driver. */
static void exchange(struct world *w, unsigned pair)
{
	static struct iovec arena[RING_SIZE_MAX + GUESTMEM_REGIONS_MAX];
	struct vhost_vring *rx = vhost_device_vring(w->device, 2 * pair);
	struct vhost_vring *tx = vhost_device_vring(w->device, 2 * pair + 1);
	const struct guestmem *mem = vhost_device_state(w->device)->mem;
	uint8_t bytes[64] = "a frame from the guest";
	struct iovec iov = { bytes, sizeof(bytes) };
	struct netdrv_frame frame = { .iov = &iov, .n_iov = 1, .len = sizeof(bytes) };
	struct ring_chain chain;
	uint32_t len = 12 + 60;

	assert_true(rx->live && tx->live && rx->enabled && tx->enabled);
	assert_int_equal(netdrv_send(w->drv, pair, &frame, 1), 1);
	assert_int_equal(ring_take(&tx->ring, mem, &chain, 1, arena, ARRAY_SIZE(arena)), 1);
	assert_int_equal(chain.out_len, 12 + 64);
	assert_memory_equal((uint8_t *)chain.iov[0].iov_base + 12, bytes, 64);
	ring_complete(&tx->ring, NULL, 1);

	assert_int_equal(ring_take(&rx->ring, mem, &chain, 1, arena, ARRAY_SIZE(arena)), 1);
	memset(chain.iov[0].iov_base, 0, 12);
	((uint8_t *)chain.iov[0].iov_base)[10] = 1; /* num_buffers */
	memset((uint8_t *)chain.iov[0].iov_base + 12, 0x5a, 60);
	ring_complete(&rx->ring, &len, 1);
	assert_int_equal(netdrv_receive(w->drv, pair, &frame, 1), 1);
	assert_int_equal(frame.len, 60);
	assert_int_equal(((uint8_t *)frame.iov[0].iov_base)[59], 0x5a);
	netdrv_release(w->drv, pair);
}

static void test_connect(void **state)
{
	struct world *w = *state;
	uint64_t value;

	start_frontend(w); /* before there is a back-end: it tries again */
	event_base_loop(w->base, EVLOOP_NONBLOCK);
	start_device(w, false);
	wait_for(w, &w->n_ready, 1);
	assert_true(frontend_ready(w->frontend));
	assert_int_equal(frontend_features(w->frontend), VIRTIO_FEATURES | TRANSPORT);
	assert_int_equal(frontend_protocol_features(w->frontend), FRONTEND_PROTOCOL_FEATURES);
	assert_int_equal(w->offered_pairs, 2);
	assert_int_equal(vhost_device_state(w->device)->features, VIRTIO_FEATURES | TRANSPORT);
	assert_int_equal(vhost_device_state(w->device)->status & VIRTIO_CONFIG_S_DRIVER_OK,
			 VIRTIO_CONFIG_S_DRIVER_OK);
	assert_int_equal(vhost_device_state(w->device)->mem->n_ranges, 3);
	exchange(w, 0);

	/* The eventfds are the two ends of one wire. */
	eventfd_write(vhost_device_vring(w->device, 0)->call_fd, 1);
	assert_int_equal(eventfd_read(netdrv_call_fd(w->drv, 0), &value), 0);
	eventfd_read(vhost_device_vring(w->device, 1)->kick_fd, &value);
	netdrv_kick(w->drv, 1);
	assert_int_equal(eventfd_read(vhost_device_vring(w->device, 1)->kick_fd, &value), 0);
	assert_int_equal(value, 1);
	eventfd_write(vhost_device_vring(w->device, 1)->err_fd, 1);
	assert_int_equal(eventfd_read(frontend_err_fd(w->frontend, 1), &value), 0);
}

/* A log is taken, then another one, and is not used any more; the rings go on. */
static void test_log(void **state)
{
	struct world *w = *state;
	struct log_file f = log_file_make(2048), g = log_file_make(4096);

	start_frontend(w);
	assert_int_equal(frontend_start_log(w->frontend, f.fd, 0, f.size), -ENOTCONN);
	assert_int_equal(frontend_stop_log(w->frontend), -ENOTCONN);
	start_device(w, false);
	wait_for(w, &w->n_ready, 1);
	assert_null(vhost_device_state(w->device)->log);
	for (unsigned i = 1; i <= 2; i++) {
		const struct log_file *log = i == 1 ? &f : &g;

		assert_int_equal(frontend_start_log(w->frontend, log->fd, 0, log->size), 0);
		assert_false(frontend_ready(w->frontend));
		wait_for(w, &w->n_ready, 1 + i);
		assert_true(
			dirty_log_is(vhost_device_state(w->device)->log, log->fd, 0, log->size));
		exchange(w, 0);
	}
	assert_int_equal(frontend_stop_log(w->frontend), 0);
	wait_for(w, &w->n_ready, 4);
	assert_null(vhost_device_state(w->device)->log);
	assert_int_equal(frontend_features(w->frontend), VIRTIO_FEATURES | TRANSPORT);
	exchange(w, 0);
	/* one that is refused ends the connection */
	assert_int_equal(frontend_start_log(w->frontend, f.fd, 1, f.size), 0);
	wait_for(w, &w->n_downs, 1);
	log_file_end(&f);
	log_file_end(&g);
}

/* A back-end that cannot log. */
static void test_no_log(void **state)
{
	struct world *w = *state;
	struct log_file f = log_file_make(2048);

	w->config.protocol_features = BIT(VHOST_USER_PROTOCOL_F_MQ);
	start_device(w, false);
	start_frontend(w);
	wait_for(w, &w->n_ready, 1);
	assert_int_equal(frontend_start_log(w->frontend, f.fd, 0, f.size), -EOPNOTSUPP);
	exchange(w, 0);
	log_file_end(&f);
}

static void test_listen(void **state)
{
	struct world *w = *state;

	w->config.listen = true;
	start_frontend(w);
	start_device(w, true);
	wait_for(w, &w->n_ready, 1);
	exchange(w, 0);
	frontend_destroy(w->frontend);
	w->frontend = NULL;
	assert_int_equal(access(w->path, F_OK), -1);
}

static void test_two_pairs(void **state)
{
	struct world *w = *state;

	w->n_pairs = 2;
	start_device(w, false);
	start_frontend(w);
	wait_for(w, &w->n_ready, 1);
	exchange(w, 1);
	exchange(w, 0);
}

static void test_less_features(void **state)
{
	struct world *w = *state;

	w->config.protocol_features = 0; /* a memory table, no acknowledgements */
	start_device(w, false);
	start_frontend(w);
	wait_for(w, &w->n_ready, 1);
	assert_int_equal(vhost_device_state(w->device)->mem->n_ranges, 3);
	exchange(w, 0);
	frontend_destroy(w->frontend);
	w->config.features = VIRTIO_FEATURES; /* rings are enabled without being told */
	netdrv_destroy(w->drv);
	w->drv = NULL;
	start_frontend(w);
	wait_for(w, &w->n_ready, 2);
	assert_int_equal(frontend_features(w->frontend), VIRTIO_FEATURES);
	exchange(w, 0);
	assert_int_equal(frontend_enable_ring(w->frontend, 0, false), -EOPNOTSUPP);
}

static void test_required(void **state)
{
	struct world *w = *state;

	w->config.required = BIT(VIRTIO_F_ACCESS_PLATFORM);
	start_device(w, false);
	start_frontend(w);
	wait_for(w, &w->n_downs, 1);
	assert_non_null(strstr(w->why, "lacks features 0x200000000"));
	assert_int_equal(w->n_negotiated, 0);
}

static void test_device_replaced(void **state)
{
	struct world *w = *state;

	start_device(w, false);
	start_frontend(w);
	for (unsigned i = 1; i < 6; i++) {
		wait_for(w, &w->n_ready, i);
		exchange(w, 0);
		assert_int_equal(w->n_downs, i - 1);
		vhost_device_destroy(w->device);
		wait_for(w, &w->n_downs, i);
		assert_false(frontend_ready(w->frontend));
		assert_int_equal(frontend_fd(w->frontend), -1);
		assert_int_equal(frontend_stop_ring(w->frontend, 0), -ENOTCONN);
		start_device(w, false);
	}
}

static void test_stop_and_start(void **state)
{
	struct world *w = *state;
	struct error err;

	start_device(w, false);
	start_frontend(w);
	wait_for(w, &w->n_ready, 1);
	exchange(w, 0);
	exchange(w, 0);
	assert_int_equal(netdrv_start(w->drv, frontend_transport(w->frontend), &err), -EBUSY);
	assert_int_equal(frontend_stop_ring(w->frontend, 1), 0);
	assert_int_equal(frontend_stop_ring(w->frontend, 1), -ENOTCONN);
	assert_int_equal(frontend_stop_ring(w->frontend, 0), 0);
	assert_int_equal(frontend_stop_ring(w->frontend, 2), -ENOTCONN);
	wait_for(w, &w->n_stopped, 2);
	assert_int_equal(w->bases[0], 2);
	assert_int_equal(w->bases[1], 2);
	assert_false(vhost_device_vring(w->device, 0)->live);
	assert_int_equal(netdrv_start(w->drv, frontend_transport(w->frontend), &err), 0);
	assert_false(frontend_ready(w->frontend));
	wait_for(w, &w->n_ready, 2);
	exchange(w, 0);
}

static void test_enable(void **state)
{
	struct world *w = *state;
	struct vhost_vring *vring;
	uint64_t end;

	start_device(w, false);
	start_frontend(w);
	wait_for(w, &w->n_ready, 1);
	vring = vhost_device_vring(w->device, 0);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(frontend_enable_ring(w->frontend, 0, i % 2), 0);
		end = clock_ns() + WAIT_MS * NSEC_PER_MSEC;
		while (vring->enabled != i % 2 && clock_ns() < end)
			event_base_loop(w->base, EVLOOP_NONBLOCK);
		assert_int_equal(vring->enabled, i % 2);
	}
	assert_int_equal(frontend_enable_ring(w->frontend, 2, true), -ENOTCONN);
	assert_int_equal(w->n_downs, 0);
}

/* A back-end that answers the first question with @answer. */
static void lie(struct world *w, int listen_fd, const struct vhost_message *answer, size_t len)
{
	struct vhost_message question;
	struct vhost_channel channel;
	unsigned n = w->n_downs + 1;
	struct error err;
	int fd = -1, rc = 0;

	while (fd < 0) {
		event_base_loop(w->base, EVLOOP_ONCE);
		fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	}
	vhost_channel_init(&channel, fd);
	while (rc == 0 || (rc == 1 && question.header.request != VHOST_USER_GET_FEATURES))
		rc = vhost_channel_receive(&channel, &question, &err);
	assert_int_equal(rc, 1);
	assert_int_equal(send(fd, &answer->header, len, 0), (ssize_t)len);
	if (len < sizeof(answer->header) + 8)
		vhost_channel_close(&channel);
	wait_for(w, &w->n_downs, n);
	vhost_channel_close(&channel);
	assert_string_not_equal(w->why, "");
	assert_int_equal(w->n_negotiated, 0);
}

static void test_lying_backend(void **state)
{
	static const struct {
		uint32_t request, flags, size;
	} lies[] = {
		{ VHOST_USER_GET_FEATURES, 5, 4 },	    { VHOST_USER_GET_FEATURES, 1, 8 },
		{ VHOST_USER_GET_FEATURES, 4, 8 },	    { VHOST_USER_GET_VRING_BASE, 5, 8 },
		{ VHOST_USER_GET_FEATURES, 5, 0xffffffff }, { 0xffffffff, 5, 8 },
		{ VHOST_USER_GET_FEATURES, 5, 264 },
	};
	struct world *w = *state;
	const struct vhost_socket_rights rights = { -1, -1, -1 };
	struct vhost_socket_file file;
	struct vhost_message answer = { 0 };
	struct error err;
	int listen_fd = vhost_socket_listen(w->path, &rights, &file, &err);

	assert_true(listen_fd >= 0);
	start_frontend(w);
	for (unsigned i = 0; i < ARRAY_SIZE(lies); i++) {
		answer.header.request = lies[i].request;
		answer.header.flags = lies[i].flags;
		answer.header.size = lies[i].size;
		lie(w, listen_fd, &answer, sizeof(answer.header) + 264);
	}
	lie(w, listen_fd, &answer, 5); /* and closes in the middle of a message */
	close(listen_fd);
	vhost_socket_remove(w->path, &file);
}

static void test_refused(void **state)
{
	struct world *w = *state;
	struct frontend_config config = { .memory = &w->mem.memory };
	struct frontend *frontend = NULL;
	char path[200];
	struct error err;

	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	config.path = path;
	assert_int_equal(frontend_create(&frontend, &config, &frontend_ops, w, w->base, &err),
			 -ENAMETOOLONG);
	config.path = "/nonexistent/socket";
	config.listen = true;
	assert_int_equal(frontend_create(&frontend, &config, &frontend_ops, w, w->base, &err),
			 -ENOENT);
	assert_null(frontend);
	frontend_destroy(NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_connect),	   TEST(test_listen),	TEST(test_two_pairs),
		TEST(test_less_features),  TEST(test_required), TEST(test_device_replaced),
		TEST(test_stop_and_start), TEST(test_enable),	TEST(test_lying_backend),
		TEST(test_refused),	   TEST(test_log),	TEST(test_no_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
