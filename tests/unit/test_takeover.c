// SPDX-License-Identifier: Apache-2.0
/* A keeper and switch processes, with real devices, that die at random moments; the front-end gets
 * one answer to each message, in order. All in one process.
 */
#include <pthread.h>

#include "base/log.h"
#include "keeper/client.h"
#include "keeper/relay.h"
#include "keeper_peer.h"
#include "scale.h"

#define OUTSTANDING_MAX 8

/* Both sides, each with a loop of its own, and a front-end. */
struct world {
	struct event_base *keeper_base, *base;
	struct keeper_table *table;
	struct keeper_relay *relay;
	struct keeper_link *link;
	struct keeper_client *client;
	int process; /* the client's end of the link */
	struct vhost_device *device;
	bool asked, opening; /* to quiesce; the keeper has a thread */
	char dir[64], path[96];
	int peer, mem_fd;
	uint32_t sent[OUTSTANDING_MAX]; /* requests that are not answered */
	unsigned n_sent, n_answers, n_deaths, seed, n_fds;
};

static unsigned dice(struct world *w, unsigned n)
{
	return (unsigned)rand_r(&w->seed) % n;
}

/* ---- the keeper */

static void put_start(struct keeper_link *link)
{
	struct keeper_packet p;

	keeper_packet_init(&p, KEEPER_START, 0, 0);
	p.start = (struct keeper_start){ .version = KEEPER_VERSION };
	p.header.size = sizeof(p.start);
	keeper_link_send(link, &p);
}

static void on_packet(void *owner, struct keeper_packet *p)
{
	struct world *w = owner;

	if (p->header.kind == KEEPER_HELLO)
		keeper_relay_attach(w->relay, w->link);
	else if (p->header.kind == KEEPER_READY)
		keeper_relay_ready(w->relay);
	else
		keeper_relay_packet(w->relay, p);
}

static void on_writable(void *owner)
{
	keeper_relay_pump(((struct world *)owner)->relay);
}

static void on_closed(void *owner, const char *why)
{
	keeper_relay_attach(((struct world *)owner)->relay, NULL);
}

static const struct keeper_link_ops link_ops = { .packet = on_packet,
						 .writable = on_writable,
						 .closed = on_closed };

static void *keep(void *arg)
{
	struct world *w = arg;

	while (__atomic_load_n(&w->opening, __ATOMIC_ACQUIRE)) {
		event_base_loop(w->keeper_base, EVLOOP_NONBLOCK);
		usleep(200);
	}
	return NULL;
}

/* ---- the switch */

static void quiesce(void *owner)
{
	((struct world *)owner)->asked = true;
}

static void nothing(void *owner)
{
}

static void announced(void *owner, uint64_t mac)
{
}

static const struct vhost_device_ops device_ops = { .quiesce = quiesce,
						    .changed = nothing,
						    .announce = announced };

static void on_lost(void *owner, const char *why)
{
	fail_msg("the keeper is lost: %s", why);
}

static void on_refused(void *owner, int rc, const char *why)
{
	fail_msg("refused: %s", why);
}

static void ignore(void *owner)
{
}

static const struct keeper_client_ops client_ops = {
	.lost = on_lost, .told = ignore, .leave = ignore, .replaced = ignore, .refused = on_refused
};

