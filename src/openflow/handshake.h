/* SPDX-License-Identifier: Apache-2.0 */
/* Messages about the connection and the switch as a whole: hello, error, echo, features,
 * configuration, barrier, description. Control thread.
 */
#pragma once

#include "openflow/session.h"

/* Of a message whose version has not been agreed upon: hello, and nothing else, is understood. Ends
 * the session when there is no common version. */
void of_handle_first(struct of_session *s, const uint8_t *message, size_t len);

/* Takes note of what needs no answer: hello again, errors, echo replies. */
enum of_error of_handle_nothing(struct of_session *s, const struct of_request *r,
				struct error *err);
/* Sends back what came. */
enum of_error of_handle_echo(struct of_session *s, const struct of_request *r, struct error *err);
/* Tells what the switch is; in 1.0 also its ports. */
enum of_error of_handle_features(struct of_session *s, const struct of_request *r,
				 struct error *err);
/* How fragments are treated, and how much of a packet is sent. */
enum of_error of_handle_get_config(struct of_session *s, const struct of_request *r,
				   struct error *err);
/* Changes these. */
enum of_error of_handle_set_config(struct of_session *s, const struct of_request *r,
				   struct error *err);
/* Answers when all before it is done. */
enum of_error of_handle_barrier(struct of_session *s, const struct of_request *r,
				struct error *err);
/* Who has made this. */
enum of_error of_handle_desc(struct of_session *s, const struct of_request *r, struct error *err);
