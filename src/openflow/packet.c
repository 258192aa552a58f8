// SPDX-License-Identifier: Apache-2.0
/* Packet-out and packet-in (OpenFlow 1.5.1, 7.3.7 and 7.4.1; 1.0.0, 5.3.6 and 5.4.1; Nicira's
 * packet-ins as Open vSwitch sends them). Packets are not buffered.
 */
#include "openflow/packet.h"
#include "base/compiler.h"
#include "openflow/matches.h"
#include "packet/ethernet.h"

/* Reasons, as Open vSwitch numbers them inside. */
#define REASON_NO_MATCH 0
#define REASON_ACTION 1
#define REASON_INVALID_TTL 2
#define REASON_LAST_14 5 /* what is behind it is a kind of no match */

#define COOKIE_NONE UINT64_MAX

/* Properties of Nicira's second packet-in. */
#define PROP_PACKET 0
#define PROP_FULL_LEN 1
#define PROP_TABLE 3
#define PROP_COOKIE 4
#define PROP_REASON 5
#define PROP_METADATA 6
#define PROP_USERDATA 7

/* ---- out */

/* What a packet-out says. */
struct packet_out {
	uint32_t buffer, in_port;
	const uint8_t *actions, *data;
	size_t actions_len, data_len;
};

/* 1.5 tells the port by a match; nothing else can be set. */
static enum of_error read_in_port(const uint8_t **bytes, size_t *len, uint32_t *in_port,
				  struct error *err)
{
	const struct field *port = &fields[FIELD_in_port_oxm];
	struct match match;
	enum of_error error = of_read_match(&match, bytes, len, err);

	if (error)
		return error;
	if (field_get(port, &match.mask) != field_ones(port))
		return OFERR_BAD_PORT;
	*in_port = match.key.in_port;
	match.key.in_port = match.mask.in_port = 0;
	for (size_t i = 0; i < FLOW_KEY_WORDS; i++)
		if (match.mask.words[i])
			return OFERR_MATCH_BAD_FIELD;
	return OFERR_NONE;
}

static enum of_error read_out(const struct of_request *r, struct packet_out *out, struct error *err)
{
	const uint8_t *b = r->body, *rest = b + (r->version == OF13 || r->version == OF14 ? 16 : 8);
	enum of_error error = OFERR_NONE;
	size_t len;

	if (r->body_len < (size_t)(rest - b))
		return OFERR_BAD_LEN;
	len = r->body_len - (size_t)(rest - b);
	out->buffer = be32_load(b);
	if (r->version == OF10) {
		out->in_port = proto_port_from10(be16_load(b + 4));
		out->actions_len = be16_load(b + 6);
	} else if (r->version == OF15) {
		out->actions_len = be16_load(b + 4);
		error = read_in_port(&rest, &len, &out->in_port, err);
	} else {
		out->in_port = be32_load(b + 4);
		out->actions_len = be16_load(b + 8);
	}
	if (error)
		return error;
	if (out->actions_len > len)
		return OFERR_BAD_LEN;
	out->actions = rest;
	out->data = rest + out->actions_len;
	out->data_len = len - out->actions_len;
	return OFERR_NONE;
}

enum of_error of_handle_packet_out(struct of_session *s, const struct of_request *r,
				   struct error *err)
{
	struct packet_out out = { 0 };
	struct action_list actions = { 0 };
	enum of_error error = read_out(r, &out, err);

	if (error)
		return error;
	if (out.in_port >= OFPORT_MAX && out.in_port != OFPORT_LOCAL &&
	    out.in_port != OFPORT_CONTROLLER && out.in_port != OFPORT_NONE)
		return OFERR_BAD_PORT;
	if (out.buffer != OF_NO_BUFFER)
		return OFERR_BUFFER_UNKNOWN;
	error = actions_decode(&actions, r->version, false, out.actions, out.actions_len, err);
	if (!error && out.data_len < ETH_HLEN)
		error = OFERR_BAD_PACKET;
	if (!error)
		error = flows_packet_out(s->bridge->flows, out.in_port, &actions, out.data,
					 out.data_len, err);
	s->packets_out = s->packets_out || !error;
	actions_free(&actions);
	return error;
}

/* ---- in */

enum of_error of_handle_packet_format(struct of_session *s, const struct of_request *r,
				      struct error *err)
{
	uint32_t format = be32_load(r->body);

	if (format > PACKET_NXT2)
		return OFERR_PERM;
	s->packet_format = format;
	return OFERR_NONE;
}

/* A packet for one session. */
struct packet_in {
	const struct flows_packet *packet;
	struct match metadata;
	uint8_t reason; /* as the version has it */
	size_t len;	/* of the frame, that is sent */
};

/* What is known of a packet and not part of it: all that is not 0. */
static void read_metadata(struct packet_in *in)
{
	const struct flow_key *key = in->packet->metadata;
	static const struct {
		uint8_t from, to;
	} ranges[] = { { FIELD_tun_id, FIELD_ct_tp_dst }, { FIELD_metadata, FIELD_reg15 } };

	match_init(&in->metadata);
	if (!key)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		for (unsigned id = ranges[i].from; id <= ranges[i].to; id++) {
			u128 value = field_get(&fields[id], key);

			if (value)
				match_set(&in->metadata, &fields[id], value,
					  field_ones(&fields[id]));
		}
	}
	if (key->in_port)
		match_set(&in->metadata, &fields[FIELD_in_port_oxm], key->in_port,
			  field_ones(&fields[FIELD_in_port_oxm]));
}

