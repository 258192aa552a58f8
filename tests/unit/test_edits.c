// SPDX-License-Identifier: Apache-2.0
/* What the journal promises: told to a new session, it makes the same one. Random front-ends, legal
 * and not quite, whose switch process dies again and again.
 */
#include <sys/stat.h>

#include "base/log.h"
#include "edits_world.h"
#include "scale.h"
#include "vhost/memory.h"

/* ---- sessions */

static void nothing(void *owner)
{
}

static void announced(void *owner, uint64_t mac)
{
}

static const struct vhost_device_ops ops = { .quiesce = nothing,
					     .changed = nothing,
					     .announce = announced };
static const struct vhost_device_config config = {
	.features = F_V1 | F_PACKED | F_MRG,
	.supported = F_V1 | F_PACKED | F_MRG | BIT(VIRTIO_NET_F_MQ),
	.protocol_features = ALL_PROTOCOL,
	.n_queue_pairs = N_VRINGS / 2,
	.mtu = 1500,
	.mac = { 2, 0, 0, 0, 0, 7 },
};

static struct vhost_session *session_create(struct ring_state *states, bool resumed)
{
	struct vhost_session *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->name = "vm";
	s->ops = &ops;
	s->backend_req_fd = s->state.log_fd = -1;
	s->n_vrings = N_VRINGS;
	s->vrings = calloc(N_VRINGS, sizeof(*s->vrings));
	s->ring_states = states;
	for (unsigned i = 0; i < N_VRINGS; i++)
		vhost_vring_init(&s->vrings[i]);
	s->mem = s->empty = guestmem_create();
	s->state.mem = s->mem;
	vhost_features_offer(s, &config);
	if (resumed)
		s->features |= config.supported;
	s->frozen = resumed;
	return s;
}

static void session_destroy(struct vhost_session *s)
{
	vhost_vrings_reset(s, true);
	vhost_memory_reset(s);
	vhost_features_reset(s);
	guestmem_destroy_later(s->empty);
	free(s->vrings);
	free(s);
}

/* ---- whether two are the same */

static void dump(const struct world *w)
{
	unsigned n = w->n_trace > TRACE_MAX ? TRACE_MAX : w->n_trace;

	for (unsigned i = w->n_trace - n; i < w->n_trace; i++)
		print_message("%u: %s\n", i, w->trace[i % TRACE_MAX]);
}

#define CHECK_SAME(w, what, i, a, b)                                                        \
	do {                                                                                \
		uint64_t a_ = (uint64_t)(a), b_ = (uint64_t)(b);                            \
		if (a_ != b_) {                                                             \
			dump(w);                                                            \
			fail_msg("%s %u: 0x%llx before, 0x%llx after", what, (unsigned)(i), \
				 (unsigned long long)a_, (unsigned long long)b_);           \
		}                                                                           \
	} while (0)

/* Both are ends of one eventfd, or none is there. */
static bool same_event(int a, int b)
{
	uint64_t value = 1, back = 0;

	if (a < 0 || b < 0)
		return a < 0 && b < 0;
	return write(a, &value, sizeof(value)) == sizeof(value) &&
	       read(b, &back, sizeof(back)) == sizeof(back) && back == 1;
}

static bool same_file(int a, int b)
{
	struct stat sa, sb;

	if (a < 0 || b < 0)
		return a < 0 && b < 0;
	return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_ino == sb.st_ino;
}

/* Where a ring would go on. A split ring that waits for memory says so itself, when that is there;
 * one that has become another starts anew. */
static uint32_t base_of(const struct vhost_session *s, unsigned i)
{
	bool packed = s->state.features & F_PACKED;
	const struct vhost_vring *v = &s->vrings[i];
	uint64_t running = s->ring_states[i].running;
	uint32_t position;

	if (v->live)
		return ring_base(&v->ring);
	if (!v->started)
		return v->base;
	if (!packed || !running)
		return 0;
	if (running != ring_state_mark(true, v->size))
		return 0;
	position = shared_load(&s->ring_states[i].position) & UINT16_MAX;
	if (!v->resume)
		return v->base;
	return position | position << 16;
}

