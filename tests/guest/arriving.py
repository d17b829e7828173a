# SPDX-License-Identifier: LGPL-2.1-or-later
# What the scene `arrival` and bench/arrival share: neighbours that fill parts of the nodes, guests that arrive with
# all of their memory in one of three ways, and what that costs the neighbours.

"""Guests that arrive where no node has room, and their neighbours."""

import os
import pathlib
import re
import subprocess
import threading
import time
import uuid

import libvirt_host as host
from qmp import Qmp, QmpError, qmp_words

NUMAD = host.NUMAD
DEBIANS = pathlib.Path("/tmp/numad.debian")
SAVES = pathlib.Path("/tmp/saves")
SLEEPS = b"\xfa\xf4\xeb\xfd"                                #  cli; sleep: hlt; jmp sleep
INCOMING = "unix:/tmp/arrival.incoming"
QEMU_MIB = 40                                               # what one of ours needs beside its guest's memory
# Of a node. Ten with what is counted for their QEMUs (guest_overhead_mib) fit beside the neighbours, each on one node.
GUEST_PERCENT, TEN_PERCENT = 60, 8
# Where neighbours are at first: together with them FULL does not hold a guest that arrives.
FULL, ROOMY = 1, 2


def of_node(percent):
    """MiB, of the smallest node that has memory and CPUs; even, as QEMU wants it."""
    nodes = host.parse_set((host.NODES / "has_memory").read_text())
    return min(host.node_memory_kib(node) for node in nodes) * percent // 100 // 1024 // 2 * 2


def free_mib(node):
    return host.node_memory_kib(node, "MemFree") >> 10


def by_room():
    """The nodes, the one with most free memory first, without the one that is to be too full."""
    nodes = host.parse_set((host.NODES / "has_memory").read_text()) - {FULL}
    return sorted(nodes, key=free_mib, reverse=True)


def put_numad(program):
    """In numad's place: a program, "debian", or the number of a node as an answer to whatever is asked."""
    if not DEBIANS.exists():
        DEBIANS.write_bytes(NUMAD.read_bytes())
        DEBIANS.chmod(0o755)
    if isinstance(program, int):
        host.advise(program)
    else:
        NUMAD.unlink()
        NUMAD.symlink_to(DEBIANS if program == "debian" else program)


