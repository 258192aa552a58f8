// SPDX-License-Identifier: Apache-2.0
/* libFuzzer target: the stream of bytes and file descriptors that a vhost-user front-end sends, in
 * pieces, and the endpoint that makes messages of it, hands them out one at a time and answers. A
 * second, simple reading of the same bytes says which messages must come, once each and in order;
 * and the front-end must get the answers whole.
 */
#include <event2/event.h>

#include "../unit/fds.h"
#include "base/log.h"
#include "front_end.h"
#include "vhost/socket_endpoint.h"

#define STEPS_MAX 200
#define STREAM_MAX 65536

static struct event_base *base;

/* One connection. */
static struct {
	struct vhost_endpoint *endpoint;
	struct vhost_outbox outbox;
	int peer; /* the front-end's end */
	uint8_t stream[STREAM_MAX];
	size_t sent, read; /* of the stream; up to @read it has come as messages */
	bool odd_fds;	   /* some were sent behind the first byte of a message */
	bool at_hand, over;
	uint32_t request; /* of the message at hand */
	unsigned n_asked, n_answers;
	uint8_t answers[4 * VHOST_USER_PAYLOAD_MAX];
	size_t answers_len;
} c;

/* ---- what must come */

/* Bytes of the message that begins at @at; 0: it is not whole, or none. */
static size_t message_at(size_t at)
{
	struct vhost_user_header header;

	if (c.sent - at < sizeof(header))
		return 0;
	memcpy(&header, c.stream + at, sizeof(header));
	if ((header.flags & VHOST_USER_VERSION_MASK) != VHOST_USER_VERSION ||
	    header.size > VHOST_USER_PAYLOAD_MAX || header.size > c.sent - at - sizeof(header))
		return 0;
	return sizeof(header) + header.size;
}

static bool all_zero(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i])
			return false;
	return true;
}

static void on_message(void *owner, struct vhost_message *m)
{
	size_t len = message_at(c.read), size = m->header.size;
	const uint8_t *sent = c.stream + c.read;

	require(!c.at_hand && !c.over);
	require(len == sizeof(m->header) + size && m->n_fds <= VHOST_USER_FDS_MAX);
	require(memcmp(&m->header, sent, sizeof(m->header)) == 0);
	require(memcmp(m->payload.bytes, sent + sizeof(m->header), size) == 0);
	require(all_zero(m->payload.bytes + size, sizeof(m->payload) - size));
	for (unsigned i = 0; i < m->n_fds; i++)
		require(fcntl(m->fds[i], F_GETFD) == FD_CLOEXEC);
	vhost_message_close_fds(m);
	c.read += len;
	c.at_hand = true;
	c.request = m->header.request;
}

static void on_disconnected(void *owner, const char *why)
{
	require(!c.over);
	c.over = true;
	c.at_hand = false;
}

static const struct vhost_endpoint_events events = { .message = on_message,
						     .disconnected = on_disconnected };

/* ---- what happens */

/* Sends what there is room for, with the fds at its first byte. */
static void send_piece(const uint8_t *bytes, size_t len, const int *fds, unsigned n)
{
	ssize_t sent;

	len = min(len, STREAM_MAX - c.sent);
	if (!len)
		return;
	sent = send_fds(c.peer, bytes, len, fds, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent <= 0)
		return;
	memcpy(c.stream + c.sent, bytes, (size_t)sent);
	c.sent += (size_t)sent;
}

static void send_any(struct input *in)
{
	uint8_t bytes[256];
	size_t len = min((size_t)take_number(in, 1), in->left);
	unsigned n = take_choice(in, 3);
	int fds[2] = { take_fd(in), take_fd(in) };

	take_bytes(in, bytes, len);
	c.odd_fds = c.odd_fds || n;
	send_piece(bytes, len, fds, n);
}

