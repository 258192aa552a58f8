// SPDX-License-Identifier: Apache-2.0
/* What the switch process asks of the keeper: as it should, through both ends of a link, and as one
 * that is in somebody else's hands would. In a network namespace of its own; needs root.
 */
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/broker.h"
#include "base/ids.h"
#include "keeper/client.h"
#include "keeper/request.h"
#include "keeper_peer.h"
#include "port/pcap.h"
#include "port/tap_device.h"
#include "rpc/config_file.h"
#include "switch/config.h"
#include "vhost/fd_kind.h"

#define N_RANDOM 20000
#define NOBODY 65534

static char dir[] = "/tmp/vireo-test-XXXXXX", config_path[64], secret_path[64];
static struct keeper_rights rights;
static struct event_base *base;
static struct keeper_link *link_; /* the keeper's end */
static int process;		  /* the switch's */
static unsigned n_fds;

/* ---- hostile: packets by hand, served in this process */

static void no_packet(void *owner, struct keeper_packet *p)
{
}

static void nothing(void *owner)
{
}

static void no_end(void *owner, const char *why)
{
}

static const struct keeper_link_ops no_ops = { .packet = no_packet,
					       .writable = nothing,
					       .closed = no_end };

static int setup(void **state)
{
	int pair[2];

	n_fds = count_fds();
	base = event_base_new();
	make_pair(pair);
	link_ = keeper_link_create(pair[0], base, &no_ops, NULL);
	process = pair[1];
	return link_ ? 0 : -1;
}

static int teardown(void **state)
{
	keeper_link_destroy(link_);
	event_base_free(base);
	close(process);
	return count_fds() == n_fds ? 0 : -1;
}

/* Serves a packet and takes all of the answer; returns its error, and closes its files. */
static int serve(const struct keeper_packet *p, char text[256], unsigned *n_files)
{
	struct keeper_packet answer;
	int error;

	*n_files = 0;
	keeper_request_serve(&rights, link_, p);
	do {
		if (!get_packet(process, &answer)) { /* more than the socket took at once */
			event_base_loop(base, EVLOOP_NONBLOCK);
			assert_true(get_packet(process, &answer));
		}
		assert_int_equal(answer.header.kind, KEEPER_ANSWER);
		assert_int_equal(answer.header.device, p->header.device);
		assert_int_equal(answer.header.size, sizeof(answer.answer));
		error = answer.answer.error;
		*n_files += answer.n_fds;
		memcpy(text, answer.answer.text, 256);
		keeper_packet_close_fds(&answer);
	} while (answer.answer.more);
	assert_true(error <= 0);
	assert_true((error != 0) == (text[0] != 0));
	assert_true(!error || !*n_files);
	return error;
}

static void make_request(struct keeper_packet *p, uint32_t what, const void *args, size_t size,
			 int fd)
{
	keeper_packet_init(p, KEEPER_REQUEST, 7, 0);
	memset(p->bytes, 0, sizeof(p->bytes));
	p->request.what = what;
	p->request.size = (uint32_t)size;
	if (size)
		memcpy(p->request.args, args, size);
	p->header.size = (uint32_t)(offsetof(struct keeper_request, args) + size);
	if (fd >= 0)
		p->fds[p->n_fds++] = fd;
}

static void is_refused(uint32_t what, const void *args, size_t size, int fd, const char *hint)
{
	struct keeper_packet p;
	char text[256];
	unsigned n;

	make_request(&p, what, args, size, fd);
	assert_int_not_equal(serve(&p, text, &n), 0);
	if (!strstr(text, hint))
		fail_msg("request %u: \"%s\" lacks \"%s\"", what, text, hint);
}

