// SPDX-License-Identifier: Apache-2.0
/* Rings of a vhost-user device: what messages say about them, and when they run. */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "vhost/dirty_log.h"
#include "vhost/fd_kind.h"
#include "vhost/inflight.h"
#include "vhost/vring.h"

LOG_MODULE("vhost");

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void vhost_vring_init(struct vhost_vring *vring)
{
	memset(vring, 0, sizeof(*vring));
	vring->kick_fd = vring->call_fd = vring->err_fd = -1;
}

static void drop_inflight(struct vhost_vring *v)
{
	inflight_destroy(v->inflight);
	v->inflight = v->ring.config.inflight = NULL;
}

/* Lets go of the ring's memory; remembers where it was, so that it can go on from there. Its state
 * still says that it runs, also when it is stopped: if this process dies before the front-end has
 * its answer, the next one resumes the ring and stops it. The state ends when the ring is started
 * anew. */
static void pause_ring(struct vhost_session *s, struct vhost_vring *v)
{
	if (!v->live)
		return;
	if (v->inflight) /* nobody will complete what a worker had in hand */
		ring_untake(&v->ring, v->ring.n_taken);
	v->base = ring_base(&v->ring);
	v->live = false;
	v->ring.ops = NULL;
	drop_inflight(v);
	s->changed = true;
}

static bool is_packed(const struct vhost_session *s)
{
	return s->state.features >> VIRTIO_F_RING_PACKED & 1;
}

static void stop_ring(struct vhost_session *s, struct vhost_vring *v)
{
	pause_ring(s, v);
	/* one that was to go on, and has not found its memory: only its state knows where it is */
	if (v->resume && is_packed(s)) {
		v->base = shared_load(&s->ring_states[v - s->vrings].position) & UINT16_MAX;
		v->base |= v->base << 16;
	}
	close_fd(&v->kick_fd);
	v->first = v->base;
	v->started = v->resume = false;
}

/* It does not go on where it was. */
static void forget_state(struct vhost_session *s, struct vhost_vring *v)
{
	v->resume = false;
	if (s->ring_states && !s->frozen)
		ring_state_stop(&s->ring_states[v - s->vrings]);
}

/* What GET_VRING_BASE tells of a ring that the device's reset has stopped; 0: nothing special. The
 * next process must know it, too. */
static void set_reset_base(struct vhost_session *s, struct vhost_vring *v, uint32_t base)
{
	uint64_t *kept = s->ring_states ? &s->ring_states[v - s->vrings].reset_base : NULL;

	v->reset_base = base;
	if (kept && !s->frozen && shared_load(kept) != base)
		shared_store(kept, base);
}

/* A ring that waits may have become another one, of another size or layout, in which where it was
 * means nothing: it starts where it would if it were new, as in the next process. */
static void check_state(struct vhost_session *s, struct vhost_vring *v)
{
	uint64_t mark = ring_state_mark(is_packed(s), v->size);

	if (!v->started || v->live || !s->ring_states ||
	    shared_load(&s->ring_states[v - s->vrings].running) == mark)
		return;
	forget_state(s, v);
	v->base = v->first;
}

static bool translate(const struct vhost_session *s, const struct vhost_vring *v,
		      struct ring_config *config)
{
	bool packed = is_packed(s);
	uint64_t driver_len = packed ? 4 : 6 + 2ull * v->size;
	uint64_t device_len = packed ? 4 : 6 + 8ull * v->size;

	*config = (struct ring_config){
		.features = s->state.features,
		.size = v->size,
		.desc = guestmem_user(s->mem, v->desc_addr, 16ull * v->size),
		.driver = guestmem_user(s->mem, v->driver_addr, driver_len),
		.device = guestmem_user(s->mem, v->device_addr, device_len),
		.base = v->base,
		.state = s->ring_states ? &s->ring_states[v - s->vrings] : NULL,
		.resume = v->resume,
	};
	return config->desc && config->driver && config->device;
}

