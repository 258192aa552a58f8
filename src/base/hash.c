// SPDX-License-Identifier: Apache-2.0
/* The secret that keeps hash tables unpredictable. */
#include <sys/random.h>
#include <time.h>

#include "base/hash.h"

static uint64_t secret;

__attribute__((constructor)) static void draw_secret(void)
{
	if (getrandom(&secret, sizeof(secret), GRND_NONBLOCK) != sizeof(secret))
		secret = hash_mix((uint64_t)time(NULL), (uint64_t)(uintptr_t)&secret);
}

uint64_t hash_secret(void)
{
	return secret;
}
