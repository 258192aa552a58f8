// SPDX-License-Identifier: Apache-2.0
/* Which worker serves which queue; and queues that move under traffic: nothing is lost, nothing
 * comes twice, nothing is overtaken.
 */
#include <errno.h>

#include "scale.h"
#include "switch_rig.h"

static void start(struct rig *rig, unsigned n_workers)
{
	rig_open(rig, n_workers);
	rig_add_bridge(rig, "br0");
}

static unsigned worker_of(struct rig *rig, const char *name, unsigned pair)
{
	const struct sw_port *p = rig_find(rig, name);

	assert_true(p->assigned[pair]);
	return p->worker[pair];
}

static void test_spreads_evenly(void **state)
{
	unsigned n[3] = { 0 };
	struct rig rig;
	char name[8];

	start(&rig, 3);
	for (unsigned i = 0; i < 6; i++) {
		snprintf(name, sizeof(name), "p%u", i);
		rig_add(&rig, name, NULL);
		n[worker_of(&rig, name, 0)]++;
	}
	assert_true(n[0] == 2 && n[1] == 2 && n[2] == 2);
	rig_add(&rig, "many", J("{s:i}", "queues", 3));
	memset(n, 0, sizeof(n));
	for (unsigned q = 0; q < 3; q++)
		n[worker_of(&rig, "many", q)]++;
	assert_true(n[0] == 1 && n[1] == 1 && n[2] == 1);
	rig_close(&rig);
}

/* Two ports whose pairs come in turn: each has one at each worker nevertheless. */
static void test_spreads_each_port(void **state)
{
	struct rig rig;

	start(&rig, 2);
	for (unsigned i = 0; i < 2; i++)
		rig_add(&rig, i ? "b" : "a", NULL);
	for (unsigned i = 0; i < 2; i++) {
		const char *name = i ? "b" : "a";

		rig_set(&rig, name, "queues", "2");
		UNTIL(&rig, rig_find(&rig, name)->port->n_rxqs == 2);
		rig_settle(&rig);
		assert_int_not_equal(worker_of(&rig, name, 0), worker_of(&rig, name, 1));
	}
	rig_close(&rig);
}

static bool shown(struct rig *rig, const char *port, unsigned queue, unsigned worker, bool *pinned)
{
	json_t *workers = switch_worker_show(rig->sw), *q;
	bool found = false;
	size_t i;

	json_array_foreach (json_object_get(json_array_get(workers, worker), "queues"), i, q) {
		if (strcmp(option_string(q, "port", ""), port) ||
		    option_uint(q, "queue", 99) != queue)
			continue;
		found = true;
		*pinned = option_bool(q, "pinned", false);
	}
	json_decref(workers);
	return found;
}

static void test_pins(void **state)
{
	bool pinned = true;
	struct rig rig;

	start(&rig, 2);
	rig_add(&rig, "a", NULL);
	assert_int_equal(worker_of(&rig, "a", 0), 0);
	assert_true(shown(&rig, "a", 0, 0, &pinned));
	assert_false(pinned);
	rig_move(&rig, "a", 0, 1);
	assert_true(shown(&rig, "a", 0, 1, &pinned)); /* already, though it is on its way */
	assert_true(pinned);
	rig_settle(&rig);
	assert_int_equal(worker_of(&rig, "a", 0), 1);
	rig_move(&rig, "a", 0, 1);
	assert_true(switch_settled(rig.sw)); /* nothing to do */
	/* auto: the least busy one, which is where it is: the queue itself does not count */
	rig_do(&rig, switch_worker_set,
	       J("{s:s, s:s, s:s}", "port", "a", "queue", "0", "worker", "auto"));
	assert_true(shown(&rig, "a", 0, 0, &pinned) || shown(&rig, "a", 0, 1, &pinned));
	assert_false(pinned);
	/* a queue that is not there yet */
	rig_move(&rig, "a", 3, 1);
	rig_set(&rig, "a", "queues", "4");
	UNTIL(&rig, rig_find(&rig, "a")->port->n_rxqs == 4);
	rig_settle(&rig);
	assert_true(shown(&rig, "a", 3, 1, &pinned));
	assert_true(pinned);
	rig_close(&rig);
}

