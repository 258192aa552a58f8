// SPDX-License-Identifier: Apache-2.0
/* libFuzzer target: a vhost-user session. A front-end whose every message comes from the input,
 * with fds of many kinds, against a device whose live rings are served as a worker would. The
 * device's endpoint is here, so that messages cost no system call; fuzz_socket has the real one.
 *
 * The endpoint keeps the journal. Now and then the process dies, and the next one is told what was
 * kept: it must make the same device of it. After each input the front-end goes, and the process
 * must have as many open fds as before.
 */
#include <event2/event.h>

#include "base/log.h"
#include "device_owner.h"
#include "rcu_now.h"
#include "virtio/ring_state.h"

#define STEPS_MAX 200

static struct event_base *base;
static const struct vhost_endpoint_events *events;
static void *events_owner;
static struct ring_state states[N_VRINGS] __attribute__((aligned(64)));

/* The endpoint. */
static struct {
	struct vhost_journal *journal;
	struct vhost_message message; /* at hand; its fds are ours */
	bool at_hand, connected;
	int inflight_fd;      /* that the last answer brought; -1: none */
	bool inflight_is_any; /* it has given a region of its own, maybe where the guest writes */
} keeper = { .inflight_fd = -1 };

/* ---- the endpoint */

static void drop_message(void)
{
	if (keeper.at_hand)
		vhost_message_close_fds(&keeper.message);
	keeper.at_hand = false;
}

static void end_wait(struct vhost_endpoint *ep)
{
	require(!keeper.connected);
}

static void end_done(struct vhost_endpoint *ep, const struct vhost_verdict *v)
{
	require(keeper.connected && keeper.at_hand);
	require(v->n_edits <= VHOST_EDITS_MAX);
	require(!v->reply || (v->size <= VHOST_USER_PAYLOAD_MAX && v->n_fds <= 1 &&
			      v->request == keeper.message.header.request));
	if (v->reply && v->n_fds) {
		if (keeper.inflight_fd >= 0)
			close(keeper.inflight_fd);
		keeper.inflight_fd = fd_again(v->fds[0]);
	}
	require(vhost_journal_edit(keeper.journal, v->edits, v->n_edits, &keeper.message) == 0);
	drop_message();
}

static void end_connection(void)
{
	drop_message();
	vhost_journal_clear(keeper.journal);
	keeper.connected = keeper.inflight_is_any = false;
}

static void end_hang_up(struct vhost_endpoint *ep)
{
	end_connection();
}

static void end_destroy(struct vhost_endpoint *ep)
{
}

static const struct vhost_endpoint_ops endpoint_ops = {
	.wait = end_wait, .done = end_done, .hang_up = end_hang_up, .destroy = end_destroy
};

static struct vhost_endpoint endpoint = { .ops = &endpoint_ops, .ring_states = states };

static int make_endpoint(const struct vhost_endpoint_maker *maker, struct vhost_endpoint **out,
			 const struct vhost_endpoint_config *config,
			 const struct vhost_endpoint_events *e, void *owner, struct error *err)
{
	events = e;
	events_owner = owner;
	*out = &endpoint;
	return 0;
}

static const struct vhost_endpoint_maker maker = { make_endpoint };

/* ---- the front-end */

static void own_fds(struct vhost_message *m)
{
	for (unsigned i = 0; i < m->n_fds; i++)
		m->fds[i] = fd_again(m->fds[i]);
}

/* Lets the device have @m as soon as the one before is done. */
static void deliver(const struct vhost_message *m)
{
	struct vhost_message copy = *m;

	if (keeper.at_hand && !hold)
		answer_quiesce();
	if (keeper.at_hand || !keeper.connected)
		return;
	keeper.message = copy;
	own_fds(&keeper.message);
	own_fds(&copy);
	keeper.at_hand = true;
	events->message(events_owner, &copy);
	if (!hold)
		answer_quiesce();
}

static void come(void)
{
	keeper.connected = true;
	events->connected(events_owner, 1, false);
}

static void go(void)
{
	hold = false;
	if (keeper.connected) {
		end_connection();
		events->disconnected(events_owner, NULL);
	}
	answer_quiesce();
	require(!vhost_device_state(device)->connected);
	for (unsigned i = 0; i < N_VRINGS; i++)
		require(!vhost_device_vring(device, i)->live);
}

