// SPDX-License-Identifier: Apache-2.0
/* Packets between two processes: in order, whole, with their fds, whatever the other one does. */
#include <pthread.h>
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"
#include "keeper_peer.h"

#define SEEN_MAX 6000

/* One end, whose owner notes what it is told. */
struct end {
	struct keeper_link *link;
	int fd; /* the other end */
	struct event_base *base;
	uint32_t seen[SEEN_MAX];
	unsigned n_seen, n_fds_seen, n_writable, n_closed;
	bool waits;    /* for an answer, from inside packet() */
	bool answers;  /* each packet */
	bool fds_lost; /* of the last packet */
	char why[64];
	unsigned n_fds;
};

static void on_packet(void *owner, struct keeper_packet *p)
{
	struct end *e = owner;
	struct keeper_packet other;
	struct error err;

	assert_true(e->n_seen < SEEN_MAX);
	e->seen[e->n_seen++] = p->header.connection;
	e->n_fds_seen += p->n_fds;
	e->fds_lost = p->fds_lost;
	keeper_packet_close_fds(p);
	if (e->answers) {
		keeper_packet_init(&other, KEEPER_ALIVE, 0, 0);
		keeper_link_send(e->link, &other);
	}
	if (!e->waits)
		return;
	e->waits = false;
	assert_int_equal(keeper_link_wait(e->link, KEEPER_DEVICE_OPENED, 7, 1000, &other, &err), 0);
}

static void on_writable(void *owner)
{
	((struct end *)owner)->n_writable++;
}

static void on_closed(void *owner, const char *why)
{
	struct end *e = owner;

	e->n_closed++;
	snprintf(e->why, sizeof(e->why), "%s", why);
}

static const struct keeper_link_ops ops = { .packet = on_packet,
					    .writable = on_writable,
					    .closed = on_closed };

static int setup(void **state)
{
	static struct end e;
	int pair[2];

	memset(&e, 0, sizeof(e));
	e.n_fds = count_fds();
	e.base = event_base_new();
	make_pair(pair);
	e.link = keeper_link_create(pair[0], e.base, &ops, &e);
	assert_non_null(e.link);
	e.fd = pair[1];
	*state = &e;
	return 0;
}

static int teardown(void **state)
{
	struct end *e = *state;

	keeper_link_destroy(e->link);
	event_base_free(e->base);
	if (e->fd >= 0)
		close(e->fd);
	assert_int_equal(count_fds(), e->n_fds);
	return 0;
}

static void turn(struct end *e)
{
	for (int i = 0; i < 12; i++)
		event_base_loop(e->base, EVLOOP_NONBLOCK);
}

static void number(struct end *e, uint32_t n, unsigned n_fds)
{
	struct keeper_packet p;

	keeper_packet_init(&p, KEEPER_DEVICE_WAIT, 1, n);
	while (p.n_fds < n_fds)
		p.fds[p.n_fds++] = eventfd(0, EFD_CLOEXEC);
	put_packet(e->fd, &p);
}

static void test_both_ways(void **state)
{
	struct end *e = *state;
	struct keeper_packet p, q;

	for (unsigned n = 0; n <= KEEPER_FDS_MAX; n++)
		number(e, n, n);
	turn(e);
	assert_int_equal(e->n_seen, KEEPER_FDS_MAX + 1);
	assert_int_equal(e->n_fds_seen, KEEPER_FDS_MAX * (KEEPER_FDS_MAX + 1) / 2);
	keeper_packet_init(&p, KEEPER_HELD, 3, 4);
	memset(p.bytes, 0x5a, KEEPER_PAYLOAD_MAX);
	p.header.size = KEEPER_PAYLOAD_MAX;
	for (unsigned n = 0; n < KEEPER_FDS_MAX; n++)
		p.fds[p.n_fds++] = eventfd(0, EFD_CLOEXEC);
	keeper_link_send(e->link, &p);
	assert_true(get_packet(e->fd, &q));
	assert_memory_equal(&q.header, &p.header, sizeof(p.header));
	assert_memory_equal(q.bytes, p.bytes, KEEPER_PAYLOAD_MAX);
	assert_int_equal(q.n_fds, KEEPER_FDS_MAX);
	for (unsigned n = 0; n < KEEPER_FDS_MAX; n++)
		assert_true(same_event(p.fds[n], q.fds[n]));
	keeper_packet_close_fds(&p);
	keeper_packet_close_fds(&q);
	assert_false(keeper_link_full(e->link));
	assert_int_equal(e->n_writable, 0);
}

