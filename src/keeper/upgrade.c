// SPDX-License-Identifier: Apache-2.0
/* Another program takes the place of the switch process, or of the keeper. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/order.h"
#include "keeper/private.h"

LOG_MODULE("keeper");

static const struct timeval patience = { .tv_sec = KEEPER_STEP_MS / 1000 };

static void begin_step(struct keeper *k)
{
	k->step_ns = clock_ns();
	event_add(k->upgrade_timer, &patience);
}

/* ---- of the switch process */

void keeper_end_upgrade(struct keeper *k, int rc, const char *why)
{
	if (!k->leaving) /* who was told to leave has to, in time, whoever comes next */
		event_del(k->upgrade_timer);
	process_end(&k->next);
	close_fd(&k->next.exe_fd);
	k->exchange = EXCHANGE_NONE;
	if (!rc)
		return;
	log_limited(LOG_ERROR, "no upgrade: %s", why);
	if (k->leaving)
		return; /* it cannot go on: one like it is started when it has left */
	keeper_relay_freeze(k->relay, false);
	if (k->now.link)
		keeper_send_text(&k->now, KEEPER_REFUSED, rc, why);
}

void keeper_start_upgrade(struct keeper *k, const char *path, bool keeper, int order)
{
	struct error err = { "" };
	int rc;

	if (k->next.pid || k->leaving || k->leaver || k->exchange) {
		keeper_send_text(&k->now, KEEPER_REFUSED, -EBUSY, "another upgrade is on its way");
		return;
	}
	/* the process that asks may be in a guest's hands */
	rc = order_take(order, keeper ? ORDER_REPLACE : ORDER_UPGRADE, path, &err);
	if (rc) {
		keeper_end_upgrade(k, rc, err.text);
		return;
	}
	log_info("upgrade%s to %s", keeper ? " of the keeper" : "", path);
	if (keeper && !keeper_table_whole(k->table)) {
		keeper_end_upgrade(k, -ECANCELED,
				   "the keeper cannot be replaced: its log tells why");
		return;
	}
	k->next.exe_fd = process_open_program(path, &err);
	if (k->next.exe_fd < 0) {
		keeper_end_upgrade(k, k->next.exe_fd, err.text);
		return;
	}
	k->exchange = keeper ? EXCHANGE_TRIES : EXCHANGE_NONE;
	rc = process_start(&k->next, k->argv, keeper ? keeper_table_own_fd(k->table) : -1, k->base,
			   &keeper_switch_ops);
	if (rc) {
		keeper_end_upgrade(k, rc, strerror(-rc));
		return;
	}
	begin_step(k);
}

void keeper_next_is_here(struct keeper *k)
{
	keeper_relay_freeze(k->relay, true);
	watchdog_end(k->watchdog); /* there is patience, but no more than this */
	hurry_begin(&k->hurry, pthread_self());
	k->leaving = true;
	k->died_ns = clock_ns();
	/* every millisecond in which a thread of these waits for its processor is one in which no
	 * packet moves */
	keeper_hurry(k, &k->now, true);
	keeper_hurry(k, &k->next, false);
	keeper_send_text(&k->now, KEEPER_LEAVE, 0, "");
	begin_step(k);
}

void keeper_has_left(struct keeper *k)
{
	event_del(k->stop_timer);
	keeper_relay_attach(k->relay, NULL);
	k->leaving = k->ready = false;
	k->leaver = k->now.pid;
	process_calm(&k->now);
	keeper_forget_now(k);
	event_del(k->upgrade_timer);
	if (!k->next.pid) {
		keeper_start_switch(k);
		return;
	}
	begin_step(k);
	close_fd(&k->fallback_fd);
	k->fallback_fd = k->now.exe_fd;
	k->now = k->next;
	keeper_link_set_owner(k->now.link, &k->now);
	k->next.link = NULL;
	k->next.pid = 0;
	k->next.exe_fd = -1;
	belongings_set(k->table, TABLE_PROGRAM, k->now.exe_fd);
	belongings_set_process(k->table, k->now.pid);
	keeper_give_all(k);
}

/* It may be in the middle of a change of many rules when it is told to leave; and with many rules
 * it takes long until the next one serves, and the program before it would take as long. */
void keeper_now_is_busy(struct keeper *k)
{
	if ((k->leaving || !k->ready) && event_pending(k->upgrade_timer, EV_TIMEOUT, NULL) &&
	    clock_ns() - k->step_ns < KEEPER_BUSY_MAX_MS * NSEC_PER_MSEC)
		event_add(k->upgrade_timer, &patience);
}

/* ---- of the keeper */

/* Becomes the other program. Returns only when that fails. */
static int become(struct keeper *k)
{
	int rc, link_fd = keeper_link_fd(k->now.link);
	sigset_t signals, before;

	/* signals wait for the other program, SIGCHLD too */
	sigfillset(&signals);
	sigprocmask(SIG_BLOCK, &signals, &before);
	keeper_relay_save(k->relay);
	fcntl(link_fd, F_SETFD, 0);
	keeper_table_bequeath(k->table, link_fd, k->n_crashes);
	rc = process_become(k->next.exe_fd, k->argv, keeper_table_own_fd(k->table));
	keeper_table_disinherit(k->table);
	fcntl(link_fd, F_SETFD, FD_CLOEXEC);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return rc;
}

/* Whether nothing is halfway. */
static bool may_be_replaced(const struct keeper *k)
{
	return k->ready && !k->leaver && !bodies_count() && !k->reload && !k->stopping &&
	       k->now.link && keeper_link_fd(k->now.link) >= 0 && keeper_relay_quiet(k->relay);
}

/* The program that was tried takes this one's place as soon as it may. */
static void replace_soon(struct keeper *k)
{
	static const struct timeval soon = { .tv_usec = 1000 };

	if (may_be_replaced(k)) {
		int rc = become(k);

		keeper_end_upgrade(k, rc, strerror(-rc));
	} else if (++k->n_waits > KEEPER_STEP_MS) {
		keeper_end_upgrade(k, -ETIMEDOUT, "the switch is too busy");
	} else {
		event_add(k->upgrade_timer, &soon);
	}
}

void keeper_next_is_able(struct keeper *k)
{
	process_end(&k->next);
	k->exchange = EXCHANGE_WAITS;
	k->n_waits = 0;
	keeper_relay_freeze(k->relay, true);
	replace_soon(k);
}

void keeper_upgrade_late(evutil_socket_t fd, short what, void *arg)
{
	struct keeper *k = arg;

	if (k->exchange == EXCHANGE_WAITS) {
		replace_soon(k);
	} else if (k->next.pid && !k->leaving) {
		keeper_end_upgrade(k, -ETIMEDOUT, "the new program does not start in time");
	} else if (k->leaving || !k->ready) {
		log_error("upgrade: process %d takes too long: killing it", k->now.pid);
		if (k->now.pid)
			kill(k->now.pid, SIGKILL);
	}
}
