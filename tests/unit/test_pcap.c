// SPDX-License-Identifier: Apache-2.0
/* pcap ports: files that are good, cut, forged or no capture at all; files that fill up. */
#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_env.h"
#include "fds.h"
#include "port/kinds.h"

#define FILE_HEADER_LEN 24

struct fixture {
	char dir[64], path[96];
	struct event_base *base;
	struct fake_env env;
	struct port *port;
	struct batch *batch;
	struct port_counters counters;
	unsigned n_fds;
	struct error err;
};

static int setup(void **state)
{
	static struct fixture f;

	memset(&f, 0, sizeof(f));
	strcpy(f.dir, "/tmp/test_pcap.XXXXXX");
	assert_non_null(mkdtemp(f.dir));
	snprintf(f.path, sizeof(f.path), "%s/file", f.dir);
	f.base = event_base_new();
	f.env = fake_env_make(f.base);
	f.batch = batch_create();
	assert_true(f.base && f.batch);
	f.n_fds = count_fds();
	*state = &f;
	return 0;
}

/* Every test ends with as many open fds as it started with. */
static int teardown(void **state)
{
	struct fixture *f = *state;
	unsigned n_fds;

	pcap_port_ops.destroy(f->port);
	n_fds = count_fds();
	batch_destroy(f->batch);
	event_base_free(f->base);
	unlink(f->path);
	rmdir(f->dir);
	return n_fds == f->n_fds ? 0 : -1;
}

static int make(struct fixture *f, const char *direction)
{
	f->err = (struct error){ "" };
	return fake_create(&pcap_port_ops, &f->port, "p",
			   json_pack("{s:s, s:s}", "file", f->path, "direction", direction),
			   &f->env, &f->err);
}

/* A capture file under construction, of microseconds and our byte order unless asked otherwise. */
static FILE *begin(struct fixture *f, uint32_t magic, uint32_t linktype)
{
	uint32_t header[6] = { magic, 2 | 4 << 16, 0, 0, 262144, linktype };
	FILE *file = fopen(f->path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(header, sizeof(header), 1, file), 1);
	return file;
}

static void record(FILE *file, uint32_t caplen, uint32_t len, uint8_t fill)
{
	uint32_t header[4] = { 1000, 0, caplen, len };

	assert_int_equal(fwrite(header, sizeof(header), 1, file), 1);
	for (uint32_t i = 0; i < caplen; i++)
		putc(fill, file);
}

static unsigned rx(struct fixture *f)
{
	batch_clear(f->batch);
	f->port->ops->rx(f->port->rxqs[0], f->batch, &f->counters);
	return f->batch->n;
}

static void rx_done(struct fixture *f)
{
	f->port->ops->rx_done(f->port->rxqs[0], f->batch);
}

static const char *shown(struct fixture *f, const char *key, char *text, size_t size)
{
	json_t *out = json_object();

	f->port->ops->show(f->port, out);
	snprintf(text, size, "%s", option_string(out, key, "-"));
	json_decref(out);
	return text;
}

/* The port asked for the control thread, and goes down when it comes. */
static void assert_goes_down(struct fixture *f, const char *state)
{
	char text[64];

	assert_true(f->port->link);
	assert_int_equal(f->env.n_attention, 1);
	f->port->ops->attend(f->port);
	assert_false(f->port->link);
	assert_int_equal(f->env.n_changed, 1);
	assert_string_equal(shown(f, "state", text, sizeof(text)), state);
	f->port->ops->attend(f->port);
	assert_int_equal(f->env.n_changed, 1);
}

