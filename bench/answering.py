# SPDX-License-Identifier: LGPL-2.1-or-later
# What bench/advice and bench/daemon share: private namespaces, numad, and a table of figures with goals.

"""Parts of the benches of placed -w."""

import os
import pathlib
import shutil
import subprocess
import sys


def find_numad():
    cache = os.environ.get("PLACED_GUEST_CACHE", "/var/cache/placed-guest")
    for path in (os.environ.get("NUMAD"), cache + "/root/usr/bin/numad", shutil.which("numad")):
        # An installed link to placed is not numad.
        if path and os.access(path, os.X_OK) and pathlib.Path(path).resolve().name == "numad":
            return path
    return None


def go_private(**programs):
    """
    The bench goes on in mount and IPC namespaces of its own, with an empty /run and /var/log: started anew there
    with the programs that were found.
    """
    if os.geteuid() != 0:
        raise SystemExit(f"{pathlib.Path(sys.argv[0]).name}: run as root (private namespaces to write in)")
    if "PLACED_BENCH_INSIDE" not in os.environ:
        os.environ["PLACED_BENCH_INSIDE"] = "1"
        found = [word for name, path in programs.items() if path for word in (f"--{name}", path)]
        os.execvp("unshare", ["unshare", "-m", "-i", sys.executable, "-B", os.path.abspath(sys.argv[0]), *sys.argv[1:],
                              *found])
    for folder in ("/run", "/var/log"):
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", folder], check=True)


class Table:
    """Rows of text, and whether all goals were met."""

    def __init__(self):
        self.rows = []
        self.is_met = True

    def add(self, what, value, goal="", is_met=None):
        verdict = "" if is_met is None else "met" if is_met else "MISSED"
        self.is_met = self.is_met and is_met is not False
        self.rows.append((what, value, goal, verdict))

    def show(self):
        widths = [max(len(row[i]) for row in self.rows) for i in range(4)]
        for row in self.rows:
            print("  ".join(cell.ljust(width) if i != 1 else cell.rjust(width)
                            for i, (cell, width) in enumerate(zip(row, widths))).rstrip())
        print("all goals met" if self.is_met else "a goal was missed")
