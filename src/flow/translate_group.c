// SPDX-License-Identifier: Apache-2.0
/* Translation: groups, and other choices by hash or by what is live. */
#include <netinet/in.h>

#include "flow/choose.h"
#include "flow/translate_private.h"

#define LIVENESS_DEPTH_MAX 32 /* groups that watch groups */

/* ---- what is live */

static bool port_live(const struct translation *t, uint32_t number)
{
	const struct pipeline_port *port = pipeline_port(t->p, number);

	return port && port->live;
}

static bool group_live(struct translation *t, uint32_t id, unsigned depth);

static bool bucket_live(struct translation *t, const struct group_bucket *bucket, unsigned depth)
{
	/* groups watch groups, and each of their buckets may be asked again and again */
	if (!translate_work(t, 1))
		return false;
	if (bucket->watch_port == OFPORT_NONE && bucket->watch_group == GROUP_ANY)
		return true;
	return (bucket->watch_port != OFPORT_NONE && port_live(t, bucket->watch_port)) ||
	       (bucket->watch_group != GROUP_ANY && group_live(t, bucket->watch_group, depth + 1));
}

/* Whether some bucket of it is. */
static bool group_live(struct translation *t, uint32_t id, unsigned depth)
{
	const struct group *group = depth < LIVENESS_DEPTH_MAX ? pipeline_group(t->p, id) : NULL;

	for (unsigned i = 0; group && i < group->n_buckets; i++)
		if (bucket_live(t, &group->buckets[i], depth))
			return true;
	return false;
}

/* ---- hashes */

struct hasher {
	const struct flow_key *key;
	struct key_bits bits; /* that were hashed */
	uint64_t hash;
};

static void start(struct hasher *h, const struct translation *t, uint64_t basis)
{
	h->key = &t->s.key;
	h->bits.map = 0;
	h->hash = basis;
}

static void add(struct hasher *h, uint64_t word)
{
	h->hash = (uint64_t)choose_hash(h->hash, word) << 32 | choose_hash(word, h->hash);
}

static void add128(struct hasher *h, u128 value)
{
	add(h, (uint64_t)value);
	add(h, (uint64_t)(value >> 64));
}

static void add_bits(struct hasher *h, enum field_id id)
{
	field_examine(&fields[id], field_ones(&fields[id]), &h->bits);
}

static void add_ethernet(struct hasher *h)
{
	add(h, h->key->eth_src ^ h->key->eth_dst);
	add(h, h->key->eth_type);
	add_bits(h, FIELD_eth_src);
	add_bits(h, FIELD_eth_dst);
	add_bits(h, FIELD_eth_type);
	for (unsigned i = 0; i < FLOW_VLANS; i++) {
		add(h, h->key->vlan[i].tci & 0x0fff);
		KEY_BITS_ADD(&h->bits, vlan[i].tci, 0x0fff);
	}
}

/* Both addresses of IP, the same in both directions; false: it is not IP. */
static bool add_addresses(struct hasher *h)
{
	const struct flow_key *key = h->key;

	add_bits(h, FIELD_eth_type);
	if (key->eth_type == ETH_P_IP) {
		add(h, key->nw_src ^ key->nw_dst);
		add_bits(h, FIELD_ip_src);
		add_bits(h, FIELD_ip_dst);
		return true;
	}
	if (key->eth_type != ETH_P_IPV6)
		return false;
	add128(h, key->ipv6_src ^ key->ipv6_dst);
	add_bits(h, FIELD_ipv6_src);
	add_bits(h, FIELD_ipv6_dst);
	return true;
}

static void add_ports(struct hasher *h, bool udp)
{
	const struct flow_key *key = h->key;

	add(h, key->nw_proto);
	add_bits(h, FIELD_nw_proto);
	if (key->nw_proto != IPPROTO_TCP && key->nw_proto != IPPROTO_SCTP &&
	    !(udp && key->nw_proto == IPPROTO_UDP))
		return;
	add(h, key->tp_src ^ key->tp_dst);
	add_bits(h, FIELD_udp_src);
	add_bits(h, FIELD_udp_dst);
}

static void add_address(struct hasher *h, bool src)
{
	const struct flow_key *key = h->key;

	add_bits(h, FIELD_eth_type);
	if (key->eth_type == ETH_P_IP) {
		add(h, src ? key->nw_src : key->nw_dst);
		add_bits(h, src ? FIELD_ip_src : FIELD_ip_dst);
	} else if (key->eth_type == ETH_P_IPV6) {
		add128(h, src ? key->ipv6_src : key->ipv6_dst);
		add_bits(h, src ? FIELD_ipv6_src : FIELD_ipv6_dst);
	}
}

static void add_fields(struct hasher *h, enum hash_fields over)
{
	switch (over) {
	case HASH_ETH_SRC:
		add(h, h->key->eth_src);
		add_bits(h, FIELD_eth_src);
		break;
	case HASH_SYMMETRIC_L4:
		add_ethernet(h);
		if (add_addresses(h))
			add_ports(h, false);
		break;
	case HASH_SYMMETRIC_L3L4:
	case HASH_SYMMETRIC_L3L4_UDP:
		if (add_addresses(h))
			add_ports(h, over == HASH_SYMMETRIC_L3L4_UDP);
		break;
	case HASH_NW_SRC:
	case HASH_NW_DST:
		add_address(h, over == HASH_NW_SRC);
		break;
	case HASH_SYMMETRIC_L3:
		add_addresses(h);
		break;
	}
}

static NEVER_INLINE uint32_t hash_over(struct translation *t, enum hash_fields over, uint64_t basis)
{
	struct hasher h;

	start(&h, t, basis);
	add_fields(&h, over);
	translate_examine(t, &h.bits);
	return choose_hash(h.hash, basis);
}

