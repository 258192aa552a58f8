// SPDX-License-Identifier: Apache-2.0
/* What an earlier process had is made again, and what cannot be stays: down, with the reason, until
 * it can. Whatever is found in what that process has left.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/log.h"
#include "fake_keep.h"
#include "port/port.h"
#include "switch_rig.h"

struct world {
	struct rig rig;
	struct fake_keep keep;
	char file[64];
};

/* A new process. */
static void begin(struct world *w)
{
	rig_open(&w->rig, 2);
	switch_use_keeper(w->rig.sw, w->rig.sw->env.endpoints, &w->keep.keep, true);
	rig_add_bridge(&w->rig, "br0");
}

static int setup(void **state)
{
	static struct world w;

	log_set_level("switch", "error", NULL);
	fake_keep_init(&w.keep);
	begin(&w);
	snprintf(w.file, sizeof(w.file), "/tmp/vireo-restore-%d", getpid());
	*state = &w;
	return 0;
}

static void end(struct world *w)
{
	switch_destroy(w->rig.sw);
	event_base_free(w->rig.base);
	rcu_drain();
}

static int teardown(void **state)
{
	struct world *w = *state;

	end(w);
	fake_keep_clear(&w->keep);
	unlink(w->file);
	return 0;
}

static void restore(struct world *w, const char *text)
{
	json_error_t error;
	json_t *config = json_loads(text, JSON_DECODE_ANY, &error);

	if (!config)
		fail_msg("%s: %s", text, error.text);
	switch_config_restore(w->rig.sw, config);
	json_decref(config);
	rig_settle(&w->rig);
}

/* A member of what "port show" says; a new reference, NULL: it says nothing of it. */
static json_t *shown(struct world *w, const char *port, const char *member)
{
	json_t *list = switch_port_show(w->rig.sw, port, NULL);
	json_t *value = json_incref(json_object_get(json_array_get(list, 0), member));

	json_decref(list);
	return value;
}

static bool is_failed(struct world *w, const char *port)
{
	json_t *value = shown(w, port, "failed");
	bool failed = json_is_true(value);

	json_decref(value);
	return failed;
}

static void expect_why(struct world *w, const char *port, const char *part)
{
	json_t *why = shown(w, port, "last_error"), *link = shown(w, port, "link");

	if (!why || !strstr(json_string_value(why), part))
		fail_msg("port %s: \"%s\" does not say \"%s\"", port, json_string_value(why), part);
	assert_true(json_is_false(link));
	json_decref(why);
	json_decref(link);
}

/* The options that are kept of @port are those in @text. */
static void expect_kept(struct world *w, const char *port, const char *text)
{
	json_t *config = switch_config(w->rig.sw), *wanted = json_loads(text, 0, NULL);
	json_t *kept = json_object_get(json_object_get(config, "ports"), port);

	if (!json_equal(kept, wanted))
		fail_msg("port %s is kept as %s", port, json_dumps(kept, JSON_SORT_KEYS));
	json_decref(config);
	json_decref(wanted);
}

#define PCAP "{\"type\": \"pcap\", \"file\": \"%s\", \"direction\": \"read\"}"

static void test_comes_back(void **state)
{
	static const uint32_t empty[] = { 0xa1b2c3d4, 0x40002, 0, 0, 65535, 1 };
	struct world *w = *state;
	char options[256], text[1024];
	FILE *f;

	snprintf(options, sizeof(options), PCAP, w->file);
	snprintf(text, sizeof(text),
		 "{\"ports\": {\"a\": {\"type\": \"dummy\"}, \"file\": %s, \"b\": {\"type\": "
		 "\"dummy\"}}, \"macs\": [{\"mac\": \"02:00:00:00:00:07\", \"port\": \"file\"}]}",
		 options);
	restore(w, text);
	switch_restored(w->rig.sw);
	assert_false(is_failed(w, "a") || is_failed(w, "b"));
	assert_true(is_failed(w, "file"));
	expect_why(w, "file", "No such file");
	expect_kept(w, "file", options);
	rig_refuse(&w->rig, switch_port_set, J("{s:s, s:s}", "name", "file", "mtu", "1400"), -EPERM,
		   "No such file");
	/* packets do not mind, nor does what was configured for it */
	assert_int_equal(mac_table_lookup(rig_find(&w->rig, "a")->bridge->macs, MAC(7), 0),
			 rig_find(&w->rig, "file")->id);
	f = fopen(w->file, "w");
	assert_int_equal(fwrite(empty, sizeof(empty), 1, f), 1);
	fclose(f);
	UNTIL(&w->rig, !is_failed(w, "file"));
	expect_kept(w, "file", options);
	rig_del(&w->rig, "file");
	rig_settle(&w->rig);
}

