# SPDX-License-Identifier: LGPL-2.1-or-later
# Reads topologies.ini and turns a shape into QEMU's arguments; also knows where the cache lies.

"""Shapes of the emulated host and the place of its downloaded parts."""

import configparser
import os
import pathlib

HERE = pathlib.Path(__file__).resolve().parent


def cache_dir():
    """The folder that `fetch` fills: kernel/, root/, debs/."""
    named = os.environ.get("PLACED_GUEST_CACHE")
    if named:
        return pathlib.Path(named)
    if os.geteuid() == 0:
        return pathlib.Path("/var/cache/placed-guest")
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(base) / "placed-guest"


class Topology:
    """One shape: per node the CPU ids, memory_mib, hugepages, and the distance rows."""

    def __init__(self, name, section):
        def numbers(key):
            return [int(word) for word in section[key].split()]

        self.name = name
        self.about = section["about"]
        counts = numbers("cpus")
        self.memory_mib = numbers("memory_mib")
        self.hugepages = numbers("hugepages") if "hugepages" in section else [0] * len(counts)
        flat = numbers("distances")
        size = len(counts)
        if not len(self.memory_mib) == len(self.hugepages) == size or len(flat) != size * size:
            raise ValueError(f"topology {name}: every list needs one column per node")
        self.distances = [flat[row * size:(row + 1) * size] for row in range(size)]
        self.node_cpus = []
        first = 0
        for count in counts:
            self.node_cpus.append(list(range(first, first + count)))
            first += count
        self.cpu_total = first

    def qemu_arguments(self):
        """-smp, -m and -numa arguments for this shape."""
        sizes = {len(cpus) for cpus in self.node_cpus if cpus}
        cores = sizes.pop() if len(sizes) == 1 else 1   # sockets never straddle nodes
        args = ["-smp", f"{self.cpu_total},sockets={self.cpu_total // cores},cores={cores},threads=1",
                "-m", f"{sum(self.memory_mib)}M"]
        for node, cpus in enumerate(self.node_cpus):
            numa = f"node,nodeid={node}"
            if cpus:
                numa += f",cpus={cpus[0]}-{cpus[-1]}"
            if self.memory_mib[node]:
                args += ["-object", f"memory-backend-ram,id=ram{node},size={self.memory_mib[node]}M"]
                numa += f",memdev=ram{node}"
            args += ["-numa", numa]
        for source, row in enumerate(self.distances):
            for target, value in enumerate(row):
                if source != target:
                    args += ["-numa", f"dist,src={source},dst={target},val={value}"]
        return args


def load():
    """All shapes of topologies.ini by name, in the file's order."""
    parser = configparser.ConfigParser()
    parser.read_string((HERE / "topologies.ini").read_text(encoding="utf-8"))
    return {name: Topology(name, parser[name]) for name in parser.sections()}
