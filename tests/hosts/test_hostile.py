# SPDX-License-Identifier: LGPL-2.1-or-later
# Bad recordings: whatever lies in them, there is an answer where one can be given, and no crash.

"""Hostile input through --root: node files, guests, state files, links out of the recording."""

import os
import random
import re
import shutil
import subprocess
import tempfile
import time

import build_tree
import pytest
from build_tree import (BOOT_ID, Guest, Host, Node, even_host, flat_distances, ids_of,
                        promise_line, promises_text, write)

NODE = "sys/devices/system/node"
CPU = "sys/devices/system/cpu"
U64_MAX = 2**64 - 1
BEYOND_U64 = "99999999999999999999999"
GARBAGE = random.Random(1).randbytes(4096)
LONG_LINE = b"1" * (10 << 20)     # below PLACE_TEXT_MAX: it is read
MIB = 1 << 20
PID = 4711
WEB = ["-name", "guest=web", "-m", "2048", "-smp", "2"]


@pytest.fixture
def broken(built, any_programs):
    """Builds two nodes and a guest, damages the tree, and asks: there has to be an answer.

    Returns (nodes of the answer, facts).
    """
    def damage_and_ask(damage, host=None, request="2:1000"):
        host = host or even_host(2, 4, 32000, 20000, guests=[Guest(PID, args=WEB)])
        root = built(host)
        damage(root)
        facts = any_programs.describe(root)
        any_programs.table(root, request)
        nodes = any_programs.answer(root, request)
        assert nodes <= ids_of(facts["node_ids"])
        assert any_programs.answer(root, "0:0")
        return nodes, facts
    return damage_and_ask


def replace(path, text):
    """A damage: one file holds something else, or is gone."""
    def damage(root):
        target = root / path
        if text is None:
            shutil.rmtree(target) if target.is_dir() else target.unlink()
        else:
            write(root, path, text)
    return damage


# ---- node and CPU files --------------------------------------------------------------------------

MEMINFO = [
    b"", b"\n", b"\0", GARBAGE, LONG_LINE, b"Node 0 MemTotal:", b"Node 0 MemTotal: 327",
    b"Node 0 MemTotal:       kB\nNode 0 MemFree: kB\n",
    b"Node 0 MemTotal: -5 kB\nNode 0 MemFree: -5 kB\n",
    b"Node 0 MemTotal: 32768000 kB\0\0\0\0",
    b"Node 0 MemTotal: " + BEYOND_U64.encode() + b" kB\nNode 0 MemFree: 1 kB\n",
    b"Node 0 MemTotal: %d kB\nNode 0 MemFree: %d kB\nNode 0 Inactive(file): %d kB\n" % (
        (U64_MAX,) * 3),
    b"Node 0 MemTotal: 100 kB\nNode 0 MemFree: 32768000 kB\n",
]


@pytest.mark.parametrize("text", MEMINFO, ids=range(len(MEMINFO)))
def test_meminfo(text, broken):
    """The node whose memory is known holds the guest, and is told from the other one."""
    nodes, facts = broken(replace(f"{NODE}/node0/meminfo", text))
    free = facts["node"][0]["free_bytes"]
    if free is None:
        assert nodes == {1}


def test_meminfo_of_all_nodes(broken):
    """Nothing is known: both, with a word on stderr."""
    def damage(root):
        for i in (0, 1):
            write(root, f"{NODE}/node{i}/meminfo", b"Node 0 MemTotal: 32768000 kB\n")
    nodes, facts = broken(damage)
    assert nodes == {0, 1}
    assert any("the memory of no node can be read" in note for note in facts["notes"])


def test_overflow_in_every_figure(broken):
    """Sums of saturated figures must not wrap."""
    def damage(root):
        for path in (*root.glob(f"{NODE}/node*/meminfo"),):
            text = path.read_text(encoding="ascii")
            write(root, path.relative_to(root), re.sub(r"\d+ kB", f"{U64_MAX} kB", text))
        for path in (*root.glob(f"{NODE}/node*/hugepages/*/*pages"), root / "proc/uptime",
                     root / "proc/sys/vm/min_free_kbytes",
                     root / "proc/sys/vm/watermark_scale_factor"):
            write(root, path.relative_to(root), f"{U64_MAX}\n")
        text = (root / f"proc/{PID}/status").read_text(encoding="ascii")
        write(root, f"proc/{PID}/status", re.sub(r"\d+ kB", f"{U64_MAX} kB", text))
        write(root, "proc/meminfo", f"Hugetlb: {U64_MAX} kB\n")
    broken(damage)


