// SPDX-License-Identifier: Apache-2.0
/* Steps through a switch process that handles vhost-user messages, starts, and ends. Wherever it
 * dies, the next process goes on with what the keeper has: each message acts once and is answered
 * once, with the answer that it has when nobody dies; in the end the device is the same one, and
 * each chain of the guest has come back once.
 *
 * The keeper (src/keeper/relay.c) and the front-end are we. A front-end's script is followed line
 * by line; behind each step that others can tell from the one before, a child of ours plays the
 * death: it has all that the keeper has, starts a process that is not stepped, and follows the rest
 * of the script. Then we go on as if nothing had happened.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/compiler.h"
#include "guest.h"
#include "keeper/held.h"
#include "keeper/relay.h"
#include "keeper/table.h"
#include "process.h"
#include "scenes.h"
#include "script.h"
#include "vhost/message.h"

#define STATES_LEN                                                                             \
	8192	      /* of the file of ring states, what is watched: the rings that there are \
		       */
#define CHAINS_MAX 64 /* of a script */
#define FDS_MAX 256   /* of a process */
#define PATIENCE_S 30 /* for a child that plays a death */

static_assert(PROCESS_RINGS * sizeof(struct ring_state) <= STATES_LEN, "all states are watched");

enum what { BEGIN, TURN, CHANGE, CLOSE, LEAVE };

struct answer {
	bool there;
	struct vhost_message m;
};

struct world {
	struct step step;
	struct process process;
	int process_fd; /* the switch's end of the link, until the process is there */
	pid_t live;	/* a process that is not stepped; 0: none */
	bool playing;	/* we are a child that plays a death */
	bool reference; /* nobody dies: answers are noted, not compared */

	/* the keeper */
	struct event_base *base;
	struct keeper_table *table;
	struct keeper_relay *relay;
	struct keeper_link *link;
	struct held *held;
	int config_fd;
	bool mapped; /* the states of rings */

	/* the front-end, and its guest */
	char dir[32], path[48];
	struct script script;
	struct vhost_channel channel;
	unsigned at;			   /* line of the script */
	unsigned n_done, n_said;	   /* messages */
	struct answer answers[SCRIPT_MAX]; /* as they ought to be */
	struct answer answer;		   /* to the message at hand */
	struct snapshot *expected;
	struct driver_region region;
	struct driver_memory memory;
	struct driver_ring driver;
	unsigned n_chains, n_returned;
	char cookies[CHAINS_MAX]; /* one for each chain */
};

/* What was said to, or by, a process that was stepped. */
static bool stepped_requests[64], stepped_kinds[64];

static _Noreturn void failed(const struct world *w, const char *what, int line)
{
	const struct line *l = &w->script.lines[w->at];

	print_error("%s:%d: %s: line %u of the script, %s %s, %s\n", __FILE__, line, what, w->at,
		    script_action_name(l->action),
		    l->action == SAY ? vhost_request_name(l->request) : "",
		    w->playing ? "in the process after a death" : "nobody died");
	if (w->playing) {
		if (w->live)
			kill(w->live, SIGKILL);
		_exit(1);
	}
	fail();
	abort();
}

