// SPDX-License-Identifier: Apache-2.0
/* All bounds, for people. */
#include "base/limit.h"
#include "switch/private.h"

static json_t *row(uint64_t most, uint64_t refused, const char *text)
{
	return json_pack("{s:I, s:I, s:s}", "most", (json_int_t)most, "refused",
			 (json_int_t)refused, "text", text);
}

static void set_now(json_t *row, uint64_t now)
{
	if (now != LIMIT_UNKNOWN)
		json_object_set_new(row, "now", json_integer((json_int_t)now));
}

/* What waits for queues that change hands; what finds no room is a drop of its port's. */
static json_t *waiting(const struct swtch *sw)
{
	uint64_t refused = gone_sum(sw->gone)->drops[DROP_tx_held_full], now, most;
	json_t *o;

	for (const struct sw_port *p = sw->ports; p; p = p->next)
		refused += switch_port_counters(p).drops[DROP_tx_held_full];
	datapath_waiting(sw->dp, &now, &most);
	o = row(most, refused, "of packets that wait while queues change hands");
	set_now(o, now);
	return o;
}

json_t *switch_show_limits(const struct swtch *sw)
{
	json_t *all = json_object();

	for (const struct limit *l = limits(); l; l = l->next) {
		json_t *o = row(l->most, limit_refused(l), l->text);

		set_now(o, limit_now(l));
		json_object_set_new(all, l->name, o);
	}
	json_object_set_new(all, "waiting_bytes", waiting(sw));
	return all;
}
