// SPDX-License-Identifier: Apache-2.0
/* Live traces: what a client is told, and when it ends. */
#include <sys/socket.h>

#include "flows_rig.h"

/* Begins one; the client's end of the socket. */
static int begin(struct flows_rig *r, const char *port, const char *filter, unsigned count)
{
	struct error err = { "" };
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	if (switch_trace_live(r->rig.sw, &(struct live_request){ port, filter, count, true },
			      fds[1], &err))
		fail_msg("%s", err.text);
	rig_settle(&r->rig);
	return fds[0];
}

/* The next message; NULL: there is none, or there will be none. */
static json_t *look(int fd)
{
	static char text[1 << 20];
	ssize_t n = recv(fd, text, sizeof(text), MSG_DONTWAIT);

	return n > 0 ? json_loadb(text, (size_t)n, 0, NULL) : NULL;
}

/* The next one, in time: a new reference. */
static json_t *receive(struct flows_rig *r, int fd)
{
	json_t *message = NULL;

	UNTIL(&r->rig, (message = look(fd)));
	return message;
}

static json_int_t number(const json_t *message, const char *name)
{
	return json_integer_value(json_object_get(message, name));
}

/* The last word, and then nobody is there. */
static void expect_end(struct flows_rig *r, int fd, const char *why, unsigned told,
		       unsigned left_out)
{
	json_t *message = receive(r, fd);
	const char *end = json_string_value(json_object_get(message, "end"));
	char byte;

	if (why)
		assert_string_equal(end, why);
	else
		assert_true(json_is_null(json_object_get(message, "end")));
	assert_int_equal(number(message, "told"), told);
	assert_int_equal(number(message, "left_out"), left_out);
	json_decref(message);
	assert_int_equal(recv(fd, &byte, 1, 0), 0);
	close(fd);
}

/* Stories are those of "vireo trace", and change nothing. */
static void test_stories(void **state)
{
	struct flows_rig *r = *state;
	int fd = begin(r, "vm1", "udp,tp_dst=53", 2);
	json_t *message;
	const char *text;

	change_rules(r, FLOW_ADD,
		     "priority=5,udp,actions=learn(table=9,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]),"
		     "resubmit(,3)");
	change_rules(r, FLOW_ADD, "table=3,actions=output:2");
	send_packets(r, 0, 1, 80); /* not asked for */
	send_packets(r, 1, 1, 53); /* of another port */
	for (unsigned i = 1; i <= 2; i++) {
		r->rig.sw->live_due = 0; /* however long the story before took */
		send_packets(r, 0, 1, 53);
		message = receive(r, fd);
		assert_int_equal(number(message, "number"), i);
		assert_int_equal(number(message, "length"), 60);
		assert_true(json_number_value(json_object_get(message, "time")) > 0);
		assert_null(json_object_get(message, "dropped"));
		text = option_string(message, "text", "");
		assert_non_null(strstr(text, "It comes in by port 1 (vm1)."));
		assert_non_null(strstr(text, "Table 3: the rule for all packets"));
		assert_non_null(strstr(text, "send it out of port 2 (vm2)"));
		assert_true(json_is_object(json_object_get(message, "trace")));
		json_decref(message);
	}
	expect_end(r, fd, NULL, 2, 0);
	await_packets(r, "vm1", 3);
	/* each packet has been counted once */
	UNTIL(&r->rig, (count_rules(r), tally_read(find_rule(r, "table=3")->tally).packets == 4));
	assert_null(rig_find(&r->rig, "vm1")->lives);
}

