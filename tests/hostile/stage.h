/* SPDX-License-Identifier: Apache-2.0 */
/* What each scenario of the hostile suite has in common. A rogue guest on the evil port does one
 * thing, of which the scenario knows how it must end:
 *
 *	served   what it sent is delivered, byte for byte, or dropped and counted under one name;
 *		 what it is sent lies in its buffers, and nowhere else; good traffic passes after
 *it; broken   the front-end is told that this ring was given up, "vireo port show" says why, and
 *the port's other ring goes on; closed   the connection ends, and "last_error" says why.
 *
 * In all cases the daemon lives, the two guests on the other bridge lose nothing, and the next
 * scenario's guest is served by the same port.
 *
 * Each has a name, which is printed. HOSTILE_SCENARIO=NAME runs only those whose name contains
 * NAME. With TEST_SCALE below 1 only that part of them runs. cmocka's main thread.
 */
#pragma once

#include <stdbool.h>

#include "base/compiler.h"
#include "guest/control.h"
#include "hostile/rogue.h"
#include "hostile/world.h"
#include "virtio/ring.h"

#define STAGE_CHAIN_MAX 256   /* descriptors of a chain that a scenario makes */
#define STAGE_FRAME_LEN 100   /* bytes of the frames that the peer sends */
#define STAGE_FRAME_MAX 1514  /* bytes of the longest frame that passes */
#define STAGE_GOOD_SLOT 63    /* the descriptor of good chains, in split rings */
#define STAGE_HEAD_LEN 22     /* bytes of a frame that a scenario's buffers get: Ethernet, number */
#define STAGE_GOOD 0x30002000 /* where good chains of what is sent have their buffer */
#define STAGE_GOOD_RX 0x30003000 /* and of what is received */
#define STAGE_IN_FRONT 0x30003800

struct stage {
	struct world *world;
	struct control control;
	struct rogue rogue;
	bool packed;
	enum rogue_notes notes; /* what guests have noted */
	/* Of receive attacks: a good chain is in front, so that the switch has the bad one in hand
	 * before there is a frame for it. */
	bool ahead;
	const char *only;
	double scale, credit;
	unsigned n_seen, n_run;
	uint64_t number; /* of the last frame sent, either way */
	char name[160];
	json_t *before; /* the evil port, when the attack began */
};

/* Makes the guest. @packed: which layout all its rings have. */
void stage_init(struct stage *stage, struct world *world, bool packed);
void stage_destroy(struct stage *stage);

/* Begins a scenario, which is named by what follows. False: it is not to be run. */
bool stage_begin(struct stage *stage, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Ends it: looks at the world. */
void stage_end(struct stage *stage);

/* Fails the test, with the scenario's name. */
void stage_fail(struct stage *stage, const char *fmt, ...) PRINTF_LIKE(2, 3)
	__attribute__((noreturn));

/* Connects the guest; RING_PACKED is added as the stage says. A frame goes from it to the peer
 * first, so that all of the port runs. */
void stage_open(struct stage *stage, const struct rogue_config *config);

/* The same with the features that most scenarios have: VERSION_1, MRG_RXBUF, INDIRECT_DESC. */
void stage_open_usual(struct stage *stage);

/* Good traffic, to the peer and from it; fails unless it passes, nothing else has come, and memory
 * is as it must be. To be called before the scenario writes to memory again.
 * @pending: buffers of a chain that was shown before and must be filled first, or none. */
void stage_pass_tx(struct stage *stage);
void stage_pass_rx(struct stage *stage, const struct rogue_buffer *pending, unsigned n);

/* Waits for a used chain; fails after 10 s. */
void stage_await_used(struct stage *stage, unsigned queue, uint32_t *id, uint32_t *len);

/* Waits until the peer gets a frame, and fails unless it is this one. */
void stage_expect_frame(struct stage *stage, const uint8_t *want, uint32_t len);

/* Waits until the peer gets a frame. Returns its length. */
uint32_t stage_await_frame(struct stage *stage, uint8_t got[GUEST_FRAME_MAX]);

/* Lets the peer send a frame, and waits until the switch has done with it. */
void stage_peer_sends(struct stage *stage, uint8_t frame[STAGE_FRAME_LEN]);

/* Waits until what the peer has sent lies in a list of buffers, one chain; fails unless it does,
 * and memory is as it must be. */
void stage_expect_received(struct stage *stage, const struct rogue_buffer *list, unsigned n,
			   const uint8_t frame[STAGE_FRAME_LEN]);

/* Fails unless the port says this of a ring. */
void stage_expect_state(struct stage *stage, unsigned queue, enum ring_fault fault);

/* Connects the guest, with what the back-end must refuse, and say so; ends the scenario. */
void stage_expect_refused(struct stage *stage, const struct rogue_config *config, const char *why);

/* Waits until the back-end has given a ring up; fails unless it says why. */
void stage_expect_broken(struct stage *stage, unsigned queue, enum ring_fault fault);

/* Fails unless the evil port has counted @n drops of this kind since the attack began (NULL: none),
 * and no other. */
void stage_expect_drops(struct stage *stage, const char *reason, unsigned n);

/* Fails unless the guest's memory is as it must be. */
void stage_expect_memory(struct stage *stage);

/* The attack of most scenarios: shows a chain of @n descriptors on @queue, which stand for the
 * buffers of @list (@n_list), or for none when they are wrong, and looks how it ends: with @fault,
 * or as it must with such buffers. Then good traffic, and the end of the scenario. */
void stage_attack(struct stage *stage, unsigned queue, const struct vring_desc *descs, unsigned n,
		  const struct rogue_buffer *list, unsigned n_list, enum ring_fault fault);

/* How a list of buffers becomes descriptors. */
enum stage_form { STAGE_DIRECT, STAGE_TABLE, STAGE_N_FORMS };

/* "direct", "table" */
extern const char *const stage_forms[];

/* The same for a chain that is these buffers. */
void stage_attack_list(struct stage *stage, unsigned queue, enum stage_form form,
		       const struct rogue_buffer *list, unsigned n, enum ring_fault fault);

/* Writes the descriptors of a list to @descs, or to a table that *@descs refers to. Returns how
 * many are at @descs. */
unsigned stage_describe(struct stage *stage, enum stage_form form, const struct rogue_buffer *list,
			unsigned n, struct vring_desc *descs);

/* @n buffers of @len bytes in the highest region, as good as can be, for @queue. */
void stage_good_list(struct rogue_buffer *list, unsigned n, uint32_t len, unsigned queue);

/* A new frame from the guest to the peer, of STAGE_HEAD_LEN bytes, behind a header. Returns the
 * bytes of both. */
unsigned stage_head(struct stage *stage, uint8_t bytes[64]);

/* Names of the queues: "rx", "tx". */
extern const char *const stage_queues[];

/* Where a scenario is that a list stands for: the families of scenarios, each in its own file. */
void scene_buffer(struct stage *stage);
void scene_chain(struct stage *stage);
void scene_split_index(struct stage *stage);
void scene_packed_index(struct stage *stage);
void scene_header(struct stage *stage);
void scene_feature(struct stage *stage);
void scene_order(struct stage *stage);
