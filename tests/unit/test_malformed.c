// SPDX-License-Identifier: Apache-2.0
/* What a guest asks for in its virtio-net headers, and the frames behind them, made wrong in every
 * place that something is read from, on their way to a controller: at once, and behind a rule that
 * has to be learned. Each packet is dropped, and counted, once; or it leaves once, and what the
 * controller gets is byte for byte what a port without offloads sends. Other ports go on.
 */
#include <netinet/in.h>

#include "base/bytes.h"
#include "flows_rig.h"
#include "packet/checksum.h"
#include "scale.h"
#include "vhost_guest.h"
#include "virtio/net_header.h"

#define PAYLOAD 1200
#define SIZE 500 /* of segments */
#define TOLD_MAX 2048
#define TOLD_LEN 2048 /* bytes of one */
#define FEATURES                                                                              \
	(BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6) | \
	 BIT(VIRTIO_NET_F_HOST_ECN) | BIT(VIRTIO_NET_F_HOST_USO))

/* A guest; who takes everything, who takes no offload, and who sends to that one, too. */
enum { GUEST = 1, WHOLE, PLAIN, OTHER };

static struct world {
	struct flows_rig r;
	struct guest guest;
	struct port *ports[5]; /* by OFPORT */
	unsigned n_told;
	struct told {
		uint32_t len;
		uint8_t bytes[TOLD_LEN];
	} told[TOLD_MAX];
	uint64_t n_sent, n_dropped, n_whole, n_segmented;
	uint64_t seed;
	char what[256]; /* the case at hand */
} w;

/* ---- cases */

/* A packet that is right: of TCP or UDP, over IPv4 or IPv6, with a tag or none, large or small. */
struct right {
	uint8_t bytes[ETH_HLEN + VLAN_TAG_LEN + 60 + PAYLOAD];
	uint32_t len, network, transport;
	struct virtio_net_hdr header;
};

#define N_KINDS 16
#define IS_V6(kind) ((kind)&1)
#define IS_UDP(kind) ((kind)&2)
#define IS_TAGGED(kind) ((kind)&4)
#define IS_SMALL(kind) ((kind)&8) /* asks for a checksum alone */

static void make_headers(struct right *p, unsigned kind)
{
	unsigned ip_len = IS_V6(kind) ? 40 : 20, tp_len = IS_UDP(kind) ? 8 : 20;
	uint8_t *at = p->bytes + 12, protocol = IS_UDP(kind) ? IPPROTO_UDP : IPPROTO_TCP;

	mac_store(p->bytes, MAC(9));
	if (IS_TAGGED(kind)) {
		memcpy(at, "\x81\0\0\x0a", VLAN_TAG_LEN);
		at += VLAN_TAG_LEN;
	}
	be16_store(at, IS_V6(kind) ? ETH_P_IPV6 : ETH_P_IP);
	at += 2;
	p->network = (uint32_t)(at - p->bytes);
	p->transport = p->network + ip_len;
	p->len = p->transport + tp_len + PAYLOAD;
	if (IS_V6(kind)) {
		at[0] = 0x60;
		be16_store(at + 4, (uint16_t)(tp_len + PAYLOAD));
		at[6] = protocol;
		at[7] = 64;
	} else {
		at[0] = 0x45;
		be16_store(at + 2, (uint16_t)(ip_len + tp_len + PAYLOAD));
		at[8] = 64;
		at[9] = protocol;
	}
	if (!IS_UDP(kind))
		p->bytes[p->transport + 12] = 0x50;
}

static void make_right(struct right *p, unsigned kind)
{
	uint32_t at;

	memset(p, 0, sizeof(*p));
	make_headers(p, kind);
	at = p->len - PAYLOAD;
	for (uint32_t i = 0; i < PAYLOAD; i++)
		p->bytes[at + i] = (uint8_t)(i * 7 + kind);
	p->header = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = (uint16_t)p->transport,
		.csum_offset = IS_UDP(kind) ? UDP_CSUM_OFFSET : TCP_CSUM_OFFSET,
	};
	if (IS_SMALL(kind))
		return;
	p->header.gso_type = IS_UDP(kind)  ? VIRTIO_NET_HDR_GSO_UDP_L4
			     : IS_V6(kind) ? VIRTIO_NET_HDR_GSO_TCPV6
					   : VIRTIO_NET_HDR_GSO_TCPV4;
	p->header.gso_size = SIZE;
	p->header.hdr_len = (uint16_t)at;
}

