# SPDX-License-Identifier: LGPL-2.1-or-later
# placed -w with no daemon, where it is asked from strange places: without root, /proc, /sys or /run, with
# closed or full outputs, many at once, beside a stuck or dying process. There is always an answer.

"""One question, one answer, whatever the surroundings."""

import fcntl
import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest

from box import (ANSWER, BUILD, HOSTS, NOBODY, PLACED, answers, children, comm, descendants, environment, needs_root,
                 placectl, until)

GIB = 1 << 30
NO_ROOM = "nothing holds the request"


def ask_here(*arguments, **more):
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True,
               "env": environment(), "timeout": 60, "check": False, **more}
    return subprocess.run([PLACED, *arguments], **options)


def test_recorded_hosts_need_no_root():
    for folder in sorted(HOSTS.iterdir()):
        answers(ask_here("-w", "1:64", "--root", folder))


@pytest.mark.parametrize("root, said", [("/nowhere", "/nowhere: No such file or directory"),
                                        ("/etc/passwd", "/etc/passwd: Not a directory"), ("", "--root: no path")])
def test_root_that_is_none(root, said):
    done = ask_here("-w", "1:1", "--root", root)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{PLACED}: {said}\n"


def test_empty_host_still_answers(tmp_path):
    """Nothing at all in it: one node, and a sentence."""
    done = ask_here("-w", "1:1", "--root", tmp_path)
    assert "shows no nodes" in answers(done)
    assert done.stdout == "0\n"


def test_recording_with_fifos(tmp_path):
    """A recording from a stranger, where every file waits for a writer."""
    nodes = tmp_path / "sys/devices/system/node"
    (nodes / "node0").mkdir(parents=True)
    (tmp_path / "proc/self").mkdir(parents=True)
    for name in ("online", "node0/meminfo", "node0/cpulist", "node0/distance"):
        os.mkfifo(nodes / name)
    for name in ("mounts", "self/mounts", "self/cgroup", "self/status", "zoneinfo", "uptime", "meminfo"):
        os.mkfifo(tmp_path / "proc" / name)
    assert ask_here("-w", "1:1", "--root", tmp_path).stdout == "0\n"


# ---- surroundings --------------------------------------------------------------------------

NO_PROC = "while umount -l /proc 2>/dev/null; do :; done"

SURROUNDINGS = {
    # name: (how the box is spoilt, what stderr must say as root)
    "as it is": ("true", None),
    "read-only /sys": ("mount -o remount,bind,ro /sys", None),
    "hidepid": ("mount -o remount,hidepid=2 /proc", None),
    "no /proc": (NO_PROC, "/proc cannot be listed"),
    "no /sys": ("mount -t tmpfs tmpfs /sys", "/sys/devices/system/node shows no nodes"),
    "no /proc and no /sys": (f"mount -t tmpfs tmpfs /sys; {NO_PROC}", "the answer is a guess"),
    "read-only /run": ("mount -o remount,ro /run", "not booked"),
    "read-only /var/log": ("mount -o remount,ro /var/log", None),
    "no /var/log": ("mount -t tmpfs tmpfs /var", None),
    "full /run": ("mount -t tmpfs -o nr_inodes=2 tmpfs /run", "not booked"),
    "no /dev": ("mount -t tmpfs tmpfs /dev", None),
}


@needs_root
@pytest.mark.parametrize("user", [[], NOBODY], ids=["root", "nobody"])
@pytest.mark.parametrize("name", SURROUNDINGS)
def test_surroundings(box, name, user):
    spoil, said = SURROUNDINGS[name]
    # The program may lie below what is hidden.
    box.shell(f"mount -t tmpfs -o mode=755 tmpfs /mnt; cp {PLACED} /mnt/placed; {spoil}")
    stderr = answers(box.run(*user, "/mnt/placed", "-w", "1:1"))
    if said and not (said == "not booked" and user):
        assert said in stderr
    if said is None:
        assert stderr == ""


@needs_root
def test_no_boot_id_books_nothing(box):
    """Without /proc nobody knows which boot a promise is of; the ledger of others must survive that."""
    box.ask("1:64")
    before = box.ledger.read_bytes()
    box.shell(NO_PROC)
    assert "not booked" in answers(box.ask("1:64"))
    assert box.ledger.read_bytes() == before


@needs_root
def test_private_namespaces_of_the_asker(box):
    answers(box.run("unshare", "-n", "-u", "-i", "-C", "/run/ours/placed", "-w", "1:1"))
    answers(box.run("unshare", "-U", "/run/ours/placed", "-w", "1:1"))
    # -p without -f: its child is the first process of the new namespace.
    answers(box.run("unshare", "-p", "/run/ours/placed", "-w", "1:1"))


# ---- what is inherited ---------------------------------------------------------------------

