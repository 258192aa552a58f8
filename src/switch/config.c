// SPDX-License-Identifier: Apache-2.0
/* The configuration text: words and lines to data and back. What the words mean is not known here,
 * only which lines there are and what names an object.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/option.h"
#include "switch/config.h"

#define LINE_WORDS_MAX 256

struct line {
	char *words[LINE_WORDS_MAX];
	unsigned n;
};

struct parser {
	json_t *config;
	json_t *seen; /* set of what may appear once and is not a key of config */
	struct line line;
	struct error *err;
};

/* A kind of line: "OBJECT VERB ...". */
struct statement {
	const char *object, *verb;
	const char *section; /* key in the data */
	const char *usage;
	bool list; /* the section is an array */
	int (*add)(struct parser *p, const struct statement *st);
};

static int add_named(struct parser *p, const struct statement *st);
static int add_mac(struct parser *p, const struct statement *st);
static int add_worker(struct parser *p, const struct statement *st);
static int add_log(struct parser *p, const struct statement *st);

static const struct statement statements[] = {
	{ "bridge", "add", "bridges", "bridge add NAME [OPTION VALUE]...", false, add_named },
	{ "port", "add", "ports", "port add NAME type KIND [OPTION VALUE]...", false, add_named },
	{ "mac", "add", "macs", "mac add ADDRESS port NAME [OPTION VALUE]...", true, add_mac },
	{ "worker", "set", "workers", "worker set OPTION VALUE...", true, add_worker },
	{ "log", "set", "log", "log set MODULE LEVEL", false, add_log },
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_control(char c)
{
	return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

/* Takes a quoted word off @text (at its opening quote), unescaped in place. Returns what follows
 * the closing quote, or NULL and a text.
 */
static char *take_quoted(char *text, struct error *err)
{
	char *to = text, *from = text + 1;

	while (*from != '"') {
		if (*from == '\\') {
			from++;
			if (*from != '"' && *from != '\\') {
				error_set(err, 0, "after \\ only \\ or \" may follow");
				return NULL;
			}
		}
		if (!*from) {
			error_set(err, 0, "the closing quote is missing");
			return NULL;
		}
		*to++ = *from++;
	}
	from++;
	if (*from && !is_blank(*from)) {
		error_set(err, 0, "a blank is missing after a closing quote");
		return NULL;
	}
	if (*from)
		from++;
	*to = '\0';
	return from;
}

/* The same for a word without quotes. */
static char *take_plain(char *text, struct error *err)
{
	char *end = text;

	while (*end && !is_blank(*end)) {
		if (*end == '"') {
			error_set(err, 0, "a quote inside a word: put the whole word in quotes");
			return NULL;
		}
		end++;
	}
	if (*end)
		*end++ = '\0';
	return end;
}

/* Cuts @text into words, in place. */
static int split_line(struct line *line, char *text, struct error *err)
{
	line->n = 0;
	for (;;) {
		while (is_blank(*text))
			text++;
		if (!*text || *text == '#')
			return 0;
		if (line->n == LINE_WORDS_MAX)
			return error_set(err, -EINVAL, "more than %d words", LINE_WORDS_MAX);
		line->words[line->n++] = text;
		text = *text == '"' ? take_quoted(text, err) : take_plain(text, err);
		if (!text)
			return -EINVAL;
	}
}

/* Adds the pairs "OPTION VALUE" from word @first on to @options. */
static int add_pairs(struct parser *p, unsigned first, json_t *options)
{
	const struct line *l = &p->line;
	size_t i = first, used;

	while (i < l->n) {
		char buffer[OPTION_NAME_MAX];
		const char *name = option_name(l->words + i, l->n - i, buffer, &used);

		i += used;
		if (i == l->n)
			return error_set(p->err, -EINVAL, "\"%s\" needs a value", name);
		if (!strcmp(name, "name"))
			return error_set(p->err, -EINVAL, "\"name\" is no option");
		if (json_object_get(options, name))
			return error_set(p->err, -EINVAL, "\"%s\" is there twice", name);
		if (json_object_set_new(options, name, json_string(l->words[i++])))
			return error_set(p->err, -ENOMEM, "out of memory");
	}
	return 0;
}

/* Puts @key into the set of what was seen; -EEXIST when it is there already. */
static int add_seen(struct parser *p, const char *kind, const char *a, const char *b, const char *c)
{
	json_t *key = json_sprintf("%s \"%s\" \"%s\" \"%s\"", kind, a, b, c);
	int ret = 0;

	if (!key)
		return error_set(p->err, -ENOMEM, "out of memory");
	if (json_object_get(p->seen, json_string_value(key)))
		ret = -EEXIST;
	else if (json_object_set_new(p->seen, json_string_value(key), json_true()))
		ret = error_set(p->err, -ENOMEM, "out of memory");
	json_decref(key);
	return ret;
}

static const char *word_of(const json_t *options, const char *name, const char *fallback)
{
	const char *word = json_string_value(json_object_get(options, name));

	return word ? word : fallback;
}

/* bridge add NAME ..., port add NAME ... */
static int add_named(struct parser *p, const struct statement *st)
{
	json_t *section = json_object_get(p->config, st->section), *options;
	const char *name;

	if (p->line.n < 3)
		return error_set(p->err, -EINVAL, "the name is missing: %s", st->usage);
	name = p->line.words[2];
	if (json_object_get(section, name))
		return error_set(p->err, -EEXIST, "%s \"%s\" is there twice", st->object, name);
	options = json_object();
	if (!options || json_object_set_new(section, name, options))
		return error_set(p->err, -ENOMEM, "out of memory");
	return add_pairs(p, 3, options);
}

/* mac add ADDRESS port NAME ... */
static int add_mac(struct parser *p, const struct statement *st)
{
	json_t *section = json_object_get(p->config, st->section), *options;
	char address[64];
	int ret;

	if (p->line.n < 3)
		return error_set(p->err, -EINVAL, "the address is missing: %s", st->usage);
	options = json_pack("{s:s}", "mac", p->line.words[2]);
	if (!options || json_array_append_new(section, options))
		return error_set(p->err, -ENOMEM, "out of memory");
	ret = add_pairs(p, 3, options);
	if (ret)
		return ret;
	snprintf(address, sizeof(address), "%s", p->line.words[2]);
	for (char *c = address; *c; c++)
		if (*c >= 'A' && *c <= 'F')
			*c = (char)(*c - 'A' + 'a');
	ret = add_seen(p, "mac", address, word_of(options, "port", ""),
		       word_of(options, "vlan", "0"));
	if (ret == -EEXIST)
		return error_set(p->err, ret, "mac \"%s\" is there twice", p->line.words[2]);
	return ret;
}

/* worker set OPTION VALUE ... */
static int add_worker(struct parser *p, const struct statement *st)
{
	json_t *section = json_object_get(p->config, st->section), *options = json_object();
	const char *port, *queue;
	int ret;

	if (!options || json_array_append_new(section, options))
		return error_set(p->err, -ENOMEM, "out of memory");
	if (p->line.n < 3)
		return error_set(p->err, -EINVAL, "options are missing: %s", st->usage);
	ret = add_pairs(p, 2, options);
	if (ret)
		return ret;
	port = word_of(options, "port", p->line.words[2]);
	queue = word_of(options, "queue", "");
	ret = add_seen(p, "worker", port, queue, "");
	if (ret == -EEXIST && !json_object_get(options, "port"))
		return error_set(p->err, ret, "\"worker set %s\" is there twice", p->line.words[2]);
	if (ret == -EEXIST)
		return error_set(p->err, ret, "queue \"%s\" of port \"%s\" is there twice", queue,
				 port);
	return ret;
}

/* log set MODULE LEVEL */
static int add_log(struct parser *p, const struct statement *st)
{
	json_t *section = json_object_get(p->config, st->section);
	char *const *words = p->line.words;

	if (p->line.n != 4)
		return error_set(p->err, -EINVAL, "%s words: %s",
				 p->line.n < 4 ? "too few" : "too many", st->usage);
	if (json_object_get(section, words[2]))
		return error_set(p->err, -EEXIST, "log \"%s\" is there twice", words[2]);
	if (json_object_set_new(section, words[2], json_string(words[3])))
		return error_set(p->err, -ENOMEM, "out of memory");
	return 0;
}

/* Says what is wrong with a line that no statement begins like. */
static int refuse_line(struct parser *p)
{
	const char *objects[ARRAY_SIZE(statements)], *near;
	char *const *words = p->line.words;

	for (size_t i = 0; i < ARRAY_SIZE(statements); i++) {
		objects[i] = statements[i].object;
		if (!strcmp(words[0], statements[i].object))
			return error_set(p->err, -EINVAL, "a line about a %s reads \"%s\"",
					 statements[i].object, statements[i].usage);
	}
	near = nearest_word(words[0], objects, ARRAY_SIZE(objects));
	if (near)
		return error_set(p->err, -EINVAL, "\"%s\" is unknown, did you mean \"%s\"?",
				 words[0], near);
	return error_set(p->err, -EINVAL,
			 "\"%s\" is unknown: a line begins with bridge, port, mac, worker or log",
			 words[0]);
}

static int parse_line(struct parser *p, char *text)
{
	const struct line *l = &p->line;
	int ret = split_line(&p->line, text, p->err);

	if (ret || !l->n)
		return ret;
	for (size_t i = 0; i < ARRAY_SIZE(statements); i++) {
		const struct statement *st = &statements[i];

		if (l->n >= 2 && !strcmp(l->words[0], st->object) && !strcmp(l->words[1], st->verb))
			return st->add(p, st);
	}
	return refuse_line(p);
}

/* Ends the line at @text with a NUL and returns its length without the line's end, or -EINVAL when
 * it holds what no line may.
 */
static int check_line(char *text, size_t len, struct error *err)
{
	json_t *utf8;

	if (len && text[len - 1] == '\r')
		len--;
	text[len] = '\0';
	for (size_t i = 0; i < len; i++)
		if (is_control(text[i]))
			return error_set(err, -EINVAL, "control character 0x%02x",
					 (unsigned char)text[i]);
	utf8 = json_stringn(text, len);
	if (!utf8)
		return error_set(err, -EINVAL, "not UTF-8");
	json_decref(utf8);
	return 0;
}

static json_t *empty_config(void)
{
	json_t *config = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(statements); i++) {
		json_t *section = statements[i].list ? json_array() : json_object();

		if (json_object_set_new(config, statements[i].section, section)) {
			json_decref(config);
			return NULL;
		}
	}
	return config;
}

json_t *config_parse(const char *text, size_t len, struct error *err)
{
	struct parser p = { .config = empty_config(), .seen = json_object(), .err = err };
	char *copy = len <= CONFIG_TEXT_MAX ? malloc(len + 1) : NULL;
	unsigned number = 1;
	int ret = 0;

	if (len > CONFIG_TEXT_MAX) {
		ret = error_set(err, -EFBIG, "longer than %u MiB", CONFIG_TEXT_MAX >> 20);
		goto out;
	}
	if (!p.config || !p.seen || !copy) {
		ret = error_set(err, -ENOMEM, "out of memory");
		goto out;
	}
	if (len)
		memcpy(copy, text, len);
	for (size_t start = 0; start < len && !ret; number++) {
		const char *nl = memchr(copy + start, '\n', len - start);
		size_t end = nl ? (size_t)(nl - copy) : len;

		ret = check_line(copy + start, end - start, err);
		if (!ret)
			ret = parse_line(&p, copy + start);
		if (ret)
			error_prefix(err, "line %u", number);
		start = end + 1;
	}
out:
	free(copy);
	json_decref(p.seen);
	if (!ret)
		return p.config;
	json_decref(p.config);
	return NULL;
}

/* Writes " WORD", in quotes where it needs them. -EINVAL for what no line can hold. */
static int put_word(FILE *out, const char *word)
{
	bool quoted = !*word || *word == '#' || strpbrk(word, " \t\"");

	for (const char *c = word; *c; c++)
		if (is_control(*c))
			return -EINVAL;
	fputs(quoted ? " \"" : " ", out);
	for (const char *c = word; *c; c++) {
		if (quoted && (*c == '"' || *c == '\\'))
			fputc('\\', out);
		fputc(*c, out);
	}
	if (quoted)
		fputc('"', out);
	return 0;
}

static int put_value(FILE *out, const json_t *value)
{
	char start[1], *text;
	int len, ret;

	if (json_is_string(value))
		return put_word(out, json_string_value(value));
	len = option_text(value, start, sizeof(start));
	if (len < 0)
		return -EINVAL;
	text = malloc((size_t)len + 1);
	if (!text)
		return -ENOMEM;
	option_text(value, text, (size_t)len + 1);
	ret = put_word(out, text);
	free(text);
	return ret;
}

/* Writes " OPTION VALUE" for each member, those in @first (NULL-terminated) before the others and
 * of these only the value where @bare.
 */
static int put_options(FILE *out, const json_t *options, const char *first, bool bare)
{
	const json_t *value = first ? json_object_get(options, first) : NULL;
	const char *name;
	int ret = 0;

	if (value && !bare)
		ret = put_word(out, first);
	if (value && !ret)
		ret = put_value(out, value);
	/* jansson's iterators take no const object, but change nothing */
	json_object_foreach ((json_t *)options, name, value) {
		if (ret)
			break;
		if (first && !strcmp(name, first))
			continue;
		ret = put_word(out, name);
		if (!ret)
			ret = put_value(out, value);
	}
	return ret;
}

static int put_section(FILE *out, const struct statement *st, const json_t *section)
{
	const char *first = st->add == add_mac ? "mac" : st->add == add_named ? "type" : NULL;
	const json_t *item;
	const char *name;
	size_t i;
	int ret = 0;

	json_array_foreach (section, i, item) {
		fprintf(out, "%s %s", st->object, st->verb);
		ret = ret ? ret : put_options(out, item, first, true);
		fputc('\n', out);
	}
	json_object_foreach ((json_t *)section, name, item) {
		fprintf(out, "%s %s", st->object, st->verb);
		ret = ret ? ret : put_word(out, name);
		if (!ret)
			ret = json_is_object(item) ? put_options(out, item, first, false)
						   : put_value(out, item);
		fputc('\n', out);
	}
	return ret;
}

char *config_format(const json_t *config)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	int ret = 0;

	if (!out)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(statements) && !ret; i++)
		ret = put_section(out, &statements[i],
				  json_object_get(config, statements[i].section));
	if (ferror(out))
		ret = -ENOMEM;
	if (fclose(out) || ret) {
		free(text);
		return NULL;
	}
	return text;
}
