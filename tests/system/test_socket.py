# SPDX-License-Identifier: LGPL-2.1-or-later
# The daemon's own socket and its clients, against a server with canned answers (socket_server.c): who gets
# which answer, who may steer, and what strangers, dead, stopped and lying daemons can do to either end.

"""placed and the socket of its daemon."""

import fcntl
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

from box import ANSWER, BUILD, NOBODY, answers, comm, descendants, needs_root, placectl, until

pytestmark = needs_root
SERVER = BUILD / "tests/system/socket_server"
ASK = "placed 1 advice vcpus_centi=100 memory_bytes=1048576\n"


def inner_server():
    """The program itself where libtool put a script in front of it."""
    inner = SERVER.parent / ".libs" / SERVER.name
    return inner if inner.exists() else SERVER


def kill(process):
    """What runs below an nsenter, which then ends by itself."""
    for pid in [*descendants(process.pid)]:
        os.kill(pid, signal.SIGKILL)
    process.communicate(timeout=60)


class Server:
    """A socket_server inside a box; `nodes` cannot be what this host answers by itself."""

    def __init__(self, box, nodes="1,3", delay_ms=0, name="placed"):
        self.box = box
        self.process = box.start(inner_server(), nodes, str(delay_ms), name)
        self.said = self.process.stdout.readline().strip()
        self.pid = next((pid for pid in descendants(self.process.pid) if comm(pid) == name), None)

    def connect(self):
        """A raw client, root's."""
        client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        client.settimeout(60)
        client.connect(str(self.box.placed_dir / "socket"))
        return client

    def talk(self, text):
        with self.connect() as client:
            client.send(text.encode())
            return client.recv(5000).decode()

    def counters(self):
        text = self.talk('placed 1 command verb=status argument=""\n')
        return {name: int(number) for name, number in (line.split() for line in text[5:].splitlines())}

    def wait_for(self, name, number):
        """What is bound to happen; the limit only ends a test that has failed."""
        end = time.monotonic() + 30
        while (now := self.counters())[name] < number:
            assert time.monotonic() < end, now
            time.sleep(0.05)
        return now

    def signal(self, number):
        os.kill(self.pid, number)
        if number == signal.SIGCONT:
            # nsenter stops itself when what it runs is stopped.
            self.process.send_signal(number)

    def stop(self):
        """Ends it; gives the orders it was sent."""
        if self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
        return [line for line in self.process.communicate(timeout=60)[0].splitlines() if line.startswith("order")]


@pytest.fixture
def server(box):
    made = Server(box)
    assert made.said == "ready"
    yield made
    made.stop()


def as_nobody(box, script, *arguments):
    """A Python client that runs as nobody; `connect` and `talk` are there for it."""
    head = """if True:
        import socket, sys, time, os
        def connect():
            client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            client.settimeout(60)
            client.connect("/run/placed/socket")
            return client
        def talk(text):
            with connect() as client:
                client.send(text.encode())
                return client.recv(5000).decode()
        """
    return [*NOBODY, sys.executable, "-c", head + "\n        ".join(["", *script.splitlines()]), *arguments]


def asked(box, *arguments, before=(), name="placed"):
    """The server's answer. On a crowded machine it may take longer than an asker waits; not ten times."""
    for _ in range(10):
        done = box.run(*before, f"/run/ours/{name}", *(arguments or ("-w", "1:1")))
        if done.stdout == "1,3\n":
            break
    return done


# ---- questions -----------------------------------------------------------------------------

@pytest.mark.parametrize("user", [[], NOBODY], ids=["root", "nobody"])
@pytest.mark.parametrize("name", ["placed", "numad"])
def test_the_daemon_answers(box, server, user, name):
    done = asked(box, name=name, before=user)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1,3\n", "")
    assert server.counters()["advice"] >= 1
    # Who answers logs and books.
    assert not (box.root / "var/log/numad.log").exists()
    assert not box.ledger.exists()


