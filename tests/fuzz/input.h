/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzzers share. An input is read from its beginning as numbers and bytes, which decide
 * what happens; behind its end everything is 0.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"

/* What must be so, whatever the input is. */
#define require(x)                        \
	do {                              \
		if (!(x))                 \
			__builtin_trap(); \
	} while (0)

/* What is left of an input. */
struct input {
	const uint8_t *data;
	size_t left;
};

/* What libFuzzer and replay.c call, for each input. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A number of @bytes <= 8 bytes, little-endian. */
static inline uint64_t take_number(struct input *in, unsigned bytes)
{
	uint64_t value = 0;

	bytes = (unsigned)min((size_t)bytes, in->left);
	if (bytes)
		memcpy(&value, in->data, bytes);
	in->data += bytes;
	in->left -= bytes;
	return value;
}

/* One of @n <= 256 choices. */
static inline unsigned take_choice(struct input *in, unsigned n)
{
	return (unsigned)take_number(in, 1) % n;
}

/* Copies up to @len bytes, as many as there are; the others stay as they were. */
static inline void take_bytes(struct input *in, void *to, size_t len)
{
	len = min(len, in->left);
	if (len)
		memcpy(to, in->data, len);
	in->data += len;
	in->left -= len;
}

/* Changes up to @n_max <= 255 bytes of the @len > 0 bytes at @bytes: what is right becomes nearly
 * right. Mostly nothing is changed. */
static inline void take_damage(struct input *in, void *bytes, size_t len, unsigned n_max)
{
	unsigned n = (unsigned)take_number(in, 1);

	for (n = n <= n_max ? n : 0; n; n--) {
		size_t at = take_number(in, len > 256 ? 2 : 1) % len;

		((uint8_t *)bytes)[at] = (uint8_t)take_number(in, 1);
	}
}

/* @len zeroed bytes, a heap block of their own, of which AddressSanitizer sees every border. */
static inline void *zeroed(size_t len)
{
	void *p = NULL;

	require(posix_memalign(&p, 16, len) == 0);
	memset(p, 0, len);
	return p;
}
