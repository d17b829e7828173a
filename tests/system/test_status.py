# SPDX-License-Identifier: LGPL-2.1-or-later
# placectl against the daemon's own socket and report, before a host that is made up: tables and
# JSON of guests with names that no libvirt would take, and what is said when nobody answers.

"""placectl status, explain, doctor, metrics, pause and resume."""

import json
import os
import re
import signal
import subprocess

import pytest

from box import BUILD, NOBODY, descendants, environment, needs_root, placectl

pytestmark = needs_root

SERVER = BUILD / "tests/system/report_server"
HOSTILE = [b"a\"b", b"a\\b", b"[x] (y)", b"{\"bytes\": 1}", b"n\nguest pid=1 name=\"forged\"", b"\x1b[2J\x07",
           b"\xff\xfe", b"b\xc3\xbcro", b"\xe2\x80\xaeevil", b"a\tb", b" lead and trail ", b"%s%n%d", b"</script>", b"\x7f",
           b"x" * 127, b"\xff" * 127, b"1000", b"=", b"'"]
# What placectl shows where a name is no plain text.
SHOWN = {b"n\nguest pid=1 name=\"forged\"": "n\\x0aguest pid=1 name=\\x22forged\\x22", b"\x1b[2J\x07": "\\x1b[2J\\x07",
         b"\xff\xfe": "\\xff\\xfe", b"\xe2\x80\xaeevil": "\\xe2\\x80\\xaeevil", b"a\tb": "a\\x09b", b"\x7f": "\\x7f",
         b"\xff" * 127: "\\xff" * 127}


def shown(name):
    return SHOWN[name] if name in SHOWN else name.decode()


class Server:
    """The report server inside a box, and placectl beside it."""

    def __init__(self, box, *names, findings="k"):
        self.box = box
        self.process = subprocess.Popen([*box.command(SERVER), *names], stdout=subprocess.PIPE,
                                        env=environment(FINDINGS=findings))
        assert self.process.stdout.readline() == b"ready\n"

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def run(self, *arguments, before=(), **more):
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": 60,
                   "check": False, "env": environment(LC_ALL="C.UTF-8"), **more}
        return subprocess.run([*self.box.command(*before, placectl()), *arguments], **options)

    def json(self, *arguments, status=0):
        done = self.run(arguments[0], "--json", *arguments[1:])
        assert (done.returncode, done.stderr) == (status, b"")
        return json.loads(done.stdout.decode())


@pytest.fixture
def serve(box):
    servers = []

    def start(*names, **more):
        servers.append(Server(box, *names, **more))
        return servers[-1]
    yield start
    for server in servers:
        server.close()


def test_json_shape(serve):
    status = serve(b"web1", b"web2").json("status")
    assert set(status) == {"nodes", "guests", "cells", "moves", "promises", "findings", "daemon"}
    assert [node["node"] for node in status["nodes"]] == [0, 8]
    assert status["nodes"][0]["free_bytes"] == 40 << 30
    assert status["nodes"][0]["pool_free_pages"] == {"2048": 7, "1048576": 0}
    assert status["nodes"][1]["free_bytes"] is None
    first, second = status["guests"]
    assert first.items() >= {
        "pid": 1000, "name": "web1", "class": "free", "vcpus": 2, "memory_bytes": 4 << 30, "uuid": None,
        "bytes": {"0": 3 << 30, "8": 1 << 30}, "bytes_source": "samples", "run_permille": {"0": 0, "8": 1000},
        "busy_millicpu": 1830, "remote_permille": 750, "sure_permille": 900, "evidence": "residency",
        "verdict": "moving", "reason": "is being moved"}.items()
    assert second.items() >= {
        "pid": 1001, "name": "web2", "class": "unreadable", "vcpus": None, "bytes": None, "remote_permille": None,
        "evidence": None, "verdict": "class"}.items()
    assert status["moves"][0].items() >= {
        "pid": 1000, "name": "web1", "from": "0", "to": 8, "state": "running", "planned_bytes": 3 << 30,
        "moved_bytes": 1 << 30}.items()
    assert status["findings"][0]["what"] == "ksm_across_nodes"
    assert status["promises"] == []
    assert status["daemon"].items() >= {"version": "9.9", "pid": 4711, "mode": "active"}.items()


