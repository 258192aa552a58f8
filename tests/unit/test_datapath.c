// SPDX-License-Identifier: Apache-2.0
/* Workers as a whole: how they start, that they let go of old views, in order, and that views come
 * and go under traffic without loss.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rcu.h"
#include "datapath/datapath.h"
#include "fds.h"
#include "scale.h"
#include "view_maker.h"

#define WAIT_NS (20 * NSEC_PER_SEC)

struct world {
	struct maker m;
	struct event_base *base;
	struct datapath *dp;
	unsigned n_fds;
};

static void start(struct world *w, unsigned n_workers)
{
	struct error err = { "" };

	memset(w, 0, sizeof(*w));
	w->n_fds = count_fds();
	maker_init(&w->m, n_workers);
	w->base = event_base_new();
	if (datapath_create(&w->dp, w->base, n_workers, NULL, &err) != 0)
		fail_msg("%s", err.text);
	assert_int_equal(datapath_n_workers(w->dp), n_workers);
}

static void stop(struct world *w)
{
	datapath_destroy(w->dp);
	event_base_free(w->base);
	rcu_drain();
	maker_destroy(&w->m);
	assert_int_equal(count_fds(), w->n_fds);
}

static void publish(struct world *w)
{
	datapath_publish(w->dp, maker_view(&w->m));
}

#define UNTIL(w, condition)                                                               \
	do {                                                                              \
		uint64_t end_ = clock_ns() + WAIT_NS;                                     \
		while (!(condition)) {                                                    \
			event_base_loop((w)->base, EVLOOP_NONBLOCK);                      \
			if (clock_ns() > end_)                                            \
				fail_msg("line %d: waited for %s", __LINE__, #condition); \
			usleep(50);                                                       \
		}                                                                         \
	} while (0)

static void test_refuses_cpus(void **state)
{
	static const char *const wrong[] = { "",     "x",   "1,",  ",1",    "1,,2",
					     "3-1",  "-1",  "0,x", "0;1",   "0-",
					     "0-1x", "1.5", "0 1", "99999", "0-99999" };
	struct event_base *base = event_base_new();
	unsigned n_fds = count_fds();
	struct datapath *dp = NULL;

	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct error err = { "" };

		if (datapath_create(&dp, base, 1, wrong[i], &err) != -EINVAL)
			fail_msg("\"%s\" was taken", wrong[i]);
		assert_non_null(strstr(err.text, "is no list of CPUs: write it like 2,4-5"));
		assert_int_equal(count_fds(), n_fds);
	}
	for (unsigned n = 1; n <= 3; n++) {
		struct error err = { "" };

		/* the first worker runs already when the second cannot */
		assert_int_equal(datapath_create(&dp, base, n, "0,1022-1023", &err),
				 n == 1 ? 0 : -EINVAL);
		if (n == 1)
			datapath_destroy(dp);
		else
			assert_non_null(strstr(err.text, "there is no such CPU"));
		assert_int_equal(count_fds(), n_fds);
	}
	datapath_destroy(NULL);
	event_base_free(base);
}

/* CPUs that we may use, as a list; at least one. */
static unsigned my_cpus(int *cpus, unsigned max)
{
	cpu_set_t set;
	unsigned n = 0;

	assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
	for (int i = 0; i < CPU_SETSIZE && n < max; i++)
		if (CPU_ISSET(i, &set))
			cpus[n++] = i;
	return n;
}

static void test_pins_in_turn(void **state)
{
	struct event_base *base = event_base_new();
	struct datapath_worker_stats stats;
	unsigned n;
	struct datapath *dp;
	struct error err;
	char list[64];
	int cpus[2];

	n = my_cpus(cpus, 2);
	snprintf(list, sizeof(list), "%d-%d,%d", cpus[0], cpus[0], cpus[n - 1]);
	assert_int_equal(datapath_create(&dp, base, 5, list, &err), 0);
	for (unsigned i = 0; i < 5; i++) {
		datapath_worker_stats(dp, i, &stats);
		assert_int_equal(stats.cpu, i % 2 ? cpus[n - 1] : cpus[0]);
	}
	datapath_destroy(dp);
	assert_int_equal(datapath_create(&dp, base, 1, NULL, &err), 0);
	datapath_worker_stats(dp, 0, &stats);
	assert_int_equal(stats.cpu, -1);
	datapath_destroy(dp);
	event_base_free(base);
}

