/* SPDX-License-Identifier: Apache-2.0 */
/* For tests that count how many buckets of groups are written. Linked with --wrap=of_write_bucket.
 */
#pragma once

#include "openflow/bucket.h"

static unsigned n_buckets_written;

void __real_of_write_bucket(struct of_out *out, uint8_t version, bool new_layout,
			    const struct group *group, const struct group_bucket *bucket);
void __wrap_of_write_bucket(struct of_out *out, uint8_t version, bool new_layout,
			    const struct group *group, const struct group_bucket *bucket);

void __wrap_of_write_bucket(struct of_out *out, uint8_t version, bool new_layout,
			    const struct group *group, const struct group_bucket *bucket)
{
	n_buckets_written++;
	__real_of_write_bucket(out, version, new_layout, group, bucket);
}
