// SPDX-License-Identifier: Apache-2.0
/* TAP ports against the real kernel, in network namespaces of our own:
 *
 *	test -- packet socket -- device [kernel] tap port -- test
 *
 * Needs root. Everything it makes ends with the process: it has a mount namespace of its own, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_env.h"
#include "fds.h"
#include "port/kinds.h"
#include "port/offload.h"

#define TYPE 0x88b5 /* for local experiments: nothing but the test sends it */
#define WAIT_MS 2000
#define TCP_HEADERS 54 /* bytes: Ethernet, IPv4, TCP */
#define LARGE 20000    /* payload bytes of a large packet */

struct fixture {
	struct event_base *base;
	struct fake_env env;
	struct port *port;
	struct batch *batch;
	struct port_counters counters;
	unsigned n_fds;
	struct error err;
	int control; /* a socket for ioctls */
};

static pid_t blue_pid; /* keeps network namespace "blue" alive */

static void put_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0)
		return; /* a kernel without IPv6 */
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void keep_namespace(int ready)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (unshare(CLONE_NEWNET) < 0 || write(ready, "", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

/* A namespace without IPv6 (which sends on its own), and another one named "blue". */
static int enter_namespaces(void **state)
{
	char path[64], c;
	int ready[2];

	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0) {
		print_error("this test needs root: %s\n", strerror(errno));
		return -1;
	}
	put_file("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(mount("none", "/run", "tmpfs", 0, NULL), 0);
	assert_int_equal(mkdir("/run/netns", 0755), 0);
	assert_int_equal(pipe(ready), 0);
	blue_pid = fork();
	if (!blue_pid)
		keep_namespace(ready[1]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	close(open("/run/netns/blue", O_CREAT | O_RDONLY, 0644));
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)blue_pid);
	assert_int_equal(mount(path, "/run/netns/blue", NULL, MS_BIND, NULL), 0);
	close(open("/run/netns/red", O_CREAT | O_RDONLY, 0644)); /* a file, no namespace */
	return 0;
}

static int leave_namespaces(void **state)
{
	kill(blue_pid, SIGKILL);
	return waitpid(blue_pid, NULL, 0) == blue_pid ? 0 : -1;
}

static int setup(void **state)
{
	static struct fixture f;

	memset(&f, 0, sizeof(f));
	f.base = event_base_new();
	f.env = fake_env_make(f.base);
	f.batch = batch_create();
	f.control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(f.base && f.batch && f.control >= 0);
	f.n_fds = count_fds();
	*state = &f;
	return 0;
}

/* Every test ends with as many open fds as it started with. */
static int teardown(void **state)
{
	struct fixture *f = *state;
	unsigned n_fds;

	tap_port_ops.destroy(f->port);
	n_fds = count_fds();
	close(f->control);
	batch_destroy(f->batch);
	event_base_free(f->base);
	return n_fds == f->n_fds ? 0 : -1;
}

static int make_named(struct fixture *f, const char *name, json_t *options)
{
	f->err = (struct error){ "" };
	return fake_create(&tap_port_ops, &f->port, name, options, &f->env, &f->err);
}

static void make(struct fixture *f, json_t *options)
{
	if (make_named(f, "t0", options) < 0)
		fail_msg("%s", f->err.text);
}

static void unmake(struct fixture *f)
{
	tap_port_ops.destroy(f->port);
	f->port = NULL;
}

static void assert_refused(struct fixture *f, json_t *options, const char *text)
{
	assert_true(make_named(f, "t0", options) < 0);
	if (!strstr(f->err.text, text))
		fail_msg("\"%s\" does not say \"%s\"", f->err.text, text);
	assert_int_equal(count_fds(), f->n_fds);
}

static void assert_shown(struct fixture *f, const char *key, const char *text)
{
	json_t *out = json_object();

	f->port->ops->show(f->port, out);
	assert_string_equal(option_string(out, key, "-"), text);
	json_decref(out);
}

static int device_flags(struct fixture *f, const char *name)
{
	struct ifreq ifr = { 0 };

	strcpy(ifr.ifr_name, name);
	return ioctl(f->control, SIOCGIFFLAGS, &ifr) < 0 ? -errno : ifr.ifr_flags;
}

static int device_mtu(struct fixture *f, const char *name)
{
	struct ifreq ifr = { 0 };

	strcpy(ifr.ifr_name, name);
	return ioctl(f->control, SIOCGIFMTU, &ifr) < 0 ? -errno : ifr.ifr_mtu;
}

static void set_up(struct fixture *f, const char *name, bool up)
{
	struct ifreq ifr = { .ifr_flags = up ? IFF_UP : 0 };

	strcpy(ifr.ifr_name, name);
	assert_int_equal(ioctl(f->control, SIOCSIFFLAGS, &ifr), 0);
}

static void delete_device(const char *name)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg info;
	} request = {
		.h = { .nlmsg_len = sizeof(request),
		       .nlmsg_type = RTM_DELLINK,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		.info = { .ifi_index = (int)if_nametoindex(name) },
	};
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
		char rest[256];
	} answer;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	assert_true(fd >= 0);
	assert_int_equal(send(fd, &request, sizeof(request), 0), sizeof(request));
	assert_true(recv(fd, &answer, sizeof(answer), 0) > 0);
	assert_int_equal(answer.e.error, 0);
	close(fd);
}

