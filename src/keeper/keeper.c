// SPDX-License-Identifier: Apache-2.0
/* The keeper's life, and that of the processes it starts. */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/broker.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/files.h"
#include "base/filter.h"
#include "base/hurry.h"
#include "base/log.h"
#include "keeper/belongings.h"
#include "keeper/death.h"
#include "keeper/keeper.h"
#include "keeper/manager.h"
#include "keeper/private.h"
#include "keeper/process.h"
#include "keeper/relay.h"
#include "keeper/watchdog.h"
#include "openflow/sockets.h"

#define WELL_NS (250 * NSEC_PER_MSEC) /* a process that served so long was well */
#define BACKOFF_MIN_MS 100 /* before the third start in a row, doubled for each behind it */
#define BACKOFF_MAX_MS 5000
#define HEARD_NS NSEC_PER_SEC /* after so long a process has heard of a reload */
#define STOP_MS 10000	      /* for the switch to end when it is told to */
#define CLOSED_MS 1000	      /* for a process to end that has closed its link */
#define HURRY_S 2	      /* that a process may go first without a word */
#define BODIES_MS 1000	      /* for bodies to end that may be in the way */

LOG_MODULE("keeper");

static PRINTF_LIKE(1, 2) void tell_manager(const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	manager_notify(text);
}

/* ---- packets to a process */

void keeper_send_text(struct process *p, enum keeper_kind kind, int rc, const char *text)
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

void keeper_give_all(struct keeper *k)
{
	struct keeper_packet p;

	send_held(k);
	keeper_packet_init(&p, KEEPER_START, 0, 0);
	/* an older program gets what it understands */
	p.start = (struct keeper_start){ .version = min(k->now.version, (uint32_t)KEEPER_VERSION),
					 .n_crashes = k->n_crashes,
					 .died_ns = k->died_ns };
	p.header.size = sizeof(p.start);
	if (k->config_fd >= 0)
		p.fds[p.n_fds++] = k->config_fd;
	keeper_link_send(k->now.link, &p);
	keeper_relay_attach(k->relay, k->now.link);
}

/* ---- processes */

/* One that is to serve. */
static int start_process(struct process *p)
{
	return process_start(p, p->keeper->argv, -1, p->keeper->base, &keeper_switch_ops);
}

