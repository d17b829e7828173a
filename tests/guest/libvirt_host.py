# SPDX-License-Identifier: LGPL-2.1-or-later
# A libvirtd inside the emulated host: starts it, answers its questions, makes domains with small spinning, working or
# memory-filling guests, and reads what libvirt and the kernel say about them.

"""libvirtd, its domains and their facts, inside the emulated host."""

import argparse
import contextlib
import pathlib
import re
import subprocess
import time
import xml.etree.ElementTree

from scene import FAILED, MIB, PAGE, move_pages, share

LOG = pathlib.Path("/var/log/libvirt/libvirtd.log")
STATUS = pathlib.Path("/run/libvirt/qemu")
NUMAD = pathlib.Path("/usr/bin/numad")
NODES = pathlib.Path("/sys/devices/system/node")
CGROUPS = pathlib.Path("/sys/fs/cgroup")

QEMU_CONF = """user = "root"
group = "root"
security_driver = "none"
remember_owner = 0
namespaces = []
stdio_handler = "file"
cgroup_controllers = [ "cpu", "cpuset", "memory" ]
"""
LIBVIRTD_CONF = f"""log_filters = "1:qemu.qemu_process 1:util.command 3:*"
log_outputs = "1:file:{LOG}"
unix_sock_group = "root"
auth_unix_rw = "none"
"""


def parse_set(text):
    """Numbers of a kernel list such as 0-2,5."""
    numbers = set()
    for part in text.strip().split(","):
        if part:
            low, _, high = part.partition("-")
            numbers.update(range(int(low), int(high or low) + 1))
    return numbers


def node_cpus(nodes):
    """Union of the CPUs of some nodes."""
    return set().union(*(parse_set((NODES / f"node{node}/cpulist").read_text()) for node in nodes))


def cpu_list(node):
    """The same as virsh wants it, of one."""
    return ",".join(map(str, sorted(node_cpus([node]))))


def node_memory_kib(node, field="MemTotal"):
    text = (NODES / f"node{node}/meminfo").read_text()
    return int(re.search(rf"{field}: +(\d+)", text).group(1))


def vmstat(field):
    return int(re.search(rf"^{field} (\d+)$", pathlib.Path("/proc/vmstat").read_text(), re.M).group(1))


