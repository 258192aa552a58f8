// SPDX-License-Identifier: Apache-2.0
/* Offloads between ports: what receivers take, what is checked, and that each gets what it takes,
 * in order. The receiver is a dummy port.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <linux/virtio_config.h>

#include "fake_env.h"
#include "packet/checksum.h"
#include "packet/parse.h"
#include "port/dummy.h"
#include "port/kinds.h"
#include "port/offload.h"
#include "virtio/net_header.h"

#define BIT(n) (1ull << (n))
#define HEADERS 54 /* bytes: Ethernet, IPv4, TCP */
#define FRAMES 8

struct fixture {
	struct fake_env env;
	struct port *port;
	struct batch *in, *scratch;
	struct port_counters c;
	uint8_t frames[FRAMES][FRAME_LEN_MAX];
};

static int setup(void **state)
{
	struct fixture *f = aligned_alloc(CACHE_LINE, sizeof(*f) / 64 * 64 + 64);
	struct error err;

	assert_non_null(f);
	memset(f, 0, sizeof(*f));
	f->env = fake_env_make(NULL);
	f->in = batch_create();
	f->scratch = batch_create();
	assert_true(f->in && f->scratch);
	assert_int_equal(fake_create(&dummy_port_ops, &f->port, "d", json_object(), &f->env, &err),
			 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	dummy_port_ops.destroy(f->port);
	batch_destroy(f->in);
	batch_destroy(f->scratch);
	free(f);
	return 0;
}

/* Adds a frame to the batch; @number is its TCP port. @size > 0: it is large. */
static struct pkt *add(struct fixture *f, uint16_t number, uint32_t payload, uint16_t size)
{
	unsigned i = f->in->n++;
	uint8_t *p = f->frames[i];
	struct pkt *pkt = &f->in->pkts[i];

	for (uint32_t at = 0; at < HEADERS + payload; at++)
		p[at] = (uint8_t)(at * 7 + number);
	memcpy(p + 12, "\x08\x00\x45", 3);
	memset(p + 16, 0, 8);
	p[23] = 6;
	p[34] = (uint8_t)(number >> 8);
	p[35] = (uint8_t)number;
	p[46] = 0x50;
	p[47] = 0x10;
	pkt_init_linear(pkt, p, HEADERS + payload, &f->in->frags[i]);
	pkt_parse(pkt);
	if (size)
		pkt->offload = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
							.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
							.gso_size = size,
							.csum_start = 34,
							.csum_offset = 16 };
	return pkt;
}

static struct pkt *add_partial(struct fixture *f, uint16_t number)
{
	struct pkt *pkt = add(f, number, 100, 0);

	pkt->offload = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
						.csum_start = 34,
						.csum_offset = 16 };
	return pkt;
}

static void transmit(struct fixture *f, unsigned offloads)
{
	struct txq *q = f->port->txqs[0];
	struct pkt *list[BATCH_MAX];

	for (unsigned i = 0; i < f->in->n; i++)
		list[i] = &f->in->pkts[i];
	q->offloads = offloads;
	offload_transmit(f->scratch, q, list, f->in->n, &f->c);
	batch_clear(f->in);
}

/* The oldest frame that came out has this number, length and request. */
static void expect(struct fixture *f, uint16_t number, uint32_t len, bool partial, uint8_t gso_type)
{
	const struct dummy_frame *d = dummy_sent_peek(f->port, 0);

	assert_non_null(d);
	assert_int_equal(d->len, len);
	assert_int_equal(d->bytes[34] << 8 | d->bytes[35], number);
	assert_int_equal(d->offload.flags, partial ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0);
	assert_int_equal(d->offload.gso_type, gso_type);
	dummy_sent_pop(f->port, 0);
}

static void expect_nothing(struct fixture *f)
{
	assert_null(dummy_sent_peek(f->port, 0));
}

