// SPDX-License-Identifier: Apache-2.0
/* Giving up users, capabilities and namespaces. */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/ids.h"
#include "base/log.h"
#include "base/sandbox.h"

#define NOBODY 65534

LOG_MODULE("sandbox");

/* ---- users */

/* The user's own group comes from the database; a number that is not in it is its own. */
static void fill_user(struct sandbox_user *user, uid_t uid)
{
	const struct passwd *p = getpwuid(uid);

	*user = (struct sandbox_user){ .uid = uid, .gid = p ? p->pw_gid : (gid_t)uid };
}

static uid_t default_user(void)
{
	const struct passwd *p = getpwnam("vireo") ?: getpwnam("nobody");

	return p ? p->pw_uid : NOBODY;
}

int sandbox_find_user(struct sandbox_user *user, const char *name, struct error *err)
{
	int64_t uid = name ? ids_find_user(name, err) : (int64_t)default_user();

	if (uid < 0)
		return (int)uid;
	if (geteuid() == 0) {
		fill_user(user, (uid_t)uid);
		return 0;
	}
	*user = (struct sandbox_user){ .uid = geteuid(), .gid = getegid() };
	if (name && user->uid != (uid_t)uid)
		return error_set(err, -EPERM,
				 "only root may run the switch as another user (--user %s)", name);
	return 0;
}

static int become(const struct sandbox_user *user, struct error *err)
{
	if (geteuid() != 0)
		return 0;
	if (setgroups(0, NULL) < 0 || setresgid(user->gid, user->gid, user->gid) < 0 ||
	    setresuid(user->uid, user->uid, user->uid) < 0)
		return error_set(err, -errno, "cannot become user %u: %s", user->uid,
				 strerror(errno));
	return 0;
}

/* ---- capabilities */

/* The bounding set may stay where nobody may change it: no program is executed with privileges
 * anyway. */
static void drop_bounding_set(void)
{
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

static int drop_capabilities(struct error *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &header, none) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_set(err, -errno, "cannot give up capabilities: %s", strerror(errno));
	return 0;
}

/* ---- namespaces */

#define MOUNT_FLAGS (MS_NOSUID | MS_NODEV | MS_NOEXEC)

/* Which processors there are, and near which memory: the C library, liburcu and switch/assign.c
 * look there at the start. */
static void show_processors(void)
{
	static const char *const dirs[] = { "sys", "sys/devices", "sys/devices/system" };

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		mkdir(dirs[i], 0555);
	if (mount("/sys/devices/system", dirs[2], NULL, MS_BIND, NULL) == 0)
		mount(NULL, dirs[2], NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MOUNT_FLAGS, NULL);
}

/* Fills the directory that is to be the root, this one, and makes it that. */
static int move_in(void)
{
	if (mkdir("proc", 0555) < 0)
		return -errno;
	show_processors();
	/* kernels before 5.8 do not know these options of a single mount */
	if (mount("proc", "proc", "proc", MOUNT_FLAGS, "hidepid=ptraceable,subset=pid") < 0 &&
	    mount("proc", "proc", "proc", MOUNT_FLAGS, NULL) < 0)
		return -errno;
	/* the old root lies on top of the new one, and goes */
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return -errno;
	if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MOUNT_FLAGS, NULL) < 0)
		return -errno;
	return 0;
}

/* A file system that nobody can write to, with processors and this process's own part of /proc
 * alone: what a file descriptor is stands there (vhost/fd_kind.h). */
static int hide_files(void)
{
	int rc;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("vireo", "/proc", "tmpfs", MOUNT_FLAGS, "size=64k,mode=755") < 0)
		return -errno;
	rc = chdir("/proc") < 0 ? -errno : move_in();
	if (rc && chdir("/") == 0)
		umount2("/proc", MNT_DETACH); /* as it was */
	return rc;
}

/* A container may not let us. Then the other walls must do. */
static void leave_namespaces(void)
{
	int rc;

	if (geteuid() != 0)
		return; /* it would need a user namespace, in which taps would belong to nobody */
	if (unshare(CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS) < 0) {
		log_warning("namespaces of the switch's own: %s", strerror(errno));
		return;
	}
	rc = hide_files();
	if (rc)
		log_warning("the switch sees the file system: %s", strerror(-rc));
}

/* ---- all of it */

int sandbox_begin(const struct sandbox_user *user, struct error *err)
{
	pid_t parent = getppid();
	int rc;

	tzset(); /* log lines know the time zone; its file cannot be read later */
	leave_namespaces();
	drop_bounding_set();
	rc = become(user, err);
	if (!rc)
		rc = drop_capabilities(err);
	if (rc)
		return rc;
	/* the kernel has forgotten it with the change of users */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		return error_set(err, -ESRCH, "the keeper has ended");
	return 0;
}
