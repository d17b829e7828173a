# SPDX-License-Identifier: LGPL-2.1-or-later
# numad's command line, to the byte: what is printed where, and with which status. The expectations are
# what numad 20150602 (Debian 12) says; where its binary is unpacked, it is run beside ours and has to agree.

"""The command line, beside that of numad."""

import concurrent.futures
import os
import pathlib
import re

import pytest

from box import ANSWER, NOBODY, SOURCE, Box, needs_root

pytestmark = needs_root


def find_numad():
    """NUMAD, or where tests/guest/fetch unpacks it (its --help names the folder)."""
    cache = os.environ.get("PLACED_GUEST_CACHE") or (
        "/var/cache/placed-guest" if os.geteuid() == 0 else
        os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "placed-guest"))
    path = pathlib.Path(os.environ.get("NUMAD") or cache + "/root/usr/bin/numad")
    return path if os.access(path, os.X_OK) else None


NUMAD = find_numad()
USAGE = "<usage>"       # the whole of it, whatever it says
A_NODESET = "<nodeset>"  # an answer: which one is not numad's grammar


def parse_error(text):
    return f"Can't parse arg value(s): {text}\n"


def missing(letter):
    return f"./numad: option requires an argument -- '{letter}'\n{USAGE}"


def invalid(letter):
    return f"./numad: invalid option -- '{letter}'\n{USAGE}"


THP = "THP scan_sleep_ms must be > 9 and < 1000001\n"

# arguments, status, stdout, stderr. What neither asks nor fails carries -i 0: numad would become a daemon.
TABLE = [
    # -w: answered
    *((["-w", text], 0, A_NODESET, "") for text in (
        "2:100", "2", "0", "0:0", "2.5:100", "2.555:100", "2.:100", "2.5", "2:100xyz", "2xyz", "2x:y", "2 :100",
        " 2: 100", "\t2:\n100", "+2:+100", "010:010", "0x10:5", "-0.5", "-0:-0", "2:100:300", "2.5.5:1", "1,5:3",
        "2:1.5", "2.5:100.5", "21474836.47:1")),
    (["-w2:100"], 0, A_NODESET, ""),
    (["-w", "x:1", "-w", "1"], 1, "", parse_error("x:1")),
    (["-w", "1", "-w", "2"], 0, A_NODESET, ""),
    (["-vw", "2:100"], 0, A_NODESET, ""),
    (["-w", "2:100", "--"], 0, A_NODESET, ""),
    (["-i", "0", "-w", "2:100"], 0, A_NODESET, ""),
    (["-C", "0", "-t", "50", "-l", "5", "-w", "2:100"], 0, A_NODESET, ""),
    (["-D", "/x", "-H", "0", "-K", "1", "-m", "70", "-p", "1", "-r", "2", "-S", "0", "-u", "90", "-x", "3", "-w", "1"],
     0, A_NODESET, ""),
    # -w: refused
    *((["-w", text], 1, "", parse_error(text)) for text in (
        "", " ", "abc", ":5", ".5", "-3", "-3:5", "--", "2:", "2:-1", "2:x", "2: x", "2::5", "2:.5", "2.5:", "x2", "-",
        "0:-1", "\xe9", "%s%n", "2:%s", "99999999999999999999:1", "1:99999999999999999999")),
    # -i
    *((["-i", text], 0, "", "") for text in ("0", "0:0", "5:0", "0x", "0.9", " 0", "00:00", "7:0.5")),
    *((["-i", text], 1, "", parse_error(text)) for text in ("", "x", "-1", ":5", "5:", "5:x", "5:-1", ".")),
    (["-i", "9:3"], 1, "", "Max interval (3) must be greater than min interval (9)\n"),
    (["-i", "3"], 1, "", "Max interval (3) must be greater than min interval (5)\n"),
    (["-i", "6.9:5.9"], 1, "", "Max interval (5) must be greater than min interval (6)\n"),
    (["-i", "9:3", "-w", "1"], 1, "", "Max interval (3) must be greater than min interval (9)\n"),
    (["-w", "1", "-i", "x"], 1, "", parse_error("x")),
    (["-i", "5:15", "-w", "1"], 0, A_NODESET, ""),
    # -H
    *((["-H", text], 1, "", THP) for text in ("1", "9", "-1", "1000001", "5x", " 3")),
    *((["-H", text, "-i", "0"], 0, "", "") for text in ("0", "x", "", "10", "1000000", "10x")),
    # values out of range are passed over in silence
    *((["-" + letter, text, "-i", "0"], 0, "", "")
      for letter in "CKSltumprx" for text in ("0", "1", "999", "-1", "x", "")),
    (["-D", "", "-i", "0"], 0, "", ""),
    *((["-R", text, "-i", "0"], 0, "", "") for text in ("0", "0-1", "1,0")),
    # usage
    (["-h"], 1, "", USAGE),
    (["-h", "-w", "x"], 1, "", USAGE),
    (["-w", "x", "-h"], 1, "", parse_error("x")),
    (["-w", "1", "-h"], 1, "", USAGE),
    (["-dvh"], 1, "", USAGE),
    # what is no option
    *((["-" + letter], 1, "", invalid(letter)) for letter in "abcefgjknoqsyzABEFGILMNOPQTUWXYZ019?:=+"),
    (["-vZ"], 1, "", invalid("Z")),
    (["-ZY"], 1, "", invalid("Z")),
    (["-Z", "-V"], 1, "", invalid("Z")),
    (["-w", "1", "-Z"], 1, "", invalid("Z")),
    *((["-" + letter], 1, "", missing(letter)) for letter in "CDHiKlmprRStuwx"),
    (["-i", "0", "-w"], 1, "", missing("w")),
    # operands
    (["x"], 1, "", "Unexpected arg = x\n"),
    (["-i", "0", "x", "y"], 1, "", "Unexpected arg = x\n"),
    (["x", "-i", "0"], 1, "", "Unexpected arg = x\n"),
    (["-w", "1", "x"], 1, "", "Unexpected arg = x\n"),
    (["-i", "0", "-"], 1, "", "Unexpected arg = -\n"),
    (["-i", "0", "--", "-w"], 1, "", "Unexpected arg = -w\n"),
    (["-i", "0", ""], 1, "", "Unexpected arg = \n"),
    (["%s%n"], 1, "", "Unexpected arg = %s%n\n"),
]

