/* SPDX-License-Identifier: Apache-2.0 */
/* The books of a guest of the soak, in a file that outlives it: what it has sent, and which of its
 * frames have come to its peer.
 *
 * A *life* is a guest's driver from its start to its end; each has a file DIR/GUEST.LIFE of its
 * own. Frames of a queue are numbered from 0, and the receiver sets a bit for each in the sender's
 * file. So lost frames, and repeated ones, are known one by one, whoever was killed. Each field has
 * one writer at a time; soak.py reads them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "packet/ethernet.h"
#include "virtio/driver.h"

#define LEDGER_QUEUES 2
#define LEDGER_FRAMES (1u << 26) /* of a queue, at most */

struct ledger_queue {
	uint64_t posted;       /* sender: frames that the switch may have seen, or a few more */
	uint64_t completed;    /* sender: frames that the switch has taken, when it last looked */
	uint64_t received;     /* receiver: different ones */
	uint64_t repeated;     /* receiver: those that were there already */
	uint64_t desc, device; /* sender: where its ring is, in its memory */
};

struct ledger {
	uint32_t guest, life;
	uint32_t ring_size, packed;
	uint64_t bad; /* receiver of this life: frames that are no guest's, or not as sent */
	struct ledger_queue queues[LEDGER_QUEUES];
	uint8_t bits[LEDGER_QUEUES][LEDGER_FRAMES / 8] __attribute__((aligned(4096)));
};

#define FRAME_LEN_MIN 60u
#define FRAME_LEN_MAX_SENT 1514u

/* MAC address of guest number @guest. */
static inline mac_t ledger_mac(uint32_t guest)
{
	return 0x020000000000ull + guest;
}

/* Makes (@create) or opens the file of a life, and maps it. NULL: there is none. */
struct ledger *ledger_open(const char *dir, uint32_t guest, uint32_t life, bool create);
void ledger_close(struct ledger *ledger);

/* Writes frame @seq of a queue, from the ledger's guest to @peer, to @frame. Its length. */
uint32_t ledger_make_frame(const struct ledger *ledger, uint32_t peer, unsigned queue, uint64_t seq,
			   uint8_t *frame);

/* What a receiver has open. */
struct ledger_reader {
	const char *dir;
	struct ledger *own;	/* of the receiver */
	struct ledger *last[8]; /* of senders, the latest last */
};

/* Notes a frame that was received, in its sender's books; in the own ones if it is bad. @again
 * false: one that is noted already is not a repeated one. */
void ledger_note(struct ledger_reader *reader, const uint8_t *frame, uint32_t len, bool again);

/* The guest was killed, and its switch has let go of @memory, its @size bytes: finds what the
 * switch has completed, and what it has delivered that the guest has not seen. */
void ledger_post_mortem(struct ledger_reader *reader, const uint8_t *memory, uint64_t size);

/* Frames of @queue with a number less than @end that were received. */
uint64_t ledger_count(const struct ledger *ledger, unsigned queue, uint64_t end);
