# SPDX-License-Identifier: LGPL-2.1-or-later
# What bench/move, bench/stall and bench/locality share: programs that answer line by line, the other movers
# that ours is held against, and figures with their goals. All of it runs inside an emulated host.

"""Parts of the benches of moving memory."""

import argparse
import os
import pathlib
import platform
import re
import signal
import statistics
import subprocess
import time

BALANCING = pathlib.Path("/proc/sys/kernel/numa_balancing")
# numad moves nothing in the first 300 s of its clock.
SHIFTED = ["unshare", "-T", "--fork", "--kill-child", "--monotonic", "200000", "--boottime", "200000"]
CGROUPS = pathlib.Path("/sys/fs/cgroup")
LOCAL = 0.95


class Program:
    """A program that answers each line with a line of key=value words."""

    def __init__(self, *words):
        self.process = subprocess.Popen(list(map(str, words)), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, bufsize=1)

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.process.args} ended ({self.process.wait()})")
        return {key: int(value) if value.lstrip("-").isdigit() else value
                for key, _, value in (word.partition("=") for word in line.split())}

    def tell(self, line):
        self.process.stdin.write(line + "\n")

    def ask(self, line):
        self.tell(line)
        return self.read()

    def end(self):
        self.process.kill()
        self.process.wait()


class Victim(Program):
    """
    A process whose memory is moved. It has a cgroup of its own, as a guest of libvirt has: where its memory
    lies is read there, which takes no lock of its; numa_maps would hold it up each time.
    """

    n_groups = 0

    def __init__(self, build, mib, node, *words, is_waited_for=True):
        Victim.n_groups += 1
        self.group = CGROUPS / f"victim{Victim.n_groups}"
        (CGROUPS / "cgroup.subtree_control").write_text("+memory")
        self.group.mkdir()
        super().__init__("sh", "-c", 'echo $$ > "$0/cgroup.procs"; exec "$@"', self.group, build / "bench/victim",
                         mib, node, *words)
        if is_waited_for:
            self.wait()

    def wait(self):
        """Until its memory is there."""
        self.where = self.read()
        self.pid = self.where["pid"]

    def locality(self):
        """The share of its memory on the node that has most of it."""
        for line in (self.group / "memory.numa_stat").read_text().splitlines():
            if line.startswith("anon "):
                on_node = [int(count) for count in re.findall(r" N\d+=(\d+)", line)]
                return max(on_node) / max(sum(on_node), 1)
        raise SystemExit(f"{self.group} does not say where its memory lies")

    def end(self):
        super().end()
        self.group.rmdir()


def mover(build, **settings):
    """Our mover without its daemon."""
    return Program(build / "bench/mover", *(f"{key}={value}" for key, value in settings.items()))


def wait_local(victims, begin, limit):
    """Seconds from begin until all are local; infinite where the limit passes."""
    while time.monotonic() - begin < limit:
        if all(victim.locality() >= LOCAL for victim in victims):
            return time.monotonic() - begin
        time.sleep(0.05)
    return float("inf")


class Daemon:
    """Whoever moves by itself: from its start until with-block ends."""

    def __init__(self, *words, pid_file=None):
        self.words, self.pid_file = list(map(str, words)), pid_file

    def __enter__(self):
        self.process = subprocess.Popen(self.words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self

    def __exit__(self, *_):
        pids = [self.process.pid]
        if self.pid_file and pathlib.Path(self.pid_file).exists():
            pids.append(int(pathlib.Path(self.pid_file).read_text()))
        for pid in pids:
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        deadline = time.monotonic() + 10
        while len(pids) > 1 and pathlib.Path(f"/proc/{pids[1]}").exists():
            if time.monotonic() > deadline:                     # numad is not always quick to hear of it
                try:
                    os.kill(pids[1], signal.SIGKILL)
                except ProcessLookupError:
                    pass
                deadline += 10
            time.sleep(0.05)


def placed(build):
    """Our daemon with its own defaults, but for processes that are no guests."""
    config = pathlib.Path("/tmp/bench.conf")
    config.write_text("[observe]\nscan_all = yes\n")
    return Daemon(build / "daemon/placed", "--foreground", "--config", config)


def numad(is_fresh=False):
    """
    Debian's numad, past the time in which it moves nothing, or with the clock of a host just booted. It may fill
    a node's only CPU: with 85 % (its default) it finds that a busy process wants both, and moves nothing.
    """
    return Daemon(*([] if is_fresh else SHIFTED), "numad", "-i", "5:15", "-u", "100", pid_file="/var/run/numad.pid")


def tell_numad_log():
    """Why it moved nothing."""
    log = pathlib.Path("/var/log/numad.log")
    for line in log.read_text(errors="replace").splitlines()[-8:] if log.exists() else ["it has no log"]:
        print(f"  ! numad: {line}")


class Figures:
    """Values of the rounds, and goals; all goals are told again at the end."""

    def __init__(self, prefix):
        self.prefix, self.values, self.goals = prefix, {}, []

    def note(self, name, value, is_told=True):
        """A value of this round; told as it comes, so that a run that is cut short says something, too."""
        self.values.setdefault(name, []).append(value)
        if is_told:
            print(f"    ({name}: {value:.2f})", flush=True)

    def median(self, name):
        return statistics.median(self.values[name])

    def tell(self, name, value, unit=""):
        print(f"  {name:64} {value:10.2f} {unit}", flush=True)

    def goal(self, name, value, at_most=None, at_least=None):
        is_met = value <= at_most if at_most is not None else value >= at_least
        bound = f"<= {at_most:g}" if at_most is not None else f">= {at_least:g}"
        self.goals.append(f"{self.prefix}: {name:58} {value:8.3f}  {bound:9}  {'met' if is_met else 'missed'}")
        print("  " + self.goals[-1], flush=True)

    def end(self, begin):
        print(f"\n{self.prefix}: goals on {platform.release()}, {time.monotonic() - begin:.0f} s in all")
        for line in self.goals:
            print(line)


def is_old_kernel():
    """Before 6.7 move_pages(2) and migrate_pages(2) hold a process up in another way."""
    return tuple(map(int, re.findall(r"\d+", platform.release())[:2])) < (6, 7)


def options_of(description, sections, **defaults):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--build", metavar="DIR", type=pathlib.Path, default=pathlib.Path("."))
    parser.add_argument("--mib", metavar="N", type=int, default=defaults["mib"])
    parser.add_argument("--rounds", metavar="N", type=int, default=defaults.get("rounds", 5))
    parser.add_argument("--limit", metavar="SECONDS", type=float, default=60)
    parser.add_argument("sections", nargs="*", metavar=" | ".join(sections), default=defaults["run"])
    options = parser.parse_args()
    for section in options.sections:
        if section not in sections:
            parser.error(f"no section '{section}'")
    # What it has marked for hint faults is hidden from every query on 6.1.
    BALANCING.write_text("0")
    print(f"kernel {platform.release()}, {os.cpu_count()} CPUs, {options.rounds} rounds")
    return options
