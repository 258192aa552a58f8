// SPDX-License-Identifier: Apache-2.0
/* What is negotiated, the device status, MTU, announcements, configuration space. */
#include "vhost/features.h"
#include "vhost_peer.h"

static const struct vhost_device_state *st(struct rig *rig)
{
	return vhost_device_state(rig->device);
}

static void test_offer(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(get_u64(rig, VHOST_USER_GET_FEATURES), rig->config.features | F_EXTENDED);
	assert_int_equal(get_u64(rig, VHOST_USER_GET_PROTOCOL_FEATURES), ALL_PROTOCOL);
	assert_int_equal(get_u64(rig, VHOST_USER_GET_QUEUE_NUM), 4);
	/* a new offer is for the next front-end */
	vhost_device_set_offer(rig->device, F_V1, 9000);
	assert_int_equal(get_u64(rig, VHOST_USER_GET_FEATURES), rig->config.features | F_EXTENDED);
	rig_disconnect(rig);
	rig_connect(rig);
	assert_int_equal(get_u64(rig, VHOST_USER_GET_FEATURES), F_V1 | F_EXTENDED);
}

static void test_acknowledge(void **state)
{
	struct rig *rig = *state;

	rig->n_changed = 0;
	negotiate(rig);
	assert_int_equal(st(rig)->features, F_V1 | F_EXTENDED);
	assert_int_equal(st(rig)->protocol_features, ALL_PROTOCOL);
	assert_true(rig->n_changed > 0);
	assert_int_equal(ask_u64(rig, VHOST_USER_SET_FEATURES, F_V1 | BIT(63)), 1);
	assert_int_equal(ask_u64(rig, VHOST_USER_SET_PROTOCOL_FEATURES,
				 BIT(VHOST_USER_PROTOCOL_F_PAGEFAULT)),
			 1);
	assert_int_equal(st(rig)->features, F_V1 | F_EXTENDED);
	assert_int_equal(st(rig)->protocol_features, ALL_PROTOCOL);
	send_u64(rig, VHOST_USER_SET_FEATURES, BIT(57) | BIT(VIRTIO_NET_F_CTRL_VQ));
	assert_refused(rig, "VHOST_USER_SET_FEATURES: features that were not offered: "
			    "VIRTIO_NET_F_CTRL_VQ VIRTIO_NET_F_HASH_REPORT");
}

/* Running rings take new features only when nobody uses them, and go on. */
static void test_features_of_running_rings(void **state)
{
	struct rig *rig = *state;

	negotiate(rig);
	send_memory(rig);
	send_ring(rig, 0);
	send_u64(rig, VHOST_USER_SET_FEATURES, F_V1 | F_EXTENDED);
	rig_run(rig);
	assert_true(vring(rig, 0)->live);
	assert_int_equal(rig->n_quiesce, 0); /* the same */
	assert_int_equal(vring(rig, 0)->ring.config.features, F_V1 | F_EXTENDED);
	send_u64(rig, VHOST_USER_SET_FEATURES, F_V1 | F_EXTENDED | BIT(VIRTIO_NET_F_MRG_RXBUF));
	rig_run(rig);
	assert_int_equal(rig->n_quiesce, 1);
	assert_true(vring(rig, 0)->live);
	assert_true(vring(rig, 0)->ring.config.features & BIT(VIRTIO_NET_F_MRG_RXBUF));
}

static void set_up(struct rig *rig)
{
	negotiate(rig);
	send_memory(rig);
	send_ring(rig, 0);
	send_ring(rig, 1);
	close(send_eventfd(rig, VHOST_USER_SET_VRING_CALL, 0));
	send_state(rig, VHOST_USER_SET_VRING_ENABLE, 0, 1);
	rig_run(rig);
	assert_true(vring(rig, 0)->live && vring(rig, 1)->live);
}

static void check_reset(struct rig *rig)
{
	assert_false(vring(rig, 0)->live || vring(rig, 0)->started || vring(rig, 0)->enabled);
	assert_int_equal(vring(rig, 0)->size, 0);
	assert_false(vring(rig, 0)->has_addr);
	assert_int_equal(st(rig)->features, 0);
	assert_int_equal(st(rig)->status, 0);
	assert_int_equal(st(rig)->protocol_features, ALL_PROTOCOL);
	assert_int_equal(st(rig)->mem->n_ranges, 1);
	assert_true(st(rig)->connected);
	/* the front-end sets the rings up again, without sending memory or call fd anew */
	send_u64(rig, VHOST_USER_SET_FEATURES, F_V1 | F_EXTENDED);
	send_ring(rig, 0);
	rig_run(rig);
	assert_true(vring(rig, 0)->live);
	assert_true(vring(rig, 0)->call_fd >= 0);
}

