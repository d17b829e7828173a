# SPDX-License-Identifier: LGPL-2.1-or-later
# The whole daemon, and a user who is not root: what he asks is answered, and changes nothing for anybody else, neither
# what is planned nor what is logged.

"""Whoever may ask, and no more."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import time

from box import BUILD, HOSTS, NOBODY, answers, descendants, environment, needs_root, placectl, until

pytestmark = needs_root

DAEMON = BUILD / "daemon/placed"
LIMIT_S = 20
ASKED = 60  # questions, and of others than root so many are logged in 10 s:
TOLD = 20


@contextlib.contextmanager
def daemon(box, *arguments):
    process = box.start(DAEMON, "--foreground", *arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until((box.placed_dir / "socket").exists, "the daemon")
    try:
        yield process
    finally:
        assert box.run("/run/ours/placed", "-i", "0").returncode == 0
        assert process.wait(LIMIT_S) == 0


def capacities(box):
    done = box.run(placectl(), "status", "--json", env=environment())
    assert done.returncode == 0, done.stderr
    return [node["capacity_millicpu"] for node in json.loads(done.stdout)["nodes"]]


def test_cpuset_of_who_asks_is_his(box, tmp_path):
    """Our own group leaves out node 1; who asks is in none, as far as the recording knows."""
    tree = tmp_path / "host"
    shutil.copytree(HOSTS / "2n", tree, symlinks=True)
    (tree / "proc/self/cgroup").write_text("0::/ours\n")
    group = tree / "sys/fs/cgroup/ours"
    group.mkdir()
    (group / "cpuset.cpus.effective").write_text("0-1\n")
    (group / "cpuset.mems.effective").write_text("0\n")
    with daemon(box, "--root", tree):
        before = capacities(box)
        assert before[0] and not before[1]
        assert answers(box.ask(before=NOBODY)) == ""
        # Past the age up to which a picture is shown again.
        time.sleep(0.2)
        assert capacities(box) == before


def test_questions_do_not_fill_the_log(box):
    (box.root / "run/placed.conf").write_text("[daemon]\nlog_file = /var/log/numad.log\n")
    with daemon(box, "--config", "/run/placed.conf"):
        box.shell("chmod 644 /var/log/numad.log")
        for _ in range(ASKED):
            answers(box.ask(before=NOBODY))
        assert box.shell("grep -c Getting /var/log/numad.log").stdout == f"{TOLD}\n"
        answers(box.ask("1:7"))
        assert "and 7 MBs" in box.shell("tail -2 /var/log/numad.log").stdout


def test_cpus_after_a_crash(box):
    """What a daemon that was killed had given is taken back by the next one, but not by a dry run, and not from another
    process that has the pid now."""
    every = os.sched_getaffinity(0)
    given = {min(every)}
    process = box.start("sh", "-c", "echo; exec sleep 1000")
    process.stdout.readline()
    outer = list(descendants(process.pid))[-1]
    inner = re.search(r"NSpid:.*\t(\d+)\n", pathlib.Path(f"/proc/{outer}/status").read_text())[1]
    ticks = int(pathlib.Path(f"/proc/{outer}/stat").read_text().rsplit(")", 1)[1].split()[19])

    def leave(start_ns):
        os.sched_setaffinity(outer, given)
        box.placed_dir.mkdir(exist_ok=True)
        (box.placed_dir / "intents").write_text(
            f"placed intents 1\naffinity pid {inner} start_ns {start_ns} before {','.join(map(str, sorted(every)))} "
            f"given {min(every)}\n")

    leave(ticks * 10**9 // os.sysconf("SC_CLK_TCK"))
    with daemon(box, "--dry-run"):
        assert os.sched_getaffinity(outer) == given
    assert os.sched_getaffinity(outer) == given
    with daemon(box):
        assert os.sched_getaffinity(outer) == every
    leave((ticks + 1) * 10**9 // os.sysconf("SC_CLK_TCK"))
    with daemon(box):
        assert os.sched_getaffinity(outer) == given
    process.kill()
