/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the oracle for traffic share. */
#pragma once

#include "base/clock.h"
#include "buckets.h"
#include "reference.h"
#include "rig.h"

/* What the switch forgets, in tests of the test. */
struct mutation {
	enum field_id field; /* has been examined; FIELD_N: none */
	bool version;	     /* rules are others */
	bool addresses;	     /* they have been flushed, or too old */
	bool ports;	     /* their settings have changed */
	bool time;	     /* less than some milliseconds */
};

/* What packets leave behind at the reference's side. */
#define REFUSED_MAX 256
#define REFUSED_LEN 2048 /* bytes */
#define REFUSED_MS 1000	 /* for so long a worker does not ask again */

struct memory {
	struct bridge bridge;
	struct buckets buckets;
};

/* A rule that there was no room for, as it was asked for. */
struct refused {
	uint64_t version; /* of the rules then; 0: none */
	uint64_t ms;
	uint64_t learn[sizeof(struct action_learn) / 8 + 1];
	uint64_t step[REFUSED_LEN / 8]; /* struct plan_learn, and its actions */
};

/* A packet that has been refused a rule, and comes again about a second later. */
struct late {
	uint32_t in_port; /* 0: there is none */
	struct frame frame;
	uint64_t version, ms; /* of the rules, and when it was refused */
};

struct traffic {
	struct world world;
	struct rig *rig;
	struct mutation mutation;
	struct memory memory, then; /* now; and when the packet has gone its way */
	uint64_t now, version, n;
	struct reference_result result;
	struct records is, sent, told, should;
	bool waits; /* until what it teaches has been learned */
	unsigned n_lessons;
	const struct plan_learn *lessons[LESSONS_MAX];
	struct refused refused[REFUSED_MAX]; /* lately */
	unsigned last_refused;
	struct late late;
	uint32_t n_credits;
	struct tally *const *credits; /* of the plan; NULL: there was none */
	/* for people, and to see that it was worth it */
	uint64_t n_unsure, n_changes, n_events, n_learned, n_refused, n_again, n_batches,
		n_in_batches, n_frames, n_told, n_normal, n_metered;
};

static inline uint32_t traffic_seconds(const struct traffic *t)
{
	return (uint32_t)(t->now / NSEC_PER_SEC);
}

/* Both sides forget what was learned by a port, 0: by all. */
void traffic_flush(struct traffic *t, uint32_t port, bool also_static);
/* Ports that the world has are there. @settings: that is all that has changed. */
void traffic_sync_ports(struct traffic *t, bool settings);
/* Something that administrators do, or time. */
void traffic_happen(struct traffic *t);