static void test_status(void **state)
{
	struct rig *rig = *state;
	unsigned n;

	set_up(rig);
	assert_int_equal(get_u64(rig, VHOST_USER_GET_STATUS), 0);
	n = rig->n_quiesce;
	assert_int_equal(ask_u64(rig, VHOST_USER_SET_STATUS, 15), 0);
	assert_int_equal(get_u64(rig, VHOST_USER_GET_STATUS), 15);
	assert_int_equal(st(rig)->status, 15);
	assert_int_equal(rig->n_quiesce, n);
	assert_int_equal(ask_u64(rig, VHOST_USER_SET_STATUS, 256), 1);
	assert_int_equal(st(rig)->status, 15);
	assert_int_equal(ask_u64(rig, VHOST_USER_SET_STATUS, 0), 0);
	assert_int_equal(rig->n_quiesce, n + 1);
	check_reset(rig);
}

static void test_reset_device(void **state)
{
	struct rig *rig = *state;
	unsigned n;

	set_up(rig);
	n = rig->n_quiesce;
	assert_int_equal(ask(rig, VHOST_USER_RESET_DEVICE, NULL, 0, NULL, 0), 0);
	assert_int_equal(rig->n_quiesce, n + 1);
	check_reset(rig);
}

static void test_mtu(void **state)
{
	struct rig *rig = *state;

	negotiate(rig);
	assert_int_equal(st(rig)->mtu, 0);
	assert_int_equal(ask_u64(rig, VHOST_USER_NET_SET_MTU, 9000), 0);
	assert_int_equal(st(rig)->mtu, 9000);
	assert_int_equal(ask_u64(rig, VHOST_USER_NET_SET_MTU, 67), 1);
	assert_int_equal(ask_u64(rig, VHOST_USER_NET_SET_MTU, 65536), 1);
	assert_int_equal(st(rig)->mtu, 9000);
	rig_disconnect(rig);
	assert_int_equal(st(rig)->mtu, 0);
}

static void test_rarp(void **state)
{
	struct rig *rig = *state;
	static const uint8_t mac[8] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56, 0xff, 0xff };
	static const uint8_t group[8] = { 1, 0, 0x5e, 0, 0, 1 };

	negotiate(rig);
	assert_int_equal(ask(rig, VHOST_USER_SEND_RARP, mac, 8, NULL, 0), 0);
	assert_int_equal(rig->n_announce, 1);
	assert_int_equal(rig->announced, 0x525400123456);
	assert_int_equal(ask(rig, VHOST_USER_SEND_RARP, group, 8, NULL, 0), 1);
	assert_int_equal(ask_u64(rig, VHOST_USER_SEND_RARP, 0), 1);
	assert_int_equal(rig->n_announce, 1);
}

static void test_backend_channel(void **state)
{
	struct rig *rig = *state;
	int pair[2];
	char byte;

	negotiate(rig);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(ask(rig, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, NULL, 0), 1);
	assert_int_equal(ask(rig, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, &pair[1], 1), 0);
	assert_int_equal(ask(rig, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, &pair[1], 1), 0);
	/* the connection's own end, which would never hang up */
	assert_int_equal(ask(rig, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, &rig->peer, 1), 1);
	close(pair[1]);
	assert_int_equal(recv(pair[0], &byte, 1, MSG_DONTWAIT), -1); /* kept */
	rig_disconnect(rig);
	assert_int_equal(recv(pair[0], &byte, 1, MSG_DONTWAIT), 0); /* let go */
	close(pair[0]);
}

static int get_config(struct rig *rig, uint32_t offset, uint32_t size, uint32_t payload_size,
		      union vhost_user_payload *answer)
{
	struct vhost_user_config c = { .offset = offset, .size = size };

	send_message(rig, VHOST_USER_GET_CONFIG, 0, &c, payload_size, NULL, 0);
	return receive(rig, VHOST_USER_GET_CONFIG, answer);
}

