/* SPDX-License-Identifier: Apache-2.0 */
/* What a front-end does while its switch process is stepped: a list of lines, mostly messages. */
#pragma once

#include "vhost/channel.h"

/* Protocol features that it uses: all. */
#define SCRIPT_PROTOCOL                                                                           \
	(1ull << VHOST_USER_PROTOCOL_F_MQ | 1ull << VHOST_USER_PROTOCOL_F_RARP |                  \
	 1ull << VHOST_USER_PROTOCOL_F_REPLY_ACK | 1ull << VHOST_USER_PROTOCOL_F_NET_MTU |        \
	 1ull << VHOST_USER_PROTOCOL_F_BACKEND_REQ | 1ull << VHOST_USER_PROTOCOL_F_CONFIG |       \
	 1ull << VHOST_USER_PROTOCOL_F_RESET_DEVICE | 1ull << VHOST_USER_PROTOCOL_F_STATUS |      \
	 1ull << VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS |                                      \
	 1ull << VHOST_USER_PROTOCOL_F_LOG_SHMFD | 1ull << VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD | \
	 1ull << VHOST_USER_PROTOCOL_F_DEVICE_STATE)
#define SCRIPT_MAX 128 /* lines */
/* The guest's memory: a ring, a page of buffers, and a page that is added and removed; bytes. */
#define SCRIPT_RING 4096
#define SCRIPT_MEMORY (3 * 4096)
#define SCRIPT_GUEST 0x100000ull      /* guest-physical */
#define SCRIPT_USER 0x7f1200000000ull /* in the front-end */

enum action {
	STARTS,	  /* the first process */
	CONNECTS, /* the front-end */
	SAY,	  /* a message, which is awaited */
	GUEST,	  /* adds chains: @index */
	RESTART,  /* the process really dies, and the next one is stepped when it takes over */
	CHANGES,  /* process_change() */
	LEAVES,	  /* process_leave() */
	/* From here on the front-end is another one. */
	HANGS_UP, /* a message for which the process closes the connection */
	GOES,	  /* the front-end ends */
	CLOSES,	  /* process_close() */
	THE_END,
};

struct line {
	enum action action;
	uint32_t request;
	uint32_t index; /* of a ring; or what it says above */
	uint64_t value; /* the message's number */
};

struct script {
	struct line lines[SCRIPT_MAX];
	uint64_t features;
	int memory_fd;
	uint64_t desc, driver, device; /* the ring's parts, front-end virtual addresses */
	uint32_t base;		       /* where it begins */
	unsigned last_base;	       /* line of the last GET_VRING_BASE; 0: none */
	int call_fd, log_fd, backend_fds[2];
};

/* For a ring with these features; it ends with @ending, HANGS_UP or GOES. The fields from memory_fd
 * to base are the caller's to fill in. */
void script_init(struct script *s, uint64_t features, enum action ending);

/* Closes the fds. */
void script_destroy(struct script *s);

/* The message of line @at, whose fds stay the script's; @last is the answer to the last
 * GET_VRING_BASE. */
void script_message(const struct script *s, unsigned at, const struct vhost_message *last,
		    struct vhost_message *m);

/* The first line that says @request. */
unsigned script_first(const struct script *s, uint32_t request);

/* For people. */
const char *script_action_name(enum action action);
