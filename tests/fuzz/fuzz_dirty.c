// SPDX-License-Identifier: Apache-2.0
/* libFuzzer target: the dirty log. Memory of any shape, a log of any size, a ring of either layout
 * whose device side takes, completes and asks for kicks, and writes anywhere. Each page whose bytes
 * have changed must be marked, no bit may be set but those of pages that were said to be written,
 * and nothing may be written beside the log.
 */
#include <linux/virtio_config.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../unit/ring_pair.h"
#include "input.h"
#include "virtio/dirty.h"

#define PAGE 4096u
#define LOG_MAX (17 * PAGE) /* bytes of the file: enough for the addresses of a ring pair */
#define OPS_MAX 60
#define PAGES_MAX 64

/* Small regions, so that each of their pages can be compared. */
#define N_REGIONS 3
static const struct {
	uint64_t addr;
	size_t len;
} shapes[][N_REGIONS] = {
	{ { 0x1000, 0x3000 }, { 0x4000, 0x2000 }, { 0x40000, 0x1000 } },
	{ { 0x0, 0x800 }, { 0x800, 0x1fff }, { 0x8000, 0x2345 } },
	{ { 0x7ff0, 0x20 }, { 0x9000, 0x4000 }, { 0x3f000, 0x1000 } },
	{ { 0x0, 1 }, { UINT64_MAX - 0x3fff, 0x2000 }, { UINT64_MAX - 0xfff, 0x1000 } },
};

static struct {
	struct input in;
	struct guestmem *mem;
	uint8_t *log_bytes; /* the file, mapped by us */
	int log_fd;
	uint64_t offset, size;
	struct dirty_log *log;
	bool marked[N_REGIONS][PAGES_MAX]; /* pages that were said to be written */
} w;

/* ---- the log against memory of any shape */

static void make_memory(void)
{
	unsigned shape = take_choice(&w.in, ARRAY_SIZE(shapes));

	w.mem = calloc(1, sizeof(*w.mem) + N_REGIONS * sizeof(w.mem->ranges[0]));
	require(w.mem);
	w.mem->n_ranges = 1 + take_choice(&w.in, N_REGIONS);
	for (unsigned i = 0; i < w.mem->n_ranges; i++)
		w.mem->ranges[i] = (struct guestmem_range){ .guest_addr = shapes[shape][i].addr,
							    .size = shapes[shape][i].len,
							    .host = zeroed(shapes[shape][i].len) };
	memset(w.marked, 0, sizeof(w.marked));
}

/* A log that is large enough, or nearly. */
static bool make_log(void)
{
	static const uint64_t offsets[] = { 0, 1, 7, 4095, 4096, 5000, UINT64_MAX, INT64_MAX };
	static const uint64_t sizes[] = { 16, 8, 2, 1, 4097, LOG_MAX, 0, UINT64_MAX };
	struct error err = { "" };

	w.offset = offsets[take_choice(&w.in, ARRAY_SIZE(offsets))];
	w.size = sizes[take_choice(&w.in, ARRAY_SIZE(sizes))];
	memset(w.log_bytes, 0, LOG_MAX);
	if (dirty_log_create(&w.log, w.log_fd, w.offset, w.size, &err)) {
		require(err.text[0]);
		require(!w.size || w.size > LOG_MAX || w.offset > LOG_MAX - w.size);
		return false;
	}
	require(w.size && w.offset <= LOG_MAX && w.size <= LOG_MAX - w.offset);
	require(dirty_log_is(w.log, w.log_fd, w.offset, w.size));
	require(!dirty_log_is(w.log, w.log_fd, w.offset + 1, w.size));
	return true;
}

static uint64_t last_page(const struct guestmem_range *r)
{
	return (r->guest_addr + (r->size - 1)) / PAGE;
}

static bool bit_of(uint64_t page)
{
	return w.log_bytes[w.offset + page / 8] >> page % 8 & 1;
}

