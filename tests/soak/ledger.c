// SPDX-License-Identifier: Apache-2.0
// The books of the soak's guests.
#include <endian.h>
#include <fcntl.h>
#include <linux/virtio_ring.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/counter.h"
#include "soak/ledger.h"

#define MAGIC 0x6b616f73u
#define BUFFER_ALIGN 64 /* of receive buffers */
#define TYPE_AT 12	/* in a frame */
#define BAD_TOLD 5	/* bad frames of which more than the number is said */
#define HEADER_LEN 12	/* of virtio-net */

struct frame {
	uint8_t dst[6], src[6];
	uint16_t type;
	uint32_t magic, guest, life, queue, len;
	uint64_t seq;
	uint8_t pattern[];
} __attribute__((packed));

struct ledger *ledger_open(const char *dir, uint32_t guest, uint32_t life, bool create)
{
	struct ledger *ledger;
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%u.%u", dir, guest, life);
	fd = open(path, O_RDWR | O_CLOEXEC | (create ? O_CREAT | O_EXCL : 0), 0600);
	if (fd < 0)
		return NULL;
	if (create && ftruncate(fd, sizeof(*ledger)) < 0)
		ledger = MAP_FAILED;
	else
		ledger = mmap(NULL, sizeof(*ledger), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (ledger == MAP_FAILED)
		return NULL;
	if (create) {
		ledger->guest = guest;
		ledger->life = life;
	}
	return ledger;
}

void ledger_close(struct ledger *ledger)
{
	if (ledger)
		munmap(ledger, sizeof(*ledger));
}

/* Every other frame is longer than the shortest. */
static uint32_t len_of(uint64_t seq)
{
	if (seq % 2)
		return FRAME_LEN_MIN;
	return FRAME_LEN_MIN +
	       (uint32_t)(seq * 2654435761u >> 8) % (FRAME_LEN_MAX_SENT - FRAME_LEN_MIN + 1);
}

static uint8_t pattern(uint64_t seq, uint32_t i)
{
	return (uint8_t)(seq * 31 + i);
}

uint32_t ledger_make_frame(const struct ledger *ledger, uint32_t peer, unsigned queue, uint64_t seq,
			   uint8_t *frame)
{
	struct frame *f = (struct frame *)frame;
	uint32_t len = len_of(seq);

	mac_store(f->dst, ledger_mac(peer));
	mac_store(f->src, ledger_mac(ledger->guest));
	f->type = htobe16(0x88b5); /* local experimental */
	f->magic = MAGIC;
	f->guest = ledger->guest;
	f->life = ledger->life;
	f->queue = queue;
	f->len = len;
	f->seq = seq;
	for (uint32_t i = 0; i < len - sizeof(*f); i++)
		f->pattern[i] = pattern(seq, i);
	return len;
}

/* Whether a frame is one that some guest has sent, and unchanged. */
static bool intact(const struct frame *f, uint32_t len)
{
	if (len < sizeof(*f) || f->magic != MAGIC || f->len != len || f->queue >= LEDGER_QUEUES ||
	    f->seq >= LEDGER_FRAMES || len != len_of(f->seq))
		return false;
	for (uint32_t i = 0; i < len - sizeof(*f); i++)
		if (f->pattern[i] != pattern(f->seq, i))
			return false;
	return true;
}

/* The books of a frame's sender; NULL: there are none. */
static struct ledger *sender(struct ledger_reader *r, uint32_t guest, uint32_t life)
{
	const unsigned n = ARRAY_SIZE(r->last);
	struct ledger *ledger;