/* The other side of the device. */
static int open_packet_socket(const char *device)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_protocol = htons(TYPE) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(TYPE));

	to.sll_ifindex = (int)if_nametoindex(device);
	assert_true(fd >= 0 && to.sll_ifindex > 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static void fill_frame(uint8_t *frame, unsigned len, unsigned seed)
{
	for (unsigned i = 0; i < len; i++)
		frame[i] = (uint8_t)(i * 11 + seed);
	memset(frame, 0xff, ETH_ALEN);
	frame[6] = 2;
	frame[12] = TYPE >> 8;
	frame[13] = TYPE & 0xff;
}

static unsigned rx(struct fixture *f, unsigned queue)
{
	batch_clear(f->batch);
	f->port->ops->rx(f->port->rxqs[queue], f->batch, &f->counters);
	f->port->ops->rx_done(f->port->rxqs[queue], f->batch);
	return f->batch->n;
}

static bool readable(int fd, int timeout)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, timeout) == 1 && p.revents & POLLIN;
}

/* Runs the loop until the port has told n changes. */
static void wait_changes(struct fixture *f, unsigned n)
{
	for (unsigned i = 0; f->env.n_changed < n && i < WAIT_MS; i++) {
		event_base_loop(f->base, EVLOOP_NONBLOCK);
		usleep(1000);
	}
	assert_int_equal(f->env.n_changed, n);
}

static void device_comes_and_goes_with_the_port(void **state)
{
	struct fixture *f = *state;

	make(f, json_object());
	assert_true(f->port->link);
	assert_int_equal(f->port->n_rxqs, 1);
	assert_int_equal(f->port->n_txqs, 1);
	assert_true(device_flags(f, "t0") & IFF_UP);
	assert_shown(f, "interface", "t0");
	assert_shown(f, "operstate", "up");
	unmake(f);
	assert_int_equal(device_flags(f, "t0"), -ENODEV);
}

static void receives_every_length(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[1514], out[1514];
	uint64_t bytes = 0;
	int s;

	for (unsigned header = 0; header < 2; header++) {
		make(f, json_pack("{s:b}", "vnet-header", header));
		s = open_packet_socket("t0");
		for (unsigned len = 14; len <= 1514; len++) {
			fill_frame(frame, len, len);
			assert_int_equal(send(s, frame, len, 0), len);
			assert_true(readable(f->port->rxqs[0]->wake_fd, WAIT_MS));
			assert_int_equal(rx(f, 0), 1);
			assert_int_equal(f->batch->pkts[0].len, len);
			pkt_copy(&f->batch->pkts[0], out);
			assert_memory_equal(out, frame, len);
			bytes += len;
		}
		assert_int_equal(f->counters.rx_packets, 1501 * (header + 1));
		assert_int_equal(f->counters.rx_bytes, bytes);
		close(s);
		unmake(f);
	}
}

