# SPDX-License-Identifier: LGPL-2.1-or-later
# What scenes of moving in an emulated host share: processes whose memory is moved (bench/victim), the daemon's mover by
# itself (bench/mover), groups with a cpuset, and what the kernel says of all these.

"""Victims, their groups, and who moves them."""

import ctypes
import pathlib
import re
import subprocess

import libvirt_host as host
from scene import MIB, PAGE


class Program:
    """A program that answers each line with a line of key=value words."""

    def __init__(self, *words, **more):
        self.process = subprocess.Popen(list(map(str, words)), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, bufsize=1, **more)

    def read(self):
        line = self.process.stdout.readline()
        return {key: int(value) if value.lstrip("-").isdigit() else value
                for key, _, value in (word.partition("=") for word in line.split())}

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        return self.read()

    def end(self):
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        return self.process.wait()


class Victims:
    """What scenes with victims and the bench's mover are made of."""

    def __init__(self, build):
        self.build = build
        self.libnuma = ctypes.CDLL("libnuma.so.1", use_errno=True)

    def victim(self, mib, node, *words, group=None):
        enter = (lambda: (group / "cgroup.procs").write_text("0")) if group else None
        victim = Program(self.build / "bench/victim", mib, node, *words, preexec_fn=enter)
        victim.where = victim.read()
        victim.pid = victim.where["pid"]
        victim.pages = mib * MIB // PAGE
        return victim

    def mover_words(self, victim=None, **settings):
        if victim:
            settings |= {"start": victim.where["start"], "end": victim.where["end"]}
        return [self.build / "bench/mover", *(f"{key}={value}" for key, value in settings.items())]

    def mover(self, victim=None, **settings):
        return Program(*self.mover_words(victim, **settings))

    def move(self, victim, node, **settings):
        mover = self.mover(victim, **settings)
        done = mover.ask(f"{victim.pid} {node}")
        mover.end()
        return done

    def make_group(self, name, mems):
        for path in ("/sys/fs/cgroup/cpuset", "/sys/fs/cgroup"):
            if (pathlib.Path(path) / "cpuset.cpus").exists() or (pathlib.Path(path) / "cgroup.controllers").exists():
                break
        group = pathlib.Path(path) / name
        group.mkdir(exist_ok=True)
        if path.endswith("cpuset"):
            (group / "cpuset.memory_migrate").write_text("1")
            (group / "cpuset.cpus").write_text(pathlib.Path("/sys/devices/system/cpu/online").read_text())
        (group / "cpuset.mems").write_text(mems)
        return group

    @staticmethod
    def mems(group):
        return (group / "cpuset.mems").read_text().strip()

    @staticmethod
    def policy(victim):
        """The policy of the victim's memory, as numa_maps has it."""
        start = f"{victim.where['start']:x}"
        for line in pathlib.Path(f"/proc/{victim.pid}/numa_maps").read_text().splitlines():
            address, policy = line.split()[:2]
            if int(address, 16) <= victim.where["start"] and re.search(r"(anon|dirty|file|huge)", line):
                found = policy
                if address == start:
                    break
        return found

    def move_pages(self, victim, first, count, node):
        """The bare system call on some pages: what it returned, and the status array (7777: untouched)."""
        pages = (ctypes.c_void_p * count)(*(victim.where["start"] + (first + i) * PAGE for i in range(count)))
        nodes = (ctypes.c_int * count)(*([node] * count))
        status = (ctypes.c_int * count)(*([7777] * count))
        ctypes.set_errno(0)
        r = self.libnuma.numa_move_pages(victim.pid, ctypes.c_ulong(count), pages, nodes, status, 2)
        return (r if r >= 0 else -ctypes.get_errno()), list(status)

    def bind(self, memory, node):
        """A mapping of our own to a node, before it is touched."""
        view = (ctypes.c_char * len(memory)).from_buffer(memory)
        nodes = ctypes.c_ulong(1 << node)
        if self.libnuma.mbind(view, ctypes.c_ulong(len(memory)), 2, ctypes.byref(nodes), ctypes.c_ulong(64), 0) != 0:
            raise OSError(ctypes.get_errno(), "mbind")

    @staticmethod
    def free_mib(node):
        return host.node_memory_kib(node, "MemFree") // 1024
