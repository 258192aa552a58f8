/* SPDX-License-Identifier: Apache-2.0 */
/* A switch process as its keeper sees it: one vhost-user device, whose rings a worker serves
 * whenever there is something in them, memory that is held, and a configuration. One thread.
 */
#pragma once

#include "keeper/client.h"
#include "vhost/device.h"

#define PROCESS_RINGS 4
#define PROCESS_RANGES 4

/* What there is to know of the device, without pointers and numbers of this process. */
struct snapshot {
	uint64_t features, protocol_features;
	uint32_t mtu, status, connected, logs;
	uint32_t n_ranges, padding;
	struct {
		uint64_t guest, user, size;
	} ranges[PROCESS_RANGES];
	struct {
		uint32_t started, enabled, live, size, has_addr, kick, call, err, base, reset_base;
		uint64_t desc, driver, device;
	} rings[PROCESS_RINGS];
};

struct process {
	const char *path;	   /* of the device's socket */
	struct snapshot *snapshot; /* shared with the test */

	/* the process's own */
	struct event_base *base;
	struct keeper_client *client;
	struct vhost_device *device;
	bool asked; /* to let go of rings */
};

/* Starts with the keeper at the other end of @fd. */
void process_begin(struct process *p, int fd);

/* Does what there is to do; with @wait waits for it. */
void process_turn(struct process *p, bool wait);

/* Tells the keeper something of everything that is not a device's: a new configuration, memory, the
 * end of memory, an upgrade. */
void process_change(struct process *p);

/* Closes the device. */
void process_close(struct process *p);

/* Leaves to another process. */
void process_leave(struct process *p);