static void reads_a_file_to_its_end(void **state)
{
	struct fixture *f = *state;
	FILE *file = begin(f, 0xa1b2c3d4, DLT_EN10MB);
	struct pollfd wake;
	unsigned next = 0;
	char text[64];

	for (unsigned i = 0; i < 75; i++)
		record(file, 60 + i, 60 + i, (uint8_t)i);
	fclose(file);
	assert_int_equal(make(f, "read"), 0);
	assert_true(f->port->link);
	assert_int_equal(f->port->n_rxqs, 1);
	assert_int_equal(f->port->n_txqs, 0);
	wake = (struct pollfd){ .fd = f->port->rxqs[0]->wake_fd, .events = POLLIN };
	assert_int_equal(poll(&wake, 1, 0), 1);
	assert_true(f->port->ops->arm(f->port->rxqs[0]));
	while (next < 75) {
		unsigned n = rx(f);

		assert_int_equal(n, min(75 - next, f->batch->most));
		for (unsigned i = 0; i < n; i++, next++) {
			uint8_t expected[200], out[200];

			memset(expected, (int)next, sizeof(expected));
			assert_int_equal(f->batch->pkts[i].len, 60 + next);
			pkt_copy(&f->batch->pkts[i], out);
			assert_memory_equal(out, expected, 60 + next);
		}
		rx_done(f);
		f->batch->most = 7; /* from now on the worker wants fewer */
	}
	assert_int_equal(rx(f), 0);
	assert_string_equal(shown(f, "state", text, sizeof(text)), "end of file");
	assert_false(f->port->ops->arm(f->port->rxqs[0]));
	assert_int_equal(poll(&wake, 1, 0), 0);
	assert_goes_down(f, "end of file");
	assert_int_equal(f->counters.rx_packets, 75);
	assert_int_equal(f->counters.rx_bytes, 75 * 60 + 74 * 75 / 2);
}

static void reads_other_byte_order_and_nanoseconds(void **state)
{
	struct fixture *f = *state;
	const uint32_t swapped[] = { 0xd4c3b2a1,
				     __builtin_bswap32(2 << 16 | 4),
				     0,
				     0,
				     __builtin_bswap32(65535),
				     __builtin_bswap32(DLT_EN10MB),
				     0,
				     0,
				     __builtin_bswap32(60),
				     __builtin_bswap32(60) };
	uint8_t frame[60] = { 1, 2, 3 };
	FILE *file = fopen(f->path, "w");

	fwrite(swapped, sizeof(swapped), 1, file);
	fwrite(frame, sizeof(frame), 1, file);
	fclose(file);
	assert_int_equal(make(f, "read"), 0);
	assert_int_equal(rx(f), 1);
	assert_int_equal(f->batch->pkts[0].len, 60);
	assert_memory_equal(f->batch->pkts[0].head, frame, 60);
	pcap_port_ops.destroy(f->port);
	f->port = NULL;

	file = begin(f, 0xa1b23c4d, DLT_EN10MB);
	record(file, 61, 61, 7);
	fclose(file);
	assert_int_equal(make(f, "read"), 0);
	assert_int_equal(rx(f), 1);
	assert_int_equal(f->batch->pkts[0].len, 61);
}

static void cut_off_frames_are_counted(void **state)
{
	struct fixture *f = *state;
	FILE *file = begin(f, 0xa1b2c3d4, DLT_EN10MB);

	record(file, 60, 1514, 1);
	record(file, 64, 64, 2);
	record(file, FRAME_LEN_MAX, FRAME_LEN_MAX, 3);
	record(file, FRAME_LEN_MAX + 1, FRAME_LEN_MAX + 1, 4);
	record(file, 0, 0, 5);
	record(file, 65, 65, 6);
	fclose(file);
	assert_int_equal(make(f, "read"), 0);
	assert_int_equal(rx(f), 4);
	assert_int_equal(f->batch->pkts[0].len, 64);
	assert_int_equal(f->batch->pkts[1].len, FRAME_LEN_MAX);
	assert_int_equal(f->batch->pkts[2].len, 0);
	assert_int_equal(f->batch->pkts[3].len, 65);
	assert_int_equal(f->counters.drops[DROP_truncated], 1);
	assert_int_equal(f->counters.drops[DROP_too_long], 1);
	assert_int_equal(f->counters.rx_packets, 6);
}

/* A file that ends, or goes mad, in the middle: what was before it is sent, the rest is an error.
 */
static void broken_files_take_the_link_down(void **state)
{
	struct fixture *f = *state;
	FILE *file = begin(f, 0xa1b2c3d4, DLT_EN10MB);
	char text[64];

	record(file, 60, 60, 1);
	record(file, 60, 60, 2);
	fclose(file);
	assert_int_equal(truncate(f->path, FILE_HEADER_LEN + 76 + 30), 0);
	assert_int_equal(make(f, "read"), 0);
	assert_int_equal(rx(f), 1);
	rx_done(f);
	assert_int_equal(rx(f), 0);
	assert_goes_down(f, "failed");
	assert_string_not_equal(shown(f, "error", text, sizeof(text)), "-");
	assert_false(f->port->ops->arm(f->port->rxqs[0]));
}