@needs_root
@pytest.mark.parametrize("closed", ["0", "1", "2", "0 1", "0 2", "1 2", "0 1 2"])
def test_closed_descriptors(box, closed):
    redirections = " ".join(f"{fd}>&-" for fd in closed.split())
    done = box.run("sh", "-c", f"exec /run/ours/placed -w 1:64 {redirections}")
    if "1" in closed:
        assert done.returncode == 1
        assert done.stdout == ""
        assert "2" in closed or "the answer cannot be written: Bad file descriptor" in done.stderr
    else:
        assert answers(done) == ""
    # Nothing that was printed went into a file that took the number.
    assert len(box.promises()) == 1
    assert (box.placed_dir / "lock").read_bytes() == b""


def test_full_output():
    with open("/dev/full", "w", encoding="ascii") as full:
        done = ask_here("-w", "1:1", "--root", HOSTS / "2n", stdout=full)
    assert done.returncode == 1
    assert done.stderr == f"{PLACED}: the answer cannot be written: No space left on device\n"


def test_full_error_output(tmp_path):
    """Warnings that nobody takes do not spoil the answer."""
    with open("/dev/full", "w", encoding="ascii") as full:
        done = ask_here("-w", "1:1", "--root", tmp_path, stderr=full)
    assert (done.returncode, done.stdout) == (0, "0\n")


