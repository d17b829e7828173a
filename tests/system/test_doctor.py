# SPDX-License-Identifier: LGPL-2.1-or-later
# The daemon before hosts that were made up, and what it says in its log, to placectl doctor, explain, status and
# metrics of guests that may come to harm by growing. The rule itself is tested in tests/unit/test_pressure.c.

"""Strict watch: warned before harm, and silent where all is well."""

import dataclasses
import itertools
import json
import pathlib
import re
import subprocess
import sys

import pytest

from box import BUILD, HOSTS, SOURCE, environment, needs_root, placectl, until

sys.path.insert(0, str(SOURCE / "tests/hosts"))
from build_tree import Guest, Node, build, even_host, promise_line, promises_text  # noqa: E402  pylint: disable=wrong-import-position

pytestmark = needs_root
DAEMON = BUILD / "daemon/placed"
MIB = 1 << 20


def guest(pid, name, mib, policy, nodes="1", huge=False, **more):
    ram = {"qom-type": "memory-backend-memfd" if huge else "memory-backend-ram", "id": "ram", "size": mib << 20}
    if huge:
        ram |= {"hugetlb": True, "hugetlbsize": 2 << 20}
    if policy:
        ram |= {"host-nodes": [int(node) for node in nodes.split(",")], "policy": policy}
    return Guest(pid, args=["-name", f"guest={name},debug-threads=on", "-m", str(mib), "-smp", "2", "-object",
                            json.dumps(ram), "-machine", "memory-backend=ram"], **{"resident_mib": 1000, **more})


def memory(swap_mib):
    return f"MemTotal: 1 kB\nSwapTotal: {swap_mib * 1024} kB\nSwapFree: {swap_mib * 1024} kB\n"


class Daemon:
    """The daemon in the foreground before a made-up host; its log goes to a file."""

    is_waited_for = True

    def __init__(self, box, root, log):
        self.box, self.log, self.root = box, log, pathlib.Path(root)
        with open(log, "wb") as out:
            # It ends with the box.
            self.process = subprocess.Popen(box.command(DAEMON, "--foreground", "--root", root), stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=out, env=environment())
        self.n_guests = sum(path.name.isdigit() for path in (self.root / "proc").iterdir())
        if self.is_waited_for:
            until(lambda: box.run(placectl(), "metrics").returncode == 0)
            until(self.has_looked)

    def has_looked(self):
        """Every guest was looked at, and a turn has decided on it."""
        guests = self.json("status")["guests"]
        return len(guests) == self.n_guests and all(one["class"] != "unreadable" for one in guests)

    def run(self, *arguments):
        return self.box.run(placectl(), *arguments)

    def json(self, word, *arguments):
        return json.loads(self.run(word, *arguments, "--json").stdout)

    def doctor(self):
        """(exit status, {subject: what}, first line)."""
        done = self.run("doctor")
        assert done.stderr == ""
        found = self.json("doctor")["findings"]
        return done.returncode, {one["subject"]: one["what"] for one in found}, done.stdout.split("\n")[0]

    def metric(self, name):
        return int(re.search(rf"^placed_{name} (\d+)$", self.run("metrics").stdout, re.M)[1])

    def said(self):
        return [line for line in self.log.read_text().splitlines() if " finding " in line]


@pytest.fixture
def watch(box, tmp_path):
    daemons = []

    def start(guests, swap_mib, nodes=None, surplus=0, dark_node=None, files=None):
        root = tmp_path / "host"
        host = even_host(2, 4, 32000, 8000, guests=guests, files={
            "proc/meminfo": memory(swap_mib),
            "sys/kernel/mm/hugepages/hugepages-2048kB/nr_overcommit_hugepages": f"{surplus}\n",
            **(files or {})})
        host.nodes = nodes or host.nodes
        build(root, host)
        if dark_node is not None:
            meminfo = root / f"sys/devices/system/node/node{dark_node}/meminfo"
            meminfo.write_text(re.sub(r".*MemFree:.*\n", "", meminfo.read_text()))
        daemons.append(Daemon(box, root, tmp_path / "log"))
        return daemons[-1]
    yield start
    box.close()
    for daemon in daemons:
        daemon.process.wait()


def growth_bytes(mib, of_mib):
    """Of a guest that has not taken so many MiB yet: and the same part of what QEMU needs beside it (guest_overhead_mib)."""
    return mib * MIB + 100 * MIB * mib // of_mib


