/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of what takes turns: time goes on when the test says so, all clocks alike. Linked with
 * --wrap=clock_gettime.
 */
#pragma once

#include "base/clock.h"

static uint64_t fake_ns = NSEC_PER_SEC;

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
	uint64_t ns = __atomic_load_n(&fake_ns, __ATOMIC_RELAXED); /* workers ask, too */

	*ts = (struct timespec){ .tv_sec = (time_t)(ns / NSEC_PER_SEC),
				 .tv_nsec = (long)(ns % NSEC_PER_SEC) };
	return 0;
}
