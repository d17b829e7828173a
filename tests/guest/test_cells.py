# SPDX-License-Identifier: LGPL-2.1-or-later
# Guests with NUMA cells beside the daemon, in the emulated host. PLACED_BUILD names the build tree.

"""Each cell of a wide guest comes to one node, and nothing else changes."""

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


def test_cells_of_wide_guests():
    done = subprocess.run([HERE / "run", "-q", "--topology", "4n8c", "--timeout", "900", "--", HERE / "cells",
                           "--build", BUILD], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    print(done.stdout, done.stderr)
    assert done.returncode == 0, [line for line in done.stdout.splitlines() if line.startswith("not ok")]
