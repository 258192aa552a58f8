// SPDX-License-Identifier: Apache-2.0
/* Live traces: who watches what comes in by a port is told the story of each packet, by the rules
 * as they are when the control thread has it.
 *
 * Bounds. Workers let LIVE_RATE packets a second through, for each of LIVE_MAX traces. Stories are
 * of any length: making them takes a tenth of the control thread's time at most, and a tenth of a
 * second at once. A client that does not read is left out at first, and dropped behind
 * LIVE_UNREAD_MAX packets; nothing is kept for it but what its socket holds.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/limit.h"
#include "base/log.h"
#include "datapath/watch.h"
#include "port/patch.h"
#include "switch/flows_private.h"
#include "switch/flows_text.h"

LOG_MODULE("flows");
LIMIT(live_limit, "live_traces", LIVE_MAX, "live traces (vireo trace --live)");
LIMIT(users_limit, "live_traces_of_users", LIVE_OF_USERS, "of them, others than root's");
LIMIT_EACH(unread_limit, "live_unread", LIVE_UNREAD_MAX,
	   "packets in a row that the client of a live trace may leave unread");

#define LIVE_SHARE 10		   /* one of so many parts of the time may be for stories, */
#define LIVE_AHEAD_NS NSEC_PER_SEC /* and of this at once */

struct live {
	struct live *next; /* of the port */
	struct watch watch;
	struct swtch *sw;
	struct sw_port *port;
	int fd;
	struct event *event; /* the client leaves, or all is told */
	bool root;	     /* whose it is */
	bool counts;
	unsigned left; /* packets to be told of, if it counts */
	uint64_t n_told;
	unsigned n_unread; /* packets in a row that found no room in the socket */
	bool over;
	struct waiter waiter;
};

/* Sends an object (takes the reference). 0 or -errno. */
static int say(const struct live *l, json_t *message)
{
	char *text = message ? json_dumps(message, JSON_COMPACT) : NULL;
	int r = -ENOMEM;

	if (text)
		r = send(l->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
	free(text);
	json_decref(message);
	return r;
}

/* A place among all traces. */
static bool take(bool root)
{
	if (!root && !limit_take(&users_limit, 1))
		return false;
	if (limit_take(&live_limit, 1))
		return true;
	if (!root)
		limit_give(&users_limit, 1);
	return false;
}

static void give(bool root)
{
	limit_give(&live_limit, 1);
	if (!root)
		limit_give(&users_limit, 1);
}

static void live_free(void *arg)
{
	struct live *l = arg;

	if (l->event)
		event_free(l->event);
	if (l->fd >= 0)
		close(l->fd);
	give(l->root);
	free(l);
}

/* Takes it from its port and says the last word; @why: NULL, or what the client did not expect. */
static void stop(struct live *l, const char *why)
{
	struct live **at = &l->port->lives;
	uint64_t seen = __atomic_load_n(&l->watch.n_seen, __ATOMIC_RELAXED);

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	l->port->n_lives--;
	l->over = true;
	(void)say(l, json_pack("{s:s?, s:I, s:I}", "end", why, "told", (json_int_t)l->n_told,
			       "left_out", (json_int_t)(seen - l->n_told)));
	event_free(l->event);
	close(l->fd);
	l->event = NULL;
	l->fd = -1;
}

/* The same while workers may see it. */
static void end(struct live *l, const char *why)
{
	struct swtch *sw = l->sw;

	stop(l, why);
	switch_publish(sw);
	datapath_settle(sw->dp, &l->waiter, live_free, l);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	end(arg, NULL);
}

void live_port_gone(struct sw_port *p)
{
	struct live *next;

	for (struct live *l = p->lives; l; l = next) {
		next = l->next;
		end(l, "the port is gone");
	}
}

void live_close(struct sw_port *p)
{
	struct live *next;

	for (struct live *l = p->lives; l; l = next) {
		next = l->next;
		stop(l, "vireod ends");
		live_free(l);
	}
}

void live_show(const struct sw_port *p, struct watch **out)
{
	unsigned n = 0;

	for (struct live *l = p->lives; l; l = l->next)
		out[n++] = &l->watch;
}

static json_t *describe(const struct live *l, struct flows *flows, const struct upcall *u)
{
	struct traced packet = { .in_port = u->in_port,
				 .frame = u->frame,
				 .len = u->frame_len,
				 .total_len = u->total_len };
	struct error err;
	json_t *story = flows_trace(flows, &packet, &err);
	struct timespec now;

	if (!story)
		return NULL;
	clock_gettime(CLOCK_REALTIME, &now);
	json_object_set_new(story, "number", json_integer((json_int_t)l->n_told + 1));
	json_object_set_new(story, "time",
			    json_real((double)now.tv_sec + (double)now.tv_nsec / NSEC_PER_SEC));
	json_object_set_new(story, "length", json_integer(u->total_len));
	if (u->reason < DROP_N_REASONS)
		json_object_set_new(story, "dropped", json_string(drop_name(u->reason)));
	if (u->version != pipeline_version(flows->current))
		json_object_set_new(story, "rules_changed", json_true());
	return story;
}

/* Nothing could be sent. Whether that is so too often. */
static bool stalls(struct live *l)
{
	if (++l->n_unread < LIVE_UNREAD_MAX)
		return false;
	limit_refuse(&unread_limit);
	log_limited(LOG_WARNING, "live trace of %s ended: its client does not read", l->port->name);
	return true;
}

/* From here on the trace is as good as over; it ends from the loop, where views can change. */
static void end_soon(struct live *l)
{
	l->over = true;
	event_active(l->event, EV_READ, 0);
}

static void tell(struct live *l, json_t *story)
{
	int r = say(l, story);

	if (r == -EMSGSIZE)
		r = say(l, json_pack("{s:I, s:b}", "number", (json_int_t)l->n_told + 1, "too_long",
				     1));
	if (r == -EAGAIN && !stalls(l))
		return;
	if (r < 0) {
		end_soon(l);
		return;
	}
	l->n_unread = 0;
	l->n_told++;
	if (l->counts && !--l->left)
		end_soon(l);
}

void live_packet(struct flows *flows, const struct upcall *u)
{
	struct live *l = container_of(u->watch, struct live, watch);
	uint64_t begin = clock_ns();
	json_t *story;

	if (l->over || l->sw->live_due > begin + LIVE_AHEAD_NS)
		return;
	story = describe(l, flows, u);
	if (story)
		tell(l, story);
	l->sw->live_due = max(l->sw->live_due, begin) + LIVE_SHARE * (clock_ns() - begin);
}

/* Whether packets come in by it that are no other port's. */
static int check_port(const struct sw_port *p, struct error *err)
{
	if (!port_is_patch(p->port))
		return 0;
	return error_set(err, -EINVAL,
			 "port \"%s\" is a patch: name the port by which packets come in to the "
			 "bridge at its other end",
			 p->name);
}

/* Messages are whole, and sending does not wait. */
static int check_socket(int fd, struct error *err)
{
	int domain = 0, type = 0;
	socklen_t len = sizeof(int);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) || domain != AF_UNIX ||
	    type != SOCK_SEQPACKET)
		return error_set(err, -EINVAL,
				 "a live trace wants a unix socket of the type SOCK_SEQPACKET");
	return 0;
}