static void test_deleted_and_added(void **state)
{
	struct world *w = *state;
	char options[256], text[512];

	snprintf(options, sizeof(options), PCAP, w->file);
	snprintf(text, sizeof(text), "{\"ports\": {\"p\": %s}}", options);
	restore(w, text);
	switch_restored(w->rig.sw);
	assert_true(is_failed(w, "p"));
	rig_del(&w->rig, "p");
	rig_settle(&w->rig);
	rig_add(&w->rig, "p", NULL);
	assert_false(is_failed(w, "p"));
	/* now that nothing is to be restored a port is there or it is not */
	rig_refuse(&w->rig, switch_port_add,
		   J("{s:s, s:s, s:s, s:s}", "name", "q", "type", "pcap", "file", w->file,
		     "direction", "read"),
		   -ENOENT, "No such file");
	assert_null(switch_find_port(w->rig.sw, "q"));
}

/* Of a program that knew more: what it wrote stays as it was, and the rest is made. */
static void test_is_not_understood(void **state)
{
	struct world *w = *state;

	restore(w, "{\"bridges\": {\"br0\": {\"colour\": \"red\"}},"
		   " \"ports\": {\"new\": {\"type\": \"teleport\", \"bridge\": \"far\", \"x\": 1},"
		   "  \"more\": {\"type\": \"dummy\", \"colour\": \"red\"},"
		   "  \"lost\": {\"type\": \"dummy\", \"bridge\": \"gone\"},"
		   "  \"none\": {}, \"good\": {\"type\": \"dummy\"}},"
		   " \"macs\": [{\"mac\": 5}, {}], \"workers\": [{\"port\": \"good\", \"queue\": "
		   "99999}, {\"turbo\": true}]}");
	switch_restored(w->rig.sw);
	assert_false(is_failed(w, "good"));
	expect_why(w, "new", "needs a type");
	expect_why(w, "more", "colour");
	expect_why(w, "lost", "gone");
	assert_true(is_failed(w, "none"));
	expect_kept(w, "new", "{\"type\": \"teleport\", \"bridge\": \"far\", \"x\": 1}");
	expect_kept(w, "more", "{\"type\": \"dummy\", \"colour\": \"red\"}");
	expect_kept(w, "lost", "{\"type\": \"dummy\", \"bridge\": \"gone\"}");
	/* its bridge comes, and so does the port */
	rig_add_bridge(&w->rig, "gone");
	UNTIL(&w->rig, !is_failed(w, "lost"));
	assert_string_equal(rig_find(&w->rig, "lost")->bridge->name, "gone");
	assert_true(is_failed(w, "more"));
}

/* What no program has written. */
static void test_makes_no_sense(void **state)
{
	static const char *const texts[] = {
		"null",
		"[]",
		"7",
		"{}",
		"{\"ports\": 3, \"bridges\": [], \"macs\": {}}",
		"{\"ports\": {\"a\": 3, \"b\": [], \"c\": null, \"\": {}}}",
		"{\"ports\": {\"../x\": {\"type\": \"dummy\"}, \"d\": {\"type\": 4}}}",
		"{\"bridges\": {\"br0\": 3, \"-\": {}, \"b\": null}}",
		"{\"macs\": [1, null, [], {\"mac\": {}}], \"workers\": [1, {\"poll\": []}]}",
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		restore(w, texts[i]);
	switch_restored(w->rig.sw);
	rig_add(&w->rig, "a1", NULL);
	for (const char *name = "abc"; *name; name++)
		assert_null(switch_find_port(w->rig.sw, (char[]){ *name, 0 }));
}

/* The memory under @key becomes @len bytes of which the first ones are @bytes. */
static void spoil(struct world *w, const char *key, const void *bytes, size_t n, size_t len)
{
	int fd = memfd_create("spoilt", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, (off_t)len), 0);
	assert_int_equal(pwrite(fd, bytes, n, 0), n);
	w->keep.keep.hold(&w->keep.keep, key, &fd, 1);
	close(fd);
}

