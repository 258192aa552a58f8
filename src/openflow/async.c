// SPDX-License-Identifier: Apache-2.0
/* Roles (OpenFlow 1.5.1, 7.3.9 and 7.4.4) and asynchronous configuration (7.3.10). */
#include "openflow/async.h"
#include "openflow/error.h"

#define PROP_LEN 8 /* bytes: each is a mask */

#define NX_ROLE_OTHER 0
#define NX_ROLE_MASTER 1
#define NX_ROLE_SLAVE 2

#define STATUS_MASTER_REQUEST 0 /* why a role has changed */
#define NO_GENERATION UINT64_MAX

/* Reasons that peers may name, of each kind. */
static const uint32_t all_reasons[ASYNC_N] = { 0x3f, 7, 0x3f, 7, 0x18, 3 };

/* ---- roles */

static void tell_role(struct of_session *s)
{
	struct of_out out;

	if (s->version < OF14 || !of_may_tell(s, ASYNC_ROLE_STATUS, STATUS_MASTER_REQUEST))
		return;
	of_begin(&out, s->version, OFT_ROLE_STATUS, 0);
	out_u32(&out, s->role);
	out_u8(&out, STATUS_MASTER_REQUEST);
	out_zeros(&out, 3);
	out_u64(&out, s->bridge->has_generation ? s->bridge->generation : NO_GENERATION);
	of_send(s, &out);
}

static void set_role(struct of_session *s, enum of_role role)
{
	if (role == ROLE_MASTER) {
		for (struct of_session *other = s->bridge->sessions; other; other = other->next) {
			if (other == s || other->role != ROLE_MASTER)
				continue;
			other->role = ROLE_SLAVE;
			tell_role(other);
		}
	}
	s->role = role;
}

/* Whether @id is older than what the masters of this bridge have said. */
static bool is_stale(const struct of_bridge *bridge, uint64_t id)
{
	return bridge->has_generation && (int64_t)(id - bridge->generation) < 0;
}

enum of_error of_handle_role(struct of_session *s, const struct of_request *r, struct error *err)
{
	uint32_t role = be32_load(r->body);
	uint64_t generation = wire_load64(r->body + 8);
	struct of_bridge *bridge = s->bridge;
	struct of_out out;

	if (role > ROLE_SLAVE)
		return OFERR_ROLE_BAD_ROLE;
	if (role == ROLE_MASTER || role == ROLE_SLAVE) {
		if (is_stale(bridge, generation))
			return OFERR_ROLE_STALE;
		bridge->has_generation = true;
		bridge->generation = generation;
	}
	if (role != ROLE_NOCHANGE)
		set_role(s, role);
	of_begin_reply(&out, r);
	out_u32(&out, s->role);
	out_u32(&out, 0);
	out_u64(&out, bridge->has_generation ? bridge->generation : NO_GENERATION);
	of_send(s, &out);
	return OFERR_NONE;
}

enum of_error of_handle_nx_role(struct of_session *s, const struct of_request *r, struct error *err)
{
	uint32_t role = be32_load(r->body);
	struct of_out out;

	if (role > NX_ROLE_SLAVE)
		return OFERR_ROLE_BAD_ROLE;
	set_role(s, role == NX_ROLE_MASTER  ? ROLE_MASTER
		    : role == NX_ROLE_SLAVE ? ROLE_SLAVE
					    : ROLE_EQUAL);
	of_begin_nicira(&out, r->version, r->subtype + 1, r->xid);
	out_u32(&out, role);
	of_send(s, &out);
	return OFERR_NONE;
}

/* ---- asynchronous configuration */

enum of_error of_handle_get_async(struct of_session *s, const struct of_request *r,
				  struct error *err)
{
	struct of_out out;

	of_begin_reply(&out, r);
	if (r->version == OF13) {
		/* of packets, ports, flows: as a master, as a slave */
		for (unsigned what = 0; what <= ASYNC_FLOW_REMOVED; what++)
			for (unsigned slave = 0; slave < 2; slave++)
				out_u32(&out, s->async[slave][what] &
						      (what == ASYNC_FLOW_REMOVED ? 0xf : 7));
	} else {
		for (unsigned prop = 0; prop < 2 * ASYNC_N; prop++) {
			out_u16(&out, (uint16_t)prop);
			out_u16(&out, 8);
			out_u32(&out, s->async[!(prop & 1)][prop / 2] &
					      (prop / 2 == ASYNC_PACKET_IN ? 0x3f : UINT32_MAX));
		}
	}
	of_send(s, &out);
	return OFERR_NONE;
}

/* Masks of 1.3, and Nicira's. What 1.4 has made of "action" goes with it. */
static void read_masks(struct of_session *s, const uint8_t *b)
{
	for (unsigned what = 0; what <= ASYNC_FLOW_REMOVED; what++) {
		for (unsigned slave = 0; slave < 2; slave++, b += 4) {
			uint32_t mask = be32_load(b);

			if (what == ASYNC_PACKET_IN)
				mask = (mask & 7) | (mask & 2 ? 0x38 : 0) | (mask & 1 ? 0xc0 : 0);
			s->async[slave][what] = mask;
		}
	}
}

static enum of_error read_props(struct of_session *s, const uint8_t *b, size_t len)
{
	uint32_t async[2][ASYNC_N];

	if (len % PROP_LEN)
		return OFERR_BAD_LEN;
	memcpy(async, s->async, sizeof(async));
	for (; len; b += PROP_LEN, len -= PROP_LEN) {
		uint16_t prop = be16_load(b);
		uint32_t mask = be32_load(b + 4);

		if (prop == OF_PROP_EXPERIMENTER)
			return of_unknown_prop(b);
		if (be16_load(b + 2) != PROP_LEN)
			return OFERR_PROP_BAD_LEN;
		if (prop >= 2 * ASYNC_N)
			return OFERR_ASYNC_UNSUPPORTED;
		if (mask & ~all_reasons[prop / 2])
			return OFERR_ASYNC_INVALID;
		if (prop / 2 == ASYNC_PACKET_IN && mask & 1)
			mask |= 0xc0;
		async[!(prop & 1)][prop / 2] = mask;
	}
	memcpy(s->async, async, sizeof(async));
	return OFERR_NONE;
}

enum of_error of_handle_set_async(struct of_session *s, const struct of_request *r,
				  struct error *err)
{
	if (r->version >= OF14)
		return read_props(s, r->body, r->body_len);
	if (r->body_len != 24)
		return OFERR_BAD_LEN;
	read_masks(s, r->body);
	return OFERR_NONE;
}

enum of_error of_handle_nx_set_async(struct of_session *s, const struct of_request *r,
				     struct error *err)
{
	read_masks(s, r->body);
	return OFERR_NONE;
}

enum of_error of_handle_nx_set_async2(struct of_session *s, const struct of_request *r,
				      struct error *err)
{
	return read_props(s, r->body, r->body_len);
}

enum of_error of_handle_controller_id(struct of_session *s, const struct of_request *r,
				      struct error *err)
{
	for (unsigned i = 0; i < 6; i++)
		if (r->body[i])
			return OFERR_MUST_BE_ZERO;
	s->controller = be16_load(r->body + 6);
	return OFERR_NONE;
}
