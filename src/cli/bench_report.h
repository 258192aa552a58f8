/* SPDX-License-Identifier: Apache-2.0 */
/* What a load came to: as JSON, and as a table for people. */
#pragma once

#include <jansson.h>

#include "cli/bench_load.h"

/* All results of a run that is over. A new reference. Counts are of the whole run, rates of the
 * measured time. */
json_t *bench_report(const struct bench_load *load);

/* Prints what bench_report() made. */
void bench_report_print(const json_t *report);

/* Whether something is wrong with the results: nothing arrived, or what arrived was not what was
 * sent. Then a text. */
bool bench_report_fails(const struct bench_load *load, struct error *err);
