// SPDX-License-Identifier: Apache-2.0
/* Requests of the switch process: a table, and what each of them may do. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/broker.h"
#include "base/ids.h"
#include "base/listener.h"
#include "base/log.h"
#include "keeper/request.h"
#include "openflow/sockets.h"
#include "port/pcap.h"
#include "port/port.h"
#include "port/tap_device.h"
#include "rpc/config_file.h"
#include "switch/config.h"
#include "vhost/fd_kind.h"

#define MTU_MIN 68
#define MTU_MAX 65535
#define TUN_DEVICE makedev(10, 200) /* /dev/net/tun, by the kernel's list of devices */

LOG_MODULE("keeper");

/* A request whose form is right, and its answer. */
struct errand {
	const struct keeper_rights *rights;
	const void *args;
	int fd; /* that came with it; -1: none */
	int64_t value;
	unsigned n;
	int files[BROKER_FDS_MAX]; /* closed when they are sent */
};

/* ---- checks */

/* Whether there is a text in @text, with its end and without control characters. */
static bool is_text(const char *text, size_t size)
{
	if (!memchr(text, 0, size) || !*text)
		return false;
	for (; *text; text++)
		if (iscntrl((unsigned char)*text))
			return false;
	return true;
}

static int bad(struct error *err, const char *what)
{
	return error_set(err, -EINVAL, "a request with a wrong %s", what);
}

/* ---- users and groups */

static int find_id(struct errand *e, int64_t (*find)(const char *text, struct error *err),
		   struct error *err)
{
	const struct broker_name *args = e->args;

	if (!is_text(args->name, sizeof(args->name)))
		return bad(err, "name");
	e->value = find(args->name, err);
	return e->value < 0 ? (int)e->value : 0;
}

static int serve_user(struct errand *e, struct error *err)
{
	return find_id(e, ids_find_user, err);
}

static int serve_group(struct errand *e, struct error *err)
{
	return find_id(e, ids_find_group, err);
}

/* ---- files */

static int serve_pipe(struct errand *e, struct error *err)
{
	const struct broker_pipe *args = e->args;
	int fd;

	if (args->access != O_RDONLY && args->access != O_WRONLY)
		return bad(err, "way to open a pipe");
	if (vhost_fd_kind(e->fd) != VHOST_FD_PIPE)
		return bad(err, "file: it is no pipe");
	fd = vhost_pipe_open(e->fd, (int)args->access);
	if (fd < 0)
		return error_set(err, fd, "cannot open the pipe: %s", strerror(-fd));
	e->files[e->n++] = fd;
	return 0;
}

/* A file that is opened with the rights of the switch's user. */
struct opening {
	const struct sandbox_user *user;
	const struct broker_file *args;
	struct error *err;
	int result;
};

/* No capability is left: with some of them the kernel opens files of all processes' in /proc. */
static bool become_user(const struct sandbox_user *user)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	if (syscall(SYS_setgroups, 0ul, 0l) < 0)
		return false;
	setfsgid(user->gid);
	setfsuid(user->uid);
	/* they tell no error, but the id of before */
	return setfsgid(-1) == (int)user->gid && setfsuid(-1) == (int)user->uid &&
	       syscall(SYS_capset, &header, none) == 0;
}

/* On a thread of its own: the kernel's credentials are a thread's, only the library changes those
 * of all. With the user's ids for file systems alone, so that he cannot send signals here. */
static void *open_as_user(void *arg)
{
	struct opening *o = arg;

	if (become_user(o->user))
		o->result = pcap_file_open(o->args->path, o->args->writes, o->err);
	else
		o->result = error_set(o->err, -EPERM, "cannot become the switch's user");
	return NULL;
}

static int serve_file(struct errand *e, struct error *err)
{
	struct opening o = { .user = &e->rights->user, .args = e->args, .err = err };
	bool same = geteuid() != 0;
	pthread_t thread;
	int rc = 0;

	if (o.args->writes > 1 || !is_text(o.args->path, sizeof(o.args->path)) ||
	    o.args->path[0] != '/')
		return bad(err, "path: it must be absolute");
	if (same)
		o.result = pcap_file_open(o.args->path, o.args->writes, err);
	else
		rc = pthread_create(&thread, NULL, open_as_user, &o);
	if (rc)
		return error_set(err, -rc, "cannot start a thread: %s", strerror(rc));
	if (!same)
		pthread_join(thread, NULL);
	if (o.result < 0)
		return o.result;
	e->files[e->n++] = o.result;
	return 0;
}

/* ---- taps */

