// SPDX-License-Identifier: Apache-2.0
/* A driver thread and a device thread, asleep whenever there is nothing to do: no item is lost,
 * none is seen before it is whole, and nobody sleeps for ever. This is where a missing fence shows.
 *
 *   driver thread --- available ring, kick eventfd ---> device thread
 *                 <-- used ring, call eventfd ---------
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "ring_pair.h"
#include "scale.h"
#include "virtio/packed.h"

#define TIMEOUT_MS 10000 /* of a sleep; then the other side has forgotten us */

struct run {
	struct ring_pair p;
	uint64_t total;
	int kick_fd, call_fd;
	const char *failed; /* the device thread's words */
	uint64_t n_sleeps;  /* the driver thread's */
	pthread_t thread;
};

static bool sleep_on(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	eventfd_t value;

	return poll(&pfd, 1, TIMEOUT_MS) == 1 && eventfd_read(fd, &value) == 0;
}

/* Checks the readable word and writes its double to the writable one. */
static bool work(const struct ring_chain *c, uint64_t expected)
{
	uint64_t word;

	if (c->n_out != 1 || c->n_in != 1 || c->out_len != 8 || c->in_len != 8)
		return false;
	memcpy(&word, c->iov[0].iov_base, 8);
	if (word != expected)
		return false;
	word *= 2;
	memcpy(c->iov[1].iov_base, &word, 8);
	return true;
}

static const char *device_run(struct run *r)
{
	static struct iovec arena[RING_ARENA_LEN];
	struct ring *ring = &r->p.device;
	struct ring_chain chains[32];
	uint32_t lens[32];
	uint64_t done = 0;

	while (done < r->total) {
		unsigned n = ring_take(ring, r->p.mem, chains, 32, arena, ARRAY_SIZE(arena));

		if (ring_broken(ring))
			return ring_fault_text(ring->fault);
		for (unsigned i = 0; i < n; i++, done++) {
			if (!work(&chains[i], done))
				return "an item is wrong";
			lens[i] = 8;
		}
		ring_complete(ring, lens, n);
		if (ring_wants_notify(ring))
			eventfd_write(r->call_fd, 1);
		if (n)
			continue;
		if (!ring_enable_kick(ring) && !sleep_on(r->kick_fd))
			return "the device was not kicked";
		ring_disable_kick(ring);
	}
	return NULL;
}

static void *device_main(void *arg)
{
	struct run *r = arg;

	__atomic_store_n(&r->failed, device_run(r), __ATOMIC_RELEASE);
	eventfd_write(r->call_fd, 1);
	return NULL;
}

/* Item @i has the 16 bytes of slot @i % n_slots; the cookie is the slot. */
static void add_items(struct run *r, uint64_t *added, unsigned n_slots, uint64_t got)
{
	while (*added < r->total && *added - got < n_slots) {
		uint8_t *slot = r->p.buf + *added % n_slots * 16;
		struct iovec out = { slot, 8 }, in = { slot + 8, 8 };

		memcpy(slot, added, 8);
		if (driver_ring_add(&r->p.driver, &out, 1, &in, 1, slot) < 0)
			break;
		++*added;
	}
	driver_ring_publish(&r->p.driver);
	if (driver_ring_wants_kick(&r->p.driver))
		eventfd_write(r->kick_fd, 1);
}

static void driver_run(struct run *r, unsigned n_slots)
{
	uint64_t added = 0, got = 0, word;
	uint32_t len;
	uint8_t *slot;

	while (got < r->total) {
		uint64_t before = got;

		add_items(r, &added, n_slots, got);
		while ((slot = driver_ring_get(&r->p.driver, &len))) {
			memcpy(&word, slot + 8, 8);
			assert_int_equal(word, got * 2);
			assert_int_equal(len, 8);
			got++;
		}
		assert_false(r->p.driver.broken);
		if (got != before || driver_ring_enable_call(&r->p.driver))
			continue;
		r->n_sleeps++;
		if (!sleep_on(r->call_fd))
			fail_msg("the driver was not called, %llu of %llu items",
				 (unsigned long long)got, (unsigned long long)r->total);
		if (__atomic_load_n(&r->failed, __ATOMIC_ACQUIRE))
			fail_msg("%s", r->failed);
		driver_ring_disable_call(&r->p.driver);
	}
}