/* ---- quiesce */

static struct world *called_world;
static unsigned called[64], n_called;

static void note(void *arg)
{
	called[n_called++] = (unsigned)(uintptr_t)arg;
}

static void ask_again(void *arg)
{
	note(arg);
	datapath_quiesce(called_world->dp, note, (void *)(uintptr_t)100);
}

static void test_quiesces_in_order(void **state)
{
	struct world w;

	for (unsigned always = 0; always < 2; always++) {
		start(&w, 3);
		maker_add(&w.m, 1, 1);
		datapath_set_poll_always(w.dp, always);
		assert_int_equal(datapath_poll_always(w.dp), always);
		n_called = 0;
		called_world = &w;
		datapath_quiesce(w.dp, note, (void *)1);
		publish(&w);
		datapath_quiesce(w.dp, note, (void *)2);
		datapath_quiesce(w.dp, ask_again, (void *)3);
		publish(&w);
		publish(&w);
		datapath_quiesce(w.dp, note, (void *)4);
		assert_int_equal(n_called, 0); /* never from inside */
		UNTIL(&w, n_called == 5);
		for (unsigned i = 0; i < 4; i++)
			assert_int_equal(called[i], i + 1);
		assert_int_equal(called[4], 100);
		/* and once more, from nothing waiting */
		datapath_quiesce(w.dp, note, (void *)5);
		assert_int_equal(n_called, 5);
		UNTIL(&w, n_called == 6);
		stop(&w);
	}
}

/* One who waits for a packet of ours first is not overtaken by one who came later and does not. */
static void test_settles_in_order(void **state)
{
	uint8_t frame[64] = { 0 };
	struct waiter waiters[2];
	struct world w;

	start(&w, 1);
	maker_add(&w.m, 1, 1);
	maker_add(&w.m, 2, 1);
	publish(&w);
	mac_store(frame, BROADCAST);
	mac_store(frame + 6, MAC(5));
	datapath_set_poll_always(w.dp, true); /* who sleeps has credited all */
	n_called = 0;
	for (unsigned i = 0; i < 200; i += 2) {
		assert_int_equal(datapath_inject(w.dp, 1, frame, sizeof(frame)), 0);
		datapath_settle(w.dp, &waiters[0], note, (void *)(uintptr_t)i);
		usleep(100); /* the packet leaves */
		datapath_settle(w.dp, &waiters[1], note, (void *)(uintptr_t)(i + 1));
		usleep(100); /* the worker credits for the second one */
		UNTIL(&w, n_called == 2);
		assert_int_equal(called[0], i);
		assert_int_equal(called[1], i + 1);
		n_called = 0;
	}
	stop(&w);
}