static void dependencies(void **state)
{
	const uint64_t host_tso = BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6) |
				  BIT(VIRTIO_NET_F_HOST_ECN);
	json_t *o = json_object(), *names;

	assert_int_equal(offload_wanted(o), OFFLOAD_ALL);
	json_object_set_new(o, "offload-tso", json_false());
	assert_int_equal(offload_wanted(o), OFFLOAD_CSUM | OFFLOAD_USO4 | OFFLOAD_USO6);
	json_object_set_new(o, "offload-uso", json_false());
	assert_int_equal(offload_wanted(o), OFFLOAD_CSUM);
	assert_int_equal(offload_features(offload_wanted(o)),
			 BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM));
	json_object_clear(o);
	json_object_set_new(o, "offload-csum", json_false());
	assert_int_equal(offload_wanted(o), 0);
	json_object_clear(o);
	json_object_set_new(o, "offload-ecn", json_false());
	assert_int_equal(offload_wanted(o), OFFLOAD_ALL & ~OFFLOAD_ECN);
	json_decref(o);

	assert_int_equal(offload_of_guest(offload_features(OFFLOAD_ALL)), OFFLOAD_ALL);
	names = offload_names(OFFLOAD_CSUM | OFFLOAD_USO6);
	assert_int_equal(json_array_size(names), 2);
	assert_string_equal(json_string_value(json_array_get(names, 0)), "csum");
	assert_string_equal(json_string_value(json_array_get(names, 1)), "uso6");
	json_decref(names);
	/* what a guest sends says nothing about what it takes */
	assert_int_equal(offload_of_guest(BIT(VIRTIO_NET_F_CSUM) | host_tso), 0);
	assert_int_equal(offload_of_guest(BIT(VIRTIO_NET_F_GUEST_TSO4)), 0);
	assert_int_equal(
		offload_of_guest(BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_ECN)),
		OFFLOAD_CSUM);
	assert_int_equal(
		offload_of_guest(BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_USO6)),
		OFFLOAD_CSUM | OFFLOAD_USO6);
}

static void passes_what_is_taken(void **state)
{
	struct fixture *f = *state;

	add(f, 1, 100, 0);
	add(f, 2, 64000, 1448);
	add_partial(f, 3);
	transmit(f, OFFLOAD_CSUM | OFFLOAD_TSO4);
	expect(f, 1, HEADERS + 100, false, 0);
	expect(f, 2, HEADERS + 64000, true, VIRTIO_NET_HDR_GSO_TCPV4);
	expect(f, 3, HEADERS + 100, true, 0);
	expect_nothing(f);
	assert_int_equal(f->c.tx_packets, 3);
}

static void segments_what_is_not(void **state)
{
	struct fixture *f = *state;

	for (unsigned round = 0; round < 2; round++) {
		bool partial = round;

		add(f, 1, 100, 0);
		add_partial(f, 2);
		add(f, 3, 40 * 1000 + 1, 1000); /* more than a batch */
		add(f, 4, 100, 0);
		add(f, 5, 32 * 1000, 1000); /* just a batch */
		transmit(f, partial ? OFFLOAD_CSUM | OFFLOAD_TSO6 : 0);
		expect(f, 1, HEADERS + 100, false, 0);
		expect(f, 2, HEADERS + 100, partial, 0);
		for (unsigned i = 0; i < 40; i++)
			expect(f, 3, HEADERS + 1000, partial, 0);
		expect(f, 3, HEADERS + 1, partial, 0);
		expect(f, 4, HEADERS + 100, false, 0);
		for (unsigned i = 0; i < 32; i++)
			expect(f, 5, HEADERS + 1000, partial, 0);
		expect_nothing(f);
	}
}

