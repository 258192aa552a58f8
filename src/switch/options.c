// SPDX-License-Identifier: Apache-2.0
/* The options of bridges and ports, and what they mean to the datapath. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "switch/private.h"

#define LIMIT_BURST_NS                                                            \
	(NSEC_PER_SEC / 20) /* a rate limit lets through what 50 ms allow at once \
			     */

/* "10,20-30" -> array of numbers and ranges as words, sorted out by trunks_read(). */
static int vlans_read(const char *text, uint64_t *bitmap, struct error *err)
{
	const char *at = text;

	memset(bitmap, 0, 4096 / 8);
	for (;;) {
		char *end;
		unsigned long first = strtoul(at, &end, 10), last = first;

		if (end != at && *end == '-') {
			at = end + 1;
			last = strtoul(at, &end, 10);
		}
		if (end == at || first > last || last > VLAN_VID_MAX || (*end && *end != ','))
			return error_set(
				err, -EINVAL,
				"\"%s\" is no list of VLANs: write it like 10,20-30 (0 to %u)",
				text, VLAN_VID_MAX);
		for (; first <= last; first++)
			bitmap[first / 64] |= 1ull << (first % 64);
		if (!*end)
			return 0;
		at = end + 1;
	}
}

static json_t *check_vlans(const char *text, struct error *err)
{
	uint64_t bitmap[4096 / 64];

	return vlans_read(text, bitmap, err) < 0 ? NULL : json_string(text);
}

/* "MAC,MAC" -> the same in lower case. At most 64. */
static json_t *check_macs(const char *text, struct error *err)
{
	char word[MAC_TEXT_LEN], all[64 * MAC_TEXT_LEN + 1] = "";
	size_t used = 0;

	for (const char *at = text;; at++) {
		size_t len = strcspn(at, ",");
		mac_t mac;

		if (len < sizeof(word)) {
			memcpy(word, at, len);
			word[len] = 0;
		}
		if (len >= sizeof(word) || !mac_parse(word, &mac) || mac_is_multicast(mac)) {
			error_set(
				err, -EINVAL,
				"\"%.*s\" is no unicast MAC address: write it like 02:00:00:00:00:01",
				(int)min(len, (size_t)40), at);
			return NULL;
		}
		if (used + MAC_TEXT_LEN >= sizeof(all)) {
			error_set(err, -EINVAL, "more than 64 MAC addresses");
			return NULL;
		}
		mac_format(mac, all + used);
		used += MAC_TEXT_LEN - 1;
		at += len;
		if (!*at)
			return json_string(all);
		all[used++] = ',';
		all[used] = 0;
	}
}

static const char *const vlan_modes[] = { "access", "trunk", "native-tagged", "native-untagged",
					  NULL };

static const char *const fail_modes[] = { "standalone", "secure", NULL };

static const struct option bridge_options[] = {
	{ .name = "mac-aging-time",
	  .type = OPTION_UINT,
	  .min = 10,
	  .max = 1000000,
	  .help = "seconds after which an address that is not seen is forgotten (300)" },
	{ .name = "mac-table-size",
	  .type = OPTION_UINT,
	  .flags = OPTION_FIXED,
	  .min = 16,
	  .max = MAC_TABLE_SIZE_MAX,
	  .help = "most addresses that are learned (8192)" },
	{ .name = "fail-mode",
	  .type = OPTION_CHOICE,
	  .choices = fail_modes,
	  .help = "standalone: begins with a rule that lets all packets be bridged; secure: begins "
		  "without rules, and forwards nothing (standalone)" },
	{ 0 },
};

static const struct option port_options[] = {
	{ .name = "type",
	  .type = OPTION_STRING,
	  .flags = OPTION_REQUIRED | OPTION_FIXED,
	  .help = "kind of port" },
	{ .name = "bridge",
	  .type = OPTION_STRING,
	  .flags = OPTION_FIXED,
	  .help = "bridge that the port belongs to (br0)" },
	{ .name = "mtu",
	  .type = OPTION_UINT,
	  .min = 68,
	  .max = 65535,
	  .help = "longest payload behind the Ethernet header and VLAN tags, bytes (1500)" },
	{ .name = "tag",
	  .type = OPTION_UINT,
	  .min = 1,
	  .max = VLAN_VID_MAX,
	  .help = "VLAN of an access port, or native VLAN of a trunk" },
	{ .name = "trunks",
	  .type = OPTION_CUSTOM,
	  .check = check_vlans,
	  .help = "VLANs that a trunk carries, like 10,20-30 (all)" },
	{ .name = "vlan-mode",
	  .type = OPTION_CHOICE,
	  .choices = vlan_modes,
	  .help = "access, trunk, native-tagged or native-untagged (access with a tag, else trunk)" },
	{ .name = "ofport",
	  .type = OPTION_UINT,
	  .flags = OPTION_FIXED,
	  .min = 1,
	  .max = 0xfeff,
	  .help = "number of the port in OpenFlow (one that is free)" },
	{ .name = "protected",
	  .type = OPTION_BOOL,
	  .help = "exchange nothing with other protected ports (off)" },
	{ .name = "allowed-macs",
	  .type = OPTION_CUSTOM,
	  .check = check_macs,
	  .help = "source MAC addresses that may be used behind the port (any)" },
	{ .name = "mac-limit",
	  .type = OPTION_UINT,
	  .min = 1,
	  .max = MAC_TABLE_SIZE_MAX,
	  .help = "most addresses learned behind the port (half of mac-table-size)" },
	{ .name = "broadcast-limit",
	  .type = OPTION_UINT,
	  .min = 1,
	  .max = 1000000000,
	  .help = "broadcast frames a second accepted from the port (no limit)" },
	{ .name = "unknown-limit",
	  .type = OPTION_UINT,
	  .min = 1,
	  .max = 1000000000,
	  .help = "frames a second to unknown unicast addresses accepted from the port (no limit)" },
	{ 0 },
};

