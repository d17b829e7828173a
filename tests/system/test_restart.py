# SPDX-License-Identifier: LGPL-2.1-or-later
# SIGKILL at any moment, and the next start: what was answered is booked, what was done to guests is undone, and
# nothing lies about. One kill between two starts is in test_life.py, with foreign clients in test_numad_daemon.py.

"""The daemon after it was killed."""

import os
import pathlib
import random
import signal
import time

import pytest

from box import BUILD, answers, descendants, needs_root, until
from foreign import outer_pid, queues

pytestmark = needs_root
DAEMON = BUILD / "daemon/placed"
CPUS = sorted(os.sched_getaffinity(0))
HEADING = "placed intents 1\n"


def start(box):
    done = box.run(DAEMON)
    assert done.returncode == 0, done.stderr
    return outer_pid(box, int((box.placed_dir / "placed.pid").read_text()))


def is_running(pid):
    """A zombie is what nobody has waited for, and runs no more."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def stop(box, pid):
    os.kill(pid, signal.SIGTERM)
    until(lambda: not is_running(pid))
    assert not (box.placed_dir / "placed.pid").exists()


def test_killed_at_any_moment(box):
    """While it looks at guests and answers many: every question is answered, and every answer booked."""
    box.shell("cp /bin/sleep /run/ours/qemu-system-x86_64")
    # Older than any promise: none of them is who a place was asked for.
    guests = [box.start("/run/ours/qemu-system-x86_64", "1000") for _ in range(3)]
    until(lambda: len(box.run("pgrep", "-x", "qemu-system-x86").stdout.split()) == len(guests))
    for _ in range(15):
        pid = start(box)
        before = len(box.promises()) if box.ledger.exists() else 0
        # Without memory: a small host could not hold that of them all, and what it cannot hold is not booked.
        asking = [box.start("/run/ours/placed", "-w", "1") for _ in range(8)]
        time.sleep(random.uniform(0, 0.2))
        children = [*descendants(pid)]
        os.kill(pid, signal.SIGKILL)
        for process in asking:
            stdout, stderr = process.communicate(timeout=60)
            assert (process.returncode, stdout != "") == (0, True)
            # On a busy machine it may not have seen the guests yet, and says so.
            assert stderr == "" or "could not be looked at in time" in stderr, stderr
        # Who was answered by the daemon in its last moment may have booked twice.
        assert len(box.promises()) >= before + len(asking)
        until(lambda: not any(is_running(child) for child in children))
    for process in guests:
        for inner in descendants(process.pid):
            os.kill(inner, signal.SIGKILL)
        process.communicate()
    pid = start(box)
    assert {row["qnum"] for row in queues(box).values()} == {"0"}
    answers(box.ask())
    stop(box, pid)
    assert not queues(box)
    assert not (box.root / "run/numad.pid").exists()
    # What stays is the truth about promises and guests, what clients keep for each other, and no half of a file.
    assert {path.name for path in box.placed_dir.iterdir()} <= {"promises", "intents", "load", "lock"}


def test_promises_outlive_the_picture_they_were_made_on(box):
    """A guest comes, and questions with it: what is planned then is planned on a picture older than their bookings."""
    box.shell("cp /bin/sleep /run/ours/qemu-system-x86_64")
    pid = start(box)
    for n in range(1, 6):
        guest = box.start("/run/ours/qemu-system-x86_64", "1000")
        until(lambda n=n: len(box.run("pgrep", "-x", "qemu-system-x86").stdout.split()) == 1)
        answers(box.ask(f"1:{n}"))
        assert [promise[2] >> 20 for promise in box.promises()] == [*range(1, n + 1)]
        for inner in descendants(guest.pid):
            os.kill(inner, signal.SIGKILL)
        guest.communicate()
    stop(box, pid)


@pytest.fixture(name="threads")
def fixture_threads(box):
    """Processes of three threads that may run on the first CPU alone: (pid inside the box, pid, start_ns)."""
    script = """if True:
        import os, threading, time
        for _ in range(2):
            threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
        for tid in os.listdir("/proc/self/task"):
            os.sched_setaffinity(int(tid), {min(os.sched_getaffinity(0))})
        print(os.getpid(), flush=True)
        time.sleep(1000)
    """
    processes = [box.start("/usr/bin/python3", "-c", script) for _ in range(3)]
    found = []
    for process in processes:
        inner = int(process.stdout.readline())
        pid = outer_pid(box, inner)
        ticks = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
        found.append((inner, pid, ticks * (10**9 // os.sysconf("SC_CLK_TCK"))))
    yield found
    for process in processes:
        for pid in [*descendants(process.pid)]:
            os.kill(pid, signal.SIGKILL)
        process.communicate()


def cpus_of(pid):
    """Of all its threads."""
    found = {tuple(sorted(os.sched_getaffinity(int(tid)))) for tid in os.listdir(f"/proc/{pid}/task")}
    assert len(found) == 1, found
    return [*found.pop()]


@pytest.mark.skipif(len(CPUS) < 2, reason="one CPU: there is nothing to give")
def test_what_guests_were_given_is_taken_back(box, threads):
    """As a daemon left it that was killed: one guest of ours, one whose PID went on, one that somebody else changed."""
    ours, another, changed = threads
    pid = start(box)
    answers(box.ask("1:77"))
    os.kill(pid, signal.SIGKILL)
    wide, first = ",".join(map(str, CPUS)), CPUS[0]
    for tid in os.listdir(f"/proc/{changed[1]}/task"):
        os.sched_setaffinity(int(tid), {CPUS[1]})
    lines = [f"affinity pid {inner} start_ns {start_ns} before {wide} given {first}\n"
             for inner, start_ns in ((ours[0], ours[2]), (another[0], another[2] - 10**9), (changed[0], changed[2]))]
    (box.placed_dir / "intents").write_text(HEADING + "".join(lines) + "affinity pid nobody\n")
    pid = start(box)
    assert cpus_of(ours[1]) == CPUS
    assert cpus_of(another[1]) == [first]
    assert cpus_of(changed[1]) == [CPUS[1]]
    assert (box.placed_dir / "intents").read_text() == HEADING
    assert [promise[2] >> 20 for promise in box.promises()] == [77]
    answers(box.ask("1:1"))
    stop(box, pid)
    assert cpus_of(ours[1]) == CPUS


@pytest.mark.skipif(len(CPUS) < 2, reason="one CPU: there is nothing to give")
def test_intents_of_a_stranger_are_not_carried_out(box, threads):
    """A folder that others may write to says nothing about guests, and the daemon does not start in it."""
    inner, outer, start_ns = threads[0]
    wide, first = ",".join(map(str, CPUS)), CPUS[0]
    box.placed_dir.mkdir(mode=0o777)
    box.placed_dir.chmod(0o777)
    (box.placed_dir / "intents").write_text(
        HEADING + f"affinity pid {inner} start_ns {start_ns} before {wide} given {first}\n")
    box.run(DAEMON)
    assert cpus_of(outer) == [first]
