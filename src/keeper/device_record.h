/* SPDX-License-Identifier: Apache-2.0 */
/* Devices in the keeper's table: what of them, and of their front-ends, another keeper must know.
 * The keeper's thread.
 */
#pragma once

#include <stdbool.h>

#include "keeper/table.h"
#include "vhost/socket_endpoint.h"

/* A device, but for its journal and its outbox. */
struct device_record {
	struct keeper_open where;
	uint32_t number; /* of the device in the table */
	uint32_t id;	 /* what the switch process calls it; 0: it has not opened it */
	uint32_t connection;
	bool connected, over, told_message;
	struct vhost_socket_fds fds;
	int state_fd; /* -1: none */
};

/* Writes it down, in the place of @old (NULL: it is new). Returns the record. */
const struct table_record *device_record_save(struct keeper_table *table,
					      const struct table_record *old,
					      const struct device_record *device);

/* Reads it; the fds are the caller's. False when they cannot be had. */
bool device_record_load(const struct keeper_table *table, const struct table_record *record,
			struct device_record *device);

/* The outbox of a device, whose place is in the table; NULL when the table is broken. */
const struct table_record *device_outbox_add(struct keeper_table *table, uint32_t number);
const struct table_record *device_outbox_find(const struct keeper_table *table, uint32_t number);
struct vhost_outbox *device_outbox(const struct table_record *record);

/* A device's journal, in a table. */
struct device_mirror {
	struct keeper_table *table;
	uint32_t number;
};

/* Writes down what a journal keeps; its owner is a struct device_mirror. */
extern const struct vhost_journal_mirror device_journal_mirror;

/* Fills the device's journal. False when something cannot be had. */
bool device_journal_load(const struct device_mirror *mirror, struct vhost_journal *journal);
