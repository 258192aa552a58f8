// SPDX-License-Identifier: Apache-2.0
/* A forwarder that is turned by hand (see rig.h). */
#include <assert.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../unit/view_maker.h"
#include "datapath/forward.h"
#include "rig.h"

#define ADDRESSES 16384 /* places for them: none has to go for another one */

struct rig {
	struct maker m;
	struct inboxes inboxes;
	struct unsettled unsettled;
	struct upcalls upcalls;
	int fd;
	struct forwarder *fw;
	struct batch *batch;
	struct view *view;
	uint64_t generation;
	struct port *dummies[PORTS + 1];
	const struct pipeline *rules;
};

struct rig *rig_create(void)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert(rig);
	maker_init(&rig->m, 1);
	mac_table_destroy(rig->m.macs[0]);
	rig->m.macs[0] = mac_table_create(ADDRESSES);
	rig->m.rules[0] = &rig->rules;
	rig->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	assert(rig->m.macs[0] && rig->fd >= 0);
	assert(!inboxes_init(&rig->inboxes, 1) && !upcalls_init(&rig->upcalls, rig->fd));
	rig->fw = forwarder_create(0, &rig->inboxes, &rig->upcalls, &rig->unsettled);
	rig->batch = batch_create();
	assert(rig->fw && rig->batch);
	for (unsigned id = 1; id <= PORTS; id++)
		rig->dummies[id] = maker_add(&rig->m, id, 1);
	return rig;
}

void rig_destroy(struct rig *rig)
{
	for (unsigned id = 1; id <= PORTS; id++)
		rig->m.ports[id].port = rig->dummies[id];
	forwarder_destroy(rig->fw);
	upcalls_destroy(&rig->upcalls);
	inboxes_destroy(&rig->inboxes);
	maker_free_view(rig->view);
	batch_destroy(rig->batch);
	maker_destroy(&rig->m);
	close(rig->fd);
	free(rig);
}

static void set_port(struct view_port *v, const struct bridge_port *p)
{
	v->serial = p->serial;
	v->link = p->link;
	v->access = p->access;
	v->native_tagged = p->native_tagged;
	v->is_protected = p->is_protected;
	v->tag = p->tag;
	v->trunks = p->all_vlans ? NULL : p->trunks;
	v->mtu = p->mtu;
	v->mac_limit = p->mac_limit;
	v->n_macs = p->n_sources;
	v->macs = p->sources;
}

void rig_show_ports(struct rig *rig, const struct bridge_port ports[PORTS + 1])
{
	for (unsigned id = 1; id <= PORTS; id++) {
		set_port(&rig->m.ports[id], &ports[id]);
		rig->m.ports[id].port = ports[id].there ? rig->dummies[id] : NULL;
	}
	maker_free_view(rig->view);
	rig->view = maker_view(&rig->m);
	rig->view->generation = ++rig->generation;
}

void rig_publish(struct rig *rig, const struct pipeline *rules)
{
	rig->rules = rules;
}

struct mac_table *rig_macs(struct rig *rig)
{
	return rig->m.macs[0];
}

void rig_inject(struct rig *rig, uint32_t port, const struct frame *frame)
{
	assert(!dummy_inject(rig->dummies[port], 0, frame->bytes, frame->len, NULL));
}

void rig_receive(struct rig *rig, uint32_t port, uint64_t now)
{
	struct rxq *q = rig->dummies[port]->rxqs[0];
	const struct view_rxq rxq = { q, port, 0 };
	struct port_counters *c = &rig->m.ports[port].state->counters[0];

	forward_inboxes(rig->fw, rig->view, now);
	batch_clear(rig->batch);
	q->port->ops->rx(q, rig->batch, c);
	forward_batch(rig->fw, rig->view, &rxq, rig->batch, now, c);
	q->port->ops->rx_done(q, rig->batch);
}

void rig_keep(struct rig *rig, const struct upcall *u)
{
	const struct record r = {
		.kind = RECORD_TAUGHT,
		.port = u->port,
		.serial = u->serial,
		.len = u->frame_len,
		.in_port = u->in_port,
		.rules = u->rules,
		.n_waits = u->n_waits,
		.version = u->version,
	};

	assert(!inboxes_put(&rig->inboxes, &r, NULL, u->frame));
}

void rig_again(struct rig *rig, uint64_t now)
{
	forward_inboxes(rig->fw, rig->view, now);
}

bool rig_sent(struct rig *rig, uint32_t port, struct frame *out)
{
	const struct dummy_frame *f = dummy_sent_peek(rig->dummies[port], 0);

	if (!f)
		return false;
	assert(f->len <= sizeof(out->bytes));
	out->len = f->len;
	memcpy(out->bytes, f->bytes, f->len);
	dummy_sent_pop(rig->dummies[port], 0);
	return true;
}

const struct upcall *rig_upcall(struct rig *rig)
{
	return upcalls_next(&rig->upcalls);
}

void rig_release(struct rig *rig)
{
	upcalls_release(&rig->upcalls);
}

void rig_settle(struct rig *rig)
{
	forward_settle(rig->fw);
}

void rig_stats(struct rig *rig, struct plans_stats *stats)
{
	forward_stats(rig->fw, stats);
}
