// SPDX-License-Identifier: Apache-2.0
// TAP devices in a network namespace of our own, which ends with the process. Needs root.
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "fds.h"
#include "port/tap_device.h"

#define LONG_NAME "abcdefghijklmno" /* 15 bytes */

static struct error err;
static int control; /* a socket for ioctls */
static unsigned n_fds;

static int enter_namespace(void **state)
{
	if (unshare(CLONE_NEWNET) < 0) {
		print_error("this test needs root: %s\n", strerror(errno));
		return -1;
	}
	control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return control < 0 ? -1 : 0;
}

static int setup(void **state)
{
	err = (struct error){ "" };
	n_fds = count_fds();
	return 0;
}

/* Every test leaves neither descriptors nor devices. */
static int teardown(void **state)
{
	if (if_nametoindex("t0")) {
		print_error("t0 is still there\n");
		return -1;
	}
	return count_fds() == n_fds ? 0 : -1;
}

static void says(const char *want)
{
	if (!strstr(err.text, want))
		fail_msg("\"%s\" does not say \"%s\"", err.text, want);
}

static void opens(struct tap_device *dev, const struct tap_spec *spec)
{
	if (tap_device_open(dev, spec, &err))
		fail_msg("%s", err.text);
}

/* Nothing is left behind by what fails. */
static void refuses(const struct tap_spec *spec, int code, const char *text)
{
	unsigned n = count_fds();
	struct tap_device dev;

	assert_int_equal(tap_device_open(&dev, spec, &err), code);
	says(text);
	assert_int_equal(dev.n_queues, 0);
	assert_int_equal(dev.control, -1);
	assert_int_equal(dev.monitor, -1);
	assert_int_equal(count_fds(), n);
}

static int get_mtu(const char *name)
{
	struct ifreq ifr = { .ifr_mtu = 0 };

	strcpy(ifr.ifr_name, name);
	return ioctl(control, SIOCGIFMTU, &ifr) < 0 ? -errno : ifr.ifr_mtu;
}

static void set_up(const char *name, bool up)
{
	struct ifreq ifr = { .ifr_flags = up ? IFF_UP : 0 };

	strcpy(ifr.ifr_name, name);
	assert_int_equal(ioctl(control, SIOCSIFFLAGS, &ifr), 0);
}

/* As "ip tuntap add" and "del" do: a device of one queue that stays. */
static void keep(const char *name, bool there)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	strcpy(ifr.ifr_name, name);
	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
	assert_int_equal(ioctl(fd, TUNSETPERSIST, there), 0);
	close(fd);
}

static bool readable(int fd, int timeout)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, timeout) == 1;
}

static void test_names(void **state)
{
	static const char *const good[] = { "t", "tap0", LONG_NAME, "...", "a.b-c_d", "\"q\"" };
	static const char *const bad[] = {
		"",    LONG_NAME "p", ".",    "..",  "a/b",  "a:b",
		"a%d", "a b",	      "a\tb", "a\n", "\x7f", "\xc3\xa4"
	};
	static const struct tap_spec spec = { .interface = "a/b", .n_queues = 1 };

	for (unsigned i = 0; i < ARRAY_SIZE(good); i++)
		assert_int_equal(tap_interface_check(good[i], &err), 0);
	assert_string_equal(err.text, "");
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		err.text[0] = '\0';
		assert_int_equal(tap_interface_check(bad[i], &err), -EINVAL);
		says("kernel device");
	}
	refuses(&spec, -EINVAL, "'/'");
}

