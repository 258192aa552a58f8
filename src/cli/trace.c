// SPDX-License-Identifier: Apache-2.0
/* vireo trace and vireo cache show */
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "cli/output.h"
#include "cli/rules.h"
#include "cli/trace_live.h"

#define FRAME_MAX 65549 /* bytes */

#define USAGE                                                                               \
	"trace [BRIDGE] FLOW | --hex HEX [in_port PORT] | --pcap FILE[:N] [in_port PORT], " \
	"or vireo " TRACE_LIVE_USAGE

static void set_hex(json_t *params, const uint8_t *bytes, size_t n)
{
	char *text = malloc(2 * n + 1);

	if (!text)
		exit(fail(STATUS_REFUSED, "out of memory"));
	for (size_t i = 0; i < n; i++)
		sprintf(text + 2 * i, "%02x", bytes[i]);
	text[2 * n] = 0;
	json_object_set_new(params, "hex", json_string(text));
	free(text);
}

/* The frame of number @n, from 1. */
static enum status read_frame(pcap_t *pcap, const char *path, unsigned long n, json_t *params)
{
	struct pcap_pkthdr *header;
	const u_char *bytes;

	if (pcap_datalink(pcap) != DLT_EN10MB) {
		const char *type = pcap_datalink_val_to_name(pcap_datalink(pcap));

		return fail(
			STATUS_REFUSED,
			"%s holds packets of link type %s: only Ethernet (EN10MB) can be traced",
			path, type ? type : "unknown");
	}
	for (unsigned long i = 1; pcap_next_ex(pcap, &header, &bytes) == 1; i++) {
		if (i < n)
			continue;
		if (header->caplen > FRAME_MAX)
			return fail(STATUS_REFUSED, "frame %lu of %s is too long", n, path);
		set_hex(params, bytes, header->caplen);
		return STATUS_OK;
	}
	return fail(STATUS_REFUSED, "%s has no frame %lu", path, n);
}

/* "FILE" or "FILE:N". */
static enum status read_pcap(const char *words, json_t *params)
{
	char error[PCAP_ERRBUF_SIZE], *path = strdup(words), *colon, *end;
	unsigned long n = 1;
	enum status status;
	pcap_t *pcap;

	if (!path)
		return fail(STATUS_REFUSED, "out of memory");
	colon = strrchr(path, ':');
	if (colon && colon[1]) {
		n = strtoul(colon + 1, &end, 10);
		if (!*end && n)
			*colon = 0;
		else
			n = 1;
	}
	pcap = pcap_open_offline(path, error);
	status = pcap ? read_frame(pcap, path, n, params)
		      : fail(STATUS_REFUSED, "cannot read %s: %s", path, error);
	if (pcap)
		pcap_close(pcap);
	free(path);
	return status;
}

/* Behind --hex and --pcap. */
static enum status read_packet(int argc, char **argv, json_t *params)
{
	bool hex = !strcmp(argv[0], "--hex");

	if (argc != 2 && (argc != 4 || strcmp(argv[2], "in_port")))
		return fail(STATUS_USAGE, "which packet? vireo " USAGE);
	if (argc == 4 && !add_pair(params, "in_port", argv[3]))
		return STATUS_USAGE;
	if (!hex)
		return read_pcap(argv[1], params);
	return add_pair(params, "hex", argv[1]) ? STATUS_OK : STATUS_USAGE;
}

/* Whether a word is a bridge, not a packet: those have terms with '=', or are one of several. */
static bool is_bridge(int argc, char **argv)
{
	return argc > 1 && argv[0][0] != '-' && !strchr(argv[0], '=') && !strchr(argv[0], ',');
}

/* What is to be traced, into @params. */
static enum status read_words(int argc, char **argv, json_t *params)
{
	if (is_bridge(argc, argv)) {
		if (!add_pair(params, "bridge", argv[0]))
			return STATUS_USAGE;
		argc--;
		argv++;
	}
	if (argc && !strcmp(argv[0], "--live"))
		return fail(STATUS_USAGE,
			    "--live needs no bridge, a port is of one: vireo " TRACE_LIVE_USAGE);
	if (argc && (!strcmp(argv[0], "--hex") || !strcmp(argv[0], "--pcap")))
		return read_packet(argc, argv, params);
	return rules_add(params, "flow", argc, argv) ? STATUS_OK : STATUS_USAGE;
}

static enum status trace(const struct cli *cli, int argc, char **argv)
{
	enum status status = check_words(argc, argv, 1, 1000, USAGE);
	json_t *params, *result = NULL;

	if (status)
		return status;
	if (!strcmp(argv[0], "--live"))
		return trace_live(cli, argc - 1, argv + 1);
	params = rules_params(&argc, &argv);
	if (!params)
		return STATUS_USAGE;
	status = read_words(argc, argv, params);
	if (status) {
		json_decref(params);
		return status;
	}
	status = client_call(cli, "trace", params, &result);
	if (status)
		return status;
	if (cli->json)
		print_json(json_object_get(result, "trace"));
	else
		fputs(json_string_value(json_object_get(result, "text")) ?: "", stdout);
	json_decref(result);
	return STATUS_OK;
}

static enum status cache_show(const struct cli *cli, int argc, char **argv)
{
	static const char *const columns[] = { "worker", "hint_hits", "mask_hits", "misses",
					       "plans",	 "masks",     NULL };
	enum status status = check_words(argc, argv, 0, 0, "cache show");
	json_t *list = NULL;

	if (!status)
		status = client_call(cli, "cache.show", NULL, &list);
	if (status)
		return status;
	if (cli->json)
		print_json(list);
	else
		print_table(list, columns, false, 0);
	json_decref(list);
	return STATUS_OK;
}

static const char *const trace_options[] = { "bridge", "--hex", "--pcap", "--live", NULL };

static const struct verb trace_verbs[] = {
	{ .name = "trace",
	  .args = "[BRIDGE] FLOW | --hex HEX | --pcap FILE[:N] | --live PORT [-c COUNT] [FILTER]",
	  .help = "tell what becomes of a packet, like in_port=vm1,tcp,nw_dst=10.0.0.1, or, as they "
		  "come, of those from a port",
	  .run = trace,
	  .own_options = trace_options },
	{ .name = NULL },
};

static const struct verb cache_verbs[] = {
	{ .name = "show",
	  .args = "",
	  .help = "how often workers knew what becomes of a packet, and how much they remember",
	  .run = cache_show },
	{ .name = NULL },
};

const struct object trace_object = { "trace", "the way of a packet through the rules",
				     trace_verbs };
const struct object cache_object = { "cache", "what workers remember of decisions", cache_verbs };
