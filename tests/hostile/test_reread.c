// SPDX-License-Identifier: Apache-2.0
/* Whether anything that a guest may change is read twice. Queues are executed one instruction at a
 * time, and between the instructions what they read becomes something else and back again: what was
 * checked must be what is used.
 *
 * Theory of operation. The processor's trap flag gives us a signal behind each instruction; there
 * we write one of two values, a good one and a bad one, to the guest's memory: for 2^k instructions
 * the one, for 2^k the other. The same is done for all k until 2^k is the whole run, and once more
 * with the two exchanged. Any two instructions differ in some bit of their numbers; so whichever
 * two read the same memory, in some run the first finds the good value and the second the bad one.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "queue_stage.h"
#include "virtio/net_header.h"

#define MODERN BIT(VIRTIO_F_VERSION_1)
#define OFFLOADS                                                                               \
	(BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_GUEST_CSUM) | \
	 BIT(VIRTIO_NET_F_GUEST_TSO4))
#define RING 64u
#define FRAME_LEN 200u
#define TCP_AT 34u
#define VALUE_MAX 16 /* bytes that change */

/* What changes, and when. */
static struct {
	uint8_t *at;
	size_t len;
	uint8_t values[2][VALUE_MAX];
	unsigned shift, first; /* 2^shift instructions long each, values[first] at the start */
	uint64_t n;	       /* instructions so far */
} flip;

static void write_value(void)
{
	memcpy(flip.at, flip.values[(flip.n >> flip.shift & 1) ^ flip.first], flip.len);
}

static void on_trap(int sig)
{
	flip.n++;
	write_value();
}

/* Puts the flag where it is; nothing below the stack pointer may be touched. */
static inline void begin_steps(void)
{
	flip.n = 0;
	write_value();
	__asm__ volatile("lea -128(%%rsp), %%rsp\n\tpushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\t"
			 "lea 128(%%rsp), %%rsp"
			 :
			 :
			 : "memory", "cc");
}

static inline void end_steps(void)
{
	__asm__ volatile("lea -128(%%rsp), %%rsp\n\tpushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq\n\t"
			 "lea 128(%%rsp), %%rsp"
			 :
			 :
			 : "memory", "cc");
}

static void set_values(uint8_t *at, const void *good, const void *bad, size_t len)
{
	assert_true(len <= VALUE_MAX);
	flip.at = at;
	flip.len = len;
	memcpy(flip.values[0], good, len);
	memcpy(flip.values[1], bad, len);
}

/* ---- two guests, one that sends and one that receives */

/* How a ring is laid out, and whether buffers lie in the region that is tried first, by which
 * chains of one buffer are read in a quick way of their own. */
struct kind {
	uint64_t layout;
	bool quick;
};

static const struct kind kinds[] = {
	{ 0, false }, { 0, true }, { PACKED, false }, { PACKED, true }
};

struct scene {
	struct stage *from, *to;
	uint8_t *sent, *received; /* the buffers, headers first */
};

enum { RECEIVE = 1, SEND = 2 }; /* what is executed in steps */

/* What was found in all runs. */
static unsigned n_passed, n_refused;

static void open_scene(struct scene *s, const struct kind *kind)
{
	struct iovec out, in;

	s->from = start(MODERN | OFFLOADS | kind->layout, RING, 0, true);
	s->to = start(MODERN | OFFLOADS | kind->layout, RING, 0, false);
	close(s->to->vring.call_fd); /* no system calls in between */
	s->to->vring.call_fd = -1;
	s->sent = kind->quick ? s->from->pair.next : s->from->pair.buf;
	s->received = kind->quick ? s->to->pair.next : s->to->pair.buf;
	memset(s->sent, 0, 12 + FRAME_LEN);
	for (uint32_t i = 0; i < FRAME_LEN; i++)
		s->sent[12 + i] = byte_of(5, i);
	out = (struct iovec){ s->sent, 12 + FRAME_LEN };
	in = (struct iovec){ s->received, 2048 };
	assert_int_equal(driver_ring_add(&s->from->pair.driver, &out, 1, NULL, 0, s->sent), 0);
	driver_ring_publish(&s->from->pair.driver);
	assert_int_equal(driver_ring_add(&s->to->pair.driver, NULL, 0, &in, 1, s->received), 0);
	driver_ring_publish(&s->to->pair.driver);
}

