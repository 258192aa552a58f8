// SPDX-License-Identifier: Apache-2.0
/* libFuzzer target: what a switch process asks the keeper to do for it, with rights that it has
 * not: requests as the protocol has them, with a few bytes changed, or any. Each is answered, an
 * error with a text; files that come are there and closed with the packet; nothing else stays open.
 *
 * Files are opened in a directory of our own, and taps made in a network namespace that does not
 * exist, whatever the request says.
 */
#include <event2/event.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/broker.h"
#include "base/log.h"
#include "descriptors.h"
#include "keeper/request.h"
#include "port/tap_device.h"

#define NUMBER 7 /* of the request */

static char dir[] = "/dev/shm/vireo-fuzz-XXXXXX", config[64], run_dir[64];
static struct keeper_rights rights;
static struct event_base *base;

/* Makes @text, of @size bytes, one that begins with @prefix and names nothing outside of it. */
static void begin_with(char *text, size_t size, const char *prefix)
{
	size_t len = strlen(prefix);

	memmove(text + len, text, size - len);
	memcpy(text, prefix, len);
	for (size_t i = len; i < size; i++)
		if (text[i] == '/')
			text[i] = '_';
}

static void stay_inside(struct keeper_request *r)
{
	union {
		struct broker_file file;
		struct tap_request tap;
	} args;
	char prefix[64];

	memcpy(&args, r->args, sizeof(args));
	if (r->what == BROKER_FILE) {
		snprintf(prefix, sizeof(prefix), "%s/", dir);
		begin_with(args.file.path, sizeof(args.file.path), prefix);
	} else if (r->what == BROKER_TAP) {
		begin_with(args.tap.netns, sizeof(args.tap.netns), "vireo-nosuch-");
	}
	memcpy(r->args, &args, sizeof(args));
}

static void fill(struct input *in, struct keeper_packet *p)
{
	static const size_t sizes[BROKER_REQUESTS] = {
		[BROKER_USER] = sizeof(struct broker_name),
		[BROKER_GROUP] = sizeof(struct broker_name),
		[BROKER_PIPE] = sizeof(struct broker_pipe),
		[BROKER_FILE] = sizeof(struct broker_file),
		[BROKER_TAP] = sizeof(struct tap_request),
		[BROKER_TAP_MTU] = sizeof(struct tap_mtu_request),
		[BROKER_SOCKETS] = sizeof(struct broker_sockets)
	};
	struct keeper_request *r = &p->request;
	struct tap_request tap = { .interface = "tap0", .n_queues = 1 };
	struct tap_mtu_request mtu = { 1500 };

	r->what = take_choice(in, BROKER_REQUESTS + 1);
	r->size = r->what < BROKER_REQUESTS ? (uint32_t)sizes[r->what] : 8;
	if (r->what == BROKER_USER || r->what == BROKER_GROUP)
		memcpy(r->args, "root", 5);
	else if (r->what == BROKER_TAP)
		memcpy(r->args, &tap, sizeof(tap));
	else if (r->what == BROKER_TAP_MTU)
		memcpy(r->args, &mtu, sizeof(mtu));
	else if (r->what == BROKER_SOCKETS)
		memcpy(r->args, &(struct broker_sockets){ "br0", take_choice(in, 3) },
		       sizeof(struct broker_sockets));
	else if (r->what == BROKER_FILE)
		r->args[offsetof(struct broker_file, path)] = 'f';
	else
		r->args[0] = take_choice(in, 4); /* of pipes: for what */
	p->header.size = (uint32_t)offsetof(struct keeper_request, args) + r->size;
	if (r->what == BROKER_PIPE || r->what == BROKER_TAP_MTU || r->what == BROKER_SAVE)
		p->fds[p->n_fds++] = take_fd(in);
}

/* A configuration in memory, for BROKER_SAVE. */
static int make_text(struct input *in)
{
	int fd = memfd_create("config", MFD_CLOEXEC);
	uint8_t bytes[64];
	size_t n = take_choice(in, sizeof(bytes));

	memset(bytes, '#', sizeof(bytes));
	take_bytes(in, bytes, n);
	require(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
	return fd;
}

/* Each question has its answer, in one packet or several. */
static void check_answer(int peer)
{
	static const struct keeper_link_ops no_ops = { .packet = NULL };
	struct keeper_link *link = keeper_link_create(peer, base, &no_ops, NULL);
	struct keeper_packet p;
	struct error err;

	require(link);
	do {
		require(keeper_link_wait(link, KEEPER_ANSWER, NUMBER, 0, &p, &err) == 0);
		require(p.answer.error <= 0 && (!p.answer.error || *p.answer.text));
		require(!p.answer.error || (!p.n_fds && !p.answer.more));
		keeper_packet_close_fds(&p);
	} while (p.answer.more);
	keeper_link_destroy(link);
}

static void ask(struct input *in)
{
	static const struct keeper_link_ops ops = { .packet = NULL };
	struct keeper_packet p;
	struct keeper_link *link;
	int pair[2], text = -1;

	memset(&p, 0, sizeof(p));
	keeper_packet_init(&p, KEEPER_REQUEST, NUMBER, 0);
	fill(in, &p);
	if (p.request.what == BROKER_SAVE && take_choice(in, 2))
		p.fds[0] = text = make_text(in);
	take_damage(in, p.bytes, p.header.size, 4);
	stay_inside(&p.request);
	if (take_choice(in, 16) == 1)
		p.header.size = (uint32_t)take_number(in, 2) % KEEPER_PAYLOAD_MAX;
	require(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	link = keeper_link_create(pair[0], base, &ops, NULL);
	require(link);
	keeper_request_serve(&rights, link, &p);
	check_answer(pair[1]);
	keeper_link_destroy(link);
	if (text >= 0)
		close(text);
}

static void clean_up(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	if (system(command)) {
		/* then it stays */
	}
}

static void prepare(void)
{
	log_set_level("all", "error", NULL);
	fds_prepare();
	base = event_base_new();
	require(base && mkdtemp(dir));
	snprintf(config, sizeof(config), "%s/vireo.conf", dir);
	snprintf(run_dir, sizeof(run_dir), "%s/run", dir);
	rights = (struct keeper_rights){ .config = config, .run_dir = run_dir };
	atexit(clean_up);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	unsigned n_fds;

	if (!base)
		prepare();
	n_fds = fds_open();
	for (unsigned i = 0; i < 8 && in.left; i++)
		ask(&in);
	require(fds_open() == n_fds);
	return 0;
}