NODE_LISTS = [b"", b"\n", b"0-99999\n", b"0-\n", b"-1\n", b"1-0\n", b"0,,1\n", b"0-1,x\n",
              b"0 1\n", b"0x0-0x1\n", GARBAGE, LONG_LINE, b"0-1" + b"\0" * 4096,
              BEYOND_U64.encode(), b"0-1:2/4\n"]


@pytest.mark.parametrize("text", NODE_LISTS, ids=range(len(NODE_LISTS)))
def test_node_online(text, broken):
    """The folders tell where the list does not."""
    nodes, facts = broken(replace(f"{NODE}/online", text))
    assert facts["node_ids"] == "0-1" and len(nodes) == 1


def test_node_online_beyond_the_folders(broken):
    """Eight thousand nodes that are not there."""
    nodes, _ = broken(replace(f"{NODE}/online", "0-1023\n"))
    assert nodes <= {0, 1}


@pytest.mark.parametrize("text", NODE_LISTS, ids=range(len(NODE_LISTS)))
def test_cpu_online(text, broken):
    _, facts = broken(replace(f"{CPU}/online", text))
    assert facts["cpus_online"] in ("0-7", "0-1")


@pytest.mark.parametrize("text", NODE_LISTS, ids=range(len(NODE_LISTS)))
def test_cpulist(text, broken):
    _, facts = broken(replace(f"{NODE}/node0/cpulist", text))
    assert facts["node"][1]["cpus"] == "4-7"
    assert ids_of(facts["node"][0]["cpus"]) <= {0, 1, 2, 3}


def test_cpulist_and_cpumap_garbage(broken):
    """Neither is left: the links would tell, and there are none."""
    def damage(root):
        write(root, f"{NODE}/node0/cpulist", GARBAGE)
        write(root, f"{NODE}/node0/cpumap", GARBAGE)
    nodes, _ = broken(damage)
    assert nodes == {1}


@pytest.mark.parametrize("text", [b"ffffffff," * 1000, b",,,,", b"zz", b"0" * 100000 + b"f"])
def test_cpumap(text, broken):
    def damage(root):
        (root / f"{NODE}/node0/cpulist").unlink()
        write(root, f"{NODE}/node0/cpumap", text)
    broken(damage)


@pytest.mark.parametrize("row", [b"", b"10\n", b"10 20 20\n", b"10 -20\n", b"10 256\n", b"10 x\n",
                                 b"10 20 x\n", GARBAGE, LONG_LINE, b"10\0 20\n",
                                 BEYOND_U64.encode() + b" 10\n"], ids=range(11))
def test_distance_row(row, broken):
    """One bad row: the table is not used at all."""
    _, facts = broken(replace(f"{NODE}/node1/distance", row))
    assert facts["have_distance"] is False


@pytest.mark.parametrize("row", [b"0 0\n", b"255 255\n", b"20 10"])
def test_distance_that_makes_no_sense(row, broken):
    broken(replace(f"{NODE}/node0/distance", row), request="8:30000")


@pytest.mark.parametrize("text", [b"", b"x\n", GARBAGE, BEYOND_U64.encode(), b"-1\n", b"1 1\n"])
@pytest.mark.parametrize("name", ["nr_hugepages", "free_hugepages"])
def test_pool(text, name, broken):
    host = Host([Node(0, "0-3", 32000, 20000, pools={2048: (100, 90)}),
                 Node(1, "4-7", 32000, 20000)], distances=flat_distances(2))
    _, facts = broken(replace(f"{NODE}/node0/hugepages/hugepages-2048kB/{name}", text), host)
    assert "2048" not in facts["node"][0]["pools"]


def test_pool_sizes_without_end(broken):
    def damage(root):
        for i in range(100):
            write(root, f"{NODE}/node0/hugepages/hugepages-{i}kB/nr_hugepages", "1\n")
        write(root, f"{NODE}/node0/hugepages/hugepages-{BEYOND_U64}kB/nr_hugepages", "1\n")
        write(root, f"{NODE}/node0/hugepages/hugepages-xkB/nr_hugepages", "1\n")
        write(root, "proc/meminfo", "Hugetlb: 1 kB\n")
    broken(damage)


