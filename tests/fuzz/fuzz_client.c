// SPDX-License-Identifier: Apache-2.0
/* libFuzzer target: what the keeper says to the switch process: what is held, how it starts, and
 * what front-ends do. Packets come from the input, as the protocol has them, with a few bytes
 * changed, or any, in any order, to a client with a real vhost-user device whose rings are served.
 */
#include <event2/event.h>
#include <stdio.h>

#include "../unit/fds.h"
#include "base/log.h"
#include "device_owner.h"
#include "keeper/client.h"
#include "keeper/link.h"
#include "rcu_now.h"
#include "virtio/ring_state.h"

#define STEPS_MAX 200
#define STATES_LEN (VHOST_VRINGS_MAX * sizeof(struct ring_state))

static struct event_base *base;
static struct keeper_client *client;
static int peer;	 /* the keeper's end */
static uint32_t n_asked; /* questions */
static bool lost;

/* ---- the switch */

static void on_lost(void *owner, const char *why)
{
	require(why && !lost);
	lost = true;
}

static void on_event(void *owner)
{
}

static void on_refused(void *owner, int rc, const char *why)
{
	require(why);
}

static int on_look(void *owner, bool *asleep)
{
	*asleep = true;
	return 0;
}

static const struct keeper_client_ops client_ops = { .lost = on_lost,
						     .told = on_event,
						     .leave = on_event,
						     .replaced = on_event,
						     .refused = on_refused,
						     .look = on_look };

/* ---- the keeper */

