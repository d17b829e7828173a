# SPDX-License-Identifier: LGPL-2.1-or-later
# A libvirtd inside the emulated host: starts it, makes domains with small spinning or memory-filling
# guests, and reads what libvirt and the kernel say about them.

"""libvirtd, its domains and their facts, inside the emulated host."""

import pathlib
import re
import subprocess
import time
import xml.etree.ElementTree

LOG = pathlib.Path("/var/log/libvirt/libvirtd.log")
STATUS = pathlib.Path("/run/libvirt/qemu")
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


def node_memory_kib(node, field="MemTotal"):
    text = (NODES / f"node{node}/meminfo").read_text()
    return int(re.search(rf"{field}: +(\d+)", text).group(1))


def vmstat(field):
    return int(re.search(rf"^{field} (\d+)$", pathlib.Path("/proc/vmstat").read_text(), re.M).group(1))


def virsh(*arguments, timeout_s=180):
    """Runs virsh; returns (exit status, output)."""
    done = subprocess.run(["virsh", "-q", "-c", "qemu:///system", *arguments], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=timeout_s, check=False)
    return done.returncode, done.stdout.strip()


def boot_disk(path, fill_mib=0):
    """A disk whose boot sector keeps the vCPU busy. With fill_mib it enters protected mode and writes to
    every page up to there, for ever: such a guest takes its memory only once it runs."""
    code = b"\xeb\xfe"                                     # spin: jmp spin
    if fill_mib:
        origin = 0x7c00
        start32 = 0x1b
        loop = (b"\x66\xb8\x10\x00\x8e\xd8"                # mov ax, 0x10; mov ds, ax
                b"\xbf\x00\x00\x10\x00"                    # again: mov edi, 1 MiB
                b"\x89\x3f"                                # next: mov [edi], edi
                b"\x81\xc7\x00\x10\x00\x00"                # add edi, 4096
                b"\x81\xff" + ((fill_mib - 1) << 20).to_bytes(4, "little") +
                b"\x72\xf0"                                # jb next
                b"\xeb\xe9")                               # jmp again
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

    def xml(self):
        disk = pathlib.Path(f"/tmp/{self.name}.img")
        boot_disk(disk, 0 if self.immediate else self.memory_mib)
        tune = f"<numatune><memory mode='{self.mode}' placement='auto'/></numatune>" if self.mode else ""
        huge = "<hugepages/>" if self.hugepages else ""
        immediate = "<allocation mode='immediate'/>" if self.immediate else ""
        cell = (f"<cpu><numa><cell id='0' cpus='0-{self.vcpus - 1}' memory='{self.memory_mib}' unit='MiB'/>"
                "</numa></cpu>" if self.cells else "")
        return f"""<domain type='qemu'><name>{self.name}</name><memory unit='MiB'>{self.memory_mib}</memory>
<vcpu placement='auto'>{self.vcpus}</vcpu><iothreads>1</iothreads>{tune}
<memoryBacking>{huge}{immediate}</memoryBacking>
<os><type arch='x86_64' machine='pc'>hvm</type></os>{cell}
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{disk}'/>
<target dev='hda' bus='ide'/></disk><controller type='usb' model='none'/><memballoon model='none'/>
</devices></domain>"""

    def start(self):
        """Begins to start the domain; several may be under way."""
        path = pathlib.Path(f"/tmp/{self.name}.xml")
        path.write_text(self.xml())
        self.starter = subprocess.Popen(["virsh", "-q", "-c", "qemu:///system", "create", str(path)],
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