/* Counters of a newer or an older layout, cut off, or of no sense: the port begins with others. */
static void test_counters(void **state)
{
	size_t len = sizeof(struct view_port_state) + 2 * sizeof(struct port_counters);
	struct world *w = *state;
	uint8_t bytes[4096];
	uint32_t right;

	restore(w, "{\"ports\": {\"p\": {\"type\": \"dummy\"}}}");
	right = rig_find(&w->rig, "p")->state->layout;
	for (unsigned i = 0; i < 6; i++) {
		uint32_t layouts[] = { right + (1u << 24),
				       right - (1u << 24),
				       right + 1,
				       right + (1u << 8),
				       right,
				       right };
		size_t lens[] = { len, len, len, len, len - 8, len };

		end(w);
		memset(bytes, i == 5 ? 0xff : 0x11, sizeof(bytes));
		memcpy(bytes, &layouts[i], sizeof(right));
		spoil(w, "port/p", bytes, lens[i], lens[i]);
		begin(w);
		restore(w, "{\"ports\": {\"p\": {\"type\": \"dummy\"}}}");
		assert_false(is_failed(w, "p"));
		assert_in_range(rig_find(&w->rig, "p")->id, 1, VIEW_PORTS_MAX - 1);
		if (i < 5)
			assert_int_equal(rig_counter(&w->rig, "p", "rx_packets"), 0);
		switch_restored(w->rig.sw);
	}
}

/* Addresses of another version are forgotten; those of a port whose number is not known any more
 * are, too: they would be another's. Garbage does no harm. */
static void test_addresses(void **state)
{
	struct world *w = *state;
	struct mac_table *macs;
	uint8_t bytes[65536];
	uint32_t seed = 1;

	restore(w, "{\"ports\": {\"p\": {\"type\": \"dummy\"}, \"q\": {\"type\": \"dummy\"}}}");
	switch_restored(w->rig.sw);
	macs = switch_find_bridge(w->rig.sw, "br0")->macs;
	mac_table_learn(macs, MAC(1), 0, rig_find(&w->rig, "p")->id, 5, 0);
	mac_table_learn(macs, MAC(2), 0, rig_find(&w->rig, "q")->id, 5, 0);
	end(w);
	w->keep.keep.release(&w->keep.keep, "port/p");
	begin(w);
	restore(w, "{\"ports\": {\"p\": {\"type\": \"dummy\"}, \"q\": {\"type\": \"dummy\"}}}");
	switch_restored(w->rig.sw);
	macs = switch_find_bridge(w->rig.sw, "br0")->macs;
	assert_int_equal(mac_table_lookup(macs, MAC(1), 0), MAC_NO_PORT);
	assert_int_equal(mac_table_lookup(macs, MAC(2), 0), rig_find(&w->rig, "q")->id);
	end(w);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(seed = seed * 1103515245 + 12345) | (i % 8 == 7 ? 0x80 : 0);
	spoil(w, "macs/1/br0", bytes, sizeof(bytes), 99999);
	begin(w);
	restore(w, "{\"ports\": {\"p\": {\"type\": \"dummy\"}}}");
	switch_restored(w->rig.sw);
	macs = switch_find_bridge(w->rig.sw, "br0")->macs;
	assert_int_equal(mac_table_count(macs, MAC_NO_PORT), 0); /* none of a port that is there */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_comes_back),	      TEST(test_deleted_and_added),
		TEST(test_is_not_understood), TEST(test_makes_no_sense),
		TEST(test_counters),	      TEST(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
