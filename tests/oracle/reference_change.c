// SPDX-License-Identifier: Apache-2.0
/* The reference: actions that change packets. */
#include <assert.h>
#include <linux/if_ether.h>
#include <string.h>

#include "reference_private.h"

#define LSE_BOTTOM 0x100u

uint8_t reference_remark(uint8_t tos, unsigned levels)
{
	unsigned dscp = tos >> 2, class = dscp / 8, precedence = dscp % 8 / 2;

	if (dscp % 2 || class < 1 || class > 4 || precedence < 1 || precedence > 3)
		return tos;
	precedence = precedence + levels > 3 ? 3 : precedence + levels;
	return (uint8_t)((class * 8 + precedence * 2) << 2 | (tos & 3));
}

static bool is_mpls(uint16_t type)
{
	return type == ETH_P_MPLS_UC || type == ETH_P_MPLS_MC;
}

/* The frame becomes what the key says; after that, the key is what the frame says. */
void reference_sync(struct run *r)
{
	struct flow_key key = r->s.key;

	key.nw_tos ^= r->s.remark;
	frame_patch(&r->s.frame, &key);
	frame_key(&r->s.frame, key.in_port, &key);
	key.nw_tos ^= r->s.remark;
	/* fields were written that the packet has no place for */
	if (memcmp(&key, &r->s.key, 8 * FLOW_KEY_PACKET_WORDS))
		r->out->unsure = true;
}

static void read_again(struct run *r)
{
	frame_key(&r->s.frame, r->s.key.in_port, &r->s.key);
	r->s.key.nw_tos ^= r->s.remark;
}

/* What a meter has made of these bits counts no more. */
static void write_field(struct run *r, const struct field *field, u128 value, u128 mask)
{
	struct flow_key bits = { 0 };

	field_set(field, &r->s.key, value, mask);
	field_set(field, &bits, mask, mask);
	r->s.remark &= (uint8_t)~bits.nw_tos;
}

/* Labels hide what a meter has changed, or bring it to light: nobody says what rules see then. */
static void labels_change(struct run *r)
{
	if (r->s.remark)
		r->out->unsure = true;
	r->s.remark = 0;
}

static void push_vlan(struct run *r, uint16_t tpid, uint16_t tci)
{
	reference_sync(r);
	if (frame_n_tags(&r->s.frame) > 1)
		r->out->unsure = true; /* a third one hides what is behind it */
	frame_insert(&r->s.frame, 12, 4);
	frame_store16(&r->s.frame, 12, tpid);
	frame_store16(&r->s.frame, 14, tci);
	read_again(r);
}

static void pop_vlan(struct run *r)
{
	reference_sync(r);
	if (!frame_n_tags(&r->s.frame))
		return;
	frame_remove(&r->s.frame, 12, 4);
	read_again(r);
}

static void set_vlan(struct run *r, const struct action_vlan *a)
{
	bool vid = a->action.kind == ACTION_SET_VLAN_VID;

	if (!r->s.key.vlan[0].tpid)
		push_vlan(r, ETH_P_8021Q, vid ? a->value : (uint16_t)(a->value << 13));
	else if (vid)
		field_set(&fields[FIELD_vlan_vid], &r->s.key, a->value, UINT16_MAX);
	else
		field_set(&fields[FIELD_vlan_pcp], &r->s.key, a->value, UINT16_MAX);
}

static void push_mpls(struct run *r, uint16_t type)
{
	const struct flow_key *key = &r->s.key;
	uint32_t lse = LSE_BOTTOM | 64, at;

	labels_change(r);
	reference_sync(r);
	if (is_mpls(key->eth_type)) {
		lse = key->mpls_lse[0] & ~LSE_BOTTOM;
	} else if (key->eth_type == ETH_P_IP || key->eth_type == ETH_P_IPV6) {
		/* explicit null (RFC 3032), with the priority and TTL of the packet */
		lse = (key->eth_type == ETH_P_IPV6 ? 2u << 12 : 0) | (key->nw_tos >> 2 & 7u) << 9 |
		      LSE_BOTTOM | (key->nw_ttl ? key->nw_ttl : 64);
	}
	if (key->mpls_lse[2] || (key->mpls_lse[1] && !(key->mpls_lse[1] & LSE_BOTTOM)))
		r->out->unsure = true; /* there are bounds */
	at = frame_network(&r->s.frame);
	frame_insert(&r->s.frame, at, 4);
	frame_store16(&r->s.frame, at - 2, type);
	frame_store32(&r->s.frame, at, lse);
	read_again(r);
}