static void forged_lengths_are_an_error(void **state)
{
	static const uint32_t lengths[] = { 0x7fffffff, 0x80000000, 0xffffffff, 262145 };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		FILE *file = begin(f, 0xa1b2c3d4, DLT_EN10MB);
		uint32_t header[4] = { 0, 0, lengths[i], lengths[i] };

		record(file, 60, 60, 1);
		fwrite(header, sizeof(header), 1, file);
		for (unsigned k = 0; k < 1000; k++)
			putc(0, file);
		fclose(file);
		f->env.n_attention = f->env.n_changed = 0;
		assert_int_equal(make(f, "read"), 0);
		assert_int_equal(rx(f), 1);
		rx_done(f);
		assert_goes_down(f, "failed");
		pcap_port_ops.destroy(f->port);
		f->port = NULL;
	}
}

static void assert_refused(struct fixture *f, const char *direction, const char *text)
{
	assert_true(make(f, direction) < 0);
	if (!strstr(f->err.text, text))
		fail_msg("\"%s\" does not say \"%s\"", f->err.text, text);
	assert_int_equal(count_fds(), f->n_fds);
}

static void what_is_no_capture_is_refused(void **state)
{
	struct fixture *f = *state;
	FILE *file;

	assert_refused(f, "read", "No such file");

	fclose(fopen(f->path, "w"));
	assert_refused(f, "read", "no capture file");

	file = fopen(f->path, "w");
	fputs("these are not the packets that you are looking for", file);
	fclose(file);
	assert_refused(f, "read", "no capture file");

	fclose(begin(f, 0xa1b2c3d4, DLT_RAW));
	assert_refused(f, "read", "link type RAW");

	unlink(f->path);
	assert_int_equal(mkfifo(f->path, 0600), 0);
	assert_refused(f, "read", "no regular file");
	assert_refused(f, "write", "No such device");

	unlink(f->path);
	snprintf(f->path, sizeof(f->path), "%s", f->dir);
	assert_refused(f, "read", "no regular file");
	assert_refused(f, "write", "directory");
	snprintf(f->path, sizeof(f->path), "%s/none/file", f->dir);
	assert_refused(f, "write", "No such file");
}

static void tx(struct fixture *f, const uint8_t *frame, uint32_t len)
{
	struct pkt pkt, *p = &pkt;
	struct iovec frag;

	pkt_init_linear(&pkt, frame, len, &frag);
	f->port->ops->tx(f->port->txqs[0], &p, 1, &f->counters);
}

