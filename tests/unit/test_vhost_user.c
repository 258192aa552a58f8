// SPDX-License-Identifier: Apache-2.0
/* vhost-user ports in a running switch: real workers between drivers in user space, over real
 * sockets.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "port/offload.h"
#include "scale.h"
#include "vhost/proto.h"
#include "vhost_guest.h"
#include "virtio/net_header.h"

static json_t *show(struct rig *rig, const char *name)
{
	json_t *list = switch_port_show(rig->sw, name, NULL), *o;

	o = json_incref(json_array_get(list, 0));
	json_decref(list);
	assert_non_null(o);
	return o;
}

static bool link_of(struct rig *rig, const char *name)
{
	return rig_find(rig, name)->port->link;
}

/* ---- tests */

static void test_add_refuses(void **state)
{
	static const struct {
		const char *option, *value, *why;
	} wrong[] = {
		{ "mode", "listening", "did you mean \"listen\"?" },
		{ "owner", "nobody-of-this-name", "there is no user \"nobody-of-this-name\"" },
		{ "group", "nobody-of-this-name", "there is no group \"nobody-of-this-name\"" },
		{ "socket-mode", "0888", "octal" },
		{ "socket-mode", "01000", "octal" },
		{ "queues", "0", "from 1 to 128" },
		{ "queues", "129", "from 1 to 128" },
		{ "path", "/proc/nowhere/x.sock", "/proc/nowhere/x.sock" },
		{ "path", "/dev/null", "/dev/null" },
	};
	char longest[200] = "/tmp/";
	struct rig *rig = *state;
	json_t *params;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct error err = { "" };

		params = vhost_port("a");
		json_object_set_new(params, wrong[i].option, json_string(wrong[i].value));
		if (switch_port_add(rig->sw, params, &err) >= 0 || !strstr(err.text, wrong[i].why))
			fail_msg("%s %s: \"%s\"", wrong[i].option, wrong[i].value, err.text);
		json_decref(params);
	}
	memset(longest + 5, 'x', sizeof(longest) - 6);
	params = vhost_port("a");
	json_object_set_new(params, "path", json_string(longest));
	rig_refuse(rig, switch_port_add, params, -ENAMETOOLONG, "107");
	params = vhost_port("a");
	json_object_update_new(params, J("{s:s, s:s}", "mode", "connect", "socket-mode", "0666"));
	rig_refuse(rig, switch_port_add, params, -EINVAL, "are for mode listen");
	/* one that is served already */
	add(rig, "a");
	params = vhost_port("b");
	json_object_set_new(params, "path", json_string(path_of("a")));
	rig_refuse(rig, switch_port_add, params, -EADDRINUSE, path_of("a"));
	assert_ptr_equal(rig->sw->ports, rig_find(rig, "a"));
	assert_null(rig->sw->ports->next);
}