/* Who sends and sends and reads no answer is not read any more, until he does. */
static void test_who_does_not_read(void **state)
{
	struct keeper_header header = { .kind = KEEPER_ASK };
	struct end *e = *state;
	struct keeper_packet p;
	unsigned n = 0;

	e->answers = true;
	for (unsigned i = 0; i < 100; i++) {
		while (send_fds(e->fd, &header, sizeof(header), NULL, 0, MSG_DONTWAIT) > 0)
			n++;
		turn(e);
	}
	assert_in_range(e->n_seen, 1, n - 1);
	for (unsigned i = 0; i < 1000 && e->n_seen < n; i++) {
		while (get_packet(e->fd, &p))
			;
		turn(e);
	}
	assert_int_equal(e->n_seen, n);
}

/* What the socket does not take waits, with fds of its own, and follows in order. */
static void test_full(void **state)
{
	struct end *e = *state;
	struct keeper_packet p;
	int fd = eventfd(0, EFD_CLOEXEC);
	unsigned n = 0, got = 0;

	while (!keeper_link_full(e->link) || n % 100) {
		keeper_packet_init(&p, KEEPER_DEVICE_KEPT, 1, n++);
		p.fds[p.n_fds++] = fd;
		keeper_link_send(e->link, &p);
		assert_true(n < 100000);
	}
	turn(e);
	assert_int_equal(e->n_writable, 0);
	while (got < n) {
		while (get_packet(e->fd, &p)) {
			assert_int_equal(p.header.connection, got++);
			assert_int_equal(p.n_fds, 1);
			assert_true(same_event(fd, p.fds[0]));
			keeper_packet_close_fds(&p);
		}
		turn(e);
	}
	assert_false(keeper_link_full(e->link));
	assert_int_equal(e->n_writable, 1);
	close(fd);
}

/* What waits is closed with the link, by us or by them. */
static void test_full_at_the_end(void **state)
{
	struct end *e = *state;
	struct keeper_packet p;
	int fd = eventfd(0, EFD_CLOEXEC);

	for (unsigned n = 0; n < 2000; n++) {
		keeper_packet_init(&p, KEEPER_DEVICE_KEPT, 1, n);
		p.fds[p.n_fds++] = fd;
		keeper_link_send(e->link, &p);
	}
	close(fd);
	assert_true(keeper_link_full(e->link));
	close(e->fd);
	e->fd = -1;
	turn(e);
	assert_int_equal(e->n_closed, 1);
	assert_false(keeper_link_full(e->link));
	keeper_link_send(e->link, &p); /* nothing happens */
	turn(e);
	assert_int_equal(e->n_closed, 1);
}

static void test_wait(void **state)
{
	struct end *e = *state;
	struct keeper_packet p;
	struct error err;

	number(e, 1, 2);
	put(e->fd, KEEPER_DEVICE_OPENED, 8, 2, NULL, 0); /* of another */
	put(e->fd, KEEPER_DEVICE_OPENED, 7, 3, NULL, 0);
	number(e, 4, 0);
	assert_int_equal(keeper_link_wait(e->link, KEEPER_DEVICE_OPENED, 7, 1000, &p, &err), 0);
	assert_int_equal(p.header.connection, 3);
	assert_int_equal(e->n_seen, 0);
	assert_int_equal(keeper_link_wait(e->link, KEEPER_HELD, 0, 10, &p, &err), -ETIMEDOUT);
	number(e, 5, 0);
	turn(e);
	assert_int_equal(e->n_seen, 4);
	assert_int_equal(e->n_fds_seen, 2);
	assert_int_equal(e->seen[0], 1);
	assert_int_equal(e->seen[1], 2);
	assert_int_equal(e->seen[2], 4);
	assert_int_equal(e->seen[3], 5);
	number(e, 6, 1); /* any; what is early stays behind when the link goes */
	assert_int_equal(keeper_link_wait(e->link, 0, 0, 1000, &p, &err), 0);
	keeper_packet_close_fds(&p);
	number(e, 7, 3);
	close(e->fd);
	e->fd = -1;
	assert_int_equal(keeper_link_wait(e->link, KEEPER_HELD, 0, 1000, &p, &err), -ECONNRESET);
}

