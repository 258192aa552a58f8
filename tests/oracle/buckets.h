/* SPDX-License-Identifier: Apache-2.0 */
/* The reference of meters: a bucket of tokens for each band (OpenFlow 1.5.1, 5.11), in whole
 * numbers. */
#pragma once

#include "rules.h"

struct buckets {
	struct {
		bool is_used;
		uint64_t tokens; /* packets or bits, by 1e9 */
		uint64_t at;	 /* ns */
	} bands[METERS + 1][METER_BANDS_MAX];
};

/* As meter_take(). */
enum meter_verdict buckets_take(struct buckets *b, const struct meter *meter, uint32_t len,
				uint64_t now, uint8_t *levels);