static void close_scene(struct scene *s)
{
	stop(s->from);
	stop(s->to);
}

static bool lies_in(const struct stage *s, const struct iovec *iov)
{
	for (unsigned i = 0; i < PAIR_REGIONS; i++) {
		const struct guestmem_range *r = &s->pair.mem->ranges[i];
		uint64_t at = (uintptr_t)iov->iov_base - (uintptr_t)r->host;

		if (at < r->size && iov->iov_len <= r->size - at)
			return true;
	}
	return false;
}

/* Whatever the guest has done meanwhile: a packet that came is one that may come. */
static void check_packet(const struct stage *s, const struct pkt *pkt)
{
	uint32_t len = pkt->head_len;

	assert_true(net_header_valid(&pkt->offload, s->state.features, pkt->len));
	assert_true(pkt->len <= FRAME_LEN_MAX);
	assert_true(pkt->head_len <= PKT_HEAD_MAX);
	for (unsigned i = 0; i < pkt->n_frags; i++) {
		len += (uint32_t)pkt->frags[i].iov_len;
		assert_true(lies_in(s, &pkt->frags[i]));
	}
	assert_int_equal(len, pkt->len);
}

/* What the other guest got is what was checked. */
static void check_received(const struct scene *s, const struct pkt *pkt)
{
	if (!s->to->c.tx_packets) {
		assert_int_equal(all_drops(s->to), 1);
		return;
	}
	assert_memory_equal(s->received, &pkt->offload, sizeof(pkt->offload));
	assert_memory_equal(s->received + 12, pkt->head, pkt->head_len);
}

static void receive(struct scene *s, bool steps)
{
	batch_clear(s->from->batch);
	if (steps)
		begin_steps();
	vhost_queue_rx(&s->from->q.rxq, s->from->batch, &s->from->c);
	if (steps)
		end_steps();
}

static void send_on(struct scene *s, bool steps)
{
	struct pkt *list[1] = { &s->from->batch->pkts[0] };

	if (steps)
		begin_steps();
	vhost_queue_tx(&s->to->q.txq, list, 1, &s->to->c);
	if (steps)
		end_steps();
}

/* One run: a packet is received and sent on. */
static void pass(struct scene *s, unsigned steps)
{
	struct batch *batch = s->from->batch;

	receive(s, steps & RECEIVE);
	if (!batch->n) {
		assert_true(ring_broken(&s->from->vring.ring) || all_drops(s->from) == 1);
		n_refused++;
		return;
	}
	assert_int_equal(batch->n, 1);
	check_packet(s->from, &batch->pkts[0]);
	send_on(s, steps & SEND);
	check_received(s, &batch->pkts[0]);
	n_passed += s->to->c.tx_packets == 1;
	n_refused += s->to->c.tx_packets == 0;
}

/* All runs of one scene. @choose says what changes, in a scene that was just made. */
static void run(const struct kind *kind, unsigned steps, void (*choose)(struct scene *s))
{
	struct sigaction action = { .sa_handler = on_trap }, before;
	uint64_t longest = 0;

	n_passed = n_refused = 0;
	assert_int_equal(sigaction(SIGTRAP, &action, &before), 0);
	for (unsigned shift = 0; shift == 0 || 1ull << shift <= 2 * longest; shift++)
		for (unsigned first = 0; first < 2; first++) {
			struct scene s;

			open_scene(&s, kind);
			choose(&s);
			flip.shift = shift;
			flip.first = first;
			pass(&s, steps);
			longest = max(longest, flip.n);
			close_scene(&s);
		}
	sigaction(SIGTRAP, &before, NULL);
	assert_true(longest > 100); /* it was executed in steps */
	assert_true(n_passed > 0);
}

/* The same, of which some must be refused. */
static void run_all(unsigned steps, void (*choose)(struct scene *s))
{
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		run(&kinds[i], steps, choose);
		assert_true(n_refused > 0);
	}
}

/* ---- what changes */

static void choose_checksum(struct scene *s)
{
	const struct virtio_net_hdr_v1 good = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
						.csum_start = TCP_AT,
						.csum_offset = 16 },
				       bad = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
					       .csum_start = 0xfff0,
					       .csum_offset = 16 };

	set_values(s->sent, &good, &bad, 12);
}

