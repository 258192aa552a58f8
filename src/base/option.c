// SPDX-License-Identifier: Apache-2.0
// Options of configured objects: checked against tables, made canonical, described.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/option.h"

#define STRING_MAX 1024	   /* bytes of a text */
#define CUSTOM_MAX 65536   /* bytes of a text that an option's own check may see */
#define CANDIDATES_MAX 128 /* names that "did you mean" looks at */
#define SHOWN_MAX 48	   /* bytes of a user's word that are repeated to him */
#define MODE_MAX 0777

/* A user's word for an error text: what could confuse a terminal is shown as '?'. */
struct shown {
	char text[SHOWN_MAX + sizeof("...")];
};

static bool is_control(char c)
{
	return (unsigned char)c < ' ' || c == 0x7f;
}

static bool has_control(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (is_control(text[i]))
			return true;
	}
	return false;
}

static const char *show(struct shown *shown, const char *word)
{
	snprintf(shown->text, sizeof(shown->text), "%.*s%s", SHOWN_MAX, word,
		 strlen(word) > SHOWN_MAX ? "..." : "");
	for (char *c = shown->text; *c; c++) {
		if (is_control(*c))
			*c = '?';
	}
	return shown->text;
}

static const struct option *find(const struct option *const *tables, const char *name)
{
	for (; *tables; tables++) {
		for (const struct option *o = *tables; o->name; o++) {
			if (!strcmp(o->name, name))
				return o;
		}
	}
	return NULL;
}

static int refuse_unknown(const struct option *const *tables, const char *name, struct error *err)
{
	const char *words[CANDIDATES_MAX], *near;
	struct shown shown = { "" };
	size_t n = 0;

	for (; *tables; tables++) {
		for (const struct option *o = *tables; o->name && n < CANDIDATES_MAX; o++) {
			if (!(o->flags & OPTION_HIDDEN))
				words[n++] = o->name;
		}
	}
	near = nearest_word(name, words, n);
	if (near)
		return error_set(err, -EINVAL, "unknown option \"%s\": did you mean \"%s\"?",
				 show(&shown, name), near);
	return error_set(err, -EINVAL, "unknown option \"%s\"", show(&shown, name));
}

static int check_string(const json_t *value, struct error *err)
{
	const char *text = json_string_value(value);
	size_t len = json_string_length(value);

	if (!text || !len)
		return error_set(err, -EINVAL, "give a text");
	if (len > STRING_MAX)
		return error_set(err, -EINVAL, "text is %zu bytes long, at most %d are allowed",
				 len, STRING_MAX);
	if (has_control(text, len))
		return error_set(err, -EINVAL, "text has a control character");
	return 0;
}

/* Reads digits to the end of @text. */
static bool parse_number(const char *text, int base, uint64_t *number)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*number = strtoull(text, &end, base);
	return !errno && !*end;
}

static json_t *make_uint(const struct option *o, const json_t *value, struct error *err)
{
	uint64_t most = min(o->max, (uint64_t)INT64_MAX), number = 0;
	bool ok;

	if (json_is_integer(value)) {
		ok = json_integer_value(value) >= 0;
		number = (uint64_t)json_integer_value(value);
	} else {
		ok = json_is_string(value) && parse_number(json_string_value(value), 10, &number);
	}
	if (ok && number >= o->min && number <= most)
		return json_integer((json_int_t)number);
	error_set(err, -EINVAL, "give a number from %" PRIu64 " to %" PRIu64, o->min, most);
	return NULL;
}

static json_t *make_bool(const json_t *value, struct error *err)
{
	const char *text = json_string_value(value);

	if (json_is_boolean(value))
		return json_boolean(json_is_true(value));
	if (text && (!strcmp(text, "on") || !strcmp(text, "off")))
		return json_boolean(!strcmp(text, "on"));
	error_set(err, -EINVAL, "say on or off");
	return NULL;
}

static json_t *make_octal(const struct option *o, const json_t *value, struct error *err)
{
	uint64_t most = o->max ? o->max : MODE_MAX, number;
	const char *text = json_string_value(value);
	char canonical[32];

	if (text && parse_number(text, 8, &number) && number <= most) {
		snprintf(canonical, sizeof(canonical), "%04" PRIo64, number);
		return json_string(canonical);
	}
	error_set(err, -EINVAL, "give an octal mode as text, from 0000 to %04" PRIo64, most);
	return NULL;
}

