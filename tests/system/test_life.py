# SPDX-License-Identifier: LGPL-2.1-or-later
# Start and stop of the daemon: what its caller sees, what it inherits, signals, systemd's protocol, and what
# is left behind. Boxes, so that nothing of this machine's is touched.

"""The daemon's life."""

import contextlib
import fcntl
import os
import pathlib
import re
import signal
import socket
import subprocess

import pytest

from box import BUILD, NOBODY, comm, descendants, needs_root, until

pytestmark = needs_root
DAEMON = BUILD / "daemon/placed"
# The same start-up list around an empty loop, which can be told to fail, to hang and to have children.
LIVING = BUILD / "tests/system/life_server"
OUR_PID, NUMAD_PID = "run/placed/placed.pid", "run/numad.pid"
LIMIT_S = 20


def read(path):
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def inmates(box):
    """Our pid and the box's pid of each process in the box: nsenter's are no descendants of its holder."""
    inside = os.stat(f"/proc/{box.pid}/ns/pid").st_ino
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            if os.stat(folder / "ns/pid").st_ino == inside:
                status = (folder / "status").read_text()
                if not re.search(r"^State:\s*Z", status, re.M):
                    yield int(folder.name), int(re.search(r"^NSpid:.*\t(\d+)$", status, re.M)[1])


def outer_pid(box, inner):
    return next((pid for pid, inside in inmates(box) if inside == inner), None)


def daemon_pid(box):
    """The daemon's pid as we see it, from its pid file."""
    text = read(box.root / OUR_PID)
    return outer_pid(box, int(text)) if text else None


def running(box):
    """All processes of the daemon's program in the box, parents that wait and children too."""
    return [pid for pid, _ in inmates(box) if comm(pid) in (DAEMON.name, LIVING.name)]


def start(box, program=DAEMON):
    done = box.run(program)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "" and done.stderr == ""
    pid = daemon_pid(box)
    assert pid
    until(lambda: running(box) == [pid], "its parent's and its child's end")
    return pid


def stop(box, pid, signo=signal.SIGTERM):
    os.kill(pid, signo)
    until(lambda: not running(box), "the stop")


def assert_nothing_left(box):
    assert not (box.root / OUR_PID).exists()
    assert not os.path.lexists(box.root / NUMAD_PID)
    assert not (box.placed_dir / "socket").exists()
    queues = box.shell("cat /proc/sysvipc/msg").stdout.splitlines()
    assert len(queues) == 1, queues


def start_foreground(box, *arguments, **more):
    """With stdin, stdout and stderr as given: box.start() would leave nsenter between us."""
    process = box.start(DAEMON, "--foreground", *arguments, **more)
    until(lambda: daemon_pid(box) and len(running(box)) == 1, "the daemon")
    return process


# ---- in the background --------------------------------------------------------------------------


def test_start_and_stop(box):
    pid = start(box)
    for name in (OUR_PID, NUMAD_PID):
        assert outer_pid(box, int((box.root / name).read_text())) == pid
        assert (box.root / name).stat().st_mode & 0o7777 == 0o644
    stop(box, pid)
    assert_nothing_left(box)


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGQUIT])
@pytest.mark.parametrize("mode", [(), ("--foreground",)])
def test_signals_that_stop(box, signo, mode):
    if mode:
        process = start_foreground(box)
        os.kill(daemon_pid(box), signo)
        assert process.wait(LIMIT_S) == 0
    else:
        stop(box, start(box), signo)
    assert_nothing_left(box)


def test_interrupt_in_the_foreground(box):
    process = start_foreground(box)
    os.kill(daemon_pid(box), signal.SIGINT)
    assert process.wait(LIMIT_S) == 0
    assert_nothing_left(box)


def test_stdio_is_null(box):
    """The caller's pipes are let go: whoever reads them to their end is not kept waiting."""
    pid = start(box)
    for fd in range(3):
        assert os.readlink(f"/proc/{pid}/fd/{fd}") == "/dev/null"
    process = box.start("sh", "-c", f"{DAEMON} --foreground & wait", stderr=subprocess.PIPE)
    assert process.communicate(timeout=LIMIT_S)[0] == ""
    stop(box, pid)