def test_healthy_host_is_silent(watch):
    daemon = watch([guest(4711, "strict", 3800, "bind"), guest(4712, "preferred", 3800, "preferred"),
                    guest(4713, "spread", 3800, "interleave", "0,1"), guest(4714, "free", 2000, None)], swap_mib=0)
    assert daemon.doctor() == (0, {}, "OK: nothing was found")
    assert daemon.said() == []
    assert daemon.metric("risk_warnings_total") == 0
    assert {one["name"]: one["risk"] for one in daemon.json("status")["guests"] if one["name"] != "free"} == {
        "strict": "none", "preferred": "none", "spread": "none"}


def test_the_first_answer_is_of_all_guests(watch, monkeypatch):
    """Asked in the moment in which the daemon has found them and not looked at them yet."""
    monkeypatch.setattr(Daemon, "is_waited_for", False)
    daemon = watch([guest(4711, "big", 16000, "bind")], swap_mib=0)
    statuses = []
    until(lambda: statuses.append(daemon.run("doctor").returncode) or statuses[-1] != 3)
    assert statuses[-1] == 2
    assert (daemon.run("explain", "big").returncode, daemon.run("explain", "small").returncode) == (0, 4)


@pytest.mark.parametrize("locale, shown", [("C.UTF-8", "m\u00fcller"), ("C", "m\\xc3\\xbcller")])
def test_a_name_that_is_not_ascii(watch, locale, shown):
    """Guests are named by anybody, and cron has no locale."""
    daemon = watch([guest(4711, "m\u00fcller", 16000, "bind")], swap_mib=0)
    for words in ("status",), ("doctor",), ("explain", "4711"):
        done = daemon.box.run(placectl(), *words, env=environment(LC_ALL=locale), timeout=20, encoding="utf-8")
        assert shown in done.stdout, words


@pytest.mark.parametrize("swap_mib, what, status, first", [
    (0, "may_be_killed", 2, "CRITICAL: 1 critical finding"), (7000, "may_be_killed", 2, "CRITICAL: 1 critical finding"),
    (8000, "may_be_swapped", 1, "WARNING: 1 warning")])
def test_strict_guest_that_may_outgrow_its_node(watch, swap_mib, what, status, first):
    daemon = watch([guest(4711, "big", 16000, "bind"), guest(4712, "small", 2000, "bind", "0")], swap_mib=swap_mib)
    assert daemon.doctor() == (status, {"big": what}, first)
    finding, = daemon.json("doctor")["findings"]
    growth = growth_bytes(15000, 16000)
    assert (finding["pid"], finding["nodes"], finding["growth_bytes"]) == (4711, "1", growth)
    assert finding["short_bytes"] == finding["growth_bytes"] - finding["room_bytes"] + finding["neighbours_bytes"]
    # Said once, with names, nodes, figures and what helps.
    line, = daemon.said()
    assert f"finding what={what} subject=big pid=4711 nodes=1 growth_bytes={growth} " in line
    assert "remedy=" in line
    assert daemon.metric("risk_warnings_total") == 1
    assert daemon.metric("guests_" + what) == 1
    assert [one["risk"] for one in daemon.json("status")["guests"]] == [what == "may_be_killed" and "kill" or "swap", "none"]
    told = {said["topic"]: said["text"] for said in daemon.json("explain", "big")["because"]}
    assert (told["risk"], told["remedy"]) == (finding["text"], finding["remedy"])


def test_remedy_names_a_node_with_room(watch):
    daemon = watch([guest(4711, "big", 12000, "bind")], swap_mib=100)
    finding, = daemon.json("doctor")["findings"]
    assert finding["remedy"] == ("<numatune> mode preferred or interleave instead of strict, or other nodes: "
                                 "node 0 has room")


def test_others_lose_locality_only(watch):
    """No policy that can go elsewhere is a danger of death, and nobody is alarmed."""
    daemon = watch([guest(4711, "one", 12000, "preferred"), guest(4712, "two", 26000, "interleave", "0,1")],
                   swap_mib=0)
    status, found, first = daemon.doctor()
    assert found["one"] == found["two"] == "locality_at_risk"
    assert status == (1 if "" in found else 0), first
    assert daemon.metric("guests_locality_at_risk") == 2
    assert daemon.metric("risk_warnings_total") == 0
    assert daemon.metric("guests_may_be_killed") == 0


def test_neighbours_growth_counts(watch):
    guests = [guest(4711, "one", 6000, "bind"), guest(4712, "two", 6000, "bind")]
    daemon = watch(guests, swap_mib=0)
    assert daemon.doctor()[:2] == (2, {"one": "may_be_killed", "two": "may_be_killed"})
    assert len(daemon.said()) == 2


