// SPDX-License-Identifier: Apache-2.0
/* A guest with a second processor, which rewrites all the time what the switch is just looking at:
 * addresses, VLAN, source and virtio-net header of frames, and descriptors. The switch may see what
 * it likes, but once: a frame arrives where, and as, what it carries says; what was checked is what
 * is copied; and all counters agree with what was received.
 *
 *	rogue --- "evil"   | trunk 10, 20; only one source address is allowed
 *	peer  --- "peer"   | trunk 10
 *	third --- "third"  | trunk 10
 *	other --- "other"  | trunk 20
 *
 * and the two of world.h beside them, which lose nothing.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "guest/control.h"
#include "hostile/rogue.h"
#include "hostile/world.h"
#include "virtio/packed.h"
#include "virtio/ring.h"

#define BIT(n) (1ull << (n))
#define MODERN (BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_NET_F_MRG_RXBUF))
#define THIRD_MAC 0x7
#define OTHER_MAC 0x8
#define WRONG_MAC 0xd /* no source of the evil port */
#define NEAR_VLAN 10  /* of the peer and the third */
#define FAR_VLAN 20   /* of the other */
#define N_FRAMES 32   /* sent at a time: no receiver runs out of buffers */
#define BUFFER 256    /* bytes from one buffer to the next */
#define LOW 0x20000000u
#define HIGH (LOW + ROGUE_SIZE)
#define FAR_END (0x30000000u + ROGUE_SIZE)
#define HEADER 12
#define LONG (HEADER + 188) /* bytes of a buffer */
#define SHORT (HEADER + 88)
#define WAIT_NS (10 * NSEC_PER_SEC)

enum { EVIL, PEER, THIRD, OTHER, N_PORTS };

static const char *const ports[] = { "evil", "peer", "third", "other" };

/* What a port has counted. */
struct count {
	json_int_t rx_packets, rx_bytes, tx_packets, tx_bytes, drops;
};

struct race;

/* One way of racing. */
struct mode {
	const char *name;
	uint64_t features;
	/* Fills in the frame in the buffer at @at, and what is different in the one of HIGH. */
	void (*build)(struct race *, uint8_t *at, bool high);
	/* One turn of the other processor. */
	void (*rewrite)(struct race *, uint64_t x);
	/* Fails when the frame that @port has got cannot be right. */
	void (*check)(struct race *, unsigned port, const uint8_t *frame, uint32_t len);
	bool breaks;   /* rings may be found broken */
	bool receives; /* the guest is sent to */
	bool segments; /* a frame may become many */
};

struct race {
	struct world *w;
	struct control control;
	struct rogue rogue;
	struct guest third, other;
	struct guest *guests[N_PORTS]; /* but EVIL */
	const struct mode *mode;
	pthread_t thread;
	bool stop;   /* atomic */
	bool racing; /* what receivers get now is of the race */
	uint64_t number, n_sent, n_broken;
	uint64_t n_got[N_PORTS], n_bytes[N_PORTS]; /* what ports' guests have received */
	struct count before[N_PORTS];
};

/* ---- places in memory */

static uint8_t *buffer(struct race *race, unsigned i, bool high)
{
	return race->rogue.regions[high ? ROGUE_HIGH : ROGUE_LOW].host + (size_t)i * BUFFER;
}

static uint64_t buffer_addr(unsigned i, bool high)
{
	return (high ? HIGH : LOW) + (uint64_t)i * BUFFER;
}

static void store16(void *to, uint16_t value)
{
	__atomic_store_n((uint16_t *)to, value, __ATOMIC_RELAXED);
}

/* Writes the address, or the length, of a descriptor, which lie at the same place in both layouts.
 */
static void set_addr(struct race *race, unsigned queue, unsigned i, uint64_t addr)
{
	struct vring_desc *descs = race->rogue.rings[queue].desc;

	__atomic_store_n(&descs[i].addr, addr, __ATOMIC_RELAXED);
}

static void set_len(struct race *race, unsigned queue, unsigned i, uint32_t len)
{
	struct vring_desc *descs = race->rogue.rings[queue].desc;

	__atomic_store_n(&descs[i].len, len, __ATOMIC_RELAXED);
}

/* ---- frames */

/* Ethernet and tag; returns their length. */
static unsigned tagged(uint8_t *frame, uint8_t to, uint8_t from, uint16_t vlan)
{
	guest_ethernet(frame, to, from);
	be16_store(frame + 12, 0x8100);
	be16_store(frame + 14, vlan);
	be16_store(frame + 16, 0x88b5);
	return 18;
}

