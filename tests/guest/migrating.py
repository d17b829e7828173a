# SPDX-License-Identifier: LGPL-2.1-or-later
# Two plain QEMUs inside an emulated host, one of which migrates to the other: a guest that is always busy and writes to
# all of its memory, its memory on one node and its only vCPU pinned to a CPU of another.

"""Guests that migrate, for scenes and benches inside an emulated host."""

import os
import pathlib
import re
import subprocess

import libvirt_host as host
from qmp import Qmp, qmp_words
from scene import MIB, PAGE, move_pages

# What the guest does not write to: what lies below 1 MiB, and the last one.
EDGES_MIB = 2

TICKS_PER_S = 18.2              # of the BIOS


def writing_disk(path, mib, mib_per_s):
    """A disk whose boot sector writes to so much of its memory in a second, whatever the machine: some pages at each
    tick of the timer, between which it spins. It stays in real mode, with a segment that reaches all of memory."""
    origin, n_pages = 0x7c00, max(int(mib_per_s * 256 / TICKS_PER_S), 1)
    code = (b"\xfa\x31\xc0\x8e\xd8"                          # cli; xor ax, ax; mov ds, ax
            b"\x0f\x01\x16PP"                                # lgdt [pointer]
            b"\x0f\x20\xc0\x0c\x01\x0f\x22\xc0"             # mov eax, cr0; or al, 1; mov cr0, eax
            b"\xbb\x08\x00\x8e\xc3"                          # mov bx, 8; mov es, bx
            b"\x24\xfe\x0f\x22\xc0\xfb"                      # and al, 0xfe; mov cr0, eax; sti
            b"\x66\xbf\x00\x00\x10\x00"                      # mov edi, 1 MiB
            b"\x66\xa1\x6c\x04"                              # again: mov eax, [0x46c]
            b"\x66\x3b\x06\x6c\x04\x74\xf9"                  # spin: cmp eax, [0x46c]; je spin
            b"\x66\xb9" + n_pages.to_bytes(4, "little") +     # mov ecx, pages
            b"\x26\x67\x66\x89\x3f"                          # next: mov [es:edi], edi
            b"\x66\x81\xc7\x00\x10\x00\x00"                  # add edi, 4096
            b"\x66\x81\xff" + ((mib - 1) * MIB).to_bytes(4, "little") +   # cmp edi, end
            b"\x72\x06"                                      # jb on
            b"\x66\xbf\x00\x00\x10\x00"                      # mov edi, 1 MiB
            b"\x67\xe2\xe2"                                  # on: loop next
            b"\xeb\xcf")                                     # jmp again
    gdt = origin + len(code)
    code += bytes(8) + b"\xff\xff\x00\x00\x00\x92\xcf\x00" + (15).to_bytes(2, "little") + gdt.to_bytes(4, "little")
    code = code.replace(b"PP", (gdt + 16).to_bytes(2, "little"), 1)
    pathlib.Path(path).write_bytes((code.ljust(510, b"\0") + b"\x55\xaa").ljust(MIB, b"\0"))


DISK = pathlib.Path("/tmp/migrating.img")


def forget_disk():
    """The next guest writes at a pace of its own."""
    DISK.unlink()


class Guest:
    """A QEMU whose main thread is on one node, and so is its memory, which that one touches first; and its vCPU on
    another."""

    def __init__(self, name, mib, memory_node, cpu_node, *words, mib_per_s=64, prealloc=True):
        self.mib, self.memory_node, self.cpu_node = mib, memory_node, cpu_node
        monitor = pathlib.Path(f"/tmp/{name}.qmp")
        if not DISK.exists():
            writing_disk(DISK, mib, mib_per_s)
        cpus = ",".join(map(str, sorted(host.node_cpus([memory_node]))))
        self.process = subprocess.Popen(
            ["taskset", "-c", cpus, "qemu-system-x86_64", "-name", f"guest={name},debug-threads=on", "-m", str(mib),
             "-object", f"memory-backend-ram,id=ram,size={mib}M,prealloc={'on' if prealloc else 'off'}", "-machine",
             "pc,memory-backend=ram", "-nodefaults", "-display", "none", "-drive",
             f"file={DISK},format=raw,file.locking=off", *qmp_words(monitor), *words],
            stdin=subprocess.DEVNULL)
        self.pid = self.process.pid
        self.qmp = Qmp(monitor, self.process)
        self.pages = self.find_pages()
        self.pin(cpu_node)

    def find_pages(self):
        """Addresses of all pages of its RAM. Below the first MiB there are holes."""
        text = self.qmp.ask("human-monitor-command", command_line=f"gpa2hva {MIB:#x}")
        start = int(re.search(r"is 0x([0-9a-f]+)", text).group(1), 16) - MIB
        return range(start, start + self.mib * MIB, PAGE)

    def threads(self):
        """{name: [thread id, ...]}"""
        found = {}
        for task in pathlib.Path(f"/proc/{self.pid}/task").iterdir():
            try:
                found.setdefault((task / "comm").read_text().strip(), []).append(int(task.name))
            except (FileNotFoundError, ProcessLookupError):     # workers come and go
                pass
        return found

    def vcpu(self):
        return self.threads()["CPU 0/TCG"][0]

    def pin(self, node):
        """To one CPU of it: its memory is to follow, and it stays."""
        self.cpu_node = node
        os.sched_setaffinity(self.vcpu(), {min(host.node_cpus([node]))})

    def where(self):
        """The node of each page, negative where there is none."""
        return move_pages(self.pid, self.pages)

    def local(self):
        """The share of what is there on the node of its vCPU."""
        there = [node for node in self.where() if node >= 0]
        return there.count(self.cpu_node) / max(len(there), 1)

    def present_mib(self):
        return sum(node >= 0 for node in self.where()) * PAGE / MIB

    def may(self, *words):
        """Of these, migrations may do what is named, and nothing else."""
        self.qmp.ask("migrate-set-capabilities", capabilities=[
            {"capability": word, "state": word in words} for word in ("auto-converge", "postcopy-ram", "background-snapshot")])

    def set(self, **parameters):
        self.qmp.ask("migrate-set-parameters", **parameters)

    def migrate(self, uri, *words, **parameters):
        """Begins, with auto-converge: a guest that writes faster than it is sent is throttled; and what else it may."""
        self.may("auto-converge", *words)
        self.set(**parameters)
        self.qmp.ask("migrate", uri=uri)

    def migration(self):
        return self.qmp.ask("query-migrate")

    def throttle(self):
        return self.migration().get("cpu-throttle-percentage", 0)

    def end(self):
        self.process.kill()
        self.process.wait()


def incoming(name, mib, memory_node, cpu_node):
    """The other end, and where it listens."""
    path = pathlib.Path(f"/tmp/{name}.migration")
    path.unlink(missing_ok=True)
    guest = Guest(name, mib, memory_node, cpu_node, "-incoming", f"unix:{path}", prealloc=False)
    return guest, f"unix:{path}"


def changed(before, after):
    """How many pages that were there at both times lie on another node."""
    return sum(old >= 0 and new >= 0 and old != new for old, new in zip(before, after))
