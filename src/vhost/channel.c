// SPDX-License-Identifier: Apache-2.0
/* Framing of vhost-user messages. A read never crosses the end of a header or of a payload, so that
 * the fds which the kernel delivers with the bytes belong to the message being received.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/files.h"
#include "base/letgo.h"
#include "base/limit.h"
#include "vhost/channel.h"

#define HEADER_LEN sizeof(struct vhost_user_header)

LIMIT_EACH(message_bytes, "message_bytes", VHOST_USER_PAYLOAD_MAX,
	   "payload of a vhost-user message");
LIMIT_EACH(message_files, "message_files", VHOST_USER_FDS_MAX, "files with a vhost-user message");
LIMIT_EACH(message_answers, "message_answers", VHOST_CHANNEL_QUEUE_MAX,
	   "answers that a front-end has not read");

struct vhost_channel_out {
	struct vhost_channel_out *next;
	size_t len, sent;
	int fds[VHOST_USER_FDS_MAX]; /* duplicates; sent with the first byte */
	unsigned n_fds;
	uint8_t bytes[];
};

/* Control buffer for one SCM_RIGHTS, aligned as cmsghdr wants it. */
union fd_control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int) * VHOST_USER_FDS_MAX)];
};

void vhost_channel_init(struct vhost_channel *channel, int fd)
{
	memset(channel, 0, sizeof(*channel));
	channel->fd = fd;
	channel->out_end = &channel->out;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

void vhost_message_close_fds(struct vhost_message *message)
{
	for (unsigned i = 0; i < message->n_fds; i++)
		if (message->fds[i] >= 0)
			close(message->fds[i]);
	message->n_fds = 0;
}

static void close_out_fds(struct vhost_channel_out *out)
{
	for (unsigned i = 0; i < out->n_fds; i++)
		close(out->fds[i]);
	out->n_fds = 0;
}

static void drop_oldest(struct vhost_channel *channel)
{
	struct vhost_channel_out *out = channel->out;

	channel->out = out->next;
	if (!channel->out)
		channel->out_end = &channel->out;
	channel->n_out--;
	close_out_fds(out);
	free(out);
}

void vhost_channel_close(struct vhost_channel *channel)
{
	if (channel->fd < 0)
		return;
	while (channel->out)
		drop_oldest(channel);
	vhost_message_close_fds(&channel->in);
	close(channel->fd);
	channel->fd = -1;
}

/* Adds the fds that came with a read to the message; what is too many is closed. Closing, here and
 * later, takes no time that others decide on. */
static unsigned collect_fds(struct vhost_message *message, struct msghdr *msg)
{
	unsigned n, n_came = 0;
	int fd;

	if (msg->msg_flags & MSG_CTRUNC) {
		message->fds_lost = true; /* the kernel has closed what it did not deliver */
		limit_refuse(&message_files);
	}
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (unsigned i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			fd = letgo_unless_plain(fd);
			if (message->n_fds == VHOST_USER_FDS_MAX) {
				if (fd >= 0)
					close(fd);
				limit_refuse(&message_files);
				message->fds_lost = true;
			} else if (files_admit(fd) < 0) {
				message->fds_lost = true;
			} else {
				message->fds[message->n_fds++] = fd;
			}
		}
		n_came += n;
	}
	return n_came;
}

/* Reads at most @len bytes. Returns how many, 0 for none yet, or -errno. */
static int read_part(struct vhost_channel *channel, void *to, size_t len, unsigned *n_fds,
		     struct error *err)
{
	union fd_control control;
	struct iovec iov = { .iov_base = to, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.bytes,
			      .msg_controllen = sizeof(control.bytes) };
	ssize_t n;

