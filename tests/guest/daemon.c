// SPDX-License-Identifier: Apache-2.0
// A real vireod in a directory of its own, for tests.

#include "guest/daemon.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define WORDS_MAX 32
#define START_MS 10000
#define STOP_MS 20000

static void program(const char *name, const char *variable, char path[256])
{
	const char *given = getenv(variable), *build = getenv("VIREO_BUILD");

	if (given != NULL)
		snprintf(path, 256, "%s", given);
	else
		snprintf(path, 256, "%s/%s", build != NULL ? build : "build", name);
}

/* Runs @argv with stdout to @out and stderr to @err. Dies with the test. */
static pid_t spawn(char *const *argv, int out, int err)
{
	pid_t parent = getpid(), pid = fork();

	assert_int_not_equal(pid, -1);
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	dup2(open("/dev/null", O_RDONLY), 0);
	dup2(out, 1);
	dup2(err, 2);
	execv(argv[0], argv);
	dprintf(2, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static bool answers(const struct daemon *daemon)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/vireod.sock", daemon->dir);
	rc = connect(fd, (struct sockaddr *)&addr, sizeof(addr));
	close(fd);
	return rc == 0;
}

static void show_log(const struct daemon *daemon)
{
	char path[128], line[512];
	FILE *log;

	snprintf(path, sizeof(path), "%s/log", daemon->dir);
	log = fopen(path, "r");
	while (log != NULL && fgets(line, sizeof(line), log) != NULL)
		fprintf(stderr, "vireod: %s", line);
	if (log != NULL)
		fclose(log);
}

static bool log_has(const struct daemon *daemon, const char *text)
{
	char path[128], line[4096];
	bool found = false;
	FILE *log;

	snprintf(path, sizeof(path), "%s/log", daemon->dir);
	log = fopen(path, "r");
	assert_non_null(log);
	while (!found && fgets(line, sizeof(line), log) != NULL)
		found = strstr(line, text) != NULL;
	fclose(log);
	return found;
}

static void remove_dir(const struct daemon *daemon)
{
	DIR *dir = opendir(daemon->dir);
	struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir != NULL)
		closedir(dir);
	rmdir(daemon->dir);
}

