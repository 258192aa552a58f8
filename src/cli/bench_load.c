// SPDX-License-Identifier: Apache-2.0
/* The load itself: the hot loops. */
#include "cli/bench_load.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/compiler.h"

#define CONNECT_NS (5 * NSEC_PER_SEC)  /* until all ports must be up */
#define ANNOUNCE_NS (5 * NSEC_PER_SEC) /* until an announcement must be taken */
#define SETTLE_NS (50 * NSEC_PER_MSEC) /* for announcements to arrive, and be thrown away */
#define DRAIN_NS (10 * NSEC_PER_SEC)   /* at most, for what is on its way at the end */
#define EVENTS_NS (NSEC_PER_MSEC)      /* between looks at the sockets */
#define OWN_FRAMES 32 /* one of so many keeps its address, where others have ever new ones */
#define KICK_TURNS 8  /* busy turns between looks whether kicks are wanted */

/* A phase of the run. */
struct phase {
	uint64_t end; /* by clock_ns() */
	bool send;
	bool record;	     /* latencies */
	bool drain;	     /* end as soon as everything has come */
	uint64_t silence;    /* end earlier when nothing came for so long; 0: do not */
	uint64_t busy_ns;    /* in turns with something to do */
	uint64_t last_heard; /* when frames came last */
};

bool bench_config_stamps(const struct bench_config *config)
{
	return config->check || config->rate || config->kind == BENCH_PING;
}

unsigned bench_load_receiver(unsigned n_ports, unsigned n_flood, unsigned index)
{
	unsigned n_others = n_ports - n_flood;

	if (index + 1 == n_others)
		return 0;
	return index + 1 == n_ports ? n_others : index + 1;
}

/* The port whose frames port @index receives. */
static unsigned sender_of(const struct bench_load *load, unsigned index)
{
	unsigned sender = 0;

	while (bench_load_receiver(load->n_ports, load->config->n_flood, sender) != index)
		sender++;
	return sender;
}

/* Counts a frame of @flow that has number @number. */
static void check_order(struct bench_port *port, uint32_t flow, uint32_t number)
{
	/* the difference of numbers that wrap around */
	int32_t ahead = (int32_t)(number - port->expected[flow]);

	if (ahead < 0)
		port->counters.reordered++;
	else
		port->expected[flow] = number + 1;
}

/* Looks at a frame that has the right length. Returns whether its time of sending is right. */
static bool look_at(struct bench_port *port, const struct bench_port *sender, const uint8_t *frame,
		    struct bench_stamp *stamp)
{
	const struct bench_config *config = port->config;

	/* all flows have the same addresses, a switch's own frames have others */
	if (memcmp(frame, sender->headers[0], 2 * (size_t)ETH_ALEN) != 0) {
		port->counters.other++;
		return false;
	}
	port->counters.received++;
	*stamp = bench_frame_read(frame, config->tso);
	if (!config->check)
		return true;
	if (stamp->flow >= config->flows ||
	    !bench_frame_intact(frame, config->frame_len, config->tso,
				sender->headers[stamp->flow])) {
		port->counters.corrupted++;
		return false;
	}
	check_order(port, stamp->flow, stamp->number);
	return true;
}

/* Looks at a burst of frames, whose senders wrote the time on them. */
static void read_burst(struct bench_load *load, struct bench_port *port,
		       const struct bench_port *sender, void *const *got, const uint32_t *lens,
		       unsigned n, bool record)
{
	uint32_t want = BENCH_HEADER_LEN + port->config->frame_len;
	uint64_t now = clock_ns();
	struct bench_stamp stamp;

	for (unsigned i = 0; i < n; i++) {
		const struct driver_buffer *buffer = got[i];
		const uint8_t *frame = (const uint8_t *)buffer->host + BENCH_HEADER_LEN;

		if (lens[i] != want)
			port->counters.other++;
		else if (look_at(port, sender, frame, &stamp) && record && stamp.sent_at <= now)
			histogram_add(&load->latency, now - stamp.sent_at);
	}
}

