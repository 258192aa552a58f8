/* SPDX-License-Identifier: Apache-2.0 */
/* What happened between two looks at the ports. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define RATE_NAME_MAX 63 /* bytes of a name that are kept */

/* Per second. */
struct port_rate {
	char name[RATE_NAME_MAX + 1];
	bool link;
	double rx_packets, rx_bits, tx_packets, tx_bits, drops;
};

/* Compares two answers to port.show that are @seconds apart. @before may be NULL: all rates are 0,
 * as for a port that was not there then or whose counters began anew. Writes at most @max ports, in
 * the order of @now, and returns how many.
 */
size_t rates_compute(const json_t *before, const json_t *now, double seconds,
		     struct port_rate *rates, size_t max);
