// SPDX-License-Identifier: Apache-2.0
/* Executes a process one instruction at a time, see step.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/compiler.h"
#include "step.h"

#define NAMES_MAX 256 /* places in the sources */
#define NAME_LEN 128
#define SITE_LEN_MAX 16 /* bytes of code between the labels of one */

/* As sites.h writes them. Several may have one name. */
struct site {
	uintptr_t start, end; /* of the instruction that stores */
	const char *name;
};

extern const struct site __start_shared_sites[], __stop_shared_sites[];
extern const char __executable_start[];

/* The same by name. */
static struct place {
	char name[NAME_LEN];
	unsigned n_sites; /* instructions */
	uint64_t n_runs, n_changes;
} places[NAMES_MAX];
static unsigned n_places;

/* Which place the code at an address is, plus one; 0: none. */
static uint16_t *place_of;
static uintptr_t code_start, code_end;

static uint64_t n_steps, n_packet_changes, n_kernel_changes;
static uint64_t n_calls[512]; /* behind which a death was played, by number */

/* A path that begins at the top of the sources, not where the compiler was called. */
static const char *source_name(const char *path)
{
	while (!strncmp(path, "../", 3))
		path += 3;
	return path;
}

/* What people read: "src/a.c:7", or "src/a.h:7 in src/b.c". */
static void name_place(char name[NAME_LEN], const char *text)
{
	const char *place = source_name(text), *source = strchr(text, ' ');
	const char *line = strchr(place, ':');

	assert_true(source && line && line < source);
	source = source_name(source + 1);
	snprintf(name, NAME_LEN, "%.*s", (int)strcspn(place, " "), place);
	if (strlen(source) != (size_t)(line - place) || strncmp(source, place, strlen(source)) != 0)
		snprintf(name + strlen(name), NAME_LEN - strlen(name), " in %s", source);
}

static unsigned place_find(const char *text)
{
	char name[NAME_LEN];

	name_place(name, text);
	for (unsigned i = 0; i < n_places; i++)
		if (!strcmp(places[i].name, name))
			return i;
	assert_true(n_places < NAMES_MAX);
	memcpy(places[n_places].name, name, sizeof(name));
	return n_places++;
}

/* Reads the list of the program. */
static void read_sites(void)
{
	const struct site *site;

	if (place_of)
		return;
	code_start = UINTPTR_MAX;
	for (site = __start_shared_sites; site < __stop_shared_sites; site++) {
		code_start = min(code_start, site->start);
		code_end = max(code_end, site->end);
	}
	assert_true(code_start < code_end);
	place_of = calloc(code_end - code_start, sizeof(*place_of));
	assert_non_null(place_of);
	for (site = __start_shared_sites; site < __stop_shared_sites; site++) {
		unsigned i = place_find(site->name);

		if (site->end <= site->start || site->end - site->start > SITE_LEN_MAX)
			fail_msg("%s: the store is not between its labels", site->name);
		places[i].n_sites++;
		for (uintptr_t at = site->start; at < site->end; at++)
			place_of[at - code_start] = (uint16_t)(i + 1);
	}
}

static void *map(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

/* We and the process take turns: on one processor nobody has to be woken on another. */
static void stay_here(void)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(sched_getcpu(), &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

void step_init(struct step *s, size_t len, size_t packets)
{
	read_sites();
	stay_here();
	s->len = len;
	s->packets = packets;
	s->memory = map(len);
	s->op = map(sizeof(*s->op));
	s->before = malloc(len);
	assert_non_null(s->before);
	s->pid = s->signal = 0;
}

void step_kill(struct step *s)
{
	if (!s->pid)
		return;
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	s->pid = 0;
}

void step_destroy(struct step *s)
{
	step_kill(s);
	munmap(s->memory, s->len);
	munmap(s->op, sizeof(*s->op));
	free(s->before);
}

static _Noreturn void be_stepped(struct step *s)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0) {
		s->op->error = errno;
		_exit(1);
	}
	raise(SIGSTOP);
	for (;;) {
		while (!__atomic_load_n(&s->op->busy, __ATOMIC_ACQUIRE))
			;
		s->perform(s->world);
		__atomic_store_n(&s->op->busy, 0, __ATOMIC_RELEASE);
	}
}

void step_spawn(struct step *s)
{
	int status;

	s->op->error = 0;
	s->pid = fork();
	assert_true(s->pid >= 0);
	if (!s->pid)
		be_stepped(s);
	assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
	if (!WIFSTOPPED(status))
		fail_msg("a process cannot be traced here, which this test needs: ptrace: %s",
			 strerror(s->op->error));
	assert_int_equal(ptrace(PTRACE_SETOPTIONS, s->pid, NULL, PTRACE_O_EXITKILL), 0);
}

static long read_register(const struct step *s, size_t offset)
{
	long value;

	errno = 0;
	value = ptrace(PTRACE_PEEKUSER, s->pid, offset, NULL);
	assert_int_equal(errno, 0);
	return value;
}

