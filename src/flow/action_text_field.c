// SPDX-License-Identifier: Apache-2.0
/* Text of actions that change fields and tags. */
#include <errno.h>
#include <linux/if_ether.h>

#include "flow/action_private.h"

#define LOAD_BITS_MAX 64

static void *append(struct action_parse *p, enum action_kind kind, size_t len)
{
	void *action = actions_append(p->list, kind, len);

	if (!action)
		error_set(p->err, -ENOMEM, "too many actions");
	return action;
}

/* ---- set_field and load */

bool action_value_valid(const struct field *field, u128 value, u128 mask)
{
	if (value & ~action_field_full(field))
		return false;
	return field->id != FIELD_in_port_oxm || (mask & UINT32_MAX) != UINT32_MAX ||
	       action_port_valid((uint32_t)value);
}

u128 action_field_full(const struct field *field)
{
	/* the two bits of ECN are not its own */
	return field->id == FIELD_nw_tos ? field_ones(field) & ~(u128)3 : field_ones(field);
}

int action_append_set(struct action_list *list, const struct field *field, u128 value, u128 mask,
		      enum set_style style)
{
	struct action_set_field *a = actions_append(list, ACTION_SET_FIELD, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->field = field;
	a->mask = mask & action_field_full(field);
	a->value = value & a->mask;
	if (field->id == FIELD_in_port && (mask & UINT16_MAX) == UINT16_MAX) {
		a->mask = field_ones(field);
		a->value = action_port16((uint16_t)value);
	}
	a->style = (uint8_t)style;
	return 0;
}

static int set(struct action_parse *p, const struct field *field, u128 value, u128 mask,
	       enum set_style style)
{
	if (action_append_set(p->list, field, value, mask, style))
		return error_set(p->err, -ENOMEM, "too many actions");
	return 0;
}

/* OpenFlow's VLAN numbers have a bit that says that there is a tag, and actions must set it. */
static int parse_vid(const char *text, u128 *value, u128 *mask, struct error *err)
{
	u128 vid;

	if (action_parse_number(text, FLOW_VLAN_PRESENT | 0xfff, "vlan_vid", &vid, err))
		return -EINVAL;
	if (!(vid & FLOW_VLAN_PRESENT))
		return error_set(err, -EINVAL, "vlan_vid is 4096 and the number of the VLAN: %u",
				 FLOW_VLAN_PRESENT | (unsigned)vid);
	*value = vid & 0xfff;
	*mask = 0xfff;
	return 0;
}

/* Some bits of a port. */
static int parse_masked_port(char *text, u128 *value, u128 *mask, struct error *err)
{
	char *slash = strchr(text, '/');

	*slash = '\0';
	if (action_parse_number(text, UINT32_MAX, "in_port", value, err))
		return -EINVAL;
	return action_parse_number(slash + 1, UINT32_MAX, "in_port", mask, err);
}

static int parse_value(const struct field *field, char *text, u128 *value, u128 *mask,
		       struct error *err)
{
	if (field->id == FIELD_vlan_vid)
		return parse_vid(text, value, mask, err);
	if (field->format == FORMAT_PORT && strchr(text, '/'))
		return parse_masked_port(text, value, mask, err);
	return field_parse(field, text, value, mask, err);
}

int action_parse_set_field(struct action_parse *p, const struct action_row *row, char *arg)
{
	const struct field *field;
	u128 value = 0, mask = 0;
	char *name;
	int rc;

	(void)row;
	if (action_parse_arrow(arg, &name, p->err))
		return -EINVAL;
	field = field_find(name, strlen(name));
	if (!field)
		return error_set(p->err, -EINVAL, "there is no field %.40s", name);
	if (!field->writable)
		return error_set(p->err, -EINVAL, "%s is read-only", field->name);
	rc = parse_value(field, arg, &value, &mask, p->err);
	if (rc)
		return rc;
	if (!action_value_valid(field, value & mask, mask))
		return error_set(p->err, -EINVAL, "%.60s is no value of %s", arg, field->name);
	return set(p, field, value, mask, SET_STYLE_FIELD);
}

int action_parse_load(struct action_parse *p, const struct action_row *row, char *arg)
{
	struct subfield to = { 0 };
	u128 value;
	char *name;

	(void)row;
	if (action_parse_arrow(arg, &name, p->err) || action_parse_subfield(name, &to, p->err))
		return -EINVAL;
	if (!to.field->writable)
		return error_set(p->err, -EINVAL, "%s is read-only", to.field->name);
	if (action_parse_number(arg, bits_ones(to.n_bits), name, &value, p->err))
		return -EINVAL;
	return set(p, to.field, value << to.first, bits_ones(to.n_bits) << to.first,
		   SET_STYLE_LOAD);
}

static unsigned lowest_bit(u128 mask)
{
	return (uint64_t)mask ? (unsigned)__builtin_ctzll((uint64_t)mask)
			      : 64 + (unsigned)__builtin_ctzll((uint64_t)(mask >> 64));
}

bool action_next_load(const struct action_set_field *a, u128 *mask, struct subfield *to,
		      uint64_t *value)
{
	unsigned first, n;

	if (!*mask)
		return false;
	first = lowest_bit(*mask);
	n = ~(*mask >> first) ? lowest_bit(~(*mask >> first)) : 128;
	n = min(n, (unsigned)LOAD_BITS_MAX);
	to->field = a->field;
	to->first = (uint8_t)first;
	to->n_bits = (uint8_t)n;
	*value = (uint64_t)(a->value >> first & bits_ones(n));
	*mask &= ~(bits_ones(n) << first);
	return true;
}

/* nw_tos as a whole is without its two bits of ECN. */
static u128 load_mask(const struct action_set_field *a)
{
	if (a->field->id == FIELD_nw_tos && a->mask == action_field_full(a->field))
		return field_ones(a->field);
	return a->mask;
}

static void print_loads(struct action_text *out, const struct action_set_field *a)
{
	u128 mask = load_mask(a) & bits_ones(subfield_bits(a->field));
	struct subfield to;
	const char *comma = "";
	uint64_t value;

	while (action_next_load(a, &mask, &to, &value)) {
		action_text_add(out, "%sload:", comma);
		action_text_number(out, value);
		action_text_add(out, "->");
		action_text_subfield(out, &to);
		comma = ",";
	}
}

/* ---- mod_*, set_tunnel, set_mpls_* */

static const struct mod_name {
	enum field_id field;
	const char *name;
	const char *end;
} mod_names[] = {
	{ FIELD_eth_src, "mod_dl_src:", "" },	      { FIELD_eth_dst, "mod_dl_dst:", "" },
	{ FIELD_ip_src, "mod_nw_src:", "" },	      { FIELD_ip_dst, "mod_nw_dst:", "" },
	{ FIELD_ip_dscp, "mod_nw_tos:", "" },	      { FIELD_nw_ecn, "mod_nw_ecn:", "" },
	{ FIELD_nw_ttl, "mod_nw_ttl:", "" },	      { FIELD_tcp_src, "mod_tp_src:", "" },
	{ FIELD_tcp_dst, "mod_tp_dst:", "" },	      { FIELD_udp_src, "mod_tp_src:", "" },
	{ FIELD_udp_dst, "mod_tp_dst:", "" },	      { FIELD_sctp_src, "mod_tp_src:", "" },
	{ FIELD_sctp_dst, "mod_tp_dst:", "" },	      { FIELD_tun_id, "set_tunnel:", "" },
	{ FIELD_mpls_label, "set_mpls_label(", ")" }, { FIELD_mpls_tc, "set_mpls_tc(", ")" },
	{ FIELD_mpls_ttl, "set_mpls_ttl(", ")" },
};

static const struct mod_name *mod_name(enum field_id field)
{
	for (unsigned i = 0; i < ARRAY_SIZE(mod_names); i++)
		if (mod_names[i].field == field)
			return &mod_names[i];
	return NULL;
}

static void print_mod(struct action_text *out, const struct action_set_field *a)
{
	const struct mod_name *mod = mod_name(a->field->id);

	if (a->field->id == FIELD_tun_id && a->style == SET_STYLE_MOD64)
		action_text_add(out, "set_tunnel64:");
	else
		action_text_add(out, "%s", mod->name);
	if (a->field->id == FIELD_ip_dscp)
		action_text_add(out, "%u", (unsigned)a->value << 2);
	else if (a->field->id == FIELD_tun_id)
		action_text_number(out, a->value);
	else if (a->field->format == FORMAT_MAC || a->field->format == FORMAT_IPV4)
		action_text_field(out, a->field, a->value, field_ones(a->field));
	else
		action_text_add(out, "%u", (unsigned)a->value);
	action_text_add(out, "%s", mod->end);
}

int action_parse_mod(struct action_parse *p, const struct action_row *row, char *arg)
{
	const struct field *field = &fields[row->field];
	enum set_style style = SET_STYLE_MOD;
	u128 value, mask = field_ones(field);
	int rc;

	if (field->format == FORMAT_MAC || field->format == FORMAT_IPV4)
		rc = field_parse(field, arg, &value, &mask, p->err);
	else if (field->id == FIELD_ip_dscp)
		rc = action_parse_number(arg, UINT8_MAX, "a TOS", &value, p->err);
	else
		rc = action_parse_number(arg, mask, row->name, &value, p->err);
	if (rc)
		return rc;
	if (mask != field_ones(field))
		return error_set(p->err, -EINVAL, "a mask cannot be given");
	if (field->id == FIELD_ip_dscp) {
		if (value & 3)
			return error_set(p->err, -EINVAL,
					 "the lower two bits of a TOS are not set");
		value >>= 2;
	}
	if (field->id == FIELD_tun_id && (value > UINT32_MAX || strlen(row->name) > 10))
		style = SET_STYLE_MOD64;
	return set(p, field, value, mask, style);
}

void action_print_set_field(struct action_text *out, const struct action *action)
{
	const struct action_set_field *a = (const void *)action;

	if (a->style == SET_STYLE_LOAD) {
		print_loads(out, a);
	} else if (a->style != SET_STYLE_FIELD) {
		print_mod(out, a);
	} else {
		action_text_add(out, "set_field:");
		if (a->field->id == FIELD_vlan_vid)
			action_text_add(out, "%u", (unsigned)a->value | FLOW_VLAN_PRESENT);
		else
			action_text_field(out, a->field, a->value, load_mask(a));
		action_text_add(out, "->%s", a->field->name);
	}
}

/* ---- move, push, pop */

int action_parse_move(struct action_parse *p, const struct action_row *row, char *arg)
{
	struct subfield from = { 0 }, to = { 0 };
	struct action_move *a;
	char *name;

	(void)row;
	if (action_parse_arrow(arg, &name, p->err) || action_parse_subfield(arg, &from, p->err) ||
	    action_parse_subfield(name, &to, p->err))
		return -EINVAL;
	if (from.n_bits != to.n_bits)
		return error_set(p->err, -EINVAL, "%u bits do not go into %u", from.n_bits,
				 to.n_bits);
	if (!to.field->writable)
		return error_set(p->err, -EINVAL, "%s is read-only", to.field->name);
	a = append(p, ACTION_MOVE, sizeof(*a));
	if (!a)
		return -ENOMEM;
	subfield_copy(&a->from, &from);
	subfield_copy(&a->to, &to);
	return 0;
}

void action_print_move(struct action_text *out, const struct action *action)
{
	const struct action_move *a = (const void *)action;

	action_text_add(out, "move:");
	action_text_subfield(out, &a->from);
	action_text_add(out, "->");
	action_text_subfield(out, &a->to);
}

int action_parse_stack(struct action_parse *p, const struct action_row *row, char *arg)
{
	struct subfield sub = { 0 };
	struct action_stack *a;

	if (action_parse_subfield(arg, &sub, p->err))
		return -EINVAL;
	if (row->kind == ACTION_STACK_POP && !sub.field->writable)
		return error_set(p->err, -EINVAL, "%s is read-only", sub.field->name);
	a = append(p, row->kind, sizeof(*a));
	if (!a)
		return -ENOMEM;
	subfield_copy(&a->sub, &sub);
	return 0;
}

void action_print_stack(struct action_text *out, const struct action *action)
{
	action_text_add(out, action->kind == ACTION_STACK_PUSH ? "push:" : "pop:");
	action_text_subfield(out, &((const struct action_stack *)action)->sub);
}

/* ---- tags */

bool action_tpid_valid(unsigned tpid)
{
	return tpid == ETH_P_8021Q || tpid == ETH_P_8021AD;
}

bool action_mpls_valid(unsigned ethertype)
{
	return ethertype == ETH_P_MPLS_UC || ethertype == ETH_P_MPLS_MC;
}

int action_append_vlan(struct action_list *list, enum action_kind kind, unsigned value)
{
	struct action_vlan *a = actions_append(list, kind, sizeof(*a)); /* or action_mpls */

	_Static_assert(offsetof(struct action_vlan, value) ==
			       offsetof(struct action_mpls, ethertype),
		       "the same layout");
	if (!a)
		return -ENOMEM;
	a->value = (uint16_t)value;
	return 0;
}

int action_parse_vlan(struct action_parse *p, const struct action_row *row, char *arg)
{
	unsigned most = row->kind == ACTION_SET_VLAN_VID   ? 0xfff
			: row->kind == ACTION_SET_VLAN_PCP ? 7
							   : UINT16_MAX;
	uint32_t value;

	if (action_parse_u32(arg, most, row->name, &value, p->err))
		return -EINVAL;
	if (row->kind == ACTION_PUSH_VLAN && !action_tpid_valid(value))
		return error_set(p->err, -EINVAL, "0x%x is no tag: 0x8100 or 0x88a8", value);
	if (row->kind == ACTION_PUSH_MPLS && !action_mpls_valid(value))
		return error_set(p->err, -EINVAL, "0x%x is not MPLS: 0x8847 or 0x8848", value);
	if (action_append_vlan(p->list, row->kind, value))
		return error_set(p->err, -ENOMEM, "too many actions");
	return 0;
}

void action_print_vlan(struct action_text *out, const struct action *action)
{
	unsigned value = ((const struct action_vlan *)action)->value;

	if (action->kind == ACTION_SET_VLAN_VID || action->kind == ACTION_SET_VLAN_PCP)
		action_text_add(out, "%s:%u", action_row(action->kind)->name, value);
	else
		action_text_add(out, "%s:0x%04x", action_row(action->kind)->name, value);
}

/* set_vlan_vid, set_vlan_pcp: of a tag that is there. */
int action_parse_set_vlan(struct action_parse *p, const struct action_row *row, char *arg)
{
	const struct field *field = &fields[row->field];
	uint32_t value;

	if (action_parse_u32(arg, row->field == FIELD_vlan_vid ? 0xfff : 7, row->name, &value,
			     p->err))
		return -EINVAL;
	return set(p, field, value, field_ones(field), SET_STYLE_FIELD);
}

/* ---- others */

int action_append_ids(struct action_list *list, const uint16_t *ids, unsigned n)
{
	struct action_ids *a = actions_append(list, ACTION_DEC_TTL, sizeof(*a) + n * sizeof(*ids));

	if (!a)
		return -ENOMEM;
	a->n = (uint16_t)n;
	if (n)
		memcpy(a->ids, ids, n * sizeof(*ids));
	return 0;
}

int action_parse_dec_ttl(struct action_parse *p, const struct action_row *row, char *arg)
{
	uint16_t ids[ACTION_IDS_MAX];
	char *id, *value, *tail;
	unsigned n = 0;
	uint32_t number;
	int rc;

	(void)row;
	while ((rc = action_text_next(&arg, &id, &value, &tail, p->err)) > 0) {
		if (n == ARRAY_SIZE(ids))
			return error_set(p->err, -EINVAL, "more than %d controllers",
					 ACTION_IDS_MAX);
		if (action_parse_u32(id, UINT16_MAX, "a controller", &number, p->err))
			return -EINVAL;
		ids[n++] = (uint16_t)number;
	}
	if (rc)
		return rc;
	if (action_append_ids(p->list, ids, n))
		return error_set(p->err, -ENOMEM, "too many actions");
	return 0;
}

void action_print_dec_ttl(struct action_text *out, const struct action *action)
{
	const struct action_ids *a = (const void *)action;

	action_text_add(out, "dec_ttl");
	for (unsigned i = 0; i < a->n; i++)
		action_text_add(out, "%s%u", i ? "," : "(", a->ids[i]);
	if (a->n)
		action_text_add(out, ")");
}

int action_parse_metadata(struct action_parse *p, const struct action_row *row, char *arg)
{
	char *mask_text = strchr(arg, '/');
	u128 value, mask = UINT64_MAX;
	struct action_metadata *a;

	if (mask_text)
		*mask_text++ = '\0';
	if (action_parse_number(arg, UINT64_MAX, row->name, &value, p->err) ||
	    (mask_text && action_parse_number(mask_text, UINT64_MAX, row->name, &mask, p->err)))
		return -EINVAL;
	a = append(p, ACTION_WRITE_METADATA, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->mask = (uint64_t)mask;
	a->value = (uint64_t)(value & mask);
	return 0;
}

void action_print_metadata(struct action_text *out, const struct action *action)
{
	const struct action_metadata *a = (const void *)action;

	action_text_add(out, "write_metadata:");
	action_text_number(out, a->value);
	if (a->mask != UINT64_MAX) {
		action_text_add(out, "/");
		action_text_number(out, a->mask);
	}
}

int action_parse_check_len(struct action_parse *p, const struct action_row *row, char *arg)
{
	struct action_check_len *a;
	struct subfield to = { 0 };
	uint32_t len;

	(void)row;
	if (action_parse_u32(arg, UINT16_MAX, "a length", &len, p->err))
		return -EINVAL;
	if (strncmp(p->tail, "->", 2))
		return error_set(p->err, -EINVAL, "\"->FIELD[BIT]\" must stand behind it");
	if (action_parse_subfield(p->tail + 2, &to, p->err))
		return -EINVAL;
	if (to.n_bits != 1 || !to.field->writable)
		return error_set(p->err, -EINVAL, "%s: one writable bit was expected", p->tail + 2);
	p->tail += strlen(p->tail);
	a = append(p, ACTION_CHECK_PKT_LARGER, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->len = (uint16_t)len;
	subfield_copy(&a->to, &to);
	return 0;
}

void action_print_check_len(struct action_text *out, const struct action *action)
{
	const struct action_check_len *a = (const void *)action;

	action_text_add(out, "check_pkt_larger(%u)->", a->len);
	action_text_subfield(out, &a->to);
}
