// SPDX-License-Identifier: Apache-2.0
/* The configuration file, and what the daemon has beside the switch's own: the log's levels. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/broker.h"
#include "base/log.h"
#include "rpc/config_file.h"
#include "switch/config.h"

LOG_MODULE("daemon");

#define HEADER "# Written by \"vireo config save\"; \"vireo config reload\" reads it.\n"

/* The bytes of a regular file (malloc'd), or NULL and a text. */
static char *read_all(int fd, size_t *len, struct error *err)
{
	struct stat st;
	char *text;

	if (fstat(fd, &st)) {
		error_set(err, 0, "%s", strerror(errno));
		return NULL;
	}
	if (!S_ISREG(st.st_mode)) {
		error_set(err, 0, "not a regular file");
		return NULL;
	}
	if (st.st_size > CONFIG_TEXT_MAX) {
		error_set(err, 0, "longer than %u MiB", CONFIG_TEXT_MAX >> 20);
		return NULL;
	}
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		error_set(err, 0, "out of memory");
	for (*len = 0; text && *len < (size_t)st.st_size;) {
		ssize_t n = read(fd, text + *len, (size_t)st.st_size - *len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			error_set(err, 0, "%s", strerror(errno));
			free(text);
			return NULL;
		}
		if (!n)
			break;
		*len += (size_t)n;
	}
	return text;
}

int config_file_open(const char *path, struct error *err)
{
	struct broker_call call = { .what = BROKER_CONFIG };
	int fd;

	if (broker_present())
		return broker_ask_file(&call, err);
	/* a FIFO in its place must not block the loop */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? error_set(err, -errno, "%s: %s", path, strerror(errno)) : fd;
}

int config_file_load(const char *path, json_t **config, struct error *err)
{
	int fd = config_file_open(path, err);
	size_t len = 0;
	char *text;

	if (fd < 0)
		return fd;
	text = read_all(fd, &len, err);
	close(fd);
	*config = text ? config_parse(text, len, err) : NULL;
	free(text);
	if (*config && !config_running_check(*config, err))
		return 0;
	json_decref(*config);
	*config = NULL;
	error_prefix(err, "%s", path);
	return -EINVAL;
}

static int write_all(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left) {
		ssize_t n = write(fd, text, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		left -= (size_t)n;
	}
	return 0;
}

/* The new file has the old one's mode and owner, as far as this process may give them. */
static int copy_owner(int fd, const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return fchmod(fd, 0644) ? -errno : 0;
	if (fchown(fd, st.st_uid, st.st_gid) && errno != EPERM)
		return -errno;
	return fchmod(fd, st.st_mode & 07777) ? -errno : 0;
}

/* The rename itself must be on disk, too. */
static int sync_directory(char *path)
{
	int fd = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = fsync(fd) ? -errno : 0;
	close(fd);
	return ret;
}

/* Puts a new file with @text in the place of @path, which it may change. */
static int replace_file(char *path, const char *text)
{
	char *temp;
	int fd, ret;

	if (asprintf(&temp, "%s.XXXXXX", path) < 0)
		return -ENOMEM;
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0) {
		ret = -errno;
		goto out;
	}
	ret = copy_owner(fd, path);
	if (!ret)
		ret = write_all(fd, HEADER);
	if (!ret)
		ret = write_all(fd, text);
	if (!ret && fsync(fd))
		ret = -errno;
	if (close(fd) && !ret)
		ret = -errno;
	if (!ret && rename(temp, path))
		ret = -errno;
	if (ret)
		unlink(temp);
	else
		ret = sync_directory(path);
out:
	free(temp);
	return ret;
}

int config_file_write(const char *path, const char *text, struct error *err)
{
	char *target = realpath(path, NULL);
	int ret;

	if (!target && errno == ENOENT)
		target = strdup(path);
	if (!target)
		return error_set(err, -errno, "%s: %s", path, strerror(errno));
	ret = replace_file(target, text);
	free(target);
	return ret ? error_set(err, ret, "cannot write %s: %s", path, strerror(-ret)) : 0;
}

/* Has it written by somebody who may. */
static int ask_to_write(const char *text, struct error *err)
{
	int fd = memfd_create("vireo-config", MFD_CLOEXEC), ret;
	struct broker_call call = { .what = BROKER_SAVE, .fds = &fd, .n_fds = 1 };

	if (fd < 0)
		return error_set(err, -errno, "out of memory");
	ret = write_all(fd, text);
	ret = ret ? error_set(err, ret, "out of memory") : broker_ask(&call, err);
	close(fd);
	return ret;
}

int config_file_save(const char *path, const json_t *config, struct error *err)
{
	char *text = config_format(config);
	int ret;

	if (!text)
		ret = error_set(err, -EINVAL, "out of memory, or a value has control characters");
	else
		ret = broker_present() ? ask_to_write(text, err)
				       : config_file_write(path, text, err);
	free(text);
	return ret;
}

json_t *config_running(const struct swtch *sw, const char *level)
{
	json_t *config = switch_config(sw), *log = json_object();

	for (const struct log_module *m = log_modules(); m; m = m->next) {
		enum log_level has = __atomic_load_n(&m->level, __ATOMIC_RELAXED);

		if (strcmp(log_level_name(has), level))
			json_object_set_new(log, m->name, json_string(log_level_name(has)));
	}
	if (json_object_set_new(config, "log", log)) {
		json_decref(config);
		return NULL;
	}
	return config;
}

static int check_log(const json_t *log, struct error *err)
{
	const json_t *level;
	const char *name;
	int ret;

	json_object_foreach ((json_t *)log, name, level) {
		ret = log_check_level(name, json_string_value(level) ?: "", err);
		if (ret) {
			error_prefix(err, "log");
			return ret;
		}
	}
	return 0;
}

int config_running_check(const json_t *config, struct error *err)
{
	int ret = check_log(json_object_get(config, "log"), err);

	return ret ? ret : switch_config_check(config, err);
}

/* "all" is a default: it goes first, wherever it stands. */
static void apply_log(const json_t *log, const char *standard)
{
	const char *all = json_string_value(json_object_get(log, "all"));
	const json_t *level;
	const char *name;

	log_set_level("all", all ? all : standard, NULL);
	json_object_foreach ((json_t *)log, name, level)
		if (strcmp(name, "all"))
			log_set_level(name, json_string_value(level), NULL);
}

int config_file_apply(struct swtch *sw, const char *path, const char *level, struct error *err)
{
	json_t *config = NULL;
	int ret = config_file_load(path, &config, err);

	if (ret)
		return ret;
	log_info("applying %s", path);
	apply_log(json_object_get(config, "log"), level);
	ret = switch_config_apply(sw, config, err);
	json_decref(config);
	return ret;
}
