// SPDX-License-Identifier: Apache-2.0
/* Errors by number: OpenFlow 1.0.0, 5.4.4; 1.3.5, 7.4.4; 1.4.1 and 1.5.1, 7.5.4. Where a version
 * has no number, Nicira's is used, as Open vSwitch does.
 */
#include "openflow/error.h"
#include "base/compiler.h"
#include "flow/of_error.h"
#include "openflow/proto.h"

/* How vendors' errors are told: OpenFlow 1.0 has no way of its own. */
#define ERROR_NICIRA_10 0xb0c2
#define ERROR_EXPERIMENTER 0xffff

struct number {
	uint32_t vendor; /* 0: the specification's */
	uint16_t type, code;
};

/* clang-format off */
#define OF(TYPE, CODE) { 0, TYPE, CODE }
#define NX(TYPE, CODE) { VENDOR_NICIRA, TYPE, CODE }
#define ONF(TYPE) { VENDOR_ONF, TYPE, 0 }
#define NX_UNKNOWN_10 NX(1, 521) /* cannot be told in this version; see NEW(), too */
#define NX_UNKNOWN NX(10, 0)

#define ROW(NAME, V10, V13) [OFERR_##NAME] = { V10, V13, V13, V13 }
#define ROW4(NAME, V10, V13, V14, V15) [OFERR_##NAME] = { V10, V13, V14, V15 }
#define SAME(NAME, TYPE, CODE) ROW(NAME, OF(TYPE, CODE), OF(TYPE, CODE))
#define NEW(NAME, TYPE, CODE) ROW(NAME, NX(1, 521), OF(TYPE, CODE))
#define GROUP(NAME, CODE) ROW(GROUP_##NAME, NX(6, CODE), OF(6, CODE))

