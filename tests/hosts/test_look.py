# SPDX-License-Identifier: LGPL-2.1-or-later
# Looks at one process: recorded guests, built ones, and live processes that do their worst.

"""Classes and traits, through tests/hosts/look."""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest
from build_tree import Guest, even_host, write

PID = 4711
RECORDED = pathlib.Path(__file__).resolve().parent / "recorded"
WEB = ["-name", "guest=web", "-m", "2048", "-smp", "2"]
STATUS = """<domstatus state='{state}' reason='{reason}' pid='{pid}'>
{own}  <domain type='kvm' id='1'>
    <name>web</name>
{domain}  </domain>
</domstatus>
"""


@pytest.fixture
def look(any_programs):
    """What looks find: a dictionary by pid, of all guests or of the given processes."""
    def look_at(root, *pids):
        if not (any_programs.folder / "tests/hosts/look").exists():
            pytest.skip("tests/hosts/look is not built: make tests/hosts/look")
        done = any_programs.run("tests/hosts/look", root, *pids)
        assert done.returncode == 0, done.stderr
        found = {}
        for line in done.stdout.splitlines():
            one = json.loads(line)
            one["traits"] = set(one["traits"])
            found[one["pid"]] = one
        return found
    return look_at


def xml(own="", domain="", state="running", reason="booted", pid=PID):
    return STATUS.format(state=state, reason=reason, pid=pid, own=own, domain=domain)


def host_with(**more):
    """Four nodes of two CPUs, and one guest."""
    return even_host(4, 2, 64000, 40000, guests=[Guest(PID, args=more.pop("args", WEB), **more)])


def add_threads(root, threads, pid=PID):
    """{name: (allowed CPUs, ticks)}; the main thread is there already in every process."""
    for tid, (name, (cpus, ticks)) in enumerate(threads.items(), pid):
        rest = " ".join(["1"] * 10 + [str(ticks), "0"] + ["1"] * 40)
        write(root, f"proc/{pid}/task/{tid}/stat", f"{tid} ({name}) S {rest}\n")
        write(root, f"proc/{pid}/task/{tid}/status", f"Name:\tx\nCpus_allowed_list:\t{cpus}\n")


def add_descriptors(root, targets, pid=PID):
    folder = root / f"proc/{pid}/fd"
    folder.mkdir(parents=True)
    for number, target in enumerate(targets):
        (folder / str(number)).symlink_to(target)


# ---- recorded and built guests -------------------------------------------------------------------

def test_recorded_guests(look):
    found = {one["name"]: one for one in look(RECORDED / "4n-guests").values()}
    assert {name: one["class"] for name, one in found.items()} == {
        "web": "auto", "db": "auto", "batch": "interleaved"}
    for name, one in found.items():
        assert {"libvirt", "advised"} <= one["traits"] and "pinned" not in one["traits"]
        assert name in one["group_v2"]


@pytest.mark.parametrize("record, wanted", [
    (None, "free"),
    (xml("  <numad nodeset='1' cpuset='2-3'/>\n",
         "    <numatune>\n      <memory mode='strict' placement='auto'/>\n    </numatune>\n"), "auto"),
    (xml(domain="    <numatune>\n      <memory mode='strict' nodeset='1'/>\n    </numatune>\n"), "static"),
    (xml("  <job type='none' async='migration out' phase='perform' flags='0x1'/>\n"), "migrating"),
    (xml(state="paused", reason="migration"), "migrating"),
    # Another process's record says nothing of this one.
    (xml("  <numad nodeset='1' cpuset='2-3'/>\n", pid=PID + 1), "free"),
])
def test_libvirt_record(record, wanted, built, look):
    found = look(built(host_with(domstatus=record, name="web")))[PID]
    assert found["class"] == wanted
    assert ("libvirt" in found["traits"]) == (record is not None and f"pid='{PID}'" in record)


def test_libvirt_still_starts_it(built, look):
    for reason, is_starting in ("starting up", True), ("user", False):
        found = look(built(host_with(domstatus=xml(state="paused", reason=reason), name="web")))[PID]
        assert ("starting" in found["traits"]) == is_starting
        assert "session" not in found["traits"]


@pytest.mark.parametrize("folder, uid, wanted", [
    ("run/user/1000/libvirt/qemu/run", 1000, "auto"),
    ("run/user/1000/libvirt/qemu/run", 1001, "free"),       # somebody else's folder
    ("run/user/0/libvirt/qemu/run", 1000, "free"),
])
def test_session_libvirt(folder, uid, wanted, built, look):
    root = built(host_with(status={"Uid": f"\t{uid}\t{uid}\t{uid}\t{uid}"}))
    write(root, f"{folder}/web.xml", xml("  <numad nodeset='1' cpuset='2-3'/>\n"))
    found = look(root)[PID]
    assert found["class"] == wanted
    assert ("session" in found["traits"]) == (wanted == "auto")


