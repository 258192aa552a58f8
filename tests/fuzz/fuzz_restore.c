// SPDX-License-Identifier: Apache-2.0
/* libFuzzer target: all that a switch that has crashed may have left, at once: its configuration,
 * counters of its ports and of those that are gone, MAC tables, who was to blame. The input makes
 * them, nearly as they should be. A real switch with a worker goes on with that, forwards some
 * frames, is changed and shows everything.
 */
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../unit/fake_keep.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/rcu.h"
#include "descriptors.h"
#include "port/dummy.h"
#include "switch/private.h"

#define N_PORTS 3
#define N_WORKERS 1
#define MACS 64								    /* of a table */
#define STATE_LAYOUT (2u << 24 | (uint32_t)DROP_N_REASONS << 8 | N_WORKERS) /* switch/ports.c */
#define SETTLE_NS (10 * NSEC_PER_SEC)

static struct event_base *base;
static struct swtch *sw;
static struct fake_keep keep;

/* In the place of base/notify.c, whose contexts live as long as the process: so many workers would
 * take all that the machine has. */
void notify_prepare(void)
{
}

int notify_fd(int fd)
{
	uint64_t one = 1;

	return write(fd, &one, sizeof(one)) < 0 ? -errno : 0;
}

/* ---- what is left */

static void leave(const char *key, const void *bytes, size_t len)
{
	int fd = memfd_create("left", MFD_CLOEXEC);

	require(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
	keep.keep.hold(&keep.keep, key, &fd, 1);
	close(fd);
}

/* Something of @len bytes, some of them changed, sometimes too short. */
static void leave_spoiled(struct input *in, const char *key, void *bytes, size_t len)
{
	unsigned odd = take_choice(in, 32);
	int fd = take_fd(in);

	take_damage(in, bytes, len, 20);
	if (odd == 1)
		keep.keep.hold(&keep.keep, key, &fd, 1); /* that is no such file */
	else
		leave(key, bytes, odd == 2 ? take_number(in, 2) % (len + 1) : len);
}

static void leave_port(struct input *in, unsigned i)
{
	union {
		struct view_port_state state;
		uint8_t bytes[sizeof(struct view_port_state) +
			      N_WORKERS * sizeof(struct port_counters)];
	} left;
	char key[32];

	memset(&left, 0, sizeof(left));
	left.state.layout = STATE_LAYOUT;
	left.state.id = take_choice(in, N_PORTS + 2);
	left.state.counters[0].tx_held = take_number(in, 8);
	left.state.counters[0].rx_packets = take_number(in, 8);
	snprintf(key, sizeof(key), "port/p%u", i);
	leave_spoiled(in, key, &left, sizeof(left));
}

static void leave_macs(struct input *in)
{
	struct mac_slot slots[MACS] = { { 0, 0 } };
	char key[32];

	for (unsigned i = 0; i < MACS / 2; i++)
		slots[i] = (struct mac_slot){ MAC_KEY_PRESENT | (0x020000000000 + i),
					      (uint64_t)take_choice(in, 5) << 32 };
	snprintf(key, sizeof(key), "macs/%u/br0", MAC_KEPT_VERSION);
	leave_spoiled(in, key, slots, sizeof(slots));
}

/* Adds a port to @ports. */
static void make_port(struct input *in, json_t *ports, unsigned i)
{
	static const char *const options[] = { "tag", "mac-limit", "mtu", "queues", "trunks", "x" };
	bool patch = take_choice(in, 4) == 1;
	json_t *port = json_object();
	char name[8], peer[8];

	snprintf(name, sizeof(name), "p%u", i);
	snprintf(peer, sizeof(peer), "p%u", take_choice(in, N_PORTS));
	json_object_set_new(port, "type", json_string(patch ? "patch" : "dummy"));
	if (patch)
		json_object_set_new(port, "peer", json_string(peer));
	if (take_choice(in, 8) == 1)
		json_object_set_new(port, "bridge", json_string("br1"));
	if (take_choice(in, 2))
		json_object_set_new(port, options[take_choice(in, ARRAY_SIZE(options))],
				    json_integer((json_int_t)take_number(in, 2)));
	json_object_set_new(ports, name, port);
}

/* What switch_config() would have told. */
static json_t *make_config(struct input *in)
{
	json_t *ports = json_object(), *macs = json_array(), *bridges = json_object();

	json_object_set_new(
		bridges, take_choice(in, 8) == 1 ? "br1" : "br0",
		json_pack("{s:i}", "mac-table-size", take_choice(in, 8) == 1 ? 1 : MACS));
	for (unsigned i = 0; i < N_PORTS; i++)
		make_port(in, ports, i);
	if (take_choice(in, 2))
		json_array_append_new(macs, json_pack("{s:s, s:s, s:i}", "mac", "02:00:00:00:00:01",
						      "port", "p0", "vlan", take_choice(in, 3)));
	return json_pack("{s:o, s:o, s:o, s:[]}", "bridges", bridges, "ports", ports, "macs", macs,
			 "workers");
}

static void leave_all(struct input *in)
{
	uint8_t gone[sizeof(struct port_counters) + 8] = { 0 };
	uint8_t record[4236] = { 1 }; /* of quarantine, with its version */

	for (unsigned i = 0; i < N_PORTS; i++)
		leave_port(in, i);
	leave_macs(in);
	if (take_choice(in, 2))
		leave_spoiled(in, "gone", gone, sizeof(gone));
	if (take_choice(in, 2)) {
		memcpy(record + 8, "p1", 2);
		record[4] = (uint8_t)take_choice(in, 4);
		memcpy(record + 72, "p1", 2);
		leave_spoiled(in, "quarantine", record, sizeof(record));
	}
}

/* ---- the next process */

static bool settle(void)
{
	for (uint64_t end = clock_ns() + SETTLE_NS; !switch_settled(sw); usleep(20)) {
		event_base_loop(base, EVLOOP_NONBLOCK);
		if (clock_ns() > end)
			return false;
	}
	return true;
}

static void forward(struct input *in)
{
	uint8_t frame[64] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2 };

	for (unsigned i = 0; i < N_PORTS; i++) {
		char name[8];
		struct sw_port *p;

		snprintf(name, sizeof(name), "p%u", i);
		p = switch_find_port(sw, name);
		if (!p || p->port->ops != port_kind_find("dummy"))
			continue;
		frame[11] = (uint8_t)take_choice(in, MACS);
		dummy_inject(p->port, 0, frame, sizeof(frame), NULL);
	}
}

