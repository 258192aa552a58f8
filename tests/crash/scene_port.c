// SPDX-License-Identifier: Apache-2.0
/* Steps through batches from one guest's ring to another's, through the port code. Wherever the
 * process dies, each frame must have come at least once when the next one has done its work, in
 * order, and only those of the batch that was not ended may come twice. The counters of the port,
 * which outlive the process, have counted each of them, and no more of them twice than the state of
 * the sender's ring said might come again.
 *
 * While the guests are migrated, a front-end copies their memory, too, a page at a time, when it is
 * marked in the dirty log: at any moment. In the end the copy must be what the memory is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "fake_env.h"
#include "guest.h"
#include "port/vhost_queue.h"
#include "scenes.h"
#include "virtio/dirty.h"
#include "virtio/net_header.h"

#define MRG BIT(VIRTIO_NET_F_MRG_RXBUF)
#define FRAMES 3	     /* on their way, at most */
#define FRAME_MIN 60	     /* bytes */
#define FRAME_MAX 240	     /* more than a packet's head */
#define SLOT_LEN 256	     /* bytes of memory for a frame, and for a receive buffer; */
#define SLOT_LEN_LOGGED 4096 /* a page each, which they cross */
#define SLOT_SHIFT_LOGGED 4000
#define BUFFERS 12
#define COUNTERS_AT 2560 /* behind the states of both rings */
#define LOG_LEN 64	 /* bytes of the dirty log, at the end of the states */
#define PAGE 4096
#define PAGES_MAX 64
#define HEADER sizeof(struct virtio_net_hdr_mrg_rxbuf)

enum what { START, RESUME, BATCH, ARM, DISARM };
enum side { SOURCE, TARGET, N_SIDES };

/* The switch's end of both rings. */
struct ends {
	struct vhost_vring vrings[N_SIDES];
	struct vhost_queue queues[N_SIDES];
	struct port_counters *c; /* in common */
	struct batch *batch;
};

struct world {
	struct step step;
	struct shared shared;
	struct guest_ring guests[N_SIDES];
	struct vhost_device_state state;
	struct fake_env env;
	struct port port;
	unsigned seed;
	uint32_t buffer_len;
	size_t slot_len, slot_shift;
	/* Counters of frames: returned <= sent, received <= sent. */
	uint64_t sent, returned, received;
	uint64_t sent_bytes;
	uint64_t again;	  /* frames that the deaths so far may have let come again */
	uint64_t resumed; /* where whoever recovered last began with the source */
	struct ends stepped, next;

	/* of a migration; log.size 0: there is none */
	struct dirty_log log;
	struct copy {
		bool wrote[PAGES_MAX]; /* the guests did; that is known without a log */
		uint8_t bytes[];
	} * copy, *saved_copy;
	size_t copy_len;
	uint8_t *scratch;
	bool torn; /* a process has died that had written what will be written again */
};

static unsigned pick(struct world *w, unsigned n)
{
	return (unsigned)rand_r(&w->seed) % n;
}

static uint8_t byte_of(uint64_t number)
{
	return (uint8_t)(number * 7 + 1);
}

static uint32_t len_of(uint64_t number)
{
	return FRAME_MIN + (uint32_t)(number * 53 % (FRAME_MAX - FRAME_MIN + 1));
}

/* Starts both rings. Returns 0 or -errno. */
static int ends_start(struct world *w, struct ends *e, bool resume)
{
	for (enum side side = SOURCE; side < N_SIDES; side++) {
		struct ring_config config = w->guests[side].config;
		struct vhost_vring *v = &e->vrings[side];
		struct error err;
		int rc;

		config.resume = resume;
		rc = ring_start(&v->ring, &config, &err);
		if (rc)
			return rc;
		v->live = v->started = v->enabled = true;
		v->kick_fd = v->call_fd = v->err_fd = -1;
		rc = vhost_queue_init(&e->queues[side], &w->port, 0, v, &w->state, side == SOURCE);
		if (rc)
			return rc;
	}
	return 0;
}

/* Passes a batch. Returns how many packets. */
static unsigned pass(struct ends *e)
{
	struct rxq *rxq = &e->queues[SOURCE].rxq;
	struct txq *txq = &e->queues[TARGET].txq;
	struct pkt *pkts[BATCH_MAX];
	unsigned n;

	batch_clear(e->batch);
	vhost_queue_rx(rxq, e->batch, e->c);
	n = e->batch->n;
	for (unsigned i = 0; i < n; i++)
		pkts[i] = &e->batch->pkts[i];
	if (n)
		vhost_queue_tx(txq, pkts, n, e->c);
	vhost_queue_rx_done(rxq, e->batch);
	vhost_queue_rx_settle(rxq);
	vhost_queue_tx_settle(txq);
	for (unsigned i = 0; i < DROP_N_REASONS; i++)
		if (e->c->drops[i])
			abort();
	return n;
}

