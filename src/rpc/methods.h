/* SPDX-License-Identifier: Apache-2.0 */
/* What clients may call: the switch's functions, by name. Control thread.
 *
 *	version                                  {"version", "pid", "uptime" (seconds)}
 *	bridge.add|set {"name", options}         true
 *	bridge.del     {"name"}                  true
 *	bridge.show    {["name"]}                array of objects
 *	port.add|set   {"name", options, ["fd"]} true
 *	port.del, port.show                      as for bridges
 *	mac.add        {"mac", "port", ["vlan"]} true
 *	mac.del        {"mac", ["vlan"], ["bridge"]}
 *	mac.flush      {["bridge"], ["port"]}    true
 *	mac.show       {["bridge"]}              array of objects
 *	flow.*, group.*, meter.*, trace, cache.show: see rpc/flow_methods.h
 *	worker.set     {"port", "queue", "worker"}
 *	worker.show, stats.show, describe        as switch.h has them
 *	log.set        {"module", "level"}       true
 *	log.show                                 {module: level}
 *	config.show                              {"path" or null, "config", "text"}
 *	config.check   {["text"]}                {section: number of objects}; without text: the
 *	                                         daemon's own file
 *	config.save, config.reload               {"path"}
 *	upgrade        {"path", "fd"}            true: the attempt is over, and this process still
 *	                                         there; upgrade.result tells why. Root alone
 *	upgrade.keeper {"path", "fd"}            true: the attempt is over; upgrade.result tells how
 *	config.result                            true, or what went wrong in the last reload: what
 *	                                         could be done was done all the same
 *
 * A file that "file" of port.add names is opened by the client: "fd" is its index among the files
 * that came with the request, and "file" its path as /proc/PID/fd tells it. The switch sees the
 * file descriptor in the place of the index, and duplicates it to keep the file. "fd" of upgrade is
 * the same of root's order (base/order.h), which the keeper wants to see.
 */
#pragma once

#include "rpc/context.h"
#include "rpc/jsonrpc.h"

/* Ended by a NULL name. */
extern const struct rpc_method methods[];