/* The same for buffers that hold pieces of large frames. */
static void read_large(struct bench_load *load, struct bench_port *port,
		       const struct bench_port *sender, struct bench_large *large, void *const *got,
		       const uint32_t *lens, unsigned n, bool record)
{
	const struct bench_config *config = port->config;
	uint64_t now = clock_ns();
	struct bench_stamp stamp;

	record = record && bench_config_stamps(config);
	for (unsigned i = 0; i < n; i++) {
		const struct driver_buffer *buffer = got[i];
		uint32_t len = min(lens[i], buffer->len); /* which may be a lie */
		enum bench_piece piece = bench_large_take(large, buffer->host, len);

		port->counters.other += piece == BENCH_PIECE_OTHER;
		if (piece != BENCH_PIECE_LAST)
			continue;
		stamp = bench_frame_read(large->frame, true);
		if (stamp.flow < config->flows)
			bench_large_mend(large, sender->headers[stamp.flow]);
		if (look_at(port, sender, large->frame, &stamp) && record && stamp.sent_at <= now)
			histogram_add(&load->latency, now - stamp.sent_at);
	}
}

/* The same without touching them. */
static void count_burst(struct bench_port *port, const uint32_t *lens, unsigned n)
{
	uint32_t want = BENCH_HEADER_LEN + port->config->frame_len;
	unsigned good = 0;

	for (unsigned i = 0; i < n; i++)
		good += lens[i] == want;
	port->counters.received += good;
	port->counters.other += n - good;
}

static unsigned receive(struct bench_load *load, unsigned index, struct bench_queue *q, bool record)
{
	const struct bench_port *sender = &load->ports[sender_of(load, index)];
	struct bench_port *port = &load->ports[index];
	uint64_t before = port->counters.received;
	uint32_t lens[BENCH_BURST];
	void *got[BENCH_BURST];
	unsigned n = driver_ring_get_batch(&q->rx, got, lens, BENCH_BURST);

	if (n == 0)
		return 0;
	if (port->config->tso)
		read_large(load, port, sender, &q->large, got, lens, n, record);
	else if (bench_config_stamps(port->config))
		read_burst(load, port, sender, got, lens, n, record);
	else
		count_burst(port, lens, n);
	driver_ring_add_buffers(&q->rx, (struct driver_buffer **)got, n, true);
	driver_ring_publish(&q->rx);
	if (port->config->kind != BENCH_OPEN)
		port->credit += port->counters.received - before;
	return n;
}

/* Takes back what the device has sent, until @want frames can be sent or nothing more comes. */
static void reap(struct bench_queue *q, unsigned want)
{
	uint32_t lens[BENCH_BURST];
	void *got[BENCH_BURST];
	unsigned n;

	while ((driver_ring_free(&q->tx) < want || q->n_ready < want) &&
	       (n = driver_ring_get_batch(&q->tx, got, lens, BENCH_BURST)) > 0)
		for (unsigned i = 0; i < n; i++)
			q->ready[(q->first_ready + q->n_ready++) & q->ready_mask] = got[i];
}

static void stamp_burst(struct bench_port *port, struct driver_buffer *const *buffers, unsigned n)
{
	const struct bench_config *config = port->config;
	uint64_t now = clock_ns();

	for (unsigned i = 0; i < n; i++) {
		uint32_t flow = container_of(buffers[i], struct bench_buffer, buffer)->flow;
		struct bench_stamp stamp = { flow, port->numbers[flow]++, now };

		bench_frame_stamp((uint8_t *)buffers[i]->host + BENCH_HEADER_LEN, config->frame_len,
				  config->tso, &stamp, config->check);
	}
}

/* Lets each frame be of a flow, or from an address, that was not there before. Some come from the
 * port's own address, which so stays known: what is sent to it goes to nobody else; where @own,
 * all. */
static void renew_burst(struct bench_port *port, struct driver_buffer *const *buffers, unsigned n,
			bool own)
{
	const struct bench_config *config = port->config;

	for (unsigned i = 0; i < n; i++) {
		uint8_t *frame = (uint8_t *)buffers[i]->host + BENCH_HEADER_LEN;
		uint32_t number = port->renewed++;

		if (config->fresh == BENCH_FRESH_MACS && (own || number % OWN_FRAMES == 0))
			mac_store(frame + ETH_ALEN, port->mac);
		else
			bench_frame_renew(frame, config->frame_len, config->fresh, number);
	}
}

