// SPDX-License-Identifier: Apache-2.0
/* Names of fields: as typed, and as the wire's documents have them. */
#include <ctype.h>
#include <strings.h>

#include "flow/field.h"

const char *field_wire_name(const struct field *field)
{
	return field->nxm_name ? field->nxm_name : field->oxm_name ? field->oxm_name : field->name;
}

/* Whether @name is that of @len bytes at @word; @fold: in capitals or not. */
static bool is(const char *name, const char *word, size_t len, bool fold)
{
	if (!name || strlen(name) != len)
		return false;
	return fold ? !strncasecmp(name, word, len) : !memcmp(name, word, len);
}

const struct field *field_find(const char *name, size_t len)
{
	for (unsigned i = 0; i < FIELD_N; i++)
		if (is(fields[i].name, name, len, false) ||
		    is(fields[i].other_name, name, len, false) ||
		    is(fields[i].nxm_name, name, len, true) ||
		    is(fields[i].oxm_name, name, len, true))
			return &fields[i];
	return NULL;
}
