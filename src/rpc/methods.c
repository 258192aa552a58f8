// SPDX-License-Identifier: Apache-2.0
/* The methods of the control socket. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/option.h"
#include "rpc/config_file.h"
#include "rpc/flow_methods.h"
#include "rpc/methods.h"
#include "switch/config.h"

/* Checks that @params has no other members than the texts @names (of which there are @n), and all
 * of the first @n_required.
 */
static int check_params(const json_t *params, const char *const *names, size_t n, size_t n_required,
			struct error *err)
{
	const char *name, *near;
	const json_t *value;

	json_object_foreach ((json_t *)params, name, value) {
		size_t i = 0;

		while (i < n && strcmp(names[i], name))
			i++;
		if (i < n && json_is_string(value))
			continue;
		if (i < n)
			return error_set(err, RPC_INVALID_PARAMS, "\"%s\" must be a text", name);
		near = nearest_word(name, names, n);
		if (near)
			return error_set(err, RPC_INVALID_PARAMS,
					 "unknown parameter \"%s\": did you mean \"%s\"?", name,
					 near);
		return error_set(err, RPC_INVALID_PARAMS, "unknown parameter \"%.64s\"", name);
	}
	for (size_t i = 0; i < n_required; i++)
		if (!json_object_get(params, names[i]))
			return error_set(err, RPC_INVALID_PARAMS, "\"%s\" is missing", names[i]);
	return 0;
}

static int check_none(const json_t *params, struct error *err)
{
	return check_params(params, NULL, 0, 0, err);
}

static const char *text_of(const json_t *params, const char *name)
{
	return json_string_value(json_object_get(params, name));
}

/* Options are the switch's to check; a name must be there for it to begin. */
static int check_name(const json_t *params, struct error *err)
{
	if (text_of(params, "name"))
		return 0;
	return error_set(err, RPC_INVALID_PARAMS, "\"name\" is missing, or no text");
}

/* The switch, for a call that may change its configuration. */
static struct swtch *to_change(void *ctx)
{
	struct methods_context *m = ctx;

	m->changed = true;
	return m->sw;
}

/* Hands out @json, or says that there was no memory for it. */
static int give(json_t *json, json_t **result, struct error *err)
{
	*result = json;
	return json ? 0 : error_set(err, -ENOMEM, "out of memory");
}

typedef int change_function(struct swtch *sw, const json_t *params, struct error *err);
typedef int del_function(struct swtch *sw, const char *name, struct error *err);
typedef json_t *show_function(struct swtch *sw, const char *name, struct error *err);

static int change(void *ctx, json_t *params, struct error *err, change_function *fn)
{
	int ret = check_name(params, err);

	return ret ? ret : fn(to_change(ctx), params, err);
}

static int del(void *ctx, json_t *params, struct error *err, del_function *fn)
{
	static const char *const names[] = { "name" };
	int ret = check_params(params, names, 1, 1, err);

	return ret ? ret : fn(to_change(ctx), text_of(params, "name"), err);
}

static int show(void *ctx, json_t *params, json_t **result, struct error *err, const char *filter,
		show_function *fn)
{
	const struct methods_context *m = ctx;
	int ret = check_params(params, &filter, 1, 0, err);

	if (ret)
		return ret;
	error_set(err, 0, "out of memory");
	*result = fn(m->sw, text_of(params, filter), err);
	if (*result)
		return 0;
	return text_of(params, filter) ? -ENOENT : -ENOMEM;
}

static int version(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
		   struct error *err)
{
	const struct methods_context *m = ctx;
	int ret = check_none(params, err);

	if (ret)
		return ret;
	return give(json_pack("{s:s, s:i, s:I}", "version", VIREO_VERSION, "pid", (int)m->pid,
			      "uptime", (json_int_t)((clock_ns() - m->started_ns) / NSEC_PER_SEC)),
		    result, err);
}

static int bridge_add(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
		      struct error *err)
{
	return change(ctx, params, err, switch_bridge_add);
}

static int bridge_del(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
		      struct error *err)
{
	return del(ctx, params, err, switch_bridge_del);
}

static int bridge_set(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
		      struct error *err)
{
	return change(ctx, params, err, switch_bridge_set);
}

static int bridge_show(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
		       struct error *err)
{
	return show(ctx, params, result, err, "name", switch_bridge_show);
}

/* Whether @fd is open on the file @path, by the kernel's word: no file system is asked. */
static bool is_open_on(int fd, const char *path)
{
	char link[64], name[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, name, sizeof(name));
	return n > 0 && (size_t)n < sizeof(name) && (size_t)n == strlen(path) &&
	       !memcmp(name, path, (size_t)n);
}