static void receives_in_batches(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[100];
	unsigned next = 0;
	struct rxq *q;
	int s;

	make(f, json_object());
	q = f->port->rxqs[0];
	s = open_packet_socket("t0");
	assert_false(q->port->ops->arm(q));
	for (unsigned i = 0; i < 80; i++) {
		fill_frame(frame, sizeof(frame), i);
		assert_int_equal(send(s, frame, sizeof(frame), 0), sizeof(frame));
	}
	assert_true(readable(q->wake_fd, WAIT_MS));
	q->port->ops->disarm(q);
	while (next < 80) {
		unsigned n;

		assert_true(q->port->ops->arm(q));
		n = rx(f, 0);
		assert_int_equal(n, min(80 - next, f->batch->most));
		f->batch->most = 7; /* from now on the worker wants fewer */
		for (unsigned i = 0; i < n; i++, next++) {
			fill_frame(frame, sizeof(frame), next);
			assert_memory_equal(f->batch->pkts[i].head, frame, sizeof(frame));
		}
	}
	assert_false(q->port->ops->arm(q));
	assert_int_equal(rx(f, 0), 0);
	close(s);
}

/* Sends @len bytes as a packet of fragments of @size bytes, and compares what the kernel got. */
static void send_and_compare(struct fixture *f, int s, unsigned len, unsigned size)
{
	static uint8_t frame[2048], out[2048];
	struct iovec iov[2048];
	struct pkt pkt, *p = &pkt;
	unsigned n = 0;

	fill_frame(frame, len, len);
	for (unsigned at = 0; at < len; at += size)
		iov[n++] = (struct iovec){ frame + at, min(size, len - at) };
	pkt_init(&pkt, iov, n, len);
	f->port->ops->tx(f->port->txqs[0], &p, 1, &f->counters);
	assert_true(readable(s, WAIT_MS));
	assert_int_equal(recv(s, out, sizeof(out), 0), len);
	assert_memory_equal(out, frame, len);
}

static void sends_every_length_and_split(void **state)
{
	struct fixture *f = *state;
	unsigned n = 0;
	int s;

	for (unsigned header = 0; header < 2; header++) {
		make(f, json_pack("{s:b}", "vnet-header", header));
		s = open_packet_socket("t0");
		for (unsigned len = 14; len <= 1514; len++, n++)
			send_and_compare(f, s, len, 2000);
		for (unsigned size = 1; size < 200; size++, n++)
			send_and_compare(f, s, 1514, size);
		assert_int_equal(f->counters.tx_packets, n);
		close(s);
		unmake(f);
	}
}

/* Makes @frame a TCP packet without options, @payload bytes of pattern behind its headers, and
 * returns the header that leaves its checksum to the receiver; with @size, it is large. */
static struct virtio_net_hdr make_tcp(uint8_t *frame, unsigned payload, uint16_t size)
{
	struct virtio_net_hdr header = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
					 .csum_start = 34,
					 .csum_offset = 16 };
	uint32_t sum = 0;

	fill_frame(frame, TCP_HEADERS + payload, 0);
	memcpy(frame + 12, "\x08\x00\x45\0", 4);
	frame[16] = (uint8_t)((40 + payload) >> 8);
	frame[17] = (uint8_t)(40 + payload);
	memcpy(frame + 18, "\x12\x34\x40\0\x40\x06\0\0\x0a\0\0\x01\x0a\0\0\x02", 16);
	for (unsigned i = 14; i < 34; i += 2)
		sum += frame[i] * 256u + frame[i + 1];
	sum = ~((sum & 0xffff) + (sum >> 16));
	frame[24] = (uint8_t)(sum >> 8);
	frame[25] = (uint8_t)sum;
	frame[46] = 0x50;
	frame[47] = 0x10;
	if (size) {
		header.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
		header.gso_size = size;
		header.hdr_len = TCP_HEADERS;
	}
	return header;
}

