// SPDX-License-Identifier: Apache-2.0
/* CRC32c, and how it changes. The register is a polynomial over GF(2) modulo the generator, the
 * highest power of x in bit 0; a zero byte multiplies it by x^8.
 */
#include "packet/crc32c.h"

#define GENERATOR 0x82f63b78u
#define X8 (1u << 23) /* x^8 */

uint32_t crc32c(const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	uint32_t crc = ~0u;

	for (; len; len--) {
		crc ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? GENERATOR : 0);
	}
	return ~crc;
}

static uint32_t multiply(uint32_t a, uint32_t b)
{
	uint32_t product = 0;

	for (; a; a <<= 1) {
		if (a >> 31)
			product ^= b;
		b = b >> 1 ^ (b & 1 ? GENERATOR : 0);
	}
	return product;
}

uint32_t crc32c_change(uint32_t before, uint32_t after, uint32_t len)
{
	uint32_t change = before ^ after;

	/* times x^(8 len), by squares */
	for (uint32_t power = X8; len; len >>= 1) {
		if (len & 1)
			change = multiply(power, change);
		power = multiply(power, power);
	}
	return change;
}