/* Adds buffers to the ring, header and frame apart in an indirect table. */
static void add_indirect(struct bench_queue *q, struct driver_buffer *const *buffers, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint8_t *host = buffers[i]->host;
		const struct iovec iov[] = {
			{ host, BENCH_HEADER_LEN },
			{ host + BENCH_HEADER_LEN, buffers[i]->len - BENCH_HEADER_LEN },
		};

		driver_ring_add(&q->tx, iov, ARRAY_SIZE(iov), NULL, 0, buffers[i]);
	}
}

/* Sends up to @want (at most BENCH_BURST) frames. Returns how many the ring took. */
static unsigned send_burst(const struct bench_load *load, struct bench_port *port,
			   struct bench_queue *q, unsigned want)
{
	unsigned sent = 0;

	reap(q, want);
	want = min(want, driver_ring_free(&q->tx));
	want = min(want, q->n_ready);
	while (sent < want) {
		/* up to the end of the circle */
		struct driver_buffer **buffers = &q->ready[q->first_ready];
		unsigned n = min(want - sent, q->ready_mask + 1 - q->first_ready);

		if (unlikely(port->config->fresh))
			renew_burst(port, buffers, n, load->turn == BENCH_TURN_KNOWN);
		if (bench_config_stamps(port->config))
			stamp_burst(port, buffers, n);
		if (port->config->indirect)
			add_indirect(q, buffers, n);
		else
			driver_ring_add_buffers(&q->tx, buffers, n, false);
		q->first_ready = (q->first_ready + n) & q->ready_mask;
		q->n_ready -= n;
		sent += n;
	}
	if (sent > 0)
		driver_ring_publish(&q->tx);
	port->counters.sent += sent;
	return sent;
}

/* Frames that a port with a rate should have sent by @now and has not. What it is late with by more
 * than a millisecond is given up. */
static uint64_t due(const struct bench_load *load, struct bench_port *port, uint64_t now)
{
	uint64_t rate = port->config->rate, most = rate / 1000 + BENCH_BURST, late;
	uint64_t asked = (uint64_t)((double)(now - load->began) * (double)rate / NSEC_PER_SEC);

	late = asked - port->credit;
	if (late > most) {
		port->counters.refused += late - most;
		port->credit += late - most;
		late = most;
	}
	return late;
}

static bool floods(const struct bench_load *load, const struct bench_port *port)
{
	return port >= &load->ports[load->n_ports - load->config->n_flood];
}

/* Sends what @port may now, on all queues. */
static unsigned transmit(struct bench_load *load, struct bench_port *port, uint64_t now)
{
	const struct bench_config *config = port->config;
	unsigned sent = 0;

	if (config->kind == BENCH_NONE || (load->turn == BENCH_TURN_ALONE && floods(load, port)))
		return 0;
	for (uint32_t i = 0; i < config->n_queues; i++) {
		/* the queue that comes first is another one each time: all get their share */
		struct bench_queue *q = &port->queues[(port->turn + i) % config->n_queues];
		uint64_t allowed = BENCH_BURST;
		unsigned want, n;

		if (config->rate)
			allowed = due(load, port, now);
		else if (config->kind != BENCH_OPEN)
			allowed = port->credit;
		want = (unsigned)min(allowed, (uint64_t)BENCH_BURST);
		n = want ? send_burst(load, port, q, want) : 0;
		if (config->rate)
			port->credit += n;
		else if (config->kind != BENCH_OPEN)
			port->credit -= n;
		else
			port->counters.refused += want - n;
		sent += n;
	}
	port->turn++;
	return sent;
}

static void kick(struct bench_load *load)
{
	for (unsigned i = 0; i < load->n_ports; i++)
		bench_port_kick(&load->ports[i]);
}

