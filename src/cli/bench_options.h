/* SPDX-License-Identifier: Apache-2.0 */
/* The words of "vireo bench". */
#pragma once

#include "base/option.h"
#include "cli/bench_port.h"

/* Its options, for help and completion. */
extern const struct option bench_options[];

/* What the words say. */
struct bench_words {
	struct bench_config config;
	struct bench_config flood;  /* of the ports that flood */
	struct bench_config silent; /* of the last of these, which only receive */
	unsigned n_silent;
	char *const *paths; /* into argv */
	unsigned n_paths;   /* 1..BENCH_PORTS_MAX */
	int cpu;	    /* to run on; -1: any */
};

/* What the port of that socket is to do. */
const struct bench_config *bench_words_port(const struct bench_words *words, unsigned index);

/* Takes the words apart: sockets (they have a '/'), then options and values. Returns 0, or -EINVAL
 * and a text. */
int bench_words_read(struct bench_words *words, int argc, char **argv, struct error *err);