static void pop_mpls(struct run *r, uint16_t type)
{
	uint32_t at;
	bool bottom;

	reference_sync(r);
	if (!is_mpls(r->s.key.eth_type))
		return;
	labels_change(r);
	bottom = r->s.key.mpls_lse[0] & LSE_BOTTOM;
	at = frame_network(&r->s.frame);
	frame_remove(&r->s.frame, at, 4);
	frame_store16(&r->s.frame, at - 2, type);
	/* what is said to follow is not what follows */
	if (is_mpls(type) == bottom || (bottom && r->s.frame.bytes[at] >> 4 != 4))
		r->out->unsure = true;
	read_again(r);
}

static void set(struct run *r, const struct field *field, u128 value, u128 mask)
{
	if (field_present(field, &r->s.key, NULL))
		write_field(r, field, value, mask);
}

void reference_set_part(struct run *r, const struct subfield *to, u128 value)
{
	u128 ones = to->n_bits == 128 ? ~(u128)0 : ((u128)1 << to->n_bits) - 1;

	write_field(r, to->field, value << to->first, ones << to->first);
}

u128 reference_get_part(const struct run *r, const struct subfield *from)
{
	u128 ones = from->n_bits == 128 ? ~(u128)0 : ((u128)1 << from->n_bits) - 1;

	return field_get(from->field, &r->s.key) >> from->first & ones;
}

static void move(struct run *r, const struct action_move *a)
{
	if (field_present(a->to.field, &r->s.key, NULL) &&
	    field_present(a->from.field, &r->s.key, NULL))
		reference_set_part(r, &a->to, reference_get_part(r, &a->from));
}

/* False: the list ends here. */
static bool dec_ttl(struct run *r, const struct action_ids *a)
{
	bool mpls = a->action.kind == ACTION_DEC_MPLS_TTL;
	const struct field *field = &fields[mpls ? FIELD_mpls_ttl : FIELD_nw_ttl];
	u128 ttl = field_get(field, &r->s.key);

	if (!field_present(field, &r->s.key, NULL))
		return true;
	if (ttl > 1) {
		set(r, field, ttl - 1, UINT8_MAX);
		return true;
	}
	/* OFPR_INVALID_TTL */
	if (mpls || !a->n)
		reference_to_controller(r, 0, CONTROLLER_WHOLE, 2, 0);
	for (unsigned i = 0; !mpls && i < a->n; i++)
		reference_to_controller(r, a->ids[i], CONTROLLER_WHOLE, 2, 0);
	return false;
}

static void stack_push(struct run *r, const struct action_stack *a)
{
	assert(r->n_stack < STACK_MAX);
	r->stack[r->n_stack++] = reference_get_part(r, &a->sub);
}

static void stack_pop(struct run *r, const struct action_stack *a)
{
	if (!r->n_stack)
		return;
	r->n_stack--;
	if (field_present(a->sub.field, &r->s.key, NULL))
		reference_set_part(r, &a->sub, r->stack[r->n_stack]);
}

bool reference_change(struct run *r, const struct action *action, bool *go_on)
{
	const void *a = action;

	switch (action->kind) {
	case ACTION_SET_FIELD:
		set(r, ((const struct action_set_field *)a)->field,
		    ((const struct action_set_field *)a)->value,
		    ((const struct action_set_field *)a)->mask);
		return true;
	case ACTION_MOVE:
		move(r, a);
		return true;
	case ACTION_PUSH_VLAN:
		push_vlan(r, ((const struct action_vlan *)a)->value, 0);
		return true;
	case ACTION_POP_VLAN:
		pop_vlan(r);
		return true;
	case ACTION_SET_VLAN_VID:
	case ACTION_SET_VLAN_PCP:
		set_vlan(r, a);
		return true;
	case ACTION_PUSH_MPLS:
		push_mpls(r, ((const struct action_mpls *)a)->ethertype);
		return true;
	case ACTION_POP_MPLS:
		pop_mpls(r, ((const struct action_mpls *)a)->ethertype);
		return true;
	case ACTION_DEC_TTL:
	case ACTION_DEC_MPLS_TTL:
		*go_on = dec_ttl(r, a);
		return true;
	case ACTION_STACK_PUSH:
		stack_push(r, a);
		return true;
	case ACTION_STACK_POP:
		stack_pop(r, a);
		return true;
	case ACTION_WRITE_METADATA:
		field_set(&fields[FIELD_metadata], &r->s.key,
			  ((const struct action_metadata *)a)->value,
			  ((const struct action_metadata *)a)->mask);
		return true;
	default:
		return false;
	}
}
