# SPDX-License-Identifier: LGPL-2.1-or-later
# The whole daemon, and a user who is not root: what he asks is answered, and changes nothing for anybody else, neither
# what is planned nor what is logged.

"""Whoever may ask, and no more."""

import contextlib
import json
import shutil
import signal
import subprocess
import time

from box import BUILD, HOSTS, NOBODY, answers, environment, needs_root, placectl

pytestmark = needs_root

DAEMON = BUILD / "daemon/placed"
LIMIT_S = 20
ASKED = 60  # questions, and of others than root so many are logged in 10 s:
TOLD = 20


@contextlib.contextmanager
def daemon(box, *arguments):
    process = box.start(DAEMON, "--foreground", *arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + LIMIT_S
    while not (box.placed_dir / "socket").exists():
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.01)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(LIMIT_S)


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
