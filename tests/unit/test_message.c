// SPDX-License-Identifier: Apache-2.0
/* The message table: every message right and wrong, in several states of the device. */
#include "vhost/message.h"
#include "vhost_peer.h"

#define REQUEST_MAX 60

/* States a device can be in when a message comes. */
enum stage { FRESH, NEGOTIATED, RUNNING, N_STAGES };

static void enter(struct rig *rig, enum stage stage)
{
	if (rig->peer < 0)
		rig_connect(rig);
	if (stage == FRESH)
		return;
	negotiate(rig);
	if (stage == RUNNING) {
		send_memory(rig);
		for (unsigned i = 0; i < 4; i++)
			send_ring(rig, i);
		rig_run(rig);
		assert_true(vring(rig, 3)->live);
	}
}

static void leave(struct rig *rig)
{
	rig_disconnect(rig);
	for (unsigned i = 0; i < 8; i++)
		assert_false(vring(rig, i)->live);
}

static int back_end_pair[2]; /* what SET_BACKEND_REQ_FD takes; open all the time */
static int log_event;	     /* the same of SET_LOG_FD */

/* A message that is right for its request: payload, size, fds. */
struct sample {
	union vhost_user_payload payload;
	size_t size;
	int fds[VHOST_USER_FDS_MAX];
	unsigned n_fds;
};

static struct sample make_sample(struct rig *rig, const struct vhost_rule *rule)
{
	struct sample s = { .size = rule->size_min, .n_fds = rule->fds_min };

	for (unsigned i = 0; i < VHOST_USER_FDS_MAX; i++)
		s.fds[i] = rig->mem_fd;
	switch (rule->request) {
	case VHOST_USER_SET_FEATURES:
		s.payload.u64 = F_V1 | F_EXTENDED;
		break;
	case VHOST_USER_SET_PROTOCOL_FEATURES:
		s.payload.u64 = ALL_PROTOCOL;
		break;
	case VHOST_USER_SET_BACKEND_REQ_FD:
		s.fds[0] = back_end_pair[1];
		break;
	case VHOST_USER_SET_LOG_BASE: /* any file of the right kind will do */
		s.payload.log.size = MEM_SIZE;
		break;
	case VHOST_USER_GET_INFLIGHT_FD:
	case VHOST_USER_SET_INFLIGHT_FD: /* the same */
		s.payload.inflight.mmap_size = MEM_SIZE;
		s.payload.inflight.num_queues = 8;
		s.payload.inflight.queue_size = RING_SIZE;
		break;
	case VHOST_USER_SET_LOG_FD:
		s.fds[0] = log_event;
		break;
	case VHOST_USER_SET_MEM_TABLE:
		s.payload.memory.n_regions = 1;
		s.payload.memory.regions[0] = whole_region();
		s.size = 40;
		s.n_fds = 1;
		break;
	case VHOST_USER_ADD_MEM_REG:
	case VHOST_USER_REM_MEM_REG:
		s.payload.single.region = whole_region();
		break;
	case VHOST_USER_SET_VRING_NUM:
		s.payload.state.num = RING_SIZE;
		break;
	case VHOST_USER_SET_VRING_ADDR:
		s.payload.addr = (struct vhost_user_vring_addr){
			0, 0, MEM_USER, MEM_USER + 0x4000, MEM_USER + 0x2000, 0
		};
		break;
	case VHOST_USER_SET_VRING_KICK:
	case VHOST_USER_SET_VRING_CALL:
	case VHOST_USER_SET_VRING_ERR:
		s.payload.u64 = VHOST_USER_VRING_NOFD;
		break;
	case VHOST_USER_NET_SET_MTU:
		s.payload.u64 = 1500;
		break;
	case VHOST_USER_SEND_RARP:
		memcpy(s.payload.bytes, (uint8_t[]){ 2, 0, 0, 0, 0, 1 }, 6);
		break;
	case VHOST_USER_GET_CONFIG:
		s.payload.config.size = 12;
		s.size = 24;
		break;
	case VHOST_USER_SET_CONFIG:
		s.payload.config.size = 6;
		s.payload.config.flags = 1;
		s.size = 18;
		break;
	default:
		break;
	}
	return s;
}

