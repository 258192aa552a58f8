// SPDX-License-Identifier: Apache-2.0
/* The control socket: who may come in, and how many. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limit.h"
#include "base/listener.h"
#include "base/log.h"
#include "rpc/connection.h"
#include "rpc/server.h"

LOG_MODULE("rpc");
LIMIT(clients_limit, "rpc_clients", RPC_CLIENTS_MAX, "of the control socket");
LIMIT(users_limit, "rpc_clients_of_users", RPC_CLIENTS_OF_USERS, "of them, others than root's");
LIMIT_EACH(process_limit, "rpc_clients_of_process", RPC_CLIENTS_OF_PROCESS,
	   "of them, of one process");

#define ACCEPTS_A_TURN 16
#define PAUSE_MSEC 100 /* without accepting, when the process is out of files or memory */

struct client {
	struct rpc_connection *connection;
	int pid; /* of who connected */
	bool root;
};

struct rpc_server {
	struct rpc_env env;
	struct peer_policy policy;
	struct listener listener;
	struct event *acceptable, *resume;
	unsigned n_clients;
	struct client clients[RPC_CLIENTS_MAX];
};

static unsigned count_of_process(const struct rpc_server *s, int pid)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->n_clients; i++)
		n += s->clients[i].pid == pid;
	return n;
}

/* Finds a place. NULL, or why there is none. */
static const char *enter(const struct rpc_server *s, const struct client *client)
{
	if (count_of_process(s, client->pid) == RPC_CLIENTS_OF_PROCESS) {
		limit_refuse(&process_limit);
		return "16 clients of this process are connected already";
	}
	if (!client->root && !limit_take(&users_limit, 1))
		return "48 clients are connected already, and the other places are root's: try "
		       "again later";
	if (limit_take(&clients_limit, 1))
		return NULL;
	if (!client->root)
		limit_give(&users_limit, 1);
	return "64 clients are connected already: try again later";
}

static void leave(const struct client *client)
{
	limit_give(&clients_limit, 1);
	if (!client->root)
		limit_give(&users_limit, 1);
}

static void on_closed(void *owner, struct rpc_connection *conn)
{
	struct rpc_server *s = owner;

	for (unsigned i = 0; i < s->n_clients; i++) {
		if (s->clients[i].connection == conn) {
			leave(&s->clients[i]);
			s->clients[i] = s->clients[--s->n_clients];
			break;
		}
	}
	rpc_connection_destroy(conn);
}

/* Says why a new client is not served. Its socket is empty: one short line always fits. */
static void turn_away(int fd, const char *why)
{
	size_t len = 0;
	char *line = jsonrpc_error(RPC_REFUSED, why, &len);

	log_limited(LOG_WARNING, "client turned away: %s", why);
	if (line && send(fd, line, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		/* it left before it was told */
	}
	free(line);
	close(fd);
}

static void welcome(struct rpc_server *s, int fd)
{
	struct client client = { .pid = peer_pid(fd), .root = peer_is_root(fd) };
	const char *why;
	struct error err;

	if (peer_check(&s->policy, fd, &err)) {
		turn_away(fd, err.text);
		return;
	}
	why = enter(s, &client);
	if (why) {
		turn_away(fd, why);
		return;
	}
	if (rpc_connection_create(&client.connection, fd, &s->env)) {
		leave(&client);
		turn_away(fd, "vireod is out of memory");
		return;
	}
	s->clients[s->n_clients++] = client;
}

static void on_acceptable(evutil_socket_t listen_fd, short what, void *arg)
{
	static const struct timeval pause = { .tv_usec = PAUSE_MSEC * 1000 };
	struct rpc_server *s = arg;

	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			welcome(s, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			log_limited(LOG_WARNING, "cannot accept a client: %s", strerror(errno));
			event_del(s->acceptable);
			event_add(s->resume, &pause);
		}
		return;
	}
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct rpc_server *s = arg;

	event_add(s->acceptable, NULL);
}

int rpc_server_create(struct rpc_server **out, const struct rpc_config *config, struct error *err)
{
	struct rpc_server *s = calloc(1, sizeof(*s));
	int ret;

	if (!s)
		return error_set(err, -ENOMEM, "out of memory");
	s->env = (struct rpc_env){ .base = config->base,
				   .methods = config->methods,
				   .ctx = config->ctx,
				   .settled = config->settled,
				   .closed = on_closed,
				   .owner = s };
	s->listener.fd = -1;
	ret = peer_policy_init(&s->policy, config->group, err);
	s->policy.owner = config->owner;
	if (!ret && config->n_fds == RPC_SERVER_FDS) {
		ret = listener_adopt(&s->listener, config->path, config->fds[0], config->fds[1]);
		if (ret)
			error_set(err, ret, "out of memory");
	} else if (!ret) {
		ret = listener_open(&s->listener, config->path, &s->policy, err);
	}
	if (ret)
		goto fail;
	s->acceptable =
		event_new(config->base, s->listener.fd, EV_READ | EV_PERSIST, on_acceptable, s);
	s->resume = evtimer_new(config->base, on_resume, s);
	if (!s->acceptable || !s->resume || event_add(s->acceptable, NULL)) {
		ret = error_set(err, -ENOMEM, "out of memory");
		goto fail;
	}
	*out = s;
	return 0;
fail:
	rpc_server_destroy(s);
	return ret;
}

void rpc_server_fds(const struct rpc_server *server, int fds[RPC_SERVER_FDS])
{
	fds[0] = server->listener.fd;
	fds[1] = server->listener.lock_fd;
}

void rpc_server_destroy(struct rpc_server *s)
{
	if (!s)
		return;
	while (s->n_clients)
		on_closed(s, s->clients[0].connection);
	if (s->resume)
		event_free(s->resume);
	if (s->acceptable)
		event_free(s->acceptable);
	listener_close(&s->listener);
	free(s);
}
