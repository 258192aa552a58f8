// SPDX-License-Identifier: Apache-2.0
/* Flow-mods (OpenFlow 1.5.1, 7.3.4.2; 1.0.0, 5.3.3) and Nicira's. */
#include "openflow/flow_mod.h"
#include "openflow/matches.h"

#define FLAGS_10 (RULE_SEND_FLOW_REM | RULE_CHECK_OVERLAP)
#define FLAGS_13                                                                            \
	(RULE_SEND_FLOW_REM | RULE_CHECK_OVERLAP | RULE_RESET_COUNTS | RULE_NO_PKT_COUNTS | \
	 RULE_NO_BYT_COUNTS)
#define EMERGENCY_10 4u /* for flows that hold without a controller; nobody has them */

#define FORMAT_OPENFLOW10 0
#define FORMAT_NXM 2

static bool is_deletion(uint8_t command)
{
	return command == FLOW_DELETE || command == FLOW_DELETE_STRICT;
}

/* The command and the table of 1.0: the upper byte of the command is the table for those who have
 * said that they know. */
static enum of_error read_command10(const struct of_session *s, uint16_t command,
				    struct flow_mod *mod)
{
	mod->table = FLOWS_TABLE_ALL;
	if (s->table_in_command) {
		mod->table = command >> 8;
		command &= 0xff;
	}
	if (command > FLOW_DELETE_STRICT)
		return OFERR_FLOW_BAD_COMMAND;
	mod->command = (uint8_t)command;
	return OFERR_NONE;
}

/* Cookie, command, timeouts, priority, buffer, output port and flags: 24 bytes, which 1.0's and
 * Nicira's flow-mod have in common but for the cookie before them. */
static enum of_error read_common10(const struct of_session *s, const uint8_t *b, uint64_t cookie,
				   struct flow_mod *mod)
{
	enum of_error error = read_command10(s, be16_load(b), mod);
	uint16_t flags = be16_load(b + 14);

	if (error)
		return error;
	mod->version = OF10;
	mod->idle_timeout = be16_load(b + 2);
	mod->hard_timeout = be16_load(b + 4);
	mod->priority = be16_load(b + 6);
	mod->out_port = mod->out_group = UINT32_MAX;
	if (is_deletion(mod->command))
		mod->out_port = proto_port_from10(be16_load(b + 12));
	mod->cookie = cookie;
	mod->new_cookie = cookie != UINT64_MAX;
	if (flags & EMERGENCY_10)
		return OFERR_FLOW_TABLE_FULL;
	if (flags & ~FLAGS_10)
		return OFERR_FLOW_BAD_FLAGS;
	mod->flags = flags;
	return OFERR_NONE;
}

static enum of_error read10(const struct of_session *s, const struct of_request *r,
			    struct flow_mod *mod, uint32_t *buffer, struct error *err)
{
	const uint8_t *b = r->body + MATCH_OF10_LEN;
	enum of_error error = match_decode_of10(&mod->match, r->body);

	if (!error)
		error = read_common10(s, b + 8, wire_load64(b), mod);
	if (error)
		return error;
	*buffer = be32_load(b + 16);
	return actions_decode(&mod->actions, r->version, false, r->body + 64, r->body_len - 64,
			      err);
}

static enum of_error read_nicira(const struct of_session *s, const struct of_request *r,
				 struct flow_mod *mod, uint32_t *buffer, struct error *err)
{
	const uint8_t *b = r->body + 32;
	size_t len = r->body_len - 32;
	struct cookie_filter cookie;
	enum of_error error = read_common10(s, r->body + 8, wire_load64(r->body), mod);

	if (!error)
		error = of_read_nxm(&mod->match, &cookie, be16_load(r->body + 24), &b, &len, err);
	if (error)
		return error;
	if (mod->command == FLOW_ADD && cookie.mask)
		return OFERR_MATCH_BAD_FIELD;
	mod->cookie_value = cookie.value;
	mod->cookie_mask = cookie.mask;
	*buffer = be32_load(r->body + 16);
	return actions_decode(&mod->actions, r->version, r->version != OF10, b, len, err);
}