static void writes_what_can_be_read(void **state)
{
	struct fixture *f = *state;
	char why[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *header;
	uint8_t frame[2000];
	const u_char *bytes;
	pcap_t *file;

	assert_int_equal(make(f, "write"), 0);
	assert_int_equal(f->port->n_rxqs, 0);
	assert_int_equal(f->port->n_txqs, 1);
	for (unsigned len = 14; len < 2000; len++) {
		memset(frame, (int)len, sizeof(frame));
		tx(f, frame, len);
	}
	assert_int_equal(f->counters.tx_packets, 1986);
	pcap_port_ops.destroy(f->port);
	f->port = NULL;

	file = pcap_open_offline(f->path, why);
	assert_non_null(file);
	assert_int_equal(pcap_datalink(file), DLT_EN10MB);
	for (unsigned len = 14; len < 2000; len++) {
		assert_int_equal(pcap_next_ex(file, &header, &bytes), 1);
		assert_int_equal(header->caplen, len);
		assert_int_equal(header->len, len);
		/* time() may be a tick late */
		assert_in_range(header->ts.tv_sec, time(NULL) - 60, time(NULL) + 1);
		memset(frame, (int)len, sizeof(frame));
		assert_memory_equal(bytes, frame, len);
	}
	assert_int_equal(pcap_next_ex(file, &header, &bytes), PCAP_ERROR_BREAK);
	pcap_close(file);
}

static off_t file_size(struct fixture *f)
{
	struct stat st;

	assert_int_equal(stat(f->path, &st), 0);
	return st.st_size;
}

static void old_content_goes(void **state)
{
	struct fixture *f = *state;
	FILE *file = begin(f, 0xa1b2c3d4, DLT_EN10MB);

	record(file, 60, 60, 1);
	fclose(file);
	assert_int_equal(make(f, "write"), 0);
	assert_int_equal(file_size(f), FILE_HEADER_LEN);
}

/* One timer for any number of packets, and none while there are none. */
static void packets_reach_the_file_soon(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[60] = { 0 };

	assert_int_equal(make(f, "write"), 0);
	for (unsigned round = 1; round <= 2; round++) {
		for (unsigned i = 0; i < 10; i++)
			tx(f, frame, sizeof(frame));
		assert_int_equal(f->env.n_attention, round);
		f->port->ops->attend(f->port);
		f->port->ops->attend(f->port);
		/* Returns when no event is left: the timer came, once. */
		event_base_dispatch(f->base);
		assert_int_equal(file_size(f), FILE_HEADER_LEN + round * 10 * 76);
	}
}

static void full_disk_takes_the_link_down(void **state)
{
	struct fixture *f = *state;
	struct rlimit old, limit;
	uint8_t frame[1500] = { 0 };
	unsigned sent = 0;
	char text[64];

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	limit = (struct rlimit){ .rlim_cur = 1 << 20, .rlim_max = old.rlim_max };
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(make(f, "write"), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	while (!f->counters.drops[DROP_tx_error] && sent++ < 10000)
		tx(f, frame, sizeof(frame));
	tx(f, frame, sizeof(frame));
	f->env.n_attention = 1; /* one was for the flush */
	assert_goes_down(f, "failed");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_in_range(sent, 600, 1000);
	assert_int_equal(f->counters.drops[DROP_tx_error], 2);
	assert_int_equal(f->counters.tx_packets, sent - 1);
	assert_string_equal(shown(f, "error", text, sizeof(text)), "File too large");
}

static int make_passed(struct fixture *f, const char *direction, int fd)
{
	f->err = (struct error){ "" };
	return fake_create(&pcap_port_ops, &f->port, "p",
			   json_pack("{s:s, s:s, s:i}", "file", "shown only", "direction",
				     direction, "fd", fd),
			   &f->env, &f->err);
}

static void passed_descriptors_are_borrowed(void **state)
{
	struct fixture *f = *state;
	FILE *file = begin(f, 0xa1b2c3d4, DLT_EN10MB);
	char text[64];
	int fd;

	record(file, 60, 60, 1);
	fclose(file);
	fd = open(f->path, O_RDONLY);
	assert_true(fd >= 0);
	assert_true(make_passed(f, "write", fd) < 0);
	assert_non_null(strstr(f->err.text, "was not opened to write"));
	assert_int_equal(make_passed(f, "read", fd), 0);
	assert_string_equal(shown(f, "file", text, sizeof(text)), "shown only");
	assert_int_equal(close(fd), 0);
	assert_int_equal(rx(f), 1);
	pcap_port_ops.destroy(f->port);
	f->port = NULL;

	assert_true(make_passed(f, "read", 9999) < 0);
	assert_non_null(strstr(f->err.text, "Bad file descriptor"));
	fd = open("/dev/null", O_RDWR);
	assert_true(make_passed(f, "write", fd) < 0);
	assert_non_null(strstr(f->err.text, "no regular file"));
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(reads_a_file_to_its_end, setup, teardown),
		cmocka_unit_test_setup_teardown(reads_other_byte_order_and_nanoseconds, setup,
						teardown),
		cmocka_unit_test_setup_teardown(cut_off_frames_are_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(broken_files_take_the_link_down, setup, teardown),
		cmocka_unit_test_setup_teardown(forged_lengths_are_an_error, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_capture_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(writes_what_can_be_read, setup, teardown),
		cmocka_unit_test_setup_teardown(old_content_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(packets_reach_the_file_soon, setup, teardown),
		cmocka_unit_test_setup_teardown(full_disk_takes_the_link_down, setup, teardown),
		cmocka_unit_test_setup_teardown(passed_descriptors_are_borrowed, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