static void check_ring(const struct world *w, const struct vhost_session *before,
		       const struct vhost_session *after, unsigned i)
{
	const struct vhost_vring *a = &before->vrings[i], *b = &after->vrings[i];

	CHECK_SAME(w, "started", i, a->started, b->started);
	CHECK_SAME(w, "enabled", i, a->enabled, b->enabled);
	CHECK_SAME(w, "size", i, a->size, b->size);
	CHECK_SAME(w, "has_addr", i, a->has_addr, b->has_addr);
	CHECK_SAME(w, "desc_addr", i, a->desc_addr, b->desc_addr);
	CHECK_SAME(w, "driver_addr", i, a->driver_addr, b->driver_addr);
	CHECK_SAME(w, "device_addr", i, a->device_addr, b->device_addr);
	CHECK_SAME(w, "live", i, a->live, b->live);
	CHECK_SAME(w, "base", i, base_of(before, i), base_of(after, i));
	CHECK_SAME(w, "base before the reset", i, a->reset_base, b->reset_base);
	if (a->live) {
		CHECK_SAME(w, "fault", i, a->ring.fault, b->ring.fault);
		CHECK_SAME(w, "chains", i, a->ring.n_chains, b->ring.n_chains);
	}
	CHECK_SAME(w, "kick", i, same_event(a->kick_fd, b->kick_fd), true);
	CHECK_SAME(w, "call", i, same_event(a->call_fd, b->call_fd), true);
	CHECK_SAME(w, "err", i, same_event(a->err_fd, b->err_fd), true);
}

static void check_same(const struct world *w, const struct vhost_session *a,
		       const struct vhost_session *b)
{
	CHECK_SAME(w, "features", 0, a->state.features, b->state.features);
	if (w->asked)
		CHECK_SAME(w, "offer", 0, a->features, b->features);
	CHECK_SAME(w, "offered protocol features", 0, a->protocol_features, b->protocol_features);
	CHECK_SAME(w, "protocol features", 0, a->state.protocol_features,
		   b->state.protocol_features);
	CHECK_SAME(w, "MTU", 0, a->state.mtu, b->state.mtu);
	CHECK_SAME(w, "status", 0, a->state.status, b->state.status);
	CHECK_SAME(w, "configuration", 0, memcmp(&a->config, &b->config, sizeof(a->config)), 0);
	CHECK_SAME(w, "back-end socket", 0, same_file(a->backend_req_fd, b->backend_req_fd), true);
	CHECK_SAME(w, "inflight queues", 0, a->inflight.n_queues, b->inflight.n_queues);
	CHECK_SAME(w, "inflight size", 0, a->inflight.queue_size, b->inflight.queue_size);
	CHECK_SAME(w, "regions", 0, a->mem->n_ranges, b->mem->n_ranges);
	for (unsigned i = 0; i < a->mem->n_ranges; i++) {
		const struct guestmem_range *ra = &a->mem->ranges[i], *rb = &b->mem->ranges[i];

		CHECK_SAME(w, "guest address", i, ra->guest_addr, rb->guest_addr);
		CHECK_SAME(w, "user address", i, ra->user_addr, rb->user_addr);
		CHECK_SAME(w, "length", i, ra->size, rb->size);
		/* the same memory */
		ra->host[ra->size - 1]++;
		CHECK_SAME(w, "byte", i, ra->host[ra->size - 1], rb->host[rb->size - 1]);
	}
	for (unsigned i = 0; i < N_VRINGS; i++)
		check_ring(w, a, b, i);
}

/* ---- a process dies */

/* As device.c does it. */
static void tell_kept(const struct world *w, struct vhost_session *s, struct vhost_message *m)
{
	const struct vhost_rule *rule = vhost_message_rule(m->header.request);
	struct error err = { "" };

	for (unsigned i = 0; i < m->n_fds; i++) {
		m->fds[i] = fcntl(m->fds[i], F_DUPFD_CLOEXEC, 0);
		assert_true(m->fds[i] >= 0);
	}
	if (!vhost_features_offered(s, m) &&
	    (vhost_message_check(s, rule, m, &err) || vhost_message_act(s, rule, m, &err))) {
		dump(w);
		fail_msg("kept %s: %s", vhost_request_name(m->header.request), err.text);
	}
	vhost_message_close_fds(m);
}

