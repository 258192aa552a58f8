// SPDX-License-Identifier: Apache-2.0
/* The configuration's file: reading, writing in the place of an old one, and what errors name. The
 * switch is a stub.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "rpc/config_file.h"
#include "switch/config.h"
#include "switch_stub.h"

LOG_MODULE("test");

#define HEADER "# Written by \"vireo config save\"; \"vireo config reload\" reads it.\n"

static char dir[64], path[128], link_path[128];

static int setup(void **state)
{
	stub_return = 0;
	stub_call[0] = '\0';
	strcpy(dir, "/tmp/vireo-test-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/vireo.conf", dir);
	snprintf(link_path, sizeof(link_path), "%s/link.conf", dir);
	return 0;
}

static int teardown(void **state)
{
	unlink(link_path);
	unlink(path);
	assert_int_equal(rmdir(dir), 0); /* no temporary file is left */
	json_decref(stub_config);
	stub_config = NULL;
	return log_set_level("all", "info", NULL);
}

static void put(const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* The file's text. */
static const char *text_of(const char *name)
{
	static char text[4096];
	int fd = open(name, O_RDONLY);
	ssize_t n;

	assert_true(fd >= 0);
	n = read(fd, text, sizeof(text) - 1);
	assert_true(n >= 0);
	text[n] = '\0';
	close(fd);
	return text;
}

static unsigned n_files(void)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	unsigned n = 0;

	assert_non_null(d);
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static json_t *config_of(const char *text)
{
	struct error err;
	json_t *config = config_parse(text, strlen(text), &err);

	if (!config)
		fail_msg("%s", err.text);
	return config;
}

/* Saves what @text says as @name. */
static int save(const char *name, const char *text, struct error *err)
{
	json_t *config = config_of(text);
	int ret = config_file_save(name, config, err);

	json_decref(config);
	return ret;
}

static void assert_mode(const char *name, mode_t mode, uid_t uid, gid_t gid)
{
	struct stat st;

	assert_int_equal(lstat(name, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(st.st_mode & 07777, mode);
	assert_int_equal(st.st_uid, uid);
	assert_int_equal(st.st_gid, gid);
}

static void test_load(void **state)
{
	struct error err = { "" };
	json_t *config = NULL, *want;

	put("# ours\nbridge add br0 mac-aging-time 30\nport add p type tap\nlog set test debug\n");
	assert_int_equal(config_file_load(path, &config, &err), 0);
	want = config_of("log set test debug\nport add p type tap\n"
			 "bridge add br0 mac-aging-time 30\n");
	assert_true(json_equal(config, want));
	/* the switch was asked, and nothing was changed */
	assert_int_equal(strncmp(stub_call, "config_check {", 14), 0);
	assert_int_equal(log_this.level, LOG_INFO);
	json_decref(want);
	json_decref(config);
	put("");
	assert_int_equal(config_file_load(path, &config, &err), 0);
	assert_int_equal(json_object_size(json_object_get(config, "bridges")), 0);
	json_decref(config);
}

/* Loading fails with @code and the text "path: @why". */
static void load_fails(int code, const char *why)
{
	json_t *config = NULL;
	struct error err = { "" };
	char want[512];

	snprintf(want, sizeof(want), "%s: %s", path, why);
	assert_int_equal(config_file_load(path, &config, &err), code);
	assert_int_equal(strncmp(err.text, want, strlen(want)), 0);
	assert_null(config);
}

static void test_load_errors(void **state)
{
	load_fails(-ENOENT, "No such file or directory");
	put("bridge add br0\nbirdge add br1\n");
	load_fails(-EINVAL, "line 2: ");
	put("log set no-such-module debug\n");
	load_fails(-EINVAL, "log: ");
	put("log set test loud\n");
	load_fails(-EINVAL, "log: ");
	put("bridge add br0\n");
	stub_return = -EINVAL;
	load_fails(-EINVAL, "refused");
	stub_return = 0;
	assert_int_equal(truncate(path, CONFIG_TEXT_MAX + 1l), 0);
	load_fails(-EINVAL, "longer than 16 MiB");
}

/* What is no file neither blocks nor is read. */
static void test_load_no_file(void **state)
{
	assert_int_equal(mkfifo(path, 0600), 0);
	load_fails(-EINVAL, "not a regular file");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	load_fails(-EINVAL, "not a regular file");
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(symlink(path, path), 0);
	load_fails(-ELOOP, "");
}

static void test_save_new(void **state)
{
	mode_t old = umask(077);
	struct error err = { "" };
	json_t *config = NULL, *want = config_of("bridge add br0\nport add p type tap\n");

	assert_int_equal(save(path, "port add p type tap\nbridge add br0\n", &err), 0);
	umask(old);
	assert_mode(path, 0644, geteuid(), getegid());
	assert_int_equal(strncmp(text_of(path), HEADER, strlen(HEADER)), 0);
	assert_int_equal(n_files(), 1);
	/* and back */
	assert_int_equal(config_file_load(path, &config, &err), 0);
	assert_true(json_equal(config, want));
	json_decref(config);
	json_decref(want);
}

static void test_save_keeps_owner(void **state)
{
	struct error err = { "" };
	struct stat before, after;

	put("# a comment that goes\nbridge add an-old-and-longer-name\n");
	assert_int_equal(chown(path, 4141, 4242), 0);
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(save(path, "bridge add br0\n", &err), 0);
	assert_mode(path, 0640, 4141, 4242);
	assert_string_equal(text_of(path), HEADER "bridge add br0\n");
	/* a new file took the name: who has the old one open still reads the old one, whole */
	assert_int_equal(stat(path, &after), 0);
	assert_int_not_equal(before.st_ino, after.st_ino);
	assert_int_equal(n_files(), 1);
}

static void test_save_through_link(void **state)
{
	struct error err = { "" };
	struct stat st;

	put("");
	assert_int_equal(chmod(path, 0604), 0);
	assert_int_equal(symlink("vireo.conf", link_path), 0);
	assert_int_equal(save(link_path, "bridge add br0\n", &err), 0);
	assert_int_equal(lstat(link_path, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_mode(path, 0604, geteuid(), getegid());
	assert_string_equal(text_of(path), HEADER "bridge add br0\n");
	assert_int_equal(n_files(), 2);
}

static void test_save_errors(void **state)
{
	struct error err = { "" };
	char name[256], want[512];
	json_t *config;

	/* the old file survives what cannot be written */
	put("bridge add old\n");
	config = json_pack("{s:{s:{}}}", "bridges", "a\nb");
	assert_int_equal(config_file_save(path, config, &err), -EINVAL);
	assert_non_null(strstr(err.text, "control characters"));
	json_decref(config);
	assert_string_equal(text_of(path), "bridge add old\n");
	assert_int_equal(n_files(), 1);
	/* errors name the file */
	snprintf(name, sizeof(name), "%s/none/vireo.conf", dir);
	snprintf(want, sizeof(want), "cannot write %s: No such file or directory", name);
	assert_int_equal(save(name, "bridge add br0\n", &err), -ENOENT);
	assert_string_equal(err.text, want);
	snprintf(want, sizeof(want), "%s: Too many levels of symbolic links", link_path);
	assert_int_equal(symlink(link_path, link_path), 0);
	assert_int_equal(save(link_path, "bridge add br0\n", &err), -ELOOP);
	assert_string_equal(err.text, want);
	/* a directory is not replaced; what was written for it goes */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(save(path, "bridge add br0\n", &err), -EISDIR);
	assert_int_equal(n_files(), 2);
	assert_int_equal(rmdir(path), 0);
}

static void test_running(void **state)
{
	json_t *config;

	stub_config = json_pack("{s:{s:{}}}", "bridges", "br0");
	config = config_running(NULL, "info");
	assert_int_equal(json_object_size(json_object_get(config, "log")), 0);
	assert_non_null(json_object_get(json_object_get(config, "bridges"), "br0"));
	json_decref(config);
	/* what differs from the daemon's own level is told */
	assert_int_equal(log_set_level("test", "debug", NULL), 0);
	config = config_running(NULL, "info");
	assert_int_equal(json_object_size(json_object_get(config, "log")), 1);
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(config, "log"), "test")),
		"debug");
	json_decref(config);
	config = config_running(NULL, "debug");
	assert_null(json_object_get(json_object_get(config, "log"), "test"));
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(config, "log"), "daemon")),
		"info");
	json_decref(config);
}

