// SPDX-License-Identifier: Apache-2.0
/* libFuzzer target: matches, as text, as OXM and NXM, and as OpenFlow 1.0 has them. Whatever is
 * understood can be said again, as text and for each version, and is understood alike; a match
 * covers what it is made of; parts of fields, too.
 */
#include "flow/match.h"
#include "input.h"

#define TEXT_MAX 4096

/* As text: what has been cut off would not be understood. */
static void check_text(const struct match *match)
{
	static char text[TEXT_MAX];
	struct match again;
	struct error err;
	int n = match_print(match, text, sizeof(text));

	require(n >= 0 && n < (int)sizeof(text) && strlen(text) == (size_t)n);
	if (match_parse(&again, text, &err) < 0)
		require(n >= 2048);
	else
		require(match_equal(match, &again));
}

static void check_wire(const struct match *match)
{
	static const uint8_t versions[] = { 1, 4, 5, 6 };

	for (unsigned i = 0; i < ARRAY_SIZE(versions); i++) {
		uint8_t bytes[MATCH_WIRE_MAX];
		size_t n = match_encode(match, versions[i], bytes, sizeof(bytes));
		struct match again;
		uint8_t *copy;

		require(n <= sizeof(bytes));
		copy = zeroed(n + 1);
		memcpy(copy, bytes, n);
		require(match_decode(&again, copy, n, false, NULL) == OFERR_NONE);
		require(match_equal(match, &again));
		free(copy);
	}
}

static void check_of10(const struct match *match)
{
	uint8_t bytes[MATCH_OF10_LEN];
	struct match again;

	if (!match_encode_of10(match, bytes))
		return;
	require(match_decode_of10(&again, bytes) == OFERR_NONE);
	require(match_equal(match, &again));
}

static void check(const struct match *match)
{
	for (unsigned i = 0; i < FLOW_KEY_WORDS; i++)
		require(!(match->key.words[i] & ~match->mask.words[i]));
	require(match_check(match, NULL) == OFERR_NONE);
	require(match_covers(match, &match->key));
	require(match_is_within(match, match) && match_overlaps(match, match));
	check_text(match);
	check_wire(match);
	check_of10(match);
}

static void take_subfield(char *text)
{
	const char *at = text;
	struct subfield sub, again;
	struct error err;
	char line[64];

	if (subfield_parse(&at, &sub, &err) < 0)
		return;
	require(at > text && at <= text + strlen(text));
	require(sub.n_bits && sub.first + sub.n_bits <= subfield_bits(sub.field));
	require(subfield_print(&sub, line, sizeof(line)) < (int)sizeof(line));
	at = line;
	require(subfield_parse(&at, &again, &err) == 0 && !*at);
	require(again.first == sub.first && again.n_bits == sub.n_bits);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	unsigned what = take_choice(&in, 5);
	char *text = zeroed(in.left + 1);
	const uint8_t *rest = in.data;
	size_t len = in.left;
	struct match match;
	struct error err;

	take_bytes(&in, text, len);
	switch (what) {
	case 0:
		if (match_parse(&match, text, &err) == 0)
			check(&match);
		break;
	case 1:
	case 2:
		/* the input itself: nothing is behind it */
		if (match_decode(&match, rest, len, what == 1, &err) == OFERR_NONE)
			check(&match);
		break;
	case 3:
		if (len >= MATCH_OF10_LEN &&
		    match_decode_of10(&match, (const uint8_t *)text) == OFERR_NONE)
			check(&match);
		break;
	default:
		take_subfield(text);
		break;
	}
	free(text);
	return 0;
}
