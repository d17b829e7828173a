# SPDX-License-Identifier: LGPL-2.1-or-later
# What every answer keeps, on every recorded host, and the shapes that numad broke on by name.

"""Invariants of the advice, judged from the table behind it."""

import gzip
import itertools
import re

import build_tree
import pytest
import trees
from build_tree import (Guest, Host, Node, even_host, flat_distances, ids_of, promise_line,
                        promises_text)
from conftest import without_archives
from test_oracle import archived, host_of_text, numactl_names

MIB = 1 << 20
OVERHEAD_BYTES = 100 * MIB      # place_policy_default(): guest_overhead_bytes
FEWEST_NODES_MAX = 10           # up to here every set is looked at


def need_of(request):
    """(hundredths of a CPU, bytes) that a node has to have."""
    cpus, _, mib = request.partition(":")
    need = int(mib or 0) * MIB
    return round(float(cpus) * 100), need + OVERHEAD_BYTES if need else 0


def eligible(table):
    """Rows of nodes that may be in an answer: memory, CPUs, and inside the cpuset."""
    return [row for row in table["nodes"]
            if row["free_bytes"] is not None and (row["total_bytes"] or row["free_bytes"])
            and row["cpus"]
            and row["reason"] != "not_allowed"]


def holds(rows, centicpu, need):
    return (sum(row["usable_bytes"] for row in rows) >= need and
            sum(row["cpus"] for row in rows) * 100 >= centicpu)


def check_chosen(table, rows):
    """Where some node may be chosen, only such nodes are: none without memory, none without
    CPUs, none outside the cpuset."""
    chosen = table["set"]
    ids = {row["node"] for row in table["nodes"]}
    assert chosen and chosen <= ids
    assert {row["node"] for row in table["nodes"] if row["reason"].startswith("chosen")} == chosen
    if rows:
        assert chosen <= {row["node"] for row in rows}
        assert table["verdict"] != "blind"
    else:
        assert table["verdict"] == "blind"


def check_room(table, rows, request):
    """One node when one has room, else the fewest that hold it, if any do."""
    centicpu, need = need_of(request)
    centicpu = min(centicpu, sum(row["cpus"] for row in rows) * 100)
    chosen = [row for row in rows if row["node"] in table["set"]]
    if any(holds([row], centicpu, need) for row in rows):
        assert len(chosen) == 1, f"{request}: one node would do"
    if not holds(rows, centicpu, need):
        return
    assert holds(chosen, centicpu, need), f"{request}: the answer does not hold it"
    fewer = len(chosen) - 1
    if 0 < fewer and len(rows) <= FEWEST_NODES_MAX:
        assert not any(holds(some, centicpu, need)
                       for some in itertools.combinations(rows, fewer)), f"{request}: fewer do"


def check_request(programs, root, request):
    """All of it for one request; returns the answer's nodes."""
    table = programs.table(root, request)
    rows = eligible(table)
    check_chosen(table, rows)
    # Where plain memory does not hold it, hugepage pools may: those have figures of their own.
    if rows and (table["verdict"] != "no_room" and
                 sum(row["usable_bytes"] for row in rows) >= need_of(request)[1]):
        check_room(table, rows, request)
    first = programs.answer(root, request)
    assert first == table["set"], f"{request}: placed and placectl disagree"
    assert programs.answer(root, request) == first, f"{request}: not the same answer twice"
    return first


