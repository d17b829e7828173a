# SPDX-License-Identifier: LGPL-2.1-or-later
# What the tests share that run a scene inside an emulated host. PLACED_BUILD names the build tree.

"""An emulated host for tests, and whether there can be one."""

import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest

sys.dont_write_bytecode = True
import topology  # noqa: E402  pylint: disable=wrong-import-position

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("PLACED_BUILD") or os.getcwd()).resolve()
CACHE = topology.cache_dir()

NEEDS_HOST = pytest.mark.skipif(not shutil.which("qemu-system-x86_64") or not (CACHE / "kernel/boot").is_dir(),
                                reason="no QEMU or no unpacked kernel: see tests/guest/README.md")


# When no scene is begun any more (seconds since the epoch), for a check that must come to an end; and how long one that
# was begun may go on after that.
UNTIL = float(os.environ.get("PLACED_CHECK_UNTIL") or "inf")
GRACE_S = 600


def boot(*arguments):
    """One whole run; its output as text."""
    with subprocess.Popen([HERE / "run", "-q", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as run:
        try:
            done = subprocess.CompletedProcess(run.args, None, *run.communicate(timeout=left_s()))
        except subprocess.TimeoutExpired:
            run.terminate()
            run.communicate()
            pytest.fail(f"not ended {GRACE_S} s after the time when no scene is begun any more")
    done.returncode = run.returncode
    print(done.stdout, done.stderr)
    return done


def left_s():
    return None if UNTIL == float("inf") else max(UNTIL + GRACE_S - time.time(), 0)


def play(scene, *words, shape, timeout_s, options=()):
    """A scene of our own: it tells what failed."""
    done = boot("--topology", shape, "--timeout", timeout_s, *options, "--", HERE / scene, "--build", BUILD, *words)
    assert done.returncode == 0, [line for line in done.stdout.splitlines() if line.startswith("not ok")]