/* One turn over all ports. Returns whether there was something to do. */
static bool turn(struct bench_load *load, struct phase *phase, uint64_t now)
{
	unsigned received = 0, sent = 0;

	for (unsigned p = 0; p < load->n_ports; p++)
		for (uint32_t i = 0; i < load->config->n_queues; i++)
			received += receive(load, p, &load->ports[p].queues[i], phase->record);
	for (unsigned p = 0; phase->send && p < load->n_ports; p++)
		sent += transmit(load, &load->ports[p], now);
	if (received)
		phase->last_heard = now;
	return received || sent;
}

/* What the sockets say, and whether the rings are sound. */
static int look_around(struct bench_load *load, struct error *err)
{
	event_base_loop(load->base, EVLOOP_NONBLOCK);
	for (unsigned i = 0; i < load->n_ports; i++) {
		struct bench_port *port = &load->ports[i];

		if (port->failed)
			return error_set(err, -ECONNRESET, "%s: %s", port->path, port->why.text);
		if (bench_port_broken(port))
			return error_set(err, -EPROTO, "%s: the back-end broke the rules of a ring",
					 port->path);
	}
	return 0;
}

/* Whether nothing is on its way. */
static bool all_came(const struct bench_load *load)
{
	for (unsigned i = 0; i < load->n_ports; i++)
		if (load->ports[i].counters.received <
		    load->ports[sender_of(load, i)].counters.sent)
			return false;
	return true;
}

/* Turns until the phase is over. */
static int spin(struct bench_load *load, struct phase *phase, struct error *err)
{
	uint64_t now = clock_ns(), looked = now;
	unsigned unkicked = 0;
	int rc = 0;

	if (!phase->last_heard)
		phase->last_heard = now;
	while (now < phase->end && !(*load->interrupted && phase->send)) {
		bool busy = turn(load, phase, now);
		uint64_t then = now;

		if (!busy || ++unkicked == KICK_TURNS) {
			kick(load);
			unkicked = 0;
		}
		now = clock_ns();
		phase->busy_ns += busy ? now - then : 0;
		if (now - then > load->config->silence_ns / 10)
			phase->last_heard += now - then; /* it was us who stood still */
		if (now - looked < EVENTS_NS)
			continue;
		looked = now;
		rc = look_around(load, err);
		if (rc != 0)
			return rc;
		if (phase->drain && all_came(load))
			break;
		if (phase->silence && now - phase->last_heard > phase->silence)
			break;
	}
	kick(load);
	return 0;
}

/* Tells where the ports' addresses are, and throws away what comes of it. */
static int announce(struct bench_load *load, struct error *err)
{
	uint64_t end = clock_ns() + ANNOUNCE_NS;
	struct phase settle = { .end = 0 };
	int rc;

	for (unsigned i = 0; i < load->n_ports; i++) {
		struct driver_buffer *buffer = &load->ports[i].announcement;
		struct driver_ring *ring = &load->ports[i].queues[0].tx;
		uint32_t len;

		driver_ring_add_buffers(ring, &buffer, 1, false);
		driver_ring_publish(ring);
		bench_port_kick(&load->ports[i]);
		while (!driver_ring_get(ring, &len)) {
			rc = look_around(load, err);
			if (rc != 0)
				return rc;
			if (clock_ns() > end)
				return error_set(err, -ETIMEDOUT,
						 "%s: the back-end takes no frames",
						 load->ports[i].path);
		}
	}
	settle.end = clock_ns() + SETTLE_NS;
	rc = spin(load, &settle, err);
	for (unsigned i = 0; i < load->n_ports; i++) {
		struct bench_port *port = &load->ports[i];

		port->counters = (struct bench_counters){ 0 };
		port->credit = port->config->kind == BENCH_OPEN ? 0 : port->config->window;
	}
	return rc;
}

static void subtract(struct bench_counters *now, const struct bench_counters *before)
{
	now->sent -= before->sent;
	now->received -= before->received;
	now->refused -= before->refused;
	now->other -= before->other;
	now->corrupted -= before->corrupted;
	now->reordered -= before->reordered;
}

/* Run time of this thread. */
static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static uint64_t count_kicks(const struct bench_load *load)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < load->n_ports; i++)
		for (uint32_t k = 0; k < load->config->n_queues; k++)
			n += load->ports[i].queues[k].rx.n_kicks +
			     load->ports[i].queues[k].tx.n_kicks;
	return n;
}

