# SPDX-License-Identifier: LGPL-2.1-or-later
# numad's message queues, with Debian's numad as the foreign client and as the foreign daemon, and with
# users who would like to steer either. queue_server has the daemon's queues and canned answers.

"""Foreign numads, and what strangers may do to the queues."""

import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest

from box import BUILD, NOBODY, answers, needs_root, until
from foreign import KEYS, POWERLESS, do, fixture_numad, needs_numad, outer_pid, queues, sysv  # noqa: F401

SERVER = BUILD / "tests/system/queue_server"
ASK_FOREIGN = BUILD / "tests/system/ask_foreign"

pytestmark = needs_root
both = pytest.mark.parametrize("generation", KEYS)


class Server:
    """queue_server in a box, spoken to over its stdin."""

    def __init__(self, box, nodes="0-1", before=()):
        self.box = box
        self.process = box.start(*before, SERVER, nodes, stdin=subprocess.PIPE)
        self.lines = []
        self.wait_for("ready")
        self.pid = int((box.root / "run/numad.pid").read_text())

    def wait_for(self, beginning):
        """The next line that begins so; those before it are kept in lines."""
        for line in self.process.stdout:
            line = line.rstrip("\n")
            if line.startswith(beginning):
                return line
            self.lines.append(line)
        return pytest.fail(f"no line {beginning}: {self.lines} {self.process.stderr.read()}")

    def say(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def counters(self):
        self.say("counters")
        return {key: int(number) for key, number in re.findall(r"(\w+)=(\d+)", self.wait_for("counters"))}

    def counted(self, **expected):
        """Waits until these counters have these values."""
        def check():
            found = self.counters()
            return all(found[key] == number for key, number in expected.items())
        until(check)

    def stop(self):
        """Ends it; gives what it said on stderr."""
        self.say("stop")
        rest, errors = self.process.communicate(timeout=60)
        assert rest.endswith("stopped\n"), (rest, errors)
        assert self.process.returncode == 0
        self.lines += rest.splitlines()
        return errors


# ---- a foreign client asks us --------------------------------------------------------------

@needs_numad
@both
def test_foreign_client_is_answered(box, numad, generation):
    server = Server(box, "0,2-3")
    done = box.run(numad[generation], "-w", "2.5:100")
    assert (done.returncode, done.stdout) == (0, "0,2-3\n")
    assert server.wait_for("ask") == "ask 250 104857600"
    server.counted(answers=1, served=2)
    assert not server.stop()
    assert not queues(box)
    assert not (box.root / "run/numad.pid").exists()


@needs_numad
def test_thirty_one_after_another(box, numad):
    server = Server(box)
    for _ in range(30):
        assert box.run(numad["2015"], "-w", "2:100").stdout == "0-1\n"
    server.counted(answers=30)


# What both releases send: the letter, arg1, arg2.
ORDERS = {"-u 90": "u 90 0", "-i 5:20": "i 5 20", "-i 20": "i 5 20", "-x 1": "x 1 0", "-C 0": "C 0 0",
          "-H 100": "H 100 0", "-K 1": "K 1 0", "-l 7": "l 7 0", "-m 80": "m 80 0", "-p 1": "p 1 0", "-r 1": "r 1 0",
          "-S 0": "S 0 0", "-t 50": "t 50 0", "-i 0": "i 5 0"}


@needs_numad
@both
def test_orders_arrive(box, numad, generation):
    server = Server(box)
    for option, words in ORDERS.items():
        assert box.run(numad[generation], *option.split()).returncode == 0
        assert server.wait_for("order") == f"order {words} root"
    server.counted(orders=len(ORDERS))


@needs_numad
@both
def test_long_answer_is_shortened(box, numad, generation):
    """A reply of 96 characters would end the client, and each client of 2015 after it."""
    nodes = [str(node) for node in range(0, 120, 2)]
    server = Server(box, ",".join(nodes))
    for _ in range(3):
        done = box.run(numad[generation], "-w", "200:1")
        found = done.stdout.rstrip("\n").split(",")
        assert done.returncode == 0
        assert 60 < len(done.stdout) <= 96 and set(found) <= set(nodes)
    server.counted(answers=3, shortened=3)


@needs_numad
def test_without_capabilities(box, numad):
    """What the daemon keeps is enough, even to make a queue anew and to remove it at the end."""
    server = Server(box)
    server.say("drop")
    assert server.wait_for("dropped") == "dropped 0"
    status = box.run("sh", "-c", f"grep -h CapEff /proc/{server.pid}/task/*/status").stdout.split()
    kept = f"{1 << 2 | 1 << 19 | 1 << 23:016x}"
    assert sorted(status[1::2]) == ["0" * 16, "0" * 16, kept]
    assert box.run(numad["2015"], "-w", "2:100").stdout == "0-1\n"
    do(box, "remove", "2015")
    server.counted(served=2, anew=1)
    assert box.run(numad["2015"], "-w", "2:100").stdout == "0-1\n"
    server.stop()
    assert not queues(box)


@needs_numad
@both
def test_stop_sends_waiting_clients_home(box, numad, generation):
    server = Server(box)
    server.say("hold")
    client = box.start(numad[generation], "-w", "2:100")
    server.wait_for("ask")
    server.stop()
    assert client.wait(timeout=60) == 1
    assert not queues(box)


def test_next_start_after_a_kill(box):
    """What a killed one left, messages and all, is nobody's business any more."""
    server = Server(box)
    server.say("hold")
    do(box, "send", "2015", server.pid, 1, "w", 100, 1)
    server.wait_for("ask")
    do(box, "fill", "2015", 1)
    os.kill(outer_pid(box, server.pid), signal.SIGKILL)
    server.process.wait()
    assert int(queues(box)["2015"]["qnum"]) > 100
    server = Server(box)
    assert {row["qnum"] for row in queues(box).values()} == {"0"}
    assert not server.stop()


# ---- strangers -----------------------------------------------------------------------------

@both
def test_queue_created_in_advance(box, generation):
    do(box, "make", generation, "666", before=NOBODY)
    do(box, "send", generation, 1, 1, "i", 0, 0, before=NOBODY)
    assert queues(box)[generation]["uid"] == "65534"
    server = Server(box)
    assert {(row["uid"], row["cuid"], row["perms"], row["qnum"]) for row in queues(box).values()} == \
        {("0", "0", "600", "0")}
    server.counted(served=2)
    assert "a queue that others made or might use was replaced" in server.stop()


def test_queue_given_to_root_in_advance(box):
    """Its maker may still change it, whoever owns it now."""
    do(box, "make", "2015", "666", before=NOBODY)
    do(box, "mode", "2015", "666")
    server = Server(box)
    assert queues(box)["2015"]["cuid"] == "0"
    server.stop()


@both
def test_queue_left_by_root(box, generation):
    """Made anew; kept and emptied where a stranger's could not be removed should he be quicker."""
    for before, is_kept in ([], False), (POWERLESS, True):
        do(box, "make", generation, "660")
        do(box, "raw", generation, 1, 200)
        do(box, "fill", generation, 1)
        old = queues(box)[generation]["msqid"]
        server = Server(box, before=before)
        now = queues(box)[generation]
        assert (now["perms"], now["qnum"], now["msqid"] == old) == ("600", "0", is_kept)
        server.counted(served=2)
        assert not server.stop()
        assert not queues(box)


@needs_numad
def test_queue_created_in_advance_without_rights(box, numad):
    """It is not served, the log says so, the other one is; and it is served when it has gone."""
    do(box, "make", "2015", "666", before=NOBODY)
    server = Server(box, before=POWERLESS)
    server.counted(served=1)
    assert queues(box)["2015"]["uid"] == "65534"
    assert box.run(numad["2025"], "-w", "2:100").stdout == "0-1\n"
    do(box, "send", "2015", server.pid, 1, "u", 1, 0, before=NOBODY)
    server.counted(orders=0, answers=1)
    do(box, "remove", "2015", before=NOBODY)
    server.counted(served=2)
    assert queues(box)["2015"]["uid"] == "0"
    errors = server.stop()
    assert errors.count("not served: others made it or may use it") == 1
    assert "owner=65534" in errors


@both
def test_strangers_can_do_nothing(box, generation):
    server = Server(box)
    server.say("hold")
    do(box, "send", generation, server.pid, 77, "w", 100, 1)
    server.wait_for("ask")
    server.say("release")
    until(lambda: queues(box)[generation]["qnum"] == "1")
    attempts = {"forged order": ("send", generation, server.pid, 1, "i", 0, 0),
                "forged request": ("send", generation, server.pid, 1, "w", 100, 1),
                "forged reply": ("send", generation, 77, server.pid, "w", 0, 0, "0-1023"),
                "200-byte message": ("raw", generation, server.pid, 200),
                "stolen reply": ("take", generation, 77),
                "filled": ("fill", generation, 1),
                "removed": ("remove", generation),
                "opened to all": ("mode", generation, "666")}
    for name, arguments in attempts.items():
        done = sysv(box, *arguments, before=NOBODY)
        assert done.returncode == 1 and done.stderr.strip() in ("EACCES", "EPERM"), name
    server.counted(answers=1, orders=0, long=0, malformed=0, unknown=0, anew=0)
    assert do(box, "take", generation, 77) == f"{server.pid} 119 0 0 0-1\n"


# ---- what root may send by mistake ---------------------------------------------------------

@both
def test_odd_messages(box, generation):
    server = Server(box)
    pid = server.pid
    do(box, "raw", generation, pid, 200)
    do(box, "raw", generation, pid, 129)
    do(box, "raw", generation, pid, 8000)
    server.counted(long=3)
    for size in (0, 1, 8, 32):
        do(box, "raw", generation, pid, size)
    server.counted(malformed=4)
    # A reply to itself would be its next request.
    do(box, "send", generation, pid, pid, "w", 100, 1)
    do(box, "send", generation, pid, 0, "w", 100, 1)
    do(box, "send", generation, pid, -5, "w", 100, 1)
    do(box, "send", generation, pid, 1, "u", 1 << 40, 0)
    server.counted(malformed=8)
    for letter in ("q", "R", "V", 0, -1, 256 + ord("w"), 1 << 62):
        do(box, "send", generation, pid, 1, letter, 0, 0)
    server.counted(unknown=7)
    do(box, "send", generation, pid, 1, "u", 0, 0)
    server.counted(refused=1)
    # Impossible sizes are answered: who asked waits.
    do(box, "send", generation, pid, 77, "w", -1, 1 << 62)
    assert server.wait_for("ask") == f"ask 0 {0x7fffffff << 20}"
    server.counted(answers=1, long=3, malformed=8, unknown=7)
    assert do(box, "take", generation, 77) == f"{pid} 119 0 0 0-1\n"
    server.stop()


@needs_numad
@both
def test_queue_removed_in_the_middle(box, numad, generation):
    server = Server(box)
    for i in range(3):
        server.say("hold")
        client = box.start(numad[generation], "-w", "2:100")
        server.wait_for("ask")
        do(box, "remove", generation)
        assert client.wait(timeout=60) == 1
        server.counted(served=2, anew=i + 1)
        server.say("release")
        server.counted(lost=i + 1)
        assert box.run(numad[generation], "-w", "2:100").stdout == "0-1\n"
    server.counted(answers=3)


@needs_numad
def test_queue_full_of_messages_to_the_dead(box, numad):
    server = Server(box)
    server.say("hold")
    client = box.start(numad["2015"], "-w", "2:100")
    server.wait_for("ask")
    do(box, "fill", "2015", 4000000)
    server.say("release")
    assert client.wait(timeout=60) == 0
    assert client.stdout.read() == "0-1\n"
    server.counted(answers=1, full=0)
    assert server.counters()["swept"] > 100


@needs_numad
def test_queue_full_of_messages_to_the_living(box, numad):
    """A reply is dropped, nobody waits, and in the end the queue is made anew."""
    server = Server(box)
    server.say("hold")
    client = box.start(numad["2015"], "-w", "2:100")
    server.wait_for("ask")
    do(box, "fill", "2015", 1)
    server.say("release")
    server.counted(full=1, answers=0)
    assert box.run(numad["2025"], "-w", "2:100").stdout == "0-1\n"
    server.counted(anew=1, served=2)
    assert client.wait(timeout=60) == 1
    assert box.run(numad["2015"], "-w", "2:100").stdout == "0-1\n"
    errors = server.stop()
    assert errors.count("a reply was dropped") == 1 and "stayed full" in errors


@needs_numad
def test_message_that_stops_all_clients(box, numad):
    """numad of 2015 empties the queue and never gets past 200 bytes, whoever they are for."""
    server = Server(box)
    do(box, "send", "2015", 1, 77, "w", 0, 0, "first of its pid")
    do(box, "raw", "2015", 1, 200)
    do(box, "raw", "2015", 4000000, 200)
    do(box, "raw", "2015", os.getpid(), 7000)
    client = box.start(numad["2015"], "-w", "2:100")
    assert client.wait(timeout=60) == 0
    assert client.stdout.read() == "0-1\n"
    server.counted(answers=1)


def test_many_open_questions(box):
    """More than are taken at once: the rest waits in the queue, and all are answered."""
    server = Server(box)
    server.say("hold")
    for generation in KEYS:
        do(box, "asks", generation, server.pid, 1000, 100)
    server.say("release")
    server.counted(answers=200)
    for generation in KEYS:
        for source in (1000, 1050, 1099):
            assert do(box, "take", generation, source).endswith(" 0-1\n")
    server.stop()


def test_stop_with_open_questions(box):
    server = Server(box)
    server.say("hold")
    do(box, "asks", "2015", server.pid, 1000, 300)
    for _ in range(64):
        server.wait_for("ask")
    assert not server.stop()
    assert server.lines.count("forget") == 64
    assert not queues(box)


# ---- we ask a foreign daemon ---------------------------------------------------------------

def ask_foreign(box, deadline_ms=20000, before=()):
    return box.run(*before, ASK_FOREIGN, "1:100", deadline_ms)


def expect_error(box, name, deadline_ms=20000, before=()):
    done = ask_foreign(box, deadline_ms, before)
    assert (done.returncode, done.stdout, done.stderr.strip()) == (1, "", name)


@pytest.fixture(name="foreign_daemon", params=["2015", "2025"])
def fixture_foreign_daemon(box, numad, request):
    """Debian's numad as a daemon; its pid inside the box."""
    assert box.run(numad[request.param], "-i", "5:15").returncode == 0
    pid = until(lambda: (box.root / "run/numad.pid").exists() and (box.root / "run/numad.pid").read_text())
    until(lambda: request.param in queues(box))
    return int(pid), request.param


@needs_numad
def test_foreign_daemon_answers(box, foreign_daemon):
    _, generation = foreign_daemon
    for _ in range(10):
        answers(ask_foreign(box))
    assert queues(box)[generation]["qnum"] == "0"


def halt(box, pid):
    """Stops it, and waits until each of its threads has stopped."""
    pid = outer_pid(box, pid)
    os.kill(pid, signal.SIGSTOP)
    until(lambda: all(re.search(r"^State:\s+T", status.read_text(), re.M)
                      for status in pathlib.Path(f"/proc/{pid}/task").glob("*/status")))


ADVICE = "Getting NUMA pre-placement advice for"


def n_asked(box):
    """How often the foreign daemon was asked, by its log."""
    return (box.root / "var/log/numad.log").read_text().count(ADVICE)


@needs_numad
def test_placed_asks_the_foreign_daemon(box, foreign_daemon):
    """Also many at once: no client of ours takes what is another's."""
    _, generation = foreign_daemon
    answers(box.ask("1:64"))
    until(lambda: n_asked(box) == 1)
    clients = [box.start("/run/ours/placed", "-w", "1:64") for _ in range(40)]
    for client in clients:
        out, errors = client.communicate(timeout=60)
        assert client.returncode == 0 and out.strip(), errors
    assert n_asked(box) > 1

    def is_tidy():
        """Answers that come too late are taken out by whoever asks next."""
        answers(box.ask("1:64"))
        return queues(box)[generation]["qnum"] == "0"
    until(is_tidy)


@needs_numad
def test_placed_answers_where_the_foreign_daemon_does_not(box, foreign_daemon):
    pid, generation = foreign_daemon
    halt(box, pid)
    answers(box.ask("1:64"))
    assert n_asked(box) == 0
    assert queues(box)[generation]["qnum"] == "0"
    do(box, "remove", generation)
    answers(box.ask("1:64"))


@needs_numad
def test_foreign_daemon_beside_the_queue_of_the_other_release(box, foreign_daemon):
    """A one-shot numad of the other release left its queue: the right one is asked."""
    _, generation = foreign_daemon
    do(box, "make", "2015" if generation == "2025" else "2025", "660")
    answers(ask_foreign(box))
    assert {row["qnum"] for row in queues(box).values()} == {"0"}


@needs_numad
def test_foreign_daemon_that_is_stopped(box, foreign_daemon):
    """Our request is taken back, others' messages stay."""
    pid, generation = foreign_daemon
    halt(box, pid)
    do(box, "send", generation, 1, pid, "w", 0, 0, "somebody's reply")
    do(box, "send", generation, 77, pid, "w", 0, 0, "the reply of one who has gone")
    expect_error(box, "ETIMEDOUT", 200)
    assert queues(box)[generation]["qnum"] == "1"
    os.kill(outer_pid(box, pid), signal.SIGCONT)
    assert ask_foreign(box).returncode == 0
    assert "somebody's reply" in do(box, "take", generation, 1)


@needs_numad
def test_foreign_daemon_and_strangers(box, foreign_daemon):
    _, generation = foreign_daemon
    expect_error(box, "EACCES", before=NOBODY)
    (box.root / "run/numad.pid").chmod(0o666)
    expect_error(box, "EPERM")
    (box.root / "run/numad.pid").chmod(0o644)
    do(box, "mode", generation, "666")
    expect_error(box, "EPERM")


def false_numad(box, user=()):
    """A process that is called numad and does nothing, named by the pid file."""
    path = box.root / "run/false"
    path.mkdir()
    shutil.copy("/bin/sleep", path / "numad")
    process = box.start(*user, "/run/false/numad", "1000")
    pid = until(lambda: [int(word) for word in box.run("pgrep", "-x", "numad").stdout.split()])[0]
    (box.root / "run/numad.pid").write_text(f"{pid}\n")
    return process, pid


def test_no_foreign_daemon(box):
    pid_file = box.root / "run/numad.pid"
    expect_error(box, "ENOENT")
    for text in ("", "\n", "hello\n", "0\n", "-1\n", "1 2\n", "4000000\n", "99999999999999999999\n"):
        pid_file.write_text(text)
        expect_error(box, "ENOENT")
    # The pid of another process; a link; something that waits for a writer.
    pid_file.write_text("1\n")
    expect_error(box, "ENOENT")
    pid_file.rename(box.root / "run/elsewhere")
    pid_file.symlink_to("elsewhere")
    expect_error(box, "ELOOP")
    pid_file.unlink()
    os.mkfifo(pid_file)
    expect_error(box, "EPERM")


def test_our_own_daemon_is_not_foreign(box):
    """Called numad, it has the name and the pid file."""
    server = Server(box)
    expect_error(box, "ENOENT")
    server.stop()
    path = box.root / "run/own"
    path.mkdir()
    shutil.copy("/bin/sleep", path / "placed")
    (path / "numad").symlink_to("placed")
    process = box.start("/run/own/numad", "1000")
    pid = until(lambda: box.run("pgrep", "-x", "numad").stdout.strip())
    (box.root / "run/numad.pid").write_text(f"{pid}\n")
    do(box, "make", "2015", "600")
    expect_error(box, "ENOENT")
    process.kill()
    process.wait()


def test_false_numad_of_a_stranger(box):
    process, _ = false_numad(box, NOBODY)
    expect_error(box, "EPERM")
    do(box, "make", "2015", "666", before=NOBODY)
    expect_error(box, "EPERM")
    process.kill()
    process.wait()


def test_queue_of_a_stranger_is_not_asked(box):
    process, _ = false_numad(box)
    expect_error(box, "ENOENT")
    do(box, "make", "2015", "666", before=NOBODY)
    expect_error(box, "EPERM")
    assert queues(box)["2015"]["qnum"] == "0"
    # Which of two it would read, nobody can tell.
    do(box, "remove", "2015")
    do(box, "make", "2015", "600")
    do(box, "make", "2025", "660")
    expect_error(box, "ENOTUNIQ")
    do(box, "remove", "2025")
    expect_error(box, "ETIMEDOUT", 100)
    do(box, "fill", "2015", 1)
    expect_error(box, "EAGAIN")
    process.kill()
    process.wait()


REPLIES = {"nodes that this host does not have": (0, "w", "0-1023"), "no nodeset": (0, "w", "all"),
           "nothing": (0, "w", ""), "another command": (0, "u", "0"), "another sender": (1, "w", "0")}


@pytest.mark.parametrize("name", REPLIES)
def test_odd_replies(box, name):
    process, pid = false_numad(box)
    offset, letter, text = REPLIES[name]
    do(box, "make", "2015", "600")
    client = box.start(ASK_FOREIGN, "1:100", "20000")
    source = until(lambda: sysv(box, "take", "2015", pid).stdout.split())[0]
    do(box, "send", "2015", source, pid + offset, letter, 0, 0, text)
    assert client.wait(timeout=60) == 1
    assert client.stderr.read() == "EBADMSG\n"
    assert queues(box)["2015"]["qnum"] == "0"
    process.kill()
    process.wait()
