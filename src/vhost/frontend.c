// SPDX-License-Identifier: Apache-2.0
/* The front-end side of vhost-user. A connection is a script: pump() sends the next message of it
 * whenever the socket takes one, and every message that is answered is remembered in order, so that
 * many can be on their way at once.
 */
#include "vhost/frontend.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/compiler.h"
#include "vhost/answer.h"
#include "vhost/channel.h"
#include "vhost/kept_inflight.h"
#include "vhost/socket.h"

#define RETRY_FIRST_MS 50
#define RETRY_MAX_MS 1000
#define EXPECT_MAX 64 /* answers that are waited for at a time */
#define BIT(n) (1ull << (n))

/* What pump() has to say next. */
enum phase {
	PHASE_DOWN,
	PHASE_FEATURES, /* ask for features, and wait */
	PHASE_PROTOCOL, /* ask for protocol features, and wait */
	PHASE_QUEUES,	/* ask for the number of queues, and wait */
	PHASE_SLOTS,	/* ask for memory slots, and wait */
	PHASE_ACCEPT,	/* tell features and status */
	PHASE_INFLIGHT, /* ask for an inflight region, unless there is one, and hand it over */
	PHASE_MEMORY,	/* hand over memory, region by region or as a table */
	PHASE_UP,	/* rings may be started */
};

/* The messages of one ring, in order. */
enum step {
	STEP_IDLE,
	STEP_NUM,
	STEP_BASE,
	STEP_ADDR,
	STEP_ERR,
	STEP_CALL,
	STEP_KICK,
	STEP_ENABLE,
	STEP_RUNNING,
	STEP_STOP,
	STEP_STOPPING,
};

struct script {
	struct netdrv_ring_info info;
	enum step step;
	int kick_fd, call_fd, err_fd; /* -1: never started */
};

struct expected {
	uint32_t request;
	bool ack; /* an answer of 0 or an error code, because NEED_REPLY asked for it */
};

struct frontend {
	struct netdrv_transport transport;
	struct frontend_config config;
	const struct frontend_ops *ops;
	void *owner;
	struct event_base *base;
	char *path;
	int listen_fd; /* -1: connects */
	struct vhost_socket_file file;
	struct event *accept_event, *retry_event, *read_event, *write_event;
	unsigned retry_ms;
	struct vhost_channel channel;

	enum phase phase;
	bool asked; /* the phase's question was sent */
	unsigned next_region;
	uint64_t features, protocol_features;
	bool can_log; /* VHOST_F_LOG_ALL is offered */
	uint64_t n_pairs;
	struct kept_inflight inflight;	      /* outlives connections */
	struct expected expected[EXPECT_MAX]; /* circular */
	unsigned first_expected, n_expected;
	bool starting;	     /* rings were started, the question that ends it was not sent */
	unsigned n_barriers; /* such questions that wait for an answer */
	bool ready;
	unsigned n_vrings;  /* highest one started, plus one */
	unsigned n_pending; /* vrings whose step is neither idle nor running */
	struct script vrings[FRONTEND_VRINGS_MAX];
};

static bool has_protocol(const struct frontend *fe, unsigned feature)
{
	return fe->protocol_features & BIT(feature);
}

static void retry_later(struct frontend *fe)
{
	struct timeval delay = { fe->retry_ms / 1000, fe->retry_ms % 1000 * 1000 };

	event_add(fe->retry_event, &delay);
	fe->retry_ms = min(fe->retry_ms * 2, (unsigned)RETRY_MAX_MS);
}

static void free_event(struct event **event)
{
	if (*event != NULL)
		event_free(*event);
	*event = NULL;
}

/* Forgets everything that belongs to a connection. */
static void reset(struct frontend *fe)
{
	free_event(&fe->read_event);
	free_event(&fe->write_event);
	vhost_channel_close(&fe->channel);
	fe->phase = PHASE_DOWN;
	fe->asked = fe->starting = fe->ready = false;
	fe->n_barriers = 0;
	fe->next_region = 0;
	fe->features = fe->protocol_features = 0;
	fe->n_pairs = 1;
	fe->n_expected = 0;
	fe->n_pending = 0;
	for (unsigned i = 0; i < fe->n_vrings; i++)
		fe->vrings[i].step = STEP_IDLE;
}