def ask(mib, vcpus=1):
    """The nodes that whoever is in numad's place advises; none where no answer comes."""
    try:
        done = subprocess.run([NUMAD, "-w", f"{vcpus}:{mib}"], stdout=subprocess.PIPE, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        return set()
    return host.parse_set(done.stdout) if done.returncode == 0 else set()


def status_kib(pid, field):
    """Of /proc/PID/status; 0 for who is gone."""
    try:
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    match = re.search(rf"^{field}:\s*(\d+) kB", text, re.M)
    return int(match.group(1)) if match else 0


def words_of(nodes):
    return ",".join(map(str, sorted(nodes)))


class Process(host.Domain):
    """
    A QEMU without libvirt. `near` is where its memory is put without any policy; with `mode` (bind, interleave)
    it is bound to `nodes`. Its vCPU sleeps; with `fills` it writes to all pages as it runs, for ever. With `of` it
    waits for that guest to come through INCOMING.
    """

    def __init__(self, name, mib, near=None, mode=None, nodes=(), fills=False, of=None, is_paused=False):
        super().__init__(name, mib, mode, immediate=not (fills or of))
        disk, self.socket = f"/tmp/{of.name if of else name}.img", f"/tmp/{name}.qmp"
        if fills:
            host.boot_disk(disk, mib)
        elif not of:
            host.boot_disk(disk, code=SLEEPS)
        memory = f"memory-backend-ram,id=ram,size={mib}M,prealloc={'on' if self.immediate else 'off'}"
        if mode:
            memory += f",policy={mode}" + "".join(f",host-nodes={node}" for node in sorted(nodes))
        where = ["taskset", "-c", words_of(host.node_cpus([near]))] if near is not None else []
        self.process = subprocess.Popen(
            [*where, "qemu-system-x86_64", "-name", f"guest={name},debug-threads=on", "-accel", "tcg,tb-size=32",
             "-m", f"{mib}M", "-object", memory, "-machine", "pc,memory-backend=ram", "-nodefaults", "-no-user-config",
             "-display", "none",
             # Both ends of a migration have it open.
             "-drive", f"file={disk},format=raw,file.locking=off", *qmp_words(self.socket),
             *(["-incoming", INCOMING] if of else []), *(["-S"] if is_paused else [])],
            stdin=subprocess.DEVNULL)
        self.qmp = None

    def wait(self):
        """Until its memory is there; then it may run anywhere."""
        self.qmp = Qmp(self.socket, self.process, seconds=300)
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            try:
                os.sched_setaffinity(int(task.name), range(os.cpu_count()))
            except ProcessLookupError:                      # one of its workers
                pass
        return self

    def pid(self):
        return self.process.pid

    def running(self):
        return self.process.poll() is None

    def destroy(self):
        self.process.kill()
        self.process.wait()


class Strict(host.Domain):
    """A domain that libvirt confines: to a node of the administrator's, or (None) to the advised ones."""

    def __init__(self, name, mib, node=None, immediate=True, is_busy=False):
        super().__init__(name, mib, immediate=immediate)
        self.node, self.is_busy = node, is_busy

    def write_disk(self, path):
        if self.immediate and not self.is_busy:
            host.boot_disk(path, code=SLEEPS)
        else:
            super().write_disk(path)

    def parts(self):
        parts = super().parts()
        if self.node is not None:
            cpus = words_of(host.node_cpus([self.node]))
            parts["vcpu"] = f"<vcpu placement='static' cpuset='{cpus}'>{self.vcpus}</vcpu>"
            parts["tune"] = f"<numatune><memory mode='strict' nodeset='{self.node}'/></numatune>"
        return parts

    def xml(self):
        """Of the same uuid each time, as in what was saved."""
        return super().xml().replace("</name>", f"</name><uuid>{uuid.uuid5(uuid.NAMESPACE_DNS, self.name)}</uuid>")


class Neighbours:
    """On the node that will be too full: two idle guests and a busy one that libvirt advised; one that is spread
    over all nodes; one whose node an administrator chose, where there is room."""

    def __init__(self):
        nodes = host.parse_set((host.NODES / "has_memory").read_text())
        put_numad(FULL)
        self.busy = Strict("busy", of_node(17), is_busy=True)
        self.busy.start()
        self.idle = [Process(name, of_node(15), near=FULL) for name in ("idle", "calm")]
        self.spread = Process("spread", of_node(12), mode="interleave", nodes=nodes)
        self.kept = Process("kept", of_node(12), mode="bind", nodes=[ROOMY])
        for guest in (*self.idle, self.spread, self.kept):
            guest.wait()
        self.has_started, self.text = self.busy.started()
        self.all = [*self.idle, self.busy, self.spread, self.kept]

    def movable_on(self):
        """Bytes per node of those that may be moved."""
        found = {}
        for guest in (*self.idle, self.busy):
            for node, count in guest.memory()[0].items():
                found[node] = found.get(node, 0) + count
        return found

    def pids(self):
        return [guest.pid() for guest in self.all]

    def end(self):
        for guest in self.all:
            guest.destroy()


def fill(nodes, leave_mib):
    """Guests that nobody may move take what these nodes have beyond that."""
    sizes = {node: (free_mib(node) - leave_mib - QEMU_MIB) // 2 * 2 for node in nodes}
    fillers = [Process(f"filler{node}", mib, mode="bind", nodes=[node], is_paused=True)
               for node, mib in sizes.items() if mib > QEMU_MIB]
    return [filler.wait() for filler in fillers]


def swapped_of_all():
    """Pages of each process that has any in swap, by name and pid."""
    found = {}
    for path in pathlib.Path("/proc").glob("[0-9]*/status"):
        pid = int(path.parent.name)
        pages = status_kib(pid, "VmSwap") // 4
        try:
            name = (path.parent / "comm").read_text().strip()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if pages:
            found[f"{name} {pid}"] = pages
    return found


class Meter:
    """What happens to others while the block runs: pages, and the least that each node had free."""

    # What says why: reclaim in the background or by who needed pages, and compaction for huge pages.
    RECLAIM = ("pgsteal_kswapd", "pgsteal_direct", "allocstall_normal", "allocstall_movable", "compact_stall",
               "thp_fault_alloc", "thp_fault_fallback")

    def __init__(self, neighbours, nodes=range(4)):
        self.pids, self.nodes = neighbours.pids() if neighbours else [], list(nodes)
        self.least_free_mib = {}
        self.swapped_pages = 0              # of the neighbours, at the worst moment
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def look(self):
        for node in self.nodes:
            text = (host.NODES / f"node{node}/meminfo").read_text()
            # What the kernel drops without writing is as good as free.
            mib = sum(map(int, re.findall(r"(?:MemFree|Inactive\(file\)): +(\d+)", text))) >> 10
            self.least_free_mib[node] = min(mib, self.least_free_mib.get(node, mib))
        self.swapped_pages = max(self.swapped_pages, self.swapped() - self.swapped_before)

    def swapped(self):
        return sum(status_kib(pid, "VmSwap") for pid in self.pids) // 4

    def watch(self):
        while not self.is_over.wait(0.2):
            self.look()

    def __enter__(self):
        self.swapped_before = self.swapped()
        self.begin = {field: host.vmstat(field) for field in ("pswpout", "oom_kill", "pgmigrate_success", *self.RECLAIM)}
        self.all_before = swapped_of_all()
        self.look()
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()
        self.look()
        now = {field: host.vmstat(field) - value for field, value in self.begin.items()}
        self.pswpout, self.oom_kill, self.pgmigrate_success = now["pswpout"], now["oom_kill"], now["pgmigrate_success"]
        self.why = {field: now[field] for field in self.RECLAIM if now[field]}
        self.of_whom = {who: pages - self.all_before.get(who, 0) for who, pages in swapped_of_all().items()
                        if pages > self.all_before.get(who, 0)}


class Prealloc:
    """libvirt starts it with its memory populated. What a way needs before that is not on the node FULL."""

    word = "prealloc"

    def __init__(self, mib):
        self.mib, self.guest = mib, None

    def arrive(self, node):
        """(whether it runs, what was said); on that node, or where advice says."""
        self.guest = Strict("arrival", self.mib, node)
        self.guest.start()
        return self.guest.started()

    def destroy(self):
        self.guest.destroy()

    def end(self):
        pass


class Restore(Prealloc):
    """It comes back from a file, in which each of its pages is."""

    word = "restore"

    def __init__(self, mib):
        super().__init__(mib)
        SAVES.mkdir()
        here, there = by_room()[:2]
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"mpol=bind:{there},size=4G", "saves", SAVES], check=True)
        guest = Strict("arrival", mib, here, immediate=False)
        guest.start()
        done = guest.started()
        wait_filled(guest)
        if done[0]:
            done = host.virsh("save", "arrival", str(SAVES / "arrival"))
        if done[0] not in (True, 0):
            raise RuntimeError(f"no guest to restore: {done[1]}")

    def arrive(self, node):
        self.guest = Strict("arrival", self.mib, node, immediate=False)
        changed = pathlib.Path("/tmp/arrival.changed.xml")
        changed.write_text(self.guest.xml())
        status, text = host.virsh("restore", str(SAVES / "arrival"), "--xml", str(changed))
        return status == 0, text

    def end(self):
        subprocess.run(["umount", SAVES], check=True)
        SAVES.rmdir()


