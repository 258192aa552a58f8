/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of rules. Control thread. */
#pragma once

#include "openflow/session.h"

/* Adds, changes or deletes rules (1.5.1, 7.3.4.2; 1.0.0, 5.3.3). */
enum of_error of_handle_flow_mod(struct of_session *s, const struct of_request *r,
				 struct error *err);
/* Nicira's flow-mod, whose match is NXM. */
enum of_error of_handle_nx_flow_mod(struct of_session *s, const struct of_request *r,
				    struct error *err);
/* 1.0: how flows are told; whether a flow-mod's command holds the table. */
enum of_error of_handle_flow_format(struct of_session *s, const struct of_request *r,
				    struct error *err);
enum of_error of_handle_table_id(struct of_session *s, const struct of_request *r,
				 struct error *err);
