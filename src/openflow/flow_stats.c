// SPDX-License-Identifier: Apache-2.0
/* Statistics of rules (OpenFlow 1.5.1, 7.3.5.2 to 7.3.5.4 and 7.2.4; 1.0.0, 5.3.5) and messages
 * about their removal (7.4.2).
 */
#include "openflow/flow_stats.h"
#include "base/clock.h"
#include "openflow/dump.h"
#include "openflow/matches.h"

/* Statistics as 1.5 has them: class, number and length of each. */
#define OXS_DURATION 0x80020008u
#define OXS_IDLE_TIME 0x80020208u
#define OXS_FLOW_COUNT 0x80020604u
#define OXS_PACKET_COUNT 0x80020808u
#define OXS_BYTE_COUNT 0x80020a08u

#define REASON_DELETE_10 2
#define REASON_LAST_13 3

/* ---- requests */

static enum of_error read10(const struct of_request *r, struct flow_filter *filter)
{
	filter->table = r->body[40];
	filter->out_port = proto_port_from10(be16_load(r->body + 42));
	return match_decode_of10(&filter->match, r->body);
}

static enum of_error read_nicira(const struct of_request *r, struct flow_filter *filter,
				 struct error *err)
{
	const uint8_t *rest = r->body + 8;
	size_t len = r->body_len - 8;
	struct cookie_filter cookie;
	enum of_error error;

	filter->out_port = proto_port_from10(be16_load(r->body));
	filter->table = r->body[4];
	error = of_read_nxm(&filter->match, &cookie, be16_load(r->body + 2), &rest, &len, err);
	filter->cookie = cookie.value;
	filter->cookie_mask = cookie.mask;
	return error ? error : len ? OFERR_BAD_LEN : OFERR_NONE;
}

static enum of_error read13(const struct of_request *r, struct flow_filter *filter,
			    struct error *err)
{
	const uint8_t *b = r->body, *rest = b + 32;
	size_t len = r->body_len - 32;

	filter->table = b[0];
	filter->out_port = be32_load(b + 4);
	filter->out_group = be32_load(b + 8);
	filter->cookie = wire_load64(b + 16);
	filter->cookie_mask = wire_load64(b + 24);
	return of_read_match(&filter->match, &rest, &len, err);
}

static enum of_error read_filter(const struct of_request *r, struct flow_filter *filter,
				 struct error *err)
{
	size_t least = r->vendor ? 8 : r->version == OF10 ? 44 : 40;

	*filter = (struct flow_filter){ .out_port = OFPORT_NONE, .out_group = GROUP_ANY };
	if (r->body_len < least)
		return OFERR_BAD_LEN;
	return r->vendor	    ? read_nicira(r, filter, err)
	       : r->version == OF10 ? read10(r, filter)
				    : read13(r, filter, err);
}

/* ---- rules */

/* What a rule has counted. */
static struct tally count_of(const struct rule *rule)
{
	return rule->tally ? tally_read(rule->tally) : (struct tally){ 0 };
}

/* Milliseconds since the last packet, or since the rule was made. */
static uint64_t idle_ms(const struct rule *rule, const struct tally *tally)
{
	uint64_t since = tally->used_ms, now = clock_ns() / NSEC_PER_MSEC;

	if (!since) {
		since = rule->created_ms;
		now = of_now_ms();
	}
	return now > since ? now - since : 0;
}

/* Since the rule was made or changed, in seconds. */
static uint64_t age_s(const struct rule *rule)
{
	uint64_t since = __atomic_load_n(&rule->modified_ms, __ATOMIC_RELAXED), now = of_now_ms();

	return now > since ? (now - since) / 1000 : 0;
}

static void write_counts(struct of_out *out, const struct rule *rule, const struct tally *tally)
{
	out_u64(out, rule->flags & RULE_NO_PKT_COUNTS ? OF_UNKNOWN_COUNT : tally->packets);
	out_u64(out, rule->flags & RULE_NO_BYT_COUNTS ? OF_UNKNOWN_COUNT : tally->bytes);
}

/* Nicira's ages: 0 is unknown, more than fits is the most. */
static uint16_t nicira_age(uint64_t seconds)
{
	return seconds < 0xffff ? (uint16_t)(seconds + 1) : 0xffff;
}

static void write10(struct of_out *out, const struct rule *rule, const struct match *match,
		    const struct tally *tally)
{
	out_u8(out, rule->table);
	out_u8(out, 0);
	of_write_match10(out, match);
	out_duration(out, rule->created_ms);
	out_u16(out, rule->priority);
	out_u16(out, rule->idle_timeout);
	out_u16(out, rule->hard_timeout);
	out_zeros(out, 6);
	out_u64(out, rule->cookie);
	write_counts(out, rule, tally);
}

