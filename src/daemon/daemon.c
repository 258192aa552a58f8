// SPDX-License-Identifier: Apache-2.0
/* Start, signals and end of the daemon. */
#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/broker.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/filter.h"
#include "base/hurry.h"
#include "base/lifeline.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/rcu.h"
#include "base/sandbox.h"
#include "daemon/daemon.h"
#include "flow/view.h"
#include "keeper/client.h"
#include "keeper/manager.h"
#include "openflow/openflow.h"
#include "rpc/config_file.h"
#include "rpc/methods.h"
#include "rpc/server.h"
#include "virtio/bus_guard.h"

LOG_MODULE("daemon");

/* The end of a process that has left, which unmaps all that guests have: the next one needs the
 * processor until it serves. */
#define LEAVE_MS 20

_Static_assert(DAEMON_WORKERS_MAX == VIEW_WORKERS_MAX, "the datapath takes as many workers");

struct daemon {
	struct event_base *base;
	struct keeper_client *keeper; /* NULL: none */
	struct event *term, *intr, *hup;
	struct rpc_server *server;
	struct openflow *openflow;
	struct methods_context context;
	uid_t owner;	 /* who has started this daemon */
	int bell_fd;	 /* eventfd by which threads wake the keeper; -1: none */
	int lifeline_fd; /* file by which it learns of the end of this thread; -1: none */
	bool upgrading;
	int upgrade_result; /* of the last attempt that failed, and why */
	struct error upgrade_error;
};

/* With a keeper, it does. */
static void tell_manager(const struct daemon *d, const char *state)
{
	if (!d->keeper)
		manager_notify(state);
}

static void on_stop(evutil_socket_t sig, short what, void *arg)
{
	struct daemon *d = arg;

	log_info("ending: %s", strsignal((int)sig));
	tell_manager(d, "STOPPING=1");
	event_base_loopbreak(d->base);
}

/* Lets the keeper have the configuration as it is. */
static void save_config(struct daemon *d)
{
	json_t *config = switch_config(d->context.sw);
	char *text = json_dumps(config, JSON_COMPACT | JSON_SORT_KEYS);

	if (text)
		keeper_client_set_config(d->keeper, text);
	free(text);
	json_decref(config);
}

static void save_when_settled(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval soon = { .tv_usec = 1000 };
	struct daemon *d = arg;

	if (switch_settled(d->context.sw))
		save_config(d);
	else
		event_base_once(d->base, -1, EV_TIMEOUT, save_when_settled, d, &soon);
}

static void on_reload(evutil_socket_t sig, short what, void *arg)
{
	struct daemon *d = arg;
	struct error err;

	if (!d->context.config_path) {
		log_warning("reload: vireod was started without --config");
		return;
	}
	if (config_file_apply(d->context.sw, d->context.config_path, d->context.log_level, &err))
		log_error("reload: %s; nothing was changed", err.text);
	else if (d->keeper)
		save_when_settled(-1, 0, d);
}

