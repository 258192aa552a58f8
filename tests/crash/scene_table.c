// SPDX-License-Identifier: Apache-2.0
/* Steps through a keeper's table of records and files, under a service manager, which are we; and
 * through the end of a message. Wherever the keeper dies, the next one finds the records, each with
 * its file, that there were before the change or are behind it; the message is taken out of the
 * socket and answered once, if and only if its change was made. So it is also when one dies while
 * it goes on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/store.h"
#include "keeper/device_record.h"
#include "keeper/table.h"
#include "notify_socket.h"
#include "scenes.h"
#include "step.h"

#define PAGE 4096
#define FIRST_PAGE 64  /* of the file, with records */
#define RECORD_PAGES 3 /* more are not used here */
#define WATCHED ((1 + RECORD_PAGES) * PAGE)
#define KEYS 4
#define FILES_MAX 16
#define OWN_FD 100 /* ours are as high, since those that the manager gives begin at 3 */
#define HIGH_FD 200
#define DEVICE 77
#define REQUEST 5
#define ANSWER "answer"

enum what { BEGIN, CHANGE, MESSAGE, CONNECT, EXCHANGE, BREAK, END };

/* What the manager holds. */
struct file {
	char name[8];
	int fd;
};

struct picture {
	uint32_t values[KEYS]; /* of records, 0: there is none; and of the eventfds that go with
				  them */
	uint32_t given_up;     /* there is nothing to go on with */
	uint32_t answered;     /* whether the last message was */
};

struct world {
	struct step step;
	int manager; /* the socket */
	struct file files[FILES_MAX];
	unsigned n_files;
	int front_end, connection;  /* ends of a socket pair */
	struct keeper_table *table; /* of the stepped process */
	struct picture before, after, now;
	struct picture *found; /* in common with who plays the next keeper */
	unsigned dies_at;      /* with so many deaths played; 0: it does not */
	unsigned n_deaths;
};

/* ---- the manager */

static void forget(struct world *w, const char *name)
{
	for (unsigned i = 0; i < w->n_files; i++) {
		if (strcmp(w->files[i].name, name) != 0)
			continue;
		close(w->files[i].fd);
		w->files[i] = w->files[--w->n_files];
		return;
	}
}

static const struct file *find(const struct world *w, const char *name)
{
	for (unsigned i = 0; i < w->n_files; i++)
		if (!strcmp(w->files[i].name, name))
			return &w->files[i];
	return NULL;
}

static void watch(struct world *w, int fd)
{
	assert_ptr_not_equal(
		mmap(w->step.memory, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0),
		MAP_FAILED);
	assert_ptr_not_equal(mmap(w->step.memory + PAGE, WATCHED - PAGE, PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_FIXED, fd, (off_t)FIRST_PAGE * PAGE),
			     MAP_FAILED);
}

