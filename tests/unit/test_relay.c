// SPDX-License-Identifier: Apache-2.0
/* Front-ends that stay while switch processes, played here packet by packet, come and die. */
#include "keeper/relay.h"
#include "keeper_peer.h"

#define CONTROL_FDS 20

/* The keeper, its files, and the other end of its link. */
struct world {
	struct event_base *base;
	struct keeper_table *table;
	struct keeper_relay *relay;
	struct keeper_link *link;
	int process; /* the switch's end */
	char dir[64], paths[2][96];
	unsigned n_fds;
};

static void on_packet(void *owner, struct keeper_packet *p)
{
	keeper_relay_packet(((struct world *)owner)->relay, p);
}

static void on_writable(void *owner)
{
	keeper_relay_pump(((struct world *)owner)->relay);
}

static void on_closed(void *owner, const char *why)
{
	keeper_relay_attach(((struct world *)owner)->relay, NULL);
}

static const struct keeper_link_ops link_ops = { .packet = on_packet,
						 .writable = on_writable,
						 .closed = on_closed };

static void turn(struct world *w)
{
	for (int i = 0; i < 12; i++)
		event_base_loop(w->base, EVLOOP_NONBLOCK);
}

static void begin_process(struct world *w)
{
	int pair[2];

	make_pair(pair);
	w->link = keeper_link_create(pair[0], w->base, &link_ops, w);
	w->process = pair[1];
	keeper_relay_attach(w->relay, w->link);
}

/* What it has sent is read. */
static void die(struct world *w)
{
	close(w->process);
	turn(w);
	keeper_relay_attach(w->relay, NULL);
	keeper_link_destroy(w->link);
	w->link = NULL;
}

static int setup(void **state)
{
	static struct world w;

	memset(&w, 0, sizeof(w));
	w.n_fds = count_fds();
	snprintf(w.dir, sizeof(w.dir), "/tmp/vireo-test-XXXXXX");
	assert_non_null(mkdtemp(w.dir));
	for (int i = 0; i < 2; i++)
		snprintf(w.paths[i], sizeof(w.paths[i]), "%s/%d.sock", w.dir, i);
	w.base = event_base_new();
	w.table = keeper_table_create();
	w.relay = keeper_relay_create(w.base, w.table);
	begin_process(&w);
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	if (w->link)
		die(w);
	keeper_relay_destroy(w->relay);
	keeper_table_destroy(w->table);
	event_base_free(w->base);
	assert_int_equal(rmdir(w->dir), 0);
	assert_int_equal(count_fds(), w->n_fds);
	return 0;
}

/* ---- the switch */

/* The next packet is of this kind. */
static struct keeper_packet *expect(struct world *w, enum keeper_kind kind, uint32_t device)
{
	static struct keeper_packet p;

	turn(w);
	if (!get_packet(w->process, &p))
		fail_msg("no packet, not one of kind %d", kind);
	assert_int_equal(p.header.kind, kind);
	assert_int_equal(p.header.device, device);
	return &p;
}

static void expect_nothing(struct world *w)
{
	struct keeper_packet p;

	turn(w);
	assert_false(get_packet(w->process, &p));
}

/* Whether there was one of that name; @states: what comes back, or NULL. */
static bool open_device(struct world *w, uint32_t id, const char *name, const char *path,
			int *states)
{
	struct keeper_packet p;
	bool resumed;

	keeper_packet_init(&p, KEEPER_DEVICE_OPEN, id, 0);
	memset(&p.open, 0, sizeof(p.open));
	strncpy(p.open.name, name, sizeof(p.open.name) - 1);
	strncpy(p.open.path, path, sizeof(p.open.path) - 1);
	p.open.uid = p.open.gid = p.open.rights = -1;
	p.header.size = sizeof(p.open);
	p.fds[p.n_fds++] = memfd_create("states", MFD_CLOEXEC);
	if (states)
		*states = dup(p.fds[0]);
	put_packet(w->process, &p);
	p = *expect(w, KEEPER_DEVICE_OPENED, id);
	assert_int_equal(p.opened.error, 0);
	resumed = p.opened.resumed;
	assert_int_equal(p.n_fds, resumed);
	if (states && resumed) {
		close(*states);
		*states = dup(p.fds[0]);
	}
	keeper_packet_close_fds(&p);
	return resumed;
}

