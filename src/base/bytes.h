/* SPDX-License-Identifier: Apache-2.0 */
/* Big-endian numbers at any address, as packets have them. Any thread. */
#pragma once

#include <stdint.h>

/* The 16-bit number at @p. */
static inline uint16_t be16_load(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* The 32-bit number at @p. */
static inline uint32_t be32_load(const uint8_t *p)
{
	return (uint32_t)be16_load(p) << 16 | be16_load(p + 2);
}

/* Writes a 16-bit number to @p. */
static inline void be16_store(uint8_t *p, uint16_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

/* Writes a 32-bit number to @p. */
static inline void be32_store(uint8_t *p, uint32_t value)
{
	be16_store(p, (uint16_t)(value >> 16));
	be16_store(p + 2, (uint16_t)value);
}
