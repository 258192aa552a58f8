// SPDX-License-Identifier: Apache-2.0
/* Steps through ports that read a file of packets and that write one, until it is full, and through
 * packets that the switch would have to segment and cannot. Wherever it dies, no counter has
 * fallen, and each packet is in one counter at most; in the end in one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pcap/pcap.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fake_env.h"
#include "packet/parse.h"
#include "port/kinds.h"
#include "port/offload.h"
#include "scenes.h"
#include "step.h"

#define PAGE 4096
#define FRAME_LEN 1500
#define FILE_MAX 12000 /* bytes of a full file */
#define N_FILL 20      /* packets, more than it takes and than wait to be written */

enum what { READ, WRITE, LIMIT, SEGMENT };

struct world {
	struct step step;
	struct fake_env env;
	struct port *reader, *writer, *receiver;
	struct batch *batch, *scratch;
	struct port_counters *counters; /* in the memory that outlives the process */
	struct port_counters before;
	uint64_t more; /* packets that the operation accounts for, at most, and in the end */
	char dir[64], in[96], out[96];
};

/* ---- in the stepped process */

static void write_frames(struct world *w, unsigned n)
{
	static uint8_t frame[FRAME_LEN];
	struct txq *q = w->writer->txqs[0];
	struct pkt *list[BATCH_MAX];

	batch_clear(w->batch);
	for (unsigned i = 0; i < n; i++) {
		pkt_init_linear(&w->batch->pkts[i], frame, sizeof(frame), &w->batch->frags[i]);
		list[i] = &w->batch->pkts[i];
	}
	q->port->ops->tx(q, list, n, w->counters);
}

/* The first one is large and no TCP; the second one has more fragments than a copy could. */
static void send_bad_requests(struct world *w)
{
	static uint8_t frame[FRAME_LEN];
	struct txq *q = w->receiver->txqs[0];
	struct pkt *pkts = w->batch->pkts, *list[2] = { &pkts[0], &pkts[1] };

	batch_clear(w->batch);
	for (unsigned i = 0; i < 2; i++) {
		pkt_init_linear(&pkts[i], frame, sizeof(frame), &w->batch->frags[i]);
		pkt_parse(&pkts[i]);
		pkts[i].offload = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
							   .csum_start = 34,
							   .csum_offset = 1000 };
	}
	pkts[0].offload.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	pkts[0].offload.gso_size = 100;
	pkts[1].n_frags = BATCH_FRAGS_MAX;
	q->offloads = 0;
	offload_transmit(w->scratch, q, list, 2, w->counters);
}

/* No file may be longer, and the signal that says so waits. */
static void limit_files(void)
{
	struct rlimit limit = { FILE_MAX, FILE_MAX };
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGXFSZ);
	if (sigprocmask(SIG_BLOCK, &signals, NULL) || setrlimit(RLIMIT_FSIZE, &limit))
		abort();
}

static void perform(void *world)
{
	struct world *w = world;

	switch ((enum what)w->step.op->what) {
	case READ:
		batch_clear(w->batch);
		w->reader->ops->rx(w->reader->rxqs[0], w->batch, w->counters);
		w->reader->ops->rx_done(w->reader->rxqs[0], w->batch);
		break;
	case WRITE:
		write_frames(w, w->step.op->n);
		break;
	case LIMIT:
		limit_files();
		break;
	case SEGMENT:
		send_bad_requests(w);
		break;
	}
}

/* ---- with us */

/* Packets that came, or went, or did not for some reason. */
static uint64_t count(const struct port_counters *c)
{
	uint64_t n = c->tx_packets;

	for (unsigned r = 0; r < DROP_N_REASONS; r++)
		n += c->drops[r];
	return n;
}

static bool crash(void *world)
{
	struct world *w = world;
	const uint64_t *now = (const uint64_t *)w->counters, *was = (const uint64_t *)&w->before;

	for (size_t i = 0; i < sizeof(w->before) / 8; i++)
		assert_true(now[i] >= was[i]);
	assert_in_range(count(w->counters), count(&w->before), count(&w->before) + w->more);
	return false;
}

