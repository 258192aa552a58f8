// SPDX-License-Identifier: Apache-2.0
/* Packets into a guest's receive buffers, taken ahead: at random, in every layout, while its memory
 * moves and its ring stops and goes on. A model of the ring says what must become of each packet.
 */
#include <linux/virtio_config.h>

#include "queue_stage.h"
#include "virtio/net_header.h"

#define MODERN BIT(VIRTIO_F_VERSION_1)
#define MRG BIT(VIRTIO_NET_F_MRG_RXBUF)
#define BUFFERS 512 /* that the guest may have offered; more than a ring has */
#define PACKETS 4096
#define STEPS 2000
#define FRAME_MAX 9000

/* A buffer that the guest has offered; the driver's cookie points to it. */
struct buffer {
	uint32_t at, len; /* in the guest's memory */
};

struct world {
	struct stage *s;
	unsigned seed;
	bool mergeable;
	uint32_t size; /* of the ring */
	/* in ring order, both circular: offered and not got back */
	struct buffer buffers[BUFFERS];
	unsigned first, n, used; /* used: of n, filled by the model */
	uint32_t head, tail;	 /* bytes of the guest's memory that buffers take, modulo 2^32 */
	/* packets that the guest must get */
	uint32_t lens[PACKETS], numbers[PACKETS];
	unsigned n_got, n_sent;
	uint32_t number;
	uint64_t full, small; /* drops */
	uint8_t bytes[BATCH_MAX][FRAME_MAX];
};

static unsigned roll(struct world *w, unsigned n)
{
	return (unsigned)rand_r(&w->seed) % n;
}

static struct buffer *buffer_at(struct world *w, unsigned i)
{
	return &w->buffers[(w->first + i) % BUFFERS];
}

/* The guest offers a buffer in up to @pieces pieces; false when something is used up. */
static bool offer(struct world *w, uint32_t len, unsigned pieces)
{
	struct driver_ring *driver = &w->s->pair.driver;
	struct buffer *b = buffer_at(w, w->n);
	uint32_t piece = max((len + pieces - 1) / pieces, 1u);
	struct iovec iov[64];
	unsigned n = 0;

	/* not around the end */
	if (w->head % PAIR_BUF_LEN + len > PAIR_BUF_LEN)
		w->head += PAIR_BUF_LEN - w->head % PAIR_BUF_LEN;
	if (w->head + len - w->tail > PAIR_BUF_LEN || w->n == BUFFERS)
		return false;
	*b = (struct buffer){ w->head % PAIR_BUF_LEN, len };
	for (uint32_t i = 0; i < len; i += piece)
		iov[n++] = (struct iovec){ w->s->pair.buf + b->at + i, min(piece, len - i) };
	if (driver_ring_add(driver, NULL, 0, iov, n, b) < 0)
		return false;
	driver_ring_publish(driver);
	/* nobody waits for buffers: a kick would be a system call for nothing */
	assert_false(driver_ring_wants_kick(driver));
	w->head += len;
	w->n++;
	return true;
}

static void offer_some(struct world *w)
{
	unsigned n = roll(w, 3) ? roll(w, 40) : roll(w, 300);
	uint32_t longest = roll(w, 2) ? 100 : 2000;
	unsigned pieces = roll(w, 3) ? 1 : 60;

	while (n-- && offer(w, 13 + roll(w, longest), pieces))
		;
}

/* Where the next packet of @need bytes goes, by the rules. Returns how many buffers, or 0. */
static unsigned place(struct world *w, uint32_t need)
{
	uint64_t room = 0;

	for (unsigned k = 0; w->used + k < w->n; k++) {
		if (k == RING_TAKE_MAX) {
			w->small++;
			return 0;
		}
		room += buffer_at(w, w->used + k)->len;
		if (room >= need)
			return k + 1;
		if (!w->mergeable) {
			w->small++;
			return 0;
		}
	}
	if (w->n - w->used == RING_TAKE_MAX)
		w->small++;
	else
		w->full++;
	return 0;
}

static void send_some(struct world *w)
{
	unsigned n = 1 + roll(w, BATCH_MAX);
	uint32_t longest = roll(w, 4) ? 200 : FRAME_MAX - 100;
	struct pkt *pkts[BATCH_MAX];
	struct stage *s = w->s;

	batch_clear(s->batch);
	for (unsigned i = 0; i < n; i++) {
		uint32_t len = 14 + roll(w, longest), number = w->number++;
		unsigned k = place(w, s->q.header_len + len);

		for (uint32_t at = 0; at < len; at++)
			w->bytes[i][at] = byte_of(number, at);
		pkts[i] = &s->batch->pkts[i];
		pkt_init_linear(pkts[i], w->bytes[i], len, &s->batch->frags[i]);
		w->used += k;
		if (!k)
			continue;
		w->lens[w->n_sent % PACKETS] = len;
		w->numbers[w->n_sent++ % PACKETS] = number;
	}
	vhost_queue_tx(&s->q.txq, pkts, n, &s->c);
	assert_int_equal(s->c.drops[DROP_tx_ring_full], w->full);
	assert_int_equal(s->c.drops[DROP_tx_buffer_small], w->small);
	assert_int_equal(all_drops(s), w->full + w->small);
	assert_int_equal(s->c.tx_packets, w->n_sent);
	assert_false(ring_broken(&s->vring.ring));
}

