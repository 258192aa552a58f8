/* SPDX-License-Identifier: Apache-2.0 */
/* A guest of which everything is written by hand: memory, both rings of a pair (split or packed),
 * messages. It keeps a model of its memory, in which stands what must be there, so that every byte
 * that the back-end writes where it may not is found.
 *
 * Its memory is four regions, each a part of a file of its own, which has one more page in front of
 * it and behind it:
 *
 *	guest address  0x10000000  0x20000000  0x20004000      0x30000000
 *	               | RINGS |   | LOW       | HIGH      |   | FAR   |
 *
 * A queue is a ring's index: what the guest receives from and what it sends on, as in vhost-user.
 * Chains are lists of split descriptors, whatever the layout. Blocking, with a time limit; one
 * thread.
 */
#pragma once

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hostile/raw.h"

#define ROGUE_RING 64	       /* entries of a ring, usually */
#define ROGUE_RING_MAX 256     /* and at most */
#define ROGUE_EDGE 4096u       /* bytes of the file in front of a region, and behind it */
#define ROGUE_SIZE 0x4000u     /* bytes of LOW, HIGH and FAR */
#define ROGUE_TABLE 0x1000c000 /* where an indirect table is put */
#define ROGUE_TABLE_MAX 1024   /* descriptors that have room there, up to the region's end */
/* What the front-end adds to a guest address to have its own. */
#define ROGUE_USER 0x7f0000000000ull

enum rogue_region { ROGUE_RINGS, ROGUE_LOW, ROGUE_HIGH, ROGUE_FAR, ROGUE_N_REGIONS };

enum rogue_queue { ROGUE_RX, ROGUE_TX };

/* What the back-end is to note: nothing, what it writes (in a dirty log), what is in flight. */
enum rogue_notes { ROGUE_NO_NOTES, ROGUE_LOG, ROGUE_INFLIGHT, ROGUE_N_NOTES };

/* Bytes of guest memory. Those of a list follow each other. */
struct rogue_buffer {
	uint64_t addr;
	uint32_t len;
	bool write; /* by the device */
};

/* A ring of it, seen from the driver. */
struct rogue_ring {
	void *desc, *driver, *device;
	uint16_t avail, used; /* split: indices; packed: positions */
	bool avail_wrap, used_wrap;
	unsigned n_put, n_used;		 /* chains */
	uint16_t n_desc[ROGUE_RING_MAX]; /* descriptors of each, by its number */
	uint64_t *first,
		first_word; /* packed: what makes visible all that was put; NULL: nothing */
	int err_fd;
};

struct rogue_config {
	uint64_t features; /* bit 30 is added, and that for the log */
	unsigned size;	   /* entries of both rings; 0: ROGUE_RING */
	enum rogue_notes notes;
	uint32_t base[2]; /* where rings start; packed: with the wrap counter, 0: 0x8000 */
};

struct rogue {
	struct raw raw;
	struct rogue_config config;
	bool packed;
	unsigned header_len; /* of the virtio-net header */
	struct rogue_ring rings[2];
	int notes_fd; /* the log, or the inflight region; -1: none */
	struct {
		uint64_t addr;
		uint32_t size;
		int fd;
		uint8_t *file; /* mapped, with its edges */
		uint8_t *host; /* the region in it */
		uint8_t *model;
	} regions[ROGUE_N_REGIONS];
};

/* Makes the memory; false: out of it. */
bool rogue_init(struct rogue *rogue);
void rogue_destroy(struct rogue *rogue);

/* Connects to the socket at @path, fills the memory with a pattern that @seed changes, and starts
 * both rings. False when the back-end refuses something; then, too, rogue_close() is to be called.
 */
bool rogue_open(struct rogue *rogue, const char *path, const struct rogue_config *config,
		uint8_t seed);
void rogue_close(struct rogue *rogue);

/* Sets everything up anew on a connection on which anything may have been said. */
bool rogue_restart(struct rogue *rogue);

/* Messages, as rogue_start() sends them. False when the connection is gone. */
bool rogue_send_table(struct rogue *rogue);
bool rogue_send_addr(struct rogue *rogue, unsigned queue, unsigned ring);
bool rogue_send_fd(struct rogue *rogue, uint32_t request, unsigned queue, int fd);

/* Whether a page is marked in the dirty log. */
bool rogue_logged(const struct rogue *rogue, uint64_t addr);

/* The region that holds all of @len (> 0) bytes at @addr, or -1. */
int rogue_find(const struct rogue *rogue, uint64_t addr, uint32_t len);

/* Where a byte is, in memory or in the model; NULL: nowhere. */
uint8_t *rogue_byte(const struct rogue *rogue, uint64_t addr, bool model);

/* Writes @len bytes to memory, from @skip bytes behind the start of a list on, as far as it goes
 * and memory is there. */
void rogue_write(struct rogue *rogue, const struct rogue_buffer *list, unsigned n, uint32_t skip,
		 const void *bytes, size_t len);

/* The same to the model. */
void rogue_model_write(struct rogue *rogue, const struct rogue_buffer *list, unsigned n,
		       uint32_t skip, const void *bytes, size_t len);

/* Reads from the model what lies behind the first @skip bytes of a list, up to @max bytes. Returns
 * how many. */
size_t rogue_model_read(const struct rogue *rogue, const struct rogue_buffer *list, unsigned n,
			uint32_t skip, void *to, size_t max);

/* Writes descriptor @i of an indirect table at @addr. */
void rogue_write_table(struct rogue *rogue, uint64_t addr, unsigned i,
		       const struct vring_desc *desc);

/* Puts a chain of @n descriptors into a ring: split, at @slot and behind it in the table, the
 * first as head; packed, where the ring stands, with @slot as id. The device does not see it before
 * rogue_show(). */
void rogue_put(struct rogue *rogue, unsigned queue, unsigned slot, const struct vring_desc *descs,
	       unsigned n);

/* Makes the model be what memory is. */
void rogue_picture(struct rogue *rogue);

/* Does so, shows what was put, and kicks. */
void rogue_show(struct rogue *rogue, unsigned queue);
void rogue_kick(struct rogue *rogue);

/* Takes a used chain: its id, or head, and length. False: there is none. */
bool rogue_used(struct rogue *rogue, unsigned queue, uint32_t *id, uint32_t *len);

/* Whether the back-end has said that it gave a ring up; and forgets that it has. */
bool rogue_broken(struct rogue *rogue, unsigned queue);

/* Where memory differs from the model, other than in what belongs to the device, or 0. Only edges:
 * what is around the regions. */
uint64_t rogue_stray(const struct rogue *rogue, bool only_edges);