static int add_signals(struct daemon *d)
{
	d->term = evsignal_new(d->base, SIGTERM, on_stop, d);
	d->intr = evsignal_new(d->base, SIGINT, on_stop, d);
	d->hup = evsignal_new(d->base, SIGHUP, on_reload, d);
	if (!d->term || !d->intr || !d->hup)
		return -ENOMEM;
	event_add(d->term, NULL);
	event_add(d->intr, NULL);
	event_add(d->hup, NULL);
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

/* The keeper is gone, and with it all that guests are connected by. Nothing is taken down: there
 * may be a new keeper that has been given what this one held. */
static void on_keeper_lost(void *owner, const char *why)
{
	log_error("ending: the keeper: %s", why);
	_exit(1);
}

/* No worker touches anything any more. */
static void on_left(void *arg)
{
	struct daemon *d = arg;

	save_config(d);
	keeper_client_left(d->keeper);
	poll(NULL, 0, LEAVE_MS);
	_exit(0); /* nothing is taken down: it is the other's now */
}

static void on_leave(void *owner)
{
	struct daemon *d = owner;

	log_info("leaving: another process goes on");
	switch_leave(d->context.sw, on_left, d);
}

static void on_refused(void *owner, int rc, const char *why)
{
	struct daemon *d = owner;

	log_error("no upgrade: %s", why);
	d->upgrading = false;
	d->upgrade_result = error_set(&d->upgrade_error, rc, "%s", why);
}

static void on_replaced(void *owner)
{
	struct daemon *d = owner;

	log_info("another program is the keeper");
	d->upgrading = false;
	if (d->bell_fd >= 0)
		keeper_client_set_bell(d->keeper, d->bell_fd);
	if (d->lifeline_fd >= 0)
		keeper_client_set_lifeline(d->keeper, d->lifeline_fd);
}

static void on_told(void *owner)
{
	struct daemon *d = owner;
	uint64_t stopped_ns = keeper_client_start(d->keeper)->died_ns;

	switch_restored(d->context.sw);
	if (stopped_ns)
		log_info("packets go on, %.2f ms after they stopped",
			 (double)(clock_ns() - stopped_ns) / NSEC_PER_MSEC);
	keeper_client_calm(d->keeper); /* others may have waited for this processor */
}

static int on_look(void *owner, bool *asleep)
{
	struct daemon *d = owner;

	return switch_look(d->context.sw, asleep);
}

static const struct keeper_client_ops keeper_ops = { .lost = on_keeper_lost,
						     .told = on_told,
						     .leave = on_leave,
						     .replaced = on_replaced,
						     .refused = on_refused,
						     .look = on_look };

/* Lets the keeper look after this process. */
static void offer_bell(struct daemon *d)
{
	d->bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->bell_fd < 0) {
		log_warning("the keeper will not notice if this process hangs: %s",
			    strerror(errno));
		return;
	}
	switch_set_bell(d->context.sw, d->bell_fd);
	keeper_client_set_bell(d->keeper, d->bell_fd);
}

/* Without it the keeper learns of the death of this process some time later. */
static void offer_lifeline(struct daemon *d)
{
	d->lifeline_fd = lifeline_tie();
	if (d->lifeline_fd >= 0)
		keeper_client_set_lifeline(d->keeper, d->lifeline_fd);
}

static int start_upgrade(struct methods_context *context, const char *path, bool keeper, int order,
			 struct error *err)
{
	struct daemon *d = container_of(context, struct daemon, context);

	if (!d->keeper)
		return error_set(err, -EOPNOTSUPP, "vireod was started with --no-keeper");
	if (d->upgrading)
		return error_set(err, -EBUSY, "another upgrade is on its way");
	d->upgrading = true;
	d->upgrade_result = 0;
	keeper_client_upgrade(d->keeper, path, keeper, order);
	return 0;
}

static int tell_upgrade(struct methods_context *context, struct error *err)
{
	struct daemon *d = container_of(context, struct daemon, context);

	if (d->upgrade_result)
		*err = d->upgrade_error;
	return d->upgrade_result;
}

/* Makes what the process before this one had. False when it had nothing that can be read. */
static bool restore_config(struct daemon *d)
{
	char *text = d->keeper ? keeper_client_config(d->keeper) : NULL;
	json_error_t error;
	json_t *config;
	bool understood;

	if (!text)
		return false;
	config = json_loads(text, 0, &error);
	understood = config;
	if (understood)
		switch_config_restore(d->context.sw, config);
	else
		log_error("the configuration of the process before cannot be read: %s", error.text);
	json_decref(config);
	free(text);
	return understood;
}

static int configure(struct daemon *d, struct error *err)
{
	json_t *bridge = json_pack("{s:s}", "name", SWITCH_DEFAULT_BRIDGE);
	int r = switch_bridge_add(d->context.sw, bridge, err), fd;

	json_decref(bridge);
	if (r < 0 || restore_config(d) || !d->context.config_path)
		return r;
	fd = config_file_open(d->context.config_path, NULL);
	if (fd >= 0)
		close(fd);
	if (fd == -ENOENT) {
		log_warning("%s does not exist; starting empty (\"vireo config save\" makes it)",
			    d->context.config_path);
		return 0;
	}
	return config_file_apply(d->context.sw, d->context.config_path, d->context.log_level, err);
}