@pytest.mark.parametrize("path", ["proc/uptime", "proc/meminfo", "proc/mounts", "proc/self/mounts",
                                  "proc/self/cgroup", "proc/self/status", "proc/stat",
                                  "proc/sys/vm/min_free_kbytes", "proc/sys/kernel/random/boot_id",
                                  f"{CPU}/isolated", f"{CPU}/cpu0/topology/core_cpus"])
@pytest.mark.parametrize("text", [None, b"", GARBAGE, LONG_LINE, b"\0" * 100,
                                  BEYOND_U64.encode() + b"\n"],
                         ids=["gone", "empty", "garbage", "long", "nuls", "overflow"])
def test_other_files(path, text, broken):
    nodes, _ = broken(replace(path, text))
    assert len(nodes) == 1


def test_node_folders_with_odd_names(broken):
    def damage(root):
        for name in ("node", "nodeX", "node-1", "node00", "node99999", f"node{BEYOND_U64}",
                     "node0x1", "node1 "):
            (root / NODE / name).mkdir(exist_ok=True)
        (root / NODE / "online").unlink()
    _, facts = broken(damage)
    assert facts["node_ids"] == "0-1"


# ---- whole parts missing, and things that are no files -------------------------------------------

@pytest.mark.parametrize("parts", [["sys"], ["proc"], ["sys", "proc"], [NODE], [CPU],
                                   [f"{NODE}/node0"], [f"{NODE}/node0", f"{NODE}/node1"]],
                         ids=str)
def test_missing_parts(parts, broken):
    def damage(root):
        for part in parts:
            shutil.rmtree(root / part)
    nodes, _ = broken(damage)
    assert nodes


def test_no_root(any_programs, tmp_path):
    done = any_programs.ask(tmp_path / "none", "2:1000")
    assert done.returncode != 0 and not done.stdout
    assert "No such file or directory" in done.stderr


def test_root_is_a_file(any_programs, tmp_path):
    (tmp_path / "file").write_text("x", encoding="ascii")
    done = any_programs.ask(tmp_path / "file", "2:1000")
    assert done.returncode != 0 and "Not a directory" in done.stderr


READ_FILES = [f"{NODE}/online", f"{NODE}/node0/meminfo", f"{NODE}/node0/cpulist",
              f"{NODE}/node0/distance", f"{CPU}/online", f"{CPU}/isolated",
              f"{CPU}/cpu0/topology/core_cpus", f"{CPU}/cpu0/topology/thread_siblings",
              f"{CPU}/cpu0/topology/core_id", "proc/cpuinfo",
              "proc/uptime", "proc/meminfo", "proc/mounts", "proc/self/mounts",
              "proc/self/cgroup", "proc/self/status", "proc/sys/vm/min_free_kbytes",
              f"proc/{PID}/comm", f"proc/{PID}/cmdline", f"proc/{PID}/stat", f"proc/{PID}/status",
              "run/placed/promises", "run/placed/load", "run/placed/cores",
              "run/libvirt/qemu/web.xml", "proc/sys/kernel/random/boot_id"]


def remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif path.exists() or path.is_symlink():
        path.unlink()
    path.parent.mkdir(parents=True, exist_ok=True)


@pytest.mark.parametrize("path", READ_FILES)
def test_directory_for_a_file(path, broken):
    def damage(root):
        remove(root / path)
        (root / path).mkdir()
    broken(damage)


@pytest.mark.parametrize("path", READ_FILES)
def test_fifo_for_a_file(path, broken):
    """Nobody will ever write into it. broken() fails where placed falls back at its deadline."""
    def damage(root):
        remove(root / path)
        os.mkfifo(root / path)
    broken(damage)


@pytest.mark.parametrize("path", ["sys", "proc", NODE, CPU, f"{NODE}/node0", f"proc/{PID}",
                                  "run/placed", f"{NODE}/node0/hugepages"])
