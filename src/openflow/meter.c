// SPDX-License-Identifier: Apache-2.0
/* Meters (OpenFlow 1.5.1, 7.3.4.4, 7.3.5.12 to 7.3.5.14). */
#include "openflow/meter.h"
#include "openflow/dump.h"

#define BAND_LEN 16
#define BANDS (1u << BAND_DROP | 1u << BAND_DSCP_REMARK)
#define CAPABILITIES 0xfu /* all flags */

/* ---- changes */

static enum of_error read_bands(struct meter *meter, const uint8_t *b, size_t len)
{
	for (; len; b += BAND_LEN, len -= BAND_LEN) {
		struct meter_band *band = &meter->bands[meter->n_bands];

		if (len < BAND_LEN || be16_load(b + 2) != BAND_LEN)
			return OFERR_BAD_LEN;
		if (meter->n_bands == METER_BANDS_MAX)
			return OFERR_METER_OUT_OF_BANDS;
		if (be16_load(b) != BAND_DROP && be16_load(b) != BAND_DSCP_REMARK)
			return OFERR_METER_BAD_BAND;
		band->type = (uint8_t)be16_load(b);
		band->rate = be32_load(b + 4);
		band->burst = be32_load(b + 8);
		if (band->type == BAND_DSCP_REMARK)
			band->prec_level = b[12];
		meter->n_bands++;
	}
	return OFERR_NONE;
}

static enum of_error read_meter(const struct of_request *r, struct meter **out)
{
	struct meter *meter = meter_create(be32_load(r->body + 4));
	enum of_error error;

	if (!meter)
		return OFERR_METER_OUT_OF_METERS;
	meter->flags = be16_load(r->body + 2);
	error = read_bands(meter, r->body + 8, r->body_len - 8);
	if (error)
		meter_unref(meter);
	else
		*out = meter;
	return error;
}

enum of_error of_handle_meter_mod(struct of_session *s, const struct of_request *r,
				  struct error *err)
{
	uint32_t id = be32_load(r->body + 4);
	uint16_t command = be16_load(r->body);
	struct meter *meter = NULL;
	enum of_error error;

	if (command > METER_DELETE)
		return OFERR_METER_BAD_COMMAND;
	if (command != METER_DELETE) {
		if (!id || id > METER_MAX)
			return OFERR_METER_INVALID;
		error = read_meter(r, &meter);
		if (error)
			return error;
	}
	return flows_meter_mod(s->bridge->flows, command, id, meter, err);
}

/* ---- statistics and configuration */

static void write_stats(struct of_reply *reply, const void *object, uint32_t arg)
{
	const struct meter *meter = object;
	static const struct meter_state nothing;
	const struct meter_state *state = meter->state ? meter->state : &nothing;
	struct of_out *out = &reply->out;

	out_u32(out, meter->id);
	out_u16(out, (uint16_t)(40 + 16 * meter->n_bands));
	out_zeros(out, 6);
	out_u32(out, flows_meter_users(reply->s->bridge->flows, meter->id));
	out_u64(out, __atomic_load_n(&state->packets, __ATOMIC_RELAXED));
	out_u64(out, __atomic_load_n(&state->bytes, __ATOMIC_RELAXED));
	out_duration(out, meter->created_ms);
	for (unsigned i = 0; i < meter->n_bands; i++) {
		out_u64(out, __atomic_load_n(&state->bands[i].packets, __ATOMIC_RELAXED));
		out_u64(out, __atomic_load_n(&state->bands[i].bytes, __ATOMIC_RELAXED));
	}
}

static void write_config(struct of_reply *reply, const void *object, uint32_t arg)
{
	const struct meter *meter = object;
	struct of_out *out = &reply->out;

	out_u16(out, (uint16_t)(8 + BAND_LEN * meter->n_bands));
	out_u16(out, (uint16_t)meter->flags);
	out_u32(out, meter->id);
	for (unsigned i = 0; i < meter->n_bands; i++) {
		const struct meter_band *band = &meter->bands[i];

		out_u16(out, band->type);
		out_u16(out, BAND_LEN);
		out_u32(out, band->rate);
		out_u32(out, band->burst);
		out_u32(out, (uint32_t)band->prec_level << 24);
	}
}

static void release_meter(void *object)
{
	meter_unref(object);
}

static const struct of_dump_ops stats_ops = { write_stats, release_meter };
static const struct of_dump_ops config_ops = { write_config, release_meter };

struct collection {
	struct of_dump *dump;
	bool full;
};

static bool collect(void *arg, struct meter *meter)
{
	struct collection *c = arg;

	if (!of_dump_add(c->dump, meter)) {
		c->full = true;
		return false;
	}
	meter_ref(meter);
	return true;
}

static enum of_error dump_meters(struct of_session *s, const struct of_request *r,
				 const struct of_dump_ops *ops)
{
	const struct pipeline *p = flows_pipeline(s->bridge->flows);
	uint32_t id = be32_load(r->body);
	struct meter *meter = NULL;
	struct collection c = { 0 };

	if (id != METER_ALL) {
		meter = pipeline_meter(p, id);
		if (!meter)
			return OFERR_METER_UNKNOWN_METER;
	}
	c.dump = of_dump_create(s, ops, 0);
	if (!c.dump)
		return OFERR_MULTIPART_OVERFLOW;
	if (meter)
		collect(&c, meter);
	else
		pipeline_each_meter(p, collect, &c);
	if (c.full) {
		of_dump_free(c.dump);
		return OFERR_MULTIPART_OVERFLOW;
	}
	of_dump_start(c.dump, s, r);
	return OFERR_NONE;
}

enum of_error of_handle_meter_stats(struct of_session *s, const struct of_request *r,
				    struct error *err)
{
	return dump_meters(s, r, &stats_ops);
}

enum of_error of_handle_meter_config(struct of_session *s, const struct of_request *r,
				     struct error *err)
{
	return dump_meters(s, r, &config_ops);
}

enum of_error of_handle_meter_features(struct of_session *s, const struct of_request *r,
				       struct error *err)
{
	struct of_reply reply;

	of_reply_begin(&reply, s, r);
	out_u32(&reply.out, METERS_MAX); /* how many, whatever their numbers */
	out_u32(&reply.out, BANDS);
	out_u32(&reply.out, CAPABILITIES);
	out_u8(&reply.out, METER_BANDS_MAX);
	out_zeros(&reply.out, 3);
	of_reply_end(&reply);
	return OFERR_NONE;
}
