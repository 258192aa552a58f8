// SPDX-License-Identifier: Apache-2.0
/* Meters, as they must be (see buckets.h). */
#include "buckets.h"

#define BILLION 1000000000ull

/* Whether the band has tokens for the packet: then it takes them. */
static bool take(struct buckets *b, const struct meter *meter, unsigned i, uint32_t len,
		 uint64_t now)
{
	const struct meter_band *band = &meter->bands[i];
	bool kbps = meter->flags & METER_KBPS;
	uint64_t unit = kbps ? 1000 : 1, cost = (kbps ? 8ull * len : 1) * BILLION;
	uint64_t most = (band->burst ? band->burst : band->rate) * unit * BILLION;
	uint64_t *tokens = &b->bands[meter->id][i].tokens, *at = &b->bands[meter->id][i].at;

	if (!b->bands[meter->id][i].is_used)
		*tokens = most;
	else
		*tokens += band->rate * unit * (now - *at);
	b->bands[meter->id][i].is_used = true;
	*tokens = *tokens < most ? *tokens : most;
	*at = now;
	if (*tokens < cost)
		return false;
	*tokens -= cost;
	return true;
}

enum meter_verdict buckets_take(struct buckets *b, const struct meter *meter, uint32_t len,
				uint64_t now, uint8_t *levels)
{
	const struct meter_band *over = NULL;

	for (unsigned i = 0; i < meter->n_bands; i++)
		if (!take(b, meter, i, len, now) && (!over || meter->bands[i].rate > over->rate))
			over = &meter->bands[i];
	if (!over)
		return METER_PASS;
	*levels = over->prec_level;
	return over->type == BAND_DROP ? METER_DROP : METER_REMARK;
}
