// SPDX-License-Identifier: Apache-2.0
/* The switch's end of the keeper, which is played here packet by packet. */
#include <pthread.h>
#include <time.h>

#include "keeper/client.h"
#include "keeper_peer.h"
#include "virtio/ring_state.h"

#define STATES_LEN (VHOST_VRINGS_MAX * sizeof(struct ring_state))

/* The client, what its endpoint's owner is told, and the keeper's end. */
struct world {
	struct event_base *base;
	struct keeper_client *client;
	int keeper;
	char told[256]; /* a letter for each event */
	unsigned n_told, n_lost;
	struct vhost_message last;
	char why[64];
	unsigned n_fds;
};

static void tell(struct world *w, char what)
{
	assert_true(w->n_told < sizeof(w->told) - 1);
	w->told[w->n_told++] = what;
	w->told[w->n_told] = 0;
}

static void on_connected(void *owner, int peer_pid, bool resumed)
{
	tell(owner, resumed ? 'C' : 'c');
	assert_int_equal(peer_pid, 42);
}

static void take_message(struct world *w, struct vhost_message *m)
{
	vhost_message_close_fds(&w->last);
	w->last = *m;
}

static void on_kept(void *owner, struct vhost_message *m)
{
	tell(owner, 'k');
	take_message(owner, m);
}

static void on_resumed(void *owner)
{
	tell(owner, 'r');
}

static void on_message(void *owner, struct vhost_message *m)
{
	tell(owner, 'm');
	take_message(owner, m);
}

static void on_disconnected(void *owner, const char *why)
{
	struct world *w = owner;

	tell(w, 'd');
	snprintf(w->why, sizeof(w->why), "%s", why ? why : "NULL");
}

static const struct vhost_endpoint_events events = { on_connected, on_kept, on_resumed, on_message,
						     on_disconnected };

static void on_lost(void *owner, const char *why)
{
	((struct world *)owner)->n_lost++;
}

static void on_refused(void *owner, int rc, const char *why)
{
	on_lost(owner, why);
}

static void ignore(void *owner)
{
}

/* As a switch with nothing to do one of whose threads is stuck. */
static int on_look(void *owner, bool *asleep)
{
	*asleep = true;
	return 77;
}

static const struct keeper_client_ops client_ops = { .lost = on_lost,
						     .told = ignore,
						     .leave = ignore,
						     .replaced = ignore,
						     .refused = on_refused,
						     .look = on_look };

static void expect_told(struct world *w, const char *what)
{
	for (int i = 0; i < 12; i++)
		event_base_loop(w->base, EVLOOP_NONBLOCK);
	assert_string_equal(w->told, what);
	w->n_told = 0;
	w->told[0] = 0;
}

/* What the keeper sends at the start, in answer to a hello that is on its way. */
static void put_start(int fd, uint32_t version, const char *config)
{
	struct keeper_packet p;

	keeper_packet_init(&p, KEEPER_START, 0, 0);
	p.start = (struct keeper_start){ .version = version, .n_crashes = 3, .died_ns = 4 };
	p.header.size = sizeof(p.start);
	if (config) {
		p.fds[p.n_fds++] = memfd_create("config", MFD_CLOEXEC);
		assert_int_equal(write(p.fds[0], config, strlen(config)), strlen(config));
	}
	put_packet(fd, &p);
}

static void put_held(int fd, const char *key, unsigned n)
{
	struct keeper_packet p;

	keeper_packet_init(&p, KEEPER_HELD, 0, 0);
	memset(p.key, 0, sizeof(p.key));
	strcpy(p.key, key);
	p.header.size = sizeof(p.key);
	for (; p.n_fds < n; p.n_fds++)
		p.fds[p.n_fds] = eventfd(p.n_fds + 10, EFD_CLOEXEC);
	put_packet(fd, &p);
}

/* The next packet from the client is of this kind. */
static struct keeper_packet *expect(struct world *w, enum keeper_kind kind)
{
	static struct keeper_packet p;

	if (!get_packet(w->keeper, &p))
		fail_msg("no packet, not one of kind %d", kind);
	assert_int_equal(p.header.kind, kind);
	return &p;
}

