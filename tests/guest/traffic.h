/* SPDX-License-Identifier: Apache-2.0 */
/* Two guests that send to each other all the time, in a thread of their own, never with more frames
 * in flight than the receiver has buffers: not one may be lost, changed or come out of order.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"

struct traffic; /* opaque */

/* Attaches guests to the two vhost-user sockets and starts. NULL and a text when they cannot
 * connect within 10 s. */
struct traffic *traffic_start(const char *path_a, const char *path_b, struct error *err);

/* Ends and frees. Returns the number of frames that went through each way at least, or -1 and a
 * text that says what was lost or wrong. */
long traffic_stop(struct traffic *traffic, struct error *err);

/* Whether all is well so far; any thread. */
bool traffic_ok(const struct traffic *traffic);

/* Frames received so far, both ways; any thread. */
unsigned long traffic_count(const struct traffic *traffic);