/* Where the process is. */
static uintptr_t read_pc(const struct step *s)
{
	return (uintptr_t)read_register(s, offsetof(struct user_regs_struct, rip));
}

/* The system call that the instruction at @pc makes, or -1. The process is a fork of ours: its code
 * is where ours is. */
static long call_at(const struct step *s, uintptr_t pc)
{
	static const uint8_t syscall_code[] = { 0x0f, 0x05 };

	if (!s->called || memcmp((const void *)pc, syscall_code, sizeof(syscall_code)) != 0)
		return -1;
	return read_register(s, offsetof(struct user_regs_struct, rax));
}

void step_note_call(long number)
{
	if (number >= 0 && (size_t)number < ARRAY_SIZE(n_calls))
		n_calls[number]++;
}

/* False: that was its end. */
static bool step_one(struct step *s)
{
	int status;

	if (ptrace(PTRACE_SINGLESTEP, s->pid, NULL, (void *)(uintptr_t)s->signal) < 0)
		fail_msg("an instruction cannot be stepped: ptrace: %s", strerror(errno));
	s->signal = 0;
	assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
	n_steps++;
	if (WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP)
		return true;
	if (!s->crashes || WIFEXITED(status))
		fail_msg("the stepped process ends, or got a signal: status 0x%x", status);
	if (WIFSIGNALED(status)) {
		s->pid = 0;
		return false;
	}
	s->signal = WSTOPSIG(status);
	return true;
}

/* The place of the instruction at @pc, or NULL. */
static struct place *place_at(uintptr_t pc)
{
	unsigned i = pc >= code_start && pc < code_end ? place_of[pc - code_start] : 0;

	return i ? &places[i - 1] : NULL;
}

/* What the instruction at @pc changed must be declared; @call: it was a system call. */
static void account(const struct step *s, struct place *place, uintptr_t pc, bool call)
{
	size_t at = 0;

	if (!memcmp(s->before, s->memory, s->packets)) {
		n_packet_changes++;
		return;
	}
	if (place) {
		place->n_changes++;
		return;
	}
	if (call) {
		n_kernel_changes++;
		return;
	}
	while (s->before[at] == s->memory[at])
		at++;
	fail_msg("offset %zu of the shared memory was changed by an instruction that is no "
		 "shared_store(): the one at 0x%zx of this program (addr2line -e)",
		 at, (size_t)(pc - (uintptr_t)__executable_start));
}

/* One instruction, the one at @pc, unless that is its end. Whether a death behind it is to be
 * played. */
static bool step_and_look(struct step *s, uintptr_t pc)
{
	struct place *place = place_at(pc);
	long call = call_at(s, pc);
	bool changed;

	if (!step_one(s))
		return false;
	if (place)
		place->n_runs++;
	changed = memcmp(s->before, s->memory, s->len) != 0;
	if (unlikely(changed))
		account(s, place, pc, call >= 0);
	if (likely(call < 0))
		return changed;
	return s->called(s->world, call) || changed;
}

bool step_run(struct step *s)
{
	memcpy(s->before, s->memory, s->len);
	__atomic_store_n(&s->op->busy, 1, __ATOMIC_RELEASE);
	while (__atomic_load_n(&s->op->busy, __ATOMIC_ACQUIRE)) {
		bool dies;

		if (likely(!step_and_look(s, read_pc(s)))) {
			if (unlikely(!s->pid))
				return false;
			continue;
		}
		memcpy(s->before, s->memory, s->len);
		dies = s->crash(s->world);
		memcpy(s->memory, s->before, s->len);
		if (dies) {
			step_kill(s);
			return false;
		}
	}
	return true;
}

static int by_name(const void *a, const void *b)
{
	return strverscmp(((const struct place *)a)->name, ((const struct place *)b)->name);
}

void step_keep(struct step *s, size_t at, size_t len)
{
	memcpy(s->before + at, s->memory + at, len);
}

void step_report(void)
{
	unsigned n_missed = 0;

	qsort(places, n_places, sizeof(places[0]), by_name); /* place_of is not needed any more */
	print_message(
		"%llu instructions, %llu of which changed packets, and %llu were system calls "
		"that changed something; other stores:\n",
		(unsigned long long)n_steps, (unsigned long long)n_packet_changes,
		(unsigned long long)n_kernel_changes);
	for (unsigned i = 0; i < n_places; i++) {
		print_message("%-56s %3u in the program, %6llu executed, %6llu changed something\n",
			      places[i].name, places[i].n_sites,
			      (unsigned long long)places[i].n_runs,
			      (unsigned long long)places[i].n_changes);
		n_missed += !places[i].n_runs;
	}
	for (unsigned i = 0; i < n_places; i++)
		if (!places[i].n_runs)
			print_error("%s was never executed\n", places[i].name);
	for (size_t i = 0; i < ARRAY_SIZE(n_calls); i++)
		if (n_calls[i])
			print_message("system call %zu: died behind %llu\n", i,
				      (unsigned long long)n_calls[i]);
	assert_int_equal(n_missed, 0);
}
