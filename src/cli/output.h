/* SPDX-License-Identifier: Apache-2.0 */
/* Results for people: tables and lists of whatever the daemon says, so that nothing it knows stays
 * hidden because this program is older. Control characters, which a peer may have put into a text,
 * are shown as '?'.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* The value in words: "yes", "1500", "a, b", "queue 0, port vm1". malloc'd, never NULL: ends the
 * program when memory is short.
 */
char *value_text(const json_t *value);

/* Prints the JSON text of @value. */
void print_json(const json_t *value);

/* Prints an array of objects as a table with a header: columns @first (NULL-terminated, those that
 * exist) and then all others, or only the first ones. Numbers stand to the right. Each line begins
 * with @indent blanks.
 */
void print_table(const json_t *rows, const char *const *first, bool only_first, int indent);

/* Prints a line "name   value" for each member, objects and arrays of objects below their name.
 * Passes over the members in @done (NULL-terminated, or NULL).
 */
void print_members(const json_t *object, const char *const *done, int indent);

/* 1234567 -> "1.23M"; for people who compare magnitudes. Writes to @text and returns it. */
char *human_number(double number, char *text, size_t size);