static void crash(struct world *w)
{
	struct vhost_session *after = session_create(w->states, true);
	struct vhost_message m;
	struct error err = { "" };
	uint64_t number = 0;

	while ((number = vhost_journal_next(w->journal, number, &m)))
		tell_kept(w, after, &m);
	if (vhost_vrings_resume(after, &err)) {
		dump(w);
		fail_msg("%s", err.text);
	}
	check_same(w, w->session, after);
	w->session->frozen = true; /* the dead one says nothing of rings */
	session_destroy(w->session);
	w->session = after;
	snprintf(w->trace[w->n_trace++ % TRACE_MAX], sizeof(w->trace[0]), "-- crash");
}

/* ---- what a guest and a worker do */

/* The guest adds a chain, at the place where the device looks for the next. */
static void add_chain(struct ring *r)
{
	uint8_t *desc = r->config.desc, *driver = r->config.driver;
	bool packed = r->ops == &ring_packed_ops;
	uint8_t *d = desc + (packed ? 16 * r->next_avail : 0);
	uint64_t addr = MEM_GUEST + REGION_LEN - 4096;
	uint32_t len = 64;
	uint16_t id = 0, flags = 0, next = r->next_avail + 1;

	if (packed)
		flags = r->avail_wrap ? 1u << 7 : 1u << 15;
	memcpy(d, &addr, sizeof(addr));
	memcpy(d + 8, &len, sizeof(len));
	memcpy(d + 12, packed ? &id : &flags, sizeof(id));
	memcpy(d + 14, packed ? &flags : &id, sizeof(id));
	if (packed)
		return;
	memcpy(driver + 4 + 2 * (r->next_avail % r->config.size), &id, sizeof(id));
	memcpy(driver + 2, &next, sizeof(next));
}

static void work(struct world *w, bool complete)
{
	static struct iovec arena[RING_ARENA_LEN];
	struct vhost_vring *v = &w->session->vrings[dice(w, N_VRINGS)];
	struct ring_chain chain;

	if (!v->live || ring_broken(&v->ring))
		return;
	if (!v->inflight || !v->inflight->n_left) /* else its driver has given more already */
		add_chain(&v->ring);
	if (ring_take(&v->ring, w->session->mem, &chain, 1, arena, RING_ARENA_LEN) && complete)
		ring_complete(&v->ring, NULL, 1);
	snprintf(w->trace[w->n_trace++ % TRACE_MAX], sizeof(w->trace[0]), "-- work on ring %d%s",
		 (int)(v - w->session->vrings), complete ? "" : ", not completed");
}

/* ---- what a front-end sends */

/* The keeper keeps its own fds; the process acts on duplicates. */
static void act(struct world *w, struct vhost_message *kept)
{
	const struct vhost_rule *rule = vhost_message_rule(kept->header.request);
	struct vhost_edit edits[VHOST_EDITS_MAX];
	struct vhost_message m = *kept;
	struct error err = { "" };
	unsigned n;
	int rc;

	for (unsigned i = 0; i < m.n_fds; i++)
		m.fds[i] = fcntl(kept->fds[i], F_DUPFD_CLOEXEC, 0);
	rc = vhost_message_check(w->session, rule, &m, &err);
	if (!rc)
		rc = vhost_message_act(w->session, rule, &m, &err);
	snprintf(w->trace[w->n_trace++ % TRACE_MAX], sizeof(w->trace[0]), "%s 0x%llx %s: %.40s",
		 vhost_request_name(kept->header.request), (unsigned long long)kept->payload.u64,
		 rc ? "failed" : "done", err.text);
	vhost_message_close_fds(&m);
	if (!rc) {
		w->asked |= m.header.request == VHOST_USER_GET_FEATURES;
		n = vhost_message_edits(w->session, &m, edits);
		assert_int_equal(vhost_journal_edit(w->journal, edits, n, kept), 0);
	}
	vhost_message_close_fds(kept);
}

/* ---- runs */

