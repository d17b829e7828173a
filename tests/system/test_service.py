# SPDX-License-Identifier: LGPL-2.1-or-later
# init/: the unit's rights and that systemd takes it, the init script, the log's and the folder's rules. No systemd
# runs for this: its tools read the files, and the init script starts a daemon in a box.

"""The service files."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

from box import BUILD, NOBODY, SOURCE, comm, descendants, needs_root, until

INIT = SOURCE / "init"
EXPOSURE_MAX = 2.0
LIMIT_S = 20
KEYS = (0xDEADBEEF, 0xADDAADDA)

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="package systemd is not here")


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env={**os.environ, "SYSTEMD_COLORS": "0", "LC_ALL": "C"}, text=True, check=False)


@needs_systemd
def test_exposure():
    done = analyze("security", "--offline=yes", INIT / "placed.service")
    assert done.returncode == 0, done.stdout
    level = float(re.search(r"Overall exposure level for placed\.service: ([0-9.]+)", done.stdout)[1])
    assert level <= EXPOSURE_MAX, done.stdout


@needs_systemd
def test_systemd_takes_it(tmp_path):
    """Unknown settings, missing programs and wrong values are all said on the output."""
    text = (INIT / "placed.service").read_text()
    text = text.replace("/usr/bin/placed", str(BUILD / "placed"))
    text = text.replace("/usr/libexec/placed/claim-queues", str(BUILD / "daemon/claim-queues"))
    (tmp_path / "placed.service").write_text(text)
    shutil.copy(INIT / "placed.socket", tmp_path)
    for name in ("placed.service", "placed.socket"):
        done = analyze("verify", "--man=no", "--recursive-errors=no", tmp_path / name)
        assert done.returncode == 0 and done.stdout == "", done.stdout


def settings(name):
    """Settings of a unit in their order; one that is given several times is a list."""
    found = {}
    for line in (INIT / name).read_text().splitlines():
        match = re.fullmatch(r"(\w+)=(.*)", line)
        if match:
            found.setdefault(match[1], []).append(match[2])
    return found


def test_what_the_unit_must_not_take_away():
    """Each of these would break something that is seen on a host only, so it stands here."""
    unit = settings("placed.service")
    assert unit["PrivateIPC"] == ["no"], "numad's queues"
    assert unit["PrivateUsers"] == ["no"], "other users' processes"
    assert unit["ProtectControlGroups"] == ["no"], "cpusets"
    assert unit["ProtectProc"] == ["default"], "other users' /proc"
    assert unit["SystemCallFilter"][-1] == "move_pages sched_setaffinity mlockall"
    assert set(unit["CapabilityBoundingSet"][0].split()) == {"CAP_SYS_NICE", "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH"}
    assert unit["KillMode"] == ["process"], "a child that hangs would hold up a stop"
    assert unit["RuntimeDirectoryPreserve"] == ["yes"], "the ledger"
    assert "/run" in unit["ReadWritePaths"], "numad.pid"
    assert unit["Type"] == ["notify"] and int(unit["WatchdogSec"][0]) > 0


def test_in_place_of_numad():
    unit = settings("placed.service")
    assert unit["Alias"] == ["numad.service"]
    assert "Conflicts" not in unit
    assert unit["Before"] == ["libvirtd.service virtqemud.service"]
    assert "-/etc/default/numad" in unit["EnvironmentFile"][0]
    assert unit["ExecStart"][0].endswith(" --foreground $DAEMON_ARGS")


@pytest.mark.skipif(not shutil.which("systemctl"), reason="package systemd is not here")
def test_enabled_it_is_numad(tmp_path):
    """A foreign numad.service cannot be started any more: the name is ours."""
    units = tmp_path / "usr/lib/systemd/system"
    units.mkdir(parents=True)
    shutil.copy(INIT / "placed.service", units)
    (units / "numad.service").write_text("[Service]\nExecStart=/usr/bin/numad\n")
    done = subprocess.run(["systemctl", f"--root={tmp_path}", "enable", "placed.service"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    enabled = tmp_path / "etc/systemd/system"
    assert os.readlink(enabled / "numad.service").endswith("/placed.service")
    assert os.path.lexists(enabled / "multi-user.target.wants/placed.service")


def test_every_right_that_is_kept_has_a_reason():
    """What says no, or lists what is allowed, stands below a comment of its own."""
    lines = (INIT / "placed.service").read_text().splitlines()
    kept = re.compile(r"(\w+=no$|CapabilityBoundingSet=.|ReadWritePaths=|RestrictAddressFamilies=|ProtectProc=default|"
                      r"ProcSubset=all|ProtectHome=read-only|ExecStartPre=.*\+)")
    for number, line in enumerate(lines):
        if kept.match(line):
            above = number - 1
            while re.match(r"\w+=", lines[above]):
                above -= 1
            assert lines[above].startswith("# "), line


def test_socket_is_ours():
    unit = settings("placed.socket")
    assert unit["ListenSequentialPacket"] == ["/run/placed/socket"]


# ---- in the sandbox -------------------------------------------------------------------------------


def status_of(box):
    """Lines of the daemon's status, through its socket."""
    lines = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.settimeout(LIMIT_S)
        client.connect(str(box.path("run/placed/socket")))
        client.send(b'placed 1 command verb=status argument=""')
        while True:
            said = client.recv(65536).decode()
            if not said.startswith("line"):
                return "".join(lines)
            lines.append(said)


