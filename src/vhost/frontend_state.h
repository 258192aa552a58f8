/* SPDX-License-Identifier: Apache-2.0 */
/* The front-end's half of the migration of what a back-end knows (vhost-user, "Migrating back-end
 * state"): takes the state out of one back-end, and gives it to another. What it says is the
 * back-ends' affair. The loop's thread; nothing blocks.
 *
 * All rings must be stopped, and SIGPIPE be ignored. The owner passes on what
 * frontend_ops.answered() tells it.
 */
#pragma once

#include "vhost/frontend.h"

#define FRONTEND_STATE_MAX (16u << 20) /* bytes that a back-end may say */

struct frontend_state;

/* A transfer is over, from the loop, once: @rc is 0 when the back-end says that it went well, and
 * then @n bytes at @bytes are what was saved, valid until frontend_state_destroy(); else -errno and
 * a text. That may be called from inside.
 */
typedef void frontend_state_over(void *owner, int rc, const uint8_t *bytes, size_t n,
				 const char *why);

/* Saves the back-end's state, or loads the @n bytes at @bytes (copied) into it. Returns 0,
 * -ENOTCONN before negotiated() and after down(), -EOPNOTSUPP without the protocol feature, or
 * -errno, and a text.
 */
int frontend_state_save(struct frontend_state **out, struct frontend *frontend,
			struct event_base *base, frontend_state_over *over, void *owner,
			struct error *err);
int frontend_state_load(struct frontend_state **out, struct frontend *frontend,
			struct event_base *base, const uint8_t *bytes, size_t n,
			frontend_state_over *over, void *owner, struct error *err);

/* An answer; others than its own it leaves alone. */
void frontend_state_answered(struct frontend_state *state, uint32_t request, uint64_t value,
			     int *fd);

/* The connection is gone: over() is called if it was not yet. */
void frontend_state_down(struct frontend_state *state, const char *why);

/* Gives it up and frees; over() is not called. NULL is fine. */
void frontend_state_destroy(struct frontend_state *state);