static enum of_error read13(const struct of_request *r, struct flow_mod *mod, uint32_t *buffer,
			    struct error *err)
{
	const uint8_t *b = r->body, *rest = b + 40;
	size_t len = r->body_len - 40;
	uint16_t flags = be16_load(b + 36);
	enum of_error error;

	mod->version = r->version;
	mod->table = b[16];
	mod->command = b[17];
	if (mod->command > FLOW_DELETE_STRICT)
		return OFERR_FLOW_BAD_COMMAND;
	if (mod->table == FLOWS_TABLE_ALL && !is_deletion(mod->command))
		return OFERR_FLOW_BAD_TABLE_ID;
	mod->idle_timeout = be16_load(b + 18);
	mod->hard_timeout = be16_load(b + 20);
	mod->priority = be16_load(b + 22);
	*buffer = be32_load(b + 24);
	mod->out_port = mod->out_group = UINT32_MAX;
	if (is_deletion(mod->command)) {
		mod->out_port = be32_load(b + 28);
		mod->out_group = be32_load(b + 32);
	}
	if (flags & ~FLAGS_13)
		return OFERR_FLOW_BAD_FLAGS;
	mod->flags = flags;
	mod->importance = r->version >= OF14 ? be16_load(b + 38) : 0;
	if (mod->command == FLOW_ADD) {
		mod->cookie = wire_load64(b);
	} else {
		mod->cookie_value = wire_load64(b);
		mod->cookie_mask = wire_load64(b + 8);
	}
	error = of_read_match(&mod->match, &rest, &len, err);
	if (error)
		return error;
	return actions_decode(&mod->actions, r->version, true, rest, len, err);
}

/* Does it, at once or with others. */
static enum of_error change(struct of_session *s, const struct of_request *r, struct flow_mod *mod,
			    struct error *err)
{
	enum of_error error;

	if (s->n_gathered == OF_GATHER_MAX)
		of_publish(s);
	if (s->gathers)
		flows_gather(s->bridge->flows);
	error = flows_mod(s->bridge->flows, mod, err);
	if (!error && s->gathers)
		s->gathered[s->n_gathered++] = r->message;
	return error;
}

/* Carries out what was read. A buffer is refused when the rest is done, as Open vSwitch does. */
static enum of_error apply(struct of_session *s, const struct of_request *r, enum of_error error,
			   struct flow_mod *mod, uint32_t buffer, struct error *err)
{
	/* what a deletion does with packets does not matter */
	if (is_deletion(mod->command))
		actions_free(&mod->actions);
	if (!error)
		error = change(s, r, mod, err);
	actions_free(&mod->actions);
	if (!error && buffer != OF_NO_BUFFER && !is_deletion(mod->command))
		error = OFERR_BUFFER_UNKNOWN;
	return error;
}

enum of_error of_handle_flow_mod(struct of_session *s, const struct of_request *r,
				 struct error *err)
{
	struct flow_mod mod = { 0 };
	uint32_t buffer = OF_NO_BUFFER;
	enum of_error error;

	if (r->body_len < (r->version == OF10 ? 64 : 48))
		return OFERR_BAD_LEN;
	error = r->version == OF10 ? read10(s, r, &mod, &buffer, err)
				   : read13(r, &mod, &buffer, err);
	return apply(s, r, error, &mod, buffer, err);
}

enum of_error of_handle_nx_flow_mod(struct of_session *s, const struct of_request *r,
				    struct error *err)
{
	struct flow_mod mod = { 0 };
	uint32_t buffer = OF_NO_BUFFER;
	enum of_error error = read_nicira(s, r, &mod, &buffer, err);

	return apply(s, r, error, &mod, buffer, err);
}

enum of_error of_handle_flow_format(struct of_session *s, const struct of_request *r,
				    struct error *err)
{
	uint32_t format = be32_load(r->body);

	if (format != FORMAT_OPENFLOW10 && format != FORMAT_NXM)
		return OFERR_PERM;
	s->nxm = format == FORMAT_NXM;
	return OFERR_NONE;
}

enum of_error of_handle_table_id(struct of_session *s, const struct of_request *r,
				 struct error *err)
{
	s->table_in_command = r->body[0] != 0;
	return OFERR_NONE;
}