static void run_pair(uint64_t features, uint32_t size, uint16_t indirect_len, double share)
{
	struct run *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->total = scaled((unsigned)(1e6 * share)) + 1000;
	r->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pair_init(&r->p, features, size, 0, indirect_len);
	assert_int_equal(pthread_create(&r->thread, NULL, device_main, r), 0);
	driver_run(r, indirect_len ? size : max(size / 2, 1u));
	assert_int_equal(pthread_join(r->thread, NULL), 0);
	assert_null(r->failed);
	assert_int_equal(r->p.device.n_chains, r->total);
	assert_true(driver_ring_idle(&r->p.driver));
	assert_true(r->n_sleeps > 0);
	close(r->kick_fd);
	close(r->call_fd);
	pair_destroy(&r->p);
	free(r);
}

/* Small rings sleep most, large ones run side by side. */
static void test_flags(void **state)
{
	run_pair(0, 256, 0, 0.25);
	run_pair(0, 2, 0, 0.03);
	run_pair(INDIRECT | IN_ORDER, 8, 2, 0.05);
	run_pair(PACKED, 255, 0, 0.25);
	run_pair(PACKED, 2, 0, 0.03);
	run_pair(PACKED | INDIRECT | IN_ORDER, 7, 2, 0.05);
}

static void test_event_idx(void **state)
{
	run_pair(EVENT_IDX, 256, 0, 1);
	run_pair(EVENT_IDX, 2, 0, 0.03);
	run_pair(EVENT_IDX | INDIRECT, 1, 2, 0.03);
	run_pair(EVENT_IDX | INDIRECT, 8, 2, 0.05);
	run_pair(PACKED | EVENT_IDX, 256, 0, 1);
	run_pair(PACKED | EVENT_IDX, 3, 0, 0.03);
	run_pair(PACKED | EVENT_IDX | IN_ORDER, 6, 0, 0.05);
	run_pair(PACKED | EVENT_IDX | INDIRECT, 1, 2, 0.03);
	run_pair(PACKED | EVENT_IDX | INDIRECT, 8, 2, 0.05);
}

/* The fences alone: in each round one side goes to sleep and the other has news for it, at the same
 * moment. At least one of them must notice the other. Without a fence on both sides, stores that
 * still wait in a processor's buffer let both be wrong, now and then.
 */

#define RACE_MS 5000u /* at most: on a busy machine a round can take milliseconds */
#define RACE_OVER UINT_MAX

struct race {
	struct ring_pair p;
	bool calls;				  /* it is the driver that sleeps */
	bool noticed;				  /* by the side that has news; valid when done */
	unsigned go __attribute__((aligned(64))); /* the round that may begin */
	unsigned done __attribute__((aligned(64)));
};

/* Until the word is another one than before, which is returned. */
static unsigned wait_for(unsigned *word, unsigned before)
{
	unsigned now;

	for (unsigned i = 1; (now = __atomic_load_n(word, __ATOMIC_ACQUIRE)) == before; i++)
		if (i % 1024 == 0)
			sched_yield();
	return now;
}

/* So that the two meet at every distance. */
static void wait_a_little(unsigned n)
{
	while (n--)
		__asm__ volatile("" : : : "memory");
}