def test_note_of_the_daemon(box, server):
    assert server.said
    done = asked(box, "-w", "42:1")
    assert (done.returncode, done.stdout) == (0, "1,3\n")
    assert done.stderr == '/run/ours/placed: forty-two are "many"\n'


def test_recorded_host_asks_nobody(box, server):
    done = box.run("/run/ours/placed", "-w", "1:1", "--root", "/nowhere")
    assert done.returncode == 1
    assert server.counters()["advice"] == 0


def ask_forty(box):
    return [box.start("/run/ours/placed", "-w", "1:1") for _ in range(40)]


def all_answered(asking, but="1,3\n"):
    for process in asking:
        stdout, stderr = process.communicate(timeout=60)
        assert process.returncode == 0, stderr
        assert ANSWER.fullmatch(stdout) and stdout != but


def test_stopped_daemon(box, server):
    """Each finds its answer itself; when the daemon wakes up it answers, and books, for nobody."""
    before = server.counters()["advice"]
    server.signal(signal.SIGSTOP)
    all_answered(ask_forty(box))
    server.signal(signal.SIGCONT)
    assert server.wait_for("given_up", 40)["advice"] == before


def test_daemon_is_killed_meanwhile(box):
    server = Server(box, delay_ms=-1)
    asking = ask_forty(box)
    server.wait_for("advice", 1)
    server.signal(signal.SIGKILL)
    all_answered(asking)
    assert (box.placed_dir / "socket").exists()
    # What is left of it holds nobody up, and the next one takes its place.
    assert answers(box.ask()) == ""
    server = Server(box)
    assert server.said == "ready"
    assert asked(box).stdout == "1,3\n"
    server.stop()
    assert not (box.placed_dir / "socket").exists()


def test_daemon_that_never_answers(box):
    server = Server(box, delay_ms=-1)
    done = box.ask()
    answers(done)
    assert done.stdout != "1,3\n"
    # Hung up, and forgotten.
    assert server.wait_for("forgotten", 1)["given_up"] == 1
    server.stop()


def test_answer_that_comes_later(box):
    server = Server(box, delay_ms=30)
    for process in [box.start("/run/ours/placed", "-w", "1:1") for _ in range(5)]:
        stdout, _ = process.communicate(timeout=60)
        assert process.returncode == 0 and ANSWER.fullmatch(stdout)
    assert server.counters()["advice"] == 5
    server.stop()


def test_forty_at_once(box, server):
    asking = ask_forty(box)
    all_answered(asking, but=None)
    assert server.counters()["accepted"] >= 40


LIES = [b"", b"ok\n", b"ok nodes=\n", b"ok nodes=99999\n", b"ok nodes=0-\n", b"ok nodes=0 booked=maybe\n",
        b"error code=EPERM text=\"no\"\n", b"line 7\n", b"7\n", b"ok nodes=7\0\n", b"x" * 70000]


@pytest.mark.parametrize("lie", range(len(LIES)))
def test_replies_that_are_none(box, lie):
    """A root daemon gone mad: what it says is no answer, so there is another one."""
    box.shell("mkdir -m 755 /run/placed")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(box.placed_dir / "socket"))
        listener.listen(5)
        process = box.start("/run/ours/placed", "-w", "1:1")
        client, _ = listener.accept()
        with client:
            assert client.recv(5000) == ASK.encode()
            client.send(LIES[lie])
            stdout, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert ANSWER.fullmatch(stdout) and "7" not in stdout


