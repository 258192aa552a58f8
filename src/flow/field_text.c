// SPDX-License-Identifier: Apache-2.0
/* Values of fields as text, the way ovs-ofctl has them. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "flow/field.h"

#define OF10_PORTS 0xff00u	 /* reserved ports of OpenFlow 1.0 begin here */
#define OF10_TO_OF11 0xffff0000u /* and are so far from those of later versions */

struct word {
	const char *name;
	uint32_t value;
};

static const struct word port_words[] = {
	{ "IN_PORT", OFPORT_IN_PORT },
	{ "TABLE", OFPORT_TABLE },
	{ "NORMAL", OFPORT_NORMAL },
	{ "FLOOD", OFPORT_FLOOD },
	{ "ALL", OFPORT_ALL },
	{ "CONTROLLER", OFPORT_CONTROLLER },
	{ "LOCAL", OFPORT_LOCAL },
	{ "ANY", OFPORT_NONE },
	{ "NONE", OFPORT_NONE },
	{ "UNSET", OFPORT_UNSET },
	{ NULL, 0 },
};

static const struct word tcp_flag_words[] = {
	{ "fin", 0x001 }, { "syn", 0x002 }, { "rst", 0x004 }, { "psh", 0x008 }, { "ack", 0x010 },
	{ "urg", 0x020 }, { "ece", 0x040 }, { "cwr", 0x080 }, { "ns", 0x100 },	{ NULL, 0 },
};

static const struct word ct_state_words[] = {
	{ "new", 0x01 }, { "est", 0x02 },  { "rel", 0x04 },  { "rpl", 0x08 }, { "inv", 0x10 },
	{ "trk", 0x20 }, { "snat", 0x40 }, { "dnat", 0x80 }, { NULL, 0 },
};

static const struct word tun_flag_words[] = { { "oam", 0x1 }, { NULL, 0 } };

/* value and mask of ip_frag's words */
static const struct {
	const char *name;
	uint8_t value, mask;
} frag_words[] = {
	{ "no", 0, 3 },	   { "yes", 1, 1 },	  { "first", 1, 3 },
	{ "later", 3, 3 }, { "not_later", 0, 2 },
};

/* 16: it is none. */
static unsigned digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
}

static bool parse_digits(const char *text, size_t len, unsigned base, u128 *out)
{
	u128 v = 0;

	if (!len)
		return false;
	for (; len; len--, text++) {
		unsigned digit = digit_of(*text);

		if (digit >= base || v > (~(u128)0 - digit) / base)
			return false;
		v = v * base + digit;
	}
	*out = v;
	return true;
}

