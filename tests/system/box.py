# SPDX-License-Identifier: LGPL-2.1-or-later
# What the system tests share: where the built programs are, and a box (private mount, IPC and PID
# namespaces with an empty /run and /var/log) in which they may write without disturbing this machine.

"""Programs under test, and namespaces to run them in."""

import os
import pathlib
import re
import signal
import subprocess
import time

import pytest

BUILD = pathlib.Path(os.environ.get("PLACED_BUILD") or os.getcwd()).resolve()
SOURCE = pathlib.Path(__file__).resolve().parents[2]
PLACED = BUILD / "placed"
HOSTS = SOURCE / "tests/hosts/recorded"
NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
LIMIT_S = 30
ANSWER = re.compile(r"[0-9]+([-,][0-9]+)*\n")
LINE = re.compile(r"booked_ns (\d+) vcpus_centi (\d+) memory_bytes (\d+) pid \d+ start_ns \d+ seen_ns \d+ "
                  r"nodes ([0-9,-]+)")

if not PLACED.exists():
    pytest.exit(f"no placed in {BUILD}: set PLACED_BUILD to the top of the build tree", 2)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="makes private namespaces: run as root")


def placectl():
    """The program itself where libtool put a script in front of it, and the environment for it."""
    inner = BUILD / ".libs/placectl"
    return str(inner if inner.exists() else BUILD / "placectl")


def environment(**more):
    return {**os.environ, "LC_ALL": "C", "LD_LIBRARY_PATH": str(BUILD / ".libs"), **more}


def children(pid):
    """Pids of the children of a process, or none where it is gone."""
    try:
        return [int(word) for word in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def descendants(pid):
    for child in children(pid):
        yield child
        yield from descendants(child)


def comm(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


class Box:
    """Private namespaces, kept alive by a sleeping process; commands are run inside with nsenter."""

    def __init__(self):
        self.holder = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "-m", "-i", "-p", "-f", "--mount-proc", "--kill-child",
             "sh", "-c",
             "mount -t tmpfs -o mode=755 tmpfs /run && mount -t tmpfs -o mode=755 tmpfs /var/log && "
             "mkdir /run/ours && ln -s \"$1\" /run/ours/placed && ln -s \"$1\" /run/ours/numad && "
             "echo ready && exec sleep 1000", "sh", PLACED],
            stdout=subprocess.PIPE, text=True)
        if self.holder.stdout.readline() != "ready\n":
            pytest.fail("no private namespaces here")
        self.pid = children(self.holder.pid)[0]
        self.root = pathlib.Path(f"/proc/{self.pid}/root")
        self.placed_dir = self.root / "run/placed"
        self.ledger = self.placed_dir / "promises"

    def close(self):
        self.holder.send_signal(signal.SIGKILL)
        self.holder.wait()
        self.holder.stdout.close()

    def command(self, *arguments):
        return ["nsenter", "-t", str(self.pid), "-m", "-i", "-p", "--", *map(str, arguments)]

    def start(self, *arguments, **more):
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE,
                   "text": True, "env": environment(), **more}
        return subprocess.Popen(self.command(*arguments), **options)

    def run(self, *arguments, **more):
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE,
                   "text": True, "env": environment(), "timeout": 60, "check": False, **more}
        return subprocess.run(self.command(*arguments), **options)

    def shell(self, script, *arguments):
        done = self.run("sh", "-ec", script, "sh", *arguments)
        assert done.returncode == 0, done.stderr
        return done

    def ask(self, request="1:1", name="placed", before=()):
        """placed -w as root, or as whoever `before` makes of us."""
        return self.run(*before, f"/run/ours/{name}", "-w", request)

    def promises(self):
        """(booked_ns, vcpus_centi, memory_bytes, nodes) of each line; a line that is none fails."""
        lines = self.ledger.read_text().splitlines()
        assert re.fullmatch(r"placed promises 1 boot [0-9a-f-]{36}", lines[0])
        found = [LINE.fullmatch(line) for line in lines[1:]]
        assert all(found), lines
        return [(int(match[1]), int(match[2]), int(match[3]), match[4]) for match in found]


def until(condition, what="what never came"):
    """The value of condition() once it is true; the limit only ends a test that has failed."""
    end = time.monotonic() + LIMIT_S
    while not (value := condition()):
        if time.monotonic() > end:
            pytest.fail(f"waited in vain for {what}")
        time.sleep(0.01)
    return value


def answers(done):
    """Asserts an answer and nothing else on stdout; gives stderr."""
    assert done.returncode == 0, done.stderr
    assert ANSWER.fullmatch(done.stdout), done
    return done.stderr