/* The other side of the device, for IPv4 and with offloads. */
static int open_offload_socket(void)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_IP)), one = 1;

	to.sll_ifindex = (int)if_nametoindex("t0");
	assert_true(fd >= 0 && to.sll_ifindex > 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* The kernel's stack sends a large packet; what the port receives of it in all. */
static unsigned receive_large(struct fixture *f, int s)
{
	static uint8_t frame[TCP_HEADERS + LARGE];
	struct virtio_net_hdr header = make_tcp(frame, LARGE, 1000);
	struct iovec iov[] = { { &header, sizeof(header) }, { frame, sizeof(frame) } };
	unsigned n = 0, payload = 0;

	assert_int_equal(writev(s, iov, 2), sizeof(header) + sizeof(frame));
	while (payload < LARGE) {
		unsigned got;

		assert_true(readable(f->port->rxqs[0]->wake_fd, WAIT_MS));
		got = rx(f, 0);
		for (unsigned i = 0; i < got; i++)
			payload += f->batch->pkts[i].len - TCP_HEADERS;
		n += got;
	}
	assert_int_equal(payload, LARGE);
	return n;
}

static void set_options(struct fixture *f, json_t *options)
{
	assert_int_equal(tap_port_ops.set(f->port, options, options, &f->err), 0);
	json_decref(options);
}

/* The kernel leaves to us what we want, and what it is told takes effect at once. */
static void receives_large_packets(void **state)
{
	struct fixture *f = *state;
	const struct virtio_net_hdr *offload = &f->batch->pkts[0].offload;
	int s;

	make(f, json_object());
	s = open_offload_socket();
	assert_int_equal(receive_large(f, s), 1);
	assert_int_equal(offload->gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	assert_int_equal(offload->gso_size, 1000);
	assert_int_equal(offload->csum_start, 34);
	assert_int_equal(offload->flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);

	set_options(f, json_pack("{s:b}", "offload-tso", 0));
	assert_int_equal(receive_large(f, s), LARGE / 1000);
	assert_int_equal(offload->gso_type, VIRTIO_NET_HDR_GSO_NONE);
	assert_false(f->port->txqs[0]->offloads & OFFLOAD_TSO4);

	set_options(f, json_pack("{s:b}", "offload-csum", 0));
	assert_int_equal(receive_large(f, s), LARGE / 1000);
	assert_int_equal(offload->flags, 0);
	assert_int_equal(f->port->txqs[0]->offloads, 0);

	set_options(f, json_object());
	assert_int_equal(receive_large(f, s), 1);
	close(s);
	unmake(f);

	make(f, json_pack("{s:b}", "vnet-header", 0));
	s = open_offload_socket();
	assert_int_equal(receive_large(f, s), LARGE / 1000);
	assert_int_equal(f->port->txqs[0]->offloads, 0);
	close(s);
}

/* The kernel takes large packets whole. */
static void sends_large_packets(void **state)
{
	static uint8_t frame[TCP_HEADERS + LARGE], out[sizeof(frame) + 100];
	struct fixture *f = *state;
	struct virtio_net_hdr header;
	struct iovec frag, iov[] = { { &header, sizeof(header) }, { out, sizeof(out) } };
	struct pkt pkt, *p = &pkt;
	int s;

	make(f, json_object());
	s = open_offload_socket();
	header = make_tcp(frame, LARGE, 1000);
	pkt_init_linear(&pkt, frame, sizeof(frame), &frag);
	pkt.offload = header;
	f->port->ops->tx(f->port->txqs[0], &p, 1, &f->counters);
	assert_int_equal(f->counters.tx_packets, 1);
	assert_true(readable(s, WAIT_MS));
	assert_int_equal(readv(s, iov, 2), sizeof(header) + sizeof(frame));
	assert_memory_equal(out, frame, sizeof(frame));
	assert_int_equal(header.gso_size, 1000);
	close(s);

	/* The kernel refuses a checksum beyond the frame. */
	pkt.offload = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
					       .csum_start = 65000 };
	f->port->ops->tx(f->port->txqs[0], &p, 1, &f->counters);
	assert_int_equal(f->counters.drops[DROP_tx_error], 1);
}

/* UDP segmentation, where the kernel has it: it then takes such packets, too. */
static void udp_segmentation_is_probed(void **state)
{
	static uint8_t frame[42 + 3000], out[sizeof(frame) + 100];
	struct fixture *f = *state;
	struct virtio_net_hdr header;
	struct iovec frag, iov[] = { { &header, sizeof(header) }, { out, sizeof(out) } };
	struct pkt pkt, *p = &pkt;
	unsigned offloads;
	int s;

	make(f, json_object());
	offloads = f->port->txqs[0]->offloads;
	assert_int_equal(offloads | OFFLOAD_USO4 | OFFLOAD_USO6, OFFLOAD_ALL);
	assert_int_equal(!(offloads & OFFLOAD_USO4), !(offloads & OFFLOAD_USO6));
	if (!(offloads & OFFLOAD_USO4))
		return; /* Linux before 6.2: nothing is promised for it */
	make_tcp(frame, sizeof(frame) - TCP_HEADERS, 0);
	frame[23] = 17;
	frame[25] = (uint8_t)(frame[25] - 11); /* of the header's checksum */
	frame[38] = (uint8_t)((sizeof(frame) - 34) >> 8);
	frame[39] = (uint8_t)(sizeof(frame) - 34);
	pkt_init_linear(&pkt, frame, sizeof(frame), &frag);
	pkt.offload = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
					       .gso_type = VIRTIO_NET_HDR_GSO_UDP_L4,
					       .gso_size = 1000,
					       .hdr_len = 42,
					       .csum_start = 34,
					       .csum_offset = 6 };
	s = open_offload_socket();
	f->port->ops->tx(f->port->txqs[0], &p, 1, &f->counters);
	assert_int_equal(f->counters.tx_packets, 1);
	assert_true(readable(s, WAIT_MS));
	assert_int_equal(readv(s, iov, 2), sizeof(header) + sizeof(frame));
	assert_int_equal(header.gso_type, VIRTIO_NET_HDR_GSO_UDP_L4);
	/* and the other way */
	iov[1].iov_len = sizeof(frame);
	assert_int_equal(writev(s, iov, 2), sizeof(header) + sizeof(frame));
	assert_true(readable(f->port->rxqs[0]->wake_fd, WAIT_MS));
	assert_int_equal(rx(f, 0), 1);
	assert_int_equal(f->batch->pkts[0].offload.gso_type, VIRTIO_NET_HDR_GSO_UDP_L4);
	close(s);
}