def requests_for(programs, root):
    """Nothing, small, half and all of the roomiest node, two nodes, and far too much."""
    rows = eligible(programs.table(root, "0:0"))
    usable = sorted(((row["usable_bytes"] or 0) // MIB for row in rows), reverse=True) or [1000]
    cpus = max((row["cpus"] for row in rows), default=1)
    two = (usable[0] + usable[min(1, len(usable) - 1)]) * 8 // 10
    return ["0:0", "1:512", "0.5:0", f"{max(cpus // 2, 1)}:{usable[0] // 2}",
            f"{cpus}:{max(usable[0] - 100, 1)}", f"{cpus + 1}:512", f"2:{two}",
            f"{cpus * 2}:{sum(usable) * 9 // 10}", "9000:99999999"]


def check_host(programs, root):
    for request in requests_for(programs, root):
        check_request(programs, root, request)


def test_recorded_host(any_tree, hosts, programs):
    check_host(programs, hosts.root(any_tree))


@pytest.mark.parametrize("name", without_archives(numactl_names()))
def test_host_of_numactl_text(name, built, programs):
    check_host(programs, built(host_of_text(name)))


@pytest.mark.parametrize("name", without_archives(archived("hwloc-xml/*.xml.gz")))
def test_host_of_hwloc_xml(name, built, programs):
    text = gzip.decompress((trees.archive_dir() / name).read_bytes()).decode()
    check_host(programs, built(build_tree.host_from_hwloc_xml(text)))


# ---- shapes that numad broke on ------------------------------------------------------------------

@pytest.fixture
def ask(built, programs):
    """Builds a host once, checks it all over, and gives a function that answers requests."""
    def build_and_check(host, check=True):
        root = built(host)
        if check:
            check_host(programs, root)
        return lambda request: check_request(programs, root, request)
    return build_and_check


def sparse_ids():
    """POWER9 with GPUs: memory on 252-255, and nothing that could run there."""
    ids = (0, 8, 252, 253, 254, 255)
    nodes = [Node(0, "0-79", 130000, 60000), Node(8, "80-159", 130000, 100000)]
    nodes += [Node(one, "", 16000, 15900) for one in ids[2:]]
    table = [[10 if i == j else 40 if {i, j} == {0, 1} else 80 for j in range(6)]
             for i in range(6)]
    return Host(nodes, distances=table)


def test_sparse_ids(ask):
    answer = ask(sparse_ids())
    assert answer("4:80000") == {8}
    assert answer("4:150000") == {0, 8}
    assert answer("4:400000") == {0, 8}


def test_more_than_64_nodes(ask):
    nodes = [Node(2 * i, build_tree.list_of({2 * i, 2 * i + 1}), 4000, 3000) for i in range(80)]
    nodes[75].free_mib = 3900
    answer = ask(Host(nodes, distances=flat_distances(80)))
    assert answer("2:3500") == {150}
    many = answer("150:1000")
    assert len(many) == 75 and max(many) > 63


def test_more_than_1024_cpus(ask):
    host = even_host(8, 256, 64000, 60000, cpu_files=False)
    host.nodes[6].free_mib = 63900
    answer = ask(host)
    assert answer("4:62000") == {6}
    assert len(answer("300:1000")) == 2
    assert answer("2048:1000") == set(range(8))


def test_node_0_without_memory(ask):
    answer = ask(Host([Node(0, "0-7"), Node(1, "8-15", 64000, 60000)],
                      distances=flat_distances(2)))
    for request in ("2:1000", "12:1000", "2:70000", "0:0", "4"):
        assert answer(request) == {1}


def test_uneven_nodes(ask):
    """A node-count guess from the first node's size would say both."""
    answer = ask(Host([Node(0, "0-3", 8000, 7500), Node(1, "4-31", 256000, 250000)],
                      distances=flat_distances(2)))
    assert answer("8:100000") == {1}
    assert answer("28:100000") == {1}
    assert answer("2:252000") == {0, 1}


def test_smt_off_with_interleaved_ids(ask):
    """256 possible CPUs of which the even ones are on: ids reach past the count."""
    nodes = [Node(0, "0-127", 64000, 60000), Node(1, "128-255", 64000, 63000)]
    online = build_tree.list_of(range(0, 256, 2))
    answer = ask(Host(nodes, distances=flat_distances(2), online=online, possible="0-255",
                      threads_per_core=2))
    assert answer("4:61000") == {1}
    assert answer("64:1000") in ({0}, {1})
    assert answer("65:1000") == {0, 1}


def busy_guests(node_of):
    return [Guest(1000 + i, args=["-m", "2048", "-smp", "8"], resident_mib=2100, start_s=10,
                  cpu_time_s=8 * 99000, mems=str(node), cpus=cpus)
            for i, (node, cpus) in enumerate(node_of)]


def test_all_cpus_busy(ask):
    """A small guest still gets one node."""
    host = even_host(2, 8, 64000, 40000, busy_permille=1000)
    host.guests = busy_guests([(0, "0-7"), (1, "8-15")])
    answer = ask(host)
    assert len(answer("4:1000")) == 1
    assert len(answer("8:30000")) == 1


def test_busy_node_is_left_to_itself(ask):
    """Of two nodes with room, the one whose CPUs nobody uses."""
    host = even_host(2, 8, 64000, 40000)
    host.guests = busy_guests([(0, "0-7"), (0, "0-7")])
    assert ask(host)("4:1000") == {1}


def cxl_host(free_mib):
    """The memory-only node is nearer to socket 0 than the other socket is."""
    return Host([Node(0, "0-7", 64000, free_mib), Node(1, "8-15", 64000, free_mib),
                 Node(2, "", 131072, 130000)],
                distances=[[10, 21, 14], [21, 10, 24], [14, 24, 10]])


def test_cxl_nearest_by_distance(ask):
    answer = ask(cxl_host(30000))
    assert answer("4:40000") == {0, 1}
    assert answer("10:8000") == {0, 1}
    assert answer("16:200000") == {0, 1}
    assert len(answer("4:8000")) == 1


def test_cxl_does_not_lend_its_memory(ask):
    answer = ask(cxl_host(2000))
    assert answer("2:100000") == {0, 1}


def test_hugepages_eat_a_node(ask):
    """Most of node 0 went into its pool: what is left is too little for plain memory."""
    nodes = [Node(0, "0-7", 64000, 1500, pools={1048576: (60, 0)}),
             Node(1, "8-15", 64000, 30000, pools={1048576: (0, 0)})]
    answer = ask(Host(nodes, distances=flat_distances(2)))
    assert answer("2:8000") == {1}


def test_pool_holds_what_plain_memory_does_not(ask):
    nodes = [Node(0, "0-7", 64000, 3000, pools={2048: (25600, 25600)}),
             Node(1, "8-15", 64000, 3000)]
    assert ask(Host(nodes, distances=flat_distances(2)))("2:40000") == {0}


def test_1100_nodes(built, programs):
    """More than a kernel can have; placed has the deadline's time for it."""
    nodes = [Node(i, str(i), 4000, 3000) for i in range(1100)]
    nodes[1050].free_mib = 3900
    root = built(Host(nodes, distances=flat_distances(1100), cpu_files=False))
    assert check_request(programs, root, "1:3500") == {1050}
    assert len(check_request(programs, root, "1:0")) == 1
    done = programs.ask(root, "900:1000000")
    assert done.returncode == 0 and len(ids_of(done.stdout)) >= 900


def test_node_with_neither(ask):
    answer = ask(Host([Node(0), Node(2, "0-7", 32000, 31000)], distances=flat_distances(2)))
    for request in ("1:100", "0:0", "16:99999"):
        assert answer(request) == {2}


def test_free_exceeds_size(ask):
    host = even_host(4, 8, 180929, 186808)
    assert len(ask(host)("4:150000")) == 1


def test_overlapping_cpu_lists(ask):
    """numa=fake: two nodes share their CPUs."""
    nodes = [Node(0, "0-3", 4000, 3800), Node(1, "4-7", 4000, 3800),
             Node(2, "0-3", 8000, 7900)]
    answer = ask(Host(nodes, distances=[[10, 20, 10], [20, 10, 20], [10, 20, 10]]))
    assert answer("2:6000") == {2}
    assert answer("2:10000") == {0, 2}      # as near as a node of its own


def test_asymmetric_distances(ask):
    table = [[10, 15, 17, 21, 28, 26], [15, 10, 15, 23, 26, 23], [17, 15, 10, 26, 23, 21],
             [21, 28, 26, 10, 15, 17], [23, 26, 23, 15, 10, 15], [26, 23, 21, 17, 15, 10]]
    host = even_host(6, 8, 32000, 30000, distances=table)
    answer = ask(host)
    assert answer("4:50000") in ({0, 1}, {1, 2}, {3, 4}, {4, 5})


def test_distance_255(ask):
    """Unreachable by the table: the pair that can reach each other."""
    table = [[10, 255, 255, 255], [255, 10, 255, 255], [255, 255, 10, 80], [255, 255, 80, 10]]
    host = even_host(4, 8, 32000, 30000, distances=table)
    assert ask(host)("4:50000") == {2, 3}


def test_no_distance_files(ask):
    host = even_host(4, 8, 32000, 30000, distances=None)
    assert len(ask(host)("4:50000")) == 2


def test_no_node_directory(built, programs):
    """CONFIG_NUMA=n: one node 0 of the whole machine."""
    root = built(even_host(1, 8, 32000, 30000, node_dir=False))
    for request in ("4:8000", "0:0", "99:999999"):
        assert programs.answer(root, request) == {0}
    node = programs.describe(root)["node"][0]
    assert (node["cpus"], node["free_bytes"]) == ("0-7", 30000 * MIB)


# ---- confined askers -----------------------------------------------------------------------------

V2_MOUNT = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime 0 0\n"
V1_MOUNT = "cgroup /sys/fs/cgroup/cpuset cgroup rw,nosuid,nodev,noexec,relatime,cpuset 0 0\n"
HYBRID_MOUNTS = V1_MOUNT + "cgroup2 /sys/fs/cgroup/unified cgroup2 rw,nosuid 0 0\n"


def confined(mounts, cgroup, files, **more):
    """Four nodes of which 1 and 2 may be used; 3 has most memory, 0 fits tightest."""
    host = even_host(4, 8, 64000, 40000, mounts=mounts, cgroup=cgroup, files=files, **more)
    host.nodes[3].free_mib = 63000
    host.nodes[0].free_mib = 10000
    return host


CONFINED = {
    "v2 machine.slice": confined(V2_MOUNT, "0::/system.slice/libvirtd.service\n", {
        "sys/fs/cgroup/cpuset.mems.effective": "0-3\n",
        "sys/fs/cgroup/cpuset.cpus.effective": "0-31\n",
        "sys/fs/cgroup/machine.slice/cpuset.mems.effective": "1-2\n",
        "sys/fs/cgroup/machine.slice/cpuset.cpus.effective": "8-23\n"}),
    "v2 own group": confined(V2_MOUNT, "0::/box/inner\n", {
        "sys/fs/cgroup/cpuset.mems.effective": "0-3\n",
        "sys/fs/cgroup/box/inner/cpuset.mems.effective": "1-2\n",
        "sys/fs/cgroup/box/inner/cpuset.cpus.effective": "8-23\n"}),
    "v2 group above": confined(V2_MOUNT, "0::/box/inner/most\n", {
        "sys/fs/cgroup/cpuset.mems.effective": "0-3\n",
        "sys/fs/cgroup/box/cpuset.mems.effective": "1-2\n",
        "sys/fs/cgroup/box/cpuset.cpus.effective": "8-23\n"}),
    "v1 machine.slice": confined(V1_MOUNT, "4:cpuset:/\n", {
        "sys/fs/cgroup/cpuset/cpuset.mems": "0-3\n",
        "sys/fs/cgroup/cpuset/machine.slice/cpuset.mems": "1-2\n",
        "sys/fs/cgroup/cpuset/machine.slice/cpuset.cpus": "8-23\n"}),
    "v1 own group": confined(V1_MOUNT, "9:memory:/x\n4:cpuset:/box\n", {
        "sys/fs/cgroup/cpuset/cpuset.mems": "0-3\n",
        "sys/fs/cgroup/cpuset/box/cpuset.effective_mems": "1-2\n",
        "sys/fs/cgroup/cpuset/box/cpuset.effective_cpus": "8-23\n"}),
    "v1 with other controllers": confined(
        "cgroup /cgroup/all cgroup rw,cpu,cpuset,memory 0 0\n", "1:cpu,cpuset,memory:/box\n", {
            "cgroup/all/cpuset.mems": "0-3\n",
            "cgroup/all/box/cpuset.mems": "1-2\n",
            "cgroup/all/box/cpuset.cpus": "8-23\n"}),
    "hybrid": confined(HYBRID_MOUNTS, "4:cpuset:/box\n0::/other\n", {
        "sys/fs/cgroup/cpuset/box/cpuset.mems": "1-2\n",
        "sys/fs/cgroup/cpuset/box/cpuset.cpus": "8-23\n"}),
    "legacy cpuset filesystem": confined("none /dev/cpuset cpuset rw 0 0\n", None, {
        "proc/self/cpuset": "/dummy\n",
        "dev/cpuset/mems": "0-3\n", "dev/cpuset/cpus": "0-31\n",
        "dev/cpuset/dummy/mems": "1-2\n", "dev/cpuset/dummy/cpus": "8-23\n"}),
    "no cgroup file at all": confined("", None, {}, mems_allowed="1-2"),
}


@pytest.mark.parametrize("where", CONFINED)
def test_confined_asker(where, built, programs):
    root = built(CONFINED[where])
    ours = programs.describe(root)
    assert ours["confine_mems"] == "1-2"
    if where != "no cgroup file at all":
        assert ours["confine_cpus"] == "8-23"
    check_host(programs, root)
    assert programs.answer(root, "4:8000") <= {1, 2}
    assert programs.answer(root, "4:70000") == {1, 2}
    assert programs.answer(root, "99:999999") == {1, 2}


def test_recorded_cpusets(hosts, programs):
    """Askers that were in a cpuset when their host was recorded."""
    if not trees.load_facts():
        pytest.skip(f"no recorded hosts: {trees.archive_dir()} holds no TREES.jsonl")
    for name in ("16amd64-8n2c-cpusets", "32amd64-4s2n4c-cgroup", "32amd64-4s2n4c-cgroup2"):
        root = hosts.root(f"hwloc/{name}.tar.bz2")
        own = (root / "proc/self/cpuset").read_text(encoding="ascii").strip("\0\n")
        names = {"mems", "cpuset.mems", "cpuset.mems.effective"}
        found = [path for path in root.glob(f"*/*{own}/*") if path.name in names]
        assert len(found) == 1, name
        allowed = ids_of(found[0].read_text(encoding="ascii").strip("\0\n"))
        ours = programs.describe(root)
        assert ids_of(ours["confine_mems"]) == allowed < ids_of(ours["node_ids"])
        assert programs.answer(root, "9999:9999999") <= allowed


def test_isolated_cpus_cover_a_node(ask):
    host = even_host(2, 8, 64000, 40000, isolated="8-15")
    host.nodes[1].free_mib = 63000
    answer = ask(host)
    assert answer("4:8000") == {0}
    assert answer("4:50000") == {0}


def test_all_cpus_isolated(ask):
    """Nothing else is left: they count."""
    answer = ask(even_host(2, 8, 64000, 40000, isolated="0-15"))
    assert len(answer("4:8000")) == 1


def test_chosen_column_agrees(built, programs):
    table = programs.table(built(even_host(2, 8, 64000, 40000)), "4:1000")
    assert {row["node"] for row in table["nodes"] if row["chosen"]} == table["set"]


# ---- the ledger of a recording -------------------------------------------------------------------

def test_same_promises_same_answer(built, programs):
    """A promise of this boot takes its memory from its node, whoever asks."""
    host = even_host(2, 8, 64000, 40000, files={
        "run/placed/promises": promises_text([promise_line(99990, 4, 30000, "0")])})
    root = built(host)
    table = {row["node"]: row for row in programs.table(root, "4:20000")["nodes"]}
    assert table[0]["promised_bytes"] == 30000 * MIB + OVERHEAD_BYTES
    assert table[1]["promised_bytes"] == 0
    assert check_request(programs, root, "4:20000") == {1}


def test_promises_are_never_written_into_a_recording(built, programs):
    root = built(even_host(2, 8, 64000, 40000))
    programs.answer(root, "4:20000")
    assert not (root / "run").exists()


def test_warning_where_nothing_holds_it(built, programs):
    done = programs.ask(built(even_host(2, 8, 64000, 40000)), "4:500000")
    assert done.stdout == "0-1\n"
    assert re.search(r"\S", done.stderr)
