// SPDX-License-Identifier: Apache-2.0
/* A session: its state, and messages out. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/limit.h"
#include "base/log.h"
#include "openflow/error.h"
#include "openflow/session.h"

LOG_MODULE("openflow");
LIMIT_EACH(unasked_limit, "openflow_unasked_bytes", OF_UNASKED_MAX,
	   "of unasked messages that an OpenFlow peer has not read");

#define HELLO_BITMAP 1 /* element of a hello */

/* A request whose answer waits until all is counted. The switch calls back in any case: without a
 * session, when that is gone meanwhile. */
struct of_wait {
	struct of_session *s;
	void (*then)(struct of_session *s, const uint8_t *message, size_t len);
	size_t len;
	uint8_t message[];
};

uint64_t of_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void out_duration(struct of_out *out, uint64_t created_ms)
{
	uint64_t now = of_now_ms(), ms = now > created_ms ? now - created_ms : 0;

	out_u32(out, (uint32_t)(ms / 1000));
	out_u32(out, (uint32_t)(ms % 1000) * 1000000);
}

void of_begin(struct of_out *out, uint8_t version, uint8_t type, uint32_t xid)
{
	*out = (struct of_out){ 0 };
	out_u8(out, version);
	out_u8(out, type);
	out_u16(out, 0);
	out_u32(out, xid);
}

void of_begin_reply(struct of_out *out, const struct of_request *request)
{
	of_begin(out, request->version, request->type + 1, request->xid);
}

void of_begin_nicira(struct of_out *out, uint8_t version, uint32_t subtype, uint32_t xid)
{
	of_begin(out, version, OFT_EXPERIMENTER, xid);
	out_u32(out, VENDOR_NICIRA);
	out_u32(out, subtype);
}

void of_send(struct of_session *s, struct of_out *out)
{
	if (out->failed || out->len > OF_LEN_MAX) {
		log_limited(LOG_WARNING, "%s: a message of OpenFlow could not be made: %s",
			    flows_bridge(s->bridge->flows),
			    out->failed ? "out of memory" : "longer than 64 KiB");
		if (out->failed && !s->ended)
			of_session_end(s);
	} else if (!s->ended) {
		out_patch16(out, 2, out->len);
		if (s->bridge->snoop)
			s->bridge->snoop(s->bridge, out->bytes, out->len);
		s->transport->send(s->transport, out->bytes, out->len);
	}
	out_free(out);
}

void of_refuse(struct of_session *s, const uint8_t *message, size_t len, enum of_error error)
{
	uint8_t version = s->version ? s->version : message[0];
	struct of_out out;

	if (version < OF10 || version > OF15)
		version = OF10;
	of_begin(&out, version, OFT_ERROR, be32_load(message + 4));
	of_error_write(&out, error, version, message, len);
	of_send(s, &out);
}

static void say_hello(struct of_session *s)
{
	struct of_out out;

	of_begin(&out, OF15, OFT_HELLO, 1);
	out_u16(&out, HELLO_BITMAP);
	out_u16(&out, 8);
	out_u32(&out, OF_VERSIONS);
	of_send(s, &out);
}

struct of_session *of_session_create(struct of_bridge *bridge, struct of_transport *transport)
{
	struct of_session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->bridge = bridge;
	s->transport = transport;
	s->role = ROLE_EQUAL;
	s->next = bridge->sessions;
	bridge->sessions = s;
	say_hello(s);
	return s;
}

void of_session_destroy(struct of_session *s)
{
	struct of_session **at;

	if (!s)
		return;
	for (at = &s->bridge->sessions; *at != s; at = &(*at)->next)
		;
	*at = s->next;
	if (s->wait)
		s->wait->s = NULL;
	if (s->later)
		s->later->free(s->later);
	free(s);
}

bool of_session_ready(const struct of_session *s)
{
	return !s->wait && !s->later && !s->ended;
}

void of_session_more(struct of_session *s)
{
	struct of_later *later = s->later;

	if (later && later->go_on(later, s)) {
		s->later = NULL;
		later->free(later);
	}
}

void of_session_answer_later(struct of_session *s, struct of_later *later)
{
	s->later = later;
	of_session_more(s);
}

void of_session_gather(struct of_session *s)
{
	s->gathers = true;
}

void of_publish(struct of_session *s)
{
	unsigned n_refused = s->gathers ? flows_publish(s->bridge->flows) : 0;

	for (unsigned i = s->n_gathered - n_refused; i < s->n_gathered; i++)
		of_refuse(s, s->gathered[i], be16_load(s->gathered[i] + 2), OFERR_FLOW_TABLE_FULL);
	s->n_gathered = 0;
}

void of_session_publish(struct of_session *s)
{
	of_publish(s);
	s->gathers = false;
}

void of_session_end(struct of_session *s)
{
	s->ended = true;
	s->transport->end(s->transport);
}

static void on_settled(void *arg)
{
	struct of_wait *wait = arg;
	struct of_session *s = wait->s;

	if (s) {
		s->wait = NULL;
		wait->then(s, wait->message, wait->len);
		s->transport->ready(s->transport);
	}
	free(wait);
}

enum of_error of_wait(struct of_session *s, const uint8_t *message, size_t len,
		      void (*then)(struct of_session *s, const uint8_t *message, size_t len))
{
	struct of_wait *wait = malloc(sizeof(*wait) + len);

	if (!wait)
		return OFERR_MULTIPART_OVERFLOW;
	wait->s = s;
	wait->then = then;
	wait->len = len;
	memcpy(wait->message, message, len);
	s->wait = wait;
	flows_settle(s->bridge->flows, on_settled, wait);
	return OFERR_NONE;
}

/* As Open vSwitch has it: all but packets whose TTL is over, and what 1.4 added. */
void of_session_default_async(struct of_session *s)
{
	memset(s->async, 0, sizeof(s->async));
	s->async[0][ASYNC_PACKET_IN] = 0xfb;
	s->async[0][ASYNC_PORT_STATUS] = s->async[1][ASYNC_PORT_STATUS] = 7;
	s->async[0][ASYNC_FLOW_REMOVED] = 0x3f;
}

bool of_session_wants(const struct of_session *s, enum of_async what, unsigned reason)
{
	/* who has not said how much of a packet it wants has connected for something else */
	if (!s->version || s->ended || !s->miss_send_len || reason > 31)
		return false;
	return s->async[s->role == ROLE_SLAVE][what] >> reason & 1;
}

bool of_may_tell(struct of_session *s, enum of_async what, unsigned reason)
{
	if (!of_session_wants(s, what, reason))
		return false;
	if (s->transport->waiting(s->transport) <= OF_UNASKED_MAX)
		return true;
	s->n_dropped++;
	limit_refuse(&unasked_limit);
	return false;
}
