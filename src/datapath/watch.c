// SPDX-License-Identifier: Apache-2.0
/* Packets that somebody watches. */
#include "datapath/watch.h"
#include "datapath/bridging.h"
#include "flow/pipeline.h"
#include "port/offload.h"

/* Why the packet will not come so far as to be decided about; DROP_N_REASONS: it will. */
static unsigned refusal(const struct view_port *in, struct pkt *pkt)
{
	if (!offload_none(pkt) && !offload_check(pkt))
		return DROP_offload;
	return payload_len(pkt) > in->mtu ? DROP_too_long : DROP_N_REASONS;
}

static void tell(struct upcalls *up, struct watch *watch, const struct view_port *in,
		 struct pkt *pkt)
{
	const struct upcall u = {
		.kind = UPCALL_WATCHED,
		.reason = (uint8_t)refusal(in, pkt),
		.port = in->id,
		.serial = in->serial,
		.in_port = in->ofport,
		.total_len = pkt->len,
		.frame_len = pkt->head_len, /* nothing is decided by what is behind */
		.rules = in->bridge->rules,
		.watch = watch,
		/* read before the packet meets the rules: when these are the newest later, too,
		 * they are those that it has met */
		.version = pipeline_version(rcu_read(in->bridge->rules)),
	};

	/* what finds no room is counted as seen, and not told */
	(void)upcalls_put(up, &u, pkt);
}

static void watch_packets(struct upcalls *up, struct watch *watch, const struct view_port *in,
			  struct batch *batch, uint64_t now)
{
	struct flow_key key = { 0 };

	for (unsigned i = 0; i < batch->n; i++) {
		struct pkt *pkt = &batch->pkts[i];

		if (pkt->len < ETH_HLEN)
			continue;
		pkt_parse(pkt);
		flow_key_extract(&key, pkt, in->ofport);
		if (!match_covers(&watch->filter, &key))
			continue;
		/* before it is told of: when it is the last one, all are summed up */
		__atomic_fetch_add(&watch->n_seen, 1, __ATOMIC_RELAXED);
		if (view_limit_take(&watch->limit, &watch->due, now))
			tell(up, watch, in, pkt);
	}
}

void watch_batch(struct upcalls *up, const struct view_port *in, struct batch *batch, uint64_t now)
{
	if (!in->bridge->rules)
		return;
	for (unsigned i = 0; i < in->n_watches; i++)
		watch_packets(up, in->watches[i], in, batch, now);
}
