// SPDX-License-Identifier: Apache-2.0
// Ports of kind pcap: a file of packets that is sent into the switch as fast as it takes them, or
// one that records what the switch sends to the port. Regular files only: a pipe that nobody
// reads or writes would stop a worker.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/broker.h"
#include "base/log.h"
#include "port/kinds.h"
#include "port/pcap.h"
#include "port/slots.h"

LOG_MODULE("pcap");

#define FILE_BUFFER (256u << 10) /* bytes between the file and us */
#define SNAPLEN 262144		 /* of files that we write; longer than any frame */
#define FLUSH_MSEC 500		 /* written packets reach the file after this time at most */

/* Theory of operation. The worker reads or writes the file, through stdio's buffer. What it cannot
 * do itself it asks of the control thread by storing @state or setting @unflushed and calling
 * env->attention(): to take the link down at the end of the file or after an error, and to write
 * the buffer out some time after a packet was put into it (stdio's own lock keeps the two apart).
 */
enum pcap_state { PCAP_ACTIVE, PCAP_END, PCAP_BROKEN };

struct pcap_port {
	struct port port;
	struct rxq rxq;
	struct txq txq;
	bool writes;
	int flush_error;	      /* atomic: errno of the last flush that failed */
	bool unflushed;		      /* atomic: packets wait in the buffer */
	enum pcap_state state;	      /* atomic: PCAP_ACTIVE until a worker says otherwise, once */
	char error[PCAP_ERRBUF_SIZE]; /* complete before state is PCAP_BROKEN */
	char *path;
	pcap_t *file; /* reading: the file; writing: describes it */
	pcap_dumper_t *dumper;
	struct event *flush; /* timer */
	uint8_t *slots;	     /* BATCH_MAX frames to read into, or 1 to write from */
};

static const char *const directions[] = { "read", "write", NULL };

static const struct option pcap_options[] = {
	{ .name = "file",
	  .type = OPTION_STRING,
	  .flags = OPTION_REQUIRED | OPTION_FIXED,
	  .help = "path of the file" },
	{ .name = "direction",
	  .type = OPTION_CHOICE,
	  .flags = OPTION_FIXED,
	  .help = "read packets from the file, or write them to it (read)",
	  .choices = directions },
	{ .name = "fd",
	  .type = OPTION_UINT,
	  .flags = OPTION_FIXED | OPTION_HIDDEN,
	  .help = "descriptor of the file, opened by the client",
	  .max = INT32_MAX },
	{ .name = NULL },
};

static struct pcap_port *to_pcap(const struct port *port)
{
	return container_of(port, struct pcap_port, port);
}

/* What the file is held under for a later process: who opened it may have been allowed more. */
static const char *key_of(const struct port *port, char key[KEEP_KEY_MAX])
{
	snprintf(key, KEEP_KEY_MAX, "pcap/%s", port->name);
	return key;
}

static int ask_for_file(const struct pcap_port *p, struct error *err)
{
	struct broker_file args = { .writes = p->writes };
	struct broker_call call = { .what = BROKER_FILE, .args = &args, .size = sizeof(args) };
	int r = broker_text(args.path, sizeof(args.path), p->path, err);

	return r ? r : broker_ask_file(&call, err);
}

/* The ways of /proc lead past the rights of directories to what a process has open, our own memory
 * too: they are not taken. */
int pcap_file_open(const char *path, bool writes, struct error *err)
{
	/* O_NONBLOCK: opening a pipe must not wait for its other end. */
	struct open_how how = { .flags = (writes ? O_WRONLY | O_CREAT : O_RDONLY) | O_NONBLOCK |
					 O_NOCTTY | O_CLOEXEC,
				.mode = writes ? 0640 : 0,
				.resolve = RESOLVE_NO_MAGICLINKS };
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

	if (fd < 0)
		return error_set(err, -errno, "cannot open %.128s: %s", path, strerror(errno));
	return fd;
}

/* Whether @fd is open on the port's file, by the kernel's word. */
static bool is_same_file(const struct pcap_port *p, int fd)
{
	char link[64], name[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, name, sizeof(name) - 1);
	return n > 0 && (size_t)n == strlen(p->path) && !memcmp(name, p->path, (size_t)n);
}

