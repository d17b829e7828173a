/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the daemon can and cannot do once it has dropped its privileges: each use by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <numaif.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/text.h"
#include "life/privilege.h"

#define NOBODY 65534

/* A guest of another user, and where a page of it lies (the same address as here). */
static pid_t guest;
static void *page;
static char folder[64];

/* The child says which use failed by its line; 0 is all well. */
#define NEEDS(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			return __LINE__;                                                           \
	} while (0)

static int start_guest(void **state)
{
	int fds[2];
	char byte;

	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/test_privilege.XXXXXX");
	page = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED || !mkdtemp(folder) || pipe(fds) < 0)
		return -1;
	guest = fork();
	if (guest == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		*(volatile char *)page = 1;
		if (geteuid() == 0 && setuid(NOBODY) < 0)
			_exit(1);
		/* QEMU is so after libvirt made it another user's: then its /proc is root's. */
		prctl(PR_SET_DUMPABLE, 0);
		(void)!write(fds[1], "1", 1);
		for (;;)
			pause();
	}
	return read(fds[0], &byte, 1) == 1 ? 0 : -1;
}

static int stop_guest(void **state)
{
	char command[96];

	(void)state;
	kill(guest, SIGKILL);
	waitpid(guest, NULL, 0);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static int in_child(int (*work)(void))
{
	int fds[2], line = -1;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		line = privilege_drop() == 0 ? work() : -2;
		(void)!write(fds[1], &line, sizeof(line));
		_exit(0);
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], &line, sizeof(line)), sizeof(line));
	close(fds[0]);
	waitpid(pid, NULL, 0);
	return line;
}

static uint64_t status_hex(const char *key)
{
	char text[4096], word[64];
	_cleanup_close_ int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	const ssize_t n = read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	if (place_text_find_word(text, key, word, sizeof(word)) < 0)
		return UINT64_MAX;
	return strtoull(word, NULL, 16);
}

static int only_what_is_kept(void)
{
	const uint64_t kept = UINT64_C(1) << CAP_SYS_NICE | UINT64_C(1) << CAP_SYS_PTRACE |
			      UINT64_C(1) << CAP_DAC_READ_SEARCH;

	NEEDS(status_hex("CapEff:") == kept);
	NEEDS(status_hex("CapPrm:") == kept);
	NEEDS(status_hex("CapBnd:") == kept);
	NEEDS(status_hex("CapInh:") == 0);
	NEEDS(status_hex("CapAmb:") == 0);
	NEEDS(status_hex("NoNewPrivs:") == 1);
	NEEDS(geteuid() == 0 && getuid() == 0);
	NEEDS(privilege_drop() == 0);
	NEEDS(status_hex("CapEff:") == kept);
	return 0;
}

