/* SPDX-License-Identifier: Apache-2.0 */
/* Methods about rules. Those of rpc/methods.c have the same form.
 *
 *	flow.add, flow.mod, flow.del  {["bridge"], "flow" or "file", ["strict"]}  true
 *	flow.replace   {["bridge"], "flow" or "file"}   {"changed"}
 *	flow.settle    {["bridge"]}                      true: what packets did so far is counted
 *	flow.show      {["bridge"], ["filter"], ["skip"]}  {"flows": array, "more": bool}
 *	group.add, group.mod, group.del                  {["bridge"], "group"}
 *	group.show     {["bridge"], ["skip"]}            {"groups": array, "more": bool}
 *	group.insert, group.remove                       the same, of buckets
 *	meter.add, meter.mod, meter.del                  {["bridge"], "meter"}
 *	meter.show     {["bridge"], ["skip"]}            {"meters": array, "more": bool}
 *	trace          {["bridge"], "flow"} or {["bridge"], "hex", ["in_port"]}  {"text", "trace"}
 *	trace.live     {"port", ["filter"], ["count"], "fd"}  true; stories go to the socket that
 *	               is sent with the request ("fd": its index): see switch/flows_text.h
 *	cache.show                                       array of objects
 *
 * Of a long list one answer shows a part, and says that there is "more": whoever wants it asks
 * again, and skips what he has. Of rules that come and go meanwhile some may be shown twice, or
 * not at all.
 *
 * Many rules, a line each, come in a file of memory (memfd_create(2)) that is sent with the
 *request: "file" is its index.
 */
#pragma once

#include "rpc/jsonrpc.h"

/* @ctx: the switch. The result is the caller's. 0, or -errno and a text. */
typedef int flow_method(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
			struct error *err);

/* As listed above. */
flow_method flow_method_add, flow_method_mod, flow_method_del, flow_method_replace,
	flow_method_settle, flow_method_show, flow_method_group_add, flow_method_group_mod,
	flow_method_group_del, flow_method_group_insert, flow_method_group_remove,
	flow_method_group_show, flow_method_meter_add, flow_method_meter_mod, flow_method_meter_del,
	flow_method_meter_show, flow_method_trace, flow_method_trace_live, flow_method_cache_show;