static void test_socket_rights(void **state)
{
	struct rig *rig = *state;
	json_t *params = vhost_port("a");
	struct stat st;

	json_object_update_new(
		params, J("{s:s, s:s, s:s}", "owner", "0", "group", "0", "socket-mode", "0660"));
	rig_do(rig, switch_port_add, params);
	assert_int_equal(stat(path_of("a"), &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_true(st.st_uid == 0 && st.st_gid == 0);
	add(rig, "b");
	assert_int_equal(stat(path_of("b"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	rig_del(rig, "a");
	rig_settle(rig);
	assert_int_equal(stat(path_of("a"), &st), -1);
}

static bool has_name(const json_t *list, const char *name)
{
	json_t *text;
	size_t i;

	json_array_foreach (list, i, text) {
		if (json_is_string(text) && !strcmp(json_string_value(text), name))
			return true;
	}
	return false;
}

static void test_shows_the_guest(void **state)
{
	struct rig *rig = *state;
	struct guest g;
	json_t *o, *q;
	size_t i;

	rig_add(rig, "lan", NULL);
	add(rig, "vm");
	o = show(rig, "vm");
	assert_false(option_bool(o, "link", true));
	assert_false(option_bool(o, "connected", true));
	assert_string_equal(option_string(o, "socket", ""), path_of("vm"));
	assert_string_equal(option_string(o, "mode", ""), "listen");
	assert_int_equal(json_array_size(json_object_get(o, "queues")), 0);
	json_decref(o);
	plug(rig, &g, "vm", BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VIRTIO_NET_F_MQ), 2, false);
	UNTIL(rig, link_of(rig, "vm"));
	UNTIL(rig,
	      rig_find(rig, "vm")->port->n_rxqs == 2 && rig_find(rig, "vm")->port->n_txqs == 2);
	o = show(rig, "vm");
	assert_true(option_bool(o, "link", false));
	assert_int_equal(option_uint(o, "peer_pid", 0), getpid());
	assert_int_equal(option_uint(o, "connects", 0), 1);
	assert_int_equal(option_uint(o, "memory_regions", 0), 1);
	assert_int_equal(option_uint(o, "memory_bytes", 0), 8 << 20);
	assert_true(has_name(json_object_get(o, "features"), "VIRTIO_NET_F_MRG_RXBUF") ||
		    has_name(json_object_get(o, "features"), "MRG_RXBUF") ||
		    has_name(json_object_get(o, "features"), "mrg_rxbuf"));
	assert_int_equal(json_array_size(json_object_get(o, "queues")), 4);
	json_array_foreach (json_object_get(o, "queues"), i, q) {
		assert_string_equal(option_string(q, "state", ""), "ok");
		assert_string_equal(option_string(q, "ring", ""), "split");
		assert_string_equal(option_string(q, "direction", ""), i % 2 ? "rx" : "tx");
		assert_int_equal(option_uint(q, "index", 99), i / 2);
		assert_int_equal(option_uint(q, "size", 0), 256);
		assert_true(option_bool(q, "enabled", false));
		assert_true(option_uint(q, "worker", 99) < 2);
		assert_string_equal(option_string(q, "wakes_by", ""), "kick");
	}
	json_decref(o);
	unplug(&g);
	UNTIL(rig, !link_of(rig, "vm"));
	assert_int_equal(rig_find(rig, "vm")->port->n_rxqs, 0);
	assert_int_equal(rig_counter(rig, "vm", "tx_link_down"), 0);
	rig_announce(rig, "lan", MAC(1));
	UNTIL(rig, rig_counter(rig, "vm", "tx_link_down") == 1);
}

/* Between two guests, both ways, with different features; idle guests let the workers sleep. */
static void test_guest_to_guest(void **state)
{
	static const uint64_t kinds[] = {
		0, BIT(VIRTIO_NET_F_MRG_RXBUF),
		BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(VIRTIO_RING_F_INDIRECT_DESC),
		BIT(VIRTIO_F_RING_PACKED),
		BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_IN_ORDER) | BIT(VIRTIO_RING_F_EVENT_IDX)
	};
	const uint64_t n = scaled(1500);
	struct rig *rig = *state;
	struct guest a, b;

	add(rig, "a");
	add(rig, "b");
	for (unsigned k = 0; k < ARRAY_SIZE(kinds); k++) {
		uint64_t sent = 0, to_a = 0, to_b = 0, number;
		struct datapath_worker_stats stats;

		plug(rig, &a, "a", kinds[k], 1, false);
		plug(rig, &b, "b", kinds[(k + 1) % ARRAY_SIZE(kinds)], 1, false);
		UNTIL(rig, link_of(rig, "a") && link_of(rig, "b"));
		rig_settle(rig);
		guest_sends(rig, &a, 0, BROADCAST, MAC(1), 1ull << 40);
		assert_true(guest_expects(rig, &b, 0) == 1ull << 40);
		guest_sends(rig, &b, 0, BROADCAST, MAC(2), 1ull << 40);
		assert_true(guest_expects(rig, &a, 0) == 1ull << 40);
		while (to_a < n || to_b < n) {
			if (sent < n && sent - min(to_a, to_b) < 100) {
				guest_sends(rig, &a, 0, MAC(2), MAC(1), sent);
				guest_sends(rig, &b, 0, MAC(1), MAC(2), sent++);
			}
			UNTIL(rig, sent < n || to_a < n || to_b < n);
			while (guest_receives(&a, 0, &number))
				assert_int_equal(number, to_a++);
			while (guest_receives(&b, 0, &number))
				assert_int_equal(number, to_b++);
		}
		for (unsigned w = 0; w < 2; w++)
			UNTIL(rig, (datapath_worker_stats(rig->sw->dp, w, &stats), stats.asleep));
		/* a kick wakes */
		guest_sends(rig, &a, 0, MAC(2), MAC(1), 77);
		assert_int_equal(guest_expects(rig, &b, 0), 77);
		unplug(&a);
		unplug(&b);
		UNTIL(rig, !link_of(rig, "a") && !link_of(rig, "b"));
	}
	assert_int_equal(rig_drops(rig, "a") + rig_drops(rig, "b"), 0);
	assert_int_equal(rig_counter(rig, "a", "rx_packets"), rig_counter(rig, "b", "tx_packets"));
}

/* A guest that comes and goes, with and without a word, while two others talk. */
static void test_comes_and_goes(void **state)
{
	const unsigned rounds = scaled(30);
	uint64_t sent = 0, received = 0, number;
	struct rig *rig = *state;
	unsigned n_fds = 0;
	struct guest a, b, c;

	add(rig, "a");
	add(rig, "b");
	add(rig, "c");
	plug(rig, &a, "a", 0, 1, false);
	plug(rig, &b, "b", BIT(VIRTIO_NET_F_MRG_RXBUF), 1, false);
	UNTIL(rig, link_of(rig, "a") && link_of(rig, "b"));
	guest_sends(rig, &b, 0, 0x01005e000000ull, MAC(2), 0);
	guest_expects(rig, &a, 0);
	for (unsigned i = 0; i < rounds; i++) {
		unsigned pairs = 1 + i % 3;

		plug(rig, &c, "c", BIT(VIRTIO_NET_F_MQ), pairs, false);
		UNTIL(rig, rig_find(rig, "c")->port->n_rxqs == pairs);
		for (unsigned k = 0; k < 10; k++) {
			guest_sends(rig, &a, 0, MAC(2), MAC(1), sent++);
			guest_sends(rig, &c, k % pairs, MAC(3), MAC(3), 1ull << 40);
		}
		if (i % 2)
			frontend_stop_ring(c.frontend, 1);
		if (i % 3 == 0)
			rig_run(rig);
		unplug(&c);
		UNTIL(rig, !link_of(rig, "c"));
		while (guest_receives(&b, 0, &number))
			if (number < 1ull << 40)
				assert_int_equal(number, received++);
		while (guest_receives(&a, 0, &number))
			;
		if (i == rounds / 2) {
			rcu_drain();
			n_fds = count_fds();
		}
	}
	UNTIL(rig, ({
		      while (guest_receives(&b, 0, &number))
			      if (number < 1ull << 40)
				      assert_int_equal(number, received++);
		      received == sent;
	      }));
	rcu_drain();
	assert_int_equal(count_fds(), n_fds);
	assert_int_equal(rig_drops(rig, "a") + rig_drops(rig, "b"), 0);
	assert_int_equal(a.n_downs + b.n_downs, 0);
	unplug(&a);
	unplug(&b);
}

/* A port goes while its guest is there: connected, in traffic, stopping its rings. */
static void test_removed_under_its_guest(void **state)
{
	struct rig *rig = *state;
	struct guest g;

	rig_add(rig, "lan", NULL);
	for (unsigned i = 0, most = scaled(20); i < most; i++) {
		add(rig, "vm");
		plug(rig, &g, "vm", 0, 1, false);
		UNTIL(rig, link_of(rig, "vm"));
		for (unsigned k = 0; k < 10; k++)
			guest_sends(rig, &g, 0, BROADCAST, MAC(1), k);
		if (i % 4 == 1) /* the message is there before the removal is through ... */
			frontend_stop_ring(g.frontend, 0);
		if (i % 4 == 2) /* ... and is even being dealt with */
			for (unsigned k = 0; k < 3; k++) {
				frontend_stop_ring(g.frontend, k % 2);
				rig_run(rig);
			}
		rig_del(rig, "vm");
		if (i % 4 == 3)
			frontend_enable_ring(g.frontend, 1, false);
		rig_settle(rig);
		UNTIL(rig, g.n_downs > 0);
		unplug(&g);
		rig_drain(rig_find(rig, "lan")->port);
	}
}

/* The switch connects, waits for a front-end that is not there yet, and tries again. */
static void test_connects(void **state)
{
	struct rig *rig = *state;
	json_t *params = vhost_port("vm"), *o;
	struct port *lan = rig_add(rig, "lan", NULL);
	struct guest g;

	json_object_set_new(params, "mode", json_string("connect"));
	rig_do(rig, switch_port_add, params);
	rig_run(rig);
	for (unsigned i = 0; i < 3; i++) {
		assert_false(link_of(rig, "vm"));
		plug(rig, &g, "vm", 0, 1, true);
		UNTIL(rig, link_of(rig, "vm"));
		guest_sends(rig, &g, 0, BROADCAST, MAC(1), i);
		assert_int_equal(rig_expect(rig, lan), i);
		unplug(&g);
		UNTIL(rig, !link_of(rig, "vm"));
	}
	o = show(rig, "vm");
	assert_string_equal(option_string(o, "mode", ""), "connect");
	assert_int_equal(option_uint(o, "connects", 0), 3);
	json_decref(o);
	unlink(path_of("vm"));
}

static uint64_t n_called(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

/* A guest that breaks a ring is told, once, and shown with the reason; the other direction and the
 * others go on.
 */
static void test_broken_ring(void **state)
{
	struct rig *rig = *state;
	struct port *lan = rig_add(rig, "lan", NULL);
	struct driver_ring *ring;
	struct vring_avail *avail;
	uint64_t number, called = 0;
	struct guest g;
	json_t *o, *q;

	add(rig, "vm");
	plug(rig, &g, "vm", 0, 1, false);
	UNTIL(rig, link_of(rig, "vm"));
	guest_sends(rig, &g, 0, BROADCAST, MAC(1), 1);
	assert_int_equal(rig_expect(rig, lan), 1);
	ring = netdrv_ring(g.drv, 1);
	avail = ring->driver;
	__atomic_store_n(&avail->ring[avail->idx % 256], 5000, __ATOMIC_RELAXED);
	__atomic_store_n(&avail->idx, (uint16_t)(avail->idx + 1), __ATOMIC_RELEASE);
	netdrv_kick(g.drv, 1);
	UNTIL(rig, (called += n_called(frontend_err_fd(g.frontend, 1))) > 0);
	for (unsigned i = 0; i < 20; i++) {
		netdrv_kick(g.drv, 1);
		rig_run(rig);
		usleep(500);
		called += n_called(frontend_err_fd(g.frontend, 1));
	}
	assert_int_equal(called, 1);
	o = show(rig, "vm");
	q = json_array_get(json_object_get(o, "queues"), 1);
	assert_string_equal(option_string(q, "state", ""), "descriptor index beyond the table");
	q = json_array_get(json_object_get(o, "queues"), 0);
	assert_string_equal(option_string(q, "state", ""), "ok");
	json_decref(o);
	rig_send(rig, lan, MAC(1), MAC(9), 5);
	UNTIL(rig, guest_receives(&g, 0, &number));
	assert_int_equal(number, 5);
	unplug(&g);
	/* the next front-end begins afresh */
	plug(rig, &g, "vm", 0, 1, false);
	UNTIL(rig, link_of(rig, "vm"));
	guest_sends(rig, &g, 0, BROADCAST, MAC(1), 6);
	assert_int_equal(rig_expect(rig, lan), 6);
	unplug(&g);
}

/* Rings that are started and not enabled: what is sent on them is thrown away, nothing is put in.
 */
static void test_disabled_rings(void **state)
{
	struct rig *rig = *state;
	struct port *lan = rig_add(rig, "lan", NULL);
	struct guest g;

	add(rig, "vm");
	plug(rig, &g, "vm", 0, 1, false);
	UNTIL(rig, link_of(rig, "vm"));
	guest_sends(rig, &g, 0, BROADCAST, MAC(1), 1);
	assert_int_equal(rig_expect(rig, lan), 1);
	assert_int_equal(frontend_enable_ring(g.frontend, 1, false), 0);
	UNTIL(rig, frontend_ready(g.frontend));
	UNTIL(rig, ({
		      guest_sends(rig, &g, 0, BROADCAST, MAC(1), 2);
		      rig_counter(rig, "vm", "queue_disabled") > 0;
	      }));
	assert_int_equal(frontend_enable_ring(g.frontend, 0, false), 0);
	UNTIL(rig, rig_find(rig, "vm")->port->n_txqs == 0);
	rig_settle(rig);
	UNTIL(rig, ({
		      rig_send(rig, lan, MAC(1), MAC(9), 3);
		      rig_counter(rig, "vm", "tx_no_queue") > 0;
	      }));
	rig_drain(lan);
	assert_int_equal(frontend_enable_ring(g.frontend, 1, true), 0);
	assert_int_equal(frontend_enable_ring(g.frontend, 0, true), 0);
	UNTIL(rig, rig_find(rig, "vm")->port->n_txqs == 1);
	UNTIL(rig, ({
		      guest_sends(rig, &g, 0, BROADCAST, MAC(1), 4);
		      uint64_t number = 0;

		      rig_receive(lan, 0, &number) && number == 4;
	      }));
	unplug(&g);
}

/* An MTU that is set is offered to the next front-end. */
static void test_mtu(void **state)
{
	struct rig *rig = *state;
	struct guest g;

	add(rig, "vm");
	rig_set(rig, "vm", "mtu", "9000");
	assert_int_equal(rig_find(rig, "vm")->port->mtu, 9000);
	plug(rig, &g, "vm", BIT(VIRTIO_NET_F_MTU), 1, false);
	assert_true(frontend_features(g.frontend) & BIT(VIRTIO_NET_F_MTU));
	/* one queue pair without a control queue: MQ would make no sense */
	unplug(&g);
	UNTIL(rig, !link_of(rig, "vm"));
	rig_refuse(rig, switch_port_set, J("{s:s, s:s}", "name", "vm", "queues", "2"), -EINVAL,
		   "cannot be changed");
	rig_refuse(rig, switch_port_set, J("{s:s, s:s}", "name", "vm", "path", "/x"), -EINVAL,
		   "cannot be changed");
}

/* All offloads are offered; one that is turned off is not offered to the next front-end, nor is
 * what depends on it. */
static void test_offloads(void **state)
{
	const uint64_t csum = BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM);
	const uint64_t ecn = BIT(VIRTIO_NET_F_HOST_ECN) | BIT(VIRTIO_NET_F_GUEST_ECN);
	const uint64_t tso = ecn | BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6) |
			     BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6);
	const uint64_t uso = BIT(VIRTIO_NET_F_HOST_USO) | BIT(VIRTIO_NET_F_GUEST_USO4) |
			     BIT(VIRTIO_NET_F_GUEST_USO6);
	const uint64_t mrg = BIT(VIRTIO_NET_F_MRG_RXBUF), all = csum | tso | uso | mrg;
	const struct {
		const char *option;
		uint64_t offered;
	} steps[] = {
		{ NULL, all },
		{ "offload-ecn", all & ~ecn },
		{ "offload-mrg-rxbuf", all & ~ecn & ~mrg },
		{ "offload-tso", csum | uso },
		{ "offload-uso", csum },
		{ "offload-csum", 0 },
	};
	struct rig *rig = *state;
	struct guest g;
	json_t *params = J("{s:s, s:s, s:s}", "name", "vm", "offload-tso", "off", "mtu", "9000");
	json_t *later;

	add(rig, "vm");
	later = switch_port_later(rig->sw, params);
	assert_int_equal(json_array_size(later), 0); /* nobody is there */
	json_decref(later);
	for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
		if (steps[i].option)
			rig_set(rig, "vm", steps[i].option, "off");
		plug(rig, &g, "vm", all, 1, false);
		assert_int_equal(frontend_features(g.frontend) & all, steps[i].offered);
		/* a front-end that is there goes on with what it has */
		rig_set(rig, "vm", "offload-csum", "off");
		assert_int_equal(rig_find(rig, "vm")->port->txqs[0]->offloads,
				 offload_of_guest(steps[i].offered));
		rig_set(rig, "vm", "offload-csum", "default");
		later = switch_port_later(rig->sw, params);
		assert_int_equal(json_array_size(later), 1);
		json_decref(later);
		unplug(&g);
		UNTIL(rig, !link_of(rig, "vm"));
	}
	json_decref(params);
}

