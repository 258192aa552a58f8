// SPDX-License-Identifier: Apache-2.0
/* The words of "vireo bench". */
#include "cli/bench_options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/compiler.h"

#define FLOWS_MAX 65536
#define RATE_MAX 1000000000
#define DAY_SECONDS 86400
#define CPU_MAX 1023 /* CPU_SETSIZE - 1 */
#define RING_SIZE 256
#define WINDOW 128
#define LEN_STEP 4							  /* bytes */
#define LARGE_SIZE (BENCH_TCP_HEADERS + 45 * BENCH_SEGMENT + ETH_FCS_LEN) /* as Linux sends it */
#define LARGE_FLOWS_MAX 1024						  /* each has 64 KiB */

#define TURN_MS_MAX 1000

static const char *const kinds[] = { "open", "loop", "ping", NULL };
static const char *const modes[] = { "connect", "listen", NULL };
static const char *const rings[] = { "split", "packed", NULL };
static const char *const freshes[] = { "off", "flows", "macs", NULL };
static const char *const tsos[] = { "off", "on", "send", NULL };

/* "0.25" -> 0.25, up to a day. */
static json_t *check_seconds(const char *text, struct error *err)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end != text && !*end && seconds >= 0 && seconds <= DAY_SECONDS)
		return json_real(seconds);
	error_set(err, -EINVAL, "\"%s\" is no time: write seconds like 0.5 (0 to %d)", text,
		  DAY_SECONDS);
	return NULL;
}

const struct option bench_options[] = {
	{ .name = "load",
	  .type = OPTION_CHOICE,
	  .choices = kinds,
	  .help = "open: all that goes; loop: one for each that came; ping: one (open)" },
	{ .name = "size",
	  .type = OPTION_UINT,
	  .min = BENCH_FRAME_MIN + ETH_FCS_LEN,
	  .max = BENCH_LARGE_MAX + ETH_FCS_LEN,
	  .help = "bytes of a frame, with the 4 of its check sequence (64)" },
	{ .name = "tso",
	  .type = OPTION_CHOICE,
	  .choices = tsos,
	  .help = "on: large TCP frames; send: the back-end must segment them (off)" },
	{ .name = "flows",
	  .type = OPTION_UINT,
	  .min = 1,
	  .max = FLOWS_MAX,
	  .help = "flows of each port, by source address and port (as many as queues)" },
	{ .name = "fresh",
	  .type = OPTION_CHOICE,
	  .choices = freshes,
	  .help = "each frame has a new flow or source MAC; of \"flood\" if there is one (off)" },
	{ .name = "rate",
	  .type = OPTION_UINT,
	  .min = 0,
	  .max = RATE_MAX,
	  .help = "frames a second of each port; 0: all that go (0)" },
	{ .name = "flood",
	  .type = OPTION_UINT,
	  .min = 2,
	  .max = BENCH_PORTS_MAX - 2,
	  .help = "of the sockets, the last so many send all that goes, to each other (none)" },
	{ .name = "turns",
	  .type = OPTION_UINT,
	  .min = 0,
	  .max = TURN_MS_MAX,
	  .help = "ms without \"flood\", with its known MACs, with \"fresh\" ones, in turns (0: none)" },
	{ .name = "silent",
	  .type = OPTION_UINT,
	  .min = 0,
	  .max = BENCH_PORTS_MAX - 3,
	  .help = "of those of \"flood\", the last so many only receive (0)" },
	{ .name = "window",
	  .type = OPTION_UINT,
	  .min = 1,
	  .max = 32768,
	  .help = "frames of each port on their way, of a loop (128)" },
	{ .name = "seconds",
	  .type = OPTION_CUSTOM,
	  .check = check_seconds,
	  .help = "seconds to measure (5)" },
	{ .name = "warmup",
	  .type = OPTION_CUSTOM,
	  .check = check_seconds,
	  .help = "seconds of load before that (1)" },
	{ .name = "check",
	  .type = OPTION_BOOL,
	  .help = "look at each byte and at the order; off is faster (on)" },
	{ .name = "ring",
	  .type = OPTION_CHOICE,
	  .choices = rings,
	  .help = "layout of the rings (split)" },
	{ .name = "ring-size",
	  .type = OPTION_UINT,
	  .min = 64,
	  .max = 32768,
	  .help = "entries of each ring (256)" },
	{ .name = "queues",
	  .type = OPTION_UINT,
	  .min = 1,
	  .max = NETDRV_PAIRS_MAX,
	  .help = "queue pairs of each port (1)" },
	{ .name = "in-order",
	  .type = OPTION_BOOL,
	  .help = "ask for buffers to be used in order (off)" },
	{ .name = "mergeable",
	  .type = OPTION_BOOL,
	  .help = "ask for mergeable receive buffers (on)" },
	{ .name = "indirect",
	  .type = OPTION_BOOL,
	  .help = "send each frame in an indirect table of two (off)" },
	{ .name = "hugepages",
	  .type = OPTION_BOOL,
	  .help = "put the memory into huge pages, when there are some (on)" },
	{ .name = "mode",
	  .type = OPTION_CHOICE,
	  .choices = modes,
	  .help = "connect to the sockets, or make them and listen (connect)" },
	{ .name = "cpu",
	  .type = OPTION_UINT,
	  .min = 0,
	  .max = CPU_MAX,
	  .help = "run on this one (any)" },
	{ .name = NULL },
};

