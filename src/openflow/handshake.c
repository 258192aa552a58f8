// SPDX-License-Identifier: Apache-2.0
/* Messages about the connection and the switch as a whole (OpenFlow 1.5.1, 7.3.1, 7.3.2, 7.5.1 to
 * 7.5.4). */
#include "openflow/handshake.h"
#include "base/hash.h"
#include "base/log.h"
#include "openflow/port.h"

LOG_MODULE("openflow");

#define HELLO_BITMAP 1

/* Capabilities */
#define FLOW_STATS 1u
#define TABLE_STATS 2u
#define PORT_STATS 4u
#define GROUP_STATS 8u /* from 1.1 */
#define QUEUE_STATS 0x40u
#define ARP_MATCH_IP 0x80u /* 1.0 */
#define ACTIONS_10 0xfffu  /* all of OpenFlow 1.0's */

#define FRAGS 3u /* flags of the configuration */
#define FRAGS_REASSEMBLE 2u
#define INVALID_TTL 4u /* 1.0: packets whose TTL is over are wanted */
#define REASON_INVALID_TTL (1u << 2)

/* ---- hello */

/* Versions that the peer speaks, as bits. */
static uint32_t versions_of(const uint8_t *message, size_t len)
{
	uint8_t version = message[0];

	for (size_t at = OF_HEADER; len - at >= 8;) {
		size_t element = be16_load(message + at + 2);

		if (be16_load(message + at) == HELLO_BITMAP && element >= 8)
			return be32_load(message + at + 4);
		element = (element + 7) & ~7ul;
		if (element < 8 || element > len - at)
			break;
		at += element;
	}
	return version > 30 ? UINT32_MAX : (2u << version) - 1;
}

static void refuse_hello(struct of_session *s, const uint8_t *message, size_t len)
{
	log_limited(LOG_INFO, "%s: an OpenFlow peer that speaks none of 1.0, 1.3, 1.4 and 1.5",
		    flows_bridge(s->bridge->flows));
	of_refuse(s, message, len, OFERR_HELLO_INCOMPATIBLE);
	of_session_end(s);
}

void of_handle_first(struct of_session *s, const uint8_t *message, size_t len)
{
	uint32_t common = 0;

	if (message[1] == OFT_HELLO)
		common = versions_of(message, len) & OF_VERSIONS;
	if (!common) {
		refuse_hello(s, message, len);
		return;
	}
	s->version = (uint8_t)(31 - __builtin_clz(common));
	of_session_default_async(s);
}

/* ---- connection */

/* Hello once more, errors, answers to what was not asked. */
enum of_error of_handle_nothing(struct of_session *s, const struct of_request *r, struct error *err)
{
	return OFERR_NONE;
}

enum of_error of_handle_echo(struct of_session *s, const struct of_request *r, struct error *err)
{
	struct of_out out;

	of_begin_reply(&out, r);
	out_bytes(&out, r->body, r->body_len);
	of_send(s, &out);
	return OFERR_NONE;
}

/* All before it has been done: changes are published as they are made. */
enum of_error of_handle_barrier(struct of_session *s, const struct of_request *r, struct error *err)
{
	struct of_out out;

	of_begin_reply(&out, r);
	of_send(s, &out);
	return OFERR_NONE;
}

/* ---- the switch */

/* A locally administered address, as others take that of a bridge; the same after a restart. */
static uint64_t datapath_id(const char *bridge)
{
	uint64_t hash = 0;

	for (const char *c = bridge; *c; c++)
		hash = hash_mix(hash, (uint8_t)*c);
	return (hash & 0xfcffffffffffull) | 0x020000000000ull;
}

static bool add_port(void *arg, const struct flows_port *port)
{
	struct of_out *out = arg;

	if (out->len + OF10_PORT_LEN > OF_LEN_MAX)
		return false;
	of_write_port(out, OF10, port);
	return true;
}

enum of_error of_handle_features(struct of_session *s, const struct of_request *r,
				 struct error *err)
{
	uint32_t capabilities = FLOW_STATS | TABLE_STATS | PORT_STATS | QUEUE_STATS;
	struct of_out out;

	of_begin_reply(&out, r);
	out_u64(&out, datapath_id(flows_bridge(s->bridge->flows)));
	out_u32(&out, 0); /* buffers */
	out_u8(&out, PIPELINE_TABLES);
	out_zeros(&out, 3);
	if (r->version == OF10) {
		out_u32(&out, capabilities | ARP_MATCH_IP);
		out_u32(&out, ACTIONS_10);
		flows_each_port(s->bridge->flows, add_port, &out);
	} else {
		out_u32(&out, capabilities | GROUP_STATS);
		out_u32(&out, 0);
	}
	of_send(s, &out);
	return OFERR_NONE;
}

enum of_error of_handle_get_config(struct of_session *s, const struct of_request *r,
				   struct error *err)
{
	uint16_t flags = pipeline_frags(flows_pipeline(s->bridge->flows));
	struct of_out out;

	if (r->version == OF10 && s->async[0][ASYNC_PACKET_IN] & REASON_INVALID_TTL)
		flags |= INVALID_TTL;
	of_begin_reply(&out, r);
	out_u16(&out, flags);
	out_u16(&out, s->miss_send_len);
	of_send(s, &out);
	return OFERR_NONE;
}

enum of_error of_handle_set_config(struct of_session *s, const struct of_request *r,
				   struct error *err)
{
	uint16_t flags = be16_load(r->body);
	uint8_t frags = flags & FRAGS;

	if (flags & ~(FRAGS | (r->version == OF10 ? INVALID_TTL : 0u)))
		return OFERR_CONFIG_BAD_FLAGS;
	/* who cannot reassemble leaves that as it was */
	if (frags != FRAGS_REASSEMBLE && s->role != ROLE_SLAVE &&
	    frags != pipeline_frags(flows_pipeline(s->bridge->flows)))
		flows_set_frags(s->bridge->flows, frags);
	if (r->version == OF10) {
		s->async[0][ASYNC_PACKET_IN] &= ~REASON_INVALID_TTL;
		if (flags & INVALID_TTL)
			s->async[0][ASYNC_PACKET_IN] |= REASON_INVALID_TTL;
	}
	s->miss_send_len = be16_load(r->body + 2);
	return OFERR_NONE;
}

enum of_error of_handle_desc(struct of_session *s, const struct of_request *r, struct error *err)
{
	struct of_out out;

	of_begin_reply(&out, r);
	out_u16(&out, r->multipart);
	out_u16(&out, 0);
	if (r->version > OF10)
		out_u32(&out, 0);
	out_text(&out, "vireo", 256); /* manufacturer, hardware, software */
	out_text(&out, "virtual switch", 256);
	out_text(&out, VIREO_VERSION, 256);
	out_text(&out, "None", 32); /* serial number */
	out_text(&out, flows_bridge(s->bridge->flows), 256);
	of_send(s, &out);
	return OFERR_NONE;
}
