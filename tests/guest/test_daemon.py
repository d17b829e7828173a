# SPDX-License-Identifier: LGPL-2.1-or-later
# The daemon beside real libvirt guests and QEMUs, in the emulated host. PLACED_BUILD names the build tree.

"""Classes, answers and moves of the daemon on a real kernel."""

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

pytestmark = [
    pytest.mark.skipif(not shutil.which("qemu-system-x86_64") or not (topology.cache_dir() / "kernel/boot").is_dir(),
                       reason="no QEMU or no unpacked kernel: see tests/guest/README.md"),
    pytest.mark.skipif(not (BUILD / "daemon/placed").exists(), reason="no daemon/placed in PLACED_BUILD"),
]


def test_daemon_beside_guests():
    done = subprocess.run([HERE / "run", "-q", "--topology", "4n8c", "--timeout", "600", "--", HERE / "daemon",
                           "--build", BUILD], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    print(done.stdout, done.stderr)
    assert done.returncode == 0, [line for line in done.stdout.splitlines() if line.startswith("not ok")]


@pytest.mark.parametrize("scene", ["changes", "killed"])
def test_confined_guests_change_nodes(scene):
    done = subprocess.run([HERE / "run", "-q", "--topology", "2n", "--timeout", "1500", "--", HERE / "relocating",
                           "--build", BUILD, scene], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    print(done.stdout, done.stderr)
    assert done.returncode == 0, [line for line in done.stdout.splitlines() if line.startswith("not ok")]
