/* SPDX-License-Identifier: Apache-2.0 */
/* Actions there and back: text, list, wire, list, text. Expectations are what ovs-ofctl 3.1 shows
 * of the same flow in that version.
 */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flow/action.h"

#define ROUND_TEXT_MAX 8192

struct round {
	const char *match, *text;
	const char *shown;		/* NULL: as @text */
	const char *of10, *of13, *of15; /* what a peer of this version shows; NULL: as @shown */
};

static inline void round_shown(const struct action_list *list, const char *shown)
{
	char text[ROUND_TEXT_MAX];

	assert_int_equal(actions_print(list, text, sizeof(text)), strlen(shown));
	assert_string_equal(text, shown);
}

/* Told to a peer of @version, and by that one again. */
static inline void round_version(const struct action_list *list, uint8_t version, const char *shown)
{
	struct action_list heard = { 0 };
	uint8_t *bytes = NULL, *again = NULL;
	size_t n = 0, size = 0, n_again = 0, size_again = 0;
	struct error err;

	assert_int_equal(actions_encode(list->bytes, list->len, version, true, &bytes, &n, &size),
			 0);
	assert_int_equal(n % 8, 0);
	assert_int_equal(actions_decode(&heard, version, true, bytes, n, &err), OFERR_NONE);
	round_shown(&heard, shown);
	assert_int_equal(actions_encode(heard.bytes, heard.len, version, true, &again, &n_again,
					&size_again),
			 0);
	assert_int_equal(n, n_again);
	if (n)
		assert_memory_equal(bytes, again, n);
	actions_free(&heard);
	free(bytes);
	free(again);
}

static inline void round_all(const struct round *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct round *r = &cases[i];
		const char *shown = r->shown ? r->shown : r->text;
		const struct action_limits limits = { .inconsistent = true };
		struct action_list list = { 0 }, again = { 0 };
		struct match match;
		struct error err = { "" };

		assert_int_equal(match_parse(&match, r->match ? r->match : "", &err), 0);
		if (actions_parse(&list, r->text, true, &err))
			fail_msg("%s: %s", r->text, err.text);
		round_shown(&list, shown);
		assert_int_equal(actions_parse(&again, shown, true, &err), 0);
		round_shown(&again, shown);
		if (actions_check(&list, &match, &limits, &err))
			fail_msg("%s: %s", r->text, err.text);
		actions_settle(&list, &match);
		round_version(&list, 1, r->of10 ? r->of10 : shown);
		round_version(&list, 4, r->of13 ? r->of13 : shown);
		round_version(&list, 5, r->of13 ? r->of13 : shown);
		round_version(&list, 6, r->of15 ? r->of15 : r->of13 ? r->of13 : shown);
		actions_free(&list);
		actions_free(&again);
	}
}

/* Text that is refused, with a reason that has @why in it. */
static inline void round_refused(const char *text, const char *why)
{
	struct action_list list = { 0 };
	struct error err = { "" };

	if (actions_parse(&list, text, true, &err) != -EINVAL)
		fail_msg("%s was understood", text);
	if (!strstr(err.text, why))
		fail_msg("%s: %s", text, err.text);
	assert_null(list.bytes);
}

/* Bytes written in hex, blanks between them. */
static inline size_t round_hex(const char *hex, uint8_t *bytes, size_t size)
{
	size_t n = 0;

	for (; *hex; hex++) {
		if (*hex == ' ')
			continue;
		assert_true(n < size);
		bytes[n++] = (uint8_t)strtoul((char[]){ hex[0], hex[1], 0 }, NULL, 16);
		hex++;
	}
	return n;
}

/* What a peer of @version says in @hex is @shown. */
static inline void round_wire(uint8_t version, bool rule, const char *hex, const char *shown)
{
	struct action_list list = { 0 };
	uint8_t bytes[1024];
	size_t n = round_hex(hex, bytes, sizeof(bytes));
	struct error err = { "" };

	if (actions_decode(&list, version, rule, bytes, n, &err))
		fail_msg("%s: %s", hex, err.text);
	round_shown(&list, shown);
	actions_free(&list);
}

static inline void round_wire_refused(uint8_t version, bool rule, const char *hex,
				      enum of_error error)
{
	struct action_list list = { 0 };
	uint8_t bytes[1024];
	size_t n = round_hex(hex, bytes, sizeof(bytes));
	struct error err = { "" };
	enum of_error got = actions_decode(&list, version, rule, bytes, n, &err);

	if (got != error)
		fail_msg("%s: %s, not %s: %s", hex, of_error_name(got), of_error_name(error),
			 err.text);
	assert_true(*err.text);
	assert_null(list.bytes);
}
