/* SPDX-License-Identifier: Apache-2.0 */
/* The switch: bridges and ports, what is wanted (configuration, passive data) and what runs.
 * Control thread.
 *
 * Objects are named by people and described by options, a JSON object that option tables check
 * (base/option.h). Every function that changes something either does it wholly and returns 0, or
 * changes nothing and returns -errno with a text: -ENOENT (no such object), -EEXIST, -EINVAL, or
 * what the system said.
 */
#pragma once

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/keep.h"
#include "base/option.h"
#include "vhost/endpoint.h"

struct swtch; /* "switch" is a keyword */

#define SWITCH_DEFAULT_BRIDGE "br0" /* of ports that name none; cannot be deleted */

/* Starts @n_workers worker threads (1..64). @cpus: list of CPUs to pin them to ("2,4-5"), or NULL.
 */
int switch_create(struct swtch **out, struct event_base *base, unsigned n_workers, const char *cpus,
		  struct error *err);

/* Lets vhost-user ports, all of which come later, wait for their front-ends at endpoints that
 * @maker makes, instead of at sockets of this process; and counters, MAC tables and taps, of all
 * bridges and ports to come, be held by @keep. Both must outlive the switch. @resumes: an earlier
 * process was there, and nothing is received before switch_restored(), so that no packet meets a
 * port that has not been made again. */
void switch_use_keeper(struct swtch *sw, const struct vhost_endpoint_maker *maker,
		       struct keep *keep, bool resumes);

/* Lets no worker touch a port any more, once all that was received has been sent; then calls
 * @fn(@arg), from the loop. For a process that another takes the place of: ports stay as they are.
 */
void switch_leave(struct swtch *sw, void (*fn)(void *arg), void *arg);

/* All that an earlier process had has been made again. What was learned on ports that are no more
 * is forgotten. */
void switch_restored(struct swtch *sw);

/* For who looks after this process: see datapath_set_bell(), datapath_ring() and datapath_look().
 */
void switch_set_bell(struct swtch *sw, int fd);
void switch_ring(struct swtch *sw);
int switch_look(struct swtch *sw, bool *asleep);

/* Ends the workers, tells the guests (closes their connections), frees all. NULL is fine. */
void switch_destroy(struct swtch *sw);

/* @params: {"name": ..., options}. Values may be words as typed; unknown options are refused by
 * name. The caller keeps its reference. For port_add "type" names the kind and "bridge" defaults to
 * br0.
 */
int switch_bridge_add(struct swtch *sw, const json_t *params, struct error *err);
int switch_bridge_del(struct swtch *sw, const char *name, struct error *err);
int switch_bridge_set(struct swtch *sw, const json_t *params, struct error *err);
int switch_port_add(struct swtch *sw, const json_t *params, struct error *err);
int switch_port_del(struct swtch *sw, const char *name, struct error *err);
int switch_port_set(struct swtch *sw, const json_t *params, struct error *err);

/* Of what switch_port_set() has just changed: the names of options that take effect when the peer,
 * which is connected, negotiates the next time. A new reference, an array.
 */
json_t *switch_port_later(const struct swtch *sw, const json_t *params);

/* {"mac", "port", "vlan" (0), }: static entries, on the port's bridge. del takes {"mac", "vlan",
 * "bridge"}. */
int switch_mac_add(struct swtch *sw, const json_t *params, struct error *err);
int switch_mac_del(struct swtch *sw, const json_t *params, struct error *err);
/* {"bridge" (all), "port" (all)}: forgets what was learned; static entries stay. */
int switch_mac_flush(struct swtch *sw, const json_t *params, struct error *err);

/* {"port": name, "queue": number, "worker": number or "auto"}: pins a receive queue to a worker.
 * {"poll": "adaptive" or "always"}: how workers wait. {"rebalance": bool}: whether queues that are
 * not pinned move when the load of workers differs much (at most one every few seconds).
 */
int switch_worker_set(struct swtch *sw, const json_t *params, struct error *err);

/* New references. @name NULL: all, as an array; else an array of one, or NULL and a text. */
json_t *switch_bridge_show(struct swtch *sw, const char *name, struct error *err);
json_t *switch_port_show(struct swtch *sw, const char *name, struct error *err);
json_t *switch_mac_show(struct swtch *sw, const char *bridge, struct error *err);
json_t *switch_worker_show(struct swtch *sw);
json_t *switch_stats_show(struct swtch *sw);

/* What exists: {"bridge": [options], "port": {"common": [options], "kinds": {kind: {"summary",
 * "options"}}}}. */
json_t *switch_describe(void);

/* False while a port that was deleted is still being let go of by the workers, or a queue moves
 * (far less than a millisecond, usually), or switch_config_apply() is not through. The result of
 * what was asked is final once it is true.
 */
bool switch_settled(const struct swtch *sw);

/* The configuration that would make this switch again, and the way back (switch/config.h has the
 * form). Check changes nothing. Apply computes the difference: what is not in @config goes (but br0
 * stays), what is new comes, what differs is set, or made anew where an option cannot be changed;
 * what is the same is not touched. A @config that check refuses changes nothing. When a step fails
 * later, the others are done all the same; what went wrong is logged, and switch_config_result()
 * tells it when the switch has settled.
 */
json_t *switch_config(const struct swtch *sw);
int switch_config_check(const json_t *config, struct error *err);
int switch_config_apply(struct swtch *sw, const json_t *config, struct error *err);

/* Makes what an earlier process had, as switch_config() has told it, before switch_restored().
 * Nothing is refused as a whole, whatever @config holds: what is not understood is left out, but
 * ports that cannot be made stay, down and with the reason, and are tried again until they can.
 */
void switch_config_restore(struct swtch *sw, const json_t *config);

/* How the last switch_config_apply() ended: 0, or -errno and the first error's text. */
int switch_config_result(const struct swtch *sw, struct error *err);
