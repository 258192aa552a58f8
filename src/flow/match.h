/* SPDX-License-Identifier: Apache-2.0 */
/* A match: which packets a rule is for. Text (ovs-ofctl), OXM, NXM and OpenFlow 1.0 from the rows
 * of flow/field.h. Any thread; input is hostile.
 */
#pragma once

#include "flow/field.h"
#include "flow/of_error.h"

/* key has no bit that mask does not have. */
struct match {
	struct flow_key key, mask;
};

/* Matches all. */
void match_init(struct match *match);
/* Sets part of a match (value and mask as the field has them). "No tag", all of vlan_vid being 0,
 * becomes a match on all of vlan_tci. */
void match_set(struct match *match, const struct field *field, u128 value, u128 mask);
bool match_equal(const struct match *a, const struct match *b);
/* Whether each packet that @a matches is matched by @b. */
bool match_is_within(const struct match *a, const struct match *b);
/* Whether some packet is matched by both. */
bool match_overlaps(const struct match *a, const struct match *b);
/* Whether a packet with @key is matched. */
bool match_covers(const struct match *match, const struct flow_key *key);

/* Adds one "name=value[/mask]", or one of the words "ip", "tcp", "arp", "icmp6" and so on, to a
 * match. Fields whose prerequisites are named later are fine: see match_check(). 0, or an error and
 * a text. -ENOENT: no such field or word (@err has a suggestion).
 */
int match_parse_term(struct match *match, const char *name, const char *value, struct error *err);
#define MATCH_TEXT_MAX 2048 /* bytes, with the end */
/* A whole match, "tcp,tp_dst=80,in_port=1" (terms separated by commas or blanks), checked. */
int match_parse(struct match *match, const char *text, struct error *err);
/* Passes over commas and blanks; the length of the term that is then at *@at, 0: there is none. A
 * comma in brackets is part of a value. */
size_t match_find_term(const char **at);
/* Refuses fields whose prerequisites are not matched. OFERR_NONE, or the error. */
enum of_error match_check(const struct match *match, struct error *err);
/* As ovs-ofctl prints it ("tcp,in_port=1,nw_dst=10.0.0.0/8,tp_dst=80"; all: ""). Returns the length
 * as snprintf() does. */
int match_print(const struct match *match, char *text, size_t size);

/* Reads OXM or NXM terms: @len bytes. Refuses unknown fields (@loose: passes over them),
 * duplicates, bits of the value that the mask does not have, fields in front of their
 * prerequisites (OpenFlow 1.5.1, 7.2.3), and what match_check() refuses. */
enum of_error match_decode(struct match *match, const uint8_t *bytes, size_t len, bool loose,
			   struct error *err);
/* Writes the terms for a peer of @version (1: NXM); returns the bytes, which may be more than
 * @size: then they are cut. MATCH_WIRE_MAX is enough. */
#define MATCH_WIRE_MAX 2048
size_t match_encode(const struct match *match, uint8_t version, uint8_t *bytes, size_t size);

/* struct ofp_match of OpenFlow 1.0: 40 bytes (OpenFlow 1.0.0, 5.2.3). */
#define MATCH_OF10_LEN 40
enum of_error match_decode_of10(struct match *match, const uint8_t bytes[MATCH_OF10_LEN]);
/* False when it cannot say all of the match: then NXM is needed. */
bool match_encode_of10(const struct match *match, uint8_t bytes[MATCH_OF10_LEN]);
