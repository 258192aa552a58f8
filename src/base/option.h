/* SPDX-License-Identifier: Apache-2.0 */
/* Named options of configured objects (bridges, ports, workers): one table says what exists, and
 * from it come validation, help and "did you mean". Options travel as a JSON object; a value may be
 * the word that a person typed ("on", "1500") or a JSON value of the right type, and is made
 * canonical. Control thread.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum option_type {
	OPTION_STRING, /* any text of 1..1024 bytes without control characters */
	OPTION_UINT,   /* min..max */
	OPTION_BOOL,   /* on|off -> true|false */
	OPTION_CHOICE, /* one of choices */
	OPTION_OCTAL,  /* file mode, canonical as text: "0660" */
	OPTION_CUSTOM, /* check() decides */
};

#define OPTION_REQUIRED 1u /* must be given when the object is made */
#define OPTION_FIXED 2u	   /* cannot be changed on an object that exists */
#define OPTION_HIDDEN 4u   /* not in help: for clients (a passed fd), not for people */
#define OPTION_LATER 8u	   /* takes effect when the object's peer negotiates the next time */

#define OPTION_NAME_MAX 64 /* bytes, with its end */

struct option {
	const char *name; /* NULL ends a table */
	enum option_type type;
	unsigned flags;
	const char *help; /* one line: verb or noun, lower case, no full stop, (default); or NULL */
	uint64_t min, max;
	const char *const *choices; /* NULL-terminated */
	/* For OPTION_CUSTOM: the canonical value (a new reference) of @text, or NULL and a text in
	 * @err. */
	json_t *(*check)(const char *text, struct error *err);
};

/* Checks every member of @object against the tables (NULL-terminated array of tables) and replaces
 * values by their canonical form. With @creating, required options must be there; without, fixed
 * ones must not. Returns 0, or -EINVAL and a text that names the option and what would be right.
 */
int options_check(const struct option *const *tables, json_t *object, bool creating,
		  struct error *err);

/* Applies @changes to the checked object @has: a value "default" takes an option out, others are
 * set. *@merged is the whole result and *@set what was set, both checked and new references.
 * Returns 0, or -EINVAL and a text as options_check() does.
 */
int options_merge(const struct option *const *tables, const json_t *has, const json_t *changes,
		  json_t **merged, json_t **set, struct error *err);

/* The members of @changes that have OPTION_LATER: an array of names, a new reference. */
json_t *options_later(const struct option *const *tables, const json_t *changes);

/* Whether names that begin with @word have a second one, as in "offload tso". */
bool option_has_second(const char *word);

/* The name at the front of @n >= 1 words that a person typed. Where it has two words ("offload
 * tso"), they are joined as tables have it ("offload-tso") in @buffer, of OPTION_NAME_MAX bytes;
 * *@used is how many words it was.
 */
char *option_name(char *const *words, size_t n, char *buffer, size_t *used);

/* Values of a checked object, or @fallback when it is not set. Strings are borrowed from @object.
 */
uint64_t option_uint(const json_t *object, const char *name, uint64_t fallback);
bool option_bool(const json_t *object, const char *name, bool fallback);
const char *option_string(const json_t *object, const char *name, const char *fallback);

/* A checked value as the words a person would type: "on", "1500", "02:00:00:00:00:01,..." (arrays
 * are joined by commas). Returns the length, as snprintf() does.
 */
int option_text(const json_t *value, char *text, size_t size);

/* Describes the tables as a JSON array of {"name", "type", "help", "required", ...}; a new
 * reference. */
json_t *options_describe(const struct option *const *tables);

/* Of @n words (NULL ones are passed over), the nearest to @word, or NULL when none is near. */
const char *nearest_word(const char *word, const char *const *words, size_t n);
