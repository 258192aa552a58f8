/* SPDX-License-Identifier: Apache-2.0 */
/* Matches, actions and ports within messages: what flow/match.h and flow/action.h read and write,
 * with the lengths and padding around it. Any thread.
 */
#pragma once

#include "flow/action.h"
#include "openflow/wire.h"

/* Cookies that Nicira's match may ask for. */
struct cookie_filter {
	uint64_t value, mask;
};

/* Reads the match that a message of 1.3 or later has at *@bytes, with *@len bytes to the end, and
 * moves these behind it. */
enum of_error of_read_match(struct match *match, const uint8_t **bytes, size_t *len,
			    struct error *err);
/* The same of Nicira's, which has @match_len bytes without padding; @cookie may be NULL. */
enum of_error of_read_nxm(struct match *match, struct cookie_filter *cookie, size_t match_len,
			  const uint8_t **bytes, size_t *len, struct error *err);

/* Writes what of_read_match() reads. */
void of_write_match(struct of_out *out, uint8_t version, const struct match *match);
/* Writes what of_read_nxm() reads; returns its bytes without padding. */
size_t of_write_nxm(struct of_out *out, const struct match *match);
/* 40 bytes, even if they cannot say all of it. */
void of_write_match10(struct of_out *out, const struct match *match);

/* Writes actions, or as of 1.1 instructions; what they cannot say is longer than any message. */
void of_write_actions(struct of_out *out, uint8_t version, bool instructions,
		      const struct action_list *actions);