static void test_new(void **state)
{
	static const struct tap_spec spec = { .interface = "t0",
					      .n_queues = 3,
					      .net_header = true };
	struct tap_device dev;
	char byte;

	opens(&dev, &spec);
	assert_int_equal(dev.n_queues, 3);
	assert_int_equal(dev.ifindex, if_nametoindex("t0"));
	for (unsigned i = 0; i < 3; i++) {
		int header_len = 0;

		assert_true(fcntl(dev.queues[i], F_GETFL) & O_NONBLOCK);
		assert_true(fcntl(dev.queues[i], F_GETFD) & FD_CLOEXEC);
		assert_int_equal(ioctl(dev.queues[i], TUNGETVNETHDRSZ, &header_len), 0);
		assert_int_equal(header_len, 10);
	}
	assert_true(fcntl(dev.monitor, F_GETFL) & O_NONBLOCK);
	assert_int_equal(tap_device_state(&dev), TAP_UP);
	assert_int_equal(recv(dev.monitor, &byte, 1, 0), -1); /* all was read */
	assert_int_equal(get_mtu("t0"), 1500);
	tap_device_close(&dev);
	assert_int_equal(get_mtu("t0"), -ENODEV);
	tap_device_close(&dev); /* harmless */
	assert_int_equal(dev.control, -1);
}

static void test_taken(void **state)
{
	static const struct tap_spec spec = { .interface = "t0", .n_queues = 1 };
	static const struct tap_spec lo = { .interface = "lo", .n_queues = 1 };
	struct tap_device dev;

	opens(&dev, &spec);
	refuses(&spec, -EBUSY, "device t0 exists already: choose another interface");
	assert_int_equal(tap_device_state(&dev), TAP_UP); /* the first is as it was */
	tap_device_close(&dev);
	err.text[0] = '\0';
	assert_true(tap_device_open(&dev, &lo, &err) < 0);
	says("lo");
}

static void test_existing(void **state)
{
	static const struct tap_spec one = { .interface = "t0", .n_queues = 1, .existing = true };
	static const struct tap_spec two = { .interface = "t0", .n_queues = 2, .existing = true };
	static const struct tap_spec lo = { .interface = "lo", .n_queues = 1, .existing = true };
	struct tap_device dev;

	refuses(&one, -ENOENT, "there is no device t0: make one with \"ip tuntap add\"");
	refuses(&lo, -EINVAL, "device lo is no tap device");
	keep("t0", true);
	refuses(&two, -EINVAL, "has no room for 2 queues");
	opens(&dev, &one);
	assert_int_equal(tap_device_state(&dev), TAP_UP);
	refuses(&one, -EBUSY, "t0 is in use by another program");
	tap_device_close(&dev);
	assert_true(if_nametoindex("t0") > 0); /* it was there before us */
	keep("t0", false);
}

static void test_mtu(void **state)
{
	static const struct tap_spec jumbo = { .interface = "t0", .n_queues = 1, .mtu = 9000 };
	static const struct tap_spec huge = { .interface = "t0", .n_queues = 2, .mtu = 1000000 };
	struct tap_device dev;

	refuses(&huge, -EINVAL, "cannot set the device's MTU to 1000000");
	assert_int_equal(get_mtu("t0"), -ENODEV);
	opens(&dev, &jumbo);
	assert_int_equal(get_mtu("t0"), 9000);
	assert_int_equal(tap_device_set_mtu(&dev, 1400, &err), 0);
	assert_int_equal(get_mtu("t0"), 1400);
	assert_int_equal(tap_device_set_mtu(&dev, 1000000, &err), -EINVAL);
	assert_int_equal(get_mtu("t0"), 1400);
	tap_device_close(&dev);
}

static void test_state(void **state)
{
	static const struct tap_spec spec = { .interface = "t0", .n_queues = 1 };
	struct tap_device dev;

	opens(&dev, &spec);
	assert_int_equal(tap_device_state(&dev), TAP_UP);
	set_up("t0", false);
	assert_true(readable(dev.monitor, 1000));
	assert_int_equal(tap_device_state(&dev), TAP_DOWN);
	assert_false(readable(dev.monitor, 0));
	set_up("t0", true);
	assert_int_equal(tap_device_state(&dev), TAP_UP);
	/* closing our only queue takes the device away, as anybody else could */
	close(dev.queues[0]);
	dev.n_queues = 0;
	assert_int_equal(tap_device_state(&dev), TAP_GONE);
	assert_int_equal(tap_device_set_mtu(&dev, 1400, &err), -ENODEV);
	says("cannot set the device's MTU to 1400");
	tap_device_close(&dev);
}

