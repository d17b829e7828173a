# SPDX-License-Identifier: LGPL-2.1-or-later
# Builds a plain /sys and /proc tree from a description, in the kernel's own text formats.

"""Hosts that nobody recorded: shapes, numbers from a text, guests.

    host = Host([Node(0, "0-3", 32000, 30000), Node(1, "4-7", 32000, 20000)],
                distances=[[10, 21], [21, 10]],
                guests=[Guest(4711, args=["-m", "4096", "-smp", "4"])])
    build(tmp_path, host)

Formats: drivers/base/node.c, drivers/base/cpu.c, fs/proc/array.c, fs/proc/task_mmu.c (6.1).
"""

import dataclasses
import pathlib
import re
import xml.etree.ElementTree

TICKS_PER_S = 100
NS_PER_TICK = 10_000_000
BOOT_ID = "6e5f7a7e-0c5d-4b57-9d0c-2f7f0f1f3a11"


def ids_of(text):
    """{ids} of the kernel's list format."""
    ids = set()
    for word in text.split(","):
        if word.strip():
            first, _, last = word.strip().partition("-")
            ids |= set(range(int(first), int(last or first) + 1))
    return ids


def list_of(ids):
    """The kernel's list format of {ids}."""
    runs = []
    for one in sorted(ids):
        if runs and one == runs[-1][1] + 1:
            runs[-1][1] = one
        else:
            runs.append([one, one])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def mask_of(ids, n_bits):
    """The kernel's mask format: groups of 32 bits, the most significant first."""
    number = sum(1 << one for one in ids)
    groups = (max(n_bits, 1) + 31) // 32
    return ",".join(f"{number >> 32 * i & 0xffffffff:08x}" for i in reversed(range(groups)))


@dataclasses.dataclass
class Node:
    """One NUMA node. `cpus` are all that belong to it, online or not."""

    id: int
    cpus: str = ""
    total_mib: int = 0
    free_mib: int = 0
    inactive_file_mib: int = 0
    dirty_mib: int = 0
    # {page size in KiB: (pages in all, free pages)}
    pools: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Guest:
    """A process. `args` follow the program's name; `status` replaces or adds lines of it."""

    pid: int
    comm: str = "qemu-system-x86"
    args: list = dataclasses.field(default_factory=list)
    program: str = "/usr/bin/qemu-system-x86_64"
    exe: str = None                 # where /proc/PID/exe leads; None: no such link
    cmdline: bytes = None           # the raw bytes, instead of program and args
    resident_mib: int = 100         # RssAnon
    shmem_mib: int = 0              # RssShmem
    hugetlb_mib: int = 0
    cpus: str = None                # Cpus_allowed_list; all where None
    mems: str = None                # Mems_allowed_list; all where None
    start_s: int = 100              # after the boot
    cpu_time_s: int = 0
    status: dict = dataclasses.field(default_factory=dict)   # {"RssAnon": None} drops a line
    stat: str = None                # the raw line
    domstatus: str = None           # /run/libvirt/qemu/NAME.xml ...
    name: str = None                # ... and that NAME


@dataclasses.dataclass
class Host:
    """A machine at one moment. Lists in the kernel's format; None leaves a file out."""

    nodes: list
    distances: list = None          # rows; None: no distance files
    online: str = ""                # CPUs; "": all of the nodes
    possible: str = ""
    isolated: str = ""
    threads_per_core: int = 1
    guests: list = dataclasses.field(default_factory=list)
    mounts: str = "sysfs /sys sysfs rw 0 0\nproc /proc proc rw 0 0\n"
    cgroup: str = "0::/system.slice/libvirtd.service\n"
    mems_allowed: str = ""
    boot_id: str = BOOT_ID
    uptime_s: int = 100000
    min_free_kib: int = 67584
    watermark_scale_factor: int = 10
    busy_permille: int = 20         # of every CPU, in /proc/stat
    node_dir: bool = True
    cpu_files: bool = True          # a folder per CPU: what a thousand of them are slow in
    # {path: text or bytes} of anything else: cgroups, run/placed/...
    files: dict = dataclasses.field(default_factory=dict)

    def all_cpus(self):
        return set().union(*(ids_of(node.cpus) for node in self.nodes)) if self.nodes else set()

    def online_cpus(self):
        return ids_of(self.online) or self.all_cpus()

    def possible_cpus(self):
        return ids_of(self.possible) or self.all_cpus() | self.online_cpus()