static void begin(struct world *w, unsigned seed)
{
	struct vhost_message m = { .header = { VHOST_USER_SET_PROTOCOL_FEATURES, 1, 8 },
				   .payload.u64 = ALL_PROTOCOL };

	memset(w, 0, sizeof(*w));
	w->seed = seed;
	w->journal = vhost_journal_create();
	w->states = aligned_alloc(64, N_VRINGS * sizeof(*w->states));
	memset(w->states, 0, N_VRINGS * sizeof(*w->states));
	for (unsigned i = 0; i < N_FILES; i++) {
		w->files[i] = memfd_create("guest", MFD_CLOEXEC);
		assert_int_equal(ftruncate(w->files[i], FILE_LEN), 0);
	}
	w->inflight_file = memfd_create("inflight", MFD_CLOEXEC);
	assert_int_equal(ftruncate(w->inflight_file, INFLIGHT_LEN), 0);
	w->session = session_create(w->states, false);
	act(w, &m);
}

static void end(struct world *w)
{
	session_destroy(w->session);
	rcu_drain();
	vhost_journal_destroy(w->journal);
	free(w->states);
	for (unsigned i = 0; i < N_FILES; i++)
		close(w->files[i]);
	close(w->inflight_file);
}

static void send_number(struct world *w, uint32_t request, uint64_t value)
{
	struct vhost_message m = { .header = { request, VHOST_USER_VERSION, 8 },
				   .payload.u64 = value };

	act(w, &m);
}

/* The first messages of an orderly front-end, so that rings run. */
static void set_up(struct world *w)
{
	for (unsigned i = 0; i < N_VRINGS; i++) {
		send_number(w, VHOST_USER_SET_VRING_NUM, i | 256ull << 32);
		send_number(w, VHOST_USER_SET_VRING_KICK, i | VHOST_USER_VRING_NOFD);
	}
}

static void test_random(void **state)
{
	static struct world w;
	unsigned n = scaled(300), n_fds = count_fds();
	struct vhost_message m;

	for (unsigned seed = 1; seed <= n; seed++) {
		begin(&w, seed * 7919);
		if (maybe(&w, 2))
			set_up(&w);
		for (unsigned i = 0; i < 80; i++) {
			make_message(&w, &m);
			act(&w, &m);
			if (maybe(&w, 2))
				work(&w, true);
			if (!maybe(&w, 6))
				continue;
			if (maybe(&w, 2))
				work(&w, false);
			crash(&w);
		}
		end(&w);
		assert_int_equal(count_fds(), n_fds);
	}
}

/* However long a front-end goes on, what is kept of it stays small. */
static void test_bounded(void **state)
{
	static struct world w;
	unsigned n = scaled(100000), n_fds = count_fds();
	struct vhost_message m;

	begin(&w, 1);
	for (unsigned i = 0; i < n; i++) {
		w.many_regions = i & 1024;
		make_message(&w, &m);
		act(&w, &m);
		assert_in_range(vhost_journal_len(w.journal), 1, JOURNAL_MAX);
		if (i % 1000 == 0)
			crash(&w);
	}
	end(&w);
	assert_int_equal(count_fds(), n_fds);
}

/* ---- one by one */

static int world_setup(void **state)
{
	static struct world w;

	begin(&w, 1);
	*state = &w;
	return 0;
}

static int world_teardown(void **state)
{
	end(*state);
	return 0;
}

static void send_region(struct world *w, uint32_t request)
{
	struct vhost_message m = { .header = { request, VHOST_USER_VERSION, 40 },
				   .payload.single.region = { MEM_GUEST, REGION_LEN, MEM_USER,
							      0 } };

	if (request == VHOST_USER_ADD_MEM_REG)
		give_fd(&m, dup(w->files[0]));
	act(w, &m);
}

/* A ring of 256 entries at the start of memory. */
static void send_whole_ring(struct world *w, unsigned index)
{
	struct vhost_message m = { .header = { VHOST_USER_SET_VRING_ADDR, VHOST_USER_VERSION, 40 },
				   .payload.addr = { .index = index,
						     .desc = MEM_USER,
						     .avail = MEM_USER + 0x2000,
						     .used = MEM_USER + 0x4000 } };

	act(w, &m);
	send_number(w, VHOST_USER_SET_VRING_NUM, index | 256ull << 32);
	send_number(w, VHOST_USER_SET_VRING_KICK, index | VHOST_USER_VRING_NOFD);
}

