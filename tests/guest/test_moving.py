# SPDX-License-Identifier: LGPL-2.1-or-later
# The daemon's mover on real kernels, in the emulated host: Debian's, and the one of its backports where
# `fetch --backports` has unpacked it. PLACED_BUILD names the build tree (make bench/mover bench/victim there).

"""Moving memory on a real kernel."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True
import topology  # noqa: E402  pylint: disable=wrong-import-position

BUILD = pathlib.Path(os.environ.get("PLACED_BUILD") or os.getcwd()).resolve()
CACHE = topology.cache_dir()
KERNELS = [None, *sorted((CACHE / "kernel-backports/boot").glob("vmlinuz-*"))]

pytestmark = [
    pytest.mark.skipif(not shutil.which("qemu-system-x86_64") or not (CACHE / "kernel/boot").is_dir(),
                       reason="no QEMU or no unpacked kernel: see tests/guest/README.md"),
    pytest.mark.skipif(not (BUILD / "bench/mover").exists() or not (BUILD / "bench/victim").exists(),
                       reason="no bench/mover and bench/victim in PLACED_BUILD: make them there"),
]


def move(*arguments, scenes):
    done = subprocess.run([HERE / "run", "-q", "--topology", "2n2c", "--timeout", "400", *map(str, arguments), "--",
                           HERE / "moving", "--build", BUILD, *scenes], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False)
    print(done.stdout, done.stderr)
    assert done.returncode == 0, [line for line in done.stdout.splitlines() if line.startswith("not ok")]


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda path: path.name if path else "stable")
def test_moving(kernel):
    move(*(["--kernel", kernel] if kernel else []), scenes=["facts", "pages", "pinned", "cpuset", "pool", "balancing", "ksm", "realtime",
                                                                   "faults"])


@pytest.mark.parametrize("kind", ["v1", "hybrid"])
def test_groups_of_other_kinds(kind):
    move("--cgroup", kind, scenes=["cpuset"])


def test_nobody_is_made_stricter():
    move("--memory-percent", "25", scenes=["outgrow"])