/* Order is kept, too, when somebody waits while packets are handed out. */
static void test_wait_inside(void **state)
{
	struct end *e = *state;

	e->waits = true;
	for (uint32_t i = 0; i < 4; i++)
		number(e, i, 0);
	put(e->fd, KEEPER_DEVICE_OPENED, 7, 0, NULL, 0);
	for (uint32_t i = 4; i < 8; i++)
		number(e, i, 0);
	turn(e);
	assert_int_equal(e->n_seen, 8);
	for (uint32_t i = 0; i < 8; i++)
		assert_int_equal(e->seen[i], i);
}

/* The other process reads after a while, and answers what reaches it last. */
static void *read_late(void *arg)
{
	struct end *e = arg;
	struct keeper_packet p;
	struct pollfd poller = { .fd = e->fd, .events = POLLIN };

	nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	do {
		poll(&poller, 1, 10000);
		if (!get_packet(e->fd, &p))
			break;
	} while (p.header.kind != KEEPER_DEVICE_OPEN);
	put(e->fd, KEEPER_DEVICE_OPENED, 7, 0, NULL, 0);
	return NULL;
}

/* Whoever waits for an answer goes on sending the question. */
static void test_wait_when_full(void **state)
{
	struct end *e = *state;
	struct keeper_packet p;
	struct error err = { "" };
	uint64_t begin = clock_ns();
	pthread_t thread;

	for (unsigned n = 0; n < 2000; n++) {
		keeper_packet_init(&p, KEEPER_DEVICE_DONE, 1, n);
		keeper_link_send(e->link, &p);
	}
	assert_true(keeper_link_full(e->link));
	keeper_packet_init(&p, KEEPER_DEVICE_OPEN, 7, 0);
	keeper_link_send(e->link, &p);
	assert_int_equal(pthread_create(&thread, NULL, read_late, e), 0);
	assert_int_equal(keeper_link_wait(e->link, KEEPER_DEVICE_OPENED, 7, 20000, &p, &err), 0);
	pthread_join(thread, NULL);
	assert_true(clock_ns() - begin < 10 * NSEC_PER_SEC);
}

/* What was sent is with the socket, without a turn of the loop. */
static void test_flush(void **state)
{
	struct end *e = *state;
	struct keeper_packet p;
	pthread_t thread;

	assert_int_equal(keeper_link_flush(e->link, 0), 0);
	for (unsigned n = 0; n < 2000; n++) {
		keeper_packet_init(&p, KEEPER_DEVICE_DONE, 1, n);
		keeper_link_send(e->link, &p);
	}
	keeper_packet_init(&p, KEEPER_DEVICE_OPEN, 7, 0);
	keeper_link_send(e->link, &p);
	assert_int_equal(keeper_link_flush(e->link, 10), -ETIMEDOUT);
	assert_int_equal(pthread_create(&thread, NULL, read_late, e), 0);
	assert_int_equal(keeper_link_flush(e->link, 20000), 0);
	assert_false(keeper_link_full(e->link));
	pthread_join(thread, NULL);
	turn(e);
	assert_int_equal(e->n_writable, 1);
}

