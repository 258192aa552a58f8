// SPDX-License-Identifier: Apache-2.0
/* A port's state as bytes, and back. What is read is believed nothing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "switch/saved_port.h"

#define MAGIC "VIREOPRT"
#define MAGIC_LEN 8
#define MAJOR 1
#define MINOR 0
#define HEADER_LEN 16u
#define SECTION_LEN 8u
#define MAC_LEN 12u
#define VLANS_LEN 4u
#define TRUNKS_LEN 512u

enum { COUNTERS = 1, MACS = 2, VLANS = 3 };

enum { MANDATORY = 1 };							 /* of a section */
enum { ACCESS = 1, NATIVE_TAGGED = 2, LISTS_TRUNKS = 4, PROTECTED = 8 }; /* of VLANs */

/* ---- counters by name */

static const struct {
	const char *name;
	size_t at;
} sums[] = {
	{ "rx_packets", offsetof(struct port_counters, rx_packets) },
	{ "rx_bytes", offsetof(struct port_counters, rx_bytes) },
	{ "tx_packets", offsetof(struct port_counters, tx_packets) },
	{ "tx_bytes", offsetof(struct port_counters, tx_bytes) },
	{ "copied_bytes", offsetof(struct port_counters, copied_bytes) },
};

const char *saved_counter_name(unsigned index)
{
	if (index < ARRAY_SIZE(sums))
		return sums[index].name;
	index -= ARRAY_SIZE(sums);
	return index < DROP_N_REASONS ? drop_name(index) : NULL;
}

uint64_t *saved_counter(struct port_counters *counters, unsigned index)
{
	if (index < ARRAY_SIZE(sums))
		return (uint64_t *)((char *)counters + sums[index].at);
	return &counters->drops[index - ARRAY_SIZE(sums)];
}

/* ---- writing: into room that is known to do */

static uint8_t *put16(uint8_t *at, uint16_t value)
{
	be16_store(at, value);
	return at + 2;
}

static uint8_t *put32(uint8_t *at, uint32_t value)
{
	be32_store(at, value);
	return at + 4;
}

static uint8_t *put64(uint8_t *at, uint64_t value)
{
	return put32(put32(at, (uint32_t)(value >> 32)), (uint32_t)value);
}

static uint8_t *put_bytes(uint8_t *at, const void *bytes, size_t n)
{
	memcpy(at, bytes, n);
	return at + n;
}

/* Begins a section; end_section() tells it how long it is. */
static uint8_t *begin_section(uint8_t *at, uint16_t kind)
{
	return put32(put16(put16(at, kind), 0), 0);
}

static uint8_t *end_section(uint8_t *content, uint8_t *at)
{
	be32_store(content - 4, (uint32_t)(at - content));
	return at;
}

static uint8_t *put_counters(uint8_t *at, struct port_counters *counters)
{
	uint8_t *content = at = begin_section(at, COUNTERS);
	const char *name;

	for (unsigned i = 0; (name = saved_counter_name(i)); i++) {
		uint64_t value = *saved_counter(counters, i);

		*at++ = (uint8_t)strlen(name);
		at = put_bytes(at, name, strlen(name));
		at = put64(at, min(value, SAVED_COUNTER_MAX - 1));
	}
	return end_section(content, at);
}

static uint8_t *put_macs(uint8_t *at, const struct saved_mac *macs, unsigned n)
{
	uint8_t *content = at = begin_section(at, MACS);

	for (unsigned i = 0; i < n; i++) {
		mac_store(at, macs[i].mac);
		at = put32(put16(at + ETH_ALEN, macs[i].vid), macs[i].age);
	}
	return end_section(content, at);
}

static uint8_t *put_vlans(uint8_t *at, const struct saved_vlans *v)
{
	uint8_t *content = at = begin_section(at, VLANS);

	at = put16(at, (v->access ? ACCESS : 0) | (v->native_tagged ? NATIVE_TAGGED : 0) |
			       (v->has_trunks ? LISTS_TRUNKS : 0) |
			       (v->is_protected ? PROTECTED : 0));
	at = put16(at, v->tag);
	for (unsigned i = 0; v->has_trunks && i < TRUNKS_LEN; i++)
		*at++ = (uint8_t)(v->trunks[i / 8] >> (i % 8 * 8));
	return end_section(content, at);
}