/* Front-ends of several queues add a region once for each, and remove it as often. */
static void test_region_added_often(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 3; i++) {
		send_region(w, VHOST_USER_ADD_MEM_REG);
		crash(w);
	}
	for (int i = 0; i < 3; i++) {
		assert_int_equal(w->session->mem->n_ranges, 1);
		send_region(w, VHOST_USER_REM_MEM_REG);
		crash(w);
	}
	assert_int_equal(w->session->mem->n_ranges, 0);
	assert_int_equal(vhost_journal_len(w->journal), 1); /* protocol features */
	for (int i = 0; i < GUESTMEM_ADDS_MAX + 10; i++)
		send_region(w, VHOST_USER_ADD_MEM_REG);
	crash(w);
	for (int i = 0; i < GUESTMEM_ADDS_MAX; i++) {
		assert_int_equal(w->session->mem->n_ranges, 1);
		send_region(w, VHOST_USER_REM_MEM_REG);
	}
	assert_int_equal(w->session->mem->n_ranges, 0);
	crash(w);
}

/* Those without bit 30 enable the rings, and the next ones do not disable them. */
static void test_features_that_enable(void **state)
{
	struct world *w = *state;

	send_number(w, VHOST_USER_SET_VRING_ENABLE, 0);
	send_number(w, VHOST_USER_SET_FEATURES, F_V1);
	send_number(w, VHOST_USER_SET_VRING_ENABLE, 1);
	send_number(w, VHOST_USER_SET_FEATURES, F_V1 | F_EXTENDED);
	crash(w);
	assert_true(w->session->vrings[0].enabled);
	assert_false(w->session->vrings[1].enabled);
}

/* What was right when it came, and came again behind what it allows. */
static void test_told_in_another_order(void **state)
{
	struct world *w = *state;

	send_number(w, VHOST_USER_SET_FEATURES, F_V1 | F_EXTENDED | F_PACKED);
	send_number(w, VHOST_USER_SET_VRING_BASE, 0x8005800500000000);
	send_region(w, VHOST_USER_ADD_MEM_REG);
	send_number(w, VHOST_USER_SET_STATUS, 3);
	send_number(w, VHOST_USER_SET_FEATURES, F_V1 | F_EXTENDED | F_PACKED);
	send_number(w, VHOST_USER_SET_PROTOCOL_FEATURES, ALL_PROTOCOL);
	crash(w);
	send_number(w, VHOST_USER_SET_PROTOCOL_FEATURES, 0);
	crash(w);
	assert_int_equal(w->session->vrings[0].base, 0x80058005);
}

/* A ring that SET_VRING_NUM has stopped goes on where it was. */
static void test_stopped_by_size(void **state)
{
	static struct iovec arena[RING_ARENA_LEN];
	struct world *w = *state;
	struct ring *r = &w->session->vrings[0].ring;
	struct ring_chain chain;

	send_number(w, VHOST_USER_SET_FEATURES, F_V1 | F_EXTENDED | F_PACKED);
	send_number(w, VHOST_USER_SET_VRING_BASE, 0x8000ull << 32);
	send_region(w, VHOST_USER_ADD_MEM_REG);
	send_whole_ring(w, 0);
	add_chain(r);
	assert_int_equal(ring_take(r, w->session->mem, &chain, 1, arena, RING_ARENA_LEN), 1);
	ring_complete(r, NULL, 1);
	send_number(w, VHOST_USER_SET_VRING_NUM, 256ull << 32);
	assert_false(w->session->vrings[0].live);
	crash(w);
	send_number(w, VHOST_USER_SET_VRING_KICK, VHOST_USER_VRING_NOFD);
	assert_true(w->session->vrings[0].live);
	assert_int_equal(ring_base(&w->session->vrings[0].ring), 0x80018001);
	assert_int_equal(ring_fault(&w->session->vrings[0].ring), RING_OK);
}