/* The file that "fd" says, among those that came with the request; or RPC_INVALID_PARAMS. */
static int find_file(const json_t *params, const struct rpc_fds *fds, struct error *err)
{
	const json_t *index = json_object_get(params, "fd");
	json_int_t i = json_integer_value(index);

	if (json_is_integer(index) && i >= 0 && i < fds->n)
		return fds->fd[i];
	return error_set(err, RPC_INVALID_PARAMS,
			 "\"fd\" must be the index of a file sent with the request");
}

/* change() for ports. A file that a client names it must have opened itself, so that it can do no
 * more than its user may: not even by having the name saved, and the file opened at a reload.
 */
static int change_port(void *ctx, json_t *params, struct rpc_fds *fds, struct error *err,
		       change_function *fn)
{
	const json_t *index = json_object_get(params, "fd"),
		     *file = json_object_get(params, "file");
	int fd;

	if (file && !index)
		return error_set(err, RPC_INVALID_PARAMS,
				 "\"file\" must be opened by the client, and sent as \"fd\"");
	if (!index)
		return change(ctx, params, err, fn);
	fd = find_file(params, fds, err);
	if (fd < 0)
		return fd;
	if (!json_is_string(file) || !is_open_on(fd, json_string_value(file)))
		return error_set(err, RPC_INVALID_PARAMS,
				 "\"file\" must be the whole path, without links, of \"fd\"");
	if (json_object_set_new(params, "fd", json_integer(fd)))
		return error_set(err, -ENOMEM, "out of memory");
	return change(ctx, params, err, fn);
}

static int port_add(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
		    struct error *err)
{
	return change_port(ctx, params, fds, err, switch_port_add);
}

static int port_del(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
		    struct error *err)
{
	return del(ctx, params, err, switch_port_del);
}

static int port_set(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
		    struct error *err)
{
	const struct methods_context *m = ctx;
	int ret = change_port(ctx, params, fds, err, switch_port_set);

	if (ret)
		return ret;
	return give(json_pack("{s:o}", "later", switch_port_later(m->sw, params)), result, err);
}

static int port_show(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
		     struct error *err)
{
	return show(ctx, params, result, err, "name", switch_port_show);
}

static int mac_add(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
		   struct error *err)
{
	return switch_mac_add(to_change(ctx), params, err);
}

static int mac_del(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
		   struct error *err)
{
	return switch_mac_del(to_change(ctx), params, err);
}

static int mac_flush(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
		     struct error *err)
{
	const struct methods_context *m = ctx;

	return switch_mac_flush(m->sw, params, err); /* what was learned is no configuration */
}

static int mac_show(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
		    struct error *err)
{
	return show(ctx, params, result, err, "bridge", switch_mac_show);
}

static int worker_set(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
		      struct error *err)
{
	return switch_worker_set(to_change(ctx), params, err);
}

static int worker_show(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
		       struct error *err)
{
	const struct methods_context *m = ctx;
	int ret = check_none(params, err);

	return ret ? ret : give(switch_worker_show(m->sw), result, err);
}

static int stats_show(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
		      struct error *err)
{
	const struct methods_context *m = ctx;
	int ret = check_none(params, err);

	return ret ? ret : give(switch_stats_show(m->sw), result, err);
}

static int describe(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
		    struct error *err)
{
	int ret = check_none(params, err);

	return ret ? ret : give(switch_describe(), result, err);
}

static int log_set(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
		   struct error *err)
{
	static const char *const names[] = { "module", "level" };
	int ret = check_params(params, names, 2, 2, err);

	return ret ? ret : log_set_level(text_of(params, "module"), text_of(params, "level"), err);
}

static int log_show(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
		    struct error *err)
{
	int ret = check_none(params, err);
	json_t *levels;

	if (ret)
		return ret;
	levels = json_object();
	for (const struct log_module *m = log_modules(); m; m = m->next)
		json_object_set_new(
			levels, m->name,
			json_string(log_level_name(__atomic_load_n(&m->level, __ATOMIC_RELAXED))));
	return give(levels, result, err);
}

static int config_show(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
		       struct error *err)
{
	const struct methods_context *m = ctx;
	int ret = check_none(params, err);
	json_t *config;
	char *text;

	if (ret)
		return ret;
	config = config_running(m->sw, m->log_level);
	text = config_format(config);
	ret = give(json_pack("{s:s?, s:O?, s:s?}", "path", m->config_path, "config", config, "text",
			     text),
		   result, err);
	json_decref(config);
	free(text);
	return ret;
}

/* Says how much there is of what. */
static json_t *count_objects(const json_t *config)
{
	json_t *counts = json_object();
	const json_t *section;
	const char *name;

	json_object_foreach ((json_t *)config, name, section) {
		size_t n = json_is_array(section) ? json_array_size(section)
						  : json_object_size(section);

		json_object_set_new(counts, name, json_integer((json_int_t)n));
	}
	return counts;
}

static int need_path(const struct methods_context *m, struct error *err)
{
	if (m->config_path)
		return 0;
	return error_set(err, -ENOENT, "vireod was started without --config: it has no file");
}