def test_nothing_is_inherited(box):
    """Descriptors, umask, ignored and blocked signals, the working directory, the session."""
    script = ("exec 5</dev/null 6>/run/held 77<>/run/held 200</dev/zero; trap '' HUP CHLD TERM; cd /tmp; "
              "umask 000; ulimit -Sn 500; exec \"$1\"")
    done = box.run("bash", "-c", script, "bash", DAEMON)
    assert done.returncode == 0 and done.stderr == ""
    pid = daemon_pid(box)
    folder = pathlib.Path(f"/proc/{pid}/fd")
    opened = {int(fd): os.readlink(folder / fd) for fd in os.listdir(folder)}
    assert not {"/run/held", "/dev/zero"} & set(opened.values()), opened
    assert not {77, 200} & set(opened)
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    status = read(pathlib.Path(f"/proc/{pid}/status"))
    assert re.search(r"^Umask:\t0022$", status, re.M)
    assert int(re.search(r"^SigIgn:\t(\w+)$", status, re.M)[1], 16) == 1 << (signal.SIGPIPE - 1)
    assert os.getsid(pid) == pid
    assert read(pathlib.Path(f"/proc/{pid}/stat")).rsplit(")", 1)[1].split()[4] == "0", "a controlling terminal"
    limits = read(pathlib.Path(f"/proc/{pid}/limits"))
    soft, hard = re.search(r"^Max open files\s+(\S+)\s+(\S+)", limits, re.M).groups()
    assert soft == hard
    for fd, path in opened.items():
        flags = re.search(r"^flags:\s+(\d+)", read(pathlib.Path(f"/proc/{pid}/fdinfo/{fd}")), re.M)
        # Some are opened for a moment only.
        assert fd < 3 or not flags or int(flags[1], 8) & os.O_CLOEXEC, path
    os.kill(pid, signal.SIGHUP)
    stop(box, pid)
    assert_nothing_left(box)


def test_only_three_capabilities_are_left(box):
    pid = start(box)
    status = read(pathlib.Path(f"/proc/{pid}/status"))
    for line in ("CapEff", "CapPrm", "CapBnd"):
        assert re.search(rf"^{line}:\t0000000000880004$", status, re.M), status
    assert re.search(r"^NoNewPrivs:\t1$", status, re.M)
    assert re.search(r"^Uid:\t0\t0\t0\t0$", status, re.M)
    stop(box, pid)


def test_failure_is_the_callers_to_see(box):
    done = box.run(LIVING, "--fail")
    assert done.returncode == 7
    assert done.stderr == "life_server: it was to fail\n"
    assert not running(box)
    (box.root / "run/placed").mkdir()
    (box.root / OUR_PID).mkdir()
    done = box.run(DAEMON)
    assert done.returncode == 1
    assert OUR_PID in done.stderr
    assert not running(box)


def test_killed_before_it_was_ready(box):
    process = box.start(LIVING, "--hang")
    pid = until(lambda: daemon_pid(box), "the pid file")
    os.kill(pid, signal.SIGKILL)
    assert process.wait(LIMIT_S) == 1
    assert "signal 9" in process.stderr.read()


def test_start_that_was_given_up(box):
    """Whoever waited for it is gone: it does not stay behind."""
    process = box.start(LIVING, "--hang")
    pid = until(lambda: daemon_pid(box), "the pid file")
    for parent in running(box):
        if parent != pid:
            os.kill(parent, signal.SIGKILL)
    process.wait(LIMIT_S)
    until(lambda: running(box) == [pid], "no other")
    (box.root / "run/go").touch()
    until(lambda: not running(box), "its end")
    assert_nothing_left(box)


# ---- one at a time ------------------------------------------------------------------------------


def test_second_start_says_so(box):
    pid = start(box)
    inner = int((box.root / OUR_PID).read_text())
    for mode, status in (((), 0), (("--foreground",), 1)):
        done = box.run(DAEMON, *mode)
        assert done.returncode == status
        assert f"PID {inner}" in done.stderr
        assert running(box) == [pid]
    assert outer_pid(box, int((box.root / NUMAD_PID).read_text())) == pid
    stop(box, pid)
    assert_nothing_left(box)


