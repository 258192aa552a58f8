// SPDX-License-Identifier: Apache-2.0
/* Parts of fields, as actions name them. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "flow/field.h"

/* "3]", "0..15]", "]": what is behind the opening bracket. */
static int parse_range(const char **text, struct subfield *out, struct error *err)
{
	unsigned long n = subfield_bits(out->field), first = 0, last = n - 1;
	const char *at = *text;
	char *end;

	if (isdigit((unsigned char)*at)) {
		first = last = strtoul(at, &end, 10);
		at = end;
		if (at[0] == '.' && at[1] == '.' && isdigit((unsigned char)at[2])) {
			last = strtoul(at + 2, &end, 10);
			at = end;
		}
	}
	if (*at != ']')
		return error_set(err, -EINVAL, "%s[: write bits like [], [3] or [0..15]",
				 out->field->name);
	if (first > last || last >= n)
		return error_set(err, -EINVAL, "%s has bits 0 to %lu, not %lu to %lu",
				 out->field->name, n - 1, first, last);
	out->first = (uint8_t)first;
	out->n_bits = (uint8_t)(last - first + 1);
	*text = at + 1;
	return 0;
}

int subfield_parse(const char **text, struct subfield *out, struct error *err)
{
	size_t len = 0;

	while (isalnum((unsigned char)(*text)[len]) || (*text)[len] == '_')
		len++;
	out->field = field_find(*text, len);
	if (!out->field)
		return error_set(err, -EINVAL, "\"%.*s\" is no field", (int)(len < 60 ? len : 60),
				 *text);
	*text += len;
	out->first = 0;
	out->n_bits = (uint8_t)subfield_bits(out->field);
	if (**text != '[')
		return 0;
	++*text;
	return parse_range(text, out, err);
}

int subfield_print(const struct subfield *sub, char *text, size_t size)
{
	const char *name = field_wire_name(sub->field);

	if (sub->n_bits == subfield_bits(sub->field))
		return snprintf(text, size, "%s[]", name);
	if (sub->n_bits == 1)
		return snprintf(text, size, "%s[%u]", name, sub->first);
	return snprintf(text, size, "%s[%u..%u]", name, sub->first, sub->first + sub->n_bits - 1u);
}

static u128 ones(unsigned n)
{
	return n == 128 ? ~(u128)0 : ((u128)1 << n) - 1;
}

u128 subfield_get(const struct subfield *sub, const struct flow_key *key)
{
	return field_get(sub->field, key) >> sub->first & ones(sub->n_bits);
}

void subfield_set(const struct subfield *sub, struct flow_key *key, u128 value)
{
	field_set(sub->field, key, value << sub->first, ones(sub->n_bits) << sub->first);
}

void subfield_examine(const struct subfield *sub, struct key_bits *bits)
{
	field_examine(sub->field, ones(sub->n_bits) << sub->first, bits);
}
