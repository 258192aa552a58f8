// SPDX-License-Identifier: Apache-2.0
// Two guests that send to each other all the time and miss nothing.

#include "guest/traffic.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "guest/guest.h"

#define WINDOW 64
#define STALL_NS (20 * NSEC_PER_SEC)
#define PACE_US 200

struct direction {
	struct guest *from, *to;
	uint8_t from_mac, to_mac;
	uint64_t sent, received;
};

struct traffic {
	struct guest guests[2];
	struct direction directions[2];
	pthread_t thread;
	bool stop, failed; /* atomic */
	unsigned long count;
	struct error err;
};

static void build(const struct direction *d, uint64_t seq, uint8_t *frame, uint32_t *len)
{
	*len = 64 + (uint32_t)(seq * 61 % 1450);
	guest_ethernet(frame, d->to_mac, d->from_mac);
	memcpy(frame + 14, &seq, sizeof(seq));
	memset(frame + 22, (int)(seq * 7), *len - 22);
}

static void broken(struct traffic *t, const char *text, uint64_t a, uint64_t b)
{
	error_set(&t->err, -EIO, "%s (%llu, %llu)", text, (unsigned long long)a,
		  (unsigned long long)b);
	__atomic_store_n(&t->failed, true, __ATOMIC_RELEASE);
}

static bool turn(struct traffic *t, struct direction *d, bool send)
{
	uint8_t want[GUEST_FRAME_MAX], got[GUEST_FRAME_MAX];
	uint32_t want_len, len;
	bool progress = false;

	while (send && d->sent - d->received < WINDOW) {
		build(d, d->sent, want, &want_len);
		if (!guest_send(d->from, want, want_len))
			break;
		d->sent++;
	}
	while ((len = guest_receive(d->to, got)) > 0) {
		uint64_t seq;

		build(d, d->received, want, &want_len);
		memcpy(&seq, got + 14, sizeof(seq));
		if (len >= 22 && seq != d->received)
			broken(t, "frame lost or out of order: number wanted, got", d->received,
			       seq);
		else if (len != want_len || memcmp(got, want, len) != 0)
			broken(t, "frame changed: number, length", d->received, len);
		d->received++;
		progress = true;
	}
	return progress;
}

/* Waits until the device calls, or a moment has passed. */
static void rest(struct traffic *t)
{
	struct pollfd fds[2];

	for (unsigned i = 0; i < 2; i++) {
		fds[i] = (struct pollfd){ netdrv_call_fd(t->guests[i].drv, 0), POLLIN, 0 };
		if (netdrv_rx_enable_call(t->guests[i].drv, 0))
			return;
	}
	poll(fds, 2, 20);
	for (unsigned i = 0; i < 2; i++) {
		eventfd_t value;

		if (fds[i].revents != 0)
			eventfd_read(fds[i].fd, &value);
		netdrv_rx_disable_call(t->guests[i].drv, 0);
	}
}

static void *run(void *arg)
{
	struct traffic *t = arg;
	uint64_t last = clock_ns();

	while (!__atomic_load_n(&t->stop, __ATOMIC_ACQUIRE) && !t->failed) {
		bool progress = false;

		for (unsigned i = 0; i < 2; i++) {
			guest_turn(&t->guests[i]);
			if (t->guests[i].n_downs > 0)
				broken(t, "connection lost: guest", i, 0);
			progress |= turn(t, &t->directions[i], true);
		}
		__atomic_store_n(&t->count, t->directions[0].received + t->directions[1].received,
				 __ATOMIC_RELAXED);
		if (progress)
			last = clock_ns();
		else if (clock_ns() - last > STALL_NS)
			broken(t, "no frame for 20 s: received", t->directions[0].received,
			       t->directions[1].received);
		else
			rest(t);
		usleep(PACE_US);
	}
	return NULL;
}

/* Waits until everything sent has come. */
static void finish(struct traffic *t)
{
	uint64_t end = clock_ns() + STALL_NS;

	for (unsigned i = 0; i < 2; i++) {
		struct direction *d = &t->directions[i];

		while (d->received < d->sent && !t->failed) {
			turn(t, d, false);
			if (clock_ns() > end)
				broken(t, "frames lost at the end: sent, received", d->sent,
				       d->received);
		}
	}
}

static int attach(struct guest *guest, const char *path, struct error *err)
{
	struct guest_config config = {
		.path = path,
		.features = 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_NET_F_MRG_RXBUF |
			    1ull << VIRTIO_RING_F_EVENT_IDX | 1ull << VIRTIO_RING_F_INDIRECT_DESC,
	};
	int rc = guest_open(guest, &config, err);

	if (rc == 0 && guest_wait(guest, 10000) != 0)
		rc = error_set(err, -ETIMEDOUT, "%s: %s", path,
			       guest->why[0] ? guest->why : "cannot connect within 10 s");
	return rc;
}

struct traffic *traffic_start(const char *path_a, const char *path_b, struct error *err)
{
	struct traffic *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->directions[0] = (struct direction){ &t->guests[0], &t->guests[1], 0xa, 0xb, 0, 0 };
	t->directions[1] = (struct direction){ &t->guests[1], &t->guests[0], 0xb, 0xa, 0, 0 };
	if (attach(&t->guests[0], path_a, err) != 0 || attach(&t->guests[1], path_b, err) != 0 ||
	    pthread_create(&t->thread, NULL, run, t) != 0) {
		guest_close(&t->guests[0]);
		guest_close(&t->guests[1]);
		free(t);
		return NULL;
	}
	return t;
}

long traffic_stop(struct traffic *t, struct error *err)
{
	long n;

	__atomic_store_n(&t->stop, true, __ATOMIC_RELEASE);
	pthread_join(t->thread, NULL);
	finish(t);
	n = (long)min(t->directions[0].received, t->directions[1].received);
	if (t->failed) {
		*err = t->err;
		n = -1;
	}
	guest_close(&t->guests[0]);
	guest_close(&t->guests[1]);
	free(t);
	return n;
}

bool traffic_ok(const struct traffic *t)
{
	return !__atomic_load_n(&t->failed, __ATOMIC_ACQUIRE);
}

unsigned long traffic_count(const struct traffic *t)
{
	return __atomic_load_n(&t->count, __ATOMIC_RELAXED);
}