static void link_follows_the_device(void **state)
{
	struct fixture *f = *state;
	struct pkt pkt, *p = &pkt;
	struct iovec frag;
	uint8_t frame[60];

	make(f, json_object());
	set_up(f, "t0", false);
	wait_changes(f, 1);
	assert_false(f->port->link);
	assert_shown(f, "operstate", "down");
	fill_frame(frame, sizeof(frame), 0);
	pkt_init_linear(&pkt, frame, sizeof(frame), &frag);
	f->port->ops->tx(f->port->txqs[0], &p, 1, &f->counters);
	assert_int_equal(f->counters.drops[DROP_tx_link_down], 1);
	set_up(f, "t0", true);
	wait_changes(f, 2);
	assert_true(f->port->link);
	assert_shown(f, "operstate", "up");
}

static void device_can_be_taken_away(void **state)
{
	struct fixture *f = *state;
	struct pkt pkt, *p = &pkt;
	struct iovec frag;
	uint8_t frame[60];

	make(f, json_object());
	delete_device("t0");
	wait_changes(f, 1);
	assert_false(f->port->link);
	assert_shown(f, "operstate", "removed");
	assert_int_equal(rx(f, 0), 0);
	assert_false(f->port->ops->arm(f->port->rxqs[0]));
	fill_frame(frame, sizeof(frame), 0);
	pkt_init_linear(&pkt, frame, sizeof(frame), &frag);
	f->port->ops->tx(f->port->txqs[0], &p, 1, &f->counters);
	assert_int_equal(f->counters.drops[DROP_tx_error], 1);
}