/* In the stepped process. */
static void perform(void *world)
{
	struct world *w = world;
	struct step_op *op = w->step.op;
	struct rxq *rxq = &w->stepped.queues[SOURCE].rxq;

	switch ((enum what)op->what) {
	case START:
	case RESUME:
		op->result = (unsigned)-ends_start(w, &w->stepped, op->what == RESUME);
		break;
	case BATCH:
		op->result = pass(&w->stepped);
		break;
	case ARM:
		op->result = vhost_queue_arm(rxq);
		break;
	case DISARM:
		vhost_queue_disarm(rxq);
		break;
	}
}

/* ---- the guests */

static uint8_t *slot_at(const struct world *w, uint64_t i)
{
	return w->step.memory + w->step.packets + i * w->slot_len + w->slot_shift;
}

/* What a guest writes in between its front-end knows. */
static void guest_begin(struct world *w)
{
	if (w->log.size)
		memcpy(w->scratch, w->step.memory, w->step.len);
}

static void guest_end(struct world *w)
{
	for (size_t at = PAGE; w->log.size && at < w->step.len; at += PAGE)
		w->copy->wrote[at / PAGE] |=
			memcmp(w->scratch + at, w->step.memory + at, PAGE) != 0;
}

/* The source sends a frame in up to three pieces. False: it has no room. */
static bool send_frame(struct world *w)
{
	struct driver_ring *driver = &w->guests[SOURCE].driver;
	uint8_t *at = slot_at(w, w->sent % FRAMES);
	uint32_t len = HEADER + len_of(w->sent), cuts[] = { 0, HEADER, HEADER + 40, len };
	unsigned n = 1 + pick(w, 3);
	struct iovec iov[3];

	if (w->sent - w->returned == FRAMES || driver_ring_free(driver) < n)
		return false;
	guest_begin(w);
	memset(at, 0, HEADER);
	memset(at + HEADER, byte_of(w->sent), len - HEADER);
	for (unsigned i = 0; i < n; i++)
		iov[i] = (struct iovec){ at + cuts[i], (i + 1 < n ? cuts[i + 1] : len) - cuts[i] };
	assert_int_equal(driver_ring_add(driver, iov, n, NULL, 0, at), 0);
	driver_ring_publish(driver);
	guest_end(w);
	w->sent_bytes += len_of(w->sent++);
	return true;
}

/* It gets back what was sent. */
static void collect(struct world *w)
{
	struct driver_ring *driver = &w->guests[SOURCE].driver;
	uint32_t len;
	void *at;

	for (; (at = driver_ring_get(driver, &len)); w->returned++) {
		assert_true(w->returned < w->sent);
		assert_ptr_equal(at, slot_at(w, w->returned % FRAMES));
	}
	assert_false(driver->broken);
}

/* The target offers a buffer, in one piece or two, the same each time. */
static void offer(struct world *w, uint8_t *at)
{
	struct iovec iov[] = { { at, w->buffer_len }, { at, 0 } };
	unsigned n = 1 + (at - w->step.memory) / w->slot_len % 2;

	if (n == 2) {
		iov[0].iov_len = 33;
		iov[1] = (struct iovec){ at + 33, w->buffer_len - 33 };
	}
	assert_int_equal(driver_ring_add(&w->guests[TARGET].driver, NULL, 0, iov, n, at), 0);
	driver_ring_publish(&w->guests[TARGET].driver);
}

/* The target receives all that is there: each frame must be the next one. */
static void take_frames(struct world *w)
{
	struct driver_ring *driver = &w->guests[TARGET].driver;
	struct virtio_net_hdr_mrg_rxbuf header;
	uint8_t bytes[HEADER + FRAME_MAX], *at;
	uint32_t len, total;

	for (; (at = driver_ring_get(driver, &len)); w->received++) {
		memcpy(&header, at, sizeof(header));
		assert_in_range(header.num_buffers, 1, 2);
		for (total = 0;; header.num_buffers--) {
			assert_true(len <= w->buffer_len && total + len <= sizeof(bytes));
			memcpy(bytes + total, at, len);
			total += len;
			offer(w, at);
			if (header.num_buffers == 1)
				break;
			at = driver_ring_get(driver, &len);
			assert_non_null(at); /* all of a frame at once */
		}
		assert_int_equal(total, HEADER + len_of(w->received));
		for (uint32_t i = HEADER; i < total; i++)
			assert_int_equal(bytes[i], byte_of(w->received));
	}
	assert_false(driver->broken);
}

