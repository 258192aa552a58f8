// SPDX-License-Identifier: Apache-2.0
/* The last message's answer, wherever its sender dies. */
#include <errno.h>
#include <string.h>

#include "base/store.h"
#include "vhost/outbox.h"

int vhost_outbox_put(struct vhost_outbox *outbox, uint64_t number, bool reply, uint32_t request,
		     const void *payload, size_t size, bool with_fd)
{
	struct vhost_user_header *header = (void *)outbox->bytes; /* as aligned as len is */

	if (reply && size > sizeof(outbox->bytes) - sizeof(*header))
		return -EMSGSIZE;
	/* first: until the change is made, nothing here counts */
	shared_store(&outbox->acted, number);
	store_order();
	shared_store(&outbox->io.msg_len, 0);
	shared_store(&outbox->len, 0);
	if (!reply)
		return 0;
	shared_store(&header->request, request);
	shared_store(&header->flags, VHOST_USER_VERSION | VHOST_USER_FLAG_REPLY);
	shared_store(&header->size, (uint32_t)size);
	shared_copy_bytes(outbox->bytes + sizeof(*header), payload, size);
	shared_store(&outbox->with_fd, with_fd);
	shared_store(&outbox->len, (uint32_t)(sizeof(*header) + size));
	return 0;
}

void vhost_outbox_clear(struct vhost_outbox *outbox)
{
	shared_store(&outbox->len, 0);
	store_order();
	vhost_outbox_consumed(outbox);
}

void vhost_outbox_resume(struct vhost_outbox *outbox, uint64_t made)
{
	bool acted = outbox->acted <= made;

	if (!acted || outbox->len > sizeof(outbox->bytes))
		shared_store(&outbox->len, 0);
	store_order();
	if (!acted)
		shared_store(&outbox->acted, outbox->consumed);
}

void vhost_outbox_consumed(struct vhost_outbox *outbox)
{
	shared_store(&outbox->consumed, outbox->acted);
}

bool vhost_outbox_sending(const struct vhost_outbox *outbox)
{
	return outbox->len && !outbox->io.msg_len;
}

int vhost_outbox_send(struct vhost_outbox *outbox, int fd, int file)
{
	union {
		struct cmsghdr header;
		uint8_t bytes[CMSG_SPACE(sizeof(int))];
	} control = { .header = { .cmsg_level = SOL_SOCKET,
				  .cmsg_type = SCM_RIGHTS,
				  .cmsg_len = CMSG_LEN(sizeof(int)) } };
	struct iovec iov = { outbox->bytes, outbox->len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int rc;

	if (!vhost_outbox_sending(outbox))
		return 0;
	if (outbox->with_fd && file < 0)
		return -ECONNRESET;
	if (outbox->with_fd) {
		memcpy(CMSG_DATA(&control.header), &file, sizeof(file));
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
	}
	/* for the kernel alone: the next process writes its own */
	shared_copy_words((uint64_t *)(void *)&outbox->io.msg_hdr, (const uint64_t *)(void *)&msg,
			  sizeof(msg) / 8);
	do {
		rc = sendmmsg(fd, &outbox->io, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (rc < 0 && errno == EINTR);
	if (rc < 0)
		return errno == EWOULDBLOCK ? -EAGAIN : errno == EPIPE ? -ECONNRESET : -errno;
	/* so short a message goes whole */
	return outbox->io.msg_len == outbox->len ? 0 : -ECONNRESET;
}
