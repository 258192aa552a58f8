// SPDX-License-Identifier: Apache-2.0
// Names and texts of the drop counters.
#include "port/drop.h"
#include "base/compiler.h"

static const char *const names[] = {
#define X(name, where, words) #name,
	DROP_REASONS(X)
#undef X
};

static const char *const texts[] = {
#define X(name, where, words) words,
	DROP_REASONS(X)
#undef X
};

_Static_assert(ARRAY_SIZE(names) == DROP_N_REASONS, "a name for each reason");

const char *drop_name(enum drop_reason reason)
{
	return names[reason];
}

const char *drop_text(enum drop_reason reason)
{
	return texts[reason];
}