static void test_wrong_forms(void **state)
{
	struct broker_name name = { "root" };
	struct keeper_packet p;
	char text[256];
	unsigned n;

	is_refused(0, NULL, 0, -1, "kind");
	is_refused(BROKER_REQUESTS, NULL, 0, -1, "kind");
	is_refused(UINT32_MAX, NULL, 0, -1, "kind");
	is_refused(BROKER_USER, &name, sizeof(name) - 1, -1, "length");
	is_refused(BROKER_USER, NULL, 0, -1, "length");
	is_refused(BROKER_CONFIG, &name, 1, -1, "length");
	is_refused(BROKER_USER, &name, sizeof(name), process, "number of files");
	is_refused(BROKER_SAVE, NULL, 0, -1, "number of files");
	/* a packet that says more than it has, or has no request at all */
	make_request(&p, BROKER_USER, &name, sizeof(name), -1);
	p.request.size = UINT32_MAX;
	assert_int_equal(serve(&p, text, &n), -EINVAL);
	p.header.size = 4;
	assert_int_equal(serve(&p, text, &n), -EINVAL);
	p.header.size = 0;
	assert_int_equal(serve(&p, text, &n), -EINVAL);
}

static void test_wrong_names(void **state)
{
	struct broker_name name;

	memset(name.name, 'a', sizeof(name.name)); /* without an end */
	is_refused(BROKER_USER, &name, sizeof(name), -1, "name");
	name = (struct broker_name){ "" };
	is_refused(BROKER_GROUP, &name, sizeof(name), -1, "name");
	name = (struct broker_name){ "ro\not" };
	is_refused(BROKER_USER, &name, sizeof(name), -1, "name");
	name = (struct broker_name){ "nobody-of-this-name" };
	is_refused(BROKER_USER, &name, sizeof(name), -1, "there is no user");
}

static void test_wrong_files(void **state)
{
	int pipes[2], zero = open("/dev/zero", O_RDWR | O_CLOEXEC), event = eventfd(0, EFD_CLOEXEC);
	struct broker_pipe read = { O_RDONLY }, both = { O_RDWR }, create = { O_CREAT };
	struct tap_mtu_request mtu = { 1500 }, small = { 67 }, huge = { UINT32_MAX };

	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	is_refused(BROKER_PIPE, &both, sizeof(both), pipes[0], "way to open");
	is_refused(BROKER_PIPE, &create, sizeof(create), pipes[0], "way to open");
	is_refused(BROKER_PIPE, &read, sizeof(read), zero, "no pipe");
	is_refused(BROKER_PIPE, &read, sizeof(read), event, "no pipe");
	is_refused(BROKER_PIPE, &read, sizeof(read), pipes[1], "cannot open");
	is_refused(BROKER_TAP_MTU, &mtu, sizeof(mtu), zero, "no tap");
	is_refused(BROKER_TAP_MTU, &mtu, sizeof(mtu), pipes[0], "no tap");
	is_refused(BROKER_TAP_MTU, &small, sizeof(small), zero, "MTU");
	is_refused(BROKER_TAP_MTU, &huge, sizeof(huge), zero, "MTU");
	close(zero);
	close(event);
	close(pipes[0]);
	close(pipes[1]);
}

static void test_wrong_taps(void **state)
{
	const struct tap_request good = { .interface = "q0", .n_queues = 1 };
	struct tap_request r = good;

	memset(r.interface, 'a', sizeof(r.interface));
	is_refused(BROKER_TAP, &r, sizeof(r), -1, "interface");
	r = good;
	strcpy(r.interface, "a/b");
	is_refused(BROKER_TAP, &r, sizeof(r), -1, "name");
	r = good;
	memset(r.netns, 'n', sizeof(r.netns));
	is_refused(BROKER_TAP, &r, sizeof(r), -1, "network namespace");
	strcpy(r.netns, "../../proc/1/ns/net");
	is_refused(BROKER_TAP, &r, sizeof(r), -1, "network namespace");
	r = good;
	r.n_queues = 0;
	is_refused(BROKER_TAP, &r, sizeof(r), -1, "queues");
	r.n_queues = TAP_QUEUES_MAX + 1;
	is_refused(BROKER_TAP, &r, sizeof(r), -1, "queues");
	r = good;
	r.existing = 2;
	is_refused(BROKER_TAP, &r, sizeof(r), -1, "kind of tap");
	r = good;
	r.mtu = 1u << 31;
	is_refused(BROKER_TAP, &r, sizeof(r), -1, "MTU");
	assert_int_equal(if_nametoindex("q0"), 0);
}

static int memory_file(const void *bytes, size_t len)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_int_equal(write(fd, bytes, len), len);
	return fd;
}