NO_ROOM = "nothing holds the request: the nodes with most room"
VERSION = re.compile(r"\./numad version: \S+: compiled [A-Z][a-z]{2} [ 0-9]\d \d{4}\n")

# Differences on purpose: arguments, what numad says, what we say, why.
ON_PURPOSE = [
    *((["-w", text], (0, A_NODESET, ""), (1, "", parse_error(text)), "numad lets it wrap around") for text in (
        "30000000:1", "42949673:1", "1:4294967296", "1:9999999999")),
    *((["-w", text], (0, A_NODESET, ""), (0, A_NODESET, f"./numad: {NO_ROOM}\n"),
       "numad does not say that it is too much") for text in ("1:2147483647", "9999:99999999")),
    (["--help"], (1, "", invalid("-")), (0, USAGE, ""), "every program has it"),
    (["--version"], (1, "", invalid("-")), (0, "<version>", ""), "every program has it"),
    (["--bogus"], (1, "", invalid("-")), (1, "", f"./numad: unrecognized option '--bogus'\n{USAGE}"),
     "there are long options"),
    (["--root"], (1, "", invalid("-")), (1, "", f"./numad: option '--root' requires an argument\n{USAGE}"),
     "there are long options"),
]


def shorten(text):
    text = re.sub(r"Usage: \./numad <options> \.\.\.\n.*", USAGE, text, flags=re.DOTALL)
    if ANSWER.fullmatch(text):
        return A_NODESET
    return "<version>" if VERSION.fullmatch(text) else text


def outcome(box, folder, arguments):
    done = box.run("sh", "-c", 'cd "$1" && shift && exec ./numad "$@"', "sh", folder, *arguments)
    return done.returncode, shorten(done.stdout), shorten(done.stderr)


@pytest.fixture(scope="module")
def sides():
    """Two boxes, so that neither writes into the log of the other: {name: (box, folder)}."""
    boxes = {"placed": (Box(), "/run/ours")}
    if NUMAD:
        boxes["numad"] = (Box(), "/run/theirs")
        boxes["numad"][0].shell(f"mkdir /run/theirs; ln -s {NUMAD} /run/theirs/numad")
    yield boxes
    for made, _ in boxes.values():
        made.close()


@pytest.fixture(scope="module")
def said(sides):
    """All command lines on all sides, side by side: numad takes 2 s for each answer."""
    lines = [line[0] for line in TABLE + ON_PURPOSE]
    with concurrent.futures.ThreadPoolExecutor(48) as pool:
        return {side: list(pool.map(lambda line: outcome(*where, line), lines)) for side, where in sides.items()}


@pytest.mark.parametrize("i", range(len(TABLE)), ids=lambda i: repr(" ".join(TABLE[i][0])))
def test_line(said, i):
    for side, outcomes in said.items():
        assert (side, *outcomes[i]) == (side, *TABLE[i][1:])


@pytest.mark.parametrize("i", range(len(ON_PURPOSE)), ids=lambda i: " ".join(ON_PURPOSE[i][0]))
def test_difference_on_purpose(said, i):
    _, theirs, ours, _ = ON_PURPOSE[i]
    assert theirs != ours
    assert said["placed"][len(TABLE) + i] == ours
    if "numad" in said:
        assert said["numad"][len(TABLE) + i] == theirs