/* The link's status is a field of the configuration space, and offered with it. */
static void test_status(void **state)
{
	struct rig *rig = *state;
	struct guest g;

	for (unsigned config = 0; config < 2; config++) {
		rig_do(rig, switch_port_add,
		       J("{s:s, s:s, s:s, s:b}", "name", config ? "with" : "without", "type",
			 "vhost-user", "path", path_of("s"), "config", config));
		plug(rig, &g, "s", BIT(VIRTIO_NET_F_STATUS), 1, false);
		assert_int_equal(frontend_features(g.frontend) >> VIRTIO_NET_F_STATUS & 1, config);
		unplug(&g);
		UNTIL(rig, !link_of(rig, config ? "with" : "without"));
		rig_del(rig, config ? "with" : "without");
		rig_settle(rig);
	}
}

/* SEND_RARP: the guest has moved here, and the other ports are told. */
static void test_announces(void **state)
{
	struct {
		struct vhost_user_header header;
		uint64_t payload;
	} __attribute__((packed)) m = { .header = { .flags = VHOST_USER_VERSION, .size = 8 } };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct rig *rig = *state;
	struct port *lan = rig_add(rig, "lan", NULL);
	const struct dummy_frame *f;
	int fd;

	add(rig, "vm");
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path_of("vm"));
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	m.header.request = VHOST_USER_SET_PROTOCOL_FEATURES;
	m.payload = BIT(VHOST_USER_PROTOCOL_F_RARP);
	assert_int_equal(write(fd, &m, sizeof(m)), sizeof(m));
	m.header.request = VHOST_USER_SEND_RARP;
	memcpy(&m.payload, (const uint8_t[8]){ 2, 0, 0, 0, 0, 7 }, 8);
	assert_int_equal(write(fd, &m, sizeof(m)), sizeof(m));
	UNTIL(rig, (f = dummy_sent_peek(lan, 0)));
	assert_true(mac_load(f->bytes) == BROADCAST && mac_load(f->bytes + 6) == MAC(7));
	assert_int_equal(f->bytes[12] << 8 | f->bytes[13], 0x8035);
	assert_int_equal(mac_table_lookup(rig_find(rig, "vm")->bridge->macs, MAC(7), 0),
			 rig_find(rig, "vm")->id);
	close(fd);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_add_refuses),	    TEST(test_socket_rights),
		TEST(test_shows_the_guest), TEST(test_guest_to_guest),
		TEST(test_comes_and_goes),  TEST(test_removed_under_its_guest),
		TEST(test_connects),	    TEST(test_broken_ring),
		TEST(test_disabled_rings),  TEST(test_mtu),
		TEST(test_offloads),	    TEST(test_status),
		TEST(test_announces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
