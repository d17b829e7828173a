/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pid files: who may have them, what may stand in their place, and what is left afterwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "life/pidfile.h"

#define NOBODY 65534

static char folder[64], path[96], victim[96];

static int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/test_pidfile.XXXXXX");
	if (!mkdtemp(folder) || chmod(folder, 0755) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/x.pid", folder);
	snprintf(victim, sizeof(victim), "%s/victim", folder);
	return 0;
}

/* Nothing but what the test made may be left. */
static int remove_folder(void **state)
{
	(void)state;
	(void)unlink(path);
	(void)rmdir(path);
	(void)unlink(victim);
	return rmdir(folder);
}

static void write_file(const char *name, const char *text)
{
	const int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void assert_content(const char *name, const char *expected)
{
	char text[64] = "";
	const int fd = open(name, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_true(read(fd, text, sizeof(text) - 1) >= 0);
	close(fd);
	assert_string_equal(text, expected);
}

static void assert_names_us(void)
{
	char expected[32];
	struct stat status;

	snprintf(expected, sizeof(expected), "%d\n", (int)getpid());
	assert_content(path, expected);
	assert_int_equal(lstat(path, &status), 0);
	assert_true(S_ISREG(status.st_mode));
	assert_int_equal(status.st_mode & 07777, 0644);
	assert_int_equal(status.st_uid, geteuid());
}

/* What work does in another process; its return value, which must be small. */
static int in_child(int (*work)(void))
{
	const pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(work());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int take_beside_parent(void)
{
	struct pidfile file = PIDFILE_NONE;
	pid_t other = -1;

	return pidfile_take(path, &file, &other) == -EEXIST && other == getppid() && file.fd == -1 ?
		       0 :
		       1;
}

static struct pidfile copy;

static int release_copy(void)
{
	pidfile_release(&copy);
	return 0;
}

static void test_take(void **state)
{
	struct pidfile file = PIDFILE_NONE;
	pid_t other = -1;
	mode_t before;

	(void)state;
	before = umask(077);
	assert_int_equal(pidfile_take(path, &file, &other), 0);
	umask(before);
	assert_names_us();
	assert_string_equal(file.note, "");
	assert_int_equal(in_child(take_beside_parent), 0);
	copy = file;
	assert_int_equal(in_child(release_copy), 0);
	assert_int_equal(in_child(take_beside_parent), 0);
	assert_names_us();
	pidfile_release(&file);
	assert_int_equal(access(path, F_OK), -1);
	pidfile_release(&file);
}

static void test_left_over(void **state)
{
	struct pidfile file = PIDFILE_NONE;
	pid_t other;

	(void)state;
	write_file(path, "1234567890123456789\n");
	assert_int_equal(pidfile_take(path, &file, &other), 0);
	assert_string_equal(file.note, "");
	assert_names_us();
	pidfile_release(&file);
	write_file(path, "77\n");
	assert_int_equal(pidfile_take(path, &file, &other), 0);
	assert_non_null(strstr(file.note, " 77,"));
	assert_names_us();
	pidfile_release(&file);
}

/* A child that hangs in the kernel outlives its parent: it must not hold the lock. */
static void test_children_hold_nothing(void **state)
{
	struct pidfile file = PIDFILE_NONE;
	int fds[2], status;
	pid_t daemon_pid, other, child = 0;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	daemon_pid = fork();
	if (daemon_pid == 0) {
		if (pidfile_take(path, &file, &other) < 0)
			_exit(1);
		/* By itself: only then has it let go of what it got from its parent. */
		if (fork() == 0) {
			child = getpid();
			(void)!write(fds[1], &child, sizeof(child));
		}
		for (;;)
			pause();
	}
	assert_int_equal(read(fds[0], &child, sizeof(child)), sizeof(child));
	assert_int_equal(pidfile_take(path, &file, &other), -EEXIST);
	assert_int_equal(other, daemon_pid);
	kill(daemon_pid, SIGKILL);
	assert_int_equal(waitpid(daemon_pid, &status, 0), daemon_pid);
	assert_int_equal(kill(child, 0), 0);
	assert_int_equal(pidfile_take(path, &file, &other), 0);
	kill(child, SIGKILL);
	pidfile_release(&file);
	close(fds[0]);
	close(fds[1]);
}

static void test_own_place_taken(void **state)
{
	struct pidfile file = PIDFILE_NONE;
	pid_t other;

	(void)state;
	write_file(victim, "keep me");
	assert_int_equal(symlink(victim, path), 0);
	assert_int_equal(pidfile_take(path, &file, &other), -EPERM);
	unlink(path);
	assert_int_equal(link(victim, path), 0);
	assert_int_equal(pidfile_take(path, &file, &other), -EPERM);
	unlink(path);
	assert_content(victim, "keep me");
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(pidfile_take(path, &file, &other), -EPERM);
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(pidfile_take(path, &file, &other), -EPERM);
	rmdir(path);
	if (geteuid() == 0) {
		write_file(path, "1\n");
		assert_int_equal(chown(path, NOBODY, NOBODY), 0);
		assert_int_equal(pidfile_take(path, &file, &other), -EPERM);
		assert_content(path, "1\n");
	}
	assert_int_equal(file.fd, -1);
}

static void test_release_leaves_others(void **state)
{
	struct pidfile file = PIDFILE_NONE;
	pid_t other;

	(void)state;
	assert_int_equal(pidfile_take(path, &file, &other), 0);
	unlink(path);
	write_file(path, "somebody else's\n");
	pidfile_release(&file);
	assert_content(path, "somebody else's\n");
	unlink(path);
	assert_int_equal(pidfile_write_numad(path, &file, &other), 0);
	/* A child has but a copy. */
	copy = file;
	assert_int_equal(in_child(release_copy), 0);
	assert_names_us();
	unlink(path);
	write_file(path, "somebody else's\n");
	pidfile_release(&file);
	assert_content(path, "somebody else's\n");
}

struct shared {
	int inside, most, taken;
};

static struct shared *shared;

static int take_and_leave(void)
{
	for (int i = 0; i < 400; i++) {
		struct pidfile file = PIDFILE_NONE;
		pid_t other = -1;
		const int r = pidfile_take(path, &file, &other);

		if (r == -EEXIST)
			continue;
		if (r < 0)
			return 1;
		if (__atomic_add_fetch(&shared->inside, 1, __ATOMIC_SEQ_CST) > 1)
			shared->most = 2;
		__atomic_add_fetch(&shared->taken, 1, __ATOMIC_SEQ_CST);
		usleep(100);
		__atomic_sub_fetch(&shared->inside, 1, __ATOMIC_SEQ_CST);
		pidfile_release(&file);
	}
	return 0;
}

/* Starts and stops at once, over and over: never two. */
static void test_never_two(void **state)
{
	pid_t pids[6];
	int status;

	(void)state;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	assert_true(shared != MAP_FAILED);
	for (size_t i = 0; i < 6; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(take_and_leave());
	}
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(shared->most, 0);
	assert_true(shared->taken > 0);
	assert_int_equal(access(path, F_OK), -1);
	munmap(shared, sizeof(*shared));
}

/* ---- numad's ---- */

static void assert_replaced(const char *note)
{
	struct pidfile file = PIDFILE_NONE;
	pid_t other = -1;

	assert_int_equal(pidfile_write_numad(path, &file, &other), 0);
	assert_names_us();
	if (!strstr(file.note, note) || (!*note && *file.note))
		fail_msg("the note is: %s", file.note);
	pidfile_release(&file);
	assert_int_equal(access(path, F_OK), -1);
}

static void test_numad_replaced(void **state)
{
	char text[96];
	pid_t pid;

	(void)state;
	assert_replaced("");
	write_file(path, "2147483647\n");
	assert_replaced(
		"Removing out-of-date numad run file because /proc/2147483647 doesn't exist");
	for (size_t i = 0; i < 4; i++) {
		static const char *const garbage[] = { "", "hello\n", "-1\n",
						       "99999999999999999\n" };

		write_file(path, garbage[i]);
		assert_replaced("names no process");
	}
	/* Somebody else's process, that has it by reuse of the pid. */
	pid = fork();
	if (pid == 0)
		for (;;)
			pause();
	snprintf(text, sizeof(text), "%d\n", (int)pid);
	write_file(path, text);
	assert_replaced("is no numad");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void test_numad_place_taken(void **state)
{
	struct pidfile file = PIDFILE_NONE;
	char inside[128];
	pid_t other;

	(void)state;
	write_file(victim, "keep me");
	assert_int_equal(symlink(victim, path), 0);
	assert_replaced("not a plain file");
	assert_content(victim, "keep me");
	assert_int_equal(symlink("nowhere", path), 0);
	assert_replaced("not a plain file");
	assert_int_equal(mkfifo(path, 0666), 0);
	assert_replaced("not a plain file");
	assert_int_equal(mkdir(path, 0700), 0);
	assert_replaced("not a plain file");
	if (geteuid() == 0) {
		write_file(path, "1\n");
		assert_int_equal(chown(path, NOBODY, NOBODY), 0);
		assert_replaced("is no numad");
	}
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(inside, sizeof(inside), "%s/file", path);
	write_file(inside, "");
	assert_int_equal(pidfile_write_numad(path, &file, &other), -EISDIR);
	assert_int_equal(unlink(inside), 0);
	/* A crash between two steps left this. */
	rmdir(path);
	snprintf(inside, sizeof(inside), "%s.placed", path);
	assert_int_equal(symlink(victim, inside), 0);
	assert_replaced("");
	assert_content(victim, "keep me");
}

/* A process called numad whose program has the name `program`. */
static pid_t start_numad(const char *program, uid_t uid)
{
	char program_path[128];
	int fds[2];
	pid_t pid;
	char byte;

	snprintf(program_path, sizeof(program_path), "cp /bin/sleep %s/%s", folder, program);
	assert_int_equal(system(program_path), 0);
	snprintf(program_path, sizeof(program_path), "%s/%s", folder, program);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		if (uid && setuid(uid) < 0)
			_exit(1);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (strcmp(program, "numad") != 0) {
			char link_path[128];

			snprintf(link_path, sizeof(link_path), "%s/numad", folder);
			(void)!symlink(program_path, link_path);
			execl(link_path, "numad", "1000", NULL);
		}
		execl(program_path, "numad", "1000", NULL);
		_exit(1);
	}
	close(fds[1]);
	/* Until it runs the other program. */
	assert_int_equal(read(fds[0], &byte, 1), 0);
	close(fds[0]);
	return pid;
}

static void stop_numad(pid_t pid, const char *program)
{
	char program_path[128];
	int status;

	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	snprintf(program_path, sizeof(program_path), "%s/%s", folder, program);
	assert_int_equal(unlink(program_path), 0);
	snprintf(program_path, sizeof(program_path), "%s/numad", folder);
	(void)unlink(program_path);
}

static void name_process(pid_t pid)
{
	char text[32];

	snprintf(text, sizeof(text), "%d\n", (int)pid);
	write_file(path, text);
}

static void test_numad_that_runs(void **state)
{
	struct pidfile file = PIDFILE_NONE;
	char text[32];
	pid_t other = 0, pid;

	(void)state;
	if (geteuid() != 0)
		skip();
	pid = start_numad("numad", 0);
	name_process(pid);
	assert_int_equal(pidfile_write_numad(path, &file, &other), -EEXIST);
	assert_int_equal(other, pid);
	assert_int_equal(file.fd, -1);
	snprintf(text, sizeof(text), "%d\n", (int)pid);
	assert_content(path, text);
	stop_numad(pid, "numad");
	assert_replaced("Removing out-of-date");
	/* Anybody can call a process so. */
	pid = start_numad("numad", NOBODY);
	name_process(pid);
	assert_replaced("is no numad");
	stop_numad(pid, "numad");
	/* Our own, whose files somebody has removed. */
	pid = start_numad("placed", 0);
	name_process(pid);
	assert_int_equal(pidfile_write_numad(path, &file, &other), -EEXIST);
	assert_int_equal(other, pid);
	stop_numad(pid, "placed");
	pid = start_numad("placed", NOBODY);
	name_process(pid);
	assert_replaced("is no numad");
	stop_numad(pid, "placed");
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_take),
		IN_FOLDER(test_left_over),
		IN_FOLDER(test_children_hold_nothing),
		IN_FOLDER(test_own_place_taken),
		IN_FOLDER(test_release_leaves_others),
		IN_FOLDER(test_never_two),
		IN_FOLDER(test_numad_replaced),
		IN_FOLDER(test_numad_place_taken),
		IN_FOLDER(test_numad_that_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