class Systemd:
    """systemd as the first process of its own namespaces, with our units and the test's programs."""

    def __init__(self, folder, unit, programs):
        units, bins = folder / "units", folder / "bin"
        units.mkdir()
        bins.mkdir()
        (units / "placed.service").write_text(unit)
        for path in programs:
            shutil.copy(path, bins / path.name)
        self.holder = subprocess.Popen([SOURCE / "tests/system/systemd_box", units, bins],
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.pid = None
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end and self.holder.poll() is None:
            self.pid = next((pid for pid in descendants(self.holder.pid) if comm(pid) == "systemd"), None)
            if self.pid and self.control("is-active", "box.target").stdout == "active\n":
                return
            time.sleep(0.05)
        self.close()
        pytest.skip("systemd does not run here: " + self.holder.stdout.read())

    def command(self, *arguments):
        return ["nsenter", "-t", str(self.pid), "-m", "-i", "-n", "-p", "--", *map(str, arguments)]

    def control(self, *arguments):
        return subprocess.run(self.command("systemctl", *arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, check=False, timeout=60)

    def run(self, *arguments):
        return subprocess.run(self.command(*arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False, timeout=60)

    def show(self, what):
        return self.control("show", "--value", "-p", what, "placed.service").stdout.strip()

    def path(self, name):
        return pathlib.Path(f"/proc/{self.pid}/root") / name

    def main_pid(self):
        """As we see it."""
        inner = self.show("MainPID")
        for pid in descendants(self.pid):
            if f"\t{inner}\n" in pathlib.Path(f"/proc/{pid}/status").read_text().split("NSpid:")[1].split("NSpgid")[0]:
                return pid
        return pytest.fail(f"no process {inner} of the service")

    def close(self):
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self.holder.wait(LIMIT_S)


@pytest.fixture
def systemd(tmp_path):
    """A function that starts one, for a unit with changes: (old, new) pairs."""
    made = []

    def start(*changes, program=BUILD / "daemon/placed"):
        text = (INIT / "placed.service").read_text()
        for old, new in (("/usr/bin/placed ", f"/run/bin/{program.name} "),
                         ("/usr/libexec/placed/", "/run/bin/"), *changes):
            assert old in text
            text = text.replace(old, new)
        made.append(Systemd(tmp_path, text, [program, BUILD / "daemon/claim-queues"]))
        return made[0]

    yield start
    for box in made:
        box.close()


@needs_root
@needs_systemd
def test_service_runs(systemd):
    """The daemon itself: it answers, takes orders and reloads in its sandbox, and leaves what outlives it."""
    box = systemd()
    box.path("var/log/numad.log").touch()
    make_queues(box, *NOBODY)
    done = box.control("start", "placed.service")
    assert done.returncode == 0, done.stdout + box.control("status", "placed.service").stdout
    status = pathlib.Path(f"/proc/{box.main_pid()}/status").read_text()
    for line in ("CapEff:\t0000000000880004", "CapBnd:\t0000000000880004", "NoNewPrivs:\t1", "Seccomp:\t2"):
        assert line + "\n" in status
    # Who has no CAP_SYS_RESOURCE here cannot give it that limit.
    limits = pathlib.Path(f"/proc/{box.main_pid()}/limits").read_text()
    if re.search(r"^Max locked memory +unlimited", limits, re.M):
        assert re.search(r"^VmLck:\s+[1-9]", status, re.M), "its memory is locked"
    assert box.path("run/placed/placed.pid").read_text().strip() == box.show("MainPID")
    assert box.path("run/numad.pid").read_text().strip() == box.show("MainPID")
    queues_here = [line.split() for line in box.run("cat", "/proc/sysvipc/msg").stdout.splitlines()[1:]]
    assert [(row[2], row[7], row[9]) for row in queues_here] == [("600", "0", "0")] * 2, "numad's queues, from nobody"
    for arguments in (["-w", "1:1"], ["-u", "88"], ["-w", "1:1"]):
        done = box.run(BUILD / "placed", *arguments)
        assert done.returncode == 0 and done.stderr == "", done
    assert box.path("run/placed/promises").read_text().count("memory_bytes") == 2
    assert box.control("reload", "placed.service").returncode == 0
    assert box.show("ActiveState") == "active"
    assert box.control("restart", "placed.service").returncode == 0
    assert box.path("run/placed/promises").read_text().count("memory_bytes") == 2
    assert box.control("stop", "placed.service").returncode == 0
    assert box.show("Result") == "success"
    assert not {"socket", "placed.pid"} & set(os.listdir(box.path("run/placed")))
    assert box.path("run/placed/promises").exists()
    assert not box.path("run/numad.pid").exists()
    assert len(box.run("cat", "/proc/sysvipc/msg").stdout.splitlines()) == 1
    assert box.run(BUILD / "placed", "-w", "1:1").returncode == 0


@needs_root
@needs_systemd
def test_guests_are_read_in_the_sandbox(systemd):
    """A guest of another user's: looked at by a child of the daemon, which inherits the sandbox."""
    box = systemd()
    shutil.copy("/bin/sleep", box.path("run/bin/qemu-system-x86_64"))
    guest = subprocess.Popen(box.command(*NOBODY, "sh", "-c", "echo $$; exec /run/bin/qemu-system-x86_64 1000"),
                             stdout=subprocess.PIPE, text=True)
    inner = guest.stdout.readline().strip()
    assert box.control("start", "placed.service").returncode == 0
    until(lambda: f" pid={inner} " in status_of(box), "the guest")
    line, = (line for line in status_of(box).splitlines() if f" pid={inner} " in line)
    assert 'class="free"' in line and 'bytes_source="samples"' in line
    guest.kill()
    guest.wait()


@needs_root
@needs_systemd
def test_socket_unit_starts_the_daemon(systemd):
    box = systemd()
    shutil.copy(INIT / "placed.socket", box.path("run/units"))
    box.control("daemon-reload")
    assert box.control("start", "placed.socket").returncode == 0
    assert box.show("ActiveState") == "inactive"
    assert box.run(BUILD / "placed", "-w", "1:1").returncode == 0
    until(lambda: box.show("ActiveState") == "active", "the unit")
    done = box.run(BUILD / "placed", "-u", "88")
    assert done.returncode == 0 and done.stderr == ""
    assert box.control("stop", "placed.service", "placed.socket").returncode == 0
    assert not box.path("run/placed/socket").exists()


@needs_root
@needs_systemd
def test_stop_does_not_wait_for_a_child(systemd):
    """One that hangs in the kernel: here it has only never heard of us, and nobody kills it."""
    box = systemd(("--foreground", "--foreground --child"), ("TimeoutStopSec=10", "TimeoutStopSec=50"),
                  program=BUILD / "tests/system/life_server")
    assert box.control("start", "placed.service").returncode == 0
    child, = descendants(box.main_pid())
    assert box.control("stop", "placed.service").returncode == 0
    assert (box.show("Result"), box.show("ActiveState")) == ("success", "inactive")
    os.kill(child, 0)
    assert box.control("start", "placed.service").returncode == 0
    os.kill(child, signal.SIGKILL)


@needs_root
@needs_systemd
def test_watchdog_restarts_what_hangs(systemd):
    box = systemd(("WatchdogSec=30", "WatchdogSec=3"))
    assert box.control("start", "placed.service").returncode == 0
    first = box.main_pid()
    time.sleep(4)
    assert box.main_pid() == first, "it hangs by itself"
    os.kill(first, signal.SIGSTOP)
    until(lambda: box.show("NRestarts") != "0" and box.show("ActiveState") == "active", "the restart")
    assert box.show("NRestarts") == "1" and box.main_pid() != first


@needs_root
@needs_systemd
def test_what_the_sandbox_allows(systemd):
    """The daemon's work on a guest of another user, and its files; and what it has no business to do."""
    box = systemd(("Type=notify", "Type=oneshot"), ("--foreground $DAEMON_ARGS", "$DAEMON_ARGS"),
                  ("Restart=on-failure", "Restart=no"), ("WatchdogSec=30\n", ""),
                  program=BUILD / "tests/system/rights_probe")
    guest = subprocess.Popen(box.command(*NOBODY, "sh", "-c", "echo $$; exec sleep 1000"), stdout=subprocess.PIPE, text=True)
    inner = guest.stdout.readline().strip()
    box.path("var/log/numad.log").touch()
    unit = box.path("run/units/placed.service")
    unit.write_text(unit.read_text().replace("Environment=DAEMON_ARGS=", f"Environment=DAEMON_ARGS={inner}"))
    box.control("daemon-reload")
    done = box.control("start", "placed.service")
    assert done.returncode == 0, done.stdout + box.control("status", "placed.service").stdout
    assert box.path("run/probe").read_text() == "all well\n"
    guest.kill()
    guest.wait()


# ---- queues that somebody made before us ----------------------------------------------------------


def make_queues(box, *before):
    """As anybody can: no program needs to be installed for it but Python's ctypes."""
    script = ("import ctypes, sys\n"
              "for key in sys.argv[1:]:\n"
              "    assert ctypes.CDLL(None).msgget(ctypes.c_int(int(key)), 0o1660) >= 0\n")
    done = box.run(*before, "/usr/bin/python3", "-c", script, *KEYS)
    assert done.returncode == 0, done.stderr


def queues(box):
    """{key: (id, mode, owner, creator)}"""
    lines = box.shell("cat /proc/sysvipc/msg").stdout.splitlines()[1:]
    rows = [line.split() for line in lines]
    return {int(row[0]) & 0xFFFFFFFF: (int(row[1]), row[2], int(row[7]), int(row[9])) for row in rows}


@needs_root
def test_queues_of_nobody_become_roots(box):
    make_queues(box, *NOBODY)
    assert all(queues(box)[key][2:] == (65534, 65534) for key in KEYS)
    done = box.run(BUILD / "daemon/claim-queues")
    assert done.returncode == 0 and done.stderr == ""
    assert all(queues(box)[key][1:] == ("600", 0, 0) for key in KEYS)


@needs_root
def test_queues_of_root_stay(box):
    make_queues(box)
    before = queues(box)
    assert box.run(BUILD / "daemon/claim-queues").returncode == 0
    assert queues(box) == before


@needs_root
def test_queues_are_made_where_there_are_none(box):
    assert box.run(BUILD / "daemon/claim-queues").returncode == 0
    assert set(queues(box)) == set(KEYS)


@needs_root
def test_without_rights_it_says_so(box):
    make_queues(box, *NOBODY)
    done = box.run("setpriv", "--bounding-set", "-sys_admin", BUILD / "daemon/claim-queues")
    assert done.returncode == 1
    assert "0xdeadbeef" in done.stderr and "not permitted" in done.stderr


# ---- the init script ------------------------------------------------------------------------------


@pytest.fixture
def script(box):
    """A command of the init script, for a daemon that only lives."""
    text = (INIT / "init.d/placed").read_text()
    path = box.root / "run/init-script"
    path.write_text(text.replace("/usr/bin/placed", "/run/living/placed").replace("/etc/default/", "/run/default/"))
    path.chmod(0o755)
    (box.root / "run/living").mkdir()
    (box.root / "run/living/placed").symlink_to(BUILD / "tests/system/life_server")
    return lambda verb: box.run("/run/init-script", verb)


@needs_root
def test_init_script(box, script):
    pid_path = box.root / "run/placed/placed.pid"
    assert script("status").returncode == 3
    assert script("start").returncode == 0
    pid = pid_path.read_text()
    assert script("status").returncode == 0
    again = script("start")
    assert again.returncode == 0 and "already" in again.stdout
    assert pid_path.read_text() == pid
    assert script("force-reload").returncode == 0
    assert script("restart").returncode == 0
    assert pid_path.read_text() != pid
    assert script("stop").returncode == 0
    assert not pid_path.exists()
    assert script("stop").returncode == 0
    assert script("reload").returncode == 7
    assert script("try-restart").returncode == 0
    assert not pid_path.exists()
    assert script("dance").returncode == 2


@needs_root
def test_init_script_after_a_crash(box, script):
    script("start")
    box.shell("kill -KILL $(cat /run/placed/placed.pid)")
    assert script("status").returncode == 1
    assert script("start").returncode == 0
    assert script("stop").returncode == 0
    # Another program has the pid by now.
    (box.root / "run/placed/placed.pid").write_text("1\n")
    assert script("status").returncode == 1
    assert script("stop").returncode == 0


@needs_root
def test_init_script_passes_a_failure_on(box, script):
    (box.root / "run/default").mkdir()
    (box.root / "run/default/placed").write_text('DAEMON_ARGS="--fail"\n')
    done = script("start")
    assert done.returncode == 1
    assert "it was to fail" in done.stderr


def test_init_script_header():
    """What insserv and update-rc.d read."""
    text = (INIT / "init.d/placed").read_text()
    header = re.search(r"### BEGIN INIT INFO\n(.*?)### END INIT INFO", text, re.S)[1]
    fields = dict(re.findall(r"^# ([\w-]+): +(.*)$", header, re.M))
    assert fields["Provides"].split() == ["placed", "numad"]
    for name in ("Required-Start", "Required-Stop", "Default-Start", "Default-Stop", "Short-Description"):
        assert fields[name]


# ---- the rest ---------------------------------------------------------------------------------------


@needs_root
@pytest.mark.skipif(not shutil.which("systemd-tmpfiles"), reason="package systemd is not here")
def test_tmpfiles(box):
    box.shell("systemd-tmpfiles --create \"$1\"", INIT / "tmpfiles.d/placed.conf")
    assert (box.root / "run/placed").stat().st_mode & 0o7777 == 0o755
    log = box.root / "var/log/numad.log"
    assert log.stat().st_mode & 0o7777 == 0o644
    log.write_text("a line\n")
    box.shell("systemd-tmpfiles --create \"$1\"", INIT / "tmpfiles.d/placed.conf")
    assert log.read_text() == "a line\n"


@needs_root
@pytest.mark.skipif(not shutil.which("logrotate"), reason="package logrotate is not here")
def test_logrotate(box):
    log = box.root / "var/log/numad.log"
    log.write_text("x" * (2 << 20))
    inode = log.stat().st_ino
    box.shell("cp \"$1\" /run/rules; chmod 644 /run/rules; logrotate -s /run/rotated /run/rules",
              INIT / "logrotate.d/numad")
    assert log.stat().st_ino == inode and log.stat().st_size == 0
    assert (box.root / "var/log/numad.log.1.gz").exists()
