// SPDX-License-Identifier: Apache-2.0
/* libFuzzer target: the stream of bytes and file descriptors that a vhost-user front-end sends, in
 * pieces, and the endpoint that makes messages of it, hands them out one at a time and answers. A
 * second, simple reading of the same bytes says which messages must come, once each and in order;
 * and the front-end, which has a channel as vhost/frontend.c does, must get the answers whole.
 * Sockets take little at a time.
 */
#include <event2/event.h>

#include "../unit/fds.h"
#include "base/log.h"
#include "front_end.h"
#include "vhost/socket_endpoint.h"

#define STEPS_MAX 200
#define STREAM_MAX 65536
#define IDLE_MAX 8 /* turns in which nothing happens */
#define MESSAGES_MAX (STREAM_MAX / sizeof(struct vhost_user_header))

static struct event_base *base;
static char path[] = "/dev/shm/vireo-fuzz-XXXXXX/socket";
static uint8_t stream[STREAM_MAX];
static struct {
	uint32_t request, size;
} asked[MESSAGES_MAX]; /* for answers, in order */

/* One connection. */
static struct {
	struct vhost_endpoint *endpoint;
	struct vhost_outbox outbox;
	struct vhost_channel front; /* the front-end's end */
	size_t sent, read;	    /* of the stream; up to @read it has come as messages */
	bool odd_fds;		    /* some were sent behind the first byte of a message */
	bool at_hand, over;
	bool deaf;	  /* the front-end does not read */
	uint32_t request; /* of the message at hand */
	unsigned n_asked, n_answers;
} c;

/* ---- what must come */

