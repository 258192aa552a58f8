// SPDX-License-Identifier: Apache-2.0
/* Many queue pairs of a guest in a running switch: as many as there may be; replies that come where
 * the guest sent from; pairs that are disabled and enabled, and that move, while there is traffic.
 */
#include "scale.h"
#include "vhost_guest.h"

#define PAIRS PORT_QUEUES_MAX
#define FLOW(i) MAC(0x1000 + (i)) /* an address of the guest's, for what it sends on pair i */
#define LAN MAC(1)

/* A guest with all pairs and a port with one queue, which have heard of each other. */
static struct port *begin(struct rig *rig, struct guest *g, uint64_t features)
{
	json_t *params = vhost_port("vm");
	struct port *lan = rig_add(rig, "lan", NULL);

	event_del(rig->sw->timer); /* queues move when the test says so */
	json_object_set_new(params, "queues", json_integer(PAIRS));
	rig_do(rig, switch_port_add, params);
	plug(rig, g, "vm", features | BIT(VIRTIO_NET_F_MQ), PAIRS, false);
	UNTIL(rig, rig_find(rig, "vm")->port->n_rxqs == PAIRS &&
			   rig_find(rig, "vm")->port->n_txqs == PAIRS);
	rig_settle(rig);
	rig_announce(rig, "lan", LAN);
	for (unsigned i = 0; i < PAIRS; i++) {
		struct sw_port *vm = rig_find(rig, "vm");
		uint32_t now = (uint32_t)(clock_ns() / NSEC_PER_SEC);

		UNTIL(rig, (mac_table_learn(vm->bridge->macs, FLOW(i), 0, vm->id, now, 0),
			    mac_table_lookup(vm->bridge->macs, FLOW(i), 0) == vm->id));
	}
	/* the announcement */
	UNTIL(rig, ({
		      bool got = false;

		      for (unsigned i = 0; i < PAIRS; i++) {
			      uint64_t number;

			      got |= guest_receives(g, i, &number);
		      }
		      got;
	      }));
	return lan;
}

/* Waits for a frame of the guest's, on whichever pair. */
static unsigned pair_that_receives(struct rig *rig, struct guest *g, uint64_t *number)
{
	unsigned pair = 0;

	UNTIL(rig, ({
		      bool got = false;

		      for (pair = 0; pair < PAIRS && !got; pair++)
			      got = guest_receives(g, pair, number);
		      got;
	      }));
	return pair - 1;
}

/* Every pair works both ways, and what comes back comes where it was sent from, if the worker that
 * has it may use that pair. */
static void test_all_pairs(void **state)
{
	static const uint64_t kinds[] = { 0, BIT(VIRTIO_F_RING_PACKED) };
	struct rig *rig = *state;
	struct sw_port *vm;
	struct guest g;

	for (unsigned k = 0; k < ARRAY_SIZE(kinds); k++) {
		struct port *lan = begin(rig, &g, kinds[k]);
		unsigned n_followed = 0;

		vm = rig_find(rig, "vm");
		for (unsigned i = 0; i < PAIRS; i++) {
			uint64_t number;
			unsigned pair;

			guest_sends(rig, &g, i, LAN, FLOW(i), i);
			assert_int_equal(rig_expect(rig, lan), i);
			rig_send(rig, lan, FLOW(i), LAN, 1000 + i);
			pair = pair_that_receives(rig, &g, &number);
			assert_int_equal(number, 1000 + i);
			assert_int_equal(vm->worker[pair], rig_find(rig, "lan")->worker[0]);
			n_followed += pair == i;
		}
		/* half of the pairs are the other worker's; a flow that shares its place in the
		 * table with too many others goes by its hash */
		assert_in_range(n_followed, PAIRS / 2 - 4, PAIRS / 2 + 4);
		assert_int_equal(rig_drops(rig, "vm"), 0);
		assert_int_equal(rig_drops(rig, "lan"), 0);
		unplug(&g);
		rig_del(rig, "vm");
		rig_del(rig, "lan");
		rig_settle(rig);
	}
}

/* Pairs come, go and move while frames of all flows go to the guest: none is lost, none comes
 * twice.
 */
static void test_pairs_change_under_traffic(void **state)
{
	const unsigned total = scaled(3000);
	unsigned sent = 0, got = 0, seed = 3, n_changes = 0;
	uint8_t *seen = calloc(total, 1), frame[64];
	uint64_t end = clock_ns() + 3 * WAIT_NS, number;
	struct rig *rig = *state;
	bool off[PAIRS] = { false };
	struct port *lan;
	struct guest g;

	assert_non_null(seen);
	lan = begin(rig, &g, 0);
	while (got < total) {
		/* no more on their way than one ring takes, should all go there */
		for (; sent < total && sent - got < 8; sent++) {
			rig_frame(frame, sizeof(frame), FLOW(sent % PAIRS), LAN, sent);
			if (dummy_inject(lan, 0, frame, sizeof(frame), NULL) < 0)
				break;
		}
		for (unsigned i = 0; i < PAIRS; i++)
			while (guest_receives(&g, i, &number)) {
				assert_true(number < sent && !seen[number]);
				seen[number] = 1;
				got++;
			}
		if (got / 20 > n_changes) {
			unsigned pair = 1 + (unsigned)rand_r(&seed) % (PAIRS - 1);

			off[pair] = !off[pair];
			assert_int_equal(frontend_enable_ring(g.frontend, 2 * pair, !off[pair]), 0);
			rig_move(rig, "vm", (unsigned)rand_r(&seed) % PAIRS, n_changes % 2);
			n_changes++;
		}
		rig_run(rig);
		if (clock_ns() > end)
			fail_msg("%u of %u frames came", got, total);
	}
	free(seen);
	assert_true(n_changes >= total / 20 - 1);
	assert_int_equal(rig_drops(rig, "vm"), 0);
	assert_int_equal(rig_drops(rig, "lan"), 0);
	unplug(&g);
}