static uint32_t expect_connected(struct world *w, uint32_t id, bool resumed)
{
	struct keeper_packet *p = expect(w, KEEPER_DEVICE_CONNECTED, id);

	assert_int_equal(p->connected.resumed, resumed);
	assert_int_equal(p->connected.peer_pid, getpid());
	return p->header.connection;
}

/* A message, of that number; its fds are closed, the first given to @fd if that is not NULL. */
static void expect_message(struct world *w, enum keeper_kind kind, uint32_t id, uint64_t value,
			   int *fd)
{
	struct keeper_packet *p = expect(w, kind, id);
	struct vhost_user_header header;

	assert_int_equal(p->header.size, sizeof(header) + 8);
	memcpy(&header, p->bytes, sizeof(header));
	assert_int_equal(header.flags, VHOST_USER_VERSION);
	assert_int_equal(header.size, 8);
	assert_memory_equal(p->bytes + sizeof(header), &value, sizeof(value));
	if (fd) {
		*fd = p->fds[0];
		p->fds[0] = -1;
	}
	keeper_packet_close_fds(p);
}

/* DONE, with an answer, and the message kept under the key 1 and @detail; 0: it is not. */
static void done(struct world *w, uint32_t id, uint32_t connection, uint64_t answer,
		 uint64_t detail)
{
	struct {
		struct keeper_done done;
		struct vhost_edit edit;
		uint64_t answer;
	} d = { { 1, true, 1, 8 }, { VHOST_EDIT_KEEP, 0, { 1, 0, detail } }, answer };

	if (!detail)
		d.edit.kind = VHOST_EDIT_FORGET;
	put(w->process, KEEPER_DEVICE_DONE, id, connection, &d, sizeof(d));
}

/* ---- the front-end */

static void ask_keeper(int peer, uint64_t value, const int *fds, unsigned n)
{
	struct {
		struct vhost_user_header header;
		uint64_t value;
	} __attribute__((packed)) m = { { 77, VHOST_USER_VERSION, 8 }, value };

	send_bytes(peer, &m, sizeof(m), fds, n);
}

/* The answer, or 0 when there is none (yet), or -1 at the end. */
static int64_t answer(struct world *w, int peer)
{
	struct {
		struct vhost_user_header header;
		uint64_t value;
	} __attribute__((packed)) m;
	ssize_t n;

	turn(w);
	n = recv(peer, &m, sizeof(m), MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0)
		return -1;
	assert_int_equal(n, sizeof(m));
	return (int64_t)m.value;
}

/* ---- tests */

/* A message acts in the process that says so, and is answered once. */
static void test_dies_at_any_point(void **state)
{
	struct world *w = *state;
	uint32_t c;
	int peer;

	open_device(w, 1, "vm", w->paths[0], NULL);
	peer = connect_to(w->paths[0]);
	c = expect_connected(w, 1, false);
	for (uint32_t point = 0; point < 4; point++) {
		uint32_t id = 10 + point;

		/* one that is kept, for all the processes */
		ask_keeper(peer, 1000 + point, NULL, 0);
		expect_message(w, KEEPER_DEVICE_MESSAGE, point ? id - 1 : 1, 1000 + point, NULL);
		done(w, point ? id - 1 : 1, c, 1, 1 + point);
		assert_int_equal(answer(w, peer), 1);

		ask_keeper(peer, 55, NULL, 0);
		if (point >= 1)
			expect_message(w, KEEPER_DEVICE_MESSAGE, id - 1, 55, NULL);
		if (point >= 2)
			done(w, id - 1, c, 7, 0);
		if (point >= 3)
			assert_int_equal(answer(w, peer), 7);
		die(w);
		assert_int_equal(answer(w, peer), point == 2 ? 7 : 0);

		begin_process(w);
		assert_true(open_device(w, id, "vm", w->paths[0], NULL));
		assert_int_equal(expect_connected(w, id, true), c);
		for (unsigned i = 0; i <= point; i++)
			expect_message(w, KEEPER_DEVICE_KEPT, id, 1000 + i, NULL);
		expect(w, KEEPER_DEVICE_RESUMED, id);
		if (point < 2) {
			expect_message(w, KEEPER_DEVICE_MESSAGE, id, 55, NULL);
			expect_nothing(w);
			assert_int_equal(answer(w, peer), 0);
			done(w, id, c, 8, 0);
			assert_int_equal(answer(w, peer), 8);
		}
		expect_nothing(w);
		done(w, id, c, 9, 0); /* of nothing */
		assert_int_equal(answer(w, peer), 0);
	}
	close(peer);
}