static uint8_t reason_of(const struct of_session *s, uint8_t reason)
{
	if (reason > REASON_LAST_14)
		return REASON_NO_MATCH;
	return reason > REASON_INVALID_TTL && s->version < OF14 ? REASON_ACTION : reason;
}

static uint16_t short_len(size_t len)
{
	return len < UINT16_MAX ? (uint16_t)len : UINT16_MAX;
}

static void write10(struct of_out *out, const struct packet_in *in)
{
	uint32_t in_port = in->packet->metadata ? in->packet->metadata->in_port : 0;

	of_begin(out, OF10, OFT_PACKET_IN, 0);
	out_u32(out, OF_NO_BUFFER);
	out_u16(out, short_len(in->packet->total_len));
	out_u16(out, proto_port_to10(in_port ? in_port : OFPORT_NONE));
	out_u8(out, in->reason);
	out_u8(out, 0);
	out_bytes(out, in->packet->frame, in->len);
}

static void write13(struct of_out *out, uint8_t version, const struct packet_in *in)
{
	of_begin(out, version, OFT_PACKET_IN, 0);
	out_u32(out, OF_NO_BUFFER);
	out_u16(out, short_len(in->packet->total_len));
	out_u8(out, in->reason);
	out_u8(out, in->packet->table);
	out_u64(out, in->packet->cookie);
	of_write_match(out, version, &in->metadata);
	out_zeros(out, 2);
	out_bytes(out, in->packet->frame, in->len);
}

static void write_nxt(struct of_out *out, uint8_t version, const struct packet_in *in)
{
	size_t len_at;

	of_begin_nicira(out, version, NXT_PACKET_IN, 0);
	out_u32(out, OF_NO_BUFFER);
	out_u16(out, short_len(in->packet->total_len));
	out_u8(out, in->reason);
	out_u8(out, in->packet->table);
	out_u64(out, in->packet->cookie);
	len_at = out->len;
	out_u16(out, 0);
	out_zeros(out, 6);
	out_patch16(out, len_at, of_write_nxm(out, &in->metadata));
	out_zeros(out, 2);
	out_bytes(out, in->packet->frame, in->len);
}

/* Begins a property; returns where it is. */
static size_t begin_prop(struct of_out *out, uint16_t type)
{
	size_t at = out->len;

	out_u16(out, type);
	out_u16(out, 0);
	return at;
}

static void end_prop(struct of_out *out, size_t at)
{
	out_patch16(out, at + 2, out->len - at);
	out_pad(out, at);
}

static void write_bytes_prop(struct of_out *out, uint16_t type, const void *bytes, size_t n)
{
	size_t at = begin_prop(out, type);

	out_bytes(out, bytes, n);
	end_prop(out, at);
}

/* The frame, how long it is if not all of it is there, and what else is known. */
static void write_nxt2(struct of_out *out, uint8_t version, const struct packet_in *in)
{
	const struct flows_packet *packet = in->packet;
	uint8_t metadata[MATCH_WIRE_MAX];
	size_t n = match_encode(&in->metadata, version, metadata, sizeof(metadata)), at;

	of_begin_nicira(out, version, NXT_PACKET_IN2, 0);
	write_bytes_prop(out, PROP_PACKET, packet->frame, in->len);
	if (in->len < packet->total_len) {
		at = begin_prop(out, PROP_FULL_LEN);
		out_u32(out, (uint32_t)packet->total_len);
		end_prop(out, at);
	}
	write_bytes_prop(out, PROP_TABLE, &packet->table, 1);
	if (packet->cookie != COOKIE_NONE) {
		at = begin_prop(out, PROP_COOKIE);
		out_u32(out, 0);
		out_u64(out, packet->cookie);
		end_prop(out, at);
	}
	write_bytes_prop(out, PROP_REASON, &in->reason, 1);
	write_bytes_prop(out, PROP_METADATA, metadata, min(n, sizeof(metadata)));
	if (packet->userdata_len)
		write_bytes_prop(out, PROP_USERDATA, packet->userdata, packet->userdata_len);
}

void of_tell_packet(struct of_session *s, const struct flows_packet *packet)
{
	struct packet_in in = { .packet = packet, .reason = reason_of(s, packet->reason) };
	bool missed = packet->reason == REASON_NO_MATCH && packet->cookie == COOKIE_NONE;
	size_t most = missed ? s->miss_send_len : packet->max_len;
	struct of_out out;

	if (packet->controller != s->controller || !of_may_tell(s, ASYNC_PACKET_IN, packet->reason))
		return;
	in.len = min(packet->len, most);
	in.len = min(in.len, (size_t)OF_LEN_MAX - 2 * MATCH_WIRE_MAX);
	read_metadata(&in);
	if (s->packet_format == PACKET_NXT2)
		write_nxt2(&out, s->version, &in);
	else if (s->packet_format == PACKET_NXT)
		write_nxt(&out, s->version, &in);
	else if (s->version == OF10)
		write10(&out, &in);
	else
		write13(&out, s->version, &in);
	of_send(s, &out);
}
