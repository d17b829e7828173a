# SPDX-License-Identifier: LGPL-2.1-or-later
# The daemon itself between foreign numads and strangers. What its queues do with each kind of message is in
# test_numad_queue.py; here it is the program that root starts, and it answers through all of it.

"""The daemon in numad's place."""

import os
import signal

import pytest

from box import BUILD, NOBODY, answers, needs_root, until
from foreign import KEYS, POWERLESS, do, fixture_numad, needs_numad, outer_pid, queues, sysv  # noqa: F401

DAEMON = BUILD / "daemon/placed"
pytestmark = needs_root
both = pytest.mark.parametrize("generation", KEYS)


def start(box, before=()):
    """Starts it as numad is started, into the background; its pid inside the box."""
    box.shell('mkdir -p /run/daemon && ln -sf "$1" /run/daemon/numad', DAEMON)
    done = box.run(*before, "/run/daemon/numad")
    assert done.returncode == 0, done.stderr
    return int((box.root / "run/numad.pid").read_text())


def is_gone(box):
    until(lambda: not (box.root / "run/numad.pid").exists())
    until(lambda: not queues(box))


def log(box):
    return (box.root / "var/log/numad.log").read_text()


def still_answers(box, numad):
    for command in numad.values():
        answers(box.run(command, "-w", "1:64"))
    answers(box.ask("1:64"))


@needs_numad
@both
def test_foreign_client(box, numad, generation):
    """Its answers are booked as ours are, its orders are carried out, and it can end the daemon."""
    start(box)
    assert {row["perms"] for row in queues(box).values()} == {"600"}
    for _ in range(10):
        answers(box.run(numad[generation], "-w", "1.5:64"))
    assert [promise[1:3] for promise in box.promises()] == [(150, 64 << 20)] * 10
    assert box.run(numad[generation], "-u", "90").returncode == 0
    until(lambda: "Changing target utilization to 90" in log(box))
    assert box.run(numad[generation], "-i", "0").returncode == 0
    is_gone(box)


@needs_numad
def test_values_that_numad_would_take(box, numad):
    """numad checks on the command line alone; a target of 0 then divides its daemon by zero."""
    pid = start(box)
    before = log(box)
    for letter, value in (("u", 0), ("u", 131), ("m", -1), ("m", 101), ("H", 5), ("H", 1000001), ("t", 101), ("x", 0),
                          ("p", -1), ("u", 77)):
        do(box, "send", "2015", pid, 77, letter, value, 0)
    until(lambda: "Changing target utilization to 77" in log(box))
    lines = [line[26:] for line in log(box)[len(before):].splitlines()]
    assert lines == ["Changing target utilization to 77"]
    still_answers(box, numad)


@needs_numad
def test_queues_created_in_advance(box, numad):
    for generation in KEYS:
        do(box, "make", generation, "666", before=NOBODY)
    start(box)
    assert {(row["uid"], row["cuid"], row["perms"]) for row in queues(box).values()} == {("0", "0", "600")}
    still_answers(box, numad)


def test_queues_created_in_advance_without_rights(box):
    """Neither is served, neither is believed; the daemon serves its socket."""
    for generation in KEYS:
        do(box, "make", generation, "666", before=NOBODY)
    pid = start(box, POWERLESS)
    do(box, "send", "2015", pid, 1, "i", 0, 0, before=NOBODY)
    answers(box.ask("1:64"))
    assert queues(box)["2015"]["qnum"] == "1"
    assert (box.root / "run/numad.pid").read_text() == f"{pid}\n"


@needs_numad
@both
def test_strangers(box, numad, generation):
    pid = start(box)
    for arguments in (("send", generation, pid, 1, "i", 0, 0), ("send", generation, pid, 1, "w", 100, 1),
                      ("send", generation, 77, pid, "w", 0, 0, "0-1023"), ("raw", generation, pid, 200),
                      ("fill", generation, 1), ("remove", generation), ("mode", generation, "666")):
        done = sysv(box, *arguments, before=NOBODY)
        assert done.returncode == 1 and done.stderr.strip() in ("EACCES", "EPERM"), arguments
    still_answers(box, numad)


@needs_numad
@both
def test_odd_messages(box, numad, generation):
    pid = start(box)
    for size in (0, 8, 129, 200, 8000):
        do(box, "raw", generation, pid, size)
    for source in (pid, 0, -1):
        do(box, "send", generation, pid, source, "w", 100, 1)
    do(box, "send", generation, pid, 1, "q", 3, 4, "\n%s%n")
    still_answers(box, numad)
    until(lambda: "Unexpected msg command: q 3 4 \\x0a%s%n from PID 1\n" in log(box))


@needs_numad
def test_queues_removed_in_the_middle(box, numad):
    start(box)
    for generation in KEYS:
        do(box, "remove", generation)
    until(lambda: len(queues(box)) == len(KEYS))
    still_answers(box, numad)


@needs_numad
def test_killed_and_started_again(box, numad):
    pid = start(box)
    os.kill(outer_pid(box, pid), signal.SIGKILL)
    do(box, "fill", "2015", 1)
    start(box)
    assert {row["qnum"] for row in queues(box).values()} == {"0"}
    still_answers(box, numad)