@pytest.mark.parametrize("kind", ["file", "fifo"])
def test_file_for_a_directory(path, kind, broken):
    def damage(root):
        remove(root / path)
        if kind == "file":
            write(root, path, GARBAGE)
        else:
            os.mkfifo(root / path)
    broken(damage)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_unreadable_files(broken):
    def damage(root):
        for path in READ_FILES:
            if (root / path).exists():
                (root / path).chmod(0)
    broken(damage)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_unreadable_files_for_nobody(programs):
    """The same as root: asked as a user who may read nothing of it."""
    tool = shutil.which("setpriv")
    if not tool:
        pytest.skip("setpriv is missing")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)     # the folders of pytest are closed to other users
        root = build_tree.build(f"{folder}/host", even_host(2, 4, 32000, 20000,
                                                            guests=[Guest(PID, args=WEB)]))
        for path in (f"{NODE}/node0/meminfo", f"proc/{PID}/cmdline", "proc/self/status"):
            (root / path).chmod(0)
        done = subprocess.run([tool, "--reuid", "65534", "--regid", "65534", "--clear-groups",
                               str(programs.folder / "placed"), "-w", "2:1000", "--root",
                               str(root)], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "1\n"
    assert "could not be read" in done.stderr


# ---- links ---------------------------------------------------------------------------------------

SECRET_MIB = 31337


@pytest.fixture
def outside(tmp_path):
    """A host beside the recording, with other figures: nothing of it may be seen."""
    host = even_host(2, 4, SECRET_MIB, SECRET_MIB, threads_per_core=4,
                     distances=[[77, 78], [78, 77]],
                     guests=[Guest(PID, args=["-m", str(SECRET_MIB), "-name", "secret"])],
                     isolated="4-7", boot_id="77777777-7777-7777-7777-777777777777")
    host.files["run/placed/promises"] = promises_text([promise_line(99999, 1, SECRET_MIB, "0-1")])
    return build_tree.build(tmp_path / "outside", host)


@pytest.mark.parametrize("way", ["absolute", "climbing"])
def test_links_lead_nowhere(way, outside, broken, tmp_path):
    """Every file that is read is a link out of the recording; no file outside changes a fact,
    and none outside is touched by a read."""
    def damage(root):
        for path in READ_FILES:
            remove(root / path)
            target = outside / path
            if way == "climbing":
                target = os.path.join("../" * 40, str(target).lstrip("/"))
            (root / path).symlink_to(target)

    before = access_times(outside)
    _, facts = broken(damage)
    assert access_times(outside) == before, "a file outside was read"
    assert str(SECRET_MIB * MIB) not in repr(facts) and "secret" not in repr(facts)
    assert facts["cpus_isolated"] == "" and facts["have_distance"] is False
    assert all(node["n_cores"] == node["n_cpus"] for node in facts["nodes"])


def access_times(folder):
    """Times set far back, so that relatime notes the next read."""
    times = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            if path.stat().st_atime > 1:
                os.utime(path, (0, time.time()))
            times[path] = path.stat().st_atime
    return times


def test_reads_are_noted_here(tmp_path):
    """The proof above needs a file system that notes reads."""
    path = tmp_path / "read"
    path.write_text("x", encoding="ascii")
    os.utime(path, (0, time.time()))
    path.read_text(encoding="ascii")
    if path.stat().st_atime == 0:
        pytest.skip("this file system notes no reads (noatime): links are judged by facts only")


@pytest.mark.parametrize("part", ["sys", "proc", "run", NODE, f"{NODE}/node0", CPU,
                                  f"{CPU}/cpu0/topology", f"proc/{PID}", "run/placed"])
def test_linked_folders_lead_nowhere(part, outside, broken):
    def damage(root):
        remove(root / part)
        (root / part).symlink_to(outside / part)

    before = access_times(outside)
    _, facts = broken(damage)
    assert access_times(outside) == before, "a file outside was read"
    assert str(SECRET_MIB * MIB) not in repr(facts)


def test_links_inside_are_followed(broken):
    """Recordings keep links, and an absolute one starts at the recording's root."""
    def damage(root):
        for i in (0, 1):
            (root / f"{NODE}/node{i}").rename(root / f"node{i}")
            (root / f"{NODE}/node{i}").symlink_to(f"/node{i}")
    _, facts = broken(damage)
    assert facts["have_distance"] and facts["node"][0]["free_bytes"] == 20000 * MIB


@pytest.mark.parametrize("path", READ_FILES + ["sys", "proc", NODE, f"proc/{PID}"])
def test_link_loops(path, broken):
    def damage(root):
        remove(root / path)
        (root / path).symlink_to((root / path).name)
    broken(damage)


# ---- guests --------------------------------------------------------------------------------------

def guest_host(**more):
    return even_host(2, 4, 32000, 20000, guests=[Guest(PID, **{"args": WEB, **more})])


@pytest.mark.parametrize("comm", ["qemu) Z 1", "qemu (a) b", "qemu\nqemu", "qemu \t\r", "qemu\\n",
                                  "qemu\x01\x7f", "qemu\"'<>&"])
def test_comm(comm, broken):
    _, facts = broken(lambda root: None, guest_host(comm=comm))
    assert facts["guest"][PID]["memory_bytes"] == 2048 * MIB


CMDLINES = {
    "no NUL at the end": (b"qemu\0-m\0" b"2048", 2048 * MIB),
    "option without value": (b"qemu\0-m\0", 128 * MIB),
    "option at the very end": (b"qemu\0-m", 128 * MIB),
    "only NULs": (b"\0\0\0\0\0", 128 * MIB),
    "one byte": (b"q", 128 * MIB),
    "binary": (GARBAGE, None),
    "1 MB": (b"qemu\0-m\0" b"2048\0-append\0" + b"x" * MIB + b"\0", 2048 * MIB),
    "a million arguments": (b"qemu\0-m\0" b"2048\0" + b"-S\0" * 333333, 2048 * MIB),
    "1000 backends": (b"qemu\0-m\0" b"2048\0" + b"".join(
        b"-object\0memory-backend-ram,id=m%d,size=1M\0-device\0pc-dimm,memdev=m%d\0" % (i, i)
        for i in range(1000)), None),
    "value of 1 MB": (b"qemu\0-m\0" b"2048\0-name\0guest=" + b"y" * MIB + b"\0", 2048 * MIB),
    "key of 1 MB": (b"qemu\0-m\0" b"2048\0-object\0" + b"z" * MIB + b"=1\0", 2048 * MIB),
    "size that overflows": (b"qemu\0-m\0" b"99999999999999999999G\0", None),
    "size that overflows with its unit": (b"qemu\0-m\0" b"18446744073709551615E\0", None),
    "sum that overflows": (b"qemu\0-m\0" b"15E\0-object\0memory-backend-ram,id=a,size=15E\0"
                           b"-device\0pc-dimm,memdev=a\0", None),
    "nodes that overflow": (b"qemu\0-m\0" b"2048\0-object\0memory-backend-ram,id=a,size=2G,"
                            b"host-nodes=0-99999999999,policy=bind\0", 2048 * MIB),
    "vcpus that overflow": (b"qemu\0-m\0" b"2048\0-smp\0" b"4294967295,sockets=4294967295,"
                            b"cores=4294967295,threads=4294967295\0", 2048 * MIB),
    "commas": (b"qemu\0-m\0" b"2048\0-object\0" + b"," * 99999 + b"\0", 2048 * MIB),
    "equals signs": (b"qemu\0-m\0" b"2048\0-object\0" + b"=" * 99999 + b"\0", 2048 * MIB),
}


@pytest.mark.parametrize("case", CMDLINES)
def test_cmdline(case, broken):
    cmdline, memory_bytes = CMDLINES[case]
    _, facts = broken(lambda root: None, guest_host(cmdline=cmdline))
    if memory_bytes is not None:
        assert facts["guest"][PID]["memory_bytes"] == memory_bytes


JSON = ['{', '{"', '{"qom-type', '{"qom-type"', '{"qom-type":', '{"qom-type":"memory-backend-ram"',
        '{"qom-type":"memory-backend-ram",', '{"a":{', '{"a":[', '{"a":[1,', '{"a":"\\',
        '{"a":"\\u', '{"a":"\\u12', '{"a":"\\ud800\\ud800"}', '{"a":' + "[" * 100000,
        '{"a":' + '{"a":' * 100000, '{"a":' + "[" * 16 + "]" * 17 + "}", '{"a":]}', '{"a":}',
        "{" * 99999, "}", "[]", '{"host-nodes":[0,1,2' + ",3" * 99999 + '],"policy":"bind"',
        '{"size":-1,"qom-type":"memory-backend-ram"}', '{"size":1e99}', "{\"a\":\"\x01\xff\"}",
        '{"id":"' + "i" * 99999 + '","qom-type":"memory-backend-ram","size":1}', '{"a":[]}[]{}']


@pytest.mark.parametrize("text", JSON, ids=range(len(JSON)))
def test_json_object(text, broken):
    args = ["-m", "2048", "-object", text, "-device", text, "-smp", text, "-numa", text]
    _, facts = broken(lambda root: None, guest_host(args=args))
    assert facts["guest"][PID]["memory_bytes"] == 2048 * MIB


@pytest.mark.parametrize("name", [
    "../../../etc/passwd", "/etc/passwd", "..", ".", "a/../../b", "\"quoted\"", "'x'", "a\\b",
    "\x1b[31mred", "new\nline", "%s%n%s", "n" * 300, "\xff\xfe", "guest=x", "</name>", "a,,b"])
def test_name(name, broken, outside):
    """It never becomes a path out of run/libvirt/qemu, and is printed as text only."""
    def damage(root):
        for place in ("passwd.xml", "etc/passwd.xml", "run/libvirt/b.xml", "b.xml", "run/etc.xml"):
            write(root, place, f"<domstatus state='running' pid='{PID}'>\n  <domain>\n"
                               "    <currentMemory unit='KiB'>1</currentMemory>\n")
    before = access_times(outside)
    _, facts = broken(damage, guest_host(args=["-m", "2048", "-name", name]))
    guest = facts["guest"][PID]
    assert guest["balloon_bytes"] is None
    assert all(" " <= letter <= "~" for letter in guest["name"])
    assert access_times(outside) == before


STATUS_XML = [b"", GARBAGE, LONG_LINE, b"<domstatus ", b"<domstatus pid='", b"<domstatus pid='x'>",
              b"<domstatus pid='4711'", b"<domstatus state='a' pid='4711'>\n    <currentMemory "
              b"unit='KiB'>", b"<domstatus state='a' pid='4711'>\n    <currentMemory unit='KiB'>"
              + BEYOND_U64.encode(), b"<domstatus state='a' pid='99999999999999999999'>",
              b"<domstatus state='a' pid='4711'>\n    <numatune>\n      <memory ",
              b"<domstatus state='a' pid='4711'>\n    <numatune>\n      <memory mode='strict' "
              b"nodeset='0-99999'/>", b"<domstatus state='a' pid='4711'>\n  <numad \n"
              b"    <numatune>\n      <memory mode='strict' placement='auto'/>"]


@pytest.mark.parametrize("text", STATUS_XML, ids=range(len(STATUS_XML)))
def test_status_xml(text, broken):
    _, facts = broken(replace("run/libvirt/qemu/web.xml", text))
    assert facts["guest"][PID]["memory_bytes"] == 2048 * MIB


STAT = ["", ")", "1 (qemu)", "1 (qemu) ", "1 (qemu) S", "1 (qemu) S 1 2 3", "no brackets at all",
        "1 (qemu) S" + " -1" * 60, "1 (qemu) S" + f" {BEYOND_U64}" * 60, "1 (qemu) S" + " x" * 60,
        "1 (qemu) S" + f" {U64_MAX}" * 60, "1 (qemu) S " + "9" * MIB, "(" * MIB, ")" * MIB]


@pytest.mark.parametrize("stat", STAT, ids=range(len(STAT)))
def test_stat(stat, broken):
    _, facts = broken(replace(f"proc/{PID}/stat", stat))
    assert facts["guest"][PID]["memory_bytes"] == 2048 * MIB


def test_clock_and_start_at_the_end_of_time(broken):
    """A start that is as late as the clock: the difference is no divisor."""
    def damage(root):
        write(root, "proc/uptime", f"{BEYOND_U64[:15]}.00 1.00\n")
        write(root, f"proc/{PID}/stat", "1 (qemu) S" + f" {U64_MAX}" * 60)
        write(root, "run/placed/load",
              f"placed load 1 boot {BOOT_ID} taken_ns {U64_MAX}\n{PID} {U64_MAX} 1\n")
    broken(damage)


STATUS = [b"", b"\n", GARBAGE, LONG_LINE, b"Name:\tqemu\n", b"RssAnon:\n", b"RssAnon: x kB\n",
          b"RssAnon: %d kB\nRssShmem: %d kB\nHugetlbPages: %d kB\n" % ((U64_MAX,) * 3),
          b"Mems_allowed_list:\t\nCpus_allowed_list:\t\n",
          b"Mems_allowed_list:\t0-99999\nCpus_allowed_list:\tx\n",
          b"Mems_allowed_list:\t" + b"0," * MIB + b"\n",
          b"Mems_allowed_list:\t700\nCpus_allowed_list:\t8000\n", b"RssAnon:\t100 kB\0\0"]


@pytest.mark.parametrize("text", STATUS, ids=range(len(STATUS)))
def test_status(text, broken):
    """What is missing in it is unknown, and never zero."""
    nodes, facts = broken(replace(f"proc/{PID}/status", text))
    assert len(nodes) == 1
    if b"100 kB" not in text:
        assert facts["guest"][PID]["resident_bytes"] is None
        assert any("could not be read" in note for note in facts["notes"])


@pytest.mark.parametrize("exe", ["q" * 4000, "/" * 4000, "../" * 1000, "\n", "/proc/self/exe",
                                 "exe", "/usr/bin/qemu-" + "x" * 4000], ids=range(7))
def test_program_link(exe, broken):
    """It is read as text, and never followed."""
    broken(lambda root: None, guest_host(exe=exe))


def test_program_that_is_no_link(broken):
    _, facts = broken(replace(f"proc/{PID}/exe", GARBAGE))
    assert list(facts["guest"]) == [PID]


@pytest.mark.parametrize("left", [[], ["comm"], ["comm", "cmdline"], ["comm", "cmdline", "stat"]],
                         ids=str)
def test_vanished(left, broken):
    """A process that goes while it is read is no guest any more, and no trouble."""
    def damage(root):
        for path in (root / f"proc/{PID}").iterdir():
            if path.name not in left:
                path.unlink()
    _, facts = broken(damage)
    assert not facts["guests"] and not facts["notes"]


def test_pids_with_odd_names(broken):
    """Folders that look like numbers; none of them is a process of that number."""
    def damage(root):
        for name in ("-1", "0x1", "4294967295", "99999999999999999999", "1e3", "1 2", "+5"):
            write(root, f"proc/{name}/comm", "qemu-system-x86\n")
            write(root, f"proc/{name}/cmdline", b"qemu\0-m\0" b"1\0")
            write(root, f"proc/{name}/status", "RssAnon: 1 kB\n")
    _, facts = broken(damage)
    assert [guest["pid"] for guest in facts["guests"]] == [PID]


def test_thousands_of_guests(any_programs, built):
    """Of 1 GiB each on a host that holds them: the answer comes before the deadline, which is not made for sanitizers."""
    n_guests = 1000 if any_programs.folder.name == "sanitize" else 3000
    guests = [Guest(pid, args=["-m", "1024", "-smp", "1"], resident_mib=1000)
              for pid in range(1000, 1000 + n_guests)]
    root = built(even_host(4, 32, 2000000, 1000000, guests=guests))
    assert len(any_programs.describe(root)["guests"]) == n_guests
    assert len(any_programs.answer(root, "4:8000")) == 1


# ---- run/placed of a recording -------------------------------------------------------------------

PROMISE = promise_line(99999, 4, 1024, "0").strip()
HEADING = f"placed promises 1 boot {BOOT_ID}"
LEDGERS = {
    "empty": ("", 0, False),
    "heading alone": (f"{HEADING}\n", 0, False),
    "without newline": (HEADING, 0, False),
    "one": (f"{HEADING}\n{PROMISE}\n", 1, False),
    "one cut short": (f"{HEADING}\n{PROMISE}\n{PROMISE[:40]}", 1, True),
    "damaged in between": (f"{HEADING}\n{PROMISE}\nxyz\n{PROMISE}\n", 2, True),
    "no number": (f"{HEADING}\n{PROMISE.replace('400', '4x0')}\n", 0, True),
    "number too large": (f"{HEADING}\n{PROMISE.replace('400', BEYOND_U64)}\n", 0, True),
    "bytes at the limit": (f"{HEADING}\n{PROMISE.replace('1073741824', str(U64_MAX))}\n", 1, False),
    "nodes empty": (f"{HEADING}\n{PROMISE[:-1]}\n", 0, True),
    "nodes too large": (f"{HEADING}\n{PROMISE[:-1]}0-99999\n", 0, True),
    "nodes that are not there": (f"{HEADING}\n{PROMISE[:-1]}700\n", 1, False),
    "another boot": (f"placed promises 1 boot {'0' * 36}\n{PROMISE}\n", 0, False),
    "another version": (f"placed promises 2 boot {BOOT_ID}\n{PROMISE}\n", 0, True),
    "no heading": (f"{PROMISE}\n", 0, True),
    "garbage": (GARBAGE, 0, True),
    "one long line": (LONG_LINE, 0, True),
    "in the future": (f"{HEADING}\n{PROMISE.replace('99999', '999999')}\n", 0, False),
    "long over": (f"{HEADING}\n{PROMISE.replace('99999000000000', '5')}\n", 0, False),
    "fifty thousand": (f"{HEADING}\n" + f"{PROMISE}\n" * 50000, None, True),
}


@pytest.mark.parametrize("case", LEDGERS)
def test_ledger(case, broken, any_programs, tmp_path):
    """What is readable of it counts, and damage is said once."""
    text, n_counted, is_damaged = LEDGERS[case]
    _, facts = broken(replace("run/placed/promises", text),
                      even_host(2, 4, 320000, 200000))
    assert any("promises" in note for note in facts["notes"]) == is_damaged
    if n_counted is None or case in ("bytes at the limit", "nodes that are not there"):
        return
    promised = sum(row["promised_bytes"]
                   for row in any_programs.table(tmp_path / "host", "1:100")["nodes"])
    assert promised == n_counted * (1124 * MIB)


LOAD_HEADING = f"placed load 1 boot {BOOT_ID} taken_ns 99990000000000\n"
LOADS = {
    "empty": ("", True), "garbage": (GARBAGE, True), "one long line": (LONG_LINE, True),
    "heading": (LOAD_HEADING, False),
    "another boot": (f"placed load 1 boot {'0' * 36} taken_ns 1\n4711 1 1\n", False),
    "two fields": (LOAD_HEADING + f"{PID} 100000000000\n", True),
    "overflow": (LOAD_HEADING + f"{PID} {BEYOND_U64} 1\n", True),
    "pid too large": (LOAD_HEADING + "9999999999 1 1\n", True),
    "not ascending": (LOAD_HEADING + f"{PID} 1 1\n{PID} 1 1\n", True),
    "cut short": (LOAD_HEADING + f"{PID} 1 ", True),
    "taken later than now": (f"placed load 1 boot {BOOT_ID} taken_ns {U64_MAX}\n"
                             f"{PID} 100000000000 1\n", False),
    "more time than now": (LOAD_HEADING + f"{PID} 100000000000 {U64_MAX}\n", False),
}


@pytest.mark.parametrize("case", LOADS)
def test_load(case, broken):
    text, is_damaged = LOADS[case]
    _, facts = broken(replace("run/placed/load", text))
    assert any("/run/placed/load" in note for note in facts["notes"]) == is_damaged


CORES_HEADING = f"placed cores 1\nboot {BOOT_ID} cpus 0-7\n"
CORES = {
    "good": (CORES_HEADING + "node 0 1\nnode 1 2\n", [1, 2], False),
    "empty": ("", [4, 4], True), "garbage": (GARBAGE, [4, 4], True),
    "one long line": (LONG_LINE, [4, 4], True),
    "another boot": (f"placed cores 1\nboot {'0' * 36} cpus 0-7\nnode 0 1\nnode 1 1\n", [4, 4],
                     False),
    "other CPUs": (f"placed cores 1\nboot {BOOT_ID} cpus 0-15\nnode 0 1\nnode 1 1\n", [4, 4],
                   False),
    "a node missing": (CORES_HEADING + "node 0 1\n", [4, 4], True),
    "a node too many": (CORES_HEADING + "node 0 1\nnode 1 1\nnode 2 1\n", [4, 4], False),
    "another node": (CORES_HEADING + "node 0 1\nnode 5 1\n", [4, 4], False),
    "more cores than CPUs": (CORES_HEADING + "node 0 5\nnode 1 1\n", [4, 4], True),
    "overflow": (CORES_HEADING + f"node 0 {BEYOND_U64}\nnode 1 1\n", [4, 4], True),
    "cut short": (CORES_HEADING + "node 0 1\nnode 1", [4, 4], True),
}


@pytest.mark.parametrize("case", CORES)
def test_cores(case, broken):
    text, n_cores, is_damaged = CORES[case]
    _, facts = broken(replace("run/placed/cores", text))
    assert [node["n_cores"] for node in facts["nodes"]] == n_cores
    assert any("/run/placed/cores" in note for note in facts["notes"]) == is_damaged