def write(root, path, text):
    """Writes one file below the root, and the folders above it."""
    target = pathlib.Path(root) / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(text if isinstance(text, bytes) else text.encode())


# ---- /sys ----------------------------------------------------------------------------------

def _node_meminfo(node):
    kib = {
        "MemTotal": node.total_mib * 1024,
        "MemFree": node.free_mib * 1024,
        "MemUsed": max(node.total_mib - node.free_mib, 0) * 1024,
        "SwapCached": 0,
        "Active": 4096,
        "Inactive": node.inactive_file_mib * 1024 + 2048,
        "Active(anon)": 1024,
        "Inactive(anon)": 2048,
        "Active(file)": 3072,
        "Inactive(file)": node.inactive_file_mib * 1024,
        "Unevictable": 0,
        "Mlocked": 0,
        "Dirty": node.dirty_mib * 1024,
        "Writeback": 0,
        "FilePages": node.inactive_file_mib * 1024 + 3072,
        "Mapped": 1024,
        "AnonPages": 3072,
    }
    lines = [f"Node {node.id} {key + ':':<15s} {value:8d} kB\n" for key, value in kib.items()]
    total, free = node.pools.get(2048, (0, 0))
    lines += [f"Node {node.id} HugePages_Total: {total:5d}\n",
              f"Node {node.id} HugePages_Free:  {free:5d}\n",
              f"Node {node.id} HugePages_Surp:      0\n"]
    return "".join(lines)


def _write_node(root, host, index, sizes):
    node = host.nodes[index]
    folder = f"sys/devices/system/node/node{node.id}"
    # A CPU that is off leaves its node's mask (unregister_cpu_under_node()).
    cpus = ids_of(node.cpus) & host.online_cpus()
    n_bits = max(host.possible_cpus(), default=0) + 1
    write(root, f"{folder}/cpulist", list_of(cpus) + "\n")
    write(root, f"{folder}/cpumap", mask_of(cpus, n_bits) + "\n")
    write(root, f"{folder}/meminfo", _node_meminfo(node))
    write(root, f"{folder}/numastat", "numa_hit 0\nnuma_miss 0\nnuma_foreign 0\n"
          "interleave_hit 0\nlocal_node 0\nother_node 0\n")
    if host.distances:
        write(root, f"{folder}/distance", " ".join(map(str, host.distances[index])) + "\n")
    for kib in sizes:
        total, free = node.pools.get(kib, (0, 0))
        pool = f"{folder}/hugepages/hugepages-{kib}kB"
        write(root, f"{pool}/nr_hugepages", f"{total}\n")
        write(root, f"{pool}/free_hugepages", f"{free}\n")
        write(root, f"{pool}/surplus_hugepages", "0\n")


def _write_nodes(root, host):
    base = "sys/devices/system/node"
    sizes = sorted({2048} | {kib for node in host.nodes for kib in node.pools})
    ids = {node.id for node in host.nodes}
    online = host.online_cpus()
    with_memory = {node.id for node in host.nodes if node.total_mib}
    write(root, f"{base}/online", list_of(ids) + "\n")
    write(root, f"{base}/possible", list_of(ids) + "\n")
    write(root, f"{base}/has_cpu", list_of(
        {node.id for node in host.nodes if ids_of(node.cpus) & online}) + "\n")
    for name in ("has_memory", "has_normal_memory"):
        write(root, f"{base}/{name}", list_of(with_memory) + "\n")
    for index in range(len(host.nodes)):
        _write_node(root, host, index, sizes)


