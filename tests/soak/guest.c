// SPDX-License-Identifier: Apache-2.0
/* A guest of the soak: sends numbered frames to its peer, checks every byte of what comes, keeps
 * books (ledger.h), and may be killed at any moment.
 *
 *     soak_guest run DIR GUEST LIFE PEER SOCKET split|packed MEMORY_FD
 *     soak_guest audit DIR GUEST LIFE [MEMORY_FD]
 *
 * The memory is a file that the caller holds: what is in the rings of a guest that was killed is
 * found there by the audit. Commands come by standard input, a line each; answers are lines "did
 * COMMAND":
 *
 *     send N          sends, with up to N frames of a queue on their way
 *     pause           sends no more
 *     reset           stops the rings and starts with a new driver: a new life
 *     migrate SOCKET  to another switch, with a dirty log, as a machine is moved
 */
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/counter.h"
#include "soak/ledger.h"
#include "soak/moving.h"
#include "vhost/frontend.h"

#define BURST 32
#define TURN_US 200
#define STALE_NS (50 * NSEC_PER_MSEC) /* what has not come by then, when nothing comes, is lost */
#define GUEST_ADDR 0x100000ull
#define FEATURES                                                                                 \
	(1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_NET_F_MRG_RXBUF | 1ull << VIRTIO_NET_F_MQ | \
	 1ull << VIRTIO_RING_F_INDIRECT_DESC | 1ull << VIRTIO_RING_F_EVENT_IDX |                 \
	 1ull << 30 /* protocol */)

/* What the sender of a queue remembers. */
struct sender {
	uint64_t posted;
	uint64_t written_off;	     /* lost, so that the window opens again */
	uint64_t received, since_ns; /* by the peer; when that last changed */
};

enum task { TASK_NONE, TASK_RESET, TASK_MIGRATE };

struct guest {
	struct event_base *base;
	struct frontend *frontend;
	struct sharedmem mem;
	struct netdrv *drv;
	uint64_t features; /* of the driver */
	unsigned n_queues;
	struct sender senders[LEDGER_QUEUES];
	struct ledger_reader books;
	uint32_t peer, life;
	bool packed, ready;
	unsigned window; /* 0: paused */
	enum task task;
	unsigned n_stopping; /* rings */
	bool stopping;
	struct moving moving;
	char path[108]; /* to move to */
};

static void fail(const char *what, const struct error *err)
{
	fprintf(stderr, "guest: %s: %s\n", what, err->text);
	exit(1);
}

static void say(const char *text)
{
	puts(text);
	fflush(stdout);
}

static void open_books(struct guest *g, const char *dir, uint32_t id)
{
	g->books.own = ledger_open(dir, id, g->life, true);
	if (!g->books.own)
		fail("books", &(struct error){ "cannot be made" });
	memset(g->senders, 0, sizeof(g->senders));
}

static uint64_t offset_of(const struct guest *g, const void *host)
{
	return (uint64_t)((const uint8_t *)host - g->mem.regions[0].host);
}

static void make_driver(struct guest *g, unsigned n_pairs)
{
	struct netdrv_config config = { .features = g->features };
	struct ledger *own = g->books.own;
	struct error err = { "" };

	g->n_queues = n_pairs < LEDGER_QUEUES ? n_pairs : LEDGER_QUEUES;
	config.n_pairs = g->n_queues;
	sharedmem_reset(&g->mem);
	if (netdrv_create(&g->drv, &config, &g->mem, &err) < 0)
		fail("driver", &err);
	own->packed = g->packed;
	for (unsigned i = 0; i < g->n_queues; i++) {
		const struct driver_ring *ring = netdrv_ring(g->drv, 2 * i + 1);

		own->ring_size = ring->config.size;
		own->queues[i].desc = offset_of(g, ring->desc);
		own->queues[i].device = offset_of(g, ring->device);
	}
}

/* Reads what is there. */
static void receive(struct guest *g)
{
	struct netdrv_frame got[NETDRV_BATCH_MAX];
	unsigned n;

	for (unsigned i = 0; i < g->n_queues; i++)
		while ((n = netdrv_receive(g->drv, i, got, NETDRV_BATCH_MAX))) {
			for (unsigned k = 0; k < n; k++) /* all fit in one buffer */
				ledger_note(&g->books, got[k].iov->iov_base, got[k].len, true);
			netdrv_release(g->drv, i);
		}
}

/* Notes what the switch has taken. */
static void reap(struct guest *g, unsigned queue)
{
	netdrv_reap(g->drv, queue);
	__atomic_store_n(&g->books.own->queues[queue].completed,
			 g->senders[queue].posted - netdrv_in_flight(g->drv, queue),
			 __ATOMIC_RELEASE);
}

/* The end of a driver, whose rings nobody uses any more, and the beginning of another. */
static void next_life(struct guest *g)
{
	uint32_t id = g->books.own->guest;

	receive(g);
	for (unsigned i = 0; i < g->n_queues; i++)
		reap(g, i);
	netdrv_destroy(g->drv);
	g->drv = NULL;
	ledger_close(g->books.own);
	g->life++;
	open_books(g, g->books.dir, id);
}

