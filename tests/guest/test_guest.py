# SPDX-License-Identifier: LGPL-2.1-or-later
# Tests of the emulated host itself, and of placed under a real libvirtd in it. PLACED names the program
# to judge, PLACED_DESTDIR an installed tree; without either, and without the unpacked packages, tests skip.

"""The emulated NUMA host, and placed in it."""

import fcntl
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True
import topology  # noqa: E402  pylint: disable=wrong-import-position

RUN = HERE / "run"
SHAPES = topology.load()

needs_host = pytest.mark.skipif(
    not shutil.which("qemu-system-x86_64") or not (topology.cache_dir() / "kernel/boot").is_dir(),
    reason="no QEMU or no unpacked kernel: see tests/guest/README.md")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="files of root must be readable: run as root")


def boot(*arguments, **more):
    """One whole run; its output as text."""
    return subprocess.run([RUN, "-q", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, check=False, **more)


def parse_list(text):
    numbers = []
    for part in filter(None, text.strip().split(",")):
        low, _, high = part.partition("-")
        numbers += range(int(low), int(high or low) + 1)
    return numbers


@needs_host
@pytest.mark.parametrize("name", SHAPES)
def test_topology_is_what_the_table_says(name):
    shape = SHAPES[name]
    done = boot("--topology", name, "--timeout", 300, "--", "sh", "-c",
                "cd /sys/devices/system/node && grep . online has_cpu has_memory node*/cpulist node*/distance "
                "node*/meminfo node*/hugepages/hugepages-2048kB/nr_hugepages")
    assert done.returncode == 0, done.stderr
    seen = {}
    for line in done.stdout.splitlines():
        path, _, text = line.partition(":")
        seen[path] = seen.get(path, "") + text + "\n"
    nodes = list(range(len(shape.node_cpus)))
    assert parse_list(seen["online"]) == nodes
    assert parse_list(seen["has_cpu"]) == [node for node in nodes if shape.node_cpus[node]]
    assert parse_list(seen["has_memory"]) == [node for node in nodes if shape.memory_mib[node]]
    for node in nodes:
        assert parse_list(seen.get(f"node{node}/cpulist", "")) == shape.node_cpus[node]
        assert list(map(int, seen[f"node{node}/distance"].split())) == shape.distances[node]
        total_mib = int(re.search(r"MemTotal: +(\d+)", seen[f"node{node}/meminfo"]).group(1)) / 1024
        assert shape.memory_mib[node] * 0.8 <= total_mib <= shape.memory_mib[node]
        if shape.memory_mib[node]:
            pool = seen[f"node{node}/hugepages/hugepages-2048kB/nr_hugepages"]
            assert int(pool) == shape.hugepages[node]


@needs_host
def test_exit_status_directory_and_both_outputs(tmp_path):
    done = boot("--topology", "2n", "--", "sh", "-c", "pwd; id -u; echo complaint >&2; exit 7", cwd=tmp_path)
    assert done.returncode == 7
    assert done.stdout.splitlines() == [str(tmp_path), "0", "complaint"]


@needs_host
@pytest.mark.parametrize("kind, mounted", [("v1", ["cgroup"]), ("hybrid", ["cgroup", "cgroup2"])])
def test_cgroup_version(kind, mounted):
    done = boot("--topology", "2n", "--cgroup", kind, "--", "cat", "/proc/mounts")
    kinds = {line.split()[2] for line in done.stdout.splitlines() if line.split()[1].startswith("/sys/fs/cgroup/")}
    assert sorted(kinds) == mounted


@needs_host
def test_output_arrives_while_the_command_runs(tmp_path):
    script = "echo first; until [ -e /out/go ]; do sleep 0.2; done; echo second"
    with subprocess.Popen([RUN, "-q", "--topology", "2n", "--timeout", "300", "--share", tmp_path, "--", "sh", "-c",
                           script], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout.readline() == "first\n"
        (tmp_path / "go").touch()
        assert run.stdout.read() == "second\n"
    assert run.returncode == 0


def children(pid):
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


@needs_host
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_leaves_nothing_behind(tmp_path, number):
    with subprocess.Popen([RUN, "-q", "--topology", "2n", "--", "sh", "-c", "echo ready; exec sleep 1000"],
                          stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(tmp_path)}) as run:
        assert run.stdout.readline() == "ready\n"
        processes = children(run.pid)
        assert processes and list(tmp_path.iterdir())
        run.send_signal(number)
        assert run.wait() == 128 + number
    assert not [pid for pid in processes if pathlib.Path(f"/proc/{pid}").exists()]
    assert not list(tmp_path.iterdir())


@needs_host
def test_timeout_is_reported():
    done = boot("--topology", "2n", "--timeout", 15, "--", "sleep", "1000")
    assert done.returncode == 124
    assert "--timeout" in done.stderr


@needs_host
def test_second_host_waits_and_says_so():
    with open(topology.cache_dir() / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with subprocess.Popen([RUN, "--", "true"], stderr=subprocess.PIPE, text=True) as run:
            assert "waiting for another emulated host" in run.stderr.readline()
            run.terminate()
    assert run.returncode == 128 + signal.SIGTERM


def test_missing_kernel_says_what_to_do(tmp_path):
    if not shutil.which("qemu-system-x86_64"):
        pytest.skip("no QEMU")
    done = boot("--", "true", env={**os.environ, "PLACED_GUEST_CACHE": str(tmp_path)})
    assert done.returncode == 125
    assert "tests/guest/fetch" in done.stderr


def test_unknown_topology_names_the_known_ones():
    done = boot("--topology", "nowhere", "--", "true")
    assert done.returncode == 2
    assert " ".join(SHAPES) in done.stderr


@needs_host
def test_record_makes_a_plain_tree(tmp_path):
    done = boot("--topology", "memonly", "--share", tmp_path, "--", HERE / "record", "/out/tree")
    assert done.returncode == 0, done.stdout + done.stderr
    tree = tmp_path / "tree"
    assert not [path for path in tree.rglob("*") if path.is_symlink()]
    assert (tree / "RECORDED").read_text().startswith("format=1\n")
    assert (tree / "sys/devices/system/node/has_cpu").read_text() == "0-1\n"
    assert (tree / "sys/devices/system/node/node2/distance").read_text() == "14 24 10\n"
    for path in ("proc/meminfo", "proc/stat", "proc/mounts", "proc/zoneinfo", "proc/self/cgroup", "proc/self/status",
                 "proc/sys/kernel/random/boot_id", "sys/devices/system/cpu/cpu0/topology/core_cpus_list",
                 "sys/devices/system/node/node0/hugepages/hugepages-2048kB/free_hugepages"):
        assert (tree / path).stat().st_size > 0, path


def judge(tmp_path, name, *arguments):
    """Runs the judge on a topology; (exit status, what it wrote)."""
    done = boot("--topology", name, "--timeout", 1500, "--share", tmp_path, "--", HERE / "judge", "--json", "/out/judge.json", *arguments)
    print(done.stdout, done.stderr)
    assert done.returncode in (0, 1), done.stdout[-2000:] + done.stderr
    return done.returncode, json.loads((tmp_path / "judge.json").read_text())


@needs_host
@needs_root
def test_judge_condemns_a_program_that_fails(tmp_path):
    program = tmp_path / "numad"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    status, result = judge(tmp_path, "4n", "--numad", program, "--scene", "modes", "--quick")
    assert status == 1
    assert [check["check"] for check in result["checks"] if not check["ok"]] == ["it starts"] * len(result["checks"])


@needs_host
@needs_root
@pytest.mark.parametrize("scene, name", [("modes", "4n"), ("four", "4n8c")])
def test_placed_under_libvirt(tmp_path, scene, name):
    if os.environ.get("PLACED_DESTDIR"):
        program = ["--destdir", os.environ["PLACED_DESTDIR"]]
    elif os.environ.get("PLACED"):
        program = ["--numad", os.environ["PLACED"]]
    else:
        pytest.skip("set PLACED to the program, or PLACED_DESTDIR to an installed tree")
    status, result = judge(tmp_path, name, *program, "--scene", scene, "--quick")
    assert not [check for check in result["checks"] if not check["ok"]]
    assert status == 0
    if scene == "four":
        for start in ("immediate", "lazy"):
            assert result["figures"][f"four-{start}"]["distinct_nodes"] == 4
