// SPDX-License-Identifier: Apache-2.0
// Which bits a plan depends on: exactly, and at random.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "flow_world.h"

static int setup(void **state)
{
	*state = world_create(4);
	return 0;
}

static int teardown(void **state)
{
	world_destroy(*state);
	return 0;
}

#define TCP                                                                                 \
	"in_port=1,tcp,dl_dst=00:00:00:00:00:05,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_ttl=64," \
	"tp_src=1000,tp_dst=80"

/* Bits that are always examined. */
static struct flow_key bits(void)
{
	return (struct flow_key){ .in_port = UINT32_MAX };
}

static void assert_bits(struct world *w, const char *packet, struct flow_key want)
{
	struct flow_key key = world_key(packet);

	world_run_key(w, &key);
	for (unsigned i = 0; i < FLOW_KEY_WORDS; i++)
		if (w->draft.examined.words[i] != want.words[i])
			fail_msg("word %u: %llx, not %llx: %s", i,
				 (unsigned long long)w->draft.examined.words[i],
				 (unsigned long long)want.words[i], world_examined(w, packet));
}

static void test_port_alone(void **state)
{
	struct world *w = *state;

	world_rule(w, 0, 5, "in_port=1", "output:2");
	assert_bits(w, TCP, bits());
}

static void test_what_is_written_is_known(void **state)
{
	struct world *w = *state;
	struct flow_key want = bits();

	world_rule(w, 0, 5, "", "set_field:00:00:00:00:00:07->eth_dst,resubmit(,1)");
	world_rule(w, 1, 5, "dl_dst=00:00:00:00:00:07", "output:2");
	assert_bits(w, TCP, want);
	/* half of it */
	world_rule(w, 0, 5, "",
		   "set_field:00:00:00:00:00:07/00:00:00:00:00:0f->eth_dst,resubmit(,1)");
	want.eth_dst = 0xfffffffffff0ull;
	assert_bits(w, TCP, want);
}

static void test_a_field_must_be_there(void **state)
{
	struct world *w = *state;
	struct flow_key want = bits();

	world_rule(w, 0, 5, "", "load:5->NXM_OF_VLAN_TCI[0..11],resubmit(,1)");
	world_rule(w, 0, 6, "tcp,in_port=2", "drop");
	world_rule(w, 1, 5, "", "output:2");
	world_run(w, TCP);
	assert_int_equal(w->draft.examined.vlan[0].tci, FLOW_VLAN_PRESENT);
	world_rule(w, 0, 7, "", "dec_ttl,output:2");
	want.eth_type = UINT16_MAX;
	want.nw_ttl = UINT8_MAX;
	assert_bits(w, TCP, want);
	/* one without a TTL */
	want.nw_ttl = 0;
	assert_bits(w, "in_port=1,arp", want);
}

/* What has moved is examined when it is read, and known from then on. */
static void test_moves(void **state)
{
	struct world *w = *state;
	struct flow_key want = bits();

	world_rule(w, 0, 5, "", "move:NXM_OF_ETH_DST[0..7]->NXM_NX_REG1[8..15],resubmit(,1)");
	world_rule(w, 1, 5, "reg1=0x500", "output:2");
	world_rule(w, 1, 4, "", "output:3");
	want.eth_dst = 0xff;
	assert_bits(w, TCP, want);
	assert_string_equal(w->words, "output:2");
}

static void test_equal_is_not_written_again(void **state)
{
	struct world *w = *state;

	/* examined, and what it is already */
	world_rule(w, 0, 5, "dl_dst=00:00:00:00:00:05",
		   "set_field:00:00:00:00:00:05->eth_dst,output:2");
	assert_string_equal(world_run(w, TCP), "output:2");
	/* not examined: other packets may have another */
	world_rule(w, 0, 6, "", "set_field:00:00:00:00:00:05->eth_dst,output:2");
	assert_string_equal(world_run(w, TCP), "set output:2");
	assert_int_equal(w->draft.examined.eth_dst, 0);
}