static void several_queues(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[60], out[60];
	unsigned got = 0;
	int s;

	make(f, json_pack("{s:i}", "queues", 4));
	assert_int_equal(f->port->n_rxqs, 4);
	assert_int_equal(f->port->n_txqs, 4);
	s = open_packet_socket("t0");
	fill_frame(frame, sizeof(frame), 0);
	for (unsigned i = 0; i < 4; i++) {
		struct pkt pkt, *p = &pkt;
		struct iovec frag;

		assert_int_equal(f->port->rxqs[i]->index, i);
		assert_ptr_equal(f->port->txqs[i]->port, f->port);
		pkt_init_linear(&pkt, frame, sizeof(frame), &frag);
		f->port->ops->tx(f->port->txqs[i], &p, 1, &f->counters);
		assert_true(readable(s, WAIT_MS));
		assert_int_equal(recv(s, out, sizeof(out), 0), sizeof(out));
	}
	assert_int_equal(send(s, frame, sizeof(frame), 0), sizeof(frame));
	for (unsigned i = 0; i < 4; i++)
		got += rx(f, i);
	assert_int_equal(got, 1);
	close(s);
}

static void mtu_is_set(void **state)
{
	struct fixture *f = *state;
	json_t *changes = json_pack("{s:i}", "mtu", 1400), *none = json_object();

	make(f, json_pack("{s:s}", "mtu", "9000"));
	assert_int_equal(device_mtu(f, "t0"), 9000);
	assert_int_equal(f->port->ops->set(f->port, changes, changes, &f->err), 0);
	assert_int_equal(device_mtu(f, "t0"), 1400);
	assert_int_equal(f->port->ops->set(f->port, none, none, &f->err), 0);
	assert_int_equal(device_mtu(f, "t0"), 1500);
	delete_device("t0");
	assert_int_equal(f->port->ops->set(f->port, changes, changes, &f->err), -ENODEV);
	json_decref(changes);
	json_decref(none);
}