/* ---- two guests of two pairs each send to each other on both, while their pairs move */

#define FLOWS 4u
#define WINDOW 100u /* frames of a flow on their way: fewer than half a ring */

struct flow {
	struct guest *from, *to;
	unsigned pair;
	int queue; /* that it comes out of; -1: not known yet */
	uint32_t sent, received;
};

/* The guest's side of flow @i; @peer: the other end. */
static mac_t end_of(unsigned i, bool peer)
{
	return MAC(0x2000 + 2 * i + peer);
}

static void learn_ends(struct rig *rig)
{
	for (unsigned i = 0; i < 2 * FLOWS; i++) {
		unsigned flow = i / 2;
		struct sw_port *p = rig_find(rig, (flow % 2) == i % 2 ? "a" : "b");
		uint32_t now = (uint32_t)(clock_ns() / NSEC_PER_SEC);

		UNTIL(rig, (mac_table_learn(p->bridge->macs, end_of(flow, i % 2), 0, p->id, now, 0),
			    mac_table_lookup(p->bridge->macs, end_of(flow, i % 2), 0) == p->id));
	}
}

static void pump(struct rig *rig, struct flow *flows, unsigned i, uint32_t total)
{
	struct flow *f = &flows[i];

	for (unsigned n = 0; n < 32 && f->sent < total && f->sent - f->received < WINDOW; n++)
		guest_sends(rig, f->from, f->pair, end_of(i, true), end_of(i, false),
			    (uint64_t)i << 32 | f->sent++);
}

/* A flow stays on one queue of its receiver, complete and in order. */
static void collect(struct flow *flows, struct guest *g, unsigned pair)
{
	uint64_t number;

	while (guest_receives(g, pair, &number)) {
		struct flow *f = &flows[number >> 32];

		if (f->queue < 0)
			f->queue = (int)pair;
		assert_true(f->to == g && f->queue == (int)pair);
		assert_int_equal((uint32_t)number, f->received);
		f->received++;
	}
}

static void test_order_while_pairs_move(void **state)
{
	const uint32_t total = scaled(4000);
	uint64_t end = clock_ns() + 3 * WAIT_NS, got, moved_at = 0;
	struct rig *rig = *state;
	struct flow flows[FLOWS];
	unsigned seed = 5, n_moves = 0;
	struct guest a, b;

	event_del(rig->sw->timer);
	rig_do(rig, switch_port_add, vhost_port("a"));
	rig_do(rig, switch_port_add, vhost_port("b"));
	plug(rig, &a, "a", BIT(VIRTIO_NET_F_MQ), 2, false);
	plug(rig, &b, "b", BIT(VIRTIO_NET_F_MQ) | BIT(VIRTIO_F_RING_PACKED), 2, false);
	UNTIL(rig, rig_find(rig, "a")->port->n_txqs == 2 && rig_find(rig, "b")->port->n_txqs == 2);
	rig_settle(rig);
	learn_ends(rig);
	for (unsigned i = 0; i < FLOWS; i++)
		flows[i] = (struct flow){
			.from = i % 2 ? &b : &a, .to = i % 2 ? &a : &b, .pair = i / 2, .queue = -1
		};
	do {
		got = 0;
		for (unsigned i = 0; i < FLOWS; i++) {
			pump(rig, flows, i, total);
			collect(flows, flows[i].to, 0);
			collect(flows, flows[i].to, 1);
			got += flows[i].received;
		}
		if (got - moved_at > 200 && got < FLOWS * total) {
			moved_at = got;
			rig_move(rig, rand_r(&seed) % 2 ? "a" : "b", (unsigned)rand_r(&seed) % 2,
				 (unsigned)rand_r(&seed) % 2);
			n_moves++;
		}
		rig_run(rig);
		if (clock_ns() > end)
			fail_msg("%llu of %u frames came", (unsigned long long)got, FLOWS * total);
	} while (got < FLOWS * total);
	assert_true(n_moves >= scaled(20));
	assert_int_equal(rig_drops(rig, "a") + rig_drops(rig, "b"), 0);
	unplug(&a);
	unplug(&b);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_all_pairs),
		TEST(test_pairs_change_under_traffic),
		TEST(test_order_while_pairs_move),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
