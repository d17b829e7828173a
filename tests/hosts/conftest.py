# SPDX-License-Identifier: LGPL-2.1-or-later
# What the tests of this folder share: the programs under test, recorded hosts, their answers.

"""Fixtures and helpers.

PLACED_BUILD   top of the build tree (default: the current directory, if ./placed is there)
PLACED_BIN     top of a second build tree, with sanitizers: hostile input goes there as well
PLACED_HOSTS   the folder of recorded hosts (default: ../shared/hosts beside the source tree)
"""

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

sys.dont_write_bytecode = True      # the source tree stays as it is
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import build_tree  # noqa: E402
import trees  # noqa: E402

# A hang is a failure; nothing here measures time.
HANG_S = 20

LIST = re.compile(r"^\d+(-\d+)?(,\d+(-\d+)?)*\n$")
# What a sanitizer prints, and what the kernel or the C library says of a crash.
CRASH = re.compile(r"Sanitizer|runtime error:|Assertion|core dumped|stack smashing|corrupt")


class Programs:
    """The programs of one build tree."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder).resolve()

    def run(self, *words, **more):
        """Runs one of them; a crash or a hang fails the test, an exit status does not."""
        environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=1:exitcode=99",
                           UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1")
        done = subprocess.run([str(self.folder / words[0]), *map(str, words[1:])],
                              capture_output=True, timeout=HANG_S, check=False,
                              env=environment, stdin=subprocess.DEVNULL, **more)
        done.stdout = done.stdout.decode(errors="replace")
        done.stderr = done.stderr.decode(errors="replace")
        assert done.returncode >= 0, f"{words}: signal {-done.returncode}: {done.stderr}"
        assert done.returncode != 99 and not CRASH.search(done.stderr), done.stderr
        return done

    def describe(self, root):
        """What libplace reads of a host; guests by pid, nodes by id."""
        done = self.run("tests/hosts/describe", root)
        assert done.returncode == 0, done.stderr
        facts = json.loads(done.stdout)
        facts["node"] = {node["id"]: node for node in facts["nodes"]}
        facts["guest"] = {guest["pid"]: guest for guest in facts["guests"]}
        facts["notes"] = [note["note"] for note in facts["notes"]]
        return facts

    def ask(self, root, request):
        """The whole of `placed -w`."""
        return self.run("placed", "-w", request, "--root", root)

    def answer(self, root, request):
        """The nodes of the answer; the form of the answer is checked."""
        done = self.ask(root, request)
        assert done.returncode == 0, done.stderr
        assert LIST.match(done.stdout), repr(done.stdout)
        nodes = build_tree.ids_of(done.stdout)
        assert build_tree.list_of(nodes) + "\n" == done.stdout, "not in the canonical form"
        # Past its deadline placed answers from less than it was given: no test is about that.
        assert "answered without looking at the guests" not in done.stderr, done.stderr
        return nodes

    def table(self, root, request):
        """The table behind the answer."""
        done = self.run("placectl", "advise", request, "--json", "--root", root)
        assert done.returncode == 0, done.stderr
        table = json.loads(done.stdout)
        table["set"] = build_tree.ids_of(table["advice"])
        return table


def _build_folder():
    named = os.environ.get("PLACED_BUILD")
    folder = pathlib.Path(named or ".")
    return folder if (folder / "placed").exists() else None


@pytest.fixture(scope="session")
def programs():
    folder = _build_folder()
    if folder is None:
        pytest.skip("no built programs: PLACED_BUILD names no build tree, and ./placed is missing")
    if not (folder / "tests/hosts/describe").exists():
        pytest.skip("tests/hosts/describe is not built: make tests/hosts/describe")
    return Programs(folder)


@pytest.fixture(scope="session")
def hosts(tmp_path_factory):
    """Recorded hosts by name; each archive is unpacked once a session."""
    return trees.Cache(tmp_path_factory.mktemp("recorded"))


@pytest.fixture
def built(tmp_path):
    """Builds a host and gives its root."""
    return lambda host, name="host": build_tree.build(tmp_path / name, host)


def _builds():
    builds = [pytest.param("PLACED_BUILD", id="build")]
    if os.environ.get("PLACED_BIN"):
        builds.append(pytest.param("PLACED_BIN", id="sanitizer"))
    return builds


@pytest.fixture(params=_builds())
def any_programs(request):
    """The build under test and, where there is one, the sanitizer build."""
    if request.param == "PLACED_BIN":
        folder = pathlib.Path(os.environ["PLACED_BIN"])
        return Programs(folder.parent if folder.is_file() else folder)
    return request.getfixturevalue("programs")


def without_archives(names):
    """Parameters for a test of recorded hosts: their names, or one skip that says why."""
    if names:
        return [pytest.param(name, id=name) for name in names]
    reason = f"no recorded hosts: {trees.archive_dir()} holds no TREES.jsonl"
    return [pytest.param(None, id="no-recorded-hosts", marks=pytest.mark.skip(reason=reason))]


def pytest_generate_tests(metafunc):
    """`tree`: each archived tree that has facts; `any_tree`: that, and all others with nodes."""
    facts = trees.load_facts()
    if "tree" in metafunc.fixturenames:
        metafunc.parametrize("tree", without_archives(list(facts)))
    if "tree_without_facts" in metafunc.fixturenames:
        metafunc.parametrize("tree_without_facts",
                             without_archives(list(trees.WITHOUT_FACTS) if facts else []))
    if "any_tree" in metafunc.fixturenames:
        names = list(facts) + (list(trees.WITHOUT_FACTS) if facts else [])
        recorded = [pytest.param(name, id=name) for name in trees.recorded_trees()]
        metafunc.parametrize("any_tree", without_archives(names) + recorded)


@pytest.fixture
def facts_of():
    return trees.load_facts().__getitem__