/* Makes a started ring live if everything is there. What is known of it from before (why it broke,
 * how much it carried) stays. Returns 0 also when the ring must wait, or -EINVAL and a text when it
 * can never be right as it is.
 */
static int run_ring(struct vhost_session *s, struct vhost_vring *v, struct error *err)
{
	unsigned index = (unsigned)(v - s->vrings);
	enum ring_fault fault = v->ring.fault;
	uint64_t n_chains = v->ring.n_chains, n_notified = v->ring.n_notified;
	struct ring_config config;
	int rc;

	if (v->live || s->frozen || !v->started || !v->size || !v->has_addr)
		return 0;
	if (vhost_session_logs(s) && !s->log) {
		log_debug("%s: ring %u waits for SET_LOG_BASE", s->name, index);
		return 0;
	}
	if (!translate(s, v, &config)) {
		log_limited(LOG_WARNING,
			    "%s: ring %u waits: its addresses are in none of %u memory regions",
			    s->name, index, s->mem->n_ranges);
		return 0;
	}
	rc = vhost_inflight_ring(s, index, v->size, &v->inflight, err);
	config.inflight = v->inflight;
	if (!rc)
		rc = ring_start(&v->ring, &config, err);
	if (rc) {
		v->ring.ops = NULL;
		drop_inflight(v);
		v->ring.fault = fault;
		error_prefix(err, "ring %u", index);
		return rc;
	}
	if (!v->resume)
		ring_count_from(&v->ring, n_chains, n_notified);
	if (fault != RING_OK)
		ring_break(&v->ring, fault);
	v->live = true;
	v->resume = false;
	s->changed = true;
	log_debug("%s: ring %u runs, %u entries from 0x%x", s->name, index, v->size,
		  ring_base(&v->ring));
	return 0;
}

/* One that still cannot be right waits on. */
static void revive(struct vhost_session *s, struct vhost_vring *v)
{
	struct error err;

	if (!run_ring(s, v, &err))
		return;
	log_limited(LOG_WARNING, "%s: %s", s->name, err.text);
	if (v->resume) /* nor could the next process */
		forget_state(s, v);
}

void vhost_vrings_revive(struct vhost_session *session)
{
	for (unsigned i = 0; i < session->n_vrings; i++)
		revive(session, &session->vrings[i]);
}

int vhost_vrings_resume(struct vhost_session *session, struct error *err)
{
	int rc;

	session->frozen = false;
	session->state.resumed = true;
	session->state.n_again = 0;
	for (unsigned i = 0; i < session->n_vrings; i++) {
		struct vhost_vring *v = &session->vrings[i];

		/* a ring that never had all that it needs has no state: it starts where the
		 * front-end says */
		if (!v->started && session->ring_states)
			v->reset_base = (uint32_t)shared_load(&session->ring_states[i].reset_base);
		v->resume = v->started && session->ring_states &&
			    shared_load(&session->ring_states[i].running);
		if (v->resume && i % 2) /* what the guest sends */
			session->state.n_again += min(shared_load(&session->ring_states[i].n_taken),
						      (uint32_t)RING_TAKE_MAX);
		rc = run_ring(session, v, err);
		if (rc && v->resume)
			return rc;
		if (rc) /* nor did it run before */
			log_limited(LOG_WARNING, "%s: %s", session->name, err->text);
	}
	return 0;
}

void vhost_vrings_update(struct vhost_session *session)
{
	for (unsigned i = 0; i < session->n_vrings; i++)
		pause_ring(session, &session->vrings[i]);
	for (unsigned i = 0; i < session->n_vrings; i++)
		check_state(session, &session->vrings[i]);
	vhost_vrings_revive(session);
}

