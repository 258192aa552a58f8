// SPDX-License-Identifier: Apache-2.0
/* Timeouts of rules. Those that have one are in a heap, by the time at which they have to be looked
 * at: packets that come meanwhile do not touch it, but when that time is there the rule may turn
 * out to live longer. Only then the counts are asked for, so that nothing is forgotten that is in
 * use.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "switch/flows_keep.h"

LOG_MODULE("flows");

#define REST_MS 20   /* between two looks, at least */
#define RUN 10000u   /* rules looked at in a row */
#define RETRY_MS 100 /* when there was no memory */
#define SLEEP_MS_MAX 3600000u

/* One moment by the clock of packets and by that of rules. */
struct moment {
	uint64_t packets_ms, rules_ms;
};

/* In this order: a pause between the two makes rules live longer, not shorter. */
static struct moment moment_now(void)
{
	uint64_t packets_ms = clock_ns() / NSEC_PER_MSEC;

	return (struct moment){ .packets_ms = packets_ms, .rules_ms = flows_now_ms() };
}

/* Time since the last packet, or since the rule has come. */
static uint64_t idle_ms(const struct rule *rule, struct moment now)
{
	uint64_t used = tally_read(rule->tally).used_ms;
	uint64_t age = now.rules_ms > rule->created_ms ? now.rules_ms - rule->created_ms : 0;
	uint64_t rest = now.packets_ms > used ? now.packets_ms - used : 0;

	return used ? min(age, rest) : age;
}

static uint64_t deadline_ms(const struct rule *rule, struct moment now, enum removed_reason *why)
{
	uint64_t modified = __atomic_load_n(&rule->modified_ms, __ATOMIC_RELAXED);
	uint64_t hard = UINT64_MAX, idle = UINT64_MAX;

	if (rule->hard_timeout)
		hard = modified + rule->hard_timeout * 1000ull;
	if (rule->idle_timeout)
		idle = now.rules_ms - idle_ms(rule, now) + rule->idle_timeout * 1000ull;
	*why = hard <= idle ? REMOVED_HARD : REMOVED_IDLE;
	return min(hard, idle);
}

/* The heap; places are from 1. */

static struct flows_rule *heap_get(const struct flows *flows, uint32_t at)
{
	return flows->due[at - 1];
}

static void heap_put(struct flows *flows, uint32_t at, struct flows_rule *rule)
{
	flows->due[at - 1] = rule;
	rule->at = at;
}

static void sift_up(struct flows *flows, struct flows_rule *rule, uint32_t at)
{
	while (at > 1 && heap_get(flows, at / 2)->due_ms > rule->due_ms) {
		heap_put(flows, at, heap_get(flows, at / 2));
		at /= 2;
	}
	heap_put(flows, at, rule);
}

static void sift_down(struct flows *flows, struct flows_rule *rule, uint32_t at)
{
	for (;;) {
		uint32_t child = 2 * at;

		if (child > flows->n_due)
			break;
		if (child < flows->n_due &&
		    heap_get(flows, child + 1)->due_ms < heap_get(flows, child)->due_ms)
			child++;
		if (heap_get(flows, child)->due_ms >= rule->due_ms)
			break;
		heap_put(flows, at, heap_get(flows, child));
		at = child;
	}
	heap_put(flows, at, rule);
}

/* Puts @rule at @at, or nearer to the top, or farther. */
static void sift(struct flows *flows, struct flows_rule *rule, uint32_t at)
{
	sift_up(flows, rule, at);
	sift_down(flows, rule, rule->at);
}

static void set_timer(struct flows *flows)
{
	uint64_t now = flows_now_ms(), due, wait;
	struct timeval tv;

	if (flows->closed || flows->expiring || !flows->timer)
		return;
	if (!flows->n_due) {
		event_del(flows->timer);
		return;
	}
	due = heap_get(flows, 1)->due_ms;
	wait = due > now ? due - now : 0;
	wait = max(wait, (uint64_t)REST_MS);
	wait = min(wait, (uint64_t)SLEEP_MS_MAX);
	tv = (struct timeval){ .tv_sec = (time_t)(wait / 1000),
			       .tv_usec = (suseconds_t)(wait % 1000 * 1000) };
	event_add(flows->timer, &tv);
}