def test_socket_of_nobody_is_not_believed(box):
    """Where /run lies open, nobody may make the folder and answer in it; root does not ask him."""
    box.shell("chmod 1777 /run")
    liar = box.start(*as_nobody(box, """
os.mkdir("/run/placed")
listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
listener.bind("/run/placed/socket")
os.chmod("/run/placed/socket", 0o777)
listener.listen(50)
print("ready", flush=True)
for i in range(2):
    client, _ = listener.accept()
    said = client.recv(5000)
    print("asked" if said else "left", flush=True)
    if said:
        client.send(b"ok nodes=7 verdict=one_node booked=yes\\n")
time.sleep(60)
"""))
    assert liar.stdout.readline() == "ready\n"
    done = box.ask()
    assert "not booked" in answers(done)
    assert "7" not in done.stdout
    assert liar.stdout.readline() == "left\n"
    # Whom he lies to is himself.
    assert box.ask(before=NOBODY).stdout == "7\n"
    assert liar.stdout.readline() == "asked\n"
    # And no daemon of root's serves there.
    refused = Server(box)
    assert "belongs to somebody else" in refused.said
    refused.process.wait()
    kill(liar)


# ---- orders --------------------------------------------------------------------------------

def test_orders_in_numads_sequence(box, server):
    done = asked(box, "-x", "5", "-u", "90", "-d", "-C", "0", "-i", "3:9", "-w", "1:1", "-t", "10", "-H", "20",
                 "-S", "1", "-K", "7", "-m", "80", "-p", "77", "-p", "78", "-R", "1")
    assert (done.returncode, done.stdout) == (0, "1,3\n")
    # It is no order, and the daemon's answer does not know of it.
    assert done.stderr.endswith(": -R is passed over: the daemon that runs has its own\n") and done.stderr.count("\n") == 1
    assert server.stop()[-12:] == [
        "order C 0 0", "order H 20 0", "order i 3 9", "order K 1 0", "order l 7 0", "order m 80 0", "order p 77 0",
        "order p 78 0", "order S 1 0", "order t 10 0", "order u 90 0", "order x 5 0"]


def test_order_alone(box, server):
    done = box.run("/run/ours/numad", "-u", "90")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert server.stop() == ["order u 90 0"]


@pytest.mark.parametrize("question", [[], ["-w", "1:1"]])
def test_refused_order(box, server, question):
    """The others are sent, the question is answered, and the status tells."""
    orders = ["-r", "5", "-u", "90"]
    done = asked(box, *orders, *question) if question else box.run("/run/ours/placed", *orders)
    assert (done.returncode, done.stdout) == (1, "1,3\n" if question else "")
    assert done.stderr == "/run/ours/placed: -r 5: Numerical result out of range\n"
    assert server.stop()[-2:] == ["order r 5 0", "order u 90 0"]


@pytest.mark.parametrize("letter", ["-C 0", "-i 1:2", "-i 0", "-u 90", "-p 1", "-x 1", "-d"])
def test_nobody_steers_nothing(box, server, letter):
    done = asked(box, *letter.split(), "-w", "1:1", before=NOBODY)
    assert (done.returncode, done.stdout) == (1, "1,3\n")
    assert done.stderr.endswith(": only root may change the running daemon\n")
    assert box.run(*NOBODY, "/run/ours/placed", *letter.split()).returncode == 1
    assert server.counters()["denied"] >= 2
    assert server.stop() == []


def test_root_of_another_user_namespace_is_nobody(box, server):
    """It calls itself root, and is told apart by the kernel."""
    script = as_nobody(box, "print(os.geteuid(), talk('placed 1 order letter=u arg1=90 arg2=0'))")
    done = box.run(*NOBODY, "unshare", "-Ur", *script[len(NOBODY):])
    if "unshare" in done.stderr:
        pytest.skip("no user namespaces for nobody here")
    assert done.stdout.startswith("0 error code=EPERM"), done
    assert server.stop() == []


def test_commands_of_nobody(box, server):
    done = box.run(*as_nobody(box, """
print(talk('placed 1 command verb=pause argument=""'), end="")
print(talk('placed 1 command verb=nonsense argument=""'), end="")
print(talk('placed 1 command verb=status argument=""'), end="")"""))
    lines = done.stdout.splitlines()
    assert lines[0] == 'error code=EPERM text="only root may do that"'
    assert lines[1].startswith("error code=EOPNOTSUPP")
    assert lines[2] == "line root 0"
    assert server.talk('placed 1 command verb=pause argument=""') == "ok\n"


