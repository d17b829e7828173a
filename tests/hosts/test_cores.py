# SPDX-License-Identifier: LGPL-2.1-or-later
# Cores per node as libplace counts them, held against hwloc, which reads other files its own way.

"""hwloc is the referee: lstopo on the same tree, with everything but cores filtered out."""

import os
import shutil
import subprocess
import xml.etree.ElementTree as tree_of

import pytest

from trees import load_facts

LSTOPO = shutil.which("lstopo-no-graphics")

# (tree): why hwloc counts otherwise, or not at all.
DIFFERENCES = {
    "hwloc/32ppc-4n4c2c.tar.bz2": "no cpuN/topology: hwloc does not open it",
    "pcp/meminfo-root-002.tgz": "no CPUs in the tree: hwloc does not open it",
    "pcp/meminfo-root-003.tgz": "no CPUs in the tree: hwloc does not open it",
}


def ids_of_mask(mask):
    number = int("".join(part.removeprefix("0x").rjust(8, "0") for part in mask.split(",")), 16)
    return {bit for bit in range(number.bit_length()) if number >> bit & 1}


def hwloc_cores(root):
    """The CPUs of each core, or None where hwloc does not open the host."""
    environment = dict(os.environ, HWLOC_FSROOT=str(root), HWLOC_COMPONENTS="linux,stop",
                       HWLOC_HIDE_ERRORS="2")
    done = subprocess.run([LSTOPO, "--filter", "all:none", "--filter", "core:all", "--disallowed",
                           "--of", "xml", "-"], capture_output=True, text=True, check=False,
                          timeout=60, env=environment)
    if done.returncode != 0:
        return None
    return [ids_of_mask(thing.get("cpuset")) for thing in tree_of.fromstring(done.stdout).iter("object")
            if thing.get("type") == "Core"]


@pytest.mark.skipif(not LSTOPO, reason="no lstopo-no-graphics (package hwloc-nox)")
def test_cores_agree_with_hwloc(tree, hosts, programs):
    root = hosts.root(tree)
    ours = programs.describe(root)
    cores = hwloc_cores(root)
    if tree in DIFFERENCES or not cores:
        assert not cores, f"hwloc opens {tree} now: DIFFERENCES is out of date"
        assert all(node["n_cores"] == node["n_cpus"] for node in ours["nodes"]) or \
            ours["have_cores"]
        return
    assert ours["have_cores"]
    for node in ours["nodes"]:
        cpus = set()
        for part in filter(None, node["cpus"].split(",")):
            first, _, last = part.partition("-")
            cpus |= set(range(int(first), int(last or first) + 1))
        expected = sum(1 for core in cores if core & cpus)
        assert node["n_cores"] == (expected or node["n_cpus"]), f"node {node['id']}"


def test_every_difference_names_a_tree():
    facts = load_facts()
    if not facts:
        pytest.skip("no recorded hosts")
    assert DIFFERENCES.keys() <= facts.keys()