static json_t *refuse_choice(const struct option *o, const char *text, struct error *err)
{
	char list[ERROR_TEXT_MAX] = "";
	struct shown shown = { "" };
	size_t n = 0, at = 0;
	const char *near;

	for (; o->choices[n]; n++) {
		int len = snprintf(list + at, sizeof(list) - at, "%s%s", n ? ", " : "",
				   o->choices[n]);

		at = min(at + (size_t)len, sizeof(list) - 1);
	}
	near = text ? nearest_word(text, o->choices, n) : NULL;
	if (near)
		error_set(err, -EINVAL, "\"%s\" is not known: did you mean \"%s\"? (one of %s)",
			  show(&shown, text), near, list);
	else
		error_set(err, -EINVAL, "give one of %s", list);
	return NULL;
}

static json_t *make_choice(const struct option *o, const json_t *value, struct error *err)
{
	const char *text = json_string_value(value);

	for (size_t i = 0; text && o->choices[i]; i++) {
		if (!strcmp(text, o->choices[i]))
			return json_string(text);
	}
	return refuse_choice(o, text, err);
}

/* Custom values are checked as text, whether they come from a person or, canonical already, from
 * a configuration. */
static json_t *make_custom(const struct option *o, const json_t *value, struct error *err)
{
	int len = option_text(value, NULL, 0);
	json_t *made = NULL;
	char *text;

	if (len <= 0 || len > CUSTOM_MAX) {
		error_set(err, -EINVAL, len > 0 ? "value is too long" : "give a value");
		return NULL;
	}
	text = calloc(1, (size_t)len + 1);
	if (!text) {
		error_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	option_text(value, text, (size_t)len + 1);
	if (has_control(text, (size_t)len))
		error_set(err, -EINVAL, "value has a control character");
	else
		made = o->check(text, err);
	free(text);
	return made;
}

static json_t *make_canonical(const struct option *o, json_t *value, struct error *err)
{
	switch (o->type) {
	case OPTION_STRING:
		return check_string(value, err) < 0 ? NULL : json_incref(value);
	case OPTION_UINT:
		return make_uint(o, value, err);
	case OPTION_BOOL:
		return make_bool(value, err);
	case OPTION_CHOICE:
		return make_choice(o, value, err);
	case OPTION_OCTAL:
		return make_octal(o, value, err);
	case OPTION_CUSTOM:
		return make_custom(o, value, err);
	}
	return NULL;
}

static int check_required(const struct option *const *tables, const json_t *object,
			  struct error *err)
{
	for (; *tables; tables++) {
		for (const struct option *o = *tables; o->name; o++) {
			if (o->flags & OPTION_REQUIRED && !json_object_get(object, o->name))
				return error_set(err, -EINVAL, "option \"%s\" is missing%s%s",
						 o->name, o->help ? ": " : "",
						 o->help ? o->help : "");
		}
	}
	return 0;
}

static int refuse_fixed(const char *name, struct error *err)
{
	return error_set(err, -EINVAL,
			 "option \"%s\" cannot be changed any more: delete and add again", name);
}

int options_check(const struct option *const *tables, json_t *object, bool creating,
		  struct error *err)
{
	if (!json_is_object(object))
		return error_set(err, -EINVAL, "options must be an object of names and values");
	for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
		const char *name = json_object_iter_key(at);
		const struct option *o = find(tables, name);
		struct error why = { "out of memory" };
		json_t *made;

		if (!o)
			return refuse_unknown(tables, name, err);
		if (!creating && o->flags & OPTION_FIXED)
			return refuse_fixed(name, err);
		made = make_canonical(o, json_object_iter_value(at), &why);
		if (!made)
			return error_set(err, -EINVAL, "option \"%s\": %s", name, why.text);
		/* Replaces a value, adds no key: the iterator stays valid. */
		json_object_iter_set_new(object, at, made);
	}
	return creating ? check_required(tables, object, err) : 0;
}

/* Sorts @changes: what is set back leaves @merged, the rest goes into @set. What does not exist is
 * left for options_check().
 */
static int sort_changes(const struct option *const *tables, const json_t *changes, json_t *merged,
			json_t *set, struct error *err)
{
	const char *name, *word;
	json_t *value;

	json_object_foreach ((json_t *)changes, name, value) {
		const struct option *o = find(tables, name);

		word = json_string_value(value);
		if (!o || !word || strcmp(word, "default")) {
			json_object_set(set, name, value);
			continue;
		}
		if (o->flags & OPTION_FIXED)
			return refuse_fixed(name, err);
		json_object_del(merged, name);
	}
	return 0;
}

