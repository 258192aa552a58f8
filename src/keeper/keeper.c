// SPDX-License-Identifier: Apache-2.0
/* The keeper's life, and that of the processes it starts. */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hurry.h"
#include "base/log.h"
#include "keeper/held.h"
#include "keeper/keeper.h"
#include "keeper/link.h"
#include "keeper/manager.h"
#include "keeper/relay.h"
#include "keeper/watchdog.h"

#define WELL_NS (250 * NSEC_PER_MSEC) /* a process that served so long was well */
#define BACKOFF_MIN_MS 100 /* before the third start in a row, doubled for each behind it */
#define BACKOFF_MAX_MS 5000
#define STOP_MS 10000	/* for the switch to end when it is told to */
#define CLOSED_MS 1000	/* for a process to end that has closed its link */
#define UPGRADE_MS 5000 /* for each step of an upgrade */

LOG_MODULE("keeper");

/* A switch process. */
struct process {
	struct keeper *keeper;
	struct keeper_link *link; /* NULL: no process */
	pid_t pid;		  /* 0: none */
	int exe_fd;		  /* the program, whatever is in its place now; -1: none */
	uint64_t started_ns;
};

struct keeper {
	struct event_base *base;
	char **argv;
	struct keeper_relay *relay;
	struct process now;	   /* serves; its program is what is started again */
	struct process next;	   /* is to take its place; it has no more than said hello */
	int fallback_fd;	   /* the program before that of now, until this serves; -1: none */
	pid_t leaver;		   /* has left, and ends; 0: none */
	bool leaving;		   /* the process now was told to leave */
	struct watchdog *watchdog; /* of the process now; NULL: it may hang */
	struct held *held;
	int config_fd; /* -1: none */
	bool ready, ever_ready, stopping;
	bool reload;	    /* as soon as it is ready: before, SIGHUP would be its end */
	uint64_t died_ns;   /* when the last process was found dead, or told to leave; 0: never */
	struct hurry hurry; /* of this thread, between processes */
	uint32_t n_crashes;
	unsigned n_quick; /* crashes in a row that came soon */
	struct event *signals[4];
	struct event *start_timer, *stop_timer, *upgrade_timer;
	int status; /* of the last process, for exit() */
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* ---- packets to a process */

/* @rc: 0 or -errno. */
static void send_text(struct process *p, enum keeper_kind kind, int rc, const char *text)
{
	struct keeper_packet packet;

	keeper_packet_init(&packet, kind, 0, (uint32_t)-rc);
	packet.header.size = (uint32_t)snprintf(packet.text, sizeof(packet.text), "%s", text) + 1;
	keeper_link_send(p->link, &packet);
}

static void send_held(struct keeper *k)
{
	struct keeper_packet p;

	for (const struct held *h = k->held; h; h = h->next) {
		keeper_packet_init(&p, KEEPER_HELD, 0, 0);
		memcpy(p.key, h->key, sizeof(p.key));
		p.header.size = sizeof(p.key);
		memcpy(p.fds, h->fds, sizeof(h->fds));
		p.n_fds = h->n_fds;
		keeper_link_send(k->now.link, &p);
	}
}

/* Gives the process all that there is from those before it. */
static void give_all(struct keeper *k)
{
	struct keeper_packet p;

	send_held(k);
	keeper_packet_init(&p, KEEPER_START, 0, 0);
	p.start = (struct keeper_start){ .version = KEEPER_VERSION,
					 .n_crashes = k->n_crashes,
					 .died_ns = k->died_ns };
	p.header.size = sizeof(p.start);
	if (k->config_fd >= 0)
		p.fds[p.n_fds++] = k->config_fd;
	keeper_link_send(k->now.link, &p);
	keeper_relay_attach(k->relay, k->now.link);
}

/* ---- processes */

static const struct keeper_link_ops link_ops;

/* In the new process. */
static void execute(const struct process *p, int fd)
{
	char number[16], path[64], *argv[64], option[] = "--keeper-fd";
	unsigned n = 0;

	snprintf(number, sizeof(number), "%d", fd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", p->exe_fd);
	fcntl(fd, F_SETFD, 0);
	unsetenv("NOTIFY_SOCKET");
	argv[n++] = p->keeper->argv[0];
	argv[n++] = option;
	argv[n++] = number;
	for (unsigned i = 1; p->keeper->argv[i] && n < ARRAY_SIZE(argv) - 1; i++)
		argv[n++] = p->keeper->argv[i];
	argv[n] = NULL;
	execv(path, argv);
	fprintf(stderr, "vireod: cannot execute %s: %s\n", path, strerror(errno));
	_exit(127);
}

static int start_process(struct process *p)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	p->link = keeper_link_create(pair[0], p->keeper->base, &link_ops, p);
	if (!p->link) {
		close(pair[1]);
		return -ENOMEM;
	}
	p->pid = fork();
	if (p->pid == 0)
		execute(p, pair[1]);
	close(pair[1]);
	if (p->pid < 0) {
		int rc = -errno;

		p->pid = 0;
		keeper_link_destroy(p->link);
		p->link = NULL;
		return rc;
	}
	p->started_ns = clock_ns();
	return 0;
}

/* Nothing is known of the process any more. */
static void forget_process(struct process *p)
{
	if (p == &p->keeper->now)
		watchdog_end(p->keeper->watchdog);
	keeper_link_destroy(p->link);
	p->link = NULL;
	p->pid = 0;
}

static void start_later(struct keeper *k)
{
	struct timeval tv;
	unsigned ms = 0;

	if (k->n_quick > 1)
		ms = BACKOFF_MIN_MS << (k->n_quick < 10 ? k->n_quick - 2 : 8);
	ms = min(ms, (unsigned)BACKOFF_MAX_MS);
	if (ms)
		log_warning("the switch died %u times in a row: the next start is in %u ms",
			    k->n_quick, ms);
	tv = (struct timeval){ .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
	event_add(k->start_timer, &tv);
}

static void on_start(evutil_socket_t fd, short what, void *arg)
{
	struct keeper *k = arg;
	int rc = start_process(&k->now);

	k->ready = false;
	if (!rc)
		return;
	log_error("cannot start the switch process: %s", strerror(-rc));
	k->n_quick++;
	start_later(k);
}

/* How a process ended, in words. */
static const char *ending(int status, char *text, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(text, size, "killed by signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	else
		snprintf(text, size, "exit status %d", WEXITSTATUS(status));
	return text;
}

/* ---- upgrades */

/* @rc: 0, or why not as -errno. */
static void end_upgrade(struct keeper *k, int rc, const char *why)
{
	event_del(k->upgrade_timer);
	if (k->next.pid) {
		kill(k->next.pid, SIGKILL);
		waitpid(k->next.pid, NULL, 0);
	}
	forget_process(&k->next);
	close_fd(&k->next.exe_fd);
	if (!rc)
		return;
	log_error("no upgrade: %s", why);
	if (k->leaving)
		return; /* it cannot go on: one like it is started when it has left */
	keeper_relay_freeze(k->relay, false);
	if (k->now.link)
		send_text(&k->now, KEEPER_REFUSED, rc, why);
}

/* Opens a program, and makes sure that it is root's. */
static int open_program(const char *path, struct error *err)
{
	/* a pipe's other end is not waited for */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	int rc;

	if (fd < 0)
		return error_set(err, -errno, "%s: %s", path, strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		rc = error_set(err, -EINVAL, "%s is no program", path);
	else if (!(st.st_mode & S_IXUSR))
		rc = error_set(err, -EACCES, "%s is no program: it cannot be executed", path);
	else if (st.st_uid != 0 || st.st_mode & (S_IWGRP | S_IWOTH))
		rc = error_set(err, -EPERM, "%s must belong to root, and nobody else may write it",
			       path);
	else
		return fd;
	close(fd);
	return rc;
}

static void start_upgrade(struct keeper *k, const char *path)
{
	static const struct timeval patience = { .tv_sec = UPGRADE_MS / 1000 };
	struct error err = { "" };
	int rc;

	if (k->next.pid || k->leaving) {
		send_text(&k->now, KEEPER_REFUSED, -EBUSY, "another upgrade is on its way");
		return;
	}
	log_info("upgrade to %s", path);
	k->next.exe_fd = open_program(path, &err);
	if (k->next.exe_fd < 0) {
		end_upgrade(k, k->next.exe_fd, err.text);
		return;
	}
	rc = start_process(&k->next);
	if (rc) {
		end_upgrade(k, rc, strerror(-rc));
		return;
	}
	event_add(k->upgrade_timer, &patience);
}

/* The next process can run: the one that serves is told to leave. */
static void next_is_here(struct keeper *k)
{
	static const struct timeval patience = { .tv_sec = UPGRADE_MS / 1000 };

	keeper_relay_freeze(k->relay, true);
	watchdog_end(k->watchdog); /* there is patience, but no more than this */
	hurry_begin(&k->hurry, pthread_self());
	k->leaving = true;
	k->died_ns = clock_ns();
	send_text(&k->now, KEEPER_LEAVE, 0, "");
	event_add(k->upgrade_timer, &patience);
}

/* The process that served has stopped: the next one goes on, or one like it. */
static void has_left(struct keeper *k)
{
	event_del(k->stop_timer);
	keeper_relay_attach(k->relay, NULL);
	k->leaving = k->ready = false;
	k->leaver = k->now.pid;
	forget_process(&k->now);
	if (!k->next.pid) {
		on_start(-1, 0, k);
		return;
	}
	close_fd(&k->fallback_fd);
	k->fallback_fd = k->now.exe_fd;
	k->now = k->next;
	keeper_link_set_owner(k->now.link, &k->now);
	k->next.link = NULL;
	k->next.pid = 0;
	k->next.exe_fd = -1;
	give_all(k);
}

static void on_upgrade_late(evutil_socket_t fd, short what, void *arg)
{
	struct keeper *k = arg;

	if (k->next.pid && !k->leaving) {
		end_upgrade(k, -ETIMEDOUT, "the new program does not start in time");
	} else if (k->leaving || !k->ready) {
		log_error("upgrade: process %d takes too long: killing it", k->now.pid);
		if (k->now.pid)
			kill(k->now.pid, SIGKILL);
	}
}

/* ---- packets of a process */

static void pass_reload(struct keeper *k)
{
	if (!k->reload || !k->now.pid || !k->ready)
		return;
	k->reload = false;
	watchdog_stir(k->watchdog);
	kill(k->now.pid, SIGHUP);
}

static void become_ready(struct keeper *k)
{
	event_del(k->upgrade_timer);
	close_fd(&k->fallback_fd);
	keeper_relay_ready(k->relay);
	hurry_end(&k->hurry, pthread_self());
	if (k->died_ns)
		log_info("the switch runs again, process %d, after %.1f ms", k->now.pid,
			 (double)(clock_ns() - k->died_ns) / NSEC_PER_MSEC);
	k->ready = k->ever_ready = true;
	pass_reload(k);
	manager_notify("READY=1");
}

static void take_config(struct keeper *k, struct keeper_packet *p)
{
	if (!p->n_fds)
		return;
	close_fd(&k->config_fd);
	k->config_fd = p->fds[0];
	p->fds[0] = -1;
}

static void on_ask(void *owner)
{
	struct keeper *k = owner;
	struct keeper_packet p;

	keeper_packet_init(&p, KEEPER_ASK, 0, 0);
	keeper_link_send(k->now.link, &p);
}

static void take_bell(struct keeper *k, struct keeper_packet *p)
{
	int fd = p->n_fds ? p->fds[0] : -1;

	if (k->stopping || k->leaving || !k->now.pid)
		return;
	if (p->n_fds)
		p->fds[0] = -1;
	watchdog_begin(k->watchdog, k->now.pid, fd);
}

static void on_packet(void *owner, struct keeper_packet *p)
{
	struct process *process = owner;
	struct keeper *k = process->keeper;

	if (process == &k->next) {
		if (p->header.kind == KEEPER_HELLO && !k->leaving)
			next_is_here(k);
		keeper_packet_close_fds(p);
		return;
	}
	p->text[sizeof(p->text) - 1] = 0;
	watchdog_sign(k->watchdog);
	switch (p->header.kind) {
	case KEEPER_HELLO:
		give_all(k);
		break;
	case KEEPER_READY:
		become_ready(k);
		break;
	case KEEPER_CONFIG:
		take_config(k, p);
		break;
	case KEEPER_HOLD:
		if (!held_put(&k->held, p))
			log_error("out of memory: %s will not outlive the switch process", p->key);
		break;
	case KEEPER_RELEASE:
		p->key[sizeof(p->key) - 1] = 0;
		held_drop(&k->held, p->key);
		break;
	case KEEPER_UPGRADE:
		start_upgrade(k, p->text);
		break;
	case KEEPER_LEFT:
		if (k->leaving)
			event_active(k->start_timer, EV_TIMEOUT, 0);
		break;
	case KEEPER_BELL:
		take_bell(k, p);
		break;
	case KEEPER_ALIVE:
		watchdog_alive(k->watchdog, p->alive.stuck, p->alive.quiet);
		break;
	default:
		keeper_relay_packet(k->relay, p);
		return;
	}
	keeper_packet_close_fds(p);
}

static void on_writable(void *owner)
{
	struct process *process = owner;

	keeper_relay_pump(process->keeper->relay);
}

static void on_closed(void *owner, const char *why)
{
	static const struct timeval patience = { .tv_sec = CLOSED_MS / 1000 };
	struct process *process = owner;
	struct keeper *k = process->keeper;

	log_debug("process %d closed its link: %s", process->pid, why);
	if (process != &k->now)
		return;
	/* its end follows; if it lives on without us, it is of no use */
	keeper_relay_attach(k->relay, NULL);
	if (!k->stopping)
		event_add(k->stop_timer, &patience);
}

/* It has something to do. */
static void on_sends(void *owner)
{
	struct process *process = owner;

	if (process == &process->keeper->now)
		watchdog_stir(process->keeper->watchdog);
}

static const struct keeper_link_ops link_ops = {
	.packet = on_packet, .writable = on_writable, .closed = on_closed, .sends = on_sends
};

/* ---- the ends of processes */

/* The process that served has ended. Whether one is to be started again. */
static bool ended(struct keeper *k, int status)
{
	char text[64];

	keeper_relay_attach(k->relay, NULL);
	forget_process(&k->now);
	end_upgrade(k, k->next.pid ? -ECANCELED : 0, "the switch process died meanwhile");
	k->leaving = false;
	k->status = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
	if (k->stopping || (WIFEXITED(status) && !WEXITSTATUS(status)))
		return false;
	ending(status, text, sizeof(text));
	if (!k->ever_ready) { /* what is wrong it has said itself, unless it could not */
		if (WIFSIGNALED(status))
			log_error("the switch process: %s", text);
		return false;
	}
	if (!k->ready && k->fallback_fd >= 0) {
		log_error("the new program does not serve (%s): back to the one before", text);
		close_fd(&k->now.exe_fd);
		k->now.exe_fd = k->fallback_fd;
		k->fallback_fd = -1;
		return true;
	}
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) /* that somebody else has sent */
		keeper_relay_crashed(k->relay);
	hurry_begin(&k->hurry, pthread_self());
	k->died_ns = clock_ns();
	k->n_crashes++;
	k->n_quick = k->ready && k->died_ns - k->now.started_ns > WELL_NS ? 1 : k->n_quick + 1;
	log_error("the switch process died: %s", text);
	return true;
}

static void on_child(evutil_socket_t sig, short what, void *arg)
{
	struct keeper *k = arg;
	char text[64];
	int status;

	if (k->leaver && waitpid(k->leaver, &status, WNOHANG) == k->leaver)
		k->leaver = 0;
	if (k->next.pid && waitpid(k->next.pid, &status, WNOHANG) == k->next.pid) {
		k->next.pid = 0;
		end_upgrade(k, -ENOEXEC, ending(status, text, sizeof(text)));
	}
	if (!k->now.pid || waitpid(k->now.pid, &status, WNOHANG | WUNTRACED) != k->now.pid)
		return;
	if (WIFSTOPPED(status)) {
		watchdog_stir(k->watchdog);
		return;
	}
	keeper_link_drain(k->now.link); /* what it said is done, is done */
	event_del(k->stop_timer);
	if (ended(k, status))
		start_later(k);
	else
		event_base_loopbreak(k->base);
}

/* A process is to be started, now; or the one that serves has left. */
static void on_start_timer(evutil_socket_t fd, short what, void *arg)
{
	struct keeper *k = arg;

	if (k->leaving && k->now.pid)
		has_left(k);
	else if (!k->now.pid)
		on_start(-1, 0, k);
}

/* ---- signals */

static void on_stop(evutil_socket_t sig, short what, void *arg)
{
	static const struct timeval patience = { .tv_sec = STOP_MS / 1000 };
	struct keeper *k = arg;

	manager_notify("STOPPING=1");
	watchdog_end(k->watchdog);
	k->stopping = true;
	if (!k->now.pid) {
		event_base_loopbreak(k->base);
		return;
	}
	kill(k->now.pid, SIGTERM);
	event_add(k->stop_timer, &patience);
}

static void on_impatient(evutil_socket_t fd, short what, void *arg)
{
	struct keeper *k = arg;

	log_error("the switch process does not end: killing it");
	if (k->now.pid)
		kill(k->now.pid, SIGKILL);
}

static void on_reload(evutil_socket_t sig, short what, void *arg)
{
	struct keeper *k = arg;

	k->reload = true;
	pass_reload(k);
}

/* ---- construction */

static int add_events(struct keeper *k)
{
	static const struct {
		int signal;
		event_callback_fn on;
	} signals[] = { { SIGTERM, on_stop },
			{ SIGINT, on_stop },
			{ SIGHUP, on_reload },
			{ SIGCHLD, on_child } };

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		k->signals[i] = evsignal_new(k->base, signals[i].signal, signals[i].on, k);
		if (!k->signals[i] || event_add(k->signals[i], NULL))
			return -ENOMEM;
	}
	k->start_timer = evtimer_new(k->base, on_start_timer, k);
	k->stop_timer = evtimer_new(k->base, on_impatient, k);
	k->upgrade_timer = evtimer_new(k->base, on_upgrade_late, k);
	return k->start_timer && k->stop_timer && k->upgrade_timer ? 0 : -ENOMEM;
}

static int start(struct keeper *k, unsigned watchdog, struct error *err)
{
	struct rlimit limit;
	int rc;

	/* guests bring many fds: a connection, and three for each queue */
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	signal(SIGPIPE, SIG_IGN);
	k->now.exe_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (k->now.exe_fd < 0)
		return error_set(err, -errno, "cannot open this program: %s", strerror(errno));
	k->base = event_base_new();
	if (!k->base || add_events(k) < 0)
		return error_set(err, -ENOMEM, "out of memory");
	k->relay = keeper_relay_create(k->base);
	if (watchdog)
		k->watchdog = watchdog_create(k->base, watchdog, on_ask, k);
	if (!k->relay || (watchdog && !k->watchdog))
		return error_set(err, -ENOMEM, "out of memory");
	rc = start_process(&k->now);
	return rc ? error_set(err, rc, "cannot start the switch process: %s", strerror(-rc)) : 0;
}

static void free_event(struct event *e)
{
	if (e)
		event_free(e);
}

static void stop(struct keeper *k)
{
	if (k->base)
		end_upgrade(k, 0, NULL);
	keeper_relay_destroy(k->relay);
	forget_process(&k->now);
	held_clear(&k->held);
	for (size_t i = 0; i < ARRAY_SIZE(k->signals); i++)
		free_event(k->signals[i]);
	free_event(k->start_timer);
	free_event(k->stop_timer);
	free_event(k->upgrade_timer);
	watchdog_destroy(k->watchdog);
	if (k->base)
		event_base_free(k->base);
	close_fd(&k->config_fd);
	close_fd(&k->fallback_fd);
	close_fd(&k->now.exe_fd);
}

int keeper_run(char **argv, unsigned watchdog, struct error *err)
{
	struct keeper k = { .argv = argv, .config_fd = -1, .fallback_fd = -1 };
	int rc;

	k.now = k.next = (struct process){ .keeper = &k, .exe_fd = -1 };
	rc = start(&k, watchdog, err);
	if (!rc) {
		event_base_dispatch(k.base);
		rc = k.status;
	}
	stop(&k);
	return rc;
}
