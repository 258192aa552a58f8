// SPDX-License-Identifier: Apache-2.0
/* Worker threads: they sleep when there is nothing to do, and no wake-up is ever lost. */
#include <errno.h>
#include <sched.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rcu.h"
#include "datapath/worker.h"
#include "scale.h"
#include "view_maker.h"

#define WAIT_NS (20 * NSEC_PER_SEC)
#define N_WORKERS 2

/* Workers without a datapath: the test plays its part. */
struct crew {
	struct maker m;
	struct worker_shared shared;
	struct worker workers[N_WORKERS];
};

static void publish(struct crew *c)
{
	struct view *old = c->shared.view, *view = maker_view(&c->m);

	view->generation = c->shared.generation + 1;
	__atomic_store_n(&c->shared.view, view, __ATOMIC_SEQ_CST);
	__atomic_store_n(&c->shared.generation, view->generation, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < N_WORKERS; i++)
		worker_wake(&c->workers[i]);
	/* as a datapath waits */
	for (unsigned i = 0; i < N_WORKERS; i++)
		while (__atomic_load_n(&c->workers[i].seen, __ATOMIC_SEQ_CST) < view->generation)
			usleep(10);
	maker_free_view(old);
}

static void watch(struct crew *c, unsigned worker, const struct port *port)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };

	assert_int_equal(epoll_ctl(c->workers[worker].epoll_fd, EPOLL_CTL_ADD,
				   port->rxqs[0]->wake_fd, &event),
			 0);
}

static int setup(void **state)
{
	struct crew *c = aligned_alloc(CACHE_LINE, sizeof(*c));

	assert_non_null(c);
	memset(c, 0, sizeof(*c));
	maker_init(&c->m, N_WORKERS);
	for (unsigned i = 1; i <= 2; i++) {
		maker_add(&c->m, i, 1);
		c->m.worker[i][0] = i - 1;
		mac_table_learn(c->m.macs[0], MAC(i), 0, i, 1, 0);
	}
	assert_int_equal(inboxes_init(&c->shared.inboxes, N_WORKERS), 0);
	c->shared.n_workers = N_WORKERS;
	c->shared.workers = c->workers;
	c->shared.view = maker_view(&c->m);
	for (unsigned i = 0; i < N_WORKERS; i++) {
		assert_int_equal(worker_start(&c->workers[i], &c->shared, i, -1), 0);
		watch(c, i, c->m.ports[i + 1].port);
	}
	publish(c);
	*state = c;
	return 0;
}

static int teardown(void **state)
{
	struct crew *c = *state;

	__atomic_store_n(&c->shared.stop, true, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < N_WORKERS; i++)
		worker_join(&c->workers[i]);
	for (unsigned i = 0; i < N_WORKERS; i++)
		worker_free(&c->workers[i]);
	maker_free_view(c->shared.view);
	inboxes_destroy(&c->shared.inboxes);
	maker_destroy(&c->m);
	free(c);
	return 0;
}

