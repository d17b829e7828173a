# SPDX-License-Identifier: LGPL-2.1-or-later
# The daemon's events in a real journal (systemd-journald in a box), and without waiting for it where it is stopped.

"""Events in the journal."""

import json
import os
import pathlib
import signal
import subprocess

import pytest

from box import BUILD, answers, children, comm, needs_root, placectl, until

JOURNALD = pathlib.Path("/lib/systemd/systemd-journald")
pytestmark = [needs_root, pytest.mark.skipif(not JOURNALD.exists(), reason="no systemd-journald here")]
LIMIT_S = 30


def inner(process, name):
    """The process that nsenter started."""
    return until(lambda: next((pid for pid in children(process.pid) if comm(pid) == name), None), name)


@pytest.fixture
def journal(box):
    """journald, without this machine's kernel log; gives its pid."""
    box.shell("mkdir -p /run/systemd/journal /run/daemon && mount --bind /dev/null /dev/kmsg && "
              "ln -s \"$1\" /run/daemon/placed", BUILD / "daemon/placed")
    process = box.start(JOURNALD, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until((box.root / "run/systemd/journal/socket").exists, "journald")
    yield inner(process, "systemd-journal")
    process.kill()
    process.wait()


@pytest.fixture
def daemon(box, journal):  # pylint: disable=unused-argument
    process = box.start("/run/daemon/placed", "--foreground", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: box.run(placectl(), "status").returncode == 0, "the daemon")
    yield process
    assert box.run("/run/ours/placed", "-i", "0").returncode == 0
    process.wait(LIMIT_S)


def events(box, kind):
    done = box.run("journalctl", "-D", "/run/log/journal", "-o", "json", f"PLACED_EVENT={kind}")
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.usefixtures("daemon")
def test_fields(box):
    answers(box.ask("1.5:64"))
    event = until(lambda: events(box, "advice"), "the event")[0]
    assert event["MESSAGE"].startswith("advice ")
    assert event.items() >= {"SYSLOG_IDENTIFIER": "placed", "SYSLOG_FACILITY": "3", "_COMM": "placed",
                             "PLACED_MEMORY_MIB": "64", "PLACED_BOOKED": "yes"}.items()
    started = until(lambda: events(box, "ready"), "the start")[0]
    assert len({event["MESSAGE_ID"], started["MESSAGE_ID"]}) == 2
    assert all(len(one["MESSAGE_ID"]) == 32 for one in (event, started))


@pytest.mark.usefixtures("daemon")
def test_stopped_journal_holds_nobody_up(box, journal):
    """Its socket takes some hundred lines more, then none; what it missed is said when it goes on."""
    os.kill(journal, signal.SIGSTOP)
    for _ in range(40):
        box.shell("i=0; while [ $i -lt 25 ]; do i=$((i + 1)); " + placectl() + " pause; done")
        metrics = box.run(placectl(), "metrics")
        assert metrics.returncode == 0
        if "placed_log_lost_total 0\n" not in metrics.stdout:
            break
    else:
        pytest.fail("the journal took it all")
    answers(box.ask("1:64"))
    os.kill(journal, signal.SIGCONT)
    until(lambda: box.run(placectl(), "resume").returncode == 0 and [
        event for event in events(box, "trouble") if event.get("PLACED_WHAT") == "lines_missing"], "the gap")
