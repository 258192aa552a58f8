/* SPDX-License-Identifier: Apache-2.0 */
/* All that the keeper knows, in a file in memory, so that another keeper can go on with it: one
 * that the service manager starts when this one has died, or another program that takes its place.
 * The keeper's thread.
 *
 * Theory of operation. The file is an array of records, each with up to 8 open files, which are
 * named by their numbers (keeper/store.h). What is changed together is a *change*: records are
 * added, others dropped, and then keeper_table_commit() makes all of it true with one store, the
 * number of the last change that was made. A record says with which change it was born and died:
 * what was born later than the last change was never there, and what died later still lives. Files
 * are given to the manager before the change that needs them, and taken back behind the one that
 * lets go of them; a new keeper lets go of what no record names. So the keeper can be killed at any
 * instruction. The service manager holds the file itself under the name "table".
 *
 * When something cannot be written down (memory is short, the manager does not take a file), the
 * table is *broken*: the keeper goes on, and another that finds the table starts anew.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "keeper/proto.h"

#define TABLE_DATA_MAX 448 /* bytes of a record */

enum table_kind {
	TABLE_DEVICE = 1, /* keeper/relay.c */
	TABLE_OUTBOX,	  /* struct vhost_outbox, changed in place */
	TABLE_KEPT,	  /* of a journal */
	TABLE_HELD,	  /* a key: what the switch lets be held */
	TABLE_CONFIG,	  /* its configuration */
	TABLE_PROGRAM,	  /* that it is started from */
	TABLE_PROCESS,	  /* the one that may touch rings: pid_t, and a pidfd */
	TABLE_KINDS,
};

/* Read only, but for TABLE_OUTBOX's data. */
struct table_record {
	uint32_t kind;	     /* enum table_kind; 0: the place is free */
	uint32_t device;     /* whose it is; 0: of no device */
	uint64_t born, died; /* numbers of changes; died 0: it has not */
	uint32_t len;	     /* bytes of data */
	uint32_t n_fds;
	uint32_t files[KEEPER_FDS_MAX]; /* their numbers; 0: none */
	uint8_t data[TABLE_DATA_MAX];
};

/* What is changed in place. */
struct table_life {
	uint32_t ever_ready; /* a switch process has served */
	uint32_t n_crashes;
	uint32_t n_attempts; /* keepers that have gone on with it in a row without getting ready */
	int32_t link_fd;     /* at an exchange of the keeper: the link to the switch process */
	pid_t heir;	     /* the process that is about to be another program; 0: none */
};

struct keeper_table;

/* An empty one, which the manager holds. NULL when memory is short. */
struct keeper_table *keeper_table_create(void);

/* What there is from a keeper before this one: from the service manager; with @fd not -1 from the
 * same process, that was another program. Returns 0, or -errno and a text, and then nothing is left
 * of it; -ENOENT: there was none.
 */
int keeper_table_restore(struct keeper_table **out, int fd, struct error *err);

/* Looks whether keeper_table_restore() would understand the table behind @fd, which it neither
 * changes nor closes. 0, or -errno and a text. */
int keeper_table_check(int fd, struct error *err);

/* Gives everything up: nobody goes on. NULL is fine. */
void keeper_table_destroy(struct keeper_table *table);

/* Adds a record, with copies of @len bytes (TABLE_DATA_MAX at most) and of @n fds, -1 for none. A
 * record that cannot be added breaks the table, and is NULL. */
const struct table_record *keeper_table_add(struct keeper_table *table, enum table_kind kind,
					    uint32_t device, const void *data, size_t len,
					    const int *fds, unsigned n);

/* Drops a record; NULL is fine. */
void keeper_table_drop(struct keeper_table *table, const struct table_record *record);

/* Makes all of that true, as one change. */
void keeper_table_commit(struct keeper_table *table);

/* The number of the last change that was made; the next is the one behind it. */
uint64_t keeper_table_made(const struct keeper_table *table);

/* The first record of @kind, and the one behind @after; NULL: none. */
const struct table_record *keeper_table_next(const struct keeper_table *table, enum table_kind kind,
					     const struct table_record *after);

/* The record's fd @i, which stays the table's; -1: none. A duplicate that is the caller's. */
int keeper_table_fd(const struct keeper_table *table, const struct table_record *r, unsigned i);
int keeper_table_dup(const struct keeper_table *table, const struct table_record *r, unsigned i);

/* What of it is changed in place, by the functions below. */
const struct table_life *keeper_table_life(const struct keeper_table *table);

/* A switch process serves. */
void keeper_table_ready(struct keeper_table *table);

/* Whether another keeper could go on. */
bool keeper_table_whole(const struct keeper_table *table);

/* The table's own fd. */
int keeper_table_own_fd(const struct keeper_table *table);

/* All is ready for this process to become another program: files stay open, @link_fd and @n_crashes
 * are what it finds in its life. */
void keeper_table_bequeath(struct keeper_table *table, int link_fd, uint32_t n_crashes);

/* It does not after all. */
void keeper_table_disinherit(struct keeper_table *table);

/* This process has become that program, and goes on. */
void keeper_table_go_on(struct keeper_table *table);