/* NULL and a text, or with all that it needs. */
static struct live *make(struct sw_port *p, const struct live_request *request, int fd,
			 struct error *err)
{
	struct live *l;

	error_set(err, -EBUSY, "there are too many live traces already: try again later");
	if (!take(request->root))
		return NULL;
	error_set(err, -ENOMEM, "out of memory");
	l = calloc(1, sizeof(*l));
	if (!l) {
		give(request->root);
		return NULL;
	}
	*l = (struct live){ .sw = p->sw,
			    .port = p,
			    .fd = -1,
			    .root = request->root,
			    .counts = request->count,
			    .left = request->count };
	l->watch.limit = (struct view_limit){ NSEC_PER_SEC / LIVE_RATE,
					      NSEC_PER_SEC - NSEC_PER_SEC / LIVE_RATE };
	l->event = event_new(p->sw->base, fd, EV_READ, on_event, l);
	if (!l->event || event_add(l->event, NULL)) {
		live_free(l);
		return NULL;
	}
	l->fd = fd;
	return l;
}

int switch_trace_live(struct swtch *sw, const struct live_request *request, int fd,
		      struct error *err)
{
	struct sw_port *p = switch_find_port(sw, request->port);
	struct match match;
	struct live *l;
	int r;

	if (!p || !p->port || p->removing)
		return switch_no_such_port(sw, request->port, err);
	r = check_port(p, err);
	if (!r)
		r = flows_parse_match(p->bridge->flows, request->filter, &match, err);
	if (!r)
		r = check_socket(fd, err);
	if (r)
		return r;
	l = make(p, request, fd, err);
	if (!l)
		return -EBUSY;
	l->watch.filter = match;
	l->next = p->lives;
	p->lives = l;
	p->n_lives++;
	switch_publish(sw);
	return 0;
}
