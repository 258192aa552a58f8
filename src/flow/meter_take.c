// SPDX-License-Identifier: Apache-2.0
/* Metering: the generic cell rate algorithm (ITU-T I.371, annex A) for each band. A token bucket
 * says the same: it is as full as the burst is longer than the time that the next packet is due is
 * ahead.
 */
#include "base/compiler.h"
#include "flow/meter.h"
#include "flow/tally.h"

#define NS_IN_SECOND 1000000000ull
#define PARTS METER_DUE_PARTS
/* The time of a band that lies so far ahead is of other settings; or the clock has begun again,
 * after some years. */
#define SLACK (NS_IN_SECOND * PARTS)
#define LONGEST (1ull << 62)

/* How long @n units (packets; bits, of @rate kilobits) take at @rate, in parts of ns; cut, so that
 * a burst has room for as many packets as it is long. */
static uint64_t duration(uint64_t n, uint64_t in_unit, uint32_t rate)
{
	uint64_t per_second = rate * in_unit;
	unsigned __int128 t;

	if (likely(n <= UINT64_MAX / (NS_IN_SECOND * PARTS)))
		return n * (NS_IN_SECOND * PARTS) / per_second;
	t = (unsigned __int128)n * (NS_IN_SECOND * PARTS) / per_second;
	return t < LONGEST ? (uint64_t)t : LONGEST;
}

/* Whether the packet is within the band: then it takes its time. All in parts of ns. */
static bool band_take(struct meter_band_state *state, uint64_t cost, uint64_t burst, uint64_t now)
{
	uint64_t due = __atomic_load_n(&state->due, __ATOMIC_RELAXED), next;
	bool within;

	do {
		uint64_t ahead = due > now ? due - now : 0;

		within = ahead <= burst && cost <= burst - ahead;
		if (within)
			next = now + ahead + cost;
		else if (ahead > burst + SLACK)
			next = now + burst; /* empty, as it is */
		else
			return false;
	} while (!SHARED_SWAP(&state->due, &due, next, __ATOMIC_RELAXED));
	return within;
}

static bool band_exceeded(const struct meter *meter, unsigned i, uint32_t len, uint64_t now)
{
	const struct meter_band *band = &meter->bands[i];
	bool kbps = meter->flags & METER_KBPS;
	uint64_t unit = kbps ? 1000 : 1, cost, burst;

	if (!band->rate)
		return true;
	cost = duration(kbps ? 8ull * len : 1, unit, band->rate);
	burst = duration((band->burst ? band->burst : band->rate) * unit, unit, band->rate);
	return !band_take(&meter->state->bands[i], cost, burst, now * PARTS);
}

enum meter_verdict meter_take(const struct meter *meter, uint32_t len, uint64_t now,
			      uint8_t *prec_level)
{
	const struct meter_band *worst = NULL;
	struct meter_band_state *state;

	tally_word_add(&meter->state->packets, 1);
	tally_word_add(&meter->state->bytes, len);
	for (unsigned i = 0; i < meter->n_bands; i++)
		if (band_exceeded(meter, i, len, now) &&
		    (!worst || meter->bands[i].rate > worst->rate))
			worst = &meter->bands[i];
	if (!worst)
		return METER_PASS;
	state = &meter->state->bands[worst - meter->bands];
	tally_word_add(&state->packets, 1);
	tally_word_add(&state->bytes, len);
	if (worst->type != BAND_DSCP_REMARK)
		return METER_DROP;
	*prec_level = worst->prec_level;
	return METER_REMARK;
}
