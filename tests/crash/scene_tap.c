// SPDX-License-Identifier: Apache-2.0
/* Steps through a process that makes a tap, lets it be held, takes over from one before it, and
 * takes it down. Wherever it dies, the next one finds the whole device, or makes another in its
 * place: nothing of the old one is left in the way. And through a port that sends and receives by
 * it: no frame is counted that was not sent, and those of one batch at most are sent and not
 * counted.
 *
 * In a network namespace of our own; needs root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <event2/event.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/compiler.h"
#include "fake_env.h"
#include "fds.h"
#include "holder.h"
#include "port/kinds.h"
#include "port/tap_device.h"
#include "scenes.h"
#include "step.h"

#define QUEUES 9 /* more than fit under one key */
#define PARTS 3	 /* keys that they take, with control and monitor */
#define FRAMES 5 /* of a batch */
#define COUNTERS_LEN 4096

enum what { OPEN, CLOSE, SEND, RECEIVE };

static const struct tap_spec spec = { .interface = "t0", .net_header = true, .n_queues = QUEUES };

struct world {
	struct step step;
	struct holder holder;
	struct tap_device dev; /* of the stepped process */
	unsigned dies_at;      /* with so many things told; 0: it does not */
	unsigned n_told;

	/* of a port */
	struct port *port;
	struct port_counters *c; /* in common */
	struct batch *batch;
	uint64_t sent, received; /* before the operation */
};

/* ---- devices */

/* In the stepped process. */
static void perform_device(void *world)
{
	struct world *w = world;
	struct step_op *op = w->step.op;
	struct keep *keep = &w->holder.keep;
	struct error err;

	w->holder.tells = true;
	if (op->what == CLOSE) {
		tap_device_release(&w->dev, keep, "web");
		tap_device_close(&w->dev);
		return;
	}
	op->result = tap_device_take(&w->dev, &spec, keep, "web");
	if (!op->result && tap_device_open(&w->dev, &spec, &err))
		abort();
	tap_device_hold(&w->dev, keep, "web");
}

static bool called(void *world, long number)
{
	struct world *w = world;

	bool some = holder_listen(&w->holder);

	w->n_told += some;
	return some;
}

static unsigned n_held(const struct holder *h)
{
	unsigned n = 0;

	for (const struct held *entry = h->list; entry; entry = entry->next)
		n++;
	return n;
}

/* All of it, or nothing, and then nothing is held any more. */
static bool crash_device(void *world)
{
	struct world *w = world;
	struct tap_device dev;
	struct holder next;
	bool whole;

	holder_copy(&next, &w->holder);
	whole = tap_device_take(&dev, &spec, &next.keep, "web");
	if (whole) {
		assert_int_equal(dev.n_queues, QUEUES);
		assert_int_equal(dev.ifindex, if_nametoindex("t0"));
	}
	assert_int_equal(n_held(&next), whole ? PARTS : 0);
	tap_device_close(&dev);
	holder_destroy(&next);
	return w->dies_at && w->n_told == w->dies_at;
}

/* Does it; true: whole. */
static bool run_device(struct world *w, enum what what, unsigned dies_at)
{
	w->n_told = 0;
	w->dies_at = dies_at;
	*w->step.op = (struct step_op){ .what = what };
	return step_run(&w->step);
}

/* A process that dies with @n things told, and one behind it. */
static void die(struct world *w, enum what what, unsigned n)
{
	assert_false(run_device(w, what, n));
	step_spawn(&w->step);
	assert_true(run_device(w, OPEN, 0));
	assert_int_equal(n_held(&w->holder), PARTS);
	assert_true(if_nametoindex("t0"));
}

static void play_device(struct world *w)
{
	unsigned n_fds = count_fds();

	w->step = (struct step){
		.world = w, .perform = perform_device, .crash = crash_device, .called = called
	};
	holder_init(&w->holder);
	step_init(&w->step, COUNTERS_LEN, COUNTERS_LEN);
	for (unsigned n = 1; n <= PARTS; n++) {
		step_spawn(&w->step);
		die(w, OPEN, n); /* while it makes one */
		step_kill(&w->step);
		step_spawn(&w->step);
		die(w, OPEN, n); /* while it takes it over */
		assert_true(w->step.op->result);
		die(w, CLOSE, n);
		assert_true(run_device(w, CLOSE, 0));
		assert_int_equal(n_held(&w->holder), 0);
		assert_false(if_nametoindex("t0"));
		step_kill(&w->step);
	}
	step_destroy(&w->step);
	holder_destroy(&w->holder);
	assert_int_equal(count_fds(), n_fds);
}