/* {OPTION: VALUE} of the words, checked. A new reference, or NULL and a text. */
static json_t *read_options(int argc, char **argv, struct error *err)
{
	static const struct option *const tables[] = { bench_options, NULL };
	json_t *options = json_object();

	for (int i = 0; i < argc; i += 2) {
		if (json_object_get(options, argv[i]))
			error_set(err, 0, "\"%s\" is there twice", argv[i]);
		else if (i + 1 == argc)
			error_set(err, 0, "\"%s\" needs a value", argv[i]);
		else if (json_object_set_new(options, argv[i], json_string(argv[i + 1])))
			error_set(err, 0, "\"%s %s\" is not UTF-8", argv[i], argv[i + 1]);
		else
			continue;
		goto fail;
	}
	if (options_check(tables, options, true, err) == 0)
		return options;
fail:
	json_decref(options);
	return NULL;
}

static bool is(const json_t *options, const char *name, const char *value)
{
	return !strcmp(option_string(options, name, ""), value);
}

static int check_size(const struct bench_config *config, struct error *err)
{
	uint32_t size = config->frame_len + ETH_FCS_LEN, most = BENCH_FRAME_MAX + ETH_FCS_LEN;
	uint32_t segment = BENCH_TCP_HEADERS + BENCH_SEGMENT + ETH_FCS_LEN;

	if (config->tso && size <= segment)
		return error_set(err, -EINVAL, "size %u: with \"tso\", more than a segment's %u",
				 size, segment);
	if (!config->tso && size > most)
		return error_set(err, -EINVAL, "size %u: without \"tso\", at most %u", size, most);
	return 0;
}

/* What does not go together. */
static int check(const json_t *options, struct bench_words *words, struct error *err)
{
	struct bench_config *config = &words->config;
	unsigned n_ports = words->n_paths;
	uint32_t room;

	if (check_size(config, err) != 0)
		return -EINVAL;
	if (config->n_flood &&
	    ((!config->rate && config->kind == BENCH_OPEN) || config->n_flood + 2 > n_ports))
		return error_set(err, -EINVAL,
				 "\"flood\" is for at least two more sockets, with a \"rate\", or "
				 "in a loop");
	if (config->turn_ns && words->flood.fresh != BENCH_FRESH_MACS)
		return error_set(err, -EINVAL, "\"turns\" is for a \"flood\" of \"fresh macs\"");
	if (words->n_silent && words->n_silent >= config->n_flood)
		return error_set(err, -EINVAL, "silent %u: fewer than the %u of \"flood\"",
				 words->n_silent, config->n_flood);
	/* all frames may be on their way to one port */
	room = config->ring_size / bench_config_buffers(config) / (n_ports - config->n_flood);
	if (!config->packed && (config->ring_size & (config->ring_size - 1)))
		return error_set(err, -EINVAL, "ring-size %u: a split ring has a power of two",
				 config->ring_size);
	if (config->flows < config->n_queues)
		return error_set(err, -EINVAL, "flows %u: each of %u queues needs one",
				 config->flows, config->n_queues);
	if (config->tso && config->flows > LARGE_FLOWS_MAX)
		return error_set(err, -EINVAL, "flows %u: at most %d with \"tso\"", config->flows,
				 LARGE_FLOWS_MAX);
	if (config->rate && config->kind != BENCH_OPEN)
		return error_set(err, -EINVAL, "\"rate\" is for \"load open\"");
	if (config->fresh && (config->tso || config->check || config->kind != BENCH_OPEN))
		return error_set(
			err, -EINVAL,
			"\"fresh\" is for \"load open\" with \"check off\", without \"tso\"");
	if (json_object_get(options, "window") && config->kind != BENCH_LOOP)
		return error_set(err, -EINVAL, "\"window\" is for \"load loop\"");
	if (!room)
		return error_set(err, -EINVAL, "ring-size %u is too small for %u ports",
				 config->ring_size, n_ports);
	if (config->kind == BENCH_PING)
		config->window = 1;
	else if (!json_object_get(options, "window"))
		config->window = min(config->window, room);
	else if (config->window > room)
		return error_set(err, -EINVAL,
				 "window %u of %u ports does not fit a ring of %u: at most %u",
				 config->window, n_ports, config->ring_size, room);
	return 0;
}

