# SPDX-License-Identifier: LGPL-2.1-or-later
# Finds recorded hosts and unpacks them, for the tests of this folder and for bench/reading.

"""Recorded hosts: archives outside the source tree, and plain trees in `recorded/`.

The folder of archives is `$PLACED_HOSTS`, else `../shared/hosts` beside the source tree. It holds
`TREES.jsonl`: facts of each tree, computed by a reader that knows nothing of placed.
"""

import json
import os
import pathlib
import re
import tarfile

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
RECORDED = HERE / "recorded"

# Trees with nodes that TREES.jsonl has no line for.
WITHOUT_FACTS = (
    "libvirt/vircaps-linux-basic.tar.gz",
    "libvirt/vircaps-linux-hmat.tar.gz",
    "libvirt/virhostcpudata-linux-high-ids.tar.gz",
    "libvirt/virhostcpudata-linux-subcores1.tar.gz",
    "libvirt/virhostcpudata-linux-subcores3.tar.gz",
    "libvirt/virhostcpudata-linux-test3.tar.gz",
    "libvirt/virhostcpudata-linux-test4.tar.gz",
    "node_exporter/node_exporter-sys-node.tar.gz",
)

# What libplace never looks at, and most of what some archives hold.
_PASSED_OVER = re.compile(
    r"(^|/)(cache|cpufreq|cpuidle|thermal_throttle|microcode|crash_notes|power|pci[^/]*|"
    r"proc/irq|sys/class|sys/bus|sys/firmware|acpi_cppc|hotplug)(/|$)")


def archive_dir():
    """The folder of archives; it may be absent."""
    named = os.environ.get("PLACED_HOSTS")
    return pathlib.Path(named) if named else TOP.parent / "shared" / "hosts"


def load_facts():
    """{tree name: its facts}, empty where the folder is absent.

    A name is the archive's path and, where it holds several trees, "::" and the tree's path.
    """
    listing = archive_dir() / "TREES.jsonl"
    if not listing.is_file():
        return {}
    facts = {}
    for line in listing.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        _, _, inner = entry["file"].partition("::")
        name = entry["path"] + ("::" + inner if inner else "")
        facts[name] = entry
    return facts


def recorded_trees():
    """{name: folder} of the plain trees that lie in the source tree."""
    if not RECORDED.is_dir():
        return {}
    return {f"recorded/{entry.name}": entry for entry in sorted(RECORDED.iterdir())
            if (entry / "sys").is_dir() or (entry / "proc").is_dir()}


def _extract_member(archive, member, into):
    """Writes one member. Modes of the recording do not matter; what is no file is left out."""
    name = member.name.removeprefix("./")
    if name.startswith("/") or ".." in name.split("/") or _PASSED_OVER.search(name):
        return
    target = into / name
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if member.issym():
        if not target.is_symlink():
            target.symlink_to(member.linkname)
    elif member.isfile() or member.islnk():
        source = archive.extractfile(member)
        if source is not None:
            target.write_bytes(source.read())


def _find_root(top):
    """The folder that holds sys/ or proc/; cpu/ and node/ alone are put where they belong."""
    for folder, names, _ in os.walk(top):
        folder = pathlib.Path(folder)
        if "sys" in names or "proc" in names:
            return folder
        if "devices" in names and (folder / "devices" / "system").is_dir():
            return _move_under(folder, ("devices",), "sys")
        if "system" in names and (folder / "system" / "cpu").is_dir():
            return _move_under(folder, ("system",), "sys/devices")
        if "cpu" in names and (folder / "cpu").is_dir() or "node" in names:
            return _move_under(folder, ("cpu", "node"), "sys/devices/system")
    return top


def _move_under(folder, names, below):
    target = folder / below
    target.mkdir(parents=True)
    for name in names:
        if (folder / name).exists():
            (folder / name).rename(target / name)
    return folder


class Cache:
    """Unpacks each archive once into a folder of the caller's, which is not the source tree."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.archives = {}
        self.roots = {}

    def unpack(self, path):
        """The folder that an archive was unpacked into."""
        if path not in self.archives:
            into = self.folder / path.replace("/", "_")
            into.mkdir(parents=True)
            with tarfile.open(archive_dir() / path) as archive:
                for member in archive:
                    _extract_member(archive, member, into)
            self.archives[path] = into
        return self.archives[path]

    def root(self, name):
        """The root of a tree, as `placed --root` wants it."""
        if name.startswith("recorded/"):
            return RECORDED / name.removeprefix("recorded/")
        if name not in self.roots:
            path, _, inner = name.partition("::")
            self.roots[name] = _find_root(self.unpack(path) / inner)
        return self.roots[name]