/* Of several that have something to say whenever the link takes it, each is the first in its turn.
 */
static void test_turns(void **state)
{
	struct world *w = *state;
	uint32_t c[2], last = 0;
	int peers[2];

	for (unsigned i = 0; i < 2; i++) {
		open_device(w, 1 + i, i ? "b" : "a", w->paths[i], NULL);
		peers[i] = connect_to(w->paths[i]);
		c[i] = expect_connected(w, 1 + i, false);
	}
	for (unsigned round = 0; round < 6; round++) {
		struct keeper_packet p;

		keeper_relay_freeze(w->relay, true);
		for (unsigned i = 0; i < 2; i++)
			ask_keeper(peers[i], 5, NULL, 0);
		expect_nothing(w);
		keeper_relay_freeze(w->relay, false);
		assert_true(get_packet(w->process, &p));
		assert_int_equal(p.header.kind, KEEPER_DEVICE_MESSAGE);
		assert_int_not_equal(p.header.device, last);
		last = p.header.device;
		expect_message(w, KEEPER_DEVICE_MESSAGE, 3 - last, 5, NULL);
		for (unsigned i = 0; i < 2; i++) {
			done(w, 1 + i, c[i], 7, 0);
			assert_int_equal(answer(w, peers[i]), 7);
		}
	}
	close(peers[0]);
	close(peers[1]);
}

/* A message that makes each process crash is given up, with its connection; then everything is as
 * before, also for a process that was not told. */
static void test_message_that_crashes(void **state)
{
	struct world *w = *state;
	struct keeper_packet *p;
	uint32_t c;
	int peer;

	open_device(w, 1, "vm", w->paths[0], NULL);
	open_device(w, 2, "other", w->paths[1], NULL);
	peer = connect_to(w->paths[0]);
	c = expect_connected(w, 1, false);
	for (unsigned i = 0; i < 2; i++) { /* not the same */
		ask_keeper(peer, i, NULL, 0);
		expect_message(w, KEEPER_DEVICE_MESSAGE, 1, i, NULL);
		die(w);
		keeper_relay_crashed(w->relay);
		keeper_relay_crashed(w->relay); /* one that was told nothing */
		begin_process(w);
		open_device(w, 1, "vm", w->paths[0], NULL);
		assert_int_equal(expect_connected(w, 1, true), c);
		expect(w, KEEPER_DEVICE_RESUMED, 1);
		expect_message(w, KEEPER_DEVICE_MESSAGE, 1, i, NULL);
		if (i)
			break;
		done(w, 1, c, 7, 0);
		assert_int_equal(answer(w, peer), 7);
	}
	die(w);
	keeper_relay_crashed(w->relay);
	assert_int_equal(answer(w, peer), -1);
	close(peer);
	peer = connect_to(w->paths[0]);
	for (uint32_t id = 5; id < 7; id++) { /* the first one dies before it has understood */
		begin_process(w);
		assert_true(open_device(w, id, "vm", w->paths[0], NULL));
		assert_int_equal(expect_connected(w, id, true), c);
		p = expect(w, KEEPER_DEVICE_DISCONNECTED, id);
		assert_int_equal(p->header.connection, c);
		assert_string_equal(p->text,
				    "the switch crashed 2 times while it handled message 77");
		expect_nothing(w);
		if (id == 5)
			die(w);
	}
	put(w->process, KEEPER_DEVICE_WAIT, 6, c, NULL, 0);
	assert_int_equal(expect_connected(w, 6, false), c + 1);
	die(w);
	keeper_relay_crashed(w->relay);
	begin_process(w);
	assert_true(open_device(w, 7, "vm", w->paths[0], NULL));
	assert_int_equal(expect_connected(w, 7, true), c + 1);
	expect(w, KEEPER_DEVICE_RESUMED, 7);
	expect_nothing(w);
	close(peer);
}