/* The same as it goes over the wire. */
struct whole {
	struct vhost_user_header header;
	union vhost_user_payload payload;
} __attribute__((packed));

static struct whole make_whole(const struct vhost_rule *rule, const struct sample *s)
{
	return (struct whole){
		.header = { rule->request, VHOST_USER_VERSION, (uint32_t)s->size },
		.payload = s->payload,
	};
}

static bool allowed(const struct vhost_rule *rule, enum stage stage)
{
	return stage != FRESH || rule->when != VHOST_NEGOTIATED;
}

/* What a right message comes to in a stage: memory that is not there cannot be removed, and what
 * rings note in cannot be changed. */
static bool succeeds(const struct vhost_rule *rule, enum stage stage)
{
	if (rule->request == VHOST_USER_REM_MEM_REG)
		return stage == RUNNING;
	if (rule->request == VHOST_USER_SET_INFLIGHT_FD)
		return stage != RUNNING;
	return true;
}

#define FOR_EACH_RULE(rule)                           \
	for (uint32_t r_ = 0; r_ < REQUEST_MAX; r_++) \
		for (const struct vhost_rule *rule = vhost_message_rule(r_); rule; rule = NULL)

static void test_table(void **state)
{
	unsigned n = 0;

	FOR_EACH_RULE(rule)
	{
		n++;
		assert_int_equal(rule->request, r_);
		assert_non_null(rule->handle);
		assert_true(rule->size_min <= rule->size_max);
		assert_true(rule->size_max <= VHOST_USER_PAYLOAD_MAX);
		assert_true(rule->fds_min <= rule->fds_max);
		assert_true(rule->fds_max <= VHOST_USER_FDS_MAX);
		assert_true(rule->index == VHOST_NO_INDEX || rule->size_min >= 8);
		assert_true(rule->disturbs != VHOST_DISTURBS_VRING || rule->index);
	}
	assert_int_equal(n, 33);
	assert_null(vhost_message_rule(VHOST_USER_POSTCOPY_LISTEN));
}

/* Every message that is right, in every stage, with and without a wish for acknowledgement. */
static void test_right(void **state)
{
	struct rig *rig = *state;
	union vhost_user_payload answer;

	for (enum stage stage = FRESH; stage < N_STAGES; stage++) {
		FOR_EACH_RULE(rule)
		{
			struct sample s;

			if (!allowed(rule, stage))
				continue;
			enter(rig, stage);
			s = make_sample(rig, rule);
			if (stage != FRESH && !rule->reply) {
				assert_int_equal(
					ask(rig, rule->request, &s.payload, s.size, s.fds, s.n_fds),
					!succeeds(rule, stage));
				assert_int_equal(receive(rig, 0, &answer), -1); /* once */
				leave(rig);
				enter(rig, stage);
			}
			send_message(rig, rule->request, 0, &s.payload, s.size, s.fds, s.n_fds);
			if (!succeeds(rule, stage)) {
				assert_refused(rig, vhost_request_name(rule->request));
				continue;
			}
			if (rule->reply)
				assert_true(receive(rig, rule->request, &answer) >= 8);
			assert_int_equal(receive(rig, 0, &answer), -1);
			assert_true(alive(rig));
			leave(rig);
		}
	}
}

/* need_reply on a message that has an answer changes nothing; and without REPLY_ACK it means
 * nothing. */
