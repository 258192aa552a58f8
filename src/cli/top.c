// SPDX-License-Identifier: Apache-2.0
/* vireo top: what the ports and workers do, each second. */
#include <locale.h>
#include <ncurses.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/client.h"
#include "cli/output.h"
#include "cli/rates.h"

#define PERIOD_MSEC 1000
#define PORTS_MAX 4096
#define CONTROL_C 3
#define LINE_SIZE 1024

struct top {
	const struct cli *cli;
	json_t *ports, *workers; /* the latest sample; NULL before the first */
	uint64_t at;		 /* when it was taken, clock_ns() */
	struct port_rate *rates;
	size_t n_rates, first; /* first: of those shown */
	struct error err;      /* why there is no sample; empty: there is one */
};

static volatile sig_atomic_t ended;

static void on_signal(int number)
{
	ended = 1;
}

/* A line of the screen, cut off where the screen ends: it would go on in the next line. */
static void put_line(int y, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void put_line(int y, const char *fmt, ...)
{
	char line[LINE_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	mvaddnstr(y, 0, line, COLS);
}

/* Looks at the switch once more. */
static enum status sample(struct top *t)
{
	json_t *ports = NULL, *workers = NULL;
	uint64_t now = clock_ns();
	enum status status = client_try(t->cli, "port.show", NULL, NO_FILE, &ports, &t->err);

	if (!status)
		status = client_try(t->cli, "worker.show", NULL, NO_FILE, &workers, &t->err);
	if (!status) {
		t->n_rates =
			rates_compute(t->ports, ports, (double)(now - t->at) / (double)NSEC_PER_SEC,
				      t->rates, PORTS_MAX);
		t->err.text[0] = '\0';
	} else {
		t->n_rates = 0;
		json_decref(ports);
		ports = NULL;
	}
	json_decref(t->ports);
	json_decref(t->workers);
	t->ports = ports;
	t->workers = workers;
	t->at = now;
	return status;
}

static void draw_workers(const struct top *t)
{
	const json_t *worker;
	size_t i;

	printw("workers busy:");
	json_array_foreach (t->workers, i, worker) {
		const json_t *name = json_object_get(worker, "worker");

		if (getcurx(stdscr) > COLS - 12) {
			printw(" ...");
			break;
		}
		printw("  %d: %.0f%%", (int)json_integer_value(name),
		       json_number_value(json_object_get(worker, "busy_percent")));
	}
}

static void draw_port(int y, const struct port_rate *r)
{
	char rx[16], rx_bits[16], tx[16], tx_bits[16], drops[16];

	put_line(y, "%-20.20s %-4s %9s %10s %9s %10s %9s", r->name, r->link ? "up" : "down",
		 human_number(r->rx_packets, rx, sizeof(rx)),
		 human_number(r->rx_bits, rx_bits, sizeof(rx_bits)),
		 human_number(r->tx_packets, tx, sizeof(tx)),
		 human_number(r->tx_bits, tx_bits, sizeof(tx_bits)),
		 human_number(r->drops, drops, sizeof(drops)));
}

static size_t rows(void)
{
	return LINES > 5 ? (size_t)LINES - 5 : 1;
}

static void draw(const struct top *t)
{
	erase();
	put_line(0, "vireo top  %s  %zu port%s  (q: quit, arrows: scroll)", t->cli->run_dir,
		 t->n_rates, t->n_rates == 1 ? "" : "s");
	if (t->err.text[0]) {
		mvprintw(2, 0, "%s", t->err.text); /* over several lines if need be */
		refresh();
		return;
	}
	move(1, 0);
	draw_workers(t);
	attron(A_REVERSE);
	put_line(3, "%-20s %-4s %9s %10s %9s %10s %9s", "PORT", "LINK", "RX-PKT/S", "RX-BIT/S",
		 "TX-PKT/S", "TX-BIT/S", "DROPS/S");
	attroff(A_REVERSE);
	for (size_t i = 0; i < rows() && t->first + i < t->n_rates; i++)
		draw_port(4 + (int)i, &t->rates[t->first + i]);
	refresh();
}

static void scroll_to(struct top *t, long first)
{
	long last = t->n_rates > rows() ? (long)(t->n_rates - rows()) : 0;

	first = max(first, 0L);
	t->first = (size_t)min(first, last);
}

/* Acts on a key; false: the end. */
static bool handle_key(struct top *t, int key)
{
	long page = (long)rows();

	switch (key) {
	case 'q':
	case 'Q':
	case CONTROL_C:
		return false;
	case KEY_UP:
		scroll_to(t, (long)t->first - 1);
		break;
	case KEY_DOWN:
		scroll_to(t, (long)t->first + 1);
		break;
	case KEY_PPAGE:
		scroll_to(t, (long)t->first - page);
		break;
	case KEY_NPAGE:
		scroll_to(t, (long)t->first + page);
		break;
	default:
		break;
	}
	return true;
}

static void loop(struct top *t)
{
	bool going = true;

	while (going && !ended) {
		uint64_t passed = (clock_ns() - t->at) / NSEC_PER_MSEC;

		draw(t);
		timeout(passed < PERIOD_MSEC ? (int)(PERIOD_MSEC - passed) : 0);
		going = handle_key(t, getch());
		if (clock_ns() - t->at >= PERIOD_MSEC * NSEC_PER_MSEC) {
			sample(t);
			scroll_to(t, (long)t->first);
		}
	}
}

static enum status show(struct top *t)
{
	struct sigaction action = { .sa_handler = on_signal };
	SCREEN *screen;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return fail(STATUS_USAGE,
			    "top needs a terminal; for a program: vireo -j port show");
	setlocale(LC_ALL, "");
	screen = newterm(NULL, stdout, stdin);
	if (!screen)
		return fail(STATUS_USAGE, "top cannot use this terminal: is TERM right?");
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	raw();
	noecho();
	curs_set(0);
	keypad(stdscr, TRUE);
	loop(t);
	endwin();
	delscreen(screen);
	return STATUS_OK;
}

static enum status top(const struct cli *cli, int argc, char **argv)
{
	enum status status = check_words(argc, argv, 0, 0, "top");
	struct top t = { .cli = cli };

	if (status)
		return status;
	if (cli->json)
		return fail(STATUS_USAGE, "top is for people; for a program: vireo -j port show");
	t.rates = calloc(PORTS_MAX, sizeof(*t.rates));
	if (!t.rates)
		return fail(STATUS_REFUSED, "out of memory");
	status = sample(&t);
	status = status ? fail(status, "%s", t.err.text) : show(&t);
	json_decref(t.ports);
	json_decref(t.workers);
	free(t.rates);
	return status;
}

static const struct verb verbs[] = {
	{ .name = "top", .args = "", .help = "watch ports and workers, each second", .run = top },
	{ .name = NULL },
};

const struct object top_object = { "top", "a live view of ports and workers", verbs };