/* A closed loop that stands still for so long is dead. */
static uint64_t stall_ns(const struct bench_config *config)
{
	uint64_t half = max(config->measure_ns / 2, 3 * NSEC_PER_SEC);

	return min(half, 10 * NSEC_PER_SEC);
}

/* Turns until the phase is over, of each kind as many. */
static int take_turns(struct bench_load *load, struct phase *phase, struct error *err)
{
	uint64_t end = phase->end, now = clock_ns();
	int rc = 0;

	for (unsigned n = 0; rc == 0 && now < end && !*load->interrupted; n++) {
		struct bench_counters before[BENCH_PORTS_MAX];
		struct bench_turn *turn = &load->turns[n % BENCH_TURNS];
		uint64_t began = now;

		load->turn = n % BENCH_TURNS;
		for (unsigned i = 0; i < load->n_ports; i++)
			before[i] = load->ports[i].counters;
		phase->end = min(end, began + load->config->turn_ns);
		rc = spin(load, phase, err);
		now = clock_ns();
		turn->ns += now - began;
		for (unsigned i = 0; i < load->n_ports; i++) {
			struct bench_counters counters = load->ports[i].counters;

			subtract(&counters, &before[i]);
			bench_counters_add(&turn->counters[i], &counters);
		}
	}
	return rc;
}

/* The time that counts. */
static int measure(struct bench_load *load, struct error *err)
{
	struct bench_counters before[BENCH_PORTS_MAX] = { 0 };
	uint64_t start = clock_ns(), cpu = cpu_ns(), kicks = count_kicks(load);
	struct phase phase = {
		.end = start + load->config->measure_ns,
		.send = true,
		.record = true,
		.silence = load->config->kind == BENCH_OPEN ? 0 : stall_ns(load->config),
	};
	int rc;

	for (unsigned i = 0; i < load->n_ports; i++)
		before[i] = load->ports[i].counters;
	rc = load->config->turn_ns ? take_turns(load, &phase, err) : spin(load, &phase, err);
	load->measured_ns = clock_ns() - start;
	load->cpu_ns = cpu_ns() - cpu;
	load->busy_ns = phase.busy_ns;
	load->kicks = count_kicks(load) - kicks;
	for (unsigned i = 0; i < load->n_ports; i++) {
		load->measured[i] = load->ports[i].counters;
		subtract(&load->measured[i], &before[i]);
	}
	if (rc == 0 && phase.silence && clock_ns() - phase.last_heard > phase.silence)
		rc = error_set(err, -ETIMEDOUT,
			       "nothing comes back: every frame on its way was lost");
	return rc;
}

int bench_load_run(struct bench_load *load, struct error *err)
{
	struct phase warmup = { .send = true };
	struct phase drain = { .drain = true, .silence = load->config->silence_ns };
	int rc = announce(load, err);

	if (rc != 0)
		return rc;
	load->began = clock_ns();
	warmup.end = load->began + load->config->warmup_ns;
	rc = spin(load, &warmup, err);
	if (rc == 0)
		rc = measure(load, err);
	if (rc != 0)
		return rc;
	drain.end = clock_ns() + DRAIN_NS;
	return spin(load, &drain, err);
}

int bench_load_connect(struct bench_load *load, struct error *err)
{
	uint64_t end = clock_ns() + CONNECT_NS;

	for (unsigned i = 0; i < load->n_ports; i++) {
		struct bench_port *port = &load->ports[i];

		while (!port->up) {
			struct timeval tick = { 0, 10000 };

			event_base_loopexit(load->base, &tick);
			event_base_loop(load->base, EVLOOP_ONCE);
			if (port->failed)
				return error_set(err, -ECONNREFUSED, "%s: %s", port->path,
						 port->why.text);
			if (*load->interrupted || clock_ns() > end)
				return error_set(err, -ETIMEDOUT,
						 "%s: no back-end within %llu s%s%s", port->path,
						 CONNECT_NS / NSEC_PER_SEC,
						 *port->why.text ? ": " : "", port->why.text);
		}
	}
	return 0;
}