/* A port's state comes back to it, some of it changed. */
static void carry(struct input *in, struct sw_port *p)
{
	struct error err = { "" };
	uint8_t *bytes;
	size_t n;

	if (switch_port_save(p->port, &bytes, &n, &err)) {
		require(err.text[0]);
		return;
	}
	take_damage(in, bytes, n, 8);
	if (switch_port_load(p->port, bytes, n, &err))
		require(err.text[0]);
	free(bytes);
}

static void set_port(struct input *in, const char *name)
{
	static const char *const options[] = { "tag", "mtu", "mac-limit", "bridge" };
	struct error err = { "" };
	json_t *params = json_pack("{s:s}", "name", name);

	json_object_set_new(params, options[take_choice(in, ARRAY_SIZE(options))],
			    take_choice(in, 4) ? json_integer((json_int_t)take_number(in, 2))
					       : json_null());
	if (switch_port_set(sw, params, &err))
		require(err.text[0]);
	json_decref(params);
}

/* Somebody changes something; br1 may be what a port that cannot be made waits for. */
static void change(struct input *in)
{
	json_t *bridge = json_pack("{s:s}", "name", "br1");
	struct error err = { "" };
	struct sw_port *p;
	char name[8];

	snprintf(name, sizeof(name), "p%u", take_choice(in, N_PORTS));
	p = switch_find_port(sw, name);
	switch (take_choice(in, 5)) {
	case 0:
		if (switch_port_del(sw, name, &err))
			require(err.text[0]);
		break;
	case 1:
		set_port(in, name);
		break;
	case 2:
		if (switch_bridge_add(sw, bridge, &err))
			require(err.text[0]);
		break;
	case 3:
		event_active(sw->retry_timer, EV_TIMEOUT, 0);
		break;
	default:
		if (p && p->port && !p->removing)
			carry(in, p);
	}
	json_decref(bridge);
	require(settle());
}

static void show_all(void)
{
	struct error err;

	json_decref(switch_bridge_show(sw, NULL, &err));
	json_decref(switch_port_show(sw, NULL, &err));
	json_decref(switch_mac_show(sw, NULL, &err));
	json_decref(switch_stats_show(sw));
	json_decref(switch_config(sw));
}

/* Of the record of quarantine, which the process that has it does not free. */
static void forget_quarantine(struct quarantine *q)
{
	struct stat st;

	if (!q)
		return;
	require(fstat(*fake_keep_find(&keep.keep, "quarantine"), &st) == 0);
	keep_unmap(q, (size_t)st.st_size);
}

static void go_on(struct input *in)
{
	static const int signals[] = { SIGSEGV, SIGABRT, SIGILL, SIGFPE };
	struct sigaction before[ARRAY_SIZE(signals)];
	json_t *config = make_config(in);
	struct quarantine *record;
	struct error err;

	/* the fuzzer's own are put back: what it finds must not end here */
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], NULL, &before[i]);
	require(switch_create(&sw, base, N_WORKERS, NULL, &err) == 0);
	switch_use_keeper(sw, sw->env.endpoints, &keep.keep, true);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &before[i], NULL);
	switch_config_restore(sw, config);
	switch_restored(sw);
	require(settle());
	for (unsigned n = take_choice(in, 4); n; n--) {
		forward(in);
		change(in);
	}
	forward(in);
	show_all();
	require(settle());
	record = sw->quarantine;
	switch_destroy(sw);
	forget_quarantine(record);
	json_decref(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	static unsigned n_inputs;
	unsigned n_fds;

	if (!base) {
		log_set_level("all", "error", NULL);
		fds_prepare();
		base = event_base_new();
		require(base);
	}
	n_fds = fds_open();
	fake_keep_init(&keep);
	leave_all(&in);
	go_on(&in);
	fake_keep_clear(&keep);
	if (n_inputs++ % 64 == 0)
		rcu_drain();
	require(fds_open() == n_fds);
	return 0;
}
