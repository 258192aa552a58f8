// SPDX-License-Identifier: Apache-2.0
/* Messages by key, in the order in which they came. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"
#include "vhost/journal.h"

struct entry {
	struct entry *next, *prev; /* in order */
	struct vhost_key key;
	void *ref;	 /* the mirror's */
	uint64_t number; /* the next VHOST_COUNT_MAX - 1 are its own, too */
	unsigned count;	 /* how often it is kept */
	unsigned n_fds;
	int fds[VHOST_USER_FDS_MAX];
	struct vhost_user_header header;
	uint8_t payload[]; /* header.size bytes */
};

struct vhost_journal {
	struct entry *first, *last;
	size_t n;
	uint64_t number;			   /* of the last one that came */
	const struct vhost_journal_mirror *mirror; /* NULL: none */
	void *owner;
};

struct vhost_journal *vhost_journal_create(void)
{
	return calloc(1, sizeof(struct vhost_journal));
}

void vhost_journal_set_mirror(struct vhost_journal *journal,
			      const struct vhost_journal_mirror *mirror, void *owner)
{
	journal->mirror = mirror;
	journal->owner = owner;
}

static void mirror_add(struct vhost_journal *j, struct entry *e)
{
	struct vhost_kept kept = { .key = e->key,
				   .number = e->number,
				   .count = e->count,
				   .header = e->header,
				   .payload = e->payload,
				   .n_fds = e->n_fds };

	if (!j->mirror)
		return;
	memcpy(kept.fds, e->fds, sizeof(e->fds));
	e->ref = j->mirror->add(j->owner, &kept);
}

static void mirror_remove(struct vhost_journal *j, struct entry *e)
{
	if (j->mirror)
		j->mirror->remove(j->owner, e->ref);
}

static void set_count(struct vhost_journal *j, struct entry *e, unsigned count)
{
	mirror_remove(j, e);
	e->count = count;
	mirror_add(j, e);
}

static void drop(struct vhost_journal *j, struct entry *e)
{
	mirror_remove(j, e);
	*(e->prev ? &e->prev->next : &j->first) = e->next;
	*(e->next ? &e->next->prev : &j->last) = e->prev;
	j->n--;
	for (unsigned i = 0; i < e->n_fds; i++)
		close(e->fds[i]);
	free(e);
}

void vhost_journal_clear(struct vhost_journal *journal)
{
	while (journal->first)
		drop(journal, journal->first);
}

void vhost_journal_destroy(struct vhost_journal *journal)
{
	if (!journal)
		return;
	vhost_journal_clear(journal);
	free(journal);
}

/* Behind all that came before it. */
static void insert(struct vhost_journal *j, struct entry *e)
{
	e->prev = j->last;
	while (e->prev && e->prev->number > e->number)
		e->prev = e->prev->prev;
	e->next = e->prev ? e->prev->next : j->first;
	*(e->prev ? &e->prev->next : &j->first) = e;
	*(e->next ? &e->next->prev : &j->last) = e;
	j->n++;
}

static void append(struct vhost_journal *j, struct entry *e)
{
	e->number = j->number += VHOST_COUNT_MAX;
	e->count = 1;
	insert(j, e);
	mirror_add(j, e);
}

static bool matches(const struct entry *e, const struct vhost_key *key)
{
	return e->key.request == key->request &&
	       (key->detail == VHOST_KEY_ALL || e->key.detail == key->detail);
}

/* Returns whether there was something. */
static bool forget(struct vhost_journal *j, const struct vhost_key *key)
{
	struct entry *e, *next;
	bool found = false;

	for (e = j->first; e; e = next) {
		next = e->next;
		if (!matches(e, key))
			continue;
		found = true;
		if (e->count > 1 && key->detail != VHOST_KEY_ALL)
			set_count(j, e, e->count - 1);
		else
			drop(j, e);
	}
	return found;
}

static bool count_more(struct vhost_journal *j, const struct vhost_key *key)
{
	struct entry *e = j->first;

	while (e && !matches(e, key))
		e = e->next;
	if (e)
		set_count(j, e, min(e->count + 1, (unsigned)VHOST_COUNT_MAX));
	return e;
}

static struct entry *make_entry(const struct vhost_user_header *header, const void *payload)
{
	struct entry *e = calloc(1, sizeof(*e) + header->size);

