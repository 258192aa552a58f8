// SPDX-License-Identifier: Apache-2.0
/* libFuzzer target: any bytes from an OpenFlow peer, in pieces, after a hello.
 *
 * Byte 0 is the version of the hello, byte 1 the length of a piece, byte 2 tells when counts settle
 * and when the switch has something to say; the rest is what the peer sends. Each message that
 * comes back must be whole, of a known type and of the version that was agreed upon (hello, errors
 * and answers to echoes may be of another); text of what a flow-mod brought must be printable. The
 * bridge is the unit tests' one.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../unit/flows_fake.h"
#include "base/log.h"
#include "input.h"
#include "openflow/connection.h"
#include "openflow/flow_stats.h"
#include "openflow/packet.h"
#include "openflow/port.h"

#define TURNS_MAX 10000
#define PIECES_MAX 64 /* then comes the rest */
#define RULES_MAX 200 /* then they are forgotten */

static bool gone;
static size_t len; /* of the beginning of an answer that has not come wholly */
static struct of_bridge bridge;

static void on_closed(void *owner, struct of_connection *connection)
{
	of_connection_destroy(connection);
	gone = true;
}

/* Aborts unless @message is one. */
static void check_message(const uint8_t *message, size_t n, uint8_t version)
{
	if (message[1] > OFT_ROLE_STATUS)
		abort();
	if (message[0] != version && message[1] != OFT_HELLO && message[1] != OFT_ERROR &&
	    message[1] != OFT_ECHO_REPLY)
		abort();
	if (message[1] == OFT_ERROR && n < OF_HEADER + 4)
		abort();
}

/* Takes what was answered; a message may come in pieces. */
static void take_answers(int fd, uint8_t version)
{
	static uint8_t bytes[1 << 22];
	size_t start = 0;
	ssize_t n;

	while ((n = recv(fd, bytes + len, sizeof(bytes) - len, MSG_DONTWAIT)) > 0)
		len += (size_t)n;
	while (len - start >= OF_HEADER) {
		size_t message = be16_load(bytes + start + 2);

		if (message < OF_HEADER)
			abort();
		if (message > len - start)
			break;
		check_message(bytes + start, message, version);
		start += message;
	}
	memmove(bytes, bytes + start, len - start);
	len -= start;
}

static bool print(void *arg, struct rule *rule)
{
	static char text[1 << 17];
	struct match match;

	rule_match(rule, &match);
	match_print(&match, text, sizeof(text));
	actions_print(&rule->actions, text, sizeof(text));
	for (struct of_session *s = bridge.sessions; s; s = s->next)
		of_tell_removed(s, rule, REMOVED_IDLE);
	return true;
}

/* Something happens in the switch. */
static void happen(void)
{
	static const uint8_t frame[64];
	static struct flow_key key = { .in_port = 1, .metadata = 7 };
	struct flows_packet packet = { .metadata = &key,
				       .reason = 1,
				       .max_len = 64,
				       .frame = frame,
				       .len = sizeof(frame),
				       .total_len = 1500 };

	for (struct of_session *s = bridge.sessions; s; s = s->next) {
		of_tell_packet(s, &packet);
		of_tell_port(s, &fake.ports[0], 2);
	}
	pipeline_each_rule(fake.pipeline, 255, NULL, print, NULL);
	if (pipeline_n_rules(fake.pipeline, 255) > RULES_MAX)
		fake_publish(pipeline_create());
}

static void talk(struct event_base *base, int fd, uint8_t version, const uint8_t *data, size_t size)
{
	size_t n_sent = 0, at = 3;
	bool ended = false;

	for (int turn = 0; turn < TURNS_MAX && !gone; turn++) {
		while (at < size) {
			size_t piece = n_sent < PIECES_MAX ? data[1] + 1u : size;

			piece = min(piece, size - at);
			if (send(fd, data + at, piece, MSG_DONTWAIT | MSG_NOSIGNAL) !=
			    (ssize_t)piece)
				break;
			at += piece;
			n_sent++;
		}
		event_base_loop(base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
		if (data[2] >> (turn % 8) & 1) {
			fake_settle();
			happen();
		}
		take_answers(fd, version);
		if (at == size && !ended)
			ended = shutdown(fd, SHUT_WR) == 0;
		if (ended)
			fake_settle();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t versions[] = { OF10, OF13, OF14, OF15 };
	static struct of_connection_env env = { .closed = on_closed };
	struct of_connection *connection;
	uint8_t hello[OF_HEADER] = { 0, OFT_HELLO, 0, OF_HEADER };
	int pair[2];

	if (size < 3)
		return 0;
	log_set_level("all", "error", NULL);
	if (!env.base)
		env.base = event_base_new();
	fake_setup();
	fake.hold_settles = data[2] & 1;
	bridge = (struct of_bridge){ .flows = &fake };
	hello[0] = versions[data[0] % sizeof(versions)];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) ||
	    of_connection_create(&connection, pair[1], &bridge, &env) ||
	    send(pair[0], hello, sizeof(hello), 0) != sizeof(hello))
		abort();
	gone = false;
	len = 0;
	talk(env.base, pair[0], hello[0], data, size);
	if (!gone)
		abort(); /* the peer has ended: so must the connection */
	take_answers(pair[0], hello[0]);
	close(pair[0]);
	happen();
	fake_teardown();
	return 0;
}