/* A message that is right, or nearly, in two pieces. */
static void send_message(struct input *in)
{
	struct vhost_message m;
	size_t len, cut;

	make_message(in, &m);
	len = sizeof(m.header) + m.header.size;
	take_damage(in, &m.header, sizeof(m.header), 2);
	cut = take_choice(in, 4) ? len : take_number(in, 1) % (len + 1);
	c.odd_fds = c.odd_fds || m.n_fds; /* where it begins for the receiver is not known */
	send_piece((const uint8_t *)&m.header, min(cut, sizeof(m.header)), m.fds, m.n_fds);
	if (cut < sizeof(m.header))
		send_piece((const uint8_t *)&m.header + cut, sizeof(m.header) - cut, NULL, 0);
	send_piece(m.payload.bytes, len - sizeof(m.header), NULL, 0);
}

static void answer(struct input *in)
{
	static const uint8_t payload[VHOST_USER_PAYLOAD_MAX];
	bool reply = take_choice(in, 4);
	struct vhost_verdict v = { .reply = reply,
				   .request = c.request,
				   .payload = payload,
				   .size = take_number(in, 1),
				   .fds = &fds_of_kind[FD_EVENT],
				   .n_fds = take_choice(in, 8) == 1 };

	if (!c.at_hand)
		return;
	c.at_hand = false;
	c.n_asked += reply;
	c.endpoint->ops->done(c.endpoint, &v);
}

/* Reads some answers; what goes with them is closed. False: there are none now. */
static bool receive_answers(void)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { c.answers + c.answers_len, sizeof(c.answers) - c.answers_len };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(c.peer, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int fd;

	if (n <= 0)
		return false;
	if (CMSG_FIRSTHDR(&msg)) {
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
		close(fd);
	}
	c.answers_len += (size_t)n;
	return true;
}

/* Counts those that are whole. */
static void count_answers(void)
{
	struct vhost_user_header header;
	size_t at = 0;

	while (c.answers_len - at >= sizeof(header)) {
		memcpy(&header, c.answers + at, sizeof(header));
		require(header.flags == (VHOST_USER_VERSION | VHOST_USER_FLAG_REPLY));
		if (c.answers_len - at - sizeof(header) < header.size)
			break;
		at += sizeof(header) + header.size;
		c.n_answers++;
	}
	c.answers_len -= at;
	memmove(c.answers, c.answers + at, c.answers_len);
	require(c.n_answers <= c.n_asked);
}

static void read_answers(void)
{
	while (receive_answers())
		count_answers();
}

static void turn(void)
{
	event_base_loop(base, EVLOOP_NONBLOCK);
	read_answers();
}

static void step(struct input *in)
{
	switch (take_choice(in, 6)) {
	case 0:
		send_any(in);
		break;
	case 1:
	case 2:
		send_message(in);
		break;
	case 3:
		answer(in);
		break;
	default:
		turn();
	}
}

/* ---- a connection */

static void begin(void)
{
	static const struct vhost_endpoint_config config = { .name = "fuzz",
							     .path = "nowhere",
							     .mode = VHOST_CONNECT };
	struct vhost_socket_fds fds = { .listen_fd = -1 };
	struct error err;
	int pair[2];

	memset(&c, 0, sizeof(c));
	require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	c.peer = pair[0];
	fds.fd = pair[1];
	require(vhost_socket_endpoint_restore(&c.endpoint, &config, &fds, &events, NULL, base,
					      &err) == 0);
	vhost_socket_endpoint_use(c.endpoint, &c.outbox, 0);
	vhost_socket_endpoint_resume(c.endpoint);
}

/* All that was sent whole must have come, and be answered. */
static void finish(struct input *in)
{
	for (size_t i = 0; i < STREAM_MAX / 12 && !c.over && (c.at_hand || message_at(c.read));
	     i++) {
		turn();
		answer(in);
	}
	turn();
	require(c.over || !message_at(c.read));
	require(c.over || c.n_answers == c.n_asked);
	require(!c.over || c.odd_fds || !message_at(c.read));
	close(c.peer);
	event_base_loop(base, EVLOOP_NONBLOCK);
	require(c.over);
	c.endpoint->ops->destroy(c.endpoint);
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
	begin();
	for (unsigned i = 0; i < STEPS_MAX && in.left; i++)
		step(&in);
	finish(&in);
	require(fds_open() == n_fds);
	return 0;
}