static void choose_nothing_or_checksum(struct scene *s)
{
	const struct virtio_net_hdr_v1 good = { .num_buffers = 1 }, bad = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 0xfff0, .csum_offset = 0xfff0
	};

	set_values(s->sent, &good, &bad, 12);
}

static void choose_segments(struct scene *s)
{
	const struct virtio_net_hdr_v1 good = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
						.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
						.gso_size = 100,
						.hdr_len = 54,
						.csum_start = TCP_AT,
						.csum_offset = 16 };
	struct virtio_net_hdr_v1 bad = good;

	bad.gso_size = 0;
	set_values(s->sent, &good, &bad, 12);
}

/* csum_start, gso_size and the rest of the header: what is checked is what goes on. */
static void test_header(void **state)
{
	run_all(RECEIVE, choose_checksum);
	run_all(RECEIVE, choose_nothing_or_checksum);
	run_all(RECEIVE, choose_segments);
}

/* Makes the first descriptor of a queue become one with @addr and @len, and back again. */
static void choose_desc(struct stage *s, uint64_t addr, uint32_t len)
{
	struct vring_desc good = pair_desc(&s->pair)[0], bad = good;

	bad.addr = addr;
	bad.len = len;
	set_values((uint8_t *)&pair_desc(&s->pair)[0], &good, &bad, sizeof(good));
}

static void choose_address(struct scene *s)
{
	choose_desc(s->from, 0x10, 12 + FRAME_LEN);
}

static void choose_length(struct scene *s)
{
	choose_desc(s->from, pair_desc(&s->from->pair)[0].addr, UINT32_MAX);
}

static void choose_no_length(struct scene *s)
{
	choose_desc(s->from, pair_desc(&s->from->pair)[0].addr, 5);
}

/* Descriptors of what a guest sends. */
static void test_descriptor(void **state)
{
	run_all(RECEIVE, choose_address);
	run_all(RECEIVE, choose_length);
	run_all(RECEIVE, choose_no_length);
}

static void choose_head(struct scene *s)
{
	const uint16_t good = 0, bad = 0xffff;

	set_values((uint8_t *)&pair_avail(&s->from->pair)->ring[0], &good, &bad, sizeof(good));
}

static void choose_index(struct scene *s)
{
	const uint16_t good = 1, bad = 0x8000;

	set_values((uint8_t *)&pair_avail(&s->from->pair)->idx, &good, &bad, sizeof(good));
}

/* Heads and the index of a split ring. */
static void test_available_ring(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		run(&kinds[i], RECEIVE, choose_head);
		assert_true(n_refused > 0);
		run(&kinds[i], RECEIVE, choose_index);
		assert_true(n_refused > 0);
	}
}

static void choose_buffer(struct scene *s)
{
	choose_desc(s->to, 0x10, 2048);
}

static void choose_long_buffer(struct scene *s)
{
	choose_desc(s->to, pair_desc(&s->to->pair)[0].addr, UINT32_MAX);
}

static void choose_short_buffer(struct scene *s)
{
	choose_desc(s->to, pair_desc(&s->to->pair)[0].addr, 20);
}

/* Descriptors of what a guest receives in: it gets the packet in its buffer, or not at all. */
static void test_receive_buffer(void **state)
{
	run_all(SEND, choose_buffer);
	run_all(SEND, choose_long_buffer);
	run_all(SEND, choose_short_buffer);
}

static void choose_addresses(struct scene *s)
{
	static const uint8_t good[12] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 };
	static const uint8_t bad[12] = { 2, 0, 0, 0, 0, 3, 2, 0, 0, 0, 0, 4 };

	set_values(s->sent + 12, good, bad, sizeof(good));
}

/* The addresses by which a frame is forwarded are those that it has when it arrives, and with which
 * it leaves. */
static void test_addresses(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		run(&kinds[i], RECEIVE, choose_addresses);
		assert_int_equal(n_refused, 0);
		run(&kinds[i], SEND, choose_addresses);
		assert_int_equal(n_refused, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header),	       cmocka_unit_test(test_descriptor),
		cmocka_unit_test(test_available_ring), cmocka_unit_test(test_receive_buffer),
		cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
