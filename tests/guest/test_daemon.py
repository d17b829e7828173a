# SPDX-License-Identifier: LGPL-2.1-or-later
# The daemon beside real libvirt guests and QEMUs, in the emulated host. PLACED_BUILD names the build tree.

"""Classes, answers and moves of the daemon on a real kernel."""

import pytest

from booted import BUILD, NEEDS_HOST, play

pytestmark = [
    NEEDS_HOST,
    pytest.mark.skipif(not (BUILD / "daemon/placed").exists(), reason="no daemon/placed in PLACED_BUILD"),
]


@pytest.mark.parametrize("shape, timeout_s, scene", [("4n8c", 600, ["daemon"]), ("4n8c", 900, ["cells"]),
                                                     ("4n8c", 1500, ["virsh", "moves"]),
                                                     ("4n8c", 900, ["virsh", "classes"]),
                                                     ("2n", 900, ["migration"]), ("2n", 1500, ["relocating", "changes"]),
                                                     ("2n", 1500, ["relocating", "killed"]),
                                                     ("2n2c", 1500, ["strict", "--runs", "2"])],
                         ids=lambda value: "-".join(value) if isinstance(value, list) else str(value))
def test_daemon_beside_guests(shape, timeout_s, scene):
    play(*scene, shape=shape, timeout_s=timeout_s)


def test_arrivals():
    play("arrival", shape="4n", timeout_s=1800, options=["--memory-percent", "50"])


@pytest.mark.parametrize("scene", ["confined", "free", "pinned"])
def test_faults_and_growth(scene):
    play("faults", scene, shape="2n", timeout_s=1500, options=["--memory-percent", "30"])
