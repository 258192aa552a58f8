/* SPDX-License-Identifier: Apache-2.0 */
/* Tables: statistics, features, configuration. Control thread. */
#pragma once

#include "openflow/session.h"

enum of_error of_handle_table_mod(struct of_session *s, const struct of_request *r,
				  struct error *err);
enum of_error of_handle_table_stats(struct of_session *s, const struct of_request *r,
				    struct error *err);
enum of_error of_handle_table_features(struct of_session *s, const struct of_request *r,
				       struct error *err);
enum of_error of_handle_table_desc(struct of_session *s, const struct of_request *r,
				   struct error *err);