def _siblings(host):
    """{cpu: ids of its core}: the threads of a node's cores are half the node apart."""
    siblings = {}
    for node in host.nodes:
        cpus = sorted(ids_of(node.cpus))
        n_cores = max(len(cpus) // host.threads_per_core, 1)
        for index, cpu in enumerate(cpus):
            siblings[cpu] = set(cpus[index % n_cores::n_cores])
    return siblings


def _write_cpus(root, host):
    base = "sys/devices/system/cpu"
    online, possible = host.online_cpus(), host.possible_cpus()
    n_bits = max(possible, default=0) + 1
    write(root, f"{base}/online", list_of(online) + "\n")
    write(root, f"{base}/offline", list_of(possible - online) + "\n")
    write(root, f"{base}/possible", list_of(possible) + "\n")
    write(root, f"{base}/present", list_of(possible) + "\n")
    write(root, f"{base}/isolated", host.isolated + "\n")
    write(root, f"{base}/kernel_max", "8191\n")
    siblings = _siblings(host) if host.cpu_files else {}
    for cpu in sorted(possible & siblings.keys()):
        folder = f"{base}/cpu{cpu}"
        if cpu:
            write(root, f"{folder}/online", f"{int(cpu in online)}\n")
        if cpu not in online:
            continue
        core = siblings[cpu] & online
        write(root, f"{folder}/topology/core_id", f"{min(siblings[cpu])}\n")
        write(root, f"{folder}/topology/physical_package_id", "0\n")
        for name in ("core_cpus", "thread_siblings"):
            write(root, f"{folder}/topology/{name}", mask_of(core, n_bits) + "\n")
            write(root, f"{folder}/topology/{name}_list", list_of(core) + "\n")


# ---- /proc ---------------------------------------------------------------------------------

def _proc_meminfo(host):
    hugetlb_kib = sum(kib * total for node in host.nodes
                      for kib, (total, _) in node.pools.items())
    kib = {
        "MemTotal": sum(node.total_mib for node in host.nodes) * 1024,
        "MemFree": sum(node.free_mib for node in host.nodes) * 1024,
        "Inactive(file)": sum(node.inactive_file_mib for node in host.nodes) * 1024,
        "Dirty": sum(node.dirty_mib for node in host.nodes) * 1024,
        "Hugetlb": hugetlb_kib,
    }
    return "".join(f"{key + ':':<15s} {value:8d} kB\n" for key, value in kib.items())


def _proc_stat(host):
    ticks = host.uptime_s * TICKS_PER_S
    busy = ticks * host.busy_permille // 1000
    online = sorted(host.online_cpus())

    def line(name, n_cpus):
        return (f"{name} {busy * n_cpus} 0 0 {(ticks - busy) * n_cpus} 0 0 0 0 0 0\n")

    return line("cpu ", len(online)) + "".join(line(f"cpu{cpu}", 1) for cpu in online) + \
        "ctxt 1\nbtime 1700000000\nprocesses 1\nprocs_running 1\nprocs_blocked 0\n"


def _guest_status(host, guest):
    all_cpus = list_of(host.possible_cpus()) or "0"
    all_mems = list_of({node.id for node in host.nodes}) or "0"
    resident_kib = (guest.resident_mib + guest.shmem_mib) * 1024 + 4096
    lines = {
        "Name": guest.comm[:15].replace("\\", "\\\\").replace("\n", "\\n"),
        "State": "S (sleeping)",
        "Tgid": str(guest.pid),
        "Pid": str(guest.pid),
        "PPid": "1",
        "VmPeak": f"{resident_kib * 2:8d} kB",
        "VmRSS": f"{resident_kib:8d} kB",
        "RssAnon": f"{guest.resident_mib * 1024:8d} kB",
        "RssFile": f"{4096:8d} kB",
        "RssShmem": f"{guest.shmem_mib * 1024:8d} kB",
        "HugetlbPages": f"{guest.hugetlb_mib * 1024:8d} kB",
        "Threads": "4",
        "Cpus_allowed_list": all_cpus if guest.cpus is None else guest.cpus,
        "Mems_allowed_list": all_mems if guest.mems is None else guest.mems,
    }
    lines.update(guest.status)
    return "".join(f"{key}:\t{value}\n" for key, value in lines.items() if value is not None)


def _guest_stat(guest):
    ticks = guest.cpu_time_s * TICKS_PER_S
    return (f"{guest.pid} ({guest.comm[:15]}) S 1 {guest.pid} {guest.pid} 0 -1 4194560 1000 0 0 0 "
            f"{ticks} 0 0 0 20 0 4 0 {guest.start_s * TICKS_PER_S} 1000000000 25600 "
            "18446744073709551615 1 1 0 0 0 0 0 4096 1088 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n")


def write_guest(root, host, guest):
    """Adds one process; `host` says what "all nodes" and "all CPUs" are."""
    folder = f"proc/{guest.pid}"
    cmdline = guest.cmdline
    if cmdline is None:
        words = [guest.program, *guest.args]
        cmdline = b"".join((word if isinstance(word, bytes) else word.encode()) + b"\0"
                           for word in words)
    write(root, f"{folder}/comm", guest.comm[:15] + "\n")
    write(root, f"{folder}/cmdline", cmdline)
    if guest.exe is not None:
        (pathlib.Path(root) / folder / "exe").symlink_to(guest.exe)
    write(root, f"{folder}/stat", guest.stat or _guest_stat(guest))
    write(root, f"{folder}/status", _guest_status(host, guest))
    if guest.domstatus:
        write(root, f"run/libvirt/qemu/{guest.name}.xml", guest.domstatus)


def promise_line(booked_s, vcpus, mib, nodes):
    """A line of run/placed/promises: an answer whose guest has not appeared."""
    return (f"booked_ns {booked_s * 10**9} vcpus_centi {vcpus * 100} memory_bytes {mib << 20} "
            f"pid 0 start_ns 0 seen_ns 0 nodes {nodes}\n")


def promises_text(lines, boot_id=BOOT_ID):
    """The whole of it."""
    return f"placed promises 1 boot {boot_id}\n" + "".join(lines)


def _write_proc(root, host):
    write(root, "proc/meminfo", _proc_meminfo(host))
    write(root, "proc/stat", _proc_stat(host))
    write(root, "proc/uptime", f"{host.uptime_s}.25 {host.uptime_s}.00\n")
    write(root, "proc/mounts", host.mounts)
    write(root, "proc/self/mounts", host.mounts)
    if host.cgroup is not None:
        write(root, "proc/self/cgroup", host.cgroup)
    mems = host.mems_allowed or list_of({node.id for node in host.nodes}) or "0"
    write(root, "proc/self/status", f"Name:\tplaced\nMems_allowed_list:\t{mems}\n")
    write(root, "proc/sys/vm/min_free_kbytes", f"{host.min_free_kib}\n")
    write(root, "proc/sys/vm/watermark_scale_factor", f"{host.watermark_scale_factor}\n")
    if host.boot_id is not None:
        write(root, "proc/sys/kernel/random/boot_id", host.boot_id + "\n")
    for guest in host.guests:
        write_guest(root, host, guest)


def build(root, host):
    """Writes the tree below `root` (made where it is missing) and returns it."""
    root = pathlib.Path(root)
    root.mkdir(parents=True, exist_ok=True)
    if host.node_dir:
        _write_nodes(root, host)
    _write_cpus(root, host)
    _write_proc(root, host)
    for path, text in host.files.items():
        write(root, path, text)
    return root


# ---- descriptions from elsewhere -----------------------------------------------------------

def flat_distances(n_nodes, remote=20):
    """A table in which every other node is as far."""
    return [[10 if i == j else remote for j in range(n_nodes)] for i in range(n_nodes)]


def even_host(n_nodes, cpus_per_node, total_mib, free_mib=None, **more):
    """Nodes that are all alike, CPUs numbered in blocks."""
    nodes = [Node(i, list_of(range(i * cpus_per_node, (i + 1) * cpus_per_node)), total_mib,
                  total_mib if free_mib is None else free_mib) for i in range(n_nodes)]
    return Host(nodes, **{"distances": flat_distances(n_nodes), **more})


def host_from_numactl(text, cpus_unlisted="", **more):
    """The host of a `numactl -H` text.

    Old texts list no CPUs at all: `cpus_unlisted` says how many each node gets then, one number
    per node.
    """
    nodes = {}
    for key, what, rest in re.findall(r"^node (\d+) (cpus|size|free):(.*)$", text, re.MULTILINE):
        node = nodes.setdefault(int(key), Node(int(key)))
        if what == "cpus":
            node.cpus = list_of(int(word) for word in rest.split())
        elif what == "size":
            node.total_mib = int(rest.split()[0])
        else:
            node.free_mib = int(rest.split()[0])
    rows = re.findall(r"^\s*(\d+):((?:\s+\d+)+)\s*$", text, re.MULTILINE)
    for key, _ in rows:
        nodes.setdefault(int(key), Node(int(key), total_mib=32768, free_mib=30000))
    first = 0
    for node, count in zip(nodes.values(), cpus_unlisted):
        node.cpus = list_of(range(first, first + count))
        first += count
    return Host(list(nodes.values()),
                distances=[[int(word) for word in row.split()] for _, row in rows] or None, **more)


def _ids_of_hwloc_mask(mask):
    ids = set()
    for place, group in enumerate(reversed(mask.split(","))):
        bits = int(group or "0", 16)
        ids |= {place * 32 + bit for bit in range(32) if bits >> bit & 1}
    return ids


def _hwloc_distances(top, ids):
    """A table in the order of `ids`, from either version of the format."""
    for table in top.iter("distances2"):
        if table.get("type") == "NUMANode":
            order = [int(word) for one in table.iter("indexes") for word in one.text.split()]
            values = [int(word) for one in table.iter("u64values") for word in one.text.split()]
            break
    else:
        table = next(top.iter("distances"), None)
        if table is None:
            return None
        base = float(table.get("latency_base"))
        order = ids
        values = [round(float(one.get("value")) * base) for one in table.iter("latency")]
    if len(order) != len(ids) or len(values) != len(ids) ** 2:
        return None
    at = {one: place for place, one in enumerate(order)}
    return [[values[at[row] * len(ids) + at[column]] for column in ids] for row in ids]


def host_from_hwloc_xml(text, **more):
    """The host of an hwloc XML file, half of its memory free."""
    # hwloc 2 attaches a node to its CPUs, memory-only ones too; hwloc 1 gives those none.
    top = xml.etree.ElementTree.fromstring(text)
    nodes, logical = {}, []
    for thing in top.iter("object"):
        if thing.get("type") != "NUMANode":
            continue
        one = int(thing.get("os_index"))
        size_mib = int(thing.get("local_memory", "0")) >> 20
        nodes[one] = Node(one, list_of(_ids_of_hwloc_mask(thing.get("cpuset", "0x0"))),
                          size_mib, size_mib // 2)
        logical.append(one)
    table = _hwloc_distances(top, logical)
    order = sorted(nodes)
    if table:
        at = {one: place for place, one in enumerate(logical)}
        table = [[table[at[row]][at[column]] for column in order] for row in order]
    return Host([nodes[one] for one in order], distances=table, **more)
