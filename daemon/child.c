/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A child stays ours to kill for as long as it is ours to wait for. */
#include "child.h"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int child_open(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

bool child_is_there(pid_t pid)
{
	siginfo_t info;

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

bool child_runs(pid_t pid)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && !info.si_pid;
}

void child_kill(int pid_fd, pid_t pid)
{
	if (pid_fd >= 0)
		(void)syscall(SYS_pidfd_send_signal, pid_fd, SIGKILL, NULL, 0);
	else if (child_is_there(pid))
		(void)kill(pid, SIGKILL);
}

void child_close_between(int first, int end)
{
	if (end - first > 1)
		(void)close_range((unsigned)first + 1, (unsigned)end - 1, 0);
}