def swap_on():
    """A compressed swap device, so that swapping can be counted and does not end the scene at once."""
    if "zram0" in pathlib.Path("/proc/swaps").read_text():
        return
    subprocess.run(["modprobe", "zram"], check=True)
    pathlib.Path("/sys/block/zram0/disksize").write_text("4G")
    subprocess.run(["mkswap", "/dev/zram0"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["swapon", "/dev/zram0"], check=True)


def virsh(*arguments, timeout_s=180):
    """Runs virsh; returns (exit status, output)."""
    done = subprocess.run(["virsh", "-q", "-c", "qemu:///system", *arguments], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=timeout_s, check=False)
    return done.returncode, done.stdout.strip()


SPINS = b"\xeb\xfe"                                        # spin: jmp spin
WORKS_A_LITTLE = (b"\xfb"                                  # at each tick of the timer: sti
                  b"\x66\xb9\x00\x40\x00\x00"              # again: mov ecx, 16384
                  b"\x67\xe2\xfd"                          # loop
                  b"\xf4"                                  # hlt
                  b"\xeb\xf4")                             # jmp again


def boot_disk(path, fill_mib=0, code=SPINS, after_key_mib=0, rest=0):
    """A disk whose boot sector keeps the vCPU busy. With fill_mib it enters protected mode and writes to
    every page up to there, for ever: such a guest takes its memory only once it runs; and once a key was pressed
    what is below after_key_mib. It counts to `rest` after each page."""
    if fill_mib:
        origin = 0x7c00
        start32 = 0x1b

        def end_of(mib):
            return ((mib - 1) << 20).to_bytes(4, "little")

        wait = b"\xb9" + rest.to_bytes(4, "little") + b"\xe2\xfe" if rest else b""  # mov ecx, rest; self: loop self

        def back(bytes_):
            return bytes([0x100 - bytes_ - len(wait)])

        loop = (b"\x66\xb8\x10\x00\x8e\xd8"                # mov ax, 0x10; mov ds, ax
                b"\xbb" + end_of(fill_mib) +               # mov ebx, end
                b"\xbf\x00\x00\x10\x00"                    # again: mov edi, 1 MiB
                b"\x89\x3f" + wait +                         # next: mov [edi], edi
                b"\x81\xc7\x00\x10\x00\x00"                # add edi, 4096
                b"\x39\xdf"                                # cmp edi, ebx
                b"\x72" + back(12) +                         # jb next
                b"\xe4\x64\xa8\x01"                        # in al, 0x64; test al, 1: a key waits, for ever
                b"\x74" + back(23) +                         # jz again
                b"\xbb" + end_of(after_key_mib or fill_mib) +  # mov ebx, other end
                b"\xeb" + back(30))                          # jmp again
        gdt = origin + start32 + len(loop)
        pointer = gdt + 24
        code = (b"\xfa\x31\xc0\x8e\xd8"                    # cli; xor ax, ax; mov ds, ax
                b"\x0f\x01\x16" + pointer.to_bytes(2, "little") +   # lgdt [pointer]
                b"\x0f\x20\xc0\x66\x83\xc8\x01\x0f\x22\xc0"         # mov eax, cr0; or eax, 1; mov cr0, eax
                b"\xea" + (origin + start32).to_bytes(2, "little") + b"\x08\x00")   # jmp 8:start32
        code = code.ljust(start32, b"\x90") + loop
        code += bytes(8) + b"\xff\xff\x00\x00\x00\x9a\xcf\x00" + b"\xff\xff\x00\x00\x00\x92\xcf\x00"
        code += (23).to_bytes(2, "little") + gdt.to_bytes(4, "little")
    sector = code.ljust(510, b"\0") + b"\x55\xaa"
    pathlib.Path(path).write_bytes(sector.ljust(1 << 20, b"\0"))


def start_libvirtd():
    """Writes the configuration, starts libvirtd and waits until it answers."""
    passwd = pathlib.Path("/etc/passwd")
    if "libvirt-qemu:" not in passwd.read_text():           # libvirtd looks the name up, nothing more
        with passwd.open("a") as file:
            file.write("libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin\n")
        with open("/etc/group", "a", encoding="ascii") as file:
            file.write("libvirt-qemu:x:64055:\n")
    for folder in ("/etc/libvirt", LOG.parent):
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    # v1 mounts cpu and cpuacct together, and libvirt wants both or none of them.
    both = '"cpu", "cpuacct"' if (CGROUPS / "cpu,cpuacct").exists() or (CGROUPS / "cpuset").exists() else '"cpu"'
    pathlib.Path("/etc/libvirt/qemu.conf").write_text(QEMU_CONF.replace('"cpu"', both))
    pathlib.Path("/etc/libvirt/libvirtd.conf").write_text(LIBVIRTD_CONF)
    with open("/var/log/libvirt/output", "wb") as output:
        daemon = subprocess.Popen(["libvirtd"], stdout=output, stderr=output)
    while virsh("version")[0] != 0:
        if daemon.poll() is not None:
            raise RuntimeError(f"libvirtd ended: {pathlib.Path('/var/log/libvirt/output').read_text()}")
        time.sleep(0.5)
    return daemon


@contextlib.contextmanager
def running_libvirtd():
    """A libvirtd, and a kernel that moves no memory by itself: it would take what is to be shown from us."""
    pathlib.Path("/proc/sys/kernel/numa_balancing").write_text("0")
    libvirtd = start_libvirtd()
    yield
    libvirtd.terminate()


def play(program, about, scenes, repeats=None):
    """A program's whole life: its command line, and scenes beside a libvirtd, each called with the build tree, and with
    how often to do what `repeats` says. Returns: the exit status."""
    parser = argparse.ArgumentParser(prog=program, description=about)
    parser.add_argument("--build", metavar="DIR", type=pathlib.Path, required=True)
    if repeats:
        parser.add_argument("--repeat", metavar="N", type=int, default=1, help=repeats)
    parser.add_argument("scenes", nargs="*", metavar="SCENE", help=" ".join(scenes))
    options = parser.parse_args()
    with running_libvirtd():
        for name in options.scenes or scenes:
            scenes[name](options.build.resolve(), *([options.repeat] if repeats else []))
    return 1 if FAILED else 0


def advise(nodes):
    """What numad answers from now on, whatever it is asked."""
    NUMAD.unlink()                                          # it may be a link to what is to stay as it is
    NUMAD.write_text(f"#!/bin/sh\necho {nodes}\n")
    NUMAD.chmod(0o755)


def thread(task):
    """Of a folder /proc/PID/task/TID, as in Domain.threads()."""
    text = (task / "cgroup").read_text()
    v1 = re.search(r"^\d+:(?:[^:]*,)?cpuset(?:,[^:]*)?:(.*)$", text, re.M)
    group = v1 or re.search(r"^0::(.*)$", text, re.M)
    if not group:
        raise ProcessLookupError(f"{task} has ended")
    top = CGROUPS / "cpuset" if v1 else CGROUPS
    mems = (top / group.group(1).lstrip("/") / "cpuset.mems").read_text().strip()
    cpus = re.search(r"^Cpus_allowed_list:\s*(\S+)", (task / "status").read_text(), re.M).group(1)
    return (task / "comm").read_text().strip(), group.group(1), mems, parse_set(cpus)


class Domain:
    """One transient domain with one vCPU, one iothread and automatic placement."""

    def __init__(self, name, memory_mib, mode="strict", hugepages=False, cells=False, immediate=True, vcpus=1):
        self.name = name
        self.memory_mib = memory_mib
        self.mode = mode                    # None: no <numatune> at all
        self.hugepages = hugepages
        self.cells = cells
        self.immediate = immediate
        self.vcpus = vcpus
        self.starter = None

    def write_disk(self, path):
        boot_disk(path, 0 if self.immediate else self.memory_mib)

    def parts(self):
        """Of its description: other kinds of guests have other ones."""
        huge = "<hugepages/>" if self.hugepages else ""
        immediate = "<allocation mode='immediate'/>" if self.immediate else ""
        return {
            "vcpu": f"<vcpu placement='auto'>{self.vcpus}</vcpu>",
            "tune": f"<numatune><memory mode='{self.mode}' placement='auto'/></numatune>" if self.mode else "",
            "backing": huge + immediate,
            "cpu": (f"<cpu><numa><cell id='0' cpus='0-{self.vcpus - 1}' memory='{self.memory_mib}' unit='MiB'/>"
                    "</numa></cpu>" if self.cells else ""),
        }

    def xml(self):
        disk = pathlib.Path(f"/tmp/{self.name}.img")
        self.write_disk(disk)
        parts = self.parts()
        return f"""<domain type='qemu'><name>{self.name}</name><memory unit='MiB'>{self.memory_mib}</memory>
{parts["vcpu"]}<iothreads>1</iothreads>{parts["tune"]}
<memoryBacking>{parts["backing"]}</memoryBacking>
<os><type arch='x86_64' machine='pc'>hvm</type></os>{parts["cpu"]}
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{disk}'/>
<target dev='hda' bus='ide'/></disk><controller type='usb' model='none'/><memballoon model='none'/>
</devices></domain>"""

    def start(self, *options):
        """Begins to start the domain, with options of virsh create; several may be under way."""
        path = pathlib.Path(f"/tmp/{self.name}.xml")
        path.write_text(self.xml())
        self.starter = subprocess.Popen(["virsh", "-q", "-c", "qemu:///system", "create", *options, str(path)],
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def started(self, timeout_s=300):
        """(True, '') once it runs, or (False, libvirt's message)."""
        try:
            output, _ = self.starter.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self.starter.kill()
            return False, f"not started after {timeout_s} s"
        return self.starter.returncode == 0, " ".join(output.split())

    def destroy(self):
        virsh("destroy", self.name)

    def pid(self):
        try:
            return int((STATUS / f"{self.name}.pid").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def running(self):
        pid = self.pid()
        try:
            return pid is not None and "qemu" in pathlib.Path(f"/proc/{pid}/comm").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return False

    def advice(self):
        """The advised nodes as libvirt keeps them in the status XML, or '' if there are none."""
        try:
            tree = xml.etree.ElementTree.parse(STATUS / f"{self.name}.xml")
        except (FileNotFoundError, xml.etree.ElementTree.ParseError):
            return ""
        element = tree.find("numad")
        return element.get("nodeset", "") if element is not None else ""

    def threads(self, seconds=10):
        """For each thread: (name, cgroup, text of its cgroup's cpuset.mems, set of allowed CPUs); with any kind of
        control groups. Some end while they are read: they are read anew then."""
        end = time.monotonic() + seconds
        while True:
            try:
                return [thread(task) for task in sorted(pathlib.Path(f"/proc/{self.pid()}/task").iterdir())]
            except (FileNotFoundError, ProcessLookupError):
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def memory(self):
        """(bytes per node, policies) of the mappings that are the guest's memory."""
        nodes, policies = {}, set()
        for line in pathlib.Path(f"/proc/{self.pid()}/numa_maps").read_text().splitlines():
            match = re.match(r"[0-9a-f]+ ((?:prefer \(many\)|[a-z]+)\S*) (.*)", line)
            page = re.search(r"kernelpagesize_kB=(\d+)", line)
            if not match or not page or "qemu-system" in line:
                continue
            counts = {int(node): int(pages) * int(page.group(1)) * 1024
                      for node, pages in re.findall(r" N(\d+)=(\d+)", line)}
            if sum(counts.values()) < 64 << 20:             # smaller ones are QEMU's own
                continue
            policies.add(match.group(1))
            for node, count in counts.items():
                nodes[node] = nodes.get(node, 0) + count
        return nodes, sorted(policies)

    def share(self, node):
        """Of its memory, as far as it is there."""
        return share(self.memory()[0], node)

    def pages(self):
        """Addresses of its memory."""
        for line in pathlib.Path(f"/proc/{self.pid()}/maps").read_text().splitlines():
            low, high = (int(number, 16) for number in line.split()[0].split("-"))
            if high - low == self.memory_mib * MIB:
                return range(low, high, PAGE)
        raise RuntimeError(f"{self.name}: no memory found")

    def scatter(self, shares):
        """Puts what is there of its memory where it should not be: by node, how much of it."""
        pages, at = self.pages(), 0
        for node, part_of_all in shares:
            part = pages[at:at + int(len(pages) * part_of_all)]
            at += len(part)
            move_pages(self.pid(), part, [node] * len(part))

    def status_kib(self, field):
        """VmRSS, VmSwap... of the QEMU process; None if it is gone."""
        try:
            text = pathlib.Path(f"/proc/{self.pid()}/status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        match = re.search(rf"^{field}:\s*(\d+) kB", text, re.M)
        return int(match.group(1)) if match else None


def logged_advice(skip_bytes=0):
    """From libvirtd's log: [(request, answer, milliseconds)], one per question asked after skip_bytes."""
    asked, found = {}, []
    with LOG.open("rb") as file:
        file.seek(skip_bytes)
        text = file.read().decode(errors="replace")
    for line in text.splitlines():
        match = re.match(r"\S+ (\d+):(\d+):(\d+)\.(\d+)\S* (\d+): .*"
                         r"(?:numad -w (\S+)|Nodeset returned from numad: (\S+))", line)
        if not match:
            continue
        hour, minute, second, milli = map(int, match.groups()[:4])
        now_ms = ((hour * 60 + minute) * 60 + second) * 1000 + milli
        thread, request, answer = match.groups()[4:]
        if request:
            asked[thread] = (request, now_ms)
        elif thread in asked:
            request, then_ms = asked.pop(thread)
            found.append((request, answer, (now_ms - then_ms) % 86400000))
    return found