/* Congestion marks alone make the difference. */
static void ecn_and_uso_are_their_own(void **state)
{
	struct fixture *f = *state;

	add(f, 1, 2000, 1000)->offload.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	transmit(f, OFFLOAD_CSUM | OFFLOAD_TSO4);
	expect(f, 1, HEADERS + 1000, true, 0);
	expect(f, 1, HEADERS + 1000, true, 0);
	add(f, 1, 2000, 1000)->offload.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	transmit(f, OFFLOAD_CSUM | OFFLOAD_TSO4 | OFFLOAD_ECN);
	expect(f, 1, HEADERS + 2000, true, VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN);
	for (unsigned i = 0; i < 2; i++) {
		struct pkt *pkt = add(f, 1, 2012, 1000); /* UDP's header is shorter by 12 */

		pkt->head[23] = 17;
		pkt->offload.gso_type = VIRTIO_NET_HDR_GSO_UDP_L4;
		pkt->offload.csum_offset = 6;
		transmit(f, OFFLOAD_CSUM | (i ? OFFLOAD_USO4 : OFFLOAD_USO6));
		if (i) {
			expect(f, 1, HEADERS + 2012, true, VIRTIO_NET_HDR_GSO_UDP_L4);
		} else {
			expect(f, 1, 42 + 1000, true, 0);
			expect(f, 1, 42 + 1000, true, 0);
			expect(f, 1, 42 + 24, true, 0);
		}
	}
	expect_nothing(f);
}

static void completes_far_checksums(void **state)
{
	struct fixture *f = *state;
	struct pkt *pkt = add(f, 1, 1000, 0);
	const struct dummy_frame *d;

	pkt->offload = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
						.csum_start = 500,
						.csum_offset = 6 };
	add(f, 2, 10, 0);
	transmit(f, 0);
	d = dummy_sent_peek(f->port, 0);
	assert_non_null(d);
	assert_int_equal(d->offload.flags, 0);
	assert_memory_equal(d->bytes, f->frames[0], 506);
	assert_memory_not_equal(d->bytes + 506, f->frames[0] + 506, 2);
	assert_memory_equal(d->bytes + 508, f->frames[0] + 508, HEADERS + 1000 - 508);
	expect(f, 1, HEADERS + 1000, false, 0);
	expect(f, 2, HEADERS + 10, false, 0);
	expect_nothing(f);
}

static void counts_what_cannot_be_done(void **state)
{
	struct fixture *f = *state;
	struct pkt *pkt = add(f, 1, 2000, 1000);

	pkt->head[23] = 17; /* no TCP packet */
	add(f, 2, 10, 0);
	transmit(f, 0);
	expect(f, 2, HEADERS + 10, false, 0);
	expect_nothing(f);
	assert_int_equal(f->c.drops[DROP_tx_offload], 1);
	assert_int_equal(f->c.tx_packets, 1);
}

/* No checksum is put where the switch has looked. */
static void requests_are_checked(void **state)
{
	struct fixture *f = *state;
	struct pkt *pkt = add_partial(f, 1);

	assert_true(offload_check(pkt));
	pkt->offload.csum_start = ETH_HLEN;
	assert_true(offload_check(pkt));
	pkt->offload.csum_start = ETH_HLEN - 1;
	assert_false(offload_check(pkt));
	pkt->offload.csum_start = ETH_HLEN;
	pkt_set_tag(pkt, true, 5);
	assert_int_equal(pkt->offload.csum_start, ETH_HLEN + VLAN_TAG_LEN);
	assert_true(offload_check(pkt));
	pkt->offload.csum_start--;
	assert_false(offload_check(pkt));

	pkt = add(f, 2, 5000, 1000);
	pkt->offload.hdr_len = 5000;
	assert_true(offload_check(pkt));
	assert_int_equal(pkt->offload.hdr_len, HEADERS);
	pkt->head[23] = 17;
	assert_false(offload_check(pkt));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dependencies),
		cmocka_unit_test_setup_teardown(passes_what_is_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(segments_what_is_not, setup, teardown),
		cmocka_unit_test_setup_teardown(ecn_and_uso_are_their_own, setup, teardown),
		cmocka_unit_test_setup_teardown(completes_far_checksums, setup, teardown),
		cmocka_unit_test_setup_teardown(counts_what_cannot_be_done, setup, teardown),
		cmocka_unit_test_setup_teardown(requests_are_checked, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