static void write_nicira(struct of_out *out, const struct rule *rule, const struct match *match,
			 const struct tally *tally)
{
	size_t len_at;

	out_u8(out, rule->table);
	out_u8(out, 0);
	out_duration(out, rule->created_ms);
	out_u16(out, rule->priority);
	out_u16(out, rule->idle_timeout);
	out_u16(out, rule->hard_timeout);
	len_at = out->len;
	out_u16(out, 0);
	out_u16(out, nicira_age(idle_ms(rule, tally) / 1000));
	out_u16(out, nicira_age(age_s(rule)));
	out_u64(out, rule->cookie);
	write_counts(out, rule, tally);
	out_patch16(out, len_at, of_write_nxm(out, match));
}

static void write13(struct of_out *out, uint8_t version, const struct rule *rule,
		    const struct match *match, const struct tally *tally)
{
	out_u8(out, rule->table);
	out_u8(out, 0);
	out_duration(out, rule->created_ms);
	out_u16(out, rule->priority);
	out_u16(out, rule->idle_timeout);
	out_u16(out, rule->hard_timeout);
	out_u16(out, rule->flags);
	out_u16(out, version >= OF14 ? rule->importance : 0);
	out_u16(out, 0);
	out_u64(out, rule->cookie);
	write_counts(out, rule, tally);
	of_write_match(out, version, match);
}

/* Begins a list of statistics of 1.5; returns where it is. */
static size_t begin_oxs(struct of_out *out)
{
	size_t at = out->len;

	out_u32(out, 0);
	return at;
}

static void end_oxs(struct of_out *out, size_t at)
{
	out_patch16(out, at + 2, out->len - at);
	out_pad(out, at);
}

static void write_oxs64(struct of_out *out, uint32_t header, uint64_t value)
{
	out_u32(out, header);
	out_u64(out, value);
}

static void write_rule_oxs(struct of_out *out, const struct rule *rule, const struct tally *tally)
{
	size_t at = begin_oxs(out);
	uint64_t idle = idle_ms(rule, tally);

	out_u32(out, OXS_DURATION);
	out_duration(out, rule->created_ms);
	out_u32(out, OXS_IDLE_TIME);
	out_u32(out, (uint32_t)(idle / 1000));
	out_u32(out, (uint32_t)(idle % 1000) * 1000000);
	if (!(rule->flags & RULE_NO_PKT_COUNTS))
		write_oxs64(out, OXS_PACKET_COUNT, tally->packets);
	if (!(rule->flags & RULE_NO_BYT_COUNTS))
		write_oxs64(out, OXS_BYTE_COUNT, tally->bytes);
	end_oxs(out, at);
}

static void write15(struct of_out *out, const struct rule *rule, const struct match *match,
		    const struct tally *tally)
{
	out_u16(out, 0);
	out_u8(out, rule->table);
	out_u8(out, 0);
	out_u16(out, rule->priority);
	out_u16(out, rule->idle_timeout);
	out_u16(out, rule->hard_timeout);
	out_u16(out, rule->flags);
	out_u16(out, rule->importance);
	out_u64(out, rule->cookie);
	of_write_match(out, OF15, match);
	write_rule_oxs(out, rule, tally);
}

/* @arg: the version; Nicira's format is told by bit 8. */
#define ARG_NICIRA 0x100u

static void write_rule(struct of_reply *reply, const void *object, uint32_t arg)
{
	const struct rule *rule = object;
	struct of_out *out = &reply->out;
	struct tally tally = count_of(rule);
	uint8_t version = (uint8_t)arg;
	size_t start = out->len;
	struct match match;

	rule_match(rule, &match);
	out_u16(out, 0);
	if (arg & ARG_NICIRA)
		write_nicira(out, rule, &match, &tally);
	else if (version == OF10)
		write10(out, rule, &match, &tally);
	else if (version == OF15)
		write15(out, rule, &match, &tally);
	else
		write13(out, version, rule, &match, &tally);
	of_write_actions(out, version, version != OF10, &rule->actions);
	out_patch16(out, start, out->len - start);
}

static void release_rule(void *object)
{
	rule_unref(object);
}

static const struct of_dump_ops rule_ops = { write_rule, release_rule };

struct collection {
	struct of_dump *dump;
	bool full;
};

static bool collect(void *arg, const struct rule *rule)
{
	struct collection *c = arg;

	if (!of_dump_add(c->dump, (struct rule *)rule)) {
		c->full = true;
		return false;
	}
	rule_ref((struct rule *)rule);
	return true;
}

enum of_error of_handle_flow_stats(struct of_session *s, const struct of_request *r,
				   struct error *err)
{
	struct collection c = { 0 };
	struct flow_filter filter;
	enum of_error error = read_filter(r, &filter, err);

	if (error)
		return error;
	c.dump = of_dump_create(s, &rule_ops, r->version | (r->vendor ? ARG_NICIRA : 0));
	if (!c.dump)
		return OFERR_MULTIPART_OVERFLOW;
	flows_each(s->bridge->flows, &filter, collect, &c);
	if (c.full) {
		of_dump_free(c.dump);
		return OFERR_MULTIPART_OVERFLOW;
	}
	of_dump_start(c.dump, s, r);
	return OFERR_NONE;
}

