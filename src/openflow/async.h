/* SPDX-License-Identifier: Apache-2.0 */
/* Roles, and which unasked messages a peer wants. Control thread. */
#pragma once

#include "openflow/session.h"

/* Sets or tells the role; a new master makes the one before a slave (1.5.1, 7.3.9). */
enum of_error of_handle_role(struct of_session *s, const struct of_request *r, struct error *err);
/* Nicira's, which knows no generations. */
enum of_error of_handle_nx_role(struct of_session *s, const struct of_request *r,
				struct error *err);
/* Tells which unasked messages are wanted (1.5.1, 7.3.10). */
enum of_error of_handle_get_async(struct of_session *s, const struct of_request *r,
				  struct error *err);
/* Changes that; all of it or nothing. */
enum of_error of_handle_set_async(struct of_session *s, const struct of_request *r,
				  struct error *err);
/* Nicira's, with the masks of 1.3. */
enum of_error of_handle_nx_set_async(struct of_session *s, const struct of_request *r,
				     struct error *err);
/* As 1.4 has it. */
enum of_error of_handle_nx_set_async2(struct of_session *s, const struct of_request *r,
				      struct error *err);
/* Nicira's: which packets are for this peer. */
enum of_error of_handle_controller_id(struct of_session *s, const struct of_request *r,
				      struct error *err);