/* Whole set-ups, so that the fuzzer need not find each of their messages. */
static void set_up(struct input *in)
{
	unsigned choice = take_choice(in, 256);
	uint64_t features = F_BIT(VIRTIO_F_VERSION_1) | F_BIT(VIRTIO_RING_F_EVENT_IDX) |
			    F_BIT(VIRTIO_RING_F_INDIRECT_DESC);
	struct vhost_message m;

	message_u64(&m, VHOST_USER_SET_PROTOCOL_FEATURES, ALL_PROTOCOL);
	deliver(&m);
	features |= choice & 1 ? F_BIT(VIRTIO_F_RING_PACKED) : 0;
	features |= choice & 2 ? F_BIT(VHOST_USER_F_PROTOCOL_FEATURES) : 0;
	message_u64(&m, VHOST_USER_SET_FEATURES, features);
	deliver(&m);
	message_init(&m, VHOST_USER_SET_MEM_TABLE, 40);
	m.payload.memory.n_regions = 1;
	m.payload.memory.regions[0] =
		(struct vhost_user_region){ GUEST_ADDR, GUEST_LEN, GUEST_USER_ADDR, 0 };
	message_fd(&m, fds_of_kind[FD_GUEST]);
	deliver(&m);
	for (unsigned i = 0; i < N_VRINGS; i++) {
		if (!(choice >> (4 + i) & 1))
			continue;
		message_state(&m, VHOST_USER_SET_VRING_NUM, i, choice & 4 ? 256 : 8);
		deliver(&m);
		if (choice & 1) {
			message_state(&m, VHOST_USER_SET_VRING_BASE, i, 0x8000);
			deliver(&m);
		}
		make_addr(&m, i);
		deliver(&m);
		make_ring_fd(&m, VHOST_USER_SET_VRING_KICK, i, fds_of_kind[FD_EVENT]);
		deliver(&m);
	}
}