static void send_packet(const struct keeper_packet *p)
{
	uint8_t bytes[sizeof(p->header) + KEEPER_PAYLOAD_MAX];
	size_t len = min(p->header.size, (uint32_t)KEEPER_PAYLOAD_MAX);

	memcpy(bytes, &p->header, sizeof(p->header));
	memcpy(bytes + sizeof(p->header), p->bytes, len);
	send_fds(peer, bytes, sizeof(p->header) + len, p->fds, p->n_fds,
		 MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void packet_init(struct keeper_packet *p, enum keeper_kind kind, uint32_t id,
			uint32_t connection)
{
	memset(p, 0, sizeof(*p));
	keeper_packet_init(p, kind, id, connection);
}

static void fill_message(struct input *in, struct keeper_packet *p)
{
	struct vhost_message m;

	make_message(in, &m);
	p->header.size = (uint32_t)(sizeof(m.header) + m.header.size);
	memcpy(p->bytes, &m.header, sizeof(m.header));
	memcpy(p->bytes + sizeof(m.header), m.payload.bytes, m.header.size);
	memcpy(p->fds, m.fds, sizeof(m.fds));
	p->n_fds = m.n_fds;
}

static void fill(struct input *in, struct keeper_packet *p)
{
	switch (p->header.kind) {
	case KEEPER_HELD:
		snprintf(p->key, sizeof(p->key), "key %u", take_choice(in, 4));
		p->header.size = sizeof(p->key);
		p->fds[p->n_fds++] = take_fd(in);
		break;
	case KEEPER_DEVICE_CONNECTED:
		p->connected.peer_pid = 1;
		p->connected.resumed = take_choice(in, 2);
		p->header.size = sizeof(p->connected);
		break;
	case KEEPER_DEVICE_KEPT:
	case KEEPER_DEVICE_MESSAGE:
		fill_message(in, p);
		break;
	case KEEPER_REFUSED:
	case KEEPER_DEVICE_DISCONNECTED:
		p->header.size = take_choice(in, 8);
		memcpy(p->text, "because", 8);
		break;
	default:
		break;
	}
}

static void damage(struct input *in, struct keeper_packet *p)
{
	unsigned n = take_choice(in, 32);

	for (n = n < 10 ? n : 0; n; n--)
		if (p->n_fds < KEEPER_FDS_MAX)
			p->fds[p->n_fds++] = take_fd(in);
	if (p->header.size)
		take_damage(in, p->bytes, p->header.size, 3);
	take_damage(in, &p->header, sizeof(p->header), 2);
}

static void say(struct input *in)
{
	static const uint32_t kinds[] = {
		KEEPER_DEVICE_CONNECTED,
		KEEPER_DEVICE_KEPT,
		KEEPER_DEVICE_RESUMED,
		KEEPER_DEVICE_MESSAGE,
		KEEPER_DEVICE_MESSAGE,
		KEEPER_DEVICE_MESSAGE,
		KEEPER_DEVICE_MESSAGE,
		KEEPER_DEVICE_MESSAGE,
		KEEPER_DEVICE_DISCONNECTED,
		KEEPER_TOLD,
		KEEPER_LEAVE,
		KEEPER_REFUSED,
		KEEPER_REPLACED,
		KEEPER_ASK,
		KEEPER_HELD,
		KEEPER_DEVICE_KEPT,
	};
	struct keeper_packet p;

	packet_init(&p, kinds[take_choice(in, ARRAY_SIZE(kinds))], take_choice(in, 8) ? 1 : 0,
		    take_choice(in, 8) == 1 ? 2 : 1);
	fill(in, &p);
	damage(in, &p);
	send_packet(&p);
}

/* ---- the beginning */

/* A file for the states of rings that may be an earlier process's, and may be wrong. */
static int make_states(struct input *in)
{
	int fd = memfd_create("states", MFD_CLOEXEC);
	struct ring_state state = { 0 };

	require(fd >= 0 && ftruncate(fd, take_choice(in, 16) == 1 ? 4096 : STATES_LEN) == 0);
	for (unsigned i = take_choice(in, N_VRINGS + 1); i; i--) {
		state.running = ring_state_mark(take_choice(in, 2), 1u << take_choice(in, 9));
		state.position = (uint32_t)take_number(in, 4);
		state.n_taken = (uint32_t)take_number(in, 1);
		take_damage(in, &state, sizeof(state), 8);
		require(pwrite(fd, &state, sizeof(state), (i - 1) * sizeof(state)) > 0);
	}
	return fd;
}

/* Puts the answer to a client that is about to open a device into its socket, behind one that may
 * be wrong, so that it need not wait. */
static void answer_open(struct input *in)
{
	struct keeper_packet p;
	int fd = make_states(in);

	if (take_choice(in, 8) == 1) {
		packet_init(&p, KEEPER_DEVICE_OPENED, 1, 0);
		p.header.size = sizeof(p.opened);
		take_bytes(in, &p.opened, take_choice(in, 16));
		damage(in, &p);
		send_packet(&p);
	}
	for (uint32_t id = 1; id <= 2;
	     id++) { /* it asks again if the states are not to its liking */
		packet_init(&p, KEEPER_DEVICE_OPENED, id, 0);
		p.header.size = sizeof(p.opened);
		if (id == 1)
			p.fds[p.n_fds++] = fd;
		send_packet(&p);
	}
	close(fd);
}

/* Held file descriptors and KEEPER_START, which is always there in the end: the client waits for
 * it.
 */
static void say_start(struct input *in)
{
	struct keeper_packet p;

	for (unsigned n = take_choice(in, 4); n; n--) {
		packet_init(&p, KEEPER_HELD, 0, 0);
		fill(in, &p);
		damage(in, &p);
		send_packet(&p);
	}
	packet_init(&p, KEEPER_START, 0, 0);
	p.start.version = KEEPER_VERSION;
	p.header.size = sizeof(p.start);
	if (take_choice(in, 4) == 1)
		p.fds[p.n_fds++] = take_fd(in);
	if (take_choice(in, 8) == 1)
		damage(in, &p);
	send_packet(&p);
	packet_init(&p, KEEPER_START, 0, 0);
	send_packet(&p);
}

static bool begin(struct input *in)
{
	struct vhost_device_config config = owner_config;
	struct error err = { "" };
	int pair[2];

	require(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	peer = pair[0];
	lost = asked = hold = false;
	n_asked = 0;
	say_start(in);
	if (keeper_client_create(&client, pair[1], base, &client_ops, NULL, &err)) {
		require(err.text[0]);
		return false;
	}
	free(keeper_client_config(client));
	answer_open(in);
	config.base = base;
	if (vhost_device_create(&device, &config, &owner_ops, NULL, keeper_client_endpoints(client),
				&err)) {
		require(err.text[0]);
		device = NULL;
	}
	return true;
}

static void end(void)
{
	close(peer);
	event_base_loop(base, EVLOOP_NONBLOCK);
	asked = false;
	vhost_device_destroy(device);
	device = NULL;
	keeper_client_destroy(client);
	client = NULL;
}

/* ---- */

static void use_keep(struct input *in)
{
	struct keep *keep = keeper_client_keep(client);
	char key[16];
	int fds[2];
	unsigned n;

	snprintf(key, sizeof(key), "key %u", take_choice(in, 4));
	n = keep->take(keep, key, fds, 2);
	require(n <= 2);
	while (n)
		close(fds[--n]);
}

/* What the switch has to say of itself. */
static void speak(struct input *in)
{
	struct keep *keep = keeper_client_keep(client);
	int fd = take_fd(in);

	switch (take_choice(in, 8)) {
	case 0:
		keep->hold(keep, "key", &fd, 1);
		break;
	case 1:
		keep->release(keep, "key");
		break;
	case 2:
		keeper_client_set_config(client, take_choice(in, 2) ? "port add p type dummy" : "");
		break;
	case 3:
		keeper_client_set_bell(client, fd);
		break;
	case 4:
		keeper_client_upgrade(client, "/nowhere", take_choice(in, 2), fd);
		break;
	case 5:
		keeper_client_left(client);
		break;
	case 6:
		keeper_client_calm(client);
		break;
	default:
		keeper_client_ready(client);
	}
}

/* Puts answers to a question into the client's socket. The last one is right and has no more behind
 * it, so that nobody waits. */
static void answer_question(struct input *in, uint32_t number)
{
	struct keeper_packet p;

	for (unsigned n = take_choice(in, 4); n; n--) {
		packet_init(&p, KEEPER_ANSWER, number, 0);
		p.answer.more = take_choice(in, 4) != 1;
		p.answer.error = take_choice(in, 4) == 1 ? -EPERM : 0;
		p.header.size = sizeof(p.answer);
		damage(in, &p);
		send_packet(&p);
	}
	packet_init(&p, KEEPER_ANSWER, number, 0);
	p.header.size = sizeof(p.answer);
	send_packet(&p);
}

/* The switch asks for what it may not do itself. */
static void ask(struct input *in)
{
	struct broker *broker = keeper_client_broker(client);
	struct broker_name name = { "root" };
	int files[8], fd = take_fd(in);
	struct broker_call call = { .what = take_choice(in, BROKER_REQUESTS),
				    .args = &name,
				    .size = sizeof(name),
				    .fds = &fd,
				    .n_fds = take_choice(in, 2),
				    .answer = files,
				    .max = take_choice(in, ARRAY_SIZE(files) + 1) };
	struct error err = { "" };

	answer_question(in, ++n_asked);
	if (broker->ask(broker, &call, &err))
		require(call.n_answer == 0);
	require(call.n_answer <= call.max);
	while (call.n_answer)
		close(files[--call.n_answer]);
}

static void step(struct input *in)
{
	switch (take_choice(in, 12)) {
	case 0:
		use_keep(in);
		break;
	case 1:
		hold = take_choice(in, 2);
		break;
	case 2:
		guest_writes(in);
		break;
	case 3:
		guest_offers(in);
		break;
	case 4:
		speak(in);
		break;
	case 5:
		ask(in);
		break;
	default:
		say(in);
	}
	event_base_loop(base, EVLOOP_NONBLOCK);
	if (device && !hold)
		answer_quiesce();
	if (device)
		serve_rings();
	while (drop_packet(peer))
		; /* what the switch has said is not of interest */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	unsigned n_fds;

	if (!base) {
		log_set_level("all", "error", NULL);
		fds_prepare();
		base = event_base_new();
		require(base);
	}
	n_fds = fds_open();
	memset(fd_guest_memory, 0, BUFFERS);
	if (begin(&in)) {
		for (unsigned i = 0; i < STEPS_MAX && in.left && !lost; i++)
			step(&in);
		end();
	} else {
		close(peer);
	}
	require(fds_open() == n_fds);
	return 0;
}
