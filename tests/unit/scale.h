/* SPDX-License-Identifier: Apache-2.0 */
/* How much of what can be counted a test does: TEST_SCALE, of the environment, times as much. */
#pragma once

#include <stdlib.h>

/* So many at scale 1; at least one. */
static inline unsigned scaled(unsigned n)
{
	const char *text = getenv("TEST_SCALE");
	double by = text ? atof(text) : 1;

	return by > 0 && n * by >= 1 ? (unsigned)(n * by) : 1;
}
