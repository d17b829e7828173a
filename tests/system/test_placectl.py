# SPDX-License-Identifier: LGPL-2.1-or-later
# placectl: its table, its JSON, its errors. It looks, and leaves nothing behind.

"""placectl."""

import json
import re
import subprocess

import pytest

from box import ANSWER, HOSTS, PLACED, answers, environment, needs_root, placectl

NAMES = sorted(folder.name for folder in HOSTS.iterdir() if (folder / "sys/devices/system/node/online").exists())
NUMBERS = ("total_bytes free_bytes reclaimable_bytes reserve_bytes promised_bytes usable_bytes cpus cores "
           "capacity_millicpu committed_millicpu").split()
VERDICTS = "one_node several overflow no_room blind".split()


def run(*arguments):
    return subprocess.run([placectl(), *map(str, arguments)], env=environment(), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False)


def parse_list(text):
    numbers = []
    for part in filter(None, text.strip().split(",")):
        low, _, high = part.partition("-")
        numbers += range(int(low), int(high or low) + 1)
    return numbers


@pytest.mark.parametrize("request_text", ["1:64", "2.5:100", "0", "3:100000000"])
@pytest.mark.parametrize("name", NAMES)
def test_json(name, request_text):
    done = run("advise", request_text, "--json", "--root", HOSTS / name)
    assert done.returncode == 0, done.stderr
    reply = json.loads(done.stdout)
    assert list(reply) == ["advice", "verdict", "sentence", "nodes"]
    assert reply["verdict"] in VERDICTS
    online = parse_list((HOSTS / name / "sys/devices/system/node/online").read_text())
    assert [node["node"] for node in reply["nodes"]] == online
    assert [node["node"] for node in reply["nodes"] if node["chosen"]] == parse_list(reply["advice"])
    for node in reply["nodes"]:
        for key in NUMBERS:
            assert node[key] is None or (isinstance(node[key], int) and node[key] >= 0), key
        assert isinstance(node["chosen"], bool)
        assert re.fullmatch(r"[a-z_]+", node["reason"])
        assert node["reason_text"]
        extra = set(node) - set(NUMBERS) - {"node", "chosen", "reason", "reason_text"}
        assert all(re.fullmatch(r"pool_\d+kib_(free|total)_pages", key) for key in extra)
        kib = dict(re.findall(r"(MemTotal|MemFree):\s+(\d+) kB",
                              (HOSTS / name / f"sys/devices/system/node/node{node['node']}/meminfo").read_text()))
        assert node["total_bytes"] == int(kib["MemTotal"]) * 1024
        assert node["free_bytes"] == int(kib["MemFree"]) * 1024


@pytest.mark.parametrize("name", NAMES)
def test_same_answer_as_placed(name):
    for request in ("1:64", "2:3000", "8:100"):
        reply = json.loads(run("advise", request, "--json", "--root", HOSTS / name).stdout)
        asked = subprocess.run([PLACED, "-w", request, "--root", HOSTS / name], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, text=True, check=True)
        assert asked.stdout == reply["advice"] + "\n"


@pytest.mark.parametrize("name", NAMES)
def test_table(name):
    done = run("advise", "1:64", "--root", HOSTS / name)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    for word in "NODE TOTAL FREE RECLAIM RESERVE PROMISED USABLE CPUS COMMITTED WHY".split():
        assert word in lines[0].split()
    reply = json.loads(run("advise", "1:64", "--json", "--root", HOSTS / name).stdout)
    rows = lines[1:lines.index("")]
    assert [int(row.split()[0]) for row in rows] == [node["node"] for node in reply["nodes"]]
    assert [row.split()[1] == "*" for row in rows] == [node["chosen"] for node in reply["nodes"]]
    assert lines[-1] == f"Advice: {reply['advice']} ({reply['sentence']})"


def test_options_stand_anywhere():
    there = HOSTS / "4n"
    expected = run("advise", "1:64", "--json", "--root", there).stdout
    assert run("advise", "--json", "1:64", f"--root={there}").stdout == expected
    assert run("advise", "--root", there, "--json", "--", "1:64").stdout == expected


@pytest.mark.parametrize("arguments, said", [
    (["advise", "x"], "placectl: not of the form CPUS[:MIB]: x\n"),
    (["advise", "1:4G"], "placectl: not of the form CPUS[:MIB]: 1:4G\n"),
    (["advise", "1;2"], "placectl: not of the form CPUS[:MIB]: 1;2\n"),
    (["advise", "2:"], "placectl: not of the form CPUS[:MIB]: 2:\n"),
    (["advise", "1:9999999999"], "placectl: not of the form CPUS[:MIB]: 1:9999999999\n"),
    (["advise", "1:1", "--root", "/nowhere"], "placectl: /nowhere: No such file or directory\n"),
    (["advise", "1:1", "--root", "/etc/passwd"], "placectl: /etc/passwd: Not a directory\n"),
    (["advise"], "Usage: placectl advise "),
    (["advise", "1:1", "2:2"], "Usage: placectl advise "),
    (["advise", "1:1", "--root"], ""),
    (["advise", "1:1", "--bogus"], ""),
    ([], "Usage: placectl COMMAND "),
    (["bogus"], "placectl: unknown command: bogus\nUsage: placectl COMMAND "),
    (["--bogus"], "placectl: unknown command: --bogus\nUsage: "),
    ([""], "placectl: unknown command: \nUsage: "),
])
def test_errors(arguments, said):
    done = run(*arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(said)
    assert done.stderr


@pytest.mark.parametrize("arguments, said", [
    (["--help"], "Usage: placectl COMMAND "), (["-h"], "Usage: placectl COMMAND "),
    (["advise", "--help"], "Usage: placectl advise "), (["advise", "-h"], "Usage: placectl advise "),
    (["--version"], "placectl "), (["-V"], "placectl "),
])
def test_help(arguments, said):
    done = run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(said)


def test_notes_go_to_stderr(tmp_path):
    done = run("advise", "1:1", "--json", "--root", tmp_path)
    assert done.returncode == 0
    assert done.stderr.startswith("placectl: ")
    reply = json.loads(done.stdout)
    assert reply["verdict"] == "blind"
    assert reply["nodes"][0]["total_bytes"] is None


@pytest.mark.parametrize("arguments", [["advise", "1:1", "--root", HOSTS / "2n"],
                                       ["advise", "1:1", "--json", "--root", HOSTS / "2n"]])
def test_full_output(arguments):
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([placectl(), *map(str, arguments)], env=environment(), stdout=full,
                              stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert "No space left on device" in done.stderr


@needs_root
def test_books_nothing(box):
    done = box.run(placectl(), "advise", "1:64", "--json")
    assert done.returncode == 0
    assert ANSWER.fullmatch(json.loads(done.stdout)["advice"] + "\n")
    assert not box.placed_dir.exists()
    answers(box.ask("1:64"))
    before = {path.name: path.read_bytes() for path in box.placed_dir.iterdir()}
    for _ in range(3):
        box.run(placectl(), "advise", "1:64")
    assert {path.name: path.read_bytes() for path in box.placed_dir.iterdir()} == before