/* Reads all that the child writes, up to @size - 1 bytes. */
static size_t drain(int fd, char *text, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size - 1 && (n = read(fd, text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	return len;
}

/* Runs vireo with these words (which are cut up). Its output goes to @text. Returns its status. */
static int vireo(const struct daemon *daemon, char *words, char *text, size_t size)
{
	char path[256], *argv[WORDS_MAX] = { path, (char *)"--run-dir", (char *)daemon->dir };
	int pipes[2], status;
	unsigned n = 3;
	pid_t pid;

	program("vireo", "VIREO", path);
	for (char *w = strtok(words, " "); w != NULL; w = strtok(NULL, " ")) {
		assert_true(n < WORDS_MAX - 1);
		argv[n++] = w;
	}
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	pid = spawn(argv, pipes[1], pipes[1]);
	close(pipes[1]);
	drain(pipes[0], text, size);
	close(pipes[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* The process that the keeper has started; 0: none answers. */
static pid_t try_for_switch(const struct daemon *daemon)
{
	char words[] = "-j version", text[1024];
	json_t *all;
	pid_t pid;

	if (vireo(daemon, words, text, sizeof(text)) != 0)
		return 0;
	all = json_loads(text, 0, NULL);
	pid = (pid_t)json_integer_value(json_object_get(json_object_get(all, "vireod"), "pid"));
	json_decref(all);
	return pid;
}

static pid_t ask_for_switch(const struct daemon *daemon)
{
	pid_t pid = try_for_switch(daemon);

	assert_true(pid > 0);
	return pid;
}

void daemon_find_switch(struct daemon *daemon)
{
	pid_t old = daemon->switch_pid, pid;

	for (unsigned ms = 0; (pid = try_for_switch(daemon)) == 0 || pid == old; ms += 5) {
		if (ms > START_MS)
			fail_msg("no switch process takes the place of %d", old);
		usleep(5000);
	}
	daemon->switch_pid = pid;
}

static void make_dir(struct daemon *daemon)
{
	strcpy(daemon->dir, "/tmp/vireo-test-XXXXXX");
	assert_non_null(mkdtemp(daemon->dir));
}

/* Starts vireod, with one more option if that is not NULL, and waits until it answers. */
static void start(struct daemon *daemon, unsigned workers, const char *option)
{
	char vireod[256], number[16], log_path[128];
	char *argv[] = { vireod, (char *)"--run-dir", daemon->dir, (char *)"--workers",
			 number, (char *)option,      NULL };
	int log;

	program("vireod", "VIREOD", vireod);
	snprintf(number, sizeof(number), "%u", workers);
	snprintf(log_path, sizeof(log_path), "%s/log", daemon->dir);
	log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	assert_int_not_equal(log, -1);
	daemon->switch_pid = 0;
	daemon->pid = spawn(argv, log, log);
	close(log);
	for (unsigned ms = 0; !answers(daemon); ms += 5) {
		daemon_check_alive(daemon);
		if (ms > START_MS)
			fail_msg("vireod does not answer after %u ms", ms);
		usleep(5000);
	}
	daemon->switch_pid = ask_for_switch(daemon);
}

void daemon_start(struct daemon *daemon, unsigned workers)
{
	make_dir(daemon);
	start(daemon, workers, NULL);
}

void daemon_start_alone(struct daemon *daemon, unsigned workers, bool again)
{
	if (!again)
		make_dir(daemon);
	start(daemon, workers, "--no-keeper");
}

void daemon_kill(struct daemon *daemon)
{
	daemon_check_alive(daemon);
	kill(daemon->pid, SIGKILL);
	assert_int_equal(waitpid(daemon->pid, NULL, 0), daemon->pid);
	daemon->pid = daemon->switch_pid = 0;
}

void daemon_kill_switch(struct daemon *daemon)
{
	daemon_check_alive(daemon);
	kill(daemon->switch_pid, SIGKILL);
	daemon_find_switch(daemon);
}

void daemon_check_alive(struct daemon *daemon)
{
	int status;

	if (daemon->switch_pid && kill(daemon->switch_pid, 0) != 0) {
		daemon_discard(daemon);
		fail_msg("the switch process of vireod ended");
	}
	if (waitpid(daemon->pid, &status, WNOHANG) != 0) {
		show_log(daemon);
		daemon->pid = 0;
		remove_dir(daemon);
		daemon->dir[0] = '\0';
		fail_msg("vireod ended, wait status %#x", status);
	}
}

void daemon_discard(struct daemon *daemon)
{
	if (daemon->dir[0] == '\0')
		return;
	if (daemon->pid > 0) {
		kill(daemon->pid, SIGKILL);
		waitpid(daemon->pid, NULL, 0);
		show_log(daemon);
	}
	daemon->pid = 0;
	remove_dir(daemon);
	daemon->dir[0] = '\0';
}

/* Waits until vireod has ended, as it was told to. */
static int await_end(struct daemon *daemon)
{
	int status = 0;

	for (unsigned ms = 0; waitpid(daemon->pid, &status, WNOHANG) == 0; ms += 5) {
		if (ms > STOP_MS) {
			daemon_discard(daemon);
			fail_msg("vireod does not end after SIGTERM");
		}
		usleep(5000);
	}
	daemon->pid = 0;
	return status;
}

void daemon_stop(struct daemon *daemon)
{
	bool complaint, answering;
	int status;

	daemon_check_alive(daemon);
	kill(daemon->pid, SIGTERM);
	status = await_end(daemon);
	complaint = log_has(daemon, "Sanitizer") || log_has(daemon, "runtime error");
	answering = answers(daemon);
	if (status != 0 || complaint)
		show_log(daemon);
	daemon_discard(daemon);
	if (status != 0 || complaint)
		fail_msg("vireod ended with wait status %#x", status);
	assert_false(answering);
}

void daemon_vireo(const struct daemon *daemon, const char *fmt, ...)
{
	char words[1024], copy[1024], text[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	strcpy(copy, words);
	if (vireo(daemon, words, text, sizeof(text)) != 0)
		fail_msg("vireo %s: %s", copy, text);
}

json_t *daemon_port(const struct daemon *daemon, const char *name)
{
	size_t size = 1 << 20;
	char words[256], *text = malloc(size);
	json_error_t error;
	json_t *all, *port;
	int status;

	assert_non_null(text);
	snprintf(words, sizeof(words), "-j port show %s", name);
	status = vireo(daemon, words, text, size);
	all = json_loads(text, 0, &error);
	if (status != 0 || all == NULL)
		fail_msg("vireo -j port show %s: status %#x, %s", name, status, text);
	port = json_incref(json_array_get(all, 0));
	json_decref(all);
	free(text);
	assert_non_null(port);
	return port;
}

void daemon_queue_state(const struct daemon *daemon, const char *name, const char *direction,
			char state[128])
{
	json_t *port = daemon_port(daemon, name), *queue;
	size_t i;

	state[0] = '\0';
	json_array_foreach (json_object_get(port, "queues"), i, queue) {
		const char *d = json_string_value(json_object_get(queue, "direction"));
		const char *s = json_string_value(json_object_get(queue, "state"));

		if (d != NULL && s != NULL && strcmp(d, direction) == 0 && state[0] == '\0')
			snprintf(state, 128, "%s", s);
	}
	json_decref(port);
}

uint64_t daemon_counter(const struct daemon *daemon, const char *port_name, const char *name)
{
	json_t *port = daemon_port(daemon, port_name);
	uint64_t value = (uint64_t)json_integer_value(json_object_get(port, name));

	json_decref(port);
	return value;
}

uint64_t daemon_drops(const struct daemon *daemon, const char *port_name, const char *reason)
{
	json_t *port = daemon_port(daemon, port_name);
	json_t *drops = json_object_get(port, "drops");
	uint64_t value = (uint64_t)json_integer_value(json_object_get(drops, reason));

	json_decref(port);
	return value;
}

static unsigned fds_of(pid_t pid)
{
	char path[64];
	unsigned n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n - 2;
}

unsigned daemon_fds(const struct daemon *daemon)
{
	return fds_of(daemon->pid) + fds_of(daemon->switch_pid);
}

static unsigned memory_of(pid_t pid)
{
	char path[64], line[256];
	unsigned kib = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "RssAnon: %u", &kib) == 1)
			break;
	fclose(file);
	assert_true(kib > 0);
	return kib;
}

unsigned daemon_memory(const struct daemon *daemon)
{
	return memory_of(daemon->pid) + memory_of(daemon->switch_pid);
}

static double test_scale(void)
{
	const char *scale = getenv("TEST_SCALE");

	return scale != NULL ? atof(scale) : 1;
}

unsigned scaled(unsigned count)
{
	double n = count * test_scale();

	return n < 1 ? 1 : (unsigned)n;
}

unsigned scaled_to(unsigned count, unsigned whole)
{
	double scale = test_scale(), more = (min(scale, 10.0) - 1) / 9;

	return scale <= 1 ? scaled(count) : count + (unsigned)(more * (whole - count));
}
