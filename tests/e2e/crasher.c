// SPDX-License-Identifier: Apache-2.0
/* Preloaded into vireod: as long as the file $CRASH_IF begins with "1", its switch process crashes
 * where it asks what an eventfd is. That is while it handles SET_VRING_KICK, _CALL or _ERR. The
 * file is mapped at the start: later the process may see no files.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static const volatile char *flag;

static int is_switch(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--keeper-fd"))
			return 1;
	return 0;
}

__attribute__((constructor)) static void map_flag(int argc, char **argv)
{
	const char *path = is_switch(argc, argv) ? getenv("CRASH_IF") : NULL;
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