def test_usage_names_every_letter(sides):
    where, folder = sides["placed"]
    text = where.run("sh", "-c", f"cd {folder}; ./numad -h").stderr
    assert text.startswith("Usage: ./numad <options> ...\n")
    for letter in "CdDhHiKlmprRStuvVwx":
        assert re.search(rf"(^|\s)-{letter}\b", text, re.MULTILINE), letter


def test_version(sides):
    for where, folder in sides.values():
        done = where.run("sh", "-c", f"cd {folder}; ./numad -V -w x")
        assert (done.returncode, done.stderr) == (0, "")
        assert VERSION.fullmatch(done.stdout), done.stdout


# ---- log lines -----------------------------------------------------------------------------

STAMP = r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ 1-3]\d \d\d:\d\d:\d\d \d{4}: "
ASKED = "Getting NUMA pre-placement advice for 250 CPUs and 100 MBs"
TOLD = re.compile(r"Advising pid -1 \(unknown\) move from nodes \(([0-9,-]+)\) to nodes \(([0-9,-]+)\)")


def messages(text):
    """The messages of log lines, each of which has its time before it."""
    lines = text.splitlines()
    assert all(re.match(STAMP, line) for line in lines), text
    return [re.sub(STAMP, "", line, count=1) for line in lines]


def fresh_box(side):
    made = Box()
    if side == "numad":
        made.shell(f"mkdir /run/theirs; ln -s {NUMAD} /run/theirs/numad")
    return made, "/run/theirs/numad" if side == "numad" else "/run/ours/numad"


SIDES = ["placed", pytest.param("numad", marks=pytest.mark.skipif(not NUMAD, reason="numad is not unpacked"))]


@pytest.mark.parametrize("side", SIDES)
def test_two_log_lines_for_each_query(side):
    where, program = fresh_box(side)
    log = where.root / "var/log/numad.log"
    for n in (1, 2):
        done = where.run(program, "-w", "2.5:100")
        assert (done.returncode, done.stderr) == (0, "")
        found = messages(log.read_text())
        assert len(found) == 2 * n
        assert found[-2] == ASKED
        assert TOLD.fullmatch(found[-1])
    assert TOLD.fullmatch(found[-1])[2] == done.stdout.strip()
    assert log.stat().st_mode & 0o7777 == 0o644
    # Rotated under it by truncation: the next line is the first.
    os.truncate(log, 0)
    where.run(program, "-w", "2.5:100")
    assert len(messages(log.read_text())) == 2
    where.close()


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("spoil, user, number", [("mount -o remount,ro /var/log", [], 30),
                                                 ("true", NOBODY, 13)], ids=["read-only", "nobody"])
def test_log_that_cannot_be_opened(side, spoil, user, number):
    where, program = fresh_box(side)
    where.shell(spoil)
    done = where.run(*user, program, "-w", "2.5:100")
    where.close()
    assert done.returncode == 0
    assert ANSWER.fullmatch(done.stdout)
    found = messages(done.stderr)
    assert found[0] == f"Cannot open numad log file (errno: {number}) -- using stderr"
    assert found[1] == ASKED
    assert TOLD.fullmatch(found[2])
    assert len(found) == 3


@pytest.mark.parametrize("side", SIDES)
def test_reserved_cpus_are_logged(side):
    where, program = fresh_box(side)
    where.run(program, "-R", "1", "-w", "2.5:100")
    found = messages((where.root / "var/log/numad.log").read_text())
    where.close()
    assert "Reserving 1 CPUs (1) for non-numad use" in found
    assert ASKED in found


def test_quiet_level(box):
    """-l below notice: no line."""
    box.run("/run/ours/numad", "-l", "4", "-w", "1:1")
    assert (box.root / "var/log/numad.log").read_text() == ""


def test_only_numad_keeps_the_log(box):
    assert box.ask(name="placed").returncode == 0
    assert not (box.root / "var/log/numad.log").exists()
    assert box.ask(name="numad").returncode == 0
    assert (box.root / "var/log/numad.log").exists()


@pytest.mark.parametrize("plant", ["ln -s /run/victim /var/log/numad.log", "mkfifo /var/log/numad.log",
                                   "mkdir /var/log/numad.log"])
def test_planted_log(box, plant):
    """A link is not followed, a FIFO not waited for."""
    box.shell(plant)
    done = box.ask(name="numad")
    assert done.returncode == 0
    assert "using stderr" in done.stderr
    assert not (box.root / "run/victim").exists()


def test_source_is_here():
    assert (SOURCE / "daemon/options.c").exists()