/* "123", "0x7b", "0173", with up to 128 bits, up to the end of @len bytes. */
static bool parse_number(const char *text, size_t len, u128 *out)
{
	if (len > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		return parse_digits(text + 2, len - 2, 16, out);
	return parse_digits(text, len, len > 1 && text[0] == '0' ? 8 : 10, out);
}

/* Six bytes of one or two digits. */
static bool parse_mac(const char *text, size_t len, u128 *out)
{
	const char *end = text + len;
	u128 mac = 0, byte;

	for (unsigned i = 0; i < ETH_ALEN; i++) {
		size_t n = 0;

		while (text + n < end && text[n] != ':')
			n++;
		if (n > 2 || !parse_digits(text, n, 16, &byte))
			return false;
		mac = mac << 8 | byte;
		text += n;
		if (i < ETH_ALEN - 1 && text++ == end)
			return false;
	}
	*out = mac;
	return text == end;
}

static bool parse_address(int family, const char *text, size_t len, u128 *out)
{
	char word[INET6_ADDRSTRLEN + 1];
	uint8_t bytes[16];

	if (len >= sizeof(word))
		return false;
	memcpy(word, text, len);
	word[len] = '\0';
	if (inet_pton(family, word, bytes) != 1)
		return false;
	*out = 0;
	for (unsigned i = 0; i < (family == AF_INET ? 4 : 16); i++)
		*out = *out << 8 | bytes[i];
	return true;
}

static bool parse_port(const char *text, size_t len, u128 *out)
{
	for (const struct word *w = port_words; w->name; w++)
		if (strlen(w->name) == len && !strncasecmp(w->name, text, len)) {
			*out = w->value;
			return true;
		}
	if (!parse_number(text, len, out))
		return false;
	/* reserved ports as OpenFlow 1.0 has them */
	if (*out >= OF10_PORTS && *out <= UINT16_MAX)
		*out |= OF10_TO_OF11;
	return field_is_port(*out);
}

/* "(0,0)": namespace and type. */
static bool parse_packet_type(const char *text, size_t len, u128 *out)
{
	const char *comma = memchr(text, ',', len);
	u128 space, type;

	if (!comma || text[len - 1] != ')' ||
	    !parse_number(text + 1, (size_t)(comma - text) - 1, &space) ||
	    !parse_number(comma + 1, len - (size_t)(comma - text) - 2, &type))
		return false;
	*out = space << 16 | type;
	return space <= UINT16_MAX && type <= UINT16_MAX;
}

/* One value, without a mask. */
static bool parse_plain(const struct field *field, const char *text, size_t len, u128 *out)
{
	switch (field->format) {
	case FORMAT_MAC:
		return parse_mac(text, len, out);
	case FORMAT_IPV4:
		return parse_address(AF_INET, text, len, out);
	case FORMAT_IPV6:
		return parse_address(AF_INET6, text, len, out);
	case FORMAT_PORT:
		return parse_port(text, len, out);
	default:
		if (field->id == FIELD_packet_type && *text == '(')
			return parse_packet_type(text, len, out);
		return parse_number(text, len, out) && !(*out & ~field_ones(field));
	}
}

/* One flag: by name, or as "[200]". */
static bool parse_flag(const struct field *field, const struct word *words, const char *text,
		       size_t len, u128 *out)
{
	for (const struct word *w = words; w->name; w++)
		if (strlen(w->name) == len && !strncmp(w->name, text, len)) {
			*out = w->value;
			return true;
		}
	return len > 2 && text[0] == '[' && text[len - 1] == ']' &&
	       parse_digits(text + 1, len - 2, 16, out) && !(*out & ~field_ones(field));
}

/* "+syn-ack": those with signs count; "syn|ack": these and no others. */
static bool parse_flags(const struct field *field, const struct word *words, const char *text,
			u128 *value, u128 *mask)
{
	bool signs = *text == '+' || *text == '-';

	*value = 0;
	*mask = signs ? 0 : field_ones(field);
	while (*text) {
		bool on = true;
		size_t len;
		u128 bits;

		if (signs) {
			if (*text != '+' && *text != '-')
				return false;
			on = *text++ == '+';
		}
		len = strcspn(text, "+-|");
		if (!parse_flag(field, words, text, len, &bits) || (signs && *mask & bits))
			return false;
		*mask |= bits;
		if (on)
			*value |= bits;
		text += len;
		if (*text == '|' && !signs)
			text++;
	}
	return true;
}

static const struct word *flag_words(const struct field *field)
{
	switch (field->format) {
	case FORMAT_TCP_FLAGS:
		return tcp_flag_words;
	case FORMAT_CT_STATE:
		return ct_state_words;
	case FORMAT_TUN_FLAGS:
		return tun_flag_words;
	default:
		return NULL;
	}
}

static bool parse_frag(const char *text, u128 *value, u128 *mask)
{
	for (unsigned i = 0; i < ARRAY_SIZE(frag_words); i++)
		if (!strcmp(text, frag_words[i].name)) {
			*value = frag_words[i].value;
			*mask = frag_words[i].mask;
			return true;
		}
	return false;
}

/* All but the lowest bits. */
static u128 prefix_mask(const struct field *field, unsigned n)
{
	u128 ones = field_ones(field);

	return n == field->n_bits ? ones : ones & ~(ones >> n);
}

/* What is behind the slash. */
static bool parse_mask(const struct field *field, const char *text, u128 *mask)
{
	u128 n;

	if ((field->format == FORMAT_IPV4 || field->format == FORMAT_IPV6) &&
	    parse_digits(text, strlen(text), 10, &n)) {
		if (n > field->n_bits)
			return false;
		*mask = prefix_mask(field, (unsigned)n);
		return true;
	}
	return parse_plain(field, text, strlen(text), mask);
}

static int no_value(const struct field *field, const char *text, size_t len, struct error *err)
{
	static const char *const kinds[] = {
		[FORMAT_MAC] = "an Ethernet address, like 02:00:00:00:00:01",
		[FORMAT_IPV4] = "an IPv4 address, like 192.0.2.1",
		[FORMAT_IPV6] = "an IPv6 address, like 2001:db8::1",
		[FORMAT_PORT] = "a port: 0 to 65279, LOCAL, CONTROLLER and so on",
		[FORMAT_FRAG] = "one of no, yes, first, later, not_later",
		[FORMAT_TCP_FLAGS] = "a set of TCP flags, like +syn-ack",
		[FORMAT_CT_STATE] = "a state of connections, like +trk+new",
		[FORMAT_TUN_FLAGS] = "a set of flags, like +oam",
	};
	int n = (int)(len < 60 ? len : 60);

	if (field->format <= FORMAT_HEX)
		return error_set(err, -EINVAL, "%s: \"%.*s\" is not a number of %u bit%s",
				 field->name, n, text, field->n_bits, field->n_bits > 1 ? "s" : "");
	return error_set(err, -EINVAL, "%s: \"%.*s\" is not %s", field->name, n, text,
			 kinds[field->format]);
}

int field_parse(const struct field *field, const char *text, u128 *value, u128 *mask,
		struct error *err)
{
	const struct word *words = flag_words(field);
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);

	if (field->format == FORMAT_FRAG && parse_frag(text, value, mask))
		return 0;
	if (words && !isdigit((unsigned char)*text) && *text &&
	    parse_flags(field, words, text, value, mask))
		return 0;
	if (!parse_plain(field, text, len, value))
		return no_value(field, text, len, err);
	*mask = field_ones(field);
	if (slash && !parse_mask(field, slash + 1, mask))
		return error_set(err, -EINVAL, "%s: \"%.60s\" is not a mask for it", field->name,
				 slash + 1);
	*value &= *mask;
	return 0;
}

