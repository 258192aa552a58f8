/* SPDX-License-Identifier: Apache-2.0 */
/* All messages that peers may send: one row each says how it is numbered in which version, how long
 * it is at least, and who handles it. Control thread.
 */
#pragma once

#include "openflow/session.h"

/* Handles a whole message of @len bytes (at least OF_HEADER, as it says itself). Answers, or tells
 * the peer why not. Only when of_session_ready(). */
void message_handle(struct of_session *s, const uint8_t *message, size_t len);