/* ---- a port */

static void make_pkts(struct world *w, uint8_t *frame)
{
	batch_clear(w->batch);
	for (; w->batch->n < FRAMES; w->batch->n++)
		pkt_init_linear(&w->batch->pkts[w->batch->n], frame, ETH_ZLEN,
				&w->batch->frags[w->batch->n]);
}

/* In the stepped process. */
static void perform_port(void *world)
{
	static uint8_t frame[ETH_ZLEN] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5 };
	struct pkt *pkts[FRAMES];
	struct world *w = world;

	if (w->step.op->what == RECEIVE) {
		batch_clear(w->batch);
		tap_port_ops.rx(w->port->rxqs[0], w->batch, w->c);
		tap_port_ops.rx_done(w->port->rxqs[0], w->batch);
		return;
	}
	make_pkts(w, frame);
	for (unsigned i = 0; i < FRAMES; i++)
		pkts[i] = &w->batch->pkts[i];
	tap_port_ops.tx(w->port->txqs[0], pkts, FRAMES, w->c);
}

static bool called_port(void *world, long number)
{
	return number == SYS_read || number == SYS_writev;
}

/* What the kernel says that it got from the port. */
static uint64_t kernel_got(void)
{
	FILE *file = fopen("/proc/net/dev", "re");
	unsigned long long got = UINT64_MAX;
	char line[256];

	assert_non_null(file);
	while (got == UINT64_MAX && fgets(line, sizeof(line), file))
		if (sscanf(line, " t0: %*u %llu", &got) != 1)
			got = UINT64_MAX;
	fclose(file);
	return got;
}

static bool crash_port(void *world)
{
	struct world *w = world;
	uint64_t got = kernel_got();

	assert_in_range(w->c->tx_packets, w->sent, got);
	assert_in_range(got, w->sent, w->sent + FRAMES);
	assert_in_range(w->c->rx_packets, w->received, w->received + FRAMES);
	return false;
}

static void run_port(struct world *w, enum what what)
{
	*w->step.op = (struct step_op){ .what = what };
	assert_true(step_run(&w->step));
	w->sent += what == SEND ? FRAMES : 0;
	w->received += what == RECEIVE ? FRAMES : 0;
	assert_int_equal(w->c->tx_packets, w->sent);
	assert_int_equal(kernel_got(), w->sent);
	assert_int_equal(w->c->rx_packets, w->received);
}

/* The host sends frames on the device. */
static void let_host_send(void)
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET,
				    .sll_ifindex = (int)if_nametoindex("t0") };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	uint8_t frame[ETH_ZLEN] = { 2 };

	for (unsigned i = 0; i < FRAMES; i++)
		assert_int_equal(
			sendto(fd, frame, sizeof(frame), 0, (struct sockaddr *)&addr, sizeof(addr)),
			sizeof(frame));
	close(fd);
}

static void play_port(struct world *w)
{
	struct fake_env env = fake_env_make(event_base_new());
	struct error err;

	assert_int_equal(fake_create(&tap_port_ops, &w->port, "t0", json_object(), &env, &err), 0);
	w->batch = batch_create();
	assert_non_null(w->batch);
	w->step = (struct step){
		.world = w, .perform = perform_port, .crash = crash_port, .called = called_port
	};
	step_init(&w->step, COUNTERS_LEN, COUNTERS_LEN);
	w->c = (struct port_counters *)w->step.memory;
	step_spawn(&w->step);
	for (int i = 0; i < 2; i++) {
		run_port(w, SEND);
		let_host_send();
		run_port(w, RECEIVE);
	}
	step_destroy(&w->step);
	tap_port_ops.destroy(w->port);
	event_base_free(env.env.base);
	batch_destroy(w->batch);
}

/* The kernel says nothing of its own there. */
static void enter_namespace(void)
{
	int fd;

	if (unshare(CLONE_NEWNET))
		fail_msg("this test needs root");
	fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		assert_int_equal(write(fd, "1", 1), 1);
	close(fd);
}

void scene_tap(void)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	enter_namespace();
	play_device(w);
	play_port(w);
	free(w);
}