/* A rule that comes behind the packet. */
static void test_rules_changed(void **state)
{
	struct flows_rig *r = *state;
	int fd = begin(r, "vm1", "", 0);
	json_t *message;

	send_packets(r, 0, 1, 53);
	/* it has left, and nobody has seen it yet, as the loop stands still */
	for (uint64_t end = clock_ns() + WAIT_NS; !take_packets(r, 1); usleep(50))
		assert_true(clock_ns() < end);
	change_rules(r, FLOW_ADD, "priority=5,udp,actions=drop");
	message = receive(r, fd);
	assert_true(json_is_true(json_object_get(message, "rules_changed")));
	assert_non_null(strstr(option_string(message, "text", ""), "flow_drop"));
	json_decref(message);
	r->rig.sw->live_due = 0;
	send_packets(r, 0, 1, 53);
	message = receive(r, fd);
	assert_null(json_object_get(message, "rules_changed"));
	json_decref(message);
	shutdown(fd, SHUT_WR);
	expect_end(r, fd, NULL, 2, 0);
}

static void test_dropped(void **state)
{
	struct flows_rig *r = *state;
	int fd = begin(r, "vm1", "", 1);
	uint8_t frame[1600] = { 2 };
	json_t *message;

	assert_int_equal(dummy_inject(r->ports[0], 0, frame, sizeof(frame), NULL), 0);
	message = receive(r, fd);
	assert_string_equal(option_string(message, "dropped", ""), "too_long");
	assert_int_equal(number(message, "length"), 1600);
	json_decref(message);
	expect_end(r, fd, NULL, 1, 0);
}

/* The client leaves; the port goes; the switch ends. */
static void test_ends(void **state)
{
	struct flows_rig *r = *state;
	int fd = begin(r, "vm1", "", 0), other = begin(r, "vm1", "", 0);
	int last = begin(r, "vm2", "", 0);

	close(fd);
	UNTIL(&r->rig, rig_find(&r->rig, "vm1")->n_lives == 1);
	rig_del(&r->rig, "vm1");
	expect_end(r, other, "the port is gone", 0, 0);
	rig_settle(&r->rig);
	send_packets(r, 1, 1, 53);
	json_decref(receive(r, last));
	shutdown(last, SHUT_WR);
	expect_end(r, last, NULL, 1, 0);
	(void)begin(r, "vm3", "", 0); /* is there at the end */
	r->rig.n_fds++;		      /* our end of that */
}

/* Over the limit of packets a second, and unread: left out, and packets do not wait. */
static void test_left_out(void **state)
{
	struct flows_rig *r = *state;
	int fd = begin(r, "vm1", "", 0);
	json_t *message;
	unsigned n = 0;

	for (unsigned i = 0; i < 20; i++) {
		send_packets(r, 0, 50, 53);
		await_packets(r, "vm1", 50 * (i + 1));
	}
	shutdown(fd, SHUT_WR);
	do {
		message = receive(r, fd);
		n += !!json_object_get(message, "trace");
		if (json_object_get(message, "told")) {
			assert_int_equal(number(message, "told"), n);
			assert_int_equal(number(message, "left_out"), 1000 - n);
			assert_in_range(n, 1, 900);
			json_decref(message);
			break;
		}
		json_decref(message);
	} while (true);
	close(fd);
}

/* Lets @n packets be told of, however long their stories took. */
static void tell(struct flows_rig *r, unsigned n)
{
	static const uint8_t frame[60] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5 };
	struct upcall u = { .reason = DROP_N_REASONS,
			    .in_port = 1,
			    .frame = frame,
			    .frame_len = sizeof(frame),
			    .total_len = sizeof(frame) };

	live_show(rig_find(&r->rig, "vm1"), &u.watch);
	for (unsigned i = 0; i < n; i++) {
		r->rig.sw->live_due = 0;
		live_packet(r->flows, &u);
	}
	rig_run(&r->rig);
}

/* What there is to read: so many packets. */
static unsigned drain(int fd)
{
	json_t *message;
	unsigned n = 0;

	while ((message = look(fd))) {
		n += !!json_object_get(message, "trace");
		json_decref(message);
	}
	return n;
}