static int setup(void **state)
{
	static struct world w;
	struct error err = { "" };
	int pair[2];

	memset(&w, 0, sizeof(w));
	w.n_fds = count_fds();
	w.base = event_base_new();
	make_pair(pair);
	w.keeper = pair[1];
	put_held(w.keeper, "control", 2);
	put_held(w.keeper, "tap vm", 3);
	put_start(w.keeper, KEEPER_VERSION, "the configuration");
	if (keeper_client_create(&w.client, pair[0], w.base, &client_ops, &w, &err))
		fail_msg("%s", err.text);
	assert_int_equal(expect(&w, KEEPER_HELLO)->hello.version, KEEPER_VERSION);
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	vhost_message_close_fds(&w->last);
	keeper_client_destroy(w->client);
	event_base_free(w->base);
	if (w->keeper >= 0)
		close(w->keeper);
	assert_int_equal(count_fds(), w->n_fds);
	return 0;
}

static void put_opened(struct world *w, uint32_t id, int error, int states)
{
	struct keeper_packet p;

	keeper_packet_init(&p, KEEPER_DEVICE_OPENED, id, 0);
	p.opened = (struct keeper_opened){ .error = error, .resumed = states >= 0 };
	strcpy(p.opened.text, "no such luck");
	p.header.size = sizeof(p.opened);
	if (states >= 0)
		p.fds[p.n_fds++] = states;
	put_packet(w->keeper, &p);
}

static const struct vhost_endpoint_config where = {
	"vm", "/run/vm.sock", VHOST_LISTEN, { 1, 2, 3 }
};

/* The @id'th endpoint; @states: what the keeper has from before, or -1. */
static struct vhost_endpoint *make(struct world *w, uint32_t id, int states)
{
	const struct vhost_endpoint_maker *maker = keeper_client_endpoints(w->client);
	struct vhost_endpoint *ep = NULL;
	struct error err = { "" };
	struct keeper_packet *p;

	put_opened(w, id, 0, states);
	if (maker->make(maker, &ep, &where, &events, w, &err))
		fail_msg("%s", err.text);
	p = expect(w, KEEPER_DEVICE_OPEN);
	assert_int_equal(p->header.device, id);
	assert_string_equal(p->open.name, "vm");
	assert_string_equal(p->open.path, "/run/vm.sock");
	assert_int_equal(p->open.uid, 1);
	assert_int_equal(p->open.rights, 3);
	assert_int_equal(p->n_fds, 1);
	keeper_packet_close_fds(p);
	return ep;
}

static void put_connected(struct world *w, uint32_t connection, bool resumed)
{
	struct keeper_connected c = { 42, resumed };

	put(w->keeper, KEEPER_DEVICE_CONNECTED, 1, connection, &c, sizeof(c));
}

static void put_flags(struct world *w, enum keeper_kind kind, uint32_t connection, uint32_t flags,
		      uint32_t value)
{
	struct vhost_user_header header = { 1, flags, sizeof(value) };
	struct keeper_packet p;

	keeper_packet_init(&p, kind, 1, connection);
	memcpy(p.bytes, &header, sizeof(header));
	memcpy(p.bytes + sizeof(header), &value, sizeof(value));
	p.header.size = sizeof(header) + sizeof(value);
	p.fds[p.n_fds++] = eventfd(0, EFD_CLOEXEC);
	put_packet(w->keeper, &p);
}

static void put_message(struct world *w, enum keeper_kind kind, uint32_t connection, uint32_t value)
{
	put_flags(w, kind, connection, VHOST_USER_VERSION, value);
}

/* ---- tests */

static void test_start(void **state)
{
	struct world *w = *state;
	int fds[KEEPER_FDS_MAX];
	char *config = keeper_client_config(w->client);
	uint64_t value;

	assert_int_equal(keeper_client_start(w->client)->n_crashes, 3);
	assert_string_equal(config, "the configuration");
	free(config);
	assert_null(keeper_client_config(w->client));
	assert_int_equal(
		keeper_client_keep(w->client)->take(keeper_client_keep(w->client), "tap", fds, 8),
		0);
	assert_int_equal(keeper_client_keep(w->client)->take(keeper_client_keep(w->client),
							     "tap vm", fds, 2),
			 2); /* the third is closed */
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(read(fds[i], &value, sizeof(value)), sizeof(value));
		assert_int_equal(value, 10 + i);
		close(fds[i]);
	}
	assert_int_equal(keeper_client_keep(w->client)->take(keeper_client_keep(w->client),
							     "tap vm", fds, 8),
			 0);
}

