/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rights_probe PID: does what the daemon does to a guest and to its files, each once, and writes
 * what fails on /run/probe, or "all well". Run in the unit's sandbox. What must fail is tried too.
 */
#include <errno.h>
#include <fcntl.h>
#include <numaif.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "life/pidfile.h"
#include "life/privilege.h"

static FILE *out;
static unsigned n_wrong;

static void expect(bool wanted, const char *what, bool happened)
{
	if (happened == wanted)
		return;
	n_wrong++;
	fprintf(out, "%s %s: %s\n", wanted ? "cannot" : "can", what, strerror(errno));
}

static bool opens(const char *path, int flags)
{
	const int fd = open(path, flags | O_CLOEXEC, 0644);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void try_guest(pid_t pid)
{
	static const char *const files[] = { "maps", "status", "cmdline", "stat", "fd/0", "exe" };
	char path[64], text[256];
	int node = 0, status = -1000;
	void *page = NULL;
	cpu_set_t cpus;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", pid, files[i]);
		expect(true, path,
		       i < 4 ? opens(path, O_RDONLY) : readlink(path, text, sizeof(text) - 1) > 0);
	}
	/* Some address of the guest's: the first of its maps. */
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	FILE *maps = fopen(path, "re");
	expect(true, "read maps", maps && fscanf(maps, "%p", &page) == 1);
	if (maps)
		fclose(maps);
	expect(true, "look at pages", move_pages(pid, 1, &page, NULL, &status, 0) == 0);
	expect(true, "move pages",
	       move_pages(pid, 1, &page, &node, &status, MPOL_MF_MOVE_ALL) >= 0);
	expect(true, "read affinity", sched_getaffinity(pid, sizeof(cpus), &cpus) == 0);
	expect(true, "set affinity", sched_setaffinity(pid, sizeof(cpus), &cpus) == 0);
	expect(true, "pidfd_open", syscall(SYS_pidfd_open, pid, 0) >= 0);
}

static void try_files(void)
{
	struct pidfile ours = PIDFILE_NONE, numads = PIDFILE_NONE;
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/run/placed/socket" };
	const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	const int id = msgget((key_t)0xdeadbeef, IPC_CREAT | 0600);
	pid_t other;

	expect(true, "take placed.pid", pidfile_take(PLACED_PID_PATH, &ours, &other) == 0);
	expect(true, "write numad.pid", pidfile_write_numad(NUMAD_PID_PATH, &numads, &other) == 0);
	expect(true, "append to numad.log", opens("/var/log/numad.log", O_WRONLY | O_APPEND));
	expect(true, "bind", bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	(void)unlink(address.sun_path);
	expect(true, "have a queue", id >= 0);
	expect(true, "remove a queue", msgctl(id, IPC_RMID, NULL) == 0);
	expect(true, "make a group",
	       mkdir("/sys/fs/cgroup/systemd/probe", 0755) == 0 ||
		       mkdir("/sys/fs/cgroup/probe", 0755) == 0);
	(void)rmdir("/sys/fs/cgroup/systemd/probe");
	(void)rmdir("/sys/fs/cgroup/probe");
	expect(true, "set pool sizes", access("/sys/devices/system/node", W_OK) == 0);
	pidfile_release(&numads);
	pidfile_release(&ours);
}

static void try_what_must_fail(pid_t pid)
{
	struct stat status;
	char byte;
	struct iovec here = { &byte, 1 }, there = { NULL, 1 };

	expect(false, "write to /var/log", opens("/var/log/other", O_WRONLY | O_CREAT));
	expect(false, "write to /etc", opens("/etc/placed-probe", O_WRONLY | O_CREAT));
	expect(false, "write to /usr", opens("/usr/placed-probe", O_WRONLY | O_CREAT));
	expect(false, "write to /run/systemd", opens("/run/systemd/probe", O_WRONLY | O_CREAT));
	expect(false, "set sysctls", opens("/proc/sys/kernel/numa_balancing", O_WRONLY));
	expect(false, "see /root", stat("/root", &status) < 0 || (status.st_mode & 0777));
	expect(false, "have a network", socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0);
	expect(false, "mount", mount("none", "/run/placed", "tmpfs", 0, NULL) == 0);
	expect(false, "become another user", setuid(65534) == 0);
	expect(false, "give files away", chown("/run/placed", 65534, 65534) == 0);
	errno = 0;
	expect(false, "write another's memory",
	       syscall(SYS_process_vm_writev, pid, &here, 1, &there, 1, 0) >= 0 || errno != EPERM);
}

int main(int argc, char **argv)
{
	const pid_t pid = argc > 1 ? atoi(argv[1]) : 0;

	out = fopen("/run/probe", "we");
	if (!out)
		return EXIT_FAILURE;
	expect(true, "drop privileges", privilege_drop() == 0);
	try_guest(pid);
	try_files();
	try_what_must_fail(pid);
	if (n_wrong == 0)
		fprintf(out, "all well\n");
	fclose(out);
	return EXIT_SUCCESS;
}