/* An option of check_seconds(), in nanoseconds. */
static uint64_t read_time(const json_t *options, const char *name, double fallback)
{
	const json_t *value = json_object_get(options, name);

	return (uint64_t)((value ? json_real_value(value) : fallback) * (double)NSEC_PER_SEC);
}

/* A length by which frames of a flood are told from the others, wherever they get. */
static uint32_t other_len(const struct bench_config *config)
{
	return config->frame_len < BENCH_FRAME_MIN + LEN_STEP ? config->frame_len + LEN_STEP
							      : config->frame_len - LEN_STEP;
}

static void fill_in(struct bench_words *words, const json_t *options)
{
	struct bench_config *config = &words->config;
	unsigned size;

	config->kind = is(options, "load", "loop")   ? BENCH_LOOP
		       : is(options, "load", "ping") ? BENCH_PING
						     : BENCH_OPEN;
	config->listen = is(options, "mode", "listen");
	config->tso = is(options, "tso", "on")	   ? BENCH_TSO_ON
		      : is(options, "tso", "send") ? BENCH_TSO_SEND
						   : BENCH_TSO_OFF;
	size = config->tso ? LARGE_SIZE : BENCH_FRAME_MIN + ETH_FCS_LEN;
	config->frame_len = (uint32_t)option_uint(options, "size", size) - ETH_FCS_LEN;
	config->n_queues = (uint32_t)option_uint(options, "queues", 1);
	config->flows = (uint32_t)option_uint(options, "flows", config->n_queues);
	config->rate = option_uint(options, "rate", 0);
	config->n_flood = (uint32_t)option_uint(options, "flood", 0);
	config->turn_ns = option_uint(options, "turns", 0) * NSEC_PER_MSEC;
	config->window = (uint32_t)option_uint(options, "window", WINDOW);
	config->measure_ns = read_time(options, "seconds", 5);
	config->warmup_ns = read_time(options, "warmup", 1);
	/* open loads lose what finds no room; where nothing should be lost, patience is worth it */
	config->silence_ns = config->kind == BENCH_OPEN ? NSEC_PER_SEC / 2 : 2 * NSEC_PER_SEC;
	config->check = option_bool(options, "check", true);
	config->packed = is(options, "ring", "packed");
	config->in_order = option_bool(options, "in-order", false);
	config->indirect = option_bool(options, "indirect", false);
	config->mergeable = option_bool(options, "mergeable", true);
	config->huge = option_bool(options, "hugepages", true);
	config->ring_size = (uint32_t)option_uint(options, "ring-size", RING_SIZE);
	words->flood = *config;
	words->flood.kind = BENCH_OPEN;
	words->flood.rate = 0;
	words->flood.check = false;
	words->flood.frame_len = other_len(config);
	*(config->n_flood ? &words->flood.fresh : &config->fresh) =
		is(options, "fresh", "flows")  ? BENCH_FRESH_FLOWS
		: is(options, "fresh", "macs") ? BENCH_FRESH_MACS
					       : BENCH_FRESH_NONE;
	words->n_silent = (unsigned)option_uint(options, "silent", 0);
	words->silent = words->flood;
	words->silent.kind = BENCH_NONE;
	words->cpu = json_object_get(options, "cpu") ? (int)option_uint(options, "cpu", 0) : -1;
}

const struct bench_config *bench_words_port(const struct bench_words *words, unsigned index)
{
	if (index < words->n_paths - words->config.n_flood)
		return &words->config;
	return index < words->n_paths - words->n_silent ? &words->flood : &words->silent;
}

int bench_words_read(struct bench_words *words, int argc, char **argv, struct error *err)
{
	json_t *options;
	int n = 0, rc;

	*words = (struct bench_words){ .paths = argv };
	while (n < argc && strchr(argv[n], '/'))
		n++;
	if (n > BENCH_PORTS_MAX)
		return error_set(err, -EINVAL, "more than %d sockets", BENCH_PORTS_MAX);
	words->n_paths = (unsigned)n;
	if (!n)
		return error_set(err, -EINVAL,
				 "no socket: vireo bench SOCKET... [OPTION VALUE]...%s",
				 argc ? " (a socket here is ./NAME)" : "");
	options = read_options(argc - n, argv + n, err);
	if (!options)
		return -EINVAL;
	fill_in(words, options);
	rc = check(options, words, err);
	json_decref(options);
	return rc;
}