static int config_check(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
			struct error *err)
{
	static const char *const names[] = { "text" };
	const struct methods_context *m = ctx;
	const json_t *text = json_object_get(params, "text");
	json_t *config = NULL;
	int ret = check_params(params, names, 1, 0, err);

	if (ret)
		return ret;
	if (text) {
		config = config_parse(json_string_value(text), json_string_length(text), err);
		ret = config ? config_running_check(config, err) : -EINVAL;
	} else {
		ret = need_path(m, err);
		if (!ret)
			ret = config_file_load(m->config_path, &config, err);
	}
	if (!ret)
		ret = give(count_objects(config), result, err);
	json_decref(config);
	return ret;
}

static int config_save(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
		       struct error *err)
{
	const struct methods_context *m = ctx;
	int ret = check_none(params, err);
	json_t *config;

	if (!ret)
		ret = need_path(m, err);
	if (ret)
		return ret;
	config = config_running(m->sw, m->log_level);
	if (!config)
		return error_set(err, -ENOMEM, "out of memory");
	ret = config_file_save(m->config_path, config, err);
	json_decref(config);
	return ret ? ret : give(json_pack("{s:s}", "path", m->config_path), result, err);
}

static int config_reload(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
			 struct error *err)
{
	const struct methods_context *m = ctx;
	int ret = check_none(params, err);

	if (!ret)
		ret = need_path(m, err);
	if (!ret)
		ret = config_file_apply(to_change(ctx), m->config_path, m->log_level, err);
	return ret ? ret : give(json_pack("{s:s}", "path", m->config_path), result, err);
}

static int config_result(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
			 struct error *err)
{
	const struct methods_context *m = ctx;
	int ret = check_none(params, err);

	return ret ? ret : switch_config_result(m->sw, err);
}

static int exchange(struct methods_context *m, json_t *params, const struct rpc_fds *fds,
		    bool keeper, struct error *err)
{
	static const char *const names[] = { "path" };
	int order, ret;

	if (!fds->root)
		return error_set(err, -EPERM, "only root may exchange the program");
	order = find_file(params, fds, err);
	if (order < 0)
		return order;
	json_object_del(params, "fd");
	ret = check_params(params, names, 1, 1, err);
	return ret ? ret : m->upgrade(m, text_of(params, "path"), keeper, order, err);
}

static int upgrade(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
		   struct error *err)
{
	return exchange(ctx, params, fds, false, err);
}

static int upgrade_keeper(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
			  struct error *err)
{
	return exchange(ctx, params, fds, true, err);
}

static int upgrade_result(void *ctx, json_t *params, struct rpc_fds *fds, json_t **result,
			  struct error *err)
{
	struct methods_context *m = ctx;
	int ret = check_none(params, err);

	return ret ? ret : m->upgrade_result(m, err);
}

const struct rpc_method methods[] = {
	{ "version", version },
	{ "describe", describe },
	{ "bridge.add", bridge_add },
	{ "bridge.del", bridge_del },
	{ "bridge.set", bridge_set },
	{ "bridge.show", bridge_show },
	{ "port.add", port_add },
	{ "port.del", port_del },
	{ "port.set", port_set },
	{ "port.show", port_show },
	{ "mac.add", mac_add },
	{ "mac.del", mac_del },
	{ "mac.flush", mac_flush },
	{ "mac.show", mac_show },
	{ "flow.add", flow_method_add },
	{ "flow.mod", flow_method_mod },
	{ "flow.del", flow_method_del },
	{ "flow.replace", flow_method_replace },
	{ "flow.settle", flow_method_settle },
	{ "flow.show", flow_method_show },
	{ "group.add", flow_method_group_add },
	{ "group.mod", flow_method_group_mod },
	{ "group.del", flow_method_group_del },
	{ "group.insert", flow_method_group_insert },
	{ "group.remove", flow_method_group_remove },
	{ "group.show", flow_method_group_show },
	{ "meter.add", flow_method_meter_add },
	{ "meter.mod", flow_method_meter_mod },
	{ "meter.del", flow_method_meter_del },
	{ "meter.show", flow_method_meter_show },
	{ "trace", flow_method_trace },
	{ "trace.live", flow_method_trace_live },
	{ "cache.show", flow_method_cache_show },
	{ "worker.set", worker_set },
	{ "worker.show", worker_show },
	{ "stats.show", stats_show },
	{ "log.set", log_set },
	{ "log.show", log_show },
	{ "config.show", config_show },
	{ "config.check", config_check },
	{ "config.save", config_save },
	{ "config.reload", config_reload },
	{ "config.result", config_result },
	{ "upgrade", upgrade },
	{ "upgrade.keeper", upgrade_keeper },
	{ "upgrade.result", upgrade_result },
	{ NULL, NULL },
};
