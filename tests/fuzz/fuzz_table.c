// SPDX-License-Identifier: Apache-2.0
/* libFuzzer target: the keeper's table and files, as another keeper finds them: of devices with
 * journals, answers under way, what is held. The input says what is written down, of which some is
 * not made true, and changes bytes of it. What is refused must say why; what is not must lead to a
 * relay that tells a switch process all of it, and to a table that the next keeper understands.
 */
#include <event2/event.h>
#include <stdio.h>

#include "base/log.h"
#include "base/store.h"
#include "front_end.h"
#include "keeper/belongings.h"
#include "keeper/device_record.h"
#include "keeper/relay.h"

#define RECORDS_MAX 24
#define HEAD_LEN 32  /* bytes of the table in front of its struct table_life */
#define FILES_MAX 64 /* file numbers that these inputs come to */

static struct event_base *base;
static const struct table_record *records[RECORDS_MAX];
static unsigned n_records;

/* ---- what the keeper before has written */

static const struct table_record *add(struct keeper_table *t, enum table_kind kind, uint32_t device,
				      const void *data, size_t len, const int *fds, unsigned n)
{
	const struct table_record *r = keeper_table_add(t, kind, device, data, len, fds, n);

	if (r && n_records < RECORDS_MAX)
		records[n_records++] = r;
	return r;
}

/* Sockets with nobody behind them: a listening one, and a connection. */
static void make_sockets(struct vhost_socket_fds *fds, bool listens, bool connected)
{
	int pair[2];

	fds->listen_fd = listens ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
	fds->fd = -1;
	if (!connected)
		return;
	require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	close(pair[1]);
	fds->fd = pair[0];
}

static void add_kept(struct input *in, const struct device_mirror *mirror)
{
	struct vhost_message m;
	struct vhost_kept kept;

	make_message(in, &m);
	kept = (struct vhost_kept){ .key = { m.header.request, 0, take_choice(in, 4) },
				    .number = VHOST_COUNT_MAX * (1 + take_number(in, 1)),
				    .count = 1 + take_choice(in, 3),
				    .header = m.header,
				    .payload = m.payload.bytes,
				    .n_fds = m.n_fds };
	memcpy(kept.fds, m.fds, sizeof(m.fds));
	if (n_records < RECORDS_MAX)
		records[n_records] = device_journal_mirror.add((void *)mirror, &kept);
	n_records += n_records < RECORDS_MAX && records[n_records];
}

static void add_device(struct input *in, struct keeper_table *t, uint32_t number)
{
	unsigned choice = take_choice(in, 256);
	struct device_record d = { .number = number,
				   .id = choice & 1 ? number : 0,
				   .connection = take_choice(in, 3),
				   .connected = choice & 2,
				   .over = choice & 4,
				   .told_message = choice & 8,
				   .state_fd = fds_of_kind[FD_PAGE] };
	struct device_mirror mirror = { t, number };
	const struct table_record *outbox;

	snprintf(d.where.name, sizeof(d.where.name), "vm%u", choice & 16 ? 0 : number);
	snprintf(d.where.path, sizeof(d.where.path), "/nowhere/%u", number);
	d.where.mode = choice >> 5 & 1;
	make_sockets(&d.fds, !d.where.mode, d.connected);
	outbox = device_outbox_add(t, number);
	if (outbox && n_records < RECORDS_MAX)
		records[n_records++] = outbox;
	if (n_records < RECORDS_MAX)
		records[n_records] = device_record_save(t, NULL, &d);
	n_records += n_records < RECORDS_MAX && records[n_records];
	if (d.fds.listen_fd >= 0)
		close(d.fds.listen_fd);
	if (d.fds.fd >= 0)
		close(d.fds.fd);
	for (unsigned n = take_choice(in, 4); n; n--)
		add_kept(in, &mirror);
}

static void add_any(struct input *in, struct keeper_table *t)
{
	enum table_kind kind = (enum table_kind)take_choice(in, TABLE_KINDS + 1);
	unsigned n = take_choice(in, KEEPER_FDS_MAX + 1);
	uint8_t data[TABLE_DATA_MAX] = { 0 };
	int fds[KEEPER_FDS_MAX];

	for (unsigned i = 0; i < n; i++)
		fds[i] = take_choice(in, 8) ? take_fd(in) : -1;
	take_bytes(in, data, take_number(in, 1));
	add(t, kind, take_choice(in, 4), data, sizeof(data), fds, n);
}

static void write_down(struct input *in, struct keeper_table *t)
{
	struct keeper_packet p;

	switch (take_choice(in, 6)) {
	case 0:
		keeper_packet_init(&p, KEEPER_HOLD, 0, 0);
		snprintf(p.key, sizeof(p.key), "key %u", take_choice(in, 3));
		p.fds[p.n_fds++] = take_fd(in);
		belongings_hold(t, &p);
		break;
	case 1:
		belongings_set(t, TABLE_CONFIG, take_fd(in));
		break;
	case 2:
		add_any(in, t);
		break;
	case 3:
		if (n_records)
			keeper_table_drop(t, records[--n_records]);
		break;
	default:
		add_device(in, t, 1 + take_choice(in, 4));
	}
	if (take_choice(in, 4))
		keeper_table_commit(t);
}

