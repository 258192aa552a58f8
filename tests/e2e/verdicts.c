// SPDX-License-Identifier: Apache-2.0
/* Guests that know the rules: verdicts FLOWS SENDER RECEIVER.. TRAP, all of them vhost-user
 * sockets.
 *
 * The first one sends frames of FLOWS flows, one of each in turn, never more at a time than there
 * are buffers for. Flow f belongs to receiver f modulo their number (verdicts.py makes the rules);
 * whatever comes to another guest, or to the trap, has met a rule that is not, or no longer, there.
 * A line on standard input asks for what was counted so far, and for the longest time in which no
 * frame came since the last line; its end lets all that is on its way arrive, and asks once more.
 */
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "guest/guest.h"

#define GUESTS_MAX 8
#define FRAME_LEN 64u
#define WINDOW 128u	  /* frames on their way, fewer than a ring has buffers */
#define MEMORY 65536u	  /* how many frames later one that has not come is lost */
#define STRIDE 7919u	  /* between flows that follow each other: a prime */
#define IDLE_US 50u	  /* when nothing comes */
#define PATIENCE_MS 2000u /* at the end */

struct counts {
	unsigned long long sent, received, wrong, again, corrupted, lost;
};

struct world {
	struct guest guests[GUESTS_MAX];
	unsigned n_guests;
	uint32_t n_flows, flow;
	struct counts counts;
	unsigned n_open;
	bool open[MEMORY]; /* frames on their way, by number */
	uint64_t last_ns, gap_ns;
	bool ends;
};

static uint32_t make_frame(uint8_t *frame, uint32_t flow, uint64_t number)
{
	static const uint8_t headers[] = { 0x08, 0x00, 0x45, 0, 0, 50, 0, 0, 0, 0, 64, 17, 0, 0 };
	uint8_t *at = frame + 12;

	memset(frame, 0, FRAME_LEN);
	guest_ethernet(frame, 0xb, 0xa);
	memcpy(at, headers, sizeof(headers));
	be32_store(at + 14, 0x0a000000 + flow);
	be32_store(at + 18, 0xc0000201);
	be16_store(at + 22, (uint16_t)(1024 + flow % 60000));
	be16_store(at + 24, 9);
	be16_store(at + 26, 30);
	memcpy(frame + 44, &flow, sizeof(flow));
	memcpy(frame + 48, &number, sizeof(number));
	return FRAME_LEN;
}

static bool send_next(struct world *w)
{
	uint64_t number = w->counts.sent;
	uint8_t frame[FRAME_LEN];
	bool *open = &w->open[number % MEMORY];

	if (*open) {
		w->counts.lost++;
		w->n_open--;
		*open = false;
	}
	if (!guest_send(&w->guests[0], frame, make_frame(frame, w->flow, number)))
		return false;
	*open = true;
	w->n_open++;
	w->counts.sent++;
	w->flow = (uint32_t)(((uint64_t)w->flow + STRIDE) % w->n_flows);
	return true;
}

static void judge(struct world *w, unsigned guest, const uint8_t *frame, uint32_t len)
{
	unsigned n_receivers = w->n_guests - 2;
	uint8_t want[FRAME_LEN];
	uint64_t number;
	uint32_t flow;

	memcpy(&flow, frame + 44, sizeof(flow));
	memcpy(&number, frame + 48, sizeof(number));
	make_frame(want, flow, number);
	if (len != FRAME_LEN || memcmp(frame, want, FRAME_LEN) || number >= w->counts.sent) {
		w->counts.corrupted++;
		return;
	}
	w->counts.wrong += guest != 1 + flow % n_receivers;
	if (!w->open[number % MEMORY]) {
		w->counts.again++;
		return;
	}
	w->open[number % MEMORY] = false;
	w->n_open--;
	w->counts.received++;
}

/* Whether something came. */
static bool receive(struct world *w)
{
	uint8_t frame[GUEST_FRAME_MAX];
	bool came = false;
	uint32_t len;

	for (unsigned i = 0; i < w->n_guests; i++) {
		guest_turn(&w->guests[i]);
		if (w->guests[i].n_downs) {
			fprintf(stderr, "guest %u: %s\n", i, w->guests[i].why);
			exit(1);
		}
		while ((len = guest_receive(&w->guests[i], frame))) {
			judge(w, i, frame, len);
			came = true;
		}
	}
	return came;
}

static void note_gap(struct world *w)
{
	w->gap_ns = max(w->gap_ns, clock_ns() - w->last_ns);
}

static bool turn(struct world *w, bool sends)
{
	bool came = receive(w);

	while (sends && w->n_open < WINDOW && send_next(w))
		;
	if (came) {
		note_gap(w);
		w->last_ns = clock_ns();
	} else {
		usleep(IDLE_US);
	}
	return came;
}

static void answer(struct world *w)
{
	const struct counts *c = &w->counts;

	note_gap(w);
	printf("{\"sent\": %llu, \"received\": %llu, \"wrong\": %llu, \"again\": %llu, "
	       "\"corrupted\": %llu, \"lost\": %llu, \"gap_ms\": %.3f}\n",
	       c->sent, c->received, c->wrong, c->again, c->corrupted, c->lost,
	       (double)w->gap_ns / NSEC_PER_MSEC);
	fflush(stdout);
	w->gap_ns = 0;
}

static void read_questions(struct world *w)
{
	char text[64];
	ssize_t n = read(STDIN_FILENO, text, sizeof(text));

	for (ssize_t i = 0; i < n; i++)
		if (text[i] == '\n')
			answer(w);
	w->ends = !n;
}

/* Lets what is on its way arrive: what does not is lost. */
static void finish(struct world *w)
{
	uint64_t end = clock_ns() + PATIENCE_MS * NSEC_PER_MSEC;

	while (clock_ns() < end && w->n_open)
		turn(w, false);
	w->counts.lost += w->n_open;
	answer(w);
}

static void attach(struct guest *guest, const char *path)
{
	const struct guest_config config = {
		.path = path,
		.features = 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_NET_F_MRG_RXBUF |
			    1ull << VIRTIO_RING_F_EVENT_IDX,
	};
	struct error err = { "" };

	if (guest_open(guest, &config, &err) < 0 || guest_wait(guest, 10000) < 0) {
		fprintf(stderr, "%s: %s\n", path, *guest->why ? guest->why : err.text);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	static struct world w;

	w.n_guests = (unsigned)max(argc - 2, 0);
	w.n_flows = argc > 1 ? (uint32_t)atoi(argv[1]) : 0;
	if (w.n_guests < 3 || w.n_guests > GUESTS_MAX || !w.n_flows) {
		fprintf(stderr, "usage: verdicts FLOWS SENDER RECEIVER.. TRAP\n");
		return 2;
	}
	for (unsigned i = 0; i < w.n_guests; i++)
		attach(&w.guests[i], argv[2 + i]);
	fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
	w.last_ns = clock_ns();
	while (!w.ends) {
		turn(&w, true);
		read_questions(&w);
	}
	finish(&w);
	return 0;
}
