// SPDX-License-Identifier: Apache-2.0
/* Trips change nothing but the time it takes: two switches get the same random settings, frames,
 * changes of the MAC table and hours. One forgets everything before each frame, so that no trip is
 * ever found; what leaves, what is counted and what is learned must be the same.
 */
#include "datapath/outbox.h"
#include "flow/trip.h"
#include "forward_stage.h"
#include "scale.h"

#define PORTS 8	   /* numbers 1..PORTS */
#define PATCH 7	   /* this and the next are two ends of a patch */
#define STATIONS 6 /* addresses in use */
#define BURST 4	   /* frames at once, most */
#define STEPS 3000
#define LARGE 9000 /* bytes of a large packet's payload, at most */

enum { WITH, WITHOUT, STAGES };

struct twins {
	struct stage *stages[STAGES];
	uint64_t now; /* ns */
	unsigned seed;
	unsigned in; /* of the frames now: port, addresses, tag */
	mac_t src, dst;
	int tci;
	uint64_t trunks[4096 / 64];
	mac_t macs[2];
};

struct frame {
	uint8_t bytes[LARGE + 128];
	uint32_t len;
	struct virtio_net_hdr offload;
};

static unsigned roll(struct twins *t, unsigned n)
{
	return (unsigned)rand_r(&t->seed) % n;
}

static const int vlans[] = { UNTAGGED, 0, 10, 11, 20, 4094, 4095 };

static uint16_t some_vlan(struct twins *t)
{
	static const uint16_t ids[] = { 0, 10, 11, 20 };

	return ids[roll(t, ARRAY_SIZE(ids))];
}

static mac_t some_station(struct twins *t)
{
	return MAC(1 + roll(t, STATIONS));
}

static mac_t some_destination(struct twins *t)
{
	switch (roll(t, 16)) {
	case 0:
		return BROADCAST;
	case 1:
		return 0x0180c2000000ull + roll(t, 32);
	case 2:
		return 0x01005e000001ull;
	default:
		return some_station(t);
	}
}

/* The next frames are other stations'. */
static void change_stations(struct twins *t)
{
	t->in = 1 + roll(t, PATCH - 1);
	t->src = roll(t, 40) ? some_station(t) : (roll(t, 2) ? 0 : BROADCAST);
	t->dst = some_destination(t);
	t->tci = roll(t, 2) ? UNTAGGED : vlans[roll(t, ARRAY_SIZE(vlans))];
	if (t->tci != UNTAGGED && !roll(t, 4))
		t->tci |= (int)roll(t, 16) << 12;
}

static void renew(struct twins *t)
{
	for (unsigned k = 0; k < STAGES; k++)
		follow(t->stages[k]);
}

static void add_port(struct twins *t, unsigned id)
{
	static uint32_t serial = 100;

	serial++;
	for (unsigned k = 0; k < STAGES; k++) {
		struct view_port *v = &t->stages[k]->m.ports[id];

		maker_add(&t->stages[k]->m, id, 1);
		v->serial = serial;
		v->patch = id >= PATCH;
		v->patch_peer = v->patch ? PATCH + (id == PATCH) : 0;
		t->stages[k]->m.bridge[id] = id % 2;
	}
}

static void open_twins(struct twins *t, unsigned seed)
{
	*t = (struct twins){ .seed = seed, .now = 1000 * NSEC_PER_SEC };
	for (unsigned k = 0; k < STAGES; k++)
		setup((void **)&t->stages[k]);
	t->trunks[10 / 64] |= 1ull << 10 % 64;
	t->trunks[0] |= 1;
	t->macs[0] = MAC(1);
	t->macs[1] = MAC(2);
	for (unsigned id = 1; id <= PORTS; id++)
		add_port(t, id);
	renew(t);
	change_stations(t);
}

static void close_twins(struct twins *t)
{
	for (unsigned k = 0; k < STAGES; k++)
		teardown((void **)&t->stages[k]);
}

