// SPDX-License-Identifier: Apache-2.0
/* Ports (OpenFlow 1.5.1, 7.2.1, 7.3.4.3, 7.3.5.6 to 7.3.5.9; 1.0.0, 5.2.1). */
#include "openflow/port.h"
#include "openflow/dump.h"
#include "openflow/error.h"
#include "packet/ethernet.h"

#define STATE_LINK_DOWN 1u
#define STATE_LIVE 4u /* from 1.1 */

#define PROP_ETHERNET 0 /* of descriptions, statistics and changes */
#define PROP_LEN 8	/* bytes of that of a change */
#define PORT_NAME 16	/* bytes */
#define QUEUE_ALL UINT32_MAX

static uint32_t config_of(const struct flows_port *port, uint8_t version)
{
	return (port->down ? OFPC_PORT_DOWN : 0) | (port->no_receive ? OFPC_NO_RECV : 0) |
	       (port->no_forward ? OFPC_NO_FWD : 0) |
	       (port->no_flood && version == OF10 ? OFPC_NO_FLOOD : 0) |
	       (port->no_packet_in ? OFPC_NO_PACKET_IN : 0);
}

static uint32_t state_of(const struct flows_port *port, uint8_t version)
{
	if (!port->link)
		return STATE_LINK_DOWN;
	return version == OF10 ? 0 : STATE_LIVE;
}

static void write_mac(struct of_out *out, uint64_t mac)
{
	out_u16(out, (uint16_t)(mac >> 32));
	out_u32(out, (uint32_t)mac);
}

void of_write_port(struct of_out *out, uint8_t version, const struct flows_port *port)
{
	if (version == OF10) {
		out_u16(out, proto_port_to10(port->number));
	} else {
		out_u32(out, port->number);
		out_u16(out, version >= OF14 ? 72 : 0); /* bytes of all this */
		out_zeros(out, 2);
	}
	write_mac(out, port->mac);
	if (version > OF10)
		out_zeros(out, 2);
	out_text(out, port->name, PORT_NAME);
	out_u32(out, config_of(port, version));
	out_u32(out, state_of(port, version));
	if (version >= OF14) {
		out_u16(out, PROP_ETHERNET);
		out_u16(out, 32);
		out_zeros(out, 4);
	}
	out_zeros(out, 16); /* features: nothing is known of the medium */
	if (version > OF10)
		out_zeros(out, 8); /* speeds */
}

/* ---- descriptions and statistics */

struct report {
	struct of_reply reply;
	uint8_t version;
	uint32_t only; /* OFPORT_NONE: all */
	bool found;
	void (*write)(struct of_out *out, uint8_t version, const struct flows_port *port);
};

static bool add_port(void *arg, const struct flows_port *port)
{
	struct report *report = arg;

	if (report->only == OFPORT_NONE || report->only == port->number) {
		report->write(&report->reply.out, report->version, port);
		of_reply_entry(&report->reply);
		report->found = true;
	}
	return true;
}

static enum of_error write_report(struct of_session *s, const struct of_request *r, uint32_t only,
				  void (*write)(struct of_out *out, uint8_t version,
						const struct flows_port *port))
{
	struct report report = { .version = r->version, .only = only, .write = write };

	of_reply_begin(&report.reply, s, r);
	flows_each_port(s->bridge->flows, add_port, &report);
	if (only != OFPORT_NONE && !report.found) {
		of_reply_cancel(&report.reply);
		return OFERR_BAD_PORT;
	}
	of_reply_end(&report.reply);
	return OFERR_NONE;
}

/* Of a request that names one. */
static uint32_t port_of(const struct of_request *r)
{
	return r->version == OF10 ? proto_port_from10(be16_load(r->body)) : be32_load(r->body);
}

enum of_error of_handle_port_desc(struct of_session *s, const struct of_request *r,
				  struct error *err)
{
	if (r->body_len != (r->version >= OF15 ? 8 : 0))
		return OFERR_BAD_LEN;
	return write_report(s, r, r->version >= OF15 ? be32_load(r->body) : OFPORT_NONE,
			    of_write_port);
}

static void write_unknown(struct of_out *out, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		out_u64(out, OF_UNKNOWN_COUNT);
}

static void write_stats(struct of_out *out, uint8_t version, const struct flows_port *port)
{
	if (version >= OF14) {
		out_u16(out, 120); /* bytes of all this */
		out_u16(out, 0);
	}
	if (version == OF10) {
		out_u16(out, proto_port_to10(port->number));
		out_zeros(out, 6);
	} else {
		out_u32(out, port->number);
		if (version == OF13)
			out_zeros(out, 4);
	}
	if (version >= OF14)
		out_duration(out, port->created_ms);
	out_u64(out, port->rx_packets);
	out_u64(out, port->tx_packets);
	out_u64(out, port->rx_bytes);
	out_u64(out, port->tx_bytes);
	out_u64(out, port->rx_dropped);
	out_u64(out, port->tx_dropped);
	write_unknown(out, 2); /* errors */
	if (version >= OF14) {
		out_u16(out, PROP_ETHERNET);
		out_u16(out, 40);
		out_u32(out, 0);
	}
	write_unknown(out, 4); /* errors of frames, overruns, checksums; collisions */
	if (version == OF13)
		out_duration(out, port->created_ms);
}

