// SPDX-License-Identifier: Apache-2.0
/* Padding behind a packet, which another switch took for a reason to look at no header behind
 * Ethernet's: a flow was then entered that fitted every packet between two addresses. Here padding
 * changes neither where a frame goes, nor its length, nor its flow.
 */
#include <linux/if_ether.h>
#include <netinet/in.h>

#include "forward_stage.h"

enum { FROM = 1, TO, OTHER };

/* What a frame holds, in front of its padding. */
enum kind { IPV4, IPV4_NO_LENGTH, IPV4_LONGER, IPV6, ARP, N_KINDS };

/* UDP ports, or what is at their place in a packet that has none. */
static uint32_t put_ports(uint8_t *p, uint16_t port)
{
	memset(p, 0, 8);
	p[0] = (uint8_t)(port >> 8);
	p[1] = (uint8_t)port;
	p[3] = 53;
	p[5] = 8;
	return 8;
}

static uint32_t put_ipv4(uint8_t *p, uint16_t total, uint16_t port)
{
	memset(p, 0, 20);
	p[0] = 0x45;
	p[2] = (uint8_t)(total >> 8);
	p[3] = (uint8_t)total;
	p[8] = 64;
	p[9] = IPPROTO_UDP;
	p[15] = 1;
	p[19] = 2;
	return 20 + put_ports(p + 20, port);
}

static uint32_t put_ipv6(uint8_t *p, uint16_t port)
{
	memset(p, 0, 40);
	p[0] = 0x60;
	p[5] = 8;
	p[6] = IPPROTO_UDP;
	p[7] = 64;
	p[23] = 1;
	p[39] = 2;
	return 40 + put_ports(p + 40, port);
}

/* Returns the length. Padding is no zeros: nothing makes them be. */
static uint32_t make_padded(uint8_t *frame, mac_t dst, int tci, enum kind kind, uint16_t port,
			    uint32_t padding)
{
	uint32_t at = make_frame(frame, dst, MAC(FROM), tci, 0);
	uint16_t type = kind == ARP ? ETH_P_ARP : kind == IPV6 ? ETH_P_IPV6 : ETH_P_IP;

	frame[at - 2] = (uint8_t)(type >> 8);
	frame[at - 1] = (uint8_t)type;
	switch (kind) {
	case IPV4:
		at += put_ipv4(frame + at, 28, port);
		break;
	case IPV4_NO_LENGTH:
		at += put_ipv4(frame + at, 0, port);
		break;
	case IPV4_LONGER: /* the packet says that it is longer than the frame */
		at += put_ipv4(frame + at, 2000, port);
		break;
	case IPV6:
		at += put_ipv6(frame + at, port);
		break;
	default:
		memset(frame + at, 0, 28);
		at += 28;
		break;
	}
	memset(frame + at, 0xa5, padding);
	return at + padding;
}

static uint32_t flow_hash(const uint8_t *frame, uint32_t len)
{
	static struct pkt pkt;
	struct iovec frag;

	pkt_init_linear(&pkt, frame, len, &frag);
	pkt_parse(&pkt);
	return pkt_hash(&pkt);
}

static const uint32_t paddings[] = { 0, 1, 18, 46, 100, 254, 255, 256, 257, 300, 1000, 1400 };

/* Three ports, whose addresses are known. */
static void open_ports(struct stage *s)
{
	for (unsigned i = FROM; i <= OTHER; i++) {
		maker_add(&s->m, i, 1);
		mac_table_learn(s->m.macs[0], MAC(i), 0, i, 1, 0);
		mac_table_learn(s->m.macs[0], MAC(i), 10, i, 1, 0);
	}
	follow(s);
}

/* Frames of each length go where the address says, whole: the first, which is decided, and the
 * next, which takes the same trip. */
static void test_cve_2020_35498(void **state)
{
	static const int tags[] = { UNTAGGED, 10 };
	uint8_t frame[FRAME_MAX];
	struct stage *s = *state;
	uint64_t n = 0;

	open_ports(s);
	for (unsigned kind = 0; kind < N_KINDS; kind++)
		for (unsigned t = 0; t < ARRAY_SIZE(tags); t++)
			for (unsigned p = 0; p < 2 * ARRAY_SIZE(paddings); p++) {
				uint32_t padding = paddings[p % ARRAY_SIZE(paddings)], len;

				for (unsigned to = TO; to <= OTHER; to++, n++) {
					len = make_padded(frame, MAC(to), tags[t], (enum kind)kind,
							  1000, padding);
					inject(s, FROM, frame, len);
					turn(s, 0, FROM);
					expect_frame(s, to, frame, len);
					expect_nothing(s, TO);
					expect_nothing(s, OTHER);
				}
			}
	assert_int_equal(maker_rx(&s->m, FROM), n);
	assert_int_equal(maker_tx(&s->m, TO) + maker_tx(&s->m, OTHER), n);
	assert_int_equal(maker_all_drops(&s->m, FROM), 0);
}

/* What tells flows apart, which queues are chosen by, is read behind Ethernet's header whatever the
 * padding, and nothing of the padding is. */
static void test_flow_behind_padding(void **state)
{
	uint8_t frame[FRAME_MAX];

	for (unsigned kind = 0; kind < N_KINDS; kind++) {
		uint32_t len = make_padded(frame, MAC(TO), UNTAGGED, (enum kind)kind, 1000, 0);
		uint32_t plain = flow_hash(frame, len);

		for (unsigned p = 0; p < ARRAY_SIZE(paddings); p++) {
			len = make_padded(frame, MAC(TO), UNTAGGED, (enum kind)kind, 1000,
					  paddings[p]);
			assert_int_equal(flow_hash(frame, len), plain);
			if (kind == ARP)
				continue;
			len = make_padded(frame, MAC(TO), UNTAGGED, (enum kind)kind, 1001,
					  paddings[p]);
			assert_int_not_equal(flow_hash(frame, len), plain);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_cve_2020_35498, setup, teardown),
		cmocka_unit_test(test_flow_behind_padding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