/* Does what the keeper says. False: it has said nothing. */
static bool listen_once(struct world *w)
{
	char text[128] = "";
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { text, sizeof(text) - 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	const char *name;
	struct file *f;

	if (recvmsg(w->manager, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0)
		return false;
	name = strstr(text, "FDNAME=");
	assert_non_null(name);
	name += strlen("FDNAME=");
	if (!CMSG_FIRSTHDR(&msg)) {
		forget(w, name);
		return true;
	}
	assert_true(w->n_files < FILES_MAX);
	f = &w->files[w->n_files++];
	snprintf(f->name, sizeof(f->name), "%s", name);
	memcpy(&f->fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(f->fd));
	if (!strcmp(name, "table"))
		watch(w, f->fd);
	return true;
}

/* What a new process of the service finds; @table in place of its own. */
static void give_all(const struct world *w, int table)
{
	char names[256] = "", text[16];

	for (unsigned i = 0; i < w->n_files; i++)
		assert_true(dup2(strcmp(w->files[i].name, "table") ? w->files[i].fd : table,
				 HIGH_FD + (int)i) >= 0);
	for (unsigned i = 0; i < w->n_files; i++) {
		dup2(HIGH_FD + (int)i, 3 + (int)i);
		close(HIGH_FD + (int)i);
		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", i ? ":" : "",
			 w->files[i].name);
	}
	snprintf(text, sizeof(text), "%u", w->n_files);
	setenv("LISTEN_FDS", text, 1);
	snprintf(text, sizeof(text), "%d", getpid());
	setenv("LISTEN_PID", text, 1);
	setenv("LISTEN_FDNAMES", names, 1);
}

/* ---- the keeper */

static struct table_record *find_key(const struct keeper_table *t, uint32_t key)
{
	struct table_record *r = keeper_table_next(t, TABLE_HELD, NULL);

	while (r && r->device != key)
		r = keeper_table_next(t, TABLE_HELD, r);
	return r;
}

/* A record of @value in place of the one that there is; 0: of none. */
static void change(struct world *w, uint32_t key, uint32_t value)
{
	struct table_record *old = find_key(w->table, key);
	int fd = eventfd(value, EFD_NONBLOCK | EFD_CLOEXEC);

	if (value)
		keeper_table_add(w->table, TABLE_HELD, key, &value, sizeof(value), &fd, 1);
	keeper_table_drop(w->table, old);
	keeper_table_commit(w->table);
	close(fd);
}

/* As socket_endpoint.c does it, when a message has acted, or, in another process, is to be ended.
 */
static void end_message(struct world *w, struct vhost_outbox *outbox)
{
	char message[16];

	if (outbox->consumed != outbox->acted) {
		ssize_t n = recv(w->connection, message, sizeof(message), MSG_DONTWAIT);

		(void)n; /* none: it was taken out before */
		vhost_outbox_consumed(outbox);
	}
	vhost_outbox_send(outbox, w->connection, -1);
}

static void begin(struct world *w)
{
	const struct file *table = find(w, "table");
	struct table_record *record;
	struct error err;

	if (table) {
		give_all(w, table->fd);
		if (keeper_table_restore(&w->table, -1, &err))
			abort();
	} else {
		w->table = keeper_table_create();
	}
	record = device_outbox_find(w->table, DEVICE);
	if (record) {
		vhost_outbox_resume(device_outbox(record), keeper_table_made(w->table));
		end_message(w, device_outbox(record));
	} else {
		device_outbox_add(w->table, DEVICE);
		keeper_table_commit(w->table);
	}
	shared_store(&keeper_table_life(w->table)->n_attempts, 0);
}

/* It goes on as another program, in the same process; what it has open is what that finds. */
static void exchange(struct world *w)
{
	struct error err;

	keeper_table_bequeath(w->table, true);
	if (keeper_table_restore(&w->table, keeper_table_own_fd(w->table), &err))
		abort();
	shared_store(&keeper_table_life(w->table)->n_attempts, 0);
	shared_store(&keeper_table_life(w->table)->heir, 0);
}

/* In the stepped process. */
static void perform(void *world)
{
	struct world *w = world;
	struct step_op *op = w->step.op;
	struct vhost_outbox *outbox;

	switch ((enum what)op->what) {
	case BEGIN:
		begin(w);
		break;
	case CHANGE:
		change(w, op->n, op->base);
		break;
	case MESSAGE:
		outbox = device_outbox(device_outbox_find(w->table, DEVICE));
		if (vhost_outbox_put(outbox, keeper_table_made(w->table) + 1, true, REQUEST, ANSWER,
				     sizeof(ANSWER), false))
			abort();
		keeper_table_commit(w->table);
		end_message(w, outbox);
		break;
	case CONNECT:
		vhost_outbox_clear(device_outbox(device_outbox_find(w->table, DEVICE)));
		break;
	case EXCHANGE:
		exchange(w);
		break;
	case BREAK:
		keeper_table_add(w->table, TABLE_HELD, 0, NULL, TABLE_DATA_MAX + 1, NULL, 0);
		break;
	case END:
		keeper_table_destroy(w->table);
		break;
	}
}

/* ---- the next keeper */

static bool reads(int fd, uint32_t value)
{
	uint64_t count;

	return read(fd, &count, sizeof(count)) == sizeof(count) && count == value &&
	       write(fd, &count, sizeof(count)) == sizeof(count);
}

/* A copy of the table, which it may change. */
static int copy_table(const struct world *w)
{
	int fd = memfd_create("copy", MFD_CLOEXEC);
	struct stat st;

	if (fstat(find(w, "table")->fd, &st) || ftruncate(fd, st.st_size) ||
	    pwrite(fd, w->step.memory, PAGE, 0) != PAGE ||
	    pwrite(fd, w->step.memory + PAGE, WATCHED - PAGE, (off_t)FIRST_PAGE * PAGE) !=
		    WATCHED - PAGE)
		_exit(2);
	return fd;
}

/* In a child: what it finds. Its answer would go the way that the others went. */
static int play(struct world *w, bool answered)
{
	struct keeper_table *t;
	struct vhost_outbox *outbox;
	struct error err;

	unsetenv("NOTIFY_SOCKET");
	give_all(w, copy_table(w));
	if (keeper_table_restore(&t, -1, &err)) {
		w->found->given_up = 1;
		return 0;
	}
	for (uint32_t key = 0; key < KEYS; key++) {
		const struct table_record *r = find_key(t, key);

		if (!r)
			continue;
		memcpy(&w->found->values[key], r->data, sizeof(w->found->values[key]));
		if (!reads(keeper_table_fd(t, r, 0), w->found->values[key]))
			return 4;
	}
	w->found->answered = answered;
	if (!device_outbox_find(t, DEVICE))
		return 0;
	outbox = device_outbox(device_outbox_find(t, DEVICE));
	vhost_outbox_resume(outbox, keeper_table_made(t));
	if (vhost_outbox_sending(outbox) && answered)
		return 5; /* twice */
	w->found->answered |= vhost_outbox_sending(outbox);
	return 0;
}

/* Whether the front-end has its answer; it stays there. */
static bool has_answer(const struct world *w)
{
	struct {
		struct vhost_user_header header;
		char text[sizeof(ANSWER)];
		char more[16]; /* of another one */
	} m;
	ssize_t n = recv(w->front_end, &m, sizeof(m), MSG_PEEK | MSG_DONTWAIT);

	if (n < 0)
		return false;
	assert_int_equal(n, sizeof(m.header) + sizeof(m.text));
	assert_int_equal(m.header.request, REQUEST);
	assert_string_equal(m.text, ANSWER);
	return true;
}

static bool crash(void *world)
{
	struct world *w = world;
	bool answered = has_answer(w);
	int status;
	pid_t pid;

	if (!find(w, "table"))
		return false; /* it has not begun, or has ended */
	*w->found = (struct picture){ .answered = 0 };
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		_exit(play(w, answered));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	w->now = *w->found;
	if (memcmp(&w->now, &w->before, sizeof(w->now)) != 0)
		assert_memory_equal(&w->now, &w->after, sizeof(w->now));
	return ++w->n_deaths == w->dies_at;
}

static bool called(void *world, long number)
{
	struct world *w = world;
	bool some = false;

	while (listen_once(w))
		some = true;
	return some || has_answer(w) != w->now.answered;
}

/* Does one operation; if the keeper dies of it (see dies_at), the next one goes on: false. */
static bool run(struct world *w, struct step_op op, unsigned dies_at)
{
	bool lives;

	w->dies_at = dies_at;
	w->n_deaths = 0;
	*w->step.op = op;
	lives = step_run(&w->step);
	w->dies_at = 0;
	if (lives) {
		w->before = w->after;
	} else {
		w->before = w->after = w->now;
		step_spawn(&w->step);
		*w->step.op = (struct step_op){ .what = BEGIN };
		assert_true(step_run(&w->step));
	}
	crash(w);
	return lives;
}

static bool change_key(struct world *w, uint32_t key, uint32_t value, unsigned dies_at)
{
	w->after.values[key] = value;
	return run(w, (struct step_op){ .what = CHANGE, .n = key, .base = value }, dies_at);
}

static bool say(struct world *w, unsigned dies_at)
{
	char bytes[64];
	bool lives;

	assert_int_equal(write(w->front_end, "message", 8), 8);
	w->after.answered = 1;
	lives = run(w, (struct step_op){ .what = MESSAGE }, dies_at);
	if (w->now.answered)
		assert_true(recv(w->front_end, bytes, sizeof(bytes), MSG_DONTWAIT) > 0);
	/* it is still there if it has not acted */
	assert_int_equal(recv(w->connection, bytes, sizeof(bytes), MSG_DONTWAIT),
			 w->now.answered ? -1 : 8);
	w->before.answered = w->after.answered = w->now.answered = 0;
	return lives;
}

static void world_destroy(struct world *w)
{
	step_destroy(&w->step);
	while (w->n_files)
		forget(w, w->files[0].name);
	munmap(w->found, sizeof(*w->found));
	close(w->front_end);
	close(w->connection);
	close_notify_socket(w->manager);
	free(w);
}

static int move_up(int fd)
{
	int moved = fcntl(fd, F_DUPFD_CLOEXEC, OWN_FD);

	assert_true(moved >= 0 && moved < HIGH_FD);
	close(fd);
	return moved;
}

void scene_table(void)
{
	struct world *w = calloc(1, sizeof(*w));
	int pair[2];

	assert_non_null(w);
	w->manager = move_up(open_notify_socket());
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	w->front_end = move_up(pair[0]);
	w->connection = move_up(pair[1]);
	w->found = mmap(NULL, sizeof(*w->found), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	w->step = (struct step){ .world = w, .perform = perform, .crash = crash, .called = called };
	step_init(&w->step, WATCHED, WATCHED);
	step_spawn(&w->step);
	run(w, (struct step_op){ .what = BEGIN }, 0);
	change_key(w, 0, 5, 0);
	change_key(w, 1, 6, 0);
	/* one in place of another: keepers that go on from every place */
	for (unsigned n = 1; !change_key(w, 1, 6 + n, n); n++)
		;
	for (unsigned n = 1; !say(w, n); n += 3)
		;
	change_key(w, 0, 0, 0);
	run(w, (struct step_op){ .what = CONNECT }, 0);
	run(w, (struct step_op){ .what = EXCHANGE }, 0);
	change_key(w, 2, 3, 0);
	w->after = (struct picture){ .given_up = 1 };
	run(w, (struct step_op){ .what = BREAK }, 0);
	run(w, (struct step_op){ .what = END }, 0);
	assert_int_equal(w->n_files, 0);
	world_destroy(w);
}
