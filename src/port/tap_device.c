// SPDX-License-Identifier: Apache-2.0
// TAP devices: opening, MTU and state. What has to happen inside a network namespace runs on a
// short-lived thread, so that no error can leave the control thread in the wrong one.
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/broker.h"
#include "base/compiler.h"
#include "port/offload.h"
#include "port/tap_device.h"

/* Linux 6.2, for headers that do not have it yet. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

#define NETNS_DIR "/run/netns"
#define MONITOR_READS_MAX 64 /* messages taken at once; the rest wakes us again */

int tap_interface_check(const char *interface, struct error *err)
{
	size_t len = strlen(interface);

	if (!len || len >= IFNAMSIZ)
		return error_set(err, -EINVAL,
				 "a kernel device's name has 1 to %d bytes, \"%.32s\" has %zu",
				 IFNAMSIZ - 1, interface, len);
	if (!strcmp(interface, ".") || !strcmp(interface, ".."))
		return error_set(err, -EINVAL, "\"%s\" cannot name a kernel device", interface);
	for (const char *c = interface; *c; c++) {
		if (!isgraph((unsigned char)*c) || strchr("/:%", *c))
			return error_set(err, -EINVAL, "'%c' cannot be in a kernel device's name",
					 *c);
	}
	return 0;
}

/* " in network namespace blue", or nothing. */
static const char *where(const struct tap_spec *spec, char *text, size_t size)
{
	snprintf(text, size, spec->netns ? " in network namespace %s" : "%s",
		 spec->netns ? spec->netns : "");
	return text;
}

static int explain(const struct tap_spec *spec, int error, struct error *err)
{
	char in[64];

	where(spec, in, sizeof(in));
	switch (error) {
	case EPERM:
	case EACCES:
		return error_set(err, -error,
				 "no permission to use tap device %s%s: vireod needs CAP_NET_ADMIN",
				 spec->interface, in);
	case EBUSY:
		if (!spec->existing)
			return error_set(err, -error,
					 "device %s exists already%s: choose another interface, "
					 "or say existing on to use it",
					 spec->interface, in);
		return error_set(err, -error, "tap device %s is in use by another program%s",
				 spec->interface, in);
	case EINVAL:
		return error_set(err, -error,
				 "device %s%s is no tap device, or has no room for %u queues "
				 "(multi_queue)",
				 spec->interface, in, spec->n_queues);
	default:
		return error_set(err, -error, "cannot open tap device %s%s: %s", spec->interface,
				 in, strerror(error));
	}
}

/* Attaches one queue. @flags: beside what all queues have. Returns its descriptor or -errno. */
static int open_queue(const struct tap_spec *spec, int flags)
{
	struct ifreq ifr = { .ifr_flags = (short)(IFF_TAP | IFF_NO_PI | flags) };
	int header_len = sizeof(struct virtio_net_hdr);
	int fd, e;

	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", spec->interface);
	if (spec->net_header)
		ifr.ifr_flags |= IFF_VNET_HDR;
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		goto fail;
	if (spec->net_header && ioctl(fd, TUNSETVNETHDRSZ, &header_len) < 0)
		goto fail;
	if (ioctl(fd, TUNSETOFFLOAD, 0) < 0)
		goto fail;
	return fd;
fail:
	e = errno;
	close(fd);
	return -e;
}

/* A persistent device may have been made with or without multi_queue; all its queues must say the
 * same. */
static int open_existing(struct tap_device *dev, const struct tap_spec *spec, struct error *err)
{
	int flags = IFF_MULTI_QUEUE;
	int fd = open_queue(spec, flags);

	if (fd == -EINVAL && spec->n_queues == 1)
		fd = open_queue(spec, flags = 0);
	while (fd >= 0) {
		dev->queues[dev->n_queues++] = fd;
		if (dev->n_queues == spec->n_queues)
			return 0;
		fd = open_queue(spec, flags);
	}
	return explain(spec, -fd, err);
}

