// SPDX-License-Identifier: Apache-2.0
/* How far two cores are from each other now: nanoseconds of a cache line's way there and back, the
 * best of a few runs. A virtual machine's cores move about on the real ones; between distant ones
 * every switch is slower, and figures from different moments cannot be compared.
 *
 * usage: core_distance CPU CPU
 */
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compiler.h"

#define ROUNDS 500
#define RUNS 8
#define SECONDS_MAX 5

static uint64_t ball __attribute__((aligned(2 * CACHE_LINE)));
static uint64_t back __attribute__((aligned(2 * CACHE_LINE)));
static bool there;
static int cpus[2];

/* Before everything else that wants the core, for the millisecond that this takes. */
static void pin(int cpu)
{
	struct sched_param param = { .sched_priority = 1 };
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		exit(1);
	sched_setscheduler(0, SCHED_FIFO, &param);
}

static void *return_balls(void *arg)
{
	pin(cpus[1]);
	__atomic_store_n(&there, true, __ATOMIC_RELEASE);
	for (uint64_t i = 1; i <= ROUNDS * RUNS; i++) {
		while (__atomic_load_n(&ball, __ATOMIC_ACQUIRE) != i)
			;
		__atomic_store_n(&back, i, __ATOMIC_RELEASE);
	}
	return NULL;
}

/* Two of this program at once would each have one core and wait for the other one for ever, before
 * everything else that runs there: the second one waits its turn, and none takes longer than this.
 */
static void be_alone(void)
{
	const struct sockaddr_un name = { AF_UNIX, "\0vireo-core-distance" };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	alarm(SECONDS_MAX);
	while (bind(fd, (const struct sockaddr *)&name, sizeof(name)) < 0)
		usleep(1000);
}

int main(int argc, char **argv)
{
	uint64_t best = UINT64_MAX, n = 0;
	pthread_t thread;

	if (argc != 3)
		return 2;
	cpus[0] = atoi(argv[1]);
	cpus[1] = atoi(argv[2]);
	be_alone();
	if (cpus[0] == cpus[1])
		return 1;
	/* first: the other thread must not spin while this one waits for a core */
	pin(cpus[0]);
	if (pthread_create(&thread, NULL, return_balls, NULL))
		return 1;
	while (!__atomic_load_n(&there, __ATOMIC_ACQUIRE))
		sched_yield();
	for (unsigned run = 0; run < RUNS; run++) {
		uint64_t begin = clock_ns(), took;

		for (unsigned i = 0; i < ROUNDS; i++) {
			__atomic_store_n(&ball, ++n, __ATOMIC_RELEASE);
			while (__atomic_load_n(&back, __ATOMIC_ACQUIRE) != n)
				;
		}
		took = clock_ns() - begin;
		best = min(best, took);
	}
	pthread_join(thread, NULL);
	printf("%llu\n", (unsigned long long)(best / ROUNDS));
	return 0;
}
