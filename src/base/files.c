// SPDX-License-Identifier: Apache-2.0
/* Which file descriptors may come in. */
#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/limit.h"
#include "base/log.h"

LOG_MODULE("files");

/* Nobody is refused before files_raise_limit(). */
LIMIT(file_limit, "files", INT32_MAX,
      "lowest number that is free for a file of a front-end or client; 256 are kept back");

static uint64_t lowest_free(void)
{
	int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return file_limit.most;
	close(fd);
	return (uint64_t)fd;
}

void files_raise_limit(void)
{
	struct rlimit limit;
	uint64_t most;

	file_limit.look = lowest_free;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	most = min((uint64_t)limit.rlim_cur, (uint64_t)INT32_MAX);
	file_limit.most = most - min((uint64_t)FILES_KEPT_BACK, most / 4);
}

int files_admit(int fd)
{
	if (fd < 0 || (uint64_t)fd < file_limit.most)
		return fd;
	close(fd);
	limit_refuse(&file_limit);
	log_limited(LOG_WARNING,
		    "a file of a front-end or client was refused: the process has %llu of them, "
		    "and keeps the rest for itself (LimitNOFILE raises that)",
		    (unsigned long long)file_limit.most);
	errno = EMFILE;
	return -1;
}