static void start(struct guest *g)
{
	struct error err = { "" };

	if (netdrv_start(g->drv, frontend_transport(g->frontend), &err) < 0)
		fail("start", &err);
}

/* A connection to a switch: the driver goes on where the one before had come to, if it may. */
static void negotiated(void *owner, uint64_t features, unsigned n_pairs)
{
	struct guest *g = owner;

	if (g->drv && features != g->features)
		next_life(g);
	g->features = features;
	if (!g->drv)
		make_driver(g, n_pairs);
	start(g);
}

static void ready(void *owner)
{
	struct guest *g = owner;

	if (g->moving.state == MOVING_ASKED)
		moving_logged(&g->moving);
	else if (!g->ready)
		say("ready");
	g->ready = true;
}

static void stopped(void *owner, unsigned index, uint32_t base)
{
	struct guest *g = owner;

	g->n_stopping--;
}

static void down(void *owner, const char *why)
{
	struct guest *g = owner;

	g->ready = g->stopping = false;
	g->n_stopping = 0;
	moving_forget(&g->moving); /* it begins anew */
	fprintf(stderr, "guest: down: %s\n", why);
}

static const struct frontend_ops ops = {
	.negotiated = negotiated, .ready = ready, .stopped = stopped, .down = down
};

static void connect_to(struct guest *g, const char *path)
{
	struct frontend_config config = { .path = path,
					  .features = FEATURES,
					  .protocol_features = FRONTEND_PROTOCOL_FEATURES,
					  .memory = &g->mem.memory };
	struct error err = { "" };

	if (g->packed)
		config.features |= 1ull << VIRTIO_F_RING_PACKED;
	g->ready = false;
	frontend_destroy(g->frontend);
	if (frontend_create(&g->frontend, &config, &ops, g, g->base, &err) < 0)
		fail("front-end", &err);
}

/* How many more frames may be on their way. */
static uint64_t room(struct guest *g, unsigned queue, uint64_t now)
{
	uint64_t received = counter_read(&g->books.own->queues[queue].received), out;
	struct sender *s = &g->senders[queue];

	if (received != s->received || s->posted == received + s->written_off) {
		s->received = received;
		s->since_ns = now;
	}
	if (now - s->since_ns > STALE_NS) {
		s->written_off = s->posted - received;
		s->since_ns = now;
	}
	/* what was written off may come all the same */
	out = s->posted > received + s->written_off ? s->posted - received - s->written_off : 0;
	return out < g->window ? g->window - out : 0;
}

static void send_some(struct guest *g, unsigned queue, uint64_t now)
{
	static uint8_t bytes[BURST][FRAME_LEN_MAX_SENT];
	struct ledger *own = g->books.own;
	struct netdrv_frame frames[BURST];
	struct sender *s = &g->senders[queue];
	struct iovec iov[BURST];
	unsigned n;

	reap(g, queue);
	n = (unsigned)min(room(g, queue, now), (uint64_t)BURST);
	if (!n || s->posted + n > LEDGER_FRAMES)
		return;
	for (unsigned i = 0; i < n; i++) {
		uint32_t len = ledger_make_frame(own, g->peer, queue, s->posted + i, bytes[i]);

		iov[i] = (struct iovec){ bytes[i], len };
		frames[i] = (struct netdrv_frame){ .iov = &iov[i], .n_iov = 1, .len = len };
	}
	/* before the switch can see them: should we die then, it is known what there may be */
	__atomic_store_n(&own->queues[queue].posted, s->posted + n, __ATOMIC_RELEASE);
	s->posted += netdrv_send(g->drv, queue, frames, n);
	__atomic_store_n(&own->queues[queue].posted, s->posted, __ATOMIC_RELEASE);
}

static void talk(struct guest *g)
{
	uint64_t now = clock_ns();

	receive(g);
	for (unsigned i = 0; i < g->n_queues; i++)
		if (g->window && !g->stopping)
			send_some(g, i, now);
		else
			reap(g, i);
}

static void stop_rings(struct guest *g)
{
	g->stopping = true;
	for (unsigned i = 0; i < 2 * g->n_queues; i++)
		if (frontend_stop_ring(g->frontend, i) == 0)
			g->n_stopping++;
}

static void finish(struct guest *g, const char *text)
{
	g->task = TASK_NONE;
	g->stopping = false;
	say(text);
}

static void reset(struct guest *g)
{
	if (!g->ready)
		return;
	if (!g->stopping) {
		stop_rings(g);
	} else if (!g->n_stopping) {
		next_life(g);
		make_driver(g, g->n_queues);
		start(g);
		finish(g, "did reset");
	}
}