def test_said_when_it_comes_and_when_it_goes(watch):
    """What is asked for makes the daemon look anew: the clock of this host is a file. Single pages are no news, in whatever direction."""
    daemon = watch([guest(4711, "big", 6000, "bind")], swap_mib=100000)
    meminfo = daemon.root / "sys/devices/system/node/node1/meminfo"
    uptime, seconds = daemon.root / "proc/uptime", itertools.count(100001)
    healthy = meminfo.read_text()

    def leave(kib):
        text = re.sub(r"(MemFree:\s+)\d+", lambda match: match[1] + str(kib), healthy)
        assert text != healthy
        for path, content in ((meminfo, text), (uptime, f"{next(seconds)}.00 0.00\n")):
            new = path.with_name("new")
            new.write_text(content)
            new.rename(path)

    assert daemon.doctor()[0] == 0
    room = next(one for one in daemon.json("status")["nodes"] if one["node"] == 1)
    # What it may take is what there is, to the page.
    edge = (growth_bytes(5000, 6000) + room["reserve_bytes"]) // 1024
    for step in range(10):
        leave(edge - 1024 if step % 2 else edge + 1024)
        assert daemon.doctor()[0] == (1 if step else 0)
    assert [line.split("what=")[1].split()[0] for line in daemon.said()] == ["may_be_swapped"]
    leave(edge + (200 << 10))
    assert daemon.doctor()[0] == 0
    assert len(daemon.said()) == 1
    seconds = itertools.count(100400)
    leave(edge + (200 << 10))
    assert daemon.doctor()[0] == 0
    assert [line.split("what=")[1].split()[0] for line in daemon.said()] == ["may_be_swapped", "risk_over"]


@pytest.mark.parametrize("free, surplus, status, found", [
    (1000, 0, 0, {}), (999, 0, 2, {"huge": "may_be_killed"}), (999, 1, 0, {None: "guests_not_judged"})])
def test_hugepages_against_their_pool(watch, free, surplus, status, found):
    """Plain memory and swap do not help where a pool runs out, but for what may be made beyond it."""
    nodes = [Node(node, cpus, 32000, 8000, pools={2048: (4000, pages)})
             for node, cpus, pages in ((0, "0-3", 4000), (1, "4-7", free))]
    daemon = watch([guest(4711, "huge", 4000, "bind", huge=True, resident_mib=50, hugetlb_mib=2000)],
                   swap_mib=100000, nodes=nodes, surplus=surplus)
    assert daemon.doctor()[:2] == (status, found)


def test_more_than_are_shown(watch):
    """What is left out is said to be left out, and each is counted."""
    daemon = watch([guest(5000 + i, f"one{i}", 2000, "bind") for i in range(70)], swap_mib=0)
    status, found, first = daemon.doctor()
    assert status == 2 and first.startswith("CRITICAL: 64 critical findings, ")
    assert list(found.values()).count("may_be_killed") == 64
    assert "more_at_risk" in found.values()
    assert daemon.metric("guests_may_be_killed") == 70
    assert len(re.findall(r"^placed_guest_short_bytes\{", daemon.run("metrics").stdout, re.M)) == 70


def test_guests_of_anybody_displace_nobody(watch):
    """Anybody can start as many as he likes: those of root's libvirt come first, whatever their pids."""
    record = ("<domstatus state='running' reason='booted' pid='6000'>\n  <domain type='kvm' id='1'>\n"
              "    <name>db</name>\n  </domain>\n</domstatus>\n")
    daemon = watch([guest(5000 + i, f"one{i}", 2000, "bind") for i in range(70)]
                   + [dataclasses.replace(guest(6000, "db", 2000, "bind"), name="db", domstatus=record)], swap_mib=0)
    found = [one["subject"] for one in daemon.json("doctor")["findings"] if one["what"] == "may_be_killed"]
    assert found[0] == "db"
    assert len(found) == 65


def test_guest_that_cannot_be_judged(watch):
    """A node whose memory is not known: what it may do to its guest is said to be unknown, not passed over."""
    daemon = watch([guest(4711, "big", 16000, "bind"), guest(4712, "free", 2000, None)], swap_mib=0, dark_node=1)
    assert daemon.doctor() == (0, {None: "guests_not_judged"}, "OK: 1 notice")
    assert daemon.metric("guests_not_judged") >= 1


def test_recorded_host(box, tmp_path):
    """What was recorded when its guests ran well: nobody is at risk."""
    daemon = Daemon(box, HOSTS / "4n-guests", tmp_path / "log")
    assert all(one["risk"] in (None, "none") for one in daemon.json("status")["guests"])
    assert daemon.metric("risk_warnings_total") == 0
