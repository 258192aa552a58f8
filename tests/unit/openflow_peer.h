/* SPDX-License-Identifier: Apache-2.0 */
/* A peer without a socket, for tests of OpenFlow's messages: bytes are written as hexadecimal
 * digits, blanks are for people.
 */
#pragma once

#include <ctype.h>
#include <stdio.h>

#include "flows_fake.h"
#include "openflow/message.h"

#define PEER_MAX (1u << 21)

/* A session of the fake bridge, and what it has sent. */
struct peer {
	struct of_transport transport;
	struct of_bridge bridge;
	struct of_session *s;
	uint8_t sent[PEER_MAX];
	size_t len;
	size_t waiting; /* what it is told that the peer has not read */
	unsigned n_ready;
	bool ended;
};

static struct peer peer;

static inline void peer_take(struct of_transport *transport, const uint8_t *message, size_t len)
{
	if (len > PEER_MAX - peer.len)
		abort();
	memcpy(peer.sent + peer.len, message, len);
	peer.len += len;
}

static inline size_t peer_waiting(const struct of_transport *transport)
{
	return peer.waiting;
}

static inline void peer_ready(struct of_transport *transport)
{
	peer.n_ready++;
}

static inline void peer_end(struct of_transport *transport)
{
	peer.ended = true;
}

/* The bytes that @text says; returns how many. */
static inline size_t peer_bytes(const char *text, uint8_t *bytes, size_t size)
{
	size_t n = 0;

	for (; *text; text++) {
		unsigned byte;

		if (isspace((unsigned char)*text))
			continue;
		if (sscanf(text, "%2x", &byte) != 1 || n == size)
			abort();
		bytes[n++] = (uint8_t)byte;
		text++;
	}
	return n;
}

/* Hands over a message of @version and @type with the body @text, xid 0x11223344. */
static inline void peer_send(uint8_t version, uint8_t type, const char *text)
{
	static uint8_t message[OF_LEN_MAX];
	size_t len = OF_HEADER;

	len += peer_bytes(text, message + OF_HEADER, sizeof(message) - OF_HEADER);
	message[0] = version;
	message[1] = type;
	be16_store(message + 2, (uint16_t)len);
	be32_store(message + 4, 0x11223344);
	peer.len = 0;
	message_handle(peer.s, message, len);
	while (peer.s->later && peer.waiting <= OF_QUEUE_MAX) /* each turn may be short */
		of_session_more(peer.s);
}

/* What was sent since, as digits; valid until the next call. */
static inline const char *peer_text(void)
{
	static char text[2 * PEER_MAX + 1];

	for (size_t i = 0; i < peer.len; i++)
		sprintf(text + 2 * i, "%02x", peer.sent[i]);
	text[2 * peer.len] = '\0';
	return text;
}

/* Whether exactly the bytes of @text were sent; prints what was instead. "..": any byte. */
static inline bool peer_got(const char *text)
{
	const char *got = peer_text(), *g = got;

	for (; *text; text++) {
		if (isspace((unsigned char)*text))
			continue;
		if (!*g || (*text != '.' && *text != *g))
			break;
		g++;
	}
	if (!*text && !*g)
		return true;
	fprintf(stderr, "got %.2000s\ndiffers at byte %zu, wanted %.100s\n", got,
		(size_t)(g - got) / 2, text);
	return false;
}

/* Begins a session; @version 0: before hello. */
static inline void peer_setup(uint8_t version)
{
	fake_setup();
	memset(&peer, 0, sizeof(peer));
	peer.transport = (struct of_transport){ peer_take, peer_waiting, peer_ready, peer_end };
	peer.bridge.flows = &fake;
	peer.s = of_session_create(&peer.bridge, &peer.transport);
	if (!peer.s)
		abort();
	if (version)
		peer_send(version, OFT_HELLO, "");
	peer.len = 0;
}

static inline void peer_teardown(void)
{
	of_session_destroy(peer.s);
	fake_teardown();
}
