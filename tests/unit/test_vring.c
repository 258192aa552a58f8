// SPDX-License-Identifier: Apache-2.0
/* Rings of a vhost-user device: when they run, stop, wait and go on. */
#include <sys/epoll.h>

#include "vhost/vring.h"
#include "vhost_peer.h"

#define USED_IDX(rig, i) \
	((uint16_t *)((uint8_t *)(rig)->mem + (size_t)(i)*RING_STRIDE + 0x4002)) /* used->idx */

static void test_starts_at_kick(void **state)
{
	struct rig *rig = *state;
	int kick;

	negotiate(rig);
	send_memory(rig);
	send_state(rig, VHOST_USER_SET_VRING_NUM, 0, RING_SIZE);
	send_state(rig, VHOST_USER_SET_VRING_BASE, 0, 0);
	send_addr(rig, 0);
	rig_run(rig);
	assert_false(vring(rig, 0)->started);
	assert_false(vring(rig, 0)->live);
	rig->n_changed = 0;
	kick = send_eventfd(rig, VHOST_USER_SET_VRING_KICK, 0);
	rig_run(rig);
	assert_true(vring(rig, 0)->live);
	assert_true(vring(rig, 0)->started);
	assert_false(vring(rig, 0)->enabled); /* live all the same */
	assert_non_null(vring(rig, 0)->ring.ops);
	assert_true(vring(rig, 0)->kick_fd >= 0);
	assert_true(fcntl(vring(rig, 0)->kick_fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(vring(rig, 0)->ring.config.size, RING_SIZE);
	assert_int_equal(rig->n_changed, 1);
	assert_int_equal(rig->n_quiesce, 0); /* nobody could have been using it */
	assert_false(vring(rig, 1)->live);
	assert_int_equal(vhost_device_state(rig->device)->n_vrings_used, 1);
	close(kick);
}

/* The four things may come in any of their 24 orders; the ring runs after the last. */
static void test_any_order(void **state)
{
	struct rig *rig = *state;

	negotiate(rig);
	for (int order = 0; order < 24; order++) {
		int left[4] = { 0, 1, 2, 3 }, code = order;

		for (int n = 4; n > 0; n--) {
			int at = code % n, what = left[at];

			code /= n;
			left[at] = left[n - 1];
			assert_false(vring(rig, 3)->live);
			if (what == 0)
				send_state(rig, VHOST_USER_SET_VRING_NUM, 3, RING_SIZE);
			else if (what == 1)
				send_addr(rig, 3);
			else if (what == 2)
				send_memory(rig);
			else
				send_u64(rig, VHOST_USER_SET_VRING_KICK, 3 | VHOST_USER_VRING_NOFD);
			rig_run(rig);
		}
		assert_true(vring(rig, 3)->live);
		assert_int_equal(vring(rig, 3)->kick_fd, -1);
		rig_disconnect(rig);
		assert_false(vring(rig, 3)->live);
		rig_connect(rig);
		send_u64(rig, VHOST_USER_SET_FEATURES, F_V1 | F_EXTENDED);
	}
}

static void test_enable(void **state)
{
	struct rig *rig = *state;

	negotiate(rig);
	send_memory(rig);
	send_state(rig, VHOST_USER_SET_VRING_ENABLE, 2, 1); /* before it is started */
	send_ring(rig, 2);
	rig_run(rig);
	assert_true(vring(rig, 2)->enabled);
	assert_true(vring(rig, 2)->live);
	assert_int_equal(rig->n_quiesce, 0);
	assert_int_equal(ask_state(rig, VHOST_USER_SET_VRING_ENABLE, 2, 1), 0);
	assert_int_equal(rig->n_quiesce, 0); /* nothing new */
	assert_int_equal(ask_state(rig, VHOST_USER_SET_VRING_ENABLE, 2, 0), 0);
	assert_int_equal(rig->n_quiesce, 1);
	assert_false(vring(rig, 2)->enabled);
	assert_true(vring(rig, 2)->live);
	assert_int_equal(ask_state(rig, VHOST_USER_SET_VRING_ENABLE, 2, 2), 1);
	assert_false(vring(rig, 2)->enabled);
}

static void test_features_without_bit_30_enable(void **state)
{
	struct rig *rig = *state;

	send_u64(rig, VHOST_USER_SET_FEATURES, F_V1);
	rig_run(rig);
	for (unsigned i = 0; i < 8; i++)
		assert_true(vring(rig, i)->enabled);
	rig_disconnect(rig);
	for (unsigned i = 0; i < 8; i++)
		assert_false(vring(rig, i)->enabled);
}

static void test_reset_owner_disables(void **state)
{
	struct rig *rig = *state;

	send_u64(rig, VHOST_USER_SET_FEATURES, F_V1);
	send_memory(rig);
	send_ring(rig, 0);
	send_message(rig, VHOST_USER_RESET_OWNER, 0, NULL, 0, NULL, 0);
	rig_run(rig);
	assert_int_equal(rig->n_quiesce, 1);
	assert_true(vring(rig, 0)->live);
	assert_false(vring(rig, 0)->enabled);
	assert_true(alive(rig));
}

/* GET_VRING_BASE stops the ring and tells where it was; it goes on from there. */
static void test_get_vring_base(void **state)
{
	struct rig *rig = *state;
	struct vhost_user_vring_state base = { 1, 0 };
	union vhost_user_payload payload;
	int call;

	negotiate(rig);
	send_memory(rig);
	call = send_eventfd(rig, VHOST_USER_SET_VRING_CALL, 1);
	send_state(rig, VHOST_USER_SET_VRING_BASE, 1, 77);
	send_message(rig, VHOST_USER_GET_VRING_BASE, 0, &base, sizeof(base), NULL, 0);
	assert_int_equal(receive(rig, VHOST_USER_GET_VRING_BASE, &payload), 8);
	assert_int_equal(payload.state.index, 1);
	assert_int_equal(payload.state.num, 77); /* never ran */
	*USED_IDX(rig, 1) = 500;
	send_state(rig, VHOST_USER_SET_VRING_BASE, 1, 500);
	send_state(rig, VHOST_USER_SET_VRING_NUM, 1, RING_SIZE);
	send_addr(rig, 1);
	close(send_eventfd(rig, VHOST_USER_SET_VRING_KICK, 1));
	rig_run(rig);
	assert_true(vring(rig, 1)->live);
	assert_int_equal(vring(rig, 1)->ring.next_avail, 500);
	/* a worker completes seven chains */
	vring(rig, 1)->ring.next_avail = vring(rig, 1)->ring.next_used = 507;
	*USED_IDX(rig, 1) = 507;
	send_message(rig, VHOST_USER_GET_VRING_BASE, 0, &base, sizeof(base), NULL, 0);
	assert_int_equal(receive(rig, VHOST_USER_GET_VRING_BASE, &payload), 8);
	assert_int_equal(payload.state.num, 507);
	assert_int_equal(rig->n_quiesce, 1);
	assert_false(vring(rig, 1)->live);
	assert_false(vring(rig, 1)->started);
	assert_int_equal(vring(rig, 1)->kick_fd, -1);
	assert_true(vring(rig, 1)->call_fd >= 0); /* some send it once only */
	send_u64(rig, VHOST_USER_SET_VRING_KICK, 1 | VHOST_USER_VRING_NOFD);
	rig_run(rig);
	assert_true(vring(rig, 1)->live);
	assert_int_equal(vring(rig, 1)->ring.next_avail, 507);
	close(call);
}

/* Two positions, of which the front-end may leave out the second; any size. */
static void test_packed_base(void **state)
{
	static const struct {
		uint32_t base, told; /* 0: refused */
	} cases[] = { { 0x8000, 0x80008000 },	  { 0x80008000, 0x80008000 },
		      { 0x00638063, 0x00630063 }, { 0x80638063, 0x80638063 },
		      { 0x63, 0x00630063 },	  { 0x64, 0 },
		      { 0x80648000, 0 },	  { UINT32_MAX, 0 } };
	struct vhost_user_vring_state ask = { 0, 0 };
	struct rig *rig = *state;

	negotiate(rig);
	send_u64(rig, VHOST_USER_SET_FEATURES, F_V1 | F_PACKED | F_EXTENDED);
	send_memory(rig);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t kick = VHOST_USER_VRING_NOFD;
		union vhost_user_payload payload;

		send_state(rig, VHOST_USER_SET_VRING_NUM, 0, 100);
		send_state(rig, VHOST_USER_SET_VRING_BASE, 0, cases[i].base);
		send_addr(rig, 0);
		assert_int_equal(ask_u64(rig, VHOST_USER_SET_VRING_KICK, kick),
				 cases[i].told ? 0 : 1);
		assert_int_equal(vring(rig, 0)->live, cases[i].told != 0);
		if (!cases[i].told)
			continue;
		assert_string_equal(vring(rig, 0)->ring.ops->name, "packed");
		send_message(rig, VHOST_USER_GET_VRING_BASE, 0, &ask, sizeof(ask), NULL, 0);
		assert_int_equal(receive(rig, VHOST_USER_GET_VRING_BASE, &payload), 8);
		assert_int_equal(payload.state.num, cases[i].told);
	}
	assert_true(alive(rig));
}

/* The event structures of a packed ring, at the very end of memory: four bytes each are enough, and
 * must be there. */
static void test_packed_layout(void **state)
{
	static const uint64_t used[] = { MEM_SIZE - 4, MEM_SIZE - 2, MEM_SIZE };
	struct rig *rig = *state;

	negotiate(rig);
	send_u64(rig, VHOST_USER_SET_FEATURES, F_V1 | F_PACKED | F_EXTENDED);
	send_memory(rig);
	for (size_t i = 0; i < ARRAY_SIZE(used); i++) {
		struct vhost_user_vring_addr addr = { .desc = MEM_USER + MEM_SIZE - 8 - 16 * 100,
						      .avail = MEM_USER + MEM_SIZE - 8,
						      .used = MEM_USER + used[i] };

		addr.desc &= ~15ull;
		send_state(rig, VHOST_USER_SET_VRING_NUM, 0, 99);
		send_message(rig, VHOST_USER_SET_VRING_ADDR, 0, &addr, sizeof(addr), NULL, 0);
		send_u64(rig, VHOST_USER_SET_VRING_KICK, VHOST_USER_VRING_NOFD);
		rig_run(rig);
		assert_int_equal(vring(rig, 0)->live, i == 0);
	}
}

/* User-mode Linux sets up its rings again without having stopped them. */
static void test_set_up_again(void **state)
{
	struct rig *rig = *state;
	struct vhost_user_vring_addr addr = { .desc = MEM_USER + 0x10000,
					      .avail = MEM_USER + 0x12000,
					      .used = MEM_USER + 0x14000 };
	uint8_t *desc;

	negotiate(rig);
	send_memory(rig);
	send_ring(rig, 0);
	rig_run(rig);
	assert_int_equal(ask_state(rig, VHOST_USER_SET_VRING_NUM, 0, 128), 0);
	assert_int_equal(rig->n_quiesce, 1);
	assert_false(vring(rig, 0)->live);
	assert_false(vring(rig, 0)->started);
	send_ring(rig, 0);
	rig_run(rig);
	assert_true(vring(rig, 0)->live);
	assert_int_equal(ask_state(rig, VHOST_USER_SET_VRING_BASE, 0, 3), 0);
	assert_false(vring(rig, 0)->live);
	send_ring(rig, 0);
	rig_run(rig);
	/* new addresses for a running ring: it goes on at once */
	desc = vring(rig, 0)->ring.config.desc;
	assert_int_equal(ask(rig, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0), 0);
	assert_true(vring(rig, 0)->live);
	assert_ptr_equal(vring(rig, 0)->ring.config.desc, desc + 0x10000);
	assert_int_equal(rig->n_quiesce, 3);
}

/* QEMU 7.2 resets the device, by its status, before it asks where the rings were. */
static void test_base_after_reset(void **state)
{
	struct rig *rig = *state;

	for (unsigned packed = 0; packed <= 1; packed++) {
		uint32_t base = packed ? 0x80058005 : 77;
		union vhost_user_payload answer;

		negotiate(rig);
		send_u64(rig, VHOST_USER_SET_FEATURES, F_V1 | F_EXTENDED | (packed ? F_PACKED : 0));
		send_memory(rig);
		if (!packed)
			((uint16_t *)rig->mem)[0x4000 / 2 + 1] = 77; /* the used index */
		send_state(rig, VHOST_USER_SET_VRING_NUM, 0, RING_SIZE);
		send_state(rig, VHOST_USER_SET_VRING_BASE, 0, base);
		send_addr(rig, 0);
		send_u64(rig, VHOST_USER_SET_VRING_KICK, VHOST_USER_VRING_NOFD);
		rig_run(rig);
		assert_true(vring(rig, 0)->live);
		/* twice: nothing was said in between */
		for (unsigned i = 0; i < 2; i++)
			assert_int_equal(ask_u64(rig, VHOST_USER_SET_STATUS, 0), 0);
		assert_false(vring(rig, 0)->live);
		for (unsigned i = 0; i < 2; i++) {
			send_state(rig, VHOST_USER_GET_VRING_BASE, 0, 0);
			assert_int_equal(receive(rig, VHOST_USER_GET_VRING_BASE, &answer), 8);
			assert_int_equal(answer.state.num, base);
		}
		/* the reset ring itself begins at 0, or where it is told to */
		assert_int_equal(vring(rig, 0)->base, 0);
		send_state(rig, VHOST_USER_SET_VRING_BASE, 0, 5);
		send_state(rig, VHOST_USER_GET_VRING_BASE, 0, 0);
		assert_int_equal(receive(rig, VHOST_USER_GET_VRING_BASE, &answer), 8);
		assert_int_equal(answer.state.num, 5);
		memset(rig->mem, 0, MEM_SIZE);
		/* and the next front-end hears nothing of it */
		assert_int_equal(ask_u64(rig, VHOST_USER_SET_STATUS, 0), 0);
		rig_disconnect(rig);
		rig_connect(rig);
		send_state(rig, VHOST_USER_GET_VRING_BASE, 0, 0);
		assert_int_equal(receive(rig, VHOST_USER_GET_VRING_BASE, &answer), 8);
		assert_int_equal(answer.state.num, 0);
	}
}

static void test_new_fds_for_live_ring(void **state)
{
	struct rig *rig = *state;
	int kick, call, err, before;

	negotiate(rig);
	send_memory(rig);
	send_ring(rig, 0);
	rig_run(rig);
	rig->n_changed = 0;
	kick = send_eventfd(rig, VHOST_USER_SET_VRING_KICK, 0);
	rig_run(rig);
	assert_int_equal(rig->n_quiesce, 1);
	assert_int_equal(rig->n_changed, 1);
	assert_true(vring(rig, 0)->kick_fd >= 0);
	call = send_eventfd(rig, VHOST_USER_SET_VRING_CALL, 0);
	rig_run(rig);
	assert_int_equal(rig->n_quiesce, 2);
	assert_true(vring(rig, 0)->call_fd >= 0);
	err = send_eventfd(rig, VHOST_USER_SET_VRING_ERR, 0);
	rig_run(rig);
	assert_int_equal(rig->n_quiesce, 2); /* no worker uses it */
	assert_true(vring(rig, 0)->err_fd >= 0);
	before = (int)count_fds();
	send_u64(rig, VHOST_USER_SET_VRING_KICK, VHOST_USER_VRING_NOFD);
	send_u64(rig, VHOST_USER_SET_VRING_CALL, VHOST_USER_VRING_NOFD);
	send_u64(rig, VHOST_USER_SET_VRING_ERR, VHOST_USER_VRING_NOFD);
	rig_run(rig);
	assert_int_equal(count_fds(), before - 3);
	assert_int_equal(vring(rig, 0)->kick_fd, -1);
	assert_int_equal(vring(rig, 0)->call_fd, -1);
	assert_int_equal(vring(rig, 0)->err_fd, -1);
	assert_true(vring(rig, 0)->live);
	close(kick);
	close(call);
	close(err);
}

static void test_bad_values(void **state)
{
	struct rig *rig = *state;
	static const struct {
		uint32_t request, index, num;
	} bad[] = {
		{ VHOST_USER_SET_VRING_NUM, 0, 0 },
		{ VHOST_USER_SET_VRING_NUM, 0, 32769 },
		{ VHOST_USER_SET_VRING_NUM, 8, 256 },
		{ VHOST_USER_SET_VRING_NUM, UINT32_MAX, 256 },
		{ VHOST_USER_SET_VRING_BASE, 0, 65536 },
		{ VHOST_USER_SET_VRING_BASE, 8, 0 },
		{ VHOST_USER_SET_VRING_ENABLE, 8, 1 },
		{ VHOST_USER_SET_VRING_KICK, 8 | VHOST_USER_VRING_NOFD, 0 },
		{ VHOST_USER_SET_VRING_CALL, 255 | VHOST_USER_VRING_NOFD, 0 },
		{ VHOST_USER_SET_VRING_ERR, 255 | VHOST_USER_VRING_NOFD, 0 },
		{ VHOST_USER_SET_VRING_KICK, 0, 0 }, /* no fd, and the flag does not say so */
	};

	negotiate(rig);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(ask_state(rig, bad[i].request, bad[i].index, bad[i].num), 1);
	assert_true(alive(rig));
	assert_int_equal(ask_state(rig, VHOST_USER_SET_VRING_NUM, 0, 32768), 0);
	assert_int_equal(ask_state(rig, VHOST_USER_SET_VRING_NUM, 7, 1), 0);
}

/* Rings that can never run are refused when the last piece comes. */
static void test_wrong_rings(void **state)
{
	struct rig *rig = *state;
	struct vhost_user_vring_addr addr = { .index = 0,
					      .desc = MEM_USER + 8,
					      .avail = MEM_USER + 0x2000,
					      .used = MEM_USER + 0x4000 };
	uint64_t kick = VHOST_USER_VRING_NOFD;

	negotiate(rig);
	send_memory(rig);
	send_state(rig, VHOST_USER_SET_VRING_NUM, 0, RING_SIZE);
	assert_int_equal(ask(rig, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0), 0);
	assert_int_equal(ask(rig, VHOST_USER_SET_VRING_KICK, &kick, 8, NULL, 0), 1);
	assert_false(vring(rig, 0)->started);
	send_state(rig, VHOST_USER_SET_VRING_NUM, 1, 100); /* no power of two */
	send_addr(rig, 1);
	kick = 1 | VHOST_USER_VRING_NOFD;
	assert_int_equal(ask(rig, VHOST_USER_SET_VRING_KICK, &kick, 8, NULL, 0), 1);
	assert_false(vring(rig, 1)->live);
	send_u64(rig, VHOST_USER_SET_VRING_KICK, kick);
	assert_refused(rig, "VHOST_USER_SET_VRING_KICK: ring 1: ");
}

/* What could block us or cannot be waited on is no kick, call or error fd. */
static void test_wrong_fds(void **state)
{
	struct rig *rig = *state;
	char file[128];
	uint64_t value = 0;
	int bad[5], pipes[2], left;

	negotiate(rig);
	snprintf(file, sizeof(file), "%s/file", rig->dir);
	bad[0] = open(file, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	unlink(file);
	bad[1] = open("/dev/null", O_RDWR | O_CLOEXEC);
	bad[2] = open(rig->dir, O_RDONLY | O_CLOEXEC);
	bad[3] = rig->mem_fd;
	bad[4] = epoll_create1(EPOLL_CLOEXEC);
	left = (int)count_fds();
	for (uint32_t r = VHOST_USER_SET_VRING_KICK; r <= VHOST_USER_SET_VRING_ERR; r++)
		for (int i = 0; i < 5; i++)
			assert_int_equal(ask(rig, r, &value, 8, &bad[i], 1), 1);
	assert_int_equal(count_fds(), left);
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_int_equal(ask(rig, VHOST_USER_SET_VRING_KICK, &value, 8, &pipes[0], 1), 1);
	assert_int_equal(ask(rig, VHOST_USER_SET_VRING_CALL, &value, 8, &pipes[1], 1), 0);
	/* whether writing to it waits is not up to the front-end */
	assert_int_equal(fcntl(pipes[1], F_SETFL, 0), 0);
	assert_true(fcntl(vring(rig, 0)->call_fd, F_GETFL) & O_NONBLOCK);
	value = VHOST_USER_VRING_NOFD; /* and yet one comes */
	assert_int_equal(ask(rig, VHOST_USER_SET_VRING_CALL, &value, 8, &pipes[1], 1), 1);
	close(bad[0]);
	close(bad[1]);
	close(bad[2]);
	close(bad[4]);
	close(pipes[0]);
	close(pipes[1]);
}

/* A broken ring is told through its error fd, stays broken over changes of memory, and is whole
 * again when the front-end starts it anew. */
static void test_broken_ring(void **state)
{
	struct rig *rig = *state;
	uint64_t value = 0;
	int err;

	negotiate(rig);
	send_memory(rig);
	err = send_eventfd(rig, VHOST_USER_SET_VRING_ERR, 0);
	send_ring(rig, 0);
	rig_run(rig);
	ring_break(&vring(rig, 0)->ring, RING_FAULT_LOOP);
	vhost_device_ring_broken(rig->device, 0);
	assert_int_equal(read(err, &value, 8), 8);
	assert_int_equal(value, 1);
	send_memory(rig);
	rig_run(rig);
	assert_true(vring(rig, 0)->live);
	assert_int_equal(vring(rig, 0)->ring.fault, RING_FAULT_LOOP);
	send_ring(rig, 0);
	rig_run(rig);
	assert_true(vring(rig, 0)->live);
	assert_int_equal(vring(rig, 0)->ring.fault, RING_OK);
	vhost_device_ring_broken(rig->device, 7); /* no error fd: fine */
	close(err);
}

/* A session without a front-end, whose rings lie in @memory. */
static void session_by_hand(struct vhost_session *s, struct guestmem *mem,
			    struct vhost_vring *vrings, struct ring_state *states)
{
	*s = (struct vhost_session){
		.name = "vm", .mem = mem, .n_vrings = 2, .vrings = vrings, .ring_states = states
	};
	s->state.features = F_V1 | F_PACKED;
	for (unsigned i = 0; i < s->n_vrings; i++) {
		struct vhost_vring *v = &vrings[i];

		vhost_vring_init(v);
		v->size = 8;
		v->desc_addr = 0x1000ull * i;
		v->driver_addr = v->desc_addr + 0x800;
		v->device_addr = v->desc_addr + 0x900;
		v->has_addr = v->started = true;
	}
}

/* What another process ran goes on where it was; what was stopped does not. */
static void test_resume(void **state)
{
	struct guestmem *mem = calloc(1, sizeof(*mem) + sizeof(mem->ranges[0])), none = { 0 };
	struct ring_state states[2] = { 0 };
	struct vhost_message m = { 0 };
	struct vhost_vring vrings[2];
	struct vhost_session s;
	struct error err;

	assert_non_null(mem);
	mem->n_ranges = 1;
	mem->ranges[0].size = 0x2000;
	mem->ranges[0].host = aligned_alloc(0x1000, 0x2000);
	memset(mem->ranges[0].host, 0, 0x2000);
	session_by_hand(&s, mem, vrings, states);
	vrings[1].started = false;
	vrings[0].base = 0x80058005;
	vhost_vrings_revive(&s);
	assert_true(vrings[0].live && !vrings[1].live);
	ring_count_from(&vrings[0].ring, 12, 3);

	session_by_hand(&s, mem, vrings, states);
	s.frozen = true;
	vhost_vrings_revive(&s);
	assert_false(vrings[0].live);
	assert_int_equal(vhost_vrings_resume(&s, &err), 0);
	assert_true(vrings[0].live && !vrings[0].resume);
	assert_int_equal(ring_base(&vrings[0].ring), 0x80058005);
	assert_int_equal(vrings[0].ring.n_chains, 12);
	assert_int_equal(vrings[0].ring.n_notified, 3);
	/* had not run: it begins where the front-end says */
	assert_true(vrings[1].live && !vrings[1].resume);
	assert_int_equal(ring_base(&vrings[1].ring), 0);

	/* without its memory it waits, and could be resumed */
	s.mem = &none;
	vhost_vrings_update(&s);
	assert_false(vrings[0].live);
	session_by_hand(&s, mem, vrings, states);
	assert_int_equal(vhost_vrings_resume(&s, &err), 0);
	assert_true(vrings[0].live);
	assert_int_equal(ring_base(&vrings[0].ring), 0x80058005);

	/* stopped; if nobody has heard of that, it can be resumed and stopped once more */
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(vhost_get_vring_base(&s, &m, &err), 0);
		assert_int_equal(m.payload.state.num, 0x80058005);
		session_by_hand(&s, mem, vrings, states);
		assert_int_equal(vhost_vrings_resume(&s, &err), 0);
		assert_int_equal(ring_base(&vrings[0].ring), 0x80058005);
		m.payload.state.index = 0;
	}

	/* stopped before it went on, as its memory is not there */
	session_by_hand(&s, &none, vrings, states);
	assert_int_equal(vhost_vrings_resume(&s, &err), 0);
	assert_true(!vrings[0].live && vrings[0].resume);
	assert_int_equal(vhost_get_vring_base(&s, &m, &err), 0);
	assert_int_equal(m.payload.state.num, 0x80058005);
	assert_false(vrings[0].resume);

	/* a state that cannot be: of another size, or version */
	for (unsigned i = 0; i < 2; i++) {
		states[0].running += i ? 1 : 1ull << 32;
		session_by_hand(&s, mem, vrings, states);
		assert_int_equal(vhost_vrings_resume(&s, &err), -EINVAL);
		assert_false(vrings[0].live);
	}
	free(mem->ranges[0].host);
	free(mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(test_starts_at_kick),
		RIG_TEST(test_any_order),
		RIG_TEST(test_enable),
		RIG_TEST(test_features_without_bit_30_enable),
		RIG_TEST(test_reset_owner_disables),
		RIG_TEST(test_get_vring_base),
		RIG_TEST(test_packed_base),
		RIG_TEST(test_packed_layout),
		RIG_TEST(test_set_up_again),
		RIG_TEST(test_base_after_reset),
		RIG_TEST(test_new_fds_for_live_ring),
		RIG_TEST(test_bad_values),
		RIG_TEST(test_wrong_rings),
		RIG_TEST(test_wrong_fds),
		RIG_TEST(test_broken_ring),
		cmocka_unit_test(test_resume),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
