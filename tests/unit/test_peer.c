// SPDX-License-Identifier: Apache-2.0
/* Who may control the switch. The peers are children that take on other users before they make
 * their socket; the kernel notes their credentials then. Runs as root.
 */
#include <errno.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/peer.h"

#define USER 65534
#define GROUP 4242
#define OTHER 4343
#define MANY 300 /* supplementary groups */

/* Who a peer is. */
struct who {
	uid_t user;
	gid_t group;
	size_t n_more;
	const gid_t *more;
};

/* Becomes @who and connects to the abstract address. */
static void connect_as(const struct who *who, const struct sockaddr_un *addr, socklen_t len)
{
	int fd;
	char c;

	if (setgroups(who->n_more, who->more) || setresgid(who->group, who->group, who->group) ||
	    setresuid(who->user, who->user, who->user))
		_exit(1);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)addr, len))
		_exit(2);
	_exit(read(fd, &c, 1) == 0 ? 0 : 3); /* stays until it was judged */
}

/* What peer_check() says of @who. */
static int judge(const struct peer_policy *policy, const struct who *who, struct error *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), fd, ret, status;
	socklen_t len = sizeof(addr);
	pid_t pid;

	err->text[0] = '\0';
	assert_int_equal(bind(listener, (struct sockaddr *)&addr, sizeof(sa_family_t)), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
	assert_int_equal(listen(listener, 1), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		close(listener);
		connect_as(who, &addr, len);
	}
	fd = accept(listener, NULL, NULL);
	assert_true(fd >= 0);
	ret = peer_check(policy, fd, err);
	close(fd);
	close(listener);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return ret;
}

static int root_only(void **state)
{
	assert_int_equal(geteuid(), 0); /* a test that cannot take on users tests nothing */
	return 0;
}

static void test_without_group(void **state)
{
	static const gid_t zero = 0;
	const struct who root = { .group = OTHER }, user = { .user = USER, .group = USER },
			 in_roots = { .user = USER, .n_more = 1, .more = &zero };
	struct peer_policy policy;
	struct error err;

	assert_int_equal(peer_policy_init(&policy, NULL, &err), 0);
	assert_false(policy.has_group);
	assert_int_equal(judge(&policy, &root, &err), 0);
	assert_int_equal(judge(&policy, &user, &err), -EACCES);
	assert_string_equal(err.text, "user 65534 may not control vireod: only root and user 0 may "
				      "(vireod --group lets a group in)");
	/* group 0 is no group that was let in */
	assert_int_equal(judge(&policy, &in_roots, &err), -EACCES);
}

static void test_with_group(void **state)
{
	static const gid_t both[] = { OTHER, GROUP }, other[] = { OTHER };
	const struct peer_policy policy = { .has_group = true, .group = GROUP };
	const struct who root = { 0 }, primary = { .user = USER, .group = GROUP },
			 second = { USER, USER, 2, both }, wrong = { USER, USER, 1, other },
			 none = { .user = USER, .group = USER };
	struct error err;

	assert_int_equal(judge(&policy, &root, &err), 0);
	assert_int_equal(judge(&policy, &primary, &err), 0);
	assert_int_equal(judge(&policy, &second, &err), 0);
	assert_int_equal(judge(&policy, &wrong, &err), -EACCES);
	assert_string_equal(err.text,
			    "user 65534 may not control vireod: only root, user 0 and members of "
			    "group 4242 may");
	assert_int_equal(judge(&policy, &none, &err), -EACCES);
}

/* The group may be any of very many. */
static void test_many_groups(void **state)
{
	const struct peer_policy policy = { .has_group = true, .group = GROUP };
	gid_t groups[MANY];
	const struct who who = { USER, USER, MANY, groups };
	struct error err;

	for (unsigned i = 0; i < MANY; i++)
		groups[i] = 10000 + i;
	assert_int_equal(judge(&policy, &who, &err), -EACCES);
	groups[0] = GROUP;
	assert_int_equal(judge(&policy, &who, &err), 0);
	groups[0] = 10000;
	groups[MANY - 1] = GROUP;
	assert_int_equal(judge(&policy, &who, &err), 0);
}

static void test_own_user(void **state)
{
	struct peer_policy policy = { 0 };
	const struct who user = { .user = USER, .group = USER }, other = { .user = USER - 1 },
			 root = { 0 };
	struct error err;

	assert_int_equal(judge(&policy, &user, &err), -EACCES);
	/* a daemon that root has not started obeys who has, and no other one */
	policy.owner = USER;
	assert_int_equal(judge(&policy, &user, &err), 0);
	assert_int_equal(judge(&policy, &other, &err), -EACCES);
	assert_string_equal(err.text, "user 65533 may not control vireod: only root and user 65534 "
				      "may (vireod --group lets a group in)");
	assert_int_equal(judge(&policy, &root, &err), 0);
}

static void test_no_socket(void **state)
{
	const struct peer_policy policy = { 0 };
	struct error err;
	int pipes[2];

	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(peer_check(&policy, pipes[0], &err), -EACCES);
	assert_string_equal(err.text, "the kernel does not say who is calling");
	close(pipes[0]);
	close(pipes[1]);
}

static void test_group_names(void **state)
{
	static const char *const wrong[] = { "no-such-group-here",
					     "",
					     "-1",
					     "+5",
					     " 5",
					     "5 ",
					     "5x",
					     "0x5",
					     "4294967295",
					     "4294967296",
					     "99999999999999999999999" };
	struct peer_policy policy;
	struct group *first;
	struct error err;
	char want[128];

	/* a name that this machine has */
	setgrent();
	first = getgrent();
	assert_non_null(first);
	assert_int_equal(peer_policy_init(&policy, first->gr_name, &err), 0);
	assert_true(policy.has_group);
	assert_int_equal(policy.group, first->gr_gid);
	endgrent();
	assert_int_equal(peer_policy_init(&policy, "4242", &err), 0);
	assert_true(policy.has_group);
	assert_int_equal(policy.group, 4242);
	assert_int_equal(peer_policy_init(&policy, "4294967294", &err), 0);
	assert_int_equal(policy.group, 4294967294u);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		snprintf(want, sizeof(want), "there is no group \"%s\"", wrong[i]);
		assert_int_equal(peer_policy_init(&policy, wrong[i], &err), -EINVAL);
		assert_string_equal(err.text, want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_group), cmocka_unit_test(test_with_group),
		cmocka_unit_test(test_many_groups),   cmocka_unit_test(test_own_user),
		cmocka_unit_test(test_no_socket),     cmocka_unit_test(test_group_names),
	};

	return cmocka_run_group_tests(tests, root_only, NULL);
}