static void run(struct world *w, struct step_op op, uint64_t more)
{
	w->before = *w->counters;
	w->more = more;
	*w->step.op = op;
	assert_true(step_run(&w->step));
	crash(w);
	assert_int_equal(count(w->counters), count(&w->before) + more);
}

static void put_record(FILE *file, uint32_t caplen, uint32_t len)
{
	uint32_t header[4] = { 1000, 0, caplen, len };

	assert_int_equal(fwrite(header, sizeof(header), 1, file), 1);
	for (uint32_t i = 0; i < caplen; i++)
		putc(0, file);
}

/* Four packets, of which one is cut, and one is longer than any frame. */
static void make_capture(const struct world *w)
{
	const uint32_t header[6] = { 0xa1b2c3d4, 2 | 4 << 16, 0, 0, 262144, DLT_EN10MB };
	FILE *file = fopen(w->in, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(header, sizeof(header), 1, file), 1);
	put_record(file, 60, 60);
	put_record(file, 60, 70);
	put_record(file, FRAME_LEN_MAX + 1, FRAME_LEN_MAX + 1);
	put_record(file, 100, 100);
	assert_int_equal(fclose(file), 0);
}

static struct port *make_port(struct world *w, const struct port_ops *ops, const char *file,
			      const char *direction)
{
	json_t *options = file ? json_pack("{s:s, s:s}", "file", file, "direction", direction)
			       : json_object();
	struct error err = { "" };
	struct port *port;

	if (fake_create(ops, &port, "p", options, &w->env, &err))
		fail_msg("%s", err.text);
	return port;
}

static void world_init(struct world *w, struct event_base *base)
{
	strcpy(w->dir, "/tmp/vireo-test-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->in, sizeof(w->in), "%s/in", w->dir);
	snprintf(w->out, sizeof(w->out), "%s/out", w->dir);
	make_capture(w);
	w->env = fake_env_make(base);
	w->reader = make_port(w, &pcap_port_ops, w->in, "read");
	w->writer = make_port(w, &pcap_port_ops, w->out, "write");
	w->receiver = make_port(w, &dummy_port_ops, NULL, NULL);
	w->batch = batch_create();
	w->scratch = batch_create();
	assert_true(w->batch && w->scratch);
	w->step = (struct step){ .world = w, .perform = perform, .crash = crash };
	step_init(&w->step, PAGE, PAGE);
	w->counters = (struct port_counters *)(void *)w->step.memory;
}

static void world_destroy(struct world *w)
{
	step_destroy(&w->step);
	pcap_port_ops.destroy(w->reader);
	pcap_port_ops.destroy(w->writer);
	dummy_port_ops.destroy(w->receiver);
	batch_destroy(w->batch);
	batch_destroy(w->scratch);
	unlink(w->in);
	unlink(w->out);
	rmdir(w->dir);
}

void scene_files(void)
{
	struct event_base *base = event_base_new();
	struct world *w = calloc(1, sizeof(*w));

	assert_true(base && w);
	world_init(w, base);
	step_spawn(&w->step);
	run(w, (struct step_op){ .what = READ }, 2); /* that nobody gets */
	assert_int_equal(w->counters->rx_packets, 4);
	assert_int_equal(w->counters->rx_bytes, 60 + 60 + FRAME_LEN_MAX + 1 + 100);
	run(w, (struct step_op){ .what = WRITE, .n = 2 }, 2);
	assert_int_equal(w->counters->tx_packets, 2);
	run(w, (struct step_op){ .what = LIMIT }, 0);
	for (unsigned i = 0; i < N_FILL; i++)
		run(w, (struct step_op){ .what = WRITE, .n = 1 }, 1);
	assert_true(w->counters->drops[DROP_tx_error] > 1); /* when it is full, and behind that */
	assert_int_equal(w->counters->tx_bytes, FRAME_LEN * w->counters->tx_packets);
	run(w, (struct step_op){ .what = SEGMENT }, 2);
	assert_int_equal(w->counters->drops[DROP_tx_offload], 2);
	world_destroy(w);
	free(w);
	event_base_free(base);
}
