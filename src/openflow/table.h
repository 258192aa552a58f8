/* SPDX-License-Identifier: Apache-2.0 */
/* Tables: statistics, features, configuration. Control thread. */
#pragma once

#include "openflow/session.h"

/* Takes what changes nothing: there is neither eviction nor vacancy. */
enum of_error of_handle_table_mod(struct of_session *s, const struct of_request *r,
				  struct error *err);
/* What tables have counted. */
enum of_error of_handle_table_stats(struct of_session *s, const struct of_request *r,
				    struct error *err);
/* What each can do; cannot be set. */
enum of_error of_handle_table_features(struct of_session *s, const struct of_request *r,
				       struct error *err);
/* How each is set (1.4). */
enum of_error of_handle_table_desc(struct of_session *s, const struct of_request *r,
				   struct error *err);