/* Whole, or not at all. */
static void test_wrong_configurations(void **state)
{
	int binary = memory_file("port\0add", 8), huge = memory_file("#", 1);
	int disk = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(ftruncate(huge, CONFIG_TEXT_MAX + 1), 0);
	is_refused(BROKER_SAVE, NULL, 0, binary, "control characters");
	is_refused(BROKER_SAVE, NULL, 0, huge, "no configuration");
	is_refused(BROKER_SAVE, NULL, 0, disk, "no configuration");
	assert_int_equal(access(config_path, F_OK), -1);
	rights.config = NULL;
	is_refused(BROKER_CONFIG, NULL, 0, -1, "--config");
	is_refused(BROKER_SAVE, NULL, 0, disk, "--config");
	rights.config = config_path;
	close(binary);
	close(huge);
	close(disk);
}

/* Files of packets are opened as the switch's user, who is not root. */
static void test_wrong_paths(void **state)
{
	struct broker_file file = { .writes = 0 };

	strcpy(file.path, "relative");
	is_refused(BROKER_FILE, &file, sizeof(file), -1, "absolute");
	strcpy(file.path, secret_path);
	is_refused(BROKER_FILE, &file, sizeof(file), -1, "Permission denied");
	file.writes = 1;
	is_refused(BROKER_FILE, &file, sizeof(file), -1, "Permission denied");
	strcpy(file.path, "/proc/1/environ");
	file.writes = 0;
	is_refused(BROKER_FILE, &file, sizeof(file), -1, "Permission denied");
	file.writes = 2;
	is_refused(BROKER_FILE, &file, sizeof(file), -1, "absolute");
	file.writes = 0;
	memset(file.path, '/', sizeof(file.path));
	is_refused(BROKER_FILE, &file, sizeof(file), -1, "absolute");
	assert_int_equal(geteuid(), 0);
}

static void is_no_way(const char *path)
{
	for (unsigned writes = 0; writes < 2; writes++) {
		struct broker_file file = { .writes = writes };

		snprintf(file.path, sizeof(file.path), "%s", path);
		is_refused(BROKER_FILE, &file, sizeof(file), -1, "cannot open");
	}
}

/* What the keeper has open itself is no file of the switch's, though everybody could write to it if
 * he found a way: the table of all that it knows is such a file. */
static void test_ways_through_proc(void **state)
{
	int own = memory_file("table", 5);
	char path[64], text[8] = { 0 };

	snprintf(path, sizeof(path), "/proc/self/fd/%d", own);
	is_no_way(path);
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), own);
	is_no_way(path);
	snprintf(path, sizeof(path), "/proc/thread-self/fd/%d", own);
	is_no_way(path);
	is_no_way("/proc/self/root/etc/passwd");
	is_no_way("/proc/1/maps"); /* it tells where things are */
	assert_int_equal(pread(own, text, sizeof(text), 0), 5);
	assert_string_equal(text, "table");
	close(own);
}

static uint64_t next_random(void)
{
	static uint64_t x = 88172645463325252;

	x ^= x << 13;
	x ^= x >> 7;
	return x ^= x << 17;
}

/* Bytes of any kind, now and then such as are looked for. */
static void random_args(uint8_t *args, size_t size)
{
	static const char words[][8] = { "/", "t0", "..", "\n", "\x80", "root", "1", "" };

	for (size_t i = 0; i < size; i++)
		args[i] = next_random() % 4 ? 0 : (uint8_t)next_random();
	if (size >= 16 && next_random() % 2)
		memcpy(args + next_random() % (size - 8), words[next_random() % 8], 8);
}