static void test_hold(void **state)
{
	struct world *w = *state;
	int fds[] = { eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC) };
	struct keeper_packet *p;
	char text[16] = { 0 };

	keeper_client_keep(w->client)->hold(keeper_client_keep(w->client), "tap x", fds, 2);
	p = expect(w, KEEPER_HOLD);
	assert_string_equal(p->key, "tap x");
	assert_int_equal(p->n_fds, 2);
	assert_true(same_event(fds[1], p->fds[1]));
	keeper_packet_close_fds(p);
	keeper_client_keep(w->client)->release(keeper_client_keep(w->client), "tap x");
	assert_string_equal(expect(w, KEEPER_RELEASE)->key, "tap x");
	for (int i = 0; i < 2; i++) { /* the same only once */
		keeper_client_set_config(w->client, "{}");
		keeper_client_set_config(w->client, "{}");
		p = expect(w, KEEPER_CONFIG);
		assert_int_equal(pread(p->fds[0], text, sizeof(text), 0), 2);
		assert_string_equal(text, "{}");
		keeper_packet_close_fds(p);
		keeper_client_set_config(w->client, "{ }");
		keeper_packet_close_fds(expect(w, KEEPER_CONFIG));
	}
	/* nobody wants what an earlier process had */
	keeper_client_ready(w->client);
	assert_string_equal(expect(w, KEEPER_RELEASE)->key, "tap vm");
	assert_string_equal(expect(w, KEEPER_RELEASE)->key, "control");
	expect(w, KEEPER_READY);
	assert_false(get_packet(w->keeper, &(struct keeper_packet){ 0 }));
	close(fds[0]);
	close(fds[1]);
}

/* What a user may give instead of the keeper's socket. */
static void test_no_socket(void **state)
{
	struct keeper_client *client;
	struct world *w = *state;
	struct error err;
	int pair[2], fds[3];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	close(pair[1]);
	fds[0] = pair[0];
	fds[1] = open("/dev/null", O_RDWR | O_CLOEXEC);
	fds[2] = -1;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(
			keeper_client_create(&client, fds[i], w->base, &client_ops, w, &err),
			-EINVAL);
		assert_non_null(strstr(err.text, "no socket of a keeper"));
	}
}

/* A keeper of another version, one that says something else first, one that is gone. */
static void test_wrong_start(void **state)
{
	for (int what = 0; what < 3; what++) {
		struct world *w = *state;
		struct keeper_client *client;
		struct error err;
		int pair[2];

		make_pair(pair);
		put_held(pair[1], "control", 2);
		if (what == 0)
			put_start(pair[1], KEEPER_VERSION + 1, "{}");
		else if (what == 1)
			put(pair[1], KEEPER_DEVICE_CONNECTED, 1, 1, NULL, 0);
		else
			shutdown(pair[1], SHUT_RDWR);
		assert_true(keeper_client_create(&client, pair[0], w->base, &client_ops, w, &err) <
			    0);
		assert_non_null(strstr(err.text, what < 2 ? "version" : "ended"));
		close(pair[1]);
	}
}

/* The watchdog's questions, and how else the keeper learns that all is over. */
static void test_signs_of_life(void **state)
{
	struct world *w = *state;
	int bell = eventfd(0, EFD_CLOEXEC);
	struct keeper_packet *p;

	keeper_client_set_bell(w->client, bell);
	p = expect(w, KEEPER_BELL);
	assert_int_equal(p->n_fds, 1);
	assert_true(same_event(bell, p->fds[0]));
	keeper_packet_close_fds(p);
	keeper_client_set_lifeline(w->client, bell);
	p = expect(w, KEEPER_LIFELINE);
	assert_int_equal(p->n_fds, 1);
	assert_true(same_event(bell, p->fds[0]));
	keeper_packet_close_fds(p);
	close(bell);
	put(w->keeper, KEEPER_ASK, 0, 0, NULL, 0);
	expect_told(w, "");
	p = expect(w, KEEPER_ALIVE);
	assert_int_equal(p->alive.stuck, 77);
	assert_int_equal(p->alive.quiet, 1);
}