/* The file that an earlier process had for this port; -1: none, or another. It begins anew. */
static int take_kept(const struct pcap_port *p)
{
	struct keep *keep = p->port.env->keep;
	char key[KEEP_KEY_MAX];
	int fd;

	if (!keep || !keep->take(keep, key_of(&p->port, key), &fd, 1))
		return -1;
	if (is_same_file(p, fd) && lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Opens the file, or duplicates the descriptor that a client opened. Returns it or -errno. */
static int open_path(const struct pcap_port *p, const json_t *options, struct error *err)
{
	int passed = (int)option_uint(options, "fd", (uint64_t)-1), fd = take_kept(p), mode;
	struct stat st;

	if (fd < 0 && passed >= 0) {
		fd = fcntl(passed, F_DUPFD_CLOEXEC, 0);
		if (fd < 0)
			return error_set(err, -errno, "cannot open %.128s: %s", p->path,
					 strerror(errno));
	} else if (fd < 0) {
		fd = broker_present() ? ask_for_file(p, err)
				      : pcap_file_open(p->path, p->writes, err);
		if (fd < 0)
			return fd;
	}
	mode = fcntl(fd, F_GETFL) & O_ACCMODE;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return error_set(err, -EINVAL, "%.128s is no regular file", p->path);
	}
	if (mode == (p->writes ? O_RDONLY : O_WRONLY)) {
		close(fd);
		return error_set(err, -EINVAL, "%.128s was not opened to %s it", p->path,
				 p->writes ? "write" : "read");
	}
	if (p->writes && ftruncate(fd, 0) < 0) {
		int e = errno;

		close(fd);
		return error_set(err, -e, "cannot empty %.128s: %s", p->path, strerror(e));
	}
	return fd;
}

static int start_reading(struct pcap_port *p, FILE *file, struct error *err)
{
	char why[PCAP_ERRBUF_SIZE];

	p->file = pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, why);
	if (!p->file) {
		fclose(file);
		return error_set(err, -EINVAL, "%.96s is no capture file: %.96s", p->path, why);
	}
	/* From here on pcap_close() closes the file. */
	if (pcap_datalink(p->file) != DLT_EN10MB) {
		const char *type = pcap_datalink_val_to_name(pcap_datalink(p->file));

		return error_set(err, -EINVAL,
				 "%.128s holds packets of link type %s: only Ethernet (EN10MB) can "
				 "be sent",
				 p->path, type ? type : "unknown");
	}
	return 0;
}

static int start_writing(struct pcap_port *p, FILE *file, struct error *err)
{
	p->file = pcap_open_dead_with_tstamp_precision(DLT_EN10MB, SNAPLEN,
						       PCAP_TSTAMP_PRECISION_NANO);
	p->dumper = p->file ? pcap_dump_fopen(p->file, file) : NULL;
	if (!p->dumper) {
		fclose(file);
		return error_set(err, -EIO, "cannot write to %.96s: %.96s", p->path,
				 p->file ? pcap_geterr(p->file) : "out of memory");
	}
	if (pcap_dump_flush(p->dumper) < 0)
		return error_set(err, -errno, "cannot write to %.128s: %s", p->path,
				 strerror(errno));
	return 0;
}

static int open_file(struct pcap_port *p, const json_t *options, struct error *err)
{
	int fd = open_path(p, options, err);
	struct keep *keep = p->port.env->keep;
	char key[KEEP_KEY_MAX];
	FILE *file;

	if (fd < 0)
		return fd;
	if (keep)
		keep->hold(keep, key_of(&p->port, key), &fd, 1);
	file = fdopen(fd, p->writes ? "w" : "r");
	if (!file) {
		close(fd);
		return error_set(err, -ENOMEM, "out of memory");
	}
	setvbuf(file, NULL, _IOFBF, FILE_BUFFER);
	return p->writes ? start_writing(p, file, err) : start_reading(p, file, err);
}

static void on_flush(evutil_socket_t fd, short what, void *arg);

static int add_queues(struct pcap_port *p)
{
	const struct port_env *env = p->port.env;

	p->slots = slots_map(p->writes ? 1 : BATCH_MAX);
	if (!p->slots)
		return -ENOMEM;
	p->rxq = (struct rxq){ .port = &p->port, .wake_fd = -1 };
	p->txq = (struct txq){ .port = &p->port };
	if (p->writes) {
		p->flush = event_new(env->base, -1, 0, on_flush, p);
		if (!p->flush)
			return -ENOMEM;
		p->port.txqs[p->port.n_txqs++] = &p->txq;
		return 0;
	}
	/* Readable until the end of the file. */
	p->rxq.wake_fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
	if (p->rxq.wake_fd < 0)
		return -errno;
	p->port.rxqs[p->port.n_rxqs++] = &p->rxq;
	return 0;
}