def test_second_start_while_the_first_is_stopped(box):
    """It cannot be asked then; its pid file says it all the same."""
    pid = start(box)
    inner = int((box.root / OUR_PID).read_text())
    os.kill(pid, signal.SIGSTOP)
    done = box.run(DAEMON)
    assert f"PID {inner}" in done.stderr or "a daemon is there" in done.stderr
    assert running(box) == [pid]
    os.kill(pid, signal.SIGCONT)
    stop(box, pid)
    assert_nothing_left(box)


def test_process_is_called_numad(box):
    """Whatever its file is called: pgrep -x numad, and who compares comm."""
    done = box.run("bash", "-c", "exec -a /usr/bin/numad \"$1\"", "bash", DAEMON)
    assert done.returncode == 0, done.stderr
    pid = daemon_pid(box)
    assert comm(pid) == "numad"
    os.kill(pid, signal.SIGTERM)
    until(lambda: not daemon_pid(box), "the stop")
    assert_nothing_left(box)


def test_start_by_nobody(box):
    done = box.run(*NOBODY, DAEMON)
    assert done.returncode == 1 and done.stderr.startswith(str(DAEMON))
    assert not running(box) and not box.placed_dir.exists()
    pid = start(box)
    done = box.run(*NOBODY, DAEMON)
    assert running(box) == [pid], done.stderr
    stop(box, pid)
    assert_nothing_left(box)


def test_folder_that_others_may_write(box):
    """Who can rename our pid file can start a second daemon."""
    box.shell("mkdir /run/placed; chmod 777 /run/placed")
    done = box.run(DAEMON)
    assert done.returncode == 1 and "/run/placed" in done.stderr, done
    assert not running(box)
    assert not (box.root / OUR_PID).exists() and not os.path.lexists(box.root / NUMAD_PID)


def test_twenty_at_once(box):
    for _ in range(3):
        starting = [box.start(DAEMON) for _ in range(20)]
        for process in starting:
            said = process.communicate(timeout=LIMIT_S)[1]
            assert said == "" or "running already" in said, said
            assert process.returncode == 0
        pid = daemon_pid(box)
        until(lambda: running(box) == [pid], "the ends of the others")  # pylint: disable=cell-var-from-loop
        assert outer_pid(box, int((box.root / NUMAD_PID).read_text())) == pid
        stop(box, pid)
        assert_nothing_left(box)


def test_kill_and_restart(box):
    """Nothing is lost: what was promised still holds. Nothing is left: the next stop leaves no more than any."""
    pid = start(box)
    for n in range(1, 6):
        assert box.ask(f"1:{n}").returncode == 0
        stop(box, pid, signal.SIGKILL)
        assert (box.root / OUR_PID).exists()
        pid = start(box)
        assert outer_pid(box, int((box.root / NUMAD_PID).read_text())) == pid
        assert [promise[2] >> 20 for promise in box.promises()] == [*range(1, n + 1)]
        assert len(box.shell("cat /proc/sysvipc/msg").stdout.splitlines()) == 3
    stop(box, pid)
    assert_nothing_left(box)
    assert len(box.promises()) == 5


def test_child_of_the_killed_one_holds_nothing(box):
    """A child that hangs in the kernel lives on; here it only sleeps, which is the same to its descriptors."""
    box.run(LIVING, "--child")
    pid = daemon_pid(box)
    os.kill(pid, signal.SIGKILL)
    child, = until(lambda: [left for left in running(box) if left != pid], "the death")
    done = box.run(DAEMON)
    assert done.returncode == 0, done.stderr
    until(lambda: set(running(box)) == {child, daemon_pid(box)}, "one daemon and the child")
    assert box.ask().returncode == 0
    os.kill(child, signal.SIGKILL)
    stop(box, daemon_pid(box))
    assert_nothing_left(box)


@pytest.mark.parametrize("spoil", ["ln -s /run/victim /run/numad.pid", "mkfifo /run/numad.pid", "mkdir /run/numad.pid",
                                   "echo 2147483647 >/run/numad.pid", "echo hello >/run/numad.pid",
                                   "echo 1 >/run/numad.pid", "echo 1 >/run/numad.pid; chown 65534 /run/numad.pid"])
