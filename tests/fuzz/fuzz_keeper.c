// SPDX-License-Identifier: Apache-2.0
/* libFuzzer target: what a switch process says to the keeper, which has more rights than it.
 * Packets come from the input, as the protocol has them, with a few bytes changed, or any;
 * front-ends connect to the sockets that the keeper makes and send messages; processes crash and
 * the next ones come. After each input the keeper's table must still be one that another keeper
 * would understand, and all files must be closed when everything goes.
 *
 * Upgrades are refused, as if one was on its way, since they would start programs.
 */
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/un.h>

#include "../unit/fds.h"
#include "base/log.h"
#include "front_end.h"
#include "keeper/private.h"

#define STEPS_MAX 100
#define N_PORTS 3

static char dir[] = "/dev/shm/vireo-fuzz-XXXXXX/";
static pid_t child; /* a process that does nothing, in the place of the switch */
static struct keeper k;
static int peer = -1;		/* the switch's end of the link */
static bool deaf;		/* it does not read */
static int front_ends[N_PORTS]; /* -1: not connected */

/* ---- the keeper */

/* Of files that cannot be waited for libevent complains. */
static void on_complaint(int severity, const char *text)
{
}

static void nothing(evutil_socket_t fd, short what, void *arg)
{
}

static void no_question(void *owner)
{
}

/* A new switch process, of which the keeper has heard nothing yet. What it does not read soon has
 * to wait. */
static void attach(void)
{
	int pair[2], least = 0;

	require(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	require(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &least, sizeof(least)) == 0);
	peer = pair[1];
	deaf = false;
	k.now.link = keeper_link_create(pair[0], k.base, &keeper_switch_ops, &k.now);
	require(k.now.link);
	k.now.pid = child;
	k.now.version = 0;
	k.ready = false;
}

/* The process ends; with @crash that may have been the message's fault. */
static void detach(bool crash)
{
	close(peer);
	peer = -1;
	keeper_link_drain(k.now.link);
	keeper_relay_attach(k.relay, NULL);
	keeper_forget_now(&k);
	if (crash)
		keeper_relay_crashed(k.relay);
}

static void begin(void)
{
	k.config_fd = k.fallback_fd = -1;
	k.now = k.next = (struct process){ .keeper = &k, .exe_fd = -1 };
	k.leaver = child; /* the one before: no upgrade meanwhile */
	k.ready = k.ever_ready = false;
	k.table = keeper_table_create();
	require(k.table);
	k.relay = keeper_relay_create(k.base, k.table);
	require(k.relay);
	attach();
}

static void end(void)
{
	detach(false);
	require(!keeper_table_whole(k.table) ||
		keeper_table_check(keeper_table_own_fd(k.table), &(struct error){ "" }) == 0);
	keeper_relay_destroy(k.relay);
	keeper_table_destroy(k.table);
	held_clear(&k.held);
	close_fd(&k.config_fd);
}

/* ---- the switch process */

