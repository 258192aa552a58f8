/* SPDX-License-Identifier: Apache-2.0 */
/* Rules, groups and meters as records of a ledger (switch/ledger.h): matches and actions are bytes
 * of OpenFlow 1.5, so that another version of this program understands them. Records that come from
 * an earlier process are hostile. Control thread.
 */
#pragma once

#include "flow/pipeline.h"
#include "switch/ledger.h"

#define KEPT_VERSION 6 /* OpenFlow's, of matches and actions */

/* Of a record. These numbers stay. */
enum kept_kind { KEPT_RULE = 1, KEPT_GROUP, KEPT_METER, KEPT_GONE };

struct kept_rule {
	struct ledger_record record;
	uint64_t cookie, created_ms, modified_ms;
	uint32_t slot, match_len, actions_len;
	uint16_t priority, importance, idle_timeout, hard_timeout, flags;
	uint8_t table, pad;
	uint8_t bytes[]; /* match, then actions */
};

struct kept_group {
	struct ledger_record record;
	uint64_t created_ms, method_param;
	uint32_t id, slot, n_fields, n_buckets;
	uint8_t type, method, pad[6];
	uint8_t bytes[]; /* struct kept_field, then struct kept_bucket */
};

/* What a group's hash is over. */
struct kept_field {
	uint64_t header; /* OXM or NXM */
	uint64_t mask[2];
};

struct kept_bucket {
	uint32_t id, slot, watch_port, watch_group;
	uint32_t weight, actions_len;
	uint8_t bytes[]; /* actions, padded to 8 bytes */
};

/* Bands behind n_bands mean nothing. */
struct kept_meter {
	struct ledger_record record;
	uint64_t created_ms;
	uint32_t id, slot, flags, n_bands;
	struct kept_band {
		uint32_t type, prec_level, rate, burst;
	} bands[METER_BANDS_MAX];
};

/* Records at these places are of no use. */
struct kept_gone {
	struct ledger_record record;
	uint64_t n;
	uint64_t places[];
};

/* Records in the making, one behind the other. */
struct kept_bytes {
	uint8_t *bytes;
	size_t n, size;
};

/* Append a record. 0 or -ENOMEM: nothing that counts was appended. */
int kept_put_rule(struct kept_bytes *to, const struct rule *rule, uint32_t slot);
int kept_put_group(struct kept_bytes *to, const struct group *group, uint32_t slot,
		   const uint32_t *bucket_slots);
int kept_put_meter(struct kept_bytes *to, const struct meter *meter, uint32_t slot);
int kept_put_gone(struct kept_bytes *to, const uint64_t *places, size_t n);

/* What a record has; false: it makes no sense. The caller owns what they make. A rule of which only
 * the actions make no sense has none. */
struct kept_rule_content {
	struct match match;
	struct action_list actions;
	bool bad_actions;
};
bool kept_get_rule(const struct ledger_record *record, struct kept_rule_content *out);
/* Slots of buckets go to *@slots, malloc'd. */
struct group *kept_get_group(const struct ledger_record *record, uint32_t **slots);
struct meter *kept_get_meter(const struct ledger_record *record);
/* NULL when the record makes no sense. */
const struct kept_gone *kept_get_gone(const struct ledger_record *record);