/* The fds of what is kept, and of what is not done, are the same in each process. */
static void test_fds_stay(void **state)
{
	struct world *w = *state;
	int peer, fds[2] = { eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC) }, states[2], fd;
	uint32_t c;

	open_device(w, 1, "vm", w->paths[0], &states[0]);
	peer = connect_to(w->paths[0]);
	c = expect_connected(w, 1, false);
	ask_keeper(peer, 1, &fds[0], 1);
	expect_message(w, KEEPER_DEVICE_MESSAGE, 1, 1, NULL);
	done(w, 1, c, 1, 1);
	ask_keeper(peer, 2, &fds[1], 1);
	for (uint32_t id = 2; id < 6; id++) {
		turn(w);
		die(w);
		begin_process(w);
		assert_true(open_device(w, id, "vm", w->paths[0], &states[1]));
		assert_true(same_file(states[0], states[1]));
		close(states[1]);
		expect_connected(w, id, true);
		expect_message(w, KEEPER_DEVICE_KEPT, id, 1, &fd);
		assert_true(same_event(fds[0], fd));
		close(fd);
		expect(w, KEEPER_DEVICE_RESUMED, id);
		expect_message(w, KEEPER_DEVICE_MESSAGE, id, 2, &fd);
		assert_true(same_event(fds[1], fd));
		close(fd);
	}
	close(peer);
	close(fds[0]);
	close(fds[1]);
	close(states[0]);
}

/* Whoever goes while no process lives is forgotten; the next one is new, also to a new process. */
static void test_front_end_leaves_meanwhile(void **state)
{
	struct world *w = *state;
	int peer;
	uint32_t c;

	open_device(w, 1, "vm", w->paths[0], NULL);
	for (uint32_t id = 2; id < 5; id++) {
		peer = connect_to(w->paths[0]);
		c = expect_connected(w, id - 1, false);
		ask_keeper(peer, 1, NULL, 0);
		expect_message(w, KEEPER_DEVICE_MESSAGE, id - 1, 1, NULL);
		if (id != 3) /* with a message at hand nobody looks at the socket */
			done(w, id - 1, c, 1, 1);
		turn(w);
		die(w);
		close(peer);
		turn(w);
		begin_process(w);
		assert_true(open_device(w, id, "vm", w->paths[0], NULL));
		if (id == 3) {
			expect_connected(w, id, true);
			expect(w, KEEPER_DEVICE_RESUMED, id);
			expect_message(w, KEEPER_DEVICE_MESSAGE, id, 1, NULL);
			done(w, id, c, 1, 1);
			/* it cannot be answered: the end follows */
			assert_string_equal(expect(w, KEEPER_DEVICE_DISCONNECTED, id)->text, "");
			put(w->process, KEEPER_DEVICE_WAIT, id, c, NULL, 0);
		}
		expect_nothing(w);
	}
}

/* Of another one that comes while no process lives, the next is told as of a new one, or as of one
 * that is there. */
static void test_front_end_comes_meanwhile(void **state)
{
	struct world *w = *state;
	int peer;

	open_device(w, 1, "vm", w->paths[0], NULL);
	die(w);
	peer = connect_to(w->paths[0]);
	ask_keeper(peer, 5, NULL, 0);
	turn(w);
	begin_process(w);
	assert_true(open_device(w, 2, "vm", w->paths[0], NULL));
	expect_connected(w, 2, true);
	expect(w, KEEPER_DEVICE_RESUMED, 2);
	expect_message(w, KEEPER_DEVICE_MESSAGE, 2, 5, NULL);
	close(peer);
}

static void keep_many(struct world *w, int peer, uint32_t c, unsigned n)
{
	for (unsigned i = 1; i <= n; i++) {
		ask_keeper(peer, i, NULL, 0);
		expect_message(w, KEEPER_DEVICE_MESSAGE, 1, i, NULL);
		done(w, 1, c, 1, i);
		assert_int_equal(answer(w, peer), 1);
	}
}

/* Telling what is kept waits for a process that does not read; what waits is bounded, and the end
 * of the connection is told behind it. */