static void test_apply(void **state)
{
	struct error err = { "" };

	/* "all" goes first, wherever it stands */
	put("log set test warning\nlog set all error\nbridge add br0\n");
	assert_int_equal(config_file_apply(NULL, path, "error", &err), 0);
	assert_int_equal(log_this.level, LOG_WARNING);
	assert_int_equal(strncmp(stub_call, "config_apply {", 14), 0);
	assert_non_null(strstr(stub_call, "br0"));
	/* who is not named logs at the daemon's level again */
	put("bridge add br0\n");
	assert_int_equal(config_file_apply(NULL, path, "error", &err), 0);
	assert_int_equal(log_this.level, LOG_ERROR);
	/* nothing changes when the file is wrong */
	put("log set test debug\nlog set no-such-module debug\n");
	stub_call[0] = '\0';
	assert_int_equal(config_file_apply(NULL, path, "info", &err), -EINVAL);
	assert_int_equal(strncmp(err.text, path, strlen(path)), 0);
	assert_int_equal(log_this.level, LOG_ERROR);
	assert_string_equal(stub_call, "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_load),	TEST(test_load_errors),	     TEST(test_load_no_file),
		TEST(test_save_new),	TEST(test_save_keeps_owner), TEST(test_save_through_link),
		TEST(test_save_errors), TEST(test_running),	     TEST(test_apply),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