def test_numads_pid_file_is_replaced(box, spoil):
    box.shell("echo keep me >/run/victim; " + spoil)
    pid = start(box)
    assert outer_pid(box, int((box.root / NUMAD_PID).read_text())) == pid
    assert (box.root / NUMAD_PID).stat().st_mode & 0o170777 == 0o100644
    stop(box, pid)
    assert (box.root / "run/victim").read_text() == "keep me\n"
    assert_nothing_left(box)


def test_its_files_were_removed(box):
    """No second one beside it, and who tells it to stop is heard."""
    pid = start(box)
    box.shell("rm -r /run/placed")
    done = box.run(DAEMON)
    assert done.returncode == 1
    assert "another placed is running, as PID" in done.stderr
    os.kill(pid, signal.SIGKILL)
    until(lambda: not running(box), "the end")
    pid = start(box)
    box.shell("rm /run/placed/socket")
    done = box.run("/run/ours/placed", "-i", "0")
    assert (done.returncode, done.stderr) == (0, "")
    until(lambda: not running(box), "the end")
    assert_nothing_left(box)


def test_foreign_numad_runs(box):
    """Two that move guests are one too many."""
    box.shell("mkdir /run/theirs; cp /bin/sleep /run/theirs/numad; /run/theirs/numad 1000 >/dev/null 2>&1 & "
              "echo $! >/run/numad.pid")
    inner = int((box.root / NUMAD_PID).read_text())
    done = box.run(DAEMON)
    assert done.returncode == 1
    assert f"numad is running, as PID {inner}" in done.stderr
    assert int((box.root / NUMAD_PID).read_text()) == inner
    assert not (box.root / OUR_PID).exists()
    os.kill(outer_pid(box, inner), signal.SIGKILL)
    pid = start(box)
    stop(box, pid)


# ---- while it runs ------------------------------------------------------------------------------


def test_hangup_keeps_it_running(box):
    """It answers, and its log goes on in a new file where the old one was renamed."""
    log = box.root / "var/log/numad.log"
    box.shell("mkdir /run/conf; echo '[daemon]' >/run/conf/x; echo log_file=/var/log/numad.log >>/run/conf/x")
    assert box.run(DAEMON, "--config", "/run/conf/x").returncode == 0
    pid = daemon_pid(box)
    for n in range(1, 4):
        log.rename(f"{log}.{n}")
        os.kill(pid, signal.SIGHUP)
        until(log.exists, "the new log")
        assert box.ask("1:1").returncode == 0
    assert running(box) == [pid]
    stop(box, pid)
    assert_nothing_left(box)


def test_faulty_settings_at_a_hangup(box):
    box.shell("mkdir /run/conf; echo '[daemon]' >/run/conf/x")
    assert box.run(DAEMON, "--config", "/run/conf/x").returncode == 0
    pid = daemon_pid(box)
    box.shell("echo 'what is this' >>/run/conf/x")
    os.kill(pid, signal.SIGHUP)
    assert box.ask("1:1").returncode == 0
    assert running(box) == [pid]
    stop(box, pid)
    done = box.run(DAEMON, "--config", "/run/conf/x")
    assert done.returncode == 1 and "/run/conf/x:2" in done.stderr
    assert_nothing_left(box)