static int reads_guests(void)
{
	static const char *const files[] = { "maps", "numa_maps", "status", "cmdline", "stat" };
	char path[64], link[256];

	for (size_t i = 0; i < ELEMENTSOF(files); i++) {
		_cleanup_close_ int fd = -1;

		snprintf(path, sizeof(path), "/proc/%d/%s", guest, files[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		NEEDS(fd >= 0 || errno == ENOENT);
		NEEDS(fd < 0 || read(fd, link, sizeof(link)) > 0);
	}
	snprintf(path, sizeof(path), "/proc/%d/fd/0", guest);
	NEEDS(readlink(path, link, sizeof(link)) > 0);
	snprintf(path, sizeof(path), "/proc/%d/exe", guest);
	NEEDS(readlink(path, link, sizeof(link)) > 0);
	return 0;
}

static int moves_guests(void)
{
	cpu_set_t cpus;
	int node = 0, status = -1000;

	NEEDS(sched_getaffinity(guest, sizeof(cpus), &cpus) == 0);
	NEEDS(sched_setaffinity(guest, sizeof(cpus), &cpus) == 0);
	NEEDS(move_pages(guest, 1, &page, NULL, &status, 0) == 0 && status >= 0);
	node = status;
	status = -1000;
	NEEDS(move_pages(guest, 1, &page, &node, &status, MPOL_MF_MOVE_ALL) == 0);
	NEEDS(status == node);
	return 0;
}

static int writes(const char *name, const char *text)
{
	char path[128];
	_cleanup_close_ int fd = -1;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	return fd >= 0 && write(fd, text, strlen(text)) > 0 ? 0 : -EACCES;
}

/* cgroup files and sysfs are root's with u+w, as is numad's log; a folder of ours takes files. */
static int writes_files_of_root(void)
{
	char path[128], other[140];
	int fd;

	NEEDS(writes("root", "x") == 0);
	NEEDS(writes("nobody", "x") < 0);
	NEEDS(writes("read-only", "x") < 0);
	snprintf(path, sizeof(path), "%s/new", folder);
	snprintf(other, sizeof(other), "%s.renamed", path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	NEEDS(fd >= 0 && fchmod(fd, 0600) == 0);
	close(fd);
	NEEDS(rename(path, other) == 0 && unlink(other) == 0);
	snprintf(path, sizeof(path), "%s/root", folder);
	NEEDS(chown(path, NOBODY, NOBODY) < 0 && errno == EPERM);
	/* What only its owner may enter is read, as with session libvirt's state. */
	snprintf(path, sizeof(path), "%s/private/secret", folder);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	NEEDS(fd >= 0);
	close(fd);
	return 0;
}

/* A group of a guest, as libvirt makes it: root's. Where there are none, files of root's must do.
 */
static const char group[] = "/sys/fs/cgroup/cpuset/placed-test";

static int confines(void)
{
	static const char *const files[] = { "cpuset.mems", "cpuset.cpus" };
	char text[256], from[96], to[96];

	for (size_t i = 0; i < ELEMENTSOF(files); i++) {
		_cleanup_close_ int from_fd = -1, to_fd = -1;
		ssize_t n;

		snprintf(from, sizeof(from), "/sys/fs/cgroup/cpuset/%s", files[i]);
		snprintf(to, sizeof(to), "%s/%s", group, files[i]);
		from_fd = open(from, O_RDONLY | O_CLOEXEC);
		n = read(from_fd, text, sizeof(text));
		NEEDS(n > 0);
		to_fd = open(to, O_WRONLY | O_CLOEXEC);
		NEEDS(to_fd >= 0 && write(to_fd, text, (size_t)n) == n);
	}
	return 0;
}

static int serves(void)
{
	struct {
		long type;
		char text[8];
	} message = { .type = 1 };
	const int queue = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
	socklen_t size = sizeof(struct ucred);
	struct ucred peer;
	struct msqid_ds about;
	int fds[2];
	pid_t child;

	NEEDS(queue >= 0);
	NEEDS(msgctl(queue, IPC_STAT, &about) == 0);
	NEEDS(msgctl(queue, IPC_SET, &about) == 0);
	NEEDS(msgsnd(queue, &message, sizeof(message.text), IPC_NOWAIT) == 0);
	NEEDS(msgrcv(queue, &message, sizeof(message.text), 0, IPC_NOWAIT) == 8);
	NEEDS(msgctl(queue, IPC_RMID, NULL) == 0);
	NEEDS(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0);
	NEEDS(getsockopt(fds[0], SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0);
	NEEDS(peer.uid == 0);
	child = fork();
	if (child == 0)
		for (;;)
			pause();
	NEEDS(child > 0 && kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
	NEEDS(kill(guest, SIGTERM) < 0 && errno == EPERM);
	return 0;
}

/* Whatever is executed gets nothing back, uid 0 or not. */
static int executes_without(void)
{
	return WEXITSTATUS(system("grep -q '^CapEff:.*0000000000880004$' /proc/self/status || "
				  "grep '^CapEff' /proc/self/status >&2")) == 0 ?
		       0 :
		       __LINE__;
}

static void test_rights(void **state)
{
	char path[128];

	(void)state;
	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < 3; i++) {
		static const char *const names[] = { "root", "nobody", "read-only" };
		int fd;

		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, i == 2 ? 0444 : 0644);
		assert_true(fd >= 0);
		assert_int_equal(fchown(fd, i == 1 ? NOBODY : 0, 0), 0);
		close(fd);
	}
	snprintf(path, sizeof(path), "%s/private", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/private/secret", folder);
	assert_int_equal(close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)), 0);
	assert_int_equal(chown(path, NOBODY, NOBODY), 0);
	snprintf(path, sizeof(path), "%s/private", folder);
	assert_int_equal(chown(path, NOBODY, NOBODY), 0);

	assert_int_equal(in_child(only_what_is_kept), 0);
	assert_int_equal(in_child(reads_guests), 0);
	assert_int_equal(in_child(moves_guests), 0);
	assert_int_equal(in_child(writes_files_of_root), 0);
	assert_int_equal(in_child(serves), 0);
	if (mkdir(group, 0755) == 0) {
		const int line = in_child(confines);

		assert_int_equal(rmdir(group), 0);
		assert_int_equal(line, 0);
	}
	assert_int_equal(in_child(executes_without), 0);
}

/* On a host without root it drops nothing, and fails nothing. */
static int is_unprivileged(void)
{
	return status_hex("CapEff:") == 0 && status_hex("NoNewPrivs:") == 1 ? 0 : __LINE__;
}

static void test_without_root(void **state)
{
	const pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0) {
		if (geteuid() == 0 && setuid(NOBODY) < 0)
			_exit(1);
		_exit(privilege_drop() == 0 && is_unprivileged() == 0 ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_files(void **state)
{
	struct rlimit limit;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = 64;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_true(privilege_raise_files() > 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(limit.rlim_cur, limit.rlim_max);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rights),
		cmocka_unit_test(test_without_root),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, start_guest, stop_guest);
}