/* Every request is answered, whatever is in it, and no file is left. */
static void test_random(void **state)
{
	int pipes[2], fds[4] = { open("/dev/null", O_RDWR | O_CLOEXEC), memory_file("x", 1) };
	struct keeper_packet p;
	unsigned n, before;
	char text[256];

	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	memcpy(fds + 2, pipes, sizeof(pipes));
	before = count_fds();
	for (unsigned i = 0; i < N_RANDOM; i++) {
		static const uint16_t sizes[] = { 0, 4, 256, 288, 3076, 1, KEEPER_ARGS_MAX };
		size_t size = sizes[next_random() % 7];

		make_request(&p, (uint32_t)(next_random() % (BROKER_REQUESTS + 1)), NULL, 0, -1);
		random_args(p.request.args, size);
		p.request.size = next_random() % 8 ? (uint32_t)size : (uint32_t)next_random();
		p.header.size = (uint32_t)(offsetof(struct keeper_request, args) + size);
		p.n_fds = (unsigned)(next_random() % 3);
		for (unsigned f = 0; f < p.n_fds; f++)
			p.fds[f] = fds[next_random() % 4];
		if (p.request.what != BROKER_CONTROL)
			serve(&p, text, &n);
	}
	assert_int_equal(count_fds(), before);
	for (unsigned f = 0; f < 4; f++)
		close(fds[f]);
	unlink(config_path); /* one may have been saved */
}

/* ---- friendly: a client in this process, the keeper in another */

static void serve_packet(void *owner, struct keeper_packet *p)
{
	if (p->header.kind == KEEPER_REQUEST)
		keeper_request_serve(&rights, link_, p);
	keeper_packet_close_fds(p);
}

static void end_keeper(void *owner, const char *why)
{
	event_base_loopbreak(owner);
}

static const struct keeper_link_ops keeper_ops = { .packet = serve_packet,
						   .writable = nothing,
						   .closed = end_keeper };

static void be_keeper(int fd)
{
	struct event_base *own = event_base_new();
	struct keeper_packet p;

	link_ = keeper_link_create(fd, own, &keeper_ops, own);
	keeper_packet_init(&p, KEEPER_START, 0, 0);
	p.start = (struct keeper_start){ .version = KEEPER_VERSION };
	p.header.size = sizeof(p.start);
	keeper_link_send(link_, &p);
	event_base_dispatch(own);
	_exit(0);
}

static void no_text(void *owner, int rc, const char *why)
{
}

static const struct keeper_client_ops client_ops = {
	.lost = no_end, .told = nothing, .leave = nothing, .replaced = nothing, .refused = no_text
};

static void use_tap(struct error *err)
{
	struct tap_spec spec = {
		.interface = "q9", .net_header = true, .n_queues = 9, .mtu = 1400
	};
	struct ifreq ifr = { .ifr_name = "q9" };
	struct tap_device dev;

	assert_int_equal(tap_device_open(&dev, &spec, err), 0);
	assert_int_equal(dev.n_queues, 9); /* more than one packet's files */
	assert_int_equal(dev.ifindex, if_nametoindex("q9"));
	assert_int_equal(ioctl(dev.control, SIOCGIFMTU, &ifr), 0);
	assert_int_equal(ifr.ifr_mtu, 1400);
	assert_int_equal(tap_device_set_mtu(&dev, 9000, err), 0);
	assert_int_equal(ioctl(dev.control, SIOCGIFMTU, &ifr), 0);
	assert_int_equal(ifr.ifr_mtu, 9000);
	assert_int_not_equal(tap_device_set_mtu(&dev, 60, err), 0);
	assert_int_equal(tap_device_state(&dev), TAP_UP);
	spec.interface = "q9";
	tap_device_close(&dev);
	spec.netns = "no-such-namespace";
	assert_int_not_equal(tap_device_open(&dev, &spec, err), 0);
	assert_non_null(strstr(err->text, "no-such-namespace"));
}

static void use_config(struct error *err)
{
	json_t *config = json_object(), *back = NULL;

	assert_int_equal(config_file_open("not asked for", err), -ENOENT);
	assert_int_equal(config_file_save("not asked for", config, err), 0);
	assert_int_equal(access(config_path, F_OK), 0);
	assert_int_equal(config_file_load("not asked for", &back, err), 0);
	json_decref(back);
	json_decref(config);
}

static void use_pipe(void)
{
	int pipes[2], own;
	char byte;

	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	own = vhost_pipe_open(pipes[0], O_RDONLY);
	assert_true(own >= 0);
	assert_int_equal(write(pipes[1], "x", 1), 1);
	assert_int_equal(read(own, &byte, 1), 1);
	assert_int_equal(vhost_pipe_open(pipes[0], O_WRONLY), -EBADF);
	close(own);
	close(pipes[0]);
	close(pipes[1]);
}

