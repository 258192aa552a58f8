/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of messages: numbers of 64 bits, and a buffer that a message is written to. What does not
 * fit into memory marks the buffer as failed; nothing more is written then. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/compiler.h"

/* The big-endian 64-bit number at @p. */
static inline uint64_t wire_load64(const uint8_t *p)
{
	return (uint64_t)be32_load(p) << 32 | be32_load(p + 4);
}

/* A buffer; {0} is an empty one. bytes is malloc'd and the owner's. */
struct of_out {
	uint8_t *bytes;
	size_t len, size;
	bool failed;
};

/* Frees the bytes; it is empty then. */
static inline void out_free(struct of_out *out)
{
	free(out->bytes);
	*out = (struct of_out){ 0 };
}

/* Room for @n more bytes, which are zeroed and belong to the message; NULL when memory is short. */
static inline uint8_t *out_zeros(struct of_out *out, size_t n)
{
	uint8_t *at;

	if (out->failed)
		return NULL;
	if (n > out->size - out->len) {
		size_t size = (out->len + n) * 2 + 256;
		uint8_t *bytes = realloc(out->bytes, size);

		if (!bytes) {
			out->failed = true;
			return NULL;
		}
		out->bytes = bytes;
		out->size = size;
	}
	at = out->bytes + out->len;
	out->len += n;
	return n ? memset(at, 0, n) : at;
}

/* Appends @n bytes. */
static inline void out_bytes(struct of_out *out, const void *bytes, size_t n)
{
	uint8_t *at = out_zeros(out, n);

	if (at && n)
		memcpy(at, bytes, n);
}

/* Appends a number; those below, too. */
static inline void out_u8(struct of_out *out, uint8_t value)
{
	uint8_t *at = out_zeros(out, 1);

	if (at)
		*at = value;
}

/* 16 bits. */
static inline void out_u16(struct of_out *out, uint16_t value)
{
	uint8_t *at = out_zeros(out, 2);

	if (at)
		be16_store(at, value);
}

/* 32 bits. */
static inline void out_u32(struct of_out *out, uint32_t value)
{
	uint8_t *at = out_zeros(out, 4);

	if (at)
		be32_store(at, value);
}

/* 64 bits. */
static inline void out_u64(struct of_out *out, uint64_t value)
{
	out_u32(out, (uint32_t)(value >> 32));
	out_u32(out, (uint32_t)value);
}

/* @size bytes: @text, cut so that a zero follows, and zeros. */
static inline void out_text(struct of_out *out, const char *text, size_t size)
{
	uint8_t *at = out_zeros(out, size);

	for (size_t i = 0; at && i + 1 < size && text[i]; i++)
		at[i] = (uint8_t)text[i];
}

/* Zeros until what was written since @start is a multiple of 8 bytes. */
static inline void out_pad(struct of_out *out, size_t start)
{
	if (!out->failed)
		out_zeros(out, -(out->len - start) & 7);
}

/* Overwrites what was written at @at. */
static inline void out_patch16(struct of_out *out, size_t at, size_t value)
{
	if (!out->failed)
		be16_store(out->bytes + at, (uint16_t)value);
}