static void build_frame(struct race *race, uint8_t *at, bool high)
{
	memset(at, 0, HEADER);
	tagged(at + HEADER, PEER_MAC, EVIL_MAC, NEAR_VLAN);
	memset(at + HEADER + 18, high ? 0xb2 : 0xa1, LONG - HEADER - 18);
}

static void build_tcp(struct race *race, uint8_t *at, bool high)
{
	uint8_t *ip = at + HEADER + 18;

	build_frame(race, at, high);
	be16_store(ip - 2, 0x0800);
	memset(ip, 0, 40);
	ip[0] = 0x45;
	be16_store(ip + 2, LONG - HEADER - 18);
	ip[8] = 64;
	ip[9] = 6;
	ip[32] = 0x50;
	ip[33] = 0x10;
}

static void check_addresses(struct race *race, unsigned port, const uint8_t *frame, uint32_t len)
{
	uint8_t vlan = port == OTHER ? FAR_VLAN : NEAR_VLAN;

	assert_true(len >= 18);
	assert_int_equal(frame[11], EVIL_MAC);
	assert_int_equal(be16_load(frame + 12), 0x8100);
	assert_int_equal(be16_load(frame + 14), vlan);
	if (port != OTHER) /* where both addresses are unknown */
		assert_int_equal(frame[5], port == PEER ? PEER_MAC : THIRD_MAC);
}

/* ---- addresses, source and VLAN */

static void rewrite_header(struct race *race, uint64_t x)
{
	uint8_t *frame = buffer(race, (unsigned)(x % N_FRAMES), false) + HEADER;

	switch (x / N_FRAMES % 4) {
	case 0:
		frame[11] = x >> 20 & 1 ? EVIL_MAC : WRONG_MAC;
		break;
	case 1:
		frame[5] = x >> 20 & 1 ? PEER_MAC : THIRD_MAC;
		break;
	default:
		frame[15] = x >> 20 & 1 ? NEAR_VLAN : FAR_VLAN;
		break;
	}
}

/* ---- address and length of the buffer */

static void rewrite_descriptor(struct race *race, uint64_t x)
{
	unsigned i = (unsigned)(x % ROGUE_RING);

	if (x >> 20 & 1)
		set_addr(race, ROGUE_TX, i, buffer_addr(i % N_FRAMES, x >> 21 & 1));
	else
		set_len(race, ROGUE_TX, i, x >> 21 & 1 ? LONG : SHORT);
}

static void check_one_buffer(struct race *race, unsigned port, const uint8_t *frame, uint32_t len)
{
	check_addresses(race, port, frame, len);
	if (len != LONG - HEADER && len != SHORT - HEADER)
		fail_msg("a frame of %u bytes", len);
	for (uint32_t i = 19; i < len; i++)
		assert_int_equal(frame[i], frame[18]);
}

/* ---- right and wrong descriptors */

static void rewrite_bounds(struct race *race, uint64_t x)
{
	unsigned i = (unsigned)(x % ROGUE_RING);
	bool wrong = (x >> 20) % 64 == 0;

	switch (x / ROGUE_RING % 3) {
	case 0: /* over the end of the highest region */
		set_len(race, ROGUE_TX, i, wrong ? 0x10000000 : SHORT);
		break;
	case 1:
		set_addr(race, ROGUE_TX, i,
			 wrong ? FAR_END - SHORT + 1 : buffer_addr(i % N_FRAMES, false));
		break;
	default:
		set_addr(race, ROGUE_TX, i,
			 wrong ? UINT64_MAX - 10 : buffer_addr(i % N_FRAMES, true));
		break;
	}
}

static void check_short(struct race *race, unsigned port, const uint8_t *frame, uint32_t len)
{
	check_one_buffer(race, port, frame, len);
	assert_int_equal(len, SHORT - HEADER);
}

/* ---- what is asked for in the virtio-net header */

static void rewrite_offload(struct race *race, uint64_t x)
{
	static const uint16_t sizes[] = { 0, 30, 50, 100, 0xffff };
	static const uint16_t starts[] = { 0, 14, 38, 100, 187, 0xffff };
	uint8_t *header = buffer(race, (unsigned)(x % N_FRAMES), false);

	switch (x / N_FRAMES % 5) {
	case 0:
		header[0] = x >> 20 & 1;
		break;
	case 1:
		header[1] = x >> 20 & 1;
		break;
	case 2:
		store16(header + 4, sizes[(x >> 20) % ARRAY_SIZE(sizes)]);
		break;
	case 3:
		store16(header + 6, starts[(x >> 20) % ARRAY_SIZE(starts)]);
		break;
	default:
		store16(header + 8, x >> 20 & 1 ? 16 : 6);
		break;
	}
}

