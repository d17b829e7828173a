# SPDX-License-Identifier: LGPL-2.1-or-later
# Inside the emulated host: syslog's end of /dev/log, and what the kernel reclaims, both read by one thread, so that
# what came first is known without comparing clocks.

"""What was said, and what the kernel had taken by then."""

import ctypes
import dataclasses
import os
import pathlib
import re
import select
import socket
import threading
import time

import libvirt_host as host

INTERVAL_S = 0.01
MLOCK_ALL = 3                                               # what is there, and what will be
# Pages looked at in order to take them, taken, written to swap; processes killed. Who looks and what is looked at are
# counted one beside the other: the former.
HARMS = re.compile(rb"^(pgscan_kswapd|pgscan_direct|pgsteal_kswapd|pgsteal_direct|pswpout|oom_kill) (\d+)$", re.M)
LINE = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\S*)')


@dataclasses.dataclass
class Line:
    at: float
    text: str
    fields: dict
    counters_after: dict                                    # read when the line was there


@dataclasses.dataclass
class Harm:
    at: float
    what: dict                                              # which counters rose, and by how much


class HostWatch:
    """Begins at once. `lines` only grows; the rest is since begin()."""

    def __init__(self):
        pathlib.Path("/dev/log").unlink(missing_ok=True)
        self.log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.log.bind("/dev/log")
        self.vmstat = os.open("/proc/vmstat", os.O_RDONLY)
        self.meminfo = {}
        self.lines, self.first_harm, self.base, self.last = [], None, {}, {}
        self.reserves, self.group, self.arrived_before = {}, None, {}
        self.below_reserve, self.n_arrived_bytes = [], 0
        self.is_ending = False
        self.lock = threading.Lock()
        # What it watches for must not keep it from watching.
        ctypes.CDLL(None).mlockall(MLOCK_ALL)
        pathlib.Path("/proc/self/oom_score_adj").write_text("-1000")
        self.thread = threading.Thread(target=self.go_on, daemon=True)
        self.thread.start()

    def begin(self, reserves=None, group=None):
        """Waits until the kernel has come to rest; from then on what it takes is counted. `reserves` in bytes by node:
        whether a group's memory comes to such a node while less than that is free there."""
        while True:
            before = self.counters()
            time.sleep(0.5)
            if self.counters() == before:
                break
        with self.lock:
            self.reserves, self.group = reserves or {}, group
            self.arrived_before = self.bytes_of_group()
            self.below_reserve, self.n_arrived_bytes = [], 0
            self.base, self.first_harm = self.counters(), None

    def end(self):
        self.is_ending = True
        self.thread.join()

    @staticmethod
    def wait(holds, seconds):
        end = time.monotonic() + seconds
        while not holds() and time.monotonic() < end:
            time.sleep(0.05)

    def harm_since_begin(self):
        """Pages swapped out and processes killed; that page cache was taken is none."""
        return self.rise({key: value for key, value in self.counters().items() if key in ("pswpout", "oom_kill")})

    # -- the thread -----------------------------------------------------------------------------------

    def go_on(self):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), -15)
        while not self.is_ending:
            has_line = select.select([self.log], [], [], INTERVAL_S)[0]
            text = self.log.recv(65536).decode(errors="replace") if has_line else None
            with self.lock:
                self.look(text)

    def look(self, text):
        now, counters = time.monotonic(), self.counters()
        if text:
            fields = {key: value.strip('"') for key, value in LINE.findall(text)}
            self.lines.append(Line(now, text, fields, counters))
        if self.base and not self.first_harm and counters != self.base:
            self.first_harm = Harm(now, self.rise(counters))
        if self.group:
            self.look_at_arrivals()

    def look_at_arrivals(self):
        frees = {node: self.free_bytes(node) for node in self.reserves}
        arrived = self.bytes_of_group()
        for node, reserve in self.reserves.items():
            more = arrived.get(node, 0) - self.arrived_before.get(node, 0)
            if more > 0:
                self.n_arrived_bytes += more
            if more > 0 and frees[node] + more < reserve:
                self.below_reserve.append((node, more, frees[node], reserve))
        self.arrived_before = arrived

    def rise(self, counters):
        return {key: value - self.base[key] for key, value in counters.items() if value != self.base[key]}

    def counters(self):
        return {key.decode(): int(value) for key, value in HARMS.findall(os.pread(self.vmstat, 32768, 0))}

    @staticmethod
    def free_bytes(node):
        """Free, and page cache that goes without writing: what placed takes for room."""
        fields = dict(re.findall(r"(MemFree|Active\(file\)|Inactive\(file\)|Dirty): +(\d+)",
                                 (host.NODES / f"node{node}/meminfo").read_text()))
        cache = int(fields["Active(file)"]) + int(fields["Inactive(file)"]) - int(fields["Dirty"])
        return (int(fields["MemFree"]) + max(cache, 0)) << 10

    def bytes_of_group(self):
        if not self.group:
            return {}
        try:
            text = (self.group / "memory.numa_stat").read_text()
        except OSError:
            return {}
        anon = re.search(r"^anon (.*)$", text, re.M).group(1)
        return {int(node): int(count) for node, count in re.findall(r"N(\d+)=(\d+)", anon)}