/* Work that takes long is told of, but not all the time. */
static void test_busy(void **state)
{
	struct world *w = *state;
	struct keeper_packet p;
	unsigned n = 0;

	for (unsigned i = 0; i < 1000; i++)
		keep_busy(keeper_client_keep(w->client));
	keeper_client_calm(w->client);
	expect(w, KEEPER_BUSY);
	while (get_packet(w->keeper, &p) && p.header.kind == KEEPER_BUSY)
		n++;
	assert_int_equal(p.header.kind, KEEPER_CALM);
	assert_true(n < 500);
}

static void test_lost(void **state)
{
	struct world *w = *state;

	close(w->keeper);
	w->keeper = -1;
	expect_told(w, "");
	assert_int_equal(w->n_lost, 1);
	keeper_client_ready(w->client); /* nothing happens */
}

static void test_resumed(void **state)
{
	static const struct vhost_verdict done = { .reply = false };
	struct world *w = *state;
	struct vhost_endpoint *ep;

	/* told before the endpoint's owner has it */
	put_connected(w, 5, true);
	put_message(w, KEEPER_DEVICE_KEPT, 5, 11);
	ep = make(w, 1, -1);
	assert_non_null(ep->ring_states);
	expect_told(w, "Ck");
	assert_int_equal(w->last.n_fds, 1);
	put_message(w, KEEPER_DEVICE_KEPT, 5, 12);
	put(w->keeper, KEEPER_DEVICE_RESUMED, 1, 5, NULL, 0);
	put_message(w, KEEPER_DEVICE_MESSAGE, 5, 13);
	expect_told(w, "krm");
	assert_int_equal(w->last.header.size, 4);
	assert_int_equal(w->last.payload.u64, 13);
	assert_false(w->last.fds_lost);
	/* not before that one is done, nor is anything kept now */
	put_message(w, KEEPER_DEVICE_MESSAGE, 5, 14);
	put_message(w, KEEPER_DEVICE_KEPT, 5, 14);
	put(w->keeper, KEEPER_DEVICE_RESUMED, 1, 5, NULL, 0);
	put_connected(w, 6, false);
	expect_told(w, "");
	ep->ops->done(ep, &done);
	put_flags(w, KEEPER_DEVICE_MESSAGE, 5, VHOST_USER_VERSION | KEEPER_FDS_LOST, 13);
	expect_told(w, "m");
	assert_true(w->last.fds_lost);
	assert_int_equal(w->last.header.flags, VHOST_USER_VERSION);
	/* of another connection, of no device, or of no sense */
	put_message(w, KEEPER_DEVICE_MESSAGE, 4, 14);
	put(w->keeper, KEEPER_DEVICE_DISCONNECTED, 1, 4, "", 1);
	put(w->keeper, KEEPER_DEVICE_DISCONNECTED, 2, 5, "", 1);
	put(w->keeper, KEEPER_DEVICE_MESSAGE, 1, 5, "short", 5);
	put(w->keeper, 99, 1, 5, NULL, 0);
	expect_told(w, "");
	put(w->keeper, KEEPER_DEVICE_DISCONNECTED, 1, 5, "", 1);
	expect_told(w, "d");
	assert_string_equal(w->why, "NULL");
	put(w->keeper, KEEPER_DEVICE_DISCONNECTED, 1, 5, "", 1);
	expect_told(w, "");
	put_connected(w, 6, false); /* too early */
	expect_told(w, "");
	ep->ops->wait(ep);
	put_connected(w, 6, false);
	put(w->keeper, KEEPER_DEVICE_DISCONNECTED, 1, 6, "a reason", 9);
	expect_told(w, "cd");
	assert_string_equal(w->why, "a reason");
	ep->ops->destroy(NULL);
	ep->ops->destroy(ep);
	expect(w, KEEPER_DEVICE_DONE);
	expect(w, KEEPER_DEVICE_WAIT);
	assert_int_equal(expect(w, KEEPER_DEVICE_CLOSE)->header.device, 1);
	put_connected(w, 7, false);
	expect_told(w, "");
}