void vhost_vrings_reset(struct vhost_session *session, bool fds)
{
	for (unsigned i = 0; i < session->n_vrings; i++) {
		struct vhost_vring *v = &session->vrings[i];
		int call_fd, err_fd;
		uint32_t base;

		stop_ring(session, v);
		if (fds) {
			close_fd(&v->call_fd);
			close_fd(&v->err_fd);
		}
		call_fd = v->call_fd;
		err_fd = v->err_fd;
		base = v->reset_base ? v->reset_base : v->base;
		vhost_vring_init(v);
		v->call_fd = call_fd;
		v->err_fd = err_fd;
		set_reset_base(session, v, fds ? 0 : base);
	}
}

void vhost_vrings_forget(struct vhost_session *session)
{
	for (unsigned i = 0; i < session->n_vrings; i++)
		set_reset_base(session, &session->vrings[i], 0);
}

int vhost_set_vring_num(struct vhost_session *s, struct vhost_message *m, struct error *err)
{
	struct vhost_vring *v = &s->vrings[m->payload.state.index];
	uint32_t num = m->payload.state.num, old = v->size;
	int rc;

	if (num == 0 || num > RING_SIZE_MAX)
		return error_set(err, -EINVAL, "ring size %u is not in 1..%u", num, RING_SIZE_MAX);
	if (v->live)
		stop_ring(s, v);
	v->size = num;
	check_state(s, v);
	rc = run_ring(s, v, err);
	if (rc) /* changes nothing, as it is not kept either */
		v->size = old;
	return rc;
}

static void set_addr(struct vhost_vring *v, uint64_t desc, uint64_t driver, uint64_t device,
		     bool has)
{
	v->desc_addr = desc;
	v->driver_addr = driver;
	v->device_addr = device;
	v->has_addr = has;
}

int vhost_set_vring_addr(struct vhost_session *s, struct vhost_message *m, struct error *err)
{
	const struct vhost_user_vring_addr *a = &m->payload.addr;
	struct vhost_vring *v = &s->vrings[a->index];
	uint64_t desc = v->desc_addr, driver = v->driver_addr, device = v->device_addr;
	bool had_addr = v->has_addr;
	struct error again;
	int rc;

	pause_ring(s, v);
	set_addr(v, a->desc, a->avail, a->used, true);
	rc = run_ring(s, v, err);
	if (rc) { /* changes nothing, as it is not kept either */
		set_addr(v, desc, driver, device, had_addr);
		run_ring(s, v, &again);
	}
	return rc;
}

int vhost_set_vring_base(struct vhost_session *s, struct vhost_message *m, struct error *err)
{
	struct vhost_vring *v = &s->vrings[m->payload.state.index];
	uint32_t num = m->payload.state.num;

	/* Of a packed ring, two positions; they are checked when it starts. What was kept was
	 * right, though the features may follow. */
	if (num > UINT16_MAX && !is_packed(s) && !s->frozen)
		return error_set(err, -EINVAL, "ring index %u is not in 0..65535", num);
	if (v->live)
		stop_ring(s, v);
	else
		forget_state(s, v); /* one that waits starts there, too */
	v->base = v->first = num;
	set_reset_base(s, v, 0);
	revive(s, v);
	return 0;
}

int vhost_get_vring_base(struct vhost_session *s, struct vhost_message *m, struct error *err)
{
	struct vhost_vring *v = &s->vrings[m->payload.state.index];

	stop_ring(s, v);
	if (!vhost_session_started(s))
		vhost_dirty_log_reset(s);
	m->payload.state.num = v->reset_base ? v->reset_base : v->base;
	return 0;
}

/* What we will write to or wait on: no epoll, which would ask what it watches, and no socket, which
 * could be the front-end's own end of the connection, so that it would never hang up. */
