// SPDX-License-Identifier: Apache-2.0
/* Timers, and doing without them: a switch that has no packets for two periods wakes up for nothing
 * but an address that is to be forgotten, until there is a packet, or something changes.
 */
#include "base/clock.h"
#include "switch/private.h"

#define PERIOD_S 5	/* between looks for addresses to forget, and at the workers' loads */
#define QUIET_PERIODS 2 /* without a packet */

_Static_assert(PERIOD_S == BALANCE_PERIOD_S, "one timer is for both");

static void start_timer(struct swtch *sw, uint32_t seconds)
{
	struct timeval tv = { .tv_sec = seconds };

	event_add(sw->timer, &tv);
}

static void on_packet(void *arg)
{
	switch_wake_up(arg);
}

/* Seconds until the next address is to be forgotten; false: there is none. */
static bool next_to_forget(const struct swtch *sw, uint32_t *seconds)
{
	uint32_t now = (uint32_t)(clock_ns() / NSEC_PER_SEC), seen;
	bool found = false;

	for (const struct sw_bridge *b = sw->bridges; b; b = b->next) {
		uint32_t age, left;

		if (!mac_table_oldest(b->macs, &seen))
			continue;
		age = (int32_t)(now - seen) > 0 ? now - seen : 0;
		left = age < b->aging ? b->aging - age : 0;
		*seconds = found ? min(*seconds, left) : left;
		found = true;
	}
	return found;
}

/* Sets the timer for the next look; does without it when there is nothing to be seen. */
static void plan(struct swtch *sw)
{
	uint64_t packets = datapath_packets(sw->dp);
	uint32_t seconds;

	sw->n_quiet = packets == sw->n_packets && !sw->moving ? sw->n_quiet + 1 : 0;
	sw->n_packets = packets;
	if (sw->n_quiet < QUIET_PERIODS) {
		start_timer(sw, PERIOD_S);
		return;
	}
	sw->quiet = true;
	datapath_await_packet(sw->dp, on_packet, sw);
	if (next_to_forget(sw, &seconds))
		start_timer(sw, max(seconds, (uint32_t)PERIOD_S));
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct swtch *sw = arg;

	switch_ring(sw);
	switch_age_macs(sw);
	if (!sw->quiet)
		switch_balance(sw);
	plan(sw);
}

int switch_timer_init(struct swtch *sw)
{
	sw->timer = evtimer_new(sw->base, on_timer, sw);
	if (!sw->timer)
		return -1;
	start_timer(sw, PERIOD_S);
	return 0;
}

void switch_wake_up(struct swtch *sw)
{
	sw->n_quiet = 0;
	if (!sw->quiet)
		return;
	sw->quiet = false;
	start_timer(sw, PERIOD_S);
}