/* One setting of one port, that both switches get. */
static void change_setting(struct twins *t)
{
	unsigned id = 1 + roll(t, PORTS), what = roll(t, 10), value = roll(t, 4);
	uint16_t vlan = some_vlan(t);

	for (unsigned k = 0; k < STAGES; k++) {
		struct maker *m = &t->stages[k]->m;
		struct view_port *v = &m->ports[id];

		switch (what) {
		case 0:
			v->access = value == 0;
			break;
		case 1:
			v->tag = vlan;
			break;
		case 2:
			v->native_tagged = value & 1;
			break;
		case 3:
			v->trunks = value == 0 ? t->trunks : NULL;
			break;
		case 4:
			v->is_protected = value == 0;
			break;
		case 5:
			v->mtu = value & 1 ? 100 : 1500;
			break;
		case 6:
			v->macs = t->macs;
			v->n_macs = value == 0 ? 2 : 0;
			break;
		case 7:
			v->mac_limit = value & 1 ? 2 : 0;
			break;
		case 8:
			v->unknown_limit.interval_ns = value & 1 ? NSEC_PER_SEC : 0;
			v->broadcast_limit = v->unknown_limit;
			break;
		default:
			m->bridge[id] = id >= PATCH ? id % 2 : value & 1;
			break;
		}
	}
	renew(t);
}

static void replace_port(struct twins *t)
{
	unsigned id = 1 + roll(t, PATCH - 1);
	bool flush = roll(t, 2), gone = roll(t, 2);

	for (unsigned k = 0; k < STAGES; k++) {
		maker_del(&t->stages[k]->m, id);
		for (unsigned b = 0; flush && b < 2; b++)
			mac_table_flush(t->stages[k]->m.macs[b], id, true);
	}
	if (gone)
		renew(t);
	add_port(t, id);
	renew(t);
}

static void change_macs(struct twins *t)
{
	unsigned what = roll(t, 5), port = 1 + roll(t, PORTS), bridge = roll(t, 2);
	uint16_t vlan = some_vlan(t);
	mac_t mac = some_station(t);

	for (unsigned k = 0; k < STAGES; k++) {
		struct mac_table *macs = t->stages[k]->m.macs[bridge];

		switch (what) {
		case 0:
			mac_table_add_static(macs, mac, vlan, port);
			break;
		case 1:
			mac_table_remove(macs, mac, vlan);
			break;
		case 2:
			mac_table_flush(macs, port, false);
			break;
		case 3:
			mac_table_flush(macs, MAC_NO_PORT, true);
			break;
		default:
			mac_table_age(macs, (uint32_t)(t->now / NSEC_PER_SEC), 5);
			break;
		}
	}
}

/* A request that is right for a TCP packet, or for no packet. */
static void make_request(struct twins *t, struct frame *f)
{
	uint32_t at = f->bytes[12] == 0x81 ? 18 : 14;

	f->offload = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
					      .csum_start = (uint16_t)(at + 20),
					      .csum_offset = 16 };
	memcpy(f->bytes + at - 2, "\x08\x00\x45", 3);
	memset(f->bytes + at + 2, 0, 8);
	f->bytes[at + 9] = roll(t, 8) ? 6 : 17;
	f->bytes[at + 32] = 0x50;
	f->bytes[at + 33] = 0x10;
	if (roll(t, 2))
		return;
	f->offload.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	f->offload.gso_size = (uint16_t)(roll(t, 2) ? 60 : 1400);
}

static void make_some_frame(struct twins *t, struct frame *f)
{
	static const uint32_t lens[] = { 0, 1, 3, 4, 46, 96, 100, 101, 104, 105, 1496, 1500, 1504 };
	uint32_t len = lens[roll(t, ARRAY_SIZE(lens))];

	if (!roll(t, 16))
		len = LARGE;
	f->offload = (struct virtio_net_hdr){ 0 };
	f->len = make_frame(f->bytes, t->dst, t->src, t->tci, len);
	if (!roll(t, 12)) /* a tag behind the tag, or where there was none */
		memcpy(f->bytes + f->len - len - 2,
		       roll(t, 2) ? "\x81\x00\x00\x0a" : "\x88\xa8\x00\x0a", min(len + 2, 4u));
	else if (len >= 40 && !roll(t, 4))
		make_request(t, f);
	if (!roll(t, 60))
		f->len = 1 + roll(t, 20);
}

static void forward(struct twins *t, unsigned k)
{
	struct stage *s = t->stages[k];
	struct rxq *q = s->m.ports[t->in].port->rxqs[0];
	struct port_counters *c = &s->m.ports[t->in].state->counters[0];

	batch_clear(s->batch);
	q->port->ops->rx(q, s->batch, c);
	if (k == WITHOUT) {
		trip_cache_destroy(s->fw[0]->trips);
		s->fw[0]->trips = trip_cache_create();
		assert_non_null(s->fw[0]->trips);
	}
	forward_batch(s->fw[0], s->view, &(struct view_rxq){ .q = q, .port = t->in }, s->batch,
		      t->now, c);
	q->port->ops->rx_done(q, s->batch);
}

