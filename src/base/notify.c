// SPDX-License-Identifier: Apache-2.0
/* Signalling an eventfd without ever waiting: io_submit(2) with IOCB_FLAG_RESFD. The operation is a
 * read of no bytes from the eventfd itself, which fails at once; that it has ended is what counts.
 */
#include <errno.h>
#include <linux/aio_abi.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/notify.h"

#define EVENTS 32 /* operations that have ended and that we have not taken note of yet, about */

/* Of each thread that notifies; the kernel's part lives as long as the process. */
struct aio {
	enum { AIO_UNTRIED, AIO_WORKS, AIO_MISSING } state;
	aio_context_t context;
};

static _Thread_local struct aio own;

/* What the kernel maps where the context points to: a ring that programs may empty themselves. */
struct aio_ring {
	uint32_t id, nr;
	uint32_t head, tail; /* of events; head is ours */
	uint32_t magic, compat_features, incompat_features, header_length;
};

#define AIO_RING_MAGIC 0xa10a10a1

/* Takes note of what has ended, so that there is room for more. */
static void reap(const struct aio *aio)
{
	struct aio_ring *ring = (struct aio_ring *)aio->context;

	__atomic_store_n(&ring->head, __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE),
			 __ATOMIC_RELEASE); /* alone: what the events are is of no interest */
}

static bool ring_is_known(const struct aio *aio)
{
	const struct aio_ring *ring = (const struct aio_ring *)aio->context;

	return ring->magic == AIO_RING_MAGIC && !ring->incompat_features;
}

static int submit(const struct aio *aio, int fd)
{
	struct iocb cb = {
		.aio_lio_opcode = IOCB_CMD_PREAD,
		.aio_fildes = (uint32_t)fd,
		.aio_flags = IOCB_FLAG_RESFD,
		.aio_resfd = (uint32_t)fd,
	};
	struct iocb *list[] = { &cb };

	if (likely(syscall(SYS_io_submit, aio->context, 1l, list) == 1))
		return 0;
	if (errno != EAGAIN)
		return -errno;
	reap(aio);
	return syscall(SYS_io_submit, aio->context, 1l, list) == 1 ? 0 : -errno;
}

/* Finds out whether the kernel does as it should. */
static void try_aio(struct aio *aio)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	eventfd_t value;

	if (fd < 0)
		return; /* maybe the next time */
	aio->state = AIO_MISSING;
	if (syscall(SYS_io_setup, (long)EVENTS, &aio->context) == 0) {
		if (ring_is_known(aio) && submit(aio, fd) == 0 && eventfd_read(fd, &value) == 0 &&
		    value == 1)
			aio->state = AIO_WORKS;
		else
			syscall(SYS_io_destroy, aio->context);
	}
	close(fd);
}

void notify_prepare(void)
{
	if (own.state == AIO_UNTRIED)
		try_aio(&own);
}

int notify_fd(int fd)
{
	uint64_t one = 1;
	int r = -EINVAL;

	if (unlikely(own.state == AIO_UNTRIED))
		notify_prepare();
	if (likely(own.state == AIO_WORKS))
		r = submit(&own, fd);
	if (likely(r != -EINVAL))
		return r;
	return write(fd, &one, sizeof(one)) < 0 ? -errno : 0;
}