def test_reader_of_errors_is_asleep(tmp_path):
    """A pipe that is full: telling stops, the answer is out, the status is 0."""
    read_fd, write_fd = os.pipe()
    os.set_blocking(write_fd, False)
    try:
        while True:
            os.write(write_fd, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(write_fd, True)
    done = ask_here("-w", "1:1", "--root", tmp_path, stderr=write_fd)
    os.close(read_fd)
    os.close(write_fd)
    assert (done.returncode, done.stdout) == (0, "0\n")


def ignore_children():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def block_signals():
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


@pytest.mark.parametrize("inherit", [ignore_children, block_signals])
def test_inherited_signals(inherit):
    done = ask_here("-w", "1:64", "--root", HOSTS / "4n", preexec_fn=inherit)
    assert answers(done) == ""


# ---- many, stuck, dying --------------------------------------------------------------------

def usable_bytes(box):
    done = box.run(placectl(), "advise", "1:1", "--json")
    return [int(number) for number in re.findall(r'"usable_bytes":\s*(\d+)', done.stdout)]


@needs_root
def test_forty_at_once(box):
    """Each gets an answer, and each answer is in the ledger, or was said not to be."""
    if max(usable_bytes(box)) < 8 * GIB:
        pytest.skip("less than 8 GiB free on each node: there is no room to book 40 guests")
    asking = [box.start("/run/ours/placed", "-w", "1:1") for _ in range(40)]
    n_said = 0
    for process in asking:
        stdout, stderr = process.communicate(timeout=60)
        assert process.returncode == 0, stderr
        assert ANSWER.fullmatch(stdout)
        n_said += "not booked" in stderr
    assert len(box.promises()) + n_said == 40
    assert n_said < 20
    # No guests, no load to keep; no siblings, no cores to keep.
    names = {path.name for path in box.placed_dir.iterdir()}
    assert {"lock", "promises"} <= names <= {"cores", "load", "lock", "promises"}


def fake_nodes(box):
    """The node and CPU folders of a recorded host of 4 nodes over those of the live one."""
    box.shell(f"""
        mount --bind {HOSTS}/4n/sys/devices/system/node /sys/devices/system/node
        mount --bind {HOSTS}/4n/sys/devices/system/cpu /sys/devices/system/cpu
        if [ -d /sys/fs/cgroup/cpuset ]; then
            mount -t tmpfs tmpfs /sys/fs/cgroup
            mkdir -p /sys/fs/cgroup/cpuset/machine.slice
            cat /sys/devices/system/node/online >/sys/fs/cgroup/cpuset/machine.slice/cpuset.mems
            cat /sys/devices/system/cpu/online >/sys/fs/cgroup/cpuset/machine.slice/cpuset.cpus
        else
            for name in mems cpus; do
                file=$(find /sys/fs/cgroup -maxdepth 1 -name cpuset.$name.effective)
                folder=node; [ $name = mems ] || folder=cpu
                [ -z "$file" ] || mount --bind /sys/devices/system/$folder/online "$file"
            done
        fi""")
    if len(usable_bytes(box)) != 4 or "not_allowed" in box.run(placectl(), "advise", "1:1", "--json").stdout:
        pytest.skip("the cpuset of this host cannot be covered: nodes that it does not have are not allowed")


@needs_root
def test_no_memory_is_promised_twice(box):
    """Four guests of which each node holds one, asked for at once: each gets its own node."""
    fake_nodes(box)
    least = min(usable_bytes(box))
    request = f"1:{least * 6 // 10 >> 20}"
    asking = [box.start("/run/ours/placed", "-w", request) for _ in range(4)]
    got = []
    for process in asking:
        stdout, stderr = process.communicate(timeout=60)
        assert process.returncode == 0 and stderr == "", stderr
        got.append(stdout)
    assert sorted(got) == ["0\n", "1\n", "2\n", "3\n"]
    assert sorted(promise[3] + "\n" for promise in box.promises()) == sorted(got)
    # And no fifth one alone on a node.
    assert "-" in box.ask(request).stdout


def has_let_go(pid):
    """Whether a child has given up its parent's output; before that it has asked to die with it."""
    try:
        return os.readlink(f"/proc/{pid}/fd/1") == os.readlink(f"/proc/{pid}/fd/2") == "/dev/null"
    except (FileNotFoundError, ProcessLookupError):
        return False


def placed_processes(process):
    """(asker, its child) below an nsenter, once both are there and the child does its work."""
    askers = [pid for pid in descendants(process.pid) if comm(pid) == "placed"]
    return (askers[0], askers[1]) if len(askers) == 2 and has_let_go(askers[1]) else None


def start_held(box, tries=20):
    """An asker whose child waits for the lock, and the lock."""
    box.ask()
    for _ in range(tries):
        lock = open(box.placed_dir / "lock", "r+b")  # pylint: disable=consider-using-with
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = box.start("/run/ours/placed", "-w", "1:1")
        pids = until(lambda: placed_processes(process) or (process.poll() is not None and (0, 0)), "the child")
        if pids[1]:
            return process, *pids, lock
        lock.close()
        process.communicate()
    pytest.fail("never saw the child of an asker")


def is_gone(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


@needs_root
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_asker_dies(box, number):
    """Nothing of it stays behind: not even a child that would never end by itself."""
    process, asker, child, lock = start_held(box)
    os.kill(child, signal.SIGSTOP)
    os.kill(asker, number)
    process.communicate(timeout=60)
    lock.close()
    try:
        until(lambda: is_gone(child), "the child's end")
    finally:
        if not is_gone(child):
            os.kill(child, signal.SIGKILL)


@needs_root
def test_child_stuck(box):
    """What reads /proc is stopped for good, as by a process whose memory cannot be looked at."""
    process, _asker, child, lock = start_held(box)
    os.kill(child, signal.SIGSTOP)
    lock.close()
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0
    assert ANSWER.fullmatch(stdout)
    assert "timed out" in stderr
    until(lambda: is_gone(child), "the child's end")


@needs_root
def test_child_crashes(box):
    process, _asker, child, lock = start_held(box)
    os.kill(child, signal.SIGSEGV)
    lock.close()
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0
    assert ANSWER.fullmatch(stdout)
    assert "Input/output error" in stderr


@needs_root
def test_no_child_can_be_made(box):
    """A user at his limit of processes: nobody reads guests for him without a deadline."""
    alone = ["setpriv", "--reuid", "61234", "--regid", "61234", "--clear-groups"]
    assert box.run("prlimit", "--nproc=1", *alone, "sh", "-c", "(true) || exit 9").returncode != 0
    said = answers(box.ask("1:1", before=["prlimit", "--nproc=1", *alone]))
    assert "answered without looking at the guests: Resource temporarily unavailable" in said


@needs_root
def test_lock_held(box):
    process, _asker, _child, lock = start_held(box)
    stdout, stderr = process.communicate(timeout=60)
    lock.close()
    assert process.returncode == 0
    assert ANSWER.fullmatch(stdout)
    assert "not booked" in stderr


HOSTILE = """
import ctypes, sys, time
prctl = ctypes.CDLL(None).prctl
prctl(15, sys.argv[1].encode(), 0, 0, 0)
print("ready", flush=True)
time.sleep(1000)
"""


@needs_root
@pytest.mark.parametrize("name, arguments", [
    ("qemu-x", []),
    ("qemu) R 1 1", ["-m", "99999999999999999999"]),
    ("qemu\n\x1b[2J", ["-name", "guest=../../../../etc/passwd", "-smp", "4294967295"]),
    ("kvm", ["-name", "guest=" + "n" * 5000, "-object", "{" * 5000]),
    ("qemu", ["-m", "16E", "-object", "memory-backend-ram,id=a,size=15E", "-device", "pc-dimm,memdev=a"]),
])
def test_processes_that_pretend(box, name, arguments):
    """Whoever may start a process may call it qemu and give it any command line."""
    pretender = box.start("/usr/bin/python3", "-c", HOSTILE, name, *arguments)
    try:
        assert pretender.stdout.readline() == "ready\n"
        stderr = answers(box.ask())
        assert "\x1b" not in stderr
    finally:
        for pid in list(descendants(pretender.pid)):
            os.kill(pid, signal.SIGKILL)
        pretender.communicate()


@needs_root
def test_children_that_come_and_go(box):
    """Processes named qemu that end while they are read."""
    shutil.copy("/bin/true", box.root / "run/ours/qemu-system-x86")
    storm = box.start("sh", "-c", "while :; do /run/ours/qemu-system-x86; done")
    try:
        for _ in range(20):
            answers(box.ask())
    finally:
        for pid in [*children(storm.pid), storm.pid]:
            os.kill(pid, signal.SIGKILL)
        storm.communicate()


def test_build_is_the_one_meant():
    assert PLACED.parent == BUILD