/* What nobody but base/store.h may write to. */
static void *writable(const void *p)
{
	return SHARED_AT((uint8_t *)(uintptr_t)p);
}

/* Changes bytes of the table: of its head, of its life, or of one of its records. */
static void spoil(struct input *in, struct keeper_table *t)
{
	uint8_t *life = writable(keeper_table_life(t));

	take_damage(in, life - HEAD_LEN, HEAD_LEN, 2);
	take_damage(in, life, sizeof(struct table_life), 1);
	for (unsigned i = take_choice(in, 4); i && n_records; i--)
		take_damage(in, writable(records[take_choice(in, n_records)]), sizeof(*records[0]),
			    4);
}

/* ---- the next keeper */

/* What the process that is another program now finds open: descriptors of its own, or one twice, or
 * one that is not open. Returns how many there are in @given. */
static unsigned hand_over(struct input *in, struct keeper_table *t, int *given)
{
	int32_t *fds = writable(keeper_table_life(t) + 1);
	unsigned n = 0, odd = take_choice(in, 64);

	for (unsigned i = 1; i < FILES_MAX; i++) {
		if (!fds[i])
			continue;
		if (i == odd && n) {
			fds[i] = take_choice(in, 2) ? given[0] : 100000;
			continue;
		}
		given[n] = fds[i] = fd_again(fds[i]);
		n++;
	}
	return n;
}

static void no_packet(void *owner, struct keeper_packet *p)
{
	keeper_packet_close_fds(p);
}

static void no_end(void *owner, const char *why)
{
}

/* A switch process opens the devices, and is told what is kept of them. */
static void open_devices(struct keeper_relay *relay)
{
	for (uint32_t id = 1; id < 5; id++) {
		struct keeper_packet p;

		memset(&p, 0, sizeof(p));
		keeper_packet_init(&p, KEEPER_DEVICE_OPEN, id, 0);
		snprintf(p.open.name, sizeof(p.open.name), "vm%u", id - 1);
		snprintf(p.open.path, sizeof(p.open.path), "/nowhere/%u", id - 1);
		keeper_relay_packet(relay, &p);
	}
}

static void go_on(struct input *in, struct keeper_table *t)
{
	static const struct keeper_link_ops ops = { .packet = no_packet, .closed = no_end };
	struct keeper_relay *relay = keeper_relay_create(base, t);
	bool same = take_choice(in, 2);
	struct held *held = NULL;
	struct keeper_link *link;
	int pair[2], pidfd, fd;

	require(relay);
	require(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	link = keeper_link_create(pair[0], base, &ops, NULL);
	require(link);
	fd = belongings_fd(t, TABLE_CONFIG);
	if (fd >= 0)
		close(fd);
	belongings_process(t, &pidfd);
	if (pidfd >= 0)
		close(pidfd);
	belongings_held(t, &held);
	keeper_relay_restore(relay, same);
	if (same)
		keeper_relay_go_on(relay, link);
	else
		keeper_relay_attach(relay, link);
	open_devices(relay);
	keeper_relay_ready(relay);
	event_base_loop(base, EVLOOP_NONBLOCK);
	keeper_relay_quiet(relay);
	keeper_relay_save(relay);
	while (drop_packet(pair[1]))
		;
	close(pair[1]);
	require(!keeper_table_whole(t) ||
		keeper_table_check(keeper_table_own_fd(t), &(struct error){ "" }) == 0);
	keeper_relay_destroy(relay);
	keeper_link_destroy(link);
	held_clear(&held);
}

static void restore(struct input *in, struct keeper_table *before, const int *given, unsigned n)
{
	struct keeper_table *t;
	struct error err = { "" };

	if (keeper_table_restore(&t, fd_again(keeper_table_own_fd(before)), &err) == 0) {
		go_on(in, t);
		keeper_table_destroy(t);
		return;
	}
	require(err.text[0]);
	for (unsigned i = 0; i < n; i++) /* this process would have ended */
		if (fcntl(given[i], F_GETFD) >= 0)
			close(given[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct keeper_table *t;
	int given[FILES_MAX];
	unsigned n_fds, n;

	if (!base) {
		log_set_level("all", "error", NULL);
		fds_prepare();
		base = event_base_new();
		require(base);
	}
	n_fds = fds_open();
	t = keeper_table_create();
	require(t);
	n_records = 0;
	for (n = 1 + take_choice(&in, 5); n; n--)
		write_down(&in, t);
	keeper_table_bequeath(t, -1, 0);
	keeper_table_ready(t);
	n = hand_over(&in, t, given);
	spoil(&in, t);
	restore(&in, t, given, n);
	keeper_table_destroy(t);
	require(fds_open() == n_fds);
	return 0;
}
