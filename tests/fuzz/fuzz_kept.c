// SPDX-License-Identifier: Apache-2.0
/* libFuzzer target: what a process that has crashed may have left in memory that outlives it. The
 * first byte says what the rest is: the state of a ring, which is gone on with, a MAC table, a
 * record of quarantine, or the configuration.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "../unit/fake_keep.h"
#include "../unit/ring_pair.h"
#include "base/log.h"
#include "input.h"
#include "state/mac.h"
#include "switch/quarantine.h"
#include "switch/switch.h"

/* Lets @keep hold a file of these bytes, and nothing behind them. */
static void leave(struct fake_keep *keep, const char *key, const uint8_t *data, size_t size)
{
	int fd = memfd_create("left", MFD_CLOEXEC);

	require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	keep->keep.hold(&keep->keep, key, &fd, 1);
	close(fd);
}

/* The last process had the ring in any state; this one takes, gives back and completes. */
static void use_ring(struct ring_pair *p)
{
	static struct iovec arena[RING_ARENA_LEN];
	struct ring_chain chains[RING_TAKE_MAX];
	uint32_t lens[RING_TAKE_MAX] = { 1, 2, 3 };
	unsigned n;

	for (unsigned i = 0; i < 4; i++) {
		n = ring_take(&p->device, p->mem, chains, i % 2 ? 3 : RING_TAKE_MAX, arena,
			      RING_ARENA_LEN);
		require(n <= RING_TAKE_MAX && n <= p->device.config.size);
		if (i % 2)
			ring_untake(&p->device, n);
		else
			ring_complete(&p->device, i ? lens : NULL, n);
		ring_wants_notify(&p->device);
		ring_enable_kick(&p->device);
		ring_disable_kick(&p->device);
	}
	require(ring_fault_text(ring_fault(&p->device)));
}

static void try_ring(const uint8_t *data, size_t size)
{
	static struct ring_state state __attribute__((aligned(CACHE_LINE)));
	unsigned choice = size ? *data : 0;
	struct ring_pair p;
	struct ring_config config;
	struct error err;

	if (size) {
		data++;
		size--;
	}
	pair_init(&p, choice & 1 ? PACKED : 0, 1u << (choice >> 1) % 8, 0, 0);
	for (unsigned i = 0; i < (choice >> 4); i++) {
		struct iovec v = { p.buf + i, i + 1 };

		driver_ring_add(&p.driver, NULL, 0, &v, 1, p.buf);
	}
	driver_ring_publish(&p.driver);
	memset(&state, 0, sizeof(state));
	memcpy(&state, data, min(size, sizeof(state)));
	config = pair_device_config(&p);
	if (choice & 8) /* else hardly any state is gone on with */
		state.running = ring_state_mark(choice & 1, config.size);
	config.state = &state;
	config.resume = true;
	err.text[0] = 0;
	if (ring_start(&p.device, &config, &err) == 0)
		use_ring(&p);
	else
		require(err.text[0]); /* a refusal must say why */
	pair_destroy(&p);
}

static void count(const struct mac_entry *entry, void *arg)
{
	require(!entry->is_static && entry->port < MAC_PORTS_MAX);
	++*(unsigned *)arg;
}

static void try_macs(const uint8_t *data, size_t size)
{
	struct fake_keep keep;
	struct mac_table *t;
	unsigned n = 0;
	uint32_t seen = 7;

	fake_keep_init(&keep);
	leave(&keep, "macs", data, size);
	t = mac_table_create_kept(64, &keep.keep, "macs");
	require(t);
	mac_table_each(t, 0, count, &n);
	require(n <= 64 && n == mac_table_count(t, MAC_NO_PORT));
	for (uint64_t mac = 1; mac < 70; mac++) { /* more than there is room for */
		mac_table_learn(t, 0x020000000000 + mac, 0, 1, 7, 0);
		mac_table_lookup(t, 0x020000000000 + mac, 0);
	}
	if (mac_table_put(t, 0x020000000001, 0, 2, 9, 3))
		require(mac_table_lookup(t, 0x020000000001, 0) == 2);
	mac_table_remove(t, 0x020000000001, 0);
	require(mac_table_lookup(t, 0x020000000001, 0) == MAC_NO_PORT);
	if (mac_table_add_static(t, 0x020000000001, 0, 3) == 0)
		require(mac_table_lookup(t, 0x020000000001, 0) == 3);
	if (mac_table_oldest(t, &seen)) {
		n = mac_table_count(t, MAC_NO_PORT);
		require(mac_table_age(t, seen + 50, 50) && mac_table_count(t, MAC_NO_PORT) < n);
	}
	mac_table_flush(t, MAC_NO_PORT, true);
	require(mac_table_count(t, MAC_NO_PORT) == 0);
	mac_table_destroy(t);
	fake_keep_clear(&keep);
}

static void try_quarantine(const uint8_t *data, size_t size)
{
	static const int signals[] = { SIGSEGV, SIGABRT, SIGILL, SIGFPE };
	struct sigaction before[ARRAY_SIZE(signals)];
	struct fake_keep keep;
	struct quarantine *q;
	struct stat st;

	/* the fuzzer's own are put back: what it finds must not end here */
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], NULL, &before[i]);
	fake_keep_init(&keep);
	leave(&keep, "quarantine", data, size);
	q = quarantine_open(&keep.keep);
	require(q && !quarantine_holds(q, ""));
	quarantine_pardon(q, "vm1");
	require(!quarantine_holds(q, "vm1"));
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &before[i], NULL);
	require(fstat(*fake_keep_find(&keep.keep, "quarantine"), &st) == 0);
	keep_unmap(q, (size_t)st.st_size);
	fake_keep_clear(&keep);
}

static void try_config(const uint8_t *data, size_t size)
{
	json_t *config = json_loadb((const char *)data, size, 0, NULL);
	struct error err = { "" };

	if (config && switch_config_check(config, &err) < 0)
		require(err.text[0]);
	json_decref(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const tries[])(const uint8_t *data, size_t size) = { try_ring, try_macs,
									   try_quarantine,
									   try_config };

	log_set_level("all", "error", NULL);
	if (size)
		tries[*data % ARRAY_SIZE(tries)](data + 1, size - 1);
	return 0;
}
