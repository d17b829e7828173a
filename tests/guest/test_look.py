# SPDX-License-Identifier: LGPL-2.1-or-later
# What a look finds of real guests, and how near samples come to numa_maps, in the emulated host.
# PLACED_BUILD names the build tree with tests/hosts/look and bench/residency.

"""Classes by real libvirt and QEMU; residency on real nodes."""

import os
import re

import pytest

from booted import BUILD, HERE, NEEDS_HOST, boot

pytestmark = [
    NEEDS_HOST,
    pytest.mark.skipif(os.geteuid() != 0, reason="files of root must be readable: run as root"),
]


def built(name):
    if not (BUILD / name).exists():
        pytest.skip(f"{name} is not built: PLACED_BUILD names the build tree, make {name}")
    return BUILD / name


def test_every_kind_of_guest_has_its_class():
    done = boot("--topology", "4n8c", "--timeout", 900, "--", HERE / "kinds", built("tests/hosts/look"))
    assert not re.findall(r"^not ok.*", done.stdout, re.M)
    assert done.returncode == 0 and "failed=0" in done.stdout


def test_samples_come_near_to_numa_maps():
    """The figures are printed; the program itself fails where a 99th percentile is above its limit."""
    done = boot("--topology", "2n", "--timeout", 900, "--append", "numa_balancing=disable", "--", "sh", "-c",
                f"{built('bench/residency')} 1536 1000 && sysctl -q vm.nr_hugepages=640 && "
                f"{built('bench/residency')} 512 20")
    assert done.returncode == 0
    assert re.search(r"^2 MiB pool pages, half .* 0\.00 +0\.00 +0\.00 ", done.stdout, re.M)


def test_pages_hidden_by_numa_balancing_are_noticed():
    """Linux 6.1 hides them from move_pages(2): the answer must not be taken from what is left."""
    done = boot("--topology", "2n", "--timeout", 900, "--", "sh", "-c",
                f"sysctl -q kernel.numa_balancing=1; uname -r; exec {built('bench/residency')} --hidden")
    assert done.returncode == 0
    release = tuple(map(int, re.match(r"(\d+)\.(\d+)", done.stdout).groups()))
    if (6, 1) <= release < (6, 6):
        assert re.search(r"^hidden: seen=\d\d?% ", done.stdout, re.M), "nothing was hidden: the test shows nothing"