/* The guest takes the next used buffer, which must be the oldest; its bytes go to @to. */
static uint32_t take_back(struct world *w, uint8_t *to)
{
	struct buffer *b;
	uint32_t used;

	b = driver_ring_get(&w->s->pair.driver, &used);
	assert_ptr_equal(b, buffer_at(w, 0));
	assert_true(used && used <= b->len);
	memcpy(to, w->s->pair.buf + b->at, used);
	w->first = (w->first + 1) % BUFFERS;
	w->n--;
	w->used--;
	w->tail = w->n ? w->head - (w->head - buffer_at(w, 0)->at) % PAIR_BUF_LEN : w->head;
	return used;
}

/* The guest takes everything that it was given, which is what was sent. */
static void receive_all(struct world *w)
{
	static uint8_t bytes[FRAME_MAX + 4096];
	struct virtio_net_hdr_mrg_rxbuf header;
	uint32_t used;

	for (; w->n_got < w->n_sent; w->n_got++) {
		uint32_t len = take_back(w, bytes), number = w->numbers[w->n_got % PACKETS];

		memcpy(&header, bytes, sizeof(header));
		for (unsigned i = 1; i < header.num_buffers; i++)
			len += take_back(w, bytes + len);
		assert_int_equal(len, sizeof(header) + w->lens[w->n_got % PACKETS]);
		for (uint32_t i = 0; i < len - sizeof(header); i++)
			assert_int_equal(bytes[sizeof(header) + i], byte_of(number, i));
	}
	assert_int_equal(w->used, 0);
	assert_null(driver_ring_get(&w->s->pair.driver, &used));
	assert_false(w->s->pair.driver.broken);
}

/* The front-end shows the memory with the buffers elsewhere, while the ring goes on; what it was
 * shown at before is gone. */
static void move_memory(struct world *w)
{
	static uint64_t serial = 1;
	struct ring_pair *p = &w->s->pair;
	struct guestmem *mem = calloc(1, sizeof(*mem) + PAIR_REGIONS * sizeof(mem->ranges[0]));
	uint8_t *buf = pair_alloc(PAIR_BUF_LEN);

	assert_non_null(mem);
	memcpy(mem, p->mem, sizeof(*mem) + PAIR_REGIONS * sizeof(mem->ranges[0]));
	mem->serial = serial++;
	memcpy(buf, p->buf, PAIR_BUF_LEN);
	mem->ranges[1].host = p->regions[1].host = buf;
	free(p->buf);
	free(p->mem);
	p->buf = buf;
	p->mem = mem;
	w->s->state.mem = mem;
}

/* The port's queues change hands, and its ring may have been started anew meanwhile. */
static void change_hands(struct world *w)
{
	struct stage *s = w->s;

	if (roll(w, 2)) {
		struct ring_config config = pair_device_config(&s->pair);
		struct error err;

		config.base = ring_base(&s->vring.ring);
		assert_int_equal(ring_start(&s->vring.ring, &config, &err), 0);
		assert_false(ring_broken(&s->vring.ring));
	}
	assert_int_equal(vhost_queue_init(&s->q, &s->port, 3, &s->vring, &s->state, false), 0);
	assert_int_equal(s->vring.ring.n_taken, 0);
	/* without it, too, and with it, which is at worst a no-operation */
	s->q.demote = roll(w, 2);
}

static void run(unsigned seed, uint64_t features, uint32_t size)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->s = start(features, size, features & INDIRECT ? 64 : 0, false);
	w->seed = seed;
	w->size = size;
	w->mergeable = features & MRG;
	for (unsigned i = 0; i < STEPS; i++) {
		switch (roll(w, 10)) {
		case 0:
			if (!roll(w, 4))
				move_memory(w);
			break;
		case 1:
			if (!roll(w, 4))
				change_hands(w);
			break;
		case 2:
		case 3:
			receive_all(w);
			break;
		case 4:
		case 5:
		case 6:
			offer_some(w);
			break;
		default:
			send_some(w);
			break;
		}
		assert_true(w->n_sent - w->n_got < PACKETS);
	}
	receive_all(w);
	stop(w->s);
	free(w);
}

static void test_as_the_model_says(void **state)
{
	static const uint32_t sizes[] = { 1, 4, 64, 256 };
	static const uint64_t features[] = { 0, MRG, MRG | INDIRECT, MRG | IN_ORDER, INDIRECT };

	for (unsigned i = 0; i < ARRAY_SIZE(sizes) * ARRAY_SIZE(features); i++) {
		uint64_t f = MODERN | features[i / ARRAY_SIZE(sizes)];
		uint32_t size = sizes[i % ARRAY_SIZE(sizes)];

		run(i + 1, f, size);
		run(i + 1, f | PACKED, size > 1 ? size - 1 : size);
	}
}

/* A ring that another process has run: nobody knows whether its guest was told of the last chains,
 * so it is told once, before anything else happens. */
static void test_resumed_ring_tells(void **state)
{
	static const uint64_t features[] = { 0, PACKED };

	for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
		struct stage *s = start(MODERN | features[i], 8, 0, false);
		struct ring_config config = pair_device_config(&s->pair);
		struct ring_state memory = { 0 };
		struct error err;

		config.state = &memory;
		for (unsigned resume = 0; resume < 3; resume++) {
			if (resume < 2) {
				config.resume = resume;
				assert_int_equal(ring_start(&s->vring.ring, &config, &err), 0);
			}
			assert_int_equal(
				vhost_queue_init(&s->q, &s->port, 3, &s->vring, &s->state, false),
				0);
			assert_int_equal(was_called(s), resume == 1);
		}
		stop(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_the_model_says),
		cmocka_unit_test(test_resumed_ring_tells),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
