/* SPDX-License-Identifier: Apache-2.0 */
/* For tests that count how often somebody walks over rules, or asks for a group. Linked with
 * --wrap=pipeline_each_rule and --wrap=pipeline_group. */
#pragma once

#include "flow/pipeline.h"

static unsigned n_walks, n_groups_asked; /* the latter by workers, too */

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

const struct group *__real_pipeline_group(const struct pipeline *p, uint32_t id);
const struct group *__wrap_pipeline_group(const struct pipeline *p, uint32_t id);

const struct group *__wrap_pipeline_group(const struct pipeline *p, uint32_t id)
{
	__atomic_fetch_add(&n_groups_asked, 1, __ATOMIC_RELAXED);
	return __real_pipeline_group(p, id);
}
