/* SPDX-License-Identifier: Apache-2.0 */
/* What the keeper and the switch process tell each other: packets over a SOCK_SEQPACKET pair, a
 * header, a payload and file descriptors each. Both may be of different versions; who starts says
 * which it speaks (KEEPER_HELLO, KEEPER_START).
 *
 * The switch gives its devices numbers; the keeper knows them by name, so that a new process finds
 * those of the one before. The keeper counts a device's connections: what concerns one that is over
 * is ignored by both sides.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/keep.h"
#include "vhost/journal.h"
#include "vhost/proto.h"

#define KEEPER_VERSION 2	     /* of this protocol; 1 knew no requests and no orders */
#define KEEPER_CONTROL_KEY "control" /* what the control socket and its lock are held under */
#define KEEPER_FDS_MAX 8	     /* with one packet */
#define KEEPER_PAYLOAD_MAX 4096	     /* bytes of one packet, behind its header */
#define KEEPER_KEY_MAX KEEP_KEY_MAX  /* bytes of a key, with the end */
#define KEEPER_FDS_LOST (1u << 31)   /* of a message's flags: not all of its fds came */

enum keeper_kind {
	/* From the switch. */
	KEEPER_HELLO = 1,   /* the first one: struct keeper_hello */
	KEEPER_READY,	    /* it serves; devices that it did not open go */
	KEEPER_CONFIG,	    /* a file with its configuration, to start the next one with */
	KEEPER_HOLD,	    /* key; fds, to be given to the next one */
	KEEPER_RELEASE,	    /* key; they go */
	KEEPER_UPGRADE,	    /* text: path of the program that is to go on; root's order as a file */
	KEEPER_LEFT,	    /* it has stopped at the end of a batch, as KEEPER_LEAVE wanted */
	KEEPER_DEVICE_OPEN, /* struct keeper_open; a file for the states of rings */
	KEEPER_DEVICE_CLOSE, /* the endpoint goes, and what is kept */
	KEEPER_DEVICE_WAIT,  /* the next front-end may come */
	KEEPER_DEVICE_HANG_UP,
	KEEPER_DEVICE_DONE, /* struct keeper_done, edits, the answer's payload and fds */

	/* From the keeper. */
	KEEPER_HELD,  /* key; fds: as KEEPER_HOLD brought them */
	KEEPER_START, /* struct keeper_start; the file of KEEPER_CONFIG, if there is one */
	KEEPER_TOLD,  /* after KEEPER_READY: of all devices that an earlier process had, all is told
		       */
	KEEPER_LEAVE, /* another process is there to go on: answer KEEPER_LEFT, and end */
	KEEPER_REFUSED,		 /* text: why there is no upgrade; as connection: its errno */
	KEEPER_DEVICE_OPENED,	 /* struct keeper_opened; the file for the states of rings */
	KEEPER_DEVICE_CONNECTED, /* struct keeper_connected */
	KEEPER_DEVICE_KEPT,	 /* a vhost-user message, header first; its fds */
	KEEPER_DEVICE_RESUMED,	 /* that was all that is kept */
	KEEPER_DEVICE_MESSAGE,	 /* as KEPT: one that has not acted; KEEPER_DEVICE_DONE answers */
	KEEPER_DEVICE_DISCONNECTED, /* text: why, empty when the front-end closed */

	/* Of an exchange of the keeper. */
	KEEPER_REPLACE,	 /* from the switch; text: path of the program that is to be the keeper; and
			  * root's order */
	KEEPER_ABLE,	 /* from that program, tried: it can be */
	KEEPER_REPLACED, /* to the switch: it is; or KEEPER_REFUSED */
	/* Of the watchdog (keeper/watchdog.h). */
	KEEPER_BELL = 64, /* from the switch: an eventfd; it can be asked from now on */
	KEEPER_ASK,	  /* from the keeper: whether it goes on */
	KEEPER_ALIVE,	  /* from the switch, in answer to that: struct keeper_alive */
	/* Of what the switch may not do itself (base/broker.h). */
	KEEPER_REQUEST = 80, /* from the switch: struct keeper_request; its number as device */
	KEEPER_ANSWER,	  /* to that number: struct keeper_answer, and files; several, with more */
	KEEPER_FORBIDDEN, /* from the switch, as it dies: struct keeper_forbidden */
	KEEPER_CALM,	  /* from the switch: packets go on; nobody waits for it any more */
	KEEPER_LIFELINE,  /* from the switch: a file by which its death shows (base/lifeline.h) */
	KEEPER_BUSY,	  /* from the switch: it goes on, but does not come to its loop for long */
};