static void file_destroy(struct port *port)
{
	char key[KEEP_KEY_MAX];
	struct pcap_port *p;

	if (!port)
		return;
	p = to_pcap(port);
	keep_release(port->env->keep, key_of(port, key));
	if (p->flush)
		event_free(p->flush);
	if (p->dumper) {
		if (pcap_dump_flush(p->dumper) < 0)
			log_error("port %s: cannot write the last packets to %s: %s", port->name,
				  p->path, strerror(errno));
		pcap_dump_close(p->dumper);
	}
	if (p->file)
		pcap_close(p->file);
	if (p->rxq.wake_fd >= 0)
		close(p->rxq.wake_fd);
	slots_unmap(p->slots, p->writes ? 1 : BATCH_MAX);
	free(p->path);
	free(p);
}

static int file_create(struct port **out, const char *name, const json_t *options,
		       const struct port_env *env, void *owner, struct error *err)
{
	struct pcap_port *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return error_set(err, -ENOMEM, "out of memory");
	port_init(&p->port, &pcap_port_ops, name, env, owner);
	p->rxq.wake_fd = -1;
	p->writes = !strcmp(option_string(options, "direction", "read"), "write");
	p->path = strdup(option_string(options, "file", ""));
	r = p->path ? open_file(p, options, err) : error_set(err, -ENOMEM, "out of memory");
	if (r < 0)
		goto fail;
	r = add_queues(p);
	if (r < 0) {
		error_set(err, r, "cannot prepare the port: %s", strerror(-r));
		goto fail;
	}
	p->port.link = true;
	*out = &p->port;
	return 0;
fail:
	file_destroy(&p->port);
	return r;
}

static int file_set(struct port *port, const json_t *options, const json_t *changes,
		    struct error *err)
{
	return 0; /* all of our own options are fixed */
}

/* The worker is done with the file. */
static void finish(struct pcap_port *p, enum pcap_state state, const char *why)
{
	snprintf(p->error, sizeof(p->error), "%s", why);
	/* Pairs with the acquire load in load_state(): the text is complete. */
	__atomic_store_n(&p->state, state, __ATOMIC_RELEASE);
	p->port.env->attention(&p->port);
}

static enum pcap_state load_state(const struct pcap_port *p)
{
	/* Pairs with the release store in finish(). */
	return __atomic_load_n(&p->state, __ATOMIC_ACQUIRE);
}

static void go_down(struct pcap_port *p)
{
	if (!p->port.link)
		return;
	if (load_state(p) == PCAP_BROKEN)
		log_error("port %s: %s: %s", p->port.name, p->path, p->error);
	else
		log_info("port %s: all of %s is sent", p->port.name, p->path);
	p->port.link = false;
	p->port.env->changed(&p->port);
}

static void on_flush(evutil_socket_t fd, short what, void *arg)
{
	struct pcap_port *p = arg;

	/* Before the flush: a packet that comes in between asks again. Pairs with the exchange in
	 * file_tx(), both in the one order of all sequentially consistent operations. */
	__atomic_store_n(&p->unflushed, false, __ATOMIC_SEQ_CST);
	/* The file remembers that it failed: the worker meets it at the next packet. */
	if (pcap_dump_flush(p->dumper) < 0)
		__atomic_store_n(&p->flush_error, errno, __ATOMIC_RELAXED);
}

static void file_attend(struct port *port)
{
	struct pcap_port *p = to_pcap(port);
	struct timeval delay = { .tv_usec = FLUSH_MSEC * 1000 };

	if (load_state(p) != PCAP_ACTIVE)
		go_down(p);
	else if (__atomic_load_n(&p->unflushed, __ATOMIC_SEQ_CST) &&
		 !evtimer_pending(p->flush, NULL))
		evtimer_add(p->flush, &delay);
}

