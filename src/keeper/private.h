/* SPDX-License-Identifier: Apache-2.0 */
/* What the keeper's files share. */
#pragma once

#include <event2/event.h>
#include <unistd.h>

#include "base/hurry.h"
#include "keeper/belongings.h"
#include "keeper/death.h"
#include "keeper/process.h"
#include "keeper/relay.h"
#include "keeper/request.h"
#include "keeper/watchdog.h"

#define SIGNAL_CHILD 3 /* among the keeper's signals */

/* How far another program is on its way to be the keeper. */
enum exchange {
	EXCHANGE_NONE,
	EXCHANGE_TRIES, /* a process of it is to say that it could */
	EXCHANGE_ABLE,	/* it has said so */
	EXCHANGE_WAITS, /* until nothing is halfway */
};

struct keeper {
	struct event_base *base;
	char **argv;
	struct keeper_rights rights; /* to ask for what the switch may not do */
	struct keeper_table *table;  /* all that another keeper must know */
	struct keeper_relay *relay;
	struct process now;	   /* serves; its program is what is started again */
	struct process next;	   /* is to take its place; it has no more than said hello */
	int fallback_fd;	   /* the program before that of now, until this serves; -1: none */
	struct death *death;	   /* of the process now; NULL: its end has to do */
	pid_t leaver;		   /* has left, and ends; 0: none */
	bool leaving;		   /* the process now was told to leave */
	struct watchdog *watchdog; /* of the process now; NULL: it may hang */
	enum exchange exchange;
	unsigned n_waits; /* ms, about, of an exchange */
	struct held *held;
	int config_fd; /* -1: none */
	bool ready, ever_ready, stopping;
	bool reload;	    /* as soon as it is ready: before, SIGHUP would be its end */
	uint64_t reload_ns; /* when that was asked for last */
	uint64_t died_ns;   /* when the last process was found dead, or told to leave; 0: never */
	uint64_t step_ns;   /* when what an upgrade waits for has begun */
	struct hurry hurry; /* of this thread, between processes */
	uint32_t n_crashes;
	unsigned n_quick; /* crashes in a row that came soon */
	struct event *signals[SIGNAL_CHILD + 1];
	struct event *start_timer, *stop_timer, *upgrade_timer, *watchdog_timer, *calm_timer;
	int status; /* of the last process, for exit() */
};

/* Closes, and forgets: -1. */
static inline void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* keeper.c */

/* What a switch process says is heard. Its link's owner is a struct process. */
extern const struct keeper_link_ops keeper_switch_ops;

/* @rc: 0 or -errno. */
void keeper_send_text(struct process *p, enum keeper_kind kind, int rc, const char *text);

/* Gives the process that serves all that there is from those before it. */
void keeper_give_all(struct keeper *k);

/* Starts the process that is to serve, or tries again later. */
void keeper_start_switch(struct keeper *k);

/* Lets threads of a process go first, all or only the main one, until it says that it is done, or
 * for two seconds: what has become of it is not known. */
void keeper_hurry(struct keeper *k, const struct process *p, bool all);

/* Nothing is known of the process that served any more. */
void keeper_forget_now(struct keeper *k);

/* upgrade.c */

/* Another program is to be the switch, or, with @keeper, the keeper, if root has ordered that:
 * @order shows it (base/order.h; -1: nobody has). */
void keeper_start_upgrade(struct keeper *k, const char *path, bool keeper, int order);

/* It is over: @rc is 0, or why it is not done as -errno, with a text. */
void keeper_end_upgrade(struct keeper *k, int rc, const char *why);

/* The next process can run: the one that serves is told to leave. */
void keeper_next_is_here(struct keeper *k);

/* The process that served has stopped: the next one goes on, or one like it. */
void keeper_has_left(struct keeper *k);

/* The process now goes on, but what it does takes long: so may an upgrade from it, or to it. */
void keeper_now_is_busy(struct keeper *k);

/* A program that was tried can be the keeper. */
void keeper_next_is_able(struct keeper *k);

/* The timer of upgrades; @arg: the keeper. */
void keeper_upgrade_late(evutil_socket_t fd, short what, void *arg);