def test_session_record_that_leads_astray(built, look, tmp_path):
    root = built(host_with(status={"Uid": "\t1000\t1000\t1000\t1000"}))
    folder = root / "run/user/1000/libvirt/qemu/run"
    folder.mkdir(parents=True)
    outside = tmp_path / "outside.xml"
    outside.write_text(xml("  <numad nodeset='1' cpuset='2-3'/>\n"))
    (folder / "web.xml").symlink_to(outside)
    assert look(root)[PID]["class"] == "free"
    (folder / "web.xml").unlink()
    os.mkfifo(folder / "web.xml")                           # to open it would wait for ever
    assert look(root)[PID]["class"] == "free"


@pytest.mark.parametrize("name", ["../../../../etc/passwd", "a/b", "..", "x" * 4000])
def test_names_that_are_no_file_names(name, built, look):
    assert look(built(host_with(args=["-name", f"guest={name}", "-m", "64"])))[PID]["class"] == "free"


@pytest.mark.parametrize("threads, wanted", [
    ({"qemu-system-x86": ("0-7", 9), "CPU 0/KVM": ("0-7", 9), "CPU 1/KVM": ("0-7", 9)}, "free"),
    ({"qemu-system-x86": ("0", 9), "CPU 0/KVM": ("0-7", 9)}, "free"),     # only the emulator is pinned
    ({"qemu-system-x86": ("0-7", 9), "CPU 0/KVM": ("0-7", 9), "CPU 1/KVM": ("3", 9)}, "pinned"),
    ({"qemu-system-x86": ("0-7", 9), "CPU 0/KVM": ("2-3", 9)}, "static"),
    ({"qemu-system-x86": ("0-7", 9), "worker": ("3", 9)}, "pinned"),      # no names: any may be a vCPU
    ({"qemu-system-x86": ("0-7", 9), "CPU 0/KVM": ("0-7", 9), "live_migration": ("0-7", 9)}, "migrating"),
    ({"qemu-system-x86": ("0-7", 9), "CPU 0/KVM": ("0-7", 9), "mig/src/send_3": ("0-7", 9)}, "migrating"),
    ({"a) R 1 1 (b": ("0-7", 9), "CPU 0/KVM": ("0-7", 9), "x\nCPU 9/KVM": ("1", 9)}, "free"),
])
def test_threads(threads, wanted, built, look):
    root = built(host_with())
    add_threads(root, threads)
    assert look(root)[PID]["class"] == wanted


@pytest.mark.parametrize("ticks, record, wanted", [
    (0, None, "migrating"), (100, None, "free"),
    (0, xml(), "free"), (0, xml(state="paused", reason="starting up"), "migrating"),
    (0, xml(state="paused", reason="user"), "free"),
])
def test_incoming_stays_on_the_command_line(ticks, record, wanted, built, look):
    root = built(host_with(args=[*WEB, "-incoming", "defer"], domstatus=record, name="web"))
    add_threads(root, {"qemu-system-x86": ("0-7", 500), "CPU 0/KVM": ("0-7", ticks)})
    assert look(root)[PID]["class"] == wanted


@pytest.mark.parametrize("targets, wanted", [
    (["/dev/null", "socket:[1]"], "free"),
    (["/dev/null"] * 3000 + ["/dev/vfio/12"], "device"),
    (["anon_inode:[vfio-device]"], "device"),
    (["/dev/vfio/12", "anon_inode:[kvm-gmem]"], "confidential"),
    (["anon_inode:[userfaultfd]"], "migrating"),
    (["/tmp/dev/vfio/12"], "free"),
])
def test_descriptors(targets, wanted, built, look):
    root = built(host_with())
    add_descriptors(root, targets)
    assert look(root)[PID]["class"] == wanted


def test_memory_held_for_a_device(built, look):
    root = built(host_with(status={"VmPin": "\t  2097152 kB"}))
    assert look(root)[PID]["class"] == "device"
    root = built(host_with(status={"VmPin": "\t     4096 kB"}), "less")
    assert look(root)[PID]["class"] == "free"


@pytest.mark.parametrize("policy, wanted, mems", [
    ("default", "free", "0-3"), ("interleave:0-3", "interleaved", "0-3"), ("bind:2", "static", "2"),
    ("prefer (many):0-1", "static", "0-1"), ("bind:77", "free", "0-3"), ("nonsense", "free", "0-3"),
])
def test_policy_from_numactl(policy, wanted, mems, built, look):
    root = built(host_with())
    write(root, f"proc/{PID}/numa_maps", f"55d0c0a00000 {policy} file=/usr/bin/qemu mapped=9 N0=9 "
          "kernelpagesize_kB=4\n7f0000000000 bind:3 anon=9 N0=9 kernelpagesize_kB=4\n")
    found = look(root)[PID]
    assert (found["class"], found["mems"]) == (wanted, mems)


# ---- live processes ------------------------------------------------------------------------------

