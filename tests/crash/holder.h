/* SPDX-License-Identifier: Apache-2.0 */
/* Who holds file descriptors for a stepped process, as the keeper does: several under a key. The
 * process tells us over a socket, in one call each, so what is held changes behind that call, at
 * once. Those that come after it are we, with a copy.
 */
#pragma once

#include "keeper/held.h"

struct holder {
	struct keep keep;
	struct held *list;
	int fds[2]; /* the process writes to the second, we read from the first */
	bool tells; /* we are the process */
};

void holder_init(struct holder *h);

/* The same files, for somebody who comes after the process. */
void holder_copy(struct holder *h, const struct holder *from);
void holder_destroy(struct holder *h);

/* Takes in what the process has told; false: nothing. */
bool holder_listen(struct holder *h);

/* Maps the memory that is held under @key at @at, whole pages; false: there is none. */
bool holder_map(const struct holder *h, const char *key, void *at, size_t len);
