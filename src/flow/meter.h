/* SPDX-License-Identifier: Apache-2.0 */
/* Meters (OpenFlow 1.5.1, 5.11): bands limit packets or bytes in time. Workers share them without a
 * lock. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "flow/of_error.h"

#define METER_MAX 0xffff0000u /* highest number */
#define METER_BANDS_MAX 8
#define METER_ALL 0xffffffffu

/* Flags (OpenFlow 1.5.1, 7.3.4.4). */
#define METER_KBPS 1u
#define METER_PKTPS 2u
#define METER_BURST 4u
#define METER_STATS 8u

/* As on the wire. */
enum meter_band_type { BAND_DROP = 1, BAND_DSCP_REMARK = 2 };

struct meter_band {
	uint8_t type;
	uint8_t prec_level; /* of BAND_DSCP_REMARK: how much to raise the drop precedence */
	uint32_t rate,
		burst; /* of flags: kb/s and kb, or packets/s and packets; burst 0: a second's */
};

#define METER_DUE_PARTS 64 /* of a ns: 64 bytes take few of them at 100 Gb/s */

/* Of a meter: what workers write; may be in memory that outlives the process. */
struct meter_state {
	uint64_t packets, bytes; /* that came in */
	struct meter_band_state {
		/* CLOCK_MONOTONIC, in parts of ns: when the band would be full (flow/meter_take.c)
		 */
		uint64_t due;
		uint64_t packets, bytes; /* that were over it */
	} bands[METER_BANDS_MAX];
};

/* Constant but for *state. */
struct meter {
	uint32_t refs;
	uint32_t id;
	uint32_t flags; /* METER */
	unsigned n_bands;
	struct meter_band bands[METER_BANDS_MAX];
	struct meter_state *state; /* the owner's */
	uint64_t created_ms;
	void *owner;
};

/* Without bands and state; one reference, and NULL when memory is short. */
struct meter *meter_create(uint32_t id);
void meter_ref(struct meter *meter);
void meter_unref(struct meter *meter);
/* Called before a meter is freed, in the thread that dropped the last reference; NULL: not. */
extern void (*meter_on_free)(struct meter *meter);

/* Whether it may change the DSCP of a packet: of that, its METER_REMARK_BITS. */
bool meter_remarks(const struct meter *meter);
#define METER_REMARK_BITS 0x18u /* of the traffic class: the drop precedence (RFC 2597) */

/* "meter=1 pktps burst stats bands=type=drop rate=1000 burst_size=10": as ovs-ofctl has it. */
int meter_parse(struct meter **out, const char *text, struct error *err);
int meter_print(const struct meter *meter, char *text, size_t size);
enum of_error meter_check(const struct meter *meter, struct error *err);

/* What becomes of a packet. */
enum meter_verdict { METER_PASS, METER_DROP, METER_REMARK };

/* A packet of @len bytes passes at @now (ns). METER_REMARK: raise the drop precedence by
 * *@prec_level. Of bands that are over, that of the highest rate counts. Any worker. */
enum meter_verdict meter_take(const struct meter *meter, uint32_t len, uint64_t now,
			      uint8_t *prec_level);