static int serve_tap(struct errand *e, struct error *err)
{
	const struct tap_request *args = e->args;
	struct tap_spec spec = { .interface = args->interface,
				 .netns = args->netns[0] ? args->netns : NULL,
				 .existing = args->existing,
				 .net_header = args->net_header,
				 .n_queues = args->n_queues,
				 .mtu = args->mtu };
	struct tap_device dev;
	int rc;

	if (!is_text(args->interface, sizeof(args->interface)))
		return bad(err, "interface");
	if (args->netns[0] && !is_text(args->netns, sizeof(args->netns)))
		return bad(err, "network namespace");
	if (args->existing > 1 || args->net_header > 1)
		return bad(err, "kind of tap");
	if (!args->n_queues || args->n_queues > TAP_QUEUES_MAX)
		return bad(err, "number of queues");
	if (args->mtu && (args->mtu < MTU_MIN || args->mtu > MTU_MAX))
		return bad(err, "MTU");
	rc = tap_device_open(&dev, &spec, err);
	if (rc)
		return rc;
	e->value = dev.ifindex;
	e->files[e->n++] = dev.control;
	e->files[e->n++] = dev.monitor;
	for (unsigned i = 0; i < dev.n_queues; i++)
		e->files[e->n++] = dev.queues[i];
	return 0;
}

static int serve_tap_mtu(struct errand *e, struct error *err)
{
	const struct tap_mtu_request *args = e->args;
	struct stat st;

	if (args->mtu < MTU_MIN || args->mtu > MTU_MAX)
		return bad(err, "MTU");
	/* who serves a file could let us wait for an answer to fstat(), but a device is the
	 * kernel's; others are told by their names */
	if (vhost_fd_kind(e->fd) != VHOST_FD_OTHER || fstat(e->fd, &st) < 0 ||
	    !S_ISCHR(st.st_mode) || st.st_rdev != TUN_DEVICE)
		return bad(err, "file: it is no tap");
	return tap_device_set_mtu_of(e->fd, args->mtu, err);
}

/* ---- the configuration file */

static int need_config(const struct errand *e, struct error *err)
{
	if (e->rights->config)
		return 0;
	return error_set(err, -ENOENT, "vireod was started without --config");
}

static int serve_config(struct errand *e, struct error *err)
{
	int rc = need_config(e, err);

	if (!rc)
		rc = config_file_open(e->rights->config, err);
	if (rc < 0)
		return rc;
	e->files[e->n++] = rc;
	return 0;
}

/* The text in a file in memory (malloc'd), or NULL and a text that says why it is none. */
static char *read_new_config(int fd, struct error *err)
{
	struct stat st;
	char *text;

	if (fcntl(fd, F_GET_SEALS) < 0 || fstat(fd, &st) < 0 || st.st_size < 0 ||
	    st.st_size > CONFIG_TEXT_MAX) {
		bad(err, "file: it is no configuration");
		return NULL;
	}
	text = calloc(1, (size_t)st.st_size + 1);
	if (!text || pread(fd, text, (size_t)st.st_size, 0) != st.st_size) {
		error_set(err, 0, "out of memory");
		free(text);
		return NULL;
	}
	for (off_t i = 0; i < st.st_size; i++) {
		if (!iscntrl((unsigned char)text[i]) || text[i] == '\n' || text[i] == '\t')
			continue;
		bad(err, "configuration: it has control characters");
		free(text);
		return NULL;
	}
	return text;
}

static int serve_save(struct errand *e, struct error *err)
{
	int rc = need_config(e, err);
	char *text;

	if (rc)
		return rc;
	text = read_new_config(e->fd, err);
	if (!text)
		return -EINVAL;
	rc = config_file_write(e->rights->config, text, err);
	free(text);
	return rc;
}

/* ---- the control socket */

static int control_path(const struct keeper_rights *rights, char *path, size_t size)
{
	return snprintf(path, size, "%s/vireod.sock", rights->run_dir);
}

static int make_run_dir(const char *dir, struct error *err)
{
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return error_set(err, -errno,
				 "cannot make the directory %s: %s (--run-dir names another)", dir,
				 strerror(errno));
	return 0;
}

static int serve_control(struct errand *e, struct error *err)
{
	struct peer_policy policy;
	struct listener l;
	char path[4096];
	int rc;

	control_path(e->rights, path, sizeof(path));
	rc = make_run_dir(e->rights->run_dir, err);
	if (!rc)
		rc = peer_policy_init(&policy, e->rights->group, err);
	if (!rc)
		rc = listener_open(&l, path, &policy, err);
	if (rc)
		return rc;
	e->files[e->n++] = l.fd;
	e->files[e->n++] = l.lock_fd;
	free(l.path);
	free(l.lock_path);
	return 0;
}

