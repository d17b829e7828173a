# SPDX-License-Identifier: LGPL-2.1-or-later
# Processes of a user without any right against the daemon that root started: what he calls them, what he makes
# them look like, and what he sends. Each kind by name; the daemon answers before, during and after, is the same
# process, and believes nothing. The same for the queues is in test_numad_daemon.py, for the socket's limits in
# test_socket.py, for the pid files at the start in test_life.py, for recorded hosts in tests/hosts/test_hostile.py.

"""The daemon beside hostile processes."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess

import pytest

from box import BUILD, NOBODY, answers, descendants, needs_root, placectl, until
from foreign import outer_pid

pytestmark = needs_root
DAEMON = BUILD / "daemon/placed"
QEMU = "/run/ours/qemu-system-x86_64"
PRELUDE = """if True:
    import ctypes, mmap, os, socket, sys, threading, time
    libc = ctypes.CDLL(None, use_errno=True)
    def call(me):
        libc.prctl(15, me, 0, 0, 0)
"""
MIB = 1 << 20


class Daemon:
    """The daemon as root starts it, with a log that can be read."""

    def __init__(self, box):
        self.box = box
        done = box.run(DAEMON, "-l", "7")
        assert done.returncode == 0, done.stderr
        self.inner = int((box.root / "run/placed/placed.pid").read_text())
        self.pid = outer_pid(box, self.inner)

    def placectl(self, *arguments):
        done = self.box.run(placectl(), *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def status(self):
        return json.loads(self.placectl("status", "--json"))

    def guest(self, inner):
        return next((guest for guest in self.status()["guests"] if guest["pid"] == inner), None)

    def counter(self, name):
        return int(re.search(rf"^placed_{name} (\d+)$", self.placectl("metrics"), re.M)[1])

    def talk(self, packet, before=NOBODY):
        """What is answered to a packet, up to the end of the connection or of a reply."""
        script = PRELUDE + """
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client.settimeout(60)
    client.connect("/run/placed/socket")
    client.send(os.fsencode(sys.argv[1]).replace(b"\\\\0", b"\\0"))
    sys.stdout.buffer.write(client.recv(5000))
