/* SPDX-License-Identifier: Apache-2.0 */
/* Bounds on what others can make this process hold, where people can see them: how much there may
 * be, how much there is, and how often more was refused ("vireo stats show"). Declared beside the
 * code that refuses. Any thread; never used for each packet.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define LIMIT_UNKNOWN UINT64_MAX /* of now: nobody counts how much there is */

struct limit {
	const char *name; /* "rpc_clients" */
	const char *text; /* what of, for people */
	uint64_t most;
	uint64_t now;
	uint64_t refused;	/* times */
	uint64_t (*look)(void); /* tells now, if that is not counted here; or NULL */
	struct limit *next;	/* of all */
};

/* Declares a limit @VAR of this file, of which limit_take() and limit_give() tell how much there
 * is.
 */
#define LIMIT(VAR, NAME, MOST, TEXT) LIMIT_DECLARE(VAR, NAME, MOST, TEXT, 0)

/* The same of a limit that holds for each message, port or client by itself: only what is refused
 * is counted, by limit_refuse(). */
#define LIMIT_EACH(VAR, NAME, MOST, TEXT) LIMIT_DECLARE(VAR, NAME, MOST, TEXT, LIMIT_UNKNOWN)

/* For the two above. */
#define LIMIT_DECLARE(VAR, NAME, MOST, TEXT, NOW)                            \
	static struct limit VAR = {                                          \
		.name = (NAME), .text = (TEXT), .most = (MOST), .now = (NOW) \
	};                                                                   \
	__attribute__((constructor)) static void VAR##_register(void)        \
	{                                                                    \
		limit_register(&VAR);                                        \
	}                                                                    \
	struct limit

/* Adds a limit to the list; called before main() by LIMIT. */
void limit_register(struct limit *limit);

/* @n more are there; false, and counted, when there would be too many. */
bool limit_take(struct limit *limit, uint64_t n);

/* @n of them are gone. */
void limit_give(struct limit *limit, uint64_t n);

/* Counts what was refused otherwise. */
void limit_refuse(struct limit *limit);

/* How much there is, LIMIT_UNKNOWN if nobody knows; how often more was refused. */
uint64_t limit_now(const struct limit *limit);
uint64_t limit_refused(const struct limit *limit);

/* The first of all limits, by name, linked by next. */
const struct limit *limits(void);