def command(box, verb):
    """Through the socket, as placectl does it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.settimeout(LIMIT_S)
        client.connect(str(box.placed_dir / "socket"))
        client.send(f'placed 1 command verb={verb} argument=""'.encode())
        while True:
            said = client.recv(65536).decode()
            if not said.startswith("line"):
                return said


def test_what_is_no_socket(box):
    """The start has failed, whatever its caller; and nobody is told of the end of what never began."""
    box.shell("mkdir -m 755 /run/placed; touch /run/placed/socket; printf '[daemon]\\nlog_file = /run/lines\\n' >/run/conf")
    done = box.run(DAEMON, "--config", "/run/conf")
    assert done.returncode == 1 and "is no socket" in done.stderr, done
    assert not running(box) and not (box.root / OUR_PID).exists()
    assert "Shutting down" not in read(box.root / "run/lines")
    (box.placed_dir / "socket").unlink()
    done = box.run(DAEMON, "--config", "/run/conf")
    assert done.returncode == 0, done
    stop(box, daemon_pid(box))
    assert "Shutting down" in read(box.root / "run/lines")


def test_settings_by_a_relative_path(box):
    """The working directory becomes /; the file is found again all the same."""
    box.shell("mkdir /run/conf; echo '[daemon]' >/run/conf/x; cd /run/conf; \"$1\" --config x", DAEMON)
    assert command(box, "reload").startswith("ok")
    (box.root / "run/conf/x").unlink()
    assert command(box, "reload").startswith("error")
    stop(box, daemon_pid(box))


def test_stop_by_numads_option(box):
    start(box)
    done = box.run("/run/ours/numad", "-i", "0")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert_nothing_left(box)
    done = box.run("/run/ours/numad", "-i", "0")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_children_are_taken_up(box):
    pid = start(box, LIVING)
    until(lambda: "child\n" in read(box.root / "run/told"), "the child's end")
    assert [*descendants(pid)] == []
    stop(box, pid)


class Notify:
    """systemd's end of sd_notify(3)."""

    def __init__(self, box):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(box.root / "run/notify"))
        self.socket.settimeout(LIMIT_S)

    def take(self):
        return self.socket.recv(4096).decode().splitlines()

    def take_until(self, word):
        while True:
            lines = self.take()
            if word in lines:
                return lines
            assert lines == ["WATCHDOG=1"], lines


@pytest.fixture
def notify(box):
    made = Notify(box)
    yield made
    made.socket.close()


def under_systemd(*more):
    """As systemd executes it: WATCHDOG_PID is its own, which only the process itself knows."""
    return ["sh", "-c", "export NOTIFY_SOCKET=/run/notify WATCHDOG_USEC=200000 WATCHDOG_PID=$$; exec \"$@\"", "sh",
            DAEMON, "--foreground", *more]


def test_what_systemd_is_told(box, notify):
    process = box.start(*under_systemd())
    assert "READY=1" in notify.take_until("READY=1")
    pid = daemon_pid(box)
    until(lambda: running(box) == [pid], "no other")
    for _ in range(3):
        assert notify.take() == ["WATCHDOG=1"]
    os.kill(pid, signal.SIGHUP)
    assert any(line.startswith("MONOTONIC_USEC=") for line in notify.take_until("RELOADING=1"))
    assert notify.take_until("READY=1") == ["READY=1"]
    os.kill(pid, signal.SIGTERM)
    notify.take_until("STOPPING=1")
    assert process.wait(LIMIT_S) == 0
    assert_nothing_left(box)


def test_stopped_loop_is_seen_by_the_watchdog(box, notify):
    box.start(*under_systemd())
    notify.take_until("READY=1")
    pid = daemon_pid(box)
    os.kill(pid, signal.SIGSTOP)
    notify.socket.settimeout(1)
    with pytest.raises(TimeoutError):
        while True:
            notify.take()
    os.kill(pid, signal.SIGKILL)


def test_foreground_keeps_stderr(box):
    """A container has no log but this."""
    box.start("sh", "-c", "exec \"$1\" --foreground 2>/run/told", "sh", DAEMON)
    pid = until(lambda: daemon_pid(box), "the daemon")
    until(lambda: "placed: ready " in read(box.root / "run/told"), "what it says")
    assert os.readlink(f"/proc/{pid}/fd/1") == "/dev/null"
    stop(box, pid)
    assert "placed: stop " in read(box.root / "run/told")


def test_journal_keeps_stderr(box):
    """systemd connects stderr to the journal and says which file that is."""
    script = ("exec 2>/run/journal; export JOURNAL_STREAM=$(stat -Lc %d:%i /proc/self/fd/2); "
              "exec \"$1\" --foreground")
    box.start("bash", "-c", script, "bash", DAEMON)
    pid = until(lambda: daemon_pid(box), "the daemon")
    until(lambda: os.readlink(f"/proc/{pid}/fd/1") == "/dev/null", "its stdio")
    assert os.readlink(f"/proc/{pid}/fd/2") == "/run/journal"
    stop(box, pid)


def test_lock_is_the_proof(box):
    pid = start(box)
    with open(box.root / OUR_PID, "rb") as file:
        with pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        stop(box, pid)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
