// SPDX-License-Identifier: Apache-2.0
/* Matches and actions within messages (OpenFlow 1.5.1, 7.2.3). */
#include <errno.h>

#include "openflow/matches.h"
#include "openflow/proto.h"

#define NXM_COOKIE 0x00013c08u
#define NXM_COOKIE_MASKED 0x00013d10u

static size_t padded(size_t len)
{
	return (len + 7) & ~(size_t)7;
}

enum of_error of_read_match(struct match *match, const uint8_t **bytes, size_t *len,
			    struct error *err)
{
	size_t match_len;
	enum of_error error;

	if (*len < 8)
		return OFERR_MATCH_BAD_LEN;
	if (be16_load(*bytes) != OF_MATCH_OXM)
		return OFERR_MATCH_BAD_TYPE;
	match_len = be16_load(*bytes + 2);
	if (match_len < 4 || padded(match_len) > *len)
		return OFERR_MATCH_BAD_LEN;
	error = match_decode(match, *bytes + 4, match_len - 4, false, err);
	*bytes += padded(match_len);
	*len -= padded(match_len);
	return error;
}

/* Moves the cookie's terms from @terms to @cookie; returns how many bytes are left of them. What is
 * malformed is left for match_decode(). */
static size_t take_cookie(uint8_t *terms, size_t len, struct cookie_filter *cookie)
{
	size_t at = 0;

	while (len - at >= 4) {
		uint32_t header = be32_load(terms + at);
		size_t term = 4 + (header & 0xff);

		if (term > len - at)
			break;
		if (header == NXM_COOKIE || header == NXM_COOKIE_MASKED) {
			cookie->value = wire_load64(terms + at + 4);
			cookie->mask =
				header == NXM_COOKIE ? UINT64_MAX : wire_load64(terms + at + 12);
			len -= term;
			memmove(terms + at, terms + at + term, len - at);
		} else {
			at += term;
		}
	}
	return len;
}

enum of_error of_read_nxm(struct match *match, struct cookie_filter *cookie, size_t match_len,
			  const uint8_t **bytes, size_t *len, struct error *err)
{
	enum of_error error;
	uint8_t *terms;
	size_t left;

	if (cookie)
		*cookie = (struct cookie_filter){ 0 };
	if (padded(match_len) > *len)
		return OFERR_MATCH_BAD_LEN;
	terms = malloc(match_len + 1);
	if (!terms)
		return OFERR_FLOW_UNKNOWN;
	memcpy(terms, *bytes, match_len);
	left = cookie ? take_cookie(terms, match_len, cookie) : match_len;
	error = match_decode(match, terms, left, false, err);
	free(terms);
	*bytes += padded(match_len);
	*len -= padded(match_len);
	return error;
}

/* The bare terms. */
static size_t write_terms(struct of_out *out, uint8_t version, const struct match *match)
{
	size_t start = out->len, n;
	uint8_t *at = out_zeros(out, MATCH_WIRE_MAX);

	if (!at)
		return 0;
	n = match_encode(match, version, at, MATCH_WIRE_MAX);
	if (n > MATCH_WIRE_MAX) {
		out->failed = true;
		n = 0;
	}
	out->len = start + n;
	return n;
}

void of_write_match(struct of_out *out, uint8_t version, const struct match *match)
{
	size_t start = out->len, n;

	out_u16(out, OF_MATCH_OXM);
	out_u16(out, 0);
	n = write_terms(out, version, match);
	out_patch16(out, start + 2, 4 + n);
	out_pad(out, start);
}

size_t of_write_nxm(struct of_out *out, const struct match *match)
{
	size_t start = out->len, n = write_terms(out, OF10, match);

	out_pad(out, start);
	return n;
}

void of_write_match10(struct of_out *out, const struct match *match)
{
	uint8_t *at = out_zeros(out, MATCH_OF10_LEN);

	if (at)
		match_encode_of10(match, at);
}

void of_write_actions(struct of_out *out, uint8_t version, bool instructions,
		      const struct action_list *actions)
{
	int r = out->failed ? 0
			    : actions_encode(actions->bytes, actions->len, version, instructions,
					     &out->bytes, &out->len, &out->size);

	if (r == -EMSGSIZE)
		out_zeros(out, OF_LEN_MAX + 1);
	else if (r)
		out->failed = true;
}