static int open_new(struct tap_device *dev, const struct tap_spec *spec, struct error *err)
{
	int fd = open_queue(spec, IFF_MULTI_QUEUE | IFF_TUN_EXCL);

	while (fd >= 0) {
		dev->queues[dev->n_queues++] = fd;
		if (dev->n_queues == spec->n_queues)
			return 0;
		fd = open_queue(spec, IFF_MULTI_QUEUE);
	}
	if (fd == -ENOENT || fd == -ENODEV || fd == -ENXIO)
		return error_set(err, fd, "this kernel has no TAP devices (/dev/net/tun: %s)",
				 strerror(-fd));
	return explain(spec, -fd, err);
}

/* For ioctls in this namespace, and nothing else: who has it cannot send with it, not even on the
 * namespace's own network. */
static int open_control(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), e;

	if (fd < 0 || shutdown(fd, SHUT_RDWR) == 0)
		return fd < 0 ? -errno : fd;
	e = errno;
	close(fd);
	return -e;
}

/* Of what comes a byte is left: that there is something, and not what else rtnetlink would tell of
 * the namespace to whoever asks. */
static int open_monitor(void)
{
	struct sockaddr_nl local = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
	struct sock_filter one_byte = BPF_STMT(BPF_RET | BPF_K, 1);
	struct sock_fprog program = { .len = 1, .filter = &one_byte };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	int e;

	if (fd >= 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0 &&
	    bind(fd, (struct sockaddr *)&local, sizeof(local)) == 0)
		return fd;
	e = errno;
	if (fd >= 0)
		close(fd);
	return -e;
}

/* Names change; the index does not. */
static int find_name(const struct tap_device *dev, struct ifreq *ifr)
{
	*ifr = (struct ifreq){ .ifr_ifindex = dev->ifindex };
	return ioctl(dev->control, SIOCGIFNAME, ifr) < 0 ? -errno : 0;
}

static int explain_mtu(int r, unsigned mtu, struct error *err)
{
	return r ? error_set(err, r, "cannot set the device's MTU to %u: %s", mtu, strerror(-r))
		 : 0;
}

static int set_mtu(int control, struct ifreq *ifr, unsigned mtu)
{
	ifr->ifr_mtu = (int)mtu;
	return ioctl(control, SIOCSIFMTU, ifr) < 0 ? -errno : 0;
}

static int ask_for_mtu(const struct tap_device *dev, unsigned mtu, struct error *err)
{
	struct tap_mtu_request args = { .mtu = mtu };
	struct broker_call call = { .what = BROKER_TAP_MTU,
				    .args = &args,
				    .size = sizeof(args),
				    .fds = dev->queues,
				    .n_fds = 1 };

	return broker_ask(&call, err);
}

int tap_device_set_mtu(const struct tap_device *dev, unsigned mtu, struct error *err)
{
	struct ifreq ifr;
	int r;

	if (broker_present())
		return ask_for_mtu(dev, mtu, err);
	r = find_name(dev, &ifr);
	return explain_mtu(r ? r : set_mtu(dev->control, &ifr, mtu), mtu, err);
}

unsigned tap_device_set_offloads(const struct tap_device *dev, unsigned wanted)
{
	static const struct {
		unsigned offload, flag;
	} flags[] = {
		{ OFFLOAD_CSUM, TUN_F_CSUM }, { OFFLOAD_TSO4, TUN_F_TSO4 },
		{ OFFLOAD_TSO6, TUN_F_TSO6 }, { OFFLOAD_ECN, TUN_F_TSO_ECN },
		{ OFFLOAD_USO4, TUN_F_USO4 }, { OFFLOAD_USO6, TUN_F_USO6 },
	};
	/* UDP segmentation is young, and unknown flags are refused */
	const unsigned tries[] = { wanted, wanted & ~(unsigned)(OFFLOAD_USO4 | OFFLOAD_USO6), 0 };

	for (size_t t = 0; t < ARRAY_SIZE(tries); t++) {
		unsigned arg = 0;

		for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
			if (tries[t] & flags[i].offload)
				arg |= flags[i].flag;
		/* of the device: one queue is as good as all */
		if (ioctl(dev->queues[0], TUNSETOFFLOAD, arg) == 0)
			return tries[t];
	}
	return 0;
}