#define MUST(w, what)                                 \
	do {                                          \
		if (!(what))                          \
			failed((w), #what, __LINE__); \
	} while (0)

/* ---- the keeper, as keeper.c does it */

static void give_all(struct world *w)
{
	struct keeper_packet p;

	for (const struct held *h = w->held; h; h = h->next) {
		keeper_packet_init(&p, KEEPER_HELD, 0, 0);
		memcpy(p.key, h->key, sizeof(p.key));
		p.header.size = sizeof(p.key);
		memcpy(p.fds, h->fds, sizeof(h->fds));
		p.n_fds = h->n_fds;
		keeper_link_send(w->link, &p);
	}
	keeper_packet_init(&p, KEEPER_START, 0, 0);
	p.start = (struct keeper_start){ .version = KEEPER_VERSION };
	p.header.size = sizeof(p.start);
	if (w->config_fd >= 0)
		p.fds[p.n_fds++] = w->config_fd;
	keeper_link_send(w->link, &p);
	keeper_relay_attach(w->relay, w->link);
}

/* The states of rings are the first thing in the memory that is watched. */
static void watch_states(struct world *w, int fd)
{
	if (w->mapped)
		return;
	w->mapped = true;
	MUST(w, mmap(w->step.memory, STATES_LEN, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
		     0) != MAP_FAILED);
}

static void take_config(struct world *w, struct keeper_packet *p)
{
	MUST(w, p->n_fds == 1);
	if (w->config_fd >= 0)
		close(w->config_fd);
	w->config_fd = p->fds[0];
	p->n_fds = 0;
}

static void on_packet(void *owner, struct keeper_packet *p)
{
	struct world *w = owner;

	if (!w->playing && !w->reference)
		stepped_kinds[p->header.kind] = true;
	switch (p->header.kind) {
	case KEEPER_HELLO:
		give_all(w);
		break;
	case KEEPER_READY:
		keeper_relay_ready(w->relay);
		break;
	case KEEPER_CONFIG:
		take_config(w, p);
		break;
	case KEEPER_HOLD:
		MUST(w, held_put(&w->held, p));
		break;
	case KEEPER_RELEASE:
		held_drop(&w->held, p->key);
		break;
	case KEEPER_UPGRADE:
	case KEEPER_LEFT:
		break;
	default:
		if (p->header.kind == KEEPER_DEVICE_OPEN)
			watch_states(w, p->fds[0]);
		w->n_done += p->header.kind == KEEPER_DEVICE_DONE;
		keeper_relay_packet(w->relay, p);
		return;
	}
	keeper_packet_close_fds(p);
}

static void on_writable(void *owner)
{
	keeper_relay_pump(((struct world *)owner)->relay);
}

static void on_closed(void *owner, const char *why)
{
}

static const struct keeper_link_ops link_ops = { .packet = on_packet,
						 .writable = on_writable,
						 .closed = on_closed };

static void begin_link(struct world *w)
{
	int pair[2];

	MUST(w, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	w->link = keeper_link_create(pair[0], w->base, &link_ops, w);
	MUST(w, w->link);
	w->process_fd = pair[1];
}

/* The process is dead. */
static void end_link(struct world *w)
{
	keeper_link_drain(w->link);
	keeper_relay_attach(w->relay, NULL);
	keeper_link_destroy(w->link);
}

static void turn(struct world *w)
{
	for (int i = 0; i < 3; i++)
		event_base_loop(w->base, EVLOOP_NONBLOCK);
}

/* ---- the front-end */

/* Takes the answer, if there is one: before another message is sent only one may come. */
static void collect(struct world *w)
{
	struct vhost_message m;
	struct error err;

	if (w->channel.fd < 0 || vhost_channel_receive(&w->channel, &m, &err) != 1)
		return;
	MUST(w, !w->answer.there && m.n_fds == (m.header.request == VHOST_USER_GET_INFLIGHT_FD));
	vhost_message_close_fds(&m);
	w->answer = (struct answer){ true, m };
}

static void connect_front_end(struct world *w)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", w->path);
	MUST(w, connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	vhost_channel_init(&w->channel, fd);
}

static void send_message(struct world *w)
{
	struct vhost_message m;

	script_message(&w->script, w->at, &w->answers[w->script.last_base].m, &m);
	MUST(w, vhost_channel_send(&w->channel, m.header.request, m.header.flags, m.payload.bytes,
				   m.header.size, m.fds, m.n_fds) == 0);
}

static void say(struct world *w)
{
	w->answer.there = false;
	w->n_said++;
	if (!w->playing && !w->reference)
		stepped_requests[w->script.lines[w->at].request] = true;
	send_message(w);
}

static bool is_same(const struct vhost_message *a, const struct vhost_message *b)
{
	return !memcmp(&a->header, &b->header, sizeof(a->header)) &&
	       !memcmp(a->payload.bytes, b->payload.bytes, a->header.size);
}

/* The message at hand has acted, once, and has its answer, once. */
static void check_done(struct world *w)
{
	struct answer *expected = &w->answers[w->at];

	collect(w);
	MUST(w, w->n_done == w->n_said);
	if (w->reference) {
		*expected = w->answer;
	} else {
		MUST(w, w->answer.there == expected->there);
		if (expected->there)
			MUST(w, is_same(&w->answer.m, &expected->m));
	}
	if (w->script.lines[w->at].request == VHOST_USER_GET_VRING_BASE)
		w->script.last_base = w->at;
}

/* The guest gets back what is there, in order. */
static void get_chains(struct world *w)
{
	uint32_t len;
	char *cookie;

	while ((cookie = driver_ring_get(&w->driver, &len)))
		MUST(w, cookie == &w->cookies[w->n_returned++]);
	MUST(w, !w->driver.broken && w->n_returned <= w->n_chains);
}

static void add_chains(struct world *w, unsigned n)
{
	struct iovec iov = { w->step.memory + w->step.packets, 64 };

	get_chains(w);
	for (; n; n--) {
		MUST(w, w->n_chains < CHAINS_MAX);
		MUST(w, driver_ring_add(&w->driver, &iov, 1, NULL, 0, &w->cookies[w->n_chains++]) ==
				0);
	}
	driver_ring_publish(&w->driver);
}

/* ---- processes that are not stepped */

static void start_live(struct world *w)
{
	memset(w->process.snapshot, 0, sizeof(*w->process.snapshot));
	begin_link(w);
	w->live = fork();
	MUST(w, w->live >= 0);
	if (w->live == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		process_begin(&w->process, w->process_fd);
		for (;;)
			process_turn(&w->process, true);
	}
	close(w->process_fd);
}

static void end_live(struct world *w)
{
	kill(w->live, SIGKILL);
	waitpid(w->live, NULL, 0);
	w->live = 0;
}

static void await_done(struct world *w)
{
	while (w->n_done < w->n_said)
		event_base_loop(w->base, EVLOOP_ONCE);
	check_done(w);
}

/* A front-end comes, as soon as there is a device. */
static void come(struct world *w)
{
	while (keeper_relay_n_orphans(w->relay) || !w->mapped)
		event_base_loop(w->base, EVLOOP_ONCE);
	connect_front_end(w);
}

/* Follows the script from line w->at on, up to its end. */
static void follow(struct world *w)
{
	for (; w->script.lines[w->at].action < HANGS_UP; w->at++) {
		const struct line *l = &w->script.lines[w->at];

		if (l->action == CONNECTS)
			come(w);
		if (l->action == GUEST)
			add_chains(w, l->index);
		if (l->action != SAY)
			continue;
		say(w);
		await_done(w);
	}
}

static void tell_difference(const struct world *w)
{
	const uint32_t *is = (const uint32_t *)w->process.snapshot,
		       *ought = (const uint32_t *)w->expected;

	print_error("%u chains of %u came back\n", w->n_returned, w->n_chains);
	for (size_t i = 0; i < sizeof(*w->expected) / sizeof(*is); i++)
		if (is[i] != ought[i])
			print_error("word %zu of struct snapshot is 0x%x, not 0x%x\n", i, is[i],
				    ought[i]);
}

/* Whether it is the device that it would be if nobody had died, now or soon. */
static void check_device(struct world *w)
{
	for (int ms = 0;; ms++) {
		turn(w);
		get_chains(w);
		if (!memcmp(w->process.snapshot, w->expected, sizeof(*w->expected)) &&
		    w->n_returned == w->n_chains)
			return;
		if (ms == 3000)
			tell_difference(w);
		MUST(w, ms < 3000);
		usleep(1000);
	}
}

/* Whether the next front-end is served; it is refused as long as the one before is not gone. */
static bool is_served(struct world *w)
{
	struct vhost_message m;
	struct error err;
	int rc;

	come(w);
	script_message(&w->script, w->at, NULL, &m);
	if (vhost_channel_send(&w->channel, m.header.request, 0, NULL, 0, NULL, 0) < 0)
		return false;
	while ((rc = vhost_channel_receive(&w->channel, &m, &err)) == 0)
		turn(w);
	MUST(w, rc < 0 || is_same(&m, &w->answers[w->at].m));
	return rc == 1;
}

/* The front-end is gone, or the device is: there is one for the next front-end. */
static void check_next_front_end(struct world *w)
{
	w->at = script_first(&w->script, VHOST_USER_GET_FEATURES);
	vhost_channel_close(&w->channel);
	while (!is_served(w))
		vhost_channel_close(&w->channel);
}

/* Puts @fd in the place of whatever is the same open file as @old. */
static void replace_fd(int old, int fd)
{
	struct stat is, other;

	fstat(old, &is);
	for (int i = 3; i < FDS_MAX; i++)
		if (i != fd && fstat(i, &other) == 0 && other.st_ino == is.st_ino &&
		    other.st_dev == is.st_dev)
			dup2(fd, i);
}

/* The keeper's end of the connection, and how much of it was looked at; -1: there is none. */
static int find_connection(const struct world *w, int *seen)
{
	const struct table_record *r = keeper_table_next(w->table, TABLE_DEVICE, NULL);
	socklen_t len = sizeof(*seen);

	for (unsigned i = 0; r && i < r->n_fds; i++) {
		int fd = keeper_table_fd(w->table, r, i);

		if (getsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, seen, &len) == 0 && *seen >= 0)
			return fd;
	}
	return -1;
}

/* What follows must not be seen by the process that has forked: a connection of our own, on which
 * the message at hand is, and a table of our own. */
static void part(struct world *w)
{
	uintptr_t table = (uintptr_t)keeper_table_life(w->table) / 4096 * 4096;
	int file = keeper_table_own_fd(w->table), seen, waiting, pair[2];
	int old = find_connection(w, &seen);
	struct stat st;

	MUST(w, fstat(file, &st) == 0);
	MUST(w, mmap((void *)table, (size_t)st.st_size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_FIXED, file, 0) != MAP_FAILED);
	if (old < 0)
		return;
	MUST(w, ioctl(old, FIONREAD, &waiting) == 0);
	MUST(w, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
	MUST(w, setsockopt(pair[0], SOL_SOCKET, SO_PEEK_OFF, &seen, sizeof(seen)) == 0);
	replace_fd(old, pair[0]);
	dup2(pair[1], w->channel.fd);
	close(pair[0]);
	close(pair[1]);
	if (waiting)
		send_message(w);
}

/* In a child: the process has died behind this instruction. */
static void play(struct world *w)
{
	enum action action = w->script.lines[w->at].action;

	w->playing = true;
	alarm(PATIENCE_S);
	part(w);
	MUST(w, event_reinit(w->base) == 0);
	end_link(w);
	start_live(w);
	if (action == SAY)
		await_done(w);
	if (action < HANGS_UP) {
		w->at++;
		follow(w);
		check_device(w);
	} else {
		check_next_front_end(w);
	}
	collect(w); /* fails if there is more than one answer */
	end_live(w);
	_exit(0);
}

/* ---- the one that is stepped */

static void perform(void *world)
{
	struct world *w = world;

	switch ((enum what)w->step.op->what) {
	case BEGIN:
		process_begin(&w->process, w->process_fd);
		break;
	case TURN:
		for (int i = 0; i < 2; i++)
			process_turn(&w->process, false);
		break;
	case CHANGE:
		process_change(&w->process);
		break;
	case CLOSE:
		process_close(&w->process);
		break;
	case LEAVE:
		process_leave(&w->process);
		break;
	}
}

/* Calls that nobody else can see: behind them the process dies as behind the instruction before. */
static bool is_private(long number)
{
	static const int numbers[] = {
		SYS_brk,	 SYS_clock_gettime,   SYS_clone3,
		SYS_close,	 SYS_epoll_create1,   SYS_epoll_ctl,
		SYS_epoll_wait,	 SYS_eventfd2,	      SYS_futex,
		SYS_getpid,	 SYS_getrandom,	      SYS_gettid,
		SYS_getuid,	 SYS_geteuid,	      SYS_getgid,
		SYS_getegid,	 SYS_fstat,	      SYS_newfstatat,
		SYS_madvise,	 SYS_memfd_create,    SYS_mmap,
		SYS_mprotect,	 SYS_munmap,	      SYS_open,
		SYS_openat,	 SYS_pipe2,	      SYS_poll,
		SYS_prlimit64,	 SYS_pread64,	      SYS_read,
		SYS_readlink,	 SYS_rt_sigaction,    SYS_rt_sigprocmask,
		SYS_sched_yield, SYS_getsockopt,      SYS_getpeername,
		SYS_getsockname, SYS_timerfd_create,  SYS_membarrier,
		SYS_rseq,	 SYS_set_robust_list,
	};

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		if (numbers[i] == number)
			return true;
	return false;
}

/* The keeper and the front-end do what follows from what they were told. */
static bool called(void *world, long number)
{
	struct world *w = world;

	if (is_private(number))
		return false;
	turn(w);
	collect(w);
	step_note_call(number);
	return true;
}

static bool crash(void *world)
{
	struct world *w = world;
	int status;
	pid_t pid = fork();

	MUST(w, pid >= 0);
	if (pid == 0)
		play(w);
	MUST(w, waitpid(pid, &status, 0) == pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		print_error("the process after a death: status 0x%x\n", status);
	MUST(w, WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return false;
}

static void run(struct world *w, enum what what)
{
	*w->step.op = (struct step_op){ .what = what };
	step_run(&w->step);
	turn(w);
	collect(w);
}

static void begin_stepped(struct world *w)
{
	begin_link(w);
	step_spawn(&w->step);
	close(w->process_fd);
	run(w, BEGIN);
}

/* As happens when it crashes; and the next one is stepped while it takes over. */
static void restart(struct world *w)
{
	step_kill(&w->step);
	end_link(w);
	begin_stepped(w);
	run(w, TURN);
}

static void step_line(struct world *w)
{
	const struct line *l = &w->script.lines[w->at];

	switch (l->action) {
	case STARTS:
		begin_stepped(w);
		break;
	case CONNECTS:
		connect_front_end(w);
		turn(w);
		run(w, TURN);
		break;
	case SAY:
		say(w);
		turn(w);
		run(w, TURN);
		check_done(w);
		break;
	case GUEST:
		add_chains(w, l->index);
		run(w, TURN);
		break;
	case RESTART:
		restart(w);
		break;
	case CHANGES:
		run(w, CHANGE);
		break;
	case LEAVES:
		run(w, LEAVE);
		break;
	case HANGS_UP: /* what makes no sense, and wants no answer */
		say(w);
		turn(w);
		run(w, TURN);
		break;
	case GOES:
		shutdown(w->channel.fd, SHUT_RDWR);
		turn(w);
		run(w, TURN);
		break;
	case CLOSES:
		w->mapped = false; /* another device has other states */
		run(w, CLOSE);
		break;
	case THE_END:
		break;
	}
	get_chains(w);
}

/* ---- worlds */

static void init_memory(struct world *w, uint64_t features)
{
	struct driver_config config = { .features = features, .size = 8, .start = 5 };
	struct error err;

	w->script.memory_fd = memfd_create("guest", MFD_CLOEXEC);
	MUST(w, ftruncate(w->script.memory_fd, SCRIPT_MEMORY) == 0);
	MUST(w, mmap(w->step.memory + STATES_LEN, SCRIPT_MEMORY, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_FIXED, w->script.memory_fd, 0) != MAP_FAILED);
	w->region = (struct driver_region){
		w->step.memory + STATES_LEN, SCRIPT_MEMORY, SCRIPT_GUEST, SCRIPT_USER, -1, 0
	};
	w->memory = (struct driver_memory){ 1, &w->region };
	config.memory = &w->memory;
	config.ring = w->region.host;
	MUST(w, driver_ring_init(&w->driver, &config, &err) == 0);
	w->script.desc = driver_memory_user_addr(&w->memory, w->driver.desc);
	w->script.driver = driver_memory_user_addr(&w->memory, w->driver.driver);
	w->script.device = driver_memory_user_addr(&w->memory, w->driver.device);
	w->script.base = driver_ring_base(&w->driver);
}

static void *map_shared(size_t len)
{
	return mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static struct world *world_create(uint64_t features, enum action ending, bool reference)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->reference = reference;
	w->step = (struct step){ .world = w, .perform = perform, .crash = crash, .called = called };
	step_init(&w->step, STATES_LEN + SCRIPT_MEMORY, STATES_LEN + SCRIPT_RING);
	script_init(&w->script, features, ending);
	init_memory(w, features);
	strcpy(w->dir, "/tmp/vireo-crash-XXXXXX");
	MUST(w, mkdtemp(w->dir));
	snprintf(w->path, sizeof(w->path), "%s/s", w->dir);
	w->process.path = w->path;
	w->process.snapshot = map_shared(sizeof(struct snapshot));
	w->config_fd = w->channel.fd = -1;
	w->base = event_base_new();
	w->table = keeper_table_create();
	MUST(w, w->base && w->table);
	w->relay = keeper_relay_create(w->base, w->table);
	MUST(w, w->relay);
	return w;
}

static void world_destroy(struct world *w)
{
	step_destroy(&w->step);
	if (w->channel.fd >= 0)
		vhost_channel_close(&w->channel);
	keeper_link_destroy(w->link);
	keeper_relay_destroy(w->relay);
	keeper_table_destroy(w->table);
	held_clear(&w->held);
	event_base_free(w->base);
	if (w->config_fd >= 0)
		close(w->config_fd);
	script_destroy(&w->script);
	driver_ring_destroy(&w->driver);
	munmap(w->process.snapshot, sizeof(struct snapshot));
	unlink(w->path); /* of devices that were opened after a death */
	rmdir(w->dir);
	free(w);
}

/* Nobody dies: what the answers are, and the device. */
static struct world *make_reference(uint64_t features, enum action ending)
{
	struct world *w = world_create(features, ending, true);

	start_live(w);
	follow(w);
	get_chains(w);
	MUST(w, w->n_returned == w->n_chains && w->n_chains);
	end_live(w);
	return w;
}

void scene_message(uint64_t features, bool hangs_up)
{
	enum action ending = hangs_up ? HANGS_UP : GOES;
	struct world *reference = make_reference(features, ending);
	struct world *w = world_create(features, ending, false);

	memcpy(w->answers, reference->answers, sizeof(w->answers));
	w->expected = reference->process.snapshot;
	for (; w->script.lines[w->at].action != THE_END; w->at++)
		step_line(w);
	world_destroy(w);
	world_destroy(reference);
}

void scene_message_report(void)
{
	for (uint32_t request = 0; request < ARRAY_SIZE(stepped_requests); request++)
		if (vhost_message_rule(request) && !stepped_requests[request])
			fail_msg("%s is in no script", vhost_request_name(request));
	for (unsigned kind = KEEPER_HELLO; kind <= KEEPER_DEVICE_DONE; kind++)
		if (!stepped_kinds[kind])
			fail_msg("no process was stepped that tells the keeper packet %u", kind);
}