	*n_fds = 0;
	do {
		n = recvmsg(channel->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	if (n < 0)
		return error_set(err, -errno, "cannot read: %s", strerror(errno));
	*n_fds = collect_fds(&channel->in, &msg);
	if (n == 0)
		return error_set(err, -ECONNRESET,
				 channel->in_len ? "the peer closed within a message"
						 : "the peer closed");
	return (int)n;
}

static int check_header(const struct vhost_user_header *header, struct error *err)
{
	if ((header->flags & VHOST_USER_VERSION_MASK) != VHOST_USER_VERSION)
		return error_set(err, -EPROTO, "message %u has protocol version %u, not %u",
				 header->request, header->flags & VHOST_USER_VERSION_MASK,
				 VHOST_USER_VERSION);
	if (header->size <= VHOST_USER_PAYLOAD_MAX)
		return 0;
	limit_refuse(&message_bytes);
	return error_set(err, -EPROTO, "message %u claims %u bytes of payload, at most %u",
			 header->request, header->size, VHOST_USER_PAYLOAD_MAX);
}

static int read_header(struct vhost_channel *channel, struct error *err)
{
	struct vhost_message *in = &channel->in;
	unsigned n_fds;
	int n;

	n = read_part(channel, (char *)&in->header + channel->in_len, HEADER_LEN - channel->in_len,
		      &n_fds, err);
	if (n <= 0)
		return n;
	channel->in_len += n;
	if (channel->in_len == HEADER_LEN) {
		int rc = check_header(&in->header, err);

		if (rc)
			return rc;
	}
	return n;
}

static int read_payload(struct vhost_channel *channel, struct error *err)
{
	struct vhost_message *in = &channel->in;
	size_t have = channel->in_len - HEADER_LEN;
	unsigned n_fds;
	int n;

	n = read_part(channel, in->payload.bytes + have, in->header.size - have, &n_fds, err);
	if (n <= 0)
		return n;
	if (n_fds)
		return error_set(err, -EPROTO, "message %u has file descriptors behind its header",
				 in->header.request);
	channel->in_len += n;
	return n;
}

/* ---- messages that stay in the socket */

static int set_offset(const struct vhost_channel *channel, size_t at)
{
	int value = (int)at;

	return setsockopt(channel->fd, SOL_SOCKET, SO_PEEK_OFF, &value, sizeof(value)) ? -errno : 0;
}

/* Looks at up to @len bytes behind those looked at before; the fds that come are added to @m, if it
 * is not NULL. Returns how many bytes, 0 for none yet, or -errno. */
static int look_on(const struct vhost_channel *channel, void *to, size_t len,
		   struct vhost_message *m, unsigned *n_fds, struct error *err)
{
	union fd_control control;
	struct iovec iov = { .iov_base = to, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (m) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
	}
	do {
		n = recvmsg(channel->fd, &msg, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	if (n < 0)
		return error_set(err, -errno, "cannot read: %s", strerror(errno));
	if (m)
		*n_fds = collect_fds(m, &msg);
	return n ? (int)n : error_set(err, -ECONNRESET, "the peer closed");
}

static int look_at_header(struct vhost_channel *channel, struct vhost_user_header *header,
			  struct error *err)
{
	size_t have = 0;

	if (set_offset(channel, 0))
		return error_set(err, -errno, "cannot look at what comes: %s", strerror(errno));
	while (have < HEADER_LEN) {
		int n = look_on(channel, (char *)header + have, HEADER_LEN - have, NULL, NULL, err);

		if (n <= 0)
			return n;
		have += n;
	}
	return check_header(header, err) ?: 1;
}

/* The rest, whose bytes from the header on go to @bytes. Looking goes no further than the first
 * part of the stream that has fds, but up to there, whatever the number of bytes. So one more is
 * asked for: when that comes, the fds are of a later message. (Those of a sender that writes two
 * messages at once, with fds, are taken for the second one's, which nobody does.)
 */
static int look_at_all(struct vhost_channel *channel, struct vhost_message *m, char *bytes,
		       size_t len, struct error *err)
{
	size_t have = 0;

	while (have < len) {
		bool lost = m->fds_lost;
		unsigned n_before = m->n_fds, n_fds = 0;
		int n = look_on(channel, bytes + have, len - have + 1, m, &n_fds, err);

		if (n <= 0)
			return n;
		if ((size_t)n > len - have) {
			while (m->n_fds > n_before)
				close(m->fds[--m->n_fds]);
			m->fds_lost = lost;
		} else if (n_fds && have >= HEADER_LEN) {
			return error_set(err, -EPROTO,
					 "message %u has file descriptors behind its header",
					 m->header.request);
		}
		have += n;
	}
	return set_offset(channel, len) ?: 1;
}

/* As vhost_channel_receive(), from the beginning of what is in the socket. */
static int look(struct vhost_channel *channel, struct vhost_message *m, struct error *err)
{
	char bytes[HEADER_LEN + VHOST_USER_PAYLOAD_MAX + 1];
	int rc;

	memset(m, 0, sizeof(*m));
	rc = look_at_header(channel, &m->header, err);
	if (rc <= 0)
		return rc;
	if (set_offset(channel, 0))
		return error_set(err, -errno, "cannot look at what comes: %s", strerror(errno));
	rc = look_at_all(channel, m, bytes, HEADER_LEN + m->header.size, err);
	if (rc <= 0)
		vhost_message_close_fds(m);
	else
		memcpy(m->payload.bytes, bytes + HEADER_LEN, m->header.size);
	return rc;
}

int vhost_channel_let_stay(struct vhost_channel *channel)
{
	channel->stays = true;
	return set_offset(channel, 0);
}

int vhost_channel_consume(struct vhost_channel *channel)
{
	char bytes[HEADER_LEN + VHOST_USER_PAYLOAD_MAX];
	socklen_t len = sizeof(int);
	int left;

	/* reading lets the offset shrink, in the same call: it always says what is left to do */
	for (;;) {
		ssize_t n;

		if (getsockopt(channel->fd, SOL_SOCKET, SO_PEEK_OFF, &left, &len))
			return -errno;
		if (left <= 0)
			return 0;
		n = recv(channel->fd, bytes, min((size_t)left, sizeof(bytes)), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EINTR))
			return n ? -errno : -ECONNRESET;
	}
}

int vhost_channel_receive(struct vhost_channel *channel, struct vhost_message *message,
			  struct error *err)
{
	struct vhost_message *in = &channel->in;
	int n;

	if (channel->stays)
		return look(channel, message, err);
	while (channel->in_len < HEADER_LEN) {
		n = read_header(channel, err);
		if (n <= 0)
			return n;
	}
	while (channel->in_len < HEADER_LEN + in->header.size) {
		n = read_payload(channel, err);
		if (n <= 0)
			return n;
	}
	*message = *in;
	memset(in, 0, sizeof(*in));
	channel->in_len = 0;
	return 1;
}

static void fill_control(struct msghdr *msg, union fd_control *control, const int *fds,
			 unsigned n_fds)
{
	struct cmsghdr *c;

	if (!n_fds)
		return;
	memset(control, 0, sizeof(*control));
	msg->msg_control = control->bytes;
	msg->msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
	c = CMSG_FIRSTHDR(msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
	memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
}

/* Sends what the socket takes. Returns the number of bytes, 0 when it takes none now, or -errno. */
static ssize_t write_part(int fd, const void *bytes, size_t len, const int *fds, unsigned n_fds)
{
	union fd_control control;
	struct iovec iov = { .iov_base = (void *)bytes, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	fill_control(&msg, &control, fds, n_fds);
	do {
		n = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return 0;
	return errno == EPIPE ? -ECONNRESET : -errno;
}

/* Keeps what could not be sent: @len bytes from @bytes, and the fds unless they are on their way.
 */
static int enqueue(struct vhost_channel *channel, const void *bytes, size_t len, const int *fds,
		   unsigned n_fds)
{
	struct vhost_channel_out *out;

	if (channel->n_out >= VHOST_CHANNEL_QUEUE_MAX) {
		limit_refuse(&message_answers);
		return -ENOBUFS;
	}
	out = malloc(sizeof(*out) + len);
	if (!out)
		return -ENOMEM;
	out->next = NULL;
	out->len = len;
	out->sent = 0;
	memcpy(out->bytes, bytes, len);
	for (out->n_fds = 0; out->n_fds < n_fds; out->n_fds++) {
		int fd = fcntl(fds[out->n_fds], F_DUPFD_CLOEXEC, 0);

		if (fd < 0) {
			int rc = -errno;

			close_out_fds(out);
			free(out);
			return rc;
		}
		out->fds[out->n_fds] = fd;
	}
	*channel->out_end = out;
	channel->out_end = &out->next;
	channel->n_out++;
	return 0;
}

int vhost_channel_send(struct vhost_channel *channel, uint32_t request, uint32_t flags,
		       const void *payload, size_t size, const int *fds, unsigned n_fds)
{
	struct {
		struct vhost_user_header header;
		uint8_t payload[VHOST_USER_PAYLOAD_MAX];
	} whole = { .header = { .request = request,
				.flags = VHOST_USER_VERSION | flags,
				.size = (uint32_t)size } };
	size_t len = HEADER_LEN + size;
	ssize_t n = 0;

	if (size > VHOST_USER_PAYLOAD_MAX || n_fds > VHOST_USER_FDS_MAX)
		return -EINVAL;
	if (size)
		memcpy(whole.payload, payload, size);
	if (!channel->out)
		n = write_part(channel->fd, &whole, len, fds, n_fds);
	if (n < 0)
		return (int)n;
	if ((size_t)n == len)
		return 0;
	return enqueue(channel, (char *)&whole + n, len - n, fds, n ? 0 : n_fds);
}

bool vhost_channel_sending(const struct vhost_channel *channel)
{
	return channel->out != NULL;
}

int vhost_channel_flush(struct vhost_channel *channel)
{
	struct vhost_channel_out *out;
	ssize_t n;

	while ((out = channel->out)) {
		n = write_part(channel->fd, out->bytes + out->sent, out->len - out->sent, out->fds,
			       out->n_fds);
		if (n <= 0)
			return (int)n;
		close_out_fds(out);
		out->sent += n;
		if (out->sent == out->len)
			drop_oldest(channel);
	}
	return 0;
}
