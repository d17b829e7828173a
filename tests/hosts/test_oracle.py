# SPDX-License-Identifier: LGPL-2.1-or-later
# Our reading of recorded hosts against facts that another reader computed from the same files.

"""Each recorded tree with nodes is read, and what is read is what is there."""

import gzip
import os
import re

import build_tree
import pytest
import trees
from build_tree import ids_of, list_of
from conftest import without_archives

# Where our reading rightly differs: {(tree, fact): (the facts say, we say, why)}. An entry that
# is needed no longer fails the test.
DIFFERENCES = {
    ("hwloc/16amd64-8n2c-cpusets.tar.bz2", "cpus of node 2"):
        ("4-5", "5", "CPU 4 is off (cpu/online: 0-3,5-15), and the node lists it all the same"),
    ("hwloc/16em64t-4s2c2t-offlines.tar.bz2", "cpus of node 0"):
        ("0-15", "0-1,3-4,6-12,15", "CPUs 2, 5, 13 and 14 are off (cpuN/online: 0)"),
    ("pcp/sysdev-root-001.tgz", "CPUs that are off"):
        ("2", "", "cpu2/online says 0 and the kernel's summary cpu/online 0-3: an edited file; "
                  "the summary is what the kernel schedules by"),
    ("pcp/meminfo-root-002.tgz", "CPU-less nodes"):
        ("", "0-1", "no file names a CPU: to us the nodes have none, the facts say unknown"),
    ("pcp/meminfo-root-003.tgz", "CPU-less nodes"):
        ("", "0-1", "no file names a CPU: to us the nodes have none, the facts say unknown"),
}


def kib(number_of_bytes):
    return None if number_of_bytes is None else number_of_bytes // 1024


def pools_in_use(pools):
    """Sizes with pages; a size without any is as good as one that is not there."""
    return {size: total for size, total in pools.items() if total}


def fact_pairs(facts, ours):
    """(what, the facts, ours) for everything that both know of the host as a whole."""
    flat = ours["is_flat"]
    yield "nodes", facts["nodes"], "" if flat else ours["node_ids"]
    if facts["cpu_online"] is not None:
        yield "CPUs online", facts["cpu_online"], ours["cpus_online"]
    off = ids_of(facts["offline_by_file"] or "")
    yield "CPUs that are off", list_of(off), list_of(off - ids_of(ours["cpus_online"]))
    yield "isolated CPUs", facts["cpu_isolated"] or "", ours["cpus_isolated"]
    yield "memory-less nodes", list_of(facts["memless"] or []), list_of(
        node["id"] for node in ours["nodes"] if node["total_bytes"] == 0 and not flat)
    yield "CPU-less nodes", list_of(facts["cpuless"] or []), list_of(
        node["id"] for node in ours["nodes"] if not node["cpus"])


def node_pairs(facts, ours):
    """The same for each node."""
    for key, expected in facts["per"].items():
        node = ours["node"][int(key)]
        yield f"cpus of node {key}", expected["cpus"] or "", node["cpus"]
        if expected["ncpu"] is not None:
            assert expected["ncpu"] == len(ids_of(expected["cpus"] or ""))
        assert node["n_cpus"] == len(ids_of(node["cpus"]))
        yield f"KiB of node {key}", expected["memtotal_kb"], kib(node["total_bytes"])
        yield f"free KiB of node {key}", expected["memfree_kb"], kib(node["free_bytes"])
        huge = {size.removesuffix("kB"): int(total)
                for size, total in (expected["huge"] or {}).items()}
        yield f"pools of node {key}", pools_in_use(huge), pools_in_use(
            {size: total for size, (total, _) in node["pools"].items()})
        row = (facts["dist"] or {}).get(key)
        if row is not None:
            yield f"distances of node {key}", row, node["distance"]


def test_reading_agrees(tree, hosts, programs, facts_of):
    facts = facts_of(tree)
    ours = programs.describe(hosts.root(tree))
    # On hosts without node files we make one node of the whole machine; the facts have none.
    pairs = list(fact_pairs(facts, ours)) + list(node_pairs(facts, ours))
    differing = {what: (theirs, mine) for what, theirs, mine in pairs if theirs != mine}
    allowed = {what: entry[:2] for (name, what), entry in DIFFERENCES.items() if name == tree}
    assert differing == allowed
    assert ours["have_distance"] == bool(facts["dist"])
    assert ours["is_flat"] == (not facts["nodes"])
    # Of a large table the facts repeat only the first rows; all of ours have every column.
    for node in ours["nodes"]:
        assert len(node["distance"]) in (0, len(ours["nodes"]))


def test_every_difference_names_a_tree():
    facts = trees.load_facts()
    if not facts:
        pytest.skip(f"no recorded hosts: {trees.archive_dir()} holds no TREES.jsonl")
    assert {name for name, _ in DIFFERENCES} <= facts.keys()


# ---- trees that nobody computed facts of: a second, plain reading here -----------------------

def read(path):
    try:
        return path.read_text(encoding="ascii").strip("\0\n ")
    except OSError:
        return None


def plain_nodes(root):
    """{id: online CPUs}, from cpulist, else from the cpuN links, else from cpumap."""
    base = root / "sys/devices/system"
    online = read(base / "cpu/online")
    cpus_on = ids_of(online) if online else {
        int(entry.name[3:]) for entry in base.glob("cpu/cpu[0-9]*")
        if read(entry / "online") != "0"}
    nodes = {}
    for folder in base.glob("node/node[0-9]*"):
        listed, mask = read(folder / "cpulist"), read(folder / "cpumap")
        cpus = {int(name[3:]) for name in os.listdir(folder) if re.fullmatch(r"cpu\d+", name)}
        if listed is not None:
            cpus = ids_of(listed)
        elif not cpus and mask:
            number = int(mask.replace(",", ""), 16)
            cpus = {bit for bit in range(number.bit_length()) if number >> bit & 1}
        nodes[int(folder.name[4:])] = cpus & cpus_on if cpus_on else cpus
    return nodes