	for (unsigned i = n; i--;)
		if (r->last[i] && r->last[i]->guest == guest && r->last[i]->life == life)
			return r->last[i];
	ledger = ledger_open(r->dir, guest, life, false);
	if (!ledger)
		return NULL;
	ledger_close(r->last[0]);
	memmove(r->last, r->last + 1, (n - 1) * sizeof(r->last[0]));
	r->last[n - 1] = ledger;
	return ledger;
}

static void note_bad(struct ledger_reader *r, const struct frame *f, uint32_t len)
{
	counter_add(&r->own->bad, 1);
	if (r->own->bad > BAD_TOLD)
		return;
	fprintf(stderr, "guest %u: bad frame of %u bytes", r->own->guest, len);
	if (len >= sizeof(*f))
		fprintf(stderr, ", type %04x, guest %u, life %u, queue %u, number %llu",
			be16toh(f->type), f->guest, f->life, f->queue, (unsigned long long)f->seq);
	fputc('\n', stderr);
}

/* A frame as it was sent: one that comes out of a trunk has got a tag. */
static const struct frame *untagged(const uint8_t *frame, uint32_t *len)
{
	static uint8_t copy[FRAME_LEN_MAX_SENT];

	if (*len < FRAME_LEN_MIN || *len > FRAME_LEN_MAX_SENT + VLAN_TAG_LEN ||
	    frame[TYPE_AT] != 0x81 || frame[TYPE_AT + 1] != 0x00)
		return (const struct frame *)frame;
	*len -= VLAN_TAG_LEN;
	memcpy(copy, frame, TYPE_AT);
	memcpy(copy + TYPE_AT, frame + TYPE_AT + VLAN_TAG_LEN, *len - TYPE_AT);
	return (const struct frame *)copy;
}

void ledger_note(struct ledger_reader *r, const uint8_t *frame, uint32_t len, bool again)
{
	const struct frame *f = untagged(frame, &len);
	bool sound = intact(f, len) && mac_load(f->dst) == ledger_mac(r->own->guest);
	struct ledger *from = sound ? sender(r, f->guest, f->life) : NULL;
	struct ledger_queue *q;
	uint8_t *byte, bit;

	if (!from) {
		/* books that are settled and closed have what a dead guest had received long ago */
		if (!sound || again)
			note_bad(r, f, len);
		return;
	}
	q = &from->queues[f->queue];
	byte = &from->bits[f->queue][f->seq / 8];
	bit = (uint8_t)(1u << f->seq % 8);
	if (!(*byte & bit)) {
		*byte |= bit;
		counter_add(&q->received, 1);
	} else if (again) {
		counter_add(&q->repeated, 1);
	}
}

/* A split ring: the used index, and nothing else, says what is done. */
static uint64_t split_completed(const struct ledger_queue *q, const uint8_t *memory)
{
	uint16_t used;

	memcpy(&used, memory + q->device + offsetof(struct vring_used, idx), sizeof(used));
	return q->posted - (uint16_t)(q->posted - used);
}

/* A packed one: the flags of each descriptor. Its place was used for this frame, or is available
 * for one a round later, exactly when its USED bit is the round's wrap counter. */
static uint64_t packed_completed(const struct ledger_queue *q, uint32_t size, const uint8_t *memory)
{
	const struct vring_packed_desc *descs = (const void *)(memory + q->desc);
	uint64_t seq = q->completed;

	while (seq < q->posted) {
		bool wrap = !(seq / size % 2);

		if ((descs[seq % size].flags >> VRING_PACKED_DESC_F_USED & 1) != wrap)
			break;
		seq++;
	}
	return seq;
}

void ledger_post_mortem(struct ledger_reader *r, const uint8_t *memory, uint64_t size)
{
	const uint64_t step = BUFFER_ALIGN;

	for (unsigned i = 0; i < LEDGER_QUEUES; i++) {
		struct ledger_queue *q = &r->own->queues[i];

		if (q->posted)
			q->completed = r->own->packed
					       ? packed_completed(q, r->own->ring_size, memory)
					       : split_completed(q, memory);
	}
	/* what the guest had seen is noted already; frames that it sent are for somebody else */
	for (uint64_t at = 0; at < size - 2048; at += step) {
		uint32_t len = FRAME_LEN_MAX_SENT + VLAN_TAG_LEN, full = len;
		const uint8_t *frame = memory + at + HEADER_LEN;
		const struct frame *f = untagged(frame, &len);

		if (f->magic == MAGIC && mac_load(f->dst) == ledger_mac(r->own->guest) &&
		    f->len <= FRAME_LEN_MAX_SENT)
			ledger_note(r, frame, f->len + full - len, false);
	}
}

uint64_t ledger_count(const struct ledger *ledger, unsigned queue, uint64_t end)
{
	const uint8_t *bits = ledger->bits[queue];
	uint64_t n = 0;

	for (uint64_t i = 0; i < end / 8; i++)
		n += (unsigned)__builtin_popcount(bits[i]);
	if (end % 8)
		n += (unsigned)__builtin_popcount(bits[end / 8] & ((1u << end % 8) - 1));
	return n;
}