static void test_nonsense(void **state)
{
	static const uint8_t zeros[sizeof(struct keeper_header) + KEEPER_PAYLOAD_MAX + 1];
	static const size_t sizes[] = { 1, sizeof(struct keeper_header) - 1,
					sizeof(struct keeper_header) + 1, sizeof(zeros) };

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct end *e = *state;
		int fd = eventfd(0, EFD_CLOEXEC);

		send_bytes(e->fd, zeros, sizes[i], &fd, 1);
		close(fd);
		turn(e);
		assert_int_equal(e->n_seen, 0);
		assert_int_equal(e->n_closed, 1);
		assert_string_equal(e->why, "a packet that makes no sense");
		teardown(state);
		setup(state);
	}
}

/* More fds than there may be: none is left open. */
static void test_too_many_fds(void **state)
{
	struct keeper_header header = { .kind = KEEPER_DEVICE_WAIT };
	struct end *e = *state;
	int fds[20];

	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = eventfd(0, EFD_CLOEXEC);
	send_bytes(e->fd, &header, sizeof(header), fds, ARRAY_SIZE(fds));
	turn(e);
	assert_int_equal(e->n_seen, 0);
	assert_int_equal(e->n_closed, 1);
	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

/* A process that cannot open what comes gets the packet, and knows that something is missing. */
static void test_fds_lost(void **state)
{
	struct rlimit before, few;
	struct end *e = *state;
	int lowest;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	number(e, 1, 4);
	lowest = dup(STDERR_FILENO);
	close(lowest);
	few = before;
	few.rlim_cur = (rlim_t)lowest + 2;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	turn(e);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(e->n_seen, 1);
	assert_in_range(e->n_fds_seen, 0, 2);
	assert_true(e->fds_lost);
	assert_int_equal(e->n_closed, 0);
	number(e, 2, 4);
	turn(e);
	assert_int_equal(e->n_seen, 2);
	assert_false(e->fds_lost);
}

/* All that was sent before the end is there. */
static void test_closed_behind_packets(void **state)
{
	struct end *e = *state;

	for (uint32_t i = 0; i < 200; i++)
		number(e, i, 0);
	close(e->fd);
	e->fd = -1;
	turn(e);
	assert_int_equal(e->n_seen, 200);
	assert_int_equal(e->n_closed, 1);
	assert_string_equal(e->why, "it ended");
	keeper_link_destroy(NULL);
}

/* Also when it died with something unread, which the kernel tells as an error first. */
static void test_closed_with_packets_unread(void **state)
{
	struct end *e = *state;
	struct keeper_packet p;

	keeper_packet_init(&p, KEEPER_DEVICE_KEPT, 1, 0);
	keeper_link_send(e->link, &p);
	for (uint32_t i = 0; i < 100; i++)
		number(e, i, 1);
	close(e->fd);
	e->fd = -1;
	keeper_link_drain(e->link);
	assert_int_equal(e->n_seen, 100);
	assert_int_equal(e->n_closed, 1);
	assert_string_equal(e->why, "it ended");
}

/* However much it is, at once; of one that has not ended, what there is. */
static void test_drain(void **state)
{
	struct end *e = *state;

	for (uint32_t i = 0; i < 100; i++)
		number(e, i, 1);
	keeper_link_drain(e->link);
	assert_int_equal(e->n_seen, 100);
	assert_int_equal(e->n_closed, 0);
	for (uint32_t i = 0; i < 100; i++)
		number(e, i, 0);
	close(e->fd);
	e->fd = -1;
	keeper_link_drain(e->link);
	assert_int_equal(e->n_seen, 200);
	assert_int_equal(e->n_closed, 1);
	keeper_link_drain(e->link);
	assert_int_equal(e->n_closed, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_both_ways),
		TEST(test_full),
		TEST(test_full_at_the_end),
		TEST(test_wait),
		TEST(test_wait_inside),
		TEST(test_wait_when_full),
		TEST(test_who_does_not_read),
		TEST(test_nonsense),
		TEST(test_too_many_fds),
		TEST(test_fds_lost),
		TEST(test_closed_behind_packets),
		TEST(test_drain),
		TEST(test_flush),
		TEST(test_closed_with_packets_unread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
