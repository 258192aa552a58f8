// SPDX-License-Identifier: Apache-2.0
/* The list of system calls, and how it is given to the kernel (libseccomp). */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <malloc.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/blame.h"
#include "base/compiler.h"
#include "base/filter.h"

#define C (1u << FILTER_CONTROL)
#define W (1u << FILTER_WORKER)
#define M (1u << FILTER_MEMORY)

#define CALL(name, who)                               \
	{                                             \
		.call = __NR_##name, .threads = (who) \
	}
#define CALL_IF(name, who, what, n, x)                                                  \
	{                                                                               \
		.call = __NR_##name, .threads = (who), .condition = (what), .arg = (n), \
		.value = (x)                                                            \
	}

/* What may be said of one argument. */
enum condition {
	ANY,
	IS,    /* it is @value */
	HAS,   /* it has these bits */
	LACKS, /* it has none of these bits */
	OWN,   /* it is this process; else it fails */
};

struct allowed {
	int call;
	unsigned threads;
	enum condition condition;
	unsigned arg;
	uint64_t value;
};

/* What each is for. Where a call is twice, either line allows it. */
static const struct allowed list[] = {
	/* packets: tap.c, pcap.c (stdio); eventfds, log lines, and reports of this file */
	CALL(read, C | W),
	CALL(write, C | W | M),
	CALL(writev, C | W | M),
	/* the loop (libevent) with its timers, and signals that it sends itself */
	CALL(epoll_wait, C),
	CALL(epoll_ctl, C),
	CALL(timerfd_settime, C),
	CALL(recvfrom, C),
	CALL_IF(sendto, C, IS, 4, 0), /* as send(), to whom the socket is connected with */
	/* sleep and naps: worker.c; a tap that is to wake somebody: tap.c; a lock of mac.c */
	CALL(epoll_pwait2, C | W), /* of libevent from 2.2 on, too */
	CALL(ppoll, C | W),
	/* waiting for the keeper: link.c; liburcu's own thread */
	CALL(poll, C | M),
	CALL(futex, C | W | M),
	/* guests are interrupted: notify.c */
	CALL(io_submit, C | W),
	/* the keeper's link, clients of the control socket: link.c, server.c, connection.c, peer.c
	 */
	CALL(recvmsg, C),
	CALL(sendmsg, C),
	CALL(accept4, C),
	CALL(getsockopt, C),
	/* what front-ends and the keeper send: fd_kind.c, socket.c, filemap.c, vring.c */
	CALL(close, C | M),
	/* of what fcntl() can do not that which sends signals: other processes may have our user */
	CALL_IF(fcntl, C, IS, 1, F_GETFL),
	CALL_IF(fcntl, C, IS, 1, F_SETFL),
	CALL_IF(fcntl, C, IS, 1, F_GETFD),
	CALL_IF(fcntl, C, IS, 1, F_SETFD),
	CALL_IF(fcntl, C, IS, 1, F_DUPFD_CLOEXEC),
	CALL_IF(fcntl, C, IS, 1, F_GET_SEALS),
	CALL_IF(fcntl, C, IS, 1, F_ADD_SEALS),
	CALL(readlink, C),
	CALL(getsockname, C),
	CALL(getpeername, C),
	CALL(fstatfs, C),
#if __GLIBC_PREREQ(2, 39)
	CALL(fstat, C),
#else
	CALL_IF(newfstatat, C, HAS, 3, AT_EMPTY_PATH),
#endif
	/* files in memory, and guests' memory: keep.c, inflight.c, guestmem.c, bus_guard.c,
	   malloc() */
	CALL(memfd_create, C),
	CALL(ftruncate, C),
	CALL_IF(mmap, C | W, LACKS, 2, PROT_EXEC),
	CALL(munmap, C | M),
	CALL(madvise, C | M),
	CALL(brk, C | M),
	CALL(mincore, C),
	CALL_IF(move_pages, C, IS, 0, 0), /* our own */
	/* new ports: dummy.c, pcap.c, tap_device.c, tap_keep.c */
	CALL(eventfd2, C),
	CALL(lseek, C),
	CALL_IF(ioctl, C, IS, 1, TUNSETOFFLOAD),
	CALL_IF(ioctl, C, IS, 1, TUNGETIFF),
	CALL_IF(ioctl, C, IS, 1, SIOCGIFNAME),
	CALL_IF(ioctl, C, IS, 1, SIOCGIFFLAGS),
	CALL_IF(ioctl, C, IS, 1, SIOCGIFINDEX),
	/* the time, on machines where the kernel must be asked */
	CALL(clock_gettime, C | W | M),
	/* signal handlers, and the end: bus_guard.c, blame.c */
	CALL(rt_sigreturn, C | W | M),
	CALL_IF(tgkill, C | W | M, OWN, 0, 0),
	CALL(exit, W | M),
	CALL(exit_group, C),
};

