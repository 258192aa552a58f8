/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets and properties of groups on the wire (OpenFlow 1.5.1, 7.3.4.3; 1.3.5, 7.3.4.2). Nicira's
 * group messages for 1.0 have the layout of 1.5. Any thread.
 */
#pragma once

#include "flow/group.h"
#include "openflow/wire.h"

/* Reads buckets, all of @len bytes, into a new group of @type, which is as the peer says it;
 * @new_layout: as 1.5 has them. */
enum of_error of_read_buckets(struct group **out, uint8_t type, uint8_t version, bool new_layout,
			      const uint8_t *bytes, size_t len, struct error *err);
/* Reads the properties of a group of 1.5. */
enum of_error of_read_group_props(struct group *group, const uint8_t *bytes, size_t len,
				  struct error *err);

/* Writes what of_read_buckets() reads one of. */
void of_write_bucket(struct of_out *out, uint8_t version, bool new_layout,
		     const struct group *group, const struct group_bucket *bucket);
/* How buckets are selected, when that was said. */
void of_write_group_props(struct of_out *out, const struct group *group);