/* ---- select groups */

/* Without fields to choose from: addresses and ports of IP, else of Ethernet. */
static NEVER_INLINE uint32_t hash_flow(struct translation *t, uint64_t basis)
{
	struct hasher h;

	start(&h, t, basis);
	if (add_addresses(&h))
		add_ports(&h, true);
	else
		add_ethernet(&h);
	translate_examine(t, &h.bits);
	return choose_hash(h.hash, basis);
}

static NEVER_INLINE uint32_t hash_bits(struct translation *t, const struct flow_key *bits,
				       uint64_t basis)
{
	struct hasher h;

	start(&h, t, basis);
	for (unsigned w = 0; w < FLOW_KEY_WORDS; w++)
		if (bits->words[w]) {
			add(&h, t->s.key.words[w] & bits->words[w]);
			key_bits_add(&h.bits, w, bits->words[w]);
		}
	translate_examine(t, &h.bits);
	return choose_hash(h.hash, basis);
}

static const struct group_bucket *select_bucket(struct translation *t, const struct group *group)
{
	const struct group_bucket *best = NULL;
	uint64_t best_claim = UINT64_MAX;
	uint32_t hash;

	hash = group->method == GROUP_METHOD_HASH
		       ? hash_bits(t, &group->fields.mask, group->method_param)
		       : hash_flow(t, group->method_param);
	for (unsigned i = 0; i < group->n_buckets; i++) {
		const struct group_bucket *bucket = &group->buckets[i];
		uint64_t claim;

		if (!bucket->weight || !bucket_live(t, bucket, 0))
			continue;
		claim = choose_claim(bucket->id, bucket->weight, hash);
		if (!best || claim < best_claim) {
			best = bucket;
			best_claim = claim;
		}
	}
	return best;
}

static const struct group_bucket *first_live(struct translation *t, const struct group *group)
{
	for (unsigned i = 0; i < group->n_buckets; i++)
		if (bucket_live(t, &group->buckets[i], 0))
			return &group->buckets[i];
	return NULL;
}

/* ---- groups */

/* A bucket is an action set of its own, for a copy of the packet. What tables that it resubmits to
 * do to the stack and the action set stays, as in Open vSwitch. */
static NEVER_INLINE void run_bucket(struct translation *t, const struct group_bucket *bucket)
{
	const struct translate_segment actions = { bucket->actions.bytes, bucket->actions.len };
	bool in_group = t->in_group;
	struct translate_copy copy;

	translate_note(t, "bucket %u", bucket->id);
	translate_credit(t, bucket->tally);
	translate_copy_begin(t, &copy);
	t->in_group = true;
	t->depth++;
	t->indent++;
	translate_set(t, &actions, 1);
	t->indent--;
	t->depth--;
	t->in_group = in_group;
	translate_copy_end(t, &copy);
	t->exited = false;
}

static void run_group(struct translation *t, const struct group *group)
{
	const struct group_bucket *bucket;

	if (group->type == GROUP_TYPE_ALL || group->type == GROUP_TYPE_INDIRECT) {
		translate_credit(t, group->tally);
		if (!group->n_buckets)
			translate_reason(t, DROP_flow_group);
		for (unsigned i = 0; i < group->n_buckets && !t->stopped; i++)
			run_bucket(t, &group->buckets[i]);
		return;
	}
	bucket = group->type == GROUP_TYPE_SELECT ? select_bucket(t, group) : first_live(t, group);
	if (!bucket) {
		translate_note(t, "no bucket of group %u is live", group->id);
		translate_reason(t, DROP_flow_group);
		return;
	}
	translate_credit(t, group->tally);
	run_bucket(t, bucket);
}

void translate_group(struct translation *t, uint32_t id)
{
	const struct group *group = pipeline_group(t->p, id);

	if (!translate_deeper(t))
		return;
	if (group) {
		run_group(t, group);
	} else {
		translate_note(t, "there is no group %u", id);
		translate_reason(t, DROP_flow_group);
	}
}

/* ---- multipath and bundle */

void translate_multipath(struct translation *t, const struct action_multipath *action)
{
	uint32_t hash = hash_over(t, action->fields, action->basis);

	if (action->algorithm == MULTIPATH_HRW && !translate_work(t, action->max_link))
		return;
	translate_write_sub(
		t, &action->to,
		choose_link(action->algorithm, hash, action->max_link + 1u, action->arg));
}

static bool may_send(const struct translation *t, uint32_t port)
{
	switch (port) {
	case OFPORT_IN_PORT:
	case OFPORT_TABLE:
	case OFPORT_NORMAL:
	case OFPORT_FLOOD:
	case OFPORT_ALL:
	case OFPORT_LOCAL:
		return true;
	default:
		return port_live(t, port);
	}
}

uint32_t translate_bundle(struct translation *t, const struct action_bundle *action)
{
	bool hrw = action->algorithm == BUNDLE_HRW;
	uint32_t hash = hrw ? hash_over(t, action->fields, action->basis) : 0, best_claim = 0;
	uint32_t best = OFPORT_NONE;

	if (!translate_work(t, action->n_ports))
		return best;
	for (uint32_t i = 0; i < action->n_ports; i++) {
		uint32_t claim = hrw ? choose_hash(i, hash) : 0;

		if (!may_send(t, action->ports[i]) || (best != OFPORT_NONE && claim <= best_claim))
			continue;
		best = action->ports[i];
		best_claim = claim;
	}
	if (best == OFPORT_NONE) {
		translate_note(t, "no port of the bundle is live");
		translate_reason(t, DROP_flow_port);
	}
	return best;
}