static void down(struct frontend *fe, const char *why)
{
	reset(fe);
	if (!fe->config.listen)
		retry_later(fe);
	if (fe->ops->down != NULL)
		fe->ops->down(fe->owner, why);
}

static int say(struct frontend *fe, uint32_t request, const void *payload, size_t size,
	       const int *fds, unsigned n_fds)
{
	bool answered = answer_len(request) > 0;
	bool ack = !answered && has_protocol(fe, VHOST_USER_PROTOCOL_F_REPLY_ACK) &&
		   request != VHOST_USER_SET_PROTOCOL_FEATURES;

	if (ack || answered) {
		if (fe->n_expected == EXPECT_MAX)
			return -ENOBUFS;
		fe->expected[(fe->first_expected + fe->n_expected++) % EXPECT_MAX] =
			(struct expected){ request, ack };
	}
	return vhost_channel_send(&fe->channel, request, ack ? VHOST_USER_FLAG_NEED_REPLY : 0,
				  payload, size, fds, n_fds);
}

static int say_u64(struct frontend *fe, uint32_t request, uint64_t value)
{
	return say(fe, request, &value, sizeof(value), NULL, 0);
}

static int say_state(struct frontend *fe, uint32_t request, unsigned index, uint32_t num)
{
	struct vhost_user_vring_state state = { index, num };

	return say(fe, request, &state, sizeof(state), NULL, 0);
}

static int say_fd(struct frontend *fe, uint32_t request, unsigned index, int fd)
{
	uint64_t value = index;

	return say(fe, request, &value, sizeof(value), &fd, 1);
}

static void describe(const struct driver_region *from, struct vhost_user_region *to)
{
	*to = (struct vhost_user_region){
		.guest_addr = from->guest_addr,
		.size = from->size,
		.user_addr = from->user_addr,
		.mmap_offset = from->fd_offset,
	};
}

static int say_table(struct frontend *fe)
{
	const struct driver_memory *mem = fe->config.memory;
	struct vhost_user_memory table = { .n_regions = mem->n_regions };
	int fds[VHOST_USER_TABLE_REGIONS_MAX];

	if (mem->n_regions > VHOST_USER_TABLE_REGIONS_MAX)
		return -E2BIG;
	for (unsigned i = 0; i < mem->n_regions; i++) {
		describe(&mem->regions[i], &table.regions[i]);
		fds[i] = mem->regions[i].fd;
	}
	return say(fe, VHOST_USER_SET_MEM_TABLE, &table,
		   offsetof(struct vhost_user_memory, regions) +
			   mem->n_regions * sizeof(table.regions[0]),
		   fds, mem->n_regions);
}

static int say_region(struct frontend *fe, const struct driver_region *region)
{
	struct vhost_user_single_region single = { 0 };

	describe(region, &single.region);
	return say(fe, VHOST_USER_ADD_MEM_REG, &single, sizeof(single), &region->fd, 1);
}

