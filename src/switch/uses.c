// SPDX-License-Identifier: Apache-2.0
/* A chained hash table of counts, and lists of users. */
#include <stdlib.h>

#include "base/hash.h"
#include "switch/uses.h"

#define SIZE_FIRST 64

static struct use **slot_of(const struct uses *uses, enum use_kind kind, uint8_t table, uint64_t id)
{
	uint64_t hash = hash_mix(id ^ hash_secret(), (uint64_t)kind << 8 | table);
	struct use **at = &uses->heads[hash & (uses->size - 1)];

	while (*at && ((*at)->id != id || (*at)->kind != kind || (*at)->table != table))
		at = &(*at)->next;
	return at;
}

static void free_users(struct use *use)
{
	struct user *user;

	while ((user = use->users)) {
		use->users = user->next;
		free(user);
	}
}

void uses_free(struct uses *uses)
{
	for (uint32_t i = 0; i < uses->size; i++) {
		struct use *use;

		while ((use = uses->heads[i])) {
			uses->heads[i] = use->next;
			free_users(use);
			free(use);
		}
	}
	free(uses->heads);
	*uses = (struct uses){ 0 };
}

struct use *uses_find(const struct uses *uses, enum use_kind kind, uint8_t table, uint64_t id)
{
	return uses->by_kind[kind] ? *slot_of(uses, kind, table, id) : NULL;
}

/* False: no memory. */
static bool grow(struct uses *uses)
{
	struct uses bigger = *uses;

	bigger.size = uses->size ? uses->size * 2 : SIZE_FIRST;
	bigger.heads = calloc(bigger.size, sizeof(struct use *));
	if (!bigger.heads)
		return uses->size > 0;
	for (uint32_t i = 0; i < uses->size; i++) {
		struct use *use;

		while ((use = uses->heads[i])) {
			uses->heads[i] = use->next;
			use->next = NULL;
			*slot_of(&bigger, use->kind, use->table, use->id) = use;
		}
	}
	free(uses->heads);
	*uses = bigger;
	return true;
}

struct use *uses_add(struct uses *uses, enum use_kind kind, uint8_t table, uint64_t id)
{
	struct use *use = uses_find(uses, kind, table, id);

	if (use) {
		use->count++;
		return use;
	}
	if (uses->n >= uses->size && !grow(uses)) {
		uses->lost = true;
		return NULL;
	}
	use = calloc(1, sizeof(*use));
	if (!use) {
		uses->lost = true;
		return NULL;
	}
	*use = (struct use){ .id = id, .count = 1, .kind = (uint8_t)kind, .table = table };
	*slot_of(uses, kind, table, id) = use;
	uses->by_kind[kind]++;
	uses->n++;
	return use;
}

bool uses_sub(struct uses *uses, enum use_kind kind, uint8_t table, uint64_t id)
{
	struct use **at, *use;

	if (!uses->by_kind[kind])
		return true;
	at = slot_of(uses, kind, table, id);
	use = *at;
	if (!use)
		return true;
	if (--use->count)
		return false;
	*at = use->next;
	free(use);
	uses->by_kind[kind]--;
	uses->n--;
	return true;
}

void uses_add_user(struct uses *uses, enum use_kind kind, uint32_t id, struct rule *rule,
		   struct user **users)
{
	struct use *use = uses_find(uses, kind, 0, id);
	struct user *user;

	if (use && use->users->rule == rule)
		return;
	user = malloc(sizeof(*user));
	use = user ? uses_add(uses, kind, 0, id) : NULL;
	if (!use) {
		uses->lost = true;
		free(user);
		return;
	}
	*user = (struct user){
		.rule = rule, .use = use, .next = use->users, .at = &use->users, .other = *users
	};
	if (user->next)
		user->next->at = &user->next;
	use->users = *users = user;
}

void uses_drop_users(struct uses *uses, struct user **users)
{
	struct user *user;

	while ((user = *users)) {
		const struct use *use = user->use;

		*users = user->other;
		*user->at = user->next;
		if (user->next)
			user->next->at = user->at;
		uses_sub(uses, use->kind, use->table, use->id);
		free(user);
	}
}
