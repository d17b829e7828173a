# SPDX-License-Identifier: LGPL-2.1-or-later
# The promise ledger in /run/placed: who may write it, what ends a promise, and what damage, crashes and
# planted files may not do.

"""The promise ledger as a file."""

import fcntl
import os
import random
import shutil
import subprocess
import time

import pytest

from box import HOSTS, NOBODY, answers, comm, descendants, environment, needs_root, placectl

pytestmark = needs_root
MIB = 1 << 20
BOOT_OF_NOBODY = "00000000-0000-4000-8000-000000000000"


def mode(path):
    return path.stat().st_mode & 0o7777


def test_root_books(box):
    assert answers(box.ask("2.5:64")) == ""
    (booked_ns, vcpus_centi, memory_bytes, nodes), = box.promises()
    now_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert 0 < booked_ns <= now_ns
    assert (vcpus_centi, memory_bytes) == (250, 64 * MIB)
    assert nodes == box.ask("2.5:64").stdout.strip()
    assert len(box.promises()) == 2


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_everybody_may_read_and_only_root_write(box, umask):
    answers(box.run("sh", "-c", f"umask {umask:03o}; exec /run/ours/placed -w 1:1"))
    assert mode(box.placed_dir) == 0o755
    assert mode(box.ledger) == 0o644
    assert mode(box.placed_dir / "lock") & 0o077 == 0
    assert answers(box.ask(before=NOBODY)) == ""


def test_nobody_books_nothing(box):
    assert answers(box.ask(before=NOBODY)) == ""
    assert not box.placed_dir.exists()
    answers(box.ask())
    before = box.ledger.read_bytes()
    for _ in range(3):
        assert answers(box.ask(before=NOBODY)) == ""
    assert box.ledger.read_bytes() == before


def test_recorded_hosts_book_nothing(box):
    answers(box.run("/run/ours/placed", "-w", "1:1", "--root", HOSTS / "4n"))
    assert not box.placed_dir.exists()


def test_a_dry_run_books_nothing(box):
    assert answers(box.run("/run/ours/placed", "-w", "1:1", "--dry-run")) == ""
    assert not box.placed_dir.exists()


def promised(box, *before):
    done = box.run(*before, placectl(), "advise", "1:1", "--json")
    assert done.returncode == 0, done.stderr
    return sum(int(line.split(":")[1].strip(" ,")) for line in done.stdout.splitlines() if "promised_bytes" in line)


def test_nobody_sees_what_root_booked(box):
    before = promised(box, *NOBODY)
    answers(box.ask("1:64"))
    assert promised(box, *NOBODY) - before >= 64 * MIB
    assert promised(box, *NOBODY) == promised(box)


def edit(box, change):
    box.ledger.write_text(change(box.ledger.read_text()))