/* Who takes part in an upgrade has so long for each step; one that says that it is busy has more
 * time for its step, but no more than this. */
#define KEEPER_STEP_MS 5000
#define KEEPER_BUSY_MAX_MS 60000

struct keeper_header {
	uint32_t kind; /* enum keeper_kind */
	uint32_t device;
	uint32_t connection;
	uint32_t size; /* bytes of payload */
};

struct keeper_hello {
	uint32_t version; /* KEEPER_VERSION */
};

struct keeper_start {
	uint32_t version;
	uint32_t n_crashes; /* of processes before this one, since the keeper began */
	/* When the last one was found dead, or told to leave, clock_ns(); 0: this is the first. */
	uint64_t died_ns;
};

struct keeper_open {
	char name[64];
	char path[108];
	uint32_t mode; /* enum vhost_mode */
	int32_t uid, gid, rights;
};

struct keeper_opened {
	int32_t error;	  /* 0 or -errno */
	uint32_t resumed; /* it was there: the file is the one of the process before */
	char text[256];	  /* of the error */
};

struct keeper_connected {
	int32_t peer_pid;
	uint32_t resumed; /* what is kept follows */
};

struct keeper_done {
	uint32_t request; /* of the answer */
	uint32_t reply;	  /* whether there is one */
	uint32_t n_edits; /* that follow this; behind them the answer's payload */
	uint32_t size;	  /* bytes of that */
};

struct keeper_alive {
	int32_t stuck;	/* id of a thread that has not gone on since it was asked before; 0: none */
	uint32_t quiet; /* there is nothing to do: the bell rings when there is */
};

#define KEEPER_ARGS_MAX (KEEPER_PAYLOAD_MAX - 2 * sizeof(uint32_t)) /* bytes, of a request */

struct keeper_request {
	uint32_t what; /* enum broker_request */
	uint32_t size; /* of args, which end the packet */
	uint8_t args[KEEPER_ARGS_MAX];
};

struct keeper_answer {
	int32_t error; /* 0 or -errno */
	uint32_t more; /* another packet of this answer follows */
	int64_t value;
	char text[256]; /* of the error */
};

/* A system call that a thread may not make (base/filter.h). */
struct keeper_forbidden {
	int32_t call, tid;
	uint32_t kind; /* enum filter_thread */
};

/* Any packet. Who has it owns its fds. */
struct keeper_packet {
	struct keeper_header header;
	union {
		char key[KEEPER_KEY_MAX];
		struct keeper_hello hello;
		struct keeper_start start;
		struct keeper_open open;
		struct keeper_opened opened;
		struct keeper_connected connected;
		struct keeper_done done;
		struct keeper_alive alive;
		struct keeper_request request;
		struct keeper_answer answer;
		struct keeper_forbidden forbidden;
		char text[KEEPER_PAYLOAD_MAX];
		uint8_t bytes[KEEPER_PAYLOAD_MAX];
	};
	int fds[KEEPER_FDS_MAX]; /* close-on-exec */
	unsigned n_fds;
	bool fds_lost; /* not all of them could be opened here; of a packet that came */
};

_Static_assert(sizeof(struct vhost_user_header) + VHOST_USER_PAYLOAD_MAX <= KEEPER_PAYLOAD_MAX,
	       "a message fits");
_Static_assert(sizeof(struct keeper_done) + VHOST_EDITS_MAX * sizeof(struct vhost_edit) +
			       VHOST_USER_PAYLOAD_MAX <=
		       KEEPER_PAYLOAD_MAX,
	       "a verdict fits");
_Static_assert(KEEPER_FDS_MAX >= VHOST_USER_FDS_MAX, "its fds fit");