/* Only where the kernel has no epoll_pwait2() (before Linux 5.11). */
static const struct allowed old_kernel = CALL(epoll_wait, W);

/* What the C library does without: it fails as it says here. At the end of a thread it cleans up
 * what goes with the process anyway; malloc() has other ways to memory,
 * and qsort() need not know how much there is; a wait that was interrupted
 * is not resumed but over; abort(), when it cannot ask whom to kill, ends in another way. */
static const struct refused {
	int call;
	unsigned threads;
	int error;
} refused[] = {
	{ __NR_rt_sigprocmask, C | W | M, EPERM },
	{ __NR_mremap, C | W | M, ENOSYS },
	{ __NR_mprotect, C | W | M, ENOSYS },
	{ __NR_restart_syscall, C | W | M, EINTR },
	{ __NR_madvise, W, ENOSYS },
	{ __NR_munmap, W, EPERM },
	{ __NR_brk, W, 0 }, /* which tells by the end that it returns that it was not moved */
	{ __NR_rt_sigaction, C | W | M, 0 }, /* handlers stay to the end */
	{ __NR_sysinfo, C, ENOSYS },
	{ __NR_getpid, C | W | M, EPERM },
	{ __NR_gettid, C | W | M, EPERM },
};

static void (*report_call)(int call, int tid, enum filter_thread kind); /* NULL: not armed */
static pid_t process;
static _Thread_local int own_tid;
static _Thread_local enum filter_thread own_kind;

/* ---- what is allowed */

static bool kernel_is_old(void)
{
	return syscall(__NR_epoll_pwait2, -1, 0l, 0, 0l, 0l, 0l) < 0 && errno == ENOSYS;
}

/* Whether an entry before this one is of the same call. */
static bool is_again(const struct allowed *a)
{
	return a > list && a[-1].call == a->call;
}

unsigned filter_n_calls(enum filter_thread kind)
{
	unsigned bits = kind < FILTER_THREADS ? 1u << kind : ~0u, n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(list); i++)
		n += (list[i].threads & bits) && !is_again(&list[i]);
	return n + (kind == FILTER_WORKER && kernel_is_old());
}

static struct scmp_arg_cmp compare(const struct allowed *a)
{
	struct scmp_arg_cmp cmp = { .arg = a->arg, .op = SCMP_CMP_EQ, .datum_a = a->value };

	if (a->condition == HAS || a->condition == LACKS) {
		cmp.op = SCMP_CMP_MASKED_EQ;
		cmp.datum_b = a->condition == HAS ? a->value : 0;
	}
	if (a->condition == OWN)
		cmp.datum_a = (uint64_t)process;
	return cmp;
}

static int refuse(scmp_filter_ctx ctx, int call, int error, unsigned n, struct scmp_arg_cmp *cmp)
{
	return seccomp_rule_add_exact_array(ctx, SCMP_ACT_ERRNO((uint32_t)error), call, n, cmp);
}