/* What is another value: of the virtio-net header, of the frame; or so much behind what is right,
 * or behind the frame's end. */
enum place {
	FLAGS,
	TYPE,
	GSO_SIZE,
	START,
	START_BY,
	START_END,
	OFFSET,
	HDR_LEN,
	HDR_LEN_END,
	LEN,
	LEN_BY,
	ETHERTYPE,
	NETWORK,
	TRANSPORT,
};

#define MUTATIONS(what, at, ...)                                                      \
	{                                                                             \
		what, at, { __VA_ARGS__ }, ARRAY_SIZE(((const int[]){ __VA_ARGS__ })) \
	}

static const struct mutations {
	enum place what;
	unsigned at; /* byte of a header in the frame */
	int values[20];
	unsigned n;
} mutations[] = {
	MUTATIONS(FLAGS, 0, 0, 3, 0xfe, 0xff),
	MUTATIONS(TYPE, 0, 0, 1, 2, 3, 4, 5, 0x7f, 0x80, 0x81, 0x83, 0x84, 0x85, 0xff),
	MUTATIONS(GSO_SIZE, 0, 0, 1, 7, PAYLOAD - 1, PAYLOAD, PAYLOAD + 1, 0xffff),
	MUTATIONS(START, 0, 0, 13, 14, 17, 18, 65531, 65532, 65535),
	MUTATIONS(START_BY, 0, -20, -1, 1, 20, 200),
	MUTATIONS(START_END, 0, -18, -2, -1, 0, 1),
	MUTATIONS(OFFSET, 0, 0, 6, 16, 17, 120, 1000, 0x7fff, 65534, 65535),
	MUTATIONS(HDR_LEN, 0, 0, 14, 127, 129, 65535),
	MUTATIONS(HDR_LEN_END, 0, -1, 0, 1),
	MUTATIONS(LEN, 0, 12, 13, 14, 15, 18),
	MUTATIONS(LEN_BY, 0, -1, 0, 1, 7, 8, 9, 13, 17, 18, 19, 20, 21),
	MUTATIONS(ETHERTYPE, 0, 0, 0x0800, 0x0806, 0x8100, 0x86dd, 0x8847),
	MUTATIONS(NETWORK, 0, 0x40, 0x44, 0x4f, 0x65), /* version, length of the header */
	MUTATIONS(NETWORK, 2, 0xff),
	MUTATIONS(NETWORK, 3, 0),
	MUTATIONS(NETWORK, 4, 0xff),
	MUTATIONS(NETWORK, 5, 0),
	MUTATIONS(NETWORK, 6, 0, 0x20, 43, 44, 60), /* fragments, next header */
	MUTATIONS(NETWORK, 7, 1),
	MUTATIONS(NETWORK, 9, 6, 17, 132), /* protocol */
	MUTATIONS(TRANSPORT, 4, 0xff),
	MUTATIONS(TRANSPORT, 12, 0, 0x40, 0x60, 0xf0), /* length of TCP's header */
	MUTATIONS(TRANSPORT, 13, 0x02, 0x80, 0x89, 0xff),
};

static void apply_to_header(struct right *p, enum place what, int value)
{
	struct virtio_net_hdr *h = &p->header;

	switch (what) {
	case FLAGS:
		h->flags = (uint8_t)value;
		break;
	case TYPE:
		h->gso_type = (uint8_t)value;
		break;
	case GSO_SIZE:
		h->gso_size = (uint16_t)value;
		break;
	case START:
		h->csum_start = (uint16_t)value;
		break;
	case START_BY:
		h->csum_start = (uint16_t)((int)p->transport + value);
		break;
	case START_END:
		h->csum_start = (uint16_t)((int)p->len + value);
		break;
	case OFFSET:
		h->csum_offset = (uint16_t)value;
		break;
	case HDR_LEN:
		h->hdr_len = (uint16_t)value;
		break;
	default: /* HDR_LEN_END */
		h->hdr_len = (uint16_t)((int)p->len + value);
		break;
	}
}

