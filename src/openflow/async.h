/* SPDX-License-Identifier: Apache-2.0 */
/* Roles, and which unasked messages a peer wants. Control thread. */
#pragma once

#include "openflow/session.h"

enum of_error of_handle_role(struct of_session *s, const struct of_request *r, struct error *err);
enum of_error of_handle_nx_role(struct of_session *s, const struct of_request *r,
				struct error *err);
enum of_error of_handle_get_async(struct of_session *s, const struct of_request *r,
				  struct error *err);
enum of_error of_handle_set_async(struct of_session *s, const struct of_request *r,
				  struct error *err);
enum of_error of_handle_nx_set_async(struct of_session *s, const struct of_request *r,
				     struct error *err);
/* As 1.4 has it. */
enum of_error of_handle_nx_set_async2(struct of_session *s, const struct of_request *r,
				      struct error *err);
enum of_error of_handle_controller_id(struct of_session *s, const struct of_request *r,
				      struct error *err);