static void check_segment(struct race *race, unsigned port, const uint8_t *frame, uint32_t len)
{
	check_addresses(race, port, frame, len);
	assert_true(len <= LONG - HEADER);
}

/* ---- receive buffers */

/* Lengths are left alone in packed rings, where the device says in the same place how much it has
 * written. */
static void rewrite_receive(struct race *race, uint64_t x)
{
	unsigned i = (unsigned)(x % ROGUE_RING);

	if (x >> 20 & 1 || race->rogue.packed)
		set_addr(race, ROGUE_RX, i, buffer_addr(i % N_FRAMES, x >> 21 & 1));
	else
		set_len(race, ROGUE_RX, i, x >> 21 & 1 ? BUFFER : LONG);
}

static const struct mode modes[] = {
	{ "addresses", 0, build_frame, rewrite_header, check_addresses, false, false, false },
	{ "descriptors", 0, build_frame, rewrite_descriptor, check_one_buffer, false, false,
	  false },
	{ "bounds", 0, build_frame, rewrite_bounds, check_short, true, false, false },
	{ "offloads", BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4), build_tcp,
	  rewrite_offload, check_segment, false, false, true },
	{ "receive", 0, build_frame, rewrite_receive, NULL, false, true, false },
};

/* Each mode, of either layout, with and without notes of what is written and in flight. */
#define N_RUNS (2 * ROGUE_N_NOTES * ARRAY_SIZE(modes))

/* ---- the two processors */

static void *rewrite(void *arg)
{
	struct race *race = arg;
	uint64_t x = 5;

	while (!__atomic_load_n(&race->stop, __ATOMIC_RELAXED)) {
		x = x * 6364136223846793005ull + 1442695040888963407ull;
		race->mode->rewrite(race, x >> 24);
	}
	return NULL;
}

static void start_rewriting(struct race *race)
{
	race->stop = false;
	assert_int_equal(pthread_create(&race->thread, NULL, rewrite, race), 0);
}

static void stop_rewriting(struct race *race)
{
	__atomic_store_n(&race->stop, true, __ATOMIC_RELAXED);
	pthread_join(race->thread, NULL);
}

/* Takes what the receivers have got, and looks at it when it is of the race. */
static void drain(struct race *race)
{
	uint8_t frame[GUEST_FRAME_MAX];
	uint32_t len;

	for (unsigned port = PEER; port < N_PORTS; port++) {
		guest_turn(race->guests[port]);
		while ((len = guest_receive(race->guests[port], frame)) > 0) {
			if (race->racing && race->mode->check != NULL)
				race->mode->check(race, port, frame, len);
			race->n_got[port]++;
			race->n_bytes[port] += len;
		}
	}
}

/* Waits for one used chain of @queue. False: the ring was given up. */
static bool await_used(struct race *race, unsigned queue, uint32_t *id, uint32_t *len)
{
	uint64_t end = clock_ns() + WAIT_NS;

	while (!rogue_used(&race->rogue, queue, id, len)) {
		drain(race);
		if (race->mode->breaks && rogue_broken(&race->rogue, queue))
			return false;
		if (clock_ns() > end) {
			daemon_check_alive(&race->w->daemon);
			fail_msg("%s: a chain is not used within 10 s", race->mode->name);
		}
		usleep(20);
	}
	return true;
}

/* Where chain @i of a round lies in memory: split rings have it at its slot. */
static unsigned place_of(const struct race *race, unsigned queue, unsigned i)
{
	return race->rogue.packed ? (race->rogue.rings[queue].avail + i) % ROGUE_RING : i;
}

/* Shows @n_frames chains, each of one buffer. */
static void show_round(struct race *race, unsigned queue)
{
	bool in = queue == ROGUE_RX;
	unsigned first = place_of(race, queue, 0);

	for (unsigned i = 0; i < N_FRAMES; i++) {
		unsigned at = (first + i) % N_FRAMES;
		struct vring_desc desc = { buffer_addr(at, false),
					   in			  ? BUFFER
					   : race->mode->segments ? LONG
								  : SHORT,
					   in ? VRING_DESC_F_WRITE : 0, 0 };

		rogue_put(&race->rogue, queue, i, &desc, 1);
	}
	rogue_show(&race->rogue, queue);
}