static size_t longest(unsigned n_macs)
{
	size_t n = HEADER_LEN + 3 * SECTION_LEN + VLANS_LEN + TRUNKS_LEN + MAC_LEN * n_macs;
	const char *name;

	for (unsigned i = 0; (name = saved_counter_name(i)); i++)
		n += 1 + strlen(name) + 8;
	return n;
}

int saved_port_encode(const struct saved_port *port, uint8_t **bytes, size_t *n)
{
	unsigned n_macs = min(port->n_macs, (unsigned)SAVED_PORT_MACS_MAX);
	struct port_counters counters = port->counters;
	uint8_t *out = malloc(longest(n_macs)), *at;

	if (!out)
		return -ENOMEM;
	at = put_bytes(out, MAGIC, MAGIC_LEN);
	at = put32(put16(put16(at, MAJOR), MINOR), 0);
	at = put_counters(at, &counters);
	at = put_macs(at, port->macs, n_macs);
	if (port->has_vlans)
		at = put_vlans(at, &port->vlans);
	*bytes = out;
	*n = (size_t)(at - out);
	be32_store(out + HEADER_LEN - 4, (uint32_t)*n);
	return 0;
}

/* ---- reading */

/* What is left to be read. */
struct input {
	const uint8_t *at;
	size_t n;
};

/* The next @n bytes; NULL: so many are not there. */
static const uint8_t *take(struct input *in, size_t n)
{
	const uint8_t *at = in->at;

	if (n > in->n)
		return NULL;
	in->at += n;
	in->n -= n;
	return at;
}

static int cut_off(struct error *err, const char *what)
{
	return error_set(err, -EINVAL, "the state is cut off in its %s", what);
}

static uint64_t be64_load(const uint8_t *p)
{
	return (uint64_t)be32_load(p) << 32 | be32_load(p + 4);
}

/* Counts what this program does not know nowhere. */
static void set_counter(struct port_counters *counters, const char *name, size_t len,
			uint64_t value)
{
	const char *known;

	for (unsigned i = 0; (known = saved_counter_name(i)); i++)
		if (strlen(known) == len && !memcmp(known, name, len))
			*saved_counter(counters, i) = value;
}

static int read_counters(struct saved_port *port, struct input *in, struct error *err)
{
	while (in->n) {
		size_t len = *take(in, 1);
		const uint8_t *name = take(in, len), *value = take(in, 8);

		if (!name || !value)
			return cut_off(err, "counters");
		if (be64_load(value) >= SAVED_COUNTER_MAX)
			return error_set(err, -EINVAL, "a counter of the state is beyond 2^62");
		set_counter(&port->counters, (const char *)name, len, be64_load(value));
	}
	return 0;
}

static int read_mac(struct saved_mac *mac, const uint8_t *bytes, struct error *err)
{
	char text[MAC_TEXT_LEN];

	*mac = (struct saved_mac){ mac_load(bytes), be16_load(bytes + 6), be32_load(bytes + 8) };
	if (!mac->mac || mac_is_multicast(mac->mac))
		return error_set(err, -EINVAL, "an address of the state is no station's: %s",
				 mac_format(mac->mac, text));
	if (mac->vid > VLAN_VID_MAX)
		return error_set(err, -EINVAL, "VLAN %u of an address of the state is not in 0..%u",
				 mac->vid, VLAN_VID_MAX);
	return 0;
}

static int read_macs(struct saved_port *port, struct input *in, struct error *err)
{
	if (in->n % MAC_LEN)
		return cut_off(err, "addresses");
	port->macs = calloc(in->n / MAC_LEN + 1, sizeof(*port->macs));
	if (!port->macs)
		return error_set(err, -ENOMEM, "out of memory");
	while (in->n) {
		int rc = read_mac(&port->macs[port->n_macs], take(in, MAC_LEN), err);

		if (rc)
			return rc;
		port->n_macs++;
	}
	return 0;
}