static void send_frames(struct twins *t)
{
	unsigned n = 1 + roll(t, BURST);
	static struct frame f;

	if (!roll(t, 3))
		change_stations(t);
	for (unsigned i = 0; i < n; i++) {
		make_some_frame(t, &f);
		for (unsigned k = 0; k < STAGES; k++)
			assert_int_equal(dummy_inject(t->stages[k]->m.ports[t->in].port, 0, f.bytes,
						      f.len, &f.offload),
					 0);
		forward(t, WITHOUT); /* one by one */
	}
	forward(t, WITH); /* all at once */
}

static void compare_sent(struct twins *t, unsigned id)
{
	struct port *port[STAGES];

	for (unsigned k = 0; k < STAGES; k++)
		port[k] = t->stages[k]->m.ports[id].port;
	for (;;) {
		const struct dummy_frame *a = dummy_sent_peek(port[WITH], 0);
		const struct dummy_frame *b = dummy_sent_peek(port[WITHOUT], 0);

		assert_int_equal(!a, !b);
		if (!a)
			return;
		assert_int_equal(a->len, b->len);
		assert_memory_equal(a->bytes, b->bytes, a->len);
		for (unsigned k = 0; k < STAGES; k++)
			dummy_sent_pop(port[k], 0);
	}
}

struct entries {
	unsigned n;
	struct mac_entry list[256];
};

static void note_entry(const struct mac_entry *entry, void *arg)
{
	struct entries *e = arg;
	struct mac_entry *to = &e->list[e->n++];

	memset(to, 0, sizeof(*to)); /* what is between the members, too */
	to->mac = entry->mac;
	to->vid = entry->vid;
	to->port = entry->port;
	to->age = entry->age;
	to->is_static = entry->is_static;
}

static void compare(struct twins *t)
{
	static struct entries e[STAGES];

	for (unsigned id = 1; id <= PORTS; id++) {
		compare_sent(t, id);
		assert_memory_equal(t->stages[WITH]->m.ports[id].state,
				    t->stages[WITHOUT]->m.ports[id].state,
				    sizeof(struct view_port_state) + sizeof(struct port_counters));
	}
	for (unsigned b = 0; b < 2; b++) {
		const struct mac_table *macs[STAGES];

		memset(e, 0, sizeof(e));
		for (unsigned k = 0; k < STAGES; k++) {
			macs[k] = t->stages[k]->m.macs[b];
			mac_table_each(macs[k], (uint32_t)(t->now / NSEC_PER_SEC), note_entry,
				       &e[k]);
		}
		assert_memory_equal(&e[WITH], &e[WITHOUT], sizeof(e[WITH]));
		assert_int_equal(mac_table_moves(macs[WITH]), mac_table_moves(macs[WITHOUT]));
		assert_int_equal(mac_table_refused(macs[WITH]), mac_table_refused(macs[WITHOUT]));
	}
}

static void run(unsigned seed)
{
	struct twins t;

	open_twins(&t, seed);
	for (unsigned i = 0; i < STEPS; i++) {
		unsigned what = roll(&t, 100);

		if (what < 3)
			change_setting(&t);
		else if (what < 4)
			replace_port(&t);
		else if (what < 8)
			change_macs(&t);
		else if (what < 16)
			t.now += NSEC_PER_SEC / 3 * roll(&t, 10);
		else
			send_frames(&t);
		compare(&t);
	}
	close_twins(&t);
}

static void test_same_as_without(void **state)
{
	const unsigned n = scaled(10);

	for (unsigned seed = 1; seed <= n; seed++)
		run(seed);
}

/* And there are trips: the same frame again is not decided, but is there only as long as what it
 * was decided from. */
