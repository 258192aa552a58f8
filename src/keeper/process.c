// SPDX-License-Identifier: Apache-2.0
/* Starting this program, or another, as the switch process or as the keeper. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/hurry.h"
#include "base/log.h"
#include "keeper/death.h"
#include "keeper/manager.h"
#include "keeper/process.h"

#define ARGS_MAX 64
#define LOOK_MS 1      /* between looks whether it has died */
#define DEATH_MS 10000 /* of a process that was killed, before that is worth a word */

LOG_MODULE("keeper");

int process_open_program(const char *path, struct error *err)
{
	/* a pipe's other end is not waited for */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	int rc;

	if (fd < 0)
		return error_set(err, -errno, "%s: %s", path, strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		rc = error_set(err, -EINVAL, "%s is no program", path);
	else if (!(st.st_mode & S_IXUSR))
		rc = error_set(err, -EACCES, "%s is no program: it cannot be executed", path);
	else if (st.st_uid != 0 || st.st_mode & (S_IWGRP | S_IWOTH))
		rc = error_set(err, -EPERM, "%s must belong to root, and nobody else may write it",
			       path);
	else
		return fd;
	close(fd);
	return rc;
}

/* The words of a command line, ended by NULL. */
struct words {
	char *argv[ARGS_MAX];
	unsigned n;
};

static void add_word(struct words *w, char *word)
{
	if (w->n < ARGS_MAX - 1)
		w->argv[w->n++] = word;
}

/* An option with the number of a file descriptor, which the program inherits. */
static void add_fd(struct words *w, char *option, char number[16], int fd)
{
	if (fd < 0)
		return;
	fcntl(fd, F_SETFD, 0);
	snprintf(number, 16, "%d", fd);
	add_word(w, option);
	add_word(w, number);
}

/* Returns only when that fails. */
static void execute(int exe_fd, char **argv, int link_fd, int table_fd)
{
	char path[64], link_number[16], table_number[16];
	char link_option[] = "--keeper-fd", table_option[] = "--keeper-table";
	struct words w = { .n = 0 };

	snprintf(path, sizeof(path), "/proc/self/fd/%d", exe_fd);
	add_word(&w, argv[0]);
	add_fd(&w, link_option, link_number, link_fd);
	add_fd(&w, table_option, table_number, table_fd);
	for (unsigned i = 1; argv[i]; i++)
		add_word(&w, argv[i]);
	execv(path, w.argv);
}

/* In the new process. */
static void begin(const struct process *p, char **argv, int link_fd, int table_fd, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	manager_hide();
	/* what whoever started the keeper has left open is none of the switch's; Linux 5.11 */
	close_range(STDERR_FILENO + 1, UINT_MAX, CLOSE_RANGE_CLOEXEC);
	execute(p->exe_fd, argv, link_fd, table_fd);
	fprintf(stderr, "vireod: cannot execute the program: %s\n", strerror(errno));
	_exit(127);
}

int process_start(struct process *p, char **argv, int table_fd, struct event_base *base,
		  const struct keeper_link_ops *ops)
{
	pid_t self = getpid();
	int pair[2], rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	p->link = keeper_link_create(pair[0], base, ops, p);
	if (!p->link) {
		close(pair[1]);
		return -ENOMEM;
	}
	p->pid = fork();
	if (p->pid == 0)
		begin(p, argv, pair[1], table_fd, self);
	rc = -errno;
	close(pair[1]);
	if (p->pid < 0) {
		process_forget(p);
		return rc;
	}
	p->started_ns = clock_ns();
	p->version = 0;
	return 0;
}

void process_forget(struct process *p)
{
	keeper_link_destroy(p->link);
	p->link = NULL;
	p->pid = 0;
}

void process_end(struct process *p)
{
	if (p->pid) {
		kill(p->pid, SIGKILL);
		waitpid(p->pid, NULL, 0);
	}
	process_forget(p);
}

void process_end_orphan(int pidfd, pid_t pid)
{
	struct pollfd end = { .fd = pidfd, .events = POLLIN };

	pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
	for (unsigned n = 1; poll(&end, 1, LOOK_MS) != 1; n++) {
		/* as long as it has not ended, the number is its own */
		if (death_has_come(pid) && poll(&end, 1, 0) == 0)
			break;
		if (n % (DEATH_MS / LOOK_MS) == 0)
			log_error("the switch process of the keeper before does not end");
	}
}

int process_become(int exe_fd, char **argv, int table_fd)
{
	execute(exe_fd, argv, -1, table_fd);
	return -errno;
}

/* Calls @fn for each thread that the process has. */
static void for_threads(pid_t pid, void (*fn)(pid_t tid))
{
	char path[64];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			fn((pid_t)strtol(entry->d_name, NULL, 10));
	if (dir)
		closedir(dir);
}

void process_hurry(const struct process *p, bool all)
{
	if (all)
		for_threads(p->pid, hurry_lend);
	else
		hurry_lend(p->pid);
}

void process_calm(const struct process *p)
{
	for_threads(p->pid, hurry_take_back);
}

const char *process_ending(int status, char *text, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(text, size, "killed by signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	else
		snprintf(text, size, "exit status %d", WEXITSTATUS(status));
	return text;
}
