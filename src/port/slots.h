/* SPDX-License-Identifier: Apache-2.0 */
/* Room for whole frames, for ports that read them from a file descriptor. */
#pragma once

#include <stdint.h>

#include "packet/ethernet.h"

#define SLOT_HEADROOM 64 /* bytes before a frame, for a header that is read together with it */

/* Bytes from one slot to the next. Not a multiple of the page size: the starts of frames spread
 * over all sets of the cache. */
#define SLOT_LEN (SLOT_HEADROOM + (FRAME_TAGGED_MAX + 127) / 64 * 64)

/* @n slots. The memory is mapped, not touched: a slot costs what was ever written to it. NULL when
 * memory is short; free with slots_unmap(), NULL is fine. Any thread.
 */
uint8_t *slots_map(unsigned n);
void slots_unmap(uint8_t *slots, unsigned n);

/* Where the frame of slot @i starts; FRAME_TAGGED_MAX bytes, and SLOT_HEADROOM before it. */
static inline uint8_t *slot_frame(uint8_t *slots, unsigned i)
{
	return slots + (uint64_t)i * SLOT_LEN + SLOT_HEADROOM;
}