static void apply(struct right *p, const struct mutations *m, unsigned i)
{
	int value = m->values[i];
	size_t n = strlen(w.what);

	snprintf(w.what + n, sizeof(w.what) - n, " and %zu: %d", (size_t)(m - mutations), value);
	switch (m->what) {
	case LEN:
		p->len = (uint32_t)value;
		break;
	case LEN_BY:
		p->len = (uint32_t)((int)p->transport + value);
		break;
	case ETHERTYPE:
		p->bytes[p->network - 2] = (uint8_t)(value >> 8);
		p->bytes[p->network - 1] = (uint8_t)value;
		break;
	case NETWORK:
		p->bytes[p->network + m->at] = (uint8_t)value;
		break;
	case TRANSPORT:
		p->bytes[p->transport + m->at] = (uint8_t)value;
		break;
	default:
		apply_to_header(p, m->what, value);
		break;
	}
}

/* ---- what becomes of them */

static void on_told(void *arg, const struct flows_packet *p)
{
	struct told *t = &w.told[w.n_told++];

	assert_true(w.n_told <= TOLD_MAX);
	assert_true(p->len <= TOLD_LEN);
	assert_int_equal(p->len, p->total_len);
	t->len = (uint32_t)p->len;
	memcpy(t->bytes, p->frame, p->len);
}

/* Turns the loop until it is so, for a bounded time. */
static void await(bool (*is_so)(unsigned n), unsigned n)
{
	uint64_t end = clock_ns() + WAIT_NS;

	while (!is_so(n)) {
		rig_run(&w.r.rig);
		if (clock_ns() > end)
			fail_msg("nothing more becomes of%s: %u told", w.what, w.n_told);
	}
}

static bool is_over(unsigned n)
{
	return dummy_sent_peek(w.ports[WHOLE], 0) || rig_drops(&w.r.rig, "guest") > w.n_dropped;
}

static bool is_told(unsigned n)
{
	return w.n_told >= n;
}

static bool is_at_plain(unsigned n)
{
	return dummy_sent_peek(w.ports[PLAIN], 0);
}

static void must(bool is_so, const char *what)
{
	if (!is_so)
		fail_msg("%s:%s", what, w.what);
}

/* It has left as it came: so many packets are to be told, and to leave by a port without offloads.
 */
static unsigned take_whole(const struct right *p)
{
	const struct dummy_frame *f = dummy_sent_peek(w.ports[WHOLE], 0);
	struct virtio_net_hdr want = p->header;
	unsigned n = 1;

	net_header_clean(&want);
	want.hdr_len = f->offload.hdr_len; /* the switch knows better */
	must(f->len == p->len, "it has another length");
	/* a checksum that covers headers is made before rules may change them */
	if (want.gso_type || f->offload.flags)
		must(!memcmp(&f->offload, &want, sizeof(want)) &&
			     !memcmp(f->bytes, p->bytes, p->len),
		     "it is another one, or asks for something else");
	if (f->offload.gso_type) {
		must(f->offload.hdr_len <= f->len && f->offload.gso_size, "it cannot be cut");
		n = (f->len - f->offload.hdr_len + f->offload.gso_size - 1) / f->offload.gso_size;
		n = max(n, 1u); /* of headers alone */
		w.n_segmented++;
	}
	w.n_whole++;
	dummy_sent_pop(w.ports[WHOLE], 0);
	return n;
}

/* What leaves by the port without offloads is what the controller was told. */
static void expect_told(unsigned n)
{
	await(is_told, n);
	for (unsigned i = 0; i < n; i++) {
		const struct dummy_frame *f;

		await(is_at_plain, 0);
		f = dummy_sent_peek(w.ports[PLAIN], 0);
		must(f->len == w.told[i].len && !memcmp(f->bytes, w.told[i].bytes, f->len),
		     "the controller was told something else");
		dummy_sent_pop(w.ports[PLAIN], 0);
	}
}

static void send_one(struct right *p)
{
	const struct virtio_net_hdr *h = &p->header;
	struct iovec iov = { p->bytes, p->len };
	struct netdrv_frame f = { .header = { .flags = h->flags,
					      .gso_type = h->gso_type,
					      .hdr_len = h->hdr_len,
					      .gso_size = h->gso_size,
					      .csum_start = h->csum_start,
					      .csum_offset = h->csum_offset },
				  .iov = &iov,
				  .n_iov = 1,
				  .len = p->len };
	unsigned n = 0;

	mac_store(p->bytes + ETH_ALEN, MAC(1000 + w.n_sent)); /* teaches a rule of its own */
	w.n_told = 0;
	w.n_sent++;
	assert_int_equal(netdrv_send(w.guest.drv, 0, &f, 1), 1);
	await(is_over, 0);
	if (dummy_sent_peek(w.ports[WHOLE], 0))
		n = take_whole(p);
	else
		w.n_dropped++;
	expect_told(n);
	rig_send(&w.r.rig, w.ports[OTHER], MAC(9), MAC(8), w.n_sent);
	must(rig_expect(&w.r.rig, w.ports[PLAIN]) == w.n_sent, "others are disturbed");
	must(w.n_told == n && !dummy_sent_peek(w.ports[WHOLE], 0) &&
		     !dummy_sent_peek(w.ports[PLAIN], 0) &&
		     rig_drops(&w.r.rig, "guest") == w.n_dropped,
	     "it has become of it more than one thing");
}