/* What a client has changed is final, and outlives this process, before it hears that it is done.
 */
static bool settled(void *ctx)
{
	struct daemon *d = container_of((struct methods_context *)ctx, struct daemon, context);

	if (!d->context.sw)
		return true;
	switch_ring(d->context.sw); /* a client asks for something: that may never end */
	if (!switch_settled(d->context.sw) || d->upgrading)
		return false;
	if (d->keeper && d->context.changed)
		save_config(d);
	d->context.changed = false;
	return true;
}

static int make_run_dir(const char *dir, struct error *err)
{
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return error_set(err, -errno,
				 "cannot make the directory %s: %s (--run-dir names another)", dir,
				 strerror(errno));
	return 0;
}

/* Has the keeper make the control socket. */
static int ask_for_control(struct rpc_config *rpc, struct error *err)
{
	struct broker_call call = { .what = BROKER_CONTROL,
				    .answer = rpc->fds,
				    .max = RPC_SERVER_FDS };
	int r = broker_ask(&call, err);

	rpc->n_fds = call.n_answer;
	return r;
}

/* Serves the control socket, an earlier process's if there was one. Makes sure that no other daemon
 * serves this run directory. */
static int open_control(struct daemon *d, const struct daemon_options *o, struct error *err)
{
	struct keep *keep = d->keeper ? keeper_client_keep(d->keeper) : NULL;
	char path[4096];
	struct rpc_config rpc = { .path = path,
				  .group = o->group,
				  .owner = d->owner,
				  .base = d->base,
				  .methods = methods,
				  .ctx = &d->context,
				  .settled = settled };
	int r;

	snprintf(path, sizeof(path), "%s/vireod.sock", o->run_dir);
	if (keep)
		rpc.n_fds = keep->take(keep, KEEPER_CONTROL_KEY, rpc.fds, RPC_SERVER_FDS);
	if (keep && !rpc.n_fds) {
		r = ask_for_control(&rpc, err);
		if (r)
			return r;
	}
	r = rpc_server_create(&d->server, &rpc, err);
	if (r < 0 || !keep)
		return r;
	rpc_server_fds(d->server, rpc.fds);
	keep->hold(keep, KEEPER_CONTROL_KEY, rpc.fds, RPC_SERVER_FDS);
	return 0;
}

/* Serves OpenFlow for all bridges, of which there are none yet. */
static int open_openflow(struct daemon *d, const struct daemon_options *o, struct error *err)
{
	struct openflow_config config = { .sw = d->context.sw,
					  .base = d->base,
					  .run_dir = o->run_dir,
					  .group = o->group,
					  .owner = d->owner,
					  .keep = d->keeper ? keeper_client_keep(d->keeper)
							    : NULL };

	return openflow_create(&d->openflow, &config, err);
}

/* A loop whose timers are finer than a millisecond: changes wait for looks at workers by them. */
static struct event_base *make_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config && !event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER))
		base = event_base_new_with_config(config);
	if (config)
		event_config_free(config);
	return base;
}

/* Waits for what there is from an earlier process. From here on the keeper is asked for what this
 * one may not do. */
static int join_keeper(struct daemon *d, int fd, struct error *err)
{
	int r = keeper_client_create(&d->keeper, fd, d->base, &keeper_ops, d, err);

	if (r)
		return r;
	broker_set(keeper_client_broker(d->keeper));
	offer_lifeline(d);
	if (!keeper_client_start(d->keeper)->died_ns)
		keeper_client_calm(d->keeper);
	return 0;
}

static int link_fd; /* to the keeper: a signal handler has nothing else */

static void report_call(int call, int tid, enum filter_thread kind)
{
	keeper_client_report(link_fd, call, tid, kind);
}

