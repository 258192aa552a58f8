// SPDX-License-Identifier: Apache-2.0
/* The inflight region of a vhost-user device: where it comes from, and which ring has what of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/limit.h"
#include "vhost/inflight.h"

#define REGION_MAX (1u << 30) /* bytes: more than all rings' parts, in anybody's layout */

LIMIT_EACH(region_bytes, "guest_inflight_bytes", REGION_MAX, "of the inflight region of one guest");

/* Both numbers of a message. */
static int check_shape(const struct vhost_user_inflight *shape, struct error *err)
{
	if (shape->num_queues < 1 || shape->num_queues > VHOST_VRINGS_MAX)
		return error_set(err, -EINVAL, "%u queues are not 1..%u", shape->num_queues,
				 VHOST_VRINGS_MAX);
	if (shape->queue_size < 1 || shape->queue_size > RING_SIZE_MAX)
		return error_set(err, -EINVAL, "queue size %u is not in 1..%u", shape->queue_size,
				 RING_SIZE_MAX);
	return 0;
}

static uint64_t queue_len(const struct vhost_session *s, unsigned queue_size)
{
	return inflight_queue_len(s->state.features >> VIRTIO_F_RING_PACKED & 1, queue_size);
}

/* A file of zeros, which is a region that was never used. Nobody can cut it off. */
static int make_file(uint64_t size)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	int fd = memfd_create("vireo-inflight", MFD_CLOEXEC | MFD_ALLOW_SEALING), rc;

	if (fd < 0)
		return -errno;
	if (!ftruncate(fd, (off_t)size) && !fcntl(fd, F_ADD_SEALS, seals))
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

int vhost_get_inflight_fd(struct vhost_session *s, struct vhost_message *m, struct error *err)
{
	struct vhost_user_inflight *shape = &m->payload.inflight;
	int rc = check_shape(shape, err), fd;

	if (rc)
		return rc;
	shape->mmap_size = shape->num_queues * queue_len(s, shape->queue_size);
	shape->mmap_offset = 0;
	fd = make_file(shape->mmap_size);
	if (fd < 0)
		return error_set(err, fd, "no memory for the region: %s", strerror(-fd));
	m->fds[0] = fd;
	m->n_fds = 1;
	m->header.size = sizeof(*shape);
	return 0;
}

int vhost_set_inflight_fd(struct vhost_session *s, struct vhost_message *m, struct error *err)
{
	const struct vhost_user_inflight *shape = &m->payload.inflight;
	struct filemap map;
	int rc = check_shape(shape, err);

	if (rc)
		return rc;
	if (vhost_session_started(s) && !s->frozen)
		return error_set(err, -EBUSY, "rings are running");
	if (!shape->mmap_size || shape->mmap_offset % sizeof(uint64_t))
		return error_set(err, -EINVAL, "region of no bytes, or at no multiple of 8");
	if (shape->mmap_size > REGION_MAX) {
		limit_refuse(&region_bytes);
		return error_set(err, -EINVAL, "region of 0x%llx bytes: more than %u",
				 (unsigned long long)shape->mmap_size, REGION_MAX);
	}
	rc = filemap_open(&map, "inflight region", m->fds[0], shape->mmap_offset, shape->mmap_size,
			  err);
	if (rc)
		return rc;
	vhost_inflight_reset(s);
	s->inflight = (struct vhost_inflight){ .map = map,
					       .size = shape->mmap_size,
					       .n_queues = shape->num_queues,
					       .queue_size = shape->queue_size };
	return 0;
}

int vhost_inflight_ring(const struct vhost_session *s, unsigned index, unsigned size,
			struct inflight **out, struct error *err)
{
	const struct vhost_inflight *region = &s->inflight;
	uint64_t len = queue_len(s, region->queue_size), at = index * len;
	int rc;

	*out = NULL;
	if (!region->n_queues)
		return 0;
	if (index >= region->n_queues || size > region->queue_size)
		return error_set(err, -EINVAL,
				 "inflight region is for %u rings of at most %u entries",
				 region->n_queues, region->queue_size);
	if (at + len > region->size)
		return error_set(err, -EINVAL,
				 "inflight region of 0x%llx bytes, ring %u has its part at 0x%llx",
				 (unsigned long long)region->size, index, (unsigned long long)at);
	rc = inflight_create(out, region->map.host + at, region->queue_size, &region->map);
	return rc ? error_set(err, rc, "out of memory") : 0;
}

void vhost_inflight_reset(struct vhost_session *s)
{
	if (s->inflight.n_queues)
		filemap_close(&s->inflight.map);
	s->inflight = (struct vhost_inflight){ 0 };
}