static void test_leaves_while_told(void **state)
{
	struct world *w = *state;
	struct keeper_packet p;
	unsigned n = 0;
	uint32_t c;
	int peer;

	open_device(w, 1, "vm", w->paths[0], NULL);
	peer = connect_to(w->paths[0]);
	c = expect_connected(w, 1, false);
	keep_many(w, peer, c, 1000);
	die(w);
	begin_process(w);
	assert_true(open_device(w, 2, "vm", w->paths[0], NULL));
	expect_connected(w, 2, true);
	turn(w);
	assert_true(keeper_link_full(w->link));
	close(peer);
	turn(w);
	for (;;) {
		turn(w);
		assert_true(get_packet(w->process, &p));
		if (p.header.kind != KEEPER_DEVICE_KEPT)
			break;
		n++;
	}
	assert_int_equal(p.header.kind, KEEPER_DEVICE_DISCONNECTED);
	assert_int_equal(p.header.connection, c);
	assert_in_range(n, 1, 999);
	put(w->process, KEEPER_DEVICE_WAIT, 2, c, NULL, 0);
	peer = connect_to(w->paths[0]);
	assert_int_equal(expect_connected(w, 2, false), c + 1);
	expect_nothing(w);
	close(peer);
}

/* All of it is told to one that reads slowly, in order. */
static void test_told_slowly(void **state)
{
	struct world *w = *state;
	uint32_t c;
	int peer;

	open_device(w, 1, "vm", w->paths[0], NULL);
	peer = connect_to(w->paths[0]);
	c = expect_connected(w, 1, false);
	keep_many(w, peer, c, 1000);
	ask_keeper(peer, 5000, NULL, 0);
	die(w);
	begin_process(w);
	assert_true(open_device(w, 2, "vm", w->paths[0], NULL));
	expect_connected(w, 2, true);
	for (unsigned i = 1; i <= 1000; i++)
		expect_message(w, KEEPER_DEVICE_KEPT, 2, i, NULL);
	expect(w, KEEPER_DEVICE_RESUMED, 2);
	expect_message(w, KEEPER_DEVICE_MESSAGE, 2, 5000, NULL);
	close(peer);
}

/* What concerns a connection that is over is ignored. */
static void test_hang_up_crosses_end(void **state)
{
	struct world *w = *state;
	int peer, next;
	uint32_t c;

	open_device(w, 1, "vm", w->paths[0], NULL);
	peer = connect_to(w->paths[0]);
	c = expect_connected(w, 1, false);
	/* the front-end first */
	close(peer);
	turn(w);
	put(w->process, KEEPER_DEVICE_HANG_UP, 1, c, NULL, 0);
	put(w->process, KEEPER_DEVICE_WAIT, 1, c, NULL, 0);
	expect(w, KEEPER_DEVICE_DISCONNECTED, 1);
	peer = connect_to(w->paths[0]);
	assert_int_equal(expect_connected(w, 1, false), c + 1);
	put(w->process, KEEPER_DEVICE_HANG_UP, 1, c, NULL, 0);
	put(w->process, KEEPER_DEVICE_WAIT, 1, c, NULL, 0);
	assert_int_equal(answer(w, peer), 0);
	/* the switch first; the next one has to wait */
	ask_keeper(peer, 3, NULL, 0);
	expect_message(w, KEEPER_DEVICE_MESSAGE, 1, 3, NULL);
	put(w->process, KEEPER_DEVICE_HANG_UP, 1, c + 1, NULL, 0);
	done(w, 1, c + 1, 3, 0);
	assert_int_equal(answer(w, peer), -1);
	next = connect_to(w->paths[0]);
	expect_nothing(w);
	put(w->process, KEEPER_DEVICE_WAIT, 1, c + 1, NULL, 0);
	assert_int_equal(expect_connected(w, 1, false), c + 2);
	/* hung up, and dead before wait() */
	put(w->process, KEEPER_DEVICE_HANG_UP, 1, c + 2, NULL, 0);
	die(w);
	begin_process(w);
	assert_true(open_device(w, 2, "vm", w->paths[0], NULL));
	expect_nothing(w);
	close(peer);
	peer = connect_to(w->paths[0]);
	assert_int_equal(expect_connected(w, 2, false), c + 3);
	close(peer);
	close(next);
}