def test_hostile_names_in_json(serve):
    status = serve(*HOSTILE).json("status")
    assert [guest["name"] for guest in status["guests"]] == [shown(name) for name in HOSTILE]
    assert [guest["pid"] for guest in status["guests"]] == list(range(1000, 1000 + len(HOSTILE)))
    assert {json.dumps(guest["bytes"]) for guest in status["guests"]} == {
        "null", json.dumps({"0": 3 << 30, "8": 1 << 30})}


def test_hostile_names_in_tables(serve):
    done = serve(*HOSTILE).run("status")
    assert done.returncode == 0
    text = done.stdout.decode()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", text)
    lines = text.splitlines()
    rows = lines[next(i for i, line in enumerate(lines) if line.startswith("GUEST")) + 1:][:len(HOSTILE)]
    for i, (name, row) in enumerate(zip(HOSTILE, rows)):
        assert row.startswith(shown(name)), row
        assert f" {1000 + i} " in row


@pytest.mark.parametrize("i", range(len(HOSTILE)))
def test_explain_hostile_names(serve, i):
    server = serve(b"first", b"second", HOSTILE[i])
    wanted = 1000 if HOSTILE[i] == b"1000" else 1002
    assert [guest["pid"] for guest in server.json("explain", "--", HOSTILE[i])["guests"]] == [wanted]


def test_explain(serve):
    server = serve(b"web1", b"web2", b"web1")
    explained = server.json("explain", "web1")
    assert [guest["pid"] for guest in explained["guests"]] == [1000, 1002]
    assert {said["pid"] for said in explained["because"]} == {1000, 1002}
    topics = [said["topic"] for said in explained["because"] if said["pid"] == 1000]
    assert set(topics) >= {"class", "memory", "cpu", "evidence", "verdict", "next_page"}
    assert [move["pid"] for move in explained["moves"]] == [1000]
    assert [guest["pid"] for guest in server.json("explain", "1001")["guests"]] == [1001]
    # What explains a guest stands between it and the next one.
    lines = server.run("explain", "web1").stdout.decode().splitlines()
    heads = [line.split()[0] for line in lines if line and line.split()[0].isupper()]
    assert heads == ["GUEST", "GUEST", "TOPIC", "GUEST", "TOPIC"]


def test_doctor_and_metrics(serve):
    server = serve(*HOSTILE)
    assert [finding["what"] for finding in server.json("doctor", status=1)["findings"]] == ["ksm_across_nodes"]
    done = server.run("metrics")
    assert done.returncode == 0
    label = r'[a-z]+="([^"\\\n]|\\.)*"'
    samples = [line for line in done.stdout.decode().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(rf"placed_[a-z_]+(\{{{label}(,{label})*\}})? [0-9.]+", line) for line in samples)
    assert len(samples) == len({line.rpartition(" ")[0] for line in samples})
    assert sum(line.startswith("placed_guest_verdict{") for line in samples) == len(HOSTILE)


@pytest.mark.parametrize("findings, status, first", [
    ("", 0, b"OK: nothing was found"), ("n", 0, b"OK: 1 notice"), ("k", 1, b"WARNING: 1 warning"),
    ("nkk", 1, b"WARNING: 2 warnings, 1 notice"), ("un", 3, b"UNKNOWN: 1 unknown, 1 notice"),
    ("uk", 1, b"WARNING: 1 warning, 1 unknown"), ("c", 2, b"CRITICAL: 1 critical finding"),
    ("knc", 2, b"CRITICAL: 1 critical finding, 1 warning, 1 notice")])
def test_doctor_exits_as_monitoring_plugins_do(serve, findings, status, first):
    server = serve(b"web1", findings=findings)
    done = server.run("doctor")
    assert (done.returncode, done.stderr) == (status, b"")
    lines = done.stdout.splitlines()
    assert lines[0] == first
    assert len(lines) == (2 + len(findings) if findings else 1)
    assert len(server.json("doctor", status=status)["findings"]) == len(findings)