/* Whether the log reaches over all memory, read simply. */
static void check_reach(void)
{
	struct error err = { "" };
	bool reaches = true;

	for (unsigned i = 0; i < w.mem->n_ranges; i++)
		reaches = reaches && last_page(&w.mem->ranges[i]) / 8 < w.size;
	require((dirty_log_check(w.log, w.mem, &err) == 0) == reaches);
	require(reaches || err.text[0]);
}

/* One write, said as it was, or reaching too far. */
static void mark(void)
{
	unsigned i = take_choice(&w.in, w.mem->n_ranges);
	const struct guestmem_range *r = &w.mem->ranges[i];
	uint64_t at = take_number(&w.in, 2) % r->size, len = take_number(&w.in, 2);
	uint64_t last = r->guest_addr + at + len - 1;
	bool fits = !len || (len <= r->size - at && last / PAGE / 8 < w.size);
	struct dirty dirty;

	dirty_begin(&dirty, w.log, w.mem);
	dirty_mark(&dirty, r->host + at, len);
	require(dirty_end(&dirty) == fits);
	if (!len || !fits)
		return;
	for (uint64_t page = (r->guest_addr + at) / PAGE; page <= last / PAGE; page++) {
		require(bit_of(page));
		w.marked[i][page - r->guest_addr / PAGE] = true;
	}
}

/* No bit is set but those of pages that were marked: in the log, or beside it. */
static void check_bits(void)
{
	unsigned n_set = 0, n_marked = 0;
	uint64_t word;

	for (size_t i = 0; i < LOG_MAX; i += sizeof(word)) {
		memcpy(&word, w.log_bytes + i, sizeof(word));
		n_set += (unsigned)__builtin_popcountll(word);
	}
	for (unsigned i = 0; i < w.mem->n_ranges; i++) {
		const struct guestmem_range *r = &w.mem->ranges[i];

		for (unsigned p = 0; p < PAGES_MAX; p++) {
			bool before =
				i && last_page(r - 1) == r->guest_addr / PAGE + p &&
				w.marked[i - 1][last_page(r - 1) - (r - 1)->guest_addr / PAGE];

			n_marked += w.marked[i][p] && !before; /* two regions may share a page */
		}
	}
	require(n_set == n_marked);
}

static void free_memory(void)
{
	for (unsigned i = 0; i < w.mem->n_ranges; i++)
		free(w.mem->ranges[i].host);
	free(w.mem);
}

static void try_marks(void)
{
	make_memory();
	if (make_log()) {
		check_reach();
		for (unsigned i = 0; i < OPS_MAX && w.in.left; i++)
			mark();
		check_bits();
		dirty_log_destroy(w.log);
	}
	free_memory();
}

/* ---- what a ring's device side writes */

/* Each page of @now that differs from @before is marked. */
static void check_pages(const uint8_t *before, const uint8_t *now, size_t len, uint64_t addr)
{
	for (size_t at = 0; at < len; at += PAGE) {
		size_t n = min(len - at, (size_t)PAGE);

		if (memcmp(before + at, now + at, n) != 0)
			require(bit_of((addr + at) / PAGE));
	}
}

/* What a process would do with a batch: takes it, writes to it, completes it, and asks for kicks;
 * and marks all that. */
