/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics of rules, and their removal. Control thread. */
#pragma once

#include "openflow/session.h"

/* Lists rules with their counts, in Nicira's form, too. */
enum of_error of_handle_flow_stats(struct of_session *s, const struct of_request *r,
				   struct error *err);
/* Their counts, added up. */
enum of_error of_handle_aggregate(struct of_session *s, const struct of_request *r,
				  struct error *err);
/* Tells @s that a rule is gone, if it wants to know. */
void of_tell_removed(struct of_session *s, const struct rule *rule, enum removed_reason why);