class Migration(Prealloc):
    """It comes from another QEMU, through a socket."""

    word = "migration"

    def __init__(self, mib):
        super().__init__(mib)
        self.source = Process("source", mib, mode="bind", nodes=by_room()[:1], fills=True).wait()
        wait_filled(self.source)
        self.source.qmp.ask("stop")                         # it would write faster than it can be sent
        self.source.qmp.ask("migrate-set-parameters", max_bandwidth=1 << 33)

    def arrive(self, node):
        nodes = ask(self.mib) if node is None else {node}
        self.guest = Process("arrival", self.mib, mode="bind", nodes=nodes, of=self.source).wait()
        try:
            self.source.qmp.ask("migrate", uri=INCOMING)
            while self.source.qmp.ask("query-migrate")["status"] not in ("completed", "failed"):
                time.sleep(0.05)
            self.guest.qmp.ask("cont")
        except (QmpError, TimeoutError) as problem:
            return False, f"{problem}: {self.source.qmp.ask('query-migrate')}"
        return True, ""

    def destroy(self):
        super().destroy()
        for command in "cont", "stop":                      # else it has been sent for good
            self.source.qmp.ask(command)

    def end(self):
        self.source.destroy()


WAYS = {way.word: way for way in (Prealloc, Restore, Migration)}


def wait_filled(guest, seconds=240):
    """Until all of its memory was written to."""
    end = time.monotonic() + seconds
    while sum(guest.memory()[0].values()) >> 20 < guest.memory_mib * 99 // 100 - 2:   # nothing below 1 MiB, nor the last
        if time.monotonic() > end or not guest.running():
            raise RuntimeError(f"{guest.name} does not fill its memory")
        time.sleep(0.2)


def arrive_together(n, mib):
    """Each asks, and takes its memory in one piece, bound to the answer: [(answer, guest or None)], and the time
    in which all had been asked for."""
    found, begin, asked_s = [None] * n, time.monotonic(), [0.0] * n

    def one(i):
        nodes = ask(mib)
        asked_s[i] = time.monotonic() - begin
        if not nodes:
            found[i] = nodes, None
            return
        guest = Process(f"ten{i}", mib, mode="bind", nodes=nodes, is_paused=True)
        try:
            found[i] = nodes, guest.wait()
        except (QmpError, OSError):
            found[i] = nodes, guest

    threads = [threading.Thread(target=one, args=(i,)) for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found, max(asked_s)
