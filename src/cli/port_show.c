// SPDX-License-Identifier: Apache-2.0
/* Ports for people: a line for each, or everything about one. */
#include <stdio.h>
#include <stdlib.h>

#include "base/compiler.h"
#include "cli/output.h"
#include "cli/port_show.h"

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "?";
}

static json_int_t number_of(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

static const char *link_of(const json_t *port)
{
	return json_is_true(json_object_get(port, "link")) ? "up" : "down";
}

static json_int_t sum_of(const json_t *drops)
{
	const json_t *count;
	const char *reason;
	json_int_t sum = 0;

	json_object_foreach ((json_t *)drops, reason, count)
		sum += json_integer_value(count);
	return sum;
}

void ports_print(const json_t *ports)
{
	static const char *const columns[] = { "name",	     "type",	 "bridge",     "link",
					       "rx_packets", "rx_bytes", "tx_packets", "tx_bytes",
					       "drops",	     NULL };
	json_t *rows = json_array();
	const json_t *port;
	size_t i;

	json_array_foreach (ports, i, port) {
		json_t *row = json_copy((json_t *)port);

		json_object_set_new(row, "link", json_string(link_of(port)));
		json_object_set_new(row, "drops",
				    json_integer(sum_of(json_object_get(port, "drops"))));
		json_array_append_new(rows, row);
	}
	print_table(rows, columns, true, 0);
	json_decref(rows);
}

/* "12345 packets, 1234567 bytes (1.23MB)" */
static void print_traffic(const char *title, const json_t *port, const char *packets,
			  const char *bytes)
{
	json_int_t n = number_of(port, bytes);
	char human[16];

	printf("  %-18s%" JSON_INTEGER_FORMAT " packets, %" JSON_INTEGER_FORMAT " bytes", title,
	       number_of(port, packets), n);
	if (n >= 1000)
		printf(" (%sB)", human_number((double)n, human, sizeof(human)));
	putchar('\n');
}

void drops_print(const json_t *drops, const json_t *drop_texts, int indent)
{
	const json_t *count;
	const char *reason;

	if (!sum_of(drops)) {
		printf("%*s%-*snone\n", indent, "", 20 - indent, "drops");
		return;
	}
	printf("%*sdrops\n", indent, "");
	json_object_foreach ((json_t *)drops, reason, count) {
		const char *text = json_string_value(json_object_get(drop_texts, reason));

		if (!json_integer_value(count))
			continue;
		printf("%*s%-*s%" JSON_INTEGER_FORMAT "%s%s\n", indent + 2, "", 18 - indent, reason,
		       json_integer_value(count), text ? "  " : "", text ? text : "");
	}
}

/* The options of @port in the words of the command line. */
static json_t *options_in_words(const json_t *port)
{
	json_t *options = json_copy(json_object_get(port, "options")), *value;
	const char *name;
	void *next;

	json_object_foreach_safe(options, next, name, value)
	{
		if (json_is_boolean(value))
			json_object_set_new(options, name,
					    json_string(json_is_true(value) ? "on" : "off"));
	}
	return json_pack("{s:o*}", "options", options);
}

void port_print(const json_t *port, const json_t *drop_texts)
{
	const char *done[] = { "name",	     "type",	 "bridge",     "link",
			       "rx_packets", "rx_bytes", "tx_packets", "tx_bytes",
			       "drops",	     "options",	 NULL,	       NULL };
	static const char *const columns[] = { "direction", "index", "worker", "state",
					       "ring",	    "size",  NULL };
	const json_t *queues = json_object_get(port, "queues");
	char *name = value_text(json_object_get(port, "name"));
	json_t *options;

	if (json_is_array(queues))
		done[ARRAY_SIZE(done) - 2] = "queues"; /* a table, at the end */
	printf("%s: %s port on bridge %s, link %s\n", name, text_of(port, "type"),
	       text_of(port, "bridge"), link_of(port));
	free(name);
	options = options_in_words(port);
	print_members(options, NULL, 2);
	json_decref(options);
	print_members(port, done, 2);
	print_traffic("received", port, "rx_packets", "rx_bytes");
	print_traffic("sent", port, "tx_packets", "tx_bytes");
	drops_print(json_object_get(port, "drops"), drop_texts, 2);
	if (!json_array_size(queues))
		return;
	puts("  queues");
	print_table(queues, columns, false, 4);
}
