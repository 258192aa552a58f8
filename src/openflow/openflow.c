// SPDX-License-Identifier: Apache-2.0
/* Bridges, their sockets, and who is connected. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/limit.h"
#include "base/log.h"
#include "openflow/connection.h"
#include "openflow/flow_stats.h"
#include "openflow/openflow.h"
#include "openflow/packet.h"
#include "openflow/port.h"
#include "openflow/sockets.h"

LOG_MODULE("openflow");
LIMIT_EACH(peers_limit, "openflow_peers", OF_SESSIONS_MAX, "of one bridge");
LIMIT_EACH(snoopers_limit, "openflow_snoopers", OF_SNOOPERS_MAX, "of one bridge");
LIMIT_EACH(users_limit, "openflow_peers_of_users", OF_OF_USERS(OF_SESSIONS_MAX),
	   "of one bridge, others than root's; of those that snoop 6");
LIMIT_EACH(process_limit, "openflow_peers_of_process", OF_OF_PROCESS(OF_SESSIONS_MAX),
	   "of one bridge, of one process; of those that snoop 2");

#define ACCEPTS_A_TURN 16
#define PAUSE_MSEC 100 /* without accepting, when the process is out of files or memory */

struct peer {
	struct of_connection *connection;
	int pid; /* of who connected */
	bool root;
};

/* A socket, and those who have come by it. */
struct door {
	struct bridge *bridge;
	enum of_socket kind;
	int fd;
	struct event *acceptable, *resume;
	unsigned n;
	struct peer peers[OF_SESSIONS_MAX];
	struct of_connection_env env;
};

struct bridge {
	struct bridge *next;
	struct openflow *of;
	char *name;
	struct of_bridge shared;
	struct flows_listener listener;
	struct door doors[OF_SOCKETS];
};

struct openflow {
	struct openflow_config config;
	char *run_dir;
	struct peer_policy policy;
	struct bridge *bridges;
};

/* ---- doors */

static void on_closed(void *owner, struct of_connection *connection)
{
	struct door *door = owner;

	for (unsigned i = 0; i < door->n; i++) {
		if (door->peers[i].connection == connection) {
			door->peers[i] = door->peers[--door->n];
			break;
		}
	}
	of_connection_destroy(connection);
	if (door->kind == OF_SOCKET_SNOOP && !door->n)
		door->bridge->shared.snoop = NULL;
}

/* A message has passed: whoever snoops gets a copy. */
static void on_message(struct of_bridge *shared, const uint8_t *message, size_t len)
{
	struct bridge *bridge = container_of(shared, struct bridge, shared);
	struct door *door = &bridge->doors[OF_SOCKET_SNOOP];

	for (unsigned i = 0; i < door->n; i++)
		of_connection_copy(door->peers[i].connection, message, len);
}

/* Why there is no place for @peer, or NULL. */
static const char *find_place(const struct door *door, const struct peer *peer)
{
	bool snoops = door->kind == OF_SOCKET_SNOOP;
	unsigned most = snoops ? OF_SNOOPERS_MAX : OF_SESSIONS_MAX, of_process = 0, of_users = 0;

	for (unsigned i = 0; i < door->n; i++) {
		of_process += door->peers[i].pid == peer->pid;
		of_users += !door->peers[i].root;
	}
	if (of_process >= OF_OF_PROCESS(most)) {
		limit_refuse(&process_limit);
		return "too many of this process are connected already";
	}
	if (!peer->root && of_users >= OF_OF_USERS(most)) {
		limit_refuse(&users_limit);
		return "too many are connected already, and the other places are root's";
	}
	if (door->n < most)
		return NULL;
	limit_refuse(snoops ? &snoopers_limit : &peers_limit);
	return "too many are connected already";
}

static void welcome(struct door *door, int fd)
{
	bool snoops = door->kind == OF_SOCKET_SNOOP;
	struct peer peer = { .pid = peer_pid(fd), .root = peer_is_root(fd) };
	struct error err;
	const char *why = peer_check(&door->bridge->of->policy, fd, &err) ? err.text
									  : find_place(door, &peer);

	if (!why && of_connection_create(&peer.connection, fd,
					 snoops ? NULL : &door->bridge->shared, &door->env))
		why = "out of memory";
	if (why) {
		log_limited(LOG_WARNING, "%s: peer turned away: %s", door->bridge->name, why);
		close(fd);
		return;
	}
	door->peers[door->n++] = peer;
	if (snoops)
		door->bridge->shared.snoop = on_message;
}

static void on_acceptable(evutil_socket_t listen_fd, short what, void *arg)
{
	static const struct timeval pause = { .tv_usec = PAUSE_MSEC * 1000 };
	struct door *door = arg;

	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			welcome(door, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			log_limited(LOG_WARNING, "%s: cannot accept a peer: %s", door->bridge->name,
				    strerror(errno));
			event_del(door->acceptable);
			event_add(door->resume, &pause);
		}
		return;
	}
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct door *door = arg;

	event_add(door->acceptable, NULL);
}

/* Closes; connections too. */
static void close_door(struct door *door)
{
	while (door->n)
		on_closed(door, door->peers[0].connection);
	if (door->acceptable)
		event_free(door->acceptable);
	if (door->resume)
		event_free(door->resume);
	if (door->fd >= 0)
		close(door->fd);
}

static int open_door(struct door *door, int fd)
{
	struct event_base *base = door->bridge->of->config.base;

	door->fd = fd;
	door->env =
		(struct of_connection_env){ base, on_closed, door, door->bridge->of->config.keep };
	door->acceptable = event_new(base, fd, EV_READ | EV_PERSIST, on_acceptable, door);
	door->resume = evtimer_new(base, on_resume, door);
	if (!door->acceptable || !door->resume || event_add(door->acceptable, NULL))
		return -ENOMEM;
	return 0;
}

