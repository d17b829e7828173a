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


@pytest.mark.parametrize("shape, timeout_s, scene", [("4n8c", 600, ["daemon"]), ("4n8c", 900, ["cells"]),
                                                     ("2n", 1500, ["relocating", "changes"]),
                                                     ("2n", 1500, ["relocating", "killed"])],
                         ids=lambda value: "-".join(value) if isinstance(value, list) else str(value))
def test_daemon_beside_guests(shape, timeout_s, scene):
    done = subprocess.run([HERE / "run", "-q", "--topology", shape, "--timeout", str(timeout_s), "--", HERE / scene[0],
                           "--build", BUILD, *scene[1:]], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False)
    print(done.stdout, done.stderr)
    assert done.returncode == 0, [line for line in done.stdout.splitlines() if line.startswith("not ok")]
