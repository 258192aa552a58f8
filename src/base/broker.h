/* SPDX-License-Identifier: Apache-2.0 */
/* What needs rights that this process has given up: it is asked of another one that has them. Each
 * such thing has one function, which does it itself where there is no broker, and asks where there
 * is one: whoever answers calls the same function. Control thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* What can be asked; args, files that go with it, and what comes back. */
enum broker_request {
	BROKER_USER = 1, /* struct broker_name; value: its id */
	BROKER_GROUP,	 /* the same */
	BROKER_PIPE,	 /* struct broker_pipe, an end of a pipe; that end, opened anew */
	BROKER_FILE,	 /* struct broker_file; the file */
	BROKER_TAP,	 /* struct tap_request; control, monitor, queues (port/tap_device.h) */
	BROKER_TAP_MTU,	 /* struct tap_mtu_request, a queue of the tap; nothing */
	BROKER_CONFIG,	 /* nothing; the configuration file, to be read */
	BROKER_SAVE,	 /* a file in memory with the new configuration; nothing */
	BROKER_CONTROL,	 /* nothing; the control socket, and its lock */
	BROKER_SOCKETS,	 /* struct broker_sockets; a bridge's, for OpenFlow (openflow/sockets.h) */
	BROKER_REQUESTS,
};

#define BROKER_FDS_MAX 130 /* of one answer: a tap with 128 queues */

struct broker_name {
	char name[256]; /* with the end, as all texts here */
};

struct broker_pipe {
	uint32_t access; /* O_RDONLY or O_WRONLY */
};

struct broker_file {
	uint32_t writes; /* 0: read it; 1: write it, and make it if it is not there */
	char path[3072]; /* absolute */
};

struct broker_sockets {
	char bridge[64];
	uint32_t remove; /* 0: make them; 1: remove their files, nothing comes back */
};

/* A question and its answer. */
struct broker_call {
	enum broker_request what;
	const void *args;
	size_t size; /* of args */
	const int *fds;
	unsigned n_fds; /* stay the caller's */

	int64_t value;
	int *answer; /* room for @max files, which are the caller's then */
	unsigned max, n_answer;
};

/* Whom to ask. */
struct broker {
	/* Returns 0 and the answer; or -errno and a text, and no files. */
	int (*ask)(struct broker *broker, struct broker_call *call, struct error *err);
};

/* From now on this process asks @broker; NULL: it does everything itself, as in the beginning. */
void broker_set(struct broker *broker);

/* Whether there is one. */
bool broker_present(void);

/* Asks; there must be one. */
int broker_ask(struct broker_call *call, struct error *err);

/* The same, for a single file. Returns it, or -errno and a text. */
int broker_ask_file(const struct broker_call *call, struct error *err);

/* Copies @text to @to, of @size bytes. 0, or -ENAMETOOLONG and a text. */
int broker_text(char *to, size_t size, const char *text, struct error *err);
