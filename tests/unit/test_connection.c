// SPDX-License-Identifier: Apache-2.0
/* One client's connection: what waits until the switch has settled, requests in a row, ends.
 *
 *   test --- socket pair --- rpc_connection, run by pump() in the same thread
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "rpc/connection.h"

#define PATIENCE 5000 /* turns of the loop, at the most: the machine may be busy */

struct fixture {
	struct rpc_env env;
	struct rpc_connection *c;
	int fd; /* the client's end */
	unsigned n_calls, n_closed, n_looks;
	unsigned unsettled; /* looks that shall still find the switch not settled */
};

/* Changes something that takes its time: as many looks as "looks" says. */
static int change(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
		  struct error *err)
{
	struct fixture *f = ctx;

	f->unsettled = (unsigned)json_integer_value(json_object_get(params, "looks"));
	*result = json_integer(++f->n_calls);
	return 0;
}

static const struct rpc_method table[] = { { "change", change }, { NULL, NULL } };

static bool settled(void *ctx)
{
	struct fixture *f = ctx;

	f->n_looks++;
	if (!f->unsettled)
		return true;
	f->unsettled--;
	return false;
}

static void closed(void *owner, struct rpc_connection *c)
{
	struct fixture *f = owner;

	assert_ptr_equal(c, f->c);
	f->n_closed++;
	f->c = NULL;
	rpc_connection_destroy(c);
}

static void connect_client(struct fixture *f)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(rpc_connection_create(&f->c, fds[0], &f->env), 0);
	f->fd = fds[1];
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->env = (struct rpc_env){ .base = event_base_new(),
				   .methods = table,
				   .ctx = f,
				   .settled = settled,
				   .closed = closed,
				   .owner = f };
	assert_non_null(f->env.base);
	connect_client(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	rpc_connection_destroy(f->c);
	close(f->fd);
	event_base_free(f->env.base);
	free(f);
	return 0;
}

/* Runs the loop for some turns, of which each takes a little longer than a look. */
static void pump(struct fixture *f, unsigned turns)
{
	for (unsigned i = 0; i < turns; i++) {
		event_base_loop(f->env.base, EVLOOP_NONBLOCK);
		usleep(700);
	}
}

