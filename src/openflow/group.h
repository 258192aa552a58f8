/* SPDX-License-Identifier: Apache-2.0 */
/* Groups: changes, statistics, descriptions. Control thread. */
#pragma once

#include "openflow/session.h"

enum of_error of_handle_group_mod(struct of_session *s, const struct of_request *r,
				  struct error *err);
enum of_error of_handle_group_stats(struct of_session *s, const struct of_request *r,
				    struct error *err);
enum of_error of_handle_group_desc(struct of_session *s, const struct of_request *r,
				   struct error *err);
enum of_error of_handle_group_features(struct of_session *s, const struct of_request *r,
				       struct error *err);
