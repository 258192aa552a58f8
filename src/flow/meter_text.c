// SPDX-License-Identifier: Apache-2.0
/* Meters as text, ovs-ofctl's, and what must hold of any meter (OpenFlow 1.5.1, 5.11 and 7.3.4.4).
 */
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#include "flow/action_private.h"
#include "flow/meter.h"

static const struct {
	const char *name;
	uint32_t flag;
} flags[] = {
	{ "kbps", METER_KBPS },
	{ "pktps", METER_PKTPS },
	{ "burst", METER_BURST },
	{ "stats", METER_STATS },
};

static const char *const band_names[] = {
	[BAND_DROP] = "drop",
	[BAND_DSCP_REMARK] = "dscp_remark",
};

static int set_flag(struct meter *meter, const char *name, struct error *err)
{
	for (unsigned i = 0; i < ARRAY_SIZE(flags); i++) {
		if (!strcmp(flags[i].name, name)) {
			meter->flags |= flags[i].flag;
			return 0;
		}
	}
	return error_set(err, -EINVAL, "%.40s is not one of kbps, pktps, burst, stats, bands",
			 name);
}

static int add_band(struct meter *meter, const char *type, struct error *err)
{
	if (meter->n_bands == METER_BANDS_MAX)
		return error_set(err, -EINVAL, "more than %d bands", METER_BANDS_MAX);
	for (unsigned i = 1; i < ARRAY_SIZE(band_names); i++) {
		if (!strcmp(band_names[i], type)) {
			meter->bands[meter->n_bands++].type = (uint8_t)i;
			return 0;
		}
	}
	return error_set(err, -EINVAL, "band type %.40s is not one of drop, dscp_remark", type);
}

static int parse_band_word(struct meter *meter, const char *name, const char *value,
			   struct error *err)
{
	struct meter_band *band;
	uint32_t level;

	if (!strcmp(name, "type"))
		return add_band(meter, value, err);
	if (!meter->n_bands)
		return error_set(err, -EINVAL, "a band begins with type=, not %.40s", name);
	band = &meter->bands[meter->n_bands - 1];
	if (!strcmp(name, "rate"))
		return action_parse_u32(value, UINT32_MAX, name, &band->rate, err);
	if (!strcmp(name, "burst_size")) {
		if (!(meter->flags & METER_BURST))
			return error_set(err, -EINVAL, "burst_size is for meters with burst");
		return action_parse_u32(value, UINT32_MAX, name, &band->burst, err);
	}
	if (strcmp(name, "prec_level"))
		return error_set(err, -EINVAL, "a band has no %.40s", name);
	if (band->type != BAND_DSCP_REMARK)
		return error_set(err, -EINVAL, "prec_level is for dscp_remark");
	if (action_parse_u32(value, UINT8_MAX, name, &level, err))
		return -EINVAL;
	band->prec_level = (uint8_t)level;
	return 0;
}

static int parse_words(struct meter *meter, char *text, bool bands, bool *has_id, struct error *err)
{
	char *name, *value, *tail;
	int rc;

	while ((rc = action_text_next(&text, &name, &value, &tail, err)) > 0) {
		if (bands)
			rc = parse_band_word(meter, name, value, err);
		else if (strcmp(name, "meter") != 0)
			rc = set_flag(meter, name, err);
		else if (!strcmp(value, "all"))
			meter->id = METER_ALL, *has_id = true, rc = 0;
		else
			rc = action_parse_u32(value, METER_MAX, name, &meter->id, err),
			*has_id = true;
		if (rc)
			return rc;
	}
	return rc;
}

/* Without those that a user could not mean. */
static int complete(const struct meter *meter, bool has_id, struct error *err)
{
	if (!has_id)
		return error_set(err, -EINVAL, "meter=NUMBER is missing");
	if (!(meter->flags & (METER_KBPS | METER_PKTPS)))
		return error_set(err, -EINVAL, "kbps or pktps is missing");
	if (!meter->n_bands)
		return error_set(err, -EINVAL, "bands= is missing");
	for (unsigned i = 0; i < meter->n_bands; i++) {
		if (!meter->bands[i].rate)
			return error_set(err, -EINVAL, "a band lacks its rate");
		if (meter->flags & METER_BURST && !meter->bands[i].burst)
			return error_set(err, -EINVAL, "a band lacks its burst_size");
	}
	return 0;
}

static int parse(struct meter *meter, char *text, struct error *err)
{
	char *bands = strstr(text, "bands=");
	bool has_id = false;
	int rc;

	if (bands) {
		*bands = '\0';
		bands += strlen("bands=");
	}
	rc = parse_words(meter, text, false, &has_id, err);
	if (!rc && bands)
		rc = parse_words(meter, bands, true, &has_id, err);
	return rc ? rc : complete(meter, has_id, err);
}

int meter_parse(struct meter **out, const char *text, struct error *err)
{
	struct meter *meter = meter_create(0);
	char *copy = strdup(text);
	int rc = -ENOMEM;

	*out = NULL;
	if (meter && copy)
		rc = parse(meter, copy, err);
	else
		error_set(err, -ENOMEM, "out of memory");
	free(copy);
	if (rc)
		meter_unref(meter);
	else
		*out = meter;
	return rc;
}

int meter_print(const struct meter *meter, char *text, size_t size)
{
	struct action_text out = { .text = text, .size = size };
	const char *space = "";

	if (meter->id == METER_ALL)
		action_text_add(&out, "meter=all");
	else
		action_text_add(&out, "meter=%u", meter->id);
	for (unsigned i = 0; i < ARRAY_SIZE(flags); i++)
		if (meter->flags & flags[i].flag)
			action_text_add(&out, " %s", flags[i].name);
	action_text_add(&out, " bands=");
	for (unsigned i = 0; i < meter->n_bands; i++) {
		const struct meter_band *band = &meter->bands[i];

		action_text_add(&out, "%stype=%s rate=%u", space, band_names[band->type],
				band->rate);
		if (meter->flags & METER_BURST)
			action_text_add(&out, " burst_size=%u", band->burst);
		if (band->type == BAND_DSCP_REMARK)
			action_text_add(&out, " prec_level=%u", band->prec_level);
		space = " ";
	}
	return (int)min(out.len, (size_t)INT32_MAX);
}

enum of_error meter_check(const struct meter *meter, struct error *err)
{
	uint32_t known = METER_KBPS | METER_PKTPS | METER_BURST | METER_STATS;

	if (!meter->id || meter->id > METER_MAX)
		return (enum of_error)error_set(err, OFERR_METER_INVALID,
						"a meter cannot have the number %u", meter->id);
	if (meter->flags & ~known)
		return (enum of_error)error_set(err, OFERR_METER_BAD_FLAGS,
						"flags 0x%x of a meter are not known",
						meter->flags & ~known);
	if (!(meter->flags & METER_KBPS) == !(meter->flags & METER_PKTPS))
		return (enum of_error)error_set(err, OFERR_METER_BAD_FLAGS,
						"a meter counts either kbps or pktps");
	if (meter->n_bands > METER_BANDS_MAX)
		return (enum of_error)error_set(err, OFERR_METER_OUT_OF_BANDS, "more than %d bands",
						METER_BANDS_MAX);
	for (unsigned i = 0; i < meter->n_bands; i++) {
		unsigned type = meter->bands[i].type;

		if (type != BAND_DROP && type != BAND_DSCP_REMARK)
			return (enum of_error)error_set(err, OFERR_METER_BAD_BAND,
							"bands of type %u are not known", type);
	}
	return OFERR_NONE;
}
