# SPDX-License-Identifier: LGPL-2.1-or-later
# numad's option letters and the settings on a daemon that runs: what scripts and test suites do with numad, and the
# lines they wait for in its log.

"""Steering the running daemon."""

import os
import time

import pytest

from box import BUILD, NOBODY, needs_root, placectl, until

pytestmark = needs_root
LIMIT_S = 20
THP = "/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs"


class Daemon:
    """A daemon in a box, called numad, with settings of its own and a scan time that is not the machine's."""

    def __init__(self, box, *arguments, conf=""):
        self.box = box
        self.conf = box.root / "run/placed.conf"
        self.conf.write_text(conf)
        self.thp = box.root / "run/thp"
        self.thp.write_text("10000\n")
        if os.path.exists(THP):
            box.shell(f"mount --bind /run/thp {THP}")
        box.shell('mkdir /run/daemon && ln -s "$1" /run/daemon/numad', BUILD / "daemon/placed")
        done = box.run("/run/daemon/numad", "--config", "/run/placed.conf", *arguments)
        assert done.returncode == 0, done.stderr
        self.log_path = box.root / "var/log/numad.log"
        self.position = 0
        self.log("Registering numad version")

    def order(self, *arguments, **more):
        return self.box.run("/run/ours/numad", *arguments, **more)

    def log(self, expected):
        """Waits for a line that contains it; gives what was written since the line of the call before."""
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            lines = self.log_path.read_text().splitlines()[self.position:]
            found = next((i for i, line in enumerate(lines) if expected in line), None)
            if found is not None:
                self.position += found + 1
                return [line[26:] for line in lines[:found + 1]]
            time.sleep(0.01)
        return pytest.fail(f"no line {expected!r} in {self.log_path.read_text()}")

    def pid(self):
        return int((self.box.root / "run/numad.pid").read_text())

    def signal(self, number):
        self.box.shell(f"kill -{number} {self.pid()}")

    def kill(self):
        """The first process of the box reaps nobody: a zombie is gone enough."""
        self.box.shell('kill -KILL "$1"\n'
                       'while grep -q "^State:.[^Z]" "/proc/$1/status" 2>/dev/null; do sleep 0.01; done', self.pid())

    def wait_gone(self):
        until(lambda: not (self.box.root / "run/numad.pid").exists(), "the end")


LINES = [
    (["-C", "0"], "Counting inactive file cache as unavailable"),
    (["-C", "1"], "Counting inactive file cache as available"),
    (["-i", "5:10"], "Changing interval to 5:10"),
    (["-i", "12"], "Changing interval to 5:12"),
    (["-K", "0"], "Merging interleaved memory to localized NUMA nodes"),
    (["-K", "1"], "Keeping interleaved memory spread across nodes"),
    (["-l", "6"], "Changing log level to 6"),
    (["-d"], "Changing log level to 7"),
    (["-l", "5"], "Changing log level to 5"),
    (["-m", "80"], "Changing target memory locality to 80"),
    (["-S", "0"], "Scanning only explicit PID list processes"),
    (["-S", "1"], "Scanning all processes"),
    (["-t", "50"], "Changing logical CPU thread percent to 50"),
    (["-u", "50"], "Changing target utilization to 50"),
    (["-u", "100"], "Changing target utilization to 100"),
]


def test_each_letter_has_its_line(box):
    daemon = Daemon(box)
    for arguments, line in LINES:
        done = daemon.order(*arguments)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert daemon.log(line)[-1] == line


def test_all_letters_at_once(box):
    """In numad's order, whatever that of the line is."""
    daemon = Daemon(box)
    assert daemon.order("-u", "70", "-t", "30", "-S", "0", "-m", "60", "-K", "1", "-i", "7:8", "-C", "1",
                        "-l", "5").returncode == 0
    lines = daemon.log("Changing target utilization to 70")
    assert lines[-8:] == [
        "Counting inactive file cache as available", "Changing interval to 7:8",
        "Keeping interleaved memory spread across nodes", "Changing log level to 5",
        "Changing target memory locality to 60", "Scanning only explicit PID list processes",
        "Changing logical CPU thread percent to 30", "Changing target utilization to 70"]


def test_processes_on_lists(box):
    """-p and -x each with a PID of their own; one that is not there is refused, and the caller told."""
    daemon = Daemon(box)
    first, second = (box.shell("sleep 1000 >/dev/null 2>&1 & echo $!").stdout.strip() for _ in range(2))
    assert daemon.order("-p", first, "-x", second).returncode == 0
    assert daemon.log(f"Adding PID {second} to exclusion PID list")[-2] == \
        f"Adding PID {first} to inclusion PID list"
    assert daemon.order("-r", first).returncode == 0
    daemon.log(f"Removing PID {first} from explicit PID lists")
    done = daemon.order("-p", "4194303")
    assert done.returncode == 1
    assert "-p 4194303: " in done.stderr