static void put(struct fixture *f, const char *text)
{
	assert_int_equal(send(f->fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* What has arrived at the client. */
static const char *get(struct fixture *f)
{
	static char text[8192];
	ssize_t n = recv(f->fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* Runs the loop until @want has arrived, or what else as long. */
static void receives(struct fixture *f, const char *want)
{
	char text[1024] = "";

	for (unsigned i = 0; i < PATIENCE && strlen(text) < strlen(want); i++) {
		pump(f, 1);
		strncat(text, get(f), sizeof(text) - strlen(text) - 1);
	}
	assert_string_equal(text, want);
}

/* Runs the loop until the connection has ended. */
static void ends(struct fixture *f)
{
	for (unsigned i = 0; i < PATIENCE && !f->n_closed; i++)
		pump(f, 1);
	assert_int_equal(f->n_closed, 1);
}

static bool at_end(struct fixture *f)
{
	char c;

	return recv(f->fd, &c, 1, MSG_DONTWAIT) == 0;
}

#define CHANGE(looks) \
	"{\"jsonrpc\":\"2.0\",\"method\":\"change\",\"params\":{\"looks\":" looks "},\"id\":1}\n"
#define NOTIFY "{\"jsonrpc\":\"2.0\",\"method\":\"change\"}\n"
#define RESULT(r) "{\"jsonrpc\":\"2.0\",\"result\":" r ",\"id\":1}\n"
#define NEVER "1000000"

static void test_settled_at_once(void **state)
{
	struct fixture *f = *state;

	put(f, CHANGE("0"));
	receives(f, RESULT("1"));
	assert_true(f->n_looks > 0);
}

/* The answer stays until the change has taken effect, and then goes. */
static void test_hold_and_release(void **state)
{
	struct fixture *f = *state;
	unsigned looks;

	put(f, CHANGE(NEVER));
	pump(f, 10);
	assert_int_equal(f->n_calls, 1);
	assert_string_equal(get(f), "");
	looks = f->n_looks;
	for (unsigned i = 0; i < PATIENCE && f->n_looks == looks; i++)
		pump(f, 1);
	assert_true(f->n_looks > looks); /* it looks again by itself */
	assert_string_equal(get(f), "");
	f->unsettled = 0;
	receives(f, RESULT("1"));
	/* it does not look on for ever */
	looks = f->n_looks;
	pump(f, 10);
	assert_int_equal(f->n_looks, looks);
	put(f, CHANGE("0"));
	receives(f, RESULT("2"));
}

/* No request is carried out before the one before it has taken effect. */
static void test_pipelined(void **state)
{
	struct fixture *f = *state;

	put(f, CHANGE(NEVER) CHANGE("3") CHANGE("0"));
	pump(f, 10);
	assert_int_equal(f->n_calls, 1);
	assert_string_equal(get(f), "");
	/* what comes meanwhile has its turn after those */
	put(f, CHANGE("0"));
	pump(f, 5);
	assert_int_equal(f->n_calls, 1);
	f->unsettled = 0;
	receives(f, RESULT("1") RESULT("2") RESULT("3") RESULT("4"));
	assert_int_equal(f->n_calls, 4);
}

/* What needs no answer is waited for just so. */
static void test_notification(void **state)
{
	struct fixture *f = *state;

	put(f, NOTIFY NOTIFY CHANGE("0") NOTIFY);
	receives(f, RESULT("3"));
	pump(f, 2);
	assert_int_equal(f->n_calls, 4);
}

static void test_without_hook(void **state)
{
	enum { N = 5 * RPC_TURN };
	struct fixture *f = *state;

	f->env.settled = NULL;
	for (unsigned i = 0; i < N; i++)
		put(f, CHANGE(NEVER));
	/* a turn's worth at the most (less when its time is up), then the others' turn */
	event_base_loop(f->env.base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
	assert_in_range(f->n_calls, 1, RPC_TURN);
	for (unsigned i = 0; i < PATIENCE && f->n_calls < N; i++)
		pump(f, 1);
	assert_int_equal(f->n_calls, N);
	assert_int_equal(f->n_looks, 0);
}

/* A client that says no more gets its answers, then the end. */
static void test_end_while_held(void **state)
{
	struct fixture *f = *state;

	put(f, CHANGE(NEVER) CHANGE("0"));
	assert_int_equal(shutdown(f->fd, SHUT_WR), 0);
	pump(f, 10);
	assert_string_equal(get(f), "");
	assert_int_equal(f->n_closed, 0);
	f->unsettled = 0;
	receives(f, RESULT("1") RESULT("2"));
	ends(f);
	assert_true(at_end(f));
}

/* A client that has gone is let go once, and what it asked for before is done. */
static void test_gone_while_held(void **state)
{
	struct fixture *f = *state;

	put(f, CHANGE(NEVER));
	pump(f, 5);
	close(f->fd);
	f->fd = -1;
	pump(f, 5);
	f->unsettled = 0;
	ends(f);
	assert_int_equal(f->n_calls, 1);
}

static void test_gone_at_once(void **state)
{
	struct fixture *f = *state;

	close(f->fd);
	f->fd = -1;
	ends(f);
	assert_int_equal(f->n_calls, 0);
}

/* The owner may end it at any time: with the answer held, timers armed and bytes half read. */
static void test_destroy(void **state)
{
	struct fixture *f = *state;

	put(f, CHANGE(NEVER) "{\"jsonrpc\":");
	pump(f, 5);
	assert_int_equal(f->n_calls, 1);
	rpc_connection_destroy(f->c);
	f->c = NULL;
	assert_true(at_end(f)); /* its answer is lost */
	f->unsettled = 0;
	pump(f, 5);
	assert_int_equal(f->n_closed, 0);
	rpc_connection_destroy(NULL);
}

/* A request that is too long is told so after the answers to those before it. */
static void test_cut_off(void **state)
{
	struct fixture *f = *state;
	char *text = malloc(RPC_REQUEST_MAX + 2);
	size_t sent = 0, len = RPC_REQUEST_MAX + 1;
	const char *got;

	assert_non_null(text);
	memset(text, ' ', len);
	put(f, CHANGE("3"));
	while (sent < len && f->c) {
		ssize_t n = send(f->fd, text + sent, len - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0)
			sent += (size_t)n;
		else
			pump(f, 1);
	}
	free(text);
	ends(f);
	got = get(f);
	assert_int_equal(strncmp(got, RESULT("1"), strlen(RESULT("1"))), 0);
	assert_non_null(strstr(got, "request longer than 1 MiB"));
	assert_true(at_end(f));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_settled_at_once), TEST(test_hold_and_release), TEST(test_pipelined),
		TEST(test_notification),    TEST(test_without_hook),	 TEST(test_end_while_held),
		TEST(test_gone_while_held), TEST(test_gone_at_once),	 TEST(test_destroy),
		TEST(test_cut_off),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
