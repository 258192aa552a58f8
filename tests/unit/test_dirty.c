// SPDX-License-Identifier: Apache-2.0
/* The dirty log: which pages are marked, its limits, and a front-end that clears and copies while
 * pages are written.
 */
#include "log_file.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "ring_pair.h"
#include "scale.h"

#define PAGE 4096ull
#define LOW_ADDR 0x3000ull
#define HIGH_ADDR 0x100000800ull /* not at a page */
#define RANGE_LEN (64 * PAGE)
#define ROUNDS 5 /* of copying, at least, while pages are written */

/* Guest memory in two ranges, and its log. */
struct world {
	struct log_file file;
	struct dirty_log *log;
	struct guestmem *mem;
	uint8_t *low, *high;
};

static int setup(void **state)
{
	static struct world w;
	struct error err;

	w.file = log_file_make((HIGH_ADDR + RANGE_LEN) / PAGE / 8 + 1);
	assert_int_equal(dirty_log_create(&w.log, w.file.fd, 0, w.file.size, &err), 0);
	w.mem = calloc(1, sizeof(*w.mem) + 2 * sizeof(w.mem->ranges[0]));
	w.low = pair_alloc(RANGE_LEN);
	w.high = pair_alloc(RANGE_LEN);
	w.mem->n_ranges = 2;
	w.mem->ranges[0] = (struct guestmem_range){ LOW_ADDR, 0, RANGE_LEN, w.low, NULL };
	w.mem->ranges[1] = (struct guestmem_range){ HIGH_ADDR, 0, RANGE_LEN, w.high, NULL };
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	dirty_log_destroy(w->log);
	log_file_end(&w->file);
	free(w->mem);
	free(w->low);
	free(w->high);
	return 0;
}

/* Marks bytes; returns whether the log is still good. */
static bool mark(struct world *w, const uint8_t *host, uint64_t len, bool *news)
{
	struct dirty dirty;

	dirty_begin(&dirty, w->log, w->mem);
	dirty_mark(&dirty, host, len);
	*news = dirty.news;
	return dirty_end(&dirty);
}

/* Exactly the pages that hold some of the bytes, in either range, at and across borders. */
static void test_marks_pages(void **state)
{
	static const uint64_t lens[] = { 1, 2, 100, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE, 40 * PAGE };
	struct world *w = *state;
	bool news;

	for (unsigned r = 0; r < 2; r++)
		for (uint64_t at = 0; at < 2 * PAGE; at += 100 + at % 3)
			for (unsigned i = 0; i < ARRAY_SIZE(lens); i++) {
				uint64_t addr = (r ? HIGH_ADDR : LOW_ADDR) + at;

				assert_true(mark(w, (r ? w->high : w->low) + at, lens[i], &news));
				assert_true(news);
				assert_true(mark(w, (r ? w->high : w->low) + at, lens[i], &news));
				assert_false(news); /* it is marked */
				for (uint64_t p = addr / PAGE; p <= (addr + lens[i] - 1) / PAGE;
				     p++)
					assert_true(log_file_take(&w->file, p * PAGE));
				assert_int_equal(log_file_count(&w->file), 0);
			}
	assert_true(mark(w, w->low, 0, &news));
	assert_false(news);
	assert_true(mark(w, w->low, RANGE_LEN, &news));
	assert_int_equal(log_file_count(&w->file), RANGE_LEN / PAGE);
}

/* What lies elsewhere, or reaches beyond its range, is not marked, and said. */
static void test_fails_outside(void **state)
{
	struct world *w = *state;
	uint8_t elsewhere = 0;
	bool news;

	assert_false(mark(w, &elsewhere, 1, &news));
	assert_false(mark(w, w->low + RANGE_LEN, 1, &news));
	assert_false(mark(w, w->low + RANGE_LEN - 1, 2, &news));
	assert_false(mark(w, w->low + 1, UINT64_MAX, &news));
	assert_false(mark(w, w->low - 1, 1, &news));
	assert_int_equal(log_file_count(&w->file), 0);
}

static void expect_refused(int fd, uint64_t offset, uint64_t size, int code, const char *text)
{
	struct dirty_log *log = NULL;
	struct error err = { "" };

	assert_int_equal(dirty_log_create(&log, fd, offset, size, &err), code);
	assert_null(log);
	if (!strstr(err.text, text))
		fail_msg("\"%s\" does not say \"%s\"", err.text, text);
}