/* Before there are threads. Only with a keeper: nobody else could be asked for what this process
 * may do no more. */
static int begin_sandbox(const struct daemon_options *o, struct error *err)
{
	struct sandbox_user user;
	int r = sandbox_find_user(&user, o->user, err);

	if (!r)
		r = sandbox_begin(&user, err);
	if (r)
		return r;
	link_fd = o->keeper_fd;
	if (!filter_arm(report_call))
		log_warning("built with a sanitizer: system calls are not filtered");
	return 0;
}

static void filter_memory_thread(struct rcu_free *item)
{
	struct error err;

	if (!filter_enter(FILTER_MEMORY, &err))
		return;
	log_error("%s", err.text);
	abort();
}

/* The last part of the sandbox: nothing is left to be set up. */
static int enter_filter(struct error *err)
{
	static struct rcu_free item;

	rcu_free_later(&item, filter_memory_thread); /* which is where that is called */
	json_object_seed(0);			     /* reads a file, once */
	notify_prepare();
	bus_guard_install();
	return filter_enter(FILTER_CONTROL, err);
}

static int start(struct daemon *d, const struct daemon_options *o, struct error *err)
{
	int r = o->keeper_fd < 0 ? make_run_dir(o->run_dir, err) : begin_sandbox(o, err);

	if (r < 0)
		return r;
	d->base = make_base();
	if (!d->base || add_signals(d) < 0)
		return error_set(err, -ENOMEM, "out of memory");
	/* threads and their memory are there before an earlier process is told to leave */
	r = switch_create(&d->context.sw, d->base, o->workers, o->worker_cpus, err);
	if (!r && o->keeper_fd >= 0)
		r = join_keeper(d, o->keeper_fd, err);
	if (!r)
		r = open_control(d, o, err);
	if (!r)
		r = open_openflow(d, o, err);
	if (r < 0)
		return r;
	if (d->keeper) {
		offer_bell(d);
		switch_use_keeper(d->context.sw, keeper_client_endpoints(d->keeper),
				  keeper_client_keep(d->keeper),
				  keeper_client_start(d->keeper)->died_ns != 0);
		r = enter_filter(err);
		if (r)
			return r;
	}
	return configure(d, err);
}

static void become_ready(struct daemon *d)
{
	tell_manager(d, "READY=1");
	if (!d->keeper)
		return;
	save_config(d);
	keeper_client_ready(d->keeper);
}

static void free_event(struct event *e)
{
	if (e)
		event_free(e);
}

static void stop(struct daemon *d)
{
	rpc_server_destroy(d->server);
	openflow_destroy(d->openflow);
	switch_destroy(d->context.sw);
	rcu_drain();
	broker_set(NULL);
	keeper_client_destroy(d->keeper);
	free_event(d->term);
	free_event(d->intr);
	free_event(d->hup);
	if (d->base)
		event_base_free(d->base);
	if (d->bell_fd >= 0)
		close(d->bell_fd);
	if (d->lifeline_fd >= 0)
		close(d->lifeline_fd);
}

int daemon_run(const struct daemon_options *o, struct error *err)
{
	struct daemon d = { .owner = geteuid(),
			    .bell_fd = -1,
			    .lifeline_fd = -1,
			    .context = { .config_path = o->config,
					 .log_level = o->log_level,
					 .started_ns = clock_ns(),
					 .pid = getpid(),
					 .upgrade = start_upgrade,
					 .upgrade_result = tell_upgrade } };
	int r;

	files_raise_limit(); /* guests bring many: a connection, and three for each queue */
	r = start(&d, o, err);
	if (r == 0) {
		log_info("vireod %s ready in %.1f ms: %u worker%s, control socket %s/vireod.sock",
			 VIREO_VERSION, (double)(clock_ns() - d.context.started_ns) / NSEC_PER_MSEC,
			 o->workers, o->workers == 1 ? "" : "s", o->run_dir);
		become_ready(&d);
		event_base_dispatch(d.base);
	}
	stop(&d);
	return r;
}
