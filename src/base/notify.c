// SPDX-License-Identifier: Apache-2.0
/* Signalling an eventfd without ever waiting: io_submit(2) with IOCB_FLAG_RESFD. The operation is a
 * read of no bytes from the eventfd itself, which fails at once; that it has ended is what counts.
 */
#include <errno.h>
#include <linux/aio_abi.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/notify.h"

LOG_MODULE("notify");

#define EVENTS 32 /* operations that have ended and that we have not taken note of yet, about */

/* What a thread needs to notify. The kernel's part is limited for all processes together
 * (fs.aio-max-nr), and takes long to end: it is for the next thread when one has ended. */
struct aio {
	aio_context_t context;
	struct aio *next; /* of the spare ones */
};

static _Thread_local struct aio *own;
static _Thread_local bool is_tried;

static struct {
	struct lock lock;
	struct aio *first;
} spare;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t end_of_thread;

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

/* Whether the kernel does as it should. */
static bool works(const struct aio *aio)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	eventfd_t value;
	bool r;

	if (fd < 0)
		return false;
	r = ring_is_known(aio) && submit(aio, fd) == 0 && eventfd_read(fd, &value) == 0 &&
	    value == 1;
	close(fd);
	return r;
}

static struct aio *make(void)
{
	struct aio *aio = calloc(1, sizeof(*aio));

	if (!aio)
		return NULL;
	if (syscall(SYS_io_setup, (long)EVENTS, &aio->context) < 0) {
		log_warning("no asynchronous operations: %s; guests may make others wait",
			    strerror(errno));
	} else if (works(aio)) {
		return aio;
	} else {
		log_warning("asynchronous operations do not work; guests may make others wait");
		syscall(SYS_io_destroy, aio->context);
	}
	free(aio);
	return NULL;
}

static struct aio *take_spare(void)
{
	struct aio *aio;

	lock_take(&spare.lock);
	aio = spare.first;
	if (aio)
		spare.first = aio->next;
	lock_release(&spare.lock);
	return aio;
}

static void leave(void *arg)
{
	struct aio *aio = arg;

	lock_take(&spare.lock);
	aio->next = spare.first;
	spare.first = aio;
	lock_release(&spare.lock);
}

static void prepare_to_leave(void)
{
	if (pthread_key_create(&end_of_thread, leave) != 0)
		abort();
}

void notify_prepare(void)
{
	if (is_tried)
		return;
	is_tried = true;
	pthread_once(&once, prepare_to_leave);
	own = take_spare();
	if (!own)
		own = make();
	if (own)
		pthread_setspecific(end_of_thread, own);
}

int notify_fd(int fd)
{
	uint64_t one = 1;
	int r = -EINVAL;

	if (unlikely(!is_tried))
		notify_prepare();
	if (likely(own))
		r = submit(own, fd);
	if (likely(r != -EINVAL))
		return r;
	return write(fd, &one, sizeof(one)) < 0 ? -errno : 0;
}