static void test_operations(void **state)
{
	static const struct vhost_edit edits[] = { { VHOST_EDIT_FORGET, 0, { 1, 0, 2 } },
						   { VHOST_EDIT_KEEP, 0, { 3, 0, 4 } } };
	struct vhost_verdict verdict = { .reply = true,
					 .request = 9,
					 .payload = "answer",
					 .size = 6,
					 .edits = edits,
					 .n_edits = 2 };
	struct world *w = *state;
	struct vhost_endpoint *ep = make(w, 1, -1);
	struct keeper_packet *p;

	put_connected(w, 5, false);
	put_message(w, KEEPER_DEVICE_MESSAGE, 5, 1);
	expect_told(w, "cm");
	ep->ops->done(ep, &verdict);
	p = expect(w, KEEPER_DEVICE_DONE);
	assert_int_equal(p->header.connection, 5);
	assert_int_equal(p->done.request, 9);
	assert_true(p->done.reply);
	assert_int_equal(p->done.n_edits, 2);
	assert_memory_equal(p->bytes + sizeof(p->done), edits, sizeof(edits));
	assert_memory_equal(p->bytes + sizeof(p->done) + sizeof(edits), "answer", 6);
	assert_int_equal(p->header.size, sizeof(p->done) + sizeof(edits) + 6);
	verdict.reply = false;
	verdict.n_edits = 0;
	ep->ops->done(ep, &verdict);
	p = expect(w, KEEPER_DEVICE_DONE);
	assert_false(p->done.reply);
	assert_int_equal(p->header.size, sizeof(p->done));
	/* what crosses the end is not told */
	ep->ops->hang_up(ep);
	put_message(w, KEEPER_DEVICE_MESSAGE, 5, 1);
	put(w->keeper, KEEPER_DEVICE_DISCONNECTED, 1, 5, "", 1);
	expect_told(w, "");
	assert_int_equal(expect(w, KEEPER_DEVICE_HANG_UP)->header.connection, 5);
	ep->ops->hang_up(ep);
	ep->ops->wait(ep);
	expect(w, KEEPER_DEVICE_WAIT);
	ep->ops->destroy(ep);
	expect(w, KEEPER_DEVICE_CLOSE);
}

/* States that an earlier process has left are there; those of another layout are refused. */
static void test_states(void **state)
{
	const struct vhost_endpoint_maker *maker;
	struct world *w = *state;
	int fd = memfd_create("states", MFD_CLOEXEC), small = memfd_create("small", MFD_CLOEXEC);
	uint64_t running = 7;
	struct vhost_endpoint *ep;
	struct error err;

	assert_int_equal(ftruncate(fd, STATES_LEN), 0);
	assert_int_equal(pwrite(fd, &running, sizeof(running), sizeof(struct ring_state)), 8);
	ep = make(w, 1, fd);
	assert_int_equal(ep->ring_states[1].running, 7);
	ep->ops->destroy(ep);
	expect(w, KEEPER_DEVICE_CLOSE);

	maker = keeper_client_endpoints(w->client);
	/* of another version: given up, and begun anew */
	put_opened(w, 2, 0, small);
	put_opened(w, 3, 0, -1);
	assert_int_equal(maker->make(maker, &ep, &where, &events, w, &err), 0);
	assert_int_equal(ep->ring_states[1].running, 0);
	keeper_packet_close_fds(expect(w, KEEPER_DEVICE_OPEN));
	assert_int_equal(expect(w, KEEPER_DEVICE_CLOSE)->header.device, 2);
	keeper_packet_close_fds(expect(w, KEEPER_DEVICE_OPEN));
	ep->ops->destroy(ep);
	assert_int_equal(expect(w, KEEPER_DEVICE_CLOSE)->header.device, 3);
	put_opened(w, 4, -EADDRINUSE, -1);
	assert_int_equal(maker->make(maker, &ep, &where, &events, w, &err), -EADDRINUSE);
	assert_string_equal(err.text, "no such luck");
	keeper_packet_close_fds(expect(w, KEEPER_DEVICE_OPEN));
}