/* Where a ring was says nothing in another layout: it starts where the front-end has said. */
static void test_another_layout(void **state)
{
	struct world *w = *state;
	struct vhost_vring *v = &w->session->vrings[0];

	send_number(w, VHOST_USER_SET_FEATURES, F_V1 | F_EXTENDED);
	send_region(w, VHOST_USER_ADD_MEM_REG);
	send_whole_ring(w, 0);
	assert_true(v->live);
	/* 300 chains later, which no packed ring of 256 entries comes to */
	v->ring.next_avail = v->ring.next_used = 300;
	((struct vring_used *)v->ring.config.device)->idx = 300;
	send_number(w, VHOST_USER_SET_FEATURES, F_V1 | F_EXTENDED | F_PACKED);
	assert_true(v->live);
	assert_int_equal(ring_base(&v->ring), 0);
	crash(w);
	assert_true(w->session->vrings[0].live);
	assert_int_equal(ring_base(&w->session->vrings[0].ring), 0);
}

/* Only its position keeps it from running, and another one comes. */
static void test_another_base(void **state)
{
	struct world *w = *state;

	send_number(w, VHOST_USER_SET_FEATURES, F_V1 | F_EXTENDED);
	send_number(w, VHOST_USER_SET_VRING_BASE, 300ull << 32);
	send_region(w, VHOST_USER_ADD_MEM_REG);
	send_whole_ring(w, 0);
	((struct vring_used *)w->session->vrings[0].ring.config.device)->idx = 300;
	send_number(w, VHOST_USER_SET_FEATURES, F_V1 | F_EXTENDED | F_PACKED);
	assert_true(w->session->vrings[0].started);
	assert_false(w->session->vrings[0].live);
	crash(w);
	send_number(w, VHOST_USER_SET_VRING_BASE, 300ull << 32);
	assert_false(w->session->vrings[0].live);
	send_number(w, VHOST_USER_SET_VRING_BASE, 0x8000ull << 32);
	assert_true(w->session->vrings[0].live);
	crash(w);
	assert_true(w->session->vrings[0].live);
}

/* One that cannot run as it is takes nothing else down. */
static void test_ring_that_cannot_run(void **state)
{
	struct world *w = *state;

	send_number(w, VHOST_USER_SET_FEATURES, F_V1 | F_EXTENDED);
	send_whole_ring(w, 0);
	send_number(w, VHOST_USER_SET_VRING_NUM, 3ull << 32);
	send_region(w, VHOST_USER_ADD_MEM_REG);
	send_whole_ring(w, 1);
	crash(w);
	assert_false(w->session->vrings[0].live);
	assert_true(w->session->vrings[1].live);
	/* what is refused changes nothing, as it is not kept either */
	send_number(w, VHOST_USER_SET_VRING_NUM, 5ull << 32);
	assert_int_equal(w->session->vrings[0].size, 3);
	crash(w);
	send_number(w, VHOST_USER_SET_VRING_NUM, 256ull << 32);
	assert_true(w->session->vrings[0].live);
	crash(w);
}

/* QEMU resets the device and then asks where its rings were. */
static void test_reset_before_the_question(void **state)
{
	struct world *w = *state;
	const struct vhost_rule *rule = vhost_message_rule(VHOST_USER_GET_VRING_BASE);
	struct vhost_message m = { 0 };
	struct error err;

	send_number(w, VHOST_USER_SET_FEATURES, F_V1 | F_EXTENDED | F_PACKED);
	send_number(w, VHOST_USER_SET_VRING_BASE, 0x80058005ull << 32);
	send_region(w, VHOST_USER_ADD_MEM_REG);
	send_whole_ring(w, 0);
	send_number(w, VHOST_USER_SET_STATUS, 0);
	crash(w);
	assert_int_equal(vhost_message_act(w->session, rule, &m, &err), 0);
	assert_int_equal(m.payload.state.num, 0x80058005);
	send_number(w, VHOST_USER_SET_VRING_BASE, 7ull << 32);
	crash(w);
	assert_int_equal(w->session->vrings[0].reset_base, 0);
}

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_region_added_often),	WORLD_TEST(test_features_that_enable),
		WORLD_TEST(test_told_in_another_order), WORLD_TEST(test_stopped_by_size),
		WORLD_TEST(test_another_layout),	WORLD_TEST(test_another_base),
		WORLD_TEST(test_ring_that_cannot_run),	WORLD_TEST(test_reset_before_the_question),
		cmocka_unit_test(test_random),		cmocka_unit_test(test_bounded),
	};

	log_set_level("all", "error", NULL); /* of wrong messages there are many */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