int expire_reserve(struct flows *flows, size_t n)
{
	size_t size = max((size_t)flows->n_due + n, 2 * (size_t)flows->due_size);
	struct flows_rule **due;

	if (flows->n_due + n <= flows->due_size)
		return 0;
	due = reallocarray(flows->due, size, sizeof(struct flows_rule *));
	if (!due)
		return -ENOMEM;
	flows->due = due;
	flows->due_size = (uint32_t)size;
	return 0;
}

void expire_add(struct flows *flows, struct flows_rule *rule)
{
	enum removed_reason why;

	expire_remove(flows, rule);
	if (!rule->rule->idle_timeout && !rule->rule->hard_timeout)
		return;
	rule->due_ms = deadline_ms(rule->rule, moment_now(), &why);
	flows->n_due++;
	sift_up(flows, rule, flows->n_due);
	if (rule->at == 1)
		set_timer(flows);
}

void expire_remove(struct flows *flows, struct flows_rule *rule)
{
	uint32_t at = rule->at;
	struct flows_rule *last;

	if (!at)
		return;
	rule->at = 0;
	last = heap_get(flows, flows->n_due--);
	if (last != rule)
		sift(flows, last, at);
}

/* All that was due when workers were asked for their counts, which may be many turns ago: of
 * packets that have come since then nothing is known. Those that turn out to live longer wait
 * again. */
static int remove_due(struct flows *flows, struct change *c)
{
	struct moment now = moment_now();
	uint64_t counted = flows->counted_ms;

	for (unsigned i = 0; i < RUN && flows->n_due; i++) {
		struct flows_rule *rule = heap_get(flows, 1);
		enum removed_reason why;
		uint64_t deadline;

		if (rule->due_ms > counted)
			break;
		deadline = deadline_ms(rule->rule, now, &why);
		if (deadline <= counted && change_remove(c, rule->rule, why) < 0)
			return -ENOMEM;
		/* what is removed leaves the heap when the change is published */
		rule->due_ms = deadline <= counted ? UINT64_MAX : deadline;
		if (deadline > counted)
			flows_keep_times(rule->rule);
		sift_down(flows, rule, 1);
	}
	return 0;
}

/* There was no memory: those that were to go are looked at again. Said once, until they go. */
static void put_back(struct flows *flows)
{
	uint64_t due = flows_now_ms() + RETRY_MS;

	if (!flows->overdue)
		log_warning("bridge %s: memory is short: rules whose time is over stay for now",
			    flows->name);
	flows->overdue = true;
	for (uint32_t at = 1; at <= flows->n_due; at++) {
		struct flows_rule *rule = heap_get(flows, at);

		if (rule->due_ms == UINT64_MAX) {
			rule->due_ms = due;
			sift_up(flows, rule, at);
		}
	}
}

static void on_counted(void *arg)
{
	struct flows *flows = arg;
	struct change c;
	int r;

	flows->expiring = false;
	if (flows->closed || flows->sw->destroying)
		return;
	r = change_begin(&c, flows);
	if (r == 0) {
		r = remove_due(flows, &c);
		if (r < 0)
			change_abort(&c);
		else
			r = change_commit(&c);
	}
	if (r < 0)
		put_back(flows);
	else
		flows->overdue = false;
	set_timer(flows);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct flows *flows = arg;

	if (!flows->n_due || heap_get(flows, 1)->due_ms > flows_now_ms()) {
		set_timer(flows);
		return;
	}
	flows->expiring = true;
	flows_settle(flows, on_counted, flows);
}

int expire_init(struct flows *flows)
{
	flows->timer = evtimer_new(flows->sw->base, on_timer, flows);
	return flows->timer ? 0 : -ENOMEM;
}

void expire_close(struct flows *flows)
{
	if (flows->timer)
		event_free(flows->timer);
	flows->timer = NULL;
}