WORST = """
import ctypes, os, sys, threading, time
prctl = ctypes.CDLL(None).prctl
def thread(name):
    def work():
        prctl(15, name.encode(), 0, 0, 0)
        while True:
            time.sleep(100)
    threading.Thread(target=work, daemon=True).start()
{body}
time.sleep(0.2)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def process(tmp_path):
    """Starts a process that runs `body` and is called qemu; ends with the test."""
    program = tmp_path / "qemu-system-x86_64"
    shutil.copy(os.path.realpath(sys.executable), program)
    with contextlib.ExitStack() as stack:
        def start(body="", *arguments):
            child = stack.enter_context(subprocess.Popen(
                [program, "-c", WORST.format(body=body), *arguments], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, text=True,
                env={**os.environ, "PYTHONHOME": f"{sys.base_prefix}:{sys.base_exec_prefix}"}))
            stack.callback(child.kill)
            assert child.stdout.readline() == "ready\n"
            return child.pid
        yield start


def tid_named(pid, name):
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        if (task / "comm").read_text().rstrip("\n") == name:
            return int(task.name)
    raise AssertionError(name)


def test_live_guest(process, look):
    pid = process("thread('CPU 0/KVM'); thread('IO iothread1')", "-m", "64", "-name", "guest=x")
    found = look("/", pid)[pid]
    assert found["is_guest"] and found["class"] == "free" and found["name"] == "x"
    assert found["memory_bytes"] == 64 << 20
    allowed = os.sched_getaffinity(pid)
    if len(allowed) > 1:
        os.sched_setaffinity(tid_named(pid, "IO iothread1"), {min(allowed)})
        assert look("/", pid)[pid]["class"] == "free"
        os.sched_setaffinity(tid_named(pid, "CPU 0/KVM"), {min(allowed)})
        assert look("/", pid)[pid]["class"] == "pinned"
    groups = pathlib.Path(f"/proc/{pid}/cgroup").read_text()
    for group in filter(None, (found["group_v2"], found["group_memory_v1"])):
        assert f":/{group}\n" in groups


def test_live_guest_that_migrates(process, look):
    pid = process("thread('CPU 0/KVM'); thread('mig/dst/recv_31')")
    assert look("/", pid)[pid]["class"] == "migrating"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: setgroups(2)")
def test_process_with_600_groups(process, look):
    pid = process("os.setgroups(range(1000000, 1000600))", "-m", "64")
    assert len(pathlib.Path(f"/proc/{pid}/status").read_text()) > 4096
    found = look("/", pid)[pid]
    assert found["class"] == "free" and "partial" not in found["traits"]
    assert found["known"] == look("/", process("", "-m", "64")).popitem()[1]["known"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: RLIMIT_NOFILE")
def test_descriptors_by_the_thousand(process, look):
    body = ("import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 20000))\n"
            "files = [os.open('/dev/null', os.O_RDONLY) for _ in range({})]\n{}")
    pid = process(body.format(5000, ""))
    assert look("/", pid)[pid]["class"] == "free"
    # Nobody looks at so many: what the rest may be is not known.
    pid = process(body.format(17000, ""))
    assert look("/", pid)[pid]["class"] == "unreadable"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: userfaultfd(2)")
def test_userfaultfd(process, look):
    pid = process("ctypes.CDLL(None).syscall(323, 0)")
    if not any("userfaultfd" in os.readlink(link) for link in pathlib.Path(f"/proc/{pid}/fd").iterdir()):
        pytest.skip("no userfaultfd here")
    assert look("/", pid)[pid]["class"] == "migrating"


@pytest.mark.parametrize("name", ["a) R 1 1", "CPU 0/KVM) S", "\n\n\n", "((((((", " ", "x\ncurrent_node=0"])
def test_hostile_thread_names(name, process, look):
    pid = process(f"thread({name!r}); prctl(15, {name!r}.encode(), 0, 0, 0)")
    found = look("/", pid)[pid]
    assert found["is_guest"] and found["class"] == "free"


def test_other_processes(look):
    with subprocess.Popen(["sleep", "100"]) as child:
        found = look("/", child.pid)[child.pid]
        child.kill()
    assert not found["is_guest"] and found["known"] and found["name"] == "sleep"
    assert 0 < found["memory_bytes"] < 100 << 20
    # Its command line means nothing, whatever it says.
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()", "-incoming", "x", "-name", "guest=web",
                           "-m", "7", "-object", "sev-guest"], stdin=subprocess.PIPE) as other:
        found = look("/", other.pid)[other.pid]
        other.kill()
    assert not found["is_guest"] and not found["traits"] and found["name"] != "web"
    # It is gone; and a number that is no process's.
    for pid in (child.pid, 0, -1, 2**31 - 1):
        found = look("/", pid)[pid]
        assert not found["is_guest"] and not found["known"] and not found["traits"]
    found = look("/", 2)[2]                                 # a kernel thread, or nobody
    assert not found["is_guest"]
