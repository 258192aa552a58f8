/* SPDX-License-Identifier: Apache-2.0 */
/* What a front-end has set up, as the messages that it did it with: told again to a new process,
 * they make the same device of it. Control thread, and the keeper.
 *
 * Theory of operation. A message that has acted is kept under a key, in the place of the one that
 * was kept there before; what it undoes is forgotten. So the journal is as long as the state, not
 * as the history. Messages are told in the order in which they came, the last of each key. Which
 * keys a message concerns, only the device knows (vhost_message_edits()); the journal knows nothing
 * of what messages mean, and a device of any version can make and read it, since its form is that
 * of vhost-user.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vhost/channel.h"

#define VHOST_EDITS_MAX 12 /* of one message */
/* Messages kept: more than any device makes (7 for each of 256 rings, 509 regions of memory, 300 of
 * the configuration space, some more), so that who makes them up has an end. */
#define VHOST_JOURNAL_MAX 4096

/* What a message is kept under. */
struct vhost_key {
	uint32_t request;
	uint32_t padding;
	uint64_t detail; /* a ring, the address of a memory region; 0 */
};

#define VHOST_KEY_ALL UINT64_MAX /* vhost_key.detail, to forget: whatever it is, and all of it */
#define VHOST_COUNT_MAX 256	 /* of the same message */

enum vhost_edit_kind {
	VHOST_EDIT_KEEP,   /* the message, under the key */
	VHOST_EDIT_FORGET, /* what is kept under the key */
	/* The message, under the key, unless the edit before has forgotten something. */
	VHOST_EDIT_KEEP_ELSE,
	/* The message, under the key, beside what is kept there, which is the same: it is told as
	 * often as it came (VHOST_COUNT_MAX times at most), and VHOST_EDIT_FORGET takes one away.
	 */
	VHOST_EDIT_KEEP_MORE,
	/* SET_VRING_BASE of the ring @key.detail with @value, whatever the message was. */
	VHOST_EDIT_BASE,
	/* The question @key.request with its answer, the number @key.detail, as payload. */
	VHOST_EDIT_ANSWER,
};

struct vhost_edit {
	uint32_t kind; /* enum vhost_edit_kind */
	uint32_t value;
	struct vhost_key key;
};

struct vhost_journal;

/* A message that is kept. */
struct vhost_kept {
	struct vhost_key key;
	uint64_t number; /* messages come in this order; a multiple of VHOST_COUNT_MAX */
	unsigned count;	 /* how often it is kept */
	struct vhost_user_header header;
	const void *payload; /* header.size bytes */
	int fds[VHOST_USER_FDS_MAX];
	unsigned n_fds;
};

/* Whoever writes down elsewhere what is kept. */
struct vhost_journal_mirror {
	/* One more; what is pointed to and the fds are the journal's. Returns what remove() is to
	 * be called with. */
	void *(*add)(void *owner, const struct vhost_kept *kept);
	/* No more. */
	void (*remove)(void *owner, void *ref);
};

/* NULL when memory is short. Free with vhost_journal_destroy(), which closes what is kept; NULL is
 * fine. */
struct vhost_journal *vhost_journal_create(void);
void vhost_journal_destroy(struct vhost_journal *journal);

/* Lets somebody write down what is kept from now on. */
void vhost_journal_set_mirror(struct vhost_journal *journal,
			      const struct vhost_journal_mirror *mirror, void *owner);

/* Keeps @kept, which the mirror has under @ref; its fds are the journal's. In any order. Returns 0
 * or -errno, and then they are the caller's. */
int vhost_journal_restore(struct vhost_journal *journal, const struct vhost_kept *kept, void *ref);

/* Forgets everything. */
void vhost_journal_clear(struct vhost_journal *journal);

/* Applies @edits to what is kept; @m acted, and gives its fds away if it is kept. Returns 0, or
 * -ENOMEM, -EINVAL or -ENOSPC (too many edits, or messages kept), and then nothing was changed.
 */
int vhost_journal_edit(struct vhost_journal *journal, const struct vhost_edit *edits, unsigned n,
		       struct vhost_message *m);

/* Messages kept. */
size_t vhost_journal_len(const struct vhost_journal *journal);

/* Copies the oldest message that came behind @after (0: the oldest of all) to @m, whose fds stay
 * the journal's. What is kept more than once comes as often. Returns its number, for the next call,
 * or 0 when there is none.
 */
uint64_t vhost_journal_next(const struct vhost_journal *journal, uint64_t after,
			    struct vhost_message *m);
