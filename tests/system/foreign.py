# SPDX-License-Identifier: LGPL-2.1-or-later
# What tests with foreign numads share: Debian's numad with the keys of both releases, and SysV queues by hand.

"""Foreign numads in a box, and their queues."""

import os
import pathlib
import re

import pytest

from box import SOURCE

CACHE = pathlib.Path(os.environ.get("PLACED_GUEST_CACHE", "/var/cache/placed-guest"))
NUMAD = CACHE / "root/usr/bin/numad"
SYSV = SOURCE / "tests/system/sysv.py"
KEYS = {"2015": 0xdeadbeef, "2025": 0xaddaadda}
# A process without any capability, as root.
POWERLESS = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all", "--ambient-caps", "-all"]

needs_numad = pytest.mark.skipif(not NUMAD.exists(), reason="no Debian numad unpacked: tests/guest/fetch")


def sysv(box, *arguments, before=()):
    return box.run(*before, "/usr/bin/python3", SYSV, *arguments)


def do(box, *arguments, before=()):
    done = sysv(box, *arguments, before=before)
    assert done.returncode == 0, done.stderr
    return done.stdout


def queues(box):
    """{generation: row} of the queues there are; a row has the columns of /proc/sysvipc/msg."""
    lines = [line.split() for line in box.run("cat", "/proc/sysvipc/msg").stdout.splitlines()]
    rows = [dict(zip(lines[0], line)) for line in lines[1:]]
    names = {key: name for name, key in KEYS.items()}
    return {names[int(row["key"]) & 0xffffffff]: row for row in rows}


def outer_pid(box, inner):
    """The pid outside of the box."""
    for status in pathlib.Path("/proc").glob("[0-9]*/status"):
        try:
            found = re.search(r"^NSpid:\s+(\d+)\s+(\d+)$", status.read_text(), re.M)
            if found and int(found[2]) == inner and \
                    os.readlink(status.parent / "ns/pid") == os.readlink(f"/proc/{box.pid}/ns/pid"):
                return int(found[1])
        except (FileNotFoundError, ProcessLookupError):
            pass
    return pytest.fail(f"no process {inner} in the box")


@pytest.fixture(name="numad")
def fixture_numad(box):
    """Debian's numad, and the same with the key of 2025, by release."""
    folder = box.root / "run/foreign"
    for generation, key in KEYS.items():
        (folder / generation).mkdir(parents=True)
        code = NUMAD.read_bytes()
        old, new = (number.to_bytes(4, "little") for number in (KEYS["2015"], key))
        assert code.count(old) == 1
        copy = folder / generation / "numad"
        copy.write_bytes(code.replace(old, new))
        copy.chmod(0o755)
    return {generation: f"/run/foreign/{generation}/numad" for generation in KEYS}