static int read_vlans(struct saved_port *port, struct input *in, struct error *err)
{
	const uint8_t *fixed = take(in, VLANS_LEN), *trunks;
	struct saved_vlans *v = &port->vlans;
	uint16_t bits;

	if (!fixed)
		return cut_off(err, "VLANs");
	bits = be16_load(fixed);
	*v = (struct saved_vlans){ .access = bits & ACCESS,
				   .native_tagged = bits & NATIVE_TAGGED,
				   .has_trunks = bits & LISTS_TRUNKS,
				   .is_protected = bits & PROTECTED,
				   .tag = be16_load(fixed + 2) };
	if (v->tag > VLAN_VID_MAX)
		return error_set(err, -EINVAL, "VLAN %u of the state is not in 0..%u", v->tag,
				 VLAN_VID_MAX);
	trunks = take(in, v->has_trunks ? TRUNKS_LEN : 0);
	if (!trunks)
		return cut_off(err, "VLANs");
	for (unsigned i = 0; v->has_trunks && i < TRUNKS_LEN; i++)
		v->trunks[i / 8] |= (uint64_t)trunks[i] << (i % 8 * 8);
	port->has_vlans = true;
	return 0;
}

static int read_section(struct saved_port *port, struct input *in, unsigned *seen,
			struct error *err)
{
	const uint8_t *head = take(in, SECTION_LEN);
	struct input content;
	uint16_t kind;

	if (!head)
		return cut_off(err, "sections");
	kind = be16_load(head);
	content.n = be32_load(head + 4);
	content.at = take(in, content.n);
	if (!content.at)
		return cut_off(err, "sections");
	if (kind < COUNTERS || kind > VLANS) {
		if (be16_load(head + 2) & MANDATORY)
			return error_set(err, -ENOTSUP,
					 "the state has a part that this program does not know "
					 "(kind %u) and cannot do without",
					 kind);
		return 0;
	}
	if (*seen >> kind & 1)
		return error_set(err, -EINVAL, "the state has two parts of kind %u", kind);
	*seen |= 1u << kind;
	switch (kind) {
	case COUNTERS:
		return read_counters(port, &content, err);
	case MACS:
		return read_macs(port, &content, err);
	default:
		return read_vlans(port, &content, err);
	}
}

static int read_header(struct input *in, struct error *err)
{
	size_t n = in->n;
	const uint8_t *head = take(in, HEADER_LEN);

	if (n > SAVED_PORT_MAX)
		return error_set(err, -EINVAL, "the state has more than %u bytes", SAVED_PORT_MAX);
	if (!head)
		return n ? cut_off(err, "header") : error_set(err, -EINVAL, "the state is empty");
	if (memcmp(head, MAGIC, MAGIC_LEN) != 0)
		return error_set(err, -EINVAL, "this is no state of a vireo port");
	if (be16_load(head + 8) != MAJOR)
		return error_set(err, -ENOTSUP,
				 "the state is of version %u.%u, this program reads version %u",
				 be16_load(head + 8), be16_load(head + 10), MAJOR);
	if (be32_load(head + 12) != n)
		return error_set(err, -EINVAL, "the state has %zu bytes, not %u as it says", n,
				 be32_load(head + 12));
	return 0;
}

int saved_port_decode(struct saved_port *port, const uint8_t *bytes, size_t n, struct error *err)
{
	struct input in = { bytes, n };
	unsigned seen = 0;
	int rc;

	memset(port, 0, sizeof(*port));
	rc = read_header(&in, err);
	while (!rc && in.n)
		rc = read_section(port, &in, &seen, err);
	if (rc)
		saved_port_free(port);
	return rc;
}

void saved_port_free(struct saved_port *port)
{
	free(port->macs);
	port->macs = NULL;
	port->n_macs = 0;
}