static int allow(scmp_filter_ctx ctx, const struct allowed *a)
{
	struct scmp_arg_cmp cmp = compare(a);
	int rc;

	if (a->condition == ANY)
		return seccomp_rule_add_exact_array(ctx, SCMP_ACT_ALLOW, a->call, 0, NULL);
	rc = seccomp_rule_add_exact_array(ctx, SCMP_ACT_ALLOW, a->call, 1, &cmp);
	cmp.op = SCMP_CMP_NE;
	if (!rc && a->condition == OWN)
		rc = refuse(ctx, a->call, EPERM, 1, &cmp);
	return rc;
}

static int add_rules(scmp_filter_ctx ctx, enum filter_thread kind)
{
	int rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(list) && !rc; i++)
		if (list[i].threads & 1u << kind)
			rc = allow(ctx, &list[i]);
	for (size_t i = 0; i < ARRAY_SIZE(refused) && !rc; i++)
		if (refused[i].threads & 1u << kind)
			rc = refuse(ctx, refused[i].call, refused[i].error, 0, NULL);
	if (!rc && (old_kernel.threads & 1u << kind) && kernel_is_old())
		rc = allow(ctx, &old_kernel);
	return rc;
}

static int load(enum filter_thread kind)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_TRAP);
	int rc;

	if (!ctx)
		return -ENOMEM;
	/* The kernel's remedies against speculation would cost every packet, and are against code
	 * that a process runs for others, as this one does not. A tree finds calls sooner. */
	rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_SSB, 1);
	if (!rc)
		rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (!rc)
		rc = add_rules(ctx, kind);
	if (!rc)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	return rc;
}

/* ---- what is not */

/* In the place of the call. Behind it the signal has its usual effect, and there is no way back. */
static void on_forbidden(int sig, siginfo_t *info, void *context)
{
	blame_note();
	report_call(info->si_syscall, own_tid, own_kind);
	syscall(__NR_tgkill, process, own_tid, SIGSYS);
}

bool filter_arm(void (*report)(int call, int tid, enum filter_thread kind))
{
	struct sigaction action = { .sa_sigaction = on_forbidden,
				    .sa_flags = SA_SIGINFO | SA_RESETHAND | SA_NODEFER };

	if (SANITIZED)
		return false;
	sigemptyset(&action.sa_mask);
	if (sigaction(SIGSYS, &action, NULL) < 0)
		return false;
	/* a second arena would be made by the first thread that may not */
	mallopt(M_ARENA_MAX, 1);
	process = getpid();
	report_call = report;
	return true;
}

/* liburcu blocks all signals in its thread; one that the thread brings on itself would then kill
 * the process without a word. */
static void hear_own_faults(void)
{
	static const int faults[] = { SIGSYS, SIGSEGV, SIGABRT, SIGILL, SIGFPE, SIGBUS };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		sigaddset(&set, faults[i]);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

int filter_enter(enum filter_thread kind, struct error *err)
{
	int rc;

	if (!report_call)
		return 0;
	own_tid = gettid();
	own_kind = kind;
	blame_know_thread(process, own_tid);
	hear_own_faults();
	rc = load(kind);
	return rc ? error_set(err, rc, "cannot filter system calls: %s", strerror(-rc)) : 0;
}

/* ---- names */

const char *filter_call_name(int call, char *text, size_t size)
{
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, call);

	if (name)
		snprintf(text, size, "%s", name);
	else
		snprintf(text, size, "number %d", call);
	free(name);
	return text;
}

const char *filter_thread_name(unsigned kind)
{
	static const char *const names[] = { [FILTER_CONTROL] = "control thread",
					     [FILTER_WORKER] = "worker",
					     [FILTER_MEMORY] = "memory thread" };

	return kind < ARRAY_SIZE(names) ? names[kind] : "thread";
}