def test_promise_ends(box):
    answers(box.ask("1:64"))
    (booked_ns, *_), = box.promises()

    def age(ns):
        edit(box, lambda text: text.replace(f"booked_ns {booked_ns}", f"booked_ns {booked_ns - ns}"))

    age(15 * 10**9)
    answers(box.ask("1:32"))
    assert len(box.promises()) == 2
    booked_ns -= 15 * 10**9
    age(16 * 10**9)
    answers(box.ask("1:16"))
    assert [promise[2] // MIB for promise in box.promises()] == [32, 16]


def test_other_boot_is_ignored(box):
    answers(box.ask("1:64"))
    edit(box, lambda text: "".join([f"placed promises 1 boot {BOOT_OF_NOBODY}\n", *text.splitlines(True)[1:]]))
    assert answers(box.ask("1:32")) == ""
    assert [promise[2] // MIB for promise in box.promises()] == [32]
    assert BOOT_OF_NOBODY not in box.ledger.read_text()


@pytest.mark.parametrize("damage", ["booked_ns x\n", "\n\0\0\x1b[2J\n", "booked_ns 1 vcpus_centi 4",
                                    "x" * 100000 + "\n"])
def test_damaged_lines_are_left_out(box, damage):
    answers(box.ask("1:64"))
    line = box.ledger.read_text().splitlines(True)[1]
    edit(box, lambda text: text + damage.rstrip("\n") + "\n" + line.replace(f" {64 * MIB} ", f" {65 * MIB} "))
    said = answers(box.ask("1:32"))
    assert "/run/placed/promises" in said and "damaged" in said
    assert [promise[2] // MIB for promise in box.promises()] == [64, 65, 32]
    assert answers(box.ask("1:16")) == ""


def test_no_ledger_at_all(box):
    answers(box.ask())
    for text in (b"", b"root:x:0:0\n", os.urandom(5000), b"\0" * 5000):
        box.ledger.write_bytes(text)
        answers(box.ask("1:32"))
        assert len(box.promises()) == 1
    box.ledger.write_bytes(b"x" * (17 << 20))
    assert "/run/placed/promises" in answers(box.ask("1:32"))
    assert len(box.promises()) == 1


@pytest.mark.parametrize("name", ["lock", "promises", "promises.new"])
def test_folder_in_its_place(box, name):
    (box.placed_dir / name).mkdir(parents=True)
    assert "not booked" in answers(box.ask())


def test_crash_leaves_old_or_new(box):
    """Killed at any moment, over and over: what is read afterwards is whole."""
    chance = random.Random(1)
    for _ in range(10):
        # Without memory: of fifty guests a small host could not hold that.
        asking = [box.start("/run/ours/placed", "-w", "1", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                  for _ in range(5)]
        time.sleep(chance.uniform(0, 0.03))
        for process in asking:
            for pid in [*descendants(process.pid)]:
                if comm(pid) == "placed":
                    try:
                        os.kill(pid, 9)
                    except ProcessLookupError:
                        pass
        for process in asking:
            process.wait()
        if box.ledger.exists():
            box.promises()
    assert "booked" not in answers(box.ask("1:77"))
    assert 77 * MIB in [promise[2] for promise in box.promises()]


def test_rest_of_a_crash_is_replaced(box):
    answers(box.ask())
    left = box.placed_dir / "promises.new"
    left.write_text("half a li")
    assert answers(box.ask()) == ""
    assert not left.exists()
    assert len(box.promises()) == 2
    target = box.root / "run/victim"
    target.write_text("keep me")
    left.symlink_to("/run/victim")
    assert answers(box.ask()) == ""
    assert target.read_text() == "keep me"
    assert len(box.promises()) == 3


@pytest.mark.parametrize("spoil", ["chown 65534 /run/placed", "chmod 777 /run/placed", "chmod 775 /run/placed"])
def test_folder_of_others_is_refused(box, spoil):
    box.shell("mkdir /run/placed; " + spoil)
    said = answers(box.ask())
    assert "/run/placed" in said and "not booked" in said
    assert list(box.placed_dir.iterdir()) == []


def test_links_are_not_followed(box):
    box.shell("mkdir /run/elsewhere; ln -s elsewhere /run/placed")
    said = answers(box.ask())
    assert "/run/placed" in said and "not booked" in said
    assert list((box.root / "run/elsewhere").iterdir()) == []
    box.shell("rm /run/placed; mkdir /run/placed; ln -s /run/victim /run/placed/lock")
    said = answers(box.ask())
    assert "/run/placed" in said and "not booked" in said
    assert not (box.root / "run/victim").exists()


def test_lock_held_by_another(box):
    answers(box.ask())
    with open(box.placed_dir / "lock", "r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = answers(box.ask())
        assert "not booked" in said
        assert len(box.promises()) == 1
    assert answers(box.ask()) == ""
    assert len(box.promises()) == 2


def copy_host(name, folder):
    shutil.copytree(HOSTS / name, folder, symlinks=True, ignore_dangling_symlinks=True)
    (folder / "run/placed").mkdir(parents=True, exist_ok=True)
    return folder


def ask_recorded(folder, request):
    done = subprocess.run(["/usr/bin/env", placectl(), "advise", request, "--json", "--root", folder],
                          env=environment(), stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def test_same_ledger_same_answer(box, tmp_path):
    """A recorded host with promises: the same answer each time, and another one than without them."""
    folder = copy_host("4n", tmp_path / "host")
    boot = (folder / "proc/sys/kernel/random/boot_id").read_text().strip()
    uptime_ns = int(float((folder / "proc/uptime").read_text().split()[0]) * 10**9)
    first = ask_recorded(folder, "1:128")
    node = first.split('"advice": "')[1].split('"')[0]
    (folder / "run/placed/promises").write_text(
        f"placed promises 1 boot {boot}\n" + f"booked_ns {max(uptime_ns - 10**9, 0)} vcpus_centi 100 "
        f"memory_bytes {1 << 50} pid 0 start_ns 0 seen_ns 0 nodes {node}\n")
    second = ask_recorded(folder, "1:128")
    assert second.split('"advice": "')[1].split('"')[0] != node
    assert all(ask_recorded(folder, "1:128") == second for _ in range(5))