static void file_show(const struct port *port, json_t *out)
{
	static const char *const names[] = {
		[PCAP_ACTIVE] = "active",
		[PCAP_END] = "end of file",
		[PCAP_BROKEN] = "failed",
	};
	const struct pcap_port *p = to_pcap(port);
	enum pcap_state state = load_state(p);

	json_object_set_new(out, "file", json_string(p->path));
	json_object_set_new(out, "direction", json_string(directions[p->writes]));
	json_object_set_new(out, "state", json_string(names[state]));
	if (state == PCAP_BROKEN)
		json_object_set_new(out, "error", json_string(p->error));
}

/* Reads the next record; false at the end of the file or of our patience with it. */
static bool next_record(struct pcap_port *p, struct pcap_pkthdr **record, const u_char **bytes)
{
	int r = pcap_next_ex(p->file, record, bytes);

	if (r == 1)
		return true;
	if (r == PCAP_ERROR_BREAK)
		finish(p, PCAP_END, "");
	else
		finish(p, PCAP_BROKEN, pcap_geterr(p->file));
	return false;
}

static void file_rx(struct rxq *q, struct batch *batch, struct port_counters *c)
{
	struct pcap_port *p = container_of(q, struct pcap_port, rxq);
	uint64_t packets = 0, bytes = 0;
	struct pcap_pkthdr *record;
	const u_char *from;

	if (load_state(p) != PCAP_ACTIVE)
		return;
	while (packets < batch->most && next_record(p, &record, &from)) {
		uint8_t *frame = slot_frame(p->slots, batch->n);

		packets++;
		bytes += record->caplen;
		if (record->caplen < record->len) {
			drop_count(c, DROP_truncated, 1);
			continue;
		}
		if (record->caplen > FRAME_LEN_MAX) {
			drop_count(c, DROP_too_long, 1);
			continue;
		}
		memcpy(frame, from, record->caplen);
		pkt_init_linear(&batch->pkts[batch->n++], frame, record->caplen,
				&batch->frags[batch->n_frags++]);
	}
	counter_add(&c->rx_packets, packets);
	counter_add(&c->rx_bytes, bytes);
}

static void file_rx_done(struct rxq *q, struct batch *batch)
{
}

static bool file_arm(struct rxq *q)
{
	struct pcap_port *p = container_of(q, struct pcap_port, rxq);
	uint64_t n;

	if (load_state(p) == PCAP_ACTIVE)
		return true;
	/* Nothing will come any more: the worker may sleep. */
	return read(q->wake_fd, &n, sizeof(n)) < 0 && errno != EAGAIN;
}

static void file_disarm(struct rxq *q)
{
}

static void file_tx(struct txq *q, struct pkt *const *pkts, unsigned n, struct port_counters *c)
{
	struct pcap_port *p = container_of(q, struct pcap_port, txq);
	uint8_t *frame = slot_frame(p->slots, 0);
	struct timespec now;

	if (load_state(p) != PCAP_ACTIVE) {
		drop_count(c, DROP_tx_error, n);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	for (unsigned i = 0; i < n; i++) {
		/* libpcap takes nanoseconds in tv_usec when the file has them. */
		struct pcap_pkthdr record = {
			.ts = { .tv_sec = now.tv_sec, .tv_usec = now.tv_nsec },
			.caplen = pkts[i]->len,
			.len = pkts[i]->len,
		};

		pkt_copy(pkts[i], frame);
		pcap_dump((u_char *)p->dumper, &record, frame);
		if (ferror(pcap_dump_file(p->dumper))) {
			int e = __atomic_load_n(&p->flush_error, __ATOMIC_RELAXED);

			drop_count(c, DROP_tx_error, n - i);
			finish(p, PCAP_BROKEN, strerror(e ? e : errno));
			return;
		}
		counter_add(&c->tx_packets, 1);
		counter_add(&c->tx_bytes, record.len);
		counter_add(&c->copied_bytes, record.len);
	}
	if (!__atomic_exchange_n(&p->unflushed, true, __ATOMIC_SEQ_CST))
		p->port.env->attention(&p->port);
}

const struct port_ops pcap_port_ops = {
	.kind = "pcap",
	.summary = "file of packets that is sent into the switch, or written by it",
	.options = pcap_options,
	.create = file_create,
	.destroy = file_destroy,
	.set = file_set,
	.attend = file_attend,
	.show = file_show,
	.rx = file_rx,
	.rx_done = file_rx_done,
	.arm = file_arm,
	.disarm = file_disarm,
	.tx = file_tx,
};
