# SPDX-License-Identifier: LGPL-2.1-or-later
# What test suites of others run against numad and look for afterwards, run against the daemon when it is called numad:
# a distribution's smoke test, Fedora CoreOS' check, IBM's. Where they wait a second for a line, this waits until it is
# there: how long that takes is for bench/ to say.

"""Checks of others on numad."""

import os
import re
import subprocess
import time

import pytest

from box import ANSWER, BUILD, needs_root, until

pytestmark = needs_root

LIMIT_S = 30


class Numad:
    """The daemon under the name numad, in a box; numad() is its command line."""

    def __init__(self, box, *arguments):
        self.box = box
        self.log_path = box.root / "var/log/numad.log"
        box.shell("mkdir /run/daemon && ln -s \"$1\" /run/daemon/numad", BUILD / "daemon/placed")
        done = box.run("/run/daemon/numad", *arguments)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        self.wait("Registering numad version")

    def numad(self, *arguments):
        done = self.box.run("/run/ours/numad", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def log(self):
        return self.log_path.read_text() if self.log_path.exists() else ""

    def wait(self, text, start=0):
        """Until the log matches text behind `start`; gives where the log ends then."""
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            if re.search(text, self.log()[start:]):
                return len(self.log())
            time.sleep(0.01)
        return pytest.fail(f"no {text} in {self.log()[start:]}")

    def says(self, text, *arguments):
        """numad ARGUMENT... makes the daemon log a line: text, whole."""
        start = len(self.log())
        output = self.numad(*arguments)
        self.wait(rf"(?m)^\w{{3}} \w{{3}} [ \d]\d \d\d:\d\d:\d\d \d{{4}}: {re.escape(text)}$", start)
        return output

    def stop(self):
        self.numad("-i", "0")
        self.wait("(?m)^.{24}: Shutting down numad$")


@pytest.fixture
def numad(box):
    return Numad(box, "-i", "15")


# ---- a distribution's smoke test -----------------------------------------------------------------------------------

def test_interval(numad):
    for i in range(1, 11):
        numad.says(f"Changing interval to {i}:{i + 2}", "-i", f"{i}:{i + 2}")


def test_log_level(numad):
    for level in (5, 6, 7):
        numad.says(f"Changing log level to {level}", "-l", str(level))
    numad.numad("-l", "6")
    numad.numad("-i", "1:1")
    numad.wait(r"(?m)^.*MBs_total.*MBs_free")


def test_advice_is_logged_by_the_daemon(numad):
    """In hundredths of CPUs, as both numads log it."""
    pid = int((numad.box.root / "run/numad.pid").read_text())
    for i in range(1, 5):
        answer = numad.says(f"Getting NUMA pre-placement advice for {i * 100} CPUs and 128 MBs", "-w", f"{i}:128")
        assert ANSWER.fullmatch(answer)
    assert numad.log().count("Registering numad version") == 1
    assert f"Registering numad version 0.1.0 PID {pid}\n" in re.sub(r"version \S+", "version 0.1.0", numad.log())
    assert numad.log().count("Advising pid -1 (unknown) move from nodes (") == 4


def test_utilization(numad):
    for percent in range(50, 101, 10):
        numad.says(f"Changing target utilization to {percent}", "-u", str(percent))


def test_resets(numad):
    numad.numad("-i", "5:10", "-l", "5", "-u", "85")
    for text in ("Changing interval to 5:10", "Changing log level to 5", "Changing target utilization to 85"):
        numad.wait(text)
    numad.stop()


# ---- Fedora CoreOS --------------------------------------------------------------------------------------------------

def test_fedora(numad):
    """-l7 -i5 changes the daemon that runs; its tables have a line per node, and name who uses much memory."""
    hog = numad.box.start("sh", "-c", "cp \"$(command -v python3)\" /run/stress-ng-vm; exec /run/stress-ng-vm -c '"
                          "hog = bytearray(b\"x\") * (400 << 20); print(\"ready\", flush=True); input()'",
                          stdin=subprocess.PIPE, env={**os.environ, "PATH": "/usr/bin:/bin", "PYTHONHOME": "/usr"})
    assert hog.stdout.readline() == "ready\n", hog.stderr.read()
    numad.numad("-l7", "-i5")
    numad.wait("Changing log level to 7")
    for node in re.findall(r"node(\d+)$", "\n".join(os.listdir("/sys/devices/system/node")), re.M):
        numad.wait(rf"(?m)^Node.{node}.*MBs_tot(al)?.*CPUs_tot(al)?")
    numad.wait("stress-ng-vm")
    hog.communicate("\n")


# ---- IBM ------------------------------------------------------------------------------------------------------------

def test_ibm(box):
    """Started with -d and -D as in its script; lines of -i, -p, -S, -r, -w; stopped by -i 0."""
    numad = Numad(box, "-d", "-D", "/sys/fs/cgroup")
    numad.says("Changing interval to 5:10", "-i", "5:10")
    hog = box.start("sh", "-c", "echo $$; exec sleep 1000")
    pid = hog.stdout.readline().strip()
    numad.says(f"Adding PID {pid} to inclusion PID list", "-p", pid)
    numad.says("Scanning only explicit PID list processes", "-S", "0")
    numad.says(f"Removing PID {pid} from explicit PID lists", "-r", pid)
    assert f"Advising pid {pid} " not in numad.log()
    assert re.search(r"\d", numad.numad("-w", "2:100"))
    hog.kill()
    numad.stop()
    assert not (box.root / "run/numad.pid").exists()


# ---- every line of numad's that scripts may wait for ----------------------------------------------------------------

@pytest.mark.parametrize("text, arguments", [
    ("Changing interval to 5:7", ["-i", "7"]),
    ("Changing log level to 6", ["-v"]),
    ("Changing log level to 7", ["-d"]),
    ("Changing target memory locality to 77", ["-m", "77"]),
    ("Changing logical CPU thread percent to 33", ["-t", "33"]),
    ("Adding PID 1 to exclusion PID list", ["-x", "1"]),
    ("Scanning all processes", ["-S", "1"]),
    ("Counting inactive file cache as unavailable", ["-C", "0"]),
    ("Counting inactive file cache as available", ["-C", "1"]),
    ("Merging interleaved memory to localized NUMA nodes", ["-K", "0"]),
    ("Keeping interleaved memory spread across nodes", ["-K", "1"]),
])
def test_lines(numad, text, arguments):
    numad.says(text, *arguments)


def test_reserved_cpus_are_told(box):
    Numad(box, "-R", "0").wait(r"(?m)^.{24}: Reserving 1 CPUs \(0\) for non-numad use$")


# ---- logrotate ------------------------------------------------------------------------------------------------------

def test_logrotate(numad):
    """copytruncate, and rename with HUP."""
    os.truncate(numad.log_path, 0)
    numad.says("Changing interval to 3:4", "-i", "3:4")
    assert "\0" not in numad.log() and numad.log().count("\n") == 1
    moved = numad.log_path.with_suffix(".log.1")
    numad.log_path.rename(moved)
    numad.box.shell("kill -HUP \"$(cat /run/numad.pid)\"")
    until(numad.log_path.exists, "the new log")
    numad.says("Changing interval to 4:5", "-i", "4:5")
    assert "to 4:5" not in moved.read_text()
    numad.stop()