static unsigned below(unsigned n)
{
	w.seed = w.seed * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)((w.seed >> 33) % n);
}

static void begin(struct right *p, unsigned kind)
{
	snprintf(w.what, sizeof(w.what), " kind %u", kind);
	make_right(p, kind);
}

static void send_all(void)
{
	static struct right p;

	for (unsigned kind = 0; kind < N_KINDS; kind++) {
		begin(&p, kind);
		send_one(&p);
		for (size_t m = 0; m < ARRAY_SIZE(mutations); m++)
			for (unsigned i = 0; i < mutations[m].n; i++) {
				begin(&p, kind);
				apply(&p, &mutations[m], i);
				send_one(&p);
			}
	}
	for (unsigned i = 0; i < scaled(1000); i++) {
		begin(&p, i % N_KINDS);
		for (unsigned n = 2 + below(2); n--;) {
			const struct mutations *m = &mutations[below(ARRAY_SIZE(mutations))];

			apply(&p, m, below(m->n));
		}
		send_one(&p);
	}
}

/* ---- */

static int open_world(void **state)
{
	static struct flows_listener listener = { .packet = on_told };
	struct rig *rig = &w.r.rig;

	memset(&w, 0, sizeof(w));
	snprintf(dir, sizeof(dir), "/tmp/vireo-test-XXXXXX");
	assert_non_null(mkdtemp(dir));
	rig_open(rig, 1);
	rig_add_bridge(rig, "br0");
	w.ports[GUEST] = add(rig, "guest");
	w.ports[WHOLE] = rig_add(rig, "whole", NULL);
	w.ports[PLAIN] = rig_add(rig, "plain", J("{s:b}", "offload-csum", 0));
	w.ports[OTHER] = rig_add(rig, "other", NULL);
	plug(rig, &w.guest, "guest", FEATURES, 1, false);
	rig_settle(rig);
	w.r.flows = switch_flows(rig->sw, "br0");
	assert_non_null(w.r.flows);
	flows_listen(w.r.flows, &listener);
	change_rules(&w.r, FLOW_ADD, "in_port=4,actions=output:3");
	return 0;
}

static int close_world(void **state)
{
	unplug(&w.guest);
	*state = &w.r.rig;
	return teardown(state);
}

/* There has to be some of everything. */
static void expect_some(void)
{
	print_message("%llu packets: %llu left, %llu of them large, %llu were dropped\n",
		      (unsigned long long)w.n_sent, (unsigned long long)w.n_whole,
		      (unsigned long long)w.n_segmented, (unsigned long long)w.n_dropped);
	assert_int_equal(w.n_whole + w.n_dropped, w.n_sent);
	assert_int_equal(rig_counter(&w.r.rig, "guest", "rx_packets"), w.n_sent);
	assert_true(w.n_segmented > w.n_sent / 20);
	assert_true(w.n_whole - w.n_segmented > w.n_sent / 20);
	assert_true(w.n_dropped > w.n_sent / 10);
}

static void test_at_once(void **state)
{
	change_rules(&w.r, FLOW_ADD,
		     "in_port=1,actions=controller(max_len=65535),output:2,output:3");
	send_all();
	expect_some();
}

static void test_behind_a_rule(void **state)
{
	change_rules(&w.r, FLOW_ADD,
		     "in_port=1,actions=learn(table=1,NXM_OF_ETH_SRC[]),"
		     "controller(max_len=65535),output:2,output:3");
	send_all();
	expect_some();
	assert_int_equal(pipeline_n_rules(flows_pipeline(w.r.flows), 1), w.n_whole);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(test_at_once), TEST(test_behind_a_rule) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