/* What snprintf() would return. */
static int print_number(u128 v, bool hex, char *text, size_t size)
{
	char digits[42];
	unsigned at = sizeof(digits) - 1;

	digits[at] = '\0';
	do {
		digits[--at] = "0123456789abcdef"[v % (hex ? 16 : 10)];
		v /= hex ? 16 : 10;
	} while (v);
	return snprintf(text, size, "%s%s", hex && digits[at] != '0' ? "0x" : "", digits + at);
}

static int print_address(int family, u128 v, char *text, size_t size)
{
	unsigned n = family == AF_INET ? 4 : 16;
	char word[INET6_ADDRSTRLEN];
	uint8_t bytes[16];

	for (unsigned i = n; i--; v >>= 8)
		bytes[i] = (uint8_t)v;
	return snprintf(text, size, "%s", inet_ntop(family, bytes, word, sizeof(word)));
}

static int print_port(u128 v, char *text, size_t size)
{
	for (const struct word *w = port_words; w->name; w++)
		if (w->value == v)
			return snprintf(text, size, "%s", w->name);
	if (v >= OFPORT_MAX) /* reserved, for nothing yet: as OpenFlow 1.0 has them */
		v &= UINT16_MAX;
	return print_number(v, false, text, size);
}

static int print_plain(const struct field *field, u128 v, bool hex, char *text, size_t size)
{
	char word[MAC_TEXT_LEN];

	switch (field->format) {
	case FORMAT_MAC:
		return snprintf(text, size, "%s", mac_format((mac_t)v, word));
	case FORMAT_IPV4:
		return print_address(AF_INET, v, text, size);
	case FORMAT_IPV6:
		return print_address(AF_INET6, v, text, size);
	case FORMAT_PORT:
		return print_port(v, text, size);
	case FORMAT_DECIMAL:
		if (hex && !v)
			return snprintf(text, size, "0x0");
		return print_number(v, hex, text, size);
	default:
		if (field->id == FIELD_eth_type || field->id == FIELD_vlan_tci)
			return snprintf(text, size, "0x%04x", (unsigned)v);
		if (field->id == FIELD_packet_type)
			return snprintf(text, size, "(%u,%#x)", (unsigned)(v >> 16),
					(unsigned)v & UINT16_MAX);
		if (field->id == FIELD_ipv6_label)
			return snprintf(text, size, "0x%05x", (unsigned)v);
		return print_number(v, true, text, size);
	}
}

static const char *flag_name(const struct word *words, u128 bit, char *number, size_t size)
{
	for (; words->name; words++)
		if (words->value == bit)
			return words->name;
	snprintf(number, size, "[%x]", (unsigned)bit);
	return number;
}

static int print_flags(const struct field *field, const struct word *words, u128 value, u128 mask,
		       char *text, size_t size)
{
	bool all = mask == field_ones(field) && field->format != FORMAT_TUN_FLAGS;
	char line[160] = "0", number[16];
	size_t n = 0;

	for (unsigned i = 0; i < field->n_bits && n < sizeof(line); i++) {
		u128 bit = (u128)1 << i;
		const char *before = value & bit ? "+" : "-";

		if (!((all ? value : mask) & bit))
			continue;
		if (all)
			before = n ? "|" : "";
		n += (size_t)snprintf(line + n, sizeof(line) - n, "%s%s", before,
				      flag_name(words, bit, number, sizeof(number)));
	}
	return snprintf(text, size, "%s", line);
}

/* How many bits of a mask that is a prefix; -1: it is none. */
static int prefix_len(const struct field *field, u128 mask)
{
	unsigned n = 0;

	while (n < field->n_bits && mask >> (field->n_bits - 1 - n) & 1)
		n++;
	return mask == prefix_mask(field, n) ? (int)n : -1;
}

static int print_masked(const struct field *field, u128 value, u128 mask, char *text, size_t size)
{
	char v[64], m[64];

	print_plain(field, value, true, v, sizeof(v));
	if ((field->format == FORMAT_IPV4 || field->format == FORMAT_IPV6) &&
	    prefix_len(field, mask) >= 0)
		return snprintf(text, size, "%s/%d", v, prefix_len(field, mask));
	print_plain(field, mask, true, m, sizeof(m));
	return snprintf(text, size, "%s/%s", v, m);
}

int field_print(const struct field *field, u128 value, u128 mask, char *text, size_t size)
{
	const struct word *words = flag_words(field);

	if (field->format == FORMAT_FRAG)
		for (unsigned i = 0; i < ARRAY_SIZE(frag_words); i++)
			if (value == frag_words[i].value && mask == frag_words[i].mask)
				return snprintf(text, size, "%s", frag_words[i].name);
	if (words)
		return print_flags(field, words, value, mask, text, size);
	if (mask == field_ones(field))
		return print_plain(field, value, false, text, size);
	return print_masked(field, value, mask, text, size);
}