/* Bytes of the message that begins at @at; 0: it is not whole, or none. */
static size_t message_at(size_t at)
{
	struct vhost_user_header header;

	if (c.sent - at < sizeof(header))
		return 0;
	memcpy(&header, stream + at, sizeof(header));
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
	const uint8_t *sent = stream + c.read;

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

static void on_connected(void *owner, int pid, bool resumed)
{
	require(!resumed);
}

static const struct vhost_endpoint_events events = { .message = on_message,
						     .connected = on_connected,
						     .disconnected = on_disconnected };

/* ---- what happens */

/* Sends what there is room for, with the fds at its first byte. */
static void send_piece(const uint8_t *bytes, size_t len, const int *fds, unsigned n)
{
	ssize_t sent;

	len = min(len, STREAM_MAX - c.sent);
	if (!len || vhost_channel_sending(&c.front))
		return;
	sent = send_fds(c.front.fd, bytes, len, fds, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent <= 0)
		return;
	memcpy(stream + c.sent, bytes, (size_t)sent);
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

/* One that is right as far as the channel knows; what the socket does not take now waits. */
static void send_whole(struct input *in)
{
	struct vhost_message m;
	size_t len;

	make_message(in, &m);
	len = sizeof(m.header) + m.header.size;
	if (len > STREAM_MAX - c.sent)
		return;
	m.header.flags |= VHOST_USER_VERSION;
	if (vhost_channel_send(&c.front, m.header.request, m.header.flags, m.payload.bytes,
			       m.header.size, m.fds, m.n_fds))
		return;
	c.odd_fds = c.odd_fds || m.n_fds;
	memcpy(stream + c.sent, &m.header, sizeof(m.header));
	memcpy(stream + c.sent + sizeof(m.header), m.payload.bytes, m.header.size);
	c.sent += len;
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
	if (reply) {
		asked[c.n_asked].request = v.request;
		asked[c.n_asked++].size = (uint32_t)v.size;
	}
	c.endpoint->ops->done(c.endpoint, &v);
}

static void read_answers(void)
{
	struct vhost_message m;
	struct error err;

	while (vhost_channel_receive(&c.front, &m, &err) == 1) {
		require(c.n_answers < c.n_asked);
		require(m.header.flags == (VHOST_USER_VERSION | VHOST_USER_FLAG_REPLY));
		require(m.header.request == asked[c.n_answers].request);
		require(m.header.size == asked[c.n_answers++].size);
		require(all_zero(m.payload.bytes, sizeof(m.payload)));
		vhost_message_close_fds(&m);
	}
}

static void turn(void)
{
	vhost_channel_flush(&c.front);
	event_base_loop(base, EVLOOP_NONBLOCK);
	if (!c.deaf)
		read_answers();
}

/* Another front-end comes while there is one, and is sent away. */
static void second_comes(void)
{
	struct error err;
	int fd = vhost_socket_connect(path, &err);

	event_base_loop(base, EVLOOP_NONBLOCK);
	if (fd >= 0)
		close(fd);
}

static void step(struct input *in)
{
	switch (take_choice(in, 9)) {
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
	case 4:
		send_whole(in);
		break;
	case 5:
		c.deaf = take_choice(in, 2);
		break;
	case 6:
		second_comes();
		break;
	default:
		turn();
	}
}

/* ---- a connection */

static void take_little(int fd)
{
	int least = 0;

	require(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &least, sizeof(least)) == 0);
}

/* The connection is one of another process, which has ended. */
static int begin_with(struct vhost_endpoint_config *config)
{
	struct vhost_socket_fds fds = { .listen_fd = -1 };
	struct error err;
	int pair[2];

	config->mode = VHOST_CONNECT;
	require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	take_little(pair[1]);
	fds.fd = pair[1];
	require(vhost_socket_endpoint_restore(&c.endpoint, config, &fds, &events, NULL, base,
					      &err) == 0);
	vhost_socket_endpoint_use(c.endpoint, &c.outbox, 0);
	vhost_socket_endpoint_resume(c.endpoint);
	return pair[0];
}

/* The front-end connects. */
static int begin_listening(struct vhost_endpoint_config *config)
{
	struct error err;
	int fd;

	config->mode = VHOST_LISTEN;
	require(vhost_socket_endpoint_create(&c.endpoint, config, &events, NULL, base, &err) == 0);
	fd = vhost_socket_connect(path, &err);
	require(fd >= 0);
	return fd;
}

/* The endpoint connects. */
static int begin_connecting(struct vhost_endpoint_config *config)
{
	struct vhost_socket_file file;
	struct error err;
	int listen_fd, fd;

	config->mode = VHOST_CONNECT;
	listen_fd = vhost_socket_listen(path, &config->rights, &file, &err);
	require(listen_fd >= 0);
	require(vhost_socket_endpoint_create(&c.endpoint, config, &events, NULL, base, &err) == 0);
	event_base_loop(base, EVLOOP_NONBLOCK);
	fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	require(fd >= 0);
	close(listen_fd);
	vhost_socket_remove(path, &file);
	return fd;
}

static void begin(struct input *in)
{
	static int (*const ways[])(struct vhost_endpoint_config * config) = {
		begin_with, begin_with, begin_with, begin_listening, begin_connecting
	};
	struct vhost_endpoint_config config = { .name = "fuzz",
						.path = path,
						.rights = { -1, -1, -1 } };

	memset(&c, 0, sizeof(c));
	vhost_channel_init(&c.front, ways[take_choice(in, ARRAY_SIZE(ways))](&config));
	take_little(c.front.fd);
	event_base_loop(base, EVLOOP_NONBLOCK);
}

/* Turns until nothing happens any more. */
static void settle(struct input *in)
{
	c.deaf = false;
	for (unsigned idle = 0; idle < IDLE_MAX && !c.over; idle++) {
		size_t before = c.read;

		turn();
		if (c.at_hand || c.read != before)
			idle = 0;
		answer(in);
	}
}

/* All that was sent whole must have come, and be answered; but for a message in more pieces than
 * the socket has room for, since it stays there until it is whole. */
static void finish(struct input *in)
{
	settle(in);
	require(c.over || !message_at(c.read) || vhost_channel_sending(&c.front));
	require(c.over || c.n_answers == c.n_asked);
	require(!c.over || c.odd_fds || !message_at(c.read) || vhost_channel_sending(&c.front));
}

/* One of them closes the connection; then the next front-end may come. */
static void end(bool hang_up)
{
	if (hang_up && !c.over) {
		c.endpoint->ops->hang_up(c.endpoint);
		c.over = true;
	}
	vhost_channel_close(&c.front);
	event_base_loop(base, EVLOOP_NONBLOCK);
	require(c.over);
	c.over = false;
	c.endpoint->ops->wait(c.endpoint);
	second_comes();
	event_base_loop(base, EVLOOP_NONBLOCK);
	c.endpoint->ops->destroy(c.endpoint);
}

static void clean_up(void)
{
	*strrchr(path, '/') = 0;
	rmdir(path);
}

static void prepare(void)
{
	char *slash = strrchr(path, '/');

	log_set_level("all", "error", NULL);
	fds_prepare();
	base = event_base_new();
	*slash = 0;
	require(base && mkdtemp(path));
	*slash = '/';
	atexit(clean_up);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	unsigned n_fds;

	if (!base)
		prepare();
	n_fds = fds_open();
	begin(&in);
	for (unsigned i = 0; i < STEPS_MAX && in.left; i++)
		step(&in);
	finish(&in);
	end(take_choice(&in, 2));
	require(fds_open() == n_fds);
	return 0;
}