/* A device of the same name elsewhere is another one; those that nobody opens go. */
static void test_other_devices(void **state)
{
	struct world *w = *state;
	char other[128];
	int peers[2];

	snprintf(other, sizeof(other), "%s/other.sock", w->dir);
	open_device(w, 1, "a", w->paths[0], NULL);
	open_device(w, 2, "b", w->paths[1], NULL);
	for (int i = 0; i < 2; i++) {
		peers[i] = connect_to(w->paths[i]);
		expect_connected(w, 1 + (uint32_t)i, false);
	}
	die(w);
	assert_int_equal(keeper_relay_n_orphans(w->relay), 2);
	begin_process(w);
	assert_false(open_device(w, 1, "a", other, NULL));
	assert_int_equal(answer(w, peers[0]), -1);
	assert_int_equal(access(w->paths[0], F_OK), -1);
	assert_int_equal(access(other, F_OK), 0);
	assert_int_equal(keeper_relay_n_orphans(w->relay), 1);
	assert_int_equal(answer(w, peers[1]), 0);
	keeper_relay_ready(w->relay);
	assert_int_equal(keeper_relay_n_orphans(w->relay), 0);
	expect(w, KEEPER_TOLD, 0);
	assert_int_equal(answer(w, peers[1]), -1);
	assert_int_equal(access(w->paths[1], F_OK), -1);
	assert_false(open_device(w, 3, "a", other, NULL)); /* opened twice by one process */
	put(w->process, KEEPER_DEVICE_CLOSE, 3, 0, NULL, 0);
	turn(w);
	assert_int_equal(access(other, F_OK), -1);
	close(peers[0]);
	close(peers[1]);
}

static void test_open_fails(void **state)
{
	struct world *w = *state;
	struct keeper_packet p;

	open_device(w, 1, "a", w->paths[0], NULL);
	keeper_packet_init(&p, KEEPER_DEVICE_OPEN, 2, 0);
	memset(&p.open, 'x', sizeof(p.open)); /* not ended */
	p.open.mode = VHOST_LISTEN;
	p.header.size = sizeof(p.open);
	p.fds[p.n_fds++] = eventfd(0, EFD_CLOEXEC);
	put_packet(w->process, &p);
	p = *expect(w, KEEPER_DEVICE_OPENED, 2);
	if (!p.opened.error) /* a file of that name where the test runs */
		put(w->process, KEEPER_DEVICE_CLOSE, 2, 0, NULL, 0);
	keeper_packet_init(&p, KEEPER_DEVICE_OPEN, 3, 0);
	memset(&p.open, 0, sizeof(p.open));
	strcpy(p.open.name, "b");
	strcpy(p.open.path, w->paths[0]);
	p.header.size = sizeof(p.open);
	put_packet(w->process, &p);
	p = *expect(w, KEEPER_DEVICE_OPENED, 3);
	assert_int_equal(p.opened.error, -EADDRINUSE);
	assert_non_null(strstr(p.opened.text, "in use"));
	put(w->process, KEEPER_DEVICE_CLOSE, 3, 0, NULL, 0); /* there is none */
	expect_nothing(w);
}

/* Rights that no configuration could ask for. */
static void test_hostile_opens(void **state)
{
	const struct keeper_open good = { .name = "vm", .uid = -1, .gid = -1, .rights = -1 };
	struct world *w = *state;

	for (unsigned i = 0; i < 8; i++) {
		struct keeper_open open = good;
		size_t size = sizeof(open);
		struct keeper_packet *p;

		strcpy(open.path, w->paths[0]);
		open.mode = i == 0 ? VHOST_CONNECT + 1 : VHOST_LISTEN;
		open.uid = i == 1 ? -2 : -1;
		open.gid = i == 2 ? INT32_MIN : -1;
		open.rights = i == 3 ? 04755 : i == 4 ? INT32_MAX : -1;
		open.name[0] = i == 5 ? 0 : 'v';
		open.path[0] = i == 6 ? 0 : '/';
		size -= i == 7;
		put(w->process, KEEPER_DEVICE_OPEN, 1, 0, &open, size);
		p = expect(w, KEEPER_DEVICE_OPENED, 1);
		assert_int_equal(p->opened.error, -EINVAL);
		assert_int_equal(access(w->paths[0], F_OK), -1);
	}
}