/* A state that is loaded, or saved, through a pipe of its own. */
static void transfer(struct input *in)
{
	bool loads = take_choice(in, 2);
	uint8_t bytes[256] = { 0 };
	size_t n = take_number(in, 1);
	struct vhost_message m;
	int ends[2];

	require(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
	message_init(&m, VHOST_USER_SET_DEVICE_STATE_FD, sizeof(m.payload.transfer));
	m.payload.transfer.direction = loads ? VHOST_USER_TRANSFER_LOAD : VHOST_USER_TRANSFER_SAVE;
	m.payload.transfer.phase = take_choice(in, 8) == 1;
	message_fd(&m, ends[!loads]);
	deliver(&m);
	event_base_loop(base, EVLOOP_NONBLOCK);
	take_bytes(in, bytes, n);
	if (loads && write(ends[1], bytes, n) < 0)
		require(errno == EPIPE);
	else if (!loads && n & 1 && read(ends[0], bytes, sizeof(bytes)) < 0)
		require(errno == EAGAIN);
	close(ends[0]);
	close(ends[1]);
	event_base_loop(base, EVLOOP_NONBLOCK);
	if (n & 2) {
		message_init(&m, VHOST_USER_CHECK_DEVICE_STATE, 0);
		deliver(&m);
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
}

/* The region of the last GET_INFLIGHT_FD comes back. */
static void return_inflight(struct input *in)
{
	struct vhost_message m;

	if (keeper.inflight_fd < 0)
		return;
	message_init(&m, VHOST_USER_SET_INFLIGHT_FD, sizeof(m.payload.inflight));
	m.payload.inflight.mmap_size = take_number(in, 2);
	m.payload.inflight.num_queues = (uint16_t)(1 + take_choice(in, N_VRINGS));
	m.payload.inflight.queue_size = (uint16_t)(1u << take_choice(in, 9));
	message_fd(&m, keeper.inflight_fd);
	deliver(&m);
}

/* ---- the process dies, and another goes on */

struct summary {
	uint64_t features, protocol_features;
	unsigned n_ranges;
	uint16_t mtu;
	uint8_t status;
	struct {
		bool started, enabled, has_addr, live;
		uint32_t size, reset_base;
		uint64_t desc, driver, device;
		bool kick, call, err;
	} rings[N_VRINGS];
};

static void summarize(struct summary *s)
{
	const struct vhost_device_state *st = vhost_device_state(device);

	memset(s, 0, sizeof(*s));
	s->features = st->features;
	s->protocol_features = st->protocol_features;
	s->n_ranges = st->mem->n_ranges;
	s->mtu = st->mtu;
	s->status = st->status;
	for (unsigned i = 0; i < N_VRINGS; i++) {
		const struct vhost_vring *v = vhost_device_vring(device, i);

		s->rings[i].started = v->started;
		s->rings[i].enabled = v->enabled;
		s->rings[i].has_addr = v->has_addr;
		/* a region that says other things by now may be right now, or no longer */
		s->rings[i].live = v->live && !keeper.inflight_is_any;
		s->rings[i].size = v->size;
		s->rings[i].reset_base = v->reset_base;
		s->rings[i].desc = v->desc_addr;
		s->rings[i].driver = v->driver_addr;
		s->rings[i].device = v->device_addr;
		s->rings[i].kick = v->kick_fd >= 0;
		s->rings[i].call = v->call_fd >= 0;
		s->rings[i].err = v->err_fd >= 0;
	}
}

static void make_device(void)
{
	struct vhost_device_config config = owner_config;
	struct error err;

	config.base = base;
	require(vhost_device_create(&device, &config, &owner_ops, NULL, &maker, &err) == 0);
}

static void tell_kept(void)
{
	struct vhost_message m;
	uint64_t number = 0;

	events->connected(events_owner, 1, true);
	while (keeper.connected && (number = vhost_journal_next(keeper.journal, number, &m))) {
		own_fds(&m);
		events->kept(events_owner, &m);
	}
	if (keeper.connected)
		events->resumed(events_owner);
}

static void die(void)
{
	static struct ring_state left[N_VRINGS];
	struct vhost_message at_hand = keeper.message;
	struct summary before, after;
	bool again = keeper.at_hand, any_region;

	if (!keeper.connected)
		return;
	summarize(&before);
	memcpy(left, states, sizeof(left));
	asked = false;
	vhost_device_destroy(device);
	memcpy(states, left, sizeof(left)); /* the dead change nothing */
	make_device();
	keeper.at_hand = false;
	any_region = keeper.inflight_is_any;
	tell_kept();
	if (!keeper.connected && any_region) { /* as summarize() says */
		if (again)
			vhost_message_close_fds(&at_hand);
		return;
	}
	require(keeper.connected);
	summarize(&after);
	require(memcmp(&before, &after, sizeof(before)) == 0);
	if (again) { /* has not acted */
		own_fds(&at_hand);
		keeper.at_hand = true;
		events->message(events_owner, &at_hand);
	}
}

/* ---- */

static void step(struct input *in)
{
	struct vhost_message m;

	switch (take_choice(in, 12)) {
	case 0:
		set_up(in);
		break;
	case 1:
		go();
		come();
		break;
	case 2:
		hold = take_choice(in, 2);
		break;
	case 3:
		guest_writes(in);
		break;
	case 4:
	case 5:
		guest_offers(in);
		break;
	case 6:
		transfer(in);
		break;
	case 7:
		return_inflight(in);
		break;
	case 8:
		die();
		break;
	default:
		make_message(in, &m);
		keeper.inflight_is_any |= m.header.request == VHOST_USER_SET_INFLIGHT_FD;
		deliver(&m);
	}
	serve_rings();
	if (!keeper.connected) {
		go();
		come();
	}
}

static void prepare(void)
{
	log_set_level("all", "error", NULL);
	fds_prepare();
	base = event_base_new();
	require(base);
	keeper.journal = vhost_journal_create();
	require(keeper.journal);
	make_device();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	unsigned n_fds;

	if (!device)
		prepare();
	n_fds = fds_open();
	memset(fd_guest_memory, 0, BUFFERS);
	memset(states, 0, sizeof(states));
	come();
	for (unsigned i = 0; i < STEPS_MAX && in.left; i++)
		step(&in);
	go();
	if (keeper.inflight_fd >= 0)
		close(keeper.inflight_fd);
	keeper.inflight_fd = -1;
	require(fds_open() == n_fds);
	return 0;
}
