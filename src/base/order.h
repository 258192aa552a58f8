/* SPDX-License-Identifier: Apache-2.0 */
/* What root alone may order, by way of a process that may be in a guest's hands.
 *
 * Who gives an order makes a pair of sockets, leaves the text in it, and hands one end on. Whoever
 * gets that in the end asks the kernel who has made it, and who has written the text. A process on
 * the way can keep an order back, but it can neither make one nor change it; and it holds once, and
 * only as long as who gave it has the other end. Any thread.
 */
#pragma once

#include "base/error.h"

/* What may be ordered; the path of a program follows. */
#define ORDER_UPGRADE "vireo upgrade "
#define ORDER_REPLACE "vireo upgrade --keeper "

/* Makes the order @what @path. ends[0] is to be handed on, ends[1] to be kept open until it is
 * carried out; both are the caller's. Returns 0 or -errno. */
int order_give(const char *what, const char *path, int ends[2]);

/* Whether @fd, any file, is root's order of just that, which is spent then. Never waits. Returns 0,
 * or -EPERM and a text. */
int order_take(int fd, const char *what, const char *path, struct error *err);