void keeper_request_remove_control(const struct keeper_rights *rights)
{
	char path[4096];

	control_path(rights, path, sizeof(path));
	listener_remove(path);
}

/* ---- sockets of bridges */

static int serve_sockets(struct errand *e, struct error *err)
{
	const struct broker_sockets *args = e->args;
	struct peer_policy policy;
	int rc;

	if (args->remove > 1 || !is_text(args->bridge, sizeof(args->bridge)) ||
	    port_name_check(args->bridge, NULL))
		return bad(err, "bridge");
	if (args->remove) {
		of_sockets_remove(e->rights->run_dir, args->bridge);
		return 0;
	}
	rc = peer_policy_init(&policy, e->rights->group, err);
	if (!rc)
		rc = of_sockets_open(e->rights->run_dir, args->bridge, &policy, e->files, err);
	if (!rc)
		e->n = OF_SOCKETS;
	return rc;
}

void keeper_request_remove_sockets(const struct keeper_rights *rights, const char *bridge)
{
	if (!port_name_check(bridge, NULL))
		of_sockets_remove(rights->run_dir, bridge);
}

/* ---- packets */

static const struct kind {
	size_t size; /* of its args */
	unsigned n_fds;
	int (*serve)(struct errand *e, struct error *err);
} kinds[BROKER_REQUESTS] = {
	[BROKER_USER] = { sizeof(struct broker_name), 0, serve_user },
	[BROKER_GROUP] = { sizeof(struct broker_name), 0, serve_group },
	[BROKER_PIPE] = { sizeof(struct broker_pipe), 1, serve_pipe },
	[BROKER_FILE] = { sizeof(struct broker_file), 0, serve_file },
	[BROKER_TAP] = { sizeof(struct tap_request), 0, serve_tap },
	[BROKER_TAP_MTU] = { sizeof(struct tap_mtu_request), 1, serve_tap_mtu },
	[BROKER_CONFIG] = { 0, 0, serve_config },
	[BROKER_SAVE] = { 0, 1, serve_save },
	[BROKER_CONTROL] = { 0, 0, serve_control },
	[BROKER_SOCKETS] = { sizeof(struct broker_sockets), 0, serve_sockets },
};

/* Does what a packet asks for. */
static int serve(struct errand *e, const struct keeper_packet *p, struct error *err)
{
	const struct keeper_request *r = &p->request;
	const struct kind *kind;

	if (p->header.size < offsetof(struct keeper_request, args) || r->what >= BROKER_REQUESTS ||
	    !kinds[r->what].serve)
		return bad(err, "kind");
	kind = &kinds[r->what];
	if (r->size != kind->size ||
	    p->header.size != offsetof(struct keeper_request, args) + r->size)
		return bad(err, "length");
	if (p->n_fds != kind->n_fds)
		return bad(err, "number of files");
	e->args = r->args;
	e->fd = p->n_fds ? p->fds[0] : -1;
	return kind->serve(e, err);
}

/* Sends the answer, in as many packets as its files need. */
static void answer(struct keeper_link *link, uint32_t number, const struct errand *e, int rc,
		   const struct error *err)
{
	unsigned at = 0;

	do {
		unsigned n = min(e->n - at, (unsigned)KEEPER_FDS_MAX);
		struct keeper_packet p;

		keeper_packet_init(&p, KEEPER_ANSWER, number, 0);
		p.answer = (struct keeper_answer){ .error = rc,
						   .value = e->value,
						   .more = at + n < e->n };
		snprintf(p.answer.text, sizeof(p.answer.text), "%s", err->text);
		p.header.size = sizeof(p.answer);
		memcpy(p.fds, e->files + at, n * sizeof(p.fds[0]));
		p.n_fds = n;
		keeper_link_send(link, &p);
		at += n;
	} while (at < e->n);
}

void keeper_request_serve(const struct keeper_rights *rights, struct keeper_link *link,
			  const struct keeper_packet *p)
{
	struct errand e = { .rights = rights, .fd = -1 };
	struct error err = { "" };
	int rc = serve(&e, p, &err);

	if (rc)
		log_debug("request %u of the switch process: %s", p->request.what, err.text);
	answer(link, p->header.device, &e, rc, &err);
	for (unsigned i = 0; i < e.n; i++)
		close(e.files[i]);
}
