// SPDX-License-Identifier: Apache-2.0
/* Packets on paper: what would become of them, told as a story. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "flow/story.h"
#include "switch/flows_private.h"
#include "switch/flows_text.h"

struct tracing {
	struct pkt pkt;
	struct iovec rest;
	struct flow_key key;
	struct plan_draft draft;
};

static const char *name_of_port(void *arg, uint32_t number)
{
	const struct sw_port *p = flows_find_port(arg, number);

	return p ? p->name : NULL;
}

/* The bridge that the rules are of; NULL: it goes away. */
static const struct sw_bridge *bridge_of(const struct flows *flows)
{
	for (const struct sw_bridge *b = flows->sw->bridges; b; b = b->next)
		if (b->flows == flows)
			return b;
	return NULL;
}

/* Where the destination is, as far as the bridge knows now. Nothing is learned. */
static void tell_normal(void *arg, const struct flow_key *key, char *text, size_t size)
{
	const struct flows *flows = arg;
	const struct sw_bridge *bridge = bridge_of(flows);
	const struct sw_port *in = flows_find_port(flows, key->in_port), *p;
	uint16_t vid = key->vlan[0].tci & VLAN_VID_MASK;

	if (!vid && in)
		vid = in->settings.tag;
	p = bridge && !mac_is_multicast(key->eth_dst)
		    ? switch_port_by_id(flows->sw,
					mac_table_lookup(bridge->macs, key->eth_dst, vid))
		    : NULL;
	if (p)
		snprintf(text, size, "its destination is behind port %u (%s)", p->ofport, p->name);
	else if (mac_is_multicast(key->eth_dst))
		snprintf(text, size, "it is for all ports");
	else
		snprintf(text, size, "nobody knows its destination, so to all ports");
}

static json_t *tell(struct flows *flows, struct tracing *t, const struct pkt *pkt, uint32_t len)
{
	struct translate_limit limit = { 0 };
	struct translate_input in = {
		.pipeline = flows->current, .key = &t->key, .len = len, .pkt = pkt
	};
	const struct story_bridge bridge = { flows, name_of_port, tell_normal };
	struct story *story = story_create(&t->key);
	json_t *trace, *out = NULL;
	char *text;

	if (!story)
		return NULL;
	story_set_bridge(story, &bridge);
	in.story = story_hooks(story);
	translate(&in, &t->draft, &limit);
	text = story_text(story, &t->draft, &limit);
	trace = story_json(story, &t->draft, &limit);
	if (text && trace)
		out = json_pack("{s:s, s:O}", "text", text, "trace", trace);
	free(text);
	json_decref(trace);
	story_destroy(story);
	return out;
}

json_t *flows_trace(struct flows *flows, const struct traced *packet, struct error *err)
{
	uint32_t total = (uint32_t)max(packet->len, packet->total_len);
	struct tracing *t;
	json_t *out;

	if (packet->frame && (packet->len < ETH_HLEN || packet->len > FRAME_LEN_MAX)) {
		error_set(err, -EINVAL, "a packet of %zu bytes is no Ethernet frame", packet->len);
		return NULL;
	}
	t = aligned_alloc(CACHE_LINE, (sizeof(*t) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
	error_set(err, -ENOMEM, "out of memory");
	if (!t)
		return NULL;
	memset(&t->key, 0, sizeof(t->key));
	if (packet->frame) {
		pkt_init_single(&t->pkt, &t->rest, packet->frame, (uint32_t)packet->len);
		t->pkt.len = total;
		flow_key_extract(&t->key, &t->pkt, packet->in_port);
		out = tell(flows, t, &t->pkt, total);
	} else {
		t->key = *packet->key;
		out = tell(flows, t, NULL, ETH_ZLEN);
	}
	free(t);
	return out;
}