# A name that looks like a level is a name.
@pytest.mark.parametrize("name", [b"web1", b"x level=critical", b'x" level="notice'])
def test_doctor_of_a_guest(serve, name):
    server = serve(name, findings="c")
    assert server.json("doctor", status=2)["findings"] == [{
        "level": "critical", "what": "may_be_killed", "subject": name.decode(), "pid": 1000, "nodes": "0,8",
        "growth_bytes": 3 << 30, "room_bytes": 2 << 30, "neighbours_bytes": 1 << 30, "short_bytes": 2 << 30,
        "text": "it may be killed", "remedy": "other nodes"}]
    assert server.json("status")["findings"][0]["level"] == "critical"


def test_doctor_that_cannot_ask(serve, box):
    done = box.run(placectl(), "doctor")
    assert (done.returncode, done.stdout) == (3, "UNKNOWN: placed cannot be asked\n")
    assert done.stderr.startswith("placectl: placed is not running")
    done = box.run(placectl(), "doctor", "--json")
    assert (done.returncode, done.stdout) == (3, "")
    assert box.run(placectl(), "doctor", "extra").returncode == 3
    assert box.run(placectl(), "doctor", "--help").returncode == 0
    server = serve(b"web1", findings="")
    with open("/dev/full", "wb") as full:
        assert server.run("doctor", stdout=full).returncode == 3


def test_thousand_guests(serve):
    status = serve(*(b"guest-with-a-long-name-%04d" % i for i in range(1000))).json("status")
    assert [guest["name"] for guest in status["guests"]] == [f"guest-with-a-long-name-{i:04}" for i in range(1000)]


def test_no_guest(serve):
    server = serve()
    assert server.json("status")["guests"] == []
    assert b"GUEST " not in server.run("doctor").stdout


def test_pause_and_resume(serve):
    server = serve(b"web1")
    for word, mode in (("pause", "paused"), ("resume", "active")):
        done = server.run(word)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        assert server.json("status")["daemon"]["mode"] == mode


def test_strangers_may_not_pause(serve):
    server = serve(b"web1")
    done = server.run("pause", before=NOBODY)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"placectl: pause: only root may do that\n"
    assert server.json("status")["daemon"]["mode"] == "active"


def test_errors(serve):
    server = serve(b"web1")
    for arguments, status, said in [
            (["explain", "web9"], 4, b"placectl: no guest has that name, uuid or pid: web9\n"),
            (["explain", "x" * 600], 1, b"placectl: too long: x"),
            (["reload"], 1, b"placectl: reload: the placed that runs does not know that\n"),
            (["status", "--socket", "/nowhere"], 3, b"placectl: placed is not running: nobody listens at /nowhere\n"),
            (["status", "extra"], 1, b"Usage: placectl status "), (["explain"], 1, b"Usage: placectl explain "),
            (["pause", "--json"], 1, b"Usage: placectl pause\n")]:
        done = server.run(*arguments)
        assert (done.returncode, done.stdout) == (status, b""), arguments
        assert done.stderr.startswith(said), done.stderr
    for word in ("status", "explain", "doctor", "metrics", "pause", "resume", "reload"):
        done = server.run(word, "--help")
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.startswith(b"Usage: placectl " + word.encode())
    with open("/dev/full", "wb") as full:
        assert server.run("status", "--json", stdout=full).returncode == 1


def test_nobody_there(box):
    done = box.run(placectl(), "status")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "placectl: placed is not running: nobody listens at /run/placed/socket\n"


def test_stopped_and_gone(serve):
    server = serve(b"web1")
    inner = list(descendants(server.process.pid))
    os.kill(inner[-1], signal.SIGSTOP)
    done = server.run("status")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"placectl: placed does not answer")
    os.kill(inner[-1], signal.SIGKILL)
    os.kill(server.process.pid, signal.SIGCONT)  # nsenter stops with its child
    server.process.wait()
    done = server.run("status")
    assert (done.returncode, done.stdout) == (3, b"")


def test_socket_of_somebody_else(box):
    """Root does not believe what a stranger's program says."""
    box.shell("mkdir -m 1777 /run/strange")
    listener = box.start(
        *NOBODY, "/usr/bin/python3", "-c",
        "import socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.bind('/run/strange/socket'); "
        "s.listen(); print('ready', flush=True); c = s.accept()[0]; c.recv(4096); c.send(b'ok\\n')")
    assert listener.stdout.readline() == "ready\n"
    done = box.run(placectl(), "status", "--socket", "/run/strange/socket")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "placectl: /run/strange/socket belongs to somebody else than root or you\n"
    listener.kill()
    listener.wait()