"""
        done = self.box.run(*before, "/usr/bin/python3", "-c", script, packet)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def still_answers(self):
        """The daemon, not a client in its place: it counts what it answers."""
        before = self.counter("answers_total")
        for who in ([], NOBODY):
            answers(self.box.ask("1:1", before=who))

        def has_counted():
            answers(self.box.ask("1:1"))
            return self.counter("answers_total") > before
        until(has_counted)
        status = self.status()["daemon"]
        assert (status["pid"], status["mode"]) == (self.inner, "active")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))


@pytest.fixture(name="daemon")
def fixture_daemon(box):
    shutil.copy(os.path.realpath("/usr/bin/python3"), box.root / "run/ours/qemu-system-x86_64")
    made = Daemon(box)
    made.still_answers()
    yield made
    made.still_answers()
    os.kill(made.pid, signal.SIGTERM)
    until(lambda: not (box.root / "run/placed/placed.pid").exists())


@contextlib.contextmanager
def guest(box, script, *arguments, before=NOBODY, ends_with="\n    print('ready', os.getpid(), flush=True)\n"
                                                            "    time.sleep(1000)\n"):
    """A process of a stranger whose program is called as QEMU's are; gives its pid inside the box."""
    process = subprocess.Popen(box.command(*before, QEMU, "-c", PRELUDE + script + ends_with, *arguments),
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        said = process.stdout.readline().split()
        assert said and said[0] == b"ready", process.stderr.read()
        yield int(said[1])
    finally:
        for pid in [*descendants(process.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.kill()
        process.communicate()


def see(daemon, inner):
    """What the daemon knows of a guest once it has looked at it."""
    return until(lambda: (found := daemon.guest(inner)) and found["class"] != "unreadable" and found)


# ---- what is sent --------------------------------------------------------------------------

ORDERS = [f"placed 1 order letter={letter} arg1={argument} arg2=0\n"
          for letter, argument in (("i", 0), ("u", 50), ("m", 50), ("S", 1), ("x", 1), ("p", 1), ("C", 0), ("l", 7))]
FORGED = {
    "orders": ORDERS,
    "stop": ["placed 1 order letter=i arg1=0 arg2=0\n", "placed 1 order letter=i arg1=-1 arg2=-1\n"],
    "commands": [f'placed 1 command verb={verb} argument=""\n' for verb in ("pause", "resume", "reload")],
    "replies": ["ok nodes=0-1023 verdict=one_node booked=yes\n", "line guest\n", 'error code=EPERM text="no"\n',
                "ok\n"],
    "200 bytes": ["w" * 200, "placed 1 advice " + "w" * 184],
    "sizes": ["\\0", "\\0" * 200, "x" * 4096, "x" * 4097, "placed 1 advice vcpus_centi=-1 memory_bytes=-1\n",
              "placed 1 advice vcpus_centi=99999999999999999999 memory_bytes=1\n",
              "placed 1 advice vcpus_centi=100\n" * 2],
    "text": ['placed 1 command verb="st\x1b[2Jatus" argument="%n%s"\n',
             'placed 1 command verb=explain argument="' + "\\\\" * 50,
             'placed 1 command verb=explain argument="no such \x1b]0;guest"\n'],
}


@pytest.mark.parametrize("kind", FORGED)
def test_forged_messages(daemon, box, kind):
    for packet in FORGED[kind]:
        reply = daemon.talk(packet)
        assert re.fullmatch(r'(error code=E[A-Z]+ text="[^"\x00-\x1f]*"\n)?', reply), packet
        assert "\x1b" not in reply
    daemon.still_answers()
    log = (box.root / "var/log").glob("*")
    assert not any("\x1b" in path.read_text() for path in log if path.is_file())


def test_advice_of_a_stranger_books_nothing(daemon, box):
    before = len(box.promises())
    for _ in range(20):
        assert daemon.talk("placed 1 advice vcpus_centi=100 memory_bytes=1048576\n").startswith("ok nodes=")
    assert len(box.promises()) == before


# ---- how processes look --------------------------------------------------------------------

def test_process_with_600_groups(daemon, box):
    """Its groups fill /proc/PID/status up to the lines that are read; and it may ask as anybody may."""
    script = """
    os.setgroups([4000000000 + i for i in range(600)])
    os.setgid(65534)
    os.setuid(65534)
    memory = bytearray(32 << 20)
    memory[::4096] = b"x" * len(memory[::4096])
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client.connect("/run/placed/socket")
    client.send(b"placed 1 advice vcpus_centi=100 memory_bytes=1048576\\n")
    assert client.recv(5000).startswith(b"ok nodes=")
"""
    # With another one in its group, the group says nothing of either.
    with guest(box, ""), guest(box, script, before=()) as inner:
        status = box.run("cat", f"/proc/{inner}/status").stdout
        assert len(re.search(r"^Groups:(.*)$", status, re.M)[1].split()) == 600
        see(daemon, inner)
        daemon.still_answers()
        seen = until(lambda: (found := daemon.guest(inner))["bytes_source"] == "samples" and found)
        assert 32 * MIB <= seen["resident_bytes"] < 64 * MIB, seen
        assert 24 * MIB <= sum(seen["bytes"].values()) < 64 * MIB, seen


def test_mapped_path_with_a_node_count(daemon, box):
    """Behind byte 1023, where a reader of lines that long would begin anew."""
    script = """
    os.chdir("/run/strange")
    for word in ("d" * 250,) * 4 + (" N0=999999999 N1=999999999 kernelpagesize_kB=1048576",):
        os.makedirs(word, exist_ok=True)
        os.chdir(word)
    fd = os.open("pc.ram N0=888888888", os.O_RDWR | os.O_CREAT)
    os.ftruncate(fd, 4096)
    at = mmap.mmap(fd, 4096)
    at[0] = 1
"""
    box.shell("mkdir -m 777 /run/strange")
    with guest(box, script, "-m", "64") as inner:
        maps = box.run("cat", f"/proc/{inner}/maps").stdout
        assert any("N0=999999999" in line and line.index("N0=999999999") > 1023 for line in maps.splitlines())
        seen = see(daemon, inner)
        daemon.still_answers()
        assert seen["bytes"] is None or sum(seen["bytes"].values()) < 512 * MIB


COMMS = ["qemu) R 1 1 (", "(((", ")))", "a b) S 1 1 1 1", "\n\n\n", "x\nName:\tinit", "\x1b[2J\x07", "\xff\xfe", " ",
         "kvm)\n1 (x) Z"]


def test_comm_with_brackets_spaces_and_newlines(daemon, box):
    """Of the process and of its threads: their names tell which are vCPUs."""
    script = """
    call(os.fsencode(sys.argv[1]))
    for name in (b"CPU 0/KVM", b"CPU 1/KVM) Z 0", b"CPU\\n 99/KVM", b"CPU 4294967296"):
        threading.Thread(target=lambda name=name: (call(name), time.sleep(1000)), daemon=True).start()
    time.sleep(0.1)
"""
    with contextlib.ExitStack() as stack:
        pids = [stack.enter_context(guest(box, script, name)) for name in COMMS]
        for inner in pids:
            assert 0 < sum((see(daemon, inner)["bytes"] or {"0": 1}).values()) < 512 * MIB
        for inner in pids:
            assert "\x1b" not in daemon.placectl("explain", str(inner))
        assert "\x1b" not in daemon.placectl("status")
        daemon.still_answers()
    until(lambda: not {*pids} & {guest["pid"] for guest in daemon.status()["guests"]})


def test_thousands_of_short_lived_processes_named_qemu(daemon, box):
    """It follows none of them for long: nothing of them stays."""
    until(lambda: daemon.descriptors() <= 40)
    before = daemon.descriptors()
    shutil.copy("/bin/true", box.root / "run/ours/qemu")
    storm = [box.start(*NOBODY, "sh", "-c", "i=0; while [ $i -lt 1500 ]; do /run/ours/qemu -m 1024 & i=$((i+1)); "
                                            "[ $((i%50)) -ne 0 ] || wait; done; wait") for _ in range(2)]
    with guest(box, "") as inner:
        # A guest that comes in the middle is seen all the same.
        see(daemon, inner)
        n = 0
        while any(process.poll() is None for process in storm):
            daemon.still_answers()
            n += 1
        assert n
        for process in storm:
            assert process.communicate()[1] == "" and process.returncode == 0
        see(daemon, inner)
    until(lambda: not daemon.status()["guests"])
    until(lambda: daemon.descriptors() <= before)
    until(lambda: not [*descendants(daemon.pid)])


# Since Linux 4.17 arguments on a page of a file are not read at all (CVE-2018-1120), so that a file system cannot
# hold them back by itself. What still can: a thread that reads such a page through /proc/self/mem waits for the file
# system with the mmap lock held for reading, one that maps something waits for that lock, and everybody else, who
# reads arguments, maps or pages of the process, waits behind it. The file system has one file, with a size and
# no content; anybody may mount it in namespaces of his own.
HELD = """
    import struct
    fuse = os.open("/run/strange/fuse", os.O_RDWR)
    options = f"fd={fuse},rootmode=40000,user_id=0,group_id=0".encode()
    assert libc.mount(b"held", b"/run/strange/held", b"fuse", 0, options) == 0, os.strerror(ctypes.get_errno())
    def attributes(mode):
        return struct.pack("<QQQQQQ10I", 2, 1 << 20, 8, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)
    def serve():
        while True:
            request = os.read(fuse, 1 << 20)
            opcode, unique, node = struct.unpack_from("<IQQ", request, 4)
            error, body = 0, b""
            if opcode == 26:    # INIT
                body = struct.pack("<IIIIHHIIHHI7I", 7, 31, 0, 0, 1, 1, 4096, 1, 1, 0, 0, *[0] * 7)
            elif opcode == 1:   # LOOKUP
                body = struct.pack("<QQQQII", 2, 0, 1000, 1000, 0, 0) + attributes(0o100444)
            elif opcode == 3:   # GETATTR
                body = struct.pack("<QII", 1000, 0, 0) + attributes(0o40755 if node == 1 else 0o100444)
            elif opcode == 14:  # OPEN
                body = struct.pack("<QII", 0, 0, 0)
            elif opcode in (2, 15, 36, 42):  # READ, and what wants no reply
                continue
            elif opcode not in (18, 25):     # RELEASE, FLUSH
                error = -38
            os.write(fuse, struct.pack("<IiQ", 16 + len(body), error, unique) + body)
    if os.fork() == 0:
        libc.prctl(1, 9, 0, 0, 0)
        serve()
    os.close(fuse)
    fd = os.open("/run/strange/held/file", os.O_RDONLY)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    libc.pread.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_long]
    page = libc.mmap(None, 4096, 1, 2, fd, 0)
    os.close(fd)
    memory = os.open("/proc/self/mem", os.O_RDONLY)
    buffer = ctypes.create_string_buffer(64)
    begins, goes_on = threading.Event(), threading.Event()
    threading.Thread(target=lambda: (begins.wait(), libc.pread(memory, buffer, 8, page)), daemon=True).start()
    threading.Thread(target=lambda: (goes_on.wait(), libc.mmap(None, 4096, 3, 0x22, -1, 0)), daemon=True).start()
"""
HOLDS = """
    begins.set()
    time.sleep(0.3)
    goes_on.set()
    time.sleep(0.2)
    libc.dprintf(1, f"ready {os.getpid()}\\n".encode())
    time.sleep(1000)
"""


def holding(box):
    """Who may mount what the user that he is may mount."""
    shutil.copy(os.path.realpath("/usr/bin/python3"), box.root / "run/ours/qemu-system-x86_64")
    box.shell("mkdir -m 777 /run/strange /run/strange/held; mknod -m 666 /run/strange/fuse c 10 229")
    alone = [*NOBODY, "unshare", "-U", "-r", "-m"]
    return alone if box.run(*alone, "true").returncode == 0 else ["unshare", "-m"]


def test_guests_behind_one_that_is_held_back(box):
    """They are looked at when his look was given up, and not only in the next turn, which is far here."""
    with contextlib.ExitStack() as stack:
        held = stack.enter_context(guest(box, HELD, before=holding(box), ends_with=HOLDS))
        good = [stack.enter_context(guest(box, "")) for _ in range(3)]
        assert held < min(good)
        log = box.root / "run/log"
        with open(log, "w", encoding="utf-8") as out:
            daemon = box.start(DAEMON, "--foreground", "-i", "600:600", stdout=out, stderr=out)
        # Nobody asks: a question would be a turn.
        until(lambda: {*good} <= {int(pid) for pid in re.findall(r"guest_seen pid=(\d+)", log.read_text())})
        assert box.run(DAEMON, "-i", "0").returncode == 0
        assert daemon.wait(timeout=60) == 0
        assert f"pid={held} note=" in log.read_text()


def test_arguments_held_back(daemon, box):
    """Whoever reads them waits as long as their owner likes. The guests beside him are seen, and all are answered."""
    before = holding(box)
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(guest(box, HELD, before=before, ends_with=HOLDS)) for _ in range(3)]
        for inner in held:
            assert box.run("timeout", "1", "cat", f"/proc/{inner}/cmdline").returncode == 124
        good = [stack.enter_context(guest(box, "")) for _ in range(2)]
        for _ in range(5):
            daemon.still_answers()
        for inner in good:
            see(daemon, inner)
        for inner in held:
            until(lambda inner=inner: daemon.guest(inner) and daemon.guest(inner)["class"] == "unreadable")
        assert daemon.counter("looks_stuck_total") >= 3
        daemon.still_answers()
    until(lambda: not daemon.status()["guests"])
    until(lambda: not [*descendants(daemon.pid)])


def memory_hierarchy(box):
    """Where groups of the memory controller can be made, or the test is skipped."""
    for path in ("/sys/fs/cgroup/memory", "/sys/fs/cgroup"):
        folder = pathlib.Path(path, f"placed-test-{box.pid}")
        with contextlib.suppress(OSError):
            folder.mkdir()
            if (folder / "cgroup.subtree_control").exists():
                (folder / "cgroup.subtree_control").write_text("+memory")
            if (folder / "memory.numa_stat").exists():
                return folder
        with contextlib.suppress(OSError):
            folder.rmdir()
    return pytest.skip("no group with memory.numa_stat can be made here")


GROUPS = ["a b", "a  b\tc", "4:memory:", "0::", "x (deleted)", "\\x0a\\012", "\x1b[2J", "N0=999999999 total=7",
          "..a/..b", "\xff", "g" * 250, "%s%n"]


def test_groups_with_odd_names(daemon, box):
    """A folder that a user may fill with groups as he likes; the kernel takes all but a newline."""
    folder = memory_hierarchy(box)
    script = """
    try:
        os.mkdir(sys.argv[1] + "/new\\nline")
        sys.exit("a newline")
    except OSError as error:
        assert error.errno == 22, error
    os.makedirs(sys.argv[2], exist_ok=True)
    with open(sys.argv[2] + "/cgroup.procs", "w") as procs:
        procs.write("0")
    memory = bytearray(16 << 20)
    memory[::4096] = b"x" * len(memory[::4096])
"""
    os.chown(folder, 65534, 65534)
    try:
        with contextlib.ExitStack() as stack:
            pids = [stack.enter_context(guest(box, script, folder, folder / name)) for name in GROUPS]
            for inner in pids:
                seen = see(daemon, inner)
                # Each CPU keeps some of what the kernel counts to itself for a while.
                assert 15 * MIB <= sum(seen["bytes"].values()) < 64 * MIB, seen
                assert seen["bytes_source"] == "cgroup", seen
            daemon.still_answers()
    finally:
        for path in sorted(folder.rglob("*"), key=lambda path: -len(path.parts)):
            if path.is_dir():
                path.rmdir()
        folder.rmdir()


NAMES = ["\x1b[2J\x1b]0;root\x07", "a\nguest pid=1 name=init class=free", 'a" class="free', "a\\x0ab", "%s%n%d",
         "\xff\xfe", "\u202eevil", "../../etc/passwd", "n" * 4000, "a,,debug-threads=on", "a=b,process=kvm",
         "'; rm -rf /", " ", "a\rb\tc\x7f"]


def test_guest_names_with_escapes(daemon, box):
    with contextlib.ExitStack() as stack:
        pids = [stack.enter_context(guest(box, "", "-name", "guest=" + name, "-m", "64")) for name in NAMES]
        for inner in pids:
            see(daemon, inner)
        odd = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u202e]")
        status = daemon.status()
        assert {*pids} <= {guest["pid"] for guest in status["guests"]}
        assert not any(odd.search(str(guest["name"])) or "\n" in str(guest["name"]) for guest in status["guests"])
        assert len([line for line in daemon.placectl("status").splitlines() if "init" in line and " 1 " in line]) <= 1
        for words in (["status"], ["metrics"], *(["explain", str(pid)] for pid in pids)):
            assert not odd.search(daemon.placectl(*words))
        for name in NAMES:
            done = box.run(placectl(), "explain", name)
            assert not odd.search(done.stdout + done.stderr)
        daemon.still_answers()
    for path in (box.root / "var/log").glob("*"):
        assert not odd.search(path.read_text(errors="replace")), path


# ---- pid files -----------------------------------------------------------------------------

def test_pid_file_naming_another_process(box):
    """A pid that root's old file names has gone to a stranger's process called numad: no foreign daemon."""
    box.shell("mkdir /run/theirs; cp /bin/sleep /run/theirs/numad; cp /bin/sleep /run/theirs/placed")
    stranger = box.start(*NOBODY, "/run/theirs/numad", "1000")
    other = box.start(*NOBODY, "/run/theirs/placed", "1000")
    pid = until(lambda: box.run("pgrep", "-x", "numad").stdout.split())[0]
    (box.root / "run/numad.pid").write_text(f"{pid}\n")
    box.placed_dir.mkdir(exist_ok=True)
    (box.placed_dir / "placed.pid").write_text(until(lambda: box.run("pgrep", "-x", "placed").stdout.split())[0] + "\n")
    daemon = Daemon(box)
    daemon.still_answers()
    assert (box.root / "run/numad.pid").read_text() == f"{daemon.inner}\n"
    assert box.run(DAEMON, "-i", "0").returncode == 0
    until(lambda: not (box.root / "run/numad.pid").exists())
    for process in (stranger, other):
        assert process.poll() is None
        for inner in [*descendants(process.pid)]:
            os.kill(inner, signal.SIGKILL)
        process.communicate()