static void test_refuses(void **state)
{
	struct world *w = *state;

	expect_refused(w->file.fd, 0, 0, -EINVAL, "0 bytes");
	expect_refused(w->file.fd, 0, w->file.size + 1, -EINVAL, "behind its file");
	expect_refused(w->file.fd, 1, w->file.size, -EINVAL, "behind its file");
	expect_refused(w->file.fd, UINT64_MAX - 1, w->file.size, -EINVAL, "wraps");
	expect_refused(w->file.fd, UINT64_MAX - 7, 8ull << 30, -EINVAL, "wraps");
	expect_refused(w->file.fd, 8, UINT64_MAX - 7, -EINVAL, "more than 8589934592");
	expect_refused(0x7fff, 0, 8, -EBADF, "dirty log");
	dirty_log_destroy(NULL);
}

/* A log has to reach over the last page of all ranges; one byte of it stands for eight pages. */
static void test_reach(void **state)
{
	struct world *w = *state;
	uint64_t need = (HIGH_ADDR + RANGE_LEN - 1) / PAGE / 8 + 1;
	struct dirty_log *log;
	struct error err;
	bool news;

	assert_int_equal(dirty_log_check(w->log, w->mem, &err), 0);
	assert_int_equal(dirty_log_create(&log, w->file.fd, 0, need, &err), 0);
	assert_int_equal(dirty_log_pages(log), need * 8);
	assert_int_equal(dirty_log_check(log, w->mem, &err), 0);
	dirty_log_destroy(log);
	assert_int_equal(dirty_log_create(&log, w->file.fd, 0, need - 1, &err), 0);
	assert_int_equal(dirty_log_check(log, w->mem, &err), -EINVAL);
	assert_non_null(strstr(err.text, "0x10004"));
	/* and marks nothing that is beyond, should somebody not have asked */
	dirty_log_destroy(w->log);
	w->log = log;
	assert_true(mark(w, w->low, 1, &news));
	assert_false(mark(w, w->high + RANGE_LEN - 1, 1, &news));
	assert_int_equal(log_file_count(&w->file), 1);
	/* the end of the address space */
	w->mem->ranges[1].guest_addr = UINT64_MAX - RANGE_LEN + 1;
	assert_int_equal(dirty_log_check(w->log, w->mem, &err), -EINVAL);
	assert_false(mark(w, w->high + RANGE_LEN - 1, 1, &news));
}

/* The log may start anywhere in its file. */
static void test_offset(void **state)
{
	struct world *w = *state;
	struct log_file file = log_file_make(3 * PAGE);
	struct dirty_log *log, *kept = w->log;
	struct error err;
	bool news;

	assert_int_equal(dirty_log_create(&log, file.fd, PAGE + 3, PAGE, &err), 0);
	assert_true(dirty_log_is(log, file.fd, PAGE + 3, PAGE));
	assert_false(dirty_log_is(log, file.fd, PAGE + 3, PAGE + 1));
	assert_false(dirty_log_is(log, file.fd, PAGE, PAGE));
	assert_false(dirty_log_is(log, w->file.fd, PAGE + 3, PAGE));
	w->log = log;
	assert_true(mark(w, w->low, 1, &news));
	assert_int_equal(file.bits[PAGE + 3], 1 << 3);
	w->log = kept;
	dirty_log_destroy(log);
	log_file_end(&file);
}

/* The front-end cuts its file off: we live, and say that the log is worth nothing. */
static void test_cut_off(void **state)
{
	struct world *w = *state;
	bool news;

	bus_guard_install();
	assert_true(mark(w, w->high, 1, &news));
	assert_int_equal(ftruncate(w->file.fd, 0), 0);
	assert_false(mark(w, w->high, 1, &news));
	assert_false(mark(w, w->low, 1, &news));
	assert_false(dirty_log_is(w->log, w->file.fd, 0, w->file.size));
	assert_int_equal(ftruncate(w->file.fd, (off_t)w->file.size), 0);
}

/* ---- a front-end at the same time */

struct race {
	struct world *w;
	uint8_t *copy; /* of the low range */
	unsigned n_rounds;
	bool over;
};

/* ThreadSanitizer is not to look: the race between copy and write is what the log is for. */
__attribute__((no_sanitize("thread"))) static void copy_page(uint8_t *to, const uint8_t *from)
{
	const volatile uint64_t *words = (const volatile uint64_t *)from;

	for (unsigned i = 0; i < PAGE / 8; i++)
		((volatile uint64_t *)to)[i] = words[i];
}

static void copy_marked(struct race *race)
{
	for (uint64_t at = 0; at < RANGE_LEN; at += PAGE)
		if (log_file_take(&race->w->file, LOW_ADDR + at))
			copy_page(race->copy + at, race->w->low + at);
	__atomic_add_fetch(&race->n_rounds, 1, __ATOMIC_RELAXED);
}