const struct option *const *switch_bridge_tables(void)
{
	static const struct option *const tables[] = { bridge_options, NULL };

	return tables;
}

const struct option *const *switch_port_tables(const struct port_ops *kind)
{
	static const struct option *tables[3] = { port_options, NULL, NULL };

	tables[1] = kind ? kind->options : NULL;
	return tables;
}

static struct view_limit make_limit(uint64_t per_sec)
{
	if (!per_sec)
		return (struct view_limit){ 0 };
	return (struct view_limit){ .interval_ns = NSEC_PER_SEC / per_sec,
				    .burst_ns = LIMIT_BURST_NS };
}

static int read_macs(struct port_settings *s, const char *text)
{
	if (!text)
		return 0;
	s->macs = calloc(strlen(text) / (MAC_TEXT_LEN - 1) + 1, sizeof(*s->macs));
	if (!s->macs)
		return -ENOMEM;
	for (;; text += MAC_TEXT_LEN) {
		char word[MAC_TEXT_LEN] = "";

		memcpy(word, text, MAC_TEXT_LEN - 1);
		mac_parse(word, &s->macs[s->n_macs++]);
		if (text[MAC_TEXT_LEN - 1] != ',')
			return 0;
	}
}

static int read_vlans(struct port_settings *s, const json_t *options, struct error *err)
{
	const char *trunks = option_string(options, "trunks", NULL);
	const char *mode;

	s->tag = (uint16_t)option_uint(options, "tag", 0);
	mode = option_string(options, "vlan-mode", s->tag ? "access" : "trunk");
	s->access = !strcmp(mode, "access");
	s->native_tagged = !strcmp(mode, "native-tagged");
	if (!s->tag && strcmp(mode, "trunk"))
		return error_set(err, -EINVAL, "vlan-mode %s needs a tag", mode);
	if (!strcmp(mode, "trunk")) {
		if (s->tag)
			return error_set(
				err, -EINVAL,
				"a trunk has no tag; for a native VLAN use vlan-mode native-untagged");
	}
	if (!trunks)
		return 0;
	if (s->access)
		return error_set(
			err, -EINVAL,
			"an access port has no trunks; with both, use vlan-mode native-untagged or native-tagged");
	s->has_trunks = true;
	return vlans_read(trunks, s->trunks, err);
}

int settings_read(struct port_settings *s, const json_t *options, struct error *err)
{
	int r;

	memset(s, 0, sizeof(*s));
	s->mtu = (unsigned)option_uint(options, "mtu", 1500);
	s->is_protected = option_bool(options, "protected", false);
	s->mac_limit = (unsigned)option_uint(options, "mac-limit", 0);
	s->broadcast_limit = make_limit(option_uint(options, "broadcast-limit", 0));
	s->unknown_limit = make_limit(option_uint(options, "unknown-limit", 0));
	r = read_vlans(s, options, err);
	if (r < 0)
		return r;
	r = read_macs(s, option_string(options, "allowed-macs", NULL));
	return r < 0 ? error_set(err, r, "out of memory") : 0;
}

void settings_free(struct port_settings *s)
{
	free(s->macs);
	s->macs = NULL;
}

json_t *switch_describe(void)
{
	const struct option *kind_tables[2] = { NULL, NULL };
	const struct option *const common[] = { port_options, NULL };
	json_t *kinds = json_object(), *drops = json_object();

	for (const struct port_ops *const *k = port_kinds; *k; k++) {
		kind_tables[0] = (*k)->options;
		json_object_set_new(kinds, (*k)->kind,
				    json_pack("{s:s, s:o}", "summary", (*k)->summary, "options",
					      options_describe(kind_tables)));
	}
	for (unsigned i = 0; i < DROP_N_REASONS; i++)
		json_object_set_new(drops, drop_name(i), json_string(drop_text(i)));
	return json_pack("{s:o, s:{s:o, s:o}, s:o}", "bridge",
			 options_describe(switch_bridge_tables()), "port", "common",
			 options_describe(common), "kinds", kinds, "drops", drops);
}