static void migrate(struct guest *g)
{
	struct moving *m = &g->moving;
	struct error err = { "" };

	if (!g->ready)
		return;
	if (m->state == MOVING_NOT) {
		if (moving_begin(m, g->frontend, &g->mem, &err) < 0)
			fail("dirty log", &err);
	} else if (m->state == MOVING_COPIES) {
		if (moving_copy(m))
			return;
		m->state = MOVING_STOPS;
		stop_rings(g);
	} else if (m->state == MOVING_STOPS && !g->n_stopping) {
		unsigned n = moving_end(m, g->drv, g->n_queues);

		if (n)
			fprintf(stderr, "guest: %u pages differ\n", n);
		connect_to(g, g->path);
		finish(g, n ? "did migrate, and lost pages" : "did migrate");
	}
}

static void obey(struct guest *g, const char *line)
{
	if (sscanf(line, "send %u", &g->window) == 1)
		say("did send");
	else if (sscanf(line, "migrate %107s", g->path) == 1)
		g->task = TASK_MIGRATE;
	else if (!strcmp(line, "reset"))
		g->task = TASK_RESET;
	else if (!strcmp(line, "pause")) {
		g->window = 0;
		say("did pause");
	}
}

/* Standard input, which does not block; its end is that of the soak. */
static void read_commands(struct guest *g)
{
	static char buffer[512];
	static size_t len;
	ssize_t n = read(STDIN_FILENO, buffer + len, sizeof(buffer) - 1 - len);
	char *end;

	if (n == 0)
		exit(0);
	if (n < 0)
		return;
	len += (size_t)n;
	buffer[len] = 0;
	while ((end = strchr(buffer, '\n'))) {
		*end = 0;
		obey(g, buffer);
		len -= (size_t)(end + 1 - buffer);
		memmove(buffer, end + 1, len + 1);
	}
}

/* The caller's file, as shared memory. */
static void map_memory(struct sharedmem *mem, int fd)
{
	struct driver_region *region = &mem->regions[0];
	struct stat st;

	if (fstat(fd, &st) < 0)
		fail("memory", &(struct error){ "is no file" });
	region->host = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (region->host == MAP_FAILED)
		fail("memory", &(struct error){ "cannot be mapped" });
	region->size = (uint64_t)st.st_size;
	region->guest_addr = GUEST_ADDR;
	region->user_addr = (uintptr_t)region->host;
	region->fd = fd;
	mem->memory.n_regions = 1;
	mem->memory.regions = mem->regions;
}

static _Noreturn void run(char **argv)
{
	struct guest g = { .base = event_base_new(), .books.dir = argv[0] };

	g.life = (uint32_t)atoi(argv[2]);
	g.peer = (uint32_t)atoi(argv[3]);
	g.packed = !strcmp(argv[5], "packed");
	map_memory(&g.mem, atoi(argv[6]));
	open_books(&g, argv[0], (uint32_t)atoi(argv[1]));
	fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
	connect_to(&g, argv[4]);
	for (;;) {
		event_base_loop(g.base, EVLOOP_NONBLOCK);
		read_commands(&g);
		if (g.ready)
			talk(&g);
		if (g.task == TASK_RESET)
			reset(&g);
		else if (g.task == TASK_MIGRATE)
			migrate(&g);
		usleep(TURN_US);
	}
}

/* Says, by queue, what is in the books: frames taken by the switch, of these lost ones, repeated
 * ones, and those that came although the switch has not completed them. */
static int audit(int argc, char **argv)
{
	struct ledger_reader reader = { .dir = argv[0] };
	uint64_t taken = 0, lost = 0, repeated = 0, beyond = 0, open = 0;
	struct ledger *own;

	own = ledger_open(argv[0], (uint32_t)atoi(argv[1]), (uint32_t)atoi(argv[2]), false);
	if (!own)
		return 1;
	reader.own = own;
	if (argc > 3) {
		struct sharedmem mem = { 0 };

		map_memory(&mem, atoi(argv[3]));
		ledger_post_mortem(&reader, mem.regions[0].host, mem.regions[0].size);
	}
	for (unsigned i = 0; i < LEDGER_QUEUES; i++) {
		const struct ledger_queue *q = &own->queues[i];
		uint64_t came = ledger_count(own, i, q->completed);

		taken += q->completed;
		lost += q->completed - came;
		repeated += q->repeated;
		beyond += ledger_count(own, i, LEDGER_FRAMES) - came;
		open += q->posted - q->completed;
	}
	printf("{\"taken\": %llu, \"lost\": %llu, \"repeated\": %llu, \"beyond\": %llu, "
	       "\"open\": %llu, \"bad\": %llu}\n",
	       (unsigned long long)taken, (unsigned long long)lost, (unsigned long long)repeated,
	       (unsigned long long)beyond, (unsigned long long)open, (unsigned long long)own->bad);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 9 && !strcmp(argv[1], "run"))
		run(argv + 2);
	if ((argc == 5 || argc == 6) && !strcmp(argv[1], "audit"))
		return audit(argc - 2, argv + 2);
	fprintf(stderr, "usage: soak_guest run|audit ...\n");
	return 2;
}
