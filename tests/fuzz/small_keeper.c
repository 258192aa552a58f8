// SPDX-License-Identifier: Apache-2.0
/* In place of keeper/limits.c. */
#include "keeper/limits.h"

const struct keeper_limits keeper_limits = { .files = 256, .records = 512 };
