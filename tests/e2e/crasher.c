// SPDX-License-Identifier: Apache-2.0
/* Preloaded into a program: as long as the file $CRASH_IF begins with "1", it crashes where it asks
 * what an eventfd is. In vireod that is while it handles SET_VRING_KICK, _CALL or _ERR. The file is
 * mapped at the start: later the program may see no files.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static const volatile char *flag;

__attribute__((constructor)) static void map_flag(void)
{
	const char *path = getenv("CRASH_IF");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *map = fd < 0 ? MAP_FAILED : mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0);

	if (map != MAP_FAILED)
		flag = map;
	if (fd >= 0)
		close(fd);
}

ssize_t readlink(const char *path, char *to, size_t size)
{
	static const char eventfd[] = "anon_inode:[eventfd]";
	ssize_t n = syscall(SYS_readlink, path, to, size);

	if (n == sizeof(eventfd) - 1 && !memcmp(to, eventfd, sizeof(eventfd) - 1) && flag &&
	    *flag == '1')
		abort();
	return n;
}
