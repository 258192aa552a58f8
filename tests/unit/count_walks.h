/* SPDX-License-Identifier: Apache-2.0 */
/* For tests that count how often somebody walks over rules. Linked with --wrap=pipeline_each_rule.
 */
#pragma once

#include "flow/pipeline.h"

static unsigned n_walks;

void __real_pipeline_each_rule(const struct pipeline *p, uint8_t table, const struct match *filter,
			       bool (*fn)(void *arg, struct rule *rule), void *arg);
void __wrap_pipeline_each_rule(const struct pipeline *p, uint8_t table, const struct match *filter,
			       bool (*fn)(void *arg, struct rule *rule), void *arg);

void __wrap_pipeline_each_rule(const struct pipeline *p, uint8_t table, const struct match *filter,
			       bool (*fn)(void *arg, struct rule *rule), void *arg)
{
	n_walks++;
	__real_pipeline_each_rule(p, table, filter, fn, arg);
}