/* A tag that was pushed stands where that of the packet was. */
static void test_tags_move(void **state)
{
	struct world *w = *state;
	struct flow_key want = bits();

	world_rule(w, 0, 5, "", "push_vlan:0x8100,set_field:4101->vlan_vid,resubmit(,1)");
	world_rule(w, 1, 5, "dl_vlan=5", "pop_vlan,resubmit(,2)");
	world_rule(w, 2, 5, "dl_vlan=3", "output:2");
	want.vlan[0].tci = 0x1fff;
	assert_bits(w, "in_port=1,dl_vlan=3,dl_vlan_pcp=2", want);
	assert_string_equal(w->words, "push_vlan pop_vlan output:2");
	world_rule(w, 0, 5, "", "pop_vlan,pop_vlan,resubmit(,3)");
	world_rule(w, 3, 5, "", "output:2");
	want.vlan[0].tci = want.vlan[1].tci = FLOW_VLAN_PRESENT;
	assert_bits(w, "in_port=1,dl_vlan=3,dl_vlan_pcp=2", want);
}

/* ---- at random: any packet that is the same in the examined bits has this plan */

static const char *const matches[] = {
	"",
	"tcp",
	"udp",
	"ip,nw_dst=10.0.0.0/8",
	"tcp,tp_dst=80",
	"dl_vlan=3",
	"arp",
	"ipv6",
	"in_port=1",
	"reg0=1",
	"reg1=0x50/0xf0",
	"tcp,tcp_flags=+syn",
	"ip,nw_ttl=1",
	"vlan_tci=0/0x1000",
	"dl_dst=01:00:00:00:00:00/01:00:00:00:00:00",
	"ip,nw_tos=32",
	"ip,ip_frag=no",
	"metadata=7",
	"dl_src=00:00:00:00:00:01",
	"mpls,mpls_label=3",
};

static const char *const changes[] = {
	"set_field:1->reg0",
	"move:NXM_OF_ETH_DST[0..7]->NXM_NX_REG1[0..7]",
	"move:NXM_OF_IP_SRC[]->NXM_OF_IP_DST[]",
	"set_field:10.1.2.3->ip_dst",
	"dec_ttl",
	"push_vlan:0x8100",
	"pop_vlan",
	"set_field:4099->vlan_vid",
	"load:0->NXM_OF_VLAN_TCI[]",
	"load:0x1005->NXM_OF_VLAN_TCI[]",
	"set_field:00:00:00:00:00:01->eth_src",
	"move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]",
	"push:NXM_OF_VLAN_TCI[]",
	"pop:NXM_NX_REG1[0..15]",
	"push_mpls:0x8847",
	"pop_mpls:0x0800",
	"multipath(symmetric_l4,0,modulo_n,4,0,NXM_NX_REG0[0..1])",
	"output:2",
	"output:3",
	"output:NXM_NX_REG0[0..15]",
	"clone(set_field:5->tcp_dst,output:4)",
	"mod_vlan_pcp:3",
	"set_field:80->tcp_dst",
	"learn(table=9,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])",
};

static void random_rules(struct world *w, unsigned *seed)
{
	for (unsigned table = 0; table < 4; table++)
		for (unsigned i = 0; i < 4; i++) {
			char text[1024] = "";
			unsigned n = (unsigned)rand_r(seed) % 4 + 1;

			for (unsigned j = 0; j < n; j++) {
				strcat(text, changes[(unsigned)rand_r(seed) % ARRAY_SIZE(changes)]);
				strcat(text, ",");
			}
			if (table < 3)
				snprintf(text + strlen(text), 32,
					 rand_r(seed) % 2 ? "resubmit(,%u),output:2"
							  : "goto_table:%u",
					 table + 1);
			world_rule(w, (uint8_t)table, (uint16_t)i,
				   matches[i ? (unsigned)rand_r(seed) % ARRAY_SIZE(matches) : 0],
				   text);
		}
}