def test_plain_reading_agrees(tree_without_facts, hosts, programs):
    root = hosts.root(tree_without_facts)
    ours = programs.describe(root)
    nodes = plain_nodes(root)
    assert nodes and not ours["is_flat"]
    assert {one: ids_of(node["cpus"]) for one, node in ours["node"].items()} == nodes
    for one, node in ours["node"].items():
        meminfo = read(root / f"sys/devices/system/node/node{one}/meminfo") or ""
        found = re.search(r"MemFree:\s+(\d+) kB", meminfo)
        assert kib(node["free_bytes"]) == (int(found[1]) if found else None)


def test_power_without_its_threads(hosts, programs):
    """SMT off: nodes list 160 CPUs by links, of which 20 are on."""
    if not trees.load_facts():
        pytest.skip(f"no recorded hosts: {trees.archive_dir()} holds no TREES.jsonl")
    ours = programs.describe(hosts.root("libvirt/virhostcpudata-linux-subcores1.tar.gz"))
    assert ours["node_ids"] == "0-1,16-17"
    assert [node["n_cpus"] for node in ours["nodes"]] == [5, 5, 5, 5]


# ---- our own recordings: the guest's lists are the kernel's ----------------------------------

@pytest.mark.parametrize("name", [pytest.param(name, id=name) for name in trees.recorded_trees()])
def test_own_recordings_agree(name, hosts, programs):
    root = hosts.root(name)
    ours = programs.describe(root)
    assert {one: ids_of(node["cpus"]) for one, node in ours["node"].items()} == plain_nodes(root)
    assert ours["have_distance"] and not ours["is_flat"]
    for one, node in ours["node"].items():
        folder = root / f"sys/devices/system/node/node{one}"
        assert node["distance"] == [int(word) for word in read(folder / "distance").split()]
        meminfo = read(folder / "meminfo")
        assert kib(node["total_bytes"]) == int(re.search(r"MemTotal:\s+(\d+) kB", meminfo)[1])


# ---- texts and XML, turned into trees: large and odd shapes ----------------------------------

def archived(pattern):
    folder = trees.archive_dir()
    return sorted(str(path.relative_to(folder)) for path in folder.glob(pattern))


# Texts from before numactl listed CPUs: how many each node gets.
CPUS_UNLISTED = {
    "ia64-5n-interleaved-pseudo-node-old-format": [4, 4, 4, 4, 0],
    "ia64-5n-uneven-tiny-and-memless-old-format": [4, 4, 4, 4, 4],
    "x86-gnr-snc3-6n-asymmetric.distances": [8] * 6,
    "x86-opteron-magnycours-8n-irregular.distances": [4] * 8,
}


def numactl_names():
    return [name for name in archived("texts/numactl-H/*.txt")
            if not re.search(r"sysfs|zoneinfo", name)]


def host_of_text(name):
    stem = name.rpartition("/")[2].removesuffix(".txt")
    text = (trees.archive_dir() / name).read_text(encoding="utf-8")
    return build_tree.host_from_numactl(text, CPUS_UNLISTED.get(stem, ()))


def assert_as_built(host, ours):
    assert ours["node_ids"] == list_of(node.id for node in host.nodes)
    online = host.online_cpus()
    for index, node in enumerate(host.nodes):
        mine = ours["node"][node.id]
        assert ids_of(mine["cpus"]) == ids_of(node.cpus) & online
        assert mine["total_bytes"] == node.total_mib << 20
        assert mine["free_bytes"] == node.free_mib << 20
        assert mine["distance"] == (host.distances[index] if host.distances else [])
        assert pools_in_use({size: total for size, (total, _) in mine["pools"].items()}) == {
            str(size): total for size, (total, _) in node.pools.items() if total}


@pytest.mark.parametrize("name", without_archives(numactl_names()))
def test_numactl_text(name, built, programs):
    host = host_of_text(name)
    assert host.nodes
    assert_as_built(host, programs.describe(built(host)))


@pytest.mark.parametrize("name", without_archives(archived("hwloc-xml/*.xml.gz")))
def test_hwloc_xml(name, built, programs):
    text = gzip.decompress((trees.archive_dir() / name).read_bytes()).decode()
    host = build_tree.host_from_hwloc_xml(text)
    assert len(host.nodes) >= 2
    ours = programs.describe(built(host))
    assert_as_built(host, ours)
    assert ours["have_distance"] == bool(host.distances)


def test_cores_are_counted_once(built, programs):
    host = build_tree.even_host(2, 16, 32000, threads_per_core=2)
    ours = programs.describe(built(host))
    assert ours["have_cores"]
    assert [node["n_cores"] for node in ours["nodes"]] == [8, 8]
    # One thread of each core is off.
    host.online = "0-7,16-23"
    ours = programs.describe(built(host, "smt-off"))
    assert [(node["n_cpus"], node["n_cores"]) for node in ours["nodes"]] == [(8, 8), (8, 8)]


def test_pools_where_the_first_node_has_none(built, programs):
    """Before 6.1 a node without memory has no hugepages folder at all."""
    host = build_tree.Host([build_tree.Node(0, "0-3"),
                            build_tree.Node(1, "4-7", 32000, 20000, pools={2048: (512, 500)})])
    root = built(host)
    for path in sorted((root / "sys/devices/system/node/node0/hugepages").rglob("*"),
                       reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (root / "sys/devices/system/node/node0/hugepages").rmdir()
    assert programs.describe(root)["node"][1]["pools"] == {"2048": [512, 500]}
