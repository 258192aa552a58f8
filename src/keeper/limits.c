// SPDX-License-Identifier: Apache-2.0
/* Alone in this file, so that a program can bring its own. */
#include "keeper/limits.h"

const struct keeper_limits keeper_limits = { .files = 65536, .records = 262144 };