/* ---- what happens in the switch */

static void on_removed(void *arg, const struct rule *rule, enum removed_reason why)
{
	struct bridge *bridge = arg;

	for (struct of_session *s = bridge->shared.sessions; s; s = s->next)
		of_tell_removed(s, rule, why);
}

static void on_packet(void *arg, const struct flows_packet *packet)
{
	struct bridge *bridge = arg;

	for (struct of_session *s = bridge->shared.sessions; s; s = s->next)
		of_tell_packet(s, packet);
}

static void on_port(void *arg, const struct flows_port *port, unsigned why)
{
	struct bridge *bridge = arg;

	for (struct of_session *s = bridge->shared.sessions; s; s = s->next)
		of_tell_port(s, port, why);
}

/* ---- bridges */

static void sockets_key(const struct bridge *bridge, char key[KEEP_KEY_MAX])
{
	snprintf(key, KEEP_KEY_MAX, OF_SOCKETS_KEY "%s", bridge->name);
}

/* @gone: the bridge is deleted, not just this process about to end. */
static void free_bridge(struct bridge *bridge, bool gone)
{
	struct keep *keep = bridge->of->config.keep;
	bool opened = bridge->doors[OF_SOCKET_MGMT].fd >= 0;
	char key[KEEP_KEY_MAX];

	for (unsigned i = 0; i < OF_SOCKETS; i++)
		close_door(&bridge->doors[i]);
	if (opened && (gone || !keep))
		of_sockets_remove(bridge->of->run_dir, bridge->name);
	if (opened && gone && keep) {
		sockets_key(bridge, key);
		keep->release(keep, key);
	}
	free(bridge->name);
	free(bridge);
}

static void on_gone(void *arg)
{
	struct bridge *bridge = arg, **at;

	for (at = &bridge->of->bridges; *at != bridge; at = &(*at)->next)
		;
	*at = bridge->next;
	flows_unlisten(bridge->shared.flows, &bridge->listener);
	free_bridge(bridge, true);
}

/* Those of an earlier process, or new ones. */
static int take_sockets(struct bridge *bridge, int fds[OF_SOCKETS], struct error *err)
{
	struct openflow *of = bridge->of;
	struct keep *keep = of->config.keep;
	char key[KEEP_KEY_MAX];
	int r;

	sockets_key(bridge, key);
	if (keep && keep->take(keep, key, fds, OF_SOCKETS) == OF_SOCKETS) {
		keep->hold(keep, key, fds, OF_SOCKETS);
		return 0;
	}
	r = of_sockets_open(of->run_dir, bridge->name, &of->policy, fds, err);
	if (!r && keep)
		keep->hold(keep, key, fds, OF_SOCKETS);
	return r;
}

static int open_bridge(struct bridge *bridge, struct error *err)
{
	int fds[OF_SOCKETS], r = take_sockets(bridge, fds, err);

	for (unsigned i = 0; !r && i < OF_SOCKETS; i++)
		bridge->doors[i].fd = fds[i];
	for (unsigned i = 0; !r && i < OF_SOCKETS; i++)
		if (open_door(&bridge->doors[i], fds[i]))
			r = error_set(err, -ENOMEM, "out of memory");
	return r;
}

static void on_bridge(void *arg, struct flows *flows)
{
	struct openflow *of = arg;
	struct bridge *bridge = calloc(1, sizeof(*bridge));
	struct error err;

	if (bridge)
		bridge->name = strdup(flows_bridge(flows));
	if (!bridge || !bridge->name) {
		log_error("%s: no OpenFlow: out of memory", flows_bridge(flows));
		free(bridge);
		return;
	}
	bridge->of = of;
	bridge->shared.flows = flows;
	for (unsigned i = 0; i < OF_SOCKETS; i++)
		bridge->doors[i] = (struct door){ .bridge = bridge, .kind = i, .fd = -1 };
	if (open_bridge(bridge, &err)) {
		log_error("%s: no OpenFlow: %s", bridge->name, err.text);
		free_bridge(bridge, true);
		return;
	}
	bridge->listener = (struct flows_listener){ .arg = bridge,
						    .removed = on_removed,
						    .packet = on_packet,
						    .port = on_port,
						    .gone = on_gone };
	flows_listen(flows, &bridge->listener);
	bridge->next = of->bridges;
	of->bridges = bridge;
}

int openflow_create(struct openflow **out, const struct openflow_config *config, struct error *err)
{
	struct openflow *of = calloc(1, sizeof(*of));
	int r;

	if (of)
		of->run_dir = strdup(config->run_dir);
	if (!of || !of->run_dir) {
		free(of);
		return error_set(err, -ENOMEM, "out of memory");
	}
	of->config = *config;
	r = peer_policy_init(&of->policy, config->group, err);
	of->policy.owner = config->owner;
	if (r) {
		free(of->run_dir);
		free(of);
		return r;
	}
	*out = of;
	switch_watch_bridges(config->sw, on_bridge, of);
	return 0;
}

void openflow_destroy(struct openflow *of)
{
	if (!of)
		return;
	switch_watch_bridges(of->config.sw, NULL, NULL);
	while (of->bridges) {
		struct bridge *bridge = of->bridges;

		of->bridges = bridge->next;
		flows_unlisten(bridge->shared.flows, &bridge->listener);
		free_bridge(bridge, false);
	}
	free(of->run_dir);
	free(of);
}