static void serve(struct ring_pair *p)
{
	static struct iovec arena[RING_ARENA_LEN];
	unsigned max = 1 + take_choice(&w.in, 16), n;
	struct ring_chain chains[16];
	uint16_t from = p->device.next_used;
	uint32_t lens[16];
	struct dirty dirty;

	n = ring_take(&p->device, p->mem, chains, max, arena, RING_ARENA_LEN);
	for (unsigned i = 0; i < n; i++) {
		uint32_t left = lens[i] = min((uint32_t)take_number(&w.in, 2), chains[i].in_len);

		for (unsigned f = chains[i].n_out; left; f++) {
			uint32_t part = min(left, (uint32_t)chains[i].iov[f].iov_len);

			memset(chains[i].iov[f].iov_base, 0x55 + (int)i, part);
			left -= part;
		}
	}
	ring_complete(&p->device, lens, n);
	dirty_begin(&dirty, w.log, p->mem);
	for (unsigned i = 0; i < n; i++)
		dirty_mark_chain(&dirty, &chains[i], lens[i]);
	if (n)
		dirty_mark_used(&dirty, &p->device, from);
	require(dirty_end(&dirty));
	if (take_choice(&w.in, 2))
		ring_enable_kick(&p->device);
	else
		ring_disable_kick(&p->device);
	dirty_begin(&dirty, w.log, p->mem);
	dirty_mark_events(&dirty, &p->device);
	require(dirty_end(&dirty));
}

static void offer(struct ring_pair *p)
{
	unsigned n = 1 + take_choice(&w.in, 4);
	struct iovec v[4];

	for (unsigned i = 0; i < n; i++)
		v[i] = (struct iovec){ p->buf + take_number(&w.in, 2) % (PAIR_BUF_LEN - 5000),
				       1 + take_number(&w.in, 2) % 5000 };
	driver_ring_add(&p->driver, NULL, 0, v, n, p);
	driver_ring_publish(&p->driver);
}

static void copy_memory(const struct ring_pair *p, uint8_t **copies)
{
	for (unsigned i = 0; i < PAIR_REGIONS; i++)
		memcpy(copies[i], p->regions[i].host, p->regions[i].size);
}

static void collect(struct ring_pair *p)
{
	void *cookies[32];
	uint32_t lens[32];

	driver_ring_get_batch(&p->driver, cookies, lens, 32);
}

static void try_ring(void)
{
	unsigned choice = take_choice(&w.in, 256);
	uint64_t features = (choice & 1 ? PACKED : 0) | (choice & 2 ? EVENT_IDX : 0) |
			    (choice & 4 ? IN_ORDER : 0);
	uint8_t *copies[PAIR_REGIONS];
	struct ring_pair p;
	struct error err;

	pair_init(&p, features, 1u << (choice >> 4) % 10, 0, 0);
	w.offset = 0;
	w.size = (PAIR_NEXT_ADDR + PAIR_NEXT_LEN) / PAGE / 8 + 1;
	require(dirty_log_create(&w.log, w.log_fd, w.offset, w.size, &err) == 0);
	for (unsigned i = 0; i < PAIR_REGIONS; i++)
		copies[i] = zeroed(p.regions[i].size);
	for (unsigned i = 0; i < OPS_MAX && w.in.left; i++) {
		if (take_choice(&w.in, 2)) {
			offer(&p);
			continue;
		}
		memset(w.log_bytes + PAIR_RING_ADDR / PAGE / 8, 0, 64);
		memset(w.log_bytes + PAIR_BUF_ADDR / PAGE / 8, 0, 64);
		copy_memory(&p, copies);
		serve(&p);
		for (unsigned r = 0; r < PAIR_REGIONS; r++)
			check_pages(copies[r], p.regions[r].host, p.regions[r].size,
				    p.regions[r].guest_addr);
		collect(&p);
	}
	dirty_log_destroy(w.log);
	for (unsigned i = 0; i < PAIR_REGIONS; i++)
		free(copies[i]);
	pair_destroy(&p);
}

/* ---- */

static void prepare(void)
{
	w.log_fd = memfd_create("log", MFD_CLOEXEC);
	require(w.log_fd >= 0 && ftruncate(w.log_fd, LOG_MAX) == 0);
	w.log_bytes = mmap(NULL, LOG_MAX, PROT_READ | PROT_WRITE, MAP_SHARED, w.log_fd, 0);
	require(w.log_bytes != MAP_FAILED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!w.log_bytes)
		prepare();
	w.in = (struct input){ data, size };
	if (take_choice(&w.in, 2))
		try_ring();
	else
		try_marks();
	return 0;
}
