// SPDX-License-Identifier: Apache-2.0
/* The stage for those who only watch what becomes of others: plays all scenarios of the hostile
 * suite, or a race, against whatever back-end listens, and looks at nothing. So it serves to
 * compare switches.
 *
 *	attack split|packed suite|race EVIL-SOCKET PEER-SOCKET BACK-END'S-PID FIRST STEP
 *
 * Each scenario is a process of its own, with an end in time, and its number and name are printed
 * before it begins. They are numbered from 1; only FIRST, FIRST + STEP and so on are played. The
 * peer, another process, sends to the evil port all the time. To stop the first process (SIGSTOP)
 * is to wait between two scenarios. Exit status: 0 all were played, 1 this could not begin, 3 the
 * back-end has ended: in the last one named.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "hostile/stage.h"

#define SCENARIO_S 3		    /* until it is cut off */
#define WAIT_NS (1 * NSEC_PER_MSEC) /* for what the back-end should do */
#define REST_US 300		    /* for what it does when it should not */
#define PEER_US 500		    /* between two frames of the peer */
#define MODERN (1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_NET_F_MRG_RXBUF)

/* How processes end. Not served: good traffic does not pass even before the attack. */
enum { PLAYED, NOT_SERVED, GONE = 3 };

static const char *evil_path;
static int back_end_fd; /* of its pid */
static unsigned first, step, n_not_served, n_cut_off;

/* ---- a scenario, in its own process */

/* Good traffic, for whose end nothing waits long. */
static void good(struct stage *s, unsigned queue)
{
	unsigned slot = min(s->rogue.config.size - 1, (unsigned)STAGE_GOOD_SLOT);
	struct vring_desc out = { STAGE_GOOD, s->rogue.header_len + 80, 0, 0 };
	struct vring_desc in = { STAGE_GOOD_RX, STAGE_GOOD_LEN, VRING_DESC_F_WRITE, 0 };
	struct rogue_buffer at = { out.addr, out.len, false };
	uint8_t head[64];

	if (queue == ROGUE_TX)
		rogue_write(&s->rogue, &at, 1, 0, head, stage_head(s, head));
	rogue_put(&s->rogue, queue, slot, queue == ROGUE_TX ? &out : &in, 1);
	rogue_show(&s->rogue, queue);
}

/* Waits for a used chain; false: there came none. */
static bool await(struct stage *s, unsigned queue, uint32_t *id, uint32_t *len)
{
	uint64_t end = clock_ns() + WAIT_NS;

	*id = *len = 0;
	while (!rogue_used(&s->rogue, queue, id, len)) {
		if (clock_ns() > end)
			return false;
		usleep(50);
	}
	return true;
}

void stage_end(struct stage *s)
{
	usleep(REST_US);
	_exit(PLAYED);
}

/* What was not as it must be: that is for others to say. */
void stage_fail(struct stage *s, const char *fmt, ...)
{
	stage_pass_tx(s);
	stage_pass_rx(s, NULL, 0);
	stage_end(s);
	abort();
}

static bool open_rogue(struct stage *s, const struct rogue_config *config)
{
	struct rogue_config c = *config;

	if (s->packed)
		c.features |= 1ull << VIRTIO_F_RING_PACKED;
	c.notes = s->notes;
	c.modest = true;
	return rogue_open(&s->rogue, evil_path, &c, (uint8_t)s->n_seen);
}

void stage_open(struct stage *s, const struct rogue_config *config)
{
	uint32_t id, len;

	if (!open_rogue(s, config))
		_exit(NOT_SERVED);
	good(s, ROGUE_TX);
	for (unsigned i = 0; i < 300; i++) /* a back-end that polls begins after a while */
		if (await(s, ROGUE_TX, &id, &len))
			return;
	_exit(NOT_SERVED);
}

void stage_expect_refused(struct stage *s, const struct rogue_config *config, const char *why)
{
	open_rogue(s, config);
	stage_end(s);
}

void stage_pass_tx(struct stage *s)
{
	uint32_t id, len;

	good(s, ROGUE_TX);
	await(s, ROGUE_TX, &id, &len);
}

void stage_pass_rx(struct stage *s, const struct rogue_buffer *pending, unsigned n)
{
	uint32_t id, len;

	good(s, ROGUE_RX);
	await(s, ROGUE_RX, &id, &len);
}

void stage_await_used(struct stage *s, unsigned queue, uint32_t *id, uint32_t *len)
{
	await(s, queue, id, len);
}

void stage_expect_received(struct stage *s, const struct rogue_buffer *list, unsigned n,
			   const uint8_t frame[STAGE_FRAME_LEN])
{
	uint32_t id, len;

	await(s, ROGUE_RX, &id, &len);
}