static void set_up_again(struct race *race)
{
	json_t *port = control_port(&race->control, "evil");
	json_t *ring = json_array_get(json_object_get(port, "queues"), ROGUE_TX);
	const char *state = json_string_value(json_object_get(ring, "state"));

	race->n_broken++;
	assert_string_equal(state, ring_fault_text(RING_FAULT_ADDRESS));
	json_decref(port);
	stop_rewriting(race); /* it writes into rings */
	assert_true(rogue_restart(&race->rogue));
	start_rewriting(race);
}

static void send_round(struct race *race)
{
	uint32_t id, len;

	show_round(race, ROGUE_TX);
	for (unsigned i = 0; i < N_FRAMES; i++) {
		if (!await_used(race, ROGUE_TX, &id, &len)) {
			set_up_again(race);
			return;
		}
		race->n_sent++;
	}
	drain(race);
}

static void peer_frame(uint64_t number, uint8_t frame[100])
{
	unsigned at = tagged(frame, EVIL_MAC, PEER_MAC, NEAR_VLAN);

	memcpy(frame + at, &number, sizeof(number));
	memset(frame + at + 8, (int)number, 100 - at - 8);
}

/* Each frame lies in one of the two buffers that its descriptor may have meant, all of it. */
static void receive_round(struct race *race)
{
	uint8_t frame[100];
	unsigned first = place_of(race, ROGUE_RX, 0);
	uint32_t id, len;

	show_round(race, ROGUE_RX);
	for (unsigned i = 0; i < N_FRAMES; i++) {
		peer_frame(race->number + i, frame);
		assert_true(guest_send(&race->w->peer, frame, sizeof(frame)));
	}
	for (unsigned i = 0; i < N_FRAMES; i++) {
		unsigned at = (first + i) % N_FRAMES;

		assert_true(await_used(race, ROGUE_RX, &id, &len));
		assert_int_equal(len, HEADER + sizeof(frame));
		peer_frame(race->number++, frame);
		if (memcmp(buffer(race, at, false) + HEADER, frame, sizeof(frame)) != 0)
			assert_memory_equal(buffer(race, at, true) + HEADER, frame, sizeof(frame));
		race->n_got[EVIL]++;
		race->n_bytes[EVIL] += sizeof(frame);
	}
}

/* ---- accounting */

static json_int_t number_of(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

static struct count read_count(struct race *race, unsigned i)
{
	json_t *port = control_port(&race->control, ports[i]), *value;
	struct count c = { number_of(port, "rx_packets"), number_of(port, "rx_bytes"),
			   number_of(port, "tx_packets"), number_of(port, "tx_bytes"), 0 };
	const char *name;

	json_object_foreach (json_object_get(port, "drops"), name, value)
		c.drops += json_integer_value(value);
	json_decref(port);
	return c;
}

/* What the ports have counted since the race began is what there was. */
static void check_books(struct race *race)
{
	const struct mode *mode = race->mode;
	json_int_t delivered = 0, bytes = 0, drops = 0;
	struct count c[N_PORTS];

	for (unsigned i = 0; i < N_PORTS; i++) {
		struct count now = read_count(race, i), *old = &race->before[i];

		c[i] = (struct count){ now.rx_packets - old->rx_packets,
				       now.rx_bytes - old->rx_bytes,
				       now.tx_packets - old->tx_packets,
				       now.tx_bytes - old->tx_bytes, now.drops - old->drops };
		assert_int_equal(c[i].tx_packets, race->n_got[i]);
		assert_int_equal(c[i].tx_bytes, race->n_bytes[i]);
		delivered += c[i].tx_packets;
		bytes += c[i].tx_bytes;
		drops += c[i].drops;
	}
	printf("%s: %llu sent, %lld delivered, %lld dropped, %llu times broken\n", mode->name,
	       (unsigned long long)race->n_sent, (long long)delivered, (long long)drops,
	       (unsigned long long)race->n_broken);
	assert_true(delivered > 0);
	if (mode->receives)
		return;
	if (!mode->breaks)
		assert_int_equal(c[EVIL].rx_packets, race->n_sent);
	if (!mode->segments)
		assert_int_equal(c[EVIL].rx_packets, delivered + drops);
	if (!mode->segments && drops == 0)
		assert_int_equal(c[EVIL].rx_bytes, bytes);
}

/* ---- a race */

static void open_guest(struct race *race, struct guest *guest, const char *name)
{
	struct guest_config config = { .features = MODERN };
	struct error err = { "" };
	char path[128];

	snprintf(path, sizeof(path), "%s/%s.sock", race->w->daemon.dir, name);
	config.path = path;
	if (guest_open(guest, &config, &err) != 0 || guest_wait(guest, 10000) != 0)
		fail_msg("%s: %s %s", name, err.text, guest->why);
}

/* Where each address is must be known before what is sent there is counted. */
static void introduce(struct race *race)
{
	static const uint8_t macs[] = { [PEER] = PEER_MAC, [THIRD] = THIRD_MAC };
	uint64_t end = clock_ns() + WAIT_NS;
	uint8_t frame[60] = { 0 };

	for (unsigned port = PEER; port <= THIRD; port++) {
		struct guest *guest = race->guests[port];

		tagged(frame, 0xff, macs[port], NEAR_VLAN);
		assert_true(guest_send(guest, frame, sizeof(frame)));
		while (netdrv_reap(guest->drv, 0), netdrv_in_flight(guest->drv, 0) > 0) {
			guest_turn(guest);
			assert_true(clock_ns() < end);
			usleep(100);
		}
	}
}

/* One frame is sent: all of the port runs, and its address is known. */
static void open_rogue(struct race *race, bool packed, enum rogue_notes notes)
{
	struct rogue_config config = { .features = MODERN | race->mode->features |
						   (packed ? BIT(VIRTIO_F_RING_PACKED) : 0),
				       .notes = notes };
	struct vring_desc desc = { LOW, LONG, 0, 0 };
	uint32_t id, len;

	assert_true(rogue_open(&race->rogue, race->w->path, &config, 0));
	for (unsigned i = 0; i < N_FRAMES; i++) {
		race->mode->build(race, buffer(race, i, false), false);
		race->mode->build(race, buffer(race, i, true), true);
	}
	rogue_put(&race->rogue, ROGUE_TX, 0, &desc, 1);
	rogue_show(&race->rogue, ROGUE_TX);
	assert_true(await_used(race, ROGUE_TX, &id, &len));
	drain(race);
}

static bool nothing_came(const struct race *race)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < N_PORTS; i++)
		n += race->n_got[i];
	return n == 0;
}