static void test_ack_matrix(void **state)
{
	struct rig *rig = *state;
	union vhost_user_payload answer;
	uint64_t features = ALL_PROTOCOL & ~BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK);

	send_message(rig, VHOST_USER_GET_FEATURES, VHOST_USER_FLAG_NEED_REPLY, NULL, 0, NULL, 0);
	assert_int_equal(receive(rig, VHOST_USER_GET_FEATURES, &answer), 8);
	assert_int_equal(receive(rig, 0, &answer), -1);
	/* not negotiated: not answered, and a failure is fatal */
	assert_int_equal(ask(rig, VHOST_USER_SET_OWNER, NULL, 0, NULL, 0), -1);
	assert_int_equal(ask_u64(rig, VHOST_USER_SET_PROTOCOL_FEATURES, features), -1);
	assert_int_equal(ask_u64(rig, VHOST_USER_SET_STATUS, 1), -1);
	assert_int_equal(ask_u64(rig, VHOST_USER_SET_STATUS, 256), -2);
	assert_refused(rig, "VHOST_USER_SET_STATUS: device status 256 is not in 0..255");
	rig_connect(rig);
	/* the message that negotiates it is acknowledged */
	assert_int_equal(ask_u64(rig, VHOST_USER_SET_PROTOCOL_FEATURES, ALL_PROTOCOL), 0);
	assert_int_equal(ask_u64(rig, VHOST_USER_SET_STATUS, 1), 0);
	send_u64(rig, VHOST_USER_SET_STATUS, 2); /* does not ask */
	assert_int_equal(receive(rig, 0, &answer), -1);
	assert_int_equal(ask_u64(rig, VHOST_USER_SET_STATUS, 256), 1);
	assert_int_equal(get_u64(rig, VHOST_USER_GET_STATUS), 2);
	send_u64(rig, VHOST_USER_SET_STATUS, 256);
	assert_refused(rig, "VHOST_USER_SET_STATUS");
}

/* Sends what is wrong in one way, both to be acknowledged and not. */
static void expect_refusal(struct rig *rig, const struct vhost_rule *rule, enum stage stage,
			   const struct sample *s)
{
	unsigned n = count_fds();

	if (stage != FRESH && !rule->reply) {
		assert_int_equal(ask(rig, rule->request, &s->payload, s->size, s->fds, s->n_fds),
				 1);
		assert_int_equal(count_fds(), n);
		assert_true(alive(rig));
	}
	send_message(rig, rule->request, 0, &s->payload, s->size, s->fds, s->n_fds);
	assert_refused(rig, vhost_request_name(rule->request));
	enter(rig, stage);
}

static void test_wrong_sizes_and_fds(void **state)
{
	struct rig *rig = *state;

	for (enum stage stage = FRESH; stage < N_STAGES; stage++) {
		enter(rig, stage);
		FOR_EACH_RULE(rule)
		{
			const struct sample right = make_sample(rig, rule);
			struct sample s = right;

			if (!allowed(rule, stage)) { /* right, but too early */
				expect_refusal(rig, rule, stage, &s);
				continue;
			}
			if (rule->size_min) {
				s.size = rule->size_min - 1;
				expect_refusal(rig, rule, stage, &s);
				s.size = 0;
				expect_refusal(rig, rule, stage, &s);
			}
			s.size = rule->size_max + 1;
			expect_refusal(rig, rule, stage, &s);
			s = right;
			if (rule->fds_min) {
				s.n_fds = rule->fds_min - 1;
				expect_refusal(rig, rule, stage, &s);
			}
			s.n_fds = VHOST_USER_FDS_MAX;
			expect_refusal(rig, rule, stage, &s);
			if (rule->index == VHOST_INDEX_STATE) {
				s = right;
				s.payload.state.index = 8;
				expect_refusal(rig, rule, stage, &s);
			}
		}
		leave(rig);
	}
}

/* Every message cut off at every length, in a connection that then ends. */
static void test_truncated(void **state)
{
	struct rig *rig = *state;
	unsigned n = 0, before;

	leave(rig);
	before = count_fds();
	FOR_EACH_RULE(rule)
	{
		struct whole whole;
		struct sample s = make_sample(rig, rule);
		size_t len = sizeof(whole.header) + s.size;

		whole = make_whole(rule, &s);
		for (size_t cut = 1; cut < len; cut += cut < 14 ? 1 : 7) {
			enter(rig, cut % 2 ? FRESH : NEGOTIATED);
			send_bytes(rig->peer, &whole, cut, s.fds, s.n_fds);
			rig_run(rig);
			assert_true(vhost_device_state(rig->device)->connected);
			leave(rig);
			n++;
		}
		assert_int_equal(count_fds(), before);
	}
	assert_int_equal(vhost_device_state(rig->device)->n_connects, n + 1);
	assert_string_equal(vhost_device_state(rig->device)->last_error, "");
}