static void test_found_again(void **state)
{
	struct trip_cache *cache = trip_cache_create();
	struct stage *s = *state;
	const struct view_port *in, *out;
	struct normal_frame frame;
	uint8_t bytes[FRAME_MAX];
	struct trip_key key;
	struct trip *trip;
	struct iovec frag;
	struct pkt pkt;

	assert_non_null(cache);
	maker_add(&s->m, 1, 1);
	maker_add(&s->m, 2, 1);
	set_mode(s, 2, false, 0, false);
	follow(s);
	in = s->view->ports[1];
	out = s->view->ports[2];
	s->view->generation = 1;
	frame = (struct normal_frame){ .dst = MAC(2), .src = MAC(1), .vid = 10 };
	pkt_init_linear(&pkt, bytes, make_frame(bytes, MAC(2), MAC(1), 10, 46), &frag);
	assert_true(trip_key_read(&pkt, &key));
	trip = trip_slot(cache, &key, in);
	assert_null(trip_find(trip, &key, s->view, in, 1));
	trip_record(trip, &key, s->view, in, &frame, out); /* nobody was learned */
	assert_null(trip_find(trip, &key, s->view, in, 1));

	mac_table_learn(s->m.macs[0], MAC(1), 10, 1, 1, 0);
	mac_table_learn(s->m.macs[0], MAC(2), 10, 2, 1, 0);
	trip_record(trip, &key, s->view, in, &frame, out);
	assert_ptr_equal(trip_find(trip, &key, s->view, in, 1), out);
	assert_true(trip->tag.tagged);
	assert_int_equal(trip->tag.tci, 10);
	s->view->generation = 2;
	assert_null(trip_find(trip, &key, s->view, in, 1));
	s->view->generation = 1;
	assert_null(trip_find(trip, &key, s->view, out, 1));
	key.second ^= 1ull << 63; /* another priority */
	assert_null(trip_find(trip, &key, s->view, in, 1));
	key.second ^= 1ull << 63;
	mac_table_learn(s->m.macs[0], MAC(2), 10, 1, 1, 0); /* moved */
	assert_null(trip_find(trip, &key, s->view, in, 1));
	mac_table_learn(s->m.macs[0], MAC(2), 10, 2, 1, 0);
	assert_ptr_equal(trip_find(trip, &key, s->view, in, 1), out);
	mac_table_remove(s->m.macs[0], MAC(1), 10);
	assert_null(trip_find(trip, &key, s->view, in, 1));
	trip_cache_destroy(cache);
}

/* Whatever strangers are learned, or refused, behind another port: those who talk stay in the
 * table, and their trip is as good as before. */
static void test_strangers_change_nothing(void **state)
{
	enum { STRANGERS = 100000 };
	const struct normal_frame frame = { .dst = MAC(2), .src = MAC(1), .vid = 10 };
	struct trip_cache *cache = trip_cache_create();
	struct stage *s = *state;
	const struct view_port *in, *out;
	uint8_t bytes[FRAME_MAX];
	struct trip_key key;
	struct trip *trip;
	struct iovec frag;
	struct pkt pkt;
	unsigned most;

	assert_non_null(cache);
	for (unsigned i = 1; i <= 3; i++)
		maker_add(&s->m, i, 1);
	follow(s);
	in = s->view->ports[1];
	out = s->view->ports[2];
	most = mac_table_most(s->m.macs[0]);
	mac_table_learn(s->m.macs[0], MAC(1), 10, 1, 1, most / 2);
	mac_table_learn(s->m.macs[0], MAC(2), 10, 2, 1, most / 2);
	pkt_init_linear(&pkt, bytes, make_frame(bytes, MAC(2), MAC(1), 10, 46), &frag);
	assert_true(trip_key_read(&pkt, &key));
	trip = trip_slot(cache, &key, in);
	trip_record(trip, &key, s->view, in, &frame, out);
	for (unsigned i = 0; i < STRANGERS; i++) {
		mac_table_learn(s->m.macs[0], MAC(1000 + i), 10, 3, 1 + i / 10000, most / 2);
		assert_ptr_equal(trip_find(trip, &key, s->view, in, 1), out);
	}
	assert_int_equal(mac_table_count(s->m.macs[0], 3), most / 2);
	trip_cache_destroy(cache);
}

/* Frames that have no key. */
static void test_keys(void **state)
{
	struct trip_key a, b;
	uint8_t bytes[FRAME_MAX];
	struct iovec frag;
	struct pkt pkt;

	pkt_init_linear(&pkt, bytes, make_frame(bytes, MAC(2), MAC(1), UNTAGGED, 4), &frag);
	assert_true(trip_key_read(&pkt, &a));
	pkt.head[14] ^= 0xff; /* the payload is not in it */
	assert_true(trip_key_read(&pkt, &b));
	assert_memory_equal(&a, &b, sizeof(a));
	pkt_init_linear(&pkt, bytes, make_frame(bytes, MAC(2), MAC(1), UNTAGGED, 3), &frag);
	assert_false(trip_key_read(&pkt, &a)); /* too short */
	pkt_init_linear(&pkt, bytes, make_frame(bytes, MAC(2), MAC(1), 10, 46), &frag);
	assert_true(trip_key_read(&pkt, &a));
	assert_memory_not_equal(&a, &b, sizeof(a));
	memcpy(pkt.head + 16, "\x88\xa8", 2);
	assert_false(trip_key_read(&pkt, &a)); /* a tag behind a tag */
	trip_cache_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test_setup_teardown(test_found_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_strangers_change_nothing, setup, teardown),
		cmocka_unit_test(test_same_as_without),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
