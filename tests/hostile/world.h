/* SPDX-License-Identifier: Apache-2.0 */
/* The stage of the hostile tests. An attacker and its honest peer on one bridge, two guests that
 * never stop talking on the other, one vireod, and nothing may reach the two:
 *
 *	evil guest --- "evil"   |
 *	                        | br1 |
 *	peer guest --- "peer"   |     | vireod
 *	                              |
 *	guest a --- "a" --- br0 --- "b" --- guest b
 *
 * cmocka's main thread.
 */
#pragma once

#include "guest/daemon.h"
#include "guest/guest.h"
#include "guest/traffic.h"

#define EVIL_MAC 0xe /* last byte of the attacker's address, see guest_ethernet() */
#define PEER_MAC 0x9 /* and of its peer's */

struct world {
	struct daemon daemon;
	struct traffic *traffic;
	struct guest peer;
	char path[128];		  /* of the evil port's socket */
	unsigned fresh_memory;	  /* KiB of the daemon, before the attack */
	unsigned fds, memory;	  /* the same, and fds, at world_baseline() */
	unsigned long last_count; /* frames of the two, at the last world_check() */
};

/* A test whose state is a struct world. Around it, everything is started; and ended, upon which
 * every frame must have come and vireod must end well. */
#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
int world_setup(void **state);
int world_teardown(void **state);

/* Fails unless vireod lives and the two talk without loss. */
void world_check(struct world *world);

/* Remembers the daemon's fds and memory; call when the attack has warmed up. */
void world_baseline(struct world *world);

/* Prints both, and fails when the daemon has more fds than at the baseline, or more than 1 MiB more
 * memory, not counting what workers have touched of their inboxes. Nobody may be connected to the
 * evil port. */
void world_check_growth(struct world *world);

/* Lets the peer send @n broadcast frames, and take what it has got. Returns the frames it got. */
unsigned world_peer_turn(struct world *world, unsigned n);

/* Waits until the evil port's first queue in @direction ("rx", "tx") is in state @want; fails after
 * 10 s. @what: the attack, for the message. */
void world_expect_state(struct world *world, const char *direction, const char *want,
			const char *what);

/* Fails unless a guest on the evil port can talk to the peer, both ways. */
void world_expect_service(struct world *world, const char *what);