void keeper_forget_now(struct keeper *k)
{
	watchdog_end(k->watchdog);
	death_forget(k->death);
	k->death = NULL;
	process_forget(&k->now);
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

void keeper_hurry(struct keeper *k, const struct process *p, bool all)
{
	static const struct timeval tv = { .tv_sec = HURRY_S };

	process_hurry(p, all);
	event_add(k->calm_timer, &tv);
}

static void on_calm_timer(evutil_socket_t fd, short what, void *arg)
{
	struct keeper *k = arg;

	if (k->now.pid)
		process_calm(&k->now);
	if (k->next.pid)
		process_calm(&k->next);
}

void keeper_start_switch(struct keeper *k)
{
	int rc = start_process(&k->now);

	k->ready = false;
	if (!rc && k->died_ns)
		keeper_hurry(k, &k->now, false);
	if (!rc)
		return;
	log_error("cannot start the switch process: %s", strerror(-rc));
	k->n_quick++;
	start_later(k);
}

/* ---- packets of a process */

static void pass_reload(struct keeper *k)
{
	if (!k->reload || !k->now.pid || !k->ready || k->leaving)
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
	if (k->died_ns)
		log_info("the switch runs again, process %d, after %.1f ms", k->now.pid,
			 (double)(clock_ns() - k->died_ns) / NSEC_PER_MSEC);
	k->ready = k->ever_ready = true;
	keeper_table_ready(k->table);
	pass_reload(k);
	tell_manager("READY=1\nSTATUS=Switch process %d serves", k->now.pid);
}

static void take_config(struct keeper *k, struct keeper_packet *p)
{
	if (!p->n_fds)
		return;
	belongings_set(k->table, TABLE_CONFIG, p->fds[0]);
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

/* Keeps files for the next process, as long as there is room for those that the keeper, and that
 * process, need themselves: who asks may not be itself any more. */
static void hold(struct keeper *k, struct keeper_packet *p)
{
	bool all = p->n_fds > 0; /* none: they could not be opened here */

	for (unsigned i = 0; i < p->n_fds; i++) {
		p->fds[i] = files_admit(p->fds[i]);
		all = all && p->fds[i] >= 0;
	}
	p->key[sizeof(p->key) - 1] = 0;
	if (!all) {
		log_limited(LOG_ERROR, "too many files: %s will not outlive the switch process",
			    p->key);
		return;
	}
	belongings_hold(k->table, p);
	if (!held_put(&k->held, p))
		log_error("out of memory: %s will not outlive the switch process", p->key);
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

static void on_death(void *owner, int status); /* below, with the other ends */

static void take_lifeline(struct keeper *k, struct keeper_packet *p)
{
	int fd = p->n_fds ? p->fds[0] : -1;

	if (fd < 0 || !k->now.pid)
		return;
	p->fds[0] = -1;
	death_forget(k->death);
	k->death = death_watch(k->base, k->now.pid, fd, on_death, k);
}

static void serve_request(struct keeper *k, const struct keeper_packet *p)
{
	/* a body may still hold a tap of that name */
	if (p->request.what == BROKER_TAP)
		bodies_wait(BODIES_MS);
	keeper_request_serve(&k->rights, k->now.link, p);
}

/* It dies of it. */
static void tell_forbidden(const struct keeper *k, const struct keeper_forbidden *f)
{
	char name[64];

	log_limited(LOG_ERROR,
		    "a %s of the switch process %d (thread %d) has tried a forbidden system call: "
		    "%s",
		    filter_thread_name(f->kind), k->now.pid, f->tid,
		    filter_call_name(f->call, name, sizeof(name)));
}

static void packet_of_next(struct keeper *k, const struct keeper_packet *p)
{
	uint32_t kind = p->header.kind;

	if (kind == KEEPER_HELLO && !k->leaving && !k->exchange) {
		k->next.version = p->hello.version;
		keeper_next_is_here(k);
	}
	if (kind == KEEPER_ABLE && k->exchange == EXCHANGE_TRIES) {
		k->exchange = EXCHANGE_ABLE; /* its link goes, and that not from here */
		event_active(k->start_timer, EV_TIMEOUT, 0);
	}
}

/* Guests wait until the process knows all: so long we go first. */
static void end_hurry(struct keeper *k)
{
	if (k->ready && !k->leaving && keeper_relay_all_told(k->relay))
		hurry_end(&k->hurry, pthread_self());
}

static void packet_of_now(struct keeper *k, struct keeper_packet *p)
{
	p->text[sizeof(p->text) - 1] = 0;
	watchdog_sign(k->watchdog);
	switch (p->header.kind) {
	case KEEPER_HELLO:
		if (k->now.version)
			break; /* once is enough */
		k->now.version = max(p->hello.version, 1u);
		belongings_set_process(k->table, k->now.pid); /* it may touch rings from here */
		keeper_give_all(k);
		break;
	case KEEPER_READY:
		if (!k->ready)
			become_ready(k);
		break;
	case KEEPER_CONFIG:
		take_config(k, p);
		break;
	case KEEPER_HOLD:
		hold(k, p);
		break;
	case KEEPER_RELEASE:
		p->key[sizeof(p->key) - 1] = 0;
		belongings_release(k->table, p->key);
		held_drop(&k->held, p->key);
		break;
	case KEEPER_UPGRADE:
	case KEEPER_REPLACE:
		keeper_start_upgrade(k, p->text, p->header.kind == KEEPER_REPLACE,
				     p->n_fds ? p->fds[0] : -1);
		break;
	case KEEPER_LEFT:
		if (k->leaving)
			event_active(k->start_timer, EV_TIMEOUT, 0);
		break;
	case KEEPER_BELL:
		take_bell(k, p);
		break;
	case KEEPER_REQUEST:
		serve_request(k, p);
		break;
	case KEEPER_LIFELINE:
		take_lifeline(k, p);
		break;
	case KEEPER_FORBIDDEN:
		tell_forbidden(k, &p->forbidden);
		break;
	case KEEPER_CALM:
		process_calm(&k->now);
		break;
	case KEEPER_BUSY: /* which the watchdog has been told of, as of any packet */
		keeper_now_is_busy(k);
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

static void on_packet(void *owner, struct keeper_packet *p)
{
	struct process *process = owner;
	struct keeper *k = process->keeper;

	if (process == &k->next) {
		packet_of_next(k, p);
		keeper_packet_close_fds(p);
		return;
	}
	packet_of_now(k, p);
	end_hurry(k);
}

static void on_writable(void *owner)
{
	struct process *process = owner;

	keeper_relay_pump(process->keeper->relay);
	end_hurry(process->keeper);
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

const struct keeper_link_ops keeper_switch_ops = {
	.packet = on_packet, .writable = on_writable, .closed = on_closed, .sends = on_sends
};

/* ---- the ends of processes */

/* The process that served is dead. Whether one is to be started again. */
static bool ended(struct keeper *k, int status)
{
	char text[64];

	keeper_relay_attach(k->relay, NULL);
	keeper_forget_now(k);
	keeper_end_upgrade(k, k->next.pid ? -ECANCELED : 0, "the switch process died meanwhile");
	k->leaving = false;
	event_del(k->upgrade_timer);
	k->status = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
	if (k->stopping || (WIFEXITED(status) && !WEXITSTATUS(status)))
		return false;
	process_ending(status, text, sizeof(text));
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
		belongings_set(k->table, TABLE_PROGRAM, k->now.exe_fd);
		return true;
	}
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) /* that somebody else has sent */
		keeper_relay_crashed(k->relay);
	k->died_ns = clock_ns();
	if (k->died_ns - k->reload_ns < HEARD_NS)
		k->reload = true; /* it may have been passed to one that was dying already */
	k->n_crashes++;
	k->n_quick = k->ready && k->died_ns - k->now.started_ns > WELL_NS ? 1 : k->n_quick + 1;
	log_error("the switch process died: %s", text);
	tell_manager("STATUS=The switch process died (%s) and is started again", text);
	return true;
}

static void has_died(struct keeper *k, int status)
{
	hurry_begin(&k->hurry, pthread_self());
	keeper_link_drain(k->now.link); /* what it said is done, is done */
	event_del(k->stop_timer);
	if (ended(k, status))
		start_later(k);
	else
		event_base_loopbreak(k->base);
}

/* The process that serves is dead, and the kernel still takes it down. Where nobody waits for the
 * next one, or there are bodies enough, its end is waited for, too. */
static void on_death(void *owner, int status)
{
	struct keeper *k = owner;
	int pidfd = pidfd_open(k->now.pid, 0);

	if (k->ever_ready && !k->stopping && bodies_add(pidfd)) {
		has_died(k, status);
		return;
	}
	hurry_take_back(getpid());
	close_fd(&pidfd);
}

static void on_child(evutil_socket_t sig, short what, void *arg)
{
	struct keeper *k = arg;
	char text[64];
	int status;

	if (!k->hurry.on)
		hurry_take_back(getpid()); /* lent for what is over now (wait_for_end()) */
	if (k->leaver && waitpid(k->leaver, &status, WNOHANG) == k->leaver)
		k->leaver = 0;
	if (k->next.pid && waitpid(k->next.pid, &status, WNOHANG) == k->next.pid) {
		k->next.pid = 0;
		keeper_link_drain(k->next.link);
		if (k->exchange != EXCHANGE_ABLE) /* who has said so may go */
			keeper_end_upgrade(k, -ENOEXEC, process_ending(status, text, sizeof(text)));
	}
	if (!k->now.pid || waitpid(k->now.pid, &status, WNOHANG | WUNTRACED) != k->now.pid)
		return;
	if (WIFSTOPPED(status)) {
		watchdog_stir(k->watchdog);
		return;
	}
	has_died(k, status);
}

/* A process is to be started, now; or the one that serves has left. */
static void on_start_timer(evutil_socket_t fd, short what, void *arg)
{
	struct keeper *k = arg;

	if (k->exchange == EXCHANGE_ABLE)
		keeper_next_is_able(k);
	else if (k->leaving && k->now.pid)
		keeper_has_left(k);
	else if (!k->now.pid)
		keeper_start_switch(k);
}

/* ---- signals */

static void on_stop(evutil_socket_t sig, short what, void *arg)
{
	static const struct timeval patience = { .tv_sec = STOP_MS / 1000 };
	struct keeper *k = arg;

	tell_manager("STOPPING=1\nSTATUS=Ending: %s", strsignal((int)sig));
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
	k->reload_ns = clock_ns();
	pass_reload(k);
}

/* ---- events */

static void on_watchdog(evutil_socket_t fd, short what, void *arg)
{
	manager_notify("WATCHDOG=1");
}

static int add_watchdog(struct keeper *k)
{
	unsigned ms = manager_watchdog_ms();
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	if (!ms)
		return 0;
	k->watchdog_timer = event_new(k->base, -1, EV_PERSIST, on_watchdog, k);
	return k->watchdog_timer ? event_add(k->watchdog_timer, &tv) : -ENOMEM;
}

static int add_events(struct keeper *k)
{
	static const struct {
		int signal;
		event_callback_fn on;
	} signals[] = { { SIGTERM, on_stop },
			{ SIGINT, on_stop },
			{ SIGHUP, on_reload },
			[SIGNAL_CHILD] = { SIGCHLD, on_child } };

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		k->signals[i] = evsignal_new(k->base, signals[i].signal, signals[i].on, k);
		if (!k->signals[i] || event_add(k->signals[i], NULL))
			return -ENOMEM;
	}
	k->start_timer = evtimer_new(k->base, on_start_timer, k);
	k->calm_timer = evtimer_new(k->base, on_calm_timer, k);
	k->stop_timer = evtimer_new(k->base, on_impatient, k);
	k->upgrade_timer = evtimer_new(k->base, keeper_upgrade_late, k);
	if (!k->start_timer || !k->calm_timer || !k->stop_timer || !k->upgrade_timer)
		return -ENOMEM;
	return add_watchdog(k);
}

/* ---- going on for another keeper */

/* The keeper before is dead: its switch process must be, too, before there is another. */
static void end_orphan(struct keeper *k)
{
	int pidfd;
	pid_t pid = belongings_process(k->table, &pidfd);

	if (pid && pidfd >= 0)
		process_end_orphan(pidfd, pid);
	if (!bodies_add(pidfd))
		close_fd(&pidfd);
}

/* What the keeper before this one has left, or an empty table. Returns whether there is something.
 */
static bool find_table(struct keeper *k, int table_fd)
{
	struct error err;
	int rc = keeper_table_restore(&k->table, table_fd, &err);

	if (rc && rc != -ENOENT)
		log_error("starting anew, front-ends have to connect again: %s", err.text);
	if (!rc && table_fd < 0)
		end_orphan(k);
	if (!rc && keeper_table_life(k->table)->ever_ready)
		return true;
	if (!rc)
		keeper_table_destroy(k->table);
	k->table = keeper_table_create();
	return false;
}

static void take_over(struct keeper *k)
{
	int fd = belongings_fd(k->table, TABLE_PROGRAM);

	if (fd >= 0) {
		close_fd(&k->now.exe_fd);
		k->now.exe_fd = fd;
	}
	k->config_fd = belongings_fd(k->table, TABLE_CONFIG);
	belongings_held(k->table, &k->held);
	k->ever_ready = true;
	k->n_crashes = keeper_table_life(k->table)->n_crashes;
}

static int go_on_after_death(struct keeper *k)
{
	log_warning("the keeper before this one has died; going on with what it had");
	tell_manager("STATUS=Going on for a keeper that has died");
	k->died_ns = clock_ns();
	keeper_relay_restore(k->relay, false);
	return start_process(&k->now);
}

/* That keeper was another program in this process; its switch process goes on. */
static int go_on_after_exchange(struct keeper *k)
{
	int link_fd = keeper_table_life(k->table)->link_fd, pidfd;
	struct keeper_packet p;

	keeper_relay_restore(k->relay, true);
	k->now.pid = belongings_process(k->table, &pidfd);
	close_fd(&pidfd);
	k->now.link = keeper_link_create(link_fd, k->base, &keeper_switch_ops, &k->now);
	if (!k->now.link || !k->now.pid)
		return -ENOMEM;
	k->now.started_ns = clock_ns();
	k->ready = true;
	keeper_table_go_on(k->table);
	log_info("this program is the keeper now");
	keeper_relay_go_on(k->relay, k->now.link);
	keeper_packet_init(&p, KEEPER_REPLACED, 0, 0);
	keeper_link_send(k->now.link, &p);
	event_active(k->signals[SIGNAL_CHILD], EV_SIGNAL, 1); /* one may have been missed */
	return 0;
}

static int begin(struct keeper *k, int table_fd)
{
	bool found = find_table(k, table_fd);

	if (!k->table)
		return -ENOMEM;
	if (!found && table_fd >= 0)
		return -EPROTO; /* the end of this process is that of the switch process, too */
	k->relay = keeper_relay_create(k->base, k->table);
	if (!k->relay)
		return -ENOMEM;
	if (!found) {
		belongings_set(k->table, TABLE_PROGRAM, k->now.exe_fd);
		return start_process(&k->now);
	}
	take_over(k);
	return table_fd < 0 ? go_on_after_death(k) : go_on_after_exchange(k);
}

/* ---- construction */

/* Signals that waited for this program. */
static void hear_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int start(struct keeper *k, int table_fd, unsigned watchdog, struct error *err)
{
	int rc;

	files_raise_limit(); /* guests bring many: a connection, and three for each queue */
	signal(SIGPIPE, SIG_IGN);
	k->now.exe_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (k->now.exe_fd < 0)
		return error_set(err, -errno, "cannot open this program: %s", strerror(errno));
	k->base = event_base_new();
	if (!k->base || add_events(k) < 0)
		return error_set(err, -ENOMEM, "out of memory");
	if (watchdog)
		k->watchdog = watchdog_create(k->base, watchdog, on_ask, k);
	if (watchdog && !k->watchdog)
		return error_set(err, -ENOMEM, "out of memory");
	rc = begin(k, table_fd);
	hear_signals();
	return rc ? error_set(err, rc, "cannot start the switch process: %s", strerror(-rc)) : 0;
}

static void free_event(struct event *e)
{
	if (e)
		event_free(e);
}

/* Those of which something was held: nobody serves them any more. */
static void remove_sockets(struct keeper *k)
{
	size_t prefix = strlen(OF_SOCKETS_KEY);

	for (const struct held *h = k->held; h; h = h->next)
		if (!strncmp(h->key, OF_SOCKETS_KEY, prefix))
			keeper_request_remove_sockets(&k->rights, h->key + prefix);
	if (held_has(k->held, KEEPER_CONTROL_KEY))
		keeper_request_remove_control(&k->rights);
}

static void stop(struct keeper *k)
{
	if (k->base)
		keeper_end_upgrade(k, 0, NULL);
	keeper_relay_destroy(k->relay);
	keeper_table_destroy(k->table);
	keeper_forget_now(k);
	bodies_wait(STOP_MS);
	remove_sockets(k);
	held_clear(&k->held);
	for (size_t i = 0; i < ARRAY_SIZE(k->signals); i++)
		free_event(k->signals[i]);
	free_event(k->start_timer);
	free_event(k->calm_timer);
	free_event(k->stop_timer);
	free_event(k->upgrade_timer);
	watchdog_destroy(k->watchdog);
	free_event(k->watchdog_timer);
	if (k->base)
		event_base_free(k->base);
	close_fd(&k->config_fd);
	close_fd(&k->fallback_fd);
	close_fd(&k->now.exe_fd);
}

int keeper_run(const struct keeper_config *config, struct error *err)
{
	struct keeper k = {
		.argv = config->argv, .rights = config->rights, .config_fd = -1, .fallback_fd = -1
	};
	int rc;

	if (config->table_fd >= 0) { /* "--keeper-table FD" is for this program alone */
		k.argv += 2;
		k.argv[0] = config->argv[0];
	}
	k.now = k.next = (struct process){ .keeper = &k, .exe_fd = -1 };
	rc = start(&k, config->table_fd, config->watchdog, err);
	if (!rc) {
		event_base_dispatch(k.base);
		rc = k.status;
	}
	stop(&k);
	return rc;
}

static const struct keeper_link_ops no_ops = { .packet = NULL };

int keeper_check(int link_fd, int table_fd, struct error *err)
{
	struct event_base *base = event_base_new();
	struct keeper_link *link = base ? keeper_link_create(link_fd, base, &no_ops, NULL) : NULL;
	int rc = keeper_table_check(table_fd, err);
	struct keeper_packet p;

	keeper_packet_init(&p, KEEPER_ABLE, 0, 0);
	if (!rc && link)
		keeper_link_send(link, &p);
	else if (!rc)
		rc = error_set(err, -ENOMEM, "out of memory");
	keeper_link_destroy(link);
	if (base)
		event_base_free(base);
	return rc;
}