static void send_packet(const struct keeper_packet *p, size_t len)
{
	uint8_t bytes[sizeof(p->header) + KEEPER_PAYLOAD_MAX];

	memcpy(bytes, &p->header, sizeof(p->header));
	memcpy(bytes + sizeof(p->header), p->bytes, len);
	send_fds(peer, bytes, sizeof(p->header) + len, p->fds, p->n_fds,
		 MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void fill_key(struct input *in, struct keeper_packet *p)
{
	snprintf(p->key, sizeof(p->key), "key %u", take_choice(in, 4));
	p->header.size = sizeof(p->key);
}

static void fill_open(struct input *in, struct keeper_packet *p)
{
	unsigned port = take_choice(in, N_PORTS), odd = take_choice(in, 16);

	p->open = (struct keeper_open){ .mode = odd == 1, .uid = -1, .gid = -1, .rights = -1 };
	snprintf(p->open.name, sizeof(p->open.name), "vm%u", odd == 2 ? 0 : port);
	snprintf(p->open.path, sizeof(p->open.path), "%s%u", dir, port);
	p->header.size = sizeof(p->open);
	p->fds[p->n_fds++] = fds_of_kind[FD_PAGE];
}

static void fill_done(struct input *in, struct keeper_packet *p)
{
	struct vhost_edit edits[VHOST_EDITS_MAX] = { 0 };
	unsigned n = take_choice(in, 4);
	size_t at = sizeof(p->done);

	p->done = (struct keeper_done){ .request = take_choice(in, 44),
					.reply = take_choice(in, 2),
					.n_edits = n };
	for (unsigned i = 0; i < n; i++)
		edits[i] = (struct vhost_edit){ .kind = take_choice(in, 7),
						.value = take_choice(in, 4),
						.key = { .request = take_choice(in, 44),
							 .detail = take_choice(in, 4) } };
	memcpy(p->bytes + at, edits, n * sizeof(edits[0]));
	at += n * sizeof(edits[0]);
	p->done.size = p->done.reply ? take_number(in, 1) * 2 : 0;
	p->header.size = (uint32_t)(at + p->done.size);
	if (take_choice(in, 8) == 1)
		p->fds[p->n_fds++] = fds_of_kind[FD_PAGE];
}

static void fill(struct input *in, struct keeper_packet *p)
{
	switch (p->header.kind) {
	case KEEPER_HELLO:
		p->hello.version = KEEPER_VERSION;
		p->header.size = sizeof(p->hello);
		break;
	case KEEPER_CONFIG:
	case KEEPER_BELL:
		p->fds[p->n_fds++] = take_fd(in);
		break;
	case KEEPER_HOLD:
		p->fds[p->n_fds++] = take_fd(in);
		fill_key(in, p);
		break;
	case KEEPER_RELEASE:
		fill_key(in, p);
		break;
	case KEEPER_UPGRADE:
	case KEEPER_REPLACE:
		p->header.size = take_choice(in, 8);
		memcpy(p->text, "/nowhere", 8);
		break;
	case KEEPER_DEVICE_OPEN:
		fill_open(in, p);
		break;
	case KEEPER_DEVICE_DONE:
		fill_done(in, p);
		break;
	case KEEPER_FORBIDDEN:
		p->forbidden = (struct keeper_forbidden){ .call = take_choice(in, 255),
							  .kind = take_choice(in, 4) };
		p->header.size = sizeof(p->forbidden);
		break;
	case KEEPER_ALIVE:
		p->alive.quiet = take_choice(in, 2);
		p->header.size = sizeof(p->alive);
		break;
	default:
		break;
	}
}

/* Sockets are made in our directory, whatever the packet says now. Requests may do more than that,
 * have a fuzzer of their own, and do not come; nor do lifelines, of which the child would die
 * (test_death has them). */
static void stay_inside(struct keeper_packet *p)
{
	size_t len = strlen(dir);

	if (p->header.kind == KEEPER_REQUEST || p->header.kind == KEEPER_LIFELINE)
		p->header.kind |= 1u << 31;
	if (p->header.kind != KEEPER_DEVICE_OPEN)
		return;
	memcpy(p->open.path, dir, len);
	for (size_t i = len; i < sizeof(p->open.path); i++)
		if (p->open.path[i] == '/')
			p->open.path[i] = '_';
}

static void say(struct input *in)
{
	static const uint32_t kinds[] = {
		KEEPER_HELLO,	    KEEPER_READY,	 KEEPER_CONFIG,	     KEEPER_HOLD,
		KEEPER_RELEASE,	    KEEPER_UPGRADE,	 KEEPER_LEFT,	     KEEPER_DEVICE_OPEN,
		KEEPER_DEVICE_OPEN, KEEPER_DEVICE_CLOSE, KEEPER_DEVICE_WAIT, KEEPER_DEVICE_HANG_UP,
		KEEPER_DEVICE_DONE, KEEPER_DEVICE_DONE,	 KEEPER_DEVICE_DONE, KEEPER_REPLACE,
		KEEPER_ABLE,	    KEEPER_BELL,	 KEEPER_ALIVE,	     KEEPER_FORBIDDEN,
	};
	struct keeper_packet p;
	unsigned n;

	memset(&p, 0, sizeof(p));
	keeper_packet_init(&p, kinds[take_choice(in, ARRAY_SIZE(kinds))], take_choice(in, 4),
			   1 + take_choice(in, 3));
	fill(in, &p);
	n = take_choice(in, 32);
	for (n = n < 10 ? n : 0; n; n--)
		if (p.n_fds < KEEPER_FDS_MAX)
			p.fds[p.n_fds++] = take_fd(in);
	if (p.header.size)
		take_damage(in, p.bytes, p.header.size, 3);
	take_damage(in, &p.header, 12, 2); /* but for the size */
	stay_inside(&p);
	send_packet(&p, min(p.header.size, (uint32_t)KEEPER_PAYLOAD_MAX));
}

/* What is no packet at all. */
static void say_anything(struct input *in)
{
	struct keeper_packet p;

	memset(&p, 0, sizeof(p));
	take_bytes(in, &p.header, sizeof(p.header));
	if (p.header.kind < KEEPER_DEVICE_OPEN || p.header.kind & 1u << 31)
		send_packet(&p, take_number(in, 1));
}

/* ---- front-ends */

static void front_end_comes(unsigned i)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (front_ends[i] >= 0) {
		close(front_ends[i]);
		front_ends[i] = -1;
		return;
	}
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s%u", dir, i);
	front_ends[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (connect(front_ends[i], (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		close(front_ends[i]);
		front_ends[i] = -1;
	}
}

static void front_end_sends(struct input *in, unsigned i)
{
	struct vhost_message m;

	make_message(in, &m);
	if (front_ends[i] >= 0)
		send_fds(front_ends[i], &m, sizeof(m.header) + m.header.size, m.fds, m.n_fds,
			 MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void front_ends_go(void)
{
	for (unsigned i = 0; i < N_PORTS; i++)
		if (front_ends[i] >= 0)
			front_end_comes(i);
}

/* ---- */

static void step(struct input *in)
{
	switch (take_choice(in, 12)) {
	case 0:
		front_end_comes(take_choice(in, N_PORTS));
		break;
	case 1:
	case 2:
		front_end_sends(in, take_choice(in, N_PORTS));
		break;
	case 3:
		detach(take_choice(in, 2));
		attach();
		break;
	case 4:
		keeper_relay_freeze(k.relay, take_choice(in, 2));
		break;
	case 5:
		say_anything(in);
		break;
	case 6:
		deaf = take_choice(in, 2);
		break;
	default:
		say(in);
	}
	event_base_loop(k.base, EVLOOP_NONBLOCK);
	if (keeper_link_fd(k.now.link) < 0) { /* nonsense was said */
		detach(true);
		attach();
	}
	while (!deaf && drop_packet(peer))
		; /* what the keeper has said is not of interest */
}

static void clean_up(void)
{
	rmdir(dir);
	kill(child, SIGKILL);
}

static void start_child(void)
{
	child = fork();
	if (child)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		pause();
}

static void prepare(void)
{
	log_set_level("all", "error", NULL);
	start_child();
	fds_prepare();
	dir[strlen(dir) - 1] = 0;
	require(mkdtemp(dir));
	dir[strlen(dir)] = '/';
	memset(front_ends, -1, sizeof(front_ends));
	event_set_log_callback(on_complaint);
	k.base = event_base_new();
	require(k.base);
	k.start_timer = evtimer_new(k.base, nothing, NULL);
	k.stop_timer = evtimer_new(k.base, nothing, NULL);
	k.upgrade_timer = evtimer_new(k.base, nothing, NULL);
	k.watchdog = watchdog_create(k.base, 600, no_question, NULL);
	require(k.start_timer && k.stop_timer && k.upgrade_timer && k.watchdog);
	atexit(clean_up);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	unsigned n_fds;

	if (!k.base)
		prepare();
	n_fds = fds_open();
	begin();
	for (unsigned i = 0; i < STEPS_MAX && in.left; i++)
		step(&in);
	front_ends_go();
	end();
	require(fds_open() == n_fds);
	return 0;
}