void stage_attack(struct stage *s, unsigned queue, const struct vring_desc *descs, unsigned n,
		  const struct rogue_buffer *list, unsigned n_list, enum ring_fault fault)
{
	uint32_t id, len;

	stage_put_attack(s, queue, descs, n, list, n_list, fault == RING_OK);
	rogue_show(&s->rogue, queue);
	await(s, queue, &id, &len);
	stage_pass_tx(s);
	stage_pass_rx(s, NULL, 0);
	stage_end(s);
}

/* ---- what the peer does, which is another process and does it all the time */

void stage_peer_turn(struct stage *s, unsigned n)
{
	usleep(REST_US);
}

void stage_peer_sends(struct stage *s, uint8_t frame[STAGE_FRAME_LEN])
{
	memset(frame, 0, STAGE_FRAME_LEN);
	usleep(REST_US);
}

uint32_t stage_await_frame(struct stage *s, uint8_t got[GUEST_FRAME_MAX])
{
	usleep(REST_US);
	return 0;
}

void stage_expect_frame(struct stage *s, const uint8_t *want, uint32_t len)
{
	usleep(REST_US);
}

/* ---- what nobody looks at */

void stage_expect_state(struct stage *s, unsigned queue, enum ring_fault fault)
{
	usleep(REST_US);
}

void stage_expect_broken(struct stage *s, unsigned queue, enum ring_fault fault)
{
	usleep(REST_US);
}

void stage_expect_drops(struct stage *s, const char *reason, unsigned n)
{
}

void stage_expect_memory(struct stage *s)
{
}

/* ---- all of them */

/* A child ends with its parent. */
static pid_t fork_child(void)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (pid < 0)
		exit(1);
	return pid;
}

/* Waits until a scenario has ended, and ends all when the back-end has. */
static void await_end(pid_t pid)
{
	struct pollfd back_end = { back_end_fd, POLLIN, 0 };
	int status;

	if (waitpid(pid, &status, 0) != pid)
		exit(1);
	if (!WIFEXITED(status))
		n_cut_off++;
	else if (WEXITSTATUS(status) == NOT_SERVED)
		n_not_served++;
	if (poll(&back_end, 1, 0) != 0)
		exit(GONE);
}

bool stage_begin(struct stage *s, const char *fmt, ...)
{
	va_list ap;
	pid_t pid;

	va_start(ap, fmt);
	stage_name(s, fmt, ap);
	va_end(ap);
	if (++s->n_seen < first || (s->n_seen - first) % step != 0)
		return false;
	printf("%u %s\n", s->n_seen, s->name);
	pid = fork_child();
	if (pid == 0) {
		alarm(SCENARIO_S);
		return true;
	}
	s->n_run++;
	await_end(pid);
	return false;
}

/* ---- the peer */

/* Sends until its connection ends; says on @ready_fd that it has begun. */
static void play_peer(const char *path, int ready_fd)
{
	struct guest_config config = { .path = path, .features = MODERN };
	uint8_t frame[STAGE_FRAME_LEN] = { 0 }, got[GUEST_FRAME_MAX];
	struct error err = { "" };
	struct guest guest = { 0 };

	if (guest_open(&guest, &config, &err) != 0 || guest_wait(&guest, 10000) != 0) {
		fprintf(stderr, "peer: %s %s\n", err.text, guest.why);
		_exit(1);
	}
	guest_ethernet(frame, EVIL_MAC, PEER_MAC);
	if (write(ready_fd, "", 1) != 1)
		_exit(1);
	while (guest.n_downs == 0) {
		guest_turn(&guest);
		guest_send(&guest, frame, sizeof(frame));
		while (guest_receive(&guest, got) > 0)
			;
		usleep(PEER_US);
	}
	_exit(0);
}

/* False: it cannot connect. */
static bool start_peer(const char *path)
{
	int ready[2];
	char byte;
	bool ok;

	if (pipe(ready) != 0)
		return false;
	if (fork_child() == 0)
		play_peer(path, ready[1]);
	close(ready[1]);
	ok = read(ready[0], &byte, 1) == 1;
	close(ready[0]);
	return ok;
}

int main(int argc, char **argv)
{
	struct stage stage = { 0 };

	if (argc != 8) {
		fprintf(stderr, "usage: attack split|packed suite|race EVIL PEER PID FIRST STEP\n");
		return 1;
	}
	stage.packed = strcmp(argv[1], "packed") == 0;
	evil_path = argv[3];
	back_end_fd = pidfd_open((pid_t)atoi(argv[5]), 0);
	first = (unsigned)atoi(argv[6]);
	step = max((unsigned)atoi(argv[7]), 1u);
	if (back_end_fd < 0 || !rogue_init(&stage.rogue) || !start_peer(argv[4]))
		return 1;
	if (strcmp(argv[2], "race") == 0)
		scene_race(&stage);
	else
		scene_all(&stage);
	printf("%u of %u scenarios, of which %u were not served, %u cut off\n", stage.n_run,
	       stage.n_seen, n_not_served, n_cut_off);
	rogue_destroy(&stage.rogue);
	return 0;
}