static void test_config(void **state)
{
	struct rig *rig = *state;
	static const uint8_t want[12] = { 2, 0, 0, 0, 0, 7, 1, 0, 4, 0, 0xdc, 5 };
	union vhost_user_payload answer;
	struct vhost_user_config c = { .offset = 0, .size = 6, .data = { 2, 0, 0, 0, 0, 9 } };

	negotiate(rig);
	assert_int_equal(get_config(rig, 0, 12, 24, &answer), 24);
	assert_int_equal(answer.config.size, 12);
	assert_memory_equal(answer.config.data, want, 12);
	assert_int_equal(get_config(rig, 8, 4, 16, &answer), 16);
	assert_memory_equal(answer.config.data, want + 8, 4);
	assert_int_equal(get_config(rig, 0, 256, 268, &answer), 268);
	assert_int_equal(answer.config.data[255], 0);
	/* "zero length of payload to indicate an error" */
	assert_int_equal(get_config(rig, 1, 256, 268, &answer), 0);
	assert_int_equal(get_config(rig, 257, 0, 12, &answer), 0);
	assert_int_equal(get_config(rig, UINT32_MAX, 1, 13, &answer), 0);
	assert_int_equal(get_config(rig, 0, UINT32_MAX, 13, &answer), 0);
	assert_int_equal(get_config(rig, 0, 12, 23, &answer), 0);
	/* nothing can be written, but by a migration */
	assert_int_equal(ask(rig, VHOST_USER_SET_CONFIG, &c, 18, NULL, 0), 1);
	c.flags = 1;
	assert_int_equal(ask(rig, VHOST_USER_SET_CONFIG, &c, 17, NULL, 0), 1);
	assert_int_equal(ask(rig, VHOST_USER_SET_CONFIG, &c, 18, NULL, 0), 0);
	assert_int_equal(get_config(rig, 5, 1, 13, &answer), 13);
	assert_int_equal(answer.config.data[0], 9);
}

/* Without the protocol features, the messages that need them are refused. */
static void test_nothing_offered(void **state)
{
	struct rig *rig = *state;
	static const uint32_t requests[] = { VHOST_USER_GET_PROTOCOL_FEATURES,
					     VHOST_USER_GET_QUEUE_NUM, VHOST_USER_GET_STATUS,
					     VHOST_USER_GET_MAX_MEM_SLOTS,
					     VHOST_USER_RESET_DEVICE };

	rig_finish(rig);
	rig_prepare(rig);
	rig->config.protocol_features = 0;
	rig_create(rig);
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		rig_connect(rig);
		assert_int_equal(get_u64(rig, VHOST_USER_GET_FEATURES), rig->config.features);
		send_message(rig, requests[i], 0, NULL, 0, NULL, 0);
		assert_refused(rig, requests[i] == VHOST_USER_GET_PROTOCOL_FEATURES
					    ? "VHOST_USER_F_PROTOCOL_FEATURES was not offered"
					    : " was not ");
	}
	rig_connect(rig);
	send_u64(rig, VHOST_USER_SEND_RARP, 0x52);
	assert_refused(rig, "VHOST_USER_SEND_RARP: VHOST_USER_PROTOCOL_F_RARP was not offered");
	assert_int_equal(rig->n_announce, 0);
}

/* What an earlier process has offered is neither widened nor promised without being there. */
static void test_offered_before(void **state)
{
	struct vhost_session s = { .features = 0x0ff0, .protocol_features = 0x0f };
	struct vhost_message m = { .header = { VHOST_USER_GET_FEATURES, VHOST_USER_VERSION, 8 },
				   .payload.u64 = 0xf0f0 };

	assert_true(vhost_features_offered(&s, &m));
	assert_int_equal(s.features, 0x00f0);
	m.header.size = 0; /* the question alone */
	m.payload.u64 = 0;
	assert_true(vhost_features_offered(&s, &m));
	assert_int_equal(s.features, 0x00f0);
	m.header = (struct vhost_user_header){ VHOST_USER_GET_PROTOCOL_FEATURES, VHOST_USER_VERSION,
					       8 };
	m.payload.u64 = 0x1c;
	assert_true(vhost_features_offered(&s, &m));
	assert_int_equal(s.protocol_features, 0x0c);
	assert_int_equal(s.features, 0x00f0);
	m.header.request = VHOST_USER_SET_FEATURES;
	assert_false(vhost_features_offered(&s, &m));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(test_offer),
		RIG_TEST(test_acknowledge),
		RIG_TEST(test_features_of_running_rings),
		RIG_TEST(test_status),
		RIG_TEST(test_reset_device),
		RIG_TEST(test_mtu),
		RIG_TEST(test_rarp),
		RIG_TEST(test_backend_channel),
		RIG_TEST(test_config),
		RIG_TEST(test_nothing_offered),
		cmocka_unit_test(test_offered_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