static void test_refuses(void **state)
{
	struct rig rig;

	start(&rig, 2);
	rig_add(&rig, "vm1", NULL);
	rig_refuse(&rig, switch_worker_set,
		   J("{s:s, s:i, s:s}", "port", "vm2", "queue", 0, "worker", "0"), -ENOENT,
		   "no port \"vm2\": did you mean \"vm1\"?");
	rig_refuse(&rig, switch_worker_set,
		   J("{s:s, s:i, s:s}", "port", "vm1", "queue", 0, "worker", "2"), -EINVAL,
		   "no worker 2: use 0 to 1, or auto");
	rig_refuse(&rig, switch_worker_set,
		   J("{s:s, s:i, s:s}", "port", "vm1", "queue", 0, "worker", "-1"), -EINVAL,
		   "is no worker");
	rig_refuse(&rig, switch_worker_set,
		   J("{s:s, s:i, s:s}", "port", "vm1", "queue", 0, "worker", "1x"), -EINVAL,
		   "is no worker");
	rig_refuse(&rig, switch_worker_set,
		   J("{s:s, s:i, s:s}", "port", "vm1", "queue", 128, "worker", "1"), -EINVAL,
		   "queue");
	rig_refuse(&rig, switch_worker_set, J("{s:s, s:i}", "port", "vm1", "queue", 0), -EINVAL,
		   "worker");
	rig_refuse(&rig, switch_worker_set, J("{s:s}", "poll", "alway"), -EINVAL, "always");
	assert_int_equal(worker_of(&rig, "vm1", 0), 0);
	/* one that is on its way out has no queues */
	rig_del(&rig, "vm1");
	rig_refuse(&rig, switch_worker_set,
		   J("{s:s, s:i, s:s}", "port", "vm1", "queue", 0, "worker", "1"), -ENOENT,
		   "no port");
	rig_settle(&rig);
	rig_close(&rig);
}

static void test_poll_always(void **state)
{
	struct datapath_worker_stats before, now;
	struct rig rig;

	start(&rig, 1);
	rig_do(&rig, switch_worker_set, J("{s:s}", "poll", "always"));
	datapath_worker_stats(rig.sw->dp, 0, &before);
	do {
		usleep(1000);
		datapath_worker_stats(rig.sw->dp, 0, &now);
	} while (now.turns < before.turns + 1000); /* hangs if it sleeps */
	rig_do(&rig, switch_worker_set, J("{s:s}", "poll", "adaptive"));
	do
		datapath_worker_stats(rig.sw->dp, 0, &now);
	while (!now.asleep && (usleep(1000), true));
	rig_close(&rig);
}

/* Busy time is measured by a clock whose ticks are measured by another: it may seem to go back. */
static void test_busy_time_that_went_back(void **state)
{
	struct rig rig;
	json_t *list;

	start(&rig, 1);
	rig.sw->busy[0].busy_ns = UINT64_MAX / 4;
	rig.sw->busy[0].at_ns = 0;
	list = switch_worker_show(rig.sw);
	assert_true(json_real_value(json_object_get(json_array_get(list, 0), "busy_percent")) ==
		    0.0);
	json_decref(list);
	rig_close(&rig);
}

/* Several flows, from each queue of a port to the next port of a ring, while the queues of all
 * ports wander from worker to worker.
 */

#define PORTS 3u
#define WINDOW 100u /* frames on their way of each flow */
#define FLOWS_MAX (PORTS * 2)

struct flow {
	struct port *from, *to;
	unsigned pair;
	int queue; /* that it comes out of; -1: not known yet */
	mac_t src, dst;
	uint64_t sent, received;
};

/* Flow i comes from port i % PORTS and goes to the next; addresses say which one it is. */
static void open_flows(struct rig *rig, struct flow *flows, unsigned n_pairs)
{
	static const char *const names[PORTS] = { "p0", "p1", "p2" };

	for (unsigned i = 0; i < PORTS; i++)
		rig_add(rig, names[i], J("{s:i}", "queues", n_pairs));
	for (unsigned i = 0; i < PORTS * n_pairs; i++) {
		flows[i] = (struct flow){ .from = rig_find(rig, names[i % PORTS])->port,
					  .to = rig_find(rig, names[(i + 1) % PORTS])->port,
					  .pair = i / PORTS,
					  .queue = -1,
					  .src = MAC(i),
					  .dst = MAC(i / PORTS * PORTS + (i + 1) % PORTS) };
		rig_announce(rig, names[i % PORTS], flows[i].src);
	}
	/* the announcements, of which each port sees those of the others */
	for (unsigned i = 0; i < PORTS; i++)
		for (unsigned n = 0; n < n_pairs * (PORTS - 1); n++)
			UNTIL(rig, ({
				      uint64_t number = 0;
				      bool got = false;

				      for (unsigned q = 0; q < n_pairs && !got; q++)
					      got = rig_receive(flows[i].from, q, &number);
				      got;
			      }));
}

