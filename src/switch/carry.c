// SPDX-License-Identifier: Apache-2.0
/* What goes with a guest to another switch, and what comes with one.
 *
 * Counters go on where they were, beside what this switch has counted itself. Addresses are learned
 * as if the guest had sent from them, within the limits of the port as it is configured here, and
 * frames find the guest before it has said a word. Static addresses do not travel, and VLANs are
 * only compared: what an administrator has told this switch is his word, and a state comes from a
 * front-end, who could otherwise let its guest into any VLAN.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "switch/private.h"
#include "switch/saved_port.h"

LOG_MODULE("switch");

static uint32_t now_seconds(void)
{
	return (uint32_t)(clock_ns() / NSEC_PER_SEC);
}

static struct saved_vlans vlans_of(const struct port_settings *s)
{
	struct saved_vlans v = { .access = s->access,
				 .native_tagged = s->native_tagged,
				 .has_trunks = s->has_trunks,
				 .is_protected = s->is_protected,
				 .tag = s->tag };

	static_assert(sizeof(v.trunks) == sizeof(s->trunks), "the same VLANs");
	if (v.has_trunks)
		memcpy(v.trunks, s->trunks, sizeof(v.trunks));
	return v;
}

/* ---- saving */

struct collection {
	struct saved_port *to;
	uint32_t id;
	unsigned room;
};

static void collect_mac(const struct mac_entry *e, void *arg)
{
	struct collection *c = arg;

	if (e->port == c->id && !e->is_static && c->to->n_macs < c->room)
		c->to->macs[c->to->n_macs++] = (struct saved_mac){ e->mac, e->vid, e->age };
}

int switch_port_save(struct port *port, uint8_t **bytes, size_t *n, struct error *err)
{
	const struct sw_port *p = port->owner;
	unsigned n_macs = mac_table_count(p->bridge->macs, p->id);
	struct saved_port saved = { .counters = switch_port_counters(p),
				    .has_vlans = true,
				    .vlans = vlans_of(&p->settings) };
	struct collection c = { &saved, p->id, min(n_macs, (unsigned)SAVED_PORT_MACS_MAX) };
	int rc = -ENOMEM;

	saved.macs = calloc(c.room + 1, sizeof(*saved.macs));
	if (saved.macs) {
		mac_table_each(p->bridge->macs, now_seconds(), collect_mac, &c);
		rc = saved_port_encode(&saved, bytes, n);
	}
	if (rc)
		error_set(err, rc, "out of memory");
	else
		log_limited(LOG_INFO,
			    "port %s: its state is saved: counters, and %u of %u addresses",
			    p->name, saved.n_macs, n_macs);
	saved_port_free(&saved);
	return rc;
}

/* ---- loading */

/* "access port of VLAN 10" */
static const char *vlans_text(const struct saved_vlans *v, char *text, size_t size)
{
	snprintf(text, size, "%s of VLAN %u%s%s", v->access ? "access port" : "trunk", v->tag,
		 v->native_tagged ? " (tagged)" : "", v->is_protected ? ", protected" : "");
	return text;
}

static bool same_vlans(const struct saved_vlans *a, const struct saved_vlans *b)
{
	return a->access == b->access && a->native_tagged == b->native_tagged &&
	       a->has_trunks == b->has_trunks && a->is_protected == b->is_protected &&
	       a->tag == b->tag && !memcmp(a->trunks, b->trunks, sizeof(a->trunks));
}

/* Tells who has configured one of the two switches in another way than he wanted to. */
static void compare_vlans(const struct sw_port *p, const struct saved_port *saved)
{
	struct saved_vlans here = vlans_of(&p->settings);
	char was[64], is[64];

	if (!saved->has_vlans || same_vlans(&saved->vlans, &here))
		return;
	log_limited(LOG_WARNING,
		    "port %s: the guest comes from another VLAN configuration (%s%s), which does "
		    "not hold here (%s)",
		    p->name, vlans_text(&saved->vlans, was, sizeof(was)),
		    saved->vlans.has_trunks != here.has_trunks ||
				    memcmp(saved->vlans.trunks, here.trunks, sizeof(here.trunks))
			    ? ", other trunks"
			    : "",
		    vlans_text(&here, is, sizeof(is)));
}

/* The VLAN here of an address that was in @vid there: what the guest sends without a tag may be in
 * another one. False when this port does not carry it. */
static bool map_vlan(const struct port_settings *here, const struct saved_port *saved,
		     uint16_t *vid)
{
	if (saved->has_vlans && *vid == saved->vlans.tag)
		*vid = here->tag;
	if (here->access || (here->tag && *vid == here->tag))
		return *vid == here->tag;
	return !here->has_trunks || here->trunks[*vid / 64] >> (*vid % 64) & 1;
}

static bool mac_allowed(const struct port_settings *here, mac_t mac)
{
	for (unsigned i = 0; i < here->n_macs; i++)
		if (here->macs[i] == mac)
			return true;
	return !here->n_macs;
}

/* Returns how many addresses are known to be here now. */
static unsigned learn_macs(struct sw_port *p, const struct saved_port *saved)
{
	const struct port_settings *here = &p->settings;
	uint32_t now = now_seconds();
	unsigned n = 0;

	for (unsigned i = 0; i < saved->n_macs; i++) {
		const struct saved_mac *m = &saved->macs[i];
		uint16_t vid = m->vid;

		if (m->age < p->bridge->aging && mac_allowed(here, m->mac) &&
		    map_vlan(here, saved, &vid) &&
		    mac_table_put(p->bridge->macs, m->mac, vid, p->id, now - m->age,
				  here->mac_limit))
			n++;
	}
	return n;
}

int switch_port_load(struct port *port, const uint8_t *bytes, size_t n, struct error *err)
{
	struct sw_port *p = port->owner;
	struct saved_port saved;
	unsigned n_macs;
	int rc;

	if (p->removing || p->sw->destroying)
		return error_set(err, -ENOENT, "the port is being removed");
	rc = saved_port_decode(&saved, bytes, n, err);
	if (rc)
		return rc;
	compare_vlans(p, &saved);
	n_macs = learn_macs(p, &saved);
	port_counters_store(&p->state->before, &saved.counters);
	log_limited(LOG_INFO,
		    "port %s: goes on from %llu packets received and %llu sent, with %u of %u "
		    "addresses",
		    p->name, (unsigned long long)saved.counters.rx_packets,
		    (unsigned long long)saved.counters.tx_packets, n_macs, saved.n_macs);
	saved_port_free(&saved);
	switch_wake_up(p->sw); /* addresses are to age */
	return 0;
}