int options_merge(const struct option *const *tables, const json_t *has, const json_t *changes,
		  json_t **merged, json_t **set, struct error *err)
{
	int ret;

	*merged = json_deep_copy(has);
	*set = json_object();
	ret = sort_changes(tables, changes, *merged, *set, err);
	if (!ret)
		ret = options_check(tables, *set, false, err);
	if (!ret && json_object_update(*merged, *set))
		ret = error_set(err, -ENOMEM, "out of memory");
	if (!ret)
		ret = check_required(tables, *merged, err);
	if (!ret)
		return 0;
	json_decref(*merged);
	json_decref(*set);
	return ret;
}

json_t *options_later(const struct option *const *tables, const json_t *changes)
{
	json_t *names = json_array();
	const json_t *value;
	const char *name;

	json_object_foreach ((json_t *)changes, name, value) {
		const struct option *o = find(tables, name);

		if (o && o->flags & OPTION_LATER)
			json_array_append_new(names, json_string(name));
	}
	return names;
}

bool option_has_second(const char *word)
{
	return !strcmp(word, "offload");
}

char *option_name(char *const *words, size_t n, char *buffer, size_t *used)
{
	*used = 1;
	if (n == 1 || !option_has_second(words[0]))
		return words[0];
	*used = 2;
	snprintf(buffer, OPTION_NAME_MAX, "%s-%s", words[0], words[1]);
	return buffer;
}

uint64_t option_uint(const json_t *object, const char *name, uint64_t fallback)
{
	const json_t *value = json_object_get(object, name);

	return json_is_integer(value) ? (uint64_t)json_integer_value(value) : fallback;
}

bool option_bool(const json_t *object, const char *name, bool fallback)
{
	const json_t *value = json_object_get(object, name);

	return json_is_boolean(value) ? json_is_true(value) : fallback;
}

const char *option_string(const json_t *object, const char *name, const char *fallback)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : fallback;
}

static int scalar_text(const json_t *value, char *text, size_t size)
{
	switch (value ? json_typeof(value) : JSON_NULL) {
	case JSON_STRING:
		return snprintf(text, size, "%s", json_string_value(value));
	case JSON_INTEGER:
		return snprintf(text, size, "%lld", (long long)json_integer_value(value));
	case JSON_REAL:
		return snprintf(text, size, "%g", json_real_value(value));
	case JSON_TRUE:
		return snprintf(text, size, "on");
	case JSON_FALSE:
		return snprintf(text, size, "off");
	case JSON_OBJECT:
	case JSON_ARRAY:
	case JSON_NULL:
		break;
	}
	return snprintf(text, size, "%s", "");
}

int option_text(const json_t *value, char *text, size_t size)
{
	size_t len = 0, n = json_array_size(value);

	if (!json_is_array(value))
		return scalar_text(value, text, size);
	if (size)
		*text = '\0';
	for (size_t i = 0; i < n; i++) {
		size_t at = min(len, size);

		len += (size_t)scalar_text(json_array_get(value, i), size ? text + at : NULL,
					   size - at);
		if (i == n - 1)
			break;
		if (len + 1 < size)
			memcpy(text + len, ",", 2);
		len++;
	}
	return (int)len;
}

static const char *type_name(enum option_type type)
{
	switch (type) {
	case OPTION_STRING:
		return "text";
	case OPTION_UINT:
		return "number";
	case OPTION_BOOL:
		return "on|off";
	case OPTION_CHOICE:
		return "choice";
	case OPTION_OCTAL:
		return "mode";
	case OPTION_CUSTOM:
		break;
	}
	return "value";
}

static json_t *describe(const struct option *o)
{
	json_t *d =
		json_pack("{s:s, s:s, s:s, s:b, s:b}", "name", o->name, "type", type_name(o->type),
			  "help", o->help, "required", (o->flags & OPTION_REQUIRED) != 0, "fixed",
			  (o->flags & OPTION_FIXED) != 0);

	if (o->flags & OPTION_LATER)
		json_object_set_new(d, "later", json_true());
	if (o->type == OPTION_UINT) {
		uint64_t most = min(o->max, (uint64_t)INT64_MAX);

		json_object_set_new(d, "min", json_integer((json_int_t)o->min));
		json_object_set_new(d, "max", json_integer((json_int_t)most));
	}
	if (o->type == OPTION_CHOICE) {
		json_t *choices = json_array();

		for (size_t i = 0; o->choices[i]; i++)
			json_array_append_new(choices, json_string(o->choices[i]));
		json_object_set_new(d, "choices", choices);
	}
	return d;
}

json_t *options_describe(const struct option *const *tables)
{
	json_t *all = json_array();

	for (; *tables; tables++) {
		for (const struct option *o = *tables; o->name; o++) {
			if (!(o->flags & OPTION_HIDDEN))
				json_array_append_new(all, describe(o));
		}
	}
	return all;
}
