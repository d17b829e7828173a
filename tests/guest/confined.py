# SPDX-License-Identifier: LGPL-2.1-or-later
# A guest that libvirt confines to the node that was advised, in a host of two, and the daemon that may take it to the
# other one.

"""Guests that may change nodes, and the daemon for them."""

import pathlib
import sys

import libvirt_host as host
from scene import Daemon, check, wait_for

INTENTS = pathlib.Path("/run/placed/intents")


class Confined(host.Domain):
    """One vCPU that is always busy, a second one to be added later. Its name is its mode."""

    def __init__(self, mode, memory_mib=192):
        super().__init__(mode, memory_mib, mode=mode, vcpus=2)
        self.at = None                      # the node on which it was seen last

    def parts(self):
        return super().parts() | {"vcpu": f"<vcpu placement='auto' current='1'>{self.vcpus}</vcpu>"}

    def begin(self, node):
        host.advise(node)
        self.start()
        has_started, text = self.started()
        check(f"{self.name}: starts on node {node}", has_started, text)
        if not has_started:
            sys.exit(1)
        check(f"{self.name}: all of its groups have that node", self.mems() == {str(node)}, self.threads())
        self.at = node

    def mems(self):
        """cpuset.mems of its threads' groups."""
        return {mems for _, _, mems, _ in self.threads()}

    def affinity(self, name):
        return [cpus for comm, _, _, cpus in self.threads() if comm.startswith(name)]

    def pin(self, vcpu, cpus):
        status, text = host.virsh("vcpupin", self.name, str(vcpu), cpus, "--live")
        check(f"{self.name}: vcpupin {vcpu} {cpus}", status == 0, text)

    def policy(self, node):
        return [f"bind:{node}"] if self.mode == "strict" else ["default"]

    def settle(self, what):
        """Waits until it is on one node with all that belongs to it."""
        wait_for(f"{what}: no group stays wide", lambda: self.mems() in ({"0"}, {"1"}), self.mems)
        wait_for(f"{what}: nothing is under way any more", lambda: not has_intent("mems", self.pid()))
        mems = self.mems()
        if check(f"{what}: no group is wide afterwards", mems in ({"0"}, {"1"}), mems):
            self.at = int(mems.pop())
        check(f"{what}: the guest runs", self.running())
        check(f"{what}: its policy names the node of its groups", self.memory()[1] == self.policy(self.at), self.memory())
        wait_for(f"{what}: and its memory is there", lambda: self.share(self.at) > 0.95, self.memory)


def settings(is_enabled=True, bandwidth_mib_s=0):
    # Emulated CPUs that share two real ones can make a call take long: a move that gave up is tried again.
    return ("[daemon]\ninterval_min_s = 1\ninterval_max_s = 2\n[move]\nholdoff_s = 5\n"
            f"bandwidth_mib_s = {bandwidth_mib_s}\nenabled = {'yes' if is_enabled else 'no'}\n")


def start(build, **words):
    return Daemon(build, settings(**words))


def has_intent(word, pid=None):
    """Whether such a line stands for a process, or for any."""
    begin = f"{word} pid {pid} " if pid else f"{word} "
    try:
        return any(line.startswith(begin) for line in INTENTS.read_text().splitlines())
    except FileNotFoundError:
        return False