static void *race_main(void *arg)
{
	struct race *r = arg;

	for (unsigned i = 1; wait_for(&r->go, i - 1) != RACE_OVER; i++) {
		wait_a_little(i % 499);
		if (r->calls) {
			ring_complete(&r->p.device, NULL, 1);
			r->noticed = ring_wants_notify(&r->p.device);
		} else {
			driver_ring_publish(&r->p.driver);
			r->noticed = driver_ring_wants_kick(&r->p.driver);
		}
		__atomic_store_n(&r->done, i, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void run_race(uint64_t features, bool calls)
{
	static struct iovec arena[RING_ARENA_LEN];
	uint64_t end = clock_ns() + max(scaled(RACE_MS), RACE_MS) * NSEC_PER_MSEC;
	unsigned n_rounds = scaled(120000) + 1000;
	struct race *r = calloc(1, sizeof(*r));
	pthread_t thread;

	assert_non_null(r);
	r->calls = calls;
	pair_init(&r->p, features, 4, 0, 0);
	assert_int_equal(pthread_create(&thread, NULL, race_main, r), 0);
	for (unsigned i = 1; i <= n_rounds && (i <= 1000 || clock_ns() < end); i++) {
		struct iovec v = { r->p.buf, 1 };
		struct ring_chain c;
		bool awake;
		uint32_t len;

		driver_ring_disable_call(&r->p.driver);
		ring_disable_kick(&r->p.device);
		assert_int_equal(driver_ring_add(&r->p.driver, &v, 1, NULL, 0, r), 0);
		if (calls) {
			driver_ring_publish(&r->p.driver);
			assert_int_equal(
				ring_take(&r->p.device, r->p.mem, &c, 1, arena, RING_ARENA_LEN), 1);
		}
		__atomic_store_n(&r->go, i, __ATOMIC_RELEASE);
		wait_a_little(i % 997);
		awake = calls ? driver_ring_enable_call(&r->p.driver)
			      : ring_enable_kick(&r->p.device);
		wait_for(&r->done, i - 1);
		if (!awake && !r->noticed)
			fail_msg("round %u: asleep, and nobody wakes it", i);
		if (!calls) {
			assert_int_equal(
				ring_take(&r->p.device, r->p.mem, &c, 1, arena, RING_ARENA_LEN), 1);
			ring_complete(&r->p.device, NULL, 1);
		}
		assert_ptr_equal(driver_ring_get(&r->p.driver, &len), r);
	}
	__atomic_store_n(&r->go, RACE_OVER, __ATOMIC_RELEASE);
	assert_int_equal(pthread_join(thread, NULL), 0);
	pair_destroy(&r->p);
	free(r);
}

static void test_fences(void **state)
{
	for (unsigned i = 0; i < 8; i++)
		run_race((i & 1 ? EVENT_IDX : 0) | (i & 2 ? PACKED : 0), i & 4);
}

/* One side writes whatever it likes all over the ring while the other works: it may break, never
 * worse (a sanitizer sees to that). */

struct scribble {
	struct ring_pair p;
	bool stop; /* atomic */
};

static uint64_t next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return *seed >> 16;
}

/* A descriptor that is often right, in the ring or in a table. */
static void scribble_desc(struct scribble *s, uint64_t *seed)
{
	uint64_t r = next_random(seed), tables = (uintptr_t)s->p.driver.config.indirect, *words;
	unsigned n = s->p.driver.config.size, i = (unsigned)(r % (3 * n));
	bool table = i < n && r >> 8 & 1, packed = s->p.driver.config.features & PACKED;
	uint64_t flags = r >> 16 & (table ? 2 : 3), next = r >> 24 & 1 ? i ^ 1 : r >> 25 & 7;
	uint64_t addr = PAIR_BUF_ADDR + (r >> 20) % 0x12f00;

	words = (uint64_t *)(i < n ? s->p.driver.desc : (void *)(uintptr_t)tables);
	words += 2 * (i % n);
	if (table) {
		addr = PAIR_RING_ADDR + tables - (uintptr_t)s->p.regions[0].host + i * 32;
		flags |= VRING_DESC_F_INDIRECT;
	}
	__atomic_store_n(&words[0], addr, __ATOMIC_RELAXED);
	__atomic_store_n(&words[1],
			 packed ? packed_pack(32, (uint16_t)next,
					      (unsigned)flags | packed_avail_bits(r >> 28 & 1))
				: shared_pack_desc(32, (unsigned)flags, (unsigned)next),
			 __ATOMIC_RELAXED);
}

static void *scribble_main(void *arg)
{
	struct scribble *s = arg;
	uint64_t seed = 1, n_words = s->p.regions[0].size / 2;
	uint16_t *words = (uint16_t *)s->p.regions[0].host;

	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
		uint64_t r = next_random(&seed);

		for (unsigned i = 0; i < 16; i++)
			scribble_desc(s, &seed);
		if (!(s->p.driver.config.features & PACKED))
			__atomic_store_n(&pair_avail(&s->p)->ring[r % 8], (uint16_t)(r >> 8 & 7),
					 __ATOMIC_RELAXED);
		__atomic_store_n(&words[(r >> 20) % n_words], (uint16_t)(r >> 4), __ATOMIC_RELAXED);
	}
	return NULL;
}

static void check_inside(struct ring_pair *p, const struct ring_chain *c)
{
	for (unsigned i = 0; i < (unsigned)c->n_out + c->n_in; i++) {
		const struct iovec *v = &c->iov[i];
		bool inside = false;

		for (unsigned j = 0; j < PAIR_REGIONS; j++)
			inside |= driver_region_holds(&p->regions[j], v->iov_base, v->iov_len);
		assert_true(inside);
	}
}

static void run_scribble(uint64_t layout)
{
	static struct iovec arena[RING_ARENA_LEN];
	unsigned rounds = scaled(100000) + 1000, n_chains = 0;
	struct scribble *s = calloc(1, sizeof(*s));
	uint64_t start = clock_ns();
	unsigned n_broken = 0;
	pthread_t thread;

	assert_non_null(s);
	pair_init(&s->p, layout | INDIRECT | EVENT_IDX, 8, 0, 2);
	assert_int_equal(pthread_create(&thread, NULL, scribble_main, s), 0);
	/* Until both have happened often, or this would test nothing. */
	for (unsigned i = 0; i < rounds || n_broken < 1000 || n_chains < 1000; i++) {
		struct ring_chain chains[32];
		struct ring_config config = pair_device_config(&s->p);
		struct error err;
		unsigned n;

		if (ring_broken(&s->p.device)) {
			n_broken++;
			if (layout) /* it goes on, to where nothing is used yet */
				config.base = ring_base(&s->p.device);
			assert_int_equal(ring_start(&s->p.device, &config, &err), 0);
		}
		/* There is always something to take, as far as this index stays right. */
		if (!layout)
			__atomic_store_n(&pair_avail(&s->p)->idx,
					 (uint16_t)(s->p.device.next_avail + 4), __ATOMIC_RELAXED);
		n = ring_take(&s->p.device, s->p.mem, chains, 32, arena, ARRAY_SIZE(arena));
		for (unsigned j = 0; j < n; j++)
			check_inside(&s->p, &chains[j]);
		n_chains += n;
		ring_complete(&s->p.device, NULL, n);
		ring_wants_notify(&s->p.device);
		ring_enable_kick(&s->p.device);
		ring_disable_kick(&s->p.device);
		if (i % 4096 == 4095)
			assert_true(clock_ns() - start < 60 * NSEC_PER_SEC);
	}
	__atomic_store_n(&s->stop, true, __ATOMIC_RELAXED);
	assert_int_equal(pthread_join(thread, NULL), 0);
	pair_destroy(&s->p);
	free(s);
}

static void test_scribble(void **state)
{
	run_scribble(0);
	run_scribble(PACKED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_event_idx),
		cmocka_unit_test(test_fences),
		cmocka_unit_test(test_scribble),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