/* of 1.0, 1.3, 1.4, 1.5 */
static const struct number numbers[OFERR_N][4] = {
	SAME(HELLO_INCOMPATIBLE, 0, 0),
	SAME(BAD_VERSION, 1, 0),
	SAME(BAD_TYPE, 1, 1),
	SAME(BAD_MULTIPART, 1, 2),
	SAME(BAD_EXPERIMENTER, 1, 3),
	SAME(BAD_EXP_TYPE, 1, 4),
	SAME(PERM, 1, 5),
	ROW(IS_SLAVE, OF(1, 5), OF(1, 10)),
	SAME(BAD_LEN, 1, 6),
	SAME(BUFFER_UNKNOWN, 1, 8),
	ROW(BAD_TABLE_ID, NX(1, 512), OF(1, 9)),
	ROW(BAD_PORT, NX(1, 514), OF(1, 11)),
	NEW(BAD_PACKET, 1, 12),
	NEW(MULTIPART_OVERFLOW, 1, 13),
	ROW(MUST_BE_ZERO, NX(1, 515), NX(4, 0)),

	SAME(ACT_BAD_TYPE, 2, 0),
	SAME(ACT_BAD_LEN, 2, 1),
	SAME(ACT_BAD_EXPERIMENTER, 2, 2),
	SAME(ACT_BAD_EXP_TYPE, 2, 3),
	SAME(ACT_BAD_OUT_PORT, 2, 4),
	SAME(ACT_BAD_ARGUMENT, 2, 5),
	SAME(ACT_TOO_MANY, 2, 7),
	SAME(ACT_BAD_QUEUE, 2, 8),
	ROW(ACT_BAD_OUT_GROUP, NX(2, 9), OF(2, 9)),
	ROW(ACT_MATCH_INCONSISTENT, NX(1, 522), OF(2, 10)),
	NEW(ACT_UNSUPPORTED_ORDER, 2, 11),
	NEW(ACT_BAD_TAG, 2, 12),
	ROW(ACT_BAD_SET_TYPE, NX(1, 523), OF(2, 13)),
	ROW(ACT_BAD_SET_LEN, NX(1, 524), OF(2, 14)),
	ROW(ACT_BAD_SET_ARGUMENT, NX(1, 525), OF(2, 15)),
	ROW4(ACT_BAD_SET_MASK, NX_UNKNOWN_10, ONF(4250), ONF(4250), OF(2, 16)),
	ROW4(ACT_BAD_METER, NX_UNKNOWN_10, OF(12, 2), OF(12, 2), OF(2, 17)),

	NEW(INST_UNKNOWN, 3, 0),
	ROW(INST_UNSUPPORTED, NX(2, 257), OF(3, 1)),
	NEW(INST_BAD_TABLE_ID, 3, 2),
	NEW(INST_UNSUP_METADATA, 3, 3),
	NEW(INST_UNSUP_METADATA_MASK, 3, 4),
	NEW(INST_BAD_EXPERIMENTER, 3, 5),
	NEW(INST_BAD_EXP_TYPE, 3, 6),
	NEW(INST_BAD_LEN, 3, 7),
	ROW4(INST_DUPLICATE, NX_UNKNOWN_10, ONF(2600), OF(3, 9), OF(3, 9)),

	NEW(MATCH_BAD_TYPE, 4, 0),
	NEW(MATCH_BAD_LEN, 4, 1),
	NEW(MATCH_BAD_TAG, 4, 2),
	NEW(MATCH_BAD_DL_ADDR_MASK, 4, 3),
	NEW(MATCH_BAD_NW_ADDR_MASK, 4, 4),
	ROW(MATCH_BAD_WILDCARDS, NX(1, 262), OF(4, 5)),
	ROW(MATCH_BAD_FIELD, NX(0, 263), OF(4, 6)),
	ROW(MATCH_BAD_VALUE, NX(1, 258), OF(4, 7)),
	ROW(MATCH_BAD_MASK, NX(1, 259), OF(4, 8)),
	ROW(MATCH_BAD_PREREQ, NX(1, 260), OF(4, 9)),
	ROW(MATCH_DUP_FIELD, NX(1, 261), OF(4, 10)),

	NEW(FLOW_UNKNOWN, 5, 0),
	ROW(FLOW_TABLE_FULL, OF(3, 0), OF(5, 1)),
	ROW(FLOW_BAD_TABLE_ID, NX(5, 257), OF(5, 2)),
	ROW(FLOW_OVERLAP, OF(3, 1), OF(5, 3)),
	ROW(FLOW_PERM, OF(3, 2), OF(5, 4)),
	NEW(FLOW_BAD_TIMEOUT, 5, 5),
	ROW(FLOW_BAD_COMMAND, OF(3, 4), OF(5, 6)),
	ROW(FLOW_BAD_FLAGS, NX(3, 258), OF(5, 7)),

	GROUP(EXISTS, 0),
	GROUP(INVALID, 1),
	GROUP(WEIGHT_UNSUPPORTED, 2),
	GROUP(OUT_OF_GROUPS, 3),
	GROUP(OUT_OF_BUCKETS, 4),
	GROUP(CHAINING_UNSUPPORTED, 5),
	GROUP(WATCH_UNSUPPORTED, 6),
	GROUP(LOOP, 7),
	GROUP(UNKNOWN, 8),
	GROUP(CHAINED, 9),
	GROUP(BAD_TYPE, 10),
	GROUP(BAD_COMMAND, 11),
	GROUP(BAD_BUCKET, 12),
	GROUP(BAD_WATCH, 13),
	ROW4(GROUP_UNKNOWN_BUCKET, NX(6, 15), NX_UNKNOWN, NX_UNKNOWN, OF(6, 15)),
	ROW4(GROUP_BUCKET_EXISTS, NX(6, 16), NX_UNKNOWN, NX_UNKNOWN, OF(6, 16)),

	ROW(PORT_BAD_PORT, OF(4, 0), OF(7, 0)),
	ROW(PORT_BAD_HW_ADDR, OF(4, 1), OF(7, 1)),
	NEW(PORT_BAD_CONFIG, 7, 2),
	NEW(PORT_BAD_ADVERTISE, 7, 3),

	NEW(TABLE_BAD_TABLE, 8, 0),
	NEW(TABLE_BAD_CONFIG, 8, 1),

	ROW(QUEUE_BAD_PORT, OF(5, 0), OF(9, 0)),
	ROW(QUEUE_BAD_QUEUE, OF(5, 1), OF(9, 1)),

	NEW(CONFIG_BAD_FLAGS, 10, 0),
	NEW(CONFIG_BAD_LEN, 10, 1),

	NEW(ROLE_STALE, 11, 0),
	ROW(ROLE_BAD_ROLE, NX(1, 513), OF(11, 2)),

	NEW(METER_UNKNOWN, 12, 0),
	NEW(METER_EXISTS, 12, 1),
	NEW(METER_INVALID, 12, 2),
	NEW(METER_UNKNOWN_METER, 12, 3),
	NEW(METER_BAD_COMMAND, 12, 4),
	NEW(METER_BAD_FLAGS, 12, 5),
	NEW(METER_BAD_RATE, 12, 6),
	NEW(METER_BAD_BURST, 12, 7),
	NEW(METER_BAD_BAND, 12, 8),
	NEW(METER_BAD_BAND_VALUE, 12, 9),
	NEW(METER_OUT_OF_METERS, 12, 10),
	NEW(METER_OUT_OF_BANDS, 12, 11),

	NEW(FEATURES_EPERM, 13, 5),

	/* before 1.4, those of the properties of table features */
	ROW4(PROP_BAD_TYPE, NX(13, 2), OF(13, 2), OF(14, 0), OF(14, 0)),
	ROW4(PROP_BAD_LEN, NX(13, 3), OF(13, 3), OF(14, 1), OF(14, 1)),
	ROW4(PROP_BAD_VALUE, NX(13, 4), OF(13, 4), OF(14, 2), OF(14, 2)),
	ROW4(PROP_BAD_EXPERIMENTER, NX_UNKNOWN_10, NX_UNKNOWN, OF(14, 5), OF(14, 5)),
	ROW4(PROP_BAD_EXP_TYPE, NX_UNKNOWN_10, NX_UNKNOWN, OF(14, 6), OF(14, 6)),

	ROW4(ASYNC_INVALID, NX_UNKNOWN_10, ONF(2370), OF(15, 0), OF(15, 0)),
	ROW4(ASYNC_UNSUPPORTED, NX_UNKNOWN_10, ONF(2371), OF(15, 1), OF(15, 1)),
};
/* clang-format on */

enum of_error of_unknown_prop(const uint8_t *prop)
{
	return be16_load(prop) == OF_PROP_EXPERIMENTER ? OFERR_PROP_BAD_EXPERIMENTER
						       : OFERR_PROP_BAD_TYPE;
}

void of_error_write(struct of_out *out, enum of_error error, uint8_t version,
		    const uint8_t *request, size_t len)
{
	unsigned column = version <= OF10 ? 0 : version <= OF13 ? 1 : version == OF14 ? 2 : 3;
	const struct number *n = &numbers[error < OFERR_N ? error : OFERR_BAD_TYPE][column];

	if (!n->vendor) {
		out_u16(out, n->type);
		out_u16(out, n->code);
	} else if (version <= OF10) {
		out_u16(out, ERROR_NICIRA_10);
		out_u16(out, 0);
		out_u32(out, n->vendor);
		out_u16(out, n->type);
		out_u16(out, n->code);
	} else {
		out_u16(out, ERROR_EXPERIMENTER);
		out_u16(out, n->type);
		out_u32(out, n->vendor);
	}
	out_bytes(out, request, min(len, (size_t)OF_ERROR_DATA));
}