static int bring_up(const struct tap_device *dev, struct error *err)
{
	struct ifreq ifr;
	int r = find_name(dev, &ifr);

	if (!r && ioctl(dev->control, SIOCGIFFLAGS, &ifr) < 0)
		r = -errno;
	if (!r && !(ifr.ifr_flags & IFF_UP)) {
		ifr.ifr_flags |= IFF_UP;
		if (ioctl(dev->control, SIOCSIFFLAGS, &ifr) < 0)
			r = -errno;
	}
	return r ? error_set(err, r, "cannot bring the device up: %s", strerror(-r)) : 0;
}

/* Runs inside the device's namespace. */
static int open_here(struct tap_device *dev, const struct tap_spec *spec, struct error *err)
{
	struct ifreq ifr = { .ifr_ifindex = 0 };
	char in[64];
	int r;

	dev->control = open_control();
	if (dev->control < 0)
		return error_set(err, dev->control, "cannot open a socket: %s",
				 strerror(-dev->control));
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", spec->interface);
	if (spec->existing && ioctl(dev->control, SIOCGIFINDEX, &ifr) < 0)
		return error_set(err, -ENOENT,
				 "there is no device %s%s: make one with \"ip tuntap add\", or "
				 "leave out existing on",
				 spec->interface, where(spec, in, sizeof(in)));
	r = spec->existing ? open_existing(dev, spec, err) : open_new(dev, spec, err);
	if (r < 0)
		return r;
	if (ioctl(dev->control, SIOCGIFINDEX, &ifr) < 0)
		return error_set(err, -errno, "device %s vanished", spec->interface);
	dev->ifindex = ifr.ifr_ifindex;
	dev->monitor = open_monitor();
	if (dev->monitor < 0)
		return error_set(err, dev->monitor, "cannot watch links: %s",
				 strerror(-dev->monitor));
	if (spec->mtu) {
		r = tap_device_set_mtu(dev, spec->mtu, err);
		if (r < 0)
			return r;
	}
	return bring_up(dev, err);
}

/* Something to be done in a network namespace. */
struct visit {
	int (*act)(struct visit *v);
	const char *name; /* of the namespace */
	struct error *err;
	int netns, result;
	struct tap_device *dev; /* to be opened */
	const struct tap_spec *spec;
	struct ifreq *ifr; /* whose MTU is to be changed */
	unsigned mtu;
};

static void *visit_namespace(void *arg)
{
	struct visit *v = arg;

	if (setns(v->netns, CLONE_NEWNET) < 0)
		v->result = error_set(v->err, -errno, "cannot enter network namespace %s: %s",
				      v->name, strerror(errno));
	else
		v->result = v->act(v);
	return NULL;
}

static int visit(struct visit *v)
{
	pthread_t thread;
	int r = pthread_create(&thread, NULL, visit_namespace, v);

	if (r)
		return error_set(v->err, -r, "cannot start a thread: %s", strerror(r));
	pthread_join(thread, NULL);
	return v->result;
}

static int open_there(struct visit *v)
{
	return open_here(v->dev, v->spec, v->err);
}

static int set_mtu_there(struct visit *v)
{
	int control = open_control(), r;

	if (control < 0)
		return explain_mtu(control, v->mtu, v->err);
	r = set_mtu(control, v->ifr, v->mtu);
	close(control);
	return explain_mtu(r, v->mtu, v->err);
}

int tap_device_set_mtu_of(int queue, unsigned mtu, struct error *err)
{
	struct ifreq ifr = { .ifr_flags = 0 };
	struct visit v = {
		.act = set_mtu_there, .name = "of the tap", .err = err, .ifr = &ifr, .mtu = mtu
	};
	int r;

	if (ioctl(queue, TUNGETIFF, &ifr) < 0)
		return error_set(err, -EINVAL, "this is no queue of a tap");
	v.netns = ioctl(queue, TUNGETDEVNETNS);
	if (v.netns < 0)
		return explain_mtu(-errno, mtu, err);
	r = visit(&v);
	close(v.netns);
	return r;
}

