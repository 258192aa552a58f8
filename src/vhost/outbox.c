// SPDX-License-Identifier: Apache-2.0
/* The last message's answer, wherever its sender dies. */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "vhost/outbox.h"

/* Another process sees stores in the order of the program when this one is dead: the compiler alone
 * could change it. */
static void in_order(void)
{
	atomic_signal_fence(memory_order_seq_cst);
}

int vhost_outbox_put(struct vhost_outbox *outbox, uint64_t number, bool reply, uint32_t request,
		     const void *payload, size_t size, bool with_fd)
{
	struct vhost_user_header header = { request, VHOST_USER_VERSION | VHOST_USER_FLAG_REPLY,
					    (uint32_t)size };

	if (reply && size > sizeof(outbox->bytes) - sizeof(header))
		return -EMSGSIZE;
	outbox->acted = number; /* first: until the change is made, nothing here counts */
	in_order();
	outbox->io.msg_len = 0;
	outbox->len = 0;
	if (!reply)
		return 0;
	memcpy(outbox->bytes, &header, sizeof(header));
	if (size)
		memcpy(outbox->bytes + sizeof(header), payload, size);
	outbox->with_fd = with_fd;
	outbox->len = (uint32_t)(sizeof(header) + size);
	return 0;
}

void vhost_outbox_clear(struct vhost_outbox *outbox)
{
	outbox->len = 0;
	in_order();
	outbox->consumed = outbox->acted;
}

void vhost_outbox_resume(struct vhost_outbox *outbox, uint64_t made)
{
	if (outbox->len > sizeof(outbox->bytes))
		outbox->len = 0;
	if (outbox->acted <= made)
		return;
	outbox->len = 0; /* the message has not acted */
	in_order();
	outbox->acted = outbox->consumed;
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
	int rc;

	if (!vhost_outbox_sending(outbox))
		return 0;
	if (outbox->with_fd && file < 0)
		return -ECONNRESET;
	outbox->iov = (struct iovec){ outbox->bytes, outbox->len };
	outbox->io.msg_hdr = (struct msghdr){ .msg_iov = &outbox->iov, .msg_iovlen = 1 };
	if (outbox->with_fd) {
		memcpy(CMSG_DATA(&control.header), &file, sizeof(file));
		outbox->io.msg_hdr.msg_control = control.bytes;
		outbox->io.msg_hdr.msg_controllen = sizeof(control.bytes);
	}
	do {
		rc = sendmmsg(fd, &outbox->io, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (rc < 0 && errno == EINTR);
	if (rc < 0)
		return errno == EWOULDBLOCK ? -EAGAIN : errno == EPIPE ? -ECONNRESET : -errno;
	/* so short a message goes whole */
	return outbox->io.msg_len == outbox->len ? 0 : -ECONNRESET;
}