/* Who does not read is left out, and dropped in the end; who reads in time goes on. */
static void test_unread(void **state)
{
	struct flows_rig *r = *state;
	struct error err = { "" };
	int fds[2], little = 4096;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &little, sizeof(little)), 0);
	assert_int_equal(switch_trace_live(r->rig.sw, &(struct live_request){ "vm1", "", 0, true },
					   fds[1], &err),
			 0);
	for (unsigned i = 0; i < 3; i++) {
		tell(r, LIVE_UNREAD_MAX - 1);
		assert_int_equal(rig_find(&r->rig, "vm1")->n_lives, 1);
		assert_in_range(drain(fds[0]), 1, LIVE_UNREAD_MAX / 2);
	}
	tell(r, 2 * LIVE_UNREAD_MAX);
	assert_int_equal(rig_find(&r->rig, "vm1")->n_lives, 0);
	assert_in_range(drain(fds[0]), 1, LIVE_UNREAD_MAX / 2);
	assert_int_equal(recv(fds[0], &little, sizeof(little), 0), 0); /* no room for a last word */
	close(fds[0]);
}

static void refuses(struct flows_rig *r, const char *port, const char *filter, int type,
		    const char *want)
{
	struct error err = { "" };
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, type, 0, fds), 0);
	assert_true(switch_trace_live(r->rig.sw, &(struct live_request){ port, filter, 0, false },
				      fds[1], &err) < 0);
	if (!strstr(err.text, want))
		fail_msg("\"%s\" does not say \"%s\"", err.text, want);
	close(fds[0]);
	close(fds[1]);
}

/* Users other than root leave it some; each gives back what it had. */
static void test_users(void **state)
{
	struct flows_rig *r = *state;
	struct error err = { "" };
	int fds[LIVE_OF_USERS][2], of_root;

	for (unsigned i = 0; i < LIVE_OF_USERS; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds[i]), 0);
		assert_int_equal(switch_trace_live(r->rig.sw,
						   &(struct live_request){ "vm1", "", 0, false },
						   fds[i][1], &err),
				 0);
	}
	refuses(r, "vm1", "", SOCK_SEQPACKET, "too many live traces already");
	of_root = begin(r, "vm1", "", 0);
	close(of_root);
	for (unsigned i = 0; i < LIVE_OF_USERS; i++)
		close(fds[i][0]);
	UNTIL(&r->rig, !rig_find(&r->rig, "vm1")->n_lives);
	rig_settle(&r->rig);
}

static void test_refuses(void **state)
{
	struct flows_rig *r = *state;
	int fds[LIVE_MAX];

	refuses(r, "vm7", "", SOCK_SEQPACKET, "no port \"vm7\"");
	refuses(r, "vm1", "tp_dst=80", SOCK_SEQPACKET, "tp_dst");
	refuses(r, "vm1", "tcp,actions=drop", SOCK_SEQPACKET, "by fields alone");
	refuses(r, "vm1", "out_port=vm2", SOCK_SEQPACKET, "by fields alone");
	refuses(r, "vm1", "reg0=5", SOCK_SEQPACKET, "without registers");
	refuses(r, "vm1", "", SOCK_STREAM, "SOCK_SEQPACKET");
	rig_do(&r->rig, switch_port_add,
	       J("{s:s, s:s, s:s}", "name", "p1", "type", "patch", "peer", "p2"));
	refuses(r, "p1", "", SOCK_SEQPACKET, "is a patch");
	for (unsigned i = 0; i < LIVE_MAX; i++)
		fds[i] = begin(r, "vm1", "", 0);
	refuses(r, "vm2", "", SOCK_SEQPACKET, "too many live traces already");
	for (unsigned i = 0; i < LIVE_MAX; i++)
		close(fds[i]);
	UNTIL(&r->rig, !rig_find(&r->rig, "vm1")->n_lives);
	rig_settle(&r->rig);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, flows_setup, flows_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_stories),  TEST(test_rules_changed), TEST(test_dropped),
		TEST(test_users),    TEST(test_unread),	       TEST(test_ends),
		TEST(test_left_out), TEST(test_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
