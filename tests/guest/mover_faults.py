# SPDX-License-Identifier: LGPL-2.1-or-later
# What may go wrong while the daemon's mover is at work, each many times and at other moments: for a process that stays
# inside its nodes, and for one whose group changes nodes.

"""Faults in the middle of a move, without a daemon and without libvirt."""

import os
import pathlib
import signal
import time

from scene import PAGE, check
from victims import Victims

VICTIM_MIB = 16


class Faults(Victims):
    """Each fault gets the number of its round, and whether nodes change. It says whether all is as it should be then,
    and what was seen."""

    def __init__(self, build, repeat):
        super().__init__(build)
        self.repeat = repeat
        self.n_groups = 0

    def start(self, changes_nodes, mib=VICTIM_MIB):
        """A victim on node 0 in a group of its own."""
        self.n_groups += 1
        group = self.make_group(f"fault{self.n_groups}", "0" if changes_nodes else "0-1")
        victim = self.victim(mib, 0, *(["keep"] if changes_nodes else []), group=group)
        victim.group = group
        victim.settings = {"mems_from": 0} if changes_nodes else {}
        return victim

    def begin(self, victim, **settings):
        """A move that takes about half a second; the mover, which is not waited for."""
        mover = self.mover(victim, bandwidth_mib_s=32, **victim.settings, **settings)
        mover.process.stdin.write(f"{victim.pid} 1\n")
        return mover

    @staticmethod
    def remove(group):
        """Who lived in it may be a moment on its way out."""
        while group.exists():
            try:
                group.rmdir()
            except OSError:
                time.sleep(0.01)

    def look(self, victim):
        return victim.ask("where"), self.mems(victim.group), self.policy(victim)

    def clear(self, victim, mover):
        mover.end()
        victim.end()
        self.remove(victim.group)

    @staticmethod
    def is_whole(victim, where):
        return where.get("node0", 0) + where.get("node1", 0) == victim.pages

    def is_settled(self, victim, where, mems, policy, least=1.0):
        """On one node with all that belongs to it, or that part of it, where nodes change."""
        if not victim.settings:
            return mems == "0-1" and self.is_whole(victim, where)
        return (mems in ("0", "1") and policy == f"bind:{mems}" and self.is_whole(victim, where) and
                where.get(f"node{mems}", 0) >= least * victim.pages)

    # -- the faults -------------------------------------------------------------------------------

    def killed(self, i, changes_nodes):
        victim = self.start(changes_nodes)
        mover = self.begin(victim)
        time.sleep(0.03 * i)
        os.kill(victim.pid, signal.SIGKILL)
        victim.process.wait()
        self.remove(victim.group)
        done = mover.read()
        mover.end()
        return done.get("end") in ("gone", "done"), done

    def left_its_group(self, i, changes_nodes):
        victim = self.start(changes_nodes)
        mover = self.begin(victim)
        time.sleep(0.03 * i)
        (victim.group.parent / "cgroup.procs").write_text(str(victim.pid))
        self.remove(victim.group)
        done, where = mover.read(), victim.ask("where")
        self.clear(victim, mover)
        return self.is_whole(victim, where) and where.get("node1", 0) * PAGE == done.get("moved"), (done, where)

    def mover_killed(self, i, changes_nodes):
        victim = self.start(changes_nodes)
        mover = self.begin(victim)
        time.sleep(0.04 * i)
        mover.process.kill()
        mover.process.wait()
        mender, end = self.mover(), time.monotonic() + 10
        while True:
            time.sleep(0.2)                                 # its child ends by itself, or is on its way out
            mended = mender.ask(f"mend {victim.pid} 0 1") if changes_nodes else {}
            seen = self.look(victim)
            # The call in which it was killed may bring its last pages after the group was narrowed.
            holds = self.is_settled(victim, *seen, least=0.9)
            if holds or time.monotonic() > end:
                break
        self.clear(victim, mender)
        return holds, (seen, mended)

    def another_writer(self, i, changes_nodes):
        victim = self.start(changes_nodes)
        mover = self.begin(victim)
        end = time.monotonic() + 5
        while self.mems(victim.group) != "0-1" and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(0.01 * i)
        written = "01"[i % 2]
        (victim.group / "cpuset.mems").write_text(written)
        done = mover.read()
        where, mems, policy = self.look(victim)
        self.clear(victim, mover)
        is_forward = done.get("mems") == "forward" and mems == "1"
        return self.is_whole(victim, where) and (mems == written or is_forward), (written, done, where, mems, policy)

    def target_fills(self, i, changes_nodes):
        victim = self.start(changes_nodes, mib=48)
        reserve = self.free_mib(1) - 16 - i
        mover = self.begin(victim, reserve_mib=reserve)
        done, seen, free = mover.read(), self.look(victim), self.free_mib(1)
        self.clear(victim, mover)
        # What CPUs keep in lists of their own, and page tables, are not in MemFree, and go first. A mover that
        # looked at no reserve would end 11 MiB below it.
        return (done["end"] in ("full", "done") and free >= reserve - 8 and self.is_settled(victim, *seen) and
                (changes_nodes or seen[0].get("node1", 0) * PAGE == done["moved"])), (done, seen, free, reserve)

    def paused(self, i, changes_nodes):
        victim = self.start(changes_nodes)
        mover = self.begin(victim)
        time.sleep(0.03 * i)
        victim.process.send_signal(signal.SIGSTOP)
        done = mover.read()
        victim.process.send_signal(signal.SIGCONT)
        return self.went(victim, mover, done)

    def cpu_offline(self, i, changes_nodes):
        cpu = pathlib.Path("/sys/devices/system/cpu/cpu1/online")
        victim = self.start(changes_nodes)
        mover = self.begin(victim)
        time.sleep(0.03 * i)
        cpu.write_text("0")
        done = mover.read()
        cpu.write_text("1")
        return self.went(victim, mover, done)

    def went(self, victim, mover, done):
        """All of it, as if nothing had been."""
        seen = self.look(victim)
        self.clear(victim, mover)
        return self.is_settled(victim, *seen) and seen[0].get("node1") == victim.pages, (done, seen)

    def run(self):
        for text, fault in (("the process is killed and its group removed", self.killed),
                            ("it goes to another group, and its own is removed", self.left_its_group),
                            ("the mover is killed: mended, not wide", self.mover_killed),
                            ("another writer's cpuset stands", self.another_writer),
                            ("the target fills up: its reserve is left", self.target_fills),
                            ("the process is paused: it goes all the same", self.paused),
                            ("a CPU goes offline", self.cpu_offline)):
            for changes_nodes in False, True:
                results = [fault(i, changes_nodes) for i in range(self.repeat)]
                check(f"{text}, {self.repeat} times{', while its nodes change' if changes_nodes else ''}",
                      all(holds for holds, _ in results), [seen for holds, seen in results if not holds])