static int open_in_namespace(struct tap_device *dev, const struct tap_spec *spec, struct error *err)
{
	struct visit v = {
		.act = open_there, .name = spec->netns, .dev = dev, .spec = spec, .err = err
	};
	char path[sizeof(NETNS_DIR) + NAME_MAX + 2];
	int r;

	if (strlen(spec->netns) > NAME_MAX || strchr(spec->netns, '/') || spec->netns[0] == '.')
		return error_set(err, -EINVAL,
				 "\"%.64s\" cannot name a network namespace: say one that \"ip "
				 "netns\" lists",
				 spec->netns);
	snprintf(path, sizeof(path), NETNS_DIR "/%s", spec->netns);
	v.netns = open(path, O_RDONLY | O_CLOEXEC);
	if (v.netns < 0)
		return error_set(err, -errno,
				 "cannot open network namespace %s (%s): %s; \"ip netns\" lists "
				 "what there is",
				 spec->netns, path, strerror(errno));
	r = visit(&v);
	close(v.netns);
	return r;
}

static void close_all(const int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		close(fds[i]);
}

/* Has it opened by somebody who may. */
static int ask_for_device(struct tap_device *dev, const struct tap_spec *spec, struct error *err)
{
	struct tap_request args = { .existing = spec->existing,
				    .net_header = spec->net_header,
				    .n_queues = spec->n_queues,
				    .mtu = spec->mtu };
	int fds[BROKER_FDS_MAX];
	struct broker_call call = { .what = BROKER_TAP,
				    .args = &args,
				    .size = sizeof(args),
				    .answer = fds,
				    .max = BROKER_FDS_MAX };
	int r = broker_text(args.interface, sizeof(args.interface), spec->interface, err);

	if (!r)
		r = broker_text(args.netns, sizeof(args.netns), spec->netns ? spec->netns : "",
				err);
	if (!r)
		r = broker_ask(&call, err);
	if (r)
		return r;
	if (call.n_answer != 2 + spec->n_queues) {
		close_all(fds, call.n_answer);
		return error_set(err, -EPROTO, "the keeper has sent no tap");
	}
	dev->control = fds[0];
	dev->monitor = fds[1];
	dev->n_queues = spec->n_queues;
	memcpy(dev->queues, fds + 2, spec->n_queues * sizeof(fds[0]));
	dev->ifindex = (int)call.value;
	return 0;
}

int tap_device_open(struct tap_device *dev, const struct tap_spec *spec, struct error *err)
{
	int r = tap_interface_check(spec->interface, err);

	*dev = (struct tap_device){ .control = -1, .monitor = -1 };
	if (!r && broker_present())
		r = ask_for_device(dev, spec, err);
	else if (!r)
		r = spec->netns ? open_in_namespace(dev, spec, err) : open_here(dev, spec, err);
	if (r < 0)
		tap_device_close(dev);
	return r;
}

void tap_device_close(struct tap_device *dev)
{
	for (unsigned i = 0; i < dev->n_queues; i++)
		close(dev->queues[i]);
	if (dev->monitor >= 0)
		close(dev->monitor);
	if (dev->control >= 0)
		close(dev->control);
	*dev = (struct tap_device){ .control = -1, .monitor = -1 };
}

enum tap_state tap_device_state(const struct tap_device *dev)
{
	struct ifreq ifr;
	char message[64]; /* that something changed is all we want to know */

	for (unsigned i = 0; i < MONITOR_READS_MAX; i++) {
		if (recv(dev->monitor, message, sizeof(message), 0) < 0 && errno == EAGAIN)
			break;
	}
	if (find_name(dev, &ifr) < 0 || ioctl(dev->control, SIOCGIFFLAGS, &ifr) < 0)
		return TAP_GONE;
	if (!(ifr.ifr_flags & IFF_UP))
		return TAP_DOWN;
	return ifr.ifr_flags & IFF_RUNNING ? TAP_UP : TAP_NO_CARRIER;
}

const char *tap_state_name(enum tap_state state)
{
	static const char *const names[] = {
		[TAP_UP] = "up",
		[TAP_NO_CARRIER] = "no carrier",
		[TAP_DOWN] = "down",
		[TAP_GONE] = "removed",
	};

	return names[state];
}
