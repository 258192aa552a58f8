// SPDX-License-Identifier: Apache-2.0
/* Peers at sockets: messages in pieces, turns, peers that do not read or say hello. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "flows_fake.h"
#include "openflow/connection.h"

static const uint8_t hello[] = { OF13, OFT_HELLO, 0, 8, 0, 0, 0, 1 };
static const uint8_t echo[] = { OF13, OFT_ECHO_REQUEST, 0, 10, 0, 0, 0, 7, 'h', 'i' };

struct fixture {
	struct event_base *base;
	struct of_bridge bridge;
	struct of_connection_env env;
	struct of_connection *c;
	int fd; /* the peer's end */
	bool closed;
};

static void on_closed(void *owner, struct of_connection *connection)
{
	struct fixture *f = owner;

	of_connection_destroy(connection);
	f->c = NULL;
	f->closed = true;
}

static void connect_peer(struct fixture *f, bool listens)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	f->fd = pair[0];
	assert_int_equal(of_connection_create(&f->c, pair[1], listens ? NULL : &f->bridge, &f->env),
			 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	log_set_level("all", "error", NULL);
	fake_setup();
	f->base = event_base_new();
	f->bridge.flows = &fake;
	f->env = (struct of_connection_env){ f->base, on_closed, f, NULL };
	connect_peer(f, false);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	of_connection_destroy(f->c);
	close(f->fd);
	event_base_free(f->base);
	fake_teardown();
	free(f);
	return 0;
}