/* Waits for the keeper, which runs beside it meanwhile. */
static void begin_process(struct world *w)
{
	struct vhost_device_config config = { .name = "vm",
					      .path = w->path,
					      .rights = { -1, -1, -1 },
					      .features = F_V1 | F_PACKED,
					      .protocol_features = ALL_PROTOCOL,
					      .n_queue_pairs = 1,
					      .mtu = 1500 };
	struct error err = { "" };
	pthread_t thread;
	int pair[2];

	make_pair(pair);
	w->link = keeper_link_create(pair[0], w->keeper_base, &link_ops, w);
	w->process = pair[1];
	put_start(w->link);
	w->asked = false;
	w->opening = true;
	assert_int_equal(pthread_create(&thread, NULL, keep, w), 0);
	if (keeper_client_create(&w->client, pair[1], w->base, &client_ops, w, &err) ||
	    vhost_device_create(&w->device, &config, &device_ops, w,
				keeper_client_endpoints(w->client), &err))
		fail_msg("%s", err.text);
	keeper_client_ready(w->client);
	__atomic_store_n(&w->opening, false, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
}

/* What it has sent the keeper reads; that it cleans up behind itself nobody hears. */
static void die(struct world *w)
{
	shutdown(w->process, SHUT_RDWR);
	vhost_device_destroy(w->device);
	keeper_client_destroy(w->client);
	keeper_link_drain(w->link);
	keeper_relay_attach(w->relay, NULL);
	keeper_link_destroy(w->link);
	w->n_deaths++;
}

static void step_switch(struct world *w)
{
	event_base_loop(w->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	if (!w->asked || dice(w, 2))
		return;
	w->asked = false;
	vhost_device_quiesced(w->device);
}

/* ---- the front-end */

static void ask_device(struct world *w, uint32_t request, const void *payload, uint32_t size,
		       const int *fds, unsigned n)
{
	struct {
		struct vhost_user_header header;
		uint8_t payload[512];
	} m = { .header = { request, VHOST_USER_VERSION | VHOST_USER_FLAG_NEED_REPLY, size } };

	if (size)
		memcpy(m.payload, payload, size);
	send_bytes(w->peer, &m, sizeof(m.header) + size, fds, n);
	w->sent[w->n_sent++] = request;
}

static void ask_number(struct world *w, uint32_t request, uint64_t value)
{
	ask_device(w, request, &value, sizeof(value), NULL, 0);
}

static void ask_something(struct world *w)
{
	struct vhost_user_memory memory = { .n_regions = 1, .regions = { whole_region() } };
	struct vhost_user_vring_addr addr = { .index = dice(w, 2) };
	uint64_t index = dice(w, 2);
	int fd;

	addr.desc = MEM_USER + addr.index * RING_STRIDE;
	addr.avail = addr.desc + 0x2000;
	addr.used = addr.desc + 0x4000;
	switch (dice(w, 9)) {
	case 0:
		ask_device(w, VHOST_USER_GET_FEATURES, NULL, 0, NULL, 0);
		break;
	case 1:
		ask_number(w, VHOST_USER_SET_FEATURES, F_V1 | F_EXTENDED | F_PACKED);
		break;
	case 2:
		ask_device(w, VHOST_USER_SET_MEM_TABLE, &memory, 8 + 32, &w->mem_fd, 1);
		break;
	case 3:
		ask_number(w, VHOST_USER_SET_VRING_NUM, index | 256ull << 32);
		break;
	case 4:
		ask_device(w, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
		break;
	case 5:
	case 6:
		fd = eventfd(0, EFD_CLOEXEC);
		ask_device(w, dice(w, 2) ? VHOST_USER_SET_VRING_KICK : VHOST_USER_SET_VRING_CALL,
			   &index, sizeof(index), &fd, 1);
		close(fd);
		break;
	case 7:
		ask_number(w, VHOST_USER_GET_VRING_BASE, index);
		break;
	default:
		ask_number(w, VHOST_USER_SET_VRING_ENABLE, index | 1ull << 32);
		break;
	}
}

/* What has come is the answer to the oldest message. */
static void read_answers(struct world *w)
{
	struct vhost_user_header header;
	uint8_t payload[64];
	ssize_t n;

	while ((n = recv(w->peer, &header, sizeof(header), MSG_DONTWAIT)) > 0) {
		assert_int_equal(n, sizeof(header));
		assert_true(w->n_sent > 0);
		assert_int_equal(header.request, w->sent[0]);
		assert_int_equal(header.size, 8);
		assert_int_equal(recv(w->peer, payload, header.size, 0), 8);
		memmove(w->sent, w->sent + 1, --w->n_sent * sizeof(w->sent[0]));
		w->n_answers++;
	}
	assert_true(n < 0 && errno == EAGAIN); /* never hung up */
}

static void step(struct world *w, bool asks)
{
	switch (dice(w, 4)) {
	case 0:
		if (asks && w->n_sent < OUTSTANDING_MAX)
			ask_something(w);
		break;
	case 1:
		event_base_loop(w->keeper_base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
		break;
	case 2:
		step_switch(w);
		break;
	default:
		read_answers(w);
		break;
	}
}

/* ---- */

static void open_world(struct world *w)
{
	memset(w, 0, sizeof(*w));
	w->seed = 1;
	w->n_fds = count_fds();
	snprintf(w->dir, sizeof(w->dir), "/tmp/vireo-test-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->path, sizeof(w->path), "%s/vm.sock", w->dir);
	w->keeper_base = event_base_new();
	w->base = event_base_new();
	w->table = keeper_table_create();
	w->relay = keeper_relay_create(w->keeper_base, w->table);
	w->mem_fd = memfd_create("guest", MFD_CLOEXEC);
	assert_int_equal(ftruncate(w->mem_fd, MEM_SIZE), 0);
}

static void close_world(struct world *w)
{
	die(w);
	close(w->peer);
	close(w->mem_fd);
	keeper_relay_destroy(w->relay);
	keeper_table_destroy(w->table);
	event_base_free(w->keeper_base);
	event_base_free(w->base);
	rcu_drain();
	assert_int_equal(rmdir(w->dir), 0);
	assert_int_equal(count_fds(), w->n_fds);
	assert_int_equal(count_mappings(), 0);
}

static void test_one_answer_each(void **state)
{
	static struct world w;
	unsigned n = scaled(8000);

	open_world(&w);
	begin_process(&w);
	w.peer = connect_to(w.path);
	ask_number(&w, VHOST_USER_SET_PROTOCOL_FEATURES, ALL_PROTOCOL);
	for (unsigned i = 0; i < n || w.n_sent; i++) {
		step(&w, i < n);
		if (i >= n + 100000)
			fail_msg(
				"%u messages, of kinds from %u, are not answered (%u were, %u deaths)",
				w.n_sent, w.sent[0], w.n_answers, w.n_deaths);
		if (i % 16 || i >= n || dice(&w, 4))
			continue;
		die(&w);
		begin_process(&w);
	}
	assert_true(w.n_answers > n / 100 && w.n_deaths > n / 400);
	assert_true(vhost_device_state(w.device)->connected);
	assert_int_equal(vhost_device_state(w.device)->n_connects, 1);
	assert_string_equal(vhost_device_state(w.device)->last_error, "");
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_answer_each),
	};

	log_set_level("all", "error", NULL); /* of wrong messages there are many */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