/* Every message, byte by byte. */
static void test_byte_by_byte(void **state)
{
	struct rig *rig = *state;

	FOR_EACH_RULE(rule)
	{
		struct whole whole;
		union vhost_user_payload answer;
		struct sample s;

		enter(rig, NEGOTIATED);
		s = make_sample(rig, rule);
		whole = make_whole(rule, &s);
		if (!succeeds(rule, NEGOTIATED))
			continue;
		for (size_t i = 0; i < sizeof(whole.header) + s.size; i++) {
			send_bytes(rig->peer, (char *)&whole + i, 1, s.fds, i ? 0 : s.n_fds);
			event_base_loop(rig->base, EVLOOP_NONBLOCK);
		}
		if (rule->reply)
			assert_true(receive(rig, rule->request, &answer) > 0);
		assert_true(alive(rig));
		leave(rig);
	}
}

static void test_unknown(void **state)
{
	struct rig *rig = *state;
	uint8_t bytes[VHOST_USER_PAYLOAD_MAX + 1] = { 0 };
	int fds[2] = { rig->mem_fd, rig->mem_fd };

	for (uint32_t r = 0; r < REQUEST_MAX; r++) {
		if (vhost_message_rule(r))
			continue;
		enter(rig, RUNNING);
		assert_int_equal(ask(rig, r, bytes, r * 7, fds, 2), 1);
		assert_true(alive(rig));
		assert_true(vring(rig, 0)->live);
		send_message(rig, r, 0, bytes, 8, NULL, 0);
		assert_refused(rig, ": not supported");
	}
	enter(rig, NEGOTIATED);
	send_message(rig, UINT32_MAX, 0, bytes, 0, NULL, 0);
	assert_refused(rig, "message 4294967295: not supported");
	enter(rig, NEGOTIATED);
	send_message(rig, VHOST_USER_SET_OWNER, 0, bytes, sizeof(bytes), NULL, 0);
	assert_refused(rig, "claims 1025 bytes of payload");
	enter(rig, NEGOTIATED);
	send_message(rig, VHOST_USER_SET_OWNER, 2, bytes, 0, NULL, 0); /* version 3 */
	assert_refused(rig, "protocol version 3");
}

/* More fds than a message can have; the surplus is closed. */
static void test_too_many_fds(void **state)
{
	struct rig *rig = *state;
	struct vhost_user_memory table = { .n_regions = 8 };
	int fds[32];
	unsigned n;

	for (int i = 0; i < 32; i++)
		fds[i] = rig->mem_fd;
	negotiate(rig);
	for (unsigned i = 0; i < 8; i++)
		table.regions[i] = (struct vhost_user_region){ MEM_GUEST + i * 8192, 4096,
							       MEM_USER + i * 8192, 0 };
	n = count_fds();
	for (unsigned k = 9; k <= 32; k++)
		assert_int_equal(ask(rig, VHOST_USER_SET_MEM_TABLE, &table, sizeof(table), fds, k),
				 1);
	assert_int_equal(ask(rig, VHOST_USER_SET_MEM_TABLE, &table, sizeof(table), fds, 8), 0);
	for (unsigned k = 9; k <= 32; k++) {
		assert_int_equal(ask(rig, VHOST_USER_SET_OWNER, NULL, 0, fds, k), 1);
		assert_int_equal(count_fds(), n);
	}
	assert_true(alive(rig));
}

static int open_fds(void **state)
{
	log_event = eventfd(0, EFD_CLOEXEC);
	return log_event < 0 ? -1
			     : socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, back_end_pair);
}

static int close_fds(void **state)
{
	return close(log_event) || close(back_end_pair[0]) || close(back_end_pair[1]) ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table), RIG_TEST(test_right),
		RIG_TEST(test_ack_matrix),    RIG_TEST(test_wrong_sizes_and_fds),
		RIG_TEST(test_truncated),     RIG_TEST(test_byte_by_byte),
		RIG_TEST(test_unknown),	      RIG_TEST(test_too_many_fds),
	};

	return cmocka_run_group_tests(tests, open_fds, close_fds);
}
