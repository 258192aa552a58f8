// SPDX-License-Identifier: Apache-2.0
/* Results for people. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "cli/output.h"

#define COLUMNS_MAX 64
#define NAME_WIDTH 20

static void out_of_memory(void)
{
	fputs("vireo: out of memory\n", stderr);
	exit(1);
}

static void make_printable(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

static void put_value(FILE *out, const json_t *value)
{
	const json_t *item;
	const char *name;
	size_t i;

	switch (value ? json_typeof(value) : JSON_NULL) {
	case JSON_STRING:
		fputs(json_string_value(value), out);
		break;
	case JSON_INTEGER:
		fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		break;
	case JSON_REAL:
		fprintf(out, "%.1f", json_real_value(value));
		break;
	case JSON_TRUE:
		fputs("yes", out);
		break;
	case JSON_FALSE:
		fputs("no", out);
		break;
	case JSON_NULL:
		fputs("-", out);
		break;
	case JSON_ARRAY:
		json_array_foreach (value, i, item) {
			fputs(i ? ", " : "", out);
			put_value(out, item);
		}
		break;
	case JSON_OBJECT:
		i = 0;
		json_object_foreach ((json_t *)value, name, item) {
			fprintf(out, "%s%s ", i++ ? ", " : "", name);
			put_value(out, item);
		}
		break;
	}
}

char *value_text(const json_t *value)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		out_of_memory();
	put_value(out, value);
	if (fclose(out) || !text)
		out_of_memory();
	make_printable(text);
	return text;
}

void print_json(const json_t *value)
{
	json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	putchar('\n');
}

/* How many columns @text takes on a terminal: one for each character of UTF-8. */
static int text_width(const char *text)
{
	int width = 0;

	for (; *text; text++)
		width += (*text & 0xc0) != 0x80;
	return width;
}

static void print_padded(const char *text, int width, bool right, bool last)
{
	int pad = max(0, width - text_width(text));

	if (right)
		printf("%*s%s", pad, "", text);
	else
		printf("%s%*s", text, last ? 0 : pad, "");
}

struct column {
	const char *key;
	int width;
	bool right;
};

/* Adds a column, once. */
static unsigned add_column(struct column *columns, unsigned n, const char *key)
{
	for (unsigned i = 0; i < n; i++)
		if (!strcmp(columns[i].key, key))
			return n;
	if (n == COLUMNS_MAX)
		return n;
	columns[n] = (struct column){ .key = key, .width = text_width(key), .right = true };
	return n + 1;
}

static bool any_has(const json_t *rows, const char *key)
{
	const json_t *row;
	size_t i;

	json_array_foreach (rows, i, row)
		if (json_object_get(row, key))
			return true;
	return false;
}

static unsigned choose_columns(struct column *columns, const json_t *rows, const char *const *first,
			       bool only_first)
{
	const json_t *row, *value;
	const char *name;
	unsigned n = 0;
	size_t i;

	for (; first && *first; first++)
		if (only_first || any_has(rows, *first))
			n = add_column(columns, n, *first);
	json_array_foreach (rows, i, row)
		json_object_foreach ((json_t *)row, name, value)
			if (!only_first)
				n = add_column(columns, n, name);
	return n;
}

static void measure(struct column *column, const json_t *rows)
{
	const json_t *row;
	size_t i;

	json_array_foreach (rows, i, row) {
		const json_t *value = json_object_get(row, column->key);
		char *text = value_text(value);

		column->width = max(column->width, text_width(text));
		column->right = column->right && (!value || json_is_number(value));
		free(text);
	}
}

static void print_header(const struct column *columns, unsigned n)
{
	for (unsigned c = 0; c < n; c++) {
		char *title = strdup(columns[c].key);

		if (!title)
			out_of_memory();
		for (char *p = title; *p; p++)
			*p = *p == '_' ? '-' : (char)toupper((unsigned char)*p);
		print_padded(title, columns[c].width, columns[c].right, c + 1 == n);
		printf("%s", c + 1 == n ? "\n" : "  ");
		free(title);
	}
}

void print_table(const json_t *rows, const char *const *first, bool only_first, int indent)
{
	struct column columns[COLUMNS_MAX];
	unsigned n = choose_columns(columns, rows, first, only_first);
	const json_t *row;
	size_t i;

	if (!n)
		return;
	for (unsigned c = 0; c < n; c++)
		measure(&columns[c], rows);
	printf("%*s", indent, "");
	print_header(columns, n);
	json_array_foreach (rows, i, row) {
		printf("%*s", indent, "");
		for (unsigned c = 0; c < n; c++) {
			char *text = value_text(json_object_get(row, columns[c].key));

			print_padded(*text ? text : "-", columns[c].width, columns[c].right,
				     c + 1 == n);
			printf("%s", c + 1 == n ? "\n" : "  ");
			free(text);
		}
	}
}

static bool is_one_of(const char *name, const char *const *names)
{
	for (; names && *names; names++)
		if (!strcmp(name, *names))
			return true;
	return false;
}

static bool is_table(const json_t *value)
{
	return json_is_array(value) && json_is_object(json_array_get(value, 0));
}

/* "rx_bytes" -> "rx bytes" */
static void print_name(const char *name, int indent, bool alone)
{
	int width = text_width(name);

	printf("%*s", indent, "");
	for (; *name; name++)
		putchar(*name == '_' ? ' ' : *name);
	if (alone)
		putchar('\n');
	else
		printf("%*s", max(1, NAME_WIDTH - indent - width), "");
}

static void print_member(const char *name, const json_t *value, int indent)
{
	char *text;

	if (is_table(value)) {
		print_name(name, indent, true);
		print_table(value, NULL, false, indent + 2);
		return;
	}
	if (json_is_object(value) && json_object_size(value)) {
		print_name(name, indent, true);
		print_members(value, NULL, indent + 2);
		return;
	}
	text = value_text(value);
	print_name(name, indent, false);
	printf("%s\n", *text ? text : "-");
	free(text);
}

void print_members(const json_t *object, const char *const *done, int indent)
{
	const json_t *value;
	const char *name;

	json_object_foreach ((json_t *)object, name, value)
		if (!is_one_of(name, done))
			print_member(name, value, indent);
}

char *human_number(double number, char *text, size_t size)
{
	static const char units[] = " kMGTPE";
	unsigned unit = 0;

	while (number >= 999.5 && unit < sizeof(units) - 2) {
		number /= 1000;
		unit++;
	}
	if (!unit)
		snprintf(text, size, "%.0f", number);
	else
		snprintf(text, size, "%.*f%c",
			 number < 9.995	  ? 2
			 : number < 99.95 ? 1
					  : 0,
			 number, units[unit]);
	return text;
}