static void receive(struct world *w)
{
	guest_begin(w);
	take_frames(w);
	guest_end(w);
}

/* ---- the front-end */

/* Whether the page at @at was written since it was last asked; not any more. */
static bool take_mark(struct world *w, size_t at)
{
	uint64_t page = (SHARED_ADDR + at) / PAGE;
	uint8_t *byte = w->log.file.host + page / 8, bit = (uint8_t)(1u << page % 8);
	bool marked = *byte & bit || w->copy->wrote[at / PAGE];

	*byte &= (uint8_t)~bit;
	w->copy->wrote[at / PAGE] = false;
	return marked;
}

/* Copies what was written. */
static void copy_pages(struct world *w)
{
	for (size_t at = PAGE; w->log.size && at < w->step.len; at += PAGE)
		if (take_mark(w, at))
			memcpy(w->copy->bytes + at, w->step.memory + at, PAGE);
}

/* The last round: nobody writes any more. */
static void finish_copy(struct world *w)
{
	copy_pages(w);
	for (size_t at = PAGE; w->log.size && at < w->step.len; at += PAGE)
		assert_memory_equal(w->copy->bytes + at, w->step.memory + at, PAGE);
}

/* Now and then it does so between two instructions of the process, which goes on. */
static void copy_in_between(struct world *w)
{
	if (!w->log.size || pick(w, 8))
		return;
	copy_pages(w);
	step_keep(&w->step, (size_t)(w->log.file.host - w->step.memory), LOG_LEN);
}

/* ---- processes */

static struct ring_state *source_state(const struct world *w)
{
	return (struct ring_state *)w->step.memory + SOURCE;
}

/* Everything was counted; a process that died had counted no more than @again packets before that
 * are counted again. */
static void check_counters(const struct world *w, uint64_t again)
{
	const struct port_counters *c = w->next.c;
	uint64_t bytes = again * FRAME_MAX;

	assert_in_range(c->rx_packets, w->sent, w->sent + again);
	assert_in_range(c->tx_packets, w->sent, w->sent + again);
	assert_in_range(c->rx_bytes, w->sent_bytes, w->sent_bytes + bytes);
	assert_in_range(c->tx_bytes, w->sent_bytes, w->sent_bytes + bytes);
}

/* The next process passes all that is there. */
static void pass_all(struct world *w)
{
	do
		receive(w);
	while (pass(&w->next));
	receive(w);
	collect(w);
	assert_int_equal(w->received, w->sent);
	assert_int_equal(w->returned, w->sent);
}

/* Goes on as the next process. */
static void recover(struct world *w)
{
	uint64_t again = w->again + source_state(w)->n_taken;

	if (pick(w, 2))
		copy_pages(w);
	if (pick(w, 2)) {
		receive(w); /* guests do not know of the crash */
		collect(w);
		while (send_frame(w))
			;
	}
	if (ends_start(w, &w->next, true) < 0) {
		assert_int_equal(w->step.op->what, START);
		return;
	}
	receive(w);
	collect(w);
	/* What the source has back the target got; and what it got twice, or will, was one batch.
	 */
	assert_true(w->returned <= w->received);
	assert_true(w->received <= w->sent);
	w->received = w->resumed = w->returned;
	pass_all(w);
	for (unsigned i = 0; i < 3; i++) {
		while (send_frame(w))
			;
		pass_all(w);
	}
	check_counters(w, again);
	finish_copy(w);
}

static bool crash(void *world)
{
	struct world *w = world;
	uint64_t sent = w->sent, returned = w->returned, received = w->received;
	uint64_t sent_bytes = w->sent_bytes, again = source_state(w)->n_taken;

	copy_in_between(w);
	memcpy(w->saved_copy, w->copy, w->copy_len);
	for (enum side side = SOURCE; side < N_SIDES; side++)
		guest_ring_save(&w->guests[side]);
	recover(w);
	for (enum side side = SOURCE; side < N_SIDES; side++)
		guest_ring_restore(&w->guests[side]);
	w->sent = sent;
	w->returned = returned;
	w->received = received;
	w->sent_bytes = sent_bytes;
	memcpy(w->copy, w->saved_copy, w->copy_len);
	if (w->step.op->what == START || pick(w, 200))
		return false;
	w->again += again;
	w->torn = true;
	return true;
}