int vhost_take_event_fd(struct vhost_message *m, int *fd, struct error *err)
{
	enum vhost_fd_kind kind = vhost_fd_kind(m->fds[0]);

	*fd = -1;
	if (kind == VHOST_FD_OTHER)
		return error_set(err, -EINVAL, "the file descriptor is no eventfd or pipe");
	/* kicks are waited for and never read, so a pipe would fill up and be silent */
	if (kind == VHOST_FD_PIPE && m->header.request == VHOST_USER_SET_VRING_KICK)
		return error_set(err, -EINVAL, "a kick takes an eventfd, not a pipe");
	if (kind == VHOST_FD_PIPE) {
		*fd = vhost_pipe_open(m->fds[0], O_WRONLY);
		if (*fd >= 0)
			return 0;
		return error_set(err, *fd, "cannot write to the pipe: %s", strerror(-*fd));
	}
	fcntl(m->fds[0], F_SETFL, fcntl(m->fds[0], F_GETFL) | O_NONBLOCK);
	*fd = m->fds[0];
	m->fds[0] = -1;
	return 0;
}

/* Takes the fd of SET_VRING_KICK, _CALL or _ERR out of the message; -1 when it says that none
 * comes. */
static int take_fd(struct vhost_message *m, int *fd, struct error *err)
{
	bool none = m->payload.u64 & VHOST_USER_VRING_NOFD;

	*fd = -1;
	if (none && m->n_fds)
		return error_set(err, -EINVAL,
				 "a file descriptor came with the flag that none comes");
	if (!none && !m->n_fds)
		return error_set(err, -EINVAL, "no file descriptor came");
	return none ? 0 : vhost_take_event_fd(m, fd, err);
}

static struct vhost_vring *fd_vring(struct vhost_session *s, const struct vhost_message *m)
{
	return &s->vrings[m->payload.u64 & VHOST_USER_VRING_INDEX_MASK];
}

int vhost_set_vring_kick(struct vhost_session *s, struct vhost_message *m, struct error *err)
{
	struct vhost_vring *v = fd_vring(s, m);
	int fd, rc;

	rc = take_fd(m, &fd, err);
	if (rc)
		return rc;
	rc = v->started ? run_ring(s, v, err) : 0;
	if (rc) { /* changes nothing, as it is not kept either */
		close_fd(&fd);
		return rc;
	}
	close_fd(&v->kick_fd);
	v->kick_fd = fd;
	s->changed |= v->live;
	if (v->started)
		return 0;
	v->started = true;
	set_reset_base(s, v, 0);
	memset(&v->ring, 0, sizeof(v->ring));
	forget_state(s, v);
	rc = run_ring(s, v, err);
	if (rc)
		stop_ring(s, v);
	return rc;
}

int vhost_set_vring_call(struct vhost_session *s, struct vhost_message *m, struct error *err)
{
	struct vhost_vring *v = fd_vring(s, m);
	int fd, rc;

	rc = take_fd(m, &fd, err);
	if (rc)
		return rc;
	close_fd(&v->call_fd);
	v->call_fd = fd;
	s->changed |= v->live;
	return 0;
}

int vhost_set_vring_err(struct vhost_session *s, struct vhost_message *m, struct error *err)
{
	struct vhost_vring *v = fd_vring(s, m);
	int fd, rc;

	rc = take_fd(m, &fd, err);
	if (rc)
		return rc;
	close_fd(&v->err_fd);
	v->err_fd = fd;
	return 0;
}

int vhost_set_vring_enable(struct vhost_session *s, struct vhost_message *m, struct error *err)
{
	struct vhost_vring *v = &s->vrings[m->payload.state.index];
	uint32_t num = m->payload.state.num;

	if (num > 1)
		return error_set(err, -EINVAL, "%u is neither 0 (disable) nor 1 (enable)", num);
	if (v->enabled != num)
		s->changed |= v->live;
	v->enabled = num;
	return 0;
}

int vhost_reset_owner(struct vhost_session *s, struct vhost_message *m, struct error *err)
{
	for (unsigned i = 0; i < s->n_vrings; i++) {
		s->changed |= s->vrings[i].live && s->vrings[i].enabled;
		s->vrings[i].enabled = false;
	}
	return 0;
}
