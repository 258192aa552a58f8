// SPDX-License-Identifier: Apache-2.0
/* The front-end's memory table and its changes, and the messages that bring the dirty log. */
#include <errno.h>

#include "vhost/dirty_log.h"
#include "vhost/memory.h"
#include "vhost/vring.h"

static struct guestmem_region_config region_config(const struct vhost_user_region *r)
{
	return (struct guestmem_region_config){ .guest_addr = r->guest_addr,
						.user_addr = r->user_addr,
						.size = r->size,
						.mmap_offset = r->mmap_offset };
}

/* Makes @mem what workers see; the one before goes when no worker can be using it. */
static void publish(struct vhost_session *s, struct guestmem *mem)
{
	struct guestmem *old = s->mem;

	s->mem = mem;
	rcu_publish(&s->state.mem, (const struct guestmem *)mem);
	if (old != s->empty && old != mem)
		guestmem_destroy_later(old);
}

void vhost_memory_reset(struct vhost_session *session)
{
	publish(session, session->empty);
}

int vhost_set_mem_table(struct vhost_session *s, struct vhost_message *m, struct error *err)
{
	const struct vhost_user_memory *table = &m->payload.memory;
	struct guestmem *mem = s->empty, *next;
	int rc;

	if (table->n_regions > VHOST_USER_TABLE_REGIONS_MAX ||
	    m->header.size < 8 + table->n_regions * sizeof(table->regions[0]))
		return error_set(err, -EINVAL, "%u memory regions do not fit in %u bytes",
				 table->n_regions, m->header.size);
	if (m->n_fds != table->n_regions)
		return error_set(err, -EINVAL, "%u memory regions came with %u file descriptors",
				 table->n_regions, m->n_fds);
	for (unsigned i = 0; i < table->n_regions; i++) {
		struct guestmem_region_config config = region_config(&table->regions[i]);

		rc = guestmem_add(mem, &config, m->fds[i], &next, err);
		if (mem != s->empty)
			guestmem_destroy(mem);
		if (rc) {
			error_prefix(err, "memory region %u", i);
			return rc;
		}
		mem = next;
	}
	rc = vhost_dirty_log_check(s, mem, err);
	if (rc) {
		if (mem != s->empty)
			guestmem_destroy(mem);
		return rc;
	}
	publish(s, mem);
	vhost_vrings_update(s);
	return 0;
}

int vhost_get_max_mem_slots(struct vhost_session *s, struct vhost_message *m, struct error *err)
{
	m->header.size = sizeof(m->payload.u64);
	m->payload.u64 = GUESTMEM_REGIONS_MAX;
	return 0;
}

int vhost_add_mem_reg(struct vhost_session *s, struct vhost_message *m, struct error *err)
{
	struct guestmem_region_config config = region_config(&m->payload.single.region);
	struct guestmem *mem;
	int rc;

	if (guestmem_add_again(s->mem, &config, m->fds[0]))
		return 0;
	rc = guestmem_add(s->mem, &config, m->fds[0], &mem, err);
	if (rc)
		return rc;
	rc = vhost_dirty_log_check(s, mem, err);
	if (rc) {
		guestmem_destroy(mem);
		return rc;
	}
	publish(s, mem);
	vhost_vrings_revive(s); /* what is live holds mappings that have not moved */
	return 0;
}

int vhost_rem_mem_reg(struct vhost_session *s, struct vhost_message *m, struct error *err)
{
	struct guestmem_region_config config = region_config(&m->payload.single.region);
	struct guestmem *mem;
	int rc;

	if (guestmem_remove_again(s->mem, &config))
		return 0;
	rc = guestmem_remove(s->mem, &config, &mem, err);
	if (rc)
		return rc;
	publish(s, mem);
	vhost_vrings_update(s);
	return 0;
}

bool vhost_set_log_base_same(const struct vhost_session *s, const struct vhost_message *m)
{
	const struct vhost_user_log *log = &m->payload.log;

	return s->log && dirty_log_is(s->log, m->fds[0], log->offset, log->size);
}

/* The specification leaves the answer open. QEMU reads one of any length; Cloud Hypervisor waits
 * for the 8 bytes of an acknowledgement.
 */
int vhost_set_log_base(struct vhost_session *s, struct vhost_message *m, struct error *err)
{
	const struct vhost_user_log log = m->payload.log;

	if (!vhost_set_log_base_same(s, m)) {
		int rc = vhost_dirty_log_set(s, m->fds[0], log.offset, log.size, err);

		if (rc)
			return rc;
		vhost_vrings_revive(s); /* those that have waited for it */
	}
	m->header.size = sizeof(m->payload.u64);
	m->payload.u64 = 0;
	return 0;
}

int vhost_set_log_fd(struct vhost_session *s, struct vhost_message *m, struct error *err)
{
	int fd, rc = vhost_take_event_fd(m, &fd, err);

	if (rc)
		return rc;
	vhost_dirty_log_set_fd(s, fd);
	return 0;
}