/* What is waited for when the datapath ends is called then, once. */
static void test_end_calls_what_waits(void **state)
{
	struct world w;

	start(&w, 2);
	maker_add(&w.m, 1, 1);
	n_called = 0;
	publish(&w);
	datapath_quiesce(w.dp, note, (void *)1);
	datapath_drain(w.dp, note, (void *)2);
	datapath_quiesce(w.dp, note, (void *)3);
	stop(&w);
	assert_int_equal(n_called, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(called[i], i + 1);
}

static void inject(struct port *port, unsigned queue, mac_t dst, mac_t src, unsigned number)
{
	uint8_t frame[64] = { [12] = 0x88, [13] = 0xb5 };

	mac_store(frame, dst);
	mac_store(frame + 6, src);
	memcpy(frame + ETH_HLEN, &number, sizeof(number));
	while (dummy_inject(port, queue, frame, sizeof(frame), NULL) != 0)
		usleep(100);
}

#define FROM_THIRD 1000000u

/* The number in the next frame that came to @port. False: none is there. */
static bool take(struct port *port, unsigned *number)
{
	const struct dummy_frame *f = dummy_sent_peek(port, 0);

	if (!f)
		return false;
	memcpy(number, f->bytes + ETH_HLEN, sizeof(*number));
	dummy_sent_pop(port, 0);
	return true;
}

/* Takes what came to port 2 and finds that what came from port 1 goes on at *@next. */
static void take_in_order(struct world *w, unsigned *next)
{
	unsigned number;

	while (take(w->m.ports[2].port, &number))
		if (number != FROM_THIRD)
			assert_int_equal(number, (*next)++);
}

/* A drain waits for packets in inboxes; a later quiesce does not wait for it. */
static void test_drain_waits_for_inboxes(void **state)
{
	unsigned number = 0;
	struct world w;

	start(&w, 2);
	maker_add(&w.m, 1, 1);
	maker_add(&w.m, 2, 1);
	w.m.worker[2][0] = 1;
	w.m.ports[2].held = true;
	mac_table_learn(w.m.macs[0], MAC(2), 0, 2, 1, 0);
	publish(&w);
	inject(w.m.ports[1].port, 0, MAC(2), MAC(1), 7);
	UNTIL(&w, maker_rx(&w.m, 1) == 1);
	w.m.no_rxqs = true;
	publish(&w);
	n_called = 0;
	datapath_drain(w.dp, note, (void *)1);
	datapath_quiesce(w.dp, note, (void *)2);
	UNTIL(&w, n_called);
	assert_int_equal(called[0], 2);
	for (unsigned i = 0; i < 20; i++) {
		event_base_loop(w.base, EVLOOP_NONBLOCK);
		usleep(500);
	}
	assert_int_equal(n_called, 1);
	w.m.ports[2].held = false;
	publish(&w);
	UNTIL(&w, n_called == 2);
	assert_int_equal(called[1], 1);
	assert_true(take(w.m.ports[2].port, &number));
	assert_int_equal(number, 7);
	/* with nothing there it is as quick as a quiesce */
	datapath_drain(w.dp, note, (void *)3);
	UNTIL(&w, n_called == 3);
	stop(&w);
}

static void test_injects(void **state)
{
	uint8_t frame[64] = { 0 };
	struct world w;

	start(&w, 2);
	assert_int_equal(datapath_inject(w.dp, 1, frame, sizeof(frame)), -ENOENT);
	maker_add(&w.m, 1, 1);
	maker_add(&w.m, 2, 1);
	w.m.worker[2][0] = 1;
	publish(&w);
	mac_store(frame, BROADCAST);
	mac_store(frame + 6, MAC(5));
	assert_int_equal(datapath_inject(w.dp, 3, frame, sizeof(frame)), -ENOENT);
	assert_int_equal(datapath_inject(w.dp, 4000, frame, sizeof(frame)), -ENOENT);
	assert_int_equal(datapath_inject(w.dp, 1, frame, sizeof(frame)), 0);
	UNTIL(&w, dummy_sent_peek(w.m.ports[2].port, 0));
	assert_memory_equal(dummy_sent_peek(w.m.ports[2].port, 0)->bytes, frame, sizeof(frame));
	assert_null(dummy_sent_peek(w.m.ports[1].port, 0));
	assert_int_equal(mac_table_lookup(w.m.macs[0], MAC(5), 0), 1);
	stop(&w);
}

/* ---- views that come and go */

static bool dead;

static void gone(void *arg)
{
	maker_del(arg, 3);
	dead = true;
}

/* Port 3 is added, floods, and is freed as soon as workers have let go, many times, while ports 1
 * and 2 talk.
 */
static void test_ports_come_and_go_under_traffic(void **state)
{
	const unsigned rounds = scaled(300);
	unsigned next = 0, sent = 0, number;
	struct world w;

	start(&w, 2);
	maker_add(&w.m, 1, 1);
	maker_add(&w.m, 2, 1);
	w.m.worker[2][0] = 1;
	mac_table_learn(w.m.macs[0], MAC(2), 0, 2, 1, 0);
	publish(&w);
	for (unsigned i = 0; i < rounds; i++) {
		struct port *third = maker_add(&w.m, 3, 2);

		w.m.ports[3].serial = 100 + i;
		w.m.worker[3][i % 2] = 1;
		publish(&w);
		for (unsigned k = 0; k < 10; k++) {
			inject(third, k % 2, BROADCAST, MAC(3), FROM_THIRD);
			inject(w.m.ports[1].port, 0, MAC(2), MAC(1), sent++);
		}
		if (i % 3 == 0)
			usleep(100);
		/* shown no more; the maker knows it until workers have let go of it */
		w.m.ports[3].port = NULL;
		publish(&w);
		w.m.ports[3].port = third;
		dead = false;
		datapath_quiesce(w.dp, gone, &w.m);
		UNTIL(&w, dead);
		take_in_order(&w, &next);
		while (take(w.m.ports[1].port, &number))
			;
	}
	UNTIL(&w, (take_in_order(&w, &next), next == sent));
	assert_int_equal(maker_all_drops(&w.m, 2), 0);
	stop(&w);
}

/* ---- signs of life */

static bool looks_asleep(struct world *w)
{
	bool asleep = false;

	datapath_look(w->dp, &asleep);
	return asleep;
}

static bool rang(int bell)
{
	uint64_t n;

	return read(bell, &n, sizeof(n)) == sizeof(n);
}

/* Workers that sleep ring once when they wake up, if somebody has looked. */
static void test_bell(void **state)
{
	struct world w;
	int bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	bool asleep = true;

	start(&w, 2);
	maker_add(&w.m, 1, 1);
	publish(&w);
	usleep(50000);
	datapath_look(w.dp, &asleep);
	assert_false(asleep); /* nobody would ring */
	datapath_ring(w.dp);
	datapath_set_bell(w.dp, bell);
	UNTIL(&w, looks_asleep(&w) && !rang(bell)); /* that was of earlier views */
	publish(&w);
	UNTIL(&w, rang(bell));
	publish(&w);
	usleep(50000);
	assert_false(rang(bell)); /* nobody has looked since */
	UNTIL(&w, looks_asleep(&w));
	datapath_ring(w.dp);
	datapath_ring(w.dp);
	UNTIL(&w, rang(bell));
	assert_false(rang(bell));
	datapath_set_poll_always(w.dp, true);
	UNTIL(&w, !looks_asleep(&w));
	usleep(50000);
	assert_false(looks_asleep(&w));
	stop(&w);
	close(bell);
}

static bool is_stuck, let_go; /* stuck_rx() */

static void stuck_rx(struct rxq *q, struct batch *batch, struct port_counters *c)
{
	__atomic_store_n(&is_stuck, true, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&let_go, __ATOMIC_ACQUIRE))
		usleep(1000);
}