/* Does one operation; if the process dies of it another one goes on. */
static void run(struct world *w, enum what what)
{
	bool died = false;

	*w->step.op = (struct step_op){ .what = what };
	while (!step_run(&w->step)) {
		died = true;
		step_spawn(&w->step);
		*w->step.op = (struct step_op){ .what = RESUME };
	}
	if (w->step.op->what == START || w->step.op->what == RESUME)
		assert_int_equal(w->step.op->result, 0);
	receive(w);
	collect(w);
	if (died) /* the rest comes again */
		w->received = w->resumed;
	else if (what == BATCH)
		w->torn = false;
	if (!w->torn && !pick(w, 3))
		finish_copy(w);
}

static void init_log(struct world *w)
{
	w->log.file.host = w->step.memory + SHARED_STATES - LOG_LEN;
	w->log.size = LOG_LEN;
	w->copy_len = sizeof(*w->copy) + w->step.len;
	w->copy = calloc(1, w->copy_len);
	w->saved_copy = calloc(1, w->copy_len);
	w->scratch = calloc(1, w->step.len);
	assert_true(w->copy && w->saved_copy && w->scratch && w->step.len <= PAGES_MAX * PAGE);
	w->state.log = &w->log;
}

static void world_init(struct world *w, uint64_t features, uint32_t size, bool logged)
{
	bool packed = features & PACKED;
	size_t packets = SHARED_STATES + (size_t)N_SIDES * SHARED_RING;

	w->step = (struct step){ .world = w, .perform = perform, .crash = crash };
	w->slot_len = logged ? SLOT_LEN_LOGGED : SLOT_LEN;
	w->slot_shift = logged ? SLOT_SHIFT_LOGGED : 0;
	step_init(&w->step, packets + (size_t)(FRAMES + BUFFERS + logged) * w->slot_len, packets);
	w->stepped.c = w->next.c = (struct port_counters *)(w->step.memory + COUNTERS_AT);
	shared_init(&w->shared, &w->step);
	guest_ring_init(&w->guests[SOURCE], &w->shared, SOURCE, features, size,
			(uint16_t)pick(w, 65536));
	guest_ring_init(&w->guests[TARGET], &w->shared, TARGET, features,
			packed ? DESCS_MAX - 3 : DESCS_MAX, (uint16_t)pick(w, 65536));
	w->env = fake_env_make(NULL);
	port_init(&w->port, NULL, "vm", &w->env.env, NULL);
	w->state.mem = w->shared.mem;
	w->state.features = features;
	w->state.log_fd = -1;
	w->buffer_len = features & MRG ? 128 : HEADER + FRAME_MAX;
	w->stepped.batch = batch_create();
	w->next.batch = batch_create();
	assert_true(w->stepped.batch && w->next.batch);
	for (unsigned i = 0; driver_ring_free(&w->guests[TARGET].driver) >= 2; i++) {
		assert_true(i < BUFFERS);
		offer(w, slot_at(w, FRAMES + i));
	}
	if (!logged)
		return;
	init_log(w);
	memcpy(w->copy->bytes, w->step.memory, w->step.len);
}

static void world_destroy(struct world *w)
{
	step_destroy(&w->step);
	for (enum side side = SOURCE; side < N_SIDES; side++)
		driver_ring_destroy(&w->guests[side].driver);
	vhost_queue_free(&w->next.queues[TARGET]);
	batch_destroy(w->stepped.batch);
	batch_destroy(w->next.batch);
	free(w->shared.mem);
	free(w->copy);
	free(w->saved_copy);
	free(w->scratch);
	free(w);
}

static void play(uint64_t features, uint32_t size, unsigned seed, unsigned n, bool logged)
{
	struct world *w = aligned_alloc(_Alignof(struct world), sizeof(*w));

	assert_non_null(w);
	memset(w, 0, sizeof(*w));
	w->seed = seed;
	world_init(w, features | BIT(VIRTIO_F_VERSION_1) | (seed % 2 ? MRG : 0), size, logged);
	step_spawn(&w->step);
	run(w, START);
	for (unsigned i = 0; i < n || w->returned < n; i++) {
		assert_true(i < 100 * n);
		while (pick(w, 5) && send_frame(w))
			;
		run(w, BATCH);
		if (!pick(w, 4))
			run(w, pick(w, 2) ? ARM : DISARM);
	}
	world_destroy(w);
}

void scene_port(uint64_t features, uint32_t size, unsigned seed, unsigned n)
{
	play(features, size, seed, n, false);
}

void scene_migration(uint64_t features, uint32_t size, unsigned seed, unsigned n)
{
	play(features, size, seed, n, true);
}