static void *copy_all(void *arg)
{
	struct race *race = arg;

	while (!__atomic_load_n(&race->over, __ATOMIC_ACQUIRE))
		copy_marked(race);
	return NULL;
}

/* Pages are written and marked while they are cleared and copied; in the end the copy is right. Few
 * pages, so that they meet.
 */
static void test_nothing_is_missed(void **state)
{
	struct world *w = *state;
	struct race race = { .w = w, .copy = pair_alloc(RANGE_LEN) };
	unsigned n = scaled(20000) + 100;
	uint64_t value = 0;

	for (unsigned round = 0; round < 20; round++) {
		pthread_t thread;

		__atomic_store_n(&race.over, false, __ATOMIC_RELEASE);
		__atomic_store_n(&race.n_rounds, 0, __ATOMIC_RELAXED);
		assert_int_equal(pthread_create(&thread, NULL, copy_all, &race), 0);
		for (unsigned i = 0;
		     i < n || __atomic_load_n(&race.n_rounds, __ATOMIC_RELAXED) < ROUNDS; i++) {
			uint64_t *words = (uint64_t *)(w->low + i % (1 + round % 4) * PAGE);
			struct dirty dirty;

			/* the last one that is copied: nothing is in between */
			__atomic_store_n(&words[PAGE / 8 - 1], ++value, __ATOMIC_RELAXED);
			dirty_begin(&dirty, w->log, w->mem);
			dirty_mark(&dirty, words, PAGE);
			assert_true(dirty_end(&dirty));
		}
		__atomic_store_n(&race.over, true, __ATOMIC_RELEASE);
		pthread_join(thread, NULL);
		copy_marked(&race);
		assert_memory_equal(race.copy, w->low, RANGE_LEN);
	}
	free(race.copy);
}

/* ---- rings */

static void expect_marks(struct ring_pair *p, struct log_file *f, const bool *want, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (log_file_take(f, PAIR_RING_ADDR + i * PAGE) != want[i])
			fail_msg("page %u of the ring: expected %d", i, want[i]);
	assert_int_equal(log_file_count(f), 0);
}

/* What completing writes, all around a ring of several pages. */
static void around(uint64_t features)
{
	struct log_file f = log_file_make(0x100000 / 8);
	unsigned n_pages, n = 96;
	struct ring_chain chains[96];
	static struct iovec arena[RING_ARENA_LEN];
	struct dirty_log *log;
	struct ring_pair p;
	struct error err;

	pair_init(&p, features, 1024, 1000, 0);
	n_pages = (unsigned)((p.regions[0].size + PAGE - 1) / PAGE);
	assert_int_equal(dirty_log_create(&log, f.fd, 0, f.size, &err), 0);
	for (unsigned i = 0; i < 50; i++) {
		bool want[16] = { false };
		struct iovec v = { p.buf, 1 };
		struct dirty dirty;
		uint8_t *before = pair_alloc(p.regions[0].size);
		uint16_t from;
		uint32_t lens[96];
		uint32_t len;

		assert_true(n_pages <= 16);
		for (unsigned k = 0; k < n; k++) {
			assert_int_equal(driver_ring_add(&p.driver, NULL, 0, &v, 1, &p), 0);
			lens[k] = 1 + i;
		}
		driver_ring_publish(&p.driver);
		memcpy(before, p.regions[0].host, p.regions[0].size);
		assert_int_equal(ring_take(&p.device, p.mem, chains, n, arena, ARRAY_SIZE(arena)),
				 n);
		from = p.device.next_used;
		ring_complete(&p.device, lens, n);
		dirty_begin(&dirty, log, p.mem);
		dirty_mark_used(&dirty, &p.device, from);
		assert_true(dirty_end(&dirty));
		for (uint64_t at = 0; at < p.regions[0].size; at++)
			if (before[at] != p.regions[0].host[at])
				want[at / PAGE] = true;
		expect_marks(&p, &f, want, n_pages);
		free(before);
		while (driver_ring_get(&p.driver, &len))
			;
	}
	dirty_log_destroy(log);
	pair_destroy(&p);
	log_file_end(&f);
}

static void test_used(void **state)
{
	around(0);
	around(EVENT_IDX);
	around(PACKED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_marks_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fails_outside, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refuses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reach, setup, teardown),
		cmocka_unit_test_setup_teardown(test_offset, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut_off, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing_is_missed, setup, teardown),
		cmocka_unit_test(test_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