static void pump(struct flow *f, uint64_t total)
{
	uint8_t frame[64];

	while (f->sent < total && f->sent - f->received < WINDOW) {
		rig_frame(frame, sizeof(frame), f->dst, f->src, f->sent);
		if (dummy_inject(f->from, f->pair, frame, sizeof(frame), NULL) != 0)
			break;
		f->sent++;
	}
}

/* Takes what has come out of a port's queue; a flow has to stay on one queue, and in order. */
static void collect(struct flow *flows, struct port *port, unsigned queue)
{
	const struct dummy_frame *sent;
	uint64_t number;

	while ((sent = dummy_sent_peek(port, queue))) {
		struct flow *f = &flows[mac_load(sent->bytes + ETH_ALEN) - MAC(0)];

		assert_true(rig_receive(port, queue, &number));
		if (number != f->received || f->to != port)
			fail_msg("frame %llu came, %llu was expected", (unsigned long long)number,
				 (unsigned long long)f->received);
		if (f->queue < 0)
			f->queue = (int)queue;
		assert_int_equal(f->queue, queue);
		f->received++;
	}
}

static uint64_t pump_all(struct flow *flows, unsigned n_pairs, uint64_t total)
{
	uint64_t left = 0;

	for (unsigned i = 0; i < PORTS * n_pairs; i++)
		pump(&flows[i], total);
	for (unsigned i = 0; i < PORTS; i++)
		for (unsigned q = 0; q < n_pairs; q++)
			collect(flows, flows[i].from, q);
	for (unsigned i = 0; i < PORTS * n_pairs; i++)
		left += total - flows[i].received;
	return left;
}

static void pump_while_moving(struct rig *rig, unsigned n_workers, unsigned n_pairs, uint64_t total)
{
	struct flow flows[FLOWS_MAX];
	uint64_t end = clock_ns() + 3 * WAIT_NS, left = PORTS * n_pairs * total, moved_at = left;
	unsigned seed = 7, n_moves = 0;
	char name[8];

	event_del(rig->sw->timer); /* only we move them */
	open_flows(rig, flows, n_pairs);
	do {
		left = pump_all(flows, n_pairs, total);
		if (moved_at - left > 200) {
			moved_at = left;
			snprintf(name, sizeof(name), "p%u", (unsigned)rand_r(&seed) % PORTS);
			rig_move(rig, name, (unsigned)rand_r(&seed) % n_pairs,
				 (unsigned)rand_r(&seed) % n_workers);
			n_moves++;
		}
		rig_run(rig);
		if (clock_ns() > end)
			fail_msg("%llu frames did not come", (unsigned long long)left);
	} while (left);
	assert_true(n_moves > scaled(20));
	rig_settle(rig);
	rig_turned(); /* a frame is counted as sent when it can be seen already */
	for (unsigned i = 0; i < PORTS; i++) {
		snprintf(name, sizeof(name), "p%u", i);
		assert_int_equal(rig_counter(rig, name, "rx_packets"), n_pairs * (total + 1));
		assert_int_equal(rig_counter(rig, name, "tx_packets"),
				 n_pairs * (total + PORTS - 1));
		assert_int_equal(rig_drops(rig, name), 0);
	}
}

static void test_moves_under_traffic(void **state)
{
	struct rig rig;

	for (unsigned n_workers = 2; n_workers <= 4; n_workers++)
		for (unsigned n_pairs = 1; n_pairs <= 2; n_pairs++) {
			start(&rig, n_workers);
			pump_while_moving(&rig, n_workers, n_pairs, scaled(5000));
			rig_close(&rig);
		}
}

/* A port goes while one of its queues is moving. */
static void test_removed_while_moving(void **state)
{
	struct rig rig;

	start(&rig, 2);
	for (unsigned i = 0; i < 50; i++) {
		rig_add(&rig, "a", NULL);
		rig_send(&rig, rig_find(&rig, "a")->port, BROADCAST, MAC(1), i);
		rig_move(&rig, "a", 0, 1 - worker_of(&rig, "a", 0));
		if (i % 2)
			rig_run(&rig);
		rig_del(&rig, "a");
		rig_settle(&rig);
	}
	rig_add(&rig, "a", NULL);
	rig_move(&rig, "a", 0, 1 - worker_of(&rig, "a", 0));
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spreads_evenly),
		cmocka_unit_test(test_spreads_each_port),
		cmocka_unit_test(test_pins),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_poll_always),
		cmocka_unit_test(test_busy_time_that_went_back),
		cmocka_unit_test(test_moves_under_traffic),
		cmocka_unit_test(test_removed_while_moving),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
