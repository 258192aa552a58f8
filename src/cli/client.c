// SPDX-License-Identifier: Apache-2.0
/* One call of the daemon: connect, send a line, wait for a line. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/client.h"

#define TIMEOUT_SECONDS 30
#define ANSWER_MAX (64u << 20)
#define CHUNK 65536

/* Says why nobody answers at @path, and what to do. */
static enum status unreachable(const char *path, int error, struct error *err)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
	case ECONNREFUSED:
		error_set(err, 0,
			  "vireod is not running: nobody listens at %s (start \"vireod\", or "
			  "give its --run-dir)",
			  path);
		break;
	case EACCES:
	case EPERM:
		error_set(err, 0,
			  "no permission to use %s: be root, or a member of the group that vireod "
			  "was started with",
			  path);
		break;
	case EAGAIN:
		error_set(err, 0, "vireod at %s does not answer", path);
		break;
	default:
		error_set(err, 0, "cannot talk to vireod at %s: %s", path, strerror(error));
	}
	return STATUS_NO_DAEMON;
}

static int dial(const char *path)
{
	static const struct timeval timeout = { .tv_sec = TIMEOUT_SECONDS };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, ret;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) ||
	    connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		ret = -errno;
		close(fd);
		return ret;
	}
	return fd;
}

/* Sends @text, and @file with its first byte. */
static int send_request(int fd, const char *text, size_t len, int file)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = "" };
	struct iovec iov = { (char *)text, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (file != NO_FILE) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &file, sizeof(file));
	}
	while (iov.iov_len) {
		ssize_t n = sendmsg(fd, &msg, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		iov.iov_base = (char *)iov.iov_base + n;
		iov.iov_len -= (size_t)n;
		msg.msg_control = NULL;
		msg.msg_controllen = 0;
	}
	return 0;
}

/* Receives a line: malloc'd, *@len bytes. */
static int receive_line(int fd, char **line, size_t *len)
{
	size_t size = 0;

	*line = NULL;
	*len = 0;
	for (;;) {
		ssize_t n;

		if (size - *len < CHUNK) {
			char *larger =
				size < ANSWER_MAX ? realloc(*line, size + size / 2 + CHUNK) : NULL;

			if (!larger)
				return -EMSGSIZE;
			*line = larger;
			size += size / 2 + CHUNK;
		}
		n = recv(fd, *line + *len, CHUNK, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return -ECONNRESET;
		*len += (size_t)n;
		if ((*line)[*len - 1] == '\n')
			return 0;
	}
}

/* Takes the answer apart. */
static enum status read_answer(const char *line, size_t len, const char *path, json_t **result,
			       struct error *err)
{
	json_t *answer = json_loadb(line, len, 0, NULL), *value;
	const json_t *failed = json_object_get(answer, "error");
	enum status status = STATUS_OK;

	value = json_object_get(answer, "result");
	if (!failed && !value) {
		error_set(err, 0, "what listens at %s is not vireod", path);
		status = STATUS_NO_DAEMON;
	} else if (failed) {
		const char *text = json_string_value(json_object_get(failed, "message"));

		error_set(err, 0, "%s", text ? text : "refused without a reason");
		status = STATUS_REFUSED;
	} else if (result) {
		*result = json_incref(value);
	}
	json_decref(answer);
	return status;
}

static enum status exchange(const char *path, const char *request, size_t len, int file,
			    json_t **result, struct error *err)
{
	char *line = NULL;
	size_t line_len = 0;
	enum status status;
	int fd = dial(path), sent, ret;

	if (fd < 0)
		return unreachable(path, -fd, err);
	sent = send_request(fd, request, len, file);
	/* who is turned away cannot send, but can read why */
	ret = !sent || sent == -EPIPE ? receive_line(fd, &line, &line_len) : sent;
	if (ret)
		status = unreachable(path, sent ? -sent : -ret, err);
	else
		status = read_answer(line, line_len, path, result, err);
	free(line);
	close(fd);
	return status;
}

enum status client_try(const struct cli *cli, const char *method, json_t *params, int fd,
		       json_t **result, struct error *err)
{
	json_t *request = json_pack("{s:s, s:s, s:o, s:i}", "jsonrpc", "2.0", "method", method,
				    "params", params ? params : json_object(), "id", 1);
	char *text = request ? json_dumps(request, JSON_COMPACT) : NULL, *path = NULL;
	enum status status = STATUS_REFUSED;

	if (!text || asprintf(&path, "%s/vireod.sock", cli->run_dir) < 0) {
		error_set(err, 0, "out of memory, or a word is not UTF-8");
	} else {
		size_t len = strlen(text);

		text[len] = '\n'; /* in place of the NUL: only the length counts from here */
		status = exchange(path, text, len + 1, fd, result, err);
	}
	free(path);
	free(text);
	json_decref(request);
	return status;
}

enum status client_call(const struct cli *cli, const char *method, json_t *params, json_t **result)
{
	struct error err = { "" };
	enum status status = client_try(cli, method, params, NO_FILE, result, &err);

	return status == STATUS_OK ? status : fail(status, "%s", err.text);
}
