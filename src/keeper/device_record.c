// SPDX-License-Identifier: Apache-2.0
/* Devices as records. */
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "keeper/device_record.h"

/* What the records hold, of this version of the table. */
struct device_data {
	struct keeper_open where;
	uint32_t number, id, connection;
	uint8_t connected, over, told_message, padding;
	int32_t peer_pid;
	uint64_t dev, ino; /* of the socket file */
};

struct kept_data {
	struct vhost_key key;
	uint64_t number;
	uint32_t count;
	struct vhost_user_header header;
	uint8_t payload[TABLE_DATA_MAX - 40];
};

enum { LISTENS, CONNECTION, STATES, N_FDS }; /* a device's fds */

_Static_assert(sizeof(struct device_data) <= TABLE_DATA_MAX, "a device fits");
_Static_assert(sizeof(struct kept_data) <= TABLE_DATA_MAX, "a message fits");
_Static_assert(sizeof(struct vhost_outbox) <= TABLE_DATA_MAX, "an outbox fits");
_Static_assert(offsetof(struct table_record, data) % 8 == 0, "and is where it may be");

/* ---- devices */

struct table_record *device_record_save(struct keeper_table *table, struct table_record *old,
					const struct device_record *d)
{
	struct device_data data = {
		.where = d->where,
		.number = d->number,
		.id = d->id,
		.connection = d->connection,
		.connected = d->connected,
		.over = d->over,
		.told_message = d->told_message,
		.peer_pid = d->fds.peer_pid,
		.dev = d->fds.file.dev,
		.ino = d->fds.file.ino,
	};
	int fds[N_FDS] = { d->fds.listen_fd, d->fds.fd, d->state_fd };
	struct table_record *record;

	record = keeper_table_add(table, TABLE_DEVICE, d->number, &data, sizeof(data), fds, N_FDS);
	keeper_table_drop(table, old);
	return record;
}

bool device_record_load(const struct keeper_table *table, const struct table_record *record,
			struct device_record *d)
{
	struct device_data data;
	int *fds[N_FDS] = { &d->fds.listen_fd, &d->fds.fd, &d->state_fd };
	bool all = true;

	memcpy(&data, record->data, sizeof(data));
	data.where.name[sizeof(data.where.name) - 1] = 0;
	data.where.path[sizeof(data.where.path) - 1] = 0;
	*d = (struct device_record){
		.where = data.where,
		.number = data.number,
		.id = data.id,
		.connection = data.connection,
		.connected = data.connected,
		.over = data.over,
		.told_message = data.told_message,
		.fds = { .file = { .dev = data.dev, .ino = data.ino }, .peer_pid = data.peer_pid },
	};
	for (unsigned i = 0; i < N_FDS; i++) {
		*fds[i] = keeper_table_dup(table, record, i);
		all = all && (*fds[i] >= 0 || !record->files[i]);
	}
	all = all && d->number == record->device;
	if (all && d->connected == (d->fds.fd >= 0))
		return true;
	for (unsigned i = 0; i < N_FDS; i++)
		if (*fds[i] >= 0)
			close(*fds[i]);
	return false;
}

/* ---- outboxes */

struct table_record *device_outbox_add(struct keeper_table *table, uint32_t number)
{
	return keeper_table_add(table, TABLE_OUTBOX, number, NULL, 0, NULL, 0);
}

static struct table_record *next_of(const struct keeper_table *table, enum table_kind kind,
				    uint32_t number, const struct table_record *after)
{
	struct table_record *r = keeper_table_next(table, kind, after);

	while (r && r->device != number)
		r = keeper_table_next(table, kind, r);
	return r;
}

struct table_record *device_outbox_find(const struct keeper_table *table, uint32_t number)
{
	return next_of(table, TABLE_OUTBOX, number, NULL);
}

struct vhost_outbox *device_outbox(struct table_record *record)
{
	return (struct vhost_outbox *)(void *)record->data;
}

/* ---- journals */

static void *mirror_add(void *owner, const struct vhost_kept *kept)
{
	const struct device_mirror *m = owner;
	struct kept_data data = { .key = kept->key,
				  .number = kept->number,
				  .count = kept->count,
				  .header = kept->header };
	size_t len = offsetof(struct kept_data, payload) + kept->header.size;

	if (kept->header.size <= sizeof(data.payload))
		memcpy(data.payload, kept->payload, kept->header.size);
	return keeper_table_add(m->table, TABLE_KEPT, m->number, &data, len, kept->fds,
				kept->n_fds);
}

static void mirror_remove(void *owner, void *ref)
{
	const struct device_mirror *m = owner;

	keeper_table_drop(m->table, ref);
}

const struct vhost_journal_mirror device_journal_mirror = { mirror_add, mirror_remove };

static bool load_kept(const struct device_mirror *m, struct table_record *r,
		      struct vhost_journal *journal)
{
	struct kept_data data;
	struct vhost_kept kept;
	bool good = true;

	memcpy(&data, r->data, sizeof(data));
	kept = (struct vhost_kept){ .key = data.key,
				    .number = data.number,
				    .count = data.count,
				    .header = data.header,
				    .payload = data.payload };
	if (data.header.size > sizeof(data.payload) || r->n_fds > VHOST_USER_FDS_MAX)
		return false;
	if (!kept.count || kept.count > VHOST_COUNT_MAX || !kept.number ||
	    kept.number % VHOST_COUNT_MAX)
		return false;
	while (good && kept.n_fds < r->n_fds) {
		kept.fds[kept.n_fds] = keeper_table_dup(m->table, r, kept.n_fds);
		good = kept.fds[kept.n_fds++] >= 0;
	}
	if (good && vhost_journal_restore(journal, &kept, r) == 0)
		return true;
	for (unsigned i = 0; i < kept.n_fds; i++)
		if (kept.fds[i] >= 0)
			close(kept.fds[i]);
	return false;
}

bool device_journal_load(const struct device_mirror *m, struct vhost_journal *journal)
{
	struct table_record *r = NULL;

	while ((r = next_of(m->table, TABLE_KEPT, m->number, r)))
		if (!load_kept(m, r, journal))
			return false;
	return true;
}