/* A worker that comes to no end is found, and only as long as it does not. */
static void test_finds_stuck_worker(void **state)
{
	static struct port_ops ops; /* as long as the worker */
	bool asleep = false;
	struct world w;
	int stuck;

	start(&w, 2);
	maker_add(&w.m, 1, 1);
	ops = dummy_port_ops;
	ops.rx = stuck_rx;
	w.m.ports[1].port->ops = &ops;
	w.m.worker[1][0] = 1;
	is_stuck = let_go = false;
	publish(&w);
	UNTIL(&w, __atomic_load_n(&is_stuck, __ATOMIC_ACQUIRE));
	datapath_look(w.dp, &asleep);
	usleep(50000);
	stuck = datapath_look(w.dp, &asleep);
	assert_true(stuck && stuck != gettid());
	assert_false(asleep);
	__atomic_store_n(&let_go, true, __ATOMIC_RELEASE);
	UNTIL(&w, !datapath_look(w.dp, &asleep));
	stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refuses_cpus),
		cmocka_unit_test(test_pins_in_turn),
		cmocka_unit_test(test_quiesces_in_order),
		cmocka_unit_test(test_settles_in_order),
		cmocka_unit_test(test_end_calls_what_waits),
		cmocka_unit_test(test_drain_waits_for_inboxes),
		cmocka_unit_test(test_injects),
		cmocka_unit_test(test_ports_come_and_go_under_traffic),
		cmocka_unit_test(test_bell),
		cmocka_unit_test(test_finds_stuck_worker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
