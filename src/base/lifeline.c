// SPDX-License-Identifier: Apache-2.0
/* The death of a thread, as a futex. */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/lifeline.h"

/* What the kernel walks through when the thread dies. */
static struct {
	struct robust_list_head head;
	struct robust_list entry;
} robust;

/* Of a thread that lives: with this bit the kernel wakes who waits for it. */
static uint32_t alive(pid_t tid)
{
	return (uint32_t)tid | FUTEX_WAITERS;
}

int lifeline_tie(void)
{
	int fd = memfd_create("vireo-lifeline", MFD_CLOEXEC), rc;
	uint32_t value = alive(gettid());
	void *word;

	if (fd < 0)
		return -errno;
	if (write(fd, &value, sizeof(value)) != sizeof(value))
		goto fail;
	/* the kernel writes there, in the thread's name */
	word = mmap(NULL, sizeof(value), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (word == MAP_FAILED)
		goto fail;
	robust.head.list.next = &robust.entry;
	robust.head.futex_offset = (char *)word - (char *)&robust.entry;
	robust.entry.next = &robust.head.list;
	if (syscall(SYS_set_robust_list, &robust.head, sizeof(robust.head)) == 0)
		return fd;
	rc = -errno;
	munmap(word, sizeof(value));
	close(fd);
	return rc;
fail:
	rc = -errno;
	close(fd);
	return rc;
}

const uint32_t *lifeline_map(int file)
{
	void *word = MAP_FAILED;

	/* only what is in memory has seals: who serves another file could let us wait at a page */
	if (fcntl(file, F_GET_SEALS) >= 0)
		word = mmap(NULL, sizeof(uint32_t), PROT_READ, MAP_SHARED, file, 0);
	close(file);
	return word == MAP_FAILED ? NULL : word;
}

void lifeline_unmap(const uint32_t *word)
{
	if (word)
		munmap((void *)word, sizeof(*word));
}

int lifeline_wait(const uint32_t *word, pid_t tid, const uint32_t *stop)
{
	struct futex_waitv both[] = {
		{ .val = alive(tid), .uaddr = (uintptr_t)word, .flags = FUTEX_32 },
		{ .val = 0, .uaddr = (uintptr_t)stop, .flags = FUTEX_32 | FUTEX_PRIVATE_FLAG },
	};
	long rc;

	do {
		rc = syscall(SYS_futex_waitv, both, ARRAY_SIZE(both), 0, 0l, 0);
	} while (rc < 0 && errno == EINTR);
	return rc >= 0 || errno == EAGAIN ? 0 : -errno;
}

void lifeline_pause(const uint32_t *stop, long ns)
{
	const struct timespec time = { .tv_nsec = ns };

	syscall(SYS_futex, stop, FUTEX_WAIT_PRIVATE, 0, &time, 0l, 0);
}

void lifeline_stop(uint32_t *stop)
{
	__atomic_store_n(stop, 1, __ATOMIC_RELAXED);
	syscall(SYS_futex, stop, FUTEX_WAKE_PRIVATE, 1, 0l, 0l, 0);
}