static void turn(struct fixture *f, int n)
{
	while (n--)
		event_base_loop(f->base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
}

static void put(struct fixture *f, const void *bytes, size_t n)
{
	assert_int_equal(send(f->fd, bytes, n, MSG_NOSIGNAL), n);
}

/* The next message's type, after so many turns as it takes; -1: none. */
static int take(struct fixture *f, uint8_t *message)
{
	for (int i = 0; i < 100; i++) {
		ssize_t n = recv(f->fd, message, OF_HEADER, MSG_DONTWAIT | MSG_PEEK);

		if (n == OF_HEADER) {
			size_t len = be16_load(message + 2);

			assert_int_equal(recv(f->fd, message, len, MSG_WAITALL), len);
			return message[1];
		}
		turn(f, 1);
	}
	return -1;
}

static void greet(struct fixture *f)
{
	uint8_t message[OF_LEN_MAX];

	put(f, hello, sizeof(hello));
	assert_int_equal(take(f, message), OFT_HELLO);
	turn(f, 3);
}

/* What shares are counted by. */
static void test_who_has_connected_is_known(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(f->bridge.sessions->pid, getpid());
	assert_int_equal(f->bridge.sessions->root, geteuid() == 0);
}

static void test_messages_in_pieces(void **state)
{
	struct fixture *f = *state;
	uint8_t message[OF_LEN_MAX];

	greet(f);
	for (size_t i = 0; i < sizeof(echo); i++) {
		put(f, echo + i, 1);
		turn(f, 2);
	}
	assert_int_equal(take(f, message), OFT_ECHO_REPLY);
	assert_memory_equal(message + 8, "hi", 2);
	assert_int_equal(take(f, message), -1);
}

static void test_many_at_once_are_answered_in_turns(void **state)
{
	struct fixture *f = *state;
	uint8_t message[OF_LEN_MAX];

	greet(f);
	for (int i = 0; i < 3 * OF_TURN; i++)
		put(f, echo, sizeof(echo));
	for (int i = 0; i < 3 * OF_TURN; i++)
		assert_int_equal(take(f, message), OFT_ECHO_REPLY);
}

static unsigned n_busy;

static void note_busy(struct keep *keep)
{
	n_busy++;
}

static void take_long(struct of_bridge *bridge, const uint8_t *message, size_t len)
{
	usleep(OF_TURN_NS / 1000 + 1);
}

/* Each long turn is a sign of life: many peers' may come between two of the loop's. */
static void test_long_turns_are_told(void **state)
{
	static struct keep keep = { .busy = note_busy };
	struct fixture *f = *state;
	uint8_t message[OF_LEN_MAX];

	greet(f);
	n_busy = 0;
	f->env.keep = &keep;
	f->bridge.snoop = take_long;
	for (unsigned i = 1; i <= 3; i++) {
		put(f, echo, sizeof(echo));
		assert_int_equal(take(f, message), OFT_ECHO_REPLY);
		assert_true(n_busy >= i); /* other turns may be long by chance */
	}
	f->bridge.snoop = NULL;
}

/* Flow-mods that have come at once become few versions, and are in force when the loop goes on. */
static void test_flow_mods_of_a_turn(void **state)
{
	uint8_t mod[OF_HEADER + 48] = { OF13, 14, 0, sizeof(mod) };
	struct fixture *f = *state;

	greet(f);
	memset(mod + OF_HEADER + 24, 0xff, 4); /* no buffer */
	mod[OF_HEADER + 41] = 1;	       /* all packets */
	mod[OF_HEADER + 43] = 4;
	for (uint8_t i = 0; i < 2 * OF_TURN; i++) {
		mod[OF_HEADER + 16] = i; /* table */
		put(f, mod, sizeof(mod));
	}
	for (int i = 0; i < 1000 && fake.n_mods < 2 * OF_TURN; i++) {
		turn(f, 1);
		assert_int_equal(fake.n_waiting, 0);
	}
	assert_int_equal(pipeline_n_rules(fake.pipeline, 255), 2 * OF_TURN);
	assert_in_range(fake.n_published, 2, 2 * OF_TURN - 1);
}

static void test_impossible_lengths_end_it(void **state)
{
	struct fixture *f = *state;

	greet(f);
	put(f, "\4\2\0\7\0\0\0\1", 8);
	turn(f, 3);
	assert_true(f->closed);
}

static void test_the_largest_message(void **state)
{
	struct fixture *f = *state;
	static uint8_t message[OF_LEN_MAX], answer[OF_LEN_MAX];
	int size = 1 << 20;

	setsockopt(f->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	greet(f);
	message[0] = OF13;
	message[1] = OFT_ECHO_REQUEST;
	be16_store(message + 2, OF_LEN_MAX);
	put(f, message, OF_LEN_MAX);
	for (size_t n = 0, i = 0; n < OF_LEN_MAX; i++) {
		ssize_t got = recv(f->fd, answer + n, OF_LEN_MAX - n, MSG_DONTWAIT);

		assert_in_range(i, 0, 1000);
		n += got > 0 ? (size_t)got : 0;
		turn(f, 1);
	}
	assert_int_equal(answer[1], OFT_ECHO_REPLY);
}

static void test_who_leaves_is_answered_first(void **state)
{
	struct fixture *f = *state;
	uint8_t message[OF_LEN_MAX];

	greet(f);
	put(f, echo, sizeof(echo));
	shutdown(f->fd, SHUT_WR);
	assert_int_equal(take(f, message), OFT_ECHO_REPLY);
	turn(f, 3);
	assert_true(f->closed);
}

static void test_order_while_counts_are_waited_for(void **state)
{
	static const uint8_t tables[] = { OF13, 18, 0, 16, 0, 0, 0, 9, 0, 3, 0, 0, 0, 0, 0, 0 };
	struct fixture *f = *state;
	uint8_t message[OF_LEN_MAX];

	greet(f);
	fake.hold_settles = true;
	put(f, tables, sizeof(tables));
	put(f, echo, sizeof(echo));
	assert_int_equal(take(f, message), -1);
	fake_settle();
	assert_int_equal(take(f, message), 19);
	assert_int_equal(take(f, message), OFT_ECHO_REPLY);
	/* a peer that does not wait for it */
	put(f, tables, sizeof(tables));
	turn(f, 3);
	shutdown(f->fd, SHUT_RDWR);
	turn(f, 3);
}

static void test_who_speaks_no_version_is_told_and_closed(void **state)
{
	struct fixture *f = *state;
	uint8_t message[OF_LEN_MAX];

	put(f, "\3\0\0\x10\0\0\0\1\0\1\0\x08\0\0\0\x08", 16);
	assert_int_equal(take(f, message), OFT_HELLO);
	assert_int_equal(take(f, message), OFT_ERROR);
	turn(f, 3);
	assert_true(f->closed);
}

static void test_who_does_not_read_is_not_served(void **state)
{
	struct fixture *f = *state;
	uint8_t request[OF_HEADER + 8192] = { OF13, OFT_ECHO_REQUEST };
	size_t sent = 0;

	greet(f);
	be16_store(request + 2, sizeof(request));
	for (int i = 0; i < 1000; i++) {
		if (send(f->fd, request, sizeof(request), MSG_DONTWAIT | MSG_NOSIGNAL) ==
		    sizeof(request))
			sent += sizeof(request);
		turn(f, 1);
	}
	assert_false(f->closed);
	assert_in_range(sent, OF_QUEUE_MAX, 2u << 20);
}

static void test_who_listens(void **state)
{
	struct fixture *f = *state;
	static uint8_t message[OF_LEN_MAX];
	unsigned n = 0;

	of_connection_destroy(f->c);
	close(f->fd);
	connect_peer(f, true);
	assert_int_equal(take(f, message), OFT_HELLO);
	put(f, echo, sizeof(echo)); /* nobody hears it */
	of_connection_copy(f->c, echo, sizeof(echo));
	assert_int_equal(take(f, message), OFT_ECHO_REQUEST);
	assert_int_equal(take(f, message), -1);
	/* who does not read loses some */
	message[0] = OF13;
	message[1] = OFT_ECHO_REQUEST;
	be16_store(message + 2, 60000);
	for (int i = 0; i < 100; i++)
		of_connection_copy(f->c, message, 60000);
	turn(f, 10);
	for (ssize_t got; (got = recv(f->fd, message, sizeof(message), MSG_DONTWAIT)) > 0;) {
		n += (unsigned)got;
		turn(f, 2);
	}
	assert_int_equal(n % 60000, 0);
	assert_in_range(n / 60000, 10, 60);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	*(bool *)arg = true;
}

/* Whether the loop goes round some times without sleep. */
static bool is_awake(struct fixture *f)
{
	static const struct timeval later = { .tv_usec = 20000 };
	bool slept = false;
	struct event *tick = event_new(f->base, -1, EV_PERSIST, on_tick, &slept);

	event_add(tick, &later);
	for (int i = 0; i < 3 && !slept; i++)
		event_base_loop(f->base, EVLOOP_ONCE);
	event_free(tick);
	return !slept;
}

static void test_who_asks_at_once_finds_it_awake(void **state)
{
	struct fixture *f = *state;
	uint8_t message[OF_LEN_MAX];
	bool awake = false;

	greet(f);
	assert_false(is_awake(f));
	/* on a busy machine this may be too slow, now and then */
	for (int tries = 0; !awake; tries++) {
		assert_in_range(tries, 0, 100);
		for (int i = 0; i < 2 * OF_PROMPT_MIN; i++) {
			put(f, echo, sizeof(echo));
			assert_int_equal(take(f, message), OFT_ECHO_REPLY);
		}
		awake = is_awake(f);
	}
	/* that ends */
	usleep(OF_PROMPT_NS / 1000);
	turn(f, 3);
	assert_false(is_awake(f));
}

#define ASKED 5000 /* times */

/* Asks, and asks again as soon as it is answered. */
struct asker {
	int fd;
	_Atomic(unsigned) n_answered;
	_Atomic(bool) ended;
};

static void *ask(void *arg)
{
	struct asker *a = arg;
	uint8_t message[sizeof(echo)];

	while (a->n_answered < ASKED) {
		if (send(a->fd, echo, sizeof(echo), MSG_NOSIGNAL) != sizeof(echo) ||
		    recv(a->fd, message, sizeof(message), MSG_WAITALL) != sizeof(message) ||
		    message[1] != OFT_ECHO_REPLY)
			break;
		a->n_answered++;
	}
	a->ended = true;
	return NULL;
}

/* Others have their turn after each of its requests. */
static void test_who_asks_at_once_does_not_keep_others_waiting(void **state)
{
	struct fixture *f = *state;
	struct asker a = { .fd = f->fd };
	unsigned most = 0;
	pthread_t thread;

	greet(f);
	assert_int_equal(pthread_create(&thread, NULL, ask, &a), 0);
	while (!a.ended) {
		unsigned before = a.n_answered;

		turn(f, 1);
		most = max(most, a.n_answered - before);
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(a.n_answered, ASKED);
	assert_in_range(most, 1, 2); /* the one before was counted late */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
		TEST(test_who_has_connected_is_known),
		TEST(test_messages_in_pieces),
		TEST(test_many_at_once_are_answered_in_turns),
		TEST(test_long_turns_are_told),
		TEST(test_flow_mods_of_a_turn),
		TEST(test_impossible_lengths_end_it),
		TEST(test_the_largest_message),
		TEST(test_who_leaves_is_answered_first),
		TEST(test_order_while_counts_are_waited_for),
		TEST(test_who_speaks_no_version_is_told_and_closed),
		TEST(test_who_does_not_read_is_not_served),
		TEST(test_who_listens),
		TEST(test_who_asks_at_once_finds_it_awake),
		TEST(test_who_asks_at_once_does_not_keep_others_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