static int say_addr(struct frontend *fe, unsigned index)
{
	const struct netdrv_ring_info *info = &fe->vrings[index].info;
	const struct driver_memory *mem = fe->config.memory;
	struct vhost_user_vring_addr addr = {
		.index = index,
		.desc = driver_memory_user_addr(mem, info->desc),
		.used = driver_memory_user_addr(mem, info->device),
		.avail = driver_memory_user_addr(mem, info->driver),
	};

	return say(fe, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
}

/* Sends the next message of one ring's script. */
static int say_ring(struct frontend *fe, unsigned index)
{
	struct script *vring = &fe->vrings[index];

	switch (vring->step++) {
	case STEP_NUM:
		return say_state(fe, VHOST_USER_SET_VRING_NUM, index, vring->info.size);
	case STEP_BASE:
		return say_state(fe, VHOST_USER_SET_VRING_BASE, index, vring->info.base);
	case STEP_ADDR:
		return say_addr(fe, index);
	case STEP_ERR:
		return say_fd(fe, VHOST_USER_SET_VRING_ERR, index, vring->err_fd);
	case STEP_CALL:
		return say_fd(fe, VHOST_USER_SET_VRING_CALL, index, vring->call_fd);
	case STEP_KICK:
		return say_fd(fe, VHOST_USER_SET_VRING_KICK, index, vring->kick_fd);
	case STEP_ENABLE:
		fe->n_pending--;
		if (!(fe->features & BIT(VHOST_USER_F_PROTOCOL_FEATURES)))
			return 0; /* such rings are enabled from the start */
		return say_state(fe, VHOST_USER_SET_VRING_ENABLE, index, 1);
	default: /* STEP_STOP */
		fe->n_pending--;
		return say_state(fe, VHOST_USER_GET_VRING_BASE, index, 0);
	}
}

static int say_rings(struct frontend *fe)
{
	for (unsigned i = 0; fe->n_pending > 0 && i < fe->n_vrings; i++) {
		enum step step = fe->vrings[i].step;

		if (step != STEP_IDLE && step != STEP_RUNNING && step != STEP_STOPPING)
			return say_ring(fe, i);
	}
	return 0;
}

/* Tells the back-end what was agreed on. */
static int say_accept(struct frontend *fe)
{
	const uint64_t status =
		VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK;
	int rc = say_u64(fe, VHOST_USER_SET_FEATURES, fe->features);

	if (rc == 0 && has_protocol(fe, VHOST_USER_PROTOCOL_F_STATUS))
		rc = say_u64(fe, VHOST_USER_SET_STATUS, status);
	fe->phase = has_protocol(fe, VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD) ? PHASE_INFLIGHT
									   : PHASE_MEMORY;
	return rc;
}

/* The region of the connections before goes on; the first one needs one. */
static int say_inflight(struct frontend *fe)
{
	const struct vhost_user_inflight wanted = {
		.num_queues = (uint16_t)min(2 * fe->n_pairs, (uint64_t)FRONTEND_VRINGS_MAX),
		.queue_size = fe->config.inflight_size,
	};

	if (fe->inflight.fd < 0) {
		fe->asked = true;
		return say(fe, VHOST_USER_GET_INFLIGHT_FD, &wanted, sizeof(wanted), NULL, 0);
	}
	fe->phase = PHASE_MEMORY;
	return say(fe, VHOST_USER_SET_INFLIGHT_FD, &fe->inflight.shape, sizeof(fe->inflight.shape),
		   &fe->inflight.fd, 1);
}

static int say_memory(struct frontend *fe)
{
	const struct driver_memory *mem = fe->config.memory;
	int rc = 0;

	if (!has_protocol(fe, VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS)) {
		rc = say_table(fe);
		fe->next_region = mem->n_regions;
	} else if (fe->next_region < mem->n_regions) {
		rc = say_region(fe, &mem->regions[fe->next_region++]);
	}
	if (rc == 0 && fe->next_region == mem->n_regions) {
		fe->phase = PHASE_UP;
		fe->retry_ms = RETRY_FIRST_MS;
		if (fe->ops->negotiated != NULL)
			fe->ops->negotiated(fe->owner, fe->features, (unsigned)fe->n_pairs);
	}
	return rc;
}

/* The last messages before ready(): the device may run, and a question whose answer comes when all
 * before it was handled. */
static int say_barrier(struct frontend *fe)
{
	const uint64_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
				VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK;
	int rc = 0;

	fe->starting = false;
	fe->n_barriers++;
	if (has_protocol(fe, VHOST_USER_PROTOCOL_F_STATUS))
		rc = say_u64(fe, VHOST_USER_SET_STATUS, status);
	return rc == 0 ? say(fe, VHOST_USER_GET_FEATURES, NULL, 0, NULL, 0) : rc;
}

static int ask(struct frontend *fe, uint32_t request)
{
	fe->asked = true;
	return say(fe, request, NULL, 0, NULL, 0);
}

static int say_up(struct frontend *fe)
{
	if (fe->n_pending > 0)
		return say_rings(fe);
	return say_barrier(fe);
}

/* Whether there is something to say now. */
static bool can_say(const struct frontend *fe)
{
	if (fe->phase == PHASE_DOWN || fe->n_expected > EXPECT_MAX - 2 ||
	    vhost_channel_sending(&fe->channel))
		return false;
	if (fe->phase == PHASE_UP)
		return fe->n_pending > 0 || fe->starting;
	return !fe->asked;
}

static int say_next(struct frontend *fe)
{
	int rc;

	switch (fe->phase) {
	case PHASE_FEATURES:
		rc = say(fe, VHOST_USER_SET_OWNER, NULL, 0, NULL, 0);
		return rc == 0 ? ask(fe, VHOST_USER_GET_FEATURES) : rc;
	case PHASE_PROTOCOL:
		return ask(fe, VHOST_USER_GET_PROTOCOL_FEATURES);
	case PHASE_QUEUES:
		return ask(fe, VHOST_USER_GET_QUEUE_NUM);
	case PHASE_SLOTS:
		return ask(fe, VHOST_USER_GET_MAX_MEM_SLOTS);
	case PHASE_ACCEPT:
		return say_accept(fe);
	case PHASE_INFLIGHT:
		return say_inflight(fe);
	case PHASE_MEMORY:
		return say_memory(fe);
	case PHASE_UP:
		return say_up(fe);
	default:
		return -EINVAL;
	}
}

static void pump(struct frontend *fe)
{
	while (can_say(fe)) {
		int rc = say_next(fe);

		if (rc == -E2BIG) {
			down(fe, "back-end takes only 8 memory regions");
			return;
		}
		if (rc != 0) {
			down(fe, strerror(-rc));
			return;
		}
	}
	if (fe->phase != PHASE_DOWN && vhost_channel_sending(&fe->channel))
		event_add(fe->write_event, NULL);
}

/* Goes to the next phase that this back-end has. */
static void advance(struct frontend *fe)
{
	fe->asked = false;
	fe->phase++;
	if (fe->phase == PHASE_PROTOCOL && !(fe->features & BIT(VHOST_USER_F_PROTOCOL_FEATURES)))
		fe->phase = PHASE_ACCEPT;
	if (fe->phase == PHASE_QUEUES && !has_protocol(fe, VHOST_USER_PROTOCOL_F_MQ))
		fe->phase++;
	if (fe->phase == PHASE_SLOTS &&
	    !has_protocol(fe, VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS))
		fe->phase++;
}

static int on_features(struct frontend *fe, uint64_t offered, struct error *err)
{
	if (fe->phase == PHASE_UP) {
		fe->ready = --fe->n_barriers == 0 && !fe->starting;
		if (fe->ready && fe->ops->ready != NULL)
			fe->ops->ready(fe->owner);
		return 0;
	}
	if (fe->config.required & ~offered)
		return error_set(err, -EPROTO, "back-end lacks features %#llx",
				 (unsigned long long)(fe->config.required & ~offered));
	fe->features = offered & fe->config.features & ~BIT(VHOST_USER_F_LOG_ALL);
	fe->can_log = offered & BIT(VHOST_USER_F_LOG_ALL);
	advance(fe);
	return 0;
}

static int on_protocol_features(struct frontend *fe, uint64_t offered, struct error *err)
{
	uint64_t agreed = offered & fe->config.protocol_features & FRONTEND_PROTOCOL_FEATURES;

	if (fe->config.inflight_size)
		agreed |= offered & BIT(VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD);
	fe->protocol_features = agreed;
	if (say_u64(fe, VHOST_USER_SET_PROTOCOL_FEATURES, agreed) != 0)
		return error_set(err, -ECONNRESET, "connection lost");
	advance(fe);
	return 0;
}

static int on_base(struct frontend *fe, const struct vhost_user_vring_state *state,
		   struct error *err)
{
	if (state->index >= fe->n_vrings || fe->vrings[state->index].step != STEP_STOPPING)
		return error_set(err, -EPROTO, "GET_VRING_BASE answered for a wrong ring");
	fe->vrings[state->index].step = STEP_IDLE;
	if (fe->ops->stopped != NULL)
		fe->ops->stopped(fe->owner, state->index, state->num);
	return 0;
}

static int on_answer(struct frontend *fe, struct vhost_message *message, struct error *err)
{
	const struct expected e = fe->expected[fe->first_expected];
	size_t len = e.ack ? sizeof(uint64_t) : answer_len(e.request);
	uint64_t value = message->payload.u64;

	if (fe->n_expected == 0 || message->header.request != e.request ||
	    !(message->header.flags & VHOST_USER_FLAG_REPLY) ||
	    (len != ANSWER_ANY && message->header.size != len))
		return error_set(err, -EPROTO, "unexpected message %u from the back-end",
				 message->header.request);
	fe->first_expected = (fe->first_expected + 1) % EXPECT_MAX;
	fe->n_expected--;
	if (e.ack)
		return value == 0
			       ? 0
			       : error_set(err, -EPROTO, "back-end refused message %u", e.request);
	switch (e.request) {
	case VHOST_USER_GET_FEATURES:
		return on_features(fe, value, err);
	case VHOST_USER_GET_PROTOCOL_FEATURES:
		return on_protocol_features(fe, value, err);
	case VHOST_USER_GET_QUEUE_NUM:
		fe->n_pairs = value < 1 ? 1 : min(value, (uint64_t)NETDRV_PAIRS_MAX);
		advance(fe);
		return 0;
	case VHOST_USER_GET_MAX_MEM_SLOTS:
		if (value < fe->config.memory->n_regions)
			return error_set(err, -EPROTO, "back-end has too few memory slots");
		advance(fe);
		return 0;
	case VHOST_USER_GET_INFLIGHT_FD:
		fe->asked = false;
		return kept_inflight_take(&fe->inflight, message, err);
	case VHOST_USER_SET_LOG_BASE:
		return 0; /* that it comes is all that it says */
	case VHOST_USER_SET_DEVICE_STATE_FD:
	case VHOST_USER_CHECK_DEVICE_STATE:
		if (fe->ops->answered != NULL)
			fe->ops->answered(fe->owner, e.request, value,
					  message->n_fds > 0 ? &message->fds[0] : &(int){ -1 });
		return 0;
	default:
		return on_base(fe, &message->payload.state, err);
	}
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct frontend *fe = arg;
	struct vhost_message message;
	struct error err = { "connection closed by the back-end" };
	int rc;

	while ((rc = vhost_channel_receive(&fe->channel, &message, &err)) == 1) {
		rc = on_answer(fe, &message, &err);
		vhost_message_close_fds(&message);
		if (rc != 0)
			break;
	}
	if (rc != 0)
		down(fe, err.text);
	else
		pump(fe);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct frontend *fe = arg;
	int rc = vhost_channel_flush(&fe->channel);

	if (rc != 0)
		down(fe, strerror(-rc));
	else
		pump(fe);
}

/* A connection: takes over @fd. */
static void up(struct frontend *fe, int fd)
{
	vhost_channel_init(&fe->channel, fd);
	fe->read_event = event_new(fe->base, fd, EV_READ | EV_PERSIST, on_readable, fe);
	fe->write_event = event_new(fe->base, fd, EV_WRITE, on_writable, fe);
	if (fe->read_event == NULL || fe->write_event == NULL ||
	    event_add(fe->read_event, NULL) != 0) {
		down(fe, "out of memory");
		return;
	}
	fe->phase = PHASE_FEATURES;
	pump(fe);
}

static void on_retry(evutil_socket_t unused, short what, void *arg)
{
	struct frontend *fe = arg;
	int fd = vhost_socket_connect(fe->path, NULL);

	if (fd >= 0)
		up(fe, fd);
	else
		retry_later(fe);
}

static void on_accept(evutil_socket_t listen_fd, short what, void *arg)
{
	struct frontend *fe = arg;
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (fe->phase == PHASE_DOWN)
		up(fe, fd);
	else
		close(fd); /* one back-end at a time */
}

static int start_listening(struct frontend *fe, struct error *err)
{
	const struct vhost_socket_rights rights = { .uid = -1, .gid = -1, .mode = -1 };

	fe->listen_fd = vhost_socket_listen(fe->path, &rights, &fe->file, err);
	if (fe->listen_fd < 0)
		return fe->listen_fd;
	fe->accept_event = event_new(fe->base, fe->listen_fd, EV_READ | EV_PERSIST, on_accept, fe);
	if (fe->accept_event == NULL || event_add(fe->accept_event, NULL) != 0)
		return error_set(err, -ENOMEM, "out of memory");
	return 0;
}

static int open_fd(int *fd)
{
	if (*fd < 0)
		*fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return *fd < 0 ? -errno : 0;
}

static int start_queue(struct netdrv_transport *transport, unsigned index,
		       const struct netdrv_ring_info *ring, struct error *err)
{
	struct frontend *fe = container_of(transport, struct frontend, transport);
	struct script *vring;

	if (fe->phase != PHASE_UP)
		return error_set(err, -ENOTCONN, "no back-end is connected");
	if (index >= FRONTEND_VRINGS_MAX)
		return error_set(err, -EINVAL, "there is no ring %u", index);
	vring = &fe->vrings[index];
	if (vring->step != STEP_IDLE)
		return error_set(err, -EBUSY, "ring %u is running", index);
	if (open_fd(&vring->kick_fd) != 0 || open_fd(&vring->call_fd) != 0 ||
	    open_fd(&vring->err_fd) != 0)
		return error_set(err, -errno, "eventfd: %s", strerror(errno));
	vring->info = *ring;
	vring->step = STEP_NUM;
	fe->n_pending++;
	fe->n_vrings = max(fe->n_vrings, index + 1);
	fe->starting = true;
	fe->ready = false;
	event_active(fe->write_event, EV_WRITE, 0); /* pump, from the loop */
	return 0;
}

static void kick(struct netdrv_transport *transport, unsigned index)
{
	struct frontend *fe = container_of(transport, struct frontend, transport);

	/* Fails only when the counter is full: then the back-end will wake up anyway. */
	eventfd_write(fe->vrings[index].kick_fd, 1);
}

static int call_fd(const struct netdrv_transport *transport, unsigned index)
{
	const struct frontend *fe = container_of(transport, struct frontend, transport);

	return fe->vrings[index].call_fd;
}

static const struct netdrv_transport_ops transport_ops = {
	.start_queue = start_queue,
	.kick = kick,
	.call_fd = call_fd,
};

int frontend_create(struct frontend **out, const struct frontend_config *config,
		    const struct frontend_ops *ops, void *owner, struct event_base *base,
		    struct error *err)
{
	struct frontend *fe;
	int rc = vhost_socket_check_path(config->path, err);

	if (rc != 0)
		return rc;
	fe = calloc(1, sizeof(*fe));
	if (fe == NULL)
		return error_set(err, -ENOMEM, "out of memory");
	fe->transport.ops = &transport_ops;
	fe->config = *config;
	fe->config.path = NULL;
	fe->ops = ops;
	fe->owner = owner;
	fe->base = base;
	fe->path = strdup(config->path);
	fe->listen_fd = fe->inflight.fd = -1;
	fe->retry_ms = RETRY_FIRST_MS;
	fe->n_pairs = 1;
	vhost_channel_init(&fe->channel, -1);
	for (unsigned i = 0; i < FRONTEND_VRINGS_MAX; i++)
		fe->vrings[i].kick_fd = fe->vrings[i].call_fd = fe->vrings[i].err_fd = -1;
	fe->retry_event = evtimer_new(base, on_retry, fe);
	if (fe->path == NULL || fe->retry_event == NULL)
		rc = error_set(err, -ENOMEM, "out of memory");
	else if (config->listen)
		rc = start_listening(fe, err);
	else
		event_active(fe->retry_event, EV_TIMEOUT, 0);
	if (rc != 0)
		frontend_destroy(fe);
	else
		*out = fe;
	return rc;
}

void frontend_destroy(struct frontend *fe)
{
	if (fe == NULL)
		return;
	reset(fe);
	free_event(&fe->retry_event);
	free_event(&fe->accept_event);
	if (fe->listen_fd >= 0) {
		close(fe->listen_fd);
		vhost_socket_remove(fe->path, &fe->file);
	}
	for (unsigned i = 0; i < fe->n_vrings; i++) {
		struct script *vring = &fe->vrings[i];
		const int fds[] = { vring->kick_fd, vring->call_fd, vring->err_fd };

		for (unsigned j = 0; j < ARRAY_SIZE(fds); j++)
			if (fds[j] >= 0)
				close(fds[j]);
	}
	frontend_forget_inflight(fe);
	free(fe->path);
	free(fe);
}

struct netdrv_transport *frontend_transport(struct frontend *fe)
{
	return &fe->transport;
}

int frontend_stop_ring(struct frontend *fe, unsigned index)
{
	if (index >= fe->n_vrings || fe->vrings[index].step != STEP_RUNNING)
		return -ENOTCONN;
	fe->vrings[index].step = STEP_STOP;
	fe->n_pending++;
	event_active(fe->write_event, EV_WRITE, 0);
	return 0;
}

int frontend_enable_ring(struct frontend *fe, unsigned index, bool enable)
{
	if (index >= fe->n_vrings || fe->vrings[index].step != STEP_RUNNING)
		return -ENOTCONN;
	if (!(fe->features & BIT(VHOST_USER_F_PROTOCOL_FEATURES)))
		return -EOPNOTSUPP;
	return say_state(fe, VHOST_USER_SET_VRING_ENABLE, index, enable);
}

/* Tells which features there are now, and asks for an answer to all of it. */
static int say_logging(struct frontend *fe, bool on)
{
	int rc = say_u64(fe, VHOST_USER_SET_FEATURES,
			 fe->features | (on ? BIT(VHOST_USER_F_LOG_ALL) : 0));

	if (rc != 0)
		return rc;
	fe->starting = true;
	fe->ready = false;
	event_active(fe->write_event, EV_WRITE, 0);
	return 0;
}

int frontend_start_log(struct frontend *fe, int fd, uint64_t offset, uint64_t size)
{
	struct vhost_user_log log = { .size = size, .offset = offset };
	int rc;

	if (fe->phase != PHASE_UP)
		return -ENOTCONN;
	if (!fe->can_log || !has_protocol(fe, VHOST_USER_PROTOCOL_F_LOG_SHMFD))
		return -EOPNOTSUPP;
	rc = say(fe, VHOST_USER_SET_LOG_BASE, &log, sizeof(log), &fd, 1);
	return rc == 0 ? say_logging(fe, true) : rc;
}

int frontend_stop_log(struct frontend *fe)
{
	return fe->phase == PHASE_UP ? say_logging(fe, false) : -ENOTCONN;
}

void frontend_forget_inflight(struct frontend *fe)
{
	kept_inflight_forget(&fe->inflight);
}

struct vhost_user_inflight frontend_inflight(const struct frontend *fe, int *fd)
{
	*fd = fe->inflight.fd;
	return fe->inflight.shape;
}

int frontend_ask(struct frontend *fe, uint32_t request, const void *payload, size_t size, int fd)
{
	return fe->phase == PHASE_UP ? say(fe, request, payload, size, &fd, fd >= 0) : -ENOTCONN;
}

uint64_t frontend_features(const struct frontend *fe)
{
	return fe->phase == PHASE_UP ? fe->features : 0;
}

uint64_t frontend_protocol_features(const struct frontend *fe)
{
	return fe->phase == PHASE_UP ? fe->protocol_features : 0;
}

bool frontend_ready(const struct frontend *fe)
{
	return fe->ready;
}

int frontend_err_fd(const struct frontend *fe, unsigned index)
{
	return index < FRONTEND_VRINGS_MAX ? fe->vrings[index].err_fd : -1;
}

int frontend_fd(const struct frontend *fe)
{
	return fe->phase == PHASE_DOWN ? -1 : fe->channel.fd;
}
