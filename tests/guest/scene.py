# SPDX-License-Identifier: LGPL-2.1-or-later
# What scenes inside an emulated host share: a line per check, waiting, our daemon, and where pages are.

"""Checks, the daemon, and pages, for scenes inside an emulated host."""

import ctypes
import json
import os
import pathlib
import subprocess
import sys
import time

MIB = 1 << 20
PAGE = 4096
MOVE_PAGES = 279                                            # x86_64
MPOL_MF_MOVE_ALL = 4
LIBC = ctypes.CDLL(None, use_errno=True)
FAILED = []


def check(fact, holds, seen=""):
    """A line `ok` or `not ok`, and what was seen where it is not."""
    if not holds:
        FAILED.append(fact)
    print(f"{'ok    ' if holds else 'not ok'} {fact}{'' if holds else f' ({seen})'}", flush=True)
    return holds


def wait_for(fact, holds, seen=lambda: "not in time", seconds=240):
    """Checks that something becomes true in time. A look that a busy host or a move holds up is tried again some
    seconds later, at most a minute."""
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.5)
    return check(fact, holds(), seen())


def share(nodes, node):
    """Of bytes per node."""
    return nodes.get(node, 0) / max(sum(nodes.values()), 1)


def move_pages(pid, addresses, nodes=None):
    """The node of each page, after it was sent to nodes, or where it is."""
    pages = (ctypes.c_void_p * len(addresses))(*addresses)
    targets = (ctypes.c_int * len(addresses))(*nodes) if nodes else None
    status = (ctypes.c_int * len(addresses))()
    if LIBC.syscall(ctypes.c_long(MOVE_PAGES), ctypes.c_long(pid), ctypes.c_ulong(len(addresses)), pages, targets,
                    status, ctypes.c_int(MPOL_MF_MOVE_ALL if nodes else 0)) < 0:
        raise OSError(ctypes.get_errno(), "move_pages")
    return list(status)


class Daemon:
    """Ours, out of a build tree, in the foreground; it answers when this returns. What it says may go to a file."""

    def __init__(self, build, config, log=None, options=()):
        self.build = build
        self.environment = {**os.environ, "LD_LIBRARY_PATH": str(build / ".libs")}
        self.config = pathlib.Path("/tmp/placed.conf")
        self.config.write_text(config)
        self.process = subprocess.Popen([build / "daemon/placed", "--foreground", "--config", self.config, *options],
                                        stdout=log, stderr=log and subprocess.STDOUT)
        while self.placectl("status").returncode:
            if self.process.poll() is not None:
                sys.exit("the daemon did not start")
            time.sleep(0.1)

    def placectl(self, *words):
        return subprocess.run([self.build / ".libs/placectl", *words], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, env=self.environment, check=False)

    def reload(self, config):
        self.config.write_text(config)
        done = self.placectl("reload")
        check("placectl reload", done.returncode == 0, done.stdout)

    def status(self):
        return json.loads(self.placectl("status", "--json").stdout)

    def guest(self, pid):
        found = [guest for guest in self.status()["guests"] if guest["pid"] == pid]
        return found[0] if found else {"class": None, "remote_permille": None, "verdict": None}

    def show(self, title):
        print(f"\n$ placectl status        # {title}\n{self.placectl('status').stdout}", flush=True)

    def stop(self):
        self.process.terminate()
        return self.process.wait()

    def kill(self):
        self.process.kill()
        self.process.wait()
