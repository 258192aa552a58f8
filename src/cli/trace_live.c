// SPDX-License-Identifier: Apache-2.0
/* vireo trace --live: the daemon tells of packets over a socket that goes along with the call. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/rules.h"
#include "cli/trace_live.h"

#define COUNT 10	   /* packets, unless -c says otherwise */
#define WAITING (1u << 20) /* bytes that may wait in the socket: the kernel allows less */

static int our_end = -1; /* of the socket; for on_signal() */

/* Asks for the end: the last message follows. */
static void on_signal(int number)
{
	int old = errno;

	shutdown(our_end, SHUT_WR);
	errno = old;
}

static void catch_signals(void)
{
	/* a second one ends the program */
	struct sigaction action = { .sa_handler = on_signal,
				    .sa_flags = SA_RESTART | (int)SA_RESETHAND };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

/* The next message; NULL: there are no more. */
static json_t *receive(int fd)
{
	struct pollfd waits = { .fd = fd, .events = POLLIN };
	json_t *message = NULL;
	char *text = NULL;
	ssize_t len;

	/* signals are handled here, also where a sanitizer puts them off in recv() */
	while (poll(&waits, 1, -1) < 0 && errno == EINTR)
		;
	len = recv(fd, NULL, 0, MSG_PEEK | MSG_TRUNC);
	if (len > 0)
		text = malloc((size_t)len);
	if (text && recv(fd, text, (size_t)len, 0) == len)
		message = json_loadb(text, (size_t)len, 0, NULL);
	free(text);
	return message;
}

static long long number_of(const json_t *message, const char *name)
{
	return json_integer_value(json_object_get(message, name));
}

static void print_line(json_t *message)
{
	char *text;

	json_object_del(message, "text");
	text = json_dumps(message, JSON_COMPACT);
	if (text)
		puts(text);
	free(text);
}

/* "Packet 3, at 12:34:56.789, 98 bytes" */
static void print_heading(const json_t *message)
{
	double at = json_number_value(json_object_get(message, "time"));
	time_t seconds = (time_t)at;
	char text[16] = "";
	struct tm tm;

	if (localtime_r(&seconds, &tm))
		strftime(text, sizeof(text), "%H:%M:%S", &tm);
	printf("Packet %lld, at %s.%03d, %lld bytes\n", number_of(message, "number"), text,
	       (int)((at - (double)seconds) * 1000), number_of(message, "length"));
}

static void print_packet(const json_t *message)
{
	const char *dropped = json_string_value(json_object_get(message, "dropped"));

	if (json_object_get(message, "too_long")) {
		printf("Packet %lld: its story is too long to be told.\n\n",
		       number_of(message, "number"));
		return;
	}
	print_heading(message);
	if (dropped)
		printf("It is dropped before it meets a rule (%s). If it were not:\n", dropped);
	if (json_object_get(message, "rules_changed"))
		puts("Rules have changed since it came: this is by those of now.");
	fputs(json_string_value(json_object_get(message, "text")) ?: "", stdout);
	putchar('\n');
}

static void print_end(const json_t *message)
{
	long long told = number_of(message, "told"), left_out = number_of(message, "left_out");

	printf("%lld packet%s told", told, told == 1 ? "" : "s");
	if (left_out > 0)
		printf("; %lld more came meanwhile, and %s left out", left_out,
		       left_out == 1 ? "was" : "were");
	puts(".");
}

/* Tells what comes, to the end. */
static enum status listen_to(const struct cli *cli, int fd, const char *port)
{
	enum status status = STATUS_OK;
	json_t *message, *end = NULL;

	while (!end && (message = receive(fd))) {
		const char *why = json_string_value(json_object_get(message, "end"));

		end = json_object_get(message, "end");
		if (cli->json)
			print_line(message);
		else if (end)
			print_end(message);
		else
			print_packet(message);
		if (why)
			status = fail(STATUS_REFUSED, "the trace of %s has ended: %s", port, why);
		json_decref(message);
		fflush(stdout);
	}
	if (!end)
		return fail(STATUS_REFUSED,
			    "the trace of %s has ended without a word: the switch process is "
			    "another one now, or there was too much that was not read",
			    port);
	return status;
}

static enum status begin(const struct cli *cli, json_t *params, const char *port)
{
	int fds[2], size = WAITING;
	struct error err = { "" };
	enum status status;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds)) {
		json_decref(params);
		return fail(STATUS_REFUSED, "cannot make a socket: %s", strerror(errno));
	}
	(void)setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	our_end = fds[0];
	json_object_set_new(params, "fd", json_integer(0));
	status = client_try(cli, "trace.live", params, fds[1], NULL, &err);
	close(fds[1]);
	if (status) {
		fail(status, "%s", err.text);
	} else {
		catch_signals();
		if (!cli->json)
			fprintf(stderr, "Waiting for packets from %s; Ctrl-C ends this.\n\n", port);
		status = listen_to(cli, fds[0], port);
	}
	close(fds[0]);
	return status;
}

/* Takes "-c COUNT" off the front of the words, if it is there. */
static enum status read_count(int *argc, char ***argv, unsigned long *count)
{
	const char *text = *argc > 1 ? (*argv)[1] : "";
	char *end;

	if (!*argc || strcmp((*argv)[0], "-c"))
		return STATUS_OK;
	*count = strtoul(text, &end, 10);
	if (!*text || *end || *text == '-' || *count > 1000000000)
		return fail(STATUS_USAGE, "-c needs a number of packets, 0: until Ctrl-C");
	*argc -= 2;
	*argv += 2;
	return STATUS_OK;
}

enum status trace_live(const struct cli *cli, int argc, char **argv)
{
	unsigned long count = COUNT;
	enum status status = read_count(&argc, &argv, &count);
	const char *port = argc ? argv[0] : "";
	json_t *params;

	if (!status)
		status = check_words(argc, argv, 1, 1000, TRACE_LIVE_USAGE);
	if (status)
		return status;
	argc--;
	argv++;
	status = read_count(&argc, &argv, &count);
	if (status)
		return status;
	params = json_pack("{s:I}", "count", (json_int_t)count);
	if (!add_pair(params, "port", port) || !rules_add(params, "filter", argc, argv)) {
		json_decref(params);
		return STATUS_USAGE;
	}
	return begin(cli, params, port);
}