static struct flow_key random_packet(unsigned *seed)
{
	static const char *const packets[] = {
		TCP,
		"in_port=1,udp,nw_dst=10.0.0.2,nw_ttl=1,tp_dst=80",
		"in_port=1,arp,arp_spa=10.0.0.1",
		"in_port=2,ipv6,nw_ttl=5,ipv6_src=fe80::1",
		"in_port=1,tcp,dl_vlan=3,dl_vlan_pcp=2,nw_ttl=3,tcp_flags=+syn",
		"in_port=1,ip,ip_frag=later,nw_ttl=3",
		"in_port=1,tcp,ip_frag=first,nw_ttl=3,tp_dst=80",
		"in_port=3,mpls,mpls_label=3,mpls_bos=1",
	};

	return world_key(packets[(unsigned)rand_r(seed) % ARRAY_SIZE(packets)]);
}

/* Changes bits at random, but those of @but; what comes out may be a packet. */
static struct flow_key other_packet(const struct flow_key *key, const struct flow_key *but,
				    unsigned *seed)
{
	struct flow_key like = *key;

	for (unsigned j = 0; j < FLOW_KEY_PACKET_WORDS; j++) {
		uint64_t noise = (uint64_t)rand_r(seed) << 33 ^ (uint64_t)rand_r(seed) << 10 ^
				 (uint64_t)rand_r(seed);

		like.words[j] ^= noise & ~but->words[j];
	}
	like.eth_dst &= 0xffffffffffffull;
	like.eth_src &= 0xffffffffffffull;
	for (unsigned i = 0; i < FLOW_VLANS; i++)
		if (!(like.vlan[i].tci & FLOW_VLAN_PRESENT) || (i && !like.vlan[0].tci))
			like.vlan[i] = (struct flow_vlan){ 0 };
	if (like.eth_type != ETH_P_MPLS_UC && like.eth_type != ETH_P_MPLS_MC)
		memset(like.mpls_lse, 0, sizeof(like.mpls_lse));
	if (!(like.nw_frag & FLOW_FRAG_ANY))
		like.nw_frag = 0;
	for (unsigned j = 0; j < FLOW_KEY_PACKET_WORDS; j++)
		if ((like.words[j] ^ key->words[j]) & but->words[j])
			return *key; /* there is no such packet */
	return like;
}

static void test_at_random(void **state)
{
	struct world *other = world_create(4);
	unsigned seed = 1, differ = 0;

	for (unsigned round = 0; round < 1000; round++) {
		struct world *w = world_create(4);
		struct flow_key key = random_packet(&seed), like;

		random_rules(w, &seed);
		other->draft.steps_len = 0;
		for (unsigned i = 0; i < 20; i++) {
			struct translate_input in = { .pipeline = w->p, .key = &like };

			world_run_key(w, &key);
			if (!w->draft.cacheable)
				break;
			like = other_packet(&key, &w->draft.examined, &seed);
			translate(&in, &other->draft, &other->limit);
			differ += memcmp(&like, &key, sizeof(key)) != 0;
			assert_int_equal(w->draft.steps_len, other->draft.steps_len);
			assert_memory_equal(w->draft.steps, other->draft.steps, w->draft.steps_len);
			assert_memory_equal(&w->draft.examined, &other->draft.examined,
					    sizeof(key));
		}
		world_destroy(w);
	}
	assert_true(differ > 1000);
	world_destroy(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_port_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_written_is_known, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_field_must_be_there, setup, teardown),
		cmocka_unit_test_setup_teardown(test_moves, setup, teardown),
		cmocka_unit_test_setup_teardown(test_equal_is_not_written_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tags_move, setup, teardown),
		cmocka_unit_test_setup_teardown(test_at_random, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