static void named_namespace(void **state)
{
	struct fixture *f = *state;
	struct stat before, after;

	assert_int_equal(stat("/proc/thread-self/ns/net", &before), 0);
	make(f, json_pack("{s:s, s:s}", "netns", "blue", "interface", "eth0"));
	assert_int_equal(stat("/proc/thread-self/ns/net", &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_true(f->port->link);
	assert_int_equal(device_flags(f, "eth0"), -ENODEV);
	assert_shown(f, "netns", "blue");
	assert_shown(f, "interface", "eth0");
	/* Taken there: refused there, and free here. */
	{
		struct port *first = f->port;

		f->port = NULL;
		assert_true(make_named(f, "t1",
				       json_pack("{s:s, s:s}", "netns", "blue", "interface",
						 "eth0")) < 0);
		assert_non_null(strstr(f->err.text, "device eth0 exists already in network "
						    "namespace blue"));
		assert_int_equal(make_named(f, "t2", json_pack("{s:s}", "interface", "eth0")), 0);
		unmake(f);
		f->port = first;
	}
}

static void make_persistent(const char *name, short flags)
{
	struct ifreq ifr = { .ifr_flags = (short)(IFF_TAP | IFF_NO_PI | flags) };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	strcpy(ifr.ifr_name, name);
	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
	assert_int_equal(ioctl(fd, TUNSETPERSIST, 1), 0);
	close(fd);
}

static void existing_devices_stay(void **state)
{
	struct fixture *f = *state;

	for (unsigned multi = 0; multi < 2; multi++) {
		make_persistent("keep", multi ? IFF_MULTI_QUEUE : 0);
		assert_true(device_flags(f, "keep") > 0);
		make(f, json_pack("{s:s, s:s}", "interface", "keep", "existing", "on"));
		assert_true(f->port->link);
		assert_true(device_flags(f, "keep") & IFF_UP);
		unmake(f);
		assert_true(device_flags(f, "keep") > 0);
		delete_device("keep");
	}
	make_persistent("keep", 0);
	assert_refused(
		f, json_pack("{s:s, s:s, s:i}", "interface", "keep", "existing", "on", "queues", 2),
		"has no room for 2 queues");
	make(f, json_pack("{s:s, s:s}", "interface", "keep", "existing", "on"));
	{
		struct port *first = f->port;
		unsigned n_fds = f->n_fds;

		f->port = NULL;
		f->n_fds = count_fds();
		assert_refused(f, json_pack("{s:s, s:s}", "interface", "keep", "existing", "on"),
			       "in use by another program");
		f->n_fds = n_fds;
		f->port = first;
	}
	unmake(f);
	delete_device("keep");
}

static void mistakes_are_explained(void **state)
{
	struct fixture *f = *state;

	assert_refused(f, json_pack("{s:s, s:s}", "interface", "none", "existing", "on"),
		       "there is no device none: make one with \"ip tuntap add\"");
	assert_refused(f, json_pack("{s:s}", "interface", "lo"), "device lo exists already");
	assert_refused(f, json_pack("{s:s, s:s}", "interface", "lo", "existing", "on"),
		       "no tap device");
	assert_refused(f, json_pack("{s:s}", "netns", "green"),
		       "cannot open network namespace green (/run/netns/green)");
	assert_refused(f, json_pack("{s:s}", "netns", "red"), "cannot enter network namespace red");
	assert_refused(f, json_pack("{s:s}", "netns", "../netns/blue"), "cannot name");
	assert_refused(f, json_pack("{s:s}", "netns", ".."), "cannot name");
	assert_refused(f, json_pack("{s:s}", "interface", "sixteen_letters_"), "1 to 15 bytes");
	assert_refused(f, json_pack("{s:s}", "interface", "a/b"), "'/' cannot be");
	assert_refused(f, json_pack("{s:s}", "interface", "tap%d"), "'%' cannot be");
	assert_refused(f, json_pack("{s:s}", "interface", ".."), "cannot name");
	assert_refused(f, json_pack("{s:i}", "queues", 0), "from 1 to 128");
	assert_true(make_named(f, "a-name-that-is-too-long", json_object()) < 0);
	assert_non_null(strstr(f->err.text, "too long for a kernel device: say interface NAME"));
}

/* In a child that is nobody. */
static void without_rights(void **state)
{
	struct fixture *f = *state;
	pid_t pid = fork();
	int status;

	if (!pid) {
		bool ok = setresuid(65534, 65534, 65534) == 0 &&
			  make_named(f, "t0", json_object()) < 0 &&
			  (strstr(f->err.text, "CAP_NET_ADMIN") != NULL);

		_exit(ok ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(device_comes_and_goes_with_the_port, setup,
						teardown),
		cmocka_unit_test_setup_teardown(receives_every_length, setup, teardown),
		cmocka_unit_test_setup_teardown(receives_in_batches, setup, teardown),
		cmocka_unit_test_setup_teardown(sends_every_length_and_split, setup, teardown),
		cmocka_unit_test_setup_teardown(receives_large_packets, setup, teardown),
		cmocka_unit_test_setup_teardown(sends_large_packets, setup, teardown),
		cmocka_unit_test_setup_teardown(udp_segmentation_is_probed, setup, teardown),
		cmocka_unit_test_setup_teardown(link_follows_the_device, setup, teardown),
		cmocka_unit_test_setup_teardown(device_can_be_taken_away, setup, teardown),
		cmocka_unit_test_setup_teardown(several_queues, setup, teardown),
		cmocka_unit_test_setup_teardown(mtu_is_set, setup, teardown),
		cmocka_unit_test_setup_teardown(named_namespace, setup, teardown),
		cmocka_unit_test_setup_teardown(existing_devices_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(mistakes_are_explained, setup, teardown),
		cmocka_unit_test_setup_teardown(without_rights, setup, teardown),
	};

	return cmocka_run_group_tests(tests, enter_namespaces, leave_namespaces);
}