# ---- a daemon that runs, and its end --------------------------------------------------------

def test_second_start(box, server):
    pid = re.search(r"NSpid:.*\t(\d+)", pathlib.Path(f"/proc/{server.pid}/status").read_text())[1]
    said = f"placed is running already, as PID {pid}\n"
    done = box.run("/run/ours/placed")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", f"/run/ours/placed: {said}")
    done = box.run("/run/ours/numad")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    # Who wants a process that stays has not got one.
    done = box.run("/run/ours/numad", "--foreground", "-u", "90")
    assert (done.returncode, done.stderr) == (1, f"/run/ours/numad: {said}")
    second = Server(box)
    assert second.said == "another process answers at /run/placed/socket"
    assert second.process.wait(timeout=60) == 1
    assert asked(box).stdout == "1,3\n"
    assert server.stop() == []


def test_stop(box):
    server = Server(box)
    done = box.run("/run/ours/placed", "-i", "0")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert server.process.wait(timeout=60) == 0
    assert not (box.placed_dir / "socket").exists()
    assert answers(box.ask()) == ""
    # Nothing to stop any more.
    done = box.run("/run/ours/placed", "-i", "0")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_stop_of_a_daemon_that_cannot_be_seen(box):
    """In another PID namespace its pid is somebody else's: the end of the connection counts."""
    server = Server(box, delay_ms=100, name="bystander")
    done = box.run("/run/ours/placed", "-i", "0")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert server.process.wait(timeout=60) == 0


def test_stop_that_takes_long(box):
    server = Server(box, delay_ms=2700)
    done = box.run("/run/ours/placed", "-i", "0", "-u", "90")
    assert (done.returncode, done.stdout) == (0, "")
    assert re.fullmatch(r"/run/ours/placed: waiting for PID \d+ to end\n", done.stderr)
    assert server.stop() == ["order i 5 0"]
    server = Server(box, delay_ms=60000)
    done = box.run("/run/ours/placed", "-i", "0")
    assert done.returncode == 1
    assert "has been told to stop, and is still there" in done.stderr
    server.stop()


@pytest.mark.parametrize("arguments", [[], ["-i", "0"], ["-u", "90"]])
def test_steering_a_stopped_daemon(box, server, arguments):
    server.signal(signal.SIGSTOP)
    done = box.run("/run/ours/placed", *arguments)
    assert done.returncode == 1
    assert "a daemon is there, but does not answer" in done.stderr
    assert server.stop() == []


# ---- the path ------------------------------------------------------------------------------

WRONG = {
    "open to all": ("mkdir -m 777 /run/placed", "or others may write into it"),
    "of somebody else": ("mkdir /run/placed; chown 65534 /run/placed", "belongs to somebody else"),
    "a link": ("mkdir /run/elsewhere; ln -s elsewhere /run/placed", "belongs to somebody else"),
    "a file": ("touch /run/placed", "belongs to somebody else"),
    "a file in the socket's place": ("mkdir /run/placed; touch /run/placed/socket", "is no socket, and is left alone"),
    "a folder in the socket's place": ("mkdir -p /run/placed/socket", "is no socket, and is left alone"),
    "a folder beside it": ("mkdir -p /run/placed/socket.new", "Is a directory"),
    "read-only /run": ("mount -o remount,ro /run", "Read-only file system"),
}


@pytest.mark.parametrize("name", WRONG)
def test_places_to_listen_that_are_none(box, name):
    spoil, said = WRONG[name]
    box.shell(spoil)
    server = Server(box)
    assert said in server.said
    assert server.process.wait(timeout=60) == 1
    answers(box.ask())


