/* SPDX-License-Identifier: Apache-2.0 */
/* How much a keeper can keep. */
#pragma once

struct keeper_limits {
	unsigned files;	  /* numbers of open files are below this */
	unsigned records; /* of its table; unused ones cost nothing */
};

/* Fuzzers are linked with smaller ones of their own (tests/fuzz/small_keeper.c): their inputs reach
 * the end, and a new keeper costs little. */
extern const struct keeper_limits keeper_limits;