static void put_kept(struct world *w, uint32_t request, const void *payload, uint32_t size)
{
	struct vhost_user_header header = { request, VHOST_USER_VERSION, size };
	struct keeper_packet p;

	keeper_packet_init(&p, KEEPER_DEVICE_KEPT, 1, 1);
	memcpy(p.bytes, &header, sizeof(header));
	memcpy(p.bytes + sizeof(header), payload, size);
	p.header.size = (uint32_t)(sizeof(header) + size);
	put_packet(w->keeper, &p);
}

static void nothing(void *owner)
{
}

static void announced(void *owner, uint64_t mac)
{
}

/* A device that has been taken over and whose packed ring waits for its memory is deleted. */
static void test_device_with_waiting_ring(void **state)
{
	static const struct vhost_device_ops ops = { .quiesce = nothing,
						     .changed = nothing,
						     .announce = announced };
	struct world *w = *state;
	struct vhost_device_config config = { .name = "vm",
					      .path = "/run/vm.sock",
					      .features = F_V1 | F_PACKED,
					      .protocol_features = ALL_PROTOCOL,
					      .n_queue_pairs = 1 };
	uint64_t features = F_V1 | F_PACKED, kick = VHOST_USER_VRING_NOFD;
	uint64_t running = ring_state_mark(true, 256);
	int fd = memfd_create("states", MFD_CLOEXEC);
	struct vhost_device *device;
	struct error err;

	assert_int_equal(ftruncate(fd, STATES_LEN), 0);
	assert_int_equal(pwrite(fd, &running, sizeof(running), 0), 8);
	put_opened(w, 1, 0, fd);
	assert_int_equal(vhost_device_create(&device, &config, &ops, NULL,
					     keeper_client_endpoints(w->client), &err),
			 0);
	put_connected(w, 1, true);
	put_kept(w, VHOST_USER_SET_FEATURES, &features, 8);
	put_kept(w, VHOST_USER_SET_VRING_KICK, &kick, 8);
	put(w->keeper, KEEPER_DEVICE_RESUMED, 1, 1, NULL, 0);
	expect_told(w, "");
	assert_true(vhost_device_vring(device, 0)->resume);
	vhost_device_destroy(device);
	rcu_drain();
	keeper_packet_close_fds(expect(w, KEEPER_DEVICE_OPEN));
	expect(w, KEEPER_DEVICE_CLOSE);
}

/* A keeper that reads after a while, until a message is done. */
static void *read_late(void *arg)
{
	struct world *w = arg;
	struct pollfd poller = { .fd = w->keeper, .events = POLLIN };
	struct keeper_packet p;

	nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	while (poll(&poller, 1, 10000) == 1 && get_packet(w->keeper, &p)) {
		keeper_packet_close_fds(&p);
		if (p.header.kind == KEEPER_DEVICE_DONE)
			return w;
	}
	return NULL;
}

/* However much waits to be told, what is told is with the keeper before anything else happens: the
 * process may die behind it. */
static void test_told_when_full(void **state)
{
	struct world *w = *state;
	struct vhost_endpoint *ep = make(w, 1, -1);
	struct keep *keep = keeper_client_keep(w->client);
	struct vhost_verdict verdict = { .reply = true, .request = 1 };
	pthread_t thread;
	void *done;

	put_connected(w, 1, false);
	put_message(w, KEEPER_DEVICE_MESSAGE, 1, 5);
	expect_told(w, "cm");
	assert_int_equal(pthread_create(&thread, NULL, read_late, w), 0);
	for (unsigned i = 0; i < 2000; i++)
		keep->release(keep, "nothing");
	ep->ops->done(ep, &verdict);
	pthread_join(thread, &done); /* without a turn of the loop */
	assert_ptr_equal(done, w);
	ep->ops->destroy(ep);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_start),
		TEST(test_hold),
		TEST(test_no_socket),
		TEST(test_wrong_start),
		TEST(test_busy),
		TEST(test_lost),
		TEST(test_resumed),
		TEST(test_operations),
		TEST(test_told_when_full),
		TEST(test_states),
		TEST(test_device_with_waiting_ring),
		TEST(test_signs_of_life),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
