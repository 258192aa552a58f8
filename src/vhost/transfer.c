// SPDX-License-Identifier: Apache-2.0
/* Bytes through a pipe, as fast as the other side goes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"
#include "vhost/transfer.h"

#define CHUNK 65536u /* bytes in a turn of the loop: what a pipe holds */
#define PATIENCE_MS 30000
#define HURRY_MS 100

struct vhost_transfer {
	int fd; /* -1: it is over */
	struct event *event;
	struct vhost_transfer_owner owner;
	uint8_t *bytes;
	size_t size; /* of bytes */
	size_t n;    /* of them written, or read */
	size_t max;  /* to be read */
};

static void wait_for(struct vhost_transfer *t, int ms)
{
	struct timeval patience = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	event_add(t->event, &patience);
}

static void close_fd(struct vhost_transfer *t)
{
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
}

/* The owner may destroy it. */
static void end(struct vhost_transfer *t, int rc, const char *why)
{
	event_del(t->event);
	close_fd(t);
	t->owner.over(t->owner.owner, rc, why);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct vhost_transfer *t = arg;
	ssize_t n;

	if (!(what & EV_WRITE)) {
		end(t, -ETIMEDOUT, "the other side does not read");
		return;
	}
	n = write(t->fd, t->bytes + t->n, min(t->size - t->n, (size_t)CHUNK));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		end(t, -errno, strerror(errno));
		return;
	}
	t->n += (size_t)n;
	if (t->n == t->size)
		end(t, 0, "");
}

/* Room for something more, up to one byte more than is allowed. */
static int make_room(struct vhost_transfer *t)
{
	size_t size = max(2 * t->size, (size_t)CHUNK);
	uint8_t *bytes;

	if (t->n < t->size)
		return 0;
	size = min(size, t->max + 1);
	bytes = realloc(t->bytes, size);
	if (!bytes)
		return -ENOMEM;
	t->bytes = bytes;
	t->size = size;
	return 0;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct vhost_transfer *t = arg;
	ssize_t n;

	if (!(what & EV_READ)) {
		end(t, -ETIMEDOUT, "the other side neither writes nor closes");
		return;
	}
	if (make_room(t)) {
		end(t, -ENOMEM, "out of memory");
		return;
	}
	n = read(t->fd, t->bytes + t->n, min(t->size - t->n, (size_t)CHUNK));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		end(t, -errno, strerror(errno));
		return;
	}
	t->n += (size_t)n;
	if (t->n > t->max)
		end(t, -EFBIG, "it is too long");
	else if (n == 0)
		end(t, 0, "");
}

static struct vhost_transfer *create(int fd, short what, event_callback_fn on,
				     struct event_base *base,
				     const struct vhost_transfer_owner *owner)
{
	struct vhost_transfer *t = calloc(1, sizeof(*t));

	if (t)
		t->event = event_new(base, fd, what | EV_PERSIST, on, t);
	if (!t || !t->event) {
		free(t);
		close(fd);
		return NULL;
	}
	t->fd = fd;
	t->owner = *owner;
	wait_for(t, PATIENCE_MS);
	return t;
}

int vhost_transfer_write(struct vhost_transfer **out, int fd, uint8_t *bytes, size_t n,
			 struct event_base *base, const struct vhost_transfer_owner *owner,
			 struct error *err)
{
	struct vhost_transfer *t = create(fd, EV_WRITE, on_writable, base, owner);

	if (!t) {
		free(bytes);
		return error_set(err, -ENOMEM, "out of memory");
	}
	t->bytes = bytes;
	t->size = n;
	*out = t;
	return 0;
}

int vhost_transfer_read(struct vhost_transfer **out, int fd, size_t max, struct event_base *base,
			const struct vhost_transfer_owner *owner, struct error *err)
{
	struct vhost_transfer *t = create(fd, EV_READ, on_readable, base, owner);

	if (!t)
		return error_set(err, -ENOMEM, "out of memory");
	t->max = max;
	*out = t;
	return 0;
}

void vhost_transfer_hurry(struct vhost_transfer *transfer)
{
	if (transfer->fd >= 0)
		wait_for(transfer, HURRY_MS);
}

const uint8_t *vhost_transfer_bytes(const struct vhost_transfer *transfer, size_t *n)
{
	*n = transfer->n;
	return transfer->bytes;
}

void vhost_transfer_destroy(struct vhost_transfer *transfer)
{
	if (!transfer)
		return;
	event_free(transfer->event);
	close_fd(transfer);
	free(transfer->bytes);
	free(transfer);
}
