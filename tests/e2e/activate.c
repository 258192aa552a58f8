// SPDX-License-Identifier: Apache-2.0
/* activate FD,FD,... PROGRAM [ARG]...: becomes PROGRAM, as the service manager starts one whose
 * file descriptors it has held (sd_listen_fds(3)): they are 3 and so on, and LISTEN_FDS and
 * LISTEN_PID say so. "-": there are none.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FDS_MAX 4096

/* Descriptors at @text, moved above all that are to be made; how many. */
static int read_fds(char *text, int *fds)
{
	int n = 0;

	for (char *word = strtok(text, ","); word && n < FDS_MAX; word = strtok(NULL, ","))
		fds[n++] = fcntl(atoi(word), F_DUPFD_CLOEXEC, 3 + FDS_MAX);
	return n;
}

int main(int argc, char **argv)
{
	char number[16];
	static int fds[FDS_MAX];
	int n;

	if (argc < 3)
		return 2;
	n = strcmp(argv[1], "-") ? read_fds(argv[1], fds) : 0;
	for (int i = 0; i < n; i++)
		if (dup2(fds[i], 3 + i) < 0)
			return 3;
	for (int fd = 3 + n; fd < 3 + FDS_MAX; fd++)
		close(fd);
	snprintf(number, sizeof(number), "%d", n);
	setenv("LISTEN_FDS", number, 1);
	snprintf(number, sizeof(number), "%d", (int)getpid());
	setenv("LISTEN_PID", number, 1);
	execv(argv[2], argv + 2);
	fprintf(stderr, "activate: %s: %s\n", argv[2], strerror(errno));
	return 127;
}
