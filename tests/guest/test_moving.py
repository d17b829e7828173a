# SPDX-License-Identifier: LGPL-2.1-or-later
# The daemon's mover on real kernels, in the emulated host: Debian's, and the one of its backports where
# `fetch --backports` has unpacked it. PLACED_BUILD names the build tree (make bench/mover bench/victim there).

"""Moving memory on a real kernel."""

import pytest

from booted import BUILD, CACHE, NEEDS_HOST, play

KERNELS = [None, *sorted((CACHE / "kernel-backports/boot").glob("vmlinuz-*"))]
SCENES = ["facts", "pages", "pinned", "cpuset", "pool", "balancing", "ksm", "realtime", "faults"]

pytestmark = [
    NEEDS_HOST,
    pytest.mark.skipif(not (BUILD / "bench/mover").exists() or not (BUILD / "bench/victim").exists(),
                       reason="no bench/mover and bench/victim in PLACED_BUILD: make them there"),
]


def move(*options, scenes):
    play("moving", *scenes, shape="2n2c", timeout_s=600, options=options)


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda path: path.name if path else "stable")
def test_moving(kernel):
    move(*(["--kernel", kernel] if kernel else []), scenes=SCENES)


@pytest.mark.parametrize("kind", ["v1", "hybrid"])
def test_groups_of_other_kinds(kind):
    move("--cgroup", kind, scenes=["cpuset", "faults"])


def test_nobody_is_made_stricter():
    move("--memory-percent", "25", scenes=["outgrow"])


def test_not_beside_realtime_threads():
    play("moving", "refused", shape="2n", timeout_s=900)