static void run(struct race *race, const struct mode *mode, bool packed, enum rogue_notes notes)
{
	uint64_t end;

	race->mode = mode;
	race->n_sent = race->n_broken = 0;
	race->racing = false;
	introduce(race);
	open_rogue(race, packed, notes);
	race->racing = true;
	memset(race->n_got, 0, sizeof(race->n_got));
	memset(race->n_bytes, 0, sizeof(race->n_bytes));
	for (unsigned i = 0; i < N_PORTS; i++)
		race->before[i] = read_count(race, i);
	start_rewriting(race);
	end = clock_ns() + scaled_to(20000, 600000) / N_RUNS * NSEC_PER_MSEC;
	while (clock_ns() < end || (nothing_came(race) && clock_ns() < end + WAIT_NS)) {
		if (mode->receives)
			receive_round(race);
		else
			send_round(race);
		world_check(race->w);
	}
	stop_rewriting(race);
	drain(race);
	check_books(race);
	assert_int_equal(rogue_stray(&race->rogue, true), 0);
	rogue_close(&race->rogue);
}

static void run_all(struct world *w, bool packed)
{
	struct race *race = calloc(1, sizeof(*race));
	const struct daemon *d = &w->daemon;

	assert_non_null(race);
	race->w = w;
	control_open(&race->control, d);
	assert_true(rogue_init(&race->rogue));
	daemon_vireo(d, "port set evil trunks %d,%d allowed-macs 02:00:00:00:00:%02x", NEAR_VLAN,
		     FAR_VLAN, EVIL_MAC);
	daemon_vireo(d, "port set peer trunks %d", NEAR_VLAN);
	daemon_vireo(d, "port add third type vhost-user path %s/third.sock bridge br1 trunks %d",
		     d->dir, NEAR_VLAN);
	daemon_vireo(d, "port add other type vhost-user path %s/other.sock bridge br1 trunks %d",
		     d->dir, FAR_VLAN);
	open_guest(race, &race->third, "third");
	open_guest(race, &race->other, "other");
	race->guests[PEER] = &w->peer;
	race->guests[THIRD] = &race->third;
	race->guests[OTHER] = &race->other;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		for (unsigned notes = 0; notes < ROGUE_N_NOTES; notes++)
			run(race, &modes[i], packed, notes);
	guest_close(&race->third);
	guest_close(&race->other);
	rogue_destroy(&race->rogue);
	control_close(&race->control);
	free(race);
}

static void test_split(void **state)
{
	run_all(*state, false);
}

static void test_packed(void **state)
{
	run_all(*state, true);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		WORLD_TEST(test_split),
		WORLD_TEST(test_packed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
