# SPDX-License-Identifier: LGPL-2.1-or-later
# The settings as the programs show and heed them: --check-config says all that is wrong, --print-config what is in
# effect, and whatever lies where the settings should be, placed -w answers.

"""Settings: what is said about them, and what they change."""

import os
import pathlib
import re
import subprocess

import pytest

from box import HOSTS, NOBODY, PLACED, SOURCE, answers, environment, needs_root

SHIPPED = (SOURCE / "conf/placed.conf").read_text()
UNUSED = "the settings cannot be used: answered by the defaults"


def run(*arguments, **more):
    return subprocess.run([PLACED, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, env=environment(), timeout=60, check=False, **more)


def default_path():
    """Where this build has its settings."""
    return pathlib.Path(re.search(r"settings \(default (.*)\)", run("--help").stdout)[1])


@pytest.fixture
def conf(tmp_path):
    """Writes a settings file, by default the main one."""
    def write(text, name="placed.conf"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path
    return write


def test_check_is_silent_where_all_is_well(conf):
    path = conf("[move]\nworkers = 3\n\n[guest db]\nname = db-*\nmanage = no\n")
    for arguments in (["--check-config", path], [f"--check-config={path}"], ["--config", path, "--check-config"]):
        done = run(*arguments)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_check_says_all_faults(conf):
    path = conf("[move]\nbandwith = 3\nworkers = 99\n  enabled = maybe\njunk\n[bogus]\nx = 1\n[guest a]\nname = x\n"
                "[daemon]\ninterval_max_s = 3\n")
    drop_in = conf("x = 1\n", "placed.conf.d/50-local.conf")
    done = run("--check-config", path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        f"{path}:2: unknown setting [move] bandwith",
        f'{path}:3: [move] workers: "99" is out of range: 1 to 8',
        f'{path}:4: [move] enabled: "maybe" is not understood: yes or no',
        f"{path}:5: neither a section nor a setting: junk",
        f"{path}:6: unknown section [bogus]",
        f"{drop_in}:1: x stands before the first section",
        f"{path}: [daemon] interval_max_s (3) is less than interval_min_s (5)",
        f"{path}: [guest a] does not say manage = yes or no",
    ]


def test_check_of_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path, said in ((tmp_path / "fifo", "not a regular file"), (tmp_path, "not a regular file"),
                       (tmp_path / "none", "No such file or directory"), ("/dev/zero", "not a regular file")):
        done = run("--check-config", path)
        assert (done.returncode, done.stderr) == (1, f"{path}: {said}\n")
        assert run("--config", path, "--print-config").returncode == 1


def test_print_of_nothing_is_the_shipped_file(conf):
    done = run("--config", conf(""), "--print-config")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == SHIPPED
    assert run("--config", conf(SHIPPED), "--print-config").stdout == SHIPPED


def test_print_reads_back(conf):
    path = conf("[advice]\nreserved_cpus = 0-1,8\n[guest a b]\nname = [x-z]*\ncgroup = a\\x2db\nmanage = yes\n")
    conf("[move]\nworkers = 5\n", "placed.conf.d/1.conf")
    conf("[move]\nworkers = 6\n", "placed.conf.d/2.conf")
    conf("[move]\nworkers = 7\n", "placed.conf.d/3.conf.dpkg-old")
    first = run("--config", path, "--print-config").stdout
    for line in ("reserved_cpus = 0-1,8", "workers = 6", "[guest a b]", "name = [x-z]*", "cgroup = a\\x2db",
                 "manage = yes", "#payback_s = 60"):
        assert line in first.splitlines()
    assert run("--config", conf(first, "again.conf"), "--print-config").stdout == first


def test_command_line_wins(conf):
    path = conf("[move]\nutilization_percent = 50\nlocality_percent = 55\n[advice]\nreserved_cpus = 1\n")
    lines = run("--config", path, "-u", "90", "-m", "10", "-R", "2", "-v", "-i", "7:9", "-K", "0", "-S", "1", "-C", "0",
                "-t", "3", "-H", "500", "--print-config").stdout.splitlines()
    # -m 10 is out of range, and passed over as numad does.
    for line in ("utilization_percent = 90", "locality_percent = 55", "reserved_cpus = 2", "log_level = 6",
                 "interval_min_s = 7", "interval_max_s = 9", "keep_interleaved = no", "scan_all = yes",
                 "count_reclaimable = no", "smt_percent = 3", "thp_scan_sleep_ms = 500"):
        assert line in lines


def test_answers_heed_the_settings(conf):
    """The node of the answer has CPUs that are reserved now; -R says otherwise."""
    ask = ["--root", HOSTS / "2n", "-w", "1:1"]
    assert answers(run(*ask)) == ""
    assert run(*ask).stdout == "0\n"
    path = conf("[advice]\nreserved_cpus = 0-1\n")
    assert run("--config", path, *ask).stdout == "1\n"
    assert run("--config", path, "-R", "3", *ask).stdout == "0\n"


@pytest.mark.parametrize("text", ["[advice]\nreserved_cpus = 0-1\nx = 1\n", "\0", "[daemon]\nlog_file = " + "x" * 500])
def test_bad_settings_stop_no_answer(conf, text):
    """Nothing of a bad file is used."""
    done = run("--config", conf(text), "--root", HOSTS / "2n", "-w", "1:1")
    assert done.stdout == "0\n"
    assert UNUSED in answers(done)


def test_strange_settings_stop_no_answer(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "large").write_bytes(b"#" * 300000)
    for path in (tmp_path / "fifo", tmp_path, tmp_path / "none", tmp_path / "large", "/dev/zero"):
        done = run("--config", path, "--root", HOSTS / "2n", "-w", "1:1")
        assert done.stdout == "0\n"
        assert UNUSED in answers(done)


def cover(box):
    """An empty folder of our own where this build's settings lie."""
    path = default_path()
    above = next(folder for folder in path.parents if folder.exists())
    box.shell('mount -t tmpfs tmpfs "$1" && mkdir -p "$2.d"', above, path)
    return box.root / path.relative_to("/")


@needs_root
def test_usual_place(box):
    path = cover(box)
    placed = "/run/ours/placed"
    assert box.run(placed, "--print-config").stdout == SHIPPED
    assert box.run(placed, "--check-config").returncode == 0
    pathlib.Path(f"{path}.d/a.conf").write_text("[move]\nworkers = 4\n")
    assert "\nworkers = 4\n" in box.run(placed, "--print-config").stdout
    path.write_text("[move]\nx = 1\n")
    assert box.run(placed, "--check-config").stderr == f"{default_path()}:2: unknown setting [move] x\n"
    assert UNUSED in answers(box.ask())
    # They are this host's, and say nothing of a recorded one.
    assert answers(box.run(placed, "--root", HOSTS / "2n", "-w", "1:1")) == ""


@needs_root
def test_settings_that_only_root_may_read(box):
    path = cover(box)
    path.write_text("[move]\nworkers = 4\n")
    path.chmod(0o600)
    assert "Permission denied" in answers(box.ask(before=NOBODY))
    assert answers(box.ask()) == ""


@needs_root
def test_log_level(box):
    """[daemon] log_level below notice keeps numad's file empty; -l 5 wins."""
    cover(box).write_text("[daemon]\nlog_level = 4\n")
    answers(box.ask(name="numad"))
    assert (box.root / "var/log/numad.log").read_text() == ""
    answers(box.run("/run/ours/numad", "-l", "5", "-w", "1:1"))
    assert "Getting NUMA pre-placement advice" in (box.root / "var/log/numad.log").read_text()


@needs_root
def test_log_file(box):
    """numad's lines of root's answers, whatever the program is called; nobody else is bothered."""
    cover(box).write_text("[daemon]\nlog_file = /run/lines\n")
    assert answers(box.ask()) == ""
    assert len((box.root / "run/lines").read_text().splitlines()) == 2
    assert answers(box.ask(before=NOBODY)) == ""
    answers(box.ask(name="numad"))
    assert len((box.root / "run/lines").read_text().splitlines()) == 4
    assert not (box.root / "var/log/numad.log").exists()