/* What goes with a tap is good for that alone: nothing can be sent, and little be asked. */
static void test_rights(void **state)
{
	struct tap_spec spec = { .interface = "t0", .n_queues = 1 };
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "\0test_tap_device" };
	struct {
		struct nlmsghdr header;
		struct ifinfomsg link;
	} dump = { .header = { .nlmsg_len = sizeof(dump),
			       .nlmsg_type = RTM_GETLINK,
			       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP } };
	int listener = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), domain;
	socklen_t len = sizeof(domain);
	struct tap_device dev;
	char bytes[4096];

	assert_int_equal(bind(listener, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(tap_device_open(&dev, &spec, &err), 0);
	assert_int_equal(getsockopt(dev.control, SOL_SOCKET, SO_DOMAIN, &domain, &len), 0);
	assert_int_equal(domain, AF_UNIX); /* not of the network */
	assert_int_equal(
		sendto(dev.control, "x", 1, MSG_NOSIGNAL, (struct sockaddr *)&name, sizeof(name)),
		-1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(tap_device_state(&dev), TAP_UP); /* what came until now is read */
	assert_int_equal(send(dev.monitor, &dump, sizeof(dump), 0), sizeof(dump));
	assert_int_equal(recv(dev.monitor, bytes, sizeof(bytes), 0), 1);
	tap_device_close(&dev);
	close(listener);
}

static void test_renamed(void **state)
{
	static const struct tap_spec spec = { .interface = "t0", .n_queues = 1 };
	struct ifreq ifr = { .ifr_name = "t0", .ifr_newname = "other" };
	struct tap_device dev;

	opens(&dev, &spec);
	set_up("t0", false);
	assert_int_equal(ioctl(control, SIOCSIFNAME, &ifr), 0);
	assert_int_equal(tap_device_state(&dev), TAP_DOWN);
	set_up("other", true);
	assert_int_equal(tap_device_state(&dev), TAP_UP);
	assert_int_equal(tap_device_set_mtu(&dev, 1300, &err), 0);
	assert_int_equal(get_mtu("other"), 1300);
	tap_device_close(&dev);
	assert_int_equal(if_nametoindex("other"), 0);
}

static void test_namespaces(void **state)
{
	static const char *const bad[] = { "", "a/b", "../net", ".", ".hidden" };
	struct tap_spec spec = { .interface = "t0", .n_queues = 1 };
	struct tap_device dev;
	char name[300];

	for (unsigned i = 1; i < ARRAY_SIZE(bad); i++) {
		spec.netns = bad[i];
		refuses(&spec, -EINVAL, "cannot name a network namespace");
	}
	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	spec.netns = name;
	refuses(&spec, -EINVAL, "cannot name a network namespace");
	spec.netns = "vireo-test-no-such";
	refuses(&spec, -ENOENT, "cannot open network namespace vireo-test-no-such");
	spec.netns = bad[0];
	assert_true(tap_device_open(&dev, &spec, &err) < 0);
	says("network namespace");
}

static void test_state_names(void **state)
{
	assert_string_equal(tap_state_name(TAP_UP), "up");
	assert_string_equal(tap_state_name(TAP_NO_CARRIER), "no carrier");
	assert_string_equal(tap_state_name(TAP_DOWN), "down");
	assert_string_equal(tap_state_name(TAP_GONE), "removed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_new, setup, teardown),
		cmocka_unit_test_setup_teardown(test_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(test_existing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mtu, setup, teardown),
		cmocka_unit_test_setup_teardown(test_state, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rights, setup, teardown),
		cmocka_unit_test_setup_teardown(test_renamed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_namespaces, setup, teardown),
		cmocka_unit_test(test_state_names),
	};

	return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