def test_modes(box):
    """Whatever umask it was started with, anybody may ask, and only root may write there."""
    server = box.start("sh", "-c", f"umask 077; exec {inner_server()} 1,3")
    assert server.stdout.readline() == "ready\n"
    assert box.placed_dir.stat().st_mode & 0o7777 == 0o755
    assert (box.placed_dir / "socket").stat().st_mode & 0o7777 == 0o666
    assert asked(box, before=NOBODY).stdout == "1,3\n"
    kill(server)


def test_path_of_another_is_left(box, server):
    """The end of a daemon takes nothing from the next one."""
    box.shell("mv /run/placed/socket /run/placed/old")
    second = Server(box)
    assert second.said == "ready"
    server.stop()
    assert asked(box).stdout == "1,3\n"
    second.stop()
    assert not (box.placed_dir / "socket").exists()


# ---- strangers -----------------------------------------------------------------------------

def test_silent_clients_go(box, server):
    """Connected, and nothing said; or one question, and no other."""
    with server.connect() as silent, server.connect() as once:
        once.send(ASK.encode())
        assert once.recv(5000).startswith(b"ok nodes=1,3 ")
        assert silent.recv(1) == b""
        assert once.recv(1) == b""
    counters = server.counters()
    assert counters["idle"] == 2
    assert counters["root"] == 1