/* ---- aggregates */

struct sum {
	uint64_t packets, bytes;
	uint32_t flows;
};

static bool add_up(void *arg, const struct rule *rule)
{
	struct sum *sum = arg;
	struct tally tally = count_of(rule);

	sum->packets += rule->flags & RULE_NO_PKT_COUNTS ? 0 : tally.packets;
	sum->bytes += rule->flags & RULE_NO_BYT_COUNTS ? 0 : tally.bytes;
	sum->flows++;
	return true;
}

enum of_error of_handle_aggregate(struct of_session *s, const struct of_request *r,
				  struct error *err)
{
	struct flow_filter filter;
	struct sum sum = { 0 };
	struct of_reply reply;
	enum of_error error = read_filter(r, &filter, err);

	if (error)
		return error;
	flows_each(s->bridge->flows, &filter, add_up, &sum);
	of_reply_begin(&reply, s, r);
	if (r->version == OF15) {
		size_t at = begin_oxs(&reply.out);

		write_oxs64(&reply.out, OXS_PACKET_COUNT, sum.packets);
		write_oxs64(&reply.out, OXS_BYTE_COUNT, sum.bytes);
		out_u32(&reply.out, OXS_FLOW_COUNT);
		out_u32(&reply.out, sum.flows);
		end_oxs(&reply.out, at);
	} else {
		out_u64(&reply.out, sum.packets);
		out_u64(&reply.out, sum.bytes);
		out_u32(&reply.out, sum.flows);
		out_u32(&reply.out, 0);
	}
	of_reply_end(&reply);
	return OFERR_NONE;
}

/* ---- removal */

static void write_removed10(struct of_session *s, struct of_out *out, const struct rule *rule,
			    const struct match *match, const struct tally *tally, uint8_t reason)
{
	of_begin(out, OF10, OFT_FLOW_REMOVED, 0);
	of_write_match10(out, match);
	out_u64(out, rule->cookie);
	out_u16(out, rule->priority);
	out_u8(out, reason);
	out_u8(out, 0);
	out_duration(out, rule->created_ms);
	out_u16(out, rule->idle_timeout);
	out_u16(out, 0);
	write_counts(out, rule, tally);
}

static void write_removed_nicira(struct of_out *out, const struct rule *rule,
				 const struct match *match, const struct tally *tally,
				 uint8_t reason)
{
	size_t len_at;

	of_begin_nicira(out, OF10, NXT_FLOW_REMOVED, 0);
	out_u64(out, rule->cookie);
	out_u16(out, rule->priority);
	out_u8(out, reason);
	out_u8(out, rule->table + 1); /* 0: unknown */
	out_duration(out, rule->created_ms);
	out_u16(out, rule->idle_timeout);
	len_at = out->len;
	out_u16(out, 0);
	write_counts(out, rule, tally);
	out_patch16(out, len_at, of_write_nxm(out, match));
}

static void write_removed13(struct of_out *out, uint8_t version, const struct rule *rule,
			    const struct match *match, const struct tally *tally, uint8_t reason)
{
	of_begin(out, version, OFT_FLOW_REMOVED, 0);
	out_u64(out, rule->cookie);
	out_u16(out, rule->priority);
	out_u8(out, reason);
	out_u8(out, rule->table);
	out_duration(out, rule->created_ms);
	out_u16(out, rule->idle_timeout);
	out_u16(out, rule->hard_timeout);
	write_counts(out, rule, tally);
	of_write_match(out, version, match);
}

static void write_removed15(struct of_out *out, const struct rule *rule, const struct match *match,
			    const struct tally *tally, uint8_t reason)
{
	of_begin(out, OF15, OFT_FLOW_REMOVED, 0);
	out_u8(out, rule->table);
	out_u8(out, reason);
	out_u16(out, rule->priority);
	out_u16(out, rule->idle_timeout);
	out_u16(out, rule->hard_timeout);
	out_u64(out, rule->cookie);
	of_write_match(out, OF15, match);
	write_rule_oxs(out, rule, tally);
}

void of_tell_removed(struct of_session *s, const struct rule *rule, enum removed_reason why)
{
	uint8_t reason = (uint8_t)why;
	struct tally tally;
	struct match match;
	struct of_out out;

	if (!of_may_tell(s, ASYNC_FLOW_REMOVED, why))
		return;
	tally = count_of(rule);
	rule_match(rule, &match);
	if (reason > (s->version == OF10 ? REASON_DELETE_10 : REASON_LAST_13) && s->version < OF14)
		reason = REASON_DELETE_10;
	if (s->version == OF10 && s->nxm)
		write_removed_nicira(&out, rule, &match, &tally, reason);
	else if (s->version == OF10)
		write_removed10(s, &out, rule, &match, &tally, reason);
	else if (s->version == OF15)
		write_removed15(&out, rule, &match, &tally, reason);
	else
		write_removed13(&out, s->version, rule, &match, &tally, reason);
	of_send(s, &out);
}