	if (!e)
		return NULL;
	e->header = *header;
	e->header.flags &= ~VHOST_USER_FLAG_NEED_REPLY;
	memcpy(e->payload, payload, header->size);
	return e;
}

static struct entry *make_base(const struct vhost_edit *edit)
{
	struct vhost_user_vring_state state = { (uint32_t)edit->key.detail, edit->value };
	struct vhost_user_header header = { VHOST_USER_SET_VRING_BASE, VHOST_USER_VERSION,
					    sizeof(state) };

	return make_entry(&header, &state);
}

static struct entry *make_answer(const struct vhost_edit *edit)
{
	struct vhost_user_header header = { edit->key.request, VHOST_USER_VERSION,
					    sizeof(edit->key.detail) };

	return make_entry(&header, &edit->key.detail);
}

/* What an edit keeps of @m, or instead of it. NULL when memory is short. */
static struct entry *make_kept(const struct vhost_edit *edit, const struct vhost_message *m)
{
	switch (edit->kind) {
	case VHOST_EDIT_BASE:
		return make_base(edit);
	case VHOST_EDIT_ANSWER:
		return make_answer(edit);
	default:
		return make_entry(&m->header, m->payload.bytes);
	}
}

static void take_fds(struct entry *e, struct vhost_message *m)
{
	for (unsigned i = 0; i < m->n_fds; i++)
		if (m->fds[i] >= 0)
			e->fds[e->n_fds++] = m->fds[i];
	m->n_fds = 0;
}

/* What the edits will keep, made before anything is changed: one for each edit, or NULL. */
static int make_entries(struct entry **entries, const struct vhost_edit *edits, unsigned n,
			const struct vhost_message *m)
{
	for (unsigned i = 0; i < n; i++) {
		if (edits[i].kind == VHOST_EDIT_FORGET)
			continue;
		entries[i] = make_kept(&edits[i], m);
		if (!entries[i]) {
			while (i--)
				free(entries[i]);
			return -ENOMEM;
		}
		entries[i]->key = edits[i].key;
	}
	return 0;
}

int vhost_journal_edit(struct vhost_journal *journal, const struct vhost_edit *edits, unsigned n,
		       struct vhost_message *m)
{
	struct entry *entries[VHOST_EDITS_MAX] = { NULL };
	bool forgot = false;

	if (n > VHOST_EDITS_MAX)
		return -EINVAL;
	if (journal->n + n > VHOST_JOURNAL_MAX)
		return -ENOSPC;
	if (make_entries(entries, edits, n, m) < 0)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++) {
		if ((edits[i].kind == VHOST_EDIT_KEEP_ELSE && forgot) ||
		    (edits[i].kind == VHOST_EDIT_KEEP_MORE && count_more(journal, &edits[i].key))) {
			free(entries[i]);
			continue;
		}
		forgot = forget(journal, &edits[i].key);
		if (!entries[i])
			continue;
		if (edits[i].kind != VHOST_EDIT_BASE && edits[i].kind != VHOST_EDIT_ANSWER)
			take_fds(entries[i], m);
		append(journal, entries[i]);
	}
	return 0;
}

int vhost_journal_restore(struct vhost_journal *journal, const struct vhost_kept *kept, void *ref)
{
	struct entry *e = calloc(1, sizeof(*e) + kept->header.size);

	if (!e)
		return -ENOMEM;
	e->key = kept->key;
	e->ref = ref;
	e->number = kept->number;
	e->count = kept->count;
	e->header = kept->header;
	memcpy(e->payload, kept->payload, kept->header.size);
	memcpy(e->fds, kept->fds, sizeof(e->fds));
	e->n_fds = kept->n_fds;
	journal->number = max(journal->number, kept->number);
	insert(journal, e);
	return 0;
}

size_t vhost_journal_len(const struct vhost_journal *journal)
{
	return journal->n;
}

uint64_t vhost_journal_next(const struct vhost_journal *journal, uint64_t after,
			    struct vhost_message *m)
{
	const struct entry *e = journal->first;

	while (e && e->number + e->count - 1 <= after)
		e = e->next;
	if (!e)
		return 0;
	memset(m, 0, sizeof(*m));
	m->header = e->header;
	memcpy(m->payload.bytes, e->payload, e->header.size);
	memcpy(m->fds, e->fds, sizeof(e->fds));
	m->n_fds = e->n_fds;
	return e->number > after ? e->number : after + 1;
}