/* What makes no sense changes nothing. */
static void test_wrong_packets(void **state)
{
	struct keeper_done wrong[] = { { 1, 1, 1u << 31, 8 },
				       { 1, 1, 0, 1u << 31 },
				       { 1, 1, 9, 0 } };
	struct world *w = *state;
	uint32_t c;
	int peer;

	open_device(w, 1, "vm", w->paths[0], NULL);
	peer = connect_to(w->paths[0]);
	c = expect_connected(w, 1, false);
	ask_keeper(peer, 1, NULL, 0);
	expect_message(w, KEEPER_DEVICE_MESSAGE, 1, 1, NULL);
	for (unsigned i = 0; i < 3; i++)
		put(w->process, KEEPER_DEVICE_DONE, 1, c, &wrong[i], sizeof(wrong[i]));
	for (uint32_t kind = 0; kind < 40; kind++)
		if (kind != KEEPER_DEVICE_OPEN)
			put(w->process, kind, 99, c, NULL, 0);
	done(w, 1, c + 1, 5, 0);
	done(w, 0, c, 5, 0);
	assert_int_equal(answer(w, peer), 0);
	done(w, 1, c, 6, 0);
	assert_int_equal(answer(w, peer), 6);
	close(peer);
}

/* Who has not said hello is not answered, and opens nothing. */
static void test_before_hello(void **state)
{
	struct world *w = *state;
	struct keeper_packet p;

	keeper_relay_attach(w->relay, NULL);
	keeper_packet_init(&p, KEEPER_DEVICE_OPEN, 1, 0);
	p.open = (struct keeper_open){ .name = "vm", .uid = -1, .gid = -1, .rights = -1 };
	strcpy(p.open.path, w->paths[0]);
	p.fds[p.n_fds++] = eventfd(0, EFD_CLOEXEC);
	keeper_relay_packet(w->relay, &p);
	assert_int_equal(access(w->paths[0], F_OK), -1);
}

/* One that speaks no vhost-user, and one that sends more fds than there may be. */
static void test_hostile_front_ends(void **state)
{
	struct world *w = *state;
	int fds[CONTROL_FDS], peer;
	struct vhost_user_header header;
	struct keeper_packet *p;
	uint32_t c;

	for (unsigned i = 0; i < CONTROL_FDS; i++)
		fds[i] = eventfd(0, EFD_CLOEXEC);
	open_device(w, 1, "vm", w->paths[0], NULL);
	peer = connect_to(w->paths[0]);
	c = expect_connected(w, 1, false);
	send_bytes(peer, "GET / HTTP/1.0\r\n\r\n", 18, NULL, 0);
	p = expect(w, KEEPER_DEVICE_DISCONNECTED, 1);
	assert_non_null(strstr(p->text, "protocol version"));
	assert_int_equal(p->header.size, strlen(p->text) + 1);
	close(peer);
	put(w->process, KEEPER_DEVICE_WAIT, 1, c, NULL, 0);
	peer = connect_to(w->paths[0]);
	c = expect_connected(w, 1, false);
	ask_keeper(peer, 1, fds, CONTROL_FDS);
	p = expect(w, KEEPER_DEVICE_MESSAGE, 1);
	assert_int_equal(p->n_fds, KEEPER_FDS_MAX);
	memcpy(&header, p->bytes, sizeof(header));
	assert_int_equal(header.flags, VHOST_USER_VERSION | KEEPER_FDS_LOST);
	keeper_packet_close_fds(p);
	done(w, 1, c, 1, 1);
	assert_int_equal(answer(w, peer), 1);
	/* many messages: one at a time is told */
	for (unsigned i = 0; i < 100; i++)
		ask_keeper(peer, i, fds, 8);
	expect_message(w, KEEPER_DEVICE_MESSAGE, 1, 0, NULL);
	expect_nothing(w);
	close(peer);
	for (unsigned i = 0; i < CONTROL_FDS; i++)
		close(fds[i]);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_message_that_crashes),
		TEST(test_dies_at_any_point),
		TEST(test_fds_stay),
		TEST(test_front_end_leaves_meanwhile),
		TEST(test_front_end_comes_meanwhile),
		TEST(test_leaves_while_told),
		TEST(test_told_slowly),
		TEST(test_hang_up_crosses_end),
		TEST(test_turns),
		TEST(test_other_devices),
		TEST(test_open_fails),
		TEST(test_hostile_opens),
		TEST(test_wrong_packets),
		TEST(test_before_hello),
		TEST(test_hostile_front_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
