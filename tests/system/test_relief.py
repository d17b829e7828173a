# SPDX-License-Identifier: LGPL-2.1-or-later
# The daemon before hosts that were made up, where a confined guest is short on its node: who it would have make
# room, and what it says of that. Who and why is tested in tests/unit/test_relief.c, moving in tests/guest/arrival.

"""Who makes room: said with its cause and for whom."""

import re

import pytest

from box import needs_root, until
from test_doctor import MIB, guest, promise_line, promises_text, watch  # noqa: F401  pylint: disable=unused-import

pytestmark = needs_root
PROMISED = "run/placed/promises"


def grouped(pid, name, mib, node):
    """A guest without a policy, all of it on that node by its own group, and the files of that group."""
    group = f"machine/qemu-{pid}.libvirt-qemu"
    files = {f"proc/{pid}/cgroup": f"0::/{group}/emulator\n",
             f"sys/fs/cgroup/{group}/memory.numa_stat": "anon " + " ".join(
                 f"N{i}={(mib << 20) * (i == node)}" for i in (0, 1)) + "\n"}
    return guest(pid, name, mib, None, resident_mib=mib), files


def planned(daemon):
    """The log's lines of what would be done, as {key: value}."""
    return [dict(re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)', line)) for line in daemon.log.read_text().splitlines()
            if " plan " in line]


@pytest.fixture
def crowd(watch):
    def start(short, *others, promised_mib=0):
        files = {"proc/self/mounts": "sysfs /sys sysfs rw 0 0\nproc /proc proc rw 0 0\n"
                                     "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"}
        for _, more in others:
            files |= more
        if promised_mib:
            files[PROMISED] = promises_text([promise_line(99999, 1, promised_mib, "1")])
        return watch([short, *(one for one, _ in others)], swap_mib=32000, files=files)
    return start


def test_a_neighbour_would_make_room(crowd):
    daemon = crowd(guest(4711, 'big "db"\n', 9000, "bind"), grouped(4712, "idle", 2000, 1),
                   grouped(4713, "elsewhere", 2000, 0))
    until(lambda: planned(daemon))
    daemon.run("status")                                    # one more look
    step, = planned(daemon)
    assert (step["pid"], step["guest"], step["to"]) == ("4712", "idle", "0")
    assert step["cause"] == "arrival" and step["for"] == r'"big \x22db\x22\x0a"'
    short = daemon.json("doctor")["findings"][0]["short_bytes"]
    assert short < int(step["bytes"]) < 1000 * MIB
    assert daemon.json("explain", "idle")["guests"][0]["verdict"] == "move"


def test_nobody_would_where_nobody_is_short(crowd):
    daemon = crowd(guest(4711, "fits", 8000, "bind"), grouped(4712, "idle", 2000, 1))
    assert planned(daemon) == []
    assert daemon.doctor()[0] == 0


def test_nor_where_it_helps_nobody(crowd):
    """The other node has room, and the only neighbour is bound, too."""
    bound, files = grouped(4712, "bound", 2000, 1)
    bound.args = guest(4712, "bound", 2000, "bind").args
    daemon = crowd(guest(4711, "big", 9000, "bind"), (bound, files))
    assert daemon.doctor()[1] == {"big": "may_be_swapped"}
    assert planned(daemon) == []


def test_a_promise_is_made_room_for(crowd):
    """It was given when there was room."""
    daemon = crowd(guest(4711, "small", 100, "bind", resident_mib=100), grouped(4712, "idle", 2000, 1), promised_mib=7700)
    until(lambda: planned(daemon))
    step, = planned(daemon)
    assert (step["pid"], step["to"], step["for"]) == ("4712", "0", '"promise of 7700 MiB"')