enum of_error of_handle_port_stats(struct of_session *s, const struct of_request *r,
				   struct error *err)
{
	return write_report(s, r, port_of(r), write_stats);
}

/* ---- changes */

/* What a request wants of a port. */
struct change {
	uint32_t number, config, mask;
	uint64_t mac;
	bool other_mac; /* the port has another address than the request says */
	bool found;
};

static bool look_at(void *arg, const struct flows_port *port)
{
	struct change *change = arg;

	if (port->number != change->number)
		return true;
	change->found = true;
	change->other_mac = port->mac && port->mac != change->mac;
	return false;
}

/* The properties of 1.4: what is advertised is of no use here. */
static enum of_error check_props(const uint8_t *bytes, size_t len)
{
	if (len % PROP_LEN)
		return OFERR_BAD_LEN;
	for (; len; bytes += PROP_LEN, len -= PROP_LEN) {
		if (be16_load(bytes) != PROP_ETHERNET)
			return of_unknown_prop(bytes);
		if (be16_load(bytes + 2) != PROP_LEN)
			return OFERR_PROP_BAD_LEN;
	}
	return OFERR_NONE;
}

static enum of_error read_change(const struct of_request *r, struct change *change)
{
	const uint8_t *b = r->body;

	if (r->version == OF10) {
		change->number = proto_port_from10(be16_load(b));
		change->mac = mac_load(b + 2);
		b += 8;
	} else {
		if (r->body_len < (r->version == OF13 ? 32 : 24))
			return OFERR_BAD_LEN;
		change->number = be32_load(b);
		change->mac = mac_load(b + 8);
		b += 16;
	}
	change->config = be32_load(b);
	change->mask = be32_load(b + 4);
	return r->version >= OF14 ? check_props(r->body + 24, r->body_len - 24) : OFERR_NONE;
}

enum of_error of_handle_port_mod(struct of_session *s, const struct of_request *r,
				 struct error *err)
{
	struct change change = { 0 };
	enum of_error error = read_change(r, &change);

	if (error)
		return error;
	flows_each_port(s->bridge->flows, look_at, &change);
	if (!change.found)
		return OFERR_PORT_BAD_PORT;
	if (change.other_mac)
		return OFERR_PORT_BAD_HW_ADDR;
	return flows_port_mod(s->bridge->flows, change.number, change.config, change.mask, err);
}

void of_tell_port(struct of_session *s, const struct flows_port *port, unsigned why)
{
	struct of_out out;

	if (!of_may_tell(s, ASYNC_PORT_STATUS, why))
		return;
	of_begin(&out, s->version, OFT_PORT_STATUS, 0);
	out_u8(&out, (uint8_t)why);
	out_zeros(&out, 7);
	of_write_port(&out, s->version, port);
	of_send(s, &out);
}

/* ---- queues */

static bool port_exists(struct of_session *s, uint32_t number)
{
	struct change change = { .number = number };

	flows_each_port(s->bridge->flows, look_at, &change);
	return change.found;
}

/* Refuses a port or a queue that is not there. */
static enum of_error check_queue(struct of_session *s, uint32_t port, uint32_t queue)
{
	if (port != OFPORT_NONE && port != OFPORT_ALL && !port_exists(s, port))
		return OFERR_QUEUE_BAD_PORT;
	return queue == QUEUE_ALL ? OFERR_NONE : OFERR_QUEUE_BAD_QUEUE;
}

/* An empty answer. */
static enum of_error answer_none(struct of_session *s, const struct of_request *r)
{
	struct of_reply reply;

	of_reply_begin(&reply, s, r);
	of_reply_end(&reply);
	return OFERR_NONE;
}

enum of_error of_handle_queue_stats(struct of_session *s, const struct of_request *r,
				    struct error *err)
{
	enum of_error error = check_queue(s, port_of(r), be32_load(r->body + 4));

	return error ? error : answer_none(s, r);
}

enum of_error of_handle_queue_desc(struct of_session *s, const struct of_request *r,
				   struct error *err)
{
	enum of_error error = check_queue(s, port_of(r), be32_load(r->body + 4));

	return error ? error : answer_none(s, r);
}

enum of_error of_handle_queue_config(struct of_session *s, const struct of_request *r,
				     struct error *err)
{
	uint32_t port = port_of(r);
	struct of_out out;

	if (r->body_len < (r->version == OF10 ? 4 : 8))
		return OFERR_BAD_LEN;
	if (!port_exists(s, port) && (r->version == OF10 || port != OFPORT_NONE))
		return OFERR_QUEUE_BAD_PORT;
	of_begin_reply(&out, r);
	if (r->version == OF10) {
		out_u16(&out, proto_port_to10(port));
		out_zeros(&out, 6);
	} else {
		out_u32(&out, port);
		out_zeros(&out, 4);
	}
	of_send(s, &out);
	return OFERR_NONE;
}
