// SPDX-License-Identifier: Apache-2.0
/* Rates from two samples of counters. */
#include <stdio.h>
#include <string.h>

#include "cli/rates.h"

static const char *name_of(const json_t *port)
{
	const char *name = json_string_value(json_object_get(port, "name"));

	return name ? name : "?";
}

/* Samples list ports in the same order unless some came or went: the search begins at @hint. */
static const json_t *find(const json_t *ports, const char *name, size_t hint)
{
	size_t n = json_array_size(ports);

	for (size_t i = 0; i < n; i++) {
		const json_t *port = json_array_get(ports, (hint + i) % n);

		if (!strcmp(name_of(port), name))
			return port;
	}
	return NULL;
}

static double sum_drops(const json_t *port)
{
	const json_t *count;
	const char *reason;
	double sum = 0;

	json_object_foreach (json_object_get(port, "drops"), reason, count)
		sum += (double)json_integer_value(count);
	return sum;
}

static double counter(const json_t *port, const char *name)
{
	return (double)json_integer_value(json_object_get(port, name));
}

static double rate(double before, double now, double seconds)
{
	return now > before && seconds > 0 ? (now - before) / seconds : 0;
}

size_t rates_compute(const json_t *before, const json_t *now, double seconds,
		     struct port_rate *rates, size_t max)
{
	const json_t *port;
	size_t i;

	json_array_foreach (now, i, port) {
		const json_t *old = find(before, name_of(port), i);
		struct port_rate *r = &rates[i];

		if (i == max)
			return max;
		memset(r, 0, sizeof(*r));
		snprintf(r->name, sizeof(r->name), "%s", name_of(port));
		r->link = json_is_true(json_object_get(port, "link"));
		if (!old || counter(port, "rx_packets") < counter(old, "rx_packets") ||
		    counter(port, "tx_packets") < counter(old, "tx_packets"))
			continue;
#define RATE(name) rate(counter(old, name), counter(port, name), seconds)
		r->rx_packets = RATE("rx_packets");
		r->rx_bits = 8 * RATE("rx_bytes");
		r->tx_packets = RATE("tx_packets");
		r->tx_bits = 8 * RATE("tx_bytes");
#undef RATE
		r->drops = rate(sum_drops(old), sum_drops(port), seconds);
	}
	return i;
}