def test_refused_and_ignored(box):
    """What numad's command line ignores is no order; what the daemon refuses has no line."""
    daemon = Daemon(box)
    assert daemon.order("-u", "9", "-m", "101", "-t", "101").returncode == 0
    assert daemon.order("-x", "0").returncode == 1
    assert daemon.order("-u", "85").returncode == 0
    assert daemon.log("Changing target utilization") == ["Changing target utilization to 85"]


def test_nobody_steers(box):
    daemon = Daemon(box)
    for arguments in (["-u", "20"], ["-i", "0"], ["-x", "1"]):
        assert box.run(*NOBODY, "/run/ours/numad", *arguments).returncode == 1
    assert daemon.order("-u", "30").returncode == 0
    assert daemon.log("Changing") == ["Changing target utilization to 30"]


def test_letters_of_the_start(box):
    """What is a setting needs no line, the rest has the one it would have later."""
    pid = box.shell("sleep 1000 >/dev/null 2>&1 & echo $!").stdout.strip()
    daemon = Daemon(box, "-R", "1", "-u", "99", "-x", pid, "-x", "4194303")
    assert daemon.log("exclusion") == ["Reserving 1 CPUs (1) for non-numad use",
                                       f"Adding PID {pid} to exclusion PID list"]


@pytest.mark.skipif(not os.path.exists(THP), reason="the kernel has no khugepaged")
def test_scan_time_comes_back(box):
    daemon = Daemon(box, "-H", "500")
    assert daemon.thp.read_text() == "500\n"
    daemon.log(f"Changing THP scan time in {THP} from 10000 to 500 ms.")
    assert daemon.order("-H", "1000").returncode == 0
    daemon.log(f"Changing THP scan time in {THP} from 500 to 1000 ms.")
    assert daemon.thp.read_text() == "1000\n"
    assert daemon.order("-i", "0").returncode == 0
    daemon.wait_gone()
    assert daemon.thp.read_text() == "10000\n"


@pytest.mark.skipif(not os.path.exists(THP), reason="the kernel has no khugepaged")
def test_scan_time_comes_back_after_a_kill(box):
    daemon = Daemon(box, "-H", "500")
    daemon.kill()
    assert daemon.thp.read_text() == "500\n"
    assert box.run("/run/daemon/numad", "--config", "/run/placed.conf").returncode == 0
    assert daemon.thp.read_text() == "10000\n"


def reload(daemon):
    return daemon.box.run(placectl(), "reload")


def test_reload(box):
    """A bad file changes nothing, a good one what it says; orders stay, and so does the command line."""
    daemon = Daemon(box, "-m", "60", conf="[move]\nworkers = 3\n")
    assert daemon.order("-u", "70").returncode == 0
    daemon.conf.write_text("[move]\nworkers = 5\nx = 1\n[y]\n")
    done = reload(daemon)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == ("placectl: reload: /run/placed.conf:3: unknown setting [move] x\n"
                           "/run/placed.conf:4: unknown section [y]\n")
    daemon.conf.write_text("[move]\nworkers = 5\nutilization_percent = 50\nlocality_percent = 50\n[daemon]\n"
                           "log_file = /x\n")
    for said in ("[move] workers = 5\n", ""):
        done = reload(daemon)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == "[daemon] log_file = /x\nneeds a new start: the lines above\n" + said
    daemon.conf.unlink()
    assert reload(daemon).returncode == 1
    assert box.run(*NOBODY, placectl(), "reload").returncode == 1


def test_hangup_reads_the_settings(box):
    """HUP has no answer: lines of level notice end some time after it."""
    daemon = Daemon(box)
    daemon.conf.write_text("[daemon]\nlog_level = 4\n")
    daemon.signal("HUP")
    end = time.monotonic() + LIMIT_S
    text = "Changing"
    while text and time.monotonic() < end:
        before = len(daemon.log_path.read_text())
        assert daemon.order("-m", "77").returncode == 0
        text = daemon.log_path.read_text()[before:]
    assert not text


def test_bad_settings_stop_the_start(box):
    conf = box.root / "run/placed.conf"
    conf.write_text("[move]\nx = 1\ny = 2\n")
    done = box.run(BUILD / "daemon/placed", "--config", "/run/placed.conf")
    assert done.returncode == 1
    assert done.stderr.splitlines()[:2] == ["/run/placed.conf:2: unknown setting [move] x",
                                            "/run/placed.conf:3: unknown setting [move] y"]
    assert not (box.placed_dir / "socket").exists()