GARBAGE = {
    "a letter": "x",
    "half an order": "placed 1 order letter=u arg1=1",
    "zeros": "\\0" * 100,
    "two": "placed 1 hello\\n" * 2,
    "a full packet": "x" * 4096,
    "more than that": "x" * 4097,
    "much more": "x" * 100000,
    "another version": "placed 9 hello",
    "a large number": "placed 1 order letter=u arg1=99999999999999999999 arg2=0",
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage(box, server, name):
    done = box.run(*as_nobody(box, f"""
with connect() as client:
    client.send("{GARBAGE[name]}".encode())
    print(client.recv(5000).decode(), end="")
    print(client.recv(5000))"""))
    assert re.fullmatch(r"error code=E[A-Z]+ text=\"[^\"]+\"\nb''\n", done.stdout), done
    assert server.counters()["malformed"] == 1
    assert asked(box).stdout == "1,3\n"


def test_a_thousand_connections_of_nobody(box, server):
    """He gets sixteen; root is answered all the while, and he himself again when he has let go."""
    flood = box.start(*as_nobody(box, """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (2000, 2000))
clients = [connect() for _ in range(1000)]
n = 0
for client in clients:
    try:
        client.send(b"placed 1 hello")
        n += client.recv(100) != b""
    except OSError:
        pass
print(n, flush=True)
input()"""), stdin=subprocess.PIPE)
    assert flood.stdout.readline() == "16\n"
    assert asked(box).stdout == "1,3\n"
    counters = server.counters()
    assert counters["refused"] == 1000 - 16
    flood.communicate("\n", timeout=60)
    server.wait_for("idle", 0)
    assert asked(box, before=NOBODY).stdout == "1,3\n"


def test_connecting_without_end(box, server):
    """As fast as two processes can: root's answers come from the daemon all the same."""
    flood = [box.start(*as_nobody(box, """
print("ready", flush=True)
while True:
    try:
        connect().send(b"placed 1 advice vcpus_centi=1 memory_bytes=1")
    except OSError:
        pass""")) for _ in range(2)]
    for process in flood:
        assert process.stdout.readline() == "ready\n"
    for _ in range(20):
        assert answers(box.ask()) == ""
    assert asked(box).stdout == "1,3\n"
    for process in flood:
        kill(process)
    assert asked(box).stdout == "1,3\n"
    assert server.counters()["strangers"] == 0


def test_strangers_of_many_names(box, server):
    """Sixteen of each, and all together no more than 128; the rest is root's."""
    box.shell("mount -t tmpfs tmpfs /mnt")
    script = as_nobody(box, """
clients = [connect() for _ in range(16)]
for client in clients:
    try:
        client.send(b"placed 1 hello")
        client.recv(100)
    except OSError:
        pass
print("ready", flush=True)
for client in clients * 1000:
    try:
        client.send(b"placed 1 hello")
        client.recv(100)
        time.sleep(0.1)
    except OSError:
        pass""")[len(NOBODY):]
    crowd = [box.start("setpriv", "--reuid", str(30000 + i), "--clear-groups", *script) for i in range(10)]
    for process in crowd:
        assert process.stdout.readline() == "ready\n"
    counters = server.counters()
    assert counters["strangers"] <= 128
    assert counters["refused"] >= 32
    assert asked(box).stdout == "1,3\n"
    for process in crowd:
        kill(process)


def test_reader_that_sleeps(box, server):
    """Long replies that nobody reads: bounded, dropped in time, and no one else waits for them."""
    sleeper = box.start(*as_nobody(box, """
clients = [connect() for _ in range(8)]
for client in clients:
    client.send(b'placed 1 command verb=long argument="4000000"')
replies = [client.recv(5000)[:16].decode().split(" text")[0] for client in clients]
print(sum(reply.startswith("line ") for reply in replies), replies.count("error code=EBUSY"), flush=True)
input()"""), stdin=subprocess.PIPE)
    # Two fit into what strangers may leave unread; more have had their turn only where time has gone by.
    n_lines, n_busy = map(int, sleeper.stdout.readline().split())
    assert n_lines + n_busy == 8 and n_busy
    assert asked(box).stdout == "1,3\n"
    server.wait_for("slow", 2)
    sleeper.communicate("\n", timeout=60)
    done = box.run(*as_nobody(box, """
with connect() as client:
    client.send(b'placed 1 command verb=long argument="4000000"')
    n = 0
    while (packet := client.recv(5000)) != b"ok\\n":
        n += len(packet) - 5
print(n)"""))
    assert done.stdout == "4000000\n", done


def test_no_descriptor_left(box):
    """It sheds connections then, and serves when there are some again."""
    server = box.start("prlimit", "--nofile=40", inner_server(), "1,3")
    assert server.stdout.readline() == "ready\n"
    clients = []
    for _ in range(60):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        client.settimeout(60)
        client.connect(str(box.placed_dir / "socket"))
        clients.append(client)
    # The last ones were let go at once.
    assert clients[-1].recv(1) == b""
    answers(box.ask())
    for client in clients:
        client.close()
    assert asked(box).stdout == "1,3\n"
    kill(server)


# ---- the daemon itself ---------------------------------------------------------------------

@pytest.fixture
def daemon(box):
    """The real one, which books; it moves nothing."""
    process = box.start(BUILD / "daemon/placed", "--foreground", "--dry-run", stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL)
    until((box.placed_dir / "socket").exists, "the daemon")
    yield next(pid for pid in descendants(process.pid) if comm(pid) == "placed")
    for pid in descendants(process.pid):
        os.kill(pid, signal.SIGCONT)
    process.send_signal(signal.SIGCONT)
    box.run("/run/ours/placed", "-i", "0")
    process.communicate(timeout=60)


def answered_by(box):
    done = box.run(*as_nobody(box, """
with connect() as client:
    client.send(b'placed 1 command verb=metrics argument=""')
    while (packet := client.recv(5000)).startswith(b"line "):
        print(packet[5:].decode(), end="")"""))
    return int(re.search(r"^placed_answers_total (\d+)$", done.stdout, re.M)[1])


def count_unbooked(asking):
    n_said = 0
    for process in asking:
        stdout, stderr = process.communicate(timeout=60)
        assert process.returncode == 0 and ANSWER.fullmatch(stdout), stderr
        n_said += "not booked" in stderr or "nothing holds the request" in stderr
    return n_said


def test_forty_at_once_are_booked_once(box, daemon):
    """Whoever answers, the daemon or in the crowd the asker itself: one ledger, one promise each."""
    assert daemon
    n_unbooked = count_unbooked(ask_forty(box))
    # What the daemon could not write at once it may have written since.
    assert 40 - n_unbooked <= len(box.promises()) <= 40
    assert answered_by(box) >= 1


def test_stopped_and_woken_up(box, daemon):
    """What was asked while it slept was answered elsewhere; the daemon finds those promises, and adds none."""
    answers(box.ask())
    assert answered_by(box) == 1
    os.kill(daemon, signal.SIGSTOP)
    n_unbooked = count_unbooked(ask_forty(box))
    assert len(box.promises()) + n_unbooked == 41
    os.kill(daemon, signal.SIGCONT)
    assert answered_by(box) == 1
    n_unbooked += "nothing holds" in answers(box.ask())
    assert answered_by(box) == 2
    assert len(box.promises()) + n_unbooked == 42


NO_ROOM = "nothing holds the request"
NOT_YET = "the ledger cannot be written: the answer is not booked yet"


def said_by_daemon(box, request):
    """What it notes while it cannot have the lock; on a crowded machine the asker does not always wait for it."""
    for _ in range(20):
        said = answers(box.ask(request))
        if NOT_YET in said or NO_ROOM in said:
            return said
    return pytest.fail("the daemon never answered")


def usable_mib(box):
    done = box.run(placectl(), "advise", "1:1", "--json")
    return [int(number) >> 20 for number in re.findall(r'"usable_bytes":\s*(\d+)', done.stdout)]


def test_lock_is_held_by_another(box, daemon):
    """Promises that cannot be written count all the same: two guests of which there is room for one."""
    assert daemon
    large_mib = sum(usable_mib(box)) * 6 // 10
    answers(box.ask())
    heading = box.ledger.read_text().splitlines(True)[0]
    with open(box.placed_dir / "lock", "r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert NOT_YET in said_by_daemon(box, f"1:{large_mib}")
        assert NO_ROOM in said_by_daemon(box, f"2:{large_mib}")
        # Nor are they lost where somebody else writes.
        now_ns = int(float(pathlib.Path("/proc/uptime").read_text().split()[0]) * 10**9)
        box.ledger.write_text(f"{heading}booked_ns {now_ns} vcpus_centi 200 memory_bytes {2 << 20} pid 0 start_ns 0 "
                              "seen_ns 0 nodes 0\n")
        assert NO_ROOM in said_by_daemon(box, f"2:{large_mib}")
        assert len(box.promises()) == 1

    def is_written():
        answers(box.ask("3:3"))
        return large_mib in [promise[2] >> 20 for promise in box.promises()]
    until(is_written, "the promise in the ledger")
    assert {2, 3} <= {promise[2] >> 20 for promise in box.promises()}
    assert [promise[2] >> 20 for promise in box.promises()].count(large_mib) == 1


def test_nobody_books_nothing(box, daemon):
    assert daemon
    assert answers(box.ask(before=NOBODY)) == ""
    assert answered_by(box) == 1
    assert not box.ledger.exists() or box.promises() == []


def test_ledger_of_others_counts(box, daemon):
    """Written behind the daemon's back, by whoever could not wait for it."""
    assert daemon
    done = box.run("/run/ours/placed", "-w", "1:1")
    boot = box.ledger.read_text().splitlines()[0]
    now_ns = int(float(pathlib.Path("/proc/uptime").read_text().split()[0]) * 10**9)
    box.ledger.write_text(boot + f"\nbooked_ns {now_ns} vcpus_centi 100 memory_bytes {1 << 50} pid 0 start_ns 0 "
                                 f"seen_ns 0 nodes {done.stdout}")
    assert "nothing holds the request" in answers(box.ask())
    assert [promise[2] for promise in box.promises()] == [1 << 50]
