/* SPDX-License-Identifier: Apache-2.0 */
/* A front-end that says whatever a test wants, right or wrong. Blocking, with a time limit. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vhost/proto.h"

#define RAW_FDS_MAX 32 /* with one message */

/* How far a connection got before the attack. */
enum raw_state {
	RAW_FRESH,	/* nothing was said */
	RAW_NEGOTIATED, /* owner, features, protocol features */
	RAW_MEMORY,	/* and memory */
	RAW_RUNNING,	/* and a pair of rings */
	RAW_N_STATES,
};

struct raw {
	int fd; /* -1: the other side has closed */
	int mem_fd;
	uint8_t *mem; /* RAW_MEM_SIZE bytes, mapped */
	int event_fds[2];
};

#define RAW_MEM_SIZE (1u << 20)		/* bytes */
#define RAW_GUEST_ADDR 0x10000000ull	/* where memory is, for the guest */
#define RAW_USER_ADDR 0x7f0000000000ull /* and for the front-end */
#define RAW_RING 64			/* entries of each ring */
/* Where the parts of ring @i are, from the start of memory. */
#define RAW_DESC(i) ((i)*0x4000u)
#define RAW_DRIVER(i) ((i)*0x4000u + 0x1000u)
#define RAW_DEVICE(i) ((i)*0x4000u + 0x2000u)
#define RAW_FRAME 0x20000u /* a buffer */
/* Bytes of the dirty log of this memory. */
#define RAW_LOG_SIZE ((RAW_GUEST_ADDR + RAW_MEM_SIZE) / 4096 / 8)

/* Connects to @path and goes as far as @state. False when the back-end cannot be reached within
 * 10 s, or refuses something on the way. */
bool raw_open(struct raw *raw, const char *path, enum raw_state state);

/* Connects and nothing else: the fd (non-blocking only while connecting), or -1. */
int raw_connect(const char *path);

/* Hangs up and frees; the other side may have done so already. */
void raw_close(struct raw *raw);

/* Sends @len bytes with @n_fds fds (at most RAW_FDS_MAX, which may repeat). False when the
 * connection is gone. */
bool raw_write(struct raw *raw, const void *bytes, size_t len, const int *fds, unsigned n_fds);

/* Sends a message: its header says @size, @len bytes of @payload follow. */
bool raw_send(struct raw *raw, uint32_t request, uint32_t flags, uint32_t size, const void *payload,
	      size_t len, const int *fds, unsigned n_fds);

/* On running rings: sends @n frames from the guest, and gives it a full ring of receive buffers. */
void raw_traffic(struct raw *raw, unsigned n);

/* The usual messages, well formed; false when the connection is gone. */
bool raw_u64(struct raw *raw, uint32_t request, uint64_t value);
bool raw_vring_state(struct raw *raw, uint32_t request, uint32_t index, uint32_t num);
bool raw_region(struct raw *raw, uint32_t request, const struct vhost_user_region *region, int fd);

/* Hands ring @index over, empty or as it stands in memory. */
bool raw_run_ring(struct raw *raw, unsigned index);

/* The memory region that raw_open() hands over. */
struct vhost_user_region raw_memory_region(void);

/* SET_LOG_BASE, whose answer raw_sync() takes. */
bool raw_log(struct raw *raw, uint64_t size, uint64_t offset, int fd);

/* On running rings: all that is written is to be logged, in @fd, which has RAW_LOG_SIZE bytes. */
bool raw_start_log(struct raw *raw, int fd);

/* Asks for what @request gives, and waits for the answer, taking every other one before. False: the
 * back-end has closed the connection (within 10 s). */
bool raw_ask(struct raw *raw, uint32_t request, uint64_t *value);

/* Asks for GET_FEATURES and waits for the answer to it, taking every other answer before. True:
 * everything sent was served. False: the back-end has closed the connection (within 10 s). */
bool raw_sync(struct raw *raw);