static void use_control(struct error *err)
{
	int fds[2], listening = 0;
	struct broker_call call = { .what = BROKER_CONTROL, .answer = fds, .max = 2 };
	socklen_t len = sizeof(listening);

	assert_int_equal(broker_ask(&call, err), 0);
	assert_int_equal(call.n_answer, 2);
	assert_int_equal(getsockopt(fds[0], SOL_SOCKET, SO_ACCEPTCONN, &listening, &len), 0);
	assert_true(listening);
	/* as long as the lock is held, there is no second one */
	assert_int_equal(broker_ask(&call, err), -EBUSY);
	assert_int_equal(call.n_answer, 0);
	close(fds[0]);
	close(fds[1]);
}

static void use_sockets(struct error *err)
{
	struct broker_sockets args = { "br7", 0 };
	int fds[2];
	struct broker_call call = {
		.what = BROKER_SOCKETS, .args = &args, .size = sizeof(args), .answer = fds, .max = 2
	};
	char path[128];

	assert_int_equal(broker_ask(&call, err), 0);
	assert_int_equal(call.n_answer, 2);
	snprintf(path, sizeof(path), "%s/br7.mgmt", dir);
	assert_int_equal(access(path, F_OK), 0);
	/* somebody serves it */
	assert_int_equal(broker_ask(&call, err), -EBUSY);
	close(fds[0]);
	close(fds[1]);
	args.remove = 1;
	assert_int_equal(broker_ask(&call, err), 0);
	assert_int_equal(call.n_answer, 0);
	assert_int_equal(access(path, F_OK), -1);
	/* no other place, and nothing else */
	snprintf(args.bridge, sizeof(args.bridge), "../br7");
	assert_int_equal(broker_ask(&call, err), -EINVAL);
	args = (struct broker_sockets){ "br7", 2 };
	assert_int_equal(broker_ask(&call, err), -EINVAL);
}

static void test_all_that_is_needed(void **state)
{
	struct keeper_client *client;
	struct error err = { "" };
	struct sandbox_user before = rights.user;
	int pair[2], status;
	pid_t pid;

	make_pair(pair);
	pid = fork();
	if (pid == 0) {
		close(pair[1]);
		be_keeper(pair[0]);
	}
	close(pair[0]);
	assert_int_equal(keeper_client_create(&client, pair[1], base, &client_ops, NULL, &err), 0);
	broker_set(keeper_client_broker(client));
	assert_int_equal(ids_find_user("root", &err), 0);
	assert_int_equal(ids_find_group("root", &err), 0);
	assert_int_equal(ids_find_user("4242", &err), 4242);
	assert_int_equal(ids_find_user("nobody-of-this-name", &err), -EINVAL);
	use_tap(&err);
	use_config(&err);
	use_pipe();
	use_control(&err);
	use_sockets(&err);
	broker_set(NULL);
	keeper_client_destroy(client);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	rights.user = before;
}

/* ---- all of it */

static int group_setup(void **state)
{
	int fd;

	if (unshare(CLONE_NEWNET) < 0) {
		print_error("this test needs root: %s\n", strerror(errno));
		return -1;
	}
	if (!mkdtemp(dir) || chmod(dir, 0755) < 0)
		return -1;
	snprintf(config_path, sizeof(config_path), "%s/vireo.conf", dir);
	snprintf(secret_path, sizeof(secret_path), "%s/secret", dir);
	fd = open(secret_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640); /* root's group may read it */
	close(fd);
	rights = (struct keeper_rights){ .config = config_path,
					 .run_dir = dir,
					 .user = { NOBODY, NOBODY } };
	return fd < 0 ? -1 : 0;
}

static int group_teardown(void **state)
{
	keeper_request_remove_control(&rights);
	unlink(config_path);
	unlink(secret_path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_wrong_forms, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_taps, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_configurations, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_paths, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ways_through_proc, setup, teardown),
		cmocka_unit_test_setup_teardown(test_random, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_that_is_needed, setup, teardown),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
