/* SPDX-License-Identifier: Apache-2.0 */
/* Groups: changes, statistics, descriptions. Control thread. */
#pragma once

#include "openflow/session.h"

/* Adds, changes or deletes a group or its buckets; Nicira's of 1.0, too. */
enum of_error of_handle_group_mod(struct of_session *s, const struct of_request *r,
				  struct error *err);
/* What one group, or all, have counted. */
enum of_error of_handle_group_stats(struct of_session *s, const struct of_request *r,
				    struct error *err);
/* What they are. */
enum of_error of_handle_group_desc(struct of_session *s, const struct of_request *r,
				   struct error *err);
/* What groups can do. */
enum of_error of_handle_group_features(struct of_session *s, const struct of_request *r,
				       struct error *err);
