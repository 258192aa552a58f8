// SPDX-License-Identifier: Apache-2.0
/* Start, signals and end of the daemon. */
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/rcu.h"
#include "daemon/daemon.h"
#include "flow/view.h"
#include "rpc/config_file.h"
#include "rpc/methods.h"
#include "rpc/server.h"

LOG_MODULE("daemon");

_Static_assert(DAEMON_WORKERS_MAX == VIEW_WORKERS_MAX, "the datapath takes as many workers");

struct daemon {
	struct event_base *base;
	struct event *term, *intr, *hup;
	struct rpc_server *server;
	struct methods_context context;
};

/* Tells systemd how it goes (sd_notify(3)); does nothing elsewhere. */
static void notify_manager(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t len = path ? strlen(path) : 0;
	int fd;

	if (!len || len >= sizeof(addr.sun_path))
		return;
	memcpy(addr.sun_path, path, len);
	if (path[0] == '@')
		addr.sun_path[0] = 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&addr,
		   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		log_warning("cannot tell the service manager \"%s\": %s", state, strerror(errno));
	close(fd);
}

static void on_stop(evutil_socket_t sig, short what, void *arg)
{
	struct daemon *d = arg;

	log_info("ending: %s", strsignal((int)sig));
	notify_manager("STOPPING=1");
	event_base_loopbreak(d->base);
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
}

/* Guests bring many fds: a connection, and three for each queue. */
static void raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
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

static int configure(struct daemon *d, struct error *err)
{
	json_t *bridge = json_pack("{s:s}", "name", SWITCH_DEFAULT_BRIDGE);
	int r = switch_bridge_add(d->context.sw, bridge, err);

	json_decref(bridge);
	if (r < 0 || !d->context.config_path)
		return r;
	if (access(d->context.config_path, F_OK) < 0 && errno == ENOENT) {
		log_warning("%s does not exist; starting empty (\"vireo config save\" makes it)",
			    d->context.config_path);
		return 0;
	}
	return config_file_apply(d->context.sw, d->context.config_path, d->context.log_level, err);
}

static bool settled(void *ctx)
{
	const struct methods_context *context = ctx;

	return !context->sw || switch_settled(context->sw);
}

static int make_run_dir(const char *dir, struct error *err)
{
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return error_set(err, -errno,
				 "cannot make the directory %s: %s (--run-dir names another)", dir,
				 strerror(errno));
	return 0;
}

static int start(struct daemon *d, const struct daemon_options *o, struct error *err)
{
	char path[4096];
	struct rpc_config rpc = { .path = path,
				  .group = o->group,
				  .methods = methods,
				  .ctx = &d->context,
				  .settled = settled };
	int r;

	r = make_run_dir(o->run_dir, err);
	if (r < 0)
		return r;
	d->base = event_base_new();
	if (!d->base || add_signals(d) < 0)
		return error_set(err, -ENOMEM, "out of memory");
	/* first: it makes sure that no other daemon serves this run directory */
	snprintf(path, sizeof(path), "%s/vireod.sock", o->run_dir);
	rpc.base = d->base;
	r = rpc_server_create(&d->server, &rpc, err);
	if (r < 0)
		return r;
	r = switch_create(&d->context.sw, d->base, o->workers, o->worker_cpus, err);
	if (r < 0)
		return r;
	return configure(d, err);
}

static void free_event(struct event *e)
{
	if (e)
		event_free(e);
}

static void stop(struct daemon *d)
{
	rpc_server_destroy(d->server);
	switch_destroy(d->context.sw);
	rcu_drain();
	free_event(d->term);
	free_event(d->intr);
	free_event(d->hup);
	if (d->base)
		event_base_free(d->base);
}

int daemon_run(const struct daemon_options *o, struct error *err)
{
	struct daemon d = { .context = { .config_path = o->config,
					 .log_level = o->log_level,
					 .started_ns = clock_ns() } };
	int r;

	raise_limits();
	r = start(&d, o, err);
	if (r == 0) {
		log_info("vireod %s ready in %.1f ms: %u worker%s, control socket %s/vireod.sock",
			 VIREO_VERSION, (double)(clock_ns() - d.context.started_ns) / NSEC_PER_MSEC,
			 o->workers, o->workers == 1 ? "" : "s", o->run_dir);
		notify_manager("READY=1");
		event_base_dispatch(d.base);
	}
	stop(&d);
	return r;
}
