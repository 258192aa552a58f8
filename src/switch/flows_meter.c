// SPDX-License-Identifier: Apache-2.0
/* Changes of meters (OpenFlow 1.5.1, 7.3.4.4). */
#include <errno.h>
#include <stdlib.h>

#include "base/limit.h"
#include "switch/flows_private.h"

LIMIT_EACH(meter_limit, "meters", METERS_MAX, "of each bridge");

static enum of_error no_memory(struct error *err)
{
	error_set(err, -ENOMEM, "out of memory");
	return OFERR_METER_OUT_OF_METERS;
}

/* Old versions and new ones count, and limit, together; what a band owes is forgiven. */
static void inherit(struct flows *flows, struct flows_meter *owner, const struct meter *old)
{
	owner->slot = ((const struct flows_meter *)old->owner)->slot;
	bank_ref(&flows->meters, owner->slot);
	for (unsigned i = 0; i < METER_BANDS_MAX; i++)
		shared_store(&old->state->bands[i].due, 0);
}

int flows_own_meter(struct flows *flows, struct meter *meter, const struct meter *old)
{
	struct flows_meter *owner = calloc(1, sizeof(*owner));

	if (!owner)
		return -ENOMEM;
	if (old) {
		inherit(flows, owner, old);
	} else if (bank_take(&flows->meters, &owner->slot) < 0) {
		free(owner);
		return -ENOMEM;
	}
	owner->flows = flows;
	meter->owner = owner;
	meter->state = bank_at(&flows->meters, owner->slot);
	meter->created_ms = old ? old->created_ms : flows_now_ms();
	return 0;
}

/* Takes @meter over. */
static enum of_error put(struct change *c, struct meter *meter, const struct meter *old,
			 struct error *err)
{
	struct change_object note = { .kind = CHANGE_METER, .id = meter->id, .object = meter };
	enum of_error e = meter_check(meter, err);

	if (!e && !old && pipeline_n_meters(c->next) >= METERS_MAX) {
		limit_refuse(&meter_limit);
		error_set(err, -ENOSPC, "no more than %u meters in a bridge", METERS_MAX);
		e = OFERR_METER_OUT_OF_METERS;
	}
	if (!e && flows_own_meter(c->flows, meter, old) < 0)
		e = no_memory(err);
	if (old)
		note.record = ((const struct flows_meter *)old->owner)->record;
	if (!e && (change_note(c, note) < 0 || pipeline_add_meter(c->next, meter) < 0))
		e = no_memory(err);
	if (e)
		meter_unref(meter);
	return e;
}

/* Removes @meter; rules that use it are gone. */
static enum of_error remove_one(struct change *c, const struct meter *meter, struct error *err)
{
	struct change_object note = {
		.kind = CHANGE_METER,
		.id = meter->id,
		.record = ((const struct flows_meter *)meter->owner)->record,
	};

	if (change_note(c, note) < 0 || pipeline_remove_meter(c->next, note.id) < 0)
		return no_memory(err);
	return OFERR_NONE;
}

struct remove_all {
	struct change *c;
	struct error *err;
	enum of_error e;
};

static bool remove_each(void *arg, struct meter *meter)
{
	struct remove_all *all = arg;

	all->e = remove_one(all->c, meter, all->err);
	return !all->e;
}

/* There need be none. */
static enum of_error remove_meter(struct change *c, uint32_t id, struct error *err)
{
	struct remove_all all = { .c = c, .err = err };
	const struct meter *meter;

	if (uses_remove(c, USE_METER, id, REMOVED_METER_DELETE) < 0)
		return no_memory(err);
	if (id == METER_ALL) {
		pipeline_each_meter(c->flows->current, remove_each, &all);
		return all.e;
	}
	meter = pipeline_meter(c->next, id);
	return meter ? remove_one(c, meter, err) : OFERR_NONE;
}

static enum of_error carry_out(struct change *c, enum meter_command command, uint32_t id,
			       struct meter *meter, struct error *err)
{
	const struct meter *old;
	enum of_error e;

	if (command == METER_DELETE)
		return remove_meter(c, id, err);
	old = pipeline_meter(c->next, meter->id);
	if (!meter->id || meter->id > METER_MAX) {
		error_set(err, -EINVAL, "numbers of meters are 1 to %u", METER_MAX);
		e = OFERR_METER_INVALID;
	} else if (command == METER_ADD && old) {
		error_set(err, -EEXIST, "there is a meter %u already", meter->id);
		e = OFERR_METER_EXISTS;
	} else if (command == METER_MODIFY && !old) {
		error_set(err, -ENOENT, "no meter %u", meter->id);
		e = OFERR_METER_UNKNOWN_METER;
	} else {
		return put(c, meter, old, err);
	}
	meter_unref(meter);
	return e;
}

enum of_error flows_meter_mod(struct flows *flows, enum meter_command command, uint32_t id,
			      struct meter *meter, struct error *err)
{
	struct change c;
	enum of_error e;

	if (change_begin(&c, flows) < 0) {
		if (meter)
			meter_unref(meter);
		return no_memory(err);
	}
	e = carry_out(&c, command, id, meter, err);
	if (e)
		change_abort(&c);
	else if (change_commit(&c) < 0)
		e = no_memory(err);
	return e;
}