#define UNTIL(condition)                                                                  \
	do {                                                                              \
		uint64_t end_ = clock_ns() + WAIT_NS;                                     \
		while (!(condition)) {                                                    \
			if (clock_ns() > end_)                                            \
				fail_msg("line %d: waited for %s", __LINE__, #condition); \
			usleep(20);                                                       \
		}                                                                         \
	} while (0)

static bool asleep(const struct worker *w)
{
	return __atomic_load_n(&w->asleep, __ATOMIC_SEQ_CST) &&
	       __atomic_load_n(&w->seen, __ATOMIC_SEQ_CST) == WORKER_IDLE;
}

static void send_frame(struct crew *c, unsigned from, unsigned to)
{
	uint8_t frame[64] = { [12] = 0x88, [13] = 0xb5 };

	mac_store(frame, MAC(to));
	mac_store(frame + 6, MAC(from));
	assert_int_equal(dummy_inject(c->m.ports[from].port, 0, frame, sizeof(frame), NULL), 0);
}

static bool came(struct crew *c, unsigned port)
{
	if (!dummy_sent_peek(c->m.ports[port].port, 0))
		return false;
	dummy_sent_pop(c->m.ports[port].port, 0);
	return true;
}

static void test_idle_worker_makes_no_turn(void **state)
{
	struct crew *c = *state;
	uint64_t turns[N_WORKERS];

	for (unsigned i = 0; i < N_WORKERS; i++) {
		UNTIL(asleep(&c->workers[i]));
		turns[i] = counter_read(&c->workers[i].turns);
		assert_true(counter_read(&c->workers[i].sleeps) > 0);
	}
	usleep(100000);
	for (unsigned i = 0; i < N_WORKERS; i++) {
		assert_true(asleep(&c->workers[i]));
		/* late wake-ups; awake it makes thousands */
		assert_in_range(counter_read(&c->workers[i].turns), turns[i], turns[i] + 3);
		assert_int_equal(counter_read(&c->workers[i].packets), 0);
	}
}

/* One frame at a time, to either worker, in all states between polling and sleeping. A lost wake-up
 * never comes, so that the test fails.
 */
static void test_no_wakeup_is_lost(void **state)
{
	const unsigned n = scaled(2000);
	struct crew *c = *state;
	unsigned seed = 3;

	for (unsigned i = 0; i < n; i++) {
		unsigned from = 1 + i % 2, to = 3 - from, spin = (unsigned)rand_r(&seed) % 60000;

		send_frame(c, from, to);
		UNTIL(came(c, to));
		if (i % 16 == 0)
			UNTIL(asleep(&c->workers[0]) && asleep(&c->workers[1]));
		for (volatile unsigned k = 0; k < spin; k++)
			;
	}
	UNTIL(counter_read(&c->workers[0].packets) + counter_read(&c->workers[1].packets) == n);
	assert_true(counter_read(&c->workers[0].sleeps) > n / 32);
}

/* A view wakes, and is followed. */
static void test_views_wake(void **state)
{
	struct crew *c = *state;

	for (unsigned i = 0; i < 200; i++) {
		unsigned to = 1 + i % 2;

		c->m.ports[to].held = true;
		publish(c); /* waits until both follow it */
		send_frame(c, 3 - to, to);
		if (i % 8 == 0) {
			UNTIL(asleep(&c->workers[0]) && asleep(&c->workers[1]));
			assert_false(came(c, to));
		}
		c->m.ports[to].held = false;
		publish(c);
		UNTIL(came(c, to));
	}
}

/* With something that waits in its inbox for a held port a worker sleeps all the same. */
static void test_sleeps_while_packets_wait(void **state)
{
	struct crew *c = *state;
	uint64_t turns;

	c->m.ports[2].held = true;
	publish(c);
	send_frame(c, 1, 2);
	UNTIL(maker_rx(&c->m, 1) == 1);
	UNTIL(asleep(&c->workers[0]));
	turns = counter_read(&c->workers[0].turns);
	usleep(50000);
	assert_in_range(counter_read(&c->workers[0].turns), turns, turns + 3);
	/* but it handles what comes besides */
	send_frame(c, 1, 2);
	UNTIL(maker_rx(&c->m, 1) == 2);
	c->m.ports[2].held = false;
	publish(c);
	UNTIL(came(c, 2));
	UNTIL(came(c, 2));
}

static void test_queue_that_cannot_wake_is_polled(void **state)
{
	struct crew *c = *state;
	struct rxq *q = c->m.ports[1].port->rxqs[0];
	int fd = q->wake_fd;
	uint64_t turns;

	assert_int_equal(epoll_ctl(c->workers[0].epoll_fd, EPOLL_CTL_DEL, fd, NULL), 0);
	c->m.no_rxqs = true;
	publish(c);
	q->wake_fd = -1; /* the port reads it before it sleeps, and says "there may be work" then */
	c->m.no_rxqs = false;
	publish(c);
	turns = counter_read(&c->workers[0].turns);
	UNTIL(counter_read(&c->workers[0].turns) > turns + 20);
	c->m.no_rxqs = true;
	publish(c);
	q->wake_fd = fd;
}

static void test_poll_always(void **state)
{
	struct crew *c = *state;
	uint64_t turns;

	UNTIL(asleep(&c->workers[0]) && asleep(&c->workers[1]));
	__atomic_store_n(&c->shared.poll_always, true, __ATOMIC_SEQ_CST);
	worker_wake(&c->workers[0]);
	turns = counter_read(&c->workers[0].turns);
	UNTIL(counter_read(&c->workers[0].turns) > turns + 10000);
	assert_false(__atomic_load_n(&c->workers[0].asleep, __ATOMIC_SEQ_CST));
	assert_true(asleep(&c->workers[1])); /* nobody woke it */
	__atomic_store_n(&c->shared.poll_always, false, __ATOMIC_SEQ_CST);
	UNTIL(asleep(&c->workers[0]));
	/* waking one that is awake, or twice, is harmless */
	for (unsigned i = 0; i < 1000; i++)
		worker_wake(&c->workers[0]);
	UNTIL(asleep(&c->workers[0]));
}

static bool owed; /* rx_done() was not followed by rx_settle() */

static void watched_rx_done(struct rxq *q, struct batch *batch)
{
	dummy_port_ops.rx_done(q, batch);
	owed = true;
}

static void watched_rx_settle(struct rxq *q)
{
	owed = false;
}

static void watched_tx_settle(struct txq *q)
{
}

/* However many queues there are to come back to, it comes back to the one it received from: behind
 * rx_done(), not before.
 */
static void test_settles_what_it_received_from(void **state)
{
	enum { FIRST = 3, LAST = 10 }; /* ports that get everything: far more than UNSETTLED_MAX */
	static struct port_ops watched;
	struct crew *c = *state;
	uint8_t frame[64] = { [12] = 0x88, [13] = 0xb5 };

	watched = dummy_port_ops;
	watched.rx_done = watched_rx_done;
	watched.rx_settle = watched_rx_settle;
	watched.tx_settle = watched_tx_settle;
	c->m.no_rxqs = true;
	publish(c);
	c->m.ports[1].port->ops = &watched;
	for (unsigned i = FIRST; i <= LAST; i++)
		maker_add(&c->m, i, DUMMY_QUEUES_MAX)->ops = &watched;
	mac_store(frame, BROADCAST);
	for (unsigned i = 0; i < BATCH_MAX; i++) {
		mac_store(frame + 6, MAC(100 + i));
		assert_int_equal(dummy_inject(c->m.ports[1].port, 0, frame, sizeof(frame), NULL),
				 0);
	}
	c->m.no_rxqs = false;
	publish(c);
	UNTIL(maker_tx(&c->m, LAST) == BATCH_MAX);
	UNTIL(asleep(&c->workers[0]));
	assert_false(owed);
	c->m.no_rxqs = true;
	publish(c);
	for (unsigned i = 1; i <= LAST; i++)
		c->m.ports[i].port->ops = &dummy_port_ops;
}

/* A queue that owes much is served while nobody else has anything, at once: its debt is not paid
 * turn by turn. Of others it is known what they cost. */
static void test_serves_who_owes(void **state)
{
	enum { FRAMES = 100, MANY_TURNS = 100000 };
	struct crew *c = *state;
	struct rxq *q = c->m.ports[1].port->rxqs[0];
	uint64_t turns;

	c->m.no_rxqs = true;
	publish(c);
	UNTIL(asleep(&c->workers[0]));
	c->workers[0].fair.share = FAIR_SHARE_MIN;
	q->busy = true; /* as behind a batch */
	q->cut = FAIR_CUT_MAX;
	q->debt = UINT32_MAX;
	for (unsigned i = 0; i < FRAMES; i++)
		send_frame(c, 1, 2);
	turns = counter_read(&c->workers[0].turns);
	c->m.no_rxqs = false;
	publish(c);
	for (unsigned i = 0; i < FRAMES; i++)
		UNTIL(came(c, 2));
	assert_true(counter_read(&c->workers[0].turns) - turns < MANY_TURNS);
	UNTIL(asleep(&c->workers[0]));
	c->m.no_rxqs = true;
	publish(c);
	assert_true(q->busy_ticks > 0);
	assert_false(q->busy); /* it was looked at again, and had nothing */
	assert_int_equal(c->m.ports[2].port->rxqs[0]->busy_ticks, 0);
}

static void test_refuses_a_cpu(void **state)
{
	struct crew *c = *state;
	struct worker w = { .epoll_fd = -1, .wake_fd = -1 };

	worker_join(&w); /* one that was never started */
	worker_free(&w);
	assert_int_equal(worker_start(&w, &c->shared, 1, CPU_SETSIZE - 1), -EINVAL);
	assert_false(w.running);
	worker_join(&w);
	worker_free(&w);
}

static void test_stops_while_busy(void **state)
{
	struct crew *c = *state;

	for (unsigned i = 0; i < 1000; i++)
		send_frame(c, 1, 2);
	UNTIL(came(c, 2)); /* and the rest when the test ends */
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_idle_worker_makes_no_turn),
		TEST(test_no_wakeup_is_lost),
		TEST(test_views_wake),
		TEST(test_sleeps_while_packets_wait),
		TEST(test_queue_that_cannot_wake_is_polled),
		TEST(test_poll_always),
		TEST(test_settles_what_it_received_from),
		TEST(test_serves_who_owes),
		TEST(test_refuses_a_cpu),
		TEST(test_stops_while_busy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
